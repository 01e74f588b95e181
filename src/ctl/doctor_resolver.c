/* doctor_resolver.c -- is the resolver fit to ask DNS lists?
 *
 * Lists refuse whom everybody shares: public resolvers, and what forwards to them.  A resolver
 * that rewrites "no such name" lists the whole world.
 */
#include "ctl/doctor.h"

/* Who runs it, as a network.  PUBLIC(prefix, name) */
static const struct {
	struct span network;
	const char *name;
} public_networks[] = {
#define PUBLIC(network, name) { SPAN_INIT(network), name },
#include "ctl/doctor_public.def"
#undef PUBLIC
};

const char *public_resolver(struct ip address)
{
	for (size_t i = 0; i < sizeof(public_networks) / sizeof(*public_networks); i++) {
		struct prefix prefix;

		if (prefix_parse(public_networks[i].network, &prefix) == OK &&
		    prefix_has(&prefix, address))
			return public_networks[i].name;
	}
	return NULL;
}

#define RESOLVER_FIX                                                                               \
	"resolver recursive in weighd.conf; or a recursive resolver on this host (such as "        \
	"unbound), and resolver 127.0.0.1"

static void fix_resolver(struct diagnosis *diagnosis)
{
	diagnosis_fix(diagnosis, RESOLVER_FIX);
}

/* "weighd -> 127.0.0.53 (systemd-resolved) -> 1.1.1.1; asked as 192.0.2.53" */
static void say_path(struct diagnosis *diagnosis, const struct resolver_facts *facts)
{
	TEXT(path, 2048);

	text_add(&path, SPAN("path: weighd"));
	for (size_t i = 0; i < facts->probe_count; i++) {
		text_add(&path, i == 0 ? SPAN(" -> ") : SPAN(", "));
		text_add_ip(&path, facts->probe[i].address);
		if (facts->probe[i].port != 53)
			text_addf(&path, " port %u", facts->probe[i].port);
	}
	if (facts->is_stub)
		text_add(&path, SPAN(" (systemd-resolved)"));
	for (size_t i = 0; i < facts->uplink_count; i++) {
		text_add(&path, i == 0 ? SPAN(" -> ") : SPAN(", "));
		text_add_ip(&path, facts->uplink[i]);
	}
	if (facts->probe_count == 0)
		text_add(&path, SPAN(" -> name servers of the world (built-in recursion)"));
	if (facts->egress.family != IP_NONE) {
		text_add(&path, SPAN("; lists see "));
		text_add_ip(&path, facts->egress);
	}
	diagnosis_why(diagnosis, "%s", text_cstr(&path));
}

/* The first address on the way that everybody shares. */
static const char *shared_on_the_way(const struct resolver_facts *facts, struct ip *address_out)
{
	const char *name;

	for (size_t i = 0; i < facts->probe_count; i++)
		if ((name = public_resolver(facts->probe[i].address)) != NULL) {
			*address_out = facts->probe[i].address;
			return name;
		}
	for (size_t i = 0; i < facts->uplink_count; i++)
		if ((name = public_resolver(facts->uplink[i])) != NULL) {
			*address_out = facts->uplink[i];
			return name;
		}
	*address_out = facts->egress;
	return facts->egress.family == IP_NONE ? NULL : public_resolver(facts->egress);
}

static bool is_forwarder(const struct resolver_facts *facts)
{
	for (size_t i = 0; i < facts->probe_count; i++)
		if (!ip_is_private(facts->probe[i].address))
			return true;
	return false;
}

static void judge_path(struct diagnosis *diagnosis, const struct resolver_facts *facts)
{
	struct ip address;
	const char *name = shared_on_the_way(facts, &address);
	TEXT(shown, IP_TEXT_MAX);

	if (name != NULL) {
		text_add_ip(&shown, address);
		diagnose(diagnosis, SYMPTOM_FAIL, "resolver",
			 "the resolver is a public one: %s (%s); DNS lists refuse it, or lie to it",
			 text_cstr(&shown), name);
		say_path(diagnosis, facts);
		fix_resolver(diagnosis);
		return;
	}
	if (facts->is_stub)
		diagnose(diagnosis, SYMPTOM_WARN, "resolver",
			 "the resolver is the stub of systemd-resolved, which forwards to others");
	else if (is_forwarder(facts))
		diagnose(diagnosis, SYMPTOM_WARN, "resolver",
			 "the resolver is on another host: it may be shared with many, whom lists "
			 "refuse, and answers can be forged on the way");
	else
		diagnose(diagnosis, SYMPTOM_OK, "resolver", "%s",
			 facts->kind == RESOLVER_RECURSIVE
				 ? "weighd resolves by itself, from the root on"
				 : "the resolver is on this host or in its network");
	say_path(diagnosis, facts);
	if (diagnosis->symptom[diagnosis->count - 1].level == SYMPTOM_WARN)
		fix_resolver(diagnosis);
}

static void judge_rewriting(struct diagnosis *diagnosis, const struct resolver_facts *facts)
{
	switch (facts->rewritten) {
	case LOOKUP_FOUND:
		diagnose(diagnosis, SYMPTOM_FAIL, "resolver",
			 "the resolver rewrites NXDOMAIN: a name that cannot exist has the "
			 "address %.*s",
			 SPAN_ARG(facts->rewriting));
		diagnosis_why(diagnosis, "every client would be on every list, and every domain "
					 "would exist");
		fix_resolver(diagnosis);
		return;
	case LOOKUP_NONE:
		diagnose(diagnosis, SYMPTOM_OK, "resolver",
			 "the resolver does not rewrite NXDOMAIN");
		return;
	case LOOKUP_FAILED: break;
	}
	diagnose(diagnosis, facts->is_alive ? SYMPTOM_WARN : SYMPTOM_NOTE, "resolver",
		 "whether the resolver rewrites NXDOMAIN is unknown: it did not answer for a name "
		 "that cannot exist");
	if (facts->is_alive)
		diagnosis_fix(diagnosis, "look at the resolver's log: SERVFAIL or silence for "
					 "names under invalid. is wrong");
}

/* --- UDP, TCP, EDNS --- */

static void judge_probe(struct diagnosis *diagnosis, const struct resolver_probe *probe)
{
	TEXT(shown, IP_TEXT_MAX + 16);

	text_add_ip(&shown, probe->address);
	if (probe->port != 53)
		text_addf(&shown, " port %u", probe->port);
	if (probe->udp == PROBE_NOTHING) {
		diagnose(diagnosis, SYMPTOM_FAIL, "resolver", "%s does not answer over UDP",
			 text_cstr(&shown));
		diagnosis_fix(diagnosis, "start it, or name another one: resolver ... in "
					 "weighd.conf");
	} else if (probe->udp == PROBE_REFUSED) {
		diagnose(diagnosis, SYMPTOM_FAIL, "resolver", "%s refuses to resolve for us",
			 text_cstr(&shown));
		diagnosis_fix(diagnosis, "allow recursion for this host there (unbound: "
					 "access-control)");
	} else if (probe->tcp == PROBE_NOTHING) {
		diagnose(diagnosis, SYMPTOM_WARN, "resolver",
			 "%s does not answer over TCP: long SPF records fail", text_cstr(&shown));
		diagnosis_fix(diagnosis, "open port 53 for TCP on the way there");
	} else if (probe->refuses_edns) {
		diagnose(diagnosis, SYMPTOM_WARN, "resolver",
			 "%s refuses EDNS: answers above 512 bytes take a second question",
			 text_cstr(&shown));
		diagnosis_fix(diagnosis, "a resolver of this decade, or no middle box before it");
	} else if (!probe->has_edns) {
		diagnose(diagnosis, SYMPTOM_NOTE, "resolver",
			 "%s answers over UDP and TCP, but does not speak EDNS", text_cstr(&shown));
	} else {
		diagnose(diagnosis, SYMPTOM_OK, "resolver",
			 "%s answers over UDP and TCP, and "
			 "speaks EDNS",
			 text_cstr(&shown));
	}
}

static void judge_large(struct diagnosis *diagnosis, const struct resolver_facts *facts)
{
	switch (facts->large) {
	case LOOKUP_FOUND:
		diagnose(diagnosis, SYMPTOM_OK, "resolver", "large answers arrive");
		return;
	case LOOKUP_NONE: return; /* the name that is known for it has none today */
	case LOOKUP_FAILED: break;
	}
	if (!facts->is_alive)
		return;
	diagnose(diagnosis, SYMPTOM_WARN, "resolver",
		 "large answers do not arrive: long SPF records fail");
	diagnosis_fix(diagnosis, "open port 53 for TCP, and let fragments of UDP through");
}

static void judge_speed(struct diagnosis *diagnosis, const struct resolver_facts *facts)
{
	uint32_t took_ms = facts->took_us / 1000;

	if (!facts->is_alive)
		return;
	if (took_ms < facts->question_ms) {
		diagnose(diagnosis, SYMPTOM_OK, "resolver",
			 "it answers in time: the slowest of "
			 "its answers took %u ms",
			 took_ms);
		return;
	}
	diagnose(diagnosis, SYMPTOM_WARN, "resolver",
		 "it answers late: %u ms, weighd waits %u ms for one answer", took_ms,
		 facts->question_ms);
	fix_resolver(diagnosis);
}

void judge_resolver(struct diagnosis *diagnosis, const struct resolver_facts *facts)
{
	judge_path(diagnosis, facts);
	for (size_t i = 0; i < facts->probe_count; i++)
		judge_probe(diagnosis, &facts->probe[i]);
	if (facts->probe_count == 0 && !facts->is_alive) {
		diagnose(diagnosis, SYMPTOM_FAIL, "resolver", "no question to the DNS is answered");
		diagnosis_fix(diagnosis, "let this host ask port 53 of any address, UDP and TCP; "
					 "or name a resolver that may: resolver ADDRESS in "
					 "weighd.conf");
		return;
	}
	judge_rewriting(diagnosis, facts);
	judge_large(diagnosis, facts);
	judge_speed(diagnosis, facts);
}

/* --- zones --- */

static void fix_zone(struct diagnosis *diagnosis, const struct zone_facts *facts,
		     enum zone_trouble trouble)
{
	struct span home = facts->zone->home;

	if (trouble != TROUBLE_REFUSES)
		diagnosis_fix(diagnosis, "take %.*s out of the policies",
			      SPAN_ARG(facts->zone->shown));
	else if (home.len > 0)
		diagnosis_fix(diagnosis, "a resolver of your own, and see the terms: %.*s",
			      SPAN_ARG(home));
	else
		diagnosis_fix(diagnosis, "a resolver of your own, and see the terms of the list");
}

static void say_trouble(struct diagnosis *diagnosis, const struct zone_facts *facts,
			const struct zone_health *health)
{
	static const char *const what[] = {
		[TROUBLE_NONE] = "is well",
		[TROUBLE_REFUSES] = "refuses this host",
		[TROUBLE_LISTS_ALL] = "lists everybody, even what must not be listed",
		[TROUBLE_LISTS_NOTHING] = "lists nothing, not even its test entry",
		[TROUBLE_HITS_MOST] = "lists nearly everybody",
	};
	uint32_t raw = health->raw;

	diagnose(diagnosis, SYMPTOM_FAIL, "zone", "%.*s %s", SPAN_ARG(facts->zone->shown),
		 what[health->trouble]);
	if (raw != 0)
		diagnosis_why(diagnosis, "it answered %u.%u.%u.%u", raw >> 24, raw >> 16 & 255,
			      raw >> 8 & 255, raw & 255);
	fix_zone(diagnosis, facts, health->trouble);
}

static bool has_dead(struct diagnosis *diagnosis, const struct zone *zone)
{
	if (zone->dead_since.len == 0)
		return false;
	diagnose(diagnosis, SYMPTOM_FAIL, "zone", "%.*s is dead since %.*s", SPAN_ARG(zone->shown),
		 SPAN_ARG(zone->dead_since));
	diagnosis_fix(diagnosis, "take it out of the policies");
	return true;
}

void judge_zone(struct diagnosis *diagnosis, const struct zone_facts *facts)
{
	struct zone_test test[ZONE_TESTS_MAX] = { 0 };
	struct zone_health health;
	bool is_listed = false, is_partly = false;

	if (has_dead(diagnosis, facts->zone))
		return;
	memcpy(test, facts->test, facts->test_count * sizeof(*test));
	zone_health_init(&health, 0);
	(void)zone_health_judge(&health, test, facts->said, facts->raw, 0);
	if (health.trouble != TROUBLE_NONE) {
		say_trouble(diagnosis, facts, &health);
		return;
	}
	for (size_t i = 0; i < facts->test_count; i++) {
		is_listed = is_listed || facts->said[i] == ZONE_SAID_LISTED;
		is_partly = is_partly || facts->said[i] == ZONE_SAID_NOTHING;
	}
	if (health.is_silent || is_partly) {
		diagnose(diagnosis, SYMPTOM_WARN, "zone", "%.*s does not answer%s",
			 SPAN_ARG(facts->zone->shown), health.is_silent ? "" : " all questions");
		diagnosis_fix(diagnosis, "wait, if it is new; else take it out of the policies");
		return;
	}
	diagnose(diagnosis, is_listed ? SYMPTOM_OK : SYMPTOM_NOTE, "zone", "%.*s answers: %s",
		 SPAN_ARG(facts->zone->shown),
		 is_listed ? "its test entry is listed, its clear one is not"
			   : "nothing wrong, but the test entry of RFC 5782 is not listed: it has "
			     "none, or is dead");
}
