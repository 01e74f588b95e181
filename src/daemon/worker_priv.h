/* worker_priv.h -- a worker, for the parts of it: worker.c its life, worker_weigh.c what its fronts
 * ask for.
 */
#pragma once
#include "daemon/worker.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>

/* What the main thread wants of a worker, and what it has said. */
struct inbox {
	pthread_mutex_t lock;
	pthread_cond_t answered;
	struct worker_setup *first, *last;
	bool is_stop;
	unsigned figures_asked, figures_given;
	unsigned pings;
	struct worker_figures figures;
};

struct open_listener {
	uint32_t id;
	struct door_listener *listener;
};

struct worker {
	struct shared *shared;
	uint16_t number;
	pthread_t thread;
	bool is_running;
	/* the thread's own */
	struct event_base *base;
	struct store_port *store;
	struct scale *scale;
	struct front *front;
	struct greylistd *greylistd;
	struct config *config;
	struct open_listener open[LISTENERS_MAX];
	uint8_t open_count;
	struct log_batch batch;
	uint64_t verdict[VERDICT_COUNT];
	bool is_stopping;
	bool is_over;
	struct event inbox_event, stop_event;
	/* shared with the main thread */
	int inbox_fd;
	struct inbox inbox;
};

/** A place on the scale, with a number; NULL: overload. */
MUST_USE struct weighing *worker_open_place(struct worker *worker, const struct policy *policy);

/** The answer to a settled attempt, and what follows: log, notices, counters; it stays open.
 *
 * @return the answer is the next header
 */
bool worker_decide(struct worker *worker, const struct weighing *weighing, unsigned headers_given,
		   struct text *answer);

void worker_say_overload(struct worker *worker);
void worker_say_note(struct worker *worker, enum front_note note, struct span peer);

/** What the worker's fronts ask for. */
struct weigher worker_weigher(struct worker *worker);
