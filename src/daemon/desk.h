/* desk.h -- where an administrator's questions are weighed: the control socket's "weigh".
 *
 * A scale of its own on the main thread's loop, made with the first question.  Nothing is
 * remembered, counted or logged.  Beside it, on the same port of the store, the state desk.
 */
#pragma once
#include "daemon/worker.h"
#include "serve/control.h"

struct desk;

MUST_USE struct desk *desk_new(struct event_base *base, struct shared *shared);
void desk_free(struct desk *desk);

/** Weigh the attempt of a request {"verb":"weigh","policy":"NAME","attempt":{...}} under
 * config; the client is answered, now or later.
 */
void desk_weigh(struct desk *desk, struct config *config, struct control_client *client,
		struct span request);

/** Look into the store, or change what is there (daemon/state_desk.h); the client is answered,
 * now or later.
 */
void desk_state(struct desk *desk, const struct config *config, struct control_client *client,
		struct span request);

/** The client has gone. */
void desk_leave(struct desk *desk, struct control_client *client);

/** Ask another resolver from now on. */
void desk_renew(struct desk *desk, const struct config *config);
