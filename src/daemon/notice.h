/* notice.h -- mails to the administrator about limits that are reached, through sendmail(1).
 *
 *	worker -> notice_send -> pipe -> a process of its own -> sendmail -i -f '<>' -- ADDRESS
 *	                         pipe <- what went wrong
 *
 * The process is forked at start, before the daemon has threads, listens or gives up its rights,
 * and knows nothing but the program and our name: the daemon itself runs no program (design
 * requirements X2, X7).  It is without no_new_privs, which would make Postfix's set-gid
 * postdrop(1) fail.  Nobody waits for it: a notice that finds the pipe full is dropped and
 * counted; so many are mailed in a minute, the others are counted in the next mail; a sendmail
 * that hangs is killed.  It ends with the daemon.
 */
#pragma once
#include "base/err.h"
#include "base/text.h"
#include "daemon/listening.h"

#include <stdbool.h>

struct event_base;
struct notices;

enum {
	NOTICES_A_MINUTE_MAX = 10,
	NOTICE_PATIENCE_MS = 30 * 1000, /* with one sendmail */
	NOTICE_TEXTS_MAX = 900,         /* bytes of all texts of one notice */
	NOTICE_MAIL_MAX = 8 * 1024,
	NOTICE_TROUBLE_MAX = 256,
};

/* A limit is reached.  Spans are copied. */
struct notice {
	struct span address; /* as configured: printable ASCII, no '-' in front */
	struct span limit, key;
	struct span counting; /* "messages", "recipients", ... */
	struct span number;   /* of the decision */
	int64_t used, most;
	int64_t period_ms;
	int64_t at_ms;
	int64_t until_ms; /* no notice more before */
};

struct notice_options {
	struct span program;  /* path of sendmail */
	struct span hostname; /* ours; empty: the machine's */
	struct span user;     /* whom it runs as; empty: as we do */
	const struct owner *owner;
	uint32_t a_minute_max;
	int64_t patience_ms;
};

/** Fork the process.  To be called by a process without threads.
 *
 * @param why  in words, unless OK
 */
MUST_USE enum err notice_start(const struct notice_options *options, struct text *why,
			       struct notices **notices_out);

/** It ends when it has mailed what it was given; nobody waits for that. */
void notice_free(struct notices *notices);

/** Hear what goes wrong, on a loop; text is clean and has no line end. */
void notice_listen(struct notices *notices, struct event_base *base,
		   void (*say)(void *self, const char *text), void *self);

/** May be called by any thread; never blocks.  @return false: dropped, and counted */
bool notice_send(struct notices *notices, const struct notice *notice);

uint64_t notice_dropped(const struct notices *notices);
