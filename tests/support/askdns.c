/* askdns.c -- ask DNS facts as a worker does, to see them or to measure what they cost.
 *
 *	askdns ADDRESS PORT cares|unbound KIND NAME...      says each fact
 *	askdns ADDRESS PORT cares|unbound -n COUNT -w COUNT  so many new names, so many at once
 *
 * ADDRESS "recursive" and a hints file instead of PORT: recursion.
 */
#include "base/ensure.h"
#include "base/number.h"
#include "sources/dns.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { NAME_BYTES = 64, RECALLS = 2000000 };

struct run {
	struct event_base *base;
	struct dns_cache *cache;
	struct dns *dns;
	int64_t asked, answered, wanted, failed;
};

struct ask {
	struct dns_wait wait;
	struct fact fact;
	char name[NAME_BYTES];
};

static double cpu_us(void)
{
	struct rusage usage;

	ENSURE(getrusage(RUSAGE_SELF, &usage) == 0);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static double clock_us(void)
{
	struct timespec now;

	ENSURE(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static long resident_kb(void)
{
	long pages = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL || fscanf(file, "%ld %ld", &pages, &resident) != 2)
		resident = 0;
	if (file != NULL)
		fclose(file);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void say(const struct fact *fact)
{
	struct span kind = fact_kind_name(fact->kind), cause = fact_cause_name(fact->cause);
	static const char *const states[] = { "pending", "known", "none", "failed" };

	printf("%.*s %.*s %s %.*s exists %d ttl %u took %u us", SPAN_ARG(kind), SPAN_ARG(fact->key),
	       states[fact->state], SPAN_ARG(cause), fact->exists, fact->ttl_s, fact->took_us);
	for (uint16_t i = 0; i < fact->item_count && i < 5; i++)
		printf(" [%.*s]", (int)(fact->item[i].len < 80 ? fact->item[i].len : 80),
		       fact->item[i].at);
	printf("%s\n", fact->item_count > 5 ? " ..." : "");
}

static void said(struct dns_wait *wait)
{
	struct run *run = wait->owner;

	say(wait->fact);
	dns_release(run->dns, wait->fact);
	if (++run->answered == run->wanted)
		event_base_loopbreak(run->base);
}

static void name_of(int64_t number, struct ask *ask)
{
	int len = snprintf(ask->name, NAME_BYTES, "%u.%u.%u.10.bl1.example", (unsigned)number & 255,
			   (unsigned)(number >> 8) & 255, (unsigned)(number >> 16) & 255);

	memset(&ask->fact, 0, sizeof(ask->fact));
	ask->fact.key = span_of(ask->name, (size_t)len);
}

static void ask_next(struct run *run, struct ask *ask)
{
	name_of(run->asked++, ask);
	dns_ask(run->dns, &ask->wait);
}

static void counted(struct dns_wait *wait)
{
	struct run *run = wait->owner;

	run->failed += wait->fact->state == FACT_FAILED;
	dns_release(run->dns, wait->fact);
	if (++run->answered == run->wanted)
		event_base_loopbreak(run->base);
	else if (run->asked < run->wanted)
		ask_next(run, (struct ask *)wait);
}

static void recall_all(struct run *run)
{
	double before, took;
	int64_t found = 0;
	struct ask *asks = calloc((size_t)run->wanted, sizeof(*asks));
	static const int64_t sets[] = { 100, 10000, INT64_MAX };

	ENSURE(asks != NULL);
	for (int64_t i = 0; i < run->wanted; i++)
		name_of(i, &asks[i]);
	for (size_t set = 0; set < 3; set++) {
		int64_t names = sets[set] < run->wanted ? sets[set] : run->wanted;

		found = 0;
		before = cpu_us();
		for (int64_t i = 0; i < RECALLS; i++) {
			struct fact *fact = &asks[(i * 7919) % names].fact;

			found += dns_recall(run->dns, fact);
			dns_release(run->dns, fact);
		}
		took = cpu_us() - before;
		printf("recall of %lld names: %.0f ns (%lld of %d known)\n", (long long)names,
		       took * 1e3 / RECALLS, (long long)found, RECALLS);
	}
	free(asks);
}

static void measure(struct run *run, int64_t at_once)
{
	struct ask *asks = calloc((size_t)at_once, sizeof(*asks));
	double cpu, wall;
	struct dns_figures figures;
	long before_kb = resident_kb();

	ENSURE(asks != NULL);
	cpu = cpu_us();
	wall = clock_us();
	for (int64_t i = 0; i < at_once && run->asked < run->wanted; i++) {
		asks[i].wait = (struct dns_wait){ .fact = &asks[i].fact,
						  .owner = run,
						  .answered = counted };
		ask_next(run, &asks[i]);
	}
	event_base_dispatch(run->base);
	cpu = cpu_us() - cpu;
	wall = clock_us() - wall;
	dns_figures(run->dns, &figures);
	printf("%lld names, %lld at once: %.2f us cpu, %.2f us a question, %lld failed; "
	       "%zu entries of %.0f bytes, %ld kB resident, %ld before\n",
	       (long long)run->wanted, (long long)at_once, cpu / (double)run->wanted,
	       wall / (double)run->wanted, (long long)run->failed, figures.cache_entries,
	       (double)figures.cache_bytes / (double)(figures.cache_entries + 1), resident_kb(),
	       before_kb);
	free(asks);
	recall_all(run);
}

static int ask_names(struct run *run, int argc, char **argv)
{
	struct ask *asks = calloc((size_t)argc, sizeof(*asks));
	enum fact_kind kind;

	ENSURE(asks != NULL);
	if (!fact_kind_find(span_cstr(argv[0]), &kind))
		return 64;
	run->wanted = argc - 1;
	for (int i = 1; i < argc; i++) {
		struct ask *ask = &asks[i];

		ask->fact.kind = kind;
		ask->fact.key = span_cstr(argv[i]);
		ask->wait = (struct dns_wait){ .fact = &ask->fact, .owner = run, .answered = said };
		dns_ask(run->dns, &ask->wait);
	}
	event_base_dispatch(run->base);
	free(asks);
	return 0;
}

static bool run_open(struct run *run, char **argv)
{
	struct dns_cache_options cache = { .bytes_max = 256 << 20, .questions_max = 100000 };
	struct dns_address address;
	int64_t port = 0;
	struct dns_options options = {
		.resolver = DNS_RECURSIVE,
		.library = argv[3][0] == 'c' ? DNS_CARES : DNS_UNBOUND,
		.question_ms = 2000,
		.questions_max = 100000,
		.questions_per_client = 100000,
		.questions_per_zone = 100000,
	};
	const char *why = "";

	run->base = event_base_new();
	run->cache = dns_cache_new(&cache);
	ENSURE(run->base != NULL && run->cache != NULL);
	options.base = run->base;
	options.cache = run->cache;
	if (strcmp(argv[1], "recursive") == 0) {
		options.root_hints = argv[2];
	} else {
		if (ip_parse(span_cstr(argv[1]), &address.address) != OK ||
		    number_parse(span_cstr(argv[2]), &port) != OK)
			return false;
		address.port = (uint16_t)port;
		options.resolver = DNS_ADDRESSES;
		options.address = &address;
		options.address_count = 1;
	}
	run->dns = dns_new(&options, &why);
	if (run->dns == NULL)
		fprintf(stderr, "askdns: %s\n", why);
	return run->dns != NULL;
}

int main(int argc, char **argv)
{
	struct run run = { 0 };
	int64_t at_once = 1;
	int status = 0;

	if (argc < 6 || !run_open(&run, argv))
		return 64;
	if (strcmp(argv[4], "-n") != 0)
		status = ask_names(&run, argc - 4, argv + 4);
	else if (argc == 8 && number_parse(span_cstr(argv[5]), &run.wanted) == OK &&
		 number_parse(span_cstr(argv[7]), &at_once) == OK)
		measure(&run, at_once);
	else
		status = 64;
	dns_free(run.dns);
	dns_cache_free(run.cache);
	event_base_free(run.base);
	return status;
}
