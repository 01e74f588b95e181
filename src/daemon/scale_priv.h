/* scale_priv.h -- what scale.c and scale_clients.c share. */
#pragma once
#include "base/hash.h"
#include "daemon/scale.h"

#include <event2/event.h>
#include <event2/event_struct.h>

enum {
	SCALE_CLIENT_SLOTS = 1024,
};

enum stage {
	STAGE_OPEN,    /* not weighed yet, or settled */
	STAGE_IN_LINE, /* its client has enough in work */
	STAGE_WAITING, /* for answers */
	STAGE_QUEUED,  /* all answers are there */
};

/* One question of one attempt. */
struct scale_wait {
	union {
		struct dns_wait dns;
		struct store_wait store;
	};
	bool is_stored; /* store, not dns */
	struct scale_wait *next;
	struct weighing *weighing;
	bool is_answered;
};

/* A client with attempts in work. */
struct scale_client {
	struct scale_client *next;
	struct ip source;
	uint32_t in_work;
	struct weighing *line_first, *line_last;
};

/* A source of DNS facts, and how many attempts use it. */
struct scale_resolver {
	struct dns *dns;
	uint32_t attempts;
	bool is_retired;
};

struct scale {
	struct event_base *base;
	void *owner;
	struct store_port *store;
	struct scale_limits limits;
	struct scale_resolver *resolver;
	struct scale_load *load;
	struct scale_load own_load;
	struct scale_figures figures;
	struct hash_key hash;
	struct scale_client *client[SCALE_CLIENT_SLOTS];
	struct event run_event, deadline_event;
	bool is_deadline_set;
	struct weighing *run_first, *run_last;
	struct weighing *deadline_first, *deadline_last;
	struct weighing *spare;
	uint32_t spare_count;
};

/** Into the run queue. */
void scale_queue(struct weighing *weighing);

/** Take weighing out of a chain of next_in_queue. */
void chain_remove(struct weighing **first, struct weighing **last, struct weighing *weighing);

/** Whose place it is: a client, or its /64. */
struct ip client_source(struct ip ip);
/** Where the client of that source stands, or would. */
struct scale_client **client_find(struct scale *scale, struct ip source);
/** The same, made if need be; NULL without memory. */
struct scale_client *client_of(struct scale *scale, struct ip source);
void client_drop_if_idle(struct scale *scale, struct scale_client *client);
/** One attempt of the client less is in work: the first in line takes its place. */
void client_leave(struct scale *scale, struct scale_client *client);

/** Into the line of its client, and out of it. */
void line_put(struct weighing *weighing);
void line_take(struct weighing *weighing);
/** Out of it and into work, however many of the client's are. */
void line_skip(struct weighing *weighing);
