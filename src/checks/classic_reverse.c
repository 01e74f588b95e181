/* classic_reverse.c -- the client's reverse names (4.9).
 *
 * PTR records come sorted, so that their order means nothing: one mail-like name among them is
 * enough to make the client no dial-up, where the original looks only at those before the first
 * dynamic one (doc/policyd-weight.md).
 */
#include "checks/classic_priv.h"

static bool has_mail_like(const struct fact *ptr)
{
	struct span keyword;

	for (unsigned i = 0; i < ptr->item_count; i++)
		if (classic_is_mail_like(ptr->item[i], &keyword))
			return true;
	return false;
}

static bool has_dynamic_like(const struct fact *ptr)
{
	struct span keyword;

	for (unsigned i = 0; i < ptr->item_count; i++)
		if (classic_is_dynamic_like(ptr->item[i], &keyword))
			return true;
	return false;
}

static void weigh_dynamic(struct classic *c, const struct fact *ptr)
{
	double points = c->set->client_dialup[0];

	if (c->client_is_dynamic || c->mx_ok || ptr->item_count == 0 || has_mail_like(ptr))
		return;
	if (!has_dynamic_like(ptr) && !classic_is_address_like(c->request.helo))
		return;
	c->client_is_dynamic = true;
	c->list_sum += points;
	classic_add(c, SPAN(""), SPAN("CL_SEEMS_DIALUP"), points);
}

static bool is_greeting(const struct fact *ptr, struct span helo)
{
	for (unsigned i = 0; i < ptr->item_count; i++)
		if (span_equal_nocase(ptr->item[i], helo))
			return true;
	return false;
}

static bool is_of_greeting(const struct fact *ptr, struct span helo)
{
	struct span label = classic_second_label(helo);

	for (unsigned i = 0; i < ptr->item_count; i++)
		if (classic_has_inner_label(ptr->item[i], label) ||
		    classic_has_inner_label(helo, classic_second_label(ptr->item[i])))
			return true;
	return false;
}

static bool match_greeting(struct classic *c, const struct fact *ptr)
{
	if (is_greeting(ptr, c->request.helo)) {
		classic_add(c, SPAN(""), SPAN("REV_IP_EQ_HELO"), c->set->client_ip_eq_helo[1]);
		return true;
	}
	if (is_of_greeting(ptr, c->request.helo)) {
		classic_add(c, SPAN(""), SPAN("REV_IP_EQ_HELO_DOMAIN"),
			    c->set->client_ip_eq_helo[1]);
		return true;
	}
	return false;
}

static void weigh_greeting(struct classic *c, const struct fact *ptr)
{
	const struct classic_request *r = &c->request;
	bool matched = match_greeting(c, ptr);

	if (ptr->item_count == 0 && !c->answered) {
		classic_add(c, SPAN(""), SPAN("NO_DNS_RECORDS"), 0.5);
		c->no_dns = true;
	}
	if (!matched && !r->helo_is_own)
		classic_add(c, SPAN(""), SPAN("RESOLVED_IP_IS_NOT_HELO"),
			    c->set->client_ip_eq_helo[0]);
	else
		c->half = r->client_name.len == 0 || span_equal(r->client_name, SPAN("unknown"));
}

bool classic_reverse(struct classic *c)
{
	const struct fact *ptr = classic_ask_ptr(c);

	switch (ptr->state) {
	case FACT_PENDING: c->is_waiting = true; return false;
	case FACT_FAILED: c->unknown_lookups |= 1U << LOOKUP_PTR; break;
	case FACT_NONE:
	case FACT_KNOWN: break;
	}
	weigh_dynamic(c, ptr);
	if ((c->helo_state != HELO_TRUSTED && !c->half) || c->check_reverse)
		weigh_greeting(c, ptr);
	return true;
}
