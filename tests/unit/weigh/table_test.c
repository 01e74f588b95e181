/* table_test.c -- tables that are in memory. */
#include "weigh/table.h"

#include "mail/domain.h"

#include "../unit.h"

static struct arena arena;

static int begin(void **state)
{
	(void)state;
	arena_init(&arena, 64 * 1024 * 1024);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

static struct ip ip(struct span text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), OK);
	return ip;
}

static void finds_keys(void **state)
{
	struct table_row row[] = {
		{ .key = SPAN_INIT("anna@example.org"), .value = SPAN_INIT("first") },
		{ .key = SPAN_INIT("192.0.2.1"), .value = SPAN_INIT("address") },
		{ .key = SPAN_INIT("anna@example.org"), .value = SPAN_INIT("second") },
	};
	struct table table = { .kind = TABLE_KEYS, .row = row, .row_count = COUNT(row) };
	struct span value;

	(void)state;
	assert_int_equal(table_index(&table, &arena), OK);
	assert_true(table_find(&table, SPAN("Anna@Example.ORG"), &value));
	check_span(value, SPAN("first"), "the first row of a key wins");
	assert_false(table_find(&table, SPAN("anna@example.com"), &value));
	assert_true(table_find_address(&table, ip(SPAN("192.0.2.1")), &value));
	assert_false(table_find_address(&table, ip(SPAN("192.0.2.2")), &value));
}

static void an_empty_table_finds_nothing(void **state)
{
	struct table keys = { .kind = TABLE_KEYS }, networks = { .kind = TABLE_CIDR };
	struct span value;

	(void)state;
	assert_int_equal(table_index(&keys, &arena), OK);
	assert_int_equal(table_index(&networks, &arena), OK);
	assert_false(table_find(&keys, SPAN(""), &value));
	assert_false(table_find_address(&networks, ip(SPAN("::")), &value));
}

static void finds_the_longest_network(void **state)
{
	static const struct {
		struct span network, value;
	} rows[] = {
		{ SPAN_INIT("10.0.0.0/8"), SPAN_INIT("eight") },
		{ SPAN_INIT("10.1.0.0/16"), SPAN_INIT("sixteen") },
		{ SPAN_INIT("10.1.2.3"), SPAN_INIT("host") },
		{ SPAN_INIT("2001:db8::/32"), SPAN_INIT("six") },
		{ SPAN_INIT("10.2.0.0/16"), SPAN_INIT("other") },
	};
	static const struct {
		struct span address, want; /* empty: not found */
	} cases[] = {
		{ SPAN_INIT("10.1.2.3"), SPAN_INIT("host") },
		{ SPAN_INIT("10.1.2.4"), SPAN_INIT("sixteen") },
		{ SPAN_INIT("10.2.255.255"), SPAN_INIT("other") },
		{ SPAN_INIT("10.3.0.0"), SPAN_INIT("eight") },
		{ SPAN_INIT("11.0.0.0"), SPAN_INIT("") },
		{ SPAN_INIT("2001:db8:ffff::1"), SPAN_INIT("six") },
		{ SPAN_INIT("2001:db9::1"), SPAN_INIT("") },
	};
	struct table_row row[COUNT(rows)] = { 0 };
	struct table table = { .kind = TABLE_CIDR, .row = row, .row_count = COUNT(row) };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(prefix_parse(rows[i].network, &row[i].prefix), OK);
		row[i].value = rows[i].value;
	}
	assert_int_equal(table_index(&table, &arena), OK);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span value = SPAN("");

		assert_int_equal(table_find(&table, cases[i].address, &value),
				 cases[i].want.len > 0);
		check_span(value, cases[i].want, "network");
	}
}

/* Every network of a large table is found, whatever its place among the runs of lengths. */
static void finds_each_of_many_networks(void **state)
{
	enum { ROWS = 4096 };
	struct table table = { .kind = TABLE_CIDR, .row_count = ROWS };

	(void)state;
	table.row = ARENA_ARRAY(&arena, struct table_row, ROWS);
	for (uint32_t i = 0; i < ROWS; i++) {
		struct ip address = { .byte = { (uint8_t)(i >> 8), (uint8_t)i }, .family = IP_V4 };

		table.row[i].prefix = prefix_of(address, (uint8_t)(16 + i % 17));
		table.row[i].value = SPAN("found");
	}
	assert_int_equal(table_index(&table, &arena), OK);
	for (uint32_t i = 0; i < ROWS; i++) {
		struct ip address = { .byte = { (uint8_t)(i >> 8), (uint8_t)i }, .family = IP_V4 };
		struct span value;

		assert_true(table_find_address(&table, address, &value));
	}
}

/* A text of TABLE_KEY_MAX bytes is looked up, a longer one is in no table. */
static void long_texts(void **state)
{
	static char text[TABLE_KEY_MAX + 1];
	struct table_row row[] = {
		{ .key = { text, TABLE_KEY_MAX } },
		{ .key = { text, TABLE_KEY_MAX + 1 } },
	};
	struct table table = { .kind = TABLE_KEYS, .row = row, .row_count = COUNT(row) };
	struct span value;

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(table_index(&table, &arena), OK);
	assert_true(table_find(&table, row[0].key, &value));
	assert_false(table_find(&table, row[1].key, &value));
}

/* What is longer than any name is below no domain. */
static void long_domains(void **state)
{
	char name[DOMAIN_NAME_MAX + 1];
	struct table_row row[] = { { .key = SPAN_INIT("test") } };
	struct table table = { .kind = TABLE_DOMAIN, .row = row, .row_count = 1 };
	struct span value;

	(void)state;
	memset(name, '.', sizeof(name));
	memcpy(name + sizeof(name) - 5, ".test", 5);
	assert_int_equal(table_index(&table, &arena), OK);
	assert_true(table_find(&table, span_of(name + 1, DOMAIN_NAME_MAX), &value));
	assert_false(table_find(&table, span_of(name, DOMAIN_NAME_MAX + 1), &value));
}

/* The longest domain wins, wherever it stands, and of equal ones the first. */
static void finds_the_longest_domain(void **state)
{
	struct table_row row[] = {
		{ .key = SPAN_INIT("org"), .value = SPAN_INIT("top") },
		{ .key = SPAN_INIT("a.example.org"), .value = SPAN_INIT("a") },
		{ .key = SPAN_INIT(".a.example.org"), .value = SPAN_INIT("below a") },
		{ .key = SPAN_INIT("a.example.org"), .value = SPAN_INIT("again") },
		{ .key = SPAN_INIT("example.org"), .value = SPAN_INIT("example") },
	};
	static const struct {
		struct span name, want;
	} cases[] = {
		{ SPAN_INIT("org"), SPAN_INIT("top") },
		{ SPAN_INIT("x.org"), SPAN_INIT("top") },
		{ SPAN_INIT("b.example.org"), SPAN_INIT("example") },
		{ SPAN_INIT("a.example.org"), SPAN_INIT("a") },
		{ SPAN_INIT("b.a.example.org"), SPAN_INIT("below a") },
	};
	struct table table = { .kind = TABLE_DOMAIN, .row = row, .row_count = COUNT(row) };

	(void)state;
	assert_int_equal(table_index(&table, &arena), OK);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span value = SPAN("");

		assert_true(table_find(&table, cases[i].name, &value));
		check_span(value, cases[i].want, "domain");
	}
}

/* One row beyond the limit is refused, of names as of the networks beside them. */
static void too_many_rows(void **state)
{
	struct table networks = { .kind = TABLE_CIDR, .row_count = TABLE_ROWS_MAX + 1 };
	struct table clients = { .kind = TABLE_CLIENTS, .networks = &networks };
	struct table keys = { .kind = TABLE_KEYS, .row_count = TABLE_ROWS_MAX + 1 };

	(void)state;
	assert_int_equal(table_index(&networks, &arena), ERR_LIMIT);
	assert_int_equal(table_index(&clients, &arena), ERR_LIMIT);
	assert_int_equal(table_index(&keys, &arena), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_keys, begin, end),
		cmocka_unit_test_setup_teardown(an_empty_table_finds_nothing, begin, end),
		cmocka_unit_test_setup_teardown(finds_the_longest_network, begin, end),
		cmocka_unit_test_setup_teardown(finds_each_of_many_networks, begin, end),
		cmocka_unit_test_setup_teardown(long_texts, begin, end),
		cmocka_unit_test_setup_teardown(long_domains, begin, end),
		cmocka_unit_test_setup_teardown(finds_the_longest_domain, begin, end),
		cmocka_unit_test_setup_teardown(too_many_rows, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
