/* address_test.c -- the parts of an envelope address. */
#include "mail/address.h"

#include "../unit.h"

static void has_two_parts(void **state)
{
	static const struct {
		struct span address, local, domain;
	} cases[] = {
		{ SPAN_INIT("anna@example.org"), SPAN_INIT("anna"), SPAN_INIT("example.org") },
		{ SPAN_INIT("a@b@example.org"), SPAN_INIT("a@b"), SPAN_INIT("example.org") },
		{ SPAN_INIT("noat"), SPAN_INIT("noat"), SPAN_INIT("") },
		{ SPAN_INIT("anna@"), SPAN_INIT("anna"), SPAN_INIT("") },
		{ SPAN_INIT("@example.org"), SPAN_INIT(""), SPAN_INIT("example.org") },
		{ SPAN_INIT(""), SPAN_INIT(""), SPAN_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		check_span(address_local(cases[i].address), cases[i].local, "local");
		check_span(address_domain(cases[i].address), cases[i].domain, "domain");
	}
}

static void is_mailable(void **state)
{
	static char long_name[MAILABLE_ADDRESS_MAX + 1];
	static const struct {
		struct span address;
		bool is_mailable;
	} cases[] = {
		{ SPAN_INIT("anna@example.org"), true },
		{ SPAN_INIT("postmaster"), true },
		{ SPAN_INIT("a+b.c-d_e@example.org"), true },
		{ SPAN_INIT(""), false },
		{ SPAN_INIT("-oQ/tmp"), false },
		{ SPAN_INIT("@example.org"), false },
		{ SPAN_INIT("anna@"), false },
		{ SPAN_INIT("a@b@example.org"), false },
		{ SPAN_INIT("a b@example.org"), false },
		{ SPAN_INIT("a,b@example.org"), false },
		{ SPAN_INIT("a\\b@example.org"), false },
		{ SPAN_INIT("a\nb@example.org"), false },
		{ SPAN_INIT("\xc3\xa4@example.org"), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(address_is_mailable(cases[i].address), cases[i].is_mailable);
	memset(long_name, 'x', sizeof(long_name));
	assert_true(address_is_mailable(span_of(long_name, MAILABLE_ADDRESS_MAX)));
	assert_false(address_is_mailable(span_of(long_name, MAILABLE_ADDRESS_MAX + 1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_two_parts),
		cmocka_unit_test(is_mailable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
