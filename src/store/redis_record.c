/* redis_record.c -- what the scripts read and write: numbers of fixed width, in bytes.
 *
 * Everywhere else a tally is text (weigh/tally.h), and so it is here as soon as it leaves the
 * server: in listings, for export, in a rehearsal.  The server itself is much faster with numbers
 * that stand at known places.  All are without sign, the least byte first: times and periods (ms)
 * have 6 bytes, amounts 7.
 *
 *	record	version, windows, seen, rates of raised, each a byte; raised until, noticed until,
 *		refused; then
 *		of each window: period, used, entries (2 bytes); then of each entry: time, amount
 *		of each rate of raised: most, period
 *		of each that was seen: time, hash (8 bytes), amount, refused (a byte, 0 or 1)
 *	wanted	of a tally: now, amount, raise until (0: nothing is raised); is total, is distinct,
 *		counts refused, rates to raise to, rates, each a byte; once (8 bytes); of each
 *		rate: most, period; of each rate to raise to: most, period
 *	said	flags (a byte: 1 first, 2 free); of each rate: period, used, wait, and one more than
 *		what it is raised to (7 bytes; 0: not raised)
 *	terms	of a triplet: now, delay, window, keep, how long it lingers when it has expired
 */
#include "store/redis_priv.h"

#include "base/utc.h"

enum {
	VERSION = 1,
	BYTE = 1,
	ENTRIES = 2,
	TIME = 6,
	AMOUNT = 7,
	HASH = 8,
	HEAD = 4 * BYTE + 2 * TIME + AMOUNT,
	ENTRY = TIME + AMOUNT,
	WINDOW = TIME + AMOUNT + ENTRIES,
	RATE = AMOUNT + TIME,
	SEEN = TIME + HASH + AMOUNT + BYTE,
	USE = TIME + AMOUNT + TIME + AMOUNT,
};
_Static_assert(HEAD + RATES_MAX * (WINDOW + TALLY_ENTRIES_MAX * ENTRY + RATE) +
			       TALLY_SEEN_MAX * SEEN ==
		       TALLY_RECORD_MAX,
	       "the longest record");
_Static_assert(AMOUNT + 2 * TIME + 5 * BYTE + HASH + 2 * RATES_MAX * RATE <= TALLY_WANTED_MAX,
	       "the longest question");
_Static_assert(5 * TIME == TRIPLET_WANTED_MAX, "the question of a triplet");
_Static_assert(UTC_MS_MAX < INT64_C(1) << 8 * TIME && 2 * RATE_MOST_MAX < INT64_C(1) << 8 * AMOUNT,
	       "a number fits its place");

static void add(struct text *bytes, unsigned width, uint64_t number)
{
	for (; width > 0; width--, number >>= 8)
		text_add_char(bytes, (char)(number & 0xff));
}

static int64_t clamp(int64_t number, int64_t least, int64_t most)
{
	return number < least ? least : number > most ? most : number;
}

/* Within the bounds of the functions that the scripts stand for: scripts need not look. */
static void add_clamped(struct text *bytes, unsigned width, int64_t number, int64_t most)
{
	add(bytes, width, (uint64_t)clamp(number, 0, most));
}

/* Off the front of rest; 0 behind the end, which whoever reads has looked for. */
static uint64_t cut(struct span *rest, unsigned width)
{
	uint64_t number = 0;

	for (unsigned i = width; i-- > 0;)
		number = number << 8 | (i < rest->len ? (unsigned char)rest->at[i] : 0U);
	*rest = span_from(*rest, width);
	return number;
}

static int64_t cut_number(struct span *rest, unsigned width)
{
	return (int64_t)cut(rest, width);
}

static void add_rates(struct text *bytes, const struct rates *rates)
{
	for (uint8_t i = 0; i < rates->count; i++) {
		add_clamped(bytes, AMOUNT, rates->rate[i].most, RATE_MOST_MAX);
		add_clamped(bytes, TIME, rates->rate[i].period_ms, RATE_PERIOD_MS_MAX);
	}
}

/* --- records --- */

static void add_window(struct text *bytes, const struct tally_window *window)
{
	add(bytes, TIME, (uint64_t)window->period_ms);
	add(bytes, AMOUNT, (uint64_t)window->used);
	add(bytes, ENTRIES, window->count);
	for (uint16_t i = 0; i < window->count; i++) {
		add(bytes, TIME, (uint64_t)window->entry[i].at_ms);
		add(bytes, AMOUNT, (uint64_t)window->entry[i].amount);
	}
}

static void add_seen(struct text *bytes, const struct tally_seen *seen)
{
	add(bytes, TIME, (uint64_t)seen->at_ms);
	add(bytes, HASH, seen->hash);
	add(bytes, AMOUNT, (uint64_t)seen->amount);
	add(bytes, BYTE, seen->is_refused);
}

enum err record_add_tally(struct text *record, struct span text)
{
	struct tally tally;
	enum err err = tally_parse(text, &tally);

	if (err != OK)
		return err;
	add(record, BYTE, VERSION);
	add(record, BYTE, tally.window_count);
	add(record, BYTE, tally.seen_count);
	add(record, BYTE, tally.raised.count);
	add(record, TIME, (uint64_t)tally.raised_until_ms);
	add(record, TIME, (uint64_t)tally.noticed_until_ms);
	add(record, AMOUNT, (uint64_t)tally.refused);
	for (uint8_t i = 0; i < tally.window_count; i++)
		add_window(record, &tally.window[i]);
	add_rates(record, &tally.raised);
	for (uint16_t i = 0; i < tally.seen_count; i++)
		add_seen(record, &tally.seen[i]);
	return OK;
}

static bool cut_window(struct span *rest, struct tally_window *window)
{
	if (rest->len < WINDOW)
		return false;
	window->period_ms = cut_number(rest, TIME);
	window->used = cut_number(rest, AMOUNT);
	window->count = (uint16_t)cut(rest, ENTRIES);
	if (window->count > TALLY_ENTRIES_MAX || rest->len < (size_t)window->count * ENTRY)
		return false;
	for (uint16_t i = 0; i < window->count; i++) {
		window->entry[i].at_ms = cut_number(rest, TIME);
		window->entry[i].amount = cut_number(rest, AMOUNT);
	}
	return true;
}

static void cut_rates(struct span *rest, struct rates *rates)
{
	for (uint8_t i = 0; i < rates->count; i++) {
		rates->rate[i].most = cut_number(rest, AMOUNT);
		rates->rate[i].period_ms = cut_number(rest, TIME);
	}
}

static void cut_seen(struct span *rest, struct tally_seen *seen)
{
	seen->at_ms = cut_number(rest, TIME);
	seen->hash = cut(rest, HASH);
	seen->amount = cut_number(rest, AMOUNT);
	seen->is_refused = cut(rest, BYTE) != 0;
}

/* Only whether all of it is there: what it says is judged in its text. */
static bool tally_read(struct span rest, struct tally *tally)
{
	if (rest.len < HEAD || cut(&rest, BYTE) != VERSION)
		return false;
	tally->window_count = (uint8_t)cut(&rest, BYTE);
	tally->seen_count = (uint16_t)cut(&rest, BYTE);
	tally->raised.count = (uint8_t)cut(&rest, BYTE);
	tally->raised_until_ms = cut_number(&rest, TIME);
	tally->noticed_until_ms = cut_number(&rest, TIME);
	tally->refused = cut_number(&rest, AMOUNT);
	if (tally->window_count > RATES_MAX || tally->raised.count > RATES_MAX ||
	    tally->seen_count > TALLY_SEEN_MAX)
		return false;
	for (uint8_t i = 0; i < tally->window_count; i++)
		if (!cut_window(&rest, &tally->window[i]))
			return false;
	if (rest.len != (size_t)tally->raised.count * RATE + (size_t)tally->seen_count * SEEN)
		return false;
	cut_rates(&rest, &tally->raised);
	for (uint16_t i = 0; i < tally->seen_count; i++)
		cut_seen(&rest, &tally->seen[i]);
	return true;
}

enum err text_add_record(struct text *text, struct span record)
{
	struct tally tally;

	if (!tally_read(record, &tally))
		return ERR_SYNTAX;
	text_add_tally(text, &tally);
	return text->overrun ? ERR_LIMIT : OK;
}

/* --- what a script is asked --- */

/* 0 is nothing, and long ago as good as any time that is over. */
static int64_t raise_until(const struct tally_count *count)
{
	return count->raise_until_ms == 0 ? 0 : clamp(count->raise_until_ms, 1, UTC_MS_MAX);
}

void wanted_add_tally(struct text *bytes, const struct tally_count *count, int64_t now_ms)
{
	add(bytes, TIME, (uint64_t)clamp(now_ms, 1, UTC_MS_MAX - RATE_PERIOD_MS_MAX));
	add_clamped(bytes, AMOUNT, count->amount, RATE_MOST_MAX);
	add(bytes, TIME, (uint64_t)raise_until(count));
	add(bytes, BYTE, count->is_total);
	add(bytes, BYTE, count->is_distinct);
	add(bytes, BYTE, count->counts_refused);
	add(bytes, BYTE, count->raise.count);
	add(bytes, BYTE, count->rates.count);
	add(bytes, HASH, count->once);
	add_rates(bytes, &count->rates);
	add_rates(bytes, &count->raise);
}

void wanted_add_triplet(struct text *bytes, const struct triplet_terms *terms, int64_t now_ms)
{
	add(bytes, TIME, (uint64_t)clamp(now_ms, 1, UTC_MS_MAX));
	add_clamped(bytes, TIME, terms->delay_ms, UTC_MS_MAX);
	add_clamped(bytes, TIME, terms->window_ms, UTC_MS_MAX);
	add_clamped(bytes, TIME, terms->keep_ms, UTC_MS_MAX);
	add(bytes, TIME, REDIS_LINGER_MS);
}

/* --- what it says --- */

enum err said_tally(struct span said, struct tally_result *result_out)
{
	struct tally_result result = { 0 };
	bool is_empty = said.len == 0;
	uint64_t flags = cut(&said, BYTE);

	if (is_empty || said.len % USE != 0 || said.len > RATES_MAX * USE || flags > 3)
		return ERR_SYNTAX;
	result.is_first = flags & 1;
	result.is_free = flags & 2;
	while (said.len > 0) {
		struct tally_use *use = &result.use[result.count++];

		use->period_ms = cut_number(&said, TIME);
		use->used = cut_number(&said, AMOUNT);
		use->wait_ms = cut_number(&said, TIME);
		use->most = cut_number(&said, AMOUNT) - 1;
		if (use->period_ms > RATE_PERIOD_MS_MAX || use->used > 2 * RATE_MOST_MAX ||
		    use->wait_ms > RATE_PERIOD_MS_MAX + 1 || use->most > RATE_MOST_MAX)
			return ERR_LIMIT;
	}
	*result_out = result;
	return OK;
}
