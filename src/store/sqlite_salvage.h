/* sqlite_salvage.h -- what can be read of the file of a sqlite store, however damaged.
 *
 * Without SQLite's help, which refuses such files: page by page, and in a page that is damaged
 * itself byte by byte, all is taken that holds its sum (sqlite_cells.h).  Nothing that was never
 * written is found that way.  What was written, but deleted since, may be: where journal and file
 * do not fit any more, or in a damaged page.  Of several states of an entry the last counts.
 *
 * The file and its journal are only read.
 */
#pragma once
#include "store/store.h"

struct sqlite_salvage {
	int64_t now_ms;
	/** Each entry once, known ones first, then in order of sets and keys; borrowed until it
	 * returns.  @return false: enough */
	bool (*take)(void *self, const struct store_entry *entry);
	void *self;
	/* what there was */
	uint64_t taken, expired;
	uint64_t refused; /* rows that do not hold their sums, in pages that are whole */
	uint32_t pages, damaged_pages, missing_pages;
	bool is_journal_damaged;
};

/** @param why  in words, unless OK
 * @return ERR_SYSTEM: the file cannot be opened; ERR_LIMIT: no memory */
MUST_USE enum err sqlite_salvage(const char *path, struct sqlite_salvage *salvage,
				 struct text *why);
