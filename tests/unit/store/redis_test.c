/* What the replies of a Redis server mean, and how its keys and records are written. */
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

/* --- records --- */

#define NEVER   "\0\0\0\0\0\0"
#define NOTHING "\0\0\0\0\0\0\0"
#define HEAD    NEVER NEVER NOTHING
#define HOUR    "\x80\xee\x36\0\0\0"
#define AT_9    "\x09\0\0\0\0\0"
#define TWO     "\x02\0\0\0\0\0\0"
#define USE     HOUR TWO NEVER NOTHING

static const struct {
	struct span text, record;
} records[] = {
	{ SPAN_INIT("raised 0 none"), SPAN_INIT("\1\0\0\0" HEAD) },
	{ SPAN_INIT("window 3600000 2 9+2"), SPAN_INIT("\1\1\0\0" HEAD HOUR TWO "\1\0" AT_9 TWO) },
	{ SPAN_INIT("seen 0123456789abcdef-2+9"),
	  SPAN_INIT("\1\0\1\0" HEAD AT_9 "\xef\xcd\xab\x89\x67\x45\x23\x01" TWO "\1") },
	{ SPAN_INIT("raised 9 2/1h; over 9 2"), SPAN_INIT("\1\0\0\1" AT_9 AT_9 TWO TWO HOUR) },
};

static void records_are_read_as_written(void **none)
{
	TEXT(record, TALLY_RECORD_MAX);
	TEXT(text, TALLY_TEXT_MAX);

	(void)none;
	for (size_t i = 0; i < COUNT(records); i++) {
		text_clear(&record);
		text_clear(&text);
		assert_int_equal(record_add_tally(&record, records[i].text), OK);
		check_span(text_span(&record), records[i].record, "record");
		assert_int_equal(text_add_record(&text, records[i].record), OK);
		check_span(text_span(&text), records[i].text, "text");
	}
}

static void a_record_is_whole_or_none_of_ours(void **none)
{
	char longer[128];

	(void)none;
	for (size_t i = 0; i < COUNT(records); i++) {
		struct span record = records[i].record;

		memcpy(longer, record.at, record.len);
		longer[record.len] = '\0';
		for (size_t len = 0; len <= record.len + 1; len++) {
			enum err want = len == record.len ? OK : ERR_SYNTAX;
			TEXT(text, TALLY_TEXT_MAX);

			assert_int_equal(text_add_record(&text, span_of(longer, len)), want);
		}
	}
}

static void a_full_tally_has_a_record(void **none)
{
	struct tally tally = { .window_count = RATES_MAX,
			       .seen_count = TALLY_SEEN_MAX,
			       .raised = { .count = RATES_MAX },
			       .raised_until_ms = 9 };
	TEXT(before, TALLY_TEXT_MAX);
	TEXT(record, TALLY_RECORD_MAX);
	TEXT(after, TALLY_TEXT_MAX);

	(void)none;
	for (uint8_t i = 0; i < RATES_MAX; i++) {
		struct tally_window *window = &tally.window[i];

		tally.raised.rate[i] = (struct rate){ RATE_MOST_MAX, RATE_PERIOD_MS_MAX - i };
		window->period_ms = RATE_PERIOD_MS_MAX - RATES_MAX + i;
		window->count = TALLY_ENTRIES_MAX;
		for (uint16_t j = 0; j < window->count; j++)
			window->entry[j] = (struct tally_entry){ 9, 1 };
		window->used = TALLY_ENTRIES_MAX;
	}
	for (uint16_t i = 0; i < TALLY_SEEN_MAX; i++)
		tally.seen[i] = (struct tally_seen){ i + 1U, 1, 9, false };
	text_add_tally(&before, &tally);
	assert_int_equal(record_add_tally(&record, text_span(&before)), OK);
	assert_int_equal(record.len, TALLY_RECORD_MAX);
	assert_false(record.overrun);
	assert_int_equal(text_add_record(&after, text_span(&record)), OK);
	check_span(text_span(&after), text_span(&before), "text");
	/* one beyond */
	record.at[2]++;
	assert_int_equal(text_add_record(&after, text_span(&record)), ERR_SYNTAX);
}

static void odd_records_are_none_of_ours(void **none)
{
	static const struct span odd[] = {
		SPAN_INIT("window 1000 1 1+1"),
		SPAN_INIT("\2\0\0\0" HEAD),
		SPAN_INIT("\1\5\0\0" HEAD),
		SPAN_INIT("\1\0\x81\0" HEAD),
		SPAN_INIT("\1\0\0\5" HEAD),
		SPAN_INIT("\1\1\0\0" HEAD HOUR TWO "\3\1" AT_9 TWO), /* 259 entries */
	};

	(void)none;
	for (size_t i = 0; i < COUNT(odd); i++) {
		TEXT(text, TALLY_TEXT_MAX);

		assert_int_equal(text_add_record(&text, odd[i]), ERR_SYNTAX);
	}
}

static void what_is_wanted_is_within_bounds(void **none)
{
	const struct tally_count count = { .amount = -1,
					   .raise_until_ms = -1,
					   .rates = { .rate = { { 2, 3600000 } }, .count = 1 } };
	const struct triplet_terms terms = { -1, INT64_MAX, 3600000 };
	TEXT(tally, TALLY_WANTED_MAX);
	TEXT(triplet, TRIPLET_WANTED_MAX);

	(void)none;
	wanted_add_tally(&tally, &count, 0);
	check_span(text_span(&tally),
		   SPAN("\1\0\0\0\0\0" NOTHING "\1\0\0\0\0\0"
			"\0\0\0\0\1" NOTHING "\0" TWO HOUR),
		   "tally");
	wanted_add_triplet(&triplet, &terms, INT64_MIN);
	check_span(text_span(&triplet),
		   SPAN("\1\0\0\0\0\0" NEVER "\xff\xdb\x1f\xd2\x77\xe6" HOUR
			"\x00\x5c\x26\x05\0\0"),
		   "triplet");
}

static const struct {
	struct span said;
	enum err err;
	unsigned count;
} said[] = {
	{ SPAN_INIT("\0"), OK, 0 },
	{ SPAN_INIT("\3" USE), OK, 1 },
	{ SPAN_INIT("\0" USE USE USE USE), OK, 4 },
	{ SPAN_INIT("\0" USE USE USE USE USE), ERR_SYNTAX, 0 },
	{ SPAN_INIT("\4"), ERR_SYNTAX, 0 },
	{ SPAN_INIT(""), ERR_SYNTAX, 0 },
	{ SPAN_INIT("\0" HOUR TWO NEVER), ERR_SYNTAX, 0 },
	{ SPAN_INIT("\0" USE "\0"), ERR_SYNTAX, 0 },
	{ SPAN_INIT("\0\xff\xff\xff\xff\xff\xff" TWO NEVER NOTHING), ERR_LIMIT, 0 },
	{ SPAN_INIT("\0" HOUR "\xff\xff\xff\xff\xff\xff\xff" NEVER NOTHING), ERR_LIMIT, 0 },
	{ SPAN_INIT("\0" HOUR TWO "\xff\xff\xff\xff\xff\xff" NOTHING), ERR_LIMIT, 0 },
	{ SPAN_INIT("\0" HOUR TWO NEVER "\xff\xff\xff\xff\xff\xff\xff"), ERR_LIMIT, 0 },
};

static void what_is_said_is_read(void **none)
{
	struct tally_result result;

	(void)none;
	for (size_t i = 0; i < COUNT(said); i++) {
		result = (struct tally_result){ .count = 0 };
		assert_int_equal(said_tally(said[i].said, &result), said[i].err);
		assert_int_equal(result.count, said[i].count);
	}
	assert_int_equal(said_tally(said[1].said, &result), OK);
	assert_true(result.is_first && result.is_free);
	assert_int_equal(result.use[0].period_ms, 3600000);
	assert_int_equal(result.use[0].used, 2);
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
		cmocka_unit_test(records_are_read_as_written),
		cmocka_unit_test(a_record_is_whole_or_none_of_ours),
		cmocka_unit_test(a_full_tally_has_a_record),
		cmocka_unit_test(odd_records_are_none_of_ours),
		cmocka_unit_test(what_is_wanted_is_within_bounds),
		cmocka_unit_test(what_is_said_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
