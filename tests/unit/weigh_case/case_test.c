/* case_test.c -- reading, writing and answering cases. */
#include "ask_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "../unit.h"

enum { ARENA_BYTES_MAX = 16 * 1024 * 1024 };

static struct arena arena;
static struct case_line line;
static struct span why;

static enum err parse(struct span text)
{
	arena_reset(&arena);
	why = (struct span){ 0 };
	return case_parse(text, &arena, &line, &why);
}

static void assert_span(const char *name, struct span have, const char *want)
{
	check_span(have, span_cstr(want), name);
}

/* --- every form of a fact --- */

static void facts_are_read(void **state)
{
	static const struct {
		const char *name, *json;
		enum fact_kind kind;
		const char *key;
		enum fact_state want;
		enum fact_cause cause;
		bool exists;
		const char *items; /* with a bar between them */
	} cases[] = {
		{ "address", "\"dns.a x.test\":[\"192.0.2.1\"]", FACT_DNS_A, "x.test", FACT_KNOWN,
		  0, false, "192.0.2.1" },
		{ "key in capitals, final dot", "\"dns.a X.Test.\":[\"192.0.2.1\"]", FACT_DNS_A,
		  "x.test", FACT_KNOWN, 0, false, "192.0.2.1" },
		{ "items are sorted", "\"dns.a x\":[\"192.0.2.9\",\"192.0.2.10\"]", FACT_DNS_A, "x",
		  FACT_KNOWN, 0, false, "192.0.2.10|192.0.2.9" },
		{ "IPv6 is made canonical", "\"dns.aaaa x\":[\"2001:DB8:0:0::1\"]", FACT_DNS_AAAA,
		  "x", FACT_KNOWN, 0, false, "2001:db8::1" },
		{ "MX by preference", "\"dns.mx x\":[\"20 B.test.\",\"3 z.test\"]", FACT_DNS_MX,
		  "x", FACT_KNOWN, 0, false, "3 z.test|20 b.test" },
		{ "null MX", "\"dns.mx x\":[\"0 .\"]", FACT_DNS_MX, "x", FACT_KNOWN, 0, false,
		  "0 ." },
		{ "TXT", "\"dns.txt x\":[\"v=spf1 -all \\\\195\\\\\\\\\"]", FACT_DNS_TXT, "x",
		  FACT_KNOWN, 0, false, "v=spf1 -all \\195\\\\" },
		{ "empty TXT", "\"dns.txt x\":[\"\"]", FACT_DNS_TXT, "x", FACT_KNOWN, 0, false,
		  "" },
		{ "PTR", "\"dns.ptr 1.2.0.192.in-addr.arpa\":[\"Mail.x.test.\"]", FACT_DNS_PTR,
		  "1.2.0.192.in-addr.arpa", FACT_KNOWN, 0, false, "mail.x.test" },
		{ "SOA", "\"dns.soa x\":[\"ns.x root.x 1 2 3 4 4294967295\"]", FACT_DNS_SOA, "x",
		  FACT_KNOWN, 0, false, "ns.x root.x 1 2 3 4 4294967295" },
		{ "the root", "\"dns.mx .\":null", FACT_DNS_MX, "", FACT_NONE, 0, false, "" },
		{ "null", "\"dns.mx x\":null", FACT_DNS_MX, "x", FACT_NONE, 0, false, "" },
		{ "empty list", "\"dns.mx x\":[]", FACT_DNS_MX, "x", FACT_NONE, 0, true, "" },
		{ "timeout", "\"dns.mx x\":\"timeout\"", FACT_DNS_MX, "x", FACT_FAILED,
		  CAUSE_TIMEOUT, false, "" },
		{ "unrecorded", "\"dns.mx x\":\"unrecorded\"", FACT_DNS_MX, "x", FACT_FAILED,
		  CAUSE_UNRECORDED, false, "" },
		{ "counter", "\"known set Key\":212", FACT_REMEMBERED, "set Key", FACT_KNOWN, 0,
		  false, "212" },
		{ "remembered bytes", "\"known set \\\\255\":[\"a\\\\000\\\\\\\\b\"]",
		  FACT_REMEMBERED, "set \377", FACT_KNOWN, 0, false, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		TEXT(text, 1000);
		TEXT(items, 1000);

		text_addf(&text, "{\"attempt\":{},\"facts\":{%s}}", cases[i].json);
		if (parse(text_span(&text)) != OK)
			fail_msg("%s: %.*s", cases[i].name, SPAN_ARG(why));
		assert_int_equal(line.fact_count, 1);
		assert_int_equal(line.fact[0].kind, cases[i].kind);
		assert_span(cases[i].name, line.fact[0].key, cases[i].key);
		assert_int_equal(line.fact[0].state, cases[i].want);
		assert_int_equal(line.fact[0].cause, cases[i].cause);
		assert_int_equal(line.fact[0].exists, cases[i].exists);
		for (uint16_t n = 0; n < line.fact[0].item_count; n++) {
			if (n > 0)
				text_add_char(&items, '|');
			text_add(&items, line.fact[0].item[n]);
		}
		if (cases[i].items != NULL)
			assert_span(cases[i].name, text_span(&items), cases[i].items);
		else
			assert_true(span_equal(text_span(&items), SPAN("a\0\\b")));
	}
}

/* --- everything that is no case, and what is said of it --- */

#define WITH(members) "{\"attempt\":{},\"facts\":{}," members "}"
#define FACT(fact)    "{\"attempt\":{},\"facts\":{" fact "}}"
#define SENDER(value) "{\"facts\":{},\"attempt\":{\"sender\":" value "}}"

static void wrong_lines_say_why(void **state)
{
	static const struct {
		struct span json;
		const char *want;
	} cases[] = {
		{ SPAN_INIT(""), "JSON" },
		{ SPAN_INIT("{"), "JSON" },
		{ SPAN_INIT("[]"), "the line: must be an object" },
		{ SPAN_INIT("{} x"), "JSON" },
		{ SPAN_INIT("{\"a\":1,\"a\":2}"), "JSON" },
		{ SPAN_INIT("{\"a\0\":1}"), "JSON" },
		{ SPAN_INIT("{\"a\":\"\xff\"}"), "JSON" },
		{ SPAN_INIT("{\"facts\":{}}"), "attempt: is missing" },
		{ SPAN_INIT("{\"attempt\":{}}"), "facts: is missing" },
		{ SPAN_INIT("{\"facts\":{},\"attempt\":[]}"), "attempt: must be an object" },
		{ SPAN_INIT("{\"attempt\":{},\"facts\":[]}"), "facts: must be an object" },
		{ SPAN_INIT(SENDER("1")), "attempt 'sender': must be a string or" },
		{ SPAN_INIT(SENDER("null")), "attempt 'sender': must be a string or" },
		{ SPAN_INIT(SENDER("{}")), "attempt 'sender': must be a string or" },
		{ SPAN_INIT(SENDER("{\"latin1\":1}")), "attempt 'sender': must be a string or" },
		{ SPAN_INIT(SENDER("{\"latin1\":\"\\u0100\"}")),
		  "attempt 'sender': latin1 has a character above U+00FF" },
		{ SPAN_INIT(WITH("\"id\":7")), "id: must be a string" },
		{ SPAN_INIT(WITH("\"at\":7")), "at: must be a string" },
		{ SPAN_INIT(WITH("\"at\":\"2026-11-20 10:41\"")), "at: must be a time like" },
		{ SPAN_INIT(WITH("\"at\":\"2026-02-29T00:00:00Z\"")), "at: must be a time like" },
		{ SPAN_INIT(WITH("\"policy\":{}")), "policy: must be a string" },
		{ SPAN_INIT(WITH("\"conversation\":1")), "conversation: must be a string" },
		{ SPAN_INIT(WITH("\"rest\":\"all\"")), "rest: must be" },
		{ SPAN_INIT(WITH("\"rest\":null")), "rest: must be" },
		{ SPAN_INIT(WITH("\"findings\":[]")), "findings: must be an object of lists" },
		{ SPAN_INIT(WITH("\"findings\":{\"zen\":1}")), "findings 'zen': must be a list" },
		{ SPAN_INIT(WITH("\"findings\":{\"zen\":[1]}")), "findings 'zen': must be a list" },
		{ SPAN_INIT(WITH("\"points\":{}")), "points: must be a list" },
		{ SPAN_INIT(WITH("\"points\":[[\"a\"]]")), "points: must be a list of [name" },
		{ SPAN_INIT(WITH("\"points\":[[1,\"a\"]]")), "points: must be a list of [name" },
		{ SPAN_INIT(WITH("\"points\":[\"ab\"]")), "points: must be a list of [name" },
		{ SPAN_INIT(WITH("\"score\":\"5\"")), "score: must be a number or null" },
		{ SPAN_INIT(WITH("\"unknown\":\"a\"")), "unknown: must be a list" },
		{ SPAN_INIT(WITH("\"unknown\":[1]")), "unknown: must be a list of names" },
		{ SPAN_INIT(WITH("\"verdict\":null")), "verdict: must be a string" },
		{ SPAN_INIT(WITH("\"reply\":[]")), "reply: must be a string" },
		{ SPAN_INIT(FACT("\"x\":null")), "facts 'x': no fact is of this kind" },
		{ SPAN_INIT(FACT("\"dns.b x\":null")), "facts 'dns.b x': no fact is of this" },
		{ SPAN_INIT(FACT("\"dns.a\":null")), "facts 'dns.a': must be a kind, a blank" },
		{ SPAN_INIT(FACT("\"dns.a x\":1")),
		  "facts 'dns.a x': a fact of this kind is no number" },
		{ SPAN_INIT(FACT("\"dns.a x\":1.5")), "facts 'dns.a x': must be a list, null," },
		{ SPAN_INIT(FACT("\"dns.a x\":true")), "facts 'dns.a x': must be a list, null," },
		{ SPAN_INIT(FACT("\"dns.a x\":{}")), "facts 'dns.a x': must be a list, null," },
		{ SPAN_INIT(FACT("\"dns.a x\":\"nxdomain\"")), "facts 'dns.a x': this cause" },
		{ SPAN_INIT(FACT("\"dns.a x\":[1]")), "facts 'dns.a x': every item must be a st" },
		{ SPAN_INIT(FACT("\"dns.a x\":[\"::1\"]")), "facts 'dns.a x': every item must" },
		{ SPAN_INIT(FACT("\"dns.a x\":[\"1.2.3\"]")), "facts 'dns.a x': every item must" },
		{ SPAN_INIT(FACT("\"dns.aaaa x\":[\"1.2.3.4\"]")), "facts 'dns.aaaa x': every" },
		{ SPAN_INIT(FACT("\"dns.mx x\":[\"mx\"]")), "facts 'dns.mx x': every item must" },
		{ SPAN_INIT(FACT("\"dns.mx x\":[\"65536 m\"]")), "facts 'dns.mx x': every item" },
		{ SPAN_INIT(FACT("\"dns.mx x\":[\"-1 m\"]")), "facts 'dns.mx x': every item" },
		{ SPAN_INIT(FACT("\"dns.mx x\":[\"10 a b\"]")), "facts 'dns.mx x': every item" },
		{ SPAN_INIT(FACT("\"dns.mx x\":[\"10 a..b\"]")), "facts 'dns.mx x': every item" },
		{ SPAN_INIT(FACT("\"dns.txt x\":[\"\\u00e4\"]")), "facts 'dns.txt x': every it" },
		{ SPAN_INIT(FACT("\"dns.txt x\":[\"\\\\256\"]")), "facts 'dns.txt x': every it" },
		{ SPAN_INIT(FACT("\"dns.txt x\":[\"\\\\\"]")), "facts 'dns.txt x': every it" },
		{ SPAN_INIT(FACT("\"dns.ptr x\":[\"\"]")), "facts 'dns.ptr x': every item" },
		{ SPAN_INIT(FACT("\"dns.soa x\":[\"a b 1 2 3 4\"]")), "facts 'dns.soa x': ever" },
		{ SPAN_INIT(FACT("\"dns.soa x\":[\"a b 1 2 3 4 5 6\"]")), "facts 'dns.soa x'" },
		{ SPAN_INIT(FACT("\"known s \\\\9\":1")), "facts 'known s \\x5c9': a backslash" },
		{ SPAN_INIT(FACT("\"known s k\":[\"\\\\9\"]")), "facts 'known s k': a backslash" },
		{ SPAN_INIT(FACT("\"dns.a x\":null,\"dns.a X.\":null")),
		  "facts 'x': this question stands twice" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (parse(cases[i].json) != ERR_SYNTAX)
			fail_msg("%.*s: taken", SPAN_ARG(cases[i].json));
		if (!span_starts(why, span_cstr(cases[i].want)))
			fail_msg("%.*s: said '%.*s', not '%s'", SPAN_ARG(cases[i].json),
				 SPAN_ARG(why), cases[i].want);
	}
}

/* --- limits, and one beyond --- */

static void limits_hold(void **state)
{
	static char room[2 * CASE_BYTES_MAX];
	struct text text = { room, 0, sizeof(room), false };
	size_t used;

	(void)state;
	for (size_t beyond = 0; beyond <= 1; beyond++) {
		text_clear(&text);
		text_add(&text, SPAN("{\"attempt\":{},\"facts\":{"));
		for (size_t i = 0; i < CASE_FACTS_MAX + beyond; i++)
			text_addf(&text, "%s\"dns.a n%zu\":null", i > 0 ? "," : "", i);
		text_add(&text, SPAN("}}"));
		assert_int_equal(parse(text_span(&text)), beyond ? ERR_LIMIT : OK);

		text_clear(&text);
		text_add(&text, SPAN("{\"attempt\":{},\"facts\":{\"dns.ptr x\":["));
		for (size_t i = 0; i < FACT_ITEMS_MAX + beyond; i++)
			text_addf(&text, "%s\"n%zu\"", i > 0 ? "," : "", i);
		text_add(&text, SPAN("]}}"));
		assert_int_equal(parse(text_span(&text)), beyond ? ERR_SYNTAX : OK);

		text_clear(&text);
		text_add(&text, SPAN("{\"attempt\":{},\"facts\":{},\"unknown\":["));
		for (size_t i = 0; i < CASE_NAMES_MAX + beyond; i++)
			text_addf(&text, "%s\"n%zu\"", i > 0 ? "," : "", i);
		text_add(&text, SPAN("]}"));
		assert_int_equal(parse(text_span(&text)), beyond ? ERR_SYNTAX : OK);

		text_clear(&text);
		text_add(&text, SPAN("{\"attempt\":{},\"facts\":{\"dns.a "));
		for (size_t i = 0; i < FACT_KEY_MAX + beyond; i++)
			text_add_char(&text, 'n');
		text_add(&text, SPAN("\":null}}"));
		assert_int_equal(parse(text_span(&text)), beyond ? ERR_SYNTAX : OK);

		text_clear(&text);
		text_add(&text, SPAN("{\"attempt\":{},\"facts\":{}"));
		used = text.len + 1;
		for (size_t i = used; i < CASE_BYTES_MAX + beyond; i++)
			text_add_char(&text, ' ');
		text_add_char(&text, '}');
		assert_int_equal(parse(text_span(&text)), beyond ? ERR_LIMIT : OK);
	}
}

static void depth_is_bounded(void **state)
{
	static char deep[100000];

	(void)state;
	memset(deep, '[', sizeof(deep));
	assert_int_equal(parse(span_of(deep, sizeof(deep))), ERR_SYNTAX);
}

static void a_full_arena_is_said(void **state)
{
	static const char text[] = "{\"attempt\":{\"sender\":\"a@b.test\"},\"id\":\"n\",\"facts\":{"
				   "\"dns.mx b.test\":[\"10 mx.b.test\"],\"known a b\":3},"
				   "\"points\":[[\"a.b\",1]],\"findings\":{\"a\":[\"b\"]},"
				   "\"unknown\":[\"c\"],\"verdict\":\"pass\",\"reply\":\"DUNNO\"}";

	(void)state;
	for (size_t bytes = 0;; bytes += ARENA_CHUNK_BYTES / 2) {
		struct arena small;
		enum err err;

		arena_init(&small, bytes);
		err = case_parse(span_cstr(text), &small, &line, &why);
		arena_release(&small);
		if (err == OK)
			break;
		assert_int_equal(err, ERR_LIMIT);
		assert_true(why.len > 0);
		assert_true(bytes < ARENA_BYTES_MAX);
	}
}

/* --- answering --- */

static enum fact_state recall(enum fact_kind kind, const char *key, struct fact *fact)
{
	*fact = (struct fact){ .kind = kind, .key = span_cstr(key) };
	assert_true(case_recall(&line, fact));
	case_release(&line, fact);
	return fact->state;
}

static void questions_are_answered(void **state)
{
	struct fact fact;

	(void)state;
	assert_int_equal(parse(SPAN(FACT("\"dns.a x\":[\"192.0.2.1\"],\"dns.mx *\":[],"
					 "\"dns.mx x\":\"bogus\""))),
			 OK);
	assert_int_equal(recall(FACT_DNS_A, "x", &fact), FACT_KNOWN);
	assert_span("item", fact.item[0], "192.0.2.1");
	assert_int_equal(recall(FACT_DNS_AAAA, "x", &fact), FACT_FAILED);
	assert_int_equal(fact.cause, CAUSE_UNRECORDED);
	assert_int_equal(recall(FACT_DNS_A, "y", &fact), FACT_FAILED);
	assert_int_equal(recall(FACT_DNS_MX, "x", &fact), FACT_FAILED);
	assert_int_equal(fact.cause, CAUSE_BOGUS);
	assert_int_equal(recall(FACT_DNS_MX, "any.name", &fact), FACT_NONE);
	assert_true(fact.exists);
	assert_int_equal(parse(SPAN(WITH("\"rest\":\"none\""))), OK);
	assert_int_equal(recall(FACT_DNS_A, "x", &fact), FACT_NONE);
	assert_false(fact.exists);
	assert_int_equal(recall(FACT_REMEMBERED, "a b", &fact), FACT_NONE);
}

/* --- there and back --- */

static void a_case_comes_back(void **state)
{
	static const char text[] =
		"{\"id\":\"K7Q2-9F3D\",\"at\":\"2026-11-20T10:41:07.123Z\",\"policy\":\"inbound\","
		"\"config\":\"41\",\"attempt\":{\"client_address\":\"198.51.100.23\","
		"\"helo_name\":{\"latin1\":\"caf\u00e9\\u0000\"},"
		"\"sender\":\"\",\"recipient\":\"anna\\n\u00e4@example.org\"},"
		"\"conversation\":\"c1\","
		"\"facts\":{\"dns.a x\":[\"192.0.2.10\",\"192.0.2.9\"],\"dns.mx x\":null,"
		"\"dns.mx y\":[],\"dns.txt x\":[\"\\\\195\"],\"dns.ptr x\":\"timeout\","
		"\"known set \\\\255\":[\"\\\\000\"]},\"rest\":\"unrecorded\","
		"\"findings\":{\"all\":[\"answered\",\"absent\"]},"
		"\"points\":[[\"all.answered\",1.25],[\"all.absent\",-0.1]],\"score\":1.15,"
		"\"unknown\":[\"all\"],\"verdict\":\"pass\",\"reply\":\"DUNNO\",\"took_us\":38112}";
	struct case_extra extra = { SPAN("inbound"), 41, 38112, false };
	struct ask_all ask;
	char *written;

	(void)state;
	if (parse(span_cstr(text)) != OK)
		fail_msg("%.*s", SPAN_ARG(why));
	assert_int_equal(line.attempt.time_ms, 1795171267123);
	assert_int_equal(line.attempt.client.family, IP_V4);
	assert_true(span_equal(line.attempt.attribute[ATTRIBUTE_helo_name], SPAN("caf\xe9\0")));
	ask_all_run(&ask, &line, &arena);
	written = case_format(&ask.walk, &extra);
	assert_string_equal(written, text);
	free(written);
	written = case_format_result(&ask.walk, SPAN("other \xff"));
	assert_string_equal(written,
			    "{\"id\":\"other \\ufffd\",\"findings\":{\"all\":[\"answered\","
			    "\"absent\"]},\"points\":[[\"all.answered\",1.25],"
			    "[\"all.absent\",-0.1]],\"score\":1.15,\"unknown\":[\"all\"],"
			    "\"verdict\":\"pass\",\"reply\":\"DUNNO\"}");
	free(written);
}

static void expectations_are_read(void **state)
{
	const struct case_expected *expected = &line.expected;

	(void)state;
	assert_int_equal(parse(SPAN(FACT(""))), OK);
	assert_false(expected->has_score || expected->has_points || expected->has_unknown ||
		     expected->has_findings || expected->verdict.at || expected->reply.at);
	assert_int_equal(parse(SPAN(WITH(
				 "\"score\":null,\"points\":[[\"a\",1],[\"b\",-2.5]],"
				 "\"unknown\":[\"u\"],\"findings\":{\"f\":[\"g\",\"h\"],\"i\":[]},"
				 "\"verdict\":\"defer\",\"reply\":\"450 x\""))),
			 OK);
	assert_true(expected->has_score && expected->score_is_null);
	assert_int_equal(expected->point_count, 2);
	assert_span("point", expected->point[1].name, "b");
	assert_true(expected->point[1].points == -2.5);
	assert_int_equal(expected->unknown_count, 1);
	assert_span("unknown", expected->unknown[0], "u");
	assert_int_equal(expected->finding_count, 2);
	assert_span("finding", expected->finding[1].name, "f.h");
	assert_span("verdict", expected->verdict, "defer");
	assert_span("reply", expected->reply, "450 x");
}

static void explanations_name_lines_and_facts(void **state)
{
	struct case_extra extra = { SPAN("inbound"), 1, 2, true };
	struct ask_all ask;
	char *written;

	(void)state;
	assert_int_equal(parse(SPAN(FACT("\"dns.a x\":\"refused\""))), OK);
	ask_all_run(&ask, &line, &arena);
	written = case_format(&ask.walk, &extra);
	assert_non_null(strstr(
		written,
		"\"explain\":{\"mode\":\"enforce\",\"decided_by\":null,\"observed\":null,"
		"\"overdue\":false,\"weigh\":[{\"name\":\"all\",\"check\":\"ask_all\","
		"\"line\":\"test.conf:7\",\"state\":\"unknown\",\"findings\":[],"
		"\"unknown\":[\"answered\"]}],\"facts\":[{\"key\":\"dns.a x\",\"state\":\"failed\","
		"\"answer\":\"refused\",\"took_us\":0,\"age_s\":0,\"ttl_s\":0,"
		"\"from_cache\":false,\"asked_by\":[0]}],\"prepend\":[],\"warnings\":[]}"));
	free(written);
}

static void nothing_scored_is_null(void **state)
{
	struct policy policy = { .name = SPAN_INIT("p") };
	struct recall recall = { case_recall, case_release, &line };
	struct ledger ledger;
	struct walk walk;
	char *written;

	(void)state;
	assert_int_equal(parse(SPAN(FACT(""))), OK);
	ledger_init(&ledger, &arena, &recall);
	assert_int_equal(walk_init(&walk, &policy, &line.attempt, &ledger), OK);
	assert_true(walk_run(&walk));
	written = case_format_result(&walk, SPAN("1"));
	assert_string_equal(written, "{\"id\":\"1\",\"findings\":{},\"points\":[],\"score\":null,"
				     "\"unknown\":[],\"verdict\":\"pass\",\"reply\":\"DUNNO\"}");
	free(written);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts_are_read),
		cmocka_unit_test(wrong_lines_say_why),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(a_full_arena_is_said),
		cmocka_unit_test(questions_are_answered),
		cmocka_unit_test(a_case_comes_back),
		cmocka_unit_test(expectations_are_read),
		cmocka_unit_test(explanations_name_lines_and_facts),
		cmocka_unit_test(nothing_scored_is_null),
	};
	int failed;

	arena_init(&arena, ARENA_BYTES_MAX);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_release(&arena);
	return failed;
}
