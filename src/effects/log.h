/* log.h -- where the daemon's lines go, without anybody ever waiting for them.
 *
 * Workers gather the lines of one turn of their loop in a batch and put it into a ring; a thread
 * of the log's own takes it out and writes.  A syslog that is slow or gone, or a pipe that
 * nobody reads, fills the ring; then lines are dropped, counted, and the number is said when
 * writing works again.
 * Source: design requirements L1 to L5.
 */
#pragma once
#include "base/text.h"
#include "effects/ring.h"

#include <stdatomic.h>

enum {
	LOG_LINE_BYTES_MAX = 2048,
	LOG_FIELD_BYTES_MAX = 256,
	LOG_RING_BYTES = 1024 * 1024,
	LOG_BATCH_BYTES = 64 * 1024,
};

/* How often may a line of this kind be said?  LOG_KIND(symbol, lines, in so many seconds); 0
 * lines: always.
 */
#define LOG_KINDS(LOG_KIND)                                                                        \
	LOG_KIND(KIND_ALWAYS, 0, 1)                                                                \
	LOG_KIND(KIND_GENERAL, 10, 1)                                                              \
	LOG_KIND(KIND_LINE_LIMIT, 1, 60)                                                           \
	LOG_KIND(KIND_NAME_LIMIT, 1, 60)                                                           \
	LOG_KIND(KIND_ATTRIBUTES_LIMIT, 1, 60)                                                     \
	LOG_KIND(KIND_REQUEST_LIMIT, 1, 60)                                                        \
	LOG_KIND(KIND_CONNECTIONS_LIMIT, 1, 60)                                                    \
	LOG_KIND(KIND_SOURCE_LIMIT, 1, 60)                                                         \
	LOG_KIND(KIND_DESCRIPTORS, 1, 60)                                                          \
	LOG_KIND(KIND_UNFINISHED, 1, 60)                                                           \
	LOG_KIND(KIND_UNREAD, 1, 60)                                                               \
	LOG_KIND(KIND_OVERLOAD, 1, 60)                                                             \
	LOG_KIND(KIND_OTHER_REQUEST, 1, 60)                                                        \
	LOG_KIND(KIND_RESOLVER, 1, 60)                                                             \
	LOG_KIND(KIND_LIMIT, 10, 1)                                                                \
	LOG_KIND(KIND_STORE, 10, 60)

enum log_kind {
#define LOG_KIND(symbol, lines, seconds) symbol,
	LOG_KINDS(LOG_KIND)
#undef LOG_KIND
		KIND_COUNT
};

enum log_way { LOG_WAY_STDERR, LOG_WAY_JOURNAL, LOG_WAY_SYSLOG };

struct log;

struct log_options {
	enum log_way way;
	int fd;                  /* LOG_WAY_STDERR, LOG_WAY_JOURNAL; borrowed */
	const char *socket_path; /* LOG_WAY_SYSLOG; kept by the caller */
	const char *ident;       /* kept by the caller */
};

/** Is standard error the journal's socket (systemd.exec(5), $JOURNAL_STREAM)? */
bool log_stderr_is_journal(void);

/** @return NULL without memory or thread */
MUST_USE struct log *log_new(const struct log_options *options);

/** Write what is left, for a second at most, and end. */
void log_free(struct log *log);

/** Write elsewhere from now on. */
void log_redirect(struct log *log, const struct log_options *options);

/** A line of the daemon's own; escaped where it must be by the caller. */
void log_say(struct log *log, enum log_kind kind, enum log_level level, const char *format, ...)
	PRINTF_LIKE(4, 5);

/** Many lines, as they are: a report. */
void log_say_lines(struct log *log, enum log_level level, struct span lines);

uint64_t log_dropped(const struct log *log);

/* Lines of one worker that are not in the ring yet. */
struct log_batch {
	char *at; /* LOG_BATCH_BYTES of it */
	size_t len;
	uint32_t line_count;
};

MUST_USE bool log_batch_init(struct log_batch *batch);
void log_batch_release(struct log_batch *batch);

/** Add a line; a batch that is full goes to the log first. */
void log_batch_add(struct log *log, struct log_batch *batch, enum log_level level,
		   struct span line);
void log_batch_push(struct log *log, struct log_batch *batch);
