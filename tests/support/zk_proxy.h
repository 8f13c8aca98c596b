/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP proxy between a ZooKeeper client and its server that does harm when it
 * is told to: it cuts, delays, stalls, refuses, and swallows notifications.
 *
 * It runs on a thread of its own; all functions may be called at any time from
 * one other thread. Whatever goes wrong with it fails the test that runs. Not
 * here: a server.
 */
#ifndef ZKCFG_TESTS_SUPPORT_ZK_PROXY_H
#define ZKCFG_TESTS_SUPPORT_ZK_PROXY_H

#include <stdbool.h>
#include <stddef.h>

struct zk_proxy;

enum zk_proxy_way { ZK_PROXY_TO_SERVER = 0, ZK_PROXY_TO_CLIENT = 1 };

/* Listens on a free port of 127.0.0.1 and connects to server_port there. Ends with zk_proxy_free(). */
struct zk_proxy *zk_proxy_new(int server_port);
void zk_proxy_free(struct zk_proxy *proxy);
/* "127.0.0.1:PORT", as a URI has it. */
const char *zk_proxy_hosts(const struct zk_proxy *proxy);

/* Cut all connections now; with RST or with FIN. */
void zk_proxy_cut(struct zk_proxy *proxy, bool reset);
/* Cut the next connection when so many bytes went this way: the last of them still arrives. */
void zk_proxy_cut_after(struct zk_proxy *proxy, enum zk_proxy_way way, size_t bytes, bool reset);
/* Everything is passed on so much later. */
void zk_proxy_delay(struct zk_proxy *proxy, int delay_ms);
/* Nothing is passed on this way, and nothing is closed. */
void zk_proxy_stall(struct zk_proxy *proxy, enum zk_proxy_way way, bool stalled);
/* The same for what goes to the client, on those of today's connections that sent this text last. */
void zk_proxy_stall_senders(struct zk_proxy *proxy, const char *text);
/* Swallow the next so many notifications, each a frame of its own on its way to the client. */
void zk_proxy_drop_notifications(struct zk_proxy *proxy, unsigned int count);
/* New connections are closed at once. */
void zk_proxy_refuse(struct zk_proxy *proxy, bool refused);

/* Connections that were passed on, ever; notifications swallowed, ever. */
unsigned int zk_proxy_connections(struct zk_proxy *proxy);
unsigned int zk_proxy_dropped(struct zk_proxy *proxy);
/* Whether the connection of the last zk_proxy_cut_after() has been cut. */
bool zk_proxy_was_cut(struct zk_proxy *proxy);

#endif
