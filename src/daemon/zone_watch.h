/* zone_watch.h -- tests the DNS lists that the running policies use, and parks the bad ones.
 *
 * The main thread's: it asks the tests through a resolver of its own, past the cache, judges
 * (weigh/zone_health.h), tells the workers (sources/dns_guard.h), and says each change once.
 */
#pragma once
#include "daemon/worker.h"
#include "sources/dns_guard.h"

struct event_base;
struct zone_watch;

MUST_USE struct zone_watch *zone_watch_new(struct event_base *base, struct shared *shared);
void zone_watch_free(struct zone_watch *watch);

/** Watch the lists of this configuration from now on; what is known of a list stays. */
void zone_watch_adopt(struct zone_watch *watch, const struct config *config);

/* A list as "weighctl zones" shows it. */
struct zone_report {
	const struct dns_zone *zone;
	const struct zone_health *health;
};

/** One watched list after the other, in the order of the policies.
 *
 * @param i  from 0
 * @return false: there is no such list
 */
MUST_USE bool zone_watch_report(const struct zone_watch *watch, size_t i,
				struct zone_report *report_out);

/** {"ok":true,"resolver":...,"zones":[...]}, malloced; NULL without memory. */
MUST_USE char *zone_watch_json(const struct zone_watch *watch);

/** How many lists are watched, and how many of them are parked. */
void zone_watch_count(const struct zone_watch *watch, uint64_t *zones_out, uint64_t *parked_out);

/** Does the resolver answer nobody? */
bool zone_watch_is_down(const struct zone_watch *watch);

/* --- in words (zone_words.c) --- */

/** "is parked: it refuses us (answer ...); what to do", or that it is well again. */
void text_add_zone_change(struct text *text, const struct zone *zone,
			  const struct zone_health *health);

/** The lists that the policies of a configuration ask, each once, with what it is asked about.
 *
 * @param zone_out  ZONES_MAX of them; their spans are the configuration's
 */
size_t zone_uses(const struct config *config, struct zone *zone_out);
