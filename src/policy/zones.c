/* zones.c -- the statement "zone": what a DNS list answers, and what it means.
 *
 * Source: RFC 5782.
 */
#include "mail/domain.h"
#include "policy/compiler.h"

enum { LISTED_NETWORK = 0x7f000000, OCTETS = 4 };

/* --- names --- */

/* Labels in front of a list's name that say nothing: bl.spamcop.net is "spamcop". */
static bool is_dull_label(struct span label)
{
	static const char *const dull[] = { "bl",    "dnsbl", "rbl", "list", "multi", "db",
					    "dnswl", "wl",    "all", "ip",   "black", "white" };

	for (size_t i = 0; i < sizeof(dull) / sizeof(*dull); i++)
		if (span_equal_nocase(label, span_cstr(dull[i])))
			return true;
	return label.len < 3;
}

/* Some lists give their customers names with a secret in front: KEY.zen.dq.spamhaus.net. */
static bool has_key(struct span name)
{
	static const struct {
		struct span suffix;
		size_t labels; /* of a name with a key, at least */
	} keyed[] = {
		{ SPAN_INIT(".dq.spamhaus.net"), 5 },
		{ SPAN_INIT(".mail.abusix.zone"), 5 },
		{ SPAN_INIT(".spamrats.com"), 4 },
	};

	for (size_t i = 0; i < sizeof(keyed) / sizeof(*keyed); i++)
		if (span_ends_nocase(name, keyed[i].suffix) &&
		    domain_label_count(name) >= keyed[i].labels)
			return true;
	return false;
}

static struct span zone_shown(struct compiler *compiler, struct span name)
{
	TEXT(shown, DOMAIN_NAME_MAX + 4);

	if (!has_key(name))
		return name;
	text_add(&shown, SPAN("***."));
	text_add(&shown, domain_parent(name));
	return compiler_copy(compiler, text_span(&shown));
}

/* The label that tells the list from others, as a name of the language. */
static struct span zone_alias(struct compiler *compiler, struct span name)
{
	TEXT(alias, DOMAIN_LABEL_MAX + 1);
	struct span label;

	if (has_key(name))
		name = domain_parent(name);
	label = span_first(name, span_find(name, '.'));
	if (is_dull_label(label) && domain_label_count(name) > 2)
		label = span_first(domain_parent(name), span_find(domain_parent(name), '.'));
	if (label.len > 0 && ascii_is_digit(label.at[0]))
		text_add_char(&alias, '_');
	text_add_lower(&alias, label);
	return compiler_copy(compiler, text_span(&alias));
}

/* The name of a list: lower case, without final dot. */
static bool zone_name_read(struct compiler *compiler, struct span word, struct place place,
			   struct span *name_out)
{
	TEXT(name, DOMAIN_NAME_MAX + 1);

	text_add_lower(&name, word);
	if (name.len > 0 && name.at[name.len - 1] == '.')
		name.len--;
	if (name.overrun || !domain_is_host_name(text_span(&name))) {
		report_error(&compiler->report, place, "'%.*s' is no name of a DNS list",
			     WORD_ARG(word));
		report_hint(&compiler->report, "such as zen.spamhaus.org");
		return false;
	}
	*name_out = compiler_copy(compiler, text_span(&name));
	return name_out->at != NULL;
}

/* --- what is meant when nothing is said --- */

static void zone_add_refused(struct zone *zone, struct span network)
{
	if (zone->refused_count < ZONE_RANGES_MAX &&
	    prefix_parse(network, &zone->refused[zone->refused_count]) == OK)
		zone->refused_count++;
}

static void zone_add_standard_meaning(struct zone *zone)
{
	zone->meaning[0] = SPAN("listed");
	zone->meaning_count = 1;
	zone->range[0] = (struct zone_range){ .address = LISTED_NETWORK, .mask = 0xff000000 };
	zone->range_count = 1;
	if (zone->refused_count > 0)
		return;
	zone_add_refused(zone, SPAN("127.0.0.0"));
	zone_add_refused(zone, SPAN("127.0.0.1"));
}

static void zone_complete(struct compiler *compiler, struct zone *zone)
{
	if (zone->refused_count == 0 || zone->meaning_count == 0) {
		if (zone->meaning_count == 0)
			zone_add_standard_meaning(zone);
		zone_add_refused(zone, SPAN("127.255.255.0/24"));
	}
	if (!zone->lists_ip4 && !zone->lists_ip6 && !zone->lists_domains)
		zone->lists_ip4 = zone->lists_ip6 = zone->lists_domains = true;
	if (zone->alias.len == 0)
		zone->alias = zone_alias(compiler, zone->name);
	zone->shown = zone_shown(compiler, zone->name);
}

struct zone *zone_standard(struct compiler *compiler, struct span name, struct place place)
{
	struct zone *zone;
	struct span plain;

	if (!zone_name_read(compiler, name, place, &plain))
		return NULL;
	zone = compiler_alloc(compiler, sizeof(*zone));
	if (zone == NULL)
		return NULL;
	zone->name = plain;
	zone_complete(compiler, zone);
	return symbol_add(compiler, &compiler->zones, plain, place, zone) == NULL ? NULL : zone;
}

/* --- answers --- */

/* 127.0.0.4, 127.0.0.4/30, 127.0.*.1: an address and the bits of it that count. */
static bool range_read(struct span s, struct zone_range *range)
{
	struct span rest = s, octet;
	uint32_t address = 0, mask = 0;
	struct prefix prefix;

	if (prefix_parse(s, &prefix) == OK && prefix.ip.family == IP_V4) {
		for (unsigned i = 0; i < OCTETS; i++)
			address = address << 8 | prefix.ip.byte[i];
		mask = prefix.bits == 0 ? 0 : UINT32_MAX << (32 - prefix.bits);
	} else {
		for (unsigned i = 0; i < OCTETS; i++) {
			struct zone_range one;
			TEXT(whole, 16);

			if (!span_cut(&rest, '.', &octet))
				return false;
			address <<= 8;
			mask <<= 8;
			if (span_equal(octet, SPAN("*")))
				continue;
			/* A number from 0 to 255 is what makes an address of 0.0.0.N. */
			text_add(&whole, SPAN("0.0.0."));
			text_add(&whole, octet);
			if (span_has(octet, SPAN("*")) || whole.overrun ||
			    prefix_parse(text_span(&whole), &prefix) != OK || prefix.bits != 32)
				return false;
			one.address = prefix.ip.byte[3];
			address |= one.address;
			mask |= 0xff;
		}
		if (rest.len > 0 || span_ends(s, SPAN(".")))
			return false;
	}
	*range = (struct zone_range){ .address = address, .mask = mask };
	return (mask & 0xff000000) == 0xff000000 && (address & 0xff000000) == LISTED_NETWORK;
}

static bool zone_add_range(struct parser *parser, struct zone *zone, struct place place,
			   struct zone_range range)
{
	if (zone->range_count == ZONE_RANGES_MAX) {
		report_error(parser_report(parser), place, "a zone has at most %d answers",
			     ZONE_RANGES_MAX);
		return false;
	}
	zone->range[zone->range_count++] = range;
	return true;
}

static bool meaning_add(struct parser *parser, struct zone *zone, uint8_t *meaning_out)
{
	struct token token;

	if (!parser_expect_name(parser, "a finding's name", &token))
		return false;
	if (token_is_word(&token, ZONE_CLEAR)) {
		report_error(parser_report(parser), token.place,
			     "'clear' is what a zone means when it lists nothing");
		return false;
	}
	*meaning_out = 0;
	while (*meaning_out < zone->meaning_count &&
	       !span_equal(zone->meaning[*meaning_out], token.text))
		++*meaning_out;
	if (*meaning_out < zone->meaning_count) {
		report_error(parser_report(parser), token.place,
			     "'%.*s' stands twice; give it a list: [ANSWER, ANSWER]",
			     WORD_ARG(token.text));
		return false;
	}
	if (zone->meaning_count == ZONE_MEANINGS_MAX) {
		report_error(parser_report(parser), token.place, "a zone has at most %d findings",
			     ZONE_MEANINGS_MAX);
		return false;
	}
	zone->meaning[zone->meaning_count++] = token.text;
	return parser_expect_sign(parser, "=", "the finding's name");
}

static bool answer_parse(struct parser *parser, struct zone *zone, uint8_t meaning)
{
	struct zone_range range;
	struct token token;
	struct span text;

	if (!parser_expect_text(parser, LEX_WORD, "an answer", &token, &text))
		return false;
	if (!range_read(text, &range)) {
		report_error(parser_report(parser), token.place, "'%.*s' is no answer of a list",
			     WORD_ARG(text));
		report_hint(parser_report(parser),
			    "answers lie in 127.0.0.0/8, such as 127.0.0.4/30 or 127.0.*.1");
		return false;
	}
	range.meaning = meaning;
	return zone_add_range(parser, zone, token.place, range);
}

static bool bits_parse_one(struct parser *parser, struct zone *zone, uint8_t meaning)
{
	struct place place = parser_peek(parser, LEX_WORD)->place;
	int64_t bits;

	if (!parser_expect_integer(parser, "the bits of the last octet", 1, 255, &bits))
		return false;
	return zone_add_range(parser, zone, place,
			      (struct zone_range){ .address = LISTED_NETWORK | (uint32_t)bits,
						   .mask = 0xff000000,
						   .is_bits = true,
						   .meaning = meaning });
}

/* ANSWER or [ANSWER, ANSWER] */
static bool answers_parse(struct parser *parser, struct zone *zone, uint8_t meaning,
			  bool (*parse)(struct parser *, struct zone *, uint8_t))
{
	struct place bracket;
	enum list_next next;

	if (!parser_accept_sign(parser, "["))
		return parse(parser, zone, meaning);
	bracket = parser->previous;
	for (next = parser_first_in_list(parser); next == LIST_MORE;
	     next = parser_next_in_list(parser, bracket))
		if (!parse(parser, zone, meaning))
			return false;
	return next == LIST_CLOSED;
}

static bool more_parse(struct parser *parser)
{
	if (!parser_accept_sign(parser, ","))
		return false;
	parser_skip_newlines(parser);
	return true;
}

static bool meanings_parse(struct parser *parser, struct zone *zone,
			   bool (*parse)(struct parser *, struct zone *, uint8_t))
{
	uint8_t meaning;

	do {
		if (!meaning_add(parser, zone, &meaning) ||
		    !answers_parse(parser, zone, meaning, parse))
			return false;
	} while (more_parse(parser));
	return true;
}

/* --- the lines of a zone --- */

static bool means_parse(struct parser *parser, struct zone *zone)
{
	return meanings_parse(parser, zone, answer_parse);
}

static bool bits_parse(struct parser *parser, struct zone *zone)
{
	return meanings_parse(parser, zone, bits_parse_one);
}

static bool lists_parse(struct parser *parser, struct zone *zone)
{
	do {
		struct guess guess;
		struct token token;

		if (parser_accept_word(parser, "ip4")) {
			zone->lists_ip4 = true;
		} else if (parser_accept_word(parser, "ip6")) {
			zone->lists_ip6 = true;
		} else if (parser_accept_word(parser, "domains")) {
			zone->lists_domains = true;
		} else {
			if (!parser_expect_name(parser, "ip4, ip6 or domains", &token))
				return false;
			report_error(parser_report(parser), token.place,
				     "a list lists ip4, ip6 or domains, not '%.*s'",
				     WORD_ARG(token.text));
			guess = guess_of(token.text);
			guess_offer(&guess, SPAN("ip4"));
			guess_offer(&guess, SPAN("ip6"));
			guess_offer(&guess, SPAN("domains"));
			report_guess(parser_report(parser), &guess);
			return false;
		}
	} while (more_parse(parser));
	return true;
}

static bool refused_parse(struct parser *parser, struct zone *zone)
{
	do {
		struct token token;
		struct span text;
		struct prefix prefix;

		if (!parser_expect_text(parser, LEX_WORD, "an answer", &token, &text))
			return false;
		if (prefix_parse(text, &prefix) != OK) {
			report_error(parser_report(parser), token.place,
				     "'%.*s' is no address or network", WORD_ARG(text));
			return false;
		}
		if (zone->refused_count == ZONE_RANGES_MAX) {
			report_error(parser_report(parser), token.place,
				     "a zone has at most %d refusals", ZONE_RANGES_MAX);
			return false;
		}
		zone->refused[zone->refused_count++] = prefix;
	} while (more_parse(parser));
	return true;
}

static bool test_parse(struct parser *parser, struct zone *zone)
{
	do {
		struct token token;
		bool listed = parser_accept_word(parser, "listed");

		if (!listed && !parser_accept_word(parser, "clear")) {
			parser_report_unexpected(parser, "'listed' or 'clear'");
			return false;
		}
		if (!parser_expect_text(parser, LEX_WORD, "a name or address", &token,
					listed ? &zone->test_listed : &zone->test_clear))
			return false;
	} while (more_parse(parser));
	return true;
}

static bool alias_parse(struct parser *parser, struct zone *zone)
{
	struct token token;

	if (!parser_expect_name(parser, "a name", &token))
		return false;
	zone->alias = token.text;
	return true;
}

static bool home_parse(struct parser *parser, struct zone *zone)
{
	struct token token;

	return parser_expect_text(parser, LEX_WORD, "an address of the web", &token, &zone->home);
}

static bool dead_parse(struct parser *parser, struct zone *zone)
{
	struct token token;

	return parser_expect_text(parser, LEX_WORD, "since when it is dead", &token,
				  &zone->dead_since);
}

/* A year, or a year and a month. */
static bool is_date(struct span s)
{
	if (s.len != 4 && s.len != 7)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (i == 4 ? s.at[i] != '-' : !ascii_is_digit(s.at[i]))
			return false;
	return true;
}

static bool checked_parse(struct parser *parser, struct zone *zone)
{
	struct token token;

	if (!parser_expect_text(parser, LEX_WORD, "when it was looked at last", &token,
				&zone->checked))
		return false;
	if (is_date(zone->checked))
		return true;
	report_error(parser_report(parser), token.place, "'%.*s' is no year and month",
		     WORD_ARG(zone->checked));
	report_hint(parser_report(parser), "such as \"2026-11\"");
	return false;
}

static const struct {
	const char *keyword;
	bool (*parse)(struct parser *parser, struct zone *zone);
} lines[] = {
	{ "lists", lists_parse },     { "means", means_parse }, { "bits", bits_parse },
	{ "refused", refused_parse }, { "test", test_parse },   { "alias", alias_parse },
	{ "home", home_parse },       { "dead", dead_parse },   { "checked", checked_parse },
};

static bool line_parse(struct parser *parser, struct zone *zone)
{
	struct token keyword = parser_take(parser, LEX_WORD);
	struct guess guess = guess_of(keyword.text);

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		guess_offer(&guess, span_cstr(lines[i].keyword));
		if (token_is_word(&keyword, lines[i].keyword))
			return lines[i].parse(parser, zone);
	}
	report_error(parser_report(parser), keyword.place, "a zone has no '%.*s'",
		     WORD_ARG(keyword.text));
	report_guess(parser_report(parser), &guess);
	return false;
}

bool zone_parse(struct parser *parser)
{
	struct compiler *compiler = parser->compiler;
	struct zone *zone;
	struct token token;
	struct span word;
	struct place brace;

	if (!parser_expect_text(parser, LEX_WORD, "the name of a DNS list", &token, &word))
		return false;
	zone = compiler_alloc(compiler, sizeof(*zone));
	if (zone == NULL || !zone_name_read(compiler, word, token.place, &zone->name) ||
	    !parser_expect_sign(parser, "{", "the name of the zone"))
		return false;
	brace = parser->previous;
	while (parser_next_item(parser, brace))
		if (!line_parse(parser, zone) || !parser_expect_end(parser))
			parser_skip(parser);
	zone_complete(compiler, zone);
	(void)symbol_add(compiler, &compiler->zones, zone->name, token.place, zone);
	return true;
}
