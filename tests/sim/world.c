/* world.c -- the facts and the attempt of a generated world. */
#include "world.h"

#include "base/ensure.h"
#include "base/hash.h"
#include "policy_text.h"
#include "random.h"
#include "weigh/tally.h"
#include "weigh/triplet.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	WORLD_BYTES_MAX = 1024 * 1024,
	ITEM_BYTES_MAX = 80,
	HOSTS_MAX = 300,
	COUNTED_MAX = 8, /* attempts before this one, under one key */
	POLICY_TRIES_MAX = 100
};

static const char *const clients[] = {
	"198.51.100.7",
	"198.51.100.7",
	"198.51.100.7",
	"2001:db8:1:2::7",
	"10.0.0.7",
	"unknown",
	"",
};

static const char *const names[] = {
	"alder.test",      "mx.alder.test",   "mail.sub.alder.test",
	"birch.test",      "mail.birch.test", "a.b.c.d.birch.test",
	"shop.co.uk",      "mail.shop.co.uk", "dyn-198-51-100-7.isp.test",
	"Static.Isp.Test",
};

static const char *const texts[] = {
	"text",
	"v=spf1 -all",
	"v=spf1 a mx -all",
	"v=spf1 include:birch.test a:mx.alder.test ?all",
	"v=spf1 include:alder.test include:shop.co.uk mx -all exp=a.b.c.d.birch.test",
	"v=spf1 exists:%{ir}.birch.test ptr redirect=shop.co.uk",
	"v=spf1 mx:%{p} a:%{d2} -include:mail.birch.test ~all",
	"v=spf1 ip4:198.51.100.0/28 ip6:2001:db8:1::/48 redirect=mail.shop.co.uk",
	"v=spf1 +all nonsense",
	"no, %{s} %{p}",
};

static const char *const oddities[] = {
	"",
	"localhost",
	"[198.51.100.7]",
	"198.51.100.7",
	"[203.0.113.9]",
	"[IPv6:2001:db8:1:2::7]",
	"a..b",
	"unknown",
	"b\374cher.test",
	"x.test.",
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test",
};

static const char *const addresses[] = {
	"198.51.100.7", "198.51.100.8", "198.51.200.1", "203.0.113.9",
	"10.0.0.7",     "127.0.0.1",    "192.168.1.1",
};

static const char *const addresses6[] = {
	"2001:db8:1:2::7", "2001:db8:1:2::8", "2001:db8:1:3::1", "2001:db8:9::1", "fe80::1",
};

static const char *const listings[] = {
	"127.0.0.1", "127.0.0.2", "127.0.0.2",  "127.0.0.2",       "127.0.0.3",   "127.0.0.4",
	"127.0.0.6", "127.0.0.8", "127.0.0.99", "127.255.255.254", "203.0.113.9",
};

static const char *const remembered[] = { "", "7", "1 2 3", "-1", "x", "5.5 1 0 0 0" };

static const char *const states[] = {
	"RCPT", "RCPT", "", "MAIL", "DATA", "END-OF-MESSAGE", "VRFY"
};

static struct span pick_name(struct random *random)
{
	if (random_chance(random, 25))
		return span_cstr(*RANDOM_OF(random, oddities));
	return span_cstr(*RANDOM_OF(random, names));
}

static void make_attempt(struct world *world, struct random *random)
{
	struct attempt *attempt = &world->attempt;
	TEXT(sender, 300);

	if (!random_chance(random, 10)) {
		text_add(&sender, random_chance(random, 20) ? SPAN("nobody") : SPAN("joe"));
		if (random_chance(random, 88))
			text_add_char(&sender, '@');
		text_add(&sender, pick_name(random));
	}
	attempt->attribute[ATTRIBUTE_request] = SPAN("smtpd_access_policy");
	attempt->attribute[ATTRIBUTE_client_address] = span_cstr(*RANDOM_OF(random, clients));
	attempt->attribute[ATTRIBUTE_client_name] = pick_name(random);
	attempt->attribute[ATTRIBUTE_helo_name] = pick_name(random);
	attempt->attribute[ATTRIBUTE_sender] = arena_copy(&world->arena, text_span(&sender));
	attempt->attribute[ATTRIBUTE_recipient] =
		random_chance(random, 10) ? SPAN("postmaster@home.test") : SPAN("user@home.test");
	attempt->attribute[ATTRIBUTE_instance] = SPAN("1f3.5");
	attempt->attribute[ATTRIBUTE_size] = random_chance(random, 50) ? SPAN("4096") : SPAN("");
	attempt->attribute[ATTRIBUTE_protocol_state] = span_cstr(*RANDOM_OF(random, states));
	attempt->attribute[ATTRIBUTE_recipient_count] =
		random_chance(random, 50) ? SPAN("3") : SPAN("0");
	attempt->attribute[ATTRIBUTE_sasl_username] =
		random_chance(random, 50) ? SPAN("anna") : SPAN("");
	attempt->time_ms = (int64_t)random_below(random, 4000000000) * 1000;
	attempt->id = SPAN("TEST-0001");
	attempt->conversation = SPAN("c1");
	char *room = arena_alloc(&world->arena, ATTEMPT_CLIENT_TEXT_MAX);
	ENSURE(room != NULL && attempt->attribute[ATTRIBUTE_sender].at != NULL);
	attempt_normalise(attempt, room);
}

/* The configuration is the policy's text, and there are no other files. */
static enum err load(void *self, struct span path, struct arena *arena, struct span *text_out,
		     struct span *why_out)
{
	struct world *world = self;

	(void)path;
	(void)why_out;
	*text_out = arena_copy(arena, span_of(world->policy_text, world->policy_len));
	return text_out->at == NULL ? ERR_LIMIT : OK;
}

static size_t no_files(void *self, struct span pattern, struct arena *arena, struct span *path_out,
		       size_t max)
{
	(void)self;
	(void)pattern;
	(void)arena;
	(void)path_out;
	(void)max;
	return 0;
}

/* Some of what is written by chance makes no sense, and is refused as it should be: a rule that
 * can never hold, a statement that is never reached. */
static void make_policy(struct world *world, struct random *random)
{
	const struct config_loader loader = { .load = load, .glob = no_files, .self = world };
	TEXT(report, POLICY_TEXT_MAX);

	for (unsigned tries = 0; tries < POLICY_TRIES_MAX; tries++) {
		struct text text = { world->policy_text, 0, sizeof(world->policy_text), false };

		text_clear(&report);
		policy_write(&text, random);
		ENSURE(!text.overrun);
		world->policy_len = text.len;
		if (config_read(&loader, SPAN("sim.conf"), &report, &world->config) != OK)
			continue;
		world->policy = config_policy(world->config, SPAN("sim"));
		ENSURE(world->policy != NULL);
		return;
	}
	fprintf(stderr, "sim: no policy is accepted; the last:\n%.*s\n%s\n", (int)world->policy_len,
		world->policy_text, text_cstr(&report));
	exit(1);
}

void world_make(struct world *world, uint64_t seed, bool is_shown)
{
	struct random random = { seed };

	*world = (struct world){ .seed = random_next(&random), .is_shown = is_shown };
	arena_init(&world->arena, WORLD_BYTES_MAX);
	world->known_percent = (unsigned)random_below(&random, 90);
	world->failed_percent = (unsigned)random_below(&random, 4) * 4;
	make_attempt(world, &random);
	make_policy(world, &random);
}

void world_release(struct world *world)
{
	config_drop(world->config);
	arena_release(&world->arena);
}

/* --- answers --- */

uint64_t world_hash(const struct world *world, const struct fact *fact)
{
	const struct hash_key key = { { world->seed, (uint64_t)fact->kind } };

	return hash_span(&key, fact->key);
}

static void add_item(struct fact *fact, struct span *item, struct arena *arena, struct span text)
{
	for (uint16_t i = 0; i < fact->item_count; i++)
		if (span_equal(item[i], text))
			return;
	item[fact->item_count] = arena_copy(arena, text);
	ENSURE(item[fact->item_count].at != NULL);
	fact->item_count++;
}

static void make_item(const struct fact *fact, struct random *random, struct text *item, size_t n)
{
	switch (fact->kind) {
	case FACT_DNS_A:
		text_add(item, span_cstr(span_ends(fact->key, SPAN(".list"))
						 ? *RANDOM_OF(random, listings)
						 : *RANDOM_OF(random, addresses)));
		break;
	case FACT_DNS_AAAA: text_add(item, span_cstr(*RANDOM_OF(random, addresses6))); break;
	case FACT_DNS_MX:
		text_addf(item, "%zu ", random_below(random, 3) * 10);
		if (random_chance(random, 5))
			break; /* as in a null MX */
		text_addf(item, "mx%zu.", random_below(random, 2) + n);
		text_add_lower(item, span_cstr(*RANDOM_OF(random, names)));
		break;
	case FACT_DNS_PTR: text_add_lower(item, span_cstr(*RANDOM_OF(random, names))); break;
	case FACT_REMEMBERED: text_add(item, span_cstr(*RANDOM_OF(random, remembered))); break;
	case FACT_DNS_TXT: text_add(item, span_cstr(*RANDOM_OF(random, texts))); break;
	case FACT_DNS_SOA: text_add(item, SPAN("text")); break;
	case FACT_TALLY:
	case FACT_GREYLIST:
	case FACT_KIND_COUNT: ENSURE(false);
	}
}

static void make_items(struct fact *fact, struct random *random, struct arena *arena)
{
	size_t count = 1 + random_below(random, 3);

	if (fact->kind == FACT_DNS_MX && random_chance(random, 5))
		count = 1 + random_below(random, HOSTS_MAX);
	if (fact->kind == FACT_REMEMBERED)
		count = 1;
	struct span *item = ARENA_ARRAY(arena, struct span, count);
	ENSURE(item != NULL);
	for (size_t i = 0; i < count; i++) {
		TEXT(text, ITEM_BYTES_MAX);

		make_item(fact, random, &text, i);
		ENSURE(!text.overrun);
		add_item(fact, item, arena, text_span(&text));
	}
	fact_sort(fact->kind, item, fact->item_count);
	fact->item = item;
}

/* Others have been counted before it. */
static void make_tally(const struct world *world, struct fact *fact, struct random *random,
		       struct arena *arena)
{
	struct tally *tally = ARENA_NEW(arena, struct tally);
	struct span *item = ARENA_ARRAY(arena, struct span, RATES_MAX);
	struct tally_count before = *fact->count;
	int64_t at_ms = world->attempt.time_ms - before.rates.rate[0].period_ms;
	struct tally_result result;

	ENSURE(tally != NULL && item != NULL);
	before.amount = 1;
	for (size_t n = random_below(random, COUNTED_MAX); n > 0; n--) {
		before.once = random_next(random);
		at_ms += (int64_t)random_below(random, 200) * 1000;
		tally_count(tally, &before, at_ms, &result);
	}
	tally_count(tally, fact->count, world->attempt.time_ms, &result);
	for (unsigned i = 0; i < result.count; i++) {
		TEXT(text, TALLY_ITEM_MAX);

		text_add_tally_use(&text, &result, i);
		add_item(fact, item, arena, text_span(&text));
	}
	fact_sort(fact->kind, item, fact->item_count);
	fact->item = item;
	fact->state = FACT_KNOWN;
}

static void make_triplet(const struct world *world, struct fact *fact, struct random *random,
			 struct arena *arena)
{
	static const char *const ages_s[] = { "first=10 last=2 passes=0",
					      "first=290 last=290 passes=0",
					      "first=900 last=30.5 passes=0",
					      "first=900000 last=900000 passes=0",
					      "first=9000 last=60 passed=8000 passes=1",
					      "first=9000 last=60 passed=8000 passes=4 white",
					      "first=9000 last=60 passed=8000 passes=4 black" };
	struct span *item = ARENA_NEW(arena, struct span);
	struct triplet before;
	TEXT(text, TRIPLET_TEXT_MAX);

	ENSURE(item != NULL && triplet_item_parse(span_cstr(*RANDOM_OF(random, ages_s)),
						  world->attempt.time_ms, &before) == OK);
	text_add_triplet_item(&text, &before, world->attempt.time_ms);
	add_item(fact, item, arena, text_span(&text));
	fact->item = item;
	fact->state = FACT_KNOWN;
}

/* @return false: it is no fact that counts, or nothing is there */
static bool count(const struct world *world, struct fact *fact, struct random *random,
		  struct arena *arena)
{
	if (fact->kind == FACT_TALLY)
		make_tally(world, fact, random, arena);
	else if (fact->kind == FACT_GREYLIST && random_chance(random, 70))
		make_triplet(world, fact, random, arena);
	return fact->state == FACT_KNOWN;
}

void world_answer(const struct world *world, struct fact *fact, struct arena *arena)
{
	struct random random = { world_hash(world, fact) };
	size_t lot = random_below(&random, 100);

	if (fact_counts(fact) && lot >= world->failed_percent) {
		if (!count(world, fact, &random, arena))
			fact->state = FACT_NONE;
	} else if (fact_counts(fact)) {
		fact->state = FACT_FAILED;
		fact->cause = CAUSE_DOWN;
	} else if (lot < world->known_percent) {
		fact->state = FACT_KNOWN;
		make_items(fact, &random, arena);
	} else if (lot < world->known_percent + world->failed_percent) {
		fact->state = FACT_FAILED;
		fact->cause = (enum fact_cause)(1 + random_below(&random, CAUSE_COUNT - 1));
	} else {
		fact->state = FACT_NONE;
		fact->exists = random_chance(&random, 50);
	}
}
