/* world.h -- one generated world: a policy, an attempt, and what every question is answered.
 *
 * All of it follows from the seed: the same question always has the same answer, whoever asks
 * and whenever.  What counts is answered as a store would, by what it had under the key before.
 */
#pragma once
#include "policy/config.h"

enum { POLICY_TEXT_MAX = 16 * 1024 };

struct world {
	uint64_t seed;
	bool is_shown; /* whoever walks it says what is asked in each run */
	unsigned known_percent, failed_percent; /* of the questions; the rest: nothing there */
	struct config *config;
	const struct policy *policy;
	struct attempt attempt;
	struct arena arena;
	char policy_text[POLICY_TEXT_MAX];
	size_t policy_len;
};

void world_make(struct world *world, uint64_t seed, bool is_shown);
void world_release(struct world *world);

/** Is it one that the store counts, once asked? */
static inline bool fact_counts(const struct fact *fact)
{
	return fact->kind == FACT_TALLY || fact->kind == FACT_GREYLIST;
}

/** A number that belongs to this question in this world. */
uint64_t world_hash(const struct world *world, const struct fact *fact);

/** Give the fact its answer; items in arena. */
void world_answer(const struct world *world, struct fact *fact, struct arena *arena);
