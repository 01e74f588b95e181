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

/* A front of which idle connections of one source can go. */
struct fake_front {
	struct census *census;
	struct census_seat *seat;
	struct ip source;
	int idle, evicted, later;
};

static bool evict(void *self, struct ip source)
{
	struct fake_front *front = self;

	if (front->idle == 0 || (source.family != IP_NONE && !ip_equal(source, front->source)))
		return false;
	front->idle--;
	front->evicted++;
	census_leave(front->census, front->source);
	return true;
}

static void evict_later(void *self)
{
	((struct fake_front *)self)->later++;
}

static void join(struct fake_front *front, struct census *census, const char *source)
{
	*front = (struct fake_front){ .census = census, .source = address(source) };
	front->seat = census_join(census, &(struct census_seat){ .front = front,
								 .evict = evict,
								 .evict_later = evict_later });
	assert_non_null(front->seat);
}

static void test_idlest(void **state)
{
	const struct census_limits limits = { 10, 2 };
	struct census *census = census_new(&limits, &key);
	struct fake_front front[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		join(&front[i], census, "192.0.2.1");
	assert_null(census_idlest(census));
	atomic_store(&front[0].seat->oldest_idle_ms, 7);
	assert_ptr_equal(census_idlest(census)->front, &front[0]);
	atomic_store(&front[1].seat->oldest_idle_ms, 6);
	assert_ptr_equal(census_idlest(census)->front, &front[1]);
	census_free(census);
}

/* Who comes takes the place of the idlest: of his source, of his front, or of another one. */
static void test_admits(void **state)
{
	const struct census_limits limits = { 3, 2 };
	struct census *census = census_new(&limits, &key);
	struct ip one = address("192.0.2.1"), other = address("192.0.2.2");
	struct fake_front front[2];

	(void)state;
	join(&front[0], census, "192.0.2.1");
	join(&front[1], census, "192.0.2.2");
	assert_int_equal(census_admit(census, front[0].seat, one), ADMITTED);
	assert_int_equal(census_admit(census, front[0].seat, one), ADMITTED);
	assert_int_equal(census_admit(census, front[0].seat, one), FULL_OF_SOURCE);
	front[0].idle = 1;
	assert_int_equal(census_admit(census, front[0].seat, one), ADMITTED);
	assert_int_equal(front[0].evicted, 1);
	assert_int_equal(census_admit(census, front[1].seat, other), ADMITTED);
	assert_int_equal(census_admit(census, front[1].seat, other), FULL); /* none is idle */
	front[0].idle = 1;
	atomic_store(&front[0].seat->oldest_idle_ms, 7);
	assert_int_equal(census_admit(census, front[1].seat, other), ADMITTED);
	assert_int_equal(front[0].later, 1);
	assert_true(census_is_over(census));
	assert_true(evict(&front[0], (struct ip){ 0 }));
	assert_false(census_is_over(census));
	for (int i = 0; i < 3; i++)
		census_leave(census, i == 0 ? one : other);
	census_free(census);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit_of_all), cmocka_unit_test(test_limit_of_a_source),
		cmocka_unit_test(test_mapped),       cmocka_unit_test(test_idlest),
		cmocka_unit_test(test_admits),
	};

	return cmocka_run_group_tests_name("serve/census", tests, NULL, NULL);
}
