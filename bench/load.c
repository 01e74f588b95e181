/* load.c -- a load of mail attempts for a policy daemon, and what became of them.
 *
 *	load [options] ADDRESS:PORT
 *
 *	-a KIND		which attempts (attempts.h): hot (standard), cold, new, mixed
 *	-n COUNT	requests in all; default 100000
 *	-f NUMBER	the first request's number: cold rounds must not repeat each other
 *	-c COUNT	connections, opened before the first request; default 100
 *	-p COUNT	requests under way on each connection; default 1
 *	-r RATE		requests a second; default: as fast as answers come.  A request's time
 *			counts from when it was due
 *	-s COUNT	spread the connections over 127.0.0.1 ... 127.0.0.COUNT
 *	-t SECONDS	give up when nothing has come for so long; default 30
 *	-H		hold: open the connections, say "ready", close them at the end of
 *			standard input
 *
 * -c 10000 -n 10000 puts 10,000 attempts in flight at once.
 *
 * Every answer is looked at: exactly one a request, one line "action=WORD..." and an empty
 * one.  At the end each connection is closed from our side and must end without another byte.
 * The report is one JSON object on standard output; exit status 1 when an answer was missing
 * or wrong.
 */
#include "attempts.h"
#include "latency.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
	PIPELINE_MAX = 64,
	ANSWER_MAX = 2048,
	EVENTS_MAX = 256,
	WORDS_MAX = 32,
	WORD_MAX = 24,
	SOURCES_MAX = 250,
};

struct connection {
	int fd;
	uint32_t under_way;
	uint64_t began_us[PIPELINE_MAX]; /* a ring, oldest at first */
	uint32_t first;
	char *unsent;
	size_t unsent_len;
	size_t answer_len;
	char answer[ANSWER_MAX];
};

struct word {
	char text[WORD_MAX];
	uint64_t count;
};

static struct {
	enum attempt_kind kind;
	uint32_t count, first, connections, pipeline, sources;
	double rate;
	uint32_t patience_s;
	bool hold;
	struct sockaddr_in to;
} want = { ATTEMPT_HOT, 100000, 0, 100, 1, 1, 0, 30, false, { 0 } };

static struct {
	struct connection *connection;
	struct latency latency;
	struct word word[WORDS_MAX];
	uint32_t sent, answered, malformed, uncalled, broken, unclean, under_way, under_way_most;
	uint64_t began_us, ended_us;
	uint32_t turn; /* open rate: who is next */
	int epoll;
} run;

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint32_t number_or_die(const char *text, uint32_t least, uint32_t most)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || number < least || number > most)
		errx(64, "not a number from %u to %u: %s", least, most, text);
	return (uint32_t)number;
}

static enum attempt_kind kind_or_die(const char *name)
{
	for (int kind = 0; kind < ATTEMPT_KINDS; kind++)
		if (strcmp(attempt_kind_name[kind], name) == 0)
			return (enum attempt_kind)kind;
	errx(64, "no such attempts: %s", name);
}

static void address_or_die(char *text)
{
	char *colon = strrchr(text, ':');

	if (colon == NULL)
		errx(64, "ADDRESS:PORT wanted");
	*colon = '\0';
	want.to.sin_family = AF_INET;
	want.to.sin_port = htons((uint16_t)number_or_die(colon + 1, 1, 65535));
	if (inet_pton(AF_INET, text, &want.to.sin_addr) != 1)
		errx(64, "no IPv4 address: %s", text);
}

static void options_or_die(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "a:n:f:c:p:r:s:t:H")) != -1) {
		switch (option) {
		case 'a': want.kind = kind_or_die(optarg); break;
		case 'n': want.count = number_or_die(optarg, 0, 100000000); break;
		case 'f': want.first = number_or_die(optarg, 0, UINT32_MAX); break;
		case 'c': want.connections = number_or_die(optarg, 1, 100000); break;
		case 'p': want.pipeline = number_or_die(optarg, 1, PIPELINE_MAX); break;
		case 'r': want.rate = (double)number_or_die(optarg, 1, 10000000); break;
		case 's': want.sources = number_or_die(optarg, 1, SOURCES_MAX); break;
		case 't': want.patience_s = number_or_die(optarg, 1, 3600); break;
		case 'H': want.hold = true; break;
		default: exit(64);
		}
	}
	if (optind + 1 != argc)
		errx(64, "load [options] ADDRESS:PORT");
	address_or_die(argv[optind]);
}

static int connect_or_die(uint32_t index)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	struct sockaddr_in from = { .sin_family = AF_INET };

	if (fd < 0)
		err(71, "socket");
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + index % want.sources);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
	if (want.sources > 1 && bind(fd, (struct sockaddr *)&from, sizeof from) < 0)
		err(71, "bind");
	if (connect(fd, (struct sockaddr *)&want.to, sizeof want.to) < 0)
		err(69, "connect, connection %u", index);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static void watch(struct connection *connection, int operation, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = connection };

	if (epoll_ctl(run.epoll, operation, connection->fd, &event) < 0)
		err(71, "epoll_ctl");
}

static void open_connections(void)
{
	run.epoll = epoll_create1(EPOLL_CLOEXEC);
	run.connection = calloc(want.connections, sizeof *run.connection);
	if (run.epoll < 0 || run.connection == NULL)
		err(71, "start");
	for (uint32_t i = 0; i < want.connections; i++) {
		struct connection *connection = &run.connection[i];

		connection->fd = connect_or_die(i);
		connection->unsent = malloc((size_t)want.pipeline * ATTEMPT_TEXT_MAX);
		if (connection->unsent == NULL)
			err(71, "start");
		watch(connection, EPOLL_CTL_ADD, EPOLLIN);
	}
}

/* The peer is gone: what was under way stays unanswered. */
static void lose(struct connection *connection)
{
	if (connection->under_way > 0)
		run.broken++;
	run.under_way -= connection->under_way;
	connection->under_way = 0;
	close(connection->fd);
	connection->fd = -1;
}

static void flush(struct connection *connection)
{
	while (connection->unsent_len > 0) {
		ssize_t n = send(connection->fd, connection->unsent, connection->unsent_len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			lose(connection);
			return;
		}
		if (n < 0) {
			watch(connection, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
			return;
		}
		connection->unsent_len -= (size_t)n;
		memmove(connection->unsent, connection->unsent + n, connection->unsent_len);
	}
}

static bool has_room(const struct connection *connection)
{
	return connection->fd >= 0 && connection->under_way < want.pipeline &&
	       connection->unsent_len + ATTEMPT_TEXT_MAX <=
		       (size_t)want.pipeline * ATTEMPT_TEXT_MAX;
}

static void add_request(struct connection *connection, uint64_t due_us)
{
	uint32_t place = (connection->first + connection->under_way) % PIPELINE_MAX;

	connection->unsent_len += attempt_write(connection->unsent + connection->unsent_len,
						want.kind, want.first + run.sent);
	connection->began_us[place] = due_us;
	connection->under_way++;
	run.sent++;
	if (++run.under_way > run.under_way_most)
		run.under_way_most = run.under_way;
}

/* As many requests as the connection may have under way. */
static void refill(struct connection *connection)
{
	uint64_t now = now_us();

	while (run.sent < want.count && has_room(connection))
		add_request(connection, now);
	if (connection->fd >= 0)
		flush(connection);
}

/* The open rate: all that is due by now, on whatever connection has room.
 *
 * @return how long until the next is due, in milliseconds
 */
static int send_due(void)
{
	uint64_t now = now_us();
	uint32_t looked = 0;

	while (run.sent < want.count && looked < want.connections) {
		uint64_t due = run.began_us + (uint64_t)((double)run.sent * 1e6 / want.rate);
		struct connection *connection = &run.connection[run.turn];

		if (due > now)
			return (int)((due - now) / 1000);
		run.turn = (run.turn + 1) % want.connections;
		looked++;
		if (!has_room(connection))
			continue;
		add_request(connection, due);
		flush(connection);
		looked = 0;
	}
	return 1000;
}

static void count_word(const char *word, size_t len)
{
	for (size_t i = 0; i < WORDS_MAX; i++) {
		struct word *entry = &run.word[i];

		if (entry->count == 0 && len < WORD_MAX)
			memcpy(entry->text, word, len);
		if (strlen(entry->text) == len && memcmp(entry->text, word, len) == 0) {
			entry->count++;
			return;
		}
	}
}

/* line: "action=WORD..." without its newlines */
static void judge_answer(const char *line, size_t len)
{
	static const char start[] = "action=";
	size_t at = sizeof start - 1, word_len = 0;
	bool is_good = len > at && memcmp(line, start, at) == 0;

	while (is_good && at + word_len < len && line[at + word_len] != ' ')
		word_len++;
	for (size_t i = 0; i < word_len; i++)
		is_good &= isalnum((unsigned char)line[at + i]) || line[at + i] == '_';
	for (size_t i = at; is_good && i < len; i++)
		is_good = (unsigned char)line[i] >= 32 && (unsigned char)line[i] < 127;
	if (is_good && word_len > 0) {
		count_word(line + at, word_len);
	} else if (run.malformed++ == 0) {
		warnx("malformed answer: %.*s", (int)(len < 200 ? len : 200), line);
	}
}

static void take_answer(struct connection *connection, const char *line, size_t len)
{
	if (connection->under_way == 0) {
		run.uncalled++;
		return;
	}
	judge_answer(line, len);
	run.ended_us = now_us();
	latency_add(&run.latency, run.ended_us - connection->began_us[connection->first]);
	connection->first = (connection->first + 1) % PIPELINE_MAX;
	connection->under_way--;
	run.under_way--;
	run.answered++;
}

static void take_answers(struct connection *connection)
{
	const char *at = connection->answer;
	size_t left = connection->answer_len;
	const char *newline;

	while ((newline = memchr(at, '\n', left)) != NULL) {
		size_t len = (size_t)(newline - at);

		if (left < len + 2)
			break;
		if (newline[1] != '\n') { /* a second line: no answer has one */
			run.malformed++;
			lose(connection);
			return;
		}
		take_answer(connection, at, len);
		at += len + 2;
		left -= len + 2;
	}
	memmove(connection->answer, at, left);
	connection->answer_len = left;
}

static void receive(struct connection *connection)
{
	ssize_t n = recv(connection->fd, connection->answer + connection->answer_len,
			 ANSWER_MAX - connection->answer_len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		lose(connection);
		return;
	}
	connection->answer_len += (size_t)n;
	take_answers(connection);
	if (connection->fd >= 0 && want.rate == 0)
		refill(connection);
}

static void step(int timeout_ms)
{
	struct epoll_event event[EVENTS_MAX];
	int count = epoll_wait(run.epoll, event, EVENTS_MAX, timeout_ms);

	for (int i = 0; i < count; i++) {
		struct connection *connection = event[i].data.ptr;

		if (event[i].events & EPOLLOUT) {
			watch(connection, EPOLL_CTL_MOD, EPOLLIN);
			flush(connection);
		}
		if (connection->fd >= 0 && event[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			receive(connection);
	}
}

static void send_all(void)
{
	uint32_t answered = 0;
	uint64_t heard_us = run.began_us = now_us();

	for (uint32_t i = 0; want.rate == 0 && i < want.connections; i++)
		refill(&run.connection[i]);
	while (run.sent < want.count || run.under_way > 0) {
		step(want.rate == 0 ? 1000 : send_due());
		if (answered != run.answered)
			heard_us = now_us();
		answered = run.answered;
		if (now_us() - heard_us > (uint64_t)want.patience_s * 1000000)
			break;
	}
}

/* Half-close, and wait for the peer's own close: nothing may come before it. */
static void close_connections(void)
{
	struct timeval patience = { .tv_sec = want.patience_s };
	char byte;

	for (uint32_t i = 0; i < want.connections; i++)
		if (run.connection[i].fd >= 0)
			shutdown(run.connection[i].fd, SHUT_WR);
	for (uint32_t i = 0; i < want.connections; i++) {
		int fd = run.connection[i].fd;

		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
		if (run.connection[i].answer_len > 0 || recv(fd, &byte, 1, 0) != 0)
			run.unclean++;
		close(fd);
	}
}

static void report(void)
{
	double seconds = (double)(run.ended_us - run.began_us) / 1e6;

	printf("{\"sent\":%u,\"answered\":%u,\"lost\":%u,\"malformed\":%u,\"uncalled\":%u,"
	       "\"broken\":%u,\"unclean\":%u,\"under_way_most\":%u,\"seconds\":%.3f,"
	       "\"rate\":%.0f",
	       run.sent, run.answered, want.count - run.answered, run.malformed, run.uncalled,
	       run.broken, run.unclean, run.under_way_most, seconds,
	       seconds > 0 ? run.answered / seconds : 0);
	printf(",\"p50_us\":%lu,\"p90_us\":%lu,\"p99_us\":%lu,\"max_us\":%lu,\"actions\":{",
	       latency_percentile(&run.latency, 0.50), latency_percentile(&run.latency, 0.90),
	       latency_percentile(&run.latency, 0.99), run.latency.longest_us);
	for (size_t i = 0; i < WORDS_MAX && run.word[i].count > 0; i++)
		printf("%s\"%s\":%lu", i > 0 ? "," : "", run.word[i].text, run.word[i].count);
	printf("}}\n");
}

int main(int argc, char **argv)
{
	struct rlimit files;

	options_or_die(argc, argv);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	open_connections();
	if (want.hold) {
		puts("ready");
		fflush(stdout);
		while (getchar() != EOF)
			;
		return 0;
	}
	send_all();
	close_connections();
	report();
	return run.answered < want.count || run.malformed + run.uncalled + run.unclean > 0;
}
