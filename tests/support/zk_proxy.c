/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/zk_proxy.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define LINKS 64
#define CHUNK_BYTES 16384
/* What waits in one direction at the most; then no more is read. */
#define WAITING_CHUNKS 64
/* Length, then the number of the request that is answered: -1 is none. */
#define FRAME_HEAD_BYTES 8

struct chunk {
	struct chunk *next;
	int64_t due_ns;
	size_t begin, end;
	unsigned char bytes[CHUNK_BYTES];
};

struct way {
	struct chunk *first, **last;
	unsigned int waiting;
	uint64_t passed;
	bool ended; /* the sender has closed */
};

/* Where we are in the frames that go to the client. */
struct frames {
	unsigned char head[FRAME_HEAD_BYTES];
	size_t head_bytes;
	size_t left;
	bool swallow, greeted;
};

struct link {
	int fds[2]; /* [ZK_PROXY_TO_SERVER]: the server's; [ZK_PROXY_TO_CLIENT]: the client's */
	struct way ways[2];
	struct frames frames;
	bool is_cut_after, reset, is_stalled;
	unsigned char sent[128]; /* what the client sent last begins with */
	size_t sent_bytes;
	enum zk_proxy_way cut_way;
	size_t cut_bytes;
};

struct zk_proxy {
	pthread_t thread;
	pthread_mutex_t lock;
	int listener, wake, server_port;
	char hosts[32];
	struct link *links[LINKS];
	/* with the lock: */
	bool stopping, refused, stalled[2], cut_now, cut_reset, was_cut;
	int delay_ms;
	unsigned int drops, dropped, connections;
	struct link next; /* what the next connection is to suffer */
};

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* --- a connection ---------------------------------------------------------- */

static void way_free(struct way *way)
{
	while (way->first) {
		struct chunk *next = way->first->next;

		free(way->first);
		way->first = next;
	}
}

static void link_close(struct zk_proxy *proxy, size_t slot, bool reset)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };
	struct link *link = proxy->links[slot];

	for (int i = 0; i < 2; i++) {
		if (reset)
			setsockopt(link->fds[i], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(link->fds[i]);
		way_free(&link->ways[i]);
	}
	if (link->is_cut_after)
		proxy->was_cut = true;
	free(link);
	proxy->links[slot] = NULL;
}

static void proxy_accept(struct zk_proxy *proxy)
{
	int client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), server;
	struct sockaddr_in address = loopback(proxy->server_port);
	struct link *link;
	size_t slot = 0;

	if (client < 0)
		return;
	while (slot < LINKS && proxy->links[slot])
		slot++;
	server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (slot == LINKS || proxy->refused || server < 0 ||
	    connect(server, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(client);
		if (server >= 0)
			close(server);
		return;
	}
	fcntl(server, F_SETFL, O_NONBLOCK);
	link = malloc(sizeof(*link));
	*link = proxy->next;
	memset(&proxy->next, 0, sizeof(proxy->next));
	link->fds[ZK_PROXY_TO_SERVER] = server;
	link->fds[ZK_PROXY_TO_CLIENT] = client;
	for (int i = 0; i < 2; i++)
		link->ways[i].last = &link->ways[i].first;
	proxy->links[slot] = link;
	proxy->connections++;
}

/* Take notifications out of what goes to the client. Returns how much is left of it. */
static size_t frames_filter(struct zk_proxy *proxy, struct frames *frames, const unsigned char *in, size_t size,
			    unsigned char *out)
{
	size_t kept = 0;

	for (size_t i = 0; i < size; i++) {
		uint32_t length, xid;

		if (frames->left > 0) {
			frames->left--;
			if (!frames->swallow)
				out[kept++] = in[i];
			continue;
		}
		frames->head[frames->head_bytes++] = in[i];
		if (frames->head_bytes < FRAME_HEAD_BYTES)
			continue;
		memcpy(&length, frames->head, 4);
		memcpy(&xid, frames->head + 4, 4);
		length = ntohl(length);
		frames->swallow = frames->greeted && xid == UINT32_MAX && proxy->drops > 0;
		frames->greeted = true; /* the first answer is to the session's request, and has no number */
		frames->left = length - 4;
		frames->head_bytes = 0;
		if (frames->swallow) {
			proxy->drops--;
			proxy->dropped++;
			continue;
		}
		memcpy(out + kept, frames->head, FRAME_HEAD_BYTES);
		kept += FRAME_HEAD_BYTES;
	}
	return kept;
}

static void link_remember(struct link *link, const void *bytes, size_t size)
{
	link->sent_bytes = size < sizeof(link->sent) ? size : sizeof(link->sent);
	memcpy(link->sent, bytes, link->sent_bytes);
}

static bool link_is_stalled(const struct zk_proxy *proxy, const struct link *link, int way)
{
	return proxy->stalled[way] || (link->is_stalled && way == ZK_PROXY_TO_CLIENT);
}

/* Read what goes one way. The other end may close: that is passed on behind what waits. */
static void link_read(struct zk_proxy *proxy, struct link *link, enum zk_proxy_way way)
{
	unsigned char bytes[CHUNK_BYTES - FRAME_HEAD_BYTES];
	struct way *to = &link->ways[way];
	ssize_t got = read(link->fds[!way], bytes, sizeof(bytes));
	struct chunk *chunk;

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		to->ended = true;
		return;
	}
	chunk = malloc(sizeof(*chunk));
	chunk->next = NULL;
	chunk->due_ns = clock_monotonic_ns() + proxy->delay_ms * CLOCK_NS_PER_MS;
	chunk->begin = 0;
	chunk->end = (size_t)got;
	if (way == ZK_PROXY_TO_CLIENT)
		chunk->end = frames_filter(proxy, &link->frames, bytes, (size_t)got, chunk->bytes);
	else
		link_remember(link, memcpy(chunk->bytes, bytes, (size_t)got), (size_t)got);
	*to->last = chunk;
	to->last = &chunk->next;
	to->waiting++;
}

static size_t link_allowed(const struct link *link, enum zk_proxy_way way, size_t bytes)
{
	if (!link->is_cut_after || link->cut_way != way)
		return bytes;
	return link->cut_bytes - link->ways[way].passed < bytes
		       ? (size_t)(link->cut_bytes - link->ways[way].passed)
		       : bytes;
}

/* Write what is due. false: the connection is over. */
static bool link_write(struct zk_proxy *proxy, struct link *link, enum zk_proxy_way way, int64_t now_ns)
{
	struct way *to = &link->ways[way];
	struct chunk *chunk;

	while (!link_is_stalled(proxy, link, way) && (chunk = to->first) && chunk->due_ns <= now_ns) {
		size_t bytes = link_allowed(link, way, chunk->end - chunk->begin);
		ssize_t put = bytes > 0 ? send(link->fds[way], chunk->bytes + chunk->begin, bytes,
					       MSG_NOSIGNAL | MSG_DONTWAIT)
					: 0;

		if (put < 0)
			return errno == EAGAIN;
		to->passed += (uint64_t)put;
		chunk->begin += (size_t)put;
		if (link->is_cut_after && link->cut_way == way && to->passed >= link->cut_bytes)
			return false;
		if (chunk->begin < chunk->end)
			continue;
		to->first = chunk->next;
		if (!to->first)
			to->last = &to->first;
		to->waiting--;
		free(chunk);
	}
	return !to->ended || to->first || link_is_stalled(proxy, link, way);
}

/* --- the thread ------------------------------------------------------------ */

static int way_wait_ms(const struct zk_proxy *proxy, const struct link *link, int way, int64_t now_ns, int wait_ms)
{
	const struct chunk *chunk = link->ways[way].first;
	int64_t due_ms;

	if (!chunk || link_is_stalled(proxy, link, way) || chunk->due_ns <= now_ns)
		return wait_ms;
	due_ms = (chunk->due_ns - now_ns) / CLOCK_NS_PER_MS + 1;
	return wait_ms < 0 || due_ms < wait_ms ? (int)due_ms : wait_ms;
}

/* What to poll for: two a link behind the listener and the waker. Returns how long to wait. */
static int proxy_prepare(struct zk_proxy *proxy, struct pollfd *polls)
{
	int64_t now_ns = clock_monotonic_ns();
	int wait_ms = -1;

	polls[0] = (struct pollfd){ .fd = proxy->listener, .events = POLLIN };
	polls[1] = (struct pollfd){ .fd = proxy->wake, .events = POLLIN };
	for (size_t slot = 0; slot < LINKS; slot++) {
		const struct link *link = proxy->links[slot];

		for (int way = 0; way < 2; way++) {
			struct pollfd *poll = &polls[2 + 2 * slot + (size_t)way];
			const struct way *from, *to;

			*poll = (struct pollfd){ .fd = -1 };
			if (!link)
				continue;
			/* fds[way] is written for this way, and read for the other one */
			to = &link->ways[way];
			from = &link->ways[!way];
			if (!from->ended && from->waiting < WAITING_CHUNKS)
				poll->events |= POLLIN;
			if (to->first && !link_is_stalled(proxy, link, way) && to->first->due_ns <= now_ns)
				poll->events |= POLLOUT;
			if (poll->events != 0)
				poll->fd = link->fds[way];
			wait_ms = way_wait_ms(proxy, link, way, now_ns, wait_ms);
		}
	}
	return wait_ms;
}

static void proxy_move(struct zk_proxy *proxy, const struct pollfd *polls)
{
	for (size_t slot = 0; slot < LINKS; slot++) {
		struct link *link = proxy->links[slot];

		if (!link)
			continue;
		if (proxy->cut_now) {
			link_close(proxy, slot, proxy->cut_reset);
			continue;
		}
		for (int way = 0; way < 2; way++)
			if (polls[2 + 2 * slot + (size_t)way].revents & (POLLIN | POLLHUP | POLLERR))
				link_read(proxy, link, !way);
		if (!link_write(proxy, link, ZK_PROXY_TO_SERVER, clock_monotonic_ns()) ||
		    !link_write(proxy, link, ZK_PROXY_TO_CLIENT, clock_monotonic_ns()))
			link_close(proxy, slot, link->is_cut_after && link->reset);
	}
	proxy->cut_now = false;
}

static void *proxy_run(void *user)
{
	struct pollfd polls[2 + 2 * LINKS];
	struct zk_proxy *proxy = user;
	uint64_t count;

	pthread_mutex_lock(&proxy->lock);
	while (!proxy->stopping) {
		int wait_ms = proxy_prepare(proxy, polls);

		pthread_mutex_unlock(&proxy->lock);
		poll(polls, 2 + 2 * LINKS, wait_ms);
		pthread_mutex_lock(&proxy->lock);
		if (polls[1].revents && read(proxy->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
			abort();
		proxy_move(proxy, polls);
		if (polls[0].revents)
			proxy_accept(proxy);
	}
	for (size_t slot = 0; slot < LINKS; slot++)
		if (proxy->links[slot])
			link_close(proxy, slot, false);
	pthread_mutex_unlock(&proxy->lock);
	return NULL;
}

/* --- from outside ------------------------------------------------------------ */

/* The thread looks at what has changed. With the lock, which this gives up. */
static void proxy_changed(struct zk_proxy *proxy)
{
	static const uint64_t one = 1;

	ck_assert_int_eq(write(proxy->wake, &one, sizeof(one)), sizeof(one));
	pthread_mutex_unlock(&proxy->lock);
}

struct zk_proxy *zk_proxy_new(int server_port)
{
	struct zk_proxy *proxy = calloc(1, sizeof(*proxy));
	struct sockaddr_in address = loopback(0);
	socklen_t address_bytes = sizeof(address);

	ck_assert_ptr_nonnull(proxy);
	proxy->server_port = server_port;
	proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	proxy->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_ge(proxy->wake, 0);
	ck_assert_int_eq(bind(proxy->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(proxy->listener, 64), 0);
	ck_assert_int_eq(getsockname(proxy->listener, (struct sockaddr *)&address, &address_bytes), 0);
	snprintf(proxy->hosts, sizeof(proxy->hosts), "127.0.0.1:%d", ntohs(address.sin_port));
	pthread_mutex_init(&proxy->lock, NULL);
	ck_assert_int_eq(pthread_create(&proxy->thread, NULL, proxy_run, proxy), 0);
	return proxy;
}

void zk_proxy_free(struct zk_proxy *proxy)
{
	if (!proxy)
		return;
	pthread_mutex_lock(&proxy->lock);
	proxy->stopping = true;
	proxy_changed(proxy);
	pthread_join(proxy->thread, NULL);
	pthread_mutex_destroy(&proxy->lock);
	close(proxy->listener);
	close(proxy->wake);
	free(proxy);
}

const char *zk_proxy_hosts(const struct zk_proxy *proxy)
{
	return proxy->hosts;
}

void zk_proxy_cut(struct zk_proxy *proxy, bool reset)
{
	pthread_mutex_lock(&proxy->lock);
	proxy->cut_now = true;
	proxy->cut_reset = reset;
	proxy_changed(proxy);
}

void zk_proxy_cut_after(struct zk_proxy *proxy, enum zk_proxy_way way, size_t bytes, bool reset)
{
	pthread_mutex_lock(&proxy->lock);
	proxy->next = (struct link){
		.is_cut_after = true, .reset = reset, .cut_way = way, .cut_bytes = bytes
	};
	proxy->was_cut = false;
	proxy_changed(proxy);
}

void zk_proxy_delay(struct zk_proxy *proxy, int delay_ms)
{
	pthread_mutex_lock(&proxy->lock);
	proxy->delay_ms = delay_ms;
	proxy_changed(proxy);
}

void zk_proxy_stall(struct zk_proxy *proxy, enum zk_proxy_way way, bool stalled)
{
	pthread_mutex_lock(&proxy->lock);
	proxy->stalled[way] = stalled;
	proxy_changed(proxy);
}

void zk_proxy_stall_senders(struct zk_proxy *proxy, const char *text)
{
	pthread_mutex_lock(&proxy->lock);
	for (size_t slot = 0; slot < LINKS; slot++) {
		struct link *link = proxy->links[slot];

		if (link && memmem(link->sent, link->sent_bytes, text, strlen(text)))
			link->is_stalled = true;
	}
	proxy_changed(proxy);
}

void zk_proxy_drop_notifications(struct zk_proxy *proxy, unsigned int count)
{
	pthread_mutex_lock(&proxy->lock);
	proxy->drops = count;
	proxy_changed(proxy);
}

void zk_proxy_refuse(struct zk_proxy *proxy, bool refused)
{
	pthread_mutex_lock(&proxy->lock);
	proxy->refused = refused;
	proxy_changed(proxy);
}

unsigned int zk_proxy_connections(struct zk_proxy *proxy)
{
	unsigned int count;

	pthread_mutex_lock(&proxy->lock);
	count = proxy->connections;
	pthread_mutex_unlock(&proxy->lock);
	return count;
}

unsigned int zk_proxy_dropped(struct zk_proxy *proxy)
{
	unsigned int count;

	pthread_mutex_lock(&proxy->lock);
	count = proxy->dropped;
	pthread_mutex_unlock(&proxy->lock);
	return count;
}

bool zk_proxy_was_cut(struct zk_proxy *proxy)
{
	bool was_cut;

	pthread_mutex_lock(&proxy->lock);
	was_cut = proxy->was_cut;
	pthread_mutex_unlock(&proxy->lock);
	return was_cut;
}
