/* census.h -- how many connections there are, in all and of each source, of all workers.
 *
 * Source: design requirement P7.  A source is an IPv4 address or an IPv6 network of 64 bits; a
 * Unix socket has none, and is bounded by the number of all connections.
 */
#pragma once
#include "base/hash.h"
#include "mail/ip.h"

#include <stdatomic.h>

enum { CENSUS_FRONTS_MAX = 512 }; /* two a worker */

struct census;
struct sockaddr_storage;

struct census_limits {
	uint32_t connections_max;
	uint32_t connections_per_source_max;
};

enum admission { ADMITTED, FULL, FULL_OF_SOURCE };

MUST_USE struct census *census_new(const struct census_limits *limits, const struct hash_key *hash);
void census_free(struct census *census);

/** May be called while connections are counted; those beyond a smaller limit stay. */
void census_set_limits(struct census *census, const struct census_limits *limits);

/** The source that an address is counted under. */
struct ip census_source(struct ip ip);

/** The same of a peer; IP_NONE: it has none, such as one of a Unix socket. */
struct ip census_source_of(const struct sockaddr_storage *peer);

/** Count one connection more, if there is room; IP_NONE has no source.
 *
 * @param is_replacing  one that is idle goes for it: the limit of all does not hold
 */
MUST_USE enum admission census_enter(struct census *census, struct ip source, bool is_replacing);
void census_leave(struct census *census, struct ip source);

uint32_t census_count(const struct census *census);
bool census_is_over(const struct census *census);

/* Where the connection that has been idle for longest is found, whatever worker it is of. */
struct census_seat {
	void *front;
	/** Close it, or the one of source (unless that is IP_NONE).  @return false: none is idle */
	bool (*evict)(void *front, struct ip source);
	/** Close it, soon; may be called by any thread. */
	void (*evict_later)(void *front);
	_Atomic int64_t oldest_idle_ms; /* since when; INT64_MAX: none is idle */
};

/** A seat for a front; kept until census_free.
 *
 * @param who  its front and functions, copied
 */
MUST_USE struct census_seat *census_join(struct census *census, const struct census_seat *who);

/** Count one connection more of the seat's front; where there is no room (P7) the one that has been
 * idle for longest goes for it: of its source, or of all, at whatever front. */
MUST_USE enum admission census_admit(struct census *census, const struct census_seat *seat,
				     struct ip source);

/** The seat of the front whose connection has been idle for longest; NULL where none is idle. */
const struct census_seat *census_idlest(const struct census *census);
