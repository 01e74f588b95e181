/* stores.c -- store memory | sqlite "PATH" [sync full] | redis ...; sendmail "PATH". */
#include "base/number.h"
#include "mail/domain.h"
#include "policy/compiler.h"

enum { STORE_TIMEOUT_MS_MIN = 10, STORE_TIMEOUT_MS_MAX = 10 * 1000, DATABASE_MAX = 1000000 };
enum { PREFIX_MAX = 32, OPTIONS_MAX = 16 };

static struct store_options *store_of(struct parser *parser)
{
	return &parser->compiler->config->store;
}

static bool path_parse(struct parser *parser, const char *wanted, struct span *path_out)
{
	struct token token;
	struct span path;

	if (!parser_expect_text(parser, LEX_WORD, wanted, &token, &path))
		return false;
	*path_out = compiler_path(parser->compiler, token.place.source, path);
	return true;
}

/* --- memory, sqlite --- */

static bool memory_parse(struct parser *parser)
{
	(void)parser;
	return true;
}

static bool sqlite_parse(struct parser *parser)
{
	struct store_options *store = store_of(parser);

	if (!path_parse(parser, "a file", &store->path))
		return false;
	if (!parser_accept_word(parser, "sync"))
		return true;
	store->sync_full = parser_accept_word(parser, "full");
	if (!store->sync_full)
		parser_report_unexpected(parser, "'full'");
	return store->sync_full;
}

/* --- redis: where --- */

static bool is_host(struct span host)
{
	for (size_t i = 0; i < host.len; i++)
		if (!ascii_is_letter(host.at[i]) && !ascii_is_digit(host.at[i]) &&
		    host.at[i] != '-' && host.at[i] != '_' && host.at[i] != '.')
			return false;
	return domain_can_exist(host);
}

/* HOST:PORT, HOST, [::1]:PORT, [::1], unix:/PATH; port is what stands without one. */
static bool address_read(struct span text, struct store_address *address)
{
	size_t colon = span_rfind(text, ':');
	struct span host = text;
	struct ip ip;
	int64_t port;

	if (span_starts(text, SPAN("unix:"))) {
		address->path = span_from(text, strlen("unix:"));
		return span_starts(address->path, SPAN("/"));
	}
	if (colon < text.len && !span_ends(text, SPAN("]"))) {
		if (number_parse(span_from(text, colon + 1), &port) != OK || port < 1 ||
		    port > UINT16_MAX)
			return false;
		address->port = (uint16_t)port;
		host = span_first(text, colon);
	}
	if (span_starts(host, SPAN("[")) && span_ends(host, SPAN("]"))) {
		address->host = span_of(host.at + 1, host.len - 2);
		return ip_parse(address->host, &ip) == OK && ip.family == IP_V6;
	}
	address->host = host;
	return (ip_parse(host, &ip) == OK && ip.family == IP_V4) || is_host(host);
}

/* The word of an address at the next token: of a list, so a bracket may close behind it. */
static size_t address_len(struct span text)
{
	size_t len;

	if (!span_starts(text, SPAN("[")))
		return span_find(text, ']');
	len = span_find(text, ']') + 1;
	if (len < text.len && text.at[len] == ':')
		for (len++; len < text.len && ascii_is_digit(text.at[len]);)
			len++;
	return len < text.len ? len : text.len;
}

static bool address_parse(struct parser *parser)
{
	struct store_options *store = store_of(parser);
	struct store_address address = { .port = store->mode == STORE_SENTINEL ? STORE_SENTINEL_PORT
									       : STORE_REDIS_PORT };
	struct token token;
	struct span text;

	if (!parser_expect_text(parser, LEX_ADDRESS, "an address", &token, &text))
		return false;
	if (token.kind == TOKEN_WORD) {
		text = token.text = span_first(token.text, address_len(token.text));
		token.place.len = text.len;
		parser->lexer.at = token.place.at + text.len;
		parser->previous = token.place;
	}
	if (store->address_count == STORE_ADDRESSES_MAX) {
		report_error(parser_report(parser), token.place, "there are more than %d addresses",
			     STORE_ADDRESSES_MAX);
		return false;
	}
	if (!address_read(text, &address)) {
		report_error(parser_report(parser), token.place, "'%.*s' is no address of a server",
			     WORD_ARG(text));
		report_hint(parser_report(parser),
			    "such as redis.example.org:6379, [::1]:6379 or unix:/run/redis.sock");
		return false;
	}
	if (address.path.len > 0 && store->mode != STORE_SINGLE) {
		report_error(parser_report(parser), token.place,
			     "servers that are several are not reached by a Unix socket");
		return false;
	}
	store->address[store->address_count++] = address;
	return true;
}

/* "[::1]:6379" is an address; "[a, b]" and "[::1, ::2]" are lists. */
static bool is_list_next(struct parser *parser)
{
	struct store_address ignored = { 0 };
	const struct token *next = parser_peek(parser, LEX_ADDRESS);
	bool is_address = next->kind == TOKEN_WORD && address_read(next->text, &ignored);

	return !is_address && token_is_sign(parser_peek(parser, LEX_EXPR), "[");
}

static bool addresses_parse(struct parser *parser)
{
	struct place first = parser_peek(parser, LEX_EXPR)->place;
	enum list_next next;

	if (!is_list_next(parser))
		return address_parse(parser);
	(void)parser_accept_sign(parser, "[");
	for (next = parser_first_in_list(parser); next == LIST_MORE;
	     next = parser_next_in_list(parser, first))
		if (!address_parse(parser))
			return false;
	if (next != LIST_CLOSED)
		return false;
	if (store_of(parser)->address_count == 0) {
		report_error(parser_report(parser), first, "the list of servers is empty");
		return false;
	}
	if (store_of(parser)->address_count > 1 && store_of(parser)->mode == STORE_SINGLE) {
		report_error(parser_report(parser), first,
			     "several servers are a cluster, or the sentinels of one");
		report_hint(parser_report(parser),
			    "write: redis cluster [...], or redis sentinel NAME [...]");
		return false;
	}
	return true;
}

static bool mode_parse(struct parser *parser)
{
	struct store_options *store = store_of(parser);
	struct token token;

	if (parser_accept_word(parser, "cluster")) {
		store->mode = STORE_CLUSTER;
	} else if (parser_accept_word(parser, "sentinel")) {
		store->mode = STORE_SENTINEL;
		return parser_expect_text(parser, LEX_WORD, "the master's name", &token,
					  &store->master);
	}
	return true;
}

/* --- redis: how --- */

enum option_type { OPTION_TEXT, OPTION_PATH, OPTION_NUMBER, OPTION_FLAG, OPTION_DURATION };

static const struct option {
	const char *name;
	enum option_type type;
	size_t offset; /* in struct config */
} options[] = {
	{ "user", OPTION_TEXT, offsetof(struct config, store.user) },
	{ "password_file", OPTION_PATH, offsetof(struct config, password_file) },
	{ "database", OPTION_NUMBER, offsetof(struct config, store.database) },
	{ "prefix", OPTION_TEXT, offsetof(struct config, store.prefix) },
	{ "tls", OPTION_FLAG, offsetof(struct config, store.has_tls) },
	{ "ca_file", OPTION_PATH, offsetof(struct config, store.ca_file) },
	{ "certificate_file", OPTION_PATH, offsetof(struct config, store.certificate_file) },
	{ "key_file", OPTION_PATH, offsetof(struct config, store.key_file) },
	{ "connect_timeout", OPTION_DURATION, offsetof(struct config, store.connect_ms) },
	{ "answer_timeout", OPTION_DURATION, offsetof(struct config, store.answer_ms) },
};
_Static_assert(sizeof(options) / sizeof(*options) <= OPTIONS_MAX, "a place for each");

static bool database_parse(struct parser *parser, uint32_t *number_out)
{
	int64_t number;

	if (!parser_expect_integer(parser, "the database", 0, DATABASE_MAX, &number))
		return false;
	*number_out = (uint32_t)number;
	return true;
}

static bool flag_parse(struct parser *parser, bool *flag_out)
{
	*flag_out = parser_accept_word(parser, "yes");
	if (*flag_out || parser_accept_word(parser, "no"))
		return true;
	parser_report_unexpected(parser, "'yes' or 'no'");
	return false;
}

static bool option_value_parse(struct parser *parser, const struct option *option)
{
	char *at = (char *)parser->compiler->config + option->offset;
	struct token token;

	switch (option->type) {
	case OPTION_TEXT:
		return parser_expect_text(parser, LEX_WORD, option->name, &token,
					  (struct span *)(void *)at);
	case OPTION_PATH: return path_parse(parser, "a file", (struct span *)(void *)at);
	case OPTION_NUMBER: return database_parse(parser, (uint32_t *)(void *)at);
	case OPTION_FLAG: return flag_parse(parser, (bool *)at);
	case OPTION_DURATION:
		return parser_expect_duration_within(parser, option->name, STORE_TIMEOUT_MS_MIN,
						     STORE_TIMEOUT_MS_MAX, (int64_t *)(void *)at);
	}
	return false;
}

static bool option_parse(struct parser *parser, struct place *said)
{
	struct token token;
	struct guess guess;

	if (!parser_expect_name(parser, "an option", &token))
		return false;
	guess = guess_of(token.text);
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		guess_offer(&guess, span_cstr(options[i].name));
		if (!token_is_word(&token, options[i].name))
			continue;
		if (said[i].source == NULL) {
			said[i] = token.place;
			return option_value_parse(parser, &options[i]);
		}
		report_error(parser_report(parser), token.place, "'%.*s' is said twice",
			     WORD_ARG(token.text));
		return false;
	}
	report_error(parser_report(parser), token.place, "redis has no option '%.*s'",
		     WORD_ARG(token.text));
	report_guess(parser_report(parser), &guess);
	return false;
}

/* Where an option was said; source NULL: it was not. */
static struct place option_place(const struct place *said, const char *name)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (span_equal(span_cstr(options[i].name), span_cstr(name)))
			return said[i];
	return (struct place){ 0 };
}

/* What only goes with something else. */
static bool options_are_sound(struct parser *parser, const struct place *said)
{
	static const struct {
		const char *option, *needs;
	} pairs[] = {
		{ "user", "password_file" },        { "ca_file", "tls" },
		{ "certificate_file", "tls" },      { "key_file", "tls" },
		{ "certificate_file", "key_file" }, { "key_file", "certificate_file" },
	};
	const struct store_options *store = store_of(parser);
	struct place database = option_place(said, "database");
	struct place prefix = option_place(said, "prefix");

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		struct place place = option_place(said, pairs[i].option);
		bool is_off = span_equal(span_cstr(pairs[i].needs), SPAN("tls")) && !store->has_tls;

		if (place.source == NULL ||
		    (option_place(said, pairs[i].needs).source != NULL && !is_off))
			continue;
		report_error(parser_report(parser), place, "'%s' goes with '%s%s'", pairs[i].option,
			     pairs[i].needs, is_off ? " yes" : "");
		return false;
	}
	if (store->mode == STORE_CLUSTER && store->database != 0) {
		report_error(parser_report(parser), database, "a cluster has database 0 alone");
		return false;
	}
	if (prefix.source != NULL &&
	    (!word_is_name(store->prefix) || store->prefix.len > PREFIX_MAX)) {
		report_error(parser_report(parser), prefix,
			     "a prefix is a name of at most %d letters", PREFIX_MAX);
		return false;
	}
	return true;
}

static bool options_parse(struct parser *parser)
{
	struct place said[OPTIONS_MAX] = { 0 };
	struct place brace;
	bool is_sound = true;

	if (!parser_accept_sign(parser, "{"))
		return true;
	brace = parser->previous;
	while (parser_next_item(parser, brace))
		if (!option_parse(parser, said) || !parser_expect_item_end(parser)) {
			parser_skip_item(parser);
			is_sound = false;
		}
	return !is_sound || options_are_sound(parser, said);
}

static bool redis_parse(struct parser *parser)
{
	struct store_options *store = store_of(parser);

	store->prefix = SPAN("weighd");
	store->connect_ms = STORE_CONNECT_MS;
	store->answer_ms = STORE_ANSWER_MS;
	return mode_parse(parser) && addresses_parse(parser) && options_parse(parser);
}

/* --- the statements --- */

static const struct {
	const char *keyword;
	enum store_kind kind;
	bool (*parse)(struct parser *parser);
} kinds[] = {
	{ "memory", STORE_MEMORY, memory_parse },
	{ "sqlite", STORE_SQLITE, sqlite_parse },
	{ "redis", STORE_REDIS, redis_parse },
};

bool store_parse(struct parser *parser)
{
	struct config *config = parser->compiler->config;
	const struct token *next = parser_peek(parser, LEX_WORD);
	struct guess guess = guess_of(next->text);

	config->store = (struct store_options){ 0 };
	config->password_file = (struct span){ 0 };
	config->store_origin = origin_of(parser->previous);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		guess_offer(&guess, span_cstr(kinds[i].keyword));
		if (!parser_accept_word(parser, kinds[i].keyword))
			continue;
		config->store.kind = kinds[i].kind;
		return kinds[i].parse(parser);
	}
	parser_report_unexpected(parser, "memory, sqlite or redis");
	report_guess(parser_report(parser), &guess);
	return false;
}

bool sendmail_parse(struct parser *parser)
{
	struct token token;
	struct span path;

	if (!parser_expect_text(parser, LEX_WORD, "a program", &token, &path))
		return false;
	parser->compiler->config->sendmail = path;
	if (span_starts(path, SPAN("/")))
		return true;
	report_error(parser_report(parser), token.place, "'%.*s' does not begin with a slash",
		     WORD_ARG(path));
	return false;
}
