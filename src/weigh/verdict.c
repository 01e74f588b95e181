/* verdict.c -- names of verdicts. */
#include "weigh/verdict.h"

struct span verdict_name(enum verdict_kind kind)
{
	static const struct span names[VERDICT_COUNT] = {
		[VERDICT_PASS] = SPAN_INIT("pass"),         [VERDICT_PERMIT] = SPAN_INIT("permit"),
		[VERDICT_REJECT] = SPAN_INIT("reject"),     [VERDICT_DEFER] = SPAN_INIT("defer"),
		[VERDICT_GREYLIST] = SPAN_INIT("greylist"), [VERDICT_HOLD] = SPAN_INIT("hold"),
		[VERDICT_DISCARD] = SPAN_INIT("discard"),   [VERDICT_FILTER] = SPAN_INIT("filter"),
		[VERDICT_REDIRECT] = SPAN_INIT("redirect"), [VERDICT_REPLY] = SPAN_INIT("reply"),
	};

	return names[kind];
}
