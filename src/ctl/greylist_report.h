/* greylist_report.h -- who was delayed, how long, and who never came back: sums over triplets.
 *
 * Pure but for memory.  A store holds what waits until the end of its window, and what has
 * passed as long as it is remembered: what came back late, or never, long ago, is not in the
 * sums any more.
 */
#pragma once
#include "weigh/triplet.h"

enum greylist_state {
	STATE_WAITING, /* and it may still come back */
	STATE_NEVER,   /* waiting, for longer than anybody takes to try again */
	STATE_PASSED,
	STATE_WHITE,
	STATE_BLACK,
	STATE_COUNT
};

enum {
	REPORT_GROUPS_MAX = 32768, /* networks, or domains; those beyond are one group together */
	REPORT_NAME_MAX = 79,
	/* Delays fall into buckets of less than 7 % of their length. */
	DELAY_STEPS = 16,
	DELAY_BUCKETS = 40 * DELAY_STEPS,
};

struct span greylist_state_name(enum greylist_state state);

/** @param after_ms  how long one may take to come back */
enum greylist_state greylist_state(const struct triplet *triplet, int64_t now_ms, int64_t after_ms);

struct report_group {
	char name[REPORT_NAME_MAX + 1];
	uint64_t delayed, back, never;
	int64_t longest_ms;
};

struct report_groups {
	struct report_group *group; /* the last one: all others */
	uint32_t count;
	uint32_t *slot; /* index + 1 of a group, by hash */
};

struct greylist_report {
	int64_t now_ms, since_ms, after_ms; /* since: only what was first seen from then on */
	uint64_t state[STATE_COUNT];
	uint64_t passes;
	uint64_t back; /* passed; with what is white or black now */
	int64_t longest_ms;
	int64_t oldest_ms; /* of all; 0: none */
	uint64_t delay[DELAY_BUCKETS];
	struct report_groups networks, domains;
};

MUST_USE enum err greylist_report_init(struct greylist_report *report);
void greylist_report_release(struct greylist_report *report);

void greylist_report_add(struct greylist_report *report, struct span key,
			 const struct triplet *triplet);

/** The delay that so many of a hundred do not exceed, rounded up by its bucket. */
int64_t greylist_report_delay_ms(const struct greylist_report *report, unsigned percent);

/** Sort groups: most delayed first. */
void report_groups_sort(struct report_groups *groups);

/** Who sends: the first word of a key. */
struct span report_network(struct span key);
/** For whom: the domain of the last word; "-" where that is no address. */
struct span report_domain(struct span key);
