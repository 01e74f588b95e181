/* limits_view_test.c -- a tally as an administrator sees it. */
#include "ctl/limits_view.h"

#include "../unit.h"

#define NOW_MS INT64_C(1795178074000)

static const struct limit_name by_sender = {
	.name = SPAN_INIT("by-sender"),
	.rates = { .rate = { { 100, 3600000 }, { 500, 86400000 } }, .count = 2 },
};

/* One entry of 40 half an hour ago, one of 70 two hours ago. */
static const char text[] = "window 3600000 40 1795176274000+40; "
			   "window 86400000 110 1795170874000+70,1795176274000+40";

static void uses_are_of_now(void **state)
{
	struct limit_view view;

	(void)state;
	assert_int_equal(limit_view(span_cstr(text), &by_sender, NOW_MS, &view), OK);
	assert_int_equal(view.count, 2);
	assert_int_equal(view.use[0].used, 40);
	assert_int_equal(view.use[0].most, 100);
	assert_int_equal(view.use[0].wait_ms, 0);
	assert_int_equal(view.use[1].used, 110);
	assert_int_equal(view.use[1].most, 500);
	assert_true(view.share > 0.39 && view.share < 0.41);
	/* An hour later the first window is empty. */
	assert_int_equal(limit_view(span_cstr(text), &by_sender, NOW_MS + 3600000, &view), OK);
	assert_int_equal(view.use[0].used, 0);
	assert_int_equal(view.use[1].used, 110);
}

static void full_and_raised(void **state)
{
	static const struct limit_name small = {
		.name = SPAN_INIT("small"), .rates = { .rate = { { 40, 3600000 } }, .count = 1 }
	};
	struct limit_view view;

	(void)state;
	assert_int_equal(limit_view(span_cstr(text), &small, NOW_MS, &view), OK);
	assert_int_equal(view.use[0].used, 40);
	assert_int_equal(view.use[0].wait_ms, 1800001);
	assert_true(view.share == 1);
	/* A period that the limit does not have any more is shown without a most. */
	assert_int_equal(view.count, 2);
	assert_int_equal(view.use[1].period_ms, 86400000);
	assert_int_equal(view.use[1].most, -1);
	assert_int_equal(
		limit_view(SPAN("window 3600000 40 1795176274000+40; raised 1795178075000 90/1h"),
			   &small, NOW_MS, &view),
		OK);
	assert_int_equal(view.use[0].most, 90);
	assert_int_equal(view.use[0].wait_ms, 0);
	assert_int_equal(view.raised_until_ms, 1795178075000);
}

static void of_no_limit(void **state)
{
	struct limit_view view;

	(void)state;
	assert_int_equal(limit_view(span_cstr(text), NULL, NOW_MS, &view), OK);
	assert_int_equal(view.count, 2);
	assert_int_equal(view.use[0].most, -1);
	assert_true(view.share == 0);
	assert_int_equal(limit_view(SPAN("first=1"), NULL, NOW_MS, &view), ERR_SYNTAX);
	assert_int_equal(limit_view(SPAN("raised 0 none"), &by_sender, NOW_MS, &view), OK);
	assert_int_equal(view.use[0].used, 0);
	assert_int_equal(view.raised_until_ms, 0);
}

static void names_are_joined(void **state)
{
	static struct limit_names names;
	json_t *list = json_loads("[{\"name\":\"a\",\"rates\":\"1/1h\",\"counting\":\"bytes\"},"
				  "{\"name\":\"a\",\"rates\":\"2/1h, 5/1d\",\"from\":\"t\"},"
				  "{\"name\":\"b\",\"rates\":\"rubbish\"},{},7]",
				  0, NULL);
	const struct limit_name *a;

	(void)state;
	limit_names_read(&names, list);
	a = limit_names_find(&names, SPAN("a"));
	assert_non_null(a);
	assert_int_equal(a->rates.count, 2);
	assert_int_equal(a->rates.rate[0].most, 1);
	assert_int_equal(a->rates.rate[1].most, 5);
	assert_true(a->is_tabled);
	check_span(a->counting, SPAN("bytes"), "counting");
	assert_int_equal(limit_names_find(&names, SPAN("b"))->rates.count, 0);
	assert_null(limit_names_find(&names, SPAN("c")));
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uses_are_of_now),
		cmocka_unit_test(full_and_raised),
		cmocka_unit_test(of_no_limit),
		cmocka_unit_test(names_are_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
