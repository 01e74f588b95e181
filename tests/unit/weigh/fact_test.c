/* fact_test.c -- names and order of facts. */
#include "weigh/fact.h"

#include "../unit.h"

static void has_names(void **state)
{
	enum fact_kind kind;
	enum fact_cause cause;

	(void)state;
	for (int i = 0; i < FACT_KIND_COUNT; i++) {
		assert_true(fact_kind_find(fact_kind_name((enum fact_kind)i), &kind));
		assert_int_equal(kind, i);
	}
	for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
		assert_true(fact_cause_find(fact_cause_name((enum fact_cause)i), &cause));
		assert_int_equal(cause, i);
	}
	assert_false(fact_kind_find(SPAN("dns.any"), &kind));
	assert_false(fact_cause_find(SPAN("none"), &cause));
}

static void has_one_order(void **state)
{
	struct span mx[] = { SPAN_INIT("10 b.example"), SPAN_INIT("9 z.example"),
			     SPAN_INIT("10 a.example") };
	struct span a[] = { SPAN_INIT("192.0.2.9"), SPAN_INIT("192.0.2.10") };

	(void)state;
	fact_sort(FACT_DNS_MX, mx, COUNT(mx));
	check_span(mx[0], SPAN("9 z.example"), "preference is a number");
	check_span(mx[1], SPAN("10 a.example"), "then the host");
	fact_sort(FACT_DNS_A, a, COUNT(a));
	check_span(a[0], SPAN("192.0.2.10"), "by bytes");
	check_span(fact_mx_host(mx[0]), SPAN("z.example"), "host");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_names),
		cmocka_unit_test(has_one_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
