/* store.h -- the state that outlives an attempt.
 *
 *	scale -> store_ask(port, wait) ... the store's own thread, or a server ... -> answered()
 *
 * Few operations, each atomic, each with an expiry:
 *
 *	FACT_REMEMBERED	read what is remembered under a key of a set	-> KNOWN item, or NONE
 *	FACT_TALLY	count, and read what is counted (fact->count)	-> KNOWN items
 *	FACT_GREYLIST	first seen, or touch (fact->terms)		-> KNOWN item, or NONE: new
 *	store_remember	write or forget an entry of a set
 *	store_page	entries in order of their keys, a page at a time
 *	store_put	write an entry as it is; store_erase
 *
 * A store is shared by all threads; each thread talks to it through a port on its own event
 * loop, from which answered() is called.  An answer that depends on a write comes after the
 * write is safe from kill -9 (sqlite: after its commit; redis: after the server's answer).
 * When the store cannot do it the fact is FAILED: CAUSE_DOWN (not reachable, or not asked since
 * it is known to be down), CAUSE_TIMEOUT, CAUSE_REFUSED (read-only, full, no permission),
 * CAUSE_MALFORMED (nothing of ours under the key), CAUSE_TOOLARGE (too much in line).
 *
 * Sets whose name begins with "classic.message" or "classic.errors" belong to a connection or
 * to this process: every driver keeps them in memory (store/memory.h).  The sqlite driver keeps
 * all sets in memory, too, and writes them behind, so that a read of a set is answered at once.
 *
 * Keys are text without control characters, at most STORE_KEY_MAX bytes (weigh/key.h).
 */
#pragma once
#include "base/err.h"
#include "base/text.h"
#include "weigh/fact.h"
#include "weigh/verdict.h"

struct event_base;
struct store;
struct store_port;

enum {
	STORE_KEY_MAX = 255,
	STORE_SET_MAX = 63,
	STORE_VALUE_MAX = 48 * 1024,
	STORE_PAGE_MAX = 1000,
	STORE_WHY_MAX = 512,
	STORE_LINE_MAX = 65536, /* operations of one port that wait for an answer */
	STORE_ADDRESSES_MAX = 16,
};

enum store_class { STORE_KNOWN, STORE_TALLY, STORE_TRIPLET, STORE_CLASS_COUNT };

struct span store_class_name(enum store_class class); /* "known", "limit", "greylist" */

/* One entry as it is: for listing, export and import.  value is the text of weigh/tally.h or
 * weigh/triplet.h, or what was remembered. */
struct store_entry {
	enum store_class class;
	struct span set; /* of a limit: its name; empty for triplets */
	struct span key;
	struct span value;
	int64_t expires_ms; /* since 1970; 0: never */
};

/* One question, in the memory of whoever asks; the fact's key and task are copied. */
struct store_wait {
	struct fact *fact;
	int64_t now_ms;
	bool is_rehearsal; /* say what would be; change nothing */
	/** The fact is answered.  May be called from within store_ask(). */
	void (*answered)(struct store_wait *wait);
	void *owner;
	void *held; /* the driver's; NULL: answered, or forgotten */
};

struct store_page {
	enum store_class class;
	struct span set; /* empty: of all sets */
	/* Only what is behind this entry.  With Redis entries come in no order, and a listing
	 * may give one twice: there these two are what next_set and next of the page before
	 * were, no entry's. */
	struct span after_set, after;
	struct span
		contains; /* only keys that have it in them, without regard to case; empty: all */
	uint32_t most;    /* 1 to STORE_PAGE_MAX */
};

struct store_ended {
	enum err result;
	struct span why;                 /* in words, unless OK */
	const struct store_entry *entry; /* of a page */
	uint32_t entry_count;
	bool has_more;
	/* where to go on, when there is more and entry_count may be 0 (a page looks at so many
	 * entries at most) */
	struct span next_set, next;
};

typedef void store_done(void *self, const struct store_ended *ended);

/* FIGURE(name): since start; the last four are of now. */
#define STORE_FIGURES(FIGURE)                                                                      \
	FIGURE(reads)                                                                              \
	FIGURE(counts)                                                                             \
	FIGURE(touches)                                                                            \
	FIGURE(writes)                                                                             \
	FIGURE(commits)                                                                            \
	FIGURE(failures)                                                                           \
	FIGURE(reconnects)                                                                         \
	FIGURE(expired)                                                                            \
	FIGURE(evicted)                                                                            \
	FIGURE(entries)                                                                            \
	FIGURE(bytes)                                                                              \
	FIGURE(in_line)                                                                            \
	FIGURE(is_down)

struct store_figures {
#define FIGURE(name) uint64_t name;
	STORE_FIGURES(FIGURE)
#undef FIGURE
};

enum store_level { STORE_NOTICE, STORE_WARNING, STORE_ERROR };

enum store_kind { STORE_MEMORY, STORE_SQLITE, STORE_REDIS };
enum store_redis_mode { STORE_SINGLE, STORE_SENTINEL, STORE_CLUSTER };

struct store_address {
	struct span host; /* a name or an address; empty with a path */
	uint16_t port;
	struct span path; /* Unix socket */
};

struct store_options {
	enum store_kind kind;
	uint64_t entries_max; /* of all triplets and tallies; the least used go first */
	/* sqlite */
	struct span path;
	bool sync_full; /* safe against power loss, too */
	/* redis */
	enum store_redis_mode mode;
	struct store_address address[STORE_ADDRESSES_MAX];
	uint8_t address_count;
	struct span master;         /* sentinel: the master's name */
	struct span user, password; /* empty: none */
	struct span prefix;         /* of all keys: "weighd" */
	uint32_t database;          /* single and sentinel */
	bool has_tls;
	struct span ca_file, certificate_file, key_file; /* empty: the system's; none */
	int64_t connect_ms, answer_ms;                   /* patience */
	/** The store has something to say, once and not oftener than it bears; may be called by
	 * any thread. */
	void (*say)(void *self, enum store_level level, const char *text);
	void *self;
};

/** Open.  Spans of options are copied.
 *
 * sqlite: ERR_SYSTEM where there is no way to open or make the file, or somebody else has it (a
 * damaged one is set aside under a dated name, said, and a fresh one begun).
 * redis: never waits for the server; what cannot be reached is tried again and again.
 *
 * @param why  in words, unless OK
 */
MUST_USE enum err store_open(const struct store_options *options, struct text *why,
			     struct store **store_out);
/** All ports must be closed; what is in line is written first. */
void store_close(struct store *store);

/** base is NULL for a port that is only used with STORE_MEMORY. */
MUST_USE struct store_port *store_port_open(struct store *store, struct event_base *base);
/** Nobody is answered any more. */
void store_port_close(struct store_port *port);

/** Is the fact known on the spot?  Fills it, as recall does (weigh/ledger.h).  Never of facts
 * that count. */
bool store_recall(struct store_port *port, struct fact *fact, int64_t now_ms);
/** Let go of fact->held, whoever has filled the fact. */
void store_release(struct store_port *port, struct fact *fact);

void store_ask(struct store_port *port, struct store_wait *wait);
/** No answer is wanted any more; what has begun is done all the same. */
void store_forget(struct store_port *port, struct store_wait *wait);

/** Do what a verdict asked to be remembered; nobody waits for it. */
void store_remember(struct store_port *port, const struct memory *memory, int64_t now_ms);
/** Forget what is remembered for a connection. */
void store_forget_conversation(struct store_port *port, struct span conversation);

/** done() is called once, perhaps at once.  ERR_SYNTAX: what is asked for cannot be; ERR_LIMIT:
 * no room; ERR_SYSTEM: the store cannot do it now. */
void store_page(struct store_port *port, const struct store_page *page, int64_t now_ms,
		store_done *done, void *self);
/** What is no entry (a set, key or value that cannot be; a value that is not of its class; one
 * that has expired) is ERR_SYNTAX, and no driver sees it. */
void store_put(struct store_port *port, const struct store_entry *entry, int64_t now_ms,
	       store_done *done, void *self);
/** ERR_MISSING: there was none. */
void store_erase(struct store_port *port, const struct store_entry *entry, store_done *done,
		 void *self);

/** Why store_put() would say ERR_SYNTAX, in words; NULL: it would not. */
const char *store_entry_fault(const struct store_entry *entry, int64_t now_ms);

enum store_kind store_kind(const struct store *store);
void store_figures(const struct store *store, struct store_figures *figures_out);
