/* table.h -- tables that are in memory: inline lists, files of keys, networks.
 *
 * Made by policy/ when the configuration is read, immutable afterwards.  Keys of TABLE_KEYS
 * are lower case.  TABLE_CIDR: the longest matching network wins.
 */
#pragma once
#include "base/arena.h"
#include "base/hash.h"
#include "mail/ip.h"
#include "weigh/expr.h"

enum table_kind { TABLE_KEYS, TABLE_CIDR };

struct table_row {
	struct span key;      /* TABLE_KEYS: lower case */
	struct prefix prefix; /* TABLE_CIDR */
	struct span value;    /* empty: a key alone */
	uint32_t next;        /* TABLE_KEYS: next row of the same slot + 1; 0: none */
};

struct table {
	struct span name;
	enum table_kind kind;
	struct table_row *row; /* TABLE_CIDR: sorted by family, then by bits, longest first */
	uint32_t row_count;
	uint32_t *slot; /* TABLE_KEYS: first row + 1; a power of two */
	uint32_t slot_count;
	struct hash_key hash;
};

enum {
	TABLE_ROWS_MAX = 4 * 1024 * 1024,
	TABLE_KEY_MAX = 2048, /* bytes of TABLE_KEYS: what is longer is in no table */
};

/** Index the rows; kind, row, row_count and hash are set.  A key that stands twice: the first
 * row wins.
 *
 * @return ERR_LIMIT when the arena is full
 */
MUST_USE enum err table_index(struct table *table, struct arena *arena);

/** Look text (TABLE_KEYS) or an address (TABLE_CIDR, or TABLE_KEYS by its canonical text) up. */
bool table_find(const struct table *table, struct span key, struct span *value_out);
bool table_find_address(const struct table *table, struct ip ip, struct span *value_out);
