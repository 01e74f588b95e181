/* policyd_weight.h -- a policyd-weight.conf becomes a weighd.conf.
 *
 * The file is read, never run.  Without "modern" the policy is one "weigh classic", which scores
 * as policyd-weight does; with it, the clean checks with equivalent weights.
 */
#pragma once
#include "base/err.h"
#include "base/text.h"

enum {
	IMPORT_CONFIG_MAX = 1024 * 1024, /* as much as the language reads */
	IMPORT_EXPLAIN_MAX = 64 * 1024,
	IMPORT_REPORT_MAX = 256 * 1024,
};

struct import_options {
	struct span path; /* of the file, for messages */
	bool modern;
	struct span control; /* path of the control socket; empty: none is written */
	const char *lists;   /* a dump whose white and black lists go into it; NULL: none */
};

/** Translate.
 *
 * @param perl         the whole file; empty: all defaults
 * @param config_out   weighd.conf
 * @param explain_out  a line for each of the 77 settings: kept, changed, dropped, default
 * @param report_out   what was not understood: place, line, caret; all else is translated
 * @return OK; ERR_SYNTAX: report_out has errors, the rest is there all the same;
 *         ERR_LIMIT: too large
 */
MUST_USE enum err import_policyd_weight(struct span perl, const struct import_options *options,
					struct text *config_out, struct text *explain_out,
					struct text *report_out);
