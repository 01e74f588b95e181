/* greylistd.h -- greylistd's configuration becomes a weighd.conf, its state entries of the store.
 *
 * The file is /etc/greylistd/config.  What differs, and why, stands in doc/greylistd.md.
 */
#pragma once
#include "ctl/import/record.h"

/** Translate; as import_policyd_weight().  An empty file: greylistd's built-in defaults. */
MUST_USE enum err import_greylistd(struct span foreign, const struct import_options *options,
				   struct text *config_out, struct text *explain_out,
				   struct text *report_out);

/** Its state and its triplets, /var/lib/greylistd/states and /var/lib/greylistd/triplets, in any
 * order: the first has the numbers, the second the words.
 *
 * @return EX_OK; EX_DATAERR: some of it is none of greylistd's; EX_NOINPUT; EX_USAGE: one of the
 *         two is missing; EX_OSERR
 */
int import_greylistd_records(struct import_records *records);
