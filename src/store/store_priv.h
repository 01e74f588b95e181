/* store_priv.h -- what store.c and its drivers share.
 *
 * store.c asks the driver only for what is not kept in memory: local sets never get here, and
 * of a driver that keeps_sets none at all but to write them behind.
 */
#pragma once
#include "base/arena.h"
#include "store/memory.h"
#include "store/store.h"

#include <stdatomic.h>

/* Counters that any thread may raise. */
struct store_counters {
#define FIGURE(name) atomic_uint_fast64_t name;
	STORE_FIGURES(FIGURE)
#undef FIGURE
};

/* What a driver need not look at again: entries, memories and pages that it is given have been
 * checked by store.c, and reads, counts, touches and writes have been counted. */
struct store_driver {
	bool keeps_sets; /* sets are in store->memory, and written behind */
	/** what of options is needed is copied already: store->options.  @return see store_open */
	enum err (*open)(struct store *store, struct text *why);
	void (*close)(struct store *store); /* and free what driver holds */
	struct store_port *(*port_open)(struct store *store, struct event_base *base);
	void (*port_close)(struct store_port *port);
	void (*ask)(struct store_port *port, struct store_wait *wait);
	void (*forget)(struct store_port *port, struct store_wait *wait);
	void (*remember)(struct store_port *port, const struct memory *memory, int64_t now_ms);
	void (*page)(struct store_port *port, const struct store_page *page, int64_t now_ms,
		     store_done *done, void *self);
	void (*put)(struct store_port *port, const struct store_entry *entry, int64_t now_ms,
		    store_done *done, void *self);
	void (*erase)(struct store_port *port, const struct store_entry *entry, store_done *done,
		      void *self);
	/** figures that are not counted as they happen; NULL: none */
	void (*figures)(const struct store *store, struct store_figures *figures);
};

struct store {
	const struct store_driver *driver;
	struct arena arena;           /* of options' spans */
	struct store_options options; /* copied */
	struct memory_store *memory;
	struct store_counters count;
	void *held; /* the driver's */
};

/* A driver's port begins with it. */
struct store_port {
	struct store *store;
	struct event_base *base;
};

extern const struct store_driver store_memory, store_sqlite, store_redis;

static inline void store_count(atomic_uint_fast64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/** Say something through options.say, formatted. */
void store_say(const struct store *store, enum store_level level, const char *format, ...)
	PRINTF_LIKE(3, 4);

/** Is the set one of this process alone? */
bool store_set_is_local(struct span set);

/** Call done without entries; why is a literal, "" with OK. */
void store_end(store_done *done, void *self, enum err result, const char *why);

/** Answer page from the sets in store->memory. */
void store_page_sets(struct store *store, const struct store_page *page, int64_t now_ms,
		     store_done *done, void *self);

/* --- answers: each fills the fact and calls wait->answered --- */

void store_fail(struct store_wait *wait, enum fact_cause cause);
void store_answer_none(struct store_wait *wait);
/** One item, copied. */
void store_answer_item(struct store_wait *wait, struct span item);
struct tally_result;
/** An item a window; NONE where there are no rates. */
void store_answer_tally(struct store_wait *wait, const struct tally_result *result);

/* --- what all drivers do to a record's text: pure --- */

struct tally_count;
struct triplet_terms;

/** Count into the tally whose text is before (empty: none).  A text that is none of ours counts
 * as nothing.
 *
 * @param after  its text afterwards, room for TALLY_TEXT_MAX; empty when nothing changed
 * @return when it is forgotten
 */
int64_t store_count_text(struct span before, const struct tally_count *count, int64_t now_ms,
			 struct text *after, struct tally_result *result_out);

/** The text of a triplet whose entry expires at expires_ms (0: never) as it is to be judged.
 *
 * What has expired but is still there is handed to store_touch_text() where terms say EXPIRED;
 * where they do not, it is as good as gone.  (A tally that has expired is always gone.)
 *
 * @return text, or empty
 */
struct span store_live_triplet(struct span text, int64_t expires_ms,
			       const struct triplet_terms *terms, int64_t now_ms);

/** Touch the triplet whose text is before (empty: none).  A text that is none of ours counts as
 * nothing.
 *
 * @param item   of the fact; empty: NONE
 * @param after  its text afterwards, room for TRIPLET_TEXT_MAX
 * @return when it is forgotten
 */
int64_t store_touch_text(struct span before, const struct triplet_terms *terms, int64_t now_ms,
			 struct text *item, struct text *after);
