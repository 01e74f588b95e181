/* notice.c -- the daemon's end of the notices: it hands them over and never waits. */
#include "base/ensure.h"
#include "daemon/notice_priv.h"
#include "daemon/privileges.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAME_BYTES_MAX = 256, PROGRAM_BYTES_MAX = 4096 };

struct notices {
	int out_fd, trouble_fd; /* out_fd stays open until notice_free: any thread may write */
	pid_t pid;
	atomic_uint_fast64_t dropped;
	struct event trouble_event;
	bool is_heard;
	void (*say)(void *self, const char *text);
	void *self;
};

/* --- the process --- */

/* Only what the process needs stays open. */
static void keep_only(int in_fd, int trouble_fd)
{
	int low = in_fd < trouble_fd ? in_fd : trouble_fd;
	int high = in_fd < trouble_fd ? trouble_fd : in_fd;
	int null_fd = open("/dev/null", O_RDWR);

	for (int fd = 0; fd <= 2; fd++)
		dup2(null_fd, fd);
	if (low > 3)
		close_range(3, (unsigned)low - 1, 0);
	if (high > low + 1)
		close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	close_range((unsigned)high + 1, ~0U, 0);
}

static void be_the_process(const struct notice_options *options, int in_fd, int trouble_fd)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGTERM, SIGPIPE };
	TEXT(user, NAME_BYTES_MAX);
	TEXT(program, PROGRAM_BYTES_MAX);
	TEXT(hostname, NAME_BYTES_MAX);
	char machine[NAME_BYTES_MAX] = "localhost";
	sigset_t none;

	/* The daemon's end is ours. */
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "weighd notices");
	text_add(&user, options->user);
	text_add(&program, options->program);
	gethostname(machine, sizeof(machine) - 1);
	text_add(&hostname, options->hostname.len > 0 ? options->hostname : span_cstr(machine));
	keep_only(in_fd, trouble_fd);
	if (chdir("/") != 0 || program.overrun || hostname.overrun ||
	    (options->user.len > 0 && geteuid() == 0 &&
	     !privileges_become(text_cstr(&user), options->owner)))
		_exit(EXIT_FAILURE);
	notice_serve(&(struct notice_process){
		.in_fd = in_fd,
		.trouble_fd = trouble_fd,
		.program = text_cstr(&program),
		.hostname = text_span(&hostname),
		.a_minute_max = options->a_minute_max,
		.patience_ms = options->patience_ms,
	});
	_exit(EXIT_SUCCESS);
}

static void close_both(const int fd[2])
{
	close(fd[0]);
	close(fd[1]);
}

/* The ends that are ours do not block. */
static bool fork_process(const struct notice_options *options, struct notices *notices)
{
	int notice[2], trouble[2];

	if (pipe2(notice, O_CLOEXEC) != 0)
		return false;
	if (pipe2(trouble, O_CLOEXEC) != 0) {
		close_both(notice);
		return false;
	}
	fcntl(notice[1], F_SETFL, O_NONBLOCK);
	fcntl(trouble[0], F_SETFL, O_NONBLOCK);
	fcntl(trouble[1], F_SETFL, O_NONBLOCK);
	notices->pid = fork();
	if (notices->pid == 0)
		be_the_process(options, notice[0], trouble[1]);
	close(notice[0]);
	close(trouble[1]);
	notices->out_fd = notice[1];
	notices->trouble_fd = trouble[0];
	if (notices->pid > 0)
		return true;
	close(notice[1]);
	close(trouble[0]);
	return false;
}

enum err notice_start(const struct notice_options *options, struct text *why,
		      struct notices **notices_out)
{
	struct notices *notices = calloc(1, sizeof(*notices));

	if (notices != NULL && fork_process(options, notices)) {
		*notices_out = notices;
		return OK;
	}
	free(notices);
	text_add(why, SPAN("cannot start the process that mails notices"));
	return ERR_SYSTEM;
}

void notice_free(struct notices *notices)
{
	if (notices == NULL)
		return;
	if (notices->is_heard)
		event_del(&notices->trouble_event);
	close(notices->out_fd);
	close(notices->trouble_fd);
	waitpid(notices->pid, NULL, WNOHANG);
	free(notices);
}

/* --- what goes wrong --- */

static void on_trouble(int fd, short what, void *arg)
{
	struct notices *notices = arg;
	struct notice_trouble trouble;
	ssize_t len;

	(void)what;
	while ((len = read(fd, &trouble, sizeof(trouble))) == (ssize_t)sizeof(trouble)) {
		trouble.text[sizeof(trouble.text) - 1] = '\0';
		notices->say(notices->self, trouble.text);
	}
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	event_del(&notices->trouble_event);
	notices->is_heard = false;
	waitpid(notices->pid, NULL, WNOHANG);
	notices->say(notices->self, "the process that mails notices has ended: until a restart "
				    "they are in the log alone");
}

void notice_listen(struct notices *notices, struct event_base *base,
		   void (*say)(void *self, const char *text), void *self)
{
	notices->say = say;
	notices->self = self;
	event_assign(&notices->trouble_event, base, notices->trouble_fd, EV_READ | EV_PERSIST,
		     on_trouble, notices);
	notices->is_heard = event_add(&notices->trouble_event, NULL) == 0;
}

/* --- notices --- */

bool notice_send(struct notices *notices, const struct notice *notice)
{
	struct notice_record record;

	if (notice_pack(notice, &record) &&
	    write(notices->out_fd, &record, sizeof(record)) == (ssize_t)sizeof(record))
		return true;
	atomic_fetch_add_explicit(&notices->dropped, 1, memory_order_relaxed);
	return false;
}

uint64_t notice_dropped(const struct notices *notices)
{
	return atomic_load_explicit(&notices->dropped, memory_order_relaxed);
}
