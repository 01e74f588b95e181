/* ip_test.c -- addresses of the Internet. */
#include "mail/ip.h"

#include "../unit.h"

static struct ip ip(struct span text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), OK);
	return ip;
}

static void parses_and_writes(void **state)
{
	static const struct {
		struct span text, want, full, reversed;
	} cases[] = {
		{ SPAN_INIT("192.0.2.10"), SPAN_INIT("192.0.2.10"), SPAN_INIT("192.0.2.10"),
		  SPAN_INIT("10.2.0.192") },
		{ SPAN_INIT("0.0.0.0"), SPAN_INIT("0.0.0.0"), SPAN_INIT("0.0.0.0"),
		  SPAN_INIT("0.0.0.0") },
		{ SPAN_INIT("2001:DB8:0:0:0:0:0:7"), SPAN_INIT("2001:db8::7"),
		  SPAN_INIT("2001:0db8:0000:0000:0000:0000:0000:0007"),
		  SPAN_INIT("7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2") },
		{ SPAN_INIT("::ffff:192.0.2.1"), SPAN_INIT("::ffff:192.0.2.1"),
		  SPAN_INIT("0000:0000:0000:0000:0000:ffff:c000:0201"),
		  SPAN_INIT("1.0.2.0.0.0.0.c.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip parsed = ip(cases[i].text);
		TEXT(text, 128);

		text_add_ip(&text, parsed);
		check_span(text_span(&text), cases[i].want, "canonical");
		text_clear(&text);
		text_add_ip_full(&text, parsed);
		check_span(text_span(&text), cases[i].full, "full");
		text_clear(&text);
		text_add_ip_reversed(&text, parsed);
		check_span(text_span(&text), cases[i].reversed, "reversed");
		assert_true(text.len <= IP_REVERSED_MAX);
	}
}

static void refuses_what_is_no_address(void **state)
{
	static const struct span wrong[] = {
		SPAN_INIT(""),
		SPAN_INIT("unknown"),
		SPAN_INIT("1.2.3"),
		SPAN_INIT("1.2.3.4.5"),
		SPAN_INIT("256.1.1.1"),
		SPAN_INIT("01.2.3.4"),
		SPAN_INIT(" 1.2.3.4"),
		SPAN_INIT("1.2.3.4\0"),
		SPAN_INIT("0x1.2.3.4"),
		SPAN_INIT("fe80::1%lo"),
		SPAN_INIT("1::2::3"),
		SPAN_INIT("12345::"),
		SPAN_INIT("[::1]"),
		SPAN_INIT("1:2:3:4:5:6:7"),
		SPAN_INIT("1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct ip untouched = { .family = 99 };

		assert_int_equal(ip_parse(wrong[i], &untouched), ERR_SYNTAX);
		assert_int_equal(untouched.family, 99);
	}
}

static void knows_networks(void **state)
{
	static const struct {
		struct span network, address;
		bool want;
	} cases[] = {
		{ SPAN_INIT("192.0.2.0/24"), SPAN_INIT("192.0.2.255"), true },
		{ SPAN_INIT("192.0.2.0/24"), SPAN_INIT("192.0.3.0"), false },
		{ SPAN_INIT("192.0.2.128/25"), SPAN_INIT("192.0.2.127"), false },
		{ SPAN_INIT("192.0.2.1"), SPAN_INIT("192.0.2.1"), true },
		{ SPAN_INIT("0.0.0.0/0"), SPAN_INIT("8.8.8.8"), true },
		{ SPAN_INIT("0.0.0.0/0"), SPAN_INIT("::"), false },
		{ SPAN_INIT("2001:db8::/33"), SPAN_INIT("2001:db8:7fff::1"), true },
		{ SPAN_INIT("2001:db8::/33"), SPAN_INIT("2001:db8:8000::1"), false },
		{ SPAN_INIT("::1/128"), SPAN_INIT("::1"), true },
	};
	static const struct span wrong[] = {
		SPAN_INIT("192.0.2.1/24"),  SPAN_INIT("192.0.2.0/33"), SPAN_INIT("192.0.2.0/"),
		SPAN_INIT("192.0.2.0/-1"),  SPAN_INIT("/24"),          SPAN_INIT("::/129"),
		SPAN_INIT("192.0.2.0/24 "),
	};
	struct prefix prefix;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(prefix_parse(cases[i].network, &prefix), OK);
		assert_int_equal(prefix_has(&prefix, ip(cases[i].address)), cases[i].want);
	}
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_int_equal(prefix_parse(wrong[i], &prefix), ERR_SYNTAX);
	prefix = prefix_of(ip(SPAN("2001:db8::ffff:1")), 64);
	assert_true(ip_equal(prefix.ip, ip(SPAN("2001:db8::"))));
}

static void knows_mapped_and_special_addresses(void **state)
{
	(void)state;
	assert_true(ip_equal(ip_unmapped(ip(SPAN("::ffff:192.0.2.1"))), ip(SPAN("192.0.2.1"))));
	assert_true(ip_equal(ip_unmapped(ip(SPAN("::192.0.2.1"))), ip(SPAN("::192.0.2.1"))));
	assert_true(ip_is_special(ip(SPAN("10.255.0.1"))));
	assert_true(ip_is_special(ip(SPAN("172.31.0.1"))));
	assert_false(ip_is_special(ip(SPAN("172.32.0.1"))));
	assert_true(ip_is_special(ip(SPAN("100.127.255.255"))));
	assert_true(ip_is_special(ip(SPAN("240.0.0.1"))));
	assert_true(ip_is_special(ip(SPAN("fe80::1"))));
	assert_true(ip_is_special(ip(SPAN("fd00::1"))));
	assert_false(ip_is_special(ip(SPAN("8.8.8.8"))));
	assert_false(ip_is_special(ip(SPAN("2600::1"))));
	assert_true(ip_is_special(ip(SPAN("192.0.2.1"))));
	assert_true(ip_is_special(ip(SPAN("2001:db8::1"))));
}

static void knows_private_addresses(void **state)
{
	static const struct {
		struct span address;
		bool want;
	} cases[] = {
		{ SPAN_INIT("0.0.0.0"), true },
		{ SPAN_INIT("1.0.0.0"), false },
		{ SPAN_INIT("10.255.255.255"), true },
		{ SPAN_INIT("11.0.0.0"), false },
		{ SPAN_INIT("100.64.0.0"), true },
		{ SPAN_INIT("100.128.0.0"), false },
		{ SPAN_INIT("127.0.0.1"), true },
		{ SPAN_INIT("128.0.0.0"), false },
		{ SPAN_INIT("169.254.0.1"), true },
		{ SPAN_INIT("172.15.255.255"), false },
		{ SPAN_INIT("172.31.255.255"), true },
		{ SPAN_INIT("192.168.0.1"), true },
		{ SPAN_INIT("192.169.0.0"), false },
		{ SPAN_INIT("223.255.255.255"), false },
		{ SPAN_INIT("224.0.0.1"), true },
		{ SPAN_INIT("255.255.255.255"), true },
		{ SPAN_INIT("192.0.2.1"), false },
		{ SPAN_INIT("198.18.0.1"), false },
		{ SPAN_INIT("198.51.100.7"), false },
		{ SPAN_INIT("203.0.113.9"), false },
		{ SPAN_INIT("::"), true },
		{ SPAN_INIT("::1"), true },
		{ SPAN_INIT("fc00::1"), true },
		{ SPAN_INIT("fdff::1"), true },
		{ SPAN_INIT("fe80::1"), true },
		{ SPAN_INIT("febf::1"), true },
		{ SPAN_INIT("ff02::1"), true },
		{ SPAN_INIT("2001:db8::1"), false },
		{ SPAN_INIT("fec0::1"), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (ip_is_private(ip(cases[i].address)) != cases[i].want)
			fail_msg("%.*s", SPAN_ARG(cases[i].address));
	assert_false(ip_is_private((struct ip){ 0 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_and_writes),
		cmocka_unit_test(refuses_what_is_no_address),
		cmocka_unit_test(knows_networks),
		cmocka_unit_test(knows_mapped_and_special_addresses),
		cmocka_unit_test(knows_private_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
