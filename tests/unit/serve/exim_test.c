/* exim_test.c -- greylistd's protocol: commands as text, and the front with a keeper of its own. */
#include "../unit.h"

#include "serve/exim.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUNDS_MAX = 2000, PART_BYTES = 64 * 1024, PARTS = 5 };

/* --- commands --- */

#define FORTY "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct {
	const char *name;
	struct span bytes;
	const char *error; /* NULL: action, colours and data are expected */
	enum exim_action action;
	const char *colours;
	const char *data;
} commands[] = {
	{ "bare words", SPAN_INIT("192.0.2.1 a@b c@d"), NULL, EXIM_UPDATE, "",
	  "192.0.2.1 a@b c@d" },
	{ "as Exim sends it", SPAN_INIT("--grey 192.0.2.1 a@b c@d"), NULL, EXIM_UPDATE, "grey",
	  "192.0.2.1 a@b c@d" },
	{ "case, blanks, line end", SPAN_INIT("  UPDATE\t--Grey 1.2.3.4  A@B\r\n"), NULL,
	  EXIM_UPDATE, "grey", "1.2.3.4 a@b" },
	{ "the empty sender", SPAN_INIT("--grey 192.0.2.1  c@d"), NULL, EXIM_UPDATE, "grey",
	  "192.0.2.1 c@d" },
	{ "check", SPAN_INIT("check --white x"), NULL, EXIM_CHECK, "white", "x" },
	{ "one hyphen", SPAN_INIT("-grey x"), NULL, EXIM_UPDATE, "grey", "x" },
	{ "the first option counts", SPAN_INIT("update --white --grey x"), NULL, EXIM_UPDATE,
	  "white", "x" },
	{ "an option behind a word is a word", SPAN_INIT("update x --grey"), NULL, EXIM_UPDATE, "",
	  "x --grey" },
	{ "an action's name behind a word is a word", SPAN_INIT("x list"), NULL, EXIM_UPDATE, "",
	  "x list" },
	{ "an action behind an option is a word", SPAN_INIT("--grey list"), NULL, EXIM_UPDATE,
	  "grey", "list" },
	{ "status ignores options", SPAN_INIT("status --foo x"), NULL, EXIM_STATUS, "", "x" },
	{ "delete ignores options", SPAN_INIT("delete --foo x"), NULL, EXIM_DELETE, "", "x" },
	{ "add", SPAN_INIT("add --black x"), NULL, EXIM_ADD, "black", "x" },
	{ "list", SPAN_INIT("list"), NULL, EXIM_LIST, "", "" },
	{ "list in the asked order, each once", SPAN_INIT("list --grey --white --grey"), NULL,
	  EXIM_LIST, "grey white", "" },
	{ "clear", SPAN_INIT("clear --black"), NULL, EXIM_CLEAR, "black", "" },
	{ "stats", SPAN_INIT("stats"), NULL, EXIM_STATS, "", "" },
	{ "mrtg", SPAN_INIT("mrtg\n"), NULL, EXIM_MRTG, "", "" },
	{ "save ignores options", SPAN_INIT("save --foo"), NULL, EXIM_SAVE, "", "" },
	{ "reload", SPAN_INIT("reload"), NULL, EXIM_RELOAD, "", "" },
	{ "NUL and bytes above 126 are bytes", SPAN_INIT("a\0b \xff\xfe"), NULL, EXIM_UPDATE, "",
	  NULL },

	{ "nothing", SPAN_INIT(""), "error: No data received", 0, NULL, NULL },
	{ "blanks", SPAN_INIT(" \t\r\n"), "error: No data received", 0, NULL, NULL },
	{ "update without data", SPAN_INIT("update"), "error: Missing argument", 0, NULL, NULL },
	{ "an option alone", SPAN_INIT("--grey"), "error: Missing argument", 0, NULL, NULL },
	{ "check without data", SPAN_INIT("check"), "error: Missing argument", 0, NULL, NULL },
	{ "status without data", SPAN_INIT("status"), "error: Missing argument", 0, NULL, NULL },
	{ "add without data", SPAN_INIT("add --white"), "error: Missing argument", 0, NULL, NULL },
	{ "delete without data", SPAN_INIT("delete"), "error: Missing argument", 0, NULL, NULL },
	{ "list with data", SPAN_INIT("list foo"), "error: Too many arguments", 0, NULL, NULL },
	{ "list with colour and data", SPAN_INIT("list --white foo"), "error: Too many arguments",
	  0, NULL, NULL },
	{ "stats with data", SPAN_INIT("stats foo"), "error: Too many arguments", 0, NULL, NULL },
	{ "mrtg with data", SPAN_INIT("mrtg foo"), "error: Too many arguments", 0, NULL, NULL },
	{ "save with data", SPAN_INIT("save foo"), "error: Too many arguments", 0, NULL, NULL },
	{ "reload with data", SPAN_INIT("reload foo"), "error: Too many arguments", 0, NULL, NULL },
	{ "clear with data", SPAN_INIT("clear foo"), "error: Too many arguments", 0, NULL, NULL },
	{ "no such state", SPAN_INIT("--nope x"), "error: 'nope' is not a known state", 0, NULL,
	  NULL },
	{ "hyphens alone", SPAN_INIT("-- x"), "error: '' is not a known state", 0, NULL, NULL },
	{ "no such list: add", SPAN_INIT("add --foo x"), "error: No such list: 'foo'", 0, NULL,
	  NULL },
	{ "no such list: list", SPAN_INIT("list --foo"), "error: Invalid list: foo", 0, NULL,
	  NULL },
	{ "no such list: clear", SPAN_INIT("clear --white --foo"), "error: Invalid list: 'foo'", 0,
	  NULL, NULL },
	{ "a word at the shown limit", SPAN_INIT("list --" FORTY), "error: Invalid list: " FORTY, 0,
	  NULL, NULL },
	{ "one byte beyond is cut", SPAN_INIT("list --" FORTY "y"), "error: Invalid list: " FORTY,
	  0, NULL, NULL },
	{ "what is shown is clean", SPAN_INIT("list --\033\0\xff"), "error: Invalid list: ???", 0,
	  NULL, NULL },
};

static void add_colours(struct text *text, const struct exim_command *command)
{
	for (uint8_t i = 0; i < command->colour_count; i++) {
		if (i > 0)
			text_add_char(text, ' ');
		text_add(text, exim_colour_name(command->colour[i]));
	}
}

static void test_commands(void **state)
{
	static char room[EXIM_COMMAND_BYTES_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		struct exim_command command;
		TEXT(error, EXIM_ERROR_MAX);
		TEXT(colours, 32);
		enum err err = exim_command_parse(commands[i].bytes, room, &error, &command);

		if (commands[i].error != NULL) {
			assert_int_equal(err, ERR_SYNTAX);
			assert_string_equal(text_cstr(&error), commands[i].error);
			continue;
		}
		if (err != OK)
			print_error("%s\n", commands[i].name);
		assert_int_equal(err, OK);
		assert_int_equal(command.action, commands[i].action);
		add_colours(&colours, &command);
		assert_string_equal(text_cstr(&colours), commands[i].colours);
		if (commands[i].data != NULL)
			assert_true(span_equal(command.data, span_cstr(commands[i].data)));
		else
			assert_true(span_equal(command.data, SPAN("a\0b \xff\xfe")));
	}
}

/* At the limit all of it is taken, one beyond the last byte is not. */
static void test_longest_command(void **state)
{
	static char bytes[EXIM_COMMAND_BYTES_MAX + 1], room[EXIM_COMMAND_BYTES_MAX];

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	for (size_t len = EXIM_COMMAND_BYTES_MAX; len <= sizeof(bytes); len++) {
		struct exim_command command;
		TEXT(error, EXIM_ERROR_MAX);

		assert_int_equal(exim_command_parse(span_of(bytes, len), room, &error, &command),
				 OK);
		assert_int_equal(command.data.len, EXIM_COMMAND_BYTES_MAX);
	}
}

/* --- the front --- */

struct world {
	struct event_base *base;
	struct census *census;
	struct exim *exim;
	struct door_listener *listener;
	struct sockaddr_in address;
	struct exim_client *later;
	unsigned runs, left, parts, parts_wanted;
	unsigned noted[NOTE_COUNT];
};

static char part[PART_BYTES];

/* "later" waits for the test, "parts" is answered by PARTS of them; else the data comes back. */
static void run(void *self, struct exim_client *client, const void *policy,
		const struct exim_command *command)
{
	struct world *world = self;

	assert_ptr_equal(policy, world);
	world->runs++;
	if (span_equal(command->data, SPAN("later")))
		world->later = client;
	else if (span_equal(command->data, SPAN("parts")))
		exim_answer_part(client, span_of(part, sizeof(part)));
	else
		exim_answer(client, command->data);
}

static void more(void *self, struct exim_client *client)
{
	struct world *world = self;

	if (++world->parts < world->parts_wanted)
		exim_answer_part(client, span_of(part, sizeof(part)));
	else
		exim_answer(client, SPAN("end"));
}

static void leave(void *self, struct exim_client *client)
{
	struct world *world = self;

	world->left++;
	if (world->later == client)
		world->later = NULL;
}

static void note(void *self, enum front_note note_, struct span peer)
{
	struct world *world = self;

	(void)peer;
	world->noted[note_]++;
}

static int world_open(void **state)
{
	static const struct hash_key key = { { 3, 4 } };
	const struct census_limits limits = { 4, 3 };
	struct world *world = calloc(1, sizeof(*world));
	struct exim_options options = {
		.keeper = { world, run, more, leave, note },
		.limits = { 60000, 60000 },
	};
	socklen_t len = sizeof(world->address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	world->address = (struct sockaddr_in){ .sin_family = AF_INET };
	world->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&world->address, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&world->address, &len), 0);
	world->parts_wanted = PARTS;
	world->base = event_base_new();
	world->census = census_new(&limits, &key);
	options.base = world->base;
	options.census = world->census;
	world->exim = exim_new(&options);
	world->listener = exim_listen(world->exim, fd, world);
	assert_non_null(world->listener);
	*state = world;
	return 0;
}

static int world_close(void **state)
{
	struct world *world = *state;

	exim_free(world->exim);
	assert_int_equal(census_count(world->census), 0);
	census_free(world->census);
	event_base_free(world->base);
	free(world);
	return 0;
}

/* A client of 127.0.0.number. */
static int client(struct world *world, unsigned number)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + number);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	connect(fd, (struct sockaddr *)&world->address, sizeof(world->address));
	return fd;
}

static void turn(struct world *world)
{
	event_base_loop(world->base, EVLOOP_NONBLOCK);
}

static int client_that_says(struct world *world, struct span text)
{
	int fd = client(world, 1);

	turn(world);
	assert_int_equal(write(fd, text.at, text.len), text.len);
	return fd;
}

/* All that comes until the end; the loop turns while nothing does.  @return how many bytes */
static size_t read_all(struct world *world, int fd, char *room, size_t room_bytes)
{
	size_t len = 0;

	for (int i = 0; i < ROUNDS_MAX; i++) {
		ssize_t count = read(fd, room, room_bytes);

		if (count == 0)
			return len;
		if (count > 0)
			len += (size_t)count;
		else
			event_base_loop(world->base, EVLOOP_ONCE);
	}
	fail_msg("no end");
	return 0;
}

static void assert_answer(struct world *world, int fd, const char *answer)
{
	char room[256] = { 0 };

	assert_int_equal(read_all(world, fd, room, sizeof(room)), strlen(answer));
	assert_memory_equal(room, answer, strlen(answer));
	close(fd);
}

static void test_word_without_line_end(void **state)
{
	struct world *world = *state;

	assert_answer(world, client_that_says(world, SPAN("--grey 1.2.3.4 a@b c@d")),
		      "1.2.3.4 a@b c@d");
	assert_int_equal(exim_figures(world->exim)->connections, 0);
	assert_int_equal(exim_figures(world->exim)->commands, 1);
}

static void test_half_close(void **state)
{
	struct world *world = *state;
	int fd = client_that_says(world, SPAN("later"));

	shutdown(fd, SHUT_WR);
	for (int i = 0; i < ROUNDS_MAX && world->later == NULL; i++)
		turn(world);
	assert_non_null(world->later);
	turn(world);
	exim_answer(world->later, SPAN("grey"));
	world->later = NULL;
	assert_answer(world, fd, "grey");
}

static void test_half_close_without_a_word(void **state)
{
	struct world *world = *state;
	int fd = client(world, 1);

	shutdown(fd, SHUT_WR);
	assert_answer(world, fd, "error: No data received");
	assert_int_equal(exim_figures(world->exim)->broken_commands, 1);
}

static void test_more_than_a_command(void **state)
{
	static char bytes[40000];
	struct world *world = *state;
	char room[EXIM_COMMAND_BYTES_MAX + 1];
	int fd = client(world, 1);
	size_t len;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)('!' + i * 7 % 90);
	turn(world);
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	len = read_all(world, fd, room, sizeof(room));
	assert_true(len > 0 && len <= EXIM_COMMAND_BYTES_MAX);
	close(fd);
}

static void test_parts(void **state)
{
	struct world *world = *state;
	static char room[PART_BYTES];
	int fd = client_that_says(world, SPAN("parts"));

	assert_int_equal(read_all(world, fd, room, sizeof(room)), PARTS * PART_BYTES + 3);
	assert_int_equal(world->left, 0);
	close(fd);
}

static void wait_for(struct world *world, const unsigned *count)
{
	for (int i = 0; i < ROUNDS_MAX && *count == 0; i++)
		event_base_loop(world->base, EVLOOP_ONCE);
	assert_int_equal(*count, 1);
}

static void test_unread(void **state)
{
	struct world *world = *state;
	int fd;

	exim_set_limits(world->exim, &(struct exim_limits){ 60000, 20 });
	fd = client(world, 1);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ 1024 }, sizeof(int));
	turn(world);
	/* More than the system keeps for a client that does not read. */
	assert_int_equal(write(fd, "parts", 5), 5);
	world->parts_wanted = 1000;
	wait_for(world, &world->noted[NOTE_UNREAD]);
	assert_int_equal(world->left, 1);
	assert_int_equal(exim_figures(world->exim)->unread_closed, 1);
	close(fd);
}

static void test_silent(void **state)
{
	struct world *world = *state;
	int fd;

	exim_set_limits(world->exim, &(struct exim_limits){ 20, 60000 });
	fd = client(world, 1);
	wait_for(world, &world->noted[NOTE_UNFINISHED]);
	assert_answer(world, fd, "");
	assert_int_equal(world->left, 0);
}

static void test_gone_while_in_work(void **state)
{
	struct world *world = *state;
	int fd = client_that_says(world, SPAN("later"));

	for (int i = 0; i < ROUNDS_MAX && world->later == NULL; i++)
		turn(world);
	close(fd);
	turn(world);
	/* Nobody reads it; nothing breaks. */
	exim_answer(world->later, SPAN("grey"));
	world->later = NULL;
	assert_int_equal(world->left, 0);
}

static void test_full(void **state)
{
	struct world *world = *state;
	int fd[5];

	for (unsigned i = 0; i < 5; i++) {
		fd[i] = client(world, i + 1);
		turn(world);
	}
	assert_int_equal(exim_figures(world->exim)->connections, 4);
	assert_int_equal(exim_figures(world->exim)->evicted, 1);
	assert_answer(world, fd[0], "");
	for (unsigned i = 1; i < 5; i++) {
		assert_int_equal(write(fd[i], "x", 1), 1);
		assert_answer(world, fd[i], "x");
	}
}

/* The idle one of another front, which another worker has, goes for it. */
static void test_full_elsewhere(void **state)
{
	struct world *world = *state;
	struct exim_options options = {
		.base = world->base,
		.census = world->census,
		.keeper = { world, run, more, leave, note },
		.limits = { 60000, 60000 },
	};
	struct exim *other = exim_new(&options);
	struct sockaddr_in there = { .sin_family = AF_INET }, here = world->address;
	socklen_t len = sizeof(there);
	int fd[5], listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listen_fd, (struct sockaddr *)&there, len), 0);
	assert_int_equal(listen(listen_fd, 16), 0);
	assert_int_equal(getsockname(listen_fd, (struct sockaddr *)&there, &len), 0);
	assert_non_null(exim_listen(other, listen_fd, world));
	for (unsigned i = 0; i < 5; i++) {
		world->address = i < 4 ? here : there;
		fd[i] = client(world, i + 1);
		turn(world);
	}
	assert_answer(world, fd[0], "");
	assert_int_equal(exim_figures(world->exim)->evicted, 1);
	for (unsigned i = 1; i < 5; i++) {
		assert_int_equal(write(fd[i], "x", 1), 1);
		assert_answer(world, fd[i], "x");
	}
	exim_free(other);
}

static void test_full_of_work(void **state)
{
	struct world *world = *state;
	struct exim_client *in_work[3] = { 0 };
	int fd[4];

	for (unsigned i = 0; i < 3; i++) {
		fd[i] = client_that_says(world, SPAN("later"));
		world->later = NULL;
		for (int k = 0; k < ROUNDS_MAX && world->later == NULL; k++)
			turn(world);
		in_work[i] = world->later;
	}
	fd[3] = client(world, 1); /* the fourth of one source */
	wait_for(world, &world->noted[NOTE_SOURCE]);
	assert_int_equal(exim_figures(world->exim)->refused_connections, 1);
	assert_answer(world, fd[3], "");
	for (unsigned i = 0; i < 3; i++) {
		exim_answer(in_work[i], SPAN("white"));
		assert_answer(world, fd[i], "white");
	}
	world->later = NULL;
}

static void test_listener_closes(void **state)
{
	struct world *world = *state;
	int silent = client(world, 1), quick;

	turn(world);
	quick = client(world, 1);
	turn(world);
	assert_int_equal(write(quick, "x", 1), 1);
	exim_drain(world->exim);
	assert_answer(world, silent, "");
	assert_answer(world, quick, "x");
	assert_int_equal(exim_figures(world->exim)->connections, 0);
}

static void test_end_leaves_who_is_in_work(void **state)
{
	struct world *world = *state;
	int fd = client_that_says(world, SPAN("later"));

	for (int i = 0; i < ROUNDS_MAX && world->later == NULL; i++)
		turn(world);
	exim_free(world->exim);
	world->exim = NULL;
	assert_int_equal(world->left, 1);
	close(fd);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_longest_command),
		WITH_WORLD(test_word_without_line_end),
		WITH_WORLD(test_half_close),
		WITH_WORLD(test_half_close_without_a_word),
		WITH_WORLD(test_more_than_a_command),
		WITH_WORLD(test_parts),
		WITH_WORLD(test_unread),
		WITH_WORLD(test_silent),
		WITH_WORLD(test_gone_while_in_work),
		WITH_WORLD(test_full),
		WITH_WORLD(test_full_elsewhere),
		WITH_WORLD(test_full_of_work),
		WITH_WORLD(test_listener_closes),
		WITH_WORLD(test_end_leaves_who_is_in_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
