/* spf.c -- what one evaluation of SPF costs when all answers are in the cache.
 *
 *	spf [COUNT]
 *
 * Three nested includes as large senders have them, and a record of 8 kB; the answers are
 * recalled from a table.  Says microseconds of CPU an evaluation.
 */
#include "base/ensure.h"
#include "base/number.h"
#include "checks/spf_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { COUNT_DEFAULT = 200000, LONG_TERMS = 430, ARENA_BYTES_MAX = 1024 * 1024 };

static struct answer {
	const char *name;
	struct span record;
} answers[] = {
	{ "sender.test", SPAN_INIT("v=spf1 ip4:203.0.113.0/24 include:_spf.big.test mx -all") },
	{ "_spf.big.test", SPAN_INIT("v=spf1 include:_netblocks.big.test ~all") },
	{ "_netblocks.big.test",
	  SPAN_INIT("v=spf1 ip4:35.190.247.0/24 ip4:64.233.160.0/19 ip4:66.102.0.0/20 "
		    "ip4:66.249.80.0/20 ip4:72.14.192.0/18 ip4:74.125.0.0/16 ip4:108.177.8.0/21 "
		    "include:_more.big.test ~all") },
	{ "_more.big.test", SPAN_INIT("v=spf1 ip6:2001:db8:4000::/36 ip6:2001:db8:8000::/36 "
				      "ip4:198.51.100.0/24 ~all") },
	{ "long.test", { NULL, 0 } },
};

static bool recall(void *self, struct fact *fact)
{
	(void)self;
	fact->state = FACT_NONE;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		if (!span_equal(fact->key, span_cstr(answers[i].name)))
			continue;
		fact->state = FACT_KNOWN;
		fact->item = &answers[i].record;
		fact->item_count = 1;
	}
	return true;
}

static void release(void *self, struct fact *fact)
{
	(void)self;
	(void)fact;
}

static double cpu_us(void)
{
	struct rusage usage;

	ENSURE(getrusage(RUSAGE_SELF, &usage) == 0);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void measure(const char *what, const char *domain, int64_t count)
{
	const struct recall from_table = { recall, release, NULL };
	static struct ledger ledger;
	struct spf_question question = { .domain = span_cstr(domain),
					 .local = SPAN("joe"),
					 .helo = SPAN("mx.big.test"),
					 .void_lookups_max = SPF_VOID_LOOKUPS_MAX };
	struct spf_answer answer = { 0 };
	struct arena arena;
	double began = cpu_us();

	ENSURE(ip_parse(SPAN("198.51.100.7"), &question.client) == OK);
	arena_init(&arena, ARENA_BYTES_MAX);
	for (int64_t i = 0; i < count; i++) {
		ledger_init(&ledger, &arena, &from_table);
		spf_check_host(&question, &ledger, &answer);
		arena_reset(&arena);
	}
	ENSURE(answer.result == SPF_PASS);
	printf("spf, %s: %.2f us CPU an evaluation\n", what, (cpu_us() - began) / (double)count);
	arena_release(&arena);
}

int main(int argc, char **argv)
{
	static char room[16 * 1024];
	struct text record = { room, 0, sizeof(room), false };
	int64_t count = COUNT_DEFAULT;

	if (argc > 1 && (number_parse(span_cstr(argv[1]), &count) != OK || count < 1)) {
		fputs("usage: spf [COUNT]\n", stderr);
		return 64;
	}
	text_add(&record, SPAN("v=spf1"));
	for (int i = 0; i < LONG_TERMS; i++)
		text_add(&record, SPAN(" ip4:203.0.113.1/32"));
	text_add(&record, SPAN(" +all"));
	answers[4].record = text_span(&record);
	measure("three nested includes", "sender.test", count);
	measure("a record of 8 kB", "long.test", 1 + count / 50);
	return 0;
}
