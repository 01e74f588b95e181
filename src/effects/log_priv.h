/* log_priv.h -- the writing end of the log: formats and descriptors. */
#pragma once
#include "effects/log.h"

enum { SINK_IN_BYTES = LOG_BATCH_BYTES, SINK_PATIENCE_MS = 200, SINK_AGAIN_MS = 1000 };

struct sink {
	struct log_options options;
	int fd; /* -1: not connected */
	bool is_file;
	bool is_dead; /* standard error is closed for good */
};

void sink_open(struct sink *sink, const struct log_options *options);
void sink_close(struct sink *sink);

/** Write records.
 *
 * @return bytes that are done with; fewer than records.len where the reader is slow or gone
 */
size_t sink_write(struct sink *sink, struct span records);
