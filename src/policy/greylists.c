/* greylists.c -- greylist [for D] [within D] [remember D] [by EXPR, ...]
 *                         [trust N for D [every D] [of EXPR] | no trust]
 *                         [header "Name: text" | no header] [failing VERDICT ["text"]]
 *                         ["text"] [if EXPR]
 *
 * What stands as default is what hurts least for nearly all of the benefit (RFC 6647 section 5:
 * a minute to a day; first retries come after 1 to 6 minutes).
 */
#include "policy/clauses.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define DAY_MS    (24 * 60 * MINUTE_MS)

static const struct greylist standard = {
	.terms = { .delay_ms = 60 * SECOND_MS, .window_ms = 2 * DAY_MS, .keep_ms = 35 * DAY_MS },
	.trust = 5,
	.trust_keep_ms = 35 * DAY_MS,
};

enum { TRUST_MAX = 1000000 };

/* --- clauses --- */

static bool for_parse(struct counted *counted)
{
	return parser_expect_duration_within(counted_parser(counted), "the delay", SECOND_MS,
					     7 * DAY_MS, &counted->greylist->terms.delay_ms);
}

static bool within_parse(struct counted *counted)
{
	return parser_expect_duration_within(counted_parser(counted), "the time to come back in",
					     MINUTE_MS, 60 * DAY_MS,
					     &counted->greylist->terms.window_ms);
}

static bool keep_parse(struct counted *counted)
{
	return parser_expect_duration_within(counted_parser(counted), "the time to remember",
					     MINUTE_MS, 400 * DAY_MS,
					     &counted->greylist->terms.keep_ms);
}

static bool by_parse(struct counted *counted)
{
	return key_parse(counted, &counted->greylist->key, expr_parse);
}

static void no_trust(struct counted *counted)
{
	counted->greylist->trust = 0;
}

static bool of_parse(struct counted *counted)
{
	struct term term = term_as_text(counted->body, expr_parse(counted->body));

	counted->greylist->trust_by = term.expr;
	return term.expr != NULL;
}

static bool trust_parse(struct counted *counted)
{
	struct parser *parser = counted_parser(counted);
	struct greylist *greylist = counted->greylist;
	int64_t trust;

	if (!parser_expect_integer(parser, "the returns after which a client is trusted", 0,
				   TRUST_MAX, &trust))
		return false;
	greylist->trust = (uint32_t)trust;
	if (trust == 0)
		return true;
	if (!parser_accept_word(parser, "for")) {
		parser_report_unexpected(parser, "'for' and how long he is trusted");
		return false;
	}
	if (!parser_expect_duration_within(parser, "the time of trust", MINUTE_MS, 400 * DAY_MS,
					   &greylist->trust_keep_ms))
		return false;
	if (parser_accept_word(parser, "every") &&
	    !parser_expect_duration_within(parser, "the time between two returns that count", 0,
					   DAY_MS, &greylist->trust_every_ms))
		return false;
	return !parser_accept_word(parser, "of") || of_parse(counted);
}

/* A text of the statement itself: it may say greylist.wait. */
static bool own_text_parse(struct counted *counted, const char *wanted, size_t most,
			   struct template *text)
{
	struct body *body = counted->body;
	struct token token;
	bool is_sound;

	if (parser_peek(&body->parser, LEX_WORD)->kind != TOKEN_STRING) {
		parser_report_unexpected(&body->parser, wanted);
		return false;
	}
	token = parser_take(&body->parser, LEX_WORD);
	if (token.text.len == 0) {
		report_error(body_report(body), token.place, "the text is empty");
		return false;
	}
	body->own = counted->statement;
	is_sound = text_parse(body, &token, text) && text_fits(body, text, most, token.place);
	body->own = NULL;
	return is_sound;
}

static bool text_clause_parse(struct counted *counted)
{
	struct template *text = &counted->statement->text;
	struct place place = parser_peek(counted_parser(counted), LEX_WORD)->place;

	if (!own_text_parse(counted, "\"text\"", REPLY_TEXT_MAX, text))
		return false;
	verdict_check_code(counted->body, VERDICT_GREYLIST, text, place);
	return true;
}

static bool header_parse(struct counted *counted)
{
	struct template *header = &counted->greylist->header;
	struct place place = parser_peek(counted_parser(counted), LEX_WORD)->place;

	return own_text_parse(counted, "\"Header: text\"", HEADER_TEXT_MAX, header) &&
	       text_is_header(counted->body, header, place);
}

static void no_header(struct counted *counted)
{
	(void)counted;
}

static bool failing_clause_parse(struct counted *counted)
{
	bool is_sound;

	counted->body->own = counted->statement;
	is_sound = failing_parse(counted, &counted->greylist->failing);
	counted->body->own = NULL;
	return is_sound;
}

static const struct clause clauses[] = {
	{ "for", for_parse, NULL, CLAUSE_WORD },
	{ "within", within_parse, NULL, CLAUSE_WORD },
	{ "remember", keep_parse, NULL, CLAUSE_WORD },
	{ "by", by_parse, NULL, CLAUSE_WORD },
	{ "trust", trust_parse, no_trust, CLAUSE_WORD },
	{ "header", header_parse, no_header, CLAUSE_WORD },
	{ "failing", failing_clause_parse, NULL, CLAUSE_WORD },
	{ "text", text_clause_parse, NULL, CLAUSE_TEXT },
	{ "if", clause_if, NULL, CLAUSE_WORD },
	{ NULL, NULL, NULL, CLAUSE_WORD },
};
_Static_assert(sizeof(clauses) / sizeof(*clauses) <= CLAUSES_MAX, "a place for each");

/* --- what was not said --- */

/* A name that the machine gives itself may hold anything. */
static bool is_plain(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_letter(name.at[i]) && !ascii_is_digit(name.at[i]) &&
		    name.at[i] != '-' && name.at[i] != '_' && name.at[i] != '.')
			return false;
	return name.len > 0;
}

static bool standard_texts(struct counted *counted)
{
	const struct config *config = counted->body->compiler->config;
	struct statement *statement = counted->statement;
	bool is_sound = true;
	TEXT(header, HEADER_TEXT_MAX);

	text_add(&header, SPAN("X-Greylist: delayed ${greylist.delayed} seconds by weighd"));
	if (!config->hides_receiver && is_plain(config->hostname)) {
		text_add(&header, SPAN(" at "));
		text_add(&header, config->hostname);
	}
	counted->body->own = statement;
	if (!clause_is_said(counted, clauses, "header"))
		is_sound = text_standard(counted->body, text_span(&header),
					 &counted->greylist->header);
	if (is_sound && !clause_is_said(counted, clauses, "text"))
		is_sound = text_standard(counted->body,
					 SPAN("4.7.1 greylisted, try again in ${greylist.wait} "
					      "seconds, number $id"),
					 &statement->text);
	counted->body->own = NULL;
	return is_sound;
}

/* Who sends, the sender and the recipient: language.md, "Greylisting that does not hurt". */
static bool standard_key(struct counted *counted)
{
	struct body *body = counted->body;
	struct key *key = &counted->greylist->key;
	struct term organisation;
	uint8_t ordinal;

	if (!weigh_imply(body, counted->statement, counted->keyword, &ordinal))
		return false;
	organisation = term_node(body, EXPR_FINDING_TEXT, TYPE_TEXT, NULL, NULL);
	if (organisation.expr != NULL)
		term_expr(&organisation)->weigh = ordinal;
	return key_add_part(body, key, organisation) &&
	       key_add_part(body, key,
			    value_named(body, SPAN("sender.folded"), counted->keyword)) &&
	       key_add_part(body, key, value_named(body, SPAN("recipient"), counted->keyword));
}

static struct place place_of(const struct counted *counted, const char *word)
{
	for (size_t i = 0; clauses[i].word != NULL; i++)
		if (span_equal(span_cstr(clauses[i].word), span_cstr(word)) &&
		    counted->said[i].source != NULL)
			return counted->said[i];
	return counted->keyword;
}

static bool terms_are_sound(struct counted *counted)
{
	const struct triplet_terms *terms = &counted->greylist->terms;
	TEXT(window, 32);

	if (terms->window_ms > terms->delay_ms)
		return true;
	text_add_duration(&window, terms->window_ms);
	report_error(counted_report(counted),
		     place_of(counted,
			      clause_is_said(counted, clauses, "within") ? "within" : "for"),
		     "nobody can come back in time: the delay takes all of the %s",
		     text_cstr(&window));
	report_hint(counted_report(counted), "'within' must be longer than 'for'");
	return false;
}

/* --- statements with the same key --- */

struct greylist_known {
	struct greylist *greylist;
	struct place key;
	struct greylist_known *next;
};

static struct triplet_terms mildest(const struct triplet_terms *a, const struct triplet_terms *b)
{
	return (struct triplet_terms){
		.delay_ms = a->delay_ms < b->delay_ms ? a->delay_ms : b->delay_ms,
		.window_ms = a->window_ms > b->window_ms ? a->window_ms : b->window_ms,
		.keep_ms = a->keep_ms > b->keep_ms ? a->keep_ms : b->keep_ms,
	};
}

/* They share their triplets, in all policies; each judges by its own times what the mildest lets
 * be known. */
static bool share_terms(struct counted *counted)
{
	struct compiler *compiler = counted->body->compiler;
	const struct symbol *live = symbol_find(&compiler->policies, counted->body->policy->name);
	struct greylist_known *new = compiler_alloc(compiler, sizeof(*new));
	struct triplet_terms asked = counted->greylist->terms;

	if (new == NULL)
		return false;
	counted->greylist->asked = asked;
	if (live == NULL || live->what != counted->body->policy)
		return true; /* overridden: it is read for its mistakes only */
	*new = (struct greylist_known){ counted->greylist, counted->key_place,
					compiler->greylists };
	compiler->greylists = new;
	for (const struct greylist_known *known = new; known != NULL; known = known->next)
		if (place_same_words(known->key, new->key))
			asked = mildest(&asked, &known->greylist->terms);
	for (const struct greylist_known *known = new; known != NULL; known = known->next)
		if (place_same_words(known->key, new->key))
			known->greylist->asked = asked;
	return true;
}

bool greylist_parse(struct body *body, struct statement *statement)
{
	struct greylist *greylist = compiler_alloc(body->compiler, sizeof(*greylist));
	struct counted counted = {
		.body = body,
		.statement = statement,
		.noun = "greylist",
		.keyword = body->parser.previous,
		.greylist = greylist,
	};

	if (greylist == NULL)
		return false;
	*greylist = standard;
	statement->kind = STATEMENT_GREYLIST;
	statement->verdict = VERDICT_GREYLIST;
	statement->greylist = greylist;
	if (!body_may_remember(body, counted.keyword) || !clauses_parse(&counted, clauses) ||
	    !terms_are_sound(&counted) || !standard_texts(&counted))
		return false;
	key_warn_if_constant(&counted);
	if (!share_terms(&counted) || (greylist->key.part_count == 0 && !standard_key(&counted)))
		return false;
	if (greylist->trust_by == NULL)
		greylist->trust_by = greylist->key.part[0];
	return true;
}

/* --- greylist.state, .wait, .delayed --- */

struct term greylist_term(struct body *body, struct span field, struct place place)
{
	static const struct {
		const char *name;
		enum greylist_field field;
		enum value_type type;
	} fields[] = {
		{ "state", GREYLIST_STATE, TYPE_TEXT },
		{ "wait", GREYLIST_WAIT, TYPE_NUMBER },
		{ "delayed", GREYLIST_DELAYED, TYPE_NUMBER },
	};
	bool is_own = body->own != NULL && body->own->kind == STATEMENT_GREYLIST;
	struct guess guess = guess_of(field);
	struct term term = term_none(place);

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		guess_offer(&guess, span_cstr(fields[i].name));
		if (!span_equal(field, span_cstr(fields[i].name)) ||
		    !(is_own || body->has_greylist))
			continue;
		term = term_node(body, EXPR_GREYLIST, fields[i].type, NULL, NULL);
		term.place = place;
		if (fields[i].type == TYPE_NUMBER)
			term.range.low = 0;
		if (term.expr != NULL)
			term_expr(&term)->field = (uint8_t)fields[i].field;
		return term;
	}
	if (place.source == NULL || (body->is_unsure && !is_own))
		return term;
	if (!is_own && !body->has_greylist) {
		report_error(body_report(body), place, "no greylist statement stands above");
		return term;
	}
	report_error(body_report(body), place, "greylist has no value '%.*s'", WORD_ARG(field));
	report_guess(body_report(body), &guess);
	return term;
}
