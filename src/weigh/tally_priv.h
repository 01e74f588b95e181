/* tally_priv.h -- what the two files of tallies share. */
#pragma once
#include "weigh/tally.h"

/** A new window, empty, in its place by period; there is room and none of that period. */
struct tally_window *tally_window_insert(struct tally *tally, int64_t period_ms);
