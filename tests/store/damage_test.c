/* damage_test.c -- a damaged file is set aside or says so; nobody dies of it.
 *
 *	damage_test [TRIALS [SEED]]
 *
 * A file with known content, of pages of all kinds, is cut, has bits turned and pages overwritten
 * or exchanged; so has the journal of a store that was killed.  Each time the store is opened on
 * it, asked for all that was in there, paged through, and written to.  Nothing may be served that
 * was not written so, nothing may be missing unless damage has been said, and no damage may keep
 * the store from being opened.
 *
 * Bits are also turned in the file of a store that is open already.  What that makes unreachable
 * may be missing unsaid until the next start looks at the whole file; served it must not be.
 */
#include "client.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	TRIPLETS = 1200,
	TALLIES = 300,
	SETS = 200,
	LARGE = 20, /* remembered values that go on in pages of their own */
	LARGE_BYTES = 6000,
	FORGOTTEN = 4, /* large ones */
	WRITES = 100,
	TRIALS = 200, /* of each kind */
	STRETCH_MAX = 600,
};
enum { PAGE_BYTES = 4096, FILE_BYTES_MAX = 2 * 1024 * 1024 };

/* How it ended: all was right; damage was found, and what is missing is missing for that;
 * something is missing and nothing was said; what was never written was served; refused. */
enum outcome { RIGHT, FOUND, UNSEEN, SERVED, REFUSED, OUTCOMES };

/* 2026-11-18: the file is the same each time */
#define NOW_MS INT64_C(1795000000000)

struct image {
	char bytes[FILE_BYTES_MAX];
	size_t len;
};

static struct world {
	char folder[64], path[80], journal_path[80];
	struct store_options options;
	struct client_said said;
	uint64_t random;
	/* all is in the file; the same as kill -9 leaves it: a file, and a journal to it */
	struct image whole, before, journal;
	struct image damaged; /* one of these */
	bool is_late;         /* the damage comes when the store is open */
} world;

/* What was met. */
struct met {
	unsigned failed, missing, served;
};

static const struct triplet_terms terms = { 300000, 172800000, INT64_C(3024000000) };
static struct tally_count counting = { .amount = 1 };

static void name_triplet(char key[100], int number)
{
	snprintf(key, 100, "192.0.%d.0/24 sender%d@example.org rcpt%d@example.net", number % 250,
		 number, number % 7);
}

static void name_tally(char key[100], int number)
{
	snprintf(key, 100, "hour user%d@example.org", number);
}

static void name_known(char key[100], int number)
{
	snprintf(key, 100, "banned 198.51.100.%d", number);
}

static void name_large(char key[100], int number)
{
	snprintf(key, 100, "large key%d", number);
}

static void add_large(struct text *value, int number)
{
	while (value->len < LARGE_BYTES)
		text_addf(value, "%d ", number);
}

/* --- the file as it should be --- */

static void remember(struct client *client, const char *name, struct span value)
{
	size_t blank = span_find(span_cstr(name), ' ');
	struct memory memory = { .set = span_first(span_cstr(name), blank),
				 .key = span_from(span_cstr(name), blank + 1),
				 .value = value };

	store_remember(client->port, &memory, NOW_MS);
}

static void write_triplets(struct client *client)
{
	char key[100];

	for (int i = 0; i < TRIPLETS; i++) {
		name_triplet(key, i);
		must(&world.said, client_touch(client, key, &terms, NOW_MS).state == FACT_NONE,
		     key);
	}
}

static void write_tallies(struct client *client)
{
	static struct fact fact[TALLIES];
	static char key[TALLIES][100];

	for (int i = 0; i < TALLIES; i++) {
		name_tally(key[i], i);
		fact[i] = (struct fact){ .kind = FACT_TALLY,
					 .key = span_cstr(key[i]),
					 .count = &counting };
	}
	client_ask_all(client, fact, TALLIES, NOW_MS, false);
	for (int i = 0; i < TALLIES; i++) {
		must(&world.said, fact[i].state == FACT_KNOWN, key[i]);
		store_release(client->port, &fact[i]);
	}
}

static void write_others(struct client *client)
{
	char key[100];

	for (int i = 0; i < SETS; i++) {
		name_known(key, i);
		remember(client, key, SPAN("yes"));
	}
	for (int i = 0; i < LARGE + FORGOTTEN; i++) {
		TEXT(value, LARGE_BYTES + 8);

		name_large(key, i);
		add_large(&value, i);
		remember(client, key, text_span(&value));
	}
	for (int i = LARGE; i < LARGE + FORGOTTEN; i++) { /* they leave free pages */
		name_large(key, i);
		remember(client, key, (struct span){ .at = NULL });
	}
	write_tallies(client);
	/* what is last nobody asks for: its loss is that of a kill, or of a few of them */
	for (int i = 0; i < 3; i++) {
		name_triplet(key, TRIPLETS + i);
		must(&world.said, client_touch(client, key, &terms, NOW_MS).state == FACT_NONE,
		     key);
	}
}

static void read_image(const char *path, struct image *image)
{
	FILE *file = fopen(path, "r");

	must(&world.said, file != NULL, "no file");
	image->len = fread(image->bytes, 1, sizeof(image->bytes), file);
	fclose(file);
	must(&world.said, image->len > 20 * PAGE_BYTES && image->len < sizeof(image->bytes),
	     "odd length");
}

static void make_images(void)
{
	struct client client = { 0 };

	must(&world.said, client_open(&client, &world.options) == OK, client.why);
	write_triplets(&client);
	client_close(&client);
	must(&world.said, client_open(&client, &world.options) == OK, client.why);
	write_others(&client);
	read_image(world.path, &world.before);
	read_image(world.journal_path, &world.journal);
	client_close(&client);
	read_image(world.path, &world.whole);
}

/* --- a store on a damaged one --- */

static const struct {
	enum fact_kind kind;
	int count;
	void (*name)(char key[100], int number);
	const char *want, *missing;
	void (*add_want)(struct text *want, int number); /* where it is long */
} kinds[] = {
	{ FACT_GREYLIST, TRIPLETS, name_triplet, "first=1 last=1 passes=0", "", NULL },
	{ FACT_TALLY, TALLIES, name_tally, "2/1h", "1/1h", NULL },
	{ FACT_REMEMBERED, SETS, name_known, "yes", "", NULL },
	{ FACT_REMEMBERED, LARGE, name_large, "", "", add_large },
};

static bool is_wanted(size_t kind, int number, struct span item)
{
	TEXT(want, LARGE_BYTES + 8);

	text_add(&want, span_cstr(kinds[kind].want));
	if (kinds[kind].add_want != NULL)
		kinds[kind].add_want(&want, number);
	return span_equal(item, text_span(&want));
}

static void ask_kind(struct client *client, size_t kind, struct met *met)
{
	static struct fact fact[TRIPLETS];
	static char key[TRIPLETS][100];
	size_t count = (size_t)kinds[kind].count;

	for (size_t i = 0; i < count; i++) {
		kinds[kind].name(key[i], (int)i);
		fact[i] = (struct fact){ .kind = kinds[kind].kind,
					 .key = span_cstr(key[i]),
					 .terms = &terms,
					 .count = &counting };
	}
	client_ask_all(client, fact, count, NOW_MS + 1000, true);
	for (size_t i = 0; i < count; i++) {
		struct span item = SPAN("");

		if (fact[i].state == FACT_KNOWN)
			item = fact[i].item[0];
		if (fact[i].state == FACT_FAILED)
			met->failed++;
		else if (span_equal(item, span_cstr(kinds[kind].missing)))
			met->missing++;
		else if (!is_wanted(kind, (int)i, item))
			met->served++;
		store_release(client->port, &fact[i]);
	}
}

/* Is it one that make_whole() has made? */
static bool is_ours(const struct store_entry *entry)
{
	struct triplet triplet = { .first_ms = NOW_MS, .last_ms = NOW_MS };
	size_t at = span_find(entry->key, 'r');
	TEXT(key, 200);
	TEXT(value, TRIPLET_TEXT_MAX);
	char want[100];
	int number = -1;

	text_add(&key, entry->key);
	if (entry->class == STORE_TALLY) {
		sscanf(text_cstr(&key), "user%d@", &number);
		name_tally(want, number);
		text_addf(&value, "window 3600000 1 %lld+1", (long long)NOW_MS);
		return span_equal(entry->set, SPAN("hour")) &&
		       strcmp(want + 5, text_cstr(&key)) == 0 &&
		       span_equal(entry->value, text_span(&value));
	}
	if (at < entry->key.len)
		sscanf(text_cstr(&key) + at, "r%d@", &number);
	name_triplet(want, number);
	text_add_triplet(&value, &triplet);
	return strcmp(want, text_cstr(&key)) == 0 && span_equal(entry->value, text_span(&value));
}

struct leaf {
	bool is_over, has_more;
	struct met *met;
	struct store_page page;
	char set[STORE_SET_MAX + 1], key[400];
};

static void turned(void *self, const struct store_ended *ended)
{
	struct leaf *leaf = self;

	leaf->met->failed += ended->result != OK;
	for (uint32_t i = 0; i < ended->entry_count; i++)
		leaf->met->served += !is_ours(&ended->entry[i]);
	snprintf(leaf->set, sizeof(leaf->set), "%.*s", SPAN_ARG(ended->next_set));
	snprintf(leaf->key, sizeof(leaf->key), "%.*s", SPAN_ARG(ended->next));
	leaf->page.after_set = span_cstr(leaf->set);
	leaf->page.after = span_cstr(leaf->key);
	leaf->has_more = ended->has_more;
	leaf->is_over = true;
}

/* All pages: this way rows are met, too, that nobody would ask for. */
static void page_through(struct client *client, enum store_class class, struct met *met)
{
	struct leaf leaf = { .met = met, .page = { .class = class, .most = STORE_PAGE_MAX } };

	do {
		leaf.is_over = false;
		store_page(client->port, &leaf.page, NOW_MS + 1000, turned, &leaf);
		client_wait(client, &leaf.is_over);
	} while (leaf.has_more);
}

static void write_image(const char *path, const struct image *image)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	must(&world.said, fd >= 0 && pwrite(fd, image->bytes, image->len, 0) == (ssize_t)image->len,
	     "not written");
	close(fd);
}

/* And writing all over the place. */
static void write_some(struct client *client)
{
	static struct fact fact[WRITES];
	static char key[WRITES][100];

	for (int i = 0; i < WRITES; i++) {
		if (i % 2 == 0)
			name_triplet(key[i], (int)random_below(&world.random, TRIPLETS));
		else
			snprintf(key[i], sizeof(key[i]), "198.51.100.0/24 new%d b", i);
		fact[i] = (struct fact){ .kind = FACT_GREYLIST,
					 .key = span_cstr(key[i]),
					 .terms = &terms };
	}
	client_ask_all(client, fact, WRITES, NOW_MS + 3600000, false);
	for (int i = 0; i < WRITES; i++)
		store_release(client->port, &fact[i]);
}

static bool has_said(void)
{
	return client_heard(&world.said, "is set aside as") ||
	       client_heard(&world.said, "deleted; the file is looked at") ||
	       client_heard(&world.said, "is empty: a new one is begun") ||
	       client_heard(&world.said, "its journal is damaged");
}

static enum outcome try_file(void)
{
	struct client client = { 0 };
	struct met met = { 0 };

	if (client_open(&client, &world.options) != OK)
		return REFUSED;
	if (world.is_late)
		write_image(world.path, &world.damaged);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		ask_kind(&client, i, &met);
	page_through(&client, STORE_TRIPLET, &met);
	page_through(&client, STORE_TALLY, &met);
	write_some(&client);
	client_close(&client);
	if (met.served > 0)
		return SERVED;
	if (has_said() || met.failed > 0)
		return FOUND;
	return met.missing > 0 ? UNSEEN : RIGHT;
}

/* After it, all must go on. */
static void try_again(void)
{
	struct client client = { 0 };

	must(&world.said, client_open(&client, &world.options) == OK, client.why);
	(void)client_touch(&client, "203.0.113.0/24 a b", &terms, NOW_MS);
	must(&world.said,
	     client_touch(&client, "203.0.113.0/24 a b", &terms, NOW_MS).state == FACT_KNOWN,
	     "nothing is remembered afterwards");
	client_close(&client);
}

/* @param journal  NULL: none */
static enum outcome run(const struct image *file, const struct image *journal)
{
	enum outcome outcome;

	client_empty_folder(world.folder);
	world.said.text[0] = '\0';
	write_image(world.path, file);
	if (journal != NULL)
		write_image(world.journal_path, journal);
	outcome = try_file();
	if (outcome != REFUSED)
		try_again();
	return outcome;
}

/* --- kinds of damage --- */

static void cut(void)
{
	world.damaged.len = random_below(&world.random, world.damaged.len);
}

static void turn_bit(void)
{
	char *byte = world.damaged.bytes + random_below(&world.random, world.damaged.len);

	*byte = (char)(*byte ^ 1 << random_below(&world.random, 8));
}

static char *any_page(void)
{
	return world.damaged.bytes +
	       random_below(&world.random, world.damaged.len / PAGE_BYTES) * PAGE_BYTES;
}

/* In the first bytes of a page, which say what is in the others. */
static void turn_bit_of_head(void)
{
	char *byte = any_page() + random_below(&world.random, 112);

	*byte = (char)(*byte ^ 1 << random_below(&world.random, 8));
}

static void write_anything(char *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (char)random_below(&world.random, 256);
}

static void write_stretch(void)
{
	size_t at = random_below(&world.random, world.damaged.len),
	       len = 1 + random_below(&world.random, STRETCH_MAX);
	size_t left = world.damaged.len - at;

	write_anything(world.damaged.bytes + at, len < left ? len : left);
}

static void write_page(void)
{
	write_anything(any_page(), PAGE_BYTES);
}

static void empty_page(void)
{
	memset(any_page(), 0, PAGE_BYTES);
}

static void swap_pages(void)
{
	char *a = any_page(), *b = any_page();
	char page[PAGE_BYTES];

	memcpy(page, a, PAGE_BYTES);
	memmove(a, b, PAGE_BYTES);
	memcpy(b, page, PAGE_BYTES);
}

static void copy_page(void)
{
	char *from = any_page();

	memmove(any_page(), from, PAGE_BYTES);
}

enum target { THE_FILE, THE_OPEN_FILE, THE_JOURNAL };

static const struct kind {
	const char *name;
	void (*damage)(void);
	enum target target;
} damages[] = {
	{ "cut", cut, THE_FILE },
	{ "a bit", turn_bit, THE_FILE },
	{ "a bit of a page's head", turn_bit_of_head, THE_FILE },
	{ "a stretch of anything", write_stretch, THE_FILE },
	{ "a page of anything", write_page, THE_FILE },
	{ "a page of zeros", empty_page, THE_FILE },
	{ "two pages exchanged", swap_pages, THE_FILE },
	{ "a page over another", copy_page, THE_FILE },
	{ "a bit while it is open", turn_bit, THE_OPEN_FILE },
	{ "a bit of the journal", turn_bit, THE_JOURNAL },
	{ "a stretch of the journal", write_stretch, THE_JOURNAL },
};

static void report(const struct kind *kind, const unsigned count[OUTCOMES])
{
	bool may_miss = kind->target == THE_OPEN_FILE;

	printf("%s: %u right, %u found, %u unseen, %u served, %u refused\n", kind->name,
	       count[RIGHT], count[FOUND], count[UNSEEN], count[SERVED], count[REFUSED]);
	fflush(stdout);
	must(&world.said, count[SERVED] == 0, "what was never written was served");
	must(&world.said, count[REFUSED] == 0, "the store was not opened");
	must(&world.said, may_miss || count[UNSEEN] == 0,
	     "something is missing and nobody has said it");
}

/* For whoever must find out: where does it differ from the whole? */
static void tell(const struct kind *kind, const struct image *whole, enum outcome outcome)
{
	const struct image *damaged = &world.damaged;
	size_t at = 0;

	while (at < damaged->len && whole->bytes[at] == damaged->bytes[at])
		at++;
	printf("%s, %s: byte %zu of %zu, %02x is %02x\n", kind->name,
	       outcome == UNSEEN   ? "unseen"
	       : outcome == SERVED ? "served"
				   : "refused",
	       at, damaged->len, whole->bytes[at] & 0xff, damaged->bytes[at] & 0xff);
}

static enum outcome try_damage(const struct kind *kind)
{
	const struct image *whole = kind->target == THE_JOURNAL ? &world.journal : &world.whole;
	enum outcome outcome = RIGHT;

	memcpy(world.damaged.bytes, whole->bytes, whole->len);
	world.damaged.len = whole->len;
	kind->damage();
	world.is_late = kind->target == THE_OPEN_FILE;
	switch (kind->target) {
	case THE_FILE: outcome = run(&world.damaged, NULL); break;
	case THE_OPEN_FILE: outcome = run(&world.whole, NULL); break;
	case THE_JOURNAL: outcome = run(&world.before, &world.damaged); break;
	}
	if (outcome > FOUND && !(outcome == UNSEEN && world.is_late))
		tell(kind, whole, outcome);
	return outcome;
}

static void try_kind(const struct kind *kind, int trials)
{
	unsigned count[OUTCOMES] = { 0 };

	for (int i = 0; i < trials; i++)
		count[try_damage(kind)]++;
	report(kind, count);
}

int main(int argc, char **argv)
{
	int trials = argc > 1 ? (int)strtol(argv[1], NULL, 10) : TRIALS;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);

	world.random = seed * 2654435761U + 88172645463325252U;
	pthread_mutex_init(&world.said.lock, NULL);
	must(&world.said, rates_parse(SPAN("100/1h"), &counting.rates) == OK, "rates");
	must(&world.said, client_folder(world.folder, sizeof(world.folder), "damage"), "no folder");
	snprintf(world.path, sizeof(world.path), "%s/state.db", world.folder);
	snprintf(world.journal_path, sizeof(world.journal_path), "%s/state.db-wal", world.folder);
	world.options = client_sqlite(world.path, &world.said);
	printf("seed %llu\n", (unsigned long long)seed);
	make_images();
	must(&world.said, run(&world.whole, NULL) == RIGHT, "the whole file is not right");
	must(&world.said, run(&world.before, &world.journal) == RIGHT,
	     "with its journal it is not right");
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++)
		try_kind(&damages[i], trials);
	client_empty_folder(world.folder);
	return rmdir(world.folder) == 0 ? 0 : 1;
}
