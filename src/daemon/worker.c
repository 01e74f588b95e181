/* worker.c -- one thread with an event loop of its own. */
#include "daemon/worker.h"

#include "base/ensure.h"
#include "daemon/decision_number.h"
#include "effects/decision.h"
#include "weigh/answer.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { FIGURES_PATIENCE_MS = 500 };

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
	struct front_listener *listener;
};

struct worker {
	struct shared *shared;
	uint16_t number;
	pthread_t thread;
	bool is_running;
	/* the thread's own */
	struct event_base *base;
	struct scale *scale;
	struct front *front;
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

static const enum log_kind kind_of_note[NOTE_COUNT] = {
	[NOTE_LINE] = KIND_LINE_LIMIT,
	[NOTE_NAME] = KIND_NAME_LIMIT,
	[NOTE_ATTRIBUTES] = KIND_ATTRIBUTES_LIMIT,
	[NOTE_REQUEST] = KIND_REQUEST_LIMIT,
	[NOTE_CONNECTIONS] = KIND_CONNECTIONS_LIMIT,
	[NOTE_SOURCE] = KIND_SOURCE_LIMIT,
	[NOTE_DESCRIPTORS] = KIND_DESCRIPTORS,
	[NOTE_UNFINISHED] = KIND_UNFINISHED,
	[NOTE_UNREAD] = KIND_UNREAD,
	[NOTE_OVERLOAD] = KIND_OVERLOAD,
	[NOTE_KIND] = KIND_OTHER_REQUEST,
};

static const char *const text_of_note[NOTE_COUNT] = {
	[NOTE_LINE] = "a line is longer than limits line_bytes; closed without an answer",
	[NOTE_NAME] = "the name of an attribute is longer than 64 bytes; closed without an answer",
	[NOTE_ATTRIBUTES] = "there are more attributes than limits attributes; closed without an "
			    "answer",
	[NOTE_REQUEST] = "a request is longer than 64 KiB; closed without an answer",
	[NOTE_CONNECTIONS] = "limits connections is reached and none is idle; closed",
	[NOTE_SOURCE] = "limits connections_per_source is reached and none is idle; closed",
	[NOTE_DESCRIPTORS] = "the system has no descriptor for another connection; closed",
	[NOTE_UNFINISHED] = "a request was not finished within limits unfinished_request_s; closed",
	[NOTE_UNREAD] = "an answer was not read within limits unread_answer_s; reset",
	[NOTE_OVERLOAD] = "limits attempts is reached or memory is short; answered without "
			  "weighing",
	[NOTE_KIND] = "a request is no smtpd_access_policy; answered without weighing",
};

/* What the front asks for: struct weigher */

static void on_settled(struct weighing *weighing);

static bool open_place(void *self, const void *policy, struct connection *connection,
		       struct place *place_out)
{
	struct worker *worker = self;
	struct weighing *weighing;
	char *id;

	/* A reload has closed the listener and freed its policy. */
	if (policy == NULL)
		return false;
	weighing = scale_open(worker->scale, worker->config, policy);
	if (weighing == NULL)
		return false;
	id = arena_alloc(&weighing->arena, DECISION_NUMBER_BYTES + 1);
	if (id == NULL) {
		scale_close(weighing);
		return false;
	}
	decision_number_write(atomic_fetch_add_explicit(&worker->shared->decisions, 1,
							memory_order_relaxed),
			      id);
	weighing->attempt.id = span_of(id, DECISION_NUMBER_BYTES);
	weighing->attempt.conversation = conversation_name(connection_conversation(connection));
	weighing->settled = on_settled;
	weighing->owner = connection;
	*place_out = (struct place){ &weighing->arena, &weighing->attempt, weighing };
	return true;
}

static bool is_of_conversation(const struct judgement *own, struct span name)
{
	for (unsigned i = 0; own != NULL && i < own->memory_count; i++)
		if (span_starts(own->memory[i].key, name))
			return true;
	return false;
}

static void mark_conversation(struct weighing *weighing)
{
	struct conversation *conversation = connection_conversation(weighing->owner);
	const struct walk *walk = &weighing->walk;

	for (unsigned i = 0; i < walk->policy->weigh_count; i++)
		if (is_of_conversation(walk->findings[i].own, conversation_name(conversation)))
			conversation->is_remembered = true;
}

static void say_overload(struct worker *worker)
{
	log_say(worker->shared->log, KIND_OVERLOAD, LEVEL_WARNING, "warning: %s",
		text_of_note[NOTE_OVERLOAD]);
}

/* All that follows from a settled attempt; it is closed. */
static void conclude(struct worker *worker, struct weighing *weighing, struct text *answer)
{
	struct decision decision = { .walk = &weighing->walk,
				     .took_us = weighing->took_us,
				     .is_overdue = weighing->is_overdue };
	struct conversation *conversation = connection_conversation(weighing->owner);
	struct span instance = weighing->attempt.attribute[ATTRIBUTE_instance];
	TEXT(line, LOG_LINE_BYTES_MAX);

	if (weighing->is_unweighed) {
		text_add(answer, answer_without_weighing());
		say_overload(worker);
		scale_close(weighing);
		return;
	}
	if (answer_to_mta(&weighing->walk, conversation_headers_given(conversation, instance),
			  answer))
		conversation_header_given(conversation);
	decision.answer = text_span(answer);
	text_add_decision(&line, &decision);
	log_batch_add(worker->shared->log, &worker->batch, LEVEL_INFO, text_span(&line));
	worker->verdict[weighing->walk.verdict]++;
	mark_conversation(weighing);
	scale_close(weighing);
}

static bool weigh_place(void *self, struct place *place, struct text *answer)
{
	struct weighing *weighing = place->held;

	if (!scale_weigh(weighing))
		return false;
	conclude(self, weighing, answer);
	return true;
}

static void on_settled(struct weighing *weighing)
{
	struct connection *connection = weighing->owner;
	struct worker *worker = scale_owner(weighing->scale);
	TEXT(answer, ANSWER_MAX);

	conclude(worker, weighing, &answer);
	connection_answer(connection, text_span(&answer));
}

static void leave_place(void *self, struct place *place)
{
	(void)self;
	scale_close(place->held);
}

static void forget_conversation(void *self, const struct conversation *conversation)
{
	struct worker *worker = self;

	if (conversation->is_remembered)
		memory_forget_conversation(worker->shared->memory, conversation_name(conversation));
}

static void say_note(void *self, enum front_note note, struct span peer)
{
	struct worker *worker = self;

	log_say(worker->shared->log, kind_of_note[note], LEVEL_WARNING,
		"warning: client \"%.*s\": %s", SPAN_ARG(peer), text_of_note[note]);
}

static void on_adopted_closed(void *self)
{
	struct worker *worker = self;

	worker->is_over = true;
}

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

static struct front_listener *take_listener(struct worker *worker, uint32_t id)
{
	for (uint8_t i = 0; i < worker->open_count; i++) {
		struct front_listener *listener = worker->open[i].listener;

		if (worker->open[i].id != id)
			continue;
		worker->open[i] = worker->open[--worker->open_count];
		return listener;
	}
	return NULL;
}

static void serve_listeners(struct worker *worker, const struct worker_setup *setup)
{
	struct open_listener open[LISTENERS_MAX];
	uint8_t open_count = 0;

	for (uint8_t i = 0; i < setup->served_count; i++) {
		const struct served *served = &setup->served[i];
		struct front_listener *listener = take_listener(worker, served->id);

		if (listener != NULL)
			front_listener_set_policy(listener, served->policy);
		else if (served->fd >= 0)
			listener = front_listen(worker->front, served->fd, served->policy);
		if (listener != NULL)
			open[open_count++] = (struct open_listener){ served->id, listener };
	}
	for (uint8_t i = 0; i < worker->open_count; i++)
		front_listener_close(worker->open[i].listener);
	memcpy(worker->open, open, open_count * sizeof(*open));
	worker->open_count = open_count;
}

static void take_over(struct worker *worker, struct worker_setup *setup)
{
	struct config *old = worker->config;
	struct front_limits front_limits = front_limits_of(setup->config);
	struct scale_limits scale_limits = scale_limits_of(setup->config);

	renew_resolver(worker, setup->config);
	front_set_limits(worker->front, &front_limits);
	scale_set_limits(worker->scale, &scale_limits);
	/* A listener that closes may hand on last requests, with the policy of the old one. */
	serve_listeners(worker, setup);
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
		if (worker->is_stopping && front_figures(worker->front)->connections == 0)
			break;
	}
	front_drain(worker->front);
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
		.memory = worker->shared->memory,
		.limits = scale_limits_of(worker->config),
		.in_work = &worker->shared->attempts_in_work,
		.owner = worker,
	};

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
		.weigher = { .self = worker,
			     .open = open_place,
			     .weigh = weigh_place,
			     .leave = leave_place,
			     .forget = forget_conversation,
			     .note = say_note,
			     .closed = on_adopted_closed },
		.limits = front_limits_of(worker->config),
		.not_weighed = answer_without_weighing(),
		.number = worker->number,
	};

	worker->front = front_new(&options);
	return worker->front != NULL;
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
	scale_free(worker->scale);
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
