/* hash.h -- SipHash-1-3, for every table that is keyed by strangers' text.
 *
 * Keyed by a secret of the process, so that nobody outside can make keys collide.
 * Source: Aumasson, Bernstein: SipHash, a fast short-input PRF (2012).
 */
#pragma once
#include "base/span.h"

#include <stdint.h>

struct hash_key {
	uint64_t word[2];
};

uint64_t hash_span(const struct hash_key *key, struct span s);
