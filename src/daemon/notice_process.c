/* notice_process.c -- the process that runs sendmail(1), one at a time. */
#include "base/escape.h"
#include "daemon/notice_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MINUTE_MS = 60 * 1000, SAID_MAX = 160, ADDRESS_SHOWN_MAX = 60 };

/* One sendmail, running. */
struct run {
	pid_t pid;
	int pid_fd;
	int said_fd;      /* its standard error; -1: at its end */
	struct text said; /* the front of it */
	char said_room[SAID_MAX + 1];
};

struct counted {
	int64_t minute_began_ms;
	uint32_t mailed;    /* in this minute */
	uint64_t held_back; /* since the last mail */
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void say_trouble(const struct notice_process *process, struct span address, const char *what,
			struct span said)
{
	struct notice_trouble trouble = { 0 };
	struct text text = { trouble.text, 0, sizeof(trouble.text), false };

	text_add(&text, SPAN("notice to "));
	text_add_escaped(&text, address, ADDRESS_SHOWN_MAX);
	text_add(&text, SPAN(": "));
	text_add(&text, span_cstr(what));
	if (said.len > 0) {
		text_add(&text, SPAN(": "));
		text_add_escaped(&text, said, SAID_MAX / 2);
	}
	/* A daemon that does not listen does not hold us up. */
	(void)!write(process->trouble_fd, &trouble, sizeof(trouble));
}

/* --- one sendmail --- */

static void be_sendmail(const char *program, const char *address, int in_fd, int said_fd)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *environment[] = { path, NULL };
	char null_sender[] = "<>", from[] = "-f", dots[] = "-i", end[] = "--", name[] = "sendmail";
	char *to = strdup(address);
	char *arguments[] = { name, dots, from, null_sender, end, to, NULL };

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	setsid();
	dup2(in_fd, STDIN_FILENO);
	dup2(said_fd, STDERR_FILENO);
	close_range(3, ~0U, 0);
	execve(program, arguments, environment);
	dprintf(STDERR_FILENO, "%s: %s\n", program, strerror(errno));
	_exit(127);
}

static bool write_whole(int fd, struct span text)
{
	while (text.len > 0) {
		ssize_t len = write(fd, text.at, text.len);

		if (len < 0 && errno != EINTR)
			return false;
		if (len > 0)
			text = span_from(text, (size_t)len);
	}
	return true;
}

/* A mail fits into the pipe, so that nobody waits for its reader: pipe(7), 64 KiB. */
_Static_assert(NOTICE_MAIL_MAX <= 64 * 1024, "a mail fits into a pipe");

static bool run_start(struct run *run, const char *program, const char *address, struct span mail)
{
	int in[2], said[2];

	if (pipe2(in, O_CLOEXEC) != 0)
		return false;
	if (pipe2(said, O_CLOEXEC | O_NONBLOCK) != 0) {
		close(in[0]);
		close(in[1]);
		return false;
	}
	run->pid = fork();
	if (run->pid == 0)
		be_sendmail(program, address, in[0], said[1]);
	close(in[0]);
	close(said[1]);
	if (run->pid > 0)
		(void)write_whole(in[1], mail); /* who does not read it says why */
	close(in[1]);
	run->said_fd = said[0];
	run->said = (struct text){ run->said_room, 0, sizeof(run->said_room), false };
	run->pid_fd = run->pid > 0 ? (int)syscall(SYS_pidfd_open, run->pid, 0) : -1;
	return run->pid > 0;
}

static void run_hear(struct run *run)
{
	char room[512];
	ssize_t len = read(run->said_fd, room, sizeof(room));

	if (len == 0) {
		close(run->said_fd);
		run->said_fd = -1;
	}
	for (ssize_t i = 0; i < len && run->said.len < SAID_MAX; i++)
		text_add_char(&run->said, room[i]);
}

/* @return false: its time is over */
static bool run_wait(struct run *run, int64_t patience_ms)
{
	int64_t end_ms = now_ms() + patience_ms;

	for (;;) {
		struct pollfd at[] = { { .fd = run->pid_fd, .events = POLLIN },
				       { .fd = run->said_fd, .events = POLLIN } };
		int64_t left_ms = end_ms - now_ms();

		if (left_ms <= 0 || run->pid_fd < 0)
			return false;
		if (poll(at, 2, (int)left_ms) < 0)
			continue;
		if (at[1].revents != 0)
			run_hear(run);
		else if (at[0].revents != 0)
			return true;
	}
}

/* @return its status, as of waitpid */
static int run_end(struct run *run, bool is_over)
{
	int status = 0;

	if (!is_over)
		kill(-run->pid, SIGKILL);
	while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (run->pid_fd >= 0)
		close(run->pid_fd);
	if (run->said_fd >= 0)
		close(run->said_fd);
	return status;
}

static void run_sendmail(const struct notice_process *process, struct span to, struct span mail)
{
	struct run run;
	TEXT(address, NOTICE_TEXTS_MAX);
	TEXT(what, 64);
	bool is_over;
	int status;

	text_add(&address, to);
	if (!run_start(&run, process->program, text_cstr(&address), mail)) {
		say_trouble(process, to, "no process for sendmail", SPAN(""));
		return;
	}
	is_over = run_wait(&run, process->patience_ms);
	status = run_end(&run, is_over);
	if (is_over && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	if (!is_over)
		text_addf(&what, "sendmail did not end in time and was killed");
	else if (WIFEXITED(status))
		text_addf(&what, "sendmail ended with status %d", WEXITSTATUS(status));
	else
		text_addf(&what, "sendmail was ended by signal %d", WTERMSIG(status));
	say_trouble(process, to, text_cstr(&what),
		    span_first(text_span(&run.said), span_find(text_span(&run.said), '\n')));
}

/* --- all of them --- */

/* @return false: not now, there were too many in this minute */
static bool may_mail(const struct notice_process *process, struct counted *counted)
{
	int64_t now = now_ms();

	if (counted->minute_began_ms == 0 || now - counted->minute_began_ms >= MINUTE_MS) {
		counted->minute_began_ms = now;
		counted->mailed = 0;
	}
	if (counted->mailed >= process->a_minute_max)
		return false;
	counted->mailed++;
	return true;
}

static void mail_one(const struct notice_process *process, struct counted *counted,
		     const struct notice_record *record)
{
	static char room[NOTICE_MAIL_MAX];
	struct text mail = { room, 0, sizeof(room), false };
	struct notice notice;

	if (notice_unpack(record, &notice) != OK) {
		say_trouble(process, SPAN("nobody"), "this is no address", SPAN(""));
		return;
	}
	if (!may_mail(process, counted)) {
		if (counted->held_back++ == 0)
			say_trouble(process, notice.address,
				    "too many in this minute; they are not mailed", SPAN(""));
		return;
	}
	notice_write(&notice, process->hostname, counted->held_back, &mail);
	counted->held_back = 0;
	run_sendmail(process, notice.address, text_span(&mail));
}

void notice_serve(const struct notice_process *process)
{
	struct counted counted = { 0 };
	struct notice_record record;
	ssize_t len;

	do {
		len = read(process->in_fd, &record, sizeof(record));
		if (len == (ssize_t)sizeof(record))
			mail_one(process, &counted, &record);
	} while (len > 0 || (len < 0 && errno == EINTR));
}
