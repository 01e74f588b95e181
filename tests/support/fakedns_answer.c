/* fakedns_answer.c -- what the fake name server says. */
#include "fakedns.h"

#include <stdio.h>
#include <stdlib.h>

enum { HEADER = 12, UDP_BYTES_MIN = 512, TYPE_CNAME = 5, TYPE_OPT = 41 };
enum { FORMERR = 1, SERVFAIL = 2, NXDOMAIN = 3, NOTIMP = 4, REFUSED = 5 };
enum { COUNT_ANSWERS = 6, COUNT_AUTHORITIES = 8 }; /* offsets in the header */

struct query {
	uint8_t name[WIRE_NAME_MAX]; /* lower case */
	size_t name_len;
	size_t len; /* of header and question */
	uint16_t type;
	size_t room; /* for the answer */
	bool has_edns, is_tcp;
};

static void put_8(struct fake_reply *reply, unsigned number)
{
	if (reply->len < REPLY_BYTES_MAX)
		reply->at[reply->len++] = (uint8_t)number;
}

static void put_16(struct fake_reply *reply, unsigned number)
{
	put_8(reply, number >> 8);
	put_8(reply, number);
}

static void put_32(struct fake_reply *reply, uint32_t number)
{
	put_16(reply, number >> 16);
	put_16(reply, number & 0xffff);
}

static void put(struct fake_reply *reply, const void *at, size_t len)
{
	const uint8_t *byte = at;

	for (size_t i = 0; i < len; i++)
		put_8(reply, byte[i]);
}

static void add_to_count(struct fake_reply *reply, size_t offset, unsigned number)
{
	unsigned count = (unsigned)(reply->at[offset] << 8 | reply->at[offset + 1]) + number;

	reply->at[offset] = (uint8_t)(count >> 8);
	reply->at[offset + 1] = (uint8_t)count;
}

static void set_rcode(struct fake_reply *reply, unsigned rcode)
{
	reply->at[3] = (uint8_t)(0x80 | rcode);
}

/** @return false: nothing that can be answered */
static bool query_read(const uint8_t *at, size_t len, bool is_tcp, struct query *query)
{
	size_t i = HEADER;

	if (len < HEADER + 5 || (at[2] & 0x80) != 0 || at[4] != 0 || at[5] != 1)
		return false;
	query->name_len = 0;
	for (size_t left = 0; i < len && query->name_len < WIRE_NAME_MAX; i++) {
		if (left == 0 && at[i] > 63)
			return false;
		query->name[query->name_len++] =
			left > 0 ? (uint8_t)ascii_lower((char)at[i]) : at[i];
		if (left == 0 && at[i] == 0)
			break;
		left = left > 0 ? left - 1 : at[i];
	}
	if (i + 5 > len || at[i] != 0)
		return false;
	query->type = (uint16_t)(at[i + 1] << 8 | at[i + 2]);
	query->len = i + 5;
	query->is_tcp = is_tcp;
	query->has_edns = len >= query->len + 11 && at[11] == 1 && at[query->len + 2] == TYPE_OPT;
	query->room = is_tcp ? REPLY_BYTES_MAX : UDP_BYTES_MIN;
	if (query->has_edns && !is_tcp)
		query->room = (size_t)(at[query->len + 3] << 8 | at[query->len + 4]);
	return true;
}

/** Header, type, class, TTL and length of a record whose owner is at an offset. */
static void put_record(struct fake_reply *reply, size_t owner, unsigned type, uint32_t ttl,
		       size_t data_len)
{
	put_16(reply, 0xc000U | (unsigned)owner);
	put_16(reply, type);
	put_16(reply, 1);
	put_32(reply, ttl);
	put_16(reply, (unsigned)data_len);
	add_to_count(reply, COUNT_ANSWERS, 1);
}

/* The zone is whatever stands below the root. */
static void put_soa(struct fake_reply *reply, const struct query *query, uint32_t ttl)
{
	size_t at = 0;

	while (query->name[at] != 0 && query->name[at + 1U + query->name[at]] != 0)
		at += 1U + query->name[at];
	put_record(reply, HEADER + at, 6, ttl, 1 + 1 + 20);
	add_to_count(reply, COUNT_ANSWERS, (unsigned)-1);
	add_to_count(reply, COUNT_AUTHORITIES, 1);
	put_16(reply, 0);
	for (int i = 0; i < 4; i++)
		put_32(reply, 1);
	put_32(reply, ttl);
}

static const struct fake_record *record_of(const struct fake_node *node, unsigned type)
{
	const struct fake_record *record = node == NULL ? NULL : node->record;

	while (record != NULL && record->type != type)
		record = record->next;
	return record;
}

static void put_data(struct fake_reply *reply, const struct fake_node *node, size_t owner,
		     unsigned type)
{
	const struct fake_record *record = record_of(node, type);

	for (; record != NULL; record = record->next) {
		if (record->type != type)
			continue;
		put_record(reply, owner, type, record->ttl, record->len);
		put(reply, record->data, record->len);
	}
}

static void answer_from_zone(const struct fake_zone *zone, const struct fake_node *node,
			     const struct query *query, struct fake_reply *reply)
{
	size_t owner = HEADER;

	for (int i = 0; i < ALIASES_FOLLOWED_MAX && query->type != TYPE_CNAME; i++) {
		const struct fake_record *alias = record_of(node, TYPE_CNAME);

		if (alias == NULL)
			break;
		put_record(reply, owner, TYPE_CNAME, alias->ttl, alias->len);
		owner = reply->len;
		put(reply, alias->data, alias->len);
		node = fake_zone_find(zone, alias->data, alias->len);
	}
	put_data(reply, node, owner, query->type);
	if (node == NULL)
		set_rcode(reply, NXDOMAIN);
	if (record_of(node, query->type) == NULL)
		put_soa(reply, query, fake_zone_negative_ttl(zone));
}

/** A chain of count aliases with an address at its end; in a loop, the last is the first. */
static void put_aliases(struct fake_reply *reply, unsigned count, bool is_loop)
{
	size_t owner = HEADER;

	for (unsigned i = 1; i <= count; i++) {
		char label[16];
		int len = snprintf(label, sizeof(label), "a%u", i);
		bool is_last = is_loop && i == count;

		put_record(reply, owner, TYPE_CNAME, 300, is_last ? 2 : (size_t)len + 3);
		owner = reply->len;
		if (is_last) {
			put_16(reply, 0xc000 | HEADER);
			break;
		}
		put_8(reply, (unsigned)len);
		put(reply, label, (size_t)len);
		put_16(reply, 0xc000 | HEADER);
	}
	if (!is_loop) {
		put_record(reply, owner, 1, 300, 4);
		put_32(reply, 0xc0000201);
	}
}

static void put_many_a(struct fake_reply *reply, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		put_record(reply, HEADER, 1, 300, 4);
		put_32(reply, 0x0a000000U + i);
	}
}

static void put_many_mx(struct fake_reply *reply, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char label[16];
		int len = snprintf(label, sizeof(label), "mx%u", i);

		put_record(reply, HEADER, 15, 300, (size_t)len + 5);
		put_16(reply, i);
		put_8(reply, (unsigned)len);
		put(reply, label, (size_t)len);
		put_16(reply, 0xc000 | HEADER);
	}
}

/* One record of so many bytes, in strings of 255. */
static void put_big_txt(struct fake_reply *reply, size_t bytes)
{
	put_record(reply, HEADER, 16, 300, bytes + (bytes + 254) / 255);
	while (bytes > 0) {
		size_t len = bytes < 255 ? bytes : 255;

		put_8(reply, (unsigned)len);
		for (size_t i = 0; i < len; i++)
			put_8(reply, 'x');
		bytes -= len;
	}
}

static void put_bad_length(struct fake_reply *reply, const struct query *query)
{
	put_record(reply, HEADER, query->type, 300, 5);
	put(reply, "\377\377\377\377\377", 5);
}

static void put_address(struct fake_reply *reply)
{
	put_record(reply, HEADER, 1, 300, 4);
	put_32(reply, 0x7f000002);
}

static void put_bad_txt(struct fake_reply *reply)
{
	put_record(reply, HEADER, 16, 300, 4);
	put(reply, "\377abc", 4);
}

static void put_bad_pointer(struct fake_reply *reply)
{
	put_record(reply, reply->len, 1, 300, 4);
	put_32(reply, 0x7f000002);
}

static void put_garbage(struct fake_reply *reply)
{
	add_to_count(reply, COUNT_ANSWERS, 3);
	for (unsigned i = 0; i < 100; i++)
		put_8(reply, i * 167 + 13);
}

static void put_referral(struct fake_reply *reply)
{
	put_record(reply, HEADER, 2, 300, 5);
	add_to_count(reply, COUNT_ANSWERS, (unsigned)-1);
	add_to_count(reply, COUNT_AUTHORITIES, 1);
	put(reply, "\002ns\300\014", 5);
}

static void truncate_reply(struct fake_reply *reply, const struct query *query)
{
	reply->len = query->len;
	reply->at[2] |= 0x02;
	memset(reply->at + COUNT_ANSWERS, 0, 6);
}

/** @return true: this rule is all of the answer */
static bool answer_by_rule(const struct fake_node *node, const struct query *query,
			   struct fake_reply *reply)
{
	switch (node->rule) {
	case RULE_NONE:
	case RULE_COUNT: return false;
	case RULE_SERVFAIL: set_rcode(reply, SERVFAIL); break;
	case RULE_REFUSED: set_rcode(reply, REFUSED); break;
	case RULE_FORMERR: set_rcode(reply, FORMERR); break;
	case RULE_NOTIMP: set_rcode(reply, NOTIMP); break;
	case RULE_NOEDNS:
		if (!query->has_edns)
			return false;
		set_rcode(reply, FORMERR);
		break;
	case RULE_SILENT: reply->len = 0; break;
	case RULE_TRUNCATE:
	case RULE_TCP_REFUSE:
	case RULE_TCP_SILENT:
		if (query->is_tcp && node->rule == RULE_TRUNCATE)
			return false;
		if (query->is_tcp)
			reply->len = 0;
		else
			truncate_reply(reply, query);
		reply->is_hung_up = node->rule == RULE_TCP_REFUSE;
		break;
	case RULE_WRONG_ID: reply->at[0] ^= 0x5a; return false;
	case RULE_WRONG_QUESTION: reply->at[HEADER + 1] ^= 1; return false;
	case RULE_HEADER_ONLY:
		reply->len = HEADER;
		reply->at[5] = 0;
		break;
	case RULE_FIVE_BYTES: reply->len = 5; break;
	case RULE_BAD_LENGTH: put_bad_length(reply, query); break;
	case RULE_BAD_TXT: put_bad_txt(reply); break;
	case RULE_BAD_POINTER: put_bad_pointer(reply); break;
	case RULE_BAD_COUNT: add_to_count(reply, COUNT_ANSWERS, 1); break;
	case RULE_GARBAGE: put_garbage(reply); break;
	case RULE_CNAME_LOOP: put_aliases(reply, 3, true); break;
	case RULE_NXDOMAIN_DATA:
		put_address(reply);
		set_rcode(reply, NXDOMAIN);
		break;
	case RULE_REFERRAL: put_referral(reply); break;
	case RULE_MANY_ALIASES: put_aliases(reply, node->argument, false); break;
	case RULE_MANY_A: put_many_a(reply, node->argument); break;
	case RULE_MANY_MX: put_many_mx(reply, node->argument); break;
	case RULE_BIG_TXT: put_big_txt(reply, node->argument); break;
	}
	return true;
}

/* --bench: the names are those of bench/attempts.c */

enum { LISTED_ONE_IN = 20, MADE_UP_TTL = 3600 };

static uint32_t hash_of(const uint8_t *at, size_t len)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * 16777619U;
	return hash ^ hash >> 15;
}

static bool label_is(const uint8_t *label, const char *text)
{
	size_t len = strlen(text);

	return label[0] == len && memcmp(label + 1, text, len) == 0;
}

static bool is_list(const struct query *query)
{
	const uint8_t *at = query->name, *next;

	for (; at[0] != 0; at = next) {
		next = at + 1 + at[0];
		if (at[0] >= 2 && memcmp(at + 1, "bl", 2) == 0 && label_is(next, "example"))
			return true;
	}
	return false;
}

/* The entries by which a list is tested (RFC 5782 section 5), and one in LISTED_ONE_IN. */
static bool is_listed(const struct query *query)
{
	static const uint8_t never[] = "\0011\0010\0010\003127",
			     always[] = "\0012\0010\0010\003127";

	if (memcmp(query->name, always, sizeof(always) - 1) == 0 || label_is(query->name, "test"))
		return true;
	if (memcmp(query->name, never, sizeof(never) - 1) == 0 || label_is(query->name, "invalid"))
		return false;
	return hash_of(query->name, query->name_len) % LISTED_ONE_IN == 0;
}

/** "a64400001": an address in hexadecimal. */
static bool address_read(const uint8_t *label, uint32_t *address_out)
{
	char text[10] = { 0 }, *end;

	if (label[0] != 9 || label[1] != 'a')
		return false;
	memcpy(text, label + 2, 8);
	*address_out = (uint32_t)strtoul(text, &end, 16);
	return *end == '\0';
}

/** d.c.b.a.in-addr.arpa has a name that leads back. */
static void put_client_name(struct fake_reply *reply, const struct query *query)
{
	const uint8_t *at = query->name;
	char text[10];
	uint32_t address = 0;

	for (unsigned i = 0; i < 4; i++, at += 1 + at[0])
		address |= (uint32_t)strtoul((const char *)at + 1, NULL, 10) << 8 * i;
	snprintf(text, sizeof(text), "a%08x", address);
	put_record(reply, HEADER, 12, MADE_UP_TTL, 26);
	put_8(reply, 9);
	put(reply, text, 9);
	put(reply, "\006client\007example", 16);
}

/** NAME.example and mx.NAME.example have an address, NAME.example an MX. */
static bool put_host(struct fake_reply *reply, const struct query *query)
{
	const uint8_t *first = query->name, *second = first + 1 + first[0];
	uint32_t address = 0xc6336400U | (hash_of(query->name, query->name_len) & 0xff);
	bool is_coded = address_read(first, &address), is_domain = label_is(second, "example");

	if (!is_coded && !is_domain && !label_is(first, "mx"))
		return false;
	if (query->type == 1) {
		put_record(reply, HEADER, 1, MADE_UP_TTL, 4);
		put_32(reply, address);
	} else if (query->type == 15 && is_domain) {
		/* "10 mx.NAME", but a client is its own MX: "10 NAME" */
		put_record(reply, HEADER, 15, MADE_UP_TTL, is_coded ? 4 : 7);
		put(reply, is_coded ? "\000\012\300\014" : "\000\012\002mx\300\014",
		    is_coded ? 4 : 7);
	}
	return true;
}

static void answer_made_up(const struct query *query, struct fake_reply *reply)
{
	bool exists = true;

	if (is_list(query)) {
		exists = is_listed(query);
		if (exists && query->type == 1)
			put_address(reply);
	} else if (query->name_len > 5 && label_is(query->name + query->name_len - 6, "arpa")) {
		if (query->type == 12)
			put_client_name(reply, query);
	} else {
		exists = put_host(reply, query);
	}
	if (!exists)
		set_rcode(reply, NXDOMAIN);
	if (reply->at[COUNT_ANSWERS + 1] == 0)
		put_soa(reply, query, MADE_UP_TTL);
}

void fake_answer(const struct fake_zone *zone, const uint8_t *at, size_t len, bool is_tcp,
		 struct fake_reply *reply)
{
	const struct fake_node *node = NULL;
	struct query query;

	reply->len = 0;
	reply->delay_ms = 0;
	reply->is_hung_up = false;
	if (!query_read(at, len, is_tcp, &query))
		return;
	put(reply, at, query.len);
	reply->at[2] = (uint8_t)(0x80 | (at[2] & 0x01));
	set_rcode(reply, 0);
	memset(reply->at + COUNT_ANSWERS, 0, 6);
	if (zone == NULL) {
		answer_made_up(&query, reply);
	} else {
		node = fake_zone_find(zone, query.name, query.name_len);
		reply->delay_ms = node == NULL ? 0 : node->delay_ms;
		if (node == NULL || !answer_by_rule(node, &query, reply))
			answer_from_zone(zone, node, &query, reply);
	}
	if (reply->len > query.room)
		truncate_reply(reply, &query);
}
