/* fakedns.h -- what the fake name server knows, and what it says. */
#pragma once
#include "base/err.h"
#include "base/span.h"

#include <stdint.h>

enum { REPLY_BYTES_MAX = 65535, WIRE_NAME_MAX = 255, ALIASES_FOLLOWED_MAX = 16 };

enum rule {
	RULE_NONE,
#define RULE(symbol, name) symbol,
#include "fakedns_rules.def"
#undef RULE
	RULE_COUNT
};

struct fake_record {
	struct fake_record *next;
	uint32_t ttl;
	uint16_t type;
	uint16_t len;
	uint8_t data[]; /* wire form, uncompressed */
};

struct fake_node {
	struct fake_node *next;
	struct fake_record *record;
	enum rule rule;
	uint32_t argument; /* of the rule */
	uint32_t delay_ms;
	uint8_t name_len;
	uint8_t name[WIRE_NAME_MAX];
};

struct fake_zone;

MUST_USE struct fake_zone *fake_zone_new(void);

/** Add one line of a zone file (fakedns.c).
 *
 * @return ERR_SYNTAX
 */
MUST_USE enum err fake_zone_add(struct fake_zone *zone, struct span line);

/** The node of a name, or the wildcard that covers it; NULL: no such name. */
const struct fake_node *fake_zone_find(const struct fake_zone *zone, const uint8_t *name,
				       size_t len);

/** TTL and minimum of the SOA in negative answers. */
uint32_t fake_zone_negative_ttl(const struct fake_zone *zone);

struct fake_reply {
	size_t len; /* 0: say nothing */
	uint32_t delay_ms;
	bool is_hung_up; /* TCP: close instead of answering */
	uint8_t at[REPLY_BYTES_MAX];
};

/** What to say to a packet.
 *
 * @param zone  NULL: --bench, everything is made up from the name
 */
void fake_answer(const struct fake_zone *zone, const uint8_t *query, size_t query_len, bool is_tcp,
		 struct fake_reply *reply_out);
