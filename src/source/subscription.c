/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/subscription.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "source/audit.h"
#include "source/lane.h"
#include "source/round.h"
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

/* After so many stats in a new session, most of which had moved, the data is fetched at once. */
#define SUBSCRIPTION_STATS_TRIED 64

#define SUBSCRIPTION_DETAIL_BYTES LANE_DETAIL_BYTES

/* The znode that "/" has and that is not configuration. */
#define SUBSCRIPTION_SYSTEM_ZNODE "zookeeper"

struct subscription {
	const struct subscription_ops *ops;
	const struct source_events *events;
	void *ops_user, *user;
	struct znode_tree tree;
	const char *own_name; /* the root's, within its path; "" for "/" */
	struct waiting waiting;
	struct audit audit;
	struct round round; /* of pull mode, or of a refresh */
	int64_t refresh_boottime_ns; /* a round is to begin, not before that; 0: none is wanted */
	bool wants_probe;
	int64_t splay_ns;

	struct lane *lanes[SUBSCRIPTION_LANES_MOST];
	unsigned int lane_count;
	unsigned int window;
	size_t lane_bytes; /* what the watches of one may come to */

	size_t pending; /* DIRTY or INFLIGHT, and waited for */
	size_t lagging;
	uint32_t listing; /* number of the last listing looked at */
	uint32_t stats, stats_moved; /* in this session */
	int64_t verified_boottime_ns; /* as was told last */
	uint64_t changes; /* how often something had to be read, or was told */
	uint64_t random;

	bool syncing;	  /* not yet settled in this session */
	bool settled;	  /* told at least once */
	bool unsettled;	  /* something was told since */
	bool shadowed;	  /* a child has the root's own name */
	bool shadow_told; /* and it hides data: trouble() said so */
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

static struct lane *watch_lane(const struct subscription *subscription, struct watch *watch)
{
	return subscription->lanes[znode_of(watch)->lane];
}

static size_t watch_cost(struct watch *watch)
{
	return watch->state == WATCH_ARMED ? lane_cost(znode_of(watch)) : 0;
}

static void watch_unqueue(struct subscription *subscription, struct watch *watch)
{
	if (watch->timer != 0)
		waiting_remove(&subscription->waiting, watch);
	else
		lane_unqueue(watch_lane(subscription, watch), watch);
}

/* Every change of state goes through here, so that the sums are right. */
static void watch_move(struct subscription *subscription, struct watch *watch, enum watch_state state)
{
	struct lane *lane = watch_lane(subscription, watch);

	subscription->pending -= watch_is_pending(watch);
	lane->watch_bytes -= watch_cost(watch);
	if (watch->state == WATCH_DIRTY)
		watch_unqueue(subscription, watch);
	watch->state = (uint8_t)state;
	watch->again = false;
	subscription->pending += watch_is_pending(watch);
	subscription->changes += watch_is_pending(watch);
	lane->watch_bytes += watch_cost(watch);
}

static void watch_dirty(struct subscription *subscription, struct watch *watch)
{
	watch_move(subscription, watch, WATCH_DIRTY);
	lane_enqueue(watch_lane(subscription, watch), watch);
}

/* DIRTY, to be read when it is time. */
static void watch_dirty_at(struct subscription *subscription, struct watch *watch, int64_t due_ns)
{
	watch_move(subscription, watch, WATCH_DIRTY);
	watch->due_ns = due_ns;
	waiting_add(&subscription->waiting, watch);
}

static uint64_t subscription_random(struct subscription *subscription)
{
	uint64_t x = subscription->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	subscription->random = x;
	return x;
}

static int64_t subscription_jitter(struct subscription *subscription, int64_t pause_ns)
{
	return pause_ns / 2 + (int64_t)(subscription_random(subscription) % (uint64_t)(pause_ns / 2 + 1));
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
	watch_dirty_at(subscription, watch, now_ns + subscription_jitter(subscription, pause_ns));
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
	subscription->changes++;
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
	subscription->changes++;
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

/* The first lane that is not as it should be, or NULL. */
static const struct lane *subscription_bad_lane(const struct subscription *subscription)
{
	const struct lane *lane, *bad = NULL;

	for (unsigned int i = 0; i < subscription->lane_count; i++) {
		lane = subscription->lanes[i];
		if (lane->link == LANE_REFUSED)
			return lane;
		if (!bad && (lane->link == LANE_DOWN || lane->silent))
			bad = lane;
	}
	return bad;
}

static enum source_state subscription_state(const struct subscription *subscription, const char **detail)
{
	const struct lane *bad = subscription_bad_lane(subscription);

	if (bad) {
		*detail = bad->detail;
		if (bad->link == LANE_REFUSED)
			return SOURCE_REFUSED;
		if (bad->begun)
			return SOURCE_AWAY;
		/* The first lane is how the source is reached; others are added while it is read. */
		return bad == subscription->lanes[0] ? SOURCE_CONNECTING : SOURCE_SYNCING;
	}
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

static struct request *lane_ask(struct subscription *subscription, unsigned int number, struct znode *node,
				uint16_t *place, enum subscription_read read, int64_t now_ns)
{
	struct lane *lane = subscription->lanes[number];
	const char *path = node ? node->path : subscription->tree.root->path;
	struct request *request = requests_begin(&lane->requests, node, place, (uint8_t)read, now_ns);

	if (subscription->ops->read(subscription->ops_user, number, read, path, request->id) ==
	    SUBSCRIPTION_OK)
		return request;
	requests_end(&lane->requests, request, now_ns);
	return NULL;
}

static bool lane_is_fenced(const struct subscription *subscription, const struct lane *lane)
{
	return lane->fenced && lane->fence_change == subscription->changes;
}

/* Send a sync, unless one is under way; if it cannot be sent now, after a pause. */
static void subscription_fence(struct subscription *subscription, unsigned int number, int64_t now_ns)
{
	struct lane *lane = subscription->lanes[number];
	struct request *request = NULL;

	if (!lane_may_send(lane) || (lane->fence != 0 && lane->fence_change == subscription->changes))
		return;
	if (now_ns >= lane->paused_until_ns) {
		request = lane_ask(subscription, number, NULL, NULL, SUBSCRIPTION_SYNC, now_ns);
		if (!request)
			lane->paused_until_ns = now_ns + SUBSCRIPTION_LOST_PAUSE_NS;
	}
	lane->fence = request ? request->id : 0;
	lane->fence_change = subscription->changes;
	lane->fenced = false;
	lane->fence_waits = !request;
}

/*
 * Whether each lane has answered a sync since the last change. If not, send
 * those that are wanting; a change before the answer makes another one needed.
 */
static bool subscription_is_fenced(struct subscription *subscription, int64_t now_ns)
{
	bool fenced = true;

	if (subscription->round.is_pull)
		return round_lets_settle(&subscription->round, subscription->changes);
	if (subscription->lane_count == 1)
		return true; /* one session has one order */
	for (unsigned int i = 0; i < subscription->lane_count; i++) {
		if (lane_is_fenced(subscription, subscription->lanes[i]))
			continue;
		fenced = false;
		subscription_fence(subscription, i, now_ns);
	}
	return fenced;
}

static bool subscription_has_begun(const struct subscription *subscription)
{
	for (unsigned int i = 0; i < subscription->lane_count; i++)
		if (!subscription->lanes[i]->begun)
			return false;
	return true;
}

static void subscription_settle(struct subscription *subscription, int64_t now_ns)
{
	for (unsigned int i = 0; i < subscription->lane_count; i++)
		subscription->lanes[i]->fence_waits = false;
	if (!subscription_has_begun(subscription) || subscription->pending > 0)
		return;
	if (!subscription->settled && subscription->root_trouble[0] != '\0')
		return; /* what was not told would pass for not being there */
	if (subscription->settled && !subscription->unsettled) {
		subscription->syncing = false;
		return;
	}
	if (!subscription_is_fenced(subscription, now_ns))
		return;
	subscription->syncing = false;
	subscription->settled = true;
	subscription->unsettled = false;
	subscription->events->settled(subscription->user);
}

/* --- what was read -------------------------------------------------------- */

static void watch_forget(struct subscription *subscription, struct watch *watch)
{
	requests_orphan(&watch_lane(subscription, watch)->requests, &watch->request);
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
		requests_orphan(&subscription->lanes[node->lane]->requests, &node->audit);
		audit_forget(&subscription->audit, node);
		subscription->lanes[node->lane]->reserved_bytes -= 2 * lane_cost(node);
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
	root->listed_pzxid = 0;
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
		parent->listed_pzxid = 0;
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
		watch_lane(subscription, watch)->paused_until_ns = now_ns + SUBSCRIPTION_LOST_PAUSE_NS;
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
	watch->stat = false;
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

/* The data is as it was told, or it has moved and is fetched. */
static void subscription_take_stat(struct subscription *subscription, struct znode *node,
				   const struct subscription_reply *reply, int64_t now_ns)
{
	bool moved = reply->czxid != node->czxid || reply->mzxid != node->mzxid;

	if (reply->mzxid < node->mzxid) {
		watch_lag(subscription, &node->data, reply->mzxid, node->mzxid, now_ns);
		return;
	}
	if (node == subscription->tree.root && node->children.state == WATCH_IDLE) {
		subscription_find_root(subscription); /* it was not there when its children were asked for */
		return;
	}
	subscription->stats++;
	subscription->stats_moved += moved;
	if (!moved) {
		watch_arm(subscription, &node->data);
		return;
	}
	node->data.stat = false;
	watch_dirty(subscription, &node->data);
}

/* --- which lane -------------------------------------------------------------- */

static int subscription_add_lane(struct subscription *subscription)
{
	struct lane *lane = malloc(sizeof(*lane));
	int err = lane ? lane_init(lane, subscription->window) : -ENOMEM;

	if (err < 0) {
		free(lane);
		return err;
	}
	subscription->lanes[subscription->lane_count++] = lane;
	return 0;
}

static bool lane_has_room(const struct subscription *subscription, unsigned int number, size_t cost)
{
	return subscription->lanes[number]->reserved_bytes + cost <= subscription->lane_bytes;
}

/* The first one that has room; a new one; if there can be none, the one with the least in it. */
static unsigned int subscription_find_lane(struct subscription *subscription, size_t cost)
{
	unsigned int least = 0;

	if (subscription->lane_bytes == 0)
		return 0;
	for (unsigned int i = 0; i < subscription->lane_count; i++) {
		if (lane_has_room(subscription, i, cost))
			return i;
		if (subscription->lanes[i]->reserved_bytes < subscription->lanes[least]->reserved_bytes)
			least = i;
	}
	if (subscription->lane_count == SUBSCRIPTION_LANES_MOST || subscription_add_lane(subscription) < 0)
		return least;
	subscription->ops->open(subscription->ops_user, subscription->lane_count - 1);
	return subscription->lane_count - 1;
}

static void subscription_place(struct subscription *subscription, struct znode *node)
{
	size_t cost = 2 * lane_cost(node);

	node->lane = (uint8_t)subscription_find_lane(subscription, cost);
	subscription->lanes[node->lane]->reserved_bytes += cost;
}

/*
 * A child that the listing before did not name was created behind that: who shows
 * an older version of it shows one that is gone, and lags.
 */
static bool subscription_discover(struct subscription *subscription, struct znode *parent, const char *name,
				  int64_t pzxid)
{
	struct znode *node;

	if (waiting_reserve(&subscription->waiting, 2 * (subscription->tree.node_count + 1)) < 0)
		return false;
	node = znode_add(&subscription->tree, parent, name);
	if (!node)
		return false;
	node->listing = subscription->listing;
	if (parent->listed_pzxid > 0 && pzxid > parent->listed_pzxid)
		node->mzxid = parent->listed_pzxid;
	subscription_place(subscription, node);
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
		if (!child && !subscription_discover(subscription, node, name, reply->pzxid))
			return false;
		if (!child)
			continue;
		child->listing = subscription->listing;
		subscription_undoubt(subscription, child);
	}
	return true;
}

/*
 * A child that is not listed because the listing is from before its creation:
 * its own lane's server is ahead of the one that listed.
 */
static struct znode *subscription_unborn(const struct subscription *subscription, const struct znode *node,
					 int64_t pzxid)
{
	struct znode *child = node->first_child;

	while (child && (child->listing == subscription->listing || child->czxid <= pzxid))
		child = child->sibling_next;
	return child;
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
	child = subscription_unborn(subscription, node, reply->pzxid);
	if (child && node->children.failures < SUBSCRIPTION_OLD_LISTINGS) {
		watch_lag(subscription, &node->children, reply->pzxid, child->czxid, now_ns);
		return;
	}
	for (child = node->first_child; child; child = next) {
		next = child->sibling_next;
		if (child->listing != subscription->listing)
			subscription_forget(subscription, child);
	}
	node->listed_pzxid = reply->pzxid >= node->pzxid ? reply->pzxid : 0;
	node->pzxid = reply->pzxid;
	node->children_read = true;
	watch_arm(subscription, &node->children);
	if (node == subscription->tree.root)
		subscription_set_shadowed(subscription, znode_find_child(&subscription->tree, node,
									 subscription->own_name) != NULL);
}

/* --- what comes in -------------------------------------------------------- */

/* Both, or either, may have moved without a word: their notifications were lost. */
static void subscription_take_audit(struct subscription *subscription, struct znode *node,
				    const struct subscription_reply *reply)
{
	bool is_there = reply->result == SUBSCRIPTION_OK;
	bool data_moved, children_moved;

	if (!is_there && reply->result != SUBSCRIPTION_NO_NODE) {
		subscription->round.is_failed = true;
		return;
	}
	data_moved = node->data.state == WATCH_ARMED &&
		     (node->missing == is_there || (is_there && reply->mzxid > node->mzxid));
	children_moved =
		node->children.state == WATCH_ARMED && is_there && reply->pzxid > node->pzxid;
	if (!data_moved && !children_moved)
		return;
	if (!subscription->round.is_pull)
		subscription->events->repaired(subscription->user, subscription_name(subscription, node));
	if (data_moved && node->missing)
		subscription_find_root(subscription);
	else if (data_moved)
		watch_dirty(subscription, &node->data);
	if (children_moved)
		watch_dirty(subscription, &node->children);
}

static void subscription_take_read(struct subscription *subscription, struct watch *watch,
				   enum subscription_read read, const struct subscription_reply *reply,
				   int64_t now_ns)
{
	struct znode *node = znode_of(watch);

	if (reply->result == SUBSCRIPTION_OK && read == SUBSCRIPTION_DATA)
		subscription_take_data(subscription, node, reply, now_ns);
	else if (reply->result == SUBSCRIPTION_OK && read == SUBSCRIPTION_CHILDREN)
		subscription_take_children(subscription, node, reply, now_ns);
	else if (reply->result == SUBSCRIPTION_OK && node->missing)
		subscription_find_root(subscription);
	else if (reply->result == SUBSCRIPTION_OK)
		subscription_take_stat(subscription, node, reply, now_ns);
	else if (reply->result == SUBSCRIPTION_NO_NODE && node->missing && read == SUBSCRIPTION_EXISTS)
		watch_arm(subscription, watch);
	else if (reply->result == SUBSCRIPTION_NO_NODE && subscription->tree.root->path_length > 1)
		subscription_no_node(subscription, watch, now_ns);
	else /* "/" is always there: a server that says otherwise is in error */
		subscription_failed(subscription, watch, reply->result, reply->error, now_ns);
}

/* If it was not answered well, the next settle() sends another one. */
static void lane_take_fence(struct lane *lane, const struct subscription_reply *reply)
{
	if (reply->request != lane->fence)
		return;
	lane->fence = 0;
	lane->fenced = reply->result == SUBSCRIPTION_OK;
}

void subscription_reply(struct subscription *subscription, unsigned int number,
			const struct subscription_reply *reply, int64_t now_ns)
{
	struct lane *lane = subscription->lanes[number];
	struct request *request = requests_find(&lane->requests, reply->request);
	enum subscription_read read;
	struct znode *node;

	if (!request)
		return;
	node = request->node;
	read = (enum subscription_read)request->read;
	requests_end(&lane->requests, request, now_ns);
	if (reply->result != SUBSCRIPTION_LOST)
		lane->silent = false;
	if (read == SUBSCRIPTION_SYNC)
		lane_take_fence(lane, reply);
	else if (read == SUBSCRIPTION_STAT) {
		subscription->round.unanswered -= subscription->round.unanswered > 0;
		if (node)
			subscription_take_audit(subscription, node, reply);
	}
	else if (node)
		subscription_take_read(subscription,
				       read == SUBSCRIPTION_CHILDREN ? &node->children : &node->data, read,
				       reply, now_ns);
}

/* A watch has fired. */
static void watch_fired(struct subscription *subscription, struct watch *watch, int64_t now_ns)
{
	if (watch->state == WATCH_INFLIGHT)
		watch->again = true;
	else if (watch->state == WATCH_ARMED && subscription->splay_ns > 0 && subscription->settled)
		watch_dirty_at(subscription, watch, now_ns + subscription->splay_ns);
	else if (watch->state == WATCH_ARMED)
		watch_dirty(subscription, watch);
}

void subscription_notify(struct subscription *subscription, unsigned int number,
			 enum subscription_change change, const char *path, int64_t now_ns)
{
	struct znode *node = znode_find(&subscription->tree, path, strlen(path));

	subscription->events->contact(subscription->user, SOURCE_TOLD);
	subscription->lanes[number]->silent = false;
	if (!node)
		return;
	if (node->missing && node->data.state == WATCH_ARMED) {
		subscription_find_root(subscription);
		return;
	}
	if (change != SUBSCRIPTION_CREATED && change != SUBSCRIPTION_CHANGED)
		watch_fired(subscription, &node->children, now_ns);
	if (change != SUBSCRIPTION_CHILD)
		watch_fired(subscription, &node->data, now_ns);
}

/* Give up on all requests: what they were for is DIRTY. */
static void subscription_drop_requests(struct subscription *subscription, struct lane *lane)
{
	struct request *request;

	while ((request = requests_first(&lane->requests))) {
		enum subscription_read read = (enum subscription_read)request->read;
		struct znode *node = request->node;

		requests_end(&lane->requests, request, 0);
		if (node && read != SUBSCRIPTION_STAT)
			watch_dirty(subscription,
				    read == SUBSCRIPTION_CHILDREN ? &node->children : &node->data);
	}
	lane->fence = 0;
	lane->fenced = false;
	if (subscription->round.is_under_way && !subscription->round.is_pull)
		subscription->refresh_boottime_ns = subscription->round.since_boottime_ns;
	subscription->round.is_under_way = subscription->round.is_clean = false;
	if (subscription->round.is_pull)
		subscription->audit.next_ns = INT64_MAX; /* it begins anew as soon as it can */
}

static void znode_begin(struct subscription *subscription, struct znode *node)
{
	struct watch *watches[] = { &node->children, &node->data };

	for (size_t i = 0; i < sizeof(watches) / sizeof(*watches); i++) {
		watches[i]->failures = 0;
		watch_set_lagging(subscription, watches[i], false);
		if (watches[i]->state != WATCH_IDLE)
			watch_dirty(subscription, watches[i]);
	}
	node->data.stat = node->mzxid != 0 && !node->unreported;
}

void subscription_begin(struct subscription *subscription, unsigned int number, int64_t request_ns,
			int64_t now_ns)
{
	struct lane *lane = subscription->lanes[number];
	struct znode *node;

	subscription_drop_requests(subscription, lane);
	for (node = subscription->tree.root; node; node = znode_next(node))
		if (node->lane == number)
			znode_begin(subscription, node);
	subscription->stats = subscription->stats_moved = 0;
	subscription->syncing = true;
	lane->request_ns = request_ns;
	lane->begun = true;
	subscription_connected(subscription, number);
	if (subscription->settled && subscription->splay_ns > 0)
		lane->paused_until_ns = now_ns + subscription->splay_ns;
}

void subscription_connected(struct subscription *subscription, unsigned int number)
{
	struct lane *lane = subscription->lanes[number];

	lane->link = LANE_UP;
	lane->paused_until_ns = INT64_MIN;
	lane->silent = false;
}

static void lane_set_detail(struct lane *lane, const char *detail)
{
	snprintf(lane->detail, sizeof(lane->detail), "%s", detail);
}

void subscription_disconnected(struct subscription *subscription, unsigned int number, const char *detail)
{
	struct lane *lane = subscription->lanes[number];

	lane->link = LANE_DOWN;
	lane_set_detail(lane, detail);
	subscription_drop_requests(subscription, lane);
}

void subscription_silent(struct subscription *subscription, unsigned int number, const char *detail)
{
	subscription->lanes[number]->silent = true;
	lane_set_detail(subscription->lanes[number], detail);
}

void subscription_refused(struct subscription *subscription, unsigned int number, const char *detail)
{
	subscription_disconnected(subscription, number, detail);
	subscription->lanes[number]->link = LANE_REFUSED;
}

/* When the last probe was sent that every lane has answered one of since. */
static int64_t subscription_answered_ns(const struct subscription *subscription)
{
	int64_t since_ns = INT64_MAX;

	for (unsigned int i = 0; i < subscription->lane_count; i++)
		if (subscription->lanes[i]->answered_boottime_ns < since_ns)
			since_ns = subscription->lanes[i]->answered_boottime_ns;
	return since_ns;
}

static void subscription_verified(struct subscription *subscription, int64_t since_ns)
{
	if (since_ns <= subscription->verified_boottime_ns || !subscription_is_settled(subscription))
		return;
	subscription->verified_boottime_ns = since_ns;
	subscription->events->verified(subscription->user, since_ns);
}

/* Under push: until every znode has been looked at, a probe's answer says too little. */
static bool subscription_is_refreshing(const struct subscription *subscription)
{
	return subscription->refresh_boottime_ns > 0 || subscription->round.is_under_way;
}

void subscription_answered(struct subscription *subscription, unsigned int number, int64_t sent_boottime_ns,
			   int64_t now_ns)
{
	int64_t since_ns;

	subscription->lanes[number]->silent = false;
	subscription_settle(subscription, now_ns);
	subscription->lanes[number]->answered_boottime_ns = sent_boottime_ns;
	since_ns = subscription_answered_ns(subscription);
	if (!subscription->round.is_pull && !subscription_is_refreshing(subscription))
		subscription_verified(subscription, since_ns);
}

/* --- time ----------------------------------------------------------------- */

static enum subscription_read watch_read(const struct subscription *subscription, struct watch *watch)
{
	bool useless = subscription->stats >= SUBSCRIPTION_STATS_TRIED &&
		       2 * subscription->stats_moved > subscription->stats;

	if (watch->kind == WATCH_CHILDREN)
		return SUBSCRIPTION_CHILDREN;
	if (znode_of(watch)->missing || (watch->stat && !useless))
		return SUBSCRIPTION_EXISTS;
	return SUBSCRIPTION_DATA;
}

static void subscription_send(struct subscription *subscription, unsigned int number, int64_t now_ns)
{
	struct lane *lane = subscription->lanes[number];

	while (lane->queue_first && lane_may_send(lane) && now_ns >= lane->paused_until_ns) {
		struct watch *watch = lane->queue_first;
		struct znode *node = znode_of(watch);
		enum subscription_read read = watch_read(subscription, watch);
		struct request *request =
			requests_begin(&lane->requests, node, &watch->request, (uint8_t)read, now_ns);
		enum subscription_result result = subscription->ops->read(
			subscription->ops_user, number, read, node->path, request->id);

		if (result == SUBSCRIPTION_OK) {
			watch_move(subscription, watch, WATCH_INFLIGHT);
			continue;
		}
		requests_end(&lane->requests, request, now_ns);
		subscription_failed(subscription, watch, result, "the request could not be sent", now_ns);
	}
}

static bool subscription_wants_audit(const struct subscription *subscription, const struct znode *node)
{
	return node->audit == 0 && subscription->lanes[node->lane]->link == LANE_UP &&
	       (node->data.state == WATCH_ARMED || node->children.state == WATCH_ARMED);
}

static bool subscription_ask_stat(struct subscription *subscription, struct znode *node, int64_t now_ns)
{
	if (!lane_may_send(subscription->lanes[node->lane]) ||
	    !lane_ask(subscription, node->lane, node, &node->audit, SUBSCRIPTION_STAT, now_ns))
		return false;
	subscription->events->contact(subscription->user, SOURCE_ASKED);
	return true;
}

/* Where there is no room for a request, it goes on from there the next time: none is passed over. */
static void subscription_audit(struct subscription *subscription, int64_t now_ns)
{
	size_t count, most = subscription->tree.node_count;

	if (!subscription->settled)
		return;
	count = audit_due(&subscription->audit, most, now_ns, subscription_random(subscription));
	for (; count > 0; count--) {
		struct znode *node = audit_next(&subscription->audit, subscription->tree.root);

		if (subscription_wants_audit(subscription, node) &&
		    !subscription_ask_stat(subscription, node, now_ns))
			return;
		audit_pass(&subscription->audit, node);
	}
}

/* Go on with a round, as far as there is room for requests. */
static void subscription_go_round(struct subscription *subscription, int64_t now_ns)
{
	struct round *round = &subscription->round;

	for (; round->left > 0; round->left--) {
		struct znode *node = audit_next(&subscription->audit, subscription->tree.root);

		if (subscription_wants_audit(subscription, node)) {
			if (!subscription_ask_stat(subscription, node, now_ns))
				return;
			round->unanswered++;
		}
		audit_pass(&subscription->audit, node);
	}
}

static bool subscription_is_up(const struct subscription *subscription)
{
	for (unsigned int i = 0; i < subscription->lane_count; i++)
		if (subscription->lanes[i]->link != LANE_UP)
			return false;
	return subscription_has_begun(subscription);
}

static bool subscription_may_begin_round(const struct subscription *subscription)
{
	return !subscription->round.is_under_way && subscription->pending == 0 &&
	       subscription_is_up(subscription);
}

/* Push: a round of one, then a probe behind it. */
static void subscription_refresh_all(struct subscription *subscription, int64_t now_ns)
{
	struct round *round = &subscription->round;

	if (!round->is_under_way && subscription->settled && subscription_is_up(subscription)) {
		round_begin(round, subscription->tree.node_count, subscription->changes,
			    subscription->refresh_boottime_ns);
		subscription->refresh_boottime_ns = 0;
	}
	if (!round->is_under_way)
		return;
	subscription_go_round(subscription, now_ns);
	if (round->left > 0 || round->unanswered > 0)
		return;
	round->is_under_way = false;
	subscription->wants_probe = true;
}

/* Pull: a round that begins behind the answer to a probe. */
static void subscription_hasten(struct subscription *subscription, int64_t now_ns)
{
	if (subscription_answered_ns(subscription) < subscription->refresh_boottime_ns)
		return;
	subscription->refresh_boottime_ns = 0;
	subscription->audit.next_ns = now_ns;
}

void subscription_refresh(struct subscription *subscription, int64_t boottime_ns)
{
	subscription->refresh_boottime_ns = boottime_ns;
	subscription->wants_probe = subscription->round.is_pull;
}

bool subscription_wants_probe(struct subscription *subscription)
{
	bool wants = subscription->wants_probe;

	subscription->wants_probe = false;
	return wants;
}

/* Pull: begin a round when it is time, and see what came of it when it has ended. */
static void subscription_pull(struct subscription *subscription, int64_t now_ns)
{
	struct round *round = &subscription->round;

	if (subscription->refresh_boottime_ns > 0)
		subscription_hasten(subscription, now_ns);
	if (subscription_may_begin_round(subscription) &&
	    audit_all_due(&subscription->audit, now_ns, subscription_random(subscription)))
		round_begin(round, subscription->tree.node_count, subscription->changes,
			    subscription_answered_ns(subscription));
	if (round->is_under_way)
		subscription_go_round(subscription, now_ns);
	if (!round->is_under_way || round->left > 0 || round->unanswered > 0 || subscription->pending > 0)
		return;
	if (round_end(round, subscription->changes))
		subscription->audit.next_ns = now_ns + (round->is_failed ? SUBSCRIPTION_LOST_PAUSE_NS : 0);
	subscription_settle(subscription, now_ns);
	if (round->is_clean)
		subscription_verified(subscription, round->since_boottime_ns);
}

static void subscription_check_overdue(struct subscription *subscription, unsigned int number,
				       int64_t now_ns)
{
	struct lane *lane = subscription->lanes[number];
	const struct znode *node;

	if (requests_overdue_ns(&lane->requests, lane->request_ns) > now_ns)
		return;
	node = requests_first(&lane->requests)->node;
	lane->requests.first_since_ns = now_ns;
	subscription->ops->overdue(subscription->ops_user, number,
				   node ? node->path : subscription->tree.root->path);
}

static int64_t subscription_earlier(int64_t one_ns, int64_t other_ns)
{
	return one_ns < other_ns ? one_ns : other_ns;
}

static int64_t lane_next_ns(const struct lane *lane)
{
	int64_t next_ns = requests_overdue_ns(&lane->requests, lane->request_ns);

	if ((lane->queue_first || lane->fence_waits) && lane_may_send(lane))
		next_ns = subscription_earlier(next_ns, lane->paused_until_ns);
	return next_ns;
}

static int64_t subscription_next_ns(const struct subscription *subscription)
{
	const struct watch *due = waiting_first(&subscription->waiting);
	int64_t next_ns = due ? due->due_ns : INT64_MAX;

	for (unsigned int i = 0; i < subscription->lane_count; i++)
		next_ns = subscription_earlier(next_ns, lane_next_ns(subscription->lanes[i]));
	if (subscription->round.is_pull && !subscription_may_begin_round(subscription))
		return next_ns;
	return subscription_earlier(next_ns, subscription->audit.next_ns);
}

int64_t subscription_run(struct subscription *subscription, int64_t now_ns)
{
	struct watch *due;

	while ((due = waiting_first(&subscription->waiting)) && due->due_ns <= now_ns) {
		waiting_remove(&subscription->waiting, due);
		lane_enqueue(watch_lane(subscription, due), due);
	}
	for (unsigned int i = 0; i < subscription->lane_count; i++) {
		subscription_check_overdue(subscription, i, now_ns);
		subscription_send(subscription, i, now_ns);
	}
	subscription_settle(subscription, now_ns);
	if (subscription->round.is_pull)
		subscription_pull(subscription, now_ns);
	else if (subscription_is_refreshing(subscription))
		subscription_refresh_all(subscription, now_ns);
	else
		subscription_audit(subscription, now_ns);
	subscription_tell_state(subscription);
	return subscription_next_ns(subscription);
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
	subscription->window = options->window;
	if (subscription_add_lane(subscription) < 0)
		goto free_waiting;
	subscription->lane_bytes = options->lane_bytes;
	subscription->splay_ns = options->splay_ns;
	subscription->round.is_pull = options->is_pull;
	audit_init(&subscription->audit, options->audit_ns, options->audit_least_ns);
	subscription->ops = ops;
	subscription->ops_user = ops_user;
	subscription->events = events;
	subscription->user = user;
	subscription->random = options->seed ? options->seed : 1;
	root = subscription->tree.root;
	subscription->lanes[0]->reserved_bytes = 2 * lane_cost(root);
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
	for (unsigned int i = 0; i < subscription->lane_count; i++) {
		lane_free(subscription->lanes[i]);
		free(subscription->lanes[i]);
	}
	waiting_free(&subscription->waiting);
	znode_tree_free(&subscription->tree);
	free(subscription);
}

bool subscription_is_settled(const struct subscription *subscription)
{
	for (unsigned int i = 0; i < subscription->lane_count; i++)
		if (subscription->lanes[i]->link != LANE_UP)
			return false;
	return subscription->settled && !subscription->unsettled && subscription->pending == 0 &&
	       subscription->root_trouble[0] == '\0';
}

size_t subscription_watch_bytes(const struct subscription *subscription, unsigned int lane)
{
	return subscription->lanes[lane]->watch_bytes;
}

size_t subscription_znode_count(const struct subscription *subscription)
{
	return subscription->tree.node_count;
}

unsigned int subscription_lane_count(const struct subscription *subscription)
{
	return subscription->lane_count;
}
