/* daemon.h -- weighd as a whole: start, reload, stop.
 *
 * The main thread reads the configuration, opens the sockets, gives up its rights, starts the
 * workers, and then hears signals and the control socket and looks after tables and workers.
 */
#pragma once
#include "base/span.h"

#include <stdbool.h>

enum {
	DAEMON_LOOK_S = 2,    /* how often changed tables are looked for */
	DAEMON_PING_S = 10,   /* how often workers are asked for a sign of life */
	DAEMON_PINGS_MAX = 3, /* so many unanswered: the loop stands still, and we abort (Q3) */
	DAEMON_BURST = 1000,  /* attempts in work: their memory is given back when they are over */
};

extern const char daemon_version[];

struct daemon_options {
	const char *config_path; /* NULL: the configuration that is built in */
	const char *policy;      /* --stdio: which one; NULL: the first listener's */
	int workers;             /* 0: as configured */
	bool is_stdio;
	bool is_check;
};

/** Run until told to stop.  @return an exit status of sysexits.h */
int daemon_run(const struct daemon_options *options);
