/* tally.c -- what one attempt more does to what a limit has counted. */
#include "weigh/tally.h"

#include "base/ensure.h"
#include "base/utc.h"
#include "weigh/key.h"
#include "weigh/tally_priv.h"

uint64_t tally_once(struct span value)
{
	uint64_t hash = key_hash(value);

	return hash != 0 ? hash : 1;
}

/* So that whatever lies a period ahead of now can be written, and read again. */
#define NOW_MS_MAX (UTC_MS_MAX - RATE_PERIOD_MS_MAX)

static int64_t clamp(int64_t number, int64_t least, int64_t most)
{
	return number < least ? least : number > most ? most : number;
}

/* --- windows --- */

static int64_t grain_of(const struct tally_window *window)
{
	return (window->period_ms + TALLY_EXACT - 1) / TALLY_EXACT;
}

/* Drop what is older than the period; what is from the future is from now. */
static void window_slide(struct tally_window *window, int64_t now_ms)
{
	uint16_t old = 0;

	for (uint16_t i = window->count; i > 0 && window->entry[i - 1].at_ms > now_ms; i--)
		window->entry[i - 1].at_ms = now_ms;
	while (old < window->count && window->entry[old].at_ms < now_ms - window->period_ms)
		window->used -= window->entry[old++].amount;
	if (old == 0)
		return;
	window->count = (uint16_t)(window->count - old);
	memmove(window->entry, window->entry + old, window->count * sizeof(*window->entry));
}

/* Does an entry at at_ms join the last of count entries? */
static bool joins(const struct tally_window *window, uint16_t count, int64_t at_ms)
{
	return count >= 2 && at_ms - window->entry[count - 2].at_ms < grain_of(window);
}

static uint16_t window_put(struct tally_window *window, uint16_t count, bool is_joined,
			   struct tally_entry entry)
{
	if (is_joined) {
		entry.amount += window->entry[count - 1].amount;
		count--;
	}
	ENSURE(count < TALLY_ENTRIES_MAX);
	window->entry[count] = entry;
	return (uint16_t)(count + 1);
}

/* Join also what was kept as it came. */
static void window_tighten(struct tally_window *window)
{
	uint16_t count = 0;

	for (uint16_t i = 0; i < window->count; i++) {
		struct tally_entry entry = window->entry[i];

		count = window_put(window, count, joins(window, count, entry.at_ms), entry);
	}
	window->count = count;
}

static void window_charge(struct tally_window *window, int64_t amount, int64_t now_ms)
{
	struct tally_entry entry = { now_ms, amount };

	if (amount > RATE_MOST_MAX - window->used)
		entry.amount = RATE_MOST_MAX - window->used;
	if (entry.amount == 0)
		return;
	if (window->count == TALLY_ENTRIES_MAX)
		window_tighten(window);
	window->count =
		window_put(window, window->count,
			   window->count >= TALLY_EXACT && joins(window, window->count, now_ms),
			   entry);
	window->used += entry.amount;
}

/* One less of what was counted at at_ms, or joined since. */
static void window_take_out(struct tally_window *window, int64_t at_ms)
{
	struct tally_entry *entry = window->entry, *end = entry + window->count;

	while (entry < end && entry->at_ms < at_ms)
		entry++;
	if (entry == end)
		return;
	window->used--;
	if (--entry->amount > 0)
		return;
	window->count--;
	memmove(entry, entry + 1, (size_t)(end - entry - 1) * sizeof(*entry));
}

/* How long until amount fits below most. */
static int64_t window_wait(const struct tally_window *window, int64_t amount, int64_t most,
			   int64_t now_ms)
{
	int64_t excess = window->used + amount - most;
	int64_t wait_ms = 0;

	if (amount > most)
		return window->period_ms;
	for (uint16_t i = 0; i < window->count && excess > 0; i++) {
		excess -= window->entry[i].amount;
		wait_ms = window->entry[i].at_ms + window->period_ms + 1 - now_ms;
	}
	return wait_ms;
}

/* --- a tally's windows --- */

static struct tally_window *tally_window(struct tally *tally, int64_t period_ms)
{
	for (uint8_t i = 0; i < tally->window_count; i++)
		if (tally->window[i].period_ms == period_ms)
			return &tally->window[i];
	return NULL;
}

static void window_copy(struct tally_window *to, const struct tally_window *from)
{
	memcpy(to, from, offsetof(struct tally_window, entry));
	memcpy(to->entry, from->entry, from->count * sizeof(*from->entry));
}

static void window_remove(struct tally *tally, uint8_t index)
{
	tally->window_count--;
	for (uint8_t i = index; i < tally->window_count; i++)
		window_copy(&tally->window[i], &tally->window[i + 1]);
}

struct tally_window *tally_window_insert(struct tally *tally, int64_t period_ms)
{
	uint8_t at = tally->window_count++;

	ENSURE(at < RATES_MAX);
	for (; at > 0 && tally->window[at - 1].period_ms > period_ms; at--)
		window_copy(&tally->window[at], &tally->window[at - 1]);
	tally->window[at].period_ms = period_ms;
	tally->window[at].used = 0;
	tally->window[at].count = 0;
	return &tally->window[at];
}

/* A window for a new period, from the next longer one or else the longest. */
static void window_begin(struct tally *tally, const struct rates *rates, int64_t period_ms,
			 int64_t now_ms)
{
	struct tally_window begun = { .period_ms = period_ms };
	uint8_t from = 0, last = 0;

	while (from + 1 < tally->window_count && tally->window[from].period_ms < period_ms)
		from++;
	if (tally->window_count > 0)
		window_copy(&begun, &tally->window[from]);
	begun.period_ms = period_ms;
	window_slide(&begun, now_ms);
	if (tally->window_count == RATES_MAX) {
		while (rates_find(rates, tally->window[last].period_ms) != NULL)
			last++;
		window_remove(tally, last);
	}
	window_copy(tally_window_insert(tally, period_ms), &begun);
}

/* Forget what is too old, so that times, from here on, are in order and none is in the future. */
static void tally_slide(struct tally *tally, int64_t now_ms)
{
	int64_t longest_ms = 0;
	uint16_t old = 0;

	for (uint8_t i = tally->window_count; i > 0; i--) {
		window_slide(&tally->window[i - 1], now_ms);
		if (tally->window[i - 1].count == 0)
			window_remove(tally, (uint8_t)(i - 1));
	}
	if (tally->window_count > 0)
		longest_ms = tally->window[tally->window_count - 1].period_ms;
	for (uint16_t i = tally->seen_count; i > 0 && tally->seen[i - 1].at_ms > now_ms; i--)
		tally->seen[i - 1].at_ms = now_ms;
	while (old < tally->seen_count && tally->seen[old].at_ms < now_ms - longest_ms)
		old++;
	tally->seen_count = (uint16_t)(tally->seen_count - old);
	memmove(tally->seen, tally->seen + old, tally->seen_count * sizeof(*tally->seen));
	if (tally->raised_until_ms <= now_ms) {
		tally->raised_until_ms = 0;
		tally->raised.count = 0;
	}
	if (tally->noticed_until_ms <= now_ms)
		tally->noticed_until_ms = tally->refused = 0;
	tally->raised_until_ms = clamp(tally->raised_until_ms, 0, now_ms + RATE_PERIOD_MS_MAX);
	tally->noticed_until_ms = clamp(tally->noticed_until_ms, 0, now_ms + RATE_PERIOD_MS_MAX);
}

/* --- counting --- */

/* One count while it is under way. */
struct counting_one {
	struct tally *tally;
	const struct tally_count *count;
	struct tally_result *result;
	int64_t now_ms;
	int64_t added;
	uint16_t seen;   /* index; seen_count: not seen */
	int64_t seen_ms; /* when; 0: not seen, or not distinct */
	bool is_refused; /* refused before, though counted: judged anew */
	bool is_over;
};

/* Does the window have the distinct value already? */
static bool has_value(const struct counting_one *one, int64_t period_ms)
{
	return one->seen_ms > 0 && one->seen_ms >= one->now_ms - period_ms;
}

/* What the attempt adds to a window. */
static int64_t added_to(const struct counting_one *one, int64_t period_ms)
{
	return has_value(one, period_ms) ? 0 : one->added;
}

static bool raise_limit(struct counting_one *one)
{
	struct tally *tally = one->tally;
	int64_t until_ms = one->count->raise_until_ms;

	if (until_ms == 0)
		return false;
	if (until_ms <= one->now_ms) {
		bool was_raised = tally->raised_until_ms > 0;

		tally->raised_until_ms = 0;
		tally->raised.count = 0;
		return was_raised;
	}
	tally->raised = one->count->raise;
	tally->raised_until_ms = clamp(until_ms, 0, one->now_ms + RATE_PERIOD_MS_MAX);
	return true;
}

static void find_added(struct counting_one *one)
{
	const struct tally *tally = one->tally;
	const struct tally_seen *seen;

	one->added = clamp(one->count->amount, 0, RATE_MOST_MAX);
	one->seen = tally->seen_count;
	for (uint16_t i = 0; i < tally->seen_count && one->count->once != 0; i++)
		if (tally->seen[i].hash == one->count->once)
			one->seen = i;
	if (one->seen == tally->seen_count)
		return;
	seen = &tally->seen[one->seen];
	if (one->count->is_distinct)
		one->seen_ms = seen->at_ms;
	else if (one->count->is_total)
		one->added = clamp(one->added - seen->amount, 0, RATE_MOST_MAX);
	one->is_refused = seen->is_refused;
}

/* What an administrator lets through instead; -1: he has said nothing of that period. */
static int64_t raised_most(const struct tally *tally, int64_t period_ms)
{
	const struct rate *rate;

	if (tally->raised_until_ms == 0)
		return -1;
	if (tally->raised.count == 0)
		return RATE_MOST_MAX;
	rate = rates_find(&tally->raised, period_ms);
	return rate != NULL ? rate->most : -1;
}

static void judge(struct counting_one *one)
{
	const struct rates *rates = &one->count->rates;

	one->result->is_free = !one->is_refused;
	for (uint8_t i = 0; i < rates->count; i++)
		one->result->is_free &= added_to(one, rates->rate[i].period_ms) == 0;
	for (uint8_t i = 0; i < rates->count; i++) {
		int64_t period_ms = rates->rate[i].period_ms;
		int64_t raised = raised_most(one->tally, period_ms);
		int64_t most = raised >= 0 ? raised : rates->rate[i].most;
		const struct tally_window *window = tally_window(one->tally, period_ms);
		struct tally_use *use = &one->result->use[one->result->count++];

		ENSURE(window != NULL); /* begun by tally_count() */
		use->period_ms = period_ms;
		use->most = raised;
		use->wait_ms = 0;
		use->used = window->used + added_to(one, period_ms);
		if (use->used > most && !one->result->is_free)
			one->is_over = true;
	}
}

static void remember_once(struct counting_one *one)
{
	struct tally *tally = one->tally;
	struct tally_seen seen = { .hash = one->count->once };

	if (one->count->once == 0)
		return;
	if (one->seen < tally->seen_count)
		seen = tally->seen[one->seen];
	else if (tally->seen_count == TALLY_SEEN_MAX)
		one->seen = 0;
	if (one->seen < tally->seen_count) {
		tally->seen_count--;
		memmove(&tally->seen[one->seen], &tally->seen[one->seen + 1],
			(size_t)(tally->seen_count - one->seen) * sizeof(seen));
	}
	seen.amount =
		one->seen_ms > 0 ? one->added : clamp(seen.amount + one->added, 0, RATE_MOST_MAX);
	seen.at_ms = one->now_ms;
	/* One of many recipients that is refused says nothing of the message. */
	seen.is_refused = one->is_over && one->count->is_total;
	tally->seen[tally->seen_count++] = seen;
}

static bool charge(struct counting_one *one)
{
	struct tally *tally = one->tally;

	if (one->added == 0 || one->result->count == 0 ||
	    (one->is_over && !one->count->counts_refused))
		return false;
	for (uint8_t i = 0; i < tally->window_count; i++) {
		if (has_value(one, tally->window[i].period_ms))
			window_take_out(&tally->window[i], one->seen_ms);
		window_charge(&tally->window[i], one->added, one->now_ms);
	}
	remember_once(one);
	return true;
}

/* What must fit when it comes again.  A distinct value that was charged is there already. */
static int64_t wanted_of(const struct counting_one *one, int64_t period_ms)
{
	if (one->count->is_distinct && (one->count->counts_refused || has_value(one, period_ms)))
		return 0;
	return one->added;
}

/* After charging: a refused attempt that was charged has made its own wait longer. */
static void find_waits(struct counting_one *one)
{
	const struct rates *rates = &one->count->rates;

	for (uint8_t i = 0; i < rates->count; i++) {
		struct tally_use *use = &one->result->use[i];
		int64_t most = use->most >= 0 ? use->most : rates->rate[i].most;

		if (use->used > most)
			use->wait_ms =
				window_wait(tally_window(one->tally, use->period_ms),
					    wanted_of(one, use->period_ms), most, one->now_ms);
	}
}

static void notice(struct counting_one *one)
{
	struct tally *tally = one->tally;
	int worst = tally_over(one->result, &one->count->rates);

	ENSURE(worst >= 0);
	one->result->is_first = tally->noticed_until_ms == 0;
	if (one->result->is_first)
		tally->noticed_until_ms = one->now_ms + one->result->use[worst].period_ms;
	tally->refused = clamp(tally->refused, 0, RATE_MOST_MAX - 1) + 1;
}

bool tally_count(struct tally *tally, const struct tally_count *count, int64_t now_ms,
		 struct tally_result *result_out)
{
	struct counting_one one = { .tally = tally,
				    .count = count,
				    .result = result_out,
				    .now_ms = clamp(now_ms, 1, NOW_MS_MAX) };
	bool changed;

	ENSURE(count->rates.count <= RATES_MAX);
	*result_out = (struct tally_result){ .count = 0 };
	tally_slide(tally, one.now_ms);
	changed = raise_limit(&one);
	for (uint8_t i = 0; i < count->rates.count; i++)
		if (tally_window(tally, count->rates.rate[i].period_ms) == NULL)
			window_begin(tally, &count->rates, count->rates.rate[i].period_ms,
				     one.now_ms);
	find_added(&one);
	judge(&one);
	changed |= charge(&one);
	if (one.is_over) {
		find_waits(&one);
		notice(&one);
		changed = true;
	}
	return changed;
}

int64_t tally_most(const struct tally_use *use, const struct rates *rates)
{
	int64_t most = -1;

	for (uint8_t i = 0; i < rates->count; i++) {
		const struct rate *rate = &rates->rate[i];

		if (use->period_ms != 0 && use->period_ms != rate->period_ms)
			continue;
		if (use->most >= 0)
			return use->most;
		if (most < 0 || rate->most < most)
			most = rate->most;
	}
	return most;
}

static bool is_over(const struct tally_use *use, const struct rates *rates)
{
	int64_t most = tally_most(use, rates);

	return most >= 0 && use->used > most;
}

int tally_over(const struct tally_result *result, const struct rates *rates)
{
	int worst = -1;

	if (result->is_free)
		return -1;
	for (int i = 0; i < result->count; i++)
		if (is_over(&result->use[i], rates) &&
		    (worst < 0 || result->use[i].wait_ms > result->use[worst].wait_ms))
			worst = i;
	return worst;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int64_t tally_expires_ms(const struct tally *tally, int64_t now_ms)
{
	int64_t expires_ms = clamp(now_ms, 1, NOW_MS_MAX);

	expires_ms = later(expires_ms, later(tally->raised_until_ms, tally->noticed_until_ms));
	for (uint8_t i = 0; i < tally->window_count; i++) {
		const struct tally_window *window = &tally->window[i];

		if (window->count > 0)
			expires_ms = later(expires_ms, window->entry[window->count - 1].at_ms +
							       window->period_ms + 1);
	}
	return expires_ms;
}
