/* sql_dump_priv.h -- what the reader of tokens and the reader of statements share. */
#pragma once
#include "ctl/import/sql_dump.h"

enum {
	READ_BYTES = 64 * 1024,
	ROW_BYTES = 64 * 1024,
	END = -1,
	NO_VALUE = -2,
};

/* Whose backslashes escape. */
enum dialect { DIALECT_UNKNOWN, DIALECT_MYSQL, DIALECT_STANDARD };

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_NAME, TOKEN_STRING, TOKEN_BYTES, TOKEN_SIGN };

struct token {
	enum token_kind kind;
	char sign;
	bool is_cut; /* longer than SQL_VALUE_MAX */
	size_t len;
	char text[SQL_VALUE_MAX];
};

struct columns {
	char table[SQL_NAME_MAX];
	size_t table_len;
	unsigned count;
	struct column {
		char name[SQL_NAME_MAX];
		size_t len;
	} column[SQL_COLUMNS_MAX];
};

struct reader {
	struct sql_dump *dump;
	char bytes[READ_BYTES];
	size_t at, len;
	bool is_failed, is_ended;
	enum dialect dialect;
	struct token token;
	struct columns table[SQL_TABLES_MAX]; /* as CREATE TABLE has it */
	unsigned table_count;
	struct columns now; /* of the statement that is read */
	struct sql_row row;
	bool is_odd; /* the row has something in it that is no plain value */
	char text[ROW_BYTES];
	size_t text_len;
};

/** The next byte, without and with taking it; END. */
int sql_peek(struct reader *r);
int sql_take(struct reader *r);
void sql_skip_line(struct reader *r);

/** The next token into r->token; comments are passed over.  A string that is never closed is the
 * end of the dump. */
void sql_token_next(struct reader *r);

/** The value of a hexadecimal digit; NO_VALUE. */
int sql_hex_digit(int c);

static inline struct span sql_token_text(const struct token *token)
{
	return span_of(token->text, token->len);
}

static inline void sql_token_keep(struct token *token, int c)
{
	if (token->len < sizeof(token->text))
		token->text[token->len++] = (char)c;
	else
		token->is_cut = true;
}
