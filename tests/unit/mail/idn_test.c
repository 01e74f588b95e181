/* idn_test.c -- domain names beyond ASCII. */
#include "../unit.h"

#include "mail/idn.h"

static void names_become_a_labels(void **state)
{
	static const struct {
		const char *name;
		struct span raw;
		enum err want;
		const char *ascii;
	} cases[] = {
		{ "a U-label",
		  SPAN_INIT("b\xc3\xbc"
			    "cher.test"),
		  OK, "xn--bcher-kva.test" },
		{ "upper case",
		  SPAN_INIT("B\xc3\x9c"
			    "CHER.test"),
		  OK, "xn--bcher-kva.test" },
		{ "below another label", SPAN_INIT("_x.\xc3\xbc.test"), OK, "_x.xn--tda.test" },
		{ "no UTF-8", SPAN_INIT("b\xfc.test"), ERR_SYNTAX, "" },
		{ "a NUL", SPAN_INIT("\xc3\xbc\0.test"), ERR_SYNTAX, "" },
		{ "no label", SPAN_INIT("\xc2\x80.test"), ERR_SYNTAX, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		TEXT(text, IDN_BYTES_MAX);

		assert_int_equal(text_add_idn(&text, cases[i].raw), cases[i].want);
		check_span(text_span(&text), span_cstr(cases[i].ascii), cases[i].name);
	}
}

static void length_is_bounded(void **state)
{
	static char raw[IDN_BYTES_MAX + 1];
	TEXT(text, IDN_BYTES_MAX);

	(void)state;
	memset(raw, 'a', sizeof(raw));
	assert_int_equal(text_add_idn(&text, span_of(raw, sizeof(raw))), ERR_LIMIT);
	assert_int_equal(text_add_idn(&text, span_of(raw, IDN_BYTES_MAX)), ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_become_a_labels),
		cmocka_unit_test(length_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
