/* ring.c -- records in a ring of bytes. */
#include "effects/ring.h"

static void ring_copy(const struct ring *ring, size_t from, char *out, size_t len)
{
	size_t at = (ring->begin + from) % ring->room;
	size_t first = len < ring->room - at ? len : ring->room - at;

	memcpy(out, ring->at + at, first);
	memcpy(out + first, ring->at, len - first);
}

bool ring_put(struct ring *ring, struct span bytes)
{
	size_t at = (ring->begin + ring->used) % ring->room;
	size_t first = bytes.len < ring->room - at ? bytes.len : ring->room - at;

	if (bytes.len > ring->room - ring->used)
		return false;
	memcpy(ring->at + at, bytes.at, first);
	memcpy(ring->at, bytes.at + first, bytes.len - first);
	ring->used += bytes.len;
	return true;
}

size_t ring_take(struct ring *ring, char *out, size_t room)
{
	size_t taken = 0;

	while (taken < ring->used) {
		struct record record;
		size_t len;

		ring_copy(ring, taken, (char *)&record, sizeof(record));
		len = sizeof(record) + record.len;
		if (len > room - taken)
			break;
		ring_copy(ring, taken, out + taken, len);
		taken += len;
	}
	ring->begin = (ring->begin + taken) % ring->room;
	ring->used -= taken;
	return taken;
}
