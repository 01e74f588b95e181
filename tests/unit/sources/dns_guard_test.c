/* dns_guard_test.c -- whom not to ask. */
#include "../unit.h"

#include "sources/dns_guard.h"

#include <poll.h>

static const struct zone list = {
	.name = SPAN_INIT("bl.example"),
	.shown = SPAN_INIT("bl.example"),
	.meaning = { SPAN_INIT("listed") },
	.meaning_count = 1,
	.range = { { 0x7f000000, 0xff000000, false, 0 } },
	.range_count = 1,
	.lists_ip4 = true,
};

static struct dns_answer answer;

static void hear(struct dns_guard *guard, struct dns_zone *zone, uint32_t client, int64_t now_ms)
{
	const struct dns_heard heard = { .zone = zone, .answer = &answer, .client = client };

	dns_guard_heard(guard, &heard, now_ms);
}

static void set_listed(const char *address)
{
	answer = (struct dns_answer){ .state = FACT_KNOWN, .item_count = 1 };
	answer.item[0] = span_cstr(address);
}

static void set_failed(enum fact_cause cause)
{
	dns_answer_fail(cause, &answer);
}

static void set_clear(void)
{
	answer = (struct dns_answer){ .state = FACT_NONE };
}

static bool has_news(const struct dns_guard *guard)
{
	struct pollfd fd = { .fd = guard->wake_fd, .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

static void test_find(void **state)
{
	struct dns_guard *guard = dns_guard_new();
	struct zone deep = list;
	struct dns_zone *zone, *other;

	(void)state;
	assert_null(dns_guard_find(guard, SPAN("1.2.3.4.bl.example")));
	zone = dns_guard_use(guard, &list);
	deep.name = SPAN("key.zen.dq.bl.example");
	other = dns_guard_use(guard, &deep);
	assert_ptr_equal(dns_guard_use(guard, &list), zone);
	assert_ptr_equal(dns_guard_find(guard, SPAN("1.2.3.4.bl.example")), zone);
	assert_ptr_equal(dns_guard_find(guard, SPAN("a.key.zen.dq.bl.example")), other);
	assert_null(dns_guard_find(guard, SPAN("1.2.3.4.xbl.example")));
	assert_null(dns_guard_find(guard, SPAN("bl.example")));
	assert_null(dns_guard_find(guard, SPAN("")));
	dns_guard_begin(guard);
	assert_null(dns_guard_find(guard, SPAN("1.2.3.4.bl.example")));
	dns_guard_free(guard);
}

static void test_limit(void **state)
{
	struct dns_guard *guard = dns_guard_new();
	struct zone zone = list;
	TEXT(name, 32);

	(void)state;
	for (int i = 0; i <= DNS_GUARD_ZONES_MAX; i++) {
		text_clear(&name);
		text_addf(&name, "l%d.example", i);
		zone.name = text_span(&name);
		if (i < DNS_GUARD_ZONES_MAX)
			assert_non_null(dns_guard_use(guard, &zone));
		else
			assert_null(dns_guard_use(guard, &zone));
	}
	assert_non_null(dns_guard_find(guard, SPAN("x.l1023.example")));
	dns_guard_free(guard);
}

static void test_refusal(void **state)
{
	struct dns_guard *guard = dns_guard_new();
	struct dns_zone *zone = dns_guard_use(guard, &list);
	uint32_t raw;

	(void)state;
	set_listed("127.0.0.2");
	hear(guard, zone, 1, 1000);
	assert_false(has_news(guard));
	assert_int_equal(zone->listed, 1);
	set_listed("127.255.255.254");
	hear(guard, zone, 2, 1000);
	hear(guard, zone, 3, 1000);
	assert_true(dns_zone_is_parked(zone));
	assert_true(has_news(guard));
	assert_int_equal(dns_zone_take_news(zone, &raw), NEWS_REFUSED);
	assert_int_equal(raw, 0x7ffffffe);
	assert_int_equal(zone->refused, 2);
	assert_int_equal(dns_zone_take_news(zone, &raw), 0);
	dns_zone_unpark(zone, 9);
	assert_false(dns_zone_is_parked(zone));
	assert_int_equal(zone->well_since_s, 9);
	dns_guard_free(guard);
}

static void test_veto(void **state)
{
	struct dns_guard *guard = dns_guard_new();
	struct dns_zone *zone = dns_guard_use(guard, &list);
	uint32_t raw;

	(void)state;
	set_listed("127.0.0.2");
	for (uint32_t i = 1; i < ZONE_VETO_CLIENTS; i++)
		hear(guard, zone, i, 1000);
	assert_int_equal(dns_zone_take_news(zone, &raw), 0);
	hear(guard, zone, ZONE_VETO_CLIENTS, 1000);
	assert_int_equal(dns_zone_take_news(zone, &raw), NEWS_VETO);
	hear(guard, zone, ZONE_VETO_CLIENTS + 1, 1000);
	assert_int_equal(dns_zone_take_news(zone, &raw), 0);
	set_listed("203.0.113.1");
	hear(guard, zone, 1, 1000);
	assert_int_equal(dns_zone_take_news(zone, &raw), NEWS_SUSPECT);
	dns_guard_free(guard);
}

/* The list fails, others answer: it is skipped, probed by one at a time, and asked again. */
static void test_breaker(void **state)
{
	struct dns_guard *guard = dns_guard_new();
	struct dns_zone *zone = dns_guard_use(guard, &list);
	int64_t now_ms = 100000;
	uint32_t raw;

	(void)state;
	for (int i = 0; i < BREAKER_FAILURES; i++) {
		assert_true(dns_guard_lets_ask(guard, zone, now_ms));
		set_clear();
		hear(guard, NULL, 0, now_ms);
		set_failed(CAUSE_TIMEOUT);
		hear(guard, zone, 1, now_ms);
	}
	assert_int_equal(dns_zone_take_news(zone, &raw), NEWS_SILENT);
	assert_false(dns_guard_lets_ask(guard, zone, now_ms));
	assert_true(dns_guard_lets_ask(guard, NULL, now_ms));
	now_ms += BREAKER_MS_MIN;
	assert_false(dns_guard_lets_ask(guard, zone, now_ms - 1));
	assert_true(dns_guard_lets_ask(guard, zone, now_ms));
	assert_false(dns_guard_lets_ask(guard, zone, now_ms));
	set_failed(CAUSE_SERVFAIL);
	hear(guard, zone, 1, now_ms);
	assert_int_equal(dns_zone_take_news(zone, &raw), 0);
	now_ms += 2 * BREAKER_MS_MIN;
	assert_false(dns_guard_lets_ask(guard, zone, now_ms - 1));
	assert_true(dns_guard_lets_ask(guard, zone, now_ms));
	set_clear();
	hear(guard, zone, 1, now_ms);
	assert_int_equal(dns_zone_take_news(zone, &raw), NEWS_HEARD);
	assert_true(dns_guard_lets_ask(guard, zone, now_ms));
	assert_int_equal(zone->failed, BREAKER_FAILURES + 1);
	assert_int_equal(zone->skipped, 4);
	assert_false(guard->is_down);
	dns_guard_free(guard);
}

/* Nobody answers: that is the resolver, and no list is blamed for it. */
static void test_outage(void **state)
{
	struct dns_guard *guard = dns_guard_new();
	struct dns_zone *zone = dns_guard_use(guard, &list);
	int64_t now_ms = 100000;
	uint32_t raw;

	(void)state;
	set_clear();
	hear(guard, NULL, 0, now_ms - 1);
	set_failed(CAUSE_TIMEOUT);
	for (int i = 0; i < 3 * BREAKER_FAILURES; i++)
		hear(guard, zone, 1, now_ms);
	hear(guard, zone, 1, now_ms + DNS_OUTAGE_MS - 1);
	assert_false(guard->is_down);
	assert_true(dns_guard_lets_ask(guard, zone, now_ms));
	hear(guard, zone, 1, now_ms + DNS_OUTAGE_MS);
	assert_true(guard->is_down);
	assert_true(has_news(guard));
	assert_int_equal(dns_zone_take_news(zone, &raw), 0);
	now_ms += DNS_OUTAGE_MS;
	assert_false(dns_guard_lets_ask(guard, NULL, now_ms));
	assert_false(dns_guard_lets_ask(guard, zone, now_ms + DNS_OUTAGE_PROBE_MS - 1));
	assert_true(dns_guard_lets_ask(guard, NULL, now_ms + DNS_OUTAGE_PROBE_MS));
	assert_false(dns_guard_lets_ask(guard, NULL, now_ms + DNS_OUTAGE_PROBE_MS));
	set_clear();
	hear(guard, NULL, 0, now_ms + DNS_OUTAGE_PROBE_MS);
	assert_false(guard->is_down);
	assert_true(dns_guard_lets_ask(guard, zone, now_ms + DNS_OUTAGE_PROBE_MS));
	dns_guard_free(guard);
}

static void test_few_failures_are_no_outage(void **state)
{
	struct dns_guard *guard = dns_guard_new();

	(void)state;
	set_failed(CAUSE_SERVFAIL);
	for (int i = 0; i < DNS_OUTAGE_FAILURES - 1; i++)
		hear(guard, NULL, 0, 100000 + i * 60000);
	assert_false(guard->is_down);
	set_failed(CAUSE_MALFORMED); /* from somebody, after all */
	hear(guard, NULL, 0, 400000);
	assert_int_equal(guard->failing_ms, 0);
	dns_guard_free(guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_veto),
		cmocka_unit_test(test_breaker),
		cmocka_unit_test(test_outage),
		cmocka_unit_test(test_few_failures_are_no_outage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
