/* policy_text.c -- policies as an administrator might write them, by chance. */
#include "policy_text.h"

#include "base/ensure.h"
#include "weigh/check.h"
#include "weigh/ledger.h"

enum { STATEMENTS_WRITTEN_MAX = 14 };
enum { ORGANISATION = 1 << 5 }; /* its bit of plain: the last of plain_checks */

static const char zones[] =
	"zone ranges.list {\n"
	"    lists ip4, ip6, domains\n"
	"    means spam = [127.0.0.2, 127.0.0.3], exploited = 127.0.0.4/30\n"
	"    refused 127.255.255.0/24\n"
	"}\n"
	"zone four.list {\n    lists ip4\n    means spam = 127.0.0.2, exploited = 127.0.0.4\n}\n"
	"zone names.list {\n    lists domains\n    means spam = 127.0.0.2, exploited = "
	"127.0.0.4\n}\n"
	"table s0 known\n"
	"table s1 known\n"
	"table rates inline { 198.51.100.7 \"1/1h\", alder.test none }\n";

/* What has been written so far, for the conditions of what follows. */
struct draft {
	struct text *text;
	struct random *random;
	unsigned asks;   /* asks_max of all: the ledger's bound is not what is tested here */
	unsigned number; /* of weigh statements that find "spam": w0.spam, w1.spam, ... */
	unsigned variables;
	unsigned limits; /* l0, l1, ... */
	bool has_score, has_dnsbl, has_greylist;
	unsigned plain; /* a bit for each of plain_checks that is there */
};

/* One chance a call: the order in which arguments are evaluated is the compiler's. */
static void add_number(struct draft *draft, const char *before)
{
	text_add(draft->text, span_cstr(before));
	text_add_double(draft->text, ((double)random_below(draft->random, 33) - 16) / 4);
}

static void add_finding(struct draft *draft, const char *before, const char *finding)
{
	text_addf(draft->text, "%sw%zu.%s", before, random_below(draft->random, draft->number),
		  finding);
}

/* What those that count have come to, or what is remembered. */
static bool write_stored_condition(struct draft *draft)
{
	static const char *const known[] = {
		"client_address in s0",
		"[sender, recipient] in s1",
		"not (helo_name in s0)",
		"unknown(sender.domain in s1)",
	};
	static const struct {
		const char *before, *after;
	} of_limit[] = { { "", ".over" },
			 { "", ".used > 2" },
			 { "unknown(", ".over)" },
			 { "(", ".most ?? 9) <= 3" },
			 { "60 < ", ".wait" } };
	size_t field = random_below(draft->random, sizeof(of_limit) / sizeof(*of_limit));
	static const char *const of_greylist[] = {
		"greylist.state = \"new\"", "greylist.state in [passed, trusted]",
		"greylist.wait > 30", "greylist.delayed >= 100 and not unknown(score)"
	};
	size_t lot = random_below(draft->random, 3);

	if (lot == 0)
		text_add(draft->text, span_cstr(*RANDOM_OF(draft->random, known)));
	else if (lot == 1 && draft->limits > 0)
		text_addf(draft->text, "%sl%zu%s", of_limit[field].before,
			  random_below(draft->random, draft->limits), of_limit[field].after);
	else if (lot == 2 && draft->has_greylist)
		text_add(draft->text, span_cstr(*RANDOM_OF(draft->random, of_greylist)));
	else
		return false;
	return true;
}

static void write_condition(struct draft *draft)
{
	size_t lot = random_below(draft->random, 9);

	text_add(draft->text, SPAN(" if "));
	if (random_chance(draft->random, 25) && write_stored_condition(draft))
		return;
	if (lot == 0 && draft->number > 0) {
		add_finding(draft, "", "spam");
	} else if (lot == 1 && draft->number > 0) {
		add_finding(draft, "unknown(", "spam");
		text_add_char(draft->text, ')');
	} else if (lot == 2 && draft->number > 0) {
		add_finding(draft, "not ", "clear");
		add_finding(draft, " or ", "exploited");
	} else if (lot == 3 && draft->has_dnsbl) {
		text_add(draft->text, SPAN("dnsbl.hits >= 1"));
	} else if (lot == 4 && draft->variables > 0) {
		text_addf(draft->text, "(v%zu ?? 1) >= 1",
			  random_below(draft->random, draft->variables));
	} else if (lot == 5 && draft->has_score) {
		text_addf(draft->text, "unknown_share > 0.%zu", random_below(draft->random, 10));
	} else if (lot <= 7 && draft->has_score) {
		add_number(draft, "score >= ");
	} else {
		text_add(draft->text, SPAN("sender.domain = \"alder.test\""));
	}
}

static bool may_ask(struct draft *draft, const struct check *check)
{
	if (draft->asks + check->asks_max > LEDGER_QUESTIONS_MAX)
		return false;
	draft->asks += check->asks_max;
	draft->has_score = true;
	return true;
}

static const struct check *find_check(struct span name)
{
	size_t i = 0;

	while (check_table[i] != NULL && !span_equal(span_cstr(check_table[i]->name), name))
		i++;
	ENSURE(check_table[i] != NULL);
	return check_table[i];
}

static void write_list(struct draft *draft)
{
	static const struct {
		const char *check, *zone, *subjects;
	} lists[] = {
		{ "dnsbl", "ranges.list", "" },
		{ "dnsbl", "four.list", "" },
		{ "dnswl", "ranges.list", "" },
		{ "rhsbl", "names.list", "" },
		{ "rhsbl", "names.list", " of sender, helo, client_name" },
		{ "rhsbl", "ranges.list", " of helo, client_name" },
		{ "mx_dnsbl", "ranges.list", "" },
		{ "mx_dnsbl", "four.list", "" },
	};
	size_t pick = random_below(draft->random, sizeof(lists) / sizeof(lists[0]));

	if (!may_ask(draft, find_check(span_cstr(lists[pick].check))))
		return;
	text_addf(draft->text, "    weigh %s %s {", lists[pick].check, lists[pick].zone);
	add_number(draft, " spam ");
	add_number(draft, ", exploited ");
	add_number(draft, ", clear ");
	text_addf(draft->text, " }%s", lists[pick].subjects);
	if (random_chance(draft->random, 30))
		write_condition(draft);
	draft->has_dnsbl |= span_equal(span_cstr(lists[pick].check), SPAN("dnsbl"));
	text_addf(draft->text, " as w%u\n", draft->number++);
}

static void write_plain(struct draft *draft, const char *name)
{
	const struct check *check = find_check(span_cstr(name));

	if (!may_ask(draft, check))
		return;
	text_addf(draft->text, "    weigh %s { ", name);
	for (unsigned i = 0; check->finding[i] != NULL; i++) {
		text_addf(draft->text, "%s%s", i > 0 ? ", " : "", check->finding[i]);
		add_number(draft, " ");
	}
	text_add(draft->text, SPAN(" }"));
	if (random_chance(draft->random, 30))
		write_condition(draft);
	text_add(draft->text, SPAN("\n"));
}

/* Checks without a zone that ask for little; each once. */
static void write_one_of_plain(struct draft *draft)
{
	static const char *const plain_checks[] = { "fcrdns",      "generic", "sender_domain",
						    "helo_syntax", "spf",     "organisation" };
	size_t pick = random_below(draft->random, sizeof(plain_checks) / sizeof(*plain_checks));

	if ((draft->plain >> pick & 1) == 0)
		write_plain(draft, plain_checks[pick]);
	draft->plain |= 1U << pick;
}

static void write_classic(struct draft *draft)
{
	const struct check *check = find_check(SPAN("classic"));

	if (!may_ask(draft, check))
		return;
	text_add(draft->text, SPAN("    weigh classic {\n"));
	add_number(draft, "        REJECTLEVEL ");
	if (random_chance(draft->random, 50)) {
		add_number(draft, "\n        dnsbl one.list ");
		add_number(draft, " ");
		add_number(draft, " ONE\n        dnsbl two.list ");
		add_number(draft, " ");
		text_add(draft->text, SPAN(" DYN_TWO"));
	}
	if (random_chance(draft->random, 50)) {
		add_number(draft, "\n        rhsbl three.list ");
		text_add(draft->text, SPAN(" 0 THREE"));
	}
	text_add_char(draft->text, '\n');
	if (random_chance(draft->random, 20))
		text_addf(draft->text, "        MAXDNSERR %zu\n", random_below(draft->random, 9));
	text_add(draft->text, SPAN("    }"));
	if (random_chance(draft->random, 20))
		write_condition(draft);
	text_add(draft->text, SPAN("\n"));
}

static void write_verdict(struct draft *draft)
{
	static const char *const verdicts[] = {
		"reject \"5.7.1 refused, number $id\"",
		"reject",
		"defer \"4.7.1 later\"",
		"pass",
		"permit",
		"prepend \"X-Sim: $summary\"",
		"warn \"at $score\"",
	};

	if (!draft->has_score)
		return;
	text_addf(draft->text, "    %s", *RANDOM_OF(draft->random, verdicts));
	write_condition(draft);
	text_add(draft->text, SPAN("\n"));
}

/* A new variable, or another value for one that is there. */
static void write_set(struct draft *draft)
{
	size_t variable = random_below(draft->random, draft->variables + 1);

	if (!draft->has_score)
		return;
	text_addf(draft->text, "    set v%zu = score * 2 - ", variable);
	add_number(draft, "");
	if (random_chance(draft->random, 50))
		write_condition(draft);
	text_add_char(draft->text, '\n');
	if (variable == draft->variables)
		draft->variables++;
}

/* --- statements that count --- */

static void add_key(struct draft *draft)
{
	static const char *const keys[] = {
		"client_address", "client_network, sender, recipient", "sasl_username",
		"sender.domain",  "helo_name, client_address",
	};

	text_add(draft->text, span_cstr(*RANDOM_OF(draft->random, keys)));
}

static void add_clause(struct draft *draft, unsigned percent, const char *clause)
{
	if (random_chance(draft->random, percent))
		text_add(draft->text, span_cstr(clause));
}

static void write_greylist(struct draft *draft)
{
	/* Without a key "weigh organisation" comes along, with the same condition. */
	bool has_key = random_chance(draft->random, 60) || (draft->plain & ORGANISATION) != 0;
	bool had_score = draft->has_score;

	if (!has_key && !may_ask(draft, find_check(SPAN("organisation"))))
		return;
	draft->has_score = had_score;
	text_add(draft->text, SPAN("    "));
	add_clause(draft, 15, "observe ");
	text_add(draft->text, SPAN("greylist"));
	add_clause(draft, 50, " for 5m");
	add_clause(draft, 20, " within 4h");
	if (has_key) {
		text_add(draft->text, SPAN(" by "));
		add_key(draft);
	} else {
		draft->plain |= ORGANISATION;
	}
	if (random_chance(draft->random, 30))
		text_add(draft->text, SPAN(" no trust"));
	else
		add_clause(draft, 50, " trust 2 for 5d of client_network");
	add_clause(draft, 20, " no header");
	add_clause(draft, 40, " failing defer \"4.3.0 no store\"");
	add_clause(draft, 30, " \"4.7.1 come back in ${greylist.wait}, $id\"");
	draft->has_greylist = true;
	if (random_chance(draft->random, 60))
		write_condition(draft);
	text_add_char(draft->text, '\n');
}

static void write_limit(struct draft *draft)
{
	static const char *const rates[] = { " 1/1h", " 3/10m, 5/1d", " 2/1h", " 100/1h, 2/7d",
					     " none" };
	static const char *const countings[] = { "", " counting messages", " counting recipients",
						 " counting distinct helo_name" };
	static const char *const ends[] = {
		"", " else reject \"5.7.1 $client_address\"", " else observe",
		" else defer \"4.7.1 ${limit.wait} at ${limit.used}\""
	};

	text_addf(draft->text, "    limit l%u by ", draft->limits);
	add_key(draft);
	text_add(draft->text, span_cstr(*RANDOM_OF(draft->random, rates)));
	add_clause(draft, 20, " from rates");
	text_add(draft->text, span_cstr(*RANDOM_OF(draft->random, countings)));
	add_clause(draft, 30, " and refused");
	text_add(draft->text, span_cstr(*RANDOM_OF(draft->random, ends)));
	add_clause(draft, 40, " failing defer");
	if (random_chance(draft->random, 50))
		write_condition(draft);
	draft->limits++;
	text_add_char(draft->text, '\n');
}

static void write_remember(struct draft *draft)
{
	text_add(draft->text, SPAN("    remember "));
	text_add(draft->text, random_chance(draft->random, 70) ? SPAN("client_address in s0")
							       : SPAN("sender, recipient in s1"));
	text_add(draft->text, SPAN(" for 1d"));
	write_condition(draft);
	text_add_char(draft->text, '\n');
}

static void write_counting(struct draft *draft)
{
	size_t lot = random_below(draft->random, 5);

	if (lot <= 1)
		write_greylist(draft);
	else if (lot <= 3)
		write_limit(draft);
	else
		write_remember(draft);
}

void policy_write(struct text *text, struct random *random)
{
	struct draft draft = { .text = text, .random = random };
	size_t count = 1 + random_below(random, STATEMENTS_WRITTEN_MAX);
	/* Two that ask so much do not go into one policy. */
	bool is_classic = random_chance(random, 40), is_heavy = false;

	text_add(text, span_cstr(zones));
	text_add(text, SPAN("policy sim {\n"));
	for (size_t i = 0; i < count; i++) {
		size_t lot = random_below(random, 14);

		if (lot <= 1 && !is_heavy && is_classic)
			write_classic(&draft);
		else if (lot <= 1 && !is_heavy)
			write_plain(&draft, "identity");
		else if (lot <= 4)
			write_list(&draft);
		else if (lot <= 6)
			write_one_of_plain(&draft);
		else if (lot <= 9)
			write_verdict(&draft);
		else if (lot <= 12)
			write_counting(&draft);
		else
			write_set(&draft);
		is_heavy |= lot <= 1;
	}
	text_add(text, SPAN("}\n"));
}
