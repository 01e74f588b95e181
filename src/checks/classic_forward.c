/* classic_forward.c -- forward lookups: does a name of sender or greeting lead to the client?
 * (4.6, 5.2)
 *
 * Two walks, from the sender's domain and from the greeting up to their last two labels: MX,
 * the addresses of each MX host, the addresses of the name.
 *
 * Bounds, which the original has not: of a name with many labels the name itself and its
 * CLASSIC_NAMES_MAX - 1 shortest parents are walked; MX hosts are asked, in the order of the
 * walk, while CLASSIC_QUESTIONS_MAX lasts.  Facts come sorted, MX records by preference.
 */
#include "checks/classic_priv.h"

#include "base/ensure.h"
#include "mail/domain.h"

static const struct fact nothing = { .state = FACT_NONE };

struct side {
	struct span mx_points, ip_points;
	enum classic_lookup mx, mx_a, a;
	struct span mx_says, mx_a_says, a_says;
};

static const struct side side_words[] = {
	[SIDE_FROM] = { SPAN_INIT("CL_IP_EQ_FROM_MX"), SPAN_INIT("CL_IP_EQ_FROM_IP"),
			LOOKUP_FROM_MX, LOOKUP_FROM_MX_A, LOOKUP_FROM_A,
			SPAN_INIT("FROM MX lookups for "), SPAN_INIT("FROM MX -> A lookups"),
			SPAN_INIT("FROM A lookup for ") },
	[SIDE_HELO] = { SPAN_INIT("CL_IP_EQ_HELO_MX"), SPAN_INIT("CL_IP_EQ_HELO_IP"),
			LOOKUP_HELO_MX, LOOKUP_HELO_MX_A, LOOKUP_HELO_A,
			SPAN_INIT("HELO MX lookups for "), SPAN_INIT("HELO MX -> A lookups"),
			SPAN_INIT("HELO A lookup for ") },
};

/* --- names as they are asked for --- */

static bool is_hex_address(struct span name, bool *has_colon_out)
{
	bool has_colon = false;

	for (size_t i = 0; i < name.len; i++) {
		char c = ascii_lower(name.at[i]);

		if (c == ':')
			has_colon = true;
		else if (!ascii_is_digit(c) && c != '.' && c != '/' && !(c >= 'a' && c <= 'f'))
			return false;
	}
	*has_colon_out = has_colon;
	return name.len > 0 && (has_colon || ascii_is_digit(name.at[name.len - 1]));
}

/* "198.51.100.7" -> "7.100.51.198.in-addr.arpa"; fewer parts likewise, a fifth is dropped. */
static bool reverse_quad(struct span name, struct text *room)
{
	struct span part[4], rest = name;
	int parts = 0;

	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_digit(name.at[i]) && name.at[i] != '.')
			return false;
	while (parts < 4 && span_cut(&rest, '.', &part[parts]))
		parts++;
	while (parts-- > 0) {
		text_add(room, part[parts]);
		text_add_char(room, '.');
	}
	text_add(room, SPAN("in-addr.arpa"));
	return true;
}

static bool is_plain_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];

		if (!(c >= 'a' && c <= 'z') && !ascii_is_digit(c) && c != '-' && c != '.' &&
		    c != '_')
			return false;
	}
	return true;
}

static struct span without_last_dots(struct span name)
{
	while (name.len > 0 && name.at[name.len - 1] == '.')
		name.len--;
	return name;
}

bool classic_question(struct span name, struct text *room, struct span *question_out)
{
	struct ip ip;
	bool has_colon;

	name = without_last_dots(name);
	if (!domain_can_exist(name))
		return false;
	text_clear(room);
	if (is_hex_address(name, &has_colon)) {
		if (has_colon && ip_parse(name, &ip) == OK)
			text_add_ip_arpa(room, ip_unmapped(ip));
		else if (has_colon || !reverse_quad(name, room))
			text_add_domain(room, name);
		*question_out = text_span(room);
		return !room->overrun;
	}
	if (!is_plain_name(name)) {
		text_add_domain(room, name);
		name = text_span(room);
	}
	*question_out = name;
	return !room->overrun;
}

/* --- the names of a walk --- */

struct names {
	struct span name; /* the next one; fewer than two labels: none */
	unsigned skip;    /* labels to drop after the first name */
};

static struct names names_of(const struct classic *c, enum classic_side side)
{
	struct names names = { 0 };
	size_t labels;

	names.name =
		without_last_dots(side == SIDE_FROM ? c->request.sender_domain : c->request.helo);
	labels = domain_label_count(names.name);
	if (labels > CLASSIC_NAMES_MAX + 1)
		names.skip = (unsigned)labels - CLASSIC_NAMES_MAX - 1;
	return names;
}

static struct span drop_label(struct span name)
{
	return span_from(name, span_find(name, '.') + 1);
}

static bool next_name(struct names *names, struct span *name_out)
{
	while (span_find(names->name, '.') < names->name.len) {
		struct span name = names->name;

		for (names->name = drop_label(name); names->skip > 0; names->skip--)
			names->name = drop_label(names->name);
		/* literals are passed over */
		if (span_find(name, '[') < name.len || span_find(name, ']') < name.len)
			continue;
		*name_out = name;
		return true;
	}
	return false;
}

static unsigned count_names(const struct classic *c, enum classic_side side)
{
	struct names names = names_of(c, side);
	struct span name;
	unsigned count = 0;

	while (next_name(&names, &name))
		count++;
	return count;
}

/* How many MX hosts may be asked: A and AAAA each, of what lists and names leave. */
static unsigned hosts_max(const struct classic *c)
{
	unsigned names = count_names(c, SIDE_FROM) + count_names(c, SIDE_HELO);
	unsigned lists =
		c->set->dnsbl.count < CLASSIC_DNSBL_MAX ? c->set->dnsbl.count : CLASSIC_DNSBL_MAX;
	unsigned taken;

	lists += c->set->rhsbl.count < CLASSIC_RHSBL_MAX ? c->set->rhsbl.count : CLASSIC_RHSBL_MAX;
	taken = lists + 1 + 3 * names;
	ENSURE(taken < CLASSIC_QUESTIONS_MAX);
	return (CLASSIC_QUESTIONS_MAX - taken) / 2;
}

/* --- addresses --- */

static bool has_digit(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (ascii_is_digit(s.at[i]))
			return true;
	return false;
}

/* Into FA: the sender's addresses. */
static void note_from_address(struct classic *c, struct span address)
{
	const struct classic_request *r = &c->request;

	c->from_has_digit = c->from_has_digit || has_digit(address);
	c->from_has_private = c->from_has_private || classic_is_private(address);
	c->from_has_client =
		c->from_has_client || (r->client_text.len > 0 && span_has(address, r->client_text));
	c->from_has_net24 = c->from_has_net24 || (r->net24.len > 0 && span_has(address, r->net24));
}

/* Into ALL. */
static void note_address(struct classic *c, struct span address)
{
	const struct classic_request *r = &c->request;

	c->all_has_net24 = c->all_has_net24 || (r->net24.len > 0 && span_starts(address, r->net24));
	c->all_has_net16 = c->all_has_net16 || (r->net16.len > 0 && span_starts(address, r->net16));
}

/* A record's address as it is compared: IPv6 written out. */
static struct span address_text(enum fact_kind kind, struct span item, struct text *room)
{
	struct ip ip;

	if (kind != FACT_DNS_AAAA || ip_parse(item, &ip) != OK)
		return item;
	text_clear(room);
	text_add_ip_full(room, ip);
	return text_span(room);
}

/* --- one name --- */

/* 5.2: an error costs budget.  @return false: it is used up, A7 */
static bool spend(struct classic *c, enum classic_lookup lookup, struct span says, struct span name)
{
	c->unknown_lookups |= 1U << lookup;
	if (--c->budget > 0)
		return true;
	classic_say_trouble(c, says, name);
	classic_remember_accepted(c);
	return false;
}

/* The sender has no address, or a private one (4.6 steps 3 and 6). */
static bool from_is_bogus(const struct classic *c)
{
	return !c->from_has_digit || c->from_has_private;
}

/* Addresses of an MX host; the walk of the records ends with the client's. */
static void weigh_host(struct classic *c, enum classic_side side, struct span host,
		       const struct fact *fact)
{
	TEXT(room, IP_TEXT_MAX);

	for (unsigned i = 0; i < fact->item_count; i++) {
		struct span address = address_text(fact->kind, fact->item[i], &room);

		if (side == SIDE_FROM) {
			note_from_address(c, address);
			if (classic_has_inner_label(host, c->helo_label))
				c->mx_has_helo_domain = true;
		}
		note_address(c, address);
		if (!span_equal(address, c->request.client_text))
			continue;
		classic_add(c, SPAN(""), side_words[side].mx_points, c->set->helo_from_mx_eq_ip[1]);
		c->found = true;
		c->mx_ok = true;
		c->helo_state = HELO_TRUSTED;
		if (side == SIDE_FROM)
			c->is_mx = true;
		return;
	}
}

/* Addresses of the name itself. */
static void weigh_name(struct classic *c, enum classic_side side, const struct fact *fact)
{
	TEXT(room, IP_TEXT_MAX);

	for (unsigned i = 0; i < fact->item_count; i++) {
		struct span address = address_text(fact->kind, fact->item[i], &room);

		if (side == SIDE_FROM &&
		    !(c->set->ignore_private && classic_mentions_private(address)))
			note_from_address(c, address);
		note_address(c, address);
		if (!span_equal(address, c->request.client_text))
			continue;
		classic_add(c, SPAN(""), side_words[side].ip_points, c->set->helo[1]);
		c->found = true;
		c->helo_state = HELO_TRUSTED;
		c->bad_mx = false;
		if (side == SIDE_FROM)
			c->from_ip_ok = true;
		return;
	}
}

/* A, then AAAA of an MX host (is_host) or of the name itself. */
static bool weigh_addresses(struct classic *c, enum classic_side side, struct span name,
			    bool is_host, struct span question)
{
	static const enum fact_kind kind[] = { FACT_DNS_A, FACT_DNS_AAAA };
	const struct side *words = &side_words[side];

	for (int i = 0; i < 2; i++) {
		const struct fact *fact =
			question.len == 0 ? &nothing : fact_ask(c->ledger, kind[i], question);

		switch (fact->state) {
		case FACT_PENDING: c->is_waiting = true; return false;
		case FACT_NONE: break;
		case FACT_FAILED:
			if (!spend(c, is_host ? words->mx_a : words->a,
				   is_host ? words->mx_a_says : words->a_says,
				   is_host ? span_of("", 0) : name))
				return false;
			break;
		case FACT_KNOWN:
			if (is_host)
				weigh_host(c, side, name, fact);
			else
				weigh_name(c, side, fact);
			break;
		}
	}
	return true;
}

/* The question of an MX record's host; empty when there is none to ask. */
static struct span host_question(struct span host, struct text *room)
{
	TEXT(lower, DOMAIN_TEXT_MAX);
	struct span question;

	/* an escaped name is in presentation form already */
	if (span_find(host, '\\') < host.len) {
		text_clear(room);
		text_add_lower(room, host);
		return text_span(room);
	}
	text_add_lower(&lower, host);
	if (lower.overrun || !classic_question(text_span(&lower), room, &question))
		return span_of("", 0);
	if (question.at == lower.at) {
		text_clear(room);
		text_add(room, question);
		question = text_span(room);
	}
	return question;
}

static bool weigh_hosts(struct classic *c, enum classic_side side, const struct fact *mx)
{
	TEXT(room, DOMAIN_TEXT_MAX);

	for (unsigned i = 0; i < mx->item_count && !c->found; i++) {
		struct span host = fact_mx_host(mx->item[i]);

		if (c->hosts == c->hosts_max) {
			c->unknown_lookups |= 1U << side_words[side].mx_a;
			break;
		}
		c->hosts++;
		if (!weigh_addresses(c, side, host, true, host_question(host, &room)))
			return false;
	}
	return true;
}

/* Steps 5 and 6 */
static void weigh_bogus(struct classic *c, enum classic_side side)
{
	double points = c->set->bogus_mx[0] * c->list_sum;

	if (c->bad_mx && !c->bad_scored && points != 0) {
		classic_add(c, SPAN(""), SPAN("BAD_MX"), points);
		c->bad_scored = true;
	}
	if (side == SIDE_FROM && !c->bogus && from_is_bogus(c)) {
		c->bogus = true;
		c->bogus_points = c->set->bogus_mx[0] + c->list_sum;
		classic_add(c, SPAN(""), SPAN("BOGUS_MX"), c->bogus_points);
	}
}

static bool walk_name(struct classic *c, enum classic_side side, struct span name)
{
	struct span question;
	const struct fact *mx = &nothing;

	if (classic_question(name, c->key, &question))
		mx = fact_ask(c->ledger, FACT_DNS_MX, question);
	else
		question = span_of("", 0);
	switch (mx->state) {
	case FACT_PENDING: c->is_waiting = true; return false;
	case FACT_FAILED: return spend(c, side_words[side].mx, side_words[side].mx_says, name);
	case FACT_NONE:
	case FACT_KNOWN: break;
	}
	c->answered = true;
	if (!weigh_hosts(c, side, mx))
		return false;
	if (side == SIDE_FROM && !c->bad_mx)
		c->bad_mx = from_is_bogus(c);
	if (!c->found && !weigh_addresses(c, side, name, false, question))
		return false;
	weigh_bogus(c, side);
	return true;
}

static bool walk(struct classic *c, enum classic_side side)
{
	struct names names = names_of(c, side);
	struct span name;

	while (next_name(&names, &name)) {
		if (!walk_name(c, side, name))
			return false;
		if (c->found)
			return true;
	}
	return true;
}

/* Near the client, if not the client itself? */
static void weigh_networks(struct classic *c)
{
	if (!c->answered) {
		classic_add(c, SPAN(""), SPAN("NO_MX_A_RECS_FOUND"), c->set->helo[0] - 0.1);
		c->helo_state = HELO_FAILED;
		return;
	}
	if (c->all_has_net24) {
		classic_add(c, SPAN(""), SPAN("HELO_IP_IN_CL_SUBNET"), c->set->subnet24[1]);
		c->helo_state = HELO_TRUSTED;
		c->found = true;
	} else if (c->all_has_net16) {
		classic_add(c, SPAN(""), SPAN("HELO_IP_IN_CL16_SUBNET"), c->set->subnet16[1]);
		c->half = true;
		c->check_reverse = true;
		c->found = true;
	} else if (c->helo_state != HELO_TRUSTED && !c->request.helo_is_own) {
		classic_add(c, SPAN(""), SPAN("CL_IP_NE_HELO"), c->set->helo[0] + c->list_sum);
		c->helo_state = HELO_FAILED;
	}
}

/* The greeting is the first item of ALL, with a blank in front; it may hold blanks itself. */
static void note_greeting(struct classic *c)
{
	struct span rest = c->request.helo, word;

	note_address(c, c->request.helo);
	while (span_cut(&rest, ' ', &word))
		note_address(c, word);
}

bool classic_forward(struct classic *c)
{
	struct span domain = c->request.sender_domain;

	c->hosts_max = hosts_max(c);
	if (c->request.helo_is_own)
		c->helo_state = HELO_TRUSTED;
	if (classic_is_own_literal(domain, c->request.client_text)) {
		note_from_address(c, domain);
		c->found = true;
		c->helo_state = HELO_TRUSTED;
	}
	note_greeting(c);
	if (!walk(c, SIDE_FROM))
		return false;
	if (!c->found && !walk(c, SIDE_HELO))
		return false;
	if (!c->found)
		weigh_networks(c);
	return true;
}

const struct fact *classic_ask_ptr(struct classic *c)
{
	if (c->request.client.family == IP_NONE)
		return &nothing;
	text_clear(c->key);
	text_add_ip_arpa(c->key, c->request.client);
	return fact_ask(c->ledger, FACT_DNS_PTR, text_span(c->key));
}

/* --- ordering ahead --- */

static bool order_names(struct classic *c, enum classic_side side)
{
	struct names names = names_of(c, side);
	struct span name, question;
	bool complete = true;

	while (next_name(&names, &name)) {
		if (!classic_question(name, c->key, &question))
			continue;
		if (fact_ask(c->ledger, FACT_DNS_MX, question)->state == FACT_PENDING)
			complete = false;
		(void)fact_ask(c->ledger, FACT_DNS_A, question);
		(void)fact_ask(c->ledger, FACT_DNS_AAAA, question);
	}
	return complete;
}

static void order_hosts(struct classic *c, enum classic_side side, unsigned *hosts_left)
{
	TEXT(room, DOMAIN_TEXT_MAX);
	struct names names = names_of(c, side);
	struct span name, question;

	while (next_name(&names, &name)) {
		const struct fact *mx = &nothing;

		if (classic_question(name, c->key, &question))
			mx = fact_ask(c->ledger, FACT_DNS_MX, question);
		for (unsigned i = 0; i<mx->item_count && * hosts_left> 0; i++, --*hosts_left) {
			question = host_question(fact_mx_host(mx->item[i]), &room);
			if (question.len == 0)
				continue;
			(void)fact_ask(c->ledger, FACT_DNS_A, question);
			(void)fact_ask(c->ledger, FACT_DNS_AAAA, question);
		}
	}
}

/* Who may be asked among the hosts is known when all MX records are: not before. */
void classic_order_forward(struct classic *c)
{
	unsigned hosts_left = hosts_max(c);
	bool from_complete = order_names(c, SIDE_FROM);
	bool helo_complete = order_names(c, SIDE_HELO);

	if (!from_complete || !helo_complete)
		return;
	order_hosts(c, SIDE_FROM, &hosts_left);
	order_hosts(c, SIDE_HELO, &hosts_left);
}
