/* body.h -- the inside of a policy while it is read; shared by policies.c, weighs.c, exprs.c,
 * texts.c.
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
	struct variable variable[VARIABLES_MAX];
	struct range score; /* what is reachable before the next statement */
	struct place end;   /* an unconditional verdict; source NULL: none yet */
	bool is_end_reported;
	bool is_unsure;       /* a weigh statement was wrong: its findings are missing */
	struct place prepend; /* one without a condition; source NULL: none yet */
	bool is_in_text;      /* reading a hole of a text */
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

/** A whole expression, from the parser's next token on. */
struct term expr_parse(struct body *body);

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

/** LEFT in [a, b, 192.0.2.0/24], LEFT in TABLE; "in" has been taken. */
struct term in_parse(struct body *body, struct term left);
/** LEFT matches /pattern/i; "matches" has been taken. */
struct term matches_parse(struct body *body, struct term left);

/** "text with $holes"; token is a TOKEN_STRING. */
MUST_USE bool text_parse(struct body *body, const struct token *token, struct template *out);

/** weigh CHECK ...; the keyword has been taken. */
MUST_USE bool weigh_parse(struct body *body, struct statement *statement);
