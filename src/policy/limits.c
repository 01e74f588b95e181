/* limits.c -- limit NAME by EXPR, ... RATES [from TABLE]
 *                   [counting messages|recipients|bytes|distinct EXPR] [and refused]
 *                   [notify "ADDRESS"] [else VERDICT ["text"] | else observe]
 *                   [failing VERDICT ["text"]] [if EXPR]
 */
#include "mail/address.h"
#include "policy/clauses.h"
#include "store/store.h"

/* What is known of a name in all policies: same name, same counts. */
struct limit_known {
	const struct policy *policy;
	struct place key, distinct;
	enum counting counting;
};

const struct limit *body_find_limit(const struct body *body, struct span name)
{
	for (uint8_t i = 0; i < body->policy->limit_count; i++)
		if (span_equal_nocase(body->limit[i]->name, name))
			return body->limit[i];
	return NULL;
}

/* --- clauses --- */

static bool by_parse(struct counted *counted)
{
	bool is_sound;

	counted->body->has_refused = true;
	is_sound = key_parse(counted, &counted->limit->key, expr_parse);
	counted->body->has_refused = false;
	return is_sound;
}

static bool distinct_parse(struct counted *counted)
{
	struct body *body = counted->body;
	struct place first = parser_peek(&body->parser, LEX_WORD)->place;
	struct term term;

	body->has_refused = true;
	term = term_as_text(body, expr_parse(body));
	body->has_refused = false;
	counted->limit->distinct = term.expr;
	counted->distinct_place = place_join(first, body->parser.previous);
	return term.expr != NULL;
}

static const struct {
	const char *word;
	enum counting counting;
} countings[] = {
	{ "messages", COUNTING_MESSAGES },
	{ "recipients", COUNTING_RECIPIENTS },
	{ "bytes", COUNTING_BYTES },
	{ "distinct", COUNTING_DISTINCT },
};

static bool counting_parse(struct counted *counted)
{
	const struct token *next = parser_peek(counted_parser(counted), LEX_WORD);
	struct guess guess = guess_of(next->text);

	for (size_t i = 0; i < sizeof(countings) / sizeof(*countings); i++) {
		guess_offer(&guess, span_cstr(countings[i].word));
		if (!parser_accept_word(counted_parser(counted), countings[i].word))
			continue;
		counted->limit->counting = countings[i].counting;
		return countings[i].counting != COUNTING_DISTINCT || distinct_parse(counted);
	}
	parser_report_unexpected(counted_parser(counted),
				 "messages, recipients, bytes or distinct VALUE");
	if (token_is_word(next, "count_distinct"))
		report_hint(counted_report(counted), "write: counting distinct VALUE");
	else
		report_guess(counted_report(counted), &guess);
	return false;
}

static bool and_parse(struct counted *counted)
{
	if (!parser_accept_word(counted_parser(counted), "refused")) {
		parser_report_unexpected(counted_parser(counted), "'refused'");
		return false;
	}
	counted->limit->counts_refused = true;
	return true;
}

static bool notify_parse(struct counted *counted)
{
	struct token token;
	struct span address;

	if (!parser_expect_text(counted_parser(counted), LEX_WORD, "\"user@example.org\"", &token,
				&address))
		return false;
	counted->limit->notify = address;
	if (address_is_mailable(address))
		return true;
	report_error(counted_report(counted), token.place, "'%.*s' is no address to write to",
		     WORD_ARG(address));
	report_hint(counted_report(counted), "such as \"postmaster@example.org\"");
	return false;
}

static bool else_parse(struct counted *counted)
{
	struct body *body = counted->body;
	bool is_sound;

	if (parser_accept_word(&body->parser, "observe")) {
		counted->limit->is_observed = true;
		return true;
	}
	body->own = counted->statement;
	is_sound = verdict_parse_behind(body, "else", false, &counted->statement->verdict,
					&counted->statement->text);
	body->own = NULL;
	return is_sound;
}

static bool failing_clause_parse(struct counted *counted)
{
	bool is_sound;

	counted->body->own = counted->statement;
	is_sound = failing_parse(counted, &counted->limit->failing);
	counted->body->own = NULL;
	return is_sound;
}

static const struct clause clauses[] = {
	{ "by", by_parse, NULL, CLAUSE_WORD },
	{ "none", limit_rates_parse, NULL, CLAUSE_NUMBER },
	{ "from", limit_from_parse, NULL, CLAUSE_WORD },
	{ "counting", counting_parse, NULL, CLAUSE_WORD },
	{ "and", and_parse, NULL, CLAUSE_WORD },
	{ "notify", notify_parse, NULL, CLAUSE_WORD },
	{ "else", else_parse, NULL, CLAUSE_WORD },
	{ "failing", failing_clause_parse, NULL, CLAUSE_WORD },
	{ "if", clause_if, NULL, CLAUSE_WORD },
	{ NULL, NULL, NULL, CLAUSE_WORD },
};
_Static_assert(sizeof(clauses) / sizeof(*clauses) <= CLAUSES_MAX, "a place for each");

/* --- is it sound? --- */

static bool is_complete(struct counted *counted)
{
	struct limit *limit = counted->limit;

	if (limit->key.part_count == 0) {
		report_error(counted_report(counted), counted->keyword,
			     "of whom is the limit '%.*s'?", WORD_ARG(limit->name));
		report_hint(counted_report(counted), "such as: by sasl_username");
		return false;
	}
	if (counted->rates_place.source == NULL) {
		report_error(counted_report(counted), counted->keyword,
			     "how much is the limit '%.*s'?", WORD_ARG(limit->name));
		report_hint(counted_report(counted),
			    "such as: 100/1h, 500/1d; or none, where a table says it");
		return false;
	}
	return true;
}

/* --- its name --- */

static bool name_parse(struct counted *counted)
{
	struct parser *parser = counted_parser(counted);
	struct token name;

	if (!parser_expect_name(parser, "a name for the limit", &name))
		return false;
	counted->keyword = name.place;
	counted->limit->name = compiler_lower(counted->body->compiler, name.text);
	if (token_is_word(&name, "by")) {
		report_error(counted_report(counted), name.place, "the limit has no name");
		report_hint(counted_report(counted), "such as: limit user-hour by sasl_username");
		return false;
	}
	if (token_is_word(&name, "limit") || token_is_word(&name, "greylist")) {
		report_error(counted_report(counted), name.place,
			     "'%.*s' cannot be the name of a limit", WORD_ARG(name.text));
		return false;
	}
	if (name.text.len > STORE_SET_MAX) {
		report_error(counted_report(counted), name.place,
			     "a limit's name has at most %d letters", STORE_SET_MAX);
		return false;
	}
	if (body_find_weigh(counted->body, counted->limit->name) < 0)
		return true;
	report_error(counted_report(counted), name.place, "findings are called '%.*s' already",
		     WORD_ARG(name.text));
	return false;
}

static bool report_namesake(struct counted *counted, const struct symbol *known, const char *what)
{
	uint32_t line, column;

	place_position(known->place, &line, &column);
	report_error(counted_report(counted), counted->keyword, "%s '%.*s'", what,
		     WORD_ARG(counted->limit->name));
	report_hint(counted_report(counted), "the other one: %.*s:%u",
		    WORD_ARG(known->place.source->path), line);
	return false;
}

/* One name, one count: in two policies only where both count the same. */
static bool name_is_sound(struct counted *counted)
{
	struct compiler *compiler = counted->body->compiler;
	const struct policy *policy = counted->body->policy;
	const struct symbol *live = symbol_find(&compiler->policies, policy->name);
	const struct symbol *known = symbol_find(&compiler->limits, counted->limit->name);
	struct limit_known *new;

	if (live == NULL || live->what != policy)
		return true; /* overridden: it is read for its mistakes only */
	if (known != NULL) {
		const struct limit_known *other = known->what;

		if (other->policy == policy)
			return report_namesake(counted, known, "there is already a limit");
		if (other->counting == counted->limit->counting &&
		    place_same_words(other->key, counted->key_place) &&
		    place_same_words(other->distinct, counted->distinct_place))
			return true;
		return report_namesake(counted, known, "another policy counts something else as");
	}
	new = compiler_alloc(compiler, sizeof(*new));
	if (new == NULL)
		return false;
	*new = (struct limit_known){ policy, counted->key_place, counted->distinct_place,
				     counted->limit->counting };
	return symbol_add(compiler, &compiler->limits, counted->limit->name, counted->keyword,
			  new) != NULL;
}

/* --- the statement --- */

static bool standard_text(struct counted *counted)
{
	struct statement *statement = counted->statement;
	enum verdict_kind verdict = statement->verdict;
	TEXT(text, REPLY_TEXT_MAX);
	bool is_sound;

	if (statement->text.piece_count > 0 || counted->limit->is_observed ||
	    (verdict != VERDICT_DEFER && verdict != VERDICT_REJECT && verdict != VERDICT_HOLD))
		return true;
	if (verdict != VERDICT_HOLD)
		text_add(&text, verdict == VERDICT_DEFER ? SPAN("4.7.1 ") : SPAN("5.7.1 "));
	text_add(&text, SPAN("too much mail, limit ${limit.name}"));
	if (verdict == VERDICT_DEFER)
		text_add(&text, SPAN(", try again in ${limit.wait} seconds"));
	text_add(&text, SPAN(", number $id"));
	counted->body->own = statement;
	is_sound = text_standard(counted->body, text_span(&text), &statement->text);
	counted->body->own = NULL;
	return is_sound;
}

static bool has_ordinal(struct counted *counted)
{
	struct body *body = counted->body;

	if (body->policy->limit_count == LIMITS_MAX) {
		report_error(body_report(body), counted->keyword, "a policy has at most %d limits",
			     LIMITS_MAX);
		return false;
	}
	counted->limit->ordinal = body->policy->limit_count;
	return true;
}

bool limit_parse(struct body *body, struct statement *statement)
{
	struct limit *limit = compiler_alloc(body->compiler, sizeof(*limit));
	struct counted counted = {
		.body = body,
		.statement = statement,
		.noun = "limit",
		.keyword = body->parser.previous,
		.limit = limit,
	};

	if (limit == NULL)
		return false;
	statement->kind = STATEMENT_LIMIT;
	statement->verdict = VERDICT_DEFER;
	statement->limit = limit;
	if (!name_parse(&counted) || !has_ordinal(&counted) || !clauses_parse(&counted, clauses) ||
	    !is_complete(&counted) || !name_is_sound(&counted) || !limit_rates_check(&counted) ||
	    !standard_text(&counted))
		return false;
	key_warn_if_constant(&counted);
	body->limit[limit->ordinal] = limit;
	return true;
}

/* --- NAME.over, .used, .most, .wait; limit.name --- */

struct term limit_term(struct body *body, const struct limit *limit, struct span field,
		       struct place place)
{
	static const struct {
		const char *name;
		enum limit_field field;
		enum value_type type;
	} fields[] = {
		{ "over", LIMIT_OVER, TYPE_TRUTH },
		{ "used", LIMIT_USED, TYPE_NUMBER },
		{ "most", LIMIT_MOST, TYPE_NUMBER },
		{ "wait", LIMIT_WAIT, TYPE_NUMBER },
	};
	struct guess guess = guess_of(field);
	struct term term = term_none(place);

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		guess_offer(&guess, span_cstr(fields[i].name));
		if (!span_equal(field, span_cstr(fields[i].name)))
			continue;
		term = term_node(body, EXPR_LIMIT, fields[i].type, NULL, NULL);
		term.place = place;
		if (fields[i].type == TYPE_NUMBER)
			term.range.low = 0;
		if (term.expr != NULL) {
			term_expr(&term)->limit = limit->ordinal;
			term_expr(&term)->field = (uint8_t)fields[i].field;
		}
		return term;
	}
	guess_offer(&guess, SPAN("name"));
	if (span_equal(field, SPAN("name")))
		return term_constant(body, TYPE_TEXT, (struct value){ .text = limit->name }, place);
	if (place.source == NULL)
		return term;
	report_error(body_report(body), place, "the limit '%.*s' has no value '%.*s'",
		     WORD_ARG(limit->name), WORD_ARG(field));
	report_guess(body_report(body), &guess);
	return term;
}
