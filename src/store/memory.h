/* memory.h -- what weighd remembers between attempts, in memory.
 *
 * Sets of entries, key to value, each bounded.  Safe to use from all workers.  Later the same
 * few operations stand on a store that outlives the process.
 */
#pragma once
#include "weigh/fact.h"
#include "weigh/verdict.h"

struct memory_store;

enum {
	MEMORY_SETS_MAX = 256,
	MEMORY_ENTRIES_MAX = 1000000, /* of one set, when a memory names no bound */
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
