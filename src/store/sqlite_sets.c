/* sqlite_sets.c -- the sets, between the file and memory.
 *
 * At the start the file is read into memory.  When a new file has been begun in the place of a
 * damaged one, memory is written into that, a page at a time between batches.
 */
#include "store/sqlite_priv.h"

#include <stdlib.h>

/* The rows come out of a sorter: what is deleted meanwhile does not disturb it. */
int sqlite_load_sets(struct sqlite *sqlite)
{
	sqlite3_stmt *load = sqlite->file.statement[LOAD_KNOWN];
	struct sqlite_row row;
	int rc, erased;

	while ((rc = sqlite3_step(load)) == SQLITE_ROW) {
		struct memory_where where;
		struct memory_place place;

		if (!sqlite_row_walk(load, STORE_KNOWN, &row)) {
			erased = sqlite_row_erase_walked(sqlite, STORE_KNOWN, load);
			if (sqlite_is_damage(erased))
				return erased;
			continue; /* where it cannot be deleted now, a sweep does it */
		}
		where = (struct memory_where){ row.set, row.key };
		place = (struct memory_place){ .value = row.text,
					       .expires_ms = row.number[ROW_EXPIRES] };
		/* what there is no room for is swept later */
		(void)!memory_put(sqlite->store->memory, &where, place, 0);
	}
	return rc == SQLITE_DONE ? sqlite3_reset(load) : rc;
}

/* --- into a new file --- */

static bool is_written(struct span set)
{
	return !store_set_is_local(set) && !span_starts(set, SPAN("\t")); /* sets.c */
}

/* On to the next set.  @return false: there is none */
static bool next_set(struct sqlite *sqlite)
{
	struct sqlite_refill *refill = &sqlite->refill;
	struct span name[MEMORY_SETS_MAX], now = span_of(refill->set, refill->set_len);
	size_t count = memory_sets(sqlite->store->memory, name);

	for (size_t i = 0; i < count; i++) {
		if (!is_written(name[i]) || span_compare(name[i], now) <= 0 ||
		    name[i].len > sizeof(refill->set))
			continue;
		memcpy(refill->set, name[i].at, name[i].len);
		refill->set_len = name[i].len;
		refill->key_len = 0;
		refill->is_inside = true;
		return true;
	}
	return false;
}

static int write_page(struct sqlite *sqlite, const struct memory_entry *entry, size_t count)
{
	struct span set = span_of(sqlite->refill.set, sqlite->refill.set_len);
	int rc = sqlite_do(&sqlite->file, DO_BEGIN_WRITE);

	for (size_t i = 0; i < count && rc == SQLITE_OK; i++) {
		struct sqlite_row row = { .class = STORE_KNOWN,
					  .set = set,
					  .key = entry[i].key,
					  .number = { [ROW_EXPIRES] = entry[i].expires_ms },
					  .text = entry[i].value };

		rc = sqlite_row_put(&sqlite->file, &row);
	}
	return rc == SQLITE_OK ? sqlite_do(&sqlite->file, DO_COMMIT) : rc;
}

void sqlite_refill_begin(struct sqlite_refill *refill)
{
	memset(refill, 0, sizeof(*refill));
	refill->is_running = true;
}

int sqlite_refill(struct sqlite *sqlite)
{
	struct sqlite_refill *refill = &sqlite->refill;
	struct memory_page page = { .most = STORE_PAGE_MAX };
	struct memory_entry *entry;
	bool has_more = false;
	size_t count;
	int rc;

	if (!refill->is_inside && !next_set(sqlite)) {
		refill->is_running = false;
		return SQLITE_OK;
	}
	entry = calloc(page.most, sizeof(*entry));
	if (entry == NULL)
		return SQLITE_NOMEM;
	page.set = span_of(refill->set, refill->set_len);
	page.after = span_of(refill->key, refill->key_len);
	page.has_after = refill->key_len > 0;
	count = memory_page(sqlite->store->memory, &page, 0, entry, &has_more);
	rc = write_page(sqlite, entry, count);
	if (rc == SQLITE_OK && count > 0) {
		refill->key_len = span_first(entry[count - 1].key, sizeof(refill->key)).len;
		memcpy(refill->key, entry[count - 1].key.at, refill->key_len);
	}
	if (rc == SQLITE_OK)
		refill->is_inside = has_more;
	memory_page_free(entry, count);
	free(entry);
	return rc;
}
