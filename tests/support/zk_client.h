/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that does at a real ZooKeeper what others would do there. Whatever
 * goes wrong fails the test that runs. Define THREADED before this is included.
 */
#ifndef ZKCFG_TESTS_SUPPORT_ZK_CLIENT_H
#define ZKCFG_TESTS_SUPPORT_ZK_CLIENT_H

#include <zookeeper/zookeeper.h>

/* Returns when it is connected. id: a session to take over; NULL: a new one. Ends with zookeeper_close(). */
zhandle_t *zk_client_open(const char *hosts, const clientid_t *id);
/* Set, or create. -1 bytes: no data at all. */
void zk_client_write(zhandle_t *zh, const char *path, const char *bytes, int length);
/* What cannot be deleted stays. */
void zk_client_delete_tree(zhandle_t *zh, const char *path);
/* Everything, and for nobody else. */
void zk_client_grant_only(zhandle_t *zh, const char *path, const char *scheme, const char *id);

#endif
