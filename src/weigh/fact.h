/* fact.h -- what the world has told us about one mail attempt.
 *
 * A fact is the answer to one question.  Its key is the question: for DNS the name in
 * presentation form (mail/domain.h); for FACT_REMEMBERED the set, a blank, and the key in it.  Its
 * items are the records in presentation form, sorted (fact_sort), so that a rotated answer is
 * the same fact.  The forms are those of the journal (facts.def).
 *
 * FACT_TALLY and FACT_GREYLIST are facts that count: the store does what fact->count or
 * fact->terms says, atomically and once, and its answer is the fact (weigh/tally.h,
 * weigh/triplet.h).  They are asked only when the walk really gets there (weigh/counting.h).
 *
 * FACT_REMEMBERED facts are what weighd itself has remembered (weigh/verdict.h, struct memory).  A
 * key that begins with the attempt's conversation is remembered for that connection.
 */
#pragma once
#include "base/span.h"

#include <stdint.h>

enum fact_kind {
#define FACT(symbol, name, key, items) symbol,
#include "weigh/facts.def"
#undef FACT
	FACT_KIND_COUNT
};

enum fact_state {
	FACT_PENDING, /* asked, no answer yet */
	FACT_KNOWN,   /* known: there are items */
	FACT_NONE,    /* a sure "nothing": the name or the record does not exist */
	FACT_FAILED,  /* no answer, and why: proves nothing in either direction */
};

enum fact_cause {
	CAUSE_NONE,
	CAUSE_TIMEOUT,    /* no answer in time */
	CAUSE_SERVFAIL,   /* the server failed, or said anything but yes, no and refused */
	CAUSE_REFUSED,    /* the server will not answer us */
	CAUSE_MALFORMED,  /* the answer, or the question, is no DNS; or a different question's */
	CAUSE_TOOLARGE,   /* a limit of ours was exceeded */
	CAUSE_BOGUS,      /* DNSSEC says forged */
	CAUSE_DOWN,       /* nobody was asked: the server is known to be down */
	CAUSE_PARKED,     /* the DNS list is parked: it refuses or lies (weigh/zone_health.h) */
	CAUSE_UNRECORDED, /* replay: nobody wrote the answer down */
	CAUSE_COUNT
};

enum {
	FACT_ITEMS_MAX = 512,
	FACT_KEY_MAX = 1100, /* DOMAIN_TEXT_MAX and a set's name */
};

struct tally_count;
struct triplet_terms;

struct fact {
	enum fact_kind kind;
	enum fact_state state;
	enum fact_cause cause; /* of FACT_FAILED */
	bool exists;           /* FACT_NONE: the name exists, but has no such record */
	bool from_cache;
	uint16_t item_count;
	const struct span *item; /* FACT_KNOWN: sorted; borrowed until the ledger is released */
	struct span key;
	uint64_t asked_by; /* bit n: the weigh statement of ordinal n asked */
	uint32_t took_us;  /* how long the answer took, when it was fetched */
	uint32_t age_s;    /* how long ago that was */
	uint32_t ttl_s;    /* how long it may be kept, from when it was fetched */
	void *held;        /* what the source keeps alive for us */
	/* of a fact that counts: what the store is to do; NULL for others */
	const struct tally_count *count;   /* FACT_TALLY */
	const struct triplet_terms *terms; /* FACT_GREYLIST */
	struct fact *next_ordered;         /* the ledger's */
};

struct span fact_kind_name(enum fact_kind kind);
MUST_USE bool fact_kind_find(struct span name, enum fact_kind *kind_out);
struct span fact_cause_name(enum fact_cause cause);
MUST_USE bool fact_cause_find(struct span name, enum fact_cause *cause_out);

/* A question to the store. */
static inline bool fact_kind_is_stored(enum fact_kind kind)
{
	return kind == FACT_REMEMBERED || kind == FACT_TALLY || kind == FACT_GREYLIST;
}

static inline bool fact_kind_is_dns(enum fact_kind kind)
{
	return kind <= FACT_DNS_SOA;
}

/** Bring items into the one order they always have: by bytes, MX by preference first. */
void fact_sort(enum fact_kind kind, struct span *item, size_t count);

/** "10 mx.example.org" -> 10 and the host; the item is a source's and well-formed. */
struct span fact_mx_host(struct span item);
