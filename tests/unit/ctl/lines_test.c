/* lines_test.c -- the lines of a file, whatever its ends and lengths. */
#include "ctl/lines.h"

#include <stdlib.h>
#include <unistd.h>

#include "../unit.h"

enum { LINE_MAX_HERE = 8 };

/* A file that holds text, at its beginning. */
static int file_with(struct span text)
{
	char path[] = "lines_test.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, text.at, text.len), (ssize_t)text.len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void lines_are_cut(void **state)
{
	static const struct {
		const char *name;
		struct span text;
		const char *want; /* "[line]" each, "!" for one that is too long */
	} cases[] = {
		{ "empty file", SPAN_INIT(""), "" },
		{ "one line", SPAN_INIT("ab\n"), "[ab]" },
		{ "no end at the end", SPAN_INIT("ab\ncd"), "[ab][cd]" },
		{ "CR LF", SPAN_INIT("ab\r\ncd\r\n"), "[ab][cd]" },
		{ "empty lines", SPAN_INIT("\n\nx\n"), "[][][x]" },
		{ "NUL stays", SPAN_INIT("a\0b\n"), "[a.b]" },
		{ "at the limit", SPAN_INIT("12345678\nx\n"), "[12345678][x]" },
		{ "at the limit, CR LF", SPAN_INIT("12345678\r\nx\n"), "[12345678][x]" },
		{ "far beyond", SPAN_INIT("123456789012345678901234\nx\n"), "![x]" },
		{ "beyond, without end", SPAN_INIT("12345678901"), "!" },
		{ "two beyond", SPAN_INIT("12345678901\n12345678901\nx"), "!![x]" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char have[200] = "";
		struct lines lines;
		struct span line;
		enum line_state read;
		int fd = file_with(cases[i].text);

		assert_int_equal(lines_init(&lines, LINE_MAX_HERE), OK);
		lines_open(&lines, fd);
		while ((read = lines_next(&lines, &line)) != LINE_NONE) {
			size_t at = strlen(have);

			assert_int_not_equal(read, LINE_FAILED);
			if (read == LINE_TOO_LONG) {
				have[at++] = '!';
				have[at] = '\0';
				continue;
			}
			have[at++] = '[';
			for (size_t n = 0; n < line.len; n++)
				have[at++] = line.at[n] == '\0' ? '.' : line.at[n];
			have[at++] = ']';
			have[at] = '\0';
		}
		if (strcmp(have, cases[i].want) != 0)
			fail_msg("%s: have %s, want %s", cases[i].name, have, cases[i].want);
		lines_release(&lines);
		close(fd);
	}
}

static void what_cannot_be_read_fails(void **state)
{
	struct lines lines;
	struct span line;

	(void)state;
	assert_int_equal(lines_init(&lines, LINE_MAX_HERE), OK);
	lines_open(&lines, -1);
	assert_int_equal(lines_next(&lines, &line), LINE_FAILED);
	lines_release(&lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_cut),
		cmocka_unit_test(what_cannot_be_read_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
