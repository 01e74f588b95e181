/* suffixes.h -- the public suffix list: under which names people register theirs.
 *
 * Pure.  The list of this machine is loaded by sources/suffix_list.h; NULL stands for the one
 * that is built into libpsl.
 */
#pragma once
#include "base/span.h"

struct suffixes; /* libpsl's psl_ctx_t, under a name of ours */

/** "mail.b.co.uk" -> "b.co.uk"; part of name.  Under a top label that the list does not know one
 * label is registered.
 *
 * @param name  presentation form (mail/domain.h)
 * @return empty where name is itself a suffix, has no dot, is an address or can be no name
 */
struct span suffixes_registered(const struct suffixes *suffixes, struct span name);
