/* notice_priv.h -- what both ends of the notices' pipes know. */
#pragma once
#include "daemon/notice.h"

#include <limits.h>

enum notice_text {
	NOTICE_ADDRESS,
	NOTICE_LIMIT,
	NOTICE_KEY,
	NOTICE_COUNTING,
	NOTICE_NUMBER,
	NOTICE_TEXT_COUNT
};

/* A notice in the pipe.  All are of one size, and written in one piece: pipe(7), PIPE_BUF. */
struct notice_record {
	int64_t used, most, period_ms, at_ms, until_ms;
	uint16_t len[NOTICE_TEXT_COUNT];
	char bytes[NOTICE_TEXTS_MAX]; /* one text after the other */
};
_Static_assert(sizeof(struct notice_record) <= PIPE_BUF, "written in one piece");

/* What went wrong, on the way back: ended by a NUL. */
struct notice_trouble {
	char text[NOTICE_TROUBLE_MAX];
};
_Static_assert(sizeof(struct notice_trouble) <= PIPE_BUF, "written in one piece");

/** @return false: there is no room for its texts */
MUST_USE bool notice_pack(const struct notice *notice, struct notice_record *record_out);
/** Texts are borrowed from record.  @return ERR_SYNTAX: none of ours, or not to be mailed */
MUST_USE enum err notice_unpack(const struct notice_record *record, struct notice *notice_out);

/** The whole mail: headers and text.
 *
 * @param held_back  notices before it that were not mailed
 */
void notice_write(const struct notice *notice, struct span hostname, uint64_t held_back,
		  struct text *mail);

struct notice_process {
	int in_fd, trouble_fd;
	const char *program;
	struct span hostname;
	uint32_t a_minute_max;
	int64_t patience_ms;
};

/** Mail what comes until in_fd ends. */
void notice_serve(const struct notice_process *process);
