/* idn.c -- domain names beyond ASCII. */
#include "mail/idn.h"

#include <idn2.h>

enum err text_add_idn(struct text *text, struct span raw)
{
	TEXT(name, IDN_BYTES_MAX);
	uint8_t *ascii = NULL;
	int result;

	text_add(&name, raw);
	if (name.overrun)
		return ERR_LIMIT;
	if (span_find(raw, '\0') < raw.len)
		return ERR_SYNTAX;
	result = idn2_lookup_u8((const uint8_t *)text_cstr(&name), &ascii,
				IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (result != IDN2_OK)
		return ERR_SYNTAX;
	text_add(text, span_cstr((const char *)ascii));
	idn2_free(ascii);
	return text->overrun ? ERR_LIMIT : OK;
}
