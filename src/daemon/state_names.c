/* state_names.c -- what the running policies greylist, limit and remember, as JSON. */
#include "daemon/state_names.h"

enum { KEEP_DAYS = 35 };

static const struct greylist *greylist_of(const struct policy *policy, uint16_t i)
{
	const struct statement *statement = &policy->statement[i];

	return statement->kind == STATEMENT_GREYLIST ? statement->greylist : NULL;
}

int64_t state_greylist_keep_ms(const struct config *config)
{
	int64_t keep_ms = 0;

	for (uint16_t i = 0; i < config->policy_count; i++)
		for (uint16_t k = 0; k < config->policy[i]->statement_count; k++) {
			const struct greylist *greylist = greylist_of(config->policy[i], k);

			if (greylist != NULL && greylist->terms.keep_ms > keep_ms)
				keep_ms = greylist->terms.keep_ms;
		}
	return keep_ms > 0 ? keep_ms : INT64_C(24) * 3600 * 1000 * KEEP_DAYS;
}

static void emit_number(struct emit *emit, struct span name, int64_t number)
{
	emit_key(emit, name);
	emit_int(emit, number);
}

static void emit_word(struct emit *emit, struct span name, struct span word)
{
	emit_key(emit, name);
	emit_text(emit, word);
}

void state_emit_greylists(struct emit *emit, const struct config *config)
{
	emit_begin(emit, '[');
	for (uint16_t i = 0; i < config->policy_count; i++)
		for (uint16_t k = 0; k < config->policy[i]->statement_count; k++) {
			const struct greylist *greylist = greylist_of(config->policy[i], k);

			if (greylist == NULL)
				continue;
			emit_begin(emit, '{');
			emit_word(emit, SPAN("policy"), config->policy[i]->name);
			emit_number(emit, SPAN("delay_ms"), greylist->terms.delay_ms);
			emit_number(emit, SPAN("window_ms"), greylist->terms.window_ms);
			emit_number(emit, SPAN("keep_ms"), greylist->terms.keep_ms);
			emit_end(emit, '}');
		}
	emit_end(emit, ']');
}

static void emit_limit(struct emit *emit, const struct policy *policy, const struct limit *limit)
{
	static const char *const countings[] = {
		[COUNTING_MESSAGES] = "messages",
		[COUNTING_RECIPIENTS] = "recipients",
		[COUNTING_BYTES] = "bytes",
		[COUNTING_DISTINCT] = "distinct",
	};
	TEXT(rates, RATES_TEXT_MAX);

	text_add_rates(&rates, &limit->rates);
	emit_begin(emit, '{');
	emit_word(emit, SPAN("name"), limit->name);
	emit_word(emit, SPAN("policy"), policy->name);
	emit_word(emit, SPAN("rates"), text_span(&rates));
	emit_word(emit, SPAN("counting"), span_cstr(countings[limit->counting]));
	if (limit->rates_from != NULL)
		emit_word(emit, SPAN("from"), limit->rates_from->name);
	emit_end(emit, '}');
}

void state_emit_limits(struct emit *emit, const struct config *config)
{
	emit_begin(emit, '[');
	for (uint16_t i = 0; i < config->policy_count; i++)
		for (uint8_t k = 0; k < config->policy[i]->limit_count; k++)
			emit_limit(emit, config->policy[i], config->policy[i]->limit[k]->limit);
	emit_end(emit, ']');
}

static bool has_trust(const struct config *config)
{
	for (uint16_t i = 0; i < config->policy_count; i++)
		for (uint16_t k = 0; k < config->policy[i]->statement_count; k++) {
			const struct greylist *greylist = greylist_of(config->policy[i], k);

			if (greylist != NULL && greylist->trust > 0)
				return true;
		}
	return false;
}

void state_emit_sets(struct emit *emit, const struct config *config)
{
	bool has_named = false;

	emit_begin(emit, '[');
	for (uint16_t i = 0; i < config->set_count; i++) {
		emit_text(emit, config->set[i]);
		has_named |= span_equal(config->set[i], SPAN(GREYLIST_TRUSTED_SET));
	}
	if (!has_named && has_trust(config))
		emit_text(emit, SPAN(GREYLIST_TRUSTED_SET));
	emit_end(emit, ']');
}
