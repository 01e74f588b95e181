/* doctor_run.c -- running postconf(1): fixed arguments, no shell, an end to waiting.
 *
 * The daemon runs no programs (design requirement X7); this is the administrator's own tool.
 */
#include "ctl/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { STREAMS = 4, ERRORS_BYTES_MAX = 16 * 1024 };

/* A running postconf, or one that ended. */
struct run {
	pid_t pid; /* 0: did not start */
	struct output *output;
};

/* What one descriptor brings. */
struct stream {
	int fd;
	char *at;
	size_t len, room;
	struct span *text_out;
};

static const char *find_postconf(void)
{
	/* PATH of a user's shell often lacks these. */
	static const char *const paths[] = { "/usr/sbin/postconf", "/usr/local/sbin/postconf",
					     "/usr/pkg/sbin/postconf", "/opt/local/sbin/postconf" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

static int spawn_postconf(char *const *argv, posix_spawn_file_actions_t *actions, pid_t *pid_out)
{
	int error = posix_spawnp(pid_out, "postconf", actions, NULL, argv, environ);
	const char *path = error == ENOENT ? find_postconf() : NULL;

	if (path != NULL)
		error = posix_spawn(pid_out, path, actions, NULL, argv, environ);
	return error;
}

static void close_pair(const int *pair)
{
	if (pair[0] >= 0)
		close(pair[0]);
	if (pair[1] >= 0)
		close(pair[1]);
}

static bool run_start(struct run *run, char *const *argv, struct stream *text,
		      struct stream *errors)
{
	posix_spawn_file_actions_t actions;
	int out[2] = { -1, -1 }, err[2] = { -1, -1 }, error = ENOMEM;

	run->output->status = OUTPUT_UNENDED;
	if (posix_spawn_file_actions_init(&actions) != 0)
		return false;
	if (pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0 &&
	    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) ==
		    0 &&
	    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO) == 0 &&
	    posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO) == 0)
		error = spawn_postconf(argv, &actions, &run->pid);
	posix_spawn_file_actions_destroy(&actions);
	if (error != 0) {
		run->pid = 0;
		run->output->status = error == ENOENT ? OUTPUT_ABSENT : OUTPUT_UNENDED;
		close_pair(out);
		close_pair(err);
		return false;
	}
	close(out[1]);
	close(err[1]);
	text->fd = out[0];
	errors->fd = err[0];
	return true;
}

/* @return false: its end has come; what is too long is read, and forgotten */
static bool stream_read(struct stream *stream)
{
	char rest[4096];
	size_t room = stream->room - stream->len;
	ssize_t count = read(stream->fd, room > 0 ? stream->at + stream->len : rest,
			     room > 0 ? room : sizeof(rest));

	if (count < 0)
		return errno == EINTR;
	if (room > 0)
		stream->len += (size_t)count;
	return count > 0;
}

static void streams_read(struct stream *stream, int64_t end_ms)
{
	struct pollfd poll_fd[STREAMS];
	size_t open = 0;

	for (size_t i = 0; i < STREAMS; i++)
		open += stream[i].fd >= 0;
	while (open > 0) {
		int64_t left_ms = end_ms - doctor_clock_ms();

		for (size_t i = 0; i < STREAMS; i++)
			poll_fd[i] = (struct pollfd){ .fd = stream[i].fd, .events = POLLIN };
		if (left_ms <= 0 || poll(poll_fd, STREAMS, (int)left_ms) == 0)
			break;
		for (size_t i = 0; i < STREAMS; i++) {
			if (poll_fd[i].fd < 0 || poll_fd[i].revents == 0 || stream_read(&stream[i]))
				continue;
			close(stream[i].fd);
			stream[i].fd = -1;
			open--;
		}
	}
	for (size_t i = 0; i < STREAMS; i++) {
		if (stream[i].fd >= 0)
			close(stream[i].fd);
		*stream[i].text_out = span_of(stream[i].at, stream[i].len);
	}
}

/* It has closed its streams, or its time is up: then it is ended. */
static void run_end(struct run *run, int64_t end_ms)
{
	int status = 0;
	pid_t pid;

	if (run->pid == 0)
		return;
	while ((pid = waitpid(run->pid, &status, WNOHANG)) == 0 && doctor_clock_ms() < end_ms)
		(void)poll(NULL, 0, 1);
	if (pid == 0) {
		kill(run->pid, SIGKILL);
		while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR)
			continue;
		return;
	}
	if (pid == run->pid && WIFEXITED(status))
		/* 127: posix_spawn found out too late that it cannot be run. */
		run->output->status =
			WEXITSTATUS(status) == 127 ? OUTPUT_ABSENT : WEXITSTATUS(status);
}

void doctor_run_postconf(char *directory, struct arena *arena, struct output *main_out,
			 struct output *master_out)
{
	struct output *const output[2] = { main_out, master_out };
	int64_t end_ms = doctor_clock_ms() + DOCTOR_RUN_MS;
	struct stream stream[STREAMS];
	struct run run[2];
	char program[] = "postconf", main_option[] = "-nf", master_option[] = "-Mf";
	char directory_option[] = "-c";

	for (size_t i = 0; i < 2; i++) {
		char *argv[] = { program, i == 0 ? main_option : master_option,
				 directory == NULL ? NULL : directory_option, directory, NULL };

		*output[i] = (struct output){ 0 };
		run[i] = (struct run){ .output = output[i] };
		stream[2 * i] = (struct stream){ .fd = -1,
						 .room = POSTCONF_BYTES_MAX,
						 .at = arena_alloc(arena, POSTCONF_BYTES_MAX),
						 .text_out = &output[i]->text };
		stream[2 * i + 1] = (struct stream){ .fd = -1,
						     .room = ERRORS_BYTES_MAX,
						     .at = arena_alloc(arena, ERRORS_BYTES_MAX),
						     .text_out = &output[i]->errors };
		if (stream[2 * i].at == NULL || stream[2 * i + 1].at == NULL) {
			output[i]->status = OUTPUT_UNENDED;
			continue;
		}
		(void)run_start(&run[i], argv, &stream[2 * i], &stream[2 * i + 1]);
	}
	streams_read(stream, end_ms);
	for (size_t i = 0; i < 2; i++)
		run_end(&run[i], end_ms);
}
