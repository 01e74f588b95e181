/* host_holds.c -- does the name of a host hold an address?
 *
 * 203.0.113.7 stands in each of these, with any separators, in capitals or not:
 *
 *	203-0-113-7      the octets from the front
 *	7.113.0.203      from the back
 *	7.red-203-0-113  the last one first
 *	203000113007     three digits each, from either side
 *	cb007107         hexadecimal, from either side; also cb-00-71-07
 *	3405803783       all of it as one number
 *
 * An IPv6 address by its 32 nibbles from either side, or as its text with hyphens for the colons,
 * shortened or not.
 */
#include "checks/host.h"

enum {
	NUMBERS_MAX = 64, /* of one name; what is behind them is not looked at */
	OCTETS = 4,
	NO_OCTET = -1,
	GROUPS_TEXT_MAX = 8 * 5,
};

static bool is_hex_digit(char c)
{
	c = ascii_lower(c);
	return ascii_is_digit(c) || (c >= 'a' && c <= 'f');
}

/* --- octets as numbers --- */

static int64_t number_of(struct span digits)
{
	int64_t number = 0;

	if (digits.len > 10)
		return NO_OCTET;
	for (size_t i = 0; i < digits.len; i++)
		number = number * 10 + (digits.at[i] - '0');
	return number;
}

static size_t numbers_of(struct span name, int64_t number[NUMBERS_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < name.len && count < NUMBERS_MAX;) {
		size_t end = i;
		while (end < name.len && ascii_is_digit(name.at[end]))
			end++;
		if (end > i)
			number[count++] = number_of(span_of(name.at + i, end - i));
		i = end + 1;
	}
	return count;
}

static bool are_octets(const int64_t *number, const uint8_t *octet)
{
	static const uint8_t orders[][OCTETS] = { { 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 3, 0, 1, 2 } };

	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		bool is_so = true;

		for (size_t n = 0; n < OCTETS; n++)
			is_so &= number[n] == octet[orders[i][n]];
		if (is_so)
			return true;
	}
	return false;
}

static bool holds_numbers(struct span name, const uint8_t *octet)
{
	int64_t whole = (int64_t)octet[0] << 24 | octet[1] << 16 | octet[2] << 8 | octet[3];
	int64_t number[NUMBERS_MAX];
	size_t count = numbers_of(name, number);

	for (size_t i = 0; i < count; i++)
		if (number[i] == whole || (i + OCTETS <= count && are_octets(number + i, octet)))
			return true;
	return false;
}

/* --- digits without separators --- */

static void add_without_separators(struct text *text, struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (ascii_is_digit(name.at[i]) || ascii_is_letter(name.at[i]))
			text_add_char(text, ascii_lower(name.at[i]));
}

static bool holds_joined_octets(struct span joined, const uint8_t *octet)
{
	for (unsigned i = 0; i < 4; i++) { /* hexadecimal, decimal; from the front, the back */
		TEXT(digits, 3 * OCTETS);

		for (unsigned n = 0; n < OCTETS; n++) {
			unsigned value = octet[i % 2 == 0 ? n : OCTETS - 1 - n];

			if (i < 2)
				text_addf(&digits, "%02x", value);
			else
				text_addf(&digits, "%03u", value);
		}
		if (span_has(joined, text_span(&digits)))
			return true;
	}
	return false;
}

static bool holds_nibbles(struct span joined, struct ip ip)
{
	TEXT(written, IP_REVERSED_MAX);
	TEXT(forward, IP_REVERSED_MAX);
	TEXT(backward, IP_REVERSED_MAX);

	text_add_ip_full(&written, ip);
	add_without_separators(&forward, text_span(&written));
	text_clear(&written);
	text_add_ip_reversed(&written, ip);
	add_without_separators(&backward, text_span(&written));
	return span_has(joined, text_span(&forward)) || span_has(joined, text_span(&backward));
}

/* --- IPv6 as text --- */

/* Not as a part of a longer number. */
static bool holds_apart(struct span name, struct span text)
{
	for (size_t i = 0; i + text.len <= name.len; i++) {
		size_t end = i + text.len;

		if (span_equal(span_of(name.at + i, text.len), text) &&
		    (i == 0 || !is_hex_digit(name.at[i - 1])) &&
		    (end == name.len || !is_hex_digit(name.at[end])))
			return true;
	}
	return false;
}

static void add_with_hyphens(struct text *text, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = ascii_lower(s.at[i]);
		text_add_char(text, is_hex_digit(c) || ascii_is_letter(c) ? c : '-');
	}
}

static bool holds_groups(struct span name, struct ip ip)
{
	TEXT(hyphened, DOMAIN_TEXT_MAX);
	TEXT(written, IP_TEXT_MAX);
	TEXT(shortened, IP_TEXT_MAX);
	TEXT(groups, GROUPS_TEXT_MAX);

	add_with_hyphens(&hyphened, name);
	text_add_ip(&written, ip);
	add_with_hyphens(&shortened, text_span(&written));
	for (size_t i = 0; i < sizeof(ip.byte); i += 2)
		text_addf(&groups, "%s%x", i > 0 ? "-" : "",
			  (unsigned)ip.byte[i] << 8 | ip.byte[i + 1]);
	return holds_apart(text_span(&hyphened), text_span(&shortened)) ||
	       holds_apart(text_span(&hyphened), text_span(&groups));
}

bool host_holds_address(struct span name, struct ip ip)
{
	TEXT(joined, DOMAIN_TEXT_MAX);

	name = span_first(name, DOMAIN_TEXT_MAX);
	add_without_separators(&joined, name);
	if (ip.family == IP_V4)
		return holds_numbers(name, ip.byte) ||
		       holds_joined_octets(text_span(&joined), ip.byte);
	if (ip.family == IP_V6)
		return holds_nibbles(text_span(&joined), ip) || holds_groups(name, ip);
	return false;
}
