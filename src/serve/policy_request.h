/* policy_request.h -- requests of the Postfix policy delegation protocol, out of a stream of
 * bytes.
 *
 * A request is lines "name=value", ended by an empty line.  LF ends a line; one CR before it is
 * dropped; any other byte stays in the value.  Framing (where does the request end, is it within
 * the limits) is told apart from reading (what does it say), so that nothing is copied before
 * its length is known.  Both are pure; however the bytes are split, the outcome is the same.
 * Source: Postfix SMTPD_POLICY_README; design requirements P1 to P3, P6.
 */
#pragma once
#include "base/arena.h"
#include "mail/attempt.h"

enum {
	REQUEST_BYTES_MAX = 64 * 1024, /* with all line ends */
	REQUEST_NAME_BYTES_MAX = 64,
};

struct request_limits {
	size_t line_bytes_max; /* without its line end */
	size_t attributes_max;
};

enum framing_state { FRAMING_UNFINISHED, FRAMING_COMPLETE, FRAMING_BROKEN };

/* Which limit a broken request is over. */
enum request_fault {
	FAULT_NONE,
	FAULT_LINE,
	FAULT_NAME,
	FAULT_ATTRIBUTES,
	FAULT_REQUEST,
	FAULT_COUNT
};

/* How far the unfinished request at the front of a stream was looked at; zeroed for a new one. */
struct framing {
	size_t line_begin; /* of the line that is not ended yet; at the end: of what follows */
	size_t looked;     /* bytes that were searched for a line end */
	uint32_t attribute_count;
	uint32_t stray_count; /* lines without '=', ignored */
	enum request_fault fault;
};

/** Look for the end of the request at the front of bytes.
 *
 * @param bytes  the request from its first byte on, as much as there is; may hold what follows
 * @return FRAMING_COMPLETE: the request is the first framing->line_begin bytes;
 *         FRAMING_BROKEN: framing->fault says why
 */
enum framing_state framing_scan(struct framing *framing, const struct request_limits *limits,
				struct span bytes);

/** Read a complete request.  Of an attribute that is sent twice the first counts; unknown ones
 * are ignored.
 *
 * @param arena    values are copied into it
 * @param attempt  zeroed; its attributes, client and client_text are set
 * @return ERR_LIMIT when the arena is full
 */
MUST_USE enum err request_read(struct span request, struct arena *arena, struct attempt *attempt);

/** Is it a question that we answer?  Anything else gets DUNNO (design, fail rule F6). */
bool request_is_policy(const struct attempt *attempt);
