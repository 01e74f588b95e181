/* control_test.c -- lines in, lines out. */
#include "../unit.h"

#include "serve/control.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct world {
	struct event_base *base;
	struct control *control;
	struct control_client *waiting;
	unsigned gone;
	char folder[32];
	struct sockaddr_un address;
};

static void run_echo(void *self, struct control_client *client, struct span request)
{
	(void)self;
	control_answer(client, request);
}

static void run_later(void *self, struct control_client *client, struct span request)
{
	struct world *world = self;

	(void)request;
	world->waiting = client;
}

static void on_gone(void *self, struct control_client *client)
{
	struct world *world = self;

	assert_ptr_equal(client, world->waiting);
	world->gone++;
}

static const struct control_verb verbs[] = {
	{ "echo", run_echo },
	{ "later", run_later },
	{ NULL, NULL },
};

static int world_open(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct control_options options = { .verb = verbs, .self = world, .gone = on_gone };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(world->folder, "control-test-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	world->address.sun_family = AF_UNIX;
	snprintf(world->address.sun_path, sizeof(world->address.sun_path), "%s/s", world->folder);
	assert_int_equal(bind(fd, (struct sockaddr *)&world->address, sizeof(world->address)), 0);
	assert_int_equal(listen(fd, 16), 0);
	world->base = event_base_new();
	options.base = world->base;
	world->control = control_new(&options);
	control_listen(world->control, fd);
	*state = world;
	return 0;
}

static int world_close(void **state)
{
	struct world *world = *state;

	control_free(world->control);
	event_base_free(world->base);
	unlink(world->address.sun_path);
	rmdir(world->folder);
	free(world);
	return 0;
}

static int dial(struct world *world)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&world->address, sizeof(world->address)),
			 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void send_all(int fd, struct span s)
{
	assert_int_equal(write(fd, s.at, s.len), s.len);
}

/* Turn the loop until the client has a whole text, or the other side has closed. */
static void expect(struct world *world, int fd, const char *want)
{
	char have[CONTROL_LINE_BYTES_MAX + 1];
	size_t len = 0, wanted = strlen(want);

	while (len < wanted || wanted == 0) {
		ssize_t got = read(fd, have + len, sizeof(have) - 1 - len);

		if (got == 0)
			break;
		if (got > 0)
			len += (size_t)got;
		else
			event_base_loop(world->base, EVLOOP_ONCE);
	}
	have[len] = '\0';
	assert_string_equal(have, want);
}

static void test_lines(void **state)
{
	static const struct {
		const char *line, *want;
	} lines[] = {
		{ "{\"verb\":\"echo\"}\n", "{\"verb\":\"echo\"}\n" },
		{ "\n", "{\"ok\":false,\"error\":\"the line is no JSON object with a verb\"}\n" },
		{ "[]\n", "{\"ok\":false,\"error\":\"the line is no JSON object with a verb\"}\n" },
		{ "{\"verb\":7}\n",
		  "{\"ok\":false,\"error\":\"the line is no JSON object with a verb\"}\n" },
		{ "{\"verb\":\"echo\\u0000\"}\n",
		  "{\"ok\":false,\"error\":\"the line is no JSON object with a verb\"}\n" },
		{ "{\"verb\":\"x\"}\n", "{\"ok\":false,\"error\":\"no such verb\"}\n" },
		{ "{\"verb\":\"echo\"}\n{\"verb\":\"echo\",\"n\":2}\n",
		  "{\"verb\":\"echo\"}\n{\"verb\":\"echo\",\"n\":2}\n" },
	};
	struct world *world = *state;
	int fd = dial(world);

	for (size_t i = 0; i < COUNT(lines); i++) {
		send_all(fd, span_cstr(lines[i].line));
		expect(world, fd, lines[i].want);
	}
	close(fd);
}

static void test_half_close(void **state)
{
	struct world *world = *state;
	int fd = dial(world);

	send_all(fd, SPAN("{\"verb\":\"echo\"}"));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	expect(world, fd, "{\"verb\":\"echo\"}\n");
	expect(world, fd, "");
	close(fd);
	assert_int_equal(control_client_count(world->control), 0);
}

/* A line with so many bytes before its end. */
static struct span long_line(char *room, size_t len)
{
	memset(room, ' ', len);
	memcpy(room, "{\"verb\":\"echo\"", 14);
	room[len - 1] = '}';
	room[len] = '\n';
	return span_of(room, len + 1);
}

static void test_line_limit(void **state)
{
	struct world *world = *state;
	char *room = malloc(CONTROL_LINE_BYTES_MAX + 2);
	int fd = dial(world);
	size_t len = CONTROL_LINE_BYTES_MAX - 1;

	send_all(fd, long_line(room, len));
	room[len + 1] = '\0';
	expect(world, fd, room);
	/* One beyond; its line end is what no longer fits. */
	send_all(fd, long_line(room, len + 1));
	expect(world, fd, "{\"ok\":false,\"error\":\"the line is too long\"}\n");
	close(fd);
	free(room);
}

static void test_client_limit(void **state)
{
	struct world *world = *state;
	int fd[CONTROL_CLIENTS_MAX + 1];

	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		fd[i] = dial(world);
		send_all(fd[i], SPAN("{\"verb\":\"echo\"}\n"));
		expect(world, fd[i], "{\"verb\":\"echo\"}\n");
	}
	fd[CONTROL_CLIENTS_MAX] = dial(world);
	expect(world, fd[CONTROL_CLIENTS_MAX], "");
	assert_int_equal(control_client_count(world->control), CONTROL_CLIENTS_MAX);
	for (int i = 0; i <= CONTROL_CLIENTS_MAX; i++)
		close(fd[i]);
}

static void test_later(void **state)
{
	struct world *world = *state;
	int fd = dial(world);

	send_all(fd, SPAN("{\"verb\":\"later\"}\n{\"verb\":\"echo\"}\n"));
	while (world->waiting == NULL)
		event_base_loop(world->base, EVLOOP_ONCE);
	control_answer(world->waiting, SPAN("now"));
	expect(world, fd, "now\n{\"verb\":\"echo\"}\n");
	close(fd);
}

static void test_gone(void **state)
{
	struct world *world = *state;
	int fd = dial(world);

	send_all(fd, SPAN("{\"verb\":\"later\"}\n"));
	while (world->waiting == NULL)
		event_base_loop(world->base, EVLOOP_ONCE);
	control_free(world->control);
	world->control = NULL;
	assert_int_equal(world->gone, 1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_half_close, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_line_limit, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_client_limit, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_later, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_gone, world_open, world_close),
	};

	return cmocka_run_group_tests_name("serve/control", tests, NULL, NULL);
}
