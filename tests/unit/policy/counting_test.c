/* counting_test.c -- greylist, limit and remember, as they are compiled. */
#include "../unit.h"

#include "checks.h"

#define MINUTE INT64_C(60000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static char report_room[CONFIG_REPORT_MAX];

static struct config *compile_with(const char *first, const char *other)
{
	struct memory_files files = { span_cstr(first), span_cstr(other) };
	struct config_loader loader = {
		.load = memory_load,
		.self = &files,
		.hostname = SPAN("machine.example.org"),
		.suffixes = (const struct suffixes *)&files, /* only handed on */
	};
	struct text report = { report_room, 0, sizeof(report_room), false };
	struct config *config = NULL;

	if (config_compile(&loader, SPAN("weighd.conf"), fake_checks, &report, &config) != OK)
		fail_msg("%s\n%s", first, text_cstr(&report));
	check_span(text_span(&report), SPAN(""), first);
	return config;
}

static struct config *compile(const char *text)
{
	return compile_with(text, "");
}

/* The only policy is "policy p { STATEMENT }". */
static struct config *compile_one(const char *statement)
{
	TEXT(text, 1024);

	text_addf(&text, "policy p {\n%s\n}", statement);
	return compile(text_cstr(&text));
}

static const struct statement *last(const struct config *config)
{
	const struct policy *policy = config->policy[0];

	assert_true(policy->statement_count > 0);
	return &policy->statement[policy->statement_count - 1];
}

/* Literals as they are, "{kind}" for each value. */
static void show(struct text *out, const struct template *text)
{
	text_clear(out);
	for (uint16_t i = 0; i < text->piece_count; i++) {
		const struct expr *expr = text->piece[i].expr;

		text_add(out, text->piece[i].literal);
		while (expr != NULL && expr->kind == EXPR_TEXT_OF)
			expr = expr->left;
		if (expr == NULL)
			continue;
		if (expr->kind == EXPR_GREYLIST)
			text_addf(out, "{greylist.%u}", expr->field);
		else if (expr->kind == EXPR_LIMIT)
			text_addf(out, "{limit%u.%u}", expr->limit, expr->field);
		else if (expr->kind == EXPR_ID)
			text_add(out, SPAN("{id}"));
		else if (expr->kind == EXPR_CONSTANT)
			text_add(out, expr->constant.text);
		else
			text_add(out, SPAN("{?}"));
	}
}

static void check_text(const struct template *text, const char *want, const char *name)
{
	TEXT(shown, 1024);

	show(&shown, text);
	check_span(text_span(&shown), span_cstr(want), name);
}

/* --- greylist --- */

static void greylist_standards(void **state)
{
	struct config *config = compile_one("\tgreylist if score >= 0");
	const struct policy *policy = config->policy[0];
	const struct statement *weigh = &policy->statement[0], *statement = last(config);
	const struct greylist *greylist = statement->greylist;

	(void)state;
	assert_int_equal(policy->statement_count, 2);
	assert_int_equal(weigh->kind, STATEMENT_WEIGH);
	assert_string_equal(weigh->check->name, "organisation");
	check_span(weigh->name, SPAN("organisation"), "name");
	assert_ptr_equal(weigh->condition, statement->condition);
	assert_non_null(weigh->condition);
	assert_non_null(weigh->arguments.suffixes);
	assert_false(weigh->observe);
	for (unsigned i = 0; i < FINDINGS_MAX; i++)
		assert_true(weigh->points[i] == 0);
	assert_ptr_equal(policy->weigh[0], weigh);

	assert_int_equal(statement->kind, STATEMENT_GREYLIST);
	assert_int_equal(statement->verdict, VERDICT_GREYLIST);
	assert_int_equal(statement->origin.line, 2);
	assert_int_equal(statement->origin.column, 2);
	assert_int_equal(greylist->terms.delay_ms, MINUTE);
	assert_int_equal(greylist->terms.window_ms, 2 * DAY);
	assert_int_equal(greylist->terms.keep_ms, 35 * DAY);
	assert_int_equal(greylist->key.part_count, 3);
	assert_int_equal(greylist->key.part[0]->kind, EXPR_FINDING_TEXT);
	assert_int_equal(greylist->key.part[0]->weigh, 0);
	assert_int_equal(greylist->key.part[0]->finding, 0);
	assert_int_equal(greylist->key.part[1]->kind, EXPR_FOLDED);
	assert_int_equal(greylist->key.part[1]->attribute, ATTRIBUTE_sender);
	assert_int_equal(greylist->key.part[2]->attribute, ATTRIBUTE_recipient);
	assert_int_equal(greylist->trust, 5);
	assert_int_equal(greylist->trust_keep_ms, 35 * DAY);
	assert_int_equal(greylist->trust_every_ms, 0);
	assert_ptr_equal(greylist->trust_by, greylist->key.part[0]);
	assert_int_equal(greylist->failing.verdict, VERDICT_PASS);
	check_text(&greylist->header,
		   "X-Greylist: delayed {greylist.2} seconds by weighd at machine.example.org",
		   "header");
	check_text(&statement->text,
		   "4.7.1 greylisted, try again in {greylist.1} seconds, number {id}", "text");
	config_drop(config);
}

static void greylist_clauses(void **state)
{
	struct config *config = compile_one(
		"observe greylist if size > 1 \"4.2.0 ${greylist.wait} $greylist.state\" "
		"failing defer \"4.3.1 ${greylist.delayed}\" header \"X-G: $greylist.delayed\" "
		"trust 3 for 10d every 30m of client_address by client_network, sender,\n"
		" recipient remember 7d within 12h for 5m");
	const struct statement *statement = last(config);
	const struct greylist *greylist = statement->greylist;

	(void)state;
	assert_int_equal(config->policy[0]->statement_count, 1);
	assert_true(statement->observe);
	assert_non_null(statement->condition);
	assert_int_equal(greylist->terms.delay_ms, 5 * MINUTE);
	assert_int_equal(greylist->terms.window_ms, 12 * HOUR);
	assert_int_equal(greylist->terms.keep_ms, 7 * DAY);
	assert_int_equal(greylist->key.part_count, 3);
	assert_int_equal(greylist->key.part[0]->kind, EXPR_CLIENT_NETWORK);
	assert_int_equal(greylist->key.part[1]->attribute, ATTRIBUTE_sender);
	assert_int_equal(greylist->trust, 3);
	assert_int_equal(greylist->trust_keep_ms, 10 * DAY);
	assert_int_equal(greylist->trust_every_ms, 30 * MINUTE);
	assert_int_equal(greylist->trust_by->kind, EXPR_TEXT_OF);
	assert_int_equal(greylist->trust_by->left->attribute, ATTRIBUTE_client_address);
	assert_int_equal(greylist->failing.verdict, VERDICT_DEFER);
	check_text(&greylist->failing.text, "4.3.1 {greylist.2}", "failing");
	check_text(&greylist->header, "X-G: {greylist.2}", "header");
	check_text(&statement->text, "4.2.0 {greylist.1} {greylist.0}", "text");
	config_drop(config);
}

/* What can be left out, and at the limits. */
static void greylist_without(void **state)
{
	static const struct {
		const char *text;
		uint32_t trust;
		uint16_t header_pieces;
		enum verdict_kind failing;
	} cases[] = {
		{ "greylist no trust no header", 0, 0, VERDICT_PASS },
		{ "greylist no header trust 0 for 1s", 0, 0, VERDICT_PASS },
		{ "greylist for 7d within 60d remember 400d", 5, 2, VERDICT_PASS },
		{ "greylist trust 1000000 for 400d every 1d no header", 1000000, 0, VERDICT_PASS },
		{ "greylist failing pass \"4.7.1 x\"", 5, 2, VERDICT_PASS },
		{ "greylist failing reject \"5.3.0 x\" \"4.7.1 x\"", 5, 2, VERDICT_REJECT },
		{ "greylist failing hold", 5, 2, VERDICT_HOLD },
		{ "greylist header \"$received_spf\"", 5, 1, VERDICT_PASS },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *config = compile_one(cases[i].text);
		const struct greylist *greylist = last(config)->greylist;

		print_message("# %s\n", cases[i].text);
		assert_int_equal(greylist->trust, cases[i].trust);
		assert_int_equal(greylist->header.piece_count, cases[i].header_pieces);
		assert_int_equal(greylist->failing.verdict, cases[i].failing);
		assert_true(last(config)->text.piece_count > 0);
		config_drop(config);
	}
}

/* Every time and number: at its limit, and one beyond. */
static void bounds(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: right */
	} cases[] = {
		{ "greylist for 1s", NULL },
		{ "greylist for 999ms", "the delay must be between 1s and 7d" },
		{ "greylist for 7d within 60d", NULL },
		{ "greylist for 604801s within 60d", "the delay must be between 1s and 7d" },
		{ "greylist for 1s within 1m", NULL },
		{ "greylist for 1s within 59s", "must be between 1m and 60d" },
		{ "greylist within 1441h", "must be between 1m and 60d" },
		{ "greylist for 60s within 60001ms", NULL },
		{ "greylist for 60s within 60s", "nobody can come back in time" },
		{ "greylist remember 1m", NULL },
		{ "greylist remember 59s", "must be between 1m and 400d" },
		{ "greylist remember 400d", NULL },
		{ "greylist remember 9601h", "must be between 1m and 400d" },
		{ "greylist trust 1000000 for 1m every 0", NULL },
		{ "greylist trust 1000001 for 1m", "must be between 0 and 1000000" },
		{ "greylist trust -1 for 1m", "must be between 0 and 1000000" },
		{ "greylist trust 1 for 59s", "the time of trust must be between 1m and 400d" },
		{ "greylist trust 1 for 9601h", "the time of trust must be between 1m and 400d" },
		{ "greylist trust 1 for 1d every 24h", NULL },
		{ "greylist trust 1 for 1d every 25h", "must be between 0s and 1d" },
		{ "limit n by sender 0/1s", NULL },
		{ "limit n by sender 1/999ms", "a period is between 1s and 400d" },
		{ "limit n by sender 1/400d", NULL },
		{ "limit n by sender 1/9601h", "a period is between 1s and 400d" },
		{ "limit n by sender 1000000000000000/1h", NULL },
		{ "limit n by sender 1000000000000001/1h", "is out of range" },
		{ "limit n by sender -1/1h", "a number is wanted here" },
		{ "limit n by sender 127/1h counting distinct size", NULL },
		{ "limit n by sender 128/1h counting distinct size", "at most 127 different" },
		{ "remember sender in s for 1s", NULL },
		{ "remember sender in s for 999ms", "must be between 1s and 3650d" },
		{ "remember sender in s for 3650d", NULL },
		{ "remember sender in s for 87601h", "must be between 1s and 3650d" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct memory_files files = { { 0 }, { 0 } };
		struct config_loader loader = { .load = memory_load, .self = &files };
		struct text report = { report_room, 0, sizeof(report_room), false };
		struct config *config = NULL;
		TEXT(text, 256);
		enum err err;

		text_addf(&text, "policy p {\n%s\n}", cases[i].text);
		files.first = text_span(&text);
		err = config_compile(&loader, SPAN("weighd.conf"), fake_checks, &report, &config);
		config_drop(config);
		if ((err == OK) != (cases[i].want == NULL) ||
		    !span_has(text_span(&report),
			      span_cstr(cases[i].want == NULL ? "" : cases[i].want)))
			fail_msg("%s\n%s", cases[i].text, text_cstr(&report));
	}
}

/* A stranger reads who we are only where he may. */
static void greylist_header(void **state)
{
	static const struct {
		const char *before, *want;
	} cases[] = {
		{ "hostname mx.example.org\n",
		  "X-Greylist: delayed {greylist.2} seconds by weighd at mx.example.org" },
		{ "hide receiver\n", "X-Greylist: delayed {greylist.2} seconds by weighd" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *config;
		TEXT(text, 256);

		text_addf(&text, "%spolicy p {\ngreylist\n}", cases[i].before);
		config = compile(text_cstr(&text));
		check_text(&last(config)->greylist->header, cases[i].want, cases[i].before);
		config_drop(config);
	}
}

/* The check that comes along has a name that nobody else has, and gives way to a chosen one. */
static void greylist_brings_its_check(void **state)
{
	static const struct {
		const char *text;
		const char *names; /* of the weigh statements, in order */
	} cases[] = {
		{ "greylist if size > 1\ngreylist for 2m if size > 2",
		  "organisation organisation-2" },
		{ "greylist\ngreylist for 2m if size > 2", "organisation" },
		{ "weigh organisation\ngreylist if size > 1", "organisation" },
		{ "weigh organisation if size > 0 as org\ngreylist if size > 1",
		  "org organisation" },
		{ "greylist if size > 1\nweigh organisation", "organisation-2 organisation" },
		{ "greylist if size > 1\nweigh identity as organisation\ngreylist for 2m",
		  "organisation-2 organisation organisation-3" },
		{ "limit organisation by sender 1/1h\ngreylist", "organisation-2" },
		{ "greylist by sender", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *config = compile_one(cases[i].text);
		const struct policy *policy = config->policy[0];
		TEXT(names, 256);

		for (unsigned n = 0; n < policy->weigh_count; n++) {
			text_addf(&names, "%s%.*s", n == 0 ? "" : " ",
				  SPAN_ARG(policy->weigh[n]->name));
			assert_int_equal(policy->weigh[n]->ordinal, n);
		}
		check_span(text_span(&names), span_cstr(cases[i].names), cases[i].text);
		config_drop(config);
	}
}

/* Those with one key share their triplets, and ask for the mildest terms. */
static void greylists_with_one_key(void **state)
{
	struct config *config = compile(
		"policy p {\n"
		"greylist for 5m within 1h remember 30d by client_network,sender if size > 1\n"
		"greylist for 2m within 2h remember 7d by client_network\n"
		"observe greylist for 1m within 30m remember 35d by client_network, sender\n"
		"}\n"
		"policy q {\ngreylist for 30s by client_network, sender\n}");
	const struct statement *statement = config->policy[0]->statement;

	(void)state;
	assert_int_equal(config->policy[0]->statement_count, 3);
	for (int i = 0; i < 3; i += 2) {
		assert_int_equal(statement[i].greylist->asked.delay_ms, MINUTE / 2);
		assert_int_equal(statement[i].greylist->asked.window_ms, 2 * DAY);
		assert_int_equal(statement[i].greylist->asked.keep_ms, 35 * DAY);
	}
	assert_int_equal(statement[0].greylist->terms.delay_ms, 5 * MINUTE);
	assert_memory_equal(&statement[1].greylist->asked, &statement[1].greylist->terms,
			    sizeof(struct triplet_terms));
	config_drop(config);
}

/* --- limit --- */

static void limit_standards(void **state)
{
	struct config *config =
		compile_one("limit User-Hour by sasl_username 100/1h, 500/1d if sasl_username");
	const struct policy *policy = config->policy[0];
	const struct statement *statement = last(config);
	const struct limit *limit = statement->limit;

	(void)state;
	assert_int_equal(policy->statement_count, 1);
	assert_int_equal(policy->limit_count, 1);
	assert_ptr_equal(policy->limit[0], statement);
	assert_int_equal(statement->kind, STATEMENT_LIMIT);
	assert_int_equal(statement->verdict, VERDICT_DEFER);
	assert_non_null(statement->condition);
	check_span(limit->name, SPAN("user-hour"), "name");
	assert_int_equal(limit->ordinal, 0);
	assert_int_equal(limit->key.part_count, 1);
	assert_int_equal(limit->key.part[0]->attribute, ATTRIBUTE_sasl_username);
	assert_int_equal(limit->rates.count, 2);
	assert_int_equal(limit->rates.rate[0].most, 100);
	assert_int_equal(limit->rates.rate[0].period_ms, HOUR);
	assert_int_equal(limit->rates.rate[1].most, 500);
	assert_int_equal(limit->rates.rate[1].period_ms, DAY);
	assert_null(limit->rates_from);
	assert_int_equal(limit->counting, COUNTING_MESSAGES);
	assert_false(limit->counts_refused || limit->is_observed);
	assert_int_equal(limit->notify.len, 0);
	assert_int_equal(limit->failing.verdict, VERDICT_PASS);
	check_text(&statement->text,
		   "4.7.1 too much mail, limit user-hour, try again in {limit0.3} seconds, "
		   "number {id}",
		   "text");
	config_drop(config);
}

static void limit_clauses(void **state)
{
	struct config *config = compile_with(
		"table rates file \"other\"\npolicy p {\nlimit a by sender 1/1h\n"
		"limit b failing hold \"state\" else reject \"5.7.1 $limit.used of ${limit.most} "
		"$limit.name\" notify \"post+master@example.org\" and refused "
		"counting bytes from rates 10M/1h, 100M/1d, 1G/30d,\n 2G/60d by sender, "
		"client_address if sender\n}",
		"anna 5M/1h\nbob none\n");
	const struct statement *statement = last(config);
	const struct limit *limit = statement->limit;

	(void)state;
	assert_int_equal(limit->ordinal, 1);
	assert_int_equal(limit->key.part_count, 2);
	assert_int_equal(limit->rates.count, 4);
	assert_int_equal(limit->rates.rate[0].most, 10 * 1024 * 1024);
	assert_int_equal(limit->rates.rate[3].period_ms, 60 * DAY);
	assert_ptr_equal(limit->rates_from, config->table[0]);
	assert_int_equal(limit->counting, COUNTING_BYTES);
	assert_true(limit->counts_refused);
	check_span(limit->notify, SPAN("post+master@example.org"), "notify");
	assert_int_equal(statement->verdict, VERDICT_REJECT);
	check_text(&statement->text, "5.7.1 {limit1.1} of {limit1.2} b", "text");
	assert_int_equal(limit->failing.verdict, VERDICT_HOLD);
	check_text(&limit->failing.text, "state", "failing");
	config_drop(config);
}

static void limit_else(void **state)
{
	static const struct {
		const char *text;
		enum verdict_kind verdict;
		bool is_observed;
		const char *want;
	} cases[] = {
		{ "else defer", VERDICT_DEFER, false,
		  "4.7.1 too much mail, limit n, try again in {limit0.3} seconds, number {id}" },
		{ "else reject", VERDICT_REJECT, false,
		  "5.7.1 too much mail, limit n, number {id}" },
		{ "else hold", VERDICT_HOLD, false, "too much mail, limit n, number {id}" },
		{ "else pass", VERDICT_PASS, false, "" },
		{ "else discard", VERDICT_DISCARD, false, "" },
		{ "else observe", VERDICT_DEFER, true, "" },
		{ "else filter \"smtp:[127.0.0.1]\"", VERDICT_FILTER, false, "smtp:[127.0.0.1]" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *config;
		TEXT(text, 256);

		text_addf(&text, "limit n by sender 1/1h %s", cases[i].text);
		config = compile_one(text_cstr(&text));
		assert_int_equal(last(config)->verdict, cases[i].verdict);
		assert_int_equal(last(config)->limit->is_observed, cases[i].is_observed);
		check_text(&last(config)->text, cases[i].want, cases[i].text);
		config_drop(config);
	}
}

static void limit_counting(void **state)
{
	static const struct {
		const char *text;
		enum counting counting;
		bool counts_refused;
	} cases[] = {
		{ "1/1h counting messages", COUNTING_MESSAGES, false },
		{ "1/1h counting recipients and refused", COUNTING_RECIPIENTS, true },
		{ "10K/1h counting bytes", COUNTING_BYTES, false },
		{ "127/1h counting distinct helo_name", COUNTING_DISTINCT, false },
		{ "127/1h counting distinct helo_name and refused", COUNTING_DISTINCT, true },
		{ "and refused 1/1h counting distinct (helo_name and sender)", COUNTING_DISTINCT,
		  true },
		{ "1/1h counting distinct size else observe", COUNTING_DISTINCT, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *config;
		const struct limit *limit;
		TEXT(text, 256);

		text_addf(&text, "limit n by client_address %s", cases[i].text);
		config = compile_one(text_cstr(&text));
		limit = last(config)->limit;
		assert_int_equal(limit->counting, cases[i].counting);
		assert_int_equal(limit->counts_refused, cases[i].counts_refused);
		assert_true((limit->distinct != NULL) == (limit->counting == COUNTING_DISTINCT));
		if (limit->distinct != NULL)
			assert_int_equal(limit->distinct->type, TYPE_TEXT);
		config_drop(config);
	}
}

/* One name in two policies, which count the same. */
static void limit_namesakes(void **state)
{
	struct config *config = compile("policy p {\nlimit n by sender, client_address 1/1h\n}\n"
					"policy q {\nlimit N by sender,\n client_address 5/1h "
					"counting messages else reject\n}");

	(void)state;
	assert_int_equal(config->policy[1]->limit_count, 1);
	config_drop(config);
	/* What is overridden does not count. */
	config_drop(compile_with("include \"other\"\npolicy p {\nlimit n by sender 1/1h\n}",
				 "policy p {\nlimit n by recipient 1/1h\n}\n"));
}

static void limit_tables(void **state)
{
	static const char *const texts[] = {
		"table t inline { a 1/1h, b none, c, d \"1/1h 2/1d\" }\npolicy p {\n"
		"limit n by sender 5/1h from t\n}",
		"table t cidr \"other\"\npolicy p {\nlimit n by client_address none from t\n}",
		"table t inline { a 127/1h }\npolicy p {\n"
		"limit n by sender 5/1h from t counting distinct helo_name\n}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct config *config = compile_with(texts[i], "192.0.2.0/24 5/1h\n");

		assert_ptr_equal(last(config)->limit->rates_from, config->table[0]);
		config_drop(config);
	}
}

/* --- remember, in --- */

static void remember_and_in(void **state)
{
	struct config *config = compile(
		"table Asked known\npolicy p {\n"
		"reject if client_address in HoneyPot and sender not in asked\n"
		"remember client_address in honeypot for 1d if recipient = \"trap@example.org\"\n"
		"remember client_address, sender in pairs for 3650d\n"
		"remember keys[sender] ?\? \"x\" in rows for 1s\n}\n"
		"table keys inline { a b }\npolicy q {\npass if helo_name in honeypot\n"
		"pass if [client_address,\n sender] not in pairs or [sender] in honeypot\n}\n");
	const struct policy *policy = config->policy[0];
	const struct expr *both = policy->statement[0].condition;
	const struct remembering *remembering = policy->statement[1].remembering;

	(void)state;
	assert_int_equal(both->kind, EXPR_AND);
	assert_int_equal(both->left->kind, EXPR_IN_SET);
	check_span(both->left->set, SPAN("honeypot"), "set");
	assert_int_equal(both->left->key->part_count, 1);
	assert_int_equal(both->left->key->part[0]->type, TYPE_TEXT);
	assert_int_equal(both->left->key->part[0]->left->attribute, ATTRIBUTE_client_address);
	check_span(both->right->left->set, SPAN("asked"), "set");
	assert_int_equal(policy->statement[1].kind, STATEMENT_REMEMBER);
	assert_non_null(policy->statement[1].condition);
	check_span(remembering->set, SPAN("honeypot"), "set");
	assert_int_equal(remembering->keep_ms, DAY);
	assert_int_equal(remembering->key.part_count, 1);
	assert_int_equal(policy->statement[2].remembering->key.part_count, 2);
	assert_int_equal(policy->statement[3].remembering->key.part[0]->kind, EXPR_COALESCE);
	both = config->policy[1]->statement[1].condition;
	assert_int_equal(both->kind, EXPR_OR);
	assert_int_equal(both->left->left->kind, EXPR_IN_SET);
	assert_int_equal(both->left->left->key->part_count, 2);
	assert_int_equal(both->left->left->key->part[1]->attribute, ATTRIBUTE_sender);
	assert_int_equal(both->right->key->part_count, 1);
	assert_int_equal(config->set_count, 4);
	check_span(config->set[0], SPAN("asked"), "first");
	check_span(config->set[3], SPAN("rows"), "last");
	config_drop(config);
}

/* --- values --- */

static void values(void **state)
{
	static const struct {
		const char *text;
		enum expr_kind kind;
		enum value_type type;
		uint8_t limit, field;
	} cases[] = {
		{ "greylist.state", EXPR_GREYLIST, TYPE_TEXT, 0, GREYLIST_STATE },
		{ "greylist.wait", EXPR_GREYLIST, TYPE_NUMBER, 0, GREYLIST_WAIT },
		{ "greylist.delayed", EXPR_GREYLIST, TYPE_NUMBER, 0, GREYLIST_DELAYED },
		{ "per-user.over", EXPR_LIMIT, TYPE_TRUTH, 1, LIMIT_OVER },
		{ "per-user.used", EXPR_LIMIT, TYPE_NUMBER, 1, LIMIT_USED },
		{ "sender.most", EXPR_LIMIT, TYPE_NUMBER, 0, LIMIT_MOST },
		{ "SENDER.wait", EXPR_LIMIT, TYPE_NUMBER, 0, LIMIT_WAIT },
		{ "sender.folded", EXPR_FOLDED, TYPE_TEXT, 0, 0 },
		{ "recipient.folded", EXPR_FOLDED, TYPE_TEXT, 0, 0 },
		{ "sender.untagged", EXPR_UNTAGGED, TYPE_TEXT, 0, 0 },
		{ "sender.domain", EXPR_DOMAIN, TYPE_TEXT, 0, 0 },
		{ "per-user.name", EXPR_CONSTANT, TYPE_TEXT, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *config;
		const struct expr *expr;
		TEXT(text, 512);

		text_addf(&text,
			  "limit sender by sender 1/1h\nlimit per-user by sasl_username 1/1h\n"
			  "greylist by sender\nset v = %s\nwarn \"$%s\"",
			  cases[i].text, cases[i].text);
		config = compile_one(text_cstr(&text));
		expr = config->policy[0]->statement[3].value;
		print_message("# %s\n", cases[i].text);
		assert_int_equal(expr->kind, cases[i].kind);
		assert_int_equal(expr->type, cases[i].type);
		assert_int_equal(expr->limit, cases[i].limit);
		assert_int_equal(expr->field, cases[i].field);
		config_drop(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(greylist_standards),
		cmocka_unit_test(greylist_clauses),
		cmocka_unit_test(greylists_with_one_key),
		cmocka_unit_test(greylist_without),
		cmocka_unit_test(bounds),
		cmocka_unit_test(greylist_header),
		cmocka_unit_test(greylist_brings_its_check),
		cmocka_unit_test(limit_standards),
		cmocka_unit_test(limit_clauses),
		cmocka_unit_test(limit_else),
		cmocka_unit_test(limit_counting),
		cmocka_unit_test(limit_namesakes),
		cmocka_unit_test(limit_tables),
		cmocka_unit_test(remember_and_in),
		cmocka_unit_test(values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
