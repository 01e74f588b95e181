/* policies.c -- the statement "policy", and the statements in it. */
#include "policy/body.h"

#include <math.h>

int body_find_weigh(const struct body *body, struct span name)
{
	for (int i = 0; i < body->policy->weigh_count; i++)
		if (span_equal(body_weigh(body, (unsigned)i)->name, name))
			return i;
	return -1;
}

int body_find_variable(const struct body *body, struct span name)
{
	for (int i = 0; i < body->policy->variable_count; i++)
		if (span_equal(body->variable[i].name, name))
			return i;
	return -1;
}

bool if_parse(struct body *body, struct statement *statement)
{
	return !parser_accept_word(&body->parser, "if") ||
	       condition_parse(body, &statement->condition);
}

/* --- prepend, warn --- */

static bool text_statement_parse(struct body *body, struct statement *statement, const char *wanted,
				 size_t most, struct token *token)
{
	if (parser_peek(&body->parser, LEX_WORD)->kind != TOKEN_STRING) {
		parser_report_unexpected(&body->parser, wanted);
		return false;
	}
	*token = parser_take(&body->parser, LEX_WORD);
	return text_parse(body, token, &statement->text) &&
	       text_fits(body, &statement->text, most, token->place) && if_parse(body, statement);
}

static bool prepend_parse(struct body *body, struct statement *statement)
{
	struct place keyword = body->parser.previous;
	struct token token;

	statement->kind = STATEMENT_PREPEND;
	if (!text_statement_parse(body, statement, "\"Header: text\"", HEADER_TEXT_MAX, &token))
		return false;
	if (!text_is_header(body, &statement->text, token.place))
		return false;
	if (statement->observe)
		return true;
	if (body->prepend.source != NULL) {
		report_warning(body_report(body), keyword,
			       "an answer has room for one header: this one comes with a "
			       "message's next question");
		report_hint(body_report(body), "have the MTA ask at DATA, too");
	}
	if (body->prepend.source == NULL && statement->condition == NULL)
		body->prepend = keyword;
	return true;
}

static bool warn_parse(struct body *body, struct statement *statement)
{
	struct token token;

	statement->kind = STATEMENT_WARN;
	return text_statement_parse(body, statement, "\"text\"", HEADER_TEXT_MAX, &token);
}

/* --- variables --- */

static bool variable_name_is_free(struct body *body, const struct token *name)
{
	struct report *report = body_report(body);
	enum attribute attribute;

	if (attribute_find(name->text, &attribute)) {
		report_error(report, name->place, "'%.*s' is an attribute of the mail already",
			     WORD_ARG(name->text));
		return false;
	}
	if (body_find_variable(body, name->text) < 0 &&
	    (symbol_find(&body->compiler->tables, name->text) != NULL ||
	     value_named(body, name->text, (struct place){ 0 }).expr != NULL)) {
		report_error(report, name->place, "'%.*s' is the name of something else already",
			     WORD_ARG(name->text));
		return false;
	}
	return true;
}

/* The slot of a variable, new if need be. */
static bool variable_add(struct body *body, const struct token *name, enum value_type type,
			 bool is_wrong, uint8_t *slot_out)
{
	struct policy *policy = body->policy;
	int slot = body_find_variable(body, name->text);

	if (slot >= 0) {
		if (!is_wrong && !body->variable[slot].is_wrong &&
		    body->variable[slot].type != type) {
			report_error(body_report(body), name->place,
				     "'%.*s' was %s and would become %s", WORD_ARG(name->text),
				     type_name(body->variable[slot].type), type_name(type));
			return false;
		}
		*slot_out = (uint8_t)slot;
		return true;
	}
	if (policy->variable_count == VARIABLES_MAX) {
		report_error(body_report(body), name->place, "a policy has at most %d variables",
			     VARIABLES_MAX);
		return false;
	}
	body->variable[policy->variable_count] = (struct variable){ name->text, type, is_wrong };
	*slot_out = policy->variable_count++;
	return true;
}

static bool set_parse(struct body *body, struct statement *statement)
{
	struct token name;
	struct term term;
	enum value_type type;

	statement->kind = STATEMENT_SET;
	if (!parser_expect_name(&body->parser, "a name", &name) ||
	    !variable_name_is_free(body, &name) ||
	    !parser_expect_sign(&body->parser, "=", "the name"))
		return false;
	parser_skip_newlines(&body->parser);
	term = expr_parse(body);
	type = term.expr == NULL ? TYPE_TEXT : term.expr->type;
	statement->value = term.expr;
	return variable_add(body, &name, type, term.expr == NULL, &statement->variable) &&
	       term.expr != NULL && if_parse(body, statement);
}

static bool unset_parse(struct body *body, struct statement *statement)
{
	struct token name;
	struct guess guess;
	int slot;

	statement->kind = STATEMENT_UNSET;
	if (!parser_expect_name(&body->parser, "a variable", &name))
		return false;
	slot = body_find_variable(body, name.text);
	if (slot >= 0) {
		statement->variable = (uint8_t)slot;
		return if_parse(body, statement);
	}
	guess = guess_of(name.text);
	for (unsigned i = 0; i < body->policy->variable_count; i++)
		guess_offer(&guess, body->variable[i].name);
	report_error(body_report(body), name.place, "no variable '%.*s' was set before",
		     WORD_ARG(name.text));
	report_guess(body_report(body), &guess);
	return false;
}

/* --- statements --- */

static const struct {
	const char *keyword;
	bool (*parse)(struct body *body, struct statement *statement);
} others[] = {
	{ "prepend", prepend_parse }, { "warn", warn_parse },
	{ "set", set_parse },         { "unset", unset_parse },
	{ "weigh", weigh_parse },     { "greylist", greylist_parse },
	{ "limit", limit_parse },     { "remember", remember_parse },
};

enum { OTHERS = sizeof(others) / sizeof(*others) };

bool statement_is_known(struct span keyword)
{
	for (size_t i = 0; i < OTHERS; i++)
		if (span_equal(keyword, span_cstr(others[i].keyword)))
			return true;
	return verdict_is_known(keyword) || span_equal(keyword, SPAN("observe"));
}

static void report_unknown_statement(struct body *body, const struct token *keyword)
{
	static const char *const outside[] = { "policy", "zone", "table", "listen", "include" };
	struct report *report = body_report(body);
	struct guess guess = guess_of(keyword->text);

	if (word_is_future(keyword->text)) {
		report_error(report, keyword->place, "'%.*s' is not in this version",
			     WORD_ARG(keyword->text));
		return;
	}
	for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++)
		if (token_is_word(keyword, outside[i])) {
			report_error(report, keyword->place, "'%s' cannot stand inside of a policy",
				     outside[i]);
			report_hint(report, "is a '}' missing above?");
			return;
		}
	report_error(report, keyword->place, "no statement of a policy is called '%.*s'",
		     WORD_ARG(keyword->text));
	for (size_t i = 0; i < OTHERS; i++)
		guess_offer(&guess, span_cstr(others[i].keyword));
	verdicts_guess(&guess);
	guess_offer(&guess, SPAN("observe"));
	report_guess(report, &guess);
}

static bool keyword_parse(struct body *body, struct token keyword, struct statement *statement)
{
	if (token_is_word(&keyword, "observe") && !statement->observe) {
		statement->observe = true;
		if (parser_at_end(&body->parser)) {
			parser_report_unexpected(&body->parser, "a statement");
			return false;
		}
		return keyword_parse(body, parser_take(&body->parser, LEX_WORD), statement);
	}
	for (size_t i = 0; i < OTHERS; i++)
		if (token_is_word(&keyword, others[i].keyword))
			return others[i].parse(body, statement);
	if (keyword.kind == TOKEN_WORD && verdict_is_known(keyword.text))
		return verdict_parse(body, &keyword, statement);
	report_unknown_statement(body, &keyword);
	return false;
}

bool body_add(struct body *body, const struct statement *statement)
{
	struct policy *policy = body->policy;
	struct statement *grown = compiler_grow(body->compiler, body->statement,
						policy->statement_count, sizeof(*grown));

	if (grown == NULL)
		return false;
	body->statement = grown;
	if (statement->kind == STATEMENT_WEIGH) {
		body->weigh_at[statement->ordinal] = policy->statement_count;
		policy->weigh_count++;
	}
	if (statement->kind == STATEMENT_LIMIT) {
		body->limit_at[statement->limit->ordinal] = policy->statement_count;
		policy->limit_count++;
	}
	body->has_greylist |= statement->kind == STATEMENT_GREYLIST;
	grown[policy->statement_count++] = *statement;
	return true;
}

static void report_unreachable(struct body *body, struct place place)
{
	uint32_t line, column;

	if (body->end.source == NULL || body->is_end_reported)
		return;
	body->is_end_reported = true;
	place_position(body->end, &line, &column);
	report_error(body_report(body), place, "nothing ever comes here");
	report_hint(body_report(body), "line %u decides in any case", line);
}

bool body_has_room(struct body *body, struct place place)
{
	if (body->policy->statement_count < STATEMENTS_MAX)
		return true;
	report_error(body_report(body), place, "a policy has at most %d statements",
		     STATEMENTS_MAX);
	return false;
}

bool body_may_remember(struct body *body, struct place place)
{
	if (body->remember_count < REMEMBERS_MAX) {
		body->remember_count++;
		return true;
	}
	report_error(body_report(body), place,
		     "a policy has at most %d greylist and remember statements", REMEMBERS_MAX);
	return false;
}

/* What it would have found or given nobody knows: no mistakes made of that. */
static bool leaves_unsure(const struct token *keyword, const struct statement *statement)
{
	return token_is_word(keyword, "weigh") || token_is_word(keyword, "greylist") ||
	       token_is_word(keyword, "limit") || statement->observe ||
	       word_is_future(keyword->text);
}

static bool statement_parse(struct body *body)
{
	struct token keyword = parser_take(&body->parser, LEX_WORD);
	struct statement statement = { .origin = origin_of(keyword.place) };

	if (!body_has_room(body, keyword.place))
		return false;
	report_unreachable(body, keyword.place);
	if (!keyword_parse(body, keyword, &statement)) {
		body->is_unsure |= leaves_unsure(&keyword, &statement);
		return false;
	}
	return body_add(body, &statement);
}

static void body_check_questions(struct body *body, struct place place)
{
	if (body->policy->weigh_count < 2 || body->asks <= LEDGER_QUESTIONS_MAX)
		return;
	report_warning(body_report(body), place,
		       "the policy may ask %u questions about a mail, and %d are answered",
		       body->asks, LEDGER_QUESTIONS_MAX);
}

void policy_compile(struct compiler *compiler, const struct waiting_policy *waiting)
{
	struct policy *policy = waiting->policy;
	struct body *body = compiler_alloc(compiler, sizeof(*body));
	struct place end;

	if (body == NULL)
		return;
	body->compiler = compiler;
	body->policy = policy;
	parser_init(&body->parser, compiler, waiting->body);
	while (!compiler->is_full && parser_next_item(&body->parser, waiting->brace)) {
		if (body->is_unsure)
			body->score = (struct range){ -INFINITY, INFINITY };
		end = body->end;
		if (statement_parse(body) && parser_expect_end(&body->parser))
			continue;
		body->end = end; /* it was meant to be something else */
		parser_skip(&body->parser);
	}
	policy->statement = body->statement;
	for (unsigned i = 0; i < policy->weigh_count; i++)
		policy->weigh[i] = body_weigh(body, i);
	for (unsigned i = 0; i < policy->limit_count; i++)
		policy->limit[i] = &body->statement[body->limit_at[i]];
	body_check_questions(body, waiting->place);
}

/* --- the first round --- */

/* To the end of the policy.  What looks like a pattern is one: braces in it count nothing. */
static void body_skip(struct parser *parser)
{
	struct report *report = parser->lexer.report;
	bool is_pattern_next = false, is_first = true;
	unsigned depth = 1;

	parser->lexer.report = NULL; /* the second round will see it all */
	while (depth > 0) {
		struct token token = parser_take(parser, is_pattern_next ? LEX_REGEX : LEX_WORD);

		if (token.kind == TOKEN_END)
			break;
		depth += token_is_sign(&token, "{");
		depth -= token_is_sign(&token, "}");
		is_pattern_next =
			token_is_word(&token, "matches") || (is_first && token.kind == TOKEN_WORD);
		is_first = token.kind == TOKEN_NEWLINE || token_is_sign(&token, "{") ||
			   token_is_sign(&token, ",");
	}
	parser->lexer.report = report;
}

bool policy_parse(struct parser *parser)
{
	struct compiler *compiler = parser->compiler;
	struct waiting_policy *waiting = compiler_alloc(compiler, sizeof(*waiting));
	struct policy *policy = compiler_alloc(compiler, sizeof(*policy));
	struct token name;

	if (waiting == NULL || policy == NULL ||
	    !parser_expect_name(parser, "a policy's name", &name) ||
	    !parser_expect_sign(parser, "{", "the policy's name"))
		return false;
	policy->name = name.text;
	policy->origin = origin_of(name.place);
	*waiting = (struct waiting_policy){ .policy = policy,
					    .body = parser->lexer,
					    .brace = parser->previous,
					    .place = name.place };
	body_skip(parser);
	if (symbol_add(compiler, &compiler->policies, name.text, name.place, policy) == NULL)
		return true;
	*compiler->waiting_policy_end = waiting;
	compiler->waiting_policy_end = &waiting->next;
	return true;
}
