/* postfix.c -- the front of the policy port: what its door asks of it, and its life. */
#include "serve/postfix.h"

#include "base/ensure.h"
#include "serve/postfix_priv.h"

#include <stdlib.h>

/* --- what the door asks --- */

static struct guest *open_guest(void *self, int fd)
{
	struct connection *connection = connection_new(self, fd, fd, false);

	return connection != NULL ? &connection->guest : NULL;
}

static enum err begin_guest(struct guest *guest)
{
	return connection_begin(connection_of(guest));
}

static void close_guest(struct guest *guest)
{
	connection_close(connection_of(guest));
}

static void expire_guest(struct guest *guest)
{
	struct front_figures *figures = &connection_front(connection_of(guest))->figures;

	switch (guest->state) {
	case GUEST_IDLE: figures->idle_closed++; return;
	case GUEST_UNFINISHED:
		figures->unfinished_closed++;
		guest_note(guest, NOTE_UNFINISHED);
		return;
	case GUEST_WRITING:
		figures->unread_closed++;
		guest_note(guest, NOTE_UNREAD);
		return;
	case GUEST_WORKING: /* the scale has the deadline */
	case GUEST_STATE_COUNT: break;
	}
	ENSURE(false);
}

static void dismiss_guest(struct guest *guest)
{
	struct connection *connection = connection_of(guest);

	connection->is_last = true;
	connection->is_done = guest->state == GUEST_WRITING;
	/* A request that came a moment ago is still answered. */
	if (guest->state == GUEST_IDLE)
		connection_read(connection);
}

/* --- life --- */

struct front *front_new(const struct front_options *options)
{
	struct front *front = calloc(1, sizeof(*front));
	struct door_options door = {
		.base = options->base,
		.census = options->census,
		.front = { front, open_guest, begin_guest, close_guest, expire_guest, dismiss_guest,
			   options->weigher.note, options->weigher.self },
	};

	if (front == NULL)
		return NULL;
	front->weigher = options->weigher;
	front->not_weighed = options->not_weighed;
	front->number = options->number;
	front->answers =
		(struct text){ front->answers_room, 0, sizeof(front->answers_room), false };
	if (door_init(&front->door, &door) != OK) {
		free(front);
		return NULL;
	}
	front_set_limits(front, &options->limits);
	return front;
}

void front_free(struct front *front)
{
	if (front != NULL)
		door_release(&front->door);
	free(front);
}

void front_set_limits(struct front *front, const struct front_limits *limits)
{
	front->limits = limits->request;
	door_set_patience(&front->door, GUEST_IDLE, limits->idle_ms);
	door_set_patience(&front->door, GUEST_UNFINISHED, limits->unfinished_ms);
	door_set_patience(&front->door, GUEST_WRITING, limits->unread_ms);
}

struct door_listener *front_listen(struct front *front, int fd, const void *policy)
{
	return door_listen(&front->door, fd, policy);
}

enum err front_adopt(struct front *front, int in_fd, int out_fd, const void *policy)
{
	struct connection *connection = connection_new(front, in_fd, out_fd, true);

	if (connection == NULL)
		return ERR_SYSTEM;
	connection->guest.policy = policy;
	return connection_begin(connection);
}

void front_adopted_set_policy(struct front *front, const void *policy)
{
	for (int state = 0; state < GUEST_STATE_COUNT; state++)
		for (struct guest *at = front->door.list[state].oldest; at != NULL; at = at->next)
			if (at->is_adopted)
				at->policy = policy;
}

void front_drain(struct front *front)
{
	door_drain(&front->door);
}

const struct front_figures *front_figures(struct front *front)
{
#define FIGURE(name) front->figures.name = front->door.figures.name;
	DOOR_FIGURES(FIGURE)
#undef FIGURE
	return &front->figures;
}
