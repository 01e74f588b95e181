/* doctor_postconf.h -- Postfix's configuration as "postconf -nf" and "postconf -Mf" print it.
 *
 * Pure.  Values are spans into the texts; a folded value keeps its line ends, which separate
 * words like blanks do.  Source: postconf(1), postconf(5), master(5).
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

enum {
	POSTCONF_BYTES_MAX = 1024 * 1024, /* of one of the texts */
	POSTCONF_PARAMETERS_MAX = 2048,
	POSTCONF_SERVICES_MAX = 256,
	POSTCONF_OVERRIDES_MAX = 64, /* -o of one service */
	POSTCONF_DEPTH_MAX = 8,      /* of $names inside values */
	POSTCONF_VALUE_MAX = 64 * 1024,
};

struct postconf_parameter {
	struct span name, value;
};

struct postconf_service {
	struct span name, type, private, chroot, process_limit;
	struct span command, arguments;
	struct postconf_parameter *override;
	size_t override_count;
};

struct postconf {
	struct arena *arena; /* borrowed: of what is expanded */
	struct postconf_parameter *parameter;
	size_t parameter_count;
	struct postconf_service *service;
	size_t service_count;
};

/** Read both texts; all but what is expanded is borrowed from them.
 *
 * @return ERR_LIMIT: too much of something, or no memory
 */
MUST_USE enum err postconf_parse(struct span main_cf, struct span master_cf, struct arena *arena,
				 struct postconf *postconf_out);

/** A parameter as a service sees it: -o, main.cf, or Postfix's own default; $names expanded.
 *
 * @param service  NULL: of main.cf
 */
struct span postconf_get(const struct postconf *postconf, const struct postconf_service *service,
			 struct span name);

/** Does main.cf, or a service, say anything about it? */
bool postconf_has(const struct postconf *postconf, const struct postconf_service *service,
		  struct span name);

/** The next word of a list that blanks, commas and line ends separate; { ... } is one word. */
MUST_USE bool postconf_word(struct span *rest, struct span *word_out);

/** What stands between braces, trimmed; any other word as it is. */
struct span postconf_inside(struct span word);

/** NAME=VALUE or NAME = VALUE. */
MUST_USE bool postconf_split(struct span text, struct postconf_parameter *parameter_out);

/** 100s, 5m, 1h, 2d, 1w; a bare number is seconds.  -1: no time. */
int64_t postconf_time_ms(struct span text);
