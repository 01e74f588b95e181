/* salvage_test.c -- what is read of damaged files: all that can be, and nothing else. */
#include "../unit.h"

#include "../../store/client.h"
#include "store/sqlite_cells.h"
#include "store/sqlite_salvage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PAGE_BYTES = 4096,
	FILE_BYTES_MAX = 32 * 1024 * 1024,
	TRIPLETS = 1200,
	TALLIES = 200,
	SETS = 100,
	LONG_EVERY = 20, /* of SETS: a value of several pages */
	LONG_BYTES = 20000,
	OLD_EVERY = 10, /* of TALLIES: expired when it is read */
	ALL = TRIPLETS + TALLIES + SETS - TALLIES / OLD_EVERY,
	FLIPS = 250,
	STRETCHES = 60,
};

#define DAY (INT64_C(24) * 3600 * 1000)

static const int counts[STORE_CLASS_COUNT] = {
	[STORE_KNOWN] = SETS, [STORE_TALLY] = TALLIES, [STORE_TRIPLET] = TRIPLETS
};

static struct world {
	char folder[64], path[80], copy[80], journal[90];
	struct client_said said;
	struct store_options options;
	struct client client;
	int64_t now_ms;
	uint8_t whole[FILE_BYTES_MAX], damaged[FILE_BYTES_MAX];
	size_t len;
} world;

/* What a salvage gave. */
static struct got {
	struct sqlite_salvage salvage;
	enum err err;
	bool has[STORE_CLASS_COUNT][TRIPLETS];
	int all;
	char last[200]; /* value */
} got;

/* --- entries by number --- */

struct one {
	struct store_entry entry;
	char key[100], value[LONG_BYTES + 1];
};

static bool is_old(enum store_class class, int number)
{
	return class == STORE_TALLY && number % OLD_EVERY == 0;
}

static void make(struct one *one, enum store_class class, int number)
{
	struct triplet triplet = { .first_ms = world.now_ms - number,
				   .last_ms = world.now_ms,
				   .passed_ms = number % 2 == 0 ? world.now_ms : 0,
				   .passes = number % 2 == 0 ? number : 0,
				   .colour = (enum triplet_colour)(number % 3) };
	struct text value = { one->value, 0, sizeof(one->value), false };

	one->entry = (struct store_entry){ .class = class, .expires_ms = world.now_ms + DAY };
	switch (class) {
	case STORE_KNOWN:
		snprintf(one->key, sizeof(one->key), "198.51.100.%d", number);
		one->entry.set = SPAN("banned");
		one->entry.expires_ms = number % 2 == 0 ? 0 : world.now_ms + DAY;
		for (int i = 0; i < (number % LONG_EVERY == 0 ? LONG_BYTES : number); i++)
			text_add_char(&value, (char)('a' + (i + number) % 26));
		break;
	case STORE_TALLY:
		snprintf(one->key, sizeof(one->key), "user%d@example.org", number);
		one->entry.set = SPAN("hour");
		text_addf(&value, "window 3600000 1 %lld+1", (long long)world.now_ms);
		if (is_old(class, number))
			one->entry.expires_ms = world.now_ms + 1000;
		break;
	case STORE_TRIPLET:
		snprintf(one->key, sizeof(one->key), "192.0.%d.0/24 sender%d@example.org rcpt",
			 number % 250, number);
		text_add_triplet(&value, &triplet);
		break;
	case STORE_CLASS_COUNT: fail();
	}
	one->entry.key = span_cstr(one->key);
	one->entry.value = text_span(&value);
}

static int number_of(const struct store_entry *entry)
{
	size_t skip = entry->class == STORE_KNOWN   ? 11
		      : entry->class == STORE_TALLY ? 4
						    : span_find(entry->key, 'r') + 1;
	TEXT(key, 400);

	text_add(&key, span_from(entry->key, skip));
	return (int)strtol(text_cstr(&key), NULL, 10);
}

/* --- reading --- */

static bool take(void *self, const struct store_entry *entry)
{
	static struct one one;
	int number = number_of(entry);

	(void)self;
	assert_in_range(number, 0, counts[entry->class] - 1);
	make(&one, entry->class, number);
	check_span(entry->key, one.entry.key, "key");
	check_span(entry->set, one.entry.set, one.key);
	check_span(entry->value, one.entry.value, one.key);
	assert_int_equal(entry->expires_ms, one.entry.expires_ms);
	assert_false(got.has[entry->class][number]);
	got.has[entry->class][number] = true;
	got.all++;
	return true;
}

static bool take_any(void *self, const struct store_entry *entry)
{
	(void)self;
	snprintf(got.last, sizeof(got.last), "%.*s", SPAN_ARG(entry->value));
	got.all++;
	return true;
}

static void salvage(const char *path, bool (*taker)(void *, const struct store_entry *))
{
	TEXT(why, STORE_WHY_MAX);

	got = (struct got){ 0 };
	got.salvage.now_ms = world.now_ms + 2000;
	got.salvage.take = taker;
	got.err = sqlite_salvage(path, &got.salvage, &why);
	if (got.err == OK)
		assert_int_equal(got.salvage.taken, got.all);
	else
		assert_true(why.len > 0);
}

static size_t read_file(const char *path, uint8_t *bytes)
{
	int fd = open(path, O_RDONLY);
	ssize_t len = fd >= 0 ? read(fd, bytes, FILE_BYTES_MAX) : 0;

	if (fd >= 0)
		close(fd);
	assert_in_range(len, 0, FILE_BYTES_MAX - 1);
	return (size_t)len;
}

static void write_file(const char *path, const uint8_t *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	close(fd);
}

/* Of the damaged bytes; the file is read, and no more. */
static void salvage_damaged(size_t len)
{
	static uint8_t after[FILE_BYTES_MAX];

	write_file(world.copy, world.damaged, len);
	salvage(world.copy, take);
	assert_int_equal(read_file(world.copy, after), len);
	assert_memory_equal(after, world.damaged, len);
}

/* --- the world --- */

static void put(struct one *one, int64_t now_ms)
{
	assert_int_equal(client_put(&world.client, &one->entry, now_ms), OK);
}

static int set_up(void **state)
{
	(void)state;
	pthread_mutex_init(&world.said.lock, NULL);
	if (!client_folder(world.folder, sizeof(world.folder), "salvage"))
		return 1;
	snprintf(world.path, sizeof(world.path), "%s/state.db", world.folder);
	snprintf(world.copy, sizeof(world.copy), "%s/copy.db", world.folder);
	snprintf(world.journal, sizeof(world.journal), "%s-wal", world.copy);
	world.options = (struct store_options){ .kind = STORE_SQLITE,
						.path = span_cstr(world.path),
						.say = client_hears,
						.self = &world.said };
	world.now_ms = client_now_ms();
	return client_open(&world.client, &world.options) == OK ? 0 : 1;
}

static int tear_down(void **state)
{
	(void)state;
	if (world.client.store != NULL)
		client_close(&world.client);
	client_empty_folder(world.folder);
	return rmdir(world.folder);
}

static void put_all(void)
{
	static struct one one;

	for (int class = 0; class < STORE_CLASS_COUNT; class ++)
		for (int i = 0; i < counts[class]; i++) {
			/* in no order, so that pages are split everywhere */
			make(&one, (enum store_class) class, i * 7 % counts[class]);
			put(&one, world.now_ms);
		}
}

static void make_whole(void)
{
	put_all();
	client_close(&world.client);
	world.len = read_file(world.path, world.whole);
	memcpy(world.damaged, world.whole, world.len);
}

/* The file and its journal as they are, while they are in use. */
static void copy_both(void)
{
	char name[100];

	world.len = read_file(world.path, world.damaged);
	write_file(world.copy, world.damaged, world.len);
	snprintf(name, sizeof(name), "%s-wal", world.path);
	world.len = read_file(name, world.damaged);
	assert_true(world.len > 32 + 24 + PAGE_BYTES);
	write_file(world.journal, world.damaged, world.len);
}

/* --- damage --- */

static uint8_t *find(const char *text)
{
	uint8_t *at = memmem(world.damaged, world.len, text, strlen(text));

	assert_non_null(at);
	return at;
}

static uint8_t *page_of(const char *text)
{
	return world.damaged + (find(text) - world.damaged) / PAGE_BYTES * PAGE_BYTES;
}

static size_t as_it_is(void)
{
	return world.len;
}

static size_t no_head(void)
{
	memset(world.damaged, 0, 100);
	return world.len;
}

static size_t no_first_page(void)
{
	memset(world.damaged, 0xff, PAGE_BYTES);
	return world.len;
}

static size_t other_type(void)
{
	page_of("sender17@")[0] ^= 4;
	return world.len;
}

static size_t few_cells(void)
{
	page_of("sender17@")[4] = 3;
	return world.len;
}

static size_t many_cells(void)
{
	page_of("sender17@")[3] ^= 0x40;
	return world.len;
}

static size_t other_pointer(void)
{
	page_of("sender17@")[9] ^= 2;
	return world.len;
}

static size_t other_key(void)
{
	find("sender17@")[6] ^= 1;
	return world.len;
}

static size_t more_of_a_value(void)
{
	size_t at = PAGE_BYTES;

	/* a page that begins with the number of the next, and goes on with letters */
	while (world.damaged[at] != 0 || sqlite_big16(world.damaged + at + 2) == 0 ||
	       world.damaged[at + 4] < 'a' || world.damaged[at + 4] > 'z')
		at += PAGE_BYTES;
	memset(world.damaged + at + 8, 'x', 100);
	return world.len;
}

static size_t ten_bytes(void)
{
	return 10;
}

static size_t nothing(void)
{
	return 0;
}

static size_t text(void)
{
	for (size_t i = 0; i < world.len; i++)
		world.damaged[i] = (uint8_t) "this is no database\n"[i % 20];
	return world.len;
}

static const struct {
	const char *name;
	size_t (*damage)(void);
	int lost;
	unsigned refused, damaged_pages;
} cases[] = {
	{ "as it is", as_it_is, 0, 0, 0 },
	{ "its head is zeros", no_head, 0, 0, 0 },
	{ "its first page is anything", no_first_page, 0, 0, 0 },
	{ "the type of a page", other_type, 0, 0, 1 },
	{ "too few cells", few_cells, 0, 0, 1 },
	{ "too many cells", many_cells, 0, 0, 1 },
	{ "where a cell is", other_pointer, 0, 0, 1 },
	{ "a letter of a key", other_key, 1, 1, 0 },
	{ "where a value goes on", more_of_a_value, 1, 1, 0 },
	{ "ten bytes of it", ten_bytes, ALL, 0, 0 },
	{ "nothing of it", nothing, ALL, 0, 0 },
};

static void test_damage(void **state)
{
	(void)state;
	make_whole();
	for (size_t i = 0; i < COUNT(cases); i++) {
		memcpy(world.damaged, world.whole, world.len);
		salvage_damaged(cases[i].damage());
		if (got.err != OK || got.all != ALL - cases[i].lost ||
		    got.salvage.refused != cases[i].refused ||
		    got.salvage.damaged_pages != cases[i].damaged_pages)
			fail_msg("%s: %d lost, %llu refused, %u pages damaged", cases[i].name,
				 ALL - got.all, (unsigned long long)got.salvage.refused,
				 got.salvage.damaged_pages);
		if (cases[i].lost == 0)
			assert_int_equal(got.salvage.expired, TALLIES / OLD_EVERY);
	}
	memcpy(world.damaged, world.whole, world.len);
	salvage_damaged(text());
	assert_int_equal(got.all, 0);
	assert_int_equal(got.salvage.damaged_pages, world.len / PAGE_BYTES - 1);
}

/* Pages that are gone take their own rows with them, and no others. */
static void test_pages(void **state)
{
	uint32_t most = 0, rows = 0, pages;

	(void)state;
	make_whole();
	pages = (uint32_t)(world.len / PAGE_BYTES);
	for (uint32_t page = 1; page < pages; page++) {
		uint8_t *at = world.damaged + page * PAGE_BYTES;
		uint32_t cells = 1; /* of a row that goes on in it */

		memcpy(world.damaged, world.whole, world.len);
		if (sqlite_page_adds_up(at, PAGE_BYTES))
			cells = sqlite_page_cells(at);
		rows += at[0] == 2 || at[0] == 10 ? cells : 0;
		most = cells > most ? cells : most;
		memset(at, 0, PAGE_BYTES);
		salvage_damaged(world.len);
		assert_in_range(ALL - got.all, 0, cells);
		assert_true(got.all == ALL || got.salvage.damaged_pages + got.salvage.refused > 0);
		assert_int_equal(got.salvage.missing_pages, 0);
	}
	assert_int_equal(rows, TRIPLETS + TALLIES + SETS);
	for (uint32_t kept = 1; kept < pages; kept += 7) {
		memcpy(world.damaged, world.whole, world.len);
		salvage_damaged((size_t)kept * PAGE_BYTES);
		assert_int_equal(got.salvage.pages, pages);
		assert_int_equal(got.salvage.missing_pages, pages - kept);
	}
}

static void test_random(void **state)
{
	uint64_t seed = 88172645463325252;
	int lost = 0, most = 0;

	(void)state;
	make_whole();
	for (int i = 0; i < FLIPS; i++) {
		size_t at = random_below(&seed, world.len);

		memcpy(world.damaged, world.whole, world.len);
		world.damaged[at] ^= (uint8_t)(1 << random_below(&seed, 8));
		salvage_damaged(world.len); /* take() looks at all that comes */
		lost += ALL - got.all;
		most = ALL - got.all > most ? ALL - got.all : most;
	}
	print_message("# of %d bits %d lost an entry, at most %d\n", FLIPS, lost, most);
	assert_in_range(most, 0, 2);
	for (int i = 0; i < STRETCHES; i++) {
		size_t len = random_below(&seed, 3 * PAGE_BYTES),
		       at = random_below(&seed, world.len - len);

		memcpy(world.damaged, world.whole, world.len);
		while (len-- > 0)
			world.damaged[at + len] = (uint8_t)random_below(&seed, 256);
		salvage_damaged(world.len);
		assert_in_range(ALL - got.all, 0, 400);
	}
}

/* --- journals --- */

static size_t frame_at(size_t frame)
{
	return 32 + (frame - 1) * (24 + PAGE_BYTES);
}

static void test_journal(void **state)
{
	size_t frames;

	(void)state;
	put_all();
	copy_both();
	frames = (world.len - 32) / (24 + PAGE_BYTES);
	salvage(world.copy, take);
	assert_int_equal(got.all, ALL);
	assert_false(got.salvage.is_journal_damaged);
	assert_int_equal(got.salvage.damaged_pages, 0);
	/* a page of a frame, and its head; what comes after them is read all the same */
	for (int i = 0; i < 2; i++) {
		world.damaged[frame_at(frames / 2) + (i == 0 ? 1000 : 4)] ^= 1;
		write_file(world.journal, world.damaged, world.len);
		salvage(world.copy, take);
		assert_true(got.salvage.is_journal_damaged);
		assert_int_equal(got.all, ALL);
	}
	/* heads of frames, and what is between */
	memset(world.damaged + frame_at(frames / 4) + 100, 0, 5 * PAGE_BYTES);
	write_file(world.journal, world.damaged, world.len);
	salvage(world.copy, take);
	assert_int_equal(got.all, ALL);
	world.damaged[20] ^= 1; /* a salt in its head */
	write_file(world.journal, world.damaged, world.len);
	salvage(world.copy, take);
	assert_true(got.salvage.is_journal_damaged);
	assert_int_equal(got.all, ALL);
	write_file(world.journal, world.damaged, 17);
	salvage(world.copy, take);
	assert_int_equal(got.all, 0);
}

static void put_tally(const char *value, int64_t now_ms)
{
	static struct one one;

	make(&one, STORE_TALLY, 1);
	one.entry.value = span_cstr(value);
	put(&one, now_ms);
}

static void do_sql(const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(world.path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* Of several states in frames that do not belong together any more: the last. */
static void test_last_state(void **state)
{
	static const char *const values[] = { "window 3600000 1 9+1", "window 3600000 3 9+3",
					      "window 3600000 2 9+2" };

	(void)state;
	for (int i = 0; i < 3; i++)
		put_tally(values[i], world.now_ms + (i == 2 ? 1 : i)); /* two of one moment */
	copy_both();
	for (size_t broken = 1; broken <= 2; broken++) {
		world.damaged[frame_at((world.len - 32) / (24 + PAGE_BYTES) - broken) + 20] ^= 1;
		write_file(world.journal, world.damaged, world.len);
		salvage(world.copy, take_any);
		assert_int_equal(got.all, 1);
		check_span(span_cstr(got.last), span_cstr(values[2]), "the last");
	}
}

/* What was deleted is not found in what is left of an older journal. */
static void test_older_journal(void **state)
{
	static struct one one;

	(void)state;
	make(&one, STORE_TRIPLET, 5);
	for (int i = 0; i < 10; i++)
		put(&one, world.now_ms + i);
	put_tally("window 3600000 1 9+1", world.now_ms);
	do_sql("PRAGMA wal_checkpoint(RESTART)");
	make(&one, STORE_TALLY, 1);
	assert_int_equal(client_erase(&world.client, &one.entry), OK);
	copy_both();
	assert_non_null(memmem(world.damaged, world.len, one.key, strlen(one.key)));
	salvage(world.copy, take);
	assert_int_equal(got.all, 1);
	assert_false(got.salvage.is_journal_damaged);
}

static void test_no_file(void **state)
{
	char name[200];

	(void)state;
	snprintf(name, sizeof(name), "%s/none", world.folder);
	salvage(name, take);
	assert_int_equal(got.err, ERR_SYSTEM);
	assert_int_equal(access(name, F_OK), -1);
	salvage(world.folder, take);
	assert_int_equal(got.err, ERR_SYSTEM);
	snprintf(name, sizeof(name), "%s/state.db.lock", world.folder);
	salvage(name, take);
	assert_int_equal(got.err, OK);
	assert_int_equal(got.all, 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_damage),  TEST(test_pages),      TEST(test_random),
		TEST(test_journal), TEST(test_last_state), TEST(test_older_journal),
		TEST(test_no_file),
	};

	return cmocka_run_group_tests_name("store/salvage", tests, NULL, NULL);
}
