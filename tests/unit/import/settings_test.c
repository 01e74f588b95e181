/* settings_test.c -- KEY=value files, their explanation, and texts of the language. */
#include "ctl/import/settings.h"

#include "../unit.h"

enum { A_NUMBER, A_SWITCH, A_SECRET, A_TEXT, KNOWN };

static const struct setting known[KNOWN] = {
	{ SPAN_INIT("NUMBER"), SPAN_INIT("7"), SETTING_KEPT, NULL },
	{ SPAN_INIT("SWITCH"), SPAN_INIT("1"), SETTING_CHANGED, "why" },
	{ SPAN_INIT("SECRET"), SPAN_INIT("std"), SETTING_SECRET, "gone" },
	{ SPAN_INIT("TEXT"), SPAN_INIT(""), SETTING_DROPPED, NULL },
};

static char report_bytes[1000];
static struct text report;
static struct settings settings;

static void read_file(struct span file)
{
	report = (struct text){ report_bytes, 0, sizeof(report_bytes), false };
	settings = (struct settings){
		.known = known, .count = KNOWN, .path = SPAN("FILE"), .report = &report
	};
	settings_init(&settings);
	settings_read(&settings, file);
}

static void reads(void **state)
{
	static const struct {
		const char *name;
		struct span file, text;
		uint32_t line;
	} cases[] = {
		{ "nothing", SPAN_INIT(""), SPAN_INIT(""), 0 },
		{ "plain", SPAN_INIT("TEXT=a b"), SPAN_INIT("a b"), 1 },
		{ "blanks", SPAN_INIT("\n  TEXT = a \r\n"), SPAN_INIT("a"), 2 },
		{ "quotes", SPAN_INIT("TEXT=\"a \" # b\n"), SPAN_INIT("a "), 1 },
		{ "an open quote", SPAN_INIT("TEXT=\"a b"), SPAN_INIT("a b"), 1 },
		{ "a quote alone", SPAN_INIT("TEXT=\""), SPAN_INIT("\""), 1 },
		{ "a sign of equality in it", SPAN_INIT("TEXT=a=b"), SPAN_INIT("a=b"), 1 },
		{ "a comment", SPAN_INIT("#TEXT=a\nTEXT\n=\n"), SPAN_INIT(""), 0 },
		{ "twice", SPAN_INIT("TEXT=a\nTEXT=b"), SPAN_INIT("b"), 2 },
		{ "other letters", SPAN_INIT("text=a"), SPAN_INIT(""), 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		read_file(cases[i].file);
		check_span(settings.value[A_TEXT], cases[i].text, cases[i].name);
		assert_int_equal(settings.line[A_TEXT], cases[i].line);
		assert_int_equal(settings.mistakes, 0);
	}
}

static void says_what_is_wrong(void **state)
{
	(void)state;
	read_file(SPAN("OTHER=1\nNUMBER=12\nSWITCH=2\n"));
	assert_int_equal(settings_number(&settings, A_NUMBER, 0, 12), 12);
	assert_int_equal(settings.mistakes, 0);
	assert_int_equal(settings_number(&settings, A_NUMBER, 0, 11), 7);
	assert_true(settings_switch(&settings, A_SWITCH));
	assert_int_equal(settings.mistakes, 2);
	check_span(
		text_span(&report),
		SPAN("FILE:1: warning: no such setting is known: left out: \"OTHER\"\n"
		     "FILE:2: error: no such number is possible: the standard is taken: \"12\"\n"
		     "FILE:3: error: no such number is possible: the standard is taken: \"2\"\n"),
		"report");
}

/* "SECRET hidden=1", as if the blank were its sign of equality. */
static void says_no_secret(void **state)
{
	(void)state;
	read_file(SPAN("SECRET hidden=1\nSECRET:hidden=1\n\"hidden\"=1\n"));
	check_span(text_span(&report),
		   SPAN("FILE:1: warning: no such setting is known: left out: \"SECRET\"\n"
			"FILE:2: warning: no such setting is known: left out: \"SECRET\"\n"
			"FILE:3: warning: no such setting is known: left out: \"\"\n"),
		   "report");
}

/* Somebody else's file. */
static void wants_settings(void **state)
{
	(void)state;
	read_file(SPAN("# no\n\nlimits: [1]\nmore\n"));
	assert_int_equal(settings.mistakes, 1);
	check_span(text_span(&report),
		   SPAN("FILE:3: error: no NAME=value is in this file: \"limits\"\n"), "report");
	read_file(SPAN("# no\n\n#TEXT=a\n"));
	assert_int_equal(settings.mistakes, 0);
	read_file(SPAN("more\nOTHER=1\n"));
	assert_int_equal(settings.mistakes, 0);
}

static void explains(void **state)
{
	TEXT(explain, 1000);

	(void)state;
	read_file(SPAN("NUMBER=8\nSWITCH=0\nSECRET=pass\n"));
	settings_explain(&settings, &explain);
	check_span(text_span(&explain),
		   SPAN("kept     NUMBER = 8\n"
			"changed  SWITCH = 0: why\n"
			"dropped  SECRET = ***: gone\n"
			"default  TEXT\n"),
		   "explanation");
}

static void quotes(void **state)
{
	TEXT(text, 100);

	(void)state;
	config_add_quoted(&text, SPAN("a\"b\\c$d\ne\xff\xc3\xa9\xc2\x85"));
	check_span(text_span(&text), SPAN("\"a\\\"b\\\\c$$d e?\xc3\xa9 \""), "quoted");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),          cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(says_no_secret), cmocka_unit_test(explains),
		cmocka_unit_test(quotes),         cmocka_unit_test(wants_settings),
	};

	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
