/* dns_mesh.h -- the questions in flight, of all workers, and who waits for them.
 *
 * The first to ask a question has it resolved by its own worker; whoever asks the same before
 * the answer has come, on whatever worker, is put down as one more waiter.  An answer goes to
 * the inboxes of the waiters' workers, each of which hands out its own on its own loop.
 *
 * One lock guards the table, the lists of waiters and all inboxes.  A question's other members
 * belong to the worker that resolves it.
 */
#pragma once
#include "sources/dns_cache.h"

struct dns_mesh;

/* Answers on their way to the waits of one worker. */
struct dns_inbox {
	TAILQ_HEAD(, dns_wait) waits;
	int wake_fd; /* eventfd; readable when another worker has put something in */
	bool is_woken;
};

struct dns_question {
	struct dns_question *next; /* of the table's slot */
	TAILQ_HEAD(, dns_wait) waits;
	TAILQ_ENTRY(dns_question) by_age; /* of the worker that resolves it */
	struct dns *dns;                  /* that worker */
	void *resolver;                   /* its resolver, which alone uses stage */
	uint8_t stage;
	uint64_t hash;
	uint64_t began_us;
	uint32_t client_share, zone_share;
	struct dns_zone *zone; /* NULL: of no watched list */
	bool is_abandoned;     /* out of the table: too old to be joined */
	bool is_silent;        /* somebody's patience has run out */
	bool is_test;
	struct dns_asked asked;
	struct span key;
	char bytes[]; /* of key and asked.name */
};

struct dns_shares {
	uint32_t client_max, zone_max;
};

MUST_USE struct dns_mesh *dns_mesh_new(uint32_t questions_max);
void dns_mesh_free(struct dns_mesh *mesh);

void dns_mesh_open_inbox(struct dns_inbox *inbox, int wake_fd);

/** Wait for wait->fact with whoever asks the same, or else with question.
 *
 * @param question  made for this fact, hash, key and asked set; in the table when it is used
 * @param used_out  false: somebody else asks already, question is still the caller's
 * @return ERR_LIMIT: the question would exceed a limit; nobody waits
 */
MUST_USE enum err dns_mesh_join(struct dns_mesh *mesh, struct dns_wait *wait,
				struct dns_question *question, const struct dns_shares *shares,
				bool *used_out);

/** The answer has come: to the inboxes with it, and out of the table.
 *
 * @param entry  NULL: there is none, for this cause
 * @param own    the inbox of the calling worker, which is not woken
 */
void dns_mesh_finish(struct dns_mesh *mesh, struct dns_question *question, struct dns_entry *entry,
		     enum fact_cause cause, struct dns_inbox *own);

/** Nobody joins it any more, and it counts no more. */
void dns_mesh_abandon(struct dns_mesh *mesh, struct dns_question *question);

/** Put a failure straight into the worker's own inbox. */
void dns_mesh_refuse(struct dns_mesh *mesh, struct dns_wait *wait, enum fact_cause cause);

/** Stop waiting; false: it was not. */
bool dns_mesh_forget(struct dns_mesh *mesh, struct dns_wait *wait);

/** The wait's patience has run out.
 *
 * @param is_silent_out  it is the first wait of its question that says so
 * @return false: its answer is in the inbox already
 */
MUST_USE bool dns_mesh_expire(struct dns_mesh *mesh, struct dns_wait *wait, bool *is_silent_out);

/** The next wait that has its answer, no longer waiting; NULL: none is left. */
struct dns_wait *dns_mesh_next(struct dns_mesh *mesh, struct dns_inbox *inbox);

/** Which share of the counters a client or a zone has; key hashed by the cache. */
uint32_t dns_mesh_share(uint64_t hash);
