/* control.h -- the control socket: a line of JSON in, a line of JSON out.
 *
 *	{"verb":"status"}                                  -> {"ok":true,...}
 *	{"verb":"reload"}                                  -> {"ok":true,...} or the report
 *	{"verb":"zones"}                                   -> {"ok":true,"zones":[...]}
 *	{"verb":"weigh","policy":"NAME","attempt":{...}}   -> a case line (doc/cases.md)
 *	{"verb":"greylist","do":"...",...}                 -> daemon/state_desk.h; limits, known
 *	                                                      and store, too
 *	anything else                                      -> {"ok":false,"error":"..."}
 *
 * One request of a client at a time, answered in order; a client that does not read is not read
 * from.  Only root and the daemon's own user are heard.
 * Source: design requirements A1, A2.
 */
#pragma once
#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>

struct control;
struct control_client;
struct event_base;

enum {
	CONTROL_CLIENTS_MAX = 8,
	CONTROL_LINE_BYTES_MAX = 64 * 1024, /* an attempt with all of its attributes fits */
	CONTROL_IDLE_S = 300,
	CONTROL_UNREAD_S = 30,
};

struct control_verb {
	const char *name;
	/** Do it.  Answered by control_answer(), now or later.
	 *
	 * @param request  the whole line, JSON; borrowed until it returns
	 */
	void (*run)(void *self, struct control_client *client, struct span request);
};

struct control_options {
	struct event_base *base;
	const struct control_verb *verb; /* ended by a NULL name; kept by the caller */
	void *self;
	/** The client has gone while its request was in work: no answer is wanted. */
	void (*gone)(void *self, struct control_client *client);
};

MUST_USE struct control *control_new(const struct control_options *options);
void control_free(struct control *control);

/** Listen on a Unix socket that is bound; -1: on none.  The one before is closed. */
void control_listen(struct control *control, int fd);

/** The answer to the client's request: one line of JSON, without line end. */
void control_answer(struct control_client *client, struct span line);

/** {"ok":false,"error":"why"} */
void control_refuse(struct control_client *client, struct span why);

/** The user who asks. */
unsigned control_peer(const struct control_client *client);

unsigned control_client_count(const struct control *control);
