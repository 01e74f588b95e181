/* daemon.c -- weighd as a whole: start, signals, stop. */
#include "daemon/daemon_priv.h"

#include "base/emit.h"
#include "base/ensure.h"
#include "daemon/clock.h"
#include "daemon/notify.h"
#include "daemon/privileges.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

const char daemon_version[] = WEIGHD_VERSION;

/* Reports go to the log one line a line, as the administrator would see them. */
static void say_report(struct daemon *daemon, enum log_level level, const struct text *report)
{
	if (report->len > 0)
		log_say_lines(daemon->shared.log, level, text_span(report));
}

/* What the main thread hears */

static bool reload_and_say(struct daemon *daemon, bool only_tables, struct text *report)
{
	bool is_right;

	notify_reloading();
	is_right = daemon_reload(daemon, only_tables, report);
	notify_state("READY=1");
	say_report(daemon, is_right ? LEVEL_WARNING : LEVEL_ERROR, report);
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

static void run_status(void *self, struct control_client *client, struct span request)
{
	char *line = daemon_status(self);

	(void)request;
	if (line != NULL)
		control_answer(client, span_cstr(line));
	else
		control_refuse(client, SPAN("no memory"));
	free(line);
}

static void run_reload(void *self, struct control_client *client, struct span request)
{
	struct daemon *daemon = self;
	char *room = malloc(REPORT_BYTES_MAX), *line;
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
	line = emit_take(&emit);
	control_answer(client, line != NULL ? span_cstr(line) : SPAN("{\"ok\":false}"));
	free(line);
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
	char *line = zone_watch_json(daemon->zones);

	(void)request;
	if (line != NULL)
		control_answer(client, span_cstr(line));
	else
		control_refuse(client, SPAN("no memory"));
	free(line);
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

/* Start */

static unsigned core_count(void)
{
	cpu_set_t cores;

	if (sched_getaffinity(0, sizeof(cores), &cores) != 0)
		return 1;
	return (unsigned)CPU_COUNT(&cores);
}

static uint16_t wanted_workers(const struct daemon *daemon)
{
	unsigned count = daemon->options->workers > 0  ? (unsigned)daemon->options->workers
			 : daemon->config->workers > 0 ? daemon->config->workers
						       : core_count();

	if (daemon->options->is_stdio)
		return 1;
	return (uint16_t)(count < WORKERS_MAX ? count : WORKERS_MAX);
}

static void say_early(struct span text)
{
	fprintf(stderr, "%.*s", SPAN_ARG(text));
}

static int fail(const char *what, struct span why, int status)
{
	fprintf(stderr, "weighd: %s: %.*s\n", what, SPAN_ARG(why));
	return status;
}

static bool make_shared(struct daemon *daemon, const struct config *config)
{
	struct shared *shared = &daemon->shared;
	struct log_options log = { .fd = STDERR_FILENO,
				   .socket_path = "/dev/log",
				   .ident = "weighd" };
	struct dns_cache_options cache = { .bytes_max = (size_t)config->limits.cache_bytes,
					   .questions_max = (uint32_t)config->limits.questions };
	struct census_limits census = { .connections_max = 1, .connections_per_source_max = 1 };
	struct hash_key key;

	log.way = config->log == LOG_SYSLOG ? LOG_WAY_SYSLOG
		  : log_stderr_is_journal() ? LOG_WAY_JOURNAL
					    : LOG_WAY_STDERR;
	atomic_store(&shared->decisions, (uint64_t)clock_wall_ms());
	if (getrandom(&key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return false;
	shared->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	shared->log = log_new(&log);
	shared->dns_cache = dns_cache_new(&cache);
	shared->census = census_new(&census, &key);
	daemon->desk = desk_new(daemon->base, shared);
	if (shared->dns_cache != NULL)
		daemon->zones = zone_watch_new(daemon->base, shared);
	return daemon->zones != NULL && shared->done_fd >= 0 && shared->log != NULL &&
	       shared->dns_cache != NULL && shared->census != NULL && daemon->desk != NULL;
}

static bool wants_notices(const struct config *config)
{
	for (uint16_t i = 0; i < config->policy_count; i++)
		for (uint8_t k = 0; k < config->policy[i]->limit_count; k++)
			if (config->policy[i]->limit[k]->limit->notify.len > 0)
				return true;
	return false;
}

/* Before there is any thread, and before rights are given up.  Without it the log says all. */
static void start_notices(struct daemon *daemon, const struct config *config, struct text *report)
{
	const struct notice_options options = {
		.program = config->sendmail,
		.hostname = config->hostname,
		.user = config->user,
		.owner = &daemon->owner,
		.a_minute_max = NOTICES_A_MINUTE_MAX,
		.patience_ms = NOTICE_PATIENCE_MS,
	};
	TEXT(why, LISTENER_TEXT_MAX);

	if (!wants_notices(config) || notice_start(&options, &why, &daemon->shared.notices) == OK)
		return;
	text_addf(report, "warning: no notices are mailed: %s\n", text_cstr(&why));
}

static void say_for_notices(void *self, const char *text)
{
	struct daemon *daemon = self;

	log_say(daemon->shared.log, KIND_GENERAL, LEVEL_WARNING, "warning: notices: %s", text);
}

static bool make_control(struct daemon *daemon)
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

static void hear_events(struct daemon *daemon)
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

/* Threads leave all signals to the main thread. */
static void block_signals(sigset_t *before_out)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, before_out);
}

static int make_workers(struct daemon *daemon, struct config *config)
{
	daemon->worker_count = 0;
	for (uint16_t i = wanted_workers(daemon); i > 0; i--) {
		const char *why = "no memory";
		struct worker *worker =
			worker_new(&daemon->shared, config, daemon->worker_count, &why);

		if (worker == NULL)
			return fail("cannot make a worker", span_cstr(why), EX_OSERR);
		daemon->worker[daemon->worker_count++] = worker;
	}
	return EX_OK;
}

static int start_workers(struct daemon *daemon)
{
	for (uint16_t i = 0; i < daemon->worker_count; i++)
		if (worker_start(daemon->worker[i]) != OK)
			return fail("cannot start a worker", SPAN("no thread"), EX_OSERR);
	return EX_OK;
}

static int adopt_stdio(struct daemon *daemon)
{
	const struct policy *policy = daemon_stdio_policy(daemon, daemon->config);

	if (!daemon->options->is_stdio)
		return EX_OK;
	if (policy == NULL)
		return fail("--stdio", SPAN("there is no such policy"), EX_CONFIG);
	if (worker_adopt(daemon->worker[0], STDIN_FILENO, STDOUT_FILENO, policy) != OK)
		return fail("--stdio", SPAN("cannot serve standard input"), EX_OSERR);
	return EX_OK;
}

static void say_for_store(void *self, enum store_level level, const char *text)
{
	static const struct {
		enum log_level level;
		const char *word;
	} levels[] = {
		[STORE_NOTICE] = { LEVEL_NOTICE, "" },
		[STORE_WARNING] = { LEVEL_WARNING, "warning: " },
		[STORE_ERROR] = { LEVEL_ERROR, "error: " },
	};
	struct daemon *daemon = self;

	log_say(daemon->shared.log, KIND_STORE, levels[level].level, "%sstore: %s",
		levels[level].word, text);
}

/* Mail is weighed without a store, too: what is remembered then is kept in memory. */
static bool open_store(struct daemon *daemon, struct storing *storing)
{
	struct store_options *options = &storing->options;
	TEXT(why, STORE_WHY_MAX);

	options->say = say_for_store;
	options->self = daemon;
	if (daemon->options->is_stdio && options->kind == STORE_SQLITE)
		options->kind = STORE_MEMORY; /* one process alone can have the file */
	if (store_open(options, &why, &daemon->shared.store) == OK)
		return true;
	log_say(daemon->shared.log, KIND_ALWAYS, LEVEL_ERROR,
		"error: the store cannot be opened: %.*s; until the next start all is remembered "
		"in memory only",
		SPAN_ARG(text_span(&why)));
	options->kind = STORE_MEMORY;
	return store_open(options, &why, &daemon->shared.store) == OK;
}

/* Everything up to the point where answers are given. */
static int daemon_start(struct daemon *daemon, struct config *config, struct text *report)
{
	TEXT(why, LISTENER_TEXT_MAX);
	struct storing storing = { 0 };
	int status;

	text_clear(report);
	if (daemon_open_sockets(daemon, config, report) != OK) {
		say_early(text_span(report));
		return EX_UNAVAILABLE;
	}
	if (storing_prepare(&storing, config, &why) != OK)
		return fail("store", text_span(&why), EX_CONFIG);
	daemon->config = config_hold(config);
	daemon->worker_count = wanted_workers(daemon);
	descriptors_raise((uint64_t)config->limits.connections + 1024);
	if (privileges_drop(config->user, &daemon->owner, &why) != OK)
		return fail("user", text_span(&why), EX_NOPERM);
	if (!open_store(daemon, &storing))
		return fail("store", SPAN("no memory"), EX_OSERR);
	status = make_workers(daemon, config);
	if (status == EX_OK)
		status = adopt_stdio(daemon);
	return status == EX_OK ? start_workers(daemon) : status;
}

/* What libevent has to say; it has no place for whom to say it to. */
static struct log *libevent_log;

static void say_for_libevent(int severity, const char *message)
{
	if (libevent_log != NULL)
		log_say(libevent_log, KIND_GENERAL,
			severity >= EVENT_LOG_ERR ? LEVEL_ERROR : LEVEL_WARNING, "libevent: %s",
			message);
}

static void daemon_free(struct daemon *daemon)
{
	for (uint16_t i = 0; i < daemon->worker_count; i++)
		if (daemon->worker[i] != NULL)
			worker_stop(daemon->worker[i]);
	for (uint16_t i = 0; i < daemon->worker_count; i++)
		if (daemon->worker[i] != NULL)
			worker_join(daemon->worker[i]);
	for (uint16_t i = 0; i < daemon->worker_count; i++)
		worker_free(daemon->worker[i]);
	for (uint8_t i = 0; i < daemon->socket_count; i++)
		listening_close(&daemon->socket[i].listening);
	control_free(daemon->control);
	listening_close(&daemon->control_socket.listening);
	desk_free(daemon->desk);
	zone_watch_free(daemon->zones);
	if (daemon->config != NULL)
		config_drop(daemon->config);
	files_release(&daemon->files);
	census_free(daemon->shared.census);
	if (daemon->shared.dns_cache != NULL)
		dns_cache_free(daemon->shared.dns_cache);
	if (daemon->shared.store != NULL)
		store_close(daemon->shared.store);
	if (daemon->shared.notices != NULL)
		notice_free(daemon->shared.notices);
	libevent_log = NULL;
	log_free(daemon->shared.log);
	if (daemon->shared.done_fd > 0)
		close(daemon->shared.done_fd);
	event_base_free(daemon->base);
}

/* @param config  the caller's reference is taken over */
static int daemon_serve(struct daemon *daemon, struct config *config, struct text *report)
{
	TEXT(why, LISTENER_TEXT_MAX);
	sigset_t before;
	int status;

	if (privileges_owner(config->user, &why, &daemon->owner) != OK) {
		files_release(&daemon->files);
		config_drop(config);
		return fail("user", text_span(&why), EX_NOUSER);
	}
	start_notices(daemon, config, report);

	daemon->base = event_base_new();
	ENSURE(daemon->base != NULL);
	block_signals(&before);
	if (!make_control(daemon) || !make_shared(daemon, config)) {
		status = fail("start", SPAN("no memory"), EX_OSERR);
	} else {
		libevent_log = daemon->shared.log;
		if (daemon->shared.notices != NULL)
			notice_listen(daemon->shared.notices, daemon->base, say_for_notices,
				      daemon);
		event_set_log_callback(say_for_libevent);
		hear_events(daemon);
		say_report(daemon, LEVEL_WARNING, report);
		status = daemon_start(daemon, config, report);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (status == EX_OK) {
		config_drop(daemon->config);
		daemon->config = NULL;
		daemon_adopt_config(daemon, config);
		log_say(daemon->shared.log, KIND_ALWAYS, LEVEL_NOTICE,
			"weighd %s runs with %.*s, mode %s, workers %u", daemon_version,
			SPAN_ARG(config->path), config->observe ? "observe" : "enforce",
			daemon->worker_count);
		notify_state("READY=1");
		event_base_dispatch(daemon->base);
	} else {
		config_drop(config);
	}
	daemon_free(daemon);
	return status;
}

int daemon_run(const struct daemon_options *options)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	char *room = malloc(REPORT_BYTES_MAX);
	struct text report = { room, 0, REPORT_BYTES_MAX, false };
	struct config *config = NULL;
	int status = EX_OSERR;

	if (daemon == NULL || room == NULL) {
		free(room);
		free(daemon);
		return EX_OSERR;
	}
	signal(SIGPIPE, SIG_IGN);
	daemon->options = options;
	daemon->began_us = clock_us();
	if (daemon_read_config(daemon, &daemon->files, &report, &config) != OK) {
		say_early(text_span(&report));
		files_release(&daemon->files);
		status = EX_CONFIG;
	} else if (options->is_check) {
		say_early(text_span(&report));
		files_release(&daemon->files);
		config_drop(config);
		status = EX_OK;
	} else {
		status = daemon_serve(daemon, config, &report);
	}
	free(room);
	free(daemon);
	return status;
}
