/* policyd_weight_rules.c -- what becomes of each of policyd-weight's 77 settings, and which
 * DNS lists are dead. */
#include "ctl/import/policyd_weight_priv.h"

#define KEPT(sigil, name)                                                                          \
	{                                                                                          \
		sigil, name, FATE_KEPT, NULL, NULL                                                 \
	}
#define RENAMED(sigil, name, parameter, note)                                                      \
	{                                                                                          \
		sigil, name, FATE_KEPT, parameter, note                                            \
	}
#define DROPPED(sigil, name, why)                                                                  \
	{                                                                                          \
		sigil, name, FATE_DROPPED, NULL, why                                               \
	}

const struct import_rule import_rule[IMPORT_RULES] = {
	DROPPED('$', "DEBUG", "weighctl weigh explains any decision"),
	DROPPED('$', "VERBOSE", "each decision is logged in one line, and can be explained"),
	KEPT('$', "ADD_X_HEADER"),
	KEPT('$', "REJECTMSG"),
	KEPT('$', "REJECTLEVEL"),
	KEPT('$', "DEFER_STRING"),
	KEPT('$', "DEFER_ACTION"),
	KEPT('$', "DEFER_LEVEL"),
	KEPT('$', "MAXDNSBLMSG"),
	KEPT('$', "DNSERRMSG"),
	KEPT('$', "MAXDNSERRMSG"),
	DROPPED('$', "DEFAULT_RESPONSE", "policyd-weight never gives it either"),
	RENAMED('@', "dnsbl_score", "dnsbl", "a line for each list: dnsbl ZONE HIT MISS NAME"),
	KEPT('$', "MAXDNSBLHITS"),
	KEPT('$', "MAXDNSBLSCORE"),
	KEPT('$', "dnsbl_checks_only"),
	KEPT('@', "dnsbl_checks_only_regexps"),
	KEPT('$', "LOG_BAD_RBL_ONLY"),
	KEPT('$', "BL_ERROR_SKIP"),
	KEPT('$', "BL_SKIP_RELEASE"),
	DROPPED('$', "USE_NET_DNS", "there is one DNS client, and it understands all answers"),
	RENAMED('@', "rhsbl_score", "rhsbl", "a line for each list: rhsbl ZONE HIT MISS NAME"),
	KEPT('@', "rhsbl_penalty_score"),
	KEPT('@', "client_ip_eq_helo_score"),
	KEPT('@', "helo_score"),
	KEPT('@', "helo_from_mx_eq_ip_score"),
	KEPT('@', "helo_numeric_score"),
	KEPT('@', "from_match_regex_verified_helo"),
	KEPT('@', "from_match_regex_unverified_helo"),
	KEPT('@', "from_match_regex_failed_helo"),
	KEPT('@', "helo_seems_dialup"),
	KEPT('@', "failed_helo_seems_dialup"),
	KEPT('@', "helo_ip_in_client_subnet"),
	KEPT('@', "helo_ip_in_cl16_subnet"),
	KEPT('@', "client_seems_dialup_score"),
	KEPT('@', "from_multiparted"),
	KEPT('@', "from_anon"),
	KEPT('@', "bogus_mx_score"),
	KEPT('@', "random_sender_score"),
	KEPT('@', "enforce_dyndns_score"),
	KEPT('$', "IGNORE_RFC1918_A"),
	{ '$', "NS", FATE_RESOLVER, NULL, "the resolver line" },
	DROPPED('$', "DNS_RETRIES", "all questions go out at once, under one deadline"),
	DROPPED('$', "DNS_RETRY_IVAL", "all questions go out at once, under one deadline"),
	KEPT('$', "MAXDNSERR"),
	DROPPED('$', "PUDP", "sockets are weighd's own business"),
	KEPT('$', "CACHESIZE"),
	KEPT('$', "CACHEMAXSIZE"),
	KEPT('$', "POSCACHESIZE"),
	KEPT('$', "POSCACHEMAXSIZE"),
	KEPT('$', "CACHEREJECTMSG"),
	KEPT('$', "POSCACHEMSG"),
	KEPT('$', "NTTL"),
	RENAMED('$', "NTIME", NULL, "with its unit"),
	KEPT('$', "PTTL"),
	RENAMED('$', "PTIME", NULL, "with its unit"),
	RENAMED('$', "TEMP_PTIME", NULL, "with its unit"),
	DROPPED('$', "MAXIDLECACHE", "the cache is no process of its own"),
	DROPPED('$', "MAINTENANCE_LEVEL", "weighd reads its file again when told: weighctl reload"),
	DROPPED('$', "IPC_TIMEOUT", "the cache is no process of its own"),
	DROPPED('$', "USER", "the line user NAME, or the service's unit"),
	DROPPED('$', "GROUP", "the group of the line user NAME"),
	DROPPED('$', "LOCKPATH", "there are no lock files"),
	DROPPED('$', "SPATH", "the cache is no process of its own"),
	DROPPED('$', "PIDFILE", "the supervisor knows the process"),
	{ '$', "BIND_ADDRESS", FATE_LISTEN, NULL, "the listen line" },
	{ '$', "TCP_PORT", FATE_LISTEN, NULL, "the listen line" },
	DROPPED('$', "SOMAXCONN", "the system's own limit holds"),
	DROPPED('$', "MAX_PROC", "one process serves all connections"),
	DROPPED('$', "MIN_PROC", "one process serves all connections"),
	DROPPED('$', "CHILDIDLE", "there are no children"),
	DROPPED('$', "TRY_BALANCE", "one process serves all connections"),
	DROPPED('$', "syslog_socktype", "the line log syslog, or log stderr"),
	DROPPED('$', "syslog_facility", "with log syslog: mail"),
	DROPPED('$', "syslog_options", "with log syslog: the process number is always logged"),
	DROPPED('$', "syslog_priority", "policyd-weight never uses it either"),
	DROPPED('$', "syslog_ident", "with log syslog: weighd"),
};

/* A list goes when it has been dead for years and is none of policyd-weight's own: what is
 * imported must score as before.  Its own lists stay, with a word of warning. */
static const struct {
	struct span zone; /* and all below it */
	const char *why;
	bool keep;
} dead_list[] = {
	{ SPAN_INIT("dsbl.org"), "dead since 2008", false },
	{ SPAN_INIT("njabl.org"), "dead since 2013", false },
	{ SPAN_INIT("ahbl.org"), "dead since 2015, it listed everything", false },
	{ SPAN_INIT("rfc-ignorant.org"), "dead since 2012", false },
	{ SPAN_INIT("ordb.org"), "dead since 2006, it listed everything", false },
	{ SPAN_INIT("sorbs.net"), "dead since 2024", false },
	{ SPAN_INIT("blitzed.org"), "dead since 2006", false },
	{ SPAN_INIT("osirusoft.com"), "dead since 2003, it listed everything", false },
	{ SPAN_INIT("ipv6-world.net"), "dead since 2008", false },
	{ SPAN_INIT("ix.dnsbl.manitu.net"), "dead since 2025: take it out when you can", true },
	{ SPAN_INIT("dnsbl.manitu.net"), "dead since 2025", false },
};

static bool is_within(struct span name, struct span zone)
{
	return span_ends_nocase(name, zone) &&
	       (name.len == zone.len || name.at[name.len - zone.len - 1] == '.');
}

const char *import_dead_list(struct span zone, bool *keep_out)
{
	for (size_t i = 0; i < sizeof(dead_list) / sizeof(*dead_list); i++)
		if (is_within(zone, dead_list[i].zone)) {
			*keep_out = dead_list[i].keep;
			return dead_list[i].why;
		}
	return NULL;
}
