/* greylistd.h -- what stands behind greylistd's protocol: one a worker.
 *
 *	update    weighed by the listener's policy, logged and remembered as any attempt
 *	check     the same as a rehearsal: nothing changes
 *	status    what the store knows of the triplet
 *	add, delete, list, stats, mrtg, clear: the triplets of the store
 *
 * The words of an attempt are CLIENT, SENDER, RECIPIENT; without a sender CLIENT RECIPIENT ...
 * The triplet is that of the policy's greylist statement for this attempt.  White: the mail may
 * come; grey: it is deferred; black: it is refused.
 */
#pragma once
#include "serve/exim.h"

#include <stdatomic.h>

struct greylistd;
struct worker;

/* Of all workers, since start. */
struct greylistd_counts {
	_Atomic uint64_t grey;  /* deferred for the first time */
	_Atomic uint64_t white; /* came back in time */
	_Atomic int64_t began_ms;
};

/** Uses the worker's loop, scale, store port and census; they outlive it until
 * greylistd_close(). */
MUST_USE struct greylistd *greylistd_new(struct worker *worker);

struct exim *greylistd_front(struct greylistd *greylistd);

/** Nobody is served any more.  Comes before the scale is freed. */
void greylistd_close(struct greylistd *greylistd);

/** Comes after the store port is closed. */
void greylistd_free(struct greylistd *greylistd);
