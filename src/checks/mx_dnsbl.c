/* mx_dnsbl.c -- are the hosts that take mail for the sender's domain on a DNS list?
 *
 *	weigh mx_dnsbl ZONE { MEANING points, clear points }
 *
 * Asks for the addresses of the five most preferred MX hosts of the sender's domain, without an
 * MX for those of the domain itself, and then the list about the first five of them.
 *
 * MEANING  some address is listed so; "listed" where the zone names nothing else
 * clear    the zone says for sure of all addresses asked that they are not listed
 *
 * A listing of one address stands, whatever becomes of the others. Otherwise an answer that is
 * missing leaves all of them unknown. Nothing is found for the null sender, for a domain that
 * has no hosts, and for addresses that are private or of a family that the zone does not list.
 */
#include "checks/host.h"
#include "checks/reach.h"
#include "weigh/zone.h"

enum { HOSTS_MAX = 5, ADDRESSES_MAX = 5 };

struct gathered {
	struct ip address[ADDRESSES_MAX];
	size_t count;
	bool is_pending; /* what comes behind is not known yet */
	bool is_open;    /* an answer is missing */
};

/* What is asked must not depend on which answer came first: nothing is taken from behind one
 * that is pending. */
static void gather(struct gathered *gathered, const struct zone *zone, const struct fact *fact)
{
	gathered->is_pending |= fact->state == FACT_PENDING;
	gathered->is_open |= fact->state == FACT_FAILED;
	for (size_t i = 0; i < fact->item_count && !gathered->is_pending; i++) {
		bool is_new = true;
		struct ip ip;

		if (gathered->count == ADDRESSES_MAX || ip_parse(fact->item[i], &ip) != OK ||
		    !zone_lists(zone, ip))
			continue;
		for (size_t n = 0; n < gathered->count; n++)
			is_new &= !ip_equal(gathered->address[n], ip);
		if (is_new)
			gathered->address[gathered->count++] = ip;
	}
}

static void gather_host(struct gathered *gathered, const struct zone *zone, struct span host,
			struct ledger *ledger)
{
	if (zone->lists_ip4)
		gather(gathered, zone, fact_ask(ledger, FACT_DNS_A, host));
	if (zone->lists_ip6)
		gather(gathered, zone, fact_ask(ledger, FACT_DNS_AAAA, host));
}

static void gather_domain(struct gathered *gathered, const struct zone *zone, struct span domain,
			  struct ledger *ledger)
{
	const struct fact *mx = fact_ask(ledger, FACT_DNS_MX, domain);
	struct gathered itself = { 0 };

	/* Asked for at once, lest a domain without an MX costs a round more. */
	gather_host(&itself, zone, domain, ledger);
	if (mx->state == FACT_NONE)
		*gathered = itself;
	gathered->is_pending |= mx->state == FACT_PENDING;
	gathered->is_open |= mx->state == FACT_FAILED;
	for (size_t i = 0; i < mx->item_count && i < HOSTS_MAX; i++) {
		struct span host = fact_mx_host(mx->item[i]);
		struct ip ip;

		if (!mx_host_is_none(host) && !host_address(host, &ip))
			gather_host(gathered, zone, host, ledger);
	}
}

static void mx_dnsbl_weigh(const struct attempt *attempt, const struct arguments *arguments,
			   struct ledger *ledger, struct findings *found)
{
	const struct zone *zone = arguments->zone;
	struct gathered gathered = { 0 };
	TEXT(domain, DOMAIN_TEXT_MAX);

	if (!text_add_subject(&domain, attempt, SUBJECT_SENDER))
		return;
	gather_domain(&gathered, zone, text_span(&domain), ledger);
	found->pending = gathered.is_pending;
	for (unsigned i = 0; gathered.is_open && i <= zone->meaning_count; i++)
		found_unknown(found, i);
	for (size_t i = 0; i < gathered.count; i++)
		zone_weigh_address(zone, gathered.address[i], ledger, found);
}

const struct check check_mx_dnsbl = {
	.name = "mx_dnsbl",
	.takes_zone = true,
	.asks_max = 1 + 2 + 2 * HOSTS_MAX + ADDRESSES_MAX,
	.rounds_max = 3,
	.weigh = mx_dnsbl_weigh,
};
