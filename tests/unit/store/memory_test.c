/* memory_test.c -- what is remembered, for how long, and how much of it. */
#include "../unit.h"

#include "base/text.h"
#include "store/memory.h"

#include <pthread.h>
#include <stdio.h>

static struct memory_store *store;

static int set_up(void **state)
{
	(void)state;
	store = memory_store_new();
	return store == NULL;
}

static int tear_down(void **state)
{
	(void)state;
	memory_store_free(store);
	return 0;
}

static void remember(const char *set, const char *key, const char *value, int64_t now_ms,
		     struct memory how)
{
	how.set = span_cstr(set);
	how.key = span_cstr(key);
	how.value = value != NULL ? span_cstr(value) : span_of(NULL, 0);
	memory_apply(store, &how, now_ms);
}

static const struct memory plain = { .keep_ms = 0 };

/* "set key" has the value at that time; NULL: it is not known */
static void check_known(const char *question, int64_t now_ms, const char *want)
{
	struct fact fact = { .kind = FACT_REMEMBERED, .key = span_cstr(question) };

	assert_true(memory_recall(store, &fact, now_ms));
	assert_int_equal(fact.state, want != NULL ? FACT_KNOWN : FACT_NONE);
	if (want != NULL)
		check_span(fact.item[0], span_cstr(want), question);
	memory_release(store, &fact);
}

static void test_remembers(void **state)
{
	struct fact other = { .kind = FACT_DNS_A, .key = SPAN("s k") };

	(void)state;
	check_known("s k", 0, NULL);
	remember("s", "k", "one", 0, plain);
	remember("t", "k", "", 0, plain);
	remember("s", "k with blanks", "two", 0, plain);
	check_known("s k", 0, "one");
	check_known("t k", 0, "");
	check_known("s k with blanks", 0, "two");
	remember("s", "k", "three", 0, plain);
	check_known("s k", 0, "three");
	remember("s", "k", NULL, 0, plain);
	check_known("s k", 0, NULL);
	check_known("t k", 0, "");
	assert_false(memory_recall(store, &other, 0));
}

static void test_held_value_outlives_entry(void **state)
{
	struct fact fact = { .kind = FACT_REMEMBERED, .key = SPAN("s k") };

	(void)state;
	remember("s", "k", "one", 0, plain);
	assert_true(memory_recall(store, &fact, 0));
	remember("s", "k", NULL, 0, plain);
	check_span(fact.item[0], SPAN("one"), "held");
	memory_release(store, &fact);
}

static void test_expires(void **state)
{
	static const struct memory second = { .keep_ms = 1000 };

	(void)state;
	remember("s", "k", "one", 5000, second);
	check_known("s k", 5999, "one");
	check_known("s k", 6000, NULL);
	check_known("s k", 5999, NULL); /* gone */
}

static void test_bounds(void **state)
{
	static const struct memory bounded = { .entries_max = 10, .entries_keep = 4 };
	char key[16], question[20];

	(void)state;
	for (int i = 0; i < 10; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		remember("s", key, "v", 0, bounded);
	}
	check_known("s k0", 0, "v");           /* at the limit all are there */
	remember("s", "k0", "v", 0, bounded);  /* written again: the newest now */
	remember("s", "k10", "v", 0, bounded); /* one beyond */
	for (int i = 0; i <= 10; i++) {
		snprintf(question, sizeof(question), "s k%d", i);
		check_known(question, 0, i == 0 || i >= 8 ? "v" : NULL);
	}
}

static void test_many(void **state)
{
	enum { MANY = 20000 };
	char key[16], question[20];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		snprintf(key, sizeof(key), "%d", i);
		remember("s", key, key, 0, plain);
	}
	for (int i = 0; i < MANY; i++) {
		snprintf(question, sizeof(question), "s %d", i);
		check_known(question, 0, question + 2);
	}
}

static void test_sets_bound(void **state)
{
	char name[16], question[20];

	(void)state;
	for (int i = 0; i <= MEMORY_SETS_MAX; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		remember(name, "k", "v", 0, plain);
	}
	snprintf(question, sizeof(question), "s%d k", MEMORY_SETS_MAX - 1);
	check_known(question, 0, "v");
	snprintf(question, sizeof(question), "s%d k", MEMORY_SETS_MAX);
	check_known(question, 0, NULL);
}

static void test_forgets_conversation(void **state)
{
	(void)state;
	remember("s", "c1", "a", 0, plain);
	remember("t", "c1", "b", 0, plain);
	remember("s", "c11", "c", 0, plain);
	memory_forget_conversation(store, SPAN("c1"));
	check_known("s c1", 0, NULL);
	check_known("t c1", 0, NULL);
	check_known("s c11", 0, "c");
}

static void *work(void *argument)
{
	static const struct memory bounded = { .entries_max = 50, .entries_keep = 20 };
	char key[16], question[20];

	(void)argument;
	for (int i = 0; i < 20000; i++) {
		struct fact fact = { .kind = FACT_REMEMBERED };

		snprintf(key, sizeof(key), "%d", i % 97);
		remember(i % 3 ? "s" : "t", key, i % 7 ? key : NULL, 0, bounded);
		snprintf(question, sizeof(question), "s %d", i % 89);
		fact.key = span_cstr(question);
		assert_true(memory_recall(store, &fact, 0));
		if (fact.state == FACT_KNOWN)
			check_span(fact.item[0], span_cstr(question + 2), "shared");
		memory_release(store, &fact);
	}
	return NULL;
}

static void test_many_workers(void **state)
{
	enum { WORKERS = 4 };
	pthread_t worker[WORKERS];

	(void)state;
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&worker[i], NULL, work, NULL), 0);
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_join(worker[i], NULL), 0);
}

/* --- changes and pages --- */

static bool add_letter(void *self, struct memory_place *place)
{
	struct text *text = self;

	text_clear(text);
	if (place->value.at != NULL)
		text_add(text, place->value);
	text_add_char(text, 'x');
	place->value = text_span(text);
	return text->len <= 3;
}

static void test_changes(void **state)
{
	const struct memory_where where = { SPAN("s"), SPAN("k") };
	TEXT(text, 16);

	(void)state;
	assert_int_equal(memory_change(store, &where, 0, add_letter, &text), OK);
	check_known("s k", 0, "x");
	for (int i = 0; i < 5; i++)
		assert_int_equal(memory_change(store, &where, 0, add_letter, &text), OK);
	check_known("s k", 0, "xxx"); /* it said so: nothing beyond */
	assert_int_equal(memory_erase(store, &where), OK);
	assert_int_equal(memory_erase(store, &where), ERR_MISSING);
	check_known("s k", 0, NULL);
}

static void test_puts(void **state)
{
	struct memory_where where = { SPAN("s"), SPAN("k") };
	struct memory_figures figures;
	char name[16];

	(void)state;
	assert_int_equal(memory_put(store, &where, (struct memory_place){ SPAN("v"), 5 }, 2), OK);
	check_known("s k", 4, "v");
	where.key = SPAN("l");
	assert_int_equal(memory_put(store, &where, (struct memory_place){ SPAN("v"), 0 }, 2), OK);
	check_known("s l", INT64_MAX - 1, "v");
	memory_figures(store, &figures);
	assert_int_equal(figures.entries, 2); /* at the bound */
	assert_int_equal(figures.bytes, 4);
	where.key = SPAN("m");
	assert_int_equal(memory_put(store, &where, (struct memory_place){ SPAN("v"), 0 }, 2), OK);
	check_known("s k", 4, NULL);
	memory_figures(store, &figures);
	assert_int_equal(figures.entries, 2);
	assert_int_equal(figures.evicted, 1);
	for (int i = 1; i <= MEMORY_SETS_MAX; i++) { /* "s" is there: one set too many */
		snprintf(name, sizeof(name), "t%d", i);
		where.set = span_cstr(name);
		assert_int_equal(memory_put(store, &where, (struct memory_place){ SPAN("v"), 0 },
					    0),
				 i < MEMORY_SETS_MAX ? OK : ERR_LIMIT);
	}
}

static void test_page_has_prefix(void **state)
{
	struct memory_page page = { .set = SPAN("s"), .prefix = SPAN("a "), .most = 10 };
	struct memory_entry entry[10];
	bool has_more = true;

	(void)state;
	remember("s", "a 1", "one", 0, plain);
	remember("s", "a 2", "two", 1000, (struct memory){ .keep_ms = 500 });
	remember("s", "ab 3", "three", 0, plain);
	assert_int_equal(memory_page(store, &page, 1499, entry, &has_more), 2);
	assert_false(has_more);
	check_span(entry[0].key, SPAN("1"), "key");
	check_span(entry[0].value, SPAN("one"), "value");
	assert_int_equal(entry[0].expires_ms, 0);
	assert_int_equal(entry[1].expires_ms, 1500);
	memory_page_free(entry, 2);
	assert_int_equal(memory_page(store, &page, 1500, entry, &has_more), 1);
	memory_page_free(entry, 1);
	page.set = SPAN("none");
	assert_int_equal(memory_page(store, &page, 0, entry, &has_more), 0);
}

static void *write_more(void *argument)
{
	char key[16];

	(void)argument;
	for (int i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "z%d", i);
		remember("s", key, "v", 0, plain);
	}
	return NULL;
}

/* What is there all the time is in every page, though the set grows meanwhile. */
static void test_pages_while_it_grows(void **state)
{
	enum { THERE = 50, LOOKS = 100 };
	struct memory_page page = { .set = SPAN("s"), .most = THERE };
	struct memory_entry entry[THERE];
	pthread_t writer;
	char key[16];
	bool has_more;

	(void)state;
	for (int i = 0; i < THERE; i++) {
		snprintf(key, sizeof(key), "a%02d", i);
		remember("s", key, "v", 0, plain);
	}
	assert_int_equal(pthread_create(&writer, NULL, write_more, NULL), 0);
	for (int look = 0; look < LOOKS; look++) {
		assert_int_equal(memory_page(store, &page, 0, entry, &has_more), THERE);
		for (int i = 0; i < THERE; i++) {
			snprintf(key, sizeof(key), "a%02d", i);
			check_span(entry[i].key, span_cstr(key), "in order");
		}
		memory_page_free(entry, THERE);
	}
	assert_int_equal(pthread_join(writer, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_remembers),
		TEST(test_held_value_outlives_entry),
		TEST(test_expires),
		TEST(test_bounds),
		TEST(test_many),
		TEST(test_sets_bound),
		TEST(test_forgets_conversation),
		TEST(test_many_workers),
		TEST(test_changes),
		TEST(test_puts),
		TEST(test_page_has_prefix),
		TEST(test_pages_while_it_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
