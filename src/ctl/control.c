/* control.c -- a question to the running daemon. */
#include "ctl/control.h"

#include "ctl/ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int say_unreachable(const char *path, int error)
{
	ctl_say("cannot reach the daemon at %s: %s", path, strerror(error));
	if (error == ENOENT || error == ECONNREFUSED)
		fputs("Is weighd running, and does its configuration say 'control PATH'?\n"
		      "Name another socket with --control PATH.\n",
		      stderr);
	return error == EACCES || error == EPERM ? EX_NOPERM : EX_UNAVAILABLE;
}

static int control_connect(const char *path, int *fd_out)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd;

	if (len >= sizeof(address.sun_path)) {
		ctl_say("the path of the control socket is too long");
		return EX_USAGE;
	}
	memcpy(address.sun_path, path, len + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return EX_OSERR;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		int error = errno;

		close(fd);
		return say_unreachable(path, error);
	}
	*fd_out = fd;
	return EX_OK;
}

static bool send_all(int fd, struct span bytes)
{
	while (bytes.len > 0) {
		ssize_t count = send(fd, bytes.at, bytes.len, MSG_NOSIGNAL);

		if (count < 0 && errno != EINTR)
			return false;
		if (count > 0)
			bytes = span_from(bytes, (size_t)count);
	}
	return true;
}

/* What has come of the answer. */
struct received {
	char *at;
	size_t len, room;
};

/* @return false: nothing more will come, and why is said */
static bool receive_more(int fd, struct received *received)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	ssize_t count;

	if (received->len + 1 >= received->room) {
		size_t room = received->room == 0 ? 65536 : received->room * 2;
		char *grown = room > CONTROL_ANSWER_BYTES_MAX ? NULL : realloc(received->at, room);

		if (grown == NULL) {
			ctl_say("the daemon's answer is too long");
			return false;
		}
		received->at = grown;
		received->room = room;
	}
	if (poll(&poll_fd, 1, CONTROL_PATIENCE_MS) == 0) {
		ctl_say("the daemon does not answer");
		return false;
	}
	count = read(fd, received->at + received->len, received->room - received->len - 1);
	if (count < 0 && errno == EINTR)
		return true;
	if (count <= 0) {
		ctl_say("the daemon closed the control socket without an answer; "
			"only root and its own user are heard");
		return false;
	}
	received->len += (size_t)count;
	return true;
}

static int receive_line(int fd, char **line_out)
{
	struct received received = { 0 };
	char *end = NULL;

	while (end == NULL) {
		size_t before = received.len;

		if (!receive_more(fd, &received)) {
			free(received.at);
			return EX_UNAVAILABLE;
		}
		end = memchr(received.at + before, '\n', received.len - before);
	}
	*end = '\0';
	*line_out = received.at;
	return EX_OK;
}

static int exchange(const char *path, struct span request, char **line_out)
{
	int fd = -1;
	int status = control_connect(path, &fd);

	if (status != EX_OK)
		return status;
	if (!send_all(fd, request) || !send_all(fd, SPAN("\n"))) {
		ctl_say("cannot write to the daemon: %s", strerror(errno));
		status = EX_UNAVAILABLE;
	} else {
		status = receive_line(fd, line_out);
	}
	close(fd);
	return status;
}

int control_ask(const char *path, struct span request, struct control_answer *answer_out)
{
	struct control_answer answer = { 0 };
	const json_t *error;
	int status = exchange(path, request, &answer.line);

	if (status != EX_OK)
		return status;
	answer.root = json_loads(answer.line, JSON_ALLOW_NUL, NULL);
	error = json_object_get(answer.root, "error");
	if (!json_is_object(answer.root)) {
		ctl_say("the daemon's answer is no JSON object");
		status = EX_PROTOCOL;
	} else if (json_is_string(error) && json_object_get(answer.root, "report") == NULL) {
		fputs("weighctl: the daemon says: ", stderr);
		ctl_print(stderr, span_of(json_string_value(error), json_string_length(error)));
		fputc('\n', stderr);
		status = EX_DATAERR;
	}
	if (status == EX_OK)
		*answer_out = answer;
	else
		control_answer_release(&answer);
	return status;
}

void control_answer_release(struct control_answer *answer)
{
	json_decref(answer->root);
	free(answer->line);
	*answer = (struct control_answer){ 0 };
}

static int ask_and_show(const char *path, struct span question, bool wants_json,
			int (*show)(const struct control_answer *answer, bool wants_json))
{
	struct control_answer answer;
	int status = control_ask(path, question, &answer);

	if (status != EX_OK)
		return status;
	status = show(&answer, wants_json);
	control_answer_release(&answer);
	return status;
}

int control_verb_run(const struct verb *verb, int argc, char **argv, struct span question,
		     int (*show)(const struct control_answer *answer, bool wants_json))
{
	static const struct option options[] = { CTL_LONG_OPTIONS,
						 { "control", required_argument, NULL, 'c' },
						 { 0 } };
	const char *path = CTL_CONTROL_PATH;
	bool wants_json = false;
	int option;

	while ((option = getopt_long(argc, argv, CTL_SHORT_OPTIONS, options, NULL)) != -1) {
		switch (option) {
		case 'h': return ctl_help(verb);
		case 'j': wants_json = true; break;
		case 'c': path = optarg; break;
		default: return ctl_wrong_option(verb);
		}
	}
	if (optind < argc)
		return ctl_usage(verb, "no arguments are taken");
	return ask_and_show(path, question, wants_json, show);
}
