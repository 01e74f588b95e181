/* worker.h -- a fake name server, and a worker that asks it, for the tests of this room.
 *
 * FAKEDNS in the environment is the server's program, FAKEDNS_ZONE its zone file.
 */
#pragma once
#include "../unit.h"
#include "base/ensure.h"
#include "sources/dns.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct server {
	pid_t pid;
	int input; /* it ends when this is closed, so also when we die */
	FILE *output;
	uint16_t port;
};

static inline void server_start(struct server *server)
{
	int input[2], output[2];
	unsigned port = 0;

	ENSURE(pipe2(input, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC) == 0);
	server->pid = fork();
	ENSURE(server->pid >= 0);
	if (server->pid == 0) {
		dup2(input[0], 0);
		dup2(output[1], 1);
		execl(getenv("FAKEDNS"), "fakedns", getenv("FAKEDNS_ZONE"), (char *)NULL);
		_exit(127);
	}
	close(input[0]);
	close(output[1]);
	server->input = input[1];
	server->output = fdopen(output[0], "r");
	ENSURE(server->output != NULL && fscanf(server->output, "port %u", &port) == 1);
	server->port = (uint16_t)port;
}

/** @return how many questions it got */
static inline unsigned server_stop(struct server *server)
{
	unsigned questions = 0;

	close(server->input);
	ENSURE(fscanf(server->output, " questions %u", &questions) == 1);
	fclose(server->output);
	waitpid(server->pid, NULL, 0);
	return questions;
}

struct worker {
	struct event_base *base;
	struct dns *dns;
	unsigned answered; /* asks that have their answer */
	unsigned wanted;
};

struct ask {
	struct dns_wait wait;
	struct fact fact;
	unsigned answers; /* to this ask: must be 0 or 1 */
};

static inline struct dns_cache *cache_open(uint32_t questions_max)
{
	struct dns_cache_options options = { .bytes_max = 8 << 20, .questions_max = questions_max };
	struct dns_cache *cache = dns_cache_new(&options);

	ENSURE(cache != NULL);
	return cache;
}

static inline struct dns_options worker_options(struct dns_cache *cache, uint16_t port,
						enum dns_library library)
{
	static struct dns_address address; /* dns_new copies it */

	address = (struct dns_address){
		.address = { .byte = { 127, 0, 0, 1 }, .family = IP_V4 },
		.port = port,
	};
	return (struct dns_options){
		.cache = cache,
		.resolver = DNS_ADDRESSES,
		.library = library,
		.address = &address,
		.address_count = 1,
		.question_ms = 1000,
		.questions_max = 4096,
		.questions_per_client = 512,
		.questions_per_zone = 256,
	};
}

static inline void worker_open(struct worker *worker, const struct dns_options *options)
{
	struct dns_options own = *options;
	const char *why = "";

	*worker = (struct worker){ .base = event_base_new() };
	ENSURE(worker->base != NULL);
	own.base = worker->base;
	worker->dns = dns_new(&own, &why);
	ENSURE(worker->dns != NULL);
}

static inline void worker_close(struct worker *worker)
{
	dns_free(worker->dns);
	event_base_free(worker->base);
}

static inline void ask_answered(struct dns_wait *wait)
{
	struct worker *worker = wait->owner;

	((struct ask *)wait)->answers++;
	if (++worker->answered >= worker->wanted)
		event_base_loopbreak(worker->base);
}

/** Ask; key is borrowed. */
static inline void ask_begin(struct worker *worker, struct ask *ask, enum fact_kind kind,
			     struct span key)
{
	*ask = (struct ask){ .fact = { .kind = kind, .key = key } };
	ask->wait.fact = &ask->fact;
	ask->wait.answered = ask_answered;
	ask->wait.owner = worker;
	dns_ask(worker->dns, &ask->wait);
}

/** Run the loop until count more asks have their answer. */
static inline void worker_await(struct worker *worker, unsigned count)
{
	worker->wanted = worker->answered + count;
	while (worker->answered < worker->wanted)
		ENSURE(event_base_loop(worker->base, EVLOOP_ONCE) == 0);
}

static inline void ask_end(struct worker *worker, struct ask *ask)
{
	dns_forget(worker->dns, &ask->wait);
	dns_release(worker->dns, &ask->fact);
}
