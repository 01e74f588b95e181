/* power_test.c -- what a loss of power leaves is opened, and what was synced is there.
 *
 *	power_test [STATES [SEED]]
 *
 * power_vfs.c records every write, cut, deletion and sync while the real driver works: making its
 *file, counting and touching, emptying its journal, closing, opening again.  Of that record states
 *are built as a disk may hold them when the power goes: of what was written since the last sync of
 *its file, writes are dropped, kept without those before them, or kept by sectors.  On each the
 *driver is opened.
 *
 * Operations are numbered, and done in their order.  After a loss of power those up to some
 * number must be there and none behind it, each as it was written; with `sync full` up to the last
 * one acknowledged, else up to the last one that was acknowledged before the journal's last sync.
 */
#include "client.h"
#include "power_vfs.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	STATES = 1000, /* of both ways to sync, together */
	STEPS_MAX = 600,
	BATCH_MAX = 8,
	KEYS = 4,
	DISK_BYTES_MAX = 4 * 1024 * 1024,
	SECTOR_BYTES = 512,
};

/* what the test marks in the record: so many operations had begun, were acknowledged */
enum { BEGUN, ACKED };

static struct world {
	char folder[64], path[80];
	struct store_options options;
	struct client_said said;
	uint64_t random;
	struct client client;
	size_t steps; /* operations so far */
} world;

/* A file as a disk holds it. */
struct disk {
	char bytes[DISK_BYTES_MAX];
	size_t len;
};

static struct disk disk[POWER_SLOTS];

#define NOW_MS INT64_C(1795000000000)

static const struct triplet_terms terms = { 300000, 172800000, INT64_C(3024000000) };
static struct tally_count counting = { .amount = 1 };

/* --- what is recorded --- */

static void step_key(char key[80], size_t step)
{
	if (step % 2 == 0)
		snprintf(key, 80, "net%zu sender%zu@example.org rcpt@example.net", step * 7919 % 97,
			 step);
	else
		snprintf(key, 80, "limit key%zu", step / 2 % KEYS);
}

static struct fact step_fact(char key[80], size_t step)
{
	step_key(key, step);
	return (struct fact){ .kind = step % 2 == 0 ? FACT_GREYLIST : FACT_TALLY,
			      .key = span_cstr(key),
			      .terms = &terms,
			      .count = &counting };
}

/* So many operations were done before: written behind, with nobody waiting for it. */
static void remember_steps(struct client *client)
{
	char value[32];

	snprintf(value, sizeof(value), "%zu", world.steps);
	store_remember(client->port,
		       &(struct memory){ .set = SPAN("mark"),
					 .key = SPAN("last"),
					 .value = span_cstr(value) },
		       NOW_MS);
}

static void add_batch(struct client *client, size_t count)
{
	struct fact fact[BATCH_MAX];
	char key[BATCH_MAX][80];

	remember_steps(client);
	for (size_t i = 0; i < count; i++)
		fact[i] = step_fact(key[i], world.steps++);
	must(&world.said, world.steps <= STEPS_MAX, "too many steps");
	power_mark(BEGUN, world.steps);
	client_ask_all(client, fact, count, NOW_MS, false);
	power_mark(ACKED, world.steps);
	for (size_t i = 0; i < count; i++) {
		must(&world.said, fact[i].state != FACT_FAILED, key[i]);
		store_release(client->port, &fact[i]);
	}
}

static void add_steps(struct client *client, size_t count)
{
	for (size_t end = world.steps + count; world.steps < end;)
		add_batch(client, 1 + random_below(&world.random, BATCH_MAX));
}

/* As the driver itself does when its journal is long, or nobody asks for a while. */
static void empty_journal(int mode)
{
	sqlite3 *db;

	must(&world.said, sqlite3_open(world.path, &db) == SQLITE_OK, "not opened beside");
	must(&world.said,
	     sqlite3_exec(db, "SELECT count(*) FROM tally", NULL, NULL, NULL) == SQLITE_OK,
	     "not read beside");
	must(&world.said, sqlite3_wal_checkpoint_v2(db, NULL, mode, NULL, NULL) == SQLITE_OK,
	     "not emptied");
	sqlite3_close(db);
}

static void remove_files(void)
{
	static const char *const all[] = { "", "-wal", "-journal", "-shm" };
	char path[100];

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", world.path, all[i]);
		unlink(path);
	}
}

static void make_record(bool sync_full)
{
	struct client client = { 0 };

	remove_files();
	world.said.count = 0;
	world.steps = 0;
	world.options.sync_full = sync_full;
	power_record(true);
	must(&world.said, client_open(&client, &world.options) == OK, client.why);
	add_steps(&client, 100);
	empty_journal(SQLITE_CHECKPOINT_PASSIVE);
	add_steps(&client, 60);
	empty_journal(SQLITE_CHECKPOINT_RESTART);
	add_steps(&client, 60);
	client_close(&client);
	must(&world.said, client_open(&client, &world.options) == OK, client.why);
	add_steps(&client, 60);
	if (!sync_full)
		power_await_sync(); /* the driver does it by itself, after seconds */
	add_steps(&client, 40);
	empty_journal(SQLITE_CHECKPOINT_TRUNCATE);
	add_steps(&client, 60);
	power_record(false);
	client_close(&client);
	must(&world.said, world.said.count == 0, "there was something to say");
}

/* --- what the disk holds --- */

/* How what is not synced has come to the disk. */
enum loss { LOSE_ALL, LOSE_TAIL, LOSE_SOME, LOSE_SECTORS, LOSSES };

static void put_bytes(struct disk *to, size_t at, const char *bytes, size_t len)
{
	must(&world.said, at + len <= DISK_BYTES_MAX, "too much");
	if (at > to->len)
		memset(to->bytes + to->len, 0, at - to->len);
	memcpy(to->bytes + at, bytes, len);
	if (at + len > to->len)
		to->len = at + len;
}

static void put_sectors(struct disk *to, const struct power_event *write)
{
	for (size_t at = write->at, end = write->at + write->len; at < end;) {
		size_t next = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
		size_t len = (next < end ? next : end) - at;

		if (random_below(&world.random, 2) == 0)
			put_bytes(to, at, write->bytes + (at - write->at), len);
		at += len;
	}
}

static void put_event(const struct power_event *event, bool by_sectors)
{
	struct disk *to = &disk[event->slot];

	switch (event->kind) {
	case POWER_WRITE:
		if (by_sectors)
			put_sectors(to, event);
		else
			put_bytes(to, event->at, event->bytes, event->len);
		break;
	case POWER_CUT:
		if (event->len < to->len)
			to->len = event->len;
		break;
	case POWER_DELETE: to->len = 0; break;
	case POWER_SYNC:
	case POWER_MARK: break;
	}
}

/* A file that is deleted and made anew is not the old one, whatever is lost. */
static bool is_last_of_slot(size_t i, size_t end)
{
	for (size_t j = i + 1; j < end; j++)
		if (power_event(j)->kind == POWER_WRITE &&
		    power_event(j)->slot == power_event(i)->slot)
			return false;
	return true;
}

/* The disk when the power goes before event end. */
static void build_disk(size_t end, enum loss loss)
{
	size_t synced[POWER_SLOTS] = { 0 };
	size_t tail = end;

	for (unsigned i = 0; i < POWER_SLOTS; i++)
		disk[i].len = 0;
	for (size_t i = 0; i < end; i++)
		if (power_event(i)->kind == POWER_SYNC)
			synced[power_event(i)->slot] = i;
	if (loss == LOSE_TAIL)
		tail = end - random_below(&world.random, end < 40 ? end : 40);
	for (size_t i = 0; i < end; i++) {
		const struct power_event *event = power_event(i);
		bool is_kept = i < synced[event->slot];

		if (!is_kept && event->kind == POWER_DELETE && !is_last_of_slot(i, end))
			is_kept = true;
		if (is_kept)
			put_event(event, false);
		else if (loss == LOSE_TAIL
				 ? i < tail
				 : loss != LOSE_ALL && random_below(&world.random, 2) == 0)
			put_event(event, loss == LOSE_SECTORS);
	}
}

static void write_disk(void)
{
	char path[100];

	remove_files();
	for (unsigned i = 0; i < POWER_SLOTS; i++) {
		int fd;

		if (i != POWER_DATABASE && disk[i].len == 0)
			continue;
		snprintf(path, sizeof(path), "%s%s", world.path, power_suffix[i]);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		must(&world.said,
		     fd >= 0 && write(fd, disk[i].bytes, disk[i].len) == (ssize_t)disk[i].len,
		     "not written");
		close(fd);
	}
}

/* --- what must be there --- */

/* How many operations had begun, were acknowledged, and were acknowledged before a sync. */
struct promise {
	size_t begun, acked, synced;
};

static struct promise promise_at(size_t end)
{
	struct promise promise = { 0 };

	for (size_t i = 0; i < end; i++) {
		const struct power_event *event = power_event(i);

		if (event->kind == POWER_MARK && event->mark == BEGUN)
			promise.begun = event->len;
		else if (event->kind == POWER_MARK)
			promise.acked = event->len;
		else if (event->kind == POWER_SYNC && event->slot == POWER_JOURNAL)
			promise.synced = promise.acked;
	}
	return promise;
}

/* Is it as after so many operations? */
static bool is_as_after(const struct fact *fact, size_t steps)
{
	size_t used[KEYS];

	for (size_t i = 0; i < KEYS; i++)
		used[i] = 1; /* the question's own */
	for (size_t i = 0; i < steps; i++)
		used[i / 2 % KEYS] += i % 2;
	for (size_t i = 0; i < world.steps; i++) {
		char want[40];

		if (i % 2 == 0 && i >= steps) {
			if (fact[i].state != FACT_NONE)
				return false;
			continue;
		}
		snprintf(want, sizeof(want), "%zu/1d", used[i / 2 % KEYS]);
		if (fact[i].state != FACT_KNOWN ||
		    !span_equal(fact[i].item[0],
				span_cstr(i % 2 == 0 ? "first=0 last=0 passes=0" : want)))
			return false;
	}
	return true;
}

/* @return after how many operations it is as it is; SIZE_MAX: none */
static size_t find_steps(struct client *client)
{
	static struct fact fact[STEPS_MAX];
	static char key[STEPS_MAX][80];
	size_t found = SIZE_MAX, triplets = 0;

	for (size_t i = 0; i < world.steps; i++)
		fact[i] = step_fact(key[i], i);
	client_ask_all(client, fact, world.steps, NOW_MS, true);
	while (2 * triplets < world.steps && fact[2 * triplets].state == FACT_KNOWN)
		triplets++;
	if (is_as_after(fact, 2 * triplets))
		found = 2 * triplets;
	else if (triplets > 0 && is_as_after(fact, 2 * triplets - 1))
		found = 2 * triplets - 1;
	for (size_t i = 0; i < world.steps; i++)
		store_release(client->port, &fact[i]);
	return found;
}

/* The set is as it was before the last of so many operations. */
static bool is_set_as_after(struct client *client, size_t steps)
{
	struct fact fact = { .kind = FACT_REMEMBERED, .key = SPAN("mark last") };
	struct client_answer answer = client_ask(client, &fact, NOW_MS, false);
	size_t marked = answer.state == FACT_KNOWN ? strtoul(answer.item, NULL, 10) : 0;

	return marked <= steps && steps <= marked + BATCH_MAX;
}

struct tried {
	unsigned states, lost, empty, aside;
};

static void try_state(size_t end, enum loss loss, struct tried *tried)
{
	struct client client = { 0 };
	struct promise promise = promise_at(end);
	char what[200];
	bool is_marked;
	size_t steps;

	world.said.text[0] = '\0';
	build_disk(end, loss);
	write_disk();
	must(&world.said, client_open(&client, &world.options) == OK, client.why);
	steps = find_steps(&client);
	is_marked = is_set_as_after(&client, steps);
	must(&world.said,
	     client_touch(&client, "new a b", &terms, NOW_MS).state == FACT_NONE &&
		     client_touch(&client, "new a b", &terms, NOW_MS).state == FACT_KNOWN,
	     "nothing is remembered afterwards");
	client_close(&client);
	snprintf(what, sizeof(what),
		 "%s, event %zu, loss %d: %zu operations are there of %zu begun, %zu acknowledged, "
		 "%zu synced",
		 world.options.sync_full ? "sync full" : "standard", end, (int)loss, steps,
		 promise.begun, promise.acked, promise.synced);
	tried->states++;
	tried->lost += steps < promise.acked;
	tried->empty += client_heard(&world.said, "is empty: a new one is begun");
	tried->aside += client_heard(&world.said, "is set aside as");
	must(&world.said, !client_heard(&world.said, "is set aside as"), what);
	must(&world.said, steps != SIZE_MAX && steps <= promise.begun, what);
	must(&world.said, is_marked, what);
	must(&world.said, steps >= (world.options.sync_full ? promise.acked : promise.synced),
	     what);
}

/* At each sync, and anywhere. */
static struct tried try_states(unsigned states)
{
	struct tried tried = { 0 };

	for (size_t i = 0; i < power_events() && tried.states < states; i++) {
		if (power_event(i)->kind != POWER_SYNC)
			continue;
		try_state(i, LOSE_ALL, &tried);
		try_state(i + 1, (enum loss)random_below(&world.random, LOSSES), &tried);
	}
	while (tried.states < states)
		try_state(random_below(&world.random, power_events() + 1),
			  (enum loss)random_below(&world.random, LOSSES), &tried);
	return tried;
}

static void try_record(bool sync_full, unsigned states)
{
	struct tried tried;

	make_record(sync_full);
	tried = try_states(states);
	printf("%s: %zu events, %zu operations, %u states, of which %u lost something that was "
	       "acknowledged, %u were empty, %u set aside\n",
	       sync_full ? "sync full" : "standard", power_events(), world.steps, tried.states,
	       tried.lost, tried.empty, tried.aside);
	fflush(stdout);
	/* else the test would see nothing */
	must(&world.said, sync_full ? tried.lost == 0 : tried.lost > 0, "a loss that cannot be");
}

int main(int argc, char **argv)
{
	unsigned states = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : STATES;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
	char path[100];

	world.random = seed * 2654435761U + 88172645463325252U;
	pthread_mutex_init(&world.said.lock, NULL);
	must(&world.said, rates_parse(SPAN("1000000/1d"), &counting.rates) == OK, "rates");
	must(&world.said, client_folder(world.folder, sizeof(world.folder), "power"), "no folder");
	snprintf(world.path, sizeof(world.path), "%s/state.db", world.folder);
	world.options = client_sqlite(world.path, &world.said);
	printf("seed %llu\n", (unsigned long long)seed);
	power_begin(world.path);
	try_record(false, states / 2);
	try_record(true, states - states / 2);
	remove_files();
	snprintf(path, sizeof(path), "%s.lock", world.path);
	unlink(path);
	return rmdir(world.folder) == 0 ? 0 : 1;
}
