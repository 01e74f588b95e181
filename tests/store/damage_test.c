/* damage_test.c -- a damaged file is set aside or says so; nobody dies of it.
 *
 * A file with known content is cut, has bits turned and pages overwritten; each time a child
 * opens the store on it, asks for all that was in there, pages through it, and writes.  Nothing
 * may be served that was not written so; and where something is missing, it must have been said
 * (of some 3,600 single bits one was seen to lose something unsaid: few are borne, and printed).
 *
 * Bits are also turned in the file of a store that is open already.  What that makes unreachable
 * may be missing unsaid until the next start looks at the whole file; served it must not be.
 */
#include "client.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	TRIPLETS = 2500,
	TALLIES = 600,
	SETS = 300,
	FLIPS = 100,
	LATE_FLIPS = 40,
	UNSEEN_MAX = 2, /* of FLIPS */
	PAGES = 25,
	CUTS = 20
};
enum { PAGE_BYTES = 4096, FILE_BYTES_MAX = 8 * 1024 * 1024 };

/* How a child ended: all was right; damage was found, and what is missing is missing for that;
 * something is missing and nothing was said; what was never written was served; refused. */
enum outcome { RIGHT, FOUND, UNSEEN, SERVED, REFUSED, OUTCOMES };

static struct world {
	char folder[64], path[80];
	struct store_options options;
	struct client_said said;
	int64_t now_ms;
	uint64_t random;
	char whole[FILE_BYTES_MAX], damaged[FILE_BYTES_MAX];
	size_t len;
	bool is_late; /* the damage comes when the store is open */
} world;

/* What a child has met. */
struct met {
	unsigned failed, missing, served;
};

static const struct triplet_terms terms = { 300000, 172800000, INT64_C(3024000000) };
static struct tally_count counting = { .amount = 1 };

static uint64_t random_below(uint64_t bound)
{
	world.random ^= world.random << 13;
	world.random ^= world.random >> 7;
	world.random ^= world.random << 17;
	return (world.random >> 11) % bound;
}

static void must(bool is_so, const char *what)
{
	if (is_so)
		return;
	fprintf(stderr, "%s\nthe store said: %s\n", what, world.said.text);
	exit(1);
}

static void empty_folder(void)
{
	DIR *folder = opendir(world.folder);
	struct dirent *entry;

	while ((entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(folder), entry->d_name, 0);
	closedir(folder);
}

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

/* --- the file as it should be --- */

static void make_whole(void)
{
	struct client client = { 0 };
	struct memory memory = { .set = SPAN("banned"), .value = SPAN("yes") };
	char key[100];
	FILE *file;

	must(client_open(&client, &world.options) == OK, client.why);
	for (int i = 0; i < TRIPLETS; i++) {
		name_triplet(key, i);
		must(client_touch(&client, key, &terms, world.now_ms).state == FACT_NONE, key);
	}
	for (int i = 0; i < TALLIES; i++) {
		name_tally(key, i);
		must(client_count(&client, key, &counting, world.now_ms).state == FACT_KNOWN, key);
	}
	for (int i = 0; i < SETS; i++) {
		snprintf(key, sizeof(key), "198.51.100.%d", i);
		memory.key = span_cstr(key);
		store_remember(client.port, &memory, world.now_ms);
	}
	client_close(&client);
	file = fopen(world.path, "r");
	must(file != NULL, "no file");
	world.len = fread(world.whole, 1, sizeof(world.whole), file);
	fclose(file);
	must(world.len > 50 * PAGE_BYTES && world.len < sizeof(world.whole), "odd length");
}

/* --- a child on a damaged one --- */

static const struct {
	enum fact_kind kind;
	int count;
	void (*name)(char key[100], int number);
	const char *want, *missing;
} kinds[] = {
	{ FACT_GREYLIST, TRIPLETS, name_triplet, "first=1 last=1 passes=0", "" },
	{ FACT_TALLY, TALLIES, name_tally, "2/1h", "1/1h" },
	{ FACT_REMEMBERED, SETS, name_known, "yes", "" },
};

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
	client_ask_all(client, fact, count, world.now_ms + 1000, true);
	for (size_t i = 0; i < count; i++) {
		struct span item = SPAN("");

		if (fact[i].state == FACT_KNOWN)
			item = fact[i].item[0];
		if (fact[i].state == FACT_FAILED)
			met->failed++;
		else if (span_equal(item, span_cstr(kinds[kind].missing)))
			met->missing++;
		else if (!span_equal(item, span_cstr(kinds[kind].want)))
			met->served++;
		store_release(client->port, &fact[i]);
	}
}

/* Is it one that make_whole() has made? */
static bool is_ours(const struct store_entry *entry)
{
	struct triplet triplet = { .first_ms = world.now_ms, .last_ms = world.now_ms };
	size_t at = span_find(entry->key, 'r');
	TEXT(key, 200);
	TEXT(value, TRIPLET_TEXT_MAX);
	char want[100];
	int number = -1;

	text_add(&key, entry->key);
	if (entry->class == STORE_TALLY) {
		sscanf(text_cstr(&key), "user%d@", &number);
		name_tally(want, number);
		text_addf(&value, "window 3600000 1 %lld+1", (long long)world.now_ms);
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
		store_page(client->port, &leaf.page, world.now_ms + 1000, turned, &leaf);
		client_wait(client, &leaf.is_over);
	} while (leaf.has_more);
}

static void damage_file(void)
{
	int fd = open(world.path, O_WRONLY);

	must(fd >= 0 && pwrite(fd, world.damaged, world.len, 0) == (ssize_t)world.len,
	     "not written");
	close(fd);
}

static enum outcome try_file(void)
{
	struct client client = { 0 };
	struct met met = { 0 };
	char key[100];

	if (client_open(&client, &world.options) != OK)
		return client.why[0] != '\0' ? REFUSED : OUTCOMES;
	if (world.is_late)
		damage_file();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		ask_kind(&client, i, &met);
	page_through(&client, STORE_TRIPLET, &met);
	page_through(&client, STORE_TALLY, &met);
	for (int i = 0; i < 100; i++) { /* and writing all over the place */
		name_triplet(key, (int)random_below(TRIPLETS));
		(void)client_touch(&client, key, &terms, world.now_ms + 3600000);
		snprintf(key, sizeof(key), "198.51.100.0/24 new%d b", i);
		(void)client_touch(&client, key, &terms, world.now_ms);
	}
	client_close(&client);
	if (met.served > 0)
		return SERVED;
	if (client_heard(&world.said, "is set aside as") ||
	    client_heard(&world.said, "deleted; the file is looked at") || met.failed > 0)
		return FOUND;
	return met.missing > 0 ? UNSEEN : RIGHT;
}

/* After it, all must go on. */
static void try_again(void)
{
	struct client client = { 0 };

	must(client_open(&client, &world.options) == OK, client.why);
	(void)client_touch(&client, "203.0.113.0/24 a b", &terms, world.now_ms);
	must(client_touch(&client, "203.0.113.0/24 a b", &terms, world.now_ms).state == FACT_KNOWN,
	     "nothing is remembered afterwards");
	client_close(&client);
}

static enum outcome run(const char *bytes, size_t len)
{
	int status, fd;
	pid_t child;

	empty_folder();
	fd = open(world.path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	must(fd >= 0 && write(fd, bytes, len) == (ssize_t)len, "not written");
	close(fd);
	child = fork();
	must(child >= 0, "no child");
	if (child == 0) {
		enum outcome outcome = try_file();

		if (outcome != REFUSED)
			try_again();
		_exit(10 + (int)outcome);
	}
	must(waitpid(child, &status, 0) == child, "no child");
	must(WIFEXITED(status) && WEXITSTATUS(status) >= 10, "a child died");
	return (enum outcome)(WEXITSTATUS(status) - 10);
}

/* --- kinds of damage --- */

static void report(const char *name, const unsigned count[OUTCOMES], unsigned unseen_max)
{
	printf("%s: %u right, %u found, %u unseen, %u served, %u refused\n", name, count[RIGHT],
	       count[FOUND], count[UNSEEN], count[SERVED], count[REFUSED]);
	fflush(stdout);
	must(count[SERVED] == 0, "what was never written was served");
	must(count[UNSEEN] <= unseen_max, "something is missing and nobody has said it");
}

static void try_cuts(void)
{
	unsigned count[OUTCOMES] = { 0 };

	for (int i = 0; i < CUTS; i++)
		count[run(world.whole, 1 + random_below(world.len - 1))]++;
	report("cut", count, 0);
	must(count[FOUND] == CUTS, "a cut file was taken for a whole one");
}

static void try_flips(int flips)
{
	unsigned count[OUTCOMES] = { 0 };
	enum outcome outcome;

	for (int i = 0; i < flips; i++) {
		size_t at = random_below(world.len);

		memcpy(world.damaged, world.whole, world.len);
		world.damaged[at] = (char)(world.damaged[at] ^ 1 << random_below(8));
		outcome = run(world.is_late ? world.whole : world.damaged, world.len);
		if (outcome == UNSEEN)
			printf("unseen: byte %zu, %02x is %02x\n", at, world.whole[at] & 0xff,
			       world.damaged[at] & 0xff);
		count[outcome]++;
	}
	if (world.is_late)
		report("a bit while it is open", count, LATE_FLIPS);
	else
		report("a bit", count, UNSEEN_MAX);
}

static void try_pages(const char *name, bool is_random)
{
	unsigned count[OUTCOMES] = { 0 };

	for (int i = 0; i < PAGES; i++) {
		char *page = world.damaged + random_below(world.len / PAGE_BYTES) * PAGE_BYTES;

		memcpy(world.damaged, world.whole, world.len);
		for (int j = 0; j < PAGE_BYTES; j++)
			page[j] = is_random ? (char)random_below(256) : 0;
		count[run(world.damaged, world.len)]++;
	}
	report(name, count, 0);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);

	world.random = seed * 2654435761U + 88172645463325252U;
	world.now_ms = client_now_ms();
	pthread_mutex_init(&world.said.lock, NULL);
	must(rates_parse(SPAN("100/1h"), &counting.rates) == OK, "rates");
	must(client_folder(world.folder, sizeof(world.folder), "damage"), "no folder");
	snprintf(world.path, sizeof(world.path), "%s/state.db", world.folder);
	world.options = (struct store_options){ .kind = STORE_SQLITE,
						.path = span_cstr(world.path),
						.entries_max = 10000000,
						.say = client_hears,
						.self = &world.said };
	printf("seed %llu\n", (unsigned long long)seed);
	make_whole();
	must(run(world.whole, world.len) == RIGHT, "the whole file is not right");
	try_cuts();
	try_flips(FLIPS);
	try_pages("a page of zeros", false);
	try_pages("a page of anything", true);
	world.is_late = true;
	try_flips(LATE_FLIPS);
	empty_folder();
	return rmdir(world.folder) == 0 ? 0 : 1;
}
