/* case_priv.h -- what the readers of a case share; for weigh/case*.c alone. */
#pragma once
#include "weigh/case.h"

#include <jansson.h>

struct case_reader {
	struct arena *arena;
	struct case_line *line;
	struct span why;
};

/** Say why the case is refused: "member: what", or with a part "member 'part': what".
 *
 * @return ERR_SYNTAX, or ERR_LIMIT when not even the reason fits into the arena
 */
enum err case_refuse(struct case_reader *reader, const char *member, struct span part,
		     const char *what);

static inline enum err case_refuse_member(struct case_reader *reader, const char *member,
					  const char *what)
{
	return case_refuse(reader, member, (struct span){ 0 }, what);
}

/** The arena is full. */
enum err case_refuse_memory(struct case_reader *reader);

/** The bytes of a JSON string, borrowed; .at == NULL: it is none. */
static inline struct span case_text(const json_t *value)
{
	return span_of(json_string_value(value), json_string_length(value));
}

MUST_USE enum err case_copy(struct case_reader *reader, struct span s, struct span *copy_out);

MUST_USE enum err case_read_text(struct case_reader *reader, const char *member,
				 const json_t *value, struct span *text_out);

/* The members that say what was decided: weigh/case_expected.c */
enum err case_read_findings(struct case_reader *reader, const json_t *value);
enum err case_read_points(struct case_reader *reader, const json_t *value);
enum err case_read_score(struct case_reader *reader, const json_t *value);
enum err case_read_unknown(struct case_reader *reader, const json_t *value);
enum err case_read_verdict(struct case_reader *reader, const json_t *value);
enum err case_read_reply(struct case_reader *reader, const json_t *value);

/* What the writers share. */
void case_emit_text(struct emit *emit, struct span key, struct span text);
/** "kind question", as a member's name is written: emit_key or emit_text does it. */
void case_add_key(struct text *key, const struct fact *fact);
void case_emit_answer(struct emit *emit, const struct fact *fact);

/* The member "explain": weigh/case_explain.c */
void case_emit_explain(struct emit *emit, const struct walk *walk);

enum { CASE_KEY_TEXT_MAX = 16 + 4 * FACT_KEY_MAX };
