/* records.c -- what all drivers do to a record's text, and how they answer. */
#include "base/ensure.h"
#include "store/store_priv.h"
#include "weigh/tally.h"
#include "weigh/triplet.h"

#include <stdlib.h>

/* --- answers --- */

/* What a fact holds: one block, let go of by store_release(). */
struct held {
	struct span item[RATES_MAX];
	char bytes[];
};

static void answer(struct store_wait *wait, enum fact_state state)
{
	wait->fact->state = state;
	wait->held = NULL;
	wait->answered(wait);
}

void store_fail(struct store_wait *wait, enum fact_cause cause)
{
	wait->fact->cause = cause;
	answer(wait, FACT_FAILED);
}

void store_answer_none(struct store_wait *wait)
{
	answer(wait, FACT_NONE);
}

/* Items of the text, whose ends are given. */
static void answer_items(struct store_wait *wait, struct span text, const size_t *end, size_t count)
{
	struct held *held = malloc(sizeof(*held) + text.len);
	size_t start = 0;

	if (held == NULL) {
		store_fail(wait, CAUSE_TOOLARGE);
		return;
	}
	if (text.len > 0)
		memcpy(held->bytes, text.at, text.len);
	for (size_t i = 0; i < count; start = end[i++])
		held->item[i] = span_of(held->bytes + start, end[i] - start);
	fact_sort(wait->fact->kind, held->item, count);
	wait->fact->held = held;
	wait->fact->item = held->item;
	wait->fact->item_count = (uint16_t)count;
	answer(wait, FACT_KNOWN);
}

void store_answer_item(struct store_wait *wait, struct span item)
{
	answer_items(wait, item, &item.len, 1);
}

void store_answer_tally(struct store_wait *wait, const struct tally_result *result)
{
	TEXT(text, RATES_MAX * TALLY_ITEM_MAX);
	size_t end[RATES_MAX];

	if (result->count == 0) {
		store_answer_none(wait);
		return;
	}
	for (unsigned i = 0; i < result->count; i++) {
		text_add_tally_use(&text, result, i);
		end[i] = text.len;
	}
	ENSURE(!text.overrun);
	answer_items(wait, text_span(&text), end, result->count);
}

/* --- records --- */

int64_t store_count_text(struct span before, const struct tally_count *count, int64_t now_ms,
			 struct text *after, struct tally_result *result_out)
{
	struct tally tally;
	enum err err = tally_parse(before, &tally);

	(void)err; /* none of ours: it is empty now */
	text_clear(after);
	if (tally_count(&tally, count, now_ms, result_out))
		text_add_tally(after, &tally);
	ENSURE(!after->overrun);
	return tally_expires_ms(&tally, now_ms);
}

struct span store_live_triplet(struct span text, int64_t expires_ms,
			       const struct triplet_terms *terms, int64_t now_ms)
{
	struct triplet triplet;

	if (expires_ms == 0 || expires_ms > now_ms)
		return text;
	if (triplet_parse(text, &triplet) != OK ||
	    triplet_judge(&triplet, terms, now_ms) != TRIPLET_EXPIRED)
		return SPAN("");
	return text;
}

int64_t store_touch_text(struct span before, const struct triplet_terms *terms, int64_t now_ms,
			 struct text *item, struct text *after)
{
	struct triplet known, touched;
	bool is_known = !span_is_empty(before) && triplet_parse(before, &known) == OK;

	touched = triplet_after(is_known ? &known : NULL, terms, now_ms);
	text_clear(item);
	text_clear(after);
	if (is_known)
		text_add_triplet_item(item, &known, now_ms);
	text_add_triplet(after, &touched);
	ENSURE(!item->overrun && !after->overrun);
	return triplet_expires_ms(&touched, terms);
}
