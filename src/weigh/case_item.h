/* case_item.h -- questions and records as a case writes them: one form per kind of fact.
 *
 * Source: doc/cases.md, RFC 1035 section 5.1 (\DDD).
 */
#pragma once
#include "base/arena.h"
#include "base/text.h"
#include "weigh/fact.h"

/** A question in the form in which it is asked: DNS names in lower case without the final dot,
 * what is remembered as raw bytes.
 *
 * @param question_out  in the arena; .at is NULL when the arena is full
 * @return false: an escape is broken
 */
MUST_USE bool case_question_parse(enum fact_kind kind, struct span written, struct arena *arena,
				  struct span *question_out);

/** A record in the form in which facts have it: canonical addresses, names in lower case.
 *
 * @param item_out  in the arena; .at is NULL when the arena is full
 * @return false: it is not of the kind's form
 */
MUST_USE bool case_item_parse(enum fact_kind kind, struct span written, struct arena *arena,
			      struct span *item_out);

/** What the form of a kind's records is, for a message. */
const char *case_item_form(enum fact_kind kind);

/** How many bytes case_add_raw adds at most for s. */
static inline size_t case_raw_bytes_max(struct span s)
{
	return 4 * s.len;
}

/** Raw bytes written with \DDD and \\. */
void case_add_raw(struct text *text, struct span raw);
