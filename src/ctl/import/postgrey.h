/* postgrey.h -- postgrey's options become a weighd.conf, and its database entries of the store.
 *
 * The file is /etc/default/postgrey (or RHEL's /etc/sysconfig/postgrey): shell variables whose
 * names begin with POSTGREY_; or postgrey's command line as it stands in a unit or a script.  It
 * is read, never run.  What differs, and why, stands in doc/postgrey.md.
 */
#pragma once
#include "ctl/import/record.h"

/** Translate; as import_policyd_weight().  An empty file: Debian's defaults. */
MUST_USE enum err import_postgrey(struct span foreign, const struct import_options *options,
				  struct text *config_out, struct text *explain_out,
				  struct text *report_out);

/** The dumps that db_dump makes of postgrey.db and postgrey_clients.db, bytes or printable.
 *
 * @return EX_OK; EX_DATAERR: some of it is no dump of postgrey's; EX_NOINPUT; EX_USAGE: a folder
 *         was given, the report says what to run
 */
int import_postgrey_records(struct import_records *records);
