/* counting.c -- what the statements that count share; remember, and what it reads back. */
#include "weigh/counting_priv.h"

#include "base/ensure.h"

/* --- keys --- */

struct keyed counting_key(const struct walk *walk, struct span set, const struct key *key,
			  struct text *room)
{
	struct keyed keyed = { 0 };
	TEXT(parts, KEY_ROOM);

	for (uint8_t i = 0; i < key->part_count; i++) {
		struct value value = expr_evaluate(key->part[i], walk);
		bool is_empty = value.state != VALUE_KNOWN || value.text.len == 0;

		if (value.state == VALUE_PENDING || value.state == VALUE_UNKNOWN) {
			keyed.state = value.state;
			return keyed;
		}
		keyed.has_empty |= is_empty;
		keyed.is_first_empty |= is_empty && i == 0;
		key_add(&parts, is_empty ? SPAN("") : value.text);
	}
	key_finish(&parts);
	if (set.len > 0) {
		text_add(room, set);
		text_add_char(room, ' ');
	}
	text_add(room, text_span(&parts));
	keyed.key = text_span(room);
	if (room->overrun)
		keyed.state = VALUE_UNKNOWN;
	return keyed;
}

struct key counting_key_of_one(const struct expr *const *expr)
{
	return (struct key){ .part = { *expr }, .part_count = 1 };
}

/* --- what follows --- */

void counting_remember(struct walk *walk, const struct memory *memory)
{
	if (memory->key.at == NULL || memory->value.at == NULL)
		return; /* no room in the arena */
	ENSURE(walk->memory_count < REMEMBERS_MAX);
	walk->memory[walk->memory_count++] = *memory;
}

bool counting_decide(struct walk *walk, const struct statement *statement,
		     enum verdict_kind verdict, const struct template *text)
{
	if (statement->observe) {
		if (walk->observed == NULL)
			walk->observed = statement;
		return false;
	}
	walk->verdict = verdict;
	if (text == NULL)
		walk->reply = (struct span){ 0 };
	else if (!walk_render(walk, text, &walk->reply))
		walk->is_pending = true;
	return true;
}

bool counting_fail(struct walk *walk, const struct statement *statement,
		   const struct failing *failing)
{
	if (failing->verdict == VERDICT_PASS)
		return false;
	return counting_decide(walk, statement, failing->verdict, &failing->text);
}

bool counting_wait(struct walk *walk)
{
	ENSURE(!walk->ledger->closed);
	walk->is_pending = true;
	return true;
}

/* --- remember --- */

void walk_remember(struct walk *walk, const struct statement *statement)
{
	const struct remembering *remembering = statement->remembering;
	TEXT(room, FACT_KEY_MAX);
	struct keyed keyed = counting_key(walk, SPAN(""), &remembering->key, &room);

	if (keyed.state == VALUE_PENDING)
		walk->is_pending = true;
	if (keyed.state != VALUE_KNOWN || keyed.has_empty || statement->observe)
		return;
	/* The value says why: the decision that can be explained. */
	counting_remember(walk, &(struct memory){
					.set = remembering->set,
					.key = arena_copy(walk->ledger->arena, keyed.key),
					.value = walk->attempt->id.len > 0 ? walk->attempt->id
									   : SPAN("1"),
					.keep_ms = remembering->keep_ms,
				});
}

struct value evaluate_in_set(const struct expr *expr, const struct walk *walk)
{
	TEXT(room, FACT_KEY_MAX);
	struct keyed keyed = counting_key(walk, expr->set, expr->key, &room);
	const struct fact *fact;

	if (keyed.state != VALUE_KNOWN)
		return value_missing(keyed.state);
	if (keyed.has_empty)
		return (struct value){ .truth = false };
	walk->ledger->asker = LEDGER_NOBODY;
	fact = fact_ask(walk->ledger, FACT_REMEMBERED, keyed.key);
	switch (fact->state) {
	case FACT_PENDING: return value_missing(VALUE_PENDING);
	case FACT_FAILED: return value_missing(VALUE_UNKNOWN);
	case FACT_KNOWN: return (struct value){ .truth = true };
	case FACT_NONE: return (struct value){ .truth = false };
	}
	ENSURE(false);
}
