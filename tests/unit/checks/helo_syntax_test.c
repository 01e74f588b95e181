/* helo_syntax_test.c -- greetings of any bytes and any length; nothing is asked. */
#include "world.h"

extern const struct check check_helo_syntax;

static void weigh(struct world *world, struct span helo)
{
	static const struct told nobody[] = { { 0 } };
	const struct arguments arguments = { .parameters = check_helo_syntax.parameter_defaults };

	*world = (struct world){ .told = nobody };
	world->attempt.attribute[ATTRIBUTE_helo_name] = helo;
	world_weigh(world, &check_helo_syntax, &arguments, "198.51.100.7");
	assert_int_equal(world->ledger.fact_count, 0);
	assert_false(world->found.pending);
	assert_int_equal(world->found.unknown, 0);
}

static bool finds(const struct world *world, const char *finding)
{
	for (unsigned i = 0; check_helo_syntax.finding[i] != NULL; i++)
		if (strcmp(check_helo_syntax.finding[i], finding) == 0)
			return world->found.times[i] > 0;
	fail_msg("no finding is called %s", finding);
	return false;
}

static void test_bytes(void **state)
{
	static const struct {
		struct span helo;
		const char *finding; /* NULL: nothing */
	} cases[] = {
		{ SPAN_INIT("mx.alder.test"), NULL },
		{ SPAN_INIT("mx\0.alder.test"), "non_ascii" },
		{ SPAN_INIT("mx\177.alder.test"), "non_ascii" },
		{ SPAN_INIT("mx\200.alder.test"), "non_ascii" },
		{ SPAN_INIT("b\374cher.test"), "non_ascii" },
		{ SPAN_INIT("mx\t.alder.test"), "non_ascii" },
		{ SPAN_INIT("\377"), "non_ascii" },
		{ SPAN_INIT("["), "bad_literal" },
		{ SPAN_INIT("]"), "bad_literal" },
		{ SPAN_INIT("[\0]"), "bad_literal" },
		{ SPAN_INIT("[IPv6:]"), "bad_literal" },
		{ SPAN_INIT(" "), "single_label" },
		{ SPAN_INIT("."), "no_host_name" },
		{ SPAN_INIT(".."), "no_host_name" },
		{ SPAN_INIT("_"), "single_label" },
		{ SPAN_INIT("_._"), "underscore" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world world;
		unsigned count = 0;

		weigh(&world, cases[i].helo);
		for (unsigned n = 0; n < FINDINGS_MAX; n++)
			count += world.found.times[n];
		assert_int_equal(count, cases[i].finding != NULL);
		if (cases[i].finding != NULL && !finds(&world, cases[i].finding))
			fail_msg("%zu: not %s", i, cases[i].finding);
		world_end(&world);
	}
}

static void test_length(void **state)
{
	static char huge[100000];
	struct world world;

	(void)state;
	memset(huge, 'a', sizeof(huge));
	weigh(&world, span_of(huge, sizeof(huge)));
	assert_true(finds(&world, "too_long"));
	world_end(&world);
	for (size_t i = 1; i < sizeof(huge); i += 2)
		huge[i] = '.';
	weigh(&world, span_of(huge, 253));
	assert_false(finds(&world, "too_long"));
	world_end(&world);
	weigh(&world, span_of(huge, 254)); /* a dot at the end is not of the name */
	assert_false(finds(&world, "too_long"));
	world_end(&world);
	weigh(&world, span_of(huge, 255));
	assert_true(finds(&world, "too_long"));
	world_end(&world);
	memset(huge, '_', sizeof(huge));
	weigh(&world, span_of(huge, sizeof(huge)));
	assert_true(finds(&world, "too_long"));
	world_end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_length),
	};

	return cmocka_run_group_tests_name("checks/helo_syntax", tests, NULL, NULL);
}
