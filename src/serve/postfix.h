/* postfix.h -- the front that speaks Postfix's policy delegation protocol: one a worker.
 *
 * Requests of a connection are answered in order, one at a time.  An idle one has no buffer.
 * Source: design requirements P1 to P8.
 */
#pragma once
#include "serve/census.h"
#include "serve/door.h"
#include "serve/policy_request.h"
#include "serve/weigher.h"

struct event_base;
struct front;

enum {
	FRONT_READ_BYTES = 16 * 1024,   /* taken from one connection in one turn of the loop */
	FRONT_ANSWERS_BYTES = 4 * 1024, /* gathered before they are written */
	FRONT_ANSWER_BYTES_MAX = 2048,
};
_Static_assert(FRONT_ANSWERS_BYTES >= FRONT_ANSWER_BYTES_MAX, "the last one fits, too");

struct front_limits {
	struct request_limits request;
	int64_t idle_ms;       /* of a connection without an unfinished request */
	int64_t unfinished_ms; /* of a request, from its first byte */
	int64_t unread_ms;     /* of an answer */
};

/* Counters since start; FIGURE(name) */
#define FRONT_FIGURES(FIGURE)                                                                      \
	FIGURE(connections) /* now */                                                              \
	FIGURE(accepted)                                                                           \
	FIGURE(requests)                                                                           \
	FIGURE(not_weighed)                                                                        \
	FIGURE(other_requests)                                                                     \
	FIGURE(stray_lines)                                                                        \
	FIGURE(broken_requests)                                                                    \
	FIGURE(refused_connections)                                                                \
	FIGURE(evicted)                                                                            \
	FIGURE(idle_closed)                                                                        \
	FIGURE(unfinished_closed)                                                                  \
	FIGURE(unread_closed)

struct front_figures {
#define FIGURE(name) uint64_t name;
	FRONT_FIGURES(FIGURE)
#undef FIGURE
};

struct front_options {
	struct event_base *base;
	struct census *census;
	struct weigher weigher;
	struct front_limits limits;
	struct span not_weighed; /* the answer when nothing was weighed; kept by the caller */
	uint16_t number;         /* of the front: goes into the names of conversations */
};

MUST_USE struct front *front_new(const struct front_options *options);

/** Closes all connections; requests in work are left. */
void front_free(struct front *front);

void front_set_limits(struct front *front, const struct front_limits *limits);

/** Serve a socket that listens and does not block; its descriptor is the front's from now on.
 *
 * @param policy  handed to the weigher with each request; never looked at
 */
MUST_USE struct door_listener *front_listen(struct front *front, int fd, const void *policy);

/** Serve one conversation over two descriptors that are open: the caller's own, not closed.
 * The weigher's closed() is called at its end.
 */
MUST_USE enum err front_adopt(struct front *front, int in_fd, int out_fd, const void *policy);

/** The policy of conversations that were adopted, from their next request on. */
void front_adopted_set_policy(struct front *front, const void *policy);

/** Stop: no connections more, idle ones close, the others do after their answer.  Policies must
 * live until front_free. */
void front_drain(struct front *front);

const struct front_figures *front_figures(struct front *front);

/** The answer to what weigher.weigh() left open; the connection may be gone afterwards.
 *
 * @param answer  "WORD" or "WORD text", from weigh/answer.h
 */
void connection_answer(struct connection *connection, struct span answer);

struct conversation *connection_conversation(struct connection *connection);
