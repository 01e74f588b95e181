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
#include "serve/door.h"

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
