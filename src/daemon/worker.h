/* worker.h -- one thread with an event loop of its own: a front, a scale, a resolver.
 *
 * Workers share the listening sockets (each has a descriptor of its own for them), what is
 * remembered, the cache of answers, the census of connections and the log.  The main thread
 * speaks to a worker through its inbox only.
 */
#pragma once
#include "daemon/greylistd.h"
#include "daemon/notice.h"
#include "daemon/scale.h"
#include "effects/log.h"
#include "serve/postfix.h"

enum { WORKERS_MAX = 256, WORKER_DRAIN_MS = 4000 };

/* What all workers share; made by the main thread, outlives them. */
struct shared {
	struct log *log;
	struct store *store;
	struct notices *notices; /* mails about limits; NULL: none are wanted */
	struct census *census;
	struct dns_cache *dns_cache;
	struct scale_load load;
	_Atomic uint64_t decisions; /* the next decision's number */
	struct greylistd_counts greylistd;
	int done_fd; /* eventfd: a worker has ended */
};

/* One listener that is to be served from now on. */
struct served {
	uint32_t id; /* of the socket, as long as it is open */
	int fd;      /* the worker's own; -1: it has one already */
	const struct policy *policy;
	enum listener_protocol protocol;
};

/* A configuration for a worker, with all listeners that it shall serve. */
struct worker_setup {
	struct worker_setup *next;
	struct config *config; /* held */
	struct served served[LISTENERS_MAX];
	uint8_t served_count;
	const struct policy *adopted; /* of the conversation that worker_adopt() took; or NULL */
};

struct worker_figures {
	struct front_figures front;
	struct exim_figures exim;
	struct scale_figures scale;
	struct dns_figures dns;
	uint64_t verdict[VERDICT_COUNT];
};

struct worker;

/** A worker that does not run yet.
 *
 * @param why_out  what is wrong, where NULL is returned
 */
MUST_USE struct worker *worker_new(struct shared *shared, struct config *config, uint16_t number,
				   const char **why_out);

MUST_USE enum err worker_start(struct worker *worker);

/** Take over a setup, soon; it is the worker's from now on. */
void worker_give(struct worker *worker, struct worker_setup *setup);

/** Serve one conversation over two descriptors, before worker_start; the worker ends with it. */
MUST_USE enum err worker_adopt(struct worker *worker, int in_fd, int out_fd,
			       const struct policy *policy);

/** No connections more; running requests get WORKER_DRAIN_MS, then the thread ends. */
void worker_stop(struct worker *worker);

/** Wait for the end of the thread. */
void worker_join(struct worker *worker);

void worker_free(struct worker *worker);

/** The figures of now; the last ones where the worker does not answer in time. */
void worker_figures(struct worker *worker, struct worker_figures *figures_out);

/** Ask for a sign of life.  @return how many were asked for and not given so far */
unsigned worker_ping(struct worker *worker);

/** The resolver that a configuration wants, on a loop.  @return NULL: *why_out says it */
MUST_USE struct dns *resolver_new(struct event_base *base, struct dns_cache *cache,
				  const struct config *config, const char **why_out);
bool resolver_equal(const struct config *a, const struct config *b);
