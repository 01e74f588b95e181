/* sql_dump_test.c -- rows out of dumps, whole, cut and hostile. */
#include "../unit.h"

#include "base/text.h"
#include "ctl/import/sql_dump.h"

#include <stdlib.h>

enum { SEEN_MAX = 4096, STEP = 7 };

/* What was read, as "table:name=value,name=value;" with ~ for NULL. */
struct reading {
	struct span dump;
	size_t step; /* bytes given at once */
	char seen_bytes[SEEN_MAX + 1];
	struct text seen;
	uint64_t rows;
	bool has_failed;
};

static int64_t give(void *source, char *at, size_t room)
{
	struct reading *reading = source;
	struct span part = span_first(reading->dump, reading->step < room ? reading->step : room);

	if (reading->has_failed && part.len == 0)
		return -1;
	memcpy(at, part.at, part.len);
	reading->dump = span_from(reading->dump, part.len);
	return (int64_t)part.len;
}

static void take(void *owner, const struct sql_row *row)
{
	struct reading *reading = owner;

	reading->rows++;
	text_add(&reading->seen, row->table);
	for (unsigned i = 0; i < row->count; i++) {
		text_add_char(&reading->seen, i == 0 ? ':' : ',');
		if (i < row->name_count) {
			text_add(&reading->seen, row->name[i]);
			text_add_char(&reading->seen, '=');
		}
		text_add(&reading->seen, row->value[i].is_null ? SPAN("~") : row->value[i].text);
	}
	text_add_char(&reading->seen, ';');
}

static enum err read_dump(struct reading *reading, struct span dump, size_t step,
			  uint64_t *skipped_out)
{
	struct sql_dump reader = { .read = give, .source = reading, .row = take, .owner = reading };
	enum err err;

	reading->dump = dump;
	reading->step = step;
	reading->rows = 0;
	reading->seen = (struct text){ reading->seen_bytes, 0, sizeof(reading->seen_bytes), false };
	err = sql_dump_read(&reader);
	*skipped_out = reader.skipped;
	return err;
}

#define MYSQL "-- MySQL dump 10.19\n"

static const struct {
	const char *name;
	struct span dump, rows;
	enum err want;
	uint64_t skipped;
} cases[] = {
	{ "nothing", SPAN_INIT(""), SPAN_INIT(""), OK, 0 },
	{ "comments alone", SPAN_INIT("-- a\n# b\n/* c; */;\n/*!40101 SET x = 'y' */;\n"),
	  SPAN_INIT(""), OK, 0 },
	{ "one row", SPAN_INIT("INSERT INTO t VALUES (1,'a');"), SPAN_INIT("t:1,a;"), OK, 0 },
	{ "many rows", SPAN_INIT("INSERT INTO `t` VALUES (1,'a'),(2,NULL),\n(-3,'');"),
	  SPAN_INIT("t:1,a;t:2,~;t:-3,;"), OK, 0 },
	{ "columns of the statement", SPAN_INIT("INSERT INTO `t` (`b`, `a`) VALUES (1,2);"),
	  SPAN_INIT("t:b=1,a=2;"), OK, 0 },
	{ "columns of the table",
	  SPAN_INIT(
		  "CREATE TABLE IF NOT EXISTS `t` (\n `a` char(3) DEFAULT 'x,y)',\n b decimal(3,1),"
		  "\n PRIMARY KEY (`a`),\n KEY k (b)\n) ENGINE=MyISAM;INSERT INTO t VALUES (1,2);"),
	  SPAN_INIT("t:a=1,b=2;"), OK, 0 },
	{ "a column called key", SPAN_INIT("CREATE TABLE t (`key` int);INSERT INTO t VALUES (1);"),
	  SPAN_INIT("t:key=1;"), OK, 0 },
	{ "schemas",
	  SPAN_INIT("INSERT INTO `d`.`t` VALUES (1);INSERT INTO public.u VALUES (2);"
		    "INSERT INTO public.\"V v\" VALUES (3);"),
	  SPAN_INIT("t:1;u:2;V v:3;"), OK, 0 },
	{ "escapes of MySQL",
	  SPAN_INIT(MYSQL "INSERT INTO t VALUES ('it\\'s','a\\\\','x\\ny\\\"','q''q','\\%');"),
	  SPAN_INIT("t:it's,a\\,x\ny\",q'q,%;"), OK, 0 },
	{ "a backquote tells MySQL", SPAN_INIT("INSERT INTO `t` VALUES ('u\\\\','v');"),
	  SPAN_INIT("t:u\\,v;"), OK, 0 },
	{ "no escapes in SQLite",
	  SPAN_INIT("PRAGMA foreign_keys=OFF;\nINSERT INTO t VALUES('u\\','v\\n');"),
	  SPAN_INIT("t:u\\,v\\n;"), OK, 0 },
	{ "escapes of E''", SPAN_INIT("INSERT INTO t VALUES (E'a\\'b', 'c\\');"),
	  SPAN_INIT("t:a'b,c\\;"), OK, 0 },
	{ "bytes", SPAN_INIT("INSERT INTO t VALUES (X'6162',0x63,_binary 'd',_binary'e');"),
	  SPAN_INIT("t:ab,c,d,e;"), OK, 0 },
	{ "signs in strings", SPAN_INIT("INSERT INTO t VALUES (');--/*#(',\n'a;b');"),
	  SPAN_INIT("t:);--/*#(,a;b;"), OK, 0 },
	{ "REPLACE, IGNORE",
	  SPAN_INIT("REPLACE INTO t VALUES (1);INSERT IGNORE INTO t VALUES (2);"),
	  SPAN_INIT("t:1;t:2;"), OK, 0 },
	{ "a function is no value",
	  SPAN_INIT("INSERT INTO t VALUES(replace('a\\nb','\\n',char(10)),1);INSERT INTO t "
		    "VALUES(2);"),
	  SPAN_INIT("t:2;"), OK, 1 },
	{ "a sum is no value", SPAN_INIT("INSERT INTO t VALUES (1+(2)),(1 2),(,),(3);"),
	  SPAN_INIT("t:3;"), OK, 3 },
	{ "COPY",
	  SPAN_INIT("COPY public.t (a, b) FROM stdin;\n1\tx y\n\\N\t\\\\ \\t\\101\\x41\n\\.\n"
		    "INSERT INTO u VALUES (1);"),
	  SPAN_INIT("t:a=1,b=x y;t:a=~,b=\\ \tAA;u:1;"), OK, 0 },
	{ "COPY of a dot",
	  SPAN_INIT("COPY t FROM stdin;\n.\n\\\\.\n\\.x\n\\.\nINSERT INTO u VALUES (1);"),
	  SPAN_INIT("t:.;t:\\.;t:.x;u:1;"), OK, 0 },
	{ "COPY with CR LF",
	  SPAN_INIT("COPY t FROM stdin;\r\na\tb\\r\r\nc\rd\te\r\n\\.\r\nINSERT INTO u VALUES "
		    "(1);\r\n"),
	  SPAN_INIT("t:a,b\r;t:c\rd,e;u:1;"), OK, 0 },
	{ "U+FEFF in front", SPAN_INIT("\xef\xbb\xbfINSERT INTO t VALUES (1);"), SPAN_INIT("t:1;"),
	  OK, 0 },
	{ "COPY to a file", SPAN_INIT("COPY t TO '/x';INSERT INTO u VALUES (1);"),
	  SPAN_INIT("u:1;"), OK, 0 },
	{ "functions between",
	  SPAN_INIT("CREATE FUNCTION f() RETURNS int AS $$ select ';''(' $$ LANGUAGE sql;\n"
		    "CREATE FUNCTION g() AS $_$ it's; $$ $_$;INSERT INTO t VALUES (1);"),
	  SPAN_INIT("t:1;"), OK, 0 },
	{ "commands of psql", SPAN_INIT("\\connect it's\nINSERT INTO t VALUES (1);"),
	  SPAN_INIT("t:1;"), OK, 0 },
	{ "INSERT ... SELECT", SPAN_INIT("INSERT INTO t SELECT * FROM u;INSERT INTO v VALUES (1);"),
	  SPAN_INIT("v:1;"), OK, 0 },
	{ "a final semicolon is missing", SPAN_INIT("INSERT INTO t VALUES (1),(2)"),
	  SPAN_INIT("t:1;t:2;"), ERR_SYNTAX, 0 },
	{ "cut in a row", SPAN_INIT("INSERT INTO t VALUES (1),(2,'a"), SPAN_INIT("t:1;"),
	  ERR_SYNTAX, 0 },
	{ "cut in COPY", SPAN_INIT("COPY t FROM stdin;\n1\n2"), SPAN_INIT("t:1;"), ERR_SYNTAX, 0 },
	{ "a NUL", SPAN_INIT("INSERT INTO t VALUES ('a\0b');"), SPAN_INIT("t:a\0b;"), OK, 0 },
	{ "brackets alone", SPAN_INIT("INSERT INTO t VALUES ();((((;)))INSERT;COPY;CREATE;"),
	  SPAN_INIT(""), OK, 1 },
};

static void reads(void **state)
{
	static struct reading reading;
	static const size_t steps[] = { 1, STEP, SIZE_MAX };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t j = 0; j < COUNT(steps); j++) {
			uint64_t skipped;
			enum err err = read_dump(&reading, cases[i].dump, steps[j], &skipped);

			if (!span_equal(text_span(&reading.seen), cases[i].rows))
				fail_msg("%s: %.*s", cases[i].name,
					 SPAN_ARG(text_span(&reading.seen)));
			if (err != cases[i].want || skipped != cases[i].skipped)
				fail_msg("%s: error %d, %llu skipped", cases[i].name, (int)err,
					 (unsigned long long)skipped);
		}
}

/* Every dump, cut at every place: all rows before the cut, never a wrong one. */
static void reads_what_is_there(void **state)
{
	static struct reading reading;
	uint64_t skipped;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t len = 0; len < cases[i].dump.len; len++) {
			struct span part = span_first(cases[i].dump, len);

			(void)read_dump(&reading, part, STEP, &skipped);
			assert_true(reading.seen.len <= cases[i].rows.len + part.len);
		}
}

/* Which tables are there, and where what is cut begins. */
static void says_what_it_is(void **state)
{
	static const char *const wanted[] = { "t", "u", NULL };
	static const struct {
		struct span dump;
		bool is_known, has_wanted, has_others;
		uint64_t begun_line;
		enum err err;
	} dumps[] = {
		{ SPAN_INIT(""), false, false, false, 1, OK },
		{ SPAN_INIT("some words\n"), false, false, false, 1, ERR_SYNTAX },
		{ SPAN_INIT(MYSQL "\n"), true, false, false, 3, OK },
		{ SPAN_INIT("\nCREATE TABLE U (a int);\n\nINSERT INTO v\nVALUES (1"), false, true,
		  true, 4, ERR_SYNTAX },
		{ SPAN_INIT("BEGIN;\n/* a\nb */ COPY public.v FROM stdin;\n1\n"), true, false, true,
		  3, ERR_SYNTAX },
	};
	static struct reading reading;

	(void)state;
	for (size_t i = 0; i < COUNT(dumps); i++) {
		struct sql_dump dump = { .wanted = wanted,
					 .read = give,
					 .source = &reading,
					 .row = take,
					 .owner = &reading };

		reading = (struct reading){ .dump = dumps[i].dump, .step = STEP };
		reading.seen = (struct text){ reading.seen_bytes, 0, SEEN_MAX, false };
		assert_int_equal(sql_dump_read(&dump), dumps[i].err);
		assert_int_equal(dump.is_known, dumps[i].is_known);
		assert_int_equal(dump.has_wanted, dumps[i].has_wanted);
		assert_int_equal(dump.has_others, dumps[i].has_others);
		assert_int_equal(dump.begun_line, dumps[i].begun_line);
	}
}

static void says_when_reading_fails(void **state)
{
	static struct reading reading = { .has_failed = true };
	uint64_t skipped;

	(void)state;
	assert_int_equal(read_dump(&reading, SPAN("INSERT INTO t VALUES (1);"), STEP, &skipped),
			 ERR_SYSTEM);
	assert_int_equal(reading.rows, 1);
}

/* A row "(xxx...)" of so many bytes, or of so many columns. */
static uint64_t rows_of(size_t bytes, size_t columns, uint64_t *skipped_out)
{
	static struct reading reading;
	static char dump[SQL_VALUE_MAX * 4 + 1000];
	struct text text = { dump, 0, sizeof(dump), false };

	text_add(&text, SPAN("INSERT INTO t VALUES ("));
	for (size_t i = 0; i < columns; i++) {
		text_add(&text, i == 0 ? SPAN("'") : SPAN(",'"));
		for (size_t j = 0; j < bytes; j++)
			text_add_char(&text, 'x');
		text_add_char(&text, '\'');
	}
	text_add(&text, SPAN(");"));
	assert_false(text.overrun);
	assert_int_equal(read_dump(&reading, text_span(&text), SIZE_MAX, skipped_out), OK);
	return reading.rows;
}

static void is_bounded(void **state)
{
	uint64_t skipped;

	(void)state;
	assert_int_equal(rows_of(SQL_VALUE_MAX, 1, &skipped), 1);
	assert_int_equal(skipped, 0);
	assert_int_equal(rows_of(SQL_VALUE_MAX + 1, 1, &skipped), 0);
	assert_int_equal(skipped, 1);
	assert_int_equal(rows_of(1, SQL_COLUMNS_MAX, &skipped), 1);
	assert_int_equal(rows_of(1, SQL_COLUMNS_MAX + 1, &skipped), 1); /* the last is dropped */
	assert_int_equal(skipped, 0);
}

static void takes_blanks_off(void **state)
{
	struct sql_row row = {
		.count = 3,
		.value = { { SPAN(" a b  "), false }, { SPAN("   "), false }, { SPAN(" "), true } }
	};
	struct span text;

	(void)state;
	assert_true(sql_row_char(&row, "a", 0, &text) && span_equal(text, SPAN(" a b")));
	assert_true(sql_row_char(&row, "b", 1, &text) && text.len == 0);
	assert_false(sql_row_char(&row, "c", 2, &text));
}

static void finds_columns(void **state)
{
	struct sql_row row = {
		.count = 3,
		.value = { { SPAN("7"), false }, { SPAN(""), true }, { SPAN("x"), false } },
		.name_count = 3,
		.name = { SPAN("a"), SPAN("b"), SPAN("c") }
	};
	struct span text;

	(void)state;
	assert_int_equal(sql_row_number(&row, "A", 9), 7);
	assert_false(sql_row_text(&row, "b", 0, &text));
	assert_int_equal(sql_row_number(&row, "c", 0), 0);
	assert_false(sql_row_text(&row, "d", 0, &text));
	row.name_count = 0;
	assert_int_equal(sql_row_number(&row, "d", 0), 7);
	assert_false(sql_row_text(&row, "a", 3, &text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(reads_what_is_there),
		cmocka_unit_test(says_when_reading_fails),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(says_what_it_is),
		cmocka_unit_test(takes_blanks_off),
		cmocka_unit_test(finds_columns),
	};

	return cmocka_run_group_tests_name("sql_dump", tests, NULL, NULL);
}
