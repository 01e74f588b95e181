/* resolver.h -- whom --resolver names. */
#pragma once
#include "policy/config.h"

#define CTL_RESOLVER_WANTED                                                                        \
	"--resolver wants system, recursive, or an address, like 127.0.0.1, 127.0.0.1:5353 or "    \
	"[::1]:5353"

/** "system", "recursive", ADDRESS, ADDRESS:PORT (IPv4) or [ADDRESS]:PORT. */
MUST_USE bool ctl_resolver_parse(struct span text, struct resolver *resolver_out);
