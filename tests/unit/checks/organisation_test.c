/* organisation_test.c -- what is asked about who sends, and what is waited for. */
#include "world.h"

extern const struct check check_organisation;

enum { BY_SPF, BY_NAME, BY_NETWORK };

#define REVERSE "7.100.51.198.in-addr.arpa"
#define CLIENT  "198.51.100.7"

static const struct {
	const char *name;
	struct told told[4];
	bool is_pending;
	const char *organisation;
	size_t asked;
} cases[] = {
	{ "all is asked at once",
	  { { FACT_DNS_TXT, "alder.test", "?" }, { FACT_DNS_PTR, REVERSE, "?" } },
	  true,
	  "",
	  2 },
	{ "a pass need not wait for the name",
	  { { FACT_DNS_TXT, "alder.test", "v=spf1 ip4:" CLIENT }, { FACT_DNS_PTR, REVERSE, "?" } },
	  false,
	  "alder.test",
	  2 },
	{ "the name waits for SPF",
	  { { FACT_DNS_TXT, "alder.test", "?" },
	    { FACT_DNS_PTR, REVERSE, "mx.birch.test" },
	    { FACT_DNS_A, "mx.birch.test", CLIENT } },
	  true,
	  "",
	  3 },
	{ "the network waits for the name",
	  { { FACT_DNS_PTR, REVERSE, "mx.birch.test" }, { FACT_DNS_A, "mx.birch.test", "?" } },
	  true,
	  "",
	  3 },
	{ "and for an include",
	  { { FACT_DNS_TXT, "alder.test", "v=spf1 include:esp.test" },
	    { FACT_DNS_TXT, "esp.test", "?" } },
	  true,
	  "",
	  3 },
	{ "a name that failed is not waited for",
	  { { FACT_DNS_PTR, REVERSE, "!" } },
	  false,
	  "198.51.100.0/24",
	  2 },
	{ "SPF that failed is not waited for",
	  { { FACT_DNS_TXT, "alder.test", "!" },
	    { FACT_DNS_PTR, REVERSE, "mx.birch.test" },
	    { FACT_DNS_A, "mx.birch.test", CLIENT } },
	  false,
	  "birch.test",
	  3 },
};

static void waiting(void **state)
{
	static const struct arguments arguments = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world world = {
			.told = cases[i].told,
			.attempt.attribute[ATTRIBUTE_sender] = SPAN("anna@alder.test"),
		};

		world_weigh(&world, &check_organisation, &arguments, CLIENT);
		if (world.found.pending != cases[i].is_pending ||
		    world.ledger.fact_count != cases[i].asked)
			fail_msg("%s: pending %d, %u asked", cases[i].name, world.found.pending,
				 world.ledger.fact_count);
		check_span(world.found.text[0], span_cstr(cases[i].organisation), cases[i].name);
		world_end(&world);
	}
}

static void unknown_client(void **state)
{
	static const struct arguments arguments = { 0 };
	static const struct told nothing[] = { { .key = NULL } };
	struct world world = { .told = nothing };

	(void)state;
	world_weigh(&world, &check_organisation, &arguments, "");
	assert_false(world.found.pending);
	assert_int_equal(world.ledger.fact_count, 0);
	assert_int_equal(world.found.text[0].len, 0);
	world_end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waiting),
		cmocka_unit_test(unknown_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
