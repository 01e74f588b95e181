/* attempt.c -- what the MTA said about one mail attempt. */
#include "mail/attempt.h"

static const struct span attribute_names[ATTRIBUTE_COUNT] = {
#define ATTRIBUTE(name) [ATTRIBUTE_##name] = SPAN_INIT(#name),
#include "mail/attributes.def"
#undef ATTRIBUTE
};

struct span attribute_name(enum attribute attribute)
{
	return attribute_names[attribute];
}

bool attribute_find(struct span name, enum attribute *attribute_out)
{
	for (int i = 0; i < ATTRIBUTE_COUNT; i++) {
		if (span_equal(name, attribute_names[i])) {
			*attribute_out = (enum attribute)i;
			return true;
		}
	}
	return false;
}

static struct span without_ornaments(struct span address)
{
	address = span_trim(address);
	if (address.len >= 2 && address.at[0] == '[' && address.at[address.len - 1] == ']')
		address = span_of(address.at + 1, address.len - 2);
	if (span_starts_nocase(address, SPAN("IPv6:")))
		address = span_from(address, 5);
	return span_first(address, span_find(address, '%'));
}

void attempt_normalise(struct attempt *attempt, char *room)
{
	struct text text = { room, 0, IP_TEXT_MAX + 1, false };
	struct ip client;

	attempt->client = (struct ip){ 0 };
	attempt->client_text = span_of(room, 0);
	if (ip_parse(without_ornaments(attempt->attribute[ATTRIBUTE_client_address]), &client) !=
	    OK)
		return;
	attempt->client = ip_unmapped(client);
	text_add_ip(&text, attempt->client);
	attempt->client_text = text_span(&text);
}
