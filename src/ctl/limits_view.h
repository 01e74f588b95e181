/* limits_view.h -- what limits have counted, as an administrator sees it.  Pure. */
#pragma once
#include "weigh/tally.h"

#include <jansson.h>

enum { LIMITS_NAMES_MAX = 256 };

/* What the configuration says of one name; several statements may share it. */
struct limit_name {
	struct span name; /* of the daemon's answer */
	struct rates rates;
	struct span counting;
	bool is_tabled; /* a table may say other rates */
};

struct limit_names {
	struct limit_name name[LIMITS_NAMES_MAX];
	unsigned count;
};

/** @param names  the list of an answer to {"verb":"limits","do":"names"}; borrowed */
void limit_names_read(struct limit_names *names_out, const json_t *names);

/** NULL: the configuration has no such limit. */
const struct limit_name *limit_names_find(const struct limit_names *names, struct span name);

struct limit_use {
	int64_t period_ms;
	int64_t used;
	int64_t most;    /* what is in force; -1: not known, or none */
	int64_t wait_ms; /* until one more fits; 0: now */
};

/* A tally as it is now. */
struct limit_view {
	uint8_t count;
	struct limit_use use[2 * RATES_MAX];
	struct rates raised;
	int64_t raised_until_ms; /* 0: not raised */
	int64_t refused;         /* since the last notice */
	double share;            /* of the fullest window, 1: full; 0 where no most is known */
};

/** @param name  NULL: nothing is known of the limit
 * @return ERR_SYNTAX: the value is no tally */
MUST_USE enum err limit_view(struct span value, const struct limit_name *name, int64_t now_ms,
			     struct limit_view *view_out);
