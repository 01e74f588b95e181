/* zone_health_test.c -- when is a DNS list believed? */
#include "../unit.h"

#include "weigh/zone_health.h"

enum { S = 1000, MIN = 60 * S };

static const struct zone listed = {
	.name = SPAN_INIT("bl.example"),
	.meaning = { SPAN_INIT("listed") },
	.meaning_count = 1,
	.range = { { 0x7f000002, UINT32_MAX, false, 0 } },
	.range_count = 1,
	.lists_ip4 = true,
	.test_listed = SPAN_INIT("127.0.0.2"),
	.test_clear = SPAN_INIT("127.0.0.1"),
};

/* --- tests --- */

static const struct {
	const char *name;
	struct zone zone;
	const char *keys[ZONE_TESTS_MAX];
	bool is_declared;
} tests[] = {
	{ "addresses",
	  { .name = SPAN_INIT("a.example"), .lists_ip4 = true },
	  { "2.0.0.127.a.example", "1.0.0.127.a.example" },
	  false },
	{ "IPv6",
	  { .name = SPAN_INIT("a.example"),
	    .lists_ip6 = true,
	    .test_listed = SPAN_INIT("::FFFF:7F00:2") },
	  { "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.a.example",
	    "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.a.example" },
	  true },
	{ "domains",
	  { .name = SPAN_INIT("d.example"), .lists_domains = true },
	  { "test.d.example", "invalid.d.example" },
	  false },
	{ "domains, an entry of its own",
	  { .name = SPAN_INIT("d.example"),
	    .lists_domains = true,
	    .test_listed = SPAN_INIT("dbltest.com") },
	  { "dbltest.com.d.example", "invalid.d.example" },
	  true },
	{ "domains, tested by an address that it does not list",
	  { .name = SPAN_INIT("d.example"),
	    .lists_domains = true,
	    .test_listed = SPAN_INIT("127.0.0.2") },
	  { "test.d.example", "invalid.d.example" },
	  false },
	{ "all three, the entry of one",
	  { .name = SPAN_INIT("m.example"),
	    .lists_ip4 = true,
	    .lists_ip6 = true,
	    .lists_domains = true,
	    .test_listed = SPAN_INIT("127.0.0.9") },
	  { "9.0.0.127.m.example", "1.0.0.127.m.example",
	    "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.m.example",
	    "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.m.example",
	    "test.m.example", "invalid.m.example" },
	  true },
};

static void test_tests(void **state)
{
	static struct zone_test test[ZONE_TESTS_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		size_t count = zone_tests(&tests[i].zone, test);

		for (size_t k = 0; k < ZONE_TESTS_MAX; k++) {
			if (tests[i].keys[k] == NULL) {
				assert_int_equal(count, k);
				break;
			}
			check_span(span_of(test[k].key, test[k].key_len),
				   span_cstr(tests[i].keys[k]), tests[i].name);
			assert_int_equal(test[k].wants_listed, k % 2 == 0);
		}
		assert_int_equal(test[0].is_declared, tests[i].is_declared);
	}
}

static void test_hear(void **state)
{
	static const struct {
		const char *name;
		enum fact_state state;
		struct span item[2];
		uint16_t count;
		enum zone_said want;
		uint32_t raw;
	} cases[] = {
		{ "nothing", FACT_FAILED, { { 0 } }, 0, ZONE_SAID_NOTHING, 0 },
		{ "clear", FACT_NONE, { { 0 } }, 0, ZONE_SAID_CLEAR, 0 },
		{ "listed",
		  FACT_KNOWN,
		  { SPAN_INIT("127.0.0.2") },
		  1,
		  ZONE_SAID_LISTED,
		  0x7f000002 },
		{ "refused",
		  FACT_KNOWN,
		  { SPAN_INIT("127.255.255.254") },
		  1,
		  ZONE_SAID_REFUSED,
		  0x7ffffffe },
		{ "both",
		  FACT_KNOWN,
		  { SPAN_INIT("127.0.0.2"), SPAN_INIT("127.255.255.254") },
		  2,
		  ZONE_SAID_REFUSED,
		  0x7ffffffe },
		{ "sold", FACT_KNOWN, { SPAN_INIT("203.0.113.9") }, 1, ZONE_SAID_ODD, 0xcb007109 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct fact fact = { .state = cases[i].state,
					   .item = cases[i].item,
					   .item_count = cases[i].count };
		uint32_t raw = 1;

		print_message("# %s\n", cases[i].name);
		assert_int_equal(zone_hear(&listed, &fact, &raw), cases[i].want);
		assert_int_equal(raw, cases[i].raw);
	}
}

/* --- rounds --- */

static struct zone_test round_test[ZONE_TESTS_MAX + 1];

static bool judge(struct zone_health *health, enum zone_said listed_says, enum zone_said clear_says,
		  int64_t now_ms)
{
	const enum zone_said said[ZONE_TESTS_MAX] = { listed_says, clear_says };
	const uint32_t raw[ZONE_TESTS_MAX] = { 0x7f000002, 0x7f000003 };

	return zone_health_judge(health, round_test, said, raw, now_ms);
}

static void begin(const struct zone *zone, struct zone_health *health)
{
	memset(round_test, 0, sizeof(round_test));
	assert_int_equal(zone_tests(zone, round_test), 2);
	zone_health_init(health, 1 * S);
	assert_int_equal(health->state, ZONE_UNTESTED);
	assert_int_equal(health->due_ms, 1 * S);
}

#define NOTHING ZONE_SAID_NOTHING
#define CLEAR   ZONE_SAID_CLEAR
#define LISTED  ZONE_SAID_LISTED
#define REFUSED ZONE_SAID_REFUSED
#define ODD     ZONE_SAID_ODD

static void test_rounds(void **state)
{
	static const struct {
		const char *name;
		enum zone_said listed, clear;
		enum zone_state state;
		enum zone_trouble trouble;
		uint32_t raw;
	} cases[] = {
		{ "right", LISTED, CLEAR, ZONE_WELL, TROUBLE_NONE, 0 },
		{ "another meaning", ODD, CLEAR, ZONE_WELL, TROUBLE_NONE, 0 },
		{ "lists all", LISTED, LISTED, ZONE_PARKED, TROUBLE_LISTS_ALL, 0x7f000003 },
		{ "sold", ODD, ODD, ZONE_PARKED, TROUBLE_LISTS_ALL, 0x7f000003 },
		{ "the wrong way round", CLEAR, LISTED, ZONE_PARKED, TROUBLE_LISTS_ALL,
		  0x7f000003 },
		{ "lists nothing", CLEAR, CLEAR, ZONE_PARKED, TROUBLE_LISTS_NOTHING, 0x7f000002 },
		{ "refuses", REFUSED, REFUSED, ZONE_PARKED, TROUBLE_REFUSES, 0x7f000002 },
		{ "refuses what is listed", REFUSED, CLEAR, ZONE_PARKED, TROUBLE_REFUSES,
		  0x7f000002 },
		{ "silent", NOTHING, NOTHING, ZONE_UNTESTED, TROUBLE_NONE, 0 },
		{ "half silent", LISTED, NOTHING, ZONE_UNTESTED, TROUBLE_NONE, 0 },
		{ "half silent, and lying", NOTHING, LISTED, ZONE_PARKED, TROUBLE_LISTS_ALL,
		  0x7f000003 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct zone_health health;
		bool has_changed;

		print_message("# %s\n", cases[i].name);
		begin(&listed, &health);
		has_changed = judge(&health, cases[i].listed, cases[i].clear, 2 * S);
		assert_int_equal(health.state, cases[i].state);
		assert_int_equal(health.trouble, cases[i].trouble);
		assert_int_equal(has_changed, cases[i].state != ZONE_UNTESTED);
		assert_int_equal(health.raw, cases[i].raw);
		assert_int_equal(health.due_ms,
				 2 * S + (cases[i].state == ZONE_WELL ? ZONE_TEST_MS
								      : ZONE_RETEST_MS_MIN));
	}
}

/* A list without a declared entry need not have one; but what it once listed it must go on to. */
static void test_undeclared_entry(void **state)
{
	struct zone zone = listed;
	struct zone_health health;

	(void)state;
	zone.test_listed = SPAN("");
	begin(&zone, &health);
	judge(&health, CLEAR, CLEAR, 2 * S);
	assert_int_equal(health.state, ZONE_WELL);
	judge(&health, LISTED, CLEAR, 20 * MIN);
	judge(&health, CLEAR, CLEAR, 40 * MIN);
	assert_int_equal(health.trouble, TROUBLE_LISTS_NOTHING);
}

static void test_back_off(void **state)
{
	static const int64_t waits_s[] = { 30, 60, 120, 240, 480, 900, 900 };
	struct zone_health health;
	int64_t now_ms = 2 * S;

	(void)state;
	begin(&listed, &health);
	for (size_t i = 0; i < sizeof(waits_s) / sizeof(*waits_s); i++) {
		assert_int_equal(judge(&health, REFUSED, CLEAR, now_ms), i == 0);
		assert_int_equal(health.due_ms, now_ms + waits_s[i] * S);
		assert_int_equal(health.since_ms, 2 * S);
		now_ms = health.due_ms;
	}
	/* Back, it is looked at no later than before; when that is right, too, all is forgotten. */
	assert_true(judge(&health, LISTED, CLEAR, now_ms));
	assert_int_equal(health.state, ZONE_WELL);
	now_ms = health.due_ms;
	assert_false(judge(&health, LISTED, CLEAR, now_ms));
	assert_int_equal(health.due_ms, now_ms + ZONE_TEST_MS);
	assert_true(judge(&health, REFUSED, CLEAR, now_ms));
	assert_int_equal(health.due_ms, now_ms + ZONE_RETEST_MS_MIN);
}

static void test_one_that_comes_and_goes(void **state)
{
	static const int64_t waits_s[] = { 30, 60, 120, 240, 480, 900, 900 };
	struct zone_health health;
	int64_t now_ms = 2 * S;

	(void)state;
	begin(&listed, &health);
	judge(&health, LISTED, CLEAR, now_ms);
	for (size_t i = 0; i < sizeof(waits_s) / sizeof(*waits_s); i++) {
		assert_true(zone_health_accuse(&health, TROUBLE_REFUSES, 0x7ffffffe, now_ms));
		assert_false(zone_health_accuse(&health, TROUBLE_REFUSES, 0x7ffffffe, now_ms));
		assert_int_equal(health.due_ms, now_ms + waits_s[i] * S);
		now_ms = health.due_ms;
		assert_true(judge(&health, LISTED, CLEAR, now_ms));
	}
}

/* Silence changes nothing: it neither frees a parked list nor parks it a good one. */
static void test_silence(void **state)
{
	struct zone_health health;

	(void)state;
	begin(&listed, &health);
	judge(&health, LISTED, CLEAR, 2 * S);
	assert_false(judge(&health, NOTHING, NOTHING, 20 * MIN));
	assert_int_equal(health.state, ZONE_WELL);
	assert_true(health.is_silent);
	judge(&health, REFUSED, NOTHING, 21 * MIN);
	assert_int_equal(health.state, ZONE_PARKED);
	assert_false(judge(&health, NOTHING, NOTHING, 22 * MIN));
	assert_false(judge(&health, LISTED, NOTHING, 23 * MIN));
	assert_int_equal(health.state, ZONE_PARKED);
}

/* --- veto --- */

static void test_veto(void **state)
{
	struct zone_veto veto = { 0 };
	uint32_t client = 1;

	(void)state;
	for (; client <= ZONE_VETO_CLIENTS; client++)
		assert_false(zone_veto_add(&veto, client, client > 20));
	/* 180 of 200 are 90 %, and not more. */
	assert_int_equal(veto.hits, 180);
	assert_false(zone_veto_add(&veto, 30, true)); /* known already */
	assert_true(zone_veto_add(&veto, client++, true));
	assert_int_equal(veto.hits, 181);
	for (; veto.hits > 180; client++)
		(void)zone_veto_add(&veto, client, false);
	assert_false(zone_veto_add(&veto, client, false));
}

static void test_veto_is_tested(void **state)
{
	struct zone_health health;

	(void)state;
	begin(&listed, &health);
	judge(&health, LISTED, CLEAR, 2 * S);
	assert_true(zone_health_accuse(&health, TROUBLE_HITS_MOST, 0x7f000002, 3 * S));
	assert_int_equal(health.due_ms, 3 * S);
	assert_true(judge(&health, LISTED, CLEAR, 4 * S));
	assert_int_equal(health.state, ZONE_WELL);
	/* The tests have spoken for it: it just has bad company. */
	assert_false(zone_health_accuse(&health, TROUBLE_HITS_MOST, 0x7f000002,
					4 * S + ZONE_VETO_PAUSE_MS - 1));
	assert_true(zone_health_accuse(&health, TROUBLE_HITS_MOST, 0x7f000002,
				       4 * S + ZONE_VETO_PAUSE_MS));
}

/* --- breaker --- */

static void test_breaker(void **state)
{
	static const int64_t waits_s[] = { 60, 120, 240, 480, 900, 900 };
	struct breaker breaker = { 0 };
	int64_t now_ms = 5 * S;

	(void)state;
	for (int i = 1; i < BREAKER_FAILURES; i++)
		assert_false(breaker_fail(&breaker, now_ms + i));
	assert_false(breaker_work(&breaker));
	for (int i = 1; i < BREAKER_FAILURES; i++)
		assert_false(breaker_fail(&breaker, now_ms));
	for (size_t i = 0; i < sizeof(waits_s) / sizeof(*waits_s); i++) {
		assert_true(breaker_fail(&breaker, now_ms));
		assert_false(breaker_fail(&breaker, now_ms + 1));
		assert_int_equal(breaker.until_ms, now_ms + waits_s[i] * S);
		now_ms = breaker.until_ms;
	}
	assert_true(breaker_work(&breaker));
	assert_int_equal(breaker.until_ms, 0);
	assert_false(breaker_fail(&breaker, now_ms));
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_tests),
		cmocka_unit_test(test_hear),
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_undeclared_entry),
		cmocka_unit_test(test_back_off),
		cmocka_unit_test(test_one_that_comes_and_goes),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_veto),
		cmocka_unit_test(test_veto_is_tested),
		cmocka_unit_test(test_breaker),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
