/* sender_domain.c -- can the sender be answered: where does mail to its domain go?
 *
 *	weigh sender_domain { unreachable 3, nxdomain 1, null_mx 3, bogus_mx 2 }
 *
 * Each of these holds by itself, and several may at once; nothing is asked for the null sender
 * and for one without a domain. Only the domain itself counts, never the one above it.
 *
 * unreachable    there is no MX and no address, or the domain is none that the DNS could have
 * nxdomain       the domain does not even exist
 * null_mx        the domain says that it takes no mail (RFC 7505; the reply for it is 5.7.27)
 * bogus_mx       all mail would go to private addresses, or to hosts that have none
 * mx_private     some address that mail goes to is private, loopback, unspecified or multicast
 * mx_is_address  an MX names an address where a name belongs (RFC 5321 section 5.1)
 *
 * An answer that is missing leaves unknown what it could have settled. Without an MX the domain
 * itself is the host. The ten most preferred MX hosts are looked at; what more there are is as
 * good as no answer. An address in brackets is taken for what it is.
 *
 * Whether the hosts are on a DNS list is asked by mx_dnsbl.
 */
#include "checks/host.h"
#include "checks/reach.h"
#include "mail/address.h"

enum { UNREACHABLE, NXDOMAIN, NULL_MX, BOGUS_MX, MX_PRIVATE, MX_IS_ADDRESS };

static void settle(struct findings *found, unsigned finding, bool is_so, bool is_open)
{
	found->times[finding] = is_so;
	if (!is_so && is_open)
		found_unknown(found, finding);
}

static void settle_domain(const struct reach *reach, struct findings *found)
{
	bool mx_failed = reach->mx == FACT_FAILED;
	bool is_open = mx_failed || reach->itself.is_open;
	bool may_be_nowhere = reach->mx != FACT_KNOWN && !reach->itself.has_address;

	settle(found, UNREACHABLE, may_be_nowhere && !is_open, may_be_nowhere);
	settle(found, NXDOMAIN, !reach->exists && !is_open, !reach->exists);
	settle(found, NULL_MX, reach->has_null_mx, mx_failed);
	settle(found, MX_IS_ADDRESS, reach->mx_is_address, mx_failed);
}

static void settle_hosts(const struct reach *reach, struct findings *found)
{
	bool mx_failed = reach->mx == FACT_FAILED;
	bool is_open = mx_failed || reach->hosts.is_open;
	bool has_hosts = reach->mx == FACT_KNOWN || reach->hosts.has_address;
	bool may_be_bogus = mx_failed || !reach->hosts.has_public;

	if (reach->has_null_mx)
		return;
	settle(found, BOGUS_MX, has_hosts && may_be_bogus && !is_open, may_be_bogus && is_open);
	settle(found, MX_PRIVATE, reach->hosts.has_private && !mx_failed, is_open);
}

static void settle_literal(struct ip ip, struct findings *found)
{
	found->times[BOGUS_MX] = found->times[MX_PRIVATE] = ip_is_private(ip);
}

static void sender_domain_weigh(const struct attempt *attempt, const struct arguments *arguments,
				struct ledger *ledger, struct findings *found)
{
	struct span domain = address_domain(attempt->attribute[ATTRIBUTE_sender]);
	TEXT(name, DOMAIN_TEXT_MAX);
	struct ip literal;

	(void)arguments;
	if (span_is_empty(domain))
		return;
	if (text_add_subject(&name, attempt, SUBJECT_SENDER)) {
		struct reach reach = reach_of(text_span(&name), ledger);

		found->pending = reach.is_pending;
		settle_domain(&reach, found);
		settle_hosts(&reach, found);
	} else if (domain.at[0] == '[' && host_address(domain, &literal)) {
		settle_literal(literal, found);
	} else {
		found->times[UNREACHABLE] = 1;
	}
}

const struct check check_sender_domain = {
	.name = "sender_domain",
	.finding = {
		[UNREACHABLE] = "unreachable",
		[NXDOMAIN] = "nxdomain",
		[NULL_MX] = "null_mx",
		[BOGUS_MX] = "bogus_mx",
		[MX_PRIVATE] = "mx_private",
		[MX_IS_ADDRESS] = "mx_is_address",
	},
	.asks_max = REACH_ASKS_MAX,
	.rounds_max = 2,
	.weigh = sender_domain_weigh,
};
