/* span_test.c -- comparing and cutting stretches of bytes. */
#include "../unit.h"

static void compares(void **state)
{
	(void)state;
	assert_true(span_equal(SPAN("a\0b"), SPAN("a\0b")));
	assert_false(span_equal(SPAN("a\0b"), SPAN("a\0c")));
	assert_true(span_equal((struct span){ 0 }, SPAN("")));
	assert_true(span_equal_nocase(SPAN("MX.Example"), SPAN("mx.eXAMPLE")));
	assert_false(span_equal_nocase(SPAN("MX"), SPAN("MXX")));
	assert_true(span_compare(SPAN("a"), SPAN("ab")) < 0);
	assert_true(span_compare(SPAN("b"), SPAN("ab")) > 0);
	assert_int_equal(span_compare(SPAN("ab"), SPAN("ab")), 0);
	/* Only ASCII letters have case: 0xc4 and 0xe4 are letters of Latin-1. */
	assert_false(span_equal_nocase(SPAN("\xc4"), SPAN("\xe4")));
}

static void searches(void **state)
{
	(void)state;
	assert_int_equal(span_find(SPAN("a@b@c"), '@'), 1);
	assert_int_equal(span_rfind(SPAN("a@b@c"), '@'), 3);
	assert_int_equal(span_find(SPAN("abc"), '@'), 3);
	assert_int_equal(span_rfind(SPAN(""), '@'), 0);
	assert_int_equal(span_find_span(SPAN("abcabc"), SPAN("ca")), 2);
	assert_int_equal(span_find_span(SPAN("abc"), SPAN("abcd")), 3);
	assert_true(span_has(SPAN("abc"), SPAN("")));
	assert_true(span_has(SPAN(""), SPAN("")));
	assert_false(span_has(SPAN(""), SPAN("a")));
	assert_true(span_starts(SPAN("PREPEND x"), SPAN("PREPEND")));
	assert_false(span_starts(SPAN("PRE"), SPAN("PREPEND")));
	assert_true(span_starts_nocase(SPAN("ipv6:::1"), SPAN("IPv6:")));
	assert_true(span_ends(SPAN("a.example"), SPAN(".example")));
	assert_true(span_ends_nocase(SPAN("a.EXAMPLE"), SPAN(".example")));
	assert_false(span_ends(SPAN("e"), SPAN(".e")));
}

static void cuts(void **state)
{
	struct span rest = SPAN("a..b"), head;

	(void)state;
	assert_true(span_cut(&rest, '.', &head));
	check_span(head, SPAN("a"), "first");
	assert_true(span_cut(&rest, '.', &head));
	check_span(head, SPAN(""), "between");
	assert_true(span_cut(&rest, '.', &head));
	check_span(head, SPAN("b"), "last");
	assert_false(span_cut(&rest, '.', &head));
	check_span(span_from(SPAN("abc"), 5), SPAN(""), "from beyond the end");
	check_span(span_first(SPAN("abc"), 5), SPAN("abc"), "first beyond the end");
	check_span(span_trim(SPAN(" \ta b\t ")), SPAN("a b"), "trim");
	check_span(span_trim(SPAN(" \t")), SPAN(""), "trim of blanks");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares),
		cmocka_unit_test(searches),
		cmocka_unit_test(cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
