/* store.c -- weighctl store: check it, write it out, read it in. */
#include "ctl/lines.h"
#include "ctl/store_call.h"
#include "ctl/store_check.h"
#include "ctl/store_lines.h"
#include "daemon/clock.h"
#include "daemon/state_entry.h"
#include "serve/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	BATCH_ENTRIES_MAX = 500,
	BATCH_BYTES_MAX = 48 * 1024, /* unless one entry alone is longer */
	ENVELOPE_BYTES = 128,        /* of a request, around its entries */
};

/* --- import --- */

struct importing {
	struct store_call *call;
	int64_t now_ms;
	struct counted counted;
	uint64_t expired, bad;
	/* a batch */
	struct emit entries; /* begun; without the bracket at its end */
	unsigned entry_count;
	uint64_t first_line, last_line;
	struct counted batch;
};

static void say_bad(struct importing *importing, uint64_t line, const char *why)
{
	importing->bad++;
	fprintf(stderr, "weighctl: line %llu: %s\n", (unsigned long long)line, why);
}

static void batch_begin(struct importing *importing)
{
	emit_clear(&importing->entries);
	emit_begin(&importing->entries, '[');
	importing->entry_count = 0;
	importing->batch = (struct counted){ 0 };
}

static void take_counts(struct importing *importing, const struct counted *batch)
{
	importing->counted.all += batch->all;
	for (int i = 0; i < STORE_CLASS_COUNT; i++)
		importing->counted.class[i] += batch->class[i];
}

static int check_put(struct importing *importing, const json_t *root)
{
	json_int_t failed = json_integer_value(json_object_get(root, "failed"));

	if (failed == 0) {
		take_counts(importing, &importing->batch);
		return EX_OK;
	}
	fprintf(stderr, "weighctl: lines %llu to %llu: %lld of %u entries were not written: ",
		(unsigned long long)importing->first_line, (unsigned long long)importing->last_line,
		(long long)failed, importing->entry_count);
	ctl_print_line(stderr, state_text(root, "why"));
	fputc('\n', stderr);
	return EX_TEMPFAIL;
}

/* Write what has been gathered. */
static int batch_send(struct importing *importing)
{
	struct emit emit;
	struct control_answer answer;
	int status;

	if (importing->entry_count == 0)
		return EX_OK;
	if ((importing->call->given & OPTION_DRY) != 0) {
		take_counts(importing, &importing->batch);
		batch_begin(importing);
		return EX_OK;
	}
	emit_end(&importing->entries, ']');
	emit = store_request("store", "put");
	emit_key(&emit, SPAN("entries"));
	emit_raw(&emit, span_of(importing->entries.at, importing->entries.len));
	emit.failed |= importing->entries.failed;
	status = store_request_ask(importing->call, &emit, &answer);
	if (status == EX_OK) {
		status = check_put(importing, answer.root);
		control_answer_release(&answer);
	}
	batch_begin(importing);
	return status;
}

static int batch_add(struct importing *importing, const struct store_entry *entry, uint64_t line)
{
	int status = EX_OK;
	struct emit one = { 0 };

	state_emit_entry(&one, entry);
	if (!one.failed && one.len + ENVELOPE_BYTES > CONTROL_LINE_BYTES_MAX &&
	    store_link_has_daemon(importing->call->link)) {
		say_bad(importing, line,
			"too long for the control socket: stop the daemon, and use --config FILE");
		emit_release(&one);
		return EX_OK;
	}
	if (importing->entry_count == BATCH_ENTRIES_MAX ||
	    importing->entries.len + one.len > BATCH_BYTES_MAX)
		status = batch_send(importing);
	if (importing->entry_count == 0)
		importing->first_line = line;
	emit_raw(&importing->entries, span_of(one.at, one.len));
	importing->entries.failed |= one.failed;
	importing->last_line = line;
	importing->entry_count++;
	counted_add(&importing->batch, entry->class);
	emit_release(&one);
	return status;
}

static int import_line(struct importing *importing, struct span line, uint64_t number)
{
	json_t *root = json_loadb(line.at, line.len, JSON_ALLOW_NUL, NULL);
	const char *why = "it is no JSON";
	struct store_entry entry;
	int status = EX_OK;

	if (root == NULL || state_entry_parse(root, &entry, &why) != OK) {
		say_bad(importing, number, why);
	} else if (entry.expires_ms > 0 && entry.expires_ms <= importing->now_ms) {
		importing->expired++;
	} else {
		why = store_entry_fault(&entry, importing->now_ms);
		if (why != NULL)
			say_bad(importing, number, why);
		else
			status = batch_add(importing, &entry, number);
	}
	json_decref(root);
	return status;
}

static int import_lines(struct importing *importing, struct lines *lines)
{
	enum line_state state;
	struct span line;
	int status = EX_OK;

	while (status == EX_OK && (state = lines_next(lines, &line)) != LINE_NONE) {
		if (state == LINE_FAILED) {
			ctl_say("cannot read: %s", strerror(errno));
			return EX_IOERR;
		}
		if (state == LINE_TOO_LONG)
			say_bad(importing, lines->number, "longer than any entry can be");
		else if (span_trim(line).len > 0)
			status = import_line(importing, line, lines->number);
	}
	return status == EX_OK ? batch_send(importing) : status;
}

static void say_imported(const struct importing *importing, bool is_whole)
{
	bool is_dry = (importing->call->given & OPTION_DRY) != 0;
	struct emit emit = { 0 };

	if (importing->call->wants_json) {
		emit_begin(&emit, '{');
		emit_key(&emit, SPAN("ok"));
		emit_bool(&emit, is_whole && importing->bad == 0);
		counted_emit(&emit, "imported", &importing->counted);
		store_emit_number(&emit, "expired", importing->expired);
		store_emit_number(&emit, "bad", importing->bad);
		emit_key(&emit, SPAN("dry_run"));
		emit_bool(&emit, is_dry);
		emit_end(&emit, '}');
		store_print_emitted(stdout, &emit);
		return;
	}
	counted_print(stdout, is_dry ? "would import" : "imported", &importing->counted);
	printf("; expired %llu, bad lines %llu\n", (unsigned long long)importing->expired,
	       (unsigned long long)importing->bad);
}

static int import_from(struct importing *importing, int fd)
{
	struct lines lines;
	int status;

	if (lines_init(&lines, STATE_LINE_BYTES_MAX) != OK) {
		ctl_say("no memory");
		return EX_OSERR;
	}
	lines_open(&lines, fd);
	batch_begin(importing);
	status = import_lines(importing, &lines);
	say_imported(importing, status == EX_OK);
	emit_release(&importing->entries);
	lines_release(&lines);
	if (status != EX_OK)
		ctl_say("the import is not complete");
	return status == EX_OK && importing->bad > 0 ? EX_DATAERR : status;
}

static int run_import(struct store_call *call)
{
	struct importing importing = { .call = call, .now_ms = clock_wall_ms() };
	int fd = STDIN_FILENO, status = EX_OK;

	if (!store_is_standard(call, 0))
		fd = open(call->argument[0], O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		store_say_file(call->argument[0], strerror(errno));
		return EX_NOINPUT;
	}
	if ((call->given & OPTION_DRY) == 0)
		status = store_link_open(&call->where, &call->link);
	if (status == EX_OK)
		status = import_from(&importing, fd);
	if (fd != STDIN_FILENO)
		close(fd);
	return status;
}

/* --- check --- */

void checkup_say(struct checkup *checkup, enum checkup_level level, const char *format, ...)
{
	static const char *const words[] = { "ok", "note", "FAIL" };
	char text[CHECKUP_TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	checkup->has_failed |= level == CHECKUP_FAIL;
	if (checkup->wants_json) {
		emit_begin(&checkup->findings, '{');
		store_request_word(&checkup->findings, "state", span_cstr(words[level]));
		store_request_word(&checkup->findings, "text", span_cstr(text));
		emit_end(&checkup->findings, '}');
		return;
	}
	printf("%-5s ", words[level]);
	ctl_print_line(stdout, span_cstr(text));
	putchar('\n');
}

/* What the daemon that runs says of it. */
static void check_daemon(struct checkup *checkup, const struct config *config)
{
	static const char *const kinds[] = { "memory", "sqlite", "redis" };
	struct store_link_options where = { 0 };
	struct store_link *link = NULL;
	struct control_answer answer;
	TEXT(path, 256);

	text_add(&path, config->control.path);
	where.control = text_cstr(&path);
	if (config->control.path.len == 0 || path.overrun || access(where.control, F_OK) != 0 ||
	    store_link_open(&where, &link) != EX_OK) {
		checkup_say(checkup, CHECKUP_NOTE,
			    "no daemon was asked: its control socket is not there");
		return;
	}
	if (store_link_ask(link, SPAN("{\"verb\":\"store\",\"do\":\"figures\"}"), &answer) ==
	    EX_OK) {
		const json_t *figures = json_object_get(answer.root, "store");
		struct span kind = state_text(figures, "kind");

		if (!span_equal(kind, span_cstr(kinds[config->store.kind])))
			checkup_say(checkup, CHECKUP_FAIL,
				    "the daemon keeps all in another store: %.*s; what it could "
				    "not open is in its log",
				    SPAN_ARG(kind));
		else
			checkup_say(
				checkup,
				json_integer_value(json_object_get(figures, "is_down")) != 0
					? CHECKUP_FAIL
					: CHECKUP_OK,
				"the daemon uses it: %lld entries, %lld failures, %lld in line%s",
				(long long)json_integer_value(json_object_get(figures, "entries")),
				(long long)json_integer_value(json_object_get(figures, "failures")),
				(long long)json_integer_value(json_object_get(figures, "in_line")),
				json_integer_value(json_object_get(figures, "is_down")) != 0
					? ", and it is down"
					: "");
		control_answer_release(&answer);
	} else {
		checkup_say(checkup, CHECKUP_NOTE, "the daemon did not answer");
	}
	store_link_close(link);
}

static void check_store(struct checkup *checkup, const struct store_options *options)
{
	switch (options->kind) {
	case STORE_MEMORY:
		checkup_say(checkup, CHECKUP_NOTE,
			    "the store is in the memory of the daemon, and ends with it");
		break;
	case STORE_SQLITE: store_check_sqlite(checkup, options); break;
	case STORE_REDIS: store_check_redis(checkup, options); break;
	}
}

static int run_check(struct store_call *call)
{
	struct checkup checkup = { .wants_json = call->wants_json };
	struct config *config = NULL;
	struct storing storing = { 0 };
	TEXT(why, STORE_WHY_MAX);
	int status = ctl_config(call->where.config != NULL ? call->where.config : CTL_CONFIG_PATH,
				&config);

	if (status != EX_OK)
		return status;
	emit_begin(&checkup.findings, '{');
	emit_key(&checkup.findings, SPAN("findings"));
	emit_begin(&checkup.findings, '[');
	if (storing_prepare(&storing, config, &why) != OK)
		checkup_say(&checkup, CHECKUP_FAIL, "%s", text_cstr(&why));
	else
		check_store(&checkup, &storing.options);
	check_daemon(&checkup, config);
	if (call->wants_json) {
		emit_end(&checkup.findings, ']');
		emit_key(&checkup.findings, SPAN("ok"));
		emit_bool(&checkup.findings, !checkup.has_failed);
		emit_end(&checkup.findings, '}');
		store_print_emitted(stdout, &checkup.findings);
	}
	emit_release(&checkup.findings);
	config_drop(config);
	return checkup.has_failed ? CTL_DIFFERS : EX_OK;
}

static const struct store_what whats[] = {
	{ "check", 0, 0, 0, true, run_check },
	{ "export", 0, 0, 1, true, store_run_export },
	{ "import", OPTION_DRY, 0, 1, true, run_import },
	{ "salvage", 0, 1, 2, true, store_run_salvage },
	{ 0 },
};

static int store_run(const struct verb *verb, int argc, char **argv)
{
	return store_call_run(verb, whats, argc, argv);
}

const struct verb verb_store = {
	.name = "store",
	.summary = "check what outlives the daemon, write it out, read it in",
	.usage =
		"WHAT [OPTION ...] [FILE]\n\n"
		"  check           is it whole, and can it be used?  Changes nothing\n"
		"  export [FILE]   all entries, a line of JSON each: to FILE or standard output\n"
		"  import [FILE]   the same lines; --dry-run only looks at them\n"
		"  salvage FILE [TO]\n"
		"                  what can be read of a damaged file, as export writes it: of a\n"
		"                  store sqlite, set aside by the daemon; FILE is not changed\n\n"
		"From one store to another: export with one configuration, import with the other.\n"
		"A bad line is said with its number, and the others are read.\n\n"
		"  --control PATH   socket of the daemon (" CTL_CONTROL_PATH ")\n"
		"  --config FILE    without a daemon: open the store that it names; check reads\n"
		"                   " CTL_CONFIG_PATH " otherwise\n"
		"  -j, --json       as JSON\n\n"
		"Exit: 0 done, 1 something is wrong with the store, 65 bad lines, or nothing to\n"
		"salvage, 66 no such file, 69 no daemon, 75 the store fails.\n",
	.run = store_run,
};
