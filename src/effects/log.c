/* log.c -- lines into a ring, and a thread that writes them. */
#include "effects/log.h"

#include "base/ensure.h"
#include "effects/log_priv.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	GATHER_MS = 10, /* lines of so long are written together while many come */
	FREE_PATIENCE_MS = 1000,
};

/* How many lines of one kind were said in its current window, and how many were held back. */
struct gate {
	int64_t begin_ms;
	uint32_t said, held;
};

struct log {
	pthread_t thread;
	pthread_mutex_t lock; /* of all below, but for sink and in */
	pthread_cond_t filled;
	struct ring ring;
	struct gate gate[KIND_COUNT];
	bool is_writer_asleep;
	bool is_ending;
	int64_t end_ms; /* when is_ending: of all patience; monotonic clock */
	bool is_redirected;
	struct log_options options; /* of the sink to come */
	uint64_t unsaid;            /* dropped, and not yet said so */
	_Atomic uint64_t dropped;
	struct sink sink;
	char in[SINK_IN_BYTES];
};

static const struct {
	uint32_t lines, seconds;
} allowance[KIND_COUNT] = {
#define LOG_KIND(symbol, lines, seconds) [symbol] = { lines, seconds },
	LOG_KINDS(LOG_KIND)
#undef LOG_KIND
};

static int64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool log_stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat status;

	return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

static size_t add_record(char *at, enum log_level level, struct span line)
{
	struct record record;

	line = span_first(line, LOG_LINE_BYTES_MAX);
	memset(&record, 0, sizeof(record));
	record.time_ms = clock_ms(CLOCK_REALTIME_COARSE);
	record.len = (uint16_t)line.len;
	record.level = (uint8_t)level;
	memcpy(at, &record, sizeof(record));
	memcpy(at + sizeof(record), line.at, line.len);
	return sizeof(record) + line.len;
}

static void put_records(struct log *log, struct span records, uint32_t line_count)
{
	if (!ring_put(&log->ring, records)) {
		log->unsaid += line_count;
		atomic_fetch_add(&log->dropped, line_count);
	}
	if (log->is_writer_asleep)
		pthread_cond_signal(&log->filled);
}

static void put_line(struct log *log, enum log_level level, struct span line)
{
	char record[sizeof(struct record) + LOG_LINE_BYTES_MAX];

	put_records(log, span_of(record, add_record(record, level, line)), 1);
}

static void say_lost(struct log *log)
{
	TEXT(line, 80);

	if (log->unsaid == 0)
		return;
	text_addf(&line, "warning: the log was slow or gone; %llu lines are lost",
		  (unsigned long long)log->unsaid);
	log->unsaid = 0;
	put_line(log, LEVEL_WARNING, text_span(&line));
}

/* May a line of the kind be said now?  *held_out: how many were not since the last. */
static bool pass_gate(struct log *log, enum log_kind kind, uint32_t *held_out)
{
	struct gate *gate = &log->gate[kind];
	int64_t now_ms = clock_ms(CLOCK_MONOTONIC);

	if (gate->begin_ms == 0 ||
	    now_ms - gate->begin_ms >= (int64_t)allowance[kind].seconds * 1000) {
		gate->begin_ms = now_ms;
		gate->said = 0;
	}
	if (allowance[kind].lines > 0 && gate->said >= allowance[kind].lines) {
		gate->held++;
		return false;
	}
	gate->said++;
	*held_out = gate->held;
	gate->held = 0;
	return true;
}

void log_say(struct log *log, enum log_kind kind, enum log_level level, const char *format, ...)
{
	char line[LOG_LINE_BYTES_MAX];
	uint32_t held = 0;
	va_list list;
	int len;

	va_start(list, format);
	len = vsnprintf(line, sizeof(line), format, list);
	va_end(list);
	if (len < 0)
		return;
	pthread_mutex_lock(&log->lock);
	if (pass_gate(log, kind, &held)) {
		struct text text = { line, strlen(line), sizeof(line), false };

		if (held > 0)
			text_addf(&text, " (%u more of this kind before)", held);
		put_line(log, level, text_span(&text));
	}
	pthread_mutex_unlock(&log->lock);
}

void log_say_lines(struct log *log, enum log_level level, struct span lines)
{
	struct span line;

	pthread_mutex_lock(&log->lock);
	while (span_cut(&lines, '\n', &line))
		put_line(log, level, line);
	pthread_mutex_unlock(&log->lock);
}

uint64_t log_dropped(const struct log *log)
{
	return atomic_load(&log->dropped);
}

bool log_batch_init(struct log_batch *batch)
{
	*batch = (struct log_batch){ .at = malloc(LOG_BATCH_BYTES) };
	return batch->at != NULL;
}

void log_batch_release(struct log_batch *batch)
{
	free(batch->at);
	*batch = (struct log_batch){ 0 };
}

void log_batch_add(struct log *log, struct log_batch *batch, enum log_level level, struct span line)
{
	if (batch->len + sizeof(struct record) + LOG_LINE_BYTES_MAX > LOG_BATCH_BYTES)
		log_batch_push(log, batch);
	batch->len += add_record(batch->at + batch->len, level, line);
	batch->line_count++;
}

void log_batch_push(struct log *log, struct log_batch *batch)
{
	if (batch->len == 0)
		return;
	pthread_mutex_lock(&log->lock);
	put_records(log, span_of(batch->at, batch->len), batch->line_count);
	pthread_mutex_unlock(&log->lock);
	batch->len = 0;
	batch->line_count = 0;
}

/* Sleep without the lock, but not through the end.  @return false: the end */
static bool rest_for(struct log *log, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (!log->is_ending)
		if (pthread_cond_timedwait(&log->filled, &log->lock, &until) != 0)
			return true;
	return false;
}

/* Write len bytes of log->in, however long it takes; called with the lock, which is let go. */
static void write_all(struct log *log, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t written;

		if (log->is_redirected) {
			sink_close(&log->sink);
			sink_open(&log->sink, &log->options);
			log->is_redirected = false;
		}
		if (log->is_ending && clock_ms(CLOCK_MONOTONIC) > log->end_ms)
			return;
		pthread_mutex_unlock(&log->lock);
		written = sink_write(&log->sink, span_of(log->in + done, len - done));
		pthread_mutex_lock(&log->lock);
		done += written;
		if (log->sink.is_dead) {
			/* Nobody will ever read it: F11, go on. */
			atomic_fetch_add(&log->dropped, 1);
			return;
		}
		if (written == 0 && log->is_ending && log->sink.fd < 0)
			return;
		if (written == 0 && log->sink.fd < 0)
			rest_for(log, SINK_AGAIN_MS);
	}
	say_lost(log);
}

static void *log_thread(void *arg)
{
	struct log *log = arg;
	size_t len;

	pthread_mutex_lock(&log->lock);
	for (;;) {
		len = ring_take(&log->ring, log->in, sizeof(log->in));
		if (len > 0) {
			write_all(log, len);
			continue;
		}
		if (log->is_ending)
			break;
		log->is_writer_asleep = true;
		pthread_cond_wait(&log->filled, &log->lock);
		log->is_writer_asleep = false;
		rest_for(log, GATHER_MS);
	}
	pthread_mutex_unlock(&log->lock);
	return NULL;
}

static bool log_start(struct log *log)
{
	pthread_condattr_t attributes;
	bool is_started;

	ENSURE(pthread_mutex_init(&log->lock, NULL) == 0);
	ENSURE(pthread_condattr_init(&attributes) == 0);
	ENSURE(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	ENSURE(pthread_cond_init(&log->filled, &attributes) == 0);
	pthread_condattr_destroy(&attributes);
	is_started = pthread_create(&log->thread, NULL, log_thread, log) == 0;
	if (is_started)
		pthread_setname_np(log->thread, "log");
	return is_started;
}

struct log *log_new(const struct log_options *options)
{
	struct log *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return NULL;
	log->ring = (struct ring){ .at = malloc(LOG_RING_BYTES), .room = LOG_RING_BYTES };
	sink_open(&log->sink, options);
	if (log->ring.at != NULL && log_start(log))
		return log;
	sink_close(&log->sink);
	free(log->ring.at);
	free(log);
	return NULL;
}

void log_free(struct log *log)
{
	if (log == NULL)
		return;
	pthread_mutex_lock(&log->lock);
	log->is_ending = true;
	log->end_ms = clock_ms(CLOCK_MONOTONIC) + FREE_PATIENCE_MS;
	pthread_cond_signal(&log->filled);
	pthread_mutex_unlock(&log->lock);
	pthread_join(log->thread, NULL);
	sink_close(&log->sink);
	pthread_cond_destroy(&log->filled);
	pthread_mutex_destroy(&log->lock);
	free(log->ring.at);
	free(log);
}

void log_redirect(struct log *log, const struct log_options *options)
{
	pthread_mutex_lock(&log->lock);
	log->options = *options;
	log->is_redirected = true;
	pthread_mutex_unlock(&log->lock);
}
