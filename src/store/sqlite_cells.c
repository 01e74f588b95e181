/* sqlite_cells.c -- rows in the bytes of a page, read without SQLite. */
#include "store/sqlite_cells.h"

enum {
	INNER_PAGE = 2,
	LEAF_PAGE = 10,
	LEAF_HEAD_BYTES = 8,
	INNER_HEAD_BYTES = 12,
	CHILD_BYTES = 4,
	CELL_LEAST = 4, /* a shorter one has so many bytes all the same */
	COLUMNS_MAX = ROW_NUMBERS + 3,
};

/* @return its bytes; 0: there is none in room */
static size_t read_varint(const uint8_t *at, size_t room, uint64_t *number_out)
{
	uint64_t number = 0;

	for (size_t i = 0; i < room && i < 9; i++) {
		number = i == 8 ? number << 8 | at[i] : number << 7 | (at[i] & 0x7f);
		if (i == 8 || (at[i] & 0x80) == 0) {
			*number_out = number;
			return i + 1;
		}
	}
	return 0;
}

/* --- a page --- */

static uint32_t child_bytes(const uint8_t *page)
{
	return page[0] == INNER_PAGE ? CHILD_BYTES : 0;
}

uint32_t sqlite_page_cells(const uint8_t *page)
{
	return sqlite_big16(page + 3);
}

uint32_t sqlite_page_cell_at(const uint8_t *page, uint32_t index)
{
	uint32_t head = page[0] == INNER_PAGE ? INNER_HEAD_BYTES : LEAF_HEAD_BYTES;

	return sqlite_big16(page + head + 2 * index) + child_bytes(page);
}

/* Bytes of all cells, which stand from content on; 0: one does not. */
static uint32_t sum_cells(const uint8_t *page, uint32_t page_bytes, uint32_t content)
{
	uint32_t sum = 0, count = sqlite_page_cells(page), child = child_bytes(page);
	struct sqlite_cell cell;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = sqlite_page_cell_at(page, i);

		if (at < content + child || at >= page_bytes ||
		    !sqlite_cell_read(page + at, page_bytes - at, page_bytes, &cell))
			return 0;
		sum += child + (uint32_t)cell.bytes;
	}
	return sum;
}

/* Bytes of all holes between cells.  They stand in order, so the walk ends. */
static bool sum_holes(const uint8_t *page, uint32_t page_bytes, uint32_t content, uint32_t *sum)
{
	uint32_t at = sqlite_big16(page + 1), end = content;

	while (at != 0) {
		if (at < end || at + 4 > page_bytes)
			return false;
		*sum += sqlite_big16(page + at + 2);
		end = at + sqlite_big16(page + at + 2);
		if (end < at + 4 || end > page_bytes)
			return false;
		at = sqlite_big16(page + at);
	}
	return true;
}

bool sqlite_page_adds_up(const uint8_t *page, uint32_t page_bytes)
{
	uint32_t head = page[0] == INNER_PAGE ? INNER_HEAD_BYTES : LEAF_HEAD_BYTES;
	uint32_t content = sqlite_big16(page + 5), sum;

	if (page[0] != INNER_PAGE && page[0] != LEAF_PAGE)
		return false;
	if (content == 0)
		content = SQLITE_PAGE_MOST;
	if (content > page_bytes || head + 2 * sqlite_page_cells(page) > content)
		return false;
	sum = sum_cells(page, page_bytes, content);
	if (sum == 0 && sqlite_page_cells(page) > 0)
		return false;
	sum += page[7]; /* scraps too small for a hole */
	return sum_holes(page, page_bytes, content, &sum) && sum == page_bytes - content;
}

/* --- a cell --- */

/* How much of a payload stands in the page itself. */
static uint32_t local_of(uint32_t payload_bytes, uint32_t page_bytes)
{
	uint32_t most = (page_bytes - 12) * 64 / 255 - 23;
	uint32_t least = (page_bytes - 12) * 32 / 255 - 23;
	uint32_t local;

	if (payload_bytes <= most)
		return payload_bytes;
	local = least + (payload_bytes - least) % (page_bytes - 4);
	return local <= most ? local : least;
}

bool sqlite_cell_read(const uint8_t *at, size_t room, uint32_t page_bytes,
		      struct sqlite_cell *cell_out)
{
	struct sqlite_cell cell = { 0 };
	uint64_t payload_bytes;
	size_t head = read_varint(at, room, &payload_bytes);

	if (head == 0 || payload_bytes < 2 || payload_bytes > SQLITE_PAYLOAD_MAX)
		return false;
	cell.payload_bytes = (uint32_t)payload_bytes;
	cell.local_bytes = local_of(cell.payload_bytes, page_bytes);
	cell.local = at + head;
	cell.bytes = head + cell.local_bytes;
	if (cell.local_bytes < cell.payload_bytes)
		cell.bytes += 4;
	else if (cell.bytes < CELL_LEAST)
		cell.bytes = CELL_LEAST;
	if (cell.bytes > room)
		return false;
	if (cell.local_bytes < cell.payload_bytes)
		cell.first_more = sqlite_big32(cell.local + cell.local_bytes);
	*cell_out = cell;
	return true;
}

/* --- a record --- */

struct columns {
	uint32_t head_bytes, count;
	uint64_t type[COLUMNS_MAX]; /* as in the file */
	uint32_t bytes[COLUMNS_MAX];
};

static bool is_text(uint64_t type)
{
	return type >= 13 && type % 2 == 1;
}

/* Of a number, or a text.  @return false: of nothing that stands in our rows */
static bool type_bytes(uint64_t type, uint32_t *bytes_out)
{
	static const uint8_t number_bytes[] = { [1] = 1, 2, 3, 4, 6, 8 };

	if (is_text(type) && type <= 2 * SQLITE_PAYLOAD_MAX + 13)
		*bytes_out = (uint32_t)((type - 13) / 2);
	else if (type >= 1 && type <= 6)
		*bytes_out = number_bytes[type];
	else if (type == 8 || type == 9)
		*bytes_out = 0; /* the numbers 0 and 1 themselves */
	else
		return false;
	return true;
}

static bool columns_read(const struct sqlite_cell *cell, struct columns *columns)
{
	uint64_t head_bytes, sum;
	size_t at = read_varint(cell->local, cell->local_bytes, &head_bytes);

	if (at == 0 || head_bytes > cell->local_bytes)
		return false;
	*columns = (struct columns){ .head_bytes = (uint32_t)head_bytes };
	for (sum = head_bytes; at < head_bytes; columns->count++) {
		uint32_t i = columns->count;
		size_t more = 0;

		if (i < COLUMNS_MAX)
			more = read_varint(cell->local + at, head_bytes - at, &columns->type[i]);
		if (more == 0 || !type_bytes(columns->type[i], &columns->bytes[i]))
			return false;
		at += more;
		sum += columns->bytes[i];
	}
	return sum == cell->payload_bytes;
}

/* Of each table: how many texts stand first, and how many numbers before the last text; its sum
 * is the last of them. */
static const struct {
	uint32_t texts, numbers;
} layouts[STORE_CLASS_COUNT] = {
	[STORE_KNOWN] = { 2, 2 },
	[STORE_TALLY] = { 2, 3 },
	[STORE_TRIPLET] = { 1, ROW_NUMBERS + 1 },
};

static bool class_of(const struct columns *columns, enum store_class *class_out)
{
	uint32_t class = 0;

	while (class < STORE_CLASS_COUNT &&
	       columns->count != layouts[class].texts + layouts[class].numbers + 1)
		class ++;
	if (class == STORE_CLASS_COUNT)
		return false;
	for (uint32_t i = 0; i < columns->count; i++) {
		bool wants_text = i < layouts[class].texts || i + 1 == columns->count;

		if (is_text(columns->type[i]) != wants_text)
			return false;
	}
	*class_out = (enum store_class) class;
	return true;
}

static int64_t read_number(const uint8_t *at, uint64_t type, uint32_t bytes)
{
	uint64_t number;

	if (type == 8 || type == 9)
		return (int64_t)type - 8;
	number = (at[0] & 0x80) != 0 ? UINT64_MAX : 0;
	for (uint32_t i = 0; i < bytes; i++)
		number = number << 8 | at[i];
	return (int64_t)number;
}

/* The columns one after the other.  @return the sum that stands there */
static int64_t take_columns(const struct columns *columns, const uint8_t *bytes,
			    struct sqlite_row *row)
{
	const uint8_t *at = bytes + columns->head_bytes;
	uint32_t texts = layouts[row->class].texts,
		 sum_at = texts + layouts[row->class].numbers - 1;
	struct span text[3] = { SPAN(""), SPAN(""), SPAN("") };
	int64_t sum = 0;

	for (uint32_t i = 0; i < columns->count; i++) {
		uint32_t len = columns->bytes[i];

		if (is_text(columns->type[i]))
			text[i < texts ? i : 2] = span_of((const char *)at, len);
		else if (i < sum_at)
			row->number[i - texts] = read_number(at, columns->type[i], len);
		else
			sum = read_number(at, columns->type[i], len);
		at += len;
	}
	row->set = texts == 2 ? text[0] : SPAN("");
	row->key = text[texts - 1];
	row->text = text[2];
	return sum;
}

/* --- all of a payload --- */

static bool gather(const struct sqlite_pages *pages, const struct sqlite_cell *cell,
		   struct sqlite_payload *payload)
{
	uint8_t *page = payload->page;
	uint32_t have = cell->local_bytes, next = cell->first_more;

	memcpy(payload->bytes, cell->local, have);
	while (have < cell->payload_bytes) {
		uint32_t part = cell->payload_bytes - have;

		if (next == 0 || !sqlite_pages_read(pages, next, page))
			return false;
		if (part > pages->page_bytes - 4)
			part = pages->page_bytes - 4;
		payload->chain[payload->chain_count++] = next;
		memcpy(payload->bytes + have, page + 4, part);
		have += part;
		next = sqlite_big32(page);
	}
	return true;
}

bool sqlite_cell_row(const struct sqlite_pages *pages, const struct sqlite_cell *cell,
		     struct sqlite_payload *payload, struct sqlite_row *row)
{
	struct columns columns;
	enum store_class class;

	payload->chain_count = 0;
	/* first what costs little: most of what is tried within a damaged page is no cell */
	if (!columns_read(cell, &columns) || !class_of(&columns, &class) ||
	    !gather(pages, cell, payload))
		return false;
	*row = (struct sqlite_row){ .class = class };
	return take_columns(&columns, payload->bytes, row) == sqlite_row_sum(row);
}
