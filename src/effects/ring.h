/* ring.h -- records in a ring of bytes, oldest out first.  Not locked. */
#pragma once
#include "base/span.h"

#include <stdint.h>

enum log_level { LEVEL_ERROR = 3, LEVEL_WARNING = 4, LEVEL_NOTICE = 5, LEVEL_INFO = 6 };

/* In front of each record's text. */
struct record {
	int64_t time_ms; /* wall clock */
	uint16_t len;    /* of the text */
	uint8_t level;   /* enum log_level */
};

struct ring {
	char *at;
	size_t room, begin, used;
};

/** Put records as they stand in bytes, all or none.
 *
 * @return false: no room
 */
MUST_USE bool ring_put(struct ring *ring, struct span bytes);

/** Take whole records off the front, as many as fit into room.
 *
 * @return how many bytes they are
 */
size_t ring_take(struct ring *ring, char *out, size_t room);
