/* client_name.c -- the client's reverse name that leads back to it. */
#include "checks/client_name.h"

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
static void names_look(struct client_name *found, const struct fact *ptr, struct ip client,
		       struct ledger *ledger)
{
	enum fact_kind kind = client.family == IP_V4 ? FACT_DNS_A : FACT_DNS_AAAA;
	bool is_pending = false;

	for (size_t i = 0; i < ptr->item_count && i < CLIENT_NAMES_MAX; i++) {
		const struct fact *addresses;

		if (span_equal(ptr->item[i], SPAN(".")))
			continue; /* no name at all, and no question */
		addresses = fact_ask(ledger, kind, ptr->item[i]);
		is_pending |= addresses->state == FACT_PENDING;
		found->has_failed |= addresses->state == FACT_FAILED;
		if (found->name.len == 0 && !is_pending && has_address(addresses, client))
			found->name = ptr->item[i];
	}
	found->is_pending = is_pending && found->name.len == 0;
	found->has_failed &= found->name.len == 0;
}

struct client_name client_name_of(struct ip client, struct ledger *ledger)
{
	TEXT(reverse, IP_REVERSED_MAX + sizeof(".in-addr.arpa"));
	struct client_name found = { 0 };
	const struct fact *ptr;

	text_add_ip_arpa(&reverse, client);
	ptr = fact_ask(ledger, FACT_DNS_PTR, text_span(&reverse));
	found.reverse = ptr->state;
	found.is_pending = ptr->state == FACT_PENDING;
	found.has_failed = ptr->state == FACT_FAILED;
	if (ptr->state == FACT_KNOWN)
		names_look(&found, ptr, client, ledger);
	return found;
}
