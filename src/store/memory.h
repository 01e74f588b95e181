/* memory.h -- what weighd remembers between attempts, in memory.
 *
 * Sets of entries, key to value, each bounded.  Safe to use from all workers.  Under store.h it
 * holds the sets of a driver that keeps_sets, what belongs to this process alone, and, for
 * `store memory`, everything.
 */
#pragma once
#include "base/err.h"
#include "weigh/fact.h"
#include "weigh/verdict.h"

struct memory_store;

enum {
	/* SETS_MAX of policy/config.h, as many of a configuration before, and a few of our own;
	 * none is ever removed */
	MEMORY_SETS_MAX = 520,
	MEMORY_ENTRIES_MAX = 1000000,        /* of one set, when a memory names no bound */
	MEMORY_PAGE_BYTES = 4 * 1024 * 1024, /* of a page; then it ends early */
};

MUST_USE struct memory_store *memory_store_new(void);
void memory_store_free(struct memory_store *store);

/** Fill a FACT_REMEMBERED fact: KNOWN with one item, or NONE.  Other kinds: false. */
bool memory_recall(struct memory_store *store, struct fact *fact, int64_t now_ms);
void memory_release(struct memory_store *store, struct fact *fact);

/** Do what a verdict asked to be remembered. */
void memory_apply(struct memory_store *store, const struct memory *memory, int64_t now_ms);

/** Forget what is remembered under the key CONVERSATION, in whatever set. */
void memory_forget_conversation(struct memory_store *store, struct span conversation);

/* --- for store.c and the drivers --- */

struct memory_where {
	struct span set, key;
};

/* What is in a place, and what shall be there. */
struct memory_place {
	struct span value;  /* .at == NULL: nothing */
	int64_t expires_ms; /* 0: never; may have passed already */
};

/* Gets what is there and says in it what shall be there, or false: it stays as it is.  What it
 * then points to must live until memory_change() returns. */
typedef bool memory_changer(void *self, struct memory_place *place);

/** Look at an entry and change it, with nobody between.
 *
 * @param most    entries of the set; 0: MEMORY_ENTRIES_MAX
 * @return ERR_LIMIT: no room for a set more, or no memory: nothing has changed
 */
MUST_USE enum err memory_change(struct memory_store *store, const struct memory_where *where,
				uint64_t most, memory_changer *change, void *self);

/** Write an entry as it is. */
MUST_USE enum err memory_put(struct memory_store *store, const struct memory_where *where,
			     struct memory_place place, uint64_t most);
/** @return ERR_MISSING: there was none */
MUST_USE enum err memory_erase(struct memory_store *store, const struct memory_where *where);

/* Which entries of a set are wanted in a page. */
struct memory_page {
	struct span set;
	struct span prefix; /* of their keys; left out of what is given */
	struct span after;  /* only keys behind it, if has_after; without the prefix */
	bool has_after;
	struct span contains; /* only keys that have it in them, in any case; empty: all */
	bool skips_word;      /* contains is not looked for in the first word */
	uint32_t most;        /* at least 1 */
};

struct memory_entry {
	struct span key, value;
	int64_t expires_ms; /* 0: never */
};

/** The next entries that have not expired, in order of their keys.
 *
 * Looks at all of the set, a slice at a time: for people, not for mail.
 *
 * @param entry_out     room for page->most; copied, until memory_page_free()
 * @param has_more_out  more than those are there: beyond page->most, or MEMORY_PAGE_BYTES
 * @return how many
 */
size_t memory_page(struct memory_store *store, const struct memory_page *page, int64_t now_ms,
		   struct memory_entry *entry_out, bool *has_more_out);
void memory_page_free(struct memory_entry *entry, size_t count);

/** Names of the sets, sorted.
 *
 * @param name_out  room for MEMORY_SETS_MAX; valid as long as the store
 */
size_t memory_sets(struct memory_store *store, struct span *name_out);

struct memory_figures {
	uint64_t entries, bytes; /* bytes: of keys and values */
	uint64_t expired, evicted;
};

void memory_figures(struct memory_store *store, struct memory_figures *figures_out);
