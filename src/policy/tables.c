/* tables.c -- the statement "table": inline lists, files of keys, files of networks. */
#include "base/escape.h"
#include "policy/compiler.h"

enum { TABLE_MISTAKES_MAX = 20 };

static struct span lower_copy(struct compiler *compiler, struct span s)
{
	char *lower;
	size_t i = 0;

	while (i < s.len && s.at[i] == ascii_lower(s.at[i]))
		i++;
	if (i == s.len)
		return s;
	lower = compiler_alloc(compiler, s.len + 1);
	if (lower == NULL)
		return s;
	for (i = 0; i < s.len; i++)
		lower[i] = ascii_lower(s.at[i]);
	return span_of(lower, s.len);
}

/* A key as table_find looks for it: lower case, an address in its canonical form. */
static struct span table_key(struct compiler *compiler, struct span s)
{
	TEXT(text, IP_TEXT_MAX);
	struct ip ip;

	if (ip_parse(s, &ip) != OK)
		return lower_copy(compiler, s);
	text_add_ip(&text, ip);
	return compiler_copy(compiler, text_span(&text));
}

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

struct table_file {
	struct compiler *compiler;
	struct table *table;
	const struct source *source;
	unsigned mistakes;
};

/* Room for a row a line at once: a million rows are not to be moved twenty times. */
static bool rows_prepare(struct table_file *file)
{
	struct span rest = file->source->text, line;
	size_t rows = 0;

	while (span_cut(&rest, '\n', &line))
		rows += line.len > 0 && line.at[0] != '#' && line.at[0] != '\r';
	if (rows > TABLE_ROWS_MAX) {
		report_error(&file->compiler->report, (struct place){ file->source, 0, 0 },
			     "a table has at most %d rows", TABLE_ROWS_MAX);
		return false;
	}
	file->table->row = compiler_alloc(file->compiler, sizeof(struct table_row) * (rows + 1));
	return file->table->row != NULL;
}

static void row_add(struct table_file *file, struct table_row row)
{
	file->table->row[file->table->row_count++] = row;
}

static struct place place_in(const struct table_file *file, struct span s)
{
	return (struct place){ file->source, (size_t)(s.at - file->source->text.at), s.len };
}

static bool is_clean(struct table_file *file, struct span line)
{
	struct span rest = line;

	while (rest.len > 0) {
		uint32_t character;
		size_t len = (unsigned char)rest.at[0] < 0x80 ? 1 : utf8_decode(rest, &character);

		if (len == 0 || ((unsigned char)rest.at[0] < 0x20 && rest.at[0] != '\t')) {
			report_error(&file->compiler->report, place_in(file, span_first(rest, 1)),
				     "byte 0x%02x is no text: this file must be UTF-8",
				     (unsigned char)rest.at[0]);
			file->mistakes++;
			return false;
		}
		rest = span_from(rest, len);
	}
	return true;
}

static struct span first_word(struct span line)
{
	size_t len = 0;

	while (len < line.len && line.at[len] != ' ' && line.at[len] != '\t')
		len++;
	return span_first(line, len);
}

/* As in Postfix, a line that begins with a blank goes on with the one before. */
static bool keys_continue(struct table_file *file, struct span line)
{
	struct table *table = file->table;
	struct table_row *row;
	char *joined;

	if (table->row_count == 0) {
		report_error(&file->compiler->report, place_in(file, line),
			     "a line that begins with a blank goes on with the one before");
		file->mistakes++;
		return true;
	}
	row = &table->row[table->row_count - 1];
	if (row->value.len == 0) {
		row->value = line;
		return true;
	}
	joined = compiler_alloc(file->compiler, row->value.len + 1 + line.len);
	if (joined == NULL)
		return false;
	memcpy(joined, row->value.at, row->value.len);
	joined[row->value.len] = ' ';
	memcpy(joined + row->value.len + 1, line.at, line.len);
	row->value = span_of(joined, row->value.len + 1 + line.len);
	return true;
}

static bool keys_line(struct table_file *file, struct span whole)
{
	struct span line = span_trim(whole);
	struct span key = first_word(line);
	struct table_row row = {
		.key = table_key(file->compiler, key),
		.value = span_trim(span_from(line, key.len)),
	};

	if (whole.at[0] == ' ' || whole.at[0] == '\t')
		return keys_continue(file, line);
	row_add(file, row);
	return true;
}

static bool networks_line(struct table_file *file, struct span whole)
{
	struct span line = span_trim(whole);
	struct span word = first_word(line);
	struct table_row row = { .value = span_trim(span_from(line, word.len)) };

	if (prefix_parse(word, &row.prefix) == OK) {
		row_add(file, row);
		return true;
	}
	report_error(&file->compiler->report, place_in(file, word),
		     "this is no network such as 192.0.2.0/24 or 2001:db8::/32");
	if (span_find(word, '/') < word.len)
		report_hint(&file->compiler->report,
			    "is it too long, or are there bits behind its end?");
	file->mistakes++;
	return true;
}

static bool table_read(struct table_file *file, bool (*line_read)(struct table_file *, struct span))
{
	struct span rest = file->source->text, line;

	if (span_starts(rest, SPAN("\xef\xbb\xbf")))
		rest = span_from(rest, 3);
	while (file->mistakes < TABLE_MISTAKES_MAX && span_cut(&rest, '\n', &line)) {
		struct span trimmed;

		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		trimmed = span_trim(line);
		if (trimmed.len == 0 || trimmed.at[0] == '#' || !is_clean(file, line))
			continue;
		if (!line_read(file, line))
			return false;
	}
	return true;
}

static bool file_parse(struct parser *parser, struct table *table,
		       bool (*line_read)(struct table_file *, struct span))
{
	struct compiler *compiler = parser->compiler;
	struct table_file file = { .compiler = compiler, .table = table };
	struct token token;
	struct span path;

	if (!parser_expect_text(parser, LEX_WORD, "a file", &token, &path))
		return false;
	path = compiler_path(compiler, token.place.source, path);
	file.source = compiler_load(compiler, path, token.place, true);
	return file.source == NULL || (rows_prepare(&file) && table_read(&file, line_read));
}

static bool keys_parse(struct parser *parser, struct table *table)
{
	return file_parse(parser, table, keys_line);
}

static bool networks_parse(struct parser *parser, struct table *table)
{
	table->kind = TABLE_CIDR;
	return file_parse(parser, table, networks_line);
}

static const struct {
	const char *keyword;
	bool (*parse)(struct parser *parser, struct table *table);
} kinds[] = {
	{ "inline", inline_parse },
	{ "file", keys_parse },
	{ "cidr", networks_parse },
};

static bool kind_parse(struct parser *parser, struct table *table)
{
	struct guess guess;
	struct token token;

	if (!parser_expect_name(parser, "the kind of the table", &token))
		return false;
	guess = guess_of(token.text);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		guess_offer(&guess, span_cstr(kinds[i].keyword));
		if (token_is_word(&token, kinds[i].keyword))
			return kinds[i].parse(parser, table);
	}
	if (word_is_future(token.text)) {
		report_error(parser_report(parser), token.place,
			     "tables of kind '%.*s' are not in this version", WORD_ARG(token.text));
		report_hint(parser_report(parser), "inline, file or cidr");
		return false;
	}
	report_error(parser_report(parser), token.place, "no kind of table is called '%.*s'",
		     WORD_ARG(token.text));
	report_hint(parser_report(parser), "inline, file or cidr");
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
