/* dns_guard.c -- whom not to ask. */
#include "sources/dns_guard.h"

#include "base/ensure.h"
#include "mail/domain.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { LOOPBACK_NET = 127 };

/* FNV-1a, 32 bits: the names are the administrator's, nobody plays with collisions. */
#define HASH_BEGIN 2166136261U
#define HASH_PRIME 16777619U

int64_t dns_clock_ms(void)
{
	struct timespec now;

	ENSURE(clock_gettime(CLOCK_MONOTONIC_COARSE, &now) == 0);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void guard_wake(struct dns_guard *guard)
{
	/* cannot fail but for a full counter, which is as good as read */
	(void)eventfd_write(guard->wake_fd, 1);
}

/* --- the index --- */

/* The hash of a name is made from its end, so that one walk gives those of all its suffixes. */
static uint32_t hash_more(uint32_t hash, char c)
{
	return (hash ^ (unsigned char)c) * HASH_PRIME;
}

static uint32_t hash_name(struct span name)
{
	uint32_t hash = HASH_BEGIN;

	for (size_t i = name.len; i-- > 0;)
		hash = hash_more(hash, name.at[i]);
	return hash;
}

static struct dns_zone *guard_look(const struct dns_guard *guard, struct span name, uint32_t hash)
{
	for (uint32_t i = hash;; i++) {
		struct dns_zone *zone =
			atomic_load_explicit(&guard->slot[i & (DNS_GUARD_SLOTS - 1)],
					     memory_order_acquire);

		if (zone == NULL || span_equal(zone->name, name))
			return zone;
	}
}

struct dns_zone *dns_guard_find(const struct dns_guard *guard, struct span key)
{
	unsigned labels = atomic_load_explicit(&guard->labels_max, memory_order_relaxed);
	struct dns_zone *found = NULL;
	uint32_t hash = HASH_BEGIN;

	for (size_t i = key.len; i-- > 1 && labels > 0;) {
		struct dns_zone *zone;

		hash = hash_more(hash, key.at[i]);
		if (key.at[i - 1] != '.')
			continue;
		labels--;
		zone = guard_look(guard, span_from(key, i), hash);
		if (zone != NULL && atomic_load_explicit(&zone->is_used, memory_order_relaxed))
			found = zone; /* the longest name is meant */
	}
	return found;
}

/* --- the zones --- */

static void copy_span(char **at, struct span *span)
{
	if (span->len > 0)
		memcpy(*at, span->at, span->len);
	span->at = *at;
	*at += span->len;
}

/* All that is shown or asked later; findings have their names elsewhere. */
static bool zone_copy(const struct zone *from, struct zone *zone_out, char **texts_out)
{
	struct zone copy = *from;
	struct span *const spans[] = { &copy.name,        &copy.shown,      &copy.alias,
				       &copy.test_listed, &copy.test_clear, &copy.home,
				       &copy.dead_since,  &copy.checked };
	size_t bytes = 1;
	char *texts, *at;

	for (size_t i = 0; i < sizeof(spans) / sizeof(*spans); i++)
		bytes += spans[i]->len;
	texts = malloc(bytes);
	if (texts == NULL)
		return false;
	at = texts;
	for (size_t i = 0; i < sizeof(spans) / sizeof(*spans); i++)
		copy_span(&at, spans[i]);
	for (size_t i = 0; i < ZONE_MEANINGS_MAX; i++)
		copy.meaning[i] = SPAN("");
	*zone_out = copy;
	*texts_out = texts;
	return true;
}

static bool zone_renew(struct dns_zone *zone, const struct zone *from)
{
	struct zone copy;
	char *texts, *old = zone->texts;

	if (!zone_copy(from, &copy, &texts))
		return false;
	pthread_mutex_lock(&zone->lock);
	zone->zone = copy;
	zone->texts = texts;
	pthread_mutex_unlock(&zone->lock);
	free(old);
	return true;
}

static void zone_free(struct dns_zone *zone)
{
	pthread_mutex_destroy(&zone->lock);
	free(zone->texts);
	free((char *)zone->name.at);
	free(zone);
}

static struct dns_zone *zone_new(const struct zone *from)
{
	struct dns_zone *zone = calloc(1, sizeof(*zone));
	char *name = malloc(from->name.len + 1);

	if (zone == NULL || name == NULL) {
		free(zone);
		free(name);
		return NULL;
	}
	memcpy(name, from->name.at, from->name.len);
	zone->name = span_of(name, from->name.len);
	ENSURE(pthread_mutex_init(&zone->lock, NULL) == 0);
	if (zone_renew(zone, from))
		return zone;
	zone_free(zone);
	return NULL;
}

static void guard_enter(struct dns_guard *guard, struct dns_zone *zone)
{
	unsigned labels = (unsigned)domain_label_count(zone->name);
	uint32_t i = hash_name(zone->name);

	while (guard->slot[i & (DNS_GUARD_SLOTS - 1)] != NULL)
		i++;
	atomic_store_explicit(&guard->slot[i & (DNS_GUARD_SLOTS - 1)], zone, memory_order_release);
	guard->zone[guard->zone_count++] = zone;
	if (labels > guard->labels_max)
		guard->labels_max = labels;
}

void dns_guard_begin(struct dns_guard *guard)
{
	for (uint16_t i = 0; i < guard->zone_count; i++)
		guard->zone[i]->is_used = false;
}

struct dns_zone *dns_guard_use(struct dns_guard *guard, const struct zone *from)
{
	struct dns_zone *zone = guard_look(guard, from->name, hash_name(from->name));

	if (zone != NULL) {
		if (!zone_renew(zone, from))
			return NULL;
	} else {
		if (guard->zone_count == DNS_GUARD_ZONES_MAX)
			return NULL;
		zone = zone_new(from);
		if (zone == NULL)
			return NULL;
		guard_enter(guard, zone);
	}
	zone->is_used = true;
	return zone;
}

void dns_zone_park(struct dns_zone *zone)
{
	zone->is_parked = true;
}

void dns_zone_unpark(struct dns_zone *zone, uint32_t now_s)
{
	pthread_mutex_lock(&zone->lock);
	zone->veto = (struct zone_veto){ 0 };
	pthread_mutex_unlock(&zone->lock);
	zone->well_since_s = now_s;
	zone->is_parked = false;
}

void dns_guard_forgive(struct dns_guard *guard)
{
	for (uint16_t i = 0; i < guard->zone_count; i++) {
		struct dns_zone *zone = guard->zone[i];

		pthread_mutex_lock(&zone->lock);
		(void)breaker_work(&zone->breaker);
		pthread_mutex_unlock(&zone->lock);
		zone->skip_until_ms = 0;
	}
}

unsigned dns_zone_take_news(struct dns_zone *zone, uint32_t *raw_out)
{
	unsigned news = atomic_exchange(&zone->news, 0);

	pthread_mutex_lock(&zone->lock);
	*raw_out = zone->news_raw;
	pthread_mutex_unlock(&zone->lock);
	return news;
}

/* --- before asking --- */

/* Of all who come after *due_ms has passed, one may: the next not before so long. */
static bool take_turn(_Atomic int64_t *due_ms, int64_t now_ms, int64_t wait_ms)
{
	int64_t due = atomic_load_explicit(due_ms, memory_order_relaxed);

	return now_ms >= due && atomic_compare_exchange_strong(due_ms, &due, now_ms + wait_ms);
}

bool dns_guard_lets_ask(struct dns_guard *guard, struct dns_zone *zone, int64_t now_ms)
{
	bool is_let = true;

	if (atomic_load_explicit(&guard->is_down, memory_order_relaxed))
		is_let = take_turn(&guard->probe_ms, now_ms, DNS_OUTAGE_PROBE_MS);
	else if (zone != NULL &&
		 atomic_load_explicit(&zone->skip_until_ms, memory_order_relaxed) != 0)
		is_let = take_turn(&zone->skip_until_ms, now_ms, DNS_PROBE_MS);
	if (!is_let && zone != NULL)
		dns_zone_count(&zone->skipped);
	return is_let;
}

/* --- answers --- */

static void guard_alive(struct dns_guard *guard, int64_t now_ms)
{
	atomic_store_explicit(&guard->alive_ms, now_ms, memory_order_relaxed);
	if (atomic_load_explicit(&guard->failing_ms, memory_order_relaxed) == 0)
		return;
	guard->failing_ms = 0;
	guard->failures = 0;
	if (atomic_exchange(&guard->is_down, false))
		guard_wake(guard);
}

static void guard_dead(struct dns_guard *guard, int64_t now_ms)
{
	int64_t never = 0;
	unsigned failures = atomic_fetch_add(&guard->failures, 1) + 1;

	if (atomic_compare_exchange_strong(&guard->failing_ms, &never, now_ms) ||
	    now_ms - never < DNS_OUTAGE_MS || failures < DNS_OUTAGE_FAILURES)
		return;
	guard->probe_ms = now_ms + DNS_OUTAGE_PROBE_MS;
	if (!atomic_exchange(&guard->is_down, true))
		guard_wake(guard);
}

/* Did anybody answer?  What breaks a limit of ours, or the format, came from somebody. */
static bool is_alive(const struct dns_answer *answer)
{
	if (answer->state != FACT_FAILED)
		return true;
	switch (answer->cause) {
	case CAUSE_MALFORMED:
	case CAUSE_TOOLARGE:
	case CAUSE_BOGUS: return true;
	case CAUSE_NONE:
	case CAUSE_TIMEOUT:
	case CAUSE_SERVFAIL:
	case CAUSE_REFUSED:
	case CAUSE_DOWN:
	case CAUSE_PARKED:
	case CAUSE_UNRECORDED:
	case CAUSE_COUNT: break;
	}
	return false;
}

/* Under lock.  While nobody else answers either, it is not the list that fails. */
static unsigned zone_failed(const struct dns_guard *guard, struct dns_zone *zone, int64_t now_ms)
{
	struct breaker *breaker = &zone->breaker;
	bool has_opened;

	if (breaker->failures + 1 >= BREAKER_FAILURES && guard->alive_ms < breaker->first_ms)
		return 0;
	has_opened = breaker_fail(breaker, now_ms);
	if (has_opened)
		zone->skip_until_ms = breaker->until_ms;
	return has_opened && breaker->wait_ms == BREAKER_MS_MIN ? NEWS_SILENT : 0;
}

/* Under lock. */
static unsigned zone_spoke(struct dns_zone *zone, const struct dns_heard *heard)
{
	const struct dns_answer *answer = heard->answer;
	const struct fact fact = { .kind = FACT_DNS_A,
				   .state = answer->state,
				   .item_count = answer->item_count,
				   .item = answer->item };
	unsigned news = breaker_work(&zone->breaker) ? NEWS_HEARD : 0;
	uint32_t raw;
	enum zone_said said = zone_hear(&zone->zone, &fact, &raw);

	zone->skip_until_ms = 0;
	if (heard->is_test)
		return news;
	if (said == ZONE_SAID_REFUSED) {
		dns_zone_count(&zone->refused);
		zone->news_raw = raw;
		if (!atomic_exchange(&zone->is_parked, true))
			news |= NEWS_REFUSED;
		return news;
	}
	if (said == ZONE_SAID_LISTED)
		dns_zone_count(&zone->listed);
	if (said == ZONE_SAID_ODD && raw >> 24 != LOOPBACK_NET)
		news |= NEWS_SUSPECT;
	if (zone_veto_add(&zone->veto, heard->client, said != ZONE_SAID_CLEAR)) {
		zone->veto = (struct zone_veto){ 0 }; /* said once; then as many clients again */
		news |= NEWS_VETO;
	}
	if (news != 0)
		zone->news_raw = raw;
	return news;
}

static void zone_heard(struct dns_guard *guard, const struct dns_heard *heard, int64_t now_ms)
{
	struct dns_zone *zone = heard->zone;
	bool has_failed = heard->answer->state == FACT_FAILED;
	unsigned news;

	if (has_failed && !heard->is_test)
		dns_zone_count(&zone->failed);
	pthread_mutex_lock(&zone->lock);
	news = has_failed ? zone_failed(guard, zone, now_ms) : zone_spoke(zone, heard);
	pthread_mutex_unlock(&zone->lock);
	if (news == 0)
		return;
	atomic_fetch_or(&zone->news, news);
	guard_wake(guard);
}

void dns_guard_heard(struct dns_guard *guard, const struct dns_heard *heard, int64_t now_ms)
{
	bool is_answered = heard->answer->state != FACT_FAILED;

	if (is_alive(heard->answer))
		guard_alive(guard, now_ms);
	else if (!heard->is_late)
		guard_dead(guard, now_ms);
	/* An answer that comes after everybody's patience speaks neither for nor against. */
	if (heard->zone != NULL && !heard->is_late &&
	    (is_answered || heard->answer->cause != CAUSE_TOOLARGE))
		zone_heard(guard, heard, now_ms);
}

/* --- life --- */

struct dns_guard *dns_guard_new(void)
{
	struct dns_guard *guard = calloc(1, sizeof(*guard));

	if (guard == NULL)
		return NULL;
	guard->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (guard->wake_fd >= 0)
		return guard;
	free(guard);
	return NULL;
}

void dns_guard_free(struct dns_guard *guard)
{
	if (guard == NULL)
		return;
	for (uint16_t i = 0; i < guard->zone_count; i++)
		zone_free(guard->zone[i]);
	close(guard->wake_fd);
	free(guard);
}
