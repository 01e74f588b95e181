/* ask_all.h -- a policy that asks for every fact of a case and gives points for each answer. */
#pragma once
#include "weigh/case.h"

enum { ASK_ANSWERED, ASK_ABSENT, ASK_BROKEN };

static inline void ask_all_weigh(const struct attempt *attempt, const struct arguments *arguments,
				 struct ledger *ledger, struct findings *found)
{
	const struct case_line *line = arguments->parameters;

	(void)attempt;
	for (uint32_t i = 0; i < line->fact_count; i++) {
		const struct fact *fact = fact_ask(ledger, line->fact[i].kind, line->fact[i].key);

		switch (fact->state) {
		case FACT_PENDING: found->pending = true; break;
		case FACT_KNOWN: found->times[ASK_ANSWERED] = 1; break;
		case FACT_NONE: found->times[ASK_ABSENT] = 1; break;
		case FACT_FAILED: found_unknown(found, ASK_ANSWERED); break;
		}
	}
}

static const struct check ask_all_check = {
	.name = "ask_all",
	.finding = { [ASK_ANSWERED] = "answered", [ASK_ABSENT] = "absent" },
	.weigh = ask_all_weigh,
};

struct ask_all {
	struct statement statement;
	struct policy policy;
	struct ledger ledger;
	struct walk walk;
};

/** Weigh the case by its own facts; all of it lives as long as ask and arena. */
static inline void ask_all_run(struct ask_all *ask, struct case_line *line, struct arena *arena)
{
	struct recall recall = { case_recall, case_release, line };

	*ask = (struct ask_all){ 0 };
	ask->statement = (struct statement){
		.kind = STATEMENT_WEIGH,
		.origin = { SPAN_INIT("test.conf"), 7, 1 },
		.check = &ask_all_check,
		.arguments = { .parameters = line },
		.name = SPAN_INIT("all"),
		.points = { [ASK_ANSWERED] = 1.25, [ASK_ABSENT] = -0.1 },
	};
	ask->policy = (struct policy){
		.name = SPAN_INIT("inbound"),
		.statement = &ask->statement,
		.statement_count = 1,
		.weigh_count = 1,
		.weigh = { &ask->statement },
	};
	ledger_init(&ask->ledger, arena, &recall);
	if (walk_init(&ask->walk, &ask->policy, &line->attempt, &ask->ledger) == OK)
		(void)walk_run(&ask->walk);
}
