/* shipped_test.c -- the configuration that is built in works as it stands. */
#include "../unit.h"

#include "policy/config.h"

static char report_room[CONFIG_REPORT_MAX];

static bool greylists(const struct policy *policy)
{
	for (uint16_t i = 0; i < policy->statement_count; i++)
		if (policy->statement[i].kind == STATEMENT_GREYLIST)
			return policy->statement[i].condition != NULL;
	return false;
}

static void it_works(void **state)
{
	struct text report = { report_room, 0, sizeof(report_room), false };
	struct config *config = NULL;

	(void)state;
	if (config_read(&config_loader_embedded, SPAN(CONFIG_EMBEDDED_PATH), &report, &config) !=
	    OK)
		fail_msg("%s", text_cstr(&report));
	check_span(text_span(&report), SPAN(""), "report");
	assert_true(config->observe);
	assert_int_equal(config->listener_count, 1);
	assert_int_equal(config->listener[0].port, 12525);
	assert_non_null(config_policy(config, SPAN("inbound")));
	assert_int_equal(config->resolver.kind, RESOLVER_RECURSIVE);
	assert_int_equal(config->store.kind, STORE_SQLITE);
	check_span(config->store.path, SPAN("/var/lib/weighd/state.db"), "store");
	assert_true(greylists(config_policy(config, SPAN("inbound"))));
	config_drop(config);
}

/* The catalogue: what lives has a home page, a date, tests that fit it, and a name of its own. */
static void the_catalogue_is_whole(void **state)
{
	enum { LIVING_MIN = 25, DEAD_MIN = 25 };
	struct text report = { report_room, 0, sizeof(report_room), false };
	struct config *config = NULL;
	unsigned living = 0, dead = 0;

	(void)state;
	assert_int_equal(config_read(&config_loader_embedded, SPAN(CONFIG_EMBEDDED_PATH), &report,
				     &config),
			 OK);
	for (uint16_t i = 0; i < config->zone_count; i++) {
		const struct zone *zone = config->zone[i];

		if (zone->dead_since.len > 0) {
			dead++;
			continue;
		}
		living++;
		print_message("# %.*s is %.*s\n", SPAN_ARG(zone->name), SPAN_ARG(zone->alias));
		assert_true(span_starts(zone->home, SPAN("http")));
		assert_int_equal(zone->checked.len, 7);
		assert_true(zone->refused_count > 0);
		assert_false(zone->lists_domains && (zone->lists_ip4 || zone->lists_ip6));
		for (uint16_t k = 0; k < i; k++)
			assert_false(config->zone[k]->dead_since.len == 0 &&
				     span_equal(config->zone[k]->alias, zone->alias));
	}
	assert_true(living >= LIVING_MIN);
	assert_true(dead >= DEAD_MIN);
	config_drop(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_works),
		cmocka_unit_test(the_catalogue_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
