/* worker.c -- one thread with an event loop of its own. */
#include "daemon/worker_priv.h"

#include "base/ensure.h"
#include "weigh/answer.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { FIGURES_PATIENCE_MS = 500 };

/* Configuration */

static struct front_limits front_limits_of(const struct config *config)
{
	const struct config_limits *limits = &config->limits;

	return (struct front_limits){
		.request = { .line_bytes_max = (size_t)limits->line_bytes,
			     .attributes_max = (size_t)limits->attributes },
		.idle_ms = limits->idle_connection_s * 1000,
		.unfinished_ms = limits->unfinished_request_s * 1000,
		.unread_ms = limits->unread_answer_s * 1000,
	};
}

static struct scale_limits scale_limits_of(const struct config *config)
{
	return (struct scale_limits){
		.attempts_max = (uint32_t)config->limits.attempts,
		.attempts_per_client = (uint32_t)config->limits.attempts_per_client,
	};
}

static void renew_resolver(struct worker *worker, const struct config *config)
{
	const char *why = "no memory";
	struct dns *dns;

	if (resolver_equal(worker->config, config))
		return;
	dns = resolver_new(worker->base, worker->shared->dns_cache, config, &why);
	if (dns != NULL && scale_set_dns(worker->scale, dns) == OK)
		return;
	if (dns != NULL)
		dns_free(dns);
	log_say(worker->shared->log, KIND_RESOLVER, LEVEL_ERROR,
		"error: worker %u keeps its resolver: %s", worker->number, why);
}

static struct exim_limits exim_limits_of(const struct config *config)
{
	return (struct exim_limits){
		.unfinished_ms = config->limits.unfinished_request_s * 1000,
		.unread_ms = config->limits.unread_answer_s * 1000,
	};
}

static bool take_listener(struct worker *worker, uint32_t id, struct open_listener *open_out)
{
	for (uint8_t i = 0; i < worker->open_count; i++) {
		if (worker->open[i].id != id)
			continue;
		*open_out = worker->open[i];
		worker->open[i] = worker->open[--worker->open_count];
		return true;
	}
	return false;
}

/* @return false: it is not served */
static bool serve_one(struct worker *worker, const struct served *served,
		      struct open_listener *open_out)
{
	struct exim *exim = greylistd_front(worker->greylistd);

	if (take_listener(worker, served->id, open_out)) {
		door_listener_set_policy(open_out->listener, served->policy);
		return true;
	}
	*open_out = (struct open_listener){ .id = served->id };
	if (served->fd < 0)
		return false;
	switch (served->protocol) {
	case LISTENER_POLICY:
		open_out->listener = front_listen(worker->front, served->fd, served->policy);
		break;
	case LISTENER_GREYLISTD:
		open_out->listener = exim_listen(exim, served->fd, served->policy);
		break;
	}
	return open_out->listener != NULL;
}

static void serve_listeners(struct worker *worker, const struct worker_setup *setup)
{
	struct open_listener open[LISTENERS_MAX];
	uint8_t open_count = 0;

	for (uint8_t i = 0; i < setup->served_count; i++) {
		if (serve_one(worker, &setup->served[i], &open[open_count]))
			open_count++;
	}
	for (uint8_t i = 0; i < worker->open_count; i++)
		door_listener_close(worker->open[i].listener);
	memcpy(worker->open, open, open_count * sizeof(*open));
	worker->open_count = open_count;
}

static void take_over(struct worker *worker, struct worker_setup *setup)
{
	struct config *old = worker->config;
	struct front_limits front_limits = front_limits_of(setup->config);
	struct exim_limits exim_limits = exim_limits_of(setup->config);
	struct scale_limits scale_limits = scale_limits_of(setup->config);

	renew_resolver(worker, setup->config);
	front_set_limits(worker->front, &front_limits);
	exim_set_limits(greylistd_front(worker->greylistd), &exim_limits);
	scale_set_limits(worker->scale, &scale_limits);
	/* A listener that closes may hand on last requests, with the policy of the old one. */
	serve_listeners(worker, setup);
	front_adopted_set_policy(worker->front, setup->adopted);
	worker->config = config_hold(setup->config);
	config_drop(old);
}

static void setup_free(struct worker_setup *setup)
{
	config_drop(setup->config);
	free(setup);
}

/* The inbox */

static void figures_take(struct worker *worker, struct worker_figures *figures)
{
	const struct dns *dns = scale_dns(worker->scale);

	figures->front = *front_figures(worker->front);
	figures->exim = *exim_figures(greylistd_front(worker->greylistd));
	figures->scale = *scale_figures(worker->scale);
	if (dns != NULL)
		dns_figures(dns, &figures->dns);
	memcpy(figures->verdict, worker->verdict, sizeof(figures->verdict));
}

static void on_stop_time(int fd, short what, void *arg)
{
	struct worker *worker = arg;

	(void)fd, (void)what;
	worker->is_over = true;
}

static void begin_to_stop(struct worker *worker)
{
	if (worker->is_stopping)
		return;
	worker->is_stopping = true;
	event_add(&worker->stop_event,
		  &(struct timeval){ WORKER_DRAIN_MS / 1000, WORKER_DRAIN_MS % 1000 * 1000 });
	worker->open_count = 0;
	front_drain(worker->front);
	exim_drain(greylistd_front(worker->greylistd));
}

static void on_inbox(int fd, short what, void *arg)
{
	struct worker *worker = arg;
	struct inbox *inbox = &worker->inbox;
	struct worker_setup *setup;
	bool is_stop;
	uint64_t count;

	(void)what;
	(void)!read(fd, &count, sizeof(count));
	pthread_mutex_lock(&inbox->lock);
	setup = inbox->first;
	inbox->first = inbox->last = NULL;
	is_stop = inbox->is_stop;
	inbox->pings = 0;
	if (inbox->figures_given != inbox->figures_asked) {
		figures_take(worker, &inbox->figures);
		inbox->figures_given = inbox->figures_asked;
		pthread_cond_broadcast(&inbox->answered);
	}
	pthread_mutex_unlock(&inbox->lock);
	while (setup != NULL) {
		struct worker_setup *next = setup->next;

		take_over(worker, setup);
		setup_free(setup);
		setup = next;
	}
	if (is_stop)
		begin_to_stop(worker);
}

/* Wake the worker, with the lock let go. */
static void inbox_post(struct worker *worker)
{
	pthread_mutex_unlock(&worker->inbox.lock);
	(void)!write(worker->inbox_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
}

void worker_give(struct worker *worker, struct worker_setup *setup)
{
	struct inbox *inbox = &worker->inbox;

	pthread_mutex_lock(&inbox->lock);
	setup->next = NULL;
	*(inbox->last != NULL ? &inbox->last->next : &inbox->first) = setup;
	inbox->last = setup;
	inbox_post(worker);
}

void worker_stop(struct worker *worker)
{
	pthread_mutex_lock(&worker->inbox.lock);
	worker->inbox.is_stop = true;
	inbox_post(worker);
}

unsigned worker_ping(struct worker *worker)
{
	unsigned before;

	pthread_mutex_lock(&worker->inbox.lock);
	before = worker->inbox.pings++;
	inbox_post(worker);
	return before;
}

void worker_figures(struct worker *worker, struct worker_figures *figures_out)
{
	struct inbox *inbox = &worker->inbox;
	struct timespec until;
	unsigned asked;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += FIGURES_PATIENCE_MS * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&inbox->lock);
	asked = ++inbox->figures_asked;
	inbox_post(worker);
	pthread_mutex_lock(&inbox->lock);
	while ((int)(inbox->figures_given - asked) < 0)
		if (pthread_cond_timedwait(&inbox->answered, &inbox->lock, &until) != 0)
			break;
	*figures_out = inbox->figures;
	pthread_mutex_unlock(&inbox->lock);
}

/* Life */

static void *worker_thread(void *arg)
{
	struct worker *worker = arg;
	struct log *log = worker->shared->log;

	while (!worker->is_over) {
		if (event_base_loop(worker->base, EVLOOP_ONCE) < 0)
			break;
		log_batch_push(log, &worker->batch);
		if (worker->is_stopping && front_figures(worker->front)->connections == 0 &&
		    exim_figures(greylistd_front(worker->greylistd))->connections == 0)
			break;
	}
	front_drain(worker->front);
	exim_drain(greylistd_front(worker->greylistd));
	log_batch_push(log, &worker->batch);
	(void)!write(worker->shared->done_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
	return NULL;
}

enum err worker_start(struct worker *worker)
{
	TEXT(name, 16);

	if (pthread_create(&worker->thread, NULL, worker_thread, worker) != 0)
		return ERR_SYSTEM;
	worker->is_running = true;
	text_addf(&name, "worker %u", worker->number);
	pthread_setname_np(worker->thread, text_cstr(&name));
	return OK;
}

void worker_join(struct worker *worker)
{
	if (worker->is_running)
		pthread_join(worker->thread, NULL);
	worker->is_running = false;
}

static void inbox_init(struct inbox *inbox)
{
	pthread_condattr_t attributes;

	ENSURE(pthread_mutex_init(&inbox->lock, NULL) == 0);
	ENSURE(pthread_condattr_init(&attributes) == 0);
	ENSURE(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	ENSURE(pthread_cond_init(&inbox->answered, &attributes) == 0);
	pthread_condattr_destroy(&attributes);
}

static bool make_scale(struct worker *worker, const char **why_out)
{
	struct scale_options options = {
		.base = worker->base,
		.limits = scale_limits_of(worker->config),
		.load = &worker->shared->load,
		.owner = worker,
	};

	worker->store = store_port_open(worker->shared->store, worker->base);
	if (worker->store == NULL)
		return false;
	options.store = worker->store;
	options.dns =
		resolver_new(worker->base, worker->shared->dns_cache, worker->config, why_out);
	if (options.dns == NULL)
		return false;
	worker->scale = scale_new(&options);
	if (worker->scale == NULL)
		dns_free(options.dns);
	return worker->scale != NULL;
}

static bool make_front(struct worker *worker)
{
	struct front_options options = {
		.base = worker->base,
		.census = worker->shared->census,
		.weigher = worker_weigher(worker),
		.limits = front_limits_of(worker->config),
		.not_weighed = answer_without_weighing(),
		.number = worker->number,
	};

	worker->front = front_new(&options);
	worker->greylistd = greylistd_new(worker);
	return worker->front != NULL && worker->greylistd != NULL;
}

struct worker *worker_new(struct shared *shared, struct config *config, uint16_t number,
			  const char **why_out)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	*why_out = "no memory";
	if (worker == NULL)
		return NULL;
	worker->shared = shared;
	worker->number = number;
	worker->config = config_hold(config);
	inbox_init(&worker->inbox);
	worker->inbox_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	worker->base = event_base_new();
	if (worker->inbox_fd >= 0 && worker->base != NULL && log_batch_init(&worker->batch) &&
	    make_scale(worker, why_out) && make_front(worker)) {
		event_assign(&worker->inbox_event, worker->base, worker->inbox_fd,
			     EV_READ | EV_PERSIST, on_inbox, worker);
		event_assign(&worker->stop_event, worker->base, -1, 0, on_stop_time, worker);
		if (event_add(&worker->inbox_event, NULL) == 0)
			return worker;
	}
	worker_free(worker);
	return NULL;
}

enum err worker_adopt(struct worker *worker, int in_fd, int out_fd, const struct policy *policy)
{
	return front_adopt(worker->front, in_fd, out_fd, policy);
}

void worker_free(struct worker *worker)
{
	if (worker == NULL)
		return;
	ENSURE(!worker->is_running);
	front_free(worker->front);
	greylistd_close(worker->greylistd);
	scale_free(worker->scale);
	if (worker->store != NULL)
		store_port_close(worker->store);
	greylistd_free(worker->greylistd);
	while (worker->inbox.first != NULL) {
		struct worker_setup *next = worker->inbox.first->next;

		setup_free(worker->inbox.first);
		worker->inbox.first = next;
	}
	config_drop(worker->config);
	log_batch_release(&worker->batch);
	if (worker->base != NULL)
		event_base_free(worker->base);
	if (worker->inbox_fd >= 0)
		close(worker->inbox_fd);
	pthread_cond_destroy(&worker->inbox.answered);
	pthread_mutex_destroy(&worker->inbox.lock);
	free(worker);
}
