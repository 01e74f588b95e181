/* suffixes.c -- libpsl behind one function. */
#include "mail/suffixes.h"

#include "mail/domain.h"

#include <libpsl.h>

/* Every top label begins with a letter; what does not is an address, or no name. */
static bool is_name(struct span name)
{
	size_t dot = span_rfind(name, '.');

	return dot + 1 < name.len && dot > 0 && ascii_is_letter(name.at[dot + 1]) &&
	       span_find(name, '\0') == name.len;
}

struct span suffixes_registered(const struct suffixes *suffixes, struct span name)
{
	const psl_ctx_t *list = suffixes == NULL ? psl_builtin() : (const psl_ctx_t *)suffixes;
	TEXT(lower, DOMAIN_TEXT_MAX);
	const char *registered;

	text_add_lower(&lower, name);
	if (lower.overrun || !is_name(name))
		return SPAN("");
	registered = psl_registrable_domain(list, text_cstr(&lower));
	return registered == NULL ? SPAN("") : span_from(name, (size_t)(registered - lower.at));
}
