/* store_link.h -- the way to the store: through the running daemon, or to the store itself.
 *
 * Either way it is asked in the lines of daemon/state_desk.h.  With a configuration whose control
 * socket nobody listens on, the store that it names is opened here, as the user it names; the
 * lock of a sqlite store says if somebody has it.
 */
#pragma once
#include "ctl/control.h"
#include "store/store.h"

struct store_link;

struct store_link_options {
	const char *control; /* NULL: that of config, or else the standard one */
	const char *config;  /* NULL: only a daemon is asked */
};

/** What goes wrong is said.  @return EX_OK, EX_UNAVAILABLE, EX_CONFIG, ... */
MUST_USE int store_link_open(const struct store_link_options *options,
			     struct store_link **link_out);
void store_link_close(struct store_link *link);

/** Is a daemon asked, which takes lines of CONTROL_LINE_BYTES_MAX only?  link NULL: no. */
bool store_link_has_daemon(const struct store_link *link);

/** Ask; what goes wrong is said.
 *
 * @param request  a line, without its end
 * @return as control_ask(); EX_TEMPFAIL: the store cannot do it now
 */
MUST_USE int store_link_ask(struct store_link *link, struct span request,
			    struct control_answer *answer_out);

/* Which entries are wanted. */
struct store_walk {
	enum store_class class;
	struct span set;  /* empty: of all sets */
	struct span part; /* only keys that have it in them, in any case; empty: all */
	/** One after the other; its spans are borrowed until it returns.  @return false: enough */
	bool (*take)(void *self, const struct store_entry *entry);
	void *self;
};

/** Page by page.  @return as store_link_ask() */
MUST_USE int store_link_walk(struct store_link *link, const struct store_walk *walk);
