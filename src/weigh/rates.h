/* rates.h -- how much in how long: "100/1h, 500/1d".
 *
 * Amounts are messages, recipients or bytes (10M); periods slide: at most so much in any
 * stretch of that length.
 */
#pragma once
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>

enum { RATES_MAX = 4, RATES_TEXT_MAX = 160, RATE_PERIOD_MS_MIN = 1000 };

#define RATE_PERIOD_MS_MAX (INT64_C(400) * 24 * 3600 * 1000)
#define RATE_MOST_MAX      INT64_C(1000000000000000) /* exact in a double, twice over */

struct rate {
	int64_t most;      /* 0: nothing at all */
	int64_t period_ms; /* RATE_PERIOD_MS_MIN to RATE_PERIOD_MS_MAX */
};

/* No rates at all: no limit. */
struct rates {
	struct rate rate[RATES_MAX];
	uint8_t count;
};

/** "100/1h", "100/1h, 500/1d", "10M/1d 100M/30d"; "none" and "" are no rates.
 *
 * @return ERR_SYNTAX; ERR_LIMIT: too many, a period or an amount out of range, or a period that
 *         stands twice
 */
MUST_USE enum err rates_parse(struct span s, struct rates *rates_out);

/** The rate of that period; NULL: none. */
const struct rate *rates_find(const struct rates *rates, int64_t period_ms);

/** As rates_parse() reads it: "100/1h, 500/1d", or "none". */
void text_add_rates(struct text *text, const struct rates *rates);

/** "1h", "90s", "250ms": the largest of d, h, m, s and ms in which it is a whole number. */
void text_add_duration(struct text *text, int64_t ms);

/** Seconds with what is left of a second as decimals: "351.204"; below 0: "0". */
void text_add_seconds(struct text *text, int64_t ms);
/** @return ERR_SYNTAX, ERR_LIMIT: below 0, or more than 1e12 */
MUST_USE enum err seconds_parse(struct span s, int64_t *ms_out);
