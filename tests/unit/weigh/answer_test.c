/* answer_test.c -- no answer is ever empty, unsafe or too long (design requirement P9). */
#include "weigh/answer.h"

#include "../unit.h"

static struct arena arena;

static int begin(void **state)
{
	(void)state;
	arena_init(&arena, 1024 * 1024);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

/* The answer to a policy of one statement: reply "raw". */
static struct span answer_to(struct span raw)
{
	const struct template_piece piece = { .literal = raw };
	const struct statement statement = {
		.kind = STATEMENT_VERDICT,
		.verdict = VERDICT_REPLY,
		.text = { .piece = &piece, .piece_count = 1 },
	};
	const struct policy policy = { .statement = &statement, .statement_count = 1 };
	const struct attempt attempt = { 0 };
	const struct recall recall = { 0 };
	struct ledger ledger;
	struct walk walk;
	TEXT(text, ANSWER_MAX);

	ledger_init(&ledger, &arena, &recall);
	assert_int_equal(walk_init(&walk, &policy, &attempt, &ledger), OK);
	assert_true(walk_run(&walk));
	answer_of_walk(&walk, &text);
	return arena_copy(&arena, text_span(&text));
}

static void writes_safe_answers(void **state)
{
	static const struct {
		struct span raw, want;
	} cases[] = {
		{ SPAN_INIT("550 5.7.1 no"), SPAN_INIT("550 5.7.1 no") },
		{ SPAN_INIT("DUNNO"), SPAN_INIT("DUNNO") },
		{ SPAN_INIT("greylist"), SPAN_INIT("greylist") },
		/* Postfix takes an empty and an all-numerical action as a permit. */
		{ SPAN_INIT(""), SPAN_INIT("DUNNO") },
		{ SPAN_INIT(" x"), SPAN_INIT("DUNNO") },
		{ SPAN_INIT("250 fine"), SPAN_INIT("DUNNO") },
		{ SPAN_INIT("12345"), SPAN_INIT("DUNNO") },
		{ SPAN_INIT("550"), SPAN_INIT("550 refused by policy") },
		{ SPAN_INIT("FILTER"), SPAN_INIT("DUNNO") },
		{ SPAN_INIT("REDIRECT "), SPAN_INIT("DUNNO") },
		{ SPAN_INIT("550 a\nb\rc\0d\x1b\x7f\xff"), SPAN_INIT("550 a?b?c?d???") },
		{ SPAN_INIT("PREPEND X-A: b\r\nSubject: c"),
		  SPAN_INIT("PREPEND X-A: b??Subject: c") },
		{ SPAN_INIT("PREPEND no header"), SPAN_INIT("DUNNO") },
		{ SPAN_INIT("PREPEND : x"), SPAN_INIT("DUNNO") },
		{ SPAN_INIT("prepend X A: b"), SPAN_INIT("DUNNO") },
		{ SPAN_INIT("PREPEND X-\xff: b"), SPAN_INIT("DUNNO") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_span(answer_to(cases[i].raw), cases[i].want, "answer");
}

static struct span repeated(struct span head, size_t count)
{
	char *text = arena_alloc(&arena, head.len + count);

	memcpy(text, head.at, head.len);
	memset(text + head.len, 'x', count);
	return span_of(text, head.len + count);
}

static void has_limits(void **state)
{
	(void)state;
	assert_int_equal(answer_to(repeated(SPAN("550 "), REPLY_TEXT_MAX)).len, REPLY_TEXT_MAX + 4);
	assert_int_equal(answer_to(repeated(SPAN("550 "), REPLY_TEXT_MAX + 1)).len,
			 REPLY_TEXT_MAX + 4);
	assert_int_equal(answer_to(repeated(SPAN("PREPEND X: "), HEADER_TEXT_MAX - 3)).len,
			 HEADER_TEXT_MAX + 8);
	assert_int_equal(answer_to(repeated(SPAN("PREPEND X: "), HEADER_TEXT_MAX - 2)).len,
			 HEADER_TEXT_MAX + 8);
}

/* A destination that is cut would be another one. */
static void never_cuts_a_destination(void **state)
{
	static const struct span words[] = { SPAN_INIT("REDIRECT "), SPAN_INIT("FILTER "),
					     SPAN_INIT("BCC ") };

	(void)state;
	for (size_t i = 0; i < COUNT(words); i++) {
		assert_int_equal(answer_to(repeated(words[i], REPLY_TEXT_MAX)).len,
				 REPLY_TEXT_MAX + words[i].len);
		check_span(answer_to(repeated(words[i], REPLY_TEXT_MAX + 1)), SPAN("DUNNO"),
			   "one beyond");
		check_span(answer_to(repeated(words[i], 8192)), SPAN("DUNNO"), "far beyond");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writes_safe_answers, begin, end),
		cmocka_unit_test_setup_teardown(has_limits, begin, end),
		cmocka_unit_test_setup_teardown(never_cuts_a_destination, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
