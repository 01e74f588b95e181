/* greylist_report_test.c -- sums over triplets. */
#include "ctl/greylist_report.h"

#include <stdio.h>
#include <stdlib.h>

#include "../unit.h"

#define NOW_MS  INT64_C(1795178074000)
#define HOUR_MS INT64_C(3600000)

static void states_are_told(void **state)
{
	static const struct {
		const char *name;
		struct triplet triplet;
		enum greylist_state want;
	} cases[] = {
		{ "at the end of its time", { .first_ms = NOW_MS - 4 * HOUR_MS }, STATE_WAITING },
		{ "one beyond", { .first_ms = NOW_MS - 4 * HOUR_MS - 1 }, STATE_NEVER },
		{ "from the future", { .first_ms = NOW_MS + HOUR_MS }, STATE_WAITING },
		{ "passed", { .first_ms = 1, .passed_ms = 2 }, STATE_PASSED },
		{ "white",
		  { .first_ms = 1, .passed_ms = 2, .colour = TRIPLET_WHITE },
		  STATE_WHITE },
		{ "black", { .first_ms = 1, .colour = TRIPLET_BLACK }, STATE_BLACK },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (greylist_state(&cases[i].triplet, NOW_MS, 4 * HOUR_MS) != cases[i].want)
			fail_msg("%s", cases[i].name);
}

static void keys_are_split(void **state)
{
	static const struct {
		struct span key, network, domain;
	} cases[] = {
		{ SPAN_INIT("192.0.2.0/24 a@b.c d@e.f"), SPAN_INIT("192.0.2.0/24"),
		  SPAN_INIT("e.f") },
		{ SPAN_INIT("2001:db8::/64 <> d@e.f"), SPAN_INIT("2001:db8::/64"),
		  SPAN_INIT("e.f") },
		{ SPAN_INIT("org:b.c a@b.c <>"), SPAN_INIT("org:b.c"), SPAN_INIT("-") },
		{ SPAN_INIT("192.0.2.1"), SPAN_INIT("192.0.2.1"), SPAN_INIT("-") },
		{ SPAN_INIT("x d@"), SPAN_INIT("x"), SPAN_INIT("-") },
		{ SPAN_INIT("x a@b@c"), SPAN_INIT("x"), SPAN_INIT("c") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		check_span(report_network(cases[i].key), cases[i].network, cases[i].key.at);
		check_span(report_domain(cases[i].key), cases[i].domain, cases[i].key.at);
	}
}

static struct greylist_report *report_new(int64_t since_ms)
{
	struct greylist_report *report = calloc(1, sizeof(*report));

	assert_non_null(report);
	report->now_ms = NOW_MS;
	report->after_ms = 4 * HOUR_MS;
	report->since_ms = since_ms;
	assert_int_equal(greylist_report_init(report), OK);
	return report;
}

static void report_free(struct greylist_report *report)
{
	greylist_report_release(report);
	free(report);
}

static void sums_are_right(void **state)
{
	static const struct {
		struct span key;
		struct triplet triplet;
	} entries[] = {
		{ SPAN_INIT("n1 a@x r@one.example"), { .first_ms = NOW_MS - HOUR_MS } },
		{ SPAN_INIT("n1 b@x r@one.example"), { .first_ms = NOW_MS - 5 * HOUR_MS } },
		{ SPAN_INIT("n1 c@x r@two.example"),
		  { .first_ms = NOW_MS - 9 * HOUR_MS,
		    .passed_ms = NOW_MS - 7 * HOUR_MS,
		    .passes = 3 } },
		{ SPAN_INIT("n2 d@x r@two.example"),
		  { .first_ms = NOW_MS - 9 * HOUR_MS,
		    .passed_ms = NOW_MS - 8 * HOUR_MS,
		    .passes = 1,
		    .colour = TRIPLET_WHITE } },
		{ SPAN_INIT("n3 e@x r@two.example"),
		  { .first_ms = NOW_MS - HOUR_MS, .colour = TRIPLET_BLACK } },
		{ SPAN_INIT("n4 f@x r@two.example"), { .first_ms = NOW_MS - 90 * HOUR_MS } },
	};
	struct greylist_report *report = report_new(NOW_MS - 24 * HOUR_MS);

	(void)state;
	for (size_t i = 0; i < COUNT(entries); i++)
		greylist_report_add(report, entries[i].key, &entries[i].triplet);
	assert_int_equal(report->state[STATE_WAITING], 1);
	assert_int_equal(report->state[STATE_NEVER], 1);
	assert_int_equal(report->state[STATE_PASSED], 1);
	assert_int_equal(report->state[STATE_WHITE], 1);
	assert_int_equal(report->state[STATE_BLACK], 1);
	assert_int_equal(report->back, 2);
	assert_int_equal(report->passes, 4);
	assert_int_equal(report->longest_ms, 2 * HOUR_MS);
	assert_int_equal(report->oldest_ms, NOW_MS - 9 * HOUR_MS);
	report_groups_sort(&report->networks);
	assert_int_equal(report->networks.count, 2);
	check_span(span_cstr(report->networks.group[0].name), SPAN("n1"), "first");
	assert_int_equal(report->networks.group[0].delayed, 3);
	assert_int_equal(report->networks.group[0].back, 1);
	assert_int_equal(report->networks.group[0].never, 1);
	assert_int_equal(report->networks.group[0].longest_ms, 2 * HOUR_MS);
	assert_int_equal(report->domains.count, 2);
	report_free(report);
}

/* A percentile is never below the truth, and not 7 % above. */
static void delays_are_near(void **state)
{
	static const int64_t delays_s[] = { 0,   1,    15,   16,    17,     31,      32,
					    300, 3600, 7261, 86399, 864000, 34560000 };

	(void)state;
	for (size_t i = 0; i < COUNT(delays_s); i++) {
		struct greylist_report *report = report_new(0);
		const struct triplet one = { .first_ms = 1000,
					     .passed_ms = 1000 + delays_s[i] * 1000 };
		const struct triplet longer = { .first_ms = 1000,
						.passed_ms = 1000 + INT64_C(100000000000) };
		int64_t have;

		greylist_report_add(report, SPAN("n"), &one);
		greylist_report_add(report, SPAN("n"), &one);
		greylist_report_add(report, SPAN("n"), &longer);
		have = greylist_report_delay_ms(report, 50);
		if (have < delays_s[i] * 1000 || have > delays_s[i] * 1070 + 1000)
			fail_msg("%lld s: %lld ms", (long long)delays_s[i], (long long)have);
		assert_int_equal(greylist_report_delay_ms(report, 100), INT64_C(100000000000));
		report_free(report);
	}
}

static void no_delays_at_all(void **state)
{
	struct greylist_report *report = report_new(0);

	(void)state;
	assert_int_equal(greylist_report_delay_ms(report, 50), 0);
	report_groups_sort(&report->networks);
	report_free(report);
}

/* At the limit of groups, and beyond it: the rest is one group together. */
static void groups_have_an_end(void **state)
{
	struct greylist_report *report = report_new(0);
	const struct triplet waiting = { .first_ms = NOW_MS };
	char key[64];

	(void)state;
	for (int i = 0; i < REPORT_GROUPS_MAX + 10; i++) {
		snprintf(key, sizeof(key), "net%d a@b.c d@e.f", i);
		greylist_report_add(report, span_cstr(key), &waiting);
		if (i == REPORT_GROUPS_MAX - 1)
			assert_int_equal(report->networks.count, REPORT_GROUPS_MAX);
	}
	greylist_report_add(report, SPAN("net7 a@b.c d@e.f"), &waiting);
	assert_int_equal(report->networks.count, REPORT_GROUPS_MAX + 1);
	report_groups_sort(&report->networks);
	check_span(span_cstr(report->networks.group[0].name), SPAN("(others)"), "others");
	assert_int_equal(report->networks.group[0].delayed, 10);
	check_span(span_cstr(report->networks.group[1].name), SPAN("net7"), "net7");
	assert_int_equal(report->domains.count, 1);
	assert_int_equal(report->domains.group[0].delayed, REPORT_GROUPS_MAX + 11);
	report_free(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_are_told),  cmocka_unit_test(keys_are_split),
		cmocka_unit_test(sums_are_right),   cmocka_unit_test(delays_are_near),
		cmocka_unit_test(no_delays_at_all), cmocka_unit_test(groups_have_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
