/* policy_request_test.c */
#include "../unit.h"

#include "serve/policy_request.h"

#include <stdlib.h>

enum { ARENA_BYTES_MAX = 1024 * 1024, STREAM_BYTES_MAX = 128 * 1024 };

static const struct request_limits limits = { 8192, 128 };

/* One piece of a stream: so many times the text. */
struct piece {
	const char *text;
	size_t times;
};

static const struct {
	const char *name;
	struct piece piece[5];
	enum framing_state want;
	enum request_fault fault;
	uint32_t attributes, strays;
} framings[] = {
	{ "nothing", { { "", 0 } }, FRAMING_UNFINISHED, FAULT_NONE, 0, 0 },
	{ "no empty line", { { "a=b\n", 1 } }, FRAMING_UNFINISHED, FAULT_NONE, 1, 0 },
	{ "one attribute", { { "a=b\n\n", 1 } }, FRAMING_COMPLETE, FAULT_NONE, 1, 0 },
	{ "CRLF", { { "a=b\r\n\r\n", 1 } }, FRAMING_COMPLETE, FAULT_NONE, 1, 0 },
	{ "an empty request", { { "\n", 1 } }, FRAMING_COMPLETE, FAULT_NONE, 0, 0 },
	{ "strays", { { "x\n", 3 }, { "\n", 1 } }, FRAMING_COMPLETE, FAULT_NONE, 0, 3 },
	{ "line at the limit",
	  { { "a=", 1 }, { "x", 8190 }, { "\n\n", 1 } },
	  FRAMING_COMPLETE,
	  FAULT_NONE,
	  1,
	  0 },
	{ "line at the limit, CRLF",
	  { { "a=", 1 }, { "x", 8190 }, { "\r\n\r\n", 1 } },
	  FRAMING_COMPLETE,
	  FAULT_NONE,
	  1,
	  0 },
	{ "line at the limit, the end may be a CR",
	  { { "a=", 1 }, { "x", 8190 }, { "\r", 1 } },
	  FRAMING_UNFINISHED,
	  FAULT_NONE,
	  0,
	  0 },
	{ "line one beyond",
	  { { "a=", 1 }, { "x", 8191 }, { "\n\n", 1 } },
	  FRAMING_BROKEN,
	  FAULT_LINE,
	  0,
	  0 },
	{ "line one beyond, unfinished",
	  { { "a=", 1 }, { "x", 8191 } },
	  FRAMING_BROKEN,
	  FAULT_LINE,
	  0,
	  0 },
	{ "line one beyond by a CR",
	  { { "a=", 1 }, { "x", 8190 }, { "\r\r\n\n", 1 } },
	  FRAMING_BROKEN,
	  FAULT_LINE,
	  0,
	  0 },
	{ "name at the limit",
	  { { "n", 64 }, { "=\n\n", 1 } },
	  FRAMING_COMPLETE,
	  FAULT_NONE,
	  1,
	  0 },
	{ "name one beyond", { { "n", 65 }, { "=\n\n", 1 } }, FRAMING_BROKEN, FAULT_NAME, 0, 0 },
	{ "no name but a long stray",
	  { { "n", 65 }, { "\n\n", 1 } },
	  FRAMING_COMPLETE,
	  FAULT_NONE,
	  0,
	  1 },
	{ "attributes at the limit",
	  { { "a=b\n", 128 }, { "\n", 1 } },
	  FRAMING_COMPLETE,
	  FAULT_NONE,
	  128,
	  0 },
	{ "attributes one beyond",
	  { { "a=b\n", 129 }, { "\n", 1 } },
	  FRAMING_BROKEN,
	  FAULT_ATTRIBUTES,
	  129,
	  0 },
	{ "request at the limit",
	  { { "xxxxxxxxxxxxxxx\n", 4095 }, { "xxxxxxxxxxxxxx\n\n", 1 } },
	  FRAMING_COMPLETE,
	  FAULT_NONE,
	  0,
	  4096 },
	{ "request one beyond",
	  { { "xxxxxxxxxxxxxxx\n", 4096 }, { "\n", 1 } },
	  FRAMING_BROKEN,
	  FAULT_REQUEST,
	  0,
	  4096 },
};

static struct span build(char *at, const struct piece *piece, size_t count)
{
	size_t len = 0;

	for (size_t i = 0; i < count && piece[i].text != NULL; i++)
		for (size_t k = 0; k < piece[i].times; k++) {
			size_t bytes = strlen(piece[i].text);

			assert_true(len + bytes <= STREAM_BYTES_MAX);
			memcpy(at + len, piece[i].text, bytes);
			len += bytes;
		}
	return span_of(at, len);
}

static void check_framing(size_t i, struct span stream, size_t step)
{
	struct framing framing = { 0 };
	enum framing_state state = framing_scan(&framing, &limits, span_first(stream, 0));

	for (size_t given = 0; state == FRAMING_UNFINISHED && given < stream.len;) {
		given = given + step < stream.len ? given + step : stream.len;
		state = framing_scan(&framing, &limits, span_first(stream, given));
	}
	if (state != framings[i].want || framing.fault != framings[i].fault)
		fail_msg("%s by %zu: state %d, fault %d", framings[i].name, step, state,
			 framing.fault);
	if (framing.attribute_count != framings[i].attributes ||
	    framing.stray_count != framings[i].strays)
		fail_msg("%s by %zu: %u attributes, %u strays", framings[i].name, step,
			 framing.attribute_count, framing.stray_count);
	if (state == FRAMING_COMPLETE)
		assert_int_equal(framing.line_begin, stream.len);
}

static void test_framing(void **state)
{
	char *room = malloc(STREAM_BYTES_MAX);

	(void)state;
	for (size_t i = 0; i < COUNT(framings); i++) {
		struct span stream = build(room, framings[i].piece, COUNT(framings[i].piece));

		check_framing(i, stream, stream.len + 1);
		check_framing(i, stream, 1);
		check_framing(i, stream, 7);
		check_framing(i, stream, 4096);
	}
	free(room);
}

static void test_framing_leaves_what_follows(void **state)
{
	struct framing framing = { 0 };

	(void)state;
	assert_int_equal(framing_scan(&framing, &limits, SPAN("a=b\n\nc=d\n")), FRAMING_COMPLETE);
	assert_int_equal(framing.line_begin, 5);
}

static const struct {
	const char *name;
	struct span request;
	enum attribute attribute;
	struct span want;
	bool is_absent;
} readings[] = {
	{ "plain", SPAN_INIT("sender=a@b\n\n"), ATTRIBUTE_sender, SPAN_INIT("a@b"), false },
	{ "empty", SPAN_INIT("sender=\n\n"), ATTRIBUTE_sender, SPAN_INIT(""), false },
	{ "absent", SPAN_INIT("sender=\n\n"), ATTRIBUTE_recipient, SPAN_INIT(""), true },
	{ "no =", SPAN_INIT("sender\n\n"), ATTRIBUTE_sender, SPAN_INIT(""), true },
	{ "first counts", SPAN_INIT("size=1\nsize=2\n\n"), ATTRIBUTE_size, SPAN_INIT("1"), false },
	{ "first counts, empty", SPAN_INIT("size=\nsize=2\n\n"), ATTRIBUTE_size, SPAN_INIT(""),
	  false },
	{ "= in the value", SPAN_INIT("sender=a=b\n\n"), ATTRIBUTE_sender, SPAN_INIT("a=b"),
	  false },
	{ "CRLF", SPAN_INIT("sender=a\r\n\r\n"), ATTRIBUTE_sender, SPAN_INIT("a"), false },
	{ "one CR alone goes", SPAN_INIT("sender=a\r\r\n\n"), ATTRIBUTE_sender, SPAN_INIT("a\r"),
	  false },
	{ "NUL", SPAN_INIT("sender=a\0b\n\n"), ATTRIBUTE_sender, SPAN_INIT("a\0b"), false },
	{ "no UTF-8", SPAN_INIT("sender=\xff\x80\n\n"), ATTRIBUTE_sender, SPAN_INIT("\xff\x80"),
	  false },
	{ "unknown between", SPAN_INIT("x=1\nsender=a\ny=2\n\n"), ATTRIBUTE_sender, SPAN_INIT("a"),
	  false },
	{ "a name is exact", SPAN_INIT("Sender=a\n\n"), ATTRIBUTE_sender, SPAN_INIT(""), true },
	{ "blanks stay", SPAN_INIT("sender= a \n\n"), ATTRIBUTE_sender, SPAN_INIT(" a "), false },
	{ "out of order", SPAN_INIT("stress=y\nsender=a\nrequest=x\n\n"), ATTRIBUTE_request,
	  SPAN_INIT("x"), false },
};

static void test_reading(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(readings); i++) {
		struct attempt attempt = { 0 };
		struct arena arena;
		struct span have;

		arena_init(&arena, ARENA_BYTES_MAX);
		assert_int_equal(request_read(readings[i].request, &arena, &attempt), OK);
		have = attempt.attribute[readings[i].attribute];
		check_span(have, readings[i].want, readings[i].name);
		if ((have.at == NULL) != readings[i].is_absent)
			fail_msg("%s: absent or not", readings[i].name);
		arena_release(&arena);
	}
}

static const struct {
	struct span address;
	enum ip_family family;
	struct span text;
} clients[] = {
	{ SPAN_INIT("192.0.2.1"), IP_V4, SPAN_INIT("192.0.2.1") },
	{ SPAN_INIT("::ffff:192.0.2.1"), IP_V4, SPAN_INIT("192.0.2.1") },
	{ SPAN_INIT("2001:DB8::1"), IP_V6, SPAN_INIT("2001:db8::1") },
	{ SPAN_INIT("fe80::1%eth0"), IP_V6, SPAN_INIT("fe80::1") },
	{ SPAN_INIT("unknown"), IP_NONE, SPAN_INIT("") },
	{ SPAN_INIT(""), IP_NONE, SPAN_INIT("") },
	{ SPAN_INIT("1.2.3.4.5"), IP_NONE, SPAN_INIT("") },
};

static void test_client(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(clients); i++) {
		struct attempt attempt = { 0 };
		struct arena arena;
		TEXT(request, 200);

		text_add(&request, SPAN("client_address="));
		text_add(&request, clients[i].address);
		text_add(&request, SPAN("\n\n"));
		arena_init(&arena, ARENA_BYTES_MAX);
		assert_int_equal(request_read(text_span(&request), &arena, &attempt), OK);
		assert_int_equal(attempt.client.family, clients[i].family);
		check_span(attempt.client_text, clients[i].text, "client");
		arena_release(&arena);
	}
}

static void test_full_arena(void **state)
{
	struct attempt attempt = { 0 };
	struct arena arena;

	(void)state;
	arena_init(&arena, 16);
	assert_int_equal(request_read(SPAN("sender=a\n\n"), &arena, &attempt), ERR_LIMIT);
	arena_release(&arena);
}

static void test_kind(void **state)
{
	struct attempt attempt = { 0 };

	(void)state;
	assert_false(request_is_policy(&attempt));
	attempt.attribute[ATTRIBUTE_request] = SPAN("smtpd_access_policy");
	assert_true(request_is_policy(&attempt));
	attempt.attribute[ATTRIBUTE_request] = SPAN("smtpd_access_policy2");
	assert_false(request_is_policy(&attempt));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_framing),
		cmocka_unit_test(test_framing_leaves_what_follows),
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_client),
		cmocka_unit_test(test_full_arena),
		cmocka_unit_test(test_kind),
	};

	return cmocka_run_group_tests_name("serve/policy_request", tests, NULL, NULL);
}
