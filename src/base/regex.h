/* regex.h -- Perl's patterns with limits, so that no pattern and no subject can stall us. */
#pragma once
#include "base/err.h"
#include "base/span.h"

enum { REGEX_BYTES_MAX = 4096, REGEX_MATCH_LIMIT = 10000 };

struct regex;

/* What is wrong with a pattern, and where in it. */
struct regex_fault {
	char why[128];
	size_t offset;
};

/** Compile.
 *
 * @param fault_out  written on ERR_SYNTAX
 */
MUST_USE enum err regex_compile(struct span pattern, bool ignore_case, struct regex **regex_out,
				struct regex_fault *fault_out);

/** Does it match anywhere in subject?
 *
 * @return ERR_LIMIT: nobody knows, for it ran into REGEX_MATCH_LIMIT or another limit of PCRE2;
 *         ERR_SYSTEM
 */
MUST_USE enum err regex_match(const struct regex *regex, struct span subject, bool *matches_out);

/** The same; what is not known is no match. */
bool regex_matches(const struct regex *regex, struct span subject);

void regex_free(struct regex *regex);
