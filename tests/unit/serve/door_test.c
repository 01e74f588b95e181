/* door_test.c -- the way in, with a front whose guests say nothing. */
#include "../unit.h"

#include "serve/door_priv.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS_MAX = 2000 };

struct world {
	struct event_base *base;
	struct census *census;
	struct door door;
	struct door_listener *listener;
	struct sockaddr_in address;
	struct rlimit files;
	unsigned expired, dismissed;
	unsigned noted[NOTE_COUNT];
	bool has_no_memory;
};

static struct guest *open_guest(void *self, int fd)
{
	struct world *world = self;
	struct guest *guest = world->has_no_memory ? NULL : calloc(1, sizeof(*guest));

	if (guest != NULL)
		guest_enter(guest, &world->door, fd);
	return guest;
}

static enum err begin_guest(struct guest *guest)
{
	(void)guest;
	return OK;
}

static void close_guest(struct guest *guest)
{
	guest_leave(guest);
	free(guest);
}

static void expire_guest(struct guest *guest)
{
	struct world *world = guest->door->front.self;

	world->expired++;
}

static void dismiss_guest(struct guest *guest)
{
	struct world *world = guest->door->front.self;

	world->dismissed++;
}

static void note(void *self, enum front_note note_, struct span peer)
{
	struct world *world = self;

	(void)peer;
	world->noted[note_]++;
}

static int listen_somewhere(struct sockaddr_in *address)
{
	socklen_t len = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	*address = (struct sockaddr_in){ .sin_family = AF_INET };
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)address, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
	return fd;
}

static int world_open(void **state)
{
	static const struct hash_key key = { { 3, 4 } };
	const struct census_limits limits = { 100, 100 };
	struct world *world = calloc(1, sizeof(*world));
	struct door_options options = {
		.front = { world, open_guest, begin_guest, close_guest, expire_guest, dismiss_guest,
			   note, world },
	};

	world->base = event_base_new();
	world->census = census_new(&limits, &key);
	options.base = world->base;
	options.census = world->census;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &world->files), 0);
	assert_int_equal(door_init(&world->door, &options), OK);
	world->listener = door_listen(&world->door, listen_somewhere(&world->address), world);
	assert_non_null(world->listener);
	*state = world;
	return 0;
}

static int world_close(void **state)
{
	struct world *world = *state;

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &world->files), 0);
	door_release(&world->door);
	assert_int_equal(census_count(world->census), 0);
	census_free(world->census);
	event_base_free(world->base);
	free(world);
	return 0;
}

static int dial(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* Turn the loop until a figure is reached; what is waited for comes by an event. */
static void until(struct world *world, const uint64_t *figure, uint64_t wanted)
{
	for (int i = 0; i < TURNS_MAX && *figure != wanted; i++)
		event_base_loop(world->base, EVLOOP_ONCE);
	assert_int_equal(*figure, wanted);
}

static bool is_closed(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 0;
}

/* From now on this process has no descriptor below count that is free, and none beyond. */
static void limit_files(const struct world *world, rlim_t count)
{
	const struct rlimit few = { count, world->files.rlim_max };

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
}

static rlim_t first_free_file(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	close(fd);
	return (rlim_t)fd;
}

/* The longest idle guest goes for the new one. */
static void test_shortage_with_an_idle_guest(void **state)
{
	struct world *world = *state;
	int first = dial(&world->address), second;

	until(world, &world->door.figures.connections, 1);
	second = dial(&world->address);
	limit_files(world, first_free_file());
	until(world, &world->door.figures.accepted, 2);
	assert_int_equal(world->door.figures.evicted, 1);
	assert_int_equal(world->door.figures.refused_connections, 0);
	assert_true(is_closed(first));
	assert_false(is_closed(second));
	close(first);
	close(second);
}

/* Nobody is idle: the new one is not left hanging, and the next one is heard. */
static void test_shortage_of_all(void **state)
{
	struct world *world = *state;
	int first = dial(&world->address), second, third;

	until(world, &world->door.figures.connections, 1);
	guest_enlist(world->door.list[GUEST_IDLE].oldest, GUEST_WORKING);
	second = dial(&world->address);
	third = dial(&world->address);
	limit_files(world, first_free_file());
	until(world, &world->door.figures.refused_connections, 2);
	assert_int_equal(world->noted[NOTE_DESCRIPTORS], 2);
	assert_true(is_closed(second) && is_closed(third));
	assert_false(is_closed(first));
	close(first);
	close(second);
	close(third);
}

/* Not even the reserve helps: accepting rests, and goes on by itself. */
static void test_shortage_without_reserve(void **state)
{
	struct world *world = *state;
	int fd = dial(&world->address);

	limit_files(world, 1);
	for (int i = 0; i < TURNS_MAX && world->noted[NOTE_DESCRIPTORS] == 0; i++)
		event_base_loop(world->base, EVLOOP_ONCE);
	/* It rests: nothing turns in circles. */
	assert_int_equal(event_base_loop(world->base, EVLOOP_NONBLOCK), 0);
	assert_int_equal(world->noted[NOTE_DESCRIPTORS], 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &world->files), 0);
	until(world, &world->door.figures.connections, 1);
	close(fd);
}

/* Whose words wait to be read is not idle any more. */
static void test_who_has_spoken_stays(void **state)
{
	const struct census_limits two = { 2, 2 };
	struct world *world = *state;
	int spoken = dial(&world->address), silent, third, fourth;

	census_set_limits(world->census, &two);
	until(world, &world->door.figures.connections, 1);
	silent = dial(&world->address);
	until(world, &world->door.figures.connections, 2);
	assert_int_equal(write(spoken, "x", 1), 1);
	third = dial(&world->address);
	until(world, &world->door.figures.accepted, 3);
	assert_true(is_closed(silent));
	assert_false(is_closed(spoken) || is_closed(third));
	assert_int_equal(write(third, "x", 1), 1);
	fourth = dial(&world->address);
	until(world, &world->door.figures.refused_connections, 1);
	assert_true(is_closed(fourth));
	assert_int_equal(world->door.figures.evicted, 1);
	/* Where the other one is in already, the longest idle one goes all the same. */
	assert_int_equal(census_enter(world->census, (struct ip){ 0 }, true), ADMITTED);
	world->door.seat->evict_later(world->door.seat->front);
	until(world, &world->door.figures.evicted, 2);
	census_leave(world->census, (struct ip){ 0 });
	assert_false(is_closed(third));
	close(spoken);
	close(silent);
	close(third);
	close(fourth);
}

static void test_no_memory_for_a_guest(void **state)
{
	struct world *world = *state;
	int fd = dial(&world->address);

	world->has_no_memory = true;
	until(world, &world->door.figures.refused_connections, 1);
	assert_int_equal(world->noted[NOTE_DESCRIPTORS], 1);
	assert_int_equal(census_count(world->census), 0);
	assert_true(is_closed(fd));
	close(fd);
}

/* Each state has its own time; in work there is none. */
static void test_patience(void **state)
{
	static const enum guest_state states[] = { GUEST_IDLE, GUEST_UNFINISHED, GUEST_WRITING };
	struct world *world = *state;
	int working = dial(&world->address), fd;

	until(world, &world->door.figures.connections, 1);
	guest_enlist(world->door.list[GUEST_IDLE].oldest, GUEST_WORKING);
	for (size_t i = 0; i < COUNT(states); i++) {
		fd = dial(&world->address);
		until(world, &world->door.figures.connections, 2);
		guest_enlist(world->door.list[GUEST_IDLE].oldest, states[i]);
		door_set_patience(&world->door, states[i], 1);
		until(world, &world->door.figures.connections, 1);
		door_set_patience(&world->door, states[i], 0);
		assert_int_equal(world->expired, i + 1);
		assert_true(is_closed(fd));
		close(fd);
	}
	assert_false(is_closed(working));
	close(working);
}

/* Only its own guests are dismissed; who is in work stays, without a policy. */
static void test_one_listener_closes(void **state)
{
	struct world *world = *state;
	struct sockaddr_in there;
	struct door_listener *other =
		door_listen(&world->door, listen_somewhere(&there), &world->address);
	int idle = dial(&world->address), busy, elsewhere;
	struct guest *guest;

	until(world, &world->door.figures.connections, 1);
	busy = dial(&world->address);
	until(world, &world->door.figures.connections, 2);
	guest = world->door.list[GUEST_IDLE].newest;
	guest_enlist(guest, GUEST_WORKING);
	elsewhere = dial(&there);
	until(world, &world->door.figures.connections, 3);
	assert_ptr_equal(guest_policy(guest), world);
	door_listener_set_policy(world->listener, other);
	assert_ptr_equal(guest_policy(guest), other);
	door_listener_close(world->listener);
	assert_int_equal(world->dismissed, 2);
	assert_null(guest_policy(guest));
	assert_true(is_closed(idle));
	assert_false(is_closed(busy) || is_closed(elsewhere));
	assert_ptr_equal(guest_policy(world->door.list[GUEST_IDLE].oldest), &world->address);
	close(idle);
	close(busy);
	close(elsewhere);
}

/* At a stop who is in work keeps its policy. */
static void test_drain(void **state)
{
	struct world *world = *state;
	int idle = dial(&world->address), busy;
	struct guest *guest;

	until(world, &world->door.figures.connections, 1);
	busy = dial(&world->address);
	until(world, &world->door.figures.connections, 2);
	guest = world->door.list[GUEST_IDLE].newest;
	guest_enlist(guest, GUEST_WORKING);
	door_drain(&world->door);
	assert_null(world->door.listener);
	assert_ptr_equal(guest_policy(guest), world);
	assert_int_equal(world->door.figures.connections, 1);
	assert_true(is_closed(idle));
	assert_false(is_closed(busy));
	close(idle);
	close(busy);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_shortage_with_an_idle_guest), TEST(test_shortage_of_all),
		TEST(test_shortage_without_reserve),    TEST(test_who_has_spoken_stays),
		TEST(test_no_memory_for_a_guest),       TEST(test_patience),
		TEST(test_one_listener_closes),         TEST(test_drain),
	};

	return cmocka_run_group_tests_name("serve/door", tests, NULL, NULL);
}
