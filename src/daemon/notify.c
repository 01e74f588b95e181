/* notify.c -- what the service manager wants to know. */
#include "daemon/notify.h"

#include "base/number.h"
#include "base/text.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void notify_state(const char *state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path != NULL ? strlen(path) : 0;
	int fd;

	if (len < 2 || len >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

void notify_reloading(void)
{
	struct timespec now;
	TEXT(state, 80);

	clock_gettime(CLOCK_MONOTONIC, &now);
	text_add(&state, SPAN("RELOADING=1\nMONOTONIC_USEC="));
	text_add_int(&state, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	notify_state(text_cstr(&state));
}

int64_t notify_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	int64_t number;

	if (usec == NULL || number_parse(span_cstr(usec), &number) != OK || number <= 0)
		return 0;
	return number / 1000;
}
