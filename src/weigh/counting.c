/* counting.c -- the statements that count: greylist, limit, remember. */
#include "weigh/counting.h"

#include "base/ensure.h"
#include "base/number.h"
#include "mail/ip.h"
#include "weigh/key.h"

#define TRUSTED_SET "greylist.trusted"

enum { TRUST_TEXT_MAX = 80, TRUST_TOUCH_MS = 3600 * 1000 };

/* --- keys --- */

struct keyed {
	enum value_state state; /* UNKNOWN: a part of it failed */
	bool is_first_empty, has_empty;
	struct span key;
};

/* The set or limit, if any, and the parts, as the store knows them; in room, of FACT_KEY_MAX: a
 * walk of many runs makes its keys again and again. */
static struct keyed key_of(const struct walk *walk, struct span set, const struct key *key,
			   struct text *room)
{
	struct keyed keyed = { 0 };
	TEXT(parts, KEY_ROOM);

	for (uint8_t i = 0; i < key->part_count; i++) {
		struct value value = expr_evaluate(key->part[i], walk);
		bool is_empty = value.state != VALUE_KNOWN || value.text.len == 0;

		if (value.state == VALUE_PENDING || value.state == VALUE_UNKNOWN) {
			keyed.state = value.state;
			return keyed;
		}
		keyed.has_empty |= is_empty;
		keyed.is_first_empty |= is_empty && i == 0;
		key_add(&parts, is_empty ? SPAN("") : value.text);
	}
	key_finish(&parts);
	if (set.len > 0) {
		text_add(room, set);
		text_add_char(room, ' ');
	}
	text_add(room, text_span(&parts));
	keyed.key = text_span(room);
	if (room->overrun)
		keyed.state = VALUE_UNKNOWN;
	return keyed;
}

static struct key key_of_one(const struct expr *const *expr)
{
	return (struct key){ .part = { *expr }, .part_count = 1 };
}

/* --- what follows --- */

static void remember(struct walk *walk, const struct memory *memory)
{
	if (memory->key.at == NULL || memory->value.at == NULL)
		return; /* no room in the arena */
	ENSURE(walk->memory_count < REMEMBERS_MAX);
	walk->memory[walk->memory_count++] = *memory;
}

/* The walk ends here: with the verdict, or, where it is only observed, it goes on. */
static bool decide(struct walk *walk, const struct statement *statement, enum verdict_kind verdict,
		   const struct template *text)
{
	if (statement->observe) {
		if (walk->observed == NULL)
			walk->observed = statement;
		return false;
	}
	walk->verdict = verdict;
	if (text == NULL)
		walk->reply = (struct span){ 0 };
	else if (!walk_render(walk, text, &walk->reply))
		walk->is_pending = true;
	return true;
}

static bool fail(struct walk *walk, const struct statement *statement,
		 const struct failing *failing)
{
	if (failing->verdict == VERDICT_PASS)
		return false;
	return decide(walk, statement, failing->verdict, &failing->text);
}

/* What is asked is not known yet: nothing below is to act. */
static bool wait_here(struct walk *walk)
{
	ENSURE(!walk->ledger->closed);
	walk->is_pending = true;
	return true;
}

/* --- greylist: who is trusted --- */

/* "COUNT COUNTED_MS USED_MS" */
struct trust {
	struct span key;
	int64_t count, counted_ms, used_ms;
};

static struct trust trust_parse(const struct fact *fact)
{
	struct trust trust = { .key = fact->key };
	struct span rest = fact->state == FACT_KNOWN ? fact->item[0] : SPAN(""), word;
	int64_t *number[] = { &trust.count, &trust.counted_ms, &trust.used_ms };

	for (size_t i = 0; i < sizeof(number) / sizeof(*number); i++)
		if (!span_cut(&rest, ' ', &word) || number_parse(word, number[i]) != OK)
			break;
	return trust;
}

static void trust_write(struct walk *walk, const struct greylist *greylist,
			const struct trust *trust)
{
	TEXT(value, TRUST_TEXT_MAX);

	text_addf(&value, "%lld %lld %lld", (long long)trust->count, (long long)trust->counted_ms,
		  (long long)trust->used_ms);
	remember(walk, &(struct memory){
			       .set = SPAN(TRUSTED_SET),
			       .key = span_from(trust->key, sizeof(TRUSTED_SET)),
			       .value = arena_copy(walk->ledger->arena, text_span(&value)),
			       .keep_ms = greylist->trust_keep_ms,
		       });
}

/* Used again: it lasts longer, written at most once an hour. */
static void trust_touch(struct walk *walk, const struct greylist *greylist, struct trust trust)
{
	if (walk->attempt->time_ms - trust.used_ms < TRUST_TOUCH_MS)
		return;
	trust.used_ms = walk->attempt->time_ms;
	trust_write(walk, greylist, &trust);
}

static void trust_raise(struct walk *walk, const struct greylist *greylist, struct trust trust)
{
	if (trust.key.at == NULL || (trust.count > 0 && walk->attempt->time_ms - trust.counted_ms <
								greylist->trust_every_ms))
		return;
	trust.count += trust.count < UINT32_MAX;
	trust.counted_ms = trust.used_ms = walk->attempt->time_ms;
	trust_write(walk, greylist, &trust);
}

/* What is known of the client's trust.
 *
 * @return false: it is pending
 */
static bool trust_ask(struct walk *walk, const struct greylist *greylist, struct trust *trust_out)
{
	const struct key by = key_of_one(&greylist->trust_by);
	const struct fact *fact;
	struct keyed keyed;
	TEXT(room, FACT_KEY_MAX);

	*trust_out = (struct trust){ 0 };
	if (greylist->trust == 0)
		return true;
	keyed = key_of(walk, SPAN(TRUSTED_SET), &by, &room);
	if (keyed.state == VALUE_PENDING)
		return false;
	if (keyed.state != VALUE_KNOWN || keyed.has_empty)
		return true;
	fact = fact_ask(walk->ledger, FACT_REMEMBERED, keyed.key);
	if (fact->state == FACT_PENDING)
		return false;
	*trust_out = trust_parse(fact);
	return true;
}

/* --- greylist --- */

enum value_state walk_greylist_key(const struct walk *walk, const struct greylist *greylist,
				   struct span *key_out)
{
	TEXT(room, FACT_KEY_MAX);
	struct keyed keyed = key_of(walk, SPAN(""), &greylist->key, &room);

	*key_out = arena_copy(walk->ledger->arena, keyed.key);
	if (keyed.state == VALUE_KNOWN && keyed.is_first_empty)
		return VALUE_NONE;
	return keyed.state == VALUE_KNOWN && key_out->at == NULL ? VALUE_UNKNOWN : keyed.state;
}

static void add_header(struct walk *walk, const struct statement *statement)
{
	const struct template *header = &statement->greylist->header;
	struct span text;

	if (header->piece_count == 0 || statement->observe || walk->prepend_count == PREPENDS_MAX ||
	    !walk_render(walk, header, &text))
		return;
	walk->prepend[walk->prepend_count++] = text;
}

/* The store has answered: what the attempt is. */
static void greylist_judge(struct walk *walk, const struct greylist *greylist,
			   const struct fact *fact)
{
	struct greylisted *greylisted = &walk->greylisted;
	int64_t now_ms = walk->attempt->time_ms;
	struct triplet record, *before = NULL;

	if (fact->state == FACT_KNOWN && triplet_item_parse(fact->item[0], now_ms, &record) == OK)
		before = &record;
	greylisted->outcome = triplet_judge(before, &greylist->terms, now_ms);
	greylisted->wait_s = triplet_wait_s(before, &greylist->terms, now_ms);
	if (before != NULL && now_ms > before->first_ms)
		greylisted->delayed_s = (now_ms - before->first_ms) / 1000;
}

static bool greylist_settle(struct walk *walk, const struct statement *statement,
			    const struct trust *trust)
{
	switch (walk->greylisted.outcome) {
	case TRIPLET_NEW:
	case TRIPLET_EARLY:
	case TRIPLET_EXPIRED: return decide(walk, statement, VERDICT_GREYLIST, &statement->text);
	case TRIPLET_DENIED: return decide(walk, statement, VERDICT_REJECT, NULL);
	case TRIPLET_PASSED:
		trust_raise(walk, statement->greylist, *trust);
		add_header(walk, statement);
		return false;
	case TRIPLET_KNOWN:
	case TRIPLET_ALLOWED: return false;
	case TRIPLET_OUTCOME_COUNT: break;
	}
	ENSURE(false);
}

bool walk_greylist(struct walk *walk, const struct statement *statement)
{
	const struct greylist *greylist = statement->greylist;
	const struct fact *fact;
	struct trust trust;
	struct span key;
	enum value_state state;

	if (walk->is_pending)
		return true;
	walk->ledger->asker = LEDGER_NOBODY;
	state = walk_greylist_key(walk, greylist, &key);
	if (state == VALUE_NONE)
		return false;
	if (state == VALUE_PENDING || !trust_ask(walk, greylist, &trust))
		return wait_here(walk);
	walk->greylisted = (struct greylisted){ .statement = statement, .key = key };
	if (greylist->trust > 0 && trust.count >= greylist->trust) {
		walk->greylisted.is_trusted = true;
		walk->greylisted.outcome = TRIPLET_ALLOWED;
		trust_touch(walk, greylist, trust);
		return false;
	}
	if (state == VALUE_KNOWN) {
		fact = fact_ask_triplet(walk->ledger, key, &greylist->terms);
		if (fact->state == FACT_PENDING)
			return wait_here(walk);
		if (fact->state != FACT_FAILED) {
			greylist_judge(walk, greylist, fact);
			return greylist_settle(walk, statement, &trust);
		}
	}
	walk->greylisted.is_failed = true;
	return fail(walk, statement, &greylist->failing);
}

/* --- limit: how much --- */

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
	case COUNTING_DISTINCT: count->amount = 1; return true;
	}
	ENSURE(false);
}

/* @return VALUE_NONE: no value, nothing to count */
static enum value_state distinct_of(const struct walk *walk, const struct limit *limit,
				    struct tally_count *count)
{
	const struct key by = key_of_one(&limit->distinct);
	struct keyed keyed;
	TEXT(room, FACT_KEY_MAX);

	if (limit->counting != COUNTING_DISTINCT)
		return VALUE_KNOWN;
	keyed = key_of(walk, SPAN(""), &by, &room);
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
		return fail(walk, statement, &limit->failing);
	limited_fill(limited, &result, rates);
	if (!limited->is_over || limit->is_observed)
		return false;
	return decide(walk, statement, statement->verdict, &statement->text);
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
	keyed = key_of(walk, limit->name, &limit->key, &room);
	if (!amount_of(walk, limit, &count) || (keyed.state == VALUE_KNOWN && keyed.has_empty))
		return false;
	distinct = distinct_of(walk, limit, &count);
	if (keyed.state == VALUE_PENDING || distinct == VALUE_PENDING)
		return wait_here(walk);
	if (distinct == VALUE_NONE)
		return false;
	*limited = (struct limited){ .is_reached = true, .most = -1 };
	if (keyed.state != VALUE_KNOWN || distinct != VALUE_KNOWN) {
		limited->is_failed = true;
		return fail(walk, statement, &limit->failing);
	}
	count.rates = rates_of(limit, span_from(keyed.key, limit->name.len + 1));
	count.counts_refused = limit->counts_refused;
	if (count.rates.count == 0)
		return false;
	fact = fact_ask_tally(walk->ledger, keyed.key, &count);
	if (fact->state == FACT_PENDING)
		return wait_here(walk);
	limited->key = span_from(fact->key, limit->name.len + 1);
	return limit_settle(walk, statement, fact, &count.rates);
}

/* --- remember --- */

void walk_remember(struct walk *walk, const struct statement *statement)
{
	const struct remembering *remembering = statement->remembering;
	TEXT(room, FACT_KEY_MAX);
	struct keyed keyed = key_of(walk, SPAN(""), &remembering->key, &room);

	if (keyed.state == VALUE_PENDING)
		walk->is_pending = true;
	if (keyed.state != VALUE_KNOWN || keyed.has_empty || statement->observe)
		return;
	/* The value says why: the decision that can be explained. */
	remember(walk, &(struct memory){
			       .set = remembering->set,
			       .key = arena_copy(walk->ledger->arena, keyed.key),
			       .value = walk->attempt->id.len > 0 ? walk->attempt->id : SPAN("1"),
			       .keep_ms = remembering->keep_ms,
		       });
}

/* --- read back --- */

static struct value without(enum value_state state)
{
	return (struct value){ .state = state };
}

struct value evaluate_in_set(const struct expr *expr, const struct walk *walk)
{
	TEXT(room, FACT_KEY_MAX);
	struct keyed keyed = key_of(walk, expr->set, expr->key, &room);
	const struct fact *fact;

	if (keyed.state != VALUE_KNOWN)
		return without(keyed.state);
	if (keyed.has_empty)
		return (struct value){ .truth = false };
	walk->ledger->asker = LEDGER_NOBODY;
	fact = fact_ask(walk->ledger, FACT_REMEMBERED, keyed.key);
	switch (fact->state) {
	case FACT_PENDING: return without(VALUE_PENDING);
	case FACT_FAILED: return without(VALUE_UNKNOWN);
	case FACT_KNOWN: return (struct value){ .truth = true };
	case FACT_NONE: return (struct value){ .truth = false };
	}
	ENSURE(false);
}

struct span greylisted_state(const struct greylisted *greylisted)
{
	if (greylisted->statement == NULL || greylisted->is_failed)
		return SPAN("");
	return greylisted->is_trusted ? SPAN("trusted") : triplet_outcome_name(greylisted->outcome);
}

struct value evaluate_greylist_field(const struct expr *expr, const struct walk *walk)
{
	const struct greylisted *greylisted = &walk->greylisted;

	if (greylisted->statement == NULL && walk->is_pending)
		return without(VALUE_PENDING);
	switch ((enum greylist_field)expr->field) {
	case GREYLIST_STATE: return (struct value){ .text = greylisted_state(greylisted) };
	case GREYLIST_WAIT: return (struct value){ .number = (double)greylisted->wait_s };
	case GREYLIST_DELAYED: return (struct value){ .number = (double)greylisted->delayed_s };
	}
	ENSURE(false);
}

struct value evaluate_limit_field(const struct expr *expr, const struct walk *walk)
{
	const struct limited *limited = &walk->limited[expr->limit];

	if (!limited->is_reached && walk->is_pending)
		return without(VALUE_PENDING);
	if (limited->is_failed)
		return without(VALUE_UNKNOWN);
	switch ((enum limit_field)expr->field) {
	case LIMIT_OVER: return (struct value){ .truth = limited->is_over };
	case LIMIT_USED: return (struct value){ .number = (double)limited->used };
	case LIMIT_MOST:
		if (!limited->is_reached || limited->most < 0)
			return without(VALUE_NONE);
		return (struct value){ .number = (double)limited->most };
	case LIMIT_WAIT: return (struct value){ .number = (double)limited->wait_s };
	}
	ENSURE(false);
}
