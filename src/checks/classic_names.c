/* classic_names.c -- what names look like: the patterns of 4.6 to 4.10, matched by hand. */
#include "checks/classic_priv.h"

static bool is_separator(char c)
{
	return c == '-' || c == '.' || c == '_';
}

/* Where a keyword must end so that at least two dots follow: on the last dot but one. */
static bool second_last_dot(struct span name, size_t *at_out)
{
	size_t dots = 0;

	for (size_t i = name.len; i-- > 0;)
		if (name.at[i] == '.' && ++dots == 2) {
			*at_out = i;
			return true;
		}
	return false;
}

static size_t keyword_at(struct span rest, const struct span *keyword, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (span_starts_nocase(rest, keyword[i]))
			return keyword[i].len;
	return 0;
}

bool classic_is_mail_like(struct span name, struct span *keyword_out)
{
	static const struct span keyword[] = { SPAN_INIT("mx"), SPAN_INIT("smtp"),
					       SPAN_INIT("mail"), SPAN_INIT("dedicated") };
	size_t end;

	if (!second_last_dot(name, &end))
		return false;
	for (size_t i = 0; i < end; i++) {
		struct span rest = span_of(name.at + i, end - i);
		size_t len = 0;

		switch (ascii_lower(name.at[i])) {
		case 'm':
		case 's':
		case 'd': len = keyword_at(rest, keyword, 4); break;
		default: break;
		}
		/* not after an n, as in "dynstat" */
		if (len == 0 && (i == 0 || ascii_lower(name.at[i - 1]) != 'n') &&
		    span_starts_nocase(rest, SPAN("stat")))
			len = 4;
		if (len == 0)
			continue;
		*keyword_out = span_first(rest, len);
		return true;
	}
	return false;
}

/* "rev", and later "ip" or "home"; the length of all of it, or 0. */
static size_t reverse_word_at(struct span rest)
{
	if (!span_starts_nocase(rest, SPAN("rev")))
		return 0;
	for (size_t i = 3; i < rest.len; i++) {
		struct span later = span_from(rest, i);

		if (span_starts_nocase(later, SPAN("ip")))
			return i + 2;
		if (span_starts_nocase(later, SPAN("home")))
			return i + 4;
	}
	return 0;
}

bool classic_is_dynamic_like(struct span name, struct span *keyword_out)
{
	static const struct span keyword[] = { SPAN_INIT(".dip"),  SPAN_INIT("cable"),
					       SPAN_INIT("ppp"),   SPAN_INIT("dial"),
					       SPAN_INIT("dsl"),   SPAN_INIT("dyn"),
					       SPAN_INIT("client") };
	size_t end;

	if (!second_last_dot(name, &end))
		return false;
	for (size_t i = 0; i < end; i++) {
		struct span rest = span_of(name.at + i, end - i);
		size_t len = 0;

		switch (ascii_lower(name.at[i])) {
		case '.':
		case 'c':
		case 'd':
		case 'p': len = keyword_at(rest, keyword, 7); break;
		case 'r': len = reverse_word_at(rest); break;
		default: break;
		}
		if (len == 0)
			continue;
		*keyword_out = span_first(rest, len);
		return true;
	}
	return false;
}

/* One to three digits and a separator; the length of both, or 0. */
static size_t octet_at(struct span s)
{
	size_t digits = 0;

	while (digits < s.len && ascii_is_digit(s.at[digits]))
		digits++;
	if (digits == 0 || digits > 3 || digits == s.len || !is_separator(s.at[digits]))
		return 0;
	return digits + 1;
}

/* Three octets with separators and a digit: the middle of "h-198-51-100-7". */
static bool is_address_at(struct span s)
{
	for (int octets = 0; octets < 3; octets++) {
		size_t len = octet_at(s);

		if (len == 0)
			return false;
		s = span_from(s, len);
	}
	return s.len > 0 && ascii_is_digit(s.at[0]);
}

bool classic_is_address_like(struct span name)
{
	for (size_t i = 0; i + 8 <= name.len; i++)
		if ((ascii_is_letter(name.at[i]) || is_separator(name.at[i])) &&
		    is_address_at(span_from(name, i + 1)))
			return true;
	return false;
}

bool classic_is_numeric(struct span name)
{
	char first, last;

	if (name.len < 3)
		return false;
	first = name.at[0];
	last = name.at[name.len - 1];
	if (!ascii_is_digit(first) && first != '|' && first != '[')
		return false;
	if (!ascii_is_digit(last) && last != '|' && last != ']')
		return false;
	for (size_t i = 1; i + 1 < name.len; i++)
		if (!ascii_is_digit(name.at[i]) && name.at[i] != '.')
			return false;
	return true;
}

/* One part as inet_aton(3) reads it: a leading zero means octal. */
static bool part_value(struct span part, unsigned *value_out)
{
	bool octal = part.len > 1 && part.at[0] == '0';
	unsigned value = 0;

	if (part.len == 0 || part.len > 3)
		return false;
	for (size_t i = 0; i < part.len; i++) {
		if (!ascii_is_digit(part.at[i]) || (octal && part.at[i] > '7'))
			return false;
		value = value * (octal ? 8 : 10) + (unsigned)(part.at[i] - '0');
	}
	*value_out = value;
	return value <= 255;
}

bool classic_is_own_literal(struct span inside, struct span client)
{
	TEXT(written, 16);
	struct span rest = inside, part;
	int parts = 0;

	if (inside.len > 15 || inside.len == 0 || inside.at[inside.len - 1] == '.')
		return false;
	for (; span_cut(&rest, '.', &part); parts++) {
		unsigned value;

		if (parts == 4 || !part_value(part, &value))
			return false;
		if (parts > 0)
			text_add_char(&written, '.');
		text_add_int(&written, value);
	}
	return parts == 4 && span_equal(text_span(&written), client);
}

/* A run of five consonants (no h, s, y) or of four vowels. */
bool classic_is_random(struct span local)
{
	size_t consonants = 0, vowels = 0;

	for (size_t i = 0; i < local.len; i++) {
		char c = local.at[i];
		bool vowel = c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u';
		bool consonant = c >= 'a' && c <= 'z' && !vowel && c != 'h' && c != 's' && c != 'y';

		vowels = vowel ? vowels + 1 : 0;
		consonants = consonant ? consonants + 1 : 0;
		if (vowels == 4 || consonants == 5)
			return true;
	}
	return false;
}

/* The original's idea of private; shared by both of its tests. */
static bool is_private_at(struct span s)
{
	struct span octet;

	if (span_starts(s, SPAN("127.")) || span_starts(s, SPAN("10.")) ||
	    span_starts(s, SPAN("192.168.")))
		return true;
	if (s.len < 7 || !span_starts(s, SPAN("172.")) || s.at[6] != '.')
		return false;
	octet = span_of(s.at + 4, 2);
	return span_compare(octet, SPAN("16")) >= 0 && span_compare(octet, SPAN("31")) <= 0;
}

bool classic_is_private(struct span address)
{
	return address.len > 0 && address.at[0] == '1' && is_private_at(address);
}

/* Anywhere in it, so that 210.1.2.3 is taken for private too. */
bool classic_mentions_private(struct span address)
{
	for (size_t i = 0; i < address.len; i++)
		if (is_private_at(span_from(address, i)))
			return true;
	return false;
}

/* Length of the letters at the end of name; at most max + 1 are counted. */
static size_t letters_at_end(struct span name, size_t max)
{
	size_t count = 0;

	while (count < name.len && count <= max && ascii_is_letter(name.at[name.len - 1 - count]))
		count++;
	return count;
}

static bool is_dot_before(struct span name, size_t count)
{
	return count < name.len && name.at[name.len - 1 - count] == '.';
}

struct span classic_cut_suffix(struct span name)
{
	size_t top = letters_at_end(name, 5);
	struct span rest;

	if (top < 2 || top > 5 || !is_dot_before(name, top))
		return name;
	rest = span_first(name, name.len - top - 1);
	if (top != 2)
		return rest;
	if (letters_at_end(rest, 2) == 2 && is_dot_before(rest, 2))
		return span_first(rest, rest.len - 3);
	if (span_ends(rest, SPAN(".com")) || span_ends(rest, SPAN(".org")) ||
	    span_ends(rest, SPAN(".net")))
		return span_first(rest, rest.len - 4);
	return rest;
}

struct span classic_last_label(struct span name)
{
	size_t dot = span_rfind(name, '.');

	return dot < name.len ? span_from(name, dot + 1) : name;
}

struct span classic_second_label(struct span name)
{
	size_t dot = span_rfind(name, '.');

	return dot < name.len ? classic_last_label(span_first(name, dot)) : name;
}

bool classic_has_inner_label(struct span name, struct span label)
{
	size_t dot = span_rfind(name, '.');
	struct span rest, one;

	if (dot == name.len || label.len == 0)
		return false;
	rest = span_first(name, dot);
	while (span_cut(&rest, '.', &one))
		if (span_equal_nocase(one, label))
			return true;
	return false;
}
