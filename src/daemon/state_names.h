/* state_names.h -- what the running policies greylist, limit and remember, as JSON. */
#pragma once
#include "base/emit.h"
#include "policy/config.h"
#include "weigh/counting.h"

/** How long what has passed is remembered: the longest of all greylist statements. */
int64_t state_greylist_keep_ms(const struct config *config);

/** [{"policy":"...","delay_ms":N,"window_ms":N,"keep_ms":N},...] */
void state_emit_greylists(struct emit *emit, const struct config *config);

/** [{"name":"...","policy":"...","rates":"100/1h","counting":"recipients","from":"TABLE"},...];
 * from only where a table may say otherwise */
void state_emit_limits(struct emit *emit, const struct config *config);

/** ["honeypot",...] */
void state_emit_sets(struct emit *emit, const struct config *config);
