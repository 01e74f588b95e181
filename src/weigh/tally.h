/* tally.h -- what a limit has counted under one key, and what one attempt more does to it.
 *
 * A tally has a window for each period: a queue of amounts with their times, newest last.  An
 * entry counts while it is not older than the period, so that in no stretch of that length more
 * than the limit is let through.  While a window has fewer than TALLY_EXACT entries they are kept
 * as they came; beyond that a new one joins the last, with the later time, where it comes less
 * than a grain (1/TALLY_EXACT of the period, rounded up) after the one before the last.  So a
 * window is bounded, and errs by less than 1 % of the period, on the strict side.  A full window
 * is gone over from its oldest entry with the same rule, which always makes room.
 *
 * When the rates change, a new period begins with what the window of the next longer period (or
 * else the longest) has; windows of other periods are kept and charged while there is room for
 * RATES_MAX, the shortest going first: two policies may count under one name.
 *
 * Counting is one pure function, run by whichever store holds the tally (the script for Redis
 * says the same in Lua; a test compares them).  A tally's text is its form in every store (but in
 * a Redis server, store/redis_record.c), and for export: sections with "; " between them, in this
 * order,
 *
 *	window PERIOD_MS USED MS+AMOUNT,MS+AMOUNT...	a window; oldest first; shortest first
 *	seen HASH+AMOUNT+MS,HASH-AMOUNT+MS...		what was counted once; "-": it was refused
 *	raised UNTIL_MS RATES				by an administrator, for a time
 *	over UNTIL_MS REFUSED				a notice was given, none more until then;
 *							so many were refused since, the first too
 *
 * An empty window is not written.  HASH has 16 digits.  A tally without a section is "raised 0
 * none".
 */
#pragma once
#include "weigh/rates.h"

enum {
	TALLY_EXACT = 128,
	TALLY_ENTRIES_MAX = 2 * TALLY_EXACT + 2, /* of a window */
	TALLY_SEEN_MAX = 128,                    /* the one counted longest ago is forgotten */
	TALLY_TEXT_MAX = 48 * 1024,
	TALLY_ITEM_MAX = 120, /* bytes of one item of a FACT_TALLY */
};

struct tally_entry {
	int64_t at_ms;
	int64_t amount;
};

struct tally_window {
	int64_t period_ms;
	int64_t used; /* sum of the amounts; at most RATE_MOST_MAX */
	uint16_t count;
	struct tally_entry entry[TALLY_ENTRIES_MAX];
};

struct tally_seen {
	uint64_t hash;
	int64_t amount; /* counted so far for it */
	int64_t at_ms;  /* when last something was; forgotten after the longest period */
	bool is_refused;
};

struct tally {
	uint8_t window_count;
	struct tally_window window[RATES_MAX]; /* by period, shortest first */
	uint16_t seen_count;
	struct tally_seen seen[TALLY_SEEN_MAX]; /* oldest first */
	struct rates raised;
	int64_t raised_until_ms; /* 0: not raised */
	int64_t noticed_until_ms;
	int64_t refused; /* since the notice, the one that gave it included */
};

/* What is to be counted: a limit's request to the store. */
struct tally_count {
	struct rates rates;
	int64_t amount;
	/* What must be counted once: a message's instance, or the value that is to be distinct;
	 * hashed by tally_once().  0: nothing.  With is_total, amount is all of it so far, and
	 * only what exceeds what was counted under once before is added; without, amount is
	 * added, and once remembers the sum.  What was refused while counts_refused adds nothing
	 * when it is seen again, but is judged again. */
	uint64_t once;
	bool is_total;
	/* once is a value, and values that differ are counted (amount is 1): each once in every
	 * window, by when it was last seen. */
	bool is_distinct;
	bool counts_refused;    /* what is refused uses up the limit, too */
	struct rates raise;     /* an administrator raises the limit ... */
	int64_t raise_until_ms; /* ... so long; 0: he does not; in the past: no longer */
};

/* What became of it; this attempt is in used, whether it was refused or not. */
struct tally_result {
	uint8_t count; /* of windows; as in the rates that were in force */
	struct tally_use {
		int64_t period_ms; /* 0: of every period (a case that gives a number alone) */
		int64_t used;
		int64_t most;    /* where an administrator has raised it; else -1 */
		int64_t wait_ms; /* until the amount would fit, or the whole period where it never
				  * does; 0: now */
	} use[RATES_MAX];
	bool is_first; /* the first that is over since the last notice's window ended */
	bool is_free;  /* nothing was to be added: never over */
};

/** What a value is counted once under: a hash, the same on all hosts and for ever; never 0. */
uint64_t tally_once(struct span value);

/** What use is held against: what an administrator has raised it to, else the most of its period
 * in rates (of any period: the smallest); -1: no rate speaks of it. */
int64_t tally_most(const struct tally_use *use, const struct rates *rates);

/** Is it over, for rates?  What is raised counts instead of the most of rates; a result of every
 * period (period_ms 0) is held against each.
 *
 * @return the index in use of the window that is over and whose wait is longest; -1: not over
 */
int tally_over(const struct tally_result *result, const struct rates *rates);

/** Count.
 *
 * All windows are charged or none.  An attempt that adds nothing is never over, unless it is one
 * that was refused and counted.  A refused attempt is charged only with counts_refused.  Times in
 * the future are taken as now; amounts are clamped to 0 to RATE_MOST_MAX.  Without rates nothing
 * is counted.  To raise a limit, or to look at it, count an amount of 0.  now_ms is clamped to
 * 1 to UTC_MS_MAX - RATE_PERIOD_MS_MAX.
 *
 * @param tally  what was there; a zeroed one where there was nothing.  Written.
 * @return true: tally has changed in more than that old entries have left it
 */
bool tally_count(struct tally *tally, const struct tally_count *count, int64_t now_ms,
		 struct tally_result *result_out);

/** From when on all of it is forgotten; now where nothing is in it. */
int64_t tally_expires_ms(const struct tally *tally, int64_t now_ms);

/** @param tally_out  emptied unless OK
 * @return ERR_SYNTAX, ERR_LIMIT: what a store holds is none of ours: a miss */
MUST_USE enum err tally_parse(struct span text, struct tally *tally_out);
/** text has room for TALLY_TEXT_MAX. */
void text_add_tally(struct text *text, const struct tally *tally);

/** The item of a FACT_TALLY for one window: "101/1h", "101/1h wait=351.204 most=500 first",
 * "5/1h free"; first stands at the window whose wait is longest. */
void text_add_tally_use(struct text *text, const struct tally_result *result, unsigned window);
/** One item more into result, which starts zeroed; a number alone is used of every period.
 *
 * @return ERR_SYNTAX; ERR_LIMIT: out of range, or more than RATES_MAX; result stays as it was
 */
MUST_USE enum err tally_item_parse(struct span item, struct tally_result *result);
