/* control.h -- a question to the running daemon: a line of JSON out, a line of JSON back.
 *
 * Source: serve/control.h.
 */
#pragma once
#include "ctl/ctl.h"

#include <jansson.h>

enum { CONTROL_ANSWER_BYTES_MAX = 16 * 1024 * 1024, CONTROL_PATIENCE_MS = 30 * 1000 };

struct control_answer {
	char *line;   /* without line end */
	json_t *root; /* the same, an object */
};

/** Ask; what goes wrong is said on standard error, also an answer that is an "error" without a
 * "report".
 *
 * @param request     without line end
 * @param answer_out  written on EX_OK; to be released
 * @return EX_OK, EX_UNAVAILABLE (nobody is there, or does not answer), EX_NOPERM, EX_OSERR,
 *         EX_PROTOCOL (no JSON), EX_DATAERR (the daemon refused)
 */
MUST_USE int control_ask(const char *path, struct span request, struct control_answer *answer_out);

void control_answer_release(struct control_answer *answer);

/** Run a verb that asks the daemon one thing and takes nothing but --control PATH and -j.
 *
 * @param question  without line end
 * @param show      prints the answer; @return the exit status
 */
int control_verb_run(const struct verb *verb, int argc, char **argv, struct span question,
		     int (*show)(const struct control_answer *answer, bool wants_json));
