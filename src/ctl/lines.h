/* lines.h -- the lines of a file, one after the other, in a buffer of fixed size. */
#pragma once
#include "base/err.h"
#include "base/span.h"

#include <stdint.h>

struct lines {
	int fd;
	char *at; /* malloced */
	size_t room, begin, end;
	uint64_t number; /* of the line that was read last, from 1 */
	bool is_at_end;
};

enum line_state { LINE_READ, LINE_TOO_LONG, LINE_NONE, LINE_FAILED };

/** @param bytes_max  of a line
 * @return ERR_SYSTEM without memory */
MUST_USE enum err lines_init(struct lines *lines, size_t bytes_max);

/** Begin with another file, which stays the caller's. */
void lines_open(struct lines *lines, int fd);

/** The next line without its end (LF or CR LF), valid until the next call.
 *
 * A line that is too long is skipped as a whole.  LINE_FAILED: errno says why.
 */
enum line_state lines_next(struct lines *lines, struct span *line_out);

void lines_release(struct lines *lines);
