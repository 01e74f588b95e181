/* lists_test.c -- dnsbl, dnswl and rhsbl: what they ask for, and what not. */
#include "world.h"

#include "mail/domain.h"
#include "weigh/zone.h"

extern const struct check check_dnsbl, check_dnswl, check_rhsbl;

enum { LISTED, CLEAR };

static const struct zone everything = {
	.name = SPAN_INIT("bl.example"),
	.meaning = { SPAN_INIT("listed") },
	.meaning_count = 1,
	.range = { { 0x7f000000, 0xff000000, false, LISTED } },
	.range_count = 1,
	.lists_ip4 = true,
	.lists_ip6 = true,
	.lists_domains = true,
};

static const struct zone nothing = { .name = SPAN_INIT("bl.example"), .meaning_count = 1 };

#define V6_NIBBLES "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"

static const struct {
	const char *name;
	const struct check *check;
	const struct zone *zone;
	const char *client, *asked; /* NULL: nothing */
} clients[] = {
	{ "IPv4", &check_dnsbl, &everything, "192.0.2.1", "1.2.0.192.bl.example" },
	{ "IPv6", &check_dnsbl, &everything, "2001:db8::1", V6_NIBBLES ".bl.example" },
	{ "mapped", &check_dnsbl, &everything, "::ffff:192.0.2.1", "1.2.0.192.bl.example" },
	{ "unknown", &check_dnsbl, &everything, "unknown", NULL },
	{ "absent", &check_dnsbl, &everything, "", NULL },
	{ "private", &check_dnsbl, &everything, "10.0.0.1", NULL },
	{ "loopback", &check_dnsbl, &everything, "127.0.0.2", NULL },
	{ "private, mapped", &check_dnsbl, &everything, "::ffff:192.168.0.1", NULL },
	{ "link-local", &check_dnsbl, &everything, "fe80::1", NULL },
	{ "dnswl, private", &check_dnswl, &everything, "172.16.0.1", NULL },
	{ "a zone without IPv4", &check_dnsbl, &nothing, "192.0.2.1", NULL },
	{ "a zone without IPv6", &check_dnsbl, &nothing, "2001:db8::1", NULL },
	{ "dnswl, IPv4", &check_dnswl, &everything, "192.0.2.1", "1.2.0.192.bl.example" },
	{ "dnswl, IPv6", &check_dnswl, &everything, "2001:db8::1", V6_NIBBLES ".bl.example" },
	{ "dnswl, unknown", &check_dnswl, &everything, "unknown", NULL },
	{ "dnswl, a zone without IPv4", &check_dnswl, &nothing, "192.0.2.1", NULL },
};

static void test_clients(void **state)
{
	static const struct told nobody[] = { { 0 } };

	(void)state;
	for (size_t i = 0; i < COUNT(clients); i++) {
		const struct arguments arguments = { .zone = clients[i].zone };
		struct world world = { .told = nobody };

		world_weigh(&world, clients[i].check, &arguments, clients[i].client);
		if (clients[i].asked == NULL) {
			assert_int_equal(world.ledger.fact_count, 0);
			assert_int_equal(world.found.times[CLEAR], 0);
			assert_int_equal(world.found.unknown, 0);
		} else {
			assert_int_equal(world.ledger.fact_count, 1);
			check_span(world.ledger.fact[0]->key, span_cstr(clients[i].asked),
				   clients[i].name);
			assert_int_equal(world.found.times[CLEAR], 1);
		}
		world_end(&world);
	}
}

#define LABEL_48 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv"
#define NAME_195 LABEL_48 "." LABEL_48 "." LABEL_48 "." LABEL_48
#define NAME_242 NAME_195 ".abcdefghijklmnopqrstuvwxyzabcdefghijklmno.test"
#define NAME_243 NAME_195 ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnop.test"
_Static_assert(sizeof(NAME_242 ".bl.example") - 1 == 253, "the longest that can be asked");

static const struct {
	const char *name;
	unsigned subjects;
	const char *sender, *helo, *client_name;
	const char *asked[3];
} names[] = {
	{ "sender alone", SUBJECT_SENDER, "a@one.test", "two.test", "three.test", { "one.test" } },
	{ "greeting alone", SUBJECT_HELO, "a@one.test", "two.test", "three.test", { "two.test" } },
	{ "all",
	  7,
	  "a@one.test",
	  "two.test",
	  "three.test",
	  { "one.test", "two.test", "three.test" } },
	{ "equal names once", 7, "a@One.test", "one.test", "one.TEST.", { "one.test" } },
	{ "no names", 7, "", "[192.0.2.1]", "unknown", { 0 } },
	{ "addresses", 7, "a@[192.0.2.1]", "192.0.2.1", "2001:db8::1", { 0 } },
	{ "the longest", SUBJECT_HELO, "", NAME_242, "", { NAME_242 } },
	{ "one beyond", SUBJECT_HELO, "", NAME_243, "", { &NAME_243[49] } },
};

static void test_names(void **state)
{
	static const struct told nobody[] = { { 0 } };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		const struct arguments arguments = { .zone = &everything,
						     .subjects = names[i].subjects };
		struct world world = { .told = nobody };
		size_t asked = 0;

		world.attempt.attribute[ATTRIBUTE_sender] = span_cstr(names[i].sender);
		world.attempt.attribute[ATTRIBUTE_helo_name] = span_cstr(names[i].helo);
		world.attempt.attribute[ATTRIBUTE_client_name] = span_cstr(names[i].client_name);
		world_weigh(&world, &check_rhsbl, &arguments, "192.0.2.1");
		for (; asked < 3 && names[i].asked[asked] != NULL; asked++) {
			TEXT(want, DOMAIN_TEXT_MAX);

			assert_in_range(world.ledger.fact_count, asked + 1, 3);
			text_addf(&want, "%s.bl.example", names[i].asked[asked]);
			check_span(world.ledger.fact[asked]->key, text_span(&want), names[i].name);
		}
		assert_int_equal(world.ledger.fact_count, asked);
		assert_int_equal(world.found.times[CLEAR], asked > 0);
		assert_int_equal(world.found.unknown, 0);
		world_end(&world);
	}
}

/* A zone so long that no name fits before it: not asked, and no endless search for one. */
static void test_longest_zone(void **state)
{
	static const struct told nobody[] = { { 0 } };
	struct zone longest = everything;
	const struct arguments arguments = { .zone = &longest, .subjects = SUBJECT_SENDER };
	static const char name[] = NAME_242 ".bl.example";

	(void)state;
	for (size_t cut = 0; cut <= 10; cut += 10) {
		struct world world = { .told = nobody };

		longest.name = span_from(span_cstr(name), cut);
		world.attempt.attribute[ATTRIBUTE_sender] = SPAN("a@sub.one.test");
		world_weigh(&world, &check_rhsbl, &arguments, "192.0.2.1");
		assert_int_equal(world.ledger.fact_count, cut > 0);
		if (cut > 0)
			assert_true(span_starts(world.ledger.fact[0]->key, SPAN("one.test.")));
		world_end(&world);
	}
}

static void test_zone_of_addresses(void **state)
{
	static const struct told nobody[] = { { 0 } };
	const struct arguments arguments = { .zone = &nothing, .subjects = SUBJECT_SENDER };
	struct world world = { .told = nobody };

	(void)state;
	world.attempt.attribute[ATTRIBUTE_sender] = SPAN("a@one.test");
	world_weigh(&world, &check_rhsbl, &arguments, "192.0.2.1");
	assert_int_equal(world.ledger.fact_count, 0);
	world_end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clients),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_longest_zone),
		cmocka_unit_test(test_zone_of_addresses),
	};

	return cmocka_run_group_tests_name("checks/lists", tests, NULL, NULL);
}
