/* postgrey_test.c -- postgrey's options and database, as they are found in the field. */
#include "ctl/import/postgrey_priv.h"

#include <stdio.h>

#include "../unit.h"

/* --- the words of a shell --- */

static void words_are_read(void **state)
{
	static const struct {
		const char *name;
		struct span text;
		const char *want; /* "[word]" each; "?": it is not closed, "!": too long */
		bool is_foreign;
	} cases[] = {
		{ "nothing", SPAN_INIT(""), "", false },
		{ "a comment alone", SPAN_INIT(" # a b\n"), "", false },
		{ "two words", SPAN_INIT("a  b\n"), "[a][b]", false },
		{ "a comment behind", SPAN_INIT("a # b\nc#d"), "[a][c#d]", false },
		{ "double quotes", SPAN_INIT("\"a b\"c"), "[a bc]", false },
		{ "single quotes", SPAN_INIT("'a \"$b\" \\'"), "[a \"$b\" \\]", false },
		{ "empty quotes", SPAN_INIT("'' \"\""), "[][]", false },
		{ "backslashes", SPAN_INIT("a\\ b \"\\\"\\a\\\\\""), "[a b][\"\\a\\]", false },
		{ "a line goes on", SPAN_INIT("a\\\nb \\\n c"), "[ab][c]", false },
		{ "ends of statements", SPAN_INIT("a;b\r\nc"), "[a][b][c]", false },
		{ "not closed", SPAN_INIT("a 'b"), "[a]?", false },
		{ "a backslash at the end", SPAN_INIT("a\\"), "[a]", false },
		{ "a known variable", SPAN_INIT("$NAME ${NAME}x '$NAME'"), "[value][valuex][$NAME]",
		  false },
		{ "an unknown one", SPAN_INIT("a$OTHER"), "[a]", true },
		{ "a brace that is open", SPAN_INIT("${NAME"), "[value]", false },
		{ "a dollar alone", SPAN_INIT("\"$\" a$"), "[$][a$]", false },
		{ "a command", SPAN_INIT("$(id)"), "[$(id)]", true },
		{ "an old command", SPAN_INIT("`id`"), "[`id`]", true },
		{ "bytes", SPAN_INIT("a\0b \xff"), "[a.b][\xff]", false },
		{ "at the limit", SPAN_INIT("12345678"), "[12345678]", false },
		{ "one beyond", SPAN_INIT("123456789 a"), "![a]", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct shell shell = { .rest = cases[i].text,
				       .line = 1,
				       .variable = { { SPAN_INIT("NAME"), SPAN_INIT("value") } },
				       .variable_count = 1 };
		enum shell_state read;
		TEXT(word, 8);
		TEXT(have, 200);

		while ((read = shell_next(&shell, &word)) != SHELL_END) {
			if (read != SHELL_WORD) {
				text_add_char(&have, read == SHELL_UNCLOSED ? '?' : '!');
				continue;
			}
			text_add_char(&have, '[');
			for (size_t at = 0; at < word.len; at++)
				text_add_char(&have, word.at[at] == '\0' ? '.' : word.at[at]);
			text_add_char(&have, ']');
		}
		check_span(text_span(&have), span_cstr(cases[i].want), cases[i].name);
		assert_int_equal(shell.has_foreign, cases[i].is_foreign);
	}
}

/* --- options --- */

static char config_room[IMPORT_CONFIG_MAX], explain_room[IMPORT_EXPLAIN_MAX],
	report_room[IMPORT_REPORT_MAX];

struct imported {
	enum err err;
	struct text config, explain, report;
};

static struct imported import(struct span foreign)
{
	static const struct import_options options = { .path = SPAN_INIT("FILE") };
	struct imported imported = {
		.config = { config_room, 0, sizeof(config_room), false },
		.explain = { explain_room, 0, sizeof(explain_room), false },
		.report = { report_room, 0, sizeof(report_room), false },
	};

	imported.err = import_postgrey(foreign, &options, &imported.config, &imported.explain,
				       &imported.report);
	return imported;
}

static void check_has(const struct text *text, const char *want, const char *name)
{
	if (!span_has(text_span(text), span_cstr(want)))
		fail_msg("%s: no \"%s\" in\n%.*s", name, want, SPAN_ARG(text_span(text)));
}

static void options_are_translated(void **state)
{
	static const struct {
		const char *name;
		struct span foreign;
		const char *config[4]; /* all are in it; NULL: no more */
		const char *explain;
	} cases[] = {
		{ "nothing",
		  SPAN_INIT(""),
		  { "listen   inet:127.0.0.1:10023 policy postgrey\n",
		    "pass if client_name in clients or client_address in clients\n",
		    "greylist for 5m within 2d remember 35d trust 5 for 35d every 1h of "
		    "client_address by client_network,\n\t\tsender.folded, recipient header",
		    "\"4.2.0 Greylisted, see "
		    "http://postgrey.schweikert.ch/help/${recipient.domain}.html\"\n" },
		  "default  --delay = 300\n" },
		{ "Debian's file",
		  SPAN_INIT("# c\nPOSTGREY_OPTS=\"--inet=10023\"\n#X=y\n"),
		  { "listen   inet:127.0.0.1:10023 policy", NULL },
		  "kept     --inet = 10023\n" },
		{ "a text of its own",
		  SPAN_INIT("POSTGREY_TEXT=\"Back in %s s, \\\"%r\\\" $5 %s\"\n"
			    "POSTGREY_OPTS='-i 7'\n"),
		  { "\"4.2.0 Back in ${greylist.wait} s, \\\"${recipient.domain}"
		    "\\\"  %s\"",
		    ":7 policy", NULL },
		  "kept     --greylist-text = Back in" },
		{ "variables that build on each other",
		  SPAN_INIT("export POSTGREY_OPTS='--delay=60'\n"
			    "POSTGREY_OPTS=\"$POSTGREY_OPTS --max-age=10\"\n"),
		  { "greylist for 1m within 2d remember 10d trust 5 for 10d", NULL },
		  "changed  --max-age = 10: " },
		{ "Red Hat's file",
		  SPAN_INIT("POSTGREY_TYPE=\"--unix=/run/pg\"\nPOSTGREY_DELAY=\"--delay=61\"\n"),
		  { "listen   \"unix:/run/pg\" mode 0666 policy", "for 61s ", NULL },
		  "kept     --delay = 61\n" },
		{ "a command line",
		  SPAN_INIT("/usr/sbin/postgrey -d --inet=[::1]:10024 --user postgrey\n"),
		  { "listen   inet:[::1]:10024 policy", NULL },
		  "dropped  --daemonize: " },
		{ "a line of a unit",
		  SPAN_INIT("ExecStart=/usr/sbin/postgrey \\\n -i *:1\n"),
		  { "listen   inet:0.0.0.0:1 policy", NULL },
		  "kept     --inet = *:1\n" },
		{ "options alone",
		  SPAN_INIT("-inet 192.0.2.1:65535 --socketmode=0600"),
		  { "listen   inet:192.0.2.1:65535 policy", NULL },
		  "kept     --socketmode" },
		{ "both kinds of sockets",
		  SPAN_INIT("--unix=/x --inet=1"),
		  { "listen   inet:127.0.0.1:1 policy", NULL },
		  "dropped  --unix = /x: beside --inet" },
		{ "hours",
		  SPAN_INIT("--retry-window=6h"),
		  { " within 6h ", NULL },
		  "kept     --retry-window" },
		{ "days",
		  SPAN_INIT("--retry-window=3"),
		  { " within 3d ", NULL },
		  "kept     --retry-window" },
		{ "no delay is none given",
		  SPAN_INIT("--delay=0"),
		  { "greylist for 5m ", NULL },
		  "changed  --delay = 0: postgrey takes 0" },
		{ "nobody is trusted",
		  SPAN_INIT("--auto-whitelist-clients=0"),
		  { " remember 35d no trust by ", NULL },
		  "kept     --auto-whitelist-clients = 0" },
		{ "trust without a number",
		  SPAN_INIT("--auto-whitelist-clients --delay=9"),
		  { "for 9s ", " trust 5 for ", NULL },
		  "kept     --auto-whitelist-clients = 5" },
		{ "trust with one behind",
		  SPAN_INIT("--auto-whitelist-clients 2 --delay=9"),
		  { "for 9s ", " trust 2 for ", NULL },
		  "kept     --auto-whitelist-clients = 2" },
		{ "the whole address",
		  SPAN_INIT("--lookup-by-host"),
		  { " by client_address,\n\t\tsender.folded, recipient ", NULL },
		  "kept     --lookup-by-host\n" },
		{ "the whole address by its bits",
		  SPAN_INIT("--ipv4cidr=32 --ipv6cidr=128"),
		  { " by client_address,", NULL },
		  "kept     --ipv4cidr = 32\n" },
		{ "other networks",
		  SPAN_INIT("--ipv4cidr=28"),
		  { " by client_network,", NULL },
		  "changed  --ipv4cidr = 28: the network of a key is the /24" },
		{ "own lists",
		  SPAN_INIT("--whitelist-clients=/a --whitelist-clients /b"),
		  { "table clients postgrey-clients optional \"/a\"\n"
		    "table clients-2 postgrey-clients optional \"/b\"\n"
		    "table recipients postgrey-recipients optional ",
		    NULL },
		  "kept     --whitelist-clients = /a, /b\n" },
		{ "another deferral",
		  SPAN_INIT("--greylist-action=451 --greylist-text=wait"),
		  { "\"451 4.2.0 wait\"\n", NULL },
		  "kept     --greylist-action" },
		{ "a text with its own code",
		  SPAN_INIT("--greylist-text='4.7.0 wait'"),
		  { "\"4.7.0 wait\"\n", NULL },
		  "kept     --greylist-text" },
		{ "no deferral",
		  SPAN_INIT("--greylist-action=HOLD --greylist-text=why"),
		  { "\tobserve greylist for 5m ", " no header\n\tprepend \"X-Greylist: ",
		    "\treply \"HOLD 4.2.0 why\" if greylist.wait > 0\n", NULL },
		  "changed  --greylist-action = HOLD: " },
		{ "a header of its own",
		  SPAN_INIT("'--x-greylist-header=X-G: %t %t %h %d \"\\%v'"),
		  { "header \"X-G: ${greylist.delayed} %t ${hostname} ${date} \\\"\\\\weighd\"",
		    NULL },
		  "changed  --x-greylist-header" },
		{ "a host's name",
		  SPAN_INIT("--hostname=mx.example.org"),
		  { "hostname mx.example.org\n", NULL },
		  "kept     --hostname" },
		{ "what is empty is not given",
		  SPAN_INIT("--greylist-text= --greylist-action= "
			    "--unix="),
		  { "\"4.2.0 Greylisted, see ", ":10023 ", NULL },
		  "--greylist-text = Greylisted" },
		{ "the last one wins",
		  SPAN_INIT("--delay=60 --delay=120"),
		  { "for 2m ", NULL },
		  "kept     --delay = 120\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct imported imported = import(cases[i].foreign);

		for (size_t n = 0; n < COUNT(cases[i].config) && cases[i].config[n] != NULL; n++)
			check_has(&imported.config, cases[i].config[n], cases[i].name);
		check_has(&imported.explain, cases[i].explain, cases[i].name);
		if (imported.err != OK)
			fail_msg("%s: %.*s", cases[i].name, SPAN_ARG(text_span(&imported.report)));
	}
}

static void mistakes_are_told(void **state)
{
	static const struct {
		const char *name;
		struct span foreign;
		const char *report, *config;
	} cases[] = {
		{ "no such option", SPAN_INIT("--inet=1 --bogus=2"),
		  "FILE: error: postgrey has no such option: left out: \"--bogus=2\"", ":1 " },
		{ "options are not shortened", SPAN_INIT("--del=2"), "no such option", "for 5m" },
		{ "capitals count", SPAN_INIT("--Delay=2"), "no such option", "for 5m" },
		{ "no number", SPAN_INIT("--delay=5m"), "no such number", "for 5m" },
		{ "below zero", SPAN_INIT("--delay=-5"), "no such number", "for 5m" },
		{ "too much", SPAN_INIT("--max-age=401"), "no such number", "remember 35d" },
		{ "no window", SPAN_INIT("--retry-window=h"), "no such number", "within 2d" },
		{ "a window within the delay", SPAN_INIT("--delay=7200 --retry-window=2h"),
		  "not longer than --delay", "for 2h within 2d" },
		{ "a value is missing", SPAN_INIT("--inet=1 --delay"), "its value is missing",
		  "for 5m" },
		{ "a value too many", SPAN_INIT("--privacy=1"), "takes no value", "for 5m" },
		{ "a word too many", SPAN_INIT("--inet=1 foo"), "no option: left out: \"foo\"",
		  ":1 " },
		{ "no port", SPAN_INIT("--inet=0"), "no port: 10023", ":10023 " },
		{ "a port beyond", SPAN_INIT("--inet=65536"), "no port: 10023", ":10023 " },
		{ "a name to listen on", SPAN_INIT("--inet=mx.example:5"), "no address",
		  "inet:127.0.0.1:5 " },
		{ "no mode", SPAN_INIT("--unix=/x --socketmode=9"), "no mode: 0666", "mode 0666" },
		{ "no header", SPAN_INIT("--x-greylist-header=none"), "no header",
		  "X-Greylist: delayed" },
		{ "no host", SPAN_INIT("--hostname=a..b"), "no host name", "policy postgrey" },
		{ "another file", SPAN_INIT("listen inet:1\nfoo\n"), "neither POSTGREY_",
		  "for 5m" },
		{ "a quote is open", SPAN_INIT("POSTGREY_OPTS=\"--delay=60"),
		  "a quote is not closed", "for 1m" },
		{ "escapes", SPAN_INIT("--\033[31m=1"), "\\x1b[31m", "for 5m" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct imported imported = import(cases[i].foreign);

		check_has(&imported.report, cases[i].report, cases[i].name);
		check_has(&imported.config, cases[i].config, cases[i].name);
		assert_int_equal(imported.err, ERR_SYNTAX);
	}
}

static void texts_have_limits(void **state)
{
	static char foreign[POSTGREY_WORD_MAX + 100];
	static const struct {
		size_t len;
		enum err want;
	} cases[] = { { 394, OK }, { 395, ERR_SYNTAX }, { POSTGREY_WORD_MAX, ERR_SYNTAX } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int begin = snprintf(foreign, sizeof(foreign), "--greylist-text=");

		memset(foreign + begin, 'x', cases[i].len);
		assert_int_equal(import(span_of(foreign, (size_t)begin + cases[i].len)).err,
				 cases[i].want);
	}
}

static void lists_have_a_limit(void **state)
{
	TEXT(foreign, 2000);

	(void)state;
	for (unsigned i = 0; i < POSTGREY_FILES_MAX; i++)
		text_addf(&foreign, "--whitelist-clients=/%u ", i);
	assert_int_equal(import(text_span(&foreign)).err, OK);
	text_add(&foreign, SPAN("--whitelist-clients=/x"));
	assert_int_equal(import(text_span(&foreign)).err, ERR_SYNTAX);
}

/* --- dumps --- */

static void dumps_are_read(void **state)
{
	static const struct {
		const char *name;
		struct span text;
		const char *want; /* "key=value;" each, "!" for a line that is none */
	} cases[] = {
		{ "nothing", SPAN_INIT(""), "" },
		{ "empty", SPAN_INIT("VERSION=3\nformat=print\ntype=btree\nHEADER=END\nDATA=END\n"),
		  "" },
		{ "printable",
		  SPAN_INIT("VERSION=3\nformat=print\nHEADER=END\n a\\5c\\\\\\c3\\a9\n 1,2\n"
			    "DATA=END\n"),
		  "a\\\\\xc3\xa9=1,2;" },
		{ "bytes",
		  SPAN_INIT("VERSION=3\nformat=bytevalue\nHEADER=END\n 6162\n 31\nDATA=END\n"),
		  "ab=1;" },
		{ "bytes in capitals", SPAN_INIT("VERSION=3\nHEADER=END\n 4F\n 31\nDATA=END\n"),
		  "O=1;" },
		{ "empty key and value", SPAN_INIT("VERSION=3\nHEADER=END\n \n \nDATA=END\n"),
		  "=;" },
		{ "two dumps",
		  SPAN_INIT("VERSION=3\nformat=print\nHEADER=END\n a\n 1\nDATA=END\n"
			    "VERSION=3\nHEADER=END\n 62\n 32\nDATA=END\n"),
		  "a=1;b=2;" },
		{ "no dump", SPAN_INIT("hello\n"), "!" },
		{ "no header's line", SPAN_INIT("VERSION=3\nhello\nHEADER=END\nDATA=END\n"), "!" },
		{ "odd digits", SPAN_INIT("VERSION=3\nHEADER=END\n 616\n 31\n 61\n 32\nDATA=END\n"),
		  "!a=2;" },
		{ "no digits", SPAN_INIT("VERSION=3\nHEADER=END\n 61\n xx\n 61\n 32\nDATA=END\n"),
		  "!a=2;" },
		{ "no blank", SPAN_INIT("VERSION=3\nHEADER=END\n61\n 31\nDATA=END\n"), "!" },
		{ "half an escape", SPAN_INIT("VERSION=3\nformat=print\nHEADER=END\n a\\6\n 31\n"),
		  "!" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		static struct dump dump;
		struct span rest = cases[i].text, line;
		TEXT(have, 200);

		dump = (struct dump){ .state = DUMP_OUTSIDE };
		while (span_cut(&rest, '\n', &line))
			switch (dump_take(&dump, line)) {
			case DUMP_NOTHING: break;
			case DUMP_BAD: text_add_char(&have, '!'); break;
			case DUMP_PAIR:
				text_add(&have, span_of(dump.key, dump.key_len));
				text_add_char(&have, '=');
				text_add(&have, span_of(dump.value, dump.value_len));
				text_add_char(&have, ';');
				break;
			}
		check_span(text_span(&have), span_cstr(cases[i].want), cases[i].name);
	}
}

static void dumped_texts_have_a_limit(void **state)
{
	static struct dump dump;
	static char line[2 * DUMP_TEXT_MAX + 4];

	(void)state;
	for (size_t beyond = 0; beyond <= 1; beyond++) {
		dump = (struct dump){ .state = DUMP_KEY };
		memset(line, '6', sizeof(line));
		line[0] = ' ';
		assert_int_equal(dump_take(&dump, span_of(line, 1 + 2 * (DUMP_TEXT_MAX + beyond))),
				 beyond == 0 ? DUMP_NOTHING : DUMP_BAD);
		assert_int_equal(dump_take(&dump, SPAN(" 31")),
				 beyond == 0 ? DUMP_PAIR : DUMP_NOTHING);
	}
}

/* --- entries --- */

static void entries_are_taken(void **state)
{
	static const struct {
		const char *name;
		struct span key, value;
		enum postgrey_record want;
		const char *key_want, *value_want;
		int64_t expires_s; /* and a millisecond, of a triplet */
	} cases[] = {
		{ "waiting", SPAN_INIT("192.0.2.0/a@x.org/b@y.org"), SPAN_INIT("1000,1299"),
		  RECORD_TRIPLET, "192.0.2.0/24 a@x.org b@y.org",
		  "first=1000000 last=1299000 passed=0 passes=0", 1000 + 2 * 86400 },
		{ "passed", SPAN_INIT("192.0.2.0/a@x.org/b@y.org"), SPAN_INIT("1000,1300"),
		  RECORD_TRIPLET, "192.0.2.0/24 a@x.org b@y.org",
		  "first=1000000 last=1300000 passed=1300000 passes=1", 1300 + 35 * 86400 },
		{ "IPv6", SPAN_INIT("2001:db8:1:2:0:0:0:0/a@x/b@y"), SPAN_INIT("1,1"),
		  RECORD_TRIPLET, "2001:db8:1:2::/64 a@x b@y",
		  "first=1000 last=1000 passed=0 passes=0", 1 + 2 * 86400 },
		{ "other bits", SPAN_INIT("192.0.2.192/a@x/b@y"), SPAN_INIT("1,1"), RECORD_TRIPLET,
		  "192.0.2.0/24 a@x b@y", "first=1000 last=1000 passed=0 passes=0", 1 + 2 * 86400 },
		{ "the null sender", SPAN_INIT("192.0.2.0//b@y"), SPAN_INIT("1,1"), RECORD_TRIPLET,
		  "192.0.2.0/24 <> b@y", "first=1000 last=1000 passed=0 passes=0", 1 + 2 * 86400 },
		{ "nothing at all", SPAN_INIT("192.0.2.0//"), SPAN_INIT("1,1"), RECORD_TRIPLET,
		  "192.0.2.0/24 <> <>", NULL, 0 },
		{ "no recipient", SPAN_INIT("192.0.2.0/a@x/"), SPAN_INIT("1,1"), RECORD_TRIPLET,
		  "192.0.2.0/24 a@x <>", NULL, 0 },
		{ "a slash in the sender", SPAN_INIT("192.0.2.0/a/b@x/c@y"), SPAN_INIT("1,1"),
		  RECORD_TRIPLET, "192.0.2.0/24 a/b@x c@y", NULL, 0 },
		{ "a slash in the recipient", SPAN_INIT("192.0.2.0/a@x/b/c@y"), SPAN_INIT("1,1"),
		  RECORD_TRIPLET, "192.0.2.0/24 a@x b/c@y", NULL, 0 },
		{ "slashes in both", SPAN_INIT("192.0.2.0//c=us/a=x/@gw/d/e@y"), SPAN_INIT("1,1"),
		  RECORD_TRIPLET, "192.0.2.0/24 /c=us/a=x/@gw d/e@y", NULL, 0 },
		{ "the null sender, a slash in front", SPAN_INIT("192.0.2.0///c=us/@gw"),
		  SPAN_INIT("1,1"), RECORD_TRIPLET, "192.0.2.0/24 <> /c=us/@gw", NULL, 0 },
		{ "a quoted sender", SPAN_INIT("192.0.2.0/\"a/b@c \\\"d\"@x/b@y"), SPAN_INIT("1,1"),
		  RECORD_TRIPLET, "192.0.2.0/24 \"a/b@c%20\\\"d\"@x b@y", NULL, 0 },
		{ "a quote that is open", SPAN_INIT("192.0.2.0/\"a@x/b@y"), SPAN_INIT("1,1"),
		  RECORD_TRIPLET, "192.0.2.0/24 \"a@x b@y", NULL, 0 },
		{ "a sender without domain", SPAN_INIT("192.0.2.0/root/b@y"), SPAN_INIT("1,1"),
		  RECORD_TRIPLET, "192.0.2.0/24 root b@y", NULL, 0 },
		{ "a recipient without domain", SPAN_INIT("192.0.2.0/a@x/root"), SPAN_INIT("1,1"),
		  RECORD_TRIPLET, "192.0.2.0/24 a@x root", NULL, 0 },
		{ "no UTF-8", SPAN_INIT("192.0.2.0/\xe9@x/b@y"), SPAN_INIT("1,1"), RECORD_TRIPLET,
		  "192.0.2.0/24 %e9@x b@y", NULL, 0 },
		{ "last before first", SPAN_INIT("192.0.2.0/a@x/b@y"), SPAN_INIT("9,1"),
		  RECORD_TRIPLET, "192.0.2.0/24 a@x b@y", "first=9000 last=9000 passed=0 passes=0",
		  9 + 2 * 86400 },
		{ "mapped clients", SPAN_INIT("0:0:0:0:0:0:0:0/a@x/b@y"), SPAN_INIT("1,1"),
		  RECORD_MAPPED, NULL, NULL, 0 },
		{ "hashed", SPAN_INIT("0123456789abcdef0123456789abcdef01234567"), SPAN_INIT("1,1"),
		  RECORD_HASHED, NULL, NULL, 0 },
		{ "no hash", SPAN_INIT("0123456789abcdef0123456789abcdef0123456"), SPAN_INIT("1,1"),
		  RECORD_BAD, NULL, NULL, 0 },
		{ "a client", SPAN_INIT("192.0.2.7"), SPAN_INIT("3,1000"), RECORD_CLIENT,
		  "192.0.2.7", "3 1000000 1000000", 1000 + 35 * 86400 },
		{ "an IPv6 client", SPAN_INIT("2001:DB8:0:0:0:0:0:1"), SPAN_INIT("3,1000"),
		  RECORD_CLIENT, "2001:db8::1", "3 1000000 1000000", 1000 + 35 * 86400 },
		{ "a mapped client", SPAN_INIT("::ffff:192.0.2.7"), SPAN_INIT("3,1000"),
		  RECORD_CLIENT, "192.0.2.7", "3 1000000 1000000", 1000 + 35 * 86400 },
		{ "no address", SPAN_INIT("foo/a@x/b@y"), SPAN_INIT("1,1"), RECORD_BAD, NULL, NULL,
		  0 },
		{ "no slash behind", SPAN_INIT("192.0.2.0/a@x"), SPAN_INIT("1,1"), RECORD_BAD, NULL,
		  NULL, 0 },
		{ "no numbers", SPAN_INIT("192.0.2.0/a@x/b@y"), SPAN_INIT("1"), RECORD_BAD, NULL,
		  NULL, 0 },
		{ "beyond time", SPAN_INIT("192.0.2.7"), SPAN_INIT("1,253402300800"), RECORD_BAD,
		  NULL, NULL, 0 },
		{ "below zero", SPAN_INIT("192.0.2.7"), SPAN_INIT("1,-1"), RECORD_BAD, NULL, NULL,
		  0 },
	};
	static const struct import_options options = { .path = SPAN_INIT("FILE") };
	struct text report = { report_room, 0, sizeof(report_room), false };
	struct arena arena;
	struct postgrey postgrey = { .options = &options, .arena = &arena, .report = &report };

	(void)state;
	arena_init(&arena, POSTGREY_ARENA_MAX);
	assert_int_equal(postgrey_read(&postgrey, SPAN("")), OK);
	postgrey_understand(&postgrey);
	for (size_t i = 0; i < COUNT(cases); i++) {
		TEXT(key, DUMP_TEXT_MAX * 2);
		TEXT(value, TRIPLET_TEXT_MAX);
		struct postgrey_entry entry = { .key = key, .value = value };

		if (postgrey_record(&postgrey, cases[i].key, cases[i].value, &entry) !=
		    cases[i].want)
			fail_msg("%s: taken for something else", cases[i].name);
		if (cases[i].key_want != NULL)
			check_span(text_span(&entry.key), span_cstr(cases[i].key_want),
				   cases[i].name);
		if (cases[i].value_want != NULL) {
			check_span(text_span(&entry.value), span_cstr(cases[i].value_want),
				   cases[i].name);
			assert_int_equal(entry.expires_ms / 1000, cases[i].expires_s);
		}
	}
	arena_release(&arena);
}

static void addresses_can_be_keys(void **state)
{
	static const struct import_options options = { .path = SPAN_INIT("FILE") };
	struct text report = { report_room, 0, sizeof(report_room), false };
	struct arena arena;
	struct postgrey postgrey = { .options = &options, .arena = &arena, .report = &report };
	TEXT(key, DUMP_TEXT_MAX * 2);
	TEXT(value, TRIPLET_TEXT_MAX);
	struct postgrey_entry entry = { .key = key, .value = value };

	(void)state;
	arena_init(&arena, POSTGREY_ARENA_MAX);
	assert_int_equal(postgrey_read(&postgrey,
				       SPAN("--lookup-by-host --auto-whitelist-clients=0")),
			 OK);
	postgrey_understand(&postgrey);
	assert_int_equal(postgrey_record(&postgrey, SPAN("192.0.2.7/a@x/b@y"), SPAN("1,1"), &entry),
			 RECORD_TRIPLET);
	check_span(text_span(&entry.key), SPAN("192.0.2.7 a@x b@y"), "key");
	assert_int_equal(postgrey_record(&postgrey, SPAN("192.0.2.7"), SPAN("1,1"), &entry),
			 RECORD_UNWANTED);
	arena_release(&arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_read),
		cmocka_unit_test(options_are_translated),
		cmocka_unit_test(mistakes_are_told),
		cmocka_unit_test(texts_have_limits),
		cmocka_unit_test(lists_have_a_limit),
		cmocka_unit_test(dumps_are_read),
		cmocka_unit_test(dumped_texts_have_a_limit),
		cmocka_unit_test(entries_are_taken),
		cmocka_unit_test(addresses_can_be_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
