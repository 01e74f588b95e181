/* arena.c -- memory that is released all at once. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

struct arena_chunk {
	struct arena_chunk *older;
	size_t size; /* bytes at memory[] */
	size_t used;
	alignas(max_align_t) char memory[];
};

void arena_init(struct arena *arena, size_t bytes_max)
{
	*arena = (struct arena){ .bytes_max = bytes_max };
}

static struct arena_chunk *arena_grow(struct arena *arena, size_t bytes)
{
	size_t size = ARENA_CHUNK_BYTES - sizeof(struct arena_chunk);
	struct arena_chunk *chunk;

	if (bytes > size)
		size = bytes;
	if (size > arena->bytes_max - arena->bytes)
		return NULL;
	chunk = malloc(sizeof(*chunk) + size);
	if (chunk == NULL)
		return NULL;
	*chunk = (struct arena_chunk){ .older = arena->newest, .size = size };
	arena->newest = chunk;
	arena->bytes += size;
	return chunk;
}

static size_t arena_aligned(size_t bytes)
{
	return (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
	struct arena_chunk *chunk = arena->newest;
	void *memory;

	if (bytes > arena->bytes_max)
		return NULL;
	bytes = arena_aligned(bytes);
	if (chunk == NULL || chunk->size - chunk->used < bytes) {
		chunk = arena_grow(arena, bytes);
		if (chunk == NULL)
			return NULL;
	}
	memory = chunk->memory + chunk->used;
	chunk->used += bytes;
	return memset(memory, 0, bytes);
}

struct span arena_copy(struct arena *arena, struct span s)
{
	char *copy = arena_alloc(arena, s.len + 1);

	if (copy == NULL)
		return (struct span){ 0 };
	if (s.len > 0)
		memcpy(copy, s.at, s.len);
	return span_of(copy, s.len);
}

static void arena_drop_newest(struct arena *arena)
{
	struct arena_chunk *chunk = arena->newest;

	arena->newest = chunk->older;
	arena->bytes -= chunk->size;
	free(chunk);
}

void arena_reset(struct arena *arena)
{
	while (arena->newest != NULL && arena->newest->older != NULL)
		arena_drop_newest(arena);
	if (arena->newest != NULL)
		arena->newest->used = 0;
}

void arena_release(struct arena *arena)
{
	while (arena->newest != NULL)
		arena_drop_newest(arena);
}
