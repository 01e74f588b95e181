/* parameters.c -- what a check may be told between its braces: weigh/check.h, struct parameter. */
#include "base/number.h"
#include "policy/weighs.h"

enum { PARAMETER_ROWS_MAX = 1024 };

static void *parameter_at(struct weigh *weigh, const struct parameter *parameter)
{
	return (char *)weigh->parameters + parameter->offset;
}

static void parameter_bounds(const struct parameter *parameter, double *least, double *most)
{
	bool bounded = parameter->min < parameter->max;

	*least = bounded ? parameter->min : -1e15;
	*most = bounded ? parameter->max : 1e15;
}

static bool number_parameter(struct weigh *weigh, const struct parameter *parameter, bool is_first)
{
	double least, most;

	(void)is_first;
	parameter_bounds(parameter, &least, &most);
	return parser_expect_number(weigh_parser(weigh), parameter->name, least, most,
				    parameter_at(weigh, parameter));
}

static bool integer_parameter(struct weigh *weigh, const struct parameter *parameter, bool is_first)
{
	double least, most;

	(void)is_first;
	parameter_bounds(parameter, &least, &most);
	return parser_expect_integer(weigh_parser(weigh), parameter->name, (int64_t)least,
				     (int64_t)most, parameter_at(weigh, parameter));
}

static bool duration_parameter(struct weigh *weigh, const struct parameter *parameter,
			       bool is_first)
{
	struct place place = parser_peek(weigh_parser(weigh), LEX_WORD)->place;
	double least, most;
	int64_t ms;

	(void)is_first;
	parameter_bounds(parameter, &least, &most);
	if (!parser_expect_duration(weigh_parser(weigh), parameter->name, &ms))
		return false;
	if ((double)ms < least || (double)ms > most) {
		report_error(weigh_report(weigh), place, "%s must be between %.15gms and %.15gms",
			     parameter->name, least, most);
		return false;
	}
	*(int64_t *)parameter_at(weigh, parameter) = ms;
	return true;
}

static bool flag_parameter(struct weigh *weigh, const struct parameter *parameter, bool is_first)
{
	static const char *const yes[] = { "yes", "on", "true", "1" };
	static const char *const no[] = { "no", "off", "false", "0" };
	const struct token *next = parser_peek(weigh_parser(weigh), LEX_WORD);

	(void)is_first;
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
		if (!token_is_word(next, yes[i]) && !token_is_word(next, no[i]))
			continue;
		*(bool *)parameter_at(weigh, parameter) = token_is_word(next, yes[i]);
		(void)parser_take(weigh_parser(weigh), LEX_WORD);
		return true;
	}
	parser_report_unexpected(weigh_parser(weigh), "yes or no");
	return false;
}

static bool text_parameter(struct weigh *weigh, const struct parameter *parameter, bool is_first)
{
	struct parser *parser = weigh_parser(weigh);
	struct token token;

	(void)is_first;
	/* An empty text is a text here. */
	if (parser_peek(parser, LEX_WORD)->kind == TOKEN_STRING) {
		token = parser_take(parser, LEX_WORD);
		*(struct span *)parameter_at(weigh, parameter) = parser_unescape(parser, &token);
		return true;
	}
	return parser_expect_text(parser, LEX_WORD, "a text", &token,
				  parameter_at(weigh, parameter));
}

static bool pair_parameter(struct weigh *weigh, const struct parameter *parameter, bool is_first)
{
	double *pair = parameter_at(weigh, parameter);

	return number_parameter(weigh, parameter, is_first) &&
	       parser_expect_number(weigh_parser(weigh), parameter->name,
				    parameter->min < parameter->max ? parameter->min : -1e15,
				    parameter->min < parameter->max ? parameter->max : 1e15,
				    &pair[1]);
}

static bool rows_have_room(struct weigh *weigh, const struct parameter *parameter, size_t count)
{
	size_t most = parameter->max > 0 ? (size_t)parameter->max : PARAMETER_ROWS_MAX;

	if (count < most)
		return true;
	report_error(weigh_report(weigh), weigh_parser(weigh)->previous,
		     "there are more than %zu rows of %s", most, parameter->name);
	return false;
}

static bool regex_parameter(struct weigh *weigh, const struct parameter *parameter, bool is_first)
{
	struct regex_list *list = parameter_at(weigh, parameter);
	struct parser *parser = weigh_parser(weigh);
	const struct token *next = parser_peek(parser, LEX_REGEX);
	struct token token;
	struct regex *regex;
	struct span pattern;
	const struct regex **grown;

	if (is_first)
		*list = (struct regex_list){ 0 };
	if (!rows_have_room(weigh, parameter, list->count))
		return false;
	if (next->kind != TOKEN_REGEX && next->kind != TOKEN_STRING) {
		parser_report_unexpected(parser, "a \"pattern\" or /pattern/");
		return false;
	}
	token = parser_take(parser, LEX_REGEX);
	pattern = parser_unescape(parser, &token);
	/* Empty, it would match everything; policyd-weight takes it for nothing. */
	if (pattern.len == 0)
		pattern = SPAN("(?!)");
	regex = compiler_regex(weigh->body->compiler, pattern, token.ignore_case,
			       (struct place){ token.place.source, token.place.at + 1,
					       token.text.len });
	grown = compiler_grow(weigh->body->compiler, list->regex, list->count, sizeof(*grown));
	if (regex == NULL || grown == NULL)
		return false;
	list->regex = grown;
	grown[list->count++] = regex;
	return true;
}

/* ZONE HIT MISS NAME, or none */
static bool list_parameter(struct weigh *weigh, const struct parameter *parameter, bool is_first)
{
	struct list_rows *list = parameter_at(weigh, parameter);
	struct parser *parser = weigh_parser(weigh);
	struct list_row row, *grown;
	const struct symbol *zone;
	struct token token, name;

	if (is_first)
		*list = (struct list_rows){ 0 };
	if (parser_accept_word(parser, "none"))
		return true;
	if (!rows_have_room(weigh, parameter, list->count) ||
	    !parser_expect_text(parser, LEX_WORD, "the name of a DNS list", &name, &row.zone) ||
	    !parser_expect_number(parser, "points for a hit", -1e6, 1e6, &row.hit) ||
	    !parser_expect_number(parser, "points for a miss", -1e6, 1e6, &row.miss) ||
	    !parser_expect_text(parser, LEX_WORD, "a name for the log", &token, &row.name))
		return false;
	zone = symbol_find(&weigh->body->compiler->zones, row.zone);
	if (zone != NULL)
		zone_warn_if_dead(parser_report(parser), &name, zone->what);
	grown = compiler_grow(weigh->body->compiler, list->row, list->count, sizeof(*grown));
	if (grown == NULL)
		return false;
	list->row = grown;
	grown[list->count++] = row;
	return true;
}

static bool texts_parameter(struct weigh *weigh, const struct parameter *parameter, bool is_first)
{
	struct text_list *list = parameter_at(weigh, parameter);
	struct token token;
	struct span text, *grown;

	if (is_first)
		*list = (struct text_list){ 0 };
	if (!rows_have_room(weigh, parameter, list->count) ||
	    !parser_expect_text(weigh_parser(weigh), LEX_WORD, parameter->name, &token, &text))
		return false;
	grown = compiler_grow(weigh->body->compiler, list->text, list->count, sizeof(*grown));
	if (grown == NULL)
		return false;
	list->text = grown;
	grown[list->count++] = text;
	return true;
}

static bool networks_parameter(struct weigh *weigh, const struct parameter *parameter,
			       bool is_first)
{
	struct network_list *list = parameter_at(weigh, parameter);
	struct prefix network, *grown;
	struct token token;
	struct span text;

	if (is_first)
		*list = (struct network_list){ 0 };
	if (!rows_have_room(weigh, parameter, list->count) ||
	    !parser_expect_text(weigh_parser(weigh), LEX_WORD, "an address", &token, &text))
		return false;
	if (prefix_parse(text, &network) != OK) {
		report_error(weigh_report(weigh), token.place,
			     "'%.*s' is neither an address nor a network", WORD_ARG(text));
		return false;
	}
	grown = compiler_grow(weigh->body->compiler, list->network, list->count, sizeof(*grown));
	if (grown == NULL)
		return false;
	list->network = grown;
	grown[list->count++] = network;
	return true;
}

static bool (*const parameter_parse[])(struct weigh *, const struct parameter *, bool) = {
	[PARAMETER_NUMBER] = number_parameter,     [PARAMETER_INTEGER] = integer_parameter,
	[PARAMETER_DURATION] = duration_parameter, [PARAMETER_FLAG] = flag_parameter,
	[PARAMETER_TEXT] = text_parameter,         [PARAMETER_PAIR] = pair_parameter,
	[PARAMETER_REGEX] = regex_parameter,       [PARAMETER_LIST] = list_parameter,
	[PARAMETER_TEXTS] = texts_parameter,       [PARAMETER_NETWORKS] = networks_parameter,
};

bool parameters_prepare(struct weigh *weigh)
{
	const struct check *check = weigh->statement->check;
	size_t count = 0;

	if (check->parameter == NULL)
		return true;
	while (check->parameter[count].name != NULL)
		count++;
	weigh->parameters = compiler_alloc(weigh->body->compiler, check->parameters_bytes);
	weigh->is_given = compiler_alloc(weigh->body->compiler, count + 1);
	if (weigh->parameters == NULL || weigh->is_given == NULL)
		return false;
	memcpy(weigh->parameters, check->parameter_defaults, check->parameters_bytes);
	weigh->statement->arguments.parameters = weigh->parameters;
	return true;
}

static bool is_repeatable(enum parameter_type type)
{
	return type == PARAMETER_REGEX || type == PARAMETER_LIST || type == PARAMETER_TEXTS ||
	       type == PARAMETER_NETWORKS;
}

static bool parameter_is_free(struct weigh *weigh, const struct token *name, size_t index)
{
	const struct parameter *parameter = &weigh->statement->check->parameter[index];

	if (!weigh->is_given[index] || is_repeatable(parameter->type))
		return true;
	report_error(weigh_report(weigh), name->place, "'%s' is said twice", parameter->name);
	return false;
}

bool parameter_try(struct weigh *weigh, const struct token *name, struct guess *guess,
		   bool *parsed_out)
{
	const struct parameter *parameters = weigh->statement->check->parameter;

	for (size_t i = 0; parameters != NULL && parameters[i].name != NULL; i++) {
		bool is_first = !weigh->is_given[i];

		guess_offer(guess, span_cstr(parameters[i].name));
		if (!span_equal(name->text, span_cstr(parameters[i].name)))
			continue;
		*parsed_out = parameter_is_free(weigh, name, i) &&
			      parameter_parse[parameters[i].type](weigh, &parameters[i], is_first);
		weigh->is_given[i] = true;
		return true;
	}
	return false;
}
