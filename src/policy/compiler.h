/* compiler.h -- from the text of weighd.conf to struct config; what the parts share.
 *
 *	config.c    files, includes, which statements there are
 *	settings.c  listen, control, resolver, deadline, ... limits
 *	stores.c    store
 *	zones.c     zone
 *	tables.c    table
 *	policies.c  policy and the statements in it
 *	verdicts.c  pass, reject, defer, ...
 *	weighs.c    weigh
 *	greylists.c, limits.c, limit_rates.c, sets.c   greylist, limit, remember
 *	clauses.c   what stands in these three in any order
 *	exprs.c     expressions and conditions
 *	texts.c     "texts with $holes"
 *
 * Two rounds: the first reads everything but the inside of policies, the second the policies,
 * so that zones, tables and policies may be named before they stand.  There is no syntax tree:
 * the parser writes the compiled form as it reads.
 *
 * A parse function that returns false has reported why; its caller goes on with the next
 * statement (parser_skip).
 */
#pragma once
#include "policy/config.h"
#include "policy/lexer.h"

struct compiler;

/* Something with a name, to be found by it and to be named once. */
struct symbol {
	struct symbol *next;
	struct span name;
	struct place place;
	void *what;
};

struct symbols {
	struct symbol *first;
	uint32_t count, max;
	const char *noun; /* "zone" */
};

struct parser {
	struct compiler *compiler;
	struct lexer lexer;
	struct token next;
	bool has_next;
	enum lexer_mode mode;  /* in which next was read */
	struct place previous; /* of the token that was taken last */
};

/* The statements of the first level, for "said twice". */
enum { SETTINGS_MAX = 32 };

/* A policy or listener waiting for the second round. */
struct waiting_policy {
	struct waiting_policy *next;
	struct policy *policy;
	struct lexer body; /* behind the brace */
	struct place brace, place;
};

struct waiting_listener {
	struct waiting_listener *next;
	struct listener *listener;
	struct token policy;
};

/* "X in NAME" that waits for the end, when it is known what is remembered. */
struct set_use {
	struct set_use *next;
	struct token name;
	uint8_t parts;
};

struct compiler {
	struct config *config;
	const struct config_loader *loader;
	const struct check *const *checks;
	struct report report;
	struct place setting[SETTINGS_MAX]; /* where each was said; source NULL: not yet */
	struct symbols zones, tables, policies;
	struct symbols sets, limits; /* of all policies: sets.c, limits.c */
	struct set_use *set_use;
	struct greylist_known *greylists; /* of all policies; of greylists.c */
	struct waiting_policy *waiting_policy, **waiting_policy_end;
	struct waiting_listener *waiting_listener;
	unsigned source_count;
	bool is_full; /* the arena */
};

/** As config_read, but with any checks; for tests. */
MUST_USE enum err config_compile(const struct config_loader *loader, struct span path,
				 const struct check *const *checks, struct text *report,
				 struct config **config_out);

/** Zeroed memory in the arena of the configuration; NULL: no room, remembered. */
void *compiler_alloc(struct compiler *compiler, size_t bytes);
struct span compiler_copy(struct compiler *compiler, struct span s);

/** Grow an array that has count items; count_max is what its limit says.
 *
 * @return where it is now; NULL when there is no room
 */
void *compiler_grow(struct compiler *compiler, void *array, size_t count, size_t item_bytes);

/** In lower case. */
struct span compiler_lower(struct compiler *compiler, struct span s);

/** A path as the file that names it means it. */
struct span compiler_path(struct compiler *compiler, const struct source *from, struct span path);

/** Load a file and count it.  What is wrong is reported at place. */
struct source *compiler_load(struct compiler *compiler, struct span path, struct place place,
			     bool is_table);
/** The same of a table; a file that is missing is an empty one, and counts all the same. */
struct source *compiler_load_optional(struct compiler *compiler, struct span path,
				      struct place place);

/** A pattern, freed with the configuration; what is wrong is reported within place. */
struct regex *compiler_regex(struct compiler *compiler, struct span pattern, bool ignore_case,
			     struct place place);

struct origin origin_of(struct place place);

struct symbol *symbol_find(const struct symbols *symbols, struct span name);
/** Add; a name that is there already is reported, unless an outer file overrides an included
 * one.
 *
 * @return NULL when it is not to be used
 */
struct symbol *symbol_add(struct compiler *compiler, struct symbols *symbols, struct span name,
			  struct place place, void *what);
void symbols_guess(const struct symbols *symbols, struct guess *guess);

/* --- the parser's hands: parser.c --- */

void parser_init(struct parser *parser, struct compiler *compiler, struct lexer lexer);
const struct token *parser_peek(struct parser *parser, enum lexer_mode mode);
struct token parser_take(struct parser *parser, enum lexer_mode mode);
bool parser_accept_sign(struct parser *parser, const char *sign);
bool parser_accept_word(struct parser *parser, const char *word);
/** Take the sign or report that it is missing behind what. */
MUST_USE bool parser_expect_sign(struct parser *parser, const char *sign, const char *behind);
/** Take a word or text in the given mode; wanted says what for. */
MUST_USE bool parser_expect_text(struct parser *parser, enum lexer_mode mode, const char *wanted,
				 struct token *token_out, struct span *text_out);
/** Take a name. */
MUST_USE bool parser_expect_name(struct parser *parser, const char *wanted,
				 struct token *token_out);
/** Take a number; points and such. */
MUST_USE bool parser_expect_number(struct parser *parser, const char *wanted, double least,
				   double most, double *number_out);
MUST_USE bool parser_expect_integer(struct parser *parser, const char *wanted, int64_t least,
				    int64_t most, int64_t *number_out);
MUST_USE bool parser_expect_duration(struct parser *parser, const char *wanted, int64_t *ms_out);
/** The same between two bounds. */
MUST_USE bool parser_expect_duration_within(struct parser *parser, const char *wanted,
					    int64_t least_ms, int64_t most_ms, int64_t *ms_out);
void parser_skip_newlines(struct parser *parser);
bool parser_at_end(struct parser *parser); /* of the statement */
/** The statement must end here. */
MUST_USE bool parser_expect_end(struct parser *parser);
/** To the end of the statement, braces and all. */
void parser_skip(struct parser *parser);
/** To the end of an item between braces: newline or comma. */
void parser_skip_item(struct parser *parser);
/** Report "wanted X, not Y" at the next token. */
void parser_report_unexpected(struct parser *parser, const char *wanted);

/** Between braces: is there another item?  Takes separators and the closing brace.
 *
 * @param brace  where it was opened, for "never closed"
 */
MUST_USE bool parser_next_item(struct parser *parser, struct place brace);

enum list_next { LIST_MORE, LIST_CLOSED, LIST_WRONG };

/** Behind "[": is there an item, or "]"? */
MUST_USE enum list_next parser_first_in_list(struct parser *parser);
/** Behind an item of [a, b]: a comma and one more, or "]"; else it is reported. */
MUST_USE enum list_next parser_next_in_list(struct parser *parser, struct place bracket);

/** The item must end here: newline, comma or brace. */
MUST_USE bool parser_expect_item_end(struct parser *parser);

/** What a TOKEN_STRING says, without its backslashes; in the arena. */
struct span parser_unescape(struct parser *parser, const struct token *token);

static inline struct report *parser_report(struct parser *parser)
{
	return &parser->compiler->report;
}

/* --- the statements; the keyword has been taken --- */

/* Words known to the language that this version does not have. */
bool word_is_future(struct span word);

enum settings_result { SETTING_DONE, SETTING_WRONG, SETTING_UNKNOWN };

/** A setting: anything of settings.c. */
enum settings_result setting_parse(struct parser *parser, const struct token *keyword);
void settings_guess(struct guess *guess);
void settings_finish(struct compiler *compiler);
/** Our own name as strangers may read it; known when policies are compiled. */
struct span config_receiver(const struct config *config);

MUST_USE bool zone_parse(struct parser *parser);
/** What a zone without a statement is; NULL when it cannot be one (reported) or no room. */
struct zone *zone_standard(struct compiler *compiler, struct span name, struct place place);
MUST_USE bool table_parse(struct parser *parser);

/** store ..., sendmail "PATH" */
MUST_USE bool store_parse(struct parser *parser);
MUST_USE bool sendmail_parse(struct parser *parser);

/** A table, or "table NAME known": a set that nothing in the configuration fills. */
MUST_USE bool table_or_set_parse(struct parser *parser);
/** What is looked for must be remembered somewhere. */
void sets_finish(struct compiler *compiler);

/** Is it a word of the second level? */
bool statement_is_known(struct span keyword);
MUST_USE bool policy_parse(struct parser *parser);
/** Second round: the inside of a policy. */
void policy_compile(struct compiler *compiler, const struct waiting_policy *waiting);
