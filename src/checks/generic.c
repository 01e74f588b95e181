/* generic.c -- does the client look like one of many customers' lines, by its names?
 *
 *	weigh generic { ptr_generic 1.5, ptr_has_address 1, ptr_static -0.5, helo_generic 1.5 }
 *
 * The reverse names of the client, at most ten of them:
 *
 * ptr_generic       one has a word of such lines ("dsl", "pool") or four numbers; none is static
 * ptr_has_address   one holds the address of the client: its octets or nibbles, in any usual order
 * ptr_static        one looks like a server or a line that stays: "mx", "smtp", "static" ...
 *
 * The greeting, where it is a name:
 *
 * helo_generic      it has such a word or four numbers, and does not look like a server
 * helo_has_address  it holds the address of the client
 * helo_static       it looks like a server or a line that stays
 *
 * Words count only before the registered domain: "dsl-shop.example" is no customer's line. They
 * stand in src/checks/host_words.def. A provider's fixed lines are often numbered, too: so
 * ptr_has_address and ptr_static may both be found, and ptr_generic never with ptr_static.
 *
 * While the reverse names are not known, what they could say is unknown; a client without one
 * has none of it (fcrdns and identity tell of that).
 */
#include "checks/host.h"

enum {
	PTR_GENERIC,
	PTR_HAS_ADDRESS,
	PTR_STATIC,
	HELO_GENERIC,
	HELO_HAS_ADDRESS,
	HELO_STATIC,
};

enum { NAMES_MAX = 10 };

/* The three findings of names, from first on. */
static void weigh_name(struct span name, struct ip client, unsigned first, struct findings *found)
{
	if (host_looks_dynamic(name))
		found->times[first + PTR_GENERIC] = 1;
	if (host_holds_address(name, client))
		found->times[first + PTR_HAS_ADDRESS] = 1;
	if (host_looks_fixed(name))
		found->times[first + PTR_STATIC] = 1;
}

static void weigh_reverse(const struct attempt *attempt, struct ledger *ledger,
			  struct findings *found)
{
	TEXT(reverse, IP_REVERSED_MAX + sizeof(".in-addr.arpa"));

	text_add_ip_arpa(&reverse, attempt->client);
	const struct fact *ptr = fact_ask(ledger, FACT_DNS_PTR, text_span(&reverse));
	switch (ptr->state) {
	case FACT_PENDING: found->pending = true; break;
	case FACT_NONE: break;
	case FACT_KNOWN:
		for (size_t i = 0; i < ptr->item_count && i < NAMES_MAX; i++)
			weigh_name(ptr->item[i], attempt->client, PTR_GENERIC, found);
		if (found->times[PTR_STATIC])
			found->times[PTR_GENERIC] = 0;
		break;
	case FACT_FAILED:
		for (unsigned i = PTR_GENERIC; i <= PTR_STATIC; i++)
			found_unknown(found, i);
		break;
	}
}

static void generic_weigh(const struct attempt *attempt, const struct arguments *arguments,
			  struct ledger *ledger, struct findings *found)
{
	TEXT(helo, DOMAIN_TEXT_MAX);

	(void)arguments;
	if (text_add_subject(&helo, attempt, SUBJECT_HELO))
		weigh_name(text_span(&helo), attempt->client, HELO_GENERIC, found);
	if (attempt->client.family != IP_NONE)
		weigh_reverse(attempt, ledger, found);
}

const struct check check_generic = {
	.name = "generic",
	.finding = {
		[PTR_GENERIC] = "ptr_generic",
		[PTR_HAS_ADDRESS] = "ptr_has_address",
		[PTR_STATIC] = "ptr_static",
		[HELO_GENERIC] = "helo_generic",
		[HELO_HAS_ADDRESS] = "helo_has_address",
		[HELO_STATIC] = "helo_static",
	},
	.asks_max = 1,
	.rounds_max = 1,
	.weigh = generic_weigh,
};
