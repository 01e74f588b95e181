/* domain.c -- domain names as they are asked for in the DNS. */
#include "mail/domain.h"

static struct span without_final_dots(struct span raw)
{
	while (raw.len > 0 && raw.at[raw.len - 1] == '.')
		raw.len--;
	return raw;
}

static bool is_plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '\\';
}

static void text_add_octet(struct text *text, unsigned char c)
{
	if (is_plain(c)) {
		text_add_char(text, ascii_lower((char)c));
	} else if (c == '\\') {
		text_add(text, SPAN("\\\\"));
	} else {
		char escaped[4] = { '\\', (char)('0' + c / 100), (char)('0' + c / 10 % 10),
				    (char)('0' + c % 10) };

		text_add(text, span_of(escaped, sizeof(escaped)));
	}
}

void text_add_domain(struct text *text, struct span raw)
{
	raw = without_final_dots(raw);
	for (size_t i = 0; i < raw.len; i++)
		text_add_octet(text, (unsigned char)raw.at[i]);
}

bool domain_can_exist(struct span raw)
{
	struct span rest, label;

	if (raw.len > 0 && raw.at[raw.len - 1] == '.')
		raw.len--;
	if (raw.len == 0 || raw.len > DOMAIN_NAME_MAX || raw.at[raw.len - 1] == '.')
		return false;
	rest = raw;
	while (span_cut(&rest, '.', &label))
		if (label.len == 0 || label.len > DOMAIN_LABEL_MAX)
			return false;
	return true;
}

static bool label_is_host(struct span label)
{
	for (size_t i = 0; i < label.len; i++)
		if (!ascii_is_letter(label.at[i]) && !ascii_is_digit(label.at[i]) &&
		    label.at[i] != '-')
			return false;
	return label.len > 0 && label.at[0] != '-' && label.at[label.len - 1] != '-';
}

static bool label_is_numeric(struct span label)
{
	for (size_t i = 0; i < label.len; i++)
		if (!ascii_is_digit(label.at[i]))
			return false;
	return true;
}

bool domain_is_host_name(struct span raw)
{
	struct span rest = raw, label = { 0 };
	size_t labels = 0;

	if (!domain_can_exist(raw))
		return false;
	for (; span_cut(&rest, '.', &label); labels++)
		if (!label_is_host(label))
			return false;
	return labels >= 2 && !label_is_numeric(label);
}

struct span domain_parent(struct span name)
{
	return span_from(name, span_find(name, '.') + 1);
}

bool domain_is_within(struct span name, struct span zone)
{
	if (name.len == zone.len)
		return span_equal_nocase(name, zone);
	return name.len > zone.len && name.at[name.len - zone.len - 1] == '.' &&
	       span_ends_nocase(name, zone);
}

size_t domain_label_count(struct span name)
{
	size_t count = 0;
	struct span label;

	while (span_cut(&name, '.', &label))
		count++;
	return count;
}

struct span domain_last_labels(struct span name, size_t count)
{
	size_t i = name.len;

	while (i > 0 && !(name.at[i - 1] == '.' && --count == 0))
		i--;
	return span_from(name, i);
}

/* One octet of presentation form: plain, \X or \DDD. */
static enum err octet_cut(struct span *rest, unsigned char *octet_out)
{
	struct span s = *rest;
	unsigned value = 0;

	if (s.at[0] != '\\') {
		*octet_out = (unsigned char)s.at[0];
		*rest = span_from(s, 1);
		return OK;
	}
	if (s.len < 2)
		return ERR_SYNTAX;
	if (!ascii_is_digit(s.at[1])) {
		*octet_out = (unsigned char)s.at[1];
		*rest = span_from(s, 2);
		return OK;
	}
	for (size_t i = 1; i <= 3; i++) {
		if (i >= s.len || !ascii_is_digit(s.at[i]))
			return ERR_SYNTAX;
		value = value * 10 + (unsigned)(s.at[i] - '0');
	}
	if (value > 255)
		return ERR_SYNTAX;
	*octet_out = (unsigned char)value;
	*rest = span_from(s, 4);
	return OK;
}

enum err domain_to_wire(struct span name, unsigned char wire_out[255], size_t *len_out)
{
	enum { WIRE_MAX = DOMAIN_NAME_MAX + 2 };
	unsigned char wire[WIRE_MAX];
	size_t len = 0;
	bool is_more;

	do {
		size_t label = len++; /* where its length stands */

		while (name.len > 0 && name.at[0] != '.') {
			if (len >= WIRE_MAX - 1 || octet_cut(&name, &wire[len]) != OK)
				return ERR_SYNTAX;
			len++;
		}
		if (len - label == 1 || len - label - 1 > DOMAIN_LABEL_MAX)
			return ERR_SYNTAX;
		wire[label] = (unsigned char)(len - label - 1);
		is_more = name.len > 0;
		name = span_from(name, 1);
	} while (is_more);
	wire[len++] = 0;
	memcpy(wire_out, wire, len);
	*len_out = len;
	return OK;
}
