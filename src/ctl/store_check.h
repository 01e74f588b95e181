/* store_check.h -- weighctl store check: is the store whole, and can it be used? */
#pragma once
#include "base/emit.h"
#include "base/text.h"
#include "daemon/storing.h"

enum checkup_level { CHECKUP_OK, CHECKUP_NOTE, CHECKUP_FAIL };

enum { CHECKUP_TEXT_MAX = 1024 };

/* What was found, said as it is found. */
struct checkup {
	bool wants_json;
	bool has_failed;
	struct emit findings; /* of JSON: begun */
};

/** One finding; foreign text in it is escaped when it is shown. */
void checkup_say(struct checkup *checkup, enum checkup_level level, const char *format, ...)
	PRINTF_LIKE(3, 4);

/** The file, read only; also while a daemon runs. */
void store_check_sqlite(struct checkup *checkup, const struct store_options *options);

/** Each server that is named, one after the other, by a connection of its own. */
void store_check_redis(struct checkup *checkup, const struct store_options *options);
