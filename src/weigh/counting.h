/* counting.h -- the statements that count: greylist, limit, remember.
 *
 * They are reached only when nothing above is undecided; then they ask the store, once, and wait
 * for its answer (rule 3 of the house).  remember changes nothing before the verdict: what it
 * wants goes into walk->memory.
 */
#pragma once
#include "weigh/walk.h"

/* The set of those who have returned so often that greylist lets them pass. */
#define GREYLIST_TRUSTED_SET "greylist.trusted"
/* Returns of whoever is trusted because an administrator says so: that ends when he has said. */
#define TRUST_BY_HAND INT64_C(4294967295)

/** @return true: the walk ends with this statement, or waits here */
bool walk_greylist(struct walk *walk, const struct statement *statement);
bool walk_limit(struct walk *walk, const struct statement *statement);
void walk_remember(struct walk *walk, const struct statement *statement);

/** The key of a greylist statement for this attempt, as the store knows it.
 *
 * @return VALUE_PENDING while facts are missing; VALUE_NONE: nothing to greylist
 */
enum value_state walk_greylist_key(const struct walk *walk, const struct greylist *greylist,
				   struct span *key_out);

/** "new", "early", ... "trusted"; empty: nothing was greylisted, or the store has failed. */
struct span greylisted_state(const struct greylisted *greylisted);

struct value evaluate_in_set(const struct expr *expr, const struct walk *walk);
struct value evaluate_greylist_field(const struct expr *expr, const struct walk *walk);
struct value evaluate_limit_field(const struct expr *expr, const struct walk *walk);
