/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Apollo's servers answer, read: bytes in, structures or a reason out.
 *
 * No I/O here. Each function returns 0, -EBADMSG with why (it is not what such
 * a server answers), or -ENOMEM; its output is untouched on failure.
 */
#ifndef ZKCFG_SOURCE_APOLLO_ANSWER_H
#define ZKCFG_SOURCE_APOLLO_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/message.h"

#define APOLLO_SERVERS_MOST 64
/* Of one namespace: the clusters that it may come from. */
#define APOLLO_MESSAGES_MOST 64

/* The config servers, without '/' at the end: "http://10.0.0.1:8080". */
struct apollo_servers {
	char **urls;
	size_t count;
};

int apollo_answer_servers(const char *body, size_t body_bytes, struct apollo_servers *servers,
			  struct message *why);
void apollo_servers_free(struct apollo_servers *servers);

/* "app+cluster+namespace", and the newest release message of it. */
struct apollo_message {
	char *key;
	int64_t id;
};

struct apollo_notification {
	char *name; /* of the namespace */
	int64_t id;
	struct apollo_message *messages;
	size_t message_count;
};

struct apollo_notifications {
	struct apollo_notification *items;
	size_t count;
};

int apollo_answer_notifications(const char *body, size_t body_bytes,
				struct apollo_notifications *notifications, struct message *why);
void apollo_notifications_free(struct apollo_notifications *notifications);

struct apollo_release {
	char *key;
	char *bytes; /* the document; NULL: it cannot be made of what is released, as why says */
	size_t size_bytes;
	/* Only what changed since the release that was named: to be asked for whole. Nothing else is set. */
	bool is_difference;
};

int apollo_answer_release(const char *body, size_t body_bytes, bool is_xml, struct apollo_release *release,
			  struct message *why);
void apollo_release_free(struct apollo_release *release);

/* Is this how an Apollo server says 404, rather than somebody else that is there in its place? */
bool apollo_answer_is_missing(const char *body, size_t body_bytes);

#endif
