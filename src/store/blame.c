/* blame.c -- did the store end the process? */
#include "store/blame.h"

#include "base/number.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum {
	PATH_ROOM = 4096,
	NOTES_BYTES_MAX = 256, /* more than two lines are never left */
	LINE_ROOM = 24,
};

/* What comes of a thread's own doing. */
static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };

enum { FAULTS = sizeof(faults) / sizeof(faults[0]) };

static char notes_path[PATH_ROOM + 1]; /* empty: nothing is noted */
static struct sigaction actions_before[FAULTS];
static atomic_flag has_noted = ATOMIC_FLAG_INIT; /* a process dies once */
static _Thread_local volatile sig_atomic_t is_at_store;

static bool notes_of(struct span path, struct text *name)
{
	text_add(name, path);
	text_add(name, SPAN(".died"));
	return !name->overrun && path.len > 0 && span_find(path, '\0') == path.len;
}

/* --- a death --- */

/* In a signal's handler: by plain system calls alone. */
static void note(void)
{
	int fd = open(notes_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	char line[LINE_ROOM];
	size_t at = sizeof(line);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	line[--at] = '\n';
	for (int64_t left = now.tv_sec; left > 0 && at > 0; left /= 10)
		line[--at] = (char)('0' + left % 10);
	if (fd < 0)
		return;
	(void)!write(fd, line + at, sizeof(line) - at);
	close(fd);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	/* Positive: of the kernel, for what a thread did.  abort() signals the process itself. */
	bool is_own = info->si_code > 0 || info->si_pid == getpid();
	size_t i = 0;

	(void)context;
	if (is_own && is_at_store && !atomic_flag_test_and_set(&has_noted))
		note();
	while (i + 1 < FAULTS && faults[i] != number)
		i++;
	/* And now as if we had not been here: the fault comes again by itself. */
	sigaction(number, &actions_before[i], NULL);
	if (info->si_code <= 0)
		raise(number);
}

void blame_begin(struct span path)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	TEXT(name, PATH_ROOM);
	bool is_first = notes_path[0] == '\0';

	if (!notes_of(path, &name))
		return;
	memcpy(notes_path, text_cstr(&name), name.len + 1);
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < FAULTS && is_first; i++)
		sigaction(faults[i], &action, &actions_before[i]);
}

bool blame_set(bool is_at_work)
{
	bool was_at_work = is_at_store;
	sigset_t own;

	/* A fault whose signal is blocked ends the process before any handler. */
	sigemptyset(&own);
	for (size_t i = 0; i < FAULTS; i++)
		sigaddset(&own, faults[i]);
	pthread_sigmask(SIG_UNBLOCK, &own, NULL);
	is_at_store = is_at_work;
	return was_at_work;
}

/* --- the next start --- */

/* The times of the last two deaths; 0: there was none, or it is no time. */
static void read_notes(const char *name, int64_t time_s[2])
{
	char bytes[NOTES_BYTES_MAX];
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t len = fd >= 0 ? read(fd, bytes, sizeof(bytes)) : -1;
	struct span rest = span_of(bytes, len > 0 ? (size_t)len : 0), line;
	int64_t number;

	if (fd >= 0)
		close(fd);
	while (span_cut(&rest, '\n', &line)) {
		time_s[0] = time_s[1];
		time_s[1] = number_parse(line, &number) == OK && number > 0 ? number : 0;
	}
}

unsigned blame_count(struct span path, int64_t now_s)
{
	int64_t time_s[2] = { 0, 0 };
	unsigned deaths = 0;
	TEXT(name, PATH_ROOM);

	if (!notes_of(path, &name))
		return 0;
	read_notes(text_cstr(&name), time_s);
	if (time_s[1] != 0 && time_s[0] != 0 && time_s[1] >= time_s[0] &&
	    time_s[1] - time_s[0] <= BLAME_WITHIN_S)
		deaths = 2;
	else if (time_s[1] != 0 && now_s >= time_s[1] && now_s - time_s[1] <= BLAME_WITHIN_S)
		deaths = 1; /* one more soon, and it is two */
	if (deaths != 1)
		(void)unlink(text_cstr(&name));
	return deaths;
}
