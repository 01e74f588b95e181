/* text.h -- a text under construction in a buffer of fixed size.
 *
 * What does not fit is not written and marks the text overrun, once and for all: build first,
 * ask once at the end.  The buffer usually stands on the stack:
 *
 *	TEXT(name, DNS_NAME_MAX);
 *	text_add(&name, attempt->client_reversed);
 *	text_add_char(&name, '.');
 *	if (name.overrun) ...
 *
 * Not ended by a NUL; text_cstr() sets one.
 */
#pragma once
#include "base/attr.h"
#include "base/span.h"

#include <stdint.h>

struct text {
	char *at;
	size_t len;
	size_t room; /* bytes at at[], one kept for text_cstr() */
	bool overrun;
};

/* The buffer is left uninitialised on purpose: only len bytes of it are ever read. */
#define TEXT(name, bytes_max)                                                                      \
	char name##_bytes[(bytes_max) + 1];                                                        \
	struct text name = { name##_bytes, 0, sizeof(name##_bytes), false }

static inline struct span text_span(const struct text *text)
{
	return span_of(text->at, text->len);
}

static inline void text_clear(struct text *text)
{
	text->len = 0;
	text->overrun = false;
}

/* Added to so often, and so little at a time, that a call would cost more than the work. */
static inline void text_add(struct text *text, struct span s)
{
	if (text->overrun || s.len > text->room - 1 - text->len) {
		text->overrun = true;
		return;
	}
	if (s.len > 0)
		memcpy(text->at + text->len, s.at, s.len);
	text->len += s.len;
}

static inline void text_add_char(struct text *text, char c)
{
	if (text->overrun || text->len + 1 >= text->room)
		text->overrun = true;
	else
		text->at[text->len++] = c;
}

void text_add_lower(struct text *text, struct span s);
void text_add_int(struct text *text, int64_t number);
/** As C's "%.15g", which is how Perl writes numbers; never by locale. */
void text_add_double(struct text *text, double number);
void text_addf(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

/** The text as a C string; valid until the text changes. */
const char *text_cstr(struct text *text);
