/* record_fuzz.c -- what a store holds, and any numbers, through counting and greylisting.
 *
 * An input is lines: a tally, a triplet, rates, rates an administrator raises to, an item of
 * either fact, typed words of a key; then bytes of which each eight make an attempt.
 * Held: what is parsed is written as it is read again; sums are sums; nothing leaves its bounds;
 * what is let through is below the limit; a wait is a wait.
 */
#include "base/ensure.h"
#include "base/escape.h"
#include "weigh/key.h"
#include "weigh/tally.h"
#include "weigh/triplet.h"

enum { LINES = 6, STEP_BYTES = 8, STEPS_MAX = 400, TEXT_EVERY = 16 };

enum line { TALLY, TRIPLET, RATES, RAISED, ITEM, WORDS };

static int64_t number_of(const uint8_t *bytes)
{
	static const int64_t edges[] = { INT64_MIN, INT64_MAX, RATE_MOST_MAX, -1, 0, 1 };
	unsigned lot = bytes[0];

	if (lot < sizeof(edges) / sizeof(*edges))
		return edges[lot];
	return ((int64_t)lot << 16 | bytes[1] << 8 | bytes[2]) >> (lot & 15);
}

static void check_sums(const struct tally *tally)
{
	ENSURE(tally->window_count <= RATES_MAX && tally->seen_count <= TALLY_SEEN_MAX);
	for (uint8_t w = 0; w < tally->window_count; w++) {
		const struct tally_window *window = &tally->window[w];
		int64_t used = 0;

		ENSURE(w == 0 || window->period_ms > window[-1].period_ms);
		ENSURE(window->count <= TALLY_ENTRIES_MAX);
		for (uint16_t i = 0; i < window->count; i++) {
			ENSURE(window->entry[i].amount > 0);
			ENSURE(i == 0 || window->entry[i].at_ms >= window->entry[i - 1].at_ms);
			used += window->entry[i].amount;
		}
		ENSURE(used == window->used && used <= RATE_MOST_MAX);
	}
}

static void check_text(const struct tally *tally)
{
	static char bytes[2][TALLY_TEXT_MAX + 1];
	struct text text = { bytes[0], 0, sizeof(bytes[0]), false };
	struct text again = { bytes[1], 0, sizeof(bytes[1]), false };
	static struct tally read;

	text_add_tally(&text, tally);
	ENSURE(!text.overrun && text.len > 0);
	ENSURE(tally_parse(text_span(&text), &read) == OK);
	text_add_tally(&again, &read);
	ENSURE(span_equal(text_span(&text), text_span(&again)));
}

static void check_result(const struct tally_result *result, const struct rates *rates)
{
	struct tally_result read = { .count = 0 };

	ENSURE(result->count == rates->count);
	for (unsigned i = 0; i < result->count; i++) {
		TEXT(item, TALLY_ITEM_MAX);

		ENSURE(result->use[i].used >= 0 && result->use[i].wait_ms >= 0);
		text_add_tally_use(&item, result, i);
		ENSURE(!item.overrun && tally_item_parse(text_span(&item), &read) == OK);
	}
	ENSURE(tally_over(&read, rates) == tally_over(result, rates));
}

static void count_steps(struct tally *tally, const struct span *line, struct span steps)
{
	struct tally_count count = { .amount = 0 };
	struct tally_result result;
	int64_t now_ms = 0;

	if (rates_parse(line[RATES], &count.rates) != OK)
		return;
	if (rates_parse(line[RAISED], &count.raise) != OK)
		count.raise.count = 0;
	for (int i = 0; i < STEPS_MAX && steps.len >= STEP_BYTES; i++) {
		const uint8_t *bytes = (const uint8_t *)steps.at;

		if (__builtin_add_overflow(now_ms, number_of(bytes), &now_ms))
			now_ms = number_of(bytes);
		count.amount = number_of(bytes + 3);
		count.once = bytes[6] & 7;
		count.is_total = (bytes[6] & 8) != 0;
		count.counts_refused = (bytes[6] & 16) != 0;
		count.raise_until_ms = (bytes[7] & 3) == 3 ? now_ms + 1 : bytes[7] & 1;
		tally_count(tally, &count, now_ms, &result);
		check_sums(tally);
		check_result(&result, &count.rates);
		ENSURE(tally_expires_ms(tally, now_ms) > 0);
		if (i % TEXT_EVERY == 0)
			check_text(tally);
		steps = span_from(steps, STEP_BYTES);
	}
}

static void touch_steps(struct span text, struct span steps)
{
	struct triplet triplet;
	bool is_known = triplet_parse(text, &triplet) == OK;

	for (int i = 0; i < STEPS_MAX && steps.len >= STEP_BYTES; i++) {
		const uint8_t *bytes = (const uint8_t *)steps.at;
		const struct triplet_terms terms = { number_of(bytes), number_of(bytes + 1),
						     number_of(bytes + 2) };
		const struct triplet *before = is_known ? &triplet : NULL;
		int64_t now_ms = number_of(bytes + 3) * bytes[7];
		enum triplet_outcome outcome = triplet_judge(before, &terms, now_ms);
		TEXT(item, TRIPLET_TEXT_MAX);
		TEXT(after, TRIPLET_TEXT_MAX);
		struct triplet read;

		ENSURE(triplet_waits(outcome) || triplet_wait_s(before, &terms, now_ms) == 0);
		ENSURE(is_known || outcome == TRIPLET_NEW);
		if (is_known) {
			text_add_triplet_item(&item, &triplet, now_ms);
			ENSURE(triplet_item_parse(text_span(&item), now_ms, &read) == OK);
			ENSURE(triplet_judge(&read, &terms, now_ms) == outcome);
		}
		triplet = triplet_after(before, &terms, now_ms);
		is_known = true;
		text_add_triplet(&after, &triplet);
		ENSURE(!after.overrun && triplet_parse(text_span(&after), &read) == OK);
		ENSURE(triplet_expires_ms(&read, &terms) == triplet_expires_ms(&triplet, &terms));
		steps = span_from(steps, STEP_BYTES);
	}
}

static void check_rates(struct span line)
{
	struct rates rates, again;
	TEXT(text, RATES_TEXT_MAX);

	if (rates_parse(line, &rates) != OK)
		return;
	text_add_rates(&text, &rates);
	ENSURE(!text.overrun && rates_parse(text_span(&text), &again) == OK);
	ENSURE(again.count == rates.count);
	ENSURE(memcmp(again.rate, rates.rate, rates.count * sizeof(*rates.rate)) == 0);
}

static void check_items(struct span line)
{
	struct tally_result result = { .count = 0 };
	struct triplet triplet;
	TEXT(item, TALLY_ITEM_MAX);

	if (tally_item_parse(line, &result) == OK) {
		text_add_tally_use(&item, &result, 0);
		ENSURE(!item.overrun);
	}
	if (triplet_item_parse(line, INT64_C(1800000000000), &triplet) == OK)
		ENSURE(triplet.first_ms >= 0 && triplet.passes <= TRIPLET_TRIES_MAX);
}

static void check_key(struct span key)
{
	uint32_t c;
	size_t len;

	ENSURE(key.len <= KEY_MAX);
	for (; key.len > 0; key = span_from(key, len)) {
		len = utf8_decode(key, &c);
		ENSURE(len > 0 && c >= ' ' && (c < 0x7f || c >= 0xa0) && !(c >= 'A' && c <= 'Z'));
	}
}

static void check_keys(struct span line)
{
	TEXT(key, KEY_ROOM);
	TEXT(typed, KEY_ROOM);
	TEXT(again, KEY_ROOM);
	struct span rest = line, part;

	for (int parts = 0; parts < 6 && span_cut(&rest, ' ', &part); parts++)
		key_add(&key, part);
	ENSURE(!key.overrun);
	key_finish(&key);
	check_key(text_span(&key));
	key_of_words(&typed, text_span(&key)); /* what is shown can be typed */
	ENSURE(span_equal(text_span(&key), text_span(&typed)));
	text_clear(&typed);
	key_of_words(&typed, line);
	check_key(text_span(&typed));
	key_of_words(&again, text_span(&typed));
	ENSURE(span_equal(text_span(&again), text_span(&typed)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static struct tally tally;
	struct span rest = span_of((const char *)bytes, count), line[LINES];

	for (int i = 0; i < LINES; i++)
		if (!span_cut(&rest, '\n', &line[i]))
			line[i] = SPAN("");
	if (tally_parse(line[TALLY], &tally) == OK) {
		check_sums(&tally);
		check_text(&tally);
	}
	count_steps(&tally, line, rest);
	touch_steps(line[TRIPLET], rest);
	check_rates(line[RATES]);
	check_items(line[ITEM]);
	check_keys(line[WORDS]);
	return 0;
}
