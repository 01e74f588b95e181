/* zone.h -- a DNS list as typed data: what it lists, and what its answers mean.
 *
 * Only an answer that the zone declares is a listing; refusals and anything else are FAILED,
 * never a listing (doc/decisions, design requirement B3).  Source: RFC 5782.
 */
#pragma once
#include "mail/ip.h"
#include "weigh/check.h"

enum {
	ZONE_MEANINGS_MAX = 16, /* further findings: clear; below FINDINGS_MAX */
	ZONE_RANGES_MAX = 32,
};

/* The finding of a zone that answered "not listed" for sure: always its last one. */
#define ZONE_CLEAR "clear"

enum zone_answer { ZONE_LISTED, ZONE_REFUSED, ZONE_UNDECLARED };

struct zone_range {
	uint32_t address, mask; /* host order, inside 127.0.0.0/8 */
	bool is_bits;           /* listed where (answer & address & 0xff) != 0: a bit mask list */
	uint8_t meaning;        /* index of meaning[] */
};

struct zone {
	struct span name;  /* zen.spamhaus.org */
	struct span shown; /* the same with keys masked (design requirement L6) */
	struct span alias; /* name of its findings: "zen" */
	struct span meaning[ZONE_MEANINGS_MAX];
	uint8_t meaning_count;
	struct zone_range range[ZONE_RANGES_MAX];
	uint8_t range_count;
	struct prefix refused[ZONE_RANGES_MAX];
	uint8_t refused_count;
	bool lists_ip4, lists_ip6, lists_domains;
	struct span test_listed, test_clear; /* RFC 5782 section 5 */
	struct span home;
	struct span dead_since; /* empty while it lives */
	struct span checked;    /* when somebody last looked whether all this holds: 2026-11 */
};

/** Is it any use to ask the zone about this address?  Never for an unknown or private one. */
bool zone_lists(const struct zone *zone, struct ip ip);

/** What does one A record of the zone mean?
 *
 * @param meanings_out  bit n: meaning n; written when ZONE_LISTED
 */
enum zone_answer zone_read(const struct zone *zone, struct ip answer, uint32_t *meanings_out);

/** Ask the zone about name ("4.3.2.1" or "example.org") and enter what it says into found:
 * each meaning as its finding, ZONE_CLEAR (finding meaning_count) when surely not listed, all
 * of them unknown when it refused, failed, or said what it never declared.
 */
void zone_weigh(const struct zone *zone, struct span name, struct ledger *ledger,
		struct findings *found);

/** The same about an address, reversed as RFC 5782 section 2 says; nothing where zone_lists()
 * says no.
 */
void zone_weigh_address(const struct zone *zone, struct ip ip, struct ledger *ledger,
			struct findings *found);
