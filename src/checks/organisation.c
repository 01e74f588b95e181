/* organisation.c -- who sends, as greylisting knows him again when he retries from elsewhere.
 *
 *	weigh organisation {}
 *
 * A mail that was deferred may come back from another address of the same sender.  So the
 * organisation is the first of these that is known:
 *
 * by_spf      the registered domain of the sender, for which the client passes SPF
 * by_name     the registered domain of the client's reverse name, which leads back to it
 * by_network  neither: the client's network, of 24 bits of IPv4 or 64 of IPv6
 *
 * A null sender is postmaster at the HELO name.  An SPF record that lets in a network wider than
 * /16 of IPv4 or /32 of IPv6, or everybody ("+all"), tells nothing about who sends, and is passed
 * over.  What is registered, the public suffix list says.  An answer that is missing leaves its
 * finding unknown, and the next one is taken.  Of an unknown client nothing is found.
 *
 * Texts: organisation.organisation ("example.org", "192.0.2.0/24" or "2001:db8:1:2::/64"; a
 * name is never like a network; empty for an unknown client).
 */
#include "checks/client_name.h"
#include "checks/spf_host.h"
#include "mail/domain.h"
#include "mail/idn.h"
#include "mail/suffixes.h"
#include "weigh/check.h"

enum { BY_SPF, BY_NAME, BY_NETWORK };
enum { TEXT_ORGANISATION };
enum { SPF_BITS4_LEAST = 16, SPF_BITS6_LEAST = 32, NETWORK_BITS4 = 24, NETWORK_BITS6 = 64 };

struct ways {
	struct ip client;
	const struct suffixes *suffixes;
	struct spf_question question;
	struct spf_answer spf;
	struct client_name name;
};

static bool spf_is_narrow(const struct ways *ways)
{
	return ways->spf.bits >= (ways->client.family == IP_V6 ? SPF_BITS6_LEAST : SPF_BITS4_LEAST);
}

/* Each adds the organisation that its way leads to, or nothing. */
static void text_add_by_spf(struct text *text, const struct ways *ways)
{
	struct span raw = ways->question.domain;
	TEXT(ascii, IDN_BYTES_MAX);
	TEXT(name, DOMAIN_TEXT_MAX);

	if (ways->spf.result != SPF_PASS || !spf_is_narrow(ways))
		return;
	if (!span_is_ascii(raw) && text_add_idn(&ascii, raw) == OK)
		raw = text_span(&ascii);
	text_add_domain(&name, raw);
	text_add_lower(text, suffixes_registered(ways->suffixes, text_span(&name)));
}

static void text_add_by_name(struct text *text, const struct ways *ways)
{
	text_add_lower(text, suffixes_registered(ways->suffixes, ways->name.name));
}

static void text_add_by_network(struct text *text, const struct ways *ways)
{
	struct prefix network =
		prefix_of(ways->client,
			  ways->client.family == IP_V6 ? NETWORK_BITS6 : NETWORK_BITS4);

	text_add_prefix(text, &network);
}

static void judge(const struct ways *ways, struct ledger *ledger, struct findings *found)
{
	static void (*const way[])(struct text *, const struct ways *) = {
		[BY_SPF] = text_add_by_spf,
		[BY_NAME] = text_add_by_name,
		[BY_NETWORK] = text_add_by_network,
	};
	const bool is_pending[] = {
		[BY_SPF] = ways->spf.result == SPF_PENDING,
		[BY_NAME] = ways->name.is_pending,
		[BY_NETWORK] = false,
	};
	const bool has_failed[] = {
		[BY_SPF] = ways->spf.result == SPF_TEMPERROR,
		[BY_NAME] = ways->name.has_failed,
		[BY_NETWORK] = false,
	};
	TEXT(organisation, DOMAIN_TEXT_MAX);

	for (unsigned i = BY_SPF; i <= BY_NETWORK && !found->pending; i++) {
		found->pending = is_pending[i];
		if (has_failed[i])
			found_unknown(found, i);
		way[i](&organisation, ways);
		if (organisation.len == 0)
			continue;
		found->times[i] = 1;
		found->text[TEXT_ORGANISATION] =
			arena_copy(ledger->arena, text_span(&organisation));
		return;
	}
}

static void organisation_weigh(const struct attempt *attempt, const struct arguments *arguments,
			       struct ledger *ledger, struct findings *found)
{
	struct ways ways = {
		.client = attempt->client,
		.suffixes = arguments->suffixes,
		.question = {
			.client = attempt->client,
			.helo = attempt->attribute[ATTRIBUTE_helo_name],
			.receiver = arguments->receiver,
			.time_s = attempt->time_ms / 1000,
			.void_lookups_max = SPF_VOID_LOOKUPS_MAX,
		},
	};

	if (attempt->client.family == IP_NONE)
		return;
	spf_set_sender(&ways.question, attempt->attribute[ATTRIBUTE_sender]);
	spf_check_host(&ways.question, ledger, &ways.spf);
	ways.name = client_name_of(attempt->client, ledger);
	judge(&ways, ledger, found);
}

const struct check check_organisation = {
	.name = "organisation",
	.finding = {
		[BY_SPF] = "by_spf",
		[BY_NAME] = "by_name",
		[BY_NETWORK] = "by_network",
	},
	.text = { [TEXT_ORGANISATION] = "organisation" },
	.asks_max = SPF_QUESTIONS_MAX + CLIENT_NAME_ASKS_MAX,
	.rounds_max = SPF_ROUNDS_MAX,
	.asks_ahead = true,
	.weigh = organisation_weigh,
};
