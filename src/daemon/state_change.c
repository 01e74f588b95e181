/* state_change.c -- what an administrator changes in the store. */
#include "base/ensure.h"
#include "daemon/state_desk_priv.h"
#include "daemon/state_entry.h"
#include "daemon/state_names.h"

static void on_erased(void *self, const struct store_ended *ended)
{
	struct state_request *request = self;
	struct emit emit;

	if (ended->result != OK && ended->result != ERR_MISSING) {
		state_fail(request, ended->result, ended->why);
		return;
	}
	if (ended->result == OK)
		state_say(request, "forgotten", 0);
	emit = state_answer_begin(true);
	emit_key(&emit, SPAN("found"));
	emit_bool(&emit, ended->result == OK);
	state_answer(request, &emit);
}

void state_run_erase(struct state_request *request)
{
	store_erase(state_port(request), &request->entry, on_erased, request);
}

static void answer_expires(struct state_request *request, int64_t expires_ms)
{
	struct emit emit = state_answer_begin(true);

	state_emit_number(&emit, SPAN("expires"), expires_ms);
	state_answer(request, &emit);
}

static int64_t until(const struct state_request *request)
{
	return request->for_ms > 0 ? request->now_ms + request->for_ms : 0;
}

/* --- known --- */

static void on_added(void *self, const struct store_ended *ended)
{
	struct state_request *request = self;

	if (ended->result != OK) {
		state_fail(request, ended->result, ended->why);
		return;
	}
	state_say(request, "added", until(request));
	answer_expires(request, until(request));
}

void state_run_add(struct state_request *request)
{
	struct text value = { request->value, 0, sizeof(request->value), false };

	if (request->for_ms == 0) {
		state_refuse(request, SPAN("for no time at all is nothing"));
		return;
	}
	/* Trust has a form of its own: so often, counted when. */
	if (span_is_empty(request->entry.value)) {
		if (span_equal(request->entry.set, SPAN(GREYLIST_TRUSTED_SET)))
			text_addf(&value, "%lld %lld", (long long)TRUST_BY_HAND,
				  (long long)request->now_ms);
		else
			text_add(&value, SPAN("weighctl"));
		request->entry.value = text_span(&value);
	}
	request->entry.expires_ms = until(request);
	store_put(state_port(request), &request->entry, request->now_ms, on_added, request);
}

/* --- greylist --- */

static void on_coloured(void *self, const struct store_ended *ended)
{
	struct state_request *request = self;

	if (ended->result != OK) {
		state_fail(request, ended->result, ended->why);
		return;
	}
	state_say(request, request->colour == TRIPLET_WHITE ? "allowed" : "denied", until(request));
	answer_expires(request, until(request));
}

static void fail_fact(struct state_request *request, struct span why)
{
	TEXT(text, STATE_WHY_MAX);

	store_release(state_port(request), &request->fact);
	text_add(&text, SPAN("the store does not answer: "));
	text_add(&text, why);
	state_fail(request, ERR_SYSTEM, text_span(&text));
}

/* Without a time it lasts as long as the triplet is kept, and each mail of it makes that longer.
 * With one it ends then, and leaves behind what the triplet is without it. */
static void give_colour(const struct state_request *request, struct triplet *triplet)
{
	bool has_end = request->for_ms > 0;

	if (!has_end || triplet->last_ms == 0)
		triplet->last_ms = request->now_ms;
	if (!has_end && triplet->first_ms == 0)
		triplet->first_ms = request->now_ms;
	triplet->colour = request->colour;
	triplet->until_ms = until(request);
}

static void on_triplet(struct store_wait *wait)
{
	struct state_request *request = wait->owner;
	struct triplet_terms kept = { .window_ms = request->keep_ms, .keep_ms = request->keep_ms };
	struct triplet triplet = { .first_ms = 0 };
	struct text value = { request->value, 0, sizeof(request->value), false };

	if (request->fact.state == FACT_FAILED) {
		fail_fact(request, fact_cause_name(request->fact.cause));
		return;
	}
	if (request->fact.state == FACT_KNOWN &&
	    triplet_item_parse(request->fact.item[0], request->now_ms, &triplet) != OK)
		triplet = (struct triplet){ .first_ms = 0 };
	store_release(state_port(request), &request->fact);
	give_colour(request, &triplet);
	text_add_triplet(&value, &triplet);
	ENSURE(!value.overrun);
	request->entry.value = text_span(&value);
	request->entry.expires_ms = triplet_expires_ms(&triplet, &kept);
	store_put(state_port(request), &request->entry, request->now_ms, on_coloured, request);
}

/* A question to the store about the entry; what is there is not changed by a rehearsal. */
static void ask_fact(struct state_request *request, enum fact_kind kind,
		     void (*answered)(struct store_wait *))
{
	struct text key = { request->fact_key, 0, sizeof(request->fact_key), false };

	if (request->entry.set.len > 0) {
		text_add(&key, request->entry.set);
		text_add_char(&key, ' ');
	}
	text_add(&key, request->entry.key);
	ENSURE(!key.overrun);
	request->fact = (struct fact){ .kind = kind, .key = text_span(&key) };
	if (kind == FACT_TALLY)
		request->fact.count = &request->count;
	else
		request->fact.terms = &request->terms;
	request->wait = (struct store_wait){
		.fact = &request->fact,
		.now_ms = request->now_ms,
		.is_rehearsal = kind == FACT_GREYLIST,
		.answered = answered,
		.owner = request,
	};
	store_ask(state_port(request), &request->wait);
}

static void colour(struct state_request *request, enum triplet_colour wanted)
{
	static const struct triplet_terms for_ever = { .window_ms = STATE_FOR_MS_MAX,
						       .keep_ms = STATE_FOR_MS_MAX };

	if (request->for_ms == 0) {
		state_refuse(request, SPAN("for no time at all is nothing: forget it"));
		return;
	}
	request->colour = wanted;
	request->terms = for_ever;
	/* Now: a reload may have freed the configuration when the store answers. */
	request->keep_ms = state_greylist_keep_ms(request->question.config);
	ask_fact(request, FACT_GREYLIST, on_triplet);
}

void state_run_allow(struct state_request *request)
{
	colour(request, TRIPLET_WHITE);
}

void state_run_deny(struct state_request *request)
{
	colour(request, TRIPLET_BLACK);
}

/* --- limits --- */

static void on_raised(struct store_wait *wait)
{
	struct state_request *request = wait->owner;

	if (request->fact.state == FACT_FAILED) {
		fail_fact(request, fact_cause_name(request->fact.cause));
		return;
	}
	store_release(state_port(request), &request->fact);
	state_say(request, request->for_ms > 0 ? "raised" : "no longer raised", until(request));
	answer_expires(request, until(request));
}

void state_run_raise(struct state_request *request)
{
	if (rates_parse(state_text(request->root, "rates"), &request->count.raise) != OK) {
		state_refuse(request, SPAN("\"rates\" are no rates: 100/1h, 500/1d"));
		return;
	}
	request->entry.value = SPAN("raised 0 none"); /* else the store looks at no key of it */
	if (store_entry_fault(&request->entry, request->now_ms) != NULL) {
		state_refuse(request,
			     span_cstr(store_entry_fault(&request->entry, request->now_ms)));
		return;
	}
	if (request->for_ms < 0 || request->for_ms > RATE_PERIOD_MS_MAX) {
		state_refuse(request, SPAN("\"for_ms\" is missing, or more than 400 days"));
		return;
	}
	request->count.raise_until_ms = request->for_ms > 0 ? until(request) : 1;
	ask_fact(request, FACT_TALLY, on_raised);
}
