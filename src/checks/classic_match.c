/* classic_match.c -- numeric greetings (4.7), and the sender's domain against the greeting (4.8).
 */
#include "checks/classic_priv.h"

bool classic_numeric(struct classic *c)
{
	double points = c->set->helo_numeric[0];

	if (!classic_is_numeric(c->request.helo))
		return true;
	c->numeric_points = classic_round(points + points * c->list_sum);
	classic_add(c, SPAN(""), SPAN("HELO_NUMERIC"), c->numeric_points);
	return true;
}

/* Is needle a run of whole labels of name?  (".b.c." in ".a.b.c.d.") */
static bool has_labels(struct span name, struct span needle)
{
	for (size_t i = 0; i + needle.len <= name.len; i++) {
		if (i > 0 && name.at[i - 1] != '.')
			continue;
		if (i + needle.len < name.len && name.at[i + needle.len] != '.')
			continue;
		if (needle.len == 0 || memcmp(name.at + i, needle.at, needle.len) == 0)
			return true;
	}
	return false;
}

/* Does ".needle." occur in text: with something before and behind it? */
static bool has_between_dots(struct span text, struct span needle)
{
	for (size_t i = 1; i + needle.len < text.len; i++)
		if (text.at[i - 1] == '.' && text.at[i + needle.len] == '.' &&
		    (needle.len == 0 || memcmp(text.at + i, needle.at, needle.len) == 0))
			return true;
	return false;
}

static void write_names(struct classic *c)
{
	text_add(c->check, SPAN(" (check from: ."));
	text_add(c->check, c->from_label);
	text_add(c->check, SPAN(". - helo: ."));
	text_add(c->check, c->helo_name);
	text_add(c->check, SPAN(". - helo-domain: ."));
	text_add(c->check, c->helo_label);
	text_add(c->check, SPAN(".) "));
}

/* Rule 1: a greeting that is known to be the client's. */
static void match_trusted(struct classic *c, bool names_match)
{
	const double *score = c->set->from_verified;
	double points;

	if (names_match || c->mx_has_helo_domain || c->from_has_client) {
		classic_add(c, SPAN(""), SPAN("FROM/MX_MATCHES_HELO(DOMAIN)"), score[1]);
		return;
	}
	points = classic_round(score[0] + c->list_sum / 4 + c->bogus_points * c->bogus_points +
			       c->numeric_points);
	classic_add(c, SPAN(""), SPAN("FROM/MX_MATCHES_NOT_HELO(DOMAIN)"), points);
	c->mismatch = true;
}

/* Rule 3: a greeting in the client's /16. */
static void match_half(struct classic *c, bool names_match)
{
	const double *score = c->set->from_unverified;

	if (names_match || c->mx_has_helo_domain) {
		classic_add(c, SPAN("FROM/MX_MATCHES_UNVR_HELO(DOMAIN)"),
			    SPAN("_OR_CL_NAME(DOMAIN)"), score[1]);
		return;
	}
	classic_add(c, SPAN("FROM/MX_MATCHES_NOT_UNVR_HELO(DOMAIN)"), SPAN("_NOR_CL_NAME(DOMAIN)"),
		    score[0] + c->list_sum + c->bogus_points * c->bogus_points);
	c->mismatch = true;
}

bool classic_match(struct classic *c)
{
	const struct classic_request *r = &c->request;
	bool names_match;

	if (c->is_mx)
		return true;
	write_names(c);
	names_match =
		has_labels(c->helo_name, c->from_label) || has_labels(c->from_label, c->helo_name);
	if (c->helo_state == HELO_TRUSTED) {
		match_trusted(c, names_match);
	} else if (has_between_dots(r->client_name, c->from_label) && !r->helo_is_own) {
		classic_add(c, SPAN(""), SPAN("CL_HOSTNAME_MATCHES_FROM(DOMAIN)"),
			    c->set->subnet24[1]);
		c->helo_state = HELO_TRUSTED;
		c->check_reverse = false;
		c->mismatch = false;
		c->half = false;
	} else if (c->half && !r->helo_is_own) {
		match_half(c, names_match);
	} else if (names_match) {
		classic_add(c, SPAN(""), SPAN("MAIL_SEEMS_FORGED"), c->set->from_failed[0]);
	} else {
		classic_add(c, SPAN(""), SPAN("FROM_NOT_FAILED_HELO(DOMAIN)"),
			    c->set->from_failed[0] + 0.5 + c->list_sum);
	}
	return true;
}
