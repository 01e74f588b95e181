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
#include "mail/domain.h"
#include "weigh/check.h"

enum { NONE, MISMATCH, CONFIRMED };
enum { TEXT_NAME };
enum { NAMES_MAX = 10 };

static bool has_address(const struct fact *addresses, struct ip client)
{
	for (size_t i = 0; i < addresses->item_count; i++) {
		struct ip ip;

		if (ip_parse(addresses->item[i], &ip) == OK && ip_equal(ip, client))
			return true;
	}
	return false;
}

/* The first name decides, so one that leads back need only wait for those before it. */
static void weigh_names(const struct fact *ptr, struct ip client, struct ledger *ledger,
			struct findings *found)
{
	enum fact_kind kind = client.family == IP_V4 ? FACT_DNS_A : FACT_DNS_AAAA;
	bool is_settled = false, is_pending = false, has_failed = false;

	for (size_t i = 0; i < ptr->item_count && i < NAMES_MAX; i++) {
		if (span_equal(ptr->item[i], SPAN(".")))
			continue; /* no name at all, and no question */
		const struct fact *addresses = fact_ask(ledger, kind, ptr->item[i]);

		is_pending |= addresses->state == FACT_PENDING;
		has_failed |= addresses->state == FACT_FAILED;
		if (is_settled || is_pending || !has_address(addresses, client))
			continue;
		is_settled = true;
		found->times[CONFIRMED] = 1;
		found->text[TEXT_NAME] = arena_copy(ledger->arena, ptr->item[i]);
	}
	if (is_settled)
		return;
	found->pending = is_pending;
	found->times[MISMATCH] = !has_failed;
	if (!has_failed)
		return;
	found_unknown(found, MISMATCH);
	found_unknown(found, CONFIRMED);
}

static void fcrdns_weigh(const struct attempt *attempt, const struct arguments *arguments,
			 struct ledger *ledger, struct findings *found)
{
	TEXT(reverse, IP_REVERSED_MAX + sizeof(".in-addr.arpa"));

	(void)arguments;
	if (attempt->client.family == IP_NONE)
		return;
	text_add_ip_arpa(&reverse, attempt->client);
	const struct fact *ptr = fact_ask(ledger, FACT_DNS_PTR, text_span(&reverse));
	switch (ptr->state) {
	case FACT_PENDING: found->pending = true; break;
	case FACT_NONE: found->times[NONE] = 1; break;
	case FACT_KNOWN: weigh_names(ptr, attempt->client, ledger, found); break;
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
	.asks_max = 1 + NAMES_MAX,
	.rounds_max = 2,
	.weigh = fcrdns_weigh,
};
