/* state_desk.h -- where an administrator looks into the store, and changes what is there.
 *
 * Lines of the control socket (serve/control.h).  weighctl without a daemon has a desk of its
 * own, and asks it in the same words.
 *
 *	{"verb":"store","do":"page","kind":"greylist|limit|known","set":"","part":"","most":100,
 *	 "after_set":"","after":""}
 *		-> {"ok":true,"entries":[ENTRY,...],"more":false}, or "more":true with "after_set"
 *		   and "after": where to go on, as it is
 *	{"verb":"store","do":"put","entries":[ENTRY,...]}
 *		-> {"ok":true,"put":N,"failed":M,"why":"..."}
 *	{"verb":"store","do":"figures"}		-> {"ok":true,"store":{...}}
 *	{"verb":"greylist|limits|known","do":"list",...}	as page, of that kind
 *	{"verb":"greylist","do":"allow|deny","key":"...","for_ms":MS}
 *	{"verb":"limits","do":"raise","set":"NAME","key":"...","rates":"...","for_ms":MS}
 *	{"verb":"known","do":"add","set":"...","key":"...","value":"...","for_ms":MS}
 *		-> {"ok":true,"expires":MS}; known without for_ms: for ever; raise for 0: no longer
 *	{"verb":"greylist","do":"forget","key":"..."}
 *	{"verb":"limits|known","do":"reset|remove","set":"...","key":"..."}
 *		-> {"ok":true,"found":true}
 *	{"verb":"greylist|limits|known","do":"names"}
 *		-> {"ok":true,"names":[...]}: what the running policies greylist, limit, remember
 *
 * ENTRY: daemon/state_entry.h.  A key is taken as it is.  What cannot be asked is answered by
 * {"ok":false,"error":"..."}; what the store cannot do now, by {"ok":false,"why":"..."}.
 */
#pragma once
#include "base/emit.h"
#include "policy/config.h"
#include "store/store.h"

struct state_desk;

enum {
	STATE_REQUESTS_MAX = 32,          /* in work, also those whose asker has gone */
	STATE_ANSWER_BYTES_MAX = 1000000, /* a page is made shorter until it fits */
	STATE_SAID_MAX = 768,
};

#define STATE_FOR_MS_MAX (INT64_C(36500) * 24 * 3600 * 1000)

struct state_desk_options {
	struct store *store;
	struct store_port *port; /* closed before the desk is freed */
	/** Somebody has changed something: a line for the log, escaped; NULL: nobody listens. */
	void (*said)(void *self, const char *text);
	void *self;
};

/* One question. */
struct state_question {
	struct span request;         /* borrowed until state_desk_ask() returns */
	const struct config *config; /* the same */
	unsigned uid;                /* of who asks, for the log */
	/** One line of JSON; may be called from within state_desk_ask(). */
	void (*answered)(void *owner, struct span line);
	void *owner;
};

MUST_USE struct state_desk *state_desk_new(const struct state_desk_options *options);
void state_desk_free(struct state_desk *desk);

void state_desk_ask(struct state_desk *desk, const struct state_question *question);

/** The owner of a question has gone: no answer is wanted.  What has begun is done. */
void state_desk_leave(struct state_desk *desk, const void *owner);

/** {"kind":"sqlite","reads":...} */
void state_emit_figures(struct emit *emit, const struct store *store);
