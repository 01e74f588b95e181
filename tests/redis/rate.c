/* rate.c -- how many attempts a second, each a touch and a count, with so many under way?
 *
 *	rate ADDRESS ATTEMPTS UNDER_WAY KEYS RATES
 *
 * ADDRESS is host:port or a path.  Prints attempts, seconds, attempts a second, and CPU of this
 * program a thousand attempts.  The first that fails ends it.
 */
#include "base/ensure.h"
#include "base/number.h"
#include "store/store.h"
#include "weigh/tally.h"
#include "weigh/triplet.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { KEY_BYTES = 80 };

struct attempt {
	struct store_wait touch, count;
	struct fact touched, counted;
	struct tally_count what;
	struct triplet_terms terms;
	char touch_key[KEY_BYTES], count_key[KEY_BYTES];
	unsigned pending;
};

static struct event_base *base;
static struct store_port *port;
static int64_t left, under_way, keys;
static uint64_t number_of;
static struct rates rates;

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void attempt_begin(struct attempt *attempt)
{
	struct timespec now;
	int64_t now_ms;

	clock_gettime(CLOCK_REALTIME, &now);
	now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	number_of = number_of * 6364136223846793005ULL + 1442695040888963407ULL;
	snprintf(attempt->touch_key, KEY_BYTES, "192.0.%u.0/24 u%u@example.org bob@example.net",
		 (unsigned)(number_of >> 33) % 256, (unsigned)((number_of >> 40) % (uint64_t)keys));
	snprintf(attempt->count_key, KEY_BYTES, "outgoing user%u@example.org",
		 (unsigned)((number_of >> 40) % (uint64_t)keys));
	attempt->what = (struct tally_count){ .rates = rates, .amount = 1 };
	attempt->terms = (struct triplet_terms){ 300000, 86400000, 3024000000 };
	attempt->touched = (struct fact){ .kind = FACT_GREYLIST,
					  .key = span_cstr(attempt->touch_key),
					  .terms = &attempt->terms };
	attempt->counted = (struct fact){ .kind = FACT_TALLY,
					  .key = span_cstr(attempt->count_key),
					  .count = &attempt->what };
	attempt->touch.now_ms = attempt->count.now_ms = now_ms;
	attempt->pending = 2;
	store_ask(port, &attempt->touch);
	store_ask(port, &attempt->count);
}

static void answered(struct store_wait *wait)
{
	struct attempt *attempt = wait->owner;

	if (wait->fact->state == FACT_FAILED) {
		printf("failed: %.*s\n", SPAN_ARG(fact_cause_name(wait->fact->cause)));
		exit(1);
	}
	if (wait->fact->state == FACT_KNOWN)
		store_release(port, wait->fact);
	if (--attempt->pending > 0)
		return;
	if (left > 0) {
		left--;
		attempt_begin(attempt);
	} else if (--under_way == 0) {
		event_base_loopbreak(base);
	}
}

int main(int argc, char **argv)
{
	struct store_options options = { .kind = STORE_REDIS,
					 .prefix = SPAN("rate"),
					 .address_count = 1,
					 .connect_ms = 2000,
					 .answer_ms = 2000 };
	struct span address;
	struct store *store;
	struct attempt *attempts;
	int64_t count, where;
	double began, cpu;
	TEXT(why, 512);

	ENSURE(argc == 6 && number_parse(span_cstr(argv[2]), &count) == OK &&
	       number_parse(span_cstr(argv[3]), &under_way) == OK &&
	       number_parse(span_cstr(argv[4]), &keys) == OK &&
	       rates_parse(span_cstr(argv[5]), &rates) == OK && under_way <= count);
	address = span_cstr(argv[1]);
	if (address.at[0] == '/') {
		options.address[0].path = address;
	} else {
		size_t colon = span_rfind(address, ':');

		ENSURE(number_parse(span_from(address, colon + 1), &where) == OK);
		options.address[0].host = span_first(address, colon);
		options.address[0].port = (uint16_t)where;
	}
	base = event_base_new();
	ENSURE(base != NULL && store_open(&options, &why, &store) == OK);
	port = store_port_open(store, base);
	attempts = calloc((size_t)under_way, sizeof(*attempts));
	ENSURE(port != NULL && attempts != NULL);
	began = seconds(CLOCK_MONOTONIC);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	left = count - under_way;
	for (int64_t i = 0, all = under_way; i < all; i++) {
		struct attempt *attempt = &attempts[i];

		attempt->touch.fact = &attempt->touched;
		attempt->count.fact = &attempt->counted;
		attempt->touch.owner = attempt->count.owner = attempt;
		attempt->touch.answered = attempt->count.answered = answered;
		attempt_begin(attempt);
	}
	event_base_dispatch(base);
	began = seconds(CLOCK_MONOTONIC) - began;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("%lld attempts in %.2f s: %.0f/s, %.4f CPU s per 1,000\n", (long long)count, began,
	       (double)count / began, cpu / (double)count * 1000);
	free(attempts);
	store_port_close(port);
	store_close(store);
	event_base_free(base);
	return 0;
}
