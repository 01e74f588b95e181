/* state_entry_test.c -- entries as JSON: written, read, and what is none. */
#include "daemon/state_entry.h"

#include <stdlib.h>

#include "../unit.h"

static void written_and_read(void **state)
{
	static const struct {
		struct store_entry entry;
		const char *line;
	} cases[] = {
		{ { STORE_TRIPLET, SPAN_INIT(""), SPAN_INIT("n <> r@x"), SPAN_INIT("first=1"), 7 },
		  "{\"kind\":\"greylist\",\"set\":\"\",\"key\":\"n <> r@x\",\"value\":\"first=1\","
		  "\"expires\":7}" },
		{ { STORE_TALLY, SPAN_INIT("hour"), SPAN_INIT("a@b"), SPAN_INIT(""), 0 },
		  "{\"kind\":\"limit\",\"set\":\"hour\",\"key\":\"a@b\",\"value\":\"\",\"expires\":"
		  "0}" },
		{ { STORE_KNOWN, SPAN_INIT("s"), SPAN_INIT("\xc3\xbc\"\\"),
		    SPAN_INIT("\xe2\x80\xa8"), INT64_MAX },
		  "{\"kind\":\"known\",\"set\":\"s\",\"key\":\"\xc3\xbc\\\"\\\\\",\"value\":"
		  "\"\\u2028\","
		  "\"expires\":9223372036854775807}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct emit emit = { 0 };
		struct store_entry entry;
		const char *why = "";
		json_t *root;
		char *line;

		state_emit_entry(&emit, &cases[i].entry);
		line = emit_take(&emit);
		assert_string_equal(line, cases[i].line);
		root = json_loads(line, 0, NULL);
		assert_int_equal(state_entry_parse(root, &entry, &why), OK);
		assert_int_equal(entry.class, cases[i].entry.class);
		assert_int_equal(entry.expires_ms, cases[i].entry.expires_ms);
		check_span(entry.set, cases[i].entry.set, line);
		check_span(entry.key, cases[i].entry.key, line);
		check_span(entry.value, cases[i].entry.value, line);
		json_decref(root);
		free(line);
	}
}

static void what_is_none(void **state)
{
	static const struct {
		const char *line;
		const char *why; /* NULL: it is one */
	} cases[] = {
		{ "{\"kind\":\"limit\",\"key\":\"k\",\"value\":\"\"}", NULL },
		{ "{\"kind\":\"limit\",\"key\":\"k\",\"value\":\"\",\"more\":[]}", NULL },
		{ "[]", "no JSON object" },
		{ "{}", "\"kind\"" },
		{ "{\"kind\":\"limits\",\"key\":\"k\",\"value\":\"\"}", "\"kind\"" },
		{ "{\"kind\":7,\"key\":\"k\",\"value\":\"\"}", "\"kind\"" },
		{ "{\"kind\":\"limit\",\"value\":\"\"}", "\"key\"" },
		{ "{\"kind\":\"limit\",\"key\":null,\"value\":\"\"}", "\"key\"" },
		{ "{\"kind\":\"limit\",\"key\":\"k\"}", "\"value\"" },
		{ "{\"kind\":\"limit\",\"key\":\"k\",\"value\":1}", "\"value\"" },
		{ "{\"kind\":\"limit\",\"key\":\"k\",\"value\":\"\",\"set\":1}", "\"set\"" },
		{ "{\"kind\":\"limit\",\"key\":\"k\",\"value\":\"\",\"expires\":\"1\"}",
		  "\"expires\"" },
		{ "{\"kind\":\"limit\",\"key\":\"k\",\"value\":\"\",\"expires\":1.5}",
		  "\"expires\"" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *root = json_loads(cases[i].line, 0, NULL);
		struct store_entry entry;
		const char *why = NULL;
		enum err err = state_entry_parse(root, &entry, &why);

		assert_int_equal(err, cases[i].why == NULL ? OK : ERR_SYNTAX);
		if (cases[i].why != NULL && !span_has(span_cstr(why), span_cstr(cases[i].why)))
			fail_msg("%s: %s", cases[i].line, why);
		json_decref(root);
	}
}

/* A value of the longest, of bytes that are doubled, has a line. */
static void the_longest_line(void **state)
{
	static char value[STORE_VALUE_MAX], key[STORE_KEY_MAX], set[STORE_SET_MAX];
	struct store_entry entry = { STORE_KNOWN, span_of(set, sizeof(set)),
				     span_of(key, sizeof(key)), span_of(value, sizeof(value)),
				     INT64_MAX };
	struct emit emit = { 0 };

	(void)state;
	memset(value, '"', sizeof(value));
	memset(key, '\\', sizeof(key));
	memset(set, '"', sizeof(set));
	state_emit_entry(&emit, &entry);
	assert_false(emit.failed);
	assert_true(emit.len <= STATE_LINE_BYTES_MAX);
	emit_release(&emit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_and_read),
		cmocka_unit_test(what_is_none),
		cmocka_unit_test(the_longest_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
