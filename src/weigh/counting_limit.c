/* counting_limit.c -- the statement limit. */
#include "weigh/counting_priv.h"

#include "base/ensure.h"
#include "base/number.h"
#include "mail/ip.h"

/* --- how much --- */

enum stage { STAGE_NONE, STAGE_MAIL, STAGE_RCPT, STAGE_DATA };

/* RFC 5321's transaction; a request without a state is one at RCPT. */
static enum stage stage_of(const struct attempt *attempt)
{
	static const struct {
		struct span name;
		enum stage stage;
	} stages[] = {
		{ SPAN_INIT(""), STAGE_RCPT },
		{ SPAN_INIT("MAIL"), STAGE_MAIL },
		{ SPAN_INIT("RCPT"), STAGE_RCPT },
		{ SPAN_INIT("DATA"), STAGE_DATA },
		{ SPAN_INIT("END-OF-MESSAGE"), STAGE_DATA },
	};
	struct span state = attempt->attribute[ATTRIBUTE_protocol_state];

	for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++)
		if (span_equal_nocase(state, stages[i].name))
			return stages[i].stage;
	return STAGE_NONE;
}

static int64_t number_of(const struct attempt *attempt, enum attribute attribute)
{
	int64_t number;

	if (number_parse(attempt->attribute[attribute], &number) != OK || number < 0)
		return 0;
	return number < RATE_MOST_MAX ? number : RATE_MOST_MAX;
}

/* Each recipient is counted as it comes, and DATA brings only those that were not. */
static bool amount_of_recipients(enum stage stage, const struct attempt *attempt,
				 struct tally_count *count)
{
	count->is_total = stage == STAGE_DATA;
	count->amount = count->is_total ? number_of(attempt, ATTRIBUTE_recipient_count) : 1;
	return stage != STAGE_MAIL;
}

/* @return false: at this stage there is nothing to count */
static bool amount_of(const struct walk *walk, const struct limit *limit, struct tally_count *count)
{
	const struct attempt *attempt = walk->attempt;
	enum stage stage = stage_of(attempt);
	struct span instance = attempt->attribute[ATTRIBUTE_instance];

	if (stage == STAGE_NONE)
		return false;
	if (instance.len > 0)
		count->once = tally_once(instance);
	count->is_total = true;
	switch (limit->counting) {
	case COUNTING_MESSAGES: count->amount = 1; return true;
	case COUNTING_RECIPIENTS: return amount_of_recipients(stage, attempt, count);
	case COUNTING_BYTES: count->amount = number_of(attempt, ATTRIBUTE_size); return true;
	case COUNTING_DISTINCT:
		count->is_distinct = true;
		count->amount = 1;
		return true;
	}
	ENSURE(false);
}

/* @return VALUE_NONE: no value, nothing to count */
static enum value_state distinct_of(const struct walk *walk, const struct limit *limit,
				    struct tally_count *count)
{
	const struct key by = counting_key_of_one(&limit->distinct);
	struct keyed keyed;
	TEXT(room, FACT_KEY_MAX);

	if (limit->counting != COUNTING_DISTINCT)
		return VALUE_KNOWN;
	keyed = counting_key(walk, SPAN(""), &by, &room);
	if (keyed.state != VALUE_KNOWN)
		return keyed.state;
	count->once = tally_once(keyed.key);
	return keyed.has_empty ? VALUE_NONE : VALUE_KNOWN;
}

static bool find_row(const struct table *table, struct span key, struct span *row_out)
{
	struct ip ip;

	if (ip_parse(key, &ip) == OK && table_find_address(table, ip, row_out))
		return true;
	return table_find(table, key, row_out);
}

/* A key may have rates of its own. */
static struct rates rates_of(const struct limit *limit, struct span key)
{
	struct rates rates;
	struct span row;

	if (limit->rates_from != NULL && find_row(limit->rates_from, key, &row) &&
	    rates_parse(row, &rates) == OK)
		return rates;
	return limit->rates;
}

/* --- limit --- */

/* "An hour" is 3600 seconds, though it fits again only in the millisecond behind them. */
static int64_t wait_seconds(int64_t wait_ms)
{
	return wait_ms > 1 ? (wait_ms - 1 + 999) / 1000 : wait_ms;
}

/* The window that is over for longest, or else the one that is fullest. */
static void limited_fill(struct limited *limited, const struct tally_result *result,
			 const struct rates *rates)
{
	double fullest = -1;
	int over = tally_over(result, rates);

	limited->is_over = over >= 0;
	limited->is_first = limited->is_over && result->is_first;
	for (unsigned i = 0; i < result->count; i++) {
		const struct tally_use *use = &result->use[i];
		int64_t most = tally_most(use, rates);
		double share = most > 0 ? (double)use->used / (double)most : (double)use->used;

		if (most < 0 || (over >= 0 ? i != (unsigned)over : share <= fullest))
			continue;
		fullest = share;
		limited->used = use->used;
		limited->most = most;
		limited->period_ms = use->period_ms;
		limited->wait_s = wait_seconds(use->wait_ms);
	}
}

static bool limit_settle(struct walk *walk, const struct statement *statement,
			 const struct fact *fact, const struct rates *rates)
{
	const struct limit *limit = statement->limit;
	struct limited *limited = &walk->limited[limit->ordinal];
	struct tally_result result = { 0 };

	for (uint16_t i = 0; i < fact->item_count && fact->state == FACT_KNOWN; i++)
		if (tally_item_parse(fact->item[i], &result) != OK)
			break;
	limited->is_failed = fact->state == FACT_FAILED;
	if (limited->is_failed)
		return counting_fail(walk, statement, &limit->failing);
	limited_fill(limited, &result, rates);
	if (!limited->is_over || limit->is_observed)
		return false;
	return counting_decide(walk, statement, statement->verdict, &statement->text);
}

bool walk_limit(struct walk *walk, const struct statement *statement)
{
	const struct limit *limit = statement->limit;
	struct limited *limited = &walk->limited[limit->ordinal];
	struct tally_count count = { .amount = 0 };
	const struct fact *fact;
	struct keyed keyed;
	enum value_state distinct;
	TEXT(room, FACT_KEY_MAX);

	if (walk->is_pending)
		return true;
	walk->ledger->asker = LEDGER_NOBODY;
	keyed = counting_key(walk, limit->name, &limit->key, &room);
	if (!amount_of(walk, limit, &count) || (keyed.state == VALUE_KNOWN && keyed.has_empty))
		return false;
	distinct = distinct_of(walk, limit, &count);
	if (keyed.state == VALUE_PENDING || distinct == VALUE_PENDING)
		return counting_wait(walk);
	if (distinct == VALUE_NONE)
		return false;
	*limited = (struct limited){ .is_reached = true, .most = -1 };
	if (keyed.state != VALUE_KNOWN || distinct != VALUE_KNOWN) {
		limited->is_failed = true;
		return counting_fail(walk, statement, &limit->failing);
	}
	count.rates = rates_of(limit, span_from(keyed.key, limit->name.len + 1));
	count.counts_refused = limit->counts_refused;
	if (count.rates.count == 0)
		return false;
	fact = fact_ask_tally(walk->ledger, keyed.key, &count);
	if (fact->state == FACT_PENDING)
		return counting_wait(walk);
	limited->key = span_from(fact->key, limit->name.len + 1);
	return limit_settle(walk, statement, fact, &count.rates);
}

/* --- read back --- */

struct value evaluate_limit_field(const struct expr *expr, const struct walk *walk)
{
	const struct limited *limited = &walk->limited[expr->limit];

	if (!limited->is_reached && walk->is_pending)
		return value_missing(VALUE_PENDING);
	if (limited->is_failed)
		return value_missing(VALUE_UNKNOWN);
	switch ((enum limit_field)expr->field) {
	case LIMIT_OVER: return (struct value){ .truth = limited->is_over };
	case LIMIT_USED: return (struct value){ .number = (double)limited->used };
	case LIMIT_MOST:
		if (!limited->is_reached || limited->most < 0)
			return value_missing(VALUE_NONE);
		return (struct value){ .number = (double)limited->most };
	case LIMIT_WAIT: return (struct value){ .number = (double)limited->wait_s };
	}
	ENSURE(false);
}
