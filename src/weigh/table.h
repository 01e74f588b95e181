/* table.h -- tables that are in memory: inline lists, files of keys, networks, patterns.
 *
 * Made by policy/ when the configuration is read, immutable afterwards.  The kind says what a
 * text is compared with; an address is looked for among the networks of a table that has some.
 *
 *	kind                 a text is found as                         an address
 *	TABLE_KEYS           a key                                      as its canonical text
 *	TABLE_CIDR           the address that it is                     longest network wins
 *	TABLE_REGEX          what a pattern matches; the first wins     as its canonical text
 *	TABLE_DOMAIN         a domain, or below one; the longest wins   never
 *	TABLE_CLIENTS        the same (never "unknown"), or a pattern   a network
 *	TABLE_RECIPIENTS     user@domain, user@, a domain, a pattern    never
 *	TABLE_HOSTS          a name, below a domain, or a pattern       a network
 *
 * A key ".example.org" is what is below example.org, and not itself.  A pattern that runs into
 * its limit does not match.
 */
#pragma once
#include "base/arena.h"
#include "base/hash.h"
#include "mail/ip.h"
#include "weigh/expr.h"

enum table_kind {
	TABLE_KEYS,
	TABLE_CIDR,
	TABLE_REGEX,
	TABLE_DOMAIN,
	TABLE_CLIENTS,    /* postgrey's whitelist_clients */
	TABLE_RECIPIENTS, /* postgrey's whitelist_recipients */
	TABLE_HOSTS,      /* Exim's host lists */
};

struct table_row {
	struct span key;      /* lower case; no final dot where it is a domain */
	struct prefix prefix; /* TABLE_CIDR */
	struct span value;    /* empty: a key alone */
	uint32_t next;        /* next row of the same slot + 1; 0: none */
};

struct table_pattern {
	const struct regex *regex;
	struct span value;
};

struct table {
	struct span name;
	enum table_kind kind;
	struct table_row *row; /* TABLE_CIDR: sorted by family, then by bits, longest first */
	uint32_t row_count;
	uint32_t *slot; /* but TABLE_CIDR: first row + 1; a power of two */
	uint32_t slot_count;
	struct hash_key hash;
	struct table_pattern *pattern; /* in the order of the file */
	uint32_t pattern_count;
	struct table *networks; /* TABLE_CIDR, of a table that has names as well; NULL: none */
};

enum {
	TABLE_ROWS_MAX = 4 * 1024 * 1024, /* and as many networks beside names */
	TABLE_PATTERNS_MAX = 4000,        /* all may be tried, at 0.5 us each */
	TABLE_KEY_MAX = 2048,             /* bytes: a longer text is no key, nor below one */
};

/** Index the rows; kind, row, row_count and hash are set, and networks is not indexed yet.  A key
 * that stands twice: the first row wins.
 *
 * @return ERR_LIMIT when the arena is full, or there are too many rows
 */
MUST_USE enum err table_index(struct table *table, struct arena *arena);

/** Look a text or an address up. */
bool table_find(const struct table *table, struct span key, struct span *value_out);
bool table_find_address(const struct table *table, struct ip ip, struct span *value_out);
