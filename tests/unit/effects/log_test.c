/* log_test.c -- readers that read, that are slow, that are gone. */
#include "../unit.h"

#include "effects/log.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct log *open_pipe(int fds[2], enum log_way way)
{
	struct log_options options = { .way = way };

	assert_int_equal(pipe(fds), 0);
	options.fd = fds[1];
	return log_new(&options);
}

/* Read up to and with a text. */
static void read_until(int fd, char *have, size_t room, const char *want)
{
	size_t len = 0;

	for (have[0] = '\0'; strstr(have, want) == NULL; have[len] = '\0') {
		ssize_t got = read(fd, have + len, room - 1 - len);

		assert_true(got > 0);
		len += (size_t)got;
	}
}

static void test_stderr(void **state)
{
	char have[4096];
	int fds[2];
	struct log *log = open_pipe(fds, LOG_WAY_STDERR);

	(void)state;
	log_say(log, KIND_ALWAYS, LEVEL_INFO, "hello %d", 1);
	read_until(fds[0], have, sizeof(have), "hello 1\n");
	/* 2026-11-20T10:41:07.123Z hello 1 */
	assert_int_equal(strlen(have), 24 + strlen(" hello 1\n"));
	assert_int_equal(have[10], 'T');
	log_free(log);
	close(fds[0]);
	close(fds[1]);
}

static void test_journal(void **state)
{
	char have[4096];
	int fds[2];
	struct log *log = open_pipe(fds, LOG_WAY_JOURNAL);

	(void)state;
	log_say(log, KIND_ALWAYS, LEVEL_WARNING, "hello");
	read_until(fds[0], have, sizeof(have), "hello\n");
	assert_string_equal(have, "<4>hello\n");
	log_free(log);
	close(fds[0]);
	close(fds[1]);
}

static void test_gate(void **state)
{
	char have[4096];
	int fds[2];
	struct log *log = open_pipe(fds, LOG_WAY_JOURNAL);

	(void)state;
	for (int i = 0; i < 3; i++)
		log_say(log, KIND_LINE_LIMIT, LEVEL_WARNING, "limited %d", i);
	log_say(log, KIND_NAME_LIMIT, LEVEL_WARNING, "another kind");
	for (int i = 0; i < 20; i++)
		log_say(log, KIND_ALWAYS, LEVEL_INFO, "always %d", i);
	read_until(fds[0], have, sizeof(have), "always 19\n");
	assert_non_null(strstr(have, "<4>limited 0\n<4>another kind\n<6>always 0\n"));
	assert_null(strstr(have, "limited 1"));
	log_free(log);
	close(fds[0]);
	close(fds[1]);
}

static void test_long_lines(void **state)
{
	char line[LOG_LINE_BYTES_MAX + 2], *have = malloc(4 * LOG_LINE_BYTES_MAX);
	struct log_batch batch;
	int fds[2];
	struct log *log = open_pipe(fds, LOG_WAY_JOURNAL);

	(void)state;
	memset(line, 'x', sizeof(line));
	assert_true(log_batch_init(&batch));
	log_batch_add(log, &batch, LEVEL_INFO, span_of(line, LOG_LINE_BYTES_MAX));
	log_batch_add(log, &batch, LEVEL_INFO, span_of(line, LOG_LINE_BYTES_MAX + 1));
	log_batch_add(log, &batch, LEVEL_INFO, SPAN("end"));
	log_batch_push(log, &batch);
	read_until(fds[0], have, 4 * LOG_LINE_BYTES_MAX, "end\n");
	assert_int_equal(strlen(have), 2 * (LOG_LINE_BYTES_MAX + 4) + strlen("<6>end\n"));
	log_batch_release(&batch);
	log_free(log);
	free(have);
	close(fds[0]);
	close(fds[1]);
}

/* Nobody reads: nothing waits, what does not fit is counted, and said when somebody reads. */
static void test_slow_reader(void **state)
{
	enum { ROOM = 4 * LOG_RING_BYTES };
	char line[1000], *have = malloc(ROOM);
	struct log_batch batch;
	int fds[2];
	struct log *log = open_pipe(fds, LOG_WAY_JOURNAL);

	(void)state;
	memset(line, 'x', sizeof(line));
	assert_true(log_batch_init(&batch));
	for (size_t i = 0; i < 2 * LOG_RING_BYTES / sizeof(line); i++)
		log_batch_add(log, &batch, LEVEL_INFO, span_of(line, sizeof(line)));
	log_batch_push(log, &batch);
	assert_true(log_dropped(log) > 0);
	read_until(fds[0], have, ROOM, "lines are lost\n");
	log_say(log, KIND_ALWAYS, LEVEL_INFO, "well again");
	read_until(fds[0], have, ROOM, "well again\n");
	log_batch_release(&batch);
	log_free(log);
	free(have);
	close(fds[0]);
	close(fds[1]);
}

static void test_dead_reader(void **state)
{
	int fds[2];
	struct log *log = open_pipe(fds, LOG_WAY_JOURNAL);

	(void)state;
	close(fds[0]);
	for (int i = 0; i < 1000; i++)
		log_say(log, KIND_ALWAYS, LEVEL_INFO, "nobody reads %d", i);
	log_free(log);
	close(fds[1]);
}

/* A syslog of one's own. */
struct syslog {
	char folder[32], path[64];
	int fd;
};

static void syslog_open(struct syslog *syslog)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", syslog->path);
	syslog->fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_int_equal(bind(syslog->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void syslog_close(struct syslog *syslog)
{
	close(syslog->fd);
	unlink(syslog->path);
}

static void expect_datagram(struct syslog *syslog, const char *begin, const char *end)
{
	char have[LOG_LINE_BYTES_MAX * 2];
	ssize_t len = recv(syslog->fd, have, sizeof(have), 0);
	struct span datagram = span_of(have, (size_t)len);

	assert_true(len > 0);
	if (!span_starts(datagram, span_cstr(begin)) || !span_ends(datagram, span_cstr(end)))
		fail_msg("have \"%.*s\"", SPAN_ARG(datagram));
}

static void test_syslog(void **state)
{
	struct syslog syslog = { .folder = "log-test-XXXXXX" };
	struct log_options options = { .way = LOG_WAY_SYSLOG, .ident = "weighd" };
	struct log *log;

	(void)state;
	assert_non_null(mkdtemp(syslog.folder));
	snprintf(syslog.path, sizeof(syslog.path), "%s/log", syslog.folder);
	options.socket_path = syslog.path;
	syslog_open(&syslog);
	log = log_new(&options);
	log_say(log, KIND_ALWAYS, LEVEL_INFO, "one");
	log_say(log, KIND_ALWAYS, LEVEL_ERROR, "two");
	/* facility mail is 2: 2 * 8 + 6, 2 * 8 + 3 */
	expect_datagram(&syslog, "<22>", "]: one");
	expect_datagram(&syslog, "<19>", "]: two");
	/* It goes, lines wait; it comes back, they arrive. */
	syslog_close(&syslog);
	log_say(log, KIND_ALWAYS, LEVEL_INFO, "three");
	syslog_open(&syslog);
	expect_datagram(&syslog, "<22>", "]: three");
	log_free(log);
	syslog_close(&syslog);
	rmdir(syslog.folder);
}

static void test_redirect(void **state)
{
	char have[4096];
	int fds[2], others[2];
	struct log *log = open_pipe(fds, LOG_WAY_JOURNAL);
	struct log_options options = { .way = LOG_WAY_JOURNAL };

	(void)state;
	assert_int_equal(pipe(others), 0);
	options.fd = others[1];
	log_redirect(log, &options);
	log_say(log, KIND_ALWAYS, LEVEL_INFO, "there");
	read_until(others[0], have, sizeof(have), "there\n");
	log_free(log);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(others[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stderr),      cmocka_unit_test(test_journal),
		cmocka_unit_test(test_gate),        cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_slow_reader), cmocka_unit_test(test_dead_reader),
		cmocka_unit_test(test_syslog),      cmocka_unit_test(test_redirect),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("effects/log", tests, NULL, NULL);
}
