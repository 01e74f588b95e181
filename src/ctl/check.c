/* check.c -- weighctl check: is the configuration right? */
#include "base/emit.h"
#include "base/escape.h"
#include "base/number.h"
#include "base/utc.h"
#include "ctl/ctl.h"
#include "daemon/clock.h"
#include "daemon/zone_watch.h"

#include <stdlib.h>

enum { ZONE_CHECKED_MONTHS_MAX = 24 };

struct counts {
	unsigned errors, warnings;
};

/* The head of a message, "FILE:LINE:COLUMN: error: TEXT"; the lines below it show the place. */
struct message {
	struct span file, text;
	int64_t line, column;
	bool is_error;
};

static bool position_cut(struct span *rest, int64_t *number_out)
{
	size_t colon = span_rfind(*rest, ':');
	int64_t number = 0;

	if (colon == rest->len || colon + 1 == rest->len)
		return false;
	for (size_t i = colon + 1; i < rest->len; i++) {
		if (!ascii_is_digit(rest->at[i]) || number > UINT32_MAX)
			return false;
		number = number * 10 + (rest->at[i] - '0');
	}
	*number_out = number;
	*rest = span_first(*rest, colon);
	return true;
}

static bool message_parse(struct span line, struct message *message_out)
{
	static const struct span error = SPAN_INIT(": error: "), warning = SPAN_INIT(": warning: ");
	size_t at_error = span_find_span(line, error);
	size_t at_warning = span_find_span(line, warning);
	struct message message = { .is_error = at_error < at_warning };
	struct span mark = message.is_error ? error : warning;
	size_t at = message.is_error ? at_error : at_warning;

	if (at == line.len || line.at[0] == ' ')
		return false;
	message.file = span_first(line, at);
	message.text = span_from(line, at + mark.len);
	if (position_cut(&message.file, &message.column))
		(void)position_cut(&message.file, &message.line);
	*message_out = message;
	return true;
}

static struct counts report_count(struct span report)
{
	struct counts counts = { 0 };
	struct message message;
	struct span line;

	while (span_cut(&report, '\n', &line)) {
		if (!message_parse(line, &message))
			continue;
		counts.errors += message.is_error;
		counts.warnings += !message.is_error;
	}
	return counts;
}

static void emit_message(struct emit *emit, const struct message *message)
{
	emit_begin(emit, '{');
	emit_key(emit, SPAN("file"));
	emit_text(emit, message->file);
	emit_key(emit, SPAN("line"));
	emit_int(emit, message->line);
	emit_key(emit, SPAN("column"));
	emit_int(emit, message->column);
	emit_key(emit, SPAN("severity"));
	emit_text(emit, message->is_error ? SPAN("error") : SPAN("warning"));
	emit_key(emit, SPAN("message"));
	emit_text(emit, message->text);
	emit_end(emit, '}');
}

static void print_json(const char *path, bool is_right, struct span report, struct counts counts)
{
	struct emit emit = { 0 };
	struct message message;
	struct span line;
	char *json;

	emit_begin(&emit, '{');
	emit_key(&emit, SPAN("file"));
	emit_text(&emit, span_cstr(path));
	emit_key(&emit, SPAN("ok"));
	emit_bool(&emit, is_right);
	emit_key(&emit, SPAN("errors"));
	emit_int(&emit, counts.errors);
	emit_key(&emit, SPAN("warnings"));
	emit_int(&emit, counts.warnings);
	emit_key(&emit, SPAN("messages"));
	emit_begin(&emit, '[');
	while (span_cut(&report, '\n', &line))
		if (message_parse(line, &message))
			emit_message(&emit, &message);
	emit_end(&emit, ']');
	emit_end(&emit, '}');
	json = emit_take(&emit);
	if (json != NULL)
		puts(json);
	free(json);
}

static void print_text(const char *path, bool is_right, struct span report, struct counts counts)
{
	fwrite(report.at, 1, report.len, stdout);
	ctl_print(stdout, span_cstr(path));
	if (counts.errors + counts.warnings == 0) {
		puts(is_right ? ": ok" : ": not usable");
		return;
	}
	printf(": %u error%s, %u warning%s\n", counts.errors, counts.errors == 1 ? "" : "s",
	       counts.warnings, counts.warnings == 1 ? "" : "s");
}

/* 2026-11 or 2026, in months. */
static int64_t months_of(struct span date)
{
	int64_t year = 0, month = 1;

	if (number_parse(span_first(date, 4), &year) != OK ||
	    (date.len > 5 && number_parse(span_from(date, 5), &month) != OK))
		return 0;
	return year * 12 + month - 1;
}

/* Lists change and die: what nobody has looked at for years is not to be relied on. */
static void add_old_zones(struct text *report, const char *path, const struct config *config)
{
	struct zone *zone = calloc(ZONES_MAX, sizeof(*zone));
	size_t count = zone != NULL ? zone_uses(config, zone) : 0;
	TEXT(now, 32);

	text_add_utc(&now, clock_wall_ms());
	for (size_t i = 0; i < count; i++) {
		if (zone[i].checked.len == 0 ||
		    months_of(span_first(text_span(&now), 7)) - months_of(zone[i].checked) <
			    ZONE_CHECKED_MONTHS_MAX)
			continue;
		text_add_escaped(report, span_cstr(path), REPORT_BYTES_MAX / 2);
		text_addf(report,
			  ": warning: what is said of list %.*s was looked at in %.*s: see whether "
			  "it still holds\n",
			  SPAN_ARG(zone[i].shown), SPAN_ARG(zone[i].checked));
	}
	free(zone);
}

static int check_file(const char *path, bool wants_json)
{
	struct config *config = NULL;
	struct text report;
	int status = ctl_read_config(path, &report, &config);
	struct counts counts;

	if (status == EX_OK)
		add_old_zones(&report, path, config);
	counts = report_count(text_span(&report));

	if (wants_json)
		print_json(path, status == EX_OK, text_span(&report), counts);
	else
		print_text(path, status == EX_OK, text_span(&report), counts);
	free(report.at);
	if (status == EX_OK)
		config_drop(config);
	return status;
}

static int check_run(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = { CTL_LONG_OPTIONS, { 0 } };
	bool wants_json = false;
	int option;

	while ((option = getopt_long(argc, argv, CTL_SHORT_OPTIONS, options, NULL)) != -1) {
		switch (option) {
		case 'h': return ctl_help(verb);
		case 'j': wants_json = true; break;
		default: return ctl_wrong_option(verb);
		}
	}
	if (argc - optind > 1)
		return ctl_usage(verb, "one FILE at a time");
	return check_file(optind < argc ? argv[optind] : CTL_CONFIG_PATH, wants_json);
}

const struct verb verb_check = {
	.name = "check",
	.summary = "read a configuration and show all of its mistakes",
	.usage = "[-j] [FILE]\n\n"
		 "Read FILE (" CTL_CONFIG_PATH ") and what it includes, show every mistake and\n"
		 "warning with its place, and count them.  Nothing is loaded or changed.\n\n"
		 "  -j, --json   as JSON\n\n"
		 "Exit: 0 right (warnings too), 66 no such file, 78 mistakes.\n",
	.run = check_run,
};
