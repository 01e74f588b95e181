/* spf_host.c -- check_host of RFC 7208: records, redirect, explanation.  spf_match.c: terms. */
#include "checks/spf_host.h"

#include "checks/spf_priv.h"
#include "mail/address.h"
#include "mail/domain.h"
#include "mail/idn.h"

/* One record under evaluation. */
struct frame {
	struct span domain; /* raw */
	char *bytes;        /* SPF_RECORD_MAX of them */
	struct span terms;
	unsigned depth; /* of includes */
};

struct span spf_result_name(enum spf_result result)
{
	static const struct span names[] = {
		[SPF_PASS] = SPAN_INIT("pass"),           [SPF_FAIL] = SPAN_INIT("fail"),
		[SPF_SOFTFAIL] = SPAN_INIT("softfail"),   [SPF_NEUTRAL] = SPAN_INIT("neutral"),
		[SPF_NONE] = SPAN_INIT("none"),           [SPF_TEMPERROR] = SPAN_INIT("temperror"),
		[SPF_PERMERROR] = SPAN_INIT("permerror"), [SPF_PENDING] = SPAN_INIT("pending"),
	};

	return names[result];
}

/* Remember what decided; an include of a record decides in the including one. */
static void set_decided(struct evaluation *e, struct span domain, struct span term)
{
	e->answer.mechanism = arena_copy(e->ledger->arena, term);
	e->answer.domain = arena_copy(e->ledger->arena, domain);
}

/* The same for an error: the innermost record is to blame. */
static void blame(struct evaluation *e, struct span domain, struct span term)
{
	if (!e->is_blamed)
		set_decided(e, domain, term);
	e->is_blamed = true;
}

/* --- records --- */

/* A TXT record as bytes: \\ and \DDD undone (weigh/facts.def). */
static bool unescape(struct span item, char bytes[SPF_RECORD_MAX], size_t *len_out)
{
	size_t len = 0;

	for (size_t i = 0; i < item.len; i++) {
		if (len == SPF_RECORD_MAX)
			return false;
		if (item.at[i] != '\\' || i + 1 >= item.len) {
			bytes[len++] = item.at[i];
		} else if (item.at[i + 1] == '\\') {
			bytes[len++] = item.at[++i];
		} else {
			/* Whatever it is, it is outside printable ASCII: never well-formed. */
			bytes[len++] = '\x7f';
			i += 3;
		}
	}
	*len_out = len;
	return true;
}

static enum spf_result record_error(struct evaluation *e, const struct frame *frame,
				    struct span problem)
{
	spf_set_problem(e, problem);
	blame(e, frame->domain, SPAN(""));
	return SPF_PERMERROR;
}

/* Section 4.5: exactly one SPF record.
 *
 * @return SPF_PASS: it is in the frame; else the result of the whole
 */
static enum spf_result select_record(struct evaluation *e, const struct fact *txt,
				     struct frame *frame)
{
	struct span terms, record = { 0 };
	unsigned count = 0;
	size_t len;

	for (uint16_t i = 0; i < txt->item_count; i++) {
		if (spf_is_record(txt->item[i], &terms)) {
			record = terms;
			count++;
		}
	}
	if (count == 0)
		return SPF_NONE;
	if (count > 1)
		return record_error(e, frame, SPAN("more than one SPF record"));
	if (!unescape(record, frame->bytes, &len))
		return record_error(e, frame, SPAN("the SPF record is too long"));
	frame->terms = span_of(frame->bytes, len);
	if (spf_check(frame->terms) != OK)
		return record_error(e, frame, SPAN("the SPF record has a syntax error"));
	return SPF_PASS;
}

/* Section 4.3: what cannot be a domain of mail has no record.  Brackets, quotes, parentheses
 * and controls are read differently by the next program that sees the name; what is beyond ASCII
 * still is no U-label.
 */
static bool is_mail_domain(struct span domain)
{
	static const struct span odd = SPAN_INIT("[]()<>\"");

	for (size_t i = 0; i < domain.len; i++)
		if (domain.at[i] <= ' ' || domain.at[i] > '~' ||
		    span_find(odd, domain.at[i]) < odd.len)
			return false;
	return domain_can_exist(domain) && domain_label_count(domain) >= 2;
}

/* Sections 4.3 to 4.5. */
static enum spf_result find_record(struct evaluation *e, struct frame *frame)
{
	const struct fact *txt;

	if (!is_mail_domain(frame->domain))
		return SPF_NONE;
	txt = spf_ask_name(e, FACT_DNS_TXT, frame->domain);
	switch (txt->state) {
	case FACT_PENDING: return SPF_PENDING;
	case FACT_NONE: return SPF_NONE;
	case FACT_FAILED:
		spf_set_problem(e, SPAN("no answer for the SPF record"));
		blame(e, frame->domain, SPAN(""));
		return SPF_TEMPERROR;
	case FACT_KNOWN: break;
	}
	return select_record(e, txt, frame);
}

/* --- the explanation --- */

static bool is_printable(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < ' ' || s.at[i] > '~')
			return false;
	return true;
}

/* The text of the record, expanded; what macros bring in must be ASCII as well.
 *
 * @return false: pending
 */
static bool expand_explanation(struct evaluation *e, struct span macros)
{
	TEXT(explanation, SPF_EXPLANATION_MAX);

	if (spf_macro_check(macros, SPF_IN_EXPLANATION) != OK)
		return true;
	if (!spf_prepare_validated(e, macros))
		return false;
	text_add_spf_expanded(&explanation, macros, &e->values);
	if (!explanation.overrun && is_printable(text_span(&explanation)))
		e->answer.explanation = arena_copy(e->ledger->arena, text_span(&explanation));
	return true;
}

/* Section 6.2: whatever is wrong with it, then there is no explanation.
 *
 * @return false: pending
 */
static bool explain(struct evaluation *e, struct span spec)
{
	TEXT(text, SPF_EXPANDED_MAX);
	char bytes[SPF_RECORD_MAX];
	const struct fact *txt;
	struct span name;
	enum match match = spf_term_name(e, spec, &text, &name);
	size_t len;

	if (match != MATCH)
		return match != MATCH_PENDING;
	txt = spf_ask_name(e, FACT_DNS_TXT, name);
	if (txt != NULL && txt->state == FACT_PENDING)
		return false;
	if (txt == NULL || txt->item_count != 1 || !unescape(txt->item[0], bytes, &len))
		return true;
	return expand_explanation(e, span_of(bytes, len));
}

/* --- evaluation --- */

static enum spf_result result_of_qualifier(char qualifier)
{
	switch (qualifier) {
	case '-': return SPF_FAIL;
	case '~': return SPF_SOFTFAIL;
	case '?': return SPF_NEUTRAL;
	default: return SPF_PASS;
	}
}

/* The one modifier of a kind; spf_check has refused two. */
static bool find_modifier(const struct frame *frame, enum spf_term_kind kind,
			  struct spf_term *term_out)
{
	struct span terms = frame->terms;

	while (spf_cut_term(&terms, term_out))
		if (term_out->kind == kind)
			return true;
	return false;
}

/* A directive has matched.  The exp modifier counts in the record that failed, and not in an
 * included one.
 */
static enum spf_result decided(struct evaluation *e, const struct frame *frame,
			       const struct spf_term *directive)
{
	enum spf_result result = result_of_qualifier(directive->qualifier);
	struct spf_term exp;

	set_decided(e, frame->domain, directive->text);
	if (result == SPF_FAIL && frame->depth == 0 && find_modifier(frame, SPF_EXP, &exp) &&
	    !explain(e, exp.domain))
		return SPF_PENDING;
	return result;
}

/* Section 6.1: only when nothing matched. */
static enum spf_result redirect(struct evaluation *e, const struct frame *frame,
				const struct spf_term *term)
{
	TEXT(text, SPF_EXPANDED_MAX);
	struct span name;
	enum spf_result result;

	if (spf_count_lookup(e, term->domain) != NO_MATCH)
		return SPF_PERMERROR;
	switch (spf_term_name(e, term->domain, &text, &name)) {
	case MATCH: break;
	case MATCH_PENDING: return SPF_PENDING;
	case NO_MATCH:
	case MATCH_TEMPERROR:
	case MATCH_PERMERROR:
		set_decided(e, frame->domain, SPAN(""));
		return SPF_NEUTRAL; /* RFC 8616 section 4: a term that matches nothing */
	}
	result = spf_check_record(e, name, frame->depth);
	if (result != SPF_NONE)
		return result;
	spf_set_problem(e, SPAN("the domain of a redirect has no SPF record"));
	return SPF_PERMERROR;
}

static enum spf_result no_match(struct evaluation *e, const struct frame *frame)
{
	struct spf_term term;
	enum spf_result result;

	if (!find_modifier(frame, SPF_REDIRECT, &term)) {
		set_decided(e, frame->domain, SPAN(""));
		return SPF_NEUTRAL;
	}
	result = redirect(e, frame, &term);
	if (result == SPF_PERMERROR || result == SPF_TEMPERROR)
		blame(e, frame->domain, term.text);
	return result;
}

/* Section 4.6: from left to right, the first match decides.  Behind a pending term the rest is
 * only ordered.
 */
static enum spf_result evaluate_record(struct evaluation *e, const struct frame *frame)
{
	struct span terms = frame->terms;
	struct spf_term term;
	bool is_pending = false;

	while (spf_cut_term(&terms, &term)) {
		enum match match;

		if (term.kind != SPF_DIRECTIVE)
			continue;
		match = spf_match_term(e, &term, frame->depth);
		if (match == MATCH_PENDING)
			is_pending = e->is_ahead = true;
		if (match == MATCH_PENDING || match == NO_MATCH)
			continue;
		if (is_pending)
			return SPF_PENDING;
		if (match == MATCH)
			return decided(e, frame, &term);
		blame(e, frame->domain, term.text);
		return match == MATCH_TEMPERROR ? SPF_TEMPERROR : SPF_PERMERROR;
	}
	if (!is_pending)
		return no_match(e, frame);
	(void)no_match(e, frame);
	return SPF_PENDING;
}

/* The first record is the identity's own. */
static void keep_record(struct evaluation *e, struct span terms)
{
	TEXT(record, SPF_RECORD_SHOWN_MAX);

	text_add(&record, SPAN("v=spf1 "));
	text_add(&record, span_first(span_trim(terms), SPF_RECORD_SHOWN_MAX - 7));
	e->answer.record = arena_copy(e->ledger->arena, text_span(&record));
}

enum spf_result spf_check_record(struct evaluation *e, struct span domain, unsigned depth)
{
	char bytes[SPF_RECORD_MAX];
	struct frame frame = { .domain = domain, .bytes = bytes, .depth = depth };
	enum spf_result result;

	e->values.domain = domain;
	result = find_record(e, &frame);
	if (result == SPF_PASS && e->answer.record.at == NULL)
		keep_record(e, frame.terms);
	return result == SPF_PASS ? evaluate_record(e, &frame) : result;
}

/* --- the identity --- */

/* A name as macros want it: as A-labels, without its final dot.  What is no name stays as it is
 * and has no record.
 */
static struct span ascii_name(struct evaluation *e, struct span raw)
{
	TEXT(ascii, IDN_BYTES_MAX);

	if (domain_can_exist(raw) && span_ends(raw, SPAN(".")))
		raw.len--;
	if (span_is_ascii(raw) || text_add_idn(&ascii, raw) != OK)
		return raw;
	return arena_copy(e->ledger->arena, text_span(&ascii));
}

void spf_set_sender(struct spf_question *question, struct span sender)
{
	question->domain = sender.len > 0 ? address_domain(sender) : question->helo;
	question->local = address_local(sender);
	if (sender.len > 0 && span_find(sender, '@') == sender.len) {
		question->domain = sender;
		question->local = SPAN("");
	}
}

/* Section 4.3: without a local part it is "postmaster". */
static void set_identity(struct evaluation *e)
{
	const struct spf_question *question = e->question;
	struct spf_macro_values *values = &e->values;
	TEXT(sender, SPF_SENDER_MAX);

	values->local = question->local.len > 0 ? question->local : SPAN("postmaster");
	values->sender_domain = ascii_name(e, question->domain);
	values->helo = ascii_name(e, question->helo);
	values->client = question->client;
	values->receiver = question->receiver;
	values->time_s = question->time_s;
	text_add(&sender, values->local);
	text_add_char(&sender, '@');
	text_add(&sender, values->sender_domain);
	values->sender = arena_copy(e->ledger->arena, text_span(&sender));
	e->has_odd_local = !span_is_ascii(values->local);
}

/* Questions of ours in the runs before. */
static unsigned count_asked(const struct ledger *ledger)
{
	unsigned count = 0;

	for (uint16_t i = 0; i < ledger->fact_count; i++)
		count += (ledger->fact[i]->asked_by >> ledger->asker & 1) != 0;
	return count;
}

void spf_check_host(const struct spf_question *question, struct ledger *ledger,
		    struct spf_answer *answer_out)
{
	struct evaluation e = {
		.question = question,
		.ledger = ledger,
		.asked = count_asked(ledger),
		.answer = { .result = SPF_NONE },
	};

	if (question->client.family != IP_NONE) {
		set_identity(&e);
		e.answer.result = spf_check_record(&e, e.values.sender_domain, 0);
	}
	*answer_out = e.answer;
}
