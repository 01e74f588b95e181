/* redis_sentinel.c -- who the master is, by Sentinel.
 *
 * One sentinel after the other is asked; the first that answers is listened to, for it tells of
 * a new master (+switch-master).  The master itself is asked for its ROLE before it is used.
 * Source: "Sentinel client spec", redis.io.
 */
#include "store/redis_priv.h"

#include "base/number.h"

static void ask(struct redis_link *link)
{
	struct span master = link->port->port.store->options.master;

	wire_command(link,
		     (struct span[]){ SPAN("SENTINEL"), SPAN("get-master-addr-by-name"), master },
		     3);
	wire_command(link, (struct span[]){ SPAN("SUBSCRIBE"), SPAN("+switch-master") }, 2);
}

void sentinel_connected(struct redis_link *link)
{
	link->refused_count = 0;
	ask(link);
}

/* Only where it is wanted: to a sentinel without a password AUTH is an error. */
static bool authenticate(struct redis_link *link)
{
	const struct store_options *options = &link->port->port.store->options;
	struct span word[] = { SPAN("AUTH"), options->user, options->password };
	struct span alone[] = { SPAN("AUTH"), options->password };

	if (options->password.len == 0)
		return false;
	wire_command(link, options->user.len > 0 ? word : alone, options->user.len > 0 ? 3 : 2);
	ask(link);
	return true;
}

static void master_is(struct redis_link *link, struct span host, struct span port_word)
{
	struct redis_port *port = link->port;
	struct redis_address address;
	int64_t where;

	if (number_parse(port_word, &where) != OK || where < 1 || where > UINT16_MAX ||
	    redis_address_find(port, host, (uint16_t)where, &address) != OK) {
		link_fail(link, CAUSE_MALFORMED, "the master's address is no number");
		return;
	}
	if (link->state == LINK_GREETING) {
		link->state = LINK_READY;
		link->ready_ms = redis_clock_ms();
		link_patience(link, SENTINEL_PING_MS);
	}
	link_move(port->node[0], &address);
}

/* "NAME OLD-HOST OLD-PORT HOST PORT" */
static void switched(struct redis_link *link, struct span text)
{
	struct span word[5] = { 0 };

	for (size_t i = 0; i < 5; i++)
		if (!span_cut(&text, ' ', &word[i]))
			return;
	if (span_equal(word[0], link->port->port.store->options.master))
		master_is(link, word[3], word[4]);
}

static void heard_words(struct redis_link *link, const redisReply *reply)
{
	struct span first = reply_span(reply->element[0]);

	if (span_equal(first, SPAN("pong")) || span_equal(first, SPAN("subscribe")))
		return;
	if (reply->elements == 3 && span_equal(first, SPAN("message")))
		switched(link, reply_span(reply->element[2]));
	else if (reply->elements == 2)
		master_is(link, first, reply_span(reply->element[1]));
}

void sentinel_heard(struct redis_link *link, const redisReply *reply)
{
	bool is_refused = reply->type == REDIS_REPLY_ERROR && reply_kind(reply) == REPLY_REFUSED;

	link->has_heard = true;
	if (is_refused && ++link->refused_count <= 2) {
		/* both that were sent are refused, and asked again behind AUTH */
		if (link->refused_count == 2 || authenticate(link))
			return;
	}
	if (reply->type == REDIS_REPLY_ERROR)
		link_fail(link, reply_cause(reply), reply->str);
	else if (reply->type == REDIS_REPLY_NIL)
		link_fail(link, CAUSE_MALFORMED, "it does not know the master's name");
	else if (reply->type == REDIS_REPLY_ARRAY && reply->elements >= 2)
		heard_words(link, reply);
}

void sentinel_tick(struct redis_link *link)
{
	if (!link->has_heard) {
		link_fail(link, CAUSE_TIMEOUT, "it does not answer in time");
		return;
	}
	link->has_heard = false;
	wire_command(link, (struct span[]){ SPAN("PING") }, 1);
	link_patience(link, SENTINEL_PING_MS);
}

void sentinel_next(struct redis_port *port, const struct redis_link *lost)
{
	struct redis_link *sentinel = port->sentinel;

	if (port->address_count == 0)
		return;
	port->sentinel_at = (uint8_t)((port->sentinel_at + 1) % port->address_count);
	if (lost == sentinel)
		sentinel->address = port->address[port->sentinel_at];
	else if (sentinel->state == LINK_READY)
		link_restart(sentinel, &port->address[port->sentinel_at]);
}

void sentinel_start(struct redis_port *port)
{
	const struct store_options *options = &port->port.store->options;
	const struct store_address *named = &options->address[0];
	struct redis_address unknown = redis_address_named(named->host, named->port);
	struct redis_address master = { .socket_len = 0 };
	struct text label = { master.label, 0, sizeof(master.label), false };

	text_addf(&label, "master %.*s", SPAN_ARG(options->master));
	(void)text_cstr(&label);
	port->node[0] = link_new(port, LINK_DATA, &master);
	port->sentinel = link_new(port, LINK_SENTINEL,
				  port->address_count > 0 ? &port->address[0] : &unknown);
	if (port->node[0] == NULL || port->sentinel == NULL)
		return;
	link_connect(port->node[0]);
	link_connect(port->sentinel);
}
