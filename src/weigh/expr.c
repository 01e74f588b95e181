/* expr.c -- evaluating expressions of the policy language. */
#include "weigh/expr.h"

#include "base/ensure.h"
#include "base/number.h"
#include "base/regex.h"
#include "base/utc.h"
#include "mail/address.h"
#include "mail/fold.h"
#include "weigh/counting.h"
#include "weigh/headers.h"
#include "weigh/walk.h"

enum { NUMBER_TEXT_MAX = 40, FOLDED_TEXT_MAX = 2048, NETWORK_BITS_V4 = 24, NETWORK_BITS_V6 = 64 };

static struct value value_truth(bool truth)
{
	return (struct value){ .truth = truth };
}

static struct value value_number(double number)
{
	return (struct value){ .number = number };
}

static struct value value_text(struct span text)
{
	return (struct value){ .text = text };
}

static struct value value_without(enum value_state state)
{
	return (struct value){ .state = state };
}

/* A text under construction becomes one of the attempt's. */
static struct value value_kept(const struct walk *walk, const struct text *text)
{
	struct span kept = arena_copy(walk->ledger->arena, text_span(text));

	return kept.at == NULL ? value_without(VALUE_UNKNOWN) : value_text(kept);
}

/* --- leaves --- */

static struct value evaluate_constant(const struct expr *expr, const struct walk *walk)
{
	(void)walk;
	return expr->constant;
}

static struct span attribute_of(const struct expr *expr, const struct walk *walk)
{
	return walk->attempt->attribute[expr->attribute];
}

static struct value evaluate_attribute(const struct expr *expr, const struct walk *walk)
{
	if (expr->attribute == ATTRIBUTE_client_address && expr->type == TYPE_ADDRESS)
		return (struct value){ .address = walk->attempt->client };
	return value_text(attribute_of(expr, walk));
}

static struct value evaluate_number_of(const struct expr *expr, const struct walk *walk)
{
	struct value value = expr->left == NULL ? value_text(attribute_of(expr, walk))
						: expr_evaluate(expr->left, walk);
	double number;

	if (value.state != VALUE_KNOWN)
		return value;
	if (value.text.len == 0)
		return value_without(VALUE_NONE);
	if (decimal_parse(value.text, &number) != OK)
		return value_without(VALUE_UNKNOWN);
	return value_number(number);
}

static struct value evaluate_local(const struct expr *expr, const struct walk *walk)
{
	return value_text(address_local(attribute_of(expr, walk)));
}

static struct value evaluate_domain(const struct expr *expr, const struct walk *walk)
{
	struct span text = attribute_of(expr, walk);

	if (expr->attribute == ATTRIBUTE_sender || expr->attribute == ATTRIBUTE_recipient ||
	    expr->attribute == ATTRIBUTE_sasl_username || expr->attribute == ATTRIBUTE_sasl_sender)
		return value_text(address_domain(text));
	/* Of a host name: what follows its first label. */
	return value_text(span_from(text, span_find(text, '.') + 1));
}

static struct value evaluate_folded(const struct expr *expr, const struct walk *walk)
{
	TEXT(text, FOLDED_TEXT_MAX);

	text_add_folded(&text, span_first(attribute_of(expr, walk), FOLDED_TEXT_MAX));
	return value_kept(walk, &text);
}

static struct value evaluate_untagged(const struct expr *expr, const struct walk *walk)
{
	TEXT(text, FOLDED_TEXT_MAX);

	text_add_untagged(&text, span_first(attribute_of(expr, walk), FOLDED_TEXT_MAX));
	return value_kept(walk, &text);
}

static struct value evaluate_client_network(const struct expr *expr, const struct walk *walk)
{
	struct ip client = walk->attempt->client;
	struct prefix network =
		prefix_of(client, client.family == IP_V4 ? NETWORK_BITS_V4 : NETWORK_BITS_V6);
	TEXT(text, IP_TEXT_MAX + 4);

	(void)expr;
	if (client.family == IP_NONE)
		return value_text(SPAN(""));
	text_add_prefix(&text, &network);
	return value_kept(walk, &text);
}

static struct value evaluate_id(const struct expr *expr, const struct walk *walk)
{
	(void)expr;
	return value_text(walk->attempt->id);
}

static struct value evaluate_hostname(const struct expr *expr, const struct walk *walk)
{
	(void)expr;
	return value_text(walk->policy->receiver);
}

static struct value evaluate_date(const struct expr *expr, const struct walk *walk)
{
	TEXT(date, UTC_MAIL_DATE_MAX);

	(void)expr;
	text_add_mail_date(&date, walk->attempt->time_ms);
	return value_kept(walk, &date);
}

static void summary_add_unknown(struct text *text, const struct walk *walk)
{
	bool is_first = true;

	for (unsigned i = 0; i < walk->policy->weigh_count; i++) {
		if (!walk_is_unknown(walk, i))
			continue;
		text_add(text, is_first ? SPAN("; unknown=") : SPAN(","));
		text_add(text, walk->policy->weigh[i]->name);
		is_first = false;
	}
}

static struct value evaluate_summary(const struct expr *expr, const struct walk *walk)
{
	struct weight weight[JUDGEMENT_WEIGHTS_MAX];
	TEXT(text, SUMMARY_TEXT_MAX);
	size_t count;

	(void)expr;
	if (walk->is_pending)
		return value_without(VALUE_PENDING);
	count = walk_points(walk, weight, JUDGEMENT_WEIGHTS_MAX);
	text_add(&text, SPAN("score="));
	text_add_double(&text, walk->score);
	text_add(&text, SPAN("; id="));
	text_add(&text, walk->attempt->id);
	for (size_t i = 0; i < count; i++) {
		text_add(&text, i == 0 ? SPAN("; ") : SPAN(" "));
		text_add(&text, weight[i].name);
		text_add_char(&text, '=');
		text_add_double(&text, weight[i].points);
	}
	summary_add_unknown(&text, walk);
	return value_kept(walk, &text);
}

static struct value evaluate_received_spf(const struct expr *expr, const struct walk *walk)
{
	(void)expr;
	return header_received_spf(walk);
}

static struct value evaluate_received_spf_helo(const struct expr *expr, const struct walk *walk)
{
	(void)expr;
	return header_received_spf_helo(walk);
}

static struct value evaluate_authentication_results(const struct expr *expr,
						    const struct walk *walk)
{
	(void)expr;
	return header_authentication_results(walk);
}

static struct value evaluate_score(const struct expr *expr, const struct walk *walk)
{
	(void)expr;
	return walk->is_pending ? value_without(VALUE_PENDING) : value_number(walk->score);
}

/* The largest positive points among findings, a bit for each. */
static double heaviest(const struct statement *weigh, uint32_t findings)
{
	unsigned count = statement_finding_count(weigh);
	double most = 0;

	for (unsigned i = 0; i < count; i++)
		if ((findings >> i & 1) != 0 && weigh->points[i] > most)
			most = weigh->points[i];
	return most;
}

/* A statement weighs as much as its heaviest finding, and its unknown part as the heaviest that
 * could not be settled.  A check that judges by itself weighs 1, all of it unknown when it names
 * anything as such. */
static struct value evaluate_unknown_share(const struct expr *expr, const struct walk *walk)
{
	double weight = 0, unknown = 0;

	(void)expr;
	if (walk->is_pending)
		return value_without(VALUE_PENDING);
	for (unsigned i = 0; i < walk->policy->weigh_count; i++) {
		const struct findings *found = &walk->findings[i];

		if (!walk->is_weighed[i] || walk->is_skipped[i])
			continue;
		if (found->own != NULL) {
			weight += 1;
			unknown += found->own->unknown_count > 0;
			continue;
		}
		weight += heaviest(walk->policy->weigh[i], UINT32_MAX);
		unknown += heaviest(walk->policy->weigh[i], found->unknown);
	}
	return value_number(weight > 0 ? unknown / weight : 0);
}

static struct value evaluate_finding(const struct expr *expr, const struct walk *walk)
{
	const struct findings *found = &walk->findings[expr->weigh];

	if (walk->is_skipped[expr->weigh])
		return value_number(0);
	if (!walk->is_weighed[expr->weigh])
		return value_without(VALUE_PENDING);
	if (found->times[expr->finding] == 0 && (found->unknown >> expr->finding & 1) != 0)
		return value_without(VALUE_UNKNOWN);
	return value_number(found->times[expr->finding]);
}

static struct value evaluate_finding_text(const struct expr *expr, const struct walk *walk)
{
	if (walk->is_skipped[expr->weigh])
		return value_text(SPAN(""));
	if (!walk->is_weighed[expr->weigh])
		return value_without(VALUE_PENDING);
	return value_text(walk->findings[expr->weigh].text[expr->finding]);
}

static bool weigh_hits(const struct statement *weigh, const struct findings *found)
{
	unsigned count = statement_finding_count(weigh);

	for (unsigned i = 0; i < count; i++)
		if (found->times[i] > 0 &&
		    !span_equal(statement_finding_name(weigh, i), SPAN(ZONE_CLEAR)))
			return true;
	return false;
}

/* What was seen so far: a list that did not answer is no hit. */
static struct value evaluate_hits(const struct expr *expr, const struct walk *walk)
{
	double hits = 0;

	for (unsigned i = 0; i < walk->policy->weigh_count; i++) {
		const struct statement *weigh = walk->policy->weigh[i];

		if (weigh->check != expr->check || walk->is_skipped[i])
			continue;
		if (!walk->is_weighed[i])
			return value_without(VALUE_PENDING);
		hits += weigh_hits(weigh, &walk->findings[i]);
	}
	return value_number(hits);
}

static struct value evaluate_variable(const struct expr *expr, const struct walk *walk)
{
	return walk->variable[expr->variable];
}

/* --- truth --- */

static struct value evaluate_or(const struct expr *expr, const struct walk *walk)
{
	struct value left = expr_evaluate(expr->left, walk), right;

	if (left.state == VALUE_KNOWN && left.truth)
		return left;
	right = expr_evaluate(expr->right, walk);
	if (right.state == VALUE_KNOWN && (right.truth || left.state == VALUE_KNOWN))
		return right;
	if (left.state == VALUE_PENDING || right.state == VALUE_PENDING)
		return value_without(VALUE_PENDING);
	return value_without(VALUE_UNKNOWN);
}

static struct value evaluate_and(const struct expr *expr, const struct walk *walk)
{
	struct value left = expr_evaluate(expr->left, walk), right;

	if (left.state == VALUE_KNOWN && !left.truth)
		return left;
	right = expr_evaluate(expr->right, walk);
	if (right.state == VALUE_KNOWN && (!right.truth || left.state == VALUE_KNOWN))
		return right;
	if (left.state == VALUE_PENDING || right.state == VALUE_PENDING)
		return value_without(VALUE_PENDING);
	return value_without(VALUE_UNKNOWN);
}

static struct value evaluate_not(const struct expr *expr, const struct walk *walk)
{
	struct value value = expr_evaluate(expr->left, walk);

	value.truth = value.state == VALUE_KNOWN && !value.truth;
	return value;
}

static struct value evaluate_truth_of(const struct expr *expr, const struct walk *walk)
{
	struct value value = expr_evaluate(expr->left, walk);

	if (value.state == VALUE_NONE)
		return value_truth(false);
	if (value.state != VALUE_KNOWN)
		return value;
	switch (expr->left->type) {
	case TYPE_TRUTH: return value;
	case TYPE_NUMBER: return value_truth(value.number != 0);
	case TYPE_TEXT: return value_truth(value.text.len > 0);
	case TYPE_ADDRESS: return value_truth(value.address.family != IP_NONE);
	}
	ENSURE(false);
}

static struct value evaluate_unknown(const struct expr *expr, const struct walk *walk)
{
	struct value value = expr_evaluate(expr->left, walk);

	return value.state == VALUE_PENDING ? value : value_truth(value.state == VALUE_UNKNOWN);
}

static struct value evaluate_coalesce(const struct expr *expr, const struct walk *walk)
{
	struct value left = expr_evaluate(expr->left, walk);

	if (left.state == VALUE_KNOWN || left.state == VALUE_PENDING)
		return left;
	return expr_evaluate(expr->right, walk);
}

/* --- two values --- */

/* Both sides known?  Else what the whole then is. */
static bool evaluate_both(const struct expr *expr, const struct walk *walk, struct value *left_out,
			  struct value *right_out)
{
	*left_out = expr_evaluate(expr->left, walk);
	*right_out = expr_evaluate(expr->right, walk);
	if (left_out->state == VALUE_KNOWN && right_out->state == VALUE_KNOWN)
		return true;
	if (left_out->state == VALUE_PENDING || right_out->state == VALUE_PENDING)
		*left_out = value_without(VALUE_PENDING);
	else
		*left_out = value_without(VALUE_UNKNOWN);
	return false;
}

static bool values_equal(enum value_type type, const struct value *a, const struct value *b)
{
	switch (type) {
	case TYPE_TRUTH: return a->truth == b->truth;
	case TYPE_NUMBER: return a->number == b->number;
	case TYPE_TEXT: return span_equal_nocase(a->text, b->text);
	case TYPE_ADDRESS: return ip_equal(a->address, b->address);
	}
	ENSURE(false);
}

static struct value evaluate_equal(const struct expr *expr, const struct walk *walk)
{
	struct value left, right;

	if (!evaluate_both(expr, walk, &left, &right))
		return left;
	return value_truth(values_equal(expr->left->type, &left, &right) ==
			   (expr->kind == EXPR_EQUAL));
}

static struct value evaluate_order(const struct expr *expr, const struct walk *walk)
{
	struct value left, right;

	if (!evaluate_both(expr, walk, &left, &right))
		return left;
	if (expr->kind == EXPR_LESS)
		return value_truth(left.number < right.number);
	if (expr->kind == EXPR_LESS_EQUAL)
		return value_truth(left.number <= right.number);
	if (expr->kind == EXPR_GREATER)
		return value_truth(left.number > right.number);
	return value_truth(left.number >= right.number);
}

static struct value evaluate_arithmetic(const struct expr *expr, const struct walk *walk)
{
	struct value left, right;

	if (!evaluate_both(expr, walk, &left, &right))
		return left;
	if (expr->kind == EXPR_ADD)
		return value_number(left.number + right.number);
	if (expr->kind == EXPR_SUBTRACT)
		return value_number(left.number - right.number);
	if (expr->kind == EXPR_MULTIPLY)
		return value_number(left.number * right.number);
	if (right.number == 0)
		return value_without(VALUE_UNKNOWN);
	return value_number(left.number / right.number);
}

static struct value evaluate_negate(const struct expr *expr, const struct walk *walk)
{
	struct value value = expr_evaluate(expr->left, walk);

	value.number = value.state == VALUE_KNOWN ? -value.number : 0;
	return value;
}

/* --- tables, patterns, texts --- */

static bool find_in_table(const struct expr *expr, const struct value *key, struct span *value_out)
{
	if (expr->left->type == TYPE_ADDRESS)
		return table_find_address(expr->table, key->address, value_out);
	return table_find(expr->table, key->text, value_out);
}

static struct value evaluate_in(const struct expr *expr, const struct walk *walk)
{
	struct value key = expr_evaluate(expr->left, walk);
	struct span found;

	if (key.state == VALUE_NONE)
		return value_truth(false);
	return key.state == VALUE_KNOWN ? value_truth(find_in_table(expr, &key, &found)) : key;
}

static struct value evaluate_lookup(const struct expr *expr, const struct walk *walk)
{
	struct value key = expr_evaluate(expr->left, walk);
	struct span found;

	if (key.state != VALUE_KNOWN)
		return key;
	return find_in_table(expr, &key, &found) ? value_text(found) : value_without(VALUE_NONE);
}

static struct value evaluate_matches(const struct expr *expr, const struct walk *walk)
{
	struct value subject = expr_evaluate(expr->left, walk);
	bool matches;

	if (subject.state == VALUE_NONE)
		return value_truth(false);
	if (subject.state != VALUE_KNOWN)
		return subject;
	if (regex_match(expr->regex, subject.text, &matches) != OK)
		return value_without(VALUE_UNKNOWN);
	return value_truth(matches);
}

static struct value evaluate_text_of(const struct expr *expr, const struct walk *walk)
{
	struct value value = expr_evaluate(expr->left, walk);
	TEXT(text, NUMBER_TEXT_MAX + IP_TEXT_MAX);

	if (value.state == VALUE_NONE)
		return value_text(SPAN(""));
	if (value.state == VALUE_UNKNOWN)
		return value_text(SPAN("unknown"));
	if (value.state == VALUE_PENDING)
		return value;
	switch (expr->left->type) {
	case TYPE_TRUTH: return value_text(value.truth ? SPAN("yes") : SPAN("no"));
	case TYPE_NUMBER: text_add_double(&text, value.number); break;
	case TYPE_TEXT: return value;
	case TYPE_ADDRESS: text_add_ip(&text, value.address); break;
	}
	return value_kept(walk, &text);
}

struct value expr_evaluate(const struct expr *expr, const struct walk *walk)
{
	static struct value (*const evaluate[])(const struct expr *, const struct walk *) = {
		[EXPR_CONSTANT] = evaluate_constant,
		[EXPR_ATTRIBUTE] = evaluate_attribute,
		[EXPR_NUMBER_OF] = evaluate_number_of,
		[EXPR_LOCAL] = evaluate_local,
		[EXPR_DOMAIN] = evaluate_domain,
		[EXPR_CLIENT_NETWORK] = evaluate_client_network,
		[EXPR_ID] = evaluate_id,
		[EXPR_SUMMARY] = evaluate_summary,
		[EXPR_HOSTNAME] = evaluate_hostname,
		[EXPR_DATE] = evaluate_date,
		[EXPR_RECEIVED_SPF] = evaluate_received_spf,
		[EXPR_RECEIVED_SPF_HELO] = evaluate_received_spf_helo,
		[EXPR_AUTHENTICATION_RESULTS] = evaluate_authentication_results,
		[EXPR_SCORE] = evaluate_score,
		[EXPR_UNKNOWN_SHARE] = evaluate_unknown_share,
		[EXPR_FINDING] = evaluate_finding,
		[EXPR_FINDING_TEXT] = evaluate_finding_text,
		[EXPR_HITS] = evaluate_hits,
		[EXPR_VARIABLE] = evaluate_variable,
		[EXPR_OR] = evaluate_or,
		[EXPR_AND] = evaluate_and,
		[EXPR_NOT] = evaluate_not,
		[EXPR_EQUAL] = evaluate_equal,
		[EXPR_UNEQUAL] = evaluate_equal,
		[EXPR_LESS] = evaluate_order,
		[EXPR_LESS_EQUAL] = evaluate_order,
		[EXPR_GREATER] = evaluate_order,
		[EXPR_GREATER_EQUAL] = evaluate_order,
		[EXPR_ADD] = evaluate_arithmetic,
		[EXPR_SUBTRACT] = evaluate_arithmetic,
		[EXPR_MULTIPLY] = evaluate_arithmetic,
		[EXPR_DIVIDE] = evaluate_arithmetic,
		[EXPR_NEGATE] = evaluate_negate,
		[EXPR_IN_LIST] = evaluate_in,
		[EXPR_IN_TABLE] = evaluate_in,
		[EXPR_LOOKUP] = evaluate_lookup,
		[EXPR_MATCHES] = evaluate_matches,
		[EXPR_COALESCE] = evaluate_coalesce,
		[EXPR_UNKNOWN] = evaluate_unknown,
		[EXPR_TRUTH_OF] = evaluate_truth_of,
		[EXPR_TEXT_OF] = evaluate_text_of,
		[EXPR_FOLDED] = evaluate_folded,
		[EXPR_UNTAGGED] = evaluate_untagged,
		[EXPR_IN_SET] = evaluate_in_set,
		[EXPR_GREYLIST] = evaluate_greylist_field,
		[EXPR_LIMIT] = evaluate_limit_field,
	};

	return evaluate[expr->kind](expr, walk);
}
