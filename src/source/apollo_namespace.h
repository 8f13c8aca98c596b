/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One namespace: what is known of it, what was told, and what an answer means
 * beside that. No I/O, no clock. Why it is as it is: apollo.h, "Revisions".
 */
#ifndef ZKCFG_SOURCE_APOLLO_NAMESPACE_H
#define ZKCFG_SOURCE_APOLLO_NAMESPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/apollo_answer.h"

struct http_request;
struct apollo;

struct apollo_namespace {
	struct apollo_notification known; /* id -1: not known yet; 0: the server knows of none */
	bool is_xml;

	char *release_key; /* of the release seen last; NULL: there is none, or it is not known */
	int64_t told_id;   /* the id that it was seen under */
	char *other_key;   /* another release under the same id, "" for none at all; NULL: not seen */
	unsigned other_count;
	unsigned back_count; /* how often in a row an older id was told */
	bool is_missing;     /* the server said that there is no release */
	bool is_in_trouble;
	bool is_unusable; /* the release itself is why */

	bool is_dirty;			/* to be read */
	bool is_parked;			/* read without an id, which is to be found first */
	int64_t suspect_id, suspect_ns; /* found by an audit, and not told by the long poll yet; 0: none */

	/* The request, of apollo.c: */
	struct apollo *apollo;
	struct http_request *fetch;
	int64_t asked_id;
	bool is_keyed;	      /* a release key was sent */
	bool is_whole_wanted; /* for once, none is sent */
	unsigned failures;
	int64_t retry_ns; /* not before */
};

/* 0 or -ENOMEM. name is copied. */
int namespace_init(struct apollo_namespace *space, const char *name, bool is_xml);
void namespace_free(struct apollo_namespace *space);

enum namespace_news {
	NAMESPACE_OUT_OF_MEMORY = -1,
	NAMESPACE_KNOWN, /* nothing new */
	NAMESPACE_NEWER, /* a newer id: it is to be read */
	NAMESPACE_OLDER, /* an older id; a server that lags, unless it goes on */
	NAMESPACE_BACK	 /* it went on: the older id counts from now */
};

/* A server told this. is_anew: whatever the id is, so that an older one says something. */
enum namespace_news namespace_notify(struct apollo_namespace *space, const struct apollo_notification *told,
				     bool is_anew);

/* The key to send, so that nothing comes where nothing changed; NULL: all of it is wanted. */
const char *namespace_key(const struct apollo_namespace *space);

enum namespace_verdict {
	NAMESPACE_NOTHING, /* as it was */
	NAMESPACE_TELL,	   /* the document, or its removal */
	NAMESPACE_AGAIN,   /* not sure yet: to be asked again in a while, ids first */
	NAMESPACE_PARK	   /* there is one, and no id for it yet */
};

/* What was found under asked_id: a release with this key; NULL: none. */
enum namespace_verdict namespace_judge(struct apollo_namespace *space, const char *key);
/* It was told: that is what is known from now on. 0 or -ENOMEM. */
int namespace_told(struct apollo_namespace *space, const char *key);

#endif
