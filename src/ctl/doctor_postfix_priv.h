/* doctor_postfix_priv.h -- what Postfix's services do: read from their lists of restrictions.
 *
 * For doctor_postfix.c, which judges it.
 */
#pragma once
#include "ctl/doctor.h"

enum { CALLS_MAX = 64, CLASS_DEPTH_MAX = 8 };

/* The lists of smtpd, in the order in which they are looked at. */
enum stage {
	STAGE_CLIENT,
	STAGE_HELO,
	STAGE_SENDER,
	STAGE_RELAY,
	STAGE_RECIPIENT,
	STAGE_DATA,
	STAGE_END_OF_DATA,
	STAGE_COUNT
};

/* One check_policy_service. */
struct call {
	enum stage stage;
	struct span word;   /* as written: inet:127.0.0.1:12525, or { ... } */
	struct span server; /* the first word of it */
	struct span default_action;
	const struct listener *listener; /* of ours; NULL: a spawn service, or not ours */
	bool is_ours;
	bool is_guarded;       /* reject_unauth_destination stands before it in its list */
	bool is_guarded_later; /* behind it */
	bool is_after_users;   /* permit_sasl_authenticated stands before it */
	bool is_unreachable;   /* a plain reject or permit stands before it */
};

enum placement { PLACED_RIGHT, PLACED_OPEN, PLACED_EARLY, PLACED_NEVER };

enum service_kind {
	SERVICE_OTHER,
	SERVICE_INCOMING,    /* smtpd for strangers: port 25, or behind postscreen */
	SERVICE_SUBMISSION,  /* smtpd for own users: 587, 465 */
	SERVICE_REINJECTION, /* smtpd on loopback beside one for strangers */
	SERVICE_SPAWN,       /* weighd --stdio */
};

struct seen {
	enum stage stage;
	struct span list, server;
	bool is_chrooted;
};

/* The service that is looked at, and what was seen of those before it. */
struct patient {
	struct diagnosis *diagnosis;
	const struct postfix_facts *facts;
	const struct postconf *postconf;
	const struct postconf_service *service;
	bool is_chrooted;
	bool is_relay_guarded; /* smtpd_relay_restrictions refuses relaying */
	struct call call[CALLS_MAX];
	size_t call_count;
	struct seen seen[CALLS_MAX];
	size_t seen_count;
	size_t asked_count, unasked_count; /* services for strangers */
	const struct postconf_service *unasked;
};

const char *stage_parameter(enum stage stage);

enum service_kind service_kind(const struct postconf *postconf,
			       const struct postconf_service *service);

/** Look at a service: all its calls. */
void patient_take(struct patient *patient, const struct postconf_service *service);

/** NAME of { server, NAME=VALUE, ... }; empty: not there. */
struct span call_attribute(const struct call *call, struct span name);

/** Where the call's Unix socket is, seen from outside the chroot. */
void call_path(const struct patient *patient, const struct call *call, struct text *path);

/** The fix: the list with the call in its right place, and with a default_action.
 *
 * @param call  NULL: there is none yet
 */
void postfix_fix_list(struct patient *patient, const struct call *call);

/** The same, with another timeout. */
void postfix_fix_timeout(struct patient *patient, const struct call *call, int64_t timeout_s);

void postfix_fix_parameter(struct patient *patient, struct span name, struct span value);
