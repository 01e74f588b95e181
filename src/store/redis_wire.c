/* redis_wire.c -- the transport of a link: a bufferevent, plain or TLS.
 *
 * What is written in one turn of the loop leaves in one write; in a busy turn as soon as there is
 * some of it, so that the server works while we do.
 */
#include "store/redis_priv.h"

#include "base/ensure.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

enum { READ_BYTES = 16 * 1024, BURST_BYTES = 4096 };

static void on_bytes(struct bufferevent *wire, void *self)
{
	struct redis_link *link = self;
	struct evbuffer *input = bufferevent_get_input(wire);
	char bytes[READ_BYTES];
	int got;

	while (link->wire == wire && (got = evbuffer_remove(input, bytes, sizeof(bytes))) > 0)
		reader_feed(link, bytes, (size_t)got);
}

/* --- connecting --- */

static void fault_words(struct bufferevent *wire, short events, struct text *why)
{
	unsigned long error = bufferevent_get_openssl_error(wire);
	const SSL *session = bufferevent_openssl_get_ssl(wire);
	long verified = session != NULL ? SSL_get_verify_result(session) : X509_V_OK;
	int number = EVUTIL_SOCKET_ERROR();

	if (verified != X509_V_OK)
		text_addf(why, "its certificate: %s", X509_verify_cert_error_string(verified));
	else if (error != 0 && ERR_reason_error_string(error) != NULL)
		text_addf(why, "TLS: %s", ERR_reason_error_string(error));
	else if (events & BEV_EVENT_EOF)
		text_add(why, SPAN("it closed the connection"));
	else
		text_add(why, span_cstr(evutil_socket_error_to_string(number)));
}

static void on_event(struct bufferevent *wire, short events, void *self)
{
	struct redis_link *link = self;
	int one = 1;
	TEXT(why, WHY_MAX);

	if (events & BEV_EVENT_CONNECTED) {
		/* fails on a Unix socket, where it is not needed */
		(void)setsockopt(bufferevent_getfd(wire), IPPROTO_TCP, TCP_NODELAY, &one,
				 sizeof(one));
		link_connected(link);
		return;
	}
	fault_words(wire, events, &why);
	link_fail(link, CAUSE_DOWN, text_cstr(&why));
}

static struct bufferevent *wire_new(struct redis_link *link)
{
	struct event_base *base = link->port->port.base;
	struct bufferevent *wire;
	SSL *session;

	if (link->port->redis->tls == NULL)
		return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	session = redis_tls_session(link->port->redis, &link->address);
	if (session == NULL)
		return NULL;
	wire = bufferevent_openssl_socket_new(base, -1, session, BUFFEREVENT_SSL_CONNECTING,
					      BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (wire == NULL)
		SSL_free(session);
	return wire;
}

enum err wire_open(struct redis_link *link)
{
	struct sockaddr *socket = (struct sockaddr *)&link->address.socket;
	bool begins;

	ENSURE(link->wire == NULL && link->reader == NULL);
	link->wire = wire_new(link);
	if (link->wire == NULL)
		return ERR_SYSTEM;
	bufferevent_setcb(link->wire, on_bytes, NULL, on_event, link);
	begins = reader_open(link) == OK &&
		 bufferevent_enable(link->wire, EV_READ | EV_WRITE) == 0 &&
		 bufferevent_socket_connect(link->wire, socket, (int)link->address.socket_len) == 0;
	if (!begins)
		wire_close(link); /* unless on_event() has */
	return begins ? OK : ERR_SYSTEM;
}

void wire_close(struct redis_link *link)
{
	if (link->wire != NULL)
		bufferevent_free(link->wire);
	link->wire = NULL;
	link->is_mute = false;
	reader_close(link);
}

/* --- writing --- */

/* What does not leave now leaves in the next turn, and so is a fault met there.  (The bufferevent
 * keeps its output from being taken by others.) */
static void send_burst(struct redis_link *link)
{
	struct evbuffer *output = bufferevent_get_output(link->wire);

	if (link->port->redis->tls != NULL || evbuffer_get_length(output) < BURST_BYTES)
		return;
	(void)evbuffer_unfreeze(output, 1);
	(void)evbuffer_write(output, bufferevent_getfd(link->wire));
	(void)evbuffer_freeze(output, 1);
}

void wire_write(struct redis_link *link, const char *bytes, size_t len)
{
	/* Once the server has missed a command, its replies to all behind it are another's. */
	if (link->is_mute)
		return;
	if (bufferevent_write(link->wire, bytes, len) == 0) {
		send_burst(link);
		return;
	}
	link->is_mute = true;
	link_patience(link, 0);
}

void wire_command(struct redis_link *link, const struct span *word, size_t count)
{
	const char *at[GREETING_WORDS_MAX];
	size_t len[GREETING_WORDS_MAX];
	char *bytes;
	int size;

	ENSURE(count <= GREETING_WORDS_MAX);
	for (size_t i = 0; i < count; i++) {
		at[i] = word[i].at;
		len[i] = word[i].len;
	}
	size = (int)redisFormatCommandArgv(&bytes, (int)count, at, len);
	if (size < 0) {
		link->is_mute = true;
		link_patience(link, 0);
		return;
	}
	wire_write(link, bytes, (size_t)size);
	free(bytes);
}
