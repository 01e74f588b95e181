/* door_priv.h -- the way in, for the fronts: listeners, and the guests who came through them.
 *
 * A guest is in one of four lists, each ordered by since when: idle, with an unfinished request,
 * in work, or with an answer that it does not read.  One timer looks at the fronts of the lists;
 * a guest has none of its own.  Where there is no room (P7) the guest that has been idle for
 * longest goes.  What is said with a guest is its front's.
 * Source: design requirements P4, P7.
 */
#pragma once
#include "serve/census.h"
#include "serve/door.h"

#include <event2/event.h>
#include <event2/event_struct.h>

enum {
	DOOR_ACCEPTS_MAX = 8, /* of one listener in one turn of the loop: others get some, too */
	DOOR_SWEEP_MS_MIN = 100,
	DOOR_AGAIN_MS = 100, /* after a shortage of descriptors */
};

enum guest_state {
	GUEST_IDLE,
	GUEST_UNFINISHED, /* the front of a request has come */
	GUEST_WORKING,
	GUEST_WRITING, /* it does not take its answer */
	GUEST_STATE_COUNT
};

/* The first member of a front's connection. */
struct guest {
	struct guest *next, *previous; /* in the list of its state */
	struct door *door;
	struct door_listener *listener; /* NULL: closed, or adopted */
	const void *policy;             /* where listener is NULL */
	int64_t since_ms;
	struct ip source;
	int fd;
	enum guest_state state;
	bool is_adopted; /* its descriptor is not ours, and it is not counted */
};

/* A front, as its door knows it. */
struct door_front {
	void *self;
	/** @return a guest that guest_enter() has let in; NULL: no memory */
	struct guest *(*open)(void *self, int fd);
	/** Wait for what it says. */
	enum err (*begin)(struct guest *guest);
	/** Ends with guest_leave(). */
	void (*close)(struct guest *guest);
	/** It was in its state for too long, and is closed next. */
	void (*expire)(struct guest *guest);
	/** Take what it has said by now, and nothing more; it may be gone afterwards.  An idle one
	 * is closed next. */
	void (*dismiss)(struct guest *guest);
	void (*note)(void *note_self, enum front_note note, struct span peer);
	void *note_self;
};

struct door_options {
	struct event_base *base;
	struct census *census;
	struct door_front front;
};

/* Counters since start, the first one of now; members of the fronts' figures, too. */
#define DOOR_FIGURES(FIGURE)                                                                       \
	FIGURE(connections)                                                                        \
	FIGURE(accepted)                                                                           \
	FIGURE(refused_connections)                                                                \
	FIGURE(evicted)

struct door_figures {
#define FIGURE(name) uint64_t name;
	DOOR_FIGURES(FIGURE)
#undef FIGURE
};

struct guest_list {
	struct guest *oldest, *newest;
};

struct door {
	struct event_base *base;
	struct census *census;
	struct census_seat *seat;
	struct door_front front;
	struct door_figures figures;
	int64_t patience_ms[GUEST_STATE_COUNT]; /* 0: as long as it takes */
	struct guest_list list[GUEST_STATE_COUNT];
	struct door_listener *listener;
	struct event sweep_event;
	int64_t sweep_at_ms; /* INT64_MAX: no sweep is due */
	struct event evict_event;
	int evict_fd;
	int reserve_fd; /* given up to accept and close when there is no other */
};

MUST_USE enum err door_init(struct door *door, const struct door_options *options);

/** Close all guests and listeners. */
void door_release(struct door *door);

/** How long a guest may stay in a state; of one in work nobody asks. */
void door_set_patience(struct door *door, enum guest_state state, int64_t patience_ms);

/** Serve a socket that listens and does not block; its descriptor is the door's from now on. */
MUST_USE struct door_listener *door_listen(struct door *door, int fd, const void *policy);

/** Stop: no guests more, idle ones go.  Policies must live until door_release. */
void door_drain(struct door *door);

/** A new guest, zeroed but for is_adopted: idle. */
void guest_enter(struct guest *guest, struct door *door, int fd);

/** Out of its list, no longer counted, its descriptor closed. */
void guest_leave(struct guest *guest);

/** Into the list of state, as its newest. */
void guest_enlist(struct guest *guest, enum guest_state state);

const void *guest_policy(const struct guest *guest);

/** Who it is, in a note; its address, or "local". */
void guest_note(const struct guest *guest, enum front_note note);
