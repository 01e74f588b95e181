/* config.h -- weighd.conf as it was understood: all that the daemon runs by.
 *
 * Made by config_read() from text, all or nothing; immutable afterwards.  One arena holds all
 * of it, so that a reload builds the new one beside the old and drops the old with its last
 * attempt.
 */
#pragma once
#include "store/store.h"
#include "weigh/policy.h"

#include <stdatomic.h>

enum {
	LISTENERS_MAX = 64,
	RESOLVER_ADDRESSES_MAX = 8,
	CONFIG_FILES_MAX = 256,              /* of the language, and of tables */
	CONFIG_FILE_BYTES_MAX = 1024 * 1024, /* one file of the language */
	TABLE_FILE_BYTES_MAX = 64 * 1024 * 1024,
	CONFIG_BYTES_MAX = 1024 * 1024 * 1024, /* of the arena: all files and tables */
	CONFIG_REPORT_MAX = 48 * 1024,         /* room for all that config_read reports */
	CONFIG_PATH_MAX = 4096,
	CONFIG_DEADLINE_MS = 4000, /* when none is said; design requirement Q1 */
	INCLUDE_DEPTH_MAX = 8,
	ZONES_MAX = 1024,
	TABLES_MAX = 256,
	POLICIES_MAX = 256,
	SETS_MAX = 256,         /* names to remember under, of all policies */
	LIMIT_NAMES_MAX = 1024, /* of limit statements, of all policies */
};

enum listener_protocol {
	LISTENER_POLICY,    /* Postfix's policy delegation */
	LISTENER_GREYLISTD, /* that of greylistd: serve/exim.h */
};

/* listen ADDRESS [mode 0660] [greylistd] policy NAME */
struct listener {
	struct origin origin;
	bool is_unix;
	struct span path; /* Unix socket */
	uint32_t mode;    /* of the Unix socket; 0: 0666 less umask */
	struct ip address;
	uint16_t port;
	const struct policy *policy; /* NULL for control */
	enum listener_protocol protocol;
};

enum resolver_kind { RESOLVER_RECURSIVE, RESOLVER_SYSTEM, RESOLVER_ADDRESSES };

struct resolver_address {
	struct ip address;
	uint16_t port;
};

struct resolver {
	struct origin origin;
	enum resolver_kind kind;
	struct resolver_address address[RESOLVER_ADDRESSES_MAX];
	uint8_t address_count;
};

enum log_target { LOG_STDERR, LOG_SYSLOG };

/* store memory
 * store sqlite "PATH" [sync full]
 * store redis [sentinel NAME | cluster] ADDRESS or [ADDRESS, ...]
 *       [{ user NAME, password_file "PATH", database N, prefix NAME, tls yes, ca_file "PATH",
 *          certificate_file "PATH", key_file "PATH", connect_timeout D, answer_timeout D }]
 *
 * ADDRESS is HOST:PORT, HOST, [::1]:PORT or unix:/PATH.  Without the statement: sqlite at
 * STORE_PATH_STANDARD where anything is greylisted, limited or remembered, else memory.
 */
#define STORE_PATH_STANDARD "/var/lib/weighd/state.db"

enum {
	STORE_REDIS_PORT = 6379,
	STORE_SENTINEL_PORT = 26379,
	STORE_CONNECT_MS = 200, /* design requirement S7 */
	STORE_ANSWER_MS = 100,
};

/* The numbers of design/reliability.md P, Q and D; "limits { connections 1024, ... }".
 * LIMIT(name, default, least, most)
 */
#define CONFIG_LIMITS(LIMIT)                                                                       \
	LIMIT(connections, 1024, 1, 1000000)                                                       \
	LIMIT(connections_per_source, 256, 1, 1000000)                                             \
	LIMIT(attempts, 4096, 1, 1000000)                                                          \
	LIMIT(attempts_per_client, 64, 1, 1000000)                                                 \
	LIMIT(line_bytes, 8192, 512, 65536)                                                        \
	LIMIT(attributes, 128, 32, 4096)                                                           \
	LIMIT(unfinished_request_s, 30, 1, 3600)                                                   \
	LIMIT(idle_connection_s, 330, 1, 86400)                                                    \
	LIMIT(unread_answer_s, 30, 1, 3600)                                                        \
	LIMIT(questions, 4096, 16, 1000000)                                                        \
	LIMIT(questions_per_client, 512, 16, 1000000)                                              \
	LIMIT(questions_per_zone, 256, 16, 1000000)                                                \
	LIMIT(question_ms, 2000, 50, 60000)                                                        \
	LIMIT(cache_bytes, 67108864, 65536, 68719476736)                                           \
	LIMIT(store_entries, 1000000, 1000, 1000000000)

struct config_limits {
#define LIMIT(name, standard, least, most) int64_t name;
	CONFIG_LIMITS(LIMIT)
#undef LIMIT
};

/* A file that the configuration was made from, kept for diagnostics and for watching. */
struct config_file {
	struct span path;
	struct span text;
	bool is_table; /* re-read when it changes; the others only on reload */
};

struct config {
	struct arena arena;
	atomic_uint references;
	uint32_t generation;
	struct span path;
	struct listener listener[LISTENERS_MAX];
	uint8_t listener_count;
	struct listener control; /* path empty: none */
	struct resolver resolver;
	struct store_options store; /* store memory | sqlite "PATH" [sync full] | redis ... */
	struct origin store_origin;
	struct span password_file; /* of store.password: read by whoever opens the store */
	struct span sendmail;      /* for notices: the program; "/usr/sbin/sendmail" */
	int64_t deadline_ms;
	bool observe;
	enum log_target log;
	uint16_t workers;     /* 0: one a core */
	struct span user;     /* empty: stay who we are */
	struct span hostname; /* our own name, for headers and SPF's %{r}; may be empty */
	bool hides_receiver;  /* strangers read "unknown" for it */
	struct config_limits limits;
	const struct policy **policy;
	uint16_t policy_count;
	const struct zone **zone;
	uint16_t zone_count;
	const struct table **table;
	uint16_t table_count;
	const struct span *set; /* names of what is remembered, or declared by "table NAME known" */
	uint16_t set_count;
	struct config_file file[CONFIG_FILES_MAX];
	uint16_t file_count;
	struct regex **regex; /* all that is compiled: freed with the rest */
	uint32_t regex_count;
};

/* Reading is an effect: whoever asks for a configuration brings the way to files. */
struct config_loader {
	/** The whole of a file into arena.
	 *
	 * @return ERR_MISSING, ERR_LIMIT (above TABLE_FILE_BYTES_MAX, or the arena is full),
	 *         ERR_SYSTEM; then *why_out says it in words
	 */
	enum err (*load)(void *self, struct span path, struct arena *arena, struct span *text_out,
			 struct span *why_out);
	/** Paths that match a pattern of include, sorted; at most max.
	 * @return how many */
	size_t (*glob)(void *self, struct span pattern, struct arena *arena, struct span *path_out,
		       size_t max);
	void *self;
	struct span hostname; /* of this machine, where the configuration says none; or empty */
	const struct suffixes *suffixes; /* outlives every configuration; NULL: none */
};

/** Read and compile path and what it includes.
 *
 * @param report      all mistakes and warnings as the administrator sees them:
 *                    file:line:column: error: ..., the line, a caret, a suggestion
 * @param config_out  one reference, the caller's; NULL unless OK
 * @return OK (report may hold warnings), ERR_SYNTAX (report says all), ERR_LIMIT, ERR_SYSTEM
 */
MUST_USE enum err config_read(const struct config_loader *loader, struct span path,
			      struct text *report, struct config **config_out);

/** The shipped conf/weighd.conf and conf/zones/, built into the program: read
 * CONFIG_EMBEDDED_PATH with it. */
extern const struct config_loader config_loader_embedded;
#define CONFIG_EMBEDDED_PATH "weighd.conf"

struct config *config_hold(struct config *config);
void config_drop(struct config *config);

const struct policy *config_policy(const struct config *config, struct span name);
