/* classic_number.c -- policyd-weight's rounding (6).
 *
 * It writes the number with 15 digits, finds the point at position k, and keeps k + 3
 * significant digits: three decimals from 1 upwards, four digits below 1.  A text without a
 * point is left alone, and a '-' anywhere, an exponent's too, shortens k by one.
 */
#include "base/ensure.h"
#include "base/number.h"
#include "checks/classic_priv.h"

enum { POINTS_MAX = 1000000000 };

static bool has_three_decimals(double x)
{
	double thousandths = x * 1000;

	return x > -POINTS_MAX && x < POINTS_MAX &&
	       (double)(int64_t)(thousandths + (x < 0 ? -0.5 : 0.5)) / 1000 == x;
}

double classic_round(double x)
{
	TEXT(written, 40);
	double rounded;
	int point;

	if (has_three_decimals(x))
		return x; /* nothing to round */
	text_add_double(&written, x);
	point = (int)span_find(text_span(&written), '.');
	if ((size_t)point == written.len)
		return x;
	if (span_find(text_span(&written), '-') < written.len)
		point--;
	text_clear(&written);
	text_addf(&written, "%.*g", point + 3, x);
	ENSURE(decimal_parse(text_span(&written), &rounded) == OK);
	return rounded;
}
