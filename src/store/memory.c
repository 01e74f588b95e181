/* memory.c -- what weighd remembers between attempts, in memory. */
#include "base/ensure.h"
#include "store/memory_priv.h"

#include <stdlib.h>
#include <sys/random.h>

enum { SLOTS_MIN = 64 };

/* A copy that a fact holds: the entry may be gone before the attempt is. */
struct held {
	struct span item;
	char bytes[];
};

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

struct set *memory_set_find(struct memory_store *store, struct span name)
{
	size_t count = atomic_load_explicit(&store->set_count, memory_order_acquire);

	for (size_t i = 0; i < count; i++)
		if (span_equal(set_name(store->set[i]), name))
			return store->set[i];
	return NULL;
}

static struct set *set_find_or_make(struct memory_store *store, struct span name)
{
	struct set *set = memory_set_find(store, name);
	size_t count;

	if (set != NULL)
		return set;
	pthread_mutex_lock(&store->making);
	set = memory_set_find(store, name); /* another worker may have been faster */
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
	set->bytes -= entry->key_len + entry->value_len;
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

/* When there are too many, the oldest go until keep are left. */
static void set_bound(struct set *set, uint64_t max, uint64_t keep)
{
	if (max == 0 || max > MEMORY_ENTRIES_MAX)
		max = MEMORY_ENTRIES_MAX;
	if (keep == 0 || keep > max)
		keep = max;
	if (set->entry_count <= max)
		return;
	for (; set->entry_count > keep; set->evicted++)
		remove_oldest(set);
}

static void drop_expired(struct set *set, int64_t now_ms)
{
	for (; set->oldest != NULL && set->oldest->expires_ms <= now_ms; set->expired++)
		remove_oldest(set);
}

static struct entry *entry_new(uint64_t hash, struct span key, struct span value,
			       int64_t expires_ms)
{
	struct entry *entry = malloc(sizeof(*entry) + key.len + value.len);

	if (entry == NULL)
		return NULL;
	entry->hash = hash;
	entry->expires_ms = expires_ms;
	entry->key_len = key.len;
	entry->value_len = value.len;
	if (key.len > 0)
		memcpy(entry->bytes, key.at, key.len);
	if (value.len > 0)
		memcpy(entry->bytes + key.len, value.at, value.len);
	return entry;
}

/* There is none of its key any more. */
static void entry_enter(struct set *set, struct entry *entry)
{
	struct entry **place;

	set_grow(set);
	place = &set->slot[entry->hash & (set->slot_count - 1)];
	entry->next = *place;
	*place = entry;
	line_enter(set, entry);
	set->entry_count++;
	set->bytes += entry->key_len + entry->value_len;
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

static int64_t expiry_of(const struct memory *memory, int64_t now_ms)
{
	int64_t expires_ms;

	if (memory->keep_ms <= 0 || __builtin_add_overflow(now_ms, memory->keep_ms, &expires_ms))
		return INT64_MAX;
	return expires_ms;
}

void memory_apply(struct memory_store *store, const struct memory *memory, int64_t now_ms)
{
	uint64_t hash = hash_span(&store->hash, memory->key);
	struct set *set = memory->value.at == NULL ? memory_set_find(store, memory->set)
						   : set_find_or_make(store, memory->set);
	struct entry *entry = NULL, **place;

	if (set == NULL)
		return;
	if (memory->value.at != NULL)
		entry = entry_new(hash, memory->key, memory->value, expiry_of(memory, now_ms));
	pthread_mutex_lock(&set->lock);
	place = entry_place(set, hash, memory->key);
	if (*place != NULL)
		entry_remove(set, place);
	if (entry != NULL) {
		drop_expired(set, now_ms);
		entry_enter(set, entry);
		set_bound(set, memory->entries_max, memory->entries_keep);
	}
	pthread_mutex_unlock(&set->lock);
}

/* One memory_change() while it is under way. */
struct change {
	uint64_t hash;
	struct span key;
	uint64_t most;
	memory_changer *change;
	void *self;
};

static enum err set_change(struct set *set, const struct change *change)
{
	struct entry **at = entry_place(set, change->hash, change->key), *entry = *at;
	struct memory_place place = { .expires_ms = 0 };

	if (entry != NULL) {
		place.value = entry_value(entry);
		place.expires_ms = entry->expires_ms == INT64_MAX ? 0 : entry->expires_ms;
	}
	if (!change->change(change->self, &place)) {
		if (entry != NULL) { /* used, all the same */
			line_leave(set, entry);
			line_enter(set, entry);
		}
		return OK;
	}
	if (place.value.at != NULL) {
		entry = entry_new(change->hash, change->key, place.value,
				  place.expires_ms == 0 ? INT64_MAX : place.expires_ms);
		if (entry == NULL)
			return ERR_LIMIT;
	}
	if (*at != NULL)
		entry_remove(set, at);
	if (place.value.at != NULL) {
		entry_enter(set, entry);
		set_bound(set, change->most, 0);
	}
	return OK;
}

enum err memory_change(struct memory_store *store, const struct memory_where *where, uint64_t most,
		       memory_changer *change, void *self)
{
	struct change one = { .hash = hash_span(&store->hash, where->key),
			      .key = where->key,
			      .most = most,
			      .change = change,
			      .self = self };
	struct set *set = set_find_or_make(store, where->set);
	enum err err;

	if (set == NULL)
		return ERR_LIMIT;
	pthread_mutex_lock(&set->lock);
	err = set_change(set, &one);
	pthread_mutex_unlock(&set->lock);
	return err;
}

static bool put_change(void *self, struct memory_place *place)
{
	*place = *(const struct memory_place *)self;
	return true;
}

enum err memory_put(struct memory_store *store, const struct memory_where *where,
		    struct memory_place place, uint64_t most)
{
	return memory_change(store, where, most, put_change, &place);
}

static bool erase_change(void *self, struct memory_place *place)
{
	*(bool *)self = place->value.at != NULL;
	place->value = span_of(NULL, 0);
	return true;
}

enum err memory_erase(struct memory_store *store, const struct memory_where *where)
{
	bool was_there = false;

	if (memory_set_find(store, where->set) == NULL)
		return ERR_MISSING;
	if (memory_change(store, where, 0, erase_change, &was_there) != OK || !was_there)
		return ERR_MISSING;
	return OK;
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
	set = memory_set_find(store, span_first(fact->key, blank));
	if (set == NULL)
		return true;
	hash = hash_span(&store->hash, key);
	pthread_mutex_lock(&set->lock);
	place = entry_place(set, hash, key);
	known = *place != NULL && (*place)->expires_ms > now_ms;
	if (known) {
		held = hold(*place);
	} else if (*place != NULL) {
		entry_remove(set, place);
		set->expired++;
	}
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
			.set = set_name(store->set[i]),
			.key = conversation,
		};

		memory_apply(store, &memory, 0);
	}
}

void memory_figures(struct memory_store *store, struct memory_figures *figures_out)
{
	size_t count = atomic_load_explicit(&store->set_count, memory_order_acquire);
	struct memory_figures figures = { .entries = 0 };

	for (size_t i = 0; i < count; i++) {
		struct set *set = store->set[i];

		pthread_mutex_lock(&set->lock);
		figures.entries += set->entry_count;
		figures.bytes += set->bytes;
		figures.expired += set->expired;
		figures.evicted += set->evicted;
		pthread_mutex_unlock(&set->lock);
	}
	*figures_out = figures;
}
