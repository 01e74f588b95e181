/* trial.c -- one way for the answers of a world to arrive, walked with the real core. */
#include "trial.h"

#include "base/ensure.h"
#include "weigh/answer.h"

#include <stdio.h>

enum {
	TRIAL_BYTES_MAX = 4 * 1024 * 1024,
	RUNS_MAX = 1000, /* an eager schedule runs often; a walk that never ends more often still */
	CACHED_PERCENT = 30,
	EAGER_PERCENT = 20,
};

const char *schedule_name(enum schedule schedule)
{
	switch (schedule) {
	case SCHEDULE_AT_ONCE: return "at once";
	case SCHEDULE_ROUNDS: return "in rounds";
	case SCHEDULE_SHUFFLED: return "shuffled";
	case SCHEDULE_EAGER: return "eager";
	case SCHEDULE_LATE: return "late";
	case SCHEDULE_COUNT: break;
	}
	return "none";
}

static void broken(struct trial *trial, const char *what)
{
	if (trial->broken == NULL)
		trial->broken = what;
}

/* --- the world answers --- */

static bool was_answered(const struct trial *trial, uint64_t hash)
{
	for (size_t i = 0; i < trial->answered_count; i++)
		if (trial->answered[i] == hash)
			return true;
	return false;
}

static void answer(struct trial *trial, struct fact *fact)
{
	uint64_t hash = world_hash(trial->world, fact);

	if (trial->only != NULL && !was_answered(trial->only, hash)) {
		fact->state = FACT_FAILED;
		fact->cause = CAUSE_TIMEOUT;
		return;
	}
	world_answer(trial->world, fact, &trial->arena);
	fact->held = trial;
	trial->held++;
	ENSURE(trial->answered_count < ANSWERS_MAX);
	trial->answered[trial->answered_count++] = hash;
}

static bool recall(void *self, struct fact *fact)
{
	struct trial *trial = self;
	bool is_cached = false;

	switch (trial->schedule) {
	case SCHEDULE_AT_ONCE: is_cached = true; break;
	case SCHEDULE_ROUNDS: break;
	case SCHEDULE_SHUFFLED:
	case SCHEDULE_EAGER:
	case SCHEDULE_LATE:
		/* Like every recall: the same question, the same answer, whenever it is asked. */
		is_cached = world_hash(trial->world, fact) / 1000 % 100 < CACHED_PERCENT;
		break;
	case SCHEDULE_COUNT: ENSURE(false);
	}
	/* Nobody knows beforehand what the store will have counted. */
	is_cached &= !fact_counts(fact) || trial->schedule == SCHEDULE_AT_ONCE;
	if (is_cached)
		answer(trial, fact);
	return is_cached;
}

static void release(void *self, struct fact *fact)
{
	struct trial *trial = self;

	ENSURE(fact->held == self);
	fact->held = NULL;
	trial->held--;
}

static void answer_one(struct trial *trial)
{
	size_t pick = random_below(&trial->random, trial->waiting_count);
	struct fact *fact = trial->waiting[pick];

	trial->waiting[pick] = trial->waiting[--trial->waiting_count];
	answer(trial, fact);
	ledger_answered(&trial->ledger, fact);
}

/* --- what must hold of every run --- */

static uint64_t bit(unsigned ordinal)
{
	return UINT64_C(1) << ordinal;
}

/* What a run asked, the next run of the same statement asks again. */
static void hold_asks(struct trial *trial, const uint64_t *asked, uint64_t weighed_now)
{
	for (size_t i = 0; i < trial->ledger.fact_count; i++) {
		uint64_t again = trial->asked_before[i] & trial->waited_before & weighed_now;

		if ((again & ~asked[i]) != 0)
			broken(trial, "a run does not ask what the run before asked");
		trial->asked_before[i] = asked[i];
	}
}

static void hold_budgets(struct trial *trial)
{
	for (unsigned n = 0; n < trial->world->policy->weigh_count; n++) {
		const struct check *check = trial->world->policy->weigh[n]->check;
		size_t asks = 0;

		for (size_t i = 0; i < trial->ledger.fact_count; i++)
			asks += fact_kind_is_dns(trial->ledger.fact[i]->kind) &&
				(trial->ledger.fact[i]->asked_by & bit(n)) != 0;
		if (asks > check->asks_max)
			broken(trial, "a check asks more than its asks_max");
		if (trial->schedule == SCHEDULE_ROUNDS && trial->rounds[n] > check->rounds_max)
			broken(trial, "a check needs more than its rounds_max");
	}
	if (trial->ledger.overflowed)
		broken(trial, "the ledger overflowed");
}

static void show_order(unsigned run_number, const struct fact *fact)
{
	printf("run %u asks %.*s %.*s\n", run_number, SPAN_ARG(fact_kind_name(fact->kind)),
	       SPAN_ARG(fact->key));
}

/* The store is told to count: once, and when nothing else is undecided. */
static void hold_count(struct trial *trial, const struct fact *fact, uint64_t waits)
{
	uint64_t hash = world_hash(trial->world, fact);

	for (size_t i = 0; i < trial->counted_count; i++)
		if (trial->counted[i] == hash)
			broken(trial, "counted twice");
	for (size_t i = 0; i < trial->waiting_count; i++)
		if (fact_counts(trial->waiting[i]))
			broken(trial, "counts before the count above it is known");
	if (waits != 0)
		broken(trial, "counts while a statement above it is pending");
	if (trial->ledger.closed)
		broken(trial, "counts after the deadline");
	if ((fact->kind == FACT_TALLY) != (fact->count != NULL) ||
	    (fact->kind == FACT_GREYLIST) != (fact->terms != NULL))
		broken(trial, "does not say what to count");
	ENSURE(trial->counted_count < COUNTS_MAX);
	trial->counted[trial->counted_count++] = hash;
}

/* Run once, and look at what was asked by whom in this run alone. */
static bool run(struct trial *trial)
{
	struct ledger *ledger = &trial->ledger;
	struct walk *walk = &trial->walk;
	uint64_t ever[LEDGER_FACTS_MAX] = { 0 }, now[LEDGER_FACTS_MAX] = { 0 };
	uint64_t weighed = 0, waits = 0;
	bool is_settled;

	for (size_t i = 0; i < ledger->fact_count; i++) {
		ever[i] = ledger->fact[i]->asked_by;
		ledger->fact[i]->asked_by = 0;
	}
	for (unsigned n = 0; n < walk->policy->weigh_count; n++) {
		walk->findings[n].pending = false;
		weighed |= walk->is_weighed[n] ? 0 : bit(n);
	}
	is_settled = walk_run(walk);
	for (size_t i = 0; i < ledger->fact_count; i++) {
		now[i] = ledger->fact[i]->asked_by;
		ledger->fact[i]->asked_by |= ever[i];
	}
	for (unsigned n = 0; n < walk->policy->weigh_count; n++) {
		waits |= walk->findings[n].pending ? bit(n) : 0;
		trial->rounds[n] = (uint8_t)(trial->rounds[n] + walk->findings[n].pending);
		/* A check that decides itself, or asks ahead, may end before it needs all that it
		 * ordered. */
		if (walk->is_skipped[n] || walk->findings[n].own != NULL ||
		    walk->policy->weigh[n]->check->asks_ahead)
			weighed &= ~bit(n);
	}
	hold_asks(trial, now, weighed);
	trial->waited_before = waits;
	for (struct fact *fact; (fact = ledger_next_ordered(ledger)) != NULL;) {
		if (fact_counts(fact))
			hold_count(trial, fact, waits);
		trial->waiting[trial->waiting_count++] = fact;
		if (trial->world->is_shown && trial->schedule == SCHEDULE_ROUNDS)
			show_order(walk->runs, fact);
	}
	if (trial->waiting_count != ledger->pending_count)
		broken(trial, "the ledger waits for what it never ordered");
	if (!is_settled && trial->waiting_count == 0)
		broken(trial, "the walk waits for nothing");
	return is_settled;
}

/* --- what was decided, as text --- */

static void write_memory(const struct memory *memory, struct text *text)
{
	text_addf(text, "  remember %.*s %.*s = %.*s\n", SPAN_ARG(memory->set),
		  SPAN_ARG(memory->key), SPAN_ARG(memory->value));
}

static void write_findings(const struct walk *walk, unsigned n, struct text *text)
{
	const struct findings *found = &walk->findings[n];

	text_addf(text, "weigh %u:", n);
	for (unsigned i = 0; i < FINDINGS_MAX; i++)
		if (found->times[i] > 0)
			text_addf(text, " %u x%u", i, found->times[i]);
	text_addf(text, " unknown %x\n", found->unknown);
	for (unsigned i = 0; i < FINDING_TEXTS_MAX; i++)
		if (found->text[i].len > 0)
			text_addf(text, "  says %.*s\n", SPAN_ARG(found->text[i]));
	if (found->own == NULL)
		return;
	for (unsigned i = 0; i < found->own->weight_count; i++)
		text_addf(text, "  %.*s %.17g\n", SPAN_ARG(found->own->weight[i].name),
			  found->own->weight[i].points);
	for (unsigned i = 0; i < found->own->memory_count; i++)
		write_memory(&found->own->memory[i], text);
	text_addf(text, "  %.*s\n  %.*s\n", SPAN_ARG(found->own->reply),
		  SPAN_ARG(found->own->text));
}

static void write_count(const struct fact *fact, struct text *text)
{
	text_addf(text, "%.*s %.*s: state %d", SPAN_ARG(fact_kind_name(fact->kind)),
		  SPAN_ARG(fact->key), (int)fact->state);
	if (fact->count != NULL) {
		text_addf(text, ", %lld once %llx of ", (long long)fact->count->amount,
			  (unsigned long long)fact->count->once);
		text_add_rates(text, &fact->count->rates);
	}
	text_add_char(text, '\n');
}

/* What the store was asked to count, and what it came to. */
static void write_counting(const struct walk *walk, struct text *text)
{
	const struct greylisted *greylisted = &walk->greylisted;

	for (uint16_t i = 0; i < walk->ledger->fact_count; i++)
		if (fact_counts(walk->ledger->fact[i]))
			write_count(walk->ledger->fact[i], text);
	if (greylisted->statement != NULL)
		text_addf(text, "greylisted %.*s: %d %d %d wait %lld delayed %lld\n",
			  SPAN_ARG(greylisted->key), greylisted->is_failed, greylisted->is_trusted,
			  (int)greylisted->outcome, (long long)greylisted->wait_s,
			  (long long)greylisted->delayed_s);
	for (unsigned i = 0; i < walk->policy->limit_count; i++) {
		const struct limited *limited = &walk->limited[i];

		text_addf(text, "limited %u %.*s: %d %d %d %d, %lld of %lld wait %lld\n", i,
			  SPAN_ARG(limited->key), limited->is_reached, limited->is_failed,
			  limited->is_over, limited->is_first, (long long)limited->used,
			  (long long)limited->most, (long long)limited->wait_s);
	}
	for (unsigned i = 0; i < walk->memory_count; i++)
		write_memory(&walk->memory[i], text);
}

static long statement_number(const struct walk *walk, const struct statement *statement)
{
	return statement == NULL ? -1L : (long)(statement - walk->policy->statement);
}

static void write_outcome(struct trial *trial)
{
	const struct walk *walk = &trial->walk;
	struct text text = { trial->outcome, 0, sizeof(trial->outcome), false };

	text_addf(&text, "verdict %.*s by %ld, score %.17g\n",
		  SPAN_ARG(verdict_name(walk->verdict)), statement_number(walk, walk->by),
		  walk->score);
	answer_of_walk(walk, &text);
	for (unsigned i = 0; i < walk->prepend_count; i++)
		text_addf(&text, "\nprepend %.*s", SPAN_ARG(walk->prepend[i]));
	for (unsigned i = 0; i < walk->warning_count; i++)
		text_addf(&text, "\nwarning %.*s", SPAN_ARG(walk->warning[i].text));
	text_add_char(&text, '\n');
	for (unsigned n = 0; n < walk->policy->weigh_count; n++) {
		if (walk->is_skipped[n])
			continue;
		if (!walk->is_weighed[n])
			broken(trial, "settled, and a statement is not weighed");
		write_findings(walk, n, &text);
	}
	write_counting(walk, &text);
	ENSURE(!text.overrun);
	trial->outcome_len = text.len;
}

/* --- the schedules --- */

/* As many answers as the schedule wants before the next run. */
static void let_arrive(struct trial *trial)
{
	while (trial->waiting_count > 0) {
		answer_one(trial);
		if (trial->schedule == SCHEDULE_EAGER &&
		    random_chance(&trial->random, EAGER_PERCENT))
			return;
	}
}

static void walk_to_the_end(struct trial *trial)
{
	/* The deadline passes after so many runs, in the midst of the answers. */
	size_t runs_left = random_below(&trial->random, 3);

	for (unsigned runs = 0; !run(trial); runs++) {
		if (runs > RUNS_MAX)
			broken(trial, "the walk never ends");
		if (trial->broken != NULL)
			return;
		if (trial->schedule != SCHEDULE_LATE || runs_left-- > 0) {
			let_arrive(trial);
			continue;
		}
		for (size_t n = random_below(&trial->random, trial->waiting_count + 1); n > 0; n--)
			answer_one(trial);
		ledger_close(&trial->ledger);
		trial->waiting_count = 0;
		if (!run(trial)) {
			broken(trial, "pending after the deadline");
			return;
		}
		break;
	}
	write_outcome(trial);
	hold_budgets(trial);
}

void trial_run(struct trial *trial, const struct world *world, enum schedule schedule,
	       const struct trial *only)
{
	const struct recall from_world = { .recall = recall, .release = release, .self = trial };

	memset(trial, 0, sizeof(*trial));
	trial->world = world;
	trial->schedule = schedule;
	trial->only = only;
	trial->random.state = world->seed + (uint64_t)schedule;
	arena_init(&trial->arena, TRIAL_BYTES_MAX);
	ledger_init(&trial->ledger, &trial->arena, &from_world);
	ENSURE(walk_init(&trial->walk, world->policy, &world->attempt, &trial->ledger) == OK);
	walk_to_the_end(trial);
	ledger_release(&trial->ledger);
	if (trial->held > 0)
		broken(trial, "the ledger keeps what it was given");
	arena_release(&trial->arena);
}
