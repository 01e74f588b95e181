/* ip.h -- an address of the Internet, IPv4 or IPv6, as a value.
 *
 * Source: RFC 4291 section 2.2 (text forms), RFC 5952 (canonical form), RFC 5782 section 2
 * (reversed forms).
 */
#pragma once
#include "base/err.h"
#include "base/span.h"
#include "base/text.h"

#include <stdint.h>

enum {
	IP_TEXT_MAX = 45,     /* longest text form, without a zone */
	IP_REVERSED_MAX = 63, /* 32 nibbles with dots between them */
};

enum ip_family { IP_NONE = 0, IP_V4 = 4, IP_V6 = 6 };

struct ip {
	uint8_t byte[16]; /* IPv4: the first four */
	uint8_t family;   /* enum ip_family */
};

/** Parse dotted quads (four decimal parts, no leading zeros) and RFC 4291 text.
 *
 * A mapped address (::ffff:192.0.2.1) stays IPv6; see ip_unmapped().  A zone ("%eth0") is
 * ERR_SYNTAX.
 */
MUST_USE enum err ip_parse(struct span s, struct ip *ip_out);

/** The IPv4 address inside a mapped one; any other as it is.  RFC 4291 section 2.5.5.2. */
struct ip ip_unmapped(struct ip ip);

bool ip_equal(struct ip a, struct ip b);

/** Canonical text: 192.0.2.1, 2001:db8::1 (RFC 5952). */
void text_add_ip(struct text *text, struct ip ip);

/** All eight groups of four lower-case digits; IPv4 as dotted quad. */
void text_add_ip_full(struct text *text, struct ip ip);

/** 1.2.0.192 or 32 nibbles with dots, without zone and final dot (RFC 5782 section 2). */
void text_add_ip_reversed(struct text *text, struct ip ip);

/** The name that a PTR record stands under: REVERSED.in-addr.arpa or REVERSED.ip6.arpa. */
void text_add_ip_arpa(struct text *text, struct ip ip);

struct prefix {
	struct ip ip;
	uint8_t bits; /* 0..32, 0..128 */
};

/** ADDRESS or ADDRESS/BITS; bits beyond the length must be zero, else ERR_SYNTAX. */
MUST_USE enum err prefix_parse(struct span s, struct prefix *prefix_out);

bool prefix_has(const struct prefix *prefix, struct ip ip);

/** The network of the first bits of ip. */
struct prefix prefix_of(struct ip ip, uint8_t bits);

void text_add_prefix(struct text *text, const struct prefix *prefix);

/** Where no stranger's mail comes from or goes to: private, loopback, link-local, unspecified,
 * multicast.  The networks of examples and measurements stand for strangers and are not private.
 */
bool ip_is_private(struct ip ip);

/** Not reachable from the Internet at large: RFC 6890 special-purpose registries. */
bool ip_is_special(struct ip ip);
