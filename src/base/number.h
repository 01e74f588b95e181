/* number.h -- numbers, durations and sizes as people write them; never by locale.
 *
 * The whole text must be the number: trailing bytes are ERR_SYNTAX, what does not fit is
 * ERR_LIMIT.
 */
#pragma once
#include "base/err.h"
#include "base/span.h"

#include <stdint.h>

MUST_USE enum err number_parse(struct span s, int64_t *number_out);

/** Digits with an optional sign, fraction and exponent: -1.25, .5, 8.882e-16 */
MUST_USE enum err decimal_parse(struct span s, double *decimal_out);

/** 90s 5m 2h 35d 250ms; a unit is required, except after 0. */
MUST_USE enum err duration_parse(struct span s, int64_t *ms_out);

/** 4096, 64K, 10M, 2G: powers of 1024. */
MUST_USE enum err size_parse(struct span s, int64_t *bytes_out);
