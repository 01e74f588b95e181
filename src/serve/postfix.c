/* postfix.c -- the front of the policy port: listeners, lists, limits, time. */
#include "serve/postfix.h"

#include "base/ensure.h"
#include "serve/postfix_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { SWEEP_MS_MIN = 100, ACCEPT_AGAIN_MS = 100 };

int64_t front_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* How long a connection may stay in a state; 0: as long as it takes. */
static int64_t patience_ms(const struct front *front, enum connection_state state)
{
	switch (state) {
	case CONNECTION_IDLE: return front->limits.idle_ms;
	case CONNECTION_UNFINISHED: return front->limits.unfinished_ms;
	case CONNECTION_WRITING: return front->limits.unread_ms;
	case CONNECTION_WORKING: /* the scale has the deadline */
	case CONNECTION_STATE_COUNT: break;
	}
	return 0;
}

static void sweep_at(struct front *front, int64_t now_ms, int64_t at_ms)
{
	struct timeval wait;

	if (at_ms < now_ms + SWEEP_MS_MIN)
		at_ms = now_ms + SWEEP_MS_MIN;
	if (at_ms >= front->sweep_at_ms)
		return;
	front->sweep_at_ms = at_ms;
	wait.tv_sec = (at_ms - now_ms) / 1000;
	wait.tv_usec = (at_ms - now_ms) % 1000 * 1000;
	event_add(&front->sweep_event, &wait);
}

static void publish_idlest(struct front *front)
{
	const struct connection *oldest = front->list[CONNECTION_IDLE].oldest;

	atomic_store_explicit(&front->seat->oldest_idle_ms,
			      oldest != NULL && !oldest->is_adopted ? oldest->since_ms : INT64_MAX,
			      memory_order_relaxed);
}

void front_unlist(struct connection *connection)
{
	struct front *front = connection->front;
	struct connection_list *list = &front->list[connection->state];

	*(connection->previous != NULL ? &connection->previous->next : &list->oldest) =
		connection->next;
	*(connection->next != NULL ? &connection->next->previous : &list->newest) =
		connection->previous;
	connection->next = connection->previous = NULL;
	if (connection->state == CONNECTION_IDLE)
		publish_idlest(front);
}

void front_enlist(struct connection *connection, enum connection_state state)
{
	struct front *front = connection->front;
	struct connection_list *list = &front->list[state];
	int64_t patience = patience_ms(front, state);

	if (connection->since_ms != 0)
		front_unlist(connection);
	connection->state = state;
	connection->since_ms = front_now_ms();
	connection->previous = list->newest;
	*(list->newest != NULL ? &list->newest->next : &list->oldest) = connection;
	list->newest = connection;
	if (state == CONNECTION_IDLE)
		publish_idlest(front);
	if (patience > 0)
		sweep_at(front, connection->since_ms, connection->since_ms + patience);
}

/* What the client has not taken shall not linger in the kernel either. */
static void reset_if_unread(struct connection *connection)
{
	int waiting = 0;

	if (ioctl(connection->out_fd, SIOCOUTQ, &waiting) == 0 && waiting > 0)
		setsockopt(connection->out_fd, SOL_SOCKET, SO_LINGER,
			   &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
}

static void expire(struct connection *connection)
{
	struct front_figures *figures = &connection->front->figures;

	switch (connection->state) {
	case CONNECTION_IDLE: figures->idle_closed++; break;
	case CONNECTION_UNFINISHED:
		figures->unfinished_closed++;
		connection_note(connection, NOTE_UNFINISHED);
		break;
	case CONNECTION_WRITING:
		figures->unread_closed++;
		connection_note(connection, NOTE_UNREAD);
		break;
	case CONNECTION_WORKING:
	case CONNECTION_STATE_COUNT: ENSURE(false);
	}
	reset_if_unread(connection);
	connection_close(connection);
}

static void resume_accepting(struct front *front)
{
	for (struct front_listener *at = front->listener; at != NULL; at = at->next)
		if (at->is_paused && event_add(&at->accept_event, NULL) == 0)
			at->is_paused = false;
}

static void on_sweep(int fd, short what, void *arg)
{
	struct front *front = arg;
	int64_t now_ms = front_now_ms();

	(void)fd, (void)what;
	front->sweep_at_ms = INT64_MAX;
	resume_accepting(front);
	for (int state = 0; state < CONNECTION_STATE_COUNT; state++) {
		int64_t patience = patience_ms(front, (enum connection_state)state);
		struct connection *oldest;

		if (patience == 0)
			continue;
		while ((oldest = front->list[state].oldest) != NULL &&
		       oldest->since_ms + patience <= now_ms)
			expire(oldest);
		if (oldest != NULL)
			sweep_at(front, now_ms, oldest->since_ms + patience);
	}
}

/* Close the longest idle connection, of source if it is one.  @return false: none is idle */
static bool evict(void *self, struct ip source)
{
	struct front *front = self;

	for (struct connection *at = front->list[CONNECTION_IDLE].oldest; at != NULL;
	     at = at->next) {
		if (at->is_adopted || (source.family != IP_NONE && !ip_equal(at->source, source)))
			continue;
		front->figures.evicted++;
		connection_close(at);
		return true;
	}
	return false;
}

static void on_evict(int fd, short what, void *arg)
{
	struct front *front = arg;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return;
	while (count-- > 0 && census_is_over(front->census) && evict(front, (struct ip){ 0 }))
		continue;
}

/* Close the longest idle connection; called by any thread. */
static void evict_later(void *self)
{
	const struct front *front = self;
	ssize_t written = write(front->evict_fd, &(uint64_t){ 1 }, sizeof(uint64_t));

	(void)written; /* full: more than enough are on their way */
}

static void refuse(struct front *front, int fd, struct ip source, enum admission admission)
{
	TEXT(peer, IP_TEXT_MAX);

	close(fd);
	front->figures.refused_connections++;
	if (source.family != IP_NONE)
		text_add_ip(&peer, source);
	else
		text_add(&peer, SPAN("local"));
	front->weigher.note(front->weigher.self, admission == FULL ? NOTE_CONNECTIONS : NOTE_SOURCE,
			    text_span(&peer));
}

static void welcome(struct front_listener *listener, int fd, struct ip source)
{
	struct front *front = listener->front;
	struct connection *connection;
	enum admission admission = census_admit(front->census, front->seat, source);

	if (admission != ADMITTED) {
		refuse(front, fd, source, admission);
		return;
	}
	connection = connection_new(front, fd, fd);
	if (connection == NULL) {
		census_leave(front->census, source);
		close(fd);
		return;
	}
	connection->listener = listener;
	connection->source = source;
	front->figures.accepted++;
	if (source.family != IP_NONE)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (connection_begin(connection) != OK)
		connection_close(connection);
}

/* No descriptor is left: the longest idle connection goes, and the new one is accepted in the next
 * turn; where none is idle, accept with the reserve and close, so that nobody is left hanging. */
static void accept_without_descriptor(struct front_listener *listener)
{
	struct front *front = listener->front;
	int fd;

	if (evict(front, (struct ip){ 0 }))
		return;
	front->weigher.note(front->weigher.self, NOTE_DESCRIPTORS, SPAN(""));
	if (front->reserve_fd >= 0)
		close(front->reserve_fd);
	fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		front->figures.refused_connections++;
	}
	front->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return;
	event_del(&listener->accept_event);
	listener->is_paused = true;
	sweep_at(front, front_now_ms(), front_now_ms() + ACCEPT_AGAIN_MS);
}

static void on_connect(int listen_fd, short what, void *arg)
{
	struct front_listener *listener = arg;

	(void)what;
	for (int i = 0; i < FRONT_ACCEPTS_MAX; i++) {
		struct sockaddr_storage peer = { 0 };
		socklen_t peer_len = sizeof(peer);
		int fd = accept4(listen_fd, (struct sockaddr *)&peer, &peer_len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			welcome(listener, fd, census_source_of(&peer));
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			accept_without_descriptor(listener);
		return;
	}
}

struct front *front_new(const struct front_options *options)
{
	struct front *front = calloc(1, sizeof(*front));

	if (front == NULL)
		return NULL;
	front->base = options->base;
	front->census = options->census;
	front->weigher = options->weigher;
	front->limits = options->limits;
	front->not_weighed = options->not_weighed;
	front->number = options->number;
	front->sweep_at_ms = INT64_MAX;
	front->answers =
		(struct text){ front->answers_room, 0, sizeof(front->answers_room), false };
	front->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	front->evict_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	front->seat =
		census_join(options->census, &(struct census_seat){ .front = front,
								    .evict = evict,
								    .evict_later = evict_later });
	event_assign(&front->sweep_event, front->base, -1, 0, on_sweep, front);
	event_assign(&front->evict_event, front->base, front->evict_fd, EV_READ | EV_PERSIST,
		     on_evict, front);
	if (front->evict_fd >= 0 && front->seat != NULL &&
	    event_add(&front->evict_event, NULL) == 0)
		return front;
	if (front->evict_fd >= 0)
		close(front->evict_fd);
	if (front->reserve_fd >= 0)
		close(front->reserve_fd);
	free(front);
	return NULL;
}

void front_free(struct front *front)
{
	if (front == NULL)
		return;
	while (front->listener != NULL)
		front_listener_close(front->listener);
	for (int state = 0; state < CONNECTION_STATE_COUNT; state++)
		while (front->list[state].oldest != NULL)
			connection_close(front->list[state].oldest);
	event_del(&front->sweep_event);
	event_del(&front->evict_event);
	atomic_store(&front->seat->oldest_idle_ms, INT64_MAX);
	close(front->evict_fd);
	if (front->reserve_fd >= 0)
		close(front->reserve_fd);
	free(front);
}

void front_set_limits(struct front *front, const struct front_limits *limits)
{
	front->limits = *limits;
	sweep_at(front, front_now_ms(), 0);
}

struct front_listener *front_listen(struct front *front, int fd, const void *policy)
{
	struct front_listener *listener = calloc(1, sizeof(*listener));

	if (listener == NULL)
		return NULL;
	*listener = (struct front_listener){
		.next = front->listener, .front = front, .fd = fd, .policy = policy
	};
	event_assign(&listener->accept_event, front->base, fd, EV_READ | EV_PERSIST, on_connect,
		     listener);
	if (event_add(&listener->accept_event, NULL) != 0) {
		free(listener);
		return NULL;
	}
	front->listener = listener;
	return listener;
}

void front_listener_set_policy(struct front_listener *listener, const void *policy)
{
	listener->policy = policy;
}

/* Let go of the connections of one listener, or of all (NULL). */
static void dismiss(struct front *front, const struct front_listener *listener)
{
	for (int state = 0; state < CONNECTION_STATE_COUNT; state++) {
		struct connection *next;

		for (struct connection *at = front->list[state].oldest; at != NULL; at = next) {
			next = at->next;
			if (listener != NULL && at->listener != listener)
				continue;
			at->is_last = true;
			at->is_done = state == CONNECTION_WRITING;
			/* A request that came a moment ago is still answered. */
			if (state == CONNECTION_IDLE)
				connection_read(at);
		}
	}
	for (struct connection *next, *at = front->list[CONNECTION_IDLE].oldest; at != NULL;
	     at = next) {
		next = at->next;
		if (at->is_last)
			connection_close(at);
	}
}

/* policy_left: what a request that has begun is weighed by. */
static void listener_close(struct front_listener *listener, const void *policy_left)
{
	struct front *front = listener->front;
	struct front_listener **at = &front->listener;

	dismiss(front, listener);
	for (int state = 0; state < CONNECTION_STATE_COUNT; state++)
		for (struct connection *c = front->list[state].oldest; c != NULL; c = c->next)
			if (c->listener == listener) {
				c->listener = NULL;
				c->policy = policy_left;
			}
	while (*at != listener)
		at = &(*at)->next;
	*at = listener->next;
	event_del(&listener->accept_event);
	close(listener->fd);
	free(listener);
}

void front_listener_close(struct front_listener *listener)
{
	listener_close(listener, NULL);
}

enum err front_adopt(struct front *front, int in_fd, int out_fd, const void *policy)
{
	struct connection *connection = connection_new(front, in_fd, out_fd);

	if (connection == NULL)
		return ERR_SYSTEM;
	connection->is_adopted = true;
	connection->policy = policy;
	publish_idlest(front);
	return connection_begin(connection);
}

void front_adopted_set_policy(struct front *front, const void *policy)
{
	for (int state = 0; state < CONNECTION_STATE_COUNT; state++)
		for (struct connection *c = front->list[state].oldest; c != NULL; c = c->next)
			if (c->is_adopted)
				c->policy = policy;
}

void front_drain(struct front *front)
{
	while (front->listener != NULL)
		listener_close(front->listener, front->listener->policy);
	dismiss(front, NULL);
}

const struct front_figures *front_figures(const struct front *front)
{
	return &front->figures;
}
