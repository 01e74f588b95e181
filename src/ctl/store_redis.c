/* store_redis.c -- can the Redis servers of a configuration be used?
 *
 * Each one that is named is asked by a connection of its own, one question after the other, as
 * an administrator would by hand; hiredis formats and parses.
 */
#include "base/number.h"
#include "ctl/store_check.h"
#include "daemon/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_MS = 3000, LABEL_ROOM = 300, WORDS_MAX = 4, SLOTS = 16384 };

struct server {
	struct checkup *checkup;
	const struct store_options *options;
	char host[256], port[8], label[LABEL_ROOM];
	int fd;
	SSL_CTX *tls;
	SSL *session;
	redisReader *reader;
	int64_t took_us; /* of the last question */
	bool is_foreign; /* a server has named it */
};

/* --- the connection --- */

static void say_fault(const struct server *server, const char *what, const char *why)
{
	checkup_say(server->checkup, CHECKUP_FAIL, "redis %s: %s: %s", server->label, what, why);
}

static bool wait_for(int fd, short events)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	if (poll(&poll_fd, 1, PATIENCE_MS) == 1)
		return true;
	errno = ETIMEDOUT;
	return false;
}

static int connect_to(const struct sockaddr *address, socklen_t len)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t error_len = sizeof(int);
	int error = 0;

	if (fd < 0)
		return -1;
	if (connect(fd, address, len) == 0)
		return fd;
	if (errno == EINPROGRESS && wait_for(fd, POLLOUT) &&
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) == 0 && error == 0)
		return fd;
	if (error != 0)
		errno = error;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static bool open_path(struct server *server, struct span path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (path.len >= sizeof(address.sun_path)) {
		say_fault(server, "no connection", "the path is too long");
		return false;
	}
	memcpy(address.sun_path, path.at, path.len);
	server->fd = connect_to((const struct sockaddr *)&address, sizeof(address));
	if (server->fd < 0)
		say_fault(server, "no connection", strerror(errno));
	return server->fd >= 0;
}

/* What a server has named stands in the configuration, too, or is a number. */
static bool is_ours(const struct server *server)
{
	for (uint8_t i = 0; i < server->options->address_count; i++)
		if (span_equal_nocase(server->options->address[i].host, span_cstr(server->host)))
			return true;
	return !server->is_foreign;
}

/* The administrator's own names. */
static bool open_host(struct server *server)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = is_ours(server) ? 0 : AI_NUMERICHOST };
	struct addrinfo *found = NULL;
	int status = getaddrinfo(server->host, server->port, &hints, &found);
	int error = 0;

	if (status != 0) {
		say_fault(server, "no address", gai_strerror(status));
		return false;
	}
	for (const struct addrinfo *at = found; at != NULL && server->fd < 0; at = at->ai_next) {
		server->fd = connect_to(at->ai_addr, at->ai_addrlen);
		error = errno;
	}
	freeaddrinfo(found);
	if (server->fd < 0)
		say_fault(server, "no connection", strerror(error));
	return server->fd >= 0;
}

/* --- TLS --- */

static const char *tls_words(void)
{
	const char *reason = ERR_reason_error_string(ERR_get_error());

	ERR_clear_error();
	return reason != NULL ? reason : "no reason given";
}

static bool tls_load(SSL_CTX *tls, const struct store_options *options)
{
	TEXT(ca, 4096);
	TEXT(certificate, 4096);
	TEXT(key, 4096);

	text_add(&ca, options->ca_file);
	text_add(&certificate, options->certificate_file);
	text_add(&key, options->key_file.len > 0 ? options->key_file : options->certificate_file);
	if (!(ca.len > 0 ? SSL_CTX_load_verify_locations(tls, text_cstr(&ca), NULL)
			 : SSL_CTX_set_default_verify_paths(tls)))
		return false;
	return certificate.len == 0 ||
	       (SSL_CTX_use_certificate_chain_file(tls, text_cstr(&certificate)) == 1 &&
		SSL_CTX_use_PrivateKey_file(tls, text_cstr(&key), SSL_FILETYPE_PEM) == 1);
}

static bool tls_names(const struct server *server)
{
	unsigned char number[sizeof(struct in6_addr)];

	if (server->host[0] == '\0')
		return true;
	if (inet_pton(AF_INET, server->host, number) == 1 ||
	    inet_pton(AF_INET6, server->host, number) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(server->session),
						     server->host) == 1;
	return SSL_set1_host(server->session, server->host) == 1 &&
	       SSL_set_tlsext_host_name(server->session, server->host) == 1;
}

/* What SSL_read() and its like want before they go on; false: nothing helps, or too late. */
static bool tls_waits(const struct server *server, int result)
{
	switch (SSL_get_error(server->session, result)) {
	case SSL_ERROR_WANT_READ: return wait_for(server->fd, POLLIN);
	case SSL_ERROR_WANT_WRITE: return wait_for(server->fd, POLLOUT);
	default: return false;
	}
}

static bool open_tls(struct server *server)
{
	int result;

	if (!server->options->has_tls)
		return true;
	server->tls = SSL_CTX_new(TLS_client_method());
	if (server->tls == NULL || !tls_load(server->tls, server->options)) {
		say_fault(server, "TLS", tls_words());
		return false;
	}
	SSL_CTX_set_verify(server->tls, SSL_VERIFY_PEER, NULL);
	server->session = SSL_new(server->tls);
	if (server->session == NULL || !tls_names(server) ||
	    SSL_set_fd(server->session, server->fd) != 1) {
		say_fault(server, "TLS", tls_words());
		return false;
	}
	do
		result = SSL_connect(server->session);
	while (result != 1 && tls_waits(server, result));
	if (result != 1)
		say_fault(server, "TLS", tls_words());
	return result == 1;
}

/* --- questions --- */

static bool send_all(struct server *server, struct span bytes)
{
	while (bytes.len > 0) {
		ssize_t count = server->session != NULL
					? SSL_write(server->session, bytes.at, (int)bytes.len)
					: send(server->fd, bytes.at, bytes.len, MSG_NOSIGNAL);

		if (count > 0)
			bytes = span_from(bytes, (size_t)count);
		else if (server->session != NULL
				 ? !tls_waits(server, (int)count)
				 : errno != EAGAIN || !wait_for(server->fd, POLLOUT))
			return false;
	}
	return true;
}

/* Some bytes into the reader; false: the other side has closed, or says nothing. */
static bool receive_some(struct server *server)
{
	char bytes[16384];

	for (;;) {
		ssize_t count = server->session != NULL
					? SSL_read(server->session, bytes, sizeof(bytes))
					: recv(server->fd, bytes, sizeof(bytes), 0);

		if (count > 0)
			return redisReaderFeed(server->reader, bytes, (size_t)count) == REDIS_OK;
		if (server->session != NULL
			    ? !tls_waits(server, (int)count)
			    : count == 0 || errno != EAGAIN || !wait_for(server->fd, POLLIN))
			return false;
	}
}

/* @return NULL: no answer, which is said; to be freed */
static redisReply *ask(struct server *server, const struct span *word, int count)
{
	const char *words[WORDS_MAX];
	size_t lens[WORDS_MAX];
	uint64_t begun_us = clock_us();
	void *reply = NULL;
	char *command;
	long long len;
	bool is_sent;

	for (int i = 0; i < count; i++) {
		words[i] = word[i].at;
		lens[i] = word[i].len;
	}
	len = redisFormatCommandArgv(&command, count, words, lens);
	if (len < 0)
		return NULL;
	is_sent = send_all(server, span_of(command, (size_t)len));
	redisFreeCommand(command);
	while (is_sent && redisReaderGetReply(server->reader, &reply) == REDIS_OK &&
	       reply == NULL && receive_some(server))
		;
	server->took_us = (int64_t)(clock_us() - begun_us);
	if (reply == NULL)
		say_fault(server, word[0].at, "no answer");
	return reply;
}

/* The same; an error is said, and freed, too. */
static redisReply *ask_well(struct server *server, const struct span *word, int count)
{
	redisReply *reply = ask(server, word, count);

	if (reply == NULL || reply->type != REDIS_REPLY_ERROR)
		return reply;
	say_fault(server, word[0].at, reply->str);
	freeReplyObject(reply);
	return NULL;
}

static bool greet(struct server *server, bool is_sentinel)
{
	const struct store_options *options = server->options;
	struct span named[] = { SPAN("AUTH"), options->user, options->password };
	struct span alone[] = { SPAN("AUTH"), options->password };
	struct span ping[] = { SPAN("PING") };
	redisReply *reply;

	if (options->password.len > 0 && !is_sentinel) {
		reply = options->user.len > 0 ? ask_well(server, named, 3)
					      : ask_well(server, alone, 2);
		if (reply == NULL)
			return false;
		freeReplyObject(reply);
	}
	reply = ask_well(server, ping, 1);
	if (reply == NULL)
		return false;
	freeReplyObject(reply);
	checkup_say(server->checkup,
		    server->took_us / 1000 > options->answer_ms ? CHECKUP_NOTE : CHECKUP_OK,
		    "redis %s: answers in %lld.%03lld ms", server->label,
		    (long long)(server->took_us / 1000), (long long)(server->took_us % 1000));
	return true;
}

static bool server_open(struct server *server, struct span path)
{
	server->fd = -1;
	server->reader = redisReaderCreate();
	if (server->reader == NULL)
		return false;
	return (path.len > 0 ? open_path(server, path) : open_host(server)) && open_tls(server);
}

static void server_close(struct server *server)
{
	SSL_free(server->session);
	SSL_CTX_free(server->tls);
	if (server->reader != NULL)
		redisReaderFree(server->reader);
	if (server->fd >= 0)
		close(server->fd);
}

/* --- what they say of themselves --- */

/* A line "name:value" of INFO; empty where there is none. */
static struct span info_value(struct span info, struct span name)
{
	struct span rest = info, line;

	while (span_cut(&rest, '\n', &line))
		if (span_starts(line, name) && line.len > name.len && line.at[name.len] == ':') {
			line = span_from(line, name.len + 1);
			return span_ends(line, SPAN("\r")) ? span_first(line, line.len - 1) : line;
		}
	return SPAN("");
}

static struct span reply_text(const redisReply *reply)
{
	bool is_text = reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS;

	return is_text ? span_of(reply->str, reply->len) : SPAN("");
}

static void say_role(const struct server *server, struct span info)
{
	bool is_cluster = server->options->mode == STORE_CLUSTER;
	struct span role = info_value(info, SPAN("role"));
	struct span link = info_value(info, SPAN("master_link_status"));

	if (span_equal(role, SPAN("master")))
		checkup_say(server->checkup, CHECKUP_OK, "redis %s: master, version %.*s",
			    server->label, SPAN_ARG(info_value(info, SPAN("redis_version"))));
	else if (span_equal(role, SPAN("slave")) && is_cluster)
		checkup_say(server->checkup, CHECKUP_OK,
			    "redis %s: replica, link to its master %.*s", server->label,
			    SPAN_ARG(link));
	else
		checkup_say(server->checkup, CHECKUP_FAIL,
			    "redis %s: it is '%.*s', no master: nothing can be written",
			    server->label, SPAN_ARG(role));
}

/* What is evicted, or not saved, is forgotten before its time. */
static void say_keeping(const struct server *server, struct span info)
{
	struct span most = info_value(info, SPAN("maxmemory"));
	struct span policy = info_value(info, SPAN("maxmemory_policy"));
	struct span saved = info_value(info, SPAN("rdb_last_bgsave_status"));

	if (!span_equal(most, SPAN("0")) && !span_is_empty(most))
		checkup_say(server->checkup, CHECKUP_NOTE, "redis %s: at %.*s bytes it does '%.*s'",
			    server->label, SPAN_ARG(most), SPAN_ARG(policy));
	if (!span_is_empty(saved) && !span_equal(saved, SPAN("ok")))
		checkup_say(server->checkup, CHECKUP_FAIL,
			    "redis %s: its last save failed: it may refuse to write",
			    server->label);
	if (span_equal(info_value(info, SPAN("loading")), SPAN("1")))
		checkup_say(server->checkup, CHECKUP_FAIL, "redis %s: it is still loading",
			    server->label);
}

static void check_info(struct server *server)
{
	struct span word[] = { SPAN("INFO") };
	redisReply *reply = ask_well(server, word, 1);
	struct span info;
	bool has_cluster;

	if (reply == NULL)
		return;
	info = reply_text(reply);
	has_cluster = span_equal(info_value(info, SPAN("cluster_enabled")), SPAN("1"));
	say_role(server, info);
	say_keeping(server, info);
	if (has_cluster != (server->options->mode == STORE_CLUSTER))
		checkup_say(server->checkup, CHECKUP_FAIL, "redis %s: %s", server->label,
			    has_cluster ? "it is part of a cluster: say 'store redis cluster'"
					: "it is no part of a cluster");
	freeReplyObject(reply);
}

static void check_size(struct server *server)
{
	struct span word[] = { SPAN("DBSIZE") };
	redisReply *reply = ask_well(server, word, 1);

	if (reply == NULL)
		return;
	if (reply->type == REDIS_REPLY_INTEGER)
		checkup_say(server->checkup, CHECKUP_OK, "redis %s: %lld keys, of whomever",
			    server->label, reply->integer);
	freeReplyObject(reply);
}

static void check_cluster(struct server *server)
{
	struct span word[] = { SPAN("CLUSTER"), SPAN("INFO") };
	redisReply *reply = ask_well(server, word, 2);
	struct span info, state, slots;
	int64_t assigned = 0;

	if (reply == NULL)
		return;
	info = reply_text(reply);
	state = info_value(info, SPAN("cluster_state"));
	slots = info_value(info, SPAN("cluster_slots_ok"));
	if (number_parse(slots, &assigned) != OK)
		assigned = 0;
	checkup_say(server->checkup,
		    span_equal(state, SPAN("ok")) && assigned == SLOTS ? CHECKUP_OK : CHECKUP_FAIL,
		    "redis %s: cluster is '%.*s', %lld of %d slots served by %.*s masters",
		    server->label, SPAN_ARG(state), (long long)assigned, SLOTS,
		    SPAN_ARG(info_value(info, SPAN("cluster_size"))));
	freeReplyObject(reply);
}

static void check_server(struct server *server)
{
	check_info(server);
	if (server->options->mode == STORE_CLUSTER)
		check_cluster(server);
	check_size(server);
}

static void name_server(struct server *server, struct span host, struct span port)
{
	snprintf(server->host, sizeof(server->host), "%.*s", SPAN_ARG(host));
	snprintf(server->port, sizeof(server->port), "%.*s", SPAN_ARG(port));
	snprintf(server->label, sizeof(server->label),
		 span_find(host, ':') < host.len ? "[%s]:%s" : "%s:%s", server->host, server->port);
}

/* The master that a sentinel names, asked as any other server. */
static void check_master(struct server *sentinel)
{
	struct span word[] = { SPAN("SENTINEL"), SPAN("get-master-addr-by-name"),
			       sentinel->options->master };
	redisReply *reply = ask_well(sentinel, word, 3);
	struct server master = { .checkup = sentinel->checkup,
				 .options = sentinel->options,
				 .is_foreign = true };

	if (reply == NULL)
		return;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
		checkup_say(sentinel->checkup, CHECKUP_FAIL, "redis %s: it knows no master '%.*s'",
			    sentinel->label, SPAN_ARG(sentinel->options->master));
	} else {
		name_server(&master, reply_text(reply->element[0]), reply_text(reply->element[1]));
		checkup_say(sentinel->checkup, CHECKUP_OK, "redis %s: the master is %s",
			    sentinel->label, master.label);
		if (server_open(&master, SPAN("")) && greet(&master, false))
			check_server(&master);
		server_close(&master);
	}
	freeReplyObject(reply);
}

static void check_address(struct checkup *checkup, const struct store_options *options,
			  const struct store_address *address)
{
	struct server server = { .checkup = checkup, .options = options };
	bool is_sentinel = options->mode == STORE_SENTINEL;
	TEXT(port, 8);

	text_add_int(&port, address->port);
	if (address->path.len > 0)
		snprintf(server.label, sizeof(server.label), "%.*s", SPAN_ARG(address->path));
	else
		name_server(&server, address->host, text_span(&port));
	if (server_open(&server, address->path) && greet(&server, is_sentinel)) {
		if (is_sentinel)
			check_master(&server);
		else
			check_server(&server);
	}
	server_close(&server);
}

void store_check_redis(struct checkup *checkup, const struct store_options *options)
{
	for (uint8_t i = 0; i < options->address_count; i++)
		check_address(checkup, options, &options->address[i]);
}
