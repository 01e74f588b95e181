/* What the replies of a Redis server mean, and how its keys are written. */
#include "../unit.h"
#include "store/redis_priv.h"

/* --- slots; source: the cluster's specification, and CLUSTER KEYSLOT of a server --- */

static const struct {
	struct span key;
	uint16_t slot;
} slots[] = {
	{ SPAN_INIT("123456789"), 0x31c3 },   { SPAN_INIT(""), 0 },
	{ SPAN_INIT("foo"), 12182 },          { SPAN_INIT("x{foo}y"), 12182 },
	{ SPAN_INIT("{foo}{bar}"), 12182 },   { SPAN_INIT("foo{}{bar}"), 8363 },
	{ SPAN_INIT("foo{{bar}}zap"), 4015 }, { SPAN_INIT("foo{bar"), 15278 },
};

static void slots_are_those_of_the_servers(void **none)
{
	(void)none;
	for (size_t i = 0; i < COUNT(slots); i++)
		if (redis_slot(slots[i].key) != slots[i].slot)
			fail_msg("%.*s: have %u, want %u", SPAN_ARG(slots[i].key),
				 redis_slot(slots[i].key), slots[i].slot);
}

/* --- keys --- */

static const struct {
	enum store_class class;
	struct span set, name, key;
} keys[] = {
	{ STORE_KNOWN, SPAN_INIT("good"), SPAN_INIT("anna"), SPAN_INIT("w:known:{good anna}") },
	{ STORE_TALLY, SPAN_INIT("out"), SPAN_INIT("a b"), SPAN_INIT("w:limit:{out a b}") },
	{ STORE_TRIPLET, SPAN_INIT(""), SPAN_INIT("n s r"), SPAN_INIT("w:greylist:{n s r}") },
	{ STORE_KNOWN, SPAN_INIT("s"), SPAN_INIT("a}b"), SPAN_INIT("w:known:{s a}b}") },
};

static void keys_are_read_as_written(void **none)
{
	(void)none;
	for (size_t i = 0; i < COUNT(keys); i++) {
		struct span set, name;
		TEXT(key, REDIS_KEY_MAX);

		redis_key(&key, SPAN("w"), keys[i].class, keys[i].set, keys[i].name);
		check_span(text_span(&key), keys[i].key, "key");
		assert_true(redis_key_split(keys[i].key, SPAN("w"), keys[i].class, &set, &name));
		check_span(set, keys[i].set, "set");
		check_span(name, keys[i].name, "name");
	}
}

static void strange_keys_are_not_ours(void **none)
{
	static const struct span strange[] = {
		SPAN_INIT(""),
		SPAN_INIT("w:known:{"),
		SPAN_INIT("w:known:{a b"),
		SPAN_INIT("x:known:{a b}"),
		SPAN_INIT("w:known:a b"),
		SPAN_INIT("w:limit:{a b}"),
		SPAN_INIT("w:known:{}"),
	};
	char set_of_64[] = "w:known:"
			   "{1234567890123456789012345678901234567890123456789012345678901234 k}";
	struct span set, name;

	(void)none;
	for (size_t i = 0; i < COUNT(strange); i++)
		if (redis_key_split(strange[i], SPAN("w"), STORE_KNOWN, &set, &name))
			fail_msg("\"%.*s\" is ours", SPAN_ARG(strange[i]));
	assert_false(redis_key_split(span_cstr(set_of_64), SPAN("w"), STORE_KNOWN, &set, &name));
}

/* --- replies --- */

static redisReply error_of(const char *text)
{
	return (redisReply){ .type = REDIS_REPLY_ERROR,
			     .str = (char *)(uintptr_t)text,
			     .len = strlen(text) };
}

static const struct {
	const char *text;
	enum reply_kind kind;
	enum fact_cause cause;
} errors[] = {
	{ "MOVED 1 127.0.0.1:7000", REPLY_MOVED, CAUSE_DOWN },
	{ "NOSCRIPT No matching script.", REPLY_NOSCRIPT, CAUSE_SERVFAIL },
	{ "READONLY You can't write", REPLY_READONLY, CAUSE_REFUSED },
	{ "LOADING Redis is loading", REPLY_AWAY, CAUSE_DOWN },
	{ "OOM command not allowed", REPLY_REFUSED, CAUSE_REFUSED },
	{ "WRONGTYPE Operation", REPLY_FAULT, CAUSE_MALFORMED },
	{ "ERR unknown command", REPLY_FAULT, CAUSE_SERVFAIL },
	{ "MOVEDX", REPLY_FAULT, CAUSE_SERVFAIL },
	{ "", REPLY_FAULT, CAUSE_SERVFAIL },
};

static void errors_have_a_kind_and_a_cause(void **none)
{
	(void)none;
	for (size_t i = 0; i < COUNT(errors); i++) {
		redisReply reply = error_of(errors[i].text);

		assert_int_equal(reply_kind(&reply), errors[i].kind);
		assert_int_equal(reply_cause(&reply), errors[i].cause);
	}
}

static const struct {
	const char *text;
	enum err err;
	uint16_t slot;
	struct span host;
	uint16_t port;
} redirections[] = {
	{ "MOVED 3999 127.0.0.1:6381", OK, 3999, SPAN_INIT("127.0.0.1"), 6381 },
	{ "ASK 16383 2001:db8::1:65535", OK, 16383, SPAN_INIT("2001:db8::1"), 65535 },
	{ "MOVED 0 :6381", OK, 0, SPAN_INIT(""), 6381 },
	{ "MOVED 16384 127.0.0.1:6381", ERR_SYNTAX, 0, SPAN_INIT(""), 0 },
	{ "MOVED 1 127.0.0.1:65536", ERR_SYNTAX, 0, SPAN_INIT(""), 0 },
	{ "MOVED 1 127.0.0.1:0", ERR_SYNTAX, 0, SPAN_INIT(""), 0 },
	{ "MOVED -1 127.0.0.1:1", ERR_SYNTAX, 0, SPAN_INIT(""), 0 },
	{ "MOVED 1 127.0.0.1", ERR_SYNTAX, 0, SPAN_INIT(""), 0 },
	{ "MOVED x 127.0.0.1:1", ERR_SYNTAX, 0, SPAN_INIT(""), 0 },
	{ "MOVED 1", ERR_SYNTAX, 0, SPAN_INIT(""), 0 },
	{ "MOVED", ERR_SYNTAX, 0, SPAN_INIT(""), 0 },
};

static void redirections_are_read(void **none)
{
	(void)none;
	for (size_t i = 0; i < COUNT(redirections); i++) {
		redisReply reply = error_of(redirections[i].text);
		struct span host = SPAN("");
		uint16_t slot = 0, port = 0;

		assert_int_equal(reply_redirection(&reply, &slot, &host, &port),
				 redirections[i].err);
		assert_int_equal(slot, redirections[i].slot);
		check_span(host, redirections[i].host, redirections[i].text);
		assert_int_equal(port, redirections[i].port);
	}
}

static const struct {
	struct span text;
	enum err err;
	unsigned count;
} tallies[] = {
	{ SPAN_INIT("0"), OK, 0 },
	{ SPAN_INIT("3 3600000 5 0 -1"), OK, 1 },
	{ SPAN_INIT("0 1 1 1 1 2 2 2 2 3 3 3 3 4 4 4 4"), OK, 4 },
	{ SPAN_INIT("0 1 1 1 1 2 2 2 2 3 3 3 3 4 4 4 4 5 5 5 5"), ERR_SYNTAX, 0 },
	{ SPAN_INIT("4"), ERR_SYNTAX, 0 },
	{ SPAN_INIT(""), ERR_SYNTAX, 0 },
	{ SPAN_INIT("0 1 2 3"), ERR_SYNTAX, 0 },
	{ SPAN_INIT("0 1 2 3 x"), ERR_SYNTAX, 0 },
	{ SPAN_INIT("0 1 2 3 99999999999999999999"), ERR_SYNTAX, 0 },
};

static void tallies_are_read(void **none)
{
	struct tally_result result;

	(void)none;
	for (size_t i = 0; i < COUNT(tallies); i++) {
		result = (struct tally_result){ .count = 0 };
		assert_int_equal(reply_tally(tallies[i].text, &result), tallies[i].err);
		assert_int_equal(result.count, tallies[i].count);
	}
	assert_int_equal(reply_tally(tallies[1].text, &result), OK);
	assert_true(result.is_first && result.is_free);
	assert_int_equal(result.use[0].period_ms, 3600000);
	assert_int_equal(result.use[0].used, 5);
	assert_int_equal(result.use[0].wait_ms, 0);
	assert_int_equal(result.use[0].most, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_those_of_the_servers),
		cmocka_unit_test(keys_are_read_as_written),
		cmocka_unit_test(strange_keys_are_not_ours),
		cmocka_unit_test(errors_have_a_kind_and_a_cause),
		cmocka_unit_test(redirections_are_read),
		cmocka_unit_test(tallies_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
