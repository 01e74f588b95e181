/* listening.c -- sockets that listen. */
#include "daemon/listening.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void add_errno(struct text *why, struct span what)
{
	const char *reason = strerrordesc_np(errno);

	text_add(why, what);
	text_add(why, SPAN(": "));
	text_add(why, span_cstr(reason != NULL ? reason : "unknown error"));
}

bool listener_equal(const struct listener *a, const struct listener *b)
{
	if (a->is_unix != b->is_unix || a->protocol != b->protocol)
		return false;
	if (a->is_unix)
		return span_equal(a->path, b->path) && a->mode == b->mode;
	return ip_equal(a->address, b->address) && a->port == b->port;
}

static void text_add_inet(struct text *text, struct ip ip, uint16_t port)
{
	text_add(text, ip.family == IP_V6 ? SPAN("inet:[") : SPAN("inet:"));
	text_add_ip(text, ip);
	text_add(text, ip.family == IP_V6 ? SPAN("]:") : SPAN(":"));
	text_add_int(text, port);
}

void text_add_listener(struct text *text, const struct listener *listener)
{
	if (!listener->is_unix) {
		text_add_inet(text, listener->address, listener->port);
		return;
	}
	text_add(text, SPAN("unix:"));
	text_add(text, listener->path);
}

void text_add_listening(struct text *text, const struct listening *listening)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);
	struct ip ip = { 0 };
	uint16_t port = 0;

	if (listening->path != NULL) {
		text_add(text, SPAN("unix:"));
		text_add(text, span_cstr(listening->path));
		return;
	}
	if (getsockname(listening->fd, (struct sockaddr *)&address, &len) != 0)
		return;
	if (address.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&address;

		ip.family = IP_V4;
		memcpy(ip.byte, &in->sin_addr, 4);
		port = ntohs(in->sin_port);
	} else {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address;

		ip.family = IP_V6;
		memcpy(ip.byte, &in6->sin6_addr, 16);
		/* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): getsockname wrote it */
		port = ntohs(in6->sin6_port);
	}
	text_add_inet(text, ip, port);
}

static socklen_t inet_address(const struct listener *listener, struct sockaddr_storage *address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;

	if (listener->address.family == IP_V4) {
		in->sin_family = AF_INET;
		in->sin_port = htons(listener->port);
		memcpy(&in->sin_addr, listener->address.byte, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(listener->port);
	memcpy(&in6->sin6_addr, listener->address.byte, 16);
	return sizeof(*in6);
}

static enum err open_inet(const struct listener *listener, struct text *why, int fd)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = inet_address(listener, &address);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (address.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int));
	if (bind(fd, (struct sockaddr *)&address, len) == 0)
		return OK;
	add_errno(why, SPAN("bind"));
	return ERR_SYSTEM;
}

/* Open the directory of a Unix socket.  @return -1: why says it */
static int open_directory(const char *path, const struct owner *owner, struct text *why)
{
	const char *slash = strrchr(path, '/');
	struct span head = slash == NULL   ? SPAN(".")
			   : slash == path ? SPAN("/")
					   : span_of(path, (size_t)(slash - path));
	struct stat status;
	TEXT(directory, sizeof(((struct sockaddr_un *)NULL)->sun_path));
	int fd;

	text_add(&directory, head);
	fd = open(text_cstr(&directory), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) != 0) {
		add_errno(why, text_span(&directory));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if ((status.st_mode & S_IWOTH) == 0 &&
	    (status.st_uid == 0 || status.st_uid == geteuid() || status.st_uid == owner->uid))
		return fd;
	text_add(why, text_span(&directory));
	text_add(why, SPAN(": others can write there, or own it"));
	close(fd);
	return -1;
}

static bool somebody_answers(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool does;

	if (fd < 0)
		return true;
	does = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	       errno != ECONNREFUSED;
	close(fd);
	return does;
}

static enum err clear_name(int directory, const char *name, const struct sockaddr_un *address,
			   struct text *why)
{
	struct stat status;

	if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENOENT)
			return OK;
		add_errno(why, SPAN("stat"));
		return ERR_SYSTEM;
	}
	if (!S_ISSOCK(status.st_mode)) {
		text_add(why, SPAN("something that is no socket stands there"));
		return ERR_SYSTEM;
	}
	if (somebody_answers(address)) {
		text_add(why, SPAN("somebody answers there already"));
		return ERR_SYSTEM;
	}
	if (unlinkat(directory, name, 0) == 0)
		return OK;
	add_errno(why, SPAN("unlink"));
	return ERR_SYSTEM;
}

static enum err bind_unix(const struct listener *listener, const struct owner *owner, int directory,
			  const struct sockaddr_un *address, struct listening *listening)
{
	const char *slash = strrchr(address->sun_path, '/');
	const char *name = slash != NULL ? slash + 1 : address->sun_path;
	mode_t mask = umask(0777);
	struct stat status;
	int bound;

	/* With a mode of its own, nobody gets in before it has it. */
	if (listener->mode == 0)
		umask(mask);
	bound = bind(listening->fd, (const struct sockaddr *)address, sizeof(*address));
	umask(mask);
	if (bound != 0)
		return ERR_SYSTEM;
	if (listener->mode != 0 && fchmodat(directory, name, listener->mode, 0) != 0)
		return ERR_SYSTEM;
	if (geteuid() == 0 && owner->uid != 0 &&
	    fchownat(directory, name, owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW) != 0)
		return ERR_SYSTEM;
	if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return ERR_SYSTEM;
	listening->device = status.st_dev;
	listening->inode = status.st_ino;
	listening->path = strdup(address->sun_path);
	return listening->path != NULL ? OK : ERR_SYSTEM;
}

static enum err open_unix(const struct listener *listener, const struct owner *owner,
			  struct text *why, struct listening *listening)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *name;
	enum err err;
	int directory;

	if (listener->path.len >= sizeof(address.sun_path)) {
		text_addf(why, "the path is longer than %zu bytes", sizeof(address.sun_path) - 1);
		return ERR_LIMIT;
	}
	memcpy(address.sun_path, listener->path.at, listener->path.len);
	directory = open_directory(address.sun_path, owner, why);
	if (directory < 0)
		return ERR_SYSTEM;
	name = strrchr(address.sun_path, '/');
	err = clear_name(directory, name != NULL ? name + 1 : address.sun_path, &address, why);
	if (err == OK) {
		err = bind_unix(listener, owner, directory, &address, listening);
		if (err != OK)
			add_errno(why, SPAN("bind"));
	}
	close(directory);
	return err;
}

enum err listening_open(const struct listener *listener, const struct owner *owner,
			struct text *why, struct listening *listening_out)
{
	int family = listener->is_unix                   ? AF_UNIX
		     : listener->address.family == IP_V4 ? AF_INET
							 : AF_INET6;
	struct listening listening = {
		.fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
	};
	enum err err;

	if (listening.fd < 0) {
		add_errno(why, SPAN("socket"));
		return ERR_SYSTEM;
	}
	err = listener->is_unix ? open_unix(listener, owner, why, &listening)
				: open_inet(listener, why, listening.fd);
	if (err == OK && listen(listening.fd, LISTEN_BACKLOG) != 0) {
		add_errno(why, SPAN("listen"));
		err = ERR_SYSTEM;
	}
	if (err != OK) {
		listening_close(&listening);
		return err;
	}
	*listening_out = listening;
	return OK;
}

void listening_close(struct listening *listening)
{
	struct stat status;

	if (listening->fd < 0)
		return;
	if (listening->path != NULL && lstat(listening->path, &status) == 0 &&
	    status.st_dev == listening->device && status.st_ino == listening->inode)
		unlink(listening->path);
	close(listening->fd);
	free(listening->path);
	*listening = (struct listening){ .fd = -1 };
}
