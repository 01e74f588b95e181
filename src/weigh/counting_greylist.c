/* counting_greylist.c -- the statement greylist. */
#include "weigh/counting_priv.h"

#include "base/ensure.h"
#include "base/number.h"

enum { TRUST_TEXT_MAX = 80 };

/* --- who is trusted --- */

/* "COUNT COUNTED_MS"; COUNT is TRUST_BY_HAND where an administrator has said it, and for how long;
 * and what older versions wrote behind it */
struct trust {
	struct span key;
	int64_t count, counted_ms;
};

static struct trust trust_parse(const struct fact *fact)
{
	struct trust trust = { .key = fact->key };
	struct span rest = fact->state == FACT_KNOWN ? fact->item[0] : SPAN(""), word;
	int64_t *number[] = { &trust.count, &trust.counted_ms };

	for (size_t i = 0; i < sizeof(number) / sizeof(*number); i++)
		if (!span_cut(&rest, ' ', &word) || number_parse(word, number[i]) != OK)
			break;
	return trust;
}

static void trust_write(struct walk *walk, const struct greylist *greylist,
			const struct trust *trust)
{
	TEXT(value, TRUST_TEXT_MAX);

	text_addf(&value, "%lld %lld", (long long)trust->count, (long long)trust->counted_ms);
	counting_remember(walk, &(struct memory){
					.set = SPAN(GREYLIST_TRUSTED_SET),
					.key = span_from(trust->key, sizeof(GREYLIST_TRUSTED_SET)),
					.value = arena_copy(walk->ledger->arena, text_span(&value)),
					.keep_ms = greylist->trust_keep_ms,
				});
}

static void trust_raise(struct walk *walk, const struct greylist *greylist, struct trust trust)
{
	if (trust.key.at == NULL || (trust.count > 0 && walk->attempt->time_ms - trust.counted_ms <
								greylist->trust_every_ms))
		return;
	trust.count += trust.count < TRUST_BY_HAND - 1;
	trust.counted_ms = walk->attempt->time_ms;
	trust_write(walk, greylist, &trust);
}

/* What is known of the client's trust.
 *
 * @return false: it is pending
 */
static bool trust_ask(struct walk *walk, const struct greylist *greylist, struct trust *trust_out)
{
	const struct key by = counting_key_of_one(&greylist->trust_by);
	const struct fact *fact;
	struct keyed keyed;
	TEXT(room, FACT_KEY_MAX);

	*trust_out = (struct trust){ 0 };
	if (greylist->trust == 0)
		return true;
	keyed = counting_key(walk, SPAN(GREYLIST_TRUSTED_SET), &by, &room);
	if (keyed.state == VALUE_PENDING)
		return false;
	if (keyed.state != VALUE_KNOWN || keyed.has_empty)
		return true;
	fact = fact_ask(walk->ledger, FACT_REMEMBERED, keyed.key);
	if (fact->state == FACT_PENDING)
		return false;
	if (fact->state != FACT_FAILED) /* what is not known is not counted anew, either */
		*trust_out = trust_parse(fact);
	return true;
}

/* --- greylist --- */

enum value_state walk_greylist_key(const struct walk *walk, const struct greylist *greylist,
				   struct span *key_out)
{
	TEXT(room, FACT_KEY_MAX);
	struct keyed keyed = counting_key(walk, SPAN(""), &greylist->key, &room);

	*key_out = arena_copy(walk->ledger->arena, keyed.key);
	if (keyed.state == VALUE_KNOWN && keyed.is_first_empty)
		return VALUE_NONE;
	return keyed.state == VALUE_KNOWN && key_out->at == NULL ? VALUE_UNKNOWN : keyed.state;
}

/* Once, though several statements may find that it has waited. */
static void add_header(struct walk *walk, const struct statement *statement)
{
	const struct template *header = &statement->greylist->header;
	struct span text;

	if (header->piece_count == 0 || statement->observe || walk->greylisted.has_header ||
	    walk->prepend_count == PREPENDS_MAX || !walk_render(walk, header, &text))
		return;
	walk->prepend[walk->prepend_count++] = text;
	walk->greylisted.has_header = true;
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
	greylisted->had_passed = before != NULL && before->passed_ms > 0;
	greylisted->outcome = triplet_judge(before, &greylist->terms, now_ms);
	greylisted->wait_s = triplet_wait_s(before, &greylist->terms, now_ms);
	if (before != NULL && before->first_ms > 0 && now_ms > before->first_ms)
		greylisted->delayed_s = (now_ms - before->first_ms) / 1000;
}

/* A mail that has to wait on has not come back yet, whatever statements above have found. */
static void forget_returns(struct walk *walk)
{
	uint8_t kept = 0;

	for (uint8_t i = 0; i < walk->memory_count; i++)
		if (!span_equal(walk->memory[i].set, SPAN(GREYLIST_TRUSTED_SET)))
			walk->memory[kept++] = walk->memory[i];
	walk->memory_count = kept;
}

static bool greylist_defer(struct walk *walk, const struct statement *statement)
{
	if (!counting_decide(walk, statement, VERDICT_GREYLIST, &statement->text))
		return false;
	forget_returns(walk);
	return true;
}

static bool greylist_settle(struct walk *walk, const struct statement *statement,
			    const struct trust *trust)
{
	switch (walk->greylisted.outcome) {
	case TRIPLET_NEW:
	case TRIPLET_EARLY:
	case TRIPLET_EXPIRED: return greylist_defer(walk, statement);
	case TRIPLET_DENIED: return counting_decide(walk, statement, VERDICT_REJECT, NULL);
	case TRIPLET_PASSED:
		/* What is only observed does not count a second time what another has let through.
		 */
		if (!statement->observe || !walk->greylisted.had_passed)
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
		return counting_wait(walk);
	walk->greylisted = (struct greylisted){
		.statement = statement,
		.key = key,
		.has_header = walk->greylisted.has_header && span_equal(walk->greylisted.key, key),
	};
	if (greylist->trust > 0 && trust.count >= greylist->trust) {
		walk->greylisted.is_trusted = true;
		walk->greylisted.outcome = TRIPLET_ALLOWED;
		if (trust.count < TRUST_BY_HAND)
			trust_write(walk, greylist, &trust); /* for so long again */
		return false;
	}
	if (state == VALUE_KNOWN) {
		fact = fact_ask_triplet(walk->ledger, key, &greylist->asked);
		if (fact->state == FACT_PENDING)
			return counting_wait(walk);
		if (fact->state != FACT_FAILED) {
			greylist_judge(walk, greylist, fact);
			return greylist_settle(walk, statement, &trust);
		}
	}
	walk->greylisted.is_failed = true;
	return counting_fail(walk, statement, &greylist->failing);
}

/* --- read back --- */

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
		return value_missing(VALUE_PENDING);
	switch ((enum greylist_field)expr->field) {
	case GREYLIST_STATE: return (struct value){ .text = greylisted_state(greylisted) };
	case GREYLIST_WAIT: return (struct value){ .number = (double)greylisted->wait_s };
	case GREYLIST_DELAYED: return (struct value){ .number = (double)greylisted->delayed_s };
	}
	ENSURE(false);
}
