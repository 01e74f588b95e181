/* triplet.h -- what greylisting remembers of one sender that was deferred.
 *
 *	nothing --> waiting --(back after delay, within window)--> passed --> ... forgotten
 *	              |  ^ too early: still waiting, "first" stays
 *	              +--+ after the window: as new
 *
 * One pure function says what an attempt does to it, run by whichever store holds the triplet
 * (the script for Redis says the same in Lua; a test compares them).  The text of a triplet is
 * its form in every store, and for export: "first=MS last=MS passed=MS passes=N white until=MS";
 * first=0 where it never came, passed=0 or no passed at all where it never passed; white or black
 * only where an administrator has said so, and until only where he has said how long.
 *
 * A colour that ends leaves behind what the triplet is by its own: mail that is let through
 * because it is white waits as any other meanwhile, denied mail moves nothing.
 *
 * Statements with other times may share a triplet: whoever was let through by a shorter delay is
 * early for a longer one until that is over, too.
 *
 * At the edges (measured): back at delay passes, a millisecond before does not; back at window
 * and at keep is in time, a millisecond later is not; at until a colour has ended.  Times are
 * clamped to 1 to UTC_MS_MAX.
 * Source: RFC 6647; postgrey's windows (a retry restarts nothing; only the first return is held
 * to the window).
 */
#pragma once
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>

enum { TRIPLET_TEXT_MAX = 192, TRIPLET_TRIES_MAX = 1000000 };

enum triplet_colour { TRIPLET_PLAIN, TRIPLET_WHITE, TRIPLET_BLACK };

struct triplet {
	int64_t first_ms; /* 0: it never came, and is only coloured */
	int64_t last_ms;
	int64_t passed_ms; /* when it came back in time; 0: never yet */
	int64_t passes;    /* how often it was let through */
	enum triplet_colour colour;
	int64_t until_ms; /* so long it has the colour; 0: as long as it is kept */
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
	TRIPLET_PASSED,  /* the first return in time, for this delay */
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
 * a white or a black one keep after its last try; none before the time that its colour was given
 * for is over.  From then on it is judged as EXPIRED, which is NEW but for the name. */
int64_t triplet_expires_ms(const struct triplet *triplet, const struct triplet_terms *terms);

/** The colour that it has now. */
enum triplet_colour triplet_colour_at(const struct triplet *triplet, int64_t now_ms);

MUST_USE enum err triplet_parse(struct span text, struct triplet *triplet_out);
void text_add_triplet(struct text *text, const struct triplet *triplet);

/** The colour alone, as it stands in a triplet's text: "", "white", "black until=MS".
 *
 * @param triplet  its colour and until are written, unless ERR_SYNTAX or ERR_LIMIT
 */
MUST_USE enum err triplet_colour_parse(struct span words, struct triplet *triplet);
void text_add_triplet_colour(struct text *text, const struct triplet *triplet);

/** The one item of a FACT_GREYLIST, what was known before the attempt, in seconds before now:
 * "first=304 last=2.5 passes=0", "first=.. last=.. passed=.. passes=3 white left=30"; left is how
 * long the colour lasts from now on. */
void text_add_triplet_item(struct text *text, const struct triplet *before, int64_t now_ms);
MUST_USE enum err triplet_item_parse(struct span item, int64_t now_ms, struct triplet *before_out);
