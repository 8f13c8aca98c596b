/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP clients that ask for one URL all the time, each over a connection that
 * stays open as long as the server lets it: what browsers, proxies and services do.
 *
 * A server may close a connection between two requests, as each reload of nginx
 * does with all of them. Who had sent a GET into it by then, and got no byte of an
 * answer, sends it once more over a new connection (RFC 9112, 9.3.1): such a
 * request has not failed, and libcurl does just this. What has failed is a
 * request without an answer, with half of one, or with another status than 200.
 */
#ifndef ZKCFG_TESTS_SUPPORT_LOAD_H
#define ZKCFG_TESTS_SUPPORT_LOAD_H

#include <stdint.h>

struct load;

struct load_result {
	uint64_t requests, failed;
	uint64_t connections; /* that were opened */
	char failure[256];    /* the first one's reason; "": none failed */
};

/* Ends with load_end(). */
struct load *load_begin(const char *url, unsigned clients);
/* Whether all clients have had an answer. */
int load_has_begun(const struct load *load);
void load_end(struct load *load, struct load_result *result);

#endif
