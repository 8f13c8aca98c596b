dnl SPDX-FileCopyrightText: zkcfg authors
dnl SPDX-License-Identifier: Apache-2.0

dnl ZKCFG_TRY_FLAG(VARIABLE, compile|link, FLAG): append FLAG where the compiler takes it.
AC_DEFUN([ZKCFG_TRY_FLAG], [
	AC_MSG_CHECKING([whether to $2 with $3])
	zkcfg_saved_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS -Werror $3"
	m4_if([$2], [link], [AC_LINK_IFELSE], [AC_COMPILE_IFELSE])([AC_LANG_PROGRAM],
		[AC_MSG_RESULT([yes])
		$1="$$1 $3"],
		[AC_MSG_RESULT([no])])
	CFLAGS=$zkcfg_saved_CFLAGS
])

dnl ZKCFG_REQUIRE(PREFIX, MODULES, MODULE, DEBIAN-PACKAGE, USE): pkg-config's MODULES, or a
dnl line in $missing; have_PREFIX tells the version of MODULE.
AC_DEFUN([ZKCFG_REQUIRE], [
	PKG_CHECK_MODULES([$1], [$2], [have_$1="yes, `$PKG_CONFIG --modversion $3`"],
		[have_$1=no
		missing="$missing
  $2: Debian package $4, used for $5"])
])
