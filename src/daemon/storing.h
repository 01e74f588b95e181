/* storing.h -- the store that a configuration wants. */
#pragma once
#include "policy/config.h"
#include "store/store.h"

struct storing {
	struct store_options options; /* spans of the configuration, and of password */
	char password[256];
};

/** What store_open() is to be told.  Reads the password's file, so it comes before privileges
 * are dropped.
 *
 * @param why  in words, unless OK
 */
MUST_USE enum err storing_prepare(struct storing *storing, const struct config *config,
				  struct text *why);

/** Open the daemon's store, as storing_prepare() says.
 *
 * Mail is weighed without one, too: memory stands in for a store that cannot be opened, or that
 * has just ended two processes and is left alone this once (store/blame.h).
 *
 * @param fault  in words, where memory stands in
 * @return ERR_SYSTEM: no memory
 */
MUST_USE enum err storing_open(struct storing *storing, struct text *fault,
			       struct store **store_out);

/** Does b want another store than a? */
bool storing_equal(const struct config *a, const struct config *b);
