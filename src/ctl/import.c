/* import.c -- weighctl import: from another daemon's configuration to ours. */
#include "base/emit.h"
#include "ctl/ctl.h"
#include "ctl/import/gld.h"
#include "ctl/import/greylistd.h"
#include "ctl/import/policyd.h"
#include "ctl/import/policyd_rate_limit.h"
#include "ctl/import/policyd_spf.h"
#include "ctl/import/policyd_weight.h"
#include "ctl/import/postgrey.h"
#include "ctl/import/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Whose configuration; a new one is a line here. */
static const struct importer {
	const char *name;
	enum err (*import)(struct span foreign, const struct import_options *options,
			   struct text *config_out, struct text *explain_out,
			   struct text *report_out);
	bool may_be_missing; /* then it runs by its defaults */
	/** Its database, as lines for weighctl store import; NULL: it has none that is wanted.
	 * @return EX_OK, or another exit status; report says why */
	int (*records)(struct import_records *records);
	const char *path; /* of its file, where none is named */
	bool has_lists;   /* in its database, for --lists */
} importers[] = {
	{ "policyd-weight", import_policyd_weight, false, NULL, "/etc/policyd-weight.conf", false },
	{ "policyd-spf", import_policyd_spf, true, NULL,
	  "/etc/postfix-policyd-spf-python/policyd-spf.conf", false },
	{ "postgrey", import_postgrey, true, import_postgrey_records, "/etc/default/postgrey",
	  false },
	{ "greylistd", import_greylistd, true, import_greylistd_records, "/etc/greylistd/config",
	  false },
	{ "gld", import_gld, false, import_gld_records, "/etc/gld.conf", true },
	{ "policyd", import_policyd, false, import_policyd_records, "/etc/policyd.conf", true },
	{ "policyd-rate-limit", import_policyd_rate_limit, false, import_policyd_rate_limit_records,
	  "/etc/policyd-rate-limit.yaml", false },
};

enum { FOREIGN_BYTES_MAX = 1024 * 1024 };

struct import_call {
	const struct importer *importer;
	const char *path;
	struct import_options options;
	const char *database[IMPORT_DATABASES_MAX];
	size_t database_count;
	bool wants_table, wants_json;
};

/* All that an import needs; large, and wanted once. */
static struct {
	char foreign[FOREIGN_BYTES_MAX + 1];
	char config[IMPORT_CONFIG_MAX];
	char explain[IMPORT_EXPLAIN_MAX];
	char report[IMPORT_REPORT_MAX];
} room;

static int read_all(int fd, size_t *len_out)
{
	size_t len = 0;

	while (len <= FOREIGN_BYTES_MAX) {
		ssize_t count = read(fd, room.foreign + len, sizeof(room.foreign) - len);

		if (count < 0 && errno != EINTR)
			return errno;
		if (count == 0) {
			*len_out = len;
			return 0;
		}
		if (count > 0)
			len += (size_t)count;
	}
	return EFBIG;
}

/* Text it is to be; U+FEFF in front, as some editors write it, is none of it. */
static int check_text(const char *path, struct span *text)
{
	struct span rest = span_first(*text, span_find(*text, '\0')), line;
	bool is_text = rest.len == text->len;
	unsigned number = 0;

	while (!is_text && span_cut(&rest, '\n', &line))
		number++;
	if (!is_text)
		ctl_say("%s:%u: error: a NUL: this is no text; is it UTF-16, or compressed?", path,
			number > 0 ? number : 1);
	if (span_starts(*text, SPAN("\xef\xbb\xbf")))
		*text = span_from(*text, 3);
	return is_text ? EX_OK : EX_DATAERR;
}

static int read_foreign(const struct import_call *call, struct span *foreign_out)
{
	const char *path = call->path;
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int error = fd < 0 ? errno : 0;
	size_t len = 0;

	if (error == 0)
		error = read_all(fd, &len);
	if (fd >= 0 && !is_stdin)
		close(fd);
	*foreign_out = span_of(room.foreign, len);
	if (error == 0)
		return check_text(path, foreign_out);
	ctl_say("%s: %s", path, strerror(error));
	if (error == ENOENT && call->importer->may_be_missing)
		return EX_OK;
	return error == EFBIG ? EX_DATAERR : EX_NOINPUT;
}

/* --- what became of each setting --- */

static const struct span fates[] = {
	SPAN_INIT("kept"),    SPAN_INIT("changed"), SPAN_INIT("dropped"),
	SPAN_INIT("default"), SPAN_INIT("warning"),
};

enum { FATE_COUNT = sizeof(fates) / sizeof(*fates) };

/* "kept     $NAME = 1: why" -> its fate and the rest.  @return FATE_COUNT for another line */
static size_t fate_cut(struct span line, struct span *rest_out)
{
	struct span word = span_first(line, span_find(line, ' '));
	size_t i = 0;

	while (i < FATE_COUNT && !span_equal(word, fates[i]))
		i++;
	*rest_out = span_trim(span_from(line, word.len));
	return i;
}

/* The settings that the file makes, and how many there are of each fate. */
static void say_changes(struct span explain)
{
	size_t count[FATE_COUNT + 1] = { 0 };
	struct span line, rest;

	while (span_cut(&explain, '\n', &line)) {
		size_t fate = fate_cut(line, &rest);

		count[fate]++;
		if (fate < FATE_COUNT && span_equal(fates[fate], SPAN("default")))
			continue;
		ctl_print_line(stderr, line);
		fputc('\n', stderr);
	}
	for (size_t i = 0; i < FATE_COUNT; i++)
		fprintf(stderr, "%s%zu %.*s", i > 0 ? ", " : "", count[i], SPAN_ARG(fates[i]));
	fputs("; all of them: --explain\n", stderr);
}

static void print_table(FILE *file, struct span explain)
{
	struct span line;

	while (span_cut(&explain, '\n', &line)) {
		ctl_print_line(file, line);
		fputc('\n', file);
	}
}

static void emit_settings(struct emit *emit, struct span explain)
{
	struct span line, rest;

	emit_key(emit, SPAN("settings"));
	emit_begin(emit, '[');
	while (span_cut(&explain, '\n', &line)) {
		size_t fate = fate_cut(line, &rest);

		emit_begin(emit, '{');
		emit_key(emit, SPAN("fate"));
		emit_text(emit, fate < FATE_COUNT ? fates[fate] : SPAN("other"));
		emit_key(emit, SPAN("setting"));
		emit_text(emit, rest);
		emit_end(emit, '}');
	}
	emit_end(emit, ']');
}

static int print_json(bool is_whole, struct span config, struct span explain, struct span report)
{
	struct emit emit = { 0 };
	char *json;

	emit_begin(&emit, '{');
	emit_key(&emit, SPAN("ok"));
	emit_bool(&emit, is_whole);
	emit_key(&emit, SPAN("config"));
	emit_text(&emit, config);
	emit_settings(&emit, explain);
	emit_key(&emit, SPAN("report"));
	emit_text(&emit, report);
	emit_end(&emit, '}');
	json = emit_take(&emit);
	if (json == NULL)
		return EX_OSERR;
	puts(json);
	free(json);
	return EX_OK;
}

/* --- the database --- */

static int import_records(const struct import_call *call)
{
	struct text report = { room.report, 0, sizeof(room.report), false };
	struct import_records records = {
		.options = &call->options,
		.path_count = call->database_count,
		.out = call->wants_table ? NULL : stdout,
		.report = &report,
	};
	int status = read_foreign(call, &records.foreign);

	if (status != EX_OK)
		return status;
	memcpy(records.path, call->database, sizeof(records.path));
	status = call->importer->records(&records);
	emit_release(&records.emit);
	print_table(stderr, text_span(&report));
	if (records.has_failed) {
		ctl_say("what was written is not complete");
		return EX_IOERR;
	}
	return status;
}

/* --- the verb --- */

static int import_file(const struct import_call *call)
{
	struct text config = { room.config, 0, sizeof(room.config), false };
	struct text explain = { room.explain, 0, sizeof(room.explain), false };
	struct text report = { room.report, 0, sizeof(room.report), false };
	struct span foreign;
	int status = read_foreign(call, &foreign);
	enum err err;

	if (status != EX_OK)
		return status;
	err = call->importer->import(foreign, &call->options, &config, &explain, &report);
	if (err == ERR_LIMIT)
		config.len = 0; /* a part of it would be another policy */
	if (call->wants_json) {
		status = print_json(err == OK, text_span(&config), text_span(&explain),
				    text_span(&report));
	} else {
		print_table(stderr, text_span(&report));
		if (call->wants_table)
			print_table(stdout, text_span(&explain));
		else
			fwrite(config.at, 1, config.len, stdout);
		if (!call->wants_table)
			say_changes(text_span(&explain));
	}
	if (err == ERR_LIMIT)
		ctl_say("%s: too large: no configuration is written", call->path);
	return err == OK ? status : EX_DATAERR;
}

static const struct importer *importer_find(const char *name)
{
	for (size_t i = 0; i < sizeof(importers) / sizeof(*importers); i++)
		if (strcmp(importers[i].name, name) == 0)
			return &importers[i];
	return NULL;
}

/* "a, b, c" */
static const char *importer_names(void)
{
	static char names[200];
	struct text text = { names, 0, sizeof(names), false };

	for (size_t i = 0; i < sizeof(importers) / sizeof(*importers); i++) {
		text_add(&text, i > 0 ? SPAN(", ") : SPAN(""));
		text_add(&text, span_cstr(importers[i].name));
	}
	return text_cstr(&text);
}

enum { OPTION_EXPLAIN = 256, OPTION_MODERN, OPTION_CONTROL, OPTION_DATABASE, OPTION_LISTS };

static const struct option options[] = {
	CTL_LONG_OPTIONS,
	{ "explain", no_argument, NULL, OPTION_EXPLAIN },
	{ "modern", no_argument, NULL, OPTION_MODERN },
	{ "control", required_argument, NULL, OPTION_CONTROL },
	{ "database", required_argument, NULL, OPTION_DATABASE },
	{ "lists", required_argument, NULL, OPTION_LISTS },
	{ 0 },
};

static bool take_option(struct import_call *call, int option)
{
	switch (option) {
	case 'j': call->wants_json = true; return true;
	case OPTION_EXPLAIN: call->wants_table = true; return true;
	case OPTION_MODERN: call->options.modern = true; return true;
	case OPTION_CONTROL: call->options.control = span_cstr(optarg); return true;
	case OPTION_LISTS: call->options.lists = optarg; return true;
	case OPTION_DATABASE:
		if (call->database_count == IMPORT_DATABASES_MAX)
			return false;
		call->database[call->database_count++] = optarg;
		return true;
	default: return false;
	}
}

static int import_run(const struct verb *verb, int argc, char **argv)
{
	struct import_call call = { 0 };
	int option;

	while ((option = getopt_long(argc, argv, CTL_SHORT_OPTIONS, options, NULL)) != -1) {
		if (option == 'h')
			return ctl_help(verb);
		if (!take_option(&call, option))
			return ctl_wrong_option(verb);
	}
	if (argc - optind < 1 || argc - optind > 2)
		return ctl_usage(verb, "a daemon's name is needed, and its FILE");
	call.importer = importer_find(argv[optind]);
	if (call.importer == NULL)
		return ctl_usage(verb, "what can be imported: %s", importer_names());
	call.path = argc - optind == 2 ? argv[optind + 1] : call.importer->path;
	call.options.path = span_cstr(call.path);
	if (call.options.lists != NULL && !call.importer->has_lists)
		return ctl_usage(verb, "%s has no lists in a database", call.importer->name);
	if (call.database_count == 0)
		return import_file(&call);
	if (call.importer->records == NULL)
		return ctl_usage(verb, "%s has no database to import", call.importer->name);
	return import_records(&call);
}

const struct verb verb_import = {
	.name = "import",
	.summary = "translate another daemon's configuration, and what it remembers",
	.usage = "DAEMON [FILE] [OPTION ...]\n\n"
		 "DAEMON: policyd-weight, policyd-spf, postgrey, greylistd, gld, policyd (v1),\n"
		 "policyd-rate-limit.  Without FILE it is read where its package has it.\n\n"
		 "Translate the other daemon's file and write weighd.conf to standard output;\n"
		 "what became of the settings goes to standard error.  The file is read, never\n"
		 "run; of policyd-spf, postgrey and greylistd it may be missing: their defaults\n"
		 "are taken.\n"
		 "postgrey's is /etc/default/postgrey, or holds its command line.\n\n"
		 "  --explain        instead, a table of all settings: kept, changed and why,\n"
		 "                   dropped and why\n"
		 "  --modern         of policyd-weight: use the clean checks with equivalent\n"
		 "                   weights; otherwise it decides as policyd-weight did\n"
		 "  --control PATH   give the daemon a control socket there\n"
		 "  --database DUMP  instead, what the daemon remembered, as lines for weighctl\n"
		 "                   store import; may be given again\n"
		 "  --lists DUMP     of gld and policyd: their white and black lists from a dump\n"
		 "                   of their database, into the configuration\n"
		 "  -j, --json       all of it as JSON\n\n"
		 "Exit: 0 done, 65 something in it is not understood (the rest is translated),\n"
		 "66 no such file.\n",
	.run = import_run,
};
