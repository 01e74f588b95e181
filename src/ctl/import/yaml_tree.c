/* yaml_tree.c -- a tree of what libyaml reads. */
#include "ctl/import/yaml_tree.h"

#include "base/number.h"

#include <yaml.h>

/* A node that an alias may name, once it is whole. */
struct anchor {
	struct span name;
	const struct yaml_node *node;
	const struct anchor *next;
};

struct reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the one that is looked at */
	struct arena *arena;
	struct text *report;
	const struct anchor *anchor;
	uint32_t node_count; /* of the tree, in which an alias counts as what it names */
	unsigned depth;
	enum err err;
};

static struct yaml_node *fail(struct reader *reader, size_t line, enum err err, const char *what)
{
	if (reader->err == OK) {
		text_addf(reader->report, "%zu: error: %s\n", line + 1, what);
		reader->err = err;
	}
	return NULL;
}

static struct yaml_node *fail_here(struct reader *reader, const char *what)
{
	return fail(reader, reader->event.start_mark.line, ERR_SYNTAX, what);
}

static struct yaml_node *fail_large(struct reader *reader)
{
	return fail(reader, reader->event.start_mark.line, ERR_LIMIT, "too large");
}

/* On to the next event. */
static bool advance(struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	size_t line;

	yaml_event_delete(&reader->event);
	if (yaml_parser_parse(&reader->parser, &reader->event) == 1)
		return true;
	line = parser->error == YAML_READER_ERROR ? parser->mark.line : parser->problem_mark.line;
	if (parser->error == YAML_MEMORY_ERROR)
		fail(reader, line, ERR_SYSTEM, "there is no memory for it");
	else
		fail(reader, line, ERR_SYNTAX,
		     parser->problem != NULL ? parser->problem : "this is no YAML");
	return false;
}

static struct span text_of(struct reader *reader, const yaml_char_t *bytes, size_t len)
{
	struct span text = arena_copy(reader->arena, span_of((const char *)bytes, len));

	if (text.at == NULL)
		fail_large(reader);
	return text;
}

static bool count_nodes(struct reader *reader, uint32_t count)
{
	if (count > YAML_NODES_MAX - reader->node_count) {
		fail_large(reader);
		return false;
	}
	reader->node_count += count;
	return true;
}

/* --- nodes --- */

static struct yaml_node *node_new(struct reader *reader, enum yaml_kind kind)
{
	struct yaml_node *node = ARENA_NEW(reader->arena, struct yaml_node);

	if (node == NULL || !count_nodes(reader, 1))
		return fail_large(reader);
	node->kind = kind;
	node->line = (uint32_t)reader->event.start_mark.line + 1;
	return node;
}

static bool tag_is(const yaml_char_t *tag, const char *wanted)
{
	return tag == NULL || strcmp((const char *)tag, wanted) == 0;
}

static struct yaml_node *scalar_read(struct reader *reader)
{
	struct yaml_node *node = node_new(reader, YAML_SCALAR);
	const yaml_char_t *tag = reader->event.data.scalar.tag;

	if (node == NULL)
		return NULL;
	if (!tag_is(tag, YAML_STR_TAG))
		return fail_here(reader, "this tag is not understood");
	node->is_quoted = tag != NULL || reader->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	node->text =
		text_of(reader, reader->event.data.scalar.value, reader->event.data.scalar.length);
	return node->text.at != NULL ? node : NULL;
}

/* What an alias names, by whom it may be named again: its members are shared. */
static struct yaml_node *alias_read(struct reader *reader)
{
	struct span name = span_cstr((const char *)reader->event.data.alias.anchor);
	const struct anchor *anchor = reader->anchor;
	struct yaml_node *node;

	while (anchor != NULL && !span_equal(anchor->name, name))
		anchor = anchor->next;
	if (anchor == NULL)
		return fail_here(reader, "nothing above has this anchor");
	node = ARENA_NEW(reader->arena, struct yaml_node);
	if (node == NULL || !count_nodes(reader, anchor->node->node_count))
		return fail_large(reader);
	*node = *anchor->node;
	node->line = (uint32_t)reader->event.start_mark.line + 1;
	node->next = NULL;
	return node;
}

static bool anchor_add(struct reader *reader, struct span name, const struct yaml_node *node)
{
	struct anchor *anchor;

	if (name.at == NULL)
		return true;
	anchor = ARENA_NEW(reader->arena, struct anchor);
	if (anchor == NULL) {
		fail_large(reader);
		return false;
	}
	*anchor = (struct anchor){ name, node, reader->anchor };
	reader->anchor = anchor;
	return true;
}

static struct yaml_node *node_read(struct reader *reader);

/* A member of a map, from its key on. */
static struct yaml_node *member_read(struct reader *reader)
{
	struct yaml_node *node;
	struct span key;

	if (reader->event.type != YAML_SCALAR_EVENT)
		return fail_here(reader, "a key that is no plain word is not understood");
	key = text_of(reader, reader->event.data.scalar.value, reader->event.data.scalar.length);
	if (key.at == NULL || !advance(reader))
		return NULL;
	node = node_read(reader);
	if (node != NULL)
		node->key = key;
	return node;
}

/* All up to the end of a list or map, at whose begin we are. */
static struct yaml_node *items_read(struct reader *reader, enum yaml_kind kind)
{
	yaml_event_type_t end =
		kind == YAML_LIST ? YAML_SEQUENCE_END_EVENT : YAML_MAPPING_END_EVENT;
	struct yaml_node *node = node_new(reader, kind), **last;

	if (node == NULL)
		return NULL;
	if (reader->depth == YAML_DEPTH_MAX)
		return fail(reader, node->line - 1, ERR_LIMIT, "too deep");
	reader->depth++;
	for (last = &node->first; advance(reader) && reader->event.type != end;
	     last = &(*last)->next) {
		*last = kind == YAML_LIST ? node_read(reader) : member_read(reader);
		if (*last == NULL)
			return NULL;
	}
	reader->depth--;
	return reader->err == OK ? node : NULL;
}

static struct yaml_node *list_read(struct reader *reader)
{
	if (!tag_is(reader->event.data.sequence_start.tag, YAML_SEQ_TAG))
		return fail_here(reader, "this tag is not understood");
	return items_read(reader, YAML_LIST);
}

static struct yaml_node *map_read(struct reader *reader)
{
	if (!tag_is(reader->event.data.mapping_start.tag, YAML_MAP_TAG))
		return fail_here(reader, "this tag is not understood");
	return items_read(reader, YAML_MAP);
}

static const yaml_char_t *anchor_of(const yaml_event_t *event)
{
	if (event->type == YAML_SCALAR_EVENT)
		return event->data.scalar.anchor;
	if (event->type == YAML_SEQUENCE_START_EVENT)
		return event->data.sequence_start.anchor;
	return event->type == YAML_MAPPING_START_EVENT ? event->data.mapping_start.anchor : NULL;
}

/* Whatever begins with the event that is looked at; afterwards that is its last. */
static struct yaml_node *node_read(struct reader *reader)
{
	const yaml_char_t *name = anchor_of(&reader->event);
	uint32_t before = reader->node_count;
	struct span anchor = { 0 };
	struct yaml_node *node;

	if (name != NULL) {
		anchor = text_of(reader, name, strlen((const char *)name));
		if (anchor.at == NULL)
			return NULL;
	}
	if (reader->event.type == YAML_ALIAS_EVENT)
		node = alias_read(reader);
	else if (reader->event.type == YAML_SCALAR_EVENT)
		node = scalar_read(reader);
	else if (reader->event.type == YAML_SEQUENCE_START_EVENT)
		node = list_read(reader);
	else
		node = map_read(reader);
	if (node == NULL)
		return NULL;
	node->node_count = reader->node_count - before;
	return anchor_add(reader, anchor, node) ? node : NULL;
}

static bool advance_by(struct reader *reader, unsigned count)
{
	while (count > 0 && advance(reader))
		count--;
	return count == 0;
}

/* The one document; of an empty file an empty scalar. */
static struct yaml_node *document_read(struct reader *reader)
{
	struct yaml_node *root;

	if (!advance_by(reader, 2)) /* to the stream's begin, the document's */
		return NULL;
	if (reader->event.type == YAML_STREAM_END_EVENT)
		return node_new(reader, YAML_SCALAR);
	if (!advance(reader))
		return NULL;
	root = node_read(reader);
	if (root == NULL || !advance_by(reader, 2)) /* to the document's end, behind it */
		return NULL;
	if (reader->event.type != YAML_STREAM_END_EVENT)
		return fail_here(reader, "a second document begins here");
	return root;
}

enum err yaml_read(struct span source, struct arena *arena, struct text *report,
		   struct yaml_node **root_out)
{
	struct reader reader = { .arena = arena, .report = report };

	if (source.len > YAML_BYTES_MAX)
		return ERR_LIMIT;
	if (yaml_parser_initialize(&reader.parser) != 1)
		return ERR_SYSTEM;
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)source.at, source.len);
	*root_out = document_read(&reader);
	yaml_event_delete(&reader.event);
	yaml_parser_delete(&reader.parser);
	return reader.err;
}

/* --- values --- */

const struct yaml_node *yaml_member(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *found = NULL;

	if (map->kind != YAML_MAP)
		return NULL;
	for (const struct yaml_node *node = map->first; node != NULL; node = node->next)
		if (span_equal(node->key, span_cstr(key)))
			found = node;
	return found;
}

static bool is_one_of(struct span text, const char *words)
{
	struct span rest = span_cstr(words), word;

	while (span_cut(&rest, ' ', &word))
		if (span_equal_nocase(text, word))
			return true;
	return false;
}

bool yaml_is_null(const struct yaml_node *node)
{
	return node->kind == YAML_SCALAR && !node->is_quoted &&
	       (node->text.len == 0 || is_one_of(node->text, "~ null"));
}

enum err yaml_bool(const struct yaml_node *node, bool *truth_out)
{
	bool truth = is_one_of(node->text, "true yes on");

	if (node->kind != YAML_SCALAR || node->is_quoted ||
	    (!truth && !is_one_of(node->text, "false no off")))
		return ERR_SYNTAX;
	*truth_out = truth;
	return OK;
}

static int hex_digit(char c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Digits to a base. */
static enum err digits_parse(struct span s, int base, int64_t *number_out)
{
	int64_t number = 0;

	if (s.len == 0)
		return ERR_SYNTAX;
	for (size_t i = 0; i < s.len; i++) {
		int digit = hex_digit(s.at[i]);

		if (digit < 0 || digit >= base)
			return ERR_SYNTAX;
		if (number > INT32_MAX)
			return ERR_LIMIT;
		number = number * base + digit;
	}
	*number_out = number;
	return OK;
}

enum err yaml_number(const struct yaml_node *node, int64_t *number_out)
{
	struct span text = node->text;

	if (node->kind != YAML_SCALAR || node->is_quoted)
		return ERR_SYNTAX;
	if (span_starts_nocase(text, SPAN("0x")))
		return digits_parse(span_from(text, 2), 16, number_out);
	if (text.len > 1 && text.at[0] == '0')
		return digits_parse(span_from(text, 1), 8, number_out);
	return number_parse(text, number_out);
}

void text_add_yaml(struct text *text, const struct yaml_node *node)
{
	if (node->kind == YAML_SCALAR) {
		text_add(text, yaml_is_null(node) ? SPAN("null") : node->text);
		return;
	}
	text_add_char(text, node->kind == YAML_LIST ? '[' : '{');
	for (const struct yaml_node *item = node->first; item != NULL; item = item->next) {
		if (node->kind == YAML_MAP) {
			text_add(text, item->key);
			text_add(text, SPAN(": "));
		}
		text_add_yaml(text, item); /* not deeper than YAML_DEPTH_MAX */
		if (item->next != NULL)
			text_add(text, SPAN(", "));
	}
	text_add_char(text, node->kind == YAML_LIST ? ']' : '}');
}
