/* parser.c -- taking tokens, and getting back on the way after a mistake. */
#include "base/number.h"
#include "policy/compiler.h"
#include "weigh/rates.h"

void parser_init(struct parser *parser, struct compiler *compiler, struct lexer lexer)
{
	*parser = (struct parser){
		.compiler = compiler,
		.lexer = lexer,
		.previous = { lexer.source, lexer.at, 0 },
	};
}

const struct token *parser_peek(struct parser *parser, enum lexer_mode mode)
{
	if (parser->has_next && parser->mode != mode && parser->next.kind != TOKEN_STRING) {
		parser->lexer.at = parser->next.place.at;
		parser->has_next = false;
	}
	if (!parser->has_next) {
		parser->next = lexer_next(&parser->lexer, mode);
		parser->lexer.at = parser->next.after;
		parser->has_next = true;
		parser->mode = mode;
	}
	return &parser->next;
}

struct token parser_take(struct parser *parser, enum lexer_mode mode)
{
	struct token token = *parser_peek(parser, mode);

	parser->has_next = false;
	parser->previous = token.place;
	return token;
}

bool parser_accept_sign(struct parser *parser, const char *sign)
{
	if (!token_is_sign(parser_peek(parser, LEX_EXPR), sign))
		return false;
	(void)parser_take(parser, LEX_EXPR);
	return true;
}

bool parser_accept_word(struct parser *parser, const char *word)
{
	if (!token_is_word(parser_peek(parser, LEX_WORD), word))
		return false;
	(void)parser_take(parser, LEX_WORD);
	return true;
}

/* Where the line ends the place to show is behind what stands last on it. */
static struct place place_of_next(struct parser *parser, const struct token *next)
{
	if (next->kind != TOKEN_END && next->kind != TOKEN_NEWLINE)
		return next->place;
	return (struct place){ parser->previous.source, parser->previous.at + parser->previous.len,
			       0 };
}

void parser_report_unexpected(struct parser *parser, const char *wanted)
{
	const struct token *next = parser_peek(parser, LEX_WORD);
	struct place place = place_of_next(parser, next);

	if (next->kind == TOKEN_END || next->kind == TOKEN_NEWLINE)
		report_error(parser_report(parser), place, "expected %s here", wanted);
	else if (next->kind == TOKEN_STRING)
		report_error(parser_report(parser), place, "expected %s, not a text", wanted);
	else
		report_error(parser_report(parser), place, "expected %s, not '%.*s'", wanted,
			     WORD_ARG(next->text));
}

bool parser_expect_sign(struct parser *parser, const char *sign, const char *behind)
{
	const struct token *next = parser_peek(parser, LEX_EXPR);

	if (parser_accept_sign(parser, sign))
		return true;
	report_error(parser_report(parser), place_of_next(parser, next), "expected '%s' behind %s",
		     sign, behind);
	return false;
}

struct span parser_unescape(struct parser *parser, const struct token *token)
{
	struct span raw = token->text;
	char *plain;
	size_t len = 0;

	if (token->kind != TOKEN_STRING || span_find(raw, '\\') == raw.len)
		return raw;
	plain = compiler_alloc(parser->compiler, raw.len + 1);
	if (plain == NULL)
		return raw;
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.at[i] == '\\' && i + 1 < raw.len) {
			struct place place = { token->place.source, token->place.at + 1 + i, 2 };

			i++;
			if (raw.at[i] != '"' && raw.at[i] != '\\') {
				report_error(parser_report(parser), place,
					     "a backslash stands before \" or another one");
				report_hint(parser_report(parser), "a backslash is written \\\\");
			}
		}
		plain[len++] = raw.at[i];
	}
	return span_of(plain, len);
}

bool parser_expect_text(struct parser *parser, enum lexer_mode mode, const char *wanted,
			struct token *token_out, struct span *text_out)
{
	const struct token *next = parser_peek(parser, mode);

	if (next->kind != TOKEN_WORD && next->kind != TOKEN_STRING) {
		parser_report_unexpected(parser, wanted);
		return false;
	}
	*token_out = parser_take(parser, mode);
	*text_out = parser_unescape(parser, token_out);
	if (text_out->len > 0)
		return true;
	report_error(parser_report(parser), token_out->place, "expected %s, not an empty text",
		     wanted);
	return false;
}

bool parser_expect_name(struct parser *parser, const char *wanted, struct token *token_out)
{
	const struct token *next = parser_peek(parser, LEX_WORD);

	if (next->kind != TOKEN_WORD) {
		parser_report_unexpected(parser, wanted);
		return false;
	}
	if (!word_is_name(next->text)) {
		report_error(parser_report(parser), next->place,
			     "'%.*s' is no name: a letter, then letters, digits, _ and -",
			     WORD_ARG(next->text));
		return false;
	}
	*token_out = parser_take(parser, LEX_WORD);
	return true;
}

static void report_range(struct parser *parser, struct place place, const char *wanted,
			 double least, double most)
{
	report_error(parser_report(parser), place, "%s must be between %.15g and %.15g", wanted,
		     least, most);
}

bool parser_expect_number(struct parser *parser, const char *wanted, double least, double most,
			  double *number_out)
{
	const struct token *next = parser_peek(parser, LEX_WORD);
	double number;
	enum err err;

	if (next->kind != TOKEN_WORD) {
		parser_report_unexpected(parser, wanted);
		return false;
	}
	err = decimal_parse(next->text, &number);
	if (err == ERR_SYNTAX) {
		report_error(parser_report(parser), next->place,
			     "%s must be a number such as 2.5, not '%.*s'", wanted,
			     WORD_ARG(next->text));
		return false;
	}
	if (err != OK || number < least || number > most) {
		report_range(parser, next->place, wanted, least, most);
		return false;
	}
	(void)parser_take(parser, LEX_WORD);
	*number_out = number;
	return true;
}

bool parser_expect_integer(struct parser *parser, const char *wanted, int64_t least, int64_t most,
			   int64_t *number_out)
{
	const struct token *next = parser_peek(parser, LEX_WORD);
	int64_t number;
	enum err err;

	if (next->kind != TOKEN_WORD) {
		parser_report_unexpected(parser, wanted);
		return false;
	}
	err = size_parse(next->text, &number); /* 64K is a number too */
	if (err == ERR_SYNTAX)
		err = number_parse(next->text, &number);
	if (err == ERR_SYNTAX) {
		report_error(parser_report(parser), next->place,
			     "%s must be a whole number, not '%.*s'", wanted, WORD_ARG(next->text));
		return false;
	}
	if (err != OK || number < least || number > most) {
		report_range(parser, next->place, wanted, (double)least, (double)most);
		return false;
	}
	(void)parser_take(parser, LEX_WORD);
	*number_out = number;
	return true;
}

bool parser_expect_duration(struct parser *parser, const char *wanted, int64_t *ms_out)
{
	const struct token *next = parser_peek(parser, LEX_WORD);

	if (next->kind != TOKEN_WORD) {
		parser_report_unexpected(parser, wanted);
		return false;
	}
	if (duration_parse(next->text, ms_out) != OK) {
		report_error(parser_report(parser), next->place,
			     "%s must be a time with its unit, such as 90s, not '%.*s'", wanted,
			     WORD_ARG(next->text));
		report_hint(parser_report(parser), "units are ms, s, m, h, d, w");
		return false;
	}
	(void)parser_take(parser, LEX_WORD);
	return true;
}

bool parser_expect_duration_within(struct parser *parser, const char *wanted, int64_t least_ms,
				   int64_t most_ms, int64_t *ms_out)
{
	struct place place = parser_peek(parser, LEX_WORD)->place;
	TEXT(least, 32);
	TEXT(most, 32);
	int64_t ms;

	if (!parser_expect_duration(parser, wanted, &ms))
		return false;
	if (ms >= least_ms && ms <= most_ms) {
		*ms_out = ms;
		return true;
	}
	text_add_duration(&least, least_ms);
	text_add_duration(&most, most_ms);
	report_error(parser_report(parser), place, "%s must be between %s and %s", wanted,
		     text_cstr(&least), text_cstr(&most));
	return false;
}

void parser_skip_newlines(struct parser *parser)
{
	while (parser_peek(parser, LEX_WORD)->kind == TOKEN_NEWLINE)
		(void)parser_take(parser, LEX_WORD);
}

bool parser_at_end(struct parser *parser)
{
	const struct token *next = parser_peek(parser, LEX_WORD);

	return next->kind == TOKEN_END || next->kind == TOKEN_NEWLINE || token_is_sign(next, "}");
}

bool parser_expect_end(struct parser *parser)
{
	const struct token *next;

	if (parser_at_end(parser))
		return true;
	next = parser_peek(parser, LEX_WORD);
	if (next->kind == TOKEN_STRING)
		report_error(parser_report(parser), next->place,
			     "the statement should end before this text");
	else
		report_error(parser_report(parser), next->place,
			     "the statement should end before '%.*s'", WORD_ARG(next->text));
	return false;
}

static void parser_skip_to(struct parser *parser, bool comma_ends)
{
	struct report *report = parser->lexer.report;
	unsigned depth = 0;

	parser->lexer.report = NULL;
	for (;;) {
		const struct token *next = parser_peek(parser, LEX_WORD);

		if (next->kind == TOKEN_END)
			break;
		if (depth == 0 && (next->kind == TOKEN_NEWLINE || token_is_sign(next, "}") ||
				   (comma_ends && token_is_sign(next, ","))))
			break;
		depth += token_is_sign(next, "{");
		depth -= token_is_sign(next, "}");
		(void)parser_take(parser, LEX_WORD);
	}
	parser->lexer.report = report;
}

void parser_skip(struct parser *parser)
{
	parser_skip_to(parser, false);
}

void parser_skip_item(struct parser *parser)
{
	parser_skip_to(parser, true);
}

bool parser_next_item(struct parser *parser, struct place brace)
{
	const struct token *next;

	for (;;) {
		next = parser_peek(parser, LEX_WORD);
		if (next->kind != TOKEN_NEWLINE && !token_is_sign(next, ","))
			break;
		(void)parser_take(parser, LEX_WORD);
	}
	if (next->kind == TOKEN_END) {
		report_error(parser_report(parser), brace, "this '{' is never closed");
		return false;
	}
	if (!token_is_sign(next, "}"))
		return true;
	(void)parser_take(parser, LEX_WORD);
	return false;
}

bool parser_expect_item_end(struct parser *parser)
{
	return token_is_sign(parser_peek(parser, LEX_WORD), ",") || parser_expect_end(parser);
}

enum list_next parser_first_in_list(struct parser *parser)
{
	parser_skip_newlines(parser);
	return parser_accept_sign(parser, "]") ? LIST_CLOSED : LIST_MORE;
}

enum list_next parser_next_in_list(struct parser *parser, struct place bracket)
{
	struct parser here = *parser;

	parser_skip_newlines(parser);
	if (parser_accept_sign(parser, "]"))
		return LIST_CLOSED;
	if (parser_accept_sign(parser, ","))
		return parser_first_in_list(parser);
	/* The next line is left for itself. */
	*parser = here;
	if (parser_at_end(parser))
		report_error(parser_report(parser), bracket, "this '[' is never closed");
	else
		parser_report_unexpected(parser, "',' or ']'");
	return LIST_WRONG;
}
