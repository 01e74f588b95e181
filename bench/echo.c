/* echo.c -- the one-thread echo limit: reads a policy request, answers DUNNO, nothing else.
 *
 *	echo PORT
 *
 * What it costs is the price of the kernel and the event loop; a policy daemon of the same
 * shape (libevent, plain events, one read and one write a request) can only cost more.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 8192 };

struct connection {
	struct event *event;
	size_t len;
	char at[BUFFER_BYTES];
};

static const char answer[] = "action=DUNNO\n\n";

static void hang_up(struct connection *connection, int fd)
{
	event_free(connection->event);
	close(fd);
	free(connection);
}

static void on_readable(int fd, short what, void *self)
{
	struct connection *connection = self;
	char *end;

	(void)what;
	ssize_t n = recv(fd, connection->at + connection->len, BUFFER_BYTES - connection->len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(connection, fd);
		return;
	}
	connection->len += (size_t)n;
	while ((end = memmem(connection->at, connection->len, "\n\n", 2)) != NULL) {
		size_t used = (size_t)(end + 2 - connection->at);

		if (send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0) {
			hang_up(connection, fd);
			return;
		}
		connection->len -= used;
		memmove(connection->at, connection->at + used, connection->len);
	}
}

static void on_connection(int listener, short what, void *base)
{
	int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct connection *connection = fd < 0 ? NULL : malloc(sizeof *connection);

	(void)what;
	if (connection == NULL)
		return;
	connection->len = 0;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	connection->event = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, connection);
	event_add(connection->event, NULL);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct event_base *base = event_base_new();
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (argc != 2 || base == NULL || listener < 0)
		errx(64, "echo PORT");
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 1024) < 0)
		err(69, "port %s", argv[1]);
	event_add(event_new(base, listener, EV_READ | EV_PERSIST, on_connection, base), NULL);
	event_base_dispatch(base);
	return 0;
}
