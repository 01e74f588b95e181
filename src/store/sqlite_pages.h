/* sqlite_pages.h -- the pages of a database file and of its journal, read without SQLite.
 *
 * For files that SQLite refuses.  The files are opened for reading, and bytes are read from them:
 * nothing is written, mapped or locked, and no byte is believed before it is looked at.
 *
 * A page is what the journal says of it last, up to its last whole transaction; what it does not
 * speak of is in the file.  Where the sums of the journal's frames break off SQLite forgets all
 * that follows; here those of the same journal are loose: they can be read one by one, and for
 * what they refer to a page is what they say of it last.
 *
 * Source: www.sqlite.org/fileformat2.html, sections 1.3 and 4.
 */
#pragma once
#include "base/err.h"
#include "base/text.h"

#include <stdint.h>

enum { SQLITE_PAGE_LEAST = 512, SQLITE_PAGE_MOST = 65536 };

struct sqlite_frame {
	uint32_t page, frame; /* both from 1 */
};

/* A part of all frames. */
struct sqlite_frames {
	struct sqlite_frame *first;
	uint32_t count;
};

struct sqlite_pages {
	int fd, journal_fd; /* -1: there is none */
	uint32_t page_bytes;
	uint32_t file_count;        /* pages in the file; the last may be cut */
	uint32_t said_count;        /* that the database should have; 0: it does not say */
	uint32_t first_free;        /* of the chain of free pages; 0: none, or it does not say */
	uint8_t *room;              /* for a page and what stands before it in the journal */
	struct sqlite_frame *frame; /* of the journal: room for the three below */
	struct sqlite_frames whole, last_loose; /* the last of each page, in order of pages */
	struct sqlite_frames loose;             /* as they stand in the journal */
	bool looks_at_loose;                    /* first */
	bool has_lost; /* whole transactions behind the place where SQLite stops to read */
};

static inline uint32_t sqlite_big16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t sqlite_big32(const uint8_t *at)
{
	return sqlite_big16(at) << 16 | sqlite_big16(at + 2);
}

/** Of the file at path, and path-wal.
 *
 * @param pages  to be closed, unless it is said why not
 */
MUST_USE enum err sqlite_pages_open(struct sqlite_pages *pages, const char *path, struct text *why);
void sqlite_pages_close(struct sqlite_pages *pages);

/** A page, from 1; what a cut one lacks is 0.  @return false: there is none, or it cannot be read
 */
MUST_USE bool sqlite_pages_read(const struct sqlite_pages *pages, uint32_t number, uint8_t *bytes);
/** What a frame of the journal holds. */
MUST_USE bool sqlite_pages_read_frame(const struct sqlite_pages *pages, uint32_t frame,
				      uint8_t *bytes);
