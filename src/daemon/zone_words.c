/* zone_words.c -- what has become of a DNS list, in words and as JSON. */
#include "daemon/zone_watch.h"

#include "base/emit.h"
#include "base/utc.h"
#include "daemon/clock.h"

static void text_add_raw(struct text *text, uint32_t raw)
{
	text_addf(text, "%u.%u.%u.%u", raw >> 24, raw >> 16 & 0xff, raw >> 8 & 0xff, raw & 0xff);
}

/* What lists in general mean by their refusals. */
static const struct {
	uint32_t raw;
	const char *hint;
} refusals[] = {
	{ 0x7ffffffc, "the name of the list is wrong" },
	{ 0x7ffffffe, "it was asked through a public or shared resolver: ask by yourself, "
		      "'resolver recursive', or with a key of the list's" },
	{ 0x7fffffff, "too many questions came from here: see its terms" },
};

static const char *hint_of(const struct zone_health *health)
{
	switch (health->trouble) {
	case TROUBLE_REFUSES:
		for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
			if (refusals[i].raw == health->raw)
				return refusals[i].hint;
		return "it does not serve who asks: too many questions, a shared resolver, or no "
		       "registration";
	case TROUBLE_LISTS_ALL:
		return "its domain may have expired or been sold: take it out unless it comes back";
	case TROUBLE_LISTS_NOTHING:
		return "its test entry is gone: it may be dead, or served to you empty";
	case TROUBLE_HITS_MOST:
		return "more than 90 % of the last 200 clients are on it: it is tested";
	case TROUBLE_DEAD: return "take it out";
	case TROUBLE_NONE: break;
	}
	return "";
}

static const char *trouble_words(enum zone_trouble trouble)
{
	switch (trouble) {
	case TROUBLE_REFUSES: return "it refuses us";
	case TROUBLE_LISTS_ALL: return "it lists what nobody lists";
	case TROUBLE_LISTS_NOTHING: return "it does not list its own test entry";
	case TROUBLE_HITS_MOST: return "it lists nearly everybody";
	case TROUBLE_DEAD: return "it is dead";
	case TROUBLE_NONE: break;
	}
	return "";
}

void text_add_zone_change(struct text *text, const struct zone *zone,
			  const struct zone_health *health)
{
	text_add(text, SPAN("list "));
	text_add(text, zone->shown);
	if (health->state != ZONE_PARKED) {
		text_add(text, SPAN(" passes its tests: it is asked again"));
		return;
	}
	text_addf(text, " is parked: %s", trouble_words(health->trouble));
	if (health->trouble == TROUBLE_DEAD) {
		text_addf(text, " since %.*s and is not asked: take it out",
			  SPAN_ARG(zone->dead_since));
		return;
	}
	if (health->raw != 0) {
		text_add(text, SPAN(" (answer "));
		text_add_raw(text, health->raw);
		text_add_char(text, ')');
	}
	text_addf(text, "; it counts for nothing until its tests pass; %s", hint_of(health));
	if (zone->home.len > 0) {
		text_add(text, SPAN("; "));
		text_add(text, zone->home);
	}
}

/* --- JSON --- */

static void emit_number(struct emit *emit, const char *name, uint64_t number)
{
	emit_key(emit, span_cstr(name));
	emit_int(emit, (int64_t)number);
}

static void emit_word(struct emit *emit, const char *name, struct span word)
{
	emit_key(emit, span_cstr(name));
	emit_text(emit, word);
}

/* A time of the monotonic clock, as a wall clock shows it; null: never. */
static void emit_time(struct emit *emit, const char *name, int64_t ms)
{
	TEXT(time, 32);

	emit_key(emit, span_cstr(name));
	if (ms == 0) {
		emit_null(emit);
		return;
	}
	text_add_utc(&time, clock_wall_ms() - (dns_clock_ms() - ms));
	emit_text(emit, text_span(&time));
}

static void emit_lists(struct emit *emit, const struct zone *zone)
{
	emit_key(emit, SPAN("lists"));
	emit_begin(emit, '[');
	if (zone->lists_ip4)
		emit_text(emit, SPAN("ip4"));
	if (zone->lists_ip6)
		emit_text(emit, SPAN("ip6"));
	if (zone->lists_domains)
		emit_text(emit, SPAN("domains"));
	emit_end(emit, ']');
}

static void emit_raw_answer(struct emit *emit, uint32_t raw)
{
	TEXT(text, 16);

	emit_key(emit, SPAN("answer"));
	if (raw == 0) {
		emit_null(emit);
		return;
	}
	text_add_raw(&text, raw);
	emit_text(emit, text_span(&text));
}

static struct span state_of(const struct zone_report *report)
{
	if (report->health->state == ZONE_PARKED)
		return SPAN("parked");
	if (atomic_load(&report->zone->skip_until_ms) != 0 || report->health->is_silent)
		return SPAN("silent");
	return zone_state_name(report->health->state);
}

static void emit_zone(struct emit *emit, const struct zone_report *report)
{
	const struct zone *zone = &report->zone->zone;
	const struct zone_health *health = report->health;

	emit_begin(emit, '{');
	emit_word(emit, "name", zone->shown);
	emit_word(emit, "alias", zone->alias);
	emit_lists(emit, zone);
	emit_word(emit, "state", state_of(report));
	emit_time(emit, "since", health->since_ms);
	emit_time(emit, "tested", health->tested_ms);
	emit_number(emit, "next_test_s",
		    health->due_ms > dns_clock_ms() && health->due_ms < INT64_MAX
			    ? (uint64_t)(health->due_ms - dns_clock_ms()) / 1000
			    : 0);
	emit_key(emit, SPAN("trouble"));
	if (health->trouble == TROUBLE_NONE)
		emit_null(emit);
	else
		emit_text(emit, zone_trouble_name(health->trouble));
	emit_raw_answer(emit, health->raw);
#define FIGURE(name) emit_number(emit, #name, atomic_load(&report->zone->name));
	DNS_ZONE_FIGURES(FIGURE)
#undef FIGURE
	emit_key(emit, SPAN("dead_since"));
	if (zone->dead_since.len > 0)
		emit_text(emit, zone->dead_since);
	else
		emit_null(emit);
	emit_word(emit, "home", zone->home);
	if (health->state == ZONE_PARKED)
		emit_word(emit, "hint", span_cstr(hint_of(health)));
	emit_end(emit, '}');
}

void zone_watch_count(const struct zone_watch *watch, uint64_t *zones_out, uint64_t *parked_out)
{
	struct zone_report report;

	*zones_out = *parked_out = 0;
	for (size_t i = 0; zone_watch_report(watch, i, &report); i++) {
		++*zones_out;
		*parked_out += report.health->state == ZONE_PARKED;
	}
}

char *zone_watch_json(const struct zone_watch *watch)
{
	struct zone_report report;
	struct emit emit = { 0 };

	emit_begin(&emit, '{');
	emit_key(&emit, SPAN("ok"));
	emit_bool(&emit, true);
	emit_word(&emit, "resolver", zone_watch_is_down(watch) ? SPAN("down") : SPAN("up"));
	emit_key(&emit, SPAN("zones"));
	emit_begin(&emit, '[');
	for (size_t i = 0; zone_watch_report(watch, i, &report); i++)
		emit_zone(&emit, &report);
	emit_end(&emit, ']');
	emit_end(&emit, '}');
	return emit_take(&emit);
}
