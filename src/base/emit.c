/* emit.c -- JSON under construction. */
#include "base/emit.h"

#include "base/escape.h"

#include <math.h>
#include <stdlib.h>

enum { EMIT_FIRST_BYTES = 4096 };

static bool emit_grow(struct emit *emit, size_t bytes)
{
	size_t room = emit->room == 0 ? EMIT_FIRST_BYTES : emit->room;
	char *grown;

	if (emit->failed || bytes > EMIT_BYTES_MAX - emit->len) {
		emit->failed = true;
		return false;
	}
	while (room < emit->len + bytes)
		room *= 2;
	grown = realloc(emit->at, room);
	if (grown == NULL) {
		emit->failed = true;
		return false;
	}
	emit->at = grown;
	emit->room = room;
	return true;
}

static void emit_bytes(struct emit *emit, struct span bytes)
{
	/* One byte is always kept for the NUL of emit_take(). */
	if (emit->room - emit->len <= bytes.len && !emit_grow(emit, bytes.len + 1))
		return;
	if (bytes.len > 0)
		memcpy(emit->at + emit->len, bytes.at, bytes.len);
	emit->len += bytes.len;
}

static void emit_comma(struct emit *emit)
{
	if (emit->needs_comma)
		emit_bytes(emit, SPAN(","));
	emit->needs_comma = true;
}

void emit_begin(struct emit *emit, char bracket)
{
	emit_comma(emit);
	emit_bytes(emit, span_of(&bracket, 1));
	emit->needs_comma = false;
}

void emit_end(struct emit *emit, char bracket)
{
	emit_bytes(emit, span_of(&bracket, 1));
	emit->needs_comma = true;
}

void emit_key(struct emit *emit, struct span key)
{
	emit_text(emit, key);
	emit_bytes(emit, SPAN(":"));
	emit->needs_comma = false;
}

static void emit_escaped(struct emit *emit, uint32_t c)
{
	TEXT(escaped, 12);

	if (c == '"' || c == '\\')
		text_addf(&escaped, "\\%c", (char)c);
	else if (c == '\n')
		text_add(&escaped, SPAN("\\n"));
	else if (c == '\t')
		text_add(&escaped, SPAN("\\t"));
	else
		text_addf(&escaped, "\\u%04x", c);
	emit_bytes(emit, text_span(&escaped));
}

/* How many bytes at the front of s may stand in a string as they are. */
static size_t plain_bytes(struct span s)
{
	size_t i = 0;

	while (i < s.len) {
		uint32_t c;
		size_t len = utf8_decode(span_from(s, i), &c);

		if (len == 0 || !utf8_is_plain(c))
			break;
		i += len;
	}
	return i;
}

void emit_text(struct emit *emit, struct span text)
{
	emit_comma(emit);
	emit_bytes(emit, SPAN("\""));
	while (text.len > 0) {
		size_t plain = plain_bytes(text);
		uint32_t c = 0xfffd;
		size_t len;

		emit_bytes(emit, span_first(text, plain));
		text = span_from(text, plain);
		if (text.len == 0)
			break;
		len = utf8_decode(text, &c);
		emit_escaped(emit, c);
		text = span_from(text, len == 0 ? 1 : len);
	}
	emit_bytes(emit, SPAN("\""));
}

void emit_int(struct emit *emit, int64_t number)
{
	TEXT(digits, 24);

	text_add_int(&digits, number);
	emit_raw(emit, text_span(&digits));
}

void emit_double(struct emit *emit, double number)
{
	TEXT(digits, 32);

	if (!isfinite(number)) {
		emit_null(emit);
		return;
	}
	text_add_double(&digits, number);
	emit_raw(emit, text_span(&digits));
}

void emit_bool(struct emit *emit, bool truth)
{
	emit_raw(emit, truth ? SPAN("true") : SPAN("false"));
}

void emit_null(struct emit *emit)
{
	emit_raw(emit, SPAN("null"));
}

void emit_raw(struct emit *emit, struct span json)
{
	emit_comma(emit);
	emit_bytes(emit, json);
}

char *emit_take(struct emit *emit)
{
	char *text = NULL;

	emit_bytes(emit, SPAN(""));
	if (!emit->failed) {
		text = emit->at;
		text[emit->len] = '\0';
		emit->at = NULL;
	}
	emit_release(emit);
	return text;
}

void emit_clear(struct emit *emit)
{
	emit->len = 0;
	emit->needs_comma = emit->failed = false;
}

void emit_release(struct emit *emit)
{
	free(emit->at);
	*emit = (struct emit){ 0 };
}
