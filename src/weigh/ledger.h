/* ledger.h -- the facts of one attempt: asked once, remembered, frozen.
 *
 * A check asks (fact_ask) and gets a fact at once, PENDING when nobody knows it yet.  What the
 * world knows already (a cache, a recorded case) is recalled on the spot; what it does not is
 * put in line, and whoever runs the walk takes it from there (ledger_next_ordered) and answers
 * later (ledger_answer).  A fact that has an answer never changes again.
 *
 * The order in which answers arrive never changes a verdict: the budgets are counted by
 * whoever asks, in the order of its own reasoning, and QUESTIONS_MAX is a last bound that no
 * check with an honest asks_max can reach.
 */
#pragma once
#include "base/arena.h"
#include "weigh/fact.h"

enum {
	LEDGER_FACTS_MAX = 768,     /* of all kinds; beyond it a fact is FAILED, toolarge */
	LEDGER_QUESTIONS_MAX = 640, /* DNS facts of one attempt */
	LEDGER_SLOTS = 2048,        /* of the index; a power of two above FACTS_MAX */
	LEDGER_NOBODY = 0xff,       /* asker: no weigh statement */
};
_Static_assert(LEDGER_SLOTS >= 2 * LEDGER_FACTS_MAX, "else the index fills up");

struct recall {
	/** Fill state and what goes with it from what is known already; false: not known.
	 * Must not touch the ledger, and must answer the same question alike for its whole
	 * life time.
	 */
	bool (*recall)(void *self, struct fact *fact);
	/** Let go of fact->held. */
	void (*release)(void *self, struct fact *fact);
	void *self;
};

struct ledger {
	struct arena *arena;
	struct recall recall;
	uint16_t slot[LEDGER_SLOTS]; /* 0 empty, else index + 1 */
	uint16_t fact_count;
	uint16_t question_count;
	uint16_t pending_count;
	uint8_t asker;      /* ordinal of the weigh statement that is being run; or LEDGER_NOBODY */
	bool closed_to_dns; /* the deadline has passed */
	bool closed;        /* to the store, too */
	bool overflowed;    /* a limit was hit */
	struct fact *ordered_first, *ordered_last;
	struct fact *fact[LEDGER_FACTS_MAX]; /* in the order of asking; set up to fact_count */
};

void ledger_init(struct ledger *ledger, struct arena *arena, const struct recall *recall);

/** Look a fact up, and order it if nobody has.  Never NULL; a second ask costs nothing.
 *
 * @param key  copied
 */
const struct fact *fact_ask(struct ledger *ledger, enum fact_kind kind, struct span key);

/** The same of a fact that counts: what the store is to do.
 *
 * @param count  copied
 * @param terms  kept until the ledger is released
 */
const struct fact *fact_ask_tally(struct ledger *ledger, struct span key,
				  const struct tally_count *count);
const struct fact *fact_ask_triplet(struct ledger *ledger, struct span key,
				    const struct triplet_terms *terms);

/** The oldest fact that was ordered and not yet taken; NULL when there is none. */
struct fact *ledger_next_ordered(struct ledger *ledger);

/** An answer has come: fact has got its state and what goes with it. */
void ledger_answered(struct ledger *ledger, struct fact *fact);

/** The deadline: facts of the DNS that are pending fail with a timeout, and so does every later ask
 * for one.  The store may still be asked: what counts must not be got round by a slow server of
 * the sender's.  Nothing is in line. */
void ledger_close_to_dns(struct ledger *ledger);

/** The same of all facts. */
void ledger_close(struct ledger *ledger);

static inline bool ledger_is_waiting(const struct ledger *ledger)
{
	return ledger->pending_count > 0;
}

/** Let go of what sources keep alive for us. */
void ledger_release(struct ledger *ledger);
