/* client.h -- a store and one asker, for tests: every question waits for its answer. */
#pragma once
#include "store/store.h"
#include "weigh/tally.h"
#include "weigh/triplet.h"

#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { CLIENT_ITEM_MAX = 200, CLIENT_SAID_MAX = 4096 };

struct client {
	struct event_base *base;
	struct store *store;
	struct store_port *port;
	char why[CLIENT_SAID_MAX]; /* when it could not be opened */
};

struct client_answer {
	enum fact_state state;
	enum fact_cause cause;
	char item[CLIENT_ITEM_MAX]; /* the first; "" where there is none */
};

/* What a store has said, and how often; by its own thread, too. */
struct client_said {
	pthread_mutex_t lock;
	char text[CLIENT_SAID_MAX];
	unsigned count;
};

static inline void client_hears(void *self, enum store_level level, const char *text)
{
	struct client_said *said = self;
	size_t len;

	(void)level;
	pthread_mutex_lock(&said->lock);
	len = strlen(said->text);
	snprintf(said->text + len, sizeof(said->text) - len, "%s\n", text);
	said->count++;
	pthread_mutex_unlock(&said->lock);
}

static inline bool client_heard(struct client_said *said, const char *part)
{
	bool is_there;

	pthread_mutex_lock(&said->lock);
	is_there = strstr(said->text, part) != NULL;
	pthread_mutex_unlock(&said->lock);
	return is_there;
}

/* Else the test is over, and says what the store has said. */
static inline void must(const struct client_said *said, bool is_so, const char *what)
{
	if (is_so)
		return;
	fprintf(stderr, "%s\nthe store said: %s\n", what, said->text);
	exit(1);
}

/* xorshift: the same from the same seed, which is not 0. */
static inline uint64_t random_below(uint64_t *random, uint64_t bound)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (*random >> 11) % bound;
}

static inline int64_t client_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/** @return as store_open(); then client->why says it */
static inline enum err client_open(struct client *client, const struct store_options *options)
{
	struct text why = { client->why, 0, sizeof(client->why), false };
	enum err err = store_open(options, &why, &client->store);

	text_cstr(&why);
	if (err != OK)
		return err;
	client->base = event_base_new();
	client->port = store_port_open(client->store, client->base);
	if (client->port == NULL)
		abort();
	return OK;
}

static inline void client_close(struct client *client)
{
	store_port_close(client->port);
	store_close(client->store);
	event_base_free(client->base);
	*client = (struct client){ 0 };
}

/** Make a folder of the test's own, in memory where there is such a place: what a process has
 * written outlives its kill on any file system, and no test need wait for a disk. */
static inline bool client_folder(char *folder, size_t room, const char *name)
{
	static const char *const place[] = { "/dev/shm", "/tmp" };

	for (size_t i = 0; i < 2; i++) {
		snprintf(folder, room, "%s/weighd-%s-XXXXXX", place[i], name);
		if (mkdtemp(folder) != NULL)
			return true;
	}
	return false;
}

static inline void client_empty_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;

	while (folder != NULL && (entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(folder), entry->d_name, 0);
	if (folder != NULL)
		closedir(folder);
}

/* A store in a file that never has too many entries, and who hears what it says. */
static inline struct store_options client_sqlite(const char *path, struct client_said *said)
{
	return (struct store_options){ .kind = STORE_SQLITE,
				       .path = span_cstr(path),
				       .entries_max = 10000000,
				       .say = client_hears,
				       .self = said };
}

static inline void client_answered(struct store_wait *wait)
{
	*(bool *)wait->owner = true;
}

/* Runs the loop until *is_over. */
static inline void client_wait(struct client *client, const bool *is_over)
{
	while (!*is_over)
		if (event_base_loop(client->base, EVLOOP_ONCE) < 0)
			abort();
}

static inline struct client_answer client_ask(struct client *client, struct fact *fact,
					      int64_t now_ms, bool is_rehearsal)
{
	bool is_over = false;
	struct store_wait wait = { .fact = fact,
				   .now_ms = now_ms,
				   .is_rehearsal = is_rehearsal,
				   .answered = client_answered,
				   .owner = &is_over };
	struct client_answer answer = { 0 };

	store_ask(client->port, &wait);
	client_wait(client, &is_over);
	answer.state = fact->state;
	answer.cause = fact->cause;
	if (fact->state == FACT_KNOWN)
		snprintf(answer.item, sizeof(answer.item), "%.*s", SPAN_ARG(fact->item[0]));
	store_release(client->port, fact);
	return answer;
}

static inline void client_answered_one(struct store_wait *wait)
{
	(*(size_t *)wait->owner)--;
}

/** All at once, so that they share their transactions; the caller releases the facts. */
static inline void client_ask_all(struct client *client, struct fact *fact, size_t count,
				  int64_t now_ms, bool is_rehearsal)
{
	struct store_wait *wait = calloc(count, sizeof(*wait));
	size_t left = count;

	if (wait == NULL && count > 0)
		abort();
	for (size_t i = 0; i < count; i++) {
		wait[i] = (struct store_wait){ .fact = &fact[i],
					       .now_ms = now_ms,
					       .is_rehearsal = is_rehearsal,
					       .answered = client_answered_one,
					       .owner = &left };
		store_ask(client->port, &wait[i]);
	}
	while (left > 0)
		if (event_base_loop(client->base, EVLOOP_ONCE) < 0)
			abort();
	free(wait);
}

static inline struct client_answer client_touch(struct client *client, const char *key,
						const struct triplet_terms *terms, int64_t now_ms)
{
	struct fact fact = { .kind = FACT_GREYLIST, .key = span_cstr(key), .terms = terms };

	return client_ask(client, &fact, now_ms, false);
}

/** @param key  "LIMIT KEY" */
static inline struct client_answer client_count(struct client *client, const char *key,
						const struct tally_count *count, int64_t now_ms)
{
	struct fact fact = { .kind = FACT_TALLY, .key = span_cstr(key), .count = count };

	return client_ask(client, &fact, now_ms, false);
}

/** What is used, of an answer like "101/1h"; -1: it failed. */
static inline int64_t client_used(const struct client_answer *answer)
{
	return answer->state == FACT_KNOWN ? strtoll(answer->item, NULL, 10) : -1;
}

struct client_ended {
	bool is_over;
	enum err result;
};

static inline void client_done(void *self, const struct store_ended *ended)
{
	struct client_ended *end = self;

	end->result = ended->result;
	end->is_over = true;
}

static inline enum err client_put(struct client *client, const struct store_entry *entry,
				  int64_t now_ms)
{
	struct client_ended end = { .is_over = false };

	store_put(client->port, entry, now_ms, client_done, &end);
	client_wait(client, &end.is_over);
	return end.result;
}

static inline enum err client_erase(struct client *client, const struct store_entry *entry)
{
	struct client_ended end = { .is_over = false };

	store_erase(client->port, entry, client_done, &end);
	client_wait(client, &end.is_over);
	return end.result;
}

static inline struct store_figures client_figures(const struct client *client)
{
	struct store_figures figures;

	store_figures(client->store, &figures);
	return figures;
}
