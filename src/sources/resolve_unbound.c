/* resolve_unbound.c -- libunbound's event interface, for recursion and for resolvers elsewhere.
 *
 * A fresh random port for each question, resending by learnt round trips, and no resolver
 * needed.  What we have found out about it (1.17), and what stands here against it:
 *
 * - Its defaults are a tool's: 16 sockets, 1 MB of cache; and they are frozen with the first
 *   question.  See option[].
 * - The callback may run before ub_resolve_event() returns: dns.c expects that.
 * - The packet is a shared buffer: it is parsed before anything else is asked.
 * - rcode 0 as argument may be NXDOMAIN in the packet; with another rcode the packet is old.
 * - A malformed name leaks: dns.c asks none.
 * - Private and special names are answered locally: local_zone[] switches that off.
 * - ub_ctx_delete() calls back all that is pending: the questions live until then.
 * - Questions have no timeout: dns.c has one.
 * - Silent names make it think that the forwarder is down: with infra-host-ttl it forgets so
 *   soon.  Never set infra-cache-max-rtt: then a few silent names stop all others.
 */
#include "sources/dns_resolver.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unbound-event.h>
#include <unbound.h>
#include <unistd.h>

enum {
	SOCKETS_MIN = 64,
	SOCKETS_MAX = 8192,
	SOCKETS_SHARE = 2, /* of the file descriptors that we may have */
};

struct unbound {
	struct ub_ctx *context;
};

/* Both kinds of use: */
static const char *const option[][2] = {
	{ "use-syslog:", "no" },
	{ "verbosity:", "0" },
	/* validation off: it costs, and its bugs are the worst (design requirement D1) */
	{ "module-config:", "iterator" },
	{ "outgoing-num-tcp:", "64" },
	/* a stream that breaks takes its questions along: so one question a stream */
	{ "max-reuse-tcp-queries:", "1" },
	{ "unblock-lan-zones:", "yes" },
	{ "do-not-query-localhost:", "no" },
};

/* Forwarding: answers are in our own cache already; a bigger one only costs time and memory. */
static const char *const forwarding_option[][2] = {
	{ "msg-cache-size:", "16k" },     { "rrset-cache-size:", "16k" },
	{ "msg-cache-slabs:", "1" },      { "rrset-cache-slabs:", "1" },
	{ "infra-cache-slabs:", "1" },    { "infra-host-ttl:", "5" },
	{ "infra-keep-probing:", "yes" },
};

/* Recursion: name servers and delegations are what it needs a cache for. */
static const char *const recursion_option[][2] = {
	{ "msg-cache-size:", "4m" },   { "rrset-cache-size:", "16m" },
	{ "msg-cache-slabs:", "1" },   { "rrset-cache-slabs:", "1" },
	{ "infra-cache-slabs:", "1" }, { "qname-minimisation:", "yes" },
};

/* Zones that libunbound would answer itself, those of unblock-lan-zones apart. */
static const char *const local_zone[] = {
	"localhost. transparent",
	"127.in-addr.arpa. transparent",
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa. transparent",
	"home.arpa. transparent",
	"resolver.arpa. transparent",
	"service.arpa. transparent",
	"onion. transparent",
	"test. transparent",
	"invalid. transparent",
};

static bool set_options(struct ub_ctx *context, const char *const pair[][2], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (ub_ctx_set_option(context, pair[i][0], pair[i][1]) != 0)
			return false;
	return true;
}

#define SET_OPTIONS(context, table)                                                                \
	set_options((context), (table), sizeof(table) / sizeof((table)[0]))

static bool set_local_zones(struct ub_ctx *context)
{
	for (size_t i = 0; i < sizeof(local_zone) / sizeof(local_zone[0]); i++)
		if (ub_ctx_set_option(context, "local-zone:", local_zone[i]) != 0)
			return false;
	return true;
}

static bool set_number(struct ub_ctx *context, const char *name, uint64_t number)
{
	TEXT(digits, 24);

	text_add_int(&digits, (int64_t)number);
	return ub_ctx_set_option(context, name, text_cstr(&digits)) == 0;
}

/** Each question in flight has a socket, and the daemon needs some for itself. */
static bool set_sizes(struct ub_ctx *context, uint32_t questions_max)
{
	struct rlimit files;
	uint64_t sockets = questions_max;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && sockets > files.rlim_cur / SOCKETS_SHARE)
		sockets = files.rlim_cur / SOCKETS_SHARE;
	if (sockets > SOCKETS_MAX)
		sockets = SOCKETS_MAX;
	if (sockets < SOCKETS_MIN)
		sockets = SOCKETS_MIN;
	return set_number(context, "outgoing-range:", sockets) &&
	       set_number(context, "num-queries-per-thread:",
			  questions_max < SOCKETS_MIN ? SOCKETS_MIN : questions_max);
}

/** Has this host a way to IPv6 at all?  No packet is sent by connecting a datagram socket. */
static bool host_has_v6(void)
{
	struct sockaddr_in6 root = { .sin6_family = AF_INET6, .sin6_port = htons(53) };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool has_v6;

	if (fd < 0)
		return false;
	/* any address of the Internet will do */
	root.sin6_addr.s6_addr[0] = 0x20;
	root.sin6_addr.s6_addr[1] = 0x01;
	has_v6 = connect(fd, (struct sockaddr *)&root, sizeof(root)) == 0;
	close(fd);
	return has_v6;
}

static bool set_forwarders(struct ub_ctx *context, const struct dns_resolver_options *options)
{
	for (size_t i = 0; i < options->address_count; i++) {
		TEXT(address, IP_TEXT_MAX + 6);

		text_add_ip(&address, options->address[i].address);
		text_add_char(&address, '@');
		text_add_int(&address, options->address[i].port);
		if (ub_ctx_set_fwd(context, text_cstr(&address)) != 0)
			return false;
	}
	return true;
}

static bool context_set(struct ub_ctx *context, const struct dns_resolver_options *options,
			const char **why_out)
{
	bool is_forwarding = options->address_count > 0;

	*why_out = "libunbound refuses an option";
	if (!SET_OPTIONS(context, option) || !set_local_zones(context) ||
	    !set_sizes(context, options->questions_max))
		return false;
	if (is_forwarding ? !SET_OPTIONS(context, forwarding_option)
			  : !SET_OPTIONS(context, recursion_option))
		return false;
	if (!is_forwarding && !host_has_v6() && ub_ctx_set_option(context, "do-ip6:", "no") != 0)
		return false;
	*why_out = "libunbound refuses a resolver's address";
	if (!set_forwarders(context, options))
		return false;
	*why_out = "libunbound refuses the root hints";
	return options->root_hints == NULL ||
	       ub_ctx_set_option(context, "root-hints:", options->root_hints) == 0;
}

static void unbound_answered(void *arg, int rcode, void *packet, int len, int secure,
			     char *why_bogus, int was_ratelimited)
{
	enum { BOGUS = 1, REFUSED = 5 };
	struct dns_question *question = arg;

	(void)why_bogus;
	(void)was_ratelimited;
	if (rcode != 0) {
		dns_unresolved(question, rcode == REFUSED ? CAUSE_REFUSED : CAUSE_SERVFAIL);
		return;
	}
	if (secure == BOGUS) {
		dns_unresolved(question, CAUSE_BOGUS);
		return;
	}
	if (len < DNS_HEADER_BYTES) {
		dns_unresolved(question, CAUSE_MALFORMED);
		return;
	}
	/* ids are libunbound's business; it has checked them on the wire */
	question->asked.id = (uint16_t)(((uint8_t *)packet)[0] << 8 | ((uint8_t *)packet)[1]);
	dns_resolved(question, packet, (size_t)len);
}

static void unbound_ask(void *self, struct dns_question *question)
{
	enum { CLASS_IN = 1 };
	struct unbound *unbound = self;
	int id;

	if (ub_resolve_event(unbound->context, question->key.at, dns_type_of(question->asked.kind),
			     CLASS_IN, question, unbound_answered, &id) != 0)
		dns_unresolved(question, CAUSE_DOWN);
}

static void unbound_stop(void *self)
{
	struct unbound *unbound = self;

	if (unbound->context != NULL)
		ub_ctx_delete(unbound->context);
	free(unbound);
}

static void *unbound_start(const struct dns_resolver_options *options, const char **why_out)
{
	struct unbound *unbound = calloc(1, sizeof(*unbound));

	*why_out = "no memory";
	if (unbound == NULL)
		return NULL;
	unbound->context = ub_ctx_create_event(options->base);
	if (unbound->context == NULL || ub_ctx_debugout(unbound->context, NULL) != 0 ||
	    !context_set(unbound->context, options, why_out)) {
		unbound_stop(unbound);
		return NULL;
	}
	return unbound;
}

const struct dns_resolver_class dns_resolver_unbound = {
	.name = "libunbound",
	.start = unbound_start,
	.ask = unbound_ask,
	.stop = unbound_stop,
};
