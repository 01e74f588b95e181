/* replay.c -- weighctl replay: recorded cases under another configuration.
 *
 * Nothing is asked: each case brings its facts.  One arena serves all cases, one after the other.
 */
#include "ctl/replay.h"

#include "ctl/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* One connection for the whole run, where the case names none. */
#define RUN_CONVERSATION "replay"

struct replay {
	/* asked for */
	const char *config_path, *policy_name;
	bool wants_diff, expects, is_fresh, wants_json;
	/* held */
	struct config *config;
	const struct policy *policy;
	struct store *store; /* --fresh */
	struct store_port *port;
	struct arena arena;
	struct lines lines;
	struct emit emit;
	struct diff diff;
	struct case_line line;
	/* found */
	uint64_t cases, bad_lines, with_unknown, differing;
	uint64_t verdicts[VERDICT_COUNT];
	int failed; /* 0, or the first status that stands above the others */
};

static void say_place(const struct case_place *place)
{
	fprintf(stderr, "%s:%llu: ", place->path, (unsigned long long)place->line);
}

static void bad_line(struct replay *replay, const struct case_place *place, struct span why)
{
	replay->bad_lines++;
	say_place(place);
	fprintf(stderr, "no case: %.*s\n", SPAN_ARG(why));
}

/* --- facts --- */

static void on_answer(struct store_wait *wait)
{
	(void)wait;
}

/* A store in memory answers at once. */
static bool ask_store(struct replay *replay, struct fact *fact)
{
	struct store_wait wait = { .fact = fact,
				   .now_ms = replay->line.attempt.time_ms,
				   .answered = on_answer };

	if (store_recall(replay->port, fact, wait.now_ms))
		return true;
	store_ask(replay->port, &wait);
	return fact->state != FACT_PENDING;
}

static bool replay_recall(void *self, struct fact *fact)
{
	struct replay *replay = self;

	if (!replay->is_fresh || !fact_kind_is_stored(fact->kind))
		return case_recall(&replay->line, fact);
	return ask_store(replay, fact);
}

static void replay_release(void *self, struct fact *fact)
{
	struct replay *replay = self;

	if (replay->is_fresh && fact_kind_is_stored(fact->kind))
		store_release(replay->port, fact);
	else
		case_release(&replay->line, fact);
}

static void remember(const struct replay *replay, const struct walk *walk)
{
	struct memory_cursor cursor = { 0 };
	const struct memory *memory;

	while ((memory = walk_next_memory(walk, &cursor)) != NULL)
		store_remember(replay->port, memory, replay->line.attempt.time_ms);
}

/* --- one case --- */

/* The policy that was asked for, or the one that the case names, or the first. */
static const struct policy *policy_of(const struct replay *replay)
{
	const struct policy *policy = NULL;

	if (replay->policy_name == NULL && replay->line.policy.len > 0)
		policy = config_policy(replay->config, replay->line.policy);
	return policy != NULL ? policy : replay->policy;
}

static void print_result(struct replay *replay, const struct replayed *replayed)
{
	char *result;
	bool differs = false;

	if (replay->wants_diff) {
		differs = diff_compare(&replay->diff, replayed, &replay->emit);
		if (!differs)
			return;
	}
	result = case_format_result(replayed->walk, replayed->id);
	if (result == NULL) {
		replay->failed = EX_OSERR;
		return;
	}
	fwrite(result, 1, strlen(result) - differs, stdout);
	if (differs) {
		fputc(',', stdout);
		fwrite(replay->emit.at + 1, 1, replay->emit.len - 1, stdout);
	}
	fputc('\n', stdout);
	free(result);
}

static void count_case(struct replay *replay, const struct replayed *replayed)
{
	struct span name[CASE_UNKNOWN_MAX];

	replay->cases++;
	replay->verdicts[replayed->walk->verdict]++;
	replay->with_unknown += case_unknown(replayed->walk, name) > 0;
	if (replay->expects)
		replay->differing += expect_compare(replayed) > 0;
}

/* A case that does not name its number, time or connection gets the line's and the run's. */
static void complete(struct replay *replay, const struct case_place *place)
{
	struct attempt *attempt = &replay->line.attempt;
	TEXT(number, 24);

	if (replay->line.id.at == NULL) {
		text_add_int(&number, (int64_t)place->line);
		replay->line.id = arena_copy(&replay->arena, text_span(&number));
		attempt->id = replay->line.id;
	}
	if (replay->is_fresh && attempt->conversation.at == NULL)
		attempt->conversation = SPAN(RUN_CONVERSATION);
}

static void weigh_case(struct replay *replay, const struct case_place *place)
{
	const struct recall recall = { replay_recall, replay_release, replay };
	const struct policy *policy = policy_of(replay);
	struct ledger ledger;
	struct walk walk;
	struct replayed replayed = { *place, &replay->line, &walk, replay->line.id };

	ledger_init(&ledger, &replay->arena, &recall);
	if (walk_init(&walk, policy, &replay->line.attempt, &ledger) != OK) {
		bad_line(replay, place, SPAN("too large to be weighed"));
		return;
	}
	if (!walk_run(&walk)) { /* every question was answered at once, so it cannot be */
		ledger_close(&ledger);
		(void)walk_run(&walk);
	}
	if (replay->is_fresh)
		remember(replay, &walk);
	count_case(replay, &replayed);
	print_result(replay, &replayed);
	ledger_release(&ledger);
}

static bool is_blank(struct span line)
{
	return span_trim(line).len == 0;
}

static void replay_line(struct replay *replay, const struct case_place *place, struct span text)
{
	struct span why = { 0 };

	if (is_blank(text))
		return;
	arena_reset(&replay->arena);
	if (case_parse(text, &replay->arena, &replay->line, &why) != OK) {
		bad_line(replay, place, why);
		return;
	}
	complete(replay, place);
	weigh_case(replay, place);
}

/* --- files --- */

static void replay_lines(struct replay *replay, const char *path)
{
	struct lines *lines = &replay->lines;
	struct span text = { 0 };

	for (;;) {
		enum line_state state = lines_next(lines, &text);
		struct case_place place = { path, lines->number };

		switch (state) {
		case LINE_READ: replay_line(replay, &place, text); break;
		case LINE_TOO_LONG:
			bad_line(replay, &place, SPAN("the line is longer than 1 MiB"));
			break;
		case LINE_NONE: return;
		case LINE_FAILED:
			ctl_say("%s: %s", path, strerror(errno));
			replay->failed = errno == EISDIR ? EX_NOINPUT : EX_IOERR;
			return;
		}
	}
}

static void replay_file(struct replay *replay, const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		ctl_say("%s: %s", path, strerror(errno));
		replay->failed = EX_NOINPUT;
		return;
	}
	lines_open(&replay->lines, fd);
	replay_lines(replay, is_stdin ? "(standard input)" : path);
	if (!is_stdin)
		close(fd);
}

/* --- summary --- */

static void summary_text(const struct replay *replay)
{
	const char *before = ": ";

	fprintf(stderr, "%llu cases", (unsigned long long)replay->cases);
	for (int i = 0; i < VERDICT_COUNT; i++) {
		if (replay->verdicts[i] == 0)
			continue;
		fprintf(stderr, "%s%llu %.*s", before, (unsigned long long)replay->verdicts[i],
			SPAN_ARG(verdict_name((enum verdict_kind)i)));
		before = ", ";
	}
	fprintf(stderr, "; %llu with something unknown", (unsigned long long)replay->with_unknown);
	if (replay->bad_lines > 0)
		fprintf(stderr, "; %llu lines are no case", (unsigned long long)replay->bad_lines);
	if (replay->expects)
		fprintf(stderr, "; %llu differ from what they expect",
			(unsigned long long)replay->differing);
	fputc('\n', stderr);
}

static void emit_count(struct emit *emit, struct span key, uint64_t count)
{
	emit_key(emit, key);
	emit_int(emit, (int64_t)count);
}

static void summary_json(struct replay *replay)
{
	struct emit *emit = &replay->emit;

	emit_clear(emit);
	emit_begin(emit, '{');
	emit_count(emit, SPAN("cases"), replay->cases);
	emit_key(emit, SPAN("verdicts"));
	emit_begin(emit, '{');
	for (int i = 0; i < VERDICT_COUNT; i++)
		if (replay->verdicts[i] > 0)
			emit_count(emit, verdict_name((enum verdict_kind)i), replay->verdicts[i]);
	emit_end(emit, '}');
	emit_count(emit, SPAN("with_unknown"), replay->with_unknown);
	emit_count(emit, SPAN("bad_lines"), replay->bad_lines);
	if (replay->expects)
		emit_count(emit, SPAN("differing"), replay->differing);
	if (replay->wants_diff)
		diff_emit(&replay->diff, emit);
	emit_end(emit, '}');
	fwrite(emit->at, 1, emit->len, stderr);
	fputc('\n', stderr);
}

static int replay_status(struct replay *replay)
{
	if (replay->wants_json) {
		summary_json(replay);
	} else {
		summary_text(replay);
		if (replay->wants_diff)
			diff_print(&replay->diff, stderr);
	}
	if (replay->failed != 0)
		return replay->failed;
	if (replay->bad_lines > 0)
		return EX_DATAERR;
	return replay->differing > 0 ? CTL_DIFFERS : EX_OK;
}

static void open_store(struct replay *replay)
{
	const struct store_options options = { .kind = STORE_MEMORY };
	TEXT(why, STORE_WHY_MAX);

	if (store_open(&options, &why, &replay->store) == OK)
		replay->port = store_port_open(replay->store, NULL);
}

static int replay_begin(struct replay *replay)
{
	int status = ctl_config(replay->config_path, &replay->config);

	if (status != EX_OK)
		return status;
	replay->policy = ctl_policy(replay->config, replay->policy_name);
	if (replay->policy == NULL)
		return replay->policy_name != NULL ? EX_USAGE : EX_CONFIG;
	arena_init(&replay->arena, REPLAY_ARENA_BYTES_MAX);
	if (replay->is_fresh)
		open_store(replay);
	if (lines_init(&replay->lines, CASE_BYTES_MAX) != OK ||
	    (replay->is_fresh && replay->port == NULL)) {
		ctl_say("out of memory");
		return EX_OSERR;
	}
	return EX_OK;
}

static void replay_end(struct replay *replay)
{
	diff_release(&replay->diff);
	emit_release(&replay->emit);
	lines_release(&replay->lines);
	arena_release(&replay->arena);
	if (replay->port != NULL)
		store_port_close(replay->port);
	if (replay->store != NULL)
		store_close(replay->store);
	if (replay->config != NULL)
		config_drop(replay->config);
}

enum { OPTION_CONFIG = 256, OPTION_POLICY, OPTION_DIFF, OPTION_EXPECT, OPTION_FRESH };

static const struct option options[] = {
	CTL_LONG_OPTIONS,
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "policy", required_argument, NULL, OPTION_POLICY },
	{ "diff", no_argument, NULL, OPTION_DIFF },
	{ "expect", no_argument, NULL, OPTION_EXPECT },
	{ "fresh", no_argument, NULL, OPTION_FRESH },
	{ 0 },
};

/* @return false: the option is not known */
static bool take_option(struct replay *replay, int option)
{
	switch (option) {
	case 'j': replay->wants_json = true; return true;
	case OPTION_CONFIG: replay->config_path = optarg; return true;
	case OPTION_POLICY: replay->policy_name = optarg; return true;
	case OPTION_DIFF: replay->wants_diff = true; return true;
	case OPTION_EXPECT: replay->expects = true; return true;
	case OPTION_FRESH: replay->is_fresh = true; return true;
	default: return false;
	}
}

static int replay_run(const struct verb *verb, int argc, char **argv)
{
	static struct replay replay; /* large: the groups of --diff */
	int option, status;

	while ((option = getopt_long(argc, argv, CTL_SHORT_OPTIONS, options, NULL)) != -1) {
		if (option == 'h')
			return ctl_help(verb);
		if (!take_option(&replay, option))
			return ctl_wrong_option(verb);
	}
	if (replay.config_path == NULL)
		return ctl_usage(verb, "--config FILE is needed");
	status = replay_begin(&replay);
	if (status == EX_OK) {
		if (optind == argc)
			replay_file(&replay, "-");
		for (int i = optind; i < argc; i++)
			replay_file(&replay, argv[i]);
		status = replay_status(&replay);
	}
	replay_end(&replay);
	return status;
}

const struct verb verb_replay = {
	.name = "replay",
	.summary = "weigh recorded decisions again, under this configuration",
	.usage = "--config FILE [OPTION ...] [FILE.jsonl ...]\n\n"
		 "Weigh each case (a JSON line, as in the journal) with nothing but its facts and\n"
		 "print one JSON line a case, in order; a summary goes to standard error.\n\n"
		 "  --config FILE   the configuration\n"
		 "  --policy NAME   this policy; else the one the case names, else the first\n"
		 "  --diff          print only cases whose verdict differs from the recorded one,\n"
		 "                  with both, and group them by what caused it\n"
		 "  --expect        compare with what each case says was decided\n"
		 "  --fresh         remember from case to case, under the cases' own clock\n"
		 "  -j, --json      the summary as JSON\n\n"
		 "Without FILE.jsonl, or for -, standard input is read.\n\n"
		 "Exit: 0 done, 1 a case differs (--expect), 65 a line is no case (others ran),\n"
		 "64 wrong call, 66 no such file, 78 mistakes in the configuration.\n",
	.run = replay_run,
};
