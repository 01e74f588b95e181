/* spf_test.c -- the grammar of SPF records. */
#include "../unit.h"

#include "mail/spf.h"

static void records_are_told_apart(void **state)
{
	static const struct {
		const char *name;
		struct span txt;
		bool is_record;
		const char *terms;
	} cases[] = {
		{ "version alone", SPAN_INIT("v=spf1"), true, "" },
		{ "with terms", SPAN_INIT("v=spf1 -all"), true, " -all" },
		{ "any case", SPAN_INIT("V=SPF1 a"), true, " a" },
		{ "another version", SPAN_INIT("v=spf10 -all"), false, "" },
		{ "a tab", SPAN_INIT("v=spf1\t-all"), false, "" },
		{ "a NUL", SPAN_INIT("v=spf1\0-all"), false, "" },
		{ "too short", SPAN_INIT("v=spf"), false, "" },
		{ "empty", SPAN_INIT(""), false, "" },
		{ "a blank in front", SPAN_INIT(" v=spf1 a"), false, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span terms = SPAN("");

		if (spf_is_record(cases[i].txt, &terms) != cases[i].is_record)
			fail_msg("%s", cases[i].name);
		check_span(terms, span_cstr(cases[i].terms), cases[i].name);
	}
}

static void terms_are_read(void **state)
{
	static const struct {
		const char *text;
		enum spf_term_kind kind;
		char qualifier;
		enum spf_mechanism mechanism;
		const char *domain;
		unsigned bits4, bits6;
	} cases[] = {
		{ "all", SPF_DIRECTIVE, '+', SPF_ALL, "", 0, 0 },
		{ "-ALL", SPF_DIRECTIVE, '-', SPF_ALL, "", 0, 0 },
		{ "~include:%{d}", SPF_DIRECTIVE, '~', SPF_INCLUDE, "%{d}", 0, 0 },
		{ "?a", SPF_DIRECTIVE, '?', SPF_A, "", 32, 128 },
		{ "a/0", SPF_DIRECTIVE, '+', SPF_A, "", 0, 128 },
		{ "a//0", SPF_DIRECTIVE, '+', SPF_A, "", 32, 0 },
		{ "a:d.test/24//64", SPF_DIRECTIVE, '+', SPF_A, "d.test", 24, 64 },
		{ "mx:a/b.test/8", SPF_DIRECTIVE, '+', SPF_MX, "a/b.test", 8, 128 },
		{ "a:%{d/}/24", SPF_DIRECTIVE, '+', SPF_A, "%{d/}", 24, 128 },
		{ "ptr:d.test.", SPF_DIRECTIVE, '+', SPF_PTR, "d.test.", 0, 0 },
		{ "exists:a=b.test", SPF_DIRECTIVE, '+', SPF_EXISTS, "a=b.test", 0, 0 },
		{ "redirect=d.test", SPF_REDIRECT, 0, 0, "d.test", 0, 0 },
		{ "EXP=e.test", SPF_EXP, 0, 0, "e.test", 0, 0 },
		{ "x-1.y_z=", SPF_UNKNOWN_MODIFIER, 0, 0, "", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span rest = span_cstr(cases[i].text);
		struct spf_term term;

		assert_int_equal(spf_check(rest), OK);
		assert_true(spf_cut_term(&rest, &term));
		assert_int_equal(term.kind, cases[i].kind);
		assert_int_equal(term.qualifier, cases[i].qualifier);
		assert_int_equal(term.mechanism, cases[i].mechanism);
		check_span(term.domain, span_cstr(cases[i].domain), cases[i].text);
		assert_int_equal(term.bits4, cases[i].bits4);
		assert_int_equal(term.bits6, cases[i].bits6);
		assert_false(spf_cut_term(&rest, &term));
	}
}

static void broken_records_are_refused(void **state)
{
	static const char *const cases[] = {
		"al",
		"all:",
		"all/0",
		"--all",
		"+",
		"include",
		"include:",
		"include:a.b/24",
		"a:",
		"a/",
		"a//",
		"a/33",
		"a//129",
		"a/01",
		"a/1/2",
		"a//64/24",
		"a/999",
		"a:b",
		"a:1.2.3.4",
		"a:b.c-",
		"a:b.-c",
		"a:b.c..",
		"a:%",
		"a:%{",
		"a:%{d",
		"a:%{d1",
		"a:%{x}",
		"a:%{d0}",
		"a:%{c}",
		"a:%d",
		"a: b",
		"ip4",
		"ip4:",
		"ip4:1.2.3",
		"ip4:01.2.3.4",
		"ip4:1.2.3.4/33",
		"ip4:1.2.3.4/",
		"ip6:1.2.3.4",
		"ip6:::/129",
		"ip6:::1%lo",
		"ptr/24",
		"exists",
		"exists:b.c/24",
		"redirect=",
		"redirect=b",
		"exp=",
		"exp=%{r}.b.c",
		"1a=x",
		"=x",
		"m=%{x}",
		"m=\x7f",
		"redirect=a.b redirect=a.b",
		"exp=a.b -all exp=a.b",
		"a\tb",
		"-all\r",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (spf_check(span_cstr(cases[i])) == OK)
			fail_msg("\"%s\" is taken", cases[i]);
	assert_int_equal(spf_check(SPAN("-all\0")), ERR_SYNTAX);
	assert_int_equal(spf_check(SPAN("a:\xc3\xbc.test")), ERR_SYNTAX);
}

static void length_is_bounded(void **state)
{
	static char room[SPF_RECORD_MAX + 1];

	(void)state;
	memset(room, ' ', sizeof(room));
	assert_int_equal(spf_check(span_of(room, SPF_RECORD_MAX)), OK);
	assert_int_equal(spf_check(span_of(room, SPF_RECORD_MAX + 1)), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_told_apart),
		cmocka_unit_test(terms_are_read),
		cmocka_unit_test(broken_records_are_refused),
		cmocka_unit_test(length_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
