/* decision_number_test.c */
#include "../unit.h"

#include "daemon/decision_number.h"

#include <stdlib.h>

enum { NUMBERS = 100000 };

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, DECISION_NUMBER_BYTES);
}

static void test_unique(void **state)
{
	char(*numbers)[DECISION_NUMBER_BYTES] = calloc(NUMBERS, DECISION_NUMBER_BYTES);

	(void)state;
	for (uint64_t i = 0; i < NUMBERS; i++)
		decision_number_write(1795000000000 + i, numbers[i]);
	qsort(numbers, NUMBERS, DECISION_NUMBER_BYTES, compare);
	for (size_t i = 1; i < NUMBERS; i++)
		assert_int_not_equal(compare(numbers[i - 1], numbers[i]), 0);
	free(numbers);
}

static void test_form(void **state)
{
	(void)state;
	for (uint64_t n = 0; n < 10000; n++) {
		char number[DECISION_NUMBER_BYTES];

		decision_number_write(n * 999983, number);
		for (int i = 0; i < DECISION_NUMBER_BYTES; i++)
			if (i == 4)
				assert_int_equal(number[i], '-');
			else
				assert_non_null(
					strchr("23456789ABCDEFGHJKMNPQRSTUVWXYZ", number[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unique),
		cmocka_unit_test(test_form),
	};

	return cmocka_run_group_tests_name("daemon/decision_number", tests, NULL, NULL);
}
