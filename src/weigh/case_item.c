/* case_item.c -- questions and records as a case writes them. */
#include "weigh/case_item.h"

#include "base/number.h"
#include "mail/domain.h"
#include "mail/ip.h"
#include "weigh/tally.h"
#include "weigh/triplet.h"

/* One octet, plain, as \\ or as \DDD. */
static bool octet_cut(struct span *rest, char *octet_out)
{
	struct span s = *rest;
	int64_t value;

	if (s.at[0] != '\\') {
		*octet_out = s.at[0];
		*rest = span_from(s, 1);
		return true;
	}
	if (s.len >= 2 && s.at[1] == '\\') {
		*octet_out = '\\';
		*rest = span_from(s, 2);
		return true;
	}
	if (s.len < 4 || !ascii_is_digit(s.at[1]) ||
	    number_parse(span_of(s.at + 1, 3), &value) != OK || value > 255)
		return false;
	*octet_out = (char)(unsigned char)value;
	*rest = span_from(s, 4);
	return true;
}

static bool is_printable(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < ' ' || s.at[i] > '~')
			return false;
	return true;
}

static bool raw_parse(struct span written, struct arena *arena, struct span *raw_out)
{
	char *raw = arena_alloc(arena, written.len + 1);
	size_t len = 0;

	*raw_out = (struct span){ 0 };
	if (raw == NULL)
		return true;
	while (written.len > 0)
		if (!octet_cut(&written, &raw[len++]))
			return false;
	*raw_out = span_of(raw, len);
	return true;
}

void case_add_raw(struct text *text, struct span raw)
{
	for (size_t i = 0; i < raw.len; i++) {
		unsigned char c = (unsigned char)raw.at[i];

		if (c == '\\')
			text_add(text, SPAN("\\\\"));
		else if (c >= ' ' && c <= '~')
			text_add_char(text, raw.at[i]);
		else
			text_addf(text, "\\%03u", (unsigned)c);
	}
}

static struct span without_final_dot(struct span name)
{
	if (name.len > 1 && span_ends(name, SPAN(".")))
		name.len--;
	return name;
}

static struct span copy_lower(struct span s, struct arena *arena)
{
	struct span copy = arena_copy(arena, s);
	char *at = (char *)copy.at;

	for (size_t i = 0; at != NULL && i < copy.len; i++)
		at[i] = ascii_lower(at[i]);
	return copy;
}

bool case_question_parse(enum fact_kind kind, struct span written, struct arena *arena,
			 struct span *question_out)
{
	if (!fact_kind_is_dns(kind))
		return raw_parse(written, arena, question_out);
	while (span_ends(written, SPAN("."))) /* as text_add_domain() does; the root is "" */
		written.len--;
	*question_out = copy_lower(written, arena);
	return true;
}

/* "." is the root, as in a null MX (RFC 7505). */
static bool is_name(struct span name)
{
	unsigned char wire[255];
	size_t len;

	name = without_final_dot(name);
	return is_printable(name) && span_find(name, ' ') == name.len &&
	       (span_equal(name, SPAN(".")) || domain_to_wire(name, wire, &len) == OK);
}

static bool is_number_up_to(struct span s, int64_t max)
{
	int64_t number;

	return s.len > 0 && s.at[0] != '-' && number_parse(s, &number) == OK && number <= max;
}

static bool address_parse(struct span written, enum ip_family family, struct arena *arena,
			  struct span *item_out)
{
	struct ip ip;
	TEXT(canonical, IP_TEXT_MAX);

	if (ip_parse(written, &ip) != OK || ip.family != family)
		return false;
	text_add_ip(&canonical, ip);
	*item_out = arena_copy(arena, text_span(&canonical));
	return true;
}

static bool a_parse(struct span written, struct arena *arena, struct span *item_out)
{
	return address_parse(written, IP_V4, arena, item_out);
}

static bool aaaa_parse(struct span written, struct arena *arena, struct span *item_out)
{
	return address_parse(written, IP_V6, arena, item_out);
}

static bool mx_parse(struct span written, struct arena *arena, struct span *item_out)
{
	size_t blank = span_find(written, ' ');

	if (!is_number_up_to(span_first(written, blank), UINT16_MAX) ||
	    !is_name(span_from(written, blank + 1)))
		return false;
	if (span_ends(written, SPAN(" ."))) /* the root keeps its dot */
		*item_out = arena_copy(arena, written);
	else
		*item_out = copy_lower(without_final_dot(written), arena);
	return true;
}

static bool txt_parse(struct span written, struct arena *arena, struct span *item_out)
{
	struct span rest = written;
	char octet;

	if (!is_printable(written))
		return false;
	while (rest.len > 0)
		if (!octet_cut(&rest, &octet))
			return false;
	*item_out = arena_copy(arena, written);
	return true;
}

static bool ptr_parse(struct span written, struct arena *arena, struct span *item_out)
{
	if (!is_name(written))
		return false;
	*item_out = copy_lower(without_final_dot(written), arena);
	return true;
}

static bool soa_parse(struct span written, struct arena *arena, struct span *item_out)
{
	enum { NAMES = 2, FIELDS = 7 };
	struct span rest = written, field;
	int fields = 0;

	for (; fields < FIELDS && span_cut(&rest, ' ', &field); fields++)
		if (fields < NAMES ? !is_name(field) : !is_number_up_to(field, UINT32_MAX))
			return false;
	if (fields < FIELDS || rest.len > 0 || span_ends(written, SPAN(" ")))
		return false;
	*item_out = copy_lower(written, arena);
	return true;
}

static bool tally_parse_item(struct span written, struct arena *arena, struct span *item_out)
{
	struct tally_result result = { 0 };

	return tally_item_parse(written, &result) == OK && raw_parse(written, arena, item_out);
}

static bool triplet_parse_item(struct span written, struct arena *arena, struct span *item_out)
{
	struct triplet triplet;

	return triplet_item_parse(written, 0, &triplet) == OK &&
	       raw_parse(written, arena, item_out);
}

static const struct form {
	bool (*parse)(struct span written, struct arena *arena, struct span *item_out);
	const char *what;
} forms[FACT_KIND_COUNT] = {
	[FACT_DNS_A] = { a_parse, "every item must be an IPv4 address" },
	[FACT_DNS_AAAA] = { aaaa_parse, "every item must be an IPv6 address" },
	[FACT_DNS_MX] = { mx_parse, "every item must be like \"10 mx.example.org\"" },
	[FACT_DNS_TXT] = { txt_parse, "every item must be printable ASCII with \\DDD and \\\\" },
	[FACT_DNS_PTR] = { ptr_parse, "every item must be a domain name" },
	[FACT_DNS_SOA] = { soa_parse, "every item must be two names and five numbers" },
	[FACT_TALLY] = { tally_parse_item, "every item must be like \"101/1h\"" },
	[FACT_GREYLIST] = { triplet_parse_item,
			    "the item must be like \"first=304 last=2.5 passes=0\"" },
	[FACT_REMEMBERED] = { raw_parse, "a backslash must be followed by \\ or DDD" },
};

bool case_item_parse(enum fact_kind kind, struct span written, struct arena *arena,
		     struct span *item_out)
{
	return forms[kind].parse(written, arena, item_out);
}

const char *case_item_form(enum fact_kind kind)
{
	return forms[kind].what;
}
