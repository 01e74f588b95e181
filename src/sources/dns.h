/* dns.h -- the source of DNS facts.
 *
 * Three parts.  The cache (one, shared by all workers): parsed answers by question, bounded in
 * bytes, kept by TTL.  The mesh: equal questions of different attempts, of whatever worker, are
 * asked once.  The resolver (one a worker, on its event loop): c-ares towards a resolver on
 * loopback, libunbound for recursion and for any other address (doc: design/dependencies.md,
 * section 4).
 *
 * What comes back is parsed and checked by us (sources/dns_answer.h); a fact never holds a byte
 * that the parser did not understand.  Answers are in the forms of weigh/facts.def.
 */
#pragma once
#include "base/err.h"
#include "mail/ip.h"
#include "weigh/ledger.h"

#include <sys/queue.h>

struct event_base;
struct dns_cache;
struct dns_guard;
struct dns_zone;
struct dns;

struct dns_cache_options {
	size_t bytes_max;
	uint32_t questions_max; /* in flight, of all workers */
};

MUST_USE struct dns_cache *dns_cache_new(const struct dns_cache_options *options);
/** After the last dns_free. */
void dns_cache_free(struct dns_cache *cache);

/** Whom not to ask (sources/dns_guard.h); the cache's. */
struct dns_guard *dns_cache_guard(struct dns_cache *cache);

/** A struct recall's function: self is the struct dns of the worker.
 *
 * Knows, too, what must not be asked: of a list that is parked (CAUSE_PARKED), or does not
 * answer, or while the resolver is down (CAUSE_DOWN).  Where asking fails, or is not allowed, an
 * answer that has expired is still given for as long again as its TTL was, up to a day of age:
 * age_s is then not below ttl_s.
 */
bool dns_recall(void *self, struct fact *fact);
void dns_release(void *self, struct fact *fact);

enum dns_resolver { DNS_RECURSIVE, DNS_SYSTEM, DNS_ADDRESSES };

/* Which library asks.  Tests and measurements choose; all else leaves it by address. */
enum dns_library { DNS_BY_ADDRESS, DNS_CARES, DNS_UNBOUND };

struct dns_address {
	struct ip address;
	uint16_t port;
};

struct dns_options {
	struct event_base *base;
	struct dns_cache *cache;
	enum dns_resolver resolver;
	enum dns_library library;
	const struct dns_address *address; /* DNS_ADDRESSES; copied */
	size_t address_count;
	uint32_t question_ms;          /* one question's patience */
	uint32_t questions_max;        /* of this worker, in flight */
	uint32_t questions_per_client; /* in flight, a /24 or /64 */
	/* In flight, by the last two labels of the name; lists that dns_guard_use names are free.
	 */
	uint32_t questions_per_zone;
	const char *root_hints; /* DNS_RECURSIVE, for tests: a hints file; NULL: built in */
};

/** @return NULL when the library refuses; *why_out then says it */
MUST_USE struct dns *dns_new(const struct dns_options *options, const char **why_out);

/** All waits must have been answered or forgotten. */
void dns_free(struct dns *dns);

/* One attempt waits for one fact.  Lives in the arena of the attempt. */
struct dns_wait {
	struct fact *fact;
	struct ip client; /* for the share a client may have */
	/** The fact has got its state.  Called once, from the event loop, never from inside
	 * dns_ask; not after dns_forget. */
	void (*answered)(struct dns_wait *wait);
	void *owner;
	bool is_test; /* asks whether a list works: asked even if parked, never answered stale */
	/* private to the source; all zero before dns_ask */
	TAILQ_ENTRY(dns_wait) by_question; /* of its question, then of its worker's inbox */
	TAILQ_ENTRY(dns_wait) by_age;      /* of its worker */
	struct dns_question *question;     /* NULL: answered, or refused */
	struct dns_inbox *inbox;           /* NULL: not waiting */
	struct dns_zone *zone;             /* the watched list it is a question to; NULL: none */
	struct dns_entry *entry;           /* what the inbox brings; NULL: failed, see cause */
	enum fact_cause cause;
	uint64_t asked_us;
};

/** Ask what dns_recall did not know.  fact->key is borrowed until the answer or dns_forget. */
void dns_ask(struct dns *dns, struct dns_wait *wait);

/** The attempt is over: its answer, should it come, goes to the cache alone.  Nothing happens
 * to one that has its answer. */
void dns_forget(struct dns *dns, struct dns_wait *wait);

struct dns_figures {
	uint64_t asked;     /* questions that went out */
	uint64_t joined;    /* waits for a question that was out already */
	uint64_t recalled;  /* answers from the cache */
	uint64_t failed;    /* waits that ended FAILED */
	uint32_t in_flight; /* questions, of this worker */
	size_t cache_entries, cache_bytes;
};

/** Of one worker, the cache's of all; from any thread. */
void dns_figures(const struct dns *dns, struct dns_figures *figures_out);
