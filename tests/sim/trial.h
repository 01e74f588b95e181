/* trial.h -- one way for the answers of a world to arrive, walked with the real core. */
#pragma once
#include "random.h"
#include "weigh/walk.h"
#include "world.h"

enum { OUTCOME_TEXT_MAX = 64 * 1024, ANSWERS_MAX = LEDGER_FACTS_MAX, COUNTS_MAX = 32 };

enum schedule {
	SCHEDULE_AT_ONCE,  /* everything is known when it is asked: a replay */
	SCHEDULE_ROUNDS,   /* all that was asked comes, then the walk runs again */
	SCHEDULE_SHUFFLED, /* some is cached, the rest comes in any order; runs when all is there */
	SCHEDULE_EAGER,    /* the same, and the walk runs now and then before all is there */
	SCHEDULE_LATE,     /* shuffled, and the deadline passes before all is there */
	SCHEDULE_COUNT
};

struct trial {
	const struct world *world;
	enum schedule schedule;
	struct random random;
	struct arena arena;
	struct ledger ledger;
	struct walk walk;
	struct fact *waiting[LEDGER_FACTS_MAX]; /* ordered, without an answer */
	size_t waiting_count;
	/* SCHEDULE_AT_ONCE: what alone is answered, all else fails with a timeout; NULL: all is */
	const struct trial *only;
	uint64_t answered[ANSWERS_MAX]; /* hashes of the questions that got an answer */
	size_t answered_count;
	uint64_t counted[COUNTS_MAX]; /* hashes of what the store was told to count */
	size_t counted_count;
	size_t held;                             /* answers that the ledger has not let go of */
	uint64_t asked_before[LEDGER_FACTS_MAX]; /* who asked in the run before */
	uint64_t waited_before;                  /* weigh statements that were pending then */
	uint8_t rounds[WEIGHS_MAX];              /* runs that left the statement pending */
	const char *broken;                      /* what does not hold; NULL: all does */
	char outcome[OUTCOME_TEXT_MAX];          /* all that was decided, to be compared */
	size_t outcome_len;
};

/** Walk the world's attempt; what is broken or decided stands in the trial.
 *
 * @param only  see above
 */
void trial_run(struct trial *trial, const struct world *world, enum schedule schedule,
	       const struct trial *only);

const char *schedule_name(enum schedule schedule);
