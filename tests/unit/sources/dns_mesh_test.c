/* dns_mesh_test.c -- equal questions asked once, patience, shares, and workers in threads. */
#include "worker.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MANY = 300 };

struct scene {
	struct server server;
	struct dns_cache *cache;
	struct dns_options options;
	struct worker worker;
};

static void scene_open(struct scene *scene, uint32_t questions_max)
{
	server_start(&scene->server);
	scene->cache = cache_open(questions_max);
	scene->options = worker_options(scene->cache, scene->server.port, DNS_CARES);
}

/** @return how many questions the server got */
static unsigned scene_close(struct scene *scene)
{
	worker_close(&scene->worker);
	dns_cache_free(scene->cache);
	return server_stop(&scene->server);
}

static struct dns_figures figures_of(const struct worker *worker)
{
	struct dns_figures figures;

	dns_figures(worker->dns, &figures);
	return figures;
}

static void test_joined_and_recalled(void **state)
{
	struct scene scene;
	struct ask ask[3];
	struct fact fact = { .kind = FACT_DNS_A, .key = SPAN("late.example") };

	(void)state;
	scene_open(&scene, 16);
	scene.options.question_ms = 4000; /* so patient that nothing is sent twice */
	worker_open(&scene.worker, &scene.options);
	assert_false(dns_recall(scene.worker.dns, &fact));
	assert_int_equal(fact.state, FACT_PENDING);
	for (size_t i = 0; i < COUNT(ask); i++)
		ask_begin(&scene.worker, &ask[i], FACT_DNS_A, fact.key);
	assert_int_equal(figures_of(&scene.worker).in_flight, 1);
	worker_await(&scene.worker, COUNT(ask));
	assert_int_equal(figures_of(&scene.worker).joined, 2);
	assert_int_equal(figures_of(&scene.worker).in_flight, 0);
	assert_true(dns_recall(scene.worker.dns, &fact));
	assert_true(fact.from_cache);
	assert_ptr_equal(fact.held, ask[0].fact.held);
	assert_ptr_equal(fact.held, ask[2].fact.held);
	dns_release(scene.worker.dns, &fact);
	for (size_t i = 0; i < COUNT(ask); i++)
		ask_end(&scene.worker, &ask[i]);
	assert_int_equal(scene_close(&scene), 1);
}

/* Each stage at which an attempt may lose interest. */
static void test_forgotten(void **state)
{
	struct scene scene;
	struct ask first, second, refused;
	struct fact fact = { .kind = FACT_DNS_A, .key = SPAN("late.example") };

	(void)state;
	scene_open(&scene, 16);
	worker_open(&scene.worker, &scene.options);
	ask_begin(&scene.worker, &first, FACT_DNS_A, fact.key);
	ask_begin(&scene.worker, &second, FACT_DNS_A, SPAN("good.example"));
	ask_begin(&scene.worker, &refused, FACT_DNS_A, SPAN("bad..name"));
	dns_forget(scene.worker.dns, &first.wait);
	dns_forget(scene.worker.dns, &refused.wait); /* lies in the inbox */
	dns_forget(scene.worker.dns, &refused.wait);
	worker_await(&scene.worker, 1);
	assert_int_equal(second.answers, 1);
	dns_forget(scene.worker.dns, &second.wait);
	assert_int_equal(second.fact.state, FACT_KNOWN);
	dns_release(scene.worker.dns, &second.fact);
	/* the answer that nobody waits for fills the cache */
	while (!dns_recall(scene.worker.dns, &fact))
		event_base_loop(scene.worker.base, EVLOOP_ONCE);
	assert_int_equal(fact.state, FACT_KNOWN);
	dns_release(scene.worker.dns, &fact);
	assert_int_equal(first.answers + refused.answers, 0);
	assert_int_equal(first.fact.state, FACT_PENDING);
	scene_close(&scene);
}

/* The answer comes after 1.4 s, the patience is 0.5 s. */
static void test_patience(void **state)
{
	struct scene scene;
	struct ask ask, later;
	struct fact fact = { .kind = FACT_DNS_A, .key = SPAN("verylate.example") };

	(void)state;
	scene_open(&scene, 16);
	scene.options.question_ms = 500;
	worker_open(&scene.worker, &scene.options);
	ask_begin(&scene.worker, &ask, FACT_DNS_A, fact.key);
	worker_await(&scene.worker, 1);
	assert_int_equal(ask.fact.state, FACT_FAILED);
	assert_int_equal(ask.fact.cause, CAUSE_TIMEOUT);
	assert_true(ask.fact.took_us >= 500000);
	assert_true(dns_recall(scene.worker.dns, &fact)); /* silence is remembered a while */
	assert_int_equal(fact.cause, CAUSE_TIMEOUT);
	dns_release(scene.worker.dns, &fact);
	/* who asks all the same waits for the question that is out */
	ask_begin(&scene.worker, &later, FACT_DNS_A, fact.key);
	worker_await(&scene.worker, 1);
	ask_end(&scene.worker, &ask);
	ask_end(&scene.worker, &later);
	assert_int_equal(figures_of(&scene.worker).asked, 1);
	do {
		event_base_loop(scene.worker.base, EVLOOP_ONCE);
		dns_release(scene.worker.dns, &fact);
	} while (dns_recall(scene.worker.dns, &fact) && fact.state != FACT_KNOWN);
	check_span(fact.item[0], SPAN("192.0.2.11"), "late answer");
	dns_release(scene.worker.dns, &fact);
	scene_close(&scene);
}

static const struct {
	const char *name;
	uint32_t all, worker, client, zone;
	const char *pattern; /* of the names */
	bool one_client;
	unsigned granted;
} share_cases[] = {
	{ "all workers", 20, 300, 300, 300, "a.z%u.example", false, 20 },
	{ "this worker", 300, 21, 300, 300, "a.z%u.example", false, 21 },
	{ "a client", 300, 300, 22, 300, "a.z%u.test", true, 22 },
	{ "a zone", 300, 300, 300, 23, "n%u.silent.example", false, 23 },
	{ "a reverse zone is a /16", 300, 300, 300, 24, "%u.1.2.192.in-addr.arpa", false, 24 },
};

static void check_share(size_t number)
{
	static struct ask ask[MANY];
	static char name[MANY][40];
	struct scene scene;
	unsigned refused = 0;

	scene_open(&scene, share_cases[number].all);
	scene.options.questions_max = share_cases[number].worker;
	scene.options.questions_per_client = share_cases[number].client;
	scene.options.questions_per_zone = share_cases[number].zone;
	worker_open(&scene.worker, &scene.options);
	for (unsigned i = 0; i < share_cases[number].granted + 1; i++) {
		struct dns_wait *wait = &ask[i].wait;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(name[i], sizeof(name[i]), share_cases[number].pattern, i);
#pragma GCC diagnostic pop
		ask[i] = (struct ask){ .fact = { .key = span_cstr(name[i]) } };
		wait->fact = &ask[i].fact;
		wait->answered = ask_answered;
		wait->owner = &scene.worker;
		wait->client.family = IP_V4;
		/* a /24 each, or one for all of them */
		wait->client.byte[share_cases[number].one_client ? 3 : 2] = (uint8_t)i;
		dns_ask(scene.worker.dns, wait);
		assert_int_equal(ask[i].answers, 0);
	}
	worker_await(&scene.worker, share_cases[number].granted + 1);
	for (unsigned i = 0; i < share_cases[number].granted + 1; i++) {
		refused += ask[i].fact.cause == CAUSE_TOOLARGE;
		ask_end(&scene.worker, &ask[i]);
	}
	if (refused != 1 || ask[share_cases[number].granted].fact.cause != CAUSE_TOOLARGE)
		fail_msg("%s: %u refused", share_cases[number].name, refused);
	scene_close(&scene);
}

static void test_shares(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(share_cases); i++)
		check_share(i);
}

/* Two workers, each on its thread and loop, ask the same names again and again. */
struct second {
	const struct dns_options *options;
	atomic_uint *asked;
	unsigned known;
	uint64_t sent;
};

static void *second_run(void *arg)
{
	static _Thread_local struct ask ask[MANY];
	static _Thread_local char name[MANY][32];
	struct second *second = arg;
	struct worker worker;

	worker_open(&worker, second->options);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name[i], sizeof(name[i]), "n%u.late.example", i % 200);
		ask_begin(&worker, &ask[i], FACT_DNS_A, span_cstr(name[i]));
	}
	for (unsigned i = 0; i < MANY; i += 10)
		dns_forget(worker.dns, &ask[i].wait);
	worker_await(&worker, MANY - MANY / 10);
	for (unsigned i = 0; i < MANY; i++) {
		second->known += ask[i].fact.state == FACT_KNOWN;
		ask_end(&worker, &ask[i]);
	}
	second->sent = figures_of(&worker).asked;
	/* nobody leaves while the other waits for his questions */
	atomic_fetch_add(second->asked, 1);
	while (atomic_load(second->asked) < 2)
		event_base_loop(worker.base, EVLOOP_NONBLOCK);
	worker_close(&worker);
	return NULL;
}

static void test_two_workers(void **state)
{
	struct scene scene;
	atomic_uint asked = 0;
	struct second second[2];
	pthread_t thread[2];

	(void)state;
	scene_open(&scene, 4096);
	for (size_t i = 0; i < 2; i++) {
		second[i] = (struct second){ .options = &scene.options, .asked = &asked };
		assert_int_equal(pthread_create(&thread[i], NULL, second_run, &second[i]), 0);
	}
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(thread[i], NULL), 0);
		assert_int_equal(second[i].known, MANY - MANY / 10);
	}
	assert_int_equal(second[0].sent + second[1].sent, 200);
	dns_cache_free(scene.cache);
	server_stop(&scene.server);
}

/* A worker that ends fails the questions that others wait for. */
static void test_worker_ends(void **state)
{
	struct scene scene;
	struct worker other;
	struct ask own, joined;

	(void)state;
	scene_open(&scene, 16);
	worker_open(&scene.worker, &scene.options);
	worker_open(&other, &scene.options);
	ask_begin(&other, &own, FACT_DNS_A, SPAN("verylate.example"));
	ask_begin(&scene.worker, &joined, FACT_DNS_A, SPAN("verylate.example"));
	dns_forget(other.dns, &own.wait);
	worker_close(&other);
	worker_await(&scene.worker, 1);
	assert_int_equal(joined.fact.state, FACT_FAILED);
	assert_int_equal(joined.fact.cause, CAUSE_DOWN);
	ask_end(&scene.worker, &joined);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joined_and_recalled),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_patience),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_two_workers),
		cmocka_unit_test(test_worker_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
