/* daemon.c -- weighd as a whole: start, serve, stop. */
#include "daemon/daemon_priv.h"

#include "base/ensure.h"
#include "daemon/clock.h"
#include "daemon/notify.h"
#include "daemon/privileges.h"

#include <fcntl.h>
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

static bool open_store(struct daemon *daemon, struct storing *storing)
{
	struct text fault = { daemon->store_fault, 0, sizeof(daemon->store_fault), false };

	storing->options.say = say_for_store;
	storing->options.self = daemon;
	if (daemon->options->is_stdio && storing->options.kind == STORE_SQLITE)
		storing->options.kind = STORE_MEMORY; /* one process alone can have the file */
	if (storing_open(storing, &fault, &daemon->shared.store) != OK)
		return false;
	if (text_cstr(&fault)[0] != '\0')
		log_say(daemon->shared.log, KIND_ALWAYS, LEVEL_ERROR,
			"error: the store cannot be opened: %s; until the next start all is "
			"remembered in memory only",
			daemon->store_fault);
	return true;
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
	if (!daemon_make_control(daemon) || !make_shared(daemon, config)) {
		status = fail("start", SPAN("no memory"), EX_OSERR);
	} else {
		libevent_log = daemon->shared.log;
		if (daemon->shared.notices != NULL)
			notice_listen(daemon->shared.notices, daemon->base, say_for_notices,
				      daemon);
		event_set_log_callback(say_for_libevent);
		daemon_hear(daemon);
		daemon_say(daemon, LEVEL_WARNING, report);
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
