/* classic.h -- what the check "classic" can be told: policyd-weight's parameters.
 *
 * The names in the policy language are policyd-weight's own, the defaults those of its
 * version 0.1.15 (texts in our words).  Score pairs are [bad, good].
 */
#pragma once
#include "weigh/check.h"

enum {
	CLASSIC_DNSBL_MAX = 16,     /* rows of address lists that are asked */
	CLASSIC_RHSBL_MAX = 6,      /* rows of domain lists that are asked */
	CLASSIC_NAMES_MAX = 6,      /* names walked on one side: see classic_forward.c */
	CLASSIC_QUESTIONS_MAX = 64, /* of one attempt, in the DNS */
	CLASSIC_VALUE_MAX = 1024,   /* bytes of an attribute that are looked at */
	CLASSIC_TEXT_MAX = 4096,    /* the check line, and the answer */
};
_Static_assert(CLASSIC_DNSBL_MAX + CLASSIC_RHSBL_MAX + 1 + 2 * 3 * CLASSIC_NAMES_MAX <
		       CLASSIC_QUESTIONS_MAX,
	       "else nothing is left for MX hosts");

struct classic_parameters {
	/* verdict */
	double reject_level, defer_level;
	struct span reject_text, defer_string, defer_action;
	struct span too_listed_text, no_dns_text, dns_trouble_text;
	bool add_header;
	/* lists */
	struct list_rows dnsbl, rhsbl;
	struct regex_list lists_only_names;
	bool lists_only, log_bad_only;
	int64_t hits_max, error_skip, skip_release, dns_errors_max;
	double list_score_max;
	/* scores */
	double rhsbl_penalty[2];
	double client_ip_eq_helo[2], helo[2], helo_from_mx_eq_ip[2], helo_numeric[2];
	double from_verified[2], from_unverified[2], from_failed[2];
	double helo_dialup[2], failed_helo_dialup[2], enforce_dyndns[2], client_dialup[2];
	double subnet24[2], subnet16[2];
	double multiparted[2], anonymous[2], bogus_mx[2], random_sender[2];
	bool ignore_private;
	/* caches */
	int64_t refused_keep, refused_max, accepted_keep, accepted_max; /* entries */
	struct span refused_text, accepted_text;
	int64_t retries, trusted_answers;                       /* NTTL, PTTL */
	int64_t retry_wait_ms, trusted_period_ms, trust_age_ms; /* NTIME, PTIME, TEMP_PTIME */
};

extern const struct parameter classic_parameter[];
extern const struct classic_parameters classic_defaults;
extern const struct check check_classic;
