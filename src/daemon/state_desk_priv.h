/* state_desk_priv.h -- what state_desk.c and state_change.c share. */
#pragma once
#include "daemon/state_desk.h"
#include "weigh/tally.h"
#include "weigh/triplet.h"

#include <jansson.h>

enum { STATE_WHY_MAX = 256 };

/* A request from its line to its answer. */
struct state_request {
	struct state_desk *desk;
	struct state_question question; /* answered NULL: nobody waits */
	json_t *root;
	enum store_class class;
	struct store_entry entry; /* what it is about: set, key, value; borrowed from root */
	int64_t now_ms, for_ms;   /* for_ms -1: not said */
	int64_t keep_ms;          /* a triplet: as long as the policies do */
	/* a page */
	uint32_t most;
	/* entries to put */
	unsigned waits, put, failed;
	char why[STATE_WHY_MAX];
	/* a question to the store */
	struct fact fact;
	struct store_wait wait;
	struct tally_count count;
	struct triplet_terms terms;
	enum triplet_colour colour;
	char fact_key[FACT_KEY_MAX];
	char value[TRIPLET_TEXT_MAX + 1];
};

struct store_port *state_port(const struct state_request *request);

/** Begin an answer: {"ok":... */
struct emit state_answer_begin(bool is_ok);
void state_emit_word(struct emit *emit, struct span name, struct span word);
void state_emit_number(struct emit *emit, struct span name, int64_t number);
/** The end of a request.  emit holds the answer, and is released. */
void state_answer(struct state_request *request, struct emit *emit);
/** The same: it cannot be asked so. */
void state_refuse(struct state_request *request, struct span why);
/** The same: the store has not done it, or ERR_SYNTAX: it cannot be asked so. */
void state_fail(struct state_request *request, enum err err, struct span why);

/** A line for the log: what has happened to the request's entry.
 *
 * @param until_ms  0: for ever, or it does not matter */
void state_say(const struct state_request *request, const char *what, int64_t until_ms);

/* --- state_change.c: what changes an entry --- */

void state_run_erase(struct state_request *request);
void state_run_add(struct state_request *request);
void state_run_allow(struct state_request *request);
void state_run_deny(struct state_request *request);
void state_run_raise(struct state_request *request);
