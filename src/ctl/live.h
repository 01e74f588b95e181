/* live.h -- weighing one attempt here and now, without a daemon. */
#pragma once
#include "ctl/ctl.h"

struct live_options {
	struct config *config; /* borrowed */
	const struct policy *policy;
};

/** Ask the DNS, weigh, and write the decision as a case line with "explain".
 *
 * @param attempt   attributes as they were sent; the rest is filled in
 * @param line_out  written on EX_OK: malloced, the caller's
 * @return EX_OK; else an exit status, and why is said
 */
MUST_USE int live_weigh(const struct live_options *options, const struct attempt *attempt,
			char **line_out);
