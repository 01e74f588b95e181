/* weighs.c -- weigh CHECK [ZONE] { finding points, ... } [of SUBJECTS] [if EXPR] [as NAME] */
#include "policy/weighs.h"
#include "mail/domain.h"

#include <math.h>

#define POINTS_MAX    10000.0
#define IMPLIED_CHECK "organisation"

/* --- the check and its zone --- */

static const struct check *check_find(struct weigh *weigh, const struct token *token)
{
	const struct check *const *checks = weigh->body->compiler->checks;
	struct guess guess = guess_of(token->text);

	for (size_t i = 0; checks[i] != NULL; i++) {
		guess_offer(&guess, span_cstr(checks[i]->name));
		if (span_equal(token->text, span_cstr(checks[i]->name)))
			return checks[i];
	}
	if (word_is_future(token->text)) {
		report_error(weigh_report(weigh), token->place,
			     "the check '%.*s' is not in this version", WORD_ARG(token->text));
		return NULL;
	}
	report_error(weigh_report(weigh), token->place, "no check is called '%.*s'",
		     WORD_ARG(token->text));
	report_guess(weigh_report(weigh), &guess);
	return NULL;
}

void zone_warn_if_dead(struct report *report, const struct token *token, const struct zone *zone)
{
	if (zone->dead_since.len == 0)
		return;
	report_warning(report, token->place, "'%.*s' is dead since %.*s", WORD_ARG(token->text),
		       WORD_ARG(zone->dead_since));
	report_hint(report, "remove the line: a dead list costs time and may list all");
}

/* Checks of a subject ask about domains, the others about the client's address. */
static bool zone_suits(struct weigh *weigh, const struct zone *zone, const struct token *token)
{
	const struct check *check = weigh->statement->check;
	bool lists_addresses = zone->lists_ip4 || zone->lists_ip6;
	struct report *report = weigh_report(weigh);

	if (check->takes_subjects && !zone->lists_domains) {
		report_error(report, token->place, "'%.*s' lists addresses; %s asks about domains",
			     WORD_ARG(token->text), check->name);
		report_hint(report, "weigh dnsbl asks about the client's address");
		return false;
	}
	if (!check->takes_subjects && !lists_addresses) {
		report_error(report, token->place, "'%.*s' lists domains; %s asks about addresses",
			     WORD_ARG(token->text), check->name);
		report_hint(report, "weigh rhsbl asks about domains");
		return false;
	}
	zone_warn_if_dead(report, token, zone);
	return true;
}

static struct span zone_word(struct span word)
{
	return span_ends(word, SPAN(".")) ? span_first(word, word.len - 1) : word;
}

/* dnsbl-2 is not a slip of the pen for dnsbl-1. */
static bool differs_in_digits(struct span a, struct span b)
{
	for (size_t i = 0; a.len == b.len && i < a.len; i++)
		if (a.at[i] != b.at[i] && ascii_is_digit(a.at[i]) && ascii_is_digit(b.at[i]))
			return true;
	return false;
}

/* A real list lists addresses or domains; only where nobody said which, it may be both. */
static bool zone_has_statement(const struct zone *zone)
{
	return !(zone->lists_ip4 && zone->lists_domains);
}

static void zones_guess(const struct compiler *compiler, struct guess *guess)
{
	for (const struct symbol *symbol = compiler->zones.first; symbol != NULL;
	     symbol = symbol->next) {
		const struct zone *zone = symbol->what;

		if (zone_has_statement(zone) && !differs_in_digits(zone->name, guess->word))
			guess_offer(guess, zone->name);
	}
}

static bool zone_find(struct weigh *weigh)
{
	struct compiler *compiler = weigh->body->compiler;
	const struct symbol *symbol;
	const struct zone *zone;
	struct token token;
	struct span word;

	if (!parser_expect_text(weigh_parser(weigh), LEX_WORD, "the name of a DNS list", &token,
				&word))
		return false;
	symbol = symbol_find(&compiler->zones, zone_word(word));
	if (symbol != NULL) {
		zone = symbol->what;
	} else {
		struct guess guess = guess_of(word);

		zones_guess(compiler, &guess);
		zone = zone_standard(compiler, word, token.place);
		/* Two letters away from a list that is known is a slip of the pen. */
		if (zone != NULL && guess.best.len > 0 && guess.distance <= 2) {
			report_warning(weigh_report(weigh), token.place,
				       "there is no zone statement for '%.*s'", WORD_ARG(word));
			report_guess(weigh_report(weigh), &guess);
		}
	}
	if (zone == NULL)
		return false;
	weigh->statement->arguments.zone = zone;
	weigh->statement->name = zone->alias;
	weigh->name_place = token.place;
	return zone_suits(weigh, zone, &token);
}

/* --- between the braces --- */

static bool points_parse(struct weigh *weigh, const struct token *name, unsigned finding)
{
	if ((weigh->points_given >> finding & 1) != 0) {
		report_error(weigh_report(weigh), name->place, "'%.*s' has points already",
			     WORD_ARG(name->text));
		return false;
	}
	weigh->points_given |= 1U << finding;
	return parser_expect_number(weigh_parser(weigh), "points", -POINTS_MAX, POINTS_MAX,
				    &weigh->statement->points[finding]);
}

static bool item_parse(struct weigh *weigh)
{
	const struct statement *statement = weigh->statement;
	struct token name;
	struct guess guess;
	unsigned count;
	bool parsed;

	if (!parser_expect_name(weigh_parser(weigh), "a finding's name", &name))
		return false;
	guess = guess_of(name.text);
	count = statement_finding_count(statement);
	for (unsigned i = 0; i < count; i++) {
		guess_offer(&guess, statement_finding_name(statement, i));
		if (span_equal(statement_finding_name(statement, i), name.text))
			return points_parse(weigh, &name, i);
	}
	if (parameter_try(weigh, &name, &guess, &parsed))
		return parsed;
	if (statement->arguments.zone != NULL)
		report_error(weigh_report(weigh), name.place, "'%.*s' never means '%.*s'",
			     WORD_ARG(statement->arguments.zone->shown), WORD_ARG(name.text));
	else
		report_error(weigh_report(weigh), name.place, "%s has no '%.*s'",
			     statement->check->name, WORD_ARG(name.text));
	if (statement->arguments.zone != NULL && !zone_has_statement(statement->arguments.zone))
		report_hint(weigh_report(weigh),
			    "without a zone statement it means 'listed' or 'clear'");
	report_guess(weigh_report(weigh), &guess);
	return false;
}

static bool items_parse(struct weigh *weigh)
{
	struct parser *parser = weigh_parser(weigh);
	struct place brace;

	if (!parser_accept_sign(parser, "{")) {
		if (weigh->statement->check->points_default != NULL)
			memcpy(weigh->statement->points, weigh->statement->check->points_default,
			       sizeof(weigh->statement->points));
		return true;
	}
	brace = parser->previous;
	while (parser_next_item(parser, brace))
		if (!item_parse(weigh) || !parser_expect_item_end(parser)) {
			weigh->body->is_unsure = true;
			parser_skip_item(parser);
		}
	return true;
}

/* --- behind the braces --- */

static const struct {
	const char *name;
	enum subject subject;
} subjects[] = {
	{ "sender", SUBJECT_SENDER },
	{ "helo", SUBJECT_HELO },
	{ "client_name", SUBJECT_CLIENT_NAME },
};

static bool subject_suits(struct weigh *weigh, enum subject subject, const struct token *token)
{
	const struct check *check = weigh->statement->check;
	unsigned *chosen = &weigh->statement->arguments.subjects;

	if (check->subjects_allowed != 0 && (check->subjects_allowed & subject) == 0) {
		report_error(weigh_report(weigh), token->place, "%s is not weighed of '%.*s'",
			     check->name, WORD_ARG(token->text));
		return false;
	}
	if (check->takes_one_subject && *chosen != 0) {
		report_error(weigh_report(weigh), token->place, "%s is weighed of one at a time",
			     check->name);
		report_hint(weigh_report(weigh),
			    "weigh it once more: weigh %s {...} of %.*s as NAME", check->name,
			    WORD_ARG(token->text));
		return false;
	}
	*chosen |= (unsigned)subject;
	return true;
}

static bool subject_parse(struct weigh *weigh)
{
	struct token token;
	struct guess guess;

	if (!parser_expect_name(weigh_parser(weigh), "sender, helo or client_name", &token))
		return false;
	guess = guess_of(token.text);
	for (size_t i = 0; i < sizeof(subjects) / sizeof(*subjects); i++) {
		guess_offer(&guess, span_cstr(subjects[i].name));
		if (token_is_word(&token, subjects[i].name))
			return subject_suits(weigh, subjects[i].subject, &token);
	}
	report_error(weigh_report(weigh), token.place,
		     "%s is asked about sender, helo or client_name, not '%.*s'",
		     weigh->statement->check->takes_zone ? "a list" : "a check",
		     WORD_ARG(token.text));
	report_guess(weigh_report(weigh), &guess);
	return false;
}

static bool subjects_parse(struct weigh *weigh)
{
	const struct check *check = weigh->statement->check;

	if (!check->takes_subjects) {
		report_error(weigh_report(weigh), weigh_parser(weigh)->previous,
			     "%s is not asked of anything but the client", check->name);
		return false;
	}
	weigh->statement->arguments.subjects = 0;
	do {
		parser_skip_newlines(weigh_parser(weigh));
		if (!subject_parse(weigh))
			return false;
	} while (parser_accept_sign(weigh_parser(weigh), ","));
	return true;
}

static bool name_parse(struct weigh *weigh)
{
	struct token token;
	enum attribute attribute;

	if (!parser_expect_name(weigh_parser(weigh), "a name", &token))
		return false;
	if (attribute_find(token.text, &attribute)) {
		report_error(weigh_report(weigh), token.place,
			     "'%.*s' is an attribute of the mail already", WORD_ARG(token.text));
		return false;
	}
	weigh->statement->name = token.text;
	weigh->name_place = token.place;
	weigh->is_named = true;
	return true;
}

static bool tail_parse(struct weigh *weigh)
{
	struct parser *parser = weigh_parser(weigh);

	for (;;) {
		bool parsed;

		if (parser_accept_word(parser, "of"))
			parsed = subjects_parse(weigh);
		else if (parser_accept_word(parser, "if"))
			parsed = condition_parse(weigh->body, &weigh->statement->condition);
		else if (parser_accept_word(parser, "as"))
			parsed = name_parse(weigh);
		else
			return true;
		if (!parsed)
			return false;
	}
}

/* --- what it means for the policy --- */

/* "organisation", "organisation-2", ...: the first that is free.  Whoever chooses it himself has
 * it: the taken name is passed over, too. */
static struct span imply_name(struct body *body, struct span taken)
{
	for (unsigned i = 1;; i++) {
		TEXT(name, DOMAIN_NAME_MAX);

		text_addf(&name, i == 1 ? "%s" : "%s-%u", IMPLIED_CHECK, i);
		if (!span_equal(text_span(&name), taken) &&
		    body_find_weigh(body, text_span(&name)) < 0 &&
		    body_find_limit(body, text_span(&name)) == NULL)
			return compiler_copy(body->compiler, text_span(&name));
	}
}

/* Another name for the findings of a zone whose alias is taken: its first label, all of its
 * name, or the check and the alias: bl1, bl1-example-org, rhsbl-example. */
static bool weigh_rename(struct weigh *weigh)
{
	const struct zone *zone = weigh->statement->arguments.zone;
	enum { CANDIDATES = 3 };

	for (int i = 0; zone != NULL && i < CANDIDATES; i++) {
		TEXT(name, 2 * DOMAIN_NAME_MAX);

		if (i == 0)
			text_add(&name, span_first(zone->shown, span_find(zone->shown, '.')));
		for (size_t n = 0; i == 1 && n < zone->shown.len; n++)
			text_add_char(&name, zone->shown.at[n] == '.' ? '-' : zone->shown.at[n]);
		if (i == 2) {
			text_add(&name, span_cstr(weigh->statement->check->name));
			text_add_char(&name, '-');
			text_add(&name, zone->alias);
		}
		if (!word_is_name(text_span(&name)) ||
		    body_find_limit(weigh->body, text_span(&name)) != NULL ||
		    body_find_weigh(weigh->body, text_span(&name)) >= 0)
			continue;
		weigh->statement->name = compiler_copy(weigh->body->compiler, text_span(&name));
		return true;
	}
	return false;
}

/* What a greylist statement has brought along gives way to a name that was chosen. */
static bool weigh_give_way(struct body *body, int other)
{
	struct statement *implied = &body->statement[body->weigh_at[other]];
	struct span name = implied->name;

	if ((body->weigh_implied >> other & 1) == 0)
		return false;
	implied->name = (struct span){ 0 };
	implied->name = imply_name(body, name);
	return true;
}

static bool weigh_is_new(struct weigh *weigh)
{
	struct body *body = weigh->body;
	int other = body_find_weigh(body, weigh->statement->name);
	uint32_t line, column;

	if (body->policy->weigh_count == WEIGHS_MAX) {
		report_error(weigh_report(weigh), weigh->check_place,
			     "a policy weighs at most %d times", WEIGHS_MAX);
		return false;
	}
	if (body_find_limit(body, weigh->statement->name) != NULL &&
	    (weigh->is_named || !weigh_rename(weigh))) {
		report_error(weigh_report(weigh), weigh->name_place,
			     "'%.*s' is the name of a limit already",
			     WORD_ARG(weigh->statement->name));
		return false;
	}
	if (other < 0 || weigh_give_way(body, other))
		return true;
	if (!weigh->is_named && weigh_rename(weigh))
		return true;
	place_position(body->weigh_place[other], &line, &column);
	report_error(weigh_report(weigh), weigh->name_place,
		     "findings are called '%.*s' already in line %u",
		     WORD_ARG(weigh->statement->name), line);
	report_hint(weigh_report(weigh), "name these by: as NAME");
	return false;
}

/* 0.1 + 0.2 is 0.3 here: a limit that is just reached must not count as out of reach. */
static double decimal_sum(double sum, double points)
{
	const double parts = 1e9;

	sum += points;
	if (isinf(sum))
		return sum;
	return (double)(int64_t)(sum * parts + (sum < 0 ? -0.5 : 0.5)) / parts;
}

/* What the statement can add to the score; nothing, if its question fails or it is skipped. */
static void range_add(struct weigh *weigh)
{
	const struct statement *statement = weigh->statement;
	struct range *score = &weigh->body->score;
	unsigned count = statement_finding_count(statement);
	double times = statement->check->times_max;

	if (count == 0)
		*score = (struct range){ -INFINITY, INFINITY };
	if (times == 0)
		times = statement->arguments.subjects == 0
				? 1
				: __builtin_popcount(statement->arguments.subjects);
	for (unsigned i = 0; i < count; i++) {
		score->low = decimal_sum(score->low, fmin(0, statement->points[i] * times));
		score->high = decimal_sum(score->high, fmax(0, statement->points[i] * times));
	}
}

static void arguments_standard(struct weigh *weigh)
{
	const struct compiler *compiler = weigh->body->compiler;
	struct arguments *arguments = &weigh->statement->arguments;
	const struct check *check = weigh->statement->check;

	arguments->subjects = check->takes_subjects ? check->subjects_default : 0;
	arguments->receiver = config_receiver(compiler->config);
	arguments->suffixes = compiler->loader->suffixes;
}

static void weigh_take_ordinal(struct weigh *weigh)
{
	struct body *body = weigh->body;

	weigh->statement->ordinal = body->policy->weigh_count;
	body->weigh_place[weigh->statement->ordinal] = weigh->check_place;
	body->asks += weigh->statement->check->asks_max;
}

bool weigh_parse(struct body *body, struct statement *statement)
{
	struct weigh weigh = { .body = body, .statement = statement };
	struct token token;

	if (!parser_expect_name(&body->parser, "a check", &token))
		return false;
	statement->kind = STATEMENT_WEIGH;
	statement->check = check_find(&weigh, &token);
	if (statement->check == NULL)
		return false;
	statement->name = token.text;
	arguments_standard(&weigh);
	weigh.check_place = weigh.name_place = token.place;
	if ((statement->check->takes_zone && !zone_find(&weigh)) || !parameters_prepare(&weigh) ||
	    !items_parse(&weigh) || !tail_parse(&weigh) || !weigh_is_new(&weigh))
		return false;
	weigh_take_ordinal(&weigh);
	range_add(&weigh);
	return true;
}

static const struct check *implied_check(const struct compiler *compiler)
{
	for (size_t i = 0; compiler->checks[i] != NULL; i++)
		if (span_equal(span_cstr(compiler->checks[i]->name), SPAN(IMPLIED_CHECK)))
			return compiler->checks[i];
	return NULL;
}

/* One that every mail comes by above. */
static int find_unconditional(const struct body *body, const struct check *check)
{
	for (unsigned i = 0; i < body->policy->weigh_count; i++)
		if (body_weigh(body, i)->check == check && body_weigh(body, i)->condition == NULL)
			return (int)i;
	return -1;
}

static bool can_imply(struct body *body, const struct check *check, struct place place)
{
	if (check == NULL)
		report_error(body_report(body), place, "this greylist needs 'by EXPR, ...'");
	else if (body->policy->weigh_count == WEIGHS_MAX)
		report_error(body_report(body), place,
			     "a policy weighs at most %d times, and this is one more", WEIGHS_MAX);
	else
		return body_has_room(body, place);
	return false;
}

bool weigh_imply(struct body *body, const struct statement *greylist, struct place place,
		 uint8_t *ordinal_out)
{
	const struct check *check = implied_check(body->compiler);
	struct statement statement = {
		.kind = STATEMENT_WEIGH,
		.origin = greylist->origin,
		.condition = greylist->condition,
		.check = check,
	};
	struct weigh weigh = { .body = body, .statement = &statement, .check_place = place };
	int known = check == NULL ? -1 : find_unconditional(body, check);

	if (known >= 0) {
		*ordinal_out = (uint8_t)known;
		return true;
	}
	if (!can_imply(body, check, place))
		return false;
	arguments_standard(&weigh);
	statement.name = imply_name(body, (struct span){ 0 });
	if (!parameters_prepare(&weigh))
		return false;
	weigh_take_ordinal(&weigh);
	*ordinal_out = statement.ordinal;
	body->weigh_implied |= UINT64_C(1) << statement.ordinal;
	return body_add(body, &statement) && body_has_room(body, place);
}
