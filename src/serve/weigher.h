/* weigher.h -- what a front knows of the daemon behind it: a few functions.
 *
 *	front                      weigher
 *	  request is complete  ->  open    a place with an arena and an empty attempt
 *	  attempt is filled    ->  weigh   the answer at once, or later by connection_answer()
 *	  asker has gone       ->  leave   no answer is wanted any more
 *	  connection is closed ->  forget  what was remembered for it
 */
#pragma once
#include "base/arena.h"
#include "mail/attempt.h"
#include "serve/conversation.h"

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

struct connection;

struct place {
	struct arena *arena;
	struct attempt *attempt; /* zeroed, but for what the weigher knows: time, id */
	void *held;              /* the weigher's */
};

struct weigher {
	void *self;
	/** @param policy  what the listener was opened with
	 * @return false: overload, answer without weighing
	 */
	bool (*open)(void *self, const void *policy, struct connection *connection,
		     struct place *place_out);
	/** Weigh what open gave.  The place is given back by the weigher with the answer.
	 *
	 * @return true: the answer is written; false: connection_answer() brings it later
	 */
	bool (*weigh)(void *self, struct place *place, struct text *answer);
	/** Give the place back without an answer. */
	void (*leave)(void *self, struct place *place);
	void (*forget)(void *self, const struct conversation *conversation);
	void (*note)(void *self, enum front_note note, struct span peer);
	/** A connection that was adopted (front_adopt) is closed; NULL where none is. */
	void (*closed)(void *self);
};
