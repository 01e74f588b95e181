/* decision.c -- one log line for one decision. */
#include "effects/decision.h"

#include "base/escape.h"
#include "weigh/counting.h"

enum { POINTS_SHOWN_MAX = 64 };

/* Most of what strangers send is plain; only the rest takes the long way. */
static bool is_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < ' ' || s.at[i] > '~' || s.at[i] == '"' || s.at[i] == '\\')
			return false;
	return s.len <= LOG_FIELD_BYTES_MAX;
}

static char *put(char *at, struct span s)
{
	if (s.len > 0)
		memcpy(at, s.at, s.len);
	return at + s.len;
}

/* By hand, as every decision has some twenty fields. */
static void add_plain_field(struct text *line, struct span key, struct span value,
			    struct span quote)
{
	char *at = line->at + line->len;

	if (line->room - line->len <= 2 + key.len + value.len + 2 * quote.len)
		return;
	if (line->len > 0)
		*at++ = ' ';
	at = put(at, key);
	*at++ = '=';
	at = put(put(put(at, quote), value), quote);
	line->len = (size_t)(at - line->at);
}

/* A field is in the line whole or not at all. */
static void add_field(struct text *line, struct span key, struct span value, bool is_quoted)
{
	struct span quote = is_quoted ? SPAN("\"") : SPAN("");
	TEXT(escaped, LOG_FIELD_BYTES_MAX + 3);

	if (!is_plain(value)) {
		text_add_escaped(&escaped, value, LOG_FIELD_BYTES_MAX);
		value = text_span(&escaped);
	}
	add_plain_field(line, key, value, quote);
}

static void add_word(struct text *line, struct span key, struct span value)
{
	add_field(line, key, value, false);
}

static void add_quoted(struct text *line, struct span key, struct span value)
{
	add_field(line, key, value, true);
}

static void add_reason(struct text *line, const struct decision *decision)
{
	const struct statement *by = decision->walk->by;
	TEXT(reason, LOG_LINE_BYTES_MAX);

	if (by == NULL) {
		text_add(&reason, SPAN("end of policy"));
	} else {
		text_add(&reason, by->origin.file);
		text_add_char(&reason, ':');
		text_add_int(&reason, by->origin.line);
	}
	if (decision->is_overdue)
		text_add(&reason, SPAN(", deadline"));
	add_quoted(line, SPAN("reason"), text_span(&reason));
}

static void add_score(struct text *line, const struct walk *walk)
{
	TEXT(score, 40);

	if (walk->is_scored)
		text_add_double(&score, walk->score);
	else
		text_add_char(&score, '-');
	add_word(line, SPAN("score"), text_span(&score));
}

static void add_attributes(struct text *line, const struct attempt *attempt)
{
	static const enum attribute shown[] = {
		ATTRIBUTE_client_name, ATTRIBUTE_client_address, ATTRIBUTE_helo_name,
		ATTRIBUTE_sender,      ATTRIBUTE_recipient,      ATTRIBUTE_protocol_state,
		ATTRIBUTE_queue_id,    ATTRIBUTE_instance,       ATTRIBUTE_sasl_username,
	};

	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
		add_quoted(line, attribute_name(shown[i]), attempt->attribute[shown[i]]);
}

static void add_points(struct text *line, const struct walk *walk)
{
	struct weight weight[POINTS_SHOWN_MAX];
	size_t count = walk_points(walk, weight, POINTS_SHOWN_MAX);
	TEXT(points, LOG_LINE_BYTES_MAX);

	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			text_add(&points, SPAN(", "));
		text_add(&points, weight[i].name);
		text_add_char(&points, ' ');
		text_add_double(&points, weight[i].points);
	}
	add_quoted(line, SPAN("points"), text_span(&points));
}

static void add_unknown(struct text *line, const struct walk *walk)
{
	TEXT(unknown, LOG_LINE_BYTES_MAX);

	for (unsigned i = 0; i < walk->policy->weigh_count; i++) {
		if (!walk_is_unknown(walk, i))
			continue;
		if (unknown.len > 0)
			text_add(&unknown, SPAN(", "));
		text_add(&unknown, walk->policy->weigh[i]->name);
	}
	if (walk_store_failed(walk))
		text_add(&unknown, unknown.len > 0 ? SPAN(", store") : SPAN("store"));
	add_quoted(line, SPAN("unknown"), text_span(&unknown));
}

/* greylist=early wait=42s delayed=18s key="..." */
static void add_greylist(struct text *line, const struct greylisted *greylisted)
{
	TEXT(seconds, 40);

	if (greylisted->statement == NULL)
		return;
	add_word(line, SPAN("greylist"),
		 greylisted->is_failed ? SPAN("failed") : greylisted_state(greylisted));
	if (greylisted->wait_s > 0) {
		text_addf(&seconds, "%llds", (long long)greylisted->wait_s);
		add_word(line, SPAN("wait"), text_span(&seconds));
	}
	text_clear(&seconds);
	if (greylisted->outcome == TRIPLET_PASSED && !greylisted->is_trusted) {
		text_addf(&seconds, "%llds", (long long)greylisted->delayed_s);
		add_word(line, SPAN("delayed"), text_span(&seconds));
	}
	add_quoted(line, SPAN("key"), greylisted->key);
}

static void add_limit(struct text *line, const struct limit *limit, const struct limited *limited)
{
	TEXT(shown, LOG_FIELD_BYTES_MAX);

	text_add(&shown, span_first(limit->name, LOG_FIELD_BYTES_MAX / 2));
	if (limited->is_failed) {
		text_add(&shown, SPAN(" failed"));
	} else {
		text_addf(&shown, " %lld/%lld/", (long long)limited->used,
			  (long long)limited->most);
		text_add_duration(&shown, limited->period_ms);
	}
	if (limited->is_over)
		text_add(&shown, SPAN(" over"));
	add_quoted(line, SPAN("limit"), text_span(&shown));
	add_quoted(line, SPAN("limit_key"), limited->key);
}

static void add_limits(struct text *line, const struct walk *walk)
{
	for (unsigned i = 0; i < walk->policy->limit_count; i++)
		if (walk->limited[i].is_failed ||
		    (walk->limited[i].is_reached && walk->limited[i].most >= 0))
			add_limit(line, walk->policy->limit[i]->limit, &walk->limited[i]);
}

static void add_warnings(struct text *line, const struct walk *walk)
{
	for (unsigned i = 0; i < walk->warning_count; i++)
		add_quoted(line, SPAN("warning"), walk->warning[i].text);
}

void text_add_decision(struct text *line, const struct decision *decision)
{
	const struct walk *walk = decision->walk;
	TEXT(took, 40);

	add_word(line, SPAN("id"), walk->attempt->id);
	add_word(line, SPAN("action"), verdict_name(walk->verdict));
	add_reason(line, decision);
	add_score(line, walk);
	add_attributes(line, walk->attempt);
	add_word(line, SPAN("mode"), walk->policy->observe ? SPAN("observe") : SPAN("enforce"));
	add_quoted(line, SPAN("policy"), walk->policy->name);
	add_points(line, walk);
	add_unknown(line, walk);
	add_greylist(line, &walk->greylisted);
	add_limits(line, walk);
	add_quoted(line, SPAN("reply"), decision->answer);
	add_warnings(line, walk);
	text_add_double(&took, (double)decision->took_us / 1000);
	text_add(&took, SPAN("ms"));
	add_word(line, SPAN("took"), text_span(&took));
}
