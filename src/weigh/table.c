/* table.c -- tables that are in memory. */
#include "weigh/table.h"

#include "base/regex.h"
#include "mail/address.h"
#include "mail/domain.h"

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

static void table_sort_networks(struct table *table)
{
	if (table->row_count > 0)
		qsort(table->row, table->row_count, sizeof(*table->row), compare_networks);
}

enum err table_index(struct table *table, struct arena *arena)
{
	const struct table *networks = table->networks;

	if (table->row_count > TABLE_ROWS_MAX ||
	    (networks != NULL && networks->row_count > TABLE_ROWS_MAX))
		return ERR_LIMIT;
	if (networks != NULL)
		table_sort_networks(table->networks);
	if (table->kind != TABLE_CIDR)
		return table_index_keys(table, arena);
	table_sort_networks(table);
	return OK;
}

/* --- networks --- */

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

static bool table_find_longest(const struct table *table, struct ip ip, struct span *value_out)
{
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

bool table_find_address(const struct table *table, struct ip ip, struct span *value_out)
{
	TEXT(text, IP_TEXT_MAX);

	switch (table->kind) {
	case TABLE_CIDR: return table_find_longest(table, ip, value_out);
	case TABLE_KEYS:
	case TABLE_REGEX:
		text_add_ip(&text, ip);
		return table_find(table, text_span(&text), value_out);
	case TABLE_DOMAIN:
	case TABLE_CLIENTS:
	case TABLE_RECIPIENTS:
	case TABLE_HOSTS: break;
	}
	return table->networks != NULL && table_find_longest(table->networks, ip, value_out);
}

/* --- texts; all of these get them in lower case --- */

static bool table_find_key(const struct table *table, struct span key, struct span *value_out)
{
	if (table->row_count == 0)
		return false;
	for (uint32_t i = *table_slot(table, key); i != 0;) {
		const struct table_row *row = &table->row[i - 1];

		if (span_equal(row->key, key)) {
			*value_out = row->value;
			return true;
		}
		i = row->next;
	}
	return false;
}

/* A name, or else what it is below, the longest first.
 *
 * @param covers  a key covers what is below it, even without a dot in front
 */
static bool table_find_domain(const struct table *table, struct span name, bool covers,
			      struct span *value_out)
{
	if (span_ends(name, SPAN(".")))
		name.len--;
	/* Beyond any name a stranger's dots would cost us more than him. */
	if (name.len > DOMAIN_NAME_MAX)
		return false;
	if (table_find_key(table, name, value_out))
		return true;
	for (size_t dot = span_find(name, '.'); dot < name.len; dot = span_find(name, '.')) {
		name = span_from(name, dot);
		if (table_find_key(table, name, value_out))
			return true;
		name = span_from(name, 1);
		if (covers && table_find_key(table, name, value_out))
			return true;
	}
	return false;
}

/* LOCAL@DOMAIN, or LOCAL@ of any domain. */
static bool table_find_user(const struct table *table, struct span local, struct span domain,
			    struct span *value_out)
{
	TEXT(address, TABLE_KEY_MAX);
	size_t user_len;

	text_add(&address, local);
	text_add_char(&address, '@');
	user_len = address.len;
	text_add(&address, domain);
	return !address.overrun &&
	       (table_find_key(table, text_span(&address), value_out) ||
		table_find_key(table, span_first(text_span(&address), user_len), value_out));
}

/* What stands behind the last '@', or all of it. */
static struct span domain_of(struct span text)
{
	size_t at = span_rfind(text, '@');

	return at == text.len ? text : span_from(text, at + 1);
}

/* The users before the domains, with their extensions before those without. */
static bool table_find_recipient(const struct table *table, struct span recipient,
				 struct span *value_out)
{
	struct span local = address_local(recipient), domain = address_domain(recipient);
	struct span user = span_first(local, span_find(local, '+'));

	return table_find_user(table, local, domain, value_out) ||
	       table_find_user(table, user, domain, value_out) ||
	       table_find_domain(table, domain_of(recipient), true, value_out);
}

/* Of all kinds that have keys. */
static bool table_find_lower(const struct table *table, struct span key, struct span *value_out)
{
	switch (table->kind) {
	case TABLE_KEYS: return table_find_key(table, key, value_out);
	case TABLE_CLIENTS: /* as Postfix calls a client whose name is not confirmed */
		return !span_equal(key, SPAN("unknown")) &&
		       table_find_domain(table, key, true, value_out);
	case TABLE_DOMAIN: return table_find_domain(table, domain_of(key), true, value_out);
	case TABLE_HOSTS: return table_find_domain(table, key, false, value_out);
	case TABLE_RECIPIENTS: return table_find_recipient(table, key, value_out);
	case TABLE_CIDR:
	case TABLE_REGEX: break;
	}
	return false;
}

static bool table_find_pattern(const struct table *table, struct span subject,
			       struct span *value_out)
{
	for (uint32_t i = 0; i < table->pattern_count; i++)
		if (regex_matches(table->pattern[i].regex, subject)) {
			*value_out = table->pattern[i].value;
			return true;
		}
	return false;
}

bool table_find(const struct table *table, struct span key, struct span *value_out)
{
	TEXT(lower, TABLE_KEY_MAX);
	struct ip ip;

	if (table->kind == TABLE_CIDR)
		return ip_parse(key, &ip) == OK && table_find_longest(table, ip, value_out);
	if (table->row_count > 0)
		text_add_lower(&lower, key);
	if (table->row_count > 0 && !lower.overrun &&
	    table_find_lower(table, text_span(&lower), value_out))
		return true;
	return table_find_pattern(table, key, value_out);
}
