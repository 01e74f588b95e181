/* utc_test.c -- points of time as text. */
#include "base/utc.h"

#include "../unit.h"

static void times_are_read_and_written(void **state)
{
	static const struct {
		const char *text;
		enum err want;
		int64_t ms;
		const char *again;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", OK, 0, "1970-01-01T00:00:00.000Z" },
		{ "2000-02-29t12:00:00.5z", OK, 951825600500, "2000-02-29T12:00:00.500Z" },
		{ "2026-11-20T10:41:07.1239Z", OK, 1795171267123, "2026-11-20T10:41:07.123Z" },
		{ "2016-12-31T23:59:60Z", OK, 1483228800000, "2017-01-01T00:00:00.000Z" },
		{ "2100-03-01T00:00:00Z", OK, 4107542400000, "2100-03-01T00:00:00.000Z" },
		{ "9999-12-31T23:59:59.999Z", OK, UTC_MS_MAX, "9999-12-31T23:59:59.999Z" },
		{ "9999-12-31T23:59:60Z", ERR_SYNTAX, 0, NULL },
		{ "1969-12-31T23:59:59Z", ERR_SYNTAX, 0, NULL },
		{ "2100-02-29T00:00:00Z", ERR_SYNTAX, 0, NULL },
		{ "2026-13-01T00:00:00Z", ERR_SYNTAX, 0, NULL },
		{ "2026-00-01T00:00:00Z", ERR_SYNTAX, 0, NULL },
		{ "2026-01-00T00:00:00Z", ERR_SYNTAX, 0, NULL },
		{ "2026-01-01T24:00:00Z", ERR_SYNTAX, 0, NULL },
		{ "2026-01-01T00:60:00Z", ERR_SYNTAX, 0, NULL },
		{ "2026-01-01T00:00:61Z", ERR_SYNTAX, 0, NULL },
		{ "2026-01-01T00:00:00.Z", ERR_SYNTAX, 0, NULL },
		{ "2026-01-01T00:00:00", ERR_SYNTAX, 0, NULL },
		{ "2026-01-01T00:00:00+01:00", ERR_SYNTAX, 0, NULL },
		{ "2026-1-01T00:00:00Z", ERR_SYNTAX, 0, NULL },
		{ "", ERR_SYNTAX, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t ms = 0;
		TEXT(again, 32);

		if (utc_parse(span_cstr(cases[i].text), &ms) != cases[i].want)
			fail_msg("%s", cases[i].text);
		if (ms != cases[i].ms)
			fail_msg("%s: %lld", cases[i].text, (long long)ms);
		if (cases[i].want != OK)
			continue;
		text_add_utc(&again, ms);
		assert_string_equal(text_cstr(&again), cases[i].again);
	}
}

static void times_out_of_range_are_the_nearest(void **state)
{
	TEXT(text, 64);

	(void)state;
	text_add_utc(&text, -1);
	text_add_utc(&text, INT64_MAX);
	assert_string_equal(text_cstr(&text), "1970-01-01T00:00:00.000Z9999-12-31T23:59:59.999Z");
}

/* Each day of four centuries, there and back. */
static void every_day_comes_back(void **state)
{
	enum { DAYS = 146097, DAY_MS = 24 * 60 * 60 * 1000 };

	(void)state;
	for (int64_t day = 0; day < DAYS; day++) {
		int64_t ms = 0;
		TEXT(text, 32);

		text_add_utc(&text, day * DAY_MS + 1);
		assert_int_equal(utc_parse(text_span(&text), &ms), OK);
		assert_true(ms == day * DAY_MS + 1);
	}
}

static void mail_dates_are_written(void **state)
{
	static const struct {
		const char *utc, *want;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 +0000" },
		{ "2000-02-29T23:59:59.999Z", "Tue, 29 Feb 2000 23:59:59 +0000" },
		{ "2026-11-20T10:41:07Z", "Fri, 20 Nov 2026 10:41:07 +0000" },
		{ "9999-12-31T23:59:59Z", "Fri, 31 Dec 9999 23:59:59 +0000" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t ms = 0;
		TEXT(date, UTC_MAIL_DATE_MAX);

		assert_int_equal(utc_parse(span_cstr(cases[i].utc), &ms), OK);
		text_add_mail_date(&date, ms);
		assert_string_equal(text_cstr(&date), cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_dates_are_written),
		cmocka_unit_test(times_are_read_and_written),
		cmocka_unit_test(times_out_of_range_are_the_nearest),
		cmocka_unit_test(every_day_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
