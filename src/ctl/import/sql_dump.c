/* sql_dump.c -- the statements of a dump, and the rows in them. */
#include "base/number.h"
#include "ctl/import/sql_dump_priv.h"

#include <stdlib.h>

static bool is_sign(const struct reader *r, char sign)
{
	return r->token.kind == TOKEN_SIGN && r->token.sign == sign;
}

static bool is_keyword(const struct reader *r, const char *keyword)
{
	return r->token.kind == TOKEN_WORD &&
	       span_equal_nocase(sql_token_text(&r->token), span_cstr(keyword));
}

static bool is_named(const struct reader *r)
{
	return r->token.kind == TOKEN_WORD || r->token.kind == TOKEN_NAME;
}

/* --- names --- */

static size_t name_keep(char *at, struct span name)
{
	size_t len = name.len < SQL_NAME_MAX ? name.len : SQL_NAME_MAX;

	memcpy(at, name.at, len);
	return len;
}

/* SCHEMA.TABLE, quoted or not; the last part counts.  The token behind it has been taken. */
static bool table_take(struct reader *r)
{
	struct columns *now = &r->now;
	bool goes_on = true;

	now->count = 0;
	now->table_len = 0;
	while (goes_on && is_named(r)) {
		struct span name = sql_token_text(&r->token);
		bool is_quoted = r->token.kind == TOKEN_NAME;
		size_t dot = is_quoted ? name.len : span_rfind(name, '.');

		if (dot < name.len)
			name = span_from(name, dot + 1);
		if (name.len > 0)
			now->table_len = name_keep(now->table, name);
		/* public."t" is the word "public." and a name, `a`.`b` a name, a word and a name */
		goes_on = (!is_quoted && name.len == 0) || sql_peek(r) == '.';
		sql_token_next(r);
	}
	if (now->table_len > 0)
		(void)sql_dump_wants(r->dump, span_of(now->table, now->table_len));
	return now->table_len > 0;
}

static void column_add(struct columns *columns, struct span name)
{
	struct column *column = &columns->column[columns->count];

	if (columns->count < SQL_COLUMNS_MAX)
		columns->count++;
	else
		return;
	column->len = name_keep(column->name, name);
}

/* "(a, b)"; the opening one is the token. */
static void column_list_take(struct reader *r)
{
	r->now.count = 0;
	for (sql_token_next(r); r->token.kind != TOKEN_END && !is_sign(r, ')') && !is_sign(r, ';');
	     sql_token_next(r))
		if (is_named(r))
			column_add(&r->now, sql_token_text(&r->token));
	if (is_sign(r, ')'))
		sql_token_next(r);
}

static const struct columns *columns_find(const struct reader *r)
{
	struct span table = span_of(r->now.table, r->now.table_len);

	for (unsigned i = 0; i < r->table_count; i++)
		if (span_equal_nocase(table, span_of(r->table[i].table, r->table[i].table_len)))
			return &r->table[i];
	return NULL;
}

/* --- rows --- */

static void row_begin(struct reader *r)
{
	r->row.count = 0;
	r->text_len = 0;
	r->is_odd = false;
}

static void value_add(struct reader *r, struct span text, bool is_null)
{
	struct sql_value *value = &r->row.value[r->row.count];

	if (r->row.count == SQL_COLUMNS_MAX)
		return;
	if (text.len > sizeof(r->text) - r->text_len) {
		r->is_odd = true;
		return;
	}
	if (text.len > 0)
		memcpy(r->text + r->text_len, text.at, text.len);
	*value = (struct sql_value){ span_of(r->text + r->text_len, text.len), is_null };
	r->text_len += text.len;
	r->row.count++;
}

static void row_end(struct reader *r)
{
	const struct columns *columns = r->now.count > 0 ? &r->now : columns_find(r);

	if (r->is_odd) {
		r->dump->skipped++;
		return;
	}
	r->row.path = r->dump->path;
	r->row.table = span_of(r->now.table, r->now.table_len);
	r->row.line = r->dump->line + 1;
	r->row.name_count = columns == NULL ? 0 : columns->count;
	for (unsigned i = 0; i < r->row.name_count; i++)
		r->row.name[i] = span_of(columns->column[i].name, columns->column[i].len);
	r->dump->row(r->dump->owner, &r->row);
}

/* What is in brackets within a value, as in replace('a','b',char(10)): not for us. */
static void nested_skip(struct reader *r)
{
	unsigned depth = 1;

	r->is_odd = true;
	while (depth > 0 && r->token.kind != TOKEN_END && !is_sign(r, ';')) {
		sql_token_next(r);
		if (is_sign(r, '('))
			depth++;
		else if (is_sign(r, ')'))
			depth--;
	}
	if (is_sign(r, ')'))
		sql_token_next(r);
}

/* One value; the token behind it is taken: a comma, or what ends the row. */
static void value_take(struct reader *r)
{
	bool is_first = true;

	for (;
	     r->token.kind != TOKEN_END && !is_sign(r, ',') && !is_sign(r, ')') && !is_sign(r, ';');
	     is_first = false) {
		if (is_sign(r, '(')) {
			nested_skip(r);
			continue;
		}
		r->is_odd |= !is_first || r->token.is_cut || r->token.kind == TOKEN_SIGN;
		value_add(r, sql_token_text(&r->token), is_keyword(r, "NULL"));
		sql_token_next(r);
	}
	r->is_odd |= is_first;
}

/* Behind VALUES: (1, 'a'), (2, 'b') */
static void rows_take(struct reader *r)
{
	while (is_sign(r, '(')) {
		row_begin(r);
		do {
			sql_token_next(r);
			value_take(r);
		} while (is_sign(r, ','));
		if (!is_sign(r, ')'))
			return;
		row_end(r);
		sql_token_next(r);
		if (is_sign(r, ','))
			sql_token_next(r);
	}
}

/* --- COPY --- */

/* Behind a backslash.  @return NO_VALUE: the field is NULL; END: the data ends */
static int copy_unescape(struct reader *r)
{
	int c = sql_take(r), number, digit;

	switch (c) {
	case 'N': return NO_VALUE;
	case 'b': return '\b';
	case 'f': return '\f';
	case 'v': return '\v';
	case 'n': return '\n';
	case 'r': return '\r';
	case 't': return '\t';
	case 'x':
		number = 0;
		for (int i = 0; i < 2 && (digit = sql_hex_digit(sql_peek(r))) >= 0;
		     i++, sql_take(r))
			number = number << 4 | digit;
		return number;
	default: break;
	}
	if (c < '0' || c > '7')
		return c;
	number = c - '0';
	for (int i = 0; i < 2 && sql_peek(r) >= '0' && sql_peek(r) <= '7'; i++)
		number = number << 3 | (sql_take(r) - '0');
	return number & 0xff;
}

struct copied {
	bool is_null, is_dot; /* it is \N; it begins with \. */
	int ended_by;
};

/* A field up to its tab or the end of its line. */
static struct copied copy_field(struct reader *r)
{
	struct copied field = { 0 };
	int c;

	r->token.len = 0;
	r->token.is_cut = false;
	while ((c = sql_take(r)) != END && c != '\t' && c != '\n') {
		if (c == '\r' && sql_peek(r) == '\n')
			continue; /* of a line's end; one that is text is written \r */
		if (c == '\\') {
			field.is_dot |= r->token.len == 0 && sql_peek(r) == '.';
			c = copy_unescape(r);
			field.is_null |= c == NO_VALUE;
			if (c == NO_VALUE || c == END)
				continue;
		}
		sql_token_keep(&r->token, c);
	}
	field.ended_by = c;
	return field;
}

/* The lines behind "FROM stdin;", up to "\.".  @return false: the dump ends before */
static bool copy_rows(struct reader *r)
{
	for (;;) {
		struct copied field;

		row_begin(r);
		do {
			field = copy_field(r);
			if (field.ended_by == END)
				return false;
			r->is_odd |= r->token.is_cut;
			value_add(r, sql_token_text(&r->token), field.is_null);
		} while (field.ended_by == '\t');
		if (field.is_dot && r->row.count == 1 && r->row.value[0].text.len == 1)
			return true;
		r->dump->line--; /* row_end() counts the line that is not ended yet */
		row_end(r);
		r->dump->line++;
	}
}

static bool copy_take(struct reader *r)
{
	bool has_data = false;

	sql_token_next(r);
	if (!table_take(r))
		return r->token.kind != TOKEN_END;
	if (is_sign(r, '('))
		column_list_take(r);
	for (; r->token.kind != TOKEN_END && !is_sign(r, ';'); sql_token_next(r))
		has_data |= is_keyword(r, "stdin");
	if (!is_sign(r, ';'))
		return false;
	if (!has_data)
		return true;
	sql_skip_line(r);
	return copy_rows(r);
}

/* --- statements --- */

static bool statement_skip(struct reader *r)
{
	while (r->token.kind != TOKEN_END && !is_sign(r, ';'))
		sql_token_next(r);
	return r->token.kind != TOKEN_END;
}

/* INSERT [IGNORE] INTO t [(columns)] VALUES rows */
static bool insert_take(struct reader *r)
{
	while (r->token.kind == TOKEN_WORD && !is_keyword(r, "INTO"))
		sql_token_next(r);
	sql_token_next(r);
	if (!table_take(r))
		return statement_skip(r);
	if (is_sign(r, '('))
		column_list_take(r);
	if (is_keyword(r, "VALUES")) {
		sql_token_next(r);
		rows_take(r);
	}
	return statement_skip(r);
}

static bool is_constraint(const struct reader *r)
{
	static const char *const words[] = { "PRIMARY",    "KEY",     "UNIQUE", "INDEX",
					     "CONSTRAINT", "FOREIGN", "CHECK",  "SPATIAL",
					     "FULLTEXT",   "EXCLUDE", "LIKE" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (is_keyword(r, words[i]))
			return true;
	return false;
}

/* CREATE TABLE t (a int, b text default 'x,y', PRIMARY KEY (a)); "TABLE" is the token. */
static bool table_define(struct reader *r)
{
	unsigned depth = 1;
	bool is_item = true;

	for (sql_token_next(r);
	     is_keyword(r, "IF") || is_keyword(r, "NOT") || is_keyword(r, "EXISTS");)
		sql_token_next(r);
	if (!table_take(r) || !is_sign(r, '('))
		return statement_skip(r);
	while (depth > 0) {
		sql_token_next(r);
		if (r->token.kind == TOKEN_END || is_sign(r, ';'))
			return statement_skip(r);
		if (is_sign(r, '('))
			depth++;
		else if (is_sign(r, ')'))
			depth--;
		if (is_item && is_named(r) && !is_constraint(r))
			column_add(&r->now, sql_token_text(&r->token));
		is_item = depth == 1 && is_sign(r, ',');
	}
	if (r->table_count < SQL_TABLES_MAX && columns_find(r) == NULL)
		r->table[r->table_count++] = r->now;
	return statement_skip(r);
}

static bool create_take(struct reader *r)
{
	do
		sql_token_next(r);
	while (r->token.kind == TOKEN_WORD && !is_keyword(r, "TABLE") && !is_keyword(r, "INDEX") &&
	       !is_keyword(r, "VIEW") && !is_keyword(r, "FUNCTION"));
	if (is_keyword(r, "TABLE"))
		return table_define(r);
	return statement_skip(r);
}

/* One statement, whose first token has been taken.  @return false: the dump ends within it */
static bool statement_take(struct reader *r)
{
	if (is_sign(r, ';'))
		return true;
	if (is_sign(r, '\\')) { /* a command of psql */
		sql_skip_line(r);
		return true;
	}
	if (is_keyword(r, "INSERT") || is_keyword(r, "REPLACE"))
		return insert_take(r);
	if (is_keyword(r, "COPY"))
		return copy_take(r);
	if (is_keyword(r, "CREATE"))
		return create_take(r);
	if (is_keyword(r, "PRAGMA") || is_keyword(r, "BEGIN"))
		r->dialect = r->dialect == DIALECT_UNKNOWN ? DIALECT_STANDARD : r->dialect;
	return statement_skip(r);
}

/* U+FEFF in front, as some editors write it. */
static void mark_skip(struct reader *r)
{
	static const unsigned char mark[] = { 0xef, 0xbb, 0xbf };

	for (size_t i = 0; i < sizeof(mark) && sql_peek(r) == mark[i]; i++)
		sql_take(r);
}

enum err sql_dump_read(struct sql_dump *dump)
{
	struct reader *r = calloc(1, sizeof(*r));
	enum err err = OK;

	if (r == NULL)
		return ERR_SYSTEM;
	r->dump = dump;
	dump->line = 0;
	dump->skipped = 0;
	dump->has_wanted = dump->has_others = false;
	mark_skip(r);
	while (err == OK) {
		sql_token_next(r);
		dump->begun_line = dump->line + 1;
		if (r->token.kind == TOKEN_END)
			break;
		if (!statement_take(r))
			err = ERR_SYNTAX;
	}
	if (r->is_failed)
		err = ERR_SYSTEM;
	dump->is_known = r->dialect != DIALECT_UNKNOWN;
	free(r);
	return err;
}

/* --- what a row says --- */

bool sql_dump_wants(struct sql_dump *dump, struct span table)
{
	for (size_t i = 0; dump->wanted != NULL && dump->wanted[i] != NULL; i++)
		if (span_equal_nocase(table, span_cstr(dump->wanted[i]))) {
			dump->has_wanted = true;
			return true;
		}
	dump->has_others = true;
	return dump->wanted == NULL;
}

bool sql_row_text(const struct sql_row *row, const char *column, unsigned position,
		  struct span *text_out)
{
	for (unsigned i = 0; i < row->name_count; i++)
		if (span_equal_nocase(row->name[i], span_cstr(column))) {
			position = i;
			break;
		} else if (i + 1 == row->name_count) {
			return false;
		}
	if (position >= row->count || row->value[position].is_null)
		return false;
	*text_out = row->value[position].text;
	return true;
}

bool sql_row_char(const struct sql_row *row, const char *column, unsigned position,
		  struct span *text_out)
{
	if (!sql_row_text(row, column, position, text_out))
		return false;
	while (text_out->len > 0 && text_out->at[text_out->len - 1] == ' ')
		text_out->len--;
	return true;
}

int64_t sql_row_number(const struct sql_row *row, const char *column, unsigned position)
{
	struct span text;
	int64_t number;

	if (!sql_row_text(row, column, position, &text) || number_parse(text, &number) != OK)
		return 0;
	return number;
}
