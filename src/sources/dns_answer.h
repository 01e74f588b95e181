/* dns_answer.h -- what does this DNS packet say about our question?
 *
 * Pure and bounded: the packet is the enemy's.  Everything is checked that a fact will rely
 * on: the id, the question, every length, the chain of aliases, and that records belong to
 * it.  Items come out in the forms of weigh/facts.def, sorted.
 *
 * Source: RFC 1035 section 4, RFC 2181 section 8 (TTL), RFC 2308 (negative answers),
 * RFC 7505 (MX "0 ."), design requirements D2, D3 and D6.
 */
#pragma once
#include "weigh/fact.h"

enum {
	DNS_HEADER_BYTES = 12,
	DNS_WIRE_NAME_MAX = 255,
	DNS_POINTERS_MAX = 127, /* in one name: it has no more labels */
	DNS_ALIASES_MAX = 8,
	DNS_TXT_RECORDS_MAX = 64,
	DNS_TXT_BYTES_MAX = 64 * 1024,                          /* of all records, escaped */
	DNS_ITEMS_BYTES_MAX = 160 * 1024,                       /* of all items of one answer */
	DNS_RECORDS_MAX = FACT_ITEMS_MAX + DNS_ALIASES_MAX + 1, /* looked at in one answer */
};
_Static_assert(DNS_TXT_BYTES_MAX <= DNS_ITEMS_BYTES_MAX, "else the cap on TXT never bites");
_Static_assert((int)DNS_TXT_RECORDS_MAX <= (int)FACT_ITEMS_MAX, "likewise");

/* The question as it went out. */
struct dns_asked {
	const uint8_t *name; /* wire form, lower case, with the final 0 */
	size_t name_len;
	enum fact_kind kind;
	uint16_t id;
};

struct dns_answer {
	enum fact_state state; /* never FACT_PENDING */
	enum fact_cause cause;
	bool exists;    /* FACT_NONE: the name exists, but has no such record */
	uint32_t ttl_s; /* as the packet says, not clamped; 0 for failures */
	uint16_t item_count;
	struct span item[FACT_ITEMS_MAX]; /* into text */
	char text[DNS_ITEMS_BYTES_MAX];
};

/** The type of record that a fact of this kind is about. */
uint16_t dns_type_of(enum fact_kind kind);

/** Has a server left records out for want of room (TC)? */
bool dns_packet_is_truncated(const uint8_t *packet, size_t len);

/** Code of the header; 2 (SERVFAIL) for what is no packet. */
unsigned dns_packet_rcode(const uint8_t *packet, size_t len);

void dns_answer_parse(const uint8_t *packet, size_t len, const struct dns_asked *asked,
		      struct dns_answer *answer_out);

/** An answer that did not come. */
void dns_answer_fail(enum fact_cause cause, struct dns_answer *answer_out);
