/* report.h -- what is wrong with a configuration, as the administrator sees it.
 *
 *	weighd.conf:31:11: error: no check is called 'dnsl'
 *	   31 |     weigh dnsl zen.spamhaus.org { listed 4.35 }
 *	      |           ^~~~ did you mean 'dnsbl'?
 *
 * Messages are collected while reading and shown at the end, in the order of the text.  A
 * place is complained about once: what follows from a mistake is not another one.
 */
#pragma once
#include "base/arena.h"
#include "base/text.h"

enum { MESSAGES_MAX = 50, MESSAGE_TEXT_MAX = 512, MESSAGE_WORD_MAX = 60 };

/* For "%.*s": a word of the text, which may be as long as a file. */
#define WORD_ARG(s) (int)((s).len < MESSAGE_WORD_MAX ? (s).len : MESSAGE_WORD_MAX), (s).at

/* One file; lives in the arena of the configuration. */
struct source {
	struct span path;
	struct span text;
	unsigned index; /* in the order of reading */
	unsigned depth; /* of includes */
	bool is_table;
	const struct source *from; /* included from there; NULL: the first file */
	size_t from_at;
	const uint32_t *line; /* where lines begin, for place_position; NULL: not indexed */
	uint32_t line_count;
};

struct place {
	const struct source *source;
	size_t at, len; /* bytes of source->text */
};

struct message {
	struct place place;
	bool is_warning;
	struct span text;
	struct span hint; /* shown behind the caret; may be empty */
	unsigned index;
};

struct report {
	struct arena *arena;
	struct message message[MESSAGES_MAX];
	unsigned count;
	unsigned more;          /* beyond MESSAGES_MAX */
	unsigned errors;        /* all of them */
	struct message *latest; /* for report_hint; NULL when it was not kept */
};

void report_error(struct report *report, struct place place, const char *format, ...)
	PRINTF_LIKE(3, 4);
void report_warning(struct report *report, struct place place, const char *format, ...)
	PRINTF_LIKE(3, 4);

/** Say more about the message just given. */
void report_hint(struct report *report, const char *format, ...) PRINTF_LIKE(2, 3);

/** All messages, whole ones only; what has no room is counted at the end. */
void report_render(struct report *report, struct text *out);

/** Index the lines of a source whose places are asked for often. */
void source_index_lines(struct source *source, struct arena *arena);

/** Line and column (in characters) of a place, from 1. */
void place_position(struct place place, uint32_t *line_out, uint32_t *column_out);

/** From the front of first to the end of last. */
static inline struct place place_join(struct place first, struct place last)
{
	if (last.source != first.source || last.at + last.len < first.at)
		return first;
	first.len = last.at + last.len - first.at;
	return first;
}

/* The known word that is most like a mistaken one. */
struct guess {
	struct span word;
	struct span best; /* empty: none is like it */
	unsigned distance;
};

struct guess guess_of(struct span word);
void guess_offer(struct guess *guess, struct span known);
/** Hint "did you mean", if there is a guess. */
void report_guess(struct report *report, const struct guess *guess);
