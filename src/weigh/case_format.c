/* case_format.c -- writing a settled walk as a case. */
#include "base/escape.h"
#include "base/utc.h"
#include "weigh/answer.h"
#include "weigh/case_item.h"
#include "weigh/case_priv.h"

#include <stdlib.h>

void case_emit_text(struct emit *emit, struct span key, struct span text)
{
	emit_key(emit, key);
	emit_text(emit, text);
}

/* --- attempt --- */

static bool is_utf8(struct span s)
{
	while (s.len > 0) {
		uint32_t c;
		size_t len = utf8_decode(s, &c);

		if (len == 0)
			return false;
		s = span_from(s, len);
	}
	return true;
}

/* Bytes that are no UTF-8: each as the character of its number. */
static void emit_latin1(struct emit *emit, struct span bytes)
{
	char *utf8 = malloc(2 * bytes.len + 1);
	size_t len = 0;

	if (utf8 == NULL) {
		emit->failed = true;
		return;
	}
	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char c = (unsigned char)bytes.at[i];

		if (c >= 0x80)
			utf8[len++] = (char)(0xc0 | c >> 6);
		utf8[len++] = (char)(c >= 0x80 ? 0x80 | (c & 0x3f) : c);
	}
	emit_begin(emit, '{');
	case_emit_text(emit, SPAN("latin1"), span_of(utf8, len));
	emit_end(emit, '}');
	free(utf8);
}

void case_emit_attempt(struct emit *emit, const struct attempt *attempt)
{
	emit_key(emit, SPAN("attempt"));
	emit_begin(emit, '{');
	for (int i = 0; i < ATTRIBUTE_COUNT; i++) {
		struct span value = attempt->attribute[i];

		if (value.at == NULL)
			continue;
		emit_key(emit, attribute_name((enum attribute)i));
		if (is_utf8(value))
			emit_text(emit, value);
		else
			emit_latin1(emit, value);
	}
	emit_end(emit, '}');
	if (attempt->conversation.at != NULL)
		case_emit_text(emit, SPAN("conversation"), attempt->conversation);
}

/* --- facts --- */

/* What was remembered has raw bytes. */
void case_add_key(struct text *key, const struct fact *fact)
{
	text_add(key, fact_kind_name(fact->kind));
	text_add_char(key, ' ');
	if (fact_kind_is_dns(fact->kind))
		text_add(key, fact->key);
	else
		case_add_raw(key, fact->key);
}

static void emit_raw_item(struct emit *emit, struct span item)
{
	struct text text = { .room = case_raw_bytes_max(item) + 1 };

	text.at = malloc(text.room);
	if (text.at == NULL) {
		emit->failed = true;
		return;
	}
	case_add_raw(&text, item);
	emit_text(emit, text_span(&text));
	free(text.at);
}

static void emit_items(struct emit *emit, const struct fact *fact)
{
	emit_begin(emit, '[');
	for (uint16_t i = 0; i < fact->item_count; i++) {
		if (fact_kind_is_dns(fact->kind))
			emit_text(emit, fact->item[i]);
		else
			emit_raw_item(emit, fact->item[i]);
	}
	emit_end(emit, ']');
}

void case_emit_answer(struct emit *emit, const struct fact *fact)
{
	switch (fact->state) {
	case FACT_PENDING: emit_null(emit); break;
	case FACT_KNOWN: emit_items(emit, fact); break;
	case FACT_FAILED: emit_text(emit, fact_cause_name(fact->cause)); break;
	case FACT_NONE:
		if (fact->exists)
			emit_items(emit, &(struct fact){ 0 });
		else
			emit_null(emit);
		break;
	}
}

/* What nobody waited for is not recorded. */
void case_emit_facts(struct emit *emit, const struct ledger *ledger)
{
	TEXT(key, CASE_KEY_TEXT_MAX);

	emit_key(emit, SPAN("facts"));
	emit_begin(emit, '{');
	for (uint16_t i = 0; i < ledger->fact_count; i++) {
		const struct fact *fact = ledger->fact[i];

		if (fact->state == FACT_PENDING)
			continue;
		text_clear(&key);
		case_add_key(&key, fact);
		emit_key(emit, text_span(&key));
		case_emit_answer(emit, fact);
	}
	emit_end(emit, '}');
}

/* --- what was decided --- */

bool case_found(const struct walk *walk, unsigned ordinal, unsigned finding)
{
	return walk->is_weighed[ordinal] && !walk->is_skipped[ordinal] &&
	       walk->findings[ordinal].times[finding] > 0;
}

struct names {
	struct span *name;
	size_t count;
};

static void names_add(struct names *names, struct span name)
{
	for (size_t i = 0; i < names->count; i++)
		if (span_equal(names->name[i], name))
			return;
	if (names->count < CASE_UNKNOWN_MAX)
		names->name[names->count++] = name;
}

size_t case_unknown(const struct walk *walk, struct span *name_out)
{
	struct names names = { name_out, 0 };

	for (unsigned n = 0; n < walk->policy->weigh_count; n++) {
		const struct judgement *own = walk->findings[n].own;

		if (walk_is_unknown(walk, n))
			names_add(&names, walk->policy->weigh[n]->name);
		if (own == NULL || !walk->is_weighed[n] || walk->is_skipped[n])
			continue;
		for (unsigned i = 0; i < own->unknown_count; i++)
			names_add(&names, own->unknown[i]);
	}
	if (walk_store_failed(walk))
		names_add(&names, SPAN("store"));
	return names.count;
}

static void emit_findings_of(struct emit *emit, const struct walk *walk, unsigned ordinal)
{
	const struct statement *weigh = walk->policy->weigh[ordinal];
	unsigned count = statement_finding_count(weigh);
	bool any = false;

	for (unsigned i = 0; i < count; i++) {
		if (!case_found(walk, ordinal, i))
			continue;
		if (!any) {
			emit_key(emit, weigh->name);
			emit_begin(emit, '[');
		}
		any = true;
		emit_text(emit, statement_finding_name(weigh, i));
	}
	if (any)
		emit_end(emit, ']');
}

static void emit_points(struct emit *emit, const struct walk *walk)
{
	struct weight weight[CASE_POINTS_MAX];
	size_t count = walk_points(walk, weight, CASE_POINTS_MAX);

	emit_key(emit, SPAN("points"));
	emit_begin(emit, '[');
	for (size_t i = 0; i < count; i++) {
		emit_begin(emit, '[');
		emit_text(emit, weight[i].name);
		emit_double(emit, weight[i].points);
		emit_end(emit, ']');
	}
	emit_end(emit, ']');
}

static void emit_unknown(struct emit *emit, const struct walk *walk)
{
	struct span name[CASE_UNKNOWN_MAX];
	size_t count = case_unknown(walk, name);

	emit_key(emit, SPAN("unknown"));
	emit_begin(emit, '[');
	for (size_t i = 0; i < count; i++)
		emit_text(emit, name[i]);
	emit_end(emit, ']');
}

static void emit_decided(struct emit *emit, const struct walk *walk)
{
	TEXT(reply, ANSWER_MAX);

	emit_key(emit, SPAN("findings"));
	emit_begin(emit, '{');
	for (unsigned n = 0; n < walk->policy->weigh_count; n++)
		emit_findings_of(emit, walk, n);
	emit_end(emit, '}');
	emit_points(emit, walk);
	emit_key(emit, SPAN("score"));
	if (walk->is_scored)
		emit_double(emit, walk->score);
	else
		emit_null(emit);
	emit_unknown(emit, walk);
	case_emit_text(emit, SPAN("verdict"), verdict_name(walk->verdict));
	answer_of_walk(walk, &reply);
	case_emit_text(emit, SPAN("reply"), text_span(&reply));
}

char *case_format(const struct walk *walk, const struct case_extra *extra)
{
	struct emit emit = { 0 };
	TEXT(at, 32);
	TEXT(generation, 24);

	text_add_utc(&at, walk->attempt->time_ms);
	text_add_int(&generation, extra->config_generation);
	emit_begin(&emit, '{');
	case_emit_text(&emit, SPAN("id"), walk->attempt->id);
	case_emit_text(&emit, SPAN("at"), text_span(&at));
	case_emit_text(&emit, SPAN("policy"), extra->policy);
	case_emit_text(&emit, SPAN("config"), text_span(&generation));
	case_emit_attempt(&emit, walk->attempt);
	case_emit_facts(&emit, walk->ledger);
	case_emit_text(&emit, SPAN("rest"), SPAN("unrecorded"));
	emit_decided(&emit, walk);
	emit_key(&emit, SPAN("took_us"));
	emit_int(&emit, (int64_t)extra->took_us);
	if (extra->explained)
		case_emit_explain(&emit, walk);
	emit_end(&emit, '}');
	return emit_take(&emit);
}

char *case_format_result(const struct walk *walk, struct span id)
{
	struct emit emit = { 0 };

	emit_begin(&emit, '{');
	case_emit_text(&emit, SPAN("id"), id);
	emit_decided(&emit, walk);
	emit_end(&emit, '}');
	return emit_take(&emit);
}
