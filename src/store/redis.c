/* redis.c -- the driver that keeps the state in Redis, where several hosts share it.
 *
 * One server, a master found by Sentinel, or a cluster: redis_priv.h says who does what.
 */
#include "store/redis_priv.h"

#include "base/ensure.h"
#include "base/escape.h"

#include <event2/event.h>
#include <stdlib.h>
#include <time.h>

enum { SAY_MS = 60000, SAID_WHY_MAX = 200 };

int64_t redis_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + 1; /* never 0 */
}

/* --- saying --- */

static bool is_due(int64_t *said_ms)
{
	int64_t now_ms = redis_clock_ms();

	if (*said_ms != 0 && now_ms - *said_ms < SAY_MS)
		return false;
	*said_ms = now_ms;
	return true;
}

static void say_down(struct redis *redis, const struct redis_link *link)
{
	TEXT(why, SAID_WHY_MAX);

	text_add_escaped(&why, span_cstr(link->why), WHY_MAX);
	store_say(redis->store, STORE_ERROR,
		  "redis at %s is down: %s; statements that need it do what they say for failing",
		  link->address.label, text_cstr(&why));
}

/* All links and threads together: what matters is whether anything is lacking.  What is down
 * again so soon that it is not to be said is said when it stays so. */
void redis_say_down(struct redis *redis, const struct redis_link *link, int change)
{
	bool says_down = false, says_back = false;

	pthread_mutex_lock(&redis->saying);
	redis->down_count += change;
	ENSURE(redis->down_count >= 0);
	if (change >= 0) {
		says_down = !redis->has_said_down && is_due(&redis->said_down_ms);
		redis->has_said_down |= says_down;
	} else {
		says_back =
			redis->has_said_down && redis->down_count == 0 && !link->port->is_closing;
		if (says_back)
			redis->has_said_down = false;
	}
	pthread_mutex_unlock(&redis->saying);
	if (says_down)
		say_down(redis, link);
	if (says_back)
		store_say(redis->store, STORE_NOTICE,
			  link->state == LINK_READY ? "redis at %s is back"
						    : "redis is back, without %s",
			  link->address.label);
}

void redis_say_refused(struct redis *redis, const char *why)
{
	TEXT(words, SAID_WHY_MAX);
	uint64_t unsaid = 0;
	bool says;

	text_add_escaped(&words, span_cstr(why), WHY_MAX);
	pthread_mutex_lock(&redis->saying);
	says = is_due(&redis->said_refused_ms);
	unsaid = redis->refused_unsaid;
	redis->refused_unsaid = says ? 0 : unsaid + 1;
	pthread_mutex_unlock(&redis->saying);
	if (!says)
		return;
	if (unsaid > 0)
		store_say(redis->store, STORE_WARNING, "redis refuses: %s (%llu times before)",
			  text_cstr(&words), (unsigned long long)unsaid);
	else
		store_say(redis->store, STORE_WARNING, "redis refuses: %s", text_cstr(&words));
}

static void redis_figures(const struct store *store, struct store_figures *figures)
{
	struct redis *redis = store->held;

	pthread_mutex_lock(&redis->saying);
	figures->is_down = redis->down_count > 0;
	pthread_mutex_unlock(&redis->saying);
}

/* --- opening and closing --- */

static void redis_close(struct store *store)
{
	struct redis *redis = store->held;

	if (redis == NULL)
		return;
	ENSURE(redis->down_count == 0); /* all ports are closed */
	redis_unsettle(redis);
	pthread_mutex_destroy(&redis->saying);
	free(redis);
	store->held = NULL;
}

static enum err redis_open(struct store *store, struct text *why)
{
	struct redis *redis = calloc(1, sizeof(*redis));
	enum err err;

	if (redis == NULL) {
		text_add(why, SPAN("redis: no memory"));
		return ERR_SYSTEM;
	}
	pthread_mutex_init(&redis->saying, NULL);
	redis->store = store;
	store->held = redis;
	err = redis_settle(redis, why);
	if (err != OK)
		redis_close(store);
	return err;
}

/* --- ports --- */

static void on_map(evutil_socket_t none, short events, void *port)
{
	(void)none;
	(void)events;
	cluster_learn(port);
}

static void on_sweep(evutil_socket_t none, short events, void *port)
{
	(void)none;
	(void)events;
	cluster_sweep(port);
}

static void on_repeat(evutil_socket_t none, short events, void *port)
{
	(void)none;
	(void)events;
	route_repeat(port);
}

static void redis_port_close(struct store_port *store_port)
{
	struct redis_port *port = (struct redis_port *)store_port;
	struct event *timer[] = { port->map_timer, port->sweep, port->repeat };

	port->is_closing = true;
	names_leave(port);
	route_repeat(port);
	for (unsigned i = 0; i < NODES_MAX; i++) {
		struct redis_link *link = port->node[i];

		port->node[i] = NULL;
		if (link != NULL)
			link_free(link);
	}
	if (port->sentinel != NULL)
		link_free(port->sentinel);
	for (size_t i = 0; i < sizeof(timer) / sizeof(*timer); i++)
		if (timer[i] != NULL)
			event_free(timer[i]);
	free(port);
}

static void single_start(struct redis_port *port)
{
	const struct store_address *named = &port->port.store->options.address[0];
	struct redis_address unknown = redis_address_named(named->host, named->port);

	port->node[0] =
		link_new(port, LINK_DATA, port->address_count > 0 ? &port->address[0] : &unknown);
	if (port->node[0] != NULL)
		link_connect(port->node[0]);
}

void redis_port_moved(struct redis_port *port)
{
	switch (port->port.store->options.mode) {
	case STORE_SINGLE: link_find_again(port->node[0]); break;
	case STORE_SENTINEL: link_find_again(port->sentinel); break;
	case STORE_CLUSTER: cluster_seed(port); break;
	}
}

/* Connections begin now; nobody waits for them. */
static void port_start(struct redis_port *port)
{
	switch (port->port.store->options.mode) {
	case STORE_SINGLE: single_start(port); break;
	case STORE_SENTINEL: sentinel_start(port); break;
	case STORE_CLUSTER: cluster_start(port); break;
	}
}

static struct store_port *redis_port_open(struct store *store, struct event_base *base)
{
	struct redis_port *port = calloc(1, sizeof(*port));

	if (port == NULL)
		return NULL;
	port->port = (struct store_port){ store, base };
	port->redis = store->held;
	port->bell = -1;
	port->map_timer = evtimer_new(base, on_map, port);
	port->sweep = evtimer_new(base, on_sweep, port);
	port->repeat = evtimer_new(base, on_repeat, port);
	if (names_join(port) && port->map_timer != NULL && port->sweep != NULL &&
	    port->repeat != NULL)
		port_start(port);
	if (port->node[0] == NULL ||
	    (port->port.store->options.mode == STORE_SENTINEL && port->sentinel == NULL)) {
		redis_port_close(&port->port);
		return NULL;
	}
	return &port->port;
}

const struct store_driver store_redis = {
	.keeps_sets = false,
	.open = redis_open,
	.close = redis_close,
	.port_open = redis_port_open,
	.port_close = redis_port_close,
	.ask = redis_ask,
	.forget = redis_forget,
	.remember = redis_remember,
	.page = redis_page,
	.put = redis_put,
	.erase = redis_erase,
	.figures = redis_figures,
};
