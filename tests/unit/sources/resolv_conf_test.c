/* resolv_conf_test.c -- the system's name servers. */
#include "../unit.h"
#include "sources/dns_resolver.h"

static const struct {
	const char *name;
	struct span text;
	const char *addresses[RESOLV_CONF_SERVERS_MAX];
} cases[] = {
	{ "empty", SPAN_INIT(""), { "127.0.0.1" } },
	{ "no server", SPAN_INIT("search example\noptions edns0\n"), { "127.0.0.1" } },
	{ "one", SPAN_INIT("nameserver 192.0.2.1\n"), { "192.0.2.1" } },
	{ "blanks, IPv6, no line end",
	  SPAN_INIT("# generated\n  nameserver\t192.0.2.1  \r\nnameserver 2001:db8::1"),
	  { "192.0.2.1", "2001:db8::1" } },
	{ "nonsense is left out",
	  SPAN_INIT("nameserver fe80::1%eth0\nnameserver x\nnameservers "
		    "192.0.2.2\n;nameserver 192.0.2.3\nnameserver ::1\n"),
	  { "::1" } },
	{ "at the limit and beyond",
	  SPAN_INIT("nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
		    "nameserver 192.0.2.4\nnameserver 192.0.2.5\nnameserver 192.0.2.6\n"
		    "nameserver 192.0.2.7\nnameserver 192.0.2.8\nnameserver 192.0.2.9\n"),
	  { "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6",
	    "192.0.2.7", "192.0.2.8" } },
};

static void test_servers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dns_address address[RESOLV_CONF_SERVERS_MAX];
		size_t count = resolv_conf_parse(cases[i].text, address);

		for (size_t n = 0; n < count; n++) {
			TEXT(have, IP_TEXT_MAX);

			text_add_ip(&have, address[n].address);
			if (cases[i].addresses[n] == NULL)
				fail_msg("%s: too many", cases[i].name);
			check_span(text_span(&have), span_cstr(cases[i].addresses[n]),
				   cases[i].name);
			assert_int_equal(address[n].port, 53);
		}
		if (count < RESOLV_CONF_SERVERS_MAX && cases[i].addresses[count] != NULL)
			fail_msg("%s: too few", cases[i].name);
	}
}

static void test_no_file(void **state)
{
	struct dns_address address[RESOLV_CONF_SERVERS_MAX];

	(void)state;
	assert_int_equal(resolv_conf_read("/nowhere/resolv.conf", address), 1);
	assert_int_equal(address[0].address.byte[0], 127);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
