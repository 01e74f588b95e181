/* zone_watch.c -- tests the DNS lists that the running policies use. */
#include "daemon/zone_watch.h"

#include "sources/dns_cache.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHANGE_BYTES_MAX = 1024, TEST_GAP_MS = 10 };

struct watched;

/* One test of one list, in flight. */
struct asked {
	struct dns_wait wait;
	struct fact fact;
	struct watched *watched;
};

struct watched {
	struct zone_watch *watch;
	struct dns_zone *zone;
	struct zone_health health;
	struct zone_test test[ZONE_TESTS_MAX + 1]; /* ended by one without a key */
	size_t test_count;
	struct asked asked[ZONE_TESTS_MAX];
	enum zone_said said[ZONE_TESTS_MAX];
	uint32_t raw[ZONE_TESTS_MAX];
	unsigned waiting;
	bool is_used;
};

struct zone_watch {
	struct event_base *base;
	struct shared *shared;
	struct dns_guard *guard;
	struct dns *dns; /* NULL: nothing is watched */
	struct watched *watched[ZONES_MAX];
	size_t count;
	struct event news_event, timer;
	/* while the resolver is down */
	bool is_down;
	struct event probe_event;
	struct asked probe;
	size_t probed;
};

static void say(struct zone_watch *watch, enum log_level level, const struct watched *watched)
{
	TEXT(text, CHANGE_BYTES_MAX);

	text_add_zone_change(&text, &watched->zone->zone, &watched->health);
	log_say(watch->shared->log, KIND_ALWAYS, level, "%s%s",
		level == LEVEL_WARNING ? "warning: " : "", text_cstr(&text));
}

/* --- the clock --- */

static void timer_arm(struct zone_watch *watch)
{
	int64_t now_ms = dns_clock_ms(), due_ms = INT64_MAX;

	for (size_t i = 0; i < watch->count; i++)
		if (watch->watched[i]->waiting == 0 && watch->watched[i]->health.due_ms < due_ms)
			due_ms = watch->watched[i]->health.due_ms;
	if (due_ms == INT64_MAX || watch->dns == NULL)
		return;
	due_ms = due_ms > now_ms + TEST_GAP_MS ? due_ms - now_ms : TEST_GAP_MS;
	event_add(&watch->timer, &(struct timeval){ due_ms / 1000, due_ms % 1000 * 1000 });
}

/* --- a round of tests --- */

/* The workers are told before anybody hears of it. */
static void publish(struct zone_watch *watch, struct watched *watched, bool has_changed)
{
	bool is_parked = watched->health.state == ZONE_PARKED;

	if (is_parked)
		dns_zone_park(watched->zone);
	else if (has_changed || dns_zone_is_parked(watched->zone))
		dns_zone_unpark(watched->zone, dns_clock_s());
	if (has_changed && is_parked)
		say(watch, LEVEL_WARNING, watched);
}

static void round_end(struct watched *watched)
{
	struct zone_watch *watch = watched->watch;
	enum zone_state before = watched->health.state;
	bool has_changed = zone_health_judge(&watched->health, watched->test, watched->said,
					     watched->raw, dns_clock_ms());

	/* What is well from the start is not worth a line, nor a break with the cache. */
	if (before == ZONE_UNTESTED && watched->health.state == ZONE_WELL)
		has_changed = false;
	publish(watch, watched, has_changed);
	if (has_changed && before == ZONE_PARKED)
		say(watch, LEVEL_NOTICE, watched);
	timer_arm(watch);
}

static void on_test_answer(struct dns_wait *wait)
{
	struct asked *asked = wait->owner;
	struct watched *watched = asked->watched;
	size_t i = (size_t)(asked - watched->asked);

	watched->said[i] = zone_hear(&watched->zone->zone, wait->fact, &watched->raw[i]);
	dns_release(watched->watch->dns, wait->fact);
	if (--watched->waiting == 0)
		round_end(watched);
}

static void ask(struct zone_watch *watch, struct asked *asked, const struct zone_test *test,
		void (*answered)(struct dns_wait *wait))
{
	asked->fact = (struct fact){ .kind = FACT_DNS_A, .key = span_of(test->key, test->key_len) };
	asked->wait = (struct dns_wait){
		.fact = &asked->fact, .answered = answered, .owner = asked, .is_test = true
	};
	dns_ask(watch->dns, &asked->wait);
}

static void round_begin(struct watched *watched)
{
	watched->waiting = (unsigned)watched->test_count;
	if (watched->test_count == 0)
		watched->health.due_ms = INT64_MAX; /* it lists nothing that could be tested */
	for (size_t i = 0; i < watched->test_count; i++) {
		watched->asked[i].watched = watched;
		ask(watched->watch, &watched->asked[i], &watched->test[i], on_test_answer);
	}
}

static void on_timer(int fd, short what, void *arg)
{
	struct zone_watch *watch = arg;
	int64_t now_ms = dns_clock_ms();

	(void)fd, (void)what;
	for (size_t i = 0; i < watch->count; i++) {
		struct watched *watched = watch->watched[i];

		if (watched->waiting == 0 && watched->health.due_ms <= now_ms)
			round_begin(watched);
	}
	timer_arm(watch);
}

/* --- what the workers have seen --- */

static void accuse(struct watched *watched, enum zone_trouble trouble, uint32_t raw)
{
	struct zone_watch *watch = watched->watch;
	bool has_changed = zone_health_accuse(&watched->health, trouble, raw, dns_clock_ms());

	publish(watch, watched, has_changed);
}

static void look_into(struct watched *watched)
{
	struct log *log = watched->watch->shared->log;
	struct span shown = watched->zone->zone.shown;
	uint32_t raw;
	unsigned news = dns_zone_take_news(watched->zone, &raw);

	if (news & NEWS_REFUSED)
		accuse(watched, TROUBLE_REFUSES, raw);
	if (news & NEWS_VETO)
		accuse(watched, TROUBLE_HITS_MOST, raw);
	if (news & NEWS_SUSPECT && watched->health.tested_ms + ZONE_RETEST_MS_MIN < dns_clock_ms())
		watched->health.due_ms = dns_clock_ms();
	if (news & NEWS_SILENT)
		log_say(log, KIND_ALWAYS, LEVEL_WARNING,
			"warning: list %.*s does not answer: it is skipped, and probed after %d s",
			SPAN_ARG(shown), BREAKER_MS_MIN / 1000);
	if (news & NEWS_HEARD)
		log_say(log, KIND_ALWAYS, LEVEL_NOTICE, "list %.*s answers again", SPAN_ARG(shown));
}

static void on_probe_answer(struct dns_wait *wait)
{
	struct asked *asked = wait->owner;
	struct zone_watch *watch = (void *)((char *)asked - offsetof(struct zone_watch, probe));

	dns_release(watch->dns, wait->fact);
}

/* Each second, lest the first mail after the night has to find out. */
static void on_probe(int fd, short what, void *arg)
{
	struct zone_watch *watch = arg;
	const struct watched *watched;

	(void)fd, (void)what;
	if (watch->dns == NULL || watch->count == 0 || watch->probe.wait.inbox != NULL)
		return;
	watched = watch->watched[watch->probed++ % watch->count];
	if (watched->test_count > 0)
		ask(watch, &watch->probe, &watched->test[watched->test_count - 1], on_probe_answer);
}

static void look_at_resolver(struct zone_watch *watch)
{
	static const struct timeval each = { DNS_OUTAGE_PROBE_MS / 1000,
					     DNS_OUTAGE_PROBE_MS % 1000 * 1000 };
	bool is_down = atomic_load(&watch->guard->is_down);

	if (is_down == watch->is_down)
		return;
	watch->is_down = is_down;
	if (is_down) {
		log_say(watch->shared->log, KIND_ALWAYS, LEVEL_WARNING,
			"warning: the resolver has answered nothing for %d s: mail is judged by "
			"what is known without it; it is probed each second",
			DNS_OUTAGE_MS / 1000);
		event_add(&watch->probe_event, &each);
		return;
	}
	log_say(watch->shared->log, KIND_ALWAYS, LEVEL_NOTICE, "the resolver answers again");
	event_del(&watch->probe_event);
	dns_guard_forgive(watch->guard);
	for (size_t i = 0; i < watch->count; i++)
		if (watch->watched[i]->health.is_silent)
			watch->watched[i]->health.due_ms = dns_clock_ms();
}

static void on_news(int fd, short what, void *arg)
{
	struct zone_watch *watch = arg;
	uint64_t count;

	(void)what;
	(void)!read(fd, &count, sizeof(count));
	look_at_resolver(watch);
	for (size_t i = 0; i < watch->count; i++)
		look_into(watch->watched[i]);
	timer_arm(watch);
}

/* --- configurations --- */

static void forget_round(struct watched *watched)
{
	for (size_t i = 0; i < watched->test_count && watched->waiting > 0; i++)
		dns_forget(watched->watch->dns, &watched->asked[i].wait);
	watched->waiting = 0;
}

static void forget_all(struct zone_watch *watch)
{
	for (size_t i = 0; i < watch->count; i++)
		forget_round(watch->watched[i]);
	if (watch->dns != NULL)
		dns_forget(watch->dns, &watch->probe.wait);
}

static struct watched *watched_of(struct zone_watch *watch, struct dns_zone *zone)
{
	struct watched *watched;

	for (size_t i = 0; i < watch->count; i++)
		if (watch->watched[i]->zone == zone)
			return watch->watched[i];
	if (watch->count == ZONES_MAX)
		return NULL;
	watched = calloc(1, sizeof(*watched));
	if (watched == NULL)
		return NULL;
	watched->watch = watch;
	watched->zone = zone;
	zone_health_init(&watched->health, dns_clock_ms());
	watch->watched[watch->count++] = watched;
	return watched;
}

/* Other test entries, or other meanings: what was found out before is no longer the point. */
static void watched_renew(struct watched *watched)
{
	struct zone_test test[ZONE_TESTS_MAX + 1];
	size_t count;

	memset(test, 0, sizeof(test));
	count = zone_tests(&watched->zone->zone, test);

	watched->is_used = true;
	if (watched->zone->zone.dead_since.len > 0) {
		watched->test_count = 0;
		publish(watched->watch, watched,
			zone_health_bury(&watched->health, dns_clock_ms()));
		return;
	}
	if (watched->health.trouble == TROUBLE_DEAD)
		zone_health_init(&watched->health, dns_clock_ms());
	/* Who reads the configuration again has mended something. */
	if (watched->health.state != ZONE_WELL)
		watched->health.due_ms = dns_clock_ms();
	if (count == watched->test_count && memcmp(test, watched->test, sizeof(test)) == 0)
		return;
	watched->test_count = count;
	memcpy(watched->test, test, sizeof(test));
	watched->health.was_listed = 0;
	watched->health.due_ms = dns_clock_ms();
}

static void drop_unused(struct zone_watch *watch)
{
	size_t count = 0;

	for (size_t i = 0; i < watch->count; i++) {
		if (watch->watched[i]->is_used)
			watch->watched[count++] = watch->watched[i];
		else
			free(watch->watched[i]);
	}
	watch->count = count;
}

static void renew_resolver(struct zone_watch *watch, const struct config *config)
{
	const char *why = "no memory";

	if (watch->dns != NULL)
		dns_free(watch->dns);
	watch->dns = NULL;
	if (watch->count > 0)
		watch->dns = resolver_new(watch->base, watch->shared->dns_cache, config, &why);
	if (watch->count > 0 && watch->dns == NULL)
		log_say(watch->shared->log, KIND_RESOLVER, LEVEL_ERROR,
			"error: the lists are not tested: %s", why);
}

void zone_watch_adopt(struct zone_watch *watch, const struct config *config)
{
	struct zone *zone = calloc(ZONES_MAX, sizeof(*zone));
	size_t count = zone != NULL ? zone_uses(config, zone) : 0;

	forget_all(watch);
	dns_guard_begin(watch->guard);
	for (size_t i = 0; i < watch->count; i++)
		watch->watched[i]->is_used = false;
	for (size_t i = 0; i < count; i++) {
		struct dns_zone *used = dns_guard_use(watch->guard, &zone[i]);
		struct watched *watched = used != NULL ? watched_of(watch, used) : NULL;

		if (watched != NULL)
			watched_renew(watched);
	}
	free(zone);
	drop_unused(watch);
	renew_resolver(watch, config);
	event_del(&watch->timer);
	if (watch->dns != NULL)
		on_timer(-1, 0, watch);
}

/* --- for others --- */

bool zone_watch_report(const struct zone_watch *watch, size_t i, struct zone_report *report_out)
{
	if (i >= watch->count)
		return false;
	*report_out = (struct zone_report){ watch->watched[i]->zone, &watch->watched[i]->health };
	return true;
}

bool zone_watch_is_down(const struct zone_watch *watch)
{
	return watch->is_down;
}

struct zone_watch *zone_watch_new(struct event_base *base, struct shared *shared)
{
	struct zone_watch *watch = calloc(1, sizeof(*watch));

	if (watch == NULL)
		return NULL;
	watch->base = base;
	watch->shared = shared;
	watch->guard = dns_cache_guard(shared->dns_cache);
	event_assign(&watch->timer, base, -1, 0, on_timer, watch);
	event_assign(&watch->probe_event, base, -1, EV_PERSIST, on_probe, watch);
	event_assign(&watch->news_event, base, watch->guard->wake_fd, EV_READ | EV_PERSIST, on_news,
		     watch);
	event_add(&watch->news_event, NULL);
	return watch;
}

void zone_watch_free(struct zone_watch *watch)
{
	if (watch == NULL)
		return;
	forget_all(watch);
	event_del(&watch->timer);
	event_del(&watch->probe_event);
	event_del(&watch->news_event);
	if (watch->dns != NULL)
		dns_free(watch->dns);
	for (size_t i = 0; i < watch->count; i++)
		free(watch->watched[i]);
	free(watch);
}
