/* store_test.c -- store.h over the memory driver, and what store.c does for all drivers. */
#include "../unit.h"

#include "store/store_priv.h"
#include "weigh/tally.h"
#include "weigh/triplet.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { SECOND = 1000, HOUR = 3600 * SECOND };

#define START INT64_C(1800000000000)

static struct store *store;
static struct store_port *port;

static void open_store(uint64_t entries_max)
{
	struct store_options options = { .kind = STORE_MEMORY, .entries_max = entries_max };
	TEXT(why, 200);

	assert_int_equal(store_open(&options, &why, &store), OK);
	port = store_port_open(store, NULL);
	assert_non_null(port);
}

static void close_store(void)
{
	store_port_close(port);
	store_close(store);
}

static int set_up(void **state)
{
	(void)state;
	open_store(0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close_store();
	return 0;
}

/* --- asking --- */

static void answered(struct store_wait *wait)
{
	*(bool *)wait->owner = true;
}

static void ask(struct store_port *at, struct fact *fact, int64_t now_ms, bool is_rehearsal)
{
	bool is_answered = false;
	struct store_wait wait = { .fact = fact,
				   .now_ms = now_ms,
				   .is_rehearsal = is_rehearsal,
				   .answered = answered,
				   .owner = &is_answered };

	store_ask(at, &wait);
	assert_true(is_answered);
	assert_null(wait.held);
}

static void check_fact(struct fact *fact, const char *want)
{
	assert_int_equal(fact->state, want == NULL ? FACT_NONE : FACT_KNOWN);
	if (want != NULL) {
		assert_int_equal(fact->item_count, 1);
		check_span(fact->item[0], span_cstr(want), "item");
	}
	store_release(port, fact);
	assert_null(fact->held);
}

static struct tally_count count_of(const char *rates, int64_t amount)
{
	struct tally_count count = { .amount = amount };

	assert_int_equal(rates_parse(span_cstr(rates), &count.rates), OK);
	return count;
}

static void check_count(const char *key, const struct tally_count *count, int64_t now_ms,
			const char *want)
{
	struct fact fact = { .kind = FACT_TALLY, .key = span_cstr(key), .count = count };

	ask(port, &fact, now_ms, false);
	check_fact(&fact, want);
}

static const struct triplet_terms terms = { 300 * SECOND, 2 * HOUR, INT64_C(24) * HOUR };

static void check_touch(const char *key, int64_t now_ms, bool is_rehearsal, const char *want)
{
	struct fact fact = { .kind = FACT_GREYLIST, .key = span_cstr(key), .terms = &terms };

	ask(port, &fact, now_ms, is_rehearsal);
	check_fact(&fact, want);
}

static void check_known(const char *question, int64_t now_ms, const char *want)
{
	struct fact fact = { .kind = FACT_REMEMBERED, .key = span_cstr(question) };

	assert_true(store_recall(port, &fact, now_ms));
	check_fact(&fact, want);
	fact = (struct fact){ .kind = FACT_REMEMBERED, .key = span_cstr(question) };
	ask(port, &fact, now_ms, false);
	check_fact(&fact, want);
}

static void test_counts(void **state)
{
	struct tally_count count = count_of("2/1h", 1);

	(void)state;
	check_count("user anna", &count, START, "1/1h");
	check_count("user anna", &count, START, "2/1h");
	check_count("user bob", &count, START, "1/1h");
	check_count("users anna", &count, START, "1/1h");
	check_count("user anna", &count, START, "3/1h wait=3600.001 first");
	check_count("user anna", &count, START + HOUR + 1, "1/1h");
	count = count_of("none", 1);
	check_count("user anna", &count, START, NULL);
}

static void test_greylists(void **state)
{
	(void)state;
	check_touch("n s r", START, false, NULL);
	check_touch("n s r", START + 299 * SECOND, false, "first=299 last=299 passes=0");
	check_touch("n s r2", START + 299 * SECOND, false, NULL);
	check_touch("n s r", START + 300 * SECOND, false, "first=300 last=1 passes=0");
	check_touch("n s r", START + 301 * SECOND, false, "first=301 last=1 passed=1 passes=1");
	check_touch("n s r2", START + 7500 * SECOND, false, "first=7201 last=7201 passes=0");
	check_touch("n s r2", START + 7501 * SECOND, false, "first=1 last=1 passes=0");
}

static void test_rehearsals_change_nothing(void **state)
{
	struct tally_count count = count_of("2/1h", 1);
	struct fact fact = { .kind = FACT_TALLY, .key = SPAN("l k"), .count = &count };

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct fact rehearsed = fact;

		ask(port, &rehearsed, START, true);
		check_fact(&rehearsed, "1/1h");
		check_touch("n s r", START, true, NULL);
	}
	check_count("l k", &count, START, "1/1h");
	check_touch("n s r", START, false, NULL);
	check_touch("n s r", START + 300 * SECOND, true, "first=300 last=300 passes=0");
	check_touch("n s r", START + 300 * SECOND, false, "first=300 last=300 passes=0");
}

static void remember(const char *set, const char *key, const char *value, int64_t keep_ms)
{
	const struct memory memory = { .set = span_cstr(set),
				       .key = span_cstr(key),
				       .value = value != NULL ? span_cstr(value) : span_of(NULL, 0),
				       .keep_ms = keep_ms };

	store_remember(port, &memory, START);
}

static void test_remembers(void **state)
{
	struct fact fact = { .kind = FACT_TALLY, .key = SPAN("l k") };

	(void)state;
	assert_false(store_recall(port, &fact, START)); /* never of facts that count */
	check_known("trap 192.0.2.1", START, NULL);
	remember("trap", "192.0.2.1", "1", 1000);
	check_known("trap 192.0.2.1", START + 999, "1");
	check_known("trap 192.0.2.1", START + 1000, NULL);
	remember("classic.message", "c1", "m", 0);
	remember("trap", "c1", "m", 0);
	store_forget_conversation(port, SPAN("c1"));
	check_known("classic.message c1", START, NULL);
	remember("trap", "a", "1", INT64_MAX);
	check_known("trap a", INT64_MAX - 1, "1");
	remember("trap", "a", NULL, 0);
	check_known("trap a", START, NULL);
}

/* --- entries --- */

struct page_seen {
	enum err result;
	uint32_t count;
	bool has_more;
	char text[4000]; /* "set key=value;" */
	char next_set[STORE_SET_MAX + 1], next[STORE_KEY_MAX + 1];
	unsigned calls;
};

static void seen(void *self, const struct store_ended *ended)
{
	struct page_seen *page = self;
	size_t len = 0;

	page->calls++;
	page->result = ended->result;
	page->count = ended->entry_count;
	page->has_more = ended->has_more;
	page->text[0] = '\0';
	assert_true((ended->result == OK) == span_is_empty(ended->why));
	for (uint32_t i = 0; i < ended->entry_count && len < sizeof(page->text); i++) {
		const struct store_entry *entry = &ended->entry[i];

		len += (size_t)snprintf(page->text + len, sizeof(page->text) - len,
					"%.*s %.*s=%.*s;", SPAN_ARG(entry->set),
					SPAN_ARG(entry->key), SPAN_ARG(entry->value));
	}
	snprintf(page->next_set, sizeof(page->next_set), "%.*s", SPAN_ARG(ended->next_set));
	snprintf(page->next, sizeof(page->next), "%.*s", SPAN_ARG(ended->next));
}

static struct page_seen put(struct store_entry entry, int64_t now_ms)
{
	struct page_seen page = { .calls = 0 };

	store_put(port, &entry, now_ms, seen, &page);
	assert_int_equal(page.calls, 1);
	return page;
}

static struct page_seen erase(struct store_entry entry)
{
	struct page_seen page = { .calls = 0 };

	store_erase(port, &entry, seen, &page);
	assert_int_equal(page.calls, 1);
	return page;
}

static struct page_seen page_of(struct store_page wanted)
{
	struct page_seen page = { .calls = 0 };

	if (wanted.most == 0)
		wanted.most = STORE_PAGE_MAX;
	store_page(port, &wanted, START, seen, &page);
	assert_int_equal(page.calls, 1);
	assert_int_equal(page.result, OK);
	return page;
}

static struct store_entry entry_of(enum store_class class, const char *set, const char *key,
				   const char *value)
{
	return (struct store_entry){ .class = class,
				     .set = span_cstr(set),
				     .key = span_cstr(key),
				     .value = span_cstr(value) };
}

static void test_puts_and_erases(void **state)
{
	struct tally_count count = count_of("9/1h", 1);
	struct store_entry known = entry_of(STORE_KNOWN, "trap", "k", "v");
	struct store_entry limit =
		entry_of(STORE_TALLY, "user", "anna", "window 3600000 5 1800000000000+5");
	struct store_entry grey =
		entry_of(STORE_TRIPLET, "", "n s r",
			 "first=1799999700000 last=1799999700000 passed=0 passes=0");

	(void)state;
	assert_int_equal(erase(known).result, ERR_MISSING);
	assert_int_equal(erase(limit).result, ERR_MISSING);
	assert_int_equal(erase(grey).result, ERR_MISSING);
	known.expires_ms = START + 10;
	assert_int_equal(put(known, START).result, OK);
	assert_int_equal(put(limit, START).result, OK);
	assert_int_equal(put(grey, START).result, OK);
	check_known("trap k", START + 9, "v");
	check_known("trap k", START + 10, NULL);
	check_count("user anna", &count, START, "6/1h");
	check_touch("n s r", START, false, "first=300 last=300 passes=0");
	assert_int_equal(put(known, START).result, OK);
	assert_int_equal(erase(known).result, OK);
	assert_int_equal(erase(limit).result, OK);
	assert_int_equal(erase(grey).result, OK);
	check_known("trap k", START, NULL);
	check_count("user anna", &count, START, "1/1h");
	check_touch("n s r", START, false, NULL);
}

/* What expires by its own date is gone, whatever its terms say. */
static void test_honours_expiry(void **state)
{
	struct tally_count count = count_of("9/1h", 1);
	struct store_entry limit =
		entry_of(STORE_TALLY, "user", "anna", "window 3600000 5 1800000000000+5");
	struct store_entry grey =
		entry_of(STORE_TRIPLET, "", "n s r",
			 "first=1799999700000 last=1799999700000 passed=1 passes=1");

	(void)state;
	limit.expires_ms = grey.expires_ms = START + 100;
	assert_int_equal(put(limit, START).result, OK);
	assert_int_equal(put(grey, START).result, OK);
	check_touch("n s r", START + 99, true,
		    "first=300.099 last=300.099 passed=1800000000.098 passes=1");
	check_touch("n s r", START + 100, true, NULL);
	check_count("user anna", &count, START + 100, "1/1h");
	assert_int_equal(put(limit, START + 100).result, ERR_SYNTAX); /* has expired */
	assert_int_equal(put(limit, START + 99).result, OK);
	assert_int_equal(page_of((struct store_page){ .class = STORE_TRIPLET }).count, 1);
}

static void test_looks_at_entries(void **state)
{
	static char longest[STORE_KEY_MAX + 2], name[STORE_SET_MAX + 2];
	static const struct {
		const char *name;
		enum store_class class;
		const char *set, *key, *value;
		enum err want;
	} cases[] = {
		{ "longest key", STORE_KNOWN, "s", longest + 1, "v", OK },
		{ "one longer", STORE_KNOWN, "s", longest, "v", ERR_SYNTAX },
		{ "longest set", STORE_KNOWN, name + 1, "k", "v", OK },
		{ "one longer", STORE_KNOWN, name, "k", "v", ERR_SYNTAX },
		{ "no key", STORE_KNOWN, "s", "", "v", ERR_SYNTAX },
		{ "no set", STORE_KNOWN, "", "k", "v", ERR_SYNTAX },
		{ "no limit", STORE_TALLY, "", "k", "window 1000 1 5+1", ERR_SYNTAX },
		{ "a set for greylisting", STORE_TRIPLET, "s", "k",
		  "first=1 last=1 passed=0 passes=0", ERR_SYNTAX },
		{ "a blank in a set", STORE_KNOWN, "s t", "k", "v", ERR_SYNTAX },
		{ "a control character in a set", STORE_KNOWN, "\ts", "k", "v", ERR_SYNTAX },
		{ "blanks in a key", STORE_KNOWN, "s", "a b c", "v", OK },
		{ "a control character", STORE_KNOWN, "s", "a\nb", "v", ERR_SYNTAX },
		{ "no UTF-8", STORE_KNOWN, "s", "a\xff", "v", ERR_SYNTAX },
		{ "a control character in UTF-8", STORE_KNOWN, "s", "a\xc2\x85", "v", ERR_SYNTAX },
		{ "UTF-8", STORE_KNOWN, "s", "\xc3\xbc", "\xc3\xbc", OK },
		{ "an empty value", STORE_KNOWN, "s", "k", "", OK },
		{ "a line feed in a value", STORE_KNOWN, "s", "k", "a\nb", ERR_SYNTAX },
		{ "no tally", STORE_TALLY, "l", "k", "v", ERR_SYNTAX },
		{ "an empty tally", STORE_TALLY, "l", "k", "", ERR_SYNTAX },
		{ "a tally", STORE_TALLY, "l", "k", "raised 0 none", OK },
		{ "no triplet", STORE_TRIPLET, "", "k", "first=1", ERR_SYNTAX },
		{ "a set of ours alone", STORE_KNOWN, "classic.message", "k", "v", ERR_SYNTAX },
		{ "another", STORE_KNOWN, "classic.errors", "k", "v", ERR_SYNTAX },
	};
	struct store_entry entry = entry_of(STORE_KNOWN, "s", "k", "v");
	char *value = malloc(STORE_VALUE_MAX + 1);

	(void)state;
	memset(longest, 'k', STORE_KEY_MAX + 1);
	memset(name, 's', STORE_SET_MAX + 1);
	for (size_t i = 0; i < COUNT(cases); i++) {
		entry = entry_of(cases[i].class, cases[i].set, cases[i].key, cases[i].value);
		if (put(entry, START).result != cases[i].want)
			fail_msg("%s", cases[i].name);
	}
	entry = entry_of(STORE_KNOWN, "s", "k", "v");
	entry.expires_ms = -1;
	assert_int_equal(put(entry, START).result, ERR_SYNTAX);
	assert_non_null(value);
	memset(value, 'v', STORE_VALUE_MAX + 1);
	entry.expires_ms = 0;
	entry.value = span_of(value, STORE_VALUE_MAX);
	assert_int_equal(put(entry, START).result, OK);
	entry.value = span_of(value, STORE_VALUE_MAX + 1);
	assert_int_equal(put(entry, START).result, ERR_SYNTAX);
	free(value);
}

/* --- pages --- */

static void test_pages_in_order(void **state)
{
	struct page_seen page;

	(void)state;
	remember("b", "2", "v", 0);
	remember("a", "10", "v", 0);
	remember("a", "1", "v", 0);
	remember("b", "1", "gone", 0);
	remember("a-b", "x", "v", 0);
	remember("classic.message", "c", "ours", 0);
	remember("b", "1", NULL, 0);
	check_touch("ours", START, false, NULL); /* is no set */
	page = page_of((struct store_page){ .class = STORE_KNOWN });
	assert_string_equal(page.text, "a 1=v;a 10=v;a-b x=v;b 2=v;");
	assert_false(page.has_more);
	page = page_of((struct store_page){ .class = STORE_KNOWN, .most = 2 });
	assert_string_equal(page.text, "a 1=v;a 10=v;");
	assert_true(page.has_more);
	page = page_of((struct store_page){ .class = STORE_KNOWN,
					    .most = 2,
					    .after_set = span_cstr(page.next_set),
					    .after = span_cstr(page.next) });
	assert_string_equal(page.text, "a-b x=v;b 2=v;");
	assert_false(page.has_more);
	page = page_of((struct store_page){ .class = STORE_KNOWN, .set = SPAN("a") });
	assert_string_equal(page.text, "a 1=v;a 10=v;");
	page = page_of((struct store_page){ .class = STORE_KNOWN,
					    .set = SPAN("a"),
					    .after_set = SPAN("a"),
					    .after = SPAN("1") });
	assert_string_equal(page.text, "a 10=v;");
	page = page_of((struct store_page){ .class = STORE_KNOWN, .contains = SPAN("0") });
	assert_string_equal(page.text, "a 10=v;");
	page = page_of((struct store_page){ .class = STORE_KNOWN, .set = SPAN("nobody") });
	assert_string_equal(page.text, "");
	page = page_of((struct store_page){ .class = STORE_KNOWN, .set = SPAN("classic.message") });
	assert_string_equal(page.text, "");
}

static void test_pages_of_limits(void **state)
{
	static const char tally[] = "raised 0 none";
	struct page_seen page;

	(void)state;
	put(entry_of(STORE_TALLY, "user", "Bob", tally), START);
	put(entry_of(STORE_TALLY, "user", "anna", tally), START);
	put(entry_of(STORE_TALLY, "user-hour", "anna", tally), START);
	put(entry_of(STORE_TALLY, "net", "192.0.2.0/24", tally), START);
	put(entry_of(STORE_TRIPLET, "", "user anna", "first=1 last=1 passed=0 passes=0"), START);
	page = page_of((struct store_page){ .class = STORE_TALLY });
	assert_string_equal(page.text, "net 192.0.2.0/24=raised 0 none;user Bob=raised 0 none;"
				       "user anna=raised 0 none;user-hour anna=raised 0 none;");
	page = page_of((struct store_page){ .class = STORE_TALLY, .set = SPAN("user") });
	assert_int_equal(page.count, 2);
	page = page_of((struct store_page){ .class = STORE_TALLY, .contains = SPAN("BOB") });
	assert_int_equal(page.count, 1);
	page = page_of((struct store_page){ .class = STORE_TALLY, .contains = SPAN("user") });
	assert_int_equal(page.count, 0); /* that is in names alone */
	page = page_of((struct store_page){
		.class = STORE_TALLY, .after_set = SPAN("user"), .after = SPAN("Bob") });
	assert_int_equal(page.count, 2);
	page = page_of((struct store_page){ .class = STORE_TALLY,
					    .set = SPAN("user"),
					    .after_set = SPAN("user"),
					    .after = SPAN("Bob") });
	assert_string_equal(page.text, "user anna=raised 0 none;");
	page = page_of((struct store_page){ .class = STORE_TRIPLET });
	assert_int_equal(page.count, 1);
	assert_string_equal(page.next, "user anna");
}

/* Every entry comes once, in order, however many pages it takes. */
static void test_many_pages(void **state)
{
	enum { ENTRIES = 2500, MOST = 100 };
	char key[16], last[16] = "";
	struct page_seen page = { .has_more = true };
	uint32_t count = 0;

	(void)state;
	for (int i = 0; i < ENTRIES; i++) {
		snprintf(key, sizeof(key), "k%d", i * 7919 % ENTRIES);
		check_touch(key, START, false, NULL);
	}
	while (page.has_more) {
		page = page_of((struct store_page){
			.class = STORE_TRIPLET, .after = span_cstr(last), .most = MOST });
		assert_true(strcmp(page.next, last) > 0);
		assert_int_equal(page.count, MOST);
		count += page.count;
		snprintf(last, sizeof(last), "%.15s", page.next);
		check_touch("k", START, false, count == MOST ? NULL : "first=0 last=0 passes=0");
	}
	assert_int_equal(count, ENTRIES);
}

static void test_pages_have_a_size(void **state)
{
	char *value = malloc(STORE_VALUE_MAX), key[16];
	struct store_entry entry = entry_of(STORE_KNOWN, "s", "k", "");
	struct page_seen page;

	(void)state;
	assert_non_null(value);
	memset(value, 'v', STORE_VALUE_MAX);
	entry.value = span_of(value, STORE_VALUE_MAX);
	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "%03d", i);
		entry.key = span_cstr(key);
		assert_int_equal(put(entry, START).result, OK);
	}
	page = page_of((struct store_page){ .class = STORE_KNOWN });
	assert_in_range(page.count, 80, 90);
	assert_true(page.has_more);
	page = page_of((struct store_page){
		.class = STORE_KNOWN, .after_set = SPAN("s"), .after = span_cstr(page.next) });
	assert_false(page.has_more);
	free(value);
}

static void test_pages_are_looked_at(void **state)
{
	static char longest[STORE_KEY_MAX + 1];
	struct store_page wanted = { .class = STORE_KNOWN, .most = 1 };
	struct page_seen page = { .calls = 0 };

	(void)state;
	memset(longest, 'x', sizeof(longest));
	wanted.contains = span_of(longest, STORE_KEY_MAX);
	store_page(port, &wanted, START, seen, &page);
	assert_int_equal(page.result, OK);
	wanted.contains = span_of(longest, STORE_KEY_MAX + 1);
	store_page(port, &wanted, START, seen, &page);
	assert_int_equal(page.result, ERR_SYNTAX);
}

/* --- bounds and figures --- */

static void test_bound_is_for_both(void **state)
{
	enum { BOUND = 10 };
	struct tally_count count = count_of("9/1h", 1);
	struct store_figures figures;
	char key[16];

	(void)state;
	close_store();
	open_store(BOUND);
	for (int i = 0; i < BOUND; i++) {
		snprintf(key, sizeof(key), "l k%d", i);
		if (i % 2 == 0)
			check_count(key, &count, START, "1/1h");
		else
			check_touch(key, START, false, NULL);
	}
	store_figures(store, &figures);
	assert_int_equal(figures.entries, BOUND);
	assert_int_equal(figures.evicted, 0);
	check_count("l k0", &count, START, "2/1h"); /* at the limit all are there */
	check_touch("l k10", START, false, NULL);   /* one beyond: the least used goes */
	check_count("l k0", &count, START, "3/1h");
	check_touch("l k1", START, false, NULL);
	store_figures(store, &figures);
	assert_int_equal(figures.entries, BOUND);
	assert_int_equal(figures.evicted, 2);
}

static void test_figures(void **state)
{
	struct tally_count count = count_of("9/1h", 1);
	struct store_figures figures;

	(void)state;
	check_count("l k", &count, START, "1/1h");
	check_touch("n s r", START, false, NULL);
	check_touch("n s r", START, false, "first=0 last=0 passes=0");
	remember("s", "k", "v", 1);
	check_known("s k", START, "v"); /* recalled, and asked */
	store_figures(store, &figures);
	assert_int_equal(figures.counts, 1);
	assert_int_equal(figures.touches, 2);
	assert_int_equal(figures.writes, 1);
	assert_int_equal(figures.reads, 2);
	assert_int_equal(figures.entries, 3);
	assert_true(figures.bytes > 0);
	assert_int_equal(figures.failures, 0);
	check_known("s k", START + 1, NULL);
	store_figures(store, &figures);
	assert_int_equal(figures.expired, 1);
	assert_int_equal(figures.entries, 2);
}

static void on_say(void *self, enum store_level level, const char *text)
{
	assert_int_equal(level, STORE_WARNING);
	snprintf(self, 64, "%s", text);
}

static void test_says(void **state)
{
	char said[64] = "";
	char path[] = "path";
	struct store_options options = {
		.kind = STORE_MEMORY, .path = span_cstr(path), .say = on_say, .self = said
	};
	struct store *other;
	TEXT(why, 200);

	(void)state;
	assert_int_equal(store_open(&options, &why, &other), OK);
	path[0] = 'x';
	check_span(other->options.path, SPAN("path"), "copied");
	store_say(other, STORE_WARNING, "gone %d", 5);
	assert_string_equal(said, "gone 5");
	store_close(other);
	store_say(store, STORE_WARNING, "nobody listens");
}

static void test_names(void **state)
{
	(void)state;
	check_span(store_class_name(STORE_KNOWN), SPAN("known"), "known");
	check_span(store_class_name(STORE_TALLY), SPAN("limit"), "limit");
	check_span(store_class_name(STORE_TRIPLET), SPAN("greylist"), "greylist");
	assert_true(store_set_is_local(SPAN("classic.message")));
	assert_true(store_set_is_local(SPAN("classic.errors")));
	assert_false(store_set_is_local(SPAN("classic.ham")));
}

/* --- threads --- */

enum { THREADS = 4, EACH = 500, LIMIT = 1234 };

static void *count_to_limit(void *argument)
{
	struct store_port *own = store_port_open(store, NULL);
	struct tally_count count = { .amount = 1 };
	int *passed = argument;

	assert_int_equal(rates_parse(SPAN("1234/1h"), &count.rates), OK);
	for (int i = 0; i < EACH; i++) {
		struct fact fact = { .kind = FACT_TALLY, .key = SPAN("l k"), .count = &count };
		struct tally_result result = { .count = 0 };

		ask(own, &fact, START + i, false);
		assert_int_equal(fact.state, FACT_KNOWN);
		assert_int_equal(tally_item_parse(fact.item[0], &result), OK);
		*passed += tally_over(&result, &count.rates) < 0;
		store_release(own, &fact);
	}
	store_port_close(own);
	return NULL;
}

static void test_threads_count_exactly(void **state)
{
	pthread_t thread[THREADS];
	int passed[THREADS] = { 0 }, sum = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, count_to_limit, &passed[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(thread[i], NULL), 0);
		sum += passed[i];
	}
	assert_int_equal(sum, LIMIT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_counts),
		TEST(test_greylists),
		TEST(test_rehearsals_change_nothing),
		TEST(test_remembers),
		TEST(test_puts_and_erases),
		TEST(test_honours_expiry),
		TEST(test_looks_at_entries),
		TEST(test_pages_in_order),
		TEST(test_pages_of_limits),
		TEST(test_many_pages),
		TEST(test_pages_have_a_size),
		TEST(test_pages_are_looked_at),
		TEST(test_bound_is_for_both),
		TEST(test_figures),
		TEST(test_says),
		TEST(test_names),
		TEST(test_threads_count_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
