/* unit.h -- cmocka, and what all unit tests want of it. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/span.h"

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

/* Equal texts; else both are shown. */
static inline void check_span(struct span have, struct span want, const char *name)
{
	if (!span_equal(have, want))
		fail_msg("%s: have \"%.*s\", want \"%.*s\"", name, SPAN_ARG(have), SPAN_ARG(want));
}
