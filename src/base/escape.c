/* escape.c -- strangers' text made safe to show. */
#include "base/escape.h"

size_t utf8_decode(struct span s, uint32_t *character_out)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = s.len > 0 ? (unsigned char)s.at[0] : 0xff;
	size_t len = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	uint32_t character = len == 1 ? first : first & (0x7fU >> len);

	if (first > 0xf4 || (first >= 0x80 && first < 0xc2) || len > s.len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		unsigned char next = (unsigned char)s.at[i];

		if ((next & 0xc0) != 0x80)
			return 0;
		character = character << 6 | (next & 0x3f);
	}
	if (character < smallest[len] || character > 0x10ffff ||
	    (character >= 0xd800 && character <= 0xdfff))
		return 0;
	*character_out = character;
	return len;
}

bool utf8_is_plain(uint32_t c)
{
	if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
		return false;
	if (c >= 0x80 && c < 0xa0)
		return false;
	if (c == 0x2028 || c == 0x2029 || c == 0x200e || c == 0x200f || c == 0x61c || c == 0xfeff)
		return false;
	return !(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069);
}

/* One character, or one byte that begins none. */
static size_t text_add_shown(struct text *text, struct span s)
{
	uint32_t c;
	size_t len = utf8_decode(s, &c);

	if (len == 0)
		text_addf(text, "\\x%02x", (unsigned char)s.at[0]);
	else if (utf8_is_plain(c))
		text_add(text, span_first(s, len));
	else
		text_addf(text, c < 0x80 ? "\\x%02x" : "\\u{%x}", c);
	return len == 0 ? 1 : len;
}

void text_add_escaped(struct text *text, struct span s, size_t bytes_max)
{
	size_t added = 0;

	while (s.len > 0) {
		TEXT(shown, 16);
		size_t len = text_add_shown(&shown, s);

		if (added + shown.len > bytes_max) {
			text_add(text, SPAN("..."));
			return;
		}
		text_add(text, text_span(&shown));
		added += shown.len;
		s = span_from(s, len);
	}
}
