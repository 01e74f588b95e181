/* dns_answer.c -- reading DNS packets. */
#include "sources/dns_answer.h"

#include "mail/domain.h"
#include "mail/ip.h"

enum {
	TYPE_A = 1,
	TYPE_NS = 2,
	TYPE_CNAME = 5,
	TYPE_SOA = 6,
	TYPE_PTR = 12,
	TYPE_MX = 15,
	TYPE_TXT = 16,
	TYPE_AAAA = 28,
	TYPE_OPT = 41,
	CLASS_IN = 1,
};

enum { FLAG_RA = 0x80 };
enum { RCODE_NOERROR = 0, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3, RCODE_REFUSED = 5 };

struct packet {
	const uint8_t *at;
	size_t len;
};

/* A name without compression, in lower case. */
struct name {
	size_t len;
	uint8_t wire[DNS_WIRE_NAME_MAX];
};

struct record {
	size_t owner; /* offset of the owner's name */
	size_t data;
	uint16_t data_len;
	uint16_t type, class;
	uint32_t ttl_s;
	bool is_followed; /* an alias that the chain has gone through */
};

/* What a packet holds that may matter to the question. */
struct content {
	struct record answer[DNS_RECORDS_MAX]; /* of the type asked for, and aliases */
	size_t answer_count;
	struct record soa; /* the first of the authority section; owner 0: none */
	bool has_ns;       /* authority section: a referral, where there is no SOA */
	unsigned extended_rcode;
};

static uint16_t load_16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t load_32(const uint8_t *at)
{
	return (uint32_t)load_16(at) << 16 | load_16(at + 2);
}

/** Read the name at an offset.
 *
 * A pointer must point before the piece that it ends, so every jump goes further back and
 * the walk must end.  A row of thousands of pointers would end late.
 *
 * @return the offset behind the name; 0 for a broken one
 */
static size_t name_read(struct packet packet, size_t at, struct name *name_out)
{
	size_t piece = at, end = 0, len = 0;
	unsigned pointers = 0;

	while (at < packet.len) {
		uint8_t label = packet.at[at];

		if (label >= 0xc0) {
			if (at + 2 > packet.len || ++pointers > DNS_POINTERS_MAX)
				return 0;
			if (end == 0)
				end = at + 2;
			at = load_16(packet.at + at) & 0x3fffU;
			if (at >= piece || at < DNS_HEADER_BYTES)
				return 0;
			piece = at;
			continue;
		}
		if (label > DOMAIN_LABEL_MAX || at + 1U + label > packet.len ||
		    len + 1U + label > DNS_WIRE_NAME_MAX)
			return 0;
		name_out->wire[len++] = label;
		at++;
		for (size_t i = 0; i < label; i++)
			name_out->wire[len++] = (uint8_t)ascii_lower((char)packet.at[at++]);
		if (label == 0) {
			name_out->len = len;
			return end == 0 ? at : end;
		}
	}
	return 0;
}

static bool name_equal(const struct name *a, const uint8_t *wire, size_t len)
{
	return a->len == len && memcmp(a->wire, wire, len) == 0;
}

/** Equal to zone or below it. */
static bool name_is_within(const struct name *name, const struct name *zone)
{
	size_t at = 0;

	while (name->len - at > zone->len)
		at += 1U + name->wire[at];
	return name->len - at == zone->len && memcmp(name->wire + at, zone->wire, zone->len) == 0;
}

static void text_add_ddd(struct text *text, uint8_t byte)
{
	char escaped[4] = { '\\', (char)('0' + byte / 100), (char)('0' + byte / 10 % 10),
			    (char)('0' + byte % 10) };

	text_add(text, span_of(escaped, sizeof(escaped)));
}

/* The form of mail/domain.h; a dot inside a label is escaped too, else it would end it. */
static void text_add_name(struct text *text, const struct name *name)
{
	if (name->len == 1)
		text_add_char(text, '.');
	for (size_t at = 0; name->wire[at] != 0;) {
		size_t end = at + 1U + name->wire[at];

		if (at > 0)
			text_add_char(text, '.');
		for (at++; at < end; at++) {
			uint8_t byte = name->wire[at];

			if (byte == '\\')
				text_add(text, SPAN("\\\\"));
			else if (byte <= ' ' || byte > '~' || byte == '.')
				text_add_ddd(text, byte);
			else
				text_add_char(text, (char)byte);
		}
	}
}

static void text_add_string(struct text *text, const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (at[i] == '\\')
			text_add(text, SPAN("\\\\"));
		else if (at[i] < ' ' || at[i] > '~')
			text_add_ddd(text, at[i]);
		else
			text_add_char(text, (char)at[i]);
	}
}

/** The name that fills a record's data from an offset to its end. */
static bool read_last_name(struct packet packet, const struct record *record, size_t at,
			   struct text *text)
{
	struct name name;

	if (name_read(packet, at, &name) != record->data + record->data_len)
		return false;
	text_add_name(text, &name);
	return true;
}

static bool read_a(struct packet packet, const struct record *record, struct text *text)
{
	struct ip ip = { .family = IP_V4 };

	if (record->data_len != 4)
		return false;
	memcpy(ip.byte, packet.at + record->data, 4);
	text_add_ip(text, ip);
	return true;
}

static bool read_aaaa(struct packet packet, const struct record *record, struct text *text)
{
	struct ip ip = { .family = IP_V6 };

	if (record->data_len != 16)
		return false;
	memcpy(ip.byte, packet.at + record->data, 16);
	text_add_ip(text, ip);
	return true;
}

static bool read_mx(struct packet packet, const struct record *record, struct text *text)
{
	if (record->data_len < 3)
		return false;
	text_add_int(text, load_16(packet.at + record->data));
	text_add_char(text, ' ');
	return read_last_name(packet, record, record->data + 2, text);
}

static bool read_ptr(struct packet packet, const struct record *record, struct text *text)
{
	return read_last_name(packet, record, record->data, text);
}

static bool read_txt(struct packet packet, const struct record *record, struct text *text)
{
	size_t at = record->data, end = record->data + record->data_len;

	if (at == end)
		return false;
	while (at < end) {
		size_t len = packet.at[at++];

		if (len > end - at)
			return false;
		text_add_string(text, packet.at + at, len);
		at += len;
	}
	return true;
}

static bool read_soa(struct packet packet, const struct record *record, struct text *text)
{
	size_t at = record->data, end = record->data + record->data_len;
	struct name name;

	for (int i = 0; i < 2; i++) {
		at = name_read(packet, at, &name);
		if (at == 0 || at > end)
			return false;
		text_add_name(text, &name);
		text_add_char(text, ' ');
	}
	if (end - at != 20)
		return false;
	for (; at < end; at += 4) {
		text_add_int(text, load_32(packet.at + at));
		if (at + 4 < end)
			text_add_char(text, ' ');
	}
	return true;
}

/* read: add the record's item; false where the record is broken. */
static const struct {
	uint16_t type;
	uint16_t items_max;
	size_t bytes_max;
	bool (*read)(struct packet packet, const struct record *record, struct text *text);
} shape[] = {
	[FACT_DNS_A] = { TYPE_A, FACT_ITEMS_MAX, DNS_ITEMS_BYTES_MAX, read_a },
	[FACT_DNS_AAAA] = { TYPE_AAAA, FACT_ITEMS_MAX, DNS_ITEMS_BYTES_MAX, read_aaaa },
	[FACT_DNS_MX] = { TYPE_MX, FACT_ITEMS_MAX, DNS_ITEMS_BYTES_MAX, read_mx },
	[FACT_DNS_TXT] = { TYPE_TXT, DNS_TXT_RECORDS_MAX, DNS_TXT_BYTES_MAX, read_txt },
	[FACT_DNS_PTR] = { TYPE_PTR, FACT_ITEMS_MAX, DNS_ITEMS_BYTES_MAX, read_ptr },
	[FACT_DNS_SOA] = { TYPE_SOA, FACT_ITEMS_MAX, DNS_ITEMS_BYTES_MAX, read_soa },
};

uint16_t dns_type_of(enum fact_kind kind)
{
	return shape[kind].type;
}

bool dns_packet_is_truncated(const uint8_t *packet, size_t len)
{
	return len >= DNS_HEADER_BYTES && (packet[2] & 0x02) != 0;
}

unsigned dns_packet_rcode(const uint8_t *packet, size_t len)
{
	return len >= DNS_HEADER_BYTES ? packet[3] & 0x0fU : RCODE_SERVFAIL;
}

void dns_answer_fail(enum fact_cause cause, struct dns_answer *answer_out)
{
	answer_out->state = FACT_FAILED;
	answer_out->cause = cause;
	answer_out->exists = false;
	answer_out->ttl_s = 0;
	answer_out->item_count = 0;
}

/** @return the offset behind the record; 0 where it does not lie inside the packet */
static size_t record_read(struct packet packet, size_t at, struct record *record_out)
{
	struct name owner;
	size_t owner_at = at;

	at = name_read(packet, at, &owner);
	if (at == 0 || packet.len - at < 10)
		return 0;
	*record_out = (struct record){
		.owner = owner_at,
		.data = at + 10,
		.data_len = load_16(packet.at + at + 8),
		.type = load_16(packet.at + at),
		.class = load_16(packet.at + at + 2),
		.ttl_s = load_32(packet.at + at + 4),
	};
	if (record_out->data_len > packet.len - record_out->data)
		return 0;
	/* RFC 2181 section 8: a TTL with the highest bit set counts as 0. */
	if (record_out->ttl_s > INT32_MAX)
		record_out->ttl_s = 0;
	return record_out->data + record_out->data_len;
}

static void content_note(struct content *content, const struct record *record, bool is_authority)
{
	if (record->type == TYPE_OPT)
		content->extended_rcode = record->ttl_s >> 24;
	if (!is_authority || record->class != CLASS_IN)
		return;
	if (record->type == TYPE_NS)
		content->has_ns = true;
	if (record->type == TYPE_SOA && content->soa.owner == 0)
		content->soa = *record;
}

/** Go through all three sections once.
 *
 * @return CAUSE_NONE, CAUSE_MALFORMED or CAUSE_TOOLARGE
 */
static enum fact_cause content_read(struct packet packet, size_t at, uint16_t type,
				    struct content *content_out)
{
	unsigned answers = load_16(packet.at + 6), authorities = load_16(packet.at + 8);
	unsigned records = answers + authorities + load_16(packet.at + 10);
	struct record record;

	content_out->answer_count = 0;
	content_out->soa.owner = 0;
	content_out->has_ns = false;
	content_out->extended_rcode = 0;
	for (unsigned i = 0; i < records; i++) {
		at = record_read(packet, at, &record);
		if (at == 0)
			return CAUSE_MALFORMED;
		if (i >= answers) {
			content_note(content_out, &record, i < answers + authorities);
			continue;
		}
		if (record.class != CLASS_IN || (record.type != type && record.type != TYPE_CNAME))
			continue;
		if (content_out->answer_count == DNS_RECORDS_MAX)
			return CAUSE_TOOLARGE;
		content_out->answer[content_out->answer_count++] = record;
	}
	return CAUSE_NONE;
}

/* One answer in the making. */
struct reading {
	struct packet packet;
	struct content content;
	struct name name; /* where the chain of aliases has got to */
	enum fact_kind kind;
	uint32_t ttl_s; /* the least of what was used */
	size_t records; /* of the type at the end of the chain, broken ones too */
	struct text text;
};

static bool reading_owns(struct reading *reading, const struct record *record, struct name *owner)
{
	return name_read(reading->packet, record->owner, owner) != 0 &&
	       name_equal(owner, reading->name.wire, reading->name.len);
}

/** Take the records of the type asked for that stand at the chain's end. */
static enum fact_cause reading_take(struct reading *reading, struct dns_answer *answer)
{
	struct name owner;

	for (size_t i = 0; i < reading->content.answer_count; i++) {
		const struct record *record = &reading->content.answer[i];
		size_t before = reading->text.len;

		if (record->type != shape[reading->kind].type ||
		    !reading_owns(reading, record, &owner))
			continue;
		reading->records++;
		if (!shape[reading->kind].read(reading->packet, record, &reading->text)) {
			reading->text.len = before;
			continue;
		}
		if (reading->text.overrun || reading->text.len > shape[reading->kind].bytes_max ||
		    answer->item_count == shape[reading->kind].items_max)
			return CAUSE_TOOLARGE;
		answer->item[answer->item_count++] =
			span_of(answer->text + before, reading->text.len - before);
		if (record->ttl_s < reading->ttl_s)
			reading->ttl_s = record->ttl_s;
	}
	if (reading->records > 0 && answer->item_count == 0)
		return CAUSE_MALFORMED;
	return CAUSE_NONE;
}

/** Go on to where the alias at the chain's end points.
 *
 * @return CAUSE_NONE and *moved_out, or why the chain is none
 */
static enum fact_cause reading_follow(struct reading *reading, bool *moved_out)
{
	struct name owner;

	*moved_out = false;
	for (size_t i = 0; i < reading->content.answer_count; i++) {
		struct record *record = &reading->content.answer[i];

		if (record->type != TYPE_CNAME || !reading_owns(reading, record, &owner))
			continue;
		if (record->is_followed)
			return CAUSE_MALFORMED; /* a loop */
		record->is_followed = true;
		if (name_read(reading->packet, record->data, &reading->name) !=
		    record->data + record->data_len)
			return CAUSE_MALFORMED;
		if (record->ttl_s < reading->ttl_s)
			reading->ttl_s = record->ttl_s;
		*moved_out = true;
		return CAUSE_NONE;
	}
	return CAUSE_NONE;
}

static enum fact_cause reading_collect(struct reading *reading, struct dns_answer *answer,
				       unsigned *aliases_out)
{
	bool moved = true;
	enum fact_cause cause;

	for (unsigned aliases = 0; aliases <= DNS_ALIASES_MAX; aliases++) {
		*aliases_out = aliases;
		cause = reading_take(reading, answer);
		if (cause != CAUSE_NONE || answer->item_count > 0)
			return cause;
		cause = reading_follow(reading, &moved);
		if (cause != CAUSE_NONE || !moved)
			return cause;
	}
	return CAUSE_TOOLARGE;
}

/** RFC 2308 section 5: how long the "nothing" may be kept; 0 where no SOA says so. */
static uint32_t reading_negative_ttl(struct reading *reading)
{
	const struct record *soa = &reading->content.soa;
	struct name zone;
	uint32_t minimum_s;

	if (soa->owner == 0 || soa->data_len < 22 ||
	    name_read(reading->packet, soa->owner, &zone) == 0 ||
	    !name_is_within(&reading->name, &zone))
		return 0;
	minimum_s = load_32(reading->packet.at + soa->data + soa->data_len - 4);
	if (minimum_s > INT32_MAX)
		minimum_s = 0;
	if (minimum_s > soa->ttl_s)
		minimum_s = soa->ttl_s;
	return minimum_s < reading->ttl_s ? minimum_s : reading->ttl_s;
}

/** A packet that says NOERROR or NXDOMAIN, from behind its question. */
static enum fact_cause answer_read(struct reading *reading, size_t at, unsigned rcode,
				   struct dns_answer *answer)
{
	const struct content *content = &reading->content;
	enum fact_cause cause;
	unsigned aliases = 0;

	cause = content_read(reading->packet, at, shape[reading->kind].type, &reading->content);
	if (cause != CAUSE_NONE)
		return cause;
	if (content->extended_rcode != 0)
		return CAUSE_SERVFAIL;
	cause = reading_collect(reading, answer, &aliases);
	if (cause != CAUSE_NONE)
		return cause;
	if (answer->item_count > 0) {
		if (rcode == RCODE_NXDOMAIN)
			return CAUSE_MALFORMED; /* it exists, and it does not */
		answer->state = FACT_KNOWN;
		answer->ttl_s = reading->ttl_s;
		fact_sort(reading->kind, answer->item, answer->item_count);
		return CAUSE_NONE;
	}
	/* What is left in the answer section belongs to nobody in the chain. */
	if (content->answer_count > aliases)
		return CAUSE_MALFORMED;
	/* A referral (RFC 2308 section 2.2), or a chain that nobody followed to its end: the
	 * server is no resolver, and proves nothing.  One that is (RA) may leave the SOA out. */
	if (rcode == RCODE_NOERROR && content->soa.owner == 0 &&
	    (content->has_ns || (aliases > 0 && !(reading->packet.at[3] & FLAG_RA))))
		return CAUSE_SERVFAIL;
	answer->state = FACT_NONE;
	answer->exists = rcode == RCODE_NOERROR;
	answer->ttl_s = reading_negative_ttl(reading);
	return CAUSE_NONE;
}

/** Is it an answer to our question?
 *
 * Servers that fail may leave the question out.
 *
 * @return the offset behind the question; 0: it is not
 */
static size_t question_read(struct packet packet, const struct dns_asked *asked, unsigned rcode,
			    struct name *name_out)
{
	unsigned questions;
	size_t at;

	if (packet.len < DNS_HEADER_BYTES || load_16(packet.at) != asked->id)
		return 0;
	/* QR set, opcode 0 */
	if ((packet.at[2] & 0xf8) != 0x80)
		return 0;
	questions = load_16(packet.at + 4);
	if (questions == 0 && rcode != RCODE_NOERROR && rcode != RCODE_NXDOMAIN)
		return DNS_HEADER_BYTES;
	if (questions != 1)
		return 0;
	at = name_read(packet, DNS_HEADER_BYTES, name_out);
	if (at == 0 || packet.len - at < 4 || !name_equal(name_out, asked->name, asked->name_len) ||
	    load_16(packet.at + at) != shape[asked->kind].type ||
	    load_16(packet.at + at + 2) != CLASS_IN)
		return 0;
	return at + 4;
}

void dns_answer_parse(const uint8_t *packet, size_t len, const struct dns_asked *asked,
		      struct dns_answer *answer_out)
{
	unsigned rcode = dns_packet_rcode(packet, len);
	struct reading reading; /* of 20 kB, so not cleared as a whole */
	enum fact_cause cause;
	size_t at;

	reading.packet = (struct packet){ packet, len };
	reading.kind = asked->kind;
	reading.ttl_s = INT32_MAX;
	reading.records = 0;
	reading.text = (struct text){ answer_out->text, 0, sizeof(answer_out->text), false };
	at = question_read(reading.packet, asked, rcode, &reading.name);
	answer_out->cause = CAUSE_NONE;
	answer_out->exists = false;
	answer_out->ttl_s = 0;
	answer_out->item_count = 0;
	if (at == 0)
		cause = CAUSE_MALFORMED;
	else if (rcode == RCODE_REFUSED)
		cause = CAUSE_REFUSED;
	else if (rcode != RCODE_NOERROR && rcode != RCODE_NXDOMAIN)
		cause = CAUSE_SERVFAIL;
	else if (dns_packet_is_truncated(packet, len))
		cause = CAUSE_TOOLARGE; /* the rest could not be had over TCP either */
	else
		cause = answer_read(&reading, at, rcode, answer_out);
	if (cause != CAUSE_NONE)
		dns_answer_fail(cause, answer_out);
}
