/* reach.c -- where mail to a domain goes. */
#include "checks/reach.h"

#include "checks/host.h"

static const struct fact *ask(struct reach *reach, struct ledger *ledger, enum fact_kind kind,
			      struct span name)
{
	const struct fact *fact = fact_ask(ledger, kind, name);

	switch (fact->state) {
	case FACT_PENDING: reach->is_pending = true; break;
	case FACT_KNOWN: reach->has_record = true; break;
	case FACT_FAILED: reach->has_failed = true; break;
	case FACT_NONE: break;
	}
	return fact;
}

static bool proves_name(const struct fact *fact)
{
	return fact->state == FACT_KNOWN || (fact->state == FACT_NONE && fact->exists);
}

/* @return is there such a name */
static bool reach_host(struct reach *reach, struct ledger *ledger, struct span host,
		       struct reach_hosts *hosts)
{
	const struct fact *both[] = { ask(reach, ledger, FACT_DNS_A, host),
				      ask(reach, ledger, FACT_DNS_AAAA, host) };

	for (size_t i = 0; i < 2; i++) {
		hosts->is_open |= both[i]->state == FACT_FAILED;
		hosts->has_address |= both[i]->state == FACT_KNOWN;
		for (size_t n = 0; n < both[i]->item_count; n++) {
			struct ip ip;

			if (ip_parse(both[i]->item[n], &ip) != OK)
				continue;
			if (ip_is_private(ip_unmapped(ip)))
				hosts->has_private = true;
			else
				hosts->has_public = true;
		}
	}
	return proves_name(both[0]) || proves_name(both[1]);
}

bool mx_host_is_none(struct span host)
{
	return span_is_empty(host) || span_equal(host, SPAN("."));
}

bool mx_is_null(const struct fact *mx)
{
	return mx->item_count == 1 && mx_host_is_none(fact_mx_host(mx->item[0]));
}

static void reach_mx(struct reach *reach, struct ledger *ledger, const struct fact *mx)
{
	reach->hosts.is_open = mx->item_count > REACH_HOSTS_MAX;
	for (size_t i = 0; i < mx->item_count && i < REACH_HOSTS_MAX; i++) {
		struct span host = fact_mx_host(mx->item[i]);
		struct ip ip;

		if (mx_host_is_none(host))
			continue;
		if (host_address(host, &ip))
			reach->mx_is_address = true;
		else
			(void)reach_host(reach, ledger, host, &reach->hosts);
	}
}

struct reach reach_of(struct span domain, struct ledger *ledger)
{
	struct reach reach = { 0 };
	const struct fact *mx = ask(&reach, ledger, FACT_DNS_MX, domain);

	reach.mx = mx->state;
	reach.has_null_mx = mx_is_null(mx);
	reach.exists = reach_host(&reach, ledger, domain, &reach.itself) || proves_name(mx);
	if (mx->item_count == 0)
		reach.hosts = reach.itself;
	else
		reach_mx(&reach, ledger, mx);
	return reach;
}
