/* store_call.c -- weighctl greylist, limits, known and store: how they are called. */
#include "ctl/store_call.h"

#include "base/number.h"
#include "ctl/greylist_report.h"
#include "daemon/state_desk.h"
#include "weigh/key.h"

#include <stdlib.h>

enum { LONG_FIRST = 256 };

/* Options without a letter: what they give. */
enum long_option {
	LONG_CONFIG = LONG_FIRST,
	LONG_FOR,
	LONG_SINCE,
	LONG_AFTER,
	LONG_COUNT,
	LONG_EXACT,
	LONG_DRY,
	LONG_VALUE,
	LONG_STATE, /* and the states behind it */
};

static const struct option options[] = {
	CTL_LONG_OPTIONS,
	{ "control", required_argument, NULL, 'c' },
	{ "config", required_argument, NULL, LONG_CONFIG },
	{ "for", required_argument, NULL, LONG_FOR },
	{ "since", required_argument, NULL, LONG_SINCE },
	{ "after", required_argument, NULL, LONG_AFTER },
	{ "count", required_argument, NULL, LONG_COUNT },
	{ "exact", no_argument, NULL, LONG_EXACT },
	{ "dry-run", no_argument, NULL, LONG_DRY },
	{ "value", required_argument, NULL, LONG_VALUE },
	{ "waiting", no_argument, NULL, LONG_STATE + STATE_WAITING },
	{ "never", no_argument, NULL, LONG_STATE + STATE_NEVER },
	{ "passed", no_argument, NULL, LONG_STATE + STATE_PASSED },
	{ "white", no_argument, NULL, LONG_STATE + STATE_WHITE },
	{ "black", no_argument, NULL, LONG_STATE + STATE_BLACK },
	{ 0 },
};

static const struct {
	unsigned option;
	const char *name;
} option_names[] = {
	{ OPTION_STATE, "--waiting, --never, --passed, --white and --black" },
	{ OPTION_FOR, "--for" },
	{ OPTION_SINCE, "--since" },
	{ OPTION_AFTER, "--after" },
	{ OPTION_COUNT, "--count" },
	{ OPTION_EXACT, "--exact" },
	{ OPTION_DRY, "--dry-run" },
	{ OPTION_VALUE, "--value" },
};

/* --- reading --- */

static bool read_time(struct store_call *call, unsigned option, const char *word, int64_t *ms_out)
{
	call->given |= option;
	if (duration_parse(span_cstr(word), ms_out) == OK && *ms_out <= STATE_FOR_MS_MAX)
		return true;
	ctl_usage(call->verb, "a time is like 90s, 5m, 2h or 35d, and at most 100 years");
	return false;
}

static bool read_count(struct store_call *call, const char *word)
{
	int64_t count;

	call->given |= OPTION_COUNT;
	if (number_parse(span_cstr(word), &count) != OK || count < 1 || count > CALL_COUNT_MAX) {
		ctl_usage(call->verb, "--count is 1 to %d", CALL_COUNT_MAX);
		return false;
	}
	call->count = (unsigned)count;
	return true;
}

/* @return false: it was wrong, and is said */
static bool read_option(struct store_call *call, int option)
{
	switch (option) {
	case 'j': call->wants_json = true; break;
	case 'c': call->where.control = optarg; break;
	case LONG_CONFIG: call->where.config = optarg; break;
	case LONG_FOR: return read_time(call, OPTION_FOR, optarg, &call->for_ms);
	case LONG_SINCE: return read_time(call, OPTION_SINCE, optarg, &call->since_ms);
	case LONG_AFTER: return read_time(call, OPTION_AFTER, optarg, &call->after_ms);
	case LONG_COUNT: return read_count(call, optarg);
	case LONG_EXACT: call->given |= OPTION_EXACT; break;
	case LONG_DRY: call->given |= OPTION_DRY; break;
	case LONG_VALUE:
		call->given |= OPTION_VALUE;
		call->value = optarg;
		break;
	default:
		if (option < LONG_STATE) {
			ctl_wrong_option(call->verb);
			return false;
		}
		call->given |= OPTION_STATE;
		call->states |= 1U << (option - LONG_STATE);
	}
	return true;
}

static const struct store_what *find_what(const struct store_what *whats, const char *name)
{
	for (; whats->name != NULL; whats++)
		if (strcmp(whats->name, name) == 0)
			return whats;
	return NULL;
}

/* @return EX_OK, or what is wrong is said */
static int check_call(const struct store_call *call, const struct store_what *what)
{
	for (size_t i = 0; i < sizeof(option_names) / sizeof(*option_names); i++)
		if ((call->given & ~what->options & option_names[i].option) != 0)
			return ctl_usage(call->verb, "%s takes no %s", what->name,
					 option_names[i].name);
	if (call->argument_count < what->least)
		return ctl_usage(call->verb, "%s needs more arguments", what->name);
	if (what->most >= 0 && call->argument_count > what->most)
		return ctl_usage(call->verb, "%s takes fewer arguments", what->name);
	return EX_OK;
}

int store_call_run(const struct verb *verb, const struct store_what *whats, int argc, char **argv)
{
	struct store_call call = { .verb = verb,
				   .for_ms = -1,
				   .since_ms = -1,
				   .after_ms = INT64_C(3600000) * CALL_AFTER_HOURS };
	const struct store_what *what;
	int option, status;

	while ((option = getopt_long(argc, argv, CTL_SHORT_OPTIONS, options, NULL)) != -1) {
		if (option == 'h')
			return ctl_help(verb);
		if (!read_option(&call, option))
			return EX_USAGE;
	}
	if (optind == argc)
		return ctl_usage(verb, "say what to do");
	what = find_what(whats, argv[optind]);
	if (what == NULL)
		return ctl_usage(verb, "there is no such thing to do");
	call.what = what->name;
	call.argument = argv + optind + 1;
	call.argument_count = argc - optind - 1;
	status = check_call(&call, what);
	if (status == EX_OK && !what->has_no_link)
		status = store_link_open(&call.where, &call.link);
	if (status == EX_OK)
		status = what->run(&call);
	store_link_close(call.link);
	return status;
}

/* --- requests --- */

struct emit store_request(const char *verb, const char *what)
{
	struct emit emit = { 0 };

	emit_begin(&emit, '{');
	store_request_word(&emit, "verb", span_cstr(verb));
	store_request_word(&emit, "do", span_cstr(what));
	return emit;
}

void store_request_word(struct emit *emit, const char *name, struct span word)
{
	emit_key(emit, span_cstr(name));
	emit_text(emit, word);
}

void store_request_for(struct emit *emit, const struct store_call *call)
{
	if ((call->given & OPTION_FOR) == 0)
		return;
	emit_key(emit, SPAN("for_ms"));
	emit_int(emit, call->for_ms);
}

int store_request_ask(struct store_call *call, struct emit *emit, struct control_answer *answer_out)
{
	char *request;
	int status;

	emit_end(emit, '}');
	request = emit_take(emit);
	if (request == NULL) {
		ctl_say("no memory");
		return EX_OSERR;
	}
	status = store_link_ask(call->link, span_cstr(request), answer_out);
	free(request);
	return status;
}

void store_call_key(const struct store_call *call, int first, int end, struct text *key)
{
	TEXT(words, KEY_ROOM);

	for (int i = first; i < end; i++) {
		if (i > first)
			text_add_char(&words, ' ');
		text_add(&words, span_first(span_cstr(call->argument[i]), KEY_ROOM / 2));
	}
	key_of_words(key, text_span(&words));
}

/* --- words --- */

void text_add_span_of_time(struct text *text, int64_t ms)
{
	static const struct {
		int64_t ms;
		char letter;
	} units[] = { { 86400000, 'd' }, { 3600000, 'h' }, { 60000, 'm' }, { 1000, 's' } };
	size_t i = 0;

	if (ms < 1000)
		ms = 0;
	while (i < 3 && ms < units[i].ms)
		i++;
	text_addf(text, "%lld%c", (long long)(ms / units[i].ms), units[i].letter);
	ms %= units[i].ms;
	if (i < 3 && ms >= units[i + 1].ms)
		text_addf(text, " %lld%c", (long long)(ms / units[i + 1].ms), units[i + 1].letter);
}

void print_span_of_time(int columns, int64_t ms)
{
	TEXT(text, 32);

	text_add_span_of_time(&text, ms);
	printf("%*s", columns, text_cstr(&text));
}

void print_column(int columns, struct span text)
{
	ctl_print(stdout, text);
	if ((int)span_first(text, 100).len < columns)
		printf("%*s", columns - (int)text.len, "");
}
