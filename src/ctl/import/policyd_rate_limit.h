/* policyd_rate_limit.h -- policyd-rate-limit's YAML becomes a weighd.conf, its database tallies.
 *
 * What differs, and why, stands in doc/policyd-rate-limit.md.
 */
#pragma once
#include "ctl/import/record.h"

/** Translate; as import_policyd_weight().  An empty file: all defaults. */
MUST_USE enum err import_policyd_rate_limit(struct span foreign,
					    const struct import_options *options,
					    struct text *config_out, struct text *explain_out,
					    struct text *report_out);

/** The table mail_count of a SQLite file, or of a dump.  @return an exit status */
int import_policyd_rate_limit_records(struct import_records *records);
