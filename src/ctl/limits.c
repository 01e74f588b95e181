/* limits.c -- weighctl limits: what has been counted, and what an administrator changes. */
#include "ctl/limits_view.h"

#include "base/utc.h"
#include "ctl/keys.h"
#include "ctl/store_call.h"
#include "daemon/clock.h"
#include "weigh/key.h"

#include <stdlib.h>

enum { TOP_STANDARD = 10 };

/* One tally that is shown; what it says is copied. */
struct shown {
	struct key_place place;
	struct limit_view view;
	int64_t expires_ms;
	int64_t used; /* the most of any window */
};

struct showing {
	const struct store_call *call;
	struct control_answer answer; /* whose spans names borrows */
	struct limit_names names;
	int64_t now_ms;
	uint64_t count;
	/* top */
	struct shown *top;
	unsigned top_count, top_most;
};

static int showing_begin(struct showing *showing, struct store_call *call)
{
	struct emit emit = store_request("limits", "names");
	int status = store_request_ask(call, &emit, &showing->answer);

	if (status != EX_OK)
		return status;
	showing->call = call;
	showing->now_ms = clock_wall_ms();
	limit_names_read(&showing->names, json_object_get(showing->answer.root, "names"));
	return EX_OK;
}

/* --- one tally --- */

/* @return false: it is no tally of ours */
static bool shown_of(const struct showing *showing, const struct store_entry *entry,
		     struct shown *shown)
{
	const struct limit_name *name = limit_names_find(&showing->names, entry->set);

	*shown = (struct shown){ .expires_ms = entry->expires_ms };
	key_place_set(&shown->place, entry->set, entry->key);
	if (limit_view(entry->value, name, showing->now_ms, &shown->view) != OK)
		return false;
	for (uint8_t i = 0; i < shown->view.count; i++)
		if (shown->view.use[i].used > shown->used)
			shown->used = shown->view.use[i].used;
	return true;
}

static void emit_number(struct emit *emit, const char *name, int64_t number)
{
	emit_key(emit, span_cstr(name));
	emit_int(emit, number);
}

static void emit_shown(struct emit *emit, const struct shown *shown)
{
	const struct limit_view *view = &shown->view;
	TEXT(rates, RATES_TEXT_MAX);

	emit_begin(emit, '{');
	store_request_word(emit, "limit", span_cstr(shown->place.set));
	store_request_word(emit, "key", span_cstr(shown->place.key));
	emit_key(emit, SPAN("uses"));
	emit_begin(emit, '[');
	for (uint8_t i = 0; i < view->count; i++) {
		emit_begin(emit, '{');
		emit_number(emit, "period_ms", view->use[i].period_ms);
		emit_number(emit, "used", view->use[i].used);
		emit_key(emit, SPAN("most"));
		if (view->use[i].most >= 0)
			emit_int(emit, view->use[i].most);
		else
			emit_null(emit);
		emit_number(emit, "wait_ms", view->use[i].wait_ms);
		emit_end(emit, '}');
	}
	emit_end(emit, ']');
	emit_key(emit, SPAN("raised"));
	if (view->raised_until_ms > 0) {
		text_add_rates(&rates, &view->raised);
		emit_begin(emit, '{');
		store_request_word(emit, "rates", text_span(&rates));
		emit_number(emit, "until_ms", view->raised_until_ms);
		emit_end(emit, '}');
	} else {
		emit_null(emit);
	}
	emit_number(emit, "refused", view->refused);
	emit_number(emit, "expires_ms", shown->expires_ms);
	emit_end(emit, '}');
}

static void print_use(const struct limit_use *use, struct span counting)
{
	TEXT(line, 200);

	text_addf(&line, "  %lld", (long long)use->used);
	if (use->most >= 0 && use->most < RATE_MOST_MAX)
		text_addf(&line, " of %lld", (long long)use->most);
	if (counting.len > 0) {
		text_add_char(&line, ' ');
		text_add(&line, counting);
	}
	text_add(&line, SPAN(" in "));
	text_add_duration(&line, use->period_ms);
	if (use->wait_ms > 0) {
		text_add(&line, SPAN(", one more in "));
		text_add_span_of_time(&line, use->wait_ms);
	}
	puts(text_cstr(&line));
}

static void print_shown(const struct showing *showing, const struct shown *shown)
{
	const struct limit_view *view = &shown->view;
	const struct limit_name *name =
		limit_names_find(&showing->names, span_cstr(shown->place.set));
	TEXT(raised, RATES_TEXT_MAX + 64);

	ctl_print_line(stdout, span_cstr(shown->place.set));
	putchar(' ');
	ctl_print_line(stdout, span_cstr(shown->place.key));
	putchar('\n');
	for (uint8_t i = 0; i < view->count; i++)
		print_use(&view->use[i], name != NULL ? name->counting : SPAN(""));
	if (view->raised_until_ms > 0) {
		text_add(&raised, SPAN("  raised to "));
		text_add_rates(&raised, &view->raised);
		text_add(&raised, SPAN(" until "));
		text_add_utc(&raised, view->raised_until_ms);
		puts(text_cstr(&raised));
	}
	if (view->refused > 0)
		printf("  %lld refused since the last notice\n", (long long)view->refused);
}

static void show_one(struct showing *showing, const struct shown *shown)
{
	struct emit emit = { 0 };
	char *line;

	if (!showing->call->wants_json) {
		print_shown(showing, shown);
		showing->count++;
		return;
	}
	fputs(showing->count++ == 0 ? "\n" : ",\n", stdout);
	emit_shown(&emit, shown);
	line = emit_take(&emit);
	if (line != NULL)
		fputs(line, stdout);
	free(line);
}

static void json_frame(const struct store_call *call, const char *text)
{
	if (call->wants_json)
		fputs(text, stdout);
}

/* --- show --- */

static bool take_shown(void *self, const struct store_entry *entry)
{
	struct showing *showing = self;
	struct shown shown;

	if (shown_of(showing, entry, &shown))
		show_one(showing, &shown);
	return !ferror(stdout);
}

static int run_show(struct store_call *call)
{
	static struct showing showing;
	struct store_walk walk = { .class = STORE_TALLY, .take = take_shown, .self = &showing };
	TEXT(part, KEY_ROOM);
	int status = showing_begin(&showing, call);

	if (status != EX_OK)
		return status;
	store_call_key(call, 0, call->argument_count, &part);
	walk.part = text_span(&part);
	json_frame(call, "{\"ok\":true,\"limits\":[");
	status = store_link_walk(call->link, &walk);
	json_frame(call, "]}\n");
	control_answer_release(&showing.answer);
	if (status != EX_OK || showing.count > 0 || part.len == 0)
		return status;
	fputs("weighctl: nothing is counted under a key with '", stderr);
	ctl_print(stderr, text_span(&part));
	fputs("' in it\n", stderr);
	return CTL_DIFFERS;
}

/* --- top --- */

static bool is_more(const struct shown *a, const struct shown *b)
{
	if (a->view.share > b->view.share || a->view.share < b->view.share)
		return a->view.share > b->view.share;
	return a->used > b->used;
}

static bool is_there(const struct showing *showing, const struct shown *shown)
{
	for (unsigned i = 0; i < showing->top_count; i++)
		if (strcmp(showing->top[i].place.set, shown->place.set) == 0 &&
		    strcmp(showing->top[i].place.key, shown->place.key) == 0)
			return true;
	return false;
}

/* The fullest first; as many as are wanted are kept. */
static bool take_top(void *self, const struct store_entry *entry)
{
	struct showing *showing = self;
	struct shown shown;
	unsigned at;

	if (!shown_of(showing, entry, &shown) || is_there(showing, &shown))
		return true;
	at = showing->top_count;
	if (at == showing->top_most && !is_more(&shown, &showing->top[at - 1]))
		return true;
	if (at == showing->top_most)
		at--;
	else
		showing->top_count++;
	for (; at > 0 && is_more(&shown, &showing->top[at - 1]); at--)
		showing->top[at] = showing->top[at - 1];
	showing->top[at] = shown;
	return true;
}

static int run_top(struct store_call *call)
{
	static struct showing showing;
	struct store_walk walk = { .class = STORE_TALLY, .take = take_top, .self = &showing };
	int status = showing_begin(&showing, call);

	if (status != EX_OK)
		return status;
	if (call->argument_count > 0)
		walk.set = span_cstr(call->argument[0]);
	showing.top_most = call->count > 0 ? call->count : TOP_STANDARD;
	showing.top = calloc(showing.top_most, sizeof(*showing.top));
	status = showing.top != NULL ? store_link_walk(call->link, &walk) : EX_OSERR;
	if (status == EX_OK) {
		json_frame(call, "{\"ok\":true,\"limits\":[");
		for (unsigned i = 0; i < showing.top_count; i++)
			show_one(&showing, &showing.top[i]);
		json_frame(call, "]}\n");
	}
	free(showing.top);
	control_answer_release(&showing.answer);
	return status;
}

/* --- reset and raise --- */

static void print_done(const struct store_call *call, const struct key_place *place,
		       const char *what, int64_t expires_ms)
{
	struct emit emit = { 0 };
	TEXT(until, 32);
	char *line;

	if (call->wants_json) {
		emit_begin(&emit, '{');
		emit_key(&emit, SPAN("ok"));
		emit_bool(&emit, true);
		store_request_word(&emit, "limit", span_cstr(place->set));
		store_request_word(&emit, "key", span_cstr(place->key));
		emit_number(&emit, "until_ms", expires_ms);
		emit_end(&emit, '}');
		line = emit_take(&emit);
		puts(line != NULL ? line : "{\"ok\":true}");
		free(line);
		return;
	}
	printf("%s: ", what);
	ctl_print_line(stdout, span_cstr(place->set));
	putchar(' ');
	ctl_print_line(stdout, span_cstr(place->key));
	if (expires_ms > 0) {
		text_add_utc(&until, expires_ms);
		printf(" until %s", text_cstr(&until));
	}
	putchar('\n');
}

static int change(struct store_call *call, const struct key_place *place, struct emit *emit,
		  const char *what)
{
	struct control_answer answer;
	int status;

	store_request_word(emit, "set", span_cstr(place->set));
	store_request_word(emit, "key", span_cstr(place->key));
	status = store_request_ask(call, emit, &answer);
	if (status != EX_OK)
		return status;
	if (json_is_false(json_object_get(answer.root, "found"))) {
		ctl_say("nothing is counted there");
		status = CTL_DIFFERS;
	} else {
		print_done(call, place, what,
			   (int64_t)json_integer_value(json_object_get(answer.root, "expires")));
	}
	control_answer_release(&answer);
	return status;
}

static int check_name(const struct store_call *call)
{
	size_t len = strlen(call->argument[0]);

	if (len > 0 && len <= STORE_SET_MAX && strchr(call->argument[0], ' ') == NULL)
		return EX_OK;
	return ctl_usage(call->verb, "the name of a limit is one word of at most %d bytes",
			 STORE_SET_MAX);
}

/* The one key, of those that the limit has counted. */
static int find_key(struct store_call *call, int end, struct key_match *match)
{
	TEXT(part, KEY_ROOM);
	int status;

	store_call_key(call, 1, end, &part);
	status =
		keys_look(call, STORE_TALLY, span_cstr(call->argument[0]), text_span(&part), match);
	return status == EX_OK ? keys_one(match) : status;
}

static int run_reset(struct store_call *call)
{
	static struct key_match match;
	struct emit emit;
	int status = check_name(call);

	if (status == EX_OK)
		status = find_key(call, call->argument_count, &match);
	if (status != EX_OK)
		return status;
	emit = store_request("limits", "reset");
	return change(call, &match.place[0], &emit, "reset");
}

/* What is raised for a period that the limit does not have raises nothing. */
static void warn_of_periods(const struct showing *showing, struct span name,
			    const struct rates *rates)
{
	const struct limit_name *limit = limit_names_find(&showing->names, name);
	TEXT(period, 32);

	if (limit == NULL) {
		fputs("weighctl: warning: no policy has a limit '", stderr);
		ctl_print(stderr, name);
		fputs("'\n", stderr);
		return;
	}
	for (uint8_t i = 0; i < rates->count && !limit->is_tabled; i++) {
		if (rates_find(&limit->rates, rates->rate[i].period_ms) != NULL)
			continue;
		text_clear(&period);
		text_add_duration(&period, rates->rate[i].period_ms);
		ctl_say("warning: the limit has no period of %s: nothing is raised for it",
			text_cstr(&period));
	}
}

/* A key that was never counted may be raised, too, if it is said whole. */
static int place_to_raise(struct store_call *call, struct key_match *match)
{
	TEXT(part, KEY_ROOM);
	int status;

	store_call_key(call, 1, call->argument_count - 1, &part);
	status =
		keys_look(call, STORE_TALLY, span_cstr(call->argument[0]), text_span(&part), match);
	if (status != EX_OK)
		return status;
	if (match->count == 0 || (call->given & OPTION_EXACT) != 0) {
		key_place_set(&match->place[0], span_cstr(call->argument[0]), text_span(&part));
		return EX_OK;
	}
	return keys_one(match);
}

static int run_raise(struct store_call *call)
{
	static struct showing showing;
	static struct key_match match;
	struct span text = span_cstr(call->argument[call->argument_count - 1]);
	struct rates rates;
	struct emit emit;
	int status = check_name(call);

	if (status != EX_OK)
		return status;
	if (rates_parse(text, &rates) != OK)
		return ctl_usage(call->verb,
				 "rates are like 100/1h, '100/1h, 500/1d', or none for no limit");
	if ((call->given & OPTION_FOR) == 0)
		return ctl_usage(call->verb, "say for how long: --for D");
	status = place_to_raise(call, &match);
	if (status == EX_OK)
		status = showing_begin(&showing, call);
	if (status != EX_OK)
		return status;
	warn_of_periods(&showing, span_cstr(call->argument[0]), &rates);
	control_answer_release(&showing.answer);
	emit = store_request("limits", "raise");
	store_request_word(&emit, "rates", text);
	store_request_for(&emit, call);
	return change(call, &match.place[0], &emit,
		      call->for_ms > 0 ? "raised" : "no longer raised");
}

/* --- for the shell --- */

static int run_names(struct store_call *call)
{
	static struct showing showing;
	int status = showing_begin(&showing, call);

	if (status != EX_OK)
		return status;
	if (call->wants_json)
		puts(showing.answer.line);
	for (unsigned i = 0; i < showing.names.count && !call->wants_json; i++) {
		const struct limit_name *name = &showing.names.name[i];
		TEXT(rates, RATES_TEXT_MAX);

		text_add_rates(&rates, &name->rates);
		ctl_print_line(stdout, name->name);
		printf("\t%s\t", text_cstr(&rates));
		ctl_print_line(stdout, name->counting);
		putchar('\n');
	}
	control_answer_release(&showing.answer);
	return EX_OK;
}

static int run_keys(struct store_call *call)
{
	return keys_complete(call, STORE_TALLY,
			     call->argument_count > 1 ? span_cstr(call->argument[0]) : SPAN(""),
			     call->argument_count > 0 ? call->argument[call->argument_count - 1]
						      : "");
}

static const struct store_what whats[] = {
	{ "show", 0, 0, -1, false, run_show },
	{ "top", OPTION_COUNT, 0, 1, false, run_top },
	{ "reset", 0, 2, -1, false, run_reset },
	{ "raise", OPTION_FOR | OPTION_EXACT, 3, -1, false, run_raise },
	{ "names", 0, 0, 0, false, run_names },
	{ "keys", 0, 0, 2, false, run_keys },
	{ 0 },
};

static int limits_run(const struct verb *verb, int argc, char **argv)
{
	return store_call_run(verb, whats, argc, argv);
}

const struct verb verb_limits = {
	.name = "limits",
	.summary = "show and change what limits have counted",
	.usage = "WHAT [OPTION ...] [ARGUMENT ...]\n\n"
		 "  show [KEY]            what is counted under keys that have KEY in them\n"
		 "  top [NAME]            the fullest, of one limit or all; --count N (10)\n"
		 "  reset NAME KEY        forget what the limit NAME has counted\n"
		 "  raise NAME KEY RATES  let more through --for D: 200/1h, '200/1h, 900/1d',\n"
		 "                        or none for no limit; --for 0: no longer\n"
		 "  names                 limits of the running policies, with their rates\n"
		 "  keys [NAME] [WORD]    words of keys that begin so\n\n"
		 "KEY is any part of one key alone; raise takes one that was never counted, too,\n"
		 "and any with --exact.\n\n"
		 "  --control PATH   socket of the daemon (" CTL_CONTROL_PATH ")\n"
		 "  --config FILE    without a daemon: open the store that it names\n"
		 "  -j, --json       as JSON\n\n"
		 "Exit: 0 done, 1 no such key or several, 69 no daemon, 75 the store fails.\n",
	.run = limits_run,
};
