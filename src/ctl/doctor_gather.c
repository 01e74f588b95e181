/* doctor_gather.c -- looking at this host: the daemon, its sockets, its files. */
#include "base/number.h"
#include "ctl/doctor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	STATUS_BYTES_MAX = 256 * 1024,
	ANSWER_BYTES_MAX = 4096,
	FILE_BYTES_MAX = 64 * 1024, /* of proc(5) */
};

/* A request that the policy service answers, but does not weigh: it is of no known kind. */
#define HARMLESS_REQUEST "request=weighctl_doctor\n\n"

int64_t doctor_clock_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t wall_ms(const struct timespec *time)
{
	return (int64_t)time->tv_sec * 1000 + time->tv_nsec / 1000000;
}

/* --- a question to a socket --- */

struct address {
	struct sockaddr_storage at;
	socklen_t len;
};

static bool unix_address(struct span path, struct address *address_out)
{
	struct sockaddr_un *at = (struct sockaddr_un *)&address_out->at;

	*address_out = (struct address){ .len = sizeof(*at) };
	if (path.len >= sizeof(at->sun_path))
		return false;
	at->sun_family = AF_UNIX;
	memcpy(at->sun_path, path.at, path.len);
	return true;
}

/* Whoever listens on all addresses listens on loopback, too. */
static void inet_address(const struct listener *listener, struct address *address_out)
{
	static const struct ip any_v4 = { .family = IP_V4 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&address_out->at;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address_out->at;

	*address_out = (struct address){ 0 };
	if (listener->address.family == IP_V4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(listener->port);
		memcpy(&v4->sin_addr, listener->address.byte, sizeof(v4->sin_addr));
		if (ip_equal(listener->address, any_v4))
			v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		address_out->len = sizeof(*v4);
		return;
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(listener->port);
	memcpy(&v6->sin6_addr, listener->address.byte, sizeof(v6->sin6_addr));
	if (IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
		v6->sin6_addr = in6addr_loopback;
	address_out->len = sizeof(*v6);
}

static bool wait_for(int fd, short events, int64_t end_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };
	int64_t left_ms = end_ms - doctor_clock_ms();

	return left_ms > 0 && poll(&poll_fd, 1, (int)left_ms) > 0;
}

static int open_socket(const struct address *address, int64_t end_ms)
{
	int fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = 0;
	socklen_t len = sizeof(error);

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&address->at, address->len) != 0) {
		error = errno;
		if (error == EINPROGRESS && wait_for(fd, POLLOUT, end_ms))
			(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	}
	if (error == 0)
		return fd;
	close(fd);
	errno = error;
	return -1;
}

/** Ask, and read up to the given end.
 *
 * @param answer  what has come, also when its end is missing
 */
static enum listener_said ask(const struct address *address, struct span request, struct span end,
			      struct text *answer)
{
	int64_t end_ms = doctor_clock_ms() + DOCTOR_SOCKET_MS;
	int fd = open_socket(address, end_ms);
	enum listener_said said = LISTENER_SILENT;

	if (fd < 0)
		return errno == EACCES || errno == EPERM ? LISTENER_DENIED : LISTENER_ABSENT;
	if (send(fd, request.at, request.len, MSG_NOSIGNAL) == (ssize_t)request.len) {
		while (said == LISTENER_SILENT && answer->len < answer->room &&
		       wait_for(fd, POLLIN, end_ms)) {
			ssize_t count =
				read(fd, answer->at + answer->len, answer->room - answer->len);

			if (count <= 0)
				break;
			answer->len += (size_t)count;
			if (span_ends(text_span(answer), end))
				said = LISTENER_ANSWERS;
		}
	}
	close(fd);
	return said;
}

static enum listener_said ask_listener(const struct listener *listener)
{
	struct address address;
	enum listener_said said;
	TEXT(answer, ANSWER_BYTES_MAX);

	if (!listener->is_unix)
		inet_address(listener, &address);
	else if (!unix_address(listener->path, &address))
		return LISTENER_ABSENT;
	said = ask(&address, SPAN(HARMLESS_REQUEST), SPAN("\n\n"), &answer);
	if (answer.len > 0 && !span_starts(text_span(&answer), SPAN("action=")))
		return LISTENER_ODD;
	return said;
}

/* --- the daemon --- */

static struct span text_member(const json_t *object, const char *name, struct arena *arena)
{
	const json_t *value = json_object_get(object, name);
	struct span copy = { 0 };

	if (json_is_string(value))
		copy = arena_copy(arena,
				  span_of(json_string_value(value), json_string_length(value)));
	return copy.at == NULL ? SPAN("") : copy;
}

static size_t read_file(const char *path, char *at, size_t room)
{
	FILE *file = fopen(path, "re");
	size_t len = 0;

	if (file == NULL)
		return 0;
	len = fread(at, 1, room, file);
	fclose(file);
	return len;
}

/* "Max open files            1024                 4096                 files" */
static int64_t descriptors_of(int64_t pid)
{
	static const struct span title = SPAN_INIT("Max open files");
	char path[64], room[FILE_BYTES_MAX];
	struct span rest, line;
	int64_t limit;

	snprintf(path, sizeof(path), "/proc/%lld/limits", (long long)pid);
	rest = span_of(room, read_file(path, room, sizeof(room)));
	while (span_cut(&rest, '\n', &line)) {
		if (!span_starts(line, title))
			continue;
		line = span_trim(span_from(line, title.len));
		if (number_parse(span_first(line, span_find(line, ' ')), &limit) == OK)
			return limit;
	}
	return 0;
}

static void read_status(const json_t *root, struct arena *arena, struct daemon_facts *facts)
{
	facts->config_path = text_member(root, "config", arena);
	facts->generation = json_integer_value(json_object_get(root, "generation"));
	facts->daemon_ms = json_integer_value(json_object_get(root, "time_ms"));
	facts->loaded_ms = json_integer_value(json_object_get(root, "loaded_ms"));
	facts->is_observing = span_equal(text_member(root, "mode", arena), SPAN("observe"));
	facts->descriptors = descriptors_of(json_integer_value(json_object_get(root, "pid")));
}

static void ask_daemon(struct arena *arena, struct daemon_facts *facts)
{
	struct text answer = { arena_alloc(arena, STATUS_BYTES_MAX), 0, STATUS_BYTES_MAX, false };
	struct address address;
	enum listener_said said;
	json_t *root;

	if (facts->control_path.len == 0 || answer.at == NULL ||
	    !unix_address(facts->control_path, &address))
		return;
	said = ask(&address, SPAN("{\"verb\":\"status\"}\n"), SPAN("\n"), &answer);
	/* Whom it does not know, the daemon leaves without a word. */
	facts->is_denied = said == LISTENER_DENIED ||
			   (said == LISTENER_SILENT && answer.len == 0 && geteuid() != 0);
	root = json_loadb(answer.at, answer.len, 0, NULL);
	facts->is_reached = said == LISTENER_ANSWERS && json_is_object(root);
	if (facts->is_reached)
		read_status(root, arena, facts);
	json_decref(root);
}

/* When a file of the configuration was written last. */
static int64_t changed_ms(const struct config *config)
{
	int64_t latest_ms = 0;

	for (size_t i = 0; i < config->file_count; i++) {
		TEXT(path, CONFIG_PATH_MAX);
		struct stat file;

		text_add(&path, config->file[i].path);
		if (!path.overrun && stat(text_cstr(&path), &file) == 0 &&
		    wall_ms(&file.st_mtim) > latest_ms)
			latest_ms = wall_ms(&file.st_mtim);
	}
	return latest_ms;
}

void doctor_look_at_host(const struct config *config, const char *control_path, int64_t end_ms,
			 struct arena *arena, struct host_facts *facts_out)
{
	struct host_facts *facts = facts_out;
	struct timespec now;

	*facts = (struct host_facts){ .config = config };
	(void)clock_gettime(CLOCK_REALTIME, &now);
	facts->now_ms = wall_ms(&now);
	facts->daemon.control_path =
		control_path != NULL ? span_cstr(control_path) : config->control.path;
	facts->daemon.our_config_path = config->path;
	facts->daemon.changed_ms = changed_ms(config);
	ask_daemon(arena, &facts->daemon);
	for (size_t i = 0; i < config->listener_count; i++) {
		if (doctor_clock_ms() + DOCTOR_SOCKET_MS > end_ms)
			return;
		struct listener_facts *listener = &facts->listener[facts->listener_count++];

		listener->listener = &config->listener[i];
		listener->said = ask_listener(listener->listener);
	}
}
