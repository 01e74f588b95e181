/* conversation_test.c -- a message gets its headers one by one, and each once. */
#include "serve/conversation.h"

#include "../unit.h"

static void counts_the_headers_of_a_message(void **state)
{
	struct conversation conversation = { 0 };

	(void)state;
	assert_int_equal(conversation_headers_given(&conversation, SPAN("a.1")), 0);
	conversation_header_given(&conversation);
	assert_int_equal(conversation_headers_given(&conversation, SPAN("a.1")), 1);
	/* An answer without a header counts nothing. */
	assert_int_equal(conversation_headers_given(&conversation, SPAN("a.1")), 1);
	conversation_header_given(&conversation);
	assert_int_equal(conversation_headers_given(&conversation, SPAN("a.1")), 2);
	assert_int_equal(conversation_headers_given(&conversation, SPAN("a.2")), 0);
	assert_int_equal(conversation_headers_given(&conversation, SPAN("a.1")), 0);
}

static void without_an_instance_each_request_is_its_own(void **state)
{
	struct conversation conversation = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(conversation_headers_given(&conversation, SPAN("")), 0);
		conversation_header_given(&conversation);
	}
	assert_int_equal(conversation_headers_given(&conversation, SPAN("a")), 0);
}

static void an_instance_has_a_limit(void **state)
{
	char bytes[CONVERSATION_INSTANCE_MAX + 1];
	struct span longest = span_of(bytes, CONVERSATION_INSTANCE_MAX);
	struct span longer = span_of(bytes, CONVERSATION_INSTANCE_MAX + 1);
	struct conversation conversation = { 0 };

	(void)state;
	memset(bytes, 'i', sizeof(bytes));
	assert_int_equal(conversation_headers_given(&conversation, longest), 0);
	conversation_header_given(&conversation);
	assert_int_equal(conversation_headers_given(&conversation, longest), 1);
	assert_int_equal(conversation_headers_given(&conversation, longer), 0);
	conversation_header_given(&conversation);
	assert_int_equal(conversation_headers_given(&conversation, longer), 0);
}

static void the_count_stays_where_it_ends(void **state)
{
	struct conversation conversation = { 0 };

	(void)state;
	(void)conversation_headers_given(&conversation, SPAN("a"));
	for (int i = 0; i < 300; i++)
		conversation_header_given(&conversation);
	assert_int_equal(conversation_headers_given(&conversation, SPAN("a")), UINT8_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_the_headers_of_a_message),
		cmocka_unit_test(without_an_instance_each_request_is_its_own),
		cmocka_unit_test(an_instance_has_a_limit),
		cmocka_unit_test(the_count_stays_where_it_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
