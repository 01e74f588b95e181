/* redis_open.c -- what is settled when the store is opened: TLS, scripts; and what addresses are.
 *
 * Only the administrator's own names are resolved (redis_names.c): a name that a server reports
 * is taken only if it stands in the configuration, too.
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

struct redis_address redis_address_named(struct span host, uint16_t port)
{
	struct redis_address address = { .socket_len = 0 };

	address_name(&address, host, port);
	return address;
}

unsigned redis_address_resolve(struct redis_address *address, unsigned room,
			       const struct store_address *from, int flags, const char **why_out)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags }, *found = NULL;
	char host[HOST_MAX + 1];
	unsigned count = 0;
	int status;

	*why_out = "its name is too long";
	if (from->host.len == 0 || from->host.len > HOST_MAX ||
	    memchr(from->host.at, '\0', from->host.len) != NULL)
		return 0;
	memcpy(host, from->host.at, from->host.len);
	host[from->host.len] = '\0';
	status = getaddrinfo(host, NULL, &hints, &found);
	if (status != 0) {
		*why_out = gai_strerror(status);
		return 0;
	}
	for (struct addrinfo *one = found; one != NULL && count < room; one = one->ai_next) {
		if (one->ai_family != AF_INET && one->ai_family != AF_INET6)
			continue;
		address[count] = (struct redis_address){ .socket_len = 0 };
		address_name(&address[count], from->host, from->port);
		memcpy(&address[count].socket, one->ai_addr, one->ai_addrlen);
		address[count].socket_len = one->ai_addrlen;
		address_port(&address[count++], from->port);
	}
	freeaddrinfo(found);
	return count;
}

bool redis_address_of_path(struct redis_address *address, struct span path)
{
	struct sockaddr_un *socket = (struct sockaddr_un *)&address->socket;
	struct text label = { address->label, 0, sizeof(address->label), false };

	if (path.len >= sizeof(socket->sun_path))
		return false;
	socket->sun_family = AF_UNIX;
	memcpy(socket->sun_path, path.at, path.len);
	address->socket_len = sizeof(*socket);
	text_add(&label, path);
	(void)text_cstr(&label);
	return true;
}

bool redis_address_equal(const struct redis_address *a, const struct redis_address *b)
{
	return a->socket_len == b->socket_len && a->socket_len > 0 &&
	       memcmp(&a->socket, &b->socket, a->socket_len) == 0;
}

bool redis_address_is_known(const struct redis_port *port, const struct redis_address *address)
{
	for (size_t i = 0; i < port->address_count; i++)
		if (redis_address_equal(&port->address[i], address))
			return true;
	return false;
}

/* The same host, whatever the port.  address_out keeps the one that known has not. */
static bool host_take(const struct redis_address *known, struct span host,
		      struct redis_address *address_out)
{
	struct redis_address same = *known;

	if (known->host[0] == '\0') /* a path */
		return false;
	address_port(&same, address_out->port);
	if (!span_equal_nocase(span_cstr(known->host), host) &&
	    !redis_address_equal(&same, address_out))
		return false;
	address_name(&same, span_cstr(known->host), address_out->port);
	*address_out = same;
	return true;
}

enum err redis_address_find(const struct redis_port *port, struct span host, uint16_t number,
			    struct redis_address *address_out)
{
	const struct store_address from = { .host = host, .port = number };
	struct redis_address address = { .port = number };
	const char *why;
	bool is_number = redis_address_resolve(&address, 1, &from, AI_NUMERICHOST, &why) == 1;

	/* Of the same server by number: its certificate names it as the configuration does. */
	for (size_t i = 0; i < port->address_count; i++)
		if (host_take(&port->address[i], host, &address)) {
			*address_out = address;
			return OK;
		}
	if (!is_number)
		return ERR_MISSING;
	*address_out = address;
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
	err = settle_tls(redis, why);
	if (err == OK)
		err = settle_scripts(redis, why);
	if (err == OK)
		err = names_open(redis, why);
	return err;
}

void redis_unsettle(struct redis *redis)
{
	names_close(redis);
	SSL_CTX_free(redis->tls);
	redis->tls = NULL;
}
