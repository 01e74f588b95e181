/* keys_test.c -- keys that are typed, and words that complete them. */
#include "ctl/keys.h"

#include "../unit.h"

enum { KEYS_HERE = 40 };

static const char *const stored[] = {
	"192.0.2.0/24 anna@example.org bob@example.com",
	"192.0.2.0/24 carl@example.org bob@example.com",
	"2001:db8::/64 anna@example.org dora@example.com",
	"anna@example.org",
};

static void match_all(struct key_match *match, struct span part)
{
	*match = (struct key_match){ .part = part, .is_once = true };
	for (size_t i = 0; i < COUNT(stored); i++) {
		struct span key = span_cstr(stored[i]);

		if (span_has(key, part) && !key_match_add(match, SPAN(""), key))
			return;
	}
}

static void parts_are_found(void **state)
{
	static const struct {
		const char *name;
		struct span part;
		unsigned count;
		const char *first;
	} cases[] = {
		{ "in none", SPAN_INIT("fritz"), 0, "" },
		{ "in one", SPAN_INIT("carl"), 1, "192.0.2.0/24 carl@example.org bob@example.com" },
		{ "in two", SPAN_INIT("bob@"), 2, "192.0.2.0/24 anna@example.org bob@example.com" },
		{ "the key itself, last of three", SPAN_INIT("anna@example.org"), 1,
		  "anna@example.org" },
		{ "of any length", SPAN_INIT(""), 4,
		  "192.0.2.0/24 anna@example.org bob@example.com" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct key_match match;

		match_all(&match, cases[i].part);
		if (match.count != cases[i].count)
			fail_msg("%s: %u", cases[i].name, match.count);
		if (match.count > 0)
			check_span(span_cstr(match.place[0].key), span_cstr(cases[i].first),
				   cases[i].name);
	}
}

/* One key under several names is several places; what is listed twice is one. */
static void places_are_counted(void **state)
{
	struct key_match match = { .part = SPAN("anna") };
	struct key_match sets = { .part = SPAN("anna") };

	(void)state;
	assert_true(key_match_add(&match, SPAN("hour"), SPAN("anna@x")));
	assert_true(key_match_add(&match, SPAN("hour"), SPAN("anna@x")));
	assert_int_equal(match.count, 1);
	assert_true(key_match_add(&match, SPAN("day"), SPAN("anna@x")));
	assert_int_equal(match.count, 2);
	/* The same where the key is what was typed, whole. */
	assert_true(key_match_add(&sets, SPAN("hour"), SPAN("anna")));
	assert_true(key_match_add(&sets, SPAN("hour"), SPAN("joanna")));
	assert_true(key_match_add(&sets, SPAN("day"), SPAN("anna")));
	assert_true(sets.is_exact);
	assert_int_equal(sets.count, 2);
	check_span(span_cstr(sets.place[1].set), SPAN("day"), "second set");
}

static void more_than_are_shown(void **state)
{
	struct key_match match = { .part = SPAN("k") };

	(void)state;
	for (int i = 0; i < KEYS_HERE; i++) {
		TEXT(key, 16);

		text_addf(&key, "key%d", i);
		assert_true(key_match_add(&match, SPAN(""), text_span(&key)));
		assert_int_equal(match.count, i < KEYS_SHOWN_MAX ? i + 1 : KEYS_SHOWN_MAX + 1);
	}
	/* Even then it may come itself. */
	match.is_once = true;
	assert_false(key_match_add(&match, SPAN(""), SPAN("k")));
	assert_int_equal(match.count, 1);
}

static void words_are_completed(void **state)
{
	struct key_words words = { .begun = SPAN("AN") };

	(void)state;
	for (size_t i = 0; i < COUNT(stored); i++)
		assert_true(key_words_add(&words, span_cstr(stored[i])));
	assert_int_equal(words.count, 1);
	check_span(span_cstr(words.word[0]), SPAN("anna@example.org"), "word");
	words = (struct key_words){ .begun = SPAN("") };
	assert_true(key_words_add(&words, SPAN("a  b a")));
	assert_int_equal(words.count, 2);
}

static void words_have_an_end(void **state)
{
	struct key_words words = { .begun = SPAN("w") };

	(void)state;
	for (int i = 0; i < KEYS_WORDS_MAX; i++) {
		TEXT(key, 16);

		text_addf(&key, "w%d", i);
		assert_int_equal(key_words_add(&words, text_span(&key)), i + 1 < KEYS_WORDS_MAX);
	}
	assert_false(key_words_add(&words, SPAN("wone more")));
	assert_int_equal(words.count, KEYS_WORDS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_found),     cmocka_unit_test(places_are_counted),
		cmocka_unit_test(more_than_are_shown), cmocka_unit_test(words_are_completed),
		cmocka_unit_test(words_have_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
