/* perl.h -- the settings in a Perl file that holds nothing but settings, without running it.
 *
 * Understood: $NAME = value; @NAME = ( value, ... ); with numbers, '...' and "..." (no variables
 * in them), q() qq() qr() qw(), texts joined with a dot, earlier $NAMEs as parts of them,
 * comments, POD.  Whatever else is reported with its place and passed over.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

#include <stdint.h>

enum {
	PERL_SETTINGS_MAX = 512,
	PERL_VALUES_MAX = 1024, /* of one list */
	PERL_FILE_BYTES_MAX = 1024 * 1024,
};

struct perl_value {
	struct span text;
	size_t at; /* in the source */
};

struct perl_setting {
	char sigil; /* '$' or '@' */
	struct span name;
	size_t at;
	const struct perl_value *value;
	size_t value_count; /* 1 for '$' */
};

struct perl_file {
	struct span source, path;
	struct text *report;
	struct perl_setting setting[PERL_SETTINGS_MAX];
	size_t setting_count;
	unsigned mistakes;
};

/** Read all that can be read; what cannot stands in report and is counted.
 *
 * @param file    source, path and report are set; the values lie in source and arena
 * @return ERR_LIMIT: the file, a list or the number of settings is too large
 */
MUST_USE enum err perl_read(struct perl_file *file, struct arena *arena);

/** Report "path:line:column: word: what", the line and a caret; an error counts as mistake. */
void perl_error(struct perl_file *file, size_t at, const char *what);
void perl_warning(struct perl_file *file, size_t at, const char *what);
