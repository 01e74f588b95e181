/* postfix_test.c -- the front with a weigher that answers at once, or when the test says so. */
#include "../unit.h"

#include "serve/postfix.h"

#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IN_WORK_MAX = 16 };

#define REQUEST(helo) "request=smtpd_access_policy\nhelo_name=" helo "\n\n"
#define LONG_HELO     "a.long.long.long.long.long.long.long.long.long.long.long.long.name.example"

struct work {
	struct connection *connection;
	struct arena arena;
	struct attempt attempt;
	bool is_open;
};

struct world {
	struct event_base *base;
	struct census *census;
	struct front *front;
	struct door_listener *listener;
	struct sockaddr_in address;
	struct work work[IN_WORK_MAX];
	unsigned opened, left, forgotten, closed;
	unsigned noted[NOTE_COUNT];
	bool is_full;
};

static bool open_place(void *self, const void *policy, struct connection *connection,
		       struct place *place_out)
{
	struct world *world = self;

	(void)policy;
	for (int i = 0; i < IN_WORK_MAX && !world->is_full; i++) {
		struct work *work = &world->work[i];

		if (work->is_open)
			continue;
		*work = (struct work){ .connection = connection, .is_open = true };
		arena_init(&work->arena, 1024 * 1024);
		*place_out = (struct place){ &work->arena, &work->attempt, work };
		world->opened++;
		return true;
	}
	return false;
}

static void close_work(struct work *work)
{
	arena_release(&work->arena);
	work->is_open = false;
}

/* HELO "later" waits for the test; any other is the answer's text. */
static bool weigh_place(void *self, struct place *place, struct text *answer)
{
	struct span helo = place->attempt->attribute[ATTRIBUTE_helo_name];

	(void)self;
	if (span_equal(helo, SPAN("later")))
		return false;
	text_add(answer, SPAN("550 "));
	text_add(answer, helo);
	close_work(place->held);
	return true;
}

static void leave_place(void *self, struct place *place)
{
	struct world *world = self;

	world->left++;
	close_work(place->held);
}

static void forget(void *self, const struct conversation *conversation)
{
	struct world *world = self;

	(void)conversation;
	world->forgotten++;
}

static void note(void *self, enum front_note note_, struct span peer)
{
	struct world *world = self;

	(void)peer;
	world->noted[note_]++;
}

static void closed(void *self)
{
	struct world *world = self;

	world->closed++;
}

static int world_open(void **state)
{
	static const struct hash_key key = { { 3, 4 } };
	const struct census_limits limits = { 4, 3 };
	struct world *world = calloc(1, sizeof(*world));
	struct front_options options = {
		.weigher = { world, open_place, weigh_place, leave_place, forget, note, closed },
		.limits = { { 100, 4 }, 60000, 60000, 60000 },
		.not_weighed = SPAN("DUNNO"),
	};
	socklen_t len = sizeof(world->address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	world->address = (struct sockaddr_in){ .sin_family = AF_INET };
	world->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&world->address, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&world->address, &len), 0);
	world->base = event_base_new();
	world->census = census_new(&limits, &key);
	options.base = world->base;
	options.census = world->census;
	world->front = front_new(&options);
	world->listener = front_listen(world->front, fd, NULL);
	assert_non_null(world->listener);
	*state = world;
	return 0;
}

static int world_close(void **state)
{
	struct world *world = *state;

	front_free(world->front);
	census_free(world->census);
	event_base_free(world->base);
	for (int i = 0; i < IN_WORK_MAX; i++)
		assert_false(world->work[i].is_open);
	free(world);
	return 0;
}

/* A client of 127.0.0.number. */
static int dial(struct world *world, unsigned number)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + number);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&world->address, sizeof(world->address)),
			 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void turn(struct world *world)
{
	event_base_loop(world->base, EVLOOP_NONBLOCK);
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* Turn the loop until the client has this text; "" is the other side's close. */
static void expect(struct world *world, int fd, const char *want)
{
	char have[4096];
	size_t len = 0, wanted = strlen(want);

	while (len < wanted || wanted == 0) {
		ssize_t got = read(fd, have + len, sizeof(have) - 1 - len);

		if (got == 0)
			break;
		if (got > 0)
			len += (size_t)got;
		turn(world);
	}
	have[len] = '\0';
	assert_string_equal(have, want);
}

static void until_in_work(struct world *world, unsigned opened)
{
	while (world->opened < opened)
		turn(world);
}

static void finish(struct work *work, struct span answer)
{
	struct connection *connection = work->connection;

	close_work(work);
	connection_answer(connection, answer);
}

static void test_at_once(void **state)
{
	struct world *world = *state;
	int fd = dial(world, 1);

	say(fd, REQUEST("a") REQUEST("b"));
	expect(world, fd, "action=550 a\n\naction=550 b\n\n");
	say(fd, REQUEST("c"));
	expect(world, fd, "action=550 c\n\n");
	close(fd);
	while (front_figures(world->front)->connections > 0)
		turn(world);
	assert_int_equal(world->forgotten, 1);
	assert_int_equal(front_figures(world->front)->requests, 3);
}

static void test_in_order(void **state)
{
	struct world *world = *state;
	int fd = dial(world, 1);

	say(fd, REQUEST("a") REQUEST("later") REQUEST("b") REQUEST("later"));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	until_in_work(world, 2);
	expect(world, fd, "action=550 a\n\n");
	/* One at a time: b is not weighed before. */
	turn(world);
	assert_int_equal(world->opened, 2);
	finish(&world->work[0], SPAN("DUNNO"));
	until_in_work(world, 4);
	finish(&world->work[0], SPAN("OK"));
	expect(world, fd, "action=DUNNO\n\naction=550 b\n\naction=OK\n\n");
	expect(world, fd, "");
	close(fd);
}

static void test_gone_in_work(void **state)
{
	struct world *world = *state;
	int fd = dial(world, 1);

	say(fd, REQUEST("later"));
	until_in_work(world, 1);
	close(fd);
	turn(world);
	finish(&world->work[0], SPAN("DUNNO"));
	while (front_figures(world->front)->connections > 0)
		turn(world);
	assert_int_equal(world->left, 0);
}

/* An answer cannot be written any more, and the next request is in work already. */
static void test_gone_before_an_answer(void **state)
{
	struct world *world = *state;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	say(pair[0], REQUEST("a") REQUEST("later"));
	close(pair[0]);
	assert_int_equal(front_adopt(world->front, pair[1], pair[1], NULL), OK);
	while (world->closed == 0)
		turn(world);
	assert_int_equal(world->opened, 2);
	assert_int_equal(world->left, 1);
	close(pair[1]);
}

static void test_left_at_the_end(void **state)
{
	struct world *world = *state;
	int fd = dial(world, 1);

	say(fd, REQUEST("later"));
	until_in_work(world, 1);
	front_free(world->front);
	world->front = NULL;
	assert_int_equal(world->left, 1);
	close(fd);
}

static void test_not_weighed(void **state)
{
	struct world *world = *state;
	int fd = dial(world, 1);

	say(fd, "request=junk\n\n");
	expect(world, fd, "action=DUNNO\n\n");
	assert_int_equal(world->noted[NOTE_KIND], 1);
	assert_int_equal(world->left, 1);
	world->is_full = true;
	say(fd, REQUEST("a"));
	expect(world, fd, "action=DUNNO\n\n");
	assert_int_equal(world->noted[NOTE_OVERLOAD], 1);
	close(fd);
}

static void test_broken(void **state)
{
	static const struct {
		const char *text;
		enum front_note want;
	} broken[] = {
		{ "a=1\nb=2\nc=3\nd=4\ne=5\n", NOTE_ATTRIBUTES },
		{ "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn=\n",
		  NOTE_NAME },
		{ "a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		  NOTE_LINE },
	};
	struct world *world = *state;

	for (size_t i = 0; i < COUNT(broken); i++) {
		int fd = dial(world, 1);

		say(fd, REQUEST("a"));
		expect(world, fd, "action=550 a\n\n");
		say(fd, broken[i].text);
		expect(world, fd, "");
		assert_int_equal(world->noted[broken[i].want], 1);
		close(fd);
	}
	assert_int_equal(front_figures(world->front)->broken_requests, COUNT(broken));
}

/* The longest idle connection goes; of the source, where the source has enough. */
static void test_limits(void **state)
{
	struct world *world = *state;
	int fd[6];

	for (unsigned i = 0; i < 3; i++) {
		fd[i] = dial(world, 1);
		say(fd[i], REQUEST("a"));
		expect(world, fd[i], "action=550 a\n\n");
	}
	fd[3] = dial(world, 1);
	say(fd[3], REQUEST("b"));
	expect(world, fd[3], "action=550 b\n\n");
	expect(world, fd[0], "");
	fd[4] = dial(world, 2);
	say(fd[4], "unfinished");
	while (front_figures(world->front)->connections < 4)
		turn(world);
	fd[5] = dial(world, 3);
	say(fd[5], REQUEST("c"));
	expect(world, fd[5], "action=550 c\n\n");
	expect(world, fd[1], "");
	assert_int_equal(front_figures(world->front)->evicted, 2);
	for (int i = 0; i < 6; i++)
		close(fd[i]);
}

static void test_no_room(void **state)
{
	struct world *world = *state;
	int fd[5];

	for (unsigned i = 0; i < 4; i++) {
		fd[i] = dial(world, 1 + i % 2);
		say(fd[i], REQUEST("later"));
	}
	until_in_work(world, 4);
	fd[4] = dial(world, 3);
	expect(world, fd[4], "");
	assert_int_equal(world->noted[NOTE_CONNECTIONS], 1);
	assert_int_equal(front_figures(world->front)->refused_connections, 1);
	for (int i = 0; i < 5; i++)
		close(fd[i]);
}

static void test_no_room_for_the_source(void **state)
{
	struct world *world = *state;
	int fd[4];

	for (unsigned i = 0; i < 3; i++) {
		fd[i] = dial(world, 1);
		say(fd[i], REQUEST("later"));
	}
	until_in_work(world, 3);
	fd[3] = dial(world, 1);
	expect(world, fd[3], "");
	assert_int_equal(world->noted[NOTE_SOURCE], 1);
	for (int i = 0; i < 4; i++)
		close(fd[i]);
}

/* A client that takes its answers bit by bit gets them all. */
static void test_slow_reader(void **state)
{
	enum { REQUESTS = 100 };
	struct world *world = *state;
	size_t left = REQUESTS * strlen("action=550 \n\n" LONG_HELO);
	char have[256];
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &(int){ 1 }, sizeof(int)), 0);
	assert_int_equal(front_adopt(world->front, pair[1], pair[1], NULL), OK);
	for (int i = 0; i < REQUESTS; i++)
		say(pair[0], REQUEST(LONG_HELO));
	while (left > 0) {
		ssize_t got = read(pair[0], have, sizeof(have));

		if (got > 0)
			left -= (size_t)got;
		turn(world);
	}
	close(pair[0]);
	while (world->closed == 0)
		turn(world);
	close(pair[1]);
}

static void test_drain(void **state)
{
	struct world *world = *state;
	int idle = dial(world, 1), busy = dial(world, 1);

	say(idle, REQUEST("a"));
	expect(world, idle, "action=550 a\n\n");
	say(busy, REQUEST("later") REQUEST("b"));
	until_in_work(world, 2);
	front_drain(world->front);
	expect(world, idle, "");
	finish(&world->work[0], SPAN("DUNNO"));
	expect(world, busy, "action=DUNNO\n\n");
	expect(world, busy, "");
	assert_int_equal(front_figures(world->front)->connections, 0);
	close(idle);
	close(busy);
}

static void test_listener_close(void **state)
{
	struct world *world = *state;
	int unfinished = dial(world, 1);

	say(unfinished, "request=smtpd_access_policy\n");
	while (front_figures(world->front)->connections == 0)
		turn(world);
	turn(world);
	door_listener_close(world->listener);
	say(unfinished, "helo_name=a\n\n");
	expect(world, unfinished, "action=550 a\n\n");
	expect(world, unfinished, "");
	close(unfinished);
}

static void test_adopted(void **state)
{
	struct world *world = *state;
	int in[2], out[2];

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	assert_int_equal(fcntl(out[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(front_adopt(world->front, in[0], out[1], NULL), OK);
	say(in[1], REQUEST("a"));
	close(in[1]);
	expect(world, out[0], "action=550 a\n\n");
	while (world->closed == 0)
		turn(world);
	close(in[0]);
	close(out[0]);
	close(out[1]);
}

/* Time runs from when a connection entered its state. */
static void test_idle_time(void **state)
{
	struct front_limits limits = { { 100, 4 }, 1, 60000, 60000 };
	struct world *world = *state;
	int fd;

	front_set_limits(world->front, &limits);
	fd = dial(world, 1);
	expect(world, fd, "");
	assert_int_equal(front_figures(world->front)->idle_closed, 1);
	close(fd);
}

static void test_unfinished_time(void **state)
{
	struct front_limits limits = { { 100, 4 }, 60000, 1, 60000 };
	struct world *world = *state;
	int fd;

	front_set_limits(world->front, &limits);
	fd = dial(world, 1);
	say(fd, "request");
	expect(world, fd, "");
	assert_int_equal(world->noted[NOTE_UNFINISHED], 1);
	close(fd);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_at_once),         TEST(test_in_order),
		TEST(test_gone_in_work),    TEST(test_gone_before_an_answer),
		TEST(test_left_at_the_end), TEST(test_not_weighed),
		TEST(test_broken),          TEST(test_limits),
		TEST(test_no_room),         TEST(test_no_room_for_the_source),
		TEST(test_slow_reader),     TEST(test_drain),
		TEST(test_listener_close),  TEST(test_adopted),
		TEST(test_idle_time),       TEST(test_unfinished_time),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("serve/postfix", tests, NULL, NULL);
}
