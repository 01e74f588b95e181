/* census_test.c */
#include "../unit.h"

#include "serve/census.h"

static const struct hash_key key = { { 1, 2 } };

static struct ip address(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(span_cstr(text), &ip), OK);
	return census_source(ip);
}

static void test_limit_of_all(void **state)
{
	const struct census_limits limits = { 2, 10 };
	struct census *census = census_new(&limits, &key);
	struct ip a = address("192.0.2.1"), none = { 0 };

	(void)state;
	assert_int_equal(census_enter(census, a, false), ADMITTED);
	assert_int_equal(census_enter(census, none, false), ADMITTED);
	assert_int_equal(census_enter(census, a, false), FULL);
	assert_false(census_is_over(census));
	assert_int_equal(census_enter(census, a, true), ADMITTED);
	assert_true(census_is_over(census));
	census_leave(census, a);
	census_leave(census, a);
	census_leave(census, none);
	assert_int_equal(census_count(census), 0);
	census_free(census);
}

static void test_limit_of_a_source(void **state)
{
	const struct census_limits limits = { 10, 2 };
	struct census *census = census_new(&limits, &key);
	struct ip a = address("2001:db8::1"), b = address("2001:db8:0:1::1"), none = { 0 };

	(void)state;
	/* A network of 64 bits is one source. */
	assert_true(ip_equal(a, address("2001:db8::ffff")));
	assert_int_equal(census_enter(census, a, false), ADMITTED);
	assert_int_equal(census_enter(census, a, false), ADMITTED);
	assert_int_equal(census_enter(census, a, false), FULL_OF_SOURCE);
	assert_int_equal(census_enter(census, b, false), ADMITTED);
	for (int i = 0; i < 3; i++)
		assert_int_equal(census_enter(census, none, false), ADMITTED);
	census_leave(census, a);
	assert_int_equal(census_enter(census, a, false), ADMITTED);
	for (int i = 0; i < 3; i++)
		census_leave(census, none);
	census_leave(census, a);
	census_leave(census, a);
	census_leave(census, b);
	census_free(census);
}

static void test_mapped(void **state)
{
	(void)state;
	assert_true(ip_equal(address("::ffff:192.0.2.1"), address("192.0.2.1")));
}

static void evict_later(void *front)
{
	(void)front;
}

static void test_idlest(void **state)
{
	const struct census_limits limits = { 10, 2 };
	struct census *census = census_new(&limits, &key);
	struct front *fronts[2] = { (struct front *)&limits, (struct front *)&key };
	struct census_seat *seat[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		seat[i] = census_join(census, fronts[i], evict_later);
	assert_null(census_idlest(census));
	atomic_store(&seat[0]->oldest_idle_ms, 7);
	assert_ptr_equal(census_idlest(census)->front, fronts[0]);
	atomic_store(&seat[1]->oldest_idle_ms, 6);
	assert_ptr_equal(census_idlest(census)->front, fronts[1]);
	census_free(census);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit_of_all),
		cmocka_unit_test(test_limit_of_a_source),
		cmocka_unit_test(test_mapped),
		cmocka_unit_test(test_idlest),
	};

	return cmocka_run_group_tests_name("serve/census", tests, NULL, NULL);
}
