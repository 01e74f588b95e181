/* emit.h -- JSON under construction, in memory that grows.
 *
 * Commas and escapes are put where they belong; the caller sees to the nesting.  Numbers are
 * written without locale.  When memory ends, or the text would pass bytes_max, the text is
 * marked failed once and for all: build first, ask once at the end.
 *
 *	struct emit emit = { 0 };
 *
 *	emit_begin(&emit, '{');
 *	emit_key(&emit, SPAN("score"));
 *	emit_double(&emit, 5.85);
 *	emit_end(&emit, '}');
 *	line = emit_take(&emit);
 */
#pragma once
#include "base/span.h"

#include <stdint.h>

enum { EMIT_BYTES_MAX = 64 * 1024 * 1024 };

struct emit {
	char *at;
	size_t len, room;
	bool needs_comma;
	bool failed;
};

/** '{' or '['. */
void emit_begin(struct emit *emit, char bracket);
void emit_end(struct emit *emit, char bracket);

/** A member's name; its value comes next. */
void emit_key(struct emit *emit, struct span key);

/** A string.  Control characters and those that turn or break lines on a screen are written as
 * \uNNNN; a byte that is no UTF-8 as U+FFFD. */
void emit_text(struct emit *emit, struct span text);
void emit_int(struct emit *emit, int64_t number);
/** So many digits that they read back as the same score (15); null where it is no number. */
void emit_double(struct emit *emit, double number);
void emit_bool(struct emit *emit, bool truth);
void emit_null(struct emit *emit);

/** What somebody else has written as JSON. */
void emit_raw(struct emit *emit, struct span json);

/** The text as a malloced C string, the caller's; emit is empty again.  NULL when it failed. */
MUST_USE char *emit_take(struct emit *emit);

/** Start again in the same memory. */
void emit_clear(struct emit *emit);

void emit_release(struct emit *emit);
