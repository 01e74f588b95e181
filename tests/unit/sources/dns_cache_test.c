/* dns_cache_test.c -- the shared cache: keys, times, bytes, references. */
#include "../unit.h"
#include "sources/dns_cache.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *name;
	enum fact_state state;
	enum fact_cause cause;
	uint32_t ttl_s, kept_s;
} ttl_cases[] = {
	{ "known, 0", FACT_KNOWN, CAUSE_NONE, 0, DNS_TTL_MIN },
	{ "known, at the least", FACT_KNOWN, CAUSE_NONE, DNS_TTL_MIN, DNS_TTL_MIN },
	{ "known, more", FACT_KNOWN, CAUSE_NONE, DNS_TTL_MIN + 1, DNS_TTL_MIN + 1 },
	{ "known, at the most", FACT_KNOWN, CAUSE_NONE, DNS_TTL_MAX, DNS_TTL_MAX },
	{ "known, beyond", FACT_KNOWN, CAUSE_NONE, DNS_TTL_MAX + 1, DNS_TTL_MAX },
	{ "known, maximal", FACT_KNOWN, CAUSE_NONE, INT32_MAX, DNS_TTL_MAX },
	{ "none, 0", FACT_NONE, CAUSE_NONE, 0, DNS_TTL_MIN },
	{ "none, at the most", FACT_NONE, CAUSE_NONE, DNS_NEGATIVE_TTL_MAX, DNS_NEGATIVE_TTL_MAX },
	{ "none, beyond", FACT_NONE, CAUSE_NONE, DNS_NEGATIVE_TTL_MAX + 1, DNS_NEGATIVE_TTL_MAX },
	{ "servfail", FACT_FAILED, CAUSE_SERVFAIL, 1000, DNS_FAILURE_TTL },
	{ "malformed", FACT_FAILED, CAUSE_MALFORMED, 0, DNS_FAILURE_TTL },
	{ "timeout", FACT_FAILED, CAUSE_TIMEOUT, 1000, DNS_SILENCE_TTL },
	{ "down", FACT_FAILED, CAUSE_DOWN, 0, DNS_SILENCE_TTL },
};

enum { NOW_S = 1000, KEY_BYTES = 32 };

static struct dns_answer answer;

static struct dns_cache *cache_new(size_t bytes_max)
{
	struct dns_cache_options options = { .bytes_max = bytes_max, .questions_max = 16 };
	struct dns_cache *cache = dns_cache_new(&options);

	assert_non_null(cache);
	return cache;
}

/* One item of so many bytes. */
static void set_answer(uint32_t ttl_s, size_t item_bytes)
{
	answer.state = FACT_KNOWN;
	answer.cause = CAUSE_NONE;
	answer.ttl_s = ttl_s;
	answer.item_count = 1;
	memset(answer.text, 'x', item_bytes);
	answer.item[0] = span_of(answer.text, item_bytes);
}

static void keep(struct dns_cache *cache, struct span key, uint32_t now_s)
{
	struct dns_entry *entry = dns_entry_new(FACT_DNS_A, key, &answer, 7, now_s);

	assert_non_null(entry);
	dns_cache_keep(cache, entry);
	dns_entry_drop(entry);
}

static bool knows(struct dns_cache *cache, struct span key, uint32_t now_s)
{
	struct dns_entry *entry = dns_cache_find(cache, FACT_DNS_A, key, now_s);

	if (entry != NULL)
		dns_entry_drop(entry);
	return entry != NULL;
}

static struct span numbered(char *key, unsigned number)
{
	return span_of(key, (size_t)snprintf(key, KEY_BYTES, "%u.example", number));
}

static void test_ttl(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ttl_cases); i++)
		if (dns_ttl_clamped(ttl_cases[i].state, ttl_cases[i].cause, ttl_cases[i].ttl_s) !=
		    ttl_cases[i].kept_s)
			fail_msg("%s", ttl_cases[i].name);
}

static void test_find(void **state)
{
	struct dns_cache *cache = cache_new(1 << 20);
	struct dns_entry *entry;
	struct fact fact = { 0 };

	(void)state;
	set_answer(100, 9);
	keep(cache, SPAN("a.example"), NOW_S);
	assert_null(dns_cache_find(cache, FACT_DNS_MX, SPAN("a.example"), NOW_S));
	assert_null(dns_cache_find(cache, FACT_DNS_A, SPAN("b.example"), NOW_S));
	entry = dns_cache_find(cache, FACT_DNS_A, SPAN("a.example"), NOW_S + 40);
	assert_non_null(entry);
	dns_entry_tell(entry, &fact, NOW_S + 40);
	assert_int_equal(fact.state, FACT_KNOWN);
	assert_int_equal(fact.item_count, 1);
	check_span(fact.item[0], SPAN("xxxxxxxxx"), "item");
	assert_int_equal(fact.age_s, 40);
	assert_int_equal(fact.ttl_s, 100);
	assert_int_equal(fact.took_us, 7);
	assert_ptr_equal(fact.held, entry);
	dns_entry_drop(entry);
	dns_cache_free(cache);
}

static void test_expiry(void **state)
{
	struct dns_cache *cache = cache_new(1 << 20);
	size_t entries, bytes;

	(void)state;
	set_answer(100, 9);
	keep(cache, SPAN("a.example"), NOW_S);
	assert_true(knows(cache, SPAN("a.example"), NOW_S + 99));
	assert_false(knows(cache, SPAN("a.example"), NOW_S + 100));
	dns_cache_count(cache, &entries, &bytes);
	assert_int_equal(entries, 1);
	assert_false(knows(cache, SPAN("a.example"), NOW_S + 200));
	dns_cache_count(cache, &entries, &bytes);
	assert_int_equal(entries, 0);
	dns_cache_free(cache);
}

static bool knows_stale(struct dns_cache *cache, struct span key, uint32_t now_s)
{
	struct dns_entry *entry = dns_cache_find_stale(cache, FACT_DNS_A, key, now_s);

	if (entry != NULL)
		dns_entry_drop(entry);
	return entry != NULL;
}

static void keep_failure(struct dns_cache *cache, struct span key, uint32_t now_s)
{
	struct dns_entry *entry;

	dns_answer_fail(CAUSE_TIMEOUT, &answer);
	entry = dns_entry_new(FACT_DNS_A, key, &answer, 0, now_s);
	assert_non_null(entry);
	dns_cache_keep(cache, entry);
	dns_entry_drop(entry);
}

/* What has expired is good for as long again, up to a day of age, and only while asking fails. */
static void test_stale(void **state)
{
	struct dns_cache *cache = cache_new(1 << 20);
	struct span a = SPAN("a.example"), day = SPAN("day.example"), half = SPAN("half.example");

	(void)state;
	set_answer(100, 9);
	keep(cache, a, NOW_S);
	assert_true(knows_stale(cache, a, NOW_S + 100));
	assert_true(knows_stale(cache, a, NOW_S + 199));
	assert_false(knows_stale(cache, a, NOW_S + 200));

	set_answer(100, 9);
	keep(cache, a, NOW_S);
	keep_failure(cache, a, NOW_S + 120);
	assert_true(knows(cache, a, NOW_S + 120 + DNS_SILENCE_TTL - 1));
	assert_false(knows(cache, a, NOW_S + 120 + DNS_SILENCE_TTL));
	keep_failure(cache, a, NOW_S + 198);
	assert_true(knows(cache, a, NOW_S + 199));
	assert_false(knows(cache, a, NOW_S + 200));

	set_answer(DNS_TTL_MAX, 9);
	keep(cache, day, NOW_S);
	assert_true(knows(cache, day, NOW_S + DNS_STALE_AGE_MAX - 1));
	assert_false(knows_stale(cache, day, NOW_S + DNS_STALE_AGE_MAX));
	set_answer(DNS_TTL_MAX - 3600, 9);
	keep(cache, half, NOW_S);
	assert_true(knows_stale(cache, half, NOW_S + DNS_STALE_AGE_MAX - 1));
	assert_false(knows_stale(cache, half, NOW_S + DNS_STALE_AGE_MAX));
	dns_cache_free(cache);
}

static void test_newer_answer_displaces(void **state)
{
	struct dns_cache *cache = cache_new(1 << 20);
	struct dns_entry *entry;
	size_t entries, bytes;

	(void)state;
	set_answer(100, 1);
	keep(cache, SPAN("a.example"), NOW_S);
	set_answer(100, 2);
	keep(cache, SPAN("a.example"), NOW_S + 1);
	entry = dns_cache_find(cache, FACT_DNS_A, SPAN("a.example"), NOW_S + 1);
	assert_non_null(entry);
	assert_int_equal(entry->item[0].len, 2);
	dns_entry_drop(entry);
	dns_cache_count(cache, &entries, &bytes);
	assert_int_equal(entries, 1);
	dns_cache_free(cache);
}

static void test_what_is_used_outlives(void **state)
{
	enum { BYTES = 128 * 1024, NAMES = 5000 };
	struct dns_cache *cache = cache_new(BYTES);
	char key[KEY_BYTES];
	size_t entries, bytes;

	(void)state;
	set_answer(1000, 9);
	for (unsigned i = 0; i < NAMES; i++) {
		keep(cache, numbered(key, i), NOW_S);
		assert_true(knows(cache, SPAN("0.example"), NOW_S));
		dns_cache_count(cache, &entries, &bytes);
		assert_true(bytes <= BYTES);
	}
	assert_true(entries > BYTES / 256 && entries < NAMES);
	assert_true(knows(cache, numbered(key, NAMES - 1), NOW_S));
	dns_cache_free(cache);
}

static void test_expired_goes_first(void **state)
{
	enum { BYTES = 128 * 1024, OLD = 400, NEW = 1200 };
	struct dns_cache *cache = cache_new(BYTES);
	char key[KEY_BYTES];
	size_t entries, bytes;

	(void)state;
	set_answer(30, 9);
	for (unsigned i = 0; i < OLD; i++) {
		keep(cache, numbered(key, i), NOW_S);
		assert_true(knows(cache, numbered(key, i), NOW_S)); /* used, and yet */
	}
	set_answer(1000, 9);
	for (unsigned i = OLD; i < OLD + NEW; i++)
		keep(cache, numbered(key, i), NOW_S + 60);
	dns_cache_count(cache, &entries, &bytes);
	assert_true(bytes <= BYTES);
	for (unsigned i = 0; i < OLD; i++)
		assert_false(knows(cache, numbered(key, i), NOW_S + 60));
	dns_cache_free(cache);
}

/** How many bytes an item may have for its entry to be kept. */
static void test_limit_of_one_entry(void **state)
{
	enum { BYTES = 256 * 1024, SHARE = BYTES / DNS_CACHE_ENTRY_SHARE };
	struct dns_cache *cache = cache_new(BYTES);

	(void)state;
	set_answer(100, SHARE - 128);
	keep(cache, SPAN("fits.example"), NOW_S);
	assert_true(knows(cache, SPAN("fits.example"), NOW_S));
	set_answer(100, SHARE + 1);
	keep(cache, SPAN("toolarge.example"), NOW_S);
	assert_false(knows(cache, SPAN("toolarge.example"), NOW_S));
	dns_cache_free(cache);
}

/* The figure: 100,000 cached answers fit into 20 MB. */
static void test_bytes_of_answers(void **state)
{
	enum { NAMES = 100000, MB = 1000000 };
	struct dns_cache *cache = cache_new(64 << 20);
	char key[KEY_BYTES];
	size_t entries, bytes;

	(void)state;
	set_answer(1000, 9);
	for (unsigned i = 0; i < NAMES; i++)
		keep(cache, numbered(key, i), NOW_S);
	dns_cache_count(cache, &entries, &bytes);
	assert_int_equal(entries, NAMES);
#ifndef __SANITIZE_ADDRESS__
	assert_true(bytes <= 20 * MB);
#endif
	dns_cache_free(cache);
}

/* What a fact borrows stays while the cache forgets it. */
static void test_borrowed_entry_stays(void **state)
{
	struct dns_cache *cache = cache_new(64 * 1024);
	struct dns_entry *entry;
	char key[KEY_BYTES];

	(void)state;
	set_answer(1000, 9);
	keep(cache, SPAN("held.example"), NOW_S);
	entry = dns_cache_find(cache, FACT_DNS_A, SPAN("held.example"), NOW_S);
	assert_non_null(entry);
	for (unsigned i = 0; i < 5000; i++)
		keep(cache, numbered(key, i), NOW_S);
	assert_false(knows(cache, SPAN("held.example"), NOW_S));
	dns_cache_free(cache);
	check_span(entry->item[0], SPAN("xxxxxxxxx"), "item");
	dns_entry_drop(entry);
}

/* Several workers find, keep and let go of the same few names in a cache that is too small. */
static void *hammer(void *arg)
{
	struct dns_cache *cache = arg;
	struct dns_answer *own = calloc(1, sizeof(*own));
	char key[KEY_BYTES];

	if (own == NULL)
		return NULL;
	own->state = FACT_KNOWN;
	own->ttl_s = 100;
	own->item_count = 1;
	own->item[0] = SPAN("192.0.2.1");
	for (unsigned i = 0; i < 20000; i++) {
		struct span name = numbered(key, i * 7919 % 997);
		struct dns_entry *entry = dns_cache_find(cache, FACT_DNS_A, name, NOW_S + i / 200);

		if (entry == NULL) {
			entry = dns_entry_new(FACT_DNS_A, name, own, 0, NOW_S + i / 200);
			if (entry == NULL)
				break;
			dns_cache_keep(cache, entry);
		}
		if (!span_equal(entry->item[0], SPAN("192.0.2.1")))
			break;
		dns_entry_drop(entry);
		if (i == 19999)
			own->exists = true;
	}
	if (!own->exists)
		cache = NULL;
	free(own);
	return cache;
}

static void test_threads(void **state)
{
	struct dns_cache *cache = cache_new(64 * 1024);
	pthread_t thread[4];
	void *result;

	(void)state;
	for (size_t i = 0; i < COUNT(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, hammer, cache), 0);
	for (size_t i = 0; i < COUNT(thread); i++) {
		assert_int_equal(pthread_join(thread[i], &result), 0);
		assert_non_null(result);
	}
	dns_cache_free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ttl),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_newer_answer_displaces),
		cmocka_unit_test(test_what_is_used_outlives),
		cmocka_unit_test(test_expired_goes_first),
		cmocka_unit_test(test_limit_of_one_entry),
		cmocka_unit_test(test_bytes_of_answers),
		cmocka_unit_test(test_borrowed_entry_stays),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
