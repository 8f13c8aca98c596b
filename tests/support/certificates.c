/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/certificates.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char directory[64];

void certificates_make(void)
{
	static const char script[] =
		"set -e; cd '%s'; ec='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'\n"
		"for ca in ca other-ca; do\n"
		"  openssl req -x509 $ec -days 2 -subj /CN=$ca -keyout $ca.key -out $ca.pem\n"
		"done\n"
		"for name in server client elsewhere; do\n"
		"  echo subjectAltName=IP:127.0.0.1 >names\n"
		"  [ $name != elsewhere ] || echo subjectAltName=DNS:elsewhere.test >names\n"
		"  openssl req $ec -subj /CN=$name -keyout $name.key -out $name.csr\n"
		"  openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
		"-extfile names -out $name.pem\n"
		"done\n";
	char command[sizeof(script) + 128];
	char quiet[sizeof(command) + sizeof(directory) + 64];

	strcpy(directory, "/tmp/zkcfg-certificates-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(command, sizeof(command), script, directory);
	snprintf(quiet, sizeof(quiet), "( %s ) >'%s/log' 2>&1", command, directory);
	ck_assert_msg(system(quiet) == 0, "no certificates: is openssl there?");
}

void certificates_remove(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	ck_assert_int_eq(system(command), 0);
}

char *certificates_path(const char *name)
{
	char *path;

	ck_assert_int_gt(asprintf(&path, "%s/%s", directory, name), 0);
	return path;
}
