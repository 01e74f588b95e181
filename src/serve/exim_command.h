/* exim_command.h -- one command of greylistd's protocol, as text and as data.
 *
 * "[ACTION] [--white|--grey|--black ...] [WORD ...]", in any case, with blanks between; without
 * an action it is an update.  Pure.  Source: greylistd 0.9.0.2, as it answered when it was run.
 */
#pragma once
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>

/* ACTION(symbol, word, takes): what stands behind the options. */
#define EXIM_ACTIONS(ACTION)                                                                       \
	ACTION(EXIM_UPDATE, "update", true)                                                        \
	ACTION(EXIM_CHECK, "check", true)                                                          \
	ACTION(EXIM_STATUS, "status", true)                                                        \
	ACTION(EXIM_ADD, "add", true)                                                              \
	ACTION(EXIM_DELETE, "delete", true)                                                        \
	ACTION(EXIM_LIST, "list", false)                                                           \
	ACTION(EXIM_STATS, "stats", false)                                                         \
	ACTION(EXIM_MRTG, "mrtg", false)                                                           \
	ACTION(EXIM_SAVE, "save", false)                                                           \
	ACTION(EXIM_RELOAD, "reload", false)                                                       \
	ACTION(EXIM_CLEAR, "clear", false)

enum exim_action {
#define ACTION(symbol, word, takes) symbol,
	EXIM_ACTIONS(ACTION)
#undef ACTION
		EXIM_ACTION_COUNT
};

enum exim_colour { EXIM_WHITE, EXIM_GREY, EXIM_BLACK, EXIM_COLOUR_COUNT };

enum {
	EXIM_COMMAND_BYTES_MAX = 16384, /* what greylistd reads */
	EXIM_ERROR_MAX = 128,
	EXIM_SHOWN_MAX = 40, /* of a word of the client's, in an error */
};

struct exim_command {
	enum exim_action action;
	/* of the options, in their order, each once; of update, check and add the first counts */
	enum exim_colour colour[EXIM_COLOUR_COUNT];
	uint8_t colour_count;
	struct span data; /* words with one blank between, lower case */
};

struct span exim_colour_name(enum exim_colour colour); /* "white" */

/** Read a command.
 *
 * @param bytes        as they came; at most EXIM_COMMAND_BYTES_MAX
 * @param room         for the words, EXIM_COMMAND_BYTES_MAX bytes; command_out->data lies in it
 * @param error        what greylistd would answer, unless OK; room for EXIM_ERROR_MAX
 * @return ERR_SYNTAX
 */
MUST_USE enum err exim_command_parse(struct span bytes, char *room, struct text *error,
				     struct exim_command *command_out);
