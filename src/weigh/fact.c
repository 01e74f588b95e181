/* fact.c -- names and order of facts. */
#include "weigh/fact.h"

#include "base/number.h"

#include <stdlib.h>

static const struct span kind_names[FACT_KIND_COUNT] = {
#define FACT(symbol, name, key, items) [symbol] = SPAN_INIT(name),
#include "weigh/facts.def"
#undef FACT
};

static const struct span cause_names[CAUSE_COUNT] = {
	[CAUSE_NONE] = SPAN_INIT("none"),           [CAUSE_TIMEOUT] = SPAN_INIT("timeout"),
	[CAUSE_SERVFAIL] = SPAN_INIT("servfail"),   [CAUSE_REFUSED] = SPAN_INIT("refused"),
	[CAUSE_MALFORMED] = SPAN_INIT("malformed"), [CAUSE_TOOLARGE] = SPAN_INIT("toolarge"),
	[CAUSE_BOGUS] = SPAN_INIT("bogus"),         [CAUSE_DOWN] = SPAN_INIT("down"),
	[CAUSE_PARKED] = SPAN_INIT("parked"),       [CAUSE_UNRECORDED] = SPAN_INIT("unrecorded"),
};

struct span fact_kind_name(enum fact_kind kind)
{
	return kind_names[kind];
}

bool fact_kind_find(struct span name, enum fact_kind *kind_out)
{
	for (int i = 0; i < FACT_KIND_COUNT; i++) {
		if (span_equal(name, kind_names[i])) {
			*kind_out = (enum fact_kind)i;
			return true;
		}
	}
	return false;
}

struct span fact_cause_name(enum fact_cause cause)
{
	return cause_names[cause];
}

bool fact_cause_find(struct span name, enum fact_cause *cause_out)
{
	for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
		if (span_equal(name, cause_names[i])) {
			*cause_out = (enum fact_cause)i;
			return true;
		}
	}
	return false;
}

static int64_t mx_preference(struct span item)
{
	int64_t preference;

	if (number_parse(span_first(item, span_find(item, ' ')), &preference) != OK)
		return 0;
	return preference;
}

struct span fact_mx_host(struct span item)
{
	return span_from(item, span_find(item, ' ') + 1);
}

static int compare_items(const void *a, const void *b)
{
	return span_compare(*(const struct span *)a, *(const struct span *)b);
}

static int compare_mx(const void *a, const void *b)
{
	int64_t left = mx_preference(*(const struct span *)a);
	int64_t right = mx_preference(*(const struct span *)b);

	if (left != right)
		return left < right ? -1 : 1;
	return compare_items(a, b);
}

void fact_sort(enum fact_kind kind, struct span *item, size_t count)
{
	if (count > 1)
		qsort(item, count, sizeof(*item), kind == FACT_DNS_MX ? compare_mx : compare_items);
}
