/* resolver.c -- whom --resolver names. */
#include "ctl/resolver.h"

#include "base/number.h"

/* ADDRESS, ADDRESS:PORT (IPv4) or [ADDRESS]:PORT */
static bool address_parse(struct span text, struct resolver *resolver_out)
{
	struct resolver_address address = { .port = 53 };
	struct span host = text, port = { 0 };
	size_t colon = span_rfind(text, ':');
	int64_t number = 53;

	if (span_starts(text, SPAN("["))) {
		size_t close = span_find(text, ']');

		host = span_from(span_first(text, close), 1);
		port = span_from(text, close + 1);
		if (close == text.len || (port.len > 0 && port.at[0] != ':'))
			return false;
		port = span_from(port, 1);
	} else if (colon < text.len && span_find(text, ':') == colon) {
		host = span_first(text, colon);
		port = span_from(text, colon + 1);
	}
	if (port.len > 0 && (number_parse(port, &number) != OK || number < 1 || number > 65535))
		return false;
	if (ip_parse(host, &address.address) != OK)
		return false;
	address.port = (uint16_t)number;
	*resolver_out = (struct resolver){ .kind = RESOLVER_ADDRESSES,
					   .address = { address },
					   .address_count = 1 };
	return true;
}

bool ctl_resolver_parse(struct span text, struct resolver *resolver_out)
{
	if (span_equal(text, SPAN("system")))
		*resolver_out = (struct resolver){ .kind = RESOLVER_SYSTEM };
	else if (span_equal(text, SPAN("recursive")))
		*resolver_out = (struct resolver){ .kind = RESOLVER_RECURSIVE };
	else
		return address_parse(text, resolver_out);
	return true;
}
