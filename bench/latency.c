/* latency.c -- counts by size. */
#include "latency.h"

#include <stddef.h>

/* Below LATENCY_STEPS each microsecond has its bucket; above, the top nine bits choose it. */
static size_t bucket_of(uint64_t us)
{
	if (us < LATENCY_STEPS)
		return us;
	unsigned shift = 63U - (unsigned)__builtin_clzll(us) - 8U;
	size_t bucket = (size_t)(shift + 1) * LATENCY_STEPS + (us >> shift) - LATENCY_STEPS;
	size_t last = (size_t)LATENCY_POWERS * LATENCY_STEPS - 1;
	return bucket < last ? bucket : last;
}

static uint64_t bucket_us(size_t bucket)
{
	if (bucket < LATENCY_STEPS)
		return bucket;
	size_t shift = bucket / LATENCY_STEPS - 1;
	return (uint64_t)(bucket % LATENCY_STEPS + LATENCY_STEPS) << shift;
}

void latency_add(struct latency *latency, uint64_t us)
{
	latency->bucket[bucket_of(us)]++;
	latency->count++;
	if (us > latency->longest_us)
		latency->longest_us = us;
}

uint64_t latency_percentile(const struct latency *latency, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)latency->count), seen = 0;

	for (size_t i = 0; i < (size_t)LATENCY_POWERS * LATENCY_STEPS; i++) {
		seen += latency->bucket[i];
		if (seen > wanted || (seen == latency->count && seen > 0))
			return bucket_us(i);
	}
	return 0;
}
