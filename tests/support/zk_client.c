/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#define THREADED /* for synchronous calls */

#include "support/zk_client.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The C client's own messages are of no use here. */
static void no_log(const char *text)
{
	(void)text;
}

zhandle_t *zk_client_open(const char *hosts, const clientid_t *id)
{
	zhandle_t *zh;
	int state = 0;

	zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
	zh = zookeeper_init2(hosts, NULL, 30000, id, NULL, 0, no_log);
	ck_assert_ptr_nonnull(zh);
	for (int left = 30000; left > 0 && state != ZOO_CONNECTED_STATE; left -= 5) {
		usleep(5000);
		state = zoo_state(zh);
	}
	ck_assert_int_eq(state, ZOO_CONNECTED_STATE);
	return zh;
}

void zk_client_write(zhandle_t *zh, const char *path, const char *bytes, int length)
{
	int code = zoo_set(zh, path, bytes, length, -1);

	if (code == ZNONODE)
		code = zoo_create(zh, path, bytes, length, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
	ck_assert_msg(code == ZOK, "%s: %s", path, zerror(code));
}

void zk_client_delete_tree(zhandle_t *zh, const char *path)
{
	struct String_vector children;
	char below[1024];

	if (zoo_get_children(zh, path, 0, &children) == ZOK) {
		for (int i = 0; i < children.count; i++) {
			snprintf(below, sizeof(below), "%s/%s", strcmp(path, "/") == 0 ? "" : path,
				 children.data[i]);
			zk_client_delete_tree(zh, below);
		}
		deallocate_String_vector(&children);
	}
	zoo_delete(zh, path, -1);
}

void zk_client_grant_only(zhandle_t *zh, const char *path, const char *scheme, const char *id)
{
	char scheme_copy[16], id_copy[64];
	struct ACL acl[1] = { { .perms = ZOO_PERM_ALL, .id = { scheme_copy, id_copy } } };
	struct ACL_vector acls = { .count = 1, .data = acl };

	snprintf(scheme_copy, sizeof(scheme_copy), "%s", scheme);
	snprintf(id_copy, sizeof(id_copy), "%s", id);
	ck_assert_int_eq(zoo_set_acl(zh, path, -1, &acls), ZOK);
}
