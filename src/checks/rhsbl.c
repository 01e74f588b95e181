/* rhsbl.c -- are the names that the client gives on a DNS list?  (RFC 5782 section 3)
 *
 *	weigh rhsbl ZONE { MEANING points, clear points } of sender, helo, client_name
 *
 * Asks for the domain of the sender, and where the policy says so for the greeting and for the
 * name that the MTA has confirmed for the client.  Equal names are asked once; addresses,
 * single labels and what can be no name are not asked.
 *
 * MEANING  some name is listed so; "listed" where the zone names nothing else
 * clear    the zone says for sure of all names asked that they are not listed
 *
 * A listing under one name stands, whatever becomes of the others.  Otherwise a name that got no
 * answer, or a refusal, or one that the zone never declared leaves all findings unknown.
 */
#include "checks/host.h"
#include "weigh/zone.h"

static const enum subject subjects[] = { SUBJECT_SENDER, SUBJECT_HELO, SUBJECT_CLIENT_NAME };

enum { SUBJECT_COUNT = sizeof(subjects) / sizeof(subjects[0]) };

/* What does not fit before the zone is asked for without its first labels, lest a long name
 * slip by. */
static struct span shortened(struct span name, const struct zone *zone)
{
	while (name.len > 0 && name.len + 1 + zone->name.len > DOMAIN_NAME_MAX)
		name = domain_parent(name);
	return name;
}

static void rhsbl_weigh(const struct attempt *attempt, const struct arguments *arguments,
			struct ledger *ledger, struct findings *found)
{
	const struct zone *zone = arguments->zone;

	if (!zone->lists_domains)
		return;
	for (size_t i = 0; i < SUBJECT_COUNT; i++) {
		TEXT(name, DOMAIN_TEXT_MAX);

		if (!(arguments->subjects & subjects[i]) ||
		    !text_add_subject(&name, attempt, subjects[i]))
			continue;
		struct span asked = shortened(text_span(&name), zone);
		if (domain_label_count(asked) >= 2) /* never a whole top level */
			zone_weigh(zone, asked, ledger, found);
	}
}

const struct check check_rhsbl = {
	.name = "rhsbl",
	.takes_zone = true,
	.takes_subjects = true,
	.subjects_default = SUBJECT_SENDER,
	.asks_max = SUBJECT_COUNT,
	.rounds_max = 1,
	.weigh = rhsbl_weigh,
};
