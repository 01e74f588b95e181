/* daemon_priv.h -- what daemon.c, hear.c, reload.c and status.c share. */
#pragma once
#include "daemon/daemon.h"
#include "daemon/desk.h"
#include "daemon/files.h"
#include "daemon/listening.h"
#include "daemon/storing.h"
#include "daemon/worker.h"
#include "daemon/zone_watch.h"
#include "serve/control.h"

#include <event2/event.h>
#include <event2/event_struct.h>

enum { REPORT_BYTES_MAX = 64 * 1024 };

/* A socket that is open, and what it was configured as. */
struct open_socket {
	struct listener listener; /* its spans are of the configuration that runs */
	struct listening listening;
	uint32_t id;
	bool is_new;
};

struct daemon {
	const struct daemon_options *options;
	struct event_base *base;
	struct shared shared;
	struct config *config;
	struct files files;
	struct owner owner;
	struct worker *worker[WORKERS_MAX];
	uint16_t worker_count;
	struct open_socket socket[LISTENERS_MAX];
	uint8_t socket_count;
	uint32_t last_socket_id;
	struct open_socket control_socket; /* listening.fd -1: none */
	struct control *control;
	struct desk *desk;
	struct zone_watch *zones;
	uint64_t descriptors;
	uint64_t began_us;
	int64_t loaded_ms; /* wall clock: when config was read */
	uint64_t reloads, failed_reloads;
	char store_fault[STORE_WHY_MAX]; /* why memory stands in for it; empty: it does not */
	bool is_stopping;
	uint16_t ended_count;
	struct event signal_event[4];
	struct event look_event, ping_event, watchdog_event, done_event;
};

/** Read the configuration of the options. */
MUST_USE enum err daemon_read_config(const struct daemon *daemon, struct files *files,
				     struct text *report, struct config **config_out);

/** The policy of the conversation over standard input and output; NULL: there is none. */
const struct policy *daemon_stdio_policy(const struct daemon *daemon, const struct config *config);

/** Open what config listens on and nobody has open yet; close nothing.
 *
 * @param report  what is wrong, unless OK; then nothing is open that was not before
 */
MUST_USE enum err daemon_open_sockets(struct daemon *daemon, const struct config *config,
				      struct text *report);

/** Make config the one that runs: log, limits, sockets, workers; the old one is dropped. */
void daemon_adopt_config(struct daemon *daemon, struct config *config);

/** Read again, all or only the tables, and run by it if all is right.
 *
 * @param report  what is wrong, or warnings
 * @return true: the new configuration runs
 */
bool daemon_reload(struct daemon *daemon, bool only_tables, struct text *report);

/** {"ok":true,...}, malloced; NULL without memory. */
char *daemon_status(struct daemon *daemon);

/** A report, line by line, as the administrator would see it. */
void daemon_say(struct daemon *daemon, enum log_level level, const struct text *report);

/** The control socket's verbs, before it is open.  @return false: no memory */
bool daemon_make_control(struct daemon *daemon);
/** Begin to hear signals, timers and the end of workers, on daemon->base. */
void daemon_hear(struct daemon *daemon);
