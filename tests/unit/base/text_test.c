/* text_test.c -- bounded texts with a sticky overrun. */
#include "base/text.h"

#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>

static void keeps_to_its_room(void **state)
{
	TEXT(text, 4);

	(void)state;
	text_add(&text, SPAN("abcd"));
	assert_false(text.overrun);
	assert_string_equal(text_cstr(&text), "abcd");
	text_add_char(&text, 'e');
	assert_true(text.overrun);
	check_span(text_span(&text), SPAN("abcd"), "what fitted");
}

static void overrun_is_sticky(void **state)
{
	TEXT(text, 4);

	(void)state;
	text_add(&text, SPAN("abcde"));
	assert_true(text.overrun);
	text_add(&text, SPAN("a"));
	text_addf(&text, "%d", 1);
	text_add_lower(&text, SPAN("A"));
	assert_int_equal(text.len, 0);
	text_clear(&text);
	text_add_lower(&text, SPAN("AbC"));
	check_span(text_span(&text), SPAN("abc"), "after clear");
}

static void writes_integers(void **state)
{
	TEXT(text, 64);

	(void)state;
	text_add_int(&text, INT64_MIN);
	text_add_char(&text, ' ');
	text_add_int(&text, 0);
	text_add_char(&text, ' ');
	text_add_int(&text, INT64_MAX);
	assert_string_equal(text_cstr(&text), "-9223372036854775808 0 9223372036854775807");
}

/* Every number must come out as printf's %.15g writes it: the short way is only faster. */
static void writes_doubles_as_printf(void **state)
{
	static const double odd[] = {
		0,         1.5,         -1.5,     0.1 + 0.2, 8.88178419700125e-16,
		4.35,      -0.31,       1e15,     -1e-5,     138.8,
		60.635,    29.475,      1e300,    0.00005,   123456.7891,
		-999.9999, 99999.99999, 1.0 / 3.0
	};
	char want[64];

	(void)state;
	for (size_t i = 0; i < 200000 + COUNT(odd); i++) {
		double number = i < COUNT(odd) ? odd[i] : ((double)i - 100000) / 1000.0;
		TEXT(text, 64);

		text_add_double(&text, number);
		snprintf(want, sizeof(want), "%.15g", number);
		assert_string_equal(text_cstr(&text), want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_to_its_room),
		cmocka_unit_test(overrun_is_sticky),
		cmocka_unit_test(writes_integers),
		cmocka_unit_test(writes_doubles_as_printf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
