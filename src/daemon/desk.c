/* desk.c -- where an administrator's questions are weighed. */
#include "daemon/desk.h"

#include "daemon/decision_number.h"
#include "daemon/state_desk.h"
#include "weigh/case.h"

#include <stdlib.h>

struct desk {
	struct event_base *base;
	struct shared *shared;
	struct store_port *store;
	struct scale *scale;      /* NULL: nobody has asked yet */
	struct state_desk *state; /* the same */
	struct weighing *in_work[CONTROL_CLIENTS_MAX];
};

struct desk *desk_new(struct event_base *base, struct shared *shared)
{
	struct desk *desk = calloc(1, sizeof(*desk));

	if (desk == NULL)
		return NULL;
	desk->base = base;
	desk->shared = shared;
	return desk;
}

static void desk_close_scale(struct desk *desk)
{
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (desk->in_work[i] != NULL)
			scale_close(desk->in_work[i]);
		desk->in_work[i] = NULL;
	}
	scale_free(desk->scale);
	desk->scale = NULL;
}

void desk_free(struct desk *desk)
{
	if (desk == NULL)
		return;
	desk_close_scale(desk);
	if (desk->store != NULL)
		store_port_close(desk->store);
	state_desk_free(desk->state);
	free(desk);
}

static bool desk_open_store(struct desk *desk)
{
	if (desk->store == NULL)
		desk->store = store_port_open(desk->shared->store, desk->base);
	return desk->store != NULL;
}

static bool desk_open_scale(struct desk *desk, const struct config *config, const char **why_out)
{
	struct scale_options options = {
		.base = desk->base,
		.limits = { CONTROL_CLIENTS_MAX, CONTROL_CLIENTS_MAX },
		.owner = desk,
	};

	if (desk->scale != NULL)
		return true;
	*why_out = "no memory";
	if (!desk_open_store(desk))
		return false;
	options.store = desk->store;
	options.dns = resolver_new(desk->base, desk->shared->dns_cache, config, why_out);
	if (options.dns == NULL)
		return false;
	desk->scale = scale_new(&options);
	if (desk->scale == NULL)
		dns_free(options.dns);
	return desk->scale != NULL;
}

void desk_renew(struct desk *desk, const struct config *config)
{
	const char *why;
	struct dns *dns;

	if (desk->scale == NULL)
		return;
	dns = resolver_new(desk->base, desk->shared->dns_cache, config, &why);
	if (dns != NULL && scale_set_dns(desk->scale, dns) != OK)
		dns_free(dns);
}

static struct weighing **find_place(struct desk *desk, const struct weighing *weighing)
{
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (desk->in_work[i] == weighing)
			return &desk->in_work[i];
	return NULL;
}

static void desk_answer(struct weighing *weighing)
{
	struct control_client *client = weighing->owner;
	struct case_extra extra = { .policy = weighing->policy->name,
				    .config_generation = weighing->config->generation,
				    .took_us = weighing->took_us,
				    .explained = true };
	char *line = weighing->is_unweighed ? NULL : case_format(&weighing->walk, &extra);

	scale_close(weighing);
	if (line != NULL)
		control_answer(client, span_cstr(line));
	else
		control_refuse(client, SPAN("there is no memory to weigh it"));
	free(line);
}

static void on_settled(struct weighing *weighing)
{
	struct desk *desk = scale_owner(weighing->scale);
	struct weighing **place = find_place(desk, weighing);

	if (place != NULL)
		*place = NULL;
	desk_answer(weighing);
}

static const struct policy *policy_of(const struct config *config, struct span name)
{
	if (name.at != NULL)
		return config_policy(config, name);
	return config->listener_count > 0 ? config->listener[0].policy
	       : config->policy_count > 0 ? config->policy[0]
					  : NULL;
}

/* The attempt of a request, which is read as a case. */
static bool fill_attempt(struct desk *desk, struct weighing *weighing,
			 const struct case_line *asked)
{
	char *id = arena_alloc(&weighing->arena, DECISION_NUMBER_BYTES + 1);
	int64_t now_ms = weighing->attempt.time_ms;

	if (id == NULL)
		return false;
	decision_number_write(atomic_fetch_add(&desk->shared->decisions, 1), id);
	weighing->attempt = asked->attempt;
	weighing->attempt.time_ms = now_ms;
	weighing->attempt.id = span_of(id, DECISION_NUMBER_BYTES);
	weighing->attempt.conversation = SPAN("control");
	return true;
}

static void weigh_case(struct desk *desk, struct control_client *client, struct weighing *weighing,
		       const struct case_line *asked)
{
	struct weighing **place = find_place(desk, NULL);

	weighing->policy = policy_of(weighing->config, asked->policy);
	if (weighing->policy == NULL || place == NULL || !fill_attempt(desk, weighing, asked)) {
		control_refuse(client, weighing->policy == NULL ? SPAN("no such policy")
								: SPAN("there is no room"));
		scale_close(weighing);
		return;
	}
	weighing->is_rehearsal = true;
	weighing->owner = client;
	weighing->settled = on_settled;
	if (scale_weigh(weighing))
		desk_answer(weighing);
	else
		*place = weighing;
}

void desk_weigh(struct desk *desk, struct config *config, struct control_client *client,
		struct span request)
{
	struct span why = SPAN("there is no room");
	const char *why_not = "no memory";
	struct weighing *weighing;
	struct case_line asked;

	if (!desk_open_scale(desk, config, &why_not)) {
		control_refuse(client, span_cstr(why_not));
		return;
	}
	weighing = scale_open(desk->scale, config, NULL);
	if (weighing == NULL) {
		control_refuse(client, why);
		return;
	}
	if (case_parse_request(request, &weighing->arena, &asked, &why) != OK) {
		control_refuse(client, why);
		scale_close(weighing);
		return;
	}
	weigh_case(desk, client, weighing, &asked);
}

static void say_state(void *self, const char *text)
{
	const struct desk *desk = self;

	log_say(desk->shared->log, KIND_ALWAYS, LEVEL_NOTICE, "%s", text);
}

static void answer_state(void *owner, struct span line)
{
	control_answer(owner, line);
}

static bool desk_open_state(struct desk *desk)
{
	struct state_desk_options options = { .said = say_state, .self = desk };

	if (desk->state != NULL)
		return true;
	if (!desk_open_store(desk))
		return false;
	options.store = desk->shared->store;
	options.port = desk->store;
	desk->state = state_desk_new(&options);
	return desk->state != NULL;
}

void desk_state(struct desk *desk, const struct config *config, struct control_client *client,
		struct span request)
{
	const struct state_question question = {
		.request = request,
		.config = config,
		.uid = control_peer(client),
		.answered = answer_state,
		.owner = client,
	};

	if (desk_open_state(desk))
		state_desk_ask(desk->state, &question);
	else
		control_refuse(client, SPAN("no memory"));
}

void desk_leave(struct desk *desk, struct control_client *client)
{
	if (desk->state != NULL)
		state_desk_leave(desk->state, client);
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (desk->in_work[i] == NULL || desk->in_work[i]->owner != client)
			continue;
		scale_close(desk->in_work[i]);
		desk->in_work[i] = NULL;
	}
}
