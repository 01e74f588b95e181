/* case_expected.c -- reading what a case says was decided. */
#include "weigh/case_priv.h"

static enum err read_names(struct case_reader *reader, const char *member, const json_t *value,
			   size_t *count_out)
{
	if (!json_is_array(value))
		return case_refuse_member(reader, member, "must be a list");
	if (json_array_size(value) > CASE_NAMES_MAX)
		return case_refuse_member(reader, member, "more than 2048 of them");
	_Static_assert(CASE_NAMES_MAX == 2048, "the message says so");
	*count_out = json_array_size(value);
	return OK;
}

static enum err read_findings_of(struct case_reader *reader, const char *statement,
				 const json_t *names, struct weight *finding)
{
	struct case_expected *expected = &reader->line->expected;
	size_t count = json_array_size(names);

	if (!json_is_array(names))
		return case_refuse(reader, "findings", span_cstr(statement),
				   "must be a list of names");
	if (count > (size_t)CASE_NAMES_MAX - expected->finding_count)
		return case_refuse_member(reader, "findings", "more than 2048 of them");
	for (size_t i = 0; i < count; i++) {
		struct span name = case_text(json_array_get(names, i));
		struct text full = { 0 };

		if (name.at == NULL)
			return case_refuse(reader, "findings", span_cstr(statement),
					   "must be a list of names");
		full.room = strlen(statement) + name.len + 2;
		full.at = arena_alloc(reader->arena, full.room);
		if (full.at == NULL)
			return case_refuse_memory(reader);
		text_add(&full, span_cstr(statement));
		text_add_char(&full, '.');
		text_add(&full, name);
		finding[expected->finding_count++].name = text_span(&full);
	}
	return OK;
}

static size_t count_names(const json_t *value)
{
	const char *statement;
	json_t *names;
	size_t count = 0;

	json_object_foreach ((json_t *)value, statement, names) {
		count += json_array_size(names);
	}
	return count < CASE_NAMES_MAX ? count : CASE_NAMES_MAX;
}

enum err case_read_findings(struct case_reader *reader, const json_t *value)
{
	struct case_expected *expected = &reader->line->expected;
	struct weight *finding = ARENA_ARRAY(reader->arena, struct weight, count_names(value));
	const char *statement;
	json_t *names;

	if (!json_is_object(value))
		return case_refuse_member(reader, "findings", "must be an object of lists");
	if (finding == NULL)
		return case_refuse_memory(reader);
	expected->has_findings = true;
	expected->finding = finding;
	json_object_foreach ((json_t *)value, statement, names) {
		enum err err = read_findings_of(reader, statement, names, finding);

		if (err != OK)
			return err;
	}
	return OK;
}

enum err case_read_points(struct case_reader *reader, const json_t *value)
{
	struct case_expected *expected = &reader->line->expected;
	struct weight *point;
	size_t count = 0;
	enum err err = read_names(reader, "points", value, &count);

	if (err != OK)
		return err;
	point = ARENA_ARRAY(reader->arena, struct weight, count);
	if (point == NULL)
		return case_refuse_memory(reader);
	for (size_t i = 0; i < count; i++) {
		const json_t *pair = json_array_get(value, i);
		const json_t *number = json_array_get(pair, 1);

		if (json_array_size(pair) != 2 || !json_is_string(json_array_get(pair, 0)) ||
		    !json_is_number(number))
			return case_refuse_member(reader, "points",
						  "must be a list of [name, number]");
		point[i].points = json_number_value(number);
		err = case_copy(reader, case_text(json_array_get(pair, 0)), &point[i].name);
		if (err != OK)
			return err;
	}
	expected->has_points = true;
	expected->point = point;
	expected->point_count = (uint16_t)count;
	return OK;
}

enum err case_read_unknown(struct case_reader *reader, const json_t *value)
{
	struct case_expected *expected = &reader->line->expected;
	struct span *name;
	size_t count = 0;
	enum err err = read_names(reader, "unknown", value, &count);

	if (err != OK)
		return err;
	name = ARENA_ARRAY(reader->arena, struct span, count);
	if (name == NULL)
		return case_refuse_memory(reader);
	for (size_t i = 0; i < count; i++) {
		if (!json_is_string(json_array_get(value, i)))
			return case_refuse_member(reader, "unknown", "must be a list of names");
		err = case_copy(reader, case_text(json_array_get(value, i)), &name[i]);
		if (err != OK)
			return err;
	}
	expected->has_unknown = true;
	expected->unknown = name;
	expected->unknown_count = (uint16_t)count;
	return OK;
}

enum err case_read_score(struct case_reader *reader, const json_t *value)
{
	struct case_expected *expected = &reader->line->expected;

	if (!json_is_number(value) && !json_is_null(value))
		return case_refuse_member(reader, "score", "must be a number or null");
	expected->has_score = true;
	expected->score_is_null = json_is_null(value);
	expected->score = json_number_value(value);
	return OK;
}

enum err case_read_verdict(struct case_reader *reader, const json_t *value)
{
	return case_read_text(reader, "verdict", value, &reader->line->expected.verdict);
}

enum err case_read_reply(struct case_reader *reader, const json_t *value)
{
	return case_read_text(reader, "reply", value, &reader->line->expected.reply);
}
