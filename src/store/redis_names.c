/* redis_names.c -- the addresses of the servers that the configuration names.
 *
 * getaddrinfo() may take long, so a thread of the store's own calls it: at the start, again and
 * again while a name has no address, and when a server does not answer, for it may have moved.
 * What is new is told to the ports, each by a bell on its loop; a name that is not found any
 * more keeps the addresses it had.
 */
#include "store/redis_priv.h"

#include "base/ensure.h"

#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* One that is configured, and what is known of it. */
struct redis_name {
	struct store_address from; /* host is in host */
	char host[HOST_MAX + 1];
	bool is_name;    /* to be asked for */
	bool is_missing; /* and that has been said */
	struct redis_address address[STORE_ADDRESSES_MAX];
	unsigned count;
};

/* The thread may be in the middle of getaddrinfo() when the store is closed: whoever of the two
 * ends last frees this. */
struct redis_names {
	pthread_mutex_t lock;
	pthread_cond_t change; /* of the two that follow */
	bool is_wanted, is_closing;
	unsigned holders;
	struct redis *redis;      /* while it is not closing */
	struct redis_port *ports; /* who is to be told */
	const char *why;          /* the last name that was not found: a constant */
	unsigned name_count;
	struct redis_name name[];
};

static void names_release(struct redis_names *names)
{
	bool is_last;

	pthread_mutex_lock(&names->lock);
	is_last = --names->holders == 0;
	pthread_mutex_unlock(&names->lock);
	if (!is_last)
		return;
	pthread_cond_destroy(&names->change);
	pthread_mutex_destroy(&names->lock);
	free(names);
}

/* --- the thread; what it shares is held but while it asks or waits --- */

/* In whatever order: servers of names turn it. */
static bool is_the_same(const struct redis_name *name, const struct redis_address *found,
			unsigned count)
{
	bool is_same = count == name->count;

	for (unsigned i = 0; i < count && is_same; i++) {
		unsigned at = 0;

		while (at < count && !redis_address_equal(&name->address[at], &found[i]))
			at++;
		is_same = at < count;
	}
	return is_same;
}

static void ring(const struct redis_names *names)
{
	const uint64_t one = 1;

	for (struct redis_port *port = names->ports; port != NULL; port = port->next)
		if (write(port->bell, &one, sizeof(one)) < 0)
			ENSURE(errno == EAGAIN || errno == EINTR);
}

static void name_missing(struct redis_names *names, struct redis_name *name, const char *why)
{
	names->why = why;
	if (!name->is_missing)
		store_say(names->redis->store, STORE_WARNING,
			  "redis at %s: %s; it is asked for again and again", name->host, why);
	name->is_missing = true;
}

/* @return false: it is not found */
static bool name_ask(struct redis_names *names, struct redis_name *name)
{
	struct redis_address found[STORE_ADDRESSES_MAX];
	const char *why = NULL;
	unsigned count;

	pthread_mutex_unlock(&names->lock);
	count = redis_address_resolve(found, STORE_ADDRESSES_MAX, &name->from, 0, &why);
	pthread_mutex_lock(&names->lock);
	if (names->is_closing)
		return true;
	if (count == 0) {
		name_missing(names, name, why);
		return false;
	}
	name->is_missing = false;
	if (is_the_same(name, found, count))
		return true;
	memcpy(name->address, found, count * sizeof(*found));
	name->count = count;
	ring(names);
	return true;
}

/* @param ms  -1: until something changes */
static void wait_for_change(struct redis_names *names, int64_t ms)
{
	struct timespec end;

	if (ms < 0) {
		pthread_cond_wait(&names->change, &names->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ms / 1000;
	end.tv_nsec += ms % 1000 * 1000000;
	end.tv_sec += end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	while (!names->is_closing &&
	       pthread_cond_timedwait(&names->change, &names->lock, &end) != ETIMEDOUT) {
	}
}

static void *names_work(void *self)
{
	struct redis_names *names = self;
	int64_t back_off_ms = LINK_BACK_OFF_MS;

	pthread_mutex_lock(&names->lock);
	while (!names->is_closing) {
		bool is_whole = true;

		names->is_wanted = false;
		for (unsigned i = 0; i < names->name_count && !names->is_closing; i++)
			if (names->name[i].is_name)
				is_whole &= name_ask(names, &names->name[i]);
		wait_for_change(names, is_whole ? LINK_TRY_MS : back_off_ms);
		back_off_ms = is_whole ? LINK_BACK_OFF_MS : back_off_ms * 2;
		if (back_off_ms > LINK_TRY_MS)
			back_off_ms = LINK_TRY_MS;
		while (is_whole && !names->is_wanted && !names->is_closing)
			wait_for_change(names, -1);
	}
	pthread_mutex_unlock(&names->lock);
	names_release(names);
	return NULL;
}

/* --- opening and closing --- */

static bool name_settle(struct redis_name *name, const struct store_address *from, struct text *why)
{
	struct span shown = from->path.len > 0 ? from->path : from->host;
	const char *words = "its path is too long";

	if (from->path.len > 0) {
		name->count = redis_address_of_path(&name->address[0], from->path);
	} else if (from->host.len > 0 && from->host.len <= HOST_MAX) {
		memcpy(name->host, from->host.at, from->host.len);
		name->from =
			(struct store_address){ .host = span_cstr(name->host), .port = from->port };
		name->count = redis_address_resolve(name->address, STORE_ADDRESSES_MAX, &name->from,
						    AI_NUMERICHOST, &words);
		name->is_name = name->count == 0;
	} else {
		words = "its name is too long";
	}
	if (name->count == 0 && !name->is_name)
		text_addf(why, "redis at %.*s: %s", SPAN_ARG(shown), words);
	return name->count > 0 || name->is_name;
}

static bool thread_begin(struct redis_names *names)
{
	sigset_t all, before;
	pthread_t thread;
	int failed;

	sigfillset(&all);
	names->holders++;
	pthread_sigmask(SIG_BLOCK, &all, &before);
	failed = pthread_create(&thread, NULL, names_work, names);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed != 0)
		names->holders--;
	else
		pthread_detach(thread);
	return failed == 0;
}

static struct redis_names *names_new(struct redis *redis, unsigned count)
{
	struct redis_names *names = calloc(1, sizeof(*names) + count * sizeof(*names->name));
	pthread_condattr_t clock;

	if (names == NULL)
		return NULL;
	names->redis = redis;
	names->holders = 1;
	names->name_count = count;
	names->why = "its name has no address yet";
	pthread_mutex_init(&names->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&names->change, &clock);
	pthread_condattr_destroy(&clock);
	return names;
}

enum err names_open(struct redis *redis, struct text *why)
{
	const struct store_options *options = &redis->store->options;
	unsigned count = options->mode == STORE_SINGLE && options->address_count > 0
				 ? 1
				 : options->address_count;
	bool has_names = false;

	if (count == 0) {
		text_add(why, SPAN("redis: no address"));
		return ERR_SYSTEM;
	}
	redis->names = names_new(redis, count);
	if (redis->names == NULL) {
		text_add(why, SPAN("redis: no memory"));
		return ERR_SYSTEM;
	}
	for (unsigned i = 0; i < count; i++) {
		if (!name_settle(&redis->names->name[i], &options->address[i], why))
			return ERR_SYSTEM;
		has_names |= redis->names->name[i].is_name;
	}
	if (!has_names || thread_begin(redis->names))
		return OK;
	text_add(why, SPAN("redis: no thread to ask for names"));
	return ERR_SYSTEM;
}

void names_close(struct redis *redis)
{
	struct redis_names *names = redis->names;

	redis->names = NULL;
	if (names == NULL)
		return;
	pthread_mutex_lock(&names->lock);
	ENSURE(names->ports == NULL);
	names->is_closing = true;
	names->redis = NULL;
	pthread_cond_signal(&names->change);
	pthread_mutex_unlock(&names->lock);
	names_release(names);
}

void names_ask(struct redis *redis)
{
	struct redis_names *names = redis->names;

	pthread_mutex_lock(&names->lock);
	names->is_wanted = true;
	pthread_cond_signal(&names->change);
	pthread_mutex_unlock(&names->lock);
}

const char *names_why(struct redis *redis)
{
	const char *why;

	pthread_mutex_lock(&redis->names->lock);
	why = redis->names->why;
	pthread_mutex_unlock(&redis->names->lock);
	return why;
}

/* --- ports --- */

/* Of a single server all addresses, for one that can be reached is enough. */
static void port_take(struct redis_port *port)
{
	const struct redis_names *names = port->redis->names;

	port->address_count = 0;
	for (unsigned i = 0; i < names->name_count; i++)
		for (unsigned j = 0; j < names->name[i].count; j++)
			if (port->address_count < STORE_ADDRESSES_MAX)
				port->address[port->address_count++] = names->name[i].address[j];
}

static void on_bell(evutil_socket_t bell, short events, void *self)
{
	struct redis_port *port = self;
	uint64_t rung;

	(void)events;
	if (read(bell, &rung, sizeof(rung)) < 0)
		return;
	pthread_mutex_lock(&port->redis->names->lock);
	port_take(port);
	pthread_mutex_unlock(&port->redis->names->lock);
	redis_port_moved(port);
}

bool names_join(struct redis_port *port)
{
	struct redis_names *names = port->redis->names;

	port->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (port->bell < 0)
		return false;
	port->rung = event_new(port->port.base, port->bell, EV_READ | EV_PERSIST, on_bell, port);
	if (port->rung == NULL || event_add(port->rung, NULL) != 0)
		return false;
	pthread_mutex_lock(&names->lock);
	port->next = names->ports;
	names->ports = port;
	port_take(port);
	pthread_mutex_unlock(&names->lock);
	return true;
}

void names_leave(struct redis_port *port)
{
	struct redis_names *names = port->redis->names;

	pthread_mutex_lock(&names->lock);
	for (struct redis_port **at = &names->ports; *at != NULL; at = &(*at)->next)
		if (*at == port) {
			*at = port->next;
			break;
		}
	pthread_mutex_unlock(&names->lock);
	if (port->rung != NULL)
		event_free(port->rung);
	if (port->bell >= 0)
		close(port->bell);
}
