/* key_test.c -- the keys under which is counted and remembered. */
#include "../unit.h"

#include "base/escape.h"
#include "weigh/key.h"

static void test_adds_parts(void **state)
{
	static const struct {
		const char *name;
		struct span part[3];
		struct span want;
	} cases[] = {
		{ "a triplet",
		  { SPAN_INIT("192.0.2.0/24"), SPAN_INIT("Anna@Example.ORG"), SPAN_INIT("bob@b") },
		  SPAN_INIT("192.0.2.0/24 anna@example.org bob@b") },
		{ "an empty part",
		  { SPAN_INIT("a"), SPAN_INIT(""), SPAN_INIT("b") },
		  SPAN_INIT("a <> b") },
		{ "empty in front",
		  { SPAN_INIT(""), SPAN_INIT("a"), SPAN_INIT("") },
		  SPAN_INIT("<> a <>") },
		{ "blanks, controls, percent",
		  { SPAN_INIT("a b"), SPAN_INIT("\t\n\x7f\0z"), SPAN_INIT("50%") },
		  SPAN_INIT("a%20b %09%0a%7f%00z 50%25") },
		{ "UTF-8 stays, what is none does not",
		  { SPAN_INIT("\xc3\xbc"), SPAN_INIT("\xff\xc3"), SPAN_INIT("\xc2\x85") },
		  SPAN_INIT("\xc3\xbc %ff%c3 %c2%85") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		TEXT(key, KEY_ROOM);

		for (int part = 0; part < 3; part++)
			key_add(&key, cases[i].part[part]);
		key_finish(&key);
		check_span(text_span(&key), cases[i].want, cases[i].name);
	}
}

static void fill(char *at, size_t len, char c)
{
	memset(at, c, len);
}

static void make(struct text *key, const char *bytes, size_t len)
{
	text_clear(key);
	key_add(key, span_of(bytes, len));
	key_finish(key);
}

static void test_shortens(void **state)
{
	char bytes[KEY_MAX + 1];
	TEXT(key, KEY_ROOM);
	TEXT(other, KEY_ROOM);

	(void)state;
	fill(bytes, sizeof(bytes), 'a');
	make(&key, bytes, KEY_MAX);
	assert_int_equal(key.len, KEY_MAX);
	assert_int_equal(span_find(text_span(&key), '~'), KEY_MAX); /* at the limit: whole */
	make(&key, bytes, KEY_MAX + 1);
	assert_int_equal(key.len, KEY_MAX);
	assert_int_equal(key.at[KEY_MAX - 17], '~');
	bytes[KEY_MAX] = 'b';
	make(&other, bytes, KEY_MAX + 1);
	assert_int_equal(other.len, KEY_MAX);
	assert_false(span_equal(text_span(&key), text_span(&other)));
}

static void test_cuts_between_characters(void **state)
{
	(void)state;
	for (size_t front = 0; front < 4; front++) {
		char bytes[300];
		uint32_t c;
		TEXT(key, KEY_ROOM);

		fill(bytes, front, 'a');
		for (size_t i = front; i + 3 <= sizeof(bytes); i += 3)
			memcpy(bytes + i, "\xe2\x82\xac", 3);
		make(&key, bytes, front + (sizeof(bytes) - front) / 3 * 3);
		assert_true(key.len <= KEY_MAX);
		for (struct span rest = text_span(&key); rest.len > 0;) {
			size_t len = utf8_decode(rest, &c);

			assert_true(len > 0);
			rest = span_from(rest, len);
		}
		fill(bytes + front, sizeof(bytes) - front, '\t'); /* no %xx is cut, either */
		make(&key, bytes, sizeof(bytes));
		assert_true(key.len <= KEY_MAX);
		assert_int_equal((span_find(text_span(&key), '~') - front) % 3, 0);
	}
}

static void test_longest_parts_fit(void **state)
{
	static char bytes[8192];
	enum { PARTS = 6 };
	TEXT(key, KEY_ROOM);
	TEXT(other, KEY_ROOM);

	(void)state;
	fill(bytes, sizeof(bytes), '\xff');
	for (int i = 0; i < PARTS; i++)
		key_add(&key, span_of(bytes, sizeof(bytes)));
	assert_false(key.overrun);
	key_finish(&key);
	for (int i = 0; i < PARTS; i++)
		key_add(&other, span_of(bytes, sizeof(bytes) - (i == PARTS - 1)));
	key_finish(&other);
	assert_int_equal(key.len, other.len);
	assert_false(span_equal(text_span(&key), text_span(&other)));
}

static void test_reads_words(void **state)
{
	static const struct {
		struct span words, want;
	} cases[] = {
		{ SPAN_INIT("  192.0.2.0/24   Anna@example.org <> "),
		  SPAN_INIT("192.0.2.0/24 anna@example.org <>") },
		{ SPAN_INIT("a%20b"), SPAN_INIT("a%20b") },
		{ SPAN_INIT("A%2FB %fF"), SPAN_INIT("a%2fb %ff") },
		{ SPAN_INIT("50% x%2"), SPAN_INIT("50%25 x%252") },
		{ SPAN_INIT("a\tb"), SPAN_INIT("a%09b") },
		{ SPAN_INIT("   "), SPAN_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		TEXT(key, KEY_ROOM);
		TEXT(again, KEY_ROOM);

		key_of_words(&key, cases[i].words);
		check_span(text_span(&key), cases[i].want, "words");
		key_of_words(&again, text_span(&key));
		check_span(text_span(&again), text_span(&key), "again");
	}
}

/* On all hosts and for ever: these are in stores. */
static void test_hash_stays(void **state)
{
	TEXT(text, 64);

	(void)state;
	text_add_hash(&text, key_hash(SPAN("")));
	text_add_char(&text, ' ');
	text_add_hash(&text, key_hash(SPAN("2f1.673f2b0a.1b2c3.0")));
	text_add_char(&text, ' ');
	text_add_hash(&text, 0xab);
	check_span(text_span(&text), SPAN("74c985cd8b89c08f 23d6d24c80ec5cd4 00000000000000ab"),
		   "hash");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_adds_parts),
		cmocka_unit_test(test_shortens),
		cmocka_unit_test(test_cuts_between_characters),
		cmocka_unit_test(test_longest_parts_fit),
		cmocka_unit_test(test_reads_words),
		cmocka_unit_test(test_hash_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
