/* world.h -- a small world for a check: what it is told, and what it asked. */
#pragma once
#include "../unit.h"

#include "weigh/check.h"

struct told {
	enum fact_kind kind;
	const char *key;
	const char *answer; /* items with '|' between them; "!": no answer; "?": not yet */
};

struct world {
	const struct told *told; /* ended by a NULL key; what is not told is no such name */
	struct arena arena;
	struct ledger ledger;
	struct attempt attempt;
	struct findings found;
	char client_room[IP_TEXT_MAX];
};

static inline bool world_recall(void *self, struct fact *fact)
{
	struct world *world = self;
	const struct told *told = world->told;
	struct span rest, *item;

	fact->state = FACT_NONE;
	while (told->key != NULL &&
	       (told->kind != fact->kind || !span_equal(span_cstr(told->key), fact->key)))
		told++;
	if (told->key == NULL)
		return true;
	rest = span_cstr(told->answer);
	fact->state = FACT_KNOWN;
	if (span_equal(rest, SPAN("?")))
		fact->state = FACT_PENDING;
	if (span_equal(rest, SPAN("!"))) {
		fact->state = FACT_FAILED;
		fact->cause = CAUSE_SERVFAIL;
	}
	if (fact->state != FACT_KNOWN)
		return fact->state == FACT_FAILED;
	item = ARENA_ARRAY(&world->arena, struct span, FACT_ITEMS_MAX);
	assert_non_null(item);
	fact->item = item;
	while (fact->item_count < FACT_ITEMS_MAX && span_cut(&rest, '|', &item[fact->item_count]))
		fact->item_count++;
	return true;
}

/* @param client  address text, or "" for an unknown one */
static inline void world_weigh(struct world *world, const struct check *check,
			       const struct arguments *arguments, const char *client)
{
	const struct recall recall = { .recall = world_recall, .self = world };

	arena_init(&world->arena, 4 * 1024 * 1024);
	ledger_init(&world->ledger, &world->arena, &recall);
	world->attempt.attribute[ATTRIBUTE_client_address] = span_cstr(client);
	attempt_normalise(&world->attempt, world->client_room);
	world->found = (struct findings){ 0 };
	check->weigh(&world->attempt, arguments, &world->ledger, &world->found);
}

static inline void world_end(struct world *world)
{
	ledger_release(&world->ledger);
	arena_release(&world->arena);
}
