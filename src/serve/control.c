/* control.c -- the control socket: a line of JSON in, a line of JSON out. */
#include "serve/control.h"

#include "base/emit.h"
#include "base/ensure.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct control_client {
	struct control *control; /* NULL: the place is free */
	struct event read_event, write_event;
	int fd;
	uid_t uid; /* of the other side */
	char *in;
	size_t in_len;
	char *out; /* NULL: nothing is to be written */
	size_t out_begin, out_len;
	bool is_working;
	bool has_ended; /* it sends no more */
};

struct control {
	struct event_base *base;
	const struct control_verb *verb;
	void *self;
	void (*gone)(void *self, struct control_client *client);
	struct event accept_event;
	struct event resume_event; /* accepts again after a shortage of descriptors */
	int fd;
	struct control_client client[CONTROL_CLIENTS_MAX];
};

static const struct timeval idle_time = { .tv_sec = CONTROL_IDLE_S };
static const struct timeval unread_time = { .tv_sec = CONTROL_UNREAD_S };
static const struct timeval shortage_time = { .tv_sec = 1 };

static void client_close(struct control_client *client)
{
	struct control *control = client->control;

	if (client->is_working && control->gone != NULL)
		control->gone(control->self, client);
	event_del(&client->read_event);
	event_del(&client->write_event);
	close(client->fd);
	free(client->in);
	free(client->out);
	*client = (struct control_client){ 0 };
}

/* A line that is no object with a verb, or a verb with a NUL in it: NULL.  The caller's. */
static char *verb_of(struct span line)
{
	json_t *request = json_loadb(line.at, line.len, JSON_ALLOW_NUL, NULL);
	const json_t *member = json_object_get(request, "verb");
	const char *verb = json_string_value(member);
	bool is_whole = verb != NULL && strlen(verb) == json_string_length(member);
	char *copy = is_whole ? strdup(verb) : NULL;

	json_decref(request);
	return copy;
}

static void run_line(struct control_client *client, struct span line)
{
	const struct control *control = client->control;
	char *verb = verb_of(line);

	client->is_working = true;
	if (verb == NULL) {
		control_refuse(client, SPAN("the line is no JSON object with a verb"));
		return;
	}
	for (const struct control_verb *at = control->verb; at->name != NULL; at++) {
		if (strcmp(at->name, verb) != 0)
			continue;
		at->run(control->self, client, line);
		free(verb);
		return;
	}
	free(verb);
	control_refuse(client, SPAN("no such verb"));
}

/* Run the lines that have come, until one has to wait.  The client may be gone afterwards. */
static void client_serve(struct control_client *client)
{
	while (!client->is_working && client->out == NULL && client->in_len > 0) {
		struct span line = span_of(client->in, client->in_len);
		size_t end = span_find(line, '\n');

		if (end == line.len && !client->has_ended) {
			if (line.len < CONTROL_LINE_BYTES_MAX)
				break;
			client->has_ended = true;
			client->in_len = 0;
			client->is_working = true;
			control_refuse(client, SPAN("the line is too long"));
			return;
		}
		run_line(client, span_first(line, end));
		/* The answer, if it came at once, waits for the loop: the line is ours still. */
		if (end < line.len)
			end++;
		client->in_len -= end;
		memmove(client->in, client->in + end, client->in_len);
	}
	if (client->has_ended && client->in_len == 0 && !client->is_working && client->out == NULL)
		client_close(client);
}

static void on_client_readable(int fd, short what, void *arg)
{
	struct control_client *client = arg;
	ssize_t len;

	if (what & EV_TIMEOUT) {
		if (!client->is_working && client->out == NULL)
			client_close(client);
		return;
	}
	if (client->in_len == CONTROL_LINE_BYTES_MAX || client->has_ended) {
		event_del(&client->read_event);
		return;
	}
	len = read(fd, client->in + client->in_len, CONTROL_LINE_BYTES_MAX - client->in_len);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len < 0) {
		client_close(client);
		return;
	}
	if (len == 0) {
		client->has_ended = true;
		event_del(&client->read_event);
	}
	client->in_len += (size_t)len;
	client_serve(client);
}

static void on_client_writable(int fd, short what, void *arg)
{
	struct control_client *client = arg;
	ssize_t len;

	if (what & EV_TIMEOUT) {
		client_close(client);
		return;
	}
	len = write(fd, client->out + client->out_begin, client->out_len - client->out_begin);
	if (len < 0) {
		if (errno != EAGAIN && errno != EINTR)
			client_close(client);
		return;
	}
	client->out_begin += (size_t)len;
	if (client->out_begin < client->out_len)
		return;
	event_del(&client->write_event);
	free(client->out);
	client->out = NULL;
	client->out_begin = client->out_len = 0;
	if (!client->has_ended)
		event_add(&client->read_event, &idle_time);
	client_serve(client);
}

void control_answer(struct control_client *client, struct span line)
{
	ENSURE(client->is_working && client->out == NULL);
	client->is_working = false;
	client->out = malloc(line.len + 1);
	if (client->out == NULL) {
		event_active(&client->read_event, EV_TIMEOUT, 0);
		return;
	}
	memcpy(client->out, line.at, line.len);
	client->out[line.len] = '\n';
	client->out_len = line.len + 1;
	event_add(&client->write_event, &unread_time);
}

void control_refuse(struct control_client *client, struct span why)
{
	struct emit emit = { 0 };
	char *line;

	emit_begin(&emit, '{');
	emit_key(&emit, SPAN("ok"));
	emit_bool(&emit, false);
	emit_key(&emit, SPAN("error"));
	emit_text(&emit, why);
	emit_end(&emit, '}');
	line = emit_take(&emit);
	control_answer(client, line != NULL ? span_cstr(line) : SPAN("{\"ok\":false}"));
	free(line);
}

static bool is_welcome(int fd, uid_t *uid_out)
{
	struct ucred peer;
	socklen_t peer_len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) != 0)
		return false;
	*uid_out = peer.uid;
	return peer.uid == 0 || peer.uid == geteuid();
}

static void client_open(struct control *control, int fd)
{
	struct control_client *client = control->client;
	uid_t uid;

	while (client < control->client + CONTROL_CLIENTS_MAX && client->control != NULL)
		client++;
	if (client == control->client + CONTROL_CLIENTS_MAX || !is_welcome(fd, &uid)) {
		close(fd);
		return;
	}
	client->in = malloc(CONTROL_LINE_BYTES_MAX);
	if (client->in == NULL) {
		close(fd);
		return;
	}
	client->control = control;
	client->fd = fd;
	client->uid = uid;
	event_assign(&client->read_event, control->base, fd, EV_READ | EV_PERSIST,
		     on_client_readable, client);
	event_assign(&client->write_event, control->base, fd, EV_WRITE | EV_PERSIST,
		     on_client_writable, client);
	if (event_add(&client->read_event, &idle_time) != 0)
		client_close(client);
}

static void on_control_connect(int listen_fd, short what, void *arg)
{
	struct control *control = arg;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd >= 0) {
		client_open(control, fd);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		/* Who waits there would wake us again at once. */
		event_del(&control->accept_event);
		event_add(&control->resume_event, &shortage_time);
	}
}

static void on_shortage_over(int fd, short what, void *arg)
{
	struct control *control = arg;

	(void)fd;
	(void)what;
	event_add(&control->accept_event, NULL);
}

struct control *control_new(const struct control_options *options)
{
	struct control *control = calloc(1, sizeof(*control));

	if (control == NULL)
		return NULL;
	control->base = options->base;
	control->verb = options->verb;
	control->self = options->self;
	control->gone = options->gone;
	control->fd = -1;
	return control;
}

void control_listen(struct control *control, int fd)
{
	if (control->fd >= 0) {
		event_del(&control->accept_event);
		event_del(&control->resume_event);
		close(control->fd);
	}
	control->fd = fd;
	if (fd < 0)
		return;
	event_assign(&control->accept_event, control->base, fd, EV_READ | EV_PERSIST,
		     on_control_connect, control);
	evtimer_assign(&control->resume_event, control->base, on_shortage_over, control);
	event_add(&control->accept_event, NULL);
}

void control_free(struct control *control)
{
	if (control == NULL)
		return;
	control_listen(control, -1);
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control->client[i].control != NULL)
			client_close(&control->client[i]);
	free(control);
}

unsigned control_peer(const struct control_client *client)
{
	return client->uid;
}

unsigned control_client_count(const struct control *control)
{
	unsigned count = 0;

	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		count += control->client[i].control != NULL;
	return count;
}
