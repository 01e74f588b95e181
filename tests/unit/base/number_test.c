/* number_test.c -- numbers, durations and sizes as people write them. */
#include "base/number.h"

#include "../unit.h"

static void parses_numbers(void **state)
{
	static const struct {
		struct span text;
		enum err want;
		int64_t number;
	} cases[] = {
		{ SPAN_INIT("0"), OK, 0 },
		{ SPAN_INIT("-17"), OK, -17 },
		{ SPAN_INIT("9223372036854775807"), OK, INT64_MAX },
		{ SPAN_INIT("9223372036854775808"), ERR_LIMIT, 0 },
		{ SPAN_INIT(""), ERR_SYNTAX, 0 },
		{ SPAN_INIT("-"), ERR_SYNTAX, 0 },
		{ SPAN_INIT("1 "), ERR_SYNTAX, 0 },
		{ SPAN_INIT("0x10"), ERR_SYNTAX, 0 },
		{ SPAN_INIT("+1"), ERR_SYNTAX, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t number = 4711;

		assert_int_equal(number_parse(cases[i].text, &number), cases[i].want);
		assert_int_equal(number, cases[i].want == OK ? cases[i].number : 4711);
	}
}

static void parses_decimals(void **state)
{
	static const struct {
		struct span text;
		enum err want;
		double decimal;
	} cases[] = {
		{ SPAN_INIT("1.5"), OK, 1.5 },
		{ SPAN_INIT("-.25"), OK, -0.25 },
		{ SPAN_INIT("4."), OK, 4 },
		{ SPAN_INIT("8.882e-16"), OK, 8.882e-16 },
		{ SPAN_INIT("inf"), ERR_SYNTAX, 0 },
		{ SPAN_INIT("nan"), ERR_SYNTAX, 0 },
		{ SPAN_INIT("0x1p3"), ERR_SYNTAX, 0 },
		{ SPAN_INIT("1,5"), ERR_SYNTAX, 0 },
		{ SPAN_INIT("1e"), ERR_SYNTAX, 0 },
		{ SPAN_INIT("1e999"), ERR_LIMIT, 0 },
		{ SPAN_INIT(""), ERR_SYNTAX, 0 },
		{ SPAN_INIT("."), ERR_SYNTAX, 0 },
		{ SPAN_INIT("1-2"), ERR_SYNTAX, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		double decimal = 4711;

		assert_int_equal(decimal_parse(cases[i].text, &decimal), cases[i].want);
		assert_true(decimal == (cases[i].want == OK ? cases[i].decimal : 4711));
	}
}

static void parses_durations_and_sizes(void **state)
{
	int64_t n = 4711;

	(void)state;
	assert_int_equal(duration_parse(SPAN("250ms"), &n), OK);
	assert_int_equal(n, 250);
	assert_int_equal(duration_parse(SPAN("35d"), &n), OK);
	assert_int_equal(n, 35LL * 24 * 60 * 60 * 1000);
	assert_int_equal(duration_parse(SPAN("0"), &n), OK);
	assert_int_equal(n, 0);
	assert_int_equal(duration_parse(SPAN("5"), &n), ERR_SYNTAX);
	assert_int_equal(duration_parse(SPAN("5 m"), &n), ERR_SYNTAX);
	assert_int_equal(duration_parse(SPAN("9223372036854775807d"), &n), ERR_LIMIT);
	assert_int_equal(size_parse(SPAN("10M"), &n), OK);
	assert_int_equal(n, 10 * 1024 * 1024);
	assert_int_equal(size_parse(SPAN("4096"), &n), OK);
	assert_int_equal(n, 4096);
	assert_int_equal(size_parse(SPAN("10MB"), &n), ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_numbers),
		cmocka_unit_test(parses_decimals),
		cmocka_unit_test(parses_durations_and_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
