/* ring_test.c */
#include "../unit.h"

#include "effects/ring.h"

static size_t put(struct ring *ring, const char *text, bool want)
{
	char bytes[256];
	struct record record;

	memset(&record, 0, sizeof(record));
	record.len = (uint16_t)strlen(text);
	memcpy(bytes, &record, sizeof(record));
	memcpy(bytes + sizeof(record), text, record.len);
	assert_int_equal(ring_put(ring, span_of(bytes, sizeof(record) + record.len)), want);
	return sizeof(record) + record.len;
}

static void check_taken(const char *at, const char *want)
{
	check_span(span_of(at + sizeof(struct record), strlen(want)), span_cstr(want), "taken");
}

static void test_order_and_wrap(void **state)
{
	char bytes[3 * (sizeof(struct record) + 3)], out[sizeof(bytes)];
	struct ring ring = { .at = bytes, .room = sizeof(bytes) };
	size_t one;

	(void)state;
	one = put(&ring, "abc", true);
	put(&ring, "def", true);
	for (int i = 0; i < 7; i++) {
		put(&ring, "ghi", true);
		assert_int_equal(ring_take(&ring, out, one), one);
		put(&ring, "def", true);
		assert_int_equal(ring_take(&ring, out, one), one);
	}
	assert_int_equal(ring.used, 2 * one);
	assert_int_equal(ring_take(&ring, out, sizeof(out)), 2 * one);
	check_taken(out, "ghi");
	check_taken(out + one, "def");
	assert_int_equal(ring_take(&ring, out, sizeof(out)), 0);
}

static void test_full(void **state)
{
	char bytes[2 * (sizeof(struct record) + 3)], out[sizeof(bytes)];
	struct ring ring = { .at = bytes, .room = sizeof(bytes) };

	(void)state;
	put(&ring, "abc", true);
	put(&ring, "defg", false);
	put(&ring, "def", true);
	put(&ring, "", false);
	assert_int_equal(ring_take(&ring, out, sizeof(out) - 1), sizeof(out) / 2);
	check_taken(out, "abc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_wrap),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests_name("effects/ring", tests, NULL, NULL);
}
