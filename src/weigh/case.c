/* case.c -- reading a case, and answering facts from it. */
#include "weigh/case.h"

#include "base/escape.h"
#include "base/hash.h"
#include "base/utc.h"
#include "weigh/case_item.h"
#include "weigh/case_priv.h"

enum { WHY_BYTES_MAX = 400, SHOWN_BYTES_MAX = 120 };

static const struct span no_memory = SPAN_INIT("the case is too large for its memory");

enum err case_refuse_memory(struct case_reader *reader)
{
	reader->why = no_memory;
	return ERR_LIMIT;
}

/* "member: what", or "member 'part': what" */
enum err case_refuse(struct case_reader *reader, const char *member, struct span part,
		     const char *what)
{
	TEXT(why, WHY_BYTES_MAX);

	text_add(&why, span_cstr(member));
	if (part.at != NULL) {
		text_add(&why, SPAN(" '"));
		text_add_escaped(&why, part, SHOWN_BYTES_MAX);
		text_add(&why, SPAN("'"));
	}
	text_add(&why, SPAN(": "));
	text_add_escaped(&why, span_cstr(what), SHOWN_BYTES_MAX);
	reader->why = arena_copy(reader->arena, text_span(&why));
	return reader->why.at == NULL ? case_refuse_memory(reader) : ERR_SYNTAX;
}

enum err case_copy(struct case_reader *reader, struct span s, struct span *copy_out)
{
	struct span made = arena_copy(reader->arena, s);

	if (made.at == NULL)
		return case_refuse_memory(reader);
	*copy_out = made;
	return OK;
}

enum err case_read_text(struct case_reader *reader, const char *member, const json_t *value,
			struct span *text_out)
{
	if (!json_is_string(value))
		return case_refuse_member(reader, member, "must be a string");
	return case_copy(reader, case_text(value), text_out);
}

/* --- the members, one function each --- */

static enum err read_id(struct case_reader *reader, const json_t *value)
{
	enum err err = case_read_text(reader, "id", value, &reader->line->id);

	reader->line->attempt.id = reader->line->id;
	return err;
}

static enum err read_at(struct case_reader *reader, const json_t *value)
{
	if (!json_is_string(value))
		return case_refuse_member(reader, "at", "must be a string");
	if (utc_parse(case_text(value), &reader->line->attempt.time_ms) != OK)
		return case_refuse_member(reader, "at",
					  "must be a time like 2026-11-20T10:41:07.123Z");
	return OK;
}

static enum err read_policy(struct case_reader *reader, const json_t *value)
{
	return case_read_text(reader, "policy", value, &reader->line->policy);
}

static enum err read_conversation(struct case_reader *reader, const json_t *value)
{
	return case_read_text(reader, "conversation", value, &reader->line->attempt.conversation);
}

/* {"latin1": "..."}: a character below U+0100 for each byte of a value that is no UTF-8 */
static enum err read_latin1(struct case_reader *reader, struct span name, const json_t *value,
			    struct span *bytes_out)
{
	struct span rest = case_text(json_object_get(value, "latin1"));
	char *bytes;
	size_t count = 0;

	if (!json_is_string(json_object_get(value, "latin1")) || json_object_size(value) != 1)
		return case_refuse(reader, "attempt", name,
				   "must be a string or {\"latin1\": string}");
	bytes = arena_alloc(reader->arena, rest.len + 1);
	if (bytes == NULL)
		return case_refuse_memory(reader);
	while (rest.len > 0) {
		uint32_t c = 0;
		size_t len = utf8_decode(rest, &c);

		if (len == 0 || c > 0xff)
			return case_refuse(reader, "attempt", name,
					   "latin1 has a character above U+00FF");
		bytes[count++] = (char)(unsigned char)c;
		rest = span_from(rest, len);
	}
	*bytes_out = span_of(bytes, count);
	return OK;
}

static enum err read_attribute(struct case_reader *reader, const char *key, const json_t *value)
{
	struct attempt *attempt = &reader->line->attempt;
	struct span name = span_cstr(key);
	enum attribute attribute;

	if (!attribute_find(name, &attribute))
		return OK; /* of a later Postfix */
	if (json_is_object(value))
		return read_latin1(reader, name, value, &attempt->attribute[attribute]);
	if (!json_is_string(value))
		return case_refuse(reader, "attempt", name,
				   "must be a string or {\"latin1\": string}");
	return case_copy(reader, case_text(value), &attempt->attribute[attribute]);
}

static enum err read_attempt(struct case_reader *reader, const json_t *value)
{
	const char *key;
	json_t *attribute;
	char *room;

	if (!json_is_object(value))
		return case_refuse_member(reader, "attempt", "must be an object");
	json_object_foreach ((json_t *)value, key, attribute) {
		enum err err = read_attribute(reader, key, attribute);

		if (err != OK)
			return err;
	}
	room = arena_alloc(reader->arena, ATTEMPT_CLIENT_TEXT_MAX + 1);
	if (room == NULL)
		return case_refuse_memory(reader);
	attempt_normalise(&reader->line->attempt, room);
	return OK;
}

static enum err read_rest(struct case_reader *reader, const json_t *value)
{
	if (json_is_string(value) && span_equal(case_text(value), SPAN("none")))
		reader->line->rest = CASE_REST_NONE;
	else if (!json_is_string(value) || !span_equal(case_text(value), SPAN("unrecorded")))
		return case_refuse_member(reader, "rest", "must be \"none\" or \"unrecorded\"");
	return OK;
}

/* --- facts --- */

/* Split "kind question"; the question is brought into the form in which it is asked. */
static enum err read_fact_key(struct case_reader *reader, struct span key, struct fact *fact)
{
	size_t blank = span_find(key, ' ');
	struct span question = span_from(key, blank + 1);

	if (!fact_kind_find(span_first(key, blank), &fact->kind))
		return case_refuse(reader, "facts", key, "no fact is of this kind");
	if (blank == key.len)
		return case_refuse(reader, "facts", key, "must be a kind, a blank and a question");
	if (!case_question_parse(fact->kind, question, reader->arena, &fact->key))
		return case_refuse(reader, "facts", key,
				   "a backslash must be followed by \\ or DDD");
	if (fact->key.at == NULL)
		return case_refuse_memory(reader);
	if (fact->key.len > FACT_KEY_MAX)
		return case_refuse(reader, "facts", key, "the question is too long");
	return OK;
}

static enum err read_items(struct case_reader *reader, struct span key, const json_t *value,
			   struct fact *fact)
{
	size_t count = json_array_size(value);
	struct span *item;

	if (count > FACT_ITEMS_MAX)
		return case_refuse(reader, "facts", key, "more than 512 items");
	_Static_assert(FACT_ITEMS_MAX == 512, "the message says so");
	item = ARENA_ARRAY(reader->arena, struct span, count);
	if (item == NULL)
		return case_refuse_memory(reader);
	for (size_t i = 0; i < count; i++) {
		const json_t *text = json_array_get(value, i);

		if (!json_is_string(text))
			return case_refuse(reader, "facts", key, "every item must be a string");
		if (!case_item_parse(fact->kind, case_text(text), reader->arena, &item[i]))
			return case_refuse(reader, "facts", key, case_item_form(fact->kind));
		if (item[i].at == NULL)
			return case_refuse_memory(reader);
	}
	fact_sort(fact->kind, item, count);
	fact->state = FACT_KNOWN;
	fact->item = item;
	fact->item_count = (uint16_t)count;
	return OK;
}

static enum err read_counter(struct case_reader *reader, struct span key, const json_t *value,
			     struct fact *fact)
{
	TEXT(digits, 24);
	struct span *item = ARENA_NEW(reader->arena, struct span);

	if (fact_kind_is_dns(fact->kind) || fact->kind == FACT_GREYLIST)
		return case_refuse(reader, "facts", key, "a fact of this kind is no number");
	if (item == NULL)
		return case_refuse_memory(reader);
	text_add_int(&digits, json_integer_value(value));
	fact->state = FACT_KNOWN;
	fact->item = item;
	fact->item_count = 1;
	return case_copy(reader, text_span(&digits), item);
}

static enum err read_fact(struct case_reader *reader, const char *name, const json_t *value,
			  struct fact *fact)
{
	struct span key = span_cstr(name);
	enum err err = read_fact_key(reader, key, fact);

	if (err != OK)
		return err;
	switch (json_typeof(value)) {
	case JSON_ARRAY:
		if (json_array_size(value) > 0)
			return read_items(reader, key, value, fact);
		fact->state = FACT_NONE;
		fact->exists = true;
		return OK;
	case JSON_NULL: fact->state = FACT_NONE; return OK;
	case JSON_INTEGER: return read_counter(reader, key, value, fact);
	case JSON_STRING:
		fact->state = FACT_FAILED;
		if (fact_cause_find(case_text(value), &fact->cause))
			return OK;
		return case_refuse(reader, "facts", key, "this cause of a failure is not known");
	case JSON_OBJECT:
	case JSON_REAL:
	case JSON_TRUE:
	case JSON_FALSE: break;
	}
	return case_refuse(reader, "facts", key,
			   "must be a list, null, a cause of failure or a whole number");
}

static const struct hash_key index_key; /* CASE_FACTS_MAX bounds what a collision costs */

/* The slot of the fact, or the empty one where it belongs. */
static uint32_t *case_slot(const struct case_line *line, enum fact_kind kind, struct span key)
{
	uint64_t at = hash_span(&index_key, key) + (uint64_t)kind;

	for (;; at++) {
		uint32_t *slot = &line->slot[at & (line->slot_count - 1)];
		const struct fact *fact = *slot == 0 ? NULL : &line->fact[*slot - 1];

		if (fact == NULL || (fact->kind == kind && span_equal(fact->key, key)))
			return slot;
	}
}

static enum err index_facts(struct case_reader *reader)
{
	struct case_line *line = reader->line;

	line->slot_count = 2;
	while (line->slot_count < 2 * line->fact_count)
		line->slot_count *= 2;
	line->slot = ARENA_ARRAY(reader->arena, uint32_t, line->slot_count);
	if (line->slot == NULL)
		return case_refuse_memory(reader);
	for (uint32_t i = 0; i < line->fact_count; i++) {
		const struct fact *fact = &line->fact[i];
		uint32_t *slot = case_slot(line, fact->kind, fact->key);

		if (*slot != 0)
			return case_refuse(reader, "facts", fact->key,
					   "this question stands twice");
		*slot = i + 1;
	}
	return OK;
}

static enum err read_facts(struct case_reader *reader, const json_t *value)
{
	size_t count = json_object_size(value);
	struct fact *fact;
	const char *key;
	json_t *answer;

	if (!json_is_object(value))
		return case_refuse_member(reader, "facts", "must be an object");
	if (count > CASE_FACTS_MAX) {
		enum err err = case_refuse_member(reader, "facts", "more than 1024 of them");

		_Static_assert(CASE_FACTS_MAX == 1024, "the message says so");
		return err == ERR_SYNTAX ? ERR_LIMIT : err;
	}
	fact = ARENA_ARRAY(reader->arena, struct fact, count);
	if (fact == NULL)
		return case_refuse_memory(reader);
	reader->line->fact = fact;
	json_object_foreach ((json_t *)value, key, answer) {
		enum err err = read_fact(reader, key, answer, fact);

		if (err != OK)
			return err;
		fact++;
		reader->line->fact_count++;
	}
	return OK;
}

/* --- the line --- */

static const struct member {
	const char *name;
	bool is_needed;
	enum err (*read)(struct case_reader *reader, const json_t *value);
} members[] = {
	{ "id", false, read_id },
	{ "at", false, read_at },
	{ "policy", false, read_policy },
	{ "attempt", true, read_attempt },
	{ "conversation", false, read_conversation },
	{ "facts", true, read_facts },
	{ "rest", false, read_rest },
	{ "findings", false, case_read_findings },
	{ "points", false, case_read_points },
	{ "score", false, case_read_score },
	{ "unknown", false, case_read_unknown },
	{ "verdict", false, case_read_verdict },
	{ "reply", false, case_read_reply },
};

static enum err read_members(struct case_reader *reader, const json_t *root, bool needs_facts)
{
	if (!json_is_object(root))
		return case_refuse_member(reader, "the line", "must be an object");
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		const json_t *value = json_object_get(root, members[i].name);
		bool is_needed =
			members[i].is_needed && (needs_facts || members[i].read != read_facts);
		enum err err = OK;

		if (value != NULL)
			err = members[i].read(reader, value);
		else if (is_needed)
			err = case_refuse_member(reader, members[i].name, "is missing");
		if (err != OK)
			return err;
	}
	return index_facts(reader);
}

static enum err parse(struct span line, bool needs_facts, struct case_reader *reader)
{
	json_error_t error;
	json_t *root;
	enum err err;

	if (line.len > CASE_BYTES_MAX) {
		reader->why = SPAN("the line is longer than 1 MiB");
		_Static_assert(CASE_BYTES_MAX == 1024 * 1024, "the message says so");
		return ERR_LIMIT;
	}
	root = json_loadb(line.len > 0 ? line.at : "", line.len,
			  JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
	if (root != NULL)
		err = read_members(reader, root, needs_facts);
	else
		err = case_refuse_member(reader, "JSON", error.text);
	json_decref(root);
	return err;
}

static enum err parse_out(struct span line, bool needs_facts, struct arena *arena,
			  struct case_line *case_out, struct span *why_out)
{
	struct case_line found = { 0 };
	struct case_reader reader = { .arena = arena, .line = &found };
	enum err err = parse(line, needs_facts, &reader);

	if (err == OK)
		*case_out = found;
	else
		*why_out = reader.why;
	return err;
}

enum err case_parse(struct span line, struct arena *arena, struct case_line *case_out,
		    struct span *why_out)
{
	return parse_out(line, true, arena, case_out, why_out);
}

enum err case_parse_request(struct span line, struct arena *arena, struct case_line *case_out,
			    struct span *why_out)
{
	return parse_out(line, false, arena, case_out, why_out);
}

/* --- answering --- */

static const struct fact *case_find(const struct case_line *line, enum fact_kind kind,
				    struct span key)
{
	uint32_t slot = *case_slot(line, kind, key);

	return slot == 0 ? NULL : &line->fact[slot - 1];
}

bool case_recall(void *self, struct fact *fact)
{
	const struct case_line *line = self;
	const struct fact *recorded = case_find(line, fact->kind, fact->key);

	if (recorded == NULL)
		recorded = case_find(line, fact->kind, SPAN("*"));
	if (recorded == NULL) {
		fact->state = line->rest == CASE_REST_NONE ? FACT_NONE : FACT_FAILED;
		if (fact->state == FACT_FAILED)
			fact->cause = CAUSE_UNRECORDED;
		return true;
	}
	fact->state = recorded->state;
	fact->cause = recorded->cause;
	fact->exists = recorded->exists;
	fact->item = recorded->item;
	fact->item_count = recorded->item_count;
	return true;
}

void case_release(void *self, struct fact *fact)
{
	(void)self;
	fact->held = NULL;
}
