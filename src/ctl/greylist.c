/* greylist.c -- weighctl greylist: who waits, who has passed, and what an administrator says. */
#include "base/utc.h"
#include "ctl/greylist_report.h"
#include "ctl/keys.h"
#include "ctl/store_call.h"
#include "daemon/clock.h"
#include "weigh/key.h"

#include <stdlib.h>

enum { REPORT_GROUPS_SHOWN = 10, TIME_COLUMNS = 8 };

/* --- one triplet --- */

static void emit_time(struct emit *emit, const char *name, int64_t ms)
{
	emit_key(emit, span_cstr(name));
	if (ms > 0)
		emit_int(emit, ms);
	else
		emit_null(emit);
}

static void emit_triplet(struct emit *emit, struct span key, const struct triplet *triplet,
			 enum greylist_state state, int64_t expires_ms)
{
	emit_begin(emit, '{');
	store_request_word(emit, "key", key);
	store_request_word(emit, "state", greylist_state_name(state));
	emit_time(emit, "first_ms", triplet->first_ms);
	emit_time(emit, "last_ms", triplet->last_ms);
	emit_time(emit, "passed_ms", triplet->passed_ms);
	emit_key(emit, SPAN("passes"));
	emit_int(emit, triplet->passes);
	emit_time(emit, "until_ms", triplet->until_ms);
	emit_time(emit, "expires_ms", expires_ms);
	emit_end(emit, '}');
}

static void print_emitted(struct emit *emit)
{
	char *line = emit_take(emit);

	if (line != NULL)
		fputs(line, stdout);
	free(line);
}

/* --- list --- */

struct listing {
	const struct store_call *call;
	int64_t now_ms;
	uint64_t count;
};

static void print_triplet(const struct listing *listing, const struct store_entry *entry,
			  const struct triplet *triplet, enum greylist_state state)
{
	if (listing->count == 0)
		printf("%-8s %*s %*s %*s %6s  key\n", "state", TIME_COLUMNS, "first", TIME_COLUMNS,
		       "last", TIME_COLUMNS, "expires", "passes");
	print_column(8, greylist_state_name(state));
	putchar(' ');
	if (triplet->first_ms > 0)
		print_span_of_time(TIME_COLUMNS, listing->now_ms - triplet->first_ms);
	else
		printf("%*s", TIME_COLUMNS, "-");
	putchar(' ');
	print_span_of_time(TIME_COLUMNS, listing->now_ms - triplet->last_ms);
	putchar(' ');
	if (entry->expires_ms > 0)
		print_span_of_time(TIME_COLUMNS, entry->expires_ms - listing->now_ms);
	else
		printf("%*s", TIME_COLUMNS, "never");
	printf(" %6lld  ", (long long)triplet->passes);
	ctl_print_line(stdout, entry->key);
	putchar('\n');
}

/* Who never came back waits, too. */
static bool is_wanted(const struct store_call *call, enum greylist_state state)
{
	unsigned states = call->states;

	if (states == 0)
		return true;
	if ((states & 1U << STATE_WAITING) != 0)
		states |= 1U << STATE_NEVER;
	return (states & 1U << state) != 0;
}

static bool list_entry(void *self, const struct store_entry *entry)
{
	struct listing *listing = self;
	enum greylist_state state;
	struct triplet triplet;

	if (triplet_parse(entry->value, &triplet) != OK)
		return true;
	state = greylist_state(&triplet, listing->now_ms, listing->call->after_ms);
	if (!is_wanted(listing->call, state))
		return true;
	if (listing->call->wants_json) {
		struct emit emit = { 0 };

		fputs(listing->count == 0 ? "\n" : ",\n", stdout);
		emit_triplet(&emit, entry->key, &triplet, state, entry->expires_ms);
		print_emitted(&emit);
	} else {
		print_triplet(listing, entry, &triplet, state);
	}
	listing->count++;
	return !ferror(stdout) &&
	       (listing->call->count == 0 || listing->count < listing->call->count);
}

static int run_list(struct store_call *call)
{
	struct listing listing = { .call = call, .now_ms = clock_wall_ms() };
	struct store_walk walk = { .class = STORE_TRIPLET, .take = list_entry, .self = &listing };
	TEXT(part, KEY_ROOM);
	int status;

	store_call_key(call, 0, call->argument_count, &part);
	walk.part = text_span(&part);
	if (call->wants_json)
		fputs("{\"ok\":true,\"entries\":[", stdout);
	status = store_link_walk(call->link, &walk);
	if (call->wants_json)
		fputs("]}\n", stdout);
	return status;
}

/* --- show --- */

struct showing {
	const struct key_place *place;
	struct triplet triplet;
	int64_t expires_ms;
	bool is_found;
};

static bool take_shown(void *self, const struct store_entry *entry)
{
	struct showing *showing = self;

	if (!span_equal(entry->key, span_cstr(showing->place->key)) ||
	    triplet_parse(entry->value, &showing->triplet) != OK)
		return true;
	showing->expires_ms = entry->expires_ms;
	showing->is_found = true;
	return false;
}

static void print_time(const char *what, int64_t ms, int64_t now_ms)
{
	TEXT(utc, 32);
	TEXT(age, 32);

	if (ms <= 0)
		return;
	text_add_utc(&utc, ms);
	text_add_span_of_time(&age, ms < now_ms ? now_ms - ms : ms - now_ms);
	printf("  %-9s %s  (%s%s%s)\n", what, text_cstr(&utc), ms > now_ms ? "in " : "",
	       text_cstr(&age), ms > now_ms ? "" : " ago");
}

static void print_shown(const struct showing *showing, enum greylist_state state, int64_t now_ms)
{
	const struct triplet *triplet = &showing->triplet;
	TEXT(delay, 32);

	ctl_print_line(stdout, span_cstr(showing->place->key));
	fputs("\n  state     ", stdout);
	ctl_print(stdout, greylist_state_name(state));
	putchar('\n');
	print_time("until", triplet->until_ms, now_ms);
	print_time("first", triplet->first_ms, now_ms);
	print_time("last", triplet->last_ms, now_ms);
	print_time("passed", triplet->passed_ms, now_ms);
	if (triplet->passed_ms > 0) {
		text_add_span_of_time(&delay, triplet->passed_ms - triplet->first_ms);
		printf("  %-9s %s\n", "delayed", text_cstr(&delay));
	}
	printf("  %-9s %lld\n", "passes", (long long)triplet->passes);
	if (showing->expires_ms > 0)
		print_time("expires", showing->expires_ms, now_ms);
	else
		puts("  expires   never");
}

static int run_show(struct store_call *call)
{
	int64_t now_ms = clock_wall_ms();
	struct key_match match;
	struct showing showing = { .place = &match.place[0] };
	struct store_walk walk = { .class = STORE_TRIPLET, .take = take_shown, .self = &showing };
	enum greylist_state state;
	TEXT(part, KEY_ROOM);
	int status;

	store_call_key(call, 0, call->argument_count, &part);
	status = keys_look(call, STORE_TRIPLET, SPAN(""), text_span(&part), &match);
	if (status == EX_OK)
		status = keys_one(&match);
	if (status != EX_OK)
		return status;
	walk.part = span_cstr(match.place[0].key);
	status = store_link_walk(call->link, &walk);
	if (status != EX_OK || !showing.is_found)
		return status != EX_OK ? status : CTL_DIFFERS;
	state = greylist_state(&showing.triplet, now_ms, call->after_ms);
	if (call->wants_json) {
		struct emit emit = { 0 };

		emit_triplet(&emit, walk.part, &showing.triplet, state, showing.expires_ms);
		print_emitted(&emit);
		putchar('\n');
	} else {
		print_shown(&showing, state, now_ms);
	}
	return EX_OK;
}

/* --- allow, deny, forget --- */

static int ask_about(struct store_call *call, struct span key, struct control_answer *answer_out)
{
	struct emit emit = store_request("greylist", call->what);

	store_request_word(&emit, "key", key);
	store_request_for(&emit, call);
	return store_request_ask(call, &emit, answer_out);
}

static void print_done(const struct store_call *call, struct span key, const json_t *root)
{
	int64_t expires_ms = (int64_t)json_integer_value(json_object_get(root, "expires"));
	TEXT(until, 32);

	if (call->wants_json) {
		struct emit emit = { 0 };

		emit_begin(&emit, '{');
		emit_key(&emit, SPAN("ok"));
		emit_bool(&emit, true);
		store_request_word(&emit, "key", key);
		emit_time(&emit, "expires_ms", expires_ms);
		emit_end(&emit, '}');
		print_emitted(&emit);
		putchar('\n');
		return;
	}
	printf("%s: ", strcmp(call->what, "allow") == 0  ? "allowed"
		       : strcmp(call->what, "deny") == 0 ? "denied"
							 : "forgotten");
	ctl_print_line(stdout, key);
	if (expires_ms > 0) {
		text_add_utc(&until, expires_ms);
		printf(" until %s", text_cstr(&until));
	}
	putchar('\n');
}

/* "NET sender recipient" may be said before it was ever seen. */
static bool is_whole(struct span key)
{
	unsigned words = 0;
	struct span rest = key, word;

	while (span_cut(&rest, ' ', &word))
		words++;
	return words >= 3;
}

/* The key that is meant: one that is there, or one that is to be. */
static int find_or_take(struct store_call *call, struct span part, struct span *key_out)
{
	static struct key_match match; /* too big for a stack, and asked for once */
	bool takes_new = strcmp(call->what, "forget") != 0;
	int status;

	*key_out = part;
	if ((call->given & OPTION_EXACT) != 0)
		return EX_OK;
	status = keys_look(call, STORE_TRIPLET, SPAN(""), part, &match);
	if (status != EX_OK || (match.count == 0 && takes_new && is_whole(part)))
		return status;
	*key_out = span_cstr(match.place[0].key);
	return keys_one(&match);
}

/* Whoever is trusted passes, and nothing is looked up. */
static int warn_of_trust(struct store_call *call, struct span key)
{
	static struct key_match trusted; /* too big for a stack */
	struct span client = span_first(key, span_find(key, ' '));
	int status = keys_look(call, STORE_KNOWN, SPAN("greylist.trusted"), client, &trusted);

	if (status == EX_OK && trusted.is_exact)
		ctl_say("whoever is trusted passes all the same, and returns of %.*s are counted: "
			"weighctl known remove greylist.trusted %.*s",
			SPAN_ARG(client), SPAN_ARG(client));
	return status;
}

static int run_change(struct store_call *call)
{
	struct control_answer answer;
	struct span key;
	TEXT(part, KEY_ROOM);
	int status;

	store_call_key(call, 0, call->argument_count, &part);
	status = find_or_take(call, text_span(&part), &key);
	if (status == EX_OK)
		status = ask_about(call, key, &answer);
	if (status != EX_OK)
		return status;
	if (json_is_false(json_object_get(answer.root, "found"))) {
		ctl_say("there is no such key");
		status = CTL_DIFFERS;
	} else {
		print_done(call, key, answer.root);
		if (strcmp(call->what, "deny") == 0)
			status = warn_of_trust(call, key);
	}
	control_answer_release(&answer);
	return status;
}

/* --- stats and report --- */

static bool take_reported(void *self, const struct store_entry *entry)
{
	struct triplet triplet;

	if (triplet_parse(entry->value, &triplet) == OK)
		greylist_report_add(self, entry->key, &triplet);
	return true;
}

static uint64_t delayed_of(const struct greylist_report *report)
{
	return report->back + report->state[STATE_WAITING] + report->state[STATE_NEVER];
}

static double percent_of(uint64_t part, uint64_t all)
{
	return all > 0 ? 100.0 * (double)part / (double)all : 0;
}

static void emit_count(struct emit *emit, const char *name, uint64_t count)
{
	emit_key(emit, span_cstr(name));
	emit_int(emit, (int64_t)count);
}

static void emit_groups(struct emit *emit, const char *name, const struct report_groups *groups,
			unsigned most)
{
	emit_key(emit, span_cstr(name));
	emit_begin(emit, '[');
	for (uint32_t i = 0; i < groups->count && i < most; i++) {
		const struct report_group *group = &groups->group[i];

		emit_begin(emit, '{');
		store_request_word(emit, "name", span_cstr(group->name));
		emit_count(emit, "delayed", group->delayed);
		emit_count(emit, "back", group->back);
		emit_count(emit, "never", group->never);
		emit_count(emit, "longest_ms", (uint64_t)group->longest_ms);
		emit_end(emit, '}');
	}
	emit_end(emit, ']');
}

static void emit_sums(struct emit *emit, const struct greylist_report *report)
{
	emit_begin(emit, '{');
	emit_key(emit, SPAN("ok"));
	emit_bool(emit, true);
	emit_count(emit, "delayed", delayed_of(report));
	emit_count(emit, "back", report->back);
	for (int i = 0; i < STATE_COUNT; i++)
		emit_count(emit, greylist_state_name((enum greylist_state)i).at, report->state[i]);
	emit_count(emit, "passes", report->passes);
	emit_key(emit, SPAN("delay_ms"));
	emit_begin(emit, '{');
	emit_count(emit, "median", (uint64_t)greylist_report_delay_ms(report, 50));
	emit_count(emit, "p95", (uint64_t)greylist_report_delay_ms(report, 95));
	emit_count(emit, "longest", (uint64_t)report->longest_ms);
	emit_end(emit, '}');
	emit_time(emit, "oldest_ms", report->oldest_ms);
}

static void print_sum(const char *what, uint64_t count, double percent)
{
	printf("%-32s %9llu", what, (unsigned long long)count);
	if (percent >= 0)
		printf("  %3.0f %%", percent);
	putchar('\n');
}

static void print_sums(const struct store_call *call, const struct greylist_report *report)
{
	uint64_t delayed = delayed_of(report);
	TEXT(never, 64);
	TEXT(times, 128);

	text_add(&never, SPAN("not back after "));
	text_add_span_of_time(&never, call->after_ms);
	print_sum("delayed", delayed, -1);
	print_sum("came back", report->back, percent_of(report->back, delayed));
	print_sum("may still come back", report->state[STATE_WAITING],
		  percent_of(report->state[STATE_WAITING], delayed));
	print_sum(text_cstr(&never), report->state[STATE_NEVER],
		  percent_of(report->state[STATE_NEVER], delayed));
	print_sum("allowed by an administrator", report->state[STATE_WHITE], -1);
	print_sum("denied by an administrator", report->state[STATE_BLACK], -1);
	print_sum("mails let through", report->passes, -1);
	if (report->back == 0)
		return;
	text_add(&times, SPAN("delay: half within "));
	text_add_span_of_time(&times, greylist_report_delay_ms(report, 50));
	text_add(&times, SPAN(", 95 % within "));
	text_add_span_of_time(&times, greylist_report_delay_ms(report, 95));
	text_add(&times, SPAN(", longest "));
	text_add_span_of_time(&times, report->longest_ms);
	puts(text_cstr(&times));
}

static void print_groups(const char *title, const struct report_groups *groups, unsigned most)
{
	printf("\n%8s %8s %8s %8s  %s\n", "delayed", "back", "never", "longest", title);
	for (uint32_t i = 0; i < groups->count && i < most; i++) {
		const struct report_group *group = &groups->group[i];

		printf("%8llu %8llu %8llu ", (unsigned long long)group->delayed,
		       (unsigned long long)group->back, (unsigned long long)group->never);
		if (group->back > 0)
			print_span_of_time(TIME_COLUMNS, group->longest_ms);
		else
			printf("%*s", TIME_COLUMNS, "-");
		fputs("  ", stdout);
		ctl_print_line(stdout, span_cstr(group->name));
		putchar('\n');
	}
	if (groups->count > most)
		printf("%37s(%u more)\n", "", groups->count - most);
}

static void show_report(struct store_call *call, struct greylist_report *report, bool has_groups)
{
	unsigned most = call->count > 0 ? call->count : REPORT_GROUPS_SHOWN;
	struct emit emit = { 0 };

	if (has_groups) {
		report_groups_sort(&report->networks);
		report_groups_sort(&report->domains);
	}
	if (call->wants_json) {
		emit_sums(&emit, report);
		if (has_groups) {
			emit_groups(&emit, "networks", &report->networks, most);
			emit_groups(&emit, "domains", &report->domains, most);
		}
		emit_end(&emit, '}');
		print_emitted(&emit);
		putchar('\n');
		return;
	}
	print_sums(call, report);
	if (!has_groups || report->networks.count == 0)
		return;
	print_groups("by network or organisation", &report->networks, most);
	print_groups("by recipient domain", &report->domains, most);
	if (report->state[STATE_NEVER] > 0)
		puts("\nWho they are: weighctl greylist list --never");
}

static int sum_up(struct store_call *call, bool has_groups)
{
	struct greylist_report *report = calloc(1, sizeof(*report));
	struct store_walk walk = { .class = STORE_TRIPLET, .take = take_reported, .self = report };
	int status = EX_OSERR;

	if (report != NULL && greylist_report_init(report) == OK) {
		report->now_ms = clock_wall_ms();
		report->after_ms = call->after_ms;
		report->since_ms = call->since_ms >= 0 ? report->now_ms - call->since_ms : 0;
		status = store_link_walk(call->link, &walk);
		if (status == EX_OK)
			show_report(call, report, has_groups);
		greylist_report_release(report);
	} else {
		ctl_say("no memory");
	}
	free(report);
	return status;
}

static int run_stats(struct store_call *call)
{
	return sum_up(call, false);
}

static int run_report(struct store_call *call)
{
	return sum_up(call, true);
}

static int run_keys(struct store_call *call)
{
	return keys_complete(call, STORE_TRIPLET, SPAN(""),
			     call->argument_count > 0 ? call->argument[0] : "");
}

static const struct store_what whats[] = {
	{ "list", OPTION_STATE | OPTION_AFTER | OPTION_COUNT, 0, -1, false, run_list },
	{ "show", OPTION_AFTER, 1, -1, false, run_show },
	{ "allow", OPTION_FOR | OPTION_EXACT, 1, -1, false, run_change },
	{ "deny", OPTION_FOR | OPTION_EXACT, 1, -1, false, run_change },
	{ "forget", OPTION_EXACT, 1, -1, false, run_change },
	{ "stats", OPTION_SINCE | OPTION_AFTER, 0, 0, false, run_stats },
	{ "report", OPTION_SINCE | OPTION_AFTER | OPTION_COUNT, 0, 0, false, run_report },
	{ "keys", 0, 0, 1, false, run_keys },
	{ 0 },
};

static int greylist_run(const struct verb *verb, int argc, char **argv)
{
	return store_call_run(verb, whats, argc, argv);
}

const struct verb verb_greylist = {
	.name = "greylist",
	.summary = "show and change whom greylisting delays",
	.usage = "WHAT [OPTION ...] [KEY]\n\n"
		 "  list [PART]   entries, or those whose key has PART: --waiting, --never,\n"
		 "                --passed, --white, --black; --count N at most\n"
		 "  show KEY      one entry\n"
		 "  allow KEY     let it pass from now on, --for D: no longer than D\n"
		 "  deny KEY      refuse it from now on, --for D: no longer than D\n"
		 "  forget KEY    as if it had never come\n"
		 "  stats         how many, and how long they were delayed\n"
		 "  report        the same by network and recipient domain, --since D, --count N\n"
		 "  keys [WORD]   words of keys that begin so\n\n"
		 "KEY is any part of one key alone; with --exact, and where allow and deny get\n"
		 "three words that nobody has, the whole key.  --after D (4h): who waits longer\n"
		 "never came back.\n\n"
		 "  --control PATH   socket of the daemon (" CTL_CONTROL_PATH ")\n"
		 "  --config FILE    without a daemon: open the store that it names\n"
		 "  -j, --json       as JSON\n\n"
		 "Exit: 0 done, 1 no such key or several, 69 no daemon, 75 the store fails.\n",
	.run = greylist_run,
};
