/* lexer.c -- the words of the policy language. */
#include "policy/lexer.h"

#include "base/escape.h"
#include "mail/ip.h"

static bool is_name_byte(char c)
{
	return ascii_is_letter(c) || ascii_is_digit(c) || c == '_';
}

static bool is_word_byte(char c, enum lexer_mode mode)
{
	if (is_name_byte(c))
		return true;
	if (c == '\0')
		return false;
	if (mode == LEX_ADDRESS && (c == '[' || c == ']'))
		return true;
	return strchr(mode == LEX_EXPR ? ".:" : ".:/+-@*%~?", c) != NULL;
}

bool word_is_name(struct span word)
{
	if (word.len == 0 || !(ascii_is_letter(word.at[0]) || word.at[0] == '_'))
		return false;
	for (size_t i = 0; i < word.len; i++)
		if (!is_name_byte(word.at[i]) && word.at[i] != '-')
			return false;
	return true;
}

static struct token lexer_token(const struct lexer *lexer, enum token_kind kind, size_t len)
{
	return (struct token){
		.kind = kind,
		.text = span_of(lexer->source->text.at + lexer->at, len),
		.place = { lexer->source, lexer->at, len },
		.after = lexer->at + len,
	};
}

static struct span lexer_rest(const struct lexer *lexer)
{
	return span_of(lexer->source->text.at + lexer->at, lexer->end - lexer->at);
}

static void lexer_skip_blanks(struct lexer *lexer)
{
	struct span rest = lexer_rest(lexer);
	size_t i = 0;

	while (i < rest.len && (rest.at[i] == ' ' || rest.at[i] == '\t' ||
				(rest.at[i] == '\r' && i + 1 < rest.len && rest.at[i + 1] == '\n')))
		i++;
	if (i < rest.len && rest.at[i] == '#')
		while (i < rest.len && rest.at[i] != '\n')
			i++;
	lexer->at += i;
}

/* In an expression: score-1 is a name with a hyphen until the parser finds that there is none;
 * 192.0.2.0/24 is one word, size/24 is not. */
static size_t expression_word(struct span rest)
{
	size_t len = 0;
	struct ip ip;

	while (len < rest.len &&
	       (is_word_byte(rest.at[len], LEX_EXPR) ||
		(rest.at[len] == '-' && len > 0 && is_name_byte(rest.at[len - 1]) &&
		 len + 1 < rest.len && is_name_byte(rest.at[len + 1]))))
		len++;
	if (len + 1 < rest.len && rest.at[len] == '/' && ascii_is_digit(rest.at[len + 1]) &&
	    ip_parse(span_first(rest, len), &ip) == OK)
		for (len++; len < rest.len && ascii_is_digit(rest.at[len]);)
			len++;
	return len;
}

static size_t word_len(struct span rest, enum lexer_mode mode)
{
	size_t len = 0;

	if (mode == LEX_EXPR)
		return expression_word(rest);
	while (len < rest.len && is_word_byte(rest.at[len], mode))
		len++;
	return len;
}

/* A quote or a slash opens; it closes on the same line, a backslash takes the next byte along.
 * An unclosed one ends with its line, so that one mistake makes one message. */
static struct token lexer_quoted(struct lexer *lexer, char quote, enum token_kind kind,
				 const char *what)
{
	struct span rest = lexer_rest(lexer);
	struct token token;
	size_t len = 1;

	while (len < rest.len && rest.at[len] != '\n' && rest.at[len] != quote)
		len += rest.at[len] == '\\' && len + 1 < rest.len && rest.at[len + 1] != '\n' ? 2
											      : 1;
	if (len > rest.len)
		len = rest.len;
	if (len < rest.len && rest.at[len] == quote) {
		token = lexer_token(lexer, kind, len + 1);
		token.text = span_of(rest.at + 1, len - 1);
		return token;
	}
	token = lexer_token(lexer, kind, len);
	token.text = span_of(rest.at + 1, len - 1);
	token.is_broken = true;
	if (lexer->report != NULL)
		report_error(lexer->report, token.place, "this %s is never closed", what);
	return token;
}

static struct token lexer_regex(struct lexer *lexer)
{
	struct token token = lexer_quoted(lexer, '/', TOKEN_REGEX, "pattern");
	const char *text = lexer->source->text.at;

	while (token.after < lexer->end && ascii_is_letter(text[token.after])) {
		if (text[token.after] == 'i') {
			token.ignore_case = true;
		} else if (lexer->report != NULL) {
			report_error(lexer->report, (struct place){ lexer->source, token.after, 1 },
				     "a pattern ends with / or /i");
		}
		token.after++;
		token.place.len++;
	}
	return token;
}

static size_t sign_len(struct span rest)
{
	static const char *const two[] = { "!=", "<=", ">=", "??" };

	for (size_t i = 0; i < sizeof(two) / sizeof(*two); i++)
		if (span_starts(rest, span_cstr(two[i])))
			return 2;
	return rest.at[0] != '\0' && strchr("{}[](),=<>+-*/", rest.at[0]) != NULL ? 1 : 0;
}

static void report_byte(struct report *report, struct place place)
{
	struct span byte = span_of(place.source->text.at + place.at, place.len);
	TEXT(shown, 32);

	text_add_escaped(&shown, byte, 16);
	report_error(report, place, "'%.*s' has no place here", SPAN_ARG(text_span(&shown)));
	if (byte.at[0] == ';')
		report_hint(report, "a statement ends with its line");
	if (byte.at[0] == '\'')
		report_hint(report, "texts stand in double quotes");
}

struct token lexer_next(struct lexer *lexer, enum lexer_mode mode)
{
	for (;;) {
		struct span rest;
		uint32_t character;
		size_t len;

		lexer_skip_blanks(lexer);
		rest = lexer_rest(lexer);
		if (rest.len == 0)
			return lexer_token(lexer, TOKEN_END, 0);
		if (rest.at[0] == '\n')
			return lexer_token(lexer, TOKEN_NEWLINE, 1);
		if (rest.at[0] == '"')
			return lexer_quoted(lexer, '"', TOKEN_STRING, "text");
		if (rest.at[0] == '/' && mode == LEX_REGEX)
			return lexer_regex(lexer);
		len = word_len(rest, mode);
		if (len > 0)
			return lexer_token(lexer, TOKEN_WORD, len);
		len = sign_len(rest);
		if (len > 0)
			return lexer_token(lexer, TOKEN_SIGN, len);
		len = utf8_decode(rest, &character);
		len = len == 0 ? 1 : len;
		if (lexer->report != NULL)
			report_byte(lexer->report, (struct place){ lexer->source, lexer->at, len });
		lexer->at += len;
	}
}

static bool is_text(struct span rest, size_t *len_out)
{
	unsigned char c = (unsigned char)rest.at[0];
	uint32_t character;

	*len_out = 1;
	if (c >= 0x20 && c < 0x7f)
		return true;
	if (c < 0x20)
		return c == '\t' || c == '\n' || (c == '\r' && rest.len > 1 && rest.at[1] == '\n');
	*len_out = utf8_decode(rest, &character);
	return *len_out > 0 && character >= 0xa0;
}

void source_check_bytes(const struct source *source, struct report *report)
{
	size_t at = 0;

	while (at < source->text.len) {
		struct span rest = span_from(source->text, at);
		size_t len;

		if (is_text(rest, &len)) {
			at += len;
			continue;
		}
		report_error(report, (struct place){ source, at, 1 },
			     "byte 0x%02x is no text: this file must be UTF-8",
			     (unsigned char)rest.at[0]);
		at += span_find(rest, '\n');
	}
}
