/* live.c -- weighing one attempt here and now. */
#include "ctl/live.h"

#include "daemon/decision_number.h"
#include "daemon/worker.h"
#include "weigh/case.h"

#include <event2/event.h>

/* What a scale needs around it; made and freed in this order. */
struct live {
	struct event_base *base;
	struct store *store;
	struct store_port *port;
	struct dns_cache *cache;
	struct scale *scale;
	bool is_settled;
};

static void on_settled(struct weighing *weighing)
{
	struct live *live = weighing->owner;

	live->is_settled = true;
	event_base_loopbreak(live->base);
}

/* Nothing is known, and nothing is kept. */
static void live_open_store(struct live *live)
{
	const struct store_options options = { .kind = STORE_MEMORY };
	TEXT(why, STORE_WHY_MAX);

	if (store_open(&options, &why, &live->store) == OK)
		live->port = store_port_open(live->store, live->base);
}

static int live_open(struct live *live, const struct live_options *options)
{
	const struct config_limits *limits = &options->config->limits;
	struct dns_cache_options cache = { .bytes_max = (size_t)limits->cache_bytes,
					   .questions_max = (uint32_t)limits->questions };
	struct scale_options scale = { .limits = { 1, 1 } };
	const char *why = "out of memory";

	live->base = event_base_new();
	live_open_store(live);
	live->cache = dns_cache_new(&cache);
	if (live->base != NULL && live->port != NULL && live->cache != NULL) {
		scale.base = live->base;
		scale.store = live->port;
		scale.dns = resolver_new(live->base, live->cache, options->config, &why);
		if (scale.dns != NULL)
			live->scale = scale_new(&scale);
	}
	if (live->scale != NULL)
		return EX_OK;
	ctl_say("cannot begin to ask the DNS: %s", why);
	return EX_OSERR;
}

static void live_close(struct live *live)
{
	if (live->scale != NULL)
		scale_free(live->scale);
	if (live->cache != NULL)
		dns_cache_free(live->cache);
	if (live->port != NULL)
		store_port_close(live->port);
	if (live->store != NULL)
		store_close(live->store);
	if (live->base != NULL)
		event_base_free(live->base);
}

static bool fill_attempt(struct weighing *weighing, const struct attempt *given)
{
	char *number = arena_alloc(&weighing->arena, DECISION_NUMBER_BYTES);
	char *room = arena_alloc(&weighing->arena, ATTEMPT_CLIENT_TEXT_MAX + 1);
	struct attempt *attempt = &weighing->attempt;

	if (number == NULL || room == NULL)
		return false;
	memcpy(attempt->attribute, given->attribute, sizeof(attempt->attribute));
	attempt_normalise(attempt, room);
	decision_number_write((uint64_t)attempt->time_ms, number);
	attempt->id = span_of(number, DECISION_NUMBER_BYTES);
	return true;
}

static char *weigh(struct live *live, const struct live_options *options,
		   const struct attempt *attempt)
{
	struct weighing *weighing = scale_open(live->scale, options->config, options->policy);
	struct case_extra extra = { .policy = options->policy->name,
				    .config_generation = options->config->generation,
				    .explained = true };
	char *line = NULL;

	if (weighing == NULL)
		return NULL;
	weighing->owner = live;
	weighing->settled = on_settled;
	if (fill_attempt(weighing, attempt)) {
		live->is_settled = scale_weigh(weighing);
		while (!live->is_settled && event_base_dispatch(live->base) == 0)
			continue;
		extra.took_us = weighing->took_us;
		if (live->is_settled && !weighing->is_unweighed)
			line = case_format(&weighing->walk, &extra);
	}
	scale_close(weighing);
	return line;
}

int live_weigh(const struct live_options *options, const struct attempt *attempt, char **line_out)
{
	struct live live = { 0 };
	int status = live_open(&live, options);
	char *line = NULL;

	if (status == EX_OK) {
		line = weigh(&live, options, attempt);
		if (line == NULL) {
			ctl_say("the attempt could not be weighed");
			status = EX_SOFTWARE;
		}
	}
	live_close(&live);
	if (status == EX_OK)
		*line_out = line;
	return status;
}
