/* state_desk_test.c -- the state desk on a store in memory: questions and answers. */
#include "daemon/state_desk.h"
#include "weigh/triplet.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "../unit.h"

static const struct config no_policies;

struct asking {
	struct store *store;
	struct store_port *port;
	struct state_desk *desk;
	char *line;
	char said[STATE_SAID_MAX];
};

static void on_answer(void *owner, struct span line)
{
	struct asking *asking = owner;

	free(asking->line);
	asking->line = strndup(line.at, line.len);
}

static void on_said(void *self, const char *text)
{
	struct asking *asking = self;

	snprintf(asking->said, sizeof(asking->said), "%s", text);
}

static int set_up(void **state)
{
	struct asking *asking = calloc(1, sizeof(*asking));
	const struct store_options options = { .kind = STORE_MEMORY };
	struct state_desk_options desk = { .said = on_said, .self = asking };
	TEXT(why, STORE_WHY_MAX);

	assert_non_null(asking);
	assert_int_equal(store_open(&options, &why, &asking->store), OK);
	asking->port = store_port_open(asking->store, NULL);
	desk.store = asking->store;
	desk.port = asking->port;
	asking->desk = state_desk_new(&desk);
	assert_non_null(asking->desk);
	*state = asking;
	return 0;
}

static int tear_down(void **state)
{
	struct asking *asking = *state;

	store_port_close(asking->port);
	state_desk_free(asking->desk);
	store_close(asking->store);
	free(asking->line);
	free(asking);
	return 0;
}

static const char *ask(struct asking *asking, const char *request)
{
	const struct state_question question = {
		.request = span_cstr(request),
		.config = &no_policies,
		.uid = 7,
		.answered = on_answer,
		.owner = asking,
	};

	asking->said[0] = '\0';
	state_desk_ask(asking->desk, &question);
	assert_non_null(asking->line);
	return asking->line;
}

static void check_has(const char *have, const char *want)
{
	if (!span_has(span_cstr(have), span_cstr(want)))
		fail_msg("have %s, want %s", have, want);
}

static void a_set(void **state)
{
	struct asking *asking = *state;

	assert_string_equal(ask(asking,
				"{\"verb\":\"known\",\"do\":\"add\",\"set\":\"s\",\"key\":\"k\"}"),
			    "{\"ok\":true,\"expires\":0}");
	assert_string_equal(asking->said, "weighctl, uid 7: known s k added");
	assert_string_equal(
		ask(asking, "{\"verb\":\"known\",\"do\":\"list\"}"),
		"{\"ok\":true,\"entries\":[{\"kind\":\"known\",\"set\":\"s\",\"key\":\"k\","
		"\"value\":\"weighctl\",\"expires\":0}],\"more\":false}");
	assert_string_equal(
		ask(asking, "{\"verb\":\"known\",\"do\":\"remove\",\"set\":\"s\",\"key\":\"k\"}"),
		"{\"ok\":true,\"found\":true}");
	assert_string_equal(asking->said, "weighctl, uid 7: known s k forgotten");
	assert_string_equal(
		ask(asking, "{\"verb\":\"known\",\"do\":\"remove\",\"set\":\"s\",\"key\":\"k\"}"),
		"{\"ok\":true,\"found\":false}");
	assert_string_equal(asking->said, "");
}

static void a_triplet(void **state)
{
	struct asking *asking = *state;

	assert_string_equal(ask(asking,
				"{\"verb\":\"greylist\",\"do\":\"allow\",\"key\":\"n a b\"}"),
			    "{\"ok\":true,\"expires\":0}");
	assert_string_equal(asking->said, "weighctl, uid 7: greylist n a b allowed");
	check_has(ask(asking, "{\"verb\":\"greylist\",\"do\":\"list\"}"),
		  " passed=0 passes=0 white\"");
	check_has(ask(asking, "{\"verb\":\"greylist\",\"do\":\"deny\",\"key\":\"n a b\","
			      "\"for_ms\":1000}"),
		  "{\"ok\":true,\"expires\":1");
	check_has(asking->said, "weighctl, uid 7: greylist n a b denied until ");
	check_has(ask(asking, "{\"verb\":\"greylist\",\"do\":\"list\"}"), "passes=0 black until=1");
}

static void on_touched(struct store_wait *wait)
{
	(void)wait;
}

static struct fact touch(struct asking *asking, const char *key, int64_t now_ms)
{
	static const struct triplet_terms terms = { 300 * 1000, 7200 * 1000, 86400 * 1000 };
	struct fact fact = { .kind = FACT_GREYLIST, .key = span_cstr(key), .terms = &terms };
	struct store_wait wait = { .fact = &fact, .now_ms = now_ms, .answered = on_touched };

	store_ask(asking->port, &wait);
	assert_int_not_equal(fact.state, FACT_FAILED);
	return fact;
}

/* What a mail is at that time. */
static enum triplet_outcome outcome(struct asking *asking, const char *key, int64_t now_ms)
{
	struct fact fact = touch(asking, key, now_ms);
	enum triplet_outcome found = TRIPLET_NEW;
	struct triplet before;

	if (fact.state == FACT_KNOWN) {
		assert_int_equal(triplet_item_parse(fact.item[0], now_ms, &before), OK);
		found = triplet_judge(&before, fact.terms, now_ms);
	}
	store_release(asking->port, &fact);
	return found;
}

/* To the millisecond: no use makes it longer, and what waits meanwhile keeps what it has. */
static void allowed_for_a_time(void **state)
{
	enum { HOUR = 3600 * 1000, LONG = 40 * 24 };
	struct asking *asking = *state;
	int64_t until_ms, now_ms;

	ask(asking,
	    "{\"verb\":\"greylist\",\"do\":\"allow\",\"key\":\"n a b\",\"for_ms\":3600000}");
	assert_int_equal(sscanf(asking->line, "{\"ok\":true,\"expires\":%" SCNd64, &until_ms), 1);
	now_ms = until_ms - HOUR;
	assert_int_equal(outcome(asking, "n a b", until_ms - 1000), TRIPLET_ALLOWED);
	assert_int_equal(outcome(asking, "n a b", until_ms - 1), TRIPLET_ALLOWED);
	assert_int_equal(outcome(asking, "n a b", until_ms), TRIPLET_EARLY);
	assert_int_equal(outcome(asking, "n a b", until_ms + 298999), TRIPLET_EARLY);
	assert_int_equal(outcome(asking, "n a b", until_ms + 299000), TRIPLET_PASSED);

	ask(asking,
	    "{\"verb\":\"greylist\",\"do\":\"allow\",\"key\":\"n c d\",\"for_ms\":3600000}");
	assert_int_equal(outcome(asking, "n c d", now_ms + 60000), TRIPLET_ALLOWED);
	assert_int_equal(outcome(asking, "n c d", now_ms + 360000), TRIPLET_ALLOWED);
	assert_int_equal(outcome(asking, "n c d", now_ms + 2 * HOUR), TRIPLET_KNOWN);

	/* longer than anything is remembered, and never used */
	ask(asking,
	    "{\"verb\":\"greylist\",\"do\":\"allow\",\"key\":\"n e f\",\"for_ms\":3456000000}");
	assert_int_equal(outcome(asking, "n e f", now_ms + (int64_t)LONG * HOUR - 1),
			 TRIPLET_ALLOWED);
	ask(asking, "{\"verb\":\"greylist\",\"do\":\"deny\",\"key\":\"n g h\",\"for_ms\":3600000}");
	assert_int_equal(outcome(asking, "n g h", now_ms + HOUR - 1), TRIPLET_DENIED);
	assert_int_equal(outcome(asking, "n g h", now_ms + 2 * HOUR), TRIPLET_NEW);
}

static void a_limit(void **state)
{
	struct asking *asking = *state;

	check_has(ask(asking, "{\"verb\":\"limits\",\"do\":\"raise\",\"set\":\"l\",\"key\":\"k\","
			      "\"rates\":\"9/1h\",\"for_ms\":60000}"),
		  "{\"ok\":true,\"expires\":");
	check_has(ask(asking, "{\"verb\":\"limits\",\"do\":\"list\",\"set\":\"l\",\"part\":\"K\"}"),
		  " 9/1h\"");
	assert_string_equal(ask(asking, "{\"verb\":\"limits\",\"do\":\"raise\",\"set\":\"l\","
					"\"key\":\"k\",\"rates\":\"none\",\"for_ms\":0}"),
			    "{\"ok\":true,\"expires\":0}");
	assert_string_equal(asking->said, "weighctl, uid 7: limit l k no longer raised");
	assert_string_equal(
		ask(asking, "{\"verb\":\"limits\",\"do\":\"reset\",\"set\":\"l\",\"key\":\"k\"}"),
		"{\"ok\":true,\"found\":true}");
}

static void trust_has_its_form(void **state)
{
	struct asking *asking = *state;

	ask(asking,
	    "{\"verb\":\"known\",\"do\":\"add\",\"set\":\"greylist.trusted\",\"key\":\"o\"}");
	check_has(ask(asking, "{\"verb\":\"known\",\"do\":\"list\"}"), "\"value\":\"4294967295 ");
}

static void what_is_foreign_is_escaped(void **state)
{
	struct asking *asking = *state;

	check_has(ask(asking,
		      "{\"verb\":\"known\",\"do\":\"add\",\"set\":\"s\",\"key\":\"\\u202e\\\"\"}"),
		  "\"ok\":true");
	assert_string_equal(asking->said, "weighctl, uid 7: known s \\u{202e}\\x22 added");
}

/* A member of a wrong kind is no member left out: nothing is done in its stead. */
static void what_cannot_be_asked(void **state)
{
#define ADD  "{\"verb\":\"known\",\"do\":\"add\",\"set\":\"s\",\"key\":\"k\""
#define LIST "{\"verb\":\"known\",\"do\":\"list\""
	static const struct {
		const char *request, *error;
	} cases[] = {
		{ ADD ",\"value\":5}", "value" },
		{ ADD ",\"value\":null}", "value" },
		{ ADD ",\"for_ms\":\"1\"}", "for_ms" },
		{ ADD ",\"for_ms\":1.5}", "for_ms" },
		{ LIST ",\"set\":5}", "set" },
		{ LIST ",\"part\":[\"k\"]}", "part" },
		{ LIST ",\"after\":{}}", "after" },
		{ LIST ",\"after_set\":true}", "after_set" },
		{ LIST ",\"most\":\"1\"}", "most" },
		{ LIST ",\"most\":1.5}", "most" },
		{ LIST ",\"most\":0}", "most" },
		{ LIST ",\"most\":1001}", "most" },
		{ "{\"verb\":\"known\",\"do\":\"remove\",\"set\":\"s\",\"key\":5}", "key" },
		{ "{\"verb\":\"store\",\"do\":\"page\",\"kind\":5}", "kind" },
		{ "{\"verb\":\"store\",\"do\":\"put\",\"entries\":5}", "entries" },
		{ "{\"verb\":\"known\",\"do\":5}", "no such thing" },
		{ "{\"verb\":\"known\"}", "no such thing" },
	};
	struct asking *asking = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		check_has(ask(asking, cases[i].request), "{\"ok\":false,\"error\":\"");
		check_has(asking->line, cases[i].error);
		assert_string_equal(asking->said, "");
	}
	check_has(ask(asking, LIST "}"), "\"entries\":[]");
#undef ADD
#undef LIST
}

/* A page that would be too long is made shorter, and goes on where it ended. */
static void long_pages(void **state)
{
	enum { ENTRIES = 50, VALUE = 45000 };
	struct asking *asking = *state;
	char *request = malloc(VALUE + 200), *value = malloc(VALUE + 1);
	TEXT(page, 200);
	unsigned seen = 0;
	bool has_more = true;

	assert_non_null(request);
	assert_non_null(value);
	memset(value, 'v', VALUE);
	value[VALUE] = '\0';
	for (int i = 0; i < ENTRIES; i++) {
		snprintf(request, VALUE + 200,
			 "{\"verb\":\"known\",\"do\":\"add\",\"set\":\"s\",\"key\":\"k%02d\","
			 "\"value\":\"%s\"}",
			 i, value);
		check_has(ask(asking, request), "\"ok\":true");
	}
	text_add(&page, SPAN("{\"verb\":\"known\",\"do\":\"list\",\"most\":1000}"));
	while (has_more) {
		json_t *root = json_loads(ask(asking, text_cstr(&page)), 0, NULL);

		assert_true(strlen(asking->line) <= STATE_ANSWER_BYTES_MAX);
		seen += (unsigned)json_array_size(json_object_get(root, "entries"));
		has_more = json_is_true(json_object_get(root, "more"));
		text_clear(&page);
		text_addf(&page,
			  "{\"verb\":\"known\",\"do\":\"list\",\"most\":1000,\"after_set\":\"%s\","
			  "\"after\":\"%s\"}",
			  has_more ? json_string_value(json_object_get(root, "after_set")) : "",
			  has_more ? json_string_value(json_object_get(root, "after")) : "");
		json_decref(root);
	}
	assert_int_equal(seen, ENTRIES);
	free(request);
	free(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_set, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_triplet, set_up, tear_down),
		cmocka_unit_test_setup_teardown(allowed_for_a_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(trust_has_its_form, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_foreign_is_escaped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_pages, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
