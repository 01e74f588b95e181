/* sqlite_salvage.c -- what can be read of the file of a sqlite store, however damaged. */
#include "store/sqlite_salvage.h"

#include "store/sqlite_cells.h"

#include <stdlib.h>

/* What a page of the file is. */
enum page_state { PAGE_OPEN, PAGE_READ, PAGE_OVERFLOW, PAGE_FREE };

struct salvaging {
	struct sqlite_salvage *salvage;
	struct sqlite_pages pages;
	uint8_t *state; /* of each page of the file, by its number */
	uint8_t *page;
	struct sqlite_payload *payload;
	sqlite3 *db; /* in memory: what was found, in order and each once */
	sqlite3_stmt *put;
	int rc;
};

static const char found_sql[] =
	"CREATE TABLE found (class INTEGER, \"set\" TEXT, key TEXT, last_ms INTEGER,"
	" expires_ms INTEGER, value TEXT, PRIMARY KEY (class, \"set\", key)) WITHOUT ROWID;"
	"BEGIN";
static const char put_sql[] =
	"INSERT INTO found VALUES (?3, ?1, ?2, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET"
	" last_ms = ?4, expires_ms = ?5, value = ?6 WHERE (?4, ?5) >= (last_ms, expires_ms)";
static const char get_sql[] = "SELECT \"set\", key, class, expires_ms, value FROM found"
			      " ORDER BY class, \"set\", key";

/* --- what is found --- */

static void put(struct salvaging *salvaging, const struct sqlite_row *row, struct span value)
{
	if (salvaging->rc != SQLITE_OK)
		return;
	sqlite_bind(salvaging->put, 1, row->set);
	sqlite_bind(salvaging->put, 2, row->key);
	sqlite3_bind_int(salvaging->put, 3, (int)row->class);
	sqlite3_bind_int64(salvaging->put, 4, row->number[ROW_LAST]);
	sqlite3_bind_int64(salvaging->put, 5, row->number[ROW_EXPIRES]);
	sqlite_bind(salvaging->put, 6, value);
	salvaging->rc = sqlite_finish(salvaging->put);
}

/* @return false: it holds its sum, and is no entry all the same */
static bool take_row(struct salvaging *salvaging, const struct sqlite_row *row)
{
	struct store_entry entry = { .class = row->class,
				     .set = row->set,
				     .key = row->key,
				     .value = row->text,
				     .expires_ms = row->number[ROW_EXPIRES] };
	struct triplet triplet;
	TEXT(text, TRIPLET_TEXT_MAX);

	if (row->class == STORE_TRIPLET) {
		if (!sqlite_row_triplet(row, &triplet))
			return false;
		text_add_triplet(&text, &triplet);
		entry.value = text_span(&text);
	}
	/* An expired one, too: there may be an older state of it that has not. */
	if (store_entry_fault(&entry, 0) != NULL)
		return false;
	put(salvaging, row, entry.value);
	return true;
}

static void mark(struct salvaging *salvaging, uint32_t number, enum page_state state)
{
	if (number >= 1 && number <= salvaging->pages.file_count &&
	    salvaging->state[number] == PAGE_OPEN)
		salvaging->state[number] = (uint8_t)state;
}

static bool take_cell(struct salvaging *salvaging, const struct sqlite_cell *cell)
{
	struct sqlite_row row;

	return sqlite_cell_row(&salvaging->pages, cell, salvaging->payload, &row) &&
	       take_row(salvaging, &row);
}

static void mark_chain(struct salvaging *salvaging)
{
	for (uint32_t i = 0; i < salvaging->payload->chain_count; i++)
		mark(salvaging, salvaging->payload->chain[i], PAGE_OVERFLOW);
}

/* --- pages --- */

/* A page that says where its rows are.  @return false: it does not add up */
static bool take_page(struct salvaging *salvaging)
{
	uint32_t page_bytes = salvaging->pages.page_bytes;
	struct sqlite_cell cell;

	if (!sqlite_page_adds_up(salvaging->page, page_bytes))
		return false;
	for (uint32_t i = 0; i < sqlite_page_cells(salvaging->page); i++) {
		uint32_t at = sqlite_page_cell_at(salvaging->page, i);

		if (!sqlite_cell_read(salvaging->page + at, page_bytes - at, page_bytes, &cell) ||
		    !take_cell(salvaging, &cell))
			salvaging->salvage->refused += !salvaging->pages.looks_at_loose;
		mark_chain(salvaging); /* a wrong row's, too: nothing else is in them */
	}
	return true;
}

/* A damaged one: a row may begin anywhere. */
static void search_page(struct salvaging *salvaging)
{
	uint32_t page_bytes = salvaging->pages.page_bytes, at = 0;
	struct sqlite_cell cell;

	while (at < page_bytes) {
		bool is_row = sqlite_cell_read(salvaging->page + at, page_bytes - at, page_bytes,
					       &cell) &&
			      take_cell(salvaging, &cell);

		if (is_row)
			mark_chain(salvaging);
		at += is_row ? (uint32_t)cell.bytes : 1;
	}
}

/* Free ones are chained by trunks, each of which names others. */
static void mark_free(struct salvaging *salvaging)
{
	uint32_t trunk = salvaging->pages.first_free;
	uint32_t left = salvaging->pages.file_count, most = salvaging->pages.page_bytes / 4 - 2;

	for (; trunk != 0 && left > 0; left--) {
		if (!sqlite_pages_read(&salvaging->pages, trunk, salvaging->page) ||
		    sqlite_big32(salvaging->page + 4) > most)
			return;
		mark(salvaging, trunk, PAGE_FREE);
		for (uint32_t i = 0; i < sqlite_big32(salvaging->page + 4); i++)
			mark(salvaging, sqlite_big32(salvaging->page + 8 + 4 * i), PAGE_FREE);
		trunk = sqlite_big32(salvaging->page);
	}
}

/* Free pages, too, where they look like one of rows: the chain of them may be what is damaged. */
static void take_pages(struct salvaging *salvaging)
{
	const struct sqlite_pages *pages = &salvaging->pages;

	for (uint32_t number = 2; number <= pages->file_count; number++)
		if (sqlite_pages_read(pages, number, salvaging->page) && take_page(salvaging))
			salvaging->state[number] = PAGE_READ;
	for (uint32_t i = 0; i < pages->whole.count; i++)
		if (pages->whole.first[i].page > pages->file_count &&
		    sqlite_pages_read_frame(pages, pages->whole.first[i].frame, salvaging->page))
			(void)take_page(salvaging); /* or one that a row goes on in */
}

static void take_loose(struct salvaging *salvaging)
{
	struct sqlite_pages *pages = &salvaging->pages;

	pages->looks_at_loose = true;
	for (uint32_t i = 0; i < pages->loose.count; i++)
		if (sqlite_pages_read_frame(pages, pages->loose.first[i].frame, salvaging->page) &&
		    !take_page(salvaging))
			search_page(salvaging);
	pages->looks_at_loose = false;
}

/* What is left then is no page of rows, none that a row goes on in, and not free. */
static void take_damaged(struct salvaging *salvaging)
{
	for (uint32_t number = 2; number <= salvaging->pages.file_count; number++) {
		if (salvaging->state[number] != PAGE_OPEN)
			continue;
		salvaging->salvage->damaged_pages++;
		if (sqlite_pages_read(&salvaging->pages, number, salvaging->page))
			search_page(salvaging);
	}
}

/* Pages that should be behind the end of the file, and are not in the journal. */
static void count_pages(struct salvaging *salvaging)
{
	struct sqlite_salvage *salvage = salvaging->salvage;
	const struct sqlite_pages *pages = &salvaging->pages;
	uint32_t beyond = 0;

	for (uint32_t i = 0; i < pages->whole.count; i++)
		beyond += pages->whole.first[i].page > pages->file_count;
	salvage->pages = pages->file_count + beyond;
	if (pages->said_count > salvage->pages) {
		salvage->missing_pages = pages->said_count - salvage->pages;
		salvage->pages = pages->said_count;
	}
	salvage->is_journal_damaged = pages->loose.count > 0;
}

/* --- all --- */

static enum err begin(struct salvaging *salvaging, const char *path, struct text *why)
{
	enum err err = sqlite_pages_open(&salvaging->pages, path, why);

	if (err != OK)
		return err;
	salvaging->state = calloc((size_t)salvaging->pages.file_count + 1, 1);
	salvaging->page = malloc(SQLITE_PAGE_MOST);
	salvaging->payload = malloc(sizeof(*salvaging->payload));
	if (salvaging->state != NULL && salvaging->page != NULL && salvaging->payload != NULL &&
	    sqlite3_open_v2(":memory:", &salvaging->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    NULL) == SQLITE_OK &&
	    sqlite3_exec(salvaging->db, found_sql, NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(salvaging->db, put_sql, -1, &salvaging->put, NULL) == SQLITE_OK)
		return OK;
	text_addf(why, "no memory");
	return ERR_LIMIT;
}

static void end(struct salvaging *salvaging)
{
	sqlite3_finalize(salvaging->put);
	sqlite3_close(salvaging->db);
	free(salvaging->payload);
	free(salvaging->page);
	free(salvaging->state);
	sqlite_pages_close(&salvaging->pages);
}

static int hand_out(struct salvaging *salvaging)
{
	struct sqlite_salvage *salvage = salvaging->salvage;
	sqlite3_stmt *get = NULL;
	int rc = sqlite3_prepare_v2(salvaging->db, get_sql, -1, &get, NULL);

	while (rc == SQLITE_OK && (rc = sqlite3_step(get)) == SQLITE_ROW) {
		const struct store_entry entry = {
			.class = (enum store_class)sqlite3_column_int(get, 2),
			.set = sqlite_column(get, 0),
			.key = sqlite_column(get, 1),
			.value = sqlite_column(get, 4),
			.expires_ms = sqlite3_column_int64(get, 3),
		};

		rc = SQLITE_OK;
		if (entry.expires_ms != 0 && entry.expires_ms <= salvage->now_ms) {
			salvage->expired++;
			continue;
		}
		salvage->taken++;
		if (!salvage->take(salvage->self, &entry))
			break;
	}
	sqlite3_finalize(get);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

enum err sqlite_salvage(const char *path, struct sqlite_salvage *salvage, struct text *why)
{
	struct salvaging salvaging = { .salvage = salvage };
	enum err err = begin(&salvaging, path, why);

	if (err == OK) {
		count_pages(&salvaging);
		mark_free(&salvaging);
		take_pages(&salvaging);
		take_damaged(&salvaging);
		take_loose(&salvaging); /* last: of states of one moment the last put stays */
		if (salvaging.rc != SQLITE_OK || hand_out(&salvaging) != SQLITE_OK) {
			text_addf(why, "no memory");
			err = ERR_LIMIT;
		}
	}
	end(&salvaging);
	return err;
}
