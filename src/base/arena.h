/* arena.h -- memory that is released all at once.
 *
 * One arena per attempt.  It grows in chunks up to a bound; beyond it, or when the system has
 * no memory, arena_alloc says NULL, which the few callers answer (refuse the attempt, the fact
 * is FAILED).  Long-lived configuration uses an arena with a bound of its own.
 */
#pragma once
#include "base/span.h"

#include <stdint.h>

enum { ARENA_CHUNK_BYTES = 16 * 1024 };

struct arena_chunk;

struct arena {
	struct arena_chunk *newest;
	size_t bytes; /* held in all chunks */
	size_t bytes_max;
};

void arena_init(struct arena *arena, size_t bytes_max);

/** Zeroed memory, aligned for any type; valid until arena_reset or arena_release. */
MUST_USE void *arena_alloc(struct arena *arena, size_t bytes);

/** A copy, followed by a NUL that is not counted; .at is NULL where there is no room. */
MUST_USE struct span arena_copy(struct arena *arena, struct span s);

/** Give up all that was allocated; the oldest chunk is kept for the next use. */
void arena_reset(struct arena *arena);

void arena_release(struct arena *arena);

#define ARENA_NEW(arena, type)          ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_alloc((arena), sizeof(type) * (count)))
