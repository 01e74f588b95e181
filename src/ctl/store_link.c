/* store_link.c -- the way to the store: through the running daemon, or to the store itself. */
#include "ctl/store_link.h"

#include "base/escape.h"
#include "daemon/privileges.h"
#include "daemon/state_desk.h"
#include "daemon/state_entry.h"
#include "daemon/storing.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SAID_MAX = 1024 };

struct store_link {
	char *control; /* of the daemon; NULL: the store is open here */
	struct config *config;
	struct event_base *base;
	struct store *store;
	struct store_port *port;
	struct state_desk *desk;
};

/* --- the store itself --- */

static void say_why(const char *what, const struct text *why)
{
	fprintf(stderr, "weighctl: %s: ", what);
	ctl_print_line(stderr, text_span(why));
	fputc('\n', stderr);
}

static void say_for_store(void *self, enum store_level level, const char *text)
{
	TEXT(said, SAID_MAX);

	(void)self;
	if (level == STORE_NOTICE)
		return;
	text_add(&said, span_cstr(text));
	say_why("store", &said);
}

/* Files that are made here must be the daemon's to use. */
static int become_its_user(const struct config *config)
{
	struct owner owner;
	TEXT(why, SAID_MAX);

	if (privileges_owner(config->user, &why, &owner) != OK) {
		say_why("user", &why);
		return EX_NOUSER;
	}
	if (privileges_drop(config->user, &owner, &why) != OK) {
		say_why("user", &why);
		return EX_NOPERM;
	}
	return EX_OK;
}

static int open_store(struct store_link *link)
{
	struct storing storing = { 0 };
	TEXT(why, STORE_WHY_MAX);
	int status;

	if (link->config->store.kind == STORE_MEMORY) {
		ctl_say("its store is in the memory of the daemon, which is not running");
		return EX_UNAVAILABLE;
	}
	if (storing_prepare(&storing, link->config, &why) != OK) {
		say_why("store", &why);
		return EX_CONFIG;
	}
	status = become_its_user(link->config);
	if (status != EX_OK)
		return status;
	storing.options.say = say_for_store;
	if (store_open(&storing.options, &why, &link->store) == OK)
		return EX_OK;
	say_why("the store cannot be opened", &why);
	return EX_UNAVAILABLE;
}

static int open_desk(struct store_link *link)
{
	struct state_desk_options options = { 0 };

	link->base = event_base_new();
	if (link->base != NULL)
		link->port = store_port_open(link->store, link->base);
	options.store = link->store;
	options.port = link->port;
	if (link->port != NULL)
		link->desk = state_desk_new(&options);
	if (link->desk != NULL)
		return EX_OK;
	ctl_say("no memory");
	return EX_OSERR;
}

/* --- opening --- */

static bool is_answered(struct span path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	bool is_there = false;
	int fd;

	if (path.len == 0 || path.len >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path.at, path.len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		is_there = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
	if (fd >= 0)
		close(fd);
	return is_there;
}

static int read_config(struct store_link *link, const char *path)
{
	struct text report;
	int status = ctl_read_config(path, &report, &link->config);

	if (status != EX_OK && report.len > 0)
		fwrite(report.at, 1, report.len, stderr);
	else if (status != EX_OK)
		ctl_say("cannot read the configuration");
	free(report.at);
	return status;
}

static int link_open(struct store_link *link, const struct store_link_options *options)
{
	int status;

	if (options->config == NULL || options->control != NULL) {
		link->control =
			strdup(options->control != NULL ? options->control : CTL_CONTROL_PATH);
		return link->control != NULL ? EX_OK : EX_OSERR;
	}
	status = read_config(link, options->config);
	if (status != EX_OK)
		return status;
	if (is_answered(link->config->control.path)) {
		link->control =
			strndup(link->config->control.path.at, link->config->control.path.len);
		return link->control != NULL ? EX_OK : EX_OSERR;
	}
	status = open_store(link);
	return status == EX_OK ? open_desk(link) : status;
}

int store_link_open(const struct store_link_options *options, struct store_link **link_out)
{
	struct store_link *link = calloc(1, sizeof(*link));
	int status = link != NULL ? link_open(link, options) : EX_OSERR;

	if (status == EX_OK)
		*link_out = link;
	else
		store_link_close(link);
	return status;
}

void store_link_close(struct store_link *link)
{
	if (link == NULL)
		return;
	store_port_close(link->port);
	state_desk_free(link->desk);
	store_close(link->store);
	if (link->base != NULL)
		event_base_free(link->base);
	if (link->config != NULL)
		config_drop(link->config);
	free(link->control);
	free(link);
}

bool store_link_has_daemon(const struct store_link *link)
{
	return link != NULL && link->control != NULL;
}

/* --- asking --- */

/* The answer of the desk here. */
struct heard {
	struct event_base *base;
	char *line;
	bool is_over, is_late;
};

static void on_answer(void *owner, struct span line)
{
	struct heard *heard = owner;

	heard->line = strndup(line.at, line.len);
	heard->is_over = true;
}

static void on_late(evutil_socket_t fd, short what, void *self)
{
	struct heard *heard = self;

	(void)fd;
	(void)what;
	heard->is_late = true;
}

/* The clock of one question ends with it: event_base_loopexit() would cut off a later one. */
static void hear(struct heard *heard)
{
	static const struct timeval patience = { .tv_sec = CONTROL_PATIENCE_MS / 1000 };
	struct event *late = evtimer_new(heard->base, on_late, heard);

	heard->is_late = late == NULL || evtimer_add(late, &patience) != 0;
	while (!heard->is_over && !heard->is_late && event_base_loop(heard->base, EVLOOP_ONCE) == 0)
		;
	if (late != NULL)
		event_free(late);
}

static int ask_here(struct store_link *link, struct span request, struct control_answer *answer_out)
{
	struct heard heard = { .base = link->base };
	const struct state_question question = {
		.request = request,
		.config = link->config,
		.uid = getuid(),
		.answered = on_answer,
		.owner = &heard,
	};

	state_desk_ask(link->desk, &question);
	if (!heard.is_over)
		hear(&heard);
	if (!heard.is_over) {
		state_desk_leave(link->desk, &heard);
		ctl_say("the store does not answer");
		return EX_TEMPFAIL;
	}
	answer_out->line = heard.line;
	answer_out->root = heard.line != NULL ? json_loads(heard.line, JSON_ALLOW_NUL, NULL) : NULL;
	if (json_is_object(answer_out->root))
		return EX_OK;
	control_answer_release(answer_out);
	ctl_say("no memory");
	return EX_OSERR;
}

/* What a desk of our own refuses, and what the store cannot do, wherever the desk is. */
static int say_failed(const json_t *root)
{
	bool is_refused = json_object_get(root, "error") != NULL;

	fprintf(stderr, "weighctl: %s: ", is_refused ? "refused" : "store");
	ctl_print_line(stderr, state_text(root, is_refused ? "error" : "why"));
	fputc('\n', stderr);
	return is_refused ? EX_DATAERR : EX_TEMPFAIL;
}

int store_link_ask(struct store_link *link, struct span request, struct control_answer *answer_out)
{
	struct control_answer answer = { 0 };
	int status = link->control != NULL ? control_ask(link->control, request, &answer)
					   : ask_here(link, request, &answer);

	if (status != EX_OK)
		return status;
	if (json_is_true(json_object_get(answer.root, "ok"))) {
		*answer_out = answer;
		return EX_OK;
	}
	status = say_failed(answer.root);
	control_answer_release(&answer);
	return status;
}

/* --- pages --- */

static void emit_word(struct emit *emit, const char *name, struct span word)
{
	emit_key(emit, span_cstr(name));
	emit_text(emit, word);
}

static int ask_page(struct store_link *link, const struct store_walk *walk,
		    const struct control_answer *before, struct control_answer *answer_out)
{
	struct emit emit = { 0 };
	char *request;
	int status;

	emit_begin(&emit, '{');
	emit_word(&emit, "verb", SPAN("store"));
	emit_word(&emit, "do", SPAN("page"));
	emit_word(&emit, "kind", store_class_name(walk->class));
	emit_word(&emit, "set", walk->set);
	emit_word(&emit, "part", walk->part);
	emit_key(&emit, SPAN("most"));
	emit_int(&emit, STORE_PAGE_MAX);
	emit_word(&emit, "after_set", state_text(before->root, "after_set"));
	emit_word(&emit, "after", state_text(before->root, "after"));
	emit_end(&emit, '}');
	request = emit_take(&emit);
	if (request == NULL) {
		ctl_say("no memory");
		return EX_OSERR;
	}
	status = store_link_ask(link, span_cstr(request), answer_out);
	free(request);
	return status;
}

/* @return false: enough */
static bool take_page(const struct store_walk *walk, const json_t *root)
{
	struct store_entry entry;
	const char *why;
	json_t *one;
	size_t i;

	json_array_foreach (json_object_get(root, "entries"), i, one) {
		if (state_entry_parse(one, &entry, &why) == OK && !walk->take(walk->self, &entry))
			return false;
	}
	return json_is_true(json_object_get(root, "more"));
}

int store_link_walk(struct store_link *link, const struct store_walk *walk)
{
	struct control_answer before = { 0 }, answer;
	bool goes_on = true;
	int status = EX_OK;

	while (goes_on) {
		status = ask_page(link, walk, &before, &answer);
		if (status != EX_OK)
			break;
		goes_on = take_page(walk, answer.root);
		control_answer_release(&before);
		before = answer;
	}
	control_answer_release(&before);
	return status;
}
