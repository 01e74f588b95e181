/* ledger.c -- the facts of one attempt: asked once, remembered, frozen. */
#include "weigh/ledger.h"

#include "base/ensure.h"
#include "weigh/tally.h"

void ledger_init(struct ledger *ledger, struct arena *arena, const struct recall *recall)
{
	memset(ledger, 0, offsetof(struct ledger, fact));
	ledger->arena = arena;
	ledger->recall = *recall;
}

/* A table of one attempt is too short-lived for a flood of collisions: eight bytes at a time,
 * multiplied, will do. */
static size_t key_hash(enum fact_kind kind, struct span key)
{
	uint64_t hash = (uint64_t)kind + key.len, word;

	for (size_t i = 0; i + sizeof(word) <= key.len; i += sizeof(word)) {
		memcpy(&word, key.at + i, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 32;
	}
	for (size_t i = key.len & ~(sizeof(word) - 1); i < key.len; i++)
		hash = (hash ^ (unsigned char)key.at[i]) * 16777619U;
	return (size_t)(hash ^ hash >> 32);
}

/* The slot of the fact, or the empty one where it belongs. */
static uint16_t *ledger_slot(struct ledger *ledger, enum fact_kind kind, struct span key)
{
	size_t at = key_hash(kind, key);

	for (;; at++) {
		uint16_t *slot = &ledger->slot[at % LEDGER_SLOTS];
		const struct fact *fact = *slot == 0 ? NULL : ledger->fact[*slot - 1];

		if (fact == NULL || (fact->kind == kind && span_equal(fact->key, key)))
			return slot;
	}
}

static void fact_fail(struct fact *fact, enum fact_cause cause)
{
	fact->state = FACT_FAILED;
	fact->cause = cause;
}

static void fact_order(struct ledger *ledger, struct fact *fact)
{
	if (fact_kind_is_dns(fact->kind) && ledger->question_count++ >= LEDGER_QUESTIONS_MAX) {
		ledger->overflowed = true;
		fact_fail(fact, CAUSE_TOOLARGE);
		return;
	}
	if (ledger->recall.recall(ledger->recall.self, fact)) {
		ENSURE(fact->state != FACT_PENDING);
		return;
	}
	ENSURE(fact->state == FACT_PENDING);
	if (ledger->closed || (ledger->closed_to_dns && fact_kind_is_dns(fact->kind))) {
		fact_fail(fact, CAUSE_TIMEOUT);
		return;
	}
	ledger->pending_count++;
	if (ledger->ordered_last == NULL)
		ledger->ordered_first = fact;
	else
		ledger->ordered_last->next_ordered = fact;
	ledger->ordered_last = fact;
}

static void fact_note_asker(const struct ledger *ledger, struct fact *fact)
{
	if (ledger->asker != LEDGER_NOBODY)
		fact->asked_by |= UINT64_C(1) << ledger->asker;
}

/* What the store is to do for a fact; nothing for most. */
struct task {
	const struct tally_count *count;
	const struct triplet_terms *terms;
};

/* @return false: no room */
static bool fact_set_task(struct ledger *ledger, struct fact *fact, const struct task *task)
{
	struct tally_count *count;

	fact->terms = task->terms;
	if (task->count == NULL)
		return true;
	count = ARENA_NEW(ledger->arena, struct tally_count);
	if (count == NULL)
		return false;
	*count = *task->count;
	fact->count = count;
	return true;
}

/* A new fact in its slot, not ordered yet; NULL: no room. */
static struct fact *fact_new(struct ledger *ledger, uint16_t *slot, enum fact_kind kind,
			     struct span key, const struct task *task)
{
	struct fact *fact = NULL;

	if (ledger->fact_count < LEDGER_FACTS_MAX)
		fact = ARENA_NEW(ledger->arena, struct fact);
	if (fact == NULL)
		return NULL;
	fact->kind = kind;
	fact->key = arena_copy(ledger->arena, key);
	if (fact->key.at == NULL || !fact_set_task(ledger, fact, task))
		return NULL;
	ledger->fact[ledger->fact_count++] = fact;
	*slot = ledger->fact_count;
	return fact;
}

static const struct fact *ask(struct ledger *ledger, enum fact_kind kind, struct span key,
			      const struct task *task)
{
	static const struct fact refused = { .state = FACT_FAILED, .cause = CAUSE_TOOLARGE };
	uint16_t *slot;
	struct fact *fact = NULL;

	if (key.len <= FACT_KEY_MAX) {
		slot = ledger_slot(ledger, kind, key);
		if (*slot != 0) {
			fact_note_asker(ledger, ledger->fact[*slot - 1]);
			return ledger->fact[*slot - 1];
		}
		fact = fact_new(ledger, slot, kind, key, task);
	}
	if (fact == NULL) {
		ledger->overflowed = true;
		return &refused;
	}
	fact_note_asker(ledger, fact);
	fact_order(ledger, fact);
	return fact;
}

const struct fact *fact_ask(struct ledger *ledger, enum fact_kind kind, struct span key)
{
	return ask(ledger, kind, key, &(struct task){ 0 });
}

const struct fact *fact_ask_tally(struct ledger *ledger, struct span key,
				  const struct tally_count *count)
{
	return ask(ledger, FACT_TALLY, key, &(struct task){ .count = count });
}

const struct fact *fact_ask_triplet(struct ledger *ledger, struct span key,
				    const struct triplet_terms *terms)
{
	return ask(ledger, FACT_GREYLIST, key, &(struct task){ .terms = terms });
}

struct fact *ledger_next_ordered(struct ledger *ledger)
{
	struct fact *fact = ledger->ordered_first;

	if (fact == NULL)
		return NULL;
	ledger->ordered_first = fact->next_ordered;
	if (ledger->ordered_first == NULL)
		ledger->ordered_last = NULL;
	fact->next_ordered = NULL;
	return fact;
}

void ledger_answered(struct ledger *ledger, struct fact *fact)
{
	ENSURE(fact->state != FACT_PENDING);
	ENSURE(ledger->pending_count > 0);
	ledger->pending_count--;
}

void ledger_close_to_dns(struct ledger *ledger)
{
	ENSURE(ledger->ordered_first == NULL);
	ledger->closed_to_dns = true;
	for (uint16_t i = 0; i < ledger->fact_count; i++) {
		struct fact *fact = ledger->fact[i];

		if (fact->state != FACT_PENDING || !fact_kind_is_dns(fact->kind))
			continue;
		fact_fail(fact, CAUSE_TIMEOUT);
		ledger->pending_count--;
	}
}

void ledger_close(struct ledger *ledger)
{
	ledger->closed = ledger->closed_to_dns = true;
	ledger->ordered_first = ledger->ordered_last = NULL;
	for (uint16_t i = 0; i < ledger->fact_count; i++)
		if (ledger->fact[i]->state == FACT_PENDING)
			fact_fail(ledger->fact[i], CAUSE_TIMEOUT);
	ledger->pending_count = 0;
}

void ledger_release(struct ledger *ledger)
{
	for (uint16_t i = 0; i < ledger->fact_count; i++)
		if (ledger->fact[i]->held != NULL)
			ledger->recall.release(ledger->recall.self, ledger->fact[i]);
	ledger->fact_count = 0;
}
