/* gld_priv.h -- what the configuration and the database of gld share. */
#pragma once
#include "ctl/import/gld.h"
#include "ctl/import/settings.h"

/* SETTING(name, standard, fate, note) */
#define GLD_SETTINGS(SETTING)                                                                      \
	SETTING(PORT, "2525", KEPT, NULL)                                                          \
	SETTING(LOOPBACKONLY, "1", KEPT, NULL)                                                     \
	SETTING(CLIENTS, "", DROPPED, "who may ask is the firewall's, or a Unix socket's")         \
	SETTING(USER, "", DROPPED, "weighd's service has its own")                                 \
	SETTING(GROUP, "", DROPPED, "weighd's service has its own")                                \
	SETTING(MAXCON, "100", DROPPED, "limits { connections N }; 1024 is standard")              \
	SETTING(MINTIME, "60", CHANGED, "gld waits for more than it: a second more is written")    \
	SETTING(LIGHTGREY, "0", CHANGED, "IPv4 by /24 as before, IPv6 by /64")                     \
	SETTING(MXGREY, "0", KEPT, NULL)                                                           \
	SETTING(WHITELIST, "1", CHANGED, "its rows stand in the configuration: --lists DUMP")      \
	SETTING(DNSWL, "", CHANGED, "asked first, not last; a refusal of the list is no listing")  \
	SETTING(ERRACCEPT, "1", KEPT, NULL)                                                        \
	SETTING(SYSLOG, "1", KEPT, NULL)                                                           \
	SETTING(FACILITY, "mail", DROPPED, "the log's facility is mail")                           \
	SETTING(MESSAGE, "Greylisted", KEPT, NULL)                                                 \
	SETTING(TRAINING, "0", KEPT, NULL)                                                         \
	SETTING(SQLHOST, "localhost", DROPPED, "weighd keeps a store of its own")                  \
	SETTING(SQLUSER, "myuser", DROPPED, "weighd keeps a store of its own")                     \
	SETTING(SQLPASSWD, "mypasswd", SECRET, "weighd keeps a store of its own")                  \
	SETTING(SQLDB, "mydb", DROPPED, "weighd keeps a store of its own")

enum gld_setting {
#define SETTING(name, standard, fate, note) GLD_##name,
	GLD_SETTINGS(SETTING)
#undef SETTING
		GLD_SETTING_COUNT
};

/* gld itself forgets nothing; these are the days of the two daily jobs that its package names:
 * gld -k 7 and gld -c 90. */
enum { GLD_WITHIN_DAYS = 7, GLD_REMEMBER_DAYS = 90, GLD_WAIT_S_MAX = 24 * 3600 };

/** All of the file; the values are checked where they are used. */
void gld_read(struct settings *settings, struct span foreign, const struct import_options *options,
	      struct text *report);
