/* sink.c -- the writing end of the log: standard error, the journal, syslog. */
#include "base/ensure.h"
#include "base/utc.h"
#include "effects/log_priv.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	SYSLOG_FACILITY_MAIL = 2 << 3, /* RFC 5424 section 6.2.1 */
	SYSLOG_PREFIX_MAX = 128,
	DATAGRAMS_MAX = 32,
	/* A pipe that is ready takes so much without blocking: pipe(7), PIPE_BUF. */
	PIPE_WRITE_BYTES = 4096,
	FILE_WRITE_BYTES = 32 * 1024,
	STDERR_LINE_MAX = LOG_LINE_BYTES_MAX + 64,
};
_Static_assert((int)STDERR_LINE_MAX < (int)PIPE_WRITE_BYTES, "a line is written at once");

static void sink_connect(struct sink *sink)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(sink->options.socket_path);

	if (len >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, sink->options.socket_path, len);
	sink->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sink->fd < 0)
		return;
	if (connect(sink->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		close(sink->fd);
		sink->fd = -1;
	}
}

void sink_open(struct sink *sink, const struct log_options *options)
{
	struct stat status;

	*sink = (struct sink){ .options = *options, .fd = -1 };
	if (options->way == LOG_WAY_SYSLOG) {
		sink_connect(sink);
		return;
	}
	sink->fd = options->fd;
	sink->is_file = fstat(options->fd, &status) == 0 && S_ISREG(status.st_mode);
}

void sink_close(struct sink *sink)
{
	if (sink->options.way == LOG_WAY_SYSLOG && sink->fd >= 0)
		close(sink->fd);
	sink->fd = -1;
}

static bool sink_is_ready(const struct sink *sink)
{
	struct pollfd poll_fd = { .fd = sink->fd, .events = POLLOUT };

	return poll(&poll_fd, 1, SINK_PATIENCE_MS) > 0;
}

static bool next_record(struct span *records, struct record *record, struct span *text)
{
	if (records->len < sizeof(*record))
		return false;
	memcpy(record, records->at, sizeof(*record));
	*text = span_first(span_from(*records, sizeof(*record)), record->len);
	*records = span_from(*records, sizeof(*record) + record->len);
	return true;
}

static void add_stderr_line(struct text *text, enum log_way way, const struct record *record,
			    struct span line)
{
	if (way == LOG_WAY_JOURNAL) {
		text_addf(text, "<%d>", record->level);
	} else {
		text_add_utc(text, record->time_ms);
		text_add_char(text, ' ');
	}
	text_add(text, line);
	text_add_char(text, '\n');
}

/* Write one text whole.  @return false: not now, or never */
static bool write_text(struct sink *sink, struct span text)
{
	while (text.len > 0) {
		ssize_t written;

		if (!sink->is_file && !sink_is_ready(sink))
			return false;
		written = write(sink->fd, text.at, text.len);
		if (written < 0 && errno != EINTR && errno != EAGAIN) {
			sink->is_dead = errno == EPIPE || errno == EBADF;
			return !sink->is_dead; /* lost, but go on */
		}
		if (written > 0)
			text = span_from(text, (size_t)written);
	}
	return true;
}

static size_t write_lines(struct sink *sink, struct span records)
{
	size_t bytes_max = sink->is_file ? FILE_WRITE_BYTES : PIPE_WRITE_BYTES;
	struct span rest = records;
	TEXT(text, FILE_WRITE_BYTES);

	while (rest.len > 0) {
		struct span before = rest;
		struct record record;
		struct span line;

		text_clear(&text);
		while (text.len + STDERR_LINE_MAX <= bytes_max &&
		       next_record(&rest, &record, &line))
			add_stderr_line(&text, sink->options.way, &record, line);
		if (!write_text(sink, text_span(&text)))
			return records.len - before.len;
	}
	return records.len;
}

static void add_syslog_prefix(struct text *text, const struct sink *sink,
			      const struct record *record)
{
	time_t time_s = (time_t)(record->time_ms / 1000);
	struct tm tm;
	char stamp[32];

	/* RFC 3164 section 4.1.2: local time, English names of months. */
	localtime_r(&time_s, &tm);
	strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &tm);
	text_addf(text, "<%d>%s %s[%d]: ", SYSLOG_FACILITY_MAIL | record->level, stamp,
		  sink->options.ident, (int)getpid());
}

/* Send so many datagrams at once as are there.  @return how many went */
static unsigned send_datagrams(struct sink *sink, struct mmsghdr *message, unsigned count)
{
	int sent = sendmmsg(sink->fd, message, count, MSG_NOSIGNAL);

	if (sent >= 0)
		return (unsigned)sent;
	if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR) {
		(void)!sink_is_ready(sink);
		return 0;
	}
	if (errno == EMSGSIZE)
		return 1;
	sink_close(sink);
	return 0;
}

static size_t write_datagrams(struct sink *sink, struct span records)
{
	static const int pieces = 2;
	struct mmsghdr message[DATAGRAMS_MAX] = { 0 };
	struct iovec piece[DATAGRAMS_MAX][2];
	size_t len[DATAGRAMS_MAX];
	char prefix[DATAGRAMS_MAX][SYSLOG_PREFIX_MAX];
	struct span rest = records, line;
	struct record record;
	unsigned count = 0, sent;
	size_t done = 0;

	while (count < DATAGRAMS_MAX && next_record(&rest, &record, &line)) {
		struct text text = { prefix[count], 0, SYSLOG_PREFIX_MAX, false };

		add_syslog_prefix(&text, sink, &record);
		piece[count][0] = (struct iovec){ text.at, text.len };
		piece[count][1] = (struct iovec){ (void *)(uintptr_t)line.at, line.len };
		message[count].msg_hdr.msg_iov = piece[count];
		message[count].msg_hdr.msg_iovlen = (size_t)pieces;
		len[count++] = sizeof(record) + line.len;
	}
	sent = send_datagrams(sink, message, count);
	ENSURE(sent <= count);
	for (unsigned i = 0; i < sent; i++)
		done += len[i];
	return done;
}

size_t sink_write(struct sink *sink, struct span records)
{
	size_t done = 0;

	if (sink->is_dead)
		return 0;
	if (sink->options.way != LOG_WAY_SYSLOG)
		return write_lines(sink, records);
	if (sink->fd < 0)
		sink_connect(sink);
	while (sink->fd >= 0 && done < records.len) {
		size_t written = write_datagrams(sink, span_from(records, done));

		if (written == 0)
			break;
		done += written;
	}
	return done;
}
