/* counting_priv.h -- what the statements that count share; for weigh/counting*.c alone. */
#pragma once
#include "weigh/counting.h"
#include "weigh/key.h"

struct keyed {
	enum value_state state; /* UNKNOWN: a part of it failed */
	bool is_first_empty, has_empty;
	struct span key;
};

/** The set or limit, if any, and the parts, as the store knows them; in room, of FACT_KEY_MAX: a
 * walk of many runs makes its keys again and again. */
struct keyed counting_key(const struct walk *walk, struct span set, const struct key *key,
			  struct text *room);
struct key counting_key_of_one(const struct expr *const *expr);

/** After the verdict; what the arena had no room for is left out. */
void counting_remember(struct walk *walk, const struct memory *memory);

/** The walk ends here with the verdict, or, where it is only observed, goes on. */
bool counting_decide(struct walk *walk, const struct statement *statement,
		     enum verdict_kind verdict, const struct template *text);
/** The store has not answered. */
bool counting_fail(struct walk *walk, const struct statement *statement,
		   const struct failing *failing);
/** What is asked is not known yet: nothing below is to act.  @return true */
bool counting_wait(struct walk *walk);

static inline struct value value_missing(enum value_state state)
{
	return (struct value){ .state = state };
}
