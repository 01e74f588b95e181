/* attempt_test.c -- what the MTA said about one mail attempt. */
#include "mail/attempt.h"

#include "../unit.h"

static void normalises_the_client(void **state)
{
	static const struct {
		struct span sent, want;
		enum ip_family family;
	} cases[] = {
		{ SPAN_INIT("192.0.2.1"), SPAN_INIT("192.0.2.1"), IP_V4 },
		{ SPAN_INIT(" 192.0.2.1 "), SPAN_INIT("192.0.2.1"), IP_V4 },
		{ SPAN_INIT("[192.0.2.1]"), SPAN_INIT("192.0.2.1"), IP_V4 },
		{ SPAN_INIT("::FFFF:192.0.2.1"), SPAN_INIT("192.0.2.1"), IP_V4 },
		{ SPAN_INIT("IPv6:2001:DB8::1"), SPAN_INIT("2001:db8::1"), IP_V6 },
		{ SPAN_INIT("fe80::1%eth0"), SPAN_INIT("fe80::1"), IP_V6 },
		{ SPAN_INIT("unknown"), SPAN_INIT(""), IP_NONE },
		{ SPAN_INIT(""), SPAN_INIT(""), IP_NONE },
		{ SPAN_INIT("999.1.1.1"), SPAN_INIT(""), IP_NONE },
		{ SPAN_INIT("192.0.2.1\0"), SPAN_INIT(""), IP_NONE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct attempt attempt = { 0 };
		char room[ATTEMPT_CLIENT_TEXT_MAX + 1];

		attempt.attribute[ATTRIBUTE_client_address] = cases[i].sent;
		attempt_normalise(&attempt, room);
		check_span(attempt.client_text, cases[i].want, "client");
		assert_int_equal(attempt.client.family, cases[i].family);
	}
}

static void finds_attributes_by_name(void **state)
{
	enum attribute attribute;

	(void)state;
	for (int i = 0; i < ATTRIBUTE_COUNT; i++) {
		assert_true(attribute_find(attribute_name((enum attribute)i), &attribute));
		assert_int_equal(attribute, i);
	}
	assert_false(attribute_find(SPAN("Sender"), &attribute));
	assert_false(attribute_find(SPAN("sende"), &attribute));
	assert_false(attribute_find(SPAN(""), &attribute));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(normalises_the_client),
		cmocka_unit_test(finds_attributes_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
