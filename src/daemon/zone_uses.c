/* zone_uses.c -- which DNS lists do the policies of a configuration ask? */
#include "daemon/zone_watch.h"

#include "mail/domain.h"

struct uses {
	struct zone *zone;
	size_t count;
};

static struct zone *uses_find(const struct uses *uses, struct span name)
{
	for (size_t i = 0; i < uses->count; i++)
		if (span_equal_nocase(uses->zone[i].name, name))
			return &uses->zone[i];
	return NULL;
}

/* Only where nobody has said what a list lists does it list everything; then its use says it. */
static void uses_add(struct uses *uses, const struct zone *zone, bool of_domains)
{
	bool is_said = !(zone->lists_ip4 && zone->lists_ip6 && zone->lists_domains);
	struct zone *use = uses_find(uses, zone->name);

	if (use == NULL) {
		if (uses->count == ZONES_MAX)
			return;
		use = &uses->zone[uses->count++];
		*use = *zone;
		if (!is_said)
			use->lists_ip4 = use->lists_ip6 = use->lists_domains = false;
	}
	if (is_said)
		return;
	if (of_domains)
		use->lists_domains = true;
	else
		use->lists_ip4 = true;
}

static const struct zone *config_zone(const struct config *config, struct span name)
{
	for (uint16_t i = 0; i < config->zone_count; i++)
		if (span_equal_nocase(config->zone[i]->name, name))
			return config->zone[i];
	return NULL;
}

static void uses_add_name(struct uses *uses, const struct config *config, struct span name,
			  bool of_domains)
{
	const struct zone *known;
	struct zone plain;

	if (span_ends(name, SPAN(".")))
		name = span_first(name, name.len - 1);
	known = config_zone(config, name);
	if (known == NULL) {
		if (!domain_is_host_name(name) || domain_label_count(name) < 2)
			return;
		zone_undeclared(name, &plain);
		plain.lists_ip4 = plain.lists_ip6 = plain.lists_domains = true;
		known = &plain;
	}
	uses_add(uses, known, of_domains);
}

/* Lists that a check is told as rows of a parameter: classic's dnsbl and rhsbl. */
static void uses_add_rows(struct uses *uses, const struct config *config,
			  const struct statement *weigh)
{
	const struct parameter *at = weigh->check->parameter;

	if (weigh->arguments.parameters == NULL)
		return;
	for (; at != NULL && at->name != NULL; at++) {
		const struct list_rows *rows;

		if (at->type != PARAMETER_LIST)
			continue;
		rows = (const void *)((const char *)weigh->arguments.parameters + at->offset);
		for (uint16_t i = 0; i < rows->count; i++)
			uses_add_name(uses, config, rows->row[i].zone,
				      span_starts(span_cstr(at->name), SPAN("rhsbl")));
	}
}

size_t zone_uses(const struct config *config, struct zone *zone_out)
{
	struct uses uses = { zone_out, 0 };

	for (uint16_t i = 0; i < config->policy_count; i++) {
		const struct policy *policy = config->policy[i];

		for (uint8_t k = 0; k < policy->weigh_count; k++) {
			const struct statement *weigh = policy->weigh[k];

			if (weigh->arguments.zone != NULL)
				uses_add(&uses, weigh->arguments.zone,
					 weigh->check->takes_subjects);
			uses_add_rows(&uses, config, weigh);
		}
	}
	return uses.count;
}
