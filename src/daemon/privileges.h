/* privileges.h -- who we are, what we may, how much we need.  Source: requirements X1, X4. */
#pragma once
#include "base/err.h"
#include "base/text.h"
#include "daemon/listening.h"

/** The user of the configuration; ourselves where it names none. */
MUST_USE enum err privileges_owner(struct span user, struct text *why, struct owner *owner_out);

/** Become user, for good, and check that it is so; nothing where we are not root. */
MUST_USE enum err privileges_drop(struct span user, const struct owner *owner, struct text *why);

/** Take the groups and ids of user name, and check that there is no way back. */
MUST_USE bool privileges_become(const char *name, const struct owner *owner);

/** Raise the limit of descriptors to wanted, as far as it may be.  @return what it is now */
uint64_t descriptors_raise(uint64_t wanted);

/** How many descriptors are open now; a guess where it cannot be seen. */
uint64_t descriptors_open(void);
