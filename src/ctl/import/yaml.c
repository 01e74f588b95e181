/* yaml.c -- see yaml.h. */
#include "ctl/import/yaml.h"

#include "base/number.h"

struct yaml {
	struct span source;
	size_t at, line_at; /* where the line of at begins */
	uint32_t line;
	struct arena *arena;
	struct text *report;
	unsigned depth;
	enum err err;
};

static struct yaml_node *fail(struct yaml *y, enum err err, const char *what)
{
	if (y->err == OK) {
		text_addf(y->report, "%u: error: %s\n", (unsigned)y->line, what);
		y->err = err;
	}
	return NULL;
}

/* --- bytes --- */

/* NUL at the end, and for a NUL, which is refused everywhere. */
static char peek_at(const struct yaml *y, size_t ahead)
{
	return y->at + ahead < y->source.len ? y->source.at[y->at + ahead] : '\0';
}

static char peek(const struct yaml *y)
{
	return peek_at(y, 0);
}

static bool is_at_end(const struct yaml *y)
{
	return y->at >= y->source.len;
}

static bool is_break(char c)
{
	return c == '\n' || c == '\r';
}

static bool is_gap(char c)
{
	return c == ' ' || c == '\t' || is_break(c) || c == '\0';
}

static size_t column(const struct yaml *y)
{
	return y->at - y->line_at;
}

/* Blanks and a comment on this line. */
static void skip_rest(struct yaml *y)
{
	while (peek(y) == ' ' || peek(y) == '\t')
		y->at++;
	if (peek(y) == '#' && (y->at == y->line_at || is_gap(y->source.at[y->at - 1])))
		while (!is_at_end(y) && peek(y) != '\n')
			y->at++;
}

/* To the next token, on whatever line. */
static void skip(struct yaml *y)
{
	for (;;) {
		skip_rest(y);
		if (!is_break(peek(y)))
			return;
		if (peek(y) == '\n') {
			y->line++;
			y->line_at = y->at + 1;
		}
		y->at++;
	}
}

/* Is there nothing more on this line? */
static bool line_ends(struct yaml *y)
{
	skip_rest(y);
	return is_at_end(y) || is_break(peek(y));
}

/* --- nodes --- */

static struct yaml_node *node_new(struct yaml *y, enum yaml_kind kind)
{
	struct yaml_node *node = ARENA_NEW(y->arena, struct yaml_node);

	if (node == NULL)
		return fail(y, ERR_LIMIT, "too large");
	node->kind = kind;
	node->line = y->line;
	node->source = span_from(y->source, y->at);
	return node;
}

static struct yaml_node *node_end(struct yaml *y, struct yaml_node *node)
{
	size_t from = (size_t)(node->source.at - y->source.at);

	node->source = span_trim(span_first(node->source, y->at - from));
	return node;
}

/* Does a tab indent this line? */
static bool is_tabbed(struct yaml *y)
{
	if (!span_has(span_of(y->source.at + y->line_at, column(y)), SPAN("\t")))
		return false;
	fail(y, ERR_SYNTAX, "a tab cannot indent");
	return true;
}

static bool is_refused(struct yaml *y)
{
	static const struct {
		char sign;
		const char *what;
	} refused[] = {
		{ '&', "anchors are not understood: write the value where it is needed" },
		{ '*', "aliases are not understood: write the value where it is needed" },
		{ '!', "tags are not understood" },
		{ '|', "texts over several lines are not understood" },
		{ '>', "texts over several lines are not understood" },
		{ '%', "directives are not understood" },
		{ '@', "no value begins so" },
		{ '`', "no value begins so" },
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (peek(y) == refused[i].sign) {
			fail(y, ERR_SYNTAX, refused[i].what);
			return true;
		}
	if (peek(y) == '?' && is_gap(peek_at(y, 1))) {
		fail(y, ERR_SYNTAX, "keys that are no plain words are not understood");
		return true;
	}
	return false;
}

/* --- scalars --- */

static int hex_digit(char c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind a backslash.  @return false: not one that is understood */
static bool unescape(struct yaml *y, char *c_out)
{
	static const char from[] = "0abtnvfre\"/\\ ";
	static const char to[] = "\0\a\b\t\n\v\f\r\x1b\"/\\ ";
	char c = peek(y);
	const char *found = c == '\0' ? NULL : strchr(from, c);

	y->at++;
	if (found != NULL) {
		*c_out = to[found - from];
		return true;
	}
	if (c != 'x' || hex_digit(peek(y)) < 0 || hex_digit(peek_at(y, 1)) < 0)
		return false;
	*c_out = (char)(hex_digit(peek(y)) << 4 | hex_digit(peek_at(y, 1)));
	y->at += 2;
	return true;
}

static struct yaml_node *quoted_read(struct yaml *y)
{
	struct yaml_node *node = node_new(y, YAML_SCALAR);
	char quote = peek(y), *text;
	size_t len = 0, room = span_find(span_from(y->source, y->at), '\n');

	text = node == NULL ? NULL : arena_alloc(y->arena, room + 1);
	if (text == NULL)
		return fail(y, ERR_LIMIT, "too large");
	for (y->at++; peek(y) != quote || (quote == '\'' && peek_at(y, 1) == quote); len++) {
		if (is_at_end(y) || is_break(peek(y)))
			return fail(y, ERR_SYNTAX, "this text is not closed on its line");
		text[len] = peek(y);
		y->at += quote == '\'' && peek(y) == quote ? 2 : 1;
		if (text[len] == '\\' && quote == '"' && !unescape(y, &text[len]))
			return fail(y, ERR_SYNTAX, "this escape is not understood");
	}
	y->at++;
	node->is_quoted = true;
	node->text = span_of(text, len);
	return node_end(y, node);
}

static bool plain_ends(const struct yaml *y, bool is_flow)
{
	char c = peek(y);

	if (is_at_end(y) || is_break(c))
		return true;
	if (c == ':' &&
	    (is_gap(peek_at(y, 1)) || (is_flow && strchr(",[]{}", peek_at(y, 1)) != NULL)))
		return true;
	if (c == '#' && y->at > 0 && is_gap(y->source.at[y->at - 1]))
		return true;
	return is_flow && c != '\0' && strchr(",[]{}", c) != NULL;
}

static struct yaml_node *plain_read(struct yaml *y, bool is_flow)
{
	struct yaml_node *node = node_new(y, YAML_SCALAR);

	if (node == NULL || is_refused(y))
		return NULL;
	for (; !plain_ends(y, is_flow); y->at++)
		if (peek(y) == '\0')
			return fail(y, ERR_SYNTAX, "a NUL is no text");
	node_end(y, node);
	node->text = node->source;
	return node;
}

static struct yaml_node *scalar_read(struct yaml *y, bool is_flow)
{
	if (peek(y) == '"' || peek(y) == '\'')
		return quoted_read(y);
	return plain_read(y, is_flow);
}

/* --- flow style --- */

static struct yaml_node *flow_read(struct yaml *y);

/* "key:" before a value.  @return NULL: failed */
static struct yaml_node *flow_member(struct yaml *y, bool is_map)
{
	struct yaml_node *key, *value;

	if (!is_map)
		return flow_read(y);
	key = scalar_read(y, true);
	if (key == NULL)
		return NULL;
	skip(y);
	if (peek(y) != ':')
		return fail(y, ERR_SYNTAX, "a colon and a value are missing");
	y->at++;
	skip(y);
	value = peek(y) == ',' || peek(y) == '}' ? node_new(y, YAML_SCALAR) : flow_read(y);
	if (value == NULL)
		return NULL;
	if (value->kind == YAML_SCALAR && value->source.len > 0 && value->text.at == NULL)
		value->source.len = 0;
	value->key = key->text;
	return value;
}

static struct yaml_node *flow_items(struct yaml *y, struct yaml_node *node, char closing)
{
	struct yaml_node **last = &node->first;

	for (skip(y); peek(y) != closing; skip(y)) {
		*last = flow_member(y, closing == '}');
		if (*last == NULL)
			return NULL;
		last = &(*last)->next;
		skip(y);
		if (peek(y) == ',')
			y->at++;
		else if (peek(y) != closing)
			return fail(y, ERR_SYNTAX, "a comma or the closing bracket is missing");
	}
	y->at++;
	return node_end(y, node);
}

static struct yaml_node *flow_read(struct yaml *y)
{
	char opening = peek(y);
	struct yaml_node *node;

	if (opening != '[' && opening != '{') {
		node = scalar_read(y, true);
		if (node != NULL && node->source.len == 0)
			return fail(y, ERR_SYNTAX, "a value is missing");
		return node;
	}
	node = node_new(y, opening == '[' ? YAML_LIST : YAML_MAP);
	if (node == NULL)
		return NULL;
	if (y->depth == YAML_DEPTH_MAX)
		return fail(y, ERR_LIMIT, "too deep");
	y->depth++;
	y->at++;
	node = flow_items(y, node, opening == '[' ? ']' : '}');
	y->depth--;
	return node;
}

/* --- block style --- */

static struct yaml_node *block_read(struct yaml *y);

static bool is_dash(const struct yaml *y)
{
	return peek(y) == '-' && is_gap(peek_at(y, 1));
}

/* The value behind "key:" or "-", whose column is given; nothing is null. */
static struct yaml_node *value_read(struct yaml *y, size_t owner, bool is_item)
{
	struct yaml_node *node;

	if (!line_ends(y)) {
		if (is_item)
			return block_read(y);
		node = peek(y) == '[' || peek(y) == '{' ? flow_read(y) : scalar_read(y, false);
		if (node != NULL && !line_ends(y))
			return fail(y, ERR_SYNTAX, "the line goes on behind its value");
		return node;
	}
	node = node_new(y, YAML_SCALAR);
	if (node != NULL)
		node->source.len = 0;
	skip(y);
	if (is_at_end(y))
		return node;
	if (column(y) > owner || (!is_item && column(y) == owner && is_dash(y)))
		return block_read(y);
	return node;
}

static struct yaml_node *list_read(struct yaml *y)
{
	struct yaml_node *node = node_new(y, YAML_LIST), **last;
	size_t own = column(y);

	if (node == NULL)
		return NULL;
	last = &node->first;
	while (!is_at_end(y) && column(y) == own && is_dash(y)) {
		y->at++;
		*last = value_read(y, own, true);
		if (*last == NULL)
			return NULL;
		last = &(*last)->next;
		skip(y);
	}
	return node_end(y, node);
}

static struct yaml_node *map_read(struct yaml *y, struct yaml_node *key, size_t own)
{
	struct yaml_node *node = node_new(y, YAML_MAP), **last;

	if (node == NULL)
		return NULL;
	node->line = key->line;
	node->source = span_from(y->source, (size_t)(key->source.at - y->source.at));
	last = &node->first;
	for (;;) {
		y->at++; /* the colon */
		*last = value_read(y, own, false);
		if (*last == NULL)
			return NULL;
		(*last)->key = key->text;
		last = &(*last)->next;
		skip(y);
		if (is_at_end(y) || column(y) != own)
			return node_end(y, node);
		key = is_tabbed(y) ? NULL : scalar_read(y, false);
		if (key == NULL)
			return NULL;
		if (peek(y) != ':' || !is_gap(peek_at(y, 1)))
			return fail(y, ERR_SYNTAX, "this is no \"name: value\"");
	}
}

/* Whatever begins here: a list, a map, a scalar or something in brackets. */
static struct yaml_node *block_read(struct yaml *y)
{
	size_t own = column(y);
	struct yaml_node *node;

	if (is_tabbed(y))
		return NULL;
	if (y->depth == YAML_DEPTH_MAX)
		return fail(y, ERR_LIMIT, "too deep");
	y->depth++;
	if (is_dash(y)) {
		node = list_read(y);
	} else if (peek(y) == '[' || peek(y) == '{') {
		node = flow_read(y);
	} else {
		node = scalar_read(y, false);
		if (node != NULL && peek(y) == ':' && is_gap(peek_at(y, 1)))
			node = map_read(y, node, own);
		else if (node != NULL && !line_ends(y))
			node = fail(y, ERR_SYNTAX, "the line goes on behind its value");
	}
	y->depth--;
	return node;
}

enum err yaml_read(struct span source, struct arena *arena, struct text *report,
		   struct yaml_node **root_out)
{
	struct yaml y = { .source = source, .line = 1, .arena = arena, .report = report };
	struct yaml_node *root;

	if (source.len > YAML_BYTES_MAX)
		return ERR_LIMIT;
	if (span_starts(source, SPAN("\xef\xbb\xbf")))
		y.at = y.line_at = 3;
	skip(&y);
	if (span_starts(span_from(source, y.at), SPAN("---")) && column(&y) == 0 &&
	    is_gap(peek_at(&y, 3))) {
		y.at += 3;
		skip(&y);
	}
	root = is_at_end(&y) ? node_new(&y, YAML_SCALAR) : block_read(&y);
	skip(&y);
	if (root != NULL && !is_at_end(&y))
		fail(&y, ERR_SYNTAX, "this stands further in or out than what it belongs to");
	if (y.err != OK || root == NULL)
		return y.err;
	*root_out = root;
	return OK;
}

/* --- values --- */

const struct yaml_node *yaml_member(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *found = NULL;

	if (map->kind != YAML_MAP)
		return NULL;
	for (const struct yaml_node *node = map->first; node != NULL; node = node->next)
		if (span_equal(node->key, span_cstr(key)))
			found = node;
	return found;
}

static bool is_one_of(struct span text, const char *words)
{
	struct span rest = span_cstr(words), word;

	while (span_cut(&rest, ' ', &word))
		if (span_equal_nocase(text, word))
			return true;
	return false;
}

bool yaml_is_null(const struct yaml_node *node)
{
	return node->kind == YAML_SCALAR && !node->is_quoted &&
	       (node->text.len == 0 || is_one_of(node->text, "~ null"));
}

enum err yaml_bool(const struct yaml_node *node, bool *truth_out)
{
	bool truth = is_one_of(node->text, "true yes on");

	if (node->kind != YAML_SCALAR || node->is_quoted ||
	    (!truth && !is_one_of(node->text, "false no off")))
		return ERR_SYNTAX;
	*truth_out = truth;
	return OK;
}

/* Digits to a base. */
static enum err digits_parse(struct span s, int base, int64_t *number_out)
{
	int64_t number = 0;

	if (s.len == 0)
		return ERR_SYNTAX;
	for (size_t i = 0; i < s.len; i++) {
		int digit = hex_digit(s.at[i]);

		if (digit < 0 || digit >= base)
			return ERR_SYNTAX;
		if (number > INT32_MAX)
			return ERR_LIMIT;
		number = number * base + digit;
	}
	*number_out = number;
	return OK;
}

enum err yaml_number(const struct yaml_node *node, int64_t *number_out)
{
	struct span text = node->text;

	if (node->kind != YAML_SCALAR || node->is_quoted)
		return ERR_SYNTAX;
	if (span_starts_nocase(text, SPAN("0x")))
		return digits_parse(span_from(text, 2), 16, number_out);
	if (text.len > 1 && text.at[0] == '0')
		return digits_parse(span_from(text, 1), 8, number_out);
	return number_parse(text, number_out);
}

void text_add_yaml(struct text *text, const struct yaml_node *node)
{
	if (node->kind == YAML_SCALAR) {
		text_add(text, yaml_is_null(node) ? SPAN("null") : node->text);
		return;
	}
	text_add_char(text, node->kind == YAML_LIST ? '[' : '{');
	for (const struct yaml_node *item = node->first; item != NULL; item = item->next) {
		if (node->kind == YAML_MAP) {
			text_add(text, item->key);
			text_add(text, SPAN(": "));
		}
		text_add_yaml(text, item); /* not deeper than YAML_DEPTH_MAX */
		if (item->next != NULL)
			text_add(text, SPAN(", "));
	}
	text_add_char(text, node->kind == YAML_LIST ? ']' : '}');
}
