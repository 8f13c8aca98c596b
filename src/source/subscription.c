/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/subscription.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "source/requests.h"
#include "source/waiting.h"
#include "source/znode.h"

/* Pauses before a read is tried again: they double from the first to the last, with jitter. */
#define SUBSCRIPTION_LOST_PAUSE_NS (100 * CLOCK_NS_PER_MS)
#define SUBSCRIPTION_LAG_FIRST_NS (200 * CLOCK_NS_PER_MS)
#define SUBSCRIPTION_LAG_LAST_NS (5 * CLOCK_NS_PER_S)
#define SUBSCRIPTION_ERROR_FIRST_NS (100 * CLOCK_NS_PER_MS)
#define SUBSCRIPTION_ERROR_LAST_NS (30 * CLOCK_NS_PER_S)
#define SUBSCRIPTION_AUTH_FIRST_NS CLOCK_NS_PER_S
#define SUBSCRIPTION_AUTH_LAST_NS (60 * CLOCK_NS_PER_S)

/* An error that came so often in a row stays: the others wait no longer. */
#define SUBSCRIPTION_ERRORS_BORNE 3
/*
 * A listing that was older than what is known so often in a row (half a minute)
 * is believed: pzxid is known to differ between servers for good after some
 * recoveries, and a listing is not something that readers see a revision of.
 */
#define SUBSCRIPTION_OLD_LISTINGS 10

#define SUBSCRIPTION_DETAIL_BYTES 512

/* The znode that "/" has and that is not configuration. */
#define SUBSCRIPTION_SYSTEM_ZNODE "zookeeper"

enum link { LINK_DOWN = 0, LINK_UP, LINK_REFUSED };

struct subscription {
	const struct subscription_ops *ops;
	const struct source_events *events;
	void *ops_user, *user;
	struct znode_tree tree;
	const char *own_name; /* the root's, within its path; "" for "/" */
	struct watch *queue_first, *queue_last;
	struct waiting waiting;

	struct requests requests;
	int64_t request_ns; /* how long one may take */

	size_t pending; /* DIRTY or INFLIGHT, and waited for */
	size_t lagging;
	size_t watch_bytes; /* of what is ARMED */
	uint32_t listing;   /* number of the last listing looked at */
	uint64_t random;

	enum link link;
	int64_t paused_until_ns; /* after a loss nobody has announced */
	bool begun;		 /* there was a session */
	bool silent;
	bool syncing;	  /* not yet settled in this session */
	bool settled;	  /* told at least once */
	bool unsettled;	  /* something was told since */
	bool shadowed;	  /* a child has the root's own name */
	bool shadow_told; /* and it hides data: trouble() said so */
	char link_detail[SUBSCRIPTION_DETAIL_BYTES];
	char root_trouble[SUBSCRIPTION_DETAIL_BYTES];
	char lag_detail[SUBSCRIPTION_DETAIL_BYTES];

	enum source_state told_state;
	char told_detail[SUBSCRIPTION_DETAIL_BYTES];
};

/* --- one watch ------------------------------------------------------------ */

static struct watch *other_watch(struct watch *watch)
{
	struct znode *node = znode_of(watch);

	return watch->kind == WATCH_DATA ? &node->children : &node->data;
}

static bool watch_is_pending(const struct watch *watch)
{
	return (watch->state == WATCH_DIRTY || watch->state == WATCH_INFLIGHT) && !watch->troubled;
}

/* A watch costs its path and a length in the packet that sets all of them again. */
static size_t watch_cost(struct watch *watch)
{
	return watch->state == WATCH_ARMED ? 4 + (size_t)znode_of(watch)->path_length : 0;
}

static void watch_unqueue(struct subscription *subscription, struct watch *watch)
{
	if (watch->timer != 0) {
		waiting_remove(&subscription->waiting, watch);
		return;
	}
	if (watch->prev)
		watch->prev->next = watch->next;
	else
		subscription->queue_first = watch->next;
	if (watch->next)
		watch->next->prev = watch->prev;
	else
		subscription->queue_last = watch->prev;
	watch->prev = watch->next = NULL;
}

static void watch_enqueue(struct subscription *subscription, struct watch *watch)
{
	watch->prev = subscription->queue_last;
	watch->next = NULL;
	if (watch->prev)
		watch->prev->next = watch;
	else
		subscription->queue_first = watch;
	subscription->queue_last = watch;
}

/* Every change of state goes through here, so that the sums are right. */
static void watch_move(struct subscription *subscription, struct watch *watch, enum watch_state state)
{
	subscription->pending -= watch_is_pending(watch);
	subscription->watch_bytes -= watch_cost(watch);
	if (watch->state == WATCH_DIRTY)
		watch_unqueue(subscription, watch);
	watch->state = (uint8_t)state;
	watch->again = false;
	subscription->pending += watch_is_pending(watch);
	subscription->watch_bytes += watch_cost(watch);
}

static void watch_dirty(struct subscription *subscription, struct watch *watch)
{
	watch_move(subscription, watch, WATCH_DIRTY);
	watch_enqueue(subscription, watch);
}

static int64_t subscription_jitter(struct subscription *subscription, int64_t pause_ns)
{
	uint64_t x = subscription->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	subscription->random = x;
	return pause_ns / 2 + (int64_t)(x % (uint64_t)(pause_ns / 2 + 1));
}

/* DIRTY, to be read after a pause that grows with the failures in a row. */
static void watch_dirty_later(struct subscription *subscription, struct watch *watch, int64_t first_ns,
			      int64_t last_ns, int64_t now_ns)
{
	int64_t pause_ns = first_ns;

	if (watch->failures < UINT8_MAX)
		watch->failures++;
	for (unsigned int i = 1; i < watch->failures && pause_ns < last_ns; i++)
		pause_ns *= 2;
	if (pause_ns > last_ns)
		pause_ns = last_ns;
	watch_move(subscription, watch, WATCH_DIRTY);
	watch->due_ns = now_ns + subscription_jitter(subscription, pause_ns);
	waiting_add(&subscription->waiting, watch);
}

static void watch_set_lagging(struct subscription *subscription, struct watch *watch, bool lagging)
{
	subscription->lagging -= watch->lagging;
	watch->lagging = lagging;
	subscription->lagging += lagging;
}

/* --- what is told --------------------------------------------------------- */

/* A document's name; also how a znode is called in trouble(). */
static const char *subscription_name(const struct subscription *subscription, const struct znode *node)
{
	size_t root_length = subscription->tree.root->path_length;

	if (node == subscription->tree.root)
		return subscription->own_name;
	return node->path + root_length + (root_length > 1 ? 1 : 0);
}

static void subscription_tell_document(struct subscription *subscription, struct znode *node,
				       const struct subscription_reply *reply)
{
	struct source_revision revision = { .created = (uint64_t)reply->czxid,
					    .modified = (uint64_t)reply->mzxid,
					    .version = reply->version };

	node->document = true;
	subscription->unsettled = true;
	subscription->events->document(subscription->user, subscription_name(subscription, node),
				       reply->size_bytes > 0 ? reply->bytes : "", reply->size_bytes,
				       &revision);
}

static void subscription_tell_removed(struct subscription *subscription, struct znode *node)
{
	if (!node->document)
		return;
	node->document = false;
	subscription->unsettled = true;
	subscription->events->removed(subscription->user, subscription_name(subscription, node));
}

/* The root's trouble is the whole source's: it shows in the state. */
static void watch_set_trouble(struct subscription *subscription, struct watch *watch, const char *reason)
{
	struct znode *node = znode_of(watch);
	bool was = watch->troubled;

	subscription->pending -= watch_is_pending(watch);
	watch->troubled = reason != NULL;
	subscription->pending += watch_is_pending(watch);
	if (was == watch->troubled || other_watch(watch)->troubled)
		return; /* told already, or still the case */
	if (node == subscription->tree.root) {
		snprintf(subscription->root_trouble, sizeof(subscription->root_trouble), "%s",
			 reason ? reason : "");
		return;
	}
	subscription->events->trouble(subscription->user, subscription_name(subscription, node), reason);
}

static void subscription_tell_shadow(struct subscription *subscription, bool told)
{
	char reason[SUBSCRIPTION_DETAIL_BYTES];

	if (subscription->shadow_told == told)
		return;
	subscription->shadow_told = told;
	snprintf(reason, sizeof(reason),
		 "the data of %s itself is not served: its child of the same name takes the name",
		 subscription->tree.root->path);
	subscription->events->trouble(subscription->user, subscription->own_name, told ? reason : NULL);
}

/* Whether a child has the name that the root's own data would be served by. */
static void subscription_set_shadowed(struct subscription *subscription, bool shadowed)
{
	struct znode *root = subscription->tree.root;

	if (subscription->shadowed == shadowed)
		return;
	subscription->shadowed = shadowed;
	if (shadowed && root->document) {
		subscription_tell_removed(subscription, root);
		root->unreported = true;
		subscription_tell_shadow(subscription, true);
	} else if (!shadowed) {
		subscription_tell_shadow(subscription, false);
		if (root->unreported && root->data.state == WATCH_ARMED)
			watch_dirty(subscription, &root->data);
	}
}

static enum source_state subscription_state(const struct subscription *subscription, const char **detail)
{
	*detail = subscription->link_detail;
	if (subscription->link == LINK_REFUSED)
		return SOURCE_REFUSED;
	if (subscription->link == LINK_DOWN || subscription->silent)
		return subscription->begun ? SOURCE_AWAY : SOURCE_CONNECTING;
	*detail = subscription->root_trouble;
	if (**detail != '\0')
		return SOURCE_REFUSED;
	*detail = subscription->lagging > 0 ? subscription->lag_detail : "";
	return subscription->syncing ? SOURCE_SYNCING : SOURCE_FOLLOWING;
}

static void subscription_tell_state(struct subscription *subscription)
{
	char missing[SUBSCRIPTION_DETAIL_BYTES];
	const char *detail;
	enum source_state state = subscription_state(subscription, &detail);

	if (state == SOURCE_FOLLOWING && *detail == '\0' && subscription->tree.root->missing) {
		snprintf(missing, sizeof(missing), "there is no znode %s; waiting for it to be created",
			 subscription->tree.root->path);
		detail = missing;
	}
	if (state == subscription->told_state && strcmp(detail, subscription->told_detail) == 0)
		return;
	subscription->told_state = state;
	snprintf(subscription->told_detail, sizeof(subscription->told_detail), "%s", detail);
	subscription->events->state(subscription->user, state, subscription->told_detail);
}

static void subscription_settle(struct subscription *subscription)
{
	if (!subscription->begun || subscription->pending > 0)
		return;
	if (!subscription->settled && subscription->root_trouble[0] != '\0')
		return; /* what was not told would pass for not being there */
	subscription->syncing = false;
	if (subscription->settled && !subscription->unsettled)
		return;
	subscription->settled = true;
	subscription->unsettled = false;
	subscription->events->settled(subscription->user);
}

/* --- what was read -------------------------------------------------------- */

static void watch_forget(struct subscription *subscription, struct watch *watch)
{
	requests_orphan(&subscription->requests, watch);
	watch_set_trouble(subscription, watch, NULL);
	watch_set_lagging(subscription, watch, false);
	watch_move(subscription, watch, WATCH_IDLE);
}

/* Forget a znode and everything below it, deepest first. */
static void subscription_forget(struct subscription *subscription, struct znode *top)
{
	struct znode *node;
	bool last;

	do {
		node = znode_deepest(top);
		last = node == top;
		if (node->parent == subscription->tree.root &&
		    strcmp(subscription_name(subscription, node), subscription->own_name) == 0) {
			subscription_tell_removed(subscription, node);
			subscription_set_shadowed(subscription, false);
		}
		watch_forget(subscription, &node->data);
		watch_forget(subscription, &node->children);
		subscription_tell_removed(subscription, node);
		znode_remove(&subscription->tree, node);
	} while (!last);
}

/* The root is not there: neither is anything else. Wait for its creation. */
static void subscription_miss_root(struct subscription *subscription)
{
	struct znode *root = subscription->tree.root;

	while (root->first_child)
		subscription_forget(subscription, root->first_child);
	subscription_tell_removed(subscription, root);
	root->unreported = true;
	root->children_read = false;
	root->missing = true;
	watch_set_trouble(subscription, &root->children, NULL);
	if (root->children.state != WATCH_INFLIGHT)
		watch_move(subscription, &root->children, WATCH_IDLE);
}

/*
 * A znode is not there, says the read of it: its parent's listing decides,
 * because a listing shows by its pzxid whether the server lags. Where a listing
 * cannot be had, the word of the read must do.
 */
static void subscription_doubt(struct subscription *subscription, struct watch *watch, int64_t now_ns)
{
	struct znode *node = znode_of(watch), *parent = node->parent;

	if (parent->children.troubled) {
		subscription_forget(subscription, node);
		return;
	}
	node->doubted = true;
	watch_dirty_later(subscription, watch, SUBSCRIPTION_LAG_FIRST_NS, SUBSCRIPTION_LAG_LAST_NS, now_ns);
	/* The notification of it came first, says the protocol; this is for one that was lost. */
	if (parent->children.state == WATCH_ARMED)
		watch_dirty(subscription, &parent->children);
}

/* The listing has it: read it without waiting any longer. */
static void subscription_undoubt(struct subscription *subscription, struct znode *node)
{
	if (!node->doubted)
		return;
	node->doubted = false;
	if (node->data.timer != 0)
		watch_dirty(subscription, &node->data);
	if (node->children.timer != 0)
		watch_dirty(subscription, &node->children);
}

static void subscription_no_node(struct subscription *subscription, struct watch *watch, int64_t now_ns)
{
	struct znode *node = znode_of(watch);

	watch_set_lagging(subscription, watch, false);
	if (node != subscription->tree.root) {
		subscription_doubt(subscription, watch, now_ns);
		return;
	}
	watch->failures = 0;
	watch_set_trouble(subscription, watch, NULL);
	if (watch->kind == WATCH_CHILDREN) {
		watch_move(subscription, watch, WATCH_IDLE);
		if (!node->missing && node->data.state == WATCH_ARMED)
			watch_dirty(subscription, &node->data);
		return;
	}
	subscription_miss_root(subscription);
	watch_dirty(subscription, watch);
}

static void subscription_failed(struct subscription *subscription, struct watch *watch,
				enum subscription_result result, const char *error, int64_t now_ns)
{
	char reason[SUBSCRIPTION_DETAIL_BYTES];

	if (result == SUBSCRIPTION_LOST) {
		watch_dirty(subscription, watch);
		subscription->paused_until_ns = now_ns + SUBSCRIPTION_LOST_PAUSE_NS;
		return;
	}
	if (result == SUBSCRIPTION_NO_AUTH) {
		watch_dirty_later(subscription, watch, SUBSCRIPTION_AUTH_FIRST_NS, SUBSCRIPTION_AUTH_LAST_NS,
				  now_ns);
		snprintf(reason, sizeof(reason),
			 "no permission to read %s (ZNOAUTH): its ACL does not let us in with the user we "
			 "have; tried again at least every %d s",
			 znode_of(watch)->path, (int)(SUBSCRIPTION_AUTH_LAST_NS / CLOCK_NS_PER_S));
		watch_set_trouble(subscription, watch, reason);
		return;
	}
	watch_dirty_later(subscription, watch, SUBSCRIPTION_ERROR_FIRST_NS, SUBSCRIPTION_ERROR_LAST_NS,
			  now_ns);
	if (watch->failures < SUBSCRIPTION_ERRORS_BORNE)
		return;
	snprintf(reason, sizeof(reason), "%s cannot be read (%s); tried again at least every %d s",
		 znode_of(watch)->path, error ? error : "unknown error",
		 (int)(SUBSCRIPTION_ERROR_LAST_NS / CLOCK_NS_PER_S));
	watch_set_trouble(subscription, watch, reason);
}

static void watch_lag(struct subscription *subscription, struct watch *watch, int64_t shown, int64_t known,
		      int64_t now_ns)
{
	snprintf(subscription->lag_detail, sizeof(subscription->lag_detail),
		 "the server lags behind what is known: it shows %s as of zxid 0x%" PRIx64 ", 0x%" PRIx64
		 " was seen already and stays in force; asked again until it has caught up",
		 znode_of(watch)->path, (uint64_t)shown, (uint64_t)known);
	watch_set_trouble(subscription, watch, NULL);
	watch_set_lagging(subscription, watch, true);
	watch_dirty_later(subscription, watch, SUBSCRIPTION_LAG_FIRST_NS, SUBSCRIPTION_LAG_LAST_NS, now_ns);
}

/* The read succeeded and set the watch. */
static void watch_arm(struct subscription *subscription, struct watch *watch)
{
	bool again = watch->again;

	watch->failures = 0;
	znode_of(watch)->doubted = false;
	watch_set_lagging(subscription, watch, false);
	watch_move(subscription, watch, WATCH_ARMED);
	watch_set_trouble(subscription, watch, NULL);
	if (other_watch(watch)->timer != 0 && other_watch(watch)->troubled)
		watch_dirty(subscription, other_watch(watch)); /* what was in its way is gone too */
	if (again)
		watch_dirty(subscription, watch);
}

/* The root is there, or is again. The listing comes first: see subscription_take_data(). */
static void subscription_find_root(struct subscription *subscription)
{
	struct znode *root = subscription->tree.root;

	root->missing = false;
	root->data.failures = 0;
	if (root->children.state == WATCH_IDLE)
		watch_dirty(subscription, &root->children);
	watch_dirty(subscription, &root->data);
}

static void subscription_take_data(struct subscription *subscription, struct znode *node,
				   const struct subscription_reply *reply, int64_t now_ns)
{
	bool moved = node->unreported || reply->czxid != node->czxid || reply->mzxid != node->mzxid;
	bool is_root = node == subscription->tree.root;

	if (reply->mzxid < node->mzxid) {
		watch_lag(subscription, &node->data, reply->mzxid, node->mzxid, now_ns);
		return;
	}
	if (is_root && node->children.state == WATCH_IDLE) {
		subscription_find_root(subscription); /* it was not there when its children were asked for */
		return;
	}
	if (is_root && !node->children_read) {
		/* A child may have its name: the listing is asked for first, and must have come. */
		watch_dirty_later(subscription, &node->data, SUBSCRIPTION_LAG_FIRST_NS,
				  SUBSCRIPTION_LAG_LAST_NS, now_ns);
		return;
	}
	watch_arm(subscription, &node->data);
	node->czxid = reply->czxid;
	node->mzxid = reply->mzxid;
	if (!moved)
		return;
	if (is_root && subscription->shadowed) {
		node->unreported = reply->size_bytes > 0;
		subscription_tell_shadow(subscription, node->unreported);
		return;
	}
	node->unreported = false;
	if (reply->size_bytes > 0 || node->document)
		subscription_tell_document(subscription, node, reply);
}

static bool subscription_discover(struct subscription *subscription, struct znode *parent, const char *name)
{
	struct znode *node;

	if (waiting_reserve(&subscription->waiting, 2 * (subscription->tree.node_count + 1)) < 0)
		return false;
	node = znode_add(&subscription->tree, parent, name);
	if (!node)
		return false;
	node->listing = subscription->listing;
	watch_dirty(subscription, &node->data);
	watch_dirty(subscription, &node->children);
	return true;
}

/* Mark the children that are listed, make those that are new. */
static bool subscription_look_through(struct subscription *subscription, struct znode *node,
				      const struct subscription_reply *reply)
{
	const char *name = reply->names;

	subscription->listing++;
	for (size_t i = 0; i < reply->name_count; i++, name += strlen(name) + 1) {
		struct znode *child;

		if (*name == '\0' || strchr(name, '/'))
			continue; /* no server says so; what follows would be paths that are none */
		if (node->path_length == 1 && strcmp(name, SUBSCRIPTION_SYSTEM_ZNODE) == 0)
			continue;
		child = znode_find_child(&subscription->tree, node, name);
		if (!child && !subscription_discover(subscription, node, name))
			return false;
		if (!child)
			continue;
		child->listing = subscription->listing;
		subscription_undoubt(subscription, child);
	}
	return true;
}

static void subscription_take_children(struct subscription *subscription, struct znode *node,
				       const struct subscription_reply *reply, int64_t now_ns)
{
	struct znode *child, *next;

	if (reply->pzxid < node->pzxid && node->children.failures < SUBSCRIPTION_OLD_LISTINGS) {
		watch_lag(subscription, &node->children, reply->pzxid, node->pzxid, now_ns);
		return;
	}
	if (!subscription_look_through(subscription, node, reply)) {
		subscription_failed(subscription, &node->children, SUBSCRIPTION_ERROR, "out of memory",
				    now_ns);
		return;
	}
	for (child = node->first_child; child; child = next) {
		next = child->sibling_next;
		if (child->listing != subscription->listing)
			subscription_forget(subscription, child);
	}
	node->pzxid = reply->pzxid;
	node->children_read = true;
	watch_arm(subscription, &node->children);
	if (node == subscription->tree.root)
		subscription_set_shadowed(subscription, znode_find_child(&subscription->tree, node,
									 subscription->own_name) != NULL);
}

/* --- what comes in -------------------------------------------------------- */

void subscription_reply(struct subscription *subscription, const struct subscription_reply *reply,
			int64_t now_ns)
{
	struct request *request = requests_find(&subscription->requests, reply->request);
	enum subscription_read read;
	struct watch *watch;

	if (!request)
		return;
	watch = request->watch;
	read = (enum subscription_read)request->read;
	requests_end(&subscription->requests, request, now_ns);
	if (reply->result != SUBSCRIPTION_LOST)
		subscription->silent = false;
	if (!watch)
		return;
	if (reply->result == SUBSCRIPTION_OK && read == SUBSCRIPTION_DATA)
		subscription_take_data(subscription, znode_of(watch), reply, now_ns);
	else if (reply->result == SUBSCRIPTION_OK && read == SUBSCRIPTION_CHILDREN)
		subscription_take_children(subscription, znode_of(watch), reply, now_ns);
	else if (reply->result == SUBSCRIPTION_OK)
		subscription_find_root(subscription);
	else if (reply->result == SUBSCRIPTION_NO_NODE && read == SUBSCRIPTION_EXISTS)
		watch_arm(subscription, watch);
	else if (reply->result == SUBSCRIPTION_NO_NODE && subscription->tree.root->path_length > 1)
		subscription_no_node(subscription, watch, now_ns);
	else /* "/" is always there: a server that says otherwise is in error */
		subscription_failed(subscription, watch, reply->result, reply->error, now_ns);
}

/* A watch has fired. */
static void watch_fired(struct subscription *subscription, struct watch *watch)
{
	if (watch->state == WATCH_INFLIGHT)
		watch->again = true;
	else if (watch->state == WATCH_ARMED)
		watch_dirty(subscription, watch);
}

void subscription_notify(struct subscription *subscription, enum subscription_change change, const char *path)
{
	struct znode *node = znode_find(&subscription->tree, path, strlen(path));

	subscription->silent = false;
	if (!node)
		return;
	if (node->missing && node->data.state == WATCH_ARMED) {
		subscription_find_root(subscription);
		return;
	}
	if (change != SUBSCRIPTION_CREATED && change != SUBSCRIPTION_CHANGED)
		watch_fired(subscription, &node->children);
	if (change != SUBSCRIPTION_CHILD)
		watch_fired(subscription, &node->data);
}

/* Give up on all requests: what they were for is DIRTY. */
static void subscription_drop_requests(struct subscription *subscription)
{
	struct request *request;

	while ((request = requests_first(&subscription->requests))) {
		struct watch *watch = request->watch;

		requests_end(&subscription->requests, request, 0);
		if (watch)
			watch_dirty(subscription, watch);
	}
}

void subscription_begin(struct subscription *subscription, int64_t request_ns)
{
	struct znode *node;

	subscription_drop_requests(subscription);
	for (node = subscription->tree.root; node; node = znode_next(node)) {
		struct watch *watches[] = { &node->children, &node->data };

		for (size_t i = 0; i < sizeof(watches) / sizeof(*watches); i++) {
			watches[i]->failures = 0;
			watch_set_lagging(subscription, watches[i], false);
			if (watches[i]->state != WATCH_IDLE)
				watch_dirty(subscription, watches[i]);
		}
	}
	subscription->request_ns = request_ns;
	subscription->begun = true;
	subscription->syncing = true;
	subscription_connected(subscription);
}

void subscription_connected(struct subscription *subscription)
{
	subscription->link = LINK_UP;
	subscription->paused_until_ns = INT64_MIN;
	subscription->silent = false;
}

static void subscription_set_detail(struct subscription *subscription, const char *detail)
{
	snprintf(subscription->link_detail, sizeof(subscription->link_detail), "%s", detail);
}

void subscription_disconnected(struct subscription *subscription, const char *detail)
{
	subscription->link = LINK_DOWN;
	subscription_set_detail(subscription, detail);
	subscription_drop_requests(subscription);
}

void subscription_silent(struct subscription *subscription, const char *detail)
{
	subscription->silent = true;
	subscription_set_detail(subscription, detail);
}

void subscription_refused(struct subscription *subscription, const char *detail)
{
	subscription_disconnected(subscription, detail);
	subscription->link = LINK_REFUSED;
}

void subscription_answered(struct subscription *subscription, int64_t sent_boottime_ns)
{
	subscription->silent = false;
	subscription_settle(subscription);
	if (subscription_is_settled(subscription))
		subscription->events->verified(subscription->user, sent_boottime_ns);
}

/* --- time ----------------------------------------------------------------- */

static bool subscription_may_send(const struct subscription *subscription)
{
	return subscription->link == LINK_UP && subscription->queue_first &&
	       !requests_full(&subscription->requests);
}

static enum subscription_read watch_read(struct watch *watch)
{
	if (watch->kind == WATCH_CHILDREN)
		return SUBSCRIPTION_CHILDREN;
	return znode_of(watch)->missing ? SUBSCRIPTION_EXISTS : SUBSCRIPTION_DATA;
}

static void subscription_send(struct subscription *subscription, int64_t now_ns)
{
	while (subscription_may_send(subscription) && now_ns >= subscription->paused_until_ns) {
		struct watch *watch = subscription->queue_first;
		enum subscription_read read = watch_read(watch);
		struct request *request =
			requests_begin(&subscription->requests, watch, (uint8_t)read, now_ns);
		enum subscription_result result = subscription->ops->read(subscription->ops_user, read,
									  znode_of(watch)->path, request->id);

		if (result == SUBSCRIPTION_OK) {
			watch_move(subscription, watch, WATCH_INFLIGHT);
			continue;
		}
		requests_end(&subscription->requests, request, now_ns);
		subscription_failed(subscription, watch, result, "the request could not be sent", now_ns);
	}
}

static void subscription_check_overdue(struct subscription *subscription, int64_t now_ns)
{
	struct watch *watch;

	if (requests_overdue_ns(&subscription->requests, subscription->request_ns) > now_ns)
		return;
	watch = requests_first(&subscription->requests)->watch;
	subscription->requests.first_since_ns = now_ns;
	subscription->ops->overdue(subscription->ops_user,
				   watch ? znode_of(watch)->path : subscription->tree.root->path);
}

int64_t subscription_run(struct subscription *subscription, int64_t now_ns)
{
	struct watch *due;
	int64_t next_ns;

	while ((due = waiting_first(&subscription->waiting)) && due->due_ns <= now_ns) {
		waiting_remove(&subscription->waiting, due);
		watch_enqueue(subscription, due);
	}
	subscription_check_overdue(subscription, now_ns);
	subscription_send(subscription, now_ns);
	subscription_settle(subscription);
	subscription_tell_state(subscription);

	next_ns = requests_overdue_ns(&subscription->requests, subscription->request_ns);
	due = waiting_first(&subscription->waiting);
	if (due && due->due_ns < next_ns)
		next_ns = due->due_ns;
	if (subscription_may_send(subscription) && subscription->paused_until_ns < next_ns)
		next_ns = subscription->paused_until_ns;
	return next_ns;
}

/* --- the whole ------------------------------------------------------------ */

struct subscription *subscription_new(const struct subscription_options *options,
				      const struct subscription_ops *ops, void *ops_user,
				      const struct source_events *events, void *user)
{
	struct subscription *subscription = calloc(1, sizeof(*subscription));
	struct znode *root;

	assert(options->root[0] == '/' && options->window >= 1 &&
	       options->window <= SUBSCRIPTION_WINDOW_MOST);
	if (!subscription)
		return NULL;
	if (znode_tree_init(&subscription->tree, options->root) < 0)
		goto free_subscription;
	if (waiting_reserve(&subscription->waiting, 2) < 0)
		goto free_tree;
	if (requests_init(&subscription->requests, options->window) < 0)
		goto free_waiting;
	subscription->ops = ops;
	subscription->ops_user = ops_user;
	subscription->events = events;
	subscription->user = user;
	subscription->random = options->seed ? options->seed : 1;
	root = subscription->tree.root;
	subscription->own_name = strrchr(root->path, '/') + 1;
	watch_dirty(subscription, &root->children);
	if (*subscription->own_name != '\0')
		watch_dirty(subscription, &root->data);
	return subscription;
free_waiting:
	waiting_free(&subscription->waiting);
free_tree:
	znode_tree_free(&subscription->tree);
free_subscription:
	free(subscription);
	return NULL;
}

void subscription_free(struct subscription *subscription)
{
	if (!subscription)
		return;
	requests_free(&subscription->requests);
	waiting_free(&subscription->waiting);
	znode_tree_free(&subscription->tree);
	free(subscription);
}

bool subscription_is_settled(const struct subscription *subscription)
{
	return subscription->settled && subscription->link == LINK_UP && subscription->pending == 0 &&
	       subscription->root_trouble[0] == '\0';
}

size_t subscription_watch_bytes(const struct subscription *subscription)
{
	return subscription->watch_bytes;
}

size_t subscription_znode_count(const struct subscription *subscription)
{
	return subscription->tree.node_count;
}
