/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handle of the C client with TLS.
 *
 * The client library has TLS where it was built with OpenSSL, and is sparing
 * with it: it takes what it needs as one list, says nothing of why a handshake
 * fails, and waits for the end of one for ever. So the files are looked at, and
 * a server is shaken hands with, before it is let loose, and what is wrong is
 * said in words.
 *
 * The chain of a server's certificate up to ca_file is checked, always; its name
 * is not: the client has no means for that. Whoever has a certificate of a CA in
 * ca_file can pose as a server, so it is to be one that signs for ZooKeeper only.
 *
 * Where the client library has no TLS, all of these say so and fail.
 */
#ifndef ZKCFG_SOURCE_ZOOKEEPER_TLS_H
#define ZKCFG_SOURCE_ZOOKEEPER_TLS_H

#include <zookeeper/zookeeper.h>

#include "base/message.h"
#include "source/zookeeper.h"

/* Whether its files are there, and fit together. 0 or a negative errno and message. */
int zookeeper_tls_check(const struct zookeeper_tls *tls, struct message *message);

/*
 * As zookeeper_init2() does. Blocks, so it is for the handle's own thread: name
 * servers, and a handshake with the first server that answers, a third of
 * session_timeout_ms at the most for each. NULL, errno and message: a file, or
 * all servers that answer, are not as they should be. No server that answers is
 * no error.
 */
zhandle_t *zookeeper_tls_init(const char *hosts, const struct zookeeper_tls *tls, watcher_fn watcher,
			      int session_timeout_ms, void *context, log_callback_fn log,
			      struct message *message);

#endif
