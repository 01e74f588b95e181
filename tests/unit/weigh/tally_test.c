/* tally_test.c -- what an attempt does to what a limit has counted. */
#include "../unit.h"

#include "base/utc.h"
#include "weigh/tally.h"

#include <stdio.h>

enum { SECOND = 1000, HOUR = 3600 * SECOND, EXACT = TALLY_EXACT };

#define START INT64_C(1800000000000)

static struct tally tally;
static struct tally_result result;

static int set_up(void **state)
{
	(void)state;
	memset(&tally, 0, sizeof(tally));
	return 0;
}

static struct rates rates_of(const char *text)
{
	struct rates rates;

	assert_int_equal(rates_parse(span_cstr(text), &rates), OK);
	return rates;
}

/* Count at so many milliseconds after START; -1: not over, else the window that is. */
static int try(const struct tally_count *count, int64_t at_ms)
{
	tally_count(&tally, count, START + at_ms, &result);
	return tally_over(&result, &count->rates);
}

static int try_amount(const char *rates, int64_t amount, int64_t at_ms)
{
	return try(&(struct tally_count){ .rates = rates_of(rates), .amount = amount }, at_ms);
}

/* --- the limit --- */

static void test_to_the_limit_and_beyond(void **state)
{
	(void)state;
	for (int i = 1; i <= 5; i++) {
		assert_int_equal(try_amount("5/1h", 1, i * SECOND), -1);
		assert_int_equal(result.use[0].used, i);
	}
	assert_int_equal(try_amount("5/1h", 1, 6 * SECOND), 0);
	assert_int_equal(result.use[0].used, 6); /* this attempt included */
	assert_int_equal(result.use[0].period_ms, HOUR);
	assert_int_equal(result.use[0].most, -1);
	assert_int_equal(tally.window[0].used, 5); /* but it was not charged */
}

static void test_waits_exactly(void **state)
{
	int64_t wait_ms;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(try_amount("5/1h", 1, i * SECOND), -1);
	assert_int_equal(try_amount("5/1h", 3, 10 * SECOND), 0);
	wait_ms = result.use[0].wait_ms; /* until the first three are older than an hour */
	assert_int_equal(wait_ms, 2 * SECOND + HOUR + 1 - 10 * SECOND);
	assert_int_equal(try_amount("5/1h", 3, 10 * SECOND + wait_ms - 1), 0);
	assert_int_equal(result.use[0].wait_ms, 1);
	assert_int_equal(try_amount("5/1h", 3, 10 * SECOND + wait_ms), -1);
	assert_int_equal(result.use[0].wait_ms, 0);
}

static void test_counts_while_inclusive(void **state)
{
	(void)state;
	assert_int_equal(try_amount("1/1h", 1, 0), -1);
	assert_int_equal(try_amount("1/1h", 1, HOUR), 0);
	assert_int_equal(try_amount("1/1h", 1, HOUR + 1), -1);
}

static void test_never_fits(void **state)
{
	(void)state;
	assert_int_equal(try_amount("5/1h", 6, 0), 0);
	assert_int_equal(result.use[0].wait_ms, HOUR);
	assert_int_equal(try_amount("5/1h", 5, 0), -1);
	assert_int_equal(try_amount("0/1h", 1, 0), 0);
	assert_int_equal(result.use[0].wait_ms, HOUR);
}

static void test_all_windows_or_none(void **state)
{
	static const char rates[] = "2/1m, 3/1h";

	(void)state;
	assert_int_equal(try_amount(rates, 1, 0), -1);
	assert_int_equal(try_amount(rates, 1, 0), -1);
	assert_int_equal(try_amount(rates, 1, 0), 0); /* the minute is full */
	assert_int_equal(result.use[1].used, 3);
	assert_int_equal(try_amount(rates, 1, 61 * SECOND), -1); /* the hour had not got it */
	assert_int_equal(try_amount(rates, 1, 62 * SECOND), 1);
	assert_int_equal(result.use[0].used, 2);
	assert_int_equal(result.use[0].wait_ms, 0);
	assert_int_equal(try_amount(rates, 2, 62 * SECOND), 1); /* the longer wait is named */
	assert_int_equal(result.count, 2);
}

static void test_nothing_is_never_over(void **state)
{
	(void)state;
	assert_int_equal(try_amount("0/1h", 0, 0), -1);
	assert_true(result.is_free);
	assert_int_equal(try_amount("3/1h", 3, 0), -1);
	assert_false(result.is_free);
	assert_int_equal(try_amount("1/1h", 0, 1), -1); /* a lower limit, exceeded already */
	assert_int_equal(result.use[0].used, 3);
	assert_int_equal(try_amount("1/1h", 1, 1), 0);
	assert_int_equal(try_amount("1/1h", -5, 1), -1);
}

static void test_no_rates_is_no_limit(void **state)
{
	(void)state;
	assert_int_equal(try_amount("none", 1000, 0), -1);
	assert_int_equal(result.count, 0);
	assert_int_equal(tally.window_count, 0);
	assert_int_equal(tally_expires_ms(&tally, START), START);
}

/* --- once --- */

static void test_counts_an_instance_once(void **state)
{
	struct tally_count count = { .rates = rates_of("2/1h"),
				     .amount = 1,
				     .once = tally_once(SPAN("a")),
				     .is_total = true };

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(try(&count, i), -1);
	assert_true(result.is_free);
	assert_int_equal(result.use[0].used, 1);
	count.once = tally_once(SPAN("b"));
	assert_int_equal(try(&count, 3), -1);
	count.once = tally_once(SPAN("c"));
	assert_int_equal(try(&count, 4), 0);
	assert_int_equal(try(&count, 5), 0); /* it was not counted: judged anew */
	count.once = tally_once(SPAN("a"));
	assert_int_equal(try(&count, 6), -1); /* what was let through stays so */
	assert_int_equal(try(&count, HOUR + 1), -1);
	assert_false(result.is_free); /* forgotten after the period: counted anew */
}

static void test_totals_add_the_difference(void **state)
{
	struct tally_count count = { .rates = rates_of("10/1h"),
				     .once = tally_once(SPAN("a")),
				     .is_total = true };
	static const struct {
		int64_t total;
		int over;
		int64_t used;
	} steps[] = { { 1, -1, 1 },   { 2, -1, 2 },  { 2, -1, 2 },  { 5, -1, 5 },  { 3, -1, 5 },
		      { 10, -1, 10 }, { 11, 0, 11 }, { 12, 0, 12 }, { 10, -1, 10 } };

	(void)state;
	for (size_t i = 0; i < COUNT(steps); i++) {
		count.amount = steps[i].total;
		assert_int_equal(try(&count, (int64_t)i), steps[i].over);
		assert_int_equal(result.use[0].used, steps[i].used);
	}
	assert_int_equal(tally.seen_count, 1);
	assert_int_equal(tally.seen[0].amount, 10);
}

static void test_sums_go_into_totals(void **state)
{
	struct tally_count count = { .rates = rates_of("10/1h"),
				     .amount = 2,
				     .once = tally_once(SPAN("a")) };

	(void)state;
	assert_int_equal(try(&count, 0), -1);
	assert_int_equal(try(&count, 1), -1); /* each adds */
	assert_int_equal(result.use[0].used, 4);
	count.is_total = true;
	count.amount = 5; /* at the end: of five, four were counted */
	assert_int_equal(try(&count, 2), -1);
	assert_int_equal(result.use[0].used, 5);
}

static void test_oldest_seen_is_forgotten(void **state)
{
	struct tally_count count = { .rates = rates_of("1000/1h"), .amount = 1, .is_total = true };

	(void)state;
	for (uint64_t i = 1; i <= TALLY_SEEN_MAX; i++) {
		count.once = i;
		assert_int_equal(try(&count, 0), -1);
	}
	count.once = 1; /* at the limit all are known */
	assert_int_equal(try(&count, 0), -1);
	assert_true(result.is_free);
	count.once = TALLY_SEEN_MAX + 1;
	assert_int_equal(try(&count, 0), -1);
	assert_int_equal(tally.seen_count, TALLY_SEEN_MAX);
	count.once = 2;
	assert_int_equal(try(&count, 0), -1);
	assert_true(result.is_free);
	count.once = 1; /* one beyond: the first was forgotten */
	assert_int_equal(try(&count, 0), -1);
	assert_false(result.is_free);
}

/* --- refused --- */

static void test_refused_counts_by_choice(void **state)
{
	struct tally_count count = { .rates = rates_of("2/1h"),
				     .amount = 1,
				     .counts_refused = true };

	(void)state;
	assert_int_equal(try(&count, 0), -1);
	assert_int_equal(try(&count, 0), -1);
	assert_int_equal(try(&count, 1000), 0);
	/* it fits when two of the three are gone, itself the last */
	assert_int_equal(result.use[0].wait_ms, HOUR + 1 - 1000);
	assert_int_equal(try(&count, 2000), 0);
	assert_int_equal(result.use[0].used, 4);
	/* the third and the fourth are there, then the third leaves */
	assert_int_equal(result.use[0].wait_ms, 1000 + HOUR + 1 - 2000);
	assert_int_equal(try(&count, 1000 + HOUR), 0);
	set_up(NULL);
	for (int i = 0; i < 2; i++)
		assert_int_equal(try(&count, 0), -1);
	assert_int_equal(try(&count, 1000), 0);
	assert_int_equal(try(&count, 1 + HOUR), -1);
}

/* Recipients one by one: the third is refused, and DATA goes on for the two before it. */
static void test_refused_recipient_is_not_the_message(void **state)
{
	struct tally_count count = { .rates = rates_of("2/1h"),
				     .amount = 1,
				     .once = tally_once(SPAN("message")),
				     .counts_refused = true };

	(void)state;
	for (int recipient = 1; recipient <= 3; recipient++) {
		tally_count(&tally, &count, 1000, &result);
		assert_int_equal(tally_over(&result, &count.rates), recipient > 2 ? 0 : -1);
	}
	count.is_total = true;
	count.amount = 2;
	tally_count(&tally, &count, 1001, &result);
	assert_int_equal(tally_over(&result, &count.rates), -1);
}

static void test_refused_instance_is_judged_again(void **state)
{
	struct tally_count count = { .rates = rates_of("1/1h"),
				     .amount = 1,
				     .once = tally_once(SPAN("a")),
				     .is_total = true,
				     .counts_refused = true };

	(void)state;
	assert_int_equal(try(&count, 0), -1);
	count.once = tally_once(SPAN("b"));
	assert_int_equal(try(&count, 1000), 0);
	assert_int_equal(tally.window[0].used, 2);
	assert_int_equal(try(&count, 2000), 0);
	assert_int_equal(tally.window[0].used, 2); /* not charged twice */
	count.once = tally_once(SPAN("a"));
	assert_int_equal(try(&count, 3000), -1); /* and what was let through stays so */
	count.once = tally_once(SPAN("b"));
	assert_int_equal(try(&count, HOUR), 0);
	assert_int_equal(result.use[0].wait_ms, 1);
	assert_int_equal(try(&count, HOUR + 1), -1); /* now there is room, which it has used up */
	assert_int_equal(result.use[0].used, 1);
	count.once = tally_once(SPAN("c"));
	assert_int_equal(try(&count, HOUR + 2), 0);
}

/* --- different values --- */

static int try_value(const char *rates, const char *value, bool counts_refused, int64_t at_ms)
{
	return try(&(struct tally_count){ .rates = rates_of(rates),
					  .amount = 1,
					  .once = tally_once(span_cstr(value)),
					  .is_total = true,
					  .is_distinct = true,
					  .counts_refused = counts_refused },
		   at_ms);
}

static void test_values_count_in_each_period(void **state)
{
	static const char rates[] = "2/1m, 3/1h";

	(void)state;
	assert_int_equal(try_value(rates, "a", false, 0), -1);
	assert_int_equal(try_value(rates, "b", false, 1), -1);
	assert_int_equal(try_value(rates, "a", false, 2), -1); /* known, and the latest now */
	assert_int_equal(result.use[0].used, 2);
	assert_true(result.is_free);
	assert_int_equal(try_value(rates, "c", false, 3), 0);
	assert_int_equal(result.use[0].wait_ms, 59999); /* until b has left */
	assert_int_equal(try_value(rates, "c", false, 60001), 0);
	assert_int_equal(try_value(rates, "c", false, 60002), -1);
	assert_int_equal(result.use[0].used, 2);
	assert_int_equal(result.use[1].used, 3);
	assert_int_equal(try_value(rates, "b", false, 60003), -1); /* a has left, too */
	assert_false(result.is_free); /* known in an hour, new in a minute */
	assert_int_equal(result.use[0].used, 2);
	assert_int_equal(result.use[1].used, 3);
	assert_int_equal(try_value(rates, "a", false, 60004), 0);
	assert_int_equal(try_value(rates, "d", false, 240000), 1);
	assert_int_equal(result.use[0].used, 1);
	assert_int_equal(result.use[1].used, 4);
}

/* In no stretch of the period more than so many, whenever each came first. */
static void test_values_last_from_their_last_use(void **state)
{
	(void)state;
	assert_int_equal(try_value("2/1h", "a", false, 0), -1);
	assert_int_equal(try_value("2/1h", "a", false, HOUR), -1);
	assert_int_equal(try_value("2/1h", "b", false, HOUR + 1), -1);
	assert_int_equal(try_value("2/1h", "c", false, HOUR + 2), 0);
	assert_int_equal(result.use[0].wait_ms, HOUR - 1);
	assert_int_equal(try_value("2/1h", "c", false, 2 * HOUR), 0);
	assert_int_equal(try_value("2/1h", "c", false, 2 * HOUR + 1), -1);
}

static void test_refused_values(void **state)
{
	(void)state;
	assert_int_equal(try_value("1/1h", "a", true, 0), -1);
	assert_int_equal(try_value("1/1h", "b", true, 1), 0);
	assert_int_equal(try_value("1/1h", "a", true, 2), -1); /* was let through */
	assert_int_equal(try_value("1/1h", "b", true, 3), 0);
	assert_int_equal(tally.window[0].used, 2);
	assert_int_equal(tally.window[0].count, 2);
	assert_int_equal(try_value("1/1h", "b", true, HOUR + 2), 0);
	assert_int_equal(try_value("1/1h", "b", true, HOUR + 3), -1); /* a has left */
}

/* --- rates that change --- */

static void check_windows(const char *want)
{
	char have[200] = "";
	size_t len = 0;

	for (int i = 0; i < tally.window_count; i++)
		len += (size_t)snprintf(have + len, sizeof(have) - len, "%lld:%lld ",
					(long long)(tally.window[i].period_ms / 1000),
					(long long)tally.window[i].used);
	assert_string_equal(have, want);
}

static void test_new_period_begins_from_a_longer(void **state)
{
	(void)state;
	try_amount("100/1d", 1, 0);
	try_amount("100/1d", 2, 2 * HOUR);
	try_amount("100/1d", 4, 3 * HOUR);
	assert_int_equal(try_amount("6/2h", 1, 3 * HOUR + 1), 0);
	assert_int_equal(result.use[0].used, 7); /* what lies in the last two hours */
	assert_int_equal(try_amount("7/2h", 1, 3 * HOUR + 1), -1);
	check_windows("7200:7 86400:8 ");
	assert_int_equal(try_amount("100/2d", 1, 3 * HOUR + 2), -1); /* the longest there is */
	assert_int_equal(result.use[0].used, 9);
	check_windows("7200:8 86400:9 172800:9 ");
}

static void test_next_longer_is_taken(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++)
		try_amount("1000/1h, 10000/1d", 1, i * 10 * SECOND);
	assert_int_equal(try_amount("1000/1m", 1, 2990 * SECOND), -1);
	assert_int_equal(result.use[0].used, 8); /* from the hour, which is finer than the day */
}

static void test_room_for_windows(void **state)
{
	(void)state;
	try_amount("9/1m, 9/2m, 9/3m, 9/4m", 1, 0);
	check_windows("60:1 120:1 180:1 240:1 ");
	try_amount("9/1h", 1, 0); /* the shortest goes first */
	check_windows("120:2 180:2 240:2 3600:2 ");
	try_amount("9/2m, 9/30s", 1, 0); /* but never one that is wanted */
	check_windows("30:3 120:3 240:3 3600:3 ");
	try_amount("9/5s, 9/6s, 9/7s, 9/8s", 1, 0);
	check_windows("5:4 6:4 7:4 8:4 ");
}

/* Two policies count under one name. */
static void test_alternating_rates(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(try_amount("100/1m", 1, i * HOUR), -1);
		assert_int_equal(try_amount("20/1d", 1, i * HOUR + 1), -1);
	}
	assert_int_equal(try_amount("20/1d", 1, 10 * HOUR), 0);
}

static void test_raises(void **state)
{
	struct tally_count count = { .rates = rates_of("1/1h, 5/1d"), .amount = 1 };
	struct tally_count raise = { .rates = count.rates, .raise = rates_of("3/1h") };

	(void)state;
	assert_int_equal(try(&count, 0), -1);
	assert_int_equal(try(&count, 0), 0);
	raise.raise_until_ms = START + HOUR;
	assert_int_equal(try(&raise, 0), -1);
	assert_int_equal(result.use[0].most, 3);
	assert_int_equal(result.use[1].most, -1);
	assert_int_equal(try(&count, 1), -1);
	assert_int_equal(try(&count, 2), -1);
	assert_int_equal(try(&count, 3), 0);
	assert_int_equal(try(&count, HOUR), 0); /* over; and what is left of it still counts */
	assert_int_equal(result.use[0].most, -1);
	raise.raise = rates_of("none"); /* no limit, for a time */
	raise.raise_until_ms = START + 2 * HOUR;
	assert_int_equal(try(&raise, HOUR), -1);
	for (int i = 0; i < 50; i++)
		assert_int_equal(try(&count, HOUR), -1);
	raise.raise_until_ms = 1; /* no longer */
	assert_int_equal(try(&raise, HOUR), -1);
	assert_int_equal(try(&count, HOUR), 1);
}

static void test_raise_ends(void **state)
{
	struct tally_count raise = { .rates = rates_of("1/1h"), .raise = rates_of("3/1h") };
	TEXT(text, TALLY_TEXT_MAX);

	(void)state;
	raise.raise_until_ms = INT64_MAX;
	assert_true(tally_count(&tally, &raise, START, &result));
	assert_int_equal(tally.raised_until_ms, START + RATE_PERIOD_MS_MAX);
	raise.raise_until_ms = 1;
	assert_true(tally_count(&tally, &raise, START, &result));
	text_add_tally(&text, &tally);
	check_span(text_span(&text), SPAN("raised 0 none"), "nothing is left");
	assert_int_equal(tally_expires_ms(&tally, START), START);
	assert_false(tally_count(&tally, &raise, START, &result));
}

/* --- notices --- */

static void test_notice_once_a_window(void **state)
{
	(void)state;
	assert_int_equal(try_amount("1/1h", 1, 0), -1);
	assert_false(result.is_first);
	assert_int_equal(try_amount("1/1h", 1, SECOND), 0);
	assert_true(result.is_first);
	assert_int_equal(try_amount("1/1h", 1, 2 * SECOND), 0);
	assert_false(result.is_first);
	assert_int_equal(tally.refused, 2);
	assert_int_equal(try_amount("1/1h", 2, HOUR), 0);
	assert_false(result.is_first);
	assert_int_equal(try_amount("1/1h", 2, HOUR + SECOND), 0); /* the notice's hour is over */
	assert_true(result.is_first);
	assert_int_equal(tally.refused, 1);
}

/* --- clocks --- */

static void test_future_is_now(void **state)
{
	const int64_t day = 24 * HOUR;

	(void)state;
	assert_int_equal(try_amount("2/1h", 1, day), -1);
	assert_int_equal(try_amount("2/1h", 1, 0), -1); /* the clock went back */
	assert_int_equal(try_amount("2/1h", 1, 0), 0);
	assert_int_equal(result.use[0].wait_ms, HOUR + 1);
	assert_int_equal(try_amount("2/1h", 1, HOUR + 1), -1);
	assert_int_equal(try_amount("2/1h", 1, 2 * day), -1); /* and forth again */
}

static void test_no_number_overflows(void **state)
{
	static const int64_t numbers[] = { INT64_MIN, -1, 0, 1, START, UTC_MS_MAX, INT64_MAX };
	enum { EDGES = COUNT(numbers) };

	(void)state;
	for (size_t i = 0; i < EDGES * EDGES * EDGES; i++) {
		struct tally_count count = { .rates = rates_of("1000000000000000/400d, 1/1s"),
					     .amount = numbers[i % EDGES],
					     .once = i % 3,
					     .is_total = i % 2 == 0,
					     .is_distinct = i % 7 < 2,
					     .counts_refused = i % 5 != 0,
					     .raise = rates_of("1000000000000000/1s"),
					     .raise_until_ms = numbers[i / EDGES % EDGES] };
		int64_t now_ms = numbers[i / EDGES / EDGES];

		tally_count(&tally, &count, now_ms, &result);
		assert_true(tally_expires_ms(&tally, now_ms) > 0);
		for (int w = 0; w < tally.window_count; w++)
			assert_in_range(tally.window[w].used, 0, RATE_MOST_MAX);
		for (int u = 0; u < result.count; u++)
			assert_in_range(result.use[u].used, 0, 2 * RATE_MOST_MAX);
	}
}

/* --- what holds for every sequence --- */

static uint64_t lot;

static int64_t random_below(int64_t bound)
{
	lot = lot * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (int64_t)((lot >> 33) % (uint64_t)bound);
}

enum { STEPS = 3000 };

/* What was let through, and when. */
struct history {
	int64_t at_ms[STEPS], amount[STEPS];
	int count;
};

static int64_t used_within(const struct history *history, int64_t from_ms)
{
	int64_t used = 0;

	for (int i = history->count; i > 0 && history->at_ms[i - 1] >= from_ms; i--)
		used += history->amount[i - 1];
	return used;
}

static void through_text(void)
{
	TEXT(text, TALLY_TEXT_MAX);
	TEXT(again, TALLY_TEXT_MAX);

	text_add_tally(&text, &tally);
	assert_false(text.overrun);
	memset(&tally, 0xa5, sizeof(tally));
	assert_int_equal(tally_parse(text_span(&text), &tally), OK);
	text_add_tally(&again, &tally);
	check_span(text_span(&again), text_span(&text), "text");
}

static void run_sequence(uint64_t seed)
{
	static struct history history;
	struct tally_count count = { .rates = { .count = 1 } };
	struct rate *rate = count.rates.rate;
	int64_t now_ms = 0, pace_ms;

	lot = seed;
	set_up(NULL);
	history.count = 0;
	rate->period_ms = 1000 + random_below(100000);
	rate->most = 1 + random_below(seed % 2 == 0 ? EXACT : 1000);
	pace_ms = 1 + 3 * rate->period_ms / rate->most;
	for (int i = 0; i < STEPS; i++) {
		bool is_over, would_fit;

		now_ms += random_below(4) == 0 ? random_below(pace_ms) : random_below(3);
		if (random_below(200) == 0)
			now_ms += random_below(2 * rate->period_ms);
		count.amount = 1 + (random_below(8) == 0 ? random_below(5) : 0);
		is_over = try(&count, now_ms) >= 0;
		would_fit = used_within(&history, now_ms - rate->period_ms) + count.amount <=
			    rate->most;
		if (!is_over) { /* never more than most in any stretch of the period */
			assert_true(would_fit);
			history.at_ms[history.count] = now_ms;
			history.amount[history.count++] = count.amount;
		} else if (rate->most <= EXACT) { /* few entries: exact */
			assert_false(would_fit);
		} else { /* many: strict by less than 1 % of the period */
			assert_true(used_within(&history, now_ms - rate->period_ms -
								  rate->period_ms / 100 - 1) +
					    count.amount >
				    rate->most);
		}
		if (random_below(10) == 0)
			through_text();
	}
}

static void test_never_more_than_most(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++)
		run_sequence(seed);
}

/* Where it says how long to wait it is over until then, and not from then on. */
static void test_waits_hold(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct tally_count count = { .rates = rates_of("20/10s, 300/5m"), .amount = 1 };
		static struct tally kept;
		int64_t now_ms = 0, wait_ms;
		int over;

		lot = seed;
		set_up(NULL);
		for (int i = 0; i < 600; i++)
			try(&count, now_ms += random_below(700));
		count.amount = 1 + random_below(20);
		over = try(&count, now_ms);
		if (over < 0)
			continue;
		wait_ms = result.use[over].wait_ms;
		assert_true(wait_ms > 0);
		kept = tally;
		assert_true(try(&count, now_ms + wait_ms - 1) >= 0);
		tally = kept;
		assert_int_equal(try(&count, now_ms + wait_ms), -1);
	}
}

/* So many entries are kept as they came; one beyond joins, if it comes within a grain. */
static void test_exact_so_long(void **state)
{
	static const char rates[] = "1000/128s"; /* a grain is 1 s */
	struct tally_window *window = &tally.window[0];

	(void)state;
	for (int i = 0; i < EXACT; i++)
		try_amount(rates, 1, i);
	assert_int_equal(window->count, EXACT);
	try_amount(rates, 1, EXACT - 2 + SECOND - 1);
	assert_int_equal(window->count, EXACT);
	assert_int_equal(window->entry[EXACT - 1].amount, 2);
	assert_int_equal(window->entry[EXACT - 1].at_ms, START + EXACT - 2 + SECOND - 1);
	try_amount(rates, 1, EXACT - 2 + SECOND);
	assert_int_equal(window->count, EXACT + 1);
}

/* At once first, then as thinly as entries stay apart: the window fills, and makes room. */
static void test_full_window_makes_room(void **state)
{
	static const char rates[] = "1000/128s";
	struct tally_window *window = &tally.window[0];
	int64_t now_ms = 0;

	(void)state;
	for (int i = 0; i < EXACT; i++)
		try_amount(rates, 1, 0);
	while (window->count < TALLY_ENTRIES_MAX)
		try_amount(rates, 1, now_ms += SECOND / 2);
	assert_int_equal(window->used, TALLY_ENTRIES_MAX + 1); /* the first of these joined */
	through_text();
	assert_int_equal(try_amount(rates, 1, now_ms += SECOND / 2), -1);
	assert_int_equal(window->used, TALLY_ENTRIES_MAX + 2);
	assert_true(window->count < TALLY_ENTRIES_MAX);
	assert_int_equal(window->entry[0].amount, 1); /* what came at once is two entries now */
	assert_int_equal(window->entry[1].amount, EXACT);
	assert_int_equal(window->entry[1].at_ms, START + SECOND / 2);
}

/* Windows stay bounded however entries come: spread first, then at once, then steadily. */
static void test_windows_are_bounded(void **state)
{
	struct tally_count count = { .rates = rates_of("1000000/1m"), .amount = 1 };
	int64_t now_ms = 0, counted = 0;

	(void)state;
	for (int i = 0; i < 100; i++, counted++)
		try(&count, now_ms += 300);
	for (int i = 0; i < 200; i++, counted++)
		try(&count, now_ms);
	for (int i = 0; i < 29 * SECOND / 235; i++, counted++)
		try(&count, now_ms += 235);
	assert_int_equal(tally.window[0].used, counted);
	assert_true(tally.window[0].count <= TALLY_ENTRIES_MAX);
	through_text();
	for (int i = 0; i < 100000; i++) {
		try(&count, now_ms += random_below(600));
		assert_true(tally.window[0].count <= TALLY_ENTRIES_MAX);
	}
}

/* --- text --- */

static void test_text_is_as_written(void **state)
{
	struct tally_count count = { .rates = rates_of("2/1h, 9/1d"),
				     .amount = 2,
				     .once = 0xfeed,
				     .is_total = true,
				     .counts_refused = true };
	TEXT(text, TALLY_TEXT_MAX);

	(void)state;
	try(&count, 0);
	count.once = 0xbeef;
	count.raise = rates_of("3/1h");
	count.raise_until_ms = START + 5;
	try(&count, 1);
	text_add_tally(&text, &tally);
	check_span(text_span(&text),
		   SPAN("window 3600000 4 1800000000000+2,1800000000001+2; "
			"window 86400000 4 1800000000000+2,1800000000001+2; "
			"seen 000000000000feed+2+1800000000000,000000000000beef-2+1800000000001; "
			"raised 1800000000005 3/1h; over 1800003600001 1"),
		   "text");
	through_text();
}

static void test_parses_only_ours(void **state)
{
	static const struct {
		const char *text;
		enum err want;
	} cases[] = {
		{ "", OK },
		{ "window 1000 3 5+1,5+2", OK },
		{ "window 1000 3 5+1,5+2; over 7 1", OK },
		{ "over 7 1; window 1000 1 5+1", OK },
		{ "window 2000 1 5+1; window 1000 1 5+1", OK },
		{ "raised 0 none", OK },
		{ "raised 5 1/1h, 2/1d; over 3 4", OK },
		{ "seen 0123456789abcdef-0+253402300799999", OK },
		{ "garbage", ERR_SYNTAX },
		{ "window", ERR_SYNTAX },
		{ "window 1000", ERR_SYNTAX },
		{ "window 1000 0 ", ERR_SYNTAX },
		{ "window 1000 4 5+1,5+2", ERR_SYNTAX }, /* no sum */
		{ "window 1000 3 6+1,5+2", ERR_SYNTAX }, /* not in order */
		{ "window 1000 3 5+1,5+2,", ERR_SYNTAX },
		{ "window 1000 3 5+1 5+2", ERR_SYNTAX },
		{ "window 1000 1 5+1;", ERR_SYNTAX },
		{ "window 1000 1 5+1; ", ERR_SYNTAX },
		{ "window 1000 1 5+1;over 7 1", ERR_SYNTAX },
		{ "window 1000 1 5+1; window 1000 1 5+1", ERR_LIMIT },
		{ "window 999 1 5+1", ERR_LIMIT },
		{ "window 34560000000 1 5+1", OK },
		{ "window 34560000001 1 5+1", ERR_LIMIT },
		{ "window 1000 0 5+0", ERR_LIMIT },
		{ "window 1000 -1 5+-1", ERR_SYNTAX },
		{ "window 1000 1000000000000000 5+1000000000000000", OK },
		{ "window 1000 1000000000000001 5+1000000000000001", ERR_LIMIT },
		{ "window 1000 1000000000000000 5+999999999999999,5+2", ERR_LIMIT },
		{ "window 1000 1 253402300799999+1", OK },
		{ "window 1000 1 253402300800000+1", ERR_LIMIT },
		{ "window 1000 99999999999999999999 5+1", ERR_LIMIT },
		{ "seen 0123456789abcde+1+1", ERR_SYNTAX },
		{ "seen 0123456789ABCDEF+1+1", ERR_SYNTAX },
		{ "seen 0000000000000000+1+1", ERR_SYNTAX },
		{ "seen 0123456789abcdef+1-1", ERR_SYNTAX },
		{ "seen 0123456789abcdef+1+1,", ERR_SYNTAX },
		{ "seen 0123456789abcdef+1+1; seen 0123456789abcdee+1+1", ERR_SYNTAX },
		{ "seen 0123456789abcdef+1+2,0123456789abcdee+1+1", ERR_SYNTAX },
		{ "raised 5", ERR_SYNTAX },
		{ "raised 5 x", ERR_SYNTAX },
		{ "raised 5 1/1h; raised 5 1/1h", ERR_SYNTAX },
		{ "over 5", ERR_SYNTAX },
		{ "over 5 6 7", ERR_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (tally_parse(span_cstr(cases[i].text), &tally) != cases[i].want)
			fail_msg("%s", cases[i].text);
		if (cases[i].want != OK)
			assert_int_equal(tally.window_count + tally.seen_count, 0);
	}
}

/* A text of so many entries, windows or instances, and one more of each. */
static void test_parse_limits(void **state)
{
	static char bytes[TALLY_TEXT_MAX + 2];
	struct text text = { bytes, 0, sizeof(bytes), false };

	(void)state;
	for (int more = 0; more <= 1; more++) {
		enum err want = more == 0 ? OK : ERR_LIMIT;

		text_clear(&text);
		text_addf(&text, "window 1000 %d 1+1", TALLY_ENTRIES_MAX + more);
		for (int i = 1; i < TALLY_ENTRIES_MAX + more; i++)
			text_add(&text, SPAN(",1+1"));
		assert_int_equal(tally_parse(text_span(&text), &tally), want);
		text_clear(&text);
		text_add(&text, SPAN("seen 0000000000000001+1+1"));
		for (int i = 1; i < TALLY_SEEN_MAX + more; i++)
			text_add(&text, SPAN(",0000000000000001+1+1"));
		assert_int_equal(tally_parse(text_span(&text), &tally), want);
		text_clear(&text);
		text_add(&text, SPAN("window 1000 1 1+1"));
		for (int i = 1; i < RATES_MAX + more; i++)
			text_addf(&text, "; window %d 1 1+1", 1000 + i);
		assert_int_equal(tally_parse(text_span(&text), &tally), want);
	}
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(tally_parse(span_of(bytes, TALLY_TEXT_MAX + 1), &tally), ERR_LIMIT);
}

static void test_largest_text_fits(void **state)
{
	TEXT(text, TALLY_TEXT_MAX);

	(void)state;
	tally.window_count = RATES_MAX;
	for (int w = 0; w < RATES_MAX; w++) {
		struct tally_window *window = &tally.window[w];

		window->period_ms = RATE_PERIOD_MS_MAX - RATES_MAX + w;
		window->used = RATE_MOST_MAX;
		window->count = TALLY_ENTRIES_MAX;
		for (int i = 0; i < TALLY_ENTRIES_MAX; i++)
			window->entry[i] = (struct tally_entry){ UTC_MS_MAX, RATE_MOST_MAX };
	}
	tally.seen_count = TALLY_SEEN_MAX;
	for (int i = 0; i < TALLY_SEEN_MAX; i++)
		tally.seen[i] = (struct tally_seen){ UINT64_MAX, RATE_MOST_MAX, UTC_MS_MAX, true };
	tally.raised = rates_of("1000000000000000/399d, 1000000000000000/398d, "
				"1000000000000000/397d, 1000000000000000/396d");
	tally.raised_until_ms = tally.noticed_until_ms = UTC_MS_MAX;
	tally.refused = RATE_MOST_MAX;
	text_add_tally(&text, &tally);
	assert_false(text.overrun);
}

static void test_expires(void **state)
{
	int64_t expires_ms;

	(void)state;
	try_amount("5/1h, 9/1d", 1, 0);
	expires_ms = tally_expires_ms(&tally, START);
	assert_int_equal(expires_ms, START + 24 * HOUR + 1);
	tally_count(&tally, &(struct tally_count){ .amount = 0 }, expires_ms - 1, &result);
	assert_int_equal(tally.window_count, 1);
	tally_count(&tally, &(struct tally_count){ .amount = 0 }, expires_ms, &result);
	assert_int_equal(tally.window_count + tally.seen_count, 0);
}

/* --- items of a fact --- */

static void test_items(void **state)
{
	static const struct {
		const char *item;
		enum err want;
	} cases[] = {
		{ "101", OK },
		{ "101/1h", OK },
		{ "101/1h wait=351.204", OK },
		{ "101/1h wait=351.204 most=500 first", OK },
		{ "5/1h free", OK },
		{ "0/90s most=0", OK },
		{ "2000000000000000/400d wait=34560000.001 most=1000000000000000 first free", OK },
		{ "2000000000000001/1d", ERR_LIMIT },
		{ "1/401d", ERR_LIMIT },
		{ "1/1h wait=34560000.002", ERR_LIMIT },
		{ "", ERR_SYNTAX },
		{ "-1/1h", ERR_SYNTAX },
		{ "1/", ERR_SYNTAX },
		{ "1/1h maybe", ERR_SYNTAX },
		{ "1/1h  first", ERR_SYNTAX },
		{ "1/1h wait=", ERR_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tally_result read = { .count = 0 };
		TEXT(text, TALLY_ITEM_MAX);

		if (tally_item_parse(span_cstr(cases[i].item), &read) != cases[i].want)
			fail_msg("%s", cases[i].item);
		assert_int_equal(read.count, cases[i].want == OK ? 1 : 0);
		if (cases[i].want != OK)
			continue;
		text_add_tally_use(&text, &read, 0);
		check_span(text_span(&text), span_cstr(cases[i].item), "item");
	}
}

static void test_items_together(void **state)
{
	struct tally_result read = { .count = 0 };
	struct rates rates = rates_of("3/1h, 5/1d");

	(void)state;
	assert_int_equal(tally_item_parse(SPAN("9/1d wait=7"), &read), OK);
	assert_int_equal(tally_item_parse(SPAN("9/1h wait=8 first"), &read), OK);
	assert_int_equal(tally_item_parse(SPAN("9/24h"), &read), ERR_SYNTAX);
	assert_int_equal(tally_item_parse(SPAN("9"), &read), ERR_SYNTAX);
	assert_int_equal(tally_over(&read, &rates), 1);
	assert_true(read.is_first);
	assert_int_equal(tally_item_parse(SPAN("1/1m"), &read), OK);
	assert_int_equal(tally_item_parse(SPAN("1/2m"), &read), OK);
	assert_int_equal(tally_item_parse(SPAN("1/3m"), &read), ERR_LIMIT);
	rates = rates_of("9/1h, 9/1d");
	assert_int_equal(tally_over(&read, &rates), -1);
	read = (struct tally_result){ .count = 0 };
	assert_int_equal(tally_item_parse(SPAN("4"), &read), OK); /* of every period */
	rates = rates_of("5/1h, 3/1d");
	assert_int_equal(tally_over(&read, &rates), 0);
	rates = rates_of("5/1h, 4/1d");
	assert_int_equal(tally_over(&read, &rates), -1);
}

static void test_most(void **state)
{
	struct rates rates = rates_of("5/1h, 3/1d");
	struct tally_use use = { .period_ms = HOUR, .most = -1 };

	(void)state;
	assert_int_equal(tally_most(&use, &rates), 5);
	use.period_ms = 0; /* of every period: the smallest */
	assert_int_equal(tally_most(&use, &rates), 3);
	use.most = 7; /* an administrator's */
	use.period_ms = HOUR;
	assert_int_equal(tally_most(&use, &rates), 7);
	use.period_ms = 2 * HOUR; /* no rate any more */
	assert_int_equal(tally_most(&use, &rates), -1);
}

static void test_items_of_a_count(void **state)
{
	static const char rates[] = "2/1m, 3/1h";
	struct tally_result read = { .count = 0 };

	(void)state;
	try_amount(rates, 2, 0);
	assert_int_equal(try_amount(rates, 2, SECOND), 1);
	for (unsigned i = 0; i < result.count; i++) {
		TEXT(text, TALLY_ITEM_MAX);

		text_add_tally_use(&text, &result, i);
		check_span(text_span(&text),
			   i == 0 ? SPAN("4/1m wait=59.001") : SPAN("4/1h wait=3599.001 first"),
			   "item");
		assert_int_equal(tally_item_parse(text_span(&text), &read), OK);
	}
	assert_memory_equal(read.use, result.use, 2 * sizeof(*read.use));
	assert_true(read.is_first);
}

static void test_once_is_never_nothing(void **state)
{
	(void)state;
	assert_int_not_equal(tally_once(SPAN("")), 0);
	assert_int_equal(tally_once(SPAN("x")), tally_once(SPAN("x")));
	assert_int_not_equal(tally_once(SPAN("x")), tally_once(SPAN("y")));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_to_the_limit_and_beyond),
		TEST(test_waits_exactly),
		TEST(test_counts_while_inclusive),
		TEST(test_never_fits),
		TEST(test_all_windows_or_none),
		TEST(test_nothing_is_never_over),
		TEST(test_no_rates_is_no_limit),
		TEST(test_counts_an_instance_once),
		TEST(test_totals_add_the_difference),
		TEST(test_sums_go_into_totals),
		TEST(test_oldest_seen_is_forgotten),
		TEST(test_refused_counts_by_choice),
		TEST(test_refused_recipient_is_not_the_message),
		TEST(test_refused_instance_is_judged_again),
		TEST(test_values_count_in_each_period),
		TEST(test_values_last_from_their_last_use),
		TEST(test_refused_values),
		TEST(test_new_period_begins_from_a_longer),
		TEST(test_next_longer_is_taken),
		TEST(test_room_for_windows),
		TEST(test_alternating_rates),
		TEST(test_raises),
		TEST(test_raise_ends),
		TEST(test_notice_once_a_window),
		TEST(test_future_is_now),
		TEST(test_no_number_overflows),
		TEST(test_never_more_than_most),
		TEST(test_waits_hold),
		TEST(test_exact_so_long),
		TEST(test_full_window_makes_room),
		TEST(test_windows_are_bounded),
		TEST(test_text_is_as_written),
		TEST(test_parses_only_ours),
		TEST(test_parse_limits),
		TEST(test_largest_text_fits),
		TEST(test_expires),
		TEST(test_items),
		TEST(test_items_together),
		TEST(test_most),
		TEST(test_items_of_a_count),
		TEST(test_once_is_never_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
