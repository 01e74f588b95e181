/* limits_view.c -- what a limit has counted under one key, as it is now. */
#include "ctl/limits_view.h"

#include <stdlib.h>

static struct span text_of(const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	return json_is_string(value) ? span_of(json_string_value(value), json_string_length(value))
				     : SPAN("");
}

/* Statements of one name count into one tally: the rates of all of them matter. */
static void rates_join(struct rates *rates, const struct rates *more)
{
	for (uint8_t i = 0; i < more->count && rates->count < RATES_MAX; i++)
		if (rates_find(rates, more->rate[i].period_ms) == NULL)
			rates->rate[rates->count++] = more->rate[i];
}

static void name_add(struct limit_names *names, const json_t *object)
{
	struct limit_name read = { .name = text_of(object, "name"),
				   .counting = text_of(object, "counting"),
				   .is_tabled = json_object_get(object, "from") != NULL };

	if (rates_parse(text_of(object, "rates"), &read.rates) != OK)
		read.rates.count = 0;
	for (unsigned i = 0; i < names->count; i++)
		if (span_equal(names->name[i].name, read.name)) {
			rates_join(&names->name[i].rates, &read.rates);
			names->name[i].is_tabled |= read.is_tabled;
			return;
		}
	if (names->count < LIMITS_NAMES_MAX)
		names->name[names->count++] = read;
}

void limit_names_read(struct limit_names *names_out, const json_t *names)
{
	json_t *object;
	size_t i;

	names_out->count = 0;
	json_array_foreach (names, i, object) {
		name_add(names_out, object);
	}
}

const struct limit_name *limit_names_find(const struct limit_names *names, struct span name)
{
	for (unsigned i = 0; i < names->count; i++)
		if (span_equal(names->name[i].name, name))
			return &names->name[i];
	return NULL;
}

static void use_add(struct limit_view *view, const struct limit_use *use)
{
	double share = use->most > 0    ? (double)use->used / (double)use->most
		       : use->most == 0 ? 1
					: 0;

	if (view->count < sizeof(view->use) / sizeof(*view->use))
		view->use[view->count++] = *use;
	if (share > view->share)
		view->share = share;
}

/* By asking for one more, without taking it. */
static void view_uses(struct limit_view *view, const struct tally *tally,
		      const struct limit_name *name, int64_t now_ms)
{
	struct tally_count one = { .amount = 1 };
	struct tally_result result;
	struct tally *copy;

	if (name == NULL || name->rates.count == 0)
		return;
	copy = malloc(sizeof(*copy));
	if (copy == NULL)
		return;
	*copy = *tally;
	one.rates = name->rates;
	tally_count(copy, &one, now_ms, &result);
	for (uint8_t i = 0; i < result.count; i++) {
		const struct tally_use *use = &result.use[i];
		struct limit_use shown = { .period_ms = use->period_ms,
					   .used = use->used - 1,
					   .most = use->most >= 0 ? use->most
								  : name->rates.rate[i].most,
					   .wait_ms = use->wait_ms };

		use_add(view, &shown);
	}
	free(copy);
}

static bool is_shown(const struct limit_view *view, int64_t period_ms)
{
	for (uint8_t i = 0; i < view->count; i++)
		if (view->use[i].period_ms == period_ms)
			return true;
	return false;
}

enum err limit_view(struct span value, const struct limit_name *name, int64_t now_ms,
		    struct limit_view *view_out)
{
	static const struct tally_count nothing;
	struct tally_result none;
	struct tally *tally = malloc(sizeof(*tally));

	*view_out = (struct limit_view){ 0 };
	if (tally == NULL || tally_parse(value, tally) != OK) {
		free(tally);
		return ERR_SYNTAX;
	}
	tally_count(tally, &nothing, now_ms, &none); /* what is too old goes */
	view_out->raised = tally->raised;
	view_out->raised_until_ms = tally->raised_until_ms;
	view_out->refused = tally->refused;
	view_uses(view_out, tally, name, now_ms);
	for (uint8_t i = 0; i < tally->window_count; i++)
		if (!is_shown(view_out, tally->window[i].period_ms))
			use_add(view_out,
				&(struct limit_use){ .period_ms = tally->window[i].period_ms,
						     .used = tally->window[i].used,
						     .most = -1 });
	free(tally);
	return OK;
}
