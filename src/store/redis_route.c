/* redis_route.c -- which server a command goes to, and what its reply sends it on to.
 */
#include "store/redis_priv.h"

#include "base/ensure.h"

#include <event2/event.h>
#include <stdlib.h>

/* --- commands --- */

struct redis_command *command_new(size_t size, const struct span *word, size_t count, int key)
{
	struct redis_command *command = calloc(1, size);
	const char *at[WORDS_MAX];
	size_t len[WORDS_MAX];
	long long bytes;

	ENSURE(count <= WORDS_MAX && size >= sizeof(*command));
	if (command == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		at[i] = word[i].at;
		len[i] = word[i].len;
	}
	bytes = redisFormatCommandArgv(&command->bytes, (int)count, at, len);
	if (bytes < 0) {
		free(command);
		return NULL;
	}
	command->len = (size_t)bytes;
	command->slot = key < 0 ? -1 : (int16_t)redis_slot(word[key]);
	command->script = -1;
	return command;
}

void command_free(struct redis_command *command)
{
	free(command->bytes);
	free(command);
}

void command_end(struct redis_command *command, const redisReply *reply, enum fact_cause cause)
{
	if (command->is_done)
		return;
	command->is_done = true;
	command->done(command, reply, cause);
}

static void command_fail(struct redis_command *command, enum fact_cause cause)
{
	command_end(command, NULL, cause);
	command_free(command);
}

/* --- commands that only prepare another --- */

static void prepared(struct redis_command *command, const redisReply *reply, enum fact_cause cause)
{
	if (cause != CAUSE_NONE && reply != NULL && command->script >= 0)
		command->link->load_refused_ms = redis_clock_ms();
}

/* @param script  that it loads; -1: none
 * @return false: no memory
 */
static bool prepare(struct redis_link *link, const struct span *word, size_t count, int8_t script)
{
	struct redis_command *command = command_new(sizeof(*command), word, count, -1);

	if (command == NULL)
		return false;
	command->done = prepared;
	command->script = script;
	link_send(link, command);
	return true;
}

/* Replies come in order: a command sent behind the last SCRIPT LOAD finds the script.
 *
 * @return false: no memory, or loading does not help
 */
static bool script_load(struct redis_link *link, struct redis_command *command)
{
	const struct redis_script *script = &link->port->redis->script[command->script];
	uint64_t *sent = &link->script_sent[command->script];
	struct span word[] = { SPAN("SCRIPT"), SPAN("LOAD"), script->text };

	if (link->load_refused_ms > 0 && redis_clock_ms() - link->load_refused_ms < LOAD_MS)
		return false;
	if (*sent > command->sent)
		return true; /* another command has seen to it */
	if (command->loads++ == LOADS_MAX || !prepare(link, word, 3, command->script))
		return false;
	*sent = link->sent;
	return true;
}

/* --- where to --- */

static struct redis_link *route(struct redis_port *port, int slot)
{
	if (port->port.store->options.mode == STORE_CLUSTER)
		return cluster_route(port, slot);
	return port->node[0];
}

void route_to(struct redis_link *link, struct redis_command *command)
{
	if (link == NULL || link_is_away(link)) {
		command_fail(command, CAUSE_DOWN);
		return;
	}
	if (command->is_asking && !prepare(link, (struct span[]){ SPAN("ASKING") }, 1, -1)) {
		command_fail(command, CAUSE_TOOLARGE);
		return;
	}
	link_send(link, command);
}

void route_command(struct redis_port *port, struct redis_command *command)
{
	route_to(route(port, command->slot), command);
}

/* --- what a reply sends it on to --- */

/* The slot is elsewhere: for good, or (ASK) this key for now. */
static void redirect(struct redis_link *link, struct redis_command *command,
		     const redisReply *reply, bool is_moved)
{
	struct redis_port *port = link->port;
	struct redis_address address = link->address;
	struct span host;
	uint16_t slot, where;
	uint8_t node;

	if (port->port.store->options.mode != STORE_CLUSTER ||
	    reply_redirection(reply, &slot, &host, &where) != OK || slot != command->slot ||
	    redis_address_find(port, host.len > 0 ? host : span_cstr(address.host), where,
			       &address) != OK ||
	    (node = cluster_node(port, &address)) == NODE_NONE) {
		command_fail(command, CAUSE_SERVFAIL);
		return;
	}
	if (is_moved) {
		port->slot[slot] = node;
		cluster_learn(port);
	}
	command->is_asking = !is_moved;
	route_to(port->node[node], command);
}

static void repeat_later(struct redis_port *port, struct redis_command *command)
{
	struct timeval time = { 0, REPEAT_MS * 1000 };

	command->link = NULL;
	command->is_asking = false;
	command->next = port->repeated;
	port->repeated = command;
	(void)evtimer_add(port->repeat, &time);
}

void route_repeat(struct redis_port *port)
{
	struct redis_command *command = port->repeated, *next;

	port->repeated = NULL;
	for (; command != NULL; command = next) {
		next = command->next;
		if (port->is_closing)
			command_fail(command, CAUSE_DOWN);
		else
			route_command(port, command);
	}
}

/* The server did not do it, and says so. */
static bool is_repeatable(enum reply_kind kind)
{
	return kind == REPLY_MOVED || kind == REPLY_ASK || kind == REPLY_TRYAGAIN ||
	       kind == REPLY_NOSCRIPT;
}

static void repeat(struct redis_link *link, struct redis_command *command, const redisReply *reply,
		   enum reply_kind kind)
{
	command->repeats++;
	if (kind == REPLY_MOVED || kind == REPLY_ASK)
		redirect(link, command, reply, kind == REPLY_MOVED);
	else if (kind == REPLY_TRYAGAIN)
		repeat_later(link->port, command);
	else if (command->script >= 0 && script_load(link, command))
		route_to(link, command);
	else
		command_fail(command, CAUSE_SERVFAIL);
}

void route_reply(struct redis_link *link, struct redis_command *command, const redisReply *reply)
{
	enum reply_kind kind = reply_kind(reply);

	if (!command->is_done && is_repeatable(kind) && command->repeats < REPEATS_MAX) {
		repeat(link, command, reply, kind);
		return;
	}
	command_end(command, reply, kind == REPLY_FINE ? CAUSE_NONE : reply_cause(reply));
	command_free(command);
}

/* --- servers come and go --- */

void route_link_up(struct redis_link *link)
{
	if (link->port->port.store->options.mode == STORE_CLUSTER)
		cluster_learn(link->port);
}

void route_link_lost(struct redis_link *link)
{
	struct redis_port *port = link->port;

	if (port->is_closing || link->is_leaving)
		return;
	switch (port->port.store->options.mode) {
	case STORE_SINGLE: break;
	case STORE_CLUSTER: cluster_learn(port); break;
	case STORE_SENTINEL: sentinel_next(port, link); break;
	}
}
