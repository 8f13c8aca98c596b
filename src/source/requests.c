/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/requests.h"

#include <errno.h>
#include <stdlib.h>

int requests_init(struct requests *requests, unsigned int window)
{
	*requests = (struct requests){ .window = window };
	requests->slots = calloc(window + 1, sizeof(*requests->slots));
	if (!requests->slots)
		return -ENOMEM;
	for (unsigned int slot = window; slot > 0; slot--) {
		requests->slots[slot].next = requests->free;
		requests->free = (uint16_t)slot;
	}
	return 0;
}

void requests_free(struct requests *requests)
{
	free(requests->slots);
	*requests = (struct requests){ 0 };
}

bool requests_full(const struct requests *requests)
{
	return requests->free == 0;
}

struct request *requests_begin(struct requests *requests, struct znode *node, uint16_t *place, uint8_t read,
			       int64_t now_ns)
{
	uint16_t slot = requests->free;
	struct request *request = &requests->slots[slot];

	requests->free = request->next;
	*request = (struct request){
		.id = ++requests->count << 16 | slot,
		.node = node,
		.place = place,
		.sent_ns = now_ns,
		.read = read,
		.prev = requests->last,
	};
	if (request->prev != 0)
		requests->slots[request->prev].next = slot;
	else
		requests->first = slot;
	requests->last = slot;
	if (place)
		*place = slot;
	return request;
}

struct request *requests_find(const struct requests *requests, uint64_t id)
{
	uint16_t slot = (uint16_t)(id & UINT16_MAX);

	if (slot == 0 || slot > requests->window || requests->slots[slot].id != id)
		return NULL;
	return &requests->slots[slot];
}

struct request *requests_first(const struct requests *requests)
{
	return requests->first != 0 ? &requests->slots[requests->first] : NULL;
}

void requests_end(struct requests *requests, struct request *request, int64_t now_ns)
{
	uint16_t slot = (uint16_t)(request - requests->slots);

	if (request->prev != 0) {
		requests->slots[request->prev].next = request->next;
	} else {
		requests->first = request->next;
		requests->first_since_ns = now_ns;
	}
	if (request->next != 0)
		requests->slots[request->next].prev = request->prev;
	else
		requests->last = request->prev;
	if (request->place)
		*request->place = 0;
	*request = (struct request){ .next = requests->free };
	requests->free = slot;
}

void requests_orphan(struct requests *requests, uint16_t *place)
{
	if (*place == 0)
		return;
	requests->slots[*place].node = NULL;
	requests->slots[*place].place = NULL;
	*place = 0;
}

int64_t requests_overdue_ns(const struct requests *requests, int64_t limit_ns)
{
	const struct request *first = requests_first(requests);

	if (!first)
		return INT64_MAX;
	return (first->sent_ns > requests->first_since_ns ? first->sent_ns : requests->first_since_ns) +
	       limit_ns;
}
