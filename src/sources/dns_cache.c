/* dns_cache.c -- the shared cache of parsed DNS answers. */
#include "sources/dns_cache.h"

#include "base/ensure.h"
#include "base/hash.h"
#include "sources/dns_guard.h"
#include "sources/dns_mesh.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum {
	SHARD_SLOTS_MIN = 64, /* powers of two */
	CACHE_LINE = 64,
	MALLOC_HEAD = 8, /* what malloc adds to a block */
};

struct shard {
	_Alignas(CACHE_LINE) pthread_mutex_t lock;
	struct dns_entry **slot;
	size_t slot_count;
	size_t entry_count;
	size_t bytes; /* of entries and slots */
	size_t hand;
};

struct dns_cache {
	struct hash_key key;
	struct dns_mesh *mesh;
	struct dns_guard *guard;
	size_t shard_bytes_max;
	size_t shard_count; /* a power of two */
	struct shard shard[];
};

uint32_t dns_clock_s(void)
{
	struct timespec now;

	ENSURE(clock_gettime(CLOCK_MONOTONIC_COARSE, &now) == 0);
	return (uint32_t)now.tv_sec;
}

uint32_t dns_ttl_clamped(enum fact_state state, enum fact_cause cause, uint32_t ttl_s)
{
	uint32_t most_s = state == FACT_KNOWN ? DNS_TTL_MAX : DNS_NEGATIVE_TTL_MAX;

	if (state == FACT_FAILED)
		return cause == CAUSE_TIMEOUT || cause == CAUSE_DOWN ? DNS_SILENCE_TTL
								     : DNS_FAILURE_TTL;
	if (ttl_s < DNS_TTL_MIN)
		return DNS_TTL_MIN;
	return ttl_s < most_s ? ttl_s : most_s;
}

/* entries */

static char *entry_texts(struct dns_entry *entry)
{
	return (char *)&entry->item[entry->item_count];
}

static struct span entry_key(const struct dns_entry *entry)
{
	return span_of((const char *)&entry->item[entry->item_count], entry->key_len);
}

static size_t entry_bytes(struct dns_entry *entry)
{
	return malloc_usable_size(entry) + MALLOC_HEAD;
}

static bool entry_is_expired(const struct dns_entry *entry, uint32_t now_s)
{
	return now_s - entry->fetched_s >= entry->ttl_s;
}

/* Expired, but better than nothing: for as long again as it was kept, up to a day of age. */
static bool entry_is_usable(const struct dns_entry *entry, uint32_t now_s)
{
	uint32_t age_s = now_s - entry->fetched_s;

	return entry->state != FACT_FAILED && age_s < DNS_STALE_AGE_MAX && age_s / 2 < entry->ttl_s;
}

/* Asking for it anew has failed a moment ago. */
static bool entry_is_held(const struct dns_entry *entry, uint32_t now_s)
{
	return entry->hold_until_s > now_s && entry_is_usable(entry, now_s);
}

struct dns_entry *dns_entry_new(enum fact_kind kind, struct span key,
				const struct dns_answer *answer, uint32_t took_us, uint32_t now_s)
{
	size_t bytes = sizeof(struct dns_entry) + answer->item_count * sizeof(struct span);
	struct dns_entry *entry;
	char *text;

	ENSURE(key.len <= FACT_KEY_MAX);
	bytes += key.len;
	for (size_t i = 0; i < answer->item_count; i++)
		bytes += answer->item[i].len;
	entry = malloc(bytes);
	if (entry == NULL)
		return NULL;
	*entry = (struct dns_entry){
		.references = 1,
		.fetched_s = now_s,
		.ttl_s = dns_ttl_clamped(answer->state, answer->cause, answer->ttl_s),
		.took_us = took_us,
		.key_len = (uint16_t)key.len,
		.item_count = answer->item_count,
		.kind = (uint8_t)kind,
		.state = (uint8_t)answer->state,
		.cause = (uint8_t)answer->cause,
		.exists = answer->exists,
	};
	text = entry_texts(entry);
	memcpy(text, key.at, key.len);
	text += key.len;
	for (size_t i = 0; i < answer->item_count; i++) {
		struct span item = answer->item[i];

		if (item.len > 0)
			memcpy(text, item.at, item.len);
		entry->item[i] = span_of(text, item.len);
		text += item.len;
	}
	return entry;
}

void dns_entry_hold(struct dns_entry *entry)
{
	atomic_fetch_add_explicit(&entry->references, 1, memory_order_relaxed);
}

void dns_entry_drop(struct dns_entry *entry)
{
	if (atomic_fetch_sub_explicit(&entry->references, 1, memory_order_acq_rel) == 1)
		free(entry);
}

void dns_entry_tell(struct dns_entry *entry, struct fact *fact, uint32_t now_s)
{
	fact->state = (enum fact_state)entry->state;
	fact->cause = (enum fact_cause)entry->cause;
	fact->exists = entry->exists;
	fact->item_count = entry->item_count;
	fact->item = entry->item;
	fact->took_us = entry->took_us;
	fact->age_s = now_s - entry->fetched_s;
	fact->ttl_s = entry->ttl_s;
	fact->held = entry;
}

/* shards */

static struct shard *shard_of(struct dns_cache *cache, uint64_t hash)
{
	return &cache->shard[(hash >> 32) & (cache->shard_count - 1)];
}

static struct dns_entry **shard_slot(struct shard *shard, uint32_t hash)
{
	return &shard->slot[hash & (shard->slot_count - 1)];
}

/** Take the entry that *link points at out of the table. */
static void shard_remove(struct shard *shard, struct dns_entry **link)
{
	struct dns_entry *entry = *link;

	*link = entry->next;
	shard->entry_count--;
	shard->bytes -= entry_bytes(entry);
	dns_entry_drop(entry);
}

/** The link to the entry of a question; the one at the chain's end points at NULL. */
static struct dns_entry **shard_find(struct shard *shard, uint32_t hash, enum fact_kind kind,
				     struct span key)
{
	struct dns_entry **link = shard_slot(shard, hash);

	for (; *link != NULL; link = &(*link)->next)
		if ((*link)->hash == hash && (*link)->kind == (uint8_t)kind &&
		    span_equal(entry_key(*link), key))
			break;
	return link;
}

static void shard_grow(struct shard *shard)
{
	size_t old_count = shard->slot_count;
	struct dns_entry **old = shard->slot;
	struct dns_entry **grown = calloc(old_count * 2, sizeof(struct dns_entry *));

	if (grown == NULL)
		return; /* longer chains do no harm */
	shard->slot = grown;
	shard->slot_count = old_count * 2;
	shard->bytes += old_count * sizeof(struct dns_entry *);
	shard->hand = 0;
	for (size_t i = 0; i < old_count; i++) {
		while (old[i] != NULL) {
			struct dns_entry *entry = old[i];
			struct dns_entry **slot = shard_slot(shard, entry->hash);

			old[i] = entry->next;
			entry->next = *slot;
			*slot = entry;
		}
	}
	free(old);
}

/** Make the shard small enough; ends because each second round of the hand empties it. */
static void shard_evict(struct shard *shard, size_t bytes_max, uint32_t now_s)
{
	while (shard->bytes > bytes_max && shard->entry_count > 0) {
		struct dns_entry **link = &shard->slot[shard->hand++ & (shard->slot_count - 1)];

		while (*link != NULL) {
			if ((*link)->is_used && !entry_is_expired(*link, now_s)) {
				(*link)->is_used = false;
				link = &(*link)->next;
			} else {
				shard_remove(shard, link);
			}
		}
	}
}

static struct dns_entry *cache_find(struct dns_cache *cache, enum fact_kind kind, struct span key,
				    uint32_t now_s, bool is_stale_wanted)
{
	uint64_t hash = dns_cache_hash(cache, kind, key);
	struct shard *shard = shard_of(cache, hash);
	struct dns_entry **link, *entry;

	pthread_mutex_lock(&shard->lock);
	link = shard_find(shard, (uint32_t)hash, kind, key);
	entry = *link;
	if (entry != NULL && entry_is_expired(entry, now_s)) {
		if (!entry_is_usable(entry, now_s)) {
			shard_remove(shard, link);
			entry = NULL;
		} else if (!is_stale_wanted && !entry_is_held(entry, now_s)) {
			entry = NULL;
		}
	}
	if (entry != NULL) {
		entry->is_used = true;
		dns_entry_hold(entry);
	}
	pthread_mutex_unlock(&shard->lock);
	return entry;
}

struct dns_entry *dns_cache_find(struct dns_cache *cache, enum fact_kind kind, struct span key,
				 uint32_t now_s)
{
	return cache_find(cache, kind, key, now_s, false);
}

struct dns_entry *dns_cache_find_stale(struct dns_cache *cache, enum fact_kind kind,
				       struct span key, uint32_t now_s)
{
	return cache_find(cache, kind, key, now_s, true);
}

/** Does the older answer stay, because asking anew has failed? */
static bool old_stays(struct dns_entry *old, const struct dns_entry *entry)
{
	if (entry->state != FACT_FAILED || !entry_is_usable(old, entry->fetched_s))
		return false;
	old->hold_until_s = entry->fetched_s + entry->ttl_s;
	return true;
}

void dns_cache_keep(struct dns_cache *cache, struct dns_entry *entry)
{
	uint64_t hash = dns_cache_hash(cache, (enum fact_kind)entry->kind, entry_key(entry));
	struct shard *shard = shard_of(cache, hash);
	size_t bytes = entry_bytes(entry);
	struct dns_entry **link;

	entry->hash = (uint32_t)hash;
	pthread_mutex_lock(&shard->lock);
	link = shard_find(shard, entry->hash, (enum fact_kind)entry->kind, entry_key(entry));
	if (*link != NULL && old_stays(*link, entry)) {
		pthread_mutex_unlock(&shard->lock);
		return;
	}
	if (*link != NULL)
		shard_remove(shard, link);
	if (bytes <= cache->shard_bytes_max / DNS_CACHE_ENTRY_SHARE) {
		if (shard->entry_count >= shard->slot_count)
			shard_grow(shard);
		shard_evict(shard, cache->shard_bytes_max - bytes, entry->fetched_s);
		link = shard_slot(shard, entry->hash);
		entry->next = *link;
		*link = entry;
		dns_entry_hold(entry);
		shard->entry_count++;
		shard->bytes += bytes;
	}
	pthread_mutex_unlock(&shard->lock);
}

/* the whole */

uint64_t dns_cache_hash(const struct dns_cache *cache, enum fact_kind kind, struct span key)
{
	struct hash_key secret = cache->key;

	secret.word[0] += (uint64_t)kind;
	return hash_span(&secret, key);
}

struct dns_mesh *dns_cache_mesh(struct dns_cache *cache)
{
	return cache->mesh;
}

struct dns_guard *dns_cache_guard(struct dns_cache *cache)
{
	return cache->guard;
}

static void shard_release(struct shard *shard)
{
	for (size_t i = 0; shard->slot != NULL && i < shard->slot_count; i++)
		while (shard->slot[i] != NULL)
			shard_remove(shard, &shard->slot[i]);
	free(shard->slot);
	pthread_mutex_destroy(&shard->lock);
}

static bool shard_init(struct shard *shard)
{
	ENSURE(pthread_mutex_init(&shard->lock, NULL) == 0);
	shard->slot_count = SHARD_SLOTS_MIN;
	shard->slot = calloc(SHARD_SLOTS_MIN, sizeof(struct dns_entry *));
	shard->bytes = SHARD_SLOTS_MIN * sizeof(struct dns_entry *);
	return shard->slot != NULL;
}

struct dns_cache *dns_cache_new(const struct dns_cache_options *options)
{
	size_t shard_count = 1;
	bool is_whole = true;
	struct dns_cache *cache;
	size_t bytes;

	while (shard_count < DNS_CACHE_SHARDS_MAX &&
	       options->bytes_max / (shard_count * 2) >= DNS_CACHE_SHARD_BYTES)
		shard_count *= 2;
	bytes = sizeof(*cache) + shard_count * sizeof(struct shard);
	bytes = (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	cache = aligned_alloc(CACHE_LINE, bytes);
	if (cache == NULL)
		return NULL;
	memset(cache, 0, bytes);
	cache->shard_count = shard_count;
	cache->shard_bytes_max = options->bytes_max / shard_count;
	for (size_t i = 0; i < shard_count; i++)
		is_whole = shard_init(&cache->shard[i]) && is_whole;
	cache->mesh = dns_mesh_new(options->questions_max);
	cache->guard = dns_guard_new();
	if (!is_whole || cache->mesh == NULL || cache->guard == NULL ||
	    getrandom(&cache->key, sizeof(cache->key), 0) != sizeof(cache->key)) {
		dns_cache_free(cache);
		return NULL;
	}
	return cache;
}

void dns_cache_free(struct dns_cache *cache)
{
	if (cache == NULL)
		return;
	for (size_t i = 0; i < cache->shard_count; i++)
		shard_release(&cache->shard[i]);
	dns_mesh_free(cache->mesh);
	dns_guard_free(cache->guard);
	free(cache);
}

void dns_cache_count(struct dns_cache *cache, size_t *entries_out, size_t *bytes_out)
{
	*entries_out = 0;
	*bytes_out = 0;
	for (size_t i = 0; i < cache->shard_count; i++) {
		struct shard *shard = &cache->shard[i];

		pthread_mutex_lock(&shard->lock);
		*entries_out += shard->entry_count;
		*bytes_out += shard->bytes;
		pthread_mutex_unlock(&shard->lock);
	}
}
