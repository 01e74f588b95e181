/* policyd_rate_limit_priv.h -- what the configuration and the database share. */
#pragma once
#include "ctl/import/policyd_rate_limit.h"
#include "ctl/import/settings.h"
#include "ctl/import/yaml_tree.h"
#include "weigh/rates.h"

/* SETTING(name, standard, fate, note) */
#define RATE_LIMIT_SETTINGS(SETTING)                                                               \
	SETTING(debug, "True", DROPPED, "the log has a line for each decision")                    \
	SETTING(user, "policyd-rate-limit", DROPPED, "weighd's service has its own")               \
	SETTING(group, "policyd-rate-limit", DROPPED, "weighd's service has its own")              \
	SETTING(pidfile, "/var/run/policyd-rate-limit/policyd-rate-limit.pid", DROPPED,            \
		"it runs under a supervisor")                                                      \
	SETTING(mysql_config, "", SECRET, "weighd keeps a store of its own")                       \
	SETTING(sqlite_config, "", DROPPED, "weighd keeps a store of its own")                     \
	SETTING(pgsql_config, "", SECRET, "weighd keeps a store of its own")                       \
	SETTING(backend, "0", DROPPED, "weighd keeps a store of its own")                          \
	SETTING(SOCKET, "/var/spool/postfix/ratelimit/policy", KEPT, NULL)                         \
	SETTING(socket_permission, "0666", KEPT, NULL)                                             \
	SETTING(limits, "[[10, 60], [150, 86400]]", KEPT, NULL)                                    \
	SETTING(limits_by_id, "{}", KEPT, NULL)                                                    \
	SETTING(limit_by_sasl, "True", KEPT, NULL)                                                 \
	SETTING(limit_by_sender, "False", KEPT, NULL)                                              \
	SETTING(limit_by_ip, "False", KEPT, NULL)                                                  \
	SETTING(limited_networks, "[]", KEPT, NULL)                                                \
	SETTING(success_action, "dunno", KEPT, NULL)                                               \
	SETTING(fail_action, "defer_if_permit Rate limit reach, retry later", CHANGED,             \
		"450 at once for defer_if_permit, 550 for reject")                                 \
	SETTING(db_error_action, "dunno", KEPT, NULL)                                              \
	SETTING(report, "False", CHANGED, "a notice at the first refusal of a time, not a report") \
	SETTING(report_from, "null", DROPPED, "notices come from weighd's own sender")             \
	SETTING(report_to, "null", CHANGED, "one address: the first")                              \
	SETTING(report_subject, "policyd-rate-limit report", DROPPED, "a notice has its own")      \
	SETTING(report_limits, "[86400]", DROPPED, "a notice names the time that is over")         \
	SETTING(report_only_if_needed, "True", DROPPED, "a notice is sent when there is one")      \
	SETTING(smtp_server, "[localhost, 25]", DROPPED, "notices go through sendmail(1)")         \
	SETTING(smtp_starttls, "False", DROPPED, "notices go through sendmail(1)")                 \
	SETTING(smtp_credentials, "null", SECRET, "notices go through sendmail(1)")                \
	SETTING(delay_to_close, "300", KEPT, NULL)                                                 \
	SETTING(sql_limits_by_id, "", DROPPED, "write the rows into a table")                      \
	SETTING(count_mode, "", CHANGED, "recipients are counted once, at RCPT or at DATA")

enum rate_limit_setting {
#define SETTING(name, standard, fate, note) RL_##name,
	RATE_LIMIT_SETTINGS(SETTING)
#undef SETTING
		RL_SETTING_COUNT
};

enum { RL_NETWORKS_MAX = 1024, RL_TEXT_MAX = CONFIG_TEXT_MAX, RL_ID_MAX = 255 };

/* The file, read. */
struct rate_limit {
	struct settings settings;
	struct arena arena;
	struct yaml_node *root;
	struct text *config;
	struct rates limits;
	bool by_sasl, by_sender, by_ip;
	int64_t count_mode; /* -1: the file does not say */
};

/** @return ERR_SYNTAX: no YAML that is understood; all is as by default then */
MUST_USE enum err rate_limit_read(struct rate_limit *rate, struct span foreign,
				  const struct import_options *options, struct text *report);
void rate_limit_release(struct rate_limit *rate);

/** [[10, 60], [150, 86400]]; false: reported. */
bool rate_limit_rates(struct rate_limit *rate, const struct yaml_node *list,
		      struct rates *rates_out);
/** The rates of an id: its own, or those of all. */
struct rates rate_limit_rates_of(struct rate_limit *rate, struct span id);
