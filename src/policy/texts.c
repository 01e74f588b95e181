/* texts.c -- texts with holes: "refused, number $id, ${score * 10} tenths, 5 $$". */
#include "policy/body.h"

enum { PIECES_MAX = 64 };

struct pieces {
	struct template_piece *piece;
	uint16_t count;
	char *literal; /* being built; room for all of the text */
	size_t start, len;
};

static bool pieces_add(struct body *body, struct pieces *pieces, const struct expr *expr,
		       struct place place)
{
	struct template_piece *grown;

	if (pieces->count == PIECES_MAX) {
		report_error(body_report(body), place, "a text has at most %d values", PIECES_MAX);
		return false;
	}
	grown = compiler_grow(body->compiler, pieces->piece, pieces->count, sizeof(*grown));
	if (grown == NULL)
		return false;
	pieces->piece = grown;
	grown[pieces->count++] = (struct template_piece){
		.literal = span_of(pieces->literal + pieces->start, pieces->len - pieces->start),
		.expr = expr,
	};
	pieces->start = pieces->len;
	return true;
}

/* Length of the longest name at the front that stands for a value: "$id." is id and a dot. */
static size_t name_len(struct body *body, struct span rest)
{
	size_t len = 0, whole;

	while (len < rest.len && (ascii_is_letter(rest.at[len]) || rest.at[len] == '_' ||
				  (len > 0 && (ascii_is_digit(rest.at[len]) ||
					       rest.at[len] == '-' || rest.at[len] == '.'))))
		len++;
	for (whole = len; len > 0; len--) {
		bool ends = len == whole || rest.at[len] == '.' || rest.at[len] == '-';

		if (ends && value_named(body, span_first(rest, len), (struct place){ 0 }).expr)
			return len;
	}
	while (whole > 0 && (rest.at[whole - 1] == '.' || rest.at[whole - 1] == '-'))
		whole--;
	return whole;
}

/* ${EXPR}: what is between the braces is read by the parser, in its place. */
static struct term braces_parse(struct body *body, struct place place, size_t *len_out)
{
	struct span rest = span_of(place.source->text.at + place.at, place.len);
	struct parser outer = body->parser;
	struct place brace = { place.source, place.at, 1 };
	struct lexer lexer = { .source = place.source, .report = body_report(body) };
	struct term term;

	*len_out = span_find(rest, '}') + 1;
	if (*len_out > rest.len) {
		report_error(body_report(body), brace, "this '{' is never closed");
		return term_none(place);
	}
	lexer.at = place.at + 1;
	lexer.end = place.at + *len_out - 1;
	parser_init(&body->parser, body->compiler, lexer);
	term = expr_parse(body);
	if (term.expr != NULL && !parser_expect_end(&body->parser))
		term.expr = NULL;
	body->parser = outer;
	return term;
}

/* What follows a dollar; len_out: of it. */
static struct term hole_parse(struct body *body, struct place place, size_t *len_out)
{
	struct span rest = span_of(place.source->text.at + place.at, place.len);

	if (rest.len > 0 && rest.at[0] == '{')
		return braces_parse(body, place, len_out);
	*len_out = name_len(body, rest);
	if (*len_out > 0) {
		place.len = *len_out;
		return value_named(body, span_first(rest, *len_out), place);
	}
	place.at--;
	place.len = 1;
	report_error(body_report(body), place, "a value's name is missing behind the dollar");
	report_hint(body_report(body), "a dollar itself is written $$");
	return term_none(place);
}

static bool hole_add(struct body *body, struct pieces *pieces, struct place place, size_t *len_out)
{
	struct term term;

	body->is_in_text = true;
	term = hole_parse(body, place, len_out);
	body->is_in_text = false;
	term = term_as_text(body, term);
	return term.expr != NULL && pieces_add(body, pieces, term.expr, term.place);
}

bool text_parse(struct body *body, const struct token *token, struct template *out)
{
	struct pieces pieces = { 0 };
	struct span raw = token->text;
	size_t at = (size_t)(raw.at - token->place.source->text.at);
	bool is_sound = !token->is_broken;

	pieces.literal = compiler_alloc(body->compiler, raw.len + 1);
	if (pieces.literal == NULL)
		return false;
	for (size_t i = 0; i < raw.len; i++) {
		char next = i + 1 < raw.len ? raw.at[i + 1] : '\0';

		if (raw.at[i] == '\\' && next != '"' && next != '\\') {
			report_error(body_report(body),
				     (struct place){ token->place.source, at + i, 2 },
				     "a backslash stands before \" or another one");
			report_hint(body_report(body), "a backslash is written \\\\");
			is_sound = false;
		} else if (raw.at[i] == '$' && next != '$') {
			struct place place = { token->place.source, at + i + 1, raw.len - i - 1 };
			size_t len = 0;

			is_sound &= hole_add(body, &pieces, place, &len);
			i += len;
			continue;
		}
		i += raw.at[i] == '\\' || raw.at[i] == '$';
		if (i < raw.len)
			pieces.literal[pieces.len++] = raw.at[i];
	}
	if (pieces.len > pieces.start)
		is_sound &= pieces_add(body, &pieces, NULL, token->place);
	out->piece = pieces.piece;
	out->piece_count = pieces.count;
	return is_sound;
}

bool text_standard(struct body *body, struct span text, struct template *out)
{
	struct source *source = compiler_alloc(body->compiler, sizeof(*source));
	char *quoted = compiler_alloc(body->compiler, text.len + 2);
	struct lexer lexer = { .source = source, .end = text.len + 2 };
	struct token token;

	if (source == NULL || quoted == NULL)
		return false;
	quoted[0] = quoted[text.len + 1] = '"';
	memcpy(quoted + 1, text.at, text.len);
	source->text = span_of(quoted, text.len + 2);
	token = lexer_next(&lexer, LEX_WORD);
	return text_parse(body, &token, out);
}

bool text_fits(struct body *body, const struct template *text, size_t most, struct place place)
{
	size_t len = 0;

	for (uint16_t i = 0; i < text->piece_count; i++)
		len += text->piece[i].literal.len;
	if (len <= most)
		return true;
	report_error(body_report(body), place, "the text is longer than %zu bytes", most);
	return false;
}

/* RFC 5322 section 2.2: printable bytes without colon. */
static bool begins_with_header(struct span text)
{
	size_t colon = span_find(text, ':');

	for (size_t i = 0; i < colon; i++)
		if (text.at[i] <= ' ' || text.at[i] > '~')
			return false;
	return colon > 0 && colon < text.len;
}

/* "$received_spf": a value that is a header with its name. */
static bool is_whole_header(const struct template *text)
{
	const struct template_piece *piece = text->piece;

	return text->piece_count == 1 && piece->literal.len == 0 && piece->expr != NULL &&
	       (piece->expr->kind == EXPR_RECEIVED_SPF ||
		piece->expr->kind == EXPR_RECEIVED_SPF_HELO ||
		piece->expr->kind == EXPR_AUTHENTICATION_RESULTS);
}

bool text_is_header(struct body *body, const struct template *text, struct place place)
{
	if (is_whole_header(text) || begins_with_header(text_literal(text)))
		return true;
	report_error(body_report(body), place, "a header begins with its name and a colon");
	report_hint(body_report(body), "such as \"X-Weighd: $summary\"");
	return false;
}
