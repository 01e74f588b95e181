/* blame_test.c -- deaths that point at the store, and those that do not. */
#include "../unit.h"

#include "store/blame.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[64], path[80], notes[90];

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/weighd-blame-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/state.db", folder);
	snprintf(notes, sizeof(notes), "%s.died", path);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(notes);
	return rmdir(folder);
}

static void write_notes(const char *text)
{
	FILE *file = fopen(notes, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static bool is_noted(void)
{
	return access(notes, F_OK) == 0;
}

static void test_count(void **state)
{
	static const struct {
		const char *name, *notes;
		unsigned deaths;
		bool is_kept;
	} cases[] = {
		{ "empty", "", 0, false },
		{ "one, now", "1000\n", 1, true },
		{ "one, at the limit", "940\n", 1, true },
		{ "one, a second beyond", "939\n", 0, false },
		{ "one that is yet to come", "1001\n", 0, false },
		{ "two at once", "1000\n1000\n", 2, false },
		{ "two at the limit", "940\n1000\n", 2, false },
		{ "two, a second beyond", "939\n1000\n", 1, true },
		{ "two in the wrong order", "1000\n999\n", 1, true },
		{ "two, long ago", "100\n160\n", 2, false },
		{ "the last two of three", "1\n950\n1000\n", 2, false },
		{ "not the first two", "1\n2\n990\n", 1, true },
		{ "no numbers", "now\nthen\n", 0, false },
		{ "no number before", "x\n1000\n", 1, true },
		{ "zeros", "0\n0\n", 0, false },
		{ "a line without an end", "990\n1000", 2, false },
	};

	(void)state;
	assert_int_equal(blame_count(span_cstr(path), 1000), 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned deaths;

		write_notes(cases[i].notes);
		deaths = blame_count(span_cstr(path), 1000);
		if (deaths != cases[i].deaths || is_noted() != cases[i].is_kept)
			fail_msg("%s: %u deaths, %s", cases[i].name, deaths,
				 is_noted() ? "kept" : "forgotten");
	}
	write_notes("1000\n1000\n");
	assert_int_equal(blame_count(SPAN(""), 1000), 0);
	assert_int_equal(blame_count(span_of(path, strlen(path) + 1), 1000), 0);
}

/* --- ways to die --- */

static void be_aborted(void)
{
	abort();
}

/* As where a file that is mapped ends before the map does. */
static void be_cut_off(void)
{
	FILE *file = tmpfile();
	volatile char *at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(file), 0);

	(void)at[0];
}

static void be_wrong(void)
{
	volatile char *volatile at = (char *)16;

	*at = 1;
}

static void be_killed(void)
{
	kill(getpid(), SIGKILL);
}

static void be_killed_by(int number)
{
	pid_t parent = getpid(), child = fork();

	if (child == 0) {
		kill(parent, number);
		_exit(0);
	}
	for (;;)
		pause();
}

static void be_aborted_by_another(void)
{
	be_killed_by(SIGABRT);
}

static void be_faulted_by_another(void)
{
	be_killed_by(SIGSEGV);
}

static void end_well(void)
{
	exit(0);
}

static void *die(void *way)
{
	blame_set(true);
	(*(void (**)(void))way)();
	return NULL;
}

/* time() may still say the second before that of the note. */
static int64_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

enum where { AT_WORK, AFTER, ELSEWHERE, NOT_BEGUN, WHERES };

/* A thread that leaves all signals to others, as the store's does. */
NORETURN static void die_in_thread(void (*way)(void))
{
	sigset_t all, before;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	if (pthread_create(&thread, NULL, die, &way) == 0) {
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		pthread_join(thread, NULL);
	}
	_exit(99);
}

static void die_at(enum where where, void (*way)(void))
{
	if (where != NOT_BEGUN)
		blame_begin(span_cstr(path));
	if (where == AT_WORK || where == NOT_BEGUN)
		die_in_thread(way);
	if (where == AFTER) {
		blame_set(true);
		assert_true(blame_set(false));
	}
	way();
	_exit(99);
}

static int status_after(enum where where, void (*way)(void))
{
	const struct rlimit no_core = { 0, 0 };
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		for (int number = 1; number < SIGRTMIN; number++)
			signal(number, SIG_DFL); /* the test's frame takes faults, too */
		(void)!freopen("/dev/null", "w", stderr);
		die_at(where, way);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void test_deaths(void **state)
{
	static const struct {
		const char *name;
		void (*way)(void);
		bool is_blamed;
	} ways[] = {
		{ "an abort", be_aborted, true },
		{ "the end of a map", be_cut_off, true },
		{ "a wrong address", be_wrong, true },
		{ "kill -9", be_killed, false },
		{ "an abort by another", be_aborted_by_another, false },
		{ "a fault by another", be_faulted_by_another, false },
		{ "a good end", end_well, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(ways); i++)
		for (int where = 0; where < WHERES; where++) {
			bool is_wanted = ways[i].is_blamed && where == AT_WORK;
			int status = status_after((enum where)where, ways[i].way);

			if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
				fail_msg("%s, %d: it lives", ways[i].name, where);
			if (is_noted() != is_wanted)
				fail_msg("%s, %d: %s", ways[i].name, where,
					 is_noted() ? "noted" : "not noted");
			if (!is_wanted)
				continue;
			assert_int_equal(blame_count(span_cstr(path), now_s()), 1);
			(void)status_after(AT_WORK, ways[i].way);
			assert_int_equal(blame_count(span_cstr(path), now_s()), 2);
			assert_false(is_noted());
		}
}

/* The folder is gone, or the notes are no file of ours: nothing is noted, and no more. */
static void test_no_notes(void **state)
{
	char kept[90];

	(void)state;
	assert_int_equal(symlink("elsewhere", notes), 0);
	(void)status_after(AT_WORK, be_aborted);
	snprintf(kept, sizeof(kept), "%s/elsewhere", folder);
	assert_int_equal(access(kept, F_OK), -1);
	assert_int_equal(blame_count(span_cstr(path), 1000), 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_count),
		TEST(test_deaths),
		TEST(test_no_notes),
	};

	return cmocka_run_group_tests_name("store/blame", tests, NULL, NULL);
}
