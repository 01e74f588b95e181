/* memory_page.c -- the entries of a set in order of their keys, a page at a time.
 *
 * A hash table has no order: the page is what is smallest of all that is behind `after`, kept in
 * a heap with the largest on top.  The set is locked for a slice of its slots at a time; when it
 * has grown in between, the look begins anew.
 */
#include "store/memory_priv.h"

#include <stdlib.h>

enum { SLICE_SLOTS = 1024 };

/* A page while it is gathered. */
struct gathering {
	const struct memory_page *page;
	int64_t now_ms;
	struct memory_entry *entry; /* a heap */
	size_t count;
	bool has_more;
};

static bool has_nocase(struct span s, struct span part)
{
	for (size_t i = 0; i + part.len <= s.len; i++)
		if (span_equal_nocase(span_of(s.at + i, part.len), part))
			return true;
	return false;
}

static bool is_wanted(const struct gathering *gathering, const struct entry *entry,
		      struct span *key_out)
{
	const struct memory_page *page = gathering->page;
	struct span key = entry_key(entry);

	if (entry->expires_ms <= gathering->now_ms || !span_starts(key, page->prefix))
		return false;
	key = span_from(key, page->prefix.len);
	if (page->has_after && span_compare(key, page->after) <= 0)
		return false;
	*key_out = key;
	if (page->skips_word)
		key = span_from(key, span_find(key, ' ') + 1);
	return has_nocase(key, page->contains);
}

static void entry_free(struct memory_entry *entry)
{
	free((void *)(uintptr_t)entry->key.at);
}

static bool entry_copy(const struct entry *entry, struct span key, struct memory_entry *copy_out)
{
	struct span value = entry_value(entry);
	char *bytes = malloc(key.len + value.len + 1);

	if (bytes == NULL)
		return false;
	memcpy(bytes, key.at, key.len);
	memcpy(bytes + key.len, value.at, value.len);
	copy_out->key = span_of(bytes, key.len);
	copy_out->value = span_of(bytes + key.len, value.len);
	copy_out->expires_ms = entry->expires_ms == INT64_MAX ? 0 : entry->expires_ms;
	return true;
}

static bool is_behind(const struct memory_entry *a, const struct memory_entry *b)
{
	return span_compare(a->key, b->key) > 0;
}

static void swap(struct memory_entry *a, struct memory_entry *b)
{
	struct memory_entry kept = *a;

	*a = *b;
	*b = kept;
}

static void heap_raise(struct memory_entry *entry, size_t at)
{
	for (; at > 0 && is_behind(&entry[at], &entry[(at - 1) / 2]); at = (at - 1) / 2)
		swap(&entry[at], &entry[(at - 1) / 2]);
}

static void heap_lower(struct memory_entry *entry, size_t count)
{
	size_t at = 0, child;

	for (; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && is_behind(&entry[child + 1], &entry[child]))
			child++;
		if (!is_behind(&entry[child], &entry[at]))
			return;
		swap(&entry[child], &entry[at]);
	}
}

static void gather(struct gathering *gathering, const struct entry *entry)
{
	struct memory_entry *heap = gathering->entry, copy;
	struct span key;

	if (!is_wanted(gathering, entry, &key))
		return;
	if (gathering->count < gathering->page->most) {
		if (entry_copy(entry, key, &heap[gathering->count]))
			heap_raise(heap, gathering->count++);
		return;
	}
	gathering->has_more = true;
	if (span_compare(key, heap[0].key) >= 0 || !entry_copy(entry, key, &copy))
		return;
	entry_free(&heap[0]);
	heap[0] = copy;
	heap_lower(heap, gathering->count);
}

/* One slice; false: the set has grown, and slots mean something else. */
static bool gather_slice(struct gathering *gathering, struct set *set, size_t first, size_t slots)
{
	bool is_same;

	pthread_mutex_lock(&set->lock);
	is_same = set->slot_count == slots;
	for (size_t i = first; is_same && i < slots && i < first + SLICE_SLOTS; i++)
		for (const struct entry *entry = set->slot[i]; entry != NULL; entry = entry->next)
			gather(gathering, entry);
	pthread_mutex_unlock(&set->lock);
	return is_same;
}

static size_t slots_of(struct set *set)
{
	size_t slots;

	pthread_mutex_lock(&set->lock);
	slots = set->slot_count;
	pthread_mutex_unlock(&set->lock);
	return slots;
}

static int compare_entries(const void *a, const void *b)
{
	return span_compare(((const struct memory_entry *)a)->key,
			    ((const struct memory_entry *)b)->key);
}

/* No more bytes than a page may have, but one entry at least. */
static void cut_page(struct gathering *gathering)
{
	size_t bytes = 0, count = 0;

	for (; count < gathering->count; count++) {
		bytes += gathering->entry[count].key.len + gathering->entry[count].value.len;
		if (count > 0 && bytes > MEMORY_PAGE_BYTES)
			break;
	}
	if (count == gathering->count)
		return;
	memory_page_free(gathering->entry + count, gathering->count - count);
	gathering->count = count;
	gathering->has_more = true;
}

size_t memory_page(struct memory_store *store, const struct memory_page *page, int64_t now_ms,
		   struct memory_entry *entry_out, bool *has_more_out)
{
	struct gathering gathering = { .page = page, .now_ms = now_ms, .entry = entry_out };
	struct set *set = memory_set_find(store, page->set);
	size_t slots = set != NULL ? slots_of(set) : 0;

	for (size_t i = 0; i < slots; i += SLICE_SLOTS) {
		if (gather_slice(&gathering, set, i, slots))
			continue;
		memory_page_free(entry_out, gathering.count);
		gathering.count = 0;
		gathering.has_more = false;
		slots = slots_of(set);
		i = 0 - (size_t)SLICE_SLOTS; /* from the first */
	}
	if (gathering.count > 1)
		qsort(entry_out, gathering.count, sizeof(*entry_out), compare_entries);
	cut_page(&gathering);
	*has_more_out = gathering.has_more;
	return gathering.count;
}

void memory_page_free(struct memory_entry *entry, size_t count)
{
	for (size_t i = 0; i < count; i++)
		entry_free(&entry[i]);
}

static int compare_names(const void *a, const void *b)
{
	return span_compare(*(const struct span *)a, *(const struct span *)b);
}

size_t memory_sets(struct memory_store *store, struct span *name_out)
{
	size_t count = atomic_load_explicit(&store->set_count, memory_order_acquire);

	for (size_t i = 0; i < count; i++)
		name_out[i] = set_name(store->set[i]);
	if (count > 1)
		qsort(name_out, count, sizeof(*name_out), compare_names);
	return count;
}
