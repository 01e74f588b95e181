/* classic_state.c -- what classic remembers: last answers and error counts (3), caches (8).
 *
 * Sets and values, all in text (lengths and numbers with a blank behind each):
 *
 *	classic.message CONVERSATION   lengths of the three, then: last accepted message key,
 *				       last refused one, refusal text
 *	classic.errors lists	       ZONE COUNT for each list that has errors
 *	classic.refused ADDRESS[-SENDER]   rate, count, last seen (seconds)
 *	classic.accepted ADDRESS-DOMAIN    rate, count, last seen, created, period begun
 */
#include "base/number.h"
#include "checks/classic_priv.h"

enum { REMEMBERED_TEXT_MAX = 4 * CLASSIC_VALUE_MAX };

static const struct span set_message = SPAN_INIT("classic.message");
static const struct span set_errors = SPAN_INIT("classic.errors");
static const struct span set_refused = SPAN_INIT("classic.refused");
static const struct span set_accepted = SPAN_INIT("classic.accepted");
static const struct span errors_key = SPAN_INIT("lists");

static const struct fact *ask_remembered(struct classic *c, struct span set, struct span key)
{
	text_clear(c->key);
	text_add(c->key, set);
	text_add_char(c->key, ' ');
	text_add(c->key, key);
	if (c->key->overrun || c->key->len > FACT_KEY_MAX)
		return NULL;
	return fact_ask(c->ledger, FACT_REMEMBERED, text_span(c->key));
}

static bool is_pending(const struct fact *fact)
{
	return fact != NULL && fact->state == FACT_PENDING;
}

static struct span value_of(const struct fact *fact)
{
	if (fact == NULL || fact->state != FACT_KNOWN || fact->item_count == 0)
		return span_of("", 0);
	return fact->item[0];
}

static int64_t cut_number(struct span *rest)
{
	struct span word;
	int64_t number;

	if (!span_cut(rest, ' ', &word) || number_parse(word, &number) != OK)
		return 0;
	return number;
}

static double cut_decimal(struct span *rest)
{
	struct span word;
	double number;

	if (!span_cut(rest, ' ', &word) || decimal_parse(word, &number) != OK)
		return 0;
	return number;
}

struct bounds {
	int64_t entries_max, entries_keep; /* 0: none of its own */
};

/* 8.4: more than max go down to keep; where keep is the greater one, it is the bound. */
static struct bounds bounds_of(int64_t max, int64_t keep)
{
	return (struct bounds){ max > keep ? max : keep, keep };
}

/* value.at == NULL: forget */
static void remember(struct classic *c, struct span set, struct span key, struct span value,
		     struct bounds bounds)
{
	struct memory memory = {
		.set = set,
		.key = arena_copy(c->ledger->arena, key),
		.entries_max = (uint32_t)bounds.entries_max,
		.entries_keep = (uint32_t)bounds.entries_keep,
	};

	if (value.at != NULL)
		memory.value = arena_copy(c->ledger->arena, value);
	if (c->memory_count == MEMORIES_MAX || memory.key.at == NULL ||
	    (value.at != NULL && memory.value.at == NULL))
		return;
	c->memory[c->memory_count++] = memory;
}

static const struct bounds no_bounds = { 0, 0 };

/* --- the message before, over the same connection --- */

static void read_message(struct classic *c, struct span value)
{
	struct classic_state *state = &c->state;
	size_t accepted = (size_t)cut_number(&value), refused = (size_t)cut_number(&value);

	if (accepted > value.len || refused > value.len - accepted)
		return;
	state->last_accepted = span_first(value, accepted);
	state->last_refused = span_of(value.at + accepted, refused);
	state->refusal_text = span_from(value, accepted + refused);
}

static void message_key(const struct classic *c, struct text *key)
{
	text_add(key, c->request.instance);
	text_add(key, c->request.client_text);
	text_add(key, c->request.sender);
}

bool classic_is_last(const struct classic *c, struct span key)
{
	const struct classic_request *r = &c->request;

	return key.len == r->instance.len + r->client_text.len + r->sender.len &&
	       span_starts(key, r->instance) &&
	       span_starts(span_from(key, r->instance.len), r->client_text) &&
	       span_ends(key, r->sender);
}

static void write_message(struct classic *c, struct span accepted, struct span refused,
			  struct span refusal_text)
{
	TEXT(value, REMEMBERED_TEXT_MAX + CLASSIC_TEXT_MAX);

	if (c->attempt->conversation.len == 0)
		return;
	text_add_int(&value, (int64_t)accepted.len);
	text_add_char(&value, ' ');
	text_add_int(&value, (int64_t)refused.len);
	text_add_char(&value, ' ');
	text_add(&value, accepted);
	text_add(&value, refused);
	text_add(&value, refusal_text);
	if (!value.overrun)
		remember(c, set_message, c->attempt->conversation, text_span(&value), no_bounds);
}

void classic_remember_accepted(struct classic *c)
{
	TEXT(key, 3 * CLASSIC_VALUE_MAX);

	message_key(c, &key);
	write_message(c, text_span(&key), c->state.last_refused, c->state.refusal_text);
}

/* refusal_text.at == NULL: it stays what it was. */
void classic_remember_refused(struct classic *c, struct span refusal_text)
{
	TEXT(key, 3 * CLASSIC_VALUE_MAX);

	if (refusal_text.at == NULL)
		refusal_text = c->state.refusal_text;
	message_key(c, &key);
	write_message(c, c->state.last_accepted, text_span(&key), refusal_text);
}

/* --- error counts of the lists --- */

int64_t *classic_errors_of(struct classic *c, unsigned row)
{
	const struct list_row *list = c->set->dnsbl.row;

	/* a zone that stands twice has one count */
	for (unsigned i = 0; i < row; i++)
		if (span_equal(list[i].zone, list[row].zone))
			return &c->state.errors[i];
	return &c->state.errors[row];
}

static void read_errors(struct classic *c, struct span value)
{
	struct span zone;

	while (span_cut(&value, ' ', &zone)) {
		int64_t count = cut_number(&value);

		for (unsigned i = 0; i < c->set->dnsbl.count && i < CLASSIC_DNSBL_MAX; i++)
			if (count > 0 && span_equal(c->set->dnsbl.row[i].zone, zone)) {
				c->state.has_errors = true;
				c->state.errors[i] = count;
				break;
			}
	}
}

static void write_errors(struct classic *c)
{
	TEXT(value, CLASSIC_TEXT_MAX);

	for (unsigned i = 0; i < c->set->dnsbl.count && i < CLASSIC_DNSBL_MAX; i++) {
		if (c->state.errors[i] <= 0)
			continue;
		text_add(&value, c->set->dnsbl.row[i].zone);
		text_add_char(&value, ' ');
		text_add_int(&value, c->state.errors[i]);
		text_add_char(&value, ' ');
	}
	if (value.overrun)
		return;
	remember(c, set_errors, errors_key, value.len > 0 ? text_span(&value) : span_of(NULL, 0),
		 no_bounds);
}

void classic_state_write(struct classic *c)
{
	if (c->state.errors_changed)
		write_errors(c);
}

/* --- caches --- */

static void refused_key(const struct classic *c, bool by_address, struct text *key)
{
	text_add(key, c->request.client_text);
	if (by_address)
		return;
	text_add_char(key, '-');
	text_add(key, c->request.sender);
}

static void accepted_key(const struct classic *c, struct text *key)
{
	text_add(key, c->request.client_text);
	text_add_char(key, '-');
	text_add(key, c->request.sender_domain);
}

static void store_refused(struct classic *c, struct span key, double rate, int64_t count)
{
	TEXT(value, 80);

	text_add_double(&value, rate);
	text_add_char(&value, ' ');
	text_add_int(&value, count);
	text_add_char(&value, ' ');
	text_add_int(&value, c->now_s);
	remember(c, set_refused, key, text_span(&value),
		 bounds_of(c->set->refused_max, c->set->refused_keep));
}

void classic_cache_refused(struct classic *c, bool by_address, double rate)
{
	TEXT(key, 2 * CLASSIC_VALUE_MAX);

	refused_key(c, by_address, &key);
	if (c->set->refused_keep > 0)
		store_refused(c, text_span(&key), rate, c->set->retries);
}

/* A5 (8.2) */
static void say_cached_refusal(struct classic *c, int64_t count)
{
	classic_say(c, c->set->refused_text);
	text_add(c->answer, SPAN(" - retrying too fast. penalty: "));
	text_add_double(c->answer, (double)c->set->retry_wait_ms / 1000);
	text_add(c->answer, SPAN(" seconds x "));
	text_add_int(c->answer, count);
	text_add(c->answer, SPAN(" retries."));
	classic_remember_refused(c, text_span(c->answer));
}

/* 8.1: @return the entry still refuses */
static bool is_refused(struct classic *c, const struct fact *fact, bool by_address)
{
	TEXT(key, 2 * CLASSIC_VALUE_MAX);
	struct span value = value_of(fact);
	double rate;
	int64_t count;
	bool is_late;

	if (value.len == 0)
		return false;
	refused_key(c, by_address, &key);
	rate = cut_decimal(&value);
	count = cut_number(&value);
	is_late = (c->now_s - cut_number(&value)) * 1000 > c->set->retry_wait_ms;
	if (count <= 0 && is_late) {
		remember(c, set_refused, text_span(&key), span_of(NULL, 0), no_bounds);
		return false;
	}
	if (is_late)
		count--;
	store_refused(c, text_span(&key), rate, count);
	say_cached_refusal(c, count);
	return true;
}

struct accepted {
	double rate;
	int64_t count, created_s, period_s;
};

static void store_accepted(struct classic *c, const struct accepted *entry)
{
	TEXT(key, 2 * CLASSIC_VALUE_MAX);
	TEXT(value, 160);

	accepted_key(c, &key);
	text_add_double(&value, entry->rate);
	text_add_char(&value, ' ');
	text_add_int(&value, entry->count);
	text_add_char(&value, ' ');
	text_add_int(&value, c->now_s);
	text_add_char(&value, ' ');
	text_add_int(&value, entry->created_s);
	text_add_char(&value, ' ');
	text_add_int(&value, entry->period_s);
	remember(c, set_accepted, text_span(&key), text_span(&value),
		 bounds_of(c->set->accepted_max, c->set->accepted_keep));
}

void classic_cache_accepted(struct classic *c)
{
	struct accepted entry = { c->score, c->set->trusted_answers, c->now_s, c->now_s };

	store_accepted(c, &entry);
}

/* A6 */
static void say_cached_acceptance(struct classic *c, double rate)
{
	classic_say_prefix(c);
	text_add(c->answer, c->set->accepted_text);
	text_add(c->answer, SPAN("; rate:hard: "));
	text_add_double(c->answer, rate);
	c->is_scored = true;
	c->score = rate;
	classic_remember_accepted(c);
}

/* 8.3: @return passed without a question */
static bool is_trusted(struct classic *c, const struct fact *fact)
{
	const struct classic_parameters *set = c->set;
	struct span value = value_of(fact);
	struct accepted entry;
	bool is_hard = false;

	if (value.len == 0)
		return false;
	entry.rate = cut_decimal(&value);
	entry.count = cut_number(&value);
	(void)cut_number(&value);
	entry.created_s = cut_number(&value);
	entry.period_s = cut_number(&value);
	if ((c->now_s - entry.created_s) * 1000 > set->trust_age_ms) {
		is_hard = entry.count > 0 &&
			  (c->now_s - entry.period_s) * 1000 < set->trusted_period_ms;
		if (is_hard) {
			entry.count--;
		} else {
			entry.count = set->trusted_answers;
			entry.period_s = c->now_s;
		}
	}
	store_accepted(c, &entry);
	if (is_hard) {
		say_cached_acceptance(c, entry.rate);
		return true;
	}
	c->state.is_soft = true;
	c->state.soft_rate = entry.rate;
	return false;
}

/* --- the stages --- */

/* All that is remembered, asked for at once. */
struct asked {
	const struct fact *message, *errors, *refused_address, *refused_sender, *accepted;
};

static struct asked ask_all(struct classic *c)
{
	TEXT(key, 2 * CLASSIC_VALUE_MAX);
	struct asked asked = { 0 };

	if (c->attempt->conversation.len > 0)
		asked.message = ask_remembered(c, set_message, c->attempt->conversation);
	asked.errors = ask_remembered(c, set_errors, errors_key);
	if (c->set->refused_keep > 0) {
		asked.refused_address = ask_remembered(c, set_refused, c->request.client_text);
		refused_key(c, false, &key);
		asked.refused_sender = ask_remembered(c, set_refused, text_span(&key));
	}
	if (c->set->accepted_keep > 0) {
		text_clear(&key);
		accepted_key(c, &key);
		asked.accepted = ask_remembered(c, set_accepted, text_span(&key));
	}
	return asked;
}

/* 4.2.3 and 4.2.4: further recipients of the message before; 4.3: the caches */
bool classic_remembered(struct classic *c)
{
	struct asked asked = ask_all(c);

	c->is_waiting = is_pending(asked.message) || is_pending(asked.errors) ||
			is_pending(asked.refused_address) || is_pending(asked.refused_sender) ||
			is_pending(asked.accepted);
	if (c->is_waiting)
		return false;
	c->state.refusal_text = c->set->reject_text;
	if (value_of(asked.message).len > 0)
		read_message(c, value_of(asked.message));
	read_errors(c, value_of(asked.errors));
	if (classic_is_last(c, c->state.last_accepted)) {
		classic_say(c,
			    SPAN("DUNNO multirecipient-mail - already accepted by previous query"));
		return false;
	}
	if (classic_is_last(c, c->state.last_refused)) {
		classic_say(c, c->state.refusal_text);
		text_add(c->answer, SPAN(" (multirecipient mail)"));
		return false;
	}
	return !is_refused(c, asked.refused_address, true) &&
	       !is_refused(c, asked.refused_sender, false) && !is_trusted(c, asked.accepted);
}
