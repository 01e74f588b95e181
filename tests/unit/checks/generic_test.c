/* generic_test.c -- what generic asks, and what it waits for. */
#include "world.h"

extern const struct check check_generic;

enum { PTR_GENERIC, PTR_HAS_ADDRESS, PTR_STATIC, HELO_GENERIC, HELO_HAS_ADDRESS, HELO_STATIC };

#define REVERSE "7.100.51.198.in-addr.arpa"

static void test_asks_once(void **state)
{
	static const struct told told[] = { { FACT_DNS_PTR, REVERSE, "?" }, { 0 } };
	struct world world = { .told = told };

	(void)state;
	world.attempt.attribute[ATTRIBUTE_helo_name] = SPAN("pool-3.isp.test");
	world_weigh(&world, &check_generic, NULL, "198.51.100.7");
	assert_true(world.found.pending);
	assert_int_equal(world.ledger.fact_count, 1);
	assert_int_equal(world.found.times[HELO_GENERIC], 1);
	world_end(&world);
}

static void test_failed(void **state)
{
	static const struct told told[] = { { FACT_DNS_PTR, REVERSE, "!" }, { 0 } };
	struct world world = { .told = told };

	(void)state;
	world_weigh(&world, &check_generic, NULL, "198.51.100.7");
	assert_false(world.found.pending);
	assert_int_equal(world.found.unknown,
			 1 << PTR_GENERIC | 1 << PTR_HAS_ADDRESS | 1 << PTR_STATIC);
	world_end(&world);
}

static void test_strange_names(void **state)
{
	static const struct told told[] = {
		{ FACT_DNS_PTR, REVERSE, "\\000\\255.isp.test|.|a\\.b-198-51-100-7.isp.test" },
		{ 0 },
	};
	struct world world = { .told = told };

	(void)state;
	world.attempt.attribute[ATTRIBUTE_helo_name] = SPAN("dsl\0\377.isp.test");
	world_weigh(&world, &check_generic, NULL, "198.51.100.7");
	assert_int_equal(world.found.times[PTR_HAS_ADDRESS], 1);
	assert_int_equal(world.found.times[PTR_STATIC], 0);
	assert_int_equal(world.found.times[HELO_GENERIC], 1);
	assert_int_equal(world.found.times[HELO_STATIC], 0);
	assert_int_equal(world.found.times[HELO_HAS_ADDRESS], 0);
	world_end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asks_once),
		cmocka_unit_test(test_failed),
		cmocka_unit_test(test_strange_names),
	};

	return cmocka_run_group_tests_name("checks/generic", tests, NULL, NULL);
}
