/* random.h -- chance that can be had again: splitmix64 (Steele, Lea, Flood 2014). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
	uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* 0..count - 1 */
static inline size_t random_below(struct random *random, size_t count)
{
	return (size_t)(random_next(random) % count);
}

static inline bool random_chance(struct random *random, unsigned percent)
{
	return random_below(random, 100) < percent;
}

#define RANDOM_OF(random, table)                                                                   \
	(&(table)[random_below((random), sizeof(table) / sizeof(*(table)))])
