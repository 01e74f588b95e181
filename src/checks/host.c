/* host.c -- what the name of a host, or of a domain, tells by itself. */
#include "checks/host.h"
#include "mail/address.h"
#include "mail/idn.h"

static struct span subject_text(const struct attempt *attempt, enum subject subject)
{
	switch (subject) {
	case SUBJECT_SENDER: return address_domain(attempt->attribute[ATTRIBUTE_sender]);
	case SUBJECT_HELO: return attempt->attribute[ATTRIBUTE_helo_name];
	case SUBJECT_CLIENT_NAME: return attempt->attribute[ATTRIBUTE_client_name];
	}
	return SPAN("");
}

static bool is_number(struct span label)
{
	for (size_t i = 0; i < label.len; i++)
		if (!ascii_is_digit(label.at[i]))
			return false;
	return true;
}

/* No domain is called by brackets and colons, or ends in a number: it was meant as an address. */
static bool is_address_like(struct span name)
{
	return span_find(name, '[') < name.len || span_find(name, ']') < name.len ||
	       span_find(name, ':') < name.len || is_number(domain_last_labels(name, 1));
}

bool text_add_subject(struct text *text, const struct attempt *attempt, enum subject subject)
{
	struct span raw = subject_text(attempt, subject);
	TEXT(ascii, IDN_BYTES_MAX);

	/* RFC 6531: names beyond ASCII stand in the DNS as A-labels. */
	if (!span_is_ascii(raw) && text_add_idn(&ascii, raw) == OK)
		raw = text_span(&ascii);
	if (!domain_can_exist(raw))
		return false;
	if (raw.at[raw.len - 1] == '.')
		raw.len--;
	if (domain_label_count(raw) < 2 || is_address_like(raw))
		return false;
	text_add_domain(text, raw);
	return true;
}

bool host_address(struct span host, struct ip *ip_out)
{
	struct ip ip;

	if (host.len >= 2 && host.at[0] == '[' && host.at[host.len - 1] == ']') {
		host = span_of(host.at + 1, host.len - 2);
		if (span_starts_nocase(host, SPAN("IPv6:")))
			host = span_from(host, 5);
	}
	if (ip_parse(host, &ip) != OK)
		return false;
	*ip_out = ip_unmapped(ip);
	return true;
}

struct span host_organisation(struct span name)
{
	/* The second-level words of national registries; a real list of them comes later. */
	static const struct span registry[] = {
		SPAN_INIT("ac"),  SPAN_INIT("co"),  SPAN_INIT("com"), SPAN_INIT("edu"),
		SPAN_INIT("go"),  SPAN_INIT("gob"), SPAN_INIT("gov"), SPAN_INIT("gv"),
		SPAN_INIT("ltd"), SPAN_INIT("me"),  SPAN_INIT("mil"), SPAN_INIT("ne"),
		SPAN_INIT("net"), SPAN_INIT("nhs"), SPAN_INIT("nom"), SPAN_INIT("or"),
		SPAN_INIT("org"), SPAN_INIT("plc"), SPAN_INIT("sch"),
	};
	struct span two = domain_last_labels(name, 2);
	size_t dot = span_find(two, '.');

	if (two.len - dot != sizeof(".uk") - 1)
		return two;
	for (size_t i = 0; i < sizeof(registry) / sizeof(registry[0]); i++)
		if (span_equal_nocase(span_first(two, dot), registry[i]))
			return domain_last_labels(name, 3);
	return two;
}

enum word_kind { FIXED, CUSTOMER };

enum word_place { ANYWHERE, WHOLE }; /* in a run of letters */

static const struct {
	enum word_kind kind;
	enum word_place place;
	struct span text;
} words[] = {
#define WORD(kind, place, text) { kind, place, SPAN_INIT(text) },
#include "checks/host_words.def"
#undef WORD
};

static bool run_has_word(struct span run, enum word_kind kind)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (words[i].kind != kind || words[i].text.len > run.len)
			continue;
		if (words[i].place == WHOLE ? span_equal(run, words[i].text)
					    : span_has(run, words[i].text))
			return true;
	}
	return false;
}

static bool has_word(struct span name, enum word_kind kind)
{
	for (size_t i = 0; i < name.len;) {
		size_t end = i;
		while (end < name.len && ascii_is_letter(name.at[end]))
			end++;
		if (run_has_word(span_of(name.at + i, end - i), kind))
			return true;
		i = end + 1;
	}
	return false;
}

/* 12-34-56-78, 12.34.56.78, host12_34_56_78: four numbers of at most three digits in a row. */
static bool has_numbers_of_address(struct span name)
{
	unsigned numbers = 0, digits = 0;

	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];

		if (ascii_is_digit(c)) {
			digits++;
			numbers += digits == 1;
			if (digits > 3)
				numbers = 0;
			else if (numbers == 4)
				return true;
		} else {
			bool is_between = digits > 0 && (c == '-' || c == '.' || c == '_');
			numbers = is_between ? numbers : 0;
			digits = 0;
		}
	}
	return false;
}

static struct span host_part(struct span name)
{
	return span_first(name, name.len - host_organisation(name).len);
}

bool host_looks_fixed(struct span name)
{
	return has_word(host_part(name), FIXED);
}

bool host_looks_dynamic(struct span name)
{
	struct span host = host_part(name);

	return !has_word(host, FIXED) && (has_numbers_of_address(host) || has_word(host, CUSTOMER));
}
