/* rates_test.c -- how much in how long, read and written. */
#include "../unit.h"

#include "weigh/rates.h"

static void test_parses(void **state)
{
	static const struct {
		const char *name;
		struct span text;
		enum err want;
		struct span written;
	} cases[] = {
		{ "one", SPAN_INIT("100/1h"), OK, SPAN_INIT("100/1h") },
		{ "two", SPAN_INIT("100/1h, 500/1d"), OK, SPAN_INIT("100/1h, 500/1d") },
		{ "blanks alone", SPAN_INIT(" 100/1h\t500/1d "), OK, SPAN_INIT("100/1h, 500/1d") },
		{ "comma alone", SPAN_INIT("100/1h,500/1d"), OK, SPAN_INIT("100/1h, 500/1d") },
		{ "sizes", SPAN_INIT("10M/1d 2K/90s"), OK, SPAN_INIT("10485760/1d, 2048/90s") },
		{ "nothing at all goes", SPAN_INIT("0/1h"), OK, SPAN_INIT("0/1h") },
		{ "none", SPAN_INIT("none"), OK, SPAN_INIT("none") },
		{ "empty", SPAN_INIT("  "), OK, SPAN_INIT("none") },
		{ "weeks are days", SPAN_INIT("1/1w"), OK, SPAN_INIT("1/7d") },
		{ "as many as may be", SPAN_INIT("1/1s 1/2s 1/3s 1/4s"), OK,
		  SPAN_INIT("1/1s, 1/2s, 1/3s, 1/4s") },
		{ "one more", SPAN_INIT("1/1s 1/2s 1/3s 1/4s 1/5s"), ERR_LIMIT, SPAN_INIT("") },
		{ "a period twice", SPAN_INIT("1/60s, 2/1m"), ERR_LIMIT, SPAN_INIT("") },
		{ "shortest", SPAN_INIT("1/1000ms"), OK, SPAN_INIT("1/1s") },
		{ "too short", SPAN_INIT("1/999ms"), ERR_LIMIT, SPAN_INIT("") },
		{ "longest", SPAN_INIT("1/400d"), OK, SPAN_INIT("1/400d") },
		{ "too long", SPAN_INIT("1/34560000001ms"), ERR_LIMIT, SPAN_INIT("") },
		{ "most", SPAN_INIT("1000000000000000/1h"), OK, SPAN_INIT("1000000000000000/1h") },
		{ "too much", SPAN_INIT("1000000000000001/1h"), ERR_LIMIT, SPAN_INIT("") },
		{ "no number", SPAN_INIT("99999999999999999999/1h"), ERR_LIMIT, SPAN_INIT("") },
		{ "negative", SPAN_INIT("-1/1h"), ERR_SYNTAX, SPAN_INIT("") },
		{ "no period", SPAN_INIT("100"), ERR_SYNTAX, SPAN_INIT("") },
		{ "no unit", SPAN_INIT("100/60"), ERR_SYNTAX, SPAN_INIT("") },
		{ "no amount", SPAN_INIT("/1h"), ERR_SYNTAX, SPAN_INIT("") },
		{ "comma at the end", SPAN_INIT("1/1h,"), ERR_SYNTAX, SPAN_INIT("") },
		{ "two commas", SPAN_INIT("1/1h,,1/1d"), ERR_SYNTAX, SPAN_INIT("") },
		{ "comma in front", SPAN_INIT(",1/1h"), ERR_SYNTAX, SPAN_INIT("") },
		{ "none and one", SPAN_INIT("none, 1/1h"), ERR_SYNTAX, SPAN_INIT("") },
		{ "a NUL", SPAN_INIT("1/1h\0"), ERR_SYNTAX, SPAN_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rates rates = { .count = 99 };
		TEXT(text, RATES_TEXT_MAX);

		if (rates_parse(cases[i].text, &rates) != cases[i].want)
			fail_msg("%s", cases[i].name);
		if (cases[i].want != OK) {
			assert_int_equal(rates.count, 99);
			continue;
		}
		text_add_rates(&text, &rates);
		check_span(text_span(&text), cases[i].written, cases[i].name);
	}
}

static void test_longest_text_fits(void **state)
{
	struct rates rates = { .count = RATES_MAX };
	TEXT(text, RATES_TEXT_MAX);

	(void)state;
	for (int i = 0; i < RATES_MAX; i++)
		rates.rate[i] = (struct rate){ RATE_MOST_MAX, RATE_PERIOD_MS_MAX - 1 - i };
	text_add_rates(&text, &rates);
	assert_false(text.overrun);
}

static void test_finds(void **state)
{
	struct rates rates;

	(void)state;
	assert_int_equal(rates_parse(SPAN("1/1h 2/2h"), &rates), OK);
	assert_int_equal(rates_find(&rates, 7200000)->most, 2);
	assert_null(rates_find(&rates, 7200001));
}

static void test_writes_durations(void **state)
{
	static const struct {
		int64_t ms;
		struct span want;
	} cases[] = {
		{ 0, SPAN_INIT("0s") },           { -5, SPAN_INIT("0s") },
		{ 1, SPAN_INIT("1ms") },          { 250, SPAN_INIT("250ms") },
		{ 1000, SPAN_INIT("1s") },        { 90000, SPAN_INIT("90s") },
		{ 60000, SPAN_INIT("1m") },       { 3600000, SPAN_INIT("1h") },
		{ 5400000, SPAN_INIT("90m") },    { 86400000, SPAN_INIT("1d") },
		{ 3024000000, SPAN_INIT("35d") }, { 90061001, SPAN_INIT("90061001ms") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		TEXT(text, 32);

		text_add_duration(&text, cases[i].ms);
		check_span(text_span(&text), cases[i].want, "duration");
	}
}

static void test_seconds_there_and_back(void **state)
{
	static const struct {
		int64_t ms;
		struct span text;
	} cases[] = {
		{ 0, SPAN_INIT("0") },
		{ 1, SPAN_INIT("0.001") },
		{ 351204, SPAN_INIT("351.204") },
		{ 2500, SPAN_INIT("2.5") },
		{ 304000, SPAN_INIT("304") },
		{ 34560000999, SPAN_INIT("34560000.999") },
	};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		TEXT(text, 32);

		text_add_seconds(&text, cases[i].ms);
		check_span(text_span(&text), cases[i].text, "seconds");
		assert_int_equal(seconds_parse(cases[i].text, &ms), OK);
		assert_int_equal(ms, cases[i].ms);
	}
	assert_int_equal(seconds_parse(SPAN("-1"), &ms), ERR_LIMIT);
	assert_int_equal(seconds_parse(SPAN("1000000000000"), &ms), OK);
	assert_int_equal(seconds_parse(SPAN("1000000000001"), &ms), ERR_LIMIT);
	assert_int_equal(seconds_parse(SPAN("1s"), &ms), ERR_SYNTAX);
	assert_int_equal(seconds_parse(SPAN(""), &ms), ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parses),
		cmocka_unit_test(test_longest_text_fits),
		cmocka_unit_test(test_finds),
		cmocka_unit_test(test_writes_durations),
		cmocka_unit_test(test_seconds_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
