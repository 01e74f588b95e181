/* power_vfs.h -- all that SQLite does to a database's files, recorded.
 *
 * A VFS between SQLite and the system: it does what it is asked, and notes it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum power_slot { POWER_DATABASE, POWER_JOURNAL, POWER_ROLLBACK, POWER_SLOTS };

extern const char *const power_suffix[POWER_SLOTS]; /* "", "-wal", "-journal" */

/* A MARK is the test's own. */
enum power_kind { POWER_WRITE, POWER_CUT, POWER_DELETE, POWER_SYNC, POWER_MARK };

struct power_event {
	enum power_kind kind;
	enum power_slot slot;
	int mark;
	size_t at, len; /* CUT: len is what is left; MARK: the test's */
	char *bytes;    /* of a WRITE */
};

/** From now on SQLite works through it.
 *
 * @param path  of the database, kept; other files are not recorded
 */
void power_begin(const char *path);
/** Record, from nothing, or stop. */
void power_record(bool is_on);
void power_mark(int mark, size_t len);
/** Wait for the next sync of the write-ahead log. */
void power_await_sync(void);

/* While nothing is recorded. */
size_t power_events(void);
const struct power_event *power_event(size_t number);
