/* latency.h -- how long things took: counts by size, no list of each.
 *
 * Buckets are 1/256 of their power of two wide, so a percentile is right to 0.4 %.
 */
#pragma once
#include <stdint.h>

enum { LATENCY_STEPS = 256, LATENCY_POWERS = 32 };

struct latency {
	uint32_t bucket[LATENCY_POWERS * LATENCY_STEPS];
	uint64_t count;
	uint64_t longest_us;
};

void latency_add(struct latency *latency, uint64_t us);

/** The time that share (0 to 1) of all stayed below or reached; 0 where there are none. */
uint64_t latency_percentile(const struct latency *latency, double share);
