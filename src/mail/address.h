/* address.h -- the parts of an envelope address as Postfix hands it over.
 *
 * Postfix has taken quotes and routes away: "a@b"@example.org arrives as a@b@example.org, so
 * the domain is what follows the last @.
 */
#pragma once
#include "base/span.h"

enum { MAILABLE_ADDRESS_MAX = 254 };

/** Before the last '@'; all of it where there is none.  Borrowed from address. */
struct span address_local(struct span address);

/** May a mail of ours go there?  It becomes an argument of sendmail and a line of a header: plain,
 * no option; a name alone is one of this host. */
bool address_is_mailable(struct span address);

/** After the last '@'; empty where there is none.  Borrowed from address. */
struct span address_domain(struct span address);
