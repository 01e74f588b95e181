/* body.h -- the inside of a policy while it is read; shared by policies.c and all that stands in
 * one.
 */
#pragma once
#include "policy/compiler.h"

struct variable {
	struct span name;
	enum value_type type;
	bool is_wrong; /* its value was a mistake; any type */
};

/* The lowest and highest value that a number can have; truth is 0 or 1. */
struct range {
	double low, high;
};

struct body {
	struct parser parser;
	struct compiler *compiler;
	struct policy *policy;
	struct statement *statement;
	struct place weigh_place[WEIGHS_MAX];
	uint16_t weigh_at[WEIGHS_MAX]; /* index of statement */
	uint64_t weigh_implied;        /* bit n: a greylist statement has brought it along */
	const struct limit *limit[LIMITS_MAX];
	uint16_t limit_at[LIMITS_MAX]; /* index of statement */
	bool has_greylist;
	uint8_t remember_count;      /* remember and greylist statements */
	const struct statement *own; /* greylist or limit whose own text is read */
	struct variable variable[VARIABLES_MAX];
	struct range score; /* what is reachable before the next statement */
	struct place end;   /* an unconditional verdict; source NULL: none yet */
	bool is_end_reported;
	bool is_unsure;       /* a weigh statement was wrong: its findings are missing */
	struct place prepend; /* one without a condition; source NULL: none yet */
	bool is_in_text;      /* reading a hole of a text */
	bool has_refused;     /* reading what "and refused" may follow */
	unsigned asks;
	unsigned expr_depth;
	unsigned open; /* brackets of the expression that are not closed yet */
};

/* A part of an expression: compiled, and what is known about it. */
struct term {
	const struct expr *expr; /* NULL: a mistake, reported already */
	struct place place;
	struct range range;
	uint8_t depth;
	bool has_score; /* the score is part of it */
};

static inline const struct statement *body_weigh(const struct body *body, unsigned ordinal)
{
	return &body->statement[body->weigh_at[ordinal]];
}

/** The weigh statement of that name so far; -1: none. */
int body_find_weigh(const struct body *body, struct span name);
/** -1: none. */
int body_find_variable(const struct body *body, struct span name);
/** The limit of that name so far; NULL: none. */
const struct limit *body_find_limit(const struct body *body, struct span name);
MUST_USE bool body_has_room(struct body *body, struct place place);
/** Room for one remember or greylist statement more. */
MUST_USE bool body_may_remember(struct body *body, struct place place);
/** One statement more; it is copied. */
MUST_USE bool body_add(struct body *body, const struct statement *statement);

/** A whole expression, from the parser's next token on. */
struct term expr_parse(struct body *body);

/** An expression without comparison, "and" and "or": it ends before "in". */
struct term value_parse(struct body *body);

/** A condition, if there is one. */
MUST_USE bool if_parse(struct body *body, struct statement *statement);

/** A condition; "if" has been taken. */
MUST_USE bool condition_parse(struct body *body, const struct expr **condition_out);

/** The value called name: attribute, finding, variable, ...
 *
 * @param place  of the name; a source of NULL asks only whether there is such a value
 */
struct term value_named(struct body *body, struct span name, struct place place);

/* --- values.c --- */

static inline struct report *body_report(struct body *body)
{
	return &body->compiler->report;
}

static inline struct term term_none(struct place place)
{
	return (struct term){ .place = place };
}

/** A node over left and right, or one of them, or none. */
struct term term_node(struct body *body, enum expr_kind kind, enum value_type type,
		      const struct term *left, const struct term *right);
struct term term_constant(struct body *body, enum value_type type, struct value value,
			  struct place place);
/** The node of a term that was just made. */
struct expr *term_expr(struct term *term);
const char *type_name(enum value_type type);

/** The same as another type; what cannot be that is reported. */
struct term term_as_truth(struct body *body, struct term term);
struct term term_as_text(struct body *body, struct term term);
struct term term_as_number(struct body *body, struct term term);
struct term term_as_address(struct body *body, struct term term);

/** Can a table be asked for such a value?  It is made the right type, or reported. */
MUST_USE bool table_takes(struct body *body, const struct table *table, struct term *key,
			  struct span name);
/** LEFT in [a, b, 192.0.2.0/24], LEFT in TABLE; "in" has been taken. */
struct term in_parse(struct body *body, struct term left);
/** LEFT matches /pattern/i; "matches" has been taken. */
struct term matches_parse(struct body *body, struct term left);

/* --- texts.c --- */

/** "text with $holes"; token is a TOKEN_STRING. */
MUST_USE bool text_parse(struct body *body, const struct token *token, struct template *out);
/** The same of a text of our own, which must be sound. */
MUST_USE bool text_standard(struct body *body, struct span text, struct template *out);
/** Is what is literal of it at most so long?  Else it is reported. */
MUST_USE bool text_fits(struct body *body, const struct template *text, size_t most,
			struct place place);
/** Does it begin with a header's name?  Else it is reported. */
MUST_USE bool text_is_header(struct body *body, const struct template *text, struct place place);
static inline struct span text_literal(const struct template *text)
{
	return text->piece_count == 0 ? (struct span){ 0 } : text->piece[0].literal;
}

/* --- verdicts.c --- */

bool verdict_is_known(struct span keyword);
void verdicts_guess(struct guess *guess);
/** pass, reject, ...: a statement of its own; the keyword has been taken. */
MUST_USE bool verdict_parse(struct body *body, const struct token *keyword,
			    struct statement *statement);
/** VERDICT ["text"] of another statement.
 *
 * @param behind        the word that it follows
 * @param pass_is_bare  a text behind "pass" is none of it
 */
MUST_USE bool verdict_parse_behind(struct body *body, const char *behind, bool pass_is_bare,
				   enum verdict_kind *verdict_out, struct template *text_out);
/** A warning where the text's code is for good and the verdict for now, or the other way. */
void verdict_check_code(struct body *body, enum verdict_kind verdict, const struct template *text,
			struct place place);

/* --- statements; the keyword has been taken --- */

MUST_USE bool weigh_parse(struct body *body, struct statement *statement);
MUST_USE bool greylist_parse(struct body *body, struct statement *statement);
MUST_USE bool limit_parse(struct body *body, struct statement *statement);
MUST_USE bool remember_parse(struct body *body, struct statement *statement);

/** Put "weigh organisation" in front of a greylist statement, under the same condition, or find
 * one that stands above without a condition.
 *
 * @param ordinal_out  of the weigh statement
 */
MUST_USE bool weigh_imply(struct body *body, const struct statement *greylist, struct place place,
			  uint8_t *ordinal_out);

/* --- values of the statements that count --- */

/** greylist.FIELD; place.source NULL asks only whether there is such a value. */
struct term greylist_term(struct body *body, struct span field, struct place place);
/** NAME.FIELD, limit.FIELD */
struct term limit_term(struct body *body, const struct limit *limit, struct span field,
		       struct place place);
/** KEY in NAME, which is no table: something must be remembered under that name.
 *
 * @param key  kept; of texts
 */
struct term in_set_term(struct body *body, const struct key *key, struct place place,
			const struct token *name);
/** LEFT in NAME */
struct term one_in_set_term(struct body *body, struct term left, const struct token *name);
/** One part more of type text; what is too much is reported. */
MUST_USE bool key_add_part(struct body *body, struct key *key, struct term part);
