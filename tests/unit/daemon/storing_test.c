/* The file of the store's password. */
#include "../unit.h"

#include "daemon/storing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/weighd-storing-XXXXXX";
static char path[64];

static enum err prepare(struct storing *storing)
{
	const struct config config = { .password_file = span_cstr(path) };
	TEXT(why, 1024);

	*storing = (struct storing){ 0 };
	return storing_prepare(storing, &config, &why);
}

static void put(struct span text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.at, text.len), text.len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void test_password(void **state)
{
	static char bytes[400];
	static const struct {
		const char *name;
		size_t line; /* bytes of the first line */
		bool has_more;
		mode_t mode;
		enum err err;
	} cases[] = {
		{ "a line", 8, true, 0600, OK },
		{ "no end of the line", 8, false, 0640, OK },
		{ "at the limit", 255, true, 0600, OK },
		{ "at the limit, no end", 255, false, 0600, OK },
		{ "one beyond", 256, false, 0600, ERR_SYSTEM },
		{ "one beyond, with an end", 256, true, 0600, ERR_SYSTEM },
		{ "others may read it", 8, true, 0604, ERR_SYSTEM },
	};
	struct storing storing;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(bytes, 'x', sizeof(bytes));
		bytes[cases[i].line] = '\n';
		put(span_of(bytes, cases[i].has_more ? sizeof(bytes) : cases[i].line),
		    cases[i].mode);
		if (prepare(&storing) != cases[i].err)
			fail_msg("%s", cases[i].name);
		if (cases[i].err == OK)
			assert_int_equal(storing.options.password.len, cases[i].line);
		unlink(path);
	}
}

/* Nobody writes into it: that must not be waited for. */
static void test_pipe(void **state)
{
	struct storing storing;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(prepare(&storing), ERR_SYSTEM);
	unlink(path);
	assert_int_equal(prepare(&storing), ERR_SYSTEM); /* it is not there */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_password),
		cmocka_unit_test(test_pipe),
	};
	int failed;

	if (mkdtemp(folder) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/secret", folder);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return failed;
}
