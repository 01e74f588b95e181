/* host_holds_test.c -- does the name of a host hold an address? */
#include "../unit.h"

#include "checks/host.h"

static const struct {
	const char *name, *address;
	bool want;
} cases[] = {
	{ "203-0-113-7.isp.test", "203.0.113.7", true },
	{ "203.0.113.7.isp.test", "203.0.113.7", true },
	{ "203_0_113_7.isp.test", "203.0.113.7", true },
	{ "ip203x0x113x7.isp.test", "203.0.113.7", true },
	{ "7-113-0-203.isp.test", "203.0.113.7", true },
	{ "7.red-203-0-113.isp.test", "203.0.113.7", true },
	{ "203-000-113-007.isp.test", "203.0.113.7", true },
	{ "203000113007.isp.test", "203.0.113.7", true },
	{ "007113000203.isp.test", "203.0.113.7", true },
	{ "cb007107.isp.test", "203.0.113.7", true },
	{ "CB007107.ISP.TEST", "203.0.113.7", true },
	{ "pcb007107x.isp.test", "203.0.113.7", true },
	{ "077100cb.isp.test", "203.0.113.7", true },
	{ "cb-00-71-07.isp.test", "203.0.113.7", true },
	{ "cb0071.isp.test", "203.0.113.7", false },
	{ "3405803783.isp.test", "203.0.113.7", true },
	{ "34058037830.isp.test", "203.0.113.7", false },
	{ "1-2-3-203-0-113-7.isp.test", "203.0.113.7", true },
	{ "203-0-113-71.isp.test", "203.0.113.7", false },
	{ "1203-0-113-7.isp.test", "203.0.113.7", false },
	{ "203-0-113.isp.test", "203.0.113.7", false },
	{ "203-113-0-7.isp.test", "203.0.113.7", false },
	{ "mail.example.test", "203.0.113.7", false },
	{ "", "203.0.113.7", false },
	{ "0-0-0-0.isp.test", "0.0.0.0", true },
	{ "20010db8000100020000000000000007.isp.test", "2001:db8:1:2::7", true },
	{ "p20010DB8000100020000000000000007.isp.test", "2001:db8:1:2::7", true },
	{ "2001-0db8-0001-0002-0000-0000-0000-0007.isp.test", "2001:db8:1:2::7", true },
	{ "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.isp.test",
	  "2001:db8:1:2::7", true },
	{ "2001-db8-1-2--7.isp.test", "2001:db8:1:2::7", true },
	{ "v6.2001-DB8-1-2--7.isp.test", "2001:db8:1:2::7", true },
	{ "2001-db8-1-2-0-0-0-7.isp.test", "2001:db8:1:2::7", true },
	{ "2001-db8-1-2-0-0-0-77.isp.test", "2001:db8:1:2::7", false },
	{ "2001-db8-1-2--7f.isp.test", "2001:db8:1:2::7", false },
	{ "12001-db8-1-2--7.isp.test", "2001:db8:1:2::7", false },
	{ "2001-db8-1-2.isp.test", "2001:db8:1:2::7", false },
	{ "mail.example.test", "2001:db8:1:2::7", false },
};

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip ip;

		assert_int_equal(ip_parse(span_cstr(cases[i].address), &ip), OK);
		if (host_holds_address(span_cstr(cases[i].name), ip) != cases[i].want)
			fail_msg("%s in %s", cases[i].address, cases[i].name);
	}
	assert_false(host_holds_address(SPAN("0-0-0-0.isp.test"), (struct ip){ 0 }));
}

/* Sixty-four numbers are looked at, and no more of the text than a name can have. */
static void test_limits(void **state)
{
	TEXT(name, 4096);
	struct ip ip;

	(void)state;
	assert_int_equal(ip_parse(SPAN("203.0.113.7"), &ip), OK);
	for (int i = 0; i < 60; i++)
		text_add(&name, SPAN("1-"));
	text_add(&name, SPAN("203-0-113-7"));
	assert_true(host_holds_address(text_span(&name), ip));
	text_clear(&name);
	for (int i = 0; i < 61; i++)
		text_add(&name, SPAN("1-"));
	text_add(&name, SPAN("203-0-113-7"));
	assert_false(host_holds_address(text_span(&name), ip));
	text_clear(&name);
	while (name.len < DOMAIN_TEXT_MAX)
		text_add_char(&name, '-');
	text_add(&name, SPAN("cb007107"));
	assert_false(host_holds_address(text_span(&name), ip));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("checks/host_holds", tests, NULL, NULL);
}
