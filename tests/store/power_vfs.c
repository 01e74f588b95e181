/* power_vfs.c */
#include "power_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_MAX = 20000 };

const char *const power_suffix[POWER_SLOTS] = { "", "-wal", "-journal" };

/* Written by all threads that use SQLite. */
static struct {
	const char *path;
	pthread_mutex_t lock;
	pthread_cond_t synced;
	bool is_on;
	struct power_event event[EVENTS_MAX];
	size_t count;
	unsigned journal_syncs;
} record = { .lock = PTHREAD_MUTEX_INITIALIZER, .synced = PTHREAD_COND_INITIALIZER };

static void note(struct power_event event, const void *bytes)
{
	pthread_mutex_lock(&record.lock);
	if (record.is_on) {
		if (bytes != NULL)
			event.bytes = malloc(event.len);
		if (record.count == EVENTS_MAX || (bytes != NULL && event.bytes == NULL))
			abort();
		if (bytes != NULL)
			memcpy(event.bytes, bytes, event.len);
		record.event[record.count++] = event;
		record.journal_syncs += event.kind == POWER_SYNC && event.slot == POWER_JOURNAL;
		pthread_cond_broadcast(&record.synced);
	}
	pthread_mutex_unlock(&record.lock);
}

/* --- files --- */

struct file {
	sqlite3_file file;
	enum power_slot slot; /* POWER_SLOTS: one that is not recorded */
	sqlite3_file *real;
};

static sqlite3_vfs *real_vfs;

static struct file *file_of(sqlite3_file *file)
{
	return (struct file *)(void *)file;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
	return file_of(file)->real;
}

static int file_close(sqlite3_file *file)
{
	return real_of(file)->pMethods->xClose(real_of(file));
}

static int file_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
	return real_of(file)->pMethods->xRead(real_of(file), bytes, len, at);
}

static int file_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
	struct power_event event = { POWER_WRITE, file_of(file)->slot, 0,
				     (size_t)at,  (size_t)len,         NULL };
	int rc = real_of(file)->pMethods->xWrite(real_of(file), bytes, len, at);

	if (rc == SQLITE_OK && event.slot < POWER_SLOTS)
		note(event, bytes);
	return rc;
}

static int file_cut(sqlite3_file *file, sqlite3_int64 len)
{
	struct power_event event = { POWER_CUT, file_of(file)->slot, 0, 0, (size_t)len, NULL };
	int rc = real_of(file)->pMethods->xTruncate(real_of(file), len);

	if (rc == SQLITE_OK && event.slot < POWER_SLOTS)
		note(event, NULL);
	return rc;
}

static int file_sync(sqlite3_file *file, int flags)
{
	struct power_event event = { POWER_SYNC, file_of(file)->slot, 0, 0, 0, NULL };
	int rc = real_of(file)->pMethods->xSync(real_of(file), flags);

	if (rc == SQLITE_OK && event.slot < POWER_SLOTS)
		note(event, NULL);
	return rc;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *len)
{
	return real_of(file)->pMethods->xFileSize(real_of(file), len);
}

static int file_lock(sqlite3_file *file, int lock)
{
	return real_of(file)->pMethods->xLock(real_of(file), lock);
}

static int file_unlock(sqlite3_file *file, int lock)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), lock);
}

static int file_check_lock(sqlite3_file *file, int *is_reserved)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), is_reserved);
}

static int file_control(sqlite3_file *file, int what, void *with)
{
	return real_of(file)->pMethods->xFileControl(real_of(file), what, with);
}

static int file_sector(sqlite3_file *file)
{
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int file_traits(sqlite3_file *file)
{
	return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int file_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
	return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}

static int file_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
	real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int file_shm_unmap(sqlite3_file *file, int is_last)
{
	return real_of(file)->pMethods->xShmUnmap(real_of(file), is_last);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_cut,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_check_lock,
	.xFileControl = file_control,
	.xSectorSize = file_sector,
	.xDeviceCharacteristics = file_traits,
	.xShmMap = file_shm_map,
	.xShmLock = file_shm_lock,
	.xShmBarrier = file_shm_barrier,
	.xShmUnmap = file_shm_unmap,
};

static enum power_slot find_slot(const char *name)
{
	char path[100];

	for (unsigned i = 0; i < POWER_SLOTS && name != NULL; i++) {
		snprintf(path, sizeof(path), "%s%s", record.path, power_suffix[i]);
		if (strcmp(path, name) == 0)
			return (enum power_slot)i;
	}
	return POWER_SLOTS;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
		    int *flags_out)
{
	struct file *self = file_of(file);
	int rc;

	(void)vfs;
	self->slot = find_slot(name);
	self->real = (sqlite3_file *)(void *)(self + 1);
	rc = real_vfs->xOpen(real_vfs, name, self->real, flags, flags_out);
	file->pMethods = self->real->pMethods != NULL ? &methods : NULL;
	return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int is_synced)
{
	enum power_slot slot = find_slot(name);
	int rc = real_vfs->xDelete(real_vfs, name, is_synced);

	(void)vfs;
	if (rc == SQLITE_OK && slot < POWER_SLOTS)
		note((struct power_event){ .kind = POWER_DELETE, .slot = slot }, NULL);
	if (rc == SQLITE_OK && slot < POWER_SLOTS && is_synced)
		note((struct power_event){ .kind = POWER_SYNC, .slot = slot }, NULL);
	return rc;
}

/* --- for the test --- */

void power_begin(const char *path)
{
	static sqlite3_vfs vfs;

	record.path = path;
	real_vfs = sqlite3_vfs_find(NULL);
	vfs = *real_vfs;
	vfs.zName = "power";
	vfs.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
	vfs.xOpen = vfs_open;
	vfs.xDelete = vfs_delete;
	if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
		abort();
}

void power_record(bool is_on)
{
	pthread_mutex_lock(&record.lock);
	for (; is_on && record.count > 0; record.count--)
		free(record.event[record.count - 1].bytes);
	record.is_on = is_on;
	pthread_mutex_unlock(&record.lock);
}

void power_mark(int mark, size_t len)
{
	note((struct power_event){ .kind = POWER_MARK, .mark = mark, .len = len }, NULL);
}

void power_await_sync(void)
{
	unsigned before;

	pthread_mutex_lock(&record.lock);
	before = record.journal_syncs;
	while (record.journal_syncs == before)
		pthread_cond_wait(&record.synced, &record.lock);
	pthread_mutex_unlock(&record.lock);
}

size_t power_events(void)
{
	return record.count;
}

const struct power_event *power_event(size_t number)
{
	return &record.event[number];
}
