/* threads.c -- one store, two loops in two threads: do they count together, to the last?
 *
 *	threads HOST:PORT COUNTS	of each; made with -Db_sanitize=thread it shows races
 */
#include "base/ensure.h"
#include "base/number.h"
#include "store/store.h"
#include "weigh/tally.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>

enum { THREADS = 2, UNDER_WAY = 16 };

struct loop {
	struct store *store;
	struct event_base *base;
	struct store_port *port;
	int64_t left;
	unsigned under_way;
	int64_t most; /* that was counted */
	struct one {
		struct loop *loop;
		struct store_wait wait;
		struct fact fact;
		struct tally_count count;
	} one[UNDER_WAY];
};

static void ask(struct one *one)
{
	one->fact = (struct fact){ .kind = FACT_TALLY,
				   .key = SPAN("threads anna"),
				   .count = &one->count };
	store_ask(one->loop->port, &one->wait);
}

static void answered(struct store_wait *wait)
{
	struct one *one = wait->owner;
	struct loop *loop = one->loop;
	struct tally_result result = { .count = 0 };

	ENSURE(wait->fact->state == FACT_KNOWN && wait->fact->item_count == 1);
	ENSURE(tally_item_parse(wait->fact->item[0], &result) == OK);
	if (result.use[0].used > loop->most)
		loop->most = result.use[0].used;
	store_release(loop->port, wait->fact);
	if (loop->left-- > 0)
		ask(one);
	else if (--loop->under_way == 0)
		event_base_loopbreak(loop->base);
}

static void *run(void *self)
{
	struct loop *loop = self;

	loop->base = event_base_new();
	ENSURE(loop->base != NULL);
	loop->port = store_port_open(loop->store, loop->base);
	ENSURE(loop->port != NULL);
	loop->under_way = UNDER_WAY;
	loop->left -= UNDER_WAY;
	for (unsigned i = 0; i < UNDER_WAY; i++) {
		struct one *one = &loop->one[i];

		one->loop = loop;
		one->count = (struct tally_count){
			.rates = { .rate = { { 1000000, 86400000 } }, .count = 1 }, .amount = 1
		};
		one->wait = (struct store_wait){ .fact = &one->fact,
						 .now_ms = 1700000000000,
						 .answered = answered,
						 .owner = one };
		ask(one);
	}
	event_base_dispatch(loop->base);
	store_port_close(loop->port);
	event_base_free(loop->base);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct loop loop[THREADS];
	struct store_options options = { .kind = STORE_REDIS,
					 .prefix = SPAN("threads"),
					 .address_count = 1,
					 .connect_ms = 10000,
					 .answer_ms = 10000 };
	pthread_t thread[THREADS];
	struct store *store;
	struct span host;
	int64_t counts, where, most = 0;
	TEXT(why, STORE_WHY_MAX);

	ENSURE(argc == 3 && number_parse(span_cstr(argv[2]), &counts) == OK && counts >= UNDER_WAY);
	host = span_cstr(argv[1]);
	ENSURE(number_parse(span_from(host, span_rfind(host, ':') + 1), &where) == OK);
	options.address[0].host = span_first(host, span_rfind(host, ':'));
	options.address[0].port = (uint16_t)where;
	ENSURE(store_open(&options, &why, &store) == OK);
	for (unsigned i = 0; i < THREADS; i++) {
		loop[i].store = store;
		loop[i].left = counts;
		ENSURE(pthread_create(&thread[i], NULL, run, &loop[i]) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		most = loop[i].most > most ? loop[i].most : most;
	}
	store_close(store);
	printf("counted %lld\n", (long long)most);
	return most == THREADS * counts ? 0 : 1;
}
