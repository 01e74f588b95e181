/* case_fuzz.c -- whatever is read as a case is written as one that reads the same. */
#include "../unit/weigh_case/ask_all.h"
#include "base/ensure.h"

#include <stdlib.h>

enum { ARENA_BYTES_MAX = 16 * 1024 * 1024 };

static bool same_attempt(const struct attempt *a, const struct attempt *b)
{
	for (int i = 0; i < ATTRIBUTE_COUNT; i++)
		if (!span_equal(a->attribute[i], b->attribute[i]) ||
		    (a->attribute[i].at == NULL) != (b->attribute[i].at == NULL))
			return false;
	return ip_equal(a->client, b->client) && a->time_ms == b->time_ms;
}

static void check_fact(const struct fact *asked, struct case_line *again)
{
	struct fact fact = { .kind = asked->kind, .key = asked->key };

	case_recall(again, &fact);
	ENSURE(fact.state == asked->state && fact.cause == asked->cause);
	ENSURE(fact.exists == asked->exists && fact.item_count == asked->item_count);
	for (uint16_t i = 0; i < fact.item_count; i++)
		ENSURE(span_equal(fact.item[i], asked->item[i]));
}

static void there_and_back(struct case_line *line, struct arena *arena)
{
	struct case_extra extra = { SPAN("p"), 1, 2, true };
	struct case_line again;
	struct ask_all ask;
	struct span why;
	char *written;

	ask_all_run(&ask, line, arena);
	written = case_format(&ask.walk, &extra);
	ENSURE(written != NULL && strchr(written, '\n') == NULL);
	ENSURE(case_parse(span_cstr(written), arena, &again, &why) == OK);
	ENSURE(same_attempt(&line->attempt, &again.attempt));
	for (uint16_t i = 0; i < ask.ledger.fact_count; i++)
		check_fact(ask.ledger.fact[i], &again);
	ENSURE(again.expected.score == ask.walk.score);
	free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct arena arena;
	struct case_line line;
	struct span why = { 0 };

	arena_init(&arena, ARENA_BYTES_MAX);
	if (case_parse(span_of((const char *)bytes, count), &arena, &line, &why) == OK)
		there_and_back(&line, &arena);
	else
		ENSURE(why.len > 0);
	arena_release(&arena);
	return 0;
}
