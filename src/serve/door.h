/* door.h -- what all fronts have in common, seen from outside: sockets that listen, and notes.
 *
 *	weighd's sockets  ->  door (door.c)  ->  front of a protocol (postfix.c, exim.c)
 */
#pragma once
#include "base/err.h"

/* What a front cannot do as asked; said in the log by the daemon, not oftener than it bears. */
enum front_note {
	NOTE_LINE,        /* a line is over its limit */
	NOTE_NAME,        /* an attribute's name is */
	NOTE_ATTRIBUTES,  /* there are too many attributes */
	NOTE_REQUEST,     /* the request is too long */
	NOTE_CONNECTIONS, /* no room for another connection */
	NOTE_SOURCE,      /* no room for another connection of this source */
	NOTE_DESCRIPTORS, /* the system has no descriptor or no memory for another connection */
	NOTE_UNFINISHED,  /* a request was not finished in time */
	NOTE_UNREAD,      /* an answer was not read in time */
	NOTE_OVERLOAD,    /* nothing was weighed: too many attempts in work */
	NOTE_KIND,        /* a request that is none of Postfix's policy protocol */
	NOTE_COUNT
};

struct door_listener;

/** For requests from now on. */
void door_listener_set_policy(struct door_listener *listener, const void *policy);

/** No connections more.  What has come over it by now is answered; of an unfinished request the
 * policy is NULL. */
void door_listener_close(struct door_listener *listener);
