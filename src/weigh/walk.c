/* walk.c -- the way of one attempt through a policy. */
#include "weigh/walk.h"

#include "base/ensure.h"
#include "weigh/counting.h"

enum { RENDERED_TEXT_MAX = 2048 };

enum err walk_init(struct walk *walk, const struct policy *policy, const struct attempt *attempt,
		   struct ledger *ledger)
{
	size_t weighs = policy->weigh_count;

	*walk = (struct walk){ .policy = policy, .attempt = attempt, .ledger = ledger };
	walk->findings = ARENA_ARRAY(ledger->arena, struct findings, weighs);
	walk->is_weighed = ARENA_ARRAY(ledger->arena, bool, weighs);
	walk->is_skipped = ARENA_ARRAY(ledger->arena, bool, weighs);
	walk->variable = ARENA_ARRAY(ledger->arena, struct value, policy->variable_count);
	walk->limited = ARENA_ARRAY(ledger->arena, struct limited, policy->limit_count);
	if (walk->findings == NULL || walk->is_weighed == NULL || walk->is_skipped == NULL ||
	    walk->variable == NULL || walk->limited == NULL)
		return ERR_LIMIT;
	return OK;
}

/* --- names --- */

unsigned statement_finding_count(const struct statement *weigh)
{
	unsigned count = 0;

	if (weigh->arguments.zone != NULL)
		return weigh->arguments.zone->meaning_count + 1U;
	while (count < FINDINGS_MAX && weigh->check->finding[count] != NULL)
		count++;
	return count;
}

struct span statement_finding_name(const struct statement *weigh, unsigned finding)
{
	const struct zone *zone = weigh->arguments.zone;

	if (zone == NULL)
		return span_cstr(weigh->check->finding[finding]);
	return finding < zone->meaning_count ? zone->meaning[finding] : SPAN(ZONE_CLEAR);
}

/* --- weighing --- */

static double weigh_score(const struct statement *weigh, const struct findings *found)
{
	unsigned count = statement_finding_count(weigh);
	double score = 0;

	if (found->own != NULL)
		return found->own->score;
	for (unsigned i = 0; i < count; i++)
		score += weigh->points[i] * found->times[i];
	return score;
}

static void walk_add_score(struct walk *walk, const struct statement *weigh)
{
	const struct findings *found = &walk->findings[weigh->ordinal];

	if (found->own != NULL && !found->own->is_scored)
		return;
	walk->is_scored = true;
	walk->score += weigh_score(weigh, found);
}

/* @return true: the check itself decided, the walk ends here */
static bool walk_weigh(struct walk *walk, const struct statement *weigh)
{
	struct findings *found = &walk->findings[weigh->ordinal];

	walk->is_skipped[weigh->ordinal] = false;
	if (!walk->is_weighed[weigh->ordinal]) {
		*found = (struct findings){ 0 };
		walk->ledger->asker = weigh->ordinal;
		weigh->check->weigh(walk->attempt, &weigh->arguments, walk->ledger, found);
		/* Rule 6: after the end there is nothing left to wait for. */
		ENSURE(!found->pending || !walk->ledger->closed);
		if (found->pending) {
			walk->is_pending = true;
			return false;
		}
		walk->is_weighed[weigh->ordinal] = true;
	}
	walk_add_score(walk, weigh);
	if (found->own == NULL)
		return false;
	if (walk->own == NULL)
		walk->own = found->own;
	if (!found->own->is_final)
		return false;
	if (weigh->observe) {
		if (walk->observed == NULL)
			walk->observed = weigh;
		return false;
	}
	return true;
}

/* --- texts --- */

/* What does not fit is cut: the answer sees by the length that it is not all. */
static void text_add_cut(struct text *text, struct span s)
{
	text_add(text, span_first(s, text->room - 1 - text->len));
}

bool walk_render(const struct walk *walk, const struct template *template,
		 struct span *rendered_out)
{
	TEXT(text, RENDERED_TEXT_MAX);

	for (uint16_t i = 0; i < template->piece_count; i++) {
		const struct template_piece *piece = &template->piece[i];
		struct value value;

		text_add_cut(&text, piece->literal);
		if (piece->expr == NULL)
			continue;
		value = expr_evaluate(piece->expr, walk);
		if (value.state == VALUE_PENDING)
			return false;
		if (value.state == VALUE_KNOWN)
			text_add_cut(&text, value.text);
	}
	*rendered_out = arena_copy(walk->ledger->arena, text_span(&text));
	return true;
}

static void walk_prepend(struct walk *walk, const struct statement *statement)
{
	struct span text;

	if (!walk_render(walk, &statement->text, &text))
		walk->is_pending = true;
	else if (!statement->observe && text.len > 0 && walk->prepend_count < PREPENDS_MAX)
		walk->prepend[walk->prepend_count++] = text;
}

static void walk_warn(struct walk *walk, const struct statement *statement)
{
	struct span text;

	if (!walk_render(walk, &statement->text, &text))
		walk->is_pending = true;
	else if (walk->warning_count < WARNINGS_MAX)
		walk->warning[walk->warning_count++] =
			(struct warning){ .text = text, .statement = statement };
}

/* --- the walk --- */

/* @return true: the statement holds and ends the walk (acting, or waiting for what is above) */
static bool walk_decide(struct walk *walk, const struct statement *statement)
{
	if (statement->observe) {
		if (walk->observed == NULL)
			walk->observed = statement;
		return false;
	}
	if (!walk->is_pending && !walk_render(walk, &statement->text, &walk->reply))
		walk->is_pending = true;
	walk->verdict = statement->verdict;
	return true;
}

/* @return true: the walk ends with this statement */
static bool walk_step(struct walk *walk, const struct statement *statement)
{
	switch (statement->kind) {
	case STATEMENT_WEIGH:
		if (!walk_weigh(walk, statement))
			return false;
		walk->verdict = walk->findings[statement->ordinal].own->verdict;
		walk->own = walk->findings[statement->ordinal].own;
		return true;
	case STATEMENT_VERDICT: return walk_decide(walk, statement);
	case STATEMENT_PREPEND: walk_prepend(walk, statement); return false;
	case STATEMENT_WARN: walk_warn(walk, statement); return false;
	case STATEMENT_SET:
		walk->variable[statement->variable] = expr_evaluate(statement->value, walk);
		return false;
	case STATEMENT_UNSET:
		walk->variable[statement->variable] = (struct value){ .state = VALUE_NONE };
		return false;
	case STATEMENT_GREYLIST: return walk_greylist(walk, statement);
	case STATEMENT_LIMIT: return walk_limit(walk, statement);
	case STATEMENT_REMEMBER: walk_remember(walk, statement); return false;
	}
	ENSURE(false);
}

static struct value statement_condition(const struct statement *statement, const struct walk *walk)
{
	if (statement->condition == NULL)
		return (struct value){ .truth = true };
	walk->ledger->asker = LEDGER_NOBODY;
	return expr_evaluate(statement->condition, walk);
}

/* A statement whose condition nobody knows yet: what it would have done is not known either. */
static void walk_wait_for(struct walk *walk, const struct statement *statement)
{
	if (statement->kind == STATEMENT_SET || statement->kind == STATEMENT_UNSET) {
		walk->variable[statement->variable] = (struct value){ .state = VALUE_PENDING };
		return; /* only who reads it waits */
	}
	if (statement->kind == STATEMENT_WEIGH)
		walk->is_skipped[statement->ordinal] = false;
	walk->is_pending = true;
}

static void walk_begin(struct walk *walk)
{
	walk->runs++;
	walk->score = 0;
	walk->is_scored = walk->is_pending = false;
	walk->verdict = VERDICT_PASS;
	walk->by = walk->observed = NULL;
	walk->own = NULL;
	walk->reply = (struct span){ 0 };
	walk->prepend_count = walk->warning_count = walk->memory_count = 0;
	walk->greylisted = (struct greylisted){ 0 };
	for (unsigned i = 0; i < walk->policy->limit_count; i++)
		walk->limited[i] = (struct limited){ 0 };
	for (unsigned i = 0; i < walk->policy->weigh_count; i++)
		walk->is_skipped[i] = true;
	for (unsigned i = 0; i < walk->policy->variable_count; i++)
		walk->variable[i] = (struct value){ .state = VALUE_NONE };
}

bool walk_run(struct walk *walk)
{
	const struct policy *policy = walk->policy;

	walk_begin(walk);
	for (uint16_t i = 0; i < policy->statement_count; i++) {
		const struct statement *statement = &policy->statement[i];
		struct value condition = statement_condition(statement, walk);

		if (condition.state == VALUE_PENDING) {
			walk_wait_for(walk, statement);
			continue;
		}
		if (condition.state != VALUE_KNOWN || !condition.truth)
			continue;
		if (walk_step(walk, statement)) {
			walk->by = statement;
			break;
		}
	}
	ENSURE(!walk->is_pending || !walk->ledger->closed);
	return !walk->is_pending;
}

/* --- what was found --- */

static size_t judgement_points(const struct judgement *own, struct weight *weight_out, size_t max)
{
	size_t count = own->weight_count < max ? own->weight_count : max;

	if (count > 0)
		memcpy(weight_out, own->weight, count * sizeof(*weight_out));
	return count;
}

static struct span point_name(const struct walk *walk, const struct statement *weigh,
			      unsigned finding)
{
	TEXT(name, RENDERED_TEXT_MAX);

	text_add(&name, weigh->name);
	text_add_char(&name, '.');
	text_add(&name, statement_finding_name(weigh, finding));
	return arena_copy(walk->ledger->arena, text_span(&name));
}

static size_t statement_points(const struct walk *walk, const struct statement *weigh,
			       struct weight *weight_out, size_t max)
{
	const struct findings *found = &walk->findings[weigh->ordinal];
	unsigned findings = statement_finding_count(weigh);
	size_t count = 0;

	if (found->own != NULL)
		return judgement_points(found->own, weight_out, max);
	for (unsigned i = 0; i < findings && count < max; i++) {
		double points = weigh->points[i] * found->times[i];

		if (points != 0)
			weight_out[count++] = (struct weight){
				.name = point_name(walk, weigh, i),
				.points = points,
			};
	}
	return count;
}

size_t walk_points(const struct walk *walk, struct weight *weight_out, size_t max)
{
	size_t count = 0;

	for (unsigned i = 0; i < walk->policy->weigh_count; i++)
		if (walk->is_weighed[i] && !walk->is_skipped[i])
			count += statement_points(walk, walk->policy->weigh[i], weight_out + count,
						  max - count);
	return count;
}

bool walk_is_unknown(const struct walk *walk, unsigned ordinal)
{
	return walk->is_weighed[ordinal] && !walk->is_skipped[ordinal] &&
	       walk->findings[ordinal].unknown != 0;
}

/* Statements of ordinal n come first, what remember and greylist want after all of them. */
const struct memory *walk_next_memory(const struct walk *walk, struct memory_cursor *cursor)
{
	for (; cursor->weigh < walk->policy->weigh_count; cursor->weigh++, cursor->memory = 0) {
		const struct judgement *own = walk->findings[cursor->weigh].own;
		bool is_in_force = own != NULL && walk->is_weighed[cursor->weigh] &&
				   !walk->is_skipped[cursor->weigh];

		if (is_in_force && cursor->memory < own->memory_count)
			return &own->memory[cursor->memory++];
	}
	return cursor->memory < walk->memory_count ? &walk->memory[cursor->memory++] : NULL;
}

bool walk_store_failed(const struct walk *walk)
{
	for (uint16_t i = 0; i < walk->ledger->fact_count; i++) {
		const struct fact *fact = walk->ledger->fact[i];

		if (fact_kind_is_stored(fact->kind) && fact->state == FACT_FAILED &&
		    fact->cause != CAUSE_UNRECORDED)
			return true;
	}
	return false;
}

/* --- the reply --- */

/* A text may bring its own code: "554 5.7.1 no". */
static bool has_code(struct span text, char class)
{
	return text.len >= 3 && text.at[0] == class && ascii_is_digit(text.at[1]) &&
	       ascii_is_digit(text.at[2]) && (text.len == 3 || text.at[3] == ' ');
}

static void reply_with_code(const struct walk *walk, struct text *reply, struct span code,
			    struct span otherwise)
{
	if (!has_code(walk->reply, '4') && !has_code(walk->reply, '5')) {
		text_add(reply, code);
		text_add_char(reply, ' ');
	}
	if (walk->reply.len > 0) {
		text_add(reply, walk->reply);
		return;
	}
	text_add(reply, otherwise);
	text_add(reply, walk->attempt->id);
}

static void reply_with_word(const struct walk *walk, struct text *reply, struct span word)
{
	text_add(reply, word);
	if (walk->reply.len > 0) {
		text_add_char(reply, ' ');
		text_add(reply, walk->reply);
	}
}

static void reply_pass(const struct walk *walk, unsigned headers_given, struct text *reply)
{
	if (headers_given < walk->prepend_count) {
		text_add(reply, SPAN("PREPEND "));
		text_add(reply, walk->prepend[headers_given]);
	} else if (walk->own != NULL && walk->own->verdict == VERDICT_PASS && walk->by == NULL) {
		text_add(reply, span_first(walk->own->reply, RENDERED_TEXT_MAX));
	} else {
		reply_with_word(walk, reply, SPAN("DUNNO"));
	}
}

void walk_reply(const struct walk *walk, unsigned headers_given, struct text *reply)
{
	if (walk->by != NULL && walk->by->kind == STATEMENT_WEIGH) {
		text_add(reply, span_first(walk->own->reply, RENDERED_TEXT_MAX));
		return;
	}
	switch (walk->verdict) {
	case VERDICT_PASS: reply_pass(walk, headers_given, reply); break;
	case VERDICT_PERMIT: reply_with_word(walk, reply, SPAN("OK")); break;
	case VERDICT_REJECT:
		reply_with_code(walk, reply, SPAN("550"), SPAN("5.7.1 refused by policy, number "));
		break;
	case VERDICT_DEFER:
		reply_with_code(walk, reply, SPAN("450"), SPAN("4.7.1 try again later, number "));
		break;
	case VERDICT_GREYLIST: /* a later restriction of the MTA may still refuse for good */
		reply_with_code(walk, reply, SPAN("DEFER_IF_PERMIT"),
				SPAN("4.7.1 greylisted, number "));
		break;
	case VERDICT_HOLD: reply_with_word(walk, reply, SPAN("HOLD")); break;
	case VERDICT_DISCARD: reply_with_word(walk, reply, SPAN("DISCARD")); break;
	case VERDICT_FILTER: reply_with_word(walk, reply, SPAN("FILTER")); break;
	case VERDICT_REDIRECT: reply_with_word(walk, reply, SPAN("REDIRECT")); break;
	case VERDICT_REPLY: text_add(reply, walk->reply); break;
	case VERDICT_COUNT: ENSURE(false);
	}
}
