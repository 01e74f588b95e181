/* case_explain.c -- the member "explain" of a case: why it was decided so.
 *
 * What the other members cannot say: the line of the configuration behind each point, what was
 * skipped or not reached, and how each fact was learnt.
 */
#include "weigh/case_priv.h"

static void emit_origin(struct emit *emit, struct span key, const struct statement *statement)
{
	TEXT(origin, 1024);

	emit_key(emit, key);
	if (statement == NULL) {
		emit_null(emit);
		return;
	}
	text_add(&origin, span_first(statement->origin.file, 1000));
	text_addf(&origin, ":%u", statement->origin.line);
	emit_text(emit, text_span(&origin));
}

/* Does statement stand behind the one that decided? */
static bool is_behind_verdict(const struct walk *walk, const struct statement *statement)
{
	bool passed = false;

	for (uint16_t i = 0; walk->by != NULL && i < walk->policy->statement_count; i++) {
		if (&walk->policy->statement[i] == statement)
			return passed;
		passed |= &walk->policy->statement[i] == walk->by;
	}
	return false;
}

static struct span weigh_state(const struct walk *walk, unsigned ordinal)
{
	if (walk->is_skipped[ordinal])
		return is_behind_verdict(walk, walk->policy->weigh[ordinal]) ? SPAN("not reached")
									     : SPAN("skipped");
	if (!walk->is_weighed[ordinal])
		return SPAN("pending");
	if (walk_is_unknown(walk, ordinal) ||
	    (walk->findings[ordinal].own != NULL && walk->findings[ordinal].own->unknown_count > 0))
		return SPAN("unknown");
	return SPAN("weighed");
}

static void emit_finding(struct emit *emit, struct span name, unsigned times, double points)
{
	emit_begin(emit, '{');
	case_emit_text(emit, SPAN("name"), name);
	if (times > 0) {
		emit_key(emit, SPAN("times"));
		emit_int(emit, times);
	}
	emit_key(emit, SPAN("points"));
	emit_double(emit, points);
	emit_end(emit, '}');
}

static void emit_weigh_findings(struct emit *emit, const struct walk *walk, unsigned ordinal)
{
	const struct statement *weigh = walk->policy->weigh[ordinal];
	const struct findings *found = &walk->findings[ordinal];
	unsigned count = statement_finding_count(weigh);

	emit_key(emit, SPAN("findings"));
	emit_begin(emit, '[');
	for (unsigned i = 0; i < count; i++)
		if (case_found(walk, ordinal, i))
			emit_finding(emit, statement_finding_name(weigh, i), found->times[i],
				     weigh->points[i] * found->times[i]);
	if (found->own != NULL && walk->is_weighed[ordinal] && !walk->is_skipped[ordinal])
		for (uint16_t i = 0; i < found->own->weight_count; i++)
			emit_finding(emit, found->own->weight[i].name, 0,
				     found->own->weight[i].points);
	emit_end(emit, ']');
}

/* What could not be settled: findings, or the parts that a judgement names. */
static void emit_weigh_unknown(struct emit *emit, const struct walk *walk, unsigned ordinal)
{
	const struct statement *weigh = walk->policy->weigh[ordinal];
	const struct findings *found = &walk->findings[ordinal];
	const struct judgement *own = found->own;
	unsigned count = statement_finding_count(weigh);

	emit_key(emit, SPAN("unknown"));
	emit_begin(emit, '[');
	for (unsigned i = 0; i < count; i++)
		if (walk_is_unknown(walk, ordinal) && (found->unknown >> i & 1) != 0)
			emit_text(emit, statement_finding_name(weigh, i));
	if (own != NULL && walk->is_weighed[ordinal] && !walk->is_skipped[ordinal])
		for (unsigned i = 0; i < own->unknown_count; i++)
			emit_text(emit, own->unknown[i]);
	emit_end(emit, ']');
}

static void emit_weigh(struct emit *emit, const struct walk *walk, unsigned ordinal)
{
	const struct statement *weigh = walk->policy->weigh[ordinal];

	emit_begin(emit, '{');
	case_emit_text(emit, SPAN("name"), weigh->name);
	case_emit_text(emit, SPAN("check"), span_cstr(weigh->check->name));
	if (weigh->arguments.zone != NULL)
		case_emit_text(emit, SPAN("zone"), weigh->arguments.zone->shown);
	emit_origin(emit, SPAN("line"), weigh);
	case_emit_text(emit, SPAN("state"), weigh_state(walk, ordinal));
	emit_weigh_findings(emit, walk, ordinal);
	emit_weigh_unknown(emit, walk, ordinal);
	emit_end(emit, '}');
}

static void emit_asked_by(struct emit *emit, const struct walk *walk, const struct fact *fact)
{
	emit_key(emit, SPAN("asked_by"));
	emit_begin(emit, '[');
	for (unsigned n = 0; n < walk->policy->weigh_count; n++)
		if ((fact->asked_by >> n & 1) != 0)
			emit_int(emit, n);
	emit_end(emit, ']');
}

static void emit_fact(struct emit *emit, const struct walk *walk, const struct fact *fact)
{
	static const struct span states[] = {
		[FACT_PENDING] = SPAN_INIT("pending"),
		[FACT_KNOWN] = SPAN_INIT("known"),
		[FACT_NONE] = SPAN_INIT("none"),
		[FACT_FAILED] = SPAN_INIT("failed"),
	};
	TEXT(key, CASE_KEY_TEXT_MAX);

	case_add_key(&key, fact);
	emit_begin(emit, '{');
	case_emit_text(emit, SPAN("key"), text_span(&key));
	case_emit_text(emit, SPAN("state"), states[fact->state]);
	emit_key(emit, SPAN("answer"));
	case_emit_answer(emit, fact);
	emit_key(emit, SPAN("took_us"));
	emit_int(emit, fact->took_us);
	emit_key(emit, SPAN("age_s"));
	emit_int(emit, fact->age_s);
	emit_key(emit, SPAN("ttl_s"));
	emit_int(emit, fact->ttl_s);
	emit_key(emit, SPAN("from_cache"));
	emit_bool(emit, fact->from_cache);
	emit_asked_by(emit, walk, fact);
	emit_end(emit, '}');
}

static void emit_texts(struct emit *emit, const struct walk *walk)
{
	emit_key(emit, SPAN("prepend"));
	emit_begin(emit, '[');
	for (uint8_t i = 0; i < walk->prepend_count; i++)
		emit_text(emit, walk->prepend[i]);
	emit_end(emit, ']');
	emit_key(emit, SPAN("warnings"));
	emit_begin(emit, '[');
	for (uint8_t i = 0; i < walk->warning_count; i++) {
		emit_begin(emit, '{');
		emit_origin(emit, SPAN("line"), walk->warning[i].statement);
		case_emit_text(emit, SPAN("text"), walk->warning[i].text);
		emit_end(emit, '}');
	}
	emit_end(emit, ']');
	if (walk->own != NULL && walk->own->text.len > 0)
		case_emit_text(emit, SPAN("text"), walk->own->text);
}

void case_emit_explain(struct emit *emit, const struct walk *walk)
{
	emit_key(emit, SPAN("explain"));
	emit_begin(emit, '{');
	case_emit_text(emit, SPAN("mode"),
		       walk->policy->observe ? SPAN("observe") : SPAN("enforce"));
	emit_origin(emit, SPAN("decided_by"), walk->by);
	emit_origin(emit, SPAN("observed"), walk->observed);
	emit_key(emit, SPAN("overdue"));
	emit_bool(emit, walk->ledger->closed_to_dns);
	emit_key(emit, SPAN("weigh"));
	emit_begin(emit, '[');
	for (unsigned n = 0; n < walk->policy->weigh_count; n++)
		emit_weigh(emit, walk, n);
	emit_end(emit, ']');
	emit_key(emit, SPAN("facts"));
	emit_begin(emit, '[');
	for (uint16_t i = 0; i < walk->ledger->fact_count; i++)
		emit_fact(emit, walk, walk->ledger->fact[i]);
	emit_end(emit, ']');
	emit_texts(emit, walk);
	emit_end(emit, '}');
}
