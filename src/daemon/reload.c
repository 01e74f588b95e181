/* reload.c -- from one configuration to the next: all of it, or nothing. */
#include "daemon/clock.h"
#include "daemon/daemon_priv.h"
#include "daemon/privileges.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	DESCRIPTORS_KEPT = 32,       /* for log, control, store: design requirement P7 */
	DESCRIPTORS_OF_WORKER = 256, /* loop, resolver */
	CONTROL_MODE = 0600,
	TABLE_ROWS_SHRINK_MIN = 1000, /* below, a list may lose as many rows as it likes */
};

enum err daemon_read_config(const struct daemon *daemon, struct files *files, struct text *report,
			    struct config **config_out)
{
	const struct config_loader loader = files_loader(files);
	const char *path = daemon->options->config_path;

	if (path == NULL)
		return config_read(&config_loader_embedded, SPAN(CONFIG_EMBEDDED_PATH), report,
				   config_out);
	return config_read(&loader, span_cstr(path), report, config_out);
}

const struct policy *daemon_stdio_policy(const struct daemon *daemon, const struct config *config)
{
	if (daemon->options->policy != NULL)
		return config_policy(config, span_cstr(daemon->options->policy));
	return config->listener_count > 0 ? config->listener[0].policy
	       : config->policy_count > 0 ? config->policy[0]
					  : NULL;
}

static struct open_socket *find_socket(struct daemon *daemon, const struct listener *listener)
{
	for (uint8_t i = 0; i < daemon->socket_count; i++)
		if (listener_equal(&daemon->socket[i].listener, listener))
			return &daemon->socket[i];
	return NULL;
}

static void close_new_sockets(struct daemon *daemon)
{
	while (daemon->socket_count > 0 && daemon->socket[daemon->socket_count - 1].is_new)
		listening_close(&daemon->socket[--daemon->socket_count].listening);
}

static bool open_one(struct daemon *daemon, const struct listener *listener,
		     struct open_socket *socket, struct text *report)
{
	TEXT(why, LISTENER_TEXT_MAX);

	*socket = (struct open_socket){ .listener = *listener, .is_new = true };
	socket->id = ++daemon->last_socket_id;
	if (listening_open(listener, &daemon->owner, &why, &socket->listening) == OK)
		return true;
	text_add(report, listener->origin.file);
	text_addf(report, ":%u:%u: error: cannot listen on ", listener->origin.line,
		  listener->origin.column);
	text_add_listener(report, listener);
	text_add(report, SPAN(": "));
	text_add(report, text_span(&why));
	text_add_char(report, '\n');
	return false;
}

/* Without a control socket mail is weighed all the same: it is said, and we go on. */
static void say_no_control(struct daemon *daemon, const struct listener *control,
			   const struct text *why)
{
	TEXT(where, LISTENER_TEXT_MAX);

	text_add_listener(&where, control);
	log_say(daemon->shared.log, KIND_ALWAYS, LEVEL_WARNING,
		"weighctl cannot ask this daemon: cannot listen on %s: %.*s", text_cstr(&where),
		SPAN_ARG(text_span(why)));
}

static void open_control(struct daemon *daemon, const struct config *config)
{
	const struct open_socket *now = &daemon->control_socket;
	struct listener control = config->control;
	struct open_socket opened = { .id = ++daemon->last_socket_id, .is_new = true };
	TEXT(why, LISTENER_TEXT_MAX);

	control.is_unix = true;
	if (control.mode == 0)
		control.mode = CONTROL_MODE;
	if (control.path.len == 0 ||
	    (now->listening.fd >= 0 && listener_equal(&now->listener, &control)))
		return;
	opened.listener = control;
	if (listening_open(&control, &daemon->owner, &why, &opened.listening) != OK) {
		say_no_control(daemon, &control, &why);
		return;
	}
	/* Unlike that of a listener, this path outlives the configuration. */
	opened.listener.path = span_cstr(opened.listening.path);
	control_listen(daemon->control, -1);
	/* Its descriptor belongs to the control front; closing takes the old name away. */
	listening_close(&daemon->control_socket.listening);
	daemon->control_socket = opened;
	control_listen(daemon->control, fcntl(opened.listening.fd, F_DUPFD_CLOEXEC, 0));
}

static bool open_listener(struct daemon *daemon, const struct listener *listener,
			  struct text *report)
{
	if (find_socket(daemon, listener) != NULL)
		return true;
	if (daemon->socket_count == LISTENERS_MAX) {
		text_add(report, SPAN("error: too many sockets change at once\n"));
		return false;
	}
	if (!open_one(daemon, listener, &daemon->socket[daemon->socket_count], report))
		return false;
	daemon->socket_count++;
	return true;
}

enum err daemon_open_sockets(struct daemon *daemon, const struct config *config,
			     struct text *report)
{
	bool is_right = true;

	if (daemon->options->is_stdio)
		return OK;
	for (uint8_t i = 0; i < config->listener_count; i++)
		if (!open_listener(daemon, &config->listener[i], report))
			is_right = false;
	if (is_right) {
		open_control(daemon, config);
		return OK;
	}
	close_new_sockets(daemon);
	return ERR_SYSTEM;
}

static const struct listener *find_listener(const struct config *config,
					    const struct listener *listener)
{
	for (uint8_t i = 0; i < config->listener_count; i++)
		if (listener_equal(&config->listener[i], listener))
			return &config->listener[i];
	return NULL;
}

static void say_listening(struct daemon *daemon, const struct open_socket *socket)
{
	TEXT(where, LISTENER_TEXT_MAX);

	text_add_listening(&where, &socket->listening);
	log_say(daemon->shared.log, KIND_ALWAYS, LEVEL_NOTICE, "listening on %s, policy %.*s",
		text_cstr(&where), SPAN_ARG(socket->listener.policy->name));
}

/* Sockets that config does not name any more go; the others take its words. */
static void settle_sockets(struct daemon *daemon, const struct config *config)
{
	uint8_t count = 0;

	for (uint8_t i = 0; i < daemon->socket_count; i++) {
		struct open_socket *socket = &daemon->socket[i];
		const struct listener *listener = find_listener(config, &socket->listener);

		if (listener == NULL) {
			listening_close(&socket->listening);
			continue;
		}
		socket->listener = *listener;
		if (socket->is_new)
			say_listening(daemon, socket);
		daemon->socket[count++] = *socket;
	}
	daemon->socket_count = count;
	if (config->control.path.len == 0) {
		control_listen(daemon->control, -1);
		listening_close(&daemon->control_socket.listening);
	}
}

/* Give a worker all that it serves; new sockets come with a descriptor of its own. */
static bool give_setup(struct daemon *daemon, struct worker *worker, struct config *config)
{
	struct worker_setup *setup = calloc(1, sizeof(*setup));

	if (setup == NULL)
		return false;
	setup->config = config_hold(config);
	if (daemon->options->is_stdio)
		setup->adopted = daemon_stdio_policy(daemon, config);
	for (uint8_t i = 0; i < daemon->socket_count; i++) {
		const struct open_socket *socket = &daemon->socket[i];

		setup->served[setup->served_count++] = (struct served){
			.id = socket->id,
			.fd = socket->is_new ? fcntl(socket->listening.fd, F_DUPFD_CLOEXEC, 0) : -1,
			.policy = socket->listener.policy,
			.protocol = socket->listener.protocol,
		};
	}
	worker_give(worker, setup);
	return true;
}

static uint32_t connections_possible(const struct daemon *daemon, const struct config *config)
{
	uint64_t open = descriptors_open(), served = census_count(daemon->shared.census);
	uint64_t kept = (open > served ? open - served : 0) +
			(uint64_t)daemon->socket_count * daemon->worker_count;
	uint64_t possible;

	/* With few of them, few are kept for what comes and goes: questions, control. */
	kept += daemon->descriptors < 8 * DESCRIPTORS_KEPT ? daemon->descriptors / 8
							   : DESCRIPTORS_KEPT;
	possible = daemon->descriptors > kept ? daemon->descriptors - kept : 1;
	if ((uint64_t)config->limits.connections <= possible)
		return (uint32_t)config->limits.connections;
	log_say(daemon->shared.log, KIND_ALWAYS, LEVEL_WARNING,
		"warning: the limit of open files allows for %llu connections only",
		(unsigned long long)possible);
	return (uint32_t)possible;
}

static void set_limits(struct daemon *daemon, const struct config *config)
{
	uint64_t wanted = (uint64_t)config->limits.connections + DESCRIPTORS_KEPT +
			  (uint64_t)config->listener_count * (daemon->worker_count + 1U) +
			  (uint64_t)DESCRIPTORS_OF_WORKER * (daemon->worker_count + 1U);
	struct census_limits limits;

	daemon->descriptors = descriptors_raise(wanted);
	limits = (struct census_limits){
		.connections_max = connections_possible(daemon, config),
		.connections_per_source_max = (uint32_t)config->limits.connections_per_source,
	};
	census_set_limits(daemon->shared.census, &limits);
}

static void say_what_needs_a_restart(struct daemon *daemon, const struct config *config)
{
	const struct config *old = daemon->config;
	const char *what = NULL;

	if (old == NULL)
		return;
	if (old->workers != config->workers && daemon->options->workers == 0)
		what = "workers";
	else if (!span_equal(old->user, config->user))
		what = "user";
	else if (old->limits.cache_bytes != config->limits.cache_bytes)
		what = "limits cache_bytes";
	else if (!storing_equal(old, config))
		what = "store or limits store_entries";
	if (what != NULL)
		log_say(daemon->shared.log, KIND_ALWAYS, LEVEL_WARNING,
			"warning: a change of %s needs a restart", what);
}

static void redirect_log(struct daemon *daemon, const struct config *config)
{
	struct log_options options = { .fd = STDERR_FILENO,
				       .socket_path = "/dev/log",
				       .ident = "weighd" };

	if (daemon->config == NULL || daemon->config->log == config->log)
		return;
	switch (config->log) {
	case LOG_STDERR:
		options.way = log_stderr_is_journal() ? LOG_WAY_JOURNAL : LOG_WAY_STDERR;
		break;
	case LOG_SYSLOG: options.way = LOG_WAY_SYSLOG; break;
	}
	log_redirect(daemon->shared.log, &options);
}

void daemon_adopt_config(struct daemon *daemon, struct config *config)
{
	struct config *old = daemon->config;

	redirect_log(daemon, config);
	say_what_needs_a_restart(daemon, config);
	settle_sockets(daemon, config);
	set_limits(daemon, config);
	if (old != NULL && !resolver_equal(old, config))
		desk_renew(daemon->desk, config);
	config->generation = old != NULL ? old->generation + 1 : 1;
	daemon->config = config;
	daemon->loaded_ms = clock_wall_ms();
	zone_watch_adopt(daemon->zones, config);
	for (uint16_t i = 0; i < daemon->worker_count; i++)
		if (!give_setup(daemon, daemon->worker[i], config))
			log_say(daemon->shared.log, KIND_ALWAYS, LEVEL_ERROR,
				"error: no memory to hand the configuration to worker %u", i);
	for (uint8_t i = 0; i < daemon->socket_count; i++)
		daemon->socket[i].is_new = false;
	if (old != NULL)
		config_drop(old);
}

/* A list that was cut by half by accident lets in, or keeps out, half of the world. */
static bool has_shrunk(const struct config *old, const struct config *config, struct text *report)
{
	for (uint16_t i = 0; i < old->table_count; i++)
		for (uint16_t k = 0; k < config->table_count; k++) {
			const struct table *before = old->table[i], *now = config->table[k];

			if (!span_equal(before->name, now->name) ||
			    before->row_count < TABLE_ROWS_SHRINK_MIN ||
			    now->row_count >= before->row_count / 2)
				continue;
			text_addf(report,
				  "table %.*s shrinks from %u rows to %u: kept as it was; "
				  "reload to take it as it is\n",
				  SPAN_ARG(now->name), before->row_count, now->row_count);
			return true;
		}
	return false;
}

bool daemon_reload(struct daemon *daemon, bool only_tables, struct text *report)
{
	struct files files = { .remembered = only_tables ? daemon->config : NULL };
	struct config *config = NULL;
	bool is_right = daemon_read_config(daemon, &files, report, &config) == OK;

	if (is_right && only_tables)
		is_right = !has_shrunk(daemon->config, config, report);
	if (is_right && daemon->options->is_stdio && daemon_stdio_policy(daemon, config) == NULL) {
		text_add(report, SPAN("error: the policy of this conversation is missing\n"));
		is_right = false;
	}
	/* A file that is being written: nobody wants a daemon that runs and serves nobody. */
	if (is_right && daemon->config->listener_count > 0 && config->listener_count == 0) {
		text_add(report, SPAN("error: there is no listen any more\n"));
		is_right = false;
	}
	if (is_right)
		is_right = daemon_open_sockets(daemon, config, report) == OK;
	if (!is_right) {
		daemon->failed_reloads++;
		if (config != NULL)
			config_drop(config);
		files_release(&files);
		/* Not the same complaint at every look. */
		files_accept(&daemon->files);
		return false;
	}
	daemon_adopt_config(daemon, config);
	files_release(&daemon->files);
	files.remembered = NULL;
	daemon->files = files;
	daemon->reloads++;
	return true;
}
