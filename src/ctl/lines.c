/* lines.c -- the lines of a file. */
#include "ctl/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum err lines_init(struct lines *lines, size_t bytes_max)
{
	*lines = (struct lines){ .fd = -1, .room = bytes_max + 2 };
	lines->at = malloc(lines->room);
	return lines->at == NULL ? ERR_SYSTEM : OK;
}

void lines_open(struct lines *lines, int fd)
{
	lines->fd = fd;
	lines->begin = lines->end = 0;
	lines->number = 0;
	lines->is_at_end = false;
}

/* @return false: nothing more can be read */
static bool lines_fill(struct lines *lines)
{
	ssize_t count;

	memmove(lines->at, lines->at + lines->begin, lines->end - lines->begin);
	lines->end -= lines->begin;
	lines->begin = 0;
	do {
		count = read(lines->fd, lines->at + lines->end, lines->room - lines->end);
	} while (count < 0 && errno == EINTR);
	if (count > 0)
		lines->end += (size_t)count;
	else if (count == 0)
		lines->is_at_end = true;
	return count > 0;
}

/* The whole next line, or as much of it as the buffer holds, or nothing. */
static enum line_state lines_cut(struct lines *lines, struct span *line_out)
{
	size_t looked = 0;

	for (;;) {
		struct span have = span_of(lines->at + lines->begin, lines->end - lines->begin);
		size_t end = looked + span_find(span_from(have, looked), '\n');

		looked = have.len;
		if (end < have.len || (lines->is_at_end && have.len > 0)) {
			*line_out = span_first(have, end);
			lines->begin += end < have.len ? end + 1 : end;
			return LINE_READ;
		}
		if (lines->is_at_end)
			return LINE_NONE;
		if (have.len == lines->room) {
			lines->begin = lines->end;
			return LINE_TOO_LONG;
		}
		if (!lines_fill(lines) && !lines->is_at_end)
			return LINE_FAILED;
	}
}

enum line_state lines_next(struct lines *lines, struct span *line_out)
{
	struct span line = { 0 };
	enum line_state state = lines_cut(lines, &line);
	bool is_long = state == LINE_TOO_LONG;

	while (state == LINE_TOO_LONG)
		state = lines_cut(lines, &line);
	if (state == LINE_FAILED || (state == LINE_NONE && !is_long))
		return state;
	lines->number++;
	if (is_long)
		return LINE_TOO_LONG;
	if (span_ends(line, SPAN("\r")))
		line.len--;
	*line_out = line;
	return LINE_READ;
}

void lines_release(struct lines *lines)
{
	free(lines->at);
	lines->at = NULL;
}
