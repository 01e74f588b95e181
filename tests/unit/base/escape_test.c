/* escape_test.c -- strangers' text made safe to show. */
#include "base/escape.h"

#include "../unit.h"

static void escapes(void **state)
{
	static const struct {
		struct span raw, want;
	} cases[] = {
		{ SPAN_INIT("plain <a@b>"), SPAN_INIT("plain <a@b>") },
		{ SPAN_INIT("a\"b\\c"), SPAN_INIT("a\\x22b\\x5cc") },
		{ SPAN_INIT("\0\t\r\n\x1b[31m\x7f"),
		  SPAN_INIT("\\x00\\x09\\x0d\\x0a\\x1b[31m\\x7f") },
		{ SPAN_INIT("gr\xc3\xbc\xc3\x9f"), SPAN_INIT("gr\xc3\xbc\xc3\x9f") },
		{ SPAN_INIT("\xc2\x85"), SPAN_INIT("\\u{85}") },
		{ SPAN_INIT("\xe2\x80\xa8\xe2\x80\xa9"), SPAN_INIT("\\u{2028}\\u{2029}") },
		{ SPAN_INIT("\xe2\x80\xae"), SPAN_INIT("\\u{202e}") },
		{ SPAN_INIT("\xff\xc3"), SPAN_INIT("\\xff\\xc3") },
		{ SPAN_INIT("\xc0\xaf"), SPAN_INIT("\\xc0\\xaf") },
		{ SPAN_INIT("\xed\xa0\x80"), SPAN_INIT("\\xed\\xa0\\x80") },
		{ SPAN_INIT("\xf4\x90\x80\x80"), SPAN_INIT("\\xf4\\x90\\x80\\x80") },
		{ SPAN_INIT("\xf0\x9f\x93\xa7"), SPAN_INIT("\xf0\x9f\x93\xa7") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		TEXT(text, 256);

		text_add_escaped(&text, cases[i].raw, 256);
		check_span(text_span(&text), cases[i].want, "escaped");
	}
}

static void cuts_at_its_limit(void **state)
{
	TEXT(text, 256);

	(void)state;
	text_add_escaped(&text, SPAN("abcd"), 4);
	check_span(text_span(&text), SPAN("abcd"), "at the limit");
	text_clear(&text);
	text_add_escaped(&text, SPAN("abcde"), 4);
	check_span(text_span(&text), SPAN("abcd..."), "one beyond");
	text_clear(&text);
	text_add_escaped(&text, SPAN("abc\n"), 4);
	check_span(text_span(&text), SPAN("abc..."), "an escape is not cut in two");
}

/* Whatever comes in, one line of printable UTF-8 without quotes comes out. */
static void every_byte_comes_out_clean(void **state)
{
	(void)state;
	for (unsigned first = 0; first < 256; first++) {
		for (unsigned second = 0; second < 256; second++) {
			char raw[] = { (char)first, (char)second };
			struct span rest;
			TEXT(text, 64);

			text_add_escaped(&text, span_of(raw, 2), 64);
			for (rest = text_span(&text); rest.len > 0;) {
				uint32_t c;
				size_t len = utf8_decode(rest, &c);

				assert_int_not_equal(len, 0);
				assert_true(c >= ' ' && c != 0x7f && c != '"');
				rest = span_from(rest, len);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes),
		cmocka_unit_test(cuts_at_its_limit),
		cmocka_unit_test(every_byte_comes_out_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
