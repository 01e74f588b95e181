/* spf.c -- the grammar of SPF records. */
#include "mail/spf.h"

#include "base/number.h"
#include "mail/spf_macro.h"

/* What may follow the name of a mechanism. */
enum { TAKES_DOMAIN = 1, NEEDS_DOMAIN = 2, TAKES_LENGTH = 4, TAKES_NETWORK = 8 };

static const struct {
	struct span name;
	unsigned takes;
} mechanisms[SPF_MECHANISMS] = {
	[SPF_ALL] = { SPAN_INIT("all"), 0 },
	[SPF_INCLUDE] = { SPAN_INIT("include"), TAKES_DOMAIN | NEEDS_DOMAIN },
	[SPF_A] = { SPAN_INIT("a"), TAKES_DOMAIN | TAKES_LENGTH },
	[SPF_MX] = { SPAN_INIT("mx"), TAKES_DOMAIN | TAKES_LENGTH },
	[SPF_PTR] = { SPAN_INIT("ptr"), TAKES_DOMAIN },
	[SPF_IP4] = { SPAN_INIT("ip4"), TAKES_NETWORK },
	[SPF_IP6] = { SPAN_INIT("ip6"), TAKES_NETWORK },
	[SPF_EXISTS] = { SPAN_INIT("exists"), TAKES_DOMAIN | NEEDS_DOMAIN },
};

struct span spf_mechanism_name(enum spf_mechanism mechanism)
{
	return mechanisms[mechanism].name;
}

bool spf_is_record(struct span txt, struct span *terms_out)
{
	static const struct span version = SPAN_INIT("v=spf1");

	if (!span_starts_nocase(txt, version))
		return false;
	if (txt.len > version.len && txt.at[version.len] != ' ')
		return false;
	*terms_out = span_from(txt, version.len);
	return true;
}

/* Digits without a leading zero, at most max: "24". */
static enum err length_parse(struct span digits, uint8_t max, uint8_t *length_out)
{
	int64_t length;

	if (digits.len == 0 || digits.len > 3 || (digits.len > 1 && digits.at[0] == '0'))
		return ERR_SYNTAX;
	for (size_t i = 0; i < digits.len; i++)
		if (!ascii_is_digit(digits.at[i]))
			return ERR_SYNTAX;
	if (number_parse(digits, &length) != OK || length > max)
		return ERR_SYNTAX;
	*length_out = (uint8_t)length;
	return OK;
}

/* Where the digits at the end of s begin; s.len where it does not end in digits. */
static size_t trailing_digits(struct span s)
{
	size_t i = s.len;

	while (i > 0 && ascii_is_digit(s.at[i - 1]))
		i--;
	return i;
}

/* Take "//LENGTH" or "/LENGTH" off the end of rest.  Nothing there is OK and leaves length. */
static enum err length_cut(struct span *rest, struct span slashes, uint8_t max, uint8_t *length)
{
	size_t digits = trailing_digits(*rest);
	struct span head = span_first(*rest, digits);

	if (!span_ends(head, slashes))
		return OK;
	if (length_parse(span_from(*rest, digits), max, length) != OK)
		return ERR_SYNTAX;
	*rest = span_first(head, head.len - slashes.len);
	return OK;
}

/* [ip4-cidr-length] [ "/" ip6-cidr-length ]: /24, //64, /24//64 (section 5.6). */
static enum err lengths_cut(struct span *rest, struct spf_term *term)
{
	term->bits4 = 32;
	term->bits6 = 128;
	if (length_cut(rest, SPAN("//"), 128, &term->bits6) != OK)
		return ERR_SYNTAX;
	return length_cut(rest, SPAN("/"), 32, &term->bits4);
}

/* ip4 and ip6: an address and one length; host bits may be set and do not count. */
static enum err network_parse(struct span value, struct spf_term *term)
{
	bool is_ip4 = term->mechanism == SPF_IP4;
	size_t slash = span_find(value, '/');
	uint8_t bits = is_ip4 ? 32 : 128;
	struct ip ip;

	if (slash < value.len && length_parse(span_from(value, slash + 1), bits, &bits) != OK)
		return ERR_SYNTAX;
	if (ip_parse(span_first(value, slash), &ip) != OK || ip.family != (is_ip4 ? IP_V4 : IP_V6))
		return ERR_SYNTAX;
	term->network = prefix_of(ip, bits);
	return OK;
}

/* What follows the name of the mechanism: "", ":DOMAIN", "/24", ":DOMAIN/24", ":NETWORK". */
static enum err arguments_parse(struct span rest, struct spf_term *term)
{
	unsigned takes = mechanisms[term->mechanism].takes;
	bool has_value = rest.len > 0 && rest.at[0] == ':';

	if ((takes & TAKES_NETWORK) != 0)
		return has_value ? network_parse(span_from(rest, 1), term) : ERR_SYNTAX;
	if ((takes & TAKES_LENGTH) != 0 && lengths_cut(&rest, term) != OK)
		return ERR_SYNTAX;
	if (rest.len == 0)
		return (takes & NEEDS_DOMAIN) != 0 ? ERR_SYNTAX : OK;
	if (!has_value || (takes & TAKES_DOMAIN) == 0)
		return ERR_SYNTAX;
	term->domain = span_from(rest, 1);
	return spf_domain_spec_check(term->domain);
}

static bool mechanism_find(struct span name, enum spf_mechanism *mechanism_out)
{
	for (int i = 0; i < SPF_MECHANISMS; i++) {
		if (span_equal_nocase(name, mechanisms[i].name)) {
			*mechanism_out = (enum spf_mechanism)i;
			return true;
		}
	}
	return false;
}

static enum err directive_parse(struct span text, struct spf_term *term)
{
	size_t end = 0;

	term->kind = SPF_DIRECTIVE;
	term->qualifier = '+';
	if (text.len > 0 && span_find(SPAN("+-~?"), text.at[0]) < 4) {
		term->qualifier = text.at[0];
		text = span_from(text, 1);
	}
	while (end < text.len && text.at[end] != ':' && text.at[end] != '/')
		end++;
	if (!mechanism_find(span_first(text, end), &term->mechanism))
		return ERR_SYNTAX;
	return arguments_parse(span_from(text, end), term);
}

/* name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." ) */
static bool is_modifier_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];

		if (!ascii_is_letter(c) &&
		    (i == 0 || (!ascii_is_digit(c) && c != '-' && c != '_' && c != '.')))
			return false;
	}
	return name.len > 0;
}

static enum err modifier_parse(struct span name, struct span value, struct spf_term *term)
{
	term->domain = value;
	if (span_equal_nocase(name, SPAN("redirect")))
		term->kind = SPF_REDIRECT;
	else if (span_equal_nocase(name, SPAN("exp")))
		term->kind = SPF_EXP;
	else
		term->kind = SPF_UNKNOWN_MODIFIER;
	if (term->kind == SPF_UNKNOWN_MODIFIER)
		return spf_macro_check(value, SPF_IN_DOMAIN);
	return spf_domain_spec_check(value);
}

static enum err term_parse(struct span text, struct spf_term *term)
{
	size_t equals = span_find(text, '=');

	*term = (struct spf_term){ .text = text };
	if (equals < text.len && is_modifier_name(span_first(text, equals)))
		return modifier_parse(span_first(text, equals), span_from(text, equals + 1), term);
	return directive_parse(text, term);
}

/* The text of the next term; terms are separated by blanks and by nothing else. */
static bool term_text_cut(struct span *terms, struct span *text_out)
{
	do {
		if (!span_cut(terms, ' ', text_out))
			return false;
	} while (text_out->len == 0);
	return true;
}

bool spf_cut_term(struct span *terms, struct spf_term *term_out)
{
	struct span text;

	return term_text_cut(terms, &text) && term_parse(text, term_out) == OK;
}

enum err spf_check(struct span terms)
{
	unsigned redirects = 0, explanations = 0;
	struct span text;

	if (terms.len > SPF_RECORD_MAX)
		return ERR_LIMIT;
	while (term_text_cut(&terms, &text)) {
		struct spf_term term;

		if (term_parse(text, &term) != OK)
			return ERR_SYNTAX;
		redirects += term.kind == SPF_REDIRECT;
		explanations += term.kind == SPF_EXP;
	}
	/* Section 6: both may stand in a record at most once. */
	return redirects > 1 || explanations > 1 ? ERR_SYNTAX : OK;
}
