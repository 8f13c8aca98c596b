/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config.h"

#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "daemon/config_hook.h"
#include "daemon/variables.h"
#include "source/source.h"
#include "xml/schema.h"

#include "daemon/zkcfgd_rng.h"

#define CONFIG_FILE_LIMIT_BYTES (1024 * 1024)
#define CONFIG_NAME_LIMIT_BYTES 64
#define CONFIG_MARKER_LIMIT_BYTES 255
#define CONFIG_DURATION_LIMIT_MS (INT64_C(24) * 3600 * 1000)
#define CONFIG_DOCUMENT_LIMIT_BYTES (UINT64_C(256) * 1024 * 1024)
#define CONFIG_ELEMENTS_LIMIT 100000000
#define CONFIG_VALUE_LIMIT_BYTES UINT64_C(10000000) /* libxml2's own, of an attribute */

/* A file that is being read. */
struct config_reader {
	const char *path; /* as the user wrote it */
	char *directory;  /* of that file */
	struct buffer bytes;
	struct zkcfg_document *document;
	struct config *config;
	struct config_set *set; /* the one whose element is open, else NULL */
	uint32_t set_node;
	uint32_t source_nodes[CONFIG_SOURCES_MOST]; /* of the set's elements source */
	struct document_node node; /* where the reader stands */
	uint32_t number;	   /* of that node */
	struct message *message;
};

static int config_out_of_memory(struct message *message)
{
	message_set(message, "out of memory");
	return -ENOMEM;
}

/* "FILE:LINE:COLUMN: reason" */
static int config_fail_at(struct config_reader *reader, const struct xml_fault *place, const char *reason)
{
	if (place->line == 0)
		message_set(reader->message, "%s: %s", reader->path, reason);
	else if (place->column == 0)
		message_set(reader->message, "%s:%u: %s", reader->path, place->line, reason);
	else
		message_set(reader->message, "%s:%u:%u: %s", reader->path, place->line, place->column,
			    reason);
	return -EINVAL;
}

/* About an element or one of its attributes. */
__attribute__((format(printf, 3, 4))) static int config_fail(struct config_reader *reader, uint32_t number,
							     const char *format, ...)
{
	struct xml_fault place = { .line = 0 };
	char reason[sizeof(reader->message->text)];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	xml_locate(reader->bytes.bytes, reader->bytes.size_bytes, number, &place);
	return config_fail_at(reader, &place, reason);
}

static const char *config_element(const struct config_reader *reader)
{
	struct document_node parent;

	if (document_node(reader->document, reader->node.parent, &parent) < 0)
		return "?";
	return parent.name;
}

/* About the attribute where the reader stands: what its value should be. */
static int config_fail_value(struct config_reader *reader, const char *reason)
{
	return config_fail(reader, reader->number, "element %s: attribute %s=\"%.128s\": %s",
			   config_element(reader), reader->node.name, reader->node.value, reason);
}

/* What --set and the file have in common. */

static int config_check_name(const struct config *config, const char *name, struct message *message)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t length = strlen(name);

	if (length == 0 || length > CONFIG_NAME_LIMIT_BYTES || name[0] == '.' ||
	    strspn(name, allowed) != length) {
		message_set(
			message,
			"expected a name of at most %d letters, digits, '.', '_' and '-', with no '.' first",
			CONFIG_NAME_LIMIT_BYTES);
		return -EINVAL;
	}
	for (size_t i = 0; i < config->set_count; i++) {
		if (config->sets[i].name && strcmp(config->sets[i].name, name) == 0) {
			message_set(message, "there is a set of this name already");
			return -EINVAL;
		}
	}
	return 0;
}

/* Is it a URI that its source can do something with? No I/O. */
static int config_check_source(const char *uri, struct message *message)
{
	static const struct source_events no_events;
	const struct source_ops *ops = source_find(uri, message);
	struct source *source = NULL;
	int err;

	if (!ops)
		return -EINVAL;
	err = ops->open(uri, &no_events, NULL, &source, message);
	if (err == 0)
		ops->close(source);
	return err;
}

/* A URI as it is written becomes the one that is meant, if its source takes it. */
static int config_take_uri(const char *text, char **uri, struct message *message)
{
	char *expanded;
	int err = variables_expand(text, &expanded, message);

	if (err == -ENOMEM)
		return config_out_of_memory(message);
	if (err < 0)
		return err;
	err = config_check_source(expanded, message);
	if (err < 0) {
		free(expanded);
		return err;
	}
	free(*uri);
	*uri = expanded;
	return 0;
}

/* A new set with everything at its default, at the end; NULL: out of memory. */
static struct config_set *config_append(struct config *config)
{
	struct config_set *sets = realloc(config->sets, (config->set_count + 1) * sizeof(*sets)), *set;

	if (!sets)
		return NULL;
	config->sets = sets;
	set = &sets[config->set_count++];
	*set = (struct config_set){ .mode = 0644, .group = (gid_t)-1, .limits = xml_limits_default };
	return set;
}

/* One function for each attribute: what it means, and what is wrong with its value. */

static int config_copy(struct config_reader *reader, char **text)
{
	free(*text);
	*text = strdup(reader->node.value);
	return *text ? 0 : config_out_of_memory(reader->message);
}

/* A path, made absolute. */
static int config_read_path(struct config_reader *reader, char **path)
{
	struct buffer joined = { 0 };

	if (reader->node.value[0] == '\0')
		return config_fail_value(reader, "expected a path");
	if (reader->node.value[0] == '/')
		return config_copy(reader, path);
	buffer_printf(&joined, "%s/%s", reader->directory, reader->node.value);
	buffer_append(&joined, "", 1);
	if (buffer_failed(&joined)) {
		buffer_free(&joined);
		return config_out_of_memory(reader->message);
	}
	free(*path);
	*path = joined.bytes;
	return 0;
}

static int config_read_shm_dir(struct config_reader *reader)
{
	return config_read_path(reader, &reader->config->shm_dir);
}

static int config_read_state_dir(struct config_reader *reader)
{
	return config_read_path(reader, &reader->config->state_dir);
}

static int config_read_log_level(struct config_reader *reader)
{
	if (!log_level_parse(reader->node.value, &reader->config->log_level))
		return config_fail_value(reader, "expected error, warning, notice, info or debug");
	reader->config->log_level_given = true;
	return 0;
}

static int config_read_name(struct config_reader *reader)
{
	struct message why;
	int err = config_check_name(reader->config, reader->node.value, &why);

	return err < 0 ? config_fail_value(reader, why.text) : config_copy(reader, &reader->set->name);
}

static int config_read_uri(struct config_reader *reader, char **uri)
{
	struct message why;
	int err = config_take_uri(reader->node.value, uri, &why);

	if (err == -ENOMEM)
		return config_out_of_memory(reader->message);
	return err < 0 ? config_fail_value(reader, why.text) : 0;
}

static int config_read_source(struct config_reader *reader)
{
	return config_read_uri(reader, &reader->set->source);
}

/* Of the element source where the reader stands. */
static struct config_source *config_source(struct config_reader *reader)
{
	return &reader->set->sources[reader->set->source_count - 1];
}

static int config_read_source_uri(struct config_reader *reader)
{
	return config_read_uri(reader, &config_source(reader)->uri);
}

static int config_read_fallback(struct config_reader *reader)
{
	if (strcmp(reader->node.value, "yes") != 0 && strcmp(reader->node.value, "no") != 0)
		return config_fail_value(reader, "expected yes or no");
	config_source(reader)->is_fallback = strcmp(reader->node.value, "yes") == 0;
	if (config_source(reader)->is_fallback && reader->set->source_count == 1)
		return config_fail_value(reader, "there is no source before it, whose fallback it could be");
	return 0;
}

/* So that a schema that was edited is another one. One that is gone meanwhile is loaded by nobody. */
static void config_stamp_schema(struct config_set *set)
{
	struct stat found;

	if (stat(set->schema, &found) < 0)
		return;
	set->schema_time = found.st_mtim;
	set->schema_inode = found.st_ino;
}

static int config_read_schema(struct config_reader *reader)
{
	struct xml_schema *schema = NULL;
	char reason[sizeof(((struct xml_fault *)NULL)->reason) + 32];
	struct xml_fault fault;
	int err = config_read_path(reader, &reader->set->schema);

	if (err < 0)
		return err;
	err = xml_schema_load(reader->set->schema, &schema, &fault);
	if (err == ZKCFG_ENOMEM)
		return config_out_of_memory(reader->message);
	xml_schema_free(schema);
	if (err == 0) {
		config_stamp_schema(reader->set);
		return 0;
	}
	if (fault.line > 0)
		snprintf(reason, sizeof(reason), "line %u: %s", fault.line, fault.reason);
	else
		snprintf(reason, sizeof(reason), "%s", fault.reason);
	return config_fail_value(reader, reason);
}

static int config_read_on_delete(struct config_reader *reader)
{
	if (strcmp(reader->node.value, "hold") == 0)
		reader->set->on_delete = CONFIG_HOLD;
	else if (strcmp(reader->node.value, "remove") == 0)
		reader->set->on_delete = CONFIG_REMOVE;
	else
		return config_fail_value(reader, "expected hold or remove");
	return 0;
}

static int config_read_merge(struct config_reader *reader)
{
	if (strcmp(reader->node.value, "documents") == 0)
		reader->set->merge = CONFIG_MERGE_DOCUMENTS;
	else if (strcmp(reader->node.value, "paths") == 0)
		reader->set->merge = CONFIG_MERGE_PATHS;
	else
		return config_fail_value(reader, "expected documents or paths");
	return 0;
}

static int config_read_commit_marker(struct config_reader *reader)
{
	const char *text = reader->node.value;
	size_t length = strlen(text);

	if (length == 0 || text[0] == '/' || text[length - 1] == '/' || strstr(text, "//"))
		return config_fail_value(reader, "expected a path below the set's root, without '/' first or "
						 "last, as commit or release/marker");
	if (length > CONFIG_MARKER_LIMIT_BYTES)
		return config_fail(reader, reader->number,
				   "element %s: attribute %s has %zu bytes, expected at most %d",
				   config_element(reader), reader->node.name, length,
				   CONFIG_MARKER_LIMIT_BYTES);
	return config_copy(reader, &reader->set->commit_marker);
}

static int config_read_mode(struct config_reader *reader)
{
	const char *text = reader->node.value;
	size_t length = strlen(text);
	unsigned long mode = strtoul(text, NULL, 8);

	if (strspn(text, "01234567") != length || (length != 3 && (length != 4 || text[0] != '0')))
		return config_fail_value(reader, "expected an octal mode of files, as 0640");
	if ((mode & 0022) != 0)
		return config_fail_value(reader,
					 "readers refuse what others than its owner may write: expected "
					 "for example 0644 or 0640");
	if ((mode & 0600) != 0600 || (mode & 0111) != 0)
		return config_fail_value(reader,
					 "expected that its owner may read and write, and nobody execute, "
					 "as 0640");
	reader->set->mode = (mode_t)mode;
	return 0;
}

static int config_read_group_as(struct config_reader *reader, gid_t *gid)
{
	const char *text = reader->node.value;
	struct group *group;
	char *end;
	unsigned long number;

	group = getgrnam(text); /* no other thread asks for groups */
	if (group) {
		*gid = group->gr_gid;
		return 0;
	}
	number = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || number >= (gid_t)-1)
		return config_fail_value(reader,
					 "there is no such group: expected a name of group(5), or a number");
	*gid = (gid_t)number;
	return 0;
}

static int config_read_group(struct config_reader *reader)
{
	return config_read_group_as(reader, &reader->set->group);
}

static int config_read_control_group(struct config_reader *reader)
{
	reader->config->has_control_group = true;
	return config_read_group_as(reader, &reader->config->control_group);
}

static int config_read_listen(struct config_reader *reader)
{
	return config_copy(reader, &reader->config->listen);
}

static int config_read_allow_reload(struct config_reader *reader)
{
	reader->config->listen_allow_reload = strcmp(reader->node.value, "yes") == 0;
	return 0;
}

static int config_read_duration(struct config_reader *reader, int64_t *ms)
{
	int64_t found;
	int err = zkcfg_document_duration_ms(reader->document, reader->node.path, &found);

	if (err < 0 && err != ZKCFG_ERANGE)
		return config_fail_value(reader, "expected a duration, as 50ms, 2s or 1m");
	if (err < 0 || found > CONFIG_DURATION_LIMIT_MS)
		return config_fail_value(reader, "expected at most 24h");
	*ms = found;
	return 0;
}

static int config_read_min(struct config_reader *reader)
{
	return config_read_duration(reader, &reader->set->debounce_min_ms);
}

static int config_read_max(struct config_reader *reader)
{
	int64_t ms = 0;
	int err = config_read_duration(reader, &ms);

	if (err < 0)
		return err;
	if (ms == 0)
		return config_fail_value(reader, "expected more than 0");
	reader->set->debounce_max_ms = ms;
	return 0;
}

static int config_read_size(struct config_reader *reader, uint64_t most, size_t *size_bytes)
{
	uint64_t found;
	int err = zkcfg_document_size_bytes(reader->document, reader->node.path, &found);
	char reason[64];

	if (err < 0 && err != ZKCFG_ERANGE)
		return config_fail_value(reader, "expected a size, as 1000, 64k or 1M");
	if (err < 0 || found == 0 || found > most) {
		snprintf(reason, sizeof(reason), "expected 1 to %llu bytes", (unsigned long long)most);
		return config_fail_value(reader, reason);
	}
	*size_bytes = (size_t)found;
	return 0;
}

static int config_read_count(struct config_reader *reader, unsigned most, unsigned *count)
{
	int64_t found;
	int err = zkcfg_document_int64(reader->document, reader->node.path, &found);
	char reason[64];

	if (err < 0 || found < 1 || found > most) {
		snprintf(reason, sizeof(reason), "expected a number from 1 to %u", most);
		return config_fail_value(reader, reason);
	}
	*count = (unsigned)found;
	return 0;
}

static int config_read_document(struct config_reader *reader)
{
	return config_read_size(reader, CONFIG_DOCUMENT_LIMIT_BYTES, &reader->set->limits.document_bytes);
}

static int config_read_depth(struct config_reader *reader)
{
	return config_read_count(reader, XML_DEPTH_LIMIT, &reader->set->limits.depth);
}

static int config_read_elements(struct config_reader *reader)
{
	return config_read_count(reader, CONFIG_ELEMENTS_LIMIT, &reader->set->limits.elements);
}

static int config_read_attributes(struct config_reader *reader)
{
	return config_read_count(reader, XML_ATTRIBUTES_LIMIT, &reader->set->limits.attributes);
}

static int config_read_value(struct config_reader *reader)
{
	return config_read_size(reader, CONFIG_VALUE_LIMIT_BYTES, &reader->set->limits.value_bytes);
}

/* The elements, at their depths; a set's own are children of a set. */
enum { CONFIG_ROOT_DEPTH, CONFIG_SET_DEPTH, CONFIG_PART_DEPTH };

static const struct config_rule {
	unsigned depth;
	const char *element;
	const char *attribute;
	int (*read)(struct config_reader *reader);
} config_rules[] = {
	{ CONFIG_ROOT_DEPTH, "zkcfgd", "shm-dir", config_read_shm_dir },
	{ CONFIG_ROOT_DEPTH, "zkcfgd", "state-dir", config_read_state_dir },
	{ CONFIG_ROOT_DEPTH, "zkcfgd", "log-level", config_read_log_level },
	{ CONFIG_ROOT_DEPTH, "zkcfgd", "listen", config_read_listen },
	{ CONFIG_ROOT_DEPTH, "zkcfgd", "listen-allow-reload", config_read_allow_reload },
	{ CONFIG_ROOT_DEPTH, "zkcfgd", "control-group", config_read_control_group },
	{ CONFIG_SET_DEPTH, "set", "name", config_read_name },
	{ CONFIG_SET_DEPTH, "set", "source", config_read_source },
	{ CONFIG_SET_DEPTH, "set", "merge", config_read_merge },
	{ CONFIG_SET_DEPTH, "set", "schema", config_read_schema },
	{ CONFIG_SET_DEPTH, "set", "on-delete", config_read_on_delete },
	{ CONFIG_SET_DEPTH, "set", "commit-marker", config_read_commit_marker },
	{ CONFIG_SET_DEPTH, "set", "mode", config_read_mode },
	{ CONFIG_SET_DEPTH, "set", "group", config_read_group },
	{ CONFIG_PART_DEPTH, "source", "uri", config_read_source_uri },
	{ CONFIG_PART_DEPTH, "source", "fallback", config_read_fallback },
	{ CONFIG_PART_DEPTH, "debounce", "min", config_read_min },
	{ CONFIG_PART_DEPTH, "debounce", "max", config_read_max },
	{ CONFIG_PART_DEPTH, "limits", "document", config_read_document },
	{ CONFIG_PART_DEPTH, "limits", "depth", config_read_depth },
	{ CONFIG_PART_DEPTH, "limits", "elements", config_read_elements },
	{ CONFIG_PART_DEPTH, "limits", "attributes", config_read_attributes },
	{ CONFIG_PART_DEPTH, "limits", "value", config_read_value },
};

#define CONFIG_RULE_COUNT (sizeof(config_rules) / sizeof(config_rules[0]))

static bool config_rule_is_of(const struct config_rule *rule, const struct config_reader *reader,
			      const char *element)
{
	return reader->node.depth - 1 == rule->depth && strcmp(element, rule->element) == 0;
}

static int config_fail_attribute(struct config_reader *reader, const char *element)
{
	struct buffer known = { 0 };
	int err;

	for (size_t i = 0; i < CONFIG_RULE_COUNT; i++)
		if (config_rule_is_of(&config_rules[i], reader, element))
			buffer_printf(&known, "%s%s", known.size_bytes > 0 ? ", " : "",
				      config_rules[i].attribute);
	err = config_fail(reader, reader->number,
			  "element %s: attribute %s is not known, expected one of %.*s", element,
			  reader->node.name, (int)known.size_bytes, known.size_bytes > 0 ? known.bytes : "");
	buffer_free(&known);
	return err;
}

/* The attribute where the reader stands. One of an unknown element is the schema's to refuse. */
static int config_read_attribute(struct config_reader *reader)
{
	const char *element = config_element(reader);
	bool is_known = false;

	if (reader->node.depth - 1 > CONFIG_ROOT_DEPTH && !reader->set)
		return 0;
	for (size_t i = 0; i < CONFIG_RULE_COUNT; i++) {
		if (!config_rule_is_of(&config_rules[i], reader, element))
			continue;
		if (strcmp(reader->node.name, config_rules[i].attribute) == 0)
			return config_rules[i].read(reader);
		is_known = true;
	}
	return is_known ? config_fail_attribute(reader, element) : 0;
}

/* What may be in a set once only, which the schema does not say. */
static bool config_is_single(const char *element)
{
	return strcmp(element, "debounce") == 0 || strcmp(element, "limits") == 0;
}

/* An element source begins. */
static int config_add_source(struct config_reader *reader)
{
	struct config_set *set = reader->set;

	if (set->source)
		return config_fail(reader, reader->number,
				   "element source: the set has the attribute source already, expected that "
				   "or elements");
	if (set->source_count == CONFIG_SOURCES_MOST)
		return config_fail(reader, reader->number, "element source: expected at most %d in a set",
				   CONFIG_SOURCES_MOST);
	if (!set->sources)
		set->sources = calloc(CONFIG_SOURCES_MOST, sizeof(*set->sources));
	if (!set->sources)
		return config_out_of_memory(reader->message);
	reader->source_nodes[set->source_count++] = reader->number;
	return 0;
}

/* An element hook, with all that is in it. */
static int config_add_hook(struct config_reader *reader)
{
	struct element_fault fault;
	struct document_node node;
	uint32_t number = reader->number;
	int err = config_hook_read(reader->config, reader->set, reader->document, reader->node.path,
				   reader->directory, &fault);

	if (err == -ENOMEM)
		return config_out_of_memory(reader->message);
	if (err == 0)
		return 0;
	for (uint32_t i = reader->number; i < reader->node.end; i++)
		if (document_node(reader->document, i, &node) == 0 && strcmp(node.path, fault.path) == 0)
			number = i;
	return config_fail(reader, number, "%s", fault.message.text);
}

static int config_check_part(struct config_reader *reader)
{
	struct document_node before;

	if (strcmp(reader->node.name, "source") == 0)
		return config_add_source(reader);
	if (strcmp(reader->node.name, "hook") == 0)
		return config_add_hook(reader);
	if (!config_is_single(reader->node.name))
		return 0;
	for (uint32_t i = reader->set_node + 1; i < reader->number; i = before.end)
		if (document_node(reader->document, i, &before) == 0 && before.kind == ZKCFG_ELEMENT &&
		    strcmp(before.name, reader->node.name) == 0)
			return config_fail(reader, reader->number, "element %s is there twice in one set",
					   reader->node.name);
	return 0;
}

static int config_check_sources(struct config_reader *reader, const struct config_set *set)
{
	if (!set->source && set->source_count == 0)
		return config_fail(reader, reader->set_node,
				   "element set: attribute \"source\" is missing, expected for example "
				   "source=\"zk://host:2181/config/app\"");
	for (size_t i = 0; i < set->source_count; i++)
		if (!set->sources[i].uri)
			return config_fail(reader, reader->source_nodes[i],
					   "element source: attribute \"uri\" is missing, expected for "
					   "example uri=\"zk://host:2181/config/app\"");
	if (set->source_count > 0 && set->source_count < CONFIG_SOURCES_LEAST)
		return config_fail(reader, reader->source_nodes[0],
				   "element source: there is only one, expected %d to %d, or the attribute "
				   "source of the set",
				   CONFIG_SOURCES_LEAST, CONFIG_SOURCES_MOST);
	if (set->source_count == 0 && set->merge != CONFIG_MERGE_DOCUMENTS)
		return config_fail(reader, reader->set_node,
				   "element set: attribute merge=\"paths\" is for a set of several sources: "
				   "there is one, expected elements source");
	if (set->source_count > 0 && set->commit_marker)
		return config_fail(reader, reader->set_node,
				   "element set: attribute commit-marker is not for a set of several sources: "
				   "their revisions cannot be compared");
	return 0;
}

/* The reader leaves a set. */
static int config_end_set(struct config_reader *reader)
{
	const struct config_set *set = reader->set;
	int64_t max_ms;
	int err;

	if (!set)
		return 0;
	reader->set = NULL;
	max_ms = set->debounce_max_ms ? set->debounce_max_ms : CONFIG_DEBOUNCE_MAX_MS;
	if (!set->name)
		return config_fail(
			reader, reader->set_node,
			"element set: attribute \"name\" is missing, expected for example name=\"app\"");
	err = config_check_sources(reader, set);
	if (err < 0)
		return err;
	if (set->debounce_min_ms > max_ms)
		return config_fail(reader, reader->set_node,
				   "element set: debounce min (%lld ms) is above max (%lld ms%s)",
				   (long long)set->debounce_min_ms, (long long)max_ms,
				   set->debounce_max_ms ? "" : " where none is given");
	return 0;
}

static int config_read_element(struct config_reader *reader)
{
	int err = 0;

	if (reader->node.depth <= CONFIG_SET_DEPTH)
		err = config_end_set(reader);
	if (err < 0)
		return err;
	if (reader->node.depth == CONFIG_PART_DEPTH && reader->set)
		return config_check_part(reader);
	if (reader->node.depth != CONFIG_SET_DEPTH || strcmp(reader->node.name, "set") != 0)
		return 0;
	reader->set = config_append(reader->config);
	reader->set_node = reader->number;
	return reader->set ? 0 : config_out_of_memory(reader->message);
}

static int config_walk(struct config_reader *reader)
{
	uint32_t count = document_node_count(reader->document);
	int err;

	for (reader->number = 0; reader->number < count; reader->number++) {
		if (document_node(reader->document, reader->number, &reader->node) < 0)
			return config_fail(reader, 0, "cannot be read back");
		if (reader->number == 0 && strcmp(reader->node.name, "zkcfgd") != 0)
			return config_fail(reader, 0, "the root element is %s, expected zkcfgd",
					   reader->node.name);
		err = reader->node.kind == ZKCFG_ELEMENT ? config_read_element(reader)
							 : config_read_attribute(reader);
		if (err < 0)
			return err;
	}
	return config_end_set(reader);
}

/* What the walk passed over: elements that are not known, and text. */
static int config_check_schema(struct config_reader *reader)
{
	struct xml_schema *schema = NULL;
	struct xml_fault fault = { .line = 0 };
	int err = xml_schema_parse(zkcfgd_rng, sizeof(zkcfgd_rng) - 1, &schema, &fault);

	if (err == 0)
		err = xml_schema_check(schema, reader->bytes.bytes, reader->bytes.size_bytes, &fault);
	xml_schema_free(schema);
	if (err == ZKCFG_ENOMEM)
		return config_out_of_memory(reader->message);
	return err < 0 ? config_fail_at(reader, &fault, fault.reason) : 0;
}

static int config_read_bytes(struct config_reader *reader)
{
	int err = file_read(reader->path, CONFIG_FILE_LIMIT_BYTES, &reader->bytes);

	if (err == -EFBIG)
		message_set(reader->message, "%s: has more than %d bytes, the limit of a configuration",
			    reader->path, CONFIG_FILE_LIMIT_BYTES);
	else if (err < 0)
		message_set(reader->message, "%s: cannot be read: %s", reader->path, strerror(-err));
	return err;
}

static int config_compile(struct config_reader *reader)
{
	const struct document_origin origin = { .name = "zkcfgd.xml", .version = -1 };
	struct xml_fault fault;
	size_t document_bytes;
	int err = xml_compile(&origin, reader->bytes.bytes, reader->bytes.size_bytes, NULL, &reader->document,
			      &document_bytes, &fault);

	if (err == ZKCFG_ENOMEM)
		return config_out_of_memory(reader->message);
	return err < 0 ? config_fail_at(reader, &fault, fault.reason) : 0;
}

/* The absolute directory of a file; "-" is in the current one. NULL: out of memory, or it is gone. */
static char *config_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory, *absolute;

	directory = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	if (!directory)
		return NULL;
	absolute = realpath(directory, NULL);
	free(directory);
	return absolute;
}

int config_load(const char *path, struct config *config, struct message *message)
{
	struct config loaded = { .shm_dir = NULL };
	struct config_reader reader = { .path = path, .config = &loaded, .message = message };
	int err;

	err = config_read_bytes(&reader);
	if (err < 0)
		goto free_reader;
	reader.directory = config_directory(path);
	if (!reader.directory) {
		err = -errno;
		message_set(message, "%s: cannot tell its directory: %s", path, strerror(-err));
		goto free_reader;
	}
	err = config_compile(&reader);
	if (err == 0)
		err = config_walk(&reader);
	if (err == 0)
		err = config_check_schema(&reader);
	if (err == 0) {
		*config = loaded;
		loaded = (struct config){ .shm_dir = NULL };
	}
free_reader:
	config_free(&loaded);
	free(reader.document);
	free(reader.directory);
	buffer_free(&reader.bytes);
	return err;
}

int config_add_set(struct config *config, const char *option, struct message *message)
{
	const char *text = strchr(option, '=');
	struct config_set *set;
	struct message why;
	char *name, *uri = NULL;
	int err;

	if (!text || text == option || text[1] == '\0') {
		message_set(message, "--set %s: expected NAME=URI, for example app=zk://host:2181/config/app",
			    option);
		return -EINVAL;
	}
	name = strndup(option, (size_t)(text++ - option));
	if (!name)
		return config_out_of_memory(message);
	err = config_check_name(config, name, &why);
	if (err == 0)
		err = config_take_uri(text, &uri, &why);
	if (err < 0) {
		message_set(message, "--set %s: %s", option, why.text);
		goto free_name;
	}
	set = config_append(config);
	if (!set) {
		err = config_out_of_memory(message);
		goto free_name;
	}
	set->name = name;
	set->source = uri;
	return 0;
free_name:
	free(uri);
	free(name);
	return err;
}

void config_set_free(struct config_set *set)
{
	free(set->name);
	free(set->source);
	for (size_t i = 0; i < set->source_count; i++)
		free(set->sources[i].uri);
	free(set->sources);
	free(set->schema);
	free(set->commit_marker);
	config_hook_free(set);
	*set = (struct config_set){ .name = NULL };
}

void config_free(struct config *config)
{
	for (size_t i = 0; i < config->set_count; i++)
		config_set_free(&config->sets[i]);
	free(config->sets);
	free(config->shm_dir);
	free(config->state_dir);
	free(config->listen);
	*config = (struct config){ .shm_dir = NULL };
}

static bool text_equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool sources_equal(const struct config_set *a, const struct config_set *b)
{
	if (!text_equal(a->source, b->source) || a->source_count != b->source_count)
		return false;
	for (size_t i = 0; i < a->source_count; i++)
		if (strcmp(a->sources[i].uri, b->sources[i].uri) != 0 ||
		    a->sources[i].is_fallback != b->sources[i].is_fallback)
			return false;
	return true;
}

static bool limits_equal(const struct xml_limits *a, const struct xml_limits *b)
{
	return a->document_bytes == b->document_bytes && a->depth == b->depth && a->elements == b->elements &&
	       a->attributes == b->attributes && a->value_bytes == b->value_bytes;
}

bool config_set_equal(const struct config_set *a, const struct config_set *b)
{
	return text_equal(a->name, b->name) && sources_equal(a, b) && text_equal(a->schema, b->schema) &&
	       a->schema_time.tv_sec == b->schema_time.tv_sec && a->schema_time.tv_nsec == b->schema_time.tv_nsec &&
	       a->schema_inode == b->schema_inode && a->on_delete == b->on_delete &&
	       a->merge == b->merge && text_equal(a->commit_marker, b->commit_marker) && a->debounce_min_ms == b->debounce_min_ms &&
	       a->debounce_max_ms == b->debounce_max_ms && a->mode == b->mode && a->group == b->group &&
	       limits_equal(&a->limits, &b->limits) && config_hooks_equal(a, b);
}
