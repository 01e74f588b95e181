/* walk.h -- the way of one attempt through a policy.
 *
 *	attempt -> walk_run -> settled: verdict
 *	              |  ^
 *	   ordered    v  |  answers (ledger_answered)
 *	            sources
 *
 * walk_run goes through the statements from top to bottom; the first verdict wins.  While a
 * statement is undecided it goes on only to order facts, not to act.  It is run again when
 * all facts that were asked for have come, at the deadline, after ledger_close_to_dns(), and
 * at the latest after ledger_close(), when it always settles.
 */
#pragma once
#include "weigh/policy.h"
#include "weigh/tally.h"

enum { WARNINGS_MAX = 8, SUMMARY_TEXT_MAX = 900 };

/* What a greylist statement came to; the last one that was reached. */
struct greylisted {
	const struct statement *statement; /* NULL: none was reached, or nothing was to greylist */
	bool is_failed;                    /* the store did not answer */
	bool is_trusted;                   /* nothing was looked up: the client is trusted */
	enum triplet_outcome outcome;
	int64_t wait_s;
	int64_t delayed_s; /* since the first try */
	bool had_passed;   /* before this attempt, by whatever statement */
	bool has_header;   /* the mail has been given the header that tells of it */
	struct span key;
};

/* What a limit statement came to. */
struct limited {
	bool is_reached; /* it was counted */
	bool is_failed;
	bool is_over, is_first; /* first: of its window: a notice is due */
	int64_t used, most;     /* of the fullest window; most -1: no limit */
	int64_t period_ms;
	int64_t wait_s;
	struct span key;
};

struct warning {
	struct span text;
	const struct statement *statement;
};

struct walk {
	/* given */
	const struct policy *policy;
	const struct attempt *attempt;
	struct ledger *ledger;
	/* found; findings[n] is of the weigh statement of ordinal n */
	struct findings *findings; /* weigh_count of them, in the arena */
	bool *is_weighed;          /* findings[n] is settled and in the score */
	bool *is_skipped;          /* its condition did not hold, or the walk ended before it */
	struct value *variable;    /* variable_count of them */
	double score;
	bool is_scored; /* some weigh statement was reached */
	bool is_pending;
	uint8_t runs;
	/* decided */
	enum verdict_kind verdict;
	const struct statement *by;  /* what decided; NULL: the end of the policy was reached */
	const struct judgement *own; /* of the check that decided or replied itself, or NULL */
	struct span reply;           /* see walk_reply() */
	struct span prepend[PREPENDS_MAX];
	uint8_t prepend_count;
	struct warning warning[WARNINGS_MAX];
	uint8_t warning_count;
	struct memory memory[REMEMBERS_MAX]; /* what is to be remembered after the verdict */
	uint8_t memory_count;
	struct greylisted greylisted;
	struct limited *limited;          /* limit_count of them, in the arena; by ordinal */
	const struct statement *observed; /* first observed statement that would have decided */
};

/** @return ERR_LIMIT when the arena is full */
MUST_USE enum err walk_init(struct walk *walk, const struct policy *policy,
			    const struct attempt *attempt, struct ledger *ledger);

/** @return true: settled, the verdict stands; false: facts are pending */
bool walk_run(struct walk *walk);

/* How far walk_next_memory() has come; begins zeroed. */
struct memory_cursor {
	unsigned weigh, memory;
};

/** What is to be remembered after the verdict: by statements, and by checks that judge
 * themselves.
 *
 * @return NULL after the last
 */
const struct memory *walk_next_memory(const struct walk *walk, struct memory_cursor *cursor);

/** A text with its holes filled, in the arena; what does not fit is cut.
 *
 * @return false: something in it is pending
 */
bool walk_render(const struct walk *walk, const struct template *template,
		 struct span *rendered_out);

/** Points that each finding gave, in the order of the policy: "zen.exploited" 4.35.
 *
 * @return how many were written, at most max
 */
size_t walk_points(const struct walk *walk, struct weight *weight_out, size_t max);

/** Does weigh statement n lack an answer that could have given points? */
bool walk_is_unknown(const struct walk *walk, unsigned ordinal);

/** Has the store left a question without an answer?  Not: a case that has not recorded it. */
bool walk_store_failed(const struct walk *walk);

/** The answer that the policy wants, as one line "WORD text" of access(5), not yet cleaned:
 * weigh/answer.h writes it.  In mode observe this is still what would have been answered.
 *
 * @param headers_given  prepend[] that the message has got already, by answers before this one
 */
void walk_reply(const struct walk *walk, unsigned headers_given, struct text *reply);
