/* redis_open.c -- what is settled when the store is opened: addresses, TLS, scripts.
 *
 * The administrator's own names are resolved here, once, and never again: a name that a server
 * reports is taken only if it stands in the configuration, too.
 */
#include "store/redis_priv.h"

#include "base/ensure.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/un.h>

#include "embedded_files.h"

/* --- addresses --- */

static void address_name(struct redis_address *address, struct span host, uint16_t port)
{
	struct text text = { address->host, 0, sizeof(address->host), false };
	struct text label = { address->label, 0, sizeof(address->label), false };

	text_add(&text, host);
	(void)text_cstr(&text);
	text_addf(&label, span_find(host, ':') < host.len ? "[%s]:%u" : "%s:%u", address->host,
		  (unsigned)port);
	(void)text_cstr(&label);
	address->port = port;
}

static void address_port(struct redis_address *address, uint16_t port)
{
	if (address->socket.ss_family == AF_INET)
		((struct sockaddr_in *)&address->socket)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)&address->socket)->sin6_port = htons(port);
	address->port = port;
}

/* All addresses of a host, at most room.  @return how many; 0: *why_out says why */
static unsigned address_resolve(struct redis_address *address, unsigned room,
				const struct store_address *from, int flags, const char **why_out)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags }, *found = NULL;
	unsigned count = 0;
	int status;

	*why_out = "its name is too long";
	if (from->host.len == 0 || from->host.len > HOST_MAX || room == 0)
		return 0;
	address_name(address, from->host, from->port);
	status = getaddrinfo(address->host, NULL, &hints, &found);
	if (status != 0) {
		*why_out = gai_strerror(status);
		return 0;
	}
	for (struct addrinfo *one = found; one != NULL && count < room; one = one->ai_next) {
		address_name(&address[count], from->host, from->port);
		memcpy(&address[count].socket, one->ai_addr, one->ai_addrlen);
		address[count].socket_len = one->ai_addrlen;
		address_port(&address[count++], from->port);
	}
	freeaddrinfo(found);
	return count;
}

/* @return 1; 0: the path is too long */
static unsigned address_of_path(struct redis_address *address, struct span path)
{
	struct sockaddr_un *socket = (struct sockaddr_un *)&address->socket;
	struct text label = { address->label, 0, sizeof(address->label), false };

	if (path.len >= sizeof(socket->sun_path))
		return 0;
	socket->sun_family = AF_UNIX;
	memcpy(socket->sun_path, path.at, path.len);
	address->socket_len = sizeof(*socket);
	text_add(&label, path);
	(void)text_cstr(&label);
	return 1;
}

bool redis_address_equal(const struct redis_address *a, const struct redis_address *b)
{
	return a->socket_len == b->socket_len && a->socket_len > 0 &&
	       memcmp(&a->socket, &b->socket, a->socket_len) == 0;
}

enum err redis_address_find(const struct redis *redis, struct span host, uint16_t port,
			    struct redis_address *address_out)
{
	const struct store_address from = { .host = host, .port = port };
	struct redis_address address = { 0 };
	const char *why;

	for (size_t i = 0; i < redis->address_count; i++)
		if (redis->address[i].socket_len > 0 && redis->address[i].host[0] != '\0' &&
		    span_equal_nocase(span_cstr(redis->address[i].host), host)) {
			address = redis->address[i];
			address_name(&address, host, port);
			address_port(&address, port);
			*address_out = address;
			return OK;
		}
	if (address_resolve(&address, 1, &from, AI_NUMERICHOST, &why) == 0)
		return ERR_MISSING;
	/* The same server by number: its certificate names it as the configuration does. */
	for (size_t i = 0; i < redis->address_count; i++)
		if (redis_address_equal(&redis->address[i], &address))
			address = redis->address[i];
	*address_out = address;
	return OK;
}

/* @return how many were added */
static unsigned settle_address(struct redis *redis, const struct store_address *from,
			       struct text *why)
{
	unsigned room = STORE_ADDRESSES_MAX - redis->address_count;
	struct redis_address *address = &redis->address[redis->address_count];
	struct span name = from->path.len > 0 ? from->path : from->host;
	const char *words = "its path is too long";
	unsigned count = 0;

	if (from->path.len == 0)
		count = address_resolve(address, room, from, 0, &words);
	else if (room > 0)
		count = address_of_path(address, from->path);
	if (count == 0 && room > 0)
		*address = (struct redis_address){ 0 };
	if (count == 0)
		text_addf(why, "%sredis at %.*s: %s", why->len > 0 ? "; " : "", SPAN_ARG(name),
			  words);
	return count;
}

/* Of a single server all its addresses; one that can be reached is enough. */
static enum err settle_addresses(struct redis *redis, struct text *why)
{
	const struct store_options *options = &redis->store->options;
	unsigned count = options->mode == STORE_SINGLE ? 1 : options->address_count;

	for (unsigned i = 0; i < count && i < options->address_count; i++)
		redis->address_count = (uint8_t)(redis->address_count +
						 settle_address(redis, &options->address[i], why));
	if (redis->address_count == 0) {
		if (why->len == 0)
			text_add(why, SPAN("redis: no address"));
		return ERR_SYSTEM;
	}
	if (why->len > 0) {
		store_say(redis->store, STORE_WARNING, "%s", text_cstr(why));
		text_clear(why);
	}
	return OK;
}

/* --- TLS --- */

static const char *tls_words(void)
{
	unsigned long error = ERR_get_error();
	const char *reason = ERR_reason_error_string(error);

	ERR_clear_error();
	return reason != NULL ? reason : "no reason given";
}

static bool tls_load(SSL_CTX *tls, const struct store_options *options)
{
	/* options' spans are copies that end with a NUL (arena_copy) */
	if (!(options->ca_file.len > 0
		      ? SSL_CTX_load_verify_locations(tls, options->ca_file.at, NULL)
		      : SSL_CTX_set_default_verify_paths(tls)))
		return false;
	if (options->certificate_file.len == 0)
		return true;
	return SSL_CTX_use_certificate_chain_file(tls, options->certificate_file.at) == 1 &&
	       SSL_CTX_use_PrivateKey_file(tls,
					   options->key_file.len > 0 ? options->key_file.at
								     : options->certificate_file.at,
					   SSL_FILETYPE_PEM) == 1 &&
	       SSL_CTX_check_private_key(tls) == 1;
}

static enum err settle_tls(struct redis *redis, struct text *why)
{
	if (!redis->store->options.has_tls)
		return OK;
	redis->tls = SSL_CTX_new(TLS_client_method());
	if (redis->tls == NULL || SSL_CTX_set_min_proto_version(redis->tls, TLS1_2_VERSION) != 1 ||
	    !tls_load(redis->tls, &redis->store->options)) {
		text_addf(why, "redis: TLS: %s", tls_words());
		return ERR_SYSTEM;
	}
	SSL_CTX_set_verify(redis->tls, SSL_VERIFY_PEER, NULL);
	return OK;
}

/* The certificate must name this host: by number, or by name, which the server is told, too. */
static bool session_expect(SSL *session, const char *host)
{
	unsigned char number[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, host, number) == 1 || inet_pton(AF_INET6, host, number) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) == 1;
	return SSL_set1_host(session, host) == 1 && SSL_set_tlsext_host_name(session, host) == 1;
}

SSL *redis_tls_session(const struct redis *redis, const struct redis_address *address)
{
	SSL *session = SSL_new(redis->tls);
	bool has_name = address->host[0] != '\0'; /* a Unix socket has none */

	if (session == NULL || !has_name || session_expect(session, address->host))
		return session;
	SSL_free(session);
	return NULL;
}

/* --- scripts --- */

static enum err settle_scripts(struct redis *redis, struct text *why)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len;

	redis->script[SCRIPT_TALLY].text = span_of(redis_tally, sizeof(redis_tally) - 1);
	redis->script[SCRIPT_TRIPLET].text = span_of(redis_triplet, sizeof(redis_triplet) - 1);
	for (size_t i = 0; i < SCRIPT_COUNT; i++) {
		struct redis_script *script = &redis->script[i];

		/* not for safety: it is the name by which the server knows a script */
		if (EVP_Digest(script->text.at, script->text.len, digest, &len, EVP_sha1(), NULL) !=
		    1) {
			text_addf(why, "redis: SHA-1: %s", tls_words());
			return ERR_SYSTEM;
		}
		ENSURE(len * 2 == SHA_LEN);
		for (unsigned j = 0; j < len; j++) {
			script->sha[2 * j] = hex[digest[j] >> 4];
			script->sha[2 * j + 1] = hex[digest[j] & 15];
		}
	}
	return OK;
}

enum err redis_settle(struct redis *redis, struct text *why)
{
	const struct store_options *options = &redis->store->options;
	enum err err;

	if (options->prefix.len > PREFIX_MAX || options->prefix.len == 0) {
		text_addf(why, "redis: the prefix of keys has 1 to %d bytes", PREFIX_MAX);
		return ERR_SYSTEM;
	}
	err = settle_addresses(redis, why);
	if (err == OK)
		err = settle_tls(redis, why);
	if (err == OK)
		err = settle_scripts(redis, why);
	return err;
}

void redis_unsettle(struct redis *redis)
{
	SSL_CTX_free(redis->tls);
	redis->tls = NULL;
}
