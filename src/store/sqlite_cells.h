/* sqlite_cells.h -- rows in the bytes of a page, read without SQLite.
 *
 * All our tables are WITHOUT ROWID: each row is one cell of an index page, with its key at its
 * front, and a sum over all of it that says of which table it is, too.  So a row proves itself,
 * wherever it is found; nothing else need be whole for that.
 *
 * Source: www.sqlite.org/fileformat2.html, sections 1.6 and 2.1.
 */
#pragma once
#include "store/sqlite_pages.h"
#include "store/sqlite_priv.h"

enum {
	SQLITE_PAYLOAD_MAX = STORE_VALUE_MAX + STORE_KEY_MAX + STORE_SET_MAX + 256,
	SQLITE_CHAIN_MAX = SQLITE_PAYLOAD_MAX / (SQLITE_PAGE_LEAST - 4) + 1,
};

struct sqlite_cell {
	size_t bytes; /* in its page, without the child of an inner page */
	uint32_t payload_bytes;
	const uint8_t *local; /* borrowed of the page: how the payload begins */
	uint32_t local_bytes;
	uint32_t first_more; /* page where it goes on; 0: it does not */
};

/* A row's bytes, and the pages that it went on in. */
struct sqlite_payload {
	uint8_t bytes[SQLITE_PAYLOAD_MAX];
	uint8_t page[SQLITE_PAGE_MOST]; /* the last of those */
	uint32_t chain[SQLITE_CHAIN_MAX];
	uint32_t chain_count;
};

/** Does all of an index page add up: its cells, its holes and what is between?  If so they are
 * where it says; if not it is damaged, or no such page. */
MUST_USE bool sqlite_page_adds_up(const uint8_t *page, uint32_t page_bytes);

/** How many cells does it say that it has, and where is each?  Of one that adds up. */
uint32_t sqlite_page_cells(const uint8_t *page);
uint32_t sqlite_page_cell_at(const uint8_t *page, uint32_t index);

/** @param room  bytes from at on
 * @return false: there is no cell that could hold a row */
MUST_USE bool sqlite_cell_read(const uint8_t *at, size_t room, uint32_t page_bytes,
			       struct sqlite_cell *cell_out);

/** The row in a cell.
 *
 * @param payload  what row borrows from; its chain is of this cell, whatever is returned
 * @return false: it does not hold its sum, or is none of ours */
MUST_USE bool sqlite_cell_row(const struct sqlite_pages *pages, const struct sqlite_cell *cell,
			      struct sqlite_payload *payload, struct sqlite_row *row);
