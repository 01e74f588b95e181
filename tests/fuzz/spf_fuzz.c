/* spf_fuzz.c -- hostile records, macros and names through all of SPF.
 *
 * An input is a letter and lines: the record, sender, HELO name, explanation, a second record
 * and a PTR name.  The letter says of which family the client is, and which names fail.
 * Held: bounds of texts and questions; nothing that goes out has a byte outside printable ASCII;
 * answers that come in rounds give the same result as answers that are all there.
 */
#include "base/ensure.h"
#include "checks/spf_host.h"
#include "mail/domain.h"
#include "mail/spf.h"
#include "mail/spf_macro.h"

#include <stdint.h>

enum { ARENA_BYTES_MAX = 1024 * 1024, LINES = 6 };

enum line { RECORD, SENDER, HELO, EXPLANATION, OTHER, NAME };

struct world {
	struct span line[LINES];
	unsigned char letter;
	bool is_slow; /* answers come only when they are waited for */
	struct arena arena;
	struct ledger ledger;
};

static void check_printable(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		ENSURE(s.at[i] >= ' ' && s.at[i] <= '~');
}

static void give(struct world *world, struct fact *fact, struct span raw)
{
	struct span *item = ARENA_NEW(&world->arena, struct span);
	struct text text = { .room = 4 * raw.len + 1 };

	text.at = arena_alloc(&world->arena, text.room);
	ENSURE(item != NULL && text.at != NULL);
	for (size_t i = 0; i < raw.len; i++) {
		unsigned char c = (unsigned char)raw.at[i];

		if (c == '\\')
			text_add(&text, SPAN("\\\\"));
		else if (c >= ' ' && c <= '~')
			text_add_char(&text, raw.at[i]);
		else
			text_addf(&text, "\\%03u", (unsigned)c);
	}
	*item = text_span(&text);
	fact->state = FACT_KNOWN;
	fact->item = item;
	fact->item_count = 1;
}

static void give_name(struct world *world, struct fact *fact, const char *front)
{
	struct span raw = span_first(world->line[NAME], DOMAIN_NAME_MAX);
	TEXT(name, DOMAIN_TEXT_MAX + 16);
	unsigned char wire[255];
	size_t len;

	text_add_domain(&name, raw);
	if (domain_to_wire(text_span(&name), wire, &len) != OK) {
		fact->state = FACT_NONE;
		return;
	}
	text_clear(&name);
	text_add(&name, span_cstr(front));
	text_add_domain(&name, raw);
	give(world, fact, SPAN(""));
	((struct span *)fact->item)[0] = arena_copy(&world->arena, text_span(&name));
}

/* What the world answers depends on the name and the input alone. */
static void answer(struct world *world, struct fact *fact)
{
	unsigned lot = (unsigned)fact->key.len + (unsigned char)fact->key.at[0];

	check_printable(fact->key);
	ENSURE(fact->key.len > 0 && fact->key.len <= DOMAIN_TEXT_MAX);
	if ((world->letter & 4) != 0 && lot % 5 == 0) {
		fact->state = FACT_FAILED;
		fact->cause = CAUSE_TIMEOUT;
		return;
	}
	switch (fact->kind) {
	case FACT_DNS_TXT:
		if (span_starts(fact->key, SPAN("e")))
			give(world, fact, world->line[EXPLANATION]);
		else
			give(world, fact, world->line[lot % 3 == 0 ? OTHER : RECORD]);
		break;
	case FACT_DNS_MX: give_name(world, fact, "10 "); break;
	case FACT_DNS_PTR: give_name(world, fact, ""); break;
	case FACT_DNS_A:
	case FACT_DNS_AAAA:
		fact->state = FACT_NONE;
		if (lot % 3 == 1)
			give(world, fact,
			     fact->kind == FACT_DNS_A ? SPAN("192.0.2.1") : SPAN("::2"));
		break;
	case FACT_DNS_SOA:
	case FACT_REMEMBERED:
	case FACT_TALLY:
	case FACT_GREYLIST:
	case FACT_KIND_COUNT: ENSURE(false);
	}
}

static bool recall(void *self, struct fact *fact)
{
	struct world *world = self;

	if (!world->is_slow)
		answer(world, fact);
	return !world->is_slow;
}

static void release(void *self, struct fact *fact)
{
	(void)self;
	(void)fact;
}

static struct spf_answer evaluate(struct world *world)
{
	const struct recall from_world = { recall, release, world };
	struct spf_question question = { .helo = world->line[HELO],
					 .receiver = SPAN("mx.test"),
					 .time_s = 1,
					 .void_lookups_max = SPF_VOID_LOOKUPS_MAX };
	struct spf_answer found;
	unsigned rounds = 0;

	ENSURE(ip_parse((world->letter & 1) != 0 ? SPAN("2001:db8::1") : SPAN("192.0.2.1"),
			&question.client) == OK);
	spf_set_sender(&question, world->line[SENDER]);
	arena_init(&world->arena, ARENA_BYTES_MAX);
	ledger_init(&world->ledger, &world->arena, &from_world);
	for (spf_check_host(&question, &world->ledger, &found); found.result == SPF_PENDING;
	     spf_check_host(&question, &world->ledger, &found)) {
		struct fact *fact;

		ENSURE(world->is_slow && world->ledger.pending_count > 0);
		ENSURE(++rounds <= SPF_ROUNDS_MAX);
		while ((fact = ledger_next_ordered(&world->ledger)) != NULL) {
			answer(world, fact);
			ledger_answered(&world->ledger, fact);
		}
	}
	ENSURE(world->ledger.question_count <= SPF_QUESTIONS_MAX);
	ENSURE(!world->ledger.overflowed);
	check_printable(found.explanation);
	ENSURE(found.explanation.len <= SPF_EXPLANATION_MAX);
	ENSURE(found.explanation.len == 0 || found.result == SPF_FAIL);
	return found;
}

static void check_macros(struct span macros, struct span hostile)
{
	struct spf_macro_values values = { .sender = hostile,
					   .local = hostile,
					   .sender_domain = hostile,
					   .domain = hostile,
					   .validated = hostile,
					   .helo = hostile,
					   .receiver = hostile };
	TEXT(text, SPF_EXPANDED_MAX);

	ENSURE(ip_parse(SPAN("2001:db8::1"), &values.client) == OK);
	if (spf_macro_check(macros, SPF_IN_EXPLANATION) == OK) {
		text_add_spf_expanded(&text, macros, &values);
		ENSURE(text.len <= SPF_EXPANDED_MAX);
	}
	if (spf_domain_spec_check(macros) == OK) {
		struct span name = spf_domain_spec_expand(&text, macros, &values);

		ENSURE(name.len <= DOMAIN_NAME_MAX);
	}
}

static void check_terms(struct span record)
{
	struct span terms, all;
	struct spf_term term;
	size_t count = 0;

	if (!spf_is_record(record, &terms) || spf_check(terms) != OK)
		return;
	all = terms;
	for (; spf_cut_term(&terms, &term); count++) {
		ENSURE(term.text.at >= all.at);
		ENSURE(term.text.at + term.text.len <= all.at + all.len);
	}
	ENSURE(count <= all.len);
	check_printable(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static struct world at_once, in_rounds;
	struct span rest = span_of((const char *)bytes, count);
	struct spf_answer a, b;

	memset(at_once.line, 0, sizeof(at_once.line));
	at_once.letter = count > 0 ? bytes[0] : 0;
	rest = span_from(rest, 1);
	for (int i = 0; i < LINES; i++)
		if (!span_cut(&rest, '\n', &at_once.line[i]))
			at_once.line[i] = SPAN("");
	check_terms(at_once.line[RECORD]);
	check_macros(at_once.line[EXPLANATION], at_once.line[SENDER]);
	in_rounds = at_once;
	in_rounds.is_slow = true;
	a = evaluate(&at_once);
	b = evaluate(&in_rounds);
	ENSURE(a.result == b.result && span_equal(a.explanation, b.explanation));
	ENSURE(span_equal(a.mechanism, b.mechanism) && span_equal(a.domain, b.domain));
	ENSURE(span_equal(a.problem, b.problem));
	arena_release(&at_once.arena);
	arena_release(&in_rounds.arena);
	return 0;
}
