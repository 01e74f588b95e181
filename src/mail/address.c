/* address.c -- the parts of an envelope address. */
#include "mail/address.h"

struct span address_local(struct span address)
{
	return span_first(address, span_rfind(address, '@'));
}

struct span address_domain(struct span address)
{
	return span_from(address, span_rfind(address, '@') + 1);
}
