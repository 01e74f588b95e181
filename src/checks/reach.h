/* reach.h -- where mail to a domain goes: its MX hosts, or the domain itself, by their addresses.
 *
 * Source: RFC 5321 section 5.1, RFC 7505.
 */
#pragma once
#include "weigh/ledger.h"

enum {
	REACH_HOSTS_MAX = 10, /* the most preferred ones; what more there are is not known */
	REACH_ASKS_MAX = 3 + 2 * REACH_HOSTS_MAX,
};

struct reach_hosts {
	bool has_address;
	bool has_public, has_private; /* some address is; see ip_is_private */
	bool is_open;                 /* an answer is missing: there may be more */
};

struct reach {
	bool is_pending, has_record, has_failed; /* of all that was asked */
	enum fact_state mx;
	bool has_null_mx;   /* and no other MX */
	bool mx_is_address; /* some MX names an address where a name belongs */
	bool exists; /* the domain has some record, of whatever kind; if not is_open, for sure */
	struct reach_hosts itself; /* the domain as a host */
	struct reach_hosts hosts;  /* where mail goes: the MX hosts; without an MX the domain */
};

/** Ask for all that tells where mail to domain goes.
 *
 * @param domain  a name that can be asked for
 */
struct reach reach_of(struct span domain, struct ledger *ledger);

/** Is it the one MX that says "no mail here"? */
bool mx_is_null(const struct fact *mx);

/** Is the host of an MX the root, and so none? */
bool mx_host_is_none(struct span host);
