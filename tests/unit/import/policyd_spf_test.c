/* policyd_spf_test.c -- policyd-spf.conf in, weighd.conf out. */
#include "../unit.h"

#include "ctl/import/policyd_spf.h"

static char config_room[IMPORT_CONFIG_MAX + 1], explain_room[IMPORT_EXPLAIN_MAX + 1],
	report_room[IMPORT_REPORT_MAX + 1];
static struct text config, explain, report;

static enum err import(struct span foreign)
{
	const struct import_options options = { .path = SPAN("spf.conf") };

	config = (struct text){ config_room, 0, sizeof(config_room), false };
	explain = (struct text){ explain_room, 0, sizeof(explain_room), false };
	report = (struct text){ report_room, 0, sizeof(report_room), false };
	return import_policyd_spf(foreign, &options, &config, &explain, &report);
}

static void check_has(const struct text *text, struct span want, struct span name)
{
	if (!span_has(text_span(text), want))
		fail_msg("%.*s: '%.*s' is not in:\n%.*s", SPAN_ARG(name), SPAN_ARG(want),
			 SPAN_ARG(text_span(text)));
}

static void understands(void **state)
{
	static const struct {
		struct span foreign, config;
	} cases[] = {
		{ SPAN_INIT(""), SPAN_INIT("\nlisten   inet:127.0.0.1:12525 policy spf-policy\n"
					   "resolver system\ndeadline 20s\nmode     enforce\n\n") },
		{ SPAN_INIT("TestOnly = 0"), SPAN_INIT("mode     observe\n") },
		{ SPAN_INIT("TestOnly=0 # really\r\n"), SPAN_INIT("mode     observe\n") },
		{ SPAN_INIT("TestOnly = 1\nTestOnly = 0"), SPAN_INIT("mode     observe\n") },
		{ SPAN_INIT("Lookup_Time = 7"), SPAN_INIT("deadline 7s\n") },
		{ SPAN_INIT("Void_Limit = 10"), SPAN_INIT("void_lookups 10 }\n") },
		{ SPAN_INIT("Hide_Receiver = Yes"), SPAN_INIT("hide     receiver\n") },
		{ SPAN_INIT("Authserv_Id = mx.a.org"), SPAN_INIT("hostname mx.a.org\n") },
		{ SPAN_INIT("HELO_reject = No_Check"),
		  SPAN_INIT("\n\tweigh spf { void_lookups 2 }\n") },
		{ SPAN_INIT("Whitelist = ::ffff:192.0.2.0/120 , 2001:db8::/32"),
		  SPAN_INIT("client_address in [192.0.2.0/24, 2001:db8::/32]") },
		{ SPAN_INIT("HELO_Whitelist = Mail.A.org"), SPAN_INIT("in [\"mail.a.org\"]") },
		{ SPAN_INIT("Domain_Whitelist_PTR = a.org,b.org"),
		  SPAN_INIT("matches /(^|\\.)(a\\.org|b\\.org)$/i") },
		{ SPAN_INIT("Reason_Message = 5$ \"\\ {spf}\nHeader_Type = None"),
		  SPAN_INIT("5.7.23 5$$ \\\"\\\\ SPF fail - not authorized\"") },
		{ SPAN_INIT("Mail_From_pass_restriction = OK $x"),
		  SPAN_INIT("\treply \"OK $$x\" if spf.pass\n") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(import(cases[i].foreign), OK);
		check_has(&config, cases[i].config, cases[i].foreign);
		assert_int_equal(report.len, 0);
	}
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		struct span foreign, report;
	} cases[] = {
		{ SPAN_INIT("\nthis is bad"),
		  SPAN_INIT(
			  "spf.conf:2: error: no \"name = value\": left out: \"this is bad\"\n") },
		{ SPAN_INIT("a = b = c"), SPAN_INIT("spf.conf:1: error: no \"name = value\"") },
		{ SPAN_INIT("HELO_reject = fail"),
		  SPAN_INIT("spf.conf:1: error: not one of its words: the default is taken: "
			    "\"fail\"\n") },
		{ SPAN_INIT("Header_Type = SPF, AR"), SPAN_INIT("not one of its words") },
		{ SPAN_INIT("Mail_From_reject = Null"), SPAN_INIT("not one of its words") },
		{ SPAN_INIT("Void_Limit = 11"), SPAN_INIT("no such number is possible") },
		{ SPAN_INIT("Void_Limit = -1"), SPAN_INIT("no such number is possible") },
		{ SPAN_INIT("Lookup_Time = 301"), SPAN_INIT("no such number is possible") },
		{ SPAN_INIT("Lookup_Time = 0"), SPAN_INIT("no such number is possible") },
		{ SPAN_INIT("Whitelist = 192.0.2.1/24"), SPAN_INIT("left out: \"192.0.2.1/24\"") },
		{ SPAN_INIT("Domain_Whitelist = a\"b"), SPAN_INIT("left out: \"a\\x22b\"") },
		{ SPAN_INIT("Domain_Whitelist_PTR = (a|b)"), SPAN_INIT("left out: \"(a|b)\"") },
		{ SPAN_INIT("Authserv_Id = a b"), SPAN_INIT("no host name: left out: \"a b\"") },
		{ SPAN_INIT("Reason_Message ="), SPAN_INIT("empty or too long") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(import(cases[i].foreign), ERR_SYNTAX);
		check_has(&report, cases[i].report, cases[i].foreign);
		check_has(&config, SPAN("\tprepend \"$received_spf\"\n}\n"), cases[i].foreign);
	}
	assert_int_equal(import(SPAN("NoSuch = 1")), OK);
	check_has(&report,
		  SPAN("spf.conf:1: warning: policyd-spf has no such setting: left out: "
		       "\"NoSuch\"\n"),
		  SPAN("unknown name"));
}

static void tells_what_became_of_each(void **state)
{
	static const struct span wants[] = {
		SPAN_INIT("kept     HELO_reject = False\n"),
		SPAN_INIT("changed  Lookup_Time = 9: one deadline"),
		SPAN_INIT("dropped  debugLevel = 3: "),
		SPAN_INIT("default  Mail_From_reject = Fail\n"),
		SPAN_INIT("default  Per_User: not in this version"),
	};
	struct span rest, line;
	unsigned lines = 0;

	(void)state;
	assert_int_equal(import(SPAN("HELO_reject = False\nLookup_Time = 9\ndebugLevel = 3\n")),
			 OK);
	for (size_t i = 0; i < COUNT(wants); i++)
		check_has(&explain, wants[i], SPAN("explain"));
	rest = text_span(&explain);
	while (span_cut(&rest, '\n', &line))
		lines++;
	assert_int_equal(lines, 35);
}

/* Whatever the file is, something is written, and it ends. */
static void takes_any_bytes(void **state)
{
	char bytes[64 * 1024];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 + i / 251);
	assert_int_equal(import(span_of(bytes, sizeof(bytes))), ERR_SYNTAX);
	check_has(&config, SPAN("policy spf-policy {"), SPAN("any bytes"));
	memset(bytes, ',', sizeof(bytes));
	memcpy(bytes, "Whitelist=", 10);
	assert_int_equal(import(span_of(bytes, sizeof(bytes))), OK);
	for (size_t i = 10; i + 10 < sizeof(bytes); i += 10)
		memcpy(bytes + i, "192.0.2.1,", 10);
	assert_int_equal(import(span_of(bytes, sizeof(bytes))), ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(understands),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(tells_what_became_of_each),
		cmocka_unit_test(takes_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
