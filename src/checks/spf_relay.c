/* spf_relay.c -- is the client a host of another domain, by that domain's SPF record?
 *
 *	weigh spf_relay { domain lists.example.org } as lists
 *	pass if lists.pass
 *
 * For forwarders, mailing lists and providers that may send for anybody: the client is weighed by
 * the record of the given domain, whoever the sender is.
 *
 * pass    the domain says that the client may send for it
 * other   it does not, or has no record that could be used
 *
 * Where the DNS gives no answer both are unknown. Without a domain nothing is asked.
 *
 * Source: RFC 7208.
 */
#include "checks/spf_host.h"
#include "weigh/check.h"

enum { PASS, OTHER };

struct spf_relay_parameters {
	struct span domain;
};

static void spf_relay_weigh(const struct attempt *attempt, const struct arguments *arguments,
			    struct ledger *ledger, struct findings *found)
{
	const struct spf_relay_parameters *parameters = arguments->parameters;
	const struct spf_question question = {
		.client = attempt->client,
		.domain = parameters->domain,
		.helo = attempt->attribute[ATTRIBUTE_helo_name],
		.receiver = arguments->receiver,
		.time_s = attempt->time_ms / 1000,
		.void_lookups_max = SPF_VOID_LOOKUPS_MAX,
	};
	struct spf_answer answer;

	if (parameters->domain.len == 0)
		return;
	spf_check_host(&question, ledger, &answer);
	switch (answer.result) {
	case SPF_PENDING: found->pending = true; break;
	case SPF_PASS: found->times[PASS] = 1; break;
	case SPF_TEMPERROR:
		found_unknown(found, PASS);
		found_unknown(found, OTHER);
		break;
	case SPF_FAIL:
	case SPF_SOFTFAIL:
	case SPF_NEUTRAL:
	case SPF_NONE:
	case SPF_PERMERROR: found->times[OTHER] = 1; break;
	}
}

static const struct parameter spf_relay_parameter[] = {
	{ "domain", PARAMETER_TEXT, offsetof(struct spf_relay_parameters, domain), 0, 0 },
	{ .name = NULL },
};

static const struct spf_relay_parameters spf_relay_defaults = { .domain = SPAN_INIT("") };

const struct check check_spf_relay = {
	.name = "spf_relay",
	.finding = { [PASS] = "pass", [OTHER] = "other" },
	.parameter = spf_relay_parameter,
	.parameters_bytes = sizeof(struct spf_relay_parameters),
	.parameter_defaults = &spf_relay_defaults,
	.asks_max = SPF_QUESTIONS_MAX,
	.rounds_max = SPF_ROUNDS_MAX,
	.weigh = spf_relay_weigh,
};
