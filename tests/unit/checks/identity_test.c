/* identity_test.c -- identity at its limits, and where answers are missing.  What each finding
 * means is shown by tests/case/identity.
 */
#include "world.h"

#include <stdio.h>

extern const struct check check_identity;

static uint32_t finding_bit(const char *name)
{
	for (unsigned i = 0; i < FINDINGS_MAX && check_identity.finding[i] != NULL; i++)
		if (span_equal(span_cstr(check_identity.finding[i]), span_cstr(name)))
			return 1U << i;
	fail_msg("identity finds no %s", name);
	return 0;
}

static uint32_t finding_bits(const char *names)
{
	struct span rest = span_cstr(names), name;
	uint32_t bits = 0;

	while (span_cut(&rest, ' ', &name)) {
		TEXT(one, 64);

		text_add(&one, name);
		bits |= finding_bit(text_cstr(&one));
	}
	return bits;
}

static uint32_t found_bits(const struct findings *found)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < FINDINGS_MAX; i++)
		bits |= (uint32_t)(found->times[i] > 0) << i;
	return bits;
}

/* "10 a0.NAME|10 a1.NAME|..." */
static const char *many_hosts(struct world *world, const char *name, unsigned count)
{
	char *text = arena_alloc(&world->arena, count * 64 + 1);
	size_t len = 0;

	assert_non_null(text);
	for (unsigned i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, 64, "%s10 a%03u.%s", i > 0 ? "|" : "", i, name);
	return text;
}

static struct world no_world(const struct told *told, const char *helo, const char *sender)
{
	struct world world = { .told = told };

	world.attempt.attribute[ATTRIBUTE_helo_name] = span_cstr(helo);
	world.attempt.attribute[ATTRIBUTE_sender] = span_cstr(sender);
	return world;
}

/* Every name has as many MX hosts as it wants: the questions stay at their bound. */
static void test_questions_at_most(void **state)
{
	struct world maker = { 0 };
	const char *name[] = { "mx.a.example", "a.example", "greeting.x.b.example", "x.b.example",
			       "b.example" };
	struct told told[COUNT(name) + 1] = { 0 };

	(void)state;
	arena_init(&maker.arena, 1024 * 1024);
	for (unsigned many = 10; many <= 500; many += 490) {
		for (size_t i = 0; i < COUNT(name); i++)
			told[i] = (struct told){ FACT_DNS_MX, name[i],
						 many_hosts(&maker, name[i], many) };
		struct world world = no_world(told, "greeting.x.b.example", "joe@mx.a.example");
		world_weigh(&world, &check_identity, NULL, "198.51.100.7");
		assert_false(world.found.pending);
		assert_int_equal(world.ledger.question_count, check_identity.asks_max);
		assert_in_range(world.ledger.question_count, 1, 64);
		world_end(&world);
	}
	arena_release(&maker.arena);
}

static void test_hosts_at_most(void **state)
{
	struct world maker = { 0 };
	struct told told[] = { { FACT_DNS_MX, "a.example", NULL },
			       { FACT_DNS_A, "a009.a.example", "198.51.100.7" },
			       { 0 } };

	(void)state;
	arena_init(&maker.arena, 1024 * 1024);
	for (unsigned hosts = 9; hosts <= 500; hosts += hosts < 11 ? 1 : 489) {
		told[0].answer = many_hosts(&maker, "a.example", hosts);
		struct world world = no_world(told, "", "joe@a.example");
		world_weigh(&world, &check_identity, NULL, "198.51.100.7");
		if (hosts < 10)
			assert_true(found_bits(&world.found) & finding_bit("sender_is_not_client"));
		else
			assert_true(found_bits(&world.found) & finding_bit("sender_is_client"));
		world_end(&world);
		/* the eleventh is not looked at: nobody knows */
		struct world elsewhere = no_world(told, "", "joe@a.example");
		world_weigh(&elsewhere, &check_identity, NULL, "203.0.113.9");
		if (hosts <= 10)
			assert_true(found_bits(&elsewhere.found) &
				    finding_bit("sender_is_not_client"));
		else
			assert_true(elsewhere.found.unknown & finding_bit("sender_is_not_client"));
		world_end(&elsewhere);
	}
	arena_release(&maker.arena);
}

#define RELATION "helo_is_client helo_in_client_network helo_in_wider_network helo_is_not_client"

static const struct {
	const char *name;
	struct told told[4];
	const char *found, *unknown; /* of RELATION */
} relations[] = {
	{ "a missing MX, and no address",
	  { { FACT_DNS_MX, "host.b.example", "!" } },
	  "",
	  RELATION },
	{ "a missing MX beside the client",
	  { { FACT_DNS_MX, "host.b.example", "!" },
	    { FACT_DNS_A, "host.b.example", "198.51.100.7" } },
	  "helo_is_client",
	  "" },
	{ "a missing MX beside a neighbour",
	  { { FACT_DNS_MX, "host.b.example", "!" },
	    { FACT_DNS_A, "host.b.example", "198.51.100.8" } },
	  "",
	  "helo_is_client helo_in_client_network" },
	{ "a missing address of an MX host beside a far neighbour",
	  { { FACT_DNS_MX, "b.example", "10 mx.b.example" },
	    { FACT_DNS_A, "mx.b.example", "!" },
	    { FACT_DNS_A, "host.b.example", "198.51.200.8" } },
	  "",
	  "helo_is_client helo_in_client_network helo_in_wider_network" },
	{ "a missing address of the other family",
	  { { FACT_DNS_AAAA, "host.b.example", "!" } },
	  "helo_is_not_client",
	  "" },
};

static void test_relations(void **state)
{
	const uint32_t mask = finding_bits(RELATION);

	(void)state;
	for (size_t i = 0; i < COUNT(relations); i++) {
		struct world world = no_world(relations[i].told, "host.b.example", "");

		world_weigh(&world, &check_identity, NULL, "198.51.100.7");
		if ((found_bits(&world.found) & mask) != finding_bits(relations[i].found) ||
		    (world.found.unknown & mask) != finding_bits(relations[i].unknown))
			fail_msg("%s: found %x, unknown %x", relations[i].name,
				 found_bits(&world.found), world.found.unknown);
		world_end(&world);
	}
}

static void test_client_unknown(void **state)
{
	static const struct told told[] = { { FACT_DNS_MX, "a.example", "10 mx.a.example" },
					    { FACT_DNS_A, "mx.a.example", "10.0.0.1" },
					    { 0 } };
	struct world world = no_world(told, "host.b.example", "joe@a.example");

	(void)state;
	world_weigh(&world, &check_identity, NULL, "unknown");
	assert_int_equal(found_bits(&world.found), finding_bit("bogus_mx"));
	assert_int_equal(world.found.unknown, 0);
	world_end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_questions_at_most),
		cmocka_unit_test(test_hosts_at_most),
		cmocka_unit_test(test_relations),
		cmocka_unit_test(test_client_unknown),
	};

	return cmocka_run_group_tests_name("checks/identity", tests, NULL, NULL);
}
