/* scale.h -- where attempts are weighed: one scale a worker.
 *
 *	front -> scale_open -> fill attempt -> scale_weigh -> settled at once, or
 *	    walk -> orders -> sources ... answers -> run queue -> walk -> settled()
 *
 * The loop around the pure core: take an attempt, walk, hand what it ordered to the sources,
 * walk again when all of it has come (from the run queue, never from a source's callback); then
 * remember what is to be remembered.  Sources are the DNS and the store.
 *
 * At the deadline the DNS is waited for no longer.  The store is still asked then, by whoever
 * stands in line, too, and has SCALE_STORE_MS: else who makes us wait would not be counted.
 *
 * Fairness: of one client (/32, /64) so many attempts are in work; the others wait in line, and
 * the time in line counts (design requirement P11).
 */
#pragma once
#include "policy/config.h"
#include "sources/dns.h"
#include "store/store.h"
#include "weigh/walk.h"

enum {
	ATTEMPT_ARENA_BYTES_MAX = 512 * 1024,
	SCALE_STORE_MS = 1000, /* behind the deadline, for the store */
};

struct scale;
struct scale_client;
struct scale_resolver;
struct scale_wait;

struct scale_limits {
	uint32_t attempts_max;
	uint32_t attempts_per_client;
};

/* Attempts in work of all scales of a process; most is for whoever asks to set back. */
struct scale_load {
	_Atomic uint32_t in_work, most;
};

struct scale_options {
	struct event_base *base;
	struct dns *dns;          /* the scale's from now on: freed with it; NULL: DNS facts fail */
	struct store_port *store; /* kept by the caller; outlives the scale */
	struct scale_limits limits;
	struct scale_load *load; /* shared with other scales; NULL: this scale counts alone */
	void *owner;             /* whoever runs the scale */
};

/* FIGURE(name): counters of a scale since it began; the last two are of now. */
#define SCALE_FIGURES(FIGURE)                                                                      \
	FIGURE(weighed)                                                                            \
	FIGURE(settled_at_once)                                                                    \
	FIGURE(deadline_misses)                                                                    \
	FIGURE(overloads)                                                                          \
	FIGURE(lined_up)                                                                           \
	FIGURE(in_work)                                                                            \
	FIGURE(in_line)

struct scale_figures {
#define FIGURE(name) uint64_t name;
	SCALE_FIGURES(FIGURE)
#undef FIGURE
};

/* One attempt on the scale.  Fronts fill attempt from arena, then call scale_weigh. */
struct weighing {
	struct scale *scale;
	struct config *config; /* held */
	const struct policy *policy;
	struct arena arena;
	struct attempt attempt;
	struct ledger ledger;
	struct walk walk;
	uint64_t began_us; /* monotonic */
	uint64_t took_us;
	bool is_overdue;   /* the deadline has passed */
	bool is_unweighed; /* no memory to weigh it: answer by the rule for overload (F1) */
	bool is_rehearsal; /* an administrator asks: nothing is remembered */
	void (*settled)(struct weighing *weighing);
	void *owner;
	/* private to the scale */
	struct scale_resolver *resolver;
	struct scale_client *client;
	struct scale_wait *wait;
	struct weighing *next, *previous; /* by deadline; next also in the free list */
	struct weighing *next_in_queue;   /* of the run queue, or of the client's line */
	int64_t deadline_us;
	uint8_t stage; /* enum stage of scale.c */
};

MUST_USE struct scale *scale_new(const struct scale_options *options);
/** All weighings must be closed. */
void scale_free(struct scale *scale);

void scale_set_limits(struct scale *scale, const struct scale_limits *limits);

/** Ask dns for new attempts; the one before is freed after its last attempt. */
MUST_USE enum err scale_set_dns(struct scale *scale, struct dns *dns);

struct store_port *scale_store(const struct scale *scale);

void *scale_owner(const struct scale *scale);

/** What new attempts ask; for figures. */
struct dns *scale_dns(const struct scale *scale);

/** A place on the scale, its arena empty; time_ms of the attempt is set.
 *
 * @param config  held until scale_close; the caller keeps its own reference
 * @return NULL when attempts_max are on it: answer by the rule for overload (F1)
 */
struct weighing *scale_open(struct scale *scale, struct config *config,
			    const struct policy *policy);

/** Weigh.  settled() is called once, later, from the event loop, unless it is settled at once.
 *
 * @return true: settled already (all was known), settled() is not called
 */
MUST_USE bool scale_weigh(struct weighing *weighing);

/** Done with it, settled or not; the config is dropped, the arena kept for another. */
void scale_close(struct weighing *weighing);

const struct scale_figures *scale_figures(const struct scale *scale);
