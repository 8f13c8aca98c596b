/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/layers.h"

#include <assert.h>
#include <errno.h>
#include <search.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "segment/document.h"
#include "segment/hash.h"
#include "xml/merge.h"

#define LAYERS_NONE SIZE_MAX
/* One that is reached, but has not settled, is given so much more. */
#define LAYERS_PATIENCE_NS CLOCK_NS_PER_S

static_assert(LAYERS_PLACES_MOST <= DOCUMENT_SOURCES_MOST, "a document can name all of its sources");
static_assert(LAYERS_PLACES_MOST <= XML_MERGE_LAYERS_MOST, "all of them can be merged");

/* A document as one place has it. */
struct version {
	uint64_t serial; /* no two versions have the same */
	struct source_revision revision;
	size_t size_bytes;
	char bytes[];
};

/* What one place has of a name. */
struct slot {
	struct version *version; /* NULL: nothing */
	char *trouble;		 /* why it cannot be read; NULL: none */
	bool is_back;		 /* the trouble is ours: it went back */
};

/* A name that some place has said something of. */
struct layered {
	TAILQ_ENTRY(layered) link;
	bool is_told;	    /* it is a document to the pipeline */
	uint64_t told_mix;  /* of the versions that it was made of */
	char *told_trouble; /* NULL: none */
	char *unmerged;	    /* why its versions do not go together; NULL: they do, or it was not tried */
	uint64_t unmerged_mix;
	const char *name;
	struct slot slots[]; /* by place; the name is behind them */
};

TAILQ_HEAD(layered_list, layered);

struct layers;

struct place {
	struct layers *layers;
	size_t number, layer;
	const struct source_ops *ops;
	char *uri;
	char text[512]; /* the URI without secrets */
	struct source *source; /* NULL: not begun, or over */
	enum source_state state;
	char detail[256];
	bool has_settled;
	bool is_settled;
	bool is_over; /* one before it has settled: to be closed, and never begun again */
	int64_t verified_ns;
};

struct layer {
	size_t first, count; /* places */
	size_t force;	     /* the place that counts; LAYERS_NONE: none has settled yet */
	size_t begun;	     /* so many of its places */
	int64_t next_ns;     /* when to look whether the next one is needed */
};

struct layers {
	struct source source;
	const struct source_events *events;
	void *user;
	struct place places[LAYERS_PLACES_MOST];
	size_t place_count;
	struct layer layers[LAYERS_PLACES_MOST];
	size_t layer_count;
	bool is_served;
	bool is_begun; /* every layer has settled once */
	int64_t fallback_after_ns;
	int64_t verified_ns; /* as it was told last */
	uint64_t serial;
	void (*out_of_memory)(void *user, const char *name);
	struct event_base *loop;
	struct event *turn;
	void *names; /* of tsearch(3) */
	struct layered_list documents;
	bool merges;
	struct xml_limits limits;
	void *told; /* of layers_told() */
	size_t told_bytes;
};

static const struct source_ops layers_source;

static struct layers *layers_of(struct source *source)
{
	return (struct layers *)(void *)source;
}

static const struct layers *layers_seen(const struct source *source)
{
	return (const struct layers *)(const void *)source;
}

/*
 * Names
 */

static int layered_compare(const void *a, const void *b)
{
	const struct layered *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static struct layered *layered_find(const struct layers *layers, const char *name)
{
	const struct layered wanted = { .name = name };
	struct layered **found = tfind(&wanted, &layers->names, layered_compare);

	return found ? *found : NULL;
}

/* NULL: out of memory, which is told. */
static struct layered *layered_get(struct layers *layers, const char *name)
{
	struct layered *made = layered_find(layers, name);
	size_t slots_bytes = layers->place_count * sizeof(struct slot), name_bytes = strlen(name) + 1;

	if (made)
		return made;
	made = calloc(1, sizeof(*made) + slots_bytes + name_bytes);
	if (made) {
		made->name = memcpy((char *)made->slots + slots_bytes, name, name_bytes);
		if (tsearch(made, &layers->names, layered_compare)) {
			TAILQ_INSERT_TAIL(&layers->documents, made, link);
			return made;
		}
		free(made);
	}
	layers->out_of_memory(layers->user, name);
	return NULL;
}

static void layered_free(struct layers *layers, struct layered *document)
{
	for (size_t i = 0; i < layers->place_count; i++) {
		free(document->slots[i].version);
		free(document->slots[i].trouble);
	}
	free(document->told_trouble);
	free(document->unmerged);
	free(document);
}

/* Names that come and go leave nothing behind. */
static void layered_forget(struct layers *layers, struct layered *document)
{
	if (document->is_told || document->told_trouble)
		return;
	for (size_t i = 0; i < layers->place_count; i++)
		if (document->slots[i].version || document->slots[i].trouble)
			return;
	tdelete(document, &layers->names, layered_compare);
	TAILQ_REMOVE(&layers->documents, document, link);
	layered_free(layers, document);
}

/*
 * Which versions count
 */

/* The place of a layer whose documents count. */
static size_t layer_place(const struct layer *layer)
{
	return layer->force != LAYERS_NONE ? layer->force : layer->first;
}

/* Can the place not read this name, or one that it lies below? */
static bool layers_in_trouble(const struct layers *layers, size_t place, const char *name)
{
	char above[4096];
	size_t length = strlen(name);
	const struct layered *found;

	if (length >= sizeof(above))
		return true; /* no name is so long */
	memcpy(above, name, length + 1);
	for (;;) {
		char *slash;

		found = layered_find(layers, above);
		if (found && found->slots[place].trouble)
			return true;
		if (above[0] == '\0')
			return false;
		slash = strrchr(above, '/');
		*(slash ? slash : above) = '\0';
	}
}

enum effect { EFFECT_NONE, EFFECT_HELD, EFFECT_THERE };

/* The places whose versions a document is made of, the highest layer first. */
struct made_of {
	size_t count;
	size_t places[LAYERS_PLACES_MOST];
};

/* HELD: that cannot be told. */
static enum effect layers_look(const struct layers *layers, const struct layered *document,
			       struct made_of *made)
{
	made->count = 0;
	for (size_t i = layers->layer_count; i-- > 0;) {
		size_t number = layer_place(&layers->layers[i]);

		if (document->slots[number].version)
			made->places[made->count++] = number;
		else if (layers_in_trouble(layers, number, document->name))
			return EFFECT_HELD;
		if (made->count > 0 && !layers->merges)
			break;
	}
	return made->count > 0 ? EFFECT_THERE : EFFECT_NONE;
}

/* No two makings have the same. */
static uint64_t made_mix(const struct layered *document, const struct made_of *made)
{
	uint64_t serials[LAYERS_PLACES_MOST];

	for (size_t i = 0; i < made->count; i++)
		serials[i] = document->slots[made->places[i]].version->serial;
	return hash_bytes(serials, made->count * sizeof(serials[0]));
}

/*
 * Telling
 */

/* The trouble of the highest layer that has one, with its source; or of all together. */
static void layers_tell_trouble(struct layers *layers, struct layered *document)
{
	char *text = NULL;

	for (size_t i = layers->layer_count; i-- > 0 && !text;) {
		size_t number = layer_place(&layers->layers[i]);
		const char *trouble = document->slots[number].trouble;

		if (trouble && asprintf(&text, "%s: %s", layers->places[number].text, trouble) < 0) {
			layers->out_of_memory(layers->user, document->name);
			return;
		}
	}
	if (!text && document->unmerged && !(text = strdup(document->unmerged))) {
		layers->out_of_memory(layers->user, document->name);
		return;
	}
	if (!text && !document->told_trouble)
		return;
	if (!text || !document->told_trouble || strcmp(text, document->told_trouble) != 0)
		layers->events->trouble(layers->user, document->name, text);
	free(document->told_trouble);
	document->told_trouble = text;
}

/* What the document is made of, the lowest layer first, for layers_told(). merged NULL: of one. */
static void layers_write_told(struct layers *layers, const struct layered *document,
			      const struct made_of *made, const struct xml_merged *merged)
{
	struct document_sources sources = { .count = made->count };

	for (size_t i = 0; i < made->count; i++) {
		size_t place = made->places[made->count - 1 - i];

		sources.sources[i].uri = layers->places[place].text;
		sources.sources[i].revision = document->slots[place].version->revision.modified;
	}
	if (merged && made->count > 1) {
		sources.nodes = (const uint8_t *)merged->from.bytes;
		sources.hidden = merged->hidden.bytes;
		sources.node_count = merged->from.size_bytes;
	}
	free(layers->told);
	layers->told_bytes = document_sources_write(&sources, NULL);
	layers->told = malloc(layers->told_bytes);
	if (layers->told)
		document_sources_write(&sources, layers->told);
}

/* It is of one version, or of merged ones: then its revision is that of the newest. */
static void layers_tell_made(struct layers *layers, struct layered *document, const struct made_of *made,
			     const struct xml_merged *merged)
{
	const struct version *version = document->slots[made->places[0]].version;
	struct source_revision revision = version->revision;

	for (size_t i = 1; i < made->count; i++) {
		const struct version *other = document->slots[made->places[i]].version;

		if (other->revision.modified > revision.modified)
			revision = other->revision;
	}
	if (made->count > 1)
		revision.version = -1;
	document->is_told = true;
	document->told_mix = made_mix(document, made);
	layers_write_told(layers, document, made, merged);
	layers->events->document(layers->user, document->name, merged ? merged->text.bytes : version->bytes,
				 merged ? merged->text.size_bytes : version->size_bytes, &revision);
}

/* NULL: they go together now. text is taken over. */
static void layers_set_unmerged(struct layers *layers, struct layered *document, char *text)
{
	if (!text && !document->unmerged)
		return;
	free(document->unmerged);
	document->unmerged = text;
	layers_tell_trouble(layers, document);
}

/* "URI:LINE:COLUMN: reason", and what it does not go with. */
static void layers_blame(struct layers *layers, struct layered *document, const struct made_of *made,
			 const struct xml_merge_fault *fault)
{
	struct buffer text = { 0 };

	for (size_t i = 0; i < made->count && fault->layer == XML_MERGE_NONE; i++)
		buffer_printf(&text, "%s%.256s", i > 0 ? " and " : "merged of ",
			      layers->places[made->places[made->count - 1 - i]].text);
	if (fault->layer != XML_MERGE_NONE)
		buffer_printf(&text, "%.256s",
			      layers->places[made->places[made->count - 1 - fault->layer]].text);
	if (fault->fault.line > 0)
		buffer_printf(&text, ":%u:%u", fault->fault.line, fault->fault.column);
	buffer_printf(&text, ": %s", fault->fault.reason);
	if (fault->other != XML_MERGE_NONE)
		buffer_printf(&text, " (%.256s)",
			      layers->places[made->places[made->count - 1 - fault->other]].text);
	buffer_append(&text, "", 1);
	if (buffer_failed(&text)) {
		buffer_free(&text);
		layers->out_of_memory(layers->user, document->name);
		return;
	}
	document->unmerged_mix = made_mix(document, made);
	layers_set_unmerged(layers, document, text.bytes);
}

static void layers_merge(struct layers *layers, struct layered *document, const struct made_of *made)
{
	struct xml_merge_layer parts[LAYERS_PLACES_MOST];
	struct xml_merge_fault fault;
	struct xml_merged merged;
	int err;

	for (size_t i = 0; i < made->count; i++) {
		const struct version *version = document->slots[made->places[made->count - 1 - i]].version;

		parts[i] = (struct xml_merge_layer){ .bytes = version->bytes,
						     .size_bytes = version->size_bytes };
	}
	err = xml_merge(parts, made->count, &layers->limits, &merged, &fault);
	if (err == ZKCFG_ENOMEM) {
		layers->out_of_memory(layers->user, document->name);
		return;
	}
	if (err < 0) {
		layers_blame(layers, document, made, &fault);
		return;
	}
	layers_set_unmerged(layers, document, NULL);
	layers_tell_made(layers, document, made, merged.is_as_it_was ? NULL : &merged);
	xml_merged_free(&merged);
}

/* Tell what it is now, unless that was told, or is known not to go together. */
static void layers_tell(struct layers *layers, struct layered *document)
{
	struct made_of made;
	enum effect effect;
	uint64_t mix;

	if (!layers->is_begun)
		return;
	effect = layers_look(layers, document, &made);
	if (effect == EFFECT_HELD)
		return;
	if (effect == EFFECT_NONE) {
		layers_set_unmerged(layers, document, NULL);
		if (document->is_told)
			layers->events->removed(layers->user, document->name);
		document->is_told = false;
		return;
	}
	mix = made_mix(document, &made);
	if (document->is_told && document->told_mix == mix)
		layers_set_unmerged(layers, document, NULL);
	else if (!layers->merges)
		layers_tell_made(layers, document, &made, NULL);
	else if (!document->unmerged || document->unmerged_mix != mix)
		layers_merge(layers, document, &made);
}

/* All names below this one, it may be there now or not. */
static void layers_tell_below(struct layers *layers, const char *name)
{
	struct layered *document = TAILQ_FIRST(&layers->documents), *next;
	size_t length = strlen(name);

	for (; document; document = next) {
		next = TAILQ_NEXT(document, link);
		if (strncmp(document->name, name, length) != 0 ||
		    (length > 0 && document->name[length] != '/' && document->name[length] != '\0'))
			continue;
		layers_tell(layers, document);
		layers_tell_trouble(layers, document);
		layered_forget(layers, document);
	}
}

/*
 * How it stands: state, settled, verified
 */

/* The worse, the larger. */
static int state_badness(enum source_state state)
{
	switch (state) {
	case SOURCE_FOLLOWING:
		return 0;
	case SOURCE_SYNCING:
		return 1;
	case SOURCE_CONNECTING:
		return 2;
	case SOURCE_AWAY:
		return 3;
	case SOURCE_REFUSED:
		return 4;
	}
	return 4;
}

static const char *state_word(enum source_state state)
{
	static const char *const words[] = { "", "connecting", "syncing", "following", "away", "refused" };

	return words[state];
}

static void layers_tell_state(struct layers *layers)
{
	enum source_state worst = SOURCE_FOLLOWING;
	struct buffer detail = { 0 };

	for (size_t i = 0; i < layers->layer_count; i++) {
		const struct layer *layer = &layers->layers[i];
		const struct place *place = &layers->places[layer->first];

		if (state_badness(place->state) > state_badness(worst))
			worst = place->state;
		if (place->state != SOURCE_FOLLOWING || place->detail[0] != '\0')
			buffer_printf(&detail, "%s%s: %s%s%s", detail.size_bytes > 0 ? "; " : "", place->text,
				      state_word(place->state), place->detail[0] != '\0' ? ": " : "",
				      place->detail);
		if (layer->force != LAYERS_NONE && layer->force != layer->first)
			buffer_printf(&detail, "%sits fallback %s is in force",
				      detail.size_bytes > 0 ? "; " : "", layers->places[layer->force].text);
	}
	buffer_append(&detail, "", 1);
	layers->events->state(layers->user, worst, buffer_failed(&detail) ? "" : detail.bytes);
	buffer_free(&detail);
}

static bool layers_are_settled(const struct layers *layers)
{
	for (size_t i = 0; i < layers->layer_count; i++) {
		const struct layer *layer = &layers->layers[i];

		if (layer->force == LAYERS_NONE || !layers->places[layer->force].is_settled)
			return false;
	}
	return true;
}

static void layers_tell_verified(struct layers *layers)
{
	int64_t oldest_ns = INT64_MAX;

	if (!layers->is_begun || !layers_are_settled(layers))
		return;
	for (size_t i = 0; i < layers->layer_count; i++) {
		const struct layer *layer = &layers->layers[i];
		const struct place *place = &layers->places[layer->first];

		if (layer->force != layer->first)
			return; /* nobody vouches for a fallback */
		if (place->verified_ns < oldest_ns)
			oldest_ns = place->verified_ns;
	}
	if (oldest_ns <= layers->verified_ns)
		return;
	layers->verified_ns = oldest_ns;
	layers->events->verified(layers->user, oldest_ns);
}

static void layers_tell_settled(struct layers *layers)
{
	if (!layers_are_settled(layers))
		return;
	if (!layers->is_begun) {
		layers->is_begun = true;
		layers_tell_below(layers, "");
	}
	layers->events->settled(layers->user);
	layers_tell_verified(layers);
}

/*
 * What places tell
 */

static void layers_turn_soon(struct layers *layers, int64_t wait_ns)
{
	struct timeval wait = { .tv_sec = wait_ns / CLOCK_NS_PER_S,
				.tv_usec = wait_ns % CLOCK_NS_PER_S / 1000 };

	event_add(layers->turn, &wait);
}

static void slot_clear(struct slot *slot)
{
	free(slot->version);
	free(slot->trouble);
	*slot = (struct slot){ .version = NULL };
}

static void layers_drop_place(struct layers *layers, size_t place)
{
	struct layered *document;

	TAILQ_FOREACH (document, &layers->documents, link)
		slot_clear(&document->slots[place]);
}

/* From now on this place counts, and those behind it are not needed any more. */
static void layer_enforce(struct layers *layers, struct layer *layer, size_t place)
{
	bool had_another = layer->force != LAYERS_NONE;

	layer->force = place;
	for (size_t i = place + 1; i < layer->first + layer->count; i++) {
		layers->places[i].is_over = true;
		layers_drop_place(layers, i);
	}
	layers_turn_soon(layers, 0); /* they are closed there */
	if (place != layer->first)
		log_warning("source %s: not reached; the fallback %s is in force",
			    layers->places[layer->first].text, layers->places[place].text);
	else if (had_another)
		log_notice("source %s: reached; its fallback is not needed any more",
			   layers->places[place].text);
	if (layers->is_begun)
		layers_tell_below(layers, "");
	if (layer->count > 1)
		layers_tell_state(layers);
}

static void place_settled(void *user)
{
	struct place *place = user;
	struct layers *layers = place->layers;

	if (place->is_over)
		return;
	place->is_settled = true;
	if (!place->has_settled) {
		place->has_settled = true;
		layer_enforce(layers, &layers->layers[place->layer], place->number);
	}
	layers_tell_settled(layers);
}

/* Has it been there before, and newer? Then it stays. */
static bool place_went_back(struct place *place, struct layered *document,
			    const struct source_revision *revision)
{
	struct slot *slot = &document->slots[place->number];
	char *trouble;

	if (!slot->version || revision->modified >= slot->version->revision.modified)
		return false;
	if (asprintf(&trouble, "the source went back to revision %llu: revision %llu was there before",
		     (unsigned long long)revision->modified,
		     (unsigned long long)slot->version->revision.modified) < 0)
		return true;
	free(slot->trouble);
	slot->trouble = trouble;
	slot->is_back = true;
	layers_tell_trouble(place->layers, document);
	return true;
}

/* It went back no longer. */
static void slot_came_forward(struct layers *layers, struct layered *document, struct slot *slot)
{
	if (!slot->is_back)
		return;
	free(slot->trouble);
	slot->trouble = NULL;
	slot->is_back = false;
	layers_tell_trouble(layers, document);
}

static void place_removed(void *user, const char *name)
{
	struct place *place = user;
	struct layers *layers = place->layers;
	struct layered *document;

	if (place->is_over)
		return;
	place->is_settled = false;
	document = layered_find(layers, name);
	if (!document)
		return;
	free(document->slots[place->number].version);
	document->slots[place->number].version = NULL;
	slot_came_forward(layers, document, &document->slots[place->number]);
	layers_tell(layers, document);
	layered_forget(layers, document);
}

static void place_document(void *user, const char *name, const void *bytes, size_t size_bytes,
			   const struct source_revision *revision)
{
	struct place *place = user;
	struct layers *layers = place->layers;
	struct layered *document;
	struct version *version;
	struct slot *slot;

	if (size_bytes == 0) {
		place_removed(user, name);
		return;
	}
	if (place->is_over)
		return;
	place->is_settled = false;
	document = layered_get(layers, name);
	if (!document || place_went_back(place, document, revision))
		return;
	slot = &document->slots[place->number];
	version = malloc(sizeof(*version) + size_bytes);
	if (!version) {
		layers->out_of_memory(layers->user, name);
		return;
	}
	version->serial = ++layers->serial;
	version->revision = *revision;
	version->size_bytes = size_bytes;
	memcpy(version->bytes, bytes, size_bytes);
	free(slot->version);
	slot->version = version;
	slot_came_forward(layers, document, slot);
	layers_tell(layers, document);
}

static void place_trouble(void *user, const char *name, const char *reason)
{
	struct place *place = user;
	struct layers *layers = place->layers;
	struct layered *document;
	char *trouble = NULL;

	document = place->is_over ? NULL : layered_get(layers, name);
	if (!document)
		return;
	if (reason && !(trouble = strdup(reason))) {
		layers->out_of_memory(layers->user, name);
		return;
	}
	free(document->slots[place->number].trouble);
	document->slots[place->number].trouble = trouble;
	document->slots[place->number].is_back = false;
	if (reason) {
		layers_tell_trouble(layers, document);
		return;
	}
	layers_tell_below(layers, name); /* what it held back is free */
	if (layers->is_begun)
		layers_tell_settled(layers);
}

static void place_verified(void *user, int64_t boottime_ns)
{
	struct place *place = user;

	place->verified_ns = boottime_ns;
	layers_tell_verified(place->layers);
}

static void place_state(void *user, enum source_state state, const char *detail)
{
	struct place *place = user;

	if (place->is_over)
		return;
	place->state = state;
	snprintf(place->detail, sizeof(place->detail), "%s", detail);
	layers_tell_state(place->layers);
}

static void place_repaired(void *user, const char *name)
{
	struct place *place = user;

	if (!place->is_over)
		place->layers->events->repaired(place->layers->user, name);
}

static void place_contact(void *user, enum source_contact contact)
{
	struct place *place = user;

	place->layers->events->contact(place->layers->user, contact);
}

static const struct source_events place_events = {
	.document = place_document,
	.removed = place_removed,
	.trouble = place_trouble,
	.settled = place_settled,
	.verified = place_verified,
	.state = place_state,
	.repaired = place_repaired,
	.contact = place_contact,
};

/*
 * Beginning and ending places
 */

/* That of all that are followed now. */
static void layers_note_mode(struct layers *layers)
{
	unsigned int mode = 0;

	for (size_t i = 0; i < layers->place_count; i++)
		if (layers->places[i].source)
			mode |= layers->places[i].source->mode;
	layers->source.mode = (enum source_mode)mode;
}

static int place_begin(struct place *place, struct message *message)
{
	struct layers *layers = place->layers;
	struct message why = { "" };
	int err = 0;

	if (!place->source)
		err = place->ops->open(place->uri, &place_events, place, &place->source, &why);
	if (err == 0) {
		layers_note_mode(layers);
		err = place->ops->start(place->source, layers->loop, &why);
	}
	if (err < 0)
		message_set(message, "%s: %s", place->text, why.text);
	return err;
}

static void place_end(struct place *place)
{
	if (place->source)
		place->ops->close(place->source);
	place->source = NULL;
	layers_note_mode(place->layers);
}

static bool layer_is_reached(const struct layers *layers, const struct layer *layer)
{
	for (size_t i = layer->first; i < layer->first + layer->begun; i++)
		if (layers->places[i].state == SOURCE_SYNCING || layers->places[i].state == SOURCE_FOLLOWING)
			return true;
	return false;
}

/* It is time, and none of those that were begun is reached: the next one. */
static void layer_begin_next(struct layers *layers, struct layer *layer)
{
	struct place *place = &layers->places[layer->first + layer->begun];
	struct message why;

	layer->begun++;
	log_notice("source %s: not reached; its fallback %s is tried", layers->places[layer->first].text,
		   place->text);
	if (place_begin(place, &why) == 0)
		return;
	log_error("fallback %s", why.text);
	place->state = SOURCE_REFUSED;
	snprintf(place->detail, sizeof(place->detail), "%.250s", why.text);
}

/* Returns in how many nanoseconds to look again; INT64_MAX: never. */
static int64_t layer_turn(struct layers *layers, struct layer *layer, int64_t now_ns)
{
	if (layers->is_served || layer->force != LAYERS_NONE || layer->begun == layer->count)
		return INT64_MAX;
	if (layer->next_ns <= now_ns && layer_is_reached(layers, layer)) {
		layer->next_ns = now_ns + LAYERS_PATIENCE_NS;
	} else if (layer->next_ns <= now_ns) {
		layer->next_ns = now_ns + layers->fallback_after_ns;
		layer_begin_next(layers, layer);
		layers_tell_state(layers);
	}
	return layer->next_ns - now_ns;
}

static void on_turn(evutil_socket_t fd, short what, void *user)
{
	struct layers *layers = user;
	int64_t now_ns = clock_monotonic_ns(), wait_ns = INT64_MAX;

	(void)fd, (void)what;
	for (size_t i = 0; i < layers->place_count; i++)
		if (layers->places[i].is_over)
			place_end(&layers->places[i]);
	for (size_t i = 0; i < layers->layer_count; i++) {
		int64_t next_ns = layer_turn(layers, &layers->layers[i], now_ns);

		if (next_ns < wait_ns)
			wait_ns = next_ns;
	}
	if (wait_ns < INT64_MAX)
		layers_turn_soon(layers, wait_ns + 1000);
}

/*
 * As a source
 */

static int layers_start(struct source *source, struct event_base *loop, struct message *message)
{
	struct layers *layers = layers_of(source);
	int64_t now_ns = clock_monotonic_ns();
	int err = 0;

	layers->loop = loop;
	layers->turn = event_new(loop, -1, 0, on_turn, layers);
	if (!layers->turn) {
		message_set(message, "out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; i < layers->layer_count && err == 0; i++) {
		struct layer *layer = &layers->layers[i];

		layer->begun = 1;
		layer->next_ns = now_ns + layers->fallback_after_ns;
		err = place_begin(&layers->places[layer->first], message);
	}
	if (err == 0)
		layers_turn_soon(layers, layers->fallback_after_ns);
	return err;
}

static void layers_refresh(struct source *source)
{
	struct layers *layers = layers_of(source);

	for (size_t i = 0; i < layers->place_count; i++)
		if (layers->places[i].source && !layers->places[i].is_over)
			layers->places[i].ops->refresh(layers->places[i].source);
}

static void layers_close(struct source *source)
{
	struct layers *layers = source ? layers_of(source) : NULL;
	struct layered *document;

	if (!layers)
		return;
	for (size_t i = 0; i < layers->place_count; i++) {
		place_end(&layers->places[i]);
		free(layers->places[i].uri);
	}
	if (layers->turn)
		event_free(layers->turn);
	while ((document = TAILQ_FIRST(&layers->documents))) {
		tdelete(document, &layers->names, layered_compare);
		TAILQ_REMOVE(&layers->documents, document, link);
		layered_free(layers, document);
	}
	free(layers->told);
	free(layers);
}

static const struct source_ops layers_source = {
	.scheme = "layers", .start = layers_start, .refresh = layers_refresh, .close = layers_close
};

static int layers_add(struct layers *layers, const struct layers_place *given)
{
	size_t number = layers->place_count++;
	struct place *place = &layers->places[number];

	if (!given->is_fallback) {
		layers->layers[layers->layer_count++] =
			(struct layer){ .first = number, .force = LAYERS_NONE };
	}
	layers->layers[layers->layer_count - 1].count++;
	*place = (struct place){ .layers = layers,
				 .number = number,
				 .layer = layers->layer_count - 1,
				 .ops = given->ops,
				 .uri = strdup(given->uri),
				 .state = SOURCE_CONNECTING };
	source_describe(given->uri, place->text, sizeof(place->text));
	return place->uri ? 0 : -ENOMEM;
}

int layers_open(const struct layers_parts *parts, const struct source_events *events, void *user,
		struct source **source, struct message *message)
{
	struct layers *layers = calloc(1, sizeof(*layers));
	int err = 0;

	if (!layers) {
		message_set(message, "out of memory");
		return -ENOMEM;
	}
	layers->source.ops = &layers_source;
	layers->events = events;
	layers->user = user;
	layers->is_served = parts->is_served;
	layers->fallback_after_ns = parts->fallback_after_ms * CLOCK_NS_PER_MS;
	layers->out_of_memory = parts->out_of_memory;
	layers->merges = parts->merges;
	layers->limits = parts->limits ? *parts->limits : xml_limits_default;
	TAILQ_INIT(&layers->documents);
	for (size_t i = 0; i < parts->place_count && err == 0; i++)
		err = layers_add(layers, &parts->places[i]);
	if (err < 0) {
		message_set(message, "out of memory");
		layers_close(&layers->source);
		return err;
	}
	*source = &layers->source;
	return 0;
}

const void *layers_told(const struct source *source, size_t *size_bytes)
{
	const struct layers *layers = layers_seen(source);

	*size_bytes = layers->told_bytes;
	return layers->told;
}

/* What there is to say of a fallback but its state. */
static const char *place_standing(const struct layers *layers, const struct place *place)
{
	const struct layer *layer = &layers->layers[place->layer];

	if (place->is_over || layers->is_served)
		return "not needed";
	if (layer->force == place->number)
		return "in force";
	if (place->number >= layer->first + layer->begun)
		return "standing by";
	return state_word(place->state);
}

void layers_describe(const struct source *source, struct buffer *text)
{
	const struct layers *layers = layers_seen(source);

	for (size_t i = 0; i < layers->place_count; i++) {
		const struct place *place = &layers->places[i];
		bool is_fallback = layers->layers[place->layer].first != i;

		buffer_printf(text, "%s%s\t%.128s\t%s\t%.100s", i > 0 ? "\n" : "", is_fallback ? "fallback" : "layer",
			      place->text, is_fallback ? place_standing(layers, place) : state_word(place->state),
			      place->detail);
	}
}
