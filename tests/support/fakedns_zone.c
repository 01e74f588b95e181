/* fakedns_zone.c -- the fake name server's zone file. */
#include "fakedns.h"

#include "base/number.h"
#include "mail/domain.h"
#include "mail/ip.h"

#include <stdlib.h>

enum { SLOTS = 1 << 16, DATA_BYTES_MAX = 65000 };

struct fake_zone {
	struct fake_node *slot[SLOTS];
	uint32_t ttl; /* of the lines that follow */
	uint32_t negative_ttl;
};

struct data {
	size_t len;
	uint8_t at[DATA_BYTES_MAX];
};

static const struct span rule_names[RULE_COUNT] = {
#define RULE(symbol, name) [symbol] = SPAN_INIT(name),
#include "fakedns_rules.def"
#undef RULE
};

struct fake_zone *fake_zone_new(void)
{
	struct fake_zone *zone = calloc(1, sizeof(*zone));

	if (zone != NULL)
		zone->ttl = zone->negative_ttl = 300;
	return zone;
}

uint32_t fake_zone_negative_ttl(const struct fake_zone *zone)
{
	return zone->negative_ttl;
}

static size_t slot_of(const uint8_t *name, size_t len)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ name[i]) * 16777619U;
	return (hash ^ hash >> 16) % SLOTS;
}

static struct fake_node *find_exactly(const struct fake_zone *zone, const uint8_t *name, size_t len)
{
	struct fake_node *node = zone->slot[slot_of(name, len)];

	while (node != NULL && (node->name_len != len || memcmp(node->name, name, len) != 0))
		node = node->next;
	return node;
}

const struct fake_node *fake_zone_find(const struct fake_zone *zone, const uint8_t *name,
				       size_t len)
{
	const struct fake_node *node = find_exactly(zone, name, len);
	uint8_t wildcard[WIRE_NAME_MAX + 2] = { 1, '*' };

	while (node == NULL && len > 1) {
		size_t label = 1U + name[0];

		name += label;
		len -= label;
		memcpy(wildcard + 2, name, len);
		node = find_exactly(zone, wildcard, len + 2);
	}
	return node;
}

static struct span cut_word(struct span *rest)
{
	struct span word;

	*rest = span_trim(*rest);
	for (size_t i = 0; i < rest->len; i++) {
		if (rest->at[i] == ' ' || rest->at[i] == '\t') {
			word = span_first(*rest, i);
			*rest = span_trim(span_from(*rest, i));
			return word;
		}
	}
	word = *rest;
	rest->len = 0;
	return word;
}

static enum err name_to_wire(struct span name, uint8_t *wire, size_t *len_out)
{
	if (span_equal(name, SPAN("."))) {
		wire[0] = 0;
		*len_out = 1;
		return OK;
	}
	if (domain_to_wire(name, wire, len_out) != OK)
		return ERR_SYNTAX;
	for (size_t i = 0; i < *len_out; i++)
		wire[i] = (uint8_t)ascii_lower((char)wire[i]);
	return OK;
}

static enum err data_add_name(struct data *data, struct span *rest)
{
	size_t len;

	if (name_to_wire(cut_word(rest), data->at + data->len, &len) != OK)
		return ERR_SYNTAX;
	data->len += len;
	return OK;
}

static enum err data_add_number(struct data *data, struct span *rest, size_t bytes)
{
	int64_t number;

	if (number_parse(cut_word(rest), &number) != OK)
		return ERR_SYNTAX;
	for (size_t i = bytes; i-- > 0;)
		data->at[data->len++] = (uint8_t)(number >> (8 * i));
	return OK;
}

static enum err read_address(struct data *data, struct span rest)
{
	struct ip ip;

	if (ip_parse(cut_word(&rest), &ip) != OK)
		return ERR_SYNTAX;
	data->len = ip.family == IP_V4 ? 4 : 16;
	memcpy(data->at, ip.byte, data->len);
	return OK;
}

static enum err read_name(struct data *data, struct span rest)
{
	return data_add_name(data, &rest);
}

static enum err read_mx(struct data *data, struct span rest)
{
	if (data_add_number(data, &rest, 2) != OK)
		return ERR_SYNTAX;
	return data_add_name(data, &rest);
}

/* The rest of the line, without quotes; in strings of 255. */
static enum err read_txt(struct data *data, struct span rest)
{
	do {
		struct span string = span_first(rest, 255);

		data->at[data->len++] = (uint8_t)string.len;
		memcpy(data->at + data->len, string.at, string.len);
		data->len += string.len;
		rest = span_from(rest, string.len);
	} while (rest.len > 0);
	return OK;
}

static int hex_value(char digit)
{
	size_t at = span_find(SPAN("0123456789abcdef"), digit);

	return at < 16 ? (int)at : -1;
}

/* Words in hexadecimal, a string each; "-": an empty one. */
static enum err read_txt_hex(struct data *data, struct span rest)
{
	while (rest.len > 0) {
		struct span word = cut_word(&rest);
		size_t length = data->len++;

		if (word.len > 510)
			return ERR_SYNTAX;
		for (size_t i = 0; i + 1 < word.len; i += 2) {
			int high = hex_value(word.at[i]), low = hex_value(word.at[i + 1]);

			if (high < 0 || low < 0)
				return ERR_SYNTAX;
			data->at[data->len++] = (uint8_t)(high * 16 + low);
		}
		data->at[length] = (uint8_t)(data->len - length - 1);
	}
	return OK;
}

static enum err read_soa(struct data *data, struct span rest)
{
	if (data_add_name(data, &rest) != OK || data_add_name(data, &rest) != OK)
		return ERR_SYNTAX;
	for (int i = 0; i < 5; i++)
		if (data_add_number(data, &rest, 4) != OK)
			return ERR_SYNTAX;
	return OK;
}

static const struct {
	struct span name;
	uint16_t type;
	enum err (*read)(struct data *data, struct span rest);
} types[] = {
	{ SPAN_INIT("A"), 1, read_address },        { SPAN_INIT("AAAA"), 28, read_address },
	{ SPAN_INIT("MX"), 15, read_mx },           { SPAN_INIT("TXT"), 16, read_txt },
	{ SPAN_INIT("PTR"), 12, read_name },        { SPAN_INIT("CNAME"), 5, read_name },
	{ SPAN_INIT("NS"), 2, read_name },          { SPAN_INIT("SOA"), 6, read_soa },
	{ SPAN_INIT("TXT-HEX"), 16, read_txt_hex },
};

static enum err add_record(struct fake_zone *zone, struct fake_node *node, struct span type,
			   struct span rest)
{
	static struct data data;
	struct fake_record *record, **last;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (!span_equal(type, types[i].name))
			continue;
		data.len = 0;
		if (types[i].read(&data, rest) != OK)
			return ERR_SYNTAX;
		record = malloc(sizeof(*record) + data.len);
		if (record == NULL)
			return ERR_SYSTEM;
		record->next = NULL;
		record->ttl = zone->ttl;
		record->type = types[i].type;
		record->len = (uint16_t)data.len;
		memcpy(record->data, data.at, data.len);
		for (last = &node->record; *last != NULL;)
			last = &(*last)->next;
		*last = record;
		return OK;
	}
	return ERR_SYNTAX;
}

/** @return ERR_MISSING: no rule's name */
static enum err add_rule(struct fake_node *node, struct span word, struct span rest)
{
	int64_t argument = 0;

	if (rest.len > 0 && number_parse(rest, &argument) != OK)
		return ERR_MISSING;
	if (span_equal(word, SPAN("delay"))) {
		node->delay_ms = (uint32_t)argument;
		return OK;
	}
	for (int rule = RULE_NONE + 1; rule < RULE_COUNT; rule++) {
		if (span_equal(word, rule_names[rule])) {
			node->rule = (enum rule)rule;
			node->argument = (uint32_t)argument;
			return OK;
		}
	}
	return ERR_MISSING;
}

static struct fake_node *node_of(struct fake_zone *zone, struct span name)
{
	uint8_t wire[WIRE_NAME_MAX];
	struct fake_node *node, **slot;
	size_t len;

	if (name_to_wire(name, wire, &len) != OK)
		return NULL;
	node = find_exactly(zone, wire, len);
	if (node != NULL)
		return node;
	node = calloc(1, sizeof(*node));
	if (node == NULL)
		return NULL;
	node->name_len = (uint8_t)len;
	memcpy(node->name, wire, len);
	slot = &zone->slot[slot_of(wire, len)];
	node->next = *slot;
	*slot = node;
	return node;
}

enum err fake_zone_add(struct fake_zone *zone, struct span line)
{
	struct span name = cut_word(&line), word;
	struct fake_node *node;
	int64_t number;
	enum err err;

	if (name.len == 0 || name.at[0] == '#')
		return OK;
	word = cut_word(&line);
	if (span_equal(name, SPAN("ttl")) || span_equal(name, SPAN("negative-ttl"))) {
		if (number_parse(word, &number) != OK)
			return ERR_SYNTAX;
		*(name.len == 3 ? &zone->ttl : &zone->negative_ttl) = (uint32_t)number;
		return OK;
	}
	node = node_of(zone, name);
	if (node == NULL || word.len == 0)
		return ERR_SYNTAX;
	err = add_rule(node, word, line);
	return err == ERR_MISSING ? add_record(zone, node, word, line) : err;
}
