/* damage_test.c -- a damaged file is set aside or says so; nobody dies of it.
 *
 * A file with known content is cut, has bits turned and pages overwritten; each time a child
 * opens the store on it, asks for all that was in there, and writes.  Truncated files and pages
 * that hold something else must be found.  A bit turned inside a number or a key is no damage
 * that can be seen; how many of those there were is said.
 */
#include "client.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRIPLETS = 2500, TALLIES = 600, SETS = 300, FLIPS = 100, PAGES = 25, CUTS = 20 };
enum { PAGE_BYTES = 4096, FILE_BYTES_MAX = 8 * 1024 * 1024 };

/* How a child ended: what it was asked for was right, failed or was gone with its file, or was
 * another than before and nothing was said. */
enum outcome { RIGHT, FOUND, UNSEEN, REFUSED, OUTCOMES };

static struct world {
	char folder[64], path[80];
	struct store_options options;
	struct client_said said;
	int64_t now_ms;
	uint64_t random;
	char whole[FILE_BYTES_MAX], damaged[FILE_BYTES_MAX];
	size_t len;
} world;

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

static void check_answer(struct client *client, struct fact *fact, const char *want,
			 enum outcome *outcome)
{
	struct client_answer answer = client_ask(client, fact, world.now_ms + 1000, true);

	if (answer.state == FACT_FAILED)
		*outcome = FOUND;
	else if (strcmp(answer.item, want) != 0 && *outcome == RIGHT)
		*outcome = UNSEEN;
}

static enum outcome try_file(void)
{
	struct client client = { 0 };
	enum outcome outcome = RIGHT;
	char key[100];

	if (client_open(&client, &world.options) != OK)
		return client.why[0] != '\0' ? REFUSED : OUTCOMES;
	for (int i = 0; i < TRIPLETS; i++) {
		struct fact fact = { .kind = FACT_GREYLIST, .terms = &terms };

		name_triplet(key, i);
		fact.key = span_cstr(key);
		check_answer(&client, &fact, "first=1 last=1 passes=0", &outcome);
	}
	for (int i = 0; i < TALLIES; i++) {
		struct fact fact = { .kind = FACT_TALLY, .count = &counting };

		name_tally(key, i);
		fact.key = span_cstr(key);
		check_answer(&client, &fact, "2/1h", &outcome);
	}
	for (int i = 0; i < 200; i++) { /* and writing all over the place */
		name_triplet(key, (int)random_below(TRIPLETS));
		(void)client_touch(&client, key, &terms, world.now_ms + 3600000);
		snprintf(key, sizeof(key), "198.51.100.0/24 new%d b", i);
		(void)client_touch(&client, key, &terms, world.now_ms);
	}
	client_close(&client);
	return client_heard(&world.said, "is set aside as") ? FOUND : outcome;
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

static void report(const char *name, const unsigned count[OUTCOMES])
{
	printf("%s: %u right, %u found, %u not to be seen, %u refused\n", name, count[RIGHT],
	       count[FOUND], count[UNSEEN], count[REFUSED]);
	fflush(stdout);
}

static void try_cuts(void)
{
	unsigned count[OUTCOMES] = { 0 };

	for (int i = 0; i < CUTS; i++)
		count[run(world.whole, 1 + random_below(world.len - 1))]++;
	report("cut", count);
	must(count[FOUND] == CUTS, "a cut file was taken for a whole one");
}

static void try_flips(void)
{
	unsigned count[OUTCOMES] = { 0 };

	for (int i = 0; i < FLIPS; i++) {
		size_t at = random_below(world.len);

		memcpy(world.damaged, world.whole, world.len);
		world.damaged[at] = (char)(world.damaged[at] ^ 1 << random_below(8));
		count[run(world.damaged, world.len)]++;
	}
	report("a bit", count);
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
	report(name, count);
	/* a page that is free holds nothing; none of the others can be missed */
	must(count[UNSEEN] == 0, "a page was lost and nobody has seen it");
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);

	world.random = seed * 2654435761U + 88172645463325252U;
	world.now_ms = client_now_ms();
	pthread_mutex_init(&world.said.lock, NULL);
	must(rates_parse(SPAN("100/1h"), &counting.rates) == OK, "rates");
	snprintf(world.folder, sizeof(world.folder), "/tmp/weighd-damage-XXXXXX");
	must(mkdtemp(world.folder) != NULL, "no folder");
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
	try_flips();
	try_pages("a page of zeros", false);
	try_pages("a page of anything", true);
	empty_folder();
	return rmdir(world.folder) == 0 ? 0 : 1;
}
