/* zones.c -- weighctl zones: how are the DNS lists that are asked? */
#include "ctl/control.h"
#include "ctl/ctl.h"

enum { TIME_COLUMNS = 16 }; /* 2026-11-20T10:41 */

static struct span text_of(const json_t *zone, const char *name)
{
	const json_t *value = json_object_get(zone, name);

	return span_of(json_string_value(value), json_string_length(value));
}

static void print_time(struct span time)
{
	char column[TIME_COLUMNS + 1];

	time = span_first(time, TIME_COLUMNS);
	snprintf(column, sizeof(column), "%.*s", SPAN_ARG(time));
	if (time.len > 10)
		column[10] = ' ';
	printf("  %-*s", TIME_COLUMNS, time.len > 0 ? column : "never");
}

static long long number_of(const json_t *zone, const char *name)
{
	return (long long)json_integer_value(json_object_get(zone, name));
}

static int name_columns(const json_t *zones)
{
	size_t i, columns = 4;
	json_t *zone;

	json_array_foreach (zones, i, zone) {
		size_t len = text_of(zone, "name").len;

		columns = len > columns ? len : columns;
	}
	return (int)columns;
}

static void print_zone(const json_t *zone, int columns)
{
	struct span name = text_of(zone, "name"), answer = text_of(zone, "answer");
	struct span dead = text_of(zone, "dead_since"), trouble = text_of(zone, "trouble");

	ctl_print(stdout, name);
	printf("%*s  %-8s", columns - (int)name.len, "",
	       json_string_value(json_object_get(zone, "state")));
	print_time(text_of(zone, "since"));
	print_time(text_of(zone, "tested"));
	printf("  %8lld %8lld %7lld %7lld %7lld", number_of(zone, "asked"),
	       number_of(zone, "listed"), number_of(zone, "refused"), number_of(zone, "failed"),
	       number_of(zone, "skipped"));
	if (trouble.len > 0) {
		fputs("  ", stdout);
		ctl_print(stdout, trouble);
	}
	if (answer.len > 0) {
		fputs(" (", stdout);
		ctl_print(stdout, answer);
		putchar(')');
	}
	if (dead.len > 0) {
		fputs("  dead since ", stdout);
		ctl_print(stdout, dead);
	}
	putchar('\n');
}

/* What to do, below the table: one line for each that is parked. */
static void print_hints(const json_t *zones)
{
	size_t i;
	json_t *zone;

	json_array_foreach (zones, i, zone) {
		struct span hint = text_of(zone, "hint"), home = text_of(zone, "home");

		if (hint.len == 0)
			continue;
		putchar('\n');
		ctl_print(stdout, text_of(zone, "name"));
		fputs(": ", stdout);
		ctl_print(stdout, hint);
		if (home.len > 0) {
			fputs("\n    ", stdout);
			ctl_print(stdout, home);
		}
		putchar('\n');
	}
}

static void print_table(const json_t *root)
{
	const json_t *zones = json_object_get(root, "zones");
	int columns = name_columns(zones);
	size_t i;
	json_t *zone;

	printf("%-*s  %-8s  %-*s  %-*s  %8s %8s %7s %7s %7s\n", columns, "list", "state",
	       TIME_COLUMNS, "since", TIME_COLUMNS, "tested", "asked", "listed", "refused",
	       "failed", "skipped");
	json_array_foreach (zones, i, zone) {
		print_zone(zone, columns);
	}
	print_hints(zones);
	if (span_equal(text_of(root, "resolver"), SPAN("down")))
		puts("\nThe resolver answers nobody.");
}

static int status_of(const json_t *root)
{
	size_t i;
	json_t *zone;

	json_array_foreach (json_object_get(root, "zones"), i, zone) {
		if (span_equal(text_of(zone, "state"), SPAN("parked")))
			return 1;
	}
	return span_equal(text_of(root, "resolver"), SPAN("down"));
}

static int show(const struct control_answer *answer, bool wants_json)
{
	if (wants_json)
		puts(answer->line);
	else
		print_table(answer->root);
	return status_of(answer->root);
}

static int zones_run(const struct verb *verb, int argc, char **argv)
{
	return control_verb_run(verb, argc, argv, SPAN("{\"verb\":\"zones\"}"), show);
}

const struct verb verb_zones = {
	.name = "zones",
	.summary = "show how the DNS lists are that the daemon asks",
	.usage = "[--control PATH] [-j]\n\n"
		 "Ask the running daemon for the lists that its policies use: whether they pass "
		 "their\n"
		 "tests, what they last said, and what became of the questions.\n\n"
		 "  --control PATH   its control socket (" CTL_CONTROL_PATH ")\n"
		 "  -j, --json       as JSON\n\n"
		 "Exit: 0 none is parked, 1 some are, or the resolver is down, 69 the daemon "
		 "cannot be\n"
		 "reached, 77 it may not be asked.\n",
	.run = zones_run,
};
