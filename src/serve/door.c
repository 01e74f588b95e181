/* door.c -- the way in: listeners, lists, room, time. */
#include "base/ensure.h"
#include "base/text.h"
#include "serve/door_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct door_listener {
	struct door_listener *next;
	struct door *door;
	struct event accept_event;
	int fd;
	bool is_paused; /* the system had no room; tried again by the sweep */
	const void *policy;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- lists and time --- */

static void sweep_at(struct door *door, int64_t from_ms, int64_t at_ms)
{
	struct timeval wait;

	if (at_ms < from_ms + DOOR_SWEEP_MS_MIN)
		at_ms = from_ms + DOOR_SWEEP_MS_MIN;
	if (at_ms >= door->sweep_at_ms)
		return;
	door->sweep_at_ms = at_ms;
	wait.tv_sec = (at_ms - from_ms) / 1000;
	wait.tv_usec = (at_ms - from_ms) % 1000 * 1000;
	event_add(&door->sweep_event, &wait);
}

static void publish_idlest(struct door *door)
{
	const struct guest *oldest = door->list[GUEST_IDLE].oldest;

	atomic_store_explicit(&door->seat->oldest_idle_ms,
			      oldest != NULL && !oldest->is_adopted ? oldest->since_ms : INT64_MAX,
			      memory_order_relaxed);
}

static void guest_unlist(struct guest *guest)
{
	struct guest_list *list = &guest->door->list[guest->state];

	*(guest->previous != NULL ? &guest->previous->next : &list->oldest) = guest->next;
	*(guest->next != NULL ? &guest->next->previous : &list->newest) = guest->previous;
	guest->next = guest->previous = NULL;
	if (guest->state == GUEST_IDLE)
		publish_idlest(guest->door);
}

void guest_enlist(struct guest *guest, enum guest_state state)
{
	struct door *door = guest->door;
	struct guest_list *list = &door->list[state];

	if (guest->since_ms != 0)
		guest_unlist(guest);
	guest->state = state;
	guest->since_ms = now_ms();
	guest->previous = list->newest;
	*(list->newest != NULL ? &list->newest->next : &list->oldest) = guest;
	list->newest = guest;
	if (state == GUEST_IDLE)
		publish_idlest(door);
	if (door->patience_ms[state] > 0)
		sweep_at(door, guest->since_ms, guest->since_ms + door->patience_ms[state]);
}

/* What the client has not taken shall not linger in the kernel either. */
static void reset_if_unread(const struct guest *guest)
{
	int waiting = 0;

	if (ioctl(guest->fd, SIOCOUTQ, &waiting) == 0 && waiting > 0)
		setsockopt(guest->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
			   sizeof(struct linger));
}

static void expire(struct guest *guest)
{
	const struct door_front *front = &guest->door->front;

	front->expire(guest);
	reset_if_unread(guest);
	front->close(guest);
}

static void resume_accepting(struct door *door)
{
	for (struct door_listener *at = door->listener; at != NULL; at = at->next)
		if (at->is_paused && event_add(&at->accept_event, NULL) == 0)
			at->is_paused = false;
}

static void on_sweep(int fd, short what, void *arg)
{
	struct door *door = arg;
	int64_t from_ms = now_ms();

	(void)fd, (void)what;
	door->sweep_at_ms = INT64_MAX;
	resume_accepting(door);
	for (int state = 0; state < GUEST_STATE_COUNT; state++) {
		int64_t patience_ms = door->patience_ms[state];
		struct guest *oldest;

		if (patience_ms == 0)
			continue;
		while ((oldest = door->list[state].oldest) != NULL &&
		       oldest->since_ms + patience_ms <= from_ms)
			expire(oldest);
		if (oldest != NULL)
			sweep_at(door, from_ms, oldest->since_ms + patience_ms);
	}
}

void door_set_patience(struct door *door, enum guest_state state, int64_t patience_ms)
{
	door->patience_ms[state] = patience_ms;
	sweep_at(door, now_ms(), 0);
}

/* --- room --- */

/* What it says waits to be read: it is not idle any more. */
static bool has_spoken(const struct guest *guest)
{
	int waiting = 0;

	return ioctl(guest->fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

/* Close the longest idle guest, of source unless that is NULL.  @return false: none is idle */
static bool evict_one(struct door *door, const struct ip *source, bool or_spoken)
{
	for (struct guest *at = door->list[GUEST_IDLE].oldest; at != NULL; at = at->next) {
		if (at->is_adopted || (source != NULL && !ip_equal(at->source, *source)) ||
		    (!or_spoken && has_spoken(at)))
			continue;
		door->figures.evicted++;
		door->front.close(at);
		return true;
	}
	return false;
}

static bool evict(void *self, struct ip source)
{
	return evict_one(self, source.family != IP_NONE ? &source : NULL, false);
}

static void on_evict(int fd, short what, void *arg)
{
	struct door *door = arg;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return;
	/* The other one is in already: somebody has to go. */
	while (count-- > 0 && census_is_over(door->census) &&
	       (evict_one(door, NULL, false) || evict_one(door, NULL, true)))
		continue;
}

/* Close the longest idle guest; called by any thread. */
static void evict_later(void *self)
{
	const struct door *door = self;
	ssize_t written = write(door->evict_fd, &(uint64_t){ 1 }, sizeof(uint64_t));

	(void)written; /* full: more than enough are on their way */
}

/* --- guests --- */

static void note(const struct door *door, enum front_note what, struct ip source)
{
	TEXT(peer, IP_TEXT_MAX);

	if (source.family != IP_NONE)
		text_add_ip(&peer, source);
	else
		text_add(&peer, SPAN("local"));
	door->front.note(door->front.note_self, what, text_span(&peer));
}

void guest_note(const struct guest *guest, enum front_note what)
{
	note(guest->door, what, guest->source);
}

void guest_enter(struct guest *guest, struct door *door, int fd)
{
	guest->door = door;
	guest->fd = fd;
	guest_enlist(guest, GUEST_IDLE);
	door->figures.connections++;
}

void guest_leave(struct guest *guest)
{
	struct door *door = guest->door;

	guest_unlist(guest);
	door->figures.connections--;
	if (guest->is_adopted)
		return;
	close(guest->fd);
	census_leave(door->census, guest->source);
}

const void *guest_policy(const struct guest *guest)
{
	return guest->listener != NULL ? guest->listener->policy : guest->policy;
}

static void refuse(struct door *door, int fd, struct ip source, enum front_note why)
{
	close(fd);
	door->figures.refused_connections++;
	note(door, why, source);
}

static void welcome(struct door_listener *listener, int fd, struct ip source)
{
	struct door *door = listener->door;
	enum admission admission = census_admit(door->census, door->seat, source);
	struct guest *guest;

	if (admission != ADMITTED) {
		refuse(door, fd, source, admission == FULL ? NOTE_CONNECTIONS : NOTE_SOURCE);
		return;
	}
	guest = door->front.open(door->front.self, fd);
	if (guest == NULL) {
		census_leave(door->census, source);
		refuse(door, fd, source, NOTE_DESCRIPTORS);
		return;
	}
	guest->listener = listener;
	guest->source = source;
	door->figures.accepted++;
	if (source.family != IP_NONE)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (door->front.begin(guest) != OK)
		door->front.close(guest);
}

/* --- listeners --- */

/* The system looks for a descriptor before it looks who waits: it may have none for nobody. */
static bool is_somebody_there(const struct door_listener *listener)
{
	struct pollfd there = { .fd = listener->fd, .events = POLLIN };

	return poll(&there, 1, 0) > 0;
}

/* No descriptor is left: the longest idle guest goes, and the new one is accepted in the next turn;
 * where none is idle, accept with the reserve and close, so that nobody is left hanging. */
static void accept_without_descriptor(struct door_listener *listener)
{
	struct door *door = listener->door;
	int fd;

	if (!is_somebody_there(listener) || evict_one(door, NULL, false))
		return;
	door->front.note(door->front.note_self, NOTE_DESCRIPTORS, SPAN(""));
	if (door->reserve_fd >= 0)
		close(door->reserve_fd);
	fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		door->figures.refused_connections++;
	}
	door->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return;
	event_del(&listener->accept_event);
	listener->is_paused = true;
	sweep_at(door, now_ms(), now_ms() + DOOR_AGAIN_MS);
}

static void on_connect(int listen_fd, short what, void *arg)
{
	struct door_listener *listener = arg;

	(void)what;
	for (int i = 0; i < DOOR_ACCEPTS_MAX; i++) {
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

struct door_listener *door_listen(struct door *door, int fd, const void *policy)
{
	struct door_listener *listener = calloc(1, sizeof(*listener));

	if (listener != NULL) {
		*listener = (struct door_listener){
			.next = door->listener, .door = door, .fd = fd, .policy = policy
		};
		event_assign(&listener->accept_event, door->base, fd, EV_READ | EV_PERSIST,
			     on_connect, listener);
		if (event_add(&listener->accept_event, NULL) == 0)
			return door->listener = listener;
	}
	free(listener);
	close(fd);
	return NULL;
}

void door_listener_set_policy(struct door_listener *listener, const void *policy)
{
	listener->policy = policy;
}

/* Let go of the guests of one listener, or of all (NULL). */
static void dismiss(struct door *door, const struct door_listener *listener)
{
	struct guest *next;

	for (int state = 0; state < GUEST_STATE_COUNT; state++)
		for (struct guest *at = door->list[state].oldest; at != NULL; at = next) {
			next = at->next;
			if (listener == NULL || at->listener == listener)
				door->front.dismiss(at);
		}
	for (struct guest *at = door->list[GUEST_IDLE].oldest; at != NULL; at = next) {
		next = at->next;
		if (listener == NULL || at->listener == listener)
			door->front.close(at);
	}
}

/* policy_left: what a request that has begun is weighed by. */
static void listener_close(struct door_listener *listener, const void *policy_left)
{
	struct door *door = listener->door;
	struct door_listener **at = &door->listener;

	dismiss(door, listener);
	for (int state = 0; state < GUEST_STATE_COUNT; state++)
		for (struct guest *g = door->list[state].oldest; g != NULL; g = g->next)
			if (g->listener == listener) {
				g->listener = NULL;
				g->policy = policy_left;
			}
	while (*at != listener)
		at = &(*at)->next;
	*at = listener->next;
	event_del(&listener->accept_event);
	close(listener->fd);
	free(listener);
}

void door_listener_close(struct door_listener *listener)
{
	listener_close(listener, NULL);
}

void door_drain(struct door *door)
{
	while (door->listener != NULL)
		listener_close(door->listener, door->listener->policy);
	dismiss(door, NULL);
}

/* --- life --- */

enum err door_init(struct door *door, const struct door_options *options)
{
	*door = (struct door){ .base = options->base,
			       .census = options->census,
			       .front = options->front,
			       .sweep_at_ms = INT64_MAX,
			       .evict_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
			       .reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC) };
	door->seat =
		census_join(options->census, &(struct census_seat){ .front = door,
								    .evict = evict,
								    .evict_later = evict_later });
	event_assign(&door->sweep_event, door->base, -1, 0, on_sweep, door);
	event_assign(&door->evict_event, door->base, door->evict_fd, EV_READ | EV_PERSIST, on_evict,
		     door);
	if (door->evict_fd >= 0 && door->seat != NULL && event_add(&door->evict_event, NULL) == 0)
		return OK;
	if (door->evict_fd >= 0)
		close(door->evict_fd);
	if (door->reserve_fd >= 0)
		close(door->reserve_fd);
	return ERR_SYSTEM;
}

void door_release(struct door *door)
{
	for (int state = 0; state < GUEST_STATE_COUNT; state++)
		while (door->list[state].oldest != NULL)
			door->front.close(door->list[state].oldest);
	while (door->listener != NULL)
		door_listener_close(door->listener);
	event_del(&door->sweep_event);
	event_del(&door->evict_event);
	close(door->evict_fd);
	if (door->reserve_fd >= 0)
		close(door->reserve_fd);
}
