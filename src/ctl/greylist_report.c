/* greylist_report.c -- who was delayed, how long, and who never came back: sums over triplets. */
#include "ctl/greylist_report.h"

#include "weigh/key.h"

#include <stdlib.h>

enum { SLOTS = 4 * REPORT_GROUPS_MAX };

static const char others_name[] = "(others)";

struct span greylist_state_name(enum greylist_state state)
{
	static const struct span names[STATE_COUNT] = {
		[STATE_WAITING] = SPAN_INIT("waiting"), [STATE_NEVER] = SPAN_INIT("never"),
		[STATE_PASSED] = SPAN_INIT("passed"),   [STATE_WHITE] = SPAN_INIT("white"),
		[STATE_BLACK] = SPAN_INIT("black"),
	};

	return names[state];
}

enum greylist_state greylist_state(const struct triplet *triplet, int64_t now_ms, int64_t after_ms)
{
	switch (triplet_colour_at(triplet, now_ms)) {
	case TRIPLET_WHITE: return STATE_WHITE;
	case TRIPLET_BLACK: return STATE_BLACK;
	case TRIPLET_PLAIN: break;
	}
	if (triplet->passed_ms > 0)
		return STATE_PASSED;
	return now_ms - triplet->first_ms > after_ms ? STATE_NEVER : STATE_WAITING;
}

/* --- groups --- */

struct span report_network(struct span key)
{
	return span_first(key, span_find(key, ' '));
}

struct span report_domain(struct span key)
{
	size_t blank = span_rfind(key, ' ');
	struct span last = blank < key.len ? span_from(key, blank + 1) : key;
	size_t at = span_rfind(last, '@');

	return at + 1 < last.len ? span_from(last, at + 1) : SPAN("-");
}

static bool groups_init(struct report_groups *groups)
{
	groups->group = calloc(REPORT_GROUPS_MAX + 1, sizeof(*groups->group));
	groups->slot = calloc(SLOTS, sizeof(*groups->slot));
	return groups->group != NULL && groups->slot != NULL;
}

static void group_name(struct report_group *group, struct span name)
{
	struct text text = { group->name, 0, sizeof(group->name), false };

	text_add(&text, span_first(name, REPORT_NAME_MAX));
	(void)text_cstr(&text);
}

static struct report_group *group_find(struct report_groups *groups, struct span name)
{
	size_t at = key_hash(name) % SLOTS;

	name = span_first(name, REPORT_NAME_MAX);
	for (; groups->slot[at] != 0; at = (at + 1) % SLOTS)
		if (span_equal(span_cstr(groups->group[groups->slot[at] - 1].name), name))
			return &groups->group[groups->slot[at] - 1];
	if (groups->count >= REPORT_GROUPS_MAX) {
		if (groups->count == REPORT_GROUPS_MAX)
			group_name(&groups->group[groups->count++], span_cstr(others_name));
		return &groups->group[REPORT_GROUPS_MAX];
	}
	group_name(&groups->group[groups->count], name);
	groups->slot[at] = ++groups->count;
	return &groups->group[groups->count - 1];
}

static int compare_groups(const void *a, const void *b)
{
	const struct report_group *left = a, *right = b;

	if (left->delayed != right->delayed)
		return left->delayed < right->delayed ? 1 : -1;
	return strcmp(left->name, right->name);
}

void report_groups_sort(struct report_groups *groups)
{
	qsort(groups->group, groups->count, sizeof(*groups->group), compare_groups);
}

/* --- delays --- */

/* By powers of two of seconds, each in DELAY_STEPS steps. */
static unsigned delay_bucket(int64_t ms)
{
	uint64_t s = ms > 0 ? (uint64_t)ms / 1000 : 0;
	unsigned power = 0;

	if (s < DELAY_STEPS)
		return (unsigned)s;
	while (s >> power >= 2 * DELAY_STEPS)
		power++;
	power = (power + 1) * DELAY_STEPS + (unsigned)(s >> power) - DELAY_STEPS;
	return power < DELAY_BUCKETS ? power : DELAY_BUCKETS - 1;
}

/* The first delay that is beyond the bucket. */
static int64_t delay_beyond_ms(unsigned bucket)
{
	unsigned power = bucket / DELAY_STEPS;

	if (power <= 1)
		return ((int64_t)bucket + 1) * 1000;
	return ((int64_t)(bucket % DELAY_STEPS + DELAY_STEPS + 1) << (power - 1)) * 1000;
}

int64_t greylist_report_delay_ms(const struct greylist_report *report, unsigned percent)
{
	uint64_t wanted = (report->back * percent + 99) / 100, seen = 0;

	if (report->back == 0)
		return 0;
	for (unsigned i = 0; i < DELAY_BUCKETS; i++) {
		seen += report->delay[i];
		if (seen >= wanted && seen > 0)
			return delay_beyond_ms(i) < report->longest_ms ? delay_beyond_ms(i)
								       : report->longest_ms;
	}
	return report->longest_ms;
}

/* --- sums --- */

static void group_add(struct report_group *group, enum greylist_state state, int64_t delay_ms)
{
	group->delayed++;
	group->back += delay_ms >= 0;
	group->never += state == STATE_NEVER;
	if (delay_ms > group->longest_ms)
		group->longest_ms = delay_ms;
}

void greylist_report_add(struct greylist_report *report, struct span key,
			 const struct triplet *triplet)
{
	enum greylist_state state = greylist_state(triplet, report->now_ms, report->after_ms);
	int64_t delay_ms = -1;

	if (triplet->first_ms < report->since_ms)
		return;
	report->state[state]++;
	report->passes += (uint64_t)triplet->passes;
	if (triplet->first_ms > 0 &&
	    (report->oldest_ms == 0 || triplet->first_ms < report->oldest_ms))
		report->oldest_ms = triplet->first_ms;
	/* Whoever was allowed or denied before he came back was delayed by nobody's clock. */
	if (triplet->passed_ms == 0 && (state == STATE_WHITE || state == STATE_BLACK))
		return;
	if (triplet->passed_ms > 0) {
		delay_ms = triplet->passed_ms > triplet->first_ms
				   ? triplet->passed_ms - triplet->first_ms
				   : 0;
		report->back++;
		report->delay[delay_bucket(delay_ms)]++;
		if (delay_ms > report->longest_ms)
			report->longest_ms = delay_ms;
	}
	group_add(group_find(&report->networks, report_network(key)), state, delay_ms);
	group_add(group_find(&report->domains, report_domain(key)), state, delay_ms);
}

enum err greylist_report_init(struct greylist_report *report)
{
	if (groups_init(&report->networks) && groups_init(&report->domains))
		return OK;
	greylist_report_release(report);
	return ERR_SYSTEM;
}

void greylist_report_release(struct greylist_report *report)
{
	free(report->networks.group);
	free(report->networks.slot);
	free(report->domains.group);
	free(report->domains.slot);
	report->networks = report->domains = (struct report_groups){ 0 };
}
