/* classic_parameters.c -- names, ranges and defaults of classic's parameters. */
#include "checks/classic.h"

#define SCORE_MAX 1e6
#define COUNT_MAX 1e9

#define NUMBER(name, member)                                                                       \
	{                                                                                          \
		name, PARAMETER_NUMBER, offsetof(struct classic_parameters, member), -SCORE_MAX,   \
			SCORE_MAX                                                                  \
	}
#define COUNT(name, member)                                                                        \
	{                                                                                          \
		name, PARAMETER_INTEGER, offsetof(struct classic_parameters, member), 0, COUNT_MAX \
	}
#define PERIOD(name, member)                                                                       \
	{                                                                                          \
		name, PARAMETER_DURATION, offsetof(struct classic_parameters, member), 0, 1e15     \
	}
#define FLAG(name, member)                                                                         \
	{                                                                                          \
		name, PARAMETER_FLAG, offsetof(struct classic_parameters, member), 0, 1            \
	}
#define TEXT_OF(name, member)                                                                      \
	{                                                                                          \
		name, PARAMETER_TEXT, offsetof(struct classic_parameters, member), 0, 0            \
	}
#define PAIR(name, member)                                                                         \
	{                                                                                          \
		name, PARAMETER_PAIR, offsetof(struct classic_parameters, member), -SCORE_MAX,     \
			SCORE_MAX                                                                  \
	}
/* max: how many rows */
#define ROWS(name, member, rows_max)                                                               \
	{                                                                                          \
		name, PARAMETER_LIST, offsetof(struct classic_parameters, member), 0, rows_max     \
	}

const struct parameter classic_parameter[] = {
	NUMBER("REJECTLEVEL", reject_level),
	TEXT_OF("REJECTMSG", reject_text),
	TEXT_OF("DEFER_STRING", defer_string),
	TEXT_OF("DEFER_ACTION", defer_action),
	NUMBER("DEFER_LEVEL", defer_level),
	TEXT_OF("MAXDNSBLMSG", too_listed_text),
	TEXT_OF("DNSERRMSG", no_dns_text),
	TEXT_OF("MAXDNSERRMSG", dns_trouble_text),
	FLAG("ADD_X_HEADER", add_header),
	ROWS("dnsbl", dnsbl, CLASSIC_DNSBL_MAX),
	COUNT("MAXDNSBLHITS", hits_max),
	NUMBER("MAXDNSBLSCORE", list_score_max),
	FLAG("dnsbl_checks_only", lists_only),
	{ "dnsbl_checks_only_regexps", PARAMETER_REGEX,
	  offsetof(struct classic_parameters, lists_only_names), 0, 0 },
	FLAG("LOG_BAD_RBL_ONLY", log_bad_only),
	COUNT("BL_ERROR_SKIP", error_skip),
	COUNT("BL_SKIP_RELEASE", skip_release),
	COUNT("MAXDNSERR", dns_errors_max),
	ROWS("rhsbl", rhsbl, CLASSIC_RHSBL_MAX),
	PAIR("rhsbl_penalty_score", rhsbl_penalty),
	PAIR("client_ip_eq_helo_score", client_ip_eq_helo),
	PAIR("helo_score", helo),
	PAIR("helo_from_mx_eq_ip_score", helo_from_mx_eq_ip),
	PAIR("helo_numeric_score", helo_numeric),
	PAIR("from_match_regex_verified_helo", from_verified),
	PAIR("from_match_regex_unverified_helo", from_unverified),
	PAIR("from_match_regex_failed_helo", from_failed),
	PAIR("helo_seems_dialup", helo_dialup),
	PAIR("failed_helo_seems_dialup", failed_helo_dialup),
	PAIR("enforce_dyndns_score", enforce_dyndns),
	PAIR("client_seems_dialup_score", client_dialup),
	PAIR("helo_ip_in_client_subnet", subnet24),
	PAIR("helo_ip_in_cl16_subnet", subnet16),
	PAIR("from_multiparted", multiparted),
	PAIR("from_anon", anonymous),
	PAIR("bogus_mx_score", bogus_mx),
	PAIR("random_sender_score", random_sender),
	FLAG("IGNORE_RFC1918_A", ignore_private),
	COUNT("CACHESIZE", refused_keep),
	COUNT("CACHEMAXSIZE", refused_max),
	TEXT_OF("CACHEREJECTMSG", refused_text),
	COUNT("NTTL", retries),
	PERIOD("NTIME", retry_wait_ms),
	COUNT("POSCACHESIZE", accepted_keep),
	COUNT("POSCACHEMAXSIZE", accepted_max),
	TEXT_OF("POSCACHEMSG", accepted_text),
	COUNT("PTTL", trusted_answers),
	PERIOD("PTIME", trusted_period_ms),
	PERIOD("TEMP_PTIME", trust_age_ms),
	{ NULL, PARAMETER_NUMBER, 0, 0, 0 },
};

#define REFUSAL                                                                                    \
	"550 this mail looks forged or unwanted; ask your administrator to correct HELO and MX, "  \
	"or to have the client taken off DNS lists"

/* Never written: whoever adds a row takes a new array. */
static const struct list_row default_dnsbl[] = {
	{ SPAN_INIT("pbl.spamhaus.org"), 3.25, 0, SPAN_INIT("DYN_PBL_SPAMHAUS") },
	{ SPAN_INIT("sbl-xbl.spamhaus.org"), 4.35, -1.5, SPAN_INIT("SBL_XBL_SPAMHAUS") },
	{ SPAN_INIT("bl.spamcop.net"), 3.75, -1.5, SPAN_INIT("SPAMCOP") },
	{ SPAN_INIT("ix.dnsbl.manitu.net"), 4.35, 0, SPAN_INIT("IX_MANITU") },
};

static const struct list_row default_rhsbl[] = {
	{ SPAN_INIT("multi.surbl.org"), 4, 0, SPAN_INIT("SURBL") },
};

enum { SECOND_MS = 1000, HOUR_MS = 3600 * SECOND_MS };

const struct classic_parameters classic_defaults = {
	.reject_level = 1,
	.defer_level = 5,
	.reject_text = SPAN_INIT(REFUSAL),
	.defer_string = SPAN_INIT("IN_SPAMCOP= BOGUS_MX="),
	.defer_action = SPAN_INIT("450"),
	.too_listed_text = SPAN_INIT("550 the client is on too many DNS lists"),
	.no_dns_text = SPAN_INIT("450 the DNS knows neither client nor HELO nor sender domain"),
	.dns_trouble_text = SPAN_INIT("accepted, too many DNS errors on our side"),
	.add_header = true,
	.dnsbl = { (struct list_row *)default_dnsbl,
		   sizeof(default_dnsbl) / sizeof(*default_dnsbl) },
	.rhsbl = { (struct list_row *)default_rhsbl,
		   sizeof(default_rhsbl) / sizeof(*default_rhsbl) },
	.log_bad_only = true,
	.hits_max = 2,
	.error_skip = 2,
	.skip_release = 10,
	.dns_errors_max = 3,
	.list_score_max = 8,
	.rhsbl_penalty = { 3.1, 0 },
	.client_ip_eq_helo = { 1.5, -1.25 },
	.helo = { 1.5, -2 },
	.helo_from_mx_eq_ip = { 1.5, -3.1 },
	.helo_numeric = { 2.5, 0 },
	.from_verified = { 1, -2 },
	.from_unverified = { 1.6, -1.5 },
	.from_failed = { 2.5, 0 },
	.helo_dialup = { 1.5, 0 },
	.failed_helo_dialup = { 2, 0 },
	.enforce_dyndns = { 3, 0 },
	.client_dialup = { 3.75, 0 },
	.subnet24 = { 0, -1.2 },
	.subnet16 = { 0, -0.41 },
	.multiparted = { 1.09, 0 },
	.anonymous = { 1.17, 0 },
	.bogus_mx = { 2.1, 0 },
	.random_sender = { 0.25, 0 },
	.refused_keep = 2000,
	.refused_max = 4000,
	.accepted_keep = 1000,
	.accepted_max = 2000,
	.refused_text = SPAN_INIT(REFUSAL " [cached]"),
	.accepted_text = SPAN_INIT("using cached result"),
	.retries = 1,
	.trusted_answers = 60,
	.retry_wait_ms = 30 * SECOND_MS,
	.trusted_period_ms = 3 * HOUR_MS,
	.trust_age_ms = 24 * HOUR_MS,
};
