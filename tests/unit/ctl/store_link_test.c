/* A store that is opened here: what one question leaves behind for the next. */
#include "ctl/store_link.c"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct store_link *open_here(char *folder)
{
	struct store_link *link = calloc(1, sizeof(*link));
	struct store_options options = { .kind = STORE_SQLITE, .say = say_for_store };
	TEXT(path, 256);
	TEXT(why, STORE_WHY_MAX);

	assert_non_null(link);
	assert_non_null(mkdtemp(folder));
	text_addf(&path, "%s/state.db", folder);
	options.path = text_span(&path);
	assert_int_equal(store_open(&options, &why, &link->store), OK);
	assert_int_equal(open_desk(link), EX_OK);
	return link;
}

static void remove_all(const char *folder)
{
	static const char *const names[] = { "state.db", "state.db-wal", "state.db-shm",
					     "state.db.lock" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		TEXT(path, 256);

		text_addf(&path, "%s/%s", folder, names[i]);
		(void)unlink(text_cstr(&path));
	}
	assert_int_equal(rmdir(folder), 0);
}

/* A clock that is left would end a later question too early: an export of half a minute. */
static void test_no_clock_is_left(void **state)
{
	static const struct span page =
		SPAN_INIT("{\"verb\":\"store\",\"do\":\"page\",\"kind\":\"greylist\"}");
	char folder[] = "/tmp/store-link-XXXXXX";
	struct store_link *link = open_here(folder);
	int before = event_base_get_num_events(link->base, EVENT_BASE_COUNT_ADDED);

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct control_answer answer = { 0 };

		assert_int_equal(store_link_ask(link, page, &answer), EX_OK);
		assert_true(json_is_array(json_object_get(answer.root, "entries")));
		control_answer_release(&answer);
		assert_int_equal(event_base_get_num_events(link->base, EVENT_BASE_COUNT_ADDED),
				 before);
	}
	store_link_close(link);
	remove_all(folder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_clock_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
