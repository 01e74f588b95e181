/* zone.c -- what the answers of a DNS list mean. */
#include "weigh/zone.h"

#include "base/ensure.h"

enum {
	LOOPBACK = 0x7f000000, /* 127.0.0.0/8: RFC 5782 section 2.1 */
	LOOPBACK_MASK = 0xff000000,
	BITS_MASK = 0xffffff00,  /* a bit mask list answers in 127.0.0.0/24 */
	COMPLAINTS = 0x7fffff00, /* 127.255.255.0/24: wrong name, open resolver, too many */
	COMPLAINTS_MASK = 0xffffff00,
	EMPTY_PAIR = 0x7f000000, /* 127.0.0.0 and 127.0.0.1: never a listing by themselves */
	EMPTY_PAIR_MASK = 0xfffffffe,
};

static uint32_t host_order(struct ip ip)
{
	return (uint32_t)ip.byte[0] << 24 | (uint32_t)ip.byte[1] << 16 | (uint32_t)ip.byte[2] << 8 |
	       ip.byte[3];
}

/* What lists in general answer when they will not serve us; a zone that means something by one
 * of them must name that very answer, a wide range does not make it a listing. */
static bool is_complaint(uint32_t answer)
{
	return (answer & COMPLAINTS_MASK) == COMPLAINTS || (answer & EMPTY_PAIR_MASK) == EMPTY_PAIR;
}

static bool range_has(const struct zone_range *range, uint32_t answer)
{
	if (range->is_bits)
		return (answer & BITS_MASK) == LOOPBACK && (answer & range->address & 0xff) != 0;
	if (is_complaint(answer) && range->mask != UINT32_MAX)
		return false;
	return (answer & range->mask) == (range->address & range->mask);
}

bool zone_lists(const struct zone *zone, struct ip ip)
{
	if (ip_is_private(ip))
		return false; /* fail rule F12: no list knows it, and the name tells of us */
	return (ip.family == IP_V4 && zone->lists_ip4) || (ip.family == IP_V6 && zone->lists_ip6);
}

enum zone_answer zone_read(const struct zone *zone, struct ip answer, uint32_t *meanings_out)
{
	uint32_t meanings = 0;

	if (answer.family != IP_V4)
		return ZONE_UNDECLARED;
	for (size_t i = 0; i < zone->refused_count; i++)
		if (prefix_has(&zone->refused[i], answer))
			return ZONE_REFUSED;
	if ((host_order(answer) & LOOPBACK_MASK) != LOOPBACK)
		return ZONE_UNDECLARED;
	for (size_t i = 0; i < zone->range_count; i++)
		if (range_has(&zone->range[i], host_order(answer)))
			meanings |= 1U << zone->range[i].meaning;
	if (meanings == 0)
		return is_complaint(host_order(answer)) ? ZONE_REFUSED : ZONE_UNDECLARED;
	*meanings_out = meanings;
	return ZONE_LISTED;
}

/* All records together: each adds its meanings, and one that proves nothing spoils them all. */
static bool read_all(const struct zone *zone, const struct fact *a, uint32_t *meanings_out)
{
	uint32_t meanings = 0;

	for (size_t i = 0; i < a->item_count; i++) {
		uint32_t more = 0;
		struct ip answer;

		if (ip_parse(a->item[i], &answer) != OK ||
		    zone_read(zone, answer, &more) != ZONE_LISTED)
			return false;
		meanings |= more;
	}
	*meanings_out = meanings;
	return meanings != 0;
}

/* A listing under one name stands whatever the zone says of another; it is clear only when all
 * its answers say so. */
static void settle(const struct zone *zone, struct findings *found)
{
	unsigned clear = zone->meaning_count;
	bool is_listed = false;

	for (unsigned i = 0; i < clear; i++) {
		if (found->times[i] == 0)
			continue;
		is_listed = true;
		found->unknown &= ~(1U << i);
	}
	found->times[clear] = !is_listed && found->unknown == 0;
	if (is_listed)
		found->unknown &= ~(1U << clear);
}

void zone_weigh(const struct zone *zone, struct span name, struct ledger *ledger,
		struct findings *found)
{
	uint32_t everything = (2U << zone->meaning_count) - 1; /* the meanings, and clear */
	uint32_t listed = 0;

	TEXT(question, FACT_KEY_MAX);
	text_add(&question, name);
	text_add_char(&question, '.');
	text_add(&question, zone->name);
	ENSURE(!question.overrun);

	const struct fact *a = fact_ask(ledger, FACT_DNS_A, text_span(&question));
	switch (a->state) {
	case FACT_PENDING: found->pending = true; return;
	case FACT_NONE: break;
	case FACT_FAILED: found->unknown |= everything; break;
	case FACT_KNOWN:
		if (!read_all(zone, a, &listed))
			found->unknown |= everything;
		break;
	}
	for (unsigned i = 0; i < zone->meaning_count; i++)
		if (listed & 1U << i)
			found->times[i] = 1;
	settle(zone, found);
}

void zone_weigh_address(const struct zone *zone, struct ip ip, struct ledger *ledger,
			struct findings *found)
{
	TEXT(reversed, IP_REVERSED_MAX);

	if (!zone_lists(zone, ip))
		return;
	text_add_ip_reversed(&reversed, ip);
	zone_weigh(zone, text_span(&reversed), ledger, found);
}
