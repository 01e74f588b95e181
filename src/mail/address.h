/* address.h -- the parts of an envelope address as Postfix hands it over.
 *
 * Postfix has taken quotes and routes away: "a@b"@example.org arrives as a@b@example.org, so
 * the domain is what follows the last @.
 */
#pragma once
#include "base/span.h"

/** Before the last '@'; all of it where there is none.  Borrowed from address. */
struct span address_local(struct span address);

/** After the last '@'; empty where there is none.  Borrowed from address. */
struct span address_domain(struct span address);
