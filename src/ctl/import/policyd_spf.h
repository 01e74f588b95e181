/* policyd_spf.h -- a policyd-spf.conf (spf-engine, policyd-spf-python) becomes a weighd.conf.
 *
 * The settings keep their meaning; what differs, and why, stands in doc/policyd-spf.md.
 */
#pragma once
#include "ctl/import/policyd_weight.h"

/** Translate; as import_policyd_weight().  An empty file: all defaults. */
MUST_USE enum err import_policyd_spf(struct span foreign, const struct import_options *options,
				     struct text *config_out, struct text *explain_out,
				     struct text *report_out);
