/* postgrey_priv.h -- what reading and writing of postgrey's options share. */
#pragma once
#include "base/arena.h"
#include "ctl/import/postgrey.h"
#include "weigh/triplet.h"

#include <stdint.h>

enum {
	POSTGREY_FILES_MAX = 16,  /* white lists of one kind */
	POSTGREY_WORD_MAX = 4096, /* an option with its value */
	POSTGREY_ARENA_MAX = 4 * 1024 * 1024,
};

enum postgrey_fate { FATE_KEPT, FATE_CHANGED, FATE_DROPPED };

enum postgrey_takes { TAKES_NOTHING, TAKES_TEXT, TAKES_TEXT_OR_NOTHING, TAKES_FILES };

/* OPTION(symbol, names with '|' between, takes, standard, fate, note): in the order of the manual
 * page. */
#define POSTGREY_OPTIONS(OPTION)                                                                   \
	OPTION(INET, "inet|i", TAKES_TEXT, "", FATE_KEPT, NULL)                                    \
	OPTION(UNIX, "unix|u", TAKES_TEXT, "", FATE_KEPT, NULL)                                    \
	OPTION(SOCKETMODE, "socketmode", TAKES_TEXT, "0666", FATE_KEPT, NULL)                      \
	OPTION(LISTEN_QUEUE_SIZE, "listen-queue-size", TAKES_TEXT, "", FATE_DROPPED,               \
	       "as many as the system allows")                                                     \
	OPTION(DAEMONIZE, "daemonize|d", TAKES_NOTHING, "", FATE_DROPPED,                          \
	       "weighd stays in the foreground; its service manager sees to it")                   \
	OPTION(PIDFILE, "pidfile", TAKES_TEXT, "", FATE_DROPPED, "as --daemonize")                 \
	OPTION(USER, "user", TAKES_TEXT, "postgrey", FATE_DROPPED,                                 \
	       "weighd has a user of its own; or write: user NAME")                                \
	OPTION(GROUP, "group", TAKES_TEXT, "postgrey", FATE_DROPPED, "as --user")                  \
	OPTION(DBDIR, "dbdir", TAKES_TEXT, "/var/lib/postgrey", FATE_CHANGED,                      \
	       "one file, store sqlite; what is in there: --database")                             \
	OPTION(DELAY, "delay", TAKES_TEXT, "300", FATE_KEPT, NULL)                                 \
	OPTION(MAX_AGE, "max-age", TAKES_TEXT, "35", FATE_CHANGED,                                 \
	       "heeded at each request, not only by a nightly run")                                \
	OPTION(RETRY_WINDOW, "retry-window", TAKES_TEXT, "2", FATE_KEPT, NULL)                     \
	OPTION(GREYLIST_ACTION, "greylist-action", TAKES_TEXT, "DEFER_IF_PERMIT", FATE_KEPT, NULL) \
	OPTION(GREYLIST_TEXT, "greylist-text", TAKES_TEXT,                                         \
	       "Greylisted, see http://postgrey.schweikert.ch/help/%r.html", FATE_KEPT, NULL)      \
	OPTION(X_GREYLIST_HEADER, "x-greylist-header", TAKES_TEXT,                                 \
	       "X-Greylist: delayed %t seconds by postgrey-%v at %h; %d", FATE_CHANGED,            \
	       "%v is weighd")                                                                     \
	OPTION(HOSTNAME, "hostname", TAKES_TEXT, "", FATE_KEPT, NULL)                              \
	OPTION(LOOKUP_BY_SUBNET, "lookup-by-subnet", TAKES_NOTHING, "", FATE_DROPPED,              \
	       "has no meaning, in postgrey either")                                               \
	OPTION(IPV4CIDR, "ipv4cidr", TAKES_TEXT, "24", FATE_KEPT, NULL)                            \
	OPTION(IPV6CIDR, "ipv6cidr", TAKES_TEXT, "64", FATE_KEPT, NULL)                            \
	OPTION(LOOKUP_BY_HOST, "lookup-by-host", TAKES_NOTHING, "", FATE_KEPT, NULL)               \
	OPTION(AUTO_WHITELIST_CLIENTS, "auto-whitelist-clients", TAKES_TEXT_OR_NOTHING, "5",       \
	       FATE_KEPT, NULL)                                                                    \
	OPTION(WHITELIST_CLIENTS, "whitelist-clients", TAKES_FILES,                                \
	       "/etc/postgrey/whitelist_clients", FATE_KEPT, NULL)                                 \
	OPTION(WHITELIST_RECIPIENTS, "whitelist-recipients", TAKES_FILES,                          \
	       "/etc/postgrey/whitelist_recipients", FATE_KEPT, NULL)                              \
	OPTION(PRIVACY, "privacy", TAKES_NOTHING, "", FATE_DROPPED,                                \
	       "keys are stored as they are, readable by the store's owner alone; those that "     \
	       "postgrey has hashed cannot be taken over")                                         \
	OPTION(EXIM, "exim", TAKES_NOTHING, "", FATE_DROPPED,                                      \
	       "a client that has sent all it will is answered and its connection closed")         \
	OPTION(SYSLOG_FACILITY, "syslogfacility|syslog-facility|facility", TAKES_TEXT, "mail",     \
	       FATE_DROPPED, "log stderr, which the service manager keeps; or: log syslog")        \
	OPTION(VERBOSE, "verbose|v", TAKES_NOTHING, "", FATE_DROPPED,                              \
	       "the log has a line for each decision")                                             \
	OPTION(QUIET, "quiet|q", TAKES_NOTHING, "", FATE_DROPPED, "as --verbose")                  \
	OPTION(HELP, "help|h", TAKES_NOTHING, "", FATE_DROPPED, "with it postgrey does not run")   \
	OPTION(MAN, "man", TAKES_NOTHING, "", FATE_DROPPED, "as --help")                           \
	OPTION(VERSION, "version", TAKES_NOTHING, "", FATE_DROPPED, "as --help")

enum postgrey_option {
#define OPTION(symbol, names, takes, standard, fate, note) POSTGREY_##symbol,
	POSTGREY_OPTIONS(OPTION)
#undef OPTION
		POSTGREY_OPTION_COUNT
};

struct postgrey_files {
	struct span path[POSTGREY_FILES_MAX];
	uint8_t count; /* 0: the two that postgrey has by itself */
};

struct postgrey {
	const struct import_options *options;
	struct arena *arena;
	struct text *config, *report;
	struct span value[POSTGREY_OPTION_COUNT]; /* what was given, or the standard */
	bool is_given[POSTGREY_OPTION_COUNT];
	enum postgrey_fate fate[POSTGREY_OPTION_COUNT];
	const char *note[POSTGREY_OPTION_COUNT]; /* NULL: nothing to say */
	struct postgrey_files clients, recipients;
	unsigned mistakes;
	/* what the values come to: postgrey_understand() */
	struct triplet_terms terms;
	int64_t trust;   /* returns until a client is trusted; 0: never */
	bool is_by_host; /* the key has the whole address */
};

/** "--delay", as messages write it. */
struct span postgrey_option_name(enum postgrey_option option);

/** Say what is wrong, and what is done about it. */
void postgrey_complain(struct postgrey *postgrey, enum postgrey_option option, const char *problem);

/** Read the options: the standards first, then what foreign says.
 *
 * @param postgrey  options, arena and report are set
 * @return ERR_LIMIT: the arena is full
 */
MUST_USE enum err postgrey_read(struct postgrey *postgrey, struct span foreign);

/** The numbers among them. */
void postgrey_understand(struct postgrey *postgrey);

/** Write weighd.conf into config. */
void postgrey_write(struct postgrey *postgrey);

/* --- the words of a shell, never run --- */

enum { SHELL_VARIABLES_MAX = 32 };

struct shell_variable {
	struct span name, value;
};

struct shell {
	struct span rest;
	uint32_t line; /* of what comes next */
	struct shell_variable variable[SHELL_VARIABLES_MAX];
	uint8_t variable_count;
	bool has_foreign; /* a word had something in it that only a shell can tell */
};

enum shell_state { SHELL_WORD, SHELL_END, SHELL_TOO_LONG, SHELL_UNCLOSED };

/** The next word, without quotes; comments are passed over. */
enum shell_state shell_next(struct shell *shell, struct text *word);

/** @return NULL: nobody has set it */
struct shell_variable *shell_variable_find(struct shell *shell, struct span name);

/* --- the dumps of a Berkeley DB --- */

enum { DUMP_TEXT_MAX = 4096, DUMP_LINE_MAX = 3 * DUMP_TEXT_MAX + 1 };

enum dump_state { DUMP_OUTSIDE, DUMP_HEADER, DUMP_KEY, DUMP_VALUE };

struct dump {
	enum dump_state state;
	bool is_printable, has_key;
	size_t key_len, value_len;
	char key[DUMP_TEXT_MAX], value[DUMP_TEXT_MAX];
};

enum dump_event {
	DUMP_NOTHING,
	DUMP_PAIR, /* key and value are complete */
	DUMP_BAD,  /* the line is none of a dump */
};

/** Take one line; a struct dump starts zeroed.  Several dumps may follow each other. */
enum dump_event dump_take(struct dump *dump, struct span line);

/* --- what is in postgrey's database --- */

enum postgrey_record {
	RECORD_TRIPLET,
	RECORD_CLIENT,
	RECORD_HASHED,   /* --privacy: nobody can tell whose it is */
	RECORD_MAPPED,   /* all IPv4-mapped clients together */
	RECORD_UNWANTED, /* a client, and none is trusted */
	RECORD_BAD,
	RECORD_COUNT
};

struct postgrey_entry {
	struct text key, value; /* room for KEY_ROOM, TRIPLET_TEXT_MAX */
	int64_t expires_ms;
};

/** What a pair of the database is, and as which entry it is kept.
 *
 * @param postgrey   understood
 * @param entry_out  complete for RECORD_TRIPLET and RECORD_CLIENT
 */
enum postgrey_record postgrey_record(const struct postgrey *postgrey, struct span key,
				     struct span value, struct postgrey_entry *entry_out);
