/* listening.h -- sockets that listen: opened, described, taken away.
 *
 * A Unix socket is made only in a directory that is owned by root, by us or by the user that we
 * are going to be, and that not everybody can write; one that is there already goes only if
 * nobody answers on it.  Source: design requirement X5.
 */
#pragma once
#include "base/text.h"
#include "policy/config.h"

#include <sys/types.h>

enum { LISTEN_BACKLOG = 1024, LISTENER_TEXT_MAX = 160 };

struct listening {
	int fd;     /* -1: closed */
	char *path; /* Unix socket; NULL */
	dev_t device;
	ino_t inode;
};

/** Whom Unix sockets are made for. */
struct owner {
	uid_t uid;
	gid_t gid;
};

/** Open.
 *
 * @param why  what is wrong, in words, unless OK
 */
MUST_USE enum err listening_open(const struct listener *listener, const struct owner *owner,
				 struct text *why, struct listening *listening_out);

/** Close; the name of a Unix socket goes, too, if it is still ours. */
void listening_close(struct listening *listening);

/** Where it is in truth: inet:127.0.0.1:12525, inet:[::1]:12525, unix:/path */
void text_add_listening(struct text *text, const struct listening *listening);

/** As configured. */
void text_add_listener(struct text *text, const struct listener *listener);

/** Do both mean the same socket? */
bool listener_equal(const struct listener *a, const struct listener *b);
