/* scale.c -- the loop around the pure core. */
#include "daemon/scale_priv.h"

#include "base/ensure.h"
#include "daemon/clock.h"

#include <stdlib.h>
#include <sys/random.h>

enum { SCALE_FREE_MAX = 128 }; /* weighings that are kept for the next attempts */

/* What is known already: remembered by us, or in the cache of answers. */
static bool scale_recall(void *self, struct fact *fact)
{
	struct weighing *weighing = self;

	if (!fact_kind_is_dns(fact->kind))
		return store_recall(weighing->scale->store, fact, weighing->attempt.time_ms);
	return weighing->resolver->dns != NULL && dns_recall(weighing->resolver->dns, fact);
}

static void scale_release(void *self, struct fact *fact)
{
	struct weighing *weighing = self;

	if (!fact_kind_is_dns(fact->kind))
		store_release(weighing->scale->store, fact);
	else if (weighing->resolver->dns != NULL)
		dns_release(weighing->resolver->dns, fact);
}

/* The run queue */

void scale_queue(struct weighing *weighing)
{
	struct scale *scale = weighing->scale;

	weighing->stage = STAGE_QUEUED;
	weighing->next_in_queue = NULL;
	if (scale->run_last != NULL) {
		scale->run_last->next_in_queue = weighing;
	} else {
		scale->run_first = weighing;
		/* Behind the callbacks that are due in this turn of the loop. */
		event_active(&scale->run_event, EV_TIMEOUT, 0);
	}
	scale->run_last = weighing;
}

static struct weighing *queue_take(struct scale *scale)
{
	struct weighing *weighing = scale->run_first;

	if (weighing == NULL)
		return NULL;
	scale->run_first = weighing->next_in_queue;
	if (scale->run_first == NULL)
		scale->run_last = NULL;
	weighing->stage = STAGE_WAITING;
	return weighing;
}

/* Deadlines: as good as all are of one length, so that a new one goes to the end. */

static void deadline_arm(struct scale *scale)
{
	const struct weighing *first = scale->deadline_first;
	int64_t left_us;

	if (first == NULL || scale->is_deadline_set)
		return;
	left_us = first->deadline_us - (int64_t)clock_us();
	if (left_us < 0)
		left_us = 0;
	event_add(&scale->deadline_event,
		  &(struct timeval){ left_us / 1000000, left_us % 1000000 });
	scale->is_deadline_set = true;
}

static void deadline_enter(struct weighing *weighing, int64_t deadline_us)
{
	struct scale *scale = weighing->scale;
	struct weighing *before = scale->deadline_last;

	weighing->deadline_us = deadline_us;
	while (before != NULL && before->deadline_us > weighing->deadline_us)
		before = before->previous;
	weighing->previous = before;
	weighing->next = before != NULL ? before->next : scale->deadline_first;
	*(weighing->previous != NULL ? &weighing->previous->next : &scale->deadline_first) =
		weighing;
	*(weighing->next != NULL ? &weighing->next->previous : &scale->deadline_last) = weighing;
	/* A shorter deadline after a reload may come before what the timer waits for. */
	if (before == NULL)
		scale->is_deadline_set = false;
	deadline_arm(scale);
}

static void deadline_leave(struct weighing *weighing)
{
	struct scale *scale = weighing->scale;

	*(weighing->previous != NULL ? &weighing->previous->next : &scale->deadline_first) =
		weighing->next;
	*(weighing->next != NULL ? &weighing->next->previous : &scale->deadline_last) =
		weighing->previous;
	weighing->next = weighing->previous = NULL;
}

/* Walking */

static void answered(struct scale_wait *wait, struct fact *fact)
{
	struct weighing *weighing = wait->weighing;

	wait->is_answered = true;
	ledger_answered(&weighing->ledger, fact);
	if (!ledger_is_waiting(&weighing->ledger) && weighing->stage == STAGE_WAITING)
		scale_queue(weighing);
}

static void on_dns_answer(struct dns_wait *dns)
{
	answered(dns->owner, dns->fact);
}

static void on_store_answer(struct store_wait *store)
{
	answered(store->owner, store->fact);
}

static void fact_fail(struct weighing *weighing, struct fact *fact, enum fact_cause cause)
{
	fact->state = FACT_FAILED;
	fact->cause = cause;
	ledger_answered(&weighing->ledger, fact);
}

static void ask_dns(struct weighing *weighing, struct scale_wait *wait, struct fact *fact)
{
	wait->dns = (struct dns_wait){ .fact = fact,
				       .client = weighing->attempt.client,
				       .answered = on_dns_answer,
				       .owner = wait };
	dns_ask(weighing->resolver->dns, &wait->dns);
}

static void ask_store(struct weighing *weighing, struct scale_wait *wait, struct fact *fact)
{
	/* Not when the attempt came: what it waited for others did not, and counts stand in order
	 * of time.  What a fact says of time is said before its own now. */
	wait->store = (struct store_wait){ .fact = fact,
					   .now_ms = clock_wall_ms(),
					   .is_rehearsal = weighing->is_rehearsal,
					   .answered = on_store_answer,
					   .owner = wait };
	store_ask(weighing->scale->store, &wait->store);
}

static void order(struct weighing *weighing, struct fact *fact)
{
	bool is_stored = fact_kind_is_stored(fact->kind);
	struct scale_wait *wait;

	if (!is_stored && weighing->resolver->dns == NULL) {
		fact_fail(weighing, fact, CAUSE_DOWN);
		return;
	}
	wait = ARENA_NEW(&weighing->arena, struct scale_wait);
	if (wait == NULL) {
		fact_fail(weighing, fact, CAUSE_TOOLARGE);
		return;
	}
	wait->weighing = weighing;
	wait->is_stored = is_stored;
	wait->next = weighing->wait;
	weighing->wait = wait;
	if (is_stored)
		ask_store(weighing, wait, fact);
	else
		ask_dns(weighing, wait, fact);
}

/* Walk until settled or until something must come from outside. */
static bool walk_on(struct weighing *weighing)
{
	struct fact *fact;

	for (;;) {
		if (walk_run(&weighing->walk))
			return true;
		while ((fact = ledger_next_ordered(&weighing->ledger)) != NULL)
			order(weighing, fact);
		if (ledger_is_waiting(&weighing->ledger))
			return false;
	}
}

static void remember(const struct weighing *weighing)
{
	const struct walk *walk = &weighing->walk;

	struct memory_cursor cursor = { 0 };
	const struct memory *memory;

	while ((memory = walk_next_memory(walk, &cursor)) != NULL)
		store_remember(weighing->scale->store, memory, weighing->attempt.time_ms);
}

static void forget_dns(struct weighing *weighing)
{
	for (struct scale_wait *wait = weighing->wait; wait != NULL; wait = wait->next) {
		if (wait->is_answered || wait->is_stored)
			continue;
		dns_forget(weighing->resolver->dns, &wait->dns);
		wait->is_answered = true;
	}
}

static void forget_waits(struct weighing *weighing)
{
	forget_dns(weighing);
	for (struct scale_wait *wait = weighing->wait; wait != NULL; wait = wait->next)
		if (!wait->is_answered)
			store_forget(weighing->scale->store, &wait->store);
	weighing->wait = NULL;
}

/* No longer in work: out of every list. */
static void withdraw(struct weighing *weighing)
{
	struct scale *scale = weighing->scale;

	if (weighing->stage == STAGE_OPEN)
		return;
	forget_waits(weighing);
	deadline_leave(weighing);
	if (weighing->stage == STAGE_QUEUED)
		chain_remove(&scale->run_first, &scale->run_last, weighing);
	if (weighing->stage == STAGE_IN_LINE) {
		line_take(weighing);
		client_drop_if_idle(scale, weighing->client);
	} else {
		client_leave(scale, weighing->client);
	}
	weighing->client = NULL;
	weighing->stage = STAGE_OPEN;
	scale->figures.in_work--;
	atomic_fetch_sub_explicit(&scale->load->in_work, 1, memory_order_relaxed);
}

static void settle(struct weighing *weighing)
{
	weighing->took_us = clock_us() - weighing->began_us;
	if (!weighing->is_rehearsal)
		remember(weighing);
	weighing->scale->figures.weighed++;
}

static void settle_later(struct weighing *weighing)
{
	withdraw(weighing);
	settle(weighing);
	weighing->settled(weighing);
}

static void on_run(int fd, short what, void *arg)
{
	struct scale *scale = arg;
	struct weighing *weighing;

	(void)fd, (void)what;
	while ((weighing = queue_take(scale)) != NULL)
		if (walk_on(weighing))
			settle_later(weighing);
}

/* The deadline: on without the DNS. */
static void go_on_without_dns(struct weighing *weighing)
{
	weighing->is_overdue = true;
	weighing->scale->figures.deadline_misses++;
	deadline_leave(weighing);
	deadline_enter(weighing, weighing->deadline_us + SCALE_STORE_MS * 1000);
	forget_dns(weighing);
	ledger_close_to_dns(&weighing->ledger);
	if (weighing->stage == STAGE_IN_LINE)
		line_skip(weighing);
	if (weighing->stage == STAGE_WAITING && !ledger_is_waiting(&weighing->ledger) &&
	    walk_on(weighing))
		settle_later(weighing);
}

/* The store has not answered either. */
static void end(struct weighing *weighing)
{
	forget_waits(weighing);
	ledger_close(&weighing->ledger);
	ENSURE(walk_run(&weighing->walk));
	settle_later(weighing);
}

static void on_deadline(int fd, short what, void *arg)
{
	struct scale *scale = arg;
	struct weighing *first;

	(void)fd, (void)what;
	scale->is_deadline_set = false;
	while ((first = scale->deadline_first) != NULL &&
	       first->deadline_us <= (int64_t)clock_us()) {
		if (first->is_overdue)
			end(first);
		else
			go_on_without_dns(first);
	}
	deadline_arm(scale);
}

/* Of two that count at once one may be missed: it is no exact figure. */
static void load_add(struct scale_load *load)
{
	uint32_t now = atomic_fetch_add_explicit(&load->in_work, 1, memory_order_relaxed) + 1;

	if (now > atomic_load_explicit(&load->most, memory_order_relaxed))
		atomic_store_explicit(&load->most, now, memory_order_relaxed);
}

/* Begin with the attempt: into work, or into its client's line.  @return false: no memory */
static bool enter(struct weighing *weighing, struct scale_client *client)
{
	struct scale *scale = weighing->scale;

	if (client == NULL)
		client = client_of(scale, client_source(weighing->attempt.client));
	if (client == NULL)
		return false;
	weighing->client = client;
	if (client->in_work >= scale->limits.attempts_per_client) {
		line_put(weighing);
	} else {
		weighing->stage = STAGE_WAITING;
		client->in_work++;
	}
	deadline_enter(weighing,
		       (int64_t)weighing->began_us + weighing->config->deadline_ms * 1000);
	scale->figures.in_work++;
	load_add(scale->load);
	return true;
}

bool scale_weigh(struct weighing *weighing)
{
	struct scale *scale = weighing->scale;
	const struct recall recall = { scale_recall, scale_release, weighing };
	struct scale_client *client = *client_find(scale, client_source(weighing->attempt.client));

	ledger_init(&weighing->ledger, &weighing->arena, &recall);
	if (walk_init(&weighing->walk, weighing->policy, &weighing->attempt, &weighing->ledger) !=
	    OK) {
		weighing->is_unweighed = true;
		return true;
	}
	if (client != NULL && client->in_work >= scale->limits.attempts_per_client)
		return !enter(weighing, client);
	if (walk_on(weighing)) {
		settle(weighing);
		scale->figures.settled_at_once++;
		return true;
	}
	if (enter(weighing, client))
		return false;
	forget_waits(weighing);
	weighing->is_unweighed = true;
	return true;
}

/* Places */

static void resolver_drop(struct scale_resolver *resolver)
{
	if (!resolver->is_retired || resolver->attempts > 0)
		return;
	dns_free(resolver->dns);
	free(resolver);
}

struct weighing *scale_open(struct scale *scale, struct config *config, const struct policy *policy)
{
	struct weighing *weighing = scale->spare;

	if (atomic_load_explicit(&scale->load->in_work, memory_order_relaxed) >=
	    scale->limits.attempts_max) {
		scale->figures.overloads++;
		return NULL;
	}
	if (weighing != NULL) {
		scale->spare = weighing->next;
		scale->spare_count--;
		weighing->next = NULL;
	} else {
		weighing = calloc(1, sizeof(*weighing));
		if (weighing == NULL)
			return NULL;
		arena_init(&weighing->arena, ATTEMPT_ARENA_BYTES_MAX);
	}
	weighing->scale = scale;
	weighing->config = config_hold(config);
	weighing->policy = policy;
	weighing->resolver = scale->resolver;
	weighing->resolver->attempts++;
	weighing->attempt = (struct attempt){ .time_ms = clock_wall_ms() };
	weighing->began_us = clock_us();
	weighing->took_us = 0;
	weighing->is_overdue = weighing->is_unweighed = weighing->is_rehearsal = false;
	weighing->settled = NULL;
	weighing->owner = NULL;
	weighing->ledger.arena = NULL;
	weighing->wait = NULL;
	weighing->stage = STAGE_OPEN;
	return weighing;
}

void scale_close(struct weighing *weighing)
{
	struct scale *scale = weighing->scale;

	withdraw(weighing);
	if (weighing->ledger.arena != NULL)
		ledger_release(&weighing->ledger);
	weighing->resolver->attempts--;
	resolver_drop(weighing->resolver);
	config_drop(weighing->config);
	if (scale->spare_count == SCALE_FREE_MAX) {
		arena_release(&weighing->arena);
		free(weighing);
		return;
	}
	arena_reset(&weighing->arena);
	weighing->next = scale->spare;
	scale->spare = weighing;
	scale->spare_count++;
}

enum err scale_set_dns(struct scale *scale, struct dns *dns)
{
	struct scale_resolver *resolver = calloc(1, sizeof(*resolver));

	if (resolver == NULL)
		return ERR_SYSTEM;
	resolver->dns = dns;
	if (scale->resolver != NULL) {
		scale->resolver->is_retired = true;
		resolver_drop(scale->resolver);
	}
	scale->resolver = resolver;
	return OK;
}

void *scale_owner(const struct scale *scale)
{
	return scale->owner;
}

struct store_port *scale_store(const struct scale *scale)
{
	return scale->store;
}

struct dns *scale_dns(const struct scale *scale)
{
	return scale->resolver->dns;
}

void scale_set_limits(struct scale *scale, const struct scale_limits *limits)
{
	scale->limits = *limits;
}

struct scale *scale_new(const struct scale_options *options)
{
	struct scale *scale = calloc(1, sizeof(*scale));

	if (scale == NULL)
		return NULL;
	scale->base = options->base;
	scale->owner = options->owner;
	scale->store = options->store;
	scale->limits = options->limits;
	scale->load = options->load != NULL ? options->load : &scale->own_load;
	event_assign(&scale->run_event, scale->base, -1, EV_PERSIST, on_run, scale);
	event_assign(&scale->deadline_event, scale->base, -1, 0, on_deadline, scale);
	if (getrandom(&scale->hash, sizeof(scale->hash), 0) == (ssize_t)sizeof(scale->hash) &&
	    scale_set_dns(scale, options->dns) == OK)
		return scale;
	free(scale);
	return NULL;
}

void scale_free(struct scale *scale)
{
	if (scale == NULL)
		return;
	ENSURE(scale->figures.in_work == 0);
	event_del(&scale->run_event);
	event_del(&scale->deadline_event);
	while (scale->spare != NULL) {
		struct weighing *next = scale->spare->next;

		arena_release(&scale->spare->arena);
		free(scale->spare);
		scale->spare = next;
	}
	ENSURE(scale->resolver->attempts == 0);
	scale->resolver->is_retired = true;
	resolver_drop(scale->resolver);
	free(scale);
}

const struct scale_figures *scale_figures(const struct scale *scale)
{
	return &scale->figures;
}
