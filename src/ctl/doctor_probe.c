/* doctor_probe.c -- does a resolver answer over UDP and TCP, and does it speak EDNS?
 *
 * One question, the name servers of the root, to each address over both; what the answer says
 * does not matter.  Source: RFC 1035 section 4, RFC 6891.
 */
#include "ctl/doctor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	HEADER_BYTES = 12,
	QUESTION_BYTES = 28, /* header, ". NS IN", OPT */
	ANSWER_BYTES_MAX = 4096,
	PREFIX_BYTES = 2, /* of TCP: the length */
	RCODE_FORMERR = 1,
	RCODE_NOTIMP = 4,
	RCODE_REFUSED = 5,
	TYPE_OPT = 41,
};

/* One question on its way. */
struct flight {
	struct resolver_probe *probe;
	bool is_tcp, is_sent;
	uint16_t id;
	uint8_t answer[PREFIX_BYTES + ANSWER_BYTES_MAX];
	size_t len;
};

static void write_question(const struct flight *flight, uint8_t *at)
{
	static const uint8_t question[QUESTION_BYTES] = {
		0, 0, 1,  0, 0,   1, 0, 0, 0, 0, 0, 1, /* RD; one question, one additional */
		0, 0, 2,  0, 1,                        /* . NS IN */
		0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0     /* OPT, 1232 bytes */
	};

	memcpy(at, question, sizeof(question));
	at[0] = (uint8_t)(flight->id >> 8);
	at[1] = (uint8_t)flight->id;
}

static int flight_open(const struct flight *flight)
{
	const struct ip *ip = &flight->probe->address;
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(flight->probe->port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(flight->probe->port) };
	bool is_v4 = ip->family == IP_V4;
	int fd = socket(is_v4 ? AF_INET : AF_INET6,
			(flight->is_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
			0);
	int result;

	if (fd < 0)
		return -1;
	memcpy(&v4.sin_addr, ip->byte, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, ip->byte, sizeof(v6.sin6_addr));
	result = is_v4 ? connect(fd, (const struct sockaddr *)&v4, sizeof(v4))
		       : connect(fd, (const struct sockaddr *)&v6, sizeof(v6));
	if (result == 0 || errno == EINPROGRESS)
		return fd;
	close(fd);
	return -1;
}

/* --- the answer --- */

static size_t name_end(const uint8_t *at, size_t len, size_t i)
{
	while (i < len && at[i] != 0) {
		if (at[i] >= 0xc0)
			return i + 2;
		i += at[i] + 1U;
	}
	return i + 1;
}

static unsigned number_at(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static bool has_opt(const uint8_t *at, size_t len)
{
	unsigned records = number_at(at + 6) + number_at(at + 8) + number_at(at + 10);
	size_t i = HEADER_BYTES;

	if (number_at(at + 4) > 0)
		i = name_end(at, len, i) + 4;
	while (records-- > 0 && i < len) {
		i = name_end(at, len, i);
		if (i + 10 > len)
			return false;
		if (number_at(at + i) == TYPE_OPT)
			return true;
		i += 10 + number_at(at + i + 8);
	}
	return false;
}

static void hear(struct flight *flight, const uint8_t *at, size_t len)
{
	struct resolver_probe *probe = flight->probe;
	enum probe_said said = PROBE_ANSWERED;
	unsigned rcode;

	if (len < HEADER_BYTES || number_at(at) != flight->id || (at[2] & 0x80) == 0)
		return;
	rcode = at[3] & 15;
	if (rcode == RCODE_REFUSED)
		said = PROBE_REFUSED;
	if (flight->is_tcp) {
		probe->tcp = said;
		return;
	}
	probe->udp = said;
	probe->has_edns = has_opt(at, len);
	probe->refuses_edns = rcode == RCODE_FORMERR || rcode == RCODE_NOTIMP;
}

/* --- the flight --- */

static bool send_question(struct flight *flight, int fd)
{
	uint8_t packet[PREFIX_BYTES + QUESTION_BYTES] = { 0, QUESTION_BYTES };
	size_t skip = flight->is_tcp ? 0 : PREFIX_BYTES;

	write_question(flight, packet + PREFIX_BYTES);
	flight->is_sent = true;
	return send(fd, packet + skip, sizeof(packet) - skip, MSG_NOSIGNAL) ==
	       (ssize_t)(sizeof(packet) - skip);
}

/* @return false: nothing more will come */
static bool receive(struct flight *flight, int fd)
{
	size_t wanted;
	ssize_t count =
		recv(fd, flight->answer + flight->len, sizeof(flight->answer) - flight->len, 0);

	if (count <= 0)
		return count < 0 && (errno == EAGAIN || errno == EINTR);
	flight->len += (size_t)count;
	if (!flight->is_tcp) {
		hear(flight, flight->answer, flight->len);
		return false;
	}
	if (flight->len < PREFIX_BYTES)
		return true;
	wanted = PREFIX_BYTES + number_at(flight->answer);
	if (flight->len < wanted && flight->len < sizeof(flight->answer))
		return true;
	hear(flight, flight->answer + PREFIX_BYTES, flight->len - PREFIX_BYTES);
	return false;
}

/* @return false: it is over */
static bool advance(struct flight *flight, struct pollfd *poll_fd)
{
	if (poll_fd->revents == 0)
		return true;
	if (!flight->is_sent) {
		poll_fd->events = POLLIN;
		return send_question(flight, poll_fd->fd);
	}
	return receive(flight, poll_fd->fd);
}

static void fly(struct flight *flight, struct pollfd *poll_fd, size_t count)
{
	int64_t end_ms = doctor_clock_ms() + DOCTOR_PROBE_MS;
	size_t open = 0;

	for (size_t i = 0; i < count; i++) {
		poll_fd[i] = (struct pollfd){ .fd = flight_open(&flight[i]), .events = POLLOUT };
		open += poll_fd[i].fd >= 0;
	}
	while (open > 0) {
		int64_t left_ms = end_ms - doctor_clock_ms();

		if (left_ms <= 0 || poll(poll_fd, (nfds_t)count, (int)left_ms) == 0)
			break;
		for (size_t i = 0; i < count; i++) {
			if (poll_fd[i].fd < 0 || advance(&flight[i], &poll_fd[i]))
				continue;
			close(poll_fd[i].fd);
			poll_fd[i].fd = -1;
			open--;
		}
	}
	for (size_t i = 0; i < count; i++)
		if (poll_fd[i].fd >= 0)
			close(poll_fd[i].fd);
}

void doctor_probe(struct resolver_probe *probe, size_t count)
{
	static struct flight flight[2 * RESOLVER_ADDRESSES_MAX];
	struct pollfd poll_fd[2 * RESOLVER_ADDRESSES_MAX];

	for (size_t i = 0; i < 2 * count; i++) {
		flight[i] = (struct flight){ .probe = &probe[i / 2], .is_tcp = i % 2 == 1 };
		if (getrandom(&flight[i].id, sizeof(flight[i].id), 0) < 0)
			flight[i].id = (uint16_t)doctor_clock_ms();
	}
	fly(flight, poll_fd, 2 * count);
}
