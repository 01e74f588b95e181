/* rates.c -- how much in how long, as people write it. */
#include "weigh/rates.h"

#include "base/number.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static enum err rate_parse(struct span s, struct rate *rate_out)
{
	size_t slash = span_find(s, '/');
	struct rate rate;
	enum err err;

	if (slash == s.len)
		return ERR_SYNTAX;
	err = size_parse(span_first(s, slash), &rate.most);
	if (err == OK)
		err = duration_parse(span_from(s, slash + 1), &rate.period_ms);
	if (err != OK)
		return err;
	if (rate.most > RATE_MOST_MAX || rate.period_ms < RATE_PERIOD_MS_MIN ||
	    rate.period_ms > RATE_PERIOD_MS_MAX)
		return ERR_LIMIT;
	*rate_out = rate;
	return OK;
}

/* One rate off the front, and a comma or blanks behind it. */
static bool rate_cut(struct span *rest, struct span *rate_out)
{
	size_t len = 0;

	while (len < rest->len && rest->at[len] != ',' && !is_blank(rest->at[len]))
		len++;
	*rate_out = span_first(*rest, len);
	*rest = span_trim(span_from(*rest, len));
	if (span_is_empty(*rest) || rest->at[0] != ',')
		return true;
	*rest = span_trim(span_from(*rest, 1));
	return !span_is_empty(*rest);
}

const struct rate *rates_find(const struct rates *rates, int64_t period_ms)
{
	for (uint8_t i = 0; i < rates->count; i++)
		if (rates->rate[i].period_ms == period_ms)
			return &rates->rate[i];
	return NULL;
}

enum err rates_parse(struct span s, struct rates *rates_out)
{
	struct rates rates = { .count = 0 };
	struct span rest = span_trim(s), one;

	if (span_equal(rest, SPAN("none")))
		rest = SPAN("");
	while (!span_is_empty(rest)) {
		struct rate rate;
		enum err err = rate_cut(&rest, &one) ? rate_parse(one, &rate) : ERR_SYNTAX;

		if (err != OK)
			return err;
		if (rates.count == RATES_MAX || rates_find(&rates, rate.period_ms) != NULL)
			return ERR_LIMIT;
		rates.rate[rates.count++] = rate;
	}
	*rates_out = rates;
	return OK;
}

void text_add_duration(struct text *text, int64_t ms)
{
	static const struct {
		int64_t ms;
		struct span name;
	} unit[] = {
		{ 24 * 60 * 60 * 1000, SPAN_INIT("d") },
		{ 60 * 60 * 1000, SPAN_INIT("h") },
		{ 60 * 1000, SPAN_INIT("m") },
		{ 1000, SPAN_INIT("s") },
		{ 1, SPAN_INIT("ms") },
	};
	size_t i = 0;

	if (ms <= 0) {
		text_add(text, SPAN("0s"));
		return;
	}
	while (ms % unit[i].ms != 0)
		i++;
	text_add_int(text, ms / unit[i].ms);
	text_add(text, unit[i].name);
}

void text_add_rates(struct text *text, const struct rates *rates)
{
	if (rates->count == 0)
		text_add(text, SPAN("none"));
	for (uint8_t i = 0; i < rates->count; i++) {
		if (i > 0)
			text_add(text, SPAN(", "));
		text_add_int(text, rates->rate[i].most);
		text_add_char(text, '/');
		text_add_duration(text, rates->rate[i].period_ms);
	}
}

void text_add_seconds(struct text *text, int64_t ms)
{
	int64_t fraction;

	if (ms < 0)
		ms = 0;
	fraction = ms % 1000;
	text_add_int(text, ms / 1000);
	if (fraction == 0)
		return;
	text_add_char(text, '.');
	for (int64_t digit = 100; fraction > 0; digit /= 10) {
		text_add_char(text, (char)('0' + fraction / digit));
		fraction %= digit;
	}
}

enum err seconds_parse(struct span s, int64_t *ms_out)
{
	const double most_s = 1e12;
	double decimal;
	enum err err = decimal_parse(s, &decimal);

	if (err != OK)
		return err;
	if (decimal < 0 || decimal > most_s)
		return ERR_LIMIT;
	*ms_out = (int64_t)(decimal * 1000 + 0.5);
	return OK;
}
