/* dns_resolver.h -- who sends our questions out: one small table of functions each.
 *
 * A resolver takes a question and says later, or at once, what came back: exactly one call of
 * dns_resolved() or dns_unresolved() for each, after which the question is gone.  What stop()
 * finds open, it reports as CAUSE_DOWN or leaves unreported.
 */
#pragma once
#include "sources/dns_mesh.h"

struct dns_resolver_options {
	struct event_base *base;
	const struct dns_address *address; /* borrowed by start() */
	size_t address_count;              /* 0: recursion */
	uint32_t question_ms;
	uint32_t questions_max;
	const char *root_hints;
};

struct dns_resolver_class {
	const char *name;
	void *(*start)(const struct dns_resolver_options *options, const char **why_out);
	void (*ask)(void *self, struct dns_question *question);
	void (*stop)(void *self);
};

extern const struct dns_resolver_class dns_resolver_cares;   /* resolvers on loopback */
extern const struct dns_resolver_class dns_resolver_unbound; /* all others, and recursion */

/** A packet has come; packet is borrowed, parsed at once. */
void dns_resolved(struct dns_question *question, const uint8_t *packet, size_t len);

/** No packet will come. */
void dns_unresolved(struct dns_question *question, enum fact_cause cause);

enum { RESOLV_CONF_SERVERS_MAX = 8 };

/** The name servers of a resolv.conf(5); 127.0.0.1 where it names none.
 *
 * @return how many, at most RESOLV_CONF_SERVERS_MAX
 */
size_t resolv_conf_parse(struct span text, struct dns_address *address_out);
size_t resolv_conf_read(const char *path, struct dns_address *address_out);
