/* sqlite_test.c -- the embedded store, asked through store.h from a real event loop. */
#include "../unit.h"

#include "../../store/client.h"
#include "store/sqlite_priv.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MINUTE INT64_C(60000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static const struct triplet_terms terms = { 5 * MINUTE, 2 * DAY, 35 * DAY };

/* A folder of its own for each test, and what the store in it has said. */
static struct world {
	char folder[64], path[80];
	struct client_said said;
	struct store_options options;
	struct client client;
} world;

static int64_t now; /* of this test; the tests' own clock */

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	pthread_mutex_init(&world.said.lock, NULL);
	snprintf(world.folder, sizeof(world.folder), "/tmp/weighd-sqlite-XXXXXX");
	if (mkdtemp(world.folder) == NULL)
		return 1;
	snprintf(world.path, sizeof(world.path), "%s/state.db", world.folder);
	world.options = (struct store_options){ .kind = STORE_SQLITE,
						.path = span_cstr(world.path),
						.entries_max = 1000000,
						.say = client_hears,
						.self = &world.said };
	now = client_now_ms();
	return 0;
}

static void must_open(void)
{
	if (client_open(&world.client, &world.options) != OK)
		fail_msg("%s", world.client.why);
}

static int tear_down(void **state)
{
	(void)state;
	if (world.client.store != NULL)
		client_close(&world.client);
	client_empty_folder(world.folder);
	pthread_mutex_destroy(&world.said.lock);
	return rmdir(world.folder);
}

static void reopen(void)
{
	client_close(&world.client);
	must_open();
}

static struct client_answer touch(const char *key, int64_t now_ms)
{
	return client_touch(&world.client, key, &terms, now_ms);
}

static void check_touch(const char *key, int64_t now_ms, const char *want)
{
	struct client_answer answer = touch(key, now_ms);

	if (want == NULL)
		assert_int_equal(answer.state, FACT_NONE);
	else
		check_span(span_cstr(answer.item), span_cstr(want), key);
}

static struct tally_count counting(const char *rates)
{
	struct tally_count count = { .amount = 1 };

	assert_int_equal(rates_parse(span_cstr(rates), &count.rates), OK);
	return count;
}

static int64_t count_up(const char *key, int64_t now_ms)
{
	struct tally_count count = counting("100/1h");
	struct client_answer answer = client_count(&world.client, key, &count, now_ms);

	return client_used(&answer);
}

static void remember(const char *set, const char *key, const char *value, int64_t keep_ms)
{
	struct memory memory = { .set = span_cstr(set), .key = span_cstr(key), .keep_ms = keep_ms };

	if (value != NULL)
		memory.value = span_cstr(value);
	store_remember(world.client.port, &memory, now);
}

static void check_known(const char *question, const char *want)
{
	struct fact fact = { .kind = FACT_REMEMBERED, .key = span_cstr(question) };
	struct client_answer answer = client_ask(&world.client, &fact, now, false);

	assert_int_equal(answer.state, want != NULL ? FACT_KNOWN : FACT_NONE);
	if (want != NULL)
		check_span(span_cstr(answer.item), span_cstr(want), question);
}

/* Waits until the writer has come so far; a test that waits in vain is ended by its runner. */
#define WAIT_UNTIL(condition)                                                                      \
	while (!(condition))                                                                       \
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL)

/* The number that a question in SQL gives, asked as sqlite3(1) would, beside the daemon. */
static int64_t ask_sql(const char *path, const char *sql)
{
	sqlite3_stmt *statement;
	int64_t number;
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return number;
}

static void do_sql(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* Files that were set aside, without their journals. */
static unsigned set_aside(void)
{
	DIR *folder = opendir(world.folder);
	struct dirent *entry;
	unsigned count = 0;

	while ((entry = readdir(folder)) != NULL)
		count += strstr(entry->d_name, ".damaged-") != NULL &&
			 !span_ends(span_cstr(entry->d_name), SPAN("-wal")) &&
			 !span_ends(span_cstr(entry->d_name), SPAN("-shm"));
	closedir(folder);
	return count;
}

/* --- what it remembers --- */

static void test_touches_and_counts(void **state)
{
	static const char key[] = "192.0.2.0/24 anna@example.org bob@example.net";

	(void)state;
	must_open();
	check_touch(key, now, NULL);
	check_touch(key, now + MINUTE, "first=60 last=60 passes=0");
	touch(key, now + 6 * MINUTE);
	assert_string_equal(touch(key, now + DAY).item,
			    "first=86400 last=86040 passed=86040 passes=1");
	assert_int_equal(count_up("hour anna", now), 1);
	assert_int_equal(count_up("hour anna", now), 2);
	assert_int_equal(count_up("hour bob", now), 1);
	assert_int_equal(count_up("day anna", now), 1);
	assert_int_equal(count_up("hour anna", now + 2 * HOUR), 1);
	assert_int_equal(ask_sql(world.path, "SELECT passes FROM triplet"), 2);
	assert_int_equal(ask_sql(world.path, "SELECT count(*) FROM tally"), 3);
	assert_int_equal(client_figures(&world.client).entries, 4);
	assert_int_equal(client_figures(&world.client).in_line, 0);
}

static void test_restart_keeps_all(void **state)
{
	(void)state;
	must_open();
	touch("192.0.2.0/24 a b", now);
	count_up("hour anna", now);
	remember("banned", "192.0.2.1", "yes", DAY);
	remember("banned", "192.0.2.2", "no", DAY);
	remember("banned", "192.0.2.2", NULL, 0);
	remember("for ever", "192.0.2.3", "", 0); /* a blank: no name of a set */
	remember("ever", "192.0.2.3", "", 0);
	remember("classic.message", "1.2.3", "gone", 0);
	for (int i = 0; i < 3; i++)
		reopen();
	check_touch("192.0.2.0/24 a b", now + MINUTE, "first=60 last=60 passes=0");
	assert_int_equal(count_up("hour anna", now), 2);
	check_known("banned 192.0.2.1", "yes");
	check_known("banned 192.0.2.2", NULL);
	check_known("ever 192.0.2.3", "");
	check_known("classic.message 1.2.3", NULL);
	assert_int_equal(client_figures(&world.client).entries, 2);
	now += 2 * DAY;
	check_known("banned 192.0.2.1", NULL);
}

static void test_rehearsal_changes_nothing(void **state)
{
	struct tally_count count = counting("100/1h");
	struct fact touched = { .kind = FACT_GREYLIST, .key = SPAN("n a b"), .terms = &terms };
	struct fact counted = { .kind = FACT_TALLY, .key = SPAN("hour a"), .count = &count };
	struct client_answer answer;

	(void)state;
	must_open();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(client_ask(&world.client, &touched, now, true).state, FACT_NONE);
		answer = client_ask(&world.client, &counted, now, true);
		assert_int_equal(client_used(&answer), 1);
	}
	assert_int_equal(client_figures(&world.client).entries, 0);
	assert_int_equal(client_figures(&world.client).commits, 0);
}

/* Else it would be forgotten sooner than was promised. */
static void test_each_use_is_written(void **state)
{
	(void)state;
	must_open();
	touch("n a b", now);
	touch("n a b", now + 1);
	touch("n a b", now + 2);
	assert_int_equal(client_figures(&world.client).commits, 3);
}

static void test_expired_is_judged(void **state)
{
	struct triplet white = { .first_ms = now, .last_ms = now, .colour = TRIPLET_WHITE };
	struct store_entry entry = { .class = STORE_TRIPLET, .key = SPAN("n white w") };
	TEXT(value, TRIPLET_TEXT_MAX);

	(void)state;
	must_open();
	touch("n a b", now);
	/* after the window: what was known is told, and it begins anew */
	check_touch("n a b", now + 3 * DAY, "first=259200 last=259200 passes=0");
	check_touch("n a b", now + 3 * DAY + MINUTE, "first=60 last=60 passes=0");
	text_add_triplet(&value, &white);
	entry.value = text_span(&value);
	entry.expires_ms = now + HOUR;
	assert_int_equal(client_put(&world.client, &entry, now), OK);
	assert_int_equal(touch("n white w", now).state, FACT_KNOWN);
	entry.expires_ms = now + 2 * HOUR; /* sooner than the terms of who asks would have it */
	entry.key = SPAN("n white x");
	assert_int_equal(client_put(&world.client, &entry, now), OK);
	check_touch("n white x", now + 3 * HOUR, NULL);
	assert_int_equal(count_up("hour a", now), 1);
	assert_int_equal(count_up("hour a", now + 40 * DAY), 1);
}

static void test_clock_jumps(void **state)
{
	(void)state;
	must_open();
	touch("n a b", now);
	assert_int_equal(count_up("hour a", now), 1);
	assert_int_equal(touch("n a b", now + DAY).state, FACT_KNOWN);    /* forth: passed */
	assert_int_equal(touch("n a b", now + MINUTE).state, FACT_KNOWN); /* and back */
	assert_int_equal(touch("n a b", now - DAY).state, FACT_KNOWN);
	assert_int_equal(ask_sql(world.path, "SELECT passes > 0 FROM triplet"), 1);
	assert_true(count_up("hour a", now + DAY) >= 1);
	assert_true(count_up("hour a", now) >= 1);
	reopen();
	assert_int_equal(touch("n a b", now).state, FACT_KNOWN);
}

/* --- what the clock of sweeps makes of jumps --- */

static void test_sweeps_wait_out_jumps(void **state)
{
	static const struct {
		const char *name;
		int64_t after_us, now_ms, want_ms;
	} steps[] = {
		{ "begins", 0, 1000000, 1000000 },
		{ "goes on", 10000000, 1010000, 1010000 },
		{ "a little ahead is believed", 10000000, 1080000, 1080000 },
		{ "a day ahead is not", 1000000, 1081000 + DAY, 1081000 },
		{ "real time goes on", 60000000, 1141000 + DAY, 1141000 },
		{ "back is believed", 1000000, 1142000, 1142000 },
		{ "a day ahead again", 1000000, 1143000 + DAY, 1143000 },
		{ "just before an hour", 3599000000, 4742000 + DAY, 4742000 },
		{ "after an hour it is believed", 1000000, 4743000 + DAY, 4743000 + DAY },
		{ "far back is believed", 1000000, 1000, 1000 },
	};
	struct sqlite_clock clock = { 0 };
	int64_t us = 5000000;

	(void)state;
	assert_int_equal(sqlite_clock_ms(&clock, us), 0);
	for (size_t i = 0; i < COUNT(steps); i++) {
		us += steps[i].after_us;
		sqlite_clock_saw(&clock, steps[i].now_ms, us);
		if (sqlite_clock_ms(&clock, us) != steps[i].want_ms)
			fail_msg("%s: %lld", steps[i].name, (long long)clock.trusted_ms);
	}
}

/* --- the place --- */

static void check_refused(const char *part)
{
	struct client other = { 0 };

	assert_int_equal(client_open(&other, &world.options), ERR_SYSTEM);
	if (strstr(other.why, part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, other.why);
}

static void test_one_daemon_alone(void **state)
{
	(void)state;
	must_open();
	check_refused("in use by another weighd");
	touch("n a b", now);
	client_close(&world.client);
	must_open();
}

/* How many descriptors of this process are of the file? */
static int opened(const char *name)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;
	char target[128];
	int count = 0;

	while ((entry = readdir(folder)) != NULL) {
		ssize_t len = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);

		target[len > 0 ? len : 0] = '\0';
		count += strcmp(target, name) == 0;
	}
	closedir(folder);
	return count;
}

static void *let_go(void *self)
{
	int fd = *(int *)self;
	char name[100];

	snprintf(name, sizeof(name), "%s.lock", world.path);
	while (opened(name) < 2) /* until the store wants it, too */
		sched_yield();
	close(fd);
	return NULL;
}

/* weighctl looks whether there is a daemon, or has just written an entry. */
static void test_lock_for_a_moment(void **state)
{
	char name[100];
	pthread_t thread;
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "%s.lock", world.path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	assert_int_equal(pthread_create(&thread, NULL, let_go, &fd), 0);
	must_open();
	pthread_join(thread, NULL);
	assert_int_equal(count_up("hour x", now), 1);
}

static void test_folder_and_modes(void **state)
{
	char path[200];
	struct stat status;

	(void)state;
	snprintf(path, sizeof(path), "%s/sub/state.db", world.folder);
	world.options.path = span_cstr(path);
	must_open();
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	client_close(&world.client);
	unlink(path);
	snprintf(path, sizeof(path), "%s/sub/state.db.lock", world.folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/sub", world.folder);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0700);
	chmod(path, 0777);
	snprintf(path, sizeof(path), "%s/sub/state.db", world.folder);
	world.options.path = span_cstr(path);
	check_refused("may be written by everybody");
	snprintf(path, sizeof(path), "%s/sub", world.folder);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/no/sub/state.db", world.folder);
	world.options.path = span_cstr(path);
	check_refused("cannot be made");
}

static void test_odd_files(void **state)
{
	(void)state;
	assert_int_equal(mkdir(world.path, 0700), 0);
	check_refused(world.path);
	rmdir(world.path);
	assert_int_equal(symlink("elsewhere", world.path), 0);
	check_refused(world.path);
	unlink(world.path);
	assert_int_equal(mkfifo(world.path, 0600), 0);
	check_refused("no file");
	unlink(world.path);
	world.options.path = SPAN("");
	check_refused("path");
	world.options.path = span_cstr(world.path);
	must_open();
}

static void test_network_file_systems(void **state)
{
	static const struct {
		uint64_t type;
		const char *want;
	} cases[] = { { 0x6969, "NFS" },   { 0xff534d42, "CIFS" }, { 0x00c36400, "Ceph" },
		      { 0xef53, NULL },    { 0x01021994, NULL },   { 0x58465342, NULL },
		      { 0x9123683e, NULL } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *name = sqlite_network_name(cases[i].type);

		assert_int_equal(name == NULL, cases[i].want == NULL);
		if (name != NULL)
			assert_string_equal(name, cases[i].want);
	}
}

static void test_other_versions(void **state)
{
	(void)state;
	must_open();
	touch("n a b", now);
	client_close(&world.client);
	do_sql(world.path, "PRAGMA user_version = 4; PRAGMA application_id = 0x77676804");
	check_refused("newer weighd");
	do_sql(world.path, "PRAGMA user_version = 255; PRAGMA application_id = 0x776768ff");
	check_refused("newer weighd");
	do_sql(world.path, "PRAGMA user_version = 2; PRAGMA application_id = 0");
	check_refused("older weighd");
	do_sql(world.path, "PRAGMA user_version = 1");
	check_refused("older weighd");
	assert_int_equal(set_aside(), 0);
	do_sql(world.path, "PRAGMA user_version = 3; PRAGMA application_id = 0x77676803");
	must_open();
	assert_int_equal(touch("n a b", now).state, FACT_KNOWN);
}

/* A version stands in two places: where they differ it is a bit that turned, nobody's version. */
static void test_damaged_versions(void **state)
{
	static const char *const cases[] = {
		"PRAGMA user_version = 0",
		"PRAGMA user_version = 2",
		"PRAGMA user_version = 7",
		"PRAGMA user_version = 256; PRAGMA application_id = 0x77676900",
		"PRAGMA user_version = -3",
		"PRAGMA application_id = 0",
		"PRAGMA application_id = 0x77676802",
		"PRAGMA application_id = 0x37676803",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		must_open();
		touch("n a b", now);
		client_close(&world.client);
		do_sql(world.path, cases[i]);
		must_open();
		assert_int_equal(set_aside(), i + 1);
		assert_int_equal(touch("n a b", now).state, FACT_NONE);
		client_close(&world.client);
	}
}

static void test_somebody_elses_database(void **state)
{
	(void)state;
	do_sql(world.path, "CREATE TABLE mine (x)");
	check_refused("not one of weighd's");
	assert_int_equal(ask_sql(world.path, "SELECT count(*) FROM sqlite_schema"), 1);
}

/* --- how much --- */

static void test_bound(void **state)
{
	static const struct store_entry plain = { .class = STORE_TRIPLET };
	struct store_entry entry = plain;
	char key[40];

	(void)state;
	world.options.entries_max = 128;
	must_open();
	for (int i = 0; i < 64; i++) { /* waiting, and younger than the others */
		snprintf(key, sizeof(key), "n%02d a b", i);
		touch(key, now + i * MINUTE);
	}
	entry.expires_ms = now + 30 * DAY;
	for (int i = 0; i < 64; i++) {
		TEXT(value, TRIPLET_TEXT_MAX);
		struct triplet triplet = { .first_ms = now - DAY,
					   .last_ms = now - DAY + i * MINUTE,
					   .passed_ms = now - DAY,
					   .passes = 1 };

		snprintf(key, sizeof(key), "p%02d a b", i);
		triplet.colour = i == 0 ? TRIPLET_WHITE : TRIPLET_PLAIN;
		text_add_triplet(&value, &triplet);
		entry.key = span_cstr(key);
		entry.value = text_span(&value);
		assert_int_equal(client_put(&world.client, &entry, now), OK);
	}
	count_up("hour x", now + HOUR); /* one beyond: 129 */
	WAIT_UNTIL(client_figures(&world.client).entries <= 128);
	assert_int_equal(client_figures(&world.client).evicted, 129 - 126);
	assert_int_equal(ask_sql(world.path, "SELECT count(*) FROM triplet WHERE passes = 0 "
					     "AND key < 'n03'"),
			 0); /* the oldest that wait */
	assert_int_equal(ask_sql(world.path, "SELECT count(*) FROM triplet WHERE passes > 0"), 64);
	assert_int_equal(ask_sql(world.path, "SELECT count(*) FROM tally"), 1);
	for (int i = 0; i < 64; i++) { /* two at the bound; 62 beyond */
		snprintf(key, sizeof(key), "hour %d", i);
		count_up(key, now + HOUR);
	}
	WAIT_UNTIL(client_figures(&world.client).entries <= 128);
	assert_int_equal(ask_sql(world.path, "SELECT count(*) FROM tally"), 65);
	assert_int_equal(ask_sql(world.path, "SELECT count(*) FROM triplet WHERE passes > 0"),
			 client_figures(&world.client).entries - 65 -
				 (uint64_t)ask_sql(world.path, "SELECT count(*) FROM triplet "
							       "WHERE passes = 0"));
	assert_int_equal(ask_sql(world.path, "SELECT count(*) FROM triplet WHERE colour = 'white'"),
			 1);
}

/* As where the file was too big, or its disk too slow, to be counted at its opening. */
static void test_bound_of_uncounted(void **state)
{
	struct sqlite *sqlite;
	char key[40];

	(void)state;
	world.options.entries_max = 100;
	must_open();
	for (int i = 0; i < 90; i++) {
		snprintf(key, sizeof(key), "n%d a b", i);
		touch(key, now);
	}
	sqlite = world.client.store->held;
	pthread_mutex_lock(&sqlite->lock); /* the writer waits in it */
	sqlite->is_counted = false;
	sqlite->sweep.next_us = 1;
	atomic_store(&sqlite->entries, 0);
	pthread_mutex_unlock(&sqlite->lock);
	touch("n90 a b", now);
	WAIT_UNTIL(client_figures(&world.client).entries == 91);
	for (int i = 91; i < 120; i++) {
		snprintf(key, sizeof(key), "n%d a b", i);
		touch(key, now);
	}
	WAIT_UNTIL(client_figures(&world.client).entries <= 100);
	assert_int_equal(ask_sql(world.path, "SELECT count(*) FROM triplet"),
			 client_figures(&world.client).entries);
}

static void test_at_bound_nothing_goes(void **state)
{
	char key[40];

	(void)state;
	world.options.entries_max = 100;
	must_open();
	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "n%d a b", i);
		touch(key, now);
	}
	for (int i = 0; i < 100; i++)
		count_up("hour x", now); /* the hundred and first */
	WAIT_UNTIL(client_figures(&world.client).entries < 101);
	for (int i = 0; i < 3; i++)
		count_up("hour x", now);
	assert_true(client_figures(&world.client).entries <= 100);
	assert_true(client_figures(&world.client).entries >= 98);
}

static void test_expired_goes_first(void **state)
{
	static const struct triplet_terms brief = { 1000, 10000, 20000 };
	char key[40];

	(void)state;
	world.options.entries_max = 100;
	must_open();
	for (int i = 0; i < 90; i++) {
		snprintf(key, sizeof(key), "a%d a b", i);
		client_touch(&world.client, key, &brief, now - 30000);
	}
	for (int i = 0; i < 10; i++) {
		snprintf(key, sizeof(key), "n%d a b", i);
		touch(key, now - 30000);
	}
	count_up("hour x", now); /* the hundred and first */
	WAIT_UNTIL(client_figures(&world.client).entries <= 100);
	WAIT_UNTIL(client_figures(&world.client).expired == 90);
	assert_int_equal(client_figures(&world.client).evicted, 0);
	assert_int_equal(client_figures(&world.client).entries, 11);
}

/* What memory has given up for its own bounds goes from the file with the next sweep. */
static void test_sets_keep_their_bounds(void **state)
{
	struct memory memory = {
		.set = SPAN("spam"), .value = SPAN("1"), .entries_max = 10, .entries_keep = 4
	};
	char key[40];

	(void)state;
	world.options.entries_max = 2;
	must_open();
	for (int i = 0; i < 20; i++) { /* 10, then 4, 10, 4, 6 */
		snprintf(key, sizeof(key), "k%d", i);
		memory.key = span_cstr(key);
		store_remember(world.client.port, &memory, now);
	}
	count_up("hour 1", now);
	assert_int_equal(ask_sql(world.path, "SELECT count(*) FROM known"), 20);
	count_up("hour 2", now);
	count_up("hour 3", now);
	WAIT_UNTIL(ask_sql(world.path, "SELECT count(*) FROM known") < 20);
	assert_int_equal(ask_sql(world.path, "SELECT count(*) FROM known"), 6);
	reopen();
	check_known("spam k19", "1");
	check_known("spam k0", NULL);
}

static void test_rate_of_a_network(void **state)
{
	int64_t minute = now / MINUTE * MINUTE;
	char key[60];

	(void)state;
	must_open();
	for (int i = 0; i < SQLITE_NEW_PER_MINUTE_MAX; i++) {
		snprintf(key, sizeof(key), "192.0.2.0/24 %d b", i);
		assert_int_equal(touch(key, minute).state, FACT_NONE);
	}
	assert_false(client_heard(&world.said, "of one network"));
	for (int i = 0; i < 3; i++) {
		struct client_answer answer = touch("192.0.2.0/24 beyond b", minute);

		assert_int_equal(answer.state, FACT_FAILED);
		assert_int_equal(answer.cause, CAUSE_TOOLARGE);
	}
	assert_true(client_heard(&world.said, "of one network"));
	assert_int_equal(world.said.count, 1);
	assert_int_equal(touch("192.0.2.0/24 5 b", minute).state, FACT_KNOWN);
	assert_int_equal(touch("198.51.100.0/24 beyond b", minute).state, FACT_NONE);
	assert_int_equal(touch("192.0.2.0/24 beyond b", minute + MINUTE).state, FACT_NONE);
}

/* --- pages --- */

struct leaf {
	struct client_ended end;
	unsigned count;
	bool has_more, is_wrong;
	char first[300], last[300], next_set[100], next[300];
};

static void turned(void *self, const struct store_ended *ended)
{
	struct leaf *leaf = self;

	leaf->count = ended->entry_count;
	leaf->has_more = ended->has_more;
	for (uint32_t i = 0; i + 1 < ended->entry_count; i++)
		leaf->is_wrong |= span_compare(ended->entry[i].key, ended->entry[i + 1].key) >= 0;
	if (ended->entry_count > 0) {
		snprintf(leaf->first, sizeof(leaf->first), "%.*s|%.*s",
			 SPAN_ARG(ended->entry[0].key), SPAN_ARG(ended->entry[0].value));
		snprintf(leaf->last, sizeof(leaf->last), "%.*s",
			 SPAN_ARG(ended->entry[ended->entry_count - 1].key));
	}
	snprintf(leaf->next_set, sizeof(leaf->next_set), "%.*s", SPAN_ARG(ended->next_set));
	snprintf(leaf->next, sizeof(leaf->next), "%.*s", SPAN_ARG(ended->next));
	leaf->end = (struct client_ended){ true, ended->result };
}

static struct leaf turn(const struct store_page *page)
{
	struct leaf leaf = { .is_wrong = false };

	store_page(world.client.port, page, now, turned, &leaf);
	client_wait(&world.client, &leaf.end.is_over);
	assert_int_equal(leaf.end.result, OK);
	assert_false(leaf.is_wrong);
	return leaf;
}

static void test_pages_while_writing(void **state)
{
	struct store_page page = { .class = STORE_TRIPLET, .most = STORE_PAGE_MAX };
	unsigned seen = 0, turns = 0;
	char key[60];
	struct leaf leaf = { .has_more = true };

	(void)state;
	must_open();
	for (int i = 0; i < 2500; i++) {
		snprintf(key, sizeof(key), "n%d %04d b", i % 7, i);
		touch(key, now);
	}
	while (leaf.has_more) {
		char next[300];

		snprintf(next, sizeof(next), "%s", leaf.next);
		page.after = span_cstr(next);
		leaf = turn(&page);
		assert_true(leaf.count <= STORE_PAGE_MAX);
		seen += leaf.count;
		turns++;
		snprintf(key, sizeof(key), "n0 0000 %u", turns); /* behind us: not seen */
		touch(key, now);
	}
	assert_int_equal(seen, 2500);
	assert_true(turns >= 3);
}

static void test_pages_choose(void **state)
{
	struct store_page page = { .class = STORE_TALLY, .most = 10 };
	struct leaf leaf;
	char key[60];

	(void)state;
	must_open();
	for (int i = 0; i < 12; i++) {
		snprintf(key, sizeof(key), "day Anna%d@example.org", i);
		count_up(key, now);
		snprintf(key, sizeof(key), "hour bob%d@example.org", i);
		count_up(key, now + 2 * HOUR);
	}
	page.set = SPAN("hour");
	leaf = turn(&page);
	assert_int_equal(leaf.count, 10);
	assert_true(leaf.has_more);
	assert_string_equal(leaf.next_set, "hour");
	page.after_set = span_cstr("hour");
	page.after = span_cstr(leaf.next);
	assert_int_equal(turn(&page).count, 2);
	page = (struct store_page){ .class = STORE_TALLY, .most = 100 };
	assert_int_equal(turn(&page).count, 24);
	page.contains = SPAN("aNNa1");
	assert_int_equal(turn(&page).count, 3);
	page.contains = SPAN("");
	now += HOUR + 1; /* what has expired is not shown */
	assert_int_equal(turn(&page).count, 12);
	page = (struct store_page){ .class = STORE_TRIPLET, .most = 1 };
	leaf = turn(&page);
	assert_int_equal(leaf.count, 0);
	assert_false(leaf.has_more);
}

static void test_put_and_erase(void **state)
{
	struct store_page page = { .class = STORE_TRIPLET, .most = 10 };
	struct store_entry triplet = { .class = STORE_TRIPLET,
				       .key = SPAN("n a b"),
				       .value = SPAN("first=1000 last=2000 passed=1500 passes=3") };
	struct store_entry tally = { .class = STORE_TALLY,
				     .set = SPAN("hour"),
				     .key = SPAN("anna"),
				     .value = SPAN("window 3600000 7 5000+7") };
	struct store_entry known = {
		.class = STORE_KNOWN, .set = SPAN("banned"), .key = SPAN("x"), .value = SPAN("y")
	};

	(void)state;
	world.options.sync_full = true;
	must_open();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(client_put(&world.client, &triplet, now), OK);
		assert_int_equal(client_put(&world.client, &tally, now), OK);
		assert_int_equal(client_put(&world.client, &known, now), OK);
		assert_int_equal(client_figures(&world.client).entries, 2);
		reopen();
	}
	assert_string_equal(turn(&page).first, "n a b|first=1000 last=2000 passed=1500 passes=3");
	check_known("banned x", "y");
	triplet.value = SPAN("nonsense");
	assert_int_equal(client_put(&world.client, &triplet, now), ERR_SYNTAX);
	assert_int_equal(client_erase(&world.client, &triplet), OK);
	assert_int_equal(client_erase(&world.client, &triplet), ERR_MISSING);
	assert_int_equal(client_erase(&world.client, &tally), OK);
	assert_int_equal(client_erase(&world.client, &known), OK);
	assert_int_equal(client_erase(&world.client, &known), ERR_MISSING);
	assert_int_equal(client_figures(&world.client).entries, 0);
}

/* --- askers --- */

static void must_not_answer(struct store_wait *wait)
{
	(void)wait;
	fail_msg("nobody waits any more");
}

static void test_forgotten_and_closed(void **state)
{
	struct tally_count count = counting("100/1h");
	struct fact fact[4];
	struct store_wait wait[4];

	(void)state;
	must_open();
	for (int i = 0; i < 4; i++) {
		fact[i] =
			(struct fact){ .kind = FACT_TALLY, .key = SPAN("hour a"), .count = &count };
		wait[i] = (struct store_wait){ .fact = &fact[i],
					       .now_ms = now,
					       .answered = must_not_answer };
		store_ask(world.client.port, &wait[i]);
	}
	for (int i = 0; i < 3; i++) {
		store_forget(world.client.port, &wait[i]);
		assert_null(wait[i].held);
		store_forget(world.client.port, &wait[i]);
	}
	store_port_close(world.client.port); /* one is still waiting */
	world.client.port = store_port_open(world.client.store, world.client.base);
	assert_int_equal(count_up("hour a", now), 5); /* what has begun is done */
}

static void close_it(struct store_wait *wait)
{
	(void)wait;
	store_port_close(world.client.port);
	world.client.port = NULL;
}

static void test_closed_from_an_answer(void **state)
{
	struct tally_count count = counting("100/1h");
	struct fact fact[2];
	struct store_wait wait[2];

	(void)state;
	must_open();
	for (int i = 0; i < 2; i++) {
		fact[i] =
			(struct fact){ .kind = FACT_TALLY, .key = SPAN("hour a"), .count = &count };
		wait[i] = (struct store_wait){ .fact = &fact[i],
					       .now_ms = now,
					       .answered = i == 0 ? close_it : must_not_answer };
		store_ask(world.client.port, &wait[i]);
	}
	while (world.client.port != NULL)
		assert_true(event_base_loop(world.client.base, EVLOOP_ONCE) >= 0);
	world.client.port = store_port_open(world.client.store, world.client.base);
	store_release(world.client.port, &fact[0]);
}

static void count_answer(struct store_wait *wait)
{
	unsigned *left = wait->owner;

	(*left)--;
}

static void test_line_is_bounded(void **state)
{
	enum { MANY = STORE_LINE_MAX + 200 };
	struct tally_count count = counting("100000000/1h");
	struct fact *fact = calloc(MANY, sizeof(*fact));
	struct store_wait *wait = calloc(MANY, sizeof(*wait));
	unsigned left = MANY, refused = 0;
	sqlite3 *db;

	(void)state;
	must_open();
	count_up("hour a", now);
	/* somebody holds the file, so that nothing leaves the line meanwhile */
	assert_int_equal(sqlite3_open(world.path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	for (unsigned i = 0; i < MANY; i++) {
		fact[i] =
			(struct fact){ .kind = FACT_TALLY, .key = SPAN("hour b"), .count = &count };
		wait[i] = (struct store_wait){
			.fact = &fact[i], .now_ms = now, .answered = count_answer, .owner = &left
		};
		store_ask(world.client.port, &wait[i]);
		refused += fact[i].state == FACT_FAILED && fact[i].cause == CAUSE_TOOLARGE;
	}
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(db);
	while (left > 0)
		assert_true(event_base_loop(world.client.base, EVLOOP_ONCE) >= 0);
	for (unsigned i = 0; i < MANY; i++)
		store_release(world.client.port, &fact[i]);
	assert_true(refused <= 200);
	free(fact);
	free(wait);
}

static void *work(void *self)
{
	struct client mine = { .store = self, .base = event_base_new() };
	struct tally_count count = counting("1000000/1h");

	mine.port = store_port_open(mine.store, mine.base);
	for (int i = 0; i < 400; i++) {
		struct client_answer answer = client_count(&mine, "burst all", &count, now);

		if (client_used(&answer) < 1)
			abort();
		if (client_touch(&mine, i % 2 ? "n a b" : "n c d", &terms, now).state ==
		    FACT_FAILED)
			abort();
	}
	store_port_close(mine.port);
	event_base_free(mine.base);
	return NULL;
}

static void test_many_workers(void **state)
{
	struct tally_count count = counting("1000000/1h");
	struct client_answer answer;
	pthread_t worker[4];

	(void)state;
	must_open();
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&worker[i], NULL, work, world.client.store), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(worker[i], NULL), 0);
	answer = client_count(&world.client, "burst all", &count, now);
	assert_int_equal(client_used(&answer), 1601);
	assert_int_equal(client_figures(&world.client).entries, 3);
}

/* --- when it cannot be written --- */

static void test_somebody_holds_the_file(void **state)
{
	struct client_answer answer;
	sqlite3 *db;

	(void)state;
	must_open();
	touch("n a b", now);
	assert_int_equal(sqlite3_open(world.path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	answer = touch("n new b", now);
	assert_int_equal(answer.state, FACT_FAILED);
	assert_int_equal(answer.cause, CAUSE_REFUSED);
	check_touch("n a b", now + 1000, "first=1 last=1 passes=0"); /* reading goes on */
	assert_int_equal(client_figures(&world.client).is_down, 1);
	assert_true(client_heard(&world.said, "cannot be written"));
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	WAIT_UNTIL(touch("n new b", now).state != FACT_FAILED);
	assert_true(client_heard(&world.said, "can be written again"));
	assert_int_equal(world.said.count, 2);
	assert_int_equal(client_figures(&world.client).is_down, 0);
}

/* No file may grow: what a full disk is, without one. */
static void test_no_room(void **state)
{
	struct rlimit room = { 400 * 1024, RLIM_INFINITY }, before;
	struct client_answer answer = { .state = FACT_NONE };
	char key[300];
	int written = 0;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	must_open();
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	room.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &room), 0);
	while (answer.state != FACT_FAILED && written < 20000) {
		snprintf(key, sizeof(key), "n%d %0200d b", written++, 0);
		answer = touch(key, now);
	}
	assert_int_equal(answer.cause, CAUSE_REFUSED);
	snprintf(key, sizeof(key), "n0 %0200d b", 0);
	check_touch(key, now + 1000, "first=1 last=1 passes=0");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	WAIT_UNTIL(touch("n after b", now).state != FACT_FAILED);
	reopen();
	for (int i = 0; i < written - 1; i++) {
		snprintf(key, sizeof(key), "n%d %0200d b", i, 0);
		assert_int_equal(touch(key, now).state, FACT_KNOWN);
	}
	assert_int_equal(set_aside(), 0);
}

static void test_readers_do_not_disturb(void **state)
{
	sqlite3_stmt *statement;
	sqlite3 *db;

	(void)state;
	must_open();
	touch("n a b", now);
	touch("n c d", now);
	assert_int_equal(sqlite3_open_v2(world.path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT key FROM triplet", -1, &statement, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW); /* and stays in there */
	for (int i = 0; i < 100; i++)
		assert_int_equal(count_up("hour a", now), i + 1);
	assert_int_equal(world.said.count, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
}

/* --- damage --- */

static void write_at(const char *path, off_t at, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, at), len);
	close(fd);
}

static void test_garbage_is_set_aside(void **state)
{
	static const char garbage[8192] = "this is no database at all";

	(void)state;
	write_at(world.path, 0, garbage, sizeof(garbage));
	must_open();
	assert_int_equal(set_aside(), 1);
	assert_true(client_heard(&world.said, "is set aside as"));
	assert_int_equal(world.said.count, 1);
	assert_int_equal(touch("n a b", now).state, FACT_NONE);
	reopen();
	assert_int_equal(touch("n a b", now).state, FACT_KNOWN);
	assert_int_equal(set_aside(), 1);
}

/* Found while running: a new file is begun, and the sets that memory has come into it. */
static void test_damage_while_running(void **state)
{
	static const char zero[4096];
	struct stat status;
	char key[60];

	(void)state;
	must_open();
	for (int i = 0; i < 3000; i++) {
		snprintf(key, sizeof(key), "%d a-rather-long-sender@example.org b", i);
		touch(key, now);
	}
	for (int i = 0; i < 1500; i++) {
		snprintf(key, sizeof(key), "%d", i);
		remember("banned", key, "yes", DAY);
	}
	remember("second", "x", "y", 0);
	reopen(); /* all is in the file */
	assert_int_equal(stat(world.path, &status), 0);
	for (off_t at = 4096; at < status.st_size; at += 4096)
		write_at(world.path, at, zero, sizeof(zero));
	for (int i = 0; i < 3000 && set_aside() == 0; i++) {
		snprintf(key, sizeof(key), "%d a-rather-long-sender@example.org b", i);
		touch(key, now + HOUR);
	}
	assert_true(set_aside() > 0);
	WAIT_UNTIL(ask_sql(world.path, "SELECT count(*) FROM known") == 1501);
	assert_int_equal(touch("n new b", now).state, FACT_NONE);
	assert_int_equal(client_figures(&world.client).is_down, 0);
	reopen();
	check_known("banned 1499", "yes");
	check_known("second x", "y");
}

/* Bytes 18 and 19 say who may write and who may read. */
static void test_odd_headers(void **state)
{
	static const struct {
		const char *name;
		off_t at;
		char byte;
	} cases[] = {
		{ "nobody may write it", 18, 3 },
		{ "an old journal alone writes it", 18, 1 },
		{ "nobody may read it", 19, 66 },
		{ "pages of another size", 16, 0x20 },
		{ "another format of schemas", 47, 12 },
		{ "another encoding", 59, 3 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		must_open();
		touch("n a b", now);
		client_close(&world.client);
		write_at(world.path, cases[i].at, &cases[i].byte, 1);
		must_open();
		if (set_aside() != i + 1)
			fail_msg("%s: not set aside", cases[i].name);
		assert_int_equal(touch("n a b", now).state, FACT_NONE);
		client_close(&world.client);
	}
}

/* Every row holds its sum, but they stand where no question finds them. */
static void swap_leaves(void)
{
	char page[2][4096];
	struct stat status;
	int fd = open(world.path, O_RDWR);
	off_t at[2] = { 0, 0 };

	assert_int_equal(fstat(fd, &status), 0);
	for (off_t i = 4096, found = 0; i < status.st_size && found < 2; i += 4096) {
		assert_int_equal(pread(fd, page[found], 4096, i), 4096);
		if (page[found][0] == 10 && memmem(page[found], 4096, "b@", 2) != NULL)
			at[found++] = i;
	}
	assert_true(at[1] > 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pwrite(fd, page[i], 4096, at[1 - i]), 4096);
	close(fd);
}

static void test_swapped_pages(void **state)
{
	char key[60];

	(void)state;
	must_open();
	for (int i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "%03d a-rather-long-sender@example.org b@", i);
		touch(key, now);
	}
	client_close(&world.client);
	swap_leaves();
	must_open();
	assert_int_equal(set_aside(), 1);
	assert_true(client_heard(&world.said, "not in PRIMARY KEY order"));
}

/* The same behind the back of a store that is open. */
static void test_sweeps_find_disorder(void **state)
{
	char key[60];

	(void)state;
	must_open();
	for (int i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "%03d a-rather-long-sender@example.org b@", i);
		touch(key, now);
	}
	world.options.entries_max = 490; /* too many: a sweep begins */
	reopen();
	swap_leaves();
	touch("n new b", now);
	WAIT_UNTIL(client_heard(&world.said, "is set aside as"));
	assert_int_equal(set_aside(), 1);
}

static void test_empty_file(void **state)
{
	(void)state;
	must_open();
	client_close(&world.client);
	assert_int_equal(world.said.count, 0); /* a new one is as it should be */
	assert_int_equal(truncate(world.path, 0), 0);
	must_open();
	assert_true(client_heard(&world.said, "is empty: a new one is begun"));
	assert_int_equal(world.said.count, 1);
	reopen();
	assert_int_equal(world.said.count, 1);
}

/* --- a journal that is damaged --- */

static size_t read_file(const char *path, char *bytes, size_t room)
{
	FILE *file = fopen(path, "r");
	size_t len;

	assert_non_null(file);
	len = fread(bytes, 1, room, file);
	fclose(file);
	assert_in_range(len, 1, room - 1);
	return len;
}

/* Two files as kill -9 leaves them: of four touches each is a transaction of one frame. */
static void test_damaged_journal(void **state)
{
	enum { HEAD = 32, FRAME = 24 + 4096 };
	static const struct {
		const char *name;
		off_t at; /* of the last transactions' frames: from the first of the four */
		bool is_head, is_said;
		int known;
	} cases[] = {
		{ "a sum of the head", 25, true, true, 0 },
		{ "a salt of the head", 17, true, true, 0 },
		{ "the first", 1000, false, true, 0 },
		{ "the second", FRAME + 1000, false, true, 1 },
		{ "the salt of the second", FRAME + 9, false, true, 1 },
		{ "the third", 2 * FRAME + 1000, false, true, 2 },
		{ "the last, as a kill does", 3 * FRAME + 1000, false, false, 3 },
	};
	static char file[65536], journal[1024 * 1024];
	char path[100];
	size_t len, journal_len;

	(void)state;
	snprintf(path, sizeof(path), "%s-wal", world.path);
	must_open();
	reopen();
	for (int i = 0; i < 4; i++)
		touch(i == 0 ? "n a 0" : i == 1 ? "n a 1" : i == 2 ? "n a 2" : "n a 3", now);
	len = read_file(world.path, file, sizeof(file));
	journal_len = read_file(path, journal, sizeof(journal));
	assert_int_equal(journal_len, HEAD + 4 * FRAME);
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t at = (size_t)cases[i].at + (cases[i].is_head ? 0 : HEAD);
		int known = 0;

		client_close(&world.client);
		world.said.text[0] = '\0';
		write_at(world.path, 0, file, len);
		journal[at] ^= 4;
		write_at(path, 0, journal, journal_len);
		journal[at] ^= 4;
		must_open();
		known += touch("n a 0", now).state == FACT_KNOWN;
		known += touch("n a 1", now).state == FACT_KNOWN;
		known += touch("n a 2", now).state == FACT_KNOWN;
		known += touch("n a 3", now).state == FACT_KNOWN;
		if (known != cases[i].known ||
		    client_heard(&world.said, "its journal is damaged") != cases[i].is_said)
			fail_msg("%s: %d known, \"%s\"", cases[i].name, known, world.said.text);
	}
}

/* Tables with other conditions are not ours: what we write might not go in there. */
static void test_other_tables(void **state)
{
	(void)state;
	must_open();
	touch("n a b", now);
	client_close(&world.client);
	do_sql(world.path,
	       "DROP TABLE known; CREATE TABLE known (\"set\" TEXT, key TEXT, expires_ms, "
	       "sum, value)");
	must_open();
	assert_int_equal(set_aside(), 1);
	assert_true(client_heard(&world.said, "not as they were made"));
}

/* --- rows that do not hold their sums --- */

static void test_sum_is_over_all(void **state)
{
	struct sqlite_row row = { .class = STORE_TRIPLET,
				  .key = SPAN("n a b"),
				  .number = { 1, 2, 3, 4, 5 },
				  .text = SPAN("white") };
	int32_t sum = sqlite_row_sum(&row);

	(void)state;
	assert_int_equal(sum, 338610359); /* files are to be read for years */
	for (int i = 0; i < ROW_NUMBERS; i++) {
		row.number[i] ^= INT64_C(1) << 62;
		assert_int_not_equal(sqlite_row_sum(&row), sum);
		row.number[i] ^= INT64_C(1) << 62;
	}
	row.key = SPAN("n a c");
	assert_int_not_equal(sqlite_row_sum(&row), sum);
	row.key = SPAN("a b");
	row.set = SPAN("n "); /* the same bytes, parted elsewhere */
	assert_int_not_equal(sqlite_row_sum(&row), sum);
	row.set = SPAN("");
	row.key = SPAN("n a b");
	row.text = SPAN("black");
	assert_int_not_equal(sqlite_row_sum(&row), sum);
	row.text = SPAN("white");
	assert_int_equal(sqlite_row_sum(&row), sum);
	row.class = STORE_TALLY;
	assert_int_not_equal(sqlite_row_sum(&row), sum);
}

static void make_some(void)
{
	must_open();
	touch("n a b", now);
	touch("n c d", now);
	touch("n e f", now);
	count_up("hour anna", now);
	count_up("hour bob", now);
	remember("banned", "192.0.2.1", "yes", DAY);
	remember("banned", "192.0.2.2", "yes", DAY);
	client_close(&world.client);
}

/* Each row is changed from elsewhere, as a bit on the disk would. */
static void test_wrong_rows_are_misses(void **state)
{
	static const struct {
		const char *name, *sql;
	} cases[] = {
		{ "a number", "UPDATE triplet SET last_ms = last_ms - 1 WHERE key = 'n a b'" },
		{ "an expiry", "UPDATE triplet SET expires_ms = 0 WHERE key = 'n a b'" },
		{ "a colour", "UPDATE triplet SET colour = 'white' WHERE key = 'n a b'" },
		{ "a sum", "UPDATE triplet SET sum = sum + 1 WHERE key = 'n a b'" },
		{ "a key", "UPDATE triplet SET key = 'n a\x03 b' WHERE key = 'n a b'" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		if (i > 0)
			assert_int_equal(set_up(state), 0);
		make_some();
		do_sql(world.path, cases[i].sql);
		must_open();
		assert_int_equal(touch("n a b", now + MINUTE).state, FACT_NONE);
		check_touch("n c d", now + MINUTE, "first=60 last=60 passes=0");
		check_touch("n a b", now + 2 * MINUTE, "first=60 last=60 passes=0");
		if (strcmp(cases[i].name, "a key") != 0)
			WAIT_UNTIL(client_heard(&world.said, "1 damaged entry: deleted"));
		assert_int_equal(set_aside(), 0);
		if (i + 1 < COUNT(cases))
			assert_int_equal(tear_down(state), 0);
	}
}

static void test_wrong_counts_and_sets(void **state)
{
	(void)state;
	make_some();
	do_sql(world.path, "UPDATE tally SET text = replace(text, '+1', '+3') WHERE key = 'anna';"
			   "UPDATE known SET value = 'no' WHERE key = '192.0.2.1'");
	must_open();
	check_known("banned 192.0.2.1", NULL);
	check_known("banned 192.0.2.2", "yes");
	assert_int_equal(ask_sql(world.path, "SELECT count(*) FROM known"), 1);
	assert_int_equal(count_up("hour anna", now), 1);
	assert_int_equal(count_up("hour bob", now), 2);
	WAIT_UNTIL(client_figures(&world.client).failures == 2);
	assert_int_equal(client_figures(&world.client).entries, 5);
	assert_true(client_heard(&world.said, "1 damaged entry: deleted"));
	reopen();
	assert_int_equal(count_up("hour anna", now), 2);
}

static void test_wrong_rows_in_pages_and_sweeps(void **state)
{
	struct store_page page = { .class = STORE_TRIPLET, .most = 10 };

	(void)state;
	make_some();
	do_sql(world.path, "UPDATE triplet SET key = 'n a z' WHERE key = 'n a b';"
			   "UPDATE tally SET key = 'robert' WHERE key = 'bob'");
	world.options.entries_max = 3; /* one too many: a sweep begins */
	must_open();
	assert_int_equal(turn(&page).count, 2);
	assert_int_equal(ask_sql(world.path, "SELECT count(*) FROM triplet"), 2);
	touch("n new b", now);
	WAIT_UNTIL(ask_sql(world.path, "SELECT count(*) FROM tally WHERE key = 'robert'") == 0);
	WAIT_UNTIL(client_figures(&world.client).failures == 2);
	assert_int_equal(set_aside(), 0);
}

/* At the limit they are deleted; one beyond, and the file is set aside with what sets there were
 * in it. */
static void test_many_wrong_rows(void **state)
{
	char key[40];

	(void)state;
	for (int wrong = SQLITE_WRONG_MAX; wrong <= SQLITE_WRONG_MAX + 1; wrong++) {
		must_open();
		remember("banned", "192.0.2.1", "yes", DAY);
		for (int i = 0; i < 50; i++) {
			snprintf(key, sizeof(key), "n %d b", i);
			touch(key, now);
		}
		client_close(&world.client);
		do_sql(world.path, "UPDATE triplet SET passes = 7");
		must_open();
		for (int i = 0; i < wrong; i++) {
			snprintf(key, sizeof(key), "n %d b", i);
			assert_int_equal(touch(key, now).state, FACT_NONE);
		}
		if (wrong == SQLITE_WRONG_MAX)
			WAIT_UNTIL(client_figures(&world.client).entries == 50);
		else
			WAIT_UNTIL(set_aside() == 1);
		assert_int_equal(set_aside(), wrong > SQLITE_WRONG_MAX);
		check_known("banned 192.0.2.1", "yes");
		client_close(&world.client);
		if (wrong == SQLITE_WRONG_MAX)
			unlink(world.path);
	}
	must_open();
	check_known("banned 192.0.2.1", "yes");
	assert_int_equal(ask_sql(world.path, "SELECT count(*) FROM triplet"), 0);
}

/* More than is checked before the start: it is looked at beside the work. */
enum { BIG = 150000 };

static void make_big(void)
{
	struct sqlite_row row = { .class = STORE_TRIPLET,
				  .number = { now + DAY, now, now, 0, 0 },
				  .text = SPAN("") };
	struct sqlite_file file = { 0 };
	char key[100];

	must_open();
	client_close(&world.client);
	assert_int_equal(sqlite3_open(world.path, &file.db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(file.db,
					    "INSERT INTO triplet VALUES (?2, ?3, ?4, ?5, ?6, ?7, "
					    "?8, ?9)",
					    -1, &file.statement[PUT_TRIPLET], NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_exec(file.db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
	for (int i = 1; i <= BIG; i++) {
		snprintf(key, sizeof(key), "192.0.2.0/24 sender%06d %060d", i, i);
		row.key = span_cstr(key);
		assert_int_equal(sqlite_row_put(&file, &row), SQLITE_OK);
	}
	assert_int_equal(sqlite3_exec(file.db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite_file_close(&file, true);
}

static void test_big_file(void **state)
{
	char key[100];

	(void)state;
	make_big();
	must_open();
	snprintf(key, sizeof(key), "192.0.2.0/24 sender%06d %060d", 7, 7);
	assert_int_equal(touch(key, now).state, FACT_KNOWN);
	touch("n new b", now);
	WAIT_UNTIL(client_figures(&world.client).entries == BIG + 1);
	assert_int_equal(world.said.count, 0);
	reopen();
	client_close(&world.client); /* in the middle of its look */
}

static void test_big_file_is_damaged(void **state)
{
	static const char zero[4096];

	(void)state;
	make_big();
	write_at(world.path, 4096 * 2000, zero, sizeof(zero));
	must_open();
	remember("banned", "192.0.2.1", "yes", DAY);
	WAIT_UNTIL(client_heard(&world.said, "is set aside as"));
	assert_int_equal(set_aside(), 1);
	assert_int_equal(touch("n a b", now).state, FACT_NONE);
	reopen();
	assert_int_equal(touch("n a b", now).state, FACT_KNOWN);
	check_known("banned 192.0.2.1", "yes");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_touches_and_counts),
		TEST(test_restart_keeps_all),
		TEST(test_rehearsal_changes_nothing),
		TEST(test_each_use_is_written),
		TEST(test_expired_is_judged),
		TEST(test_clock_jumps),
		TEST(test_sweeps_wait_out_jumps),
		TEST(test_one_daemon_alone),
		TEST(test_folder_and_modes),
		TEST(test_odd_files),
		TEST(test_network_file_systems),
		TEST(test_other_versions),
		TEST(test_damaged_versions),
		TEST(test_somebody_elses_database),
		TEST(test_bound),
		TEST(test_lock_for_a_moment),
		TEST(test_bound_of_uncounted),
		TEST(test_at_bound_nothing_goes),
		TEST(test_expired_goes_first),
		TEST(test_sets_keep_their_bounds),
		TEST(test_rate_of_a_network),
		TEST(test_pages_while_writing),
		TEST(test_pages_choose),
		TEST(test_put_and_erase),
		TEST(test_forgotten_and_closed),
		TEST(test_closed_from_an_answer),
		TEST(test_line_is_bounded),
		TEST(test_many_workers),
		TEST(test_somebody_holds_the_file),
		TEST(test_no_room),
		TEST(test_readers_do_not_disturb),
		TEST(test_garbage_is_set_aside),
		TEST(test_damage_while_running),
		TEST(test_odd_headers),
		TEST(test_swapped_pages),
		TEST(test_sweeps_find_disorder),
		TEST(test_empty_file),
		TEST(test_damaged_journal),
		TEST(test_other_tables),
		TEST(test_sum_is_over_all),
		TEST(test_wrong_rows_are_misses),
		TEST(test_wrong_counts_and_sets),
		TEST(test_wrong_rows_in_pages_and_sweeps),
		TEST(test_many_wrong_rows),
		TEST(test_big_file),
		TEST(test_big_file_is_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
