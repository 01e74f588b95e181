/* classic_oddities.c -- what is odd about greeting and sender (4.10). */
#include "checks/classic_priv.h"

static void weigh_dynamic_greeting(struct classic *c)
{
	const struct classic_parameters *set = c->set;
	struct span helo = c->request.helo, keyword = span_of("", 0);
	bool trusted = c->helo_state == HELO_TRUSTED;

	if ((set->enforce_dyndns[0] == 0 && c->client_is_dynamic) || c->mx_ok || c->from_ip_ok)
		return;
	if (classic_is_mail_like(helo, &keyword)) {
		c->left_over = keyword;
		return;
	}
	if (classic_is_dynamic_like(helo, &keyword))
		c->left_over = keyword;
	else if (!classic_is_address_like(helo))
		return;
	c->says_dyndns = true;
	classic_add(c, trusted ? span_of("", 0) : SPAN("NOK_"), SPAN("HELO_SEEMS_DIALUP"),
		    (trusted ? set->helo_dialup[0] : set->failed_helo_dialup[0]) +
			    set->enforce_dyndns[0]);
}

static void weigh_anonymous(struct classic *c)
{
	if (!span_has(c->request.sender, SPAN("nobody@")) &&
	    !span_has(c->request.sender, SPAN("anonymous@")))
		return;
	classic_add(c, SPAN(""), SPAN("FROM_NBDY_ANON"),
		    c->set->anonymous[0] + c->list_sum + c->numeric_points);
}

/* A listed client that has nothing to do with the sender's domain. */
static void weigh_foreign_client(struct classic *c)
{
	double points = c->set->helo_from_mx_eq_ip[0] + c->list_sum;

	if (c->mx_ok || !c->mismatch || c->hits <= 0 || c->request.helo_is_own ||
	    c->from_has_client)
		return;
	c->says_relay = true;
	classic_add(c, SPAN(""), SPAN("CLIENT_NOT_MX/A_FROM_DOMAIN"), points);
	if (!c->from_has_net24)
		classic_add(c, SPAN(""), SPAN("CLIENT/24_NOT_MX/A_FROM_DOMAIN"), points);
}

static bool is_multiparted(struct span sender)
{
	size_t at = span_find(sender, '@');
	size_t dots = 0;

	for (size_t i = at; i < sender.len; i++)
		dots += sender.at[i] == '.';
	return dots >= 2;
}

bool classic_oddities(struct classic *c)
{
	const struct classic_parameters *set = c->set;
	struct span sender = c->request.sender;
	size_t at = span_rfind(sender, '@');

	weigh_dynamic_greeting(c);
	weigh_anonymous(c);
	weigh_foreign_client(c);
	if (c->helo_state == HELO_UNDECIDED && !c->mx_ok && c->score < set->reject_level &&
	    is_multiparted(sender))
		classic_add(c, SPAN(""), SPAN("FROM_MULTIPARTED"),
			    set->multiparted[0] + c->list_sum);
	if (c->score < set->reject_level && at < sender.len &&
	    classic_is_random(span_first(sender, at))) {
		double share = set->random_sender[0];

		classic_add(c, SPAN(""), SPAN("RANDOM_SENDER"),
			    c->list_sum + c->list_sum * share + share);
		c->penalty = set->rhsbl_penalty[0] * share;
	}
	return true;
}
