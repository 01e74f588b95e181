/* config_test.c -- what is right compiles into what was meant. */
#include "../unit.h"

#include "checks.h"

static char report_room[CONFIG_REPORT_MAX];

static struct config *compile_with(const char *text, const char *other)
{
	struct memory_files files = { span_cstr(text), span_cstr(other) };
	struct config_loader loader = { .load = memory_load,
					.self = &files,
					.hostname = SPAN("machine.example.org") };
	struct text report = { report_room, 0, sizeof(report_room), false };
	struct config *config = NULL;

	if (config_compile(&loader, SPAN("weighd.conf"), fake_checks, &report, &config) != OK)
		fail_msg("%s", text_cstr(&report));
	assert_int_equal(report.len, 0);
	return config;
}

static struct config *compile(const char *text)
{
	return compile_with(text, "");
}

static const struct statement *only(const struct config *config)
{
	assert_int_equal(config->policy[0]->statement_count, 1);
	return &config->policy[0]->statement[0];
}

static void settings(void **state)
{
	struct config *config = compile("listen inet:127.0.0.1:12525 policy p\n"
					"listen inet:[::1]:0 policy p\r\n"
					"listen unix:/run/x mode 0660 policy p\n"
					"control /run/weighd/control.sock # here\n"
					"resolver 127.0.0.1, [::1]:5353,\n\t::1, 192.0.2.1:54\n"
					"deadline 6s\nmode observe\nlog syslog\nworkers 4\n"
					"user _weighd\nlimits { connections 10, attempts 20\n"
					"question_ms 50 }\npolicy p { }\n");

	(void)state;
	assert_int_equal(config->listener_count, 3);
	assert_int_equal(config->listener[0].port, 12525);
	assert_int_equal(config->listener[0].address.family, IP_V4);
	assert_int_equal(config->listener[1].address.family, IP_V6);
	assert_true(config->listener[2].is_unix);
	assert_int_equal(config->listener[2].mode, 0660);
	assert_int_equal(config->listener[2].origin.line, 3);
	check_span(config->listener[2].path, SPAN("/run/x"), "path");
	assert_ptr_equal(config->listener[2].policy, config_policy(config, SPAN("p")));
	check_span(config->control.path, SPAN("/run/weighd/control.sock"), "control");
	assert_int_equal(config->resolver.kind, RESOLVER_ADDRESSES);
	assert_int_equal(config->resolver.address_count, 4);
	assert_int_equal(config->resolver.address[0].port, 53);
	assert_int_equal(config->resolver.address[1].port, 5353);
	assert_int_equal(config->resolver.address[3].port, 54);
	assert_int_equal(config->deadline_ms, 6000);
	assert_true(config->observe && config->policy[0]->observe);
	assert_int_equal(config->log, LOG_SYSLOG);
	assert_int_equal(config->workers, 4);
	check_span(config->user, SPAN("_weighd"), "user");
	assert_int_equal(config->limits.connections, 10);
	assert_int_equal(config->limits.question_ms, 50);
	assert_int_equal(config->limits.line_bytes, 8192);
	config_drop(config_hold(config));
	config_drop(config);
}

static void standards(void **state)
{
	struct config *config = compile("");

	(void)state;
	assert_int_equal(config->deadline_ms, CONFIG_DEADLINE_MS);
	assert_int_equal(config->resolver.kind, RESOLVER_RECURSIVE);
	assert_int_equal(config->log, LOG_STDERR);
	assert_false(config->observe);
	assert_int_equal(config->limits.connections, 1024);
	assert_int_equal(config->policy_count, 0);
	config_drop(config);
}

/* The including file's word wins, wherever it stands. */
static void includes(void **state)
{
	struct config *config = compile_with("deadline 3s\ninclude \"other\"\ncontrol mine\n",
					     "mode observe\ndeadline 5s\ncontrol theirs\n"
					     "zone a.example.org { lists ip4 }\n");

	(void)state;
	assert_true(config->observe);
	assert_int_equal(config->deadline_ms, 3000);
	check_span(config->control.path, SPAN("mine"), "control");
	assert_int_equal(config->zone_count, 1);
	assert_int_equal(config->file_count, 2);
	config_drop(config);
}

static void zones(void **state)
{
	struct config *config = compile("zone Zen.Example.org. {\n lists ip4, ip6\n"
					" means spam = [127.0.0.2,\n 127.0.0.3], low = 127.0.*.1,\n"
					"  x = 127.0.0.4/30\n bits b = 8\n"
					" refused 127.255.255.0/24, 127.0.0.255\n"
					" test listed 127.0.0.2, clear 127.0.0.1\n"
					" alias my-zen\n home \"https://example.org/\"\n"
					" dead \"2025-01\" }\n");
	const struct zone *zone = config->zone[0];

	(void)state;
	check_span(zone->name, SPAN("zen.example.org"), "name");
	check_span(zone->alias, SPAN("my-zen"), "alias");
	assert_int_equal(zone->meaning_count, 4);
	assert_int_equal(zone->range_count, 5);
	assert_int_equal(zone->range[1].meaning, 0);
	assert_int_equal(zone->range[2].address, 0x7f000001);
	assert_int_equal(zone->range[2].mask, 0xffff00ff);
	assert_int_equal(zone->range[3].mask, 0xfffffffc);
	assert_true(zone->range[4].is_bits);
	assert_int_equal(zone->range[4].address & 0xff, 8);
	assert_int_equal(zone->refused_count, 2);
	assert_true(zone->lists_ip4 && zone->lists_ip6 && !zone->lists_domains);
	check_span(zone->test_clear, SPAN("127.0.0.1"), "clear");
	check_span(zone->dead_since, SPAN("2025-01"), "dead");
	config_drop(config);
}

static void zones_without_statement(void **state)
{
	static const struct {
		const char *name, *alias, *shown;
	} cases[] = {
		{ "bl.spamcop.net", "spamcop", "bl.spamcop.net" },
		{ "zen.spamhaus.org", "zen", "zen.spamhaus.org" },
		{ "b.barracudacentral.org", "barracudacentral", "b.barracudacentral.org" },
		{ "secret.zen.dq.spamhaus.net", "zen", "***.zen.dq.spamhaus.net" },
		{ "0spam.example.org", "_0spam", "0spam.example.org" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		TEXT(text, 256);
		struct config *config;
		const struct zone *zone;

		text_addf(&text, "policy p {\nweigh dnsbl %s { listed 1, clear -1 }\n}",
			  cases[i].name);
		config = compile(text_cstr(&text));
		zone = config->zone[0];
		check_span(zone->alias, span_cstr(cases[i].alias), cases[i].name);
		check_span(zone->shown, span_cstr(cases[i].shown), cases[i].name);
		assert_int_equal(zone->meaning_count, 1);
		check_span(zone->meaning[0], SPAN("listed"), "meaning");
		assert_int_equal(zone->range[0].mask, 0xff000000);
		assert_int_equal(zone->refused_count, 3);
		assert_ptr_equal(only(config)->arguments.zone, zone);
		assert_true(only(config)->points[0] == 1 && only(config)->points[1] == -1);
		config_drop(config);
	}
}

static void weighs(void **state)
{
	struct config *config = compile(
		"policy p {\n"
		" weigh rhsbl d.example.org { listed 2 } of sender, helo if size > 10K as d\n"
		" weigh identity\n"
		" weigh classic {\n REJECTLEVEL -1.5\n COUNT 10, PTIME 3h\n"
		"  dnsbl_checks_only yes\n REJECTMSG \"550 a \\\"b\\\" \\\\.\"\n"
		"  helo_score 1.5 -2\n dnsbl_checks_only_regexps \"\\\\.exch\\\\.\"\n"
		"  dnsbl_checks_only_regexps /^MAIL/i\n"
		"  own_name mx.example.org, own_name \".b c\", own_name c\n"
		"  own_address 192.0.2.0/28\n own_address 2001:db8::/32\n"
		"  dnsbl pbl.example.org 3.25 0 DYN_PBL\n dnsbl b.example.org 1 -1 B }\n"
		" weigh classic { dnsbl none } as c2\n weigh classic as c3\n}");
	const struct policy *policy = config->policy[0];
	const struct fake_parameters *p = policy->weigh[2]->arguments.parameters;

	(void)state;
	assert_int_equal(policy->weigh_count, 5);
	assert_int_equal(policy->weigh[0]->arguments.subjects, SUBJECT_SENDER | SUBJECT_HELO);
	check_span(policy->weigh[0]->name, SPAN("d"), "name");
	assert_non_null(policy->weigh[0]->condition);
	assert_true(policy->weigh[1]->points[1] == 2);
	assert_true(p->level == -1.5 && p->count == 10 && p->period_ms == 3 * 3600 * 1000);
	assert_true(p->flag && p->pair[0] == 1.5 && p->pair[1] == -2);
	check_span(p->text, SPAN("550 a \"b\" \\."), "text");
	assert_int_equal(p->regexes.count, 2);
	assert_true(regex_matches(p->regexes.regex[0], SPAN("a.exch.b")));
	assert_true(regex_matches(p->regexes.regex[1], SPAN("mail1")));
	assert_int_equal(p->rows.count, 2);
	check_span(p->rows.row[0].name, SPAN("DYN_PBL"), "row");
	assert_int_equal(p->names.count, 3);
	check_span(p->names.text[1], SPAN(".b c"), "text");
	assert_int_equal(p->networks.count, 2);
	assert_int_equal(p->networks.network[1].bits, 32);
	p = policy->weigh[3]->arguments.parameters;
	assert_int_equal(p->rows.count, 0);
	assert_int_equal(p->names.count + p->networks.count, 0);
	assert_true(p->level == 7);
	p = policy->weigh[4]->arguments.parameters;
	assert_int_equal(p->rows.count, 1);
	config_drop(config);
}

static void verdicts(void **state)
{
	static const struct {
		const char *text;
		enum verdict_kind verdict;
	} cases[] = {
		{ "pass", VERDICT_PASS },
		{ "reject", VERDICT_REJECT },
		{ "reject \"5.7.1 no\"", VERDICT_REJECT },
		{ "defer \"450 4.7.1 later\"", VERDICT_DEFER },
		{ "hold \"x\"", VERDICT_HOLD },
		{ "discard", VERDICT_DISCARD },
		{ "filter \"smtp:[127.0.0.1]:10025\"", VERDICT_FILTER },
		{ "redirect \"a@example.org\"", VERDICT_REDIRECT },
		{ "reply \"BCC a@example.org\"", VERDICT_REPLY },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		TEXT(text, 256);
		struct config *config;

		text_addf(&text, "policy p {\n\tobserve %s if size > 1\n}", cases[i].text);
		config = compile(text_cstr(&text));
		assert_int_equal(only(config)->kind, STATEMENT_VERDICT);
		assert_int_equal(only(config)->verdict, cases[i].verdict);
		assert_true(only(config)->observe);
		assert_int_equal(only(config)->origin.line, 2);
		assert_int_equal(only(config)->origin.column, 2);
		config_drop(config);
	}
}

static void texts(void **state)
{
	struct config *config =
		compile("policy p {\n"
			"reject \"$id. 5 $$ \\\"${score * 2}\\\" $sender.domain.\"\n}");
	const struct template *text = &only(config)->text;

	(void)state;
	assert_int_equal(text->piece_count, 4);
	assert_int_equal(text->piece[0].expr->kind, EXPR_ID);
	check_span(text->piece[1].literal, SPAN(". 5 $ \""), "literal");
	assert_int_equal(text->piece[1].expr->kind, EXPR_TEXT_OF);
	assert_int_equal(text->piece[1].expr->left->kind, EXPR_MULTIPLY);
	check_span(text->piece[2].literal, SPAN("\" "), "literal");
	assert_int_equal(text->piece[2].expr->kind, EXPR_DOMAIN);
	check_span(text->piece[3].literal, SPAN("."), "literal");
	assert_null(text->piece[3].expr);
	config_drop(config);
}

static void tables(void **state)
{
	struct config *config = compile_with(
		"table t inline { A@Example.org 1, b \"two words\"\n c, 2001:DB8:0::1 }\n"
		"table f file \"rows\"\n",
		"# comment\nKey  the value \r\n\nalone\nlong a\n b\n\tc\n");
	struct span value;

	(void)state;
	assert_int_equal(config->table_count, 2);
	assert_true(table_find(config->table[0], SPAN("a@example.ORG"), &value));
	check_span(value, SPAN("1"), "value");
	assert_true(table_find(config->table[0], SPAN("2001:db8::1"), &value));
	assert_true(table_find(config->table[0], SPAN("b"), &value));
	check_span(value, SPAN("two words"), "value");
	assert_true(table_find(config->table[1], SPAN("key"), &value));
	check_span(value, SPAN("the value"), "value");
	assert_true(table_find(config->table[1], SPAN("alone"), &value));
	check_span(value, SPAN(""), "value");
	assert_true(table_find(config->table[1], SPAN("long"), &value));
	check_span(value, SPAN("a b c"), "value");
	config_drop(config);
}

static void networks(void **state)
{
	struct config *config = compile_with("table n cidr \"rows\"\n",
					     "192.0.2.0/24 a\n192.0.2.1\n2001:db8::/32\tb\n");
	struct span value;
	struct ip ip;

	(void)state;
	assert_int_equal(ip_parse(SPAN("192.0.2.9"), &ip), OK);
	assert_true(table_find_address(config->table[0], ip, &value));
	check_span(value, SPAN("a"), "value");
	assert_int_equal(ip_parse(SPAN("192.0.3.9"), &ip), OK);
	assert_false(table_find_address(config->table[0], ip, &value));
	config_drop(config);
}

/* The shape of an expression, so that precedence can be read. */
static void show(struct text *out, const struct expr *expr)
{
	static const char *const name[] = {
		[EXPR_OR] = "or",
		[EXPR_AND] = "and",
		[EXPR_NOT] = "not",
		[EXPR_EQUAL] = "=",
		[EXPR_UNEQUAL] = "!=",
		[EXPR_LESS] = "<",
		[EXPR_LESS_EQUAL] = "<=",
		[EXPR_GREATER] = ">",
		[EXPR_GREATER_EQUAL] = ">=",
		[EXPR_ADD] = "+",
		[EXPR_SUBTRACT] = "-",
		[EXPR_MULTIPLY] = "*",
		[EXPR_DIVIDE] = "/",
		[EXPR_NEGATE] = "neg",
		[EXPR_IN_LIST] = "list",
		[EXPR_IN_TABLE] = "in",
		[EXPR_LOOKUP] = "row",
		[EXPR_MATCHES] = "matches",
		[EXPR_COALESCE] = "?\?",
		[EXPR_UNKNOWN] = "unknown",
		[EXPR_TRUTH_OF] = "truth",
		[EXPR_TEXT_OF] = "text",
		[EXPR_NUMBER_OF] = "number",
		[EXPR_LOCAL] = "local",
		[EXPR_DOMAIN] = "domain",
		[EXPR_CLIENT_NETWORK] = "network",
		[EXPR_SCORE] = "score",
		[EXPR_UNKNOWN_SHARE] = "unknown_share",
		[EXPR_FINDING] = "finding",
		[EXPR_HITS] = "hits",
		[EXPR_VARIABLE] = "variable",
	};

	if (expr->kind == EXPR_CONSTANT) {
		if (expr->type == TYPE_NUMBER)
			text_add_double(out, expr->constant.number);
		else if (expr->type == TYPE_TEXT)
			text_add(out, expr->constant.text);
		else if (expr->type == TYPE_ADDRESS)
			text_add_ip(out, expr->constant.address);
		else
			text_add(out, expr->constant.truth ? SPAN("true") : SPAN("false"));
		return;
	}
	if (expr->kind == EXPR_ATTRIBUTE) {
		text_add(out, attribute_name(expr->attribute));
		return;
	}
	text_addf(out, "%s", name[expr->kind]);
	if (expr->left == NULL)
		return;
	text_add_char(out, '(');
	show(out, expr->left);
	if (expr->right != NULL) {
		text_add_char(out, ' ');
		show(out, expr->right);
	}
	text_add_char(out, ')');
}

static void expressions(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "sasl_username", "truth(sasl_username)" },
		{ "sender or helo_name and not size",
		  "or(truth(sender) and(truth(helo_name) not(truth(size))))" },
		{ "score + 1 * 2 - 3 >= 4", ">=(-(+(score *(1 2)) 3) 4)" },
		{ "score-1 > 0", ">(-(score 1) 0)" },
		{ "size/2 > 10K", ">(/(number 2) 10240)" },
		{ "unknown_share > 0.5", ">(unknown_share 0.5)" },
		{ "-score < -1", "<(neg(score) neg(1))" },
		{ "(sender or\n recipient\n or size)",
		  "or(or(truth(sender) truth(recipient)) truth(size))" },
		{ "sender.local in [postmaster, \"abuse\", 1,\n x@y]", "list(local)" },
		{ "client_address in [192.0.2.0/24,\n 2001:db8::/32]", "list(client_address)" },
		{ "recipient_count in [1, 2]", "list(recipient_count)" },
		{ "sender not in keys", "not(in(sender))" },
		{ "client_address in nets", "in(client_address)" },
		{ "client_address in keys", "in(client_address)" },
		{ "helo_name matches /^a\\/b{1}\"#$/i", "matches(helo_name)" },
		{ "client_address = 192.0.2.1", "=(client_address 192.0.2.1)" },
		{ "client_address != \"::1\"", "!=(client_address ::1)" },
		{ "score >= keys[recipient] ?\? 5", ">=(score ?\?(number(row(recipient)) 5))" },
		{ "keys[client_network] = \"x\"", "=(row(network) x)" },
		{ "unknown(z.listed) and z.listed", "and(unknown(finding) truth(finding))" },
		{ "dnsbl.hits > 0", ">(hits 0)" },
		{ "client_name.domain = sender.domain", "=(domain domain)" },
		{ "size = 0", "=(number 0)" },
		{ "v > 1", ">(variable 1)" },
		{ "w-w = v", "=(variable variable)" },
		{ "true", "true" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		TEXT(text, 1024);
		TEXT(shape, 1024);
		struct config *config;
		const struct policy *policy;

		text_addf(&text,
			  "table keys inline { a 1 }\ntable nets cidr \"x\"\npolicy p {\n"
			  "weigh dnsbl x.example.org { listed 9, clear -9 } as z\nset v = 1.5\n"
			  "set w-w = v\nobserve pass if %s\n}",
			  cases[i].text);
		config = compile(text_cstr(&text));
		policy = config->policy[0];
		show(&shape, policy->statement[3].condition);
		check_span(text_span(&shape), span_cstr(cases[i].want), cases[i].text);
		config_drop(config);
	}
}

/* 0.1 + 0.7 is a little less than 0.8 in binary; the limit is reached all the same. */
static void reachable_limits(void **state)
{
	struct config *config = compile("zone z.example.org { lists ip4\n"
					"means a = 127.0.0.2, b = 127.0.0.3 }\npolicy p {\n"
					"weigh dnsbl z.example.org { a 0.1, b 0.7, clear -0.8 }\n"
					"reject if score >= 0.8\npass if score <= -0.8\n}");

	(void)state;
	assert_int_equal(config->policy[0]->statement_count, 3);
	config_drop(config);
}

/* Who we are: what the file says, else what the machine is called; hidden from strangers. */
static void our_name(void **state)
{
	static const struct {
		const char *text;
		struct span hostname, receiver;
	} cases[] = {
		{ "policy p { weigh dnsbl bl.example { } }", SPAN_INIT("machine.example.org"),
		  SPAN_INIT("machine.example.org") },
		{ "policy p { weigh dnsbl bl.example { } }\nhostname mx.example.org",
		  SPAN_INIT("mx.example.org"), SPAN_INIT("mx.example.org") },
		{ "hide receiver\nhostname \"mx\"\npolicy p { weigh dnsbl bl.example { } }",
		  SPAN_INIT("mx"), SPAN_INIT("unknown") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *config = compile(cases[i].text);

		check_span(config->policy[0]->hostname, cases[i].hostname, cases[i].text);
		check_span(config->policy[0]->receiver, cases[i].receiver, cases[i].text);
		check_span(only(config)->arguments.receiver, cases[i].receiver, cases[i].text);
		config_drop(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings),    cmocka_unit_test(standards),
		cmocka_unit_test(includes),    cmocka_unit_test(zones),
		cmocka_unit_test(weighs),      cmocka_unit_test(zones_without_statement),
		cmocka_unit_test(verdicts),    cmocka_unit_test(texts),
		cmocka_unit_test(tables),      cmocka_unit_test(networks),
		cmocka_unit_test(expressions), cmocka_unit_test(reachable_limits),
		cmocka_unit_test(our_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
