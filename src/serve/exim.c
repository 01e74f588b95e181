/* exim.c -- the front of greylistd's protocol: a connection is one command and its answer. */
#include "serve/exim.h"

#include "base/ensure.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ACCEPT_AGAIN_MS = 100 };

enum client_state {
	CLIENT_READING, /* its command has not come */
	CLIENT_WORKING,
	CLIENT_WRITING,
};

struct exim_client {
	struct exim_client *next, *previous; /* oldest first */
	struct exim *exim;
	struct exim_listener *listener; /* CLIENT_READING */
	struct event event;
	int fd;
	int64_t since_ms;
	struct ip source;
	enum client_state state;
	bool is_last; /* what is written is the end of the answer */
	char *out;
	size_t out_begin, out_len;
	void *held; /* the keeper's */
};

struct exim_listener {
	struct exim_listener *next;
	struct exim *exim;
	struct event accept_event;
	struct event resume_event; /* accepts again after a shortage of descriptors */
	int fd;
	const void *policy;
};

struct exim {
	struct event_base *base;
	struct census *census;
	struct exim_keeper keeper;
	struct exim_limits limits;
	struct exim_figures figures;
	struct exim_listener *listener;
	struct exim_client *oldest, *newest;
	struct census_seat *seat;
	struct event evict_event;
	int evict_fd;
	char in[EXIM_COMMAND_BYTES_MAX];
	char words[EXIM_COMMAND_BYTES_MAX];
};

static const struct timeval shortage_time = { .tv_usec = ACCEPT_AGAIN_MS * 1000 };

static struct timeval time_of_ms(int64_t ms)
{
	return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- clients --- */

/* Who has said nothing for longest. */
static struct exim_client *idlest_client(const struct exim *exim)
{
	struct exim_client *at = exim->oldest;

	while (at != NULL && at->state != CLIENT_READING)
		at = at->next;
	return at;
}

static void publish_idlest(struct exim *exim)
{
	const struct exim_client *idlest = idlest_client(exim);

	atomic_store_explicit(&exim->seat->oldest_idle_ms,
			      idlest != NULL ? idlest->since_ms : INT64_MAX, memory_order_relaxed);
}

/* Bytes that nobody has read would turn the close into a reset, and the answer would be lost. */
static void drop_what_is_left(struct exim_client *client)
{
	char *in = client->exim->in;
	size_t left = EXIM_LEFT_BYTES_MAX;
	ssize_t len;

	while (left > 0 && (len = read(client->fd, in, EXIM_COMMAND_BYTES_MAX)) > 0)
		left -= (size_t)len < left ? (size_t)len : left;
}

static void client_close(struct exim_client *client)
{
	struct exim *exim = client->exim;

	if (client->state == CLIENT_WORKING ||
	    (client->state == CLIENT_WRITING && !client->is_last))
		exim->keeper.leave(exim->keeper.self, client);
	event_del(&client->event);
	drop_what_is_left(client);
	close(client->fd);
	census_leave(exim->census, client->source);
	*(client->previous != NULL ? &client->previous->next : &exim->oldest) = client->next;
	*(client->next != NULL ? &client->next->previous : &exim->newest) = client->previous;
	exim->figures.connections--;
	publish_idlest(exim);
	free(client->out);
	free(client);
}

void **exim_client_held(struct exim_client *client)
{
	return &client->held;
}

static void client_written(struct exim_client *client)
{
	struct exim *exim = client->exim;

	free(client->out);
	client->out = NULL;
	if (client->is_last) {
		client_close(client);
		return;
	}
	client->state = CLIENT_WORKING;
	exim->keeper.more(exim->keeper.self, client);
}

/* The client may be gone afterwards. */
static void client_write(struct exim_client *client)
{
	struct timeval patience = time_of_ms(client->exim->limits.unread_ms);
	ssize_t written = write(client->fd, client->out + client->out_begin,
				client->out_len - client->out_begin);

	if (written < 0 && errno != EAGAIN && errno != EINTR) {
		client_close(client);
		return;
	}
	if (written > 0)
		client->out_begin += (size_t)written;
	if (client->out_begin == client->out_len)
		client_written(client);
	else if (event_add(&client->event, &patience) != 0)
		client_close(client);
}

static void on_writable(int fd, short what, void *arg)
{
	struct exim_client *client = arg;
	struct exim *exim = client->exim;

	(void)fd;
	if (!(what & EV_TIMEOUT)) {
		client_write(client);
		return;
	}
	exim->figures.unread_closed++;
	exim->keeper.note(exim->keeper.self, EXIM_NOTE_UNREAD);
	setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
		   sizeof(struct linger));
	client_close(client);
}

/* @return false: no memory, the client is gone */
static bool client_begin_to_write(struct exim_client *client, struct span text, bool is_last)
{
	ENSURE(client->state == CLIENT_WORKING && client->out == NULL);
	client->is_last = is_last;
	client->out = malloc(text.len + 1);
	if (client->out == NULL) {
		/* Of a part the keeper is told: it waits for more. */
		client->state = is_last ? CLIENT_WRITING : CLIENT_WORKING;
		client_close(client);
		return false;
	}
	client->state = CLIENT_WRITING;
	if (text.len > 0)
		memcpy(client->out, text.at, text.len);
	client->out_begin = 0;
	client->out_len = text.len;
	event_assign(&client->event, client->exim->base, client->fd, EV_WRITE, on_writable, client);
	return true;
}

void exim_answer(struct exim_client *client, struct span answer)
{
	if (client_begin_to_write(client, answer, true))
		client_write(client);
}

void exim_answer_part(struct exim_client *client, struct span part)
{
	/* From the loop, never from here: the next part may be there at once, and its next. */
	if (client_begin_to_write(client, part, false))
		event_active(&client->event, EV_WRITE, 0);
}

static void run_command(struct exim_client *client, struct span bytes)
{
	struct exim *exim = client->exim;
	const void *policy = client->listener->policy;
	struct exim_command command;
	TEXT(error, EXIM_ERROR_MAX);

	client->state = CLIENT_WORKING;
	client->listener = NULL;
	publish_idlest(exim);
	exim->figures.commands++;
	if (exim_command_parse(bytes, exim->words, &error, &command) == OK) {
		exim->keeper.run(exim->keeper.self, client, policy, &command);
		return;
	}
	exim->figures.broken_commands++;
	exim_answer(client, text_span(&error));
}

/* @return false: nothing has come yet; else the client may be gone */
static bool client_read(struct exim_client *client)
{
	ssize_t len = read(client->fd, client->exim->in, EXIM_COMMAND_BYTES_MAX);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	event_del(&client->event);
	if (len < 0)
		client_close(client);
	else
		run_command(client, span_of(client->exim->in, (size_t)len));
	return true;
}

static void on_readable(int fd, short what, void *arg)
{
	struct exim_client *client = arg;
	struct exim *exim = client->exim;

	(void)fd;
	if (!(what & EV_TIMEOUT)) {
		(void)client_read(client);
		return;
	}
	exim->figures.unfinished_closed++;
	exim->keeper.note(exim->keeper.self, EXIM_NOTE_UNFINISHED);
	client_close(client);
}

static bool client_open(struct exim_listener *listener, int fd, struct ip source)
{
	struct exim *exim = listener->exim;
	struct timeval patience = time_of_ms(exim->limits.unfinished_ms);
	struct exim_client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return false;
	client->exim = exim;
	client->listener = listener;
	client->fd = fd;
	client->since_ms = now_ms();
	client->source = source;
	event_assign(&client->event, exim->base, fd, EV_READ | EV_PERSIST, on_readable, client);
	if (event_add(&client->event, &patience) != 0) {
		free(client);
		return false;
	}
	client->previous = exim->newest;
	*(exim->newest != NULL ? &exim->newest->next : &exim->oldest) = client;
	exim->newest = client;
	exim->figures.connections++;
	exim->figures.accepted++;
	publish_idlest(exim);
	return true;
}

/* --- listeners --- */

/* Close the longest waiting client, of source if it is one.  @return false: none is */
static bool evict(void *self, struct ip source)
{
	struct exim *exim = self;

	for (struct exim_client *at = exim->oldest; at != NULL; at = at->next) {
		if (at->state != CLIENT_READING ||
		    (source.family != IP_NONE && !ip_equal(at->source, source)))
			continue;
		exim->figures.evicted++;
		client_close(at);
		return true;
	}
	return false;
}

/* Close the longest idle client; called by any thread. */
static void evict_later(void *self)
{
	const struct exim *exim = self;
	ssize_t written = write(exim->evict_fd, &(uint64_t){ 1 }, sizeof(uint64_t));

	(void)written; /* full: more than enough are on their way */
}

static void on_evict(int fd, short what, void *arg)
{
	struct exim *exim = arg;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return;
	while (count-- > 0 && census_is_over(exim->census) && evict(exim, (struct ip){ 0 }))
		continue;
}

static void welcome(struct exim_listener *listener, int fd, struct ip source)
{
	struct exim *exim = listener->exim;

	if (census_admit(exim->census, exim->seat, source) == ADMITTED) {
		if (client_open(listener, fd, source))
			return;
		census_leave(exim->census, source);
	}
	close(fd);
	exim->figures.refused_connections++;
	exim->keeper.note(exim->keeper.self, EXIM_NOTE_CONNECTIONS);
}

static void on_connect(int listen_fd, short what, void *arg)
{
	struct exim_listener *listener = arg;

	(void)what;
	for (int i = 0; i < EXIM_ACCEPTS_MAX; i++) {
		struct sockaddr_storage peer = { 0 };
		socklen_t peer_len = sizeof(peer);
		int fd = accept4(listen_fd, (struct sockaddr *)&peer, &peer_len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			welcome(listener, fd, census_source_of(&peer));
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			/* Who waits there would wake us again at once. */
			event_del(&listener->accept_event);
			event_add(&listener->resume_event, &shortage_time);
		}
		return;
	}
}

static void on_shortage_over(int fd, short what, void *arg)
{
	struct exim_listener *listener = arg;

	(void)fd, (void)what;
	event_add(&listener->accept_event, NULL);
}

struct exim_listener *exim_listen(struct exim *exim, int fd, const void *policy)
{
	struct exim_listener *listener = calloc(1, sizeof(*listener));

	if (listener == NULL)
		return NULL;
	*listener = (struct exim_listener){
		.next = exim->listener, .exim = exim, .fd = fd, .policy = policy
	};
	event_assign(&listener->accept_event, exim->base, fd, EV_READ | EV_PERSIST, on_connect,
		     listener);
	evtimer_assign(&listener->resume_event, exim->base, on_shortage_over, listener);
	if (event_add(&listener->accept_event, NULL) != 0) {
		free(listener);
		return NULL;
	}
	exim->listener = listener;
	return listener;
}

void exim_listener_set_policy(struct exim_listener *listener, const void *policy)
{
	listener->policy = policy;
}

void exim_listener_close(struct exim_listener *listener)
{
	struct exim *exim = listener->exim;
	struct exim_listener **at = &exim->listener;

	/* A command that came a moment ago is still answered. */
	for (struct exim_client *client = exim->oldest; client != NULL;) {
		struct exim_client *next = client->next;

		if (client->listener == listener && !client_read(client))
			client_close(client);
		client = next;
	}
	while (*at != listener)
		at = &(*at)->next;
	*at = listener->next;
	event_del(&listener->accept_event);
	event_del(&listener->resume_event);
	close(listener->fd);
	free(listener);
}

void exim_drain(struct exim *exim)
{
	while (exim->listener != NULL)
		exim_listener_close(exim->listener);
}

struct exim *exim_new(const struct exim_options *options)
{
	struct exim *exim = calloc(1, sizeof(*exim));

	if (exim == NULL)
		return NULL;
	exim->base = options->base;
	exim->census = options->census;
	exim->keeper = options->keeper;
	exim->limits = options->limits;
	exim->evict_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	exim->seat =
		census_join(options->census, &(struct census_seat){ .front = exim,
								    .evict = evict,
								    .evict_later = evict_later });
	event_assign(&exim->evict_event, exim->base, exim->evict_fd, EV_READ | EV_PERSIST, on_evict,
		     exim);
	if (exim->evict_fd >= 0 && exim->seat != NULL && event_add(&exim->evict_event, NULL) == 0)
		return exim;
	if (exim->evict_fd >= 0)
		close(exim->evict_fd);
	free(exim);
	return NULL;
}

void exim_free(struct exim *exim)
{
	if (exim == NULL)
		return;
	for (struct exim_client *next, *client = exim->oldest; client != NULL; client = next) {
		next = client->next;
		client_close(client);
	}
	exim_drain(exim);
	event_del(&exim->evict_event);
	close(exim->evict_fd);
	free(exim);
}

void exim_set_limits(struct exim *exim, const struct exim_limits *limits)
{
	exim->limits = *limits;
}

const struct exim_figures *exim_figures(const struct exim *exim)
{
	return &exim->figures;
}
