/* clauses.h -- greylist, limit and remember while they are read: clauses in any order, each once.
 *
 * Shared by greylists.c, limits.c, sets.c.
 */
#pragma once
#include "policy/body.h"

enum { CLAUSES_MAX = 16 };

struct counted {
	struct body *body;
	struct statement *statement;
	const char *noun; /* "greylist" */
	struct place keyword;
	struct place said[CLAUSES_MAX]; /* by index of clause; source NULL: not yet */
	bool is_constant;               /* no part of the key ever changes */
	struct place key_place;
	struct greylist *greylist;
	struct limit *limit;
	struct remembering *remembering;
	/* of a limit */
	struct place rates_place, size_place; /* size: of a rate such as 10M/1h */
	struct place distinct_place;
	struct token table;
};

enum clause_opening {
	CLAUSE_WORD,
	CLAUSE_TEXT,   /* a text that stands alone; left to the clause */
	CLAUSE_NUMBER, /* a word that begins with a digit; left to the clause */
};

struct clause {
	const char *word;
	bool (*parse)(struct counted *counted);
	void (*no)(struct counted *counted); /* "no WORD"; NULL: it cannot be left out */
	enum clause_opening opening;
};

static inline struct parser *counted_parser(struct counted *counted)
{
	return &counted->body->parser;
}

static inline struct report *counted_report(struct counted *counted)
{
	return body_report(counted->body);
}

/** To the end of the statement.
 *
 * @param clauses  ended by one without a word
 */
MUST_USE bool clauses_parse(struct counted *counted, const struct clause *clauses);
/** Was the clause of that word there? */
bool clause_is_said(const struct counted *counted, const struct clause *clauses, const char *word);

/** EXPR, EXPR, ...
 *
 * @param part_parse  expr_parse or value_parse
 */
MUST_USE bool key_parse(struct counted *counted, struct key *key,
			struct term (*part_parse)(struct body *));
/** Do two places say the same, whatever the blanks?  Nothing is said where source is NULL. */
bool place_same_words(struct place a, struct place b);
/** A warning, if the key is a constant. */
void key_warn_if_constant(struct counted *counted);

/* Clauses that several have. */
MUST_USE bool clause_if(struct counted *counted);
MUST_USE bool failing_parse(struct counted *counted, struct failing *failing);

/* --- limit_rates.c --- */

/** 100/1h, 500/1d; or none */
MUST_USE bool limit_rates_parse(struct counted *counted);
/** from TABLE; the word has been taken. */
MUST_USE bool limit_from_parse(struct counted *counted);
/** Are they, and the rows of the table, sound for what is counted? */
MUST_USE bool limit_rates_check(struct counted *counted);
