/* dns_cache.h -- parsed DNS answers, kept for all workers.
 *
 * An entry is one allocation that holds the key, the items and their texts; it never changes
 * once it is made, and lives until the last fact that borrows from it is released.  The table
 * is split into shards with a lock each; within a shard the hand of a clock goes over the
 * entries when bytes run out: what has expired goes, what was not used since the last time
 * round goes, the rest gets a second chance.
 */
#pragma once
#include "sources/dns.h"
#include "sources/dns_answer.h"

#include <stdatomic.h>

/* How long answers are kept, in seconds (design requirement D6). */
enum {
	DNS_TTL_MIN = 30,
	DNS_TTL_MAX = 86400,
	DNS_NEGATIVE_TTL_MAX = 3600,
	DNS_FAILURE_TTL = 30,
	DNS_SILENCE_TTL = 5,       /* timeout or down: must not condemn a name for long */
	DNS_STALE_AGE_MAX = 86400, /* of an answer that is given while asking fails */
};

enum {
	DNS_CACHE_SHARDS_MAX = 64,
	DNS_CACHE_SHARD_BYTES = 1024 * 1024, /* at least; a smaller cache has fewer shards */
	DNS_CACHE_ENTRY_SHARE = 4,           /* a bigger part of a shard is not kept */
};

struct dns_entry {
	struct dns_entry *next;
	atomic_uint references;
	uint32_t hash;
	uint32_t fetched_s; /* monotonic clock */
	uint32_t ttl_s;     /* clamped */
	uint32_t took_us;
	uint16_t key_len;
	uint16_t item_count;
	uint8_t kind, state, cause;
	bool exists;
	bool is_used;          /* since the hand came by; under the shard's lock */
	uint32_t hold_until_s; /* asking again has failed: not before; under the shard's lock */
	struct span item[];
	/* then the key, and the texts of the items */
};

/** What an answer of this state, cause and TTL is kept for. */
uint32_t dns_ttl_clamped(enum fact_state state, enum fact_cause cause, uint32_t ttl_s);

/** An entry with one reference, the caller's; NULL without memory.
 *
 * @param answer  copied
 * @param now_s   of dns_clock_s()
 */
MUST_USE struct dns_entry *dns_entry_new(enum fact_kind kind, struct span key,
					 const struct dns_answer *answer, uint32_t took_us,
					 uint32_t now_s);
void dns_entry_hold(struct dns_entry *entry);
void dns_entry_drop(struct dns_entry *entry);

/** Fill fact from the entry, which it then borrows; the caller's reference becomes the fact's. */
void dns_entry_tell(struct dns_entry *entry, struct fact *fact, uint32_t now_s);

/** @return an entry with a reference for the caller; NULL: not known */
MUST_USE struct dns_entry *dns_cache_find(struct dns_cache *cache, enum fact_kind kind,
					  struct span key, uint32_t now_s);

/** The same, even if it has expired, within DNS_STALE_AGE_MAX and twice its TTL; no failures. */
MUST_USE struct dns_entry *dns_cache_find_stale(struct dns_cache *cache, enum fact_kind kind,
						struct span key, uint32_t now_s);

/** Keep an entry, in the place of an older answer to the same question; the caller's reference
 * stays the caller's.  A failure does not displace an answer that may be given stale: that one
 * is found for as long as the failure would have been. */
void dns_cache_keep(struct dns_cache *cache, struct dns_entry *entry);

/** The hash of a question under the cache's secret key. */
uint64_t dns_cache_hash(const struct dns_cache *cache, enum fact_kind kind, struct span key);

/** The questions in flight that go with this cache. */
struct dns_mesh *dns_cache_mesh(struct dns_cache *cache);

void dns_cache_count(struct dns_cache *cache, size_t *entries_out, size_t *bytes_out);

/** Seconds of a clock that is never set back; cheap, exact to some milliseconds. */
uint32_t dns_clock_s(void);
