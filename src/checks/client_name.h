/* client_name.h -- the client's reverse name that leads back to it (RFC 8601 section 2.7.3). */
#pragma once
#include "mail/ip.h"
#include "weigh/ledger.h"

enum {
	CLIENT_NAMES_MAX = 10, /* as in RFC 7208 section 4.6.4; what is behind does not count */
	CLIENT_NAME_ASKS_MAX = 1 + CLIENT_NAMES_MAX,
	CLIENT_NAME_ROUNDS_MAX = 2,
};

struct client_name {
	enum fact_state reverse; /* of the PTR records */
	bool is_pending;         /* a name may still come, or another one before it */
	bool has_failed;         /* an answer is missing, and no name leads back without it */
	struct span name;        /* the first by the alphabet that leads back; empty: none */
};

/** Ask for the reverse names of client and for their addresses in client's family.
 *
 * @param client  a known address
 */
struct client_name client_name_of(struct ip client, struct ledger *ledger);
