/* sqlite_row.c -- a row of the sqlite driver, and its sum.
 *
 * SQLite has no checksums: a bit that turns inside a number or a key is served as if it had been
 * written so.  Each row therefore holds a sum over its table and all its other columns, made in
 * sqlite_row_put() alone and checked in sqlite_row_read() alone.  A column of another type than
 * it was written with is as wrong as one of another value.
 *
 * A wrong row is a miss: it is deleted where it is met.  What that says of the file is decided
 * between batches, in sqlite_writer.c.
 */
#include "store/sqlite_priv.h"

#include <endian.h>

static const int number_count[STORE_CLASS_COUNT] = {
	[STORE_KNOWN] = ROW_EXPIRES + 1,
	[STORE_TALLY] = ROW_LAST + 1,
	[STORE_TRIPLET] = ROW_NUMBERS,
};

/* Against accidents, not against people: the same on every host and for ever. */
static const struct hash_key sum_key = { { 0x7765696768642073, 0x756d206f66206120 } };

/* Numbers and lengths first, in the byte order of all hosts; then the texts, each keyed by what
 * came before it. */
int32_t sqlite_row_sum(const struct sqlite_row *row)
{
	uint64_t head[ROW_NUMBERS + 3] = { row->class, row->set.len, row->key.len };
	struct span part[] = { span_of((const char *)head, sizeof(head)), row->set, row->key,
			       row->text };
	struct hash_key key = sum_key;

	for (int i = 0; i < number_count[row->class]; i++)
		head[3 + i] = (uint64_t)row->number[i];
	for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++)
		head[i] = htole64(head[i]);
	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++)
		if (part[i].len > 0)
			key.word[1] = hash_span(&key, part[i]);
	return (int32_t)(uint32_t)(key.word[1] ^ key.word[1] >> 32);
}

int sqlite_row_put(struct sqlite_file *file, const struct sqlite_row *row)
{
	sqlite3_stmt *put = sqlite_prepare(file, PUT_KNOWN + row->class, row->set, row->key);
	int numbers = number_count[row->class];

	for (int i = 0; i < numbers; i++)
		sqlite3_bind_int64(put, 3 + i, row->number[i]);
	sqlite3_bind_int64(put, 3 + numbers, sqlite_row_sum(row));
	sqlite_bind(put, 4 + numbers, row->text);
	return sqlite_finish(put);
}

static bool read_text(sqlite3_stmt *statement, int column, struct span *text_out)
{
	if (sqlite3_column_type(statement, column) != SQLITE_TEXT)
		return false;
	*text_out = sqlite_column(statement, column);
	return text_out->at != NULL;
}

static bool read_number(sqlite3_stmt *statement, int column, int64_t *number_out)
{
	*number_out = sqlite3_column_int64(statement, column);
	return sqlite3_column_type(statement, column) == SQLITE_INTEGER;
}

bool sqlite_row_read(sqlite3_stmt *statement, int first, struct sqlite_row *row)
{
	int numbers = number_count[row->class];
	bool is_right = true;
	int64_t sum;

	for (int i = 0; i < numbers; i++)
		is_right &= read_number(statement, first + i, &row->number[i]);
	is_right &= read_number(statement, first + numbers, &sum);
	is_right &= read_text(statement, first + numbers + 1, &row->text);
	return is_right && sum == sqlite_row_sum(row);
}

bool sqlite_row_walk(sqlite3_stmt *walk, enum store_class class, struct sqlite_row *row)
{
	row->class = class;
	return read_text(walk, 0, &row->set) && read_text(walk, 1, &row->key) &&
	       sqlite_row_read(walk, 2, row);
}

/* --- a wrong one --- */

/* What stands in the file but cannot be found by its own key is in a wrong place: then it is
 * the file that is damaged. */
static int erase(struct sqlite *sqlite, enum store_class class, sqlite3_stmt *statement)
{
	int rc = sqlite_finish(statement);

	if (rc != SQLITE_OK)
		return rc;
	if (sqlite3_changes(sqlite->file.db) == 0)
		return SQLITE_CORRUPT;
	sqlite->has_written = true;
	sqlite->wrong[class]++;
	return SQLITE_OK;
}

int sqlite_row_erase(struct sqlite *sqlite, const struct sqlite_row *row)
{
	return erase(sqlite, row->class,
		     sqlite_prepare(&sqlite->file, ERASE_KNOWN + row->class, row->set, row->key));
}

/* By its key as it stands there, which may be no text at all any more. */
int sqlite_row_erase_walked(struct sqlite *sqlite, enum store_class class, sqlite3_stmt *walk)
{
	sqlite3_stmt *statement = sqlite->file.statement[ERASE_KNOWN + class];

	sqlite3_reset(statement);
	if (class != STORE_TRIPLET)
		sqlite3_bind_value(statement, 1, sqlite3_column_value(walk, 0));
	sqlite3_bind_value(statement, 2, sqlite3_column_value(walk, 1));
	return erase(sqlite, class, statement);
}
