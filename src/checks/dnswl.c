/* dnswl.c -- is the client on a DNS list of good senders?  (RFC 5782 section 2)
 *
 *	weigh dnswl ZONE { MEANING points, clear points }
 *
 * Asked like dnsbl, and counted apart from it: what it finds speaks for the client.
 *
 * MEANING  an answer of the zone means it; "listed" where the zone names nothing else
 * clear    the zone says for sure that the client is not listed
 *
 * A list that fails, refuses, or answers what it never declared leaves them all unknown: nobody
 * is let in because a list is down.
 */
#include "weigh/check.h"
#include "weigh/zone.h"

static void dnswl_weigh(const struct attempt *attempt, const struct arguments *arguments,
			struct ledger *ledger, struct findings *found)
{
	zone_weigh_address(arguments->zone, attempt->client, ledger, found);
}

const struct check check_dnswl = {
	.name = "dnswl",
	.takes_zone = true,
	.asks_max = 1,
	.rounds_max = 1,
	.weigh = dnswl_weigh,
};
