/* text.c -- bounded texts with a sticky overrun. */
#include "base/text.h"

#include "base/ensure.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static size_t text_left(const struct text *text)
{
	return text->overrun ? 0 : text->room - 1 - text->len;
}

void text_add_lower(struct text *text, struct span s)
{
	if (s.len > text_left(text)) {
		text->overrun = true;
		return;
	}
	for (size_t i = 0; i < s.len; i++)
		text->at[text->len + i] = ascii_lower(s.at[i]);
	text->len += s.len;
}

void text_add_int(struct text *text, int64_t number)
{
	char digits[24];
	size_t i = sizeof(digits);
	uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

	do {
		digits[--i] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (number < 0)
		digits[--i] = '-';
	text_add(text, span_of(digits + i, sizeof(digits) - i));
}

/* Scores are small numbers of few decimals; for them integers are ten times as fast as printf. */
static bool text_add_short_decimal(struct text *text, double number)
{
	enum { DECIMALS = 4, SCALE = 10000 };
	int64_t whole = (int64_t)(number * SCALE + (number < 0 ? -0.5 : 0.5));
	int64_t size = whole < 0 ? -whole : whole;
	int64_t fraction = size % SCALE;

	if ((double)whole / SCALE != number)
		return false;
	if (whole < 0)
		text_add_char(text, '-');
	text_add_int(text, size / SCALE);
	if (fraction == 0)
		return true;
	text_add_char(text, '.');
	for (int64_t digit = SCALE / 10; fraction > 0; digit /= 10) {
		text_add_char(text, (char)('0' + fraction / digit));
		fraction %= digit;
	}
	return true;
}

void text_add_double(struct text *text, double number)
{
	if (fabs(number) < 1e9 && text_add_short_decimal(text, number))
		return;
	text_addf(text, "%.15g", number);
}

void text_addf(struct text *text, const char *format, ...)
{
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = vsnprintf(text->at + text->len, text->room - text->len, format, arguments);
	va_end(arguments);
	ENSURE(len >= 0);
	if ((size_t)len > text_left(text))
		text->overrun = true;
	else
		text->len += (size_t)len;
}

const char *text_cstr(struct text *text)
{
	text->at[text->len] = '\0';
	return text->at;
}
