/* same.c -- do the scripts in Redis say and write what the functions in C do?
 *
 *	same SOCKET ROUNDS SEED
 *
 * Random questions to the driver, on many keys at once, and the same to store_count_text() and
 * store_touch_text(); after each round the answers and what stands under the keys, as text, are
 * compared, byte by byte.  Prints the seed, and what differs first.
 */
#include "base/ensure.h"
#include "base/number.h"
#include "store/redis_priv.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEYS = 48, ITEMS_TEXT_MAX = RATES_MAX * (TALLY_ITEM_MAX + 2) };

/* One key, its text as C has it, and the question under way. */
struct place {
	char key[32];
	char text[TALLY_TEXT_MAX + 1];
	size_t len;
	int64_t now_ms;
	bool is_triplet;
	int style;
	struct tally_count count;
	struct triplet_terms terms;
	struct fact fact;
	struct store_wait wait;
};

static struct event_base *base;
static struct store_port *port;
static redisContext *direct;
static struct place place[KEYS];
static unsigned pending;
static uint64_t state;

static uint64_t chance(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below == 0 ? 0 : (state >> 11) % below;
}

/* --- random questions --- */

static const int64_t periods[] = { 1000, 1500, 60000, 90000, 3600000, 86400000, 2592000000 };

static void random_rates(struct rates *rates, unsigned most_count)
{
	*rates = (struct rates){ .count = 0 };
	for (unsigned i = (unsigned)chance(most_count + 1); i > 0; i--) {
		struct rate rate = { (int64_t)chance(chance(3) == 0 ? 1000 : 12),
				     periods[chance(sizeof(periods) / sizeof(*periods))] };
		bool is_there = false;

		if (chance(20) == 0)
			rate.most = RATE_MOST_MAX - (int64_t)chance(3);
		for (unsigned j = 0; j < rates->count; j++)
			is_there |= rates->rate[j].period_ms == rate.period_ms;
		if (!is_there)
			rates->rate[rates->count++] = rate;
	}
}

static int64_t random_amount(void)
{
	switch (chance(12)) {
	case 0: return 0;
	case 1: return (int64_t)chance(5000);
	case 2: return RATE_MOST_MAX - (int64_t)chance(5);
	case 3: return -(int64_t)chance(5);
	}
	return 1 + (int64_t)chance(3);
}

static int64_t random_step(const struct place *at)
{
	if (at->style == 0)
		return (int64_t)chance(12); /* dense */
	switch (chance(12)) {
	case 0: return -(int64_t)chance(100000);
	case 1: return (int64_t)chance(100000000);
	case 2: return -(int64_t)chance(20);
	case 3: return (int64_t)chance(4000000);
	}
	return (int64_t)chance(3000);
}

static void random_count(struct place *at)
{
	struct tally_count *count = &at->count;
	bool is_dense = at->style == 0;

	if (!is_dense || chance(50) == 0)
		random_rates(&count->rates, RATES_MAX);
	else if (count->rates.count == 0)
		count->rates =
			(struct rates){ .rate = { { 100000, 1000 }, { 90, 60000 } }, .count = 2 };
	count->amount = is_dense ? 1 + (int64_t)chance(2) : random_amount();
	count->once = chance(3) != 0 ? 0 : tally_once(span_of("abcdefghijkl", 1 + chance(12)));
	if (at->style == 1) /* so that it is seen too much */
		count->once = 1 + chance(200) * 0x123456789abcdefULL;
	count->is_total = chance(3) == 0;
	count->is_distinct = chance(4) == 0;
	if (count->is_distinct)
		count->amount = 1;
	count->counts_refused = chance(3) == 0;
	count->raise_until_ms = 0;
	if (chance(15) == 0) {
		random_rates(&count->raise, RATES_MAX);
		count->raise_until_ms = at->now_ms + (int64_t)chance(200000) - 50000;
	}
}

static void random_question(struct place *at)
{
	at->now_ms += random_step(at);
	at->wait.now_ms = at->now_ms;
	if (!at->is_triplet) {
		random_count(at);
	} else if (chance(4) == 0 || at->terms.keep_ms == 0) {
		at->terms.delay_ms = (int64_t)chance(3000);
		/* longer than the test runs: the server goes by its own clock */
		at->terms.window_ms = 600000 + (int64_t)chance(1000000);
		at->terms.keep_ms = 600000 + (int64_t)chance(5000000);
	}
}

/* --- comparing --- */

static void items_text(const struct fact *fact, struct text *text)
{
	text_add_int(text, fact->state);
	for (unsigned i = 0; fact->state == FACT_KNOWN && i < fact->item_count; i++) {
		text_add(text, SPAN(", "));
		text_add(text, fact->item[i]);
	}
}

static void differ(const struct place *at, const char *what, struct span have, struct span want)
{
	printf("%s: %s\nhave %.*s\nwant %.*s\nbefore %.*s\nnow %lld amount %lld once %llx total %d "
	       "distinct %d counts_refused %d raise_until %lld\n",
	       at->key, what, SPAN_ARG(have), SPAN_ARG(want), (int)at->len, at->text,
	       (long long)at->now_ms, (long long)at->count.amount,
	       (unsigned long long)at->count.once, at->count.is_total, at->count.is_distinct,
	       at->count.counts_refused, (long long)at->count.raise_until_ms);
	for (unsigned i = 0; i < at->count.rates.count; i++)
		printf("rate %lld/%lld\n", (long long)at->count.rates.rate[i].most,
		       (long long)at->count.rates.rate[i].period_ms);
	exit(1);
}

static void place_answered(struct store_wait *wait)
{
	(void)wait;
	if (--pending == 0)
		event_base_loopbreak(base);
}

static void nothing(struct store_wait *wait)
{
	(void)wait;
}

/* What C answers; its text goes to after, which stays empty where nothing is written. */
static void reference(struct place *at, struct fact *fact, struct text *after, int64_t *expires_out)
{
	struct store_wait wait = { .fact = fact, .answered = nothing };
	struct span before = span_of(at->text, at->len);
	struct tally_result result;
	TEXT(item, TRIPLET_TEXT_MAX);

	if (!at->is_triplet) {
		*expires_out = store_count_text(before, &at->count, at->now_ms, after, &result);
		store_answer_tally(&wait, &result);
		return;
	}
	*expires_out = store_touch_text(before, &at->terms, at->now_ms, &item, after);
	if (item.len > 0)
		store_answer_item(&wait, text_span(&item));
	else
		store_answer_none(&wait);
}

/* What stands under the key, as text; what is none of ours is nothing. */
static struct span stands_text(const struct place *at, const redisReply *reply)
{
	static char room[TALLY_TEXT_MAX + 1];
	struct text text = { room, 0, sizeof(room), false };
	struct span stands =
		reply->type == REDIS_REPLY_STRING ? span_of(reply->str, reply->len) : SPAN("");

	if (at->is_triplet)
		return stands;
	return text_add_record(&text, stands) == OK ? text_span(&text) : SPAN("");
}

static void place_check(struct place *at, const redisReply *reply)
{
	static char room[TALLY_TEXT_MAX + 1];
	struct text after = { room, 0, sizeof(room), false };
	struct fact fact = { .kind = at->fact.kind };
	struct span stands = stands_text(at, reply);
	int64_t expires_ms = 0;
	int64_t now_ms = at->now_ms < 1 ? 1 : at->now_ms;
	TEXT(have, ITEMS_TEXT_MAX);
	TEXT(want, ITEMS_TEXT_MAX);
	struct span written;

	reference(at, &fact, &after, &expires_ms);
	items_text(&at->fact, &have);
	items_text(&fact, &want);
	if (!span_equal(text_span(&have), text_span(&want)))
		differ(at, "the answer", text_span(&have), text_span(&want));
	written = after.len == 0 ? span_of(at->text, at->len) : text_span(&after);
	if (after.len > 0 && expires_ms <= now_ms && !at->is_triplet)
		written = SPAN("");
	if (!span_equal(stands, written))
		differ(at, "what is written", stands, written);
	if (written.at != at->text && written.len > 0)
		memcpy(at->text, written.at, written.len);
	at->len = written.len;
	if (fact.state == FACT_KNOWN)
		store_release(port, &fact);
	if (at->fact.state == FACT_KNOWN)
		store_release(port, &at->fact);
}

/* --- rounds --- */

static void key_of(const struct place *at, struct text *key)
{
	text_addf(key, "same:%s:{%s}", at->is_triplet ? "greylist" : "limit", at->key);
	ENSURE(!key->overrun);
}

/* Now and then something that is no record at all: it counts as nothing. */
static void spoil_triplet(struct place *at, const char *key)
{
	static const char *const texts[] = {
		"hello",
		"first=1",
		"; ; ",
		"\xff\xfe",
		"first=1 last=2 passed=3 passes=4 red",
		"first=1 last=2 passed=3 passes=4 white until=",
		"first=1 last=2 passed=3 passes=4  ",
	};
	const char *text = texts[chance(sizeof(texts) / sizeof(*texts))];

	freeReplyObject(redisCommand(direct, "SET %s %s", key, text));
	memcpy(at->text, text, strlen(text) + 1);
	at->len = strlen(text);
}

static int64_t random_time(const struct place *at)
{
	int64_t ms = at->now_ms - 4000 + (int64_t)chance(5000);

	return chance(4) == 0 || ms < 0 ? 0 : ms;
}

/* As an administrator would have it, or an import: any times, any colour. */
static void colour_triplet(struct place *at, const char *key)
{
	const struct triplet triplet = {
		.first_ms = random_time(at),
		.last_ms = random_time(at),
		.passed_ms = random_time(at),
		.passes = (int64_t)chance(chance(3) == 0 ? TRIPLET_TRIES_MAX + 1 : 3),
		.colour = (enum triplet_colour)chance(3),
		.until_ms = at->now_ms > 0 ? at->now_ms - 1000 + (int64_t)chance(3000) : 0,
	};
	struct text text = { at->text, 0, TRIPLET_TEXT_MAX + 1, false };

	text_add_triplet(&text, &triplet);
	freeReplyObject(redisCommand(direct, "SET %s %s", key, text_cstr(&text)));
	at->len = text.len;
}

/* A byte too many, a byte too few, another count or version, or no record at all. */
static void spoil_tally(struct place *at, const char *key)
{
	redisReply *reply = redisCommand(direct, "GET %s", key);
	TEXT(record, TALLY_RECORD_MAX + 1);

	ENSURE(reply != NULL);
	if (reply->type == REDIS_REPLY_STRING)
		text_add(&record, span_of(reply->str, reply->len));
	freeReplyObject(reply);
	switch (record.len > 0 ? chance(5) : 4) {
	case 0: text_add_char(&record, '\0'); break;
	case 1: record.len -= 1 + chance(record.len); break;
	case 2: record.at[0]++; break;
	case 3: record.at[1 + chance(3)]++; break; /* one more of what is not there */
	case 4:
		record.len = 0;
		text_add(&record, SPAN("window 1000 1 1+1"));
		break;
	}
	freeReplyObject(redisCommand(direct, "SET %s %b", key, record.at, record.len));
	at->len = 0;
}

static void spoil(struct place *at)
{
	TEXT(key, 63);

	key_of(at, &key);
	if (at->is_triplet && chance(3) == 0)
		spoil_triplet(at, text_cstr(&key));
	else if (at->is_triplet)
		colour_triplet(at, text_cstr(&key));
	else
		spoil_tally(at, text_cstr(&key));
}

static void round_run(void)
{
	pending = KEYS;
	for (struct place *at = place; at < place + KEYS; at++) {
		if (at->style != 0 && chance(at->is_triplet ? 10 : 60) == 0)
			spoil(at);
		random_question(at);
		at->fact = (struct fact){ .kind = at->is_triplet ? FACT_GREYLIST : FACT_TALLY,
					  .key = span_cstr(at->key),
					  .count = &at->count,
					  .terms = &at->terms };
		at->wait.fact = &at->fact;
		at->wait.answered = place_answered;
		store_ask(port, &at->wait);
	}
	if (pending > 0)
		event_base_dispatch(base);
	for (struct place *at = place; at < place + KEYS; at++) {
		redisReply *reply;
		TEXT(key, 63);

		key_of(at, &key);
		reply = redisCommand(direct, "GET %s", text_cstr(&key));
		ENSURE(reply != NULL);
		place_check(at, reply);
		freeReplyObject(reply);
	}
}

int main(int argc, char **argv)
{
	struct store_options options = { .kind = STORE_REDIS,
					 .prefix = SPAN("same"),
					 .address_count = 1,
					 .connect_ms = 5000,
					 .answer_ms = 20000 };
	struct store *store;
	int64_t rounds, seed;
	TEXT(why, 512);

	ENSURE(argc == 4 && number_parse(span_cstr(argv[2]), &rounds) == OK &&
	       number_parse(span_cstr(argv[3]), &seed) == OK);
	options.address[0].path = span_cstr(argv[1]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %lld\n", (long long)seed);
	state = (uint64_t)seed * 0x9e3779b97f4a7c15ULL + 1;
	base = event_base_new();
	direct = redisConnectUnix(argv[1]);
	ENSURE(base != NULL && direct != NULL && direct->err == 0);
	freeReplyObject(redisCommand(direct, "FLUSHALL"));
	ENSURE(store_open(&options, &why, &store) == OK);
	port = store_port_open(store, base);
	ENSURE(port != NULL);
	for (unsigned i = 0; i < KEYS; i++) {
		place[i].is_triplet = i % 3 == 0;
		place[i].style = (int)(i % 5);
		place[i].now_ms = i % 7 == 0 ? 5 : INT64_C(1700000000000) + (int64_t)chance(1000);
		snprintf(place[i].key, sizeof(place[i].key), "s k%lld-%u", (long long)seed, i);
	}
	while (rounds-- > 0)
		round_run();
	store_port_close(port);
	store_close(store);
	redisFree(direct);
	event_base_free(base);
	printf("the same\n");
	return 0;
}
