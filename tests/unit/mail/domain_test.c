/* domain_test.c -- domain names as they are asked for in the DNS. */
#include "mail/domain.h"

#include "../unit.h"

#define LABEL_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void can_exist(void **state)
{
	static const struct {
		const char *name;
		struct span raw;
		bool want;
	} cases[] = {
		{ "plain", SPAN_INIT("mx.example.org"), true },
		{ "one label", SPAN_INIT("localhost"), true },
		{ "final dot", SPAN_INIT("example.org."), true },
		{ "two final dots", SPAN_INIT("example.org.."), false },
		{ "empty", SPAN_INIT(""), false },
		{ "root", SPAN_INIT("."), false },
		{ "empty label", SPAN_INIT("a..b"), false },
		{ "leading dot", SPAN_INIT(".a"), false },
		{ "label at the limit", SPAN_INIT(LABEL_63 ".org"), true },
		{ "label one beyond", SPAN_INIT(LABEL_63 "a.org"), false },
		{ "name at the limit",
		  SPAN_INIT(LABEL_63
			    "." LABEL_63 "." LABEL_63
			    ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		  true },
		{ "name one beyond",
		  SPAN_INIT(LABEL_63
			    "." LABEL_63 "." LABEL_63
			    ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		  false },
		{ "odd bytes", SPAN_INIT("a b\xff.org"), true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (domain_can_exist(cases[i].raw) != cases[i].want)
			fail_msg("%s", cases[i].name);
}

static void is_host_name(void **state)
{
	(void)state;
	assert_true(domain_is_host_name(SPAN("mx-1.Example.org")));
	assert_true(domain_is_host_name(SPAN("1.example.org")));
	assert_false(domain_is_host_name(SPAN("localhost")));
	assert_false(domain_is_host_name(SPAN("192.0.2.1")));
	assert_false(domain_is_host_name(SPAN("a_b.example.org")));
	assert_false(domain_is_host_name(SPAN("-a.example.org")));
	assert_false(domain_is_host_name(SPAN("a-.example.org")));
	assert_false(domain_is_host_name(SPAN("[192.0.2.1]")));
}

static void has_a_presentation_form(void **state)
{
	static const struct {
		struct span raw, want;
	} cases[] = {
		{ SPAN_INIT("MX.Example.ORG."), SPAN_INIT("mx.example.org") },
		{ SPAN_INIT("a b.org"), SPAN_INIT("a\\032b.org") },
		{ SPAN_INIT("a\\b\xff\0.org"), SPAN_INIT("a\\\\b\\255\\000.org") },
		{ SPAN_INIT("..."), SPAN_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		TEXT(text, DOMAIN_TEXT_MAX);

		text_add_domain(&text, cases[i].raw);
		check_span(text_span(&text), cases[i].want, "presentation form");
	}
}

static void has_a_wire_form(void **state)
{
	static const struct {
		struct span name;
		enum err want;
		struct span wire;
	} cases[] = {
		{ SPAN_INIT("mx.example"), OK, SPAN_INIT("\2mx\7example\0") },
		{ SPAN_INIT("a\\032\\\\\\.b"), OK, SPAN_INIT("\5a \\.b\0") },
		{ SPAN_INIT("a"), OK, SPAN_INIT("\1a\0") },
		{ SPAN_INIT(""), ERR_SYNTAX, SPAN_INIT("") },
		{ SPAN_INIT("a."), ERR_SYNTAX, SPAN_INIT("") },
		{ SPAN_INIT("a..b"), ERR_SYNTAX, SPAN_INIT("") },
		{ SPAN_INIT("a\\25"), ERR_SYNTAX, SPAN_INIT("") },
		{ SPAN_INIT("a\\256"), ERR_SYNTAX, SPAN_INIT("") },
		{ SPAN_INIT("a\\"), ERR_SYNTAX, SPAN_INIT("") },
		{ SPAN_INIT(LABEL_63), OK, SPAN_INIT("\77" LABEL_63 "\0") },
		{ SPAN_INIT(LABEL_63 "a"), ERR_SYNTAX, SPAN_INIT("") },
	};
	unsigned char wire[255];
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(domain_to_wire(cases[i].name, wire, &len), cases[i].want);
		if (cases[i].want == OK)
			check_span(span_of((char *)wire, len), cases[i].wire, "wire form");
	}
}

/* Names of every length: exactly those of at most 253 octets have a wire form. */
static void wire_form_has_a_limit(void **state)
{
	char name[300];
	unsigned char wire[255];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = i % 2 == 0 ? 'a' : '.';
	for (size_t n = 1; n < sizeof(name); n += 2)
		assert_int_equal(domain_to_wire(span_of(name, n), wire, &len),
				 n <= DOMAIN_NAME_MAX ? OK : ERR_SYNTAX);
}

static void has_parents(void **state)
{
	(void)state;
	check_span(domain_parent(SPAN("a.b.c")), SPAN("b.c"), "parent");
	check_span(domain_parent(SPAN("c")), SPAN(""), "parent of a top level");
	check_span(domain_last_labels(SPAN("a.b.c"), 2), SPAN("b.c"), "last two");
	check_span(domain_last_labels(SPAN("b.c"), 2), SPAN("b.c"), "exactly two");
	check_span(domain_last_labels(SPAN("c"), 2), SPAN("c"), "fewer");
	assert_int_equal(domain_label_count(SPAN("a.b.c")), 3);
	assert_true(domain_is_within(SPAN("a.Example.org"), SPAN("example.ORG")));
	assert_true(domain_is_within(SPAN("example.org"), SPAN("example.org")));
	assert_false(domain_is_within(SPAN("anexample.org"), SPAN("example.org")));
	assert_false(domain_is_within(SPAN("org"), SPAN("example.org")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(can_exist),
		cmocka_unit_test(is_host_name),
		cmocka_unit_test(has_a_presentation_form),
		cmocka_unit_test(has_a_wire_form),
		cmocka_unit_test(wire_form_has_a_limit),
		cmocka_unit_test(has_parents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
