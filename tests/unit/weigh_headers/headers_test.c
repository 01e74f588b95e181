/* headers_test.c -- headers by their grammar, whatever strangers call themselves. */
#include "weigh/headers.h"

#include "../unit.h"

#define CLIENT  SPAN_INIT("192.0.2.1")
#define CLIENT6 SPAN_INIT("2001:db8::1")

struct words {
	struct span client, sender, helo;
};

static void attempt_of(struct attempt *attempt, const struct words *words)
{
	*attempt = (struct attempt){ .client_text = words->client };
	attempt->attribute[ATTRIBUTE_sender] = words->sender;
	attempt->attribute[ATTRIBUTE_helo_name] = words->helo;
}

static const struct {
	const char *name;
	struct words words;
	struct span receiver;
	struct spf_said said;
	struct span want;
} received[] = {
	{ "pass",
	  { CLIENT, SPAN_INIT("u@example.org"), SPAN_INIT("mx.example.org") },
	  SPAN_INIT("mx.example.net"),
	  { .result = SPAN_INIT("pass"), .mechanism = SPAN_INIT("ip4:192.0.2.1") },
	  SPAN_INIT("Received-SPF: pass (domain of u@example.org permits 192.0.2.1)"
		    " receiver=mx.example.net; client-ip=192.0.2.1;"
		    " envelope-from=\"u@example.org\"; helo=mx.example.org; identity=mailfrom;"
		    " mechanism=\"ip4:192.0.2.1\"") },
	{ "helo, null sender, IPv6",
	  { CLIENT6, SPAN_INIT(""), SPAN_INIT("mx.example.org") },
	  SPAN_INIT("unknown"),
	  { .result = SPAN_INIT("softfail"), .is_helo = true },
	  SPAN_INIT("Received-SPF: softfail (domain of mx.example.org discourages use of"
		    " 2001:db8::1) receiver=unknown; client-ip=\"2001:db8::1\";"
		    " helo=mx.example.org; identity=helo") },
	{ "a problem",
	  { CLIENT, SPAN_INIT("u@e.org"), SPAN_INIT("h.e") },
	  SPAN_INIT("r.e"),
	  { .result = SPAN_INIT("permerror"), .problem = SPAN_INIT("too many look-ups") },
	  SPAN_INIT("Received-SPF: permerror (broken record of u@e.org, client 192.0.2.1)"
		    " receiver=r.e; client-ip=192.0.2.1; envelope-from=\"u@e.org\"; helo=h.e;"
		    " identity=mailfrom; problem=\"too many look-ups\"") },
	{ "nobody ends a value or a comment",
	  { CLIENT, SPAN_INIT("a\"b\\c@x; helo=y"), SPAN_INIT("x; identity=mailfrom") },
	  SPAN_INIT("r.e"),
	  { .result = SPAN_INIT("fail"), .explanation = SPAN_INIT("no) (\\ here") },
	  SPAN_INIT("Received-SPF: fail (domain of a\"b\\\\c@x; helo=y does not permit"
		    " 192.0.2.1; it explains: no\\) \\(\\\\ here) receiver=r.e;"
		    " client-ip=192.0.2.1; envelope-from=\"a\\\"b\\\\c@x; helo=y\";"
		    " helo=\"x; identity=mailfrom\"; identity=mailfrom") },
	{ "control bytes and what is not ASCII",
	  { CLIENT, SPAN_INIT("\r\nX: y\0\x7f"), SPAN_INIT("\xc3\xa9.\xff") },
	  SPAN_INIT("r.e"),
	  { .result = SPAN_INIT("none") },
	  SPAN_INIT("Received-SPF: none (domain of "
		    "??X: y?? names no senders, client 192.0.2.1)"
		    " receiver=r.e; client-ip=192.0.2.1; envelope-from=\"??X: y??\";"
		    " helo=\"?"
		    "?.?\"; identity=mailfrom") },
	{ "words that are no dot-atoms",
	  { CLIENT, SPAN_INIT(".a"), SPAN_INIT("a..b") },
	  SPAN_INIT("r.e."),
	  { .result = SPAN_INIT("none") },
	  SPAN_INIT("Received-SPF: none (domain of .a names no senders, client 192.0.2.1)"
		    " receiver=\"r.e.\"; client-ip=192.0.2.1; envelope-from=\".a\";"
		    " helo=\"a..b\"; identity=mailfrom") },
	{ "unknown client",
	  { SPAN_INIT(""), SPAN_INIT("u@e.org"), SPAN_INIT("h.e") },
	  SPAN_INIT("r.e"),
	  { .result = SPAN_INIT("temperror") },
	  SPAN_INIT("Received-SPF: temperror (no answer from the DNS of u@e.org, client unknown)"
		    " receiver=r.e; envelope-from=\"u@e.org\"; helo=h.e; identity=mailfrom") },
};

static void writes_received_spf(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(received); i++) {
		struct attempt attempt;
		TEXT(header, HEADER_TEXT_MAX);

		attempt_of(&attempt, &received[i].words);
		text_add_received_spf(&header, &attempt, received[i].receiver, &received[i].said);
		check_span(text_span(&header), received[i].want, received[i].name);
	}
}

static const struct {
	const char *name;
	struct words words;
	struct authentication authentication;
	struct span want;
} results[] = {
	{ "nothing was checked",
	  { CLIENT, SPAN_INIT("u@e.org"), SPAN_INIT("h.e") },
	  { .host = SPAN_INIT("mx.example.net") },
	  SPAN_INIT("Authentication-Results: mx.example.net; none") },
	{ "our name is not known",
	  { CLIENT, SPAN_INIT("u@e.org"), SPAN_INIT("h.e") },
	  { .host = SPAN_INIT("") },
	  SPAN_INIT("Authentication-Results: unknown; none") },
	{ "all of it",
	  { CLIENT, SPAN_INIT("u@example.org"), SPAN_INIT("mx.example.org") },
	  { .host = SPAN_INIT("mx.example.net"),
	    .sender = { .result = SPAN_INIT("pass") },
	    .helo = { .result = SPAN_INIT("none"), .is_helo = true },
	    .iprev = SPAN_INIT("pass"),
	    .name = SPAN_INIT("mx.example.org") },
	  SPAN_INIT("Authentication-Results: mx.example.net; spf=pass smtp.mailfrom=example.org;"
		    " spf=none smtp.helo=mx.example.org; iprev=pass (mx.example.org)"
		    " policy.iprev=192.0.2.1") },
	{ "IPv6 and a sender that is a domain",
	  { CLIENT6, SPAN_INIT("example.org"), SPAN_INIT("h.e") },
	  { .host = SPAN_INIT("r.e"),
	    .sender = { .result = SPAN_INIT("neutral") },
	    .iprev = SPAN_INIT("permerror") },
	  SPAN_INIT("Authentication-Results: r.e; spf=neutral smtp.mailfrom=example.org;"
		    " iprev=permerror policy.iprev=\"2001:db8::1\"") },
	{ "parentheses, quotes and semicolons",
	  { CLIENT, SPAN_INIT("u@e.net(.example.com"), SPAN_INIT("h\"; spf=pass") },
	  { .host = SPAN_INIT("r.e"),
	    .sender = { .result = SPAN_INIT("fail"), .explanation = SPAN_INIT("a) b \\ (c\r\n") },
	    .helo = { .result = SPAN_INIT("permerror"),
		      .is_helo = true,
		      .problem = SPAN_INIT("a syntax error") } },
	  SPAN_INIT("Authentication-Results: r.e; spf=fail (a\\) b \\\\ \\(c?"
		    "?)"
		    " smtp.mailfrom=\"e.net(.example.com\"; spf=permerror (a syntax error)"
		    " smtp.helo=\"h\\\"; spf=pass\"") },
};

static void writes_authentication_results(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(results); i++) {
		struct attempt attempt;
		TEXT(header, HEADER_TEXT_MAX);

		attempt_of(&attempt, &results[i].words);
		text_add_authentication_results(&header, &attempt, &results[i].authentication);
		check_span(text_span(&header), results[i].want, results[i].name);
	}
}

static struct span repeated(char c, size_t count)
{
	static char bytes[8][4096];
	static unsigned next;
	char *at = bytes[next++ % 8];

	memset(at, c, count);
	return span_of(at, count);
}

/* A value over its bound is left out, never cut: a part of a name is another name. */
static void has_limits(void **state)
{
	const struct words most = { CLIENT, repeated('a', HEADER_VALUE_MAX),
				    repeated('b', HEADER_NAME_MAX) };
	const struct words beyond = { CLIENT, repeated('a', HEADER_VALUE_MAX + 1),
				      repeated('b', HEADER_NAME_MAX + 1) };
	const struct spf_said said = { .result = SPAN_INIT("temperror"),
				       .problem = repeated('p', 300),
				       .mechanism = repeated('m', 300),
				       .explanation = repeated('(', 3000) };
	struct attempt attempt;
	TEXT(header, HEADER_TEXT_MAX);

	(void)state;
	attempt_of(&attempt, &most);
	text_add_received_spf(&header, &attempt, repeated('r', HEADER_NAME_MAX), &said);
	assert_false(header.overrun);
	assert_true(span_has(text_span(&header), most.sender));
	assert_true(span_has(text_span(&header), most.helo));
	assert_true(span_ends(text_span(&header), SPAN("; identity=mailfrom")));

	text_clear(&header);
	attempt_of(&attempt, &beyond);
	text_add_received_spf(&header, &attempt, repeated('r', HEADER_NAME_MAX + 1), &said);
	assert_false(header.overrun);
	assert_false(span_has(text_span(&header), SPAN("envelope-from")));
	assert_false(span_has(text_span(&header), SPAN("helo=")));
	assert_false(span_has(text_span(&header), SPAN("receiver=")));
	assert_true(span_ends(text_span(&header), SPAN(" client-ip=192.0.2.1; identity=mailfrom")));
}

static void results_have_limits(void **state)
{
	const struct words most = { CLIENT6, repeated('a', HEADER_NAME_MAX),
				    repeated('b', HEADER_NAME_MAX) };
	const struct words beyond = { CLIENT6, repeated('a', HEADER_NAME_MAX + 1),
				      repeated('b', HEADER_NAME_MAX + 1) };
	const struct authentication all = {
		.host = repeated('h', HEADER_HOST_MAX),
		.sender = { .result = SPAN_INIT("temperror"), .problem = repeated(')', 300) },
		.helo = { .result = SPAN_INIT("temperror"), .is_helo = true },
		.iprev = SPAN_INIT("temperror"),
		.name = repeated('(', HEADER_NAME_MAX),
	};
	struct attempt attempt;
	TEXT(header, HEADER_TEXT_MAX);

	(void)state;
	attempt_of(&attempt, &most);
	text_add_authentication_results(&header, &attempt, &all);
	assert_false(header.overrun);
	assert_true(span_has(text_span(&header), most.sender));
	assert_true(span_has(text_span(&header), most.helo));
	assert_true(span_ends(text_span(&header), SPAN("policy.iprev=\"2001:db8::1\"")));

	text_clear(&header);
	attempt_of(&attempt, &beyond);
	text_add_authentication_results(&header, &attempt, &all);
	assert_false(header.overrun);
	assert_false(span_has(text_span(&header), SPAN("spf=")));
	assert_true(span_ends(text_span(&header), SPAN("policy.iprev=\"2001:db8::1\"")));
}

/* Whatever bytes a name has: one line of printable ASCII, and its quotes close. */
static void every_byte_is_safe(void **state)
{
	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		const char name[] = { 'a', (char)byte, 'b' };
		const struct words words = { CLIENT, span_of(name, 3), span_of(name, 3) };
		const struct spf_said said = { .result = SPAN_INIT("fail"),
					       .explanation = span_of(name, 3) };
		bool is_quoted = false;
		struct attempt attempt;
		TEXT(header, HEADER_TEXT_MAX);

		attempt_of(&attempt, &words);
		text_add_received_spf(&header, &attempt, SPAN("r.e"), &said);
		for (size_t i = span_find(text_span(&header), ')'); i < header.len; i++) {
			char c = header.at[i];

			assert_in_range(c, ' ', '~');
			if (is_quoted && c == '\\')
				i++;
			else if (c == '"')
				is_quoted = !is_quoted;
		}
		assert_false(is_quoted);
		assert_true(span_ends(text_span(&header), SPAN("; identity=mailfrom")));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_received_spf),
		cmocka_unit_test(writes_authentication_results),
		cmocka_unit_test(has_limits),
		cmocka_unit_test(results_have_limits),
		cmocka_unit_test(every_byte_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
