/* utc.h -- points of time as text, in UTC: 2026-11-20T10:41:07.123Z
 *
 * Source: RFC 3339 section 5.6.  Times are milliseconds since 1970; earlier ones do not occur.
 */
#pragma once
#include "base/err.h"
#include "base/text.h"

enum { UTC_MAIL_DATE_MAX = 31 };

#define UTC_MS_MAX INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

/** Any RFC 3339 time with zone Z; what is finer than a millisecond is dropped, a leap second is
 * the first one of the next minute.
 */
MUST_USE enum err utc_parse(struct span s, int64_t *ms_out);

/** "Fri, 20 Nov 2026 10:41:07 +0000": as headers write it (RFC 5322 section 3.3). */
void text_add_mail_date(struct text *text, int64_t ms);

/** Always with three decimals.  Times out of range are written as the nearest in range. */
void text_add_utc(struct text *text, int64_t ms);
