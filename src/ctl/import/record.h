/* record.h -- what another daemon remembers, on its way into the store.
 *
 * An importer that knows its daemon's database reads it in pieces, whatever its size, and writes
 * a JSON line for each entry, as `weighctl store import` reads them:
 *
 *	{"kind":"greylist","set":"","key":"...","value":"...","expires":MS}
 */
#pragma once
#include "base/emit.h"
#include "ctl/import/policyd_weight.h"
#include "store/store.h"

#include <stdio.h>

enum { IMPORT_DATABASES_MAX = 8 };

struct import_records {
	struct span foreign; /* the configuration: what is needed to understand the database */
	const struct import_options *options;
	const char *path[IMPORT_DATABASES_MAX]; /* --database; "-": standard input */
	size_t path_count;
	FILE *out;           /* NULL: nothing is written, only explained */
	struct text *report; /* lines: what was not understood, what was taken, what was not */
	struct emit emit;    /* released by whoever made this */
	bool has_failed;     /* out of memory, or out did not take a line */
};

/** Write one line.  A failure is kept in has_failed. */
void import_record_write(struct import_records *records, const struct store_entry *entry);
