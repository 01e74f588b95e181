/* classic_lists.c -- address lists (4.4, 4.5) and domain lists (4.11).
 *
 * Differences from the original, on purpose (doc/policyd-weight.md): an answer of
 * 127.255.255.0/24 or from outside 127.0.0.0/8 is a refusal, treated like silence; a server that
 * fails or refuses counts as "not listed" as before, but the list is named under unknown.
 */
#include "checks/classic_priv.h"

#include "base/regex.h"
#include "mail/domain.h"

enum list_outcome { LIST_WAIT, LIST_HIT, LIST_MISS, LIST_ERROR };

static unsigned dnsbl_count(const struct classic *c)
{
	return c->set->dnsbl.count < CLASSIC_DNSBL_MAX ? c->set->dnsbl.count : CLASSIC_DNSBL_MAX;
}

static unsigned rhsbl_count(const struct classic *c)
{
	return c->set->rhsbl.count < CLASSIC_RHSBL_MAX ? c->set->rhsbl.count : CLASSIC_RHSBL_MAX;
}

/* Bytes that the original's DNS library writes with an escape: such a question never equals its
 * answer (5.1). */
static bool is_plain(char c)
{
	return c > ' ' && c < 0x7f && !memchr("\"();\\", c, 5);
}

enum name_shape { NAME_PLAIN, NAME_ODD, NAME_LONG_LABEL };

static enum name_shape name_shape(struct span name)
{
	enum name_shape shape = NAME_PLAIN;
	size_t label = 0;

	for (size_t i = 0; i <= name.len; i++) {
		if (i < name.len && name.at[i] != '.') {
			if (!is_plain(name.at[i]))
				shape = NAME_ODD;
			if (++label > DOMAIN_LABEL_MAX)
				return NAME_LONG_LABEL;
			continue;
		}
		if (label == 0)
			shape = NAME_ODD;
		label = 0;
	}
	return shape;
}

static bool is_listing(struct span item)
{
	return span_starts(item, SPAN("127.")) && !span_starts(item, SPAN("127.255.255.")) &&
	       !span_equal(item, SPAN("127.0.0.0")) && !span_equal(item, SPAN("127.0.0.1"));
}

/* What an answer means; *is_unknown_out: it proves nothing. */
static enum list_outcome answer_means(const struct fact *fact, bool *is_unknown_out)
{
	*is_unknown_out = fact->state == FACT_FAILED;
	switch (fact->state) {
	case FACT_PENDING: return LIST_WAIT;
	case FACT_NONE: return LIST_MISS;
	case FACT_KNOWN:
		/* A list that also refuses, or says what no list says, is not believed at all. */
		for (unsigned i = 0; i < fact->item_count; i++)
			*is_unknown_out |= !is_listing(fact->item[i]);
		return *is_unknown_out ? LIST_ERROR : LIST_HIT;
	case FACT_FAILED: break;
	}
	switch (fact->cause) {
	case CAUSE_SERVFAIL:
	case CAUSE_REFUSED:
	case CAUSE_BOGUS: return LIST_MISS;
	case CAUSE_NONE:
	case CAUSE_TIMEOUT:
	case CAUSE_MALFORMED:
	case CAUSE_TOOLARGE:
	case CAUSE_DOWN:
	case CAUSE_PARKED:
	case CAUSE_UNRECORDED:
	case CAUSE_COUNT: break;
	}
	return LIST_ERROR;
}

/* 5.1: ask for NAME.ZONE */
static enum list_outcome ask_list(struct classic *c, struct span name, struct span zone,
				  bool *is_unknown_out)
{
	*is_unknown_out = true;
	switch (name_shape(name)) {
	case NAME_LONG_LABEL: *is_unknown_out = false; return LIST_HIT;
	case NAME_ODD: return LIST_ERROR;
	case NAME_PLAIN: break;
	}
	while (name.len + 1 + zone.len > DOMAIN_NAME_MAX && span_find(name, '.') < name.len)
		name = span_from(name, span_find(name, '.') + 1);
	text_clear(c->key);
	text_add(c->key, name);
	text_add_char(c->key, '.');
	text_add_lower(c->key, zone);
	return answer_means(fact_ask(c->ledger, FACT_DNS_A, text_span(c->key)), is_unknown_out);
}

/* 4.4: a list that failed too often in a row is left alone for a while. */
static bool is_skipped(const struct classic *c, unsigned row)
{
	return c->state.has_errors &&
	       *classic_errors_of((struct classic *)c, row) > c->set->error_skip;
}

static void skip(struct classic *c, const struct list_row *list, unsigned row)
{
	int64_t *errors = classic_errors_of(c, row);

	classic_add_unsure(c, list->name, SPAN("=SKIP"), list->miss);
	c->unknown_dnsbl |= 1U << row;
	c->state.errors_changed = true;
	if (++*errors >= c->set->skip_release + c->set->error_skip)
		*errors = 0;
}

static bool address_list_failed(struct classic *c, const struct list_row *list, unsigned row)
{
	++*classic_errors_of(c, row);
	c->state.has_errors = true;
	c->state.errors_changed = true;
	if (--c->budget <= 0) {
		classic_say_trouble(c, list->zone, SPAN(" lookups"));
		classic_remember_accepted(c);
		return false;
	}
	classic_add_unsure(c, list->name, SPAN("=ERR"), list->miss);
	return true;
}

static bool has_dyn(struct span name)
{
	for (size_t i = 0; i + 3 <= name.len; i++)
		if (span_starts_nocase(span_from(name, i), SPAN("dyn")))
			return true;
	return false;
}

/* A refusal text that may be kept in the cache: no deferral, no restriction class. */
static bool may_be_cached(struct span text)
{
	text = span_trim(text);
	return !span_starts(text, SPAN("4")) && !span_starts_nocase(text, SPAN("DEFER")) &&
	       !span_starts_nocase(text, SPAN("rc:"));
}

/* A8 */
static bool too_listed(struct classic *c)
{
	classic_say(c, c->set->too_listed_text);
	text_add(c->answer, SPAN("; check http://www.robtex.com/rbl/"));
	text_add(c->answer, c->request.client_text);
	text_add(c->answer, SPAN(".html"));
	c->is_scored = true;
	c->has_weights = true;
	classic_remember_refused(c, span_of(NULL, 0));
	if (may_be_cached(c->set->too_listed_text))
		classic_cache_refused(c, true, c->list_sum);
	return false;
}

static bool address_list_hit(struct classic *c, const struct list_row *list)
{
	classic_add(c, SPAN("IN_"), list->name, list->hit);
	c->list_sum += list->hit;
	if (has_dyn(list->name))
		c->client_is_dynamic = true;
	if (list->hit <= 0)
		return true;
	c->hits++;
	if (c->hits > c->set->hits_max || c->list_sum > c->set->list_score_max)
		return too_listed(c);
	return true;
}

static void address_list_missed(struct classic *c, const struct list_row *list)
{
	if (c->set->log_bad_only && list->miss == 0)
		return;
	classic_add(c, SPAN("NOT_IN_"), list->name, list->miss);
}

static bool weigh_address_list(struct classic *c, unsigned row)
{
	const struct list_row *list = &c->set->dnsbl.row[row];
	bool is_unknown;
	enum list_outcome outcome = ask_list(c, c->request.reversed, list->zone, &is_unknown);

	if (outcome != LIST_WAIT && is_unknown)
		c->unknown_dnsbl |= 1U << row;
	if ((outcome == LIST_HIT || outcome == LIST_MISS) && c->state.has_errors &&
	    *classic_errors_of(c, row) != 0) {
		*classic_errors_of(c, row) = 0;
		c->state.errors_changed = true;
	}
	switch (outcome) {
	case LIST_WAIT: c->is_waiting = true; return false;
	case LIST_ERROR: return address_list_failed(c, list, row);
	case LIST_HIT: return address_list_hit(c, list);
	case LIST_MISS: address_list_missed(c, list); return true;
	}
	return true;
}

bool classic_address_lists(struct classic *c)
{
	for (unsigned row = 0; row < dnsbl_count(c); row++) {
		if (is_skipped(c, row))
			skip(c, &c->set->dnsbl.row[row], row);
		else if (!weigh_address_list(c, row))
			return false;
	}
	return true;
}

/* The pattern of dnsbl_checks_only_regexps that the client's name matches, from 1; or 0. */
static unsigned lists_only_pattern(const struct classic *c)
{
	const struct regex_list *list = &c->set->lists_only_names;

	if (c->request.client_name.len == 0)
		return 0;
	for (unsigned i = 0; i < list->count; i++)
		if (list->regex[i] != NULL && regex_matches(list->regex[i], c->request.client_name))
			return i + 1;
	return 0;
}

/* A9, A10 */
static bool say_lists_only(struct classic *c, unsigned pattern)
{
	classic_say_prefix(c);
	c->has_weights = true;
	text_add(c->answer, text_span(c->check));
	text_add(c->answer, SPAN(" (only DNSBL check requested"));
	if (pattern > 0) {
		text_add(c->answer, SPAN(" (regex-nr: "));
		text_add_int(c->answer, pattern);
		text_add_char(c->answer, ')');
	}
	text_add_char(c->answer, ')');
	return false;
}

bool classic_lists_may_end(const struct classic *c)
{
	return c->set->lists_only || lists_only_pattern(c) > 0 || c->state.is_soft;
}

bool classic_stop_after_lists(struct classic *c)
{
	unsigned pattern;

	if (c->set->lists_only)
		return say_lists_only(c, 0);
	pattern = lists_only_pattern(c);
	if (pattern > 0)
		return say_lists_only(c, pattern);
	if (!c->state.is_soft || c->hits > 0)
		return true;
	/* A11 */
	classic_say_prefix(c);
	text_add(c->answer, c->set->accepted_text);
	text_add(c->answer, SPAN("; rate: "));
	text_add_double(c->answer, c->state.soft_rate);
	c->is_scored = true;
	c->score = c->state.soft_rate;
	classic_remember_accepted(c);
	return false;
}

/* What the domain lists are asked for: behind the first @. */
static struct span listed_domain(const struct classic *c)
{
	struct span sender = c->request.sender;
	size_t at = span_find(sender, '@');

	return at < sender.len ? span_from(sender, at + 1) : c->left_over;
}

static bool domain_list_failed(struct classic *c, const struct list_row *list, unsigned row)
{
	c->unknown_rhsbl |= 1U << row;
	if (--c->budget > 0)
		return true;
	classic_say_trouble(c, list->zone, SPAN(" lookups"));
	classic_remember_accepted(c);
	return false;
}

static void domain_list_hit(struct classic *c, const struct list_row *list, unsigned row)
{
	double points = classic_round(list->hit + c->penalty + c->list_sum / 2);

	classic_add(c, SPAN("IN_"), list->name, points);
	c->score = classic_round(c->score);
	c->rhsbl_hits |= (uint16_t)(1U << row);
}

bool classic_domain_lists(struct classic *c)
{
	struct span domain = listed_domain(c);

	if (c->score >= c->set->reject_level)
		return true;
	if (c->mismatch || c->half || c->bogus)
		c->penalty += c->set->rhsbl_penalty[0];
	for (unsigned row = 0; row < rhsbl_count(c); row++) {
		const struct list_row *list = &c->set->rhsbl.row[row];
		bool is_unknown;

		switch (ask_list(c, domain, list->zone, &is_unknown)) {
		case LIST_WAIT: c->is_waiting = true; return false;
		case LIST_ERROR:
			if (!domain_list_failed(c, list, row))
				return false;
			break;
		case LIST_HIT: domain_list_hit(c, list, row); break;
		case LIST_MISS:
			if (is_unknown)
				c->unknown_rhsbl |= 1U << row;
			break;
		}
	}
	return true;
}

void classic_order_lists(struct classic *c)
{
	bool is_unknown;

	for (unsigned row = 0; row < dnsbl_count(c); row++)
		if (!is_skipped(c, row))
			(void)ask_list(c, c->request.reversed, c->set->dnsbl.row[row].zone,
				       &is_unknown);
}

void classic_order_domain_lists(struct classic *c)
{
	bool is_unknown;

	if (span_find(c->request.sender, '@') == c->request.sender.len)
		return; /* what will be asked depends on the greeting: rare, and asked alone */
	for (unsigned row = 0; row < rhsbl_count(c); row++)
		(void)ask_list(c, listed_domain(c), c->set->rhsbl.row[row].zone, &is_unknown);
}
