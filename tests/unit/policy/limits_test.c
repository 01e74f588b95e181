/* limits_test.c -- every limit of the language: at the limit, and one beyond. */
#include "../unit.h"

#include "checks.h"

enum { TEXT_BYTES_MAX = 4 * 1024 * 1024 };

static char report_room[CONFIG_REPORT_MAX];
static char text_room[TEXT_BYTES_MAX];

static enum err read_text(struct span first, struct span other, struct text *report)
{
	struct memory_files files = { first, other };
	struct config_loader loader = { .load = memory_load, .self = &files };
	struct config *config = NULL;
	enum err err = config_compile(&loader, SPAN("weighd.conf"), fake_checks, report, &config);

	config_drop(config);
	return err;
}

/* before, count times each (%u: which), after */
struct repeated {
	const char *name, *before, *each, *after;
	unsigned limit;
	const char *want; /* what is said one beyond */
};

static const struct repeated repeated[] = {
	{ "listeners", "policy p { }\n", "listen inet:127.0.0.1:%u policy p\n", "", LISTENERS_MAX,
	  "more than 64 listeners" },
	{ "resolvers", "resolver 127.0.0.1:1", ", 127.0.0.1:%u", "", RESOLVER_ADDRESSES_MAX - 1,
	  "more than 8 resolvers" },
	{ "zones", "", "zone z%u.example.org { }\n", "", ZONES_MAX,
	  "one zone too many: at most 1024" },
	{ "tables", "", "table t%u inline { a }\n", "", TABLES_MAX,
	  "one table too many: at most 256" },
	{ "policies", "", "policy p%u { }\n", "", POLICIES_MAX,
	  "one policy too many: at most 256" },
	{ "meanings", "zone z.example.org {\n means a = 127.0.0.2", ", x%u = 127.0.0.3", " }",
	  ZONE_MEANINGS_MAX - 1, "at most 16 findings" },
	{ "answers", "zone z.example.org {\n means a = [127.0.0.1", ", 127.0.1.%u", "] }",
	  ZONE_RANGES_MAX - 1, "at most 32 answers" },
	{ "refusals", "zone z.example.org {\n refused 127.0.0.1", ", 127.0.1.%u", " }",
	  ZONE_RANGES_MAX - 1, "at most 32 refusals" },
	{ "statements", "policy p {\n", "warn \"%u\"\n", "}", STATEMENTS_MAX,
	  "at most 1024 statements" },
	{ "weighs", "policy p {\n", "weigh dnsbl z%u.example.org as z%u\n", "}", WEIGHS_MAX,
	  "weighs at most 64 times" },
	{ "weighs with one that comes along", "policy p {\ngreylist if size > 1\n",
	  "weigh dnsbl z%u.example.org as z%u\n", "}", WEIGHS_MAX - 1, "weighs at most 64 times" },
	{ "a weigh statement that comes along", "policy p {\n",
	  "weigh dnsbl z%u.example.org as z%u\n", "greylist if size > 1\n}", WEIGHS_MAX - 1,
	  "weighs at most 64 times, and this is one more" },
	{ "statements with one that comes along", "policy p {\n", "warn \"%u\"\n",
	  "greylist if size > 1\n}", STATEMENTS_MAX - 2, "at most 1024 statements" },
	{ "remembers", "policy p {\n", "remember sender in set%u for 1d\n", "}", REMEMBERS_MAX,
	  "a policy has at most 64 greylist and remember statements" },
	{ "remembers with a greylist", "policy p {\ngreylist by sender if size > 1\n",
	  "remember sender in set%u for 1d\n", "}", REMEMBERS_MAX - 1,
	  "a policy has at most 64 greylist and remember statements" },
	{ "limits", "policy p {\n", "limit l%u by sender 1/1h\n", "}", LIMITS_MAX,
	  "a policy has at most 64 limits" },
	{ "limits of all policies", "",
	  "policy p%u {\nlimit a%u by sender 1/1h\nlimit b%u by sender 1/1h\n"
	  "limit c%u by sender 1/1h\nlimit d%u by sender 1/1h\nlimit e%u by sender 1/1h\n"
	  "limit f%u by sender 1/1h\nlimit g%u by sender 1/1h\nlimit h%u by sender 1/1h\n}\n",
	  "", LIMIT_NAMES_MAX / 8, "one limit too many: at most 1024" },
	{ "rates", "policy p {\nlimit l by sender 1/1s", ", 5%u/5%ud", "\n}", RATES_MAX - 1,
	  "at most 4 rates" },
	{ "parts of a key", "policy p {\ngreylist by sender", ", size", "\n}", KEY_PARTS_MAX - 1,
	  "a key has at most 6 parts" },
	{ "sets", "",
	  "policy p%u {\nremember sender in s%u for 1d\nremember sender in t%u for 1d\n}\n", "",
	  SETS_MAX / 2, "one set too many: at most 256" },
	{ "a set's name", "policy p {\nremember sender in s", "x", " for 1d\n}", STORE_SET_MAX - 1,
	  "such a name has at most 63 letters" },
	{ "a limit's name", "policy p {\nlimit l", "x", " by sender 1/1h\n}", STORE_SET_MAX - 1,
	  "a limit's name has at most 63 letters" },
	{ "address of a notice", "policy p {\nlimit l by sender 1/1h notify \"a@b", "x", "\"\n}",
	  254 - 3, "is no address to write to" },
	{ "text of a greylist", "policy p {\ngreylist \"", "x", "\"\n}", REPLY_TEXT_MAX,
	  "longer than 400 bytes" },
	{ "header of a greylist", "policy p {\ngreylist header \"X:", "x", "\"\n}",
	  HEADER_TEXT_MAX - 2, "longer than 998 bytes" },
	{ "text of a limit", "policy p {\nlimit l by sender 1/1h else defer \"", "x", "\"\n}",
	  REPLY_TEXT_MAX, "longer than 400 bytes" },
	{ "servers", "store redis cluster [a", ", a%u", "]", STORE_ADDRESSES_MAX - 1,
	  "more than 16 addresses" },
	{ "variables", "policy p {\n", "set v%u = 1\n", "}", VARIABLES_MAX,
	  "at most 32 variables" },
	{ "list", "policy p {\npass if sender in [a", ", b%u", "]\n}", 1023, "at most 1024 items" },
	{ "item of a list", "policy p {\npass if sender in [", "x", "]\n}", TABLE_KEY_MAX,
	  "an item of a list is longer than 2048 bytes" },
	{ "values of a text", "policy p {\nreject \"", "$id", "\"\n}", 64, "at most 64 values" },
	{ "reply", "policy p {\nreject \"", "x", "\"\n}", REPLY_TEXT_MAX, "longer than 400 bytes" },
	{ "header", "policy p {\nprepend \"X:", "x", "\"\n}", HEADER_TEXT_MAX - 2,
	  "longer than 998 bytes" },
	{ "or", "policy p {\npass if size = 0", " or size = 0", "\n}", EXPR_DEPTH_MAX - 2,
	  "more than 64 deep" },
	{ "pattern", "policy p {\npass if sender matches /", "x", "/\n}", REGEX_BYTES_MAX,
	  "it is too long" },
	{ "rows of a parameter", "policy p {\nweigh classic {\n", "dnsbl z%u.example.org 1 0 Z\n",
	  "} }", 3, "more than 3 rows of dnsbl" },
	{ "file", "#", "x", "", CONFIG_FILE_BYTES_MAX - 1, "it is too large" },
};

static enum err read_repeated(const struct repeated *one, unsigned count, struct text *report)
{
	struct text text = { text_room, 0, sizeof(text_room), false };

	text_add(&text, span_cstr(one->before));
	for (unsigned i = 0; i < count; i++) {
		struct span each = span_cstr(one->each);

		/* every %u is the number */
		while (each.len > 0) {
			size_t hole = span_find_span(each, SPAN("%u"));

			text_add(&text, span_first(each, hole));
			if (hole < each.len)
				text_add_int(&text, i + 2);
			each = span_from(each, hole + 2);
		}
	}
	text_add(&text, span_cstr(one->after));
	assert_false(text.overrun);
	return read_text(text_span(&text), SPAN(""), report);
}

static void repeated_things(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(repeated); i++) {
		const struct repeated *one = &repeated[i];
		struct text report = { report_room, 0, sizeof(report_room), false };

		if (read_repeated(one, one->limit, &report) != OK)
			fail_msg("%s: %s", one->name, text_cstr(&report));
		text_clear(&report);
		if (read_repeated(one, one->limit + 1, &report) != ERR_SYNTAX)
			fail_msg("%s: one beyond is taken", one->name);
		if (!span_has(text_span(&report), span_cstr(one->want)))
			fail_msg("%s: %s", one->name, text_cstr(&report));
	}
}

static void depth(void **state)
{
	static const struct {
		const char *open, *close;
		unsigned limit;
	} cases[] = { { "(", ")", EXPR_DEPTH_MAX - 1 },
		      { "not ", "", EXPR_DEPTH_MAX - 2 },
		      { "unknown(", ")", EXPR_DEPTH_MAX - 1 } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (unsigned beyond = 0; beyond < 2; beyond++) {
			struct text text = { text_room, 0, sizeof(text_room), false };
			struct text report = { report_room, 0, sizeof(report_room), false };

			text_add(&text, SPAN("policy p {\npass if "));
			for (unsigned n = 0; n < cases[i].limit + beyond; n++)
				text_add(&text, span_cstr(cases[i].open));
			text_add(&text, SPAN("sender"));
			for (unsigned n = 0; n < cases[i].limit + beyond; n++)
				text_add(&text, span_cstr(cases[i].close));
			text_add(&text, SPAN("\n}"));
			if ((read_text(text_span(&text), SPAN(""), &report) == OK) == (beyond == 1))
				fail_msg("%s %u: %s", cases[i].open, beyond, text_cstr(&report));
		}
}

static enum err chain_load(void *self, struct span path, struct arena *arena, struct span *text_out,
			   struct span *why_out)
{
	unsigned number = (unsigned)(path.at[0] - 'a');
	TEXT(text, 64);

	(void)why_out;
	if (number < *(const unsigned *)self)
		text_addf(&text, "include %c", path.at[0] + 1);
	*text_out = arena_copy(arena, text_span(&text));
	return OK;
}

static void include_depth(void **state)
{
	(void)state;
	for (unsigned beyond = 0; beyond < 2; beyond++) {
		unsigned deepest = INCLUDE_DEPTH_MAX + beyond;
		struct config_loader loader = { .load = chain_load, .self = &deepest };
		struct text report = { report_room, 0, sizeof(report_room), false };
		struct config *config = NULL;

		assert_int_equal(config_compile(&loader, SPAN("a"), fake_checks, &report, &config),
				 beyond == 0 ? OK : ERR_SYNTAX);
		config_drop(config);
	}
}

/* Fifty messages are shown, the others counted; none is cut. */
static void messages(void **state)
{
	struct text report = { report_room, 0, sizeof(report_room), false };
	struct repeated wrong = { .before = "", .each = "wrong\n", .after = "" };

	(void)state;
	assert_int_equal(read_repeated(&wrong, MESSAGES_MAX, &report), ERR_SYNTAX);
	assert_false(span_has(text_span(&report), SPAN("more")));
	assert_true(span_has(text_span(&report), SPAN("weighd.conf:50:1: error")));
	text_clear(&report);
	assert_int_equal(read_repeated(&wrong, MESSAGES_MAX + 7, &report), ERR_SYNTAX);
	assert_true(span_ends(text_span(&report), SPAN("and 7 more\n")));
	report = (struct text){ report_room, 0, 300, false };
	assert_int_equal(read_repeated(&wrong, 10, &report), ERR_SYNTAX);
	assert_false(report.overrun);
	assert_true(span_ends(text_span(&report), SPAN(" more\n")));
}

/* A mistake far out in a long line is shown with what stands around it. */
static void long_lines(void **state)
{
	struct text report = { report_room, 0, sizeof(report_room), false };
	struct repeated line = { .before = "policy p {\nreject \"",
				 .each = "\xc3\xa4",
				 .after = "\" if nonsense\n}" };
	struct span rest, shown;

	(void)state;
	assert_int_equal(read_repeated(&line, 150, &report), ERR_SYNTAX);
	assert_true(span_has(text_span(&report), SPAN("weighd.conf:2:164: error")));
	rest = text_span(&report);
	while (span_cut(&rest, '\n', &shown))
		assert_true(shown.len < 400);
	assert_true(span_has(text_span(&report), SPAN("\" if nonsense\n")));
}

static void table_files(void **state)
{
	struct text report = { report_room, 0, sizeof(report_room), false };
	struct text text = { text_room, 0, sizeof(text_room), false };

	(void)state;
	for (int i = 0; i < 1000; i++)
		text_add(&text, SPAN("no network\n"));
	assert_int_equal(read_text(SPAN("table n cidr \"x\""), text_span(&text), &report),
			 ERR_SYNTAX);
	assert_true(report.len < 5000);
	text_clear(&report);
	assert_int_equal(read_text(SPAN("table n file \"x\""), SPAN("a\nb\0c\n\xff\n"), &report),
			 ERR_SYNTAX);
	assert_true(span_has(text_span(&report), SPAN("x:2:2: error: byte 0x00")));
	assert_true(span_has(text_span(&report), SPAN("x:3:1: error: byte 0xff")));
}

static size_t glob_many(void *self, struct span pattern, struct arena *arena, struct span *path_out,
			size_t max)
{
	unsigned count = *(const unsigned *)self;

	(void)pattern;
	for (unsigned i = 0; i < count && i < max; i++) {
		TEXT(name, 16);

		text_addf(&name, "f%u", i);
		path_out[i] = arena_copy(arena, text_span(&name));
	}
	return count < max ? count : max;
}

static enum err load_many(void *self, struct span path, struct arena *arena, struct span *text_out,
			  struct span *why_out)
{
	(void)self;
	(void)arena;
	(void)why_out;
	*text_out = span_equal(path, SPAN("weighd.conf")) ? SPAN("include \"*\"") : SPAN("#");
	return OK;
}

static void files(void **state)
{
	(void)state;
	for (unsigned beyond = 0; beyond < 2; beyond++) {
		unsigned count = CONFIG_FILES_MAX - 1 + beyond;
		struct config_loader loader = { .load = load_many,
						.glob = glob_many,
						.self = &count };
		struct text report = { report_room, 0, sizeof(report_room), false };
		struct config *config = NULL;

		assert_int_equal(config_compile(&loader, SPAN("weighd.conf"), fake_checks, &report,
						&config),
				 beyond == 0 ? OK : ERR_SYNTAX);
		config_drop(config);
	}
}

/* It is refused by its length, before a byte is looked at. */
static void too_large_tables(void **state)
{
	struct text report = { report_room, 0, sizeof(report_room), false };

	(void)state;
	assert_int_equal(read_text(SPAN("table t file x"),
				   span_of(text_room, (size_t)TABLE_FILE_BYTES_MAX + 1), &report),
			 ERR_SYNTAX);
	assert_true(span_has(text_span(&report), SPAN("weighd.conf:1:14: error: cannot read x: "
						      "it is too large")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repeated_things), cmocka_unit_test(depth),
		cmocka_unit_test(include_depth),   cmocka_unit_test(messages),
		cmocka_unit_test(long_lines),      cmocka_unit_test(table_files),
		cmocka_unit_test(files),           cmocka_unit_test(too_large_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
