/* expr_test.c -- three-valued truth, and a fourth value while a walk waits. */
#include "weigh/expr.h"

#include "base/regex.h"
#include "weigh/walk.h"

#include "../unit.h"

enum { F, T, U, P }; /* false, true, unknown, pending */

static struct expr constant(int truth)
{
	struct expr expr = { .kind = EXPR_CONSTANT, .type = TYPE_TRUTH };

	expr.constant.state = truth == U ? VALUE_UNKNOWN : truth == P ? VALUE_PENDING : VALUE_KNOWN;
	expr.constant.truth = truth == T;
	return expr;
}

static int truth_of(struct value value)
{
	switch (value.state) {
	case VALUE_KNOWN: return value.truth ? T : F;
	case VALUE_UNKNOWN: return U;
	case VALUE_PENDING: return P;
	case VALUE_NONE: break;
	}
	fail();
	return -1;
}

static int combined(enum expr_kind kind, int left, int right)
{
	const struct walk walk = { 0 };
	struct expr a = constant(left), b = constant(right);
	struct expr whole = { .kind = kind, .type = TYPE_TRUTH, .left = &a, .right = &b };

	return truth_of(expr_evaluate(&whole, &walk));
}

static void truth_tables(void **state)
{
	static const struct {
		int left, right, or, and;
	} cases[] = {
		{ F, F, F, F }, { F, T, T, F }, { F, U, U, F }, { F, P, P, F },
		{ T, F, T, F }, { T, T, T, T }, { T, U, T, U }, { T, P, T, P },
		{ U, F, U, F }, { U, T, T, U }, { U, U, U, U }, { U, P, P, P },
		{ P, F, P, F }, { P, T, T, P }, { P, U, P, P }, { P, P, P, P },
	};
	static const int not [] = { [F] = T, [T] = F, [U] = U, [P] = P };
	static const int unknown[] = { [F] = F, [T] = F, [U] = T, [P] = P };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(combined(EXPR_OR, cases[i].left, cases[i].right), cases[i].or);
		assert_int_equal(combined(EXPR_AND, cases[i].left, cases[i].right), cases[i].and);
	}
	for (int v = F; v <= P; v++) {
		assert_int_equal(combined(EXPR_NOT, v, F), not [v]);
		assert_int_equal(combined(EXPR_UNKNOWN, v, F), unknown[v]);
	}
}

static struct value calculated(enum expr_kind kind, double left, double right)
{
	const struct walk walk = { 0 };
	struct expr a = { .kind = EXPR_CONSTANT, .type = TYPE_NUMBER };
	struct expr b = a;
	struct expr whole = { .kind = kind, .left = &a, .right = &b };

	a.constant.number = left;
	b.constant.number = right;
	return expr_evaluate(&whole, &walk);
}

static void calculates_and_compares(void **state)
{
	(void)state;
	assert_true(calculated(EXPR_ADD, 1, 2).number == 3);
	assert_true(calculated(EXPR_SUBTRACT, 1, 2).number == -1);
	assert_true(calculated(EXPR_MULTIPLY, 3, 2).number == 6);
	assert_true(calculated(EXPR_DIVIDE, 3, 2).number == 1.5);
	assert_int_equal(calculated(EXPR_DIVIDE, 3, 0).state, VALUE_UNKNOWN);
	assert_true(calculated(EXPR_NEGATE, 3, 0).number == -3);
	assert_true(calculated(EXPR_LESS, 1, 2).truth);
	assert_false(calculated(EXPR_LESS, 2, 2).truth);
	assert_true(calculated(EXPR_LESS_EQUAL, 2, 2).truth);
	assert_true(calculated(EXPR_GREATER_EQUAL, 2, 2).truth);
	assert_false(calculated(EXPR_GREATER, 2, 2).truth);
	assert_true(calculated(EXPR_EQUAL, 2, 2).truth);
	assert_true(calculated(EXPR_UNEQUAL, 2, 3).truth);
}

/* Whoever picks the subject must not decide by a pattern that gives up: not matches, too. */
static void an_endless_pattern_is_unknown(void **state)
{
	const struct walk walk = { 0 };
	struct expr subject = { .kind = EXPR_CONSTANT, .type = TYPE_TEXT };
	struct expr matches = { .kind = EXPR_MATCHES, .type = TYPE_TRUTH, .left = &subject };
	struct expr not_matches = { .kind = EXPR_NOT, .type = TYPE_TRUTH, .left = &matches };
	struct regex_fault fault;
	struct regex *regex = NULL;

	(void)state;
	assert_int_equal(regex_compile(SPAN("^(a+)+$|b$"), false, &regex, &fault), OK);
	matches.regex = regex;
	subject.constant.text = SPAN("aab");
	assert_int_equal(truth_of(expr_evaluate(&matches, &walk)), T);
	assert_int_equal(truth_of(expr_evaluate(&not_matches, &walk)), F);
	subject.constant.text = SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
	assert_int_equal(truth_of(expr_evaluate(&matches, &walk)), U);
	assert_int_equal(truth_of(expr_evaluate(&not_matches, &walk)), U);
	regex_free(regex);
}

struct world {
	struct arena arena;
	struct ledger ledger;
	struct attempt attempt;
	struct policy policy;
	struct walk walk;
	char room[ATTEMPT_CLIENT_TEXT_MAX + 1];
};

static bool knows_nothing(void *self, struct fact *fact)
{
	(void)self;
	(void)fact;
	return false;
}

static int begin(void **state)
{
	static struct world world;
	const struct recall recall = { .recall = knows_nothing };

	world = (struct world){ 0 };
	arena_init(&world.arena, 1024 * 1024);
	ledger_init(&world.ledger, &world.arena, &recall);
	world.attempt.attribute[ATTRIBUTE_sender] = SPAN("Anna@Example.org");
	world.attempt.attribute[ATTRIBUTE_client_address] = SPAN("192.0.2.77");
	world.attempt.attribute[ATTRIBUTE_client_name] = SPAN("mx.example.org");
	world.attempt.attribute[ATTRIBUTE_size] = SPAN("4711");
	world.attempt.attribute[ATTRIBUTE_recipient_count] = SPAN("many");
	attempt_normalise(&world.attempt, world.room);
	world.walk = (struct walk){
		.policy = &world.policy,
		.attempt = &world.attempt,
		.ledger = &world.ledger,
	};
	*state = &world;
	return 0;
}

static int end(void **state)
{
	struct world *world = *state;

	arena_release(&world->arena);
	return 0;
}

static struct value of_attribute(struct world *world, enum expr_kind kind, enum attribute attribute)
{
	const struct expr expr = { .kind = kind, .type = TYPE_TEXT, .attribute = attribute };

	return expr_evaluate(&expr, &world->walk);
}

static void reads_attributes(void **state)
{
	struct world *world = *state;

	check_span(of_attribute(world, EXPR_ATTRIBUTE, ATTRIBUTE_sender).text,
		   SPAN("Anna@Example.org"), "sender");
	check_span(of_attribute(world, EXPR_LOCAL, ATTRIBUTE_sender).text, SPAN("Anna"), "local");
	check_span(of_attribute(world, EXPR_DOMAIN, ATTRIBUTE_sender).text, SPAN("Example.org"),
		   "domain");
	check_span(of_attribute(world, EXPR_DOMAIN, ATTRIBUTE_client_name).text,
		   SPAN("example.org"), "domain of a host");
	check_span(of_attribute(world, EXPR_CLIENT_NETWORK, ATTRIBUTE_request).text,
		   SPAN("192.0.2.0/24"), "network");
	assert_true(of_attribute(world, EXPR_NUMBER_OF, ATTRIBUTE_size).number == 4711);
	assert_int_equal(of_attribute(world, EXPR_NUMBER_OF, ATTRIBUTE_recipient_count).state,
			 VALUE_UNKNOWN);
	assert_int_equal(of_attribute(world, EXPR_NUMBER_OF, ATTRIBUTE_server_port).state,
			 VALUE_NONE);
}

static void looks_up(void **state)
{
	struct world *world = *state;
	struct table_row row[] = {
		{ .key = SPAN_INIT("anna@example.org"), .value = SPAN_INIT("7") },
	};
	struct table table = { .row = row, .row_count = 1 };
	const struct expr sender = { .kind = EXPR_ATTRIBUTE,
				     .type = TYPE_TEXT,
				     .attribute = ATTRIBUTE_sender };
	const struct expr helo = { .kind = EXPR_ATTRIBUTE,
				   .type = TYPE_TEXT,
				   .attribute = ATTRIBUTE_helo_name };
	const struct expr zero = { .kind = EXPR_CONSTANT,
				   .type = TYPE_TEXT,
				   .constant.text = SPAN_INIT("0") };
	struct expr in = { .kind = EXPR_IN_TABLE, .left = &sender, .table = &table };
	struct expr lookup = { .kind = EXPR_LOOKUP, .left = &sender, .table = &table };
	struct expr otherwise = { .kind = EXPR_COALESCE, .left = &lookup, .right = &zero };

	assert_int_equal(table_index(&table, &world->arena), OK);
	assert_true(expr_evaluate(&in, &world->walk).truth);
	check_span(expr_evaluate(&otherwise, &world->walk).text, SPAN("7"), "there");
	in.left = lookup.left = &helo;
	assert_false(expr_evaluate(&in, &world->walk).truth);
	assert_int_equal(expr_evaluate(&lookup, &world->walk).state, VALUE_NONE);
	check_span(expr_evaluate(&otherwise, &world->walk).text, SPAN("0"), "not there");
}

static void becomes_text_and_truth(void **state)
{
	struct world *world = *state;
	struct expr value = { .kind = EXPR_CONSTANT, .type = TYPE_NUMBER };
	const struct expr text = { .kind = EXPR_TEXT_OF, .left = &value };
	const struct expr truth = { .kind = EXPR_TRUTH_OF, .left = &value };

	value.constant.number = 5.85;
	check_span(expr_evaluate(&text, &world->walk).text, SPAN("5.85"), "number");
	assert_true(expr_evaluate(&truth, &world->walk).truth);
	value.constant.number = 0;
	assert_false(expr_evaluate(&truth, &world->walk).truth);
	value.type = TYPE_ADDRESS;
	value.constant.address = world->attempt.client;
	check_span(expr_evaluate(&text, &world->walk).text, SPAN("192.0.2.77"), "address");
	assert_true(expr_evaluate(&truth, &world->walk).truth);
	value.constant.state = VALUE_UNKNOWN;
	check_span(expr_evaluate(&text, &world->walk).text, SPAN("unknown"), "unknown");
	assert_int_equal(expr_evaluate(&truth, &world->walk).state, VALUE_UNKNOWN);
	value.constant.state = VALUE_NONE;
	assert_false(expr_evaluate(&truth, &world->walk).truth);
}

/* How much of the weight is unknown: four statements, of which each test settles some. */
static void shares(void **state)
{
	enum { ONE, TWO, WEIGHTLESS, OWN, COUNT_OF_WEIGHS };
	static const struct check check = { .name = "c", .finding = { "x", "y", "z" } };
	static const struct judgement sure = { 0 }, unsure = { .unknown_count = 2 };
	static const struct {
		const char *name;
		uint32_t unknown[3];
		const struct judgement *own; /* NULL: the fourth is skipped */
		unsigned skipped;            /* bits */
		double want;
	} cases[] = {
		{ "nothing was weighed", { 1, 1, 1 }, NULL, 7, 0 },
		{ "all is known", { 0, 0, 0 }, NULL, 0, 0 },
		{ "the heaviest", { 1, 0, 0 }, NULL, 0, 0.75 },
		{ "a lighter one", { 2, 0, 0 }, NULL, 0, 0.25 },
		{ "two of one statement", { 3, 0, 0 }, NULL, 0, 0.75 },
		{ "what speaks for the sender weighs nothing", { 4, 0, 0 }, NULL, 0, 0 },
		{ "all", { 7, 7, 7 }, NULL, 0, 1 },
		{ "a statement without points", { 0, 0, 7 }, NULL, 0, 0 },
		{ "a skipped one does not count", { 1, 0, 0 }, NULL, 1 << TWO, 1 },
		{ "skipped, though unknown", { 1, 0, 0 }, NULL, 1 << ONE, 0 },
		{ "only what has no points", { 0, 0, 7 }, NULL, 3, 0 },
		{ "a judgement is one", { 1, 0, 0 }, &sure, 0, 0.6 },
		{ "a judgement with something unknown", { 1, 0, 0 }, &unsure, 0, 0.8 },
		{ "a judgement alone", { 0, 0, 0 }, &unsure, 7, 1 },
	};
	const struct expr share = { .kind = EXPR_UNKNOWN_SHARE, .type = TYPE_NUMBER };
	const struct statement weigh[COUNT_OF_WEIGHS] = {
		{ .check = &check, .points = { 3, 1, -9 } },
		{ .check = &check, .points = { 0.5, 1, -9 } },
		{ .check = &check, .points = { -2, 0, 0 } },
		{ .check = &check },
	};
	struct world *world = *state;

	world->policy.weigh_count = COUNT_OF_WEIGHS;
	for (size_t i = 0; i < COUNT_OF_WEIGHS; i++)
		world->policy.weigh[i] = &weigh[i];
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct findings findings[COUNT_OF_WEIGHS] = { 0 };
		bool is_weighed[COUNT_OF_WEIGHS], is_skipped[COUNT_OF_WEIGHS];

		for (size_t n = 0; n < COUNT_OF_WEIGHS; n++) {
			is_weighed[n] = true;
			is_skipped[n] = (cases[i].skipped >> n & 1) != 0;
			findings[n].unknown = n == OWN ? 0 : cases[i].unknown[n];
		}
		findings[OWN].own = cases[i].own;
		is_skipped[OWN] = cases[i].own == NULL;
		world->walk.findings = findings;
		world->walk.is_weighed = is_weighed;
		world->walk.is_skipped = is_skipped;
		if (expr_evaluate(&share, &world->walk).number != cases[i].want)
			fail_msg("%s: %g, not %g", cases[i].name,
				 expr_evaluate(&share, &world->walk).number, cases[i].want);
	}
	world->walk.is_pending = true;
	assert_int_equal(expr_evaluate(&share, &world->walk).state, VALUE_PENDING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truth_tables),
		cmocka_unit_test(calculates_and_compares),
		cmocka_unit_test(an_endless_pattern_is_unknown),
		cmocka_unit_test_setup_teardown(reads_attributes, begin, end),
		cmocka_unit_test_setup_teardown(looks_up, begin, end),
		cmocka_unit_test_setup_teardown(becomes_text_and_truth, begin, end),
		cmocka_unit_test_setup_teardown(shares, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
