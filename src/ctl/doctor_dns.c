/* doctor_dns.c -- asking the DNS all that the doctor wants to know, at once. */
#include "base/ensure.h"
#include "ctl/doctor.h"
#include "daemon/worker.h"
#include "daemon/zone_watch.h"
#include "sources/dns_resolver.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum purpose { ABSENT, EGRESS, LARGE, ZONE };

static const struct {
	enum purpose purpose;
	enum fact_kind kind;
	struct span name;
} names[] = {
#define NAME(purpose, kind, name) { purpose, kind, SPAN_INIT(name) },
#include "ctl/doctor_names.def"
#undef NAME
};

enum { NAMES = sizeof(names) / sizeof(*names), QUESTIONS_SPARE = 64 };

struct asking;

struct question {
	struct asking *asking;
	enum purpose purpose;
	struct zone_facts *zone; /* ZONE */
	size_t test;
	struct fact fact;
	struct dns_wait wait;
};

/* All that is asked, from the first question to the last answer. */
struct asking {
	struct arena *arena;
	struct event_base *base;
	struct dns_cache *cache;
	struct dns *dns;
	struct event *deadline;
	struct question *question;
	size_t question_count, open_count;
	struct dns_facts *facts;
};

/* --- answers --- */

static enum lookup lookup_of(const struct fact *fact)
{
	switch (fact->state) {
	case FACT_KNOWN: return LOOKUP_FOUND;
	case FACT_NONE: return LOOKUP_NONE;
	case FACT_PENDING:
	case FACT_FAILED: break;
	}
	return LOOKUP_FAILED;
}

/* An address that stands alone in an item, or as a word of it. */
static struct ip address_in(const struct fact *fact)
{
	struct ip ip = { 0 };

	for (size_t i = 0; i < fact->item_count; i++) {
		struct span rest = fact->item[i], word;

		while (span_cut(&rest, ' ', &word))
			if (ip_parse(word, &ip) == OK)
				return ip;
	}
	return ip;
}

static void hear_absent(struct resolver_facts *facts, struct asking *asking,
			const struct fact *fact)
{
	enum lookup lookup = lookup_of(fact);

	if (lookup <= facts->rewritten)
		return;
	facts->rewritten = lookup;
	if (lookup == LOOKUP_FOUND)
		facts->rewriting = arena_copy(asking->arena, fact->item[0]);
}

static void hear(const struct question *question)
{
	struct resolver_facts *facts = &question->asking->facts->resolver;
	const struct fact *fact = &question->fact;
	struct zone_facts *zone = question->zone;
	size_t i = question->test;

	if (fact->state != FACT_FAILED) {
		facts->is_alive = true;
		if (fact->took_us > facts->took_us)
			facts->took_us = fact->took_us;
	}
	switch (question->purpose) {
	case ABSENT: hear_absent(facts, question->asking, fact); return;
	case EGRESS:
		if (facts->egress.family == IP_NONE)
			facts->egress = address_in(fact);
		return;
	case LARGE: facts->large = lookup_of(fact); return;
	case ZONE: break;
	}
	zone->said[i] = zone_hear(zone->zone, fact, &zone->raw[i]);
}

static void on_answer(struct dns_wait *wait)
{
	struct question *question = wait->owner;
	struct asking *asking = question->asking;

	hear(question);
	dns_release(asking->dns, &question->fact);
	if (--asking->open_count == 0)
		event_base_loopbreak(asking->base);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
	struct asking *asking = context;

	(void)fd;
	(void)what;
	event_base_loopbreak(asking->base);
}

/* --- questions --- */

static void ask(struct asking *asking, enum purpose purpose, enum fact_kind kind, struct span key)
{
	struct question *question = &asking->question[asking->question_count++];

	question->asking = asking;
	question->purpose = purpose;
	question->fact = (struct fact){ .kind = kind, .key = key };
	question->wait = (struct dns_wait){
		.fact = &question->fact, .answered = on_answer, .owner = question, .is_test = true
	};
	asking->open_count++;
}

/* A label that nobody has asked for before, so that no cache knows it. */
static struct span absent_name(struct asking *asking, struct span suffix)
{
	uint64_t number = 0;
	TEXT(name, 64 + 256);

	ENSURE(getrandom(&number, sizeof(number), 0) == (ssize_t)sizeof(number));
	text_addf(&name, "weighd-%016llx.", (unsigned long long)number);
	text_add(&name, suffix);
	return arena_copy(asking->arena, text_span(&name));
}

static void ask_names(struct asking *asking)
{
	for (size_t i = 0; i < NAMES; i++) {
		struct span name = names[i].name;

		if (names[i].purpose == ABSENT)
			name = absent_name(asking, name);
		if (name.at != NULL)
			ask(asking, names[i].purpose, names[i].kind, name);
	}
}

static void ask_zones(struct asking *asking)
{
	for (size_t i = 0; i < asking->facts->zone_count; i++) {
		struct zone_facts *zone = &asking->facts->zone[i];

		for (size_t k = 0; k < zone->test_count; k++) {
			ask(asking, ZONE, FACT_DNS_A,
			    span_of(zone->test[k].key, zone->test[k].key_len));
			asking->question[asking->question_count - 1].zone = zone;
			asking->question[asking->question_count - 1].test = k;
		}
	}
}

static bool find_zones(const struct config *config, struct asking *asking)
{
	struct zone *zone = ARENA_ARRAY(asking->arena, struct zone, ZONES_MAX);
	struct dns_facts *facts = asking->facts;

	if (zone == NULL)
		return false;
	facts->zone_count = zone_uses(config, zone);
	facts->zone = ARENA_ARRAY(asking->arena, struct zone_facts, facts->zone_count + 1);
	asking->question = ARENA_ARRAY(asking->arena, struct question,
				       facts->zone_count * ZONE_TESTS_MAX + NAMES);
	if (facts->zone == NULL || asking->question == NULL)
		return false;
	for (size_t i = 0; i < facts->zone_count; i++) {
		facts->zone[i].zone = &zone[i];
		/* One that is dead is not worth a question. */
		if (zone[i].dead_since.len == 0)
			facts->zone[i].test_count = zone_tests(&zone[i], facts->zone[i].test);
	}
	return true;
}

/* --- who resolves --- */

/* What systemd-resolved asks: it keeps a file with the servers that it forwards to. */
#define UPLINK_PATH "/run/systemd/resolve/resolv.conf"

static bool is_resolved_stub(struct ip ip)
{
	return ip.family == IP_V4 && ip.byte[0] == 127 && ip.byte[1] == 0 && ip.byte[2] == 0 &&
	       (ip.byte[3] == 53 || ip.byte[3] == 54);
}

static void find_uplinks(struct resolver_facts *facts)
{
	struct dns_address address[RESOLV_CONF_SERVERS_MAX];
	size_t count;

	if (access(UPLINK_PATH, R_OK) != 0)
		return;
	count = resolv_conf_read(UPLINK_PATH, address);
	for (size_t i = 0; i < count && i < RESOLVER_ADDRESSES_MAX; i++)
		facts->uplink[facts->uplink_count++] = address[i].address;
}

static void add_probe(struct resolver_facts *facts, struct ip address, uint16_t port)
{
	if (facts->probe_count == RESOLVER_ADDRESSES_MAX)
		return;
	facts->probe[facts->probe_count].address = address;
	facts->probe[facts->probe_count++].port = port;
	if (is_resolved_stub(address) && port == 53 && !facts->is_stub) {
		facts->is_stub = true;
		find_uplinks(facts);
	}
}

static void find_resolvers(const struct config *config, struct resolver_facts *facts)
{
	const struct resolver *resolver = &config->resolver;
	struct dns_address address[RESOLV_CONF_SERVERS_MAX];
	size_t count;

	facts->kind = resolver->kind;
	facts->question_ms = (uint32_t)config->limits.question_ms;
	switch (resolver->kind) {
	case RESOLVER_RECURSIVE: break;
	case RESOLVER_SYSTEM:
		count = resolv_conf_read("/etc/resolv.conf", address);
		for (size_t i = 0; i < count; i++)
			add_probe(facts, address[i].address, address[i].port);
		break;
	case RESOLVER_ADDRESSES:
		for (size_t i = 0; i < resolver->address_count; i++)
			add_probe(facts, resolver->address[i].address, resolver->address[i].port);
		break;
	}
}

/* --- all of it --- */

static bool asking_open(struct asking *asking, const struct config *config, const char **why_out)
{
	uint32_t questions = (uint32_t)asking->question_count + QUESTIONS_SPARE;
	struct dns_cache_options cache = { .bytes_max = (size_t)config->limits.cache_bytes,
					   .questions_max = questions };
	struct config *patient = ARENA_NEW(asking->arena, struct config);
	struct timeval after = { DOCTOR_DNS_MS / 1000, DOCTOR_DNS_MS % 1000 * 1000 };

	*why_out = "out of memory";
	asking->base = event_base_new();
	asking->cache = dns_cache_new(&cache);
	if (asking->base == NULL || asking->cache == NULL || patient == NULL)
		return false;
	/* As the daemon asks, but with patience: how late an answer is, is what we want to know. */
	patient->resolver = config->resolver;
	patient->limits = config->limits;
	patient->limits.question_ms = DOCTOR_DNS_MS;
	patient->limits.questions = questions;
	patient->limits.questions_per_client = questions;
	patient->limits.questions_per_zone = questions;
	asking->dns = resolver_new(asking->base, asking->cache, patient, why_out);
	asking->deadline = evtimer_new(asking->base, on_deadline, asking);
	return asking->dns != NULL && asking->deadline != NULL &&
	       evtimer_add(asking->deadline, &after) == 0;
}

static void asking_close(struct asking *asking)
{
	for (size_t i = 0; i < asking->question_count && asking->dns != NULL; i++)
		dns_forget(asking->dns, &asking->question[i].wait);
	if (asking->deadline != NULL)
		event_free(asking->deadline);
	if (asking->dns != NULL)
		dns_free(asking->dns);
	if (asking->cache != NULL)
		dns_cache_free(asking->cache);
	if (asking->base != NULL)
		event_base_free(asking->base);
}

bool doctor_ask_dns(const struct config *config, struct arena *arena, struct dns_facts *facts_out,
		    const char **why_out)
{
	struct asking asking = { .arena = arena, .facts = facts_out };
	bool is_open;

	*facts_out = (struct dns_facts){ 0 };
	*why_out = "out of memory";
	find_resolvers(config, &facts_out->resolver);
	if (!find_zones(config, &asking))
		return false;
	ask_names(&asking);
	ask_zones(&asking);
	is_open = asking_open(&asking, config, why_out);
	if (is_open) {
		for (size_t i = 0; i < asking.question_count; i++)
			dns_ask(asking.dns, &asking.question[i].wait);
		event_base_dispatch(asking.base);
	}
	asking_close(&asking);
	return is_open;
}
