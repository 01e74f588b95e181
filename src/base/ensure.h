/* ensure.h -- what must be true unless we made a mistake.
 *
 * Always on.  A failure says where on standard error and aborts: the supervisor starts the
 * daemon anew, and Postfix defers or follows its default_action meanwhile
 * (doc/decisions/0001-ensure-aborts.md).
 */
#pragma once
#include "base/attr.h"

NORETURN void ensure_failed(const char *what, const char *file, int line);

#define ENSURE(x) ((x) ? (void)0 : ensure_failed(#x, __FILE__, __LINE__))
