/* ledger_test.c -- facts are asked once, remembered, frozen. */
#include "weigh/ledger.h"
#include "weigh/tally.h"

#include "../unit.h"

#include <stdio.h>

struct world {
	struct arena arena;
	struct ledger ledger;
	unsigned recalls, releases;
};

/* This world knows names that begin with "known" and nothing else. */
static bool recall(void *self, struct fact *fact)
{
	static const struct span items[] = { SPAN_INIT("192.0.2.1") };
	struct world *world = self;

	world->recalls++;
	if (!span_starts(fact->key, SPAN("known")))
		return false;
	fact->state = FACT_KNOWN;
	fact->item = items;
	fact->item_count = 1;
	fact->held = world;
	return true;
}

static void release(void *self, struct fact *fact)
{
	struct world *world = self;

	world->releases++;
	fact->held = NULL;
}

static int begin(void **state)
{
	static struct world world;
	struct recall from = { .recall = recall, .release = release, .self = &world };

	world = (struct world){ 0 };
	arena_init(&world.arena, 1024 * 1024);
	ledger_init(&world.ledger, &world.arena, &from);
	*state = &world;
	return 0;
}

static int end(void **state)
{
	struct world *world = *state;

	ledger_release(&world->ledger);
	arena_release(&world->arena);
	return 0;
}

static void asks_once(void **state)
{
	struct world *world = *state;
	struct ledger *ledger = &world->ledger;
	const struct fact *fact = fact_ask(ledger, FACT_DNS_A, SPAN("a.example"));

	assert_int_equal(fact->state, FACT_PENDING);
	ledger->asker = 3;
	assert_ptr_equal(fact_ask(ledger, FACT_DNS_A, SPAN("a.example")), fact);
	assert_int_equal(fact->asked_by, 1 | 1 << 3);
	assert_ptr_not_equal(fact_ask(ledger, FACT_DNS_MX, SPAN("a.example")), fact);
	assert_int_equal(world->recalls, 2);
	assert_ptr_equal(ledger_next_ordered(ledger), fact);
	assert_non_null(ledger_next_ordered(ledger));
	assert_null(ledger_next_ordered(ledger));
	assert_true(ledger_is_waiting(ledger));
}

static void recalls_what_is_known(void **state)
{
	struct world *world = *state;
	const struct fact *fact = fact_ask(&world->ledger, FACT_DNS_A, SPAN("known.example"));

	assert_int_equal(fact->state, FACT_KNOWN);
	check_span(fact->item[0], SPAN("192.0.2.1"), "item");
	assert_null(ledger_next_ordered(&world->ledger));
	assert_false(ledger_is_waiting(&world->ledger));
	ledger_release(&world->ledger);
	assert_int_equal(world->releases, 1);
}

static void takes_answers(void **state)
{
	struct world *world = *state;
	struct fact *fact;

	(void)fact_ask(&world->ledger, FACT_DNS_A, SPAN("a.example"));
	fact = ledger_next_ordered(&world->ledger);
	fact->state = FACT_NONE;
	ledger_answered(&world->ledger, fact);
	assert_false(ledger_is_waiting(&world->ledger));
	assert_int_equal(fact_ask(&world->ledger, FACT_DNS_A, SPAN("a.example"))->state, FACT_NONE);
}

static void the_deadline_makes_failures(void **state)
{
	struct world *world = *state;
	const struct fact *late = fact_ask(&world->ledger, FACT_DNS_A, SPAN("a.example"));
	const struct fact *known = fact_ask(&world->ledger, FACT_DNS_A, SPAN("known.example"));

	ledger_close(&world->ledger);
	assert_int_equal(late->state, FACT_FAILED);
	assert_int_equal(late->cause, CAUSE_TIMEOUT);
	assert_int_equal(known->state, FACT_KNOWN);
	assert_null(ledger_next_ordered(&world->ledger));
	late = fact_ask(&world->ledger, FACT_DNS_A, SPAN("later.example"));
	assert_int_equal(late->state, FACT_FAILED);
	assert_int_equal(late->cause, CAUSE_TIMEOUT);
	/* What is known without asking anybody may still be used. */
	known = fact_ask(&world->ledger, FACT_DNS_MX, SPAN("known.example"));
	assert_int_equal(known->state, FACT_KNOWN);
	assert_false(ledger_is_waiting(&world->ledger));
}

static void the_store_has_longer(void **state)
{
	const struct tally_count count = { .amount = 1 };
	struct world *world = *state;
	const struct fact *set, *tally;
	const struct fact *name = fact_ask(&world->ledger, FACT_DNS_A, SPAN("a.example"));

	set = fact_ask(&world->ledger, FACT_REMEMBERED, SPAN("set key"));
	while (ledger_next_ordered(&world->ledger) != NULL)
		continue;
	ledger_close_to_dns(&world->ledger);
	assert_int_equal(name->state, FACT_FAILED);
	assert_int_equal(name->cause, CAUSE_TIMEOUT);
	assert_int_equal(set->state, FACT_PENDING);
	assert_true(ledger_is_waiting(&world->ledger));
	name = fact_ask(&world->ledger, FACT_DNS_A, SPAN("later.example"));
	assert_int_equal(name->state, FACT_FAILED);
	tally = fact_ask_tally(&world->ledger, SPAN("limit key"), &count);
	assert_int_equal(tally->state, FACT_PENDING);
	assert_ptr_not_equal(tally->count, &count); /* copied */
	assert_ptr_equal(ledger_next_ordered(&world->ledger), tally);
	ledger_close(&world->ledger);
	assert_int_equal(set->state, FACT_FAILED);
	assert_int_equal(tally->state, FACT_FAILED);
	assert_false(ledger_is_waiting(&world->ledger));
}

static void questions_have_a_limit(void **state)
{
	struct world *world = *state;
	char name[32];

	for (int i = 0; i <= LEDGER_QUESTIONS_MAX; i++) {
		const struct fact *fact;

		snprintf(name, sizeof(name), "%d.example", i);
		fact = fact_ask(&world->ledger, FACT_DNS_A, span_cstr(name));
		if (i < LEDGER_QUESTIONS_MAX) {
			assert_int_equal(fact->state, FACT_PENDING);
			continue;
		}
		assert_int_equal(fact->state, FACT_FAILED);
		assert_int_equal(fact->cause, CAUSE_TOOLARGE);
	}
	assert_true(world->ledger.overflowed);
}

static void facts_have_a_limit(void **state)
{
	struct world *world = *state;
	char name[32];

	for (int i = 0; i <= LEDGER_FACTS_MAX; i++) {
		const struct fact *fact;

		snprintf(name, sizeof(name), "known %d", i);
		fact = fact_ask(&world->ledger, FACT_REMEMBERED, span_cstr(name));
		assert_int_equal(fact->state, i < LEDGER_FACTS_MAX ? FACT_KNOWN : FACT_FAILED);
	}
	assert_true(world->ledger.overflowed);
}

static void keys_have_a_limit(void **state)
{
	struct world *world = *state;
	static char key[FACT_KEY_MAX + 1];

	memset(key, 'k', sizeof(key));
	assert_int_equal(fact_ask(&world->ledger, FACT_DNS_A, span_of(key, FACT_KEY_MAX))->state,
			 FACT_PENDING);
	assert_int_equal(
		fact_ask(&world->ledger, FACT_DNS_A, span_of(key, FACT_KEY_MAX + 1))->state,
		FACT_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(asks_once, begin, end),
		cmocka_unit_test_setup_teardown(recalls_what_is_known, begin, end),
		cmocka_unit_test_setup_teardown(takes_answers, begin, end),
		cmocka_unit_test_setup_teardown(the_deadline_makes_failures, begin, end),
		cmocka_unit_test_setup_teardown(the_store_has_longer, begin, end),
		cmocka_unit_test_setup_teardown(questions_have_a_limit, begin, end),
		cmocka_unit_test_setup_teardown(facts_have_a_limit, begin, end),
		cmocka_unit_test_setup_teardown(keys_have_a_limit, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
