/* arena_test.c -- memory that is released all at once. */
#include "base/arena.h"

#include "../unit.h"

static void keeps_its_bound(void **state)
{
	enum { BOUND = 4 * ARENA_CHUNK_BYTES };
	struct arena arena;
	size_t count = 0;

	(void)state;
	arena_init(&arena, BOUND);
	while (arena_alloc(&arena, 1000) != NULL)
		count++;
	assert_in_range(count, 3 * ARENA_CHUNK_BYTES / 1100, BOUND / 1000);
	assert_true(arena.bytes <= BOUND);
	arena_reset(&arena);
	assert_non_null(arena_alloc(&arena, 1000));
	arena_release(&arena);
	assert_int_equal(arena.bytes, 0);
}

static void refuses_what_is_larger_than_its_bound(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, 100000);
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, 100001));
	assert_non_null(arena_alloc(&arena, 99000));
	assert_null(arena_alloc(&arena, 99000));
	arena_release(&arena);
}

static void gives_zeroed_memory_after_reset(void **state)
{
	struct arena arena;
	char *memory;

	(void)state;
	arena_init(&arena, 100000);
	memory = arena_alloc(&arena, 64);
	memset(memory, 0xff, 64);
	arena_reset(&arena);
	memory = arena_alloc(&arena, 64);
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(memory[i], 0);
	arena_release(&arena);
}

static void copies_with_a_nul_behind(void **state)
{
	struct arena arena;
	struct span copy;

	(void)state;
	arena_init(&arena, 100000);
	copy = arena_copy(&arena, SPAN("a\0b"));
	check_span(copy, SPAN("a\0b"), "copy");
	assert_int_equal(copy.at[3], '\0');
	copy = arena_copy(&arena, (struct span){ 0 });
	assert_non_null(copy.at);
	assert_int_equal(copy.len, 0);
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_its_bound),
		cmocka_unit_test(refuses_what_is_larger_than_its_bound),
		cmocka_unit_test(gives_zeroed_memory_after_reset),
		cmocka_unit_test(copies_with_a_nul_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
