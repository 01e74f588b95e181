/* scale_test.c -- the loop around the core, with a DNS that answers when the test says so. */
#include "../unit.h"

#include "daemon/scale.h"
#include "weigh/key.h"

#include <event2/event.h>
#include <stdlib.h>

enum { ASKED_MAX = 256, REPORT_BYTES = 4096 };

/* The fake of sources/dns.h. */
struct dns {
	struct dns_wait *asked[ASKED_MAX];
	unsigned asked_count, forgotten, freed;
	bool knows_all;
};

bool dns_recall(void *self, struct fact *fact)
{
	const struct dns *dns = self;

	if (dns->knows_all)
		fact->state = FACT_NONE;
	return dns->knows_all;
}

void dns_release(void *self, struct fact *fact)
{
	(void)self, (void)fact;
}

void dns_ask(struct dns *dns, struct dns_wait *wait)
{
	assert_true(dns->asked_count < ASKED_MAX);
	dns->asked[dns->asked_count++] = wait;
}

void dns_forget(struct dns *dns, struct dns_wait *wait)
{
	(void)wait;
	dns->forgotten++;
}

void dns_free(struct dns *dns)
{
	dns->freed++;
}

static const char conf[] = "listen inet:127.0.0.1:0 policy inbound\n"
			   "deadline 100ms\n"
			   "mode enforce\n"
			   "zone list.example { lists ip4, ip6\n means listed = 127.0.0.2 }\n"
			   "policy inbound {\n"
			   "    weigh dnsbl list.example { listed 5 }\n"
			   "    reject \"listed\" if score >= 5\n"
			   "}\n"
			   "policy counted {\n"
			   "    weigh dnsbl list.example { listed 5 }\n"
			   "    limit one by client_address 1/1m else reject\n"
			   "}\n";

/* As many limits as a policy may have, the last of them short. */
static const char many_head[] = "listen inet:127.0.0.1:0 policy many\npolicy many {\n";
static const char many_tail[] = "    limit last by client_address 1/1h else reject\n}\n";
static char many_conf[LIMITS_MAX * 80];

static enum err load(void *self, struct span path, struct arena *arena, struct span *text_out,
		     struct span *why_out)
{
	(void)path, (void)arena, (void)why_out;
	*text_out = span_cstr(self);
	return OK;
}

static size_t no_glob(void *self, struct span pattern, struct arena *arena, struct span *path_out,
		      size_t max)
{
	(void)self, (void)pattern, (void)arena, (void)path_out, (void)max;
	return 0;
}

struct world {
	struct event_base *base;
	struct dns dns, other_dns;
	struct store *store;
	struct store_port *port;
	struct config *config;
	struct scale *scale;
	unsigned settled;
};

static int world_open_with(void **state, const char *text)
{
	const struct config_loader loader = { .load = load,
					      .glob = no_glob,
					      .self = (void *)(uintptr_t)text };
	struct world *world = calloc(1, sizeof(*world));
	struct scale_options options = { .dns = &world->dns, .limits = { 4, 2 }, .owner = world };
	const struct store_options store = { .kind = STORE_MEMORY };
	char room[REPORT_BYTES];
	struct text report = { room, 0, sizeof(room), false };

	if (config_read(&loader, SPAN("test.conf"), &report, &world->config) != OK)
		fail_msg("%.*s", SPAN_ARG(text_span(&report)));
	world->base = event_base_new();
	assert_int_equal(store_open(&store, &report, &world->store), OK);
	world->port = store_port_open(world->store, world->base);
	options.base = world->base;
	options.store = world->port;
	world->scale = scale_new(&options);
	assert_non_null(world->scale);
	*state = world;
	return 0;
}

static int world_open(void **state)
{
	return world_open_with(state, conf);
}

static int world_open_many(void **state)
{
	struct text text = { many_conf, 0, sizeof(many_conf), false };

	text_add(&text, span_cstr(many_head));
	for (int i = 1; i < LIMITS_MAX; i++)
		text_addf(&text, "    limit number-%d by sender, recipient 9/1h\n", i);
	text_add(&text, span_cstr(many_tail));
	return world_open_with(state, text_cstr(&text));
}

static int world_close(void **state)
{
	struct world *world = *state;

	scale_free(world->scale);
	assert_int_equal(world->dns.freed, 1);
	assert_int_equal(atomic_load(&world->config->references), 1);
	config_drop(world->config);
	store_port_close(world->port);
	store_close(world->store);
	event_base_free(world->base);
	free(world);
	return 0;
}

static void on_settled(struct weighing *weighing)
{
	struct world *world = scale_owner(weighing->scale);

	world->settled++;
}

static struct weighing *begin_at(struct world *world, const struct policy *policy,
				 const char *client)
{
	struct weighing *weighing = scale_open(world->scale, world->config, policy);

	if (weighing == NULL)
		return NULL;
	assert_int_equal(ip_parse(span_cstr(client), &weighing->attempt.client), OK);
	weighing->attempt.client_text = span_cstr(client);
	weighing->attempt.attribute[ATTRIBUTE_client_address] = span_cstr(client);
	weighing->settled = on_settled;
	return weighing;
}

static struct weighing *begin(struct world *world, const char *client)
{
	return begin_at(world, world->config->policy[0], client);
}

static struct weighing *begin_counted(struct world *world)
{
	return begin_at(world, config_policy(world->config, SPAN("counted")), "192.0.2.1");
}

static void answer(struct world *world, unsigned question, bool is_listed)
{
	static const struct span listed = SPAN_INIT("127.0.0.2");
	struct dns_wait *wait = world->dns.asked[question];

	wait->fact->state = is_listed ? FACT_KNOWN : FACT_NONE;
	wait->fact->item = &listed;
	wait->fact->item_count = is_listed;
	wait->answered(wait);
}

static void test_at_once(void **state)
{
	struct world *world = *state;
	struct weighing *weighing = begin(world, "192.0.2.1");

	world->dns.knows_all = true;
	assert_true(scale_weigh(weighing));
	assert_int_equal(weighing->walk.verdict, VERDICT_PASS);
	scale_close(weighing);
	assert_int_equal(scale_figures(world->scale)->settled_at_once, 1);
	assert_int_equal(world->settled, 0);
}

static void test_from_the_run_queue(void **state)
{
	struct world *world = *state;
	struct weighing *weighing = begin(world, "192.0.2.1");

	assert_false(scale_weigh(weighing));
	assert_int_equal(world->dns.asked_count, 1);
	answer(world, 0, true);
	/* Never from inside the answer's callback. */
	assert_int_equal(world->settled, 0);
	event_base_loop(world->base, EVLOOP_NONBLOCK);
	assert_int_equal(world->settled, 1);
	assert_int_equal(weighing->walk.verdict, VERDICT_REJECT);
	assert_false(weighing->is_overdue);
	scale_close(weighing);
}

static void test_deadline(void **state)
{
	struct world *world = *state;
	struct weighing *weighing = begin(world, "192.0.2.1");

	assert_false(scale_weigh(weighing));
	while (world->settled == 0)
		event_base_loop(world->base, EVLOOP_ONCE);
	assert_true(weighing->is_overdue);
	assert_true(walk_is_unknown(&weighing->walk, 0));
	assert_int_equal(weighing->walk.verdict, VERDICT_PASS);
	assert_int_equal(world->dns.forgotten, 1);
	scale_close(weighing);
	assert_int_equal(scale_figures(world->scale)->deadline_misses, 1);
}

static void test_abandoned(void **state)
{
	struct world *world = *state;
	struct weighing *waiting = begin(world, "192.0.2.1"), *queued = begin(world, "192.0.2.2");

	assert_false(scale_weigh(waiting));
	assert_false(scale_weigh(queued));
	answer(world, 1, false);
	scale_close(waiting);
	scale_close(queued);
	event_base_loop(world->base, EVLOOP_NONBLOCK);
	assert_int_equal(world->settled, 0);
	assert_int_equal(world->dns.forgotten, 1);
	assert_int_equal(scale_figures(world->scale)->in_work, 0);
}

/* attempts_max are on the scale; one beyond is told so. */
static void test_attempts_max(void **state)
{
	static const char *const clients[] = { "192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2" };
	struct world *world = *state;
	struct weighing *weighing[4];

	for (int i = 0; i < 4; i++) {
		weighing[i] = begin(world, clients[i]);
		assert_non_null(weighing[i]);
		assert_false(scale_weigh(weighing[i]));
	}
	assert_null(begin(world, "192.0.2.3"));
	scale_close(weighing[0]);
	weighing[0] = begin(world, "192.0.2.3");
	assert_non_null(weighing[0]);
	for (int i = 0; i < 4; i++)
		scale_close(weighing[i]);
	assert_int_equal(scale_figures(world->scale)->overloads, 1);
}

/* Of one client two are in work; the third waits in line, and another client does not. */
static void test_line(void **state)
{
	static const char *const clients[] = { "2001:db8::1", "2001:db8::2", "2001:db8::3",
					       "2001:db8:1::1" };
	struct world *world = *state;
	struct weighing *weighing[4];

	for (int i = 0; i < 4; i++) {
		weighing[i] = begin(world, clients[i]);
		assert_false(scale_weigh(weighing[i]));
	}
	assert_int_equal(world->dns.asked_count, 3);
	assert_int_equal(scale_figures(world->scale)->in_line, 1);
	answer(world, 0, false);
	event_base_loop(world->base, EVLOOP_NONBLOCK);
	assert_int_equal(world->settled, 1);
	assert_int_equal(world->dns.asked_count, 4);
	assert_int_equal(scale_figures(world->scale)->in_line, 0);
	for (int i = 0; i < 4; i++)
		scale_close(weighing[i]);
}

static void test_deadline_in_line(void **state)
{
	struct world *world = *state;
	struct weighing *weighing[4];

	for (int i = 0; i < 4; i++) {
		weighing[i] = begin(world, "192.0.2.1");
		assert_false(scale_weigh(weighing[i]));
	}
	while (world->settled < 4)
		event_base_loop(world->base, EVLOOP_ONCE);
	for (int i = 0; i < 4; i++)
		scale_close(weighing[i]);
	assert_int_equal(scale_figures(world->scale)->in_work, 0);
}

static void test_left_in_line(void **state)
{
	struct world *world = *state;
	struct weighing *weighing[4];

	for (int i = 0; i < 4; i++) {
		weighing[i] = begin(world, "192.0.2.1");
		assert_false(scale_weigh(weighing[i]));
	}
	scale_close(weighing[3]);
	scale_close(weighing[0]);
	scale_close(weighing[2]);
	scale_close(weighing[1]);
	assert_int_equal(scale_figures(world->scale)->in_line, 0);
}

/* Who makes us wait for the DNS is counted all the same, and who stands in line behind him. */
static void test_counted_at_the_deadline(void **state)
{
	struct world *world = *state;
	struct weighing *weighing[4];
	int rejected = 0;

	for (int i = 0; i < 4; i++) {
		weighing[i] = begin_counted(world);
		assert_false(scale_weigh(weighing[i]));
	}
	assert_int_equal(scale_figures(world->scale)->in_line, 2);
	while (world->settled < 4)
		event_base_loop(world->base, EVLOOP_ONCE);
	for (int i = 0; i < 4; i++) {
		assert_true(weighing[i]->is_overdue);
		rejected += weighing[i]->walk.verdict == VERDICT_REJECT;
		scale_close(weighing[i]);
	}
	assert_int_equal(rejected, 3);
	assert_int_equal(world->dns.forgotten, 2);
	assert_int_equal(scale_figures(world->scale)->in_line, 0);
	assert_int_equal(scale_figures(world->scale)->in_work, 0);
}

/* Who has waited long is counted when it is his turn: nothing before him grows older. */
static void test_counted_late(void **state)
{
	enum { LATE_MS = 2 * 60 * 1000 };
	struct world *world = *state;

	world->dns.knows_all = true;
	for (int i = 0; i < 3; i++) {
		struct weighing *weighing = begin_counted(world);

		if (i == 1)
			weighing->attempt.time_ms -= LATE_MS;
		assert_true(scale_weigh(weighing));
		assert_int_equal(weighing->walk.limited[0].used, 1 + (i > 0));
		scale_close(weighing);
	}
}

/* Each limit takes a run of its own; the last finds room, too. */
static void test_many_limits(void **state)
{
	static char local[KEY_PART_MAX];
	struct world *world = *state;

	memset(local, 'a', sizeof(local));
	for (int i = 0; i < 2; i++) {
		struct weighing *weighing = begin(world, "192.0.2.1");
		struct span *attribute = weighing->attempt.attribute;

		attribute[ATTRIBUTE_sender] = span_of(local, sizeof(local));
		attribute[ATTRIBUTE_recipient] = span_of(local, sizeof(local));
		assert_true(scale_weigh(weighing));
		assert_true(weighing->walk.limited[LIMITS_MAX - 1].is_reached);
		assert_int_equal(weighing->walk.verdict, i == 0 ? VERDICT_PASS : VERDICT_REJECT);
		scale_close(weighing);
	}
}

/* A resolver that is replaced lives until its last attempt is closed. */
static void test_other_dns(void **state)
{
	struct world *world = *state;
	struct weighing *weighing = begin(world, "192.0.2.1");

	assert_false(scale_weigh(weighing));
	assert_int_equal(scale_set_dns(world->scale, &world->other_dns), OK);
	assert_int_equal(world->dns.freed, 0);
	answer(world, 0, true);
	event_base_loop(world->base, EVLOOP_NONBLOCK);
	scale_close(weighing);
	assert_int_equal(world->dns.freed, 1);
	weighing = begin(world, "192.0.2.1");
	assert_false(scale_weigh(weighing));
	assert_int_equal(world->other_dns.asked_count, 1);
	scale_close(weighing);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_at_once),
		TEST(test_from_the_run_queue),
		TEST(test_deadline),
		TEST(test_abandoned),
		TEST(test_attempts_max),
		TEST(test_line),
		TEST(test_deadline_in_line),
		TEST(test_left_in_line),
		TEST(test_other_dns),
		TEST(test_counted_at_the_deadline),
		TEST(test_counted_late),
		cmocka_unit_test_setup_teardown(test_many_limits, world_open_many, world_close),
	};

	return cmocka_run_group_tests_name("daemon/scale", tests, NULL, NULL);
}
