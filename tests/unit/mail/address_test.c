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

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(has_two_parts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
