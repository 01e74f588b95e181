/* full_test.c -- the disk is full, or may not be written: what is known is still read.
 *
 * On file systems in memory of its own, mounted where nobody else sees them; that takes root.
 */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SKIPPED = 77, ENTRIES_MAX = 100000 };

static struct world {
	char folder[64], path[80];
	struct store_options options;
	struct client_said said;
	struct client client;
	int64_t now_ms;
	bool is_acked[ENTRIES_MAX];
} world;

static const struct triplet_terms terms = { 300000, 172800000, INT64_C(3024000000) };

static struct client_answer touch(int number, int64_t now_ms)
{
	char key[100];

	snprintf(key, sizeof(key), "net%d sender%d@example.org rcpt@example.net", number / 500,
		 number);
	return client_touch(&world.client, key, &terms, now_ms);
}

static void must_open(void)
{
	must(&world.said, client_open(&world.client, &world.options) == OK, world.client.why);
}

static void mount_memory(unsigned long flags, const char *size)
{
	must(&world.said, mount("none", world.folder, "tmpfs", flags, size) == 0, "mount");
}

/* New entries until one fails.  @return how many were tried */
static int fill(int first)
{
	struct client_answer answer = { .state = FACT_NONE };
	int number = first;

	for (; answer.state != FACT_FAILED; number++) {
		must(&world.said, number < ENTRIES_MAX, "the disk does not fill up");
		answer = touch(number, world.now_ms);
		world.is_acked[number] = answer.state == FACT_NONE;
	}
	must(&world.said, answer.cause == CAUSE_REFUSED, "it failed for another reason");
	return number;
}

static void check_all(int count)
{
	for (int i = 0; i < count; i++)
		if (world.is_acked[i])
			must(&world.said, touch(i, world.now_ms).state == FACT_KNOWN,
			     "an entry is lost");
}

static void test_full(void)
{
	int count;

	mount_memory(0, "size=1m");
	must_open();
	count = fill(0);
	must(&world.said, count > 50, "it was full too early");
	must(&world.said, client_heard(&world.said, "cannot be written"), "nothing was said");
	must(&world.said, world.said.count == 1, "more was said");
	check_all(count); /* still read */
	must(&world.said, client_figures(&world.client).is_down == 1, "is it down?");
	mount_memory(MS_REMOUNT, "size=4m");
	while (touch(count, world.now_ms).state == FACT_FAILED)
		usleep(10000);
	must(&world.said, client_heard(&world.said, "can be written again"),
	     "nothing was said of the end");
	client_close(&world.client);
	must_open();
	check_all(count);
	/* and full again, over a restart */
	count = fill(count + 1);
	client_close(&world.client);
	must_open();
	check_all(count);
	client_close(&world.client);
	must(&world.said, !client_heard(&world.said, "damaged"), "a full disk is no damage");
	must(&world.said, umount(world.folder) == 0, "umount");
	printf("full disk: ok, %d entries\n", count);
}

static void test_full_at_start(void)
{
	char name[100], block[4096] = { 0 };
	int fd;

	mount_memory(0, "size=1m");
	snprintf(name, sizeof(name), "%s/other", world.folder);
	fd = open(name, O_WRONLY | O_CREAT, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
	must(&world.said, client_open(&world.client, &world.options) == ERR_SYSTEM,
	     "it was opened");
	must(&world.said, world.client.why[0] != '\0', "no reason");
	printf("full at start: %s\n", world.client.why);
	unlink(name);
	must_open();
	must(&world.said, touch(0, world.now_ms).state == FACT_NONE, "it does not work afterwards");
	client_close(&world.client);
	must(&world.said, umount(world.folder) == 0, "umount");
}

static void test_read_only(void)
{
	mount_memory(0, "size=4m");
	must_open();
	touch(0, world.now_ms);
	client_close(&world.client);
	mount_memory(MS_REMOUNT | MS_RDONLY, "size=4m");
	must(&world.said, client_open(&world.client, &world.options) == ERR_SYSTEM,
	     "it was opened");
	must(&world.said, strstr(world.client.why, "Read-only") != NULL, world.client.why);
	printf("read-only: %s\n", world.client.why);
	mount_memory(MS_REMOUNT, "size=4m");
	must_open();
	must(&world.said, touch(0, world.now_ms).state == FACT_KNOWN, "it is lost");
	client_close(&world.client);
	must(&world.said, umount(world.folder) == 0, "umount");
}

int main(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
		printf("skipped: mounting takes root\n");
		return SKIPPED;
	}
	world.now_ms = client_now_ms();
	pthread_mutex_init(&world.said.lock, NULL);
	snprintf(world.folder, sizeof(world.folder), "/tmp/weighd-full-XXXXXX");
	must(&world.said, mkdtemp(world.folder) != NULL, "no folder");
	snprintf(world.path, sizeof(world.path), "%s/store/state.db", world.folder);
	world.options = (struct store_options){ .kind = STORE_SQLITE,
						.path = span_cstr(world.path),
						.entries_max = 10000000,
						.say = client_hears,
						.self = &world.said };
	test_full();
	test_full_at_start();
	test_read_only();
	return rmdir(world.folder) == 0 ? 0 : 1;
}
