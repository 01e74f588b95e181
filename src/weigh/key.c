/* key.c -- the keys under which is counted and remembered. */
#include "weigh/key.h"

#include "base/escape.h"
#include "base/hash.h"

enum { HASH_DIGITS = 16, SHORTENED_MAX = KEY_MAX - 1 - HASH_DIGITS };

static const char hex_digit[] = "0123456789abcdef";

uint64_t key_hash(struct span s)
{
	/* Never to be changed: stores are full of it. */
	static const struct hash_key fixed = { { UINT64_C(0x7765696768642d6b),
						 UINT64_C(0x65792d666f726576) } };

	return hash_span(&fixed, s);
}

void text_add_hash(struct text *text, uint64_t hash)
{
	char digits[HASH_DIGITS];

	for (size_t i = 0; i < HASH_DIGITS; i++)
		digits[i] = hex_digit[hash >> (4 * (HASH_DIGITS - 1 - i)) & 0xf];
	text_add(text, span_of(digits, HASH_DIGITS));
}

static void add_coded(struct text *key, char c)
{
	text_add_char(key, '%');
	text_add_char(key, hex_digit[(unsigned char)c >> 4]);
	text_add_char(key, hex_digit[(unsigned char)c & 0xf]);
}

static bool is_hex(char c)
{
	c = ascii_lower(c);
	return ascii_is_digit(c) || (c >= 'a' && c <= 'f');
}

/* Is it %xx already? */
static bool is_coded(struct span s)
{
	return s.len >= 3 && s.at[0] == '%' && is_hex(s.at[1]) && is_hex(s.at[2]);
}

static bool is_control(uint32_t c)
{
	return c < ' ' || (c >= 0x7f && c < 0xa0);
}

/* One character of a part; is_typed: %xx stands for itself. */
static size_t add_character(struct text *key, struct span s, bool is_typed)
{
	uint32_t c;
	size_t len = utf8_decode(s, &c);
	bool is_plain = len > 0 && !is_control(c) && c != ' ' && c != '%';

	if (is_plain || (is_typed && is_coded(s))) {
		text_add_lower(key, span_first(s, len));
		return len;
	}
	if (len == 0)
		len = 1;
	for (size_t i = 0; i < len; i++)
		add_coded(key, s.at[i]);
	return len;
}

static void add_part(struct text *key, struct span part, bool is_typed)
{
	struct span rest = span_first(part, KEY_PART_MAX);

	if (key->len > 0)
		text_add_char(key, ' ');
	if (span_is_empty(part))
		text_add(key, SPAN("<>"));
	while (!span_is_empty(rest))
		rest = span_from(rest, add_character(key, rest, is_typed));
	if (part.len > KEY_PART_MAX) {
		text_add_char(key, '~');
		text_add_hash(key, key_hash(part));
	}
}

void key_add(struct text *key, struct span part)
{
	add_part(key, part, false);
}

/* How many of the first bytes are whole characters, and no %xx is cut. */
static size_t whole_len(struct span s, size_t most)
{
	size_t len = most;

	while (len > 0 && ((unsigned char)s.at[len] & 0xc0) == 0x80)
		len--;
	for (size_t back = 1; back <= 2 && back <= len; back++)
		if (s.at[len - back] == '%')
			return len - back;
	return len;
}

void key_finish(struct text *key)
{
	uint64_t hash;

	if (key->len <= KEY_MAX && !key->overrun)
		return;
	hash = key_hash(text_span(key));
	if (key->len > SHORTENED_MAX)
		key->len = whole_len(text_span(key), SHORTENED_MAX);
	key->overrun = false;
	text_add_char(key, '~');
	text_add_hash(key, hash);
}

void key_of_words(struct text *key, struct span words)
{
	struct span rest = span_trim(words), word;

	while (span_cut(&rest, ' ', &word)) {
		add_part(key, word, true);
		rest = span_trim(rest);
	}
	key_finish(key);
}
