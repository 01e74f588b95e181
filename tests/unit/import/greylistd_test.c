/* greylistd_test.c -- greylistd's configuration and its two files, whole and broken. */
#include "ctl/import/greylistd.h"

#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

static const struct import_options options = { .path = SPAN_INIT("config") };

/* --- the configuration --- */

static const struct {
	const char *name;
	struct span foreign;
	enum err want;
	const char *has;       /* in the configuration */
	const char *complaint; /* in the report; NULL: none */
} configs[] = {
	{ "nothing", SPAN_INIT(""), OK,
	  "greylist for 3601s within 28800s remember 5184000s by client_address,", NULL },
	{ "as shipped", SPAN_INIT("[timeouts]\nretryMin     = 600\nretryMax = 28800\n"), OK,
	  "greylist for 601s within 28800s", NULL },
	{ "CR LF, colons, sections in capitals", SPAN_INIT("[TimeOuts]\r\nretryMin: 60\r\n"), OK,
	  "greylist for 61s", NULL },
	{ "the window is never less than the wait",
	  SPAN_INIT("[timeouts]\nretryMin=600\nretryMax=60\n"), OK, "for 601s within 601s", NULL },
	{ "the socket", SPAN_INIT("[socket]\npath=/run/g/s\nmode=0600\n"), OK,
	  "listen   \"unix:/run/g/s\" mode 0600 greylistd policy greylistd\n", NULL },
	{ "a path with quotes", SPAN_INIT("[socket]\npath=/run/\"$x\n"), OK,
	  "\"unix:/run/\\\"$$x\"", NULL },
	{ "no path", SPAN_INIT("[socket]\npath=run\n"), ERR_SYNTAX,
	  "\"unix:/var/run/greylistd/socket\"", "config:2: error: no absolute path" },
	{ "no mode", SPAN_INIT("[socket]\nmode=rw\n"), ERR_SYNTAX, " mode 0660 ",
	  "config:2: error: no mode" },
	{ "no number", SPAN_INIT("[timeouts]\nretryMin=1h\n"), ERR_SYNTAX, "for 3601s",
	  "config:2: error: no such number" },
	{ "a negative number", SPAN_INIT("[timeouts]\nexpire=-1\n"), ERR_SYNTAX,
	  "remember 5184000s", "config:2: error: no such number" },
	{ "at the limit", SPAN_INIT("[timeouts]\nexpire=34560000\n"), OK, "remember 34560000s",
	  NULL },
	{ "one beyond", SPAN_INIT("[timeouts]\nexpire=34560001\n"), ERR_SYNTAX, "remember 5184000s",
	  "config:2: error: no such number" },
	{ "both single", SPAN_INIT("[data]\nsinglecheck=yes\nsingleupdate=2\n"), OK,
	  "trust 1 for 5184000s of client_address", NULL },
	{ "singlecheck", SPAN_INIT("[data]\nsinglecheck=on\n"), OK,
	  "pass if client_address in greylistd-clients", NULL },
	{ "neither yes nor no", SPAN_INIT("[data]\nsinglecheck=maybe\n"), ERR_SYNTAX, "no trust",
	  "config:2: error: neither yes nor no" },
	{ "an unknown key", SPAN_INIT("[timeouts]\nretrymin=1\n"), OK, "for 3601s",
	  "config:2: warning: no such setting is known" },
	{ "a key before any section", SPAN_INIT("retryMin=1\n"), OK, "for 3601s",
	  "config:1: warning: no such setting is known" },
	{ "no key", SPAN_INIT("[timeouts]\nhello\n"), ERR_SYNTAX, "for 3601s",
	  "config:2: error: no \"key = value\"" },
	{ "a section that does not end", SPAN_INIT("[timeouts\nretryMin=1\n"), ERR_SYNTAX, "for",
	  "config:1: error: no section" },
	{ "bytes", SPAN_INIT("\0\xff=\x01\n[\n=\n"), ERR_SYNTAX, "for 3601s", "config:" },
};

static void configurations_are_read(void **state)
{
	static char config_room[IMPORT_CONFIG_MAX], report_room[IMPORT_REPORT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(configs); i++) {
		struct text config = { config_room, 0, sizeof(config_room), false };
		struct text report = { report_room, 0, sizeof(report_room), false };
		TEXT(explain, 8192);
		enum err err =
			import_greylistd(configs[i].foreign, &options, &config, &explain, &report);

		if (err != configs[i].want)
			fail_msg("%s: %d", configs[i].name, err);
		if (!span_has(text_span(&config), span_cstr(configs[i].has)))
			fail_msg("%s: no \"%s\" in\n%s", configs[i].name, configs[i].has,
				 text_cstr(&config));
		if (configs[i].complaint == NULL && report.len > 0)
			fail_msg("%s: %s", configs[i].name, text_cstr(&report));
		if (configs[i].complaint != NULL &&
		    !span_has(text_span(&report), span_cstr(configs[i].complaint)))
			fail_msg("%s: no \"%s\" in\n%s", configs[i].name, configs[i].complaint,
				 text_cstr(&report));
	}
}

/* --- the state --- */

#define WHITE           "first=1000 last=2000 passed=2000 passes=5\",\"expires\":5184002001}\n"
#define GREY            "first=1000 last=2000 passed=0 passes=0\",\"expires\":28801001}\n"
#define LINE(key, rest) "{\"kind\":\"greylist\",\"set\":\"\",\"key\":\"" key "\",\"value\":\"" rest

static const struct {
	const char *name;
	const char *states, *triplets; /* NULL: not named */
	int want;
	const char *lines;
} records[] = {
	{ "one of each", "[white]\n1 = 2 1 5\n[grey]\n-2 = 2 1 1\n[statistics]\nwhite = 1\n",
	  "1 = 192.0.2.1 a@b c@d\n-2 = 192.0.2.2 a@b c@d\n", EX_OK,
	  LINE("192.0.2.1 a@b c@d", WHITE) LINE("192.0.2.2 a@b c@d", GREY) },
	{ "times with fractions", "[white]\n1 = 2.7 1.2 5\n", "1 = 192.0.2.1 a@b c@d\n", EX_OK,
	  LINE("192.0.2.1 a@b c@d", WHITE) },
	{ "after another start: white counts more than a later grey",
	  "[white]\n1 = 2 1 5\n[grey]\n2 = 9 9 1\n",
	  "2 = 192.0.2.1 a@b c@d\n1 = 192.0.2.1 a@b c@d\n", EX_OK,
	  LINE("192.0.2.1 a@b c@d", WHITE) },
	{ "of two of one colour the later", "[white]\n1 = 1 1 1\n2 = 2 1 5\n",
	  "2 = 192.0.2.1 a@b c@d\n1 = 192.0.2.1 a@b c@d\n", EX_OK,
	  LINE("192.0.2.1 a@b c@d", WHITE) },
	{ "the empty sender", "[white]\n1 = 2 1 5\n", "1 = 192.0.2.1 c@d\n", EX_OK,
	  LINE("192.0.2.1 <> c@d", WHITE) },
	{ "recipients", "[white]\n1 = 2 1 5\n", "1 = 192.0.2.1 a@b, c@d\n", EX_OK,
	  LINE("192.0.2.1 <> a@b,%20c@d", WHITE) },
	{ "a network", "[white]\n1 = 2 1 5\n", "1 = 192.0.2.0/24 a@b c@d\n", EX_OK,
	  LINE("192.0.2.0 a@b c@d", WHITE) },
	{ "a mapped address", "[white]\n1 = 2 1 5\n", "1 = ::ffff:192.0.2.1 a@b c@d\n", EX_OK,
	  LINE("192.0.2.1 a@b c@d", WHITE) },
	{ "words without a state, states without words", "[white]\n1 = 2 1 5\n",
	  "2 = 192.0.2.1 a@b c@d\n", EX_OK, "" },
	{ "words that are no mail", "[white]\n1 = 2 1 5\n", "1 = hello world\n", EX_OK, "" },
	{ "no numbers", "[white]\nx = 2 1 5\n1 = 2 1\n1 = 2 -1 5\n2 = 2 1 5\n",
	  "y = 1.2.3.4 a b\n2 = 192.0.2.1 a@b c@d\nfoo\n", EX_DATAERR,
	  LINE("192.0.2.1 a@b c@d", WHITE) },
	{ "a number beyond 64 bits", "[white]\n99999999999999999999 = 2 1 5\n2 = 2 1 5\n",
	  "2 = 192.0.2.1 a@b c@d\n", EX_DATAERR, LINE("192.0.2.1 a@b c@d", WHITE) },
	{ "one file alone", "[white]\n1 = 2 1 5\n", NULL, EX_USAGE, "" },
	{ "the other alone", NULL, "1 = 192.0.2.1 a@b c@d\n", EX_USAGE, "" },
	{ "empty files", "", "", EX_USAGE, "" },
};

static char *file_of(const char *text)
{
	char *path = strdup("/tmp/greylistd-XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return path;
}

static void check_records(size_t i, bool is_turned)
{
	const char *text[] = { records[i].states, records[i].triplets };
	char *written = NULL;
	size_t len = 0;
	TEXT(report, 4096);
	struct import_records records_ = { .options = &options,
					   .out = open_memstream(&written, &len),
					   .report = &report };
	int status;

	for (int k = 0; k < 2; k++)
		if (text[is_turned ? 1 - k : k] != NULL)
			records_.path[records_.path_count++] = file_of(text[is_turned ? 1 - k : k]);
	status = import_greylistd_records(&records_);
	fclose(records_.out);
	emit_release(&records_.emit);
	for (size_t k = 0; k < records_.path_count; k++) {
		unlink(records_.path[k]);
		free((char *)(uintptr_t)records_.path[k]);
	}
	if (status != records[i].want)
		fail_msg("%s: status %d: %s", records[i].name, status, text_cstr(&report));
	check_span(span_of(written, len), span_cstr(records[i].lines), records[i].name);
	free(written);
}

static void states_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(records); i++) {
		check_records(i, false);
		check_records(i, true);
	}
}

static void missing_file_is_said(void **state)
{
	TEXT(report, 4096);
	struct import_records missing = { .options = &options, .report = &report };

	(void)state;
	missing.path[missing.path_count++] = "/nonexistent";
	assert_int_equal(import_greylistd_records(&missing), EX_NOINPUT);
	assert_true(span_has(text_span(&report), SPAN("/nonexistent: No such file")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(configurations_are_read),
		cmocka_unit_test(states_are_read),
		cmocka_unit_test(missing_file_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
