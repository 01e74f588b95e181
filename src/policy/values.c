/* values.c -- what an expression is made of: constants, and the values that have names.
 *
 * Every part knows its type and the range that it can lie in: the range of the score is known
 * at every statement, and a condition that can be nothing but false is a mistake.
 */
#include "policy/body.h"

#include <math.h>

#define EVERYTHING ((struct range){ -INFINITY, INFINITY })
#define EITHER     ((struct range){ 0, 1 })

/* A node over left and right; either may be NULL. */
struct term term_node(struct body *body, enum expr_kind kind, enum value_type type,
		      const struct term *left, const struct term *right)
{
	struct expr *expr = compiler_alloc(body->compiler, sizeof(*expr));
	struct term term = { .range = type == TYPE_TRUTH ? EITHER : EVERYTHING, .depth = 1 };

	if (expr == NULL)
		return term;
	*expr = (struct expr){ .kind = kind, .type = type };
	term.expr = expr;
	for (int i = 0; i < 2; i++) {
		const struct term *part = i == 0 ? left : right;

		if (part == NULL)
			continue;
		if (term.depth <= part->depth)
			term.depth = (uint8_t)(part->depth + 1);
		term.has_score |= part->has_score;
		term.place = i == 0 ? part->place : place_join(term.place, part->place);
		*(i == 0 ? &expr->left : &expr->right) = part->expr;
	}
	if (term.depth <= EXPR_DEPTH_MAX)
		return term;
	report_error(body_report(body), term.place, "the expression is more than %d deep",
		     EXPR_DEPTH_MAX);
	report_hint(body_report(body), "lists and variables are flatter");
	term.expr = NULL;
	term.depth = 1;
	return term;
}

struct expr *term_expr(struct term *term)
{
	return (struct expr *)term->expr; /* just made by term_node */
}

struct term term_constant(struct body *body, enum value_type type, struct value value,
			  struct place place)
{
	struct term term = term_node(body, EXPR_CONSTANT, type, NULL, NULL);

	term.place = place;
	if (term.expr == NULL)
		return term;
	term_expr(&term)->constant = value;
	if (type == TYPE_NUMBER)
		term.range = (struct range){ value.number, value.number };
	if (type == TYPE_TRUTH)
		term.range = (struct range){ value.truth, value.truth };
	return term;
}

const char *type_name(enum value_type type)
{
	switch (type) {
	case TYPE_TRUTH: return "a truth";
	case TYPE_NUMBER: return "a number";
	case TYPE_TEXT: return "a text";
	case TYPE_ADDRESS: return "an address";
	}
	return "";
}

/* --- from one type to another --- */

struct term term_as_truth(struct body *body, struct term term)
{
	struct term truth;

	if (term.expr == NULL || term.expr->type == TYPE_TRUTH)
		return term;
	truth = term_node(body, EXPR_TRUTH_OF, TYPE_TRUTH, &term, NULL);
	if (term.expr->type == TYPE_NUMBER) {
		bool has_zero = term.range.low <= 0 && term.range.high >= 0;

		truth.range.low = !has_zero;
		truth.range.high = !(term.range.low == 0 && term.range.high == 0);
	}
	return truth;
}

struct term term_as_text(struct body *body, struct term term)
{
	if (term.expr == NULL || term.expr->type == TYPE_TEXT)
		return term;
	return term_node(body, EXPR_TEXT_OF, TYPE_TEXT, &term, NULL);
}

static bool is_number_attribute(enum attribute attribute)
{
	return attribute == ATTRIBUTE_size || attribute == ATTRIBUTE_recipient_count ||
	       attribute == ATTRIBUTE_encryption_keysize || attribute == ATTRIBUTE_client_port ||
	       attribute == ATTRIBUTE_server_port;
}

/* Rows of tables, and what was set from them, are numbers where one is wanted. */
static bool may_be_number(const struct expr *expr)
{
	if (expr->kind == EXPR_ATTRIBUTE)
		return is_number_attribute(expr->attribute);
	if (expr->kind == EXPR_COALESCE)
		return may_be_number(expr->left) || may_be_number(expr->right);
	return expr->kind == EXPR_LOOKUP || expr->kind == EXPR_VARIABLE;
}

struct term term_as_number(struct body *body, struct term term)
{
	struct term number;

	if (term.expr == NULL || term.expr->type == TYPE_NUMBER)
		return term;
	if (term.expr->type == TYPE_TEXT && may_be_number(term.expr)) {
		bool is_attribute = term.expr->kind == EXPR_ATTRIBUTE;

		number = term_node(body, EXPR_NUMBER_OF, TYPE_NUMBER, is_attribute ? NULL : &term,
				   NULL);
		number.place = term.place;
		if (number.expr != NULL)
			term_expr(&number)->attribute = term.expr->attribute;
		return number;
	}
	report_error(body_report(body), term.place, "a number is wanted here, and this is %s",
		     type_name(term.expr->type));
	return term_none(term.place);
}

struct term term_as_address(struct body *body, struct term term)
{
	struct value value = { .state = VALUE_KNOWN };

	if (term.expr == NULL || term.expr->type == TYPE_ADDRESS)
		return term;
	if (term.expr->kind == EXPR_CONSTANT && term.expr->type == TYPE_TEXT &&
	    ip_parse(term.expr->constant.text, &value.address) == OK)
		return term_constant(body, TYPE_ADDRESS, value, term.place);
	report_error(body_report(body), term.place, "an address is wanted here, and this is %s",
		     type_name(term.expr->type));
	return term_none(term.place);
}

/* --- values with names --- */

static struct term attribute_term(struct body *body, enum expr_kind kind, enum attribute attribute,
				  struct place place)
{
	bool is_address = kind == EXPR_ATTRIBUTE && attribute == ATTRIBUTE_client_address;
	struct term term = term_node(body, kind, is_address ? TYPE_ADDRESS : TYPE_TEXT, NULL, NULL);

	if (term.expr != NULL)
		term_expr(&term)->attribute = attribute;
	term.place = place;
	return term;
}

/* sender.local, sender.folded, sender.untagged, client_name.domain */
static struct term part_term(struct body *body, struct span name, struct span part,
			     struct place place)
{
	static const enum attribute with_local[] = { ATTRIBUTE_sender, ATTRIBUTE_recipient,
						     ATTRIBUTE_sasl_username,
						     ATTRIBUTE_sasl_sender };
	static const enum attribute with_domain[] = { ATTRIBUTE_helo_name, ATTRIBUTE_client_name,
						      ATTRIBUTE_reverse_client_name };
	enum attribute attribute;
	bool is_domain = span_equal(part, SPAN("domain"));

	if (!attribute_find(name, &attribute))
		return term_none(place);
	if (attribute == ATTRIBUTE_sender || attribute == ATTRIBUTE_recipient) {
		if (span_equal(part, SPAN("folded")))
			return attribute_term(body, EXPR_FOLDED, attribute, place);
		if (span_equal(part, SPAN("untagged")))
			return attribute_term(body, EXPR_UNTAGGED, attribute, place);
	}
	if (!is_domain && !span_equal(part, SPAN("local")))
		return term_none(place);
	for (size_t i = 0; i < sizeof(with_local) / sizeof(*with_local); i++)
		if (with_local[i] == attribute)
			return attribute_term(body, is_domain ? EXPR_DOMAIN : EXPR_LOCAL, attribute,
					      place);
	for (size_t i = 0; i < sizeof(with_domain) / sizeof(*with_domain); i++)
		if (with_domain[i] == attribute && is_domain)
			return attribute_term(body, EXPR_DOMAIN, attribute, place);
	return term_none(place);
}

static double times_max(const struct statement *weigh)
{
	if (weigh->check->times_max > 0)
		return weigh->check->times_max;
	return weigh->arguments.subjects == 0 ? 1 : __builtin_popcount(weigh->arguments.subjects);
}

static struct term finding_term(struct body *body, unsigned ordinal, struct span finding,
				struct place place)
{
	const struct statement *weigh = body_weigh(body, ordinal);
	unsigned count = statement_finding_count(weigh);
	struct guess guess = guess_of(finding);

	for (unsigned i = 0; i < count; i++) {
		struct term term;

		guess_offer(&guess, statement_finding_name(weigh, i));
		if (!span_equal(statement_finding_name(weigh, i), finding))
			continue;
		term = term_node(body, EXPR_FINDING, TYPE_NUMBER, NULL, NULL);
		term.place = place;
		term.range = (struct range){ 0, times_max(weigh) };
		if (term.expr != NULL) {
			term_expr(&term)->weigh = (uint8_t)ordinal;
			term_expr(&term)->finding = (uint8_t)i;
		}
		return term;
	}
	if (place.source == NULL)
		return term_none(place);
	report_error(body_report(body), place, "'%.*s' has no finding '%.*s'",
		     WORD_ARG(weigh->name), WORD_ARG(finding));
	report_guess(body_report(body), &guess);
	return term_none(place);
}

/* spf.explanation: what a check has to say in words; empty when it says nothing. */
static struct term text_term(struct body *body, unsigned ordinal, struct span name,
			     struct place place)
{
	const struct check *check = body_weigh(body, ordinal)->check;

	for (unsigned i = 0; i < FINDING_TEXTS_MAX && check->text[i] != NULL; i++) {
		struct term term;

		if (!span_equal(span_cstr(check->text[i]), name))
			continue;
		term = term_node(body, EXPR_FINDING_TEXT, TYPE_TEXT, NULL, NULL);
		term.place = place;
		if (term.expr != NULL) {
			term_expr(&term)->weigh = (uint8_t)ordinal;
			term_expr(&term)->finding = (uint8_t)i;
		}
		return term;
	}
	return term_none(place);
}

static struct term hits_term(struct body *body, struct span name, struct place place)
{
	for (size_t i = 0; body->compiler->checks[i] != NULL; i++) {
		const struct check *check = body->compiler->checks[i];
		struct term term;
		double count = 0;

		if (!span_equal(name, span_cstr(check->name)))
			continue;
		for (unsigned n = 0; n < body->policy->weigh_count; n++)
			count += body_weigh(body, n)->check == check;
		term = term_node(body, EXPR_HITS, TYPE_NUMBER, NULL, NULL);
		term.place = place;
		term.range = (struct range){ 0, count };
		if (term.expr != NULL)
			term_expr(&term)->check = check;
		return term;
	}
	return term_none(place);
}

/* What a statement that counts came to: greylist.wait, user-hour.used; in a limit's own texts
 * also limit.used. */
static struct term counted_term(struct body *body, struct span owner, struct span field,
				struct place place)
{
	const struct limit *limit = body_find_limit(body, owner);

	if (span_equal(owner, SPAN("greylist")))
		return greylist_term(body, field, place);
	if (limit == NULL && span_equal(owner, SPAN("limit")) && body->own != NULL)
		limit = body->own->limit;
	return limit == NULL ? term_none(place) : limit_term(body, limit, field, place);
}

static struct term dotted_term(struct body *body, struct span name, struct place place)
{
	size_t dot = span_rfind(name, '.');
	struct span owner = span_first(name, dot), part = span_from(name, dot + 1);
	int ordinal = body_find_weigh(body, owner);
	struct term term = part_term(body, owner, part, place);

	if (term.expr == NULL && span_equal(part, SPAN("hits")))
		term = hits_term(body, owner, place);
	if (term.expr == NULL && ordinal >= 0)
		term = text_term(body, (unsigned)ordinal, part, place);
	if (term.expr == NULL)
		term = counted_term(body, owner, part, ordinal >= 0 ? (struct place){ 0 } : place);
	term.place = place;
	if (term.expr == NULL && ordinal >= 0)
		term = finding_term(body, (unsigned)ordinal, part, place);
	return term;
}

static const struct {
	const char *name;
	enum expr_kind kind;
	enum value_type type;
} words[] = {
	{ "score", EXPR_SCORE, TYPE_NUMBER },
	{ "unknown_share", EXPR_UNKNOWN_SHARE, TYPE_NUMBER },
	{ "client_network", EXPR_CLIENT_NETWORK, TYPE_TEXT },
	{ "id", EXPR_ID, TYPE_TEXT },
	{ "summary", EXPR_SUMMARY, TYPE_TEXT },
	{ "hostname", EXPR_HOSTNAME, TYPE_TEXT },
	{ "date", EXPR_DATE, TYPE_TEXT },
	{ "received_spf", EXPR_RECEIVED_SPF, TYPE_TEXT },
	{ "received_spf_helo", EXPR_RECEIVED_SPF_HELO, TYPE_TEXT },
	{ "authentication_results", EXPR_AUTHENTICATION_RESULTS, TYPE_TEXT },
};

static struct term plain_term(struct body *body, struct span name, struct place place)
{
	enum attribute attribute;
	int variable = body_find_variable(body, name);
	struct term term;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!span_equal(name, span_cstr(words[i].name)))
			continue;
		term = term_node(body, words[i].kind, words[i].type, NULL, NULL);
		term.place = place;
		if (words[i].kind == EXPR_SCORE) {
			term.range = body->score;
			term.has_score = true;
		}
		if (words[i].kind == EXPR_UNKNOWN_SHARE)
			term.range = EITHER;
		return term;
	}
	if (attribute_find(name, &attribute))
		return attribute_term(body, EXPR_ATTRIBUTE, attribute, place);
	if (variable < 0 || body->variable[variable].is_wrong)
		return term_none(place);
	term = term_node(body, EXPR_VARIABLE, body->variable[variable].type, NULL, NULL);
	term.place = place;
	if (term.expr != NULL)
		term_expr(&term)->variable = (uint8_t)variable;
	return term;
}

static void values_guess(struct body *body, struct span name)
{
	struct guess guess = guess_of(name);
	size_t dot = span_find(name, '.');

	for (unsigned i = 0; i < ATTRIBUTE_COUNT; i++)
		guess_offer(&guess, attribute_name(i));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		guess_offer(&guess, span_cstr(words[i].name));
	for (unsigned i = 0; i < body->policy->variable_count; i++)
		guess_offer(&guess, body->variable[i].name);
	if (dot < name.len) {
		/* What stands before the dot is more likely to be wrong than all of it. */
		struct guess owner = guess_of(span_first(name, dot));

		for (unsigned i = 0; i < body->policy->weigh_count; i++)
			guess_offer(&owner, body_weigh(body, i)->name);
		for (unsigned i = 0; i < body->policy->limit_count; i++)
			guess_offer(&owner, body->limit[i]->name);
		if (body->has_greylist)
			guess_offer(&owner, SPAN("greylist"));
		if (owner.best.len > 0)
			guess = owner;
	}
	report_guess(body_report(body), &guess);
}

struct term value_named(struct body *body, struct span name, struct place place)
{
	bool is_dotted = span_find(name, '.') < name.len;
	struct term term =
		is_dotted ? dotted_term(body, name, place) : plain_term(body, name, place);

	if (term.expr != NULL || place.source == NULL || body->compiler->is_full)
		return term;
	if (symbol_find(&body->compiler->tables, name) != NULL) {
		report_error(body_report(body), place, "'%.*s' is a table", WORD_ARG(name));
		report_hint(body_report(body), "ask it by KEY in %.*s or %.*s[KEY]", WORD_ARG(name),
			    WORD_ARG(name));
		return term;
	}
	if (symbol_find(&body->compiler->sets, name) != NULL) {
		report_error(body_report(body), place, "'%.*s' is what is remembered",
			     WORD_ARG(name));
		report_hint(body_report(body), "ask it by VALUE in %.*s", WORD_ARG(name));
		return term;
	}
	/* What follows from a mistake is not another one. */
	if ((is_dotted && body->is_unsure) || body_find_variable(body, name) >= 0)
		return term;
	report_error(body_report(body), place, "no value is called '%.*s'", WORD_ARG(name));
	if (!is_dotted && !body->is_in_text)
		report_hint(body_report(body), "a text stands in double quotes");
	values_guess(body, name);
	return term;
}
