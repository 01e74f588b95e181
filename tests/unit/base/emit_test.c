/* emit_test.c -- JSON under construction. */
#include "base/emit.h"

#include <math.h>
#include <stdlib.h>

#include "../unit.h"

static void check_taken(struct emit *emit, const char *want)
{
	char *text = emit_take(emit);

	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
}

static void texts_are_escaped(void **state)
{
	static const struct {
		const char *name;
		struct span text;
		const char *want;
	} cases[] = {
		{ "empty", SPAN_INIT(""), "\"\"" },
		{ "plain", SPAN_INIT("a b~"), "\"a b~\"" },
		{ "quote, backslash", SPAN_INIT("\"\\"), "\"\\\"\\\\\"" },
		{ "line ends", SPAN_INIT("\n\t\r"), "\"\\n\\t\\u000d\"" },
		{ "NUL, DEL", SPAN_INIT("\0\177"), "\"\\u0000\\u007f\"" },
		{ "UTF-8", SPAN_INIT("\303\251\360\237\230\200"), "\"\303\251\360\237\230\200\"" },
		{ "C1, bidi, line separator", SPAN_INIT("\302\233\342\200\256\342\200\250"),
		  "\"\\u009b\\u202e\\u2028\"" },
		{ "no UTF-8", SPAN_INIT("a\377\303"), "\"a\\ufffd\\ufffd\"" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct emit emit = { 0 };

		emit_text(&emit, cases[i].text);
		check_taken(&emit, cases[i].want);
	}
}

static void values_stand_between_commas(void **state)
{
	struct emit emit = { 0 };

	(void)state;
	emit_begin(&emit, '{');
	emit_key(&emit, SPAN("a"));
	emit_begin(&emit, '[');
	emit_int(&emit, INT64_MIN);
	emit_begin(&emit, '[');
	emit_end(&emit, ']');
	emit_null(&emit);
	emit_bool(&emit, true);
	emit_end(&emit, ']');
	emit_key(&emit, SPAN("b"));
	emit_raw(&emit, SPAN("{}"));
	emit_end(&emit, '}');
	check_taken(&emit, "{\"a\":[-9223372036854775808,[],null,true],\"b\":{}}");
	check_taken(&emit, "");
}

static void doubles_are_plain(void **state)
{
	static const struct {
		double number;
		const char *want;
	} cases[] = {
		{ 0, "0" },           { -1.5, "-1.5" },     { 4.35, "4.35" },
		{ 0.1 + 0.2, "0.3" }, { 1e20, "1e+20" },    { 8.882e-16, "8.882e-16" },
		{ NAN, "null" },      { INFINITY, "null" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct emit emit = { 0 };

		emit_double(&emit, cases[i].number);
		check_taken(&emit, cases[i].want);
	}
}

static void too_long_a_text_fails_for_good(void **state)
{
	static char block[1024 * 1024];
	struct emit emit = { 0 };

	(void)state;
	memset(block, ' ', sizeof(block));
	for (size_t i = 0; i <= EMIT_BYTES_MAX / sizeof(block); i++)
		emit_raw(&emit, span_of(block, sizeof(block)));
	emit_int(&emit, 1);
	assert_null(emit_take(&emit));
	emit_int(&emit, 1);
	emit_clear(&emit);
	emit_int(&emit, 2);
	check_taken(&emit, "2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_escaped),
		cmocka_unit_test(values_stand_between_commas),
		cmocka_unit_test(doubles_are_plain),
		cmocka_unit_test(too_long_a_text_fails_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
