/* blame.h -- did the store end the process?
 *
 * A damaged file, a broken disk or a fault in SQLite can end whoever works on the store, at every
 * start anew.  So a fault (SIGSEGV, SIGBUS, SIGILL, SIGFPE, or an abort of our own) of a thread
 * that is at the store's work is noted in PATH.died, as a line with the time; two within
 * BLAME_WITHIN_S mean that the next start is to do without.
 *
 * A kill from outside is nobody's fault: kill -9, memory that ran out, a supervisor's patience, a
 * loss of power leave no note, whatever the store does at that moment.
 * (doc/decisions/0012-deaths-that-point-at-the-store.md)
 */
#pragma once
#include "base/text.h"

#include <stdint.h>

enum { BLAME_WITHIN_S = 60 };

/** What is noted of the file at path, and what follows.
 *
 * @return 0: nothing; 1: one death within BLAME_WITHIN_S before now; 2: the store is to be left
 * alone this time, and the notes are forgotten
 */
MUST_USE unsigned blame_count(struct span path, int64_t now_s);

/** From now on note such deaths of this process.  Once, for one store. */
void blame_begin(struct span path);

/** This thread is at the store's work, or not.  @return was it before? */
bool blame_set(bool is_at_work);
