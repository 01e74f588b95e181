/* spf_macro.c -- the macros of SPF. */
#include "mail/spf_macro.h"

#include "mail/domain.h"

/* One token of a macro-string: a literal stretch, an escape, or a macro. */
struct token {
	bool is_macro;
	struct span literal; /* what it stands for, when it is no macro */
	char letter;         /* lower case */
	bool is_upper;       /* URL-escape the value */
	bool is_reversed;
	uint16_t parts;         /* how many of the rightmost are kept; 0: all */
	struct span delimiters; /* empty: "." */
};

static const struct span delimiter_set = SPAN_INIT(".-+,/_=");

static bool is_delimiter(char c)
{
	return span_find(delimiter_set, c) < delimiter_set.len;
}

/* %{ letter digits? r? delimiters? } -- after the "%{". */
static enum err macro_cut(struct span *rest, struct token *token)
{
	struct span s = *rest;
	uint32_t parts = 0;
	size_t i = 1;

	if (s.len == 0 || !ascii_is_letter(s.at[0]))
		return ERR_SYNTAX;
	token->is_macro = true;
	token->letter = ascii_lower(s.at[0]);
	token->is_upper = token->letter != s.at[0];
	for (; i < s.len && ascii_is_digit(s.at[i]); i++) {
		parts = parts * 10 + (uint32_t)(s.at[i] - '0');
		if (parts > SPF_MACRO_PARTS_MAX)
			parts = SPF_MACRO_PARTS_MAX; /* more than any name has: all */
	}
	if (i > 1 && parts == 0)
		return ERR_SYNTAX;
	token->parts = (uint16_t)parts;
	token->is_reversed = i < s.len && ascii_lower(s.at[i]) == 'r';
	s = span_from(s, i + token->is_reversed);
	for (i = 0; i < s.len && is_delimiter(s.at[i]);)
		i++;
	token->delimiters = span_first(s, i);
	if (i == s.len || s.at[i] != '}')
		return ERR_SYNTAX;
	*rest = span_from(s, i + 1);
	return OK;
}

/* After a "%": one of the escapes, or a macro. */
static enum err escape_cut(struct span *rest, struct token *token)
{
	static const struct {
		char c;
		struct span stands_for;
	} escapes[] = {
		{ '%', SPAN_INIT("%") },
		{ '_', SPAN_INIT(" ") },
		{ '-', SPAN_INIT("%20") },
	};
	char c = rest->len > 0 ? rest->at[0] : '\0';

	*rest = span_from(*rest, 1);
	if (c == '{')
		return macro_cut(rest, token);
	for (size_t i = 0; i < sizeof(escapes) / sizeof(*escapes); i++) {
		if (escapes[i].c == c) {
			token->literal = escapes[i].stands_for;
			return OK;
		}
	}
	return ERR_SYNTAX;
}

/* Take the first token off; rest is not empty. */
static enum err token_cut(struct span *rest, struct token *token)
{
	size_t end = span_find(*rest, '%');

	*token = (struct token){ 0 };
	if (end == 0) {
		*rest = span_from(*rest, 1);
		return escape_cut(rest, token);
	}
	token->literal = span_first(*rest, end);
	*rest = span_from(*rest, end);
	return OK;
}

/* macro-literal: visible characters but "%"; in an explanation blanks too (section 12). */
static bool is_literal(struct span s, enum spf_macro_place place)
{
	for (size_t i = 0; i < s.len; i++) {
		char lowest = place == SPF_IN_EXPLANATION ? ' ' : '!';

		if (s.at[i] < lowest || s.at[i] > '~')
			return false;
	}
	return true;
}

static bool is_known_letter(char letter, enum spf_macro_place place)
{
	struct span letters = place == SPF_IN_EXPLANATION ? SPAN("slodiphvcrt") : SPAN("slodiphv");

	return span_find(letters, letter) < letters.len;
}

enum err spf_macro_check(struct span macros, enum spf_macro_place place)
{
	while (macros.len > 0) {
		struct token token;
		bool is_escape = macros.at[0] == '%';

		if (token_cut(&macros, &token) != OK)
			return ERR_SYNTAX;
		if (token.is_macro && !is_known_letter(token.letter, place))
			return ERR_SYNTAX;
		if (!token.is_macro && !is_escape && !is_literal(token.literal, place))
			return ERR_SYNTAX;
	}
	return OK;
}

/* Letters, digits and inner hyphens; a hyphen or at least one letter among them. */
static bool is_top_label(struct span label)
{
	bool is_numeric = true;

	if (label.len == 0 || label.at[0] == '-' || label.at[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		if (!ascii_is_letter(label.at[i]) && !ascii_is_digit(label.at[i]) &&
		    label.at[i] != '-')
			return false;
		if (!ascii_is_digit(label.at[i]))
			is_numeric = false;
	}
	return !is_numeric;
}

enum err spf_domain_spec_check(struct span spec)
{
	struct span rest = spec, last = { 0 };
	bool ends_in_macro = false;
	size_t dot;

	if (spec.len == 0 || spf_macro_check(spec, SPF_IN_DOMAIN) != OK)
		return ERR_SYNTAX;
	while (rest.len > 0) {
		struct token token;

		ends_in_macro = rest.at[0] == '%';
		if (token_cut(&rest, &token) != OK)
			return ERR_SYNTAX;
		last = token.literal;
	}
	if (ends_in_macro)
		return OK;
	if (last.at[last.len - 1] == '.')
		last.len--;
	dot = span_rfind(last, '.');
	if (dot == last.len || !is_top_label(span_from(last, dot + 1)))
		return ERR_SYNTAX;
	return OK;
}

bool spf_macro_uses(struct span macros, struct span letters)
{
	while (macros.len > 0) {
		struct token token;

		if (token_cut(&macros, &token) != OK)
			return false;
		if (token.is_macro && span_find(letters, token.letter) < letters.len)
			return true;
	}
	return false;
}

/* --- expansion --- */

/* %{i}: an IPv4 address as it is written, 32 nibbles with dots for IPv6. */
static void text_add_dotted(struct text *text, struct ip ip)
{
	if (ip.family != IP_V6) {
		text_add_ip(text, ip);
		return;
	}
	for (size_t i = 0; i < sizeof(ip.byte); i++)
		text_addf(text, i == 0 ? "%X.%X" : ".%X.%X", ip.byte[i] >> 4, ip.byte[i] & 15);
}

static void text_add_letter(struct text *text, char letter, const struct spf_macro_values *values)
{
	switch (letter) {
	case 's': text_add(text, values->sender); break;
	case 'l': text_add(text, values->local); break;
	case 'o': text_add(text, values->sender_domain); break;
	case 'd': text_add(text, values->domain); break;
	case 'i': text_add_dotted(text, values->client); break;
	case 'p': text_add(text, values->validated); break;
	case 'h': text_add(text, values->helo); break;
	case 'v':
		text_add(text, values->client.family == IP_V6 ? SPAN("ip6") : SPAN("in-addr"));
		break;
	case 'c': text_add_ip(text, values->client); break;
	case 'r': text_add(text, values->receiver); break;
	case 't': text_add_int(text, values->time_s); break;
	default: break; /* spf_macro_check lets no other letter through */
	}
}

static bool splits_at(const struct token *token, char c)
{
	if (token->delimiters.len == 0)
		return c == '.';
	return span_find(token->delimiters, c) < token->delimiters.len;
}

/* Parts between delimiters; what is beyond PARTS_MAX stays in the last one. */
static size_t value_split(const struct token *token, struct span value,
			  struct span part[SPF_MACRO_PARTS_MAX])
{
	size_t count = 0, start = 0;

	for (size_t i = 0; i < value.len && count < SPF_MACRO_PARTS_MAX - 1; i++) {
		if (splits_at(token, value.at[i])) {
			part[count++] = span_of(value.at + start, i - start);
			start = i + 1;
		}
	}
	part[count++] = span_from(value, start);
	return count;
}

static bool is_unreserved(char c)
{
	return ascii_is_letter(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_' ||
	       c == '~';
}

/* Source: RFC 3986 section 2.1. */
static void text_add_url(struct text *text, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (is_unreserved(s.at[i]))
			text_add_char(text, s.at[i]);
		else
			text_addf(text, "%%%02X", (unsigned char)s.at[i]);
	}
}

static void text_add_joined(struct text *text, const struct token *token, struct span value)
{
	struct span part[SPF_MACRO_PARTS_MAX];
	size_t count = value_split(token, value, part);
	size_t kept = token->parts == 0 || token->parts > count ? count : token->parts;

	/* Reversed first, then the rightmost are kept (section 7.3). */
	for (size_t i = count - kept; i < count; i++) {
		if (i > count - kept)
			text_add_char(text, '.');
		text_add(text, part[token->is_reversed ? count - 1 - i : i]);
	}
}

static void text_add_macro(struct text *text, const struct token *token,
			   const struct spf_macro_values *values)
{
	TEXT(value, SPF_MACRO_VALUE_MAX);
	TEXT(joined, SPF_MACRO_VALUE_MAX);

	text_add_letter(&value, token->letter, values);
	text_add_joined(&joined, token, text_span(&value));
	if (value.overrun || joined.overrun)
		text->overrun = true;
	else if (token->is_upper)
		text_add_url(text, text_span(&joined));
	else
		text_add(text, text_span(&joined));
}

void text_add_spf_expanded(struct text *text, struct span macros,
			   const struct spf_macro_values *values)
{
	while (macros.len > 0 && !text->overrun) {
		struct token token;

		if (token_cut(&macros, &token) != OK)
			return;
		if (token.is_macro)
			text_add_macro(text, &token, values);
		else
			text_add(text, token.literal);
	}
}

struct span spf_domain_spec_expand(struct text *name, struct span spec,
				   const struct spf_macro_values *values)
{
	struct span expanded;

	text_clear(name);
	text_add_spf_expanded(name, spec, values);
	if (name->overrun)
		return SPAN("");
	expanded = text_span(name);
	if (expanded.len > 0 && expanded.at[expanded.len - 1] == '.')
		expanded.len--;
	while (expanded.len > DOMAIN_NAME_MAX)
		expanded = domain_parent(expanded);
	return expanded;
}
