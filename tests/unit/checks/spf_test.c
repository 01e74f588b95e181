/* spf_test.c -- what the cases of tests/case/spf do not show: rounds, order, what is asked. */
#include "world.h"

#include "checks/spf_host.h"

#include <stdio.h>

extern const struct check check_spf;

enum { ROUNDS = 20 };

struct spf_run {
	struct world world;
	unsigned rounds;
	unsigned asked[ROUNDS]; /* in each round */
};

static bool recall_nothing(void *self, struct fact *fact)
{
	(void)self;
	(void)fact;
	return false;
}

/* Evaluate with answers that come in rounds. */
static struct spf_answer run(struct spf_run *run, const struct told *told, const char *domain)
{
	const struct recall recall = { .recall = recall_nothing };
	struct spf_question question = { .domain = span_cstr(domain),
					 .local = SPAN("a"),
					 .helo = SPAN("mx.d.test"),
					 .void_lookups_max = SPF_VOID_LOOKUPS_MAX };
	struct world *world = &run->world;
	struct spf_answer answer;

	*run = (struct spf_run){ .world = { .told = told } };
	assert_int_equal(ip_parse(SPAN("192.0.2.1"), &question.client), OK);
	arena_init(&world->arena, 4 * 1024 * 1024);
	ledger_init(&world->ledger, &world->arena, &recall);
	for (spf_check_host(&question, &world->ledger, &answer); answer.result == SPF_PENDING;
	     spf_check_host(&question, &world->ledger, &answer)) {
		struct fact *fact;

		assert_true(run->rounds < ROUNDS);
		while ((fact = ledger_next_ordered(&world->ledger)) != NULL) {
			run->asked[run->rounds]++;
			(void)world_recall(world, fact);
			ledger_answered(&world->ledger, fact);
		}
		assert_true(run->asked[run->rounds] > 0);
		run->rounds++;
	}
	return answer;
}

static void release(struct spf_run *run)
{
	arena_release(&run->world.arena);
}

static void questions_go_out_together(void **state)
{
	static const struct told told[] = {
		{ FACT_DNS_TXT, "d.test",
		  "v=spf1 include:b.test a mx exists:x.test redirect=r.test" },
		{ FACT_DNS_TXT, "b.test", "v=spf1 include:c.test -all" },
		{ FACT_DNS_TXT, "c.test", "v=spf1 ip4:198.51.100.1 -all" },
		{ FACT_DNS_A, "d.test", "198.51.100.2" },
		{ FACT_DNS_A, "m.test", "198.51.100.2" },
		{ FACT_DNS_MX, "d.test", "10 m.test" },
		{ FACT_DNS_TXT, "r.test", "v=spf1 -all" },
		{ 0 },
	};
	struct spf_run it;
	struct spf_answer answer;

	(void)state;
	answer = run(&it, told, "d.test");
	assert_int_equal(answer.result, SPF_FAIL);
	check_span(answer.domain, SPAN("r.test"), "domain");
	/* the record; all that it names; what that names */
	assert_int_equal(it.rounds, 3);
	assert_int_equal(it.asked[0], 1);
	assert_int_equal(it.asked[1], 5);
	assert_int_equal(it.asked[2], 2);
	release(&it);
}

static void a_chain_takes_its_depth(void **state)
{
	static const struct told told[] = {
		{ FACT_DNS_TXT, "d.test", "v=spf1 include:b.test -all" },
		{ FACT_DNS_TXT, "b.test", "v=spf1 include:c.test -all" },
		{ FACT_DNS_TXT, "c.test", "v=spf1 include:e.test -all" },
		{ FACT_DNS_TXT, "e.test", "v=spf1 ip4:192.0.2.1 -all" },
		{ 0 },
	};
	struct spf_run it;

	(void)state;
	assert_int_equal(run(&it, told, "d.test").result, SPF_PASS);
	assert_int_equal(it.rounds, 4);
	release(&it);
}

/* Each record has an include and nine mx; all that is asked ahead is in vain. */
static void what_is_asked_ahead_is_bounded(void **state)
{
	enum { DEPTH = 12, WIDTH = 9, HOSTS = 10, TEXTS = 1024 };
	static char text[DEPTH * (WIDTH + 2)][TEXTS];
	struct told told[DEPTH * (WIDTH + 1) + 1] = { 0 };
	size_t count = 0, texts = 0;
	struct spf_run it;

	(void)state;
	for (int i = 0; i < DEPTH; i++) {
		char *name = text[texts++], *record = text[texts++];
		int len = snprintf(record, TEXTS, "v=spf1 include:c%d.test", i + 1);

		snprintf(name, TEXTS, "c%d.test", i);
		for (int j = 0; i % 2 == 0 && j < WIDTH; j++) {
			char *mx = text[texts++];

			len += snprintf(record + len, TEXTS - (size_t)len, " mx:m%d.c%d.test", j,
					i);
			snprintf(mx, TEXTS, "m%d.c%d.test", j, i);
			told[count++] = (struct told){
				FACT_DNS_MX,
				mx,
				"1 a|1 b|1 c|1 d|1 e|1 f|1 g|1 h|1 i|1 j",
			};
		}
		told[count++] = (struct told){ FACT_DNS_TXT, name, record };
	}
	assert_int_equal(run(&it, told, "c0.test").result, SPF_PERMERROR);
	assert_true(it.rounds <= SPF_ROUNDS_MAX);
	assert_true(it.world.ledger.question_count <= 1 + SPF_LOOKUPS_MAX + SPF_AHEAD_MAX);
	release(&it);
}

static void the_order_of_evaluation_counts(void **state)
{
	/* The match stands before a failure that is known earlier. */
	static const struct told told[] = {
		{ FACT_DNS_TXT, "d.test", "v=spf1 include:b.test a:f.test -all" },
		{ FACT_DNS_TXT, "b.test", "v=spf1 include:c.test" },
		{ FACT_DNS_TXT, "c.test", "v=spf1 ip4:192.0.2.1" },
		{ FACT_DNS_A, "f.test", "!" },
		{ 0 },
	};
	struct spf_run it;
	struct spf_answer answer;

	(void)state;
	answer = run(&it, told, "d.test");
	assert_int_equal(answer.result, SPF_PASS);
	check_span(answer.mechanism, SPAN("include:b.test"), "mechanism");
	check_span(answer.problem, SPAN(""), "problem");
	release(&it);
}

static void the_deadline_is_a_temperror(void **state)
{
	static const struct told told[] = {
		{ FACT_DNS_TXT, "d.test", "v=spf1 a:f.test -all" },
		{ FACT_DNS_A, "f.test", "?" },
		{ 0 },
	};
	struct world world = { .told = told };
	struct arguments arguments = { .subjects = SUBJECT_SENDER,
				       .parameters = check_spf.parameter_defaults };

	(void)state;
	world.attempt.attribute[ATTRIBUTE_sender] = SPAN("a@d.test");
	world_weigh(&world, &check_spf, &arguments, "192.0.2.1");
	assert_true(world.found.pending);
	ledger_close(&world.ledger);
	world.found = (struct findings){ 0 };
	check_spf.weigh(&world.attempt, &arguments, &world.ledger, &world.found);
	assert_false(world.found.pending);
	assert_int_equal(world.found.times[SPF_TEMPERROR], 1);
	for (unsigned i = SPF_PASS; i <= SPF_NONE; i++)
		assert_int_equal(world.found.unknown >> i & 1, 1);
	assert_int_equal(world.found.unknown >> SPF_PERMERROR, 0);
	world_end(&world);
}

static void senders_are_taken_apart(void **state)
{
	static const struct {
		const char *sender, *local, *domain;
	} cases[] = {
		{ "a@d.test", "a", "d.test" }, { "", "", "helo.test" }, { "@d.test", "", "d.test" },
		{ "d.test", "", "d.test" },    { "a@b@c", "a@b", "c" }, { "a@", "a", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct spf_question question = { .helo = SPAN("helo.test") };

		spf_set_sender(&question, span_cstr(cases[i].sender));
		check_span(question.local, span_cstr(cases[i].local), cases[i].sender);
		check_span(question.domain, span_cstr(cases[i].domain), cases[i].sender);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_go_out_together),
		cmocka_unit_test(a_chain_takes_its_depth),
		cmocka_unit_test(what_is_asked_ahead_is_bounded),
		cmocka_unit_test(the_order_of_evaluation_counts),
		cmocka_unit_test(the_deadline_is_a_temperror),
		cmocka_unit_test(senders_are_taken_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
