/* classic_answer.c -- the check line, the answers' texts (7), and what is handed over. */
#include "checks/classic_priv.h"

static const struct span lookup_name[LOOKUP_COUNT] = {
	[LOOKUP_FROM_MX] = SPAN_INIT("FROM_MX"),
	[LOOKUP_FROM_MX_A] = SPAN_INIT("FROM_MX_A"),
	[LOOKUP_FROM_A] = SPAN_INIT("FROM_A"),
	[LOOKUP_HELO_MX] = SPAN_INIT("HELO_MX"),
	[LOOKUP_HELO_MX_A] = SPAN_INIT("HELO_MX_A"),
	[LOOKUP_HELO_A] = SPAN_INIT("HELO_A"),
	[LOOKUP_PTR] = SPAN_INIT("PTR"),
};

/* " NAME" into the check line; its points are entered under just that name. */
static void add_name(struct classic *c, struct span prefix, struct span name, struct span how,
		     double points)
{
	size_t at = c->check->len + 1;

	text_add_char(c->check, ' ');
	text_add(c->check, prefix);
	text_add(c->check, name);
	text_add(c->check, how);
	if (!c->check->overrun && c->weight_count < JUDGEMENT_WEIGHTS_MAX)
		c->weight[c->weight_count++] =
			(struct classic_weight){ (uint16_t)at, (uint16_t)(c->check->len - at),
						 points };
	c->score += points;
}

void classic_add(struct classic *c, struct span prefix, struct span name, double points)
{
	add_name(c, prefix, name, span_of("", 0), points);
	text_add_char(c->check, '=');
	text_add_double(c->check, points);
}

void classic_add_unsure(struct classic *c, struct span name, struct span how, double points)
{
	add_name(c, span_of("", 0), name, how, points);
	text_add_char(c->check, '(');
	text_add_double(c->check, points);
	text_add_char(c->check, ')');
}

/* Begin an answer: the evaluation is over. */
void classic_say(struct classic *c, struct span text)
{
	c->is_answered = true;
	text_add(c->answer, text);
}

void classic_say_prefix(struct classic *c)
{
	classic_say(c, c->set->add_header ? SPAN("PREPEND X-policyd-weight: ") : SPAN("DUNNO  "));
}

/* A7: the budget of errors is used up; the mail passes. */
void classic_say_trouble(struct classic *c, struct span where, struct span name)
{
	classic_say_prefix(c);
	text_add(c->answer, c->set->dns_trouble_text);
	text_add(c->answer, SPAN(" in "));
	text_add(c->answer, where);
	text_add(c->answer, name);
}

/* "rc:NAME, ..." hands the mail to a restriction class of Postfix: NAME alone goes out (1.2). */
static struct span restriction_class(struct span answer)
{
	struct span rest = answer;
	size_t end = 0;

	if (!span_has(answer, SPAN("rc:")))
		return answer;
	while (rest.len > 0 && rest.at[0] == ' ')
		rest = span_from(rest, 1);
	if (!span_starts_nocase(rest, SPAN("rc:")))
		return answer;
	rest = span_from(rest, 3);
	while (rest.len > 0 && rest.at[0] == ' ')
		rest = span_from(rest, 1);
	while (end < rest.len && !memchr(",; .", rest.at[end], 4))
		end++;
	return end == 0 || end == rest.len ? answer : span_first(rest, end);
}

/* A message of one word with something behind it: "REJECT; in ZONE" would be no action of
 * Postfix's, "REJECT in ZONE" is. */
static void part_first_word(struct text *answer)
{
	size_t blank = span_find(text_span(answer), ' ');

	if (blank == answer->len || blank == 0 || answer->at[blank - 1] != ';')
		return;
	memmove(answer->at + blank - 1, answer->at + blank, answer->len - blank);
	answer->len--;
}

/* What Postfix makes of an answer (7.3). */
static enum verdict_kind verdict_of(struct span answer)
{
	static const struct {
		struct span word;
		enum verdict_kind verdict;
	} meaning[] = {
		{ SPAN_INIT("DUNNO"), VERDICT_PASS },
		{ SPAN_INIT("PREPEND"), VERDICT_PASS },
		{ SPAN_INIT("REJECT"), VERDICT_REJECT },
		{ SPAN_INIT("OK"), VERDICT_PERMIT },
		{ SPAN_INIT("HOLD"), VERDICT_HOLD },
		{ SPAN_INIT("DISCARD"), VERDICT_DISCARD },
		{ SPAN_INIT("FILTER"), VERDICT_FILTER },
		{ SPAN_INIT("REDIRECT"), VERDICT_REDIRECT },
	};
	struct span word = span_first(answer, span_find(answer, ' '));

	if (word.len == 3 && ascii_is_digit(word.at[1]) && ascii_is_digit(word.at[2])) {
		if (word.at[0] == '5')
			return VERDICT_REJECT;
		if (word.at[0] == '4')
			return VERDICT_DEFER;
	}
	/* DEFER, DEFER_IF_PERMIT, DEFER_IF_REJECT */
	if (span_starts_nocase(word, SPAN("DEFER")))
		return VERDICT_DEFER;
	for (size_t i = 0; i < sizeof(meaning) / sizeof(*meaning); i++)
		if (span_equal_nocase(word, meaning[i].word))
			return meaning[i].verdict;
	return VERDICT_REPLY;
}

/* The lists and lookups that gave no answer, by name. */
static void name_unknown(struct classic *c, struct judgement *judgement)
{
	enum { UNKNOWN_MAX = CLASSIC_DNSBL_MAX + CLASSIC_RHSBL_MAX + LOOKUP_COUNT };
	struct span *unknown;
	uint8_t count = 0;

	if (!c->unknown_dnsbl && !c->unknown_rhsbl && !c->unknown_lookups)
		return;
	unknown = ARENA_ARRAY(c->ledger->arena, struct span, UNKNOWN_MAX);
	if (unknown == NULL)
		return;
	for (unsigned i = 0; i < CLASSIC_DNSBL_MAX; i++)
		if (c->unknown_dnsbl >> i & 1)
			unknown[count++] = c->set->dnsbl.row[i].name;
	for (unsigned i = 0; i < CLASSIC_RHSBL_MAX; i++)
		if (c->unknown_rhsbl >> i & 1)
			unknown[count++] = c->set->rhsbl.row[i].name;
	for (unsigned i = 0; i < LOOKUP_COUNT; i++)
		if (c->unknown_lookups >> i & 1)
			unknown[count++] = lookup_name[i];
	judgement->unknown = unknown;
	judgement->unknown_count = count;
}

static void name_weights(const struct classic *c, struct judgement *judgement)
{
	struct weight *weight;

	if (c->weight_count == 0)
		return;
	weight = ARENA_ARRAY(c->ledger->arena, struct weight, c->weight_count);
	if (weight == NULL)
		return;
	for (unsigned i = 0; i < c->weight_count; i++) {
		const struct classic_weight *from = &c->weight[i];

		weight[i].name = span_of(judgement->text.at + from->at, from->len);
		weight[i].points = from->points;
	}
	judgement->weight = weight;
	judgement->weight_count = c->weight_count;
}

const struct judgement *classic_judgement(struct classic *c)
{
	struct arena *arena = c->ledger->arena;
	struct judgement *judgement = ARENA_NEW(arena, struct judgement);
	struct memory *memory = NULL;

	if (judgement == NULL)
		return NULL;
	part_first_word(c->answer);
	judgement->reply = arena_copy(arena, span_trim(restriction_class(text_span(c->answer))));
	judgement->text = arena_copy(arena, text_span(c->check));
	if (judgement->reply.at == NULL || judgement->text.at == NULL)
		return NULL;
	judgement->verdict = verdict_of(judgement->reply);
	judgement->is_final = judgement->verdict != VERDICT_PASS;
	judgement->is_scored = c->is_scored;
	judgement->score = c->is_scored ? c->score : 0;
	if (c->has_weights)
		name_weights(c, judgement);
	name_unknown(c, judgement);
	if (c->memory_count > 0)
		memory = ARENA_ARRAY(arena, struct memory, c->memory_count);
	if (memory != NULL) {
		memcpy(memory, c->memory, sizeof(*memory) * c->memory_count);
		judgement->memory = memory;
		judgement->memory_count = c->memory_count;
	}
	return judgement;
}
