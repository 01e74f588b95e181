/* host_test.c -- what the name of a host tells by itself. */
#include "../unit.h"

#include "checks/host.h"

static const struct {
	const char *name, *organisation;
} organisations[] = {
	{ "example.org", "example.org" },
	{ "mail.example.org", "example.org" },
	{ "a.b.c.example.org", "example.org" },
	{ "mail.example.co.uk", "example.co.uk" },
	{ "example.co.uk", "example.co.uk" },
	{ "other.co.uk", "other.co.uk" },
	{ "co.uk", "co.uk" },
	{ "mail.example.com.au", "example.com.au" },
	{ "mail.example.or.at", "example.or.at" },
	{ "mail.example.de", "example.de" },
	{ "co.example.de", "example.de" },
	{ "mail.co.example", "co.example" },
	{ "localhost", "localhost" },
	{ "", "" },
};

static void test_organisation(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(organisations); i++)
		check_span(host_organisation(span_cstr(organisations[i].name)),
			   span_cstr(organisations[i].organisation), organisations[i].name);
}

static const struct {
	const char *name;
	bool is_dynamic, is_fixed;
} looks[] = {
	{ "mail.example.org", false, true },
	{ "example.org", false, false },
	{ "dyn23.isp.example", true, false },
	{ "p5b0a1b2c.dip0.isp.example", true, false },
	{ "diploma.example.org", false, false },
	{ "pool-198-51-100-7.isp.example", true, false },
	{ "carpool.example.org", false, false },
	{ "198-51-100-7.isp.example", true, false },
	{ "198.51.100.7.isp.example", true, false },
	{ "host198_51_100_7.isp.example", true, false },
	{ "198-51-100.isp.example", false, false },
	{ "1980-51-100-7.isp.example", false, false },
	{ "1-2-3-4-5.isp.example", true, false },
	{ "198a51a100a7.isp.example", false, false },
	{ "static-198-51-100-7.isp.example", false, true },
	{ "mx1.dsl.isp.example", false, true },
	{ "adsl.isp.example", true, false },
	{ "host.dsl-provider.example", false, false },
	{ "host.dsl.co.uk", false, false },
	{ "mta-3.example.org", false, true },
	{ "customer.isp.example", true, false },
	{ "localhost", false, false },
	{ "", false, false },
};

static void test_looks(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(looks); i++) {
		struct span name = span_cstr(looks[i].name);

		if (host_looks_dynamic(name) != looks[i].is_dynamic ||
		    host_looks_fixed(name) != looks[i].is_fixed)
			fail_msg("%s", looks[i].name);
	}
}

/* Each word of the table, as it stands in a name, and within a longer word. */
static void test_words(void **state)
{
	enum { FIXED, CUSTOMER };
	enum { ANYWHERE, WHOLE };
	static const struct {
		int kind, place;
		const char *word;
	} words[] = {
#define WORD(kind, place, word) { kind, place, word },
#include "checks/host_words.def"
#undef WORD
	};

	(void)state;
	for (size_t i = 0; i < COUNT(words); i++) {
		bool is_fixed = words[i].kind == FIXED, is_found_within;
		TEXT(name, 64);
		TEXT(within, 64);

		text_addf(&name, "q-%s7.isp.example", words[i].word);
		text_addf(&within, "q%sq.isp.example", words[i].word);
		if (host_looks_fixed(text_span(&name)) != is_fixed ||
		    host_looks_dynamic(text_span(&name)) == is_fixed)
			fail_msg("%s", text_cstr(&name));
		is_found_within = is_fixed ? host_looks_fixed(text_span(&within))
					   : host_looks_dynamic(text_span(&within));
		/* a word that must be whole may hold another one that need not */
		if (words[i].place == ANYWHERE && !is_found_within)
			fail_msg("%s", text_cstr(&within));
	}
}

static const struct {
	const char *host, *want; /* NULL: no address */
} addresses[] = {
	{ "192.0.2.1", "192.0.2.1" },
	{ "[192.0.2.1]", "192.0.2.1" },
	{ "[IPv6:2001:db8::1]", "2001:db8::1" },
	{ "[ipv6:2001:DB8:0::1]", "2001:db8::1" },
	{ "2001:db8::1", "2001:db8::1" },
	{ "[IPv6:::ffff:192.0.2.1]", "192.0.2.1" },
	{ "[192.0.2.1", NULL },
	{ "192.0.2.1]", NULL },
	{ "[]", NULL },
	{ "[", NULL },
	{ "", NULL },
	{ "IPv6:2001:db8::1", NULL },
	{ "192.0.2", NULL },
	{ "192.0.2.256", NULL },
	{ "mail.example.org", NULL },
};

static void test_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(addresses); i++) {
		struct ip ip = { 0 };
		TEXT(text, IP_TEXT_MAX);

		if (host_address(span_cstr(addresses[i].host), &ip) != (addresses[i].want != NULL))
			fail_msg("%s", addresses[i].host);
		if (addresses[i].want == NULL)
			continue;
		text_add_ip(&text, ip);
		check_span(text_span(&text), span_cstr(addresses[i].want), addresses[i].host);
	}
}

#define LABEL_63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

static const struct {
	const char *about, *helo, *want; /* NULL: no use in a question */
} subjects[] = {
	{ "a name", "Mail.Example.ORG", "mail.example.org" },
	{ "a final dot", "mail.example.org.", "mail.example.org" },
	{ "two final dots", "mail.example.org..", NULL },
	{ "underscore", "mail_1.example.org", "mail_1.example.org" },
	{ "a blank", "my host.example.org", "my\\032host.example.org" },
	{ "bytes above 126", "b\374cher.example", "b\\252cher.example" },
	{ "beyond ASCII", "b\303\274cher.example", "xn--bcher-kva.example" },
	{ "beyond ASCII, in capitals", "B\303\234CHER.Example.", "xn--bcher-kva.example" },
	{ "beyond ASCII, one label", "b\303\274cher", NULL },
	{ "nothing", "", NULL },
	{ "a dot", ".", NULL },
	{ "one label", "localhost", NULL },
	{ "one label and a dot", "localhost.", NULL },
	{ "an empty label", "a..example", NULL },
	{ "an empty label in front", ".example.org", NULL },
	{ "a bare address", "192.0.2.1", NULL },
	{ "a literal", "[192.0.2.1]", NULL },
	{ "an IPv6 literal", "[IPv6:2001:db8::1]", NULL },
	{ "a bare IPv6 address", "2001:db8::1", NULL },
	{ "a numeric end", "host.example.12", NULL },
	{ "the longest label", LABEL_63 ".example", LABEL_63 ".example" },
	{ "one byte beyond", LABEL_63 "l.example", NULL },
	{ "the longest name", LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63, NULL },
};

static void test_subjects(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(subjects); i++) {
		struct attempt attempt = { 0 };
		TEXT(name, DOMAIN_TEXT_MAX);
		bool is_usable;

		attempt.attribute[ATTRIBUTE_helo_name] = span_cstr(subjects[i].helo);
		is_usable = text_add_subject(&name, &attempt, SUBJECT_HELO);
		if (is_usable != (subjects[i].want != NULL))
			fail_msg("%s: %s", subjects[i].about, subjects[i].helo);
		if (is_usable)
			check_span(text_span(&name), span_cstr(subjects[i].want),
				   subjects[i].about);
		else
			assert_int_equal(name.len, 0);
	}
}

static void test_whose_name(void **state)
{
	struct attempt attempt = { 0 };
	TEXT(name, DOMAIN_TEXT_MAX);

	(void)state;
	attempt.attribute[ATTRIBUTE_sender] = SPAN("a@b@sender.example");
	attempt.attribute[ATTRIBUTE_client_name] = SPAN("unknown");
	assert_true(text_add_subject(&name, &attempt, SUBJECT_SENDER));
	check_span(text_span(&name), SPAN("sender.example"), "sender");
	assert_false(text_add_subject(&name, &attempt, SUBJECT_HELO));
	assert_false(text_add_subject(&name, &attempt, SUBJECT_CLIENT_NAME));
	attempt.attribute[ATTRIBUTE_sender] = SPAN("noat.example");
	assert_false(text_add_subject(&name, &attempt, SUBJECT_SENDER));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_organisation), cmocka_unit_test(test_looks),
		cmocka_unit_test(test_addresses),    cmocka_unit_test(test_subjects),
		cmocka_unit_test(test_whose_name),   cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("checks/host", tests, NULL, NULL);
}
