/* golden_test.c -- every mistake of bad/NAME.conf is told as in bad/NAME.want. */
#include "../unit.h"

#include "checks.h"

#include <unistd.h>

enum { GOLDEN_MAX = 128 * 1024 };

static struct span read_whole(const char *name, char *room)
{
	FILE *file = fopen(name, "rb");
	size_t len;

	if (file == NULL)
		return (struct span){ 0 };
	len = fread(room, 1, GOLDEN_MAX, file);
	fclose(file);
	return span_of(room, len);
}

static void check_file(struct span path)
{
	static char report_room[CONFIG_REPORT_MAX], want_room[GOLDEN_MAX];
	struct text report = { report_room, 0, sizeof(report_room), false };
	struct config *config = NULL;
	struct span want;
	TEXT(name, 256);
	enum err err = config_compile(&file_loader, path, fake_checks, &report, &config);

	text_add(&name, span_first(path, path.len - strlen("conf")));
	text_add(&name, SPAN("want"));
	want = read_whole(text_cstr(&name), want_room);
	check_span(text_span(&report), want, text_cstr(&name));
	assert_int_equal(err, span_has(want, SPAN(": error: ")) ? ERR_SYNTAX : OK);
	assert_true((err == OK) == (config != NULL));
	config_drop(config);
}

static void reports_are_as_wanted(void **state)
{
	glob_t found;

	(void)state;
	assert_int_equal(glob("bad/*.conf", 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++)
		check_file(span_cstr(found.gl_pathv[i]));
	globfree(&found);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(reports_are_as_wanted) };

	if (argc != 2 || chdir(argv[1]) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
