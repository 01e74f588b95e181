/* resolve_cares.c -- c-ares, for resolvers on loopback.
 *
 * It sends all its questions from one port, so it is for resolvers that nobody can forge
 * answers of; there it costs a fifth of what libunbound does.  What we have found out about it
 * (1.18), and what stands here against it:
 *
 * - A TCP connection that breaks takes all questions to that server along, UDP ones too: so
 *   the channel for UDP only says that an answer is truncated, and each question that needs
 *   TCP has a channel for itself, which the tick closes.
 * - On the first FORMERR it leaves EDNS for good, and then cuts answers to 512 bytes without
 *   a word: so we ask again without EDNS ourselves, and take 512 bytes for truncated.
 * - ares_timeout() goes through all questions in flight: so a steady tick looks after timeouts.
 * - It reads the host's resolv.conf: so it gets an empty one.
 * - A question cannot be taken back: so it ends by itself, in three patiences (late answers
 *   still fill the cache).
 */
#define CARES_NO_DEPRECATED /* what 1.18 and 1.34 have in common is deprecated in the latter */
#include "base/ensure.h"
#include "sources/dns_resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
	TRIES = 4, /* at 0, 1, 3 and 7 times the first timeout; the end at 15 times */
	FIRST_TIMEOUTS_PER_PATIENCE = 5,
	FIRST_TIMEOUT_MS_MIN = 50,
	TICK_MS = 50,
	EDNS_BYTES = 4096,
	CUT_BYTES = 512,
	/* hundreds of questions leave, and answers come, in one turn of the loop */
	SOCKET_BUFFER_BYTES = 4 * 1024 * 1024,
	IDS_COUNT = 128,
	OPT_BYTES = 11,
	TCP_CHANNELS_MAX = 128,
	QUERY_BYTES_MAX = DNS_HEADER_BYTES + DNS_WIRE_NAME_MAX + 4 + OPT_BYTES,
};

enum stage { STAGE_UDP, STAGE_UDP_PLAIN, STAGE_TCP };

/* A socket of a channel, on our loop. */
struct cares_socket {
	struct cares_socket *next;
	struct cares_channel *channel;
	struct event *event;
	ares_socket_t fd;
};

struct cares_channel {
	struct cares_channel *next;
	struct event_base *base;
	ares_channel ares;
	struct cares_socket *socket;
	const struct dns_question *question; /* TCP: the one it is open for; NULL: idle */
};

struct cares {
	struct dns_resolver_options options;
	struct dns_address address[RESOLV_CONF_SERVERS_MAX];
	struct cares_channel udp;
	struct cares_channel *tcp;
	size_t tcp_count;
	struct event *tick;
	uint32_t in_flight;
	uint16_t id[IDS_COUNT]; /* random */
	size_t ids_left;
};

static uint16_t cares_next_id(struct cares *cares)
{
	if (cares->ids_left == 0) {
		ENSURE(getrandom(cares->id, sizeof(cares->id), 0) == sizeof(cares->id));
		cares->ids_left = IDS_COUNT;
	}
	return cares->id[--cares->ids_left];
}

/* sockets */

static void socket_ready(evutil_socket_t fd, short what, void *arg)
{
	struct cares_socket *s = arg;

	/* s may be gone afterwards */
	ares_process_fd(s->channel->ares, (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
			(what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
}

static void socket_close(struct cares_socket **link)
{
	struct cares_socket *s = *link;

	*link = s->next;
	if (s->event != NULL)
		event_free(s->event);
	free(s);
}

/** c-ares tells what it waits for on a socket; nothing: it closes it. */
static void socket_changed(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct cares_channel *channel = arg;
	struct cares_socket **link = &channel->socket;
	short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

	while (*link != NULL && (*link)->fd != fd)
		link = &(*link)->next;
	if (what == 0) {
		if (*link != NULL)
			socket_close(link);
		return;
	}
	if (*link == NULL) {
		*link = calloc(1, sizeof(**link));
		if (*link == NULL)
			return; /* the questions on it will time out */
		(*link)->channel = channel;
		(*link)->fd = fd;
	}
	if ((*link)->event != NULL)
		event_free((*link)->event);
	(*link)->event =
		event_new(channel->base, fd, (short)(what | EV_PERSIST), socket_ready, *link);
	if ((*link)->event != NULL)
		(void)event_add((*link)->event, NULL);
}

/* channels */

static bool channel_set_servers(struct cares_channel *channel,
				const struct dns_resolver_options *options)
{
	struct ares_addr_port_node node[RESOLV_CONF_SERVERS_MAX] = { 0 };
	size_t count = options->address_count;

	for (size_t i = 0; i < count; i++) {
		const struct ip *ip = &options->address[i].address;

		node[i].next = i + 1 < count ? &node[i + 1] : NULL;
		node[i].family = ip->family == IP_V4 ? AF_INET : AF_INET6;
		if (ip->family == IP_V4)
			memcpy(&node[i].addr.addr4, ip->byte, sizeof(node[i].addr.addr4));
		else
			memcpy(&node[i].addr.addr6, ip->byte, sizeof(node[i].addr.addr6));
		node[i].udp_port = node[i].tcp_port = options->address[i].port;
	}
	return ares_set_servers_ports(channel->ares, node) == ARES_SUCCESS;
}

static bool channel_open(struct cares_channel *channel, const struct dns_resolver_options *options,
			 int flags)
{
	static char lookups[] = "b", no_file[] = "/dev/null";
	bool is_tcp = (flags & ARES_FLAG_USEVC) != 0;
	/* TCP resends by itself */
	uint32_t parts = is_tcp ? 1 : FIRST_TIMEOUTS_PER_PATIENCE;
	int timeout_ms = (int)(options->question_ms / parts / (uint32_t)options->address_count);
	struct ares_options ares = {
		.flags = flags | ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.timeout = timeout_ms < FIRST_TIMEOUT_MS_MIN ? FIRST_TIMEOUT_MS_MIN : timeout_ms,
		.tries = is_tcp ? 1 : TRIES,
		.lookups = lookups,
		.resolvconf_path = no_file,
		.sock_state_cb = socket_changed,
		.sock_state_cb_data = channel,
		.socket_send_buffer_size = SOCKET_BUFFER_BYTES,
		.socket_receive_buffer_size = SOCKET_BUFFER_BYTES,
		.ednspsz = EDNS_BYTES,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
		   ARES_OPT_DOMAINS | ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB |
		   ARES_OPT_SOCK_SNDBUF | ARES_OPT_SOCK_RCVBUF | ARES_OPT_EDNSPSZ |
		   ARES_OPT_NOROTATE;

	channel->base = options->base;
	if (ares_init_options(&channel->ares, &ares, mask) != ARES_SUCCESS) {
		channel->ares = NULL;
		return false;
	}
	return channel_set_servers(channel, options);
}

static void channel_close(struct cares_channel *channel)
{
	ares_channel ares = channel->ares;

	channel->ares = NULL;
	if (ares != NULL)
		ares_destroy(ares);
	while (channel->socket != NULL)
		socket_close(&channel->socket);
}

/* The channel of a finished question may not be closed from its callback. */
static void tcp_close_idle(struct cares *cares)
{
	struct cares_channel **link = &cares->tcp;

	while (*link != NULL) {
		struct cares_channel *tcp = *link;

		if (tcp->question != NULL) {
			link = &tcp->next;
			continue;
		}
		*link = tcp->next;
		channel_close(tcp);
		free(tcp);
		cares->tcp_count--;
	}
}

/** @return NULL: too many already, or no memory */
static struct cares_channel *tcp_open(struct cares *cares, const struct dns_question *question)
{
	struct cares_channel *tcp;

	if (cares->tcp_count == TCP_CHANNELS_MAX)
		return NULL;
	tcp = calloc(1, sizeof(*tcp));
	if (tcp == NULL)
		return NULL;
	if (!channel_open(tcp, &cares->options, ARES_FLAG_USEVC)) {
		channel_close(tcp);
		free(tcp);
		return NULL;
	}
	tcp->question = question;
	tcp->next = cares->tcp;
	cares->tcp = tcp;
	cares->tcp_count++;
	return tcp;
}

static void tick_set(struct cares *cares)
{
	static const struct timeval tick = { 0, TICK_MS * 1000 };

	(void)event_add(cares->tick, &tick);
}

static void ticked(evutil_socket_t fd, short what, void *arg)
{
	struct cares *cares = arg;

	(void)fd;
	(void)what;
	ares_process_fd(cares->udp.ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	for (struct cares_channel *tcp = cares->tcp; tcp != NULL; tcp = tcp->next)
		ares_process_fd(tcp->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	tcp_close_idle(cares);
	if (cares->in_flight > 0)
		tick_set(cares);
}

/* questions */

static void store_16(uint8_t *at, unsigned number)
{
	at[0] = (uint8_t)(number >> 8);
	at[1] = (uint8_t)number;
}

static size_t query_write(const struct dns_asked *asked, bool has_edns, uint8_t *out)
{
	size_t len = DNS_HEADER_BYTES;

	memset(out, 0, QUERY_BYTES_MAX);
	store_16(out, asked->id);
	out[2] = 0x01; /* recursion desired */
	store_16(out + 4, 1);
	memcpy(out + len, asked->name, asked->name_len);
	len += asked->name_len;
	store_16(out + len, dns_type_of(asked->kind));
	store_16(out + len + 2, 1);
	len += 4;
	if (has_edns) {
		store_16(out + 10, 1);
		store_16(out + len + 1, 41); /* OPT, owner the root */
		store_16(out + len + 3, EDNS_BYTES);
		len += OPT_BYTES;
	}
	return len;
}

static void cares_answered(void *arg, int status, int timeouts, unsigned char *packet, int len);

/** It is no longer under way, with any channel. */
static void cares_let_go(struct cares *cares, const struct dns_question *question)
{
	cares->in_flight--;
	for (struct cares_channel *tcp = cares->tcp; tcp != NULL; tcp = tcp->next)
		if (tcp->question == question)
			tcp->question = NULL;
}

static void cares_end(struct cares *cares, struct dns_question *question, enum fact_cause cause)
{
	cares_let_go(cares, question);
	dns_unresolved(question, cause);
}

static void cares_send(struct cares *cares, struct dns_question *question, enum stage stage)
{
	struct cares_channel *channel = &cares->udp;
	uint8_t query[QUERY_BYTES_MAX];
	size_t len;

	if (stage == STAGE_TCP) {
		channel = tcp_open(cares, question);
		if (channel == NULL) {
			cares_end(cares, question, CAUSE_TOOLARGE);
			return;
		}
	}
	question->asked.id = cares_next_id(cares);
	question->stage = (uint8_t)stage;
	len = query_write(&question->asked, stage == STAGE_UDP, query);
	ares_send(channel->ares, query, (int)len, cares_answered, question);
}

/** In which other way an answer calls for its question to be asked again.
 *
 * @return the stage that it is in: in none
 */
static enum stage stage_after(enum stage stage, const uint8_t *packet, size_t len)
{
	enum { FORMERR = 1 };

	if (stage == STAGE_UDP && dns_packet_rcode(packet, len) == FORMERR)
		return STAGE_UDP_PLAIN;
	if (dns_packet_is_truncated(packet, len) || len == CUT_BYTES || len >= EDNS_BYTES)
		return STAGE_TCP;
	return stage;
}

static void cares_take(struct cares *cares, struct dns_question *question, const uint8_t *packet,
		       size_t len)
{
	enum stage stage = (enum stage)question->stage;
	enum stage next = stage == STAGE_TCP ? stage : stage_after(stage, packet, len);

	if (next != stage) {
		cares_send(cares, question, next);
		return;
	}
	cares_let_go(cares, question);
	dns_resolved(question, packet, len);
}

static enum fact_cause cause_of(int status)
{
	if (status == ARES_ETIMEOUT)
		return CAUSE_TIMEOUT;
	return status == ARES_ENOMEM ? CAUSE_TOOLARGE : CAUSE_DOWN;
}

static void cares_answered(void *arg, int status, int timeouts, unsigned char *packet, int len)
{
	struct dns_question *question = arg;
	struct cares *cares = question->resolver;

	(void)timeouts;
	if (status == ARES_SUCCESS && packet != NULL && len > 0) {
		cares_take(cares, question, packet, (size_t)len);
		return;
	}
	cares_end(cares, question, cause_of(status));
}

static void cares_ask(void *self, struct dns_question *question)
{
	struct cares *cares = self;

	if (cares->in_flight++ == 0)
		tick_set(cares);
	cares_send(cares, question, STAGE_UDP);
}

/* life */

static void library_init(void)
{
	ENSURE(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS);
}

static void cares_stop(void *self)
{
	struct cares *cares = self;

	channel_close(&cares->udp);
	for (struct cares_channel *tcp = cares->tcp; tcp != NULL; tcp = tcp->next)
		channel_close(tcp);
	tcp_close_idle(cares);
	if (cares->tick != NULL)
		event_free(cares->tick);
	free(cares);
}

static void *cares_start(const struct dns_resolver_options *options, const char **why_out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct cares *cares = calloc(1, sizeof(*cares));

	*why_out = "c-ares does not start";
	if (cares == NULL)
		return NULL;
	pthread_once(&once, library_init);
	cares->options = *options;
	cares->options.address = cares->address;
	if (cares->options.address_count > RESOLV_CONF_SERVERS_MAX)
		cares->options.address_count = RESOLV_CONF_SERVERS_MAX;
	memcpy(cares->address, options->address,
	       cares->options.address_count * sizeof(*cares->address));
	cares->tick = evtimer_new(options->base, ticked, cares);
	if (cares->tick == NULL ||
	    !channel_open(&cares->udp, &cares->options,
			  ARES_FLAG_IGNTC | ARES_FLAG_EDNS | ARES_FLAG_STAYOPEN)) {
		cares_stop(cares);
		return NULL;
	}
	return cares;
}

const struct dns_resolver_class dns_resolver_cares = {
	.name = "c-ares",
	.start = cares_start,
	.ask = cares_ask,
	.stop = cares_stop,
};
