/* spf_match.c -- the mechanisms of SPF: RFC 7208 section 5. */
#include "checks/spf_priv.h"
#include "mail/domain.h"

static enum match permerror(struct evaluation *e, struct span problem)
{
	spf_set_problem(e, problem);
	return MATCH_PERMERROR;
}

static enum match temperror(struct evaluation *e, struct span problem)
{
	spf_set_problem(e, problem);
	return MATCH_TEMPERROR;
}

/* --- asking --- */

/* Ask for a name in presentation form.  What is asked ahead of its turn has a bound of its own;
 * beyond it, it waits for its turn.
 */
static const struct fact *ask(struct evaluation *e, enum fact_kind kind, struct span name)
{
	static const struct fact later = { .state = FACT_PENDING };
	uint16_t before = e->ledger->fact_count;
	const struct fact *fact;

	if (e->is_ahead && e->asked >= SPF_AHEAD_MAX)
		return &later;
	fact = fact_ask(e->ledger, kind, name);
	e->asked += e->ledger->fact_count - before;
	return fact;
}

const struct fact *spf_ask_name(struct evaluation *e, enum fact_kind kind, struct span raw)
{
	TEXT(name, DOMAIN_TEXT_MAX);

	if (!domain_can_exist(raw))
		return NULL;
	text_add_domain(&name, raw);
	return ask(e, kind, text_span(&name));
}

static enum fact_kind address_kind(const struct evaluation *e)
{
	return e->question->client.family == IP_V6 ? FACT_DNS_AAAA : FACT_DNS_A;
}

/* Is the client in one of the networks of so many bits (of IPv4, of IPv6)? */
static bool has_client(const struct evaluation *e, const struct fact *fact, uint8_t bits4,
		       uint8_t bits6)
{
	struct ip client = e->question->client;
	struct prefix network = prefix_of(client, client.family == IP_V6 ? bits6 : bits4);

	for (uint16_t i = 0; i < fact->item_count; i++) {
		struct ip ip;

		if (ip_parse(fact->item[i], &ip) == OK && prefix_has(&network, ip))
			return true;
	}
	return false;
}

/* Section 4.6.4: a third look-up that finds nothing is one too many.  Only a term's own question
 * counts: hosts without an address of the client's family are honest mail.
 */
static enum match count_void(struct evaluation *e)
{
	if (++e->voids > e->question->void_lookups_max)
		return permerror(e, SPAN("too many void look-ups"));
	return NO_MATCH;
}

enum match spf_count_lookup(struct evaluation *e, struct span spec)
{
	e->lookups += spf_macro_uses(spec, SPAN("p")) ? 2 : 1;
	if (e->lookups > SPF_LOOKUPS_MAX)
		return permerror(e, SPAN("too many DNS look-ups"));
	return NO_MATCH;
}

/* --- validated names: ptr and %{p} --- */

struct validated {
	bool is_pending;
	bool has_none;    /* the client surely has no name */
	struct span name; /* presentation form; the best one; empty: none */
};

static bool is_better(struct span name, struct span than, struct span domain)
{
	if (than.len == 0)
		return true;
	if (span_equal_nocase(than, domain))
		return false;
	if (span_equal_nocase(name, domain))
		return true;
	return domain_is_within(name, domain) && !domain_is_within(than, domain);
}

/* The client's confirmed name: domain itself, else one below it, else any (section 7.3).  An
 * error is no name (sections 5.5 and 7.3).
 *
 * @param domain       in presentation form
 * @param only_within  names elsewhere do not matter and are not asked
 */
static struct validated validate(struct evaluation *e, struct span domain, bool only_within)
{
	struct validated validated = { 0 };
	TEXT(arpa, IP_REVERSED_MAX + 16);
	const struct fact *ptr;

	text_add_ip_arpa(&arpa, e->question->client);
	ptr = ask(e, FACT_DNS_PTR, text_span(&arpa));
	validated.is_pending = ptr->state == FACT_PENDING;
	validated.has_none = ptr->state == FACT_NONE;
	for (uint16_t i = 0; i < ptr->item_count && i < SPF_HOSTS_MAX; i++) {
		struct span name = ptr->item[i];
		const struct fact *address;

		if (only_within && !domain_is_within(name, domain))
			continue;
		address = ask(e, address_kind(e), name);
		validated.is_pending |= address->state == FACT_PENDING;
		if (has_client(e, address, 32, 128) && is_better(name, validated.name, domain))
			validated.name = name;
	}
	return validated;
}

bool spf_prepare_validated(struct evaluation *e, struct span macros)
{
	TEXT(domain, DOMAIN_TEXT_MAX);
	struct validated validated;

	if (!spf_macro_uses(macros, SPAN("p")))
		return true;
	text_add_domain(&domain, e->values.domain);
	validated = validate(e, text_span(&domain), false);
	if (validated.is_pending)
		return false;
	/* A name with an escape in it is no host's. */
	if (validated.name.len == 0 || span_find(validated.name, '\\') < validated.name.len)
		validated.name = SPAN("unknown");
	e->values.validated = validated.name;
	return true;
}

/* --- names of terms --- */

enum match spf_term_name(struct evaluation *e, struct span spec, struct text *text,
			 struct span *name_out)
{
	if (spec.len == 0) {
		*name_out = e->values.domain;
		return MATCH;
	}
	if (e->has_odd_local && spf_macro_uses(spec, SPAN("sl")))
		return NO_MATCH;
	if (!spf_prepare_validated(e, spec))
		return MATCH_PENDING;
	*name_out = spf_domain_spec_expand(text, spec, &e->values);
	return MATCH;
}

/* --- mechanisms --- */

/* What a term's own question comes to, as long as it is not known. */
static enum match unless_known(struct evaluation *e, const struct fact *fact, struct span problem)
{
	if (fact == NULL)
		return NO_MATCH;
	switch (fact->state) {
	case FACT_PENDING: return MATCH_PENDING;
	case FACT_NONE: return count_void(e);
	case FACT_FAILED: return temperror(e, problem);
	case FACT_KNOWN: break;
	}
	return MATCH;
}

static enum match match_a(struct evaluation *e, const struct spf_term *term, struct span name)
{
	const struct fact *address = spf_ask_name(e, address_kind(e), name);
	enum match match = unless_known(e, address, SPAN("no answer for an a mechanism"));

	if (match != MATCH)
		return match;
	return has_client(e, address, term->bits4, term->bits6) ? MATCH : NO_MATCH;
}

static enum match match_hosts(struct evaluation *e, const struct spf_term *term,
			      const struct fact *mx)
{
	bool is_pending = false, has_failed = false;

	if (mx->item_count > SPF_HOSTS_MAX)
		return permerror(e, SPAN("too many MX records"));
	for (uint16_t i = 0; i < mx->item_count; i++) {
		struct span host = fact_mx_host(mx->item[i]);
		const struct fact *address;

		if (host.len == 0 || span_equal(host, SPAN("."))) /* RFC 7505: no host */
			continue;
		address = ask(e, address_kind(e), host);
		if (has_client(e, address, term->bits4, term->bits6))
			return MATCH;
		is_pending |= address->state == FACT_PENDING;
		has_failed |= address->state == FACT_FAILED;
	}
	if (is_pending)
		return MATCH_PENDING;
	return has_failed ? temperror(e, SPAN("no answer for a host of an mx mechanism"))
			  : NO_MATCH;
}

static enum match match_mx(struct evaluation *e, const struct spf_term *term, struct span name)
{
	const struct fact *mx = spf_ask_name(e, FACT_DNS_MX, name);
	enum match match = unless_known(e, mx, SPAN("no answer for an mx mechanism"));

	return match == MATCH ? match_hosts(e, term, mx) : match;
}

static enum match match_ptr(struct evaluation *e, struct span name)
{
	TEXT(domain, DOMAIN_TEXT_MAX);
	struct validated validated;

	if (!domain_can_exist(name))
		return NO_MATCH;
	text_add_domain(&domain, name);
	validated = validate(e, text_span(&domain), true);
	if (validated.name.len > 0)
		return MATCH;
	if (validated.is_pending)
		return MATCH_PENDING;
	/* All ptr terms ask the same question: it counts once. */
	if (!validated.has_none || e->is_ptr_void)
		return NO_MATCH;
	e->is_ptr_void = true;
	return count_void(e);
}

/* Section 5.7: an A record, whatever family the client has. */
static enum match match_exists(struct evaluation *e, struct span name)
{
	return unless_known(e, spf_ask_name(e, FACT_DNS_A, name),
			    SPAN("no answer for an exists mechanism"));
}

/* Section 5.2: what the result of the included record means here. */
static enum match match_include(struct evaluation *e, struct span name, unsigned depth)
{
	struct span outer = e->values.domain;
	enum spf_result result = spf_check_record(e, name, depth + 1);

	e->values.domain = outer;
	switch (result) {
	case SPF_PASS: return MATCH;
	case SPF_FAIL:
	case SPF_SOFTFAIL:
	case SPF_NEUTRAL: return NO_MATCH;
	case SPF_TEMPERROR: return MATCH_TEMPERROR;
	case SPF_NONE: return permerror(e, SPAN("an included domain has no SPF record"));
	case SPF_PERMERROR: return MATCH_PERMERROR;
	case SPF_PENDING: break;
	}
	return MATCH_PENDING;
}

static enum match match_named(struct evaluation *e, const struct spf_term *term, unsigned depth)
{
	TEXT(text, SPF_EXPANDED_MAX);
	struct span name;
	enum match match = spf_count_lookup(e, term->domain);

	if (match != NO_MATCH)
		return match;
	match = spf_term_name(e, term->domain, &text, &name);
	if (match != MATCH)
		return match;
	switch (term->mechanism) {
	case SPF_A: return match_a(e, term, name);
	case SPF_MX: return match_mx(e, term, name);
	case SPF_PTR: return match_ptr(e, name);
	case SPF_EXISTS: return match_exists(e, name);
	case SPF_INCLUDE: return match_include(e, name, depth);
	case SPF_ALL:
	case SPF_IP4:
	case SPF_IP6:
	case SPF_MECHANISMS: break;
	}
	return NO_MATCH;
}

static enum match match_mechanism(struct evaluation *e, const struct spf_term *term, unsigned depth)
{
	if (term->mechanism == SPF_ALL)
		return MATCH;
	if (term->mechanism == SPF_IP4 || term->mechanism == SPF_IP6)
		return prefix_has(&term->network, e->question->client) ? MATCH : NO_MATCH;
	return match_named(e, term, depth);
}

/* How wide a term that matched is: the length of the client's network that it lets in.  Of names
 * made from the client's address or its validated name nobody knows more than that this client
 * has one.
 */
static uint8_t matched_bits(const struct evaluation *e, const struct spf_term *term)
{
	uint8_t whole = e->question->client.family == IP_V6 ? 128 : 32;

	switch (term->mechanism) {
	case SPF_IP4:
	case SPF_IP6: return term->network.bits;
	case SPF_A:
	case SPF_MX: return e->question->client.family == IP_V6 ? term->bits6 : term->bits4;
	case SPF_PTR: return whole;
	case SPF_EXISTS: return spf_macro_uses(term->domain, SPAN("icp")) ? whole : 0;
	case SPF_INCLUDE: return e->answer.bits; /* its own terms have said so */
	case SPF_ALL:
	case SPF_MECHANISMS: break;
	}
	return 0;
}

enum match spf_match_term(struct evaluation *e, const struct spf_term *term, unsigned depth)
{
	enum match match = match_mechanism(e, term, depth);

	if (match == MATCH)
		e->answer.bits = matched_bits(e, term);
	return match;
}
