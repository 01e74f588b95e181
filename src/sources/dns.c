/* dns.c -- one worker's source of DNS facts. */
#include "sources/dns.h"

#include "base/ensure.h"
#include "mail/domain.h"
#include "sources/dns_guard.h"
#include "sources/dns_resolver.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* A question that nobody waits for any more may still fill the cache, for so many patiences in
 * all; then a new one may be asked in its place. */
enum { LINGER_PATIENCES = 4 };

enum { TIMER_MS_MIN = 1 };

struct dns {
	struct dns_cache *cache;
	struct dns_mesh *mesh;
	struct dns_guard *guard;
	const struct dns_resolver_class *class;
	void *resolver;
	struct dns_shares shares;
	uint64_t patience_us;
	uint32_t questions_max;
	atomic_uint in_flight;
	bool is_stopping;
	struct dns_inbox inbox;
	struct event *inbox_event, *timer;
	TAILQ_HEAD(, dns_wait) waits;         /* the oldest first; all have the same patience */
	TAILQ_HEAD(, dns_question) questions; /* likewise */
	TAILQ_HEAD(, dns_question) abandoned;
	atomic_uint_fast64_t asked, joined, recalled, failed;
	struct dns_answer answer; /* the one being read */
};

static uint64_t clock_us(void)
{
	struct timespec now;

	ENSURE(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}

/* Written by the worker alone, so it need not be an atomic addition. */
static void count(atomic_uint_fast64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static uint32_t us_between(uint64_t from_us, uint64_t to_us)
{
	uint64_t us = to_us > from_us ? to_us - from_us : 0;

	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

/* answers to waits */

static void wait_fail(struct dns_wait *wait, enum fact_cause cause)
{
	wait->fact->state = FACT_FAILED;
	wait->fact->cause = cause;
	wait->fact->item_count = 0;
	wait->fact->took_us = us_between(wait->asked_us, clock_us());
}

/* Of a list that was well only later, or is parked, an answer is worth nothing. */
static bool is_believed(const struct dns_zone *zone, const struct dns_entry *entry)
{
	return zone == NULL ||
	       entry->fetched_s > atomic_load_explicit(&zone->well_since_s, memory_order_relaxed);
}

/** An answer that has expired, where asking has failed.
 *
 * @return false: there is none
 */
static bool recall_stale(struct dns *dns, const struct dns_zone *zone, struct fact *fact)
{
	uint32_t now_s = dns_clock_s();
	struct dns_entry *entry = dns_cache_find_stale(dns->cache, fact->kind, fact->key, now_s);

	if (entry == NULL)
		return false;
	if (entry->state == FACT_FAILED || !is_believed(zone, entry)) {
		dns_entry_drop(entry);
		return false;
	}
	dns_entry_tell(entry, fact, now_s);
	fact->from_cache = true;
	return true;
}

/* The wait has failed, or brings a failure in wait->entry: is there anything better? */
static void wait_settle(struct dns *dns, struct dns_wait *wait)
{
	struct dns_entry *entry = wait->entry;

	wait->entry = NULL; /* its reference goes to the fact, or here */
	if (!wait->is_test && dns_zone_is_parked(wait->zone)) {
		wait_fail(wait, CAUSE_PARKED);
	} else if (entry != NULL && (entry->state != FACT_FAILED || wait->is_test)) {
		dns_entry_tell(entry, wait->fact, dns_clock_s());
		return;
	} else if (wait->is_test || !recall_stale(dns, wait->zone, wait->fact)) {
		if (entry != NULL) {
			dns_entry_tell(entry, wait->fact, dns_clock_s());
			return;
		}
		wait_fail(wait, wait->cause);
	}
	if (entry != NULL)
		dns_entry_drop(entry);
}

static void inbox_empty(struct dns *dns)
{
	struct dns_wait *wait;

	while ((wait = dns_mesh_next(dns->mesh, &dns->inbox)) != NULL) {
		TAILQ_REMOVE(&dns->waits, wait, by_age);
		wait_settle(dns, wait);
		if (wait->fact->state == FACT_FAILED)
			count(&dns->failed);
		wait->answered(wait);
	}
}

static void inbox_filled(evutil_socket_t fd, short what, void *self)
{
	(void)fd;
	(void)what;
	inbox_empty(self);
}

/* patience */

static void report(struct dns *dns, const struct dns_heard *heard)
{
	dns_guard_heard(dns->guard, heard, dns_clock_ms());
}

/** Keep for some seconds that a name is not answered, lest every attempt waits for it anew. */
static void keep_silence(struct dns *dns, const struct dns_wait *wait)
{
	const struct fact *fact = wait->fact;
	struct dns_heard heard = { .zone = wait->zone,
				   .answer = &dns->answer,
				   .is_test = wait->is_test };
	struct dns_entry *entry;

	dns_answer_fail(CAUSE_TIMEOUT, &dns->answer);
	report(dns, &heard);
	entry = dns_entry_new(fact->kind, fact->key, &dns->answer, fact->took_us, dns_clock_s());
	if (entry == NULL)
		return;
	dns_cache_keep(dns->cache, entry);
	dns_entry_drop(entry);
}

/** @return false: the answer came in this moment, and waits in the inbox */
static bool wait_expire(struct dns *dns, struct dns_wait *wait)
{
	bool is_silent = false;

	if (!dns_mesh_expire(dns->mesh, wait, &is_silent))
		return false;
	TAILQ_REMOVE(&dns->waits, wait, by_age);
	wait->fact->took_us = us_between(wait->asked_us, clock_us());
	wait->cause = CAUSE_TIMEOUT;
	if (is_silent)
		keep_silence(dns, wait);
	wait_settle(dns, wait);
	if (wait->fact->state == FACT_FAILED)
		count(&dns->failed);
	wait->answered(wait);
	return true;
}

static void question_abandon(struct dns *dns, struct dns_question *question)
{
	dns_mesh_abandon(dns->mesh, question);
	atomic_fetch_sub_explicit(&dns->in_flight, 1, memory_order_relaxed);
	TAILQ_REMOVE(&dns->questions, question, by_age);
	TAILQ_INSERT_TAIL(&dns->abandoned, question, by_age);
}

/** The timer stands at the earliest end of a patience, or earlier; a wait behind another one
 * cannot be due before it. */
static void timer_set(struct dns *dns)
{
	const struct dns_wait *wait = TAILQ_FIRST(&dns->waits);
	const struct dns_question *question = TAILQ_FIRST(&dns->questions);
	uint64_t now_us = clock_us(), due_us = UINT64_MAX;
	struct timeval left = { 0, TIMER_MS_MIN * 1000 };

	if (wait != NULL)
		due_us = wait->asked_us + dns->patience_us;
	if (question != NULL && question->began_us + dns->patience_us * LINGER_PATIENCES < due_us)
		due_us = question->began_us + dns->patience_us * LINGER_PATIENCES;
	if (due_us == UINT64_MAX)
		return;
	if (due_us > now_us + TIMER_MS_MIN * 1000) {
		left.tv_sec = (time_t)((due_us - now_us) / 1000000U);
		left.tv_usec = (suseconds_t)((due_us - now_us) % 1000000U);
	}
	ENSURE(event_add(dns->timer, &left) == 0);
}

static void timer_rang(evutil_socket_t fd, short what, void *self)
{
	struct dns *dns = self;
	uint64_t now_us = clock_us();
	struct dns_wait *wait;
	struct dns_question *question;

	(void)fd;
	(void)what;
	inbox_empty(dns);
	while ((wait = TAILQ_FIRST(&dns->waits)) != NULL &&
	       now_us >= wait->asked_us + dns->patience_us)
		if (!wait_expire(dns, wait))
			break;
	while ((question = TAILQ_FIRST(&dns->questions)) != NULL &&
	       now_us >= question->began_us + dns->patience_us * LINGER_PATIENCES)
		question_abandon(dns, question);
	if (!evtimer_pending(dns->timer, NULL))
		timer_set(dns);
}

/* questions */

static uint32_t share_of_client(const struct dns *dns, struct ip client)
{
	struct prefix net = prefix_of(client, client.family == IP_V6 ? 64 : 24);
	char bytes[sizeof(net.ip.byte) + 1];

	memcpy(bytes, net.ip.byte, sizeof(net.ip.byte));
	bytes[sizeof(net.ip.byte)] = (char)client.family;
	return dns_mesh_share(
		dns_cache_hash(dns->cache, FACT_KIND_COUNT, span_of(bytes, sizeof(bytes))));
}

/* Whose servers will a name burden?  The last two labels say it, but for the reverse zones,
 * which belong to whoever has the network: a /16, a /32. */
static uint32_t share_of_zone(const struct dns *dns, struct span name)
{
	size_t labels = 2;

	if (span_ends(name, SPAN(".in-addr.arpa")))
		labels = 4;
	else if (span_ends(name, SPAN(".ip6.arpa")))
		labels = 10;
	return dns_mesh_share(
		dns_cache_hash(dns->cache, FACT_KIND_COUNT, domain_last_labels(name, labels)));
}

/** @return NULL without memory, or with *cause_out for a name that cannot be asked */
static struct dns_question *question_new(struct dns *dns, const struct dns_wait *wait,
					 enum fact_cause *cause_out)
{
	struct span key = wait->fact->key;
	struct dns_question *question;
	unsigned char name[DNS_WIRE_NAME_MAX];
	size_t name_len;

	*cause_out = CAUSE_MALFORMED;
	if (domain_to_wire(key, name, &name_len) != OK)
		return NULL;
	*cause_out = CAUSE_TOOLARGE;
	question = malloc(sizeof(*question) + key.len + 1 + name_len);
	if (question == NULL)
		return NULL;
	for (size_t i = 0; i < name_len; i++)
		question->bytes[key.len + 1 + i] = ascii_lower((char)name[i]);
	memcpy(question->bytes, key.at, key.len);
	question->bytes[key.len] = '\0';
	TAILQ_INIT(&question->waits);
	question->dns = dns;
	question->hash = dns_cache_hash(dns->cache, wait->fact->kind, key);
	question->began_us = wait->asked_us;
	question->client_share = share_of_client(dns, wait->client);
	question->zone_share = share_of_zone(dns, key);
	question->zone = wait->zone;
	question->is_abandoned = question->is_silent = false;
	question->is_test = wait->is_test;
	question->key = span_of(question->bytes, key.len);
	question->asked = (struct dns_asked){
		.name = (const uint8_t *)question->bytes + key.len + 1,
		.name_len = name_len,
		.kind = wait->fact->kind,
	};
	return question;
}

static void question_free(struct dns_question *question)
{
	struct dns *dns = question->dns;

	if (question->is_abandoned) {
		TAILQ_REMOVE(&dns->abandoned, question, by_age);
	} else {
		TAILQ_REMOVE(&dns->questions, question, by_age);
		atomic_fetch_sub_explicit(&dns->in_flight, 1, memory_order_relaxed);
	}
	free(question);
}

/** dns->answer is the answer. */
static void question_finish(struct dns_question *question)
{
	struct dns *dns = question->dns;
	uint32_t took_us = us_between(question->began_us, clock_us());
	const struct dns_heard heard = { .zone = question->zone,
					 .answer = &dns->answer,
					 .client = (uint32_t)question->hash,
					 .is_test = question->is_test,
					 .is_late = question->is_silent };
	struct dns_entry *entry = NULL;

	/* What libunbound calls SERVFAIL after so long is a silent server. */
	if (dns->answer.cause == CAUSE_SERVFAIL && took_us >= dns->patience_us)
		dns->answer.cause = CAUSE_TIMEOUT;
	if (!dns->is_stopping)
		report(dns, &heard);
	if (!dns->is_stopping)
		entry = dns_entry_new(question->asked.kind, question->key, &dns->answer, took_us,
				      dns_clock_s());
	/* a failure that comes late must not displace what was learnt meanwhile */
	if (entry != NULL && !(question->is_abandoned && entry->state == FACT_FAILED))
		dns_cache_keep(dns->cache, entry);
	dns_mesh_finish(dns->mesh, question, entry, dns->is_stopping ? CAUSE_DOWN : CAUSE_TOOLARGE,
			&dns->inbox);
	if (entry != NULL)
		dns_entry_drop(entry);
	question_free(question);
	if (!dns->is_stopping)
		event_active(dns->inbox_event, EV_READ, 0);
}

void dns_resolved(struct dns_question *question, const uint8_t *packet, size_t len)
{
	dns_answer_parse(packet, len, &question->asked, &question->dns->answer);
	question_finish(question);
}

void dns_unresolved(struct dns_question *question, enum fact_cause cause)
{
	dns_answer_fail(cause, &question->dns->answer);
	question_finish(question);
}

/** Have it asked, by whomever.
 *
 * @return CAUSE_NONE, or why it will not be
 */
static enum fact_cause wait_ask(struct dns *dns, struct dns_wait *wait)
{
	enum fact_cause cause;
	struct dns_question *question = question_new(dns, wait, &cause);
	struct dns_shares shares = dns->shares;
	bool is_used = false;

	if (question == NULL)
		return cause;
	if (question->zone != NULL)
		shares.zone_max = UINT32_MAX; /* the limit is for strangers' domains */
	/* full: this worker may still join others' questions */
	if (atomic_load_explicit(&dns->in_flight, memory_order_relaxed) >= dns->questions_max)
		shares.zone_max = 0;
	if (dns_mesh_join(dns->mesh, wait, question, &shares, &is_used) != OK) {
		free(question);
		return CAUSE_TOOLARGE;
	}
	if (!is_used) {
		free(question);
		count(&dns->joined);
		return CAUSE_NONE;
	}
	question->resolver = dns->resolver;
	TAILQ_INSERT_TAIL(&dns->questions, question, by_age);
	atomic_fetch_add_explicit(&dns->in_flight, 1, memory_order_relaxed);
	count(&dns->asked);
	if (question->zone != NULL && !question->is_test)
		dns_zone_count(&question->zone->asked);
	dns->class->ask(dns->resolver, question);
	return CAUSE_NONE;
}

/* Lists answer with addresses; what else is asked below their names is not theirs to mean. */
static struct dns_zone *zone_of(const struct dns *dns, const struct fact *fact)
{
	return fact->kind == FACT_DNS_A ? dns_guard_find(dns->guard, fact->key) : NULL;
}

void dns_ask(struct dns *dns, struct dns_wait *wait)
{
	enum fact_cause cause;

	ENSURE(fact_kind_is_dns(wait->fact->kind) && wait->inbox == NULL);
	wait->asked_us = clock_us();
	wait->question = NULL;
	wait->entry = NULL;
	wait->inbox = &dns->inbox;
	wait->zone = zone_of(dns, wait->fact);
	TAILQ_INSERT_TAIL(&dns->waits, wait, by_age);
	cause = wait_ask(dns, wait);
	if (cause != CAUSE_NONE) {
		dns_mesh_refuse(dns->mesh, wait, cause);
		event_active(dns->inbox_event, EV_READ, 0);
	}
	if (TAILQ_FIRST(&dns->waits) == wait)
		timer_set(dns);
}

void dns_forget(struct dns *dns, struct dns_wait *wait)
{
	if (dns_mesh_forget(dns->mesh, wait))
		TAILQ_REMOVE(&dns->waits, wait, by_age);
}

static bool recall_failure(struct fact *fact, enum fact_cause cause)
{
	fact->state = FACT_FAILED;
	fact->cause = cause;
	return true;
}

bool dns_recall(void *self, struct fact *fact)
{
	struct dns *dns = self;
	uint32_t now_s = dns_clock_s();
	struct dns_zone *zone;
	struct dns_entry *entry;

	if (!fact_kind_is_dns(fact->kind))
		return false;
	zone = zone_of(dns, fact);
	if (dns_zone_is_parked(zone)) {
		dns_zone_count(&zone->skipped);
		return recall_failure(fact, CAUSE_PARKED);
	}
	entry = dns_cache_find(dns->cache, fact->kind, fact->key, now_s);
	if (entry != NULL && !is_believed(zone, entry)) {
		dns_entry_drop(entry);
		entry = NULL;
	}
	if (entry == NULL && dns_guard_lets_ask(dns->guard, zone, dns_clock_ms()))
		return false;
	if (entry == NULL)
		return recall_stale(dns, zone, fact) || recall_failure(fact, CAUSE_DOWN);
	dns_entry_tell(entry, fact, now_s);
	fact->from_cache = true;
	count(&dns->recalled);
	return true;
}

void dns_release(void *self, struct fact *fact)
{
	(void)self;
	if (fact->held == NULL)
		return;
	dns_entry_drop(fact->held);
	fact->held = NULL;
	fact->item = NULL;
	fact->item_count = 0;
}

/* life */

static bool is_loopback(struct ip ip)
{
	static const struct ip v6 = { .byte = { [15] = 1 }, .family = IP_V6 };

	return (ip.family == IP_V4 && ip.byte[0] == 127) || ip_equal(ip, v6);
}

/** One source port for all questions is harmless only where nobody outside can see or forge
 * packets. */
static enum dns_library library_for(const struct dns_resolver_options *options)
{
	for (size_t i = 0; i < options->address_count; i++)
		if (!is_loopback(options->address[i].address))
			return DNS_UNBOUND;
	return options->address_count > 0 ? DNS_CARES : DNS_UNBOUND;
}

static bool dns_start(struct dns *dns, const struct dns_options *options, const char **why_out)
{
	struct dns_address system[RESOLV_CONF_SERVERS_MAX];
	enum dns_library library = options->library;
	struct dns_resolver_options resolver = {
		.base = options->base,
		.question_ms = options->question_ms,
		.questions_max = options->questions_max,
	};

	switch (options->resolver) {
	case DNS_RECURSIVE: resolver.root_hints = options->root_hints; break;
	case DNS_SYSTEM:
		resolver.address = system;
		resolver.address_count = resolv_conf_read("/etc/resolv.conf", system);
		break;
	case DNS_ADDRESSES:
		resolver.address = options->address;
		resolver.address_count = options->address_count;
		break;
	}
	if (library == DNS_BY_ADDRESS)
		library = library_for(&resolver);
	dns->class = library == DNS_CARES ? &dns_resolver_cares : &dns_resolver_unbound;
	dns->resolver = dns->class->start(&resolver, why_out);
	return dns->resolver != NULL;
}

static bool dns_open(struct dns *dns, struct event_base *base)
{
	int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	dns_mesh_open_inbox(&dns->inbox, wake_fd);
	if (wake_fd < 0)
		return false;
	dns->inbox_event = event_new(base, wake_fd, EV_READ | EV_PERSIST, inbox_filled, dns);
	dns->timer = evtimer_new(base, timer_rang, dns);
	return dns->inbox_event != NULL && dns->timer != NULL &&
	       event_add(dns->inbox_event, NULL) == 0;
}

struct dns *dns_new(const struct dns_options *options, const char **why_out)
{
	struct dns *dns = calloc(1, sizeof(*dns));

	ENSURE(options->resolver != DNS_ADDRESSES || options->address_count > 0);
	*why_out = "no memory";
	if (dns == NULL)
		return NULL;
	dns->cache = options->cache;
	dns->mesh = dns_cache_mesh(options->cache);
	dns->guard = dns_cache_guard(options->cache);
	dns->shares.client_max = options->questions_per_client;
	dns->shares.zone_max = options->questions_per_zone;
	dns->patience_us = (uint64_t)options->question_ms * 1000U;
	dns->questions_max = options->questions_max;
	TAILQ_INIT(&dns->waits);
	TAILQ_INIT(&dns->questions);
	TAILQ_INIT(&dns->abandoned);
	if (!dns_open(dns, options->base) || !dns_start(dns, options, why_out)) {
		dns_free(dns);
		return NULL;
	}
	return dns;
}

static void questions_drop(struct dns *dns)
{
	struct dns_question *question;

	while ((question = TAILQ_FIRST(&dns->questions)) != NULL ||
	       (question = TAILQ_FIRST(&dns->abandoned)) != NULL)
		dns_unresolved(question, CAUSE_DOWN);
}

void dns_free(struct dns *dns)
{
	if (dns == NULL)
		return;
	ENSURE(TAILQ_EMPTY(&dns->waits));
	dns->is_stopping = true;
	if (dns->resolver != NULL)
		dns->class->stop(dns->resolver);
	questions_drop(dns);
	if (dns->timer != NULL)
		event_free(dns->timer);
	if (dns->inbox_event != NULL)
		event_free(dns->inbox_event);
	if (dns->inbox.wake_fd >= 0)
		close(dns->inbox.wake_fd);
	free(dns);
}

void dns_figures(const struct dns *dns, struct dns_figures *figures_out)
{
	*figures_out = (struct dns_figures){
		.asked = atomic_load_explicit(&dns->asked, memory_order_relaxed),
		.joined = atomic_load_explicit(&dns->joined, memory_order_relaxed),
		.recalled = atomic_load_explicit(&dns->recalled, memory_order_relaxed),
		.failed = atomic_load_explicit(&dns->failed, memory_order_relaxed),
		.in_flight = atomic_load_explicit(&dns->in_flight, memory_order_relaxed),
	};
	dns_cache_count(dns->cache, &figures_out->cache_entries, &figures_out->cache_bytes);
}
