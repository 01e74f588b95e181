/* classic_verdict.c -- the score becomes an answer (4.12). */
#include "checks/classic_priv.h"

/* Does a word of DEFER_STRING stand in the check line, directly behind a blank? */
static bool defers(const struct classic *c)
{
	struct span rest = c->set->defer_string, word, line = text_span(c->check);

	while (span_cut(&rest, ' ', &word)) {
		for (size_t i = 0; word.len > 0 && i + 1 + word.len <= line.len; i++)
			if (line.at[i] == ' ' && span_starts(span_from(line, i + 1), word))
				return true;
	}
	return false;
}

static bool says_no_cache(struct span text)
{
	return span_starts(text, SPAN("4")) || span_starts_nocase(text, SPAN("DEFER")) ||
	       span_starts_nocase(text, SPAN("rc:"));
}

static void add_suffixes(struct classic *c)
{
	const struct classic_request *r = &c->request;

	if (c->helo_state != HELO_TRUSTED && !c->half) {
		text_add(c->answer, SPAN("; MTA helo: "));
		text_add(c->answer, r->helo);
		text_add(c->answer, SPAN(", MTA hostname: "));
		text_add(c->answer, r->client_name);
		text_add_char(c->answer, '[');
		text_add(c->answer, r->client_text);
		text_add(c->answer, SPAN("] (helo/hostname mismatch)"));
	}
	for (unsigned row = 0; row < CLASSIC_RHSBL_MAX; row++) {
		if (!(c->rhsbl_hits >> row & 1))
			continue;
		text_add(c->answer, SPAN("; in "));
		text_add(c->answer, c->set->rhsbl.row[row].zone);
	}
	if (c->says_relay) {
		text_add(c->answer, SPAN("; please relay via your ISP ("));
		text_add(c->answer, r->sender_domain);
		text_add_char(c->answer, ')');
	}
	if (c->says_dyndns)
		text_add(c->answer, SPAN("; Please use DynDNS"));
}

/* A13 */
static void refuse(struct classic *c)
{
	struct span text = c->set->reject_text;
	size_t blank = span_find(text, ' ');
	bool deferred = c->score < c->set->defer_level && defers(c);

	classic_say(c, span_of("", 0));
	if (deferred && blank < text.len) {
		text_add(c->answer, c->set->defer_action);
		text = span_from(text, blank);
	}
	text_add(c->answer, text);
	classic_remember_refused(c, text_span(c->answer));
	if (!deferred && c->budget > 0 && !says_no_cache(text))
		classic_cache_refused(c,
				      c->hits >= 1 || c->client_is_dynamic ||
					      c->helo_state != HELO_TRUSTED ||
					      c->request.sender_domain.len == 0,
				      c->score);
	add_suffixes(c);
}

/* A14 */
static void accept(struct classic *c)
{
	classic_say_prefix(c);
	text_add(c->answer, text_span(c->check));
	text_add(c->answer, SPAN("; rate: "));
	text_add_double(c->answer, c->score);
	if (c->set->accepted_keep > 0 && c->hits < 1)
		classic_cache_accepted(c);
	classic_remember_accepted(c);
}

bool classic_verdict(struct classic *c)
{
	c->score = classic_round(c->score);
	c->is_scored = true;
	c->has_weights = true;
	if (c->no_dns && c->hits < 2) {
		/* A12 */
		classic_say(c, c->set->no_dns_text);
		text_add(c->answer, SPAN(" Your HELO: "));
		text_add(c->answer, c->request.helo);
		text_add(c->answer, SPAN(", IP: "));
		text_add(c->answer, c->request.client_text);
	} else if (c->score >= c->set->reject_level) {
		refuse(c);
	} else {
		accept(c);
	}
	return false;
}
