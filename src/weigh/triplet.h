/* triplet.h -- what greylisting remembers of one sender that was deferred.
 *
 *	nothing --> waiting --(back after delay, within window)--> passed --> ... forgotten
 *	              |  ^ too early: still waiting, "first" stays
 *	              +--+ after the window: as new
 *
 * One pure function says what an attempt does to it, run by whichever store holds the triplet
 * (the script for Redis says the same in Lua; a test compares them).  The text of a triplet is
 * its form in every store, and for export: "first=MS last=MS passed=MS passes=N white"; passed=0 or
 * no passed at all where it never passed; the last word, white or black, only where an
 * administrator has said so.
 *
 * At the edges (measured): back at delay passes, a millisecond before does not; back at window
 * and at keep is in time, a millisecond later is not.  Times are clamped to 1 to UTC_MS_MAX.
 * Source: RFC 6647; postgrey's windows (a retry restarts nothing; only the first return is held
 * to the window).
 */
#pragma once
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>

enum { TRIPLET_TEXT_MAX = 160, TRIPLET_TRIES_MAX = 1000000 };

enum triplet_colour { TRIPLET_PLAIN, TRIPLET_WHITE, TRIPLET_BLACK };

struct triplet {
	int64_t first_ms;
	int64_t last_ms;
	int64_t passed_ms; /* when it came back in time; 0: never yet */
	int64_t passes;    /* how often it was let through */
	enum triplet_colour colour;
};

struct triplet_terms {
	int64_t delay_ms;
	int64_t window_ms; /* from the first try: how long it may take to come back */
	int64_t keep_ms;   /* from the last try, once it has passed */
};

enum triplet_outcome {
	TRIPLET_NEW,     /* never seen: deferred */
	TRIPLET_EARLY,   /* back before the delay was over: deferred */
	TRIPLET_EXPIRED, /* back after the window, or unseen for too long: deferred, as new */
	TRIPLET_PASSED,  /* the first return in time */
	TRIPLET_KNOWN,   /* has returned before */
	TRIPLET_ALLOWED, /* white: an administrator said so */
	TRIPLET_DENIED,  /* black */
	TRIPLET_OUTCOME_COUNT
};

struct span triplet_outcome_name(enum triplet_outcome outcome); /* "new", "early", ... */

/** Is the mail to be deferred? */
static inline bool triplet_waits(enum triplet_outcome outcome)
{
	return outcome <= TRIPLET_EXPIRED;
}

/** What an attempt now is, with what is known before it; before is NULL: nothing.  Times in the
 * future are taken as now.
 */
enum triplet_outcome triplet_judge(const struct triplet *before, const struct triplet_terms *terms,
				   int64_t now_ms);

/** Seconds, rounded up, until it may pass; 0 where it need not wait. */
int64_t triplet_wait_s(const struct triplet *before, const struct triplet_terms *terms,
		       int64_t now_ms);

/** What is to be remembered after it.
 *
 * @param before  NULL: nothing
 */
struct triplet triplet_after(const struct triplet *before, const struct triplet_terms *terms,
			     int64_t now_ms);

/** From when on it is forgotten: a waiting one behind the end of its window; one that has passed,
 * a white or a black one keep after its last try.  From then on it is judged as EXPIRED, which is
 * NEW but for the name. */
int64_t triplet_expires_ms(const struct triplet *triplet, const struct triplet_terms *terms);

MUST_USE enum err triplet_parse(struct span text, struct triplet *triplet_out);
void text_add_triplet(struct text *text, const struct triplet *triplet);

/** The one item of a FACT_GREYLIST, what was known before the attempt, in seconds before now:
 * "first=304 last=2.5 passes=0", "first=.. last=.. passed=.. passes=3 white". */
void text_add_triplet_item(struct text *text, const struct triplet *before, int64_t now_ms);
MUST_USE enum err triplet_item_parse(struct span item, int64_t now_ms, struct triplet *before_out);
