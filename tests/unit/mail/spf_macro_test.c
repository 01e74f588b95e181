/* spf_macro_test.c -- the macros of SPF: RFC 7208 section 7. */
#include "../unit.h"

#include "mail/domain.h"
#include "mail/spf_macro.h"

/* The values of the examples in section 7.4. */
static struct spf_macro_values values_of(const char *client)
{
	struct spf_macro_values values = {
		.sender = SPAN("strong-bad@email.example.com"),
		.local = SPAN("strong-bad"),
		.sender_domain = SPAN("email.example.com"),
		.domain = SPAN("email.example.com"),
		.validated = SPAN("mx.example.org"),
		.helo = SPAN("helo.example.org"),
		.receiver = SPAN("receiver.example.net"),
		.time_s = 1700000000,
	};

	assert_int_equal(ip_parse(span_cstr(client), &values.client), OK);
	return values;
}

static void macros_are_expanded(void **state)
{
	static const struct {
		const char *macros, *client, *want;
	} cases[] = {
		{ "%{s}", "192.0.2.3", "strong-bad@email.example.com" },
		{ "%{o}", "192.0.2.3", "email.example.com" },
		{ "%{d}", "192.0.2.3", "email.example.com" },
		{ "%{d4}", "192.0.2.3", "email.example.com" },
		{ "%{d3}", "192.0.2.3", "email.example.com" },
		{ "%{d2}", "192.0.2.3", "example.com" },
		{ "%{d1}", "192.0.2.3", "com" },
		{ "%{dr}", "192.0.2.3", "com.example.email" },
		{ "%{d2r}", "192.0.2.3", "example.email" },
		{ "%{d2R}", "192.0.2.3", "example.email" },
		{ "%{l}", "192.0.2.3", "strong-bad" },
		{ "%{l-}", "192.0.2.3", "strong.bad" },
		{ "%{lr}", "192.0.2.3", "strong-bad" },
		{ "%{lr-}", "192.0.2.3", "bad.strong" },
		{ "%{l1r-}", "192.0.2.3", "strong" },
		{ "%{ir}.%{v}._spf.%{d2}", "192.0.2.3", "3.2.0.192.in-addr._spf.example.com" },
		{ "%{lr-}.lp._spf.%{d2}", "192.0.2.3", "bad.strong.lp._spf.example.com" },
		{ "%{ir}.%{v}", "2001:db8::cb01",
		  "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6" },
		{ "%{c} %{r} %{t} %{h} %{p}", "2001:db8::cb01",
		  "2001:db8::cb01 receiver.example.net 1700000000 helo.example.org "
		  "mx.example.org" },
		{ "%{S}", "192.0.2.3", "strong-bad%40email.example.com" },
		{ "%%%_%-", "192.0.2.3", "% %20" },
		{ "%{d128}", "192.0.2.3", "email.example.com" },
		{ "%{d4294967297}", "192.0.2.3", "email.example.com" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct spf_macro_values values = values_of(cases[i].client);
		struct span macros = span_cstr(cases[i].macros);
		TEXT(text, SPF_EXPANDED_MAX);

		assert_int_equal(spf_macro_check(macros, SPF_IN_EXPLANATION), OK);
		text_add_spf_expanded(&text, macros, &values);
		check_span(text_span(&text), span_cstr(cases[i].want), cases[i].macros);
	}
}

static void names_are_cut_on_the_left(void **state)
{
	static char local[300];
	struct spf_macro_values values = values_of("192.0.2.3");
	TEXT(text, SPF_EXPANDED_MAX);
	struct span name;

	(void)state;
	memset(local, 'l', sizeof(local));
	for (size_t i = 49; i < sizeof(local); i += 50)
		local[i] = '.';
	values.local = span_of(local, 246);
	name = spf_domain_spec_expand(&text, SPAN("%{l}.x.test"), &values);
	assert_int_equal(name.len, DOMAIN_NAME_MAX);
	values.local = span_of(local, 247);
	name = spf_domain_spec_expand(&text, SPAN("%{l}.x.test"), &values);
	assert_int_equal(name.len, 254 - 50);
	/* a single label that is longer than any name */
	memset(local, 'l', sizeof(local));
	values.local = span_of(local, 300);
	name = spf_domain_spec_expand(&text, SPAN("%{l}"), &values);
	assert_int_equal(name.len, 0);
}

static void bombs_are_bounded(void **state)
{
	static char macros[4 * 2000 + 1], hostile[SPF_MACRO_VALUE_MAX + 1];
	struct spf_macro_values values = values_of("192.0.2.3");
	TEXT(text, SPF_EXPANDED_MAX);

	(void)state;
	for (size_t i = 0; i < 2000; i++)
		memcpy(macros + 4 * i, "%{S}", 5);
	memset(hostile, 0xff, sizeof(hostile));
	values.sender = span_of(hostile, SPF_MACRO_VALUE_MAX);
	text_add_spf_expanded(&text, SPAN("%{s}"), &values);
	assert_int_equal(text.len, SPF_MACRO_VALUE_MAX);
	text_clear(&text);
	text_add_spf_expanded(&text, SPAN("%{S}"), &values);
	assert_true(text_span(&text).len == 3 * SPF_MACRO_VALUE_MAX);
	text_clear(&text);
	text_add_spf_expanded(&text, span_cstr(macros), &values);
	assert_true(text.overrun);
	text_clear(&text);
	values.sender = span_of(hostile, SPF_MACRO_VALUE_MAX + 1);
	text_add_spf_expanded(&text, SPAN("%{s}"), &values);
	assert_true(text.overrun);
}

static void letters_are_found(void **state)
{
	(void)state;
	assert_true(spf_macro_uses(SPAN("a.%{P}"), SPAN("p")));
	assert_false(spf_macro_uses(SPAN("p.%{d}%%{p}"), SPAN("p")));
	assert_true(spf_macro_uses(SPAN("%{i}%{lr-}"), SPAN("sl")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(macros_are_expanded),
		cmocka_unit_test(names_are_cut_on_the_left),
		cmocka_unit_test(bombs_are_bounded),
		cmocka_unit_test(letters_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
