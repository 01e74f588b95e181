/* fcrdns.c -- does the client's reverse name lead back to it?  (RFC 8601 section 2.7.3: iprev)
 *
 *	weigh fcrdns { none 1.5, mismatch 0.5 }
 *
 * Asks for the reverse names of the client, and for the addresses of each in the client's own
 * family. One of these:
 *
 * none       the client has no reverse name
 * mismatch   it has some, and none of them leads back to the client
 * confirmed  a reverse name has the client's address
 *
 * An answer that is missing leaves unknown what it could have settled; a name that leads back
 * does so whatever became of the others. At most ten names are looked at, in the order of the
 * alphabet, as in RFC 7208 section 4.6.4; what is behind them does not count. Nothing is asked
 * about an unknown client.
 *
 * Texts: fcrdns.name (the first name that leads back; empty without one).
 */
#include "checks/client_name.h"
#include "weigh/check.h"

enum { NONE, MISMATCH, CONFIRMED };
enum { TEXT_NAME };

static void names_weigh(const struct client_name *client, struct ledger *ledger,
			struct findings *found)
{
	if (client->is_pending) {
		found->pending = true;
	} else if (client->name.len > 0) {
		found->times[CONFIRMED] = 1;
		found->text[TEXT_NAME] = arena_copy(ledger->arena, client->name);
	} else if (client->has_failed) {
		found_unknown(found, MISMATCH);
		found_unknown(found, CONFIRMED);
	} else {
		found->times[MISMATCH] = 1;
	}
}

static void fcrdns_weigh(const struct attempt *attempt, const struct arguments *arguments,
			 struct ledger *ledger, struct findings *found)
{
	struct client_name client;

	(void)arguments;
	if (attempt->client.family == IP_NONE)
		return;
	client = client_name_of(attempt->client, ledger);
	switch (client.reverse) {
	case FACT_PENDING: found->pending = true; break;
	case FACT_NONE: found->times[NONE] = 1; break;
	case FACT_KNOWN: names_weigh(&client, ledger, found); break;
	case FACT_FAILED:
		for (unsigned i = NONE; i <= CONFIRMED; i++)
			found_unknown(found, i);
		break;
	}
}

const struct check check_fcrdns = {
	.name = "fcrdns",
	.finding = { [NONE] = "none", [MISMATCH] = "mismatch", [CONFIRMED] = "confirmed" },
	.text = { [TEXT_NAME] = "name" },
	.asks_max = CLIENT_NAME_ASKS_MAX,
	.rounds_max = CLIENT_NAME_ROUNDS_MAX,
	.weigh = fcrdns_weigh,
};
