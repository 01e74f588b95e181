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

/* 0 is never, and stays so. */
static int64_t earlier(int64_t at_ms, int64_t by_ms, int64_t now_ms)
{
	return at_ms > 0 ? clamp(clamp(at_ms, 0, UTC_MS_MAX) - by_ms, 1, now_ms) : 0;
}

/* What is from the future was made by a clock that has been set back since.  All of it is moved,
 * so that who has waited then has waited. */
static struct triplet clamp_times(const struct triplet *triplet, int64_t now_ms)
{
	int64_t ahead_ms = clamp(clamp(triplet->last_ms, 0, UTC_MS_MAX) - now_ms, 0, UTC_MS_MAX);

	return (struct triplet){
		.first_ms = earlier(triplet->first_ms, ahead_ms, now_ms),
		.last_ms = earlier(triplet->last_ms, ahead_ms, now_ms),
		.passed_ms = earlier(triplet->passed_ms, ahead_ms, now_ms),
		.passes = clamp(triplet->passes, 0, TRIPLET_TRIES_MAX),
		.colour = triplet->colour,
		.until_ms = clamp(triplet->until_ms, 0, UTC_MS_MAX),
	};
}

enum triplet_colour triplet_colour_at(const struct triplet *triplet, int64_t now_ms)
{
	return triplet->until_ms == 0 || now_ms < triplet->until_ms ? triplet->colour
								    : TRIPLET_PLAIN;
}

static void fade(struct triplet *triplet)
{
	triplet->colour = TRIPLET_PLAIN;
	triplet->until_ms = 0;
}

/* In range, and without a colour that has ended. */
static struct triplet known_at(const struct triplet *before, int64_t now_ms)
{
	struct triplet known = clamp_times(before, now_ms);

	if (triplet_colour_at(&known, now_ms) == TRIPLET_PLAIN)
		fade(&known);
	return known;
}

int64_t triplet_expires_ms(const struct triplet *triplet, const struct triplet_terms *terms)
{
	const struct triplet_terms in_range = clamp_terms(terms);
	const struct triplet known = clamp_times(triplet, UTC_MS_MAX);
	bool has_colour_for_ever = known.colour != TRIPLET_PLAIN && known.until_ms == 0;
	int64_t expires_ms = known.passed_ms > 0 || has_colour_for_ever
				     ? known.last_ms + in_range.keep_ms + 1
				     : known.first_ms + in_range.window_ms + 1;

	return expires_ms > known.until_ms ? expires_ms : known.until_ms;
}

/* Has it returned after this delay?  Whoever was let through by a shorter one may not have. */
static bool has_returned(const struct triplet *known, const struct triplet_terms *terms,
			 int64_t now_ms)
{
	if (known->passed_ms == 0)
		return false;
	return known->passed_ms <= known->first_ms || /* imported: nobody knows how it waited */
	       known->last_ms - known->first_ms >= terms->delay_ms ||
	       now_ms - known->first_ms > terms->window_ms;
}

enum triplet_outcome triplet_judge(const struct triplet *before, const struct triplet_terms *terms,
				   int64_t now_ms)
{
	const struct triplet_terms in_range = clamp_terms(terms);
	int64_t now = clamp_now(now_ms);
	struct triplet known;

	if (before == NULL)
		return TRIPLET_NEW;
	known = known_at(before, now);
	if (known.colour == TRIPLET_PLAIN && known.first_ms == 0 && known.passed_ms == 0)
		return TRIPLET_NEW;
	if (now >= triplet_expires_ms(&known, terms))
		return TRIPLET_EXPIRED;
	switch (known.colour) {
	case TRIPLET_WHITE: return TRIPLET_ALLOWED;
	case TRIPLET_BLACK: return TRIPLET_DENIED;
	case TRIPLET_PLAIN: break;
	}
	if (has_returned(&known, &in_range, now))
		return TRIPLET_KNOWN;
	return now - known.first_ms < in_range.delay_ms ? TRIPLET_EARLY : TRIPLET_PASSED;
}

int64_t triplet_wait_s(const struct triplet *before, const struct triplet_terms *terms,
		       int64_t now_ms)
{
	int64_t wait_ms = clamp_terms(terms).delay_ms;
	int64_t now = clamp_now(now_ms);

	switch (triplet_judge(before, terms, now)) {
	case TRIPLET_NEW:
	case TRIPLET_EXPIRED: break;
	case TRIPLET_EARLY: wait_ms -= now - clamp_times(before, now).first_ms; break;
	case TRIPLET_PASSED:
	case TRIPLET_KNOWN:
	case TRIPLET_ALLOWED:
	case TRIPLET_DENIED:
	case TRIPLET_OUTCOME_COUNT: return 0;
	}
	return (wait_ms + 999) / 1000;
}

/* What a mail does to a triplet without a colour. */
static struct triplet plain_after(const struct triplet *known, const struct triplet_terms *terms,
				  int64_t now)
{
	enum triplet_outcome outcome = triplet_judge(known, terms, now);
	struct triplet after = { .first_ms = now, .last_ms = now };

	if (outcome == TRIPLET_NEW || outcome == TRIPLET_EXPIRED)
		return after;
	after = *known;
	after.last_ms = now;
	if (outcome == TRIPLET_EARLY)
		return after;
	if (after.passed_ms == 0)
		after.passed_ms = now;
	after.passes = clamp(after.passes + 1, 0, TRIPLET_TRIES_MAX);
	return after;
}

struct triplet triplet_after(const struct triplet *before, const struct triplet_terms *terms,
			     int64_t now_ms)
{
	int64_t now = clamp_now(now_ms);
	enum triplet_outcome outcome = triplet_judge(before, terms, now);
	struct triplet known, after;

	if (outcome == TRIPLET_NEW || outcome == TRIPLET_EXPIRED)
		return (struct triplet){ .first_ms = now, .last_ms = now };
	known = after = known_at(before, now);
	if (outcome == TRIPLET_DENIED) {
		after.last_ms = now;
		return after;
	}
	fade(&known);
	after = plain_after(&known, terms, now);
	if (outcome != TRIPLET_ALLOWED)
		return after;
	after.passes = clamp(before->passes, 0, TRIPLET_TRIES_MAX - 1) + 1;
	after.colour = TRIPLET_WHITE;
	after.until_ms = clamp(before->until_ms, 0, UTC_MS_MAX);
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
static const struct span until_name = SPAN_INIT("until="), left_name = SPAN_INIT("left=");

/* Off the front of rest; none is plain. */
static enum triplet_colour colour_cut(struct span *rest)
{
	struct span behind = *rest, word;

	if (!span_cut(&behind, ' ', &word))
		return TRIPLET_PLAIN;
	for (unsigned i = TRIPLET_WHITE; i <= TRIPLET_BLACK; i++)
		if (span_equal(word, colour_names[i])) {
			*rest = behind;
			return (enum triplet_colour)i;
		}
	return TRIPLET_PLAIN;
}

/* Words "name=value" in their order, of which "passed=" may be missing; what is left may say a
 * colour. */
static enum err words_parse(struct span text, struct span value[FIELDS], struct span *left_out)
{
	struct span rest = text, word;
	unsigned field = 0;

	while (field < FIELDS && span_cut(&rest, ' ', &word)) {
		if (field == PASSED && !span_starts(word, field_names[PASSED]))
			value[field++] = SPAN("");
		if (!span_starts(word, field_names[field]))
			return ERR_SYNTAX;
		value[field] = span_from(word, field_names[field].len);
		field++;
	}
	*left_out = rest;
	return field == FIELDS ? OK : ERR_SYNTAX;
}

static enum err time_parse(struct span s, int64_t *ms_out)
{
	enum err err = number_parse(s, ms_out);

	return err == OK && (*ms_out < 0 || *ms_out > UTC_MS_MAX) ? ERR_LIMIT : err;
}

/* A colour, and behind it "NAME=..." where its end is said; end_out is empty where it is not. */
static enum err colour_parse(struct span words, struct span name, enum triplet_colour *colour_out,
			     struct span *end_out)
{
	struct span rest = words, word;

	*colour_out = colour_cut(&rest);
	*end_out = SPAN("");
	if (*colour_out != TRIPLET_PLAIN && span_cut(&rest, ' ', &word) && word.len > 0) {
		if (!span_starts(word, name) || word.len == name.len)
			return ERR_SYNTAX;
		*end_out = span_from(word, name.len);
	}
	return span_is_empty(rest) ? OK : ERR_SYNTAX;
}

enum err triplet_colour_parse(struct span words, struct triplet *triplet)
{
	enum triplet_colour colour;
	int64_t until_ms = 0;
	struct span end;
	enum err err = colour_parse(words, until_name, &colour, &end);

	if (err == OK && end.len > 0)
		err = time_parse(end, &until_ms);
	if (err != OK)
		return err;
	triplet->colour = colour;
	triplet->until_ms = until_ms;
	return OK;
}

static enum err passes_parse(struct span s, int64_t *passes_out)
{
	enum err err = number_parse(s, passes_out);

	return err == OK && (*passes_out < 0 || *passes_out > TRIPLET_TRIES_MAX) ? ERR_LIMIT : err;
}

enum err triplet_parse(struct span text, struct triplet *triplet_out)
{
	struct triplet triplet = { .first_ms = 0 };
	struct span value[FIELDS], left;
	enum err err = words_parse(text, value, &left);

	if (err == OK)
		err = triplet_colour_parse(left, &triplet);
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
}

void text_add_triplet_colour(struct text *text, const struct triplet *triplet)
{
	text_add(text, colour_names[triplet->colour]);
	if (triplet->colour == TRIPLET_PLAIN || triplet->until_ms == 0)
		return;
	text_add_char(text, ' ');
	text_add(text, until_name);
	text_add_int(text, triplet->until_ms);
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
	if (triplet->colour != TRIPLET_PLAIN) {
		text_add_char(text, ' ');
		text_add_triplet_colour(text, triplet);
	}
}

void text_add_triplet_item(struct text *text, const struct triplet *before, int64_t now_ms)
{
	int64_t now = clamp_now(now_ms);
	struct triplet known = known_at(before, now);

	text_add(text, SPAN("first="));
	text_add_seconds(text, now - known.first_ms);
	text_add(text, SPAN(" last="));
	text_add_seconds(text, now - known.last_ms);
	if (known.passed_ms > 0) {
		text_add(text, SPAN(" passed="));
		text_add_seconds(text, now - known.passed_ms);
	}
	add_passes(text, &known);
	if (known.colour == TRIPLET_PLAIN)
		return;
	text_add_char(text, ' ');
	text_add(text, colour_names[known.colour]);
	if (known.until_ms > 0) {
		text_add_char(text, ' ');
		text_add(text, left_name);
		text_add_seconds(text, known.until_ms - now);
	}
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

static enum err left_parse(struct span words, int64_t now_ms, struct triplet *triplet)
{
	int64_t left_ms = 0;
	struct span end;
	enum err err = colour_parse(words, left_name, &triplet->colour, &end);

	if (err == OK && end.len > 0)
		err = seconds_parse(end, &left_ms);
	if (err == OK && end.len > 0)
		triplet->until_ms = clamp(left_ms, 0, UTC_MS_MAX - now_ms) + now_ms;
	return err;
}

enum err triplet_item_parse(struct span item, int64_t now_ms, struct triplet *before_out)
{
	struct triplet before = { .first_ms = 0 };
	int64_t now = clamp_now(now_ms);
	struct span value[FIELDS], left;
	enum err err = words_parse(item, value, &left);

	if (err == OK)
		err = left_parse(left, now, &before);
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
