/* decision_number.h -- the number of a decision, as people read it out: K7Q2-9F3D
 *
 * Eight digits and letters without those that look alike (0 O, 1 I L), so 31^8 numbers.  They
 * count up from the time of the start in milliseconds, so that a restart does not repeat them
 * (below 1,000 decisions a second in the long run, and for 27 years), and are then spread, so
 * that neighbours look different.
 */
#pragma once
#include "base/span.h"

#include <stdint.h>

enum { DECISION_NUMBER_BYTES = 9 };

/** Write the n-th number, without a NUL. */
void decision_number_write(uint64_t n, char at[DECISION_NUMBER_BYTES]);
