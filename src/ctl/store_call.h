/* store_call.h -- weighctl greylist, limits, known and store: how they are called.
 *
 *	weighctl VERB WHAT [OPTION ...] [ARGUMENT ...]
 *
 * All options are the same everywhere; each WHAT has a table row that says which it takes.
 */
#pragma once
#include "base/emit.h"
#include "ctl/ctl.h"
#include "ctl/store_link.h"

enum {
	OPTION_STATE = 1,  /* --waiting --passed --white --black --never */
	OPTION_FOR = 2,    /* --for D */
	OPTION_SINCE = 4,  /* --since D */
	OPTION_AFTER = 8,  /* --after D */
	OPTION_COUNT = 16, /* --count N */
	OPTION_EXACT = 32, /* --exact */
	OPTION_DRY = 64,   /* --dry-run */
	OPTION_VALUE = 128 /* --value TEXT */
};

enum { CALL_COUNT_MAX = 10000, CALL_AFTER_HOURS = 4 };

struct store_call {
	const struct verb *verb;
	const char *what;
	struct store_link_options where;
	struct store_link *link; /* NULL: the row says so */
	unsigned given;          /* OPTION_* */
	unsigned states;         /* bits of enum greylist_state */
	bool wants_json;
	int64_t for_ms, since_ms; /* -1: not said */
	int64_t after_ms;
	unsigned count; /* 0: not said */
	const char *value;
	char **argument;
	int argument_count;
};

struct store_what {
	const char *name; /* NULL after the last */
	unsigned options; /* OPTION_* that it takes */
	int least, most;  /* arguments; most -1: any number */
	bool has_no_link; /* it opens the link itself, or needs none */
	int (*run)(struct store_call *call);
};

/** @return the exit status */
int store_call_run(const struct verb *verb, const struct store_what *whats, int argc, char **argv);

/* --- requests --- */

/** Begin a request {"verb":VERB,"do":WHAT. */
struct emit store_request(const char *verb, const char *what);
void store_request_word(struct emit *emit, const char *name, struct span word);
void store_request_for(struct emit *emit, const struct store_call *call);
/** End it and ask; emit is released. */
MUST_USE int store_request_ask(struct store_call *call, struct emit *emit,
			       struct control_answer *answer_out);

/** The arguments from first to before end, as a key is written.  key has room for KEY_ROOM. */
void store_call_key(const struct store_call *call, int first, int end, struct text *key);

/* --- words --- */

/** "6m", "2h 5m", "35d": the two largest units; below 0: "0s". */
void text_add_span_of_time(struct text *text, int64_t ms);

/** The same, in a column of that width, on the right. */
void print_span_of_time(int columns, int64_t ms);

/** Foreign text and what fills a column up. */
void print_column(int columns, struct span text);
