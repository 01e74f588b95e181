/* doctor_test.c -- facts about resolver, zones and host, and what is said of them. */
#include "ctl/doctor.h"

#include <stdlib.h>

#include "../unit.h"

static const char *const level_name[] = { "ok", "note", "WARN", "FAIL" };

static void tell(const struct diagnosis *diagnosis, struct text *said)
{
	for (size_t i = 0; i < diagnosis->count; i++) {
		const struct symptom *symptom = &diagnosis->symptom[i];

		text_addf(said, "%s %.*s | %.*s | %.*s\n", level_name[symptom->level],
			  SPAN_ARG(symptom->text), SPAN_ARG(symptom->why), SPAN_ARG(symptom->fix));
		if (symptom->level >= SYMPTOM_WARN && symptom->fix.len == 0)
			fail_msg("no fix: %.*s", SPAN_ARG(symptom->text));
	}
}

static struct diagnosis *diagnosis_new(void)
{
	struct diagnosis *diagnosis = malloc(sizeof(*diagnosis));

	assert_non_null(diagnosis);
	diagnosis_init(diagnosis);
	return diagnosis;
}

static void diagnosis_end(struct diagnosis *diagnosis, struct text *said)
{
	tell(diagnosis, said);
	diagnosis_release(diagnosis);
	free(diagnosis);
}

static void holds(const char *name, struct text *said, const char *part)
{
	if (!span_has(text_span(said), span_cstr(part)))
		fail_msg("%s: \"%s\" is not in:\n%s", name, part, text_cstr(said));
}

static struct ip ip_of(const char *text)
{
	struct ip ip = { 0 };

	if (*text != '\0')
		assert_int_equal(ip_parse(span_cstr(text), &ip), OK);
	return ip;
}

static void resolvers_are_judged(void **state)
{
#define N PROBE_NOTHING
#define A PROBE_ANSWERED
#define R PROBE_REFUSED
	static const struct {
		const char *name, *address, *uplink, *egress;
		enum probe_said udp, tcp;
		bool has_edns, refuses_edns;
		enum lookup rewritten, large;
		uint32_t took_us;
		const char *says;
	} cases[] = {
		{ "good", "127.0.0.1", "", "192.0.2.1", A, A, true, false, LOOKUP_NONE,
		  LOOKUP_FOUND, 20000, "lists see 192.0.2.1" },
		{ "Cloudflare", "1.1.1.1", "", "", A, A, true, false, LOOKUP_NONE, LOOKUP_FOUND, 0,
		  "FAIL the resolver is a public one: 1.1.1.1 (Cloudflare)" },
		{ "Google", "8.8.8.8", "", "", A, A, true, false, LOOKUP_NONE, LOOKUP_FOUND, 0,
		  "(Google)" },
		{ "Quad9 by IPv6", "2620:fe::9", "", "", A, A, true, false, LOOKUP_NONE,
		  LOOKUP_FOUND, 0, "(Quad9)" },
		{ "forwards to a public one", "127.0.0.1", "", "172.253.1.2", A, A, true, false,
		  LOOKUP_NONE, LOOKUP_FOUND, 0, "FAIL the resolver is a public one: 172.253.1.2" },
		{ "systemd-resolved", "127.0.0.53", "", "", A, A, true, false, LOOKUP_NONE,
		  LOOKUP_FOUND, 0, "WARN the resolver is the stub of systemd-resolved" },
		{ "the same, to a public one", "127.0.0.53", "1.0.0.1", "", A, A, true, false,
		  LOOKUP_NONE, LOOKUP_FOUND, 0,
		  "path: weighd -> 127.0.0.53 (systemd-resolved) -> 1.0.0.1" },
		{ "a provider's", "203.0.113.53", "", "", A, A, true, false, LOOKUP_NONE,
		  LOOKUP_FOUND, 0, "WARN the resolver is on another host" },
		{ "rewrites", "127.0.0.1", "", "", A, A, true, false, LOOKUP_FOUND, LOOKUP_FOUND, 0,
		  "FAIL the resolver rewrites NXDOMAIN: a name that cannot exist has the address "
		  "192.0.2.66" },
		{ "does not say", "127.0.0.1", "", "", A, A, true, false, LOOKUP_FAILED,
		  LOOKUP_FOUND, 0, "WARN whether the resolver rewrites NXDOMAIN is unknown" },
		{ "dead", "127.0.0.1", "", "", N, N, false, false, LOOKUP_FAILED, LOOKUP_FAILED, 0,
		  "FAIL 127.0.0.1 does not answer over UDP" },
		{ "refuses", "127.0.0.1", "", "", R, R, true, false, LOOKUP_FAILED, LOOKUP_FAILED,
		  0, "FAIL 127.0.0.1 refuses to resolve for us" },
		{ "no TCP", "127.0.0.1", "", "", A, N, true, false, LOOKUP_NONE, LOOKUP_FAILED, 0,
		  "WARN 127.0.0.1 does not answer over TCP" },
		{ "no EDNS", "127.0.0.1", "", "", A, A, false, true, LOOKUP_NONE, LOOKUP_FOUND, 0,
		  "WARN 127.0.0.1 refuses EDNS" },
		{ "EDNS not understood", "127.0.0.1", "", "", A, A, false, false, LOOKUP_NONE,
		  LOOKUP_FOUND, 0, "note 127.0.0.1 answers over UDP and TCP, but" },
		{ "nothing large", "127.0.0.1", "", "", A, A, true, false, LOOKUP_NONE,
		  LOOKUP_FAILED, 0, "WARN large answers do not arrive" },
		{ "just in time", "127.0.0.1", "", "", A, A, true, false, LOOKUP_NONE, LOOKUP_FOUND,
		  1999999, "ok it answers in time: the slowest of its answers took 1999 ms" },
		{ "too late", "127.0.0.1", "", "", A, A, true, false, LOOKUP_NONE, LOOKUP_FOUND,
		  2000000, "WARN it answers late: 2000 ms" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct diagnosis *diagnosis = diagnosis_new();
		struct resolver_facts facts = {
			.kind = RESOLVER_ADDRESSES,
			.is_stub = strcmp(cases[i].address, "127.0.0.53") == 0,
			.probe = { { .address = ip_of(cases[i].address),
				     .port = 53,
				     .udp = cases[i].udp,
				     .tcp = cases[i].tcp,
				     .has_edns = cases[i].has_edns,
				     .refuses_edns = cases[i].refuses_edns } },
			.probe_count = 1,
			.uplink = { ip_of(cases[i].uplink) },
			.uplink_count = *cases[i].uplink != '\0',
			.egress = ip_of(cases[i].egress),
			.rewritten = cases[i].rewritten,
			.rewriting = SPAN("192.0.2.66"),
			.large = cases[i].large,
			.is_alive = cases[i].udp == PROBE_ANSWERED,
			.took_us = cases[i].took_us,
			.question_ms = 2000,
		};
		size_t needs;
		TEXT(said, 8192);

		judge_resolver(diagnosis, &facts);
		needs = diagnosis_needs(diagnosis);
		diagnosis_end(diagnosis, &said);
		holds(cases[i].name, &said, cases[i].says);
		if (strncmp(cases[i].says, "WARN", 4) == 0 ||
		    strncmp(cases[i].says, "FAIL", 4) == 0)
			assert_true(needs > 0);
		else if (strcmp(cases[i].name, "good") == 0)
			assert_int_equal(needs, 0);
	}
}

#undef N
#undef A
#undef R

static void recursion_that_is_cut_off(void **state)
{
	struct diagnosis *diagnosis = diagnosis_new();
	struct resolver_facts facts = { .kind = RESOLVER_RECURSIVE, .question_ms = 2000 };
	TEXT(said, 4096);

	(void)state;
	judge_resolver(diagnosis, &facts);
	diagnosis_end(diagnosis, &said);
	holds("recursion", &said, "FAIL no question to the DNS is answered");
	holds("recursion", &said, "built-in recursion");
}

static void zones_are_judged(void **state)
{
	static const struct {
		const char *name;
		enum zone_said listed, clear;
		uint32_t raw;
		const char *dead, *says;
	} cases[] = {
		{ "well", ZONE_SAID_LISTED, ZONE_SAID_CLEAR, 0, "", "ok bl.example answers: its" },
		{ "refuses", ZONE_SAID_REFUSED, ZONE_SAID_REFUSED, 0x7ffffffe, "",
		  "FAIL bl.example refuses this host | it answered 127.255.255.254" },
		{ "lists all", ZONE_SAID_LISTED, ZONE_SAID_LISTED, 0x7f000002, "",
		  "FAIL bl.example lists everybody" },
		{ "sold", ZONE_SAID_ODD, ZONE_SAID_ODD, 0xc0000201, "",
		  "FAIL bl.example lists everybody" },
		{ "empty", ZONE_SAID_CLEAR, ZONE_SAID_CLEAR, 0, "",
		  "FAIL bl.example lists nothing" },
		{ "silent", ZONE_SAID_NOTHING, ZONE_SAID_NOTHING, 0, "",
		  "WARN bl.example does not answer |" },
		{ "half silent", ZONE_SAID_LISTED, ZONE_SAID_NOTHING, 0, "",
		  "WARN bl.example does not answer all questions" },
		{ "dead", ZONE_SAID_NOTHING, ZONE_SAID_NOTHING, 0, "2025-01",
		  "FAIL bl.example is dead since 2025-01" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct diagnosis *diagnosis = diagnosis_new();
		const struct zone zone = { .name = SPAN_INIT("bl.example"),
					   .shown = SPAN_INIT("bl.example"),
					   .lists_ip4 = true,
					   .test_listed = SPAN_INIT("127.0.0.2"),
					   .dead_since = span_cstr(cases[i].dead) };
		struct zone_facts facts = { .zone = &zone,
					    .said = { cases[i].listed, cases[i].clear },
					    .raw = { cases[i].raw, cases[i].raw } };
		TEXT(said, 4096);

		facts.test_count = zone_tests(&zone, facts.test);
		assert_int_equal(facts.test_count, 2);
		judge_zone(diagnosis, &facts);
		diagnosis_end(diagnosis, &said);
		holds(cases[i].name, &said, cases[i].says);
	}
}

static void a_zone_that_nobody_described(void **state)
{
	struct diagnosis *diagnosis = diagnosis_new();
	struct zone_facts facts = { .said = { ZONE_SAID_CLEAR, ZONE_SAID_CLEAR } };
	struct zone zone;
	TEXT(said, 4096);

	(void)state;
	zone_undeclared(SPAN("old.example"), &zone);
	zone.lists_ip4 = true;
	facts.zone = &zone;
	facts.test_count = zone_tests(&zone, facts.test);
	judge_zone(diagnosis, &facts);
	diagnosis_end(diagnosis, &said);
	holds("undeclared", &said, "note old.example answers: nothing wrong, but the test entry");
}

enum { LIMIT_OF_FILES = 1024 + 128 };
#define NOW INT64_C(1795000000000)

static void hosts_are_judged(void **state)
{
	static const struct listener listener = { .port = 12525,
						  .address = { { 127, 0, 0, 1 }, IP_V4 } };
	static const struct {
		const char *name;
		int64_t now_ms, daemon_ms, changed_ms, descriptors;
		bool is_reached, is_denied;
		const char *control;
		enum listener_said said;
		const char *says;
	} cases[] = {
		{ "good", NOW, NOW, 5, LIMIT_OF_FILES, true, false, "/c", LISTENER_ANSWERS,
		  "ok inet:127.0.0.1:12525 answers" },
		{ "1970", 1000, 1000, 5, LIMIT_OF_FILES, true, false, "/c", LISTENER_ANSWERS,
		  "FAIL the clock says 1970-01-01" },
		{ "clocks differ", NOW, NOW + 2001, 5, LIMIT_OF_FILES, true, false, "/c",
		  LISTENER_ANSWERS, "FAIL the daemon's clock differs" },
		{ "clocks hardly differ", NOW, NOW - 2000, 5, LIMIT_OF_FILES, true, false, "/c",
		  LISTENER_ANSWERS, "ok the clock says" },
		{ "read before it changed", NOW, NOW, 11, LIMIT_OF_FILES, true, false, "/c",
		  LISTENER_ANSWERS, "WARN the configuration has changed" },
		{ "read as it is", NOW, NOW, 10, LIMIT_OF_FILES, true, false, "/c",
		  LISTENER_ANSWERS, "ok the daemon runs by /conf, generation 3" },
		{ "one file too few", NOW, NOW, 5, LIMIT_OF_FILES - 1, true, false, "/c",
		  LISTENER_ANSWERS, "WARN the daemon may open 1151 files" },
		{ "files are enough", NOW, NOW, 5, LIMIT_OF_FILES, true, false, "/c",
		  LISTENER_ANSWERS, "ok the daemon may open 1152 files" },
		{ "not there", NOW, 0, 5, 0, false, false, "/c", LISTENER_ABSENT,
		  "FAIL no daemon answers at /c" },
		{ "nobody listens", NOW, 0, 5, 0, true, false, "/c", LISTENER_ABSENT,
		  "FAIL nobody listens at inet:127.0.0.1:12525" },
		{ "silent", NOW, 0, 5, 0, true, false, "/c", LISTENER_SILENT,
		  "FAIL inet:127.0.0.1:12525 does not answer" },
		{ "another program", NOW, 0, 5, 0, true, false, "/c", LISTENER_ODD,
		  "FAIL inet:127.0.0.1:12525: somebody else" },
		{ "not for us", NOW, 0, 5, 0, false, true, "/c", LISTENER_DENIED,
		  "note the daemon at /c may be asked by root" },
		{ "no control", NOW, 0, 5, 0, false, false, "", LISTENER_ANSWERS,
		  "WARN the configuration has no control socket" },
	};
	static struct config config;

	(void)state;
	config.limits.connections = 1024;
	config.listener_count = 1;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct diagnosis *diagnosis = diagnosis_new();
		struct host_facts facts = {
			.now_ms = cases[i].now_ms,
			.config = &config,
			.daemon = { .is_reached = cases[i].is_reached,
				    .is_denied = cases[i].is_denied,
				    .control_path = span_cstr(cases[i].control),
				    .config_path = SPAN("/conf"),
				    .our_config_path = SPAN("/conf"),
				    .generation = 3,
				    .daemon_ms = cases[i].daemon_ms,
				    .loaded_ms = 10,
				    .changed_ms = cases[i].changed_ms,
				    .descriptors = cases[i].descriptors },
			.listener = { { &listener, cases[i].said } },
			.listener_count = 1,
		};
		TEXT(said, 4096);

		judge_host(diagnosis, &facts);
		if (i == 0)
			assert_int_equal(diagnosis_needs(diagnosis), 0);
		diagnosis_end(diagnosis, &said);
		holds(cases[i].name, &said, cases[i].says);
	}
}

static void the_list_is_bounded(void **state)
{
	static char long_text[2 * SYMPTOM_TEXT_MAX];
	struct diagnosis *diagnosis = diagnosis_new();

	(void)state;
	for (int i = 0; i < SYMPTOMS_MAX + 2; i++)
		diagnose(diagnosis, SYMPTOM_WARN, "test", "%d", i);
	assert_int_equal(diagnosis->count, SYMPTOMS_MAX);
	check_span(diagnosis->symptom[SYMPTOMS_MAX - 1].text, SPAN("513"), "the last");
	memset(long_text, 'x', sizeof(long_text) - 1);
	diagnosis_fix(diagnosis, "%s", long_text);
	assert_int_equal(diagnosis->symptom[SYMPTOMS_MAX - 1].fix.len, SYMPTOM_TEXT_MAX - 1);
	diagnosis_release(diagnosis);
	free(diagnosis);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolvers_are_judged),
		cmocka_unit_test(recursion_that_is_cut_off),
		cmocka_unit_test(zones_are_judged),
		cmocka_unit_test(hosts_are_judged),
		cmocka_unit_test(a_zone_that_nobody_described),
		cmocka_unit_test(the_list_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
