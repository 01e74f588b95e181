/* postfix_priv.h -- what the front (postfix.c) and its connections (connection.c) share. */
#pragma once
#include "base/text.h"
#include "serve/door_priv.h"
#include "serve/postfix.h"

struct connection {
	struct guest guest; /* its descriptor is what is read from */
	struct event read_event, write_event;
	int out_fd;
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
	struct place place; /* GUEST_WORKING */
	struct conversation conversation;
};

struct front {
	struct door door;
	struct weigher weigher;
	struct request_limits limits;
	struct span not_weighed;
	struct front_figures figures;
	uint64_t conversations;
	uint16_t number;
	struct text answers; /* of the connection that is being served */
	char answers_room[FRONT_ANSWERS_BYTES * 2];
	char in_room[FRONT_READ_BYTES];
};

static inline struct connection *connection_of(struct guest *guest)
{
	return (struct connection *)guest;
}

static inline struct front *connection_front(const struct connection *connection)
{
	return connection->guest.door->front.self;
}

MUST_USE struct connection *connection_new(struct front *front, int in_fd, int out_fd,
					   bool is_adopted);
MUST_USE enum err connection_begin(struct connection *connection);
void connection_close(struct connection *connection);
/** Take what the client has sent by now; the connection may be gone afterwards. */
void connection_read(struct connection *connection);
