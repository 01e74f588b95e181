/* yaml_tree_test.c -- the YAML of settings files, and what is refused of the rest. */
#include "../unit.h"

#include "ctl/import/yaml_tree.h"

enum { SHOWN_MAX = 1000, DEEP = YAML_DEPTH_MAX };

static char report_bytes[SHOWN_MAX], shown_bytes[SHOWN_MAX];

/* What the file says, in flow style; or what is wrong with it. */
static struct span read_yaml(struct span source, enum err *err_out)
{
	struct text report = { report_bytes, 0, sizeof(report_bytes), false };
	struct text shown = { shown_bytes, 0, sizeof(shown_bytes), false };
	struct yaml_node *root = NULL;
	struct arena arena;

	arena_init(&arena, YAML_ARENA_BYTES_MAX);
	*err_out = yaml_read(source, &arena, &report, &root);
	if (*err_out == OK)
		text_add_yaml(&shown, root);
	arena_release(&arena);
	return *err_out == OK ? text_span(&shown) : text_span(&report);
}

static const struct {
	const char *name;
	struct span source, want;
} cases[] = {
	{ "nothing", SPAN_INIT(""), SPAN_INIT("null") },
	{ "comments alone", SPAN_INIT("# a\n\n   # b"), SPAN_INIT("null") },
	{ "one setting", SPAN_INIT("a: 1\n"), SPAN_INIT("{a: 1}") },
	{ "no final newline", SPAN_INIT("a: 1"), SPAN_INIT("{a: 1}") },
	{ "line ends of DOS", SPAN_INIT("a: 1\r\nb:\r\n  - 2\r\n"), SPAN_INIT("{a: 1, b: [2]}") },
	{ "a mark and a document", SPAN_INIT("\xef\xbb\xbf---\na: b\n"), SPAN_INIT("{a: b}") },
	{ "comments", SPAN_INIT("a: b # c\nd: e#f\n#g: h\ni: '#'\n"),
	  SPAN_INIT("{a: b, d: e#f, i: #}") },
	{ "nulls", SPAN_INIT("a:\nb: ~\nc: null\nd: ''\n"),
	  SPAN_INIT("{a: null, b: null, c: null, d: }") },
	{ "maps in maps", SPAN_INIT("a:\n  b:\n    c: d\n  e: f\ng: h\n"),
	  SPAN_INIT("{a: {b: {c: d}, e: f}, g: h}") },
	{ "lists", SPAN_INIT("a:\n  - 1\n  -   2\nb:\n- 3\n- 4\nc: 5\n"),
	  SPAN_INIT("{a: [1, 2], b: [3, 4], c: 5}") },
	{ "lists of lists", SPAN_INIT("- - 1\n  - 2\n- [3, 4]\n-\n  - 5\n"),
	  SPAN_INIT("[[1, 2], [3, 4], [5]]") },
	{ "lists of maps", SPAN_INIT("- a: 1\n  b: 2\n- c: 3\n"),
	  SPAN_INIT("[{a: 1, b: 2}, {c: 3}]") },
	{ "flow", SPAN_INIT("a: [1, [2, ], {b: 3, \"c\": [] , d: }]\n"),
	  SPAN_INIT("{a: [1, [2], {b: 3, c: [], d: null}]}") },
	{ "flow over lines", SPAN_INIT("a: [1, # one\n\n 2\n]\nb: {}\n"),
	  SPAN_INIT("{a: [1, 2], b: {}}") },
	{ "colons in words", SPAN_INIT("2001:db8::1: a:b\nc: [d:e]\n"),
	  SPAN_INIT("{2001:db8::1: a:b, c: [d:e]}") },
	{ "quotes", SPAN_INIT("\"a b\": 'it''s \\'\nc: \"\\\"\\\\\\n\\x41\"\n"),
	  SPAN_INIT("{a b: it's \\, c: \"\\\nA}") },
	{ "words with blanks", SPAN_INIT("a: reject come again  \n"),
	  SPAN_INIT("{a: reject come again}") },
	{ "an empty key", SPAN_INIT("\"\": 1\n"), SPAN_INIT("{: 1}") },
	{ "an alias", SPAN_INIT("a: &x [1, {b: 2}]\nc: *x\nd: [*x, *x]\n"),
	  SPAN_INIT("{a: [1, {b: 2}], c: [1, {b: 2}], d: [[1, {b: 2}], [1, {b: 2}]]}") },
	{ "an anchor twice", SPAN_INIT("[&x 1, *x, &x 2, *x]"), SPAN_INIT("[1, 1, 2, 2]") },
	{ "a text", SPAN_INIT("a: !!str\nb: !!str 1\n"), SPAN_INIT("{a: , b: 1}") },
	{ "a tag of what it is", SPAN_INIT("!!map {a: !!seq [1]}"), SPAN_INIT("{a: [1]}") },
	{ "a text over lines", SPAN_INIT("a: |\n  b\n  c\nd: >-\n  e\n  f\ng: h\n i\n"),
	  SPAN_INIT("{a: b\nc\n, d: e f, g: h i}") },
	{ "a quote over lines", SPAN_INIT("a: \"b\n c\"\n"), SPAN_INIT("{a: b c}") },
	{ "a directive", SPAN_INIT("%YAML 1.1\n---\na: 1\n...\n"), SPAN_INIT("{a: 1}") },
	{ "a map in a flow list", SPAN_INIT("[a: 1]"), SPAN_INIT("[{a: 1}]") },
	{ "a long key", SPAN_INIT("? a\n: 1\n"), SPAN_INIT("{a: 1}") },
	{ "UTF-16",
	  SPAN_INIT("\xff\xfe"
		    "a\0:\0 \0\xe4\0"),
	  SPAN_INIT("{a: \xc3\xa4}") },
};

static const struct {
	const char *name;
	struct span source, want;
} refused[] = {
	{ "an unknown alias", SPAN_INIT("a: 1\nb: [*x]\n"), SPAN_INIT("2: error: nothing above") },
	{ "an alias in itself", SPAN_INIT("a: &x [1, *x]\n"),
	  SPAN_INIT("1: error: nothing above") },
	{ "a tag", SPAN_INIT("a: !!python/name:os.system 1\n"), SPAN_INIT("1: error: this tag") },
	{ "a tag of another kind", SPAN_INIT("a: !!int 1\n"), SPAN_INIT("1: error: this tag") },
	{ "a tagged list", SPAN_INIT("a: !set [1]\n"), SPAN_INIT("1: error: this tag") },
	{ "a list as a key", SPAN_INIT("a: 1\n[b]: 1\n"), SPAN_INIT("2: error: a key") },
	{ "an alias as a key", SPAN_INIT("a: &x 1\n*x : 1\n"), SPAN_INIT("2: error: a key") },
	{ "a tab", SPAN_INIT("a:\n\tb: 1\n"), SPAN_INIT("2: error: found character") },
	{ "an open quote", SPAN_INIT("a: \"b\n\n"), SPAN_INIT("3: error: found unexpected end") },
	{ "an open list", SPAN_INIT("a: [1,\nb"), SPAN_INIT("3: error: did not find") },
	{ "a word alone", SPAN_INIT("a: 1\nb\n"), SPAN_INIT("3: error: could not find") },
	{ "behind a value", SPAN_INIT("a: [1] 2\n"), SPAN_INIT("1: error: did not find") },
	{ "further in", SPAN_INIT("a: 1\n  b: 2\n"), SPAN_INIT("2: error: mapping values") },
	{ "further out", SPAN_INIT("  a: 1\nb: 2\n"), SPAN_INIT("2: error: did not find") },
	{ "a map on a line", SPAN_INIT("a: b: c\n"), SPAN_INIT("1: error: mapping values") },
	{ "an escape", SPAN_INIT("a: \"\\q\"\n"), SPAN_INIT("1: error: found unknown escape") },
	{ "a NUL", SPAN_INIT("a: 1\nb: b\0c\n"), SPAN_INIT("1: error: control characters") },
	{ "no UTF-8", SPAN_INIT("a: \xff\n"), SPAN_INIT("1: error: invalid leading") },
	{ "two documents", SPAN_INIT("---\na: 1\n---\na: 2\n"), SPAN_INIT("3: error: a second") },
};

static void reads(void **state)
{
	enum err err;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_span(read_yaml(cases[i].source, &err), cases[i].want, cases[i].name);
}

static void refuses(void **state)
{
	enum err err;

	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct span have = read_yaml(refused[i].source, &err);

		if (err != ERR_SYNTAX || !span_starts(have, refused[i].want))
			fail_msg("%s: %d: %.*s", refused[i].name, (int)err, SPAN_ARG(have));
	}
}

static void never_reads_beyond(void **state)
{
	enum err err;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t len = 0; len < cases[i].source.len; len++)
			(void)read_yaml(span_first(cases[i].source, len), &err);
}

static void is_bounded(void **state)
{
	char brackets[4 * DEEP];
	enum err err;

	(void)state;
	memset(brackets, '[', DEEP);
	memset(brackets + DEEP, ']', DEEP);
	(void)read_yaml(span_of(brackets, 2 * DEEP), &err);
	assert_int_equal(err, OK);
	memset(brackets, '[', DEEP + 1);
	memset(brackets + DEEP + 1, ']', DEEP + 1);
	(void)read_yaml(span_of(brackets, 2 * (DEEP + 1)), &err);
	assert_int_equal(err, ERR_LIMIT);
	memset(brackets, '-', sizeof(brackets));
	for (size_t i = 1; i < sizeof(brackets); i += 2)
		brackets[i] = ' ';
	(void)read_yaml(span_of(brackets, sizeof(brackets)), &err);
	assert_int_equal(err, ERR_LIMIT);
}

/* Ten times what stands above, again and again. */
static void bounds_aliases(void **state)
{
	TEXT(bomb, SHOWN_MAX);
	enum err err;

	(void)state;
	text_add(&bomb, SPAN("a0: &a0 x\n"));
	for (int i = 1; i < 10; i++) {
		text_addf(&bomb, "a%d: &a%d [", i, i);
		for (int n = 0; n < 10; n++)
			text_addf(&bomb, "%s*a%d", n > 0 ? "," : "", i - 1);
		text_add(&bomb, SPAN("]\n"));
		(void)read_yaml(text_span(&bomb), &err);
		assert_int_equal(err, i <= 5 ? OK : ERR_LIMIT);
	}
}

static void reads_values(void **state)
{
	static const struct {
		struct span text;
		int64_t number;
		enum err number_err;
		bool truth;
		enum err truth_err;
	} values[] = {
		{ SPAN_INIT("10"), 10, OK, false, ERR_SYNTAX },
		{ SPAN_INIT("0"), 0, OK, false, ERR_SYNTAX },
		{ SPAN_INIT("-3"), -3, OK, false, ERR_SYNTAX },
		{ SPAN_INIT("0666"), 0666, OK, false, ERR_SYNTAX },
		{ SPAN_INIT("0x1b6"), 0666, OK, false, ERR_SYNTAX },
		{ SPAN_INIT("08"), 0, ERR_SYNTAX, false, ERR_SYNTAX },
		{ SPAN_INIT("1e3"), 0, ERR_SYNTAX, false, ERR_SYNTAX },
		{ SPAN_INIT("True"), 0, ERR_SYNTAX, true, OK },
		{ SPAN_INIT("no"), 0, ERR_SYNTAX, false, OK },
		{ SPAN_INIT(""), 0, ERR_SYNTAX, false, ERR_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		struct yaml_node node = { .kind = YAML_SCALAR, .text = values[i].text };
		int64_t number = 0;
		bool truth = false;

		assert_int_equal(yaml_number(&node, &number), values[i].number_err);
		assert_int_equal(number, values[i].number);
		assert_int_equal(yaml_bool(&node, &truth), values[i].truth_err);
		assert_int_equal(truth, values[i].truth);
		node.is_quoted = true;
		assert_int_equal(yaml_number(&node, &number), ERR_SYNTAX);
		assert_int_equal(yaml_bool(&node, &truth), ERR_SYNTAX);
		assert_false(yaml_is_null(&node));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(refuses),
		cmocka_unit_test(never_reads_beyond),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(bounds_aliases),
		cmocka_unit_test(reads_values),
	};

	return cmocka_run_group_tests_name("yaml_tree", tests, NULL, NULL);
}
