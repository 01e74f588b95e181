/* members.c -- is a value in a list, in a table, does it match a pattern? */
#include "base/number.h"
#include "policy/body.h"

enum { LIST_ITEMS_MAX = 1024 };

struct list {
	struct table *table;
	struct place bracket;
	enum value_type type; /* of what is looked for */
};

/* The text of an item as table_find looks for it. */
static bool list_key(struct body *body, const struct list *list, struct span text,
		     struct place place, struct span *key_out)
{
	TEXT(key, TABLE_KEY_MAX);
	double number;

	if (list->type == TYPE_NUMBER && decimal_parse(text, &number) == OK)
		text_add_double(&key, number);
	else if (list->type == TYPE_NUMBER)
		report_error(body_report(body), place, "'%.*s' is no number", WORD_ARG(text));
	else
		text_add_lower(&key, text);
	*key_out = compiler_copy(body->compiler, text_span(&key));
	if (!key.overrun)
		return true;
	report_error(body_report(body), place, "an item of a list is longer than %d bytes",
		     TABLE_KEY_MAX);
	return false;
}

static bool list_add(struct body *body, struct list *list, struct span text, struct place place)
{
	struct table *table = list->table;
	struct table_row *rows, row = { 0 };

	if (table->row_count == LIST_ITEMS_MAX) {
		report_error(body_report(body), list->bracket, "a list has at most %d items",
			     LIST_ITEMS_MAX);
		report_hint(body_report(body), "a table of kind file or cidr has room for more");
		return false;
	}
	if (list->type == TYPE_ADDRESS && prefix_parse(text, &row.prefix) != OK) {
		report_error(body_report(body), place, "'%.*s' is no address or network",
			     WORD_ARG(text));
		return false;
	}
	if (list->type != TYPE_ADDRESS && !list_key(body, list, text, place, &row.key))
		return false;
	rows = compiler_grow(body->compiler, table->row, table->row_count, sizeof(*rows));
	if (rows == NULL)
		return false;
	table->row = rows;
	rows[table->row_count++] = row;
	return true;
}

static bool list_items_parse(struct body *body, struct list *list)
{
	struct parser *parser = &body->parser;
	enum list_next next = parser_first_in_list(parser);

	while (next == LIST_MORE) {
		struct token token;
		struct span text;

		if (!parser_expect_text(parser, LEX_WORD, "an item of the list", &token, &text) ||
		    !list_add(body, list, text, token.place))
			return false;
		next = parser_next_in_list(parser, list->bracket);
	}
	return next == LIST_CLOSED;
}

/* LEFT in [a, b, 192.0.2.0/24]; the bracket has been taken */
static struct term in_list_parse(struct body *body, struct term left)
{
	struct list list = { .bracket = body->parser.previous, .type = left.expr->type };
	struct term term;

	list.table = compiler_alloc(body->compiler, sizeof(*list.table));
	if (list.table == NULL)
		return term_none(left.place);
	list.table->kind = list.type == TYPE_ADDRESS ? TABLE_CIDR : TABLE_KEYS;
	if (!list_items_parse(body, &list))
		return term_none(left.place);
	if (table_index(list.table, &body->compiler->config->arena) != OK)
		body->compiler->is_full = true;
	if (list.type != TYPE_ADDRESS)
		left = term_as_text(body, left);
	term = term_node(body, EXPR_IN_LIST, TYPE_TRUTH, &left, NULL);
	term.place = place_join(left.place, body->parser.previous);
	if (term.expr != NULL)
		term_expr(&term)->table = list.table;
	return term;
}

bool table_takes(struct body *body, const struct table *table, struct term *key, struct span name)
{
	bool is_address = key->expr->type == TYPE_ADDRESS;

	if (table->kind == TABLE_CIDR && !is_address) {
		report_error(body_report(body), key->place,
			     "'%.*s' is a table of networks, and this is %s", WORD_ARG(name),
			     type_name(key->expr->type));
		report_hint(body_report(body), "it can be asked for client_address");
		return false;
	}
	if ((table->kind == TABLE_DOMAIN || table->kind == TABLE_RECIPIENTS) && is_address) {
		report_error(body_report(body), key->place,
			     "'%.*s' is a table of %s, and this is an address", WORD_ARG(name),
			     table->kind == TABLE_DOMAIN ? "domains" : "recipients");
		report_hint(body_report(body), "it can be asked for %s",
			    table->kind == TABLE_DOMAIN ? "client_name" : "recipient");
		return false;
	}
	if (!is_address)
		*key = term_as_text(body, *key);
	return key->expr != NULL;
}

static struct term in_table_parse(struct body *body, struct term left)
{
	const struct symbol *symbol;
	const struct table *table;
	struct token name;
	struct term term;

	if (!parser_expect_name(&body->parser, "a table or [list]", &name))
		return term_none(left.place);
	symbol = symbol_find(&body->compiler->tables, name.text);
	if (symbol == NULL)
		return one_in_set_term(body, left, &name);
	table = symbol->what;
	if (!table_takes(body, table, &left, name.text))
		return term_none(left.place);
	term = term_node(body, EXPR_IN_TABLE, TYPE_TRUTH, &left, NULL);
	term.place = place_join(left.place, name.place);
	if (term.expr != NULL)
		term_expr(&term)->table = table;
	return term;
}

struct term in_parse(struct body *body, struct term left)
{
	if (parser_accept_sign(&body->parser, "["))
		return in_list_parse(body, left);
	return in_table_parse(body, left);
}

struct term matches_parse(struct body *body, struct term left)
{
	struct token pattern;
	struct regex *regex;
	struct term term;

	if (parser_peek(&body->parser, LEX_REGEX)->kind != TOKEN_REGEX) {
		parser_report_unexpected(&body->parser, "a /pattern/");
		return term_none(left.place);
	}
	pattern = parser_take(&body->parser, LEX_REGEX);
	if (pattern.is_broken)
		return term_none(left.place);
	regex = compiler_regex(body->compiler, pattern.text, pattern.ignore_case,
			       (struct place){ pattern.place.source, pattern.place.at + 1,
					       pattern.text.len });
	left = term_as_text(body, left);
	if (regex == NULL || left.expr == NULL)
		return term_none(left.place);
	term = term_node(body, EXPR_MATCHES, TYPE_TRUTH, &left, NULL);
	term.place = place_join(left.place, pattern.place);
	if (term.expr != NULL)
		term_expr(&term)->regex = regex;
	return term;
}
