/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subscription in a world made up from a number: an ensemble whose servers
 * lag behind its log, sessions with one ordered stream of replies and
 * notifications each, connections that break and sessions that expire, replies
 * made up by the client, notifications that are lost, permissions that come and
 * go, and a clock that jumps. The same number gives the same history.
 *
 * What is told is compared with the log all the time, and with the tree at the
 * end. 200 worlds; with ZKCFG_TEST_FULL=1 10,000; with ZKCFG_TEST_SEED=N that one.
 */
#include <check.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "source/subscription.h"

#define PATHS 40 /* /app, and a, b, c below it, three deep */
#define SERVERS 3
#define LANES 12
#define LOG_MOST 4000
#define HISTORY_MOST 400
#define PARTS_MOST 4
#define STEPS 6000
#define WORLDS_A_TEST 200
#define REQUEST_NS (10 * CLOCK_NS_PER_S)
#define AUDIT_NS (20 * CLOCK_NS_PER_S)
#define ROOT 0

/* --- what happens here -------------------------------------------------------- */

struct version {
	int64_t zxid; /* from when on */
	int64_t czxid, mzxid, pzxid;
	int32_t number;
	bool exists, has_data;
};

struct history {
	struct version versions[HISTORY_MOST];
	size_t count;
};

struct transaction {
	int64_t committed_ns;
	int paths[PARTS_MOST];
	size_t count; /* of the paths it set; 0: something else */
};

enum item_kind { ITEM_READ, ITEM_NOTIFICATION, ITEM_PROBE };

struct item {
	struct item *next;
	enum item_kind kind;
	enum subscription_read read;
	enum subscription_change change;
	int path;
	uint64_t request;
	int64_t sent_ns;
	int64_t needs;	 /* of a sync: the server must have come so far; 0: not asked yet */
	int64_t zxid;	 /* of a reply: how far the server was */
	struct version seen;
	enum subscription_result result;
};

struct queue {
	struct item *first, **end;
};

struct session {
	bool wanted, alive, connected;
	int server;
	int64_t caught_up;	    /* nothing is answered before the server has come so far */
	int64_t seen;		    /* the newest zxid of a reply */
	struct queue requests, stream;
	/* what the client wants to be told of, and what the server knows of */
	bool data[PATHS], exist[PATHS], child[PATHS];
	bool server_data[PATHS], server_exist[PATHS], server_child[PATHS];
	size_t under_way;
};

static struct {
	uint64_t seed, random;
	bool verbose;
	bool lossy, secrets, lags; /* of this world */
	unsigned int window, lanes;
	unsigned int pace, lazy; /* one in so many chances to write, and to catch up, is taken */
	int64_t now_ns, next_ns;
	char names[PATHS][16];
	int parents[PATHS];
	struct history histories[PATHS];
	struct transaction log[LOG_MOST];
	int64_t zxid, applied[SERVERS];
	bool secret[PATHS];
	struct session sessions[LANES];

	struct subscription *subscription;
	bool told[PATHS], trouble[PATHS];
	int64_t told_czxid[PATHS], told_mzxid[PATHS];
	enum source_state state;
	size_t settled_count, verified_count, removed_count, document_count;
} world;

/* Over all worlds: what must have happened now and then. */
static size_t repaired_count, dropped_count, verified_count, multi_count;

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	va_list args;

	if (!world.verbose)
		return;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout); /* all of it is there when an expectation ends the process */
}

#define expect(condition, ...) \
	ck_assert_msg(condition, "world %" PRIu64 ": " FIRST_OF(__VA_ARGS__, 0), world.seed REST_OF(__VA_ARGS__))
#define FIRST_OF(first, ...) first
#define REST_OF(first, ...) , ##__VA_ARGS__

static unsigned int draw(unsigned int below)
{
	world.random ^= world.random << 13;
	world.random ^= world.random >> 7;
	world.random ^= world.random << 17;
	return (unsigned int)((world.random >> 11) % below);
}

static void queue_init(struct queue *queue)
{
	queue->first = NULL;
	queue->end = &queue->first;
}

static void queue_add(struct queue *queue, struct item *item)
{
	item->next = NULL;
	*queue->end = item;
	queue->end = &item->next;
}

static struct item *queue_take(struct queue *queue)
{
	struct item *item = queue->first;

	if (!item)
		return NULL;
	queue->first = item->next;
	if (!queue->first)
		queue->end = &queue->first;
	return item;
}

/* --- the log ------------------------------------------------------------------ */

static const struct version *version_at(int path, int64_t zxid)
{
	static const struct version none;
	const struct history *history = &world.histories[path];

	for (size_t i = history->count; i > 0; i--)
		if (history->versions[i - 1].zxid <= zxid)
			return &history->versions[i - 1];
	return &none;
}

static struct version *version_add(int path)
{
	struct history *history = &world.histories[path];
	struct version version = *version_at(path, world.zxid);

	if (history->count > 0 && history->versions[history->count - 1].zxid == world.zxid)
		return &history->versions[history->count - 1];
	ck_assert_uint_lt(history->count, HISTORY_MOST);
	version.zxid = world.zxid;
	history->versions[history->count] = version;
	return &history->versions[history->count++];
}

static bool has_children(int path)
{
	for (int child = path + 1; child < PATHS; child++)
		if (world.parents[child] == path && version_at(child, world.zxid)->exists)
			return true;
	return false;
}

static bool may_create(int path)
{
	return !version_at(path, world.zxid)->exists &&
	       (path == ROOT || version_at(world.parents[path], world.zxid)->exists) &&
	       world.histories[path].count < HISTORY_MOST - 2 &&
	       (path == ROOT || world.histories[world.parents[path]].count < HISTORY_MOST - 2);
}

static void log_create(int path, bool has_data)
{
	struct version *version = version_add(path);

	*version = (struct version){ .zxid = world.zxid,
				     .czxid = world.zxid,
				     .mzxid = world.zxid,
				     .pzxid = world.zxid,
				     .exists = true,
				     .has_data = has_data };
	if (path != ROOT)
		version_add(world.parents[path])->pzxid = world.zxid;
	note("%" PRId64 ": create %s%s", world.zxid, world.names[path], has_data ? "" : " empty");
}

static void log_set(int path, bool has_data)
{
	struct version *version = version_add(path);

	version->mzxid = world.zxid;
	version->number++;
	version->has_data = has_data;
	note("%" PRId64 ": set %s%s", world.zxid, world.names[path], has_data ? "" : " empty");
}

static void log_delete(int path)
{
	struct version *version = version_add(path);

	*version = (struct version){ .zxid = world.zxid };
	if (path != ROOT)
		version_add(world.parents[path])->pzxid = world.zxid;
	note("%" PRId64 ": delete %s", world.zxid, world.names[path]);
}

static struct transaction *log_begin(void)
{
	struct transaction *transaction = &world.log[++world.zxid];

	*transaction = (struct transaction){ .committed_ns = world.now_ns };
	return transaction;
}

/* Several documents in one transaction, all with data. */
static void commit_multi(void)
{
	struct transaction *transaction = log_begin();

	for (int tries = 0; tries < 8 && transaction->count < PARTS_MOST; tries++) {
		int path = 1 + (int)draw(PATHS - 1);
		bool twice = false;

		for (size_t i = 0; i < transaction->count; i++)
			twice |= transaction->paths[i] == path;
		if (twice || world.histories[path].count >= HISTORY_MOST - 2)
			continue;
		if (version_at(path, world.zxid)->exists)
			log_set(path, true);
		else if (may_create(path))
			log_create(path, true);
		else
			continue;
		transaction->paths[transaction->count++] = path;
	}
	multi_count += transaction->count > 1;
}

static void commit_something(void)
{
	int path = draw(60) == 0 ? ROOT : 1 + (int)draw(PATHS - 1);
	const struct version *now = version_at(path, world.zxid);

	if (world.zxid >= LOG_MOST - 2 || world.histories[path].count >= HISTORY_MOST - 2)
		return;
	if (draw(6) == 0) {
		commit_multi();
	} else if (!now->exists) {
		if (!may_create(path))
			return;
		log_begin();
		log_create(path, path != ROOT && draw(4) != 0);
	} else if (draw(4) == 0 && !has_children(path) && !(world.lags && path == ROOT)) {
		log_begin();
		log_delete(path);
	} else if (path != ROOT) {
		log_begin();
		log_set(path, draw(8) != 0);
	}
}

/* --- servers -------------------------------------------------------------------- */

static void notify(struct session *session, bool *watched, enum subscription_change change, int path)
{
	struct item *item;

	if (!*watched)
		return;
	*watched = false;
	if (world.lossy && draw(6) == 0) {
		dropped_count++;
		note("   lost: a notification of %s", world.names[path]);
		return;
	}
	item = calloc(1, sizeof(*item));
	item->kind = ITEM_NOTIFICATION;
	item->change = change;
	item->path = path;
	queue_add(&session->stream, item);
}

/* What changed with a path from one zxid to the next is told to who watches. */
static void notify_change(struct session *session, int path, const struct version *before,
			  const struct version *after)
{
	if (!before->exists && after->exists) {
		notify(session, &session->server_exist[path], SUBSCRIPTION_CREATED, path);
	} else if (before->exists && !after->exists) {
		bool watched = session->server_data[path] || session->server_child[path];

		session->server_data[path] = session->server_child[path] = false;
		notify(session, &watched, SUBSCRIPTION_DELETED, path);
	} else if (before->mzxid != after->mzxid) {
		notify(session, &session->server_data[path], SUBSCRIPTION_CHANGED, path);
	}
	if (before->exists && after->exists && before->pzxid != after->pzxid)
		notify(session, &session->server_child[path], SUBSCRIPTION_CHILD, path);
}

static void server_apply(int server)
{
	int64_t zxid = world.applied[server] + 1;

	if (zxid > world.zxid)
		return;
	world.applied[server] = zxid;
	for (unsigned int lane = 0; lane < world.lanes; lane++) {
		struct session *session = &world.sessions[lane];

		if (!session->connected || session->server != server)
			continue;
		for (int path = 0; path < PATHS; path++) {
			const struct version *after = version_at(path, zxid);

			if (after->zxid == zxid)
				notify_change(session, path, version_at(path, zxid - 1), after);
		}
	}
}

static bool is_read_of_data(enum subscription_read read)
{
	return read == SUBSCRIPTION_DATA || read == SUBSCRIPTION_EXISTS;
}

/* Answer the oldest request, and set the watch in the same act. false: there is none, or it has to wait. */
static bool session_answer(struct session *session)
{
	struct item *item = session->requests.first;
	int64_t applied = world.applied[session->server];

	if (!session->connected || !item || applied < session->caught_up)
		return false;
	if (item->kind == ITEM_PROBE || item->read == SUBSCRIPTION_SYNC) {
		if (item->needs == 0)
			item->needs = world.zxid;
		if (applied < item->needs)
			return false;
	}
	queue_take(&session->requests);
	item->zxid = applied;
	if (item->kind == ITEM_READ && item->read != SUBSCRIPTION_SYNC) {
		item->seen = *version_at(item->path, applied);
		item->result = item->seen.exists ? SUBSCRIPTION_OK : SUBSCRIPTION_NO_NODE;
		if (item->seen.exists && world.secret[item->path] &&
		    (item->read == SUBSCRIPTION_DATA || item->read == SUBSCRIPTION_CHILDREN))
			item->result = SUBSCRIPTION_NO_AUTH;
		if (item->result == SUBSCRIPTION_OK && is_read_of_data(item->read))
			session->server_data[item->path] = true;
		if (item->result == SUBSCRIPTION_OK && item->read == SUBSCRIPTION_CHILDREN)
			session->server_child[item->path] = true;
		if (item->result == SUBSCRIPTION_NO_NODE && item->read == SUBSCRIPTION_EXISTS)
			session->server_exist[item->path] = true;
	}
	queue_add(&session->stream, item);
	return true;
}

/* --- the client ------------------------------------------------------------------- */

static void client_reply(unsigned int lane, const struct item *item)
{
	struct session *session = &world.sessions[lane];
	struct subscription_reply reply = { .request = item->request,
					    .result = item->result,
					    .error = "ZTEST",
					    .czxid = item->seen.czxid,
					    .mzxid = item->seen.mzxid,
					    .pzxid = item->seen.pzxid,
					    .version = item->seen.number };
	char bytes[32] = "", names[PATHS * 2], *at = names;

	session->under_way--;
	if (item->result == SUBSCRIPTION_OK && item->read == SUBSCRIPTION_DATA && item->seen.has_data) {
		reply.size_bytes = (size_t)snprintf(bytes, sizeof(bytes), "%" PRId64, item->seen.mzxid);
		reply.bytes = bytes;
	}
	if (item->result == SUBSCRIPTION_OK && item->read == SUBSCRIPTION_CHILDREN) {
		for (int child = item->path + 1; child < PATHS; child++) {
			if (world.parents[child] != item->path || !version_at(child, item->zxid)->exists)
				continue;
			at = stpcpy(at, strrchr(world.names[child], '/') + 1) + 1;
			reply.name_count++;
		}
		reply.names = names;
	}
	subscription_reply(world.subscription, lane, &reply, world.now_ns);
}

static void client_take(unsigned int lane, struct item *item)
{
	struct session *session = &world.sessions[lane];
	int path = item->path;

	if (item->kind == ITEM_NOTIFICATION) {
		/* the client forgets what was told; a child watch goes with its znode */
		if (item->change == SUBSCRIPTION_CHILD || item->change == SUBSCRIPTION_DELETED)
			session->child[path] = false;
		if (item->change != SUBSCRIPTION_CHILD)
			session->data[path] = session->exist[path] = false;
		subscription_notify(world.subscription, lane, item->change, world.names[path], world.now_ns);
		return;
	}
	if (item->zxid > session->seen)
		session->seen = item->zxid;
	if (item->kind == ITEM_PROBE) {
		subscription_answered(world.subscription, lane, item->sent_ns, world.now_ns);
		return;
	}
	if (item->result == SUBSCRIPTION_OK && is_read_of_data(item->read))
		session->data[path] = true;
	if (item->result == SUBSCRIPTION_OK && item->read == SUBSCRIPTION_CHILDREN)
		session->child[path] = true;
	if (item->result == SUBSCRIPTION_NO_NODE && item->read == SUBSCRIPTION_EXISTS)
		session->exist[path] = true;
	client_reply(lane, item);
}

static bool deliver(unsigned int lane)
{
	struct item *item = queue_take(&world.sessions[lane].stream);

	if (!item)
		return false;
	client_take(lane, item);
	free(item);
	return true;
}

/* The completions of everything under way are made up; what the server said last never comes. */
static void session_cut(unsigned int lane)
{
	struct session *session = &world.sessions[lane];
	struct item *item;

	if (!session->connected)
		return;
	note("   lane %u is cut", lane);
	session->connected = false;
	if (draw(2)) /* the event may come first, or the completions */
		subscription_disconnected(world.subscription, lane, "cut");
	while ((item = queue_take(&session->stream)) || (item = queue_take(&session->requests))) {
		if (item->kind == ITEM_READ) {
			item->result = SUBSCRIPTION_LOST;
			client_reply(lane, item);
		}
		free(item);
	}
	memset(session->server_data, 0, sizeof(session->server_data));
	memset(session->server_exist, 0, sizeof(session->server_exist));
	memset(session->server_child, 0, sizeof(session->server_child));
	subscription_disconnected(world.subscription, lane, "cut");
}

/* Watches are set again as of what was seen last; what has changed since is told at once. */
static void set_watches(struct session *session)
{
	int64_t applied = world.applied[session->server];

	for (int path = 0; path < PATHS; path++) {
		const struct version *now = version_at(path, applied);

		session->server_data[path] = session->data[path];
		session->server_exist[path] = session->exist[path];
		session->server_child[path] = session->child[path];
		if (now->exists)
			notify(session, &session->server_exist[path], SUBSCRIPTION_CREATED, path);
		if (!now->exists) {
			bool watched = session->server_data[path] || session->server_child[path];

			session->server_data[path] = session->server_child[path] = false;
			notify(session, &watched, SUBSCRIPTION_DELETED, path);
			continue;
		}
		if (now->mzxid > session->seen)
			notify(session, &session->server_data[path], SUBSCRIPTION_CHANGED, path);
		if (now->pzxid > session->seen)
			notify(session, &session->server_child[path], SUBSCRIPTION_CHILD, path);
	}
}

/* false: it is connected, or no server takes it. */
static bool session_reach(unsigned int lane)
{
	struct session *session = &world.sessions[lane];
	int server = (int)draw(SERVERS);

	if (!session->wanted || session->connected ||
	    (session->alive && world.applied[server] < session->seen))
		return false;
	session->server = server;
	session->connected = true;
	session->caught_up = world.lags ? 0 : world.zxid; /* by the sync that comes first */
	if (session->alive) {
		note("   lane %u is connected again, to %d", lane, server);
		set_watches(session);
		subscription_connected(world.subscription, lane);
		return true;
	}
	note("   lane %u has a new session, on %d", lane, server);
	session->alive = true;
	session->seen = 0;
	memset(session->data, 0, sizeof(session->data));
	memset(session->exist, 0, sizeof(session->exist));
	memset(session->child, 0, sizeof(session->child));
	subscription_begin(world.subscription, lane, REQUEST_NS, world.now_ns);
	return true;
}

static void session_expire(unsigned int lane)
{
	session_cut(lane);
	world.sessions[lane].alive = false;
}

static void probe(unsigned int lane)
{
	struct session *session = &world.sessions[lane];
	struct item *item;

	if (!session->connected)
		return;
	item = calloc(1, sizeof(*item));
	item->kind = ITEM_PROBE;
	item->sent_ns = world.now_ns;
	queue_add(&session->requests, item);
}

/* --- what the subscription asks for ------------------------------------------------- */

static int path_find(const char *path)
{
	for (int i = 0; i < PATHS; i++)
		if (strcmp(world.names[i], path) == 0)
			return i;
	ck_abort_msg("world %" PRIu64 ": nobody has heard of %s", world.seed, path);
}

static enum subscription_result asked(void *user, unsigned int lane, enum subscription_read read,
				      const char *path, uint64_t request)
{
	struct session *session = &world.sessions[lane];
	struct item *item;

	(void)user;
	expect(session->connected, "lane %u is asked for %s though it is not connected", lane, path);
	expect(session->under_way < world.window, "lane %u has more than %u requests", lane, world.window);
	if (draw(200) == 0)
		return SUBSCRIPTION_LOST;
	item = calloc(1, sizeof(*item));
	item->kind = ITEM_READ;
	item->read = read;
	item->path = path_find(path);
	item->request = request;
	queue_add(&session->requests, item);
	session->under_way++;
	return SUBSCRIPTION_OK;
}

static void overdue(void *user, unsigned int lane, const char *path)
{
	(void)user;
	(void)path;
	session_expire(lane); /* never within a call of ours: subscription_run() alone asks */
}

static void open_lane(void *user, unsigned int lane)
{
	(void)user;
	expect(lane == world.lanes && lane < LANES, "lane %u is opened, of %u", lane, world.lanes);
	world.sessions[lane].wanted = true;
	world.lanes++;
}

/* --- what is told -------------------------------------------------------------------- */

static int document_path(const char *name)
{
	char path[64];

	if (strcmp(name, "app") == 0)
		return ROOT;
	snprintf(path, sizeof(path), "/app/%s", name);
	return path_find(path);
}

static void told_document(void *user, const char *name, const void *bytes, size_t size_bytes,
			  const struct source_revision *revision)
{
	int path = document_path(name);
	int64_t mzxid = (int64_t)revision->modified;
	const struct version *version = version_at(path, mzxid);
	char text[32];
	int length = snprintf(text, sizeof(text), "%" PRId64, mzxid);

	(void)user;
	note("   told: %s at %" PRId64, name, mzxid);
	expect(version->mzxid == mzxid && version->czxid == (int64_t)revision->created,
	       "%s was told at %" PRId64 ", when it was not written", name, mzxid);
	expect(version->has_data ? size_bytes == (size_t)length && memcmp(bytes, text, size_bytes) == 0
				 : size_bytes == 0,
	       "%s was told with other bytes than it had at %" PRId64, name, mzxid);
	expect(mzxid >= world.told_mzxid[path], "%s went back from %" PRId64 " to %" PRId64, name,
	       world.told_mzxid[path], mzxid);
	expect(!world.told[path] || mzxid != world.told_mzxid[path], "%s was told twice at %" PRId64, name,
	       mzxid);
	expect(world.told[path] || world.secrets || (int64_t)revision->created != world.told_czxid[path],
	       "%s was told again at %" PRId64 " after it was gone", name, mzxid);
	world.told[path] = true;
	world.told_czxid[path] = (int64_t)revision->created;
	world.told_mzxid[path] = mzxid;
	world.document_count++;
}

static bool was_deleted_after(int path, int64_t zxid)
{
	const struct history *history = &world.histories[path];

	for (size_t i = 0; i < history->count; i++)
		if (history->versions[i].zxid > zxid && !history->versions[i].exists)
			return true;
	return false;
}

/* Without data it is no document, unless it was told as one before. */
static bool was_none_after(int path, int64_t zxid)
{
	const struct history *history = &world.histories[path];

	for (size_t i = 0; i < history->count; i++)
		if (history->versions[i].zxid > zxid &&
		    (!history->versions[i].exists || !history->versions[i].has_data))
			return true;
	return false;
}

static void told_removed(void *user, const char *name)
{
	int path = document_path(name);

	(void)user;
	note("   told: %s is gone", name);
	expect(world.told[path], "%s is gone, but was never told", name);
	expect(world.lags || was_deleted_after(path, world.told_mzxid[path]),
	       "%s is told gone, and was not deleted after %" PRId64, name, world.told_mzxid[path]);
	world.told[path] = false;
	world.removed_count++;
}

static void told_trouble(void *user, const char *name, const char *reason)
{
	(void)user;
	world.trouble[document_path(name)] = reason != NULL;
}

/* No transaction is told in part. */
static void told_settled(void *user)
{
	(void)user;
	world.settled_count++;
	note("   settled");
	if (world.lossy || world.secrets || world.lags)
		return;
	for (int64_t zxid = 1; zxid <= world.zxid; zxid++) {
		const struct transaction *transaction = &world.log[zxid];
		int shown = -1, wanting = -1;

		for (size_t i = 0; i < transaction->count; i++) {
			int path = transaction->paths[i];

			if (world.told[path] && world.told_mzxid[path] >= zxid)
				shown = path;
			else if (world.told[path] || !was_none_after(path, zxid))
				wanting = path;
		}
		expect(shown < 0 || wanting < 0,
		       "transaction %" PRId64 " is told of %s and not of %s", zxid, world.names[shown],
		       world.names[wanting]);
	}
}

/* All that was committed before is told. */
static void told_verified(void *user, int64_t boottime_ns)
{
	int64_t zxid = world.zxid;

	(void)user;
	verified_count++;
	world.verified_count++;
	if (world.lossy || world.secrets)
		return;
	while (zxid > 0 && world.log[zxid].committed_ns >= boottime_ns)
		zxid--;
	for (int path = 0; path < PATHS; path++) {
		const struct version *then = version_at(path, zxid);

		if (then->exists && then->has_data)
			expect(world.told[path] ? world.told_mzxid[path] >= then->mzxid
						: was_none_after(path, zxid),
			       "verified as of %" PRId64 ", and %s is told at %" PRId64 " instead of %" PRId64,
			       zxid, world.names[path], world.told_mzxid[path], then->mzxid);
		else if (!then->exists)
			expect(!world.told[path] || world.told_mzxid[path] > zxid,
			       "verified as of %" PRId64 ", when %s was gone, which is still told", zxid,
			       world.names[path]);
	}
}

static void told_state(void *user, enum source_state state, const char *detail)
{
	(void)user;
	world.state = state;
	note("   state %d %s", (int)state, detail);
}

static void told_repaired(void *user, const char *name)
{
	(void)user;
	note("   repaired: %s", name);
	expect(world.lossy, "%s was repaired, and nothing was lost", name);
	repaired_count++;
}

static void told_contact(void *user, enum source_contact contact)
{
	(void)user;
	(void)contact;
}

/* --- a world -------------------------------------------------------------------------- */

static void name_paths(void)
{
	int count = 1;

	strcpy(world.names[ROOT], "/app");
	world.parents[ROOT] = -1;
	for (int parent = 0; count < PATHS; parent++)
		for (const char *letter = "abc"; *letter; letter++, count++) {
			char name[sizeof(world.names[count])];

			snprintf(name, sizeof(name), "%.12s/%c", world.names[parent], *letter);
			strcpy(world.names[count], name);
			world.parents[count] = parent;
		}
}

static void run(void)
{
	world.next_ns = subscription_run(world.subscription, world.now_ns);
}

static void world_begin(uint64_t seed)
{
	static const struct subscription_ops ops = { .read = asked, .overdue = overdue, .open = open_lane };
	static const struct source_events events = { .document = told_document,
						     .removed = told_removed,
						     .trouble = told_trouble,
						     .settled = told_settled,
						     .verified = told_verified,
						     .state = told_state,
						     .repaired = told_repaired,
						     .contact = told_contact };
	struct subscription_options options = { .root = "/app" };
	bool verbose = world.verbose;

	memset(&world, 0, sizeof(world));
	world.seed = seed;
	world.verbose = verbose;
	world.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	world.lossy = draw(4) == 0;
	world.secrets = draw(4) == 0;
	world.lags = draw(6) == 0;
	world.window = 1 + draw(30);
	world.pace = 1 + draw(16);
	world.lazy = draw(2) ? 1 : 1 + draw(40);
	world.now_ns = 1000 * CLOCK_NS_PER_S;
	world.lanes = 1;
	world.sessions[0].wanted = true;
	for (unsigned int lane = 0; lane < LANES; lane++) {
		queue_init(&world.sessions[lane].requests);
		queue_init(&world.sessions[lane].stream);
	}
	name_paths();
	if (world.lags || draw(4) != 0) {
		log_begin();
		log_create(ROOT, false);
	}
	/* without the sync that comes first, nothing would tell that a root which is missing is there */
	for (int server = 0; server < SERVERS && world.lags; server++)
		world.applied[server] = world.zxid;
	for (int i = (int)draw(60); i > 0; i--)
		commit_something();
	options.window = world.window;
	options.seed = seed;
	options.audit_ns = world.lossy || draw(2) ? AUDIT_NS : 0;
	options.splay_ns = draw(4) == 0 ? (int64_t)draw(3000) * CLOCK_NS_PER_MS : 0;
	options.lane_bytes = draw(2) ? 150 + draw(400) : 0; /* all paths come to 1,000 bytes or so */
	world.subscription = subscription_new(&options, &ops, NULL, &events, NULL);
	ck_assert_ptr_nonnull(world.subscription);
	note("world %" PRIu64 ":%s%s%s window %u, lanes of %zu bytes, splay %" PRId64 " ms", seed,
	     world.lossy ? " lossy" : "", world.secrets ? " secrets" : "", world.lags ? " lags" : "",
	     world.window, options.lane_bytes, options.splay_ns / CLOCK_NS_PER_MS);
}

static void world_end(void)
{
	struct item *item;

	subscription_free(world.subscription);
	for (unsigned int lane = 0; lane < LANES; lane++)
		while ((item = queue_take(&world.sessions[lane].requests)) ||
		       (item = queue_take(&world.sessions[lane].stream)))
			free(item);
}

static void something_breaks(unsigned int lane)
{
	switch (draw(7)) {
	case 0:
	case 1:
		session_cut(lane);
		break;
	case 2:
		session_expire(lane);
		break;
	case 3:
		if (world.secrets)
			world.secret[1 + draw(PATHS - 1)] ^= true;
		break;
	case 4:
		subscription_silent(world.subscription, lane, "silent");
		break;
	case 5: /* told of what has not happened */
		if (world.sessions[lane].connected)
			subscription_notify(world.subscription, lane, SUBSCRIPTION_CHANGED,
					    world.names[draw(PATHS)], world.now_ns);
		break;
	default: /* an old listing is believed after half a minute: not where servers lag in spite of all */
		if (!world.lags)
			world.now_ns += (int64_t)draw(3000) * CLOCK_NS_PER_MS;
	}
}

static void something_happens(void)
{
	unsigned int lane = draw(world.lanes);

	switch (draw(16)) {
	case 0:
		if (draw(world.pace) == 0)
			commit_something();
		break;
	case 1:
	case 2:
	case 3:
		for (unsigned int i = draw(world.lazy) ? 0 : draw(4); i > 0; i--)
			server_apply((int)draw(SERVERS));
		break;
	case 4:
		session_reach(lane);
		break;
	case 5:
		if (draw(12) == 0)
			something_breaks(lane);
		break;
	case 6:
		if (draw(4) == 0)
			probe(lane);
		break;
	case 7:
		world.now_ns += (int64_t)draw(20) * CLOCK_NS_PER_MS;
		break;
	case 8:
	case 9:
	case 10:
	case 11:
		session_answer(&world.sessions[lane]);
		break;
	default:
		deliver(lane);
	}
	if (draw(2) == 0)
		run();
}

/* Nothing breaks any more: everything that can move does, and time goes on to what is waited for. */
static void come_to_rest(int64_t for_ns)
{
	int64_t end_ns = world.now_ns + for_ns;
	bool moved;

	for (unsigned int lane = 0; lane < world.lanes; lane++) {
		session_reach(lane);
		probe(lane); /* as happens every few seconds */
	}
	do {
		moved = false;
		run();
		for (int server = 0; server < SERVERS; server++)
			while (world.applied[server] < world.zxid)
				server_apply(server);
		for (unsigned int lane = 0; lane < world.lanes; lane++) {
			moved |= session_reach(lane);
			while (session_answer(&world.sessions[lane]))
				moved = true;
			while (deliver(lane))
				moved = true;
		}
		if (!moved && world.next_ns > world.now_ns && world.next_ns < end_ns) {
			world.now_ns = world.next_ns;
			moved = true;
		}
	} while (moved || world.next_ns <= world.now_ns);
	world.now_ns = end_ns;
	run();
}

static void check_the_end(void)
{
	size_t exist = version_at(ROOT, world.zxid)->exists ? 0 : 1; /* the root is always known */
	size_t verified_before = world.verified_count;

	expect(world.state == SOURCE_FOLLOWING, "at the end the state is %d", (int)world.state);
	expect(subscription_is_settled(world.subscription), "at the end it has not settled");
	for (int path = 0; path < PATHS; path++) {
		const struct version *now = version_at(path, world.zxid);

		exist += now->exists;
		if (now->exists && now->has_data)
			expect(world.told[path] && world.told_mzxid[path] == now->mzxid &&
				       world.told_czxid[path] == now->czxid,
			       "at the end %s is told at %" PRId64 " instead of %" PRId64, world.names[path],
			       world.told_mzxid[path], now->mzxid);
		else if (!now->exists)
			expect(!world.told[path], "at the end %s is told and does not exist",
			       world.names[path]);
		expect(!world.trouble[path], "at the end %s is in trouble", world.names[path]);
	}
	expect(subscription_znode_count(world.subscription) == exist, "at the end %zu znodes are known of %zu",
	       subscription_znode_count(world.subscription), exist);
	come_to_rest(CLOCK_NS_PER_S);
	expect(world.verified_count > verified_before, "%s", "at the end nothing is verified");
}

static void world_pass(uint64_t seed)
{
	world_begin(seed);
	for (int i = 0; i < STEPS; i++)
		something_happens();
	memset(world.secret, 0, sizeof(world.secret));
	come_to_rest(400 * CLOCK_NS_PER_S);
	check_the_end();
	world_end();
}

START_TEST(in_every_world_what_is_told_was_and_the_last_of_it_is)
{
	for (int i = 0; i < WORLDS_A_TEST; i++)
		world_pass((uint64_t)_i * WORLDS_A_TEST + (uint64_t)i);
	ck_assert_uint_gt(repaired_count, 0);
	ck_assert_uint_gt(dropped_count, 0);
	ck_assert_uint_gt(verified_count, 0);
	ck_assert_uint_gt(multi_count, 0);
}
END_TEST

START_TEST(this_world_is_in_order)
{
	world.verbose = true;
	world_pass(strtoull(getenv("ZKCFG_TEST_SEED"), NULL, 10));
}
END_TEST

int main(void)
{
	int worlds = getenv("ZKCFG_TEST_FULL") ? 10000 : 200;
	Suite *suite = suite_create("simulation");
	TCase *tcase = tcase_create("simulation");
	SRunner *runner;
	int failed;

	if (getenv("ZKCFG_TEST_SEED"))
		tcase_add_test(tcase, this_world_is_in_order);
	else
		tcase_add_loop_test(tcase, in_every_world_what_is_told_was_and_the_last_of_it_is, 0,
				    worlds / WORLDS_A_TEST);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
