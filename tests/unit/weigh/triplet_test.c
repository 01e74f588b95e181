/* triplet_test.c -- what an attempt does to what greylisting remembers. */
#include "../unit.h"

#include "base/utc.h"
#include "weigh/triplet.h"

enum { NOW = 1000000000 };

/* delay 300 s, window 2 h, kept 35 d */
static const struct triplet_terms terms = { 300000, 7200000, INT64_C(3024000000) };

static void test_judges(void **state)
{
	static const struct {
		const char *name;
		struct span before; /* an item: seconds before now; empty: nothing */
		enum triplet_outcome want;
		int64_t wait_s;
		struct span after;
	} cases[] = {
		{ "never seen", SPAN_INIT(""), TRIPLET_NEW, 300,
		  SPAN_INIT("first=0 last=0 passes=0") },
		{ "at once", SPAN_INIT("first=0 last=0 passes=0"), TRIPLET_EARLY, 300,
		  SPAN_INIT("first=0 last=0 passes=0") },
		{ "a second before the delay", SPAN_INIT("first=299 last=20 passes=0"),
		  TRIPLET_EARLY, 1, SPAN_INIT("first=299 last=0 passes=0") },
		{ "a millisecond before", SPAN_INIT("first=299.999 last=299.999 passes=0"),
		  TRIPLET_EARLY, 1, SPAN_INIT("first=299.999 last=0 passes=0") },
		{ "at the delay", SPAN_INIT("first=300 last=1 passes=0"), TRIPLET_PASSED, 0,
		  SPAN_INIT("first=300 last=0 passed=0 passes=1") },
		{ "at the window", SPAN_INIT("first=7200 last=1 passes=0"), TRIPLET_PASSED, 0,
		  SPAN_INIT("first=7200 last=0 passed=0 passes=1") },
		{ "behind the window", SPAN_INIT("first=7200.001 last=1 passes=0"), TRIPLET_EXPIRED,
		  300, SPAN_INIT("first=0 last=0 passes=0") },
		{ "the window is for the first return only",
		  SPAN_INIT("first=9000 last=8000 passed=8500 passes=3"), TRIPLET_KNOWN, 0,
		  SPAN_INIT("first=9000 last=0 passed=8500 passes=4") },
		{ "as long as it is kept",
		  SPAN_INIT("first=3030000 last=3024000 passed=3025000 passes=1"), TRIPLET_KNOWN, 0,
		  SPAN_INIT("first=3030000 last=0 passed=3025000 passes=2") },
		{ "longer", SPAN_INIT("first=3030000 last=3024000.001 passed=3025000 passes=1"),
		  TRIPLET_EXPIRED, 300, SPAN_INIT("first=0 last=0 passes=0") },
		{ "white", SPAN_INIT("first=9 last=9 passes=0 white"), TRIPLET_ALLOWED, 0,
		  SPAN_INIT("first=9 last=0 passes=1 white") },
		{ "black", SPAN_INIT("first=9000 last=9 passed=8000 passes=7 black"),
		  TRIPLET_DENIED, 0, SPAN_INIT("first=9000 last=0 passed=8000 passes=7 black") },
		{ "white, beyond the window", SPAN_INIT("first=90000 last=9 passes=0 white"),
		  TRIPLET_ALLOWED, 0, SPAN_INIT("first=0 last=0 passes=1 white") },
		{ "white, not kept", SPAN_INIT("first=3024000.001 last=3024000.001 passes=0 white"),
		  TRIPLET_EXPIRED, 300, SPAN_INIT("first=0 last=0 passes=0") },
		{ "white for a time, never seen",
		  SPAN_INIT("first=1800000000 last=9 passes=0 white left=5"), TRIPLET_ALLOWED, 0,
		  SPAN_INIT("first=0 last=0 passes=1 white left=5") },
		{ "white for a time, early", SPAN_INIT("first=299 last=9 passes=1 white left=5"),
		  TRIPLET_ALLOWED, 0, SPAN_INIT("first=299 last=0 passes=2 white left=5") },
		{ "white for a time, has waited",
		  SPAN_INIT("first=300 last=9 passes=1 white left=0.001"), TRIPLET_ALLOWED, 0,
		  SPAN_INIT("first=300 last=0 passed=0 passes=2 white left=0.001") },
		{ "white for longer than it is kept",
		  SPAN_INIT("first=9000000 last=9000000 passed=9000000 passes=1 white left=5"),
		  TRIPLET_ALLOWED, 0, SPAN_INIT("first=0 last=0 passes=2 white left=5") },
		{ "white no more, never seen",
		  SPAN_INIT("first=1800000000 last=9 passes=0 white left=0"), TRIPLET_NEW, 300,
		  SPAN_INIT("first=0 last=0 passes=0") },
		{ "white no more, early", SPAN_INIT("first=200 last=9 passes=3 white left=0"),
		  TRIPLET_EARLY, 100, SPAN_INIT("first=200 last=0 passes=3") },
		{ "white no more, passed by its own right",
		  SPAN_INIT("first=900 last=9 passed=300 passes=3 white left=0"), TRIPLET_KNOWN, 0,
		  SPAN_INIT("first=900 last=0 passed=300 passes=4") },
		{ "black for a time, has waited",
		  SPAN_INIT("first=300 last=9 passes=0 black left=5"), TRIPLET_DENIED, 0,
		  SPAN_INIT("first=300 last=0 passes=0 black left=5") },
		{ "black no more", SPAN_INIT("first=9000 last=9 passed=8000 passes=7 black left=0"),
		  TRIPLET_KNOWN, 0, SPAN_INIT("first=9000 last=0 passed=8000 passes=8") },
		{ "let through by a shorter delay, early",
		  SPAN_INIT("first=299 last=100 passed=100 passes=2"), TRIPLET_EARLY, 1,
		  SPAN_INIT("first=299 last=0 passed=100 passes=2") },
		{ "let through by a shorter delay, and now by this",
		  SPAN_INIT("first=300 last=100 passed=100 passes=2"), TRIPLET_PASSED, 0,
		  SPAN_INIT("first=300 last=0 passed=100 passes=3") },
		{ "let through by a shorter delay, long ago",
		  SPAN_INIT("first=7200.001 last=7000 passed=7000 passes=2"), TRIPLET_KNOWN, 0,
		  SPAN_INIT("first=7200.001 last=0 passed=7000 passes=3") },
		{ "imported, nobody knows how it waited",
		  SPAN_INIT("first=10 last=10 passed=10 passes=1"), TRIPLET_KNOWN, 0,
		  SPAN_INIT("first=10 last=0 passed=10 passes=2") },
		{ "passes have an end", SPAN_INIT("first=900 last=9 passed=300 passes=1000000"),
		  TRIPLET_KNOWN, 0, SPAN_INIT("first=900 last=0 passed=300 passes=1000000") },
	};
	const int64_t now = INT64_C(1800000000000);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		bool is_known = cases[i].before.len > 0;
		struct triplet before, after;
		TEXT(item, TRIPLET_TEXT_MAX);

		if (is_known && triplet_item_parse(cases[i].before, now, &before) != OK)
			fail_msg("%s: no item", cases[i].name);
		if (triplet_judge(is_known ? &before : NULL, &terms, now) != cases[i].want)
			fail_msg("%s: judged otherwise", cases[i].name);
		if (triplet_wait_s(is_known ? &before : NULL, &terms, now) != cases[i].wait_s)
			fail_msg("%s: another wait", cases[i].name);
		after = triplet_after(is_known ? &before : NULL, &terms, now);
		text_add_triplet_item(&item, &after, now);
		check_span(text_span(&item), cases[i].after, cases[i].name);
	}
}

/* What is expired is judged as what is gone, but for the name. */
static void test_expired_is_gone(void **state)
{
	static const struct span texts[] = {
		SPAN_INIT("first=1000 last=9000 passed=0 passes=0"),
		SPAN_INIT("first=1000 last=9000 passed=5000 passes=4"),
		SPAN_INIT("first=1000 last=9000 passed=5000 passes=4 white"),
		SPAN_INIT("first=1000 last=9000 passed=0 passes=0 black"),
		SPAN_INIT("first=1000 last=9000 passed=0 passes=0 black until=9000"),
		SPAN_INIT("first=1000 last=9000 passed=5000 passes=4 white until=5"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct triplet known, a, b;
		int64_t expires_ms;

		assert_int_equal(triplet_parse(texts[i], &known), OK);
		expires_ms = triplet_expires_ms(&known, &terms);
		assert_int_not_equal(triplet_judge(&known, &terms, expires_ms - 1),
				     TRIPLET_EXPIRED);
		assert_int_equal(triplet_judge(&known, &terms, expires_ms), TRIPLET_EXPIRED);
		a = triplet_after(&known, &terms, expires_ms);
		b = triplet_after(NULL, &terms, expires_ms);
		assert_memory_equal(&a, &b, sizeof(a));
		assert_int_equal(triplet_wait_s(&known, &terms, expires_ms), 300);
	}
}

static void test_future_is_now(void **state)
{
	struct triplet known = { .first_ms = NOW + 86400000, .last_ms = NOW + 86400000 };
	struct triplet after;

	(void)state;
	assert_int_equal(triplet_judge(&known, &terms, NOW), TRIPLET_EARLY);
	assert_int_equal(triplet_wait_s(&known, &terms, NOW), 300);
	after = triplet_after(&known, &terms, NOW);
	assert_int_equal(after.first_ms, NOW);
	assert_int_equal(after.last_ms, NOW);
	/* Who has waited then, or has come back, has done so. */
	known.last_ms += 299000;
	assert_int_equal(triplet_wait_s(&known, &terms, NOW), 1);
	known.last_ms += 1000;
	assert_int_equal(triplet_judge(&known, &terms, NOW), TRIPLET_PASSED);
	known.passed_ms = known.last_ms;
	assert_int_equal(triplet_judge(&known, &terms, NOW), TRIPLET_KNOWN);
	after = triplet_after(&known, &terms, NOW);
	assert_int_equal(after.first_ms, NOW - 300000);
	assert_int_equal(after.passed_ms, NOW);
	assert_int_equal(triplet_judge(&after, &terms, NOW + 1), TRIPLET_KNOWN);
}

static void test_no_number_overflows(void **state)
{
	static const int64_t numbers[] = { INT64_MIN, -1, 0, 1, NOW, UTC_MS_MAX, INT64_MAX };
	enum { EDGES = COUNT(numbers) };

	(void)state;
	for (size_t i = 0; i < EDGES * EDGES * EDGES * EDGES; i++) {
		int64_t now = numbers[i / EDGES / EDGES / EDGES];
		struct triplet_terms odd = { numbers[i % EDGES], numbers[i / EDGES % EDGES],
					     numbers[i / EDGES / EDGES % EDGES] };
		struct triplet known = { .first_ms = numbers[i % EDGES],
					 .last_ms = numbers[i / EDGES % EDGES],
					 .passed_ms = numbers[i / EDGES / EDGES % EDGES],
					 .passes = numbers[i % EDGES],
					 .colour = i % 3,
					 .until_ms = numbers[i / EDGES / EDGES % EDGES] };
		struct triplet after = triplet_after(&known, &odd, now);

		assert_true(triplet_judge(&known, &odd, now) < TRIPLET_OUTCOME_COUNT);
		assert_true(triplet_wait_s(&known, &odd, now) >= 0);
		assert_true(triplet_expires_ms(&after, &odd) >= 0);
		assert_in_range(after.passes, 0, TRIPLET_TRIES_MAX);
	}
}

/* Also at the very beginning of time a pass is a pass. */
static void test_passes_at_zero(void **state)
{
	static const struct triplet_terms at_once = { 0, 10, 10 };
	struct triplet known = triplet_after(NULL, &at_once, 0);
	TEXT(item, TRIPLET_TEXT_MAX);

	(void)state;
	known = triplet_after(&known, &at_once, 0);
	assert_int_equal(triplet_judge(&known, &at_once, 0), TRIPLET_KNOWN);
	text_add_triplet_item(&item, &known, 5);
	assert_int_equal(triplet_item_parse(text_span(&item), 0, &known), OK);
	assert_int_equal(triplet_judge(&known, &at_once, 0), TRIPLET_KNOWN);
}

static void test_text(void **state)
{
	static const struct {
		struct span text;
		enum err want;
		struct span written; /* empty: the same */
	} cases[] = {
		{ SPAN_INIT("first=1 last=2 passed=0 passes=0"), OK, SPAN_INIT("") },
		{ SPAN_INIT("first=1 last=2 passed=3 passes=4 white"), OK, SPAN_INIT("") },
		{ SPAN_INIT("first=253402300799999 last=2 passed=3 passes=1000000 black"), OK,
		  SPAN_INIT("") },
		{ SPAN_INIT("first=1 last=2 passes=0"), OK,
		  SPAN_INIT("first=1 last=2 passed=0 passes=0") },
		{ SPAN_INIT("first=253402300800000 last=2 passed=3 passes=4"), ERR_LIMIT,
		  SPAN_INIT("") },
		{ SPAN_INIT("first=1 last=2 passed=3 passes=1000001"), ERR_LIMIT, SPAN_INIT("") },
		{ SPAN_INIT("first=-1 last=2 passed=3 passes=4"), ERR_LIMIT, SPAN_INIT("") },
		{ SPAN_INIT(""), ERR_SYNTAX, SPAN_INIT("") },
		{ SPAN_INIT("first=1"), ERR_SYNTAX, SPAN_INIT("") },
		{ SPAN_INIT("last=2 first=1 passed=0 passes=0"), ERR_SYNTAX, SPAN_INIT("") },
		{ SPAN_INIT("first=1 last=2 passed=0 passes=0 red"), ERR_SYNTAX, SPAN_INIT("") },
		{ SPAN_INIT("first=1 last=2 passed=0 passes=0 white black"), ERR_SYNTAX,
		  SPAN_INIT("") },
		{ SPAN_INIT("first=1 last=2  passed=0 passes=0"), ERR_SYNTAX, SPAN_INIT("") },
		{ SPAN_INIT("first=1 last=2 passed=0 passes=0 white "), OK,
		  SPAN_INIT("first=1 last=2 passed=0 passes=0 white") },
		{ SPAN_INIT("first=0 last=2 passed=0 passes=0 white until=253402300799999"), OK,
		  SPAN_INIT("") },
		{ SPAN_INIT("first=1 last=2 passed=0 passes=0 black until=7"), OK, SPAN_INIT("") },
		{ SPAN_INIT("first=1 last=2 passed=0 passes=0 black until=0"), OK,
		  SPAN_INIT("first=1 last=2 passed=0 passes=0 black") },
		{ SPAN_INIT("first=1 last=2 passed=0 passes=0 black until=253402300800000"),
		  ERR_LIMIT, SPAN_INIT("") },
		{ SPAN_INIT("first=1 last=2 passed=0 passes=0 until=7"), ERR_SYNTAX,
		  SPAN_INIT("") },
		{ SPAN_INIT("first=1 last=2 passed=0 passes=0 white until="), ERR_SYNTAX,
		  SPAN_INIT("") },
		{ SPAN_INIT("first=1 last=2 passed=0 passes=0 white left=7"), ERR_SYNTAX,
		  SPAN_INIT("") },
		{ SPAN_INIT("first=1 last=2 passed=0 passes=0 white until=7 8"), ERR_SYNTAX,
		  SPAN_INIT("") },
		{ SPAN_INIT("first=1 last=2 passed=0 passes=x"), ERR_SYNTAX, SPAN_INIT("") },
		{ SPAN_INIT("first=1.5 last=2 passed=0 passes=0"), ERR_SYNTAX, SPAN_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct triplet triplet;
		TEXT(text, TRIPLET_TEXT_MAX);

		if (triplet_parse(cases[i].text, &triplet) != cases[i].want)
			fail_msg("%.*s", SPAN_ARG(cases[i].text));
		if (cases[i].want != OK)
			continue;
		text_add_triplet(&text, &triplet);
		check_span(text_span(&text),
			   cases[i].written.len > 0 ? cases[i].written : cases[i].text, "text");
	}
}

static void test_names(void **state)
{
	(void)state;
	check_span(triplet_outcome_name(TRIPLET_NEW), SPAN("new"), "new");
	check_span(triplet_outcome_name(TRIPLET_DENIED), SPAN("denied"), "denied");
	assert_true(triplet_waits(TRIPLET_EXPIRED));
	assert_false(triplet_waits(TRIPLET_PASSED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judges),         cmocka_unit_test(test_expired_is_gone),
		cmocka_unit_test(test_future_is_now),  cmocka_unit_test(test_no_number_overflows),
		cmocka_unit_test(test_passes_at_zero), cmocka_unit_test(test_text),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
