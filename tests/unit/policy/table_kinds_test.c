/* table_kinds_test.c -- the files that tables are read from: ours, postgrey's and Exim's. */
#include "../unit.h"

#include "checks.h"

static char report_room[CONFIG_REPORT_MAX];

struct files {
	struct span config, table, second; /* weighd.conf, a, b; at NULL: missing */
};

static enum err files_load(void *self, struct span path, struct arena *arena, struct span *text_out,
			   struct span *why_out)
{
	const struct files *files = self;
	struct span text = files->config;

	(void)arena;
	if (!span_equal(path, SPAN("weighd.conf")))
		text = span_equal(path, SPAN("a")) ? files->table : files->second;
	*why_out = SPAN("it is not there");
	if (text.at == NULL)
		return ERR_MISSING;
	*text_out = text;
	return OK;
}

/* @return NULL unless OK; what is reported, warnings too, is in report_out */
static struct config *compile(struct files *files, struct text *report_out)
{
	struct config_loader loader = { .load = files_load, .self = files };
	struct config *config = NULL;

	*report_out = (struct text){ report_room, 0, sizeof(report_room), false };
	if (config_compile(&loader, SPAN("weighd.conf"), fake_checks, report_out, &config) != OK)
		return NULL;
	return config;
}

static struct config *compile_table(struct span statement, struct span table)
{
	struct files files = { .config = statement, .table = table };
	struct text report;
	struct config *config = compile(&files, &report);

	if (config == NULL || report.len > 0)
		fail_msg("%.*s: %s", SPAN_ARG(statement), text_cstr(&report));
	return config;
}

struct look {
	struct span text;  /* begins with '@': an address */
	const char *value; /* NULL: not found */
};

static void check_looks(const struct table *table, const struct look *look, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct span text = look[i].text, value = SPAN("");
		struct ip ip;
		bool found;

		if (span_starts(text, SPAN("@"))) {
			assert_int_equal(ip_parse(span_from(text, 1), &ip), OK);
			found = table_find_address(table, ip, &value);
		} else {
			found = table_find(table, text, &value);
		}
		if (found != (look[i].value != NULL))
			fail_msg("'%.*s' is %sfound", SPAN_ARG(text), found ? "" : "not ");
		if (found)
			check_span(value, span_cstr(look[i].value), "value");
	}
}

static void check_rows(struct span statement, struct span text, const struct look *look,
		       size_t count)
{
	struct config *config = compile_table(statement, text);

	check_looks(config->table[0], look, count);
	config_drop(config);
}

static void patterns(void **state)
{
	static const struct look looks[] = {
		{ SPAN_INIT("dsl-1.example.org"), "a line" },
		{ SPAN_INIT("xdsl-1.example.org"), NULL },
		{ SPAN_INIT("MAIL.example.org"), "mail" },
		{ SPAN_INIT("a/b"), "slash" },
		{ SPAN_INIT("Case"), NULL },
		{ SPAN_INIT("case"), "" },
		{ SPAN_INIT("@192.0.2.7"), "net" },
		{ SPAN_INIT("@192.0.3.7"), NULL },
		{ SPAN_INIT(""), NULL },
		{ SPAN_INIT("a # b"), "hash" },
	};

	(void)state;
	check_rows(SPAN("table t regex a\n"),
		   SPAN("# ours\n/^dsl-/   a line\n/^mail\\./i mail\r\n/^mail\\.example/i second\n"
			"/a\\/b/ slash\n\n/^case$/\n  /^192\\.0\\.2\\./ net\n/ # / hash\n"),
		   looks, COUNT(looks));
}

/* What runs into the limit of matching is no match, and the next pattern is tried. */
static void greedy_patterns(void **state)
{
	static const struct look looks[] = {
		{ SPAN_INIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"), "next" },
	};

	(void)state;
	check_rows(SPAN("table t regex a\n"), SPAN("/^(a+)+$/ slow\n/b$/ next\n"), looks,
		   COUNT(looks));
}

static void domains(void **state)
{
	static const struct look looks[] = {
		{ SPAN_INIT("example.org"), "one" },
		{ SPAN_INIT("Mail.Example.ORG"), "one" },
		{ SPAN_INIT("a.deep.example.org"), "two words" },
		{ SPAN_INIT("deep.example.org."), "two words" },
		{ SPAN_INIT("anna@deep.example.org"), "two words" },
		{ SPAN_INIT("a@b@example.org"), "one" },
		{ SPAN_INIT("xexample.org"), NULL },
		{ SPAN_INIT("org"), NULL },
		{ SPAN_INIT("example.net"), NULL },
		{ SPAN_INIT("a.example.net"), "below" },
		{ SPAN_INIT("a.b.example.net"), "below" },
		{ SPAN_INIT("x.test"), "" },
		{ SPAN_INIT(""), NULL },
		{ SPAN_INIT("."), NULL },
		{ SPAN_INIT("..."), NULL },
		{ SPAN_INIT("@192.0.2.1"), NULL },
	};

	(void)state;
	check_rows(
		SPAN("table t domain \"a\"\n"),
		SPAN("Example.org. one\ndeep.example.org two words\n.example.net\tbelow\ntest\n"),
		looks, COUNT(looks));
}

static void clients(void **state)
{
	static const struct look looks[] = {
		{ SPAN_INIT("mx.example.org"), "" },
		{ SPAN_INIT("EXAMPLE.org"), "" },
		{ SPAN_INIT("badexample.org"), NULL },
		{ SPAN_INIT("unknown"), NULL },
		{ SPAN_INIT("UNKNOWN"), NULL },
		{ SPAN_INIT("mail-7.example.com"), "" },
		{ SPAN_INIT("Xmail-7.example.com"), "" },
		{ SPAN_INIT("mail-x.example.com"), NULL },
		{ SPAN_INIT("@192.0.2.1"), "" },
		{ SPAN_INIT("@192.0.2.2"), NULL },
		{ SPAN_INIT("@198.51.100.255"), "" },
		{ SPAN_INIT("@198.51.101.0"), NULL },
		{ SPAN_INIT("@203.0.113.5"), "" }, /* a.b is the /16 */
		{ SPAN_INIT("@203.0.0.7"), "" },
		{ SPAN_INIT("@203.1.0.7"), NULL },
		{ SPAN_INIT("@10.9.8.7"), "" }, /* a.b.c */
		{ SPAN_INIT("@10.9.9.7"), NULL },
		{ SPAN_INIT("@172.16.5.1"), "" }, /* bits behind the end do not matter */
		{ SPAN_INIT("@2001:db8:1::7"), "" },
		{ SPAN_INIT("@2001:db8:2::7"), NULL },
		{ SPAN_INIT("@2001:db8:3::1"), "" },
		{ SPAN_INIT("@2001:db8:3::2"), NULL },
		{ SPAN_INIT("@100.64.0.1"), "" }, /* mapped */
		{ SPAN_INIT("192.0.2.1"), NULL }, /* a text is a name, whatever it looks like */
		{ SPAN_INIT("300.1"), "" },
	};

	(void)state;
	check_rows(SPAN("table t postgrey-clients \"a\"\n"),
		   SPAN("# whitelist\n\nexample.org # 2020-01-01: Anna (no retry)\n"
			"  unknown\t\n/mail-\\d+\\.example\\.com$/#x\n192.0.2.1\n198.51.100.0/24\n"
			"203.0\n10.9.8\n172.16.5.9/16\n2001:DB8:1::/48\n2001:db8:3::1\r\n"
			"::ffff:100.64.0.1\n300.1\n#\xff latin\nexample.org\n"),
		   looks, COUNT(looks));
}

/* A pattern of an administrator may mean the clients without a confirmed name. */
static void unknown_clients(void **state)
{
	static const struct look looks[] = { { SPAN_INIT("unknown"), "" } };

	(void)state;
	check_rows(SPAN("table t postgrey-clients \"a\"\n"), SPAN("unknown\n/^unknown$/\n"), looks,
		   COUNT(looks));
}

static void recipients(void **state)
{
	static const struct look looks[] = {
		{ SPAN_INIT("anna@example.org"), "" },
		{ SPAN_INIT("ANNA+list@Example.org"), "" },
		{ SPAN_INIT("anna+a+b@example.org"), "" },
		{ SPAN_INIT("annax@example.org"), NULL },
		{ SPAN_INIT("anna@sub.example.org"), NULL },
		{ SPAN_INIT("postmaster@anywhere.test"), "" },
		{ SPAN_INIT("Postmaster+x@anywhere.test"), "" },
		{ SPAN_INIT("postmaster"), "" },
		{ SPAN_INIT("hostmaster@anywhere.test"), NULL },
		{ SPAN_INIT("x@example.net"), "" },
		{ SPAN_INIT("x@sub.example.net"), "" },
		{ SPAN_INIT("x@badexample.net"), NULL },
		{ SPAN_INIT("example.net"), "" },
		{ SPAN_INIT("trap-12@example.com"), "" },
		{ SPAN_INIT("TRAP-12@example.com"), "" },
		{ SPAN_INIT("bob+sales@example.edu"), "" },
		{ SPAN_INIT("bob@example.edu"), NULL },
		{ SPAN_INIT(""), NULL },
		{ SPAN_INIT("@192.0.2.1"), NULL },
	};

	(void)state;
	check_rows(SPAN("table t postgrey-recipients \"a\"\n"),
		   SPAN("Anna@example.org\npostmaster@ # RFC 5321\nexample.net\n"
			"/^trap-\\d+@/\nbob+sales@example.edu\n"),
		   looks, COUNT(looks));
}

static void hosts(void **state)
{
	static const struct look looks[] = {
		{ SPAN_INIT("@192.168.7.7"), "" },
		{ SPAN_INIT("@192.169.0.1"), NULL },
		{ SPAN_INIT("@192.0.2.1"), "" },
		{ SPAN_INIT("@2001:db8::5"), "" },
		{ SPAN_INIT("a.example.org"), "" },
		{ SPAN_INIT("a.b.example.org"), "" },
		{ SPAN_INIT("example.org"), NULL },
		{ SPAN_INIT("Mail.example.net"), "" },
		{ SPAN_INIT("x.mail.example.net"), NULL },
		{ SPAN_INIT("mx12.example.com"), "" },
		{ SPAN_INIT("MX12.example.com"), "" },
		{ SPAN_INIT("amx12.example.com"), NULL },
		{ SPAN_INIT("a#b"), "" },
	};

	(void)state;
	check_rows(SPAN("table t exim-hosts \"a\"\n"),
		   SPAN("# hosts\n192.168.0.0/16 # inside\n192.0.2.1\n2001:db8::/32\n"
			"*.example.org\nmail.example.net\n^mx\\d+\\.example\\.com$\n a#b\n"),
		   looks, COUNT(looks));
}

/* --- what is wrong --- */

static const struct {
	const char *name;
	struct span statement, table;
	bool is_warning;
	const char *says; /* and there is no more than this one message */
} wrongs[] = {
	{ "a blank inside", SPAN_INIT("table t postgrey-clients a"), SPAN_INIT("x.org\na b.org\n"),
	  true, "a:2:1: warning: an entry has no blanks inside: skipped" },
	{ "a blank inside a pattern", SPAN_INIT("table t postgrey-recipients a"),
	  SPAN_INIT("/a b/\n"), true, "a:1:1: warning: an entry has no blanks inside: skipped" },
	{ "a network too long", SPAN_INIT("table t postgrey-clients a"), SPAN_INIT("10.0.0.0/33\n"),
	  true, "a:1:1: warning: this is no network, no /pattern/ and no host name: skipped" },
	{ "no address", SPAN_INIT("table t postgrey-clients a"), SPAN_INIT("2001:db8:::/33\n"),
	  true, "a:1:1: warning: this is no network, no /pattern/ and no host name: skipped" },
	{ "an @ in front", SPAN_INIT("table t postgrey-recipients a"), SPAN_INIT("@b.org\n"), true,
	  "a:1:1: warning: a domain stands without '@': skipped" },
	{ "Exim's exceptions", SPAN_INIT("table t exim-hosts a"), SPAN_INIT("!192.0.2.1\n"), true,
	  "a:1:1: warning: this is no network, no ^pattern and no host name: skipped" },
	{ "Exim's look-ups", SPAN_INIT("table t exim-hosts a"), SPAN_INIT("cdb;/etc/hosts\n"), true,
	  "a:1:1: warning: this is no network, no ^pattern and no host name: skipped" },
	{ "all hosts", SPAN_INIT("table t exim-hosts a"), SPAN_INIT("*\n"), true,
	  "a:1:1: warning: this is no network, no ^pattern and no host name: skipped" },
	{ "a wrong pattern", SPAN_INIT("table t postgrey-clients a"), SPAN_INIT("x\n/a(b/\n"),
	  false, "a:2:2: error: the pattern is wrong" },
	{ "a wrong pattern of Exim", SPAN_INIT("table t exim-hosts a"), SPAN_INIT("^a[\n"), false,
	  "error: the pattern is wrong" },
	{ "no pattern", SPAN_INIT("table t regex a"), SPAN_INIT("abc value\n"), false,
	  "a:1:1: error: a line is /pattern/ and a value" },
	{ "a pattern without end", SPAN_INIT("table t regex a"), SPAN_INIT("/abc\\/\n"), false,
	  "a:1:1: error: a line is /pattern/ and a value" },
	{ "a flag", SPAN_INIT("table t regex a"), SPAN_INIT("/abc/x y\n"), false,
	  "a:1:6: error: behind a pattern stands nothing or an 'i'" },
	{ "an address for a domain", SPAN_INIT("table t domain a"), SPAN_INIT("a@b.org 1\n"), false,
	  "a:1:1: error: this is no domain such as example.org" },
	{ "bytes", SPAN_INIT("table t domain a"), SPAN_INIT("b\xff.org 1\n"), false,
	  "a:1:2: error: byte 0xff is no text" },
	{ "a kind", SPAN_INIT("table t domains a"), SPAN_INIT(""), false,
	  "did you mean 'domain'?" },
	{ "a kind to come", SPAN_INIT("table t mmdb a"), SPAN_INIT(""), false,
	  "tables of kind 'mmdb' are not in this version" },
	{ "optional alone", SPAN_INIT("table t file optional"), SPAN_INIT(""), false, "a file" },
	{ "a missing file", SPAN_INIT("table t file b"), SPAN_INIT(""), false,
	  "cannot read b: it is not there" },
	{ "a missing file of a list", SPAN_INIT("table t file [a, b]"), SPAN_INIT(""), false,
	  "cannot read b: it is not there" },
	{ "a list without end", SPAN_INIT("table t file [a,"), SPAN_INIT(""), false, "error: " },
};

static void mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(wrongs); i++) {
		struct files files = { .config = wrongs[i].statement, .table = wrongs[i].table };
		struct text report;
		struct config *config = compile(&files, &report);

		if ((config != NULL) != wrongs[i].is_warning ||
		    !span_has(text_span(&report), span_cstr(wrongs[i].says)))
			fail_msg("%s: %s", wrongs[i].name, text_cstr(&report));
		if (config != NULL)
			config_drop(config);
	}
}

/* --- optional files, several files --- */

static void several_files(void **state)
{
	static const struct look looks[] = {
		{ SPAN_INIT("one"), "1" },
		{ SPAN_INIT("two"), "2" },
		{ SPAN_INIT("both"), "first" },
		{ SPAN_INIT("three"), NULL },
	};
	struct files files = {
		.config = SPAN("table t file [\n a,\n \"b\" ]\n"),
		.table = SPAN("one 1\nboth first\n"),
		.second = SPAN("two 2\nboth second\n"),
	};
	struct text report;
	struct config *config = compile(&files, &report);

	(void)state;
	assert_non_null(config);
	check_looks(config->table[0], looks, COUNT(looks));
	assert_int_equal(config->file_count, 3);
	config_drop(config);
}

/* What goes on with the line before goes not on with another file's. */
static void files_do_not_continue(void **state)
{
	struct files files = {
		.config = SPAN("table t file [a, b]\n"),
		.table = SPAN("one 1\n"),
		.second = SPAN("  more\n"),
	};
	struct text report;

	(void)state;
	assert_null(compile(&files, &report));
	assert_true(span_has(text_span(&report), SPAN("b:1:3: error: a line that begins with")));
}

/* Names, networks and patterns of both. */
static void several_files_of_clients(void **state)
{
	static const struct look looks[] = {
		{ SPAN_INIT("a.one.test"), "" },   { SPAN_INIT("a.two.test"), "" },
		{ SPAN_INIT("@192.0.2.1"), "" },   { SPAN_INIT("@198.51.100.1"), "" },
		{ SPAN_INIT("@203.0.113.1"), "" }, { SPAN_INIT("pattern1"), "" },
		{ SPAN_INIT("pattern2"), "" },
	};
	struct files files = {
		.config = SPAN("table t postgrey-clients optional [a, b, c]\n"),
		.table = SPAN("one.test\n192.0.2\n198.51.100.1\n/pattern1/\n"),
		.second = SPAN("two.test\n203.0\n/pattern2/"),
	};
	struct text report;
	struct config *config = compile(&files, &report);

	(void)state;
	assert_non_null(config);
	check_looks(config->table[0], looks, COUNT(looks));
	config_drop(config);
}

/* A file that is missing counts as one, so that it is watched. */
static void optional_files(void **state)
{
	static const struct look looks[] = { { SPAN_INIT("one"), NULL },
					     { SPAN_INIT("@::1"), NULL } };
	static const struct span kinds[] = {
		SPAN_INIT("table t file optional \"a\"\n"),
		SPAN_INIT("table t cidr optional a\n"),
		SPAN_INIT("table t regex optional a\n"),
		SPAN_INIT("table t domain optional a\n"),
		SPAN_INIT("table t postgrey-clients optional a\n"),
		SPAN_INIT("table t postgrey-recipients optional a\n"),
		SPAN_INIT("table t exim-hosts optional [a]\n"),
		SPAN_INIT("table t exim-hosts []\n"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct config *config = compile_table(kinds[i], (struct span){ 0 });

		check_looks(config->table[0], looks, COUNT(looks));
		if (i + 1 < COUNT(kinds)) {
			assert_int_equal(config->file_count, 2);
			check_span(config->file[1].path, SPAN("a"), "path");
			assert_true(config->file[1].is_table);
		}
		config_drop(config);
	}
}

/* --- limits --- */

static void check_patterns(unsigned count, bool is_right)
{
	size_t room = 16 * (size_t)count + 1;
	struct text table = { malloc(room), 0, room, false };
	struct files files = { .config = SPAN("table t regex a\n") };
	struct config *config;
	struct text report;

	assert_non_null(table.at);
	for (unsigned i = 0; i < count; i++)
		text_addf(&table, "/^%u$/ %u\n", i, i);
	files.table = text_span(&table);
	config = compile(&files, &report);
	assert_int_equal(config != NULL, is_right);
	if (is_right) {
		struct span value;

		assert_true(table_find(config->table[0], SPAN("3999"), &value));
		check_span(value, SPAN("3999"), "the last");
		config_drop(config);
	} else if (!span_has(text_span(&report), SPAN("a table has at most 4000 patterns"))) {
		fail_msg("%s", text_cstr(&report));
	}
	free(table.at);
}

static void many_patterns(void **state)
{
	(void)state;
	check_patterns(TABLE_PATTERNS_MAX, true);
	check_patterns(TABLE_PATTERNS_MAX + 1, false);
}

static void long_patterns(void **state)
{
	char bytes[REGEX_BYTES_MAX + 4];
	struct files files = { .config = SPAN("table t regex a\n") };
	struct text report;
	struct config *config;

	(void)state;
	memset(bytes, 'a', sizeof(bytes));
	bytes[0] = bytes[REGEX_BYTES_MAX + 1] = '/';
	files.table = span_of(bytes, REGEX_BYTES_MAX + 2);
	config = compile(&files, &report);
	assert_non_null(config);
	config_drop(config);
	bytes[REGEX_BYTES_MAX + 1] = 'a';
	bytes[REGEX_BYTES_MAX + 2] = '/';
	files.table = span_of(bytes, REGEX_BYTES_MAX + 3);
	assert_null(compile(&files, &report));
	assert_true(span_has(text_span(&report), SPAN("it is too long")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns),
		cmocka_unit_test(greedy_patterns),
		cmocka_unit_test(domains),
		cmocka_unit_test(clients),
		cmocka_unit_test(unknown_clients),
		cmocka_unit_test(recipients),
		cmocka_unit_test(hosts),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(several_files),
		cmocka_unit_test(files_do_not_continue),
		cmocka_unit_test(several_files_of_clients),
		cmocka_unit_test(optional_files),
		cmocka_unit_test(many_patterns),
		cmocka_unit_test(long_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
