/* spf.c -- may the client send mail for this domain?
 *
 *	weigh spf { fail 3, softfail 1, permerror 0.5, pass -0.5 }
 *	weigh spf { fail 2 } of helo as helo_spf
 *
 * The identity is MAIL FROM (of sender, the default) or HELO (of helo); each has findings of
 * its own and never stands in for the other.  A null sender is postmaster at the HELO name.
 *
 * pass       the domain says that the client may
 * fail       the domain says that it may not
 * softfail   the domain thinks that it may not
 * neutral    the domain says nothing about this client
 * none       there is no record, or no domain that could have one
 * temperror  the DNS gave no answer
 * permerror  the record is broken, or costs more look-ups than allowed
 *
 * Parameters: void_lookups N (2; look-ups that may find nothing, RFC 7208 section 4.6.4) and
 * receiver "NAME" (our own name in explanations; by default that of the configuration).
 *
 * Texts: spf.explanation (the domain's own words about a fail), spf.mechanism (the term that
 * decided), spf.domain (whose record it was), spf.problem (of an error),
 * spf.record (the domain's record: "v=spf1 -all" says that it sends no mail).
 *
 * Source: RFC 7208; RFC 8616 for names and local parts beyond ASCII.
 */
#include "checks/spf_host.h"
#include "weigh/check.h"

struct spf_parameters {
	int64_t void_lookups;
	struct span receiver;
};

enum { TEXT_EXPLANATION, TEXT_MECHANISM, TEXT_DOMAIN, TEXT_PROBLEM, TEXT_RECORD };

static void findings_enter(struct findings *found, const struct spf_answer *answer)
{
	if (answer->result == SPF_PENDING) {
		found->pending = true;
		return;
	}
	found->times[answer->result] = 1;
	if (answer->result == SPF_TEMPERROR)
		for (unsigned i = SPF_PASS; i <= SPF_NONE; i++)
			found_unknown(found, i);
	found->text[TEXT_EXPLANATION] = answer->explanation;
	found->text[TEXT_MECHANISM] = answer->mechanism;
	found->text[TEXT_DOMAIN] = answer->domain;
	found->text[TEXT_PROBLEM] = answer->problem;
	found->text[TEXT_RECORD] = answer->record;
}

/* %{r}, section 7.3. */
static struct span receiver_of(const struct arguments *arguments)
{
	const struct spf_parameters *parameters = arguments->parameters;

	if (parameters->receiver.len > 0)
		return parameters->receiver;
	return arguments->receiver.len > 0 ? arguments->receiver : SPAN("unknown");
}

static void spf_weigh(const struct attempt *attempt, const struct arguments *arguments,
		      struct ledger *ledger, struct findings *found)
{
	const struct spf_parameters *parameters = arguments->parameters;
	struct span helo = attempt->attribute[ATTRIBUTE_helo_name];
	struct span sender = attempt->attribute[ATTRIBUTE_sender];
	struct spf_question question = {
		.client = attempt->client,
		.helo = helo,
		.receiver = receiver_of(arguments),
		.time_s = attempt->time_ms / 1000,
		.void_lookups_max = (unsigned)parameters->void_lookups,
	};
	struct spf_answer answer;

	if ((arguments->subjects & SUBJECT_HELO) != 0)
		question.domain = helo;
	else
		spf_set_sender(&question, sender);
	spf_check_host(&question, ledger, &answer);
	findings_enter(found, &answer);
}

static const struct parameter spf_parameter[] = {
	{ "void_lookups", PARAMETER_INTEGER, offsetof(struct spf_parameters, void_lookups), 0, 10 },
	{ "receiver", PARAMETER_TEXT, offsetof(struct spf_parameters, receiver), 0, 0 },
	{ .name = NULL },
};

static const struct spf_parameters spf_defaults = {
	.void_lookups = SPF_VOID_LOOKUPS_MAX,
	.receiver = SPAN_INIT(""), /* the name that the configuration says */
};

const struct check check_spf = {
	.name = "spf",
	.finding = {
		[SPF_PASS] = "pass",
		[SPF_FAIL] = "fail",
		[SPF_SOFTFAIL] = "softfail",
		[SPF_NEUTRAL] = "neutral",
		[SPF_NONE] = "none",
		[SPF_TEMPERROR] = "temperror",
		[SPF_PERMERROR] = "permerror",
	},
	.text = {
		[TEXT_EXPLANATION] = "explanation",
		[TEXT_MECHANISM] = "mechanism",
		[TEXT_DOMAIN] = "domain",
		[TEXT_PROBLEM] = "problem",
		[TEXT_RECORD] = "record",
	},
	.takes_subjects = true,
	.subjects_allowed = SUBJECT_SENDER | SUBJECT_HELO,
	.takes_one_subject = true,
	.subjects_default = SUBJECT_SENDER,
	.parameter = spf_parameter,
	.parameters_bytes = sizeof(struct spf_parameters),
	.parameter_defaults = &spf_defaults,
	.asks_max = SPF_QUESTIONS_MAX,
	.rounds_max = SPF_ROUNDS_MAX,
	.asks_ahead = true,
	.weigh = spf_weigh,
};
