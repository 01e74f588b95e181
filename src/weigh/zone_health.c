/* zone_health.c -- can a DNS list be believed? */
#include "weigh/zone_health.h"

#include "base/ensure.h"

/* --- tests --- */

enum family { FAMILY_IP4, FAMILY_IP6, FAMILY_DOMAIN, FAMILY_COUNT };

static const struct {
	struct span listed, clear;
} standard_entry[FAMILY_COUNT] = {
	[FAMILY_IP4] = { SPAN_INIT("127.0.0.2"), SPAN_INIT("127.0.0.1") },
	[FAMILY_IP6] = { SPAN_INIT("::ffff:7f00:2"), SPAN_INIT("::ffff:7f00:1") },
	[FAMILY_DOMAIN] = { SPAN_INIT("test"), SPAN_INIT("invalid") },
};

static enum family family_of(struct span entry)
{
	struct ip ip;

	if (ip_parse(entry, &ip) != OK)
		return FAMILY_DOMAIN;
	return ip.family == IP_V4 ? FAMILY_IP4 : FAMILY_IP6;
}

static bool zone_has_family(const struct zone *zone, enum family family)
{
	switch (family) {
	case FAMILY_IP4: return zone->lists_ip4;
	case FAMILY_IP6: return zone->lists_ip6;
	case FAMILY_DOMAIN: return zone->lists_domains;
	case FAMILY_COUNT: break;
	}
	return false;
}

/* @param declared  what the statement says; empty, or of another family: the standard's */
static void test_make(const struct zone *zone, struct span declared, struct span standard,
		      struct zone_test *test)
{
	struct text key = { test->key, 0, sizeof(test->key), false };
	bool is_declared = declared.len > 0 && family_of(declared) == family_of(standard);
	struct span entry = is_declared ? declared : standard;
	struct ip ip;

	if (ip_parse(entry, &ip) == OK)
		text_add_ip_reversed(&key, ip);
	else
		text_add_lower(&key, entry);
	text_add_char(&key, '.');
	text_add(&key, zone->name);
	ENSURE(!key.overrun);
	test->key_len = (uint16_t)key.len;
	test->is_declared = is_declared;
}

size_t zone_tests(const struct zone *zone, struct zone_test *test_out)
{
	size_t count = 0;

	for (int i = 0; i < FAMILY_COUNT; i++) {
		if (!zone_has_family(zone, (enum family)i))
			continue;
		test_out[count].wants_listed = true;
		test_make(zone, zone->test_listed, standard_entry[i].listed, &test_out[count++]);
		test_out[count].wants_listed = false;
		test_make(zone, zone->test_clear, standard_entry[i].clear, &test_out[count++]);
	}
	return count;
}

static uint32_t host_order(struct ip ip)
{
	return (uint32_t)ip.byte[0] << 24 | (uint32_t)ip.byte[1] << 16 | (uint32_t)ip.byte[2] << 8 |
	       ip.byte[3];
}

static enum zone_said said_of(enum zone_answer answer)
{
	switch (answer) {
	case ZONE_LISTED: return ZONE_SAID_LISTED;
	case ZONE_REFUSED: return ZONE_SAID_REFUSED;
	case ZONE_UNDECLARED: break;
	}
	return ZONE_SAID_ODD;
}

/* Of several addresses a refusal says most, then what is odd. */
enum zone_said zone_hear(const struct zone *zone, const struct fact *fact, uint32_t *raw_out)
{
	static const uint8_t weight[] = {
		[ZONE_SAID_LISTED] = 1, [ZONE_SAID_ODD] = 2, [ZONE_SAID_REFUSED] = 3
	};
	enum zone_said said = ZONE_SAID_CLEAR;

	*raw_out = 0;
	if (fact->state == FACT_PENDING || fact->state == FACT_FAILED)
		return ZONE_SAID_NOTHING;
	for (size_t i = 0; i < fact->item_count; i++) {
		uint32_t meanings;
		enum zone_said one;
		struct ip ip;

		if (ip_parse(fact->item[i], &ip) != OK || ip.family != IP_V4)
			continue;
		one = said_of(zone_read(zone, ip, &meanings));
		if (weight[one] <= weight[said])
			continue;
		said = one;
		*raw_out = host_order(ip);
	}
	return said;
}

void zone_undeclared(struct span name, struct zone *zone_out)
{
	*zone_out = (struct zone){
		.name = name,
		.shown = name,
		.meaning = { SPAN_INIT("listed") },
		.meaning_count = 1,
		.range = { { .address = 0x7f000000, .mask = 0xff000000 } },
		.range_count = 1,
	};
}

/* --- state --- */

struct span zone_state_name(enum zone_state state)
{
	switch (state) {
	case ZONE_UNTESTED: return SPAN("untested");
	case ZONE_WELL: return SPAN("well");
	case ZONE_PARKED: break;
	}
	return SPAN("parked");
}

struct span zone_trouble_name(enum zone_trouble trouble)
{
	switch (trouble) {
	case TROUBLE_NONE: return SPAN("none");
	case TROUBLE_REFUSES: return SPAN("refuses");
	case TROUBLE_LISTS_ALL: return SPAN("lists all");
	case TROUBLE_LISTS_NOTHING: return SPAN("lists nothing");
	case TROUBLE_HITS_MOST: return SPAN("hits most");
	case TROUBLE_DEAD: break;
	}
	return SPAN("dead");
}

void zone_health_init(struct zone_health *health, int64_t now_ms)
{
	*health = (struct zone_health){ .since_ms = now_ms, .due_ms = now_ms };
}

static int64_t longer(int64_t wait_ms, int64_t min_ms, int64_t max_ms)
{
	if (wait_ms < min_ms)
		return min_ms;
	return wait_ms * 2 < max_ms ? wait_ms * 2 : max_ms;
}

static bool health_set(struct zone_health *health, enum zone_state state, int64_t now_ms)
{
	if (health->state == state)
		return false;
	health->state = state;
	health->since_ms = now_ms;
	return true;
}

static bool health_park(struct zone_health *health, enum zone_trouble trouble, uint32_t raw,
			int64_t now_ms)
{
	health->trouble = trouble;
	health->raw = raw;
	return health_set(health, ZONE_PARKED, now_ms);
}

static enum zone_trouble trouble_of(const struct zone_health *health, size_t i,
				    const struct zone_test *test, enum zone_said said)
{
	bool must_be_listed = test->is_declared || (health->was_listed & 1U << i) != 0;

	if (said == ZONE_SAID_REFUSED)
		return TROUBLE_REFUSES;
	if (!test->wants_listed && (said == ZONE_SAID_LISTED || said == ZONE_SAID_ODD))
		return TROUBLE_LISTS_ALL;
	if (test->wants_listed && must_be_listed && said == ZONE_SAID_CLEAR)
		return TROUBLE_LISTS_NOTHING;
	return TROUBLE_NONE;
}

/* When to test again.  A list that has just come back is looked at soon once more, and keeps
 * its back-off until then: one that comes and goes is not tested ever faster. */
static void plan(struct zone_health *health, bool is_good, bool has_changed, int64_t now_ms)
{
	if (is_good && (!has_changed || health->retest_ms == 0)) {
		health->retest_ms = 0;
		health->due_ms = now_ms + ZONE_TEST_MS;
		return;
	}
	if (!is_good)
		health->retest_ms = longer(health->retest_ms, ZONE_RETEST_MS_MIN, ZONE_TEST_MS);
	health->due_ms = now_ms + health->retest_ms;
}

bool zone_health_judge(struct zone_health *health, const struct zone_test *test,
		       const enum zone_said *said, const uint32_t *raw, int64_t now_ms)
{
	enum zone_trouble trouble = TROUBLE_NONE;
	uint32_t proof = 0;
	bool is_settled = true, is_answered = false, has_changed = false;

	for (size_t i = 0; i < ZONE_TESTS_MAX && test[i].key_len > 0; i++) {
		enum zone_trouble one = trouble_of(health, i, &test[i], said[i]);

		is_settled = is_settled && said[i] != ZONE_SAID_NOTHING;
		is_answered = is_answered || said[i] != ZONE_SAID_NOTHING;
		if (test[i].wants_listed && said[i] == ZONE_SAID_LISTED)
			health->was_listed |= (uint8_t)(1U << i);
		if (one != TROUBLE_NONE && (trouble == TROUBLE_NONE || one < trouble)) {
			trouble = one;
			proof = raw[i];
		}
	}
	health->tested_ms = now_ms;
	health->is_silent = !is_answered;
	if (trouble != TROUBLE_NONE) {
		has_changed = health_park(health, trouble, proof, now_ms);
	} else if (is_settled) {
		if (health->trouble == TROUBLE_HITS_MOST)
			health->veto_after_ms = now_ms + ZONE_VETO_PAUSE_MS;
		health->trouble = TROUBLE_NONE;
		health->raw = 0;
		has_changed = health_set(health, ZONE_WELL, now_ms);
	}
	plan(health, trouble == TROUBLE_NONE && is_settled, has_changed, now_ms);
	return has_changed;
}

bool zone_health_accuse(struct zone_health *health, enum zone_trouble trouble, uint32_t raw,
			int64_t now_ms)
{
	if (health->state == ZONE_PARKED)
		return false;
	if (trouble == TROUBLE_HITS_MOST && now_ms < health->veto_after_ms)
		return false;
	health->retest_ms = longer(health->retest_ms, ZONE_RETEST_MS_MIN, ZONE_TEST_MS);
	/* Whether the veto is right, the tests can tell at once; a refusal is to be left alone. */
	health->due_ms = trouble == TROUBLE_HITS_MOST ? now_ms : now_ms + health->retest_ms;
	return health_park(health, trouble, raw, now_ms);
}

bool zone_health_bury(struct zone_health *health, int64_t now_ms)
{
	health->due_ms = INT64_MAX;
	return health_park(health, TROUBLE_DEAD, 0, now_ms);
}

/* --- veto --- */

bool zone_veto_add(struct zone_veto *veto, uint32_t client, bool is_hit)
{
	uint32_t slot = client % ZONE_VETO_SLOTS, place = veto->count % ZONE_VETO_CLIENTS;

	/* number is one more, so that an empty slot is nobody's */
	if (veto->client[slot] == client && veto->number[slot] > 0 &&
	    veto->count - veto->number[slot] < ZONE_VETO_CLIENTS)
		return false;
	veto->hits = (uint16_t)(veto->hits - veto->is_hit[place] + is_hit);
	veto->is_hit[place] = is_hit;
	veto->count++;
	veto->client[slot] = client;
	veto->number[slot] = veto->count;
	return veto->count >= ZONE_VETO_CLIENTS &&
	       veto->hits * 100 > ZONE_VETO_CLIENTS * ZONE_VETO_PERCENT;
}

/* --- breaker --- */

bool breaker_fail(struct breaker *breaker, int64_t now_ms)
{
	if (breaker->failures == 0)
		breaker->first_ms = now_ms;
	if (breaker->failures < UINT32_MAX)
		breaker->failures++;
	if (breaker->failures < BREAKER_FAILURES)
		return false;
	/* What was on its way when it opened proves nothing new. */
	if (breaker->until_ms != 0 && now_ms < breaker->until_ms)
		return false;
	breaker->wait_ms = longer(breaker->wait_ms, BREAKER_MS_MIN, BREAKER_MS_MAX);
	breaker->until_ms = now_ms + breaker->wait_ms;
	return true;
}

bool breaker_work(struct breaker *breaker)
{
	bool was_open = breaker->until_ms != 0;

	*breaker = (struct breaker){ 0 };
	return was_open;
}
