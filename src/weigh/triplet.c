/* triplet.c -- what greylisting remembers of one sender that was deferred. */
#include "weigh/triplet.h"

#include "base/number.h"
#include "base/utc.h"
#include "weigh/rates.h"

static const struct span colour_names[] = {
	[TRIPLET_PLAIN] = SPAN_INIT(""),
	[TRIPLET_WHITE] = SPAN_INIT("white"),
	[TRIPLET_BLACK] = SPAN_INIT("black"),
};

struct span triplet_outcome_name(enum triplet_outcome outcome)
{
	static const struct span names[TRIPLET_OUTCOME_COUNT] = {
		[TRIPLET_NEW] = SPAN_INIT("new"),         [TRIPLET_EARLY] = SPAN_INIT("early"),
		[TRIPLET_EXPIRED] = SPAN_INIT("expired"), [TRIPLET_PASSED] = SPAN_INIT("passed"),
		[TRIPLET_KNOWN] = SPAN_INIT("known"),     [TRIPLET_ALLOWED] = SPAN_INIT("allowed"),
		[TRIPLET_DENIED] = SPAN_INIT("denied"),
	};

	return names[outcome];
}

/* --- judging --- */

static int64_t clamp(int64_t number, int64_t least, int64_t most)
{
	return number < least ? least : number > most ? most : number;
}

/* Everything in range, and nothing in the future: then no sum below can overflow.  Now is never
 * 0, which is "never" in passed_ms. */
static int64_t clamp_now(int64_t now_ms)
{
	return clamp(now_ms, 1, UTC_MS_MAX);
}

static struct triplet_terms clamp_terms(const struct triplet_terms *terms)
{
	return (struct triplet_terms){
		.delay_ms = clamp(terms->delay_ms, 0, UTC_MS_MAX),
		.window_ms = clamp(terms->window_ms, 0, UTC_MS_MAX),
		.keep_ms = clamp(terms->keep_ms, 0, UTC_MS_MAX),
	};
}

static struct triplet clamp_times(const struct triplet *triplet, int64_t now_ms)
{
	struct triplet clamped = *triplet;

	clamped.first_ms = clamp(triplet->first_ms, 0, now_ms);
	clamped.last_ms = clamp(triplet->last_ms, 0, now_ms);
	clamped.passed_ms = clamp(triplet->passed_ms, 0, now_ms);
	clamped.passes = clamp(triplet->passes, 0, TRIPLET_TRIES_MAX);
	return clamped;
}

/* Does it still wait for its first return? */
static bool is_waiting(const struct triplet *triplet)
{
	return triplet->colour == TRIPLET_PLAIN && triplet->passed_ms == 0;
}

int64_t triplet_expires_ms(const struct triplet *triplet, const struct triplet_terms *terms)
{
	const struct triplet_terms in_range = clamp_terms(terms);
	const struct triplet known = clamp_times(triplet, UTC_MS_MAX);

	if (is_waiting(&known))
		return known.first_ms + in_range.window_ms + 1;
	return known.last_ms + in_range.keep_ms + 1;
}

enum triplet_outcome triplet_judge(const struct triplet *before, const struct triplet_terms *terms,
				   int64_t now_ms)
{
	int64_t now = clamp_now(now_ms);
	struct triplet known;

	if (before == NULL)
		return TRIPLET_NEW;
	known = clamp_times(before, now);
	if (now >= triplet_expires_ms(&known, terms))
		return TRIPLET_EXPIRED;
	switch (known.colour) {
	case TRIPLET_WHITE: return TRIPLET_ALLOWED;
	case TRIPLET_BLACK: return TRIPLET_DENIED;
	case TRIPLET_PLAIN: break;
	}
	if (known.passed_ms > 0)
		return TRIPLET_KNOWN;
	return now - known.first_ms < terms->delay_ms ? TRIPLET_EARLY : TRIPLET_PASSED;
}

int64_t triplet_wait_s(const struct triplet *before, const struct triplet_terms *terms,
		       int64_t now_ms)
{
	int64_t wait_ms = clamp_terms(terms).delay_ms;
	int64_t now = clamp_now(now_ms);

	switch (triplet_judge(before, terms, now)) {
	case TRIPLET_NEW:
	case TRIPLET_EXPIRED: break;
	case TRIPLET_EARLY: wait_ms -= now - clamp(before->first_ms, 0, now); break;
	case TRIPLET_PASSED:
	case TRIPLET_KNOWN:
	case TRIPLET_ALLOWED:
	case TRIPLET_DENIED:
	case TRIPLET_OUTCOME_COUNT: return 0;
	}
	return (wait_ms + 999) / 1000;
}

struct triplet triplet_after(const struct triplet *before, const struct triplet_terms *terms,
			     int64_t now_ms)
{
	int64_t now = clamp_now(now_ms);
	enum triplet_outcome outcome = triplet_judge(before, terms, now);
	struct triplet after = { .first_ms = now };

	if (outcome != TRIPLET_NEW && outcome != TRIPLET_EXPIRED)
		after = clamp_times(before, now);
	after.last_ms = now;
	if (triplet_waits(outcome) || outcome == TRIPLET_DENIED)
		return after;
	if (after.passed_ms == 0)
		after.passed_ms = now;
	after.passes = clamp(after.passes + 1, 0, TRIPLET_TRIES_MAX);
	return after;
}

/* --- text --- */

enum { FIRST, LAST, PASSED, PASSES, FIELDS };

static const struct span field_names[FIELDS] = {
	[FIRST] = SPAN_INIT("first="),
	[LAST] = SPAN_INIT("last="),
	[PASSED] = SPAN_INIT("passed="),
	[PASSES] = SPAN_INIT("passes="),
};

static bool colour_parse(struct span word, enum triplet_colour *colour_out)
{
	for (unsigned i = TRIPLET_WHITE; i <= TRIPLET_BLACK; i++) {
		if (span_equal(word, colour_names[i])) {
			*colour_out = (enum triplet_colour)i;
			return true;
		}
	}
	return false;
}

/* Words "name=value" in their order, of which "passed=" may be missing, and a colour. */
static enum err words_parse(struct span text, struct span value[FIELDS],
			    enum triplet_colour *colour_out)
{
	struct span rest = text, word;
	unsigned field = 0;

	*colour_out = TRIPLET_PLAIN;
	while (span_cut(&rest, ' ', &word)) {
		if (field == PASSED && !span_starts(word, field_names[PASSED]))
			value[field++] = SPAN("");
		if (field < FIELDS && span_starts(word, field_names[field])) {
			value[field] = span_from(word, field_names[field].len);
			field++;
		} else if (field < FIELDS || *colour_out != TRIPLET_PLAIN ||
			   !colour_parse(word, colour_out)) {
			return ERR_SYNTAX;
		}
	}
	return field == FIELDS ? OK : ERR_SYNTAX;
}

static enum err time_parse(struct span s, int64_t *ms_out)
{
	enum err err = number_parse(s, ms_out);

	return err == OK && (*ms_out < 0 || *ms_out > UTC_MS_MAX) ? ERR_LIMIT : err;
}

static enum err passes_parse(struct span s, int64_t *passes_out)
{
	enum err err = number_parse(s, passes_out);

	return err == OK && (*passes_out < 0 || *passes_out > TRIPLET_TRIES_MAX) ? ERR_LIMIT : err;
}

enum err triplet_parse(struct span text, struct triplet *triplet_out)
{
	struct triplet triplet = { .first_ms = 0 };
	struct span value[FIELDS];
	enum err err = words_parse(text, value, &triplet.colour);

	if (err == OK)
		err = time_parse(value[FIRST], &triplet.first_ms);
	if (err == OK)
		err = time_parse(value[LAST], &triplet.last_ms);
	if (err == OK && !span_is_empty(value[PASSED]))
		err = time_parse(value[PASSED], &triplet.passed_ms);
	if (err == OK)
		err = passes_parse(value[PASSES], &triplet.passes);
	if (err == OK)
		*triplet_out = triplet;
	return err;
}

static void add_passes(struct text *text, const struct triplet *triplet)
{
	text_add(text, SPAN(" passes="));
	text_add_int(text, triplet->passes);
	if (triplet->colour != TRIPLET_PLAIN) {
		text_add_char(text, ' ');
		text_add(text, colour_names[triplet->colour]);
	}
}

void text_add_triplet(struct text *text, const struct triplet *triplet)
{
	text_add(text, SPAN("first="));
	text_add_int(text, triplet->first_ms);
	text_add(text, SPAN(" last="));
	text_add_int(text, triplet->last_ms);
	text_add(text, SPAN(" passed="));
	text_add_int(text, triplet->passed_ms);
	add_passes(text, triplet);
}

void text_add_triplet_item(struct text *text, const struct triplet *before, int64_t now_ms)
{
	int64_t now = clamp_now(now_ms);
	struct triplet known = clamp_times(before, now);

	text_add(text, SPAN("first="));
	text_add_seconds(text, now - known.first_ms);
	text_add(text, SPAN(" last="));
	text_add_seconds(text, now - known.last_ms);
	if (known.passed_ms > 0) {
		text_add(text, SPAN(" passed="));
		text_add_seconds(text, now - known.passed_ms);
	}
	add_passes(text, &known);
}

/* Seconds before now; what would lie before 1970 is then. */
static enum err age_parse(struct span s, int64_t now_ms, int64_t *at_ms_out)
{
	int64_t age_ms;
	enum err err = seconds_parse(s, &age_ms);

	if (err == OK)
		*at_ms_out = age_ms > now_ms ? 0 : now_ms - age_ms;
	return err;
}

enum err triplet_item_parse(struct span item, int64_t now_ms, struct triplet *before_out)
{
	struct triplet before = { .first_ms = 0 };
	int64_t now = clamp_now(now_ms);
	struct span value[FIELDS];
	enum err err = words_parse(item, value, &before.colour);

	if (err == OK)
		err = age_parse(value[FIRST], now, &before.first_ms);
	if (err == OK)
		err = age_parse(value[LAST], now, &before.last_ms);
	if (err == OK && !span_is_empty(value[PASSED])) {
		err = age_parse(value[PASSED], now - 1, &before.passed_ms);
		before.passed_ms++;
	}
	if (err == OK)
		err = passes_parse(value[PASSES], &before.passes);
	if (err == OK)
		*before_out = before;
	return err;
}
