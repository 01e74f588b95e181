/* suffix_list.h -- the public suffix list of this machine, to ask with mail/suffixes.h. */
#pragma once
#include "mail/suffixes.h"

/** Load the distribution's list, or take the one built into libpsl where that is not to be read
 * or older.  Shared by all threads; read once, so that a run of the program is one list.
 *
 * @return freed by suffixes_free(); NULL without memory, which is the list built in, too
 */
struct suffixes *suffixes_load(void);
void suffixes_free(struct suffixes *suffixes);
