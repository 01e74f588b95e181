/* config.c -- files, includes, and which statements there are. */
#include "base/ensure.h"
#include "base/regex.h"
#include "policy/compiler.h"

#include <stdlib.h>

void *compiler_alloc(struct compiler *compiler, size_t bytes)
{
	void *memory = arena_alloc(&compiler->config->arena, bytes);

	compiler->is_full |= memory == NULL;
	return memory;
}

struct span compiler_copy(struct compiler *compiler, struct span s)
{
	struct span copy = arena_copy(&compiler->config->arena, s);

	compiler->is_full |= copy.at == NULL;
	return copy;
}

struct span compiler_lower(struct compiler *compiler, struct span s)
{
	char *lower = compiler_alloc(compiler, s.len + 1);

	if (lower == NULL)
		return s;
	for (size_t i = 0; i < s.len; i++)
		lower[i] = ascii_lower(s.at[i]);
	return span_of(lower, s.len);
}

void *compiler_grow(struct compiler *compiler, void *array, size_t count, size_t item_bytes)
{
	void *larger;

	/* Room is doubled whenever count is a power of two. */
	if (array != NULL && (count & (count - 1)) != 0)
		return array;
	larger = compiler_alloc(compiler, item_bytes * (count == 0 ? 1 : count * 2));
	if (larger != NULL && array != NULL)
		memcpy(larger, array, item_bytes * count);
	return larger;
}

/* "a/./b" and "a/c/../b" are "a/b": a file has one name, so that it is known again. */
static void path_shorten(struct text *path)
{
	struct span rest = text_span(path), part;
	TEXT(shorter, CONFIG_PATH_MAX);

	if (span_starts(rest, SPAN("/")))
		text_add_char(&shorter, '/');
	while (span_cut(&rest, '/', &part)) {
		size_t slash = span_rfind(text_span(&shorter), '/');
		struct span last = slash == shorter.len ? text_span(&shorter)
							: span_from(text_span(&shorter), slash + 1);

		if (part.len == 0 || span_equal(part, SPAN(".")))
			continue;
		if (span_equal(part, SPAN("..")) && last.len > 0 && !span_equal(last, SPAN(".."))) {
			shorter.len = slash == shorter.len ? 0 : slash + (slash == 0);
			continue;
		}
		if (shorter.len > 0 && shorter.at[shorter.len - 1] != '/')
			text_add_char(&shorter, '/');
		text_add(&shorter, part);
	}
	text_clear(path);
	text_add(path, text_span(&shorter));
}

struct span compiler_path(struct compiler *compiler, const struct source *from, struct span path)
{
	size_t slash = span_rfind(from->path, '/');
	TEXT(whole, CONFIG_PATH_MAX);

	if (!span_starts(path, SPAN("/")) && slash < from->path.len)
		text_add(&whole, span_first(from->path, slash + 1));
	text_add(&whole, path);
	if (whole.overrun)
		return path;
	path_shorten(&whole);
	return compiler_copy(compiler, text_span(&whole));
}

struct regex *compiler_regex(struct compiler *compiler, struct span pattern, bool ignore_case,
			     struct place place)
{
	struct config *config = compiler->config;
	struct regex **list =
		compiler_grow(compiler, config->regex, config->regex_count, sizeof(struct regex *));
	struct regex *regex = NULL;
	struct regex_fault fault = { 0 };
	enum err err;

	if (list == NULL)
		return NULL;
	config->regex = list;
	err = regex_compile(pattern, ignore_case, &regex, &fault);
	if (err == OK)
		return list[config->regex_count++] = regex;
	if (err == ERR_SYNTAX && fault.offset < place.len)
		place = (struct place){ place.source, place.at + fault.offset, 1 };
	report_error(&compiler->report, place, "the pattern is wrong: %s",
		     err == ERR_SYNTAX ? fault.why : "it is too long");
	return NULL;
}

struct origin origin_of(struct place place)
{
	struct origin origin = { .file = place.source->path };

	place_position(place, &origin.line, &origin.column);
	return origin;
}

struct symbol *symbol_find(const struct symbols *symbols, struct span name)
{
	for (struct symbol *symbol = symbols->first; symbol != NULL; symbol = symbol->next)
		if (span_equal_nocase(symbol->name, name))
			return symbol;
	return NULL;
}

void symbols_guess(const struct symbols *symbols, struct guess *guess)
{
	for (const struct symbol *symbol = symbols->first; symbol != NULL; symbol = symbol->next)
		guess_offer(guess, symbol->name);
}

/* Hint where the other one stands. */
static void report_other(struct compiler *compiler, struct place place)
{
	uint32_t line, column;

	place_position(place, &line, &column);
	report_hint(&compiler->report, "the other one: %.*s:%u", WORD_ARG(place.source->path),
		    line);
}

struct symbol *symbol_add(struct compiler *compiler, struct symbols *symbols, struct span name,
			  struct place place, void *what)
{
	struct symbol *known = symbol_find(symbols, name);

	if (known != NULL && known->place.source->depth != place.source->depth) {
		if (known->place.source->depth < place.source->depth)
			return NULL;
		known->place = place;
		known->what = what;
		return known;
	}
	if (known != NULL) {
		report_error(&compiler->report, place, "there is a %s '%.*s' already",
			     symbols->noun, WORD_ARG(name));
		report_other(compiler, known->place);
		return NULL;
	}
	if (symbols->count == symbols->max) {
		report_error(&compiler->report, place, "this is one %s too many: at most %u",
			     symbols->noun, symbols->max);
		return NULL;
	}
	known = compiler_alloc(compiler, sizeof(*known));
	if (known == NULL)
		return NULL;
	*known = (struct symbol){ symbols->first, name, place, what };
	symbols->first = known;
	symbols->count++;
	return known;
}

/* --- files --- */

static enum err compiler_load_text(struct compiler *compiler, struct span path, bool is_table,
				   struct span *text_out, struct span *why_out)
{
	size_t bytes_max = is_table ? TABLE_FILE_BYTES_MAX : CONFIG_FILE_BYTES_MAX;
	enum err err = compiler->loader->load(compiler->loader->self, path,
					      &compiler->config->arena, text_out, why_out);

	if (err != OK || text_out->len <= bytes_max)
		return err;
	*why_out = SPAN("it is too large");
	return ERR_LIMIT;
}

static void report_load(struct compiler *compiler, struct place place, struct span path,
			struct span why)
{
	if (place.source == NULL) {
		struct source *nowhere = compiler_alloc(compiler, sizeof(*nowhere));

		if (nowhere == NULL)
			return;
		nowhere->path = path;
		place.source = nowhere;
	}
	report_error(&compiler->report, place, "cannot read %.*s: %.*s", WORD_ARG(path),
		     why.len == 0 ? 7 : (int)span_first(why, 200).len,
		     why.len == 0 ? "no luck" : why.at);
}

static struct source *source_new(struct compiler *compiler, struct span path, struct place place)
{
	struct source *source;

	if (compiler->config->file_count == CONFIG_FILES_MAX) {
		report_error(&compiler->report, place, "there are more than %d files",
			     CONFIG_FILES_MAX);
		return NULL;
	}
	source = compiler_alloc(compiler, sizeof(*source));
	if (source == NULL)
		return NULL;
	*source = (struct source){
		.path = compiler_copy(compiler, path),
		.index = compiler->source_count++,
		.from = place.source,
		.from_at = place.at,
		.depth = place.source == NULL ? 0 : place.source->depth + 1,
	};
	return source;
}

static void config_add_file(struct config *config, const struct source *source)
{
	config->file[config->file_count++] =
		(struct config_file){ source->path, source->text, source->is_table };
}

struct source *compiler_load(struct compiler *compiler, struct span path, struct place place,
			     bool is_table)
{
	struct source *source = source_new(compiler, path, place);
	struct span why = { 0 };

	if (source == NULL)
		return NULL;
	source->is_table = is_table;
	if (compiler_load_text(compiler, path, is_table, &source->text, &why) != OK) {
		report_load(compiler, place, path, why);
		return NULL;
	}
	config_add_file(compiler->config, source);
	if (is_table)
		return source;
	source_index_lines(source, &compiler->config->arena);
	source_check_bytes(source, &compiler->report);
	return source;
}

struct source *compiler_load_optional(struct compiler *compiler, struct span path,
				      struct place place)
{
	struct source *source = source_new(compiler, path, place);
	struct span why = { 0 };
	enum err err;

	if (source == NULL)
		return NULL;
	source->is_table = true;
	err = compiler_load_text(compiler, path, true, &source->text, &why);
	if (err != OK && err != ERR_MISSING) {
		report_load(compiler, place, path, why);
		return NULL;
	}
	config_add_file(compiler->config, source);
	return source;
}

/* --- statements of the first level --- */

static void file_parse(struct compiler *compiler, struct span path, struct place place);

static bool is_pattern(struct span path)
{
	return span_find(path, '*') < path.len || span_find(path, '?') < path.len ||
	       span_find(path, '[') < path.len;
}

static bool include_is_sound(struct parser *parser, const struct token *token, struct span path)
{
	const struct source *source = token->place.source;

	for (; source != NULL; source = source->from)
		if (span_equal(source->path, path)) {
			report_error(parser_report(parser), token->place,
				     "'%.*s' would include itself", WORD_ARG(path));
			return false;
		}
	if (token->place.source->depth < INCLUDE_DEPTH_MAX)
		return true;
	report_error(parser_report(parser), token->place, "includes are nested more than %d deep",
		     INCLUDE_DEPTH_MAX);
	return false;
}

static bool include_parse(struct parser *parser)
{
	struct compiler *compiler = parser->compiler;
	struct span found[CONFIG_FILES_MAX];
	struct token token;
	struct span pattern;
	size_t count;

	if (!parser_expect_text(parser, LEX_WORD, "a file", &token, &pattern) ||
	    !parser_expect_end(parser))
		return false;
	pattern = compiler_path(compiler, token.place.source, pattern);
	if (!is_pattern(pattern)) {
		if (include_is_sound(parser, &token, pattern))
			file_parse(compiler, pattern, token.place);
		return true;
	}
	count = compiler->loader->glob(compiler->loader->self, pattern, &compiler->config->arena,
				       found, CONFIG_FILES_MAX);
	for (size_t i = 0; i < count; i++)
		if (include_is_sound(parser, &token, found[i]))
			file_parse(compiler, found[i], token.place);
	return true;
}

static const struct {
	const char *keyword;
	bool (*parse)(struct parser *parser);
} blocks[] = {
	{ "include", include_parse },
	{ "zone", zone_parse },
	{ "table", table_or_set_parse },
	{ "policy", policy_parse },
};

bool word_is_future(struct span word)
{
	static const char *const future[] = {
		"http",    "ask",     "call",  "shadow", "record",  "exim",   "peer",
		"country", "callout", "dkim",  "dmarc",  "postfix", "sqlite", "pgsql",
		"mysql",   "ldap",    "redis", "mmdb",   "journal",
	};

	for (size_t i = 0; i < sizeof(future) / sizeof(*future); i++)
		if (span_equal(word, span_cstr(future[i])))
			return true;
	return false;
}

static void report_unknown_statement(struct parser *parser, const struct token *keyword)
{
	struct report *report = parser_report(parser);
	struct guess guess = guess_of(keyword->text);

	if (token_is_sign(keyword, "}")) {
		report_error(report, keyword->place, "this '}' closes nothing");
		return;
	}
	if (word_is_future(keyword->text)) {
		report_error(report, keyword->place, "'%.*s' is not in this version",
			     WORD_ARG(keyword->text));
		return;
	}
	report_error(report, keyword->place, "no statement is called '%.*s'",
		     WORD_ARG(keyword->text));
	settings_guess(&guess);
	for (size_t i = 0; i < sizeof(blocks) / sizeof(*blocks); i++)
		guess_offer(&guess, span_cstr(blocks[i].keyword));
	if (guess.best.len == 0 && statement_is_known(keyword->text))
		report_hint(report, "it stands inside of a policy");
	report_guess(report, &guess);
}

static bool block_parse(struct parser *parser, const struct token *keyword, bool *parsed_out)
{
	for (size_t i = 0; i < sizeof(blocks) / sizeof(*blocks); i++)
		if (token_is_word(keyword, blocks[i].keyword)) {
			*parsed_out = blocks[i].parse(parser);
			return true;
		}
	return false;
}

static void statement_parse(struct parser *parser)
{
	struct token keyword = parser_take(parser, LEX_WORD);
	bool parsed = true;

	if (!block_parse(parser, &keyword, &parsed)) {
		switch (setting_parse(parser, &keyword)) {
		case SETTING_DONE: break;
		case SETTING_WRONG: parsed = false; break;
		case SETTING_UNKNOWN:
			report_unknown_statement(parser, &keyword);
			parsed = token_is_sign(&keyword, "}");
			break;
		}
	}
	if (!parsed || !parser_expect_end(parser))
		parser_skip(parser);
}

static void file_parse(struct compiler *compiler, struct span path, struct place place)
{
	struct source *source = compiler_load(compiler, path, place, false);
	struct parser parser;

	if (source == NULL)
		return;
	parser_init(&parser, compiler,
		    (struct lexer){
			    .source = source,
			    .at = span_starts(source->text, SPAN("\xef\xbb\xbf")) ? 3 : 0,
			    .end = source->text.len,
			    .report = &compiler->report,
		    });
	for (;;) {
		parser_skip_newlines(&parser);
		if (parser_peek(&parser, LEX_WORD)->kind == TOKEN_END || compiler->is_full)
			break;
		statement_parse(&parser);
	}
}

/* --- the whole --- */

static void config_free(struct config *config)
{
	for (uint32_t i = 0; i < config->regex_count; i++)
		regex_free(config->regex[i]);
	arena_release(&config->arena);
	free(config);
}

static struct config *config_new(struct span path)
{
	static const struct config_limits standard = {
#define LIMIT(name, standard, least, most) .name = (standard),
		CONFIG_LIMITS(LIMIT)
#undef LIMIT
	};
	struct config *config = calloc(1, sizeof(*config));

	if (config == NULL)
		return NULL;
	arena_init(&config->arena, CONFIG_BYTES_MAX);
	atomic_init(&config->references, 1);
	config->path = arena_copy(&config->arena, path);
	config->deadline_ms = CONFIG_DEADLINE_MS;
	config->limits = standard;
	config->sendmail = SPAN("/usr/sbin/sendmail");
	return config;
}

static bool symbols_list(struct compiler *compiler, const struct symbols *symbols,
			 const void ***list_out, uint16_t *count_out)
{
	const void **list = compiler_alloc(compiler, sizeof(*list) * (symbols->count + 1));
	size_t i = symbols->count;

	if (list == NULL)
		return false;
	/* Symbols are linked from the last to the first. */
	for (const struct symbol *symbol = symbols->first; symbol != NULL; symbol = symbol->next)
		list[--i] = symbol->what;
	*list_out = list;
	*count_out = (uint16_t)symbols->count;
	return true;
}

static void config_finish(struct compiler *compiler)
{
	struct config *config = compiler->config;
	const void **policies, **zones, **tables;

	for (const struct waiting_policy *waiting = compiler->waiting_policy; waiting != NULL;
	     waiting = waiting->next)
		policy_compile(compiler, waiting);
	settings_finish(compiler);
	sets_finish(compiler);
	if (!symbols_list(compiler, &compiler->policies, &policies, &config->policy_count) ||
	    !symbols_list(compiler, &compiler->zones, &zones, &config->zone_count) ||
	    !symbols_list(compiler, &compiler->tables, &tables, &config->table_count))
		return;
	config->policy = (const struct policy **)policies;
	config->zone = (const struct zone **)zones;
	config->table = (const struct table **)tables;
}

enum err config_compile(const struct config_loader *loader, struct span path,
			const struct check *const *checks, struct text *report,
			struct config **config_out)
{
	struct config *config = config_new(path);
	struct compiler *compiler;
	enum err err = OK;

	if (config == NULL)
		return ERR_SYSTEM;
	compiler = arena_alloc(&config->arena, sizeof(*compiler));
	ENSURE(compiler != NULL);
	*compiler = (struct compiler){
		.config = config,
		.loader = loader,
		.checks = checks,
		.report = { .arena = &config->arena },
		.zones = { .noun = "zone", .max = ZONES_MAX },
		.tables = { .noun = "table", .max = TABLES_MAX },
		.policies = { .noun = "policy", .max = POLICIES_MAX },
		.sets = { .noun = "set", .max = SETS_MAX },
		.limits = { .noun = "limit", .max = LIMIT_NAMES_MAX },
	};
	compiler->waiting_policy_end = &compiler->waiting_policy;
	config->hostname = arena_copy(&config->arena, loader->hostname);
	file_parse(compiler, path, (struct place){ 0 });
	config_finish(compiler);
	report_render(&compiler->report, report);
	if (compiler->is_full && compiler->report.errors == 0)
		text_addf(report, "%.*s: error: all of it is larger than %d bytes\n",
			  WORD_ARG(config->path), CONFIG_BYTES_MAX);
	if (compiler->report.errors > 0)
		err = ERR_SYNTAX;
	else if (compiler->is_full)
		err = ERR_LIMIT;
	if (err != OK)
		config_free(config);
	else
		*config_out = config;
	return err;
}

struct config *config_hold(struct config *config)
{
	atomic_fetch_add_explicit(&config->references, 1, memory_order_relaxed);
	return config;
}

void config_drop(struct config *config)
{
	if (config != NULL &&
	    atomic_fetch_sub_explicit(&config->references, 1, memory_order_acq_rel) == 1)
		config_free(config);
}

const struct policy *config_policy(const struct config *config, struct span name)
{
	for (uint16_t i = 0; i < config->policy_count; i++)
		if (span_equal_nocase(config->policy[i]->name, name))
			return config->policy[i];
	return NULL;
}
