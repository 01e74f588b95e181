/* dns_guard.h -- whom not to ask: parked and silent DNS lists, and a resolver that is down.
 *
 * One a cache, shared by all workers.  The main thread says which lists the configuration uses
 * and what their tests said (daemon/zone_watch.h); workers report every answer, and look before
 * they ask.  The look costs a walk over the labels at a name's end and two atomic reads.
 *
 * Source: design requirements B2 to B4, D4 and D9.
 */
#pragma once
#include "sources/dns_answer.h"
#include "weigh/zone_health.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	DNS_GUARD_ZONES_MAX = 1024, /* names, of all configurations since the start */
	DNS_GUARD_SLOTS = 4096,     /* a power of two */
	DNS_PROBE_MS = 5000,        /* between two probes of a list that was silent */
	DNS_OUTAGE_MS = 5000,       /* nothing but failures for so long: the resolver is down */
	DNS_OUTAGE_FAILURES = 4,    /* and at least so many of them */
	DNS_OUTAGE_PROBE_MS = 1000,
};
_Static_assert(DNS_GUARD_SLOTS >= 2 * DNS_GUARD_ZONES_MAX, "else the index fills up");

/* FIGURE(name): what became of the questions of a zone, since the start. */
#define DNS_ZONE_FIGURES(FIGURE)                                                                   \
	FIGURE(asked)                                                                              \
	FIGURE(listed)                                                                             \
	FIGURE(refused)                                                                            \
	FIGURE(failed)                                                                             \
	FIGURE(skipped)

/* What a worker has seen and the main thread shall look into; bits. */
enum dns_zone_news {
	NEWS_REFUSED = 1, /* it is parked already */
	NEWS_VETO = 2,
	NEWS_SUSPECT = 4, /* an answer from outside 127.0.0.0/8 */
	NEWS_SILENT = 8,  /* the breaker has opened */
	NEWS_HEARD = 16,  /* the breaker has closed */
};

struct dns_zone {
	struct zone zone; /* written by the main thread, under lock; read by it without */
	char *texts;      /* what the spans of zone point into */
	struct span name; /* never changes */
	atomic_bool is_used, is_parked;
	_Atomic int64_t skip_until_ms;     /* of the breaker; 0: closed */
	atomic_uint_fast32_t well_since_s; /* what was fetched before is not believed */
#define FIGURE(name) atomic_uint_fast64_t name;
	DNS_ZONE_FIGURES(FIGURE)
#undef FIGURE
	atomic_uint news;
	pthread_mutex_t lock; /* of what follows */
	uint32_t news_raw;    /* the address that was the news */
	struct breaker breaker;
	struct zone_veto veto;
};

struct dns_guard {
	_Atomic(struct dns_zone *) slot[DNS_GUARD_SLOTS];
	struct dns_zone *zone[DNS_GUARD_ZONES_MAX]; /* the main thread's */
	uint16_t zone_count;
	atomic_uint labels_max;     /* of a zone's name; 0: there are no zones */
	int wake_fd;                /* eventfd; readable when there is news */
	_Atomic int64_t alive_ms;   /* the last time anybody answered */
	_Atomic int64_t failing_ms; /* since when nothing but failures came; 0: all is well */
	atomic_uint failures;       /* since then */
	atomic_bool is_down;
	_Atomic int64_t probe_ms; /* while it is down: the next question that is let through */
};

MUST_USE struct dns_guard *dns_guard_new(void);
void dns_guard_free(struct dns_guard *guard);

/* --- of the main thread --- */

/** The configuration that comes uses no zone, until dns_guard_use says so. */
void dns_guard_begin(struct dns_guard *guard);

/** Watch over a zone; all of it is copied.  What was known of it stays.
 *
 * @return NULL without memory or room: then it is asked unwatched
 */
struct dns_zone *dns_guard_use(struct dns_guard *guard, const struct zone *zone);

void dns_zone_park(struct dns_zone *zone);
/** Ask it again, and believe nothing that it said before. */
void dns_zone_unpark(struct dns_zone *zone, uint32_t now_s);

/** Forget what breakers and counters of failures know: the resolver is back. */
void dns_guard_forgive(struct dns_guard *guard);

/** The news since the last call: dns_zone_news, ored. */
unsigned dns_zone_take_news(struct dns_zone *zone, uint32_t *raw_out);

/* --- of the workers --- */

/** The watched zone that a name is a question to; NULL: none. */
struct dns_zone *dns_guard_find(const struct dns_guard *guard, struct span key);

/** May a question go out?  Counts one that may not.
 *
 * @param zone  NULL: a question to no list
 */
bool dns_guard_lets_ask(struct dns_guard *guard, struct dns_zone *zone, int64_t now_ms);

struct dns_heard {
	struct dns_zone *zone; /* NULL: of no list */
	const struct dns_answer *answer;
	uint32_t client; /* a hash of the question */
	bool is_test;
	bool is_late; /* its silence was reported already */
};

void dns_guard_heard(struct dns_guard *guard, const struct dns_heard *heard, int64_t now_ms);

/** Milliseconds of a clock that is never set back; cheap. */
int64_t dns_clock_ms(void);

static inline void dns_zone_count(atomic_uint_fast64_t *figure)
{
	atomic_fetch_add_explicit(figure, 1, memory_order_relaxed);
}

static inline bool dns_zone_is_parked(const struct dns_zone *zone)
{
	return zone != NULL && atomic_load_explicit(&zone->is_parked, memory_order_relaxed);
}
