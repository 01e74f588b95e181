/* ctl.h -- what the verbs of weighctl share.
 *
 * A verb is one file with one struct verb, and one line in the table of main.c.  It says what
 * went wrong on standard error and ends with a status of sysexits.h.
 */
#pragma once
#include "base/attr.h"
#include "base/span.h"
#include "policy/config.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <sysexits.h>

#define CTL_CONFIG_PATH  "/etc/weighd/weighd.conf"
#define CTL_CONTROL_PATH "/run/weighd/control.sock"

enum { CTL_DIFFERS = 1 };

struct verb {
	const char *name;
	const char *summary; /* one line, for weighctl --help */
	const char *usage;   /* how it is called and its options: fits a screen */
	/** argv[0] is the verb.  @return the exit status */
	int (*run)(const struct verb *verb, int argc, char **argv);
};

extern const struct verb verb_check, verb_doctor, verb_greylist, verb_import, verb_known,
	verb_limits, verb_reload, verb_replay, verb_spf, verb_status, verb_store, verb_weigh,
	verb_zones;

/* Options that every verb has. */
#define CTL_SHORT_OPTIONS "hj"
#define CTL_LONG_OPTIONS                                                                           \
	{ "help", no_argument, NULL, 'h' },                                                        \
	{                                                                                          \
		"json", no_argument, NULL, 'j'                                                     \
	}

/** Print the usage.  @return EX_OK */
int ctl_help(const struct verb *verb);

/** Say what is wrong with the call and where to read more.  @return EX_USAGE */
int ctl_usage(const struct verb *verb, const char *format, ...) PRINTF_LIKE(2, 3);

/** getopt has said what is wrong; say where to read more.  @return EX_USAGE */
int ctl_wrong_option(const struct verb *verb);

/** "weighctl: ..." on standard error; foreign text must be escaped. */
void ctl_say(const char *format, ...) PRINTF_LIKE(1, 2);

/** Print foreign text, escaped. */
void ctl_print(FILE *file, struct span text);

/** The same, but quotes, backslashes and tabs stay: for lines that are not put between quotes. */
void ctl_print_line(FILE *file, struct span line);

/** Flush standard output.  @return status, or EX_IOERR where what was printed got lost */
int ctl_finish(int status);

enum { REPORT_BYTES_MAX = 1024 * 1024 };

/** Read a configuration without a word.
 *
 * @param report_out  always written: mistakes and warnings, report_out->at malloced or NULL
 * @param config_out  written on EX_OK; one reference, the caller's
 * @return EX_OK, EX_NOINPUT, EX_CONFIG, EX_OSERR
 */
MUST_USE int ctl_read_config(const char *path, struct text *report_out, struct config **config_out);

/** The same; its mistakes and warnings go to standard error.
 *
 * @return as ctl_read_config()
 */
MUST_USE int ctl_config(const char *path, struct config **config_out);

/** The policy called name, or the first one for NULL; says what is wrong.
 *
 * @return NULL where there is none
 */
const struct policy *ctl_policy(const struct config *config, const char *name);
