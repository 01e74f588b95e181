/* policyd.h -- the policyd.conf of Policyd v1 becomes a weighd.conf, its tables lists and entries
 * of the store.
 *
 * The file is KEY=value or KEY="value" a line; the database a dump of MySQL.  What differs, and
 * why, stands in doc/policyd.md.
 */
#pragma once
#include "ctl/import/record.h"

/** Translate; as import_policyd_weight().  From options->lists come the lists without expiry, the
 * spam traps, who is opted in or out, and the limits that differ from the file's. */
MUST_USE enum err import_policyd(struct span foreign, const struct import_options *options,
				 struct text *config_out, struct text *explain_out,
				 struct text *report_out);

/** Triplets, list rows that expire, who is trained, and counters.  @return an exit status */
int import_policyd_records(struct import_records *records);
