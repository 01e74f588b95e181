/* listening_test.c -- sockets that are made, refused, found stale, taken away. */
#include "../unit.h"

#include "daemon/listening.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { WHY_MAX = 200 };

struct world {
	char folder[40];
	char path[80];
	struct listener listener;
	struct owner owner;
};

static int world_open(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	strcpy(world->folder, "listening-test-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	snprintf(world->path, sizeof(world->path), "%s/s", world->folder);
	world->listener = (struct listener){ .is_unix = true, .path = span_cstr(world->path) };
	world->owner = (struct owner){ geteuid(), getegid() };
	*state = world;
	return 0;
}

static int world_close(void **state)
{
	struct world *world = *state;

	unlink(world->path);
	rmdir(world->folder);
	free(world);
	return 0;
}

static struct listening open_well(struct world *world)
{
	struct listening listening;
	TEXT(why, WHY_MAX);

	if (listening_open(&world->listener, &world->owner, &why, &listening) != OK)
		fail_msg("%s", text_cstr(&why));
	return listening;
}

static void open_refused(struct world *world, const char *want)
{
	struct listening listening;
	TEXT(why, WHY_MAX);

	assert_int_not_equal(listening_open(&world->listener, &world->owner, &why, &listening), OK);
	if (!span_has(text_span(&why), span_cstr(want)))
		fail_msg("have \"%s\", want \"%s\"", text_cstr(&why), want);
}

static void test_mode(void **state)
{
	static const struct {
		uint32_t mode;
		mode_t mask, want;
	} modes[] = { { 0660, 077, 0660 }, { 0600, 0, 0600 }, { 0, 027, 0750 }, { 0, 0, 0777 } };
	struct world *world = *state;

	for (size_t i = 0; i < COUNT(modes); i++) {
		mode_t before = umask(modes[i].mask);
		struct listening listening;
		struct stat status;

		world->listener.mode = modes[i].mode;
		listening = open_well(world);
		assert_int_equal(umask(before), modes[i].mask);
		assert_int_equal(stat(world->path, &status), 0);
		assert_int_equal(status.st_mode & 0777, modes[i].want);
		listening_close(&listening);
		assert_int_not_equal(access(world->path, F_OK), 0);
	}
}

static void test_somebody_answers(void **state)
{
	struct world *world = *state;
	struct listening listening = open_well(world);

	open_refused(world, "somebody answers there already");
	listening_close(&listening);
}

static void test_stale(void **state)
{
	struct world *world = *state;
	struct listening listening = open_well(world), second;

	/* As after a crash: nobody listens, the name is left. */
	close(listening.fd);
	second = open_well(world);
	/* The name is the second one's now. */
	listening.fd = dup(second.fd);
	listening_close(&listening);
	listening_close(&second);
	assert_int_not_equal(access(world->path, F_OK), 0);
}

static void test_no_socket(void **state)
{
	struct world *world = *state;

	close(open(world->path, O_CREAT | O_WRONLY, 0600));
	open_refused(world, "no socket stands there");
	assert_int_equal(access(world->path, F_OK), 0);
}

static void test_link(void **state)
{
	struct world *world = *state;

	assert_int_equal(symlink("/nowhere", world->path), 0);
	open_refused(world, "no socket stands there");
}

static void test_open_directory(void **state)
{
	struct world *world = *state;

	assert_int_equal(chmod(world->folder, 01777), 0);
	open_refused(world, "others can write there");
	assert_int_equal(chmod(world->folder, 0770), 0);
	struct listening listening = open_well(world);

	listening_close(&listening);
}

static void test_long_path(void **state)
{
	struct world *world = *state;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];

	memset(path, 'x', sizeof(path));
	world->listener.path = span_of(path, sizeof(path) - 1);
	open_refused(world, "longer than 107 bytes");
}

static void test_inet(void **state)
{
	static const char *const addresses[] = { "127.0.0.1", "::1" };
	struct world *world = *state;

	for (size_t i = 0; i < COUNT(addresses); i++) {
		struct listening listening;
		TEXT(where, LISTENER_TEXT_MAX);

		world->listener = (struct listener){ 0 };
		assert_int_equal(ip_parse(span_cstr(addresses[i]), &world->listener.address), OK);
		listening = open_well(world);
		text_add_listening(&where, &listening);
		assert_true(span_starts(text_span(&where),
					i == 0 ? SPAN("inet:127.0.0.1:") : SPAN("inet:[::1]:")));
		assert_false(span_ends(text_span(&where), SPAN(":0")));
		listening_close(&listening);
		assert_int_equal(listening.fd, -1);
	}
}

static void test_equal(void **state)
{
	struct listener a = { .is_unix = true, .path = SPAN("/a"), .mode = 0660 }, b = a;
	struct listener inet = { .port = 1 }, other = { .port = 2 };

	(void)state;
	assert_true(listener_equal(&a, &b));
	b.mode = 0600;
	assert_false(listener_equal(&a, &b));
	assert_false(listener_equal(&a, &inet));
	assert_false(listener_equal(&inet, &other));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mode),      TEST(test_somebody_answers),
		TEST(test_stale),     TEST(test_no_socket),
		TEST(test_link),      TEST(test_open_directory),
		TEST(test_long_path), TEST(test_inet),
		TEST(test_equal),
	};

	return cmocka_run_group_tests_name("daemon/listening", tests, NULL, NULL);
}
