/* case.h -- one decision as one JSON line: journal, test case and input of replay alike.
 *
 * Source: the format is described in doc/cases.md.
 */
#pragma once
#include "base/emit.h"
#include "weigh/walk.h"

enum {
	CASE_BYTES_MAX = 1024 * 1024,
	CASE_FACTS_MAX = 1024,
	CASE_NAMES_MAX = 2048, /* points, findings or unknown names that a case expects */
};

enum case_rest { CASE_REST_UNRECORDED, CASE_REST_NONE };

/* What a case says was decided; each member only where present. */
struct case_expected {
	bool has_score, score_is_null, has_points, has_unknown, has_findings;
	double score;
	struct span verdict; /* .at == NULL: absent */
	struct span reply;
	const struct weight *point;
	uint16_t point_count;
	const struct span *unknown;
	uint16_t unknown_count;
	const struct weight *finding; /* "zen.exploited"; points unused */
	uint16_t finding_count;
};

struct case_line {
	/* normalised; id, time_ms and conversation are set from the line: .at == NULL, 0 where
	 * it has none */
	struct attempt attempt;
	struct span id;
	struct span policy;
	const struct fact *fact;
	uint32_t fact_count;
	enum case_rest rest;
	struct case_expected expected;
	/* index for case_recall */
	uint32_t *slot;
	uint32_t slot_count;
};

/** Read one line.
 *
 * @param arena    all of the case lies in it
 * @param why_out  written unless OK: what is wrong, escaped, in the arena or static
 * @return ERR_SYNTAX, or ERR_LIMIT when the line, its facts or the arena go beyond their bounds
 */
MUST_USE enum err case_parse(struct span line, struct arena *arena, struct case_line *case_out,
			     struct span *why_out);

/** As case_parse(), of a line that asks to be weighed and needs no facts: "attempt", "policy". */
MUST_USE enum err case_parse_request(struct span line, struct arena *arena,
				     struct case_line *case_out, struct span *why_out);

/** A struct recall's function; self is a struct case_line.  Answers every fact: what is not
 * recorded is NONE or FAILED (unrecorded), as the case's rest says. */
bool case_recall(void *self, struct fact *fact);
void case_release(void *self, struct fact *fact);

struct case_extra {
	struct span policy;
	uint32_t config_generation;
	uint64_t took_us;
	bool explained; /* add "explain": where points come from, how each fact was learnt */
};

/** Write a settled walk as one JSON line without line break.
 *
 * @return a malloced C string, the caller's; NULL without memory
 */
char *case_format(const struct walk *walk, const struct case_extra *extra);

/** The members that replay prints: id findings points score unknown verdict reply. */
char *case_format_result(const struct walk *walk, struct span id);

/** The members "attempt" and, where there is one, "conversation". */
void case_emit_attempt(struct emit *emit, const struct attempt *attempt);

/** The member "facts": each question that has an answer. */
void case_emit_facts(struct emit *emit, const struct ledger *ledger);

enum {
	/* What one walk can give: its findings, and the weights of a check with a judgement. */
	CASE_POINTS_MAX = WEIGHS_MAX * FINDINGS_MAX + JUDGEMENT_WEIGHTS_MAX,
	CASE_UNKNOWN_MAX = WEIGHS_MAX + UINT8_MAX + 1, /* and the parts of a judgement; "store" */
};

/** Was finding of the weigh statement of ordinal n found, and does the score hold it? */
bool case_found(const struct walk *walk, unsigned ordinal, unsigned finding);

/** Names of the weigh statements that lack an answer, and of what a judgement names as such, and
 * "store" where that has failed; in
 * the order of the policy, each once.
 *
 * @param name_out  with room for CASE_UNKNOWN_MAX
 */
size_t case_unknown(const struct walk *walk, struct span *name_out);
