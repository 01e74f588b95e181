/* lexer.h -- the words of the policy language.
 *
 * What a word is depends on where it stands: "10.0.0.0/8" is one in a list and "size/8" is
 * three in an expression.  So the parser says which kind it wants, and a word that was only
 * looked at can be read again as another kind.
 */
#pragma once
#include "policy/report.h"

enum token_kind {
	TOKEN_END,
	TOKEN_NEWLINE,
	TOKEN_WORD,
	TOKEN_STRING, /* text is what stands between the quotes, not yet unescaped */
	TOKEN_REGEX,  /* text is what stands between the slashes */
	TOKEN_SIGN,
};

enum lexer_mode {
	LEX_WORD,    /* names, numbers, paths, addresses, networks */
	LEX_ADDRESS, /* the same, and [::1]:53 */
	LEX_EXPR,    /* names, numbers, addresses; signs divide them */
	LEX_REGEX,   /* /pattern/i */
};

struct token {
	enum token_kind kind;
	struct span text;
	struct place place;
	size_t after;     /* where the next token is looked for */
	bool ignore_case; /* TOKEN_REGEX */
	bool is_broken;   /* never closed; reported */
};

struct lexer {
	const struct source *source;
	size_t at, end;
	struct report *report; /* NULL: what is skipped is not complained about */
};

/** The next token; unclosed strings and bytes that have no place are reported. */
struct token lexer_next(struct lexer *lexer, enum lexer_mode mode);

static inline bool token_is(const struct token *token, enum token_kind kind, const char *text)
{
	return token->kind == kind && span_equal(token->text, span_cstr(text));
}

static inline bool token_is_sign(const struct token *token, const char *text)
{
	return token_is(token, TOKEN_SIGN, text);
}

static inline bool token_is_word(const struct token *token, const char *text)
{
	return token_is(token, TOKEN_WORD, text);
}

/** A letter or _, then letters, digits, _ and -. */
bool word_is_name(struct span word);

/** Report every byte that is no text: NUL and other controls, what is no UTF-8; one a line. */
void source_check_bytes(const struct source *source, struct report *report);
