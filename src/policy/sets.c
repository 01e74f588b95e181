/* sets.c -- what is remembered: remember EXPR, ... in NAME for D [if EXPR]; X in NAME, and
 * [X, Y] in NAME; table NAME known, which nobody but weighctl fills.
 *
 * A set may be read above the statement that fills it, and in another policy: so whether there
 * is one is asked when all is read.
 */
#include "policy/clauses.h"
#include "store/store.h"

#define SECOND_MS   INT64_C(1000)
#define KEEP_MS_MAX (INT64_C(3650) * 24 * 3600 * SECOND_MS)

/* How many parts its keys have; 0: any, nothing is remembered by the configuration. */
struct set {
	uint8_t parts;
};

/* The set of that name, new if need be; NULL: reported. */
static struct symbol *set_add(struct compiler *compiler, const struct token *name)
{
	struct symbol *symbol = symbol_find(&compiler->sets, name->text);
	struct set *set;

	if (symbol != NULL)
		return symbol;
	if (name->text.len > STORE_SET_MAX) {
		report_error(&compiler->report, name->place, "such a name has at most %d letters",
			     STORE_SET_MAX);
		return NULL;
	}
	set = compiler_alloc(compiler, sizeof(*set));
	if (set == NULL)
		return NULL;
	return symbol_add(compiler, &compiler->sets, compiler_lower(compiler, name->text),
			  name->place, set);
}

/* --- table NAME known --- */

bool table_or_set_parse(struct parser *parser)
{
	struct parser here = *parser;
	struct token name;

	if (parser_peek(parser, LEX_WORD)->kind == TOKEN_WORD) {
		name = parser_take(parser, LEX_WORD);
		if (word_is_name(name.text) && parser_accept_word(parser, "known"))
			return set_add(parser->compiler, &name) != NULL;
		*parser = here;
	}
	return table_parse(parser);
}

/* --- remember --- */

static bool for_parse(struct counted *counted)
{
	return parser_expect_duration_within(counted_parser(counted), "the time to remember",
					     SECOND_MS, KEEP_MS_MAX,
					     &counted->remembering->keep_ms);
}

static const struct clause clauses[] = {
	{ "for", for_parse, NULL, CLAUSE_WORD },
	{ "if", clause_if, NULL, CLAUSE_WORD },
	{ NULL, NULL, NULL, CLAUSE_WORD },
};

static bool set_parse(struct counted *counted)
{
	struct compiler *compiler = counted->body->compiler;
	uint8_t parts = counted->remembering->key.part_count;
	struct symbol *symbol;
	struct token name;
	struct set *set;

	if (!parser_accept_word(counted_parser(counted), "in")) {
		parser_report_unexpected(counted_parser(counted), "'in NAME'");
		return false;
	}
	if (!parser_expect_name(counted_parser(counted), "a name to remember it under", &name))
		return false;
	if (symbol_find(&compiler->tables, name.text) != NULL) {
		report_error(&compiler->report, name.place,
			     "'%.*s' is a table: nothing can be remembered in it",
			     WORD_ARG(name.text));
		return false;
	}
	symbol = set_add(compiler, &name);
	if (symbol == NULL)
		return false;
	counted->remembering->set = symbol->name;
	set = symbol->what;
	if (set->parts == 0)
		set->parts = parts;
	if (set->parts == parts)
		return true;
	report_error(&compiler->report, counted->key_place,
		     "elsewhere '%.*s' is remembered by %u values, and here by %u",
		     WORD_ARG(name.text), set->parts, parts);
	return false;
}

bool remember_parse(struct body *body, struct statement *statement)
{
	struct remembering *remembering = compiler_alloc(body->compiler, sizeof(*remembering));
	struct counted counted = {
		.body = body,
		.statement = statement,
		.noun = "remember",
		.keyword = body->parser.previous,
		.remembering = remembering,
	};

	if (remembering == NULL)
		return false;
	statement->kind = STATEMENT_REMEMBER;
	statement->remembering = remembering;
	if (!body_may_remember(body, counted.keyword) ||
	    !key_parse(&counted, &remembering->key, value_parse) || !set_parse(&counted) ||
	    !clauses_parse(&counted, clauses))
		return false;
	if (clause_is_said(&counted, clauses, "for"))
		return true;
	report_error(body_report(body), counted.keyword, "for how long is it to be remembered?");
	report_hint(body_report(body), "such as: for 1d");
	return false;
}

/* --- X in NAME --- */

struct term in_set_term(struct body *body, const struct key *key, struct place place,
			const struct token *name)
{
	struct compiler *compiler = body->compiler;
	struct set_use *use = compiler_alloc(compiler, sizeof(*use));
	struct term term;

	if (use == NULL)
		return term_none(place);
	*use = (struct set_use){ compiler->set_use, *name, key->part_count };
	compiler->set_use = use;
	term = term_node(body, EXPR_IN_SET, TYPE_TRUTH, NULL, NULL);
	term.place = place_join(place, name->place);
	if (term.expr != NULL) {
		term_expr(&term)->set = compiler_lower(compiler, name->text);
		term_expr(&term)->key = key;
	}
	return term;
}

struct term one_in_set_term(struct body *body, struct term left, const struct token *name)
{
	struct key *key = compiler_alloc(body->compiler, sizeof(*key));

	if (key == NULL || !key_add_part(body, key, left))
		return term_none(left.place);
	return in_set_term(body, key, left.place, name);
}

static void set_check_use(struct compiler *compiler, const struct set_use *use)
{
	const struct token *name = &use->name;
	const struct symbol *symbol = symbol_find(&compiler->sets, name->text);
	const struct set *set = symbol == NULL ? NULL : symbol->what;
	struct guess guess = guess_of(name->text);

	if (set != NULL && (set->parts == 0 || set->parts == use->parts))
		return;
	if (set != NULL) {
		report_error(&compiler->report, name->place,
			     "'%.*s' is remembered by %u values, and asked for %u",
			     WORD_ARG(name->text), set->parts, use->parts);
		if (set->parts > 1)
			report_hint(&compiler->report, "such as: [sender, recipient] in %.*s",
				    WORD_ARG(name->text));
		return;
	}
	report_error(&compiler->report, name->place,
		     "no table is called '%.*s', and nothing is remembered in it",
		     WORD_ARG(name->text));
	symbols_guess(&compiler->tables, &guess);
	symbols_guess(&compiler->sets, &guess);
	report_guess(&compiler->report, &guess);
}

void sets_finish(struct compiler *compiler)
{
	struct config *config = compiler->config;
	uint32_t count = compiler->sets.count;
	struct span *names = compiler_alloc(compiler, sizeof(*names) * (count + 1));

	for (const struct set_use *use = compiler->set_use; use != NULL; use = use->next)
		set_check_use(compiler, use);
	for (const struct symbol *symbol = compiler->sets.first; symbol != NULL;
	     symbol = symbol->next) {
		if (symbol_find(&compiler->tables, symbol->name) != NULL)
			report_error(&compiler->report, symbol->place,
				     "there is a table '%.*s' already", WORD_ARG(symbol->name));
		if (names != NULL)
			names[--count] = symbol->name;
	}
	config->set = names;
	config->set_count = (uint16_t)compiler->sets.count;
}
