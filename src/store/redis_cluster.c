/* redis_cluster.c -- the map of a cluster: which node serves a slot.
 *
 * A port has a link to every master and to every address of the configuration.  The map is asked
 * for at the start, after MOVED, and while a node is lost: at most once in MAP_MS, of one node
 * after the other, so that a failover is seen wherever the questions go.
 */
#include "store/redis_priv.h"

#include "base/ensure.h"

#include <event2/event.h>
#include <stdlib.h>

/* --- nodes --- */

static uint8_t node_find(const struct redis_port *port, const struct redis_address *address)
{
	for (unsigned i = 0; i < NODES_MAX; i++)
		if (port->node[i] != NULL && !port->node[i]->is_leaving &&
		    redis_address_equal(&port->node[i]->address, address))
			return (uint8_t)i;
	return NODE_NONE;
}

uint8_t cluster_node(struct redis_port *port, const struct redis_address *address)
{
	uint8_t at = node_find(port, address);

	if (at != NODE_NONE)
		return at;
	for (at = 0; at < NODES_MAX && port->node[at] != NULL;)
		at++;
	if (at == NODES_MAX)
		return NODE_NONE;
	port->node[at] = link_new(port, LINK_DATA, address);
	if (port->node[at] == NULL)
		return NODE_NONE;
	link_connect(port->node[at]);
	return at;
}

static struct redis_link *node_in_turn(struct redis_port *port, bool is_ready)
{
	for (unsigned i = 1; i <= NODES_MAX; i++) {
		unsigned at = (port->map_from + i) % NODES_MAX;
		struct redis_link *link = port->node[at];

		if (link == NULL || link_is_away(link) || (is_ready && link->state != LINK_READY))
			continue;
		port->map_from = (uint8_t)at;
		return link;
	}
	return NULL;
}

/* A slot of which nothing is known is asked for anywhere: the answer is MOVED. */
struct redis_link *cluster_route(struct redis_port *port, int slot)
{
	struct redis_link *link;

	if (slot >= 0 && port->slot[slot] != NODE_NONE)
		return port->node[port->slot[slot]];
	link = node_in_turn(port, true);
	return link != NULL ? link : node_in_turn(port, false);
}

uint8_t cluster_next_node(const struct redis_port *port, unsigned *slot)
{
	bool is_seen[NODES_MAX] = { false };

	for (unsigned i = 0; i < SLOTS; i++) {
		uint8_t node = port->slot[i];

		if (node == NODE_NONE || is_seen[node])
			continue;
		is_seen[node] = true;
		if (i >= *slot) {
			*slot = i;
			return node;
		}
	}
	return NODE_NONE;
}

/* --- the map --- */

static bool range_read(const redisReply *range, unsigned *first_out, unsigned *last_out)
{
	if (range->type != REDIS_REPLY_ARRAY || range->elements < 3 ||
	    range->element[0]->type != REDIS_REPLY_INTEGER ||
	    range->element[1]->type != REDIS_REPLY_INTEGER ||
	    range->element[2]->type != REDIS_REPLY_ARRAY || range->element[2]->elements < 2 ||
	    range->element[2]->element[1]->type != REDIS_REPLY_INTEGER)
		return false;
	if (range->element[0]->integer < 0 || range->element[1]->integer >= SLOTS ||
	    range->element[0]->integer > range->element[1]->integer)
		return false;
	*first_out = (unsigned)range->element[0]->integer;
	*last_out = (unsigned)range->element[1]->integer;
	return true;
}

/* [first, last, [host, port, ...], replicas...]; a host that is empty, or no text, is the one
 * that was asked. */
static void range_take(struct redis_port *port, const struct redis_link *asked,
		       const redisReply *range)
{
	struct redis_address address;
	unsigned first, last;
	struct span host;
	long long where;
	uint8_t node;

	if (!range_read(range, &first, &last))
		return;
	host = reply_span(range->element[2]->element[0]);
	where = range->element[2]->element[1]->integer;
	if (host.len == 0)
		host = span_cstr(asked->address.host);
	if (where < 1 || where > UINT16_MAX ||
	    redis_address_find(port, host, (uint16_t)where, &address) != OK)
		return;
	node = cluster_node(port, &address);
	if (node == NODE_NONE)
		return;
	port->node[node]->is_in_map = true;
	memset(port->slot + first, node, last - first + 1);
}

/* Nodes that serve nothing any more. */
static void leave_unused(struct redis_port *port)
{
	struct timeval now = { 0, 0 };

	for (unsigned i = 0; i < NODES_MAX; i++) {
		struct redis_link *link = port->node[i];

		if (link == NULL || link->is_in_map)
			continue;
		link_mark(link, false); /* nobody misses it */
		if (link->is_seed || link->first != NULL)
			continue;
		link->is_leaving = true;
		(void)evtimer_add(port->sweep, &now);
	}
}

void cluster_sweep(struct redis_port *port)
{
	for (unsigned i = 0; i < NODES_MAX; i++) {
		struct redis_link *link = port->node[i];

		if (link == NULL || !link->is_leaving)
			continue;
		for (unsigned slot = 0; slot < SLOTS; slot++)
			if (port->slot[slot] == i)
				port->slot[slot] = NODE_NONE;
		port->node[i] = NULL;
		link_free(link);
	}
}

static bool is_whole(const struct redis_port *port)
{
	for (unsigned i = 0; i < NODES_MAX; i++)
		if (port->node[i] != NULL && port->node[i]->is_in_map &&
		    port->node[i]->state != LINK_READY)
			return false;
	return memchr(port->slot, NODE_NONE, sizeof(port->slot)) == NULL;
}

struct map_command {
	struct redis_command command;
	struct redis_port *port;
};

void cluster_take(struct redis_port *port, const struct redis_link *asked, const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0)
		return;
	memset(port->slot, NODE_NONE, sizeof(port->slot));
	for (unsigned i = 0; i < NODES_MAX; i++)
		if (port->node[i] != NULL)
			port->node[i]->is_in_map = false;
	for (size_t i = 0; i < reply->elements; i++)
		range_take(port, asked, reply->element[i]);
	port->has_map = true;
	leave_unused(port);
}

static void map_done(struct redis_command *command, const redisReply *reply, enum fact_cause cause)
{
	struct redis_port *port = ((struct map_command *)command)->port;

	port->is_map_asked = false;
	if (cause == CAUSE_NONE)
		cluster_take(port, command->link, reply);
	if (!port->is_closing && !is_whole(port))
		cluster_learn(port);
}

static void map_ask(struct redis_port *port)
{
	struct redis_link *link = node_in_turn(port, true);
	struct span word[] = { SPAN("CLUSTER"), SPAN("SLOTS") };
	struct map_command *ask;

	if (link == NULL)
		return; /* the first that is ready asks */
	ask = (struct map_command *)command_new(sizeof(*ask), word, 2, -1);
	if (ask == NULL)
		return;
	ask->port = port;
	ask->command.done = map_done;
	ask->command.is_map = true;
	port->is_map_asked = true;
	port->map_ms = redis_clock_ms();
	link_send(link, &ask->command);
}

void cluster_learn(struct redis_port *port)
{
	int64_t wait_ms = port->map_ms + MAP_MS - redis_clock_ms();
	struct timeval time = { wait_ms / 1000, (suseconds_t)(wait_ms % 1000 * 1000) };

	if (port->is_map_asked || port->is_closing)
		return;
	if (port->map_ms == 0 || wait_ms <= 0)
		map_ask(port);
	else if (!evtimer_pending(port->map_timer, NULL))
		(void)evtimer_add(port->map_timer, &time);
}

void cluster_seed(struct redis_port *port)
{
	struct redis_link *nameless = port->node[0];

	if (nameless != NULL && nameless->address.socket_len == 0 && port->address_count > 0)
		link_move(nameless, &port->address[0]);
	for (unsigned i = 0; i < NODES_MAX; i++)
		if (port->node[i] != NULL)
			port->node[i]->is_seed = false;
	for (size_t i = 0; i < port->address_count; i++) {
		uint8_t node = cluster_node(port, &port->address[i]);

		if (node != NODE_NONE)
			port->node[node]->is_seed = true;
	}
}

void cluster_start(struct redis_port *port)
{
	const struct store_address *named = &port->port.store->options.address[0];
	struct redis_address unknown = redis_address_named(named->host, named->port);

	memset(port->slot, NODE_NONE, sizeof(port->slot));
	if (port->address_count == 0) {
		port->node[0] = link_new(port, LINK_DATA, &unknown);
		if (port->node[0] == NULL)
			return;
		port->node[0]->is_seed = true;
		link_connect(port->node[0]);
		return;
	}
	cluster_seed(port);
}
