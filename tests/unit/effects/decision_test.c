/* decision_test.c */
#include "../unit.h"

#include "effects/decision.h"

static struct policy policy = { .name = SPAN_INIT("inbound") };

static const struct statement rule = {
	.origin = { SPAN_INIT("weighd.conf"), 31, 5 },
};

static struct ledger ledger;

static void decide(struct attempt *attempt, struct walk *walk)
{
	*attempt = (struct attempt){ .id = SPAN("K7Q2-9F3D") };
	attempt->attribute[ATTRIBUTE_client_address] = SPAN("192.0.2.1");
	attempt->attribute[ATTRIBUTE_sender] = SPAN("a\n\"\xff\\\x1b@example.org");
	*walk = (struct walk){ .policy = &policy,
			       .attempt = attempt,
			       .ledger = &ledger,
			       .verdict = VERDICT_REJECT,
			       .by = &rule,
			       .is_scored = true,
			       .score = 9.35 };
}

static void test_line(void **state)
{
	struct attempt attempt;
	struct walk walk;
	struct decision decision = { .walk = &walk, .answer = SPAN("550 no"), .took_us = 38112 };
	TEXT(line, LOG_LINE_BYTES_MAX);

	(void)state;
	decide(&attempt, &walk);
	text_add_decision(&line, &decision);
	check_span(text_span(&line),
		   SPAN("id=K7Q2-9F3D action=reject reason=\"weighd.conf:31\" score=9.35 "
			"client_name=\"\" client_address=\"192.0.2.1\" helo_name=\"\" "
			"sender=\"a\\x0a\\x22\\xff\\x5c\\x1b@example.org\" recipient=\"\" "
			"protocol_state=\"\" queue_id=\"\" instance=\"\" sasl_username=\"\" "
			"mode=enforce policy=\"inbound\" points=\"\" unknown=\"\" "
			"reply=\"550 no\" took=38.112ms"),
		   "line");
}

static void test_end_of_policy(void **state)
{
	struct attempt attempt;
	struct walk walk;
	struct decision decision = { .walk = &walk, .answer = SPAN("DUNNO"), .is_overdue = true };
	TEXT(line, LOG_LINE_BYTES_MAX);

	(void)state;
	decide(&attempt, &walk);
	walk.by = NULL;
	walk.is_scored = false;
	policy.observe = true;
	text_add_decision(&line, &decision);
	policy.observe = false;
	assert_true(
		span_has(text_span(&line), SPAN("reason=\"end of policy, deadline\" score=- ")));
	assert_true(span_has(text_span(&line), SPAN(" mode=observe ")));
}

/* What was counted stands in the line, and what the store did not answer. */
static void test_counted(void **state)
{
	static const struct limit limit = { .name = SPAN_INIT("user") };
	static const struct statement statement = { .kind = STATEMENT_LIMIT, .limit = &limit };
	struct limited limited = { .is_reached = true,
				   .is_over = true,
				   .used = 101,
				   .most = 100,
				   .period_ms = 3600000,
				   .key = SPAN("an\"na") };
	struct fact failed = { .kind = FACT_TALLY, .state = FACT_FAILED, .cause = CAUSE_DOWN };
	struct attempt attempt;
	struct walk walk;
	struct decision decision = { .walk = &walk, .answer = SPAN("DUNNO") };
	TEXT(line, LOG_LINE_BYTES_MAX);

	(void)state;
	decide(&attempt, &walk);
	walk.limited = &limited;
	walk.greylisted = (struct greylisted){ .statement = &statement,
					       .outcome = TRIPLET_EARLY,
					       .wait_s = 42,
					       .key = SPAN("192.0.2.0/24 a b") };
	policy.limit[0] = &statement;
	policy.limit_count = 1;
	ledger.fact[0] = &failed;
	ledger.fact_count = 1;
	text_add_decision(&line, &decision);
	policy.limit_count = 0;
	ledger.fact_count = 0;
	check_span(span_from(text_span(&line), span_find_span(text_span(&line), SPAN(" unknown="))),
		   SPAN(" unknown=\"store\" greylist=early wait=42s key=\"192.0.2.0/24 a b\" "
			"limit=\"user 101/100/1h over\" limit_key=\"an\\x22na\" reply=\"DUNNO\" "
			"took=0ms"),
		   "line");
}

/* A field at its limit is whole, one beyond is cut; the line stays within its own. */
static void test_limits(void **state)
{
	static char long_text[LOG_LINE_BYTES_MAX];
	struct attempt attempt;
	struct walk walk;
	struct decision decision = { .walk = &walk, .answer = SPAN("550 no") };
	TEXT(line, LOG_LINE_BYTES_MAX);

	(void)state;
	memset(long_text, 'x', sizeof(long_text));
	decide(&attempt, &walk);
	attempt.attribute[ATTRIBUTE_sender] = span_of(long_text, LOG_FIELD_BYTES_MAX);
	text_add_decision(&line, &decision);
	assert_true(span_has(text_span(&line), SPAN("x\" recipient")));
	text_clear(&line);
	attempt.attribute[ATTRIBUTE_sender] = span_of(long_text, LOG_FIELD_BYTES_MAX + 1);
	text_add_decision(&line, &decision);
	assert_true(span_has(text_span(&line), SPAN("x...\" recipient")));
	text_clear(&line);
	for (int i = 0; i < ATTRIBUTE_COUNT; i++)
		attempt.attribute[i] = span_of(long_text, sizeof(long_text));
	text_add_decision(&line, &decision);
	assert_false(line.overrun);
	/* Whole fields only. */
	assert_int_equal(line.at[line.len - 1], 's');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_end_of_policy),
		cmocka_unit_test(test_counted),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("effects/decision", tests, NULL, NULL);
}
