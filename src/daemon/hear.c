/* hear.c -- what the main thread hears: signals, timers, the control socket. */
#include "daemon/daemon_priv.h"

#include "base/emit.h"
#include "base/ensure.h"
#include "daemon/notify.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

void daemon_say(struct daemon *daemon, enum log_level level, const struct text *report)
{
	if (report->len > 0)
		log_say_lines(daemon->shared.log, level, text_span(report));
}

static bool reload_and_say(struct daemon *daemon, bool only_tables, struct text *report)
{
	bool is_right;

	notify_reloading();
	is_right = daemon_reload(daemon, only_tables, report);
	notify_state("READY=1");
	daemon_say(daemon, is_right ? LEVEL_WARNING : LEVEL_ERROR, report);
	if (is_right)
		log_say(daemon->shared.log, KIND_ALWAYS, LEVEL_NOTICE,
			"%s read again: configuration %u runs", only_tables ? "tables" : "all",
			daemon->config->generation);
	else
		log_say(daemon->shared.log, KIND_ALWAYS, LEVEL_ERROR,
			"error: nothing was changed: configuration %u runs on",
			daemon->config->generation);
	return is_right;
}

static void daemon_stop(struct daemon *daemon)
{
	if (daemon->is_stopping)
		return;
	daemon->is_stopping = true;
	notify_state("STOPPING=1");
	log_say(daemon->shared.log, KIND_ALWAYS, LEVEL_NOTICE,
		"stopping: running requests get %d s", WORKER_DRAIN_MS / 1000);
	for (uint8_t i = 0; i < daemon->socket_count; i++)
		listening_close(&daemon->socket[i].listening);
	daemon->socket_count = 0;
	control_listen(daemon->control, -1);
	listening_close(&daemon->control_socket.listening);
	for (uint16_t i = 0; i < daemon->worker_count; i++)
		worker_stop(daemon->worker[i]);
}

static void on_signal(int number, short what, void *arg)
{
	struct daemon *daemon = arg;
	char *room;

	(void)what;
	switch (number) {
	case SIGHUP:
		room = malloc(REPORT_BYTES_MAX);
		if (room != NULL && !daemon->is_stopping) {
			struct text report = { room, 0, REPORT_BYTES_MAX, false };

			reload_and_say(daemon, false, &report);
		}
		free(room);
		break;
	case SIGTERM:
	case SIGINT: daemon_stop(daemon); break;
	case SIGUSR1: /* there is no log file of ours to open again */ break;
	default: ENSURE(false);
	}
}

/* malloc keeps what a burst has left, scattered as it is, until somebody asks for it. */
static void give_back(struct scale_load *load)
{
	uint32_t now = atomic_load(&load->in_work);

	if (atomic_load(&load->most) < DAEMON_BURST || now > DAEMON_BURST / 10)
		return;
	atomic_store(&load->most, now);
	malloc_trim(0);
}

static void on_look(int fd, short what, void *arg)
{
	struct daemon *daemon = arg;
	char *room;

	(void)fd, (void)what;
	give_back(&daemon->shared.load);
	if (daemon->is_stopping || !files_have_changed(&daemon->files, daemon->config))
		return;
	room = malloc(REPORT_BYTES_MAX);
	if (room == NULL)
		return;
	struct text report = { room, 0, REPORT_BYTES_MAX, false };

	reload_and_say(daemon, true, &report);
	free(room);
}

/* A loop that stands still for half a minute will not go on: an abort brings a new process
 * (design requirement Q3). */
static void on_ping(int fd, short what, void *arg)
{
	struct daemon *daemon = arg;

	(void)fd, (void)what;
	for (uint16_t i = 0; i < daemon->worker_count; i++)
		if (!daemon->is_stopping)
			ENSURE(worker_ping(daemon->worker[i]) < DAEMON_PINGS_MAX);
}

static void on_watchdog(int fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	notify_state("WATCHDOG=1");
}

static void on_worker_done(int fd, short what, void *arg)
{
	struct daemon *daemon = arg;
	uint64_t count = 0;

	(void)what;
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return;
	daemon->ended_count = (uint16_t)(daemon->ended_count + count);
	if (daemon->ended_count >= daemon->worker_count)
		event_base_loopbreak(daemon->base);
}

/* The control socket's verbs */

/* line: malloced, taken over; NULL: there was no memory for it */
static void answer(struct control_client *client, char *line)
{
	if (line != NULL)
		control_answer(client, span_cstr(line));
	else
		control_refuse(client, SPAN("no memory"));
	free(line);
}

static void run_status(void *self, struct control_client *client, struct span request)
{
	(void)request;
	answer(client, daemon_status(self));
}

static void run_reload(void *self, struct control_client *client, struct span request)
{
	struct daemon *daemon = self;
	char *room = malloc(REPORT_BYTES_MAX);
	struct text report = { room, 0, REPORT_BYTES_MAX, false };
	struct emit emit = { 0 };
	bool is_right;

	(void)request;
	if (room == NULL || daemon->is_stopping) {
		control_refuse(client, room == NULL ? SPAN("no memory") : SPAN("it is stopping"));
		free(room);
		return;
	}
	is_right = reload_and_say(daemon, false, &report);
	emit_begin(&emit, '{');
	emit_key(&emit, SPAN("ok"));
	emit_bool(&emit, is_right);
	emit_key(&emit, SPAN("generation"));
	emit_int(&emit, daemon->config->generation);
	if (!is_right) {
		emit_key(&emit, SPAN("error"));
		emit_text(&emit, SPAN("nothing was changed"));
	}
	emit_key(&emit, SPAN("report"));
	emit_text(&emit, text_span(&report));
	emit_end(&emit, '}');
	answer(client, emit_take(&emit));
	free(room);
}

static void run_weigh(void *self, struct control_client *client, struct span request)
{
	struct daemon *daemon = self;

	desk_weigh(daemon->desk, daemon->config, client, request);
}

static void run_zones(void *self, struct control_client *client, struct span request)
{
	const struct daemon *daemon = self;

	(void)request;
	answer(client, zone_watch_json(daemon->zones));
}

static void run_state(void *self, struct control_client *client, struct span request)
{
	struct daemon *daemon = self;

	desk_state(daemon->desk, daemon->config, client, request);
}

static void on_control_gone(void *self, struct control_client *client)
{
	struct daemon *daemon = self;

	desk_leave(daemon->desk, client);
}

static const struct control_verb verbs[] = {
	{ "status", run_status }, { "reload", run_reload },  { "weigh", run_weigh },
	{ "zones", run_zones },   { "greylist", run_state }, { "limits", run_state },
	{ "known", run_state },   { "store", run_state },    { NULL, NULL },
};

/* Begin to hear */

bool daemon_make_control(struct daemon *daemon)
{
	struct control_options options = {
		.base = daemon->base, .verb = verbs, .self = daemon, .gone = on_control_gone
	};

	daemon->control_socket.listening.fd = -1;
	daemon->control = control_new(&options);
	return daemon->control != NULL;
}

static void add_timer(struct daemon *daemon, struct event *event, event_callback_fn callback,
		      int64_t ms)
{
	event_assign(event, daemon->base, -1, EV_PERSIST, callback, daemon);
	event_add(event, &(struct timeval){ ms / 1000, ms % 1000 * 1000 });
}

void daemon_hear(struct daemon *daemon)
{
	static const int heard[] = { SIGHUP, SIGTERM, SIGINT, SIGUSR1 };
	int64_t watchdog_ms = notify_watchdog_ms();

	for (size_t i = 0; i < sizeof(heard) / sizeof(*heard); i++) {
		event_assign(&daemon->signal_event[i], daemon->base, heard[i],
			     EV_SIGNAL | EV_PERSIST, on_signal, daemon);
		event_add(&daemon->signal_event[i], NULL);
	}
	event_assign(&daemon->done_event, daemon->base, daemon->shared.done_fd,
		     EV_READ | EV_PERSIST, on_worker_done, daemon);
	event_add(&daemon->done_event, NULL);
	add_timer(daemon, &daemon->look_event, on_look, DAEMON_LOOK_S * 1000);
	add_timer(daemon, &daemon->ping_event, on_ping, DAEMON_PING_S * 1000);
	if (watchdog_ms > 0)
		add_timer(daemon, &daemon->watchdog_event, on_watchdog, watchdog_ms / 2);
}
