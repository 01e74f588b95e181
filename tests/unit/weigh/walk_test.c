/* walk_test.c -- the first verdict wins, whatever comes late. */
#include "weigh/walk.h"

#include "weigh/answer.h"

#include "../unit.h"

/* A check of one question: "listed" when there is a record. */
static void ask_weigh(const struct attempt *attempt, const struct arguments *arguments,
		      struct ledger *ledger, struct findings *found)
{
	const struct fact *fact =
		fact_ask(ledger, FACT_DNS_A, attempt->attribute[ATTRIBUTE_helo_name]);

	(void)arguments;
	switch (fact->state) {
	case FACT_PENDING: found->pending = true; break;
	case FACT_KNOWN: found->times[0] = 1; break;
	case FACT_NONE: break;
	case FACT_FAILED: found_unknown(found, 0); break;
	}
}

/* A check that decides itself. */
static void own_weigh(const struct attempt *attempt, const struct arguments *arguments,
		      struct ledger *ledger, struct findings *found)
{
	(void)attempt;
	(void)ledger;
	found->own = arguments->parameters;
}

static const struct check ask_check = { .name = "ask",
					.finding = { "listed" },
					.weigh = ask_weigh };
static const struct check own_check = { .name = "own", .weigh = own_weigh };

struct world {
	struct arena arena;
	struct ledger ledger;
	struct attempt attempt;
	struct policy policy;
	struct walk walk;
	struct statement statement[8];
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
	world.attempt.attribute[ATTRIBUTE_helo_name] = SPAN("helo.example");
	world.attempt.id = SPAN("K7Q2-9F3D");
	world.policy.statement = world.statement;
	*state = &world;
	return 0;
}

static int end(void **state)
{
	struct world *world = *state;

	arena_release(&world->arena);
	return 0;
}

static struct statement *add(struct world *world, enum statement_kind kind)
{
	struct statement *statement = &world->statement[world->policy.statement_count++];

	statement->kind = kind;
	return statement;
}

static struct statement *add_weigh(struct world *world, const struct check *check, double points)
{
	struct statement *statement = add(world, STATEMENT_WEIGH);

	statement->check = check;
	statement->name = span_cstr(check->name);
	statement->ordinal = world->policy.weigh_count;
	statement->points[0] = points;
	world->policy.weigh[world->policy.weigh_count++] = statement;
	return statement;
}

static const struct expr the_score = { .kind = EXPR_SCORE, .type = TYPE_NUMBER };
static const struct expr five = { .kind = EXPR_CONSTANT,
				  .type = TYPE_NUMBER,
				  .constant.number = 5 };
static const struct expr score_is_five = {
	.kind = EXPR_GREATER_EQUAL, .type = TYPE_TRUTH, .left = &the_score, .right = &five
};

static void begin_walk(struct world *world)
{
	assert_int_equal(walk_init(&world->walk, &world->policy, &world->attempt, &world->ledger),
			 OK);
}

static void answer(struct world *world, enum fact_state fact_state)
{
	struct fact *fact = ledger_next_ordered(&world->ledger);

	assert_non_null(fact);
	fact->state = fact_state;
	fact->cause = fact_state == FACT_FAILED ? CAUSE_SERVFAIL : CAUSE_NONE;
	ledger_answered(&world->ledger, fact);
}

static void check_answer(struct world *world, struct span want)
{
	TEXT(text, ANSWER_MAX);

	answer_of_walk(&world->walk, &text);
	check_span(text_span(&text), want, "answer");
}

static void an_empty_policy_passes(void **state)
{
	struct world *world = *state;

	begin_walk(world);
	assert_true(walk_run(&world->walk));
	assert_int_equal(world->walk.verdict, VERDICT_PASS);
	assert_false(world->walk.is_scored);
	check_answer(world, SPAN("DUNNO"));
}

static void waits_then_weighs(void **state)
{
	struct world *world = *state;
	struct weight weight[4];
	struct statement *reject;

	add_weigh(world, &ask_check, 5.5);
	reject = add(world, STATEMENT_VERDICT);
	reject->verdict = VERDICT_REJECT;
	reject->condition = &score_is_five;
	begin_walk(world);
	assert_false(walk_run(&world->walk));
	answer(world, FACT_KNOWN);
	assert_true(walk_run(&world->walk));
	assert_int_equal(world->walk.verdict, VERDICT_REJECT);
	assert_ptr_equal(world->walk.by, reject);
	assert_true(world->walk.score == 5.5);
	assert_int_equal(walk_points(&world->walk, weight, COUNT(weight)), 1);
	check_span(weight[0].name, SPAN("ask.listed"), "point");
	check_answer(world, SPAN("550 5.7.1 refused by policy, number K7Q2-9F3D"));
}

static void a_failure_gives_no_points_and_is_named(void **state)
{
	struct world *world = *state;

	add_weigh(world, &ask_check, 5.5);
	begin_walk(world);
	assert_false(walk_run(&world->walk));
	answer(world, FACT_FAILED);
	assert_true(walk_run(&world->walk));
	assert_true(world->walk.score == 0);
	assert_true(walk_is_unknown(&world->walk, 0));
}

static void the_deadline_settles(void **state)
{
	struct world *world = *state;

	add_weigh(world, &ask_check, 5.5);
	begin_walk(world);
	assert_false(walk_run(&world->walk));
	ledger_close(&world->ledger);
	assert_true(walk_run(&world->walk));
	assert_true(walk_is_unknown(&world->walk, 0));
	assert_int_equal(world->walk.verdict, VERDICT_PASS);
}

/* A verdict below an undecided statement does not act, and what stands behind it is not asked. */
static void does_not_act_while_undecided(void **state)
{
	struct world *world = *state;
	struct statement *reject, *pass;

	add_weigh(world, &ask_check, 5.5);
	reject = add(world, STATEMENT_VERDICT);
	reject->verdict = VERDICT_REJECT;
	reject->condition = &score_is_five;
	pass = add(world, STATEMENT_VERDICT);
	pass->verdict = VERDICT_PASS;
	add_weigh(world, &ask_check, 1);
	begin_walk(world);
	assert_false(walk_run(&world->walk));
	assert_true(world->walk.is_skipped[1]);
	answer(world, FACT_NONE);
	assert_true(walk_run(&world->walk));
	assert_ptr_equal(world->walk.by, pass);
}

static void an_observed_verdict_does_not_act(void **state)
{
	struct world *world = *state;
	struct statement *reject = add(world, STATEMENT_VERDICT);

	reject->verdict = VERDICT_REJECT;
	reject->observe = true;
	begin_walk(world);
	assert_true(walk_run(&world->walk));
	assert_int_equal(world->walk.verdict, VERDICT_PASS);
	assert_ptr_equal(world->walk.observed, reject);
}

static void mode_observe_passes_but_says_what_it_would(void **state)
{
	struct world *world = *state;
	const struct template_piece piece = { .literal = SPAN_INIT("X-Weighd: yes") };
	struct statement *prepend = add(world, STATEMENT_PREPEND);
	TEXT(text, ANSWER_MAX);

	prepend->text = (struct template){ .piece = &piece, .piece_count = 1 };
	add(world, STATEMENT_VERDICT)->verdict = VERDICT_REJECT;
	world->policy.observe = true;
	begin_walk(world);
	assert_true(walk_run(&world->walk));
	check_answer(world, SPAN("550 5.7.1 refused by policy, number K7Q2-9F3D"));
	assert_true(answer_to_mta(&world->walk, 0, &text));
	check_span(text_span(&text), SPAN("PREPEND X-Weighd: yes"), "to the MTA");
}

static void check_to_mta(struct world *world, unsigned headers_given, struct span want,
			 bool want_header)
{
	TEXT(text, ANSWER_MAX);

	assert_int_equal(answer_to_mta(&world->walk, headers_given, &text), want_header);
	check_span(text_span(&text), want, "to the MTA");
}

static void headers_go_out_one_by_one(void **state)
{
	struct world *world = *state;
	static const struct template_piece pieces[] = {
		{ .literal = SPAN_INIT("X-First: 1") },
		{ .literal = SPAN_INIT("") }, /* nothing to tell: no header */
		{ .literal = SPAN_INIT("X-Second: 2") },
	};

	for (size_t i = 0; i < COUNT(pieces); i++)
		add(world, STATEMENT_PREPEND)->text =
			(struct template){ .piece = &pieces[i], .piece_count = 1 };
	begin_walk(world);
	assert_true(walk_run(&world->walk));
	assert_int_equal(world->walk.prepend_count, 2);
	check_answer(world, SPAN("PREPEND X-First: 1"));
	check_to_mta(world, 0, SPAN("PREPEND X-First: 1"), true);
	check_to_mta(world, 1, SPAN("PREPEND X-Second: 2"), true);
	check_to_mta(world, 2, SPAN("DUNNO"), false);
	check_to_mta(world, 255, SPAN("DUNNO"), false);
}

static void a_refusal_is_said_each_time(void **state)
{
	struct world *world = *state;
	static const struct template_piece piece = { .literal = SPAN_INIT("X-First: 1") };
	const struct span refusal = SPAN("550 5.7.1 refused by policy, number K7Q2-9F3D");

	add(world, STATEMENT_PREPEND)->text =
		(struct template){ .piece = &piece, .piece_count = 1 };
	add(world, STATEMENT_VERDICT)->verdict = VERDICT_REJECT;
	begin_walk(world);
	assert_true(walk_run(&world->walk));
	check_to_mta(world, 0, refusal, false);
	check_to_mta(world, 1, refusal, false);
	world->policy.observe = true;
	check_to_mta(world, 0, SPAN("PREPEND X-First: 1"), true);
	check_to_mta(world, 1, SPAN("DUNNO"), false);
}

static void a_check_may_decide_itself(void **state)
{
	struct world *world = *state;
	static const struct weight weight[] = { { SPAN_INIT("IN_LIST"), 3.25 } };
	static const struct judgement final = {
		.weight = weight,
		.weight_count = 1,
		.is_scored = true,
		.score = 3.25,
		.is_final = true,
		.verdict = VERDICT_DEFER,
		.reply = SPAN_INIT("450 later"),
	};

	add_weigh(world, &own_check, 0)->arguments.parameters = &final;
	add(world, STATEMENT_VERDICT)->verdict = VERDICT_REJECT;
	begin_walk(world);
	assert_true(walk_run(&world->walk));
	assert_int_equal(world->walk.verdict, VERDICT_DEFER);
	assert_true(world->walk.score == 3.25);
	check_answer(world, SPAN("450 later"));
}

static void a_check_s_own_pass_goes_on(void **state)
{
	struct world *world = *state;
	static const struct judgement pass = {
		.verdict = VERDICT_PASS,
		.reply = SPAN_INIT("PREPEND X-policyd-weight: good"),
	};

	add_weigh(world, &own_check, 0)->arguments.parameters = &pass;
	begin_walk(world);
	assert_true(walk_run(&world->walk));
	check_answer(world, SPAN("PREPEND X-policyd-weight: good"));
	add(world, STATEMENT_VERDICT)->verdict = VERDICT_REJECT;
	begin_walk(world);
	assert_true(walk_run(&world->walk));
	assert_int_equal(world->walk.verdict, VERDICT_REJECT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_empty_policy_passes, begin, end),
		cmocka_unit_test_setup_teardown(waits_then_weighs, begin, end),
		cmocka_unit_test_setup_teardown(a_failure_gives_no_points_and_is_named, begin, end),
		cmocka_unit_test_setup_teardown(the_deadline_settles, begin, end),
		cmocka_unit_test_setup_teardown(does_not_act_while_undecided, begin, end),
		cmocka_unit_test_setup_teardown(an_observed_verdict_does_not_act, begin, end),
		cmocka_unit_test_setup_teardown(headers_go_out_one_by_one, begin, end),
		cmocka_unit_test_setup_teardown(a_refusal_is_said_each_time, begin, end),
		cmocka_unit_test_setup_teardown(mode_observe_passes_but_says_what_it_would, begin,
						end),
		cmocka_unit_test_setup_teardown(a_check_may_decide_itself, begin, end),
		cmocka_unit_test_setup_teardown(a_check_s_own_pass_goes_on, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
