/* state_desk.c -- where an administrator looks into the store, and changes what is there. */
#include "daemon/state_desk_priv.h"

#include "base/ensure.h"
#include "base/escape.h"
#include "base/utc.h"
#include "daemon/clock.h"
#include "daemon/state_entry.h"
#include "daemon/state_names.h"

#include <stdlib.h>

enum { PAGE_STANDARD = 100 };

struct state_desk {
	struct state_desk_options options;
	struct state_request *request[STATE_REQUESTS_MAX]; /* NULL: free */
};

/* --- answers --- */

static void request_free(struct state_request *request)
{
	struct state_desk *desk = request->desk;

	for (int i = 0; i < STATE_REQUESTS_MAX; i++)
		if (desk->request[i] == request)
			desk->request[i] = NULL;
	json_decref(request->root);
	free(request);
}

/* The end of a request.  emit holds the answer, and is released. */
void state_answer(struct state_request *request, struct emit *emit)
{
	struct state_question question = request->question;
	char *line;

	emit_end(emit, '}');
	line = emit_take(emit);
	request_free(request);
	if (question.answered != NULL)
		question.answered(question.owner,
				  line != NULL ? span_cstr(line)
					       : SPAN("{\"ok\":false,\"error\":\"no memory\"}"));
	free(line);
}

struct emit state_answer_begin(bool is_ok)
{
	struct emit emit = { 0 };

	emit_begin(&emit, '{');
	emit_key(&emit, SPAN("ok"));
	emit_bool(&emit, is_ok);
	return emit;
}

struct store_port *state_port(const struct state_request *request)
{
	return request->desk->options.port;
}

void state_emit_word(struct emit *emit, struct span name, struct span word)
{
	emit_key(emit, name);
	emit_text(emit, word);
}

void state_emit_number(struct emit *emit, struct span name, int64_t number)
{
	emit_key(emit, name);
	emit_int(emit, number);
}

/* It cannot be asked so. */
void state_refuse(struct state_request *request, struct span why)
{
	struct emit emit = state_answer_begin(false);

	state_emit_word(&emit, SPAN("error"), why);
	state_answer(request, &emit);
}

/* The store has not done it. */
void state_fail(struct state_request *request, enum err err, struct span why)
{
	struct emit emit = state_answer_begin(false);

	if (err == ERR_SYNTAX) {
		emit_release(&emit);
		state_refuse(request, why);
		return;
	}
	state_emit_word(&emit, SPAN("why"), why);
	state_answer(request, &emit);
}

/* --- the log --- */

static void add_place(struct text *text, const struct store_entry *entry)
{
	if (entry->set.len > 0) {
		text_add_escaped(text, entry->set, STORE_SET_MAX);
		text_add_char(text, ' ');
	}
	text_add_escaped(text, entry->key, STORE_KEY_MAX);
}

void state_say(const struct state_request *request, const char *what, int64_t until_ms)
{
	const struct state_desk_options *options = &request->desk->options;
	TEXT(text, STATE_SAID_MAX);

	if (options->said == NULL)
		return;
	text_addf(&text, "weighctl, uid %u: ", request->question.uid);
	if (request->entry.key.len > 0) {
		text_add(&text, store_class_name(request->class));
		text_add_char(&text, ' ');
		add_place(&text, &request->entry);
		text_add_char(&text, ' ');
	}
	text_add(&text, span_cstr(what));
	if (until_ms > 0) {
		text_add(&text, SPAN(" until "));
		text_add_utc(&text, until_ms);
	}
	options->said(options->self, text_cstr(&text));
}

/* --- pages --- */

static void emit_page(struct emit *emit, const struct store_ended *ended)
{
	emit_key(emit, SPAN("entries"));
	emit_begin(emit, '[');
	for (uint32_t i = 0; i < ended->entry_count; i++)
		state_emit_entry(emit, &ended->entry[i]);
	emit_end(emit, ']');
	emit_key(emit, SPAN("more"));
	emit_bool(emit, ended->has_more);
	if (ended->has_more) {
		state_emit_word(emit, SPAN("after_set"), ended->next_set);
		state_emit_word(emit, SPAN("after"), ended->next);
	}
}

static void ask_page(struct state_request *request);

static void on_page(void *self, const struct store_ended *ended)
{
	struct state_request *request = self;
	struct emit emit;

	if (ended->result != OK) {
		state_fail(request, ended->result, ended->why);
		return;
	}
	emit = state_answer_begin(true);
	emit_page(&emit, ended);
	if (emit.len > STATE_ANSWER_BYTES_MAX && ended->entry_count > 1) {
		emit_release(&emit);
		request->most = ended->entry_count / 2;
		ask_page(request);
		return;
	}
	state_answer(request, &emit);
}

static void ask_page(struct state_request *request)
{
	const struct store_page page = {
		.class = request->class,
		.set = request->entry.set,
		.after_set = state_text(request->root, "after_set"),
		.after = state_text(request->root, "after"),
		.contains = state_text(request->root, "part"),
		.most = request->most,
	};

	store_page(request->desk->options.port, &page, request->now_ms, on_page, request);
}

static void run_page(struct state_request *request)
{
	const json_t *most = json_object_get(request->root, "most");
	json_int_t number = most != NULL ? json_integer_value(most) : PAGE_STANDARD;

	if (number < 1 || number > STORE_PAGE_MAX) {
		state_refuse(request, SPAN("\"most\" is 1 to 1000"));
		return;
	}
	request->most = (uint32_t)number;
	ask_page(request);
}

/* --- entries as they are --- */

static void keep_why(struct state_request *request, struct span why)
{
	struct text text = { request->why, 0, sizeof(request->why), false };

	request->failed++;
	if (request->why[0] != '\0')
		return;
	text_add(&text, span_first(why, STATE_WHY_MAX - 1));
	(void)text_cstr(&text);
}

static void put_ended(struct state_request *request)
{
	struct emit emit;

	if (--request->waits > 0)
		return;
	if (request->put > 0) {
		TEXT(what, 64);

		text_addf(&what, "%u entries of the store written", request->put);
		state_say(request, text_cstr(&what), 0);
	}
	emit = state_answer_begin(true);
	state_emit_number(&emit, SPAN("put"), request->put);
	state_emit_number(&emit, SPAN("failed"), request->failed);
	if (request->failed > 0)
		state_emit_word(&emit, SPAN("why"), span_cstr(request->why));
	state_answer(request, &emit);
}

static void on_put(void *self, const struct store_ended *ended)
{
	struct state_request *request = self;

	if (ended->result == OK)
		request->put++;
	else
		keep_why(request, ended->why);
	put_ended(request);
}

static void run_put(struct state_request *request)
{
	const json_t *entries = json_object_get(request->root, "entries");
	struct store_entry entry;
	const char *why;
	json_t *one;
	size_t i;

	if (!json_is_array(entries)) {
		state_refuse(request, SPAN("\"entries\" is no list"));
		return;
	}
	request->entry = (struct store_entry){ .class = request->class };
	request->waits = 1; /* some are answered at once: the end comes below */
	json_array_foreach (entries, i, one) {
		if (state_entry_parse(one, &entry, &why) != OK) {
			keep_why(request, span_cstr(why));
			continue;
		}
		request->waits++;
		request->class = entry.class;
		store_put(request->desk->options.port, &entry, request->now_ms, on_put, request);
	}
	put_ended(request);
}

/* --- what there is --- */

static void run_names(struct state_request *request)
{
	struct emit emit = state_answer_begin(true);

	emit_key(&emit, SPAN("names"));
	switch (request->class) {
	case STORE_KNOWN: state_emit_sets(&emit, request->question.config); break;
	case STORE_TALLY: state_emit_limits(&emit, request->question.config); break;
	case STORE_TRIPLET: state_emit_greylists(&emit, request->question.config); break;
	case STORE_CLASS_COUNT: ENSURE(false);
	}
	state_answer(request, &emit);
}

void state_emit_figures(struct emit *emit, const struct store *store)
{
	static const char *const kinds[] = {
		[STORE_MEMORY] = "memory",
		[STORE_SQLITE] = "sqlite",
		[STORE_REDIS] = "redis",
	};
	struct store_figures figures;

	store_figures(store, &figures);
	emit_begin(emit, '{');
	state_emit_word(emit, SPAN("kind"), span_cstr(kinds[store_kind(store)]));
#define FIGURE(name) state_emit_number(emit, SPAN(#name), (int64_t)figures.name);
	STORE_FIGURES(FIGURE)
#undef FIGURE
	emit_end(emit, '}');
}

static void run_figures(struct state_request *request)
{
	struct emit emit = state_answer_begin(true);

	emit_key(&emit, SPAN("store"));
	state_emit_figures(&emit, request->desk->options.store);
	state_answer(request, &emit);
}

/* --- requests --- */

enum wanted { WANTS_NOTHING, WANTS_KEY, WANTS_SET_AND_KEY };

static const struct {
	struct span verb, what;
	enum store_class class; /* STORE_CLASS_COUNT: as "kind" says */
	enum wanted wanted;
	void (*run)(struct state_request *request);
} actions[] = {
	{ SPAN_INIT("store"), SPAN_INIT("page"), STORE_CLASS_COUNT, WANTS_NOTHING, run_page },
	{ SPAN_INIT("store"), SPAN_INIT("put"), STORE_KNOWN, WANTS_NOTHING, run_put },
	{ SPAN_INIT("store"), SPAN_INIT("figures"), STORE_KNOWN, WANTS_NOTHING, run_figures },
	{ SPAN_INIT("greylist"), SPAN_INIT("list"), STORE_TRIPLET, WANTS_NOTHING, run_page },
	{ SPAN_INIT("greylist"), SPAN_INIT("names"), STORE_TRIPLET, WANTS_NOTHING, run_names },
	{ SPAN_INIT("greylist"), SPAN_INIT("allow"), STORE_TRIPLET, WANTS_KEY, state_run_allow },
	{ SPAN_INIT("greylist"), SPAN_INIT("deny"), STORE_TRIPLET, WANTS_KEY, state_run_deny },
	{ SPAN_INIT("greylist"), SPAN_INIT("forget"), STORE_TRIPLET, WANTS_KEY, state_run_erase },
	{ SPAN_INIT("limits"), SPAN_INIT("list"), STORE_TALLY, WANTS_NOTHING, run_page },
	{ SPAN_INIT("limits"), SPAN_INIT("names"), STORE_TALLY, WANTS_NOTHING, run_names },
	{ SPAN_INIT("limits"), SPAN_INIT("reset"), STORE_TALLY, WANTS_SET_AND_KEY,
	  state_run_erase },
	{ SPAN_INIT("limits"), SPAN_INIT("raise"), STORE_TALLY, WANTS_SET_AND_KEY,
	  state_run_raise },
	{ SPAN_INIT("known"), SPAN_INIT("list"), STORE_KNOWN, WANTS_NOTHING, run_page },
	{ SPAN_INIT("known"), SPAN_INIT("names"), STORE_KNOWN, WANTS_NOTHING, run_names },
	{ SPAN_INIT("known"), SPAN_INIT("add"), STORE_KNOWN, WANTS_SET_AND_KEY, state_run_add },
	{ SPAN_INIT("known"), SPAN_INIT("remove"), STORE_KNOWN, WANTS_SET_AND_KEY,
	  state_run_erase },
};

static bool read_for(struct state_request *request)
{
	const json_t *for_ms = json_object_get(request->root, "for_ms");

	request->for_ms = for_ms == NULL ? -1 : (int64_t)json_integer_value(for_ms);
	return for_ms == NULL || (json_is_integer(for_ms) && request->for_ms >= 0 &&
				  request->for_ms <= STATE_FOR_MS_MAX);
}

/* NULL: set and key are those of an entry, as far as they are wanted. */
static const char *place_fault(const struct state_request *request, enum wanted wanted)
{
	const struct store_entry *entry = &request->entry;

	if (entry->set.len > STORE_SET_MAX || entry->key.len > STORE_KEY_MAX)
		return "longer than any set or key can be";
	if (wanted != WANTS_NOTHING && entry->key.len == 0)
		return "\"key\" is missing";
	if (wanted == WANTS_SET_AND_KEY &&
	    (entry->set.len == 0 || span_find(entry->set, ' ') < entry->set.len))
		return "\"set\" is missing, or has a blank in it";
	return NULL;
}

/* A member of another kind than its own is no member left out.  NULL: there is none. */
static const char *kind_fault(const struct state_request *request)
{
	static const struct {
		const char *name, *fault;
	} texts[] = {
		{ "set", "\"set\" is no text" },     { "key", "\"key\" is no text" },
		{ "value", "\"value\" is no text" }, { "part", "\"part\" is no text" },
		{ "after", "\"after\" is no text" }, { "after_set", "\"after_set\" is no text" },
	};
	const json_t *most = json_object_get(request->root, "most");

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const json_t *member = json_object_get(request->root, texts[i].name);

		if (member != NULL && !json_is_string(member))
			return texts[i].fault;
	}
	return most == NULL || json_is_integer(most) ? NULL : "\"most\" is no whole number";
}

static void request_run(struct state_request *request)
{
	struct span verb = state_text(request->root, "verb");
	struct span what = state_text(request->root, "do");
	const char *fault;

	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		if (!span_equal(actions[i].verb, verb) || !span_equal(actions[i].what, what))
			continue;
		request->class = actions[i].class;
		if (request->class == STORE_CLASS_COUNT &&
		    !state_class_find(state_text(request->root, "kind"), &request->class)) {
			state_refuse(request,
				     SPAN("\"kind\" is none of greylist, limit and known"));
			return;
		}
		request->entry.class = request->class;
		fault = kind_fault(request);
		if (fault == NULL)
			fault = place_fault(request, actions[i].wanted);
		if (fault == NULL && !read_for(request))
			fault = "\"for_ms\" is no time, or more than 100 years";
		if (fault != NULL)
			state_refuse(request, span_cstr(fault));
		else
			actions[i].run(request);
		return;
	}
	state_refuse(request, SPAN("there is no such thing to do"));
}

static struct state_request *request_new(struct state_desk *desk)
{
	for (int i = 0; i < STATE_REQUESTS_MAX; i++) {
		if (desk->request[i] != NULL)
			continue;
		desk->request[i] = calloc(1, sizeof(struct state_request));
		if (desk->request[i] != NULL)
			desk->request[i]->desk = desk;
		return desk->request[i];
	}
	return NULL;
}

void state_desk_ask(struct state_desk *desk, const struct state_question *question)
{
	struct state_request *request = request_new(desk);

	if (request == NULL) {
		question->answered(question->owner,
				   SPAN("{\"ok\":false,\"error\":\"too much is asked at once\"}"));
		return;
	}
	request->question = *question;
	request->now_ms = clock_wall_ms();
	request->root =
		json_loadb(question->request.at, question->request.len, JSON_ALLOW_NUL, NULL);
	request->entry.set = state_text(request->root, "set");
	request->entry.key = state_text(request->root, "key");
	request->entry.value = state_text(request->root, "value");
	request_run(request);
}

void state_desk_leave(struct state_desk *desk, const void *owner)
{
	for (int i = 0; i < STATE_REQUESTS_MAX; i++)
		if (desk->request[i] != NULL && desk->request[i]->question.owner == owner)
			desk->request[i]->question.answered = NULL;
}

struct state_desk *state_desk_new(const struct state_desk_options *options)
{
	struct state_desk *desk = calloc(1, sizeof(*desk));

	if (desk != NULL)
		desk->options = *options;
	return desk;
}

void state_desk_free(struct state_desk *desk)
{
	if (desk == NULL)
		return;
	for (int i = 0; i < STATE_REQUESTS_MAX; i++)
		if (desk->request[i] != NULL)
			request_free(desk->request[i]);
	free(desk);
}
