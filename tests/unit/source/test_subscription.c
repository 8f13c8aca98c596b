/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subscription against a ZooKeeper of our own: a tree with zxids, watches
 * that fire once, and one stream of replies and notifications in the order that
 * a session has them. Nothing of it happens by itself; each test says when.
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
#include "source/waiting.h"

#define REQUEST_NS (10 * CLOCK_NS_PER_S)
#define BUCKETS 16384

/* --- the ensemble --------------------------------------------------------- */

struct snode {
	struct snode *parent, *first_child, *sibling, *bucket;
	char *path, *data; /* data NULL: never had any */
	int64_t czxid, mzxid, pzxid;
	int32_t version;
	bool watched, children_watched, secret;
	unsigned int lane; /* that set them */
};

struct item {
	struct item *next;
	bool is_reply, watched_by_it;
	unsigned int lane;
	enum subscription_change change;
	struct subscription_reply reply;
	enum subscription_read read;
	char *path, *copy;
};

struct document {
	struct document *next;
	char *name, *data;
	uint64_t created, modified;
};

static struct {
	struct snode *buckets[BUCKETS];
	int64_t zxid;
	bool exists_watched;
	char *exists_path;

	struct item *reads, **reads_end;   /* sent, not yet looked at by the server */
	struct item *stream, **stream_end; /* on the way back */
	size_t under_way, most_under_way, read_count;
	size_t reads_of[5];
	unsigned int lane_count;
	enum subscription_result refuse; /* what sending gives */
	char last_overdue[256];

	struct subscription *subscription;
	int64_t now_ns, next_ns;
	struct document *documents;
	char log[65536]; /* what was told, one after the other */
	size_t told;
	bool quiet;
	enum source_state state;
	char detail[512];
	size_t settled_count, verified_count;
	int64_t verified_ns;
} fake;

static struct snode **bucket_of(const char *path)
{
	uint64_t hash = 14695981039346656037u;

	while (*path)
		hash = (hash ^ (unsigned char)*path++) * 1099511628211u;
	return &fake.buckets[(hash ^ hash >> 32) % BUCKETS];
}

static struct snode *server_find(const char *path)
{
	struct snode *node = *bucket_of(path);

	while (node && strcmp(node->path, path) != 0)
		node = node->bucket;
	return node;
}

static struct snode *server_parent(const char *path)
{
	char *copy = strdup(path), *slash = strrchr(copy, '/');
	struct snode *parent;

	slash[slash == copy ? 1 : 0] = '\0';
	parent = server_find(copy);
	free(copy);
	return parent;
}

static void stream_add(struct item *item)
{
	*fake.stream_end = item;
	fake.stream_end = &item->next;
}

static void server_fire(unsigned int lane, bool *watched, enum subscription_change change, const char *path)
{
	struct item *item;

	if (!*watched)
		return;
	*watched = false;
	item = calloc(1, sizeof(*item));
	item->lane = lane;
	item->change = change;
	item->path = strdup(path);
	stream_add(item);
}

static struct snode *server_create(const char *path, const char *data)
{
	struct snode *node = calloc(1, sizeof(*node)), **bucket = bucket_of(path);

	ck_assert_ptr_null(server_find(path));
	node->path = strdup(path);
	node->data = data ? strdup(data) : NULL;
	node->czxid = node->mzxid = node->pzxid = ++fake.zxid;
	node->bucket = *bucket;
	*bucket = node;
	if (strcmp(path, "/") == 0)
		return node;
	node->parent = server_parent(path);
	ck_assert_ptr_nonnull(node->parent);
	node->sibling = node->parent->first_child;
	node->parent->first_child = node;
	node->parent->pzxid = fake.zxid;
	if (fake.exists_path && strcmp(fake.exists_path, path) == 0)
		server_fire(0, &fake.exists_watched, SUBSCRIPTION_CREATED, path);
	server_fire(node->parent->lane, &node->parent->children_watched, SUBSCRIPTION_CHILD, node->parent->path);
	return node;
}

static void server_set(const char *path, const char *data)
{
	struct snode *node = server_find(path);

	ck_assert_ptr_nonnull(node);
	free(node->data);
	node->data = strdup(data);
	node->mzxid = ++fake.zxid;
	node->version++;
	server_fire(node->lane, &node->watched, SUBSCRIPTION_CHANGED, path);
}

static void server_delete(const char *path)
{
	struct snode *node = server_find(path), **link;
	bool watched;

	ck_assert_ptr_nonnull(node);
	while (node->first_child)
		server_delete(node->first_child->path);
	fake.zxid++;
	link = bucket_of(path);
	while (*link != node)
		link = &(*link)->bucket;
	*link = node->bucket;
	link = &node->parent->first_child;
	while (*link != node)
		link = &(*link)->sibling;
	*link = node->sibling;
	node->parent->pzxid = fake.zxid;
	watched = node->watched || node->children_watched;
	server_fire(node->lane, &watched, SUBSCRIPTION_DELETED, node->path);
	server_fire(node->parent->lane, &node->parent->children_watched, SUBSCRIPTION_CHILD, node->parent->path);
	free(node->path);
	free(node->data);
	free(node);
}

static void server_list(struct snode *node, struct item *item)
{
	size_t size_bytes = 1, count = 0;
	char *at;

	for (struct snode *child = node->first_child; child; child = child->sibling)
		size_bytes += strlen(strrchr(child->path, '/') + 1) + 1;
	at = item->copy = malloc(size_bytes);
	for (struct snode *child = node->first_child; child; child = child->sibling, count++)
		at = stpcpy(at, strrchr(child->path, '/') + 1) + 1;
	item->reply.names = item->copy;
	item->reply.name_count = count;
	node->children_watched = item->watched_by_it = true;
}

static void server_answer(struct item *item)
{
	struct snode *node = server_find(item->path);
	struct subscription_reply *reply = &item->reply;

	item->is_reply = true;
	if (item->read == SUBSCRIPTION_SYNC)
		return;
	if (!node) {
		reply->result = SUBSCRIPTION_NO_NODE;
		if (item->read == SUBSCRIPTION_EXISTS) {
			free(fake.exists_path);
			fake.exists_path = strdup(item->path);
			fake.exists_watched = true;
		}
		return;
	}
	if (node->secret && item->read != SUBSCRIPTION_EXISTS && item->read != SUBSCRIPTION_STAT) {
		reply->result = SUBSCRIPTION_NO_AUTH;
		return;
	}
	reply->czxid = node->czxid;
	reply->mzxid = node->mzxid;
	reply->pzxid = node->pzxid;
	reply->version = node->version;
	if (item->read == SUBSCRIPTION_STAT)
		return;
	node->lane = item->lane;
	if (item->read == SUBSCRIPTION_CHILDREN) {
		server_list(node, item);
		return;
	}
	node->watched = item->watched_by_it = true;
	if (item->read == SUBSCRIPTION_DATA && node->data) {
		item->copy = strdup(node->data);
		reply->bytes = item->copy;
		reply->size_bytes = strlen(item->copy);
	}
}

static struct item *pop(struct item **first, struct item ***end)
{
	struct item *item = *first;

	if (!item)
		return NULL;
	*first = item->next;
	if (!*first)
		*end = first;
	item->next = NULL;
	return item;
}

/* Take the oldest read that was sent, not looked at yet. */
static struct item *take_read(void)
{
	struct item *item = pop(&fake.reads, &fake.reads_end);

	ck_assert_ptr_nonnull(item);
	return item;
}

static void item_free(struct item *item)
{
	free(item->path);
	free(item->copy);
	free(item);
}

static bool server_answers_one(void)
{
	struct item *item = pop(&fake.reads, &fake.reads_end);

	if (!item)
		return false;
	server_answer(item);
	stream_add(item);
	return true;
}

static void run(void)
{
	fake.next_ns = subscription_run(fake.subscription, fake.now_ns);
}

static void item_deliver(struct item *item)
{
	if (item->is_reply) {
		fake.under_way--;
		subscription_reply(fake.subscription, item->lane, &item->reply, fake.now_ns);
	} else {
		subscription_notify(fake.subscription, item->lane, item->change, item->path, fake.now_ns);
	}
	item_free(item);
}

static bool deliver_one(void)
{
	struct item *item = pop(&fake.stream, &fake.stream_end);

	if (!item)
		return false;
	item_deliver(item);
	return true;
}

/* Until nothing moves, time standing still. Each answer arrives in a batch of its own. */
static void pump(void)
{
	run();
	while (server_answers_one() || fake.stream) {
		deliver_one();
		run();
	}
}

/* A read's outcome that is not the server's. */
static void answer_read(struct item *item, enum subscription_result result)
{
	item->is_reply = true;
	item->reply.result = result;
	item->reply.error = "ZTEST";
	item_deliver(item);
}

/* What the C client does: completions are faked, what the server said last never arrives. */
static void connection_cut(void)
{
	struct item *item, *kept = NULL, **kept_end = &kept;

	while (server_answers_one())
		;
	while ((item = pop(&fake.stream, &fake.stream_end))) {
		if (!item->is_reply) { /* comes after the reconnect, as the watch is set again */
			*kept_end = item;
			kept_end = &item->next;
			continue;
		}
		if (item->watched_by_it && server_find(item->path)) {
			if (item->read == SUBSCRIPTION_CHILDREN)
				server_find(item->path)->children_watched = false;
			else
				server_find(item->path)->watched = false;
		}
		answer_read(item, SUBSCRIPTION_LOST);
	}
	fake.stream = kept;
	fake.stream_end = kept ? kept_end : &fake.stream;
	subscription_disconnected(fake.subscription, 0, "the connection was cut");
}

static void session_lost(void)
{
	struct item *item;

	connection_cut();
	while ((item = pop(&fake.stream, &fake.stream_end)))
		item_free(item);
	fake.exists_watched = false;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct snode *node = fake.buckets[i]; node; node = node->bucket)
			node->watched = node->children_watched = false;
}

static void session_new(void)
{
	session_lost();
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
}

/* --- what is told --------------------------------------------------------- */

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
	va_list args;

	if (fake.quiet)
		return;
	va_start(args, format);
	fake.told += (size_t)vsnprintf(fake.log + fake.told, sizeof(fake.log) - fake.told, format, args);
	va_end(args);
	ck_assert_uint_lt(fake.told, sizeof(fake.log));
}

static struct document **document_find(const char *name)
{
	struct document **link = &fake.documents;

	while (*link && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	return link;
}

static void told_document(void *user, const char *name, const void *bytes, size_t size_bytes,
			  const struct source_revision *revision)
{
	struct document **link = document_find(name), *document = *link;

	(void)user;
	ck_assert_ptr_nonnull(bytes);
	tell("%s=%.*s ", name, (int)size_bytes, (const char *)bytes);
	if (fake.quiet)
		return;
	if (!document) {
		document = *link = calloc(1, sizeof(*document));
		document->name = strdup(name);
	}
	ck_assert_msg(revision->modified >= document->modified, "%s went back", name);
	ck_assert_msg(revision->modified != document->modified || revision->created != document->created,
		      "%s was told twice", name);
	document->created = revision->created;
	document->modified = revision->modified;
	free(document->data);
	document->data = strndup(bytes, size_bytes);
}

static void document_free(struct document **link)
{
	struct document *document = *link;

	*link = document->next;
	free(document->name);
	free(document->data);
	free(document);
}

static void told_removed(void *user, const char *name)
{
	struct document **link = document_find(name);

	(void)user;
	tell("-%s ", name);
	if (fake.quiet)
		return;
	ck_assert_ptr_nonnull(*link);
	document_free(link);
}

static void told_trouble(void *user, const char *name, const char *reason)
{
	(void)user;
	tell("%s%s ", reason ? "!" : "ok:", name);
	if (reason)
		snprintf(fake.detail, sizeof(fake.detail), "%s", reason);
}

static void told_settled(void *user)
{
	(void)user;
	tell(". ");
	fake.settled_count++;
}

static void told_verified(void *user, int64_t boottime_ns)
{
	(void)user;
	fake.verified_count++;
	fake.verified_ns = boottime_ns;
}

static void told_state(void *user, enum source_state state, const char *detail)
{
	(void)user;
	fake.state = state;
	snprintf(fake.detail, sizeof(fake.detail), "%s", detail);
}

static void told_repaired(void *user, const char *name)
{
	(void)user;
	tell("~%s ", name);
}

static unsigned int contacts[3]; /* by enum source_contact */

static void told_contact(void *user, enum source_contact contact)
{
	(void)user;
	contacts[contact]++;
}

static const struct source_events events = {
	.document = told_document,
	.removed = told_removed,
	.trouble = told_trouble,
	.settled = told_settled,
	.verified = told_verified,
	.state = told_state,
	.repaired = told_repaired,
	.contact = told_contact,
};

static enum subscription_result op_read(void *user, unsigned int lane, enum subscription_read read,
					const char *path, uint64_t request)
{
	struct item *item;

	(void)user;
	if (fake.refuse != SUBSCRIPTION_OK)
		return fake.refuse;
	item = calloc(1, sizeof(*item));
	item->read = read;
	item->lane = lane;
	item->path = strdup(path);
	item->reply.request = request;
	*fake.reads_end = item;
	fake.reads_end = &item->next;
	fake.read_count++;
	fake.reads_of[read]++;
	if (++fake.under_way > fake.most_under_way)
		fake.most_under_way = fake.under_way;
	return SUBSCRIPTION_OK;
}

static void op_overdue(void *user, unsigned int lane, const char *path)
{
	(void)user;
	ck_assert_uint_lt(lane, fake.lane_count);
	snprintf(fake.last_overdue, sizeof(fake.last_overdue), "%s", path);
}

static void op_open(void *user, unsigned int lane)
{
	(void)user;
	ck_assert_uint_eq(lane, fake.lane_count);
	fake.lane_count++;
}

static const struct subscription_ops ops = { .read = op_read, .overdue = op_overdue, .open = op_open };

/* What was told since the last time; then that is forgotten. */
#define ck_told(expected)                             \
	do {                                          \
		ck_assert_str_eq(fake.log, expected); \
		fake.log[fake.told = 0] = '\0';       \
	} while (0)

static void subscribe_with(struct subscription_options options)
{
	options.seed = 4711;
	fake.subscription = subscription_new(&options, &ops, NULL, &events, NULL);
	ck_assert_ptr_nonnull(fake.subscription);
}

static void subscribe(const char *root, unsigned int window)
{
	subscribe_with((struct subscription_options){ .root = root, .window = window });
}

/* Subscribe, connect and read everything. */
static void follow(const char *root)
{
	subscribe(root, SUBSCRIPTION_WINDOW_USUAL);
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	pump();
}

static void follow_with(struct subscription_options options)
{
	options.window = SUBSCRIPTION_WINDOW_USUAL;
	subscribe_with(options);
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	pump();
}

static void server_start(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.reads_end = &fake.reads;
	fake.stream_end = &fake.stream;
	fake.now_ns = 1000 * CLOCK_NS_PER_S;
	fake.lane_count = 1;
	server_create("/", "");
	server_create("/zookeeper", "");
	server_create("/app", NULL);
}

static void server_stop(void)
{
	struct item *item;

	subscription_free(fake.subscription);
	while ((item = pop(&fake.reads, &fake.reads_end)) || (item = pop(&fake.stream, &fake.stream_end)))
		item_free(item);
	while (fake.documents)
		document_free(&fake.documents);
	for (size_t i = 0; i < BUCKETS; i++) {
		while (fake.buckets[i]) {
			struct snode *node = fake.buckets[i];

			fake.buckets[i] = node->bucket;
			free(node->path);
			free(node->data);
			free(node);
		}
	}
	free(fake.exists_path);
}

/* Let time go on to what the subscription waits for, and everything move, until it waits for nothing. */
static void wait_out(int64_t most_ns)
{
	int64_t end_ns = fake.now_ns + most_ns;

	pump();
	while (fake.next_ns <= end_ns) {
		if (fake.next_ns > fake.now_ns)
			fake.now_ns = fake.next_ns;
		pump();
	}
}

/* --- following a tree ------------------------------------------------------ */

START_TEST(first_settled_comes_after_the_whole_tree)
{
	server_create("/app/a", "1");
	server_create("/app/d", NULL);
	server_create("/app/d/e", NULL);
	server_create("/app/d/e/f", "2");
	subscribe("/app", 500);
	run();
	ck_assert_int_eq(fake.state, SOURCE_CONNECTING);
	ck_assert_uint_eq(fake.read_count, 0);
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	run();
	ck_assert_int_eq(fake.state, SOURCE_SYNCING);
	pump();
	ck_told("a=1 d/e/f=2 . ");
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
	ck_assert_str_eq(fake.detail, "");
	ck_assert_uint_eq(subscription_znode_count(fake.subscription), 5);
	ck_assert_uint_eq(fake.reads_of[SUBSCRIPTION_DATA], 5);
	ck_assert_uint_eq(fake.reads_of[SUBSCRIPTION_CHILDREN], 5);
}
END_TEST

START_TEST(each_change_is_read_once_and_the_watch_is_set_again)
{
	server_create("/app/a", "1");
	follow("/app");
	ck_told("a=1 . ");
	for (int i = 2; i < 6; i++) {
		char text[8], expected[32];
		size_t before = fake.read_count;

		snprintf(text, sizeof(text), "%d", i);
		snprintf(expected, sizeof(expected), "a=%d . ", i);
		server_set("/app/a", text);
		pump();
		ck_told(expected);
		ck_assert_uint_eq(fake.read_count, before + 1);
	}
}
END_TEST

START_TEST(notification_during_a_read_means_another_read)
{
	server_create("/app/a", "1");
	follow("/app");
	server_set("/app/a", "2");
	deliver_one();
	run();
	/* The server reads, then there is a change, whose notification overtakes the reply. */
	subscription_notify(fake.subscription, 0, SUBSCRIPTION_CHANGED, "/app/a", fake.now_ns);
	ck_assert(server_answers_one());
	deliver_one();
	server_set("/app/a", "3");
	run();
	ck_told("a=1 . a=2 ");
	pump();
	ck_told("a=3 . ");
}
END_TEST

START_TEST(duplicates_are_told_once)
{
	size_t before;

	server_create("/app/a", "1");
	follow("/app");
	before = fake.read_count;
	for (int i = 0; i < 3; i++) {
		subscription_notify(fake.subscription, 0, SUBSCRIPTION_CHANGED, "/app/a", fake.now_ns);
		subscription_notify(fake.subscription, 0, SUBSCRIPTION_CHANGED, "/app/a", fake.now_ns);
		pump();
	}
	ck_told("a=1 . ");
	ck_assert_uint_eq(fake.read_count, before + 3);
}
END_TEST

START_TEST(new_children_at_any_depth_are_found)
{
	follow("/app");
	ck_told(". ");
	server_create("/app/x", NULL);
	server_create("/app/x/y", NULL);
	pump();
	server_create("/app/x/y/z", "1");
	pump();
	ck_told("x/y/z=1 . ");
	server_create("/app/x/y/z/below", "2");
	pump();
	ck_told("x/y/z/below=2 . ");
}
END_TEST

START_TEST(what_vanishes_is_told_with_its_subtree)
{
	server_create("/app/d", "0");
	server_create("/app/d/a", "1");
	server_create("/app/d/b", NULL);
	server_create("/app/d/b/c", "2");
	follow("/app");
	ck_told("d=0 d/a=1 d/b/c=2 . ");
	server_delete("/app/d");
	pump();
	ck_assert_ptr_nonnull(strstr(fake.log, "-d/a "));
	ck_assert_ptr_nonnull(strstr(fake.log, "-d/b/c "));
	ck_assert_ptr_nonnull(strstr(fake.log, "-d "));
	ck_assert_str_eq(fake.log + fake.told - 2, ". ");
	ck_assert_uint_eq(subscription_znode_count(fake.subscription), 1);
	ck_assert_ptr_null(fake.documents);
}
END_TEST

START_TEST(recreation_to_the_same_version_is_seen)
{
	server_create("/app/a", "old");
	follow("/app");
	server_delete("/app/a");
	server_create("/app/a", "new");
	pump();
	ck_told("a=old . a=new . ");
	/* And when the deletion was seen before. */
	server_delete("/app/a");
	pump();
	server_create("/app/a", "newer");
	pump();
	ck_told("-a . a=newer . ");
}
END_TEST

START_TEST(recreated_subtree_is_read_anew)
{
	server_create("/app/d", NULL);
	server_create("/app/d/a", "1");
	server_create("/app/d/b", "1");
	follow("/app");
	ck_told("d/b=1 d/a=1 . ");
	server_delete("/app/d");
	server_create("/app/d", NULL);
	server_create("/app/d/b", "2");
	pump();
	ck_assert_ptr_null(*document_find("d/a"));
	ck_assert_str_eq((*document_find("d/b"))->data, "2");
}
END_TEST

static void no_node_for(const char *path)
{
	subscription_notify(fake.subscription, 0, SUBSCRIPTION_CHANGED, path, fake.now_ns);
	run();
	ck_assert_str_eq(fake.reads->path, path);
	answer_read(take_read(), SUBSCRIPTION_NO_NODE);
}

START_TEST(no_node_removes_nothing_before_the_listing_says_so)
{
	int64_t before_ns = fake.now_ns;

	server_create("/app/a", "1");
	follow("/app");
	ck_told("a=1 . ");
	no_node_for("/app/a"); /* a server that lags: the listing has it */
	pump();
	ck_told("");
	server_set("/app/a", "2");
	pump();
	ck_told("a=2 . ");
	/* Gone indeed, and all notifications of it lost. */
	server_delete("/app/a");
	while (fake.stream)
		item_free(pop(&fake.stream, &fake.stream_end));
	no_node_for("/app/a");
	pump();
	ck_told("-a . ");
	ck_assert_int_eq(fake.now_ns, before_ns);
}
END_TEST

START_TEST(no_node_and_a_listing_that_lags_is_waited_for)
{
	struct snode *app = server_find("/app"), *node;

	node = server_create("/app/a", "1");
	follow("/app");
	ck_told("a=1 . ");
	session_lost();
	app->first_child = NULL; /* before a was made */
	app->pzxid--;
	*bucket_of("/app/a") = node->bucket;
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	wait_out(CLOCK_NS_PER_S);
	ck_told("");
	ck_assert_int_eq(fake.state, SOURCE_SYNCING);
	app->first_child = node;
	app->pzxid++;
	*bucket_of("/app/a") = node;
	wait_out(20 * CLOCK_NS_PER_S);
	ck_told("");
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
}
END_TEST

START_TEST(no_node_is_believed_where_no_listing_can_be_had)
{
	server_create("/app/d", NULL);
	server_create("/app/d/a", "1");
	follow("/app");
	ck_told("d/a=1 . ");
	server_find("/app/d")->secret = true;
	subscription_notify(fake.subscription, 0, SUBSCRIPTION_CHILD, "/app/d", fake.now_ns);
	pump();
	ck_told("!d ");
	server_delete("/app/d/a");
	pump();
	ck_told("-d/a . ");
}
END_TEST

START_TEST(empty_znode_is_no_document_unless_it_was_one)
{
	server_create("/app/null", NULL);
	server_create("/app/empty", "");
	server_create("/app/full", "1");
	follow("/app");
	ck_told("full=1 . ");
	server_set("/app/empty", "");
	pump();
	ck_told("");
	server_set("/app/full", "");
	pump();
	ck_told("full= . ");
	server_set("/app/full", "2");
	server_set("/app/null", "3");
	pump();
	ck_told("full=2 null=3 . ");
}
END_TEST

START_TEST(changes_of_one_transaction_settle_together)
{
	server_create("/app/a", "1");
	server_create("/app/b", "1");
	follow("/app");
	ck_told("b=1 a=1 . ");
	server_set("/app/a", "2");
	server_set("/app/b", "2");
	/* Every notification comes before any reply that shows the change. */
	deliver_one();
	run();
	deliver_one();
	run();
	pump();
	ck_told("a=2 b=2 . ");
}
END_TEST

START_TEST(settled_is_not_told_for_nothing)
{
	server_create("/app/a", "1");
	follow("/app");
	ck_assert_uint_eq(fake.settled_count, 1);
	for (int i = 0; i < 3; i++)
		pump();
	subscription_notify(fake.subscription, 0, SUBSCRIPTION_CHILD, "/app", fake.now_ns);
	pump();
	session_new();
	pump();
	ck_assert_uint_eq(fake.settled_count, 1);
	server_set("/app/a", "2");
	pump();
	ck_assert_uint_eq(fake.settled_count, 2);
}
END_TEST

START_TEST(notification_of_an_unknown_path_is_ignored)
{
	size_t before;

	follow("/app");
	before = fake.read_count;
	subscription_notify(fake.subscription, 0, SUBSCRIPTION_DELETED, "/app/nobody", fake.now_ns);
	subscription_notify(fake.subscription, 0, SUBSCRIPTION_CHILD, "/", fake.now_ns);
	pump();
	ck_assert_uint_eq(fake.read_count, before);
}
END_TEST

START_TEST(watch_that_is_gone_is_set_again)
{
	size_t before;

	server_create("/app/a", "1");
	follow("/app");
	before = fake.read_count;
	subscription_notify(fake.subscription, 0, SUBSCRIPTION_UNWATCHED, "/app/a", fake.now_ns);
	pump();
	ck_assert_uint_eq(fake.read_count, before + 2);
}
END_TEST

/* --- the root --------------------------------------------------------------- */

START_TEST(missing_root_is_awaited_with_a_watch)
{
	server_delete("/app");
	follow("/app");
	ck_told(". ");
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
	ck_assert_ptr_nonnull(strstr(fake.detail, "no znode /app"));
	ck_assert(fake.exists_watched);
	server_create("/app", "root");
	server_create("/app/a", "1");
	pump();
	ck_told("app=root a=1 . ");
	ck_assert_str_eq(fake.detail, "");
}
END_TEST

START_TEST(root_that_comes_between_get_and_exists_is_got_again)
{
	server_delete("/app");
	subscribe("/app", 500);
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	run();
	while (server_answers_one())
		deliver_one();
	run();
	server_create("/app", "1"); /* nothing is watched yet */
	server_create("/app/a", "2");
	pump();
	ck_told("app=1 a=2 . ");
}
END_TEST

START_TEST(root_that_comes_between_its_listing_and_its_data_is_listed_again)
{
	server_delete("/app");
	subscribe("/app", 500);
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	run();
	server_answers_one();
	server_create("/app", "1");
	server_create("/app/a", "2");
	pump();
	ck_told("app=1 a=2 . ");
}
END_TEST

START_TEST(deleted_root_takes_everything_along_and_may_return)
{
	server_set("/app", "0");
	server_create("/app/a", "1");
	follow("/app");
	ck_told("app=0 a=1 . ");
	server_delete("/app");
	pump();
	ck_told("-a -app . ");
	ck_assert(fake.exists_watched);
	server_create("/app", "2");
	server_create("/app/a", "3");
	pump();
	ck_told("app=2 a=3 . ");
	/* Gone and back before anyone looked. */
	server_delete("/app");
	server_create("/app", "4");
	server_create("/app/b", "5");
	pump();
	ck_assert_ptr_null(*document_find("a"));
	ck_assert_str_eq((*document_find("app"))->data, "4");
	ck_assert_str_eq((*document_find("b"))->data, "5");
}
END_TEST

START_TEST(root_that_was_missed_by_mistake_is_told_again)
{
	server_set("/app", "1");
	server_create("/app/a", "2");
	follow("/app");
	ck_told("app=1 a=2 . ");
	subscription_notify(fake.subscription, 0, SUBSCRIPTION_CHANGED, "/app", fake.now_ns);
	run();
	answer_read(take_read(), SUBSCRIPTION_NO_NODE); /* a server that has not heard of it */
	ck_told("-a -app ");
	pump();
	ck_told("app=1 a=2 . ");
	/* And when it is its listing that is missed. */
	subscription_notify(fake.subscription, 0, SUBSCRIPTION_CHILD, "/app", fake.now_ns);
	run();
	answer_read(take_read(), SUBSCRIPTION_NO_NODE);
	pump();
	server_create("/app/b", "3");
	pump();
	ck_told("b=3 . ");
}
END_TEST

START_TEST(recreated_root_waits_for_its_listing_too)
{
	struct item *listing;

	server_set("/app", "root");
	follow("/app");
	server_delete("/app");
	pump();
	ck_told("app=root . -app . ");
	server_create("/app", "root");
	server_create("/app/app", "child");
	deliver_one();
	run();
	listing = take_read();
	ck_assert_int_eq(listing->read, SUBSCRIPTION_CHILDREN);
	server_answers_one();
	deliver_one();
	run();
	ck_told("");
	server_answer(listing);
	item_deliver(listing);
	wait_out(CLOCK_NS_PER_S);
	ck_assert_str_eq((*document_find("app"))->data, "child");
}
END_TEST

START_TEST(root_missing_at_reconnect_and_new_session_is_still_awaited)
{
	server_delete("/app");
	follow("/app");
	session_new();
	pump();
	ck_assert(fake.exists_watched);
	connection_cut();
	subscription_connected(fake.subscription, 0);
	pump();
	server_create("/app", "1");
	pump();
	ck_told(". app=1 . ");
}
END_TEST

START_TEST(single_znode_is_named_by_its_last_component)
{
	server_create("/app/site.xml", "<a/>");
	follow("/app/site.xml");
	ck_told("site.xml=<a/> . ");
}
END_TEST

START_TEST(child_with_the_roots_name_wins_and_is_named_in_trouble)
{
	server_set("/app", "root");
	server_create("/app/app", "child");
	follow("/app");
	ck_told("!app app=child . ");
	server_set("/app", "root2");
	pump();
	ck_told("");
	server_delete("/app/app");
	pump();
	ck_told("-app ok:app app=root2 . ");
	server_create("/app/app", "child2");
	pump();
	ck_told("-app !app app=child2 . ");
	server_set("/app", "");
	pump();
	ck_told("ok:app ");
}
END_TEST

START_TEST(listing_that_comes_late_still_decides_over_the_roots_name)
{
	struct item *listing;

	server_set("/app", "root");
	server_create("/app/app", "child");
	subscribe("/app", 500);
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	run();
	listing = take_read();
	ck_assert_int_eq(listing->read, SUBSCRIPTION_CHILDREN);
	server_answers_one();
	deliver_one();
	run();
	ck_told("");
	server_answer(listing);
	item_deliver(listing);
	wait_out(CLOCK_NS_PER_S);
	ck_assert_str_eq((*document_find("app"))->data, "child");
}
END_TEST

START_TEST(slash_means_everything_but_zookeepers_own)
{
	server_set("/", "not a document");
	server_create("/zookeeper/config", "secret");
	server_create("/app/a", "1");
	server_create("/app/zookeeper", "2");
	follow("/");
	ck_told("app/zookeeper=2 app/a=1 . ");
	server_create("/new", "3");
	pump();
	ck_told("new=3 . ");
}
END_TEST

/* --- losses ---------------------------------------------------------------- */

START_TEST(lost_connection_makes_inflight_dirty_and_leaves_armed_alone)
{
	size_t before;

	server_create("/app/a", "1");
	server_create("/app/b", "1");
	follow("/app");
	ck_told("b=1 a=1 . ");
	server_set("/app/a", "2");
	deliver_one();
	run(); /* the read is under way */
	before = fake.read_count;
	connection_cut();
	run();
	ck_assert_int_eq(fake.state, SOURCE_AWAY);
	ck_assert_str_eq(fake.detail, "the connection was cut");
	ck_assert_uint_eq(fake.read_count, before);
	ck_assert_int_eq(fake.next_ns, INT64_MAX);
	subscription_connected(fake.subscription, 0);
	pump();
	ck_told("a=2 . ");
	ck_assert_uint_eq(fake.read_count, before + 1);
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
}
END_TEST

START_TEST(dirty_survives_a_reconnect)
{
	server_create("/app/a", "1");
	follow("/app");
	server_set("/app/a", "2");
	deliver_one(); /* the notification, and its watch is used up */
	connection_cut();
	run();
	subscription_connected(fake.subscription, 0);
	pump();
	ck_told("a=1 . a=2 . ");
}
END_TEST

START_TEST(faked_completion_is_no_reply)
{
	size_t before;

	server_create("/app/a", "1");
	follow("/app");
	server_set("/app/a", "2");
	deliver_one();
	run();
	before = fake.read_count;
	answer_read(take_read(), SUBSCRIPTION_LOST);
	/* Nobody has said that the connection is gone: a pause, then the read again. */
	run();
	ck_assert_uint_eq(fake.read_count, before);
	ck_assert_int_gt(fake.next_ns, fake.now_ns);
	ck_assert_int_lt(fake.next_ns, fake.now_ns + CLOCK_NS_PER_S);
	wait_out(CLOCK_NS_PER_S);
	ck_told("a=1 . a=2 . ");
}
END_TEST

START_TEST(what_was_under_way_at_a_disconnect_is_read_again)
{
	server_create("/app/a", "1");
	follow("/app");
	server_set("/app/a", "2");
	deliver_one();
	run();
	item_free(take_read()); /* never answered, not even by a faked completion */
	fake.under_way--;
	subscription_disconnected(fake.subscription, 0, "");
	run();
	subscription_connected(fake.subscription, 0);
	pump();
	ck_told("a=1 . a=2 . ");
}
END_TEST

START_TEST(reply_to_a_request_given_up_changes_nothing)
{
	struct item *late;

	server_create("/app/a", "1");
	follow("/app");
	server_set("/app/a", "2");
	deliver_one();
	run();
	late = take_read();
	server_answer(late);
	subscription_disconnected(fake.subscription, 0, "");
	subscription_connected(fake.subscription, 0);
	server_set("/app/a", "3");
	run();
	subscription_reply(fake.subscription, 0, &late->reply, fake.now_ns);
	item_free(late);
	ck_told("a=1 . ");
	pump();
	ck_told("a=3 . ");
	/* Nor does one that was had already, or one that never was. */
	subscription_reply(fake.subscription, 0, &(struct subscription_reply){ .request = 1 }, fake.now_ns);
	subscription_reply(fake.subscription, 0, &(struct subscription_reply){ .request = 0xffff }, fake.now_ns);
	pump();
	ck_told("");
}
END_TEST

START_TEST(reply_after_its_znode_is_gone_changes_nothing)
{
	struct item *late;

	server_create("/app/a", "1");
	follow("/app");
	ck_told("a=1 . ");
	server_set("/app/a", "2");
	deliver_one();
	run();
	late = take_read();
	server_answer(late);
	server_delete("/app/a");
	pump();
	ck_told("-a . ");
	item_deliver(late);
	pump();
	ck_told("");
	ck_assert_uint_eq(fake.under_way, 0);
}
END_TEST

START_TEST(request_that_cannot_be_sent_is_sent_later)
{
	server_create("/app/a", "1");
	subscribe("/app", 500);
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	fake.refuse = SUBSCRIPTION_ERROR;
	run();
	fake.refuse = SUBSCRIPTION_LOST;
	fake.now_ns += CLOCK_NS_PER_S;
	run();
	fake.refuse = SUBSCRIPTION_OK;
	wait_out(CLOCK_NS_PER_S);
	ck_told("a=1 . ");
}
END_TEST

/* --- sessions --------------------------------------------------------------- */

START_TEST(new_session_reads_all_and_tells_what_moved)
{
	size_t before;

	server_create("/app/a", "1");
	server_create("/app/b", "1");
	server_create("/app/c", "1");
	follow("/app");
	ck_told("c=1 b=1 a=1 . ");
	before = fake.read_count;
	session_lost();
	run();
	server_set("/app/b", "2");
	server_delete("/app/c");
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	run();
	ck_assert_int_eq(fake.state, SOURCE_SYNCING);
	pump();
	ck_told("-c b=2 . ");
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
	ck_assert_uint_ge(fake.read_count, before + 6);
}
END_TEST

START_TEST(lagging_server_is_never_believed_and_asked_again)
{
	struct snode *node = server_create("/app/a", "1");
	int64_t published;

	server_set("/app/a", "2");
	published = node->mzxid;
	follow("/app");
	ck_told("a=2 . ");
	session_lost();
	node->mzxid = node->czxid; /* a server that has not heard of the change */
	node->data[0] = '1';
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	pump();
	ck_told("");
	ck_assert_int_eq(fake.state, SOURCE_SYNCING);
	ck_assert_ptr_nonnull(strstr(fake.detail, "/app/a"));
	ck_assert_ptr_nonnull(strstr(fake.detail, "lags"));
	wait_out(20 * CLOCK_NS_PER_S);
	ck_told("");
	subscription_answered(fake.subscription, 0, 1, fake.now_ns);
	ck_assert_uint_eq(fake.verified_count, 0);
	node->mzxid = published;
	node->data[0] = '2';
	wait_out(20 * CLOCK_NS_PER_S);
	ck_told("");
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
	ck_assert_str_eq(fake.detail, "");
	server_set("/app/a", "3");
	pump();
	ck_told("a=3 . ");
}
END_TEST

START_TEST(lagging_listing_removes_nothing_until_it_is_all_there_is)
{
	struct snode *app = server_find("/app"), *node;

	server_create("/app/a", "1");
	follow("/app");
	ck_told("a=1 . ");
	session_lost();
	node = app->first_child; /* hidden: not yet heard of */
	app->first_child = NULL;
	app->pzxid--;
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	wait_out(CLOCK_NS_PER_S);
	ck_told("");
	ck_assert_int_eq(fake.state, SOURCE_SYNCING);
	app->first_child = node;
	app->pzxid++;
	wait_out(10 * CLOCK_NS_PER_S);
	ck_told("");
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
	/* pzxid may differ for good: after long enough the listing counts. */
	app->pzxid -= 1;
	session_new();
	wait_out(CLOCK_NS_PER_S);
	ck_assert_int_eq(fake.state, SOURCE_SYNCING);
	wait_out(120 * CLOCK_NS_PER_S);
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
}
END_TEST

START_TEST(verified_is_told_only_while_settled)
{
	server_create("/app/a", "1");
	subscribe("/app", 500);
	subscription_answered(fake.subscription, 0, 1, fake.now_ns);
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	run();
	subscription_answered(fake.subscription, 0, 2, fake.now_ns);
	ck_assert_uint_eq(fake.verified_count, 0);
	pump();
	subscription_answered(fake.subscription, 0, 3, fake.now_ns);
	ck_assert_int_eq(fake.verified_ns, 3);
	server_set("/app/a", "2");
	deliver_one();
	subscription_answered(fake.subscription, 0, 4, fake.now_ns);
	ck_assert_int_eq(fake.verified_ns, 3);
	pump();
	subscription_answered(fake.subscription, 0, 5, fake.now_ns);
	ck_assert_int_eq(fake.verified_ns, 5);
	subscription_disconnected(fake.subscription, 0, "");
	subscription_answered(fake.subscription, 0, 6, fake.now_ns);
	session_new();
	subscription_answered(fake.subscription, 0, 7, fake.now_ns);
	ck_assert_int_eq(fake.verified_ns, 5);
}
END_TEST

START_TEST(silence_is_away_until_something_is_heard)
{
	follow("/app");
	subscription_silent(fake.subscription, 0, "nothing heard");
	run();
	ck_assert_int_eq(fake.state, SOURCE_AWAY);
	ck_assert_str_eq(fake.detail, "nothing heard");
	subscription_answered(fake.subscription, 0, 1, fake.now_ns);
	run();
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
	ck_assert_uint_eq(fake.verified_count, 1);
}
END_TEST

START_TEST(refusal_lasts_until_a_new_session)
{
	follow("/app");
	subscription_refused(fake.subscription, 0, "wrong password");
	run();
	ck_assert_int_eq(fake.state, SOURCE_REFUSED);
	ck_assert_str_eq(fake.detail, "wrong password");
	session_new();
	pump();
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
}
END_TEST

START_TEST(overdue_is_the_lost_reply_and_not_the_slow_line)
{
	struct item *lost;

	for (int i = 0; i < 8; i++) {
		char path[16];

		snprintf(path, sizeof(path), "/app/%d", i);
		server_create(path, "1");
	}
	subscribe("/app", 4);
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	run();
	/* Each reply takes almost the limit: all of them together many times it. */
	while (server_answers_one()) {
		fake.now_ns += REQUEST_NS - 1;
		run();
		ck_assert_str_eq(fake.last_overdue, "");
		deliver_one();
		run();
	}
	ck_assert_uint_eq(fake.settled_count, 1);
	server_set("/app/3", "2");
	server_set("/app/4", "2");
	deliver_one();
	run();
	lost = take_read();
	fake.now_ns += REQUEST_NS / 2;
	pump(); /* /app/4 is answered */
	ck_assert_str_eq(fake.last_overdue, "");
	ck_assert_int_eq(fake.next_ns, fake.now_ns + REQUEST_NS / 2);
	fake.now_ns = fake.next_ns;
	run();
	ck_assert_str_eq(fake.last_overdue, "/app/3");
	item_free(lost);
	fake.under_way--;
	session_new();
	pump();
	ck_assert_str_eq((*document_find("3"))->data, "2");
}
END_TEST

/* --- errors ----------------------------------------------------------------- */

START_TEST(no_permission_is_trouble_and_the_rest_is_served)
{
	struct snode *secret = server_create("/app/secret", "1");

	secret->secret = true;
	server_create("/app/a", "1");
	follow("/app");
	ck_told("a=1 !secret . ");
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
	server_set("/app/a", "2");
	pump();
	subscription_answered(fake.subscription, 0, 9, fake.now_ns);
	ck_assert_int_eq(fake.verified_ns, 9);
	ck_told("a=2 . ");
	wait_out(300 * CLOCK_NS_PER_S);
	ck_told("");
	secret->secret = false;
	/* One of its two reads comes first, and brings the other one along. */
	fake.now_ns = fake.next_ns;
	pump();
	ck_assert_int_le(fake.now_ns, 1360 * CLOCK_NS_PER_S);
	ck_assert_ptr_nonnull(strstr(fake.log, "secret=1 "));
	ck_assert_ptr_nonnull(strstr(fake.log, "ok:secret "));
	ck_assert_ptr_nonnull(strstr(fake.log, ". "));
	fake.log[fake.told = 0] = '\0';
	server_set("/app/secret", "2");
	pump();
	ck_told("secret=2 . ");
}
END_TEST

START_TEST(trouble_that_turns_into_lag_is_waited_for)
{
	struct snode *node = server_create("/app/a", "1");

	follow("/app");
	node->secret = true;
	subscription_notify(fake.subscription, 0, SUBSCRIPTION_CHANGED, "/app/a", fake.now_ns);
	pump();
	ck_told("a=1 . !a ");
	subscription_answered(fake.subscription, 0, 1, fake.now_ns);
	ck_assert_int_eq(fake.verified_ns, 1);
	node->secret = false;
	node->mzxid--;
	fake.now_ns = fake.next_ns;
	pump();
	ck_told("ok:a ");
	subscription_answered(fake.subscription, 0, 2, fake.now_ns);
	ck_assert_int_eq(fake.verified_ns, 1);
}
END_TEST

START_TEST(troubled_znode_that_vanishes_is_in_trouble_no_more)
{
	server_create("/app/secret", "1")->secret = true;
	follow("/app");
	ck_told("!secret . ");
	server_delete("/app/secret");
	pump();
	ck_told("ok:secret ");
}
END_TEST

START_TEST(root_without_permission_is_refused_and_nothing_settles)
{
	server_create("/app/a", "1");
	server_find("/app")->secret = true;
	follow("/app");
	ck_told("");
	ck_assert_int_eq(fake.state, SOURCE_REFUSED);
	ck_assert_ptr_nonnull(strstr(fake.detail, "no permission to read /app"));
	subscription_answered(fake.subscription, 0, 1, fake.now_ns);
	ck_assert_uint_eq(fake.verified_count, 0);
	server_find("/app")->secret = false;
	wait_out(60 * CLOCK_NS_PER_S);
	ck_told("a=1 . ");
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
	/* Taken away again: what is there is followed, but not vouched for. */
	server_find("/app")->secret = true;
	server_set("/app", "unseen");
	server_set("/app/a", "2");
	pump();
	ck_told("a=2 . ");
	ck_assert_int_eq(fake.state, SOURCE_REFUSED);
	subscription_answered(fake.subscription, 0, 1, fake.now_ns);
	ck_assert_uint_eq(fake.verified_count, 0);
}
END_TEST

START_TEST(errors_are_tried_again_with_growing_pauses_and_become_trouble)
{
	int64_t pauses[8];

	server_create("/app/a", "1");
	follow("/app");
	ck_told("a=1 . ");
	server_set("/app/a", "2");
	deliver_one();
	run();
	for (int i = 0; i < 8; i++) {
		answer_read(take_read(), SUBSCRIPTION_ERROR);
		run();
		ck_assert_ptr_null(fake.reads);
		pauses[i] = fake.next_ns - fake.now_ns;
		ck_assert_int_ge(pauses[i], (50 * CLOCK_NS_PER_MS) << i);
		ck_assert_int_le(pauses[i], (100 * CLOCK_NS_PER_MS) << i);
		ck_assert_str_eq(fake.log, i < 2 ? "" : "!a ");
		fake.now_ns = fake.next_ns;
		run();
	}
	ck_assert_ptr_nonnull(strstr(fake.detail, "ZTEST"));
	pump();
	ck_told("!a ok:a a=2 . ");
}
END_TEST

START_TEST(jitter_spreads_what_failed_together)
{
	int64_t first;
	size_t at_once = 0;

	for (int i = 0; i < 100; i++) {
		char path[16];

		snprintf(path, sizeof(path), "/app/%d", i);
		server_create(path, "1");
	}
	subscribe("/app", 500);
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	run();
	server_answers_one();
	server_answers_one();
	deliver_one();
	deliver_one();
	run();
	while (fake.reads)
		answer_read(take_read(), SUBSCRIPTION_ERROR);
	run();
	first = fake.next_ns;
	fake.now_ns = first;
	run();
	while (fake.reads) {
		at_once++;
		answer_read(take_read(), SUBSCRIPTION_LOST);
	}
	ck_assert_uint_ge(at_once, 1);
	ck_assert_uint_lt(at_once, 10);
}
END_TEST

/* --- size ------------------------------------------------------------------- */

START_TEST(window_is_never_exceeded)
{
	for (int i = 0; i < 300; i++) {
		char path[16];

		snprintf(path, sizeof(path), "/app/%d", i);
		server_create(path, "1");
	}
	subscribe("/app", 7);
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	pump();
	ck_assert_uint_eq(fake.settled_count, 1);
	ck_assert_uint_eq(fake.most_under_way, 7);
	for (int i = 0; i < 300; i++) {
		char path[16];

		snprintf(path, sizeof(path), "/app/%d", i);
		server_set(path, "2");
	}
	while (deliver_one())
		;
	pump();
	ck_assert_uint_eq(fake.most_under_way, 7);
	ck_assert_uint_eq(fake.settled_count, 2);
}
END_TEST

START_TEST(ten_thousand_znodes_cost_two_reads_each_and_a_change_one)
{
	size_t before, bytes = 2 * (4 + strlen("/app"));
	char path[32];

	for (int i = 0; i < 10000; i++) {
		snprintf(path, sizeof(path), "/app/%03d", i / 100);
		if (i % 100 == 0)
			server_create(path, NULL);
		snprintf(path, sizeof(path), "/app/%03d/%05d", i / 100, i);
		server_create(path, "1");
		bytes += 2 * (4 + strlen(path));
	}
	bytes += 100 * 2 * (4 + strlen("/app/000"));
	fake.quiet = true;
	follow("/app");
	ck_assert_uint_eq(fake.settled_count, 1);
	ck_assert_uint_eq(subscription_znode_count(fake.subscription), 10101);
	ck_assert_uint_eq(fake.read_count, 2 * 10101);
	ck_assert_uint_eq(subscription_watch_bytes(fake.subscription, 0), bytes);
	before = fake.read_count;
	server_set("/app/042/04242", "2");
	pump();
	ck_assert_uint_eq(fake.read_count, before + 1);
	server_delete("/app/042");
	pump();
	ck_assert_uint_eq(subscription_znode_count(fake.subscription), 10000);
	session_new();
	pump();
	ck_assert_uint_eq(fake.settled_count, 3);
	server_delete("/app");
	pump();
	ck_assert_uint_eq(subscription_znode_count(fake.subscription), 1);
	ck_assert_uint_eq(subscription_watch_bytes(fake.subscription, 0), 4 + strlen("/app"));
}
END_TEST

START_TEST(deep_trees_are_followed_and_forgotten)
{
	char path[8192] = "/app";

	for (int i = 0; i < 2000; i++) {
		strcat(path, "/d");
		server_create(path, NULL);
	}
	server_set(path, "bottom");
	fake.quiet = true;
	follow("/app");
	ck_assert_uint_eq(subscription_znode_count(fake.subscription), 2001);
	server_delete("/app/d");
	pump();
	ck_assert_uint_eq(subscription_znode_count(fake.subscription), 1);
}
END_TEST

/* --- chance ----------------------------------------------------------------- */

static uint64_t chance;

static unsigned int draw(unsigned int below)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (unsigned int)((chance >> 11) % below);
}

static void draw_path(char *path)
{
	path += sprintf(path, "/app");
	for (unsigned int depth = 1 + draw(3); depth > 0; depth--)
		path += sprintf(path, "/%c", "abx"[draw(3)]);
}

static void server_do_something(void)
{
	char path[64], text[32];

	draw_path(path);
	if (draw(40) == 0)
		strcpy(path, "/app");
	snprintf(text, sizeof(text), "v%" PRId64, fake.zxid);
	if (!server_find(path)) {
		if (server_parent(path))
			server_create(path, draw(3) ? text : NULL);
	} else if (draw(4) == 0) {
		server_delete(path);
	} else {
		server_set(path, draw(8) ? text : "");
	}
}

static void something_happens(void)
{
	switch (draw(40)) {
	case 0:
		connection_cut();
		for (unsigned int i = draw(3); i > 0; i--)
			server_do_something();
		subscription_connected(fake.subscription, 0);
		break;
	case 1:
		session_lost();
		for (unsigned int i = draw(3); i > 0; i--)
			server_do_something();
		subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
		break;
	case 2:
		if (fake.reads)
			answer_read(take_read(), draw(2) ? SUBSCRIPTION_LOST : SUBSCRIPTION_ERROR);
		break;
	case 3:
		if (server_find("/app"))
			server_find("/app")->secret = draw(3) == 0;
		break;
	case 4:
		if (server_find("/app/a"))
			server_find("/app/a")->secret = draw(2) == 0;
		break;
	case 5:
		fake.now_ns += draw(2000) * CLOCK_NS_PER_MS;
		break;
	default:
		if (draw(3) == 0)
			server_do_something();
		else if (draw(2) == 0)
			server_answers_one();
		else
			deliver_one();
	}
	if (draw(2) == 0)
		run();
}

static size_t expect_document(struct snode *node)
{
	struct document *document;
	const char *name = strcmp(node->path, "/app") == 0 ? "app" : node->path + strlen("/app/");

	document = *document_find(name);
	if (!node->data || node->data[0] == '\0') {
		ck_assert(!document || document->data[0] == '\0');
		return document ? 1 : 0;
	}
	ck_assert_msg(document != NULL, "%s is missing", node->path);
	ck_assert_str_eq(document->data, node->data);
	ck_assert_uint_eq(document->modified, (uint64_t)node->mzxid);
	ck_assert_uint_eq(document->created, (uint64_t)node->czxid);
	return 1;
}

START_TEST(after_any_history_what_was_told_is_what_is_there)
{
	size_t expected = 0, told = 0;

	chance = (uint64_t)_i * 0x9e3779b97f4a7c15u + 1;
	subscribe("/app", 1 + draw(20));
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	for (int i = 0; i < 1500; i++) {
		something_happens();
		fake.log[fake.told = 0] = '\0';
	}
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct snode *node = fake.buckets[i]; node; node = node->bucket)
			node->secret = false;
	wait_out(200 * CLOCK_NS_PER_S);
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
	ck_assert(subscription_is_settled(fake.subscription));
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct snode *node = fake.buckets[i]; node; node = node->bucket)
			if (strncmp(node->path, "/app", 4) == 0)
				expected += expect_document(node);
	for (struct document *document = fake.documents; document; document = document->next)
		told++;
	ck_assert_uint_eq(told, expected);
}
END_TEST

static void ck_heap(const struct waiting *waiting)
{
	for (size_t i = 1; i <= waiting->count; i++) {
		ck_assert_uint_eq(waiting->heap[i]->timer, i);
		ck_assert(i == 1 || waiting->heap[i / 2]->due_ns <= waiting->heap[i]->due_ns);
	}
}

START_TEST(those_that_wait_come_in_order_of_time)
{
	enum { COUNT = 300 };
	struct watch *watches = calloc(COUNT, sizeof(*watches));
	struct waiting waiting = { 0 };

	chance = 99;
	ck_assert_ptr_null(waiting_first(&waiting));
	ck_assert_int_eq(waiting_reserve(&waiting, COUNT), 0);
	for (int i = 0; i < 20000; i++) {
		struct watch *watch = &watches[draw(COUNT)];

		if (watch->timer != 0) {
			waiting_remove(&waiting, watch);
		} else {
			watch->due_ns = draw(200);
			waiting_add(&waiting, watch);
		}
		if (i % 16 == 0)
			ck_heap(&waiting);
	}
	while (waiting_first(&waiting)) {
		waiting_remove(&waiting, waiting_first(&waiting));
		ck_heap(&waiting);
	}
	waiting_free(&waiting);
	free(watches);
}
END_TEST

/* --- what is fetched in a new session ---------------------------------------- */

START_TEST(new_session_fetches_only_what_moved)
{
	server_create("/app/a", "1");
	server_create("/app/b", "1");
	server_create("/app/c", NULL);
	server_create("/app/c/d", "1");
	follow("/app");
	ck_told("b=1 a=1 c/d=1 . ");
	memset(fake.reads_of, 0, sizeof(fake.reads_of));
	session_new();
	pump();
	ck_told("");
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
	ck_assert_uint_eq(fake.reads_of[SUBSCRIPTION_DATA], 0);
	ck_assert_uint_eq(fake.reads_of[SUBSCRIPTION_EXISTS], 5);
	ck_assert_uint_eq(fake.reads_of[SUBSCRIPTION_CHILDREN], 5);
	session_lost();
	server_set("/app/c/d", "2");
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	pump();
	ck_told("c/d=2 . ");
	ck_assert_uint_eq(fake.reads_of[SUBSCRIPTION_DATA], 1);
	/* the watches that the stats set fire like any other */
	server_set("/app/a", "2");
	server_set("/app/c/d", "3");
	pump();
	ck_told("a=2 c/d=3 . ");
}
END_TEST

START_TEST(recreation_while_away_is_seen_by_its_stat)
{
	server_create("/app/a", "1");
	follow("/app");
	ck_told("a=1 . ");
	session_lost();
	server_delete("/app/a");
	server_create("/app/a", "1"); /* the same version, the same bytes, another znode */
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	pump();
	ck_told("a=1 . ");
}
END_TEST

START_TEST(where_most_has_moved_nothing_is_asked_for_its_stat)
{
	char path[32];

	fake.quiet = true;
	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "/app/%03d", i);
		server_create(path, "1");
	}
	subscribe("/app", 50);
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	pump();
	session_lost();
	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "/app/%03d", i);
		server_set(path, "2");
	}
	memset(fake.reads_of, 0, sizeof(fake.reads_of));
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	pump();
	ck_assert_uint_eq(fake.reads_of[SUBSCRIPTION_DATA], 1000);
	ck_assert_uint_lt(fake.reads_of[SUBSCRIPTION_EXISTS], 200);
	ck_assert_uint_eq(fake.settled_count, 2);
}
END_TEST

/* --- the audit ---------------------------------------------------------------- */

#define AUDIT_NS (300 * CLOCK_NS_PER_S)

static void follow_audited(void)
{
	follow_with((struct subscription_options){ .root = "/app", .audit_ns = AUDIT_NS });
}

/* It has gone round at least once. */
static void audit_round(void)
{
	int64_t end_ns = fake.now_ns + 2 * AUDIT_NS;

	pump();
	while (fake.next_ns < end_ns) {
		fake.now_ns = fake.next_ns;
		pump();
	}
	fake.now_ns = end_ns;
}

START_TEST(audit_looks_at_everything_and_finds_nothing_where_nothing_is_wrong)
{
	server_create("/app/a", "1");
	server_create("/app/b", NULL);
	server_create("/app/b/c", "1");
	follow_audited();
	ck_told("a=1 b/c=1 . ");
	audit_round();
	ck_told("");
	ck_assert_uint_ge(fake.reads_of[SUBSCRIPTION_STAT], 4);
	ck_assert_uint_le(fake.reads_of[SUBSCRIPTION_STAT], 16);
	ck_assert_uint_eq(fake.reads_of[SUBSCRIPTION_DATA], 4);
	ck_assert_uint_eq(fake.settled_count, 1);
}
END_TEST

START_TEST(audit_finds_a_change_a_creation_and_a_removal_that_nothing_told)
{
	server_create("/app/a", "1");
	server_create("/app/gone", "1");
	follow_audited();
	ck_told("gone=1 a=1 . ");
	server_set("/app/a", "2");
	server_create("/app/new", "1");
	server_delete("/app/gone");
	while (fake.stream)
		item_free(pop(&fake.stream, &fake.stream_end));
	pump();
	ck_told("");
	audit_round();
	ck_assert_ptr_nonnull(strstr(fake.log, "~a "));
	ck_assert_ptr_nonnull(strstr(fake.log, "~app "));
	ck_assert_ptr_nonnull(strstr(fake.log, "a=2 "));
	ck_assert_ptr_nonnull(strstr(fake.log, "new=1 "));
	ck_assert_ptr_nonnull(strstr(fake.log, "-gone "));
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
}
END_TEST

START_TEST(audit_finds_a_root_whose_creation_nothing_told)
{
	server_delete("/app");
	follow_audited();
	server_create("/app", "1");
	while (fake.stream)
		item_free(pop(&fake.stream, &fake.stream_end));
	fake.log[fake.told = 0] = '\0';
	audit_round();
	ck_told("~app app=1 . ");
}
END_TEST

START_TEST(audit_says_nothing_of_what_is_being_read_or_was_told)
{
	struct item *stat;

	server_create("/app/a", "1");
	follow_audited();
	ck_told("a=1 . ");
	fake.now_ns = fake.next_ns;
	run();
	while (strcmp(fake.reads->path, "/app/a") != 0) {
		pump();
		fake.now_ns = fake.next_ns;
		run();
	}
	ck_assert_int_eq(fake.reads->read, SUBSCRIPTION_STAT);
	/* the notification comes first, as on any server */
	server_set("/app/a", "2");
	stat = take_read();
	server_answer(stat);
	deliver_one();
	item_deliver(stat);
	pump();
	ck_told("a=2 . ");
	do {
		pump();
		fake.now_ns = fake.next_ns;
		run();
	} while (strcmp(fake.reads->path, "/app") != 0);
	server_create("/app/b", "1");
	stat = take_read();
	server_answer(stat);
	deliver_one();
	item_deliver(stat);
	pump();
	ck_told("b=1 . ");
}
END_TEST

START_TEST(audits_reply_after_its_znode_is_gone_changes_nothing)
{
	struct item *stat;

	server_create("/app/a", "1");
	follow_audited();
	do {
		pump();
		fake.now_ns = fake.next_ns;
		run();
	} while (strcmp(fake.reads->path, "/app/a") != 0);
	stat = take_read();
	server_answer(stat);
	server_delete("/app/a");
	pump();
	item_deliver(stat);
	pump();
	ck_told("a=1 . -a . ");
}
END_TEST

START_TEST(audit_goes_on_when_what_it_would_look_at_next_is_gone)
{
	char path[32];

	for (int i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "/app/%d", i);
		server_create(path, NULL);
		snprintf(path, sizeof(path), "/app/%d/x", i);
		server_create(path, "1");
	}
	fake.quiet = true;
	follow_audited();
	for (int i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "/app/%d", i);
		server_delete(path);
		pump();
		fake.now_ns = fake.next_ns;
		pump();
	}
	audit_round();
	ck_assert_uint_eq(subscription_znode_count(fake.subscription), 1);
}
END_TEST

START_TEST(audit_of_many_is_a_few_each_second)
{
	char path[32];
	size_t before;

	fake.quiet = true;
	for (int i = 0; i < 3000; i++) {
		snprintf(path, sizeof(path), "/app/%04d", i);
		server_create(path, "1");
	}
	follow_audited();
	for (int i = 0; i < 20; i++) {
		before = fake.reads_of[SUBSCRIPTION_STAT];
		ck_assert_int_gt(fake.next_ns, fake.now_ns + CLOCK_NS_PER_S / 2);
		fake.now_ns = fake.next_ns;
		pump();
		ck_assert_uint_eq(fake.reads_of[SUBSCRIPTION_STAT], before + 11);
	}
}
END_TEST

START_TEST(audit_of_very_many_takes_its_time)
{
	char path[32];
	size_t before;
	int64_t began_ns;

	fake.quiet = true;
	for (int i = 0; i < 3000; i++) {
		snprintf(path, sizeof(path), "/app/%04d", i);
		server_create(path, "1");
	}
	follow_with((struct subscription_options){ .root = "/app",
						   .audit_ns = AUDIT_NS,
						   .audit_least_ns = CLOCK_NS_PER_S / 4 });
	began_ns = fake.now_ns;
	before = fake.reads_of[SUBSCRIPTION_STAT];
	while (fake.now_ns < began_ns + 100 * CLOCK_NS_PER_S) {
		fake.now_ns = fake.next_ns;
		pump();
	}
	ck_assert_uint_le(fake.reads_of[SUBSCRIPTION_STAT], before + 100 * 4 * 5 / 4);
	ck_assert_uint_ge(fake.reads_of[SUBSCRIPTION_STAT], before + 100 * 4 * 3 / 4);
}
END_TEST

/* --- pull --------------------------------------------------------------------- */

/* What would be told by a watch is not: there are none. */
static void forget_notifications(void)
{
	while (fake.stream)
		item_free(pop(&fake.stream, &fake.stream_end));
}

static void pull_until_next(void)
{
	do {
		fake.now_ns = fake.next_ns;
		pump();
	} while (fake.next_ns <= fake.now_ns);
}

static void follow_by_pull(void)
{
	follow_with((struct subscription_options){
		.root = "/app", .audit_ns = 30 * CLOCK_NS_PER_S, .is_pull = true });
}

START_TEST(pull_settles_after_a_round_in_which_nothing_moved)
{
	server_create("/app/a", "1");
	server_create("/app/b", "1");
	follow_by_pull();
	ck_told("b=1 a=1 . ");
	ck_assert_uint_eq(fake.reads_of[SUBSCRIPTION_STAT], 3);
	ck_assert_int_ge(fake.next_ns, fake.now_ns + 20 * CLOCK_NS_PER_S);
	ck_assert_int_le(fake.next_ns, fake.now_ns + 40 * CLOCK_NS_PER_S);
}
END_TEST

START_TEST(pull_finds_a_change_a_creation_and_a_removal)
{
	server_create("/app/a", "1");
	server_create("/app/gone", "1");
	follow_by_pull();
	ck_told("gone=1 a=1 . ");
	server_set("/app/a", "2");
	server_create("/app/new", "1");
	server_delete("/app/gone");
	forget_notifications();
	pump();
	ck_told("");
	pull_until_next();
	ck_assert_ptr_nonnull(strstr(fake.log, "a=2 "));
	ck_assert_ptr_nonnull(strstr(fake.log, "new=1 "));
	ck_assert_ptr_nonnull(strstr(fake.log, "-gone "));
	ck_assert_ptr_null(strstr(fake.log, "~"));
	ck_assert_str_eq(fake.log + strlen(fake.log) - 2, ". ");
	ck_assert_uint_eq(fake.settled_count, 2);
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
}
END_TEST

START_TEST(pull_looks_again_after_a_new_session)
{
	server_create("/app/a", "1");
	follow_by_pull();
	ck_told("a=1 . ");
	session_lost();
	server_set("/app/a", "2");
	forget_notifications();
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	pump();
	ck_told("a=2 . ");
}
END_TEST

/* --- refresh ------------------------------------------------------------------ */

START_TEST(refresh_finds_what_nothing_told_before_it_is_vouched_for)
{
	server_create("/app/a", "1");
	server_create("/app/b", "1");
	follow_with((struct subscription_options){ .root = "/app" }); /* no audit */
	ck_told("b=1 a=1 . ");
	server_set("/app/a", "2");
	forget_notifications();
	pump();
	ck_told("");
	subscription_refresh(fake.subscription, 10);
	run();
	ck_assert(!subscription_wants_probe(fake.subscription)); /* its answer would come before those of the looks */
	subscription_answered(fake.subscription, 0, 11, fake.now_ns);
	ck_assert_uint_eq(fake.verified_count, 0);
	pump();
	ck_assert_ptr_nonnull(strstr(fake.log, "~a "));
	ck_assert_ptr_nonnull(strstr(fake.log, "a=2 . "));
	ck_assert_uint_eq(fake.reads_of[SUBSCRIPTION_STAT], 3);
	ck_assert(subscription_wants_probe(fake.subscription));
	ck_assert(!subscription_wants_probe(fake.subscription));
	subscription_answered(fake.subscription, 0, 12, fake.now_ns);
	ck_assert_int_eq(fake.verified_ns, 12);
}
END_TEST

START_TEST(refresh_begins_anew_when_the_connection_was_lost)
{
	server_create("/app/a", "1");
	follow_with((struct subscription_options){ .root = "/app" });
	ck_told("a=1 . ");
	subscription_refresh(fake.subscription, 10);
	run();
	subscription_disconnected(fake.subscription, 0, "");
	while (fake.reads)
		item_free(take_read());
	run();
	ck_assert(!subscription_wants_probe(fake.subscription));
	subscription_connected(fake.subscription, 0);
	pump();
	ck_assert(subscription_wants_probe(fake.subscription));
	ck_assert_uint_ge(fake.reads_of[SUBSCRIPTION_STAT], 3);
	subscription_answered(fake.subscription, 0, 11, fake.now_ns);
	ck_assert_int_eq(fake.verified_ns, 11);
}
END_TEST

START_TEST(refresh_under_pull_is_a_round_behind_a_probe)
{
	server_create("/app/a", "1");
	follow_by_pull();
	ck_told("a=1 . ");
	server_set("/app/a", "2");
	forget_notifications();
	subscription_refresh(fake.subscription, 10);
	ck_assert(subscription_wants_probe(fake.subscription));
	pump();
	ck_told("");
	subscription_answered(fake.subscription, 0, 9, fake.now_ns); /* of one that was sent before */
	pump();
	ck_told("");
	subscription_answered(fake.subscription, 0, 11, fake.now_ns);
	pump();
	run();
	pump();
	ck_told("a=2 . ");
	ck_assert_int_eq(fake.verified_ns, 11);
}
END_TEST

START_TEST(pull_finds_a_root_that_came)
{
	server_delete("/app");
	follow_by_pull();
	server_create("/app", "1");
	forget_notifications();
	fake.log[fake.told = 0] = '\0';
	pull_until_next();
	ck_told("app=1 . ");
}
END_TEST

/* --- the splay ----------------------------------------------------------------- */

START_TEST(splay_lets_changes_wait_but_not_the_beginning)
{
	server_create("/app/a", "1");
	follow_with((struct subscription_options){ .root = "/app", .splay_ns = 2 * CLOCK_NS_PER_S });
	ck_told("a=1 . ");
	server_set("/app/a", "2");
	pump();
	ck_told("");
	ck_assert(!subscription_is_settled(fake.subscription));
	ck_assert_int_eq(fake.next_ns, fake.now_ns + 2 * CLOCK_NS_PER_S);
	server_set("/app/a", "3");
	fake.now_ns = fake.next_ns - 1;
	pump();
	ck_told("");
	fake.now_ns++;
	pump();
	ck_told("a=3 . ");
	session_new();
	pump();
	ck_assert_int_eq(fake.next_ns, fake.now_ns + 2 * CLOCK_NS_PER_S);
	ck_assert_uint_eq(fake.under_way, 0);
	wait_out(3 * CLOCK_NS_PER_S);
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
}
END_TEST

/* --- lanes ---------------------------------------------------------------------- */

/* Room for two znodes of six bytes, and no more. */
#define TWO_ZNODES (2 * 2 * (4 + sizeof("/app/a") - 1))

static void follow_in_lanes(void)
{
	follow_with((struct subscription_options){ .root = "/app", .lane_bytes = TWO_ZNODES });
	for (unsigned int lane = 1; lane < fake.lane_count; lane++)
		subscription_begin(fake.subscription, lane, REQUEST_NS, fake.now_ns);
	pump();
}

START_TEST(watches_are_spread_over_lanes)
{
	server_create("/app/a", "1");
	server_create("/app/b", "1");
	server_create("/app/c", "1");
	follow_with((struct subscription_options){ .root = "/app", .lane_bytes = TWO_ZNODES });
	ck_assert_uint_eq(fake.lane_count, 2);
	ck_assert_uint_eq(subscription_lane_count(fake.subscription), 2);
	ck_assert_int_eq(fake.state, SOURCE_SYNCING);
	ck_assert_uint_eq(fake.settled_count, 0);
	subscription_begin(fake.subscription, 1, REQUEST_NS, fake.now_ns);
	pump();
	ck_assert_uint_eq(fake.settled_count, 1);
	ck_assert_uint_eq(fake.reads_of[SUBSCRIPTION_SYNC], 2);
	for (unsigned int lane = 0; lane < 2; lane++)
		ck_assert_uint_le(subscription_watch_bytes(fake.subscription, lane), TWO_ZNODES);
	fake.log[fake.told = 0] = '\0';
	for (const char *name = "abc"; *name; name++) {
		char path[] = { '/', 'a', 'p', 'p', '/', *name, '\0' }, expected[16];

		server_set(path, "2");
		pump();
		snprintf(expected, sizeof(expected), "%c=2 . ", *name);
		ck_told(expected);
	}
	/* what is gone makes room */
	server_delete("/app/a");
	server_delete("/app/b");
	pump();
	server_create("/app/d", "1");
	pump();
	ck_assert_uint_eq(fake.lane_count, 2);
}
END_TEST

START_TEST(transaction_over_two_lanes_settles_together)
{
	struct item *item, *held[4] = { NULL };
	size_t count = 0;

	server_create("/app/a", "1");
	server_create("/app/b", "1");
	server_create("/app/c", "1");
	follow_in_lanes();
	fake.log[fake.told = 0] = '\0';
	ck_assert_uint_ne(server_find("/app/a")->lane, server_find("/app/c")->lane);
	server_set("/app/a", "2");
	server_set("/app/c", "2");
	/* one session's word is late, on a server that lags */
	while ((item = pop(&fake.stream, &fake.stream_end))) {
		ck_assert_uint_lt(count, 4);
		held[count++] = item;
	}
	ck_assert_uint_eq(count, 2);
	item_deliver(held[0]);
	run();
	ck_assert(server_answers_one());
	deliver_one();
	run();
	ck_assert_ptr_null(strchr(fake.log, '.'));
	ck_assert(!subscription_is_settled(fake.subscription));
	/* the late one comes before the answer to the sync in its session */
	item_deliver(held[1]);
	pump();
	ck_assert_ptr_nonnull(strstr(fake.log, "=2 "));
	ck_assert_str_eq(fake.log + strlen(fake.log) - strlen("c=2 . "), strchr(fake.log, ' ') + 1);
	ck_assert_uint_eq(fake.settled_count, 2);
}
END_TEST

START_TEST(one_lane_away_is_the_source_away_and_the_others_go_on)
{
	server_create("/app/a", "1");
	server_create("/app/b", "1");
	server_create("/app/c", "1");
	follow_in_lanes();
	fake.log[fake.told = 0] = '\0';
	subscription_disconnected(fake.subscription, server_find("/app/c")->lane, "lane is cut");
	run();
	ck_assert_int_eq(fake.state, SOURCE_AWAY);
	ck_assert_str_eq(fake.detail, "lane is cut");
	server_set("/app/a", "2");
	pump();
	if (server_find("/app/a")->lane != server_find("/app/c")->lane)
		ck_told("a=2 "); /* read, and not settled: nobody knows of the others */
	subscription_answered(fake.subscription, 0, 1, fake.now_ns);
	ck_assert_uint_eq(fake.verified_count, 0);
	subscription_connected(fake.subscription, server_find("/app/c")->lane);
	pump();
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
	ck_assert_uint_eq(fake.settled_count, 2);
}
END_TEST

START_TEST(verified_is_as_of_the_lane_that_was_asked_first)
{
	server_create("/app/a", "1");
	server_create("/app/b", "1");
	server_create("/app/c", "1");
	follow_in_lanes();
	subscription_answered(fake.subscription, 0, 10, fake.now_ns);
	ck_assert_uint_eq(fake.verified_count, 0);
	subscription_answered(fake.subscription, 1, 7, fake.now_ns);
	ck_assert_int_eq(fake.verified_ns, 7);
	subscription_answered(fake.subscription, 0, 20, fake.now_ns);
	ck_assert_uint_eq(fake.verified_count, 1);
	subscription_answered(fake.subscription, 1, 30, fake.now_ns);
	ck_assert_int_eq(fake.verified_ns, 20);
	ck_assert_uint_eq(fake.verified_count, 2);
}
END_TEST

START_TEST(new_session_of_one_lane_reads_that_lane_again)
{
	server_create("/app/a", "1");
	server_create("/app/b", "1");
	server_create("/app/c", "1");
	follow_in_lanes();
	memset(fake.reads_of, 0, sizeof(fake.reads_of));
	subscription_disconnected(fake.subscription, 1, "expired");
	subscription_begin(fake.subscription, 1, REQUEST_NS, fake.now_ns);
	pump();
	ck_assert_uint_le(fake.reads_of[SUBSCRIPTION_EXISTS], 2);
	ck_assert_uint_ge(fake.reads_of[SUBSCRIPTION_EXISTS], 1);
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
}
END_TEST

START_TEST(beyond_the_last_lane_the_emptiest_takes_it)
{
	char path[32];

	fake.quiet = true;
	for (int i = 0; i < 3 * SUBSCRIPTION_LANES_MOST; i++) {
		snprintf(path, sizeof(path), "/app/%d", i % 10 + 10 * i);
		server_create(path, "1");
	}
	follow_in_lanes();
	ck_assert_uint_eq(fake.lane_count, SUBSCRIPTION_LANES_MOST);
	ck_assert_uint_eq(fake.settled_count, 1);
	ck_assert_uint_eq(subscription_znode_count(fake.subscription), 3 * SUBSCRIPTION_LANES_MOST + 1);
}
END_TEST

START_TEST(answer_to_a_sync_from_before_a_change_settles_nothing)
{
	struct item *early[2], *item;

	server_create("/app/a", "1");
	server_create("/app/b", "1");
	server_create("/app/c", "1");
	follow_in_lanes();
	server_set("/app/a", "2");
	deliver_one();
	run();
	ck_assert(server_answers_one());
	deliver_one();
	run();
	for (int i = 0; i < 2; i++) {
		early[i] = take_read();
		ck_assert_int_eq(early[i]->read, SUBSCRIPTION_SYNC);
		server_answer(early[i]);
	}
	server_set("/app/a", "3");
	deliver_one();
	run();
	item = take_read();
	server_answer(item);
	item_deliver(item);
	run(); /* two more are sent */
	item_deliver(early[0]);
	item_deliver(early[1]);
	run();
	ck_assert_uint_eq(fake.settled_count, 1);
	pump();
	ck_assert_uint_eq(fake.settled_count, 2);
}
END_TEST

START_TEST(a_sync_that_is_lost_or_fails_is_asked_for_again)
{
	struct item *sync;

	server_create("/app/a", "1");
	server_create("/app/b", "1");
	server_create("/app/c", "1");
	follow_in_lanes();
	server_set("/app/a", "2");
	deliver_one();
	run();
	ck_assert(server_answers_one());
	deliver_one();
	run();
	for (int i = 0; i < 2; i++) {
		sync = take_read();
		ck_assert_int_eq(sync->read, SUBSCRIPTION_SYNC);
		answer_read(sync, SUBSCRIPTION_ERROR);
	}
	run();
	ck_assert_uint_eq(fake.settled_count, 1);
	pump();
	ck_assert_uint_eq(fake.settled_count, 2);
}
END_TEST

START_TEST(root_that_comes_back_between_its_listing_and_its_stat_is_listed_again)
{
	struct item *listing;

	server_create("/app/a", "1");
	follow("/app");
	ck_told("a=1 . ");
	session_lost();
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	run();
	listing = take_read();
	ck_assert_int_eq(listing->read, SUBSCRIPTION_CHILDREN);
	answer_read(listing, SUBSCRIPTION_NO_NODE); /* by a server that lags */
	server_create("/app/b", "1");
	pump();
	ck_told("b=1 . ");
}
END_TEST

START_TEST(listing_from_before_a_childs_creation_does_not_remove_it)
{
	struct item *listing;
	int64_t pzxid;

	server_create("/app/a", "1");
	server_create("/app/b", "1");
	server_create("/app/c", "1");
	follow_in_lanes();
	fake.log[fake.told = 0] = '\0';
	server_delete("/app/c");
	pzxid = server_find("/app")->pzxid;
	server_create("/app/c", "2");
	/* c's own lane is told first, and sees the new one */
	while (fake.stream && strcmp(fake.stream->path, "/app/c") != 0)
		stream_add(pop(&fake.stream, &fake.stream_end));
	ck_assert(deliver_one());
	run();
	while (fake.reads && strcmp(fake.reads->path, "/app/c") == 0)
		server_answers_one();
	while (fake.stream && !fake.stream->is_reply)
		stream_add(pop(&fake.stream, &fake.stream_end));
	while (fake.stream && fake.stream->is_reply)
		deliver_one();
	ck_assert_ptr_nonnull(strstr(fake.log, "c=2 "));
	/* the root's lane lists as of between the two */
	while (deliver_one())
		;
	run();
	listing = take_read();
	ck_assert_int_eq(listing->read, SUBSCRIPTION_CHILDREN);
	ck_assert_str_eq(listing->path, "/app");
	server_answer(listing);
	listing->reply.pzxid = pzxid;
	listing->reply.names = "a\0b";
	listing->reply.name_count = 2;
	item_deliver(listing);
	run();
	ck_assert_ptr_null(strstr(fake.log, "-c "));
	wait_out(CLOCK_NS_PER_S);
	ck_assert_ptr_null(strstr(fake.log, "-c "));
	ck_assert_int_eq(fake.state, SOURCE_FOLLOWING);
}
END_TEST

START_TEST(a_sync_that_cannot_be_sent_is_sent_later)
{
	server_create("/app/a", "1");
	server_create("/app/b", "1");
	server_create("/app/c", "1");
	follow_in_lanes();
	server_set("/app/a", "2");
	deliver_one();
	run();
	ck_assert(server_answers_one());
	deliver_one();
	fake.refuse = SUBSCRIPTION_LOST;
	run();
	ck_assert_uint_eq(fake.settled_count, 1);
	ck_assert_int_gt(fake.next_ns, fake.now_ns);
	ck_assert_int_lt(fake.next_ns, fake.now_ns + CLOCK_NS_PER_S);
	fake.refuse = SUBSCRIPTION_OK;
	fake.now_ns = fake.next_ns;
	pump();
	ck_assert_uint_eq(fake.settled_count, 2);
}
END_TEST

START_TEST(audit_passes_nothing_over_where_there_is_no_room)
{
	char path[32];

	for (int i = 0; i < 399; i++) {
		snprintf(path, sizeof(path), "/app/%03d", i);
		server_create(path, "1");
	}
	fake.quiet = true;
	subscribe_with((struct subscription_options){
		.root = "/app", .window = 1, .audit_ns = 100 * CLOCK_NS_PER_S });
	subscription_begin(fake.subscription, 0, REQUEST_NS, fake.now_ns);
	pump();
	for (size_t i = 1; i <= 400; i++) { /* four are due each second, and one can be asked */
		fake.now_ns = fake.next_ns;
		run();
		ck_assert_uint_eq(fake.reads_of[SUBSCRIPTION_STAT], i);
		pump();
	}
	ck_assert_uint_eq(fake.settled_count, 1);
	for (int i = 4; i < 8; i++) {
		snprintf(path, sizeof(path), "/app/%03d", i);
		server_set(path, "2");
		item_free(pop(&fake.stream, &fake.stream_end));
	}
	fake.quiet = false;
	for (int i = 0; i < 400; i++) {
		fake.now_ns = fake.next_ns;
		pump();
	}
	ck_assert_ptr_nonnull(strstr(fake.log, "~004 004=2 "));
	ck_assert_ptr_nonnull(strstr(fake.log, "~005 005=2 "));
	ck_assert_ptr_nonnull(strstr(fake.log, "~006 006=2 "));
	ck_assert_ptr_nonnull(strstr(fake.log, "~007 007=2 "));
}
END_TEST

static void add_tests(TCase *tcase)
{
	const TTest *const tests[] = {
		first_settled_comes_after_the_whole_tree,
		each_change_is_read_once_and_the_watch_is_set_again,
		notification_during_a_read_means_another_read,
		duplicates_are_told_once,
		new_children_at_any_depth_are_found,
		what_vanishes_is_told_with_its_subtree,
		recreation_to_the_same_version_is_seen,
		recreated_subtree_is_read_anew,
		no_node_removes_nothing_before_the_listing_says_so,
		no_node_and_a_listing_that_lags_is_waited_for,
		no_node_is_believed_where_no_listing_can_be_had,
		empty_znode_is_no_document_unless_it_was_one,
		changes_of_one_transaction_settle_together,
		settled_is_not_told_for_nothing,
		notification_of_an_unknown_path_is_ignored,
		watch_that_is_gone_is_set_again,
		missing_root_is_awaited_with_a_watch,
		root_that_comes_between_get_and_exists_is_got_again,
		root_that_comes_between_its_listing_and_its_data_is_listed_again,
		deleted_root_takes_everything_along_and_may_return,
		root_that_was_missed_by_mistake_is_told_again,
		recreated_root_waits_for_its_listing_too,
		root_missing_at_reconnect_and_new_session_is_still_awaited,
		single_znode_is_named_by_its_last_component,
		child_with_the_roots_name_wins_and_is_named_in_trouble,
		listing_that_comes_late_still_decides_over_the_roots_name,
		slash_means_everything_but_zookeepers_own,
		lost_connection_makes_inflight_dirty_and_leaves_armed_alone,
		dirty_survives_a_reconnect,
		faked_completion_is_no_reply,
		what_was_under_way_at_a_disconnect_is_read_again,
		reply_to_a_request_given_up_changes_nothing,
		reply_after_its_znode_is_gone_changes_nothing,
		request_that_cannot_be_sent_is_sent_later,
		new_session_reads_all_and_tells_what_moved,
		lagging_server_is_never_believed_and_asked_again,
		lagging_listing_removes_nothing_until_it_is_all_there_is,
		verified_is_told_only_while_settled,
		silence_is_away_until_something_is_heard,
		refusal_lasts_until_a_new_session,
		overdue_is_the_lost_reply_and_not_the_slow_line,
		no_permission_is_trouble_and_the_rest_is_served,
		trouble_that_turns_into_lag_is_waited_for,
		troubled_znode_that_vanishes_is_in_trouble_no_more,
		root_without_permission_is_refused_and_nothing_settles,
		errors_are_tried_again_with_growing_pauses_and_become_trouble,
		jitter_spreads_what_failed_together,
		window_is_never_exceeded,
		ten_thousand_znodes_cost_two_reads_each_and_a_change_one,
		deep_trees_are_followed_and_forgotten,
		those_that_wait_come_in_order_of_time,
		new_session_fetches_only_what_moved,
		recreation_while_away_is_seen_by_its_stat,
		where_most_has_moved_nothing_is_asked_for_its_stat,
		audit_looks_at_everything_and_finds_nothing_where_nothing_is_wrong,
		audit_finds_a_change_a_creation_and_a_removal_that_nothing_told,
		audit_finds_a_root_whose_creation_nothing_told,
		audit_says_nothing_of_what_is_being_read_or_was_told,
		audits_reply_after_its_znode_is_gone_changes_nothing,
		audit_goes_on_when_what_it_would_look_at_next_is_gone,
		audit_of_many_is_a_few_each_second,
		audit_of_very_many_takes_its_time,
		pull_settles_after_a_round_in_which_nothing_moved,
		pull_finds_a_change_a_creation_and_a_removal,
		pull_looks_again_after_a_new_session,
		pull_finds_a_root_that_came,
		refresh_finds_what_nothing_told_before_it_is_vouched_for,
		refresh_begins_anew_when_the_connection_was_lost,
		refresh_under_pull_is_a_round_behind_a_probe,
		splay_lets_changes_wait_but_not_the_beginning,
		watches_are_spread_over_lanes,
		transaction_over_two_lanes_settles_together,
		one_lane_away_is_the_source_away_and_the_others_go_on,
		verified_is_as_of_the_lane_that_was_asked_first,
		new_session_of_one_lane_reads_that_lane_again,
		beyond_the_last_lane_the_emptiest_takes_it,
		answer_to_a_sync_from_before_a_change_settles_nothing,
		a_sync_that_is_lost_or_fails_is_asked_for_again,
		root_that_comes_back_between_its_listing_and_its_stat_is_listed_again,
		listing_from_before_a_childs_creation_does_not_remove_it,
		a_sync_that_cannot_be_sent_is_sent_later,
		audit_passes_nothing_over_where_there_is_no_room,
	};

	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
		tcase_add_test(tcase, tests[i]);
	tcase_add_loop_test(tcase, after_any_history_what_was_told_is_what_is_there, 0, 200);
}

int main(void)
{
	Suite *suite = suite_create("subscription");
	TCase *tcase = tcase_create("subscription");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, server_start, server_stop);
	add_tests(tcase);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
