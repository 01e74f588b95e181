/* classic_test.c -- classic beyond its recorded cases: what failures mean, bounds, and order. */
#include "checks/classic_priv.h"
#include "weigh/verdict.h"
#include "world.h"

#include <math.h>
#include <stdio.h>

#define CLIENT     "198.51.100.7"
#define LIST(zone) "7.100.51.198." zone
#define PTR_NAME   "7.100.51.198.in-addr.arpa"
#define LABEL_63   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct world world;

static void weigh_with(const struct told *told, const char *helo, const char *sender,
		       const struct classic_parameters *set)
{
	const struct arguments arguments = { .parameters = set };

	memset(&world, 0, sizeof(world));
	world.told = told;
	world.attempt.attribute[ATTRIBUTE_helo_name] = span_cstr(helo);
	world.attempt.attribute[ATTRIBUTE_sender] = span_cstr(sender);
	world.attempt.attribute[ATTRIBUTE_client_name] = SPAN("unknown");
	world.attempt.conversation = SPAN("c1");
	world_weigh(&world, &check_classic, &arguments, CLIENT);
}

/* --- numbers and names --- */

static void test_round(void **state)
{
	static const struct {
		double x, want;
	} cases[] = {
		{ 3, 3 },
		{ 0.0123456, 0.01235 },
		{ 12.34567, 12.346 },
		{ -12.34567, -12.346 },
		{ 0.5, 0.5 },
		{ 1234.5678, 1234.568 },
		{ 8.88178419700125e-16, 8.88e-16 },
		{ 0.1 + 0.2, 0.3 },
		{ 1e15, 1e15 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (classic_round(cases[i].x) != cases[i].want)
			fail_msg("%.17g: have %.17g", cases[i].x, classic_round(cases[i].x));
	/* written without a point: left alone, residue and all */
	assert_true(classic_round(1 - 1e-16) == 1 - 1e-16);
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		bool mail, dynamic, address, numeric;
	} cases[] = {
		{ "mx.example.org", true, false, false, false },
		{ "mx.example", false, false, false, false },
		{ "static7.cable.isp.example", true, true, false, false },
		{ "dynstat.isp.example", false, true, false, false },
		{ "h1.dsl.net.test", false, true, false, false },
		{ "a.dsl", false, false, false, false },
		{ "reverse.home.net.test", false, true, false, false },
		{ "p7.dip.isp.example", false, true, false, false },
		{ "h-198-51-100-7.net.test", false, false, true, false },
		{ "h_1_2_3_4", false, false, true, false },
		{ "h-1984-51-100-7", false, false, false, false },
		{ "198.51.100.7", false, false, false, true },
		{ "[198.51.100.7]", false, false, false, true },
		{ "12", false, false, false, false },
		{ "", false, false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span name = span_cstr(cases[i].name), keyword;

		if (classic_is_mail_like(name, &keyword) != cases[i].mail ||
		    classic_is_dynamic_like(name, &keyword) != cases[i].dynamic ||
		    classic_is_address_like(name) != cases[i].address ||
		    classic_is_numeric(name) != cases[i].numeric)
			fail_msg("%s", cases[i].name);
	}
}

static void test_literals(void **state)
{
	static const struct {
		const char *inside;
		bool want;
	} cases[] = {
		{ "198.51.100.7", true },
		{ "0306.063.0144.07", false },
		{ "198.51.100.07", true },
		{ "198.51.100.8", false },
		{ "198.51.100", false },
		{ "198.51.100.7.", false },
		{ "198.51.100.7.1", false },
		{ "198.51.100.307", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (classic_is_own_literal(span_cstr(cases[i].inside), SPAN(CLIENT)) !=
		    cases[i].want)
			fail_msg("%s", cases[i].inside);
}

static void test_suffixes(void **state)
{
	static const char *const cases[][2] = {
		{ "alder.com", "alder" },
		{ "mail.alder.co.uk", "mail.alder" },
		{ "alder.com.br", "alder" },
		{ "mail.ab.cd", "mail" },
		{ "ab.cd", "ab" },
		{ "alder.online", "alder.online" },
		{ "alder.123", "alder.123" },
		{ "com", "com" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_span(classic_cut_suffix(span_cstr(cases[i][0])), span_cstr(cases[i][1]),
			   cases[i][0]);
}

static void test_questions(void **state)
{
	static const struct {
		const char *name, *want; /* NULL: cannot exist */
	} cases[] = {
		{ "mx.example.org", "mx.example.org" },
		{ "mx.example.org.", "mx.example.org" },
		{ "198.51.100.7", PTR_NAME },
		{ "51.100.7", "7.100.51.in-addr.arpa" },
		{ "1.2.3.4.5", "4.3.2.1.in-addr.arpa" },
		{ "::ffff:198.51.100.7", PTR_NAME },
		{ "fir.test:25", "fir.test:25" },
		{ "a b.test", "a\\032b.test" },
		{ LABEL_63 ".test", LABEL_63 ".test" },
		{ LABEL_63 "a.test", NULL },
		{ "a..test", NULL },
		{ ".", NULL },
	};
	TEXT(room, 1100);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span question;
		bool can = classic_question(span_cstr(cases[i].name), &room, &question);

		assert_int_equal(can, cases[i].want != NULL);
		if (can)
			check_span(question, span_cstr(cases[i].want), cases[i].name);
	}
}

/* --- what failures mean --- */

static const struct told good_sender[] = {
	{ FACT_DNS_MX, "alder.test", "10 mx.alder.test" },
	{ FACT_DNS_A, "mx.alder.test", CLIENT },
	{ 0 },
};

static bool names_unknown(const char *name)
{
	const struct judgement *own = world.found.own;

	for (unsigned i = 0; i < own->unknown_count; i++)
		if (span_equal(own->unknown[i], span_cstr(name)))
			return true;
	return false;
}

static void test_list_answers(void **state)
{
	static const struct {
		const char *name, *answer;
		double score;
		bool unknown;
	} cases[] = {
		{ "listed", "127.0.0.2", -6.1 + 1.5 + 3.75, false },
		{ "two records", "127.0.0.4|127.0.0.2", -6.1 + 1.5 + 3.75, false },
		{ "refusal, never a listing", "127.255.255.254", -6.1, true },
		{ "a refusal beside a listing", "127.0.0.2|127.255.255.254", -6.1, true },
		{ "no list says 127.0.0.1", "127.0.0.1", -6.1, true },
		{ "wildcard of a dead list", "192.0.2.1", -6.1, true },
		{ "server failed", "!", -6.1, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct told told[] = {
			good_sender[0],
			good_sender[1],
			{ FACT_DNS_A, LIST("bl.spamcop.net"), cases[i].answer },
			{ 0 },
		};

		weigh_with(told, "mx.alder.test", "joe@alder.test", &classic_defaults);
		if (fabs(world.found.own->score - cases[i].score) > 0.001 ||
		    names_unknown("SPAMCOP") != cases[i].unknown)
			fail_msg("%s: score %g", cases[i].name, world.found.own->score);
		world_end(&world);
	}
}

static void test_long_label(void **state)
{
	static const struct told nothing[] = { { 0 } };

	(void)state;
	/* at the limit it is asked, and nobody knows it; one beyond it is a hit unasked (5.1) */
	weigh_with(nothing, "h.fir.test", "joe@" LABEL_63, &classic_defaults);
	assert_false(span_has(world.found.own->text, SPAN("IN_SURBL")));
	world_end(&world);
	weigh_with(nothing, "h.fir.test", "joe@a" LABEL_63, &classic_defaults);
	assert_non_null(world.found.own);
	world_end(&world);
}

/* Names that end the original's process. */
static void test_impossible_names(void **state)
{
	static const char *const helo[] = {
		"a..b", ".a", LABEL_63 "a.fir.test", "..", "[", "a.b.\\"
	};
	static const struct told nothing[] = { { 0 } };

	(void)state;
	for (size_t i = 0; i < COUNT(helo); i++) {
		weigh_with(nothing, helo[i], "joe@a..test", &classic_defaults);
		assert_false(world.found.pending);
		assert_non_null(world.found.own);
		assert_true(world.found.own->is_final);
		world_end(&world);
	}
}

/* Without @ there is no sender's domain to walk, but a sender to compare with the greeting. */
static void test_sender_without_at(void **state)
{
	static const struct told nothing[] = { { 0 } };

	(void)state;
	weigh_with(nothing, "h.fir.test", "joe.smith", &classic_defaults);
	assert_false(span_has(world.found.own->text, SPAN("BOGUS_MX")));
	assert_true(span_has(world.found.own->text, SPAN("(check from: .joe. - ")));
	world_end(&world);
}

/* --- order and bounds --- */

static bool was_ordered(enum fact_kind kind, const char *key)
{
	for (unsigned i = 0; i < world.ledger.fact_count; i++)
		if (world.ledger.fact[i]->kind == kind &&
		    span_equal(world.ledger.fact[i]->key, span_cstr(key)))
			return true;
	return false;
}

static void test_all_at_once(void **state)
{
	static const struct told first_pending[] = {
		{ FACT_DNS_A, LIST("pbl.spamhaus.org"), "?" },
		{ FACT_DNS_MX, "alder.test", "10 mx.alder.test" },
		{ 0 },
	};

	(void)state;
	weigh_with(first_pending, "a.fir.test", "joe@alder.test", &classic_defaults);
	assert_true(world.found.pending);
	assert_true(was_ordered(FACT_DNS_A, LIST("ix.dnsbl.manitu.net")));
	assert_true(was_ordered(FACT_DNS_MX, "a.fir.test"));
	assert_true(was_ordered(FACT_DNS_AAAA, "fir.test"));
	assert_true(was_ordered(FACT_DNS_A, "mx.alder.test"));
	assert_true(was_ordered(FACT_DNS_PTR, PTR_NAME));
	assert_true(was_ordered(FACT_DNS_A, "alder.test.multi.surbl.org"));
	world_end(&world);
}

/* Who is sure already need not wait. */
static void test_settles_early(void **state)
{
	static const struct told told[] = {
		{ FACT_DNS_A, LIST("pbl.spamhaus.org"), "127.0.0.10" },
		{ FACT_DNS_A, LIST("sbl-xbl.spamhaus.org"), "127.0.0.4" },
		{ FACT_DNS_A, LIST("bl.spamcop.net"), "127.0.0.2" },
		{ FACT_DNS_A, LIST("ix.dnsbl.manitu.net"), "?" },
		{ FACT_DNS_MX, "alder.test", "?" },
		{ 0 },
	};

	(void)state;
	weigh_with(told, "a.fir.test", "joe@alder.test", &classic_defaults);
	assert_false(world.found.pending);
	assert_int_equal(world.found.own->verdict, VERDICT_REJECT);
	assert_true(world.found.own->is_final);
	world_end(&world);
}

static void test_question_bound(void **state)
{
	static const char deep[] = "joe@a.b.c.d.e.f.g.h.i.j.alder.test";
	char hosts[FACT_ITEMS_MAX * 16] = "";
	const struct told told[] = {
		{ FACT_DNS_A, LIST("pbl.spamhaus.org"), "?" },
		{ FACT_DNS_MX, "alder.test", hosts },
		{ 0 },
	};

	(void)state;
	for (unsigned i = 0; i < 400; i++)
		snprintf(hosts + strlen(hosts), 16, "%s%u h%u.x", i > 0 ? "|" : "", 10 + i, i);
	weigh_with(told, "a.b.c.d.e.f.g.h.i.j.fir.test", deep, &classic_defaults);
	assert_true(world.found.pending);
	assert_true(world.ledger.question_count <= CLASSIC_QUESTIONS_MAX);
	/* the name itself and the shortest of its parents */
	assert_true(was_ordered(FACT_DNS_MX, "a.b.c.d.e.f.g.h.i.j.alder.test"));
	assert_false(was_ordered(FACT_DNS_MX, "b.c.d.e.f.g.h.i.j.alder.test"));
	assert_true(was_ordered(FACT_DNS_MX, "alder.test"));
	world_end(&world);
}

/* --- what is remembered --- */

static struct span remembered(const char *set)
{
	for (unsigned i = 0; i < world.found.own->memory_count; i++)
		if (span_equal(world.found.own->memory[i].set, span_cstr(set)))
			return world.found.own->memory[i].value;
	return span_of(NULL, 0);
}

static void test_next_recipient(void **state)
{
	char value[1024];
	struct span message;
	const struct told told[] = { { FACT_REMEMBERED, "classic.message c1", value }, { 0 } };

	(void)state;
	weigh_with(good_sender, "mx.alder.test", "joe@alder.test", &classic_defaults);
	message = remembered("classic.message");
	assert_true(message.len > 0 && message.len < sizeof(value));
	memcpy(value, message.at, message.len);
	value[message.len] = '\0';
	world_end(&world);
	weigh_with(told, "mx.alder.test", "joe@alder.test", &classic_defaults);
	assert_true(span_starts(world.found.own->reply, SPAN("DUNNO multirecipient-mail")));
	world_end(&world);
	weigh_with(told, "mx.alder.test", "ann@alder.test", &classic_defaults);
	assert_false(span_starts(world.found.own->reply, SPAN("DUNNO multirecipient-mail")));
	world_end(&world);
}

/* Whatever stands in the store is read without harm. */
static void test_broken_memory(void **state)
{
	static const char *const broken[] = { "",
					      "x",
					      "9999 1 a",
					      "-1 -1 ",
					      "1 99999999999999999999 ",
					      "18446744073709551615 2 ab" };

	(void)state;
	for (size_t i = 0; i < COUNT(broken); i++) {
		const struct told told[] = {
			good_sender[0],
			good_sender[1],
			{ FACT_REMEMBERED, "classic.message c1", broken[i] },
			{ FACT_REMEMBERED, "classic.errors lists", broken[i] },
			{ FACT_REMEMBERED, "classic.accepted " CLIENT "-alder.test", broken[i] },
			{ 0 },
		};

		weigh_with(told, "mx.alder.test", "joe@alder.test", &classic_defaults);
		assert_non_null(world.found.own);
		assert_int_equal(world.found.own->verdict, VERDICT_PASS);
		world_end(&world);
	}
}

static void test_skipped_list(void **state)
{
	static const struct told told[] = {
		{ FACT_REMEMBERED, "classic.errors lists", "bl.spamcop.net 3 " },
		{ FACT_DNS_MX, "alder.test", "10 mx.alder.test" },
		{ FACT_DNS_A, "mx.alder.test", CLIENT },
		{ 0 },
	};

	(void)state;
	weigh_with(told, "mx.alder.test", "joe@alder.test", &classic_defaults);
	assert_false(was_ordered(FACT_DNS_A, LIST("bl.spamcop.net")));
	assert_true(span_has(world.found.own->text, SPAN(" SPAMCOP=SKIP(-1.5)")));
	check_span(remembered("classic.errors"), SPAN("bl.spamcop.net 4 "), "counted");
	world_end(&world);
}

static void test_trusted_without_questions(void **state)
{
	static const struct told told[] = {
		{ FACT_REMEMBERED, "classic.accepted " CLIENT "-alder.test", "-6.1 60 0 -90000 0" },
		{ 0 },
	};

	(void)state;
	weigh_with(told, "mx.alder.test", "joe@alder.test", &classic_defaults);
	assert_int_equal(world.ledger.question_count, 0);
	assert_true(span_ends(world.found.own->reply, SPAN("rate:hard: -6.1")));
	check_span(remembered("classic.accepted"), SPAN("-6.1 59 0 -90000 0"), "counted");
	world_end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_suffixes),
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_list_answers),
		cmocka_unit_test(test_long_label),
		cmocka_unit_test(test_impossible_names),
		cmocka_unit_test(test_sender_without_at),
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_settles_early),
		cmocka_unit_test(test_question_bound),
		cmocka_unit_test(test_next_recipient),
		cmocka_unit_test(test_broken_memory),
		cmocka_unit_test(test_skipped_list),
		cmocka_unit_test(test_trusted_without_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
