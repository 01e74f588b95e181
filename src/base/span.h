/* span.h -- a stretch of somebody else's bytes: pointer and length, never owned.
 *
 * Bytes are raw: a NUL or a byte above 126 may stand anywhere.  Letters are compared in ASCII
 * only, never by locale.
 */
#pragma once
#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
	const char *at;
	size_t len;
};

#define SPAN_INIT(literal)                                                                         \
	{                                                                                          \
		"" literal, sizeof(literal) - 1                                                    \
	}
#define SPAN(literal) ((struct span)SPAN_INIT(literal))
/* for printf's "%.*s": only for text that is known to be clean */
#define SPAN_ARG(s) (int)(s).len, (s).at

static inline struct span span_of(const char *at, size_t len)
{
	return (struct span){ at, len };
}

static inline struct span span_cstr(const char *text)
{
	return (struct span){ text, strlen(text) };
}

/** What follows the first count bytes; empty beyond the end. */
static inline struct span span_from(struct span s, size_t count)
{
	if (count > s.len)
		count = s.len;
	return (struct span){ s.at + count, s.len - count };
}

/** The first count bytes, or all. */
static inline struct span span_first(struct span s, size_t count)
{
	return (struct span){ s.at, count < s.len ? count : s.len };
}

static inline bool span_is_empty(struct span s)
{
	return s.len == 0;
}

static inline bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline bool ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_is_letter(char c)
{
	c = ascii_lower(c);
	return c >= 'a' && c <= 'z';
}

bool span_is_ascii(struct span s);

bool span_equal_nocase(struct span a, struct span b);

/** Bytewise order; <0, 0, >0. */
int span_compare(struct span a, struct span b);

bool span_starts(struct span s, struct span prefix);
bool span_starts_nocase(struct span s, struct span prefix);
bool span_ends(struct span s, struct span suffix);
bool span_ends_nocase(struct span s, struct span suffix);

/** Position of the first or last c; s.len where there is none. */
static inline size_t span_find(struct span s, char c)
{
	const char *found = s.len == 0 ? NULL : memchr(s.at, c, s.len);

	return found == NULL ? s.len : (size_t)(found - s.at);
}

size_t span_rfind(struct span s, char c);

/** Position of the first needle; s.len where there is none (0 for an empty needle). */
size_t span_find_span(struct span s, struct span needle);

static inline bool span_has(struct span s, struct span needle)
{
	return needle.len == 0 || span_find_span(s, needle) < s.len;
}

/** Without blanks and tabs at both ends. */
struct span span_trim(struct span s);

/** Take what stands before the first separator off the front of rest, the separator too.
 *
 * @return false when rest was empty; without a separator all of rest is the head
 */
bool span_cut(struct span *rest, char separator, struct span *head_out);
