/* notice_test.c -- mails about limits: their text, and the process with a sendmail of our own. */
#include "../unit.h"

#include "daemon/notice_priv.h"

#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000, SHORT_PATIENCE_MS = 300, SENT_MAX = 1000 };

#define AT_MS INT64_C(1795178074000) /* 2026-11-20T12:34:34Z */

static const struct notice reached = {
	.address = SPAN_INIT("postmaster@example.org"),
	.limit = SPAN_INIT("user-hour"),
	.key = SPAN_INIT("anna@example.org"),
	.counting = SPAN_INIT("recipients"),
	.number = SPAN_INIT("K7Q2-9F3D"),
	.used = 101,
	.most = 100,
	.period_ms = 3600000,
	.at_ms = AT_MS,
	.until_ms = AT_MS + 3600000,
};

static const char mail_of_it[] =
	"From: weighd <weighd@mx.example.org>\n"
	"To: postmaster@example.org\n"
	"Date: Fri, 20 Nov 2026 12:34:34 +0000\n"
	"Message-ID: <1795178074000.K7Q2-9F3D.weighd@mx.example.org>\n"
	"Subject: weighd: limit user-hour is reached\n"
	"Auto-Submitted: auto-generated\n"
	"Precedence: bulk\n"
	"MIME-Version: 1.0\n"
	"Content-Type: text/plain; charset=utf-8\n"
	"Content-Transfer-Encoding: 8bit\n"
	"\n"
	"Limit user-hour is reached.\n"
	"\n"
	"    key      anna@example.org\n"
	"    used     101 of 100 recipients in 1h\n"
	"    when     2026-11-20T12:34:34.000Z\n"
	"    number   K7Q2-9F3D\n"
	"\n"
	"The log says more under that number.  No other notice of this limit and key comes\n"
	"before 2026-11-20T13:34:34.000Z.\n";

/* --- texts --- */

static void test_mail(void **state)
{
	TEXT(mail, NOTICE_MAIL_MAX);

	(void)state;
	notice_write(&reached, SPAN("mx.example.org"), 0, &mail);
	assert_string_equal(text_cstr(&mail), mail_of_it);
	text_clear(&mail);
	notice_write(&reached, SPAN("mx.example.org"), 7, &mail);
	assert_true(
		span_has(text_span(&mail), SPAN("\nBefore this one 7 notices were not mailed")));
}

/* Whatever a stranger made the key of, it stays one line of the text. */
static void test_strange_key(void **state)
{
	struct notice notice = reached;
	TEXT(mail, NOTICE_MAIL_MAX);

	(void)state;
	notice.key = SPAN("x\n.\nSubject: y\r\033[2J\xff");
	notice_write(&notice, SPAN("mx.example.org"), 0, &mail);
	assert_true(span_has(text_span(&mail),
			     SPAN("key      x\\x0a.\\x0aSubject: y\\x0d\\x1b[2J\\xff\n")));
}

static void test_record(void **state)
{
	static char longest[NOTICE_TEXTS_MAX + 1];
	struct notice notice = { .address = SPAN("a@b") }, back;
	struct notice_record record;

	(void)state;
	assert_true(notice_pack(&reached, &record));
	assert_int_equal(notice_unpack(&record, &back), OK);
	check_span(back.address, reached.address, "address");
	check_span(back.limit, reached.limit, "limit");
	check_span(back.key, reached.key, "key");
	check_span(back.counting, reached.counting, "counting");
	check_span(back.number, reached.number, "number");
	assert_int_equal(back.used, 101);
	assert_int_equal(back.most, 100);
	assert_int_equal(back.period_ms, 3600000);
	assert_int_equal(back.at_ms, AT_MS);
	assert_int_equal(back.until_ms, AT_MS + 3600000);

	memset(longest, 'x', sizeof(longest));
	notice.key = span_of(longest, NOTICE_TEXTS_MAX - 3);
	assert_true(notice_pack(&notice, &record));
	assert_int_equal(notice_unpack(&record, &back), OK);
	notice.key = span_of(longest, NOTICE_TEXTS_MAX - 2);
	assert_false(notice_pack(&notice, &record));
	record.len[NOTICE_NUMBER] = NOTICE_TEXTS_MAX;
	assert_int_equal(notice_unpack(&record, &back), ERR_SYNTAX);
}

static void test_address(void **state)
{
	static const struct {
		struct span address;
		enum err want;
	} cases[] = {
		{ SPAN_INIT("postmaster@example.org"), OK },
		{ SPAN_INIT("root"), OK },
		{ SPAN_INIT(""), ERR_SYNTAX },
		{ SPAN_INIT("-bs"), ERR_SYNTAX },
		{ SPAN_INIT("a b@c"), ERR_SYNTAX },
		{ SPAN_INIT("a@b\nBcc: c@d"), ERR_SYNTAX },
		{ SPAN_INIT("a@b\0"), ERR_SYNTAX },
		{ SPAN_INIT("\xc3\xa4@b"), ERR_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct notice notice = { .address = cases[i].address }, back;
		struct notice_record record;

		assert_true(notice_pack(&notice, &record));
		assert_int_equal(notice_unpack(&record, &back), cases[i].want);
	}
}

/* --- the process --- */

struct world {
	char folder[64];
	char program[96], fifo[96];
	int fifo_fd;
	struct event_base *base;
	struct notices *notices;
	unsigned troubles;
	char trouble[NOTICE_TROUBLE_MAX];
};

static void say(void *self, const char *text)
{
	struct world *world = self;

	world->troubles++;
	(void)snprintf(world->trouble, sizeof(world->trouble), "%s", text);
}

static int world_open(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_true(snprintf(world->folder, sizeof(world->folder), "/tmp/notice-XXXXXX") > 0);
	assert_non_null(mkdtemp(world->folder));
	assert_true(snprintf(world->program, sizeof(world->program), "%s/sendmail", world->folder) >
		    0);
	assert_true(snprintf(world->fifo, sizeof(world->fifo), "%s/fifo", world->folder) > 0);
	assert_int_equal(mkfifo(world->fifo, 0600), 0);
	world->fifo_fd = open(world->fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	world->base = event_base_new();
	*state = world;
	return 0;
}

static int world_close(void **state)
{
	struct world *world = *state;

	notice_free(world->notices);
	event_base_free(world->base);
	close(world->fifo_fd);
	unlink(world->fifo);
	unlink(world->program);
	rmdir(world->folder);
	free(world);
	return 0;
}

/* script: what sendmail does; FIFO in it is the way to the test. */
static void start(struct world *world, const char *script, uint32_t a_minute, int64_t patience_ms)
{
	struct notice_options options = {
		.program = span_cstr(world->program),
		.hostname = SPAN("mx.example.org"),
		.a_minute_max = a_minute,
		.patience_ms = patience_ms,
	};
	FILE *file = fopen(world->program, "we");
	TEXT(why, 128);

	assert_non_null(file);
	assert_true(fprintf(file, "#!/bin/sh\nFIFO=%s\n%s\n", world->fifo, script) > 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(world->program, 0700), 0);
	assert_int_equal(notice_start(&options, &why, &world->notices), OK);
	notice_listen(world->notices, world->base, say, world);
}

/* What sendmail says, up to a line "end". */
static void expect_said(struct world *world, const char *want)
{
	static char said[16 * 1024];
	size_t len = 0;

	while (!span_ends(span_of(said, len), SPAN("end\n"))) {
		struct pollfd at = { .fd = world->fifo_fd, .events = POLLIN };
		ssize_t count;

		assert_int_equal(poll(&at, 1, PATIENCE_MS), 1);
		count = read(world->fifo_fd, said + len, sizeof(said) - len);
		assert_true(count > 0);
		len += (size_t)count;
	}
	check_span(span_of(said, len), span_cstr(want), "said");
}

static void expect_trouble(struct world *world, const char *want)
{
	world->troubles = 0;
	while (world->troubles == 0)
		event_base_loop(world->base, EVLOOP_ONCE);
	assert_string_equal(world->trouble, want);
}

static void test_mailed(void **state)
{
	struct world *world = *state;
	TEXT(want, NOTICE_MAIL_MAX);

	start(world, "{ echo \"$*\"; cat; echo end; } > $FIFO", 10, PATIENCE_MS);
	assert_true(notice_send(world->notices, &reached));
	text_add(&want, SPAN("-i -f <> -- postmaster@example.org\n"));
	text_add(&want, span_cstr(mail_of_it));
	text_add(&want, SPAN("end\n"));
	expect_said(world, text_cstr(&want));
	assert_int_equal(notice_dropped(world->notices), 0);
}

/* It gets nothing of ours: no descriptor, no environment. */
static void test_inherits_nothing(void **state)
{
	struct world *world = *state;

	assert_int_equal(setenv("WEIGHD_SECRET", "1", 1), 0);
	start(world,
	      "ls -l /proc/$$/fd > $FIFO.list\n"
	      "pipes=$(grep -c -e pipe: -e socket: $FIFO.list); rm $FIFO.list\n"
	      "{ echo \"$pipes\"; echo \"secret $WEIGHD_SECRET\"; echo end; } > $FIFO",
	      10, PATIENCE_MS);
	assert_true(notice_send(world->notices, &reached));
	/* standard input and standard error */
	expect_said(world, "2\nsecret \nend\n");
}

static void test_failure_is_said(void **state)
{
	struct world *world = *state;

	start(world, "echo 'queue \"full\"' >&2; echo more >&2; exit 75", 10, PATIENCE_MS);
	assert_true(notice_send(world->notices, &reached));
	expect_trouble(world, "notice to postmaster@example.org: sendmail ended with status 75: "
			      "queue \\x22full\\x22");
}

static void test_death_is_said(void **state)
{
	struct world *world = *state;

	start(world, "kill -9 $$", 10, PATIENCE_MS);
	assert_true(notice_send(world->notices, &reached));
	expect_trouble(world, "notice to postmaster@example.org: sendmail was ended by signal 9");
}

static void test_missing_program_is_said(void **state)
{
	struct world *world = *state;

	start(world, "", 10, PATIENCE_MS);
	assert_int_equal(unlink(world->program), 0);
	assert_true(notice_send(world->notices, &reached));
	world->troubles = 0;
	while (world->troubles == 0)
		event_base_loop(world->base, EVLOOP_ONCE);
	assert_true(span_has(span_cstr(world->trouble), SPAN("sendmail ended with status 127")));
	assert_true(span_has(span_cstr(world->trouble), SPAN("No such file")));
}

/* It is killed, and the next one goes out. */
static void test_hanging(void **state)
{
	struct world *world = *state;

	start(world,
	      "if mkdir $FIFO.first; then exec sleep 1000; fi\n"
	      "rmdir $FIFO.first; echo end > $FIFO",
	      10, SHORT_PATIENCE_MS);
	assert_true(notice_send(world->notices, &reached));
	assert_true(notice_send(world->notices, &reached));
	expect_trouble(world, "notice to postmaster@example.org: sendmail did not end in time and "
			      "was killed");
	expect_said(world, "end\n");
}

static void test_too_many(void **state)
{
	struct world *world = *state;

	start(world, "echo end > $FIFO", 2, PATIENCE_MS);
	for (int i = 0; i < 3; i++)
		assert_true(notice_send(world->notices, &reached));
	expect_trouble(world, "notice to postmaster@example.org: too many in this minute; they are "
			      "not mailed");
}

/* Nobody waits for a sendmail: what does not fit into the pipe is dropped and counted. */
static void test_full_pipe(void **state)
{
	struct world *world = *state;
	unsigned sent = 0;

	start(world, "read line < $FIFO", 10, PATIENCE_MS);
	while (sent < SENT_MAX && notice_send(world->notices, &reached))
		sent++;
	assert_in_range(sent, 1, SENT_MAX - 1);
	assert_int_equal(notice_dropped(world->notices), 1);
	assert_int_equal(write(world->fifo_fd, "x\n", 2), 2);
}

static void test_wrong_address(void **state)
{
	struct world *world = *state;
	struct notice notice = reached;

	notice.address = SPAN("-bs");
	start(world, "echo end > $FIFO", 10, PATIENCE_MS);
	assert_true(notice_send(world->notices, &notice));
	expect_trouble(world, "notice to nobody: this is no address");
	assert_true(notice_send(world->notices, &reached));
	expect_said(world, "end\n");
}

/* What it was given before the daemon ended is still mailed. */
static void test_last_one(void **state)
{
	struct world *world = *state;

	start(world, "echo end > $FIFO", 10, PATIENCE_MS);
	assert_true(notice_send(world->notices, &reached));
	notice_free(world->notices);
	world->notices = NULL;
	expect_said(world, "end\n");
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail),
		cmocka_unit_test(test_strange_key),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_address),
		WITH_WORLD(test_mailed),
		WITH_WORLD(test_inherits_nothing),
		WITH_WORLD(test_failure_is_said),
		WITH_WORLD(test_death_is_said),
		WITH_WORLD(test_missing_program_is_said),
		WITH_WORLD(test_hanging),
		WITH_WORLD(test_too_many),
		WITH_WORLD(test_full_pipe),
		WITH_WORLD(test_wrong_address),
		WITH_WORLD(test_last_one),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
