/* memory.c -- what weighd remembers between attempts, in memory.
 *
 * A set is a hash table of entries that also stand in one line, newest first.  Writing an entry
 * puts it in front, so the end of the line is what has not been touched for longest.  Each set
 * has a lock of its own, held for one operation; sets are never removed, so the table of sets is
 * read without a lock.
 */
#include "store/memory.h"

#include "base/ensure.h"
#include "base/hash.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

enum { SLOTS_MIN = 64 };

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

/* A copy that a fact holds: the entry may be gone before the attempt is. */
struct held {
	struct span item;
	char bytes[];
};

static struct span entry_key(const struct entry *entry)
{
	return span_of(entry->bytes, entry->key_len);
}

/* --- sets --- */

static struct set *set_new(struct span name)
{
	struct set *set = calloc(1, sizeof(*set) + name.len);

	if (set == NULL)
		return NULL;
	set->slot = calloc(SLOTS_MIN, sizeof(*set->slot));
	if (set->slot == NULL) {
		free(set);
		return NULL;
	}
	set->slot_count = SLOTS_MIN;
	set->name_len = name.len;
	memcpy(set->name, name.at, name.len);
	pthread_mutex_init(&set->lock, NULL);
	return set;
}

static struct set *set_find(struct memory_store *store, struct span name)
{
	size_t count = atomic_load_explicit(&store->set_count, memory_order_acquire);

	for (size_t i = 0; i < count; i++)
		if (span_equal(span_of(store->set[i]->name, store->set[i]->name_len), name))
			return store->set[i];
	return NULL;
}

static struct set *set_find_or_make(struct memory_store *store, struct span name)
{
	struct set *set = set_find(store, name);
	size_t count;

	if (set != NULL)
		return set;
	pthread_mutex_lock(&store->making);
	set = set_find(store, name); /* another worker may have been faster */
	count = atomic_load_explicit(&store->set_count, memory_order_relaxed);
	if (set == NULL && count < MEMORY_SETS_MAX && (set = set_new(name)) != NULL) {
		store->set[count] = set;
		atomic_store_explicit(&store->set_count, count + 1, memory_order_release);
	}
	pthread_mutex_unlock(&store->making);
	return set;
}

/* --- entries; the set is locked --- */

static struct entry **entry_place(struct set *set, uint64_t hash, struct span key)
{
	struct entry **place = &set->slot[hash & (set->slot_count - 1)];

	while (*place != NULL && ((*place)->hash != hash || !span_equal(entry_key(*place), key)))
		place = &(*place)->next;
	return place;
}

static void line_enter(struct set *set, struct entry *entry)
{
	entry->newer = NULL;
	entry->older = set->newest;
	if (set->newest != NULL)
		set->newest->newer = entry;
	else
		set->oldest = entry;
	set->newest = entry;
}

static void line_leave(struct set *set, struct entry *entry)
{
	if (entry->newer != NULL)
		entry->newer->older = entry->older;
	else
		set->newest = entry->older;
	if (entry->older != NULL)
		entry->older->newer = entry->newer;
	else
		set->oldest = entry->newer;
}

static void entry_remove(struct set *set, struct entry **place)
{
	struct entry *entry = *place;

	*place = entry->next;
	line_leave(set, entry);
	set->entry_count--;
	free(entry);
}

static void set_grow(struct set *set)
{
	size_t count = set->slot_count * 2;
	struct entry **slot;

	if (set->entry_count < set->slot_count)
		return;
	slot = calloc(count, sizeof(*slot));
	if (slot == NULL)
		return; /* longer chains are slower, not wrong */
	for (struct entry *entry = set->newest; entry != NULL; entry = entry->older) {
		struct entry **place = &slot[entry->hash & (count - 1)];

		entry->next = *place;
		*place = entry;
	}
	free(set->slot);
	set->slot = slot;
	set->slot_count = count;
}

static void remove_oldest(struct set *set)
{
	ENSURE(set->oldest != NULL);
	entry_remove(set, entry_place(set, set->oldest->hash, entry_key(set->oldest)));
}

/* When there are too many, the oldest go until entries_keep are left. */
static void set_bound(struct set *set, const struct memory *memory)
{
	size_t max = memory->entries_max;
	size_t keep = memory->entries_keep;

	if (max == 0 || max > MEMORY_ENTRIES_MAX)
		max = MEMORY_ENTRIES_MAX;
	if (keep == 0 || keep > max)
		keep = max;
	if (set->entry_count <= max)
		return;
	while (set->entry_count > keep)
		remove_oldest(set);
}

static void drop_expired(struct set *set, int64_t now_ms)
{
	while (set->oldest != NULL && set->oldest->expires_ms <= now_ms)
		remove_oldest(set);
}

static struct entry *entry_new(uint64_t hash, const struct memory *memory, int64_t now_ms)
{
	struct entry *entry = malloc(sizeof(*entry) + memory->key.len + memory->value.len);

	if (entry == NULL)
		return NULL;
	entry->hash = hash;
	entry->expires_ms = memory->keep_ms > 0 ? now_ms + memory->keep_ms : INT64_MAX;
	entry->key_len = memory->key.len;
	entry->value_len = memory->value.len;
	if (memory->key.len > 0)
		memcpy(entry->bytes, memory->key.at, memory->key.len);
	if (memory->value.len > 0)
		memcpy(entry->bytes + memory->key.len, memory->value.at, memory->value.len);
	return entry;
}

/* --- what is offered --- */

struct memory_store *memory_store_new(void)
{
	struct memory_store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return NULL;
	if (getrandom(&store->hash, sizeof(store->hash), 0) != (ssize_t)sizeof(store->hash)) {
		free(store);
		return NULL;
	}
	pthread_mutex_init(&store->making, NULL);
	return store;
}

void memory_store_free(struct memory_store *store)
{
	if (store == NULL)
		return;
	for (size_t i = 0; i < store->set_count; i++) {
		struct set *set = store->set[i];

		while (set->oldest != NULL)
			remove_oldest(set);
		pthread_mutex_destroy(&set->lock);
		free(set->slot);
		free(set);
	}
	pthread_mutex_destroy(&store->making);
	free(store);
}

void memory_apply(struct memory_store *store, const struct memory *memory, int64_t now_ms)
{
	uint64_t hash = hash_span(&store->hash, memory->key);
	struct set *set = memory->value.at == NULL ? set_find(store, memory->set)
						   : set_find_or_make(store, memory->set);
	struct entry *entry = NULL, **place;

	if (set == NULL)
		return;
	if (memory->value.at != NULL)
		entry = entry_new(hash, memory, now_ms);
	pthread_mutex_lock(&set->lock);
	place = entry_place(set, hash, memory->key);
	if (*place != NULL)
		entry_remove(set, place);
	if (entry != NULL) {
		drop_expired(set, now_ms);
		set_grow(set);
		place = &set->slot[hash & (set->slot_count - 1)];
		entry->next = *place;
		*place = entry;
		line_enter(set, entry);
		set->entry_count++;
		set_bound(set, memory);
	}
	pthread_mutex_unlock(&set->lock);
}

static struct held *hold(const struct entry *entry)
{
	struct held *held = malloc(sizeof(*held) + entry->value_len);

	if (held == NULL)
		return NULL;
	memcpy(held->bytes, entry->bytes + entry->key_len, entry->value_len);
	held->item = span_of(held->bytes, entry->value_len);
	return held;
}

bool memory_recall(struct memory_store *store, struct fact *fact, int64_t now_ms)
{
	size_t blank = span_find(fact->key, ' ');
	struct span key = span_from(fact->key, blank + 1);
	struct held *held = NULL;
	bool known = false;
	uint64_t hash;
	struct set *set;
	struct entry **place;

	if (fact->kind != FACT_REMEMBERED)
		return false;
	fact->state = FACT_NONE;
	set = set_find(store, span_first(fact->key, blank));
	if (set == NULL)
		return true;
	hash = hash_span(&store->hash, key);
	pthread_mutex_lock(&set->lock);
	place = entry_place(set, hash, key);
	known = *place != NULL && (*place)->expires_ms > now_ms;
	if (known)
		held = hold(*place);
	else if (*place != NULL)
		entry_remove(set, place);
	pthread_mutex_unlock(&set->lock);
	if (!known)
		return true;
	if (held == NULL) {
		fact->state = FACT_FAILED;
		fact->cause = CAUSE_TOOLARGE;
		return true;
	}
	fact->state = FACT_KNOWN;
	fact->held = held;
	fact->item = &held->item;
	fact->item_count = 1;
	return true;
}

void memory_release(struct memory_store *store, struct fact *fact)
{
	(void)store;
	free(fact->held);
	fact->held = NULL;
}

void memory_forget_conversation(struct memory_store *store, struct span conversation)
{
	size_t count = atomic_load_explicit(&store->set_count, memory_order_acquire);

	for (size_t i = 0; i < count; i++) {
		struct memory memory = {
			.set = span_of(store->set[i]->name, store->set[i]->name_len),
			.key = conversation,
		};

		memory_apply(store, &memory, 0);
	}
}
