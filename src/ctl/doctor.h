/* doctor.h -- what weighctl doctor finds, and what may be done about it.
 *
 * Gathering and judging are apart: doctor_dns.c, doctor_host.c and doctor_run.c ask the world
 * and fill plain structs; the judge_ functions, which are pure, make symptoms of them.
 *
 *	1 ok    the resolver does not rewrite NXDOMAIN
 *	2 FAIL  zen.spamhaus.org refuses us: 127.255.255.254
 *	        fix: resolver recursive
 */
#pragma once
#include "ctl/ctl.h"
#include "ctl/doctor_postconf.h"
#include "mail/ip.h"
#include "weigh/zone_health.h"

enum {
	SYMPTOMS_MAX = 512,
	SYMPTOM_TEXT_MAX = 16 * 1024,
	DIAGNOSIS_BYTES_MAX = 64 * 1024 * 1024,
	DOCTOR_MS = 10 * 1000,   /* all of it takes no longer */
	DOCTOR_RUN_MS = 3000,    /* postconf, both runs at once */
	DOCTOR_DNS_MS = 4000,    /* the look-ups, all at once */
	DOCTOR_PROBE_MS = 1500,  /* packets to the resolvers, all at once */
	DOCTOR_SOCKET_MS = 1000, /* a request to one socket of the daemon */
};
_Static_assert(DOCTOR_RUN_MS + DOCTOR_DNS_MS + DOCTOR_PROBE_MS + DOCTOR_SOCKET_MS < DOCTOR_MS,
	       "else one slow part takes the time of another");

/* --- the list --- */

enum symptom_level {
	SYMPTOM_OK,
	SYMPTOM_NOTE, /* worth knowing, or could not be found out; nothing to do */
	SYMPTOM_WARN, /* works, but not as it should */
	SYMPTOM_FAIL, /* mail is judged wrongly, or not at all */
};

struct symptom {
	enum symptom_level level;
	struct span subject; /* resolver, zone, clock, ... */
	struct span text, why, fix;
};

struct diagnosis {
	struct arena arena;
	struct symptom symptom[SYMPTOMS_MAX];
	size_t count;
};

void diagnosis_init(struct diagnosis *diagnosis);
void diagnosis_release(struct diagnosis *diagnosis);

/** Add a symptom.  Foreign text may be in it as it is: printing escapes it. */
void diagnose(struct diagnosis *diagnosis, enum symptom_level level, const char *subject,
	      const char *format, ...) PRINTF_LIKE(4, 5);

/** What shows the last symptom, and what cures it. */
void diagnosis_why(struct diagnosis *diagnosis, const char *format, ...) PRINTF_LIKE(2, 3);
void diagnosis_fix(struct diagnosis *diagnosis, const char *format, ...) PRINTF_LIKE(2, 3);

/** How many symptoms need the administrator: warnings and failures. */
size_t diagnosis_needs(const struct diagnosis *diagnosis);

void diagnosis_print(const struct diagnosis *diagnosis);
MUST_USE int diagnosis_print_json(const struct diagnosis *diagnosis);

/* --- who resolves, and how well --- */

enum probe_said { PROBE_NOTHING, PROBE_ANSWERED, PROBE_REFUSED };

/* One address that our questions go to. */
struct resolver_probe {
	struct ip address;
	uint16_t port;
	enum probe_said udp, tcp;
	bool has_edns;     /* there was an OPT record in the answer over UDP */
	bool refuses_edns; /* FORMERR or NOTIMP: the question is not understood */
};

enum lookup { LOOKUP_FAILED, LOOKUP_NONE, LOOKUP_FOUND };

struct resolver_facts {
	enum resolver_kind kind;
	bool is_stub; /* "system", and it is systemd-resolved's 127.0.0.53 or .54 */
	struct ip uplink[RESOLVER_ADDRESSES_MAX]; /* whom the stub asks, if that is known */
	size_t uplink_count;
	struct resolver_probe probe[RESOLVER_ADDRESSES_MAX]; /* none for recursion */
	size_t probe_count;
	struct ip egress;      /* who asks, as others see it; IP_NONE: unknown */
	enum lookup rewritten; /* a name that does not exist: FOUND is a lie */
	struct span rewriting; /* what was found */
	enum lookup large;     /* an answer that does not fit into a datagram */
	bool is_alive;         /* anything was answered at all */
	uint32_t took_us;      /* of the slowest look-up that was answered */
	uint32_t question_ms;  /* our patience */
};

void judge_resolver(struct diagnosis *diagnosis, const struct resolver_facts *facts);

/** "Cloudflare", or NULL: a public resolver, which big lists refuse. */
const char *public_resolver(struct ip address);

/* --- zones --- */

struct zone_facts {
	const struct zone *zone; /* borrowed */
	struct zone_test test[ZONE_TESTS_MAX];
	enum zone_said said[ZONE_TESTS_MAX];
	uint32_t raw[ZONE_TESTS_MAX];
	size_t test_count;
};

void judge_zone(struct diagnosis *diagnosis, const struct zone_facts *facts);

/* --- this host and the daemon --- */

enum listener_said {
	LISTENER_SILENT, /* connected, no answer */
	LISTENER_ABSENT, /* nobody is there */
	LISTENER_DENIED, /* we may not connect */
	LISTENER_ANSWERS,
	LISTENER_ODD, /* something else than a policy service answers */
};

struct listener_facts {
	const struct listener *listener;
	enum listener_said said;
};

struct daemon_facts {
	bool is_reached, is_denied;
	struct span control_path;
	struct span config_path;     /* which the daemon runs by */
	struct span our_config_path; /* which was read here */
	int64_t generation;
	int64_t daemon_ms;   /* its wall clock; 0: it does not say */
	int64_t loaded_ms;   /* when it read its configuration; 0: it does not say */
	int64_t changed_ms;  /* when a file of the configuration changed last */
	int64_t descriptors; /* its limit of open files; 0: unknown */
	bool is_observing;
};

struct host_facts {
	int64_t now_ms;
	const struct config *config;
	struct daemon_facts daemon;
	struct listener_facts listener[LISTENERS_MAX];
	size_t listener_count;
};

void judge_host(struct diagnosis *diagnosis, const struct host_facts *facts);

/* --- Postfix --- */

/* A Unix socket as the file system shows it. */
struct socket_facts {
	struct span path;
	bool is_there, is_socket;
	uint32_t mode;
	bool is_postfix_owned; /* user or group are Postfix's own */
};

struct postfix_facts {
	const struct config *config;
	const struct postconf *postconf;
	struct socket_facts socket[LISTENERS_MAX];
	size_t socket_count;
};

void judge_postfix(struct diagnosis *diagnosis, const struct postfix_facts *facts);

/* --- gathering --- */

/** Milliseconds of a clock that is never set back. */
int64_t doctor_clock_ms(void);

/* What the DNS was asked, and said. */
struct dns_facts {
	struct resolver_facts resolver;
	struct zone_facts *zone; /* in the arena */
	size_t zone_count;
};

/** Ask all questions at once, for DOCTOR_DNS_MS at most.
 *
 * @return false: the DNS cannot be asked; *why_out says why
 */
MUST_USE bool doctor_ask_dns(const struct config *config, struct arena *arena,
			     struct dns_facts *facts_out, const char **why_out);

/** A question and its answer, over UDP and TCP, of each address. */
void doctor_probe(struct resolver_probe *probe, size_t count);

/** Ask the daemon and its sockets.
 *
 * @param control_path  NULL: as the configuration says
 * @param end_ms        of doctor_clock_ms(): sockets that are not asked by then are left out
 */
void doctor_look_at_host(const struct config *config, const char *control_path, int64_t end_ms,
			 struct arena *arena, struct host_facts *facts_out);

/* What a program printed. */
struct output {
	struct span text, errors;
	int status; /* exit status, or one of these */
};

enum { OUTPUT_ABSENT = -1 /* no such program */, OUTPUT_UNENDED = -2 /* not in time, killed */ };

/** Run "postconf -nf" and "postconf -Mf" at once, DOCTOR_RUN_MS at most; no shell.
 *
 * @param directory  of the configuration, for -c; NULL: postconf's own
 */
void doctor_run_postconf(char *directory, struct arena *arena, struct output *main_out,
			 struct output *master_out);
