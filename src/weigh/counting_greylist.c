/* counting_greylist.c -- the statement greylist. */
#include "weigh/counting_priv.h"

#include "base/ensure.h"
#include "base/number.h"

enum { TRUST_TEXT_MAX = 80, TRUST_TOUCH_MS = 3600 * 1000 };

/* --- who is trusted --- */

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
	counting_remember(walk, &(struct memory){
					.set = SPAN(GREYLIST_TRUSTED_SET),
					.key = span_from(trust->key, sizeof(GREYLIST_TRUSTED_SET)),
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
	case TRIPLET_EXPIRED:
		return counting_decide(walk, statement, VERDICT_GREYLIST, &statement->text);
	case TRIPLET_DENIED: return counting_decide(walk, statement, VERDICT_REJECT, NULL);
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
		return counting_wait(walk);
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
