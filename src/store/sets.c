/* sets.c -- the sets in memory, a page at a time. */
#include "store/store_priv.h"

#include <stdlib.h>

/* A page over sets while it is gathered. */
struct gathering {
	struct store *store;
	const struct store_page *page;
	int64_t now_ms;
	struct memory_entry *found;
	struct store_entry *entry;
	uint32_t count;
	bool has_more;
};

/* What stands in memory besides sets has a name that none can have (memory_driver.c). */
static bool is_paged(const struct store_page *page, struct span set)
{
	if (store_set_is_local(set) || span_starts(set, SPAN("\t")))
		return false;
	if (!span_is_empty(page->set) && !span_equal(page->set, set))
		return false;
	return span_is_empty(page->after_set) || span_compare(set, page->after_set) >= 0;
}

static void gather_set(struct gathering *gathering, struct span set)
{
	const struct store_page *page = gathering->page;
	struct memory_page wanted = {
		.set = set,
		.after = page->after,
		.has_after = !span_is_empty(page->after) &&
			     (span_is_empty(page->after_set) || span_equal(set, page->after_set)),
		.contains = page->contains,
		.most = page->most - gathering->count,
	};
	struct memory_entry *found = gathering->found + gathering->count;
	size_t count = memory_page(gathering->store->memory, &wanted, gathering->now_ms, found,
				   &gathering->has_more);

	for (size_t i = 0; i < count; i++)
		gathering->entry[gathering->count++] = (struct store_entry){
			.class = STORE_KNOWN,
			.set = set,
			.key = found[i].key,
			.value = found[i].value,
			.expires_ms = found[i].expires_ms,
		};
}

static void gather_sets(struct gathering *gathering)
{
	struct span name[MEMORY_SETS_MAX];
	size_t count = memory_sets(gathering->store->memory, name);

	for (size_t i = 0; i < count && !gathering->has_more; i++) {
		if (!is_paged(gathering->page, name[i]))
			continue;
		if (gathering->count == gathering->page->most) {
			gathering->has_more = true;
			return;
		}
		gather_set(gathering, name[i]);
	}
}

void store_page_sets(struct store *store, const struct store_page *page, int64_t now_ms,
		     store_done *done, void *self)
{
	struct gathering gathering = { .store = store,
				       .page = page,
				       .now_ms = now_ms,
				       .found = calloc(page->most, sizeof(*gathering.found)),
				       .entry = calloc(page->most, sizeof(*gathering.entry)) };
	struct store_ended ended = { .result = OK, .entry = gathering.entry };

	if (gathering.found == NULL || gathering.entry == NULL) {
		store_end(done, self, ERR_SYSTEM, "there is no memory for it");
		goto release;
	}
	gather_sets(&gathering);
	ended.entry_count = gathering.count;
	ended.has_more = gathering.has_more;
	if (gathering.count > 0) {
		ended.next_set = gathering.entry[gathering.count - 1].set;
		ended.next = gathering.entry[gathering.count - 1].key;
	}
	done(self, &ended);
	memory_page_free(gathering.found, gathering.count);
release:
	free(gathering.found);
	free(gathering.entry);
}
