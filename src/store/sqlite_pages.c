/* sqlite_pages.c -- the pages of a database file and of its journal, read without SQLite. */
#include "store/sqlite_pages.h"

#include "store/sqlite_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PAGE_STANDARD = 4096, /* SQLite's, and so ours */
	HEAD_BYTES = 100,     /* at the front of page 1 */
	JOURNAL_HEAD_BYTES = 32,
	FRAME_HEAD_BYTES = 24,
};

#define JOURNAL_MAGIC UINT32_C(0x377f0682) /* its last bit: sums are of big-endian words */

static bool is_page_size(uint32_t bytes)
{
	return bytes >= SQLITE_PAGE_LEAST && bytes <= SQLITE_PAGE_MOST &&
	       (bytes & (bytes - 1)) == 0;
}

/* @return how many there were; the rest is 0 */
static size_t read_at(int fd, uint8_t *bytes, size_t count, uint64_t at)
{
	size_t have = 0;

	while (have < count) {
		ssize_t got = pread(fd, bytes + have, count - have, (off_t)(at + have));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		have += (size_t)got;
	}
	memset(bytes + have, 0, count - have);
	return have;
}

static uint64_t bytes_of(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 ? (uint64_t)status.st_size : 0;
}

/* --- the journal --- */

/* Two sums, over words of four bytes, that go on from frame to frame. */
struct sums {
	uint32_t sum[2];
	bool is_big;
};

static uint32_t word_at(const struct sums *sums, const uint8_t *at)
{
	return sums->is_big ? sqlite_big32(at) : __builtin_bswap32(sqlite_big32(at));
}

static void sums_add(struct sums *sums, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i + 8 <= count; i += 8) {
		sums->sum[0] += word_at(sums, bytes + i) + sums->sum[1];
		sums->sum[1] += word_at(sums, bytes + i + 4) + sums->sum[0];
	}
}

static bool sums_are(const struct sums *sums, const uint8_t *at)
{
	return sqlite_big32(at) == sums->sum[0] && sqlite_big32(at + 4) == sums->sum[1];
}

static uint64_t frame_at(const struct sqlite_pages *pages, uint32_t frame)
{
	return JOURNAL_HEAD_BYTES +
	       (uint64_t)(frame - 1) * (FRAME_HEAD_BYTES + (uint64_t)pages->page_bytes);
}

static uint32_t frames_of(const struct sqlite_pages *pages)
{
	uint64_t bytes = bytes_of(pages->journal_fd);
	uint64_t frames;

	if (bytes < JOURNAL_HEAD_BYTES)
		return 0;
	frames = (bytes - JOURNAL_HEAD_BYTES) / (FRAME_HEAD_BYTES + pages->page_bytes);
	return frames < INT32_MAX ? (uint32_t)frames : INT32_MAX;
}

static int compare_frames(const void *a, const void *b)
{
	const struct sqlite_frame *one = a, *other = b;

	if (one->page != other->page)
		return one->page < other->page ? -1 : 1;
	return one->frame < other->frame ? -1 : one->frame > other->frame;
}

/* Of each page the last. */
static void order_frames(struct sqlite_frames *frames)
{
	struct sqlite_frame *first = frames->first;
	uint32_t kept = 0;

	qsort(first, frames->count, sizeof(*first), compare_frames);
	for (uint32_t i = 0; i < frames->count; i++) {
		if (kept > 0 && first[kept - 1].page == first[i].page)
			kept--;
		first[kept++] = first[i];
	}
	frames->count = kept;
}

/* All that have the journal's salts.  Others are of an older journal in the same file, or damaged.
 * As far as sums hold from the first on they are whole, to the end of a transaction. */
static void follow_frames(struct sqlite_pages *pages, struct sums sums, const uint8_t *salts,
			  uint32_t frames)
{
	uint8_t *bytes = pages->room;
	size_t len = FRAME_HEAD_BYTES + pages->page_bytes;
	bool is_broken = false;

	for (uint32_t frame = 1; frame <= frames; frame++) {
		struct sqlite_frame one = { .frame = frame };

		read_at(pages->journal_fd, bytes, len, frame_at(pages, frame));
		one.page = sqlite_big32(bytes);
		if (memcmp(bytes + 8, salts, 8) != 0) {
			is_broken = true;
			continue;
		}
		sums_add(&sums, bytes, 8);
		sums_add(&sums, bytes + FRAME_HEAD_BYTES, pages->page_bytes);
		/* what was not finished when a process was killed has no end in any frame */
		pages->has_lost |= is_broken && sqlite_big32(bytes + 4) != 0;
		is_broken = is_broken || !sums_are(&sums, bytes + 16);
		if (is_broken) {
			pages->loose.first[pages->loose.count++] = one;
			continue;
		}
		pages->whole.first[frame - 1] = one;
		if (sqlite_big32(bytes + 4) == 0)
			continue;
		pages->said_count = sqlite_big32(bytes + 4); /* a transaction ends */
		pages->whole.count = frame;
	}
}

static enum err read_journal(struct sqlite_pages *pages, struct text *why)
{
	uint8_t head[JOURNAL_HEAD_BYTES], first[FRAME_HEAD_BYTES];
	uint32_t frames = frames_of(pages);
	struct sums sums = { .is_big = true };
	const uint8_t *salts = head + 16;
	bool has_odd_head;

	if (frames == 0)
		return OK;
	pages->frame = calloc((size_t)frames * 3, sizeof(*pages->frame));
	if (pages->frame == NULL) {
		text_addf(why, "no memory");
		return ERR_LIMIT;
	}
	pages->whole.first = pages->frame;
	pages->loose.first = pages->frame + frames;
	pages->last_loose.first = pages->frame + 2 * (size_t)frames;
	read_at(pages->journal_fd, head, sizeof(head), 0);
	sums.is_big = (sqlite_big32(head) & 1) != 0;
	sums_add(&sums, head, 24);
	has_odd_head = !sums_are(&sums, head + 24);
	if (has_odd_head) { /* it is damaged: perhaps in its salts */
		read_at(pages->journal_fd, first, sizeof(first), frame_at(pages, 1));
		salts = first + 8;
	}
	follow_frames(pages, sums, salts, frames);
	pages->has_lost |= has_odd_head && pages->whole.count > 0;
	order_frames(&pages->whole);
	memcpy(pages->last_loose.first, pages->loose.first,
	       pages->loose.count * sizeof(*pages->frame));
	pages->last_loose.count = pages->loose.count;
	order_frames(&pages->last_loose);
	return OK;
}

/* --- the file --- */

static uint32_t page_size(const struct sqlite_pages *pages)
{
	uint8_t head[HEAD_BYTES];
	uint32_t bytes;

	read_at(pages->fd, head, sizeof(head), 0);
	bytes = sqlite_big16(head + 16) == 1 ? SQLITE_PAGE_MOST : sqlite_big16(head + 16);
	if (memcmp(head, "SQLite format 3", 16) == 0 && is_page_size(bytes))
		return bytes;
	if (pages->journal_fd < 0)
		return PAGE_STANDARD;
	read_at(pages->journal_fd, head, JOURNAL_HEAD_BYTES, 0);
	bytes = sqlite_big32(head + 8);
	return (sqlite_big32(head) & ~UINT32_C(1)) == JOURNAL_MAGIC && is_page_size(bytes)
		       ? bytes
		       : PAGE_STANDARD;
}

/* What page 1 says: how many pages there are, and where free ones begin. */
static void read_head(struct sqlite_pages *pages)
{
	uint8_t *bytes = pages->room;

	if (!sqlite_pages_read(pages, 1, bytes) || memcmp(bytes, "SQLite format 3", 16) != 0)
		return;
	pages->first_free = sqlite_big32(bytes + 32);
	if (pages->said_count == 0 && sqlite_big32(bytes + 24) == sqlite_big32(bytes + 92))
		pages->said_count = sqlite_big32(bytes + 28);
}

static enum err open_file(struct sqlite_pages *pages, const char *path, struct text *why)
{
	char name[SQLITE_PATH_MAX + 128];
	struct stat status;

	pages->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (pages->fd < 0 || fstat(pages->fd, &status) != 0) {
		text_addf(why, "%s", strerror(errno));
		return ERR_SYSTEM;
	}
	if (!S_ISREG(status.st_mode)) {
		text_addf(why, "it is no file");
		return ERR_SYSTEM;
	}
	if ((size_t)snprintf(name, sizeof(name), "%s-wal", path) < sizeof(name))
		pages->journal_fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	return OK;
}

enum err sqlite_pages_open(struct sqlite_pages *pages, const char *path, struct text *why)
{
	uint64_t count;
	enum err err;

	*pages = (struct sqlite_pages){ .fd = -1, .journal_fd = -1 };
	err = open_file(pages, path, why);
	pages->room = malloc(FRAME_HEAD_BYTES + SQLITE_PAGE_MOST);
	if (err == OK && pages->room == NULL) {
		text_addf(why, "no memory");
		err = ERR_LIMIT;
	}
	if (err == OK) {
		pages->page_bytes = page_size(pages);
		count = (bytes_of(pages->fd) + pages->page_bytes - 1) / pages->page_bytes;
		pages->file_count = count < INT32_MAX ? (uint32_t)count : INT32_MAX;
		err = pages->journal_fd >= 0 ? read_journal(pages, why) : OK;
	}
	if (err == OK)
		read_head(pages);
	else
		sqlite_pages_close(pages);
	return err;
}

void sqlite_pages_close(struct sqlite_pages *pages)
{
	if (pages->fd >= 0)
		close(pages->fd);
	if (pages->journal_fd >= 0)
		close(pages->journal_fd);
	free(pages->frame);
	free(pages->room);
	*pages = (struct sqlite_pages){ .fd = -1, .journal_fd = -1 };
}

/* --- a page --- */

static int compare_page(const void *number, const void *frame)
{
	uint32_t a = *(const uint32_t *)number, b = ((const struct sqlite_frame *)frame)->page;

	return a < b ? -1 : a > b;
}

static uint32_t find_frame(const struct sqlite_frames *frames, uint32_t number)
{
	const struct sqlite_frame *found = NULL;

	if (frames->count > 0)
		found = bsearch(&number, frames->first, frames->count, sizeof(*found),
				compare_page);
	return found != NULL ? found->frame : 0;
}

bool sqlite_pages_read_frame(const struct sqlite_pages *pages, uint32_t frame, uint8_t *bytes)
{
	uint64_t at = frame_at(pages, frame) + FRAME_HEAD_BYTES;

	return read_at(pages->journal_fd, bytes, pages->page_bytes, at) == pages->page_bytes;
}

bool sqlite_pages_read(const struct sqlite_pages *pages, uint32_t number, uint8_t *bytes)
{
	uint32_t frame = 0;

	if (pages->looks_at_loose)
		frame = find_frame(&pages->last_loose, number);
	if (frame == 0)
		frame = find_frame(&pages->whole, number);
	if (frame != 0)
		return sqlite_pages_read_frame(pages, frame, bytes);
	return number >= 1 && number <= pages->file_count &&
	       read_at(pages->fd, bytes, pages->page_bytes,
		       (uint64_t)(number - 1) * pages->page_bytes) > 0;
}
