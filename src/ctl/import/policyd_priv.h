/* policyd_priv.h -- what the parts of the import of Policyd v1 share. */
#pragma once
#include "ctl/import/list.h"
#include "ctl/import/policyd.h"
#include "ctl/import/settings.h"
#include "ctl/import/sql_dump.h"

/* SETTING(name, standard, fate, note): the standard is that of the shipped file. */
#define POLICYD_SETTINGS(SETTING)                                                                  \
	SETTING(MYSQLHOST, "127.0.0.1", DROPPED, "weighd keeps a store of its own")                \
	SETTING(MYSQLDBASE, "policyd", DROPPED, "weighd keeps a store of its own")                 \
	SETTING(MYSQLUSER, "postfix", DROPPED, "weighd keeps a store of its own")                  \
	SETTING(MYSQLPASS, "p0stf1x", SECRET, "weighd keeps a store of its own")                   \
	SETTING(MYSQLOPT, "", DROPPED, "weighd keeps a store of its own")                          \
	SETTING(MYSQLPORT, "3306", DROPPED, "weighd keeps a store of its own")                     \
	SETTING(FAILSAFE, "1", KEPT, NULL)                                                         \
	SETTING(DATABASE_KEEPALIVE, "0", DROPPED, "weighd keeps a store of its own")               \
	SETTING(DEBUG, "3", DROPPED, "the log has a line for each decision")                       \
	SETTING(DAEMON, "0", DROPPED, "it runs in the foreground, under a supervisor")             \
	SETTING(BINDHOST, "127.0.0.1", KEPT, NULL)                                                 \
	SETTING(BINDPORT, "10031", KEPT, NULL)                                                     \
	SETTING(PIDFILE, "/var/run/policyd.pid", DROPPED, "it runs under a supervisor")            \
	SETTING(SYSLOG_FACILITY, "LOG_MAIL | LOG_INFO", CHANGED, "log syslog: mail")               \
	SETTING(CHROOT, "/", DROPPED, "weighd's service bounds it")                                \
	SETTING(UID, "0", DROPPED, "weighd's service has its own user")                            \
	SETTING(GID, "0", DROPPED, "weighd's service has its own user")                            \
	SETTING(CONN_ACL, "127.0.0.1 192.168.0.0/24", DROPPED,                                     \
		"who may ask is the firewall's; Policyd 1.82 does not look at it either")          \
	SETTING(WHITELISTING, "1", KEPT, NULL)                                                     \
	SETTING(WHITELISTNULL, "0", KEPT, NULL)                                                    \
	SETTING(WHITELISTSENDER, "0", KEPT, NULL)                                                  \
	SETTING(WHITELISTDNSNAME, "0", KEPT, NULL)                                                 \
	SETTING(AUTO_WHITE_LISTING, "0", KEPT, NULL)                                               \
	SETTING(AUTO_WHITELIST_NUMBER, "500", CHANGED, "the next new triplet passes at once")      \
	SETTING(AUTO_WHITELIST_NETBLOCK, "0", CHANGED, "counted as it is trusted: 0 by address")   \
	SETTING(AUTO_WHITELIST_EXPIRE, "7d", CHANGED, "lasts longer while it is used; 0 is 400d")  \
	SETTING(BLACKLISTING, "0", CHANGED, "0: listed and observed, as the dry run was")          \
	SETTING(BLACKLISTDNSNAME, "0", KEPT, NULL)                                                 \
	SETTING(BLACKLISTSENDER, "0", KEPT, NULL)                                                  \
	SETTING(BLACKLIST_TEMP_REJECT, "1", KEPT, NULL)                                            \
	SETTING(BLACKLIST_NETBLOCK, "0", CHANGED, "the /24, of IPv6 the /64; of every module")     \
	SETTING(BLACKLIST_REJECTION, "Abuse. Go away.", KEPT, NULL)                                \
	SETTING(AUTO_BLACK_LISTING, "0", KEPT, NULL)                                               \
	SETTING(AUTO_BLACKLIST_NUMBER, "500", CHANGED, "those that came back later count, too")    \
	SETTING(AUTO_BLACKLIST_EXPIRE, "7d", KEPT, NULL)                                           \
	SETTING(BLACKLIST_HELO, "0", KEPT, NULL)                                                   \
	SETTING(BLACKLIST_HELO_AUTO_EXPIRE, "0", CHANGED, "0 is ten years")                        \
	SETTING(HELO_CHECK, "0", KEPT, NULL)                                                       \
	SETTING(HELO_MAX_COUNT, "10", CHANGED, "a known name does no harm; at most 127")           \
	SETTING(HELO_BLACKLIST_AUTO_EXPIRE, "14d", KEPT, NULL)                                     \
	SETTING(HELO_AUTO_EXPIRE, "7d", KEPT, NULL)                                                \
	SETTING(SPAMTRAPPING, "0", KEPT, NULL)                                                     \
	SETTING(SPAMTRAP_REJECTION, "Abuse. Go away.", KEPT, NULL)                                 \
	SETTING(SPAMTRAP_AUTO_EXPIRE, "7d", KEPT, NULL)                                            \
	SETTING(GREYLISTING, "1", KEPT, NULL)                                                      \
	SETTING(GREYLIST_REJECTION, "Please try later.", KEPT, NULL)                               \
	SETTING(GREYLIST_X_HEADER, "0", KEPT, NULL)                                                \
	SETTING(GREYLIST_HOSTADDR, "3", CHANGED, "4 by address, else /24; IPv6 whole or by /64")   \
	SETTING(TRAINING_MODE, "0", KEPT, NULL)                                                    \
	SETTING(TRAINING_POLICY_TIMEOUT, "0", CHANGED,                                             \
		"rows: weighctl known add policyd_training")                                       \
	SETTING(TRIPLET_TIME, "4m", KEPT, NULL)                                                    \
	SETTING(OPTINOUT, "0", KEPT, NULL)                                                         \
	SETTING(OPTINOUTALL, "0", KEPT, NULL)                                                      \
	SETTING(TRIPLET_AUTH_TIMEOUT, "30d", CHANGED, "heeded when judging, not at a clean-up")    \
	SETTING(TRIPLET_UNAUTH_TIMEOUT, "2d", CHANGED, "heeded when judging, not at a clean-up")   \
	SETTING(SENDERTHROTTLE, "0", KEPT, NULL)                                                   \
	SETTING(SENDER_THROTTLE_SASL, "0", KEPT, NULL)                                             \
	SETTING(SENDER_THROTTLE_HOST, "1", KEPT, NULL)                                             \
	SETTING(SENDER_THROTTLE_ENVELOPE, "0", CHANGED,                                            \
		"of 1.9: by sender where neither _SASL nor _HOST is on")                           \
	SETTING(QUOTA_EXCEEDED_TEMP_REJECT, "1", KEPT, NULL)                                       \
	SETTING(SENDER_QUOTA_REJECTION, "Quota Exceeded.", KEPT, NULL)                             \
	SETTING(SENDER_SIZE_REJECTION, "Message size too big.", KEPT, NULL)                        \
	SETTING(SENDERMSGLIMIT, "512", CHANGED, "in any such time, not from the first mail on")    \
	SETTING(SENDERRCPTLIMIT, "3600", CHANGED, "in any such time")                              \
	SETTING(SENDERQUOTALIMIT, "250000000", CHANGED, "in any such time; once a message")        \
	SETTING(SENDERTIMELIMIT, "1h", CHANGED, "the time slides")                                 \
	SETTING(SENDERMSGSIZE, "10240000", KEPT, NULL)                                             \
	SETTING(SENDERMSGSIZE_WARN, "50", DROPPED, "Policyd does not read it either")              \
	SETTING(SENDERMSGSIZE_PANIC, "90", DROPPED, "Policyd does not read it either")             \
	SETTING(SENDER_INACTIVE_EXPIRE, "31d", DROPPED, "what is out of its time is forgotten")    \
	SETTING(SENDER_THROTTLE_AUTOBLACKLIST, "0", KEPT, NULL)                                    \
	SETTING(SENDER_THROTTLE_AUTOBLACKLIST_NUMBER, "3", CHANGED, "within 31 days")              \
	SETTING(SENDER_THROTTLE_AUTOBLACKLIST_EXPIRE, "6h", KEPT, NULL)                            \
	SETTING(RECIPIENTTHROTTLE, "0", KEPT, NULL)                                                \
	SETTING(RECIPIENTMSGLIMIT, "64", CHANGED, "in any such time")                              \
	SETTING(RECIPIENTTIMELIMIT, "1h", CHANGED, "the time slides")                              \
	SETTING(RECIPIENT_QUOTA_REJECTION, "Quota Exceeded.", KEPT, NULL)                          \
	SETTING(RECIPIENT_INACTIVE_EXPIRE, "31d", DROPPED, "what is out of its time is forgotten") \
	SETTING(RCPT_ACL, "0", DROPPED, "of 1.9: write the rows of rcpt_acl as statements")

enum policyd_setting {
#define SETTING(name, standard, fate, note) POLICYD_##name,
	POLICYD_SETTINGS(SETTING)
#undef SETTING
		POLICYD_SETTING_COUNT
};

/* Names of sets and limits; the import of the database writes into them. */
#define POLICYD_WHITE         "policyd_whitelist"
#define POLICYD_BLACK         "policyd_blacklist"
#define POLICYD_BLACK_SENDERS "policyd_blacklist_senders"
#define POLICYD_TRAINING      "policyd_training"

/* Whose mail a throttle counts.  Its limits are called NAME_messages and so on; rows of its own
 * stand in the tables throttle_messages and so on, under what by says. */
struct policyd_subject {
	const char *name;
	const char *by;
	const char *if_none; /* only where this is empty; NULL */
	const char *within;  /* the group whose row counts where there is no row of its own; NULL */
	const char *group;   /* name of the group's limits */
};

/** Whose mail is counted, by SENDER_THROTTLE_SASL and _HOST.
 *
 * @return how many
 */
unsigned policyd_subjects(struct settings *settings, const struct policyd_subject **subject_out);

/* What the tables of the database add to the configuration. */
struct policyd_lists {
	struct arena arena;
	struct list white, white_wide, white_senders, white_domains, white_names;
	struct list black, black_wide, black_senders, black_domains, black_names;
	struct list helo, traps;
	struct list opted, opted_domains;        /* key, priority, 1 or 0 */
	struct list messages, recipients, bytes; /* key, rates: what differs from the file's */
	struct list sizes;                       /* key, bytes */
	struct list rcpt_messages;
	uint64_t left_out;
	struct settings *settings;
	bool is_by_host;
};

struct policyd_import {
	struct settings settings;
	struct policyd_lists lists;
	struct text *config;
};

void policyd_read(struct settings *settings, struct span foreign,
		  const struct import_options *options, struct text *report);
/** A time with Policyd's units, in ms; what is none is reported, and the standard taken. */
int64_t policyd_time(struct settings *settings, enum policyd_setting setting);
/** The same, and the nearest that is not out of bounds. */
int64_t policyd_time_within(struct settings *settings, enum policyd_setting setting,
			    int64_t least_ms, int64_t most_ms);
/* What "for ever" becomes: as long as the language lets remember, and trust. */
enum { EVER_DAYS = 3650, TRUST_EVER_DAYS = 400 };
/** How long something is remembered; 0 is for ever. */
void policyd_add_keep(struct policyd_import *import, enum policyd_setting setting,
		      int64_t ever_days);
/** "192.0.2.%" as a network, an address as itself; false: none of these.  is_wide: wider than
 * a /24. */
bool policyd_network(struct span row, struct text *network, bool *is_wide_out);

/** Read the tables that belong into the configuration.  @return as sql_file_read() */
MUST_USE enum err policyd_lists_read(struct policyd_lists *lists, const char *path,
				     struct settings *settings);
/** All tables of the configuration. */
void policyd_tables_write(struct policyd_import *import);
/** The statements of the throttles. */
void policyd_throttle_write(struct policyd_import *import);
/** "SETTING's rejection" behind its verdict, by TEMP_REJECT. */
void policyd_add_verdict(struct policyd_import *import, bool is_temporary,
			 enum policyd_setting text);
/** client_address, or client_network with BLACKLIST_NETBLOCK. */
const char *policyd_culprit(struct policyd_import *import);
/** "failing pass" or, without FAILSAFE, "failing defer". */
const char *policyd_failing(struct policyd_import *import);
