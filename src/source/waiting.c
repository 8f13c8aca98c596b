/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/waiting.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int waiting_reserve(struct waiting *waiting, size_t watch_count)
{
	size_t capacity = waiting->capacity ? waiting->capacity : 128;
	struct watch **grown;

	if (watch_count < waiting->capacity)
		return 0;
	while (capacity <= watch_count)
		capacity *= 2;
	grown = reallocarray(waiting->heap, capacity, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	waiting->heap = grown;
	waiting->capacity = capacity;
	return 0;
}

void waiting_free(struct waiting *waiting)
{
	free(waiting->heap);
	*waiting = (struct waiting){ 0 };
}

static void waiting_place(struct waiting *waiting, struct watch *watch, size_t at)
{
	waiting->heap[at] = watch;
	watch->timer = (uint32_t)at;
}

static void waiting_rise(struct waiting *waiting, struct watch *watch, size_t at)
{
	while (at > 1 && waiting->heap[at / 2]->due_ns > watch->due_ns) {
		waiting_place(waiting, waiting->heap[at / 2], at);
		at /= 2;
	}
	waiting_place(waiting, watch, at);
}

static void waiting_sink(struct waiting *waiting, struct watch *watch, size_t at)
{
	size_t child;

	while ((child = at * 2) <= waiting->count) {
		if (child < waiting->count && waiting->heap[child + 1]->due_ns < waiting->heap[child]->due_ns)
			child++;
		if (waiting->heap[child]->due_ns >= watch->due_ns)
			break;
		waiting_place(waiting, waiting->heap[child], at);
		at = child;
	}
	waiting_place(waiting, watch, at);
}

void waiting_add(struct waiting *waiting, struct watch *watch)
{
	assert(watch->timer == 0 && waiting->count + 1 < waiting->capacity);
	waiting_rise(waiting, watch, ++waiting->count);
}

void waiting_remove(struct waiting *waiting, struct watch *watch)
{
	size_t at = watch->timer;
	struct watch *last = waiting->heap[waiting->count--];

	assert(at != 0);
	watch->timer = 0;
	if (last == watch)
		return;
	if (at > 1 && waiting->heap[at / 2]->due_ns > last->due_ns)
		waiting_rise(waiting, last, at);
	else
		waiting_sink(waiting, last, at);
}

struct watch *waiting_first(const struct waiting *waiting)
{
	return waiting->count > 0 ? waiting->heap[1] : NULL;
}
