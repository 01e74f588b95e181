/* decision.h -- one log line for one decision.
 *
 * id=K7Q2-9F3D action=reject reason="weighd.conf:31" score=5.85 client_name="unknown" ...
 *
 * Fields stand always and in this order, strangers' text between quotes and escaped; a field is
 * cut at LOG_FIELD_BYTES_MAX, and what no longer fits into LOG_LINE_BYTES_MAX is left out.
 * Source: design requirement L2.
 */
#pragma once
#include "effects/log.h"
#include "weigh/walk.h"

struct decision {
	const struct walk *walk;
	struct span answer; /* what the MTA was told */
	uint64_t took_us;
	bool is_overdue; /* the deadline decided */
};

void text_add_decision(struct text *line, const struct decision *decision);
