/* tables.c -- the statement "table": inline lists, and files of all kinds of rows.
 *
 *	table NAME inline { KEY [VALUE], ... }
 *	table NAME KIND [optional] "PATH"
 *	table NAME KIND [optional] ["PATH", "PATH"]
 */
#include "policy/tables.h"

static struct table_row *table_add(struct compiler *compiler, struct table *table,
				   struct table_row row)
{
	struct table_row *rows = compiler_grow(compiler, table->row, table->row_count, sizeof(row));

	if (rows == NULL)
		return NULL;
	table->row = rows;
	rows[table->row_count] = row;
	return &rows[table->row_count++];
}

static bool table_finish(struct parser *parser, struct table *table, struct place place)
{
	/* Strangers bring keys to look up, but never rows: any constant does. */
	table->hash = (struct hash_key){ { 0x6769657764, 0x7461626c65 } };
	if (table_index(table, &parser->compiler->config->arena) == OK)
		return true;
	report_error(parser_report(parser), place, "the table is too large");
	return false;
}

/* --- inline --- */

static bool row_parse(struct parser *parser, struct table *table)
{
	struct compiler *compiler = parser->compiler;
	struct table_row row = { 0 };
	struct token token;

	if (!parser_expect_text(parser, LEX_WORD, "a key", &token, &row.key))
		return false;
	row.key = table_key(compiler, row.key);
	if (!parser_at_end(parser) && !token_is_sign(parser_peek(parser, LEX_WORD), ",") &&
	    !parser_expect_text(parser, LEX_WORD, "a value", &token, &row.value))
		return false;
	return table_add(compiler, table, row) != NULL;
}

static bool inline_parse(struct parser *parser, struct table *table)
{
	struct place brace;

	if (!parser_expect_sign(parser, "{", "inline"))
		return false;
	brace = parser->previous;
	while (parser_next_item(parser, brace))
		if (!row_parse(parser, table) || !parser_expect_item_end(parser))
			parser_skip_item(parser);
	return true;
}

/* --- files --- */

static size_t count_lines(struct span text)
{
	struct span line;
	size_t lines = 0;

	while (span_cut(&text, '\n', &line))
		lines += line.len > 0 && line.at[0] != '#' && line.at[0] != '\r';
	return lines;
}

/* An array with room for more; NULL: no room. */
static void *widen(struct compiler *compiler, const void *array, size_t count, size_t more,
		   size_t item_bytes)
{
	void *wider = compiler_alloc(compiler, (count + more + 1) * item_bytes);

	if (wider != NULL && count > 0)
		memcpy(wider, array, count * item_bytes);
	return wider;
}

static bool rows_reserve(struct compiler *compiler, struct table *table, size_t more)
{
	table->row = widen(compiler, table->row, table->row_count, more, sizeof(*table->row));
	return table->row != NULL;
}

/* Room for a row a line at once: a million rows are not to be moved twenty times. */
static bool table_reserve(struct table_file *file, unsigned holds)
{
	struct compiler *compiler = file->compiler;
	struct table *table = file->table;
	size_t lines = count_lines(file->source->text);

	if (lines + table->row_count > TABLE_ROWS_MAX) {
		report_error(&compiler->report, (struct place){ file->source, 0, 0 },
			     "a table has at most %d rows", TABLE_ROWS_MAX);
		return false;
	}
	if ((holds & HOLDS_ROWS) != 0 && !rows_reserve(compiler, table, lines))
		return false;
	if ((holds & HOLDS_NETWORKS) != 0 && !rows_reserve(compiler, table->networks, lines))
		return false;
	if ((holds & HOLDS_PATTERNS) == 0)
		return true;
	if (lines > TABLE_PATTERNS_MAX - table->pattern_count)
		lines = TABLE_PATTERNS_MAX - table->pattern_count;
	table->pattern = widen(compiler, table->pattern, table->pattern_count, lines,
			       sizeof(*table->pattern));
	return table->pattern != NULL;
}

struct table_reading {
	struct table *table;
	const struct table_format *format;
	bool is_optional;
};

static bool file_parse(struct parser *parser, const struct table_reading *reading)
{
	struct compiler *compiler = parser->compiler;
	struct table_file file = {
		.compiler = compiler,
		.table = reading->table,
		.first_row = reading->table->row_count,
	};
	struct token token;
	struct span path;

	if (!parser_expect_text(parser, LEX_WORD, "a file", &token, &path))
		return false;
	path = compiler_path(compiler, token.place.source, path);
	file.source = reading->is_optional ? compiler_load_optional(compiler, path, token.place)
					   : compiler_load(compiler, path, token.place, true);
	return file.source == NULL ||
	       (table_reserve(&file, reading->format->holds) && table_read(&file, reading->format));
}

static bool files_parse(struct parser *parser, const struct table_reading *reading)
{
	struct place bracket;
	enum list_next next;

	if (!parser_accept_sign(parser, "["))
		return file_parse(parser, reading);
	bracket = parser->previous;
	for (next = parser_first_in_list(parser); next == LIST_MORE;
	     next = parser_next_in_list(parser, bracket))
		if (!file_parse(parser, reading))
			return false;
	return next == LIST_CLOSED;
}

static bool format_parse(struct parser *parser, struct table *table,
			 const struct table_format *format)
{
	struct table_reading reading = { .table = table, .format = format };

	table->kind = format->kind;
	if ((format->holds & HOLDS_NETWORKS) != 0) {
		table->networks = compiler_alloc(parser->compiler, sizeof(*table->networks));
		if (table->networks == NULL)
			return false;
		table->networks->kind = TABLE_CIDR;
	}
	reading.is_optional = parser_accept_word(parser, "optional");
	return files_parse(parser, &reading);
}

static bool kind_parse(struct parser *parser, struct table *table)
{
	static const char kinds[] = "inline, file, cidr, regex, domain, postgrey-clients, "
				    "postgrey-recipients or exim-hosts";
	const struct table_format *format;
	struct guess guess;
	struct token token;

	if (!parser_expect_name(parser, "the kind of the table", &token))
		return false;
	if (token_is_word(&token, "inline"))
		return inline_parse(parser, table);
	guess = guess_of(token.text);
	guess_offer(&guess, SPAN("inline"));
	format = table_format_find(token.text, &guess);
	if (format != NULL)
		return format_parse(parser, table, format);
	report_error(parser_report(parser), token.place,
		     word_is_future(token.text) ? "tables of kind '%.*s' are not in this version"
						: "no kind of table is called '%.*s'",
		     WORD_ARG(token.text));
	report_hint(parser_report(parser), kinds);
	if (!word_is_future(token.text))
		report_guess(parser_report(parser), &guess);
	return false;
}

bool table_parse(struct parser *parser)
{
	struct compiler *compiler = parser->compiler;
	struct table *table = compiler_alloc(compiler, sizeof(*table));
	struct token token;
	bool parsed;

	if (table == NULL || !parser_expect_name(parser, "a table's name", &token))
		return false;
	table->name = token.text;
	parsed = kind_parse(parser, table);
	/* Known all the same, so that one mistake does not make another. */
	return symbol_add(compiler, &compiler->tables, token.text, token.place, table) != NULL &&
	       table_finish(parser, table, token.place) && parsed;
}
