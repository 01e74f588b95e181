/* sim.c -- thousands of worlds, each walked in every order that its answers may come in.
 *
 *	sim [--seed N] [--worlds N] [--show]
 *
 * Each world has a policy of the real checks, an attempt, and an answer for every question.
 * It must be decided alike whether all is known at once or comes in rounds, in any order, with
 * runs in between; and when the deadline passes, as if what was missing had failed.  What counts
 * is asked of the store once, alone, and only where it is asked when all is known.  World n of
 * seed s is world 0 of seed s + n: what fails is had again by its own seed.  --show prints each
 * world: what each run asks when answers come in rounds, the policy, and what was decided.
 */
#include "trial.h"

#include "base/ensure.h"
#include "base/number.h"

#include <stdio.h>
#include <stdlib.h>

static void fail(const struct world *world, int64_t seed, const struct trial *trial,
		 const struct trial *reference)
{
	fprintf(stderr, "sim: seed %lld, %s: %s\n", (long long)seed, schedule_name(trial->schedule),
		trial->broken != NULL ? trial->broken : "decided otherwise");
	fprintf(stderr, "--- policy\n%.*s", (int)world->policy_len, world->policy_text);
	fprintf(stderr, "--- all known at once\n%.*s", (int)reference->outcome_len,
		reference->outcome);
	fprintf(stderr, "--- %s\n%.*s", schedule_name(trial->schedule), (int)trial->outcome_len,
		trial->outcome);
	fprintf(stderr, "again: sim --seed %lld --worlds 1\n", (long long)seed);
	exit(1);
}

static void hold(const struct world *world, int64_t seed, const struct trial *trial,
		 const struct trial *reference)
{
	if (trial->broken != NULL || trial->outcome_len != reference->outcome_len ||
	    memcmp(trial->outcome, reference->outcome, trial->outcome_len) != 0)
		fail(world, seed, trial, reference);
}

struct sums {
	uint64_t walks, answers, counts, verdict[VERDICT_COUNT];
};

static void count(struct sums *sums, const struct trial *trial)
{
	sums->walks++;
	sums->answers += trial->answered_count;
	sums->counts += trial->counted_count;
	sums->verdict[trial->walk.verdict]++;
}

/* The arenas of a trial are gone when it ends; texts and counts in it stay. */
static void try_world(int64_t seed, bool is_shown, struct sums *sums)
{
	static struct world world;
	static struct trial reference, trial, cut_off;

	world_make(&world, (uint64_t)seed, is_shown);
	trial_run(&reference, &world, SCHEDULE_AT_ONCE, NULL);
	hold(&world, seed, &reference, &reference);
	count(sums, &reference);
	for (int i = SCHEDULE_ROUNDS; i < SCHEDULE_LATE; i++) {
		trial_run(&trial, &world, (enum schedule)i, NULL);
		hold(&world, seed, &trial, &reference);
		count(sums, &trial);
	}
	trial_run(&trial, &world, SCHEDULE_LATE, NULL);
	trial_run(&cut_off, &world, SCHEDULE_AT_ONCE, &trial);
	hold(&world, seed, &trial, &cut_off);
	count(sums, &trial);
	if (is_shown)
		printf("%.*s%.*s", (int)world.policy_len, world.policy_text,
		       (int)reference.outcome_len, reference.outcome);
	world_release(&world);
}

static int usage(void)
{
	fputs("usage: sim [--seed N] [--worlds N] [--show]\n", stderr);
	return 64;
}

int main(int argc, char **argv)
{
	int64_t seed = 1, worlds = 20000;
	struct sums sums = { 0 };
	bool is_shown = false;

	for (int i = 1; i < argc; i++) {
		struct span word = span_cstr(argv[i]);
		int64_t *number = span_equal(word, SPAN("--seed"))     ? &seed
				  : span_equal(word, SPAN("--worlds")) ? &worlds
								       : NULL;

		if (span_equal(word, SPAN("--show")))
			is_shown = true;
		else if (number == NULL || ++i == argc ||
			 number_parse(span_cstr(argv[i]), number) != OK)
			return usage();
	}
	for (int64_t i = 0; i < worlds; i++)
		try_world(seed + i, is_shown, &sums);
	printf("%lld worlds, %llu walks, %llu answers, %llu counts:", (long long)worlds,
	       (unsigned long long)sums.walks, (unsigned long long)sums.answers,
	       (unsigned long long)sums.counts);
	for (int i = 0; i < VERDICT_COUNT; i++)
		if (sums.verdict[i] > 0)
			printf(" %.*s %llu", SPAN_ARG(verdict_name((enum verdict_kind)i)),
			       (unsigned long long)sums.verdict[i]);
	putchar('\n');
	return 0;
}
