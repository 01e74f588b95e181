/* identity.c -- is the client who it says it is?  HELO, MAIL FROM, PTR, A and MX against it.
 *
 *	weigh identity { helo_is_not_client points, ptr_none points, ... }
 *
 * The greeting against the client: its addresses, its MX hosts, and those of the name above it
 * and of the registered domain.  One of the first four:
 *
 * helo_is_client               an address of the greeting is the client, or the greeting is
 * helo_in_client_network       the nearest address is in the same /24, or /64
 * helo_in_wider_network        the nearest address is in the same /16, or /48
 * helo_is_not_client           the greeting has nothing to do with the client, or no address
 * helo_is_own_address          the greeting is the address of the client, not a name
 * helo_is_address              the greeting is an address, and not that of the client
 * helo_is_no_name              the greeting is neither an address nor a full host name
 * helo_looks_dynamic           the greeting looks like one of many customers' lines
 *
 * The reverse name of the client.  One of the first four; the last three not where the
 * greeting is an address:
 *
 * ptr_none                     the client has no reverse name
 * ptr_is_helo                  a reverse name is the greeting
 * ptr_shares_helo_domain       a reverse name and the greeting are of one registered domain
 * ptr_is_not_helo              no reverse name has to do with the greeting
 * ptr_looks_dynamic            it looks like one of many customers' lines, none like a mail host
 *
 * The sender's domain against the client: its MX hosts, its addresses, and those of the
 * registered domain above it.  One of the first four; nothing for the null sender:
 *
 * sender_is_client             an address of the domain or of an MX host is the client
 * sender_in_client_network     the nearest address is in the same /24, or /64
 * sender_in_wider_network      the nearest address is in the same /16, or /48
 * sender_is_not_client         the domain has nothing to do with the client
 * sender_shares_helo_domain    so does the greeting's, which is the client or in its network
 * helo_forges_sender_domain    the greeting is of the sender's domain, but not of the client
 * sender_shares_client_domain  the client's confirmed name is of the sender's domain
 * sender_unreachable           no mail reaches the domain: no MX and no address, or a null MX
 * bogus_mx                     all mail to the domain would go to private or missing addresses
 *
 * no_dns                       nothing about client, greeting and sender stands in the DNS
 *
 * An answer that is missing leaves unknown what it could have settled, and no more: a greeting
 * that is the client by one answer is so whatever became of the others.  At most ten MX hosts
 * of the sender's domain are looked at and seven of any other; more are as good as no answer.
 */
#include "checks/host.h"
#include "checks/reach.h"
#include "mail/address.h"

enum {
	HELO_IS_CLIENT,
	HELO_IN_CLIENT_NETWORK,
	HELO_IN_WIDER_NETWORK,
	HELO_IS_NOT_CLIENT,
	HELO_IS_OWN_ADDRESS,
	HELO_IS_ADDRESS,
	HELO_IS_NO_NAME,
	HELO_LOOKS_DYNAMIC,
	PTR_NONE,
	PTR_IS_HELO,
	PTR_SHARES_HELO_DOMAIN,
	PTR_IS_NOT_HELO,
	PTR_LOOKS_DYNAMIC,
	SENDER_IS_CLIENT,
	SENDER_IN_CLIENT_NETWORK,
	SENDER_IN_WIDER_NETWORK,
	SENDER_IS_NOT_CLIENT,
	SENDER_SHARES_HELO_DOMAIN,
	HELO_FORGES_SENDER_DOMAIN,
	SENDER_SHARES_CLIENT_DOMAIN,
	SENDER_UNREACHABLE,
	BOGUS_MX,
	NO_DNS,
	FINDING_COUNT
};
_Static_assert((int)FINDING_COUNT < (int)FINDINGS_MAX, "a NULL ends the list");

enum {
	SENDER_HOSTS_MAX = REACH_HOSTS_MAX,
	OTHER_HOSTS_MAX = 7,
	/* The sender's domain with MX, A, AAAA and its hosts by both families; the registered
	 * domain above it, the greeting and two above that with MX, address and hosts by the
	 * client's family, the greeting by the other too; the reverse name. */
	ASKS_MAX = 3 + 2 * SENDER_HOSTS_MAX + 4 * (2 + OTHER_HOSTS_MAX) + 1 + 1,
	ASKS_ALLOWED = 64, /* design requirement D3 */
};
_Static_assert(ASKS_MAX <= ASKS_ALLOWED, "no attempt may ask more");

struct look {
	struct ip client;
	struct ledger *ledger;
	struct span greeting;   /* as it was given */
	struct ip helo_literal; /* IP_NONE: the greeting is no address */
	struct span helo;       /* empty: no name that can be asked for */
	struct span sender;     /* the domain; likewise */
	struct ip sender_literal;
	struct span client_name; /* likewise */
	bool is_pending, has_record, has_failed;
};

static const struct fact *look_up(struct look *look, enum fact_kind kind, struct span name)
{
	const struct fact *fact = fact_ask(look->ledger, kind, name);

	switch (fact->state) {
	case FACT_PENDING: look->is_pending = true; break;
	case FACT_KNOWN: look->has_record = true; break;
	case FACT_FAILED: look->has_failed = true; break;
	case FACT_NONE: break;
	}
	return fact;
}

/* --- how near a name is to the client --- */

/* In the order of the findings that tell it. */
enum nearness { SAME, NETWORK, WIDER_NETWORK, ELSEWHERE };

struct relation {
	enum nearness nearest; /* of the addresses that are known */
	bool is_open;          /* there may be a nearer one: an answer is missing */
};

static enum nearness nearness_of(struct ip client, struct ip other)
{
	bool is_v4 = client.family == IP_V4;
	struct prefix network = prefix_of(client, is_v4 ? 24 : 64);
	struct prefix wider = prefix_of(client, is_v4 ? 16 : 48);

	if (ip_equal(client, other))
		return SAME;
	if (prefix_has(&network, other))
		return NETWORK;
	return prefix_has(&wider, other) ? WIDER_NETWORK : ELSEWHERE;
}

static void relate_address(struct relation *relation, struct ip client, struct ip other)
{
	enum nearness nearness = nearness_of(client, other);

	if (nearness < relation->nearest)
		relation->nearest = nearness;
}

static void relate_addresses(struct look *look, struct span name, struct relation *relation)
{
	const struct fact *addresses =
		look_up(look, look->client.family == IP_V4 ? FACT_DNS_A : FACT_DNS_AAAA, name);

	relation->is_open |= addresses->state == FACT_FAILED;
	for (size_t i = 0; i < addresses->item_count; i++) {
		struct ip ip;

		if (ip_parse(addresses->item[i], &ip) == OK)
			relate_address(relation, look->client, ip);
	}
}

static void relate_name(struct look *look, struct span name, size_t hosts_max,
			struct relation *relation)
{
	const struct fact *mx = look_up(look, FACT_DNS_MX, name);

	relate_addresses(look, name, relation);
	relation->is_open |= mx->state == FACT_FAILED || mx->item_count > hosts_max;
	for (size_t i = 0; i < mx->item_count && i < hosts_max; i++) {
		struct span host = fact_mx_host(mx->item[i]);

		if (!mx_host_is_none(host))
			relate_addresses(look, host, relation);
	}
}

static struct relation relate_helo(struct look *look)
{
	struct relation relation = { .nearest = ELSEWHERE };
	struct span organisation = host_organisation(look->helo);
	struct span parent = domain_parent(look->helo);

	if (look->helo_literal.family != IP_NONE)
		relate_address(&relation, look->client, look->helo_literal);
	if (look->client.family == IP_NONE || span_is_empty(look->helo))
		return relation;
	/* So that no_dns knows of a greeting that lives in the other family alone. */
	look_up(look, look->client.family == IP_V4 ? FACT_DNS_AAAA : FACT_DNS_A, look->helo);
	relate_name(look, look->helo, OTHER_HOSTS_MAX, &relation);
	if (parent.len > organisation.len)
		relate_name(look, parent, OTHER_HOSTS_MAX, &relation);
	if (look->helo.len > organisation.len)
		relate_name(look, organisation, OTHER_HOSTS_MAX, &relation);
	return relation;
}

static struct relation relate_sender(struct look *look)
{
	struct relation relation = { .nearest = ELSEWHERE };
	struct span organisation = host_organisation(look->sender);

	if (look->sender_literal.family != IP_NONE)
		relate_address(&relation, look->client, look->sender_literal);
	if (look->client.family == IP_NONE || span_is_empty(look->sender))
		return relation;
	relate_name(look, look->sender, SENDER_HOSTS_MAX, &relation);
	if (look->sender.len > organisation.len)
		relate_name(look, organisation, OTHER_HOSTS_MAX, &relation);
	return relation;
}

/* While it is open, all from the nearest possible to the nearest known may be the truth. */
static void settle_relation(const struct relation *relation, unsigned first, struct findings *found)
{
	if (relation->nearest == SAME || !relation->is_open) {
		found->times[first + relation->nearest] = 1;
		return;
	}
	for (unsigned i = SAME; i <= relation->nearest; i++)
		found_unknown(found, first + i);
}

/* --- can the sender's domain be answered? --- */

static struct reach reach_sender(struct look *look)
{
	struct reach reach = reach_of(look->sender, look->ledger);

	look->is_pending |= reach.is_pending;
	look->has_record |= reach.has_record;
	look->has_failed |= reach.has_failed;
	return reach;
}

static void settle_reach(const struct reach *reach, struct findings *found)
{
	if (reach->mx == FACT_FAILED) {
		found_unknown(found, SENDER_UNREACHABLE);
		found_unknown(found, BOGUS_MX);
	} else if (reach->has_null_mx) {
		found->times[SENDER_UNREACHABLE] = 1;
	} else if (reach->hosts.has_public) {
		return;
	} else if (reach->hosts.is_open) {
		found_unknown(found, BOGUS_MX);
		if (reach->mx == FACT_NONE && !reach->hosts.has_address)
			found_unknown(found, SENDER_UNREACHABLE);
	} else if (reach->mx == FACT_NONE && !reach->hosts.has_address) {
		found->times[SENDER_UNREACHABLE] = 1;
	} else {
		found->times[BOGUS_MX] = 1;
	}
}

/* --- the reverse name --- */

static const struct fact *reverse_names(struct look *look)
{
	TEXT(name, IP_REVERSED_MAX + sizeof(".in-addr.arpa"));

	text_add_ip_arpa(&name, look->client);
	return look_up(look, FACT_DNS_PTR, text_span(&name));
}

static unsigned reverse_against_helo(const struct fact *ptr, struct span greeting)
{
	TEXT(helo, DOMAIN_TEXT_MAX);
	unsigned best = PTR_IS_NOT_HELO;

	text_add_domain(&helo, span_first(greeting, DOMAIN_NAME_MAX));
	struct span organisation = host_organisation(text_span(&helo));
	for (size_t i = 0; i < ptr->item_count; i++) {
		if (span_equal_nocase(ptr->item[i], text_span(&helo)))
			return PTR_IS_HELO;
		if (span_equal_nocase(host_organisation(ptr->item[i]), organisation))
			best = PTR_SHARES_HELO_DOMAIN;
	}
	return best;
}

static bool reverse_looks_dynamic(const struct fact *ptr)
{
	bool is_dynamic = false;

	for (size_t i = 0; i < ptr->item_count; i++) {
		if (host_looks_fixed(ptr->item[i]))
			return false;
		is_dynamic |= host_looks_dynamic(ptr->item[i]);
	}
	return is_dynamic;
}

static void settle_reverse(const struct look *look, const struct fact *ptr, struct findings *found)
{
	bool has_helo = !span_is_empty(look->greeting) && look->helo_literal.family == IP_NONE;

	switch (ptr->state) {
	case FACT_PENDING: break;
	case FACT_NONE: found->times[PTR_NONE] = 1; break;
	case FACT_KNOWN:
		if (has_helo)
			found->times[reverse_against_helo(ptr, look->greeting)] = 1;
		found->times[PTR_LOOKS_DYNAMIC] = reverse_looks_dynamic(ptr);
		break;
	case FACT_FAILED:
		found_unknown(found, PTR_NONE);
		found_unknown(found, PTR_LOOKS_DYNAMIC);
		for (unsigned i = PTR_IS_HELO; has_helo && i <= PTR_IS_NOT_HELO; i++)
			found_unknown(found, i);
		break;
	}
}

/* --- names alone --- */

static bool is_one_organisation(struct span a, struct span b)
{
	return !span_is_empty(a) && !span_is_empty(b) &&
	       span_equal(host_organisation(a), host_organisation(b));
}

static void settle_helo_name(const struct look *look, struct findings *found)
{
	if (span_is_empty(look->greeting))
		return;
	if (look->helo_literal.family == IP_NONE) {
		found->times[HELO_IS_NO_NAME] = !domain_is_host_name(look->greeting);
		found->times[HELO_LOOKS_DYNAMIC] = host_looks_dynamic(look->helo);
	} else if (ip_equal(look->helo_literal, look->client)) {
		found->times[HELO_IS_OWN_ADDRESS] = 1;
	} else {
		found->times[HELO_IS_ADDRESS] = 1;
	}
}

/* A greeting of the sender's domain speaks for the client, or betrays it. */
static void settle_shared_domain(const struct look *look, const struct relation *helo,
				 struct findings *found)
{
	if (!is_one_organisation(look->sender, look->helo))
		return;
	if (helo->nearest <= NETWORK)
		found->times[SENDER_SHARES_HELO_DOMAIN] = 1;
	else if (helo->is_open)
		found_unknown(found, SENDER_SHARES_HELO_DOMAIN);
	if (helo->nearest == ELSEWHERE && helo->is_open)
		found_unknown(found, HELO_FORGES_SENDER_DOMAIN);
	else if (helo->nearest == ELSEWHERE)
		found->times[HELO_FORGES_SENDER_DOMAIN] = 1;
}

static void settle_no_dns(const struct look *look, struct findings *found)
{
	if (look->has_record || (span_is_empty(look->helo) && span_is_empty(look->sender)))
		return;
	if (look->has_failed)
		found_unknown(found, NO_DNS);
	else
		found->times[NO_DNS] = 1;
}

/* --- all together --- */

static void weigh_sender(struct look *look, struct span domain, struct findings *found)
{
	struct relation relation = relate_sender(look);

	if (span_is_empty(domain))
		return;
	if (look->client.family != IP_NONE)
		settle_relation(&relation, SENDER_IS_CLIENT, found);
	if (!span_is_empty(look->sender)) {
		struct reach reach = reach_sender(look);
		settle_reach(&reach, found);
	} else if (look->sender_literal.family == IP_NONE) {
		found->times[SENDER_UNREACHABLE] = 1;
	}
	found->times[SENDER_SHARES_CLIENT_DOMAIN] =
		is_one_organisation(look->sender, look->client_name);
}

static void weigh_client(struct look *look, struct findings *found)
{
	struct relation helo = relate_helo(look);

	settle_helo_name(look, found);
	if (look->client.family == IP_NONE)
		return;
	if (!span_is_empty(look->greeting))
		settle_relation(&helo, HELO_IS_CLIENT, found);
	settle_shared_domain(look, &helo, found);
	settle_reverse(look, reverse_names(look), found);
	settle_no_dns(look, found);
}

static void identity_weigh(const struct attempt *attempt, const struct arguments *arguments,
			   struct ledger *ledger, struct findings *found)
{
	TEXT(sender, DOMAIN_TEXT_MAX);
	TEXT(helo, DOMAIN_TEXT_MAX);
	TEXT(client_name, DOMAIN_TEXT_MAX);
	struct span domain = address_domain(attempt->attribute[ATTRIBUTE_sender]);
	struct look look = {
		.client = attempt->client,
		.ledger = ledger,
		.greeting = attempt->attribute[ATTRIBUTE_helo_name],
	};

	(void)arguments;
	if (text_add_subject(&sender, attempt, SUBJECT_SENDER))
		look.sender = text_span(&sender);
	else
		host_address(domain, &look.sender_literal);
	if (text_add_subject(&helo, attempt, SUBJECT_HELO))
		look.helo = text_span(&helo);
	else
		host_address(look.greeting, &look.helo_literal);
	if (text_add_subject(&client_name, attempt, SUBJECT_CLIENT_NAME))
		look.client_name = text_span(&client_name);

	weigh_sender(&look, domain, found);
	weigh_client(&look, found);
	found->pending = look.is_pending;
}

const struct check check_identity = {
	.name = "identity",
	.finding = {
		[HELO_IS_CLIENT] = "helo_is_client",
		[HELO_IN_CLIENT_NETWORK] = "helo_in_client_network",
		[HELO_IN_WIDER_NETWORK] = "helo_in_wider_network",
		[HELO_IS_NOT_CLIENT] = "helo_is_not_client",
		[HELO_IS_OWN_ADDRESS] = "helo_is_own_address",
		[HELO_IS_ADDRESS] = "helo_is_address",
		[HELO_IS_NO_NAME] = "helo_is_no_name",
		[HELO_LOOKS_DYNAMIC] = "helo_looks_dynamic",
		[PTR_NONE] = "ptr_none",
		[PTR_IS_HELO] = "ptr_is_helo",
		[PTR_SHARES_HELO_DOMAIN] = "ptr_shares_helo_domain",
		[PTR_IS_NOT_HELO] = "ptr_is_not_helo",
		[PTR_LOOKS_DYNAMIC] = "ptr_looks_dynamic",
		[SENDER_IS_CLIENT] = "sender_is_client",
		[SENDER_IN_CLIENT_NETWORK] = "sender_in_client_network",
		[SENDER_IN_WIDER_NETWORK] = "sender_in_wider_network",
		[SENDER_IS_NOT_CLIENT] = "sender_is_not_client",
		[SENDER_SHARES_HELO_DOMAIN] = "sender_shares_helo_domain",
		[HELO_FORGES_SENDER_DOMAIN] = "helo_forges_sender_domain",
		[SENDER_SHARES_CLIENT_DOMAIN] = "sender_shares_client_domain",
		[SENDER_UNREACHABLE] = "sender_unreachable",
		[BOGUS_MX] = "bogus_mx",
		[NO_DNS] = "no_dns",
	},
	.asks_max = ASKS_MAX,
	.rounds_max = 2,
	.weigh = identity_weigh,
};
