/* zone_test.c -- what the answers of a DNS list mean. */
#include "../unit.h"

#include "weigh/zone.h"

enum { SPAM, EXPLOITED, POLICY, CLEAR };

static const struct zone ranged = {
	.name = SPAN_INIT("zen.example"),
	.meaning = { SPAN_INIT("spam"), SPAN_INIT("exploited"), SPAN_INIT("policy") },
	.meaning_count = 3,
	.range = {
		{ 0x7f000002, UINT32_MAX, false, SPAM },
		{ 0x7f000003, UINT32_MAX, false, SPAM },
		{ 0x7f000004, 0xfffffffc, false, EXPLOITED },
		{ 0x7f00000a, UINT32_MAX, false, POLICY },
	},
	.range_count = 4,
	.refused = { { { { 127, 0, 1, 255 }, IP_V4 }, 32 } },
	.refused_count = 1,
	.lists_ip4 = true,
	.lists_domains = true,
};

static const struct zone wide = {
	.name = SPAN_INIT("all.example"),
	.meaning = { SPAN_INIT("listed") },
	.meaning_count = 1,
	.range = { { 0x7f000000, 0xff000000, false, 0 } },
	.range_count = 1,
	.lists_ip6 = true,
};

static const struct zone bits = {
	.name = SPAN_INIT("multi.example"),
	.meaning = { SPAN_INIT("black"), SPAN_INIT("grey"), SPAN_INIT("one") },
	.meaning_count = 3,
	.range = { { 2, UINT32_MAX, true, 0 }, { 4, UINT32_MAX, true, 1 } },
	.range_count = 2,
	.lists_domains = true,
};

static const struct zone named = {
	.name = SPAN_INIT("white.example"),
	.meaning = { SPAN_INIT("white") },
	.meaning_count = 1,
	.range = { { 0x7f000001, UINT32_MAX, false, 0 } },
	.range_count = 1,
};

static const struct {
	const char *name;
	const struct zone *zone;
	const char *answer;
	enum zone_answer want;
	uint32_t meanings;
} answers[] = {
	{ "an address", &ranged, "127.0.0.2", ZONE_LISTED, 1U << SPAM },
	{ "two addresses of one meaning", &ranged, "127.0.0.3", ZONE_LISTED, 1U << SPAM },
	{ "the first of a network", &ranged, "127.0.0.4", ZONE_LISTED, 1U << EXPLOITED },
	{ "the last of a network", &ranged, "127.0.0.7", ZONE_LISTED, 1U << EXPLOITED },
	{ "one beyond a network", &ranged, "127.0.0.8", ZONE_UNDECLARED, 0 },
	{ "a declared refusal", &ranged, "127.0.1.255", ZONE_REFUSED, 0 },
	{ "open resolver", &ranged, "127.255.255.254", ZONE_REFUSED, 0 },
	{ "parked domain", &ranged, "198.51.100.1", ZONE_UNDECLARED, 0 },
	{ "no IPv4", &ranged, "::ffff:127.0.0.2", ZONE_UNDECLARED, 0 },
	{ "wide: lowest listing", &wide, "127.0.0.2", ZONE_LISTED, 1 },
	{ "wide: highest listing", &wide, "127.255.254.255", ZONE_LISTED, 1 },
	{ "wide: too many questions", &wide, "127.255.255.255", ZONE_REFUSED, 0 },
	{ "wide: wrong name", &wide, "127.255.255.0", ZONE_REFUSED, 0 },
	{ "wide: 127.0.0.0", &wide, "127.0.0.0", ZONE_REFUSED, 0 },
	{ "wide: 127.0.0.1", &wide, "127.0.0.1", ZONE_REFUSED, 0 },
	{ "wide: below 127/8", &wide, "126.255.255.255", ZONE_UNDECLARED, 0 },
	{ "wide: above 127/8", &wide, "128.0.0.0", ZONE_UNDECLARED, 0 },
	{ "127.0.0.1 means what names it", &named, "127.0.0.1", ZONE_LISTED, 1 },
	{ "a bit", &bits, "127.0.0.2", ZONE_LISTED, 1 },
	{ "two bits", &bits, "127.0.0.6", ZONE_LISTED, 3 },
	{ "a bit beside one of no meaning", &bits, "127.0.0.66", ZONE_LISTED, 1 },
	{ "a bit of no meaning", &bits, "127.0.0.64", ZONE_UNDECLARED, 0 },
	{ "no bit", &bits, "127.0.0.1", ZONE_REFUSED, 0 },
	{ "bits beside 127.0.0", &bits, "127.0.1.2", ZONE_UNDECLARED, 0 },
	{ "bits of a refusal", &bits, "127.255.255.254", ZONE_REFUSED, 0 },
};

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		uint32_t meanings = 0;
		struct ip ip;

		assert_int_equal(ip_parse(span_cstr(answers[i].answer), &ip), OK);
		if (zone_read(answers[i].zone, ip, &meanings) != answers[i].want ||
		    meanings != answers[i].meanings)
			fail_msg("%s: %s means %x", answers[i].name, answers[i].answer, meanings);
	}
}

static void test_families(void **state)
{
	const struct ip none = { .family = IP_NONE };
	const struct ip v4 = { .byte = { 192, 0, 2, 1 }, .family = IP_V4 };
	const struct ip v6 = { .byte = { 0x20, 0x01 }, .family = IP_V6 };

	(void)state;
	assert_true(zone_lists(&ranged, v4));
	assert_false(zone_lists(&ranged, v6));
	assert_false(zone_lists(&wide, v4));
	assert_true(zone_lists(&wide, v6));
	assert_false(zone_lists(&ranged, none));
	assert_false(zone_lists(&wide, none));
}

/* Addresses, "-" for nothing, "!" for no answer, "?" for not yet. */
static bool recall(void *self, struct fact *fact)
{
	static struct span item[4];
	struct span rest = span_cstr(self), answer = { 0 };

	/* the n-th word belongs to the name that is the digit n */
	for (char n = '0'; n <= fact->key.at[0]; n++)
		assert_true(span_cut(&rest, ' ', &answer));
	if (span_equal(answer, SPAN("?")))
		return false;
	fact->state = FACT_KNOWN;
	if (span_equal(answer, SPAN("-"))) {
		fact->state = FACT_NONE;
	} else if (span_equal(answer, SPAN("!"))) {
		fact->state = FACT_FAILED;
		fact->cause = CAUSE_SERVFAIL;
	} else {
		fact->item = item;
		while (fact->item_count < 4 && span_cut(&answer, ',', &item[fact->item_count]))
			fact->item_count++;
	}
	return true;
}

enum { ALL = 1 << SPAM | 1 << EXPLOITED | 1 << POLICY | 1 << CLEAR };

/* Several names are answered one by one: "127.0.0.2 - !". */
static const struct {
	const char *name, *answers;
	bool pending;
	uint32_t found, unknown;
} findings[] = {
	{ "listed", "127.0.0.2", false, 1 << SPAM, 0 },
	{ "listed twice over", "127.0.0.2,127.0.0.3", false, 1 << SPAM, 0 },
	{ "two meanings", "127.0.0.10,127.0.0.4", false, 1 << POLICY | 1 << EXPLOITED, 0 },
	{ "not listed", "-", false, 1 << CLEAR, 0 },
	{ "no answer", "!", false, 0, ALL },
	{ "not yet", "?", true, 0, 0 },
	{ "refused", "127.255.255.254", false, 0, ALL },
	{ "a refusal beside a listing", "127.0.0.2,127.255.255.254", false, 0, ALL },
	{ "a refusal before a listing", "127.255.255.254,127.0.0.2", false, 0, ALL },
	{ "undeclared beside a listing", "127.0.0.2,127.0.0.99", false, 0, ALL },
	{ "no address at all", "nonsense", false, 0, ALL },
	{ "two names, one listed", "- 127.0.0.2", false, 1 << SPAM, 0 },
	{ "two names, the other listed", "127.0.0.2 -", false, 1 << SPAM, 0 },
	{ "two names, both clear", "- -", false, 1 << CLEAR, 0 },
	{ "two names, both listed", "127.0.0.2 127.0.0.3", false, 1 << SPAM, 0 },
	{ "clear and failed", "- !", false, 0, ALL },
	{ "failed and clear", "! -", false, 0, ALL },
	{ "listed and failed", "127.0.0.2 !", false, 1 << SPAM, 1 << EXPLOITED | 1 << POLICY },
	{ "failed and listed", "! 127.0.0.2", false, 1 << SPAM, 1 << EXPLOITED | 1 << POLICY },
	{ "failed, clear, listed", "! - 127.0.0.10", false, 1 << POLICY,
	  1 << SPAM | 1 << EXPLOITED },
	{ "clear and not yet", "- ?", true, 1 << CLEAR, 0 },
};

static void weigh_all(const char *name, const char *given, struct findings *found)
{
	const struct recall from_text = { .recall = recall, .self = (void *)(uintptr_t)given };
	struct arena arena;
	struct ledger ledger;
	struct span rest = span_cstr(given), answer;

	(void)name;
	arena_init(&arena, 64 * 1024);
	ledger_init(&ledger, &arena, &from_text);
	for (char n = '0'; span_cut(&rest, ' ', &answer); n++)
		zone_weigh(&ranged, span_of(&n, 1), &ledger, found);
	check_span(ledger.fact[0]->key, SPAN("0.zen.example"), name);
	ledger_release(&ledger);
	arena_release(&arena);
}

static void test_findings(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(findings); i++) {
		struct findings found = { 0 };
		uint32_t times = 0;

		weigh_all(findings[i].name, findings[i].answers, &found);
		for (unsigned n = 0; n <= CLEAR; n++)
			times |= (uint32_t)found.times[n] << n;
		if (times != findings[i].found || found.unknown != findings[i].unknown ||
		    found.pending != findings[i].pending)
			fail_msg("%s: found %x, unknown %x", findings[i].name, times,
				 found.unknown);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_findings),
	};

	return cmocka_run_group_tests_name("weigh/zone", tests, NULL, NULL);
}
