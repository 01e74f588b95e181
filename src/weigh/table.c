/* table.c -- tables that are in memory. */
#include "weigh/table.h"

#include <stdlib.h>

static int compare_networks(const void *a, const void *b)
{
	const struct table_row *left = a, *right = b;

	if (left->prefix.ip.family != right->prefix.ip.family)
		return left->prefix.ip.family < right->prefix.ip.family ? -1 : 1;
	if (left->prefix.bits != right->prefix.bits)
		return left->prefix.bits > right->prefix.bits ? -1 : 1;
	return memcmp(left->prefix.ip.byte, right->prefix.ip.byte, sizeof(left->prefix.ip.byte));
}

static uint32_t *table_slot(const struct table *table, struct span key)
{
	return &table->slot[hash_span(&table->hash, key) & (table->slot_count - 1)];
}

static enum err table_index_keys(struct table *table, struct arena *arena)
{
	uint32_t slots = 8;

	while (slots < table->row_count * 2)
		slots *= 2;
	table->slot = ARENA_ARRAY(arena, uint32_t, slots);
	if (table->slot == NULL)
		return ERR_LIMIT;
	table->slot_count = slots;
	/* From the last to the first, so that the first row of a key comes first in its slot. */
	for (uint32_t i = table->row_count; i-- > 0;) {
		uint32_t *slot = table_slot(table, table->row[i].key);

		table->row[i].next = *slot;
		*slot = i + 1;
	}
	return OK;
}

enum err table_index(struct table *table, struct arena *arena)
{
	if (table->row_count > TABLE_ROWS_MAX)
		return ERR_LIMIT;
	if (table->kind == TABLE_KEYS)
		return table_index_keys(table, arena);
	if (table->row_count > 0)
		qsort(table->row, table->row_count, sizeof(*table->row), compare_networks);
	return OK;
}

bool table_find(const struct table *table, struct span key, struct span *value_out)
{
	TEXT(lower, TABLE_KEY_MAX);
	struct ip ip;

	if (table->kind == TABLE_CIDR)
		return ip_parse(key, &ip) == OK && table_find_address(table, ip, value_out);
	text_add_lower(&lower, key);
	if (lower.overrun || table->row_count == 0)
		return false;
	for (uint32_t i = *table_slot(table, text_span(&lower)); i != 0;) {
		const struct table_row *row = &table->row[i - 1];

		if (span_equal(row->key, text_span(&lower))) {
			*value_out = row->value;
			return true;
		}
		i = row->next;
	}
	return false;
}

/* The row of exactly this network within row[first..end), which have its length. */
static const struct table_row *table_find_network(const struct table *table, size_t first,
						  size_t end, struct ip ip)
{
	struct table_row wanted = {
		.prefix = prefix_of(ip, table->row[first].prefix.bits),
	};

	return bsearch(&wanted, table->row + first, end - first, sizeof(wanted), compare_networks);
}

/* The end of the run of rows from first on that have first's family and length. */
static size_t table_run_end(const struct table *table, size_t first)
{
	const struct prefix *prefix = &table->row[first].prefix;
	size_t low = first + 1, high = table->row_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct prefix *other = &table->row[middle].prefix;

		if (other->ip.family == prefix->ip.family && other->bits == prefix->bits)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool table_find_address(const struct table *table, struct ip ip, struct span *value_out)
{
	if (table->kind == TABLE_KEYS) {
		TEXT(text, IP_TEXT_MAX);

		text_add_ip(&text, ip);
		return table_find(table, text_span(&text), value_out);
	}
	/* A binary search in each run of equal length: at most 33 + 129 runs, usually few. */
	for (size_t first = 0, end; first < table->row_count; first = end) {
		const struct table_row *row;

		end = table_run_end(table, first);
		if (table->row[first].prefix.ip.family != ip.family)
			continue;
		row = table_find_network(table, first, end, ip);
		if (row != NULL) {
			*value_out = row->value;
			return true;
		}
	}
	return false;
}
