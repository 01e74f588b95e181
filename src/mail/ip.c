/* ip.c -- addresses of the Internet: parsing, writing, networks. */
#include "mail/ip.h"

#include "base/number.h"

#include <arpa/inet.h>

enum { V4_BYTES = 4, V6_BYTES = 16 };

static size_t ip_bytes(struct ip ip)
{
	return ip.family == IP_V4 ? V4_BYTES : ip.family == IP_V6 ? V6_BYTES : 0;
}

enum err ip_parse(struct span s, struct ip *ip_out)
{
	char text[IP_TEXT_MAX + 1];
	bool is_v6 = span_find(s, ':') < s.len;
	struct ip ip = { .family = is_v6 ? IP_V6 : IP_V4 };

	if (s.len == 0 || s.len > IP_TEXT_MAX || span_find(s, '\0') < s.len)
		return ERR_SYNTAX;
	memcpy(text, s.at, s.len);
	text[s.len] = '\0';
	if (inet_pton(is_v6 ? AF_INET6 : AF_INET, text, ip.byte) != 1)
		return ERR_SYNTAX;
	*ip_out = ip;
	return OK;
}

struct ip ip_unmapped(struct ip ip)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct ip v4 = { .family = IP_V4 };

	if (ip.family != IP_V6 || memcmp(ip.byte, mapped, sizeof(mapped)) != 0)
		return ip;
	memcpy(v4.byte, ip.byte + sizeof(mapped), V4_BYTES);
	return v4;
}

bool ip_equal(struct ip a, struct ip b)
{
	return a.family == b.family && memcmp(a.byte, b.byte, ip_bytes(a)) == 0;
}

static void text_add_quad(struct text *text, const uint8_t byte[4])
{
	for (int i = 0; i < V4_BYTES; i++) {
		if (i > 0)
			text_add_char(text, '.');
		text_add_int(text, byte[i]);
	}
}

void text_add_ip(struct text *text, struct ip ip)
{
	char shown[INET6_ADDRSTRLEN];

	if (ip.family == IP_V4)
		text_add_quad(text, ip.byte);
	else if (ip.family == IP_V6 && inet_ntop(AF_INET6, ip.byte, shown, sizeof(shown)) != NULL)
		text_add(text, span_cstr(shown));
}

static char hex_digit(unsigned nibble)
{
	return "0123456789abcdef"[nibble & 15];
}

void text_add_ip_full(struct text *text, struct ip ip)
{
	if (ip.family != IP_V6) {
		text_add_ip(text, ip);
		return;
	}
	for (int i = 0; i < V6_BYTES; i++) {
		if (i > 0 && i % 2 == 0)
			text_add_char(text, ':');
		text_add_char(text, hex_digit(ip.byte[i] >> 4));
		text_add_char(text, hex_digit(ip.byte[i]));
	}
}

static void text_add_quad_reversed(struct text *text, const uint8_t byte[4])
{
	for (int i = V4_BYTES; i-- > 0;) {
		text_add_int(text, byte[i]);
		if (i > 0)
			text_add_char(text, '.');
	}
}

void text_add_ip_reversed(struct text *text, struct ip ip)
{
	if (ip.family == IP_V4) {
		text_add_quad_reversed(text, ip.byte);
		return;
	}
	for (size_t i = ip_bytes(ip); i-- > 0;) {
		text_add_char(text, hex_digit(ip.byte[i]));
		text_add_char(text, '.');
		text_add_char(text, hex_digit(ip.byte[i] >> 4));
		if (i > 0)
			text_add_char(text, '.');
	}
}

void text_add_ip_arpa(struct text *text, struct ip ip)
{
	text_add_ip_reversed(text, ip);
	text_add(text, ip.family == IP_V4 ? SPAN(".in-addr.arpa") : SPAN(".ip6.arpa"));
}

static uint8_t byte_mask(uint8_t bits, size_t byte)
{
	size_t left = bits > byte * 8 ? bits - byte * 8 : 0;

	return (uint8_t)(left >= 8 ? 0xffU : 0xff00U >> left);
}

struct prefix prefix_of(struct ip ip, uint8_t bits)
{
	struct prefix prefix = { .ip = { .family = ip.family }, .bits = bits };

	for (size_t i = 0; i < ip_bytes(ip); i++)
		prefix.ip.byte[i] = ip.byte[i] & byte_mask(bits, i);
	return prefix;
}

enum err prefix_parse(struct span s, struct prefix *prefix_out)
{
	size_t slash = span_find(s, '/');
	struct ip ip;
	struct prefix prefix;
	int64_t bits;

	if (ip_parse(span_first(s, slash), &ip) != OK)
		return ERR_SYNTAX;
	bits = (int64_t)ip_bytes(ip) * 8;
	if (slash < s.len) {
		int64_t wanted;

		if (number_parse(span_from(s, slash + 1), &wanted) != OK || wanted < 0 ||
		    wanted > bits)
			return ERR_SYNTAX;
		bits = wanted;
	}
	prefix = prefix_of(ip, (uint8_t)bits);
	if (!ip_equal(prefix.ip, ip))
		return ERR_SYNTAX;
	*prefix_out = prefix;
	return OK;
}

bool prefix_has(const struct prefix *prefix, struct ip ip)
{
	size_t whole = prefix->bits / 8;
	uint8_t mask = byte_mask(prefix->bits, whole);

	if (prefix->ip.family != ip.family || ip.family == IP_NONE)
		return false;
	if (memcmp(prefix->ip.byte, ip.byte, whole) != 0)
		return false;
	return mask == 0 || ((prefix->ip.byte[whole] ^ ip.byte[whole]) & mask) == 0;
}

void text_add_prefix(struct text *text, const struct prefix *prefix)
{
	text_add_ip(text, prefix->ip);
	text_add_char(text, '/');
	text_add_int(text, prefix->bits);
}

static bool is_within_any(const struct prefix *prefix, size_t count, struct ip ip)
{
	for (size_t i = 0; i < count; i++)
		if (prefix_has(&prefix[i], ip))
			return true;
	return false;
}

bool ip_is_private(struct ip ip)
{
	static const struct prefix private[] = {
		{ { { 0 }, IP_V4 }, 8 },           { { { 10 }, IP_V4 }, 8 },
		{ { { 100, 64 }, IP_V4 }, 10 },    { { { 127 }, IP_V4 }, 8 },
		{ { { 169, 254 }, IP_V4 }, 16 },   { { { 172, 16 }, IP_V4 }, 12 },
		{ { { 192, 168 }, IP_V4 }, 16 },   { { { 224 }, IP_V4 }, 3 },
		{ { { 0 }, IP_V6 }, 8 },           { { { 0xfc }, IP_V6 }, 7 },
		{ { { 0xfe, 0x80 }, IP_V6 }, 10 }, { { { 0xff }, IP_V6 }, 8 },
	};

	return is_within_any(private, sizeof(private) / sizeof(*private), ip);
}

bool ip_is_special(struct ip ip)
{
	static const struct prefix special[] = {
		{ { { 192, 0, 0 }, IP_V4 }, 24 },
		{ { { 192, 0, 2 }, IP_V4 }, 24 },
		{ { { 198, 18 }, IP_V4 }, 15 },
		{ { { 198, 51, 100 }, IP_V4 }, 24 },
		{ { { 203, 0, 113 }, IP_V4 }, 24 },
		{ { { 0x01 }, IP_V6 }, 8 },
		{ { { 0x20, 0x01, 0x0d, 0xb8 }, IP_V6 }, 32 },
	};

	return ip_is_private(ip) || is_within_any(special, sizeof(special) / sizeof(*special), ip);
}
