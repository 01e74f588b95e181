/* settings.c -- the statements that say how the daemon runs. */
#include "base/number.h"
#include "mail/domain.h"
#include "policy/compiler.h"

enum { WORKERS_MAX = 256, DEADLINE_MS_MIN = 100, DEADLINE_MS_MAX = 300 * 1000 };
/* Postfix waits 100 s for an answer (smtpd_policy_service_timeout). */
enum { DEADLINE_MS_LATE = 90 * 1000, DNS_PORT = 53 };

/* --- addresses --- */

static bool port_read(struct span s, uint16_t *port_out)
{
	int64_t port;

	if (number_parse(s, &port) != OK || port < 0 || port > UINT16_MAX)
		return false;
	*port_out = (uint16_t)port;
	return true;
}

/* 127.0.0.1, 127.0.0.1:53, ::1, [::1], [::1]:53 */
static bool address_read(struct span s, uint16_t *port, bool *has_port_out, struct ip *ip_out)
{
	size_t colon = span_rfind(s, ':');

	*has_port_out = false;
	if (ip_parse(s, ip_out) == OK)
		return true;
	if (span_starts(s, SPAN("[")) && span_ends(s, SPAN("]")))
		return ip_parse(span_of(s.at + 1, s.len - 2), ip_out) == OK &&
		       ip_out->family == IP_V6;
	if (colon == s.len || !port_read(span_from(s, colon + 1), port))
		return false;
	*has_port_out = true;
	s = span_first(s, colon);
	if (span_starts(s, SPAN("[")) && span_ends(s, SPAN("]")))
		return ip_parse(span_of(s.at + 1, s.len - 2), ip_out) == OK &&
		       ip_out->family == IP_V6;
	return ip_parse(s, ip_out) == OK && ip_out->family == IP_V4;
}

/* --- listen --- */

static bool listener_read_address(struct parser *parser, const struct token *token,
				  struct span text, struct listener *listener)
{
	bool has_port;

	if (span_starts(text, SPAN("unix:"))) {
		listener->is_unix = true;
		listener->path =
			compiler_path(parser->compiler, token->place.source, span_from(text, 5));
		if (text.len > 5)
			return true;
	}
	if (span_starts(text, SPAN("inet:")) &&
	    address_read(span_from(text, 5), &listener->port, &has_port, &listener->address) &&
	    has_port)
		return true;
	report_error(parser_report(parser), token->place, "'%.*s' is no address to listen on",
		     WORD_ARG(text));
	report_hint(parser_report(parser),
		    "such as inet:127.0.0.1:12525, inet:[::1]:12525 or unix:/run/weighd/policy");
	return false;
}

static bool listener_parse_mode(struct parser *parser, struct listener *listener)
{
	struct token token;
	struct span text;
	uint32_t mode = 0;

	if (!parser_expect_text(parser, LEX_WORD, "a mode such as 0660", &token, &text))
		return false;
	for (size_t i = 0; i < text.len && mode <= 0777; i++)
		mode = text.at[i] >= '0' && text.at[i] <= '7'
			       ? mode * 8 + (uint32_t)(text.at[i] - '0')
			       : UINT32_MAX / 16;
	if (mode == 0 || mode > 0777) {
		report_error(parser_report(parser), token.place,
			     "a mode is an octal number such as 0660, not '%.*s'", WORD_ARG(text));
		return false;
	}
	if (!listener->is_unix) {
		report_error(parser_report(parser), token.place, "only a Unix socket has a mode");
		return false;
	}
	listener->mode = mode;
	return true;
}

static bool is_same_listener(const struct listener *a, const struct listener *b)
{
	if (a->is_unix != b->is_unix)
		return false;
	if (a->is_unix)
		return span_equal(a->path, b->path);
	return a->port == b->port && ip_equal(a->address, b->address);
}

static bool listener_add(struct parser *parser, const struct token *where,
			 const struct token *policy, struct listener *listener)
{
	struct compiler *compiler = parser->compiler;
	struct config *config = compiler->config;
	struct waiting_listener *waiting;

	for (uint8_t i = 0; i < config->listener_count; i++)
		if (is_same_listener(&config->listener[i], listener)) {
			report_error(&compiler->report, where->place,
				     "line %u listens there already",
				     config->listener[i].origin.line);
			return false;
		}
	if (config->listener_count == LISTENERS_MAX) {
		report_error(&compiler->report, where->place, "there are more than %d listeners",
			     LISTENERS_MAX);
		return false;
	}
	waiting = compiler_alloc(compiler, sizeof(*waiting));
	if (waiting == NULL)
		return false;
	listener->origin = origin_of(where->place);
	config->listener[config->listener_count] = *listener;
	*waiting =
		(struct waiting_listener){ compiler->waiting_listener,
					   &config->listener[config->listener_count++], *policy };
	compiler->waiting_listener = waiting;
	return true;
}

static bool listen_parse(struct parser *parser)
{
	struct listener listener = { 0 };
	struct token where, policy;
	struct span text;

	if (!parser_expect_text(parser, LEX_ADDRESS, "an address", &where, &text) ||
	    !listener_read_address(parser, &where, text, &listener))
		return false;
	if (parser_accept_word(parser, "mode") && !listener_parse_mode(parser, &listener))
		return false;
	if (parser_accept_word(parser, "greylistd"))
		listener.protocol = LISTENER_GREYLISTD;
	if (!parser_accept_word(parser, "policy")) {
		parser_report_unexpected(parser, listener.protocol == LISTENER_POLICY
							 ? "'policy NAME' or 'greylistd'"
							 : "'policy NAME'");
		return false;
	}
	return parser_expect_name(parser, "a policy's name", &policy) &&
	       listener_add(parser, &where, &policy, &listener);
}

struct span config_receiver(const struct config *config)
{
	return config->hides_receiver || config->hostname.len == 0 ? SPAN("unknown")
								   : config->hostname;
}

static void policy_know_us(struct policy *policy, const struct config *config)
{
	policy->observe = config->observe;
	policy->hostname = config->hostname;
	policy->receiver = config_receiver(config);
}

static bool has_statement(const struct policy *policy, enum statement_kind kind)
{
	for (uint16_t i = 0; i < policy->statement_count; i++)
		if (policy->statement[i].kind == kind)
			return true;
	return false;
}

static void listener_set_policy(struct compiler *compiler, struct listener *listener,
				const struct token *name, const struct policy *policy)
{
	listener->policy = policy;
	if (listener->protocol != LISTENER_GREYLISTD || has_statement(policy, STATEMENT_GREYLIST))
		return;
	report_warning(&compiler->report, name->place,
		       "greylistd is asked whether to greylist, and '%.*s' never does",
		       WORD_ARG(name->text));
}

static bool keeps_something(const struct compiler *compiler)
{
	for (const struct symbol *symbol = compiler->policies.first; symbol != NULL;
	     symbol = symbol->next)
		if (has_statement(symbol->what, STATEMENT_GREYLIST) ||
		    has_statement(symbol->what, STATEMENT_LIMIT))
			return true;
	return compiler->sets.count > 0;
}

void settings_finish(struct compiler *compiler)
{
	struct config *config = compiler->config;

	if (config->store_origin.line == 0 && keeps_something(compiler))
		config->store = (struct store_options){ .kind = STORE_SQLITE,
							.path = SPAN(STORE_PATH_STANDARD) };
	config->store.entries_max = (uint64_t)config->limits.store_entries;
	for (const struct waiting_listener *waiting = compiler->waiting_listener; waiting != NULL;
	     waiting = waiting->next) {
		const struct token *name = &waiting->policy;
		const struct symbol *symbol = symbol_find(&compiler->policies, name->text);
		struct guess guess = guess_of(name->text);

		if (symbol != NULL) {
			listener_set_policy(compiler, waiting->listener, name, symbol->what);
			continue;
		}
		report_error(&compiler->report, name->place, "no policy is called '%.*s'",
			     WORD_ARG(name->text));
		symbols_guess(&compiler->policies, &guess);
		report_guess(&compiler->report, &guess);
	}
	for (const struct symbol *symbol = compiler->policies.first; symbol != NULL;
	     symbol = symbol->next)
		policy_know_us(symbol->what, compiler->config);
}

/* --- the others --- */

static bool control_parse(struct parser *parser)
{
	struct listener *control = &parser->compiler->config->control;
	struct token token;
	struct span path;

	if (!parser_expect_text(parser, LEX_WORD, "a path", &token, &path))
		return false;
	if (span_starts(path, SPAN("unix:")))
		path = span_from(path, 5);
	control->is_unix = true;
	control->origin = origin_of(token.place);
	control->path = compiler_path(parser->compiler, token.place.source, path);
	control->mode = 0;
	return !parser_accept_word(parser, "mode") || listener_parse_mode(parser, control);
}

static bool resolver_parse_address(struct parser *parser, struct resolver *resolver)
{
	struct resolver_address *address = &resolver->address[resolver->address_count];
	struct token token;
	struct span text;
	bool has_port;

	if (!parser_expect_text(parser, LEX_ADDRESS, "an address", &token, &text))
		return false;
	if (resolver->address_count == RESOLVER_ADDRESSES_MAX) {
		report_error(parser_report(parser), token.place, "there are more than %d resolvers",
			     RESOLVER_ADDRESSES_MAX);
		return false;
	}
	address->port = DNS_PORT;
	if (!address_read(text, &address->port, &has_port, &address->address) ||
	    address->port == 0) {
		struct guess guess = guess_of(text);

		report_error(parser_report(parser), token.place,
			     "'%.*s' is no address of a resolver", WORD_ARG(text));
		report_hint(parser_report(parser),
			    "recursive, system, or such as 127.0.0.1, [::1]:5353");
		guess_offer(&guess, SPAN("recursive"));
		guess_offer(&guess, SPAN("system"));
		report_guess(parser_report(parser), &guess);
		return false;
	}
	resolver->address_count++;
	return true;
}

static bool resolver_parse(struct parser *parser)
{
	struct resolver resolver = { .kind = RESOLVER_ADDRESSES };

	resolver.origin = origin_of(parser->previous);
	if (parser_accept_word(parser, "recursive")) {
		resolver.kind = RESOLVER_RECURSIVE;
	} else if (parser_accept_word(parser, "system")) {
		resolver.kind = RESOLVER_SYSTEM;
	} else {
		do {
			if (resolver.address_count > 0)
				parser_skip_newlines(parser);
			if (!resolver_parse_address(parser, &resolver))
				return false;
		} while (parser_accept_sign(parser, ","));
	}
	parser->compiler->config->resolver = resolver;
	return true;
}

static bool deadline_parse(struct parser *parser)
{
	struct place place = parser_peek(parser, LEX_WORD)->place;
	int64_t ms;

	if (!parser_expect_duration(parser, "the deadline", &ms))
		return false;
	if (ms < DEADLINE_MS_MIN || ms > DEADLINE_MS_MAX) {
		report_error(parser_report(parser), place,
			     "the deadline must be between 100ms and 300s");
		return false;
	}
	if (ms > DEADLINE_MS_LATE) {
		report_warning(parser_report(parser), place,
			       "Postfix waits 100 s for an answer, Exim 5 s");
		report_hint(parser_report(parser), "4s serves both");
	}
	parser->compiler->config->deadline_ms = ms;
	return true;
}

/* One of two words. */
static bool choice_parse(struct parser *parser, const char *first, const char *second,
			 bool *is_first_out)
{
	const struct token *next = parser_peek(parser, LEX_WORD);
	struct guess guess = guess_of(next->text);
	TEXT(wanted, 64);

	*is_first_out = token_is_word(next, first);
	if (*is_first_out || token_is_word(next, second)) {
		(void)parser_take(parser, LEX_WORD);
		return true;
	}
	text_addf(&wanted, "'%s' or '%s'", first, second);
	parser_report_unexpected(parser, text_cstr(&wanted));
	guess_offer(&guess, span_cstr(first));
	guess_offer(&guess, span_cstr(second));
	report_guess(parser_report(parser), &guess);
	return false;
}

static bool mode_parse(struct parser *parser)
{
	return choice_parse(parser, "observe", "enforce", &parser->compiler->config->observe);
}

static bool log_parse(struct parser *parser)
{
	bool is_syslog = false;

	if (!choice_parse(parser, "syslog", "stderr", &is_syslog))
		return false;
	parser->compiler->config->log = is_syslog ? LOG_SYSLOG : LOG_STDERR;
	return true;
}

static bool workers_parse(struct parser *parser)
{
	int64_t workers;

	if (!parser_expect_integer(parser, "the number of workers", 1, WORKERS_MAX, &workers))
		return false;
	parser->compiler->config->workers = (uint16_t)workers;
	return true;
}

static bool user_parse(struct parser *parser)
{
	struct token token;

	return parser_expect_text(parser, LEX_WORD, "a user's name", &token,
				  &parser->compiler->config->user);
}

/* It goes into headers and is no stranger's: a plain name. */
static bool is_hostname(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_letter(name.at[i]) && !ascii_is_digit(name.at[i]) &&
		    name.at[i] != '-' && name.at[i] != '_' && name.at[i] != '.')
			return false;
	return domain_can_exist(name) && !span_ends(name, SPAN("."));
}

static bool hostname_parse(struct parser *parser)
{
	struct token token;
	struct span name;

	if (!parser_expect_text(parser, LEX_WORD, "a host name", &token, &name))
		return false;
	if (!is_hostname(name)) {
		report_error(parser_report(parser), token.place, "'%.*s' is no host name",
			     WORD_ARG(name));
		return false;
	}
	parser->compiler->config->hostname = name;
	return true;
}

static bool hide_parse(struct parser *parser)
{
	if (!parser_accept_word(parser, "receiver")) {
		parser_report_unexpected(parser, "'receiver'");
		return false;
	}
	parser->compiler->config->hides_receiver = true;
	return true;
}

static const struct {
	const char *name;
	size_t offset;
	int64_t least, most;
} limits[] = {
#define LIMIT(name, standard, least, most)                                                         \
	{ #name, offsetof(struct config_limits, name), least, most },
	CONFIG_LIMITS(LIMIT)
#undef LIMIT
};

static bool limit_parse(struct parser *parser)
{
	struct token token;
	struct guess guess;

	if (!parser_expect_name(parser, "a limit's name", &token))
		return false;
	guess = guess_of(token.text);
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		int64_t number;

		guess_offer(&guess, span_cstr(limits[i].name));
		if (!token_is_word(&token, limits[i].name))
			continue;
		if (!parser_expect_integer(parser, limits[i].name, limits[i].least, limits[i].most,
					   &number))
			return false;
		memcpy((char *)&parser->compiler->config->limits + limits[i].offset, &number,
		       sizeof(number));
		return true;
	}
	report_error(parser_report(parser), token.place, "no limit is called '%.*s'",
		     WORD_ARG(token.text));
	report_guess(parser_report(parser), &guess);
	return false;
}

static bool limits_parse(struct parser *parser)
{
	struct place brace;

	if (!parser_expect_sign(parser, "{", "limits"))
		return false;
	brace = parser->previous;
	while (parser_next_item(parser, brace))
		if (!limit_parse(parser) || !parser_expect_item_end(parser))
			parser_skip_item(parser);
	return true;
}

static const struct {
	const char *keyword;
	bool (*parse)(struct parser *parser);
	bool is_repeatable;
} settings[] = {
	{ "listen", listen_parse, true },      { "control", control_parse, false },
	{ "resolver", resolver_parse, false }, { "deadline", deadline_parse, false },
	{ "mode", mode_parse, false },         { "log", log_parse, false },
	{ "workers", workers_parse, false },   { "user", user_parse, false },
	{ "limits", limits_parse, false },     { "hostname", hostname_parse, false },
	{ "hide", hide_parse, false },         { "store", store_parse, false },
	{ "sendmail", sendmail_parse, false },
};
_Static_assert(sizeof(settings) / sizeof(*settings) <= SETTINGS_MAX, "a place for each");

/* A file's word wins over the words of what it includes; twice at one level is a mistake.
 *
 * @return false: to be read, but not to be heeded
 */
static bool setting_counts(struct parser *parser, const struct token *keyword, struct place *said)
{
	struct compiler *compiler = parser->compiler;
	unsigned depth = keyword->place.source->depth;
	bool is_twice = said->source != NULL && said->source->depth == depth;
	uint32_t line, column;

	if (said->source != NULL && said->source->depth < depth)
		return false;
	if (is_twice) {
		place_position(*said, &line, &column);
		report_error(&compiler->report, keyword->place, "'%.*s' is said twice",
			     WORD_ARG(keyword->text));
		report_hint(&compiler->report, "first in line %u of %.*s", line,
			    WORD_ARG(said->source->path));
	}
	*said = keyword->place;
	return true;
}

static void settings_copy(const struct config *from, struct config *to)
{
	to->control = from->control;
	to->resolver = from->resolver;
	to->deadline_ms = from->deadline_ms;
	to->observe = from->observe;
	to->log = from->log;
	to->workers = from->workers;
	to->user = from->user;
	to->hostname = from->hostname;
	to->hides_receiver = from->hides_receiver;
	to->limits = from->limits;
	to->store = from->store;
	to->store_origin = from->store_origin;
	to->password_file = from->password_file;
	to->sendmail = from->sendmail;
}

enum settings_result setting_parse(struct parser *parser, const struct token *keyword)
{
	struct config *config = parser->compiler->config;

	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		struct config *before;
		bool parsed;

		if (!token_is_word(keyword, settings[i].keyword))
			continue;
		if (settings[i].is_repeatable ||
		    setting_counts(parser, keyword, &parser->compiler->setting[i]))
			return settings[i].parse(parser) ? SETTING_DONE : SETTING_WRONG;
		/* Read for its mistakes; then all is as it was. */
		before = compiler_alloc(parser->compiler, sizeof(*before));
		if (before == NULL)
			return SETTING_WRONG;
		settings_copy(config, before);
		parsed = settings[i].parse(parser);
		settings_copy(before, config);
		return parsed ? SETTING_DONE : SETTING_WRONG;
	}
	return SETTING_UNKNOWN;
}

void settings_guess(struct guess *guess)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
		guess_offer(guess, span_cstr(settings[i].keyword));
}
