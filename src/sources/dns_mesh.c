/* dns_mesh.c -- equal questions are asked once. */
#include "sources/dns_mesh.h"

#include "base/ensure.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

/* Shares are counted under a hash with a secret key.  Two that fall into one counter share
 * their limit: so rare, and so harmless, that names need not be kept and compared for it. */
enum { SHARE_COUNTERS = 1 << 16, SLOTS_MIN = 1024 };

struct dns_mesh {
	pthread_mutex_t lock;
	struct dns_question **slot;
	size_t slot_count; /* a power of two */
	uint32_t in_flight;
	uint32_t questions_max;
	uint32_t client[SHARE_COUNTERS];
	uint32_t zone[SHARE_COUNTERS];
};

struct dns_mesh *dns_mesh_new(uint32_t questions_max)
{
	struct dns_mesh *mesh = calloc(1, sizeof(*mesh));

	if (mesh == NULL)
		return NULL;
	mesh->questions_max = questions_max;
	mesh->slot_count = SLOTS_MIN;
	while (mesh->slot_count < questions_max)
		mesh->slot_count *= 2;
	mesh->slot = calloc(mesh->slot_count, sizeof(struct dns_question *));
	if (mesh->slot == NULL) {
		free(mesh);
		return NULL;
	}
	ENSURE(pthread_mutex_init(&mesh->lock, NULL) == 0);
	return mesh;
}

void dns_mesh_free(struct dns_mesh *mesh)
{
	if (mesh == NULL)
		return;
	ENSURE(mesh->in_flight == 0);
	pthread_mutex_destroy(&mesh->lock);
	free(mesh->slot);
	free(mesh);
}

void dns_mesh_open_inbox(struct dns_inbox *inbox, int wake_fd)
{
	TAILQ_INIT(&inbox->waits);
	inbox->wake_fd = wake_fd;
	inbox->is_woken = false;
}

uint32_t dns_mesh_share(uint64_t hash)
{
	return (uint32_t)(hash % SHARE_COUNTERS);
}

static struct dns_question **mesh_slot(struct dns_mesh *mesh, uint64_t hash)
{
	return &mesh->slot[hash & (mesh->slot_count - 1)];
}

static struct dns_question *mesh_find(struct dns_mesh *mesh, const struct dns_question *like)
{
	struct dns_question *question = *mesh_slot(mesh, like->hash);

	for (; question != NULL; question = question->next)
		if (question->hash == like->hash && question->asked.kind == like->asked.kind &&
		    span_equal(question->key, like->key))
			break;
	return question;
}

static void mesh_insert(struct dns_mesh *mesh, struct dns_question *question)
{
	struct dns_question **slot = mesh_slot(mesh, question->hash);

	question->next = *slot;
	*slot = question;
	mesh->in_flight++;
	mesh->client[question->client_share]++;
	mesh->zone[question->zone_share]++;
}

static void mesh_remove(struct dns_mesh *mesh, struct dns_question *question)
{
	struct dns_question **link = mesh_slot(mesh, question->hash);

	if (question->is_abandoned)
		return;
	while (*link != question)
		link = &(*link)->next;
	*link = question->next;
	mesh->in_flight--;
	mesh->client[question->client_share]--;
	mesh->zone[question->zone_share]--;
}

enum err dns_mesh_join(struct dns_mesh *mesh, struct dns_wait *wait, struct dns_question *question,
		       const struct dns_shares *shares, bool *used_out)
{
	struct dns_question *asked;
	enum err err = OK;

	pthread_mutex_lock(&mesh->lock);
	asked = mesh_find(mesh, question);
	if (asked != NULL) {
		*used_out = false;
	} else if (mesh->in_flight >= mesh->questions_max ||
		   mesh->client[question->client_share] >= shares->client_max ||
		   mesh->zone[question->zone_share] >= shares->zone_max) {
		err = ERR_LIMIT;
	} else {
		asked = question;
		mesh_insert(mesh, question);
		*used_out = true;
	}
	if (err == OK) {
		wait->question = asked;
		TAILQ_INSERT_TAIL(&asked->waits, wait, by_question);
	}
	pthread_mutex_unlock(&mesh->lock);
	return err;
}

static void inbox_put(struct dns_wait *wait, const struct dns_inbox *own)
{
	struct dns_inbox *inbox = wait->inbox;

	TAILQ_INSERT_TAIL(&inbox->waits, wait, by_question);
	if (inbox == own || inbox->is_woken)
		return;
	inbox->is_woken = true;
	/* cannot fail: the counter is at 0 whenever is_woken is false */
	(void)eventfd_write(inbox->wake_fd, 1);
}

void dns_mesh_finish(struct dns_mesh *mesh, struct dns_question *question, struct dns_entry *entry,
		     enum fact_cause cause, struct dns_inbox *own)
{
	struct dns_wait *wait;

	pthread_mutex_lock(&mesh->lock);
	mesh_remove(mesh, question);
	while ((wait = TAILQ_FIRST(&question->waits)) != NULL) {
		TAILQ_REMOVE(&question->waits, wait, by_question);
		wait->question = NULL;
		wait->cause = cause;
		wait->entry = entry;
		if (entry != NULL)
			dns_entry_hold(entry);
		inbox_put(wait, own);
	}
	pthread_mutex_unlock(&mesh->lock);
}

void dns_mesh_abandon(struct dns_mesh *mesh, struct dns_question *question)
{
	pthread_mutex_lock(&mesh->lock);
	mesh_remove(mesh, question);
	question->is_abandoned = true;
	pthread_mutex_unlock(&mesh->lock);
}

void dns_mesh_refuse(struct dns_mesh *mesh, struct dns_wait *wait, enum fact_cause cause)
{
	wait->cause = cause;
	pthread_mutex_lock(&mesh->lock);
	inbox_put(wait, wait->inbox);
	pthread_mutex_unlock(&mesh->lock);
}

bool dns_mesh_forget(struct dns_mesh *mesh, struct dns_wait *wait)
{
	if (wait->inbox == NULL)
		return false;
	pthread_mutex_lock(&mesh->lock);
	if (wait->question != NULL)
		TAILQ_REMOVE(&wait->question->waits, wait, by_question);
	else
		TAILQ_REMOVE(&wait->inbox->waits, wait, by_question);
	pthread_mutex_unlock(&mesh->lock);
	if (wait->entry != NULL)
		dns_entry_drop(wait->entry);
	wait->entry = NULL;
	wait->question = NULL;
	wait->inbox = NULL;
	return true;
}

bool dns_mesh_expire(struct dns_mesh *mesh, struct dns_wait *wait, bool *is_silent_out)
{
	struct dns_question *question;

	pthread_mutex_lock(&mesh->lock);
	question = wait->question;
	if (question != NULL) {
		*is_silent_out = !question->is_silent;
		question->is_silent = true;
		TAILQ_REMOVE(&question->waits, wait, by_question);
		wait->question = NULL;
		wait->inbox = NULL;
	}
	pthread_mutex_unlock(&mesh->lock);
	return question != NULL;
}

struct dns_wait *dns_mesh_next(struct dns_mesh *mesh, struct dns_inbox *inbox)
{
	struct dns_wait *wait;

	pthread_mutex_lock(&mesh->lock);
	wait = TAILQ_FIRST(&inbox->waits);
	if (wait != NULL) {
		TAILQ_REMOVE(&inbox->waits, wait, by_question);
		wait->inbox = NULL;
	} else if (inbox->is_woken) {
		eventfd_t count;

		(void)eventfd_read(inbox->wake_fd, &count);
		inbox->is_woken = false;
	}
	pthread_mutex_unlock(&mesh->lock);
	return wait;
}
