/* scale_clients.c -- fairness: clients with attempts in work, and the line of each. */
#include "daemon/scale_priv.h"

#include <stdlib.h>

void chain_remove(struct weighing **first, struct weighing **last, struct weighing *weighing)
{
	struct weighing **at = first, *before = NULL;

	while (*at != weighing) {
		before = *at;
		at = &(*at)->next_in_queue;
	}
	*at = weighing->next_in_queue;
	if (*last == weighing)
		*last = before;
}

struct ip client_source(struct ip ip)
{
	return ip.family == IP_V6 ? prefix_of(ip, 64).ip : ip;
}

struct scale_client **client_find(struct scale *scale, struct ip source)
{
	struct span key = span_of((const char *)source.byte, sizeof(source.byte));
	uint64_t hash = hash_span(&scale->hash, key);
	struct scale_client **at = &scale->client[hash & (SCALE_CLIENT_SLOTS - 1)];

	while (*at != NULL && ((*at)->source.family != source.family ||
			       memcmp((*at)->source.byte, source.byte, sizeof(source.byte)) != 0))
		at = &(*at)->next;
	return at;
}

struct scale_client *client_of(struct scale *scale, struct ip source)
{
	struct scale_client **at = client_find(scale, source);

	if (*at == NULL) {
		*at = calloc(1, sizeof(**at));
		if (*at != NULL)
			(*at)->source = source;
	}
	return *at;
}

void client_drop_if_idle(struct scale *scale, struct scale_client *client)
{
	struct scale_client **at = client_find(scale, client->source);

	if (client->in_work > 0 || client->line_first != NULL)
		return;
	*at = client->next;
	free(client);
}

void line_put(struct weighing *weighing)
{
	struct scale_client *client = weighing->client;

	weighing->stage = STAGE_IN_LINE;
	weighing->next_in_queue = NULL;
	*(client->line_last != NULL ? &client->line_last->next_in_queue : &client->line_first) =
		weighing;
	client->line_last = weighing;
	weighing->scale->figures.lined_up++;
	weighing->scale->figures.in_line++;
}

void line_take(struct weighing *weighing)
{
	struct scale_client *client = weighing->client;

	chain_remove(&client->line_first, &client->line_last, weighing);
	weighing->scale->figures.in_line--;
}

void line_skip(struct weighing *weighing)
{
	line_take(weighing);
	weighing->client->in_work++;
	weighing->stage = STAGE_WAITING;
}

void client_leave(struct scale *scale, struct scale_client *client)
{
	struct weighing *next = client->line_first;

	client->in_work--;
	if (next != NULL && client->in_work < scale->limits.attempts_per_client) {
		line_take(next);
		client->in_work++;
		scale_queue(next);
	}
	client_drop_if_idle(scale, client);
}
