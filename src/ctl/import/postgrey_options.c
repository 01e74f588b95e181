/* postgrey_options.c -- reads postgrey's command line, or the shell variables that hold it.
 *
 * Options as postgrey takes them: "--name=value", "--name value", one dash as good as two, no
 * short forms of names, capitals count; the last of an option given twice wins.
 */
#include "base/escape.h"
#include "base/number.h"
#include "ctl/import/postgrey_priv.h"

enum { SHOWN_MAX = 60, DAYS_MAX = 400, WINDOW_DAYS_MAX = 60, DELAY_S_MAX = 7 * 24 * 3600 };

#define DAY_MS INT64_C(86400000)
#define PREFIX SPAN("POSTGREY_")

static const struct {
	struct span names;
	enum postgrey_takes takes;
	struct span standard;
	enum postgrey_fate fate;
	const char *note;
} table[] = {
#define OPTION(symbol, names, takes, standard, fate, note)                                         \
	{ SPAN_INIT(names), takes, SPAN_INIT(standard), fate, note },
	POSTGREY_OPTIONS(OPTION)
#undef OPTION
};

struct span postgrey_option_name(enum postgrey_option option)
{
	return span_first(table[option].names, span_find(table[option].names, '|'));
}

/* --- messages --- */

static void say(struct postgrey *postgrey, const char *kind, const char *problem, struct span word)
{
	text_add_escaped(postgrey->report, postgrey->options->path, SHOWN_MAX * 4);
	text_addf(postgrey->report, ": %s: %s: \"", kind, problem);
	text_add_escaped(postgrey->report, word, SHOWN_MAX);
	text_add(postgrey->report, SPAN("\"\n"));
}

static void complain(struct postgrey *postgrey, const char *problem, struct span word)
{
	say(postgrey, "error", problem, word);
	postgrey->mistakes++;
}

void postgrey_complain(struct postgrey *postgrey, enum postgrey_option option, const char *problem)
{
	TEXT(word, SHOWN_MAX * 2);

	text_add(&word, SPAN("--"));
	text_add(&word, postgrey_option_name(option));
	text_add_char(&word, '=');
	text_add(&word, span_first(postgrey->value[option], SHOWN_MAX));
	complain(postgrey, problem, text_span(&word));
}

/* --- one option after the other --- */

#define NO_OPTION POSTGREY_OPTION_COUNT

static enum postgrey_option option_find(struct span name)
{
	for (unsigned i = 0; i < POSTGREY_OPTION_COUNT; i++) {
		struct span rest = table[i].names, one;

		while (span_cut(&rest, '|', &one))
			if (span_equal(one, name))
				return (enum postgrey_option)i;
	}
	return NO_OPTION;
}

static void add_file(struct postgrey *postgrey, enum postgrey_option option, struct span path)
{
	struct postgrey_files *files =
		option == POSTGREY_WHITELIST_CLIENTS ? &postgrey->clients : &postgrey->recipients;

	if (path.len == 0)
		complain(postgrey, "a white list without a name: left out", path);
	else if (files->count < POSTGREY_FILES_MAX)
		files->path[files->count++] = path;
	else
		complain(postgrey, "too many white lists: left out", path);
}

static void take_value(struct postgrey *postgrey, enum postgrey_option option, struct span value)
{
	postgrey->is_given[option] = true;
	postgrey->value[option] = value;
	if (table[option].takes == TAKES_FILES)
		add_file(postgrey, option, value);
}

static void take_option(struct postgrey *postgrey, struct span word, enum postgrey_option *waiting)
{
	struct span text = span_from(word, span_starts(word, SPAN("--")) ? 2 : 1);
	size_t equals = span_find(text, '=');
	enum postgrey_option option = option_find(span_first(text, equals));
	bool has_value = equals < text.len;

	if (option == NO_OPTION) {
		complain(postgrey, "postgrey has no such option: left out", word);
		return;
	}
	if (table[option].takes == TAKES_NOTHING) {
		postgrey->is_given[option] = true;
		if (has_value)
			complain(postgrey, "the option takes no value", word);
	} else if (has_value) {
		take_value(postgrey, option, span_from(text, equals + 1));
	} else {
		postgrey->is_given[option] = true;
		*waiting = option;
	}
}

static bool is_option(struct span word)
{
	return word.len > 1 && word.at[0] == '-';
}

/* @param waiting  the option whose value comes next; NO_OPTION */
static void take_word(struct postgrey *postgrey, struct span word, enum postgrey_option *waiting)
{
	enum postgrey_option option = *waiting;

	*waiting = NO_OPTION;
	if (option != NO_OPTION &&
	    (table[option].takes != TAKES_TEXT_OR_NOTHING || !is_option(word)))
		take_value(postgrey, option, word);
	else if (is_option(word))
		take_option(postgrey, word, waiting);
	else
		complain(postgrey, "no option: left out", word);
}

static void end_of_words(struct postgrey *postgrey, enum postgrey_option waiting)
{
	if (waiting != NO_OPTION && table[waiting].takes != TAKES_TEXT_OR_NOTHING)
		postgrey_complain(postgrey, waiting, "its value is missing");
}

/* --- words --- */

/* The next word, in the arena.  @return false: there is none; .at of word_out is NULL: no memory */
static bool next_word(struct postgrey *postgrey, struct shell *shell, struct span *word_out)
{
	TEXT(word, POSTGREY_WORD_MAX);

	for (;;) {
		enum shell_state state = shell_next(shell, &word);

		switch (state) {
		case SHELL_END: return false;
		case SHELL_TOO_LONG:
			complain(postgrey, "too long: left out", span_first(text_span(&word), 40));
			continue;
		case SHELL_UNCLOSED:
			complain(postgrey, "a quote is not closed", text_span(&word));
			break;
		case SHELL_WORD: break;
		}
		*word_out = arena_copy(postgrey->arena, text_span(&word));
		return true;
	}
}

static bool is_assignment(struct span word)
{
	return span_starts(word, PREFIX) && span_find(word, '=') < word.len;
}

static enum err set_variable(struct postgrey *postgrey, struct shell *shell, struct span word)
{
	struct span name = span_first(word, span_find(word, '='));
	struct span value = span_from(word, name.len + 1);
	struct shell_variable *variable = shell_variable_find(shell, name);

	if (variable == NULL && shell->variable_count == SHELL_VARIABLES_MAX) {
		complain(postgrey, "too many variables: left out", name);
		return OK;
	}
	if (variable == NULL)
		variable = &shell->variable[shell->variable_count++];
	*variable = (struct shell_variable){ name, value };
	return OK;
}

/* What a variable holds: options; POSTGREY_TEXT a text. */
static enum err take_variable(struct postgrey *postgrey, const struct shell_variable *variable)
{
	struct shell shell = { .rest = variable->value, .line = 1 };
	enum postgrey_option waiting = NO_OPTION;
	struct span word;

	if (span_equal(variable->name, SPAN("POSTGREY_TEXT"))) {
		if (variable->value.len > 0)
			take_value(postgrey, POSTGREY_GREYLIST_TEXT, variable->value);
		return OK;
	}
	while (next_word(postgrey, &shell, &word)) {
		if (word.at == NULL)
			return ERR_LIMIT;
		take_word(postgrey, word, &waiting);
	}
	end_of_words(postgrey, waiting);
	return OK;
}

static enum err take_variables(struct postgrey *postgrey, struct shell *shell, struct span word)
{
	enum err err = OK;

	do {
		if (word.at == NULL)
			return ERR_LIMIT;
		if (is_assignment(word))
			err = set_variable(postgrey, shell, word);
		else if (!span_equal(word, SPAN("export")))
			say(postgrey, "warning", "none of postgrey's variables: left out", word);
	} while (err == OK && next_word(postgrey, shell, &word));
	if (shell->has_foreign)
		say(postgrey, "warning",
		    "a variable or command that only a shell can tell was left", SPAN("$"));
	for (uint8_t i = 0; i < shell->variable_count && err == OK; i++)
		err = take_variable(postgrey, &shell->variable[i]);
	return err;
}

/* "/usr/sbin/postgrey --inet=10023", "ExecStart=/usr/sbin/postgrey ...", or the options alone. */
static enum err take_command(struct postgrey *postgrey, struct shell *shell, struct span word)
{
	enum postgrey_option waiting = NO_OPTION;
	bool is_program = !is_option(word);

	do {
		if (word.at == NULL)
			return ERR_LIMIT;
		if (!is_program)
			take_word(postgrey, word, &waiting);
		else if (span_ends(word, SPAN("postgrey")))
			is_program = false;
	} while (next_word(postgrey, shell, &word));
	end_of_words(postgrey, waiting);
	if (is_program)
		complain(postgrey, "neither POSTGREY_... variables nor postgrey's command line",
			 span_first(shell->rest, 0));
	return OK;
}

enum err postgrey_read(struct postgrey *postgrey, struct span foreign)
{
	struct shell shell = { .rest = foreign, .line = 1 };
	struct span word;

	for (unsigned i = 0; i < POSTGREY_OPTION_COUNT; i++) {
		postgrey->value[i] = table[i].standard;
		postgrey->fate[i] = table[i].fate;
		postgrey->note[i] = table[i].note;
	}
	if (!next_word(postgrey, &shell, &word))
		return OK;
	if (word.at != NULL && (is_assignment(word) || span_equal(word, SPAN("export"))))
		return take_variables(postgrey, &shell, word);
	return take_command(postgrey, &shell, word);
}

/* --- numbers --- */

static int64_t number_of(struct postgrey *postgrey, enum postgrey_option option, int64_t least,
			 int64_t most)
{
	int64_t number;

	if (number_parse(postgrey->value[option], &number) == OK && number >= least &&
	    number <= most)
		return number;
	if (postgrey->value[option].len > 0)
		postgrey_complain(postgrey, option,
				  "no such number is possible: the standard is taken");
	if (number_parse(table[option].standard, &number) != OK)
		return least;
	return number;
}

static int64_t window_ms(struct postgrey *postgrey)
{
	struct span *value = &postgrey->value[POSTGREY_RETRY_WINDOW];
	struct span whole = *value;
	int64_t number;

	if (!span_ends_nocase(whole, SPAN("h")))
		return number_of(postgrey, POSTGREY_RETRY_WINDOW, 1, WINDOW_DAYS_MAX) * DAY_MS;
	if (number_parse(span_first(whole, whole.len - 1), &number) == OK && number >= 1 &&
	    number <= WINDOW_DAYS_MAX * 24)
		return number * 3600 * 1000;
	postgrey_complain(postgrey, POSTGREY_RETRY_WINDOW,
			  "no such number is possible: the standard is taken");
	return 2 * DAY_MS;
}

static int64_t delay_s(struct postgrey *postgrey)
{
	int64_t delay = number_of(postgrey, POSTGREY_DELAY, 0, DELAY_S_MAX);

	if (delay != 0)
		return delay;
	postgrey->fate[POSTGREY_DELAY] = FATE_CHANGED;
	postgrey->note[POSTGREY_DELAY] = "postgrey takes 0 as not given: 300";
	return number_parse(table[POSTGREY_DELAY].standard, &delay) == OK ? delay : 0;
}

/* weighd's networks are /24 and /64, or the address itself. */
static void understand_network(struct postgrey *postgrey)
{
	int64_t ipv4 = number_of(postgrey, POSTGREY_IPV4CIDR, 0, 32);
	int64_t ipv6 = number_of(postgrey, POSTGREY_IPV6CIDR, 0, 128);

	postgrey->is_by_host =
		postgrey->is_given[POSTGREY_LOOKUP_BY_HOST] || (ipv4 == 32 && ipv6 == 128);
	if (postgrey->is_by_host)
		return;
	if (ipv4 != 24) {
		postgrey->fate[POSTGREY_IPV4CIDR] = FATE_CHANGED;
		postgrey->note[POSTGREY_IPV4CIDR] = "the network of a key is the /24";
	}
	if (ipv6 != 64) {
		postgrey->fate[POSTGREY_IPV6CIDR] = FATE_CHANGED;
		postgrey->note[POSTGREY_IPV6CIDR] = "the network of a key is the /64";
	}
}

/* What is empty is not given. */
static void fill_in(struct postgrey *postgrey)
{
	for (unsigned i = 0; i < POSTGREY_OPTION_COUNT; i++)
		if (postgrey->value[i].len == 0)
			postgrey->value[i] = table[i].standard;
}

void postgrey_understand(struct postgrey *postgrey)
{
	int64_t window;

	fill_in(postgrey);
	window = window_ms(postgrey);

	postgrey->terms = (struct triplet_terms){
		.delay_ms = delay_s(postgrey) * 1000,
		.window_ms = window,
		.keep_ms = number_of(postgrey, POSTGREY_MAX_AGE, 1, DAYS_MAX) * DAY_MS,
	};
	postgrey->trust = number_of(postgrey, POSTGREY_AUTO_WHITELIST_CLIENTS, 0, 1000000);
	understand_network(postgrey);
	if (postgrey->terms.window_ms > postgrey->terms.delay_ms)
		return;
	postgrey_complain(
		postgrey, POSTGREY_RETRY_WINDOW,
		"not longer than --delay, so nobody would ever pass: the standard is taken");
	postgrey->terms.window_ms = 2 * DAY_MS;
}
