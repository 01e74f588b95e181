/* dnsbl.c -- is the client on a DNS list?  (RFC 5782 section 2)
 *
 *	weigh dnsbl ZONE { MEANING points, clear points }
 *
 * The findings are those that the zone declares:
 *
 * MEANING  an answer of the zone means it; "listed" where the zone names nothing else
 * clear    the zone says for sure that the client is not listed
 *
 * A list that fails, refuses, or answers what it never declared leaves them all unknown.  A
 * client that is unknown, private or of a family that the zone does not list is not asked about.
 */
#include "weigh/check.h"
#include "weigh/zone.h"

static void dnsbl_weigh(const struct attempt *attempt, const struct arguments *arguments,
			struct ledger *ledger, struct findings *found)
{
	zone_weigh_address(arguments->zone, attempt->client, ledger, found);
}

const struct check check_dnsbl = {
	.name = "dnsbl",
	.takes_zone = true,
	.asks_max = 1,
	.rounds_max = 1,
	.weigh = dnsbl_weigh,
};
