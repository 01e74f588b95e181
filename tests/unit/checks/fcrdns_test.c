/* fcrdns_test.c -- what is asked about the reverse name, and what is waited for. */
#include "world.h"

extern const struct check check_fcrdns;

enum { NONE, MISMATCH, CONFIRMED };

#define REVERSE "7.100.51.198.in-addr.arpa"
#define CLIENT  "198.51.100.7"

static const struct {
	const char *name;
	struct told told[4];
	bool is_pending;
	const char *confirmed; /* NULL: none is */
	size_t asked;
} cases[] = {
	{ "the reverse name is pending", { { FACT_DNS_PTR, REVERSE, "?" } }, true, NULL, 1 },
	{ "an address is pending",
	  { { FACT_DNS_PTR, REVERSE, "a.test" }, { FACT_DNS_A, "a.test", "?" } },
	  true,
	  NULL,
	  2 },
	{ "all are asked at once",
	  { { FACT_DNS_PTR, REVERSE, "a.test|b.test|c.test" },
	    { FACT_DNS_A, "a.test", "?" },
	    { FACT_DNS_A, "b.test", "?" } },
	  true,
	  NULL,
	  4 },
	{ "confirmed, but a name before it may be, too",
	  { { FACT_DNS_PTR, REVERSE, "a.test|b.test" },
	    { FACT_DNS_A, "a.test", "?" },
	    { FACT_DNS_A, "b.test", CLIENT } },
	  true,
	  NULL,
	  3 },
	{ "confirmed, and what is behind does not matter",
	  { { FACT_DNS_PTR, REVERSE, "a.test|b.test" },
	    { FACT_DNS_A, "a.test", CLIENT },
	    { FACT_DNS_A, "b.test", "?" } },
	  false,
	  "a.test",
	  3 },
	{ "the first failed",
	  { { FACT_DNS_PTR, REVERSE, "a.test|b.test" },
	    { FACT_DNS_A, "a.test", "!" },
	    { FACT_DNS_A, "b.test", CLIENT } },
	  false,
	  "b.test",
	  3 },
	{ "the root is not asked for", { { FACT_DNS_PTR, REVERSE, "." } }, false, NULL, 1 },
};

static void test_waiting(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world world = { .told = cases[i].told };

		world_weigh(&world, &check_fcrdns, NULL, CLIENT);
		if (world.found.pending != cases[i].is_pending ||
		    world.ledger.fact_count != cases[i].asked)
			fail_msg("%s: pending %d, %u asked", cases[i].name, world.found.pending,
				 world.ledger.fact_count);
		if (cases[i].confirmed != NULL) {
			assert_int_equal(world.found.times[CONFIRMED], 1);
			check_span(world.found.text[0], span_cstr(cases[i].confirmed),
				   cases[i].name);
		}
		world_end(&world);
	}
}

static void test_many_names(void **state)
{
	static const struct {
		unsigned names, asked;
	} counts[] = { { 9, 10 }, { 10, 11 }, { 11, 11 }, { 500, 11 } };

	(void)state;
	for (size_t i = 0; i < COUNT(counts); i++) {
		TEXT(names, 8192);
		struct told told[2] = { { FACT_DNS_PTR, REVERSE, NULL } };
		struct world world = { .told = told };

		for (unsigned n = 0; n < counts[i].names; n++)
			text_addf(&names, "%sh%03u.test", n > 0 ? "|" : "", n);
		told[0].answer = text_cstr(&names);
		world_weigh(&world, &check_fcrdns, NULL, CLIENT);
		assert_int_equal(world.ledger.fact_count, counts[i].asked);
		assert_in_range(world.ledger.fact_count, 1, check_fcrdns.asks_max);
		assert_int_equal(world.found.times[MISMATCH], 1);
		world_end(&world);
	}
}

static void test_families(void **state)
{
	static const struct told told[] = {
		{ FACT_DNS_PTR,
		  "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
		  "a.test" },
		{ FACT_DNS_AAAA, "a.test", "2001:db8::1" },
		{ 0 },
	};
	struct world world = { .told = told };

	(void)state;
	world_weigh(&world, &check_fcrdns, NULL, "2001:db8::1");
	assert_int_equal(world.found.times[CONFIRMED], 1);
	assert_int_equal(world.ledger.fact_count, 2);
	world_end(&world);
	world_weigh(&world, &check_fcrdns, NULL, "unknown");
	assert_int_equal(world.ledger.fact_count, 0);
	world_end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_many_names),
		cmocka_unit_test(test_families),
	};

	return cmocka_run_group_tests_name("checks/fcrdns", tests, NULL, NULL);
}
