/* stores_test.c -- store, sendmail, and listeners of greylistd's protocol: right and wrong. */
#include "../unit.h"

#include "checks.h"

static char report_room[CONFIG_REPORT_MAX];

static struct config *compile(const char *first, const char *other)
{
	struct memory_files files = { span_cstr(first), span_cstr(other) };
	struct config_loader loader = { .load = memory_load, .self = &files };
	struct text report = { report_room, 0, sizeof(report_room), false };
	struct config *config = NULL;

	if (config_compile(&loader, SPAN("weighd.conf"), fake_checks, &report, &config) != OK)
		fail_msg("%s\n%s", first, text_cstr(&report));
	check_span(text_span(&report), SPAN(""), first);
	return config;
}

static void standards(void **state)
{
	struct config *config = compile("", "");

	(void)state;
	assert_int_equal(config->store.kind, STORE_MEMORY);
	assert_int_equal(config->store.entries_max, 1000000);
	check_span(config->sendmail, SPAN("/usr/sbin/sendmail"), "sendmail");
	config_drop(config);
	config = compile(
		"store memory\nlimits { store_entries 5000 }\nsendmail \"/bin/send mail\"\n", "");
	assert_int_equal(config->store.kind, STORE_MEMORY);
	assert_int_equal(config->store.entries_max, 5000);
	assert_int_equal(config->store_origin.line, 1);
	check_span(config->sendmail, SPAN("/bin/send mail"), "sendmail");
	config_drop(config);
}

/* What is to be kept is kept in a file, where nobody says otherwise. */
static void unsaid(void **state)
{
	static const struct {
		const char *text;
		bool is_kept;
	} cases[] = {
		{ "policy a { pass }", false },
		{ "policy a { greylist }", true },
		{ "policy a { limit one by sender 5/1h }", true },
		{ "policy a { remember sender in known for 1d }", true },
		{ "table known known\npolicy a { pass if sender in known }", true },
		{ "policy a { greylist }\nstore memory", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct config *config = compile(cases[i].text, "");

		assert_int_equal(config->store.kind,
				 cases[i].is_kept ? STORE_SQLITE : STORE_MEMORY);
		check_span(config->store.path,
			   cases[i].is_kept ? SPAN(STORE_PATH_STANDARD) : SPAN(""), cases[i].text);
		assert_int_equal(config->store.entries_max, 1000000);
		config_drop(config);
	}
}

static void sqlite(void **state)
{
	struct config *config = compile("store sqlite \"/var/lib/weighd/state.db\"\n", "");

	(void)state;
	assert_int_equal(config->store.kind, STORE_SQLITE);
	check_span(config->store.path, SPAN("/var/lib/weighd/state.db"), "path");
	assert_false(config->store.sync_full);
	config_drop(config);
	config = compile("store sqlite state.db sync full\n", "");
	check_span(config->store.path, SPAN("state.db"), "path");
	assert_true(config->store.sync_full);
	config_drop(config);
}

/* The including file's word wins, all of it. */
static void included(void **state)
{
	struct config *config = compile("store memory\ninclude \"other\"\n",
					"store redis [a] { user x, password_file p }\n"
					"sendmail /bin/other\n");

	(void)state;
	assert_int_equal(config->store.kind, STORE_MEMORY);
	assert_int_equal(config->store.address_count, 0);
	assert_int_equal(config->password_file.len, 0);
	check_span(config->sendmail, SPAN("/bin/other"), "sendmail");
	config_drop(config);
	config = compile("include \"other\"\nstore sqlite a.db\n",
			 "store redis a { user x, password_file p }\n");
	assert_int_equal(config->store.kind, STORE_SQLITE);
	assert_int_equal(config->password_file.len + config->store.user.len, 0);
	config_drop(config);
}

static void addresses(void **state)
{
	static const struct {
		const char *text;
		enum store_redis_mode mode;
		const char *shown; /* HOST PORT, ... */
	} cases[] = {
		{ "redis.example.org", STORE_SINGLE, "redis.example.org 6379" },
		{ "redis.example.org:6380", STORE_SINGLE, "redis.example.org 6380" },
		{ "\"127.0.0.1:1\"", STORE_SINGLE, "127.0.0.1 1" },
		{ "[::1]", STORE_SINGLE, "::1 6379" },
		{ "[::1]:65535", STORE_SINGLE, "::1 65535" },
		{ "[mx_a]", STORE_SINGLE, "mx_a 6379" },
		{ "unix:/run/redis.sock", STORE_SINGLE, "/run/redis.sock" },
		{ "cluster a:1", STORE_CLUSTER, "a 1" },
		{ "cluster [mx-a:6379, mx-b:6380,\n mx-c]", STORE_CLUSTER,
		  "mx-a 6379, mx-b 6380, mx-c 6379" },
		{ "cluster [[::1]:1, [::2], 192.0.2.1, [::3]:3]", STORE_CLUSTER,
		  "::1 1, ::2 6379, 192.0.2.1 6379, ::3 3" },
		{ "cluster [\n a,\n b,\n]", STORE_CLUSTER, "a 6379, b 6379" },
		{ "sentinel mymaster [a, b:5]", STORE_SENTINEL, "a 26379, b 5" },
		{ "sentinel \"my master\" a", STORE_SENTINEL, "a 26379" },
		{ "cluster [a1, a2, a3, a4, a5, a6, a7, a8, a9, b1, b2, b3, b4, b5, b6, b7]",
		  STORE_CLUSTER,
		  "a1 6379, a2 6379, a3 6379, a4 6379, a5 6379, a6 6379, a7 6379, a8 6379, "
		  "a9 6379, b1 6379, b2 6379, b3 6379, b4 6379, b5 6379, b6 6379, b7 6379" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *config;
		const struct store_options *store;
		TEXT(text, 512);
		TEXT(shown, 512);

		text_addf(&text, "store redis %s\n", cases[i].text);
		config = compile(text_cstr(&text), "");
		store = &config->store;
		for (unsigned n = 0; n < store->address_count; n++) {
			const struct store_address *address = &store->address[n];

			text_add(&shown, n == 0 ? SPAN("") : SPAN(", "));
			if (address->path.len > 0)
				text_add(&shown, address->path);
			else
				text_addf(&shown, "%.*s %u", SPAN_ARG(address->host),
					  address->port);
		}
		check_span(text_span(&shown), span_cstr(cases[i].shown), cases[i].text);
		assert_int_equal(store->kind, STORE_REDIS);
		assert_int_equal(store->mode, cases[i].mode);
		assert_true((store->master.len > 0) == (store->mode == STORE_SENTINEL));
		config_drop(config);
	}
}

static void options(void **state)
{
	struct config *config = compile("store redis a", "");
	const struct store_options *store = &config->store;

	(void)state;
	check_span(store->prefix, SPAN("weighd"), "prefix");
	assert_int_equal(store->connect_ms, 200);
	assert_int_equal(store->answer_ms, 100);
	assert_int_equal(store->user.len + store->ca_file.len + store->database, 0);
	assert_false(store->has_tls);
	config_drop(config);
	config = compile(
		"store redis a { user weighd, password_file \"secret\"\n database 7, prefix mx\n"
		"tls yes, ca_file /etc/ca.pem\n certificate_file c.pem, key_file k.pem\n"
		"connect_timeout 10ms, answer_timeout 10s }",
		"");
	store = &config->store;
	check_span(store->user, SPAN("weighd"), "user");
	check_span(config->password_file, SPAN("secret"), "password_file");
	assert_int_equal(store->password.len, 0);
	assert_int_equal(store->database, 7);
	check_span(store->prefix, SPAN("mx"), "prefix");
	assert_true(store->has_tls);
	check_span(store->ca_file, SPAN("/etc/ca.pem"), "ca_file");
	check_span(store->certificate_file, SPAN("c.pem"), "certificate_file");
	check_span(store->key_file, SPAN("k.pem"), "key_file");
	assert_int_equal(store->connect_ms, 10);
	assert_int_equal(store->answer_ms, 10000);
	config_drop(config);
}

/* What is wrong, and what is said of it. */
static void mistakes(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "store", "expected memory, sqlite or redis here" },
		{ "store sqlit x", "did you mean 'sqlite'?" },
		{ "store postgres x", "expected memory, sqlite or redis, not 'postgres'" },
		{ "store memory x", "should end before 'x'" },
		{ "store memory\nstore memory", "'store' is said twice" },
		{ "store sqlite", "expected a file here" },
		{ "store sqlite a.db sync", "expected 'full' here" },
		{ "store sqlite a.db sync normal", "expected 'full', not 'normal'" },
		{ "store sqlite a.db full", "should end before 'full'" },
		{ "store redis", "expected an address here" },
		{ "store redis a:0", "'a:0' is no address of a server" },
		{ "store redis a:65536", "'a:65536' is no address of a server" },
		{ "store redis a:x", "'a:x' is no address of a server" },
		{ "store redis ::1", "'::1' is no address of a server" },
		{ "store redis [::1", "'::1' is no address of a server" },
		{ "store redis [a", "this '[' is never closed" },
		{ "store redis \"a b\"", "'a b' is no address of a server" },
		{ "store redis unix:run", "'unix:run' is no address of a server" },
		{ "store redis [a, b]", "several servers are a cluster" },
		{ "store redis []", "the list of servers is empty" },
		{ "store redis cluster", "expected an address here" },
		{ "store redis cluster [a, unix:/x]", "not reached by a Unix socket" },
		{ "store redis cluster [a,, b]", "expected an address, not ','" },
		{ "store redis cluster [a b]", "expected ',' or ']', not 'b'" },
		{ "store redis cluster [a1, a2, a3, a4, a5, a6, a7, a8, a9, b1, b2, b3, b4, b5, "
		  "b6, b7, b8]",
		  "more than 16 addresses" },
		{ "store redis sentinel", "expected the master's name here" },
		{ "store redis sentinel m", "expected an address here" },
		{ "store redis a { usr x }", "did you mean 'user'?" },
		{ "store redis a { user }", "expected user, not '}'" },
		{ "store redis a { user x }", "'user' goes with 'password_file'" },
		{ "store redis a { database -1 }", "between 0 and 1000000" },
		{ "store redis a { database 1, database 2 }", "'database' is said twice" },
		{ "store redis cluster a { database 1 }", "a cluster has database 0 alone" },
		{ "store redis a { prefix \"a b\" }", "a prefix is a name of at most 32 letters" },
		{ "store redis a { prefix a23456789012345678901234567890123 }",
		  "at most 32 letters" },
		{ "store redis a { tls maybe }", "expected 'yes' or 'no', not 'maybe'" },
		{ "store redis a { ca_file x }", "'ca_file' goes with 'tls yes'" },
		{ "store redis a { tls no, ca_file x }", "'ca_file' goes with 'tls yes'" },
		{ "store redis a { tls yes, key_file x }",
		  "'key_file' goes with 'certificate_file'" },
		{ "store redis a { tls yes, certificate_file x }",
		  "'certificate_file' goes with 'key_file'" },
		{ "store redis a { answer_timeout 9ms }",
		  "answer_timeout must be between 10ms and 10s" },
		{ "store redis a { connect_timeout 11s }",
		  "connect_timeout must be between 10ms and 10s" },
		{ "store redis a { connect_timeout 5 }", "a time with its unit" },
		{ "store redis a {", "this '{' is never closed" },
		{ "sendmail", "expected a program here" },
		{ "sendmail mail", "'mail' does not begin with a slash" },
		{ "listen unix:/a greylist policy p\npolicy p { }",
		  "expected 'policy NAME' or 'greylistd', not 'greylist'" },
		{ "listen unix:/a greylistd\npolicy p { }", "expected 'policy NAME' here" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct memory_files files = { span_cstr(cases[i].text), { 0 } };
		struct config_loader loader = { .load = memory_load, .self = &files };
		struct text report = { report_room, 0, sizeof(report_room), false };
		struct config *config = NULL;
		enum err err =
			config_compile(&loader, SPAN("weighd.conf"), fake_checks, &report, &config);

		config_drop(config);
		if (err != ERR_SYNTAX || !span_has(text_span(&report), span_cstr(cases[i].want)))
			fail_msg("%s: no '%s' in\n%s", cases[i].text, cases[i].want,
				 text_cstr(&report));
	}
}

static void greylistd(void **state)
{
	static const struct {
		const char *text;
		bool is_unix;
		uint32_t mode;
		enum listener_protocol protocol;
	} cases[] = {
		{ "listen unix:/run/greylistd/socket mode 0660 greylistd policy p", true, 0660,
		  LISTENER_GREYLISTD },
		{ "listen unix:/run/greylistd/socket greylistd policy p", true, 0,
		  LISTENER_GREYLISTD },
		{ "listen inet:127.0.0.1:1 greylistd policy p", false, 0, LISTENER_GREYLISTD },
		{ "listen inet:127.0.0.1:1 policy p", false, 0, LISTENER_POLICY },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *config;
		TEXT(text, 256);

		text_addf(&text, "%s\npolicy p { greylist by sender }\n", cases[i].text);
		config = compile(text_cstr(&text), "");
		assert_int_equal(config->listener[0].is_unix, cases[i].is_unix);
		assert_int_equal(config->listener[0].mode, cases[i].mode);
		assert_int_equal(config->listener[0].protocol, cases[i].protocol);
		assert_ptr_equal(config->listener[0].policy, config->policy[0]);
		config_drop(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(standards), cmocka_unit_test(unsaid),    cmocka_unit_test(sqlite),
		cmocka_unit_test(included),  cmocka_unit_test(addresses), cmocka_unit_test(options),
		cmocka_unit_test(mistakes),  cmocka_unit_test(greylistd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
