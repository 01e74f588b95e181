/* memory_priv.h -- how sets and entries lie in memory: for memory.c and memory_page.c.
 *
 * A set is a hash table of entries that also stand in one line, newest first.  Writing an entry
 * puts it in front, so the end of the line is what has not been touched for longest.  Each set
 * has a lock of its own, held for one operation; sets are never removed, so the table of sets is
 * read without a lock.
 */
#pragma once
#include "base/hash.h"
#include "store/memory.h"

#include <pthread.h>
#include <stdatomic.h>

struct entry {
	struct entry *next; /* of the same slot */
	struct entry *newer, *older;
	uint64_t hash;
	int64_t expires_ms; /* INT64_MAX: never */
	size_t key_len, value_len;
	char bytes[]; /* key, value */
};

struct set {
	pthread_mutex_t lock;
	struct entry **slot;
	size_t slot_count; /* a power of two */
	size_t entry_count;
	uint64_t bytes; /* of keys and values */
	uint64_t expired, evicted;
	struct entry *newest, *oldest;
	size_t name_len;
	char name[]; /* never changes */
};

struct memory_store {
	struct hash_key hash;
	pthread_mutex_t making; /* of sets */
	atomic_size_t set_count;
	struct set *set[MEMORY_SETS_MAX];
};

static inline struct span entry_key(const struct entry *entry)
{
	return span_of(entry->bytes, entry->key_len);
}

static inline struct span entry_value(const struct entry *entry)
{
	return span_of(entry->bytes + entry->key_len, entry->value_len);
}

static inline struct span set_name(const struct set *set)
{
	return span_of(set->name, set->name_len);
}

/** NULL: there is none of that name. */
struct set *memory_set_find(struct memory_store *store, struct span name);
