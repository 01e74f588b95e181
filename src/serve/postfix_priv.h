/* postfix_priv.h -- what the front (postfix.c) and its connections (connection.c) share. */
#pragma once
#include "base/text.h"
#include "serve/postfix.h"

#include <event2/event.h>
#include <event2/event_struct.h>

enum connection_state {
	CONNECTION_IDLE,
	CONNECTION_UNFINISHED, /* the front of a request has come */
	CONNECTION_WORKING,    /* a request is being weighed */
	CONNECTION_WRITING,    /* the client does not take its answers */
	CONNECTION_STATE_COUNT
};

struct connection {
	struct connection *next, *previous; /* in the list of its state */
	struct front *front;
	struct front_listener *listener; /* NULL: closed, or adopted */
	const void *policy;              /* where listener is NULL */
	struct event read_event, write_event;
	int in_fd, out_fd;
	enum connection_state state;
	int64_t since_ms;
	struct ip source;
	bool is_adopted;
	bool is_file;   /* the input cannot be waited for: it is always ready */
	bool is_paused; /* not reading */
	bool is_last;   /* no request more than the one that has begun */
	bool is_done;   /* and that one is answered */
	bool has_weighed;
	struct framing framing;
	char *in; /* bytes that are not answered yet; NULL when there are none */
	size_t in_len, in_room;
	char *out; /* answers that are not written yet; NULL when there are none */
	size_t out_begin, out_len;
	struct place place; /* CONNECTION_WORKING */
	struct conversation conversation;
};

struct connection_list {
	struct connection *oldest, *newest;
};

struct front_listener {
	struct front_listener *next;
	struct front *front;
	struct event accept_event;
	int fd;
	bool is_unix;
	bool is_paused; /* the system had no room; tried again by the sweep */
	const void *policy;
};

struct front {
	struct event_base *base;
	struct census *census;
	struct census_seat *seat;
	struct weigher weigher;
	struct front_limits limits;
	struct span not_weighed;
	struct front_figures figures;
	struct connection_list list[CONNECTION_STATE_COUNT];
	struct front_listener *listener;
	struct event sweep_event;
	int64_t sweep_at_ms; /* INT64_MAX: no sweep is due */
	struct event evict_event;
	int evict_fd;
	int reserve_fd; /* given up to accept and close when there is no other */
	uint64_t conversations;
	uint16_t number;
	struct text answers; /* of the connection that is being served */
	char answers_room[FRONT_ANSWERS_BYTES * 2];
	char in_room[FRONT_READ_BYTES];
};

int64_t front_now_ms(void);

/** Into the list of state, as its newest. */
void front_enlist(struct connection *connection, enum connection_state state);
void front_unlist(struct connection *connection);

MUST_USE struct connection *connection_new(struct front *front, int in_fd, int out_fd);
MUST_USE enum err connection_begin(struct connection *connection);
void connection_close(struct connection *connection);
/** Take what the client has sent by now; the connection may be gone afterwards. */
void connection_read(struct connection *connection);
void connection_note(struct connection *connection, enum front_note note);
