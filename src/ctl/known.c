/* known.c -- weighctl known: what is remembered in sets. */
#include "base/utc.h"
#include "ctl/keys.h"
#include "ctl/store_call.h"
#include "daemon/clock.h"
#include "weigh/key.h"

#include <stdlib.h>

enum { TIME_COLUMNS = 8 };

/* --- list --- */

struct listing {
	const struct store_call *call;
	int64_t now_ms;
	uint64_t count;
};

static void emit_known(const struct store_entry *entry)
{
	struct emit emit = { 0 };
	char *line;

	emit_begin(&emit, '{');
	store_request_word(&emit, "set", entry->set);
	store_request_word(&emit, "key", entry->key);
	store_request_word(&emit, "value", entry->value);
	emit_key(&emit, SPAN("expires_ms"));
	if (entry->expires_ms > 0)
		emit_int(&emit, entry->expires_ms);
	else
		emit_null(&emit);
	emit_end(&emit, '}');
	line = emit_take(&emit);
	if (line != NULL)
		fputs(line, stdout);
	free(line);
}

static void print_known(const struct listing *listing, const struct store_entry *entry)
{
	if (listing->count == 0)
		printf("%-20s %*s  key = value\n", "set", TIME_COLUMNS, "expires");
	print_column(20, entry->set);
	putchar(' ');
	if (entry->expires_ms > 0)
		print_span_of_time(TIME_COLUMNS, entry->expires_ms - listing->now_ms);
	else
		printf("%*s", TIME_COLUMNS, "never");
	fputs("  ", stdout);
	ctl_print_line(stdout, entry->key);
	fputs(" = ", stdout);
	ctl_print_line(stdout, entry->value);
	putchar('\n');
}

static bool take_known(void *self, const struct store_entry *entry)
{
	struct listing *listing = self;

	if (listing->call->wants_json) {
		fputs(listing->count == 0 ? "\n" : ",\n", stdout);
		emit_known(entry);
	} else {
		print_known(listing, entry);
	}
	listing->count++;
	return !ferror(stdout) &&
	       (listing->call->count == 0 || listing->count < listing->call->count);
}

static int run_list(struct store_call *call)
{
	struct listing listing = { .call = call, .now_ms = clock_wall_ms() };
	struct store_walk walk = { .class = STORE_KNOWN, .take = take_known, .self = &listing };
	TEXT(part, KEY_ROOM);
	int status;

	if (call->argument_count > 0)
		walk.set = span_cstr(call->argument[0]);
	store_call_key(call, 1, call->argument_count, &part);
	walk.part = text_span(&part);
	if (call->wants_json)
		fputs("{\"ok\":true,\"entries\":[", stdout);
	status = store_link_walk(call->link, &walk);
	if (call->wants_json)
		fputs("]}\n", stdout);
	return status;
}

/* --- add and remove --- */

static void print_done(const struct store_call *call, struct span key, const char *what,
		       int64_t expires_ms)
{
	TEXT(until, 32);

	if (call->wants_json) {
		emit_known(&(struct store_entry){ .set = span_cstr(call->argument[0]),
						  .key = key,
						  .value = SPAN(""),
						  .expires_ms = expires_ms });
		putchar('\n');
		return;
	}
	printf("%s: ", what);
	ctl_print_line(stdout, span_cstr(call->argument[0]));
	putchar(' ');
	ctl_print_line(stdout, key);
	if (expires_ms > 0) {
		text_add_utc(&until, expires_ms);
		printf(" until %s", text_cstr(&until));
	}
	putchar('\n');
}

static int change(struct store_call *call, struct span key, struct emit *emit, const char *what)
{
	struct control_answer answer;
	int status;

	store_request_word(emit, "set", span_cstr(call->argument[0]));
	store_request_word(emit, "key", key);
	status = store_request_ask(call, emit, &answer);
	if (status != EX_OK)
		return status;
	if (json_is_false(json_object_get(answer.root, "found"))) {
		ctl_say("there is no such key");
		status = CTL_DIFFERS;
	} else {
		print_done(call, key, what,
			   (int64_t)json_integer_value(json_object_get(answer.root, "expires")));
	}
	control_answer_release(&answer);
	return status;
}

/* A set that no policy reads may be a mistake in its name. */
static int warn_of_set(struct store_call *call)
{
	struct emit emit = store_request("known", "names");
	struct span set = span_cstr(call->argument[0]);
	struct control_answer answer;
	bool is_named = false;
	json_t *name;
	size_t i;
	int status = store_request_ask(call, &emit, &answer);

	if (status != EX_OK)
		return status;
	json_array_foreach (json_object_get(answer.root, "names"), i, name) {
		is_named |=
			span_equal(set, span_of(json_string_value(name), json_string_length(name)));
	}
	control_answer_release(&answer);
	if (!is_named && !span_starts(set, SPAN("classic."))) {
		fputs("weighctl: warning: no policy remembers in, or reads, '", stderr);
		ctl_print(stderr, set);
		fputs("'\n", stderr);
	}
	return EX_OK;
}

static int run_add(struct store_call *call)
{
	struct emit emit;
	TEXT(key, KEY_ROOM);
	int status = warn_of_set(call);

	if (status != EX_OK)
		return status;
	store_call_key(call, 1, call->argument_count, &key);
	emit = store_request("known", "add");
	store_request_for(&emit, call);
	if (call->value != NULL)
		store_request_word(&emit, "value", span_cstr(call->value));
	return change(call, text_span(&key), &emit, "added");
}

static int run_remove(struct store_call *call)
{
	static struct key_match match;
	struct emit emit;
	TEXT(part, KEY_ROOM);
	int status;

	store_call_key(call, 1, call->argument_count, &part);
	if (call->argument[0][0] == '\0')
		return ctl_usage(call->verb, "which set?");
	status = keys_look(call, STORE_KNOWN, span_cstr(call->argument[0]), text_span(&part),
			   &match);
	if (status == EX_OK)
		status = keys_one(&match);
	if (status != EX_OK)
		return status;
	emit = store_request("known", "remove");
	return change(call, span_cstr(match.place[0].key), &emit, "removed");
}

/* --- for the shell --- */

static int run_sets(struct store_call *call)
{
	struct emit emit = store_request("known", "names");
	struct control_answer answer;
	json_t *name;
	size_t i;
	int status = store_request_ask(call, &emit, &answer);

	if (status != EX_OK)
		return status;
	if (call->wants_json)
		puts(answer.line);
	else
		json_array_foreach (json_object_get(answer.root, "names"), i, name) {
			ctl_print_line(stdout,
				       span_of(json_string_value(name), json_string_length(name)));
			putchar('\n');
		}
	control_answer_release(&answer);
	return EX_OK;
}

static int run_keys(struct store_call *call)
{
	return keys_complete(call, STORE_KNOWN,
			     call->argument_count > 1 ? span_cstr(call->argument[0]) : SPAN(""),
			     call->argument_count > 0 ? call->argument[call->argument_count - 1]
						      : "");
}

static const struct store_what whats[] = {
	{ "list", OPTION_COUNT, 0, -1, false, run_list },
	{ "add", OPTION_FOR | OPTION_VALUE, 2, -1, false, run_add },
	{ "remove", 0, 2, -1, false, run_remove },
	{ "sets", 0, 0, 0, false, run_sets },
	{ "keys", 0, 0, 2, false, run_keys },
	{ 0 },
};

static int known_run(const struct verb *verb, int argc, char **argv)
{
	return store_call_run(verb, whats, argc, argv);
}

const struct verb verb_known = {
	.name = "known",
	.summary = "show and change what is remembered in sets",
	.usage = "WHAT [OPTION ...] [ARGUMENT ...]\n\n"
		 "  list [SET [PART]]    entries of one set or all; --count N at most\n"
		 "  add SET KEY          remember it, --for D (for ever), --value TEXT\n"
		 "  remove SET KEY       forget it; KEY may be any part of one key alone\n"
		 "  sets                 sets of the running policies\n"
		 "  keys [SET] [WORD]    words of keys that begin so\n\n"
		 "  --control PATH   socket of the daemon (" CTL_CONTROL_PATH ")\n"
		 "  --config FILE    without a daemon: open the store that it names\n"
		 "  -j, --json       as JSON\n\n"
		 "Exit: 0 done, 1 no such key or several, 69 no daemon, 75 the store fails.\n",
	.run = known_run,
};
