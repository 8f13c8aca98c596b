/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hook as it is written in zkcfgd.xml(5):
 *
 *	<hook name="nginx" limit="10s">
 *	  <watch document="upstreams.xml"/>
 *	  <render stylesheet="nginx.xsl" file="/etc/nginx/nginx.conf"/>
 *	  <check command="/usr/sbin/nginx -t -c {}"/>
 *	  <action command="/usr/sbin/nginx -s reload"/>
 *	</hook>
 */
#ifndef ZKCFG_HOOK_ELEMENT_H
#define ZKCFG_HOOK_ELEMENT_H

#include <zkcfg/zkcfg.h>

#include "base/message.h"
#include "hook/config.h"

struct element_fault {
	char path[1024]; /* of the element or attribute, as a cursor tells it */
	struct message message;
};

/*
 * Read the element at a path of a compiled zkcfgd.xml; relative paths in it are
 * relative to directory. For one thread, as getgrnam(3) is. -EINVAL or -ENOMEM
 * with fault. Ends with hook_config_free().
 */
int element_read(const struct zkcfg_document *document, const char *path, const char *directory,
		 const char *set, struct hook_config *config, struct element_fault *fault);

#endif
