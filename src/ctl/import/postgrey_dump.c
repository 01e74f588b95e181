/* postgrey_dump.c -- what db_dump writes of a Berkeley DB, line by line.
 *
 *	VERSION=3
 *	format=bytevalue | format=print		two hexadecimal digits a byte, or \XX where needed
 *	HEADER=END
 *	 key
 *	 value
 *	DATA=END
 *
 * Source: db_dump(1) of Berkeley DB 5.3.
 */
#include "ctl/import/postgrey_priv.h"

static int hex_digit(char c)
{
	c = ascii_lower(c);
	if (ascii_is_digit(c))
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* @return -1: no two digits are there */
static int hex_byte(struct span s)
{
	int high = s.len >= 2 ? hex_digit(s.at[0]) : -1;
	int low = s.len >= 2 ? hex_digit(s.at[1]) : -1;

	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* One byte off the front.  @return -1: not of the format */
static int take_byte(struct span *rest, bool is_printable)
{
	int byte;

	if (is_printable && rest->at[0] != '\\') {
		byte = (unsigned char)rest->at[0];
		*rest = span_from(*rest, 1);
		return byte;
	}
	if (is_printable)
		*rest = span_from(*rest, 1);
	if (is_printable && span_starts(*rest, SPAN("\\"))) {
		*rest = span_from(*rest, 1);
		return '\\';
	}
	byte = hex_byte(*rest);
	*rest = span_from(*rest, 2);
	return byte;
}

static bool decode(struct span line, bool is_printable, char *at, size_t *len_out)
{
	struct span rest = span_from(line, 1); /* the blank in front */
	size_t len = 0;

	while (rest.len > 0) {
		int byte = take_byte(&rest, is_printable);

		if (byte < 0 || len == DUMP_TEXT_MAX)
			return false;
		at[len++] = (char)byte;
	}
	*len_out = len;
	return true;
}

static enum dump_event take_outside(struct dump *dump, struct span line)
{
	if (line.len == 0)
		return DUMP_NOTHING;
	if (!span_starts(line, SPAN("VERSION=")))
		return DUMP_BAD;
	dump->state = DUMP_HEADER;
	dump->is_printable = false;
	return DUMP_NOTHING;
}

static enum dump_event take_header(struct dump *dump, struct span line)
{
	if (span_equal(line, SPAN("HEADER=END")))
		dump->state = DUMP_KEY;
	else if (span_equal(line, SPAN("format=print")))
		dump->is_printable = true;
	else if (span_find(line, '=') == line.len)
		return DUMP_BAD;
	return DUMP_NOTHING;
}

static enum dump_event take_data(struct dump *dump, struct span line)
{
	bool is_key = dump->state == DUMP_KEY;

	if (is_key && span_equal(line, SPAN("DATA=END"))) {
		dump->state = DUMP_OUTSIDE;
		return DUMP_NOTHING;
	}
	dump->state = is_key ? DUMP_VALUE : DUMP_KEY;
	if (is_key)
		dump->has_key = false;
	if (!span_starts(line, SPAN(" ")) ||
	    !decode(line, dump->is_printable, is_key ? dump->key : dump->value,
		    is_key ? &dump->key_len : &dump->value_len))
		return DUMP_BAD;
	dump->has_key |= is_key;
	return !is_key && dump->has_key ? DUMP_PAIR : DUMP_NOTHING;
}

enum dump_event dump_take(struct dump *dump, struct span line)
{
	switch (dump->state) {
	case DUMP_OUTSIDE: return take_outside(dump, line);
	case DUMP_HEADER: return take_header(dump, line);
	case DUMP_KEY:
	case DUMP_VALUE: return take_data(dump, line);
	}
	return DUMP_BAD;
}
