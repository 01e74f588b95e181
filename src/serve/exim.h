/* exim.h -- the front that speaks greylistd's protocol: one a worker.
 *
 *	client connects  ->  its first read is the command  ->  keeper.run
 *	exim_answer      ->  written, closed
 *	exim_answer_part ->  written, keeper.more, ... exim_answer
 *
 * Exim's ${readsocket} closes its writing side behind the command; that, and what comes behind
 * the first read, changes nothing.  A word is answered without a line end, as greylistd does.
 * Sockets are bounded by the census of all fronts and by time, as those of the policy port.
 */
#pragma once
#include "serve/census.h"
#include "serve/door.h"
#include "serve/exim_command.h"

struct event_base;
struct exim;
struct exim_client;

enum {
	EXIM_LEFT_BYTES_MAX = 64 * 1024, /* read and dropped before a close */
};

/* What stands behind the front: a few functions. */
struct exim_keeper {
	void *self;
	/** Do it; answered by exim_answer(), now or later.
	 *
	 * @param policy   what the listener was opened with
	 * @param command  borrowed until run returns
	 */
	void (*run)(void *self, struct exim_client *client, const void *policy,
		    const struct exim_command *command);
	/** What exim_answer_part() was given is on its way. */
	void (*more)(void *self, struct exim_client *client);
	/** The client has gone before it was answered. */
	void (*leave)(void *self, struct exim_client *client);
	void (*note)(void *self, enum front_note note, struct span peer);
};

struct exim_limits {
	int64_t unfinished_ms; /* until the command has come */
	int64_t unread_ms;     /* until some of an answer is taken */
};

/* Counters since start, the first one of now; FIGURE(name) */
#define EXIM_FIGURES(FIGURE)                                                                       \
	FIGURE(connections)                                                                        \
	FIGURE(accepted)                                                                           \
	FIGURE(commands)                                                                           \
	FIGURE(broken_commands)                                                                    \
	FIGURE(refused_connections)                                                                \
	FIGURE(evicted)                                                                            \
	FIGURE(unfinished_closed)                                                                  \
	FIGURE(unread_closed)

struct exim_figures {
#define FIGURE(name) uint64_t name;
	EXIM_FIGURES(FIGURE)
#undef FIGURE
};

struct exim_options {
	struct event_base *base;
	struct census *census;
	struct exim_keeper keeper;
	struct exim_limits limits;
};

MUST_USE struct exim *exim_new(const struct exim_options *options);
/** Closes all; who is in work is left. */
void exim_free(struct exim *exim);

void exim_set_limits(struct exim *exim, const struct exim_limits *limits);

/** Serve a socket that listens and does not block; its descriptor is the front's from now on. */
MUST_USE struct door_listener *exim_listen(struct exim *exim, int fd, const void *policy);

/** Stop: no connections more; whose command has come is answered. */
void exim_drain(struct exim *exim);

const struct exim_figures *exim_figures(struct exim *exim);

/** The answer, copied, and the end; the client may be gone afterwards. */
void exim_answer(struct exim_client *client, struct span answer);

/** A part of the answer, copied; keeper.more is called, later, when it is written. */
void exim_answer_part(struct exim_client *client, struct span part);

/** Where the keeper holds what belongs to the client's command; NULL at first. */
void **exim_client_held(struct exim_client *client);
