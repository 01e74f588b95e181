/* verdict.h -- what was decided about an attempt, and what follows from it. */
#pragma once
#include "base/span.h"

#include <stdint.h>

enum verdict_kind {
	VERDICT_PASS,   /* DUNNO: the MTA asks its next restriction */
	VERDICT_PERMIT, /* OK: later restrictions are skipped */
	VERDICT_REJECT,
	VERDICT_DEFER,
	VERDICT_GREYLIST,
	VERDICT_HOLD,
	VERDICT_DISCARD,
	VERDICT_FILTER,
	VERDICT_REDIRECT,
	VERDICT_REPLY, /* any action of access(5), as the administrator wrote it */
	VERDICT_COUNT
};

struct span verdict_name(enum verdict_kind kind);

enum {
	JUDGEMENT_WEIGHTS_MAX = 128,
	MEMORIES_MAX = 16, /* of one check */
	PREPENDS_MAX = 8,
	REPLY_TEXT_MAX = 400,
	HEADER_TEXT_MAX = 998,
};

struct weight {
	struct span name; /* "zen.exploited", or a name of classic's */
	double points;
};

/* Something to remember after the verdict; read back as the fact "known SET KEY". */
struct memory {
	struct span set;
	struct span key;
	struct span value;    /* .at == NULL: forget */
	int64_t keep_ms;      /* how long at most; 0: as long as there is room */
	uint32_t entries_max; /* when the set holds more, ... */
	uint32_t
		entries_keep; /* ... its oldest go until so many are left; 0: no bound of its own */
};

/* What a check that computes its weights and its verdict itself hands over. */
struct judgement {
	const struct weight *weight; /* in the order in which they were given */
	uint16_t weight_count;
	bool is_scored;
	double score;
	bool is_final; /* the walk ends here with the verdict */
	enum verdict_kind verdict;
	struct span reply;          /* the whole action: "550 text", "DUNNO text", "PREPEND ..." */
	struct span text;           /* the check line, for the log */
	const struct span *unknown; /* names of what gave no answer: lists, lookups */
	uint8_t unknown_count;
	const struct memory *memory;
	uint8_t memory_count;
};
