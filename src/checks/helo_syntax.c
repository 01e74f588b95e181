/* helo_syntax.c -- is the greeting what RFC 5321 wants: a host name, or an address in brackets?
 *
 *	weigh helo_syntax {
 *	    bare_address 2, foreign_literal 2, single_label 1, own 5
 *	    own_name    mx1.example.org
 *	    own_name    .mx.example.org
 *	    own_address 192.0.2.0/28
 *	}
 *
 * Nothing is asked. At most one of these, the first that holds:
 *
 * missing          there is no greeting, or it is empty
 * bad_literal      it has brackets, and what is in them is no address (section 4.1.3)
 * foreign_literal  it is an address in brackets, and not that of the client
 * bare_address     it is an address without brackets
 * non_ascii        it has a control character, or a byte that is not ASCII
 * too_long         a label has more than 63 bytes, or all of it more than 253
 * underscore       it has an underscore and is a host name but for that
 * single_label     it is a name without a dot: "localhost", "friend"
 * no_host_name     it is anything else that is no host name (section 2.3.5)
 *
 * And, whatever it is otherwise:
 *
 * localhost        it is localhost, a name below it, localhost.localdomain or a loopback address
 * own              it is one of our own names or addresses
 *
 * own_name and own_address say what is ours and may be repeated: a name, with a dot in front all
 * names below it; an address or a network. A client that has such an address itself may greet
 * as it likes, and so may one on loopback: neither localhost nor own is found.
 */
#include "checks/host.h"

enum {
	MISSING,
	BAD_LITERAL,
	FOREIGN_LITERAL,
	BARE_ADDRESS,
	NON_ASCII,
	TOO_LONG,
	UNDERSCORE,
	SINGLE_LABEL,
	NO_HOST_NAME,
	LOCALHOST,
	OWN,
	FINE, /* none of the syntax findings */
};

enum { OWN_MAX = 256 };

struct helo_parameters {
	struct text_list own_names;
	struct network_list own_networks;
};

/* --- syntax --- */

static struct span without_final_dot(struct span name)
{
	return span_ends(name, SPAN(".")) ? span_first(name, name.len - 1) : name;
}

static bool is_literal_like(struct span helo)
{
	return helo.at[0] == '[' || helo.at[helo.len - 1] == ']';
}

/* Strictly: an IPv6 address without its tag is none. */
static bool is_literal(struct span helo, struct ip *ip_out)
{
	bool is_closed = helo.len >= 2 && helo.at[0] == '[' && helo.at[helo.len - 1] == ']';
	struct span inside = is_closed ? span_of(helo.at + 1, helo.len - 2) : SPAN("");
	bool is_tagged = span_starts_nocase(inside, SPAN("IPv6:"));
	struct ip ip;

	if (!is_closed || ip_parse(span_from(inside, is_tagged ? 5 : 0), &ip) != OK ||
	    (ip.family == IP_V6) != is_tagged)
		return false;
	*ip_out = ip_unmapped(ip);
	return true;
}

static bool is_ascii(struct span helo)
{
	for (size_t i = 0; i < helo.len; i++)
		if (helo.at[i] < ' ' || helo.at[i] > '~')
			return false;
	return true;
}

static bool is_too_long(struct span name)
{
	struct span rest = name, label;

	while (span_cut(&rest, '.', &label))
		if (label.len > DOMAIN_LABEL_MAX)
			return true;
	return name.len > DOMAIN_NAME_MAX;
}

static bool is_host_name_but_for_underscores(struct span name)
{
	TEXT(other, DOMAIN_NAME_MAX);

	for (size_t i = 0; i < name.len; i++)
		text_add_char(&other, name.at[i] == '_' ? 'x' : name.at[i]);
	return domain_is_host_name(text_span(&other));
}

static unsigned syntax_of_name(struct span helo)
{
	struct span name = without_final_dot(helo);

	if (!is_ascii(name))
		return NON_ASCII;
	if (is_too_long(name))
		return TOO_LONG;
	if (domain_is_host_name(name))
		return FINE;
	if (is_host_name_but_for_underscores(name))
		return UNDERSCORE;
	if (name.len > 0 && span_find(name, '.') == name.len)
		return SINGLE_LABEL;
	return NO_HOST_NAME;
}

/* @param ip_out  the address that the greeting gives, IP_NONE for a name */
static unsigned syntax_of(struct span helo, struct ip client, struct ip *ip_out)
{
	if (span_is_empty(helo))
		return MISSING;
	if (is_literal(helo, ip_out))
		return client.family == IP_NONE || ip_equal(*ip_out, client) ? FINE
									     : FOREIGN_LITERAL;
	if (is_literal_like(helo))
		return BAD_LITERAL;
	if (host_address(helo, ip_out))
		return BARE_ADDRESS;
	return syntax_of_name(helo);
}

/* --- whose name it is --- */

static bool is_loopback(struct ip ip)
{
	static const struct prefix loopback[] = {
		{ { { 127 }, IP_V4 }, 8 },
		{ { { [15] = 1 }, IP_V6 }, 128 },
	};

	return prefix_has(&loopback[0], ip) || prefix_has(&loopback[1], ip);
}

static bool is_localhost(struct span name, struct ip address)
{
	return is_loopback(address) || domain_is_within(name, SPAN("localhost")) ||
	       span_equal_nocase(name, SPAN("localhost.localdomain"));
}

static bool is_own_address(const struct helo_parameters *own, struct ip ip)
{
	for (uint16_t i = 0; i < own->own_networks.count; i++)
		if (prefix_has(&own->own_networks.network[i], ip))
			return true;
	return false;
}

/* @param name  without its final dot */
static bool is_own_name(const struct helo_parameters *own, struct span name)
{
	for (uint16_t i = 0; i < own->own_names.count; i++) {
		struct span ours = without_final_dot(own->own_names.text[i]);

		if (span_starts(ours, SPAN("."))
			    ? name.len > ours.len && span_ends_nocase(name, ours)
			    : span_equal_nocase(name, ours))
			return true;
	}
	return false;
}

static void helo_syntax_weigh(const struct attempt *attempt, const struct arguments *arguments,
			      struct ledger *ledger, struct findings *found)
{
	const struct helo_parameters *own = arguments->parameters;
	struct span helo = attempt->attribute[ATTRIBUTE_helo_name];
	struct ip address = { 0 };
	unsigned syntax = syntax_of(helo, attempt->client, &address);
	struct span name = without_final_dot(helo);

	(void)ledger;
	if (syntax != FINE)
		found->times[syntax] = 1;
	if (is_loopback(attempt->client) || is_own_address(own, attempt->client))
		return;
	found->times[LOCALHOST] = is_localhost(name, address);
	found->times[OWN] = is_own_name(own, name) || is_own_address(own, address);
}

static const struct parameter helo_parameter[] = {
	{ "own_name", PARAMETER_TEXTS, offsetof(struct helo_parameters, own_names), 0, OWN_MAX },
	{ "own_address", PARAMETER_NETWORKS, offsetof(struct helo_parameters, own_networks), 0,
	  OWN_MAX },
	{ .name = NULL },
};

static const struct helo_parameters helo_defaults = { 0 };

const struct check check_helo_syntax = {
	.name = "helo_syntax",
	.finding = {
		[MISSING] = "missing",
		[BAD_LITERAL] = "bad_literal",
		[FOREIGN_LITERAL] = "foreign_literal",
		[BARE_ADDRESS] = "bare_address",
		[NON_ASCII] = "non_ascii",
		[TOO_LONG] = "too_long",
		[UNDERSCORE] = "underscore",
		[SINGLE_LABEL] = "single_label",
		[NO_HOST_NAME] = "no_host_name",
		[LOCALHOST] = "localhost",
		[OWN] = "own",
	},
	.parameter = helo_parameter,
	.parameters_bytes = sizeof(struct helo_parameters),
	.parameter_defaults = &helo_defaults,
	.weigh = helo_syntax_weigh,
};
