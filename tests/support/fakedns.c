/* fakedns.c -- a small fast name server for tests and benchmarks, with bad manners on demand.
 *
 *	fakedns [-a ADDRESS] [-p PORT] [-d MS] [-n] [--bench | ZONEFILE]
 *
 * It serves UDP and TCP, says "port N" on standard output when it does, and
 * "questions N udp N tcp N" on SIGUSR1 and at its end (SIGTERM, or end of file on standard
 * input where that is a pipe).
 *
 *	-a ADDRESS  of IPv4; 127.0.0.1 by default
 *	-p PORT   0, the default: the system chooses
 *	-d MS     every answer so much later
 *	-n        no TCP: connections are refused
 *	--bench   no zone: one name in 20 under bl*.example is listed (127.0.0.2); NAME.example
 *	          and mx.NAME.example have an address, NAME.example an MX, aHHHHHHHH.ANYTHING
 *	          the address in hexadecimal, and d.c.b.a.in-addr.arpa a name that leads back to
 *	          a.b.c.d; nothing else exists
 *
 * The zone file has a line each of:
 *
 *	# comment
 *	ttl N                 of the records that follow (300)
 *	negative-ttl N        of the SOA in negative answers (300)
 *	NAME TYPE DATA        A AAAA MX TXT PTR CNAME NS SOA; TXT is the rest of the line
 *	NAME TXT-HEX WORDS    TXT of any bytes: a string each word, "-" an empty one
 *	NAME RULE [N]         how it answers for NAME instead, see below
 *	NAME delay MS         its answers come later, whatever they are
 *
 * NAME is in presentation form without final dot, with \DDD for odd bytes; "*.suffix" stands
 * for all names below suffix, "*" for all.  Aliases are followed inside the file.  What is not
 * in the file is NXDOMAIN.
 *
 *	servfail refused formerr notimp    that code
 *	noedns                 FORMERR to questions with EDNS
 *	silent                 no answer
 *	truncate               TC over UDP, the records over TCP
 *	tcp-refuse tcp-silent  TC over UDP, then the connection is closed, or nothing comes
 *	wrongid wrongquestion  the records, but for another question
 *	header-only            12 bytes without the question;  five-bytes: 5 bytes
 *	bad-length             a record of the type asked for, with 5 bytes
 *	bad-txt                a TXT whose string is longer than its record
 *	bad-pointer            an owner that points at itself
 *	bad-count              one record announced, none there
 *	garbage                three announced, noise there
 *	cname-loop             three aliases in a circle;  many-aliases N: N, then an address
 *	nxdomain-with-data     both at once
 *	referral               no data, NS in the authority section
 *	many-a N, many-mx N, big-txt BYTES
 */
#include "fakedns.h"

#include "base/ensure.h"
#include "base/number.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 64,
	QUERY_BYTES = 1024,
	CONNECTIONS_MAX = 256,
	DELAYS_MAX = 16, /* different ones */
	SOCKET_BUFFER_BYTES = 16 * 1024 * 1024,
};

/* A UDP answer that waits for its time. */
struct later {
	struct later *next;
	uint64_t due_us;
	struct sockaddr_in to;
	size_t len;
	uint8_t at[];
};

/* All answers with the same delay: first in, first out. */
struct delay {
	uint32_t ms;
	struct later *first, *last;
};

struct connection {
	int fd; /* -1: free */
	size_t len;
	uint8_t in[QUERY_BYTES];
};

struct server {
	struct fake_zone *zone; /* NULL: --bench */
	struct in_addr address;
	uint32_t delay_ms;
	int udp, tcp, signals;
	bool watches_input;
	uint64_t udp_count, tcp_count;
	struct delay delay[DELAYS_MAX];
	size_t delay_count;
	struct connection connection[CONNECTIONS_MAX];
	struct fake_reply reply;
	uint8_t in[BATCH][QUERY_BYTES];
	struct sockaddr_in from[BATCH];
};

static uint64_t clock_us(void)
{
	struct timespec now;

	ENSURE(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}

static void report(const struct server *server)
{
	printf("questions %llu udp %llu tcp %llu\n",
	       (unsigned long long)(server->udp_count + server->tcp_count),
	       (unsigned long long)server->udp_count, (unsigned long long)server->tcp_count);
	fflush(stdout);
}

static void send_now(struct server *server, const void *at, size_t len,
		     const struct sockaddr_in *to)
{
	(void)!sendto(server->udp, at, len, 0, (const struct sockaddr *)to, sizeof(*to));
}

static void send_later(struct server *server, uint32_t delay_ms, const struct sockaddr_in *to)
{
	struct later *later = malloc(sizeof(*later) + server->reply.len);
	size_t i = 0;

	ENSURE(later != NULL);
	later->next = NULL;
	later->due_us = clock_us() + delay_ms * UINT64_C(1000);
	later->to = *to;
	later->len = server->reply.len;
	memcpy(later->at, server->reply.at, server->reply.len);
	while (i < server->delay_count && server->delay[i].ms != delay_ms)
		i++;
	ENSURE(i < DELAYS_MAX);
	if (i == server->delay_count)
		server->delay[server->delay_count++].ms = delay_ms;
	if (server->delay[i].first == NULL)
		server->delay[i].first = later;
	else
		server->delay[i].last->next = later;
	server->delay[i].last = later;
}

/** @return milliseconds until the next is due; -1: none is */
static int send_due(struct server *server)
{
	uint64_t now_us = clock_us(), next_us = UINT64_MAX;

	for (size_t i = 0; i < server->delay_count; i++) {
		struct delay *delay = &server->delay[i];

		while (delay->first != NULL && delay->first->due_us <= now_us) {
			struct later *later = delay->first;

			delay->first = later->next;
			send_now(server, later->at, later->len, &later->to);
			free(later);
		}
		if (delay->first != NULL && delay->first->due_us < next_us)
			next_us = delay->first->due_us;
	}
	if (next_us == UINT64_MAX)
		return -1;
	return (int)((next_us - now_us) / 1000U);
}

static void udp_answer(struct server *server, size_t i, size_t len)
{
	uint32_t delay_ms;

	server->udp_count++;
	fake_answer(server->zone, server->in[i], len, false, &server->reply);
	delay_ms = server->reply.delay_ms + server->delay_ms;
	if (server->reply.len == 0)
		return;
	if (delay_ms > 0)
		send_later(server, delay_ms, &server->from[i]);
	else
		send_now(server, server->reply.at, server->reply.len, &server->from[i]);
}

static void udp_serve(struct server *server)
{
	struct mmsghdr message[BATCH];
	struct iovec part[BATCH];
	int count;

	do {
		for (size_t i = 0; i < BATCH; i++) {
			part[i] = (struct iovec){ server->in[i], QUERY_BYTES };
			message[i].msg_hdr = (struct msghdr){
				.msg_name = &server->from[i],
				.msg_namelen = sizeof(server->from[i]),
				.msg_iov = &part[i],
				.msg_iovlen = 1,
			};
		}
		count = recvmmsg(server->udp, message, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < count; i++)
			udp_answer(server, (size_t)i, message[i].msg_len);
	} while (count == BATCH);
}

static void connection_close(struct connection *connection)
{
	close(connection->fd);
	connection->fd = -1;
}

/* Tests read what they ask for, so a blocking write will do. */
static bool write_whole(int fd, const uint8_t *at, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		at += sent;
		len -= (size_t)sent;
	}
	return true;
}

/** @return false: the connection is over */
static bool connection_answer(struct server *server, struct connection *connection)
{
	size_t len = (size_t)(connection->in[0] << 8 | connection->in[1]);
	uint8_t length[2];

	if (connection->len < 2 || connection->len < 2 + len)
		return connection->len < QUERY_BYTES;
	server->tcp_count++;
	fake_answer(server->zone, connection->in + 2, len, true, &server->reply);
	memmove(connection->in, connection->in + 2 + len, connection->len - 2 - len);
	connection->len -= 2 + len;
	if (server->reply.is_hung_up)
		return false;
	if (server->reply.len > 0) {
		length[0] = (uint8_t)(server->reply.len >> 8);
		length[1] = (uint8_t)server->reply.len;
		if (!write_whole(connection->fd, length, 2) ||
		    !write_whole(connection->fd, server->reply.at, server->reply.len))
			return false;
	}
	return connection->len == 0 || connection_answer(server, connection);
}

static void connection_serve(struct server *server, struct connection *connection)
{
	ssize_t len = recv(connection->fd, connection->in + connection->len,
			   QUERY_BYTES - connection->len, MSG_DONTWAIT);

	if (len < 0 && errno == EAGAIN)
		return;
	if (len > 0)
		connection->len += (size_t)len;
	if (len <= 0 || !connection_answer(server, connection))
		connection_close(connection);
}

static void tcp_accept(struct server *server)
{
	int fd = accept(server->tcp, NULL, NULL);

	for (size_t i = 0; fd >= 0 && i < CONNECTIONS_MAX; i++) {
		if (server->connection[i].fd >= 0)
			continue;
		server->connection[i].fd = fd;
		server->connection[i].len = 0;
		return;
	}
	if (fd >= 0)
		close(fd);
}

/** @return false: time to go */
static bool signal_take(struct server *server)
{
	struct signalfd_siginfo info;

	if (read(server->signals, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo != SIGUSR1)
		return false;
	report(server);
	return true;
}

static void serve(struct server *server)
{
	struct pollfd watched[4 + CONNECTIONS_MAX];
	bool goes_on = true;

	while (goes_on) {
		int wait_ms = send_due(server);

		watched[0] = (struct pollfd){ server->udp, POLLIN, 0 };
		watched[1] = (struct pollfd){ server->tcp, POLLIN, 0 };
		watched[2] = (struct pollfd){ server->signals, POLLIN, 0 };
		watched[3] = (struct pollfd){ server->watches_input ? 0 : -1, POLLIN, 0 };
		for (size_t i = 0; i < CONNECTIONS_MAX; i++)
			watched[4 + i] = (struct pollfd){ server->connection[i].fd, POLLIN, 0 };
		if (poll(watched, 4 + CONNECTIONS_MAX, wait_ms) < 0)
			continue;
		if (watched[0].revents != 0)
			udp_serve(server);
		if (watched[1].revents != 0)
			tcp_accept(server);
		for (size_t i = 0; i < CONNECTIONS_MAX; i++)
			if (watched[4 + i].fd >= 0 && watched[4 + i].revents != 0)
				connection_serve(server, &server->connection[i]);
		if (watched[2].revents != 0)
			goes_on = signal_take(server);
		if (watched[3].revents != 0)
			goes_on = false;
	}
	report(server);
}

/** UDP and TCP on one port; where the system chooses it, the second may be taken. */
static bool server_bind(struct server *server, uint16_t port, bool has_tcp)
{
	static const int buffer_bytes = SOCKET_BUFFER_BYTES, one = 1;
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr = server->address };
	socklen_t len = sizeof(address);

	server->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (setsockopt(server->udp, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes,
		       sizeof(buffer_bytes)) != 0)
		(void)setsockopt(server->udp, SOL_SOCKET, SO_RCVBUF, &buffer_bytes,
				 sizeof(buffer_bytes));
	if (bind(server->udp, (struct sockaddr *)&address, len) != 0 ||
	    getsockname(server->udp, (struct sockaddr *)&address, &len) != 0)
		return false;
	server->tcp = -1;
	if (has_tcp) {
		server->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		(void)setsockopt(server->tcp, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(server->tcp, (struct sockaddr *)&address, len) != 0 ||
		    listen(server->tcp, CONNECTIONS_MAX) != 0) {
			close(server->tcp);
			close(server->udp);
			return false;
		}
	}
	printf("port %u\n", ntohs(address.sin_port));
	fflush(stdout);
	return true;
}

static bool zone_load(struct server *server, const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	bool is_good = true;
	ssize_t len;

	if (file == NULL) {
		perror(path);
		return false;
	}
	server->zone = fake_zone_new();
	ENSURE(server->zone != NULL);
	for (unsigned number = 1; (len = getline(&line, &room, file)) >= 0; number++) {
		if (len > 0 && line[len - 1] == '\n')
			len--;
		if (fake_zone_add(server->zone, span_of(line, (size_t)len)) != OK) {
			fprintf(stderr, "%s:%u: what is this?\n", path, number);
			is_good = false;
		}
	}
	free(line);
	fclose(file);
	return is_good;
}

static void signals_open(struct server *server)
{
	struct stat input;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	server->signals = signalfd(-1, &set, SFD_CLOEXEC);
	server->watches_input = fstat(0, &input) == 0 && S_ISFIFO(input.st_mode);
}

static bool number_argument(const char *text, int64_t most, int64_t *number_out)
{
	return text != NULL && number_parse(span_cstr(text), number_out) == OK &&
	       *number_out >= 0 && *number_out <= most;
}

int main(int argc, char **argv)
{
	static struct server server;
	int64_t port = 0, delay_ms = 0;
	bool has_tcp = true, is_bench = false;
	int at = 1;

	server.address.s_addr = htonl(INADDR_LOOPBACK);
	for (; at < argc && argv[at][0] == '-'; at++) {
		struct span word = span_cstr(argv[at]);

		if (span_equal(word, SPAN("--bench")))
			is_bench = true;
		else if (span_equal(word, SPAN("-n")))
			has_tcp = false;
		else if (!(span_equal(word, SPAN("-a")) &&
			   inet_pton(AF_INET, argv[++at], &server.address) == 1) &&
			 !(span_equal(word, SPAN("-p")) &&
			   number_argument(argv[++at], 65535, &port)) &&
			 !(span_equal(word, SPAN("-d")) &&
			   number_argument(argv[++at], 600000, &delay_ms)))
			break;
	}
	if (is_bench ? at != argc : at != argc - 1) {
		fprintf(stderr, "usage: fakedns [-a ADDRESS] [-p PORT] [-d MS] [-n] "
				"[--bench | ZONEFILE]\n");
		return 64;
	}
	server.delay_ms = (uint32_t)delay_ms;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		server.connection[i].fd = -1;
	if (!is_bench && !zone_load(&server, argv[at]))
		return 66;
	signals_open(&server);
	for (int tries = 0; !server_bind(&server, (uint16_t)port, has_tcp); tries++) {
		if (port != 0 || tries == 16) {
			perror("fakedns: cannot bind");
			return 69;
		}
	}
	serve(&server);
	return 0;
}
