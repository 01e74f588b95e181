/* redis_link.c -- the connection to one server: commands in line, patience, back-off.
 *
 *	SEEKING ---address---> CONNECTING ---> GREETING ---> READY
 *	   ^                        |             |            |
 *	   +------- WAITING <-------+-------------+------------+   any failure
 *
 * While it connects commands wait in line; nothing is sent before the greeting is done, for a
 * count must not land in another database.  While it waits for its next try they fail at once.
 * What is in line when a connection dies was perhaps done, and is not sent again.
 * After LINK_FAILURES_MAX failures in LINK_FAILURES_MS the server counts as down: the connection
 * is ended, and there is one try each LINK_TRY_MS.
 */
#include "store/redis_priv.h"

#include "base/ensure.h"

#include <event2/event.h>
#include <stdlib.h>

static void timer_set(struct event *timer, int64_t ms)
{
	struct timeval time = { ms / 1000, (suseconds_t)(ms % 1000 * 1000) };

	(void)evtimer_add(timer, &time);
}

void link_patience(struct redis_link *link, int64_t ms)
{
	link->has_patience = true;
	timer_set(link->patience, ms);
}

static void patience_end(struct redis_link *link)
{
	link->has_patience = false;
	(void)evtimer_del(link->patience);
}

bool link_is_away(const struct redis_link *link)
{
	return link->state == LINK_WAITING || link->is_leaving;
}

/* --- failing --- */

/* A node of a cluster that serves no slot may be away. */
static bool is_needed(const struct redis_link *link)
{
	if (link->role == LINK_SENTINEL)
		return false;
	return link->port->port.store->options.mode != STORE_CLUSTER || link->is_in_map ||
	       !link->port->has_map;
}

/* @return true: it is the one that makes too many */
static bool failure_note(struct redis_link *link)
{
	int64_t now_ms = redis_clock_ms();
	int64_t oldest_ms;

	link->failed_ms[link->failed_at] = now_ms;
	link->failed_at = (uint8_t)((link->failed_at + 1) % LINK_FAILURES_MAX);
	oldest_ms = link->failed_ms[link->failed_at];
	return oldest_ms > 0 && now_ms - oldest_ms <= LINK_FAILURES_MS;
}

void link_mark(struct redis_link *link, bool is_down)
{
	int change = (int)is_down - (int)link->is_down;

	if ((!is_down && change == 0) || (is_down && !is_needed(link)))
		return;
	link->is_down = is_down;
	redis_say_down(link->port->redis, link, change);
}

/* Half of it is luck, so that not all workers and hosts come at once. */
static int64_t back_off(struct redis_link *link)
{
	int64_t most = link->is_down ? LINK_TRY_MS : link->back_off_ms;

	link->back_off_ms = link->back_off_ms == 0 ? LINK_BACK_OFF_MS : link->back_off_ms * 2;
	if (link->back_off_ms > LINK_TRY_MS)
		link->back_off_ms = LINK_TRY_MS;
	if (link->is_down)
		return most;
	return most / 2 +
	       (most > 1 ? (int64_t)((uint64_t)rand_r(&link->luck) % (uint64_t)(most / 2)) : 0);
}

static void line_fail(struct redis_link *link, enum fact_cause cause)
{
	struct redis_command *command = link->first, *next;

	link->first = NULL;
	link->end = &link->first;
	link->length = 0;
	for (; command != NULL; command = next) {
		next = command->next;
		command_end(command, NULL, cause);
		command_free(command);
	}
}

static bool is_idle(const struct redis_link *link)
{
	return link->state == LINK_READY && link->first == NULL;
}

/* A host may have several addresses, and serve on one of them.  Whoever has waited for one that
 * does not answer does not wait for the next, too.
 *
 * @return false: all were tried
 */
static bool try_next_address(struct redis_link *link, enum fact_cause cause)
{
	const struct store_options *options = &link->port->port.store->options;
	const struct redis_port *port = link->port;
	unsigned at = 0;

	if (options->mode != STORE_SINGLE || link->state != LINK_CONNECTING ||
	    ++link->tried >= port->address_count)
		return false;
	while (at < port->address_count && !redis_address_equal(&port->address[at], &link->address))
		at++;
	link->address = port->address[(at + 1) % port->address_count];
	wire_close(link);
	link->state = LINK_SEEKING;
	link_patience(link, options->connect_ms);
	timer_set(link->again, 0);
	if (cause == CAUSE_TIMEOUT)
		line_fail(link, cause);
	return true;
}

void link_fail(struct redis_link *link, enum fact_cause cause, const char *why)
{
	struct text text = { link->why, 0, sizeof(link->why), false };

	if (try_next_address(link, cause))
		return;
	text_add(&text, span_first(span_cstr(why), WHY_MAX));
	(void)text_cstr(&text);
	/* a server may end a connection that nobody uses */
	if ((!is_idle(link) && failure_note(link)) || link->is_down)
		link_mark(link, true);
	if (!is_idle(link))
		names_ask(link->port->redis);
	if (link->state == LINK_READY && redis_clock_ms() - link->ready_ms > LINK_GOOD_MS)
		link->back_off_ms = 0; /* it was good: try again at once */
	link->tried = 0;
	wire_close(link);
	patience_end(link);
	link->state = LINK_WAITING;
	if (!link->is_leaving)
		timer_set(link->again, back_off(link));
	line_fail(link, cause);
	route_link_lost(link);
}

/* --- connecting --- */

void link_connect(struct redis_link *link)
{
	const struct store_options *options = &link->port->port.store->options;

	if (link->is_leaving || (link->state != LINK_WAITING && link->state != LINK_SEEKING))
		return;
	if (options->mode == STORE_SINGLE && link->port->address_count > 0 &&
	    !redis_address_is_known(link->port, &link->address))
		link->address = link->port->address[0];
	if (link->address.socket_len == 0) {
		link->state = LINK_SEEKING;
		link_patience(link, options->connect_ms + options->answer_ms);
		return;
	}
	link->state = LINK_CONNECTING;
	link_patience(link, options->connect_ms);
	if (wire_open(link) != OK && link->state == LINK_CONNECTING)
		link_fail(link, CAUSE_DOWN, strerror(errno));
}

void link_move(struct redis_link *link, const struct redis_address *address)
{
	bool is_same = redis_address_equal(&link->address, address);

	if (is_same && link->state != LINK_SEEKING)
		return;
	link->address = *address;
	wire_close(link);
	patience_end(link);
	(void)evtimer_del(link->again);
	memset(link->failed_ms, 0, sizeof(link->failed_ms));
	link->back_off_ms = 0;
	link->tried = 0;
	if (link->state == LINK_READY) {
		link->state = LINK_SEEKING; /* whoever asks at once waits in line */
		line_fail(link, CAUSE_DOWN);
	}
	link->state = LINK_WAITING;
	link_connect(link);
}

void link_find_again(struct redis_link *link)
{
	const struct redis_port *port = link->port;

	if (port->address_count > 0 && link->state != LINK_READY && link->state != LINK_GREETING &&
	    !redis_address_is_known(port, &link->address))
		link_move(link, &port->address[0]);
}

void link_restart(struct redis_link *link, const struct redis_address *address)
{
	wire_close(link);
	patience_end(link);
	link->address = *address;
	link->state = LINK_WAITING;
	timer_set(link->again, 0);
}

static void greet(struct redis_link *link)
{
	const struct store_options *options = &link->port->port.store->options;
	TEXT(database, 16);

	link->greeting_count = link->greeted = 0;
	if (options->password.len > 0) {
		struct span word[] = { SPAN("AUTH"), options->user, options->password };
		struct span alone[] = { SPAN("AUTH"), options->password };

		if (options->user.len > 0)
			wire_command(link, word, 3);
		else
			wire_command(link, alone, 2);
		link->greeting[link->greeting_count++] = GREET_AUTH;
	}
	if (options->database > 0 && options->mode != STORE_CLUSTER) {
		text_add_int(&database, options->database);
		wire_command(link, (struct span[]){ SPAN("SELECT"), text_span(&database) }, 2);
		link->greeting[link->greeting_count++] = GREET_SELECT;
	}
	wire_command(link, (struct span[]){ SPAN("CLIENT"), SPAN("SETNAME"), SPAN("weighd") }, 3);
	link->greeting[link->greeting_count++] = GREET_NAME;
	wire_command(link,
		     (struct span[]){ options->mode == STORE_SENTINEL ? SPAN("ROLE")
								      : SPAN("PING") },
		     1);
	link->greeting[link->greeting_count++] =
		options->mode == STORE_SENTINEL ? GREET_ROLE : GREET_PING;
}

void link_connected(struct redis_link *link)
{
	const struct store_options *options = &link->port->port.store->options;

	if (link->state != LINK_CONNECTING)
		return;
	link_patience(link, options->answer_ms);
	link->state = LINK_GREETING;
	if (link->role == LINK_SENTINEL)
		sentinel_connected(link);
	else
		greet(link);
}

static void link_write(struct redis_link *link, struct redis_command *command)
{
	int64_t patience_ms = link->port->port.store->options.answer_ms;

	command->sent = ++link->sent;
	command->sent_ms = redis_clock_ms();
	command->deadline_ms = command->sent_ms + patience_ms;
	if (!link->has_patience)
		link_patience(link, patience_ms);
	wire_write(link, command->bytes, command->len);
}

static void link_become_ready(struct redis_link *link)
{
	if (link->ready_ms > 0)
		store_count(&link->port->port.store->count.reconnects);
	patience_end(link);
	link->state = LINK_READY;
	link->ready_ms = redis_clock_ms();
	link->tried = 0;
	link_mark(link, false);
	for (struct redis_command *command = link->first; command != NULL; command = command->next)
		link_write(link, command);
	if (!link->is_mute)
		route_link_up(link);
}

static void greeting_heard(struct redis_link *link, const redisReply *reply)
{
	bool is_error = reply->type == REDIS_REPLY_ERROR;
	bool is_good = !is_error;

	ENSURE(link->greeted < link->greeting_count);
	switch (link->greeting[link->greeted++]) {
	case GREET_NAME: is_good = true; break; /* a user may lack the right to */
	case GREET_ROLE:
		is_good = is_error || (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
				       span_equal(reply_span(reply->element[0]), SPAN("master")));
		if (is_error) /* or to that: then READONLY says it, later */
			is_good = reply_kind(reply) == REPLY_REFUSED;
		break;
	case GREET_AUTH:
	case GREET_SELECT:
	case GREET_PING:
	case GREET_COUNT: break;
	}
	if (!is_good)
		link_fail(link, is_error ? reply_cause(reply) : CAUSE_DOWN,
			  is_error ? reply->str : "it is not the master");
	else if (link->greeted == link->greeting_count)
		link_become_ready(link);
}

/* --- commands in line --- */

void link_send(struct redis_link *link, struct redis_command *command)
{
	ENSURE(!link_is_away(link));
	command->link = link;
	command->next = NULL;
	*link->end = command;
	link->end = &command->next;
	link->length++;
	if (link->state == LINK_READY)
		link_write(link, command);
}

/* A server that is there but does not serve is as good as away; the connection is kept until
 * there are too many of such replies. */
static void reply_weigh(struct redis_link *link, const redisReply *reply)
{
	switch (reply_kind(reply)) {
	case REPLY_READONLY:
		redis_say_refused(link->port->redis, reply->str);
		if (link->port->port.store->options.mode != STORE_SINGLE)
			link_fail(link, CAUSE_REFUSED, "it is not the master any more");
		break;
	case REPLY_AWAY:
		if (failure_note(link)) {
			link_mark(link, true);
			link_fail(link, CAUSE_DOWN, reply->str);
		}
		break;
	case REPLY_REFUSED: redis_say_refused(link->port->redis, reply->str); break;
	case REPLY_FAULT: redis_say_refused(link->port->redis, reply->str); break;
	case REPLY_FINE:
	case REPLY_MOVED:
	case REPLY_ASK:
	case REPLY_TRYAGAIN:
	case REPLY_NOSCRIPT: break;
	}
}

void link_heard(struct redis_link *link, const redisReply *reply)
{
	struct redis_command *command = link->first;

	if (link->role == LINK_SENTINEL) {
		sentinel_heard(link, reply);
		return;
	}
	if (link->state == LINK_GREETING) {
		greeting_heard(link, reply);
		return;
	}
	if (command == NULL || link->state != LINK_READY) {
		link_fail(link, CAUSE_MALFORMED, "it replies to nothing");
		return;
	}
	link->first = command->next;
	if (link->first == NULL)
		link->end = &link->first;
	link->length--;
	route_reply(link, command, reply);
	reply_weigh(link, reply);
}

/* --- patience --- */

/* Commands stand in line in the order of their deadlines. */
static void line_expire(struct redis_link *link)
{
	int64_t now_ms = redis_clock_ms();
	int64_t answer_ms = link->port->port.store->options.answer_ms;
	bool is_too_much = false;
	struct redis_command *command;

	for (command = link->first; command != NULL; command = command->next) {
		if (command->deadline_ms > now_ms)
			break;
		if (command->is_done)
			continue;
		is_too_much |= failure_note(link);
		command_end(command, NULL, CAUSE_TIMEOUT);
	}
	if (is_too_much ||
	    (link->first != NULL && link->first->sent_ms + answer_ms * LINK_STALL_FACTOR <= now_ms))
		link_fail(link, CAUSE_TIMEOUT, "it does not answer in time");
	else if (command != NULL)
		link_patience(link, command->deadline_ms - now_ms);
	else if (link->first != NULL)
		link_patience(link, answer_ms);
}

static const char *late_words(const struct redis_link *link)
{
	if (link->state != LINK_SEEKING)
		return "it does not answer in time";
	if (link->role == LINK_DATA && link->port->port.store->options.mode == STORE_SENTINEL)
		return "no sentinel names the master";
	return names_why(link->port->redis);
}

static void on_patience(evutil_socket_t none, short events, void *self)
{
	struct redis_link *link = self;

	(void)none;
	(void)events;
	link->has_patience = false;
	if (link->is_mute) {
		link_fail(link, CAUSE_TOOLARGE, "there is no memory for what it is to be told");
		return;
	}
	if (link->state == LINK_READY && link->role == LINK_SENTINEL) {
		sentinel_tick(link);
		return;
	}
	/* We may be late ourselves: what has come meanwhile is read first. */
	link->looks_twice = !link->looks_twice;
	if (link->looks_twice)
		link_patience(link, 0);
	else if (link->state == LINK_READY)
		line_expire(link);
	else
		link_fail(link, CAUSE_TIMEOUT, late_words(link));
}

static void on_again(evutil_socket_t none, short events, void *self)
{
	(void)none;
	(void)events;
	link_connect(self);
}

/* --- life --- */

struct redis_link *link_new(struct redis_port *port, enum link_role role,
			    const struct redis_address *address)
{
	struct redis_link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return NULL;
	link->port = port;
	link->role = role;
	link->state = LINK_WAITING;
	link->end = &link->first;
	if (address != NULL)
		link->address = *address;
	link->luck = (unsigned)redis_clock_ms() ^ (unsigned)(uintptr_t)link;
	link->patience = evtimer_new(port->port.base, on_patience, link);
	link->again = evtimer_new(port->port.base, on_again, link);
	if (link->patience == NULL || link->again == NULL) {
		link_free(link);
		return NULL;
	}
	return link;
}

void link_free(struct redis_link *link)
{
	link->is_leaving = true;
	wire_close(link);
	line_fail(link, CAUSE_DOWN);
	link_mark(link, false);
	if (link->patience != NULL)
		event_free(link->patience);
	if (link->again != NULL)
		event_free(link->again);
	free(link);
}
