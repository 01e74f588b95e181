/* redis_ask.c -- a question becomes a command, its reply an answer.
 *
 *	FACT_REMEMBERED		GET
 *	FACT_TALLY		redis_tally.lua, which says the numbers
 *	FACT_GREYLIST		redis_triplet.lua, which says what was there before
 *	a rehearsal		GET, and what would be is worked out here
 *
 * An entry lives for a span of time by the server's clock, from now by ours: so clocks that
 * differ do not matter.
 */
#include "store/redis_priv.h"

#include "base/ensure.h"
#include "base/utc.h"
#include "weigh/key.h"

#include <stdlib.h>

struct question {
	struct redis_command command;
	struct redis_port *port;
	struct store_wait *wait; /* NULL: forgotten */
	int64_t now_ms;
	bool is_rehearsal;
	enum fact_kind kind;
	union {
		struct tally_count count;
		struct triplet_terms terms;
	};
};

/* Words of a command, and room for what some of them say. */
struct words {
	struct span word[WORDS_MAX];
	size_t count;
	char room[TALLY_WANTED_MAX + 1];
	struct text text;
};

static void words_init(struct words *words)
{
	words->count = 0;
	words->text = (struct text){ words->room, 0, sizeof(words->room), false };
}

static void word_add(struct words *words, struct span word)
{
	ENSURE(words->count < WORDS_MAX);
	words->word[words->count++] = word;
}

static void word_add_number(struct words *words, int64_t number)
{
	size_t from = words->text.len;

	text_add_int(&words->text, number);
	word_add(words, span_from(text_span(&words->text), from));
}

const char *redis_cause_words(enum fact_cause cause)
{
	switch (cause) {
	case CAUSE_TIMEOUT: return "Redis does not answer in time";
	case CAUSE_REFUSED: return "Redis refuses";
	case CAUSE_MALFORMED: return "what is there is none of ours";
	case CAUSE_TOOLARGE: return "too much in line";
	case CAUSE_DOWN: return "Redis cannot be reached";
	case CAUSE_SERVFAIL:
	case CAUSE_BOGUS:
	case CAUSE_PARKED:
	case CAUSE_UNRECORDED:
	case CAUSE_NONE:
	case CAUSE_COUNT: break;
	}
	return "Redis failed";
}

/* --- answers --- */

static void in_line(struct redis_port *port, bool enters)
{
	atomic_uint_fast64_t *figure = &port->port.store->count.in_line;

	if (enters) {
		port->in_line++;
		atomic_fetch_add_explicit(figure, 1, memory_order_relaxed);
	} else {
		port->in_line--;
		atomic_fetch_sub_explicit(figure, 1, memory_order_relaxed);
	}
}

static void fail(struct redis_port *port, struct store_wait *wait, enum fact_cause cause)
{
	store_count(&port->port.store->count.failures);
	store_fail(wait, cause);
}

static void answer_triplet(struct question *question, struct span before)
{
	TEXT(item, TRIPLET_TEXT_MAX);
	TEXT(after, TRIPLET_TEXT_MAX);

	(void)store_touch_text(before, &question->terms, question->now_ms, &item, &after);
	if (item.len > 0)
		store_answer_item(question->wait, text_span(&item));
	else
		store_answer_none(question->wait);
}

static void answer_rehearsal(struct question *question, struct span record)
{
	struct two_texts {
		char before[TALLY_TEXT_MAX + 1], after[TALLY_TEXT_MAX + 1];
	} *room = malloc(sizeof(*room));
	struct tally_result result;

	if (room == NULL) {
		fail(question->port, question->wait, CAUSE_TOOLARGE);
		return;
	}
	struct text before = { room->before, 0, sizeof(room->before), false };
	struct text after = { room->after, 0, sizeof(room->after), false };

	if (record.len > 0 && text_add_record(&before, record) != OK)
		text_clear(&before); /* none of ours is nothing */
	(void)store_count_text(text_span(&before), &question->count, question->now_ms, &after,
			       &result);
	store_answer_tally(question->wait, &result);
	free(room);
}

/* Of the rates that were asked for, each in its place? */
static bool is_of(const struct tally_result *result, const struct rates *rates)
{
	bool is_so = result->count == rates->count;

	for (unsigned i = 0; i < rates->count && is_so; i++)
		is_so = result->use[i].period_ms == rates->rate[i].period_ms;
	return is_so;
}

static void answer_tally(struct question *question, struct span said)
{
	struct tally_result result;

	if (said_tally(said, &result) != OK || !is_of(&result, &question->count.rates))
		fail(question->port, question->wait, CAUSE_MALFORMED);
	else
		store_answer_tally(question->wait, &result);
}

/* Whoever can write into Redis can write anything. */
static bool is_value_of_set(struct span value)
{
	const struct store_entry entry = {
		.class = STORE_KNOWN, .set = SPAN("set"), .key = SPAN("key"), .value = value
	};

	return store_entry_fault(&entry, 0) == NULL;
}

static void question_done(struct redis_command *command, const redisReply *reply,
			  enum fact_cause cause)
{
	struct question *question = (struct question *)command;
	struct store_wait *wait = question->wait;
	struct span said;

	in_line(question->port, false);
	if (wait == NULL || question->port->is_closing)
		return;
	if (cause != CAUSE_NONE) {
		fail(question->port, wait, cause);
		return;
	}
	said = reply_span(reply);
	if (reply->type != REDIS_REPLY_NIL && reply->type != REDIS_REPLY_STRING)
		fail(question->port, wait, CAUSE_MALFORMED);
	else if (question->kind == FACT_REMEMBERED && reply->type == REDIS_REPLY_NIL)
		store_answer_none(wait);
	else if (question->kind == FACT_REMEMBERED && !is_value_of_set(said))
		fail(question->port, wait, CAUSE_MALFORMED);
	else if (question->kind == FACT_REMEMBERED)
		store_answer_item(wait, said);
	else if (question->kind == FACT_GREYLIST)
		answer_triplet(question, said);
	else if (question->is_rehearsal)
		answer_rehearsal(question, said);
	else
		answer_tally(question, said);
}

/* --- questions --- */

static int64_t clamp(int64_t number, int64_t least, int64_t most)
{
	return number < least ? least : number > most ? most : number;
}

static void words_of_fact(struct words *words, const struct redis *redis,
			  const struct store_wait *wait, struct span key)
{
	const struct fact *fact = wait->fact;

	if (fact->kind == FACT_REMEMBERED || wait->is_rehearsal) {
		word_add(words, SPAN("GET"));
		word_add(words, key);
		return;
	}
	word_add(words, SPAN("EVALSHA"));
	word_add(
		words,
		span_of(redis->script[fact->kind == FACT_TALLY ? SCRIPT_TALLY : SCRIPT_TRIPLET].sha,
			SHA_LEN));
	word_add(words, SPAN("1"));
	word_add(words, key);
	if (fact->kind == FACT_TALLY)
		wanted_add_tally(&words->text, fact->count, wait->now_ms);
	else
		wanted_add_triplet(&words->text, fact->terms, wait->now_ms);
	word_add(words, text_span(&words->text));
}

static struct question *question_new(struct redis_port *port, struct store_wait *wait)
{
	const struct fact *fact = wait->fact;
	struct question *question;
	struct words words;
	bool is_script = fact->kind != FACT_REMEMBERED && !wait->is_rehearsal;
	TEXT(key, REDIS_KEY_MAX);

	words_init(&words);
	redis_key(&key, port->port.store->options.prefix,
		  fact->kind == FACT_REMEMBERED ? STORE_KNOWN
		  : fact->kind == FACT_TALLY    ? STORE_TALLY
						: STORE_TRIPLET,
		  SPAN(""), fact->key);
	words_of_fact(&words, port->redis, wait, text_span(&key));
	if (key.overrun || words.text.overrun)
		return NULL;
	question = (struct question *)command_new(sizeof(*question), words.word, words.count,
						  is_script ? 3 : 1);
	if (question == NULL)
		return NULL;
	if (is_script)
		question->command.script = fact->kind == FACT_TALLY ? SCRIPT_TALLY : SCRIPT_TRIPLET;
	question->command.done = question_done;
	question->port = port;
	question->wait = wait;
	question->now_ms = wait->now_ms;
	question->is_rehearsal = wait->is_rehearsal;
	question->kind = fact->kind;
	if (fact->kind == FACT_TALLY)
		question->count = *fact->count;
	else if (fact->kind == FACT_GREYLIST)
		question->terms = *fact->terms;
	return question;
}

void redis_ask(struct store_port *store_port, struct store_wait *wait)
{
	struct redis_port *port = (struct redis_port *)store_port;
	struct question *question = NULL;

	if (port->in_line < STORE_LINE_MAX)
		question = question_new(port, wait);
	if (question == NULL) {
		fail(port, wait, CAUSE_TOOLARGE);
		return;
	}
	wait->held = question;
	in_line(port, true);
	route_command(port, &question->command);
}

void redis_forget(struct store_port *port, struct store_wait *wait)
{
	struct question *question = wait->held;

	(void)port;
	if (question != NULL)
		question->wait = NULL;
	wait->held = NULL;
}

/* --- changes --- */

struct change {
	struct redis_command command;
	struct redis_port *port;
	bool is_erasing;
	store_done *done; /* NULL: nobody waits */
	void *self;
};

static void change_done(struct redis_command *command, const redisReply *reply,
			enum fact_cause cause)
{
	struct change *change = (struct change *)command;
	struct store_ended ended = { .result = OK };

	in_line(change->port, false);
	if (cause != CAUSE_NONE) {
		store_count(&change->port->port.store->count.failures);
		ended.result = ERR_SYSTEM;
		ended.why = span_cstr(redis_cause_words(cause));
		if (reply != NULL)
			ended.why = reply_span(reply);
	} else if (reply->type != (change->is_erasing ? REDIS_REPLY_INTEGER : REDIS_REPLY_STATUS)) {
		store_count(&change->port->port.store->count.failures);
		ended.result = ERR_SYSTEM;
		ended.why = span_cstr(redis_cause_words(CAUSE_MALFORMED));
	} else if (change->is_erasing && reply->integer == 0) {
		ended.result = ERR_MISSING;
		ended.why = SPAN("there is none");
	}
	if (change->done != NULL && !change->port->is_closing)
		change->done(change->self, &ended);
}

static void change_send(struct redis_port *port, const struct words *words, bool is_erasing,
			store_done *done, void *self)
{
	struct change *change = NULL;

	if (port->in_line < STORE_LINE_MAX)
		change =
			(struct change *)command_new(sizeof(*change), words->word, words->count, 1);
	if (change == NULL) {
		store_count(&port->port.store->count.failures);
		if (done != NULL)
			store_end(done, self, ERR_SYSTEM, redis_cause_words(CAUSE_TOOLARGE));
		return;
	}
	change->command.done = change_done;
	change->port = port;
	change->is_erasing = is_erasing;
	change->done = done;
	change->self = self;
	in_line(port, true);
	route_command(port, &change->command);
}

/* @param keep_ms  0: for ever */
static void words_of_set(struct words *words, struct span key, struct span value, int64_t keep_ms)
{
	words_init(words);
	word_add(words, SPAN("SET"));
	word_add(words, key);
	word_add(words, value);
	if (keep_ms > 0) {
		word_add(words, SPAN("PX"));
		word_add_number(words, keep_ms);
	}
}

static void forget_key(struct redis_port *port, struct span key, store_done *done, void *self)
{
	struct words words;

	words_init(&words);
	word_add(&words, SPAN("DEL"));
	word_add(&words, key);
	change_send(port, &words, true, done, self);
}

void redis_remember(struct store_port *store_port, const struct memory *memory, int64_t now_ms)
{
	struct redis_port *port = (struct redis_port *)store_port;
	struct words words;
	TEXT(key, REDIS_KEY_MAX);

	(void)now_ms;
	redis_key(&key, port->port.store->options.prefix, STORE_KNOWN, memory->set, memory->key);
	ENSURE(!key.overrun); /* store.c has looked */
	if (memory->value.at == NULL) {
		forget_key(port, text_span(&key), NULL, NULL);
		return;
	}
	words_of_set(&words, text_span(&key), memory->value, memory->keep_ms);
	change_send(port, &words, false, NULL, NULL);
}

static int64_t keep_of(const struct store_entry *entry, int64_t now_ms)
{
	if (entry->expires_ms == 0)
		return 0;
	return clamp(entry->expires_ms, 0, UTC_MS_MAX) - now_ms +
	       (entry->class == STORE_TRIPLET ? REDIS_LINGER_MS : 0);
}

void redis_put(struct store_port *store_port, const struct store_entry *entry, int64_t now_ms,
	       store_done *done, void *self)
{
	struct redis_port *port = (struct redis_port *)store_port;
	struct words words;
	struct span value = entry->value;
	TEXT(key, REDIS_KEY_MAX);
	TEXT(record, TALLY_RECORD_MAX);

	redis_key(&key, port->port.store->options.prefix, entry->class, entry->set, entry->key);
	ENSURE(!key.overrun);
	if (entry->class == STORE_TALLY) {
		ENSURE(record_add_tally(&record, value) == OK && !record.overrun);
		value = text_span(&record);
	}
	words_of_set(&words, text_span(&key), value, keep_of(entry, now_ms));
	change_send(port, &words, false, done, self);
}

void redis_erase(struct store_port *store_port, const struct store_entry *entry, store_done *done,
		 void *self)
{
	struct redis_port *port = (struct redis_port *)store_port;
	TEXT(key, REDIS_KEY_MAX);

	redis_key(&key, port->port.store->options.prefix, entry->class, entry->set, entry->key);
	ENSURE(!key.overrun);
	forget_key(port, text_span(&key), done, self);
}
