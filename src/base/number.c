/* number.c -- numbers, durations and sizes as people write them. */
#include "base/number.h"

#include <math.h>
#include <stdlib.h>

/* Digits at the front of s, as a number; the rest goes to rest_out. */
static enum err digits_parse(struct span s, int64_t *number_out, struct span *rest_out)
{
	int64_t number = 0;
	size_t i = 0;

	for (; i < s.len && ascii_is_digit(s.at[i]); i++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, s.at[i] - '0', &number))
			return ERR_LIMIT;
	if (i == 0)
		return ERR_SYNTAX;
	*number_out = number;
	*rest_out = span_from(s, i);
	return OK;
}

enum err number_parse(struct span s, int64_t *number_out)
{
	bool negative = s.len > 0 && s.at[0] == '-';
	struct span rest;
	int64_t number;
	enum err err = digits_parse(span_from(s, negative), &number, &rest);

	if (err != OK)
		return err;
	if (rest.len > 0)
		return ERR_SYNTAX;
	*number_out = negative ? -number : number;
	return OK;
}

/* strtod also takes "inf", "nan", hexadecimal and the locale's comma: none of them here. */
static bool is_plain_decimal(struct span s)
{
	bool digit = false;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];

		if (ascii_is_digit(c))
			digit = true;
		else if (c == 'e' && digit)
			continue;
		else if (c != '.' && !((c == '-' || c == '+') && (i == 0 || s.at[i - 1] == 'e')))
			return false;
	}
	return digit;
}

enum err decimal_parse(struct span s, double *decimal_out)
{
	enum { DECIMAL_BYTES_MAX = 64 };
	char digits[DECIMAL_BYTES_MAX + 1];
	char *end;
	double decimal;

	if (s.len > DECIMAL_BYTES_MAX)
		return ERR_LIMIT;
	if (!is_plain_decimal(s))
		return ERR_SYNTAX;
	memcpy(digits, s.at, s.len);
	digits[s.len] = '\0';
	decimal = strtod(digits, &end);
	if (end != digits + s.len)
		return ERR_SYNTAX;
	if (!isfinite(decimal))
		return ERR_LIMIT;
	*decimal_out = decimal;
	return OK;
}

struct unit {
	struct span name;
	int64_t factor;
};

static enum err unit_parse(struct span s, const struct unit *unit, size_t count, int64_t *out)
{
	struct span rest;
	int64_t number;
	enum err err = digits_parse(s, &number, &rest);

	if (err != OK)
		return err;
	for (size_t i = 0; i < count; i++) {
		if (!span_equal(rest, unit[i].name))
			continue;
		if (__builtin_mul_overflow(number, unit[i].factor, out))
			return ERR_LIMIT;
		return OK;
	}
	return ERR_SYNTAX;
}

enum err duration_parse(struct span s, int64_t *ms_out)
{
	static const struct unit unit[] = {
		{ SPAN_INIT("ms"), 1 },
		{ SPAN_INIT("s"), 1000 },
		{ SPAN_INIT("m"), 60 * 1000 },
		{ SPAN_INIT("h"), 60 * 60 * 1000 },
		{ SPAN_INIT("d"), 24 * 60 * 60 * 1000 },
		{ SPAN_INIT("w"), 7 * 24 * 60 * 60 * 1000 },
	};
	int64_t ms;
	enum err err;

	if (span_equal(s, SPAN("0"))) {
		*ms_out = 0;
		return OK;
	}
	err = unit_parse(s, unit, sizeof(unit) / sizeof(*unit), &ms);
	if (err == OK)
		*ms_out = ms;
	return err;
}

enum err size_parse(struct span s, int64_t *bytes_out)
{
	static const struct unit unit[] = {
		{ SPAN_INIT(""), 1 },
		{ SPAN_INIT("K"), 1024 },
		{ SPAN_INIT("M"), 1024 * 1024 },
		{ SPAN_INIT("G"), 1024 * 1024 * 1024 },
	};
	int64_t bytes;
	enum err err = unit_parse(s, unit, sizeof(unit) / sizeof(*unit), &bytes);

	if (err == OK)
		*bytes_out = bytes;
	return err;
}
