/* hash_test.c -- SipHash-1-3 against known values. */
#include "base/hash.h"

#include "../unit.h"

/* Values of an independent implementation (Rust's standard library uses SipHash-1-3): key
 * 00 01 .. 0f, messages 00, 00 01, ...
 */
static void equals_known_values(void **state)
{
	static const uint64_t want[] = {
		0xabac0158050fc4dcU, 0xc9f49bf37d57ca93U, 0x82cb9b024dc7d44dU,
		0x8bf80ab8e7ddf7fbU, 0xcf75576088d38328U, 0xdef9d52f49533b67U,
		0xc50d2b50c59f22a7U, 0xd3927d989bb11140U, 0x369095118d299a8eU,
	};
	const struct hash_key key = { { 0x0706050403020100U, 0x0f0e0d0c0b0a0908U } };
	char message[COUNT(want)];

	(void)state;
	for (size_t i = 0; i < COUNT(want); i++) {
		message[i] = (char)i;
		assert_int_equal(hash_span(&key, span_of(message, i)), want[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(equals_known_values) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
