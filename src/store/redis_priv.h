/* redis_priv.h -- what the files of the redis driver share.
 *
 *	redis.c          the driver: opening, closing, what is said
 *	redis_open.c     addresses, TLS, scripts: all that is settled once
 *	redis_names.c    the addresses of configured names, asked for in a thread of their own
 *	redis_ask.c      a question becomes a command, its reply an answer
 *	redis_page.c     listing, by SCAN
 *	redis_route.c    which server a command goes to; MOVED, ASK, NOSCRIPT, TRYAGAIN
 *	redis_cluster.c  the map of slots
 *	redis_sentinel.c who the master is
 *	redis_link.c     the connection to one server: commands in line, patience, back-off
 *	redis_wire.c     a link's transport: bufferevent, TLS
 *	redis_reader.c   bytes become replies, within bounds
 *	redis_reply.c    what replies mean: pure
 *	redis_record.c   what the scripts read and write: pure
 *
 * A port belongs to one event loop and has connections of its own; between ports nothing is
 * shared but what is settled at open, the counters and what was said.  Replies come in the order
 * of the commands, so a command needs no number: a link is a line of commands, the first of
 * which gets the next reply.
 *
 * A command is sent once.  It is sent again only where the server has said that it did nothing
 * (MOVED, ASK, TRYAGAIN, NOSCRIPT): else a count might be done twice.
 */
#pragma once
#include "store/store_priv.h"
#include "weigh/tally.h"
#include "weigh/triplet.h"

#include <hiredis/hiredis.h>
#include <openssl/types.h>
#include <pthread.h>
#include <sys/socket.h>

enum {
	SLOTS = 16384,                   /* of a cluster; source: the cluster's specification */
	LINK_REPLY_MAX = 64 * 1024,      /* bytes; what is larger ends the connection */
	LINK_ELEMENTS_MAX = 16384,       /* of all arrays in a reply */
	MAP_REPLY_MAX = 4 * 1024 * 1024, /* of a cluster each slot of which is alone ... */
	MAP_ELEMENTS_MAX = SLOTS * 24,   /* ... on a master with two replicas */
	LINK_FAILURES_MAX = 5,           /* so many failures ... */
	LINK_FAILURES_MS = 10000,        /* ... in so long: the server is down, and ... */
	LINK_TRY_MS = 5000,              /* ... is tried so often */
	LINK_BACK_OFF_MS = 100,          /* the first; doubled up to LINK_TRY_MS */
	LINK_GOOD_MS = 1000,             /* a connection that lived so long is replaced at once */
	LINK_STALL_FACTOR = 10,          /* of answer_ms: a reply so late will not come */
	NODES_MAX = 128,                 /* links of one port */
	NODE_NONE = 255,
	REPEATS_MAX = 8, /* of one command */
	LOADS_MAX = 2,   /* of its script, for one command */
	LOAD_MS = 1000,  /* after a load that was refused: no other */
	REPEAT_MS = 20,  /* after TRYAGAIN */
	MAP_MS = 1000,   /* the map of slots is asked for no oftener */
	SENTINEL_PING_MS = 5000,
	PREFIX_MAX = 64,
	REDIS_KEY_MAX = PREFIX_MAX + STORE_SET_MAX + STORE_KEY_MAX + 32,
	TALLY_RECORD_MAX = 16367,
	TALLY_WANTED_MAX = 160,
	TRIPLET_WANTED_MAX = 30,
	WORDS_MAX = 8, /* of a command */
	GREETING_WORDS_MAX = 4,
	WHY_MAX = 160,
	HOST_MAX = 255,
	SHA_LEN = 40,
};
_Static_assert((int)NODES_MAX < (int)NODE_NONE, "a node's number fits a byte");

#define REDIS_LINGER_MS (INT64_C(24) * 3600 * 1000) /* of a triplet that has expired */

/* --- settled at open --- */

struct redis_address {
	struct sockaddr_storage socket;
	socklen_t socket_len; /* 0: not known */
	uint16_t port;
	char host[HOST_MAX + 1];  /* as configured, or numeric: what a certificate must name */
	char label[HOST_MAX + 8]; /* to show: "host:port", or a path */
};

struct redis_script {
	struct span text;
	char sha[SHA_LEN + 1];
};

enum script { SCRIPT_TALLY, SCRIPT_TRIPLET, SCRIPT_COUNT };

struct redis {
	struct store *store;
	struct redis_names *names;
	struct redis_script script[SCRIPT_COUNT];
	SSL_CTX *tls; /* NULL: plain */
	pthread_mutex_t saying;
	int down_count;                        /* links of all ports that are known to be down */
	bool has_said_down;                    /* and not yet that it is back */
	int64_t said_down_ms, said_refused_ms; /* 0: never */
	uint64_t refused_unsaid;
};

/* --- commands --- */

struct redis_port;
struct redis_link;

/* What a reply means for the command. */
enum reply_kind {
	REPLY_FINE,
	REPLY_MOVED,
	REPLY_ASK,
	REPLY_TRYAGAIN,
	REPLY_NOSCRIPT,
	REPLY_READONLY, /* no master, or no longer */
	REPLY_AWAY,     /* the server is there, but does not serve */
	REPLY_REFUSED,
	REPLY_FAULT, /* of this command alone */
};

struct redis_command {
	struct redis_command *next; /* in a link's line, or among the repeated */
	struct redis_link *link;    /* where it stands in line; NULL: with the repeated */
	char *bytes;                /* as it is sent; malloced */
	size_t len;
	uint64_t sent; /* number among the link's */
	int64_t deadline_ms, sent_ms;
	int16_t slot; /* -1: of no key */
	uint8_t repeats, loads;
	int8_t script;  /* that it runs; -1: none */
	bool is_asking; /* goes behind an ASKING, once */
	bool is_map;    /* its reply may be large */
	bool is_done;   /* done() was called; its reply is passed over */
	/** The command has ended; called once.  The command is freed afterwards.
	 *
	 * @param reply  borrowed; NULL: there is none, cause says why.  May be an error.
	 * @param cause  CAUSE_NONE with a reply that is no error
	 */
	void (*done)(struct redis_command *command, const redisReply *reply, enum fact_cause cause);
};

/* --- links --- */

enum link_role { LINK_DATA, LINK_SENTINEL };
enum link_state {
	LINK_WAITING,    /* for its next try; whoever asks is told so at once */
	LINK_SEEKING,    /* its address is not known, or the next of several is to be tried */
	LINK_CONNECTING, /* TCP and TLS */
	LINK_GREETING,   /* AUTH, SELECT ... */
	LINK_READY,
};

enum greeting { GREET_AUTH, GREET_SELECT, GREET_NAME, GREET_ROLE, GREET_PING, GREET_COUNT };

struct redis_link {
	struct redis_port *port;
	enum link_role role;
	enum link_state state;
	bool is_down;   /* too many failures */
	bool is_seed;   /* of the configuration: stays */
	bool is_in_map; /* serves slots */
	bool is_leaving;
	bool is_mute; /* a command could not be written: whatever follows would be answered wrongly
		       */
	struct redis_address address;
	struct bufferevent *wire;
	redisReader *reader;
	redisReplyObjectFunctions standard, bounded; /* how the reader makes replies */
	size_t unread_bytes;                         /* since the last whole reply */
	int element_count;                           /* of arrays, since then */
	struct redis_command *first, **end;
	uint64_t sent;                       /* commands so far */
	uint64_t script_sent[SCRIPT_COUNT];  /* number of the last SCRIPT LOAD */
	int64_t load_refused_ms;             /* 0: never */
	uint32_t length;                     /* of the line */
	enum greeting greeting[GREET_COUNT]; /* whose replies are to come */
	uint8_t greeting_count, greeted;
	struct event *patience; /* for the state, or for the first in line */
	struct event *again;
	bool has_patience; /* the timer runs */
	bool looks_twice;
	int64_t failed_ms[LINK_FAILURES_MAX];
	uint8_t failed_at;
	uint8_t tried;        /* addresses of a single server, in this try */
	uint32_t back_off_ms; /* 0: the last connection was good */
	unsigned luck;
	int64_t ready_ms;
	char why[WHY_MAX + 1]; /* the last failure */
	/* sentinel */
	uint8_t refused_count; /* of this connection */
	bool has_heard;        /* since the last ping */
};

/* --- ports --- */

struct redis_port {
	struct store_port port;
	struct redis *redis;
	struct redis_address address[STORE_ADDRESSES_MAX]; /* of the configuration, as known */
	uint8_t address_count;
	struct redis_port *next; /* of those that are told of new addresses */
	int bell;                /* eventfd: addresses have changed; -1: none */
	struct event *rung;
	struct redis_link *node[NODES_MAX]; /* [0] is the only one but in a cluster; may be NULL */
	uint8_t slot[SLOTS];                /* node of a slot, or NODE_NONE */
	struct redis_link *sentinel;
	uint8_t sentinel_at; /* address that is tried */
	uint32_t in_line;    /* commands that are not done */
	bool is_closing;
	/* cluster */
	bool has_map;
	bool is_map_asked;
	int64_t map_ms;   /* when it was last asked for */
	uint8_t map_from; /* node that was asked last */
	struct event *map_timer;
	struct event *sweep; /* frees links that leave */
	/* after TRYAGAIN */
	struct redis_command *repeated;
	struct event *repeat;
};

/* --- redis.c --- */

int64_t redis_clock_ms(void); /* monotonic */
/** A link is down (change 1), still is after one more try (0), or no longer is (-1); by every
 * thread. */
void redis_say_down(struct redis *redis, const struct redis_link *link, int change);
void redis_say_refused(struct redis *redis, const char *why);
/** Addresses of the port have changed. */
void redis_port_moved(struct redis_port *port);

/* --- redis_open.c --- */

MUST_USE enum err redis_settle(struct redis *redis, struct text *why);
void redis_unsettle(struct redis *redis);
/** The address of what a server calls by host and port.
 *
 * @return ERR_MISSING: no number, and no name that stands in the configuration
 */
MUST_USE enum err redis_address_find(const struct redis_port *port, struct span host,
				     uint16_t number, struct redis_address *address_out);
bool redis_address_equal(const struct redis_address *a, const struct redis_address *b);
/** Is it one of the configuration's? */
bool redis_address_is_known(const struct redis_port *port, const struct redis_address *address);
/** A host and port to show, without an address. */
struct redis_address redis_address_named(struct span host, uint16_t port);
/** All addresses of a host, at most room; flags as of getaddrinfo().
 * @return how many; 0: *why_out says why */
unsigned redis_address_resolve(struct redis_address *address, unsigned room,
			       const struct store_address *from, int flags, const char **why_out);
/** @return false: the path is too long */
bool redis_address_of_path(struct redis_address *address, struct span path);
/** A session that wants the certificate to name host; NULL: no memory. */
SSL *redis_tls_session(const struct redis *redis, const struct redis_address *address);

/* --- redis_names.c --- */

/** What is a number or a path is settled; a thread begins to ask for what is a name. */
MUST_USE enum err names_open(struct redis *redis, struct text *why);
void names_close(struct redis *redis);
/** The port has its addresses, and is told of changes, until names_leave(). @return false: no
 * memory, or no descriptor */
bool names_join(struct redis_port *port);
void names_leave(struct redis_port *port);
/** A server does not answer: perhaps its name has another address now. */
void names_ask(struct redis *redis);
/** Why there is none; a constant. */
const char *names_why(struct redis *redis);

/* --- redis_reply.c --- */

enum reply_kind reply_kind(const redisReply *reply);
enum fact_cause reply_cause(const redisReply *reply); /* of an error */
/** "MOVED 3999 127.0.0.1:6381", "ASK ..."; host may be empty: the server's own.
 * @return ERR_SYNTAX */
MUST_USE enum err reply_redirection(const redisReply *reply, uint16_t *slot_out,
				    struct span *host_out, uint16_t *port_out);
struct span reply_span(const redisReply *reply); /* of a string; else empty */
uint16_t redis_slot(struct span key);
/** PREFIX:CLASS:{SET KEY}; set may be empty, and is then none. */
void redis_key(struct text *key, struct span prefix, enum store_class class, struct span set,
	       struct span name);
/** @return false: none of ours */
bool redis_key_split(struct span key, struct span prefix, enum store_class class,
		     struct span *set_out, struct span *name_out);

/* --- redis_record.c --- */

/** The record of a tally's text. @return as tally_parse(): nothing was added */
MUST_USE enum err record_add_tally(struct text *record, struct span text);
/** The text of a tally's record.
 * @return ERR_SYNTAX, ERR_LIMIT: none of ours, and what was added is nothing.  The text may still
 *         be none that tally_parse() reads. */
MUST_USE enum err text_add_record(struct text *text, struct span record);
/** What the scripts are asked. */
void wanted_add_tally(struct text *bytes, const struct tally_count *count, int64_t now_ms);
void wanted_add_triplet(struct text *bytes, const struct triplet_terms *terms, int64_t now_ms);
/** What the tally script says. @return ERR_SYNTAX; ERR_LIMIT: what no tally can say */
MUST_USE enum err said_tally(struct span said, struct tally_result *result_out);

/* --- redis_link.c --- */

MUST_USE struct redis_link *link_new(struct redis_port *port, enum link_role role,
				     const struct redis_address *address);
/** Whoever waits is told; nothing else is called. */
void link_free(struct redis_link *link);
/** Try to connect, now; with an address that is not known: wait for link_move(). */
void link_connect(struct redis_link *link);
/** The server is at another address now. */
void link_move(struct redis_link *link, const struct redis_address *address);
/** As link_move(), at the next turn of the loop, and without regard to what was there. */
void link_restart(struct redis_link *link, const struct redis_address *address);
/** The configuration's addresses have changed; it is one of them. */
void link_find_again(struct redis_link *link);
/** Put command in line, at its end; the link owns it from now on. */
void link_send(struct redis_link *link, struct redis_command *command);
/** End the connection and try again later; all in line have failed. */
void link_fail(struct redis_link *link, enum fact_cause cause, const char *why);
/** It is down, or no longer; only of those that are needed. */
void link_mark(struct redis_link *link, bool is_down);
/** Would a command be refused at once? */
bool link_is_away(const struct redis_link *link);
void link_patience(struct redis_link *link, int64_t ms);
/** For redis_wire.c: the connection stands; a reply has come (borrowed). */
void link_connected(struct redis_link *link);
void link_heard(struct redis_link *link, const redisReply *reply);

/* --- redis_wire.c --- */

/** @return ERR_SYSTEM; link->why says it */
MUST_USE enum err wire_open(struct redis_link *link);
void wire_close(struct redis_link *link);
/** What cannot be written ends the connection, at the next turn of the loop. */
void wire_write(struct redis_link *link, const char *bytes, size_t len);
/** Format a command and write it. */
void wire_command(struct redis_link *link, const struct span *word, size_t count);

/* --- redis_reader.c --- */

MUST_USE enum err reader_open(struct redis_link *link);
void reader_close(struct redis_link *link);
/** Whole replies go to the link, which may fail meanwhile. */
void reader_feed(struct redis_link *link, const char *bytes, size_t len);

/* --- redis_route.c --- */

/** A command of words.
 *
 * @param size  of the struct that begins with it
 * @param key   index of the word that is its key; -1: none
 * @return NULL: no memory
 */
MUST_USE struct redis_command *command_new(size_t size, const struct span *word, size_t count,
					   int key);
void command_free(struct redis_command *command);
/** It has ended: done() is called unless it was. */
void command_end(struct redis_command *command, const redisReply *reply, enum fact_cause cause);
/** Send it where its key is.  done() may be called from within. */
void route_command(struct redis_port *port, struct redis_command *command);
/** To this server, whatever its key is. */
void route_to(struct redis_link *link, struct redis_command *command);
/** Its reply has come, and it has left the line: end it, or send it again. */
void route_reply(struct redis_link *link, struct redis_command *command, const redisReply *reply);
void route_repeat(struct redis_port *port);
/** A server is ready, or is lost. */
void route_link_up(struct redis_link *link);
void route_link_lost(struct redis_link *link);

/* --- redis_cluster.c --- */

void cluster_start(struct redis_port *port);
/** Nodes for the configuration's addresses, which may have changed. */
void cluster_seed(struct redis_port *port);
/** The node at address, made if need be. @return NODE_NONE: no room */
uint8_t cluster_node(struct redis_port *port, const struct redis_address *address);
struct redis_link *cluster_route(struct redis_port *port, int slot);
/** Ask for the map, now or when its time has come. */
void cluster_learn(struct redis_port *port);
/** The reply to CLUSTER SLOTS, by the node that was asked. */
void cluster_take(struct redis_port *port, const struct redis_link *asked, const redisReply *reply);
void cluster_sweep(struct redis_port *port);
/** The node whose lowest slot is the lowest from slot on; NODE_NONE: none.  Its lowest slot goes
 * to *slot. */
uint8_t cluster_next_node(const struct redis_port *port, unsigned *slot);

/* --- redis_sentinel.c --- */

void sentinel_start(struct redis_port *port);
void sentinel_connected(struct redis_link *link);
void sentinel_heard(struct redis_link *link, const redisReply *reply);
void sentinel_tick(struct redis_link *link);
/** The one that was asked is lost, or says what does not help: ask the next. */
void sentinel_next(struct redis_port *port, const struct redis_link *lost);

/* --- redis_ask.c --- */

void redis_ask(struct store_port *port, struct store_wait *wait);
void redis_forget(struct store_port *port, struct store_wait *wait);
void redis_remember(struct store_port *port, const struct memory *memory, int64_t now_ms);
void redis_put(struct store_port *port, const struct store_entry *entry, int64_t now_ms,
	       store_done *done, void *self);
void redis_erase(struct store_port *port, const struct store_entry *entry, store_done *done,
		 void *self);
/** Words for what has not been done. */
const char *redis_cause_words(enum fact_cause cause);

/* --- redis_page.c --- */

void redis_page(struct store_port *port, const struct store_page *page, int64_t now_ms,
		store_done *done, void *self);
