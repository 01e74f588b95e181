/* resolver.c -- the resolver that a configuration wants. */
#include "daemon/worker.h"

static enum dns_resolver dns_resolver_of(enum resolver_kind kind)
{
	switch (kind) {
	case RESOLVER_RECURSIVE: return DNS_RECURSIVE;
	case RESOLVER_SYSTEM: return DNS_SYSTEM;
	case RESOLVER_ADDRESSES: break;
	}
	return DNS_ADDRESSES;
}

struct dns *resolver_new(struct event_base *base, struct dns_cache *cache,
			 const struct config *config, const char **why_out)
{
	struct dns_address address[RESOLVER_ADDRESSES_MAX];
	const struct config_limits *limits = &config->limits;
	struct dns_options options = {
		.base = base,
		.cache = cache,
		.resolver = dns_resolver_of(config->resolver.kind),
		.address = address,
		.address_count = config->resolver.address_count,
		.question_ms = (uint32_t)limits->question_ms,
		.questions_max = (uint32_t)limits->questions,
		.questions_per_client = (uint32_t)limits->questions_per_client,
		.questions_per_zone = (uint32_t)limits->questions_per_zone,
	};

	for (uint8_t i = 0; i < config->resolver.address_count; i++)
		address[i] = (struct dns_address){ config->resolver.address[i].address,
						   config->resolver.address[i].port };
	return dns_new(&options, why_out);
}

bool resolver_equal(const struct config *a, const struct config *b)
{
	if (a->resolver.kind != b->resolver.kind ||
	    a->resolver.address_count != b->resolver.address_count)
		return false;
	for (uint8_t i = 0; i < a->resolver.address_count; i++)
		if (!ip_equal(a->resolver.address[i].address, b->resolver.address[i].address) ||
		    a->resolver.address[i].port != b->resolver.address[i].port)
			return false;
	return a->limits.question_ms == b->limits.question_ms &&
	       a->limits.questions == b->limits.questions &&
	       a->limits.questions_per_client == b->limits.questions_per_client &&
	       a->limits.questions_per_zone == b->limits.questions_per_zone;
}
