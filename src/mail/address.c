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

bool address_is_mailable(struct span address)
{
	static const struct span odd = SPAN_INIT("<>()[]\\,;:\"|`$");
	size_t at = span_find(address, '@');

	if (at == 0 || address.len > MAILABLE_ADDRESS_MAX || address.at[0] == '-' ||
	    at + 1 == address.len || span_rfind(address, '@') != at)
		return false;
	for (size_t i = 0; i < address.len; i++)
		if (address.at[i] <= ' ' || address.at[i] > '~' ||
		    span_find(odd, address.at[i]) < odd.len)
			return false;
	return true;
}
