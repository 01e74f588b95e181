/* policyd_weight_test.c -- Perl in, weighd.conf out. */
#include "../unit.h"

#include "ctl/import/policyd_weight_priv.h"

static char config_room[IMPORT_CONFIG_MAX + 1], explain_room[IMPORT_EXPLAIN_MAX + 1],
	report_room[IMPORT_REPORT_MAX + 1];
static struct text config, explain, report;

static enum err import(const char *perl, bool modern)
{
	const struct import_options options = { .path = SPAN("pw.conf"), .modern = modern };

	config = (struct text){ config_room, 0, sizeof(config_room), false };
	explain = (struct text){ explain_room, 0, sizeof(explain_room), false };
	report = (struct text){ report_room, 0, sizeof(report_room), false };
	return import_policyd_weight(span_cstr(perl), &options, &config, &explain, &report);
}

static void check_has(const struct text *text, const char *want, const char *name)
{
	if (!span_has(text_span(text), span_cstr(want)))
		fail_msg("%s: '%s' is not in:\n%.*s", name, want, SPAN_ARG(text_span(text)));
}

static void test_understood(void **state)
{
	static const struct {
		const char *perl, *config;
	} cases[] = {
		{ "", "listen   inet:127.0.0.1:12525 policy inbound\nresolver system\nmode     "
		      "enforce\n" },
		{ "", "\t\tdnsbl ix.dnsbl.manitu.net 4.35 0 IX_MANITU\n" },
		{ "$REJECTLEVEL = 1.5;", "\tREJECTLEVEL 1.5\n" },
		{ "$REJECTLEVEL='2'", "\tREJECTLEVEL 2\n" },
		{ "our $REJECTLEVEL = -.5 ; 1;", "\tREJECTLEVEL -0.5\n" },
		{ "$REJECTMSG = '550 it\\'s \"q\" \\n';",
		  "REJECTMSG \"550 it's \\\"q\\\" \\\\n\"" },
		{ "$REJECTMSG = \"550 it's \\\"q\\\" \\$5 \\@\";",
		  "REJECTMSG \"550 it's \\\"q\\\" $5 @\"" },
		{ "$REJECTMSG = '550 a' . \" b\" . 7;", "REJECTMSG \"550 a b7\"" },
		{ "$USER='x'; $REJECTMSG = '550 ' . $USER;", "REJECTMSG \"550 x\"" },
		{ "$REJECTMSG = q(550 (a) b);", "REJECTMSG \"550 (a) b\"" },
		{ "# $REJECTLEVEL = 9;\n$REJECTLEVEL = 3; # 4\n", "\tREJECTLEVEL 3\n" },
		{ "=pod\n$REJECTLEVEL = 9;\n=cut\n$REJECTLEVEL = 3;", "\tREJECTLEVEL 3\n" },
		{ "@helo_score = (1.5, -2 );", "\thelo_score 1.5 -2\n" },
		{ "@helo_score = qw(1 -1);", "\thelo_score 1 -1\n" },
		{ "@dnsbl_score = ('a.test', 1, -1, 'A', 'b.test' => 2, 0, 'B',);",
		  "\t\tdnsbl a.test 1 -1 A\n\t\tdnsbl b.test 2 0 B\n" },
		{ "@dnsbl_score = ();", "\t\tdnsbl none\n" },
		{ "@dnsbl_score = ('list.dsbl.org', 4, 0, 'DSBL');",
		  "\t\t# dead since 2008:\n\t\t# dnsbl list.dsbl.org 4 0 DSBL\n\t\tdnsbl none\n" },
		{ "@dnsbl_checks_only_regexps = (qr/\\.exch\\./i, 'x$');",
		  "dnsbl_checks_only_regexps \"(?i)\\\\.exch\\\\.\"\n"
		  "\t\tdnsbl_checks_only_regexps \"x$\"\n" },
		{ "$PTIME = '1.5m';", "\tPTIME 1s\n" },
		{ "$PTIME = '3h';", "\tPTIME 10800s\n" },
		{ "$PTIME = 'soon';", "\tPTIME 10800s\n" },
		{ "$TEMP_PTIME = 'soon';", "\tTEMP_PTIME 259200s\n" },
		{ "$NTIME = 30;", "\tNTIME 30s\n" },
		{ "$ADD_X_HEADER = 2;", "\tADD_X_HEADER no\n" },
		{ "$NS = '192.0.2.1 ::1';", "resolver 192.0.2.1, ::1\n" },
		{ "$BIND_ADDRESS = 'all'; $TCP_PORT = 12600;", "listen   inet:0.0.0.0:12600 " },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (import(cases[i].perl, false) != OK)
			fail_msg("%s: %.*s", cases[i].perl, SPAN_ARG(text_span(&report)));
		check_has(&config, cases[i].config, cases[i].perl);
	}
}

static void test_not_understood(void **state)
{
	static const struct {
		const char *perl, *report;
	} cases[] = {
		{ "$REJECTMSG = \"550 $x\";", "pw.conf:1:19: error: a variable inside a text" },
		{ "\n  $REJECTLEVEL = 2*3;",
		  "pw.conf:2:19: error: only plain values are understood, no calculation: ; is "
		  "wanted here\n    2 |   $REJECTLEVEL = 2*3;\n      |                   ^\n" },
		{ "$REJECTLEVEL = f(2);", "error: only plain values" },
		{ "$REJECTLEVEL = $NONE;", "error: this variable is not set above" },
		{ "system('x');", "pw.conf:1:1: error: this statement is not understood" },
		{ "if (1) { $REJECTLEVEL = 2; }", "error: this statement is not understood" },
		{ "$REJECTMSG = '550", "error: this text has no end" },
		{ "@helo_score = 1;", "error: a list in parentheses is wanted here" },
		{ "@dnsbl_score = ('a.test', 1);", "error: a row has four values" },
		{ "$TCP_PORT = 99999;", "error: this is no port" },
		{ "$NS = 'ns.test';", "error: a name server is given by its address" },
		{ "%x = ();", "error: this statement is not understood" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		TEXT(perl, 256);

		/* what follows is understood all the same */
		text_add(&perl, span_cstr(cases[i].perl));
		if (!span_has(text_span(&perl), SPAN("'550")) || cases[i].perl[0] == '"')
			text_add(&perl, SPAN("\n;$DEFER_LEVEL = 77;"));
		assert_int_equal(import(text_cstr(&perl), false), ERR_SYNTAX);
		check_has(&report, cases[i].report, cases[i].perl);
		if (span_has(text_span(&perl), SPAN("77")))
			check_has(&config, "DEFER_LEVEL 77", cases[i].perl);
	}
}

static void test_warned(void **state)
{
	static const char *const cases[][2] = {
		{ "$REJECTLVL = 2;", "warning: policyd-weight has no such setting" },
		{ "$REJECTLEVEL = '2x';", "warning: this is read as a number" },
		{ "@helo_score = (1);", "warning: a score is a pair" },
		{ "$MAXDNSERR = -1;", "warning: out of range" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(import(cases[i][0], false), OK);
		check_has(&report, cases[i][1], cases[i][0]);
	}
}

static size_t count_lines(struct span text, struct span begin)
{
	struct span line;
	size_t count = 0;

	while (span_cut(&text, '\n', &line))
		count += span_starts(line, begin);
	return count;
}

/* Each of the 77 settings is explained once. */
static void test_explained(void **state)
{
	(void)state;
	assert_int_equal(import("$REJECTLEVEL = 2; $PTIME = '3h'; $TRY_BALANCE = 0;"
				"@rhsbl_score = ('rhsbl.ahbl.org', 4, 0, 'AHBL');",
				false),
			 OK);
	assert_int_equal(count_lines(text_span(&explain), SPAN("")), IMPORT_RULES + 2);
	assert_int_equal(count_lines(text_span(&explain), SPAN("default  ")), IMPORT_RULES - 4);
	check_has(&explain, "kept     $REJECTLEVEL = 2\n", "kept");
	check_has(&explain, "changed  $PTIME = \"3h\": with its unit\n", "changed");
	check_has(&explain, "dropped  $TRY_BALANCE = 0: one process", "dropped");
	check_has(&explain, "dropped  rhsbl.ahbl.org: dead since 2015", "dead");
	check_has(&explain, "warning  ix.dnsbl.manitu.net: dead since 2025", "dead, kept");
}

static void test_modern(void **state)
{
	(void)state;
	assert_int_equal(import("$REJECTLEVEL = 3; $REJECTMSG = '550 costs $5';", true), OK);
	check_has(&config, "weigh dnsbl bl.spamcop.net { listed 3.75, clear -1.5 }\n", "list");
	check_has(&config, "\t# weigh dnsbl ix.dnsbl.manitu.net", "dead list");
	check_has(&config, "\t\thelo_is_not_client 1.5\n", "identity");
	check_has(&config, "reject \"550 costs $$5\" if score >= 3\n", "verdict");
	assert_false(span_has(text_span(&config), SPAN("classic")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_understood), cmocka_unit_test(test_not_understood),
		cmocka_unit_test(test_warned),     cmocka_unit_test(test_explained),
		cmocka_unit_test(test_modern),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
