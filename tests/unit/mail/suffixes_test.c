/* suffixes_test.c -- what is registered under a public suffix, by the list built into libpsl. */
#include "mail/suffixes.h"

#include "mail/domain.h"

#include "../unit.h"

static const struct {
	const char *name;
	struct span domain, registered;
} cases[] = {
	{ "two labels", SPAN_INIT("example.org"), SPAN_INIT("example.org") },
	{ "below", SPAN_INIT("a.mx.example.org"), SPAN_INIT("example.org") },
	{ "a suffix of two labels", SPAN_INIT("mail.b.co.uk"), SPAN_INIT("b.co.uk") },
	{ "a suffix itself", SPAN_INIT("co.uk"), SPAN_INIT("") },
	{ "a top label", SPAN_INIT("org"), SPAN_INIT("") },
	{ "a rule with a star", SPAN_INIT("a.b.c.ck"), SPAN_INIT("b.c.ck") },
	{ "and its exception", SPAN_INIT("a.www.ck"), SPAN_INIT("www.ck") },
	{ "a private suffix", SPAN_INIT("x.anna.github.io"), SPAN_INIT("anna.github.io") },
	{ "an unknown top label", SPAN_INIT("mx.alder.test"), SPAN_INIT("alder.test") },
	{ "capitals", SPAN_INIT("A.B.CO.UK"), SPAN_INIT("B.CO.UK") },
	{ "A-labels", SPAN_INIT("mx.xn--bcher-kva.xn--p1ai"), SPAN_INIT("xn--bcher-kva.xn--p1ai") },
	{ "nothing", SPAN_INIT(""), SPAN_INIT("") },
	{ "a dot", SPAN_INIT("."), SPAN_INIT("") },
	{ "a final dot", SPAN_INIT("example.org."), SPAN_INIT("") },
	{ "an address", SPAN_INIT("192.0.2.1"), SPAN_INIT("") },
	{ "an address of IPv6", SPAN_INIT("2001:db8::1"), SPAN_INIT("") },
	{ "a network", SPAN_INIT("192.0.2.0/24"), SPAN_INIT("") },
	{ "a NUL", SPAN_INIT("a.example.org\0.example.net"), SPAN_INIT("") },
	{ "escapes", SPAN_INIT("a\\255.example.org"), SPAN_INIT("example.org") },
};

static void registered(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_span(suffixes_registered(NULL, cases[i].domain), cases[i].registered,
			   cases[i].name);
}

/* At DOMAIN_TEXT_MAX there is an answer, one byte beyond there is none. */
static void long_names(void **state)
{
	char name[DOMAIN_TEXT_MAX + 1];

	(void)state;
	memset(name, 'a', sizeof(name));
	memcpy(name + sizeof(name) - 8, ".ab.test", 8);
	check_span(suffixes_registered(NULL, span_of(name + 1, DOMAIN_TEXT_MAX)), SPAN("ab.test"),
		   "at the limit");
	check_span(suffixes_registered(NULL, span_of(name, sizeof(name))), SPAN(""), "beyond");
	memset(name, '.', sizeof(name));
	check_span(suffixes_registered(NULL, span_of(name, DOMAIN_TEXT_MAX)), SPAN(""), "dots");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registered),
		cmocka_unit_test(long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
