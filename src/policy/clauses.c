/* clauses.c -- clauses in any order, each once: of greylist, limit and remember. */
#include "policy/clauses.h"

static bool clause_opens(const struct clause *clause, const struct token *token)
{
	switch (clause->opening) {
	case CLAUSE_WORD: return token_is_word(token, clause->word);
	case CLAUSE_TEXT: return token->kind == TOKEN_STRING;
	case CLAUSE_NUMBER:
		return token->kind == TOKEN_WORD &&
		       (ascii_is_digit(token->text.at[0]) || token_is_word(token, clause->word));
	}
	return false;
}

static bool clause_is_new(struct counted *counted, size_t index, const struct token *token)
{
	struct place *said = &counted->said[index];

	if (said->source == NULL) {
		*said = token->place;
		return true;
	}
	if (token->kind == TOKEN_STRING)
		report_error(counted_report(counted), token->place,
			     "%s has a text of its own already", counted->noun);
	else
		report_error(counted_report(counted), token->place, "'%.*s' is said twice",
			     WORD_ARG(token->text));
	return false;
}

static void report_unknown(struct counted *counted, const struct clause *clauses,
			   const struct token *token)
{
	struct report *report = counted_report(counted);
	struct guess guess = guess_of(token->text);

	if (token->kind == TOKEN_STRING) {
		report_error(report, token->place, "a text stands behind its verdict");
		report_hint(report, "such as: else defer \"4.7.1 too much mail\"");
		return;
	}
	report_error(report, token->place, "%s has no '%.*s'", counted->noun,
		     WORD_ARG(token->text));
	if (token->kind == TOKEN_WORD && ascii_is_digit(token->text.at[0]))
		report_hint(report, "a time stands behind its word: for %.*s",
			    WORD_ARG(token->text));
	for (; clauses->word != NULL; clauses++)
		if (clauses->opening == CLAUSE_WORD)
			guess_offer(&guess, span_cstr(clauses->word));
	report_guess(report, &guess);
}

/* "no header"; "no" has been taken. */
static bool no_parse(struct counted *counted, const struct clause *clauses)
{
	const struct token *next = parser_peek(counted_parser(counted), LEX_WORD);
	TEXT(wanted, 64);

	for (size_t i = 0; clauses[i].word != NULL; i++) {
		if (clauses[i].no == NULL)
			continue;
		if (token_is_word(next, clauses[i].word)) {
			struct token word = parser_take(counted_parser(counted), LEX_WORD);

			clauses[i].no(counted);
			return clause_is_new(counted, i, &word);
		}
		text_addf(&wanted, "%s'%s'", wanted.len > 0 ? " or " : "", clauses[i].word);
	}
	parser_report_unexpected(counted_parser(counted), text_cstr(&wanted));
	return false;
}

static bool has_no(const struct clause *clauses)
{
	for (; clauses->word != NULL; clauses++)
		if (clauses->no != NULL)
			return true;
	return false;
}

static bool clause_parse(struct counted *counted, const struct clause *clauses)
{
	struct parser *parser = counted_parser(counted);
	struct token token = *parser_peek(parser, LEX_WORD);

	if (has_no(clauses) && parser_accept_word(parser, "no"))
		return no_parse(counted, clauses);
	for (size_t i = 0; clauses[i].word != NULL; i++) {
		if (!clause_opens(&clauses[i], &token))
			continue;
		if (!clause_is_new(counted, i, &token))
			return false;
		if (clauses[i].opening == CLAUSE_WORD)
			(void)parser_take(parser, LEX_WORD);
		return clauses[i].parse(counted);
	}
	report_unknown(counted, clauses, &token);
	return false;
}

bool clauses_parse(struct counted *counted, const struct clause *clauses)
{
	while (!parser_at_end(counted_parser(counted)))
		if (!clause_parse(counted, clauses))
			return false;
	return true;
}

bool clause_is_said(const struct counted *counted, const struct clause *clauses, const char *word)
{
	for (size_t i = 0; clauses[i].word != NULL; i++)
		if (span_equal(span_cstr(clauses[i].word), span_cstr(word)))
			return counted->said[i].source != NULL;
	return false;
}

/* --- keys --- */

bool place_same_words(struct place a, struct place b)
{
	struct lexer left = { .source = a.source, .at = a.at, .end = a.at + a.len };
	struct lexer right = { .source = b.source, .at = b.at, .end = b.at + b.len };

	if (a.source == NULL || b.source == NULL)
		return a.source == b.source;
	for (;;) {
		struct token one, other;

		do {
			one = lexer_next(&left, LEX_WORD);
			left.at = one.after;
		} while (one.kind == TOKEN_NEWLINE);
		do {
			other = lexer_next(&right, LEX_WORD);
			right.at = other.after;
		} while (other.kind == TOKEN_NEWLINE);
		if (one.kind != other.kind || !span_equal(one.text, other.text))
			return false;
		if (one.kind == TOKEN_END)
			return true;
	}
}

bool key_add_part(struct body *body, struct key *key, struct term part)
{
	if (part.expr == NULL)
		return false;
	if (key->part_count == KEY_PARTS_MAX) {
		report_error(body_report(body), part.place, "a key has at most %d parts",
			     KEY_PARTS_MAX);
		return false;
	}
	part = term_as_text(body, part);
	if (part.expr == NULL)
		return false;
	key->part[key->part_count++] = part.expr;
	return true;
}

/* "by sender, 100/1h" */
static bool is_rate_next(struct counted *counted)
{
	const struct token *next = parser_peek(counted_parser(counted), LEX_WORD);

	if (counted->limit == NULL || next->kind != TOKEN_WORD ||
	    !ascii_is_digit(next->text.at[0]) || span_find(next->text, '/') == next->text.len)
		return false;
	report_error(counted_report(counted), counted_parser(counted)->previous,
		     "rates follow the key without a comma");
	return true;
}

bool key_parse(struct counted *counted, struct key *key, struct term (*part_parse)(struct body *))
{
	struct parser *parser = counted_parser(counted);
	struct place first = parser_peek(parser, LEX_WORD)->place;

	counted->is_constant = true;
	do {
		struct term part;

		if (key->part_count > 0)
			parser_skip_newlines(parser);
		if (key->part_count > 0 && is_rate_next(counted))
			return false;
		part = part_parse(counted->body);
		if (!key_add_part(counted->body, key, part))
			return false;
		counted->is_constant &= part.expr->kind == EXPR_CONSTANT;
	} while (parser_accept_sign(parser, ","));
	counted->key_place = place_join(first, parser->previous);
	return true;
}

void key_warn_if_constant(struct counted *counted)
{
	if (!counted->is_constant)
		return;
	report_warning(counted_report(counted), counted->key_place,
		       "this is the same for every mail: all are counted together");
	report_hint(counted_report(counted), "such as client_address, sasl_username or sender");
}

/* --- clauses that several have --- */

bool clause_if(struct counted *counted)
{
	return condition_parse(counted->body, &counted->statement->condition);
}

bool failing_parse(struct counted *counted, struct failing *failing)
{
	struct body *body = counted->body;

	if (!verdict_parse_behind(body, "failing", true, &failing->verdict, &failing->text))
		return false;
	if (failing->verdict == VERDICT_DEFER && failing->text.piece_count == 0)
		return text_standard(body, SPAN("4.3.0 try again later, number $id"),
				     &failing->text);
	return true;
}
