/* regex_test.c -- patterns with limits. */
#include "base/regex.h"

#include "../unit.h"

static struct regex *compiled(struct span pattern, bool ignore_case)
{
	struct regex *regex = NULL;
	struct regex_fault fault;

	assert_int_equal(regex_compile(pattern, ignore_case, &regex, &fault), OK);
	return regex;
}

static void matches_anywhere(void **state)
{
	struct regex *regex = compiled(SPAN("ppp\\d+"), false);

	(void)state;
	assert_true(regex_matches(regex, SPAN("x.ppp12.example")));
	assert_false(regex_matches(regex, SPAN("x.PPP12.example")));
	assert_false(regex_matches(regex, SPAN("")));
	regex_free(regex);
	regex = compiled(SPAN("^(a)(b)$"), true);
	assert_true(regex_matches(regex, SPAN("AB")));
	regex_free(regex);
}

static void says_what_is_wrong(void **state)
{
	struct regex *regex = NULL;
	struct regex_fault fault = { 0 };

	(void)state;
	assert_int_equal(regex_compile(SPAN("ab(c"), false, &regex, &fault), ERR_SYNTAX);
	assert_int_equal(fault.offset, 4);
	assert_string_not_equal(fault.why, "");
	assert_null(regex);
}

/* A pattern that would try 2^40 ways is stopped: nobody knows, and so it is no match. */
static void a_bomb_is_no_match(void **state)
{
	struct regex *regex = compiled(SPAN("^(a+)+$|b$"), false);
	char subject[41];
	bool matches;

	(void)state;
	memset(subject, 'a', sizeof(subject));
	subject[40] = 'b';
	assert_int_equal(regex_match(regex, span_of(subject, sizeof(subject)), &matches),
			 ERR_LIMIT);
	assert_false(regex_matches(regex, span_of(subject, sizeof(subject))));
	assert_int_equal(regex_match(regex, SPAN("aab"), &matches), OK);
	assert_true(matches);
	regex_free(regex);
}

static void the_pattern_has_a_limit(void **state)
{
	static char pattern[REGEX_BYTES_MAX + 1];
	struct regex *regex = NULL;
	struct regex_fault fault;

	(void)state;
	memset(pattern, 'a', sizeof(pattern));
	regex = compiled(span_of(pattern, REGEX_BYTES_MAX), false);
	regex_free(regex);
	assert_int_equal(regex_compile(span_of(pattern, REGEX_BYTES_MAX + 1), false, &regex,
				       &fault),
			 ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_anywhere),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(a_bomb_is_no_match),
		cmocka_unit_test(the_pattern_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
