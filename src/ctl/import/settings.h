/* settings.h -- another daemon's settings: which there are, what the file says of them, and what
 * becomes of them.
 *
 * An importer has a table of all settings that its daemon knows; whatever reads the file gives
 * each value with its line; the explanation has a line a setting.
 */
#pragma once
#include "ctl/import/policyd_weight.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	SETTINGS_MAX = 96,
	SETTING_SHOWN_MAX = 60,
	CONFIG_TEXT_MAX = 300, /* bytes of a foreign text in an answer; the rest is cut */
};

/* SETTING_SECRET is dropped, too, and its value never shown. */
enum setting_fate { SETTING_KEPT, SETTING_CHANGED, SETTING_DROPPED, SETTING_SECRET };

struct setting {
	struct span name, standard;
	enum setting_fate fate;
	const char *note; /* changed how, dropped why; NULL */
};

struct settings {
	const struct setting *known; /* in the order of the manual */
	unsigned count;
	struct span path;
	struct text *report;
	unsigned mistakes;
	struct span value[SETTINGS_MAX]; /* the file's, or the standard */
	uint32_t line[SETTINGS_MAX];     /* 0: the file does not say it */
};

/** known, count, path and report are set: take all standards. */
void settings_init(struct settings *settings);

/** The file says so; said twice, the last one counts.  An unknown name is a warning. */
void settings_take(struct settings *settings, struct span name, struct span value, uint32_t line);

/** All lines "NAME=value" of a file; values may stand in double quotes.  Empty lines, lines
 * without '=' and lines that begin with '#' say nothing.  A file of other lines alone is a mistake:
 * it is somebody else's. */
void settings_read(struct settings *settings, struct span file);

/** Report what is wrong: "PATH:LINE: error: problem: "word"". */
void settings_complain(struct settings *settings, uint32_t line, const char *problem,
		       struct span word);
void settings_warn(struct settings *settings, uint32_t line, const char *problem, struct span word);

/** A number; what is none, or out of range, is reported, and the standard taken. */
int64_t settings_number(struct settings *settings, unsigned index, int64_t least, int64_t most);
/** "1" or "0". */
bool settings_switch(struct settings *settings, unsigned index);

/** A line a setting: kept, changed, dropped or default. */
void settings_explain(const struct settings *settings, struct text *explain);

/** Inside of a text of the language: quotes, backslashes and dollars are doubled or escaped,
 * control characters are blanks. */
void config_add_literal(struct text *config, struct span s);
/** The same, between double quotes. */
void config_add_quoted(struct text *config, struct span s);
/** "# weighd.conf, made of PATH by weighctl import DAEMON" */
void config_add_heading(struct text *config, const struct import_options *options,
			const char *daemon);
/** Where what is remembered is kept, and "control PATH", where one is wanted. */
void config_add_places(struct text *config, const struct import_options *options);
