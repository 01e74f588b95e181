/* exprs.c -- the grammar of expressions, from what binds tightest to what binds least.
 *
 *	names, numbers, "texts", (...)    - X    * /    + -    ??
 *	= != < <= > >= in matches    not    and    or
 */
#include "base/number.h"
#include "policy/body.h"

#include <math.h>

/* --- what an expression begins with --- */

static struct term or_parse(struct body *body);
static struct term unary_parse(struct body *body);

static struct term report_deep(struct body *body, struct place place)
{
	report_error(body_report(body), place, "the expression is more than %d deep",
		     EXPR_DEPTH_MAX);
	return term_none(place);
}

static struct term number_term(struct body *body, struct span text, struct place place)
{
	struct value value = { .state = VALUE_KNOWN };
	int64_t bytes;

	if (decimal_parse(text, &value.number) == OK)
		return term_constant(body, TYPE_NUMBER, value, place);
	if (size_parse(text, &bytes) == OK) {
		value.number = (double)bytes;
		return term_constant(body, TYPE_NUMBER, value, place);
	}
	if (ip_parse(text, &value.address) == OK)
		return term_constant(body, TYPE_ADDRESS, value, place);
	report_error(body_report(body), place, "'%.*s' is neither a number nor an address",
		     WORD_ARG(text));
	if (span_find(text, '/') < text.len)
		report_hint(body_report(body), "networks stand in lists: in [%.*s]",
			    WORD_ARG(text));
	return term_none(place);
}

static bool begins_number(struct span text)
{
	return ascii_is_digit(text.at[0]) || text.at[0] == ':' || text.at[0] == '.' ||
	       span_find(text, ':') < text.len;
}

/* "score-1": when there is no such name, it may be a name and something to subtract. */
static void shorten_at_hyphen(struct body *body, struct token *token)
{
	size_t hyphen = span_find(token->text, '-');
	struct span front = span_first(token->text, hyphen);
	struct place quietly = { 0 };
	double number;

	if (hyphen == token->text.len || value_named(body, token->text, quietly).expr != NULL ||
	    symbol_find(&body->compiler->tables, token->text) != NULL)
		return;
	if (decimal_parse(token->text, &number) == OK ||
	    (value_named(body, front, quietly).expr == NULL && decimal_parse(front, &number) != OK))
		return;
	token->text = front;
	token->place.len = hyphen;
	body->parser.lexer.at = token->place.at + hyphen;
	body->parser.previous = token->place;
}

/* Between brackets a line may end anywhere. */
static void line_goes_on(struct body *body)
{
	if (body->open > 0)
		parser_skip_newlines(&body->parser);
}

static struct term open_parse(struct body *body)
{
	body->open++;
	parser_skip_newlines(&body->parser);
	return or_parse(body);
}

/* The sign that closes, on this line or further down; what was opened is shown otherwise, and
 * the next line is left for itself. */
static bool close_parse(struct body *body, const char *sign, struct place opened)
{
	struct parser here = body->parser;

	body->open--;
	parser_skip_newlines(&body->parser);
	if (parser_accept_sign(&body->parser, sign))
		return true;
	body->parser = here;
	if (parser_at_end(&body->parser))
		report_error(body_report(body), opened, "this '%c' is never closed",
			     opened.source->text.at[opened.at]);
	else
		parser_report_unexpected(&body->parser, *sign == ')' ? "')'" : "']'");
	return false;
}

/* table[KEY]; the bracket has been taken */
static struct term lookup_parse(struct body *body, const struct token *name)
{
	const struct symbol *symbol = symbol_find(&body->compiler->tables, name->text);
	struct term key, lookup;
	struct place bracket;
	const struct table *table;

	bracket = body->parser.previous;
	key = open_parse(body);
	if (key.expr == NULL || !close_parse(body, "]", bracket))
		return term_none(name->place);
	if (symbol == NULL) {
		struct guess guess = guess_of(name->text);

		report_error(body_report(body), name->place, "no table is called '%.*s'",
			     WORD_ARG(name->text));
		if (symbol_find(&body->compiler->sets, name->text) != NULL)
			report_hint(body_report(body),
				    "what is remembered has no values: VALUE in "
				    "%.*s",
				    WORD_ARG(name->text));
		symbols_guess(&body->compiler->tables, &guess);
		report_guess(body_report(body), &guess);
		return term_none(name->place);
	}
	table = symbol->what;
	if (table->kind == TABLE_CIDR)
		key = term_as_address(body, key);
	if (key.expr == NULL || !table_takes(body, table, &key, name->text))
		return term_none(name->place);
	lookup = term_node(body, EXPR_LOOKUP, TYPE_TEXT, &key, NULL);
	lookup.place = place_join(name->place, body->parser.previous);
	if (lookup.expr != NULL)
		term_expr(&lookup)->table = table;
	return lookup;
}

/* unknown(EXPR) */
static struct term unknown_parse(struct body *body, const struct token *word)
{
	struct place paren = body->parser.previous;
	struct term asked, term;

	asked = open_parse(body);
	if (asked.expr == NULL || !close_parse(body, ")", paren))
		return term_none(word->place);
	term = term_node(body, EXPR_UNKNOWN, TYPE_TRUTH, &asked, NULL);
	term.place = place_join(word->place, body->parser.previous);
	term.has_score = false; /* its range says nothing about this */
	return term;
}

static struct term word_parse(struct body *body)
{
	struct token word = parser_take(&body->parser, LEX_EXPR);
	struct value value = { .state = VALUE_KNOWN };

	if (token_is_word(&word, "unknown") && parser_accept_sign(&body->parser, "("))
		return unknown_parse(body, &word);
	if (parser_peek(&body->parser, LEX_EXPR)->place.at == word.after &&
	    parser_accept_sign(&body->parser, "["))
		return lookup_parse(body, &word);
	if (token_is_word(&word, "true") || token_is_word(&word, "false")) {
		value.truth = token_is_word(&word, "true");
		return term_constant(body, TYPE_TRUTH, value, word.place);
	}
	if (span_find(word.text, '-') < word.text.len) {
		body->parser.has_next = false;
		body->parser.lexer.at = word.after;
		shorten_at_hyphen(body, &word);
	}
	if (begins_number(word.text) &&
	    value_named(body, word.text, (struct place){ 0 }).expr == NULL)
		return number_term(body, word.text, word.place);
	return value_named(body, word.text, word.place);
}

static struct term paren_parse(struct body *body)
{
	struct token paren = parser_take(&body->parser, LEX_EXPR);
	struct term term;

	term = open_parse(body);
	if (term.expr == NULL || !close_parse(body, ")", paren.place))
		return term_none(paren.place);
	term.place = place_join(paren.place, body->parser.previous);
	return term;
}

static bool is_reserved(const struct token *word)
{
	static const char *const reserved[] = { "and",     "or", "not", "in",
						"matches", "if", "as",  "of" };

	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
		if (token_is_word(word, reserved[i]))
			return true;
	return false;
}

static struct term primary_parse(struct body *body)
{
	const struct token *next = parser_peek(&body->parser, LEX_EXPR);
	struct value value = { .state = VALUE_KNOWN };
	struct token text;

	if (next->kind == TOKEN_WORD && !is_reserved(next))
		return word_parse(body);
	if (token_is_sign(next, "("))
		return paren_parse(body);
	if (next->kind == TOKEN_STRING) {
		text = parser_take(&body->parser, LEX_EXPR);
		value.text = parser_unescape(&body->parser, &text);
		return term_constant(body, TYPE_TEXT, value, text.place);
	}
	parser_report_unexpected(&body->parser, "a value");
	return term_none(next->place);
}

static struct term unary_parse(struct body *body)
{
	struct token sign;
	struct term term, negated;

	if (!token_is_sign(parser_peek(&body->parser, LEX_EXPR), "-"))
		return primary_parse(body);
	sign = parser_take(&body->parser, LEX_EXPR);
	if (++body->expr_depth > EXPR_DEPTH_MAX) {
		body->expr_depth--;
		return report_deep(body, sign.place);
	}
	term = term_as_number(body, unary_parse(body));
	body->expr_depth--;
	if (term.expr == NULL)
		return term;
	negated = term_node(body, EXPR_NEGATE, TYPE_NUMBER, &term, NULL);
	negated.range = (struct range){ -term.range.high, -term.range.low };
	negated.place = place_join(sign.place, term.place);
	return negated;
}

/* --- arithmetic --- */

static double clean(double number, double otherwise)
{
	return isnan(number) ? otherwise : number;
}

static struct range range_of(enum expr_kind kind, struct range a, struct range b)
{
	double corner[4] = { a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high };
	struct range range = { INFINITY, -INFINITY };

	if (kind == EXPR_ADD)
		return (struct range){ a.low + b.low, a.high + b.high };
	if (kind == EXPR_SUBTRACT)
		return (struct range){ a.low - b.high, a.high - b.low };
	if (kind == EXPR_DIVIDE)
		return (struct range){ -INFINITY, INFINITY };
	for (int i = 0; i < 4; i++) {
		range.low = fmin(range.low, clean(corner[i], -INFINITY));
		range.high = fmax(range.high, clean(corner[i], INFINITY));
	}
	return range;
}

static struct term arithmetic(struct body *body, enum expr_kind kind, struct term left,
			      struct term right)
{
	struct term term;

	left = term_as_number(body, left);
	right = term_as_number(body, right);
	if (left.expr == NULL || right.expr == NULL)
		return term_none(left.place);
	term = term_node(body, kind, TYPE_NUMBER, &left, &right);
	term.range = range_of(kind, left.range, right.range);
	return term;
}

static struct term product_parse(struct body *body)
{
	struct term left = unary_parse(body);

	for (;;) {
		enum expr_kind kind = EXPR_MULTIPLY;

		if (left.expr == NULL)
			return left;
		if (parser_accept_sign(&body->parser, "/"))
			kind = EXPR_DIVIDE;
		else if (!parser_accept_sign(&body->parser, "*"))
			return left;
		line_goes_on(body);
		left = arithmetic(body, kind, left, unary_parse(body));
	}
}

static struct term sum_parse(struct body *body)
{
	struct term left = product_parse(body);

	for (;;) {
		enum expr_kind kind = EXPR_ADD;

		if (left.expr == NULL)
			return left;
		if (parser_accept_sign(&body->parser, "-"))
			kind = EXPR_SUBTRACT;
		else if (!parser_accept_sign(&body->parser, "+"))
			return left;
		line_goes_on(body);
		left = arithmetic(body, kind, left, product_parse(body));
	}
}

/* LEFT ?? RIGHT: of one type; a row of a table is a number where the other side is one. */
static struct term coalesce_parse(struct body *body)
{
	struct term left = sum_parse(body), right, term;

	while (left.expr != NULL && parser_accept_sign(&body->parser, "?\?")) {
		line_goes_on(body);
		right = sum_parse(body);
		if (right.expr == NULL)
			return right;
		if (left.expr->type == TYPE_NUMBER || right.expr->type == TYPE_NUMBER) {
			left = term_as_number(body, left);
			right = term_as_number(body, right);
		} else if (left.expr->type != right.expr->type) {
			report_error(body_report(body), right.place,
				     "both sides of ?\? must be of one type");
			return term_none(right.place);
		}
		if (left.expr == NULL || right.expr == NULL)
			return term_none(left.place);
		term = term_node(body, EXPR_COALESCE, left.expr->type, &left, &right);
		term.range = (struct range){ fmin(left.range.low, right.range.low),
					     fmax(left.range.high, right.range.high) };
		left = term;
	}
	return left;
}

/* --- comparisons --- */

static struct term not_of(struct body *body, struct term term)
{
	struct term negated;

	if (term.expr == NULL)
		return term;
	negated = term_node(body, EXPR_NOT, TYPE_TRUTH, &term, NULL);
	negated.range = (struct range){ 1 - term.range.high, 1 - term.range.low };
	return negated;
}

static const struct {
	const char *sign;
	enum expr_kind kind;
} comparisons[] = {
	{ "=", EXPR_EQUAL },       { "!=", EXPR_UNEQUAL }, { "<", EXPR_LESS },
	{ "<=", EXPR_LESS_EQUAL }, { ">", EXPR_GREATER },  { ">=", EXPR_GREATER_EQUAL },
};

/* Can a comparison of numbers hold, must it? */
static struct range range_of_comparison(enum expr_kind kind, struct range a, struct range b)
{
	struct range swapped;
	bool apart = a.high < b.low || b.high < a.low;

	if (kind == EXPR_LESS)
		return (struct range){ a.high < b.low, a.low < b.high };
	if (kind == EXPR_LESS_EQUAL)
		return (struct range){ a.high <= b.low, a.low <= b.high };
	if (kind == EXPR_EQUAL)
		return (struct range){ a.low == a.high && b.low == b.high && a.low == b.low,
				       !apart };
	if (kind == EXPR_UNEQUAL)
		return (struct range){ apart,
				       !(a.low == a.high && b.low == b.high && a.low == b.low) };
	swapped = range_of_comparison(kind == EXPR_GREATER ? EXPR_LESS : EXPR_LESS_EQUAL, b, a);
	return swapped;
}

/* Both sides of one type: a number or an address on one side makes the other one, too. */
static bool same_type(struct body *body, bool is_order, struct term *left, struct term *right)
{
	if (is_order || left->expr->type == TYPE_NUMBER || right->expr->type == TYPE_NUMBER) {
		*left = term_as_number(body, *left);
		*right = term_as_number(body, *right);
	} else if (left->expr->type == TYPE_ADDRESS || right->expr->type == TYPE_ADDRESS) {
		*left = term_as_address(body, *left);
		*right = term_as_address(body, *right);
	} else if (left->expr->type != right->expr->type) {
		report_error(body_report(body), right->place, "%s is compared with %s",
			     type_name(left->expr->type), type_name(right->expr->type));
		return false;
	}
	return left->expr != NULL && right->expr != NULL;
}

static struct term compare_parse(struct body *body, enum expr_kind kind, struct term left)
{
	bool is_order = kind != EXPR_EQUAL && kind != EXPR_UNEQUAL;
	struct term right, term;

	line_goes_on(body);
	right = coalesce_parse(body);
	if (right.expr == NULL || !same_type(body, is_order, &left, &right))
		return term_none(left.place);
	term = term_node(body, kind, TYPE_TRUTH, &left, &right);
	if (left.expr->type == TYPE_NUMBER)
		term.range = range_of_comparison(kind, left.range, right.range);
	return term;
}

/* A, B]; false: a mistake, reported */
static bool parts_parse(struct body *body, struct key *key, struct place bracket)
{
	enum list_next next = parser_first_in_list(&body->parser);

	body->open++;
	while (next == LIST_MORE && key_add_part(body, key, coalesce_parse(body)))
		next = parser_next_in_list(&body->parser, bracket);
	body->open--;
	if (next == LIST_CLOSED && key->part_count == 0) {
		report_error(body_report(body), bracket, "the list is empty");
		return false;
	}
	return next == LIST_CLOSED;
}

/* [A, B] in NAME: what was remembered of both together; the bracket has been taken */
static struct term together_parse(struct body *body)
{
	struct key *key = compiler_alloc(body->compiler, sizeof(*key));
	struct place bracket = body->parser.previous;
	struct token name;
	struct term term;
	bool negated;

	if (key == NULL || !parts_parse(body, key, bracket))
		return term_none(bracket);
	negated = parser_accept_word(&body->parser, "not");
	if (!parser_accept_word(&body->parser, "in")) {
		parser_report_unexpected(&body->parser, "'in NAME'");
		return term_none(bracket);
	}
	if (!parser_expect_name(&body->parser, "what is remembered", &name))
		return term_none(bracket);
	if (symbol_find(&body->compiler->tables, name.text) != NULL) {
		report_error(body_report(body), name.place,
			     "'%.*s' is a table: it is asked for one value", WORD_ARG(name.text));
		return term_none(bracket);
	}
	term = in_set_term(body, key, bracket, &name);
	return negated ? not_of(body, term) : term;
}

static struct term relation_parse(struct body *body)
{
	struct term left;
	const struct token *next;
	bool negated;

	if (parser_accept_sign(&body->parser, "["))
		return together_parse(body);
	left = coalesce_parse(body);
	if (left.expr == NULL)
		return left;
	next = parser_peek(&body->parser, LEX_EXPR);
	for (size_t i = 0; i < sizeof(comparisons) / sizeof(*comparisons); i++)
		if (token_is_sign(next, comparisons[i].sign)) {
			(void)parser_take(&body->parser, LEX_EXPR);
			return compare_parse(body, comparisons[i].kind, left);
		}
	negated = parser_accept_word(&body->parser, "not");
	if (parser_accept_word(&body->parser, "in"))
		left = in_parse(body, left);
	else if (parser_accept_word(&body->parser, "matches"))
		left = matches_parse(body, left);
	else if (negated) {
		parser_report_unexpected(&body->parser, "'in' or 'matches'");
		return term_none(left.place);
	}
	return negated ? not_of(body, left) : left;
}

/* --- and, or, not --- */

static struct term not_parse(struct body *body)
{
	struct token word;
	struct term term;

	if (!token_is_word(parser_peek(&body->parser, LEX_WORD), "not"))
		return relation_parse(body);
	word = parser_take(&body->parser, LEX_WORD);
	if (++body->expr_depth > EXPR_DEPTH_MAX) {
		body->expr_depth--;
		return report_deep(body, word.place);
	}
	term = not_of(body, term_as_truth(body, not_parse(body)));
	body->expr_depth--;
	term.place = place_join(word.place, term.place);
	return term;
}

/* Between brackets "or" and "and" may also stand at the front of a line. */
static bool operator_parse(struct body *body, const char *word)
{
	struct parser here = body->parser;

	line_goes_on(body);
	if (parser_accept_word(&body->parser, word) &&
	    !(body->has_refused && body->open == 0 &&
	      token_is_word(parser_peek(&body->parser, LEX_WORD), "refused")))
		return true;
	body->parser = here;
	return false;
}

static struct term both_parse(struct body *body, const char *word, enum expr_kind kind,
			      struct term (*part_parse)(struct body *))
{
	struct term left = part_parse(body);

	while (left.expr != NULL && operator_parse(body, word)) {
		struct term right, term;

		parser_skip_newlines(&body->parser);
		right = term_as_truth(body, part_parse(body));
		left = term_as_truth(body, left);
		if (left.expr == NULL || right.expr == NULL)
			return term_none(left.place);
		term = term_node(body, kind, TYPE_TRUTH, &left, &right);
		if (kind == EXPR_OR)
			term.range = (struct range){ fmax(left.range.low, right.range.low),
						     fmax(left.range.high, right.range.high) };
		else
			term.range = (struct range){ fmin(left.range.low, right.range.low),
						     fmin(left.range.high, right.range.high) };
		left = term;
	}
	return left;
}

static struct term and_parse(struct body *body)
{
	return both_parse(body, "and", EXPR_AND, not_parse);
}

static struct term or_parse(struct body *body)
{
	struct term term;

	if (++body->expr_depth > EXPR_DEPTH_MAX)
		term = report_deep(body, parser_peek(&body->parser, LEX_EXPR)->place);
	else
		term = both_parse(body, "or", EXPR_OR, and_parse);
	body->expr_depth--;
	return term;
}

struct term expr_parse(struct body *body)
{
	body->expr_depth = body->open = 0;
	return or_parse(body);
}

struct term value_parse(struct body *body)
{
	body->expr_depth = body->open = 0;
	return coalesce_parse(body);
}

bool condition_parse(struct body *body, const struct expr **condition_out)
{
	struct term term = term_as_truth(body, expr_parse(body));

	if (term.expr == NULL)
		return false;
	*condition_out = term.expr;
	if (term.range.high > 0)
		return true;
	report_error(body_report(body), term.place, "this can never be true");
	if (term.has_score && body->score.low == body->score.high)
		report_hint(body_report(body), "here the score is always %.15g", body->score.low);
	else if (term.has_score)
		report_hint(body_report(body), "here the score lies between %.15g and %.15g",
			    body->score.low, body->score.high);
	return true;
}
