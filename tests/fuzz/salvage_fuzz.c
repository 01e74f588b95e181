/* salvage_fuzz.c -- any file and any journal, read as if they had been a store.
 *
 * The first byte says how long the file is, in units of 256 bytes; what is left is the journal.
 * Held: it ends; what it gives are entries, each once and in order, and none has expired.
 */
#include "base/ensure.h"
#include "store/sqlite_salvage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { UNIT_BYTES = 256, NAME_ROOM = STORE_SET_MAX + STORE_KEY_MAX + 2 };

#define NOW_MS INT64_C(1795190400000)

static char folder[64], file[80], journal[90];

struct taking {
	uint64_t taken;
	enum store_class class;
	char before[NAME_ROOM]; /* set and key of the last */
};

static void remove_all(void)
{
	unlink(file);
	unlink(journal);
	rmdir(folder);
}

static void set_up(void)
{
	if (folder[0] != '\0')
		return;
	snprintf(folder, sizeof(folder), "/dev/shm/weighd-salvage-fuzz-XXXXXX");
	ENSURE(mkdtemp(folder) != NULL);
	snprintf(file, sizeof(file), "%s/f", folder);
	snprintf(journal, sizeof(journal), "%s-wal", file);
	atexit(remove_all);
}

static void put(const char *path, struct span bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ENSURE(fd >= 0 && write(fd, bytes.at, bytes.len) == (ssize_t)bytes.len);
	close(fd);
}

static bool take(void *self, const struct store_entry *entry)
{
	struct taking *taking = self;
	char name[NAME_ROOM];

	ENSURE(store_entry_fault(entry, NOW_MS) == NULL);
	snprintf(name, sizeof(name), "%.*s\x01%.*s", SPAN_ARG(entry->set), SPAN_ARG(entry->key));
	ENSURE(taking->taken == 0 || entry->class > taking->class ||
	       (entry->class == taking->class && strcmp(name, taking->before) > 0));
	memcpy(taking->before, name, sizeof(name));
	taking->class = entry->class;
	taking->taken++;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct span rest = span_of((const char *)bytes, count);
	struct taking taking = { .taken = 0 };
	struct sqlite_salvage salvage = { .now_ms = NOW_MS, .take = take, .self = &taking };
	TEXT(why, STORE_WHY_MAX);
	size_t len;

	if (count == 0)
		return 0;
	set_up();
	len = (size_t)bytes[0] * UNIT_BYTES;
	rest = span_from(rest, 1);
	put(file, span_first(rest, len));
	put(journal, span_from(rest, len));
	ENSURE(sqlite_salvage(file, &salvage, &why) == OK);
	ENSURE(salvage.taken == taking.taken);
	ENSURE(salvage.damaged_pages <= salvage.pages && salvage.missing_pages <= salvage.pages);
	return 0;
}
