/* replay.h -- weighing recorded cases: what the parts of weighctl replay share. */
#pragma once
#include "base/emit.h"
#include "ctl/ctl.h"
#include "store/store.h"
#include "weigh/case.h"

enum { REPLAY_ARENA_BYTES_MAX = 16 * 1024 * 1024, DIFF_GROUPS_MAX = 256 };

/* Where a case stands, for messages. */
struct case_place {
	const char *path;
	uint64_t line;
};

/* One recorded case, weighed again. */
struct replayed {
	struct case_place place;
	const struct case_line *line;
	const struct walk *walk;
	struct span id;
};

/** Compare with what the case expects; each difference is said on standard error.
 *
 * @return how many members differ
 */
unsigned expect_compare(const struct replayed *replayed);

/* Cases whose verdict changed in the same way by the same cause. */
struct diff_group {
	enum verdict_kind now;
	struct span was, cause; /* malloced */
	uint64_t count;
};

struct diff {
	struct diff_group group[DIFF_GROUPS_MAX];
	size_t group_count;
	uint64_t compared, different, ungrouped;
};

/** Compare the verdict with the recorded one.
 *
 * @param emit  where they differ: emptied, and gets the members "recorded" and "cause"
 * @return true: they differ
 */
bool diff_compare(struct diff *diff, const struct replayed *replayed, struct emit *emit);

/** The groups, the largest first. */
void diff_print(struct diff *diff, FILE *file);

/** The same as members "equal", "different" and "groups". */
void diff_emit(struct diff *diff, struct emit *emit);

void diff_release(struct diff *diff);
