/* sql_dump_tokens.c -- the bytes of a dump, and the tokens in them. */
#include "ctl/import/sql_dump_priv.h"

/* --- bytes --- */

int sql_peek(struct reader *r)
{
	int64_t count;

	if (r->at < r->len)
		return (unsigned char)r->bytes[r->at];
	if (r->is_ended)
		return END;
	count = r->dump->read(r->dump->source, r->bytes, sizeof(r->bytes));
	r->is_failed |= count < 0;
	r->is_ended = count <= 0;
	r->at = 0;
	r->len = count > 0 ? (size_t)count : 0;
	return r->is_ended ? END : (unsigned char)r->bytes[0];
}

int sql_take(struct reader *r)
{
	int c = sql_peek(r);

	if (c == END)
		return END;
	r->at++;
	r->dump->line += c == '\n';
	return c;
}

void sql_skip_line(struct reader *r)
{
	int c;

	while ((c = sql_take(r)) != END && c != '\n')
		;
}

/* --- tokens --- */

static bool is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static bool is_word(int c)
{
	return (c >= 0x80) || ascii_is_letter((char)c) || ascii_is_digit((char)c) || c == '_' ||
	       c == '$' || c == '.' || c == '+' || c == '-';
}

static void learn_dialect(struct reader *r, struct span comment)
{
	if (r->dialect != DIALECT_UNKNOWN)
		return;
	if (span_has(comment, SPAN("MySQL dump")) || span_has(comment, SPAN("MariaDB dump")))
		r->dialect = DIALECT_MYSQL;
	else if (span_has(comment, SPAN("PostgreSQL")))
		r->dialect = DIALECT_STANDARD;
}

/* Behind "--" or "#". */
static void skip_comment(struct reader *r)
{
	char text[SQL_NAME_MAX];
	size_t len = 0;
	int c;

	while ((c = sql_take(r)) != END && c != '\n')
		if (len < sizeof(text))
			text[len++] = (char)c;
	learn_dialect(r, span_of(text, len));
}

/* Behind the opening of a block; what MySQL would run in it is not for us. */
static void skip_block(struct reader *r)
{
	int before = 0, c = sql_peek(r);

	if (c == '!' || c == 'M')
		r->dialect = DIALECT_MYSQL;
	while ((c = sql_take(r)) != END && !(before == '*' && c == '/'))
		before = c;
}

/* @return true: there was a comment, or a sign that begins none is in the token */
static bool comment_skipped(struct reader *r, int c)
{
	if (c == '#') {
		skip_comment(r);
		return true;
	}
	if (c == '-' && sql_peek(r) == '-') {
		skip_comment(r);
		return true;
	}
	if (c == '/' && sql_peek(r) == '*') {
		sql_take(r);
		skip_block(r);
		return true;
	}
	return false;
}

int sql_hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (unsigned char)ascii_lower((char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : NO_VALUE;
}

/* What a letter behind a backslash stands for in MySQL's strings. */
static int unescape(int c)
{
	switch (c) {
	case '0': return 0;
	case 'b': return '\b';
	case 'n': return '\n';
	case 'r': return '\r';
	case 't': return '\t';
	case 'Z': return 26;
	default: return c; /* what is no escape stands for itself */
	}
}

/* Behind the opening quote.  A quote that stands twice is one. */
static void string_take(struct reader *r, int quote, bool has_escapes)
{
	int c;

	while ((c = sql_take(r)) != END) {
		if (c == quote) {
			if (sql_peek(r) != quote)
				return;
			sql_take(r);
		} else if (c == '\\' && has_escapes) {
			c = sql_take(r);
			if (c == END)
				break;
			c = unescape(c);
		}
		sql_token_keep(&r->token, c);
	}
	r->token.kind = TOKEN_END; /* never closed */
}

/* X'6162' and 0x6162 as the bytes they are. */
static void hex_decode(struct token *token, size_t from)
{
	size_t len = 0;

	for (size_t i = from; i + 1 < token->len; i += 2) {
		int high = sql_hex_digit((unsigned char)token->text[i]);
		int low = sql_hex_digit((unsigned char)token->text[i + 1]);

		if (high < 0 || low < 0)
			return;
		token->text[len++] = (char)(high << 4 | low);
	}
	token->len = len;
	token->kind = TOKEN_BYTES;
}

/* A word that is followed at once by a string says how to read it: E'..', X'..', _binary '..' */
static void prefixed_take(struct reader *r)
{
	struct span word = sql_token_text(&r->token);
	bool is_hex = span_equal_nocase(word, SPAN("x"));
	bool is_escaped = span_equal_nocase(word, SPAN("e"));

	sql_take(r);
	r->token.len = 0;
	r->token.kind = TOKEN_STRING;
	string_take(r, '\'', is_escaped || r->dialect == DIALECT_MYSQL);
	if (is_hex && r->token.kind == TOKEN_STRING)
		hex_decode(&r->token, 0);
}

static void word_take(struct reader *r, int c)
{
	struct span word;

	r->token.kind = TOKEN_WORD;
	sql_token_keep(&r->token, c);
	while (is_word(sql_peek(r)))
		sql_token_keep(&r->token, sql_take(r));
	word = sql_token_text(&r->token);
	if (span_equal_nocase(word, SPAN("_binary")))
		while (is_blank(sql_peek(r)))
			sql_take(r);
	if (sql_peek(r) == '\'')
		prefixed_take(r);
	else if (span_starts_nocase(word, SPAN("0x")))
		hex_decode(&r->token, 2);
}

/* $tag$ ... $tag$, as PostgreSQL quotes the bodies of functions; behind its first sign.  What is in
 * it is not for us.
 *
 * @return false: there was no such quote; the sign and what followed it is a word
 */
static bool dollars_skipped(struct reader *r)
{
	struct token *tag = &r->token;
	size_t matched = 0;
	int c;

	sql_token_keep(tag, '$');
	while ((c = sql_peek(r)) == '_' || ascii_is_letter((char)c) || ascii_is_digit((char)c))
		sql_token_keep(tag, sql_take(r));
	if (c != '$' || tag->is_cut)
		return false;
	sql_token_keep(tag, sql_take(r));
	while (matched < tag->len && (c = sql_take(r)) != END) {
		if (c == tag->text[matched])
			matched++;
		else
			matched = c == '$';
	}
	tag->len = 0;
	tag->kind = TOKEN_STRING;
	return true;
}

void sql_token_next(struct reader *r)
{
	int c;

	do
		c = sql_take(r);
	while (is_blank(c) || (c != END && comment_skipped(r, c)));
	r->token.kind = c == END ? TOKEN_END : TOKEN_SIGN;
	r->token.sign = (char)c;
	r->token.is_cut = false;
	r->token.len = 0;
	if (c == '\'') {
		r->token.kind = TOKEN_STRING;
		string_take(r, c, r->dialect == DIALECT_MYSQL);
	} else if (c == '`' || c == '"') {
		if (c == '`' && r->dialect == DIALECT_UNKNOWN)
			r->dialect = DIALECT_MYSQL;
		r->token.kind = TOKEN_NAME;
		string_take(r, c, false);
	} else if (c == '$') {
		if (!dollars_skipped(r))
			r->token.kind = TOKEN_WORD;
	} else if (c != END && is_word(c)) {
		word_take(r, c);
	}
}
