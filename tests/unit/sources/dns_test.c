/* dns_test.c -- both resolvers against a name server with bad manners. */
#include "worker.h"

/* What must be said of each; where the libraries differ, causes has both. */
static const struct {
	const char *key;
	enum fact_kind kind;
	enum fact_state state;
	enum fact_cause cares, unbound;
	const char *first; /* item */
	uint16_t item_count;
	uint32_t ttl_s;
	bool exists;
} cases[] = {
	{ "good.example", FACT_DNS_A, FACT_KNOWN, 0, 0, "192.0.2.1", 2, 120, false },
	{ "good.example", FACT_DNS_AAAA, FACT_KNOWN, 0, 0, "2001:db8::1", 1, 120, false },
	{ "good.example", FACT_DNS_MX, FACT_KNOWN, 0, 0, "3 a.example", 2, 120, false },
	{ "good.example", FACT_DNS_TXT, FACT_KNOWN, 0, 0, "v=spf1 -all", 1, 120, false },
	{ "alias.example", FACT_DNS_A, FACT_KNOWN, 0, 0, "192.0.2.1", 2, 120, false },
	{ "1.2.0.192.in-addr.arpa", FACT_DNS_PTR, FACT_KNOWN, 0, 0, "good.example", 1, 120, false },
	{ "a.wild.example", FACT_DNS_A, FACT_KNOWN, 0, 0, "192.0.2.12", 1, 120, false },
	{ "odd\\032name\\000\\255.example", FACT_DNS_A, FACT_KNOWN, 0, 0, "192.0.2.3", 1, 120,
	  false },
	{ "refusal.example", FACT_DNS_A, FACT_KNOWN, 0, 0, "127.255.255.254", 1, 120, false },
	/* no name is answered by the library itself */
	{ "1.0.0.127.in-addr.arpa", FACT_DNS_PTR, FACT_KNOWN, 0, 0, "local.example", 1, 120,
	  false },
	{ "1.0.168.192.in-addr.arpa", FACT_DNS_PTR, FACT_KNOWN, 0, 0, "private.example", 1, 120,
	  false },
	{ "1.0.0.10.in-addr.arpa", FACT_DNS_PTR, FACT_KNOWN, 0, 0, "ten.example", 1, 120, false },
	{ "host.test", FACT_DNS_A, FACT_KNOWN, 0, 0, "192.0.2.2", 1, 120, false },
	{ "host.invalid", FACT_DNS_A, FACT_KNOWN, 0, 0, "192.0.2.2", 1, 120, false },
	{ "host.localhost", FACT_DNS_A, FACT_KNOWN, 0, 0, "192.0.2.2", 1, 120, false },
	{ "host.onion", FACT_DNS_A, FACT_KNOWN, 0, 0, "192.0.2.2", 1, 120, false },
	/* sure nothing */
	{ "nothere.example", FACT_DNS_A, FACT_NONE, 0, 0, "", 0, 200, false },
	{ "alias.example", FACT_DNS_PTR, FACT_NONE, 0, 0, "", 0, 120, true },
	{ "refusal.example", FACT_DNS_TXT, FACT_NONE, 0, 0, "", 0, 200, true },
	/* times */
	{ "ttl0.example", FACT_DNS_A, FACT_KNOWN, 0, 0, "192.0.2.13", 1, 30, false },
	{ "ttlmax.example", FACT_DNS_A, FACT_KNOWN, 0, 0, "192.0.2.13", 1, 86400, false },
	{ "ttltop.example", FACT_DNS_A, FACT_KNOWN, 0, 0, "192.0.2.13", 1, 30, false },
	{ "late.example", FACT_DNS_A, FACT_KNOWN, 0, 0, "192.0.2.10", 1, 120, false },
	/* sizes */
	{ "truncated.example", FACT_DNS_A, FACT_KNOWN, 0, 0, "192.0.2.6", 1, 120, false },
	{ "noedns.example", FACT_DNS_A, FACT_KNOWN, 0, 0, "192.0.2.5", 1, 120, false },
	{ "a500.example", FACT_DNS_A, FACT_KNOWN, 0, 0, "10.0.0.0", 500, 300, false },
	{ "a1000.example", FACT_DNS_A, FACT_FAILED, CAUSE_TOOLARGE, CAUSE_TOOLARGE, "", 0, 30,
	  false },
	{ "mx500.example", FACT_DNS_MX, FACT_KNOWN, 0, 0, "0 mx0.mx500.example", 500, 300, false },
	{ "txt64k.example", FACT_DNS_TXT, FACT_KNOWN, 0, 0, NULL, 1, 300, false },
	{ "c2.example", FACT_DNS_A, FACT_KNOWN, 0, 0, "192.0.2.8", 1, 120, false },
	{ "c1.example", FACT_DNS_A, FACT_FAILED, CAUSE_TOOLARGE, CAUSE_TOOLARGE, "", 0, 30, false },
	{ "loop1.example", FACT_DNS_A, FACT_FAILED, CAUSE_MALFORMED, CAUSE_SERVFAIL, "", 0, 30,
	  false },
	/* failures */
	{ "servfail.example", FACT_DNS_A, FACT_FAILED, CAUSE_SERVFAIL, CAUSE_SERVFAIL, "", 0, 30,
	  false },
	{ "refused.example", FACT_DNS_A, FACT_FAILED, CAUSE_REFUSED, CAUSE_SERVFAIL, "", 0, 30,
	  false },
	{ "formerr.example", FACT_DNS_A, FACT_FAILED, CAUSE_SERVFAIL, CAUSE_SERVFAIL, "", 0, 30,
	  false },
	{ "notimp.example", FACT_DNS_A, FACT_FAILED, CAUSE_SERVFAIL, CAUSE_SERVFAIL, "", 0, 30,
	  false },
	{ "tcp-refused.example", FACT_DNS_A, FACT_FAILED, CAUSE_DOWN, CAUSE_SERVFAIL, "", 0, 0,
	  false },
	{ "badlength.example", FACT_DNS_A, FACT_FAILED, CAUSE_MALFORMED, CAUSE_MALFORMED, "", 0, 30,
	  false },
	{ "badtxt.example", FACT_DNS_TXT, FACT_FAILED, CAUSE_MALFORMED, CAUSE_MALFORMED, "", 0, 30,
	  false },
	{ "badpointer.example", FACT_DNS_A, FACT_FAILED, CAUSE_MALFORMED, CAUSE_SERVFAIL, "", 0, 30,
	  false },
	{ "badcount.example", FACT_DNS_A, FACT_FAILED, CAUSE_MALFORMED, CAUSE_SERVFAIL, "", 0, 30,
	  false },
	{ "garbage.example", FACT_DNS_A, FACT_FAILED, CAUSE_MALFORMED, CAUSE_SERVFAIL, "", 0, 30,
	  false },
	{ "nxdata.example", FACT_DNS_A, FACT_FAILED, CAUSE_MALFORMED, CAUSE_MALFORMED, "", 0, 30,
	  false },
	{ "referral.example", FACT_DNS_A, FACT_FAILED, CAUSE_SERVFAIL, CAUSE_SERVFAIL, "", 0, 30,
	  false },
	/* silence, and what is no answer to the question */
	{ "silent.example", FACT_DNS_A, FACT_FAILED, CAUSE_TIMEOUT, CAUSE_TIMEOUT, "", 0, 0,
	  false },
	{ "tcp-silent.example", FACT_DNS_A, FACT_FAILED, CAUSE_TIMEOUT, 0, "", 0, 0, false },
	{ "wrongid.example", FACT_DNS_A, FACT_FAILED, CAUSE_TIMEOUT, CAUSE_TIMEOUT, "", 0, 0,
	  false },
	{ "wrongquestion.example", FACT_DNS_A, FACT_FAILED, CAUSE_TIMEOUT, CAUSE_SERVFAIL, "", 0, 0,
	  false },
	{ "header.example", FACT_DNS_A, FACT_FAILED, CAUSE_TIMEOUT, CAUSE_SERVFAIL, "", 0, 0,
	  false },
	{ "five.example", FACT_DNS_A, FACT_FAILED, CAUSE_TIMEOUT, CAUSE_TIMEOUT, "", 0, 0, false },
	/* nobody is asked */
	{ "bad..name", FACT_DNS_A, FACT_FAILED, CAUSE_MALFORMED, CAUSE_MALFORMED, "", 0, 0, false },
	{ "", FACT_DNS_A, FACT_FAILED, CAUSE_MALFORMED, CAUSE_MALFORMED, "", 0, 0, false },
	{ "\\999.example", FACT_DNS_A, FACT_FAILED, CAUSE_MALFORMED, CAUSE_MALFORMED, "", 0, 0,
	  false },
};

/* cause 0 with FACT_FAILED: any. ttl 0: not looked at. */
static void check_case(size_t i, const struct fact *fact, enum fact_cause cause)
{
	if (fact->state != cases[i].state ||
	    ((cause != 0 || fact->state != FACT_FAILED) && fact->cause != cause) ||
	    fact->item_count != cases[i].item_count || fact->exists != cases[i].exists ||
	    (cases[i].ttl_s != 0 && fact->ttl_s != cases[i].ttl_s))
		fail_msg("%s: state %d cause %d items %u exists %d ttl %u", cases[i].key,
			 fact->state, fact->cause, fact->item_count, fact->exists, fact->ttl_s);
	if (fact->item_count > 0 && cases[i].first != NULL)
		check_span(fact->item[0], span_cstr(cases[i].first), cases[i].key);
	assert_false(fact->from_cache);
}

static void check_all(enum dns_library library)
{
	static struct ask ask[COUNT(cases)];
	struct dns_cache *cache = cache_open(4096);
	struct dns_options options;
	struct server server;
	struct worker worker;

	server_start(&server);
	options = worker_options(cache, server.port, library);
	worker_open(&worker, &options);
	for (size_t i = 0; i < COUNT(cases); i++)
		ask_begin(&worker, &ask[i], cases[i].kind, span_cstr(cases[i].key));
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(ask[i].answers, 0); /* never from inside dns_ask */
	worker_await(&worker, COUNT(cases));
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(ask[i].answers, 1);
		check_case(i, &ask[i].fact,
			   library == DNS_CARES ? cases[i].cares : cases[i].unbound);
		ask_end(&worker, &ask[i]);
	}
	worker_close(&worker);
	dns_cache_free(cache);
	server_stop(&server);
}

static void test_cares(void **state)
{
	(void)state;
	check_all(DNS_CARES);
}

static void test_unbound(void **state)
{
	(void)state;
	check_all(DNS_UNBOUND);
}

/* While names of one zone are silent, all others are answered. */
static void check_silence_is_contained(enum dns_library library)
{
	enum { SILENT = 64, GOOD = 64 };
	static struct ask silent[SILENT], good[GOOD];
	static char name[SILENT + GOOD][32];
	struct dns_cache *cache = cache_open(4096);
	struct dns_options options;
	struct server server;
	struct worker worker;

	server_start(&server);
	options = worker_options(cache, server.port, library);
	worker_open(&worker, &options);
	for (unsigned i = 0; i < SILENT; i++) {
		snprintf(name[i], sizeof(name[i]), "n%u.silent.example", i);
		ask_begin(&worker, &silent[i], FACT_DNS_A, span_cstr(name[i]));
	}
	worker_await(&worker, SILENT);
	for (unsigned i = 0; i < GOOD; i++) {
		snprintf(name[SILENT + i], sizeof(name[i]), "n%u.wild.example", i);
		ask_begin(&worker, &good[i], FACT_DNS_A, span_cstr(name[SILENT + i]));
	}
	worker_await(&worker, GOOD);
	for (unsigned i = 0; i < SILENT; i++) {
		assert_int_equal(silent[i].fact.cause, CAUSE_TIMEOUT);
		ask_end(&worker, &silent[i]);
	}
	for (unsigned i = 0; i < GOOD; i++) {
		assert_int_equal(good[i].fact.state, FACT_KNOWN);
		ask_end(&worker, &good[i]);
	}
	worker_close(&worker);
	dns_cache_free(cache);
	server_stop(&server);
}

static void test_silence_cares(void **state)
{
	(void)state;
	check_silence_is_contained(DNS_CARES);
}

static void test_silence_unbound(void **state)
{
	(void)state;
	check_silence_is_contained(DNS_UNBOUND);
}

/* The server is gone: everything fails, nothing hangs. */
static void check_nobody_there(enum dns_library library)
{
	struct dns_cache *cache = cache_open(16);
	struct dns_options options;
	struct server server;
	struct worker worker;
	struct ask ask;

	server_start(&server);
	options = worker_options(cache, server.port, library);
	server_stop(&server);
	worker_open(&worker, &options);
	ask_begin(&worker, &ask, FACT_DNS_A, SPAN("good.example"));
	worker_await(&worker, 1);
	assert_int_equal(ask.fact.state, FACT_FAILED);
	assert_true(ask.fact.cause == CAUSE_DOWN || ask.fact.cause == CAUSE_TIMEOUT);
	ask_end(&worker, &ask);
	worker_close(&worker);
	dns_cache_free(cache);
}

static void test_nobody_cares(void **state)
{
	(void)state;
	check_nobody_there(DNS_CARES);
}

static void test_nobody_unbound(void **state)
{
	(void)state;
	check_nobody_there(DNS_UNBOUND);
}

/* Of two servers one is gone: the other answers. */
static void check_one_of_two(enum dns_library library)
{
	struct dns_cache *cache = cache_open(16);
	struct dns_address address[2];
	struct dns_options options;
	struct server gone, server;
	struct worker worker;
	struct ask ask;

	server_start(&gone);
	server_start(&server);
	server_stop(&gone);
	options = worker_options(cache, gone.port, library);
	address[0] = options.address[0];
	address[1] = (struct dns_address){ address[0].address, server.port };
	options.address = address;
	options.address_count = COUNT(address);
	options.question_ms = 10000;
	worker_open(&worker, &options);
	ask_begin(&worker, &ask, FACT_DNS_A, SPAN("good.example"));
	worker_await(&worker, 1);
	assert_int_equal(ask.fact.state, FACT_KNOWN);
	ask_end(&worker, &ask);
	worker_close(&worker);
	dns_cache_free(cache);
	server_stop(&server);
}

static void test_one_of_two_cares(void **state)
{
	(void)state;
	check_one_of_two(DNS_CARES);
}

static void test_one_of_two_unbound(void **state)
{
	(void)state;
	check_one_of_two(DNS_UNBOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cares),
		cmocka_unit_test(test_unbound),
		cmocka_unit_test(test_silence_cares),
		cmocka_unit_test(test_silence_unbound),
		cmocka_unit_test(test_nobody_cares),
		cmocka_unit_test(test_nobody_unbound),
		cmocka_unit_test(test_one_of_two_cares),
		cmocka_unit_test(test_one_of_two_unbound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
