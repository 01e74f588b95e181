/* fold_test.c -- a sender as greylisting remembers him. */
#include "mail/fold.h"

#include "../unit.h"

#include <stdlib.h>

static const struct {
	const char *name;
	struct span sender, folded;
} cases[] = {
	{ "plain", SPAN_INIT("Anna@Example.ORG"), SPAN_INIT("anna@example.org") },
	{ "nothing", SPAN_INIT(""), SPAN_INIT("") },
	{ "extension", SPAN_INIT("anna+list-7@example.org"), SPAN_INIT("anna@example.org") },
	{ "two extensions", SPAN_INIT("a+b+c@example.org"), SPAN_INIT("a@example.org") },
	{ "only an extension", SPAN_INIT("+b@example.org"), SPAN_INIT("@example.org") },
	{ "whole numbers", SPAN_INIT("list-bounce-12345-x9y-77@example.org"),
	  SPAN_INIT("list-bounce-#-x9y-#@example.org") },
	{ "a number alone", SPAN_INIT("007@example.org"), SPAN_INIT("#@example.org") },
	{ "an underscore is part of a word", SPAN_INIT("a_12.b@example.org"),
	  SPAN_INIT("a_12.b@example.org") },
	{ "numbers of the domain stay", SPAN_INIT("1@a.12.example.org"),
	  SPAN_INIT("#@a.12.example.org") },
	{ "borders at both ends", SPAN_INIT("-1--2-@a"), SPAN_INIT("-#--#-@a") },
	{ "number before an extension", SPAN_INIT("a.1+2@b"), SPAN_INIT("a.#@b") },
	{ "batv", SPAN_INIT("prvs=0123456789=Anna@example.org"), SPAN_INIT("anna@example.org") },
	{ "batv, letters", SPAN_INIT("prvs=1a2b3c4d5e6=a.b@example.org"),
	  SPAN_INIT("a.b@example.org") },
	{ "batv, the other order", SPAN_INIT("prvs=anna=01234abcde@example.org"),
	  SPAN_INIT("anna@example.org") },
	{ "batv, two that may be the tag", SPAN_INIT("prvs=0123456789=newsletter@example.org"),
	  SPAN_INIT("newsletter@example.org") },
	{ "batv, extension and number", SPAN_INIT("prvs=0123456789=a-1+x@example.org"),
	  SPAN_INIT("a-#@example.org") },
	{ "batv, a tag of nine", SPAN_INIT("prvs=a12345678=anna@example.org"),
	  SPAN_INIT("anna@example.org") },
	{ "batv, a tag with capitals", SPAN_INIT("prvs=A123456789=anna@example.org"),
	  SPAN_INIT("anna@example.org") },
	{ "batv, the other order, a tag of nine", SPAN_INIT("prvs=anna=a12345678@example.org"),
	  SPAN_INIT("a12345678@example.org") },
	{ "batv, no user", SPAN_INIT("prvs=a123456789=@example.org"),
	  SPAN_INIT("prvs=a123456789=@example.org") },
	{ "batv, three parts", SPAN_INIT("prvs=a123456789=b=c@example.org"),
	  SPAN_INIT("prvs=a123456789=b=c@example.org") },
	{ "batv, one part", SPAN_INIT("prvs=a123456789@example.org"),
	  SPAN_INIT("prvs=a123456789@example.org") },
	{ "srs stays", SPAN_INIT("SRS0=Hx1=T2=example.net=anna@example.org"),
	  SPAN_INIT("srs0=hx1=t2=example.net=anna@example.org") },
	{ "no @: as it is", SPAN_INIT("Bounce-12+x"), SPAN_INIT("bounce-12+x") },
	{ "only @", SPAN_INIT("@"), SPAN_INIT("@") },
	{ "the last of two @", SPAN_INIT("a 1@b@Example.org"), SPAN_INIT("a #@b@example.org") },
	{ "raw bytes are no word",
	  SPAN_INIT("\xff"
		    "1\0"
		    "2\xc3\xa9@\xc3\x89"),
	  SPAN_INIT("\xff"
		    "#\0"
		    "#\xc3\xa9@\xc3\x89") },
};

static const struct {
	const char *name;
	struct span address, untagged;
} tagged[] = {
	{ "no tag", SPAN_INIT("Anna-1@Example.org"), SPAN_INIT("Anna-1@Example.org") },
	{ "a tag", SPAN_INIT("anna+x@example.org"), SPAN_INIT("anna@example.org") },
	{ "two tags", SPAN_INIT("anna+x+y@example.org"), SPAN_INIT("anna@example.org") },
	{ "an empty tag", SPAN_INIT("anna+@example.org"), SPAN_INIT("anna@example.org") },
	{ "only a tag", SPAN_INIT("+x@example.org"), SPAN_INIT("@example.org") },
	{ "a plus in the domain", SPAN_INIT("anna@a+b"), SPAN_INIT("anna@a+b") },
	{ "no @", SPAN_INIT("anna+x"), SPAN_INIT("anna") },
	{ "nothing", SPAN_INIT(""), SPAN_INIT("") },
};

static void untags(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tagged) / sizeof(*tagged); i++) {
		TEXT(untagged, 255);

		text_add_untagged(&untagged, tagged[i].address);
		check_span(text_span(&untagged), tagged[i].untagged, tagged[i].name);
	}
}

static void folds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		TEXT(folded, 255);

		text_add_folded(&folded, cases[i].sender);
		assert_false(folded.overrun);
		check_span(text_span(&folded), cases[i].folded, cases[i].name);
	}
}

static void long_senders(void **state)
{
	enum { LONG = 64 * 1024 };
	static const char fills[] = { '1', '@', '+', '=', '-', '\xff', 'a' };
	char *bytes = malloc(LONG);
	TEXT(folded, LONG);
	TEXT(small, 100);

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < COUNT(fills); i++) {
		memset(bytes, fills[i], LONG);
		text_clear(&folded);
		text_add_folded(&folded, span_of(bytes, LONG));
		assert_false(folded.overrun);
		text_clear(&small);
		text_add_folded(&small, span_of(bytes, LONG));
		assert_true(small.overrun || small.len <= 100);
	}
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folds),
		cmocka_unit_test(untags),
		cmocka_unit_test(long_senders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
