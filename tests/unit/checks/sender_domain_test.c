/* sender_domain_test.c -- what is asked about a sender's domain, and its MX hosts on a list. */
#include "world.h"

#include "weigh/zone.h"

extern const struct check check_sender_domain, check_mx_dnsbl;

enum { UNREACHABLE, NXDOMAIN, NULL_MX, BOGUS_MX, MX_PRIVATE, MX_IS_ADDRESS };
enum { LISTED, CLEAR };

static const struct zone everything = {
	.name = SPAN_INIT("bl.example"),
	.meaning = { SPAN_INIT("listed") },
	.meaning_count = 1,
	.range = { { 0x7f000000, 0xff000000, false, LISTED } },
	.range_count = 1,
	.lists_ip4 = true,
	.lists_ip6 = true,
};

static const struct arguments of_list = { .zone = &everything };

static const struct {
	const char *name;
	const struct check *check;
	const char *sender;
	struct told told[6];
	bool is_pending;
	size_t asked;
} cases[] = {
	{ "null sender", &check_sender_domain, "", { { 0 } }, false, 0 },
	{ "no domain", &check_sender_domain, "joe", { { 0 } }, false, 0 },
	{ "a literal", &check_sender_domain, "joe@[192.0.2.1]", { { 0 } }, false, 0 },
	{ "all of the first round",
	  &check_sender_domain,
	  "joe@a.test",
	  { { FACT_DNS_MX, "a.test", "?" } },
	  true,
	  3 },
	{ "all of the second round",
	  &check_sender_domain,
	  "joe@a.test",
	  { { FACT_DNS_MX, "a.test", "10 b.test|20 c.test" }, { FACT_DNS_A, "b.test", "?" } },
	  true,
	  7 },
	{ "null MX: no host is asked for",
	  &check_sender_domain,
	  "joe@a.test",
	  { { FACT_DNS_MX, "a.test", "0 ." } },
	  false,
	  3 },
	{ "an address is not asked for",
	  &check_sender_domain,
	  "joe@a.test",
	  { { FACT_DNS_MX, "a.test", "10 192.0.2.1" } },
	  false,
	  3 },
	{ "list: null sender", &check_mx_dnsbl, "", { { 0 } }, false, 0 },
	{ "list: all of the first round",
	  &check_mx_dnsbl,
	  "joe@a.test",
	  { { FACT_DNS_MX, "a.test", "?" }, { FACT_DNS_A, "a.test", "192.0.2.1" } },
	  true,
	  3 },
	{ "list: nothing is asked from behind what is pending",
	  &check_mx_dnsbl,
	  "joe@a.test",
	  { { FACT_DNS_MX, "a.test", "10 b.test|20 c.test" },
	    { FACT_DNS_A, "b.test", "?" },
	    { FACT_DNS_A, "c.test", "192.0.2.1" } },
	  true,
	  7 },
	{ "list: what stands before it is",
	  &check_mx_dnsbl,
	  "joe@a.test",
	  { { FACT_DNS_MX, "a.test", "10 b.test|20 c.test" },
	    { FACT_DNS_A, "b.test", "192.0.2.1" },
	    { FACT_DNS_A, "c.test", "?" } },
	  true,
	  8 },
	{ "list: private addresses are not",
	  &check_mx_dnsbl,
	  "joe@a.test",
	  { { FACT_DNS_MX, "a.test", "10 b.test" },
	    { FACT_DNS_A, "b.test", "10.0.0.1|127.0.0.1" } },
	  false,
	  5 },
};

static void test_asks(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world world = { .told = cases[i].told };

		world.attempt.attribute[ATTRIBUTE_sender] = span_cstr(cases[i].sender);
		world_weigh(&world, cases[i].check, &of_list, "198.51.100.7");
		if (world.found.pending != cases[i].is_pending ||
		    world.ledger.fact_count != cases[i].asked)
			fail_msg("%s: pending %d, %u asked", cases[i].name, world.found.pending,
				 world.ledger.fact_count);
		world_end(&world);
	}
}

/* hosts of one sender, each with an address of its own */
static void weigh_hosts(struct world *world, const struct check *check, unsigned hosts)
{
	static char text[512][32];
	static struct told told[512 + 2];
	TEXT(mx, 512 * 16);

	assert_in_range(hosts, 0, 512);
	for (unsigned i = 0; i < hosts; i++) {
		struct text name = { text[i], 0, sizeof(text[i]), false };

		text_addf(&mx, "%s10 h%03u.test", i > 0 ? "|" : "", i);
		text_addf(&name, "h%03u.test", i);
		told[i + 1] = (struct told){ FACT_DNS_A, text_cstr(&name), "192.0.2.1" };
	}
	told[0] = (struct told){ FACT_DNS_MX, "a.test", text_cstr(&mx) };
	told[hosts + 1] = (struct told){ 0 };
	*world = (struct world){ .told = told };
	world->attempt.attribute[ATTRIBUTE_sender] = SPAN("joe@a.test");
	world_weigh(world, check, &of_list, "198.51.100.7");
}

static void test_many_hosts(void **state)
{
	static const struct {
		unsigned hosts, asked, asked_for_list;
	} counts[] = {
		{ 5, 13, 14 }, { 6, 15, 14 }, { 10, 23, 14 }, { 11, 23, 14 }, { 500, 23, 14 }
	};

	(void)state;
	for (size_t i = 0; i < COUNT(counts); i++) {
		struct world world;

		weigh_hosts(&world, &check_sender_domain, counts[i].hosts);
		assert_int_equal(world.ledger.fact_count, counts[i].asked);
		assert_in_range(counts[i].asked, 1, check_sender_domain.asks_max);
		assert_int_equal(world.found.unknown, counts[i].hosts > 10 ? 1 << MX_PRIVATE : 0);
		world_end(&world);
		weigh_hosts(&world, &check_mx_dnsbl, counts[i].hosts);
		assert_int_equal(world.ledger.fact_count, counts[i].asked_for_list);
		assert_in_range(counts[i].asked_for_list, 1, check_mx_dnsbl.asks_max);
		assert_int_equal(world.found.times[CLEAR], 1);
		world_end(&world);
	}
}

static void test_unknown(void **state)
{
	static const struct told mx_failed[] = { { FACT_DNS_MX, "a.test", "!" }, { 0 } };
	static const struct told address_failed[] = { { FACT_DNS_AAAA, "a.test", "!" }, { 0 } };
	struct world world = { .told = mx_failed };

	(void)state;
	world.attempt.attribute[ATTRIBUTE_sender] = SPAN("joe@a.test");
	world_weigh(&world, &check_sender_domain, NULL, "198.51.100.7");
	assert_int_equal(world.found.unknown, 0x3f);
	world_end(&world);
	world.told = address_failed;
	world_weigh(&world, &check_sender_domain, NULL, "198.51.100.7");
	assert_int_equal(world.found.unknown,
			 1 << UNREACHABLE | 1 << NXDOMAIN | 1 << BOGUS_MX | 1 << MX_PRIVATE);
	assert_int_equal(world.found.times[NULL_MX] + world.found.times[MX_IS_ADDRESS], 0);
	world_end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asks),
		cmocka_unit_test(test_many_hosts),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests_name("checks/sender_domain", tests, NULL, NULL);
}
