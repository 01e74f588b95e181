/* census.c -- how many connections there are, in all and of each source. */
#include "serve/census.h"

#include "base/ensure.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { CENSUS_SLOTS = 4096 };

struct source_count {
	struct source_count *next;
	struct ip source;
	uint32_t connections;
};

struct census {
	_Atomic uint32_t connections;
	_Atomic uint32_t connections_max;
	_Atomic uint32_t connections_per_source_max;
	pthread_mutex_t lock; /* of what follows */
	struct hash_key hash;
	struct source_count *slot[CENSUS_SLOTS];
	_Atomic uint32_t seat_count; /* written under the lock, read without */
	struct census_seat seat[CENSUS_FRONTS_MAX];
};

struct census *census_new(const struct census_limits *limits, const struct hash_key *hash)
{
	struct census *census = calloc(1, sizeof(*census));

	if (census == NULL)
		return NULL;
	ENSURE(pthread_mutex_init(&census->lock, NULL) == 0);
	census->hash = *hash;
	census_set_limits(census, limits);
	return census;
}

void census_free(struct census *census)
{
	if (census == NULL)
		return;
	ENSURE(census_count(census) == 0);
	pthread_mutex_destroy(&census->lock);
	free(census);
}

void census_set_limits(struct census *census, const struct census_limits *limits)
{
	atomic_store(&census->connections_max, limits->connections_max);
	atomic_store(&census->connections_per_source_max, limits->connections_per_source_max);
}

struct ip census_source(struct ip ip)
{
	ip = ip_unmapped(ip);
	return ip.family == IP_V6 ? prefix_of(ip, 64).ip : ip;
}

struct ip census_source_of(const struct sockaddr_storage *peer)
{
	struct ip ip = { 0 };

	if (peer->ss_family == AF_INET) {
		ip.family = IP_V4;
		memcpy(ip.byte, &((const struct sockaddr_in *)peer)->sin_addr, 4);
	} else if (peer->ss_family == AF_INET6) {
		ip.family = IP_V6;
		memcpy(ip.byte, &((const struct sockaddr_in6 *)peer)->sin6_addr, 16);
	}
	return census_source(ip);
}

static struct source_count **census_find(struct census *census, struct ip source)
{
	struct span key = span_of((const char *)source.byte, sizeof(source.byte));
	struct source_count **at =
		&census->slot[hash_span(&census->hash, key) & (CENSUS_SLOTS - 1)];

	while (*at != NULL && !ip_equal((*at)->source, source))
		at = &(*at)->next;
	return at;
}

static enum admission source_enter(struct census *census, struct ip source)
{
	struct source_count **at = census_find(census, source);

	if (*at == NULL) {
		*at = calloc(1, sizeof(**at));
		if (*at == NULL)
			return FULL_OF_SOURCE;
		(*at)->source = source;
	}
	if ((*at)->connections >= atomic_load(&census->connections_per_source_max))
		return FULL_OF_SOURCE;
	(*at)->connections++;
	return ADMITTED;
}

enum admission census_enter(struct census *census, struct ip source, bool is_replacing)
{
	enum admission admission = ADMITTED;

	if (atomic_fetch_add(&census->connections, 1) >= atomic_load(&census->connections_max) &&
	    !is_replacing) {
		atomic_fetch_sub(&census->connections, 1);
		return FULL;
	}
	if (source.family != IP_NONE) {
		pthread_mutex_lock(&census->lock);
		admission = source_enter(census, source);
		pthread_mutex_unlock(&census->lock);
	}
	if (admission != ADMITTED)
		atomic_fetch_sub(&census->connections, 1);
	return admission;
}

static void source_leave(struct census *census, struct ip source)
{
	struct source_count **at = census_find(census, source);
	struct source_count *count = *at;

	ENSURE(count != NULL && count->connections > 0);
	if (--count->connections > 0)
		return;
	*at = count->next;
	free(count);
}

void census_leave(struct census *census, struct ip source)
{
	if (source.family != IP_NONE) {
		pthread_mutex_lock(&census->lock);
		source_leave(census, source);
		pthread_mutex_unlock(&census->lock);
	}
	ENSURE(atomic_fetch_sub(&census->connections, 1) > 0);
}

uint32_t census_count(const struct census *census)
{
	return atomic_load(&census->connections);
}

bool census_is_over(const struct census *census)
{
	return census_count(census) > atomic_load(&census->connections_max);
}

struct census_seat *census_join(struct census *census, const struct census_seat *who)
{
	struct census_seat *seat = NULL;

	pthread_mutex_lock(&census->lock);
	if (atomic_load(&census->seat_count) < CENSUS_FRONTS_MAX) {
		seat = &census->seat[atomic_load(&census->seat_count)];
		seat->front = who->front;
		seat->evict = who->evict;
		seat->evict_later = who->evict_later;
		atomic_store(&seat->oldest_idle_ms, INT64_MAX);
		atomic_fetch_add(&census->seat_count, 1);
	}
	pthread_mutex_unlock(&census->lock);
	return seat;
}

const struct census_seat *census_idlest(const struct census *census)
{
	const struct census_seat *idlest = NULL;
	int64_t oldest_ms = INT64_MAX;

	for (uint32_t i = 0; i < atomic_load(&census->seat_count); i++) {
		int64_t since_ms =
			atomic_load_explicit(&census->seat[i].oldest_idle_ms, memory_order_relaxed);

		if (since_ms < oldest_ms) {
			oldest_ms = since_ms;
			idlest = &census->seat[i];
		}
	}
	return idlest;
}

enum admission census_admit(struct census *census, const struct census_seat *seat, struct ip source)
{
	enum admission admission = census_enter(census, source, false);
	const struct census_seat *idlest;

	if (admission == FULL_OF_SOURCE && seat->evict(seat->front, source))
		admission = census_enter(census, source, false);
	if (admission != FULL)
		return admission;
	idlest = census_idlest(census);
	if (idlest == NULL)
		return FULL;
	if (idlest == seat)
		return seat->evict(seat->front, (struct ip){ 0 })
			       ? census_enter(census, source, false)
			       : FULL;
	admission = census_enter(census, source, true);
	if (admission == ADMITTED)
		idlest->evict_later(idlest->front);
	return admission;
}
