/* records_test.c -- what all drivers do to a record's text. */
#include "../unit.h"

#include "store/store_priv.h"
#include "weigh/tally.h"
#include "weigh/triplet.h"

#include <stdlib.h>

enum { SECOND = 1000, HOUR = 3600 * SECOND };

#define START INT64_C(1800000000000)

static const struct triplet_terms terms = { 300 * SECOND, 2 * HOUR, INT64_C(6400) * SECOND };

static void test_counts(void **state)
{
	struct tally_count count = { .amount = 1 };
	struct tally_result result;
	int64_t expires_ms;
	TEXT(before, TALLY_TEXT_MAX);
	TEXT(after, TALLY_TEXT_MAX);

	(void)state;
	assert_int_equal(rates_parse(SPAN("2/1h"), &count.rates), OK);
	expires_ms = store_count_text(SPAN(""), &count, START, &after, &result);
	check_span(text_span(&after), SPAN("window 3600000 1 1800000000000+1"), "first");
	assert_int_equal(expires_ms, START + HOUR + 1);
	text_add(&before, text_span(&after));
	(void)store_count_text(text_span(&before), &count, START + 5, &after, &result);
	check_span(text_span(&after), SPAN("window 3600000 2 1800000000000+1,1800000000005+1"),
		   "second");
	assert_int_equal(result.use[0].used, 2);
	count.amount = 0; /* a look changes nothing */
	(void)store_count_text(text_span(&before), &count, START + 5, &after, &result);
	check_span(text_span(&after), SPAN(""), "look");
	assert_int_equal(result.use[0].used, 1);
	count.amount = 1; /* what is none of ours is nothing */
	(void)store_count_text(SPAN("window 3600000 7 1+1"), &count, START, &after, &result);
	check_span(text_span(&after), SPAN("window 3600000 1 1800000000000+1"), "damaged");
}

static void test_touches(void **state)
{
	static const struct {
		const char *name;
		struct span before;
		int64_t now_ms;
		struct span item, after;
		int64_t expires_ms;
	} cases[] = {
		{ "new", SPAN_INIT(""), 1000000, SPAN_INIT(""),
		  SPAN_INIT("first=1000000 last=1000000 passed=0 passes=0"), 8200001 },
		{ "early", SPAN_INIT("first=1000000 last=1000000 passed=0 passes=0"), 1024999,
		  SPAN_INIT("first=24.999 last=24.999 passes=0"),
		  SPAN_INIT("first=1000000 last=1024999 passed=0 passes=0"), 8200001 },
		{ "passed", SPAN_INIT("first=1000000 last=1290000 passed=0 passes=0"), 1300000,
		  SPAN_INIT("first=300 last=10 passes=0"),
		  SPAN_INIT("first=1000000 last=1300000 passed=1300000 passes=1"), 7700001 },
		{ "known, a moment later: each use is exact",
		  SPAN_INIT("first=1000000 last=1300000 passed=1300000 passes=1"), 1300001,
		  SPAN_INIT("first=300.001 last=0.001 passed=0.001 passes=1"),
		  SPAN_INIT("first=1000000 last=1300001 passed=1300000 passes=2"), 7700002 },
		{ "expired", SPAN_INIT("first=1000000 last=1300000 passed=0 passes=0"), 8200001,
		  SPAN_INIT("first=7200.001 last=6900.001 passes=0"),
		  SPAN_INIT("first=8200001 last=8200001 passed=0 passes=0"), 15400002 },
		{ "damaged", SPAN_INIT("first=1"), 1000000, SPAN_INIT(""),
		  SPAN_INIT("first=1000000 last=1000000 passed=0 passes=0"), 8200001 },
		{ "from the future", SPAN_INIT("first=2000000 last=2000000 passed=0 passes=0"),
		  1000000, SPAN_INIT("first=0 last=0 passes=0"),
		  SPAN_INIT("first=1000000 last=1000000 passed=0 passes=0"), 8200001 },
		{ "white", SPAN_INIT("first=1000000 last=1000000 passed=0 passes=0 white"), 1000001,
		  SPAN_INIT("first=0.001 last=0.001 passes=0 white"),
		  SPAN_INIT("first=1000000 last=1000001 passed=0 passes=1 white"), 7400002 },
		{ "white for a time",
		  SPAN_INIT("first=1000000 last=1000000 passed=0 passes=0 white until=9000000"),
		  1000001, SPAN_INIT("first=0.001 last=0.001 passes=0 white left=7999.999"),
		  SPAN_INIT("first=1000000 last=1000001 passed=0 passes=1 white until=9000000"),
		  9000000 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t expires_ms;
		TEXT(item, TRIPLET_TEXT_MAX);
		TEXT(after, TRIPLET_TEXT_MAX);

		expires_ms =
			store_touch_text(cases[i].before, &terms, cases[i].now_ms, &item, &after);
		check_span(text_span(&item), cases[i].item, cases[i].name);
		check_span(text_span(&after), cases[i].after, cases[i].name);
		if (expires_ms != cases[i].expires_ms)
			fail_msg("%s: expires at %lld", cases[i].name, (long long)expires_ms);
	}
}

/* An entry may expire before its terms say so: then it is as good as gone. */
static void test_live_triplets(void **state)
{
	static const struct span waiting =
		SPAN_INIT("first=1000000 last=1000000 passed=0 passes=0");

	(void)state;
	check_span(store_live_triplet(waiting, 0, &terms, 2000000), waiting, "never expires");
	check_span(store_live_triplet(waiting, 2000001, &terms, 2000000), waiting, "not yet");
	check_span(store_live_triplet(waiting, 2000000, &terms, 2000000), SPAN(""), "by its date");
	check_span(store_live_triplet(waiting, 8200001, &terms, 8200001), waiting, "by its terms");
	check_span(store_live_triplet(SPAN("x"), 5, &terms, 5), SPAN(""), "damaged");
}

/* --- answers --- */

static int answered_count;

static void answered(struct store_wait *wait)
{
	assert_null(wait->held);
	answered_count++;
}

static void test_answers(void **state)
{
	struct fact fact = { .kind = FACT_TALLY };
	struct store_wait wait = { .fact = &fact, .answered = answered, .held = &fact };
	struct tally_result result = { .count = 0 };

	(void)state;
	answered_count = 0;
	store_answer_tally(&wait, &result);
	assert_int_equal(fact.state, FACT_NONE);
	result.count = RATES_MAX;
	for (int i = 0; i < RATES_MAX; i++) /* the longest items there can be */
		result.use[i] = (struct tally_use){ 2 * RATE_MOST_MAX, RATE_PERIOD_MS_MAX - i - 1,
						    RATE_MOST_MAX, RATE_PERIOD_MS_MAX - i };
	for (int i = 0; i < RATES_MAX; i++) {
		result.use[i].period_ms = RATE_PERIOD_MS_MAX - i - 1;
		result.use[i].used = 2 * RATE_MOST_MAX - i;
	}
	result.is_first = result.is_free = true;
	store_answer_tally(&wait, &result);
	assert_int_equal(fact.state, FACT_KNOWN);
	assert_int_equal(fact.item_count, RATES_MAX);
	for (int i = 1; i < RATES_MAX; i++) /* sorted */
		assert_true(span_compare(fact.item[i - 1], fact.item[i]) < 0);
	free(fact.held);
	store_answer_item(&wait, SPAN(""));
	assert_int_equal(fact.item_count, 1);
	check_span(fact.item[0], SPAN(""), "empty");
	free(fact.held);
	store_fail(&wait, CAUSE_DOWN);
	assert_int_equal(fact.state, FACT_FAILED);
	assert_int_equal(fact.cause, CAUSE_DOWN);
	assert_int_equal(answered_count, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_touches),
		cmocka_unit_test(test_live_triplets),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
