/* gld.h -- gld's gld.conf becomes a weighd.conf, and its database entries of the store.
 *
 * The file is "KEY=value" a line; the database a dump of MySQL or PostgreSQL.  What differs, and
 * why, stands in doc/gld.md.
 */
#pragma once
#include "ctl/import/record.h"

/** Translate; as import_policyd_weight().  The table whitelist of options->lists goes into it. */
MUST_USE enum err import_gld(struct span foreign, const struct import_options *options,
			     struct text *config_out, struct text *explain_out,
			     struct text *report_out);

/** The table greylist: triplets, and with MXGREY who is trusted.  @return an exit status */
int import_gld_records(struct import_records *records);
