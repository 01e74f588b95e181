/* greylistd.c -- commands of greylistd's protocol: attempts are weighed, triplets looked up. */
#include "daemon/greylistd_priv.h"

#include "base/ensure.h"
#include "daemon/clock.h"
#include "weigh/answer.h"
#include "weigh/counting.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* --- errands --- */

static struct errand *errand_new(struct greylistd *greylistd, struct exim_client *client,
				 const struct exim_command *command)
{
	struct errand *errand = calloc(1, sizeof(*errand));

	if (errand == NULL)
		return NULL;
	errand->greylistd = greylistd;
	errand->client = client;
	errand->action = command->action;
	memcpy(errand->colour, command->colour, sizeof(errand->colour));
	errand->colour_count = command->colour_count;
	errand->next = greylistd->errand;
	if (errand->next != NULL)
		errand->next->previous = errand;
	greylistd->errand = errand;
	*exim_client_held(client) = errand;
	return errand;
}

static void errand_free(struct errand *errand)
{
	struct greylistd *greylistd = errand->greylistd;

	ENSURE(errand->weighing == NULL && !errand->is_asking);
	*(errand->previous != NULL ? &errand->previous->next : &greylistd->errand) = errand->next;
	if (errand->next != NULL)
		errand->next->previous = errand->previous;
	free(errand->out.at);
	free(errand);
}

bool errand_is_left(struct errand *errand)
{
	if (errand->client != NULL)
		return false;
	if (errand->in_store == 0)
		errand_free(errand);
	return true;
}

void errand_answer(struct errand *errand, struct span answer)
{
	struct exim_client *client = errand->client;

	ENSURE(errand->in_store == 0);
	errand_free(errand);
	exim_answer(client, answer);
}

void errand_fail(struct errand *errand)
{
	errand_answer(errand, SPAN("error: The store does not answer"));
}

static void answer_colour(struct errand *errand, enum exim_colour colour)
{
	if (errand->colour_count == 0)
		errand_answer(errand, exim_colour_name(colour));
	else
		errand_answer(errand, errand->colour[0] == colour ? SPAN("true") : SPAN("false"));
}

enum exim_colour triplet_colour_of(const struct triplet *triplet, int64_t now_ms)
{
	switch (triplet_colour_at(triplet, now_ms)) {
	case TRIPLET_WHITE: return EXIM_WHITE;
	case TRIPLET_BLACK: return EXIM_BLACK;
	case TRIPLET_PLAIN: break;
	}
	return triplet->passed_ms > 0 ? EXIM_WHITE : EXIM_GREY;
}

/* --- status, add, delete: one triplet --- */

static void say_listed(struct errand *errand, const char *what, enum exim_colour colour)
{
	TEXT(answer, 64);

	text_add(&answer, span_cstr(what));
	text_add(&answer, exim_colour_name(colour));
	text_add(&answer, SPAN("list"));
	errand_answer(errand, text_span(&answer));
}

static void on_written(void *self, const struct store_ended *ended)
{
	struct errand *errand = self;

	errand->in_store--;
	if (errand_is_left(errand))
		return;
	if (ended->result == ERR_MISSING)
		errand_answer(errand, SPAN("error: Not found"));
	else if (ended->result != OK)
		errand_fail(errand);
	else
		say_listed(errand, errand->action == EXIM_ADD ? "Added to " : "Removed from ",
			   errand->colour[0]);
}

static void put_triplet(struct errand *errand)
{
	static const enum triplet_colour colours[] = {
		[EXIM_WHITE] = TRIPLET_WHITE,
		[EXIM_GREY] = TRIPLET_PLAIN,
		[EXIM_BLACK] = TRIPLET_BLACK,
	};
	struct triplet triplet = { .first_ms = errand->now_ms, .last_ms = errand->now_ms };
	TEXT(value, TRIPLET_TEXT_MAX);
	struct store_entry entry = { .class = STORE_TRIPLET, .key = errand_key(errand) };

	if (errand->colour_count == 0)
		errand->colour[errand->colour_count++] = EXIM_WHITE;
	triplet.colour = colours[errand->colour[0]];
	text_add_triplet(&value, &triplet);
	entry.value = text_span(&value);
	entry.expires_ms = triplet_expires_ms(&triplet, &errand->terms);
	errand->in_store++;
	store_put(errand->greylistd->worker->store, &entry, errand->now_ms, on_written, errand);
}

static void erase_triplet(struct errand *errand, enum exim_colour colour)
{
	struct store_entry entry = { .class = STORE_TRIPLET, .key = errand_key(errand) };

	errand->colour[0] = colour;
	errand->in_store++;
	store_erase(errand->greylistd->worker->store, &entry, on_written, errand);
}

/* What the store knows, if it has not expired. */
static bool triplet_of_fact(const struct errand *errand, struct triplet *triplet_out)
{
	const struct fact *fact = &errand->fact;

	return fact->state == FACT_KNOWN && fact->item_count > 0 &&
	       triplet_item_parse(fact->item[0], errand->now_ms, triplet_out) == OK &&
	       triplet_judge(triplet_out, &errand->terms, errand->now_ms) != TRIPLET_EXPIRED;
}

static void on_triplet(struct store_wait *wait)
{
	struct errand *errand = wait->owner;
	bool is_failed = errand->fact.state == FACT_FAILED;
	struct triplet triplet;
	bool is_known = triplet_of_fact(errand, &triplet);

	errand->is_asking = false;
	store_release(errand->greylistd->worker->store, &errand->fact);
	if (is_failed)
		errand_fail(errand);
	else if (errand->action == EXIM_STATUS)
		errand_answer(errand, is_known ? exim_colour_name(triplet_colour_of(&triplet,
										    errand->now_ms))
					       : SPAN("unseen"));
	else if (is_known)
		erase_triplet(errand, triplet_colour_of(&triplet, errand->now_ms));
	else
		errand_answer(errand, SPAN("error: Not found"));
}

static void ask_triplet(struct errand *errand)
{
	errand->fact = (struct fact){ .kind = FACT_GREYLIST,
				      .key = errand_key(errand),
				      .terms = &errand->terms };
	errand->wait = (struct store_wait){ .fact = &errand->fact,
					    .now_ms = errand->now_ms,
					    .is_rehearsal = true,
					    .answered = on_triplet,
					    .owner = errand };
	errand->is_asking = true;
	store_ask(errand->greylistd->worker->store, &errand->wait);
}

/* The greylist statement that was reached, or else the first that has a key for the attempt. */
static bool find_triplet(struct errand *errand, const struct walk *walk)
{
	const struct statement *at = walk->greylisted.statement;
	struct span key = walk->greylisted.key;

	for (unsigned i = 0; key.len == 0 && i < walk->policy->statement_count; i++) {
		at = &walk->policy->statement[i];
		if (at->kind == STATEMENT_GREYLIST &&
		    walk_greylist_key(walk, at->greylist, &key) != VALUE_KNOWN)
			key = (struct span){ 0 };
	}
	if (key.len == 0 || key.len > sizeof(errand->key))
		return false;
	memcpy(errand->key, key.at, key.len);
	errand->key_len = key.len;
	errand->terms = at->greylist->terms;
	return true;
}

static void look_up(struct errand *errand, const struct walk *walk)
{
	bool has_triplet = find_triplet(errand, walk);

	scale_close(errand->weighing);
	errand->weighing = NULL;
	if (has_triplet && errand->action == EXIM_ADD)
		put_triplet(errand);
	else if (has_triplet)
		ask_triplet(errand);
	else if (errand->action == EXIM_STATUS)
		errand_answer(errand, SPAN("unseen"));
	else if (errand->action == EXIM_DELETE)
		errand_answer(errand, SPAN("error: Not found"));
	else
		errand_answer(errand, SPAN("error: The policy greylists no such data"));
}

/* --- attempts --- */

/* What the mail server is to do with an answer of access(5). */
static enum exim_colour colour_of_answer(struct span answer)
{
	if (span_starts_nocase(answer, SPAN("DEFER")) || span_starts(answer, SPAN("4")))
		return EXIM_GREY;
	if (span_starts_nocase(answer, SPAN("REJECT")) || span_starts(answer, SPAN("5")))
		return EXIM_BLACK;
	return EXIM_WHITE;
}

static void count(struct greylistd *greylistd, const struct walk *walk)
{
	struct greylistd_counts *counts = &greylistd->worker->shared->greylistd;

	if (walk->greylisted.statement == NULL || walk->greylisted.is_failed ||
	    walk->greylisted.is_trusted)
		return;
	if (walk->greylisted.outcome == TRIPLET_NEW || walk->greylisted.outcome == TRIPLET_EXPIRED)
		atomic_fetch_add_explicit(&counts->grey, 1, memory_order_relaxed);
	if (walk->greylisted.outcome == TRIPLET_PASSED)
		atomic_fetch_add_explicit(&counts->white, 1, memory_order_relaxed);
}

/* Nothing of an attempt is left behind for a connection: each has one alone. */
static void forget_conversation(struct greylistd *greylistd, const struct weighing *weighing)
{
	const struct walk *walk = &weighing->walk;

	for (unsigned i = 0; i < walk->policy->weigh_count; i++)
		if (walk->findings[i].own != NULL && walk->findings[i].own->memory_count > 0) {
			store_forget_conversation(greylistd->worker->store,
						  weighing->attempt.conversation);
			return;
		}
}

static void conclude(struct errand *errand)
{
	struct greylistd *greylistd = errand->greylistd;
	struct weighing *weighing = errand->weighing;
	enum exim_colour colour;
	TEXT(answer, ANSWER_MAX);

	if (errand->action == EXIM_UPDATE && !weighing->is_unweighed) {
		worker_decide(greylistd->worker, weighing, 0, &answer);
		count(greylistd, &weighing->walk);
		forget_conversation(greylistd, weighing);
	} else if (!weighing->is_unweighed) {
		answer_to_mta(&weighing->walk, 0, &answer);
	}
	colour = colour_of_answer(text_span(&answer));
	scale_close(weighing);
	errand->weighing = NULL;
	answer_colour(errand, colour);
}

static void settled(struct errand *errand)
{
	struct weighing *weighing = errand->weighing;

	if (errand->action == EXIM_UPDATE || errand->action == EXIM_CHECK) {
		conclude(errand);
	} else if (weighing->is_unweighed) {
		scale_close(weighing);
		errand->weighing = NULL;
		errand_answer(errand, SPAN("error: There is no room"));
	} else {
		look_up(errand, &weighing->walk);
	}
}

static void on_settled(struct weighing *weighing)
{
	settled(weighing->owner);
}

/* Nothing was weighed, by the rule for overload (F1). */
static void answer_without(struct errand *errand)
{
	worker_say_overload(errand->greylistd->worker);
	if (errand->action == EXIM_UPDATE || errand->action == EXIM_CHECK)
		answer_colour(errand, EXIM_WHITE);
	else
		errand_answer(errand, SPAN("error: There is no room"));
}

static void weigh(struct errand *errand, const struct policy *policy, struct span words)
{
	struct weighing *weighing = worker_open_place(errand->greylistd->worker, policy);

	if (weighing == NULL) {
		answer_without(errand);
		return;
	}
	errand->weighing = weighing;
	errand->now_ms = weighing->attempt.time_ms;
	weighing->attempt.conversation = weighing->attempt.id;
	weighing->is_rehearsal = errand->action != EXIM_UPDATE;
	weighing->owner = errand;
	weighing->settled = on_settled;
	if (greylistd_fill(words, &weighing->arena, &weighing->attempt) != OK) {
		scale_close(weighing);
		errand->weighing = NULL;
		answer_without(errand);
	} else if (scale_weigh(weighing)) {
		settled(errand);
	}
}

/* --- the front's keeper --- */

static void run(void *self, struct exim_client *client, const void *policy,
		const struct exim_command *command)
{
	struct greylistd *greylistd = self;
	struct errand *errand = errand_new(greylistd, client, command);

	if (errand == NULL) {
		exim_answer(client, SPAN("error: There is no memory"));
		return;
	}
	errand->now_ms = clock_wall_ms();
	switch (command->action) {
	case EXIM_UPDATE:
	case EXIM_CHECK:
	case EXIM_STATUS:
	case EXIM_ADD:
	case EXIM_DELETE: weigh(errand, policy, command->data); return;
	case EXIM_LIST:
	case EXIM_STATS:
	case EXIM_CLEAR: errand_pages(errand); return;
	case EXIM_MRTG: errand_mrtg(errand); return;
	case EXIM_SAVE:
		/* It always is. */
		errand_answer(errand, SPAN("greylistd data has been saved"));
		return;
	case EXIM_RELOAD:
		/* The main thread hears it; how it went is in the log. */
		kill(getpid(), SIGHUP);
		errand_answer(errand, SPAN("configuration and data reloaded"));
		return;
	case EXIM_ACTION_COUNT: break;
	}
	ENSURE(false);
}

static void more(void *self, struct exim_client *client)
{
	(void)self;
	errand_pages_more(*exim_client_held(client));
}

static void withdraw(struct errand *errand)
{
	if (errand->is_asking)
		store_forget(errand->greylistd->worker->store, &errand->wait);
	errand->is_asking = false;
	if (errand->weighing != NULL)
		scale_close(errand->weighing);
	errand->weighing = NULL;
}

static void leave(void *self, struct exim_client *client)
{
	struct errand *errand = *exim_client_held(client);

	(void)self;
	withdraw(errand);
	errand->client = NULL;
	(void)errand_is_left(errand);
}

static void note(void *self, enum front_note note_, struct span peer)
{
	struct greylistd *greylistd = self;

	worker_say_note(greylistd->worker, note_, peer);
}

/* --- life --- */

struct greylistd *greylistd_new(struct worker *worker)
{
	struct greylistd *greylistd = calloc(1, sizeof(*greylistd));
	struct exim_options options = {
		.base = worker->base,
		.census = worker->shared->census,
		.keeper = { greylistd, run, more, leave, note },
	};
	int64_t never = 0;

	if (greylistd == NULL)
		return NULL;
	greylistd->worker = worker;
	greylistd->exim = exim_new(&options);
	if (greylistd->exim == NULL) {
		free(greylistd);
		return NULL;
	}
	atomic_compare_exchange_strong(&worker->shared->greylistd.began_ms, &never,
				       clock_wall_ms());
	return greylistd;
}

struct exim *greylistd_front(struct greylistd *greylistd)
{
	return greylistd->exim;
}

void greylistd_close(struct greylistd *greylistd)
{
	if (greylistd == NULL)
		return;
	exim_free(greylistd->exim);
	greylistd->exim = NULL;
}

void greylistd_free(struct greylistd *greylistd)
{
	if (greylistd == NULL)
		return;
	ENSURE(greylistd->exim == NULL);
	/* What the store was to say is not said any more. */
	while (greylistd->errand != NULL)
		errand_free(greylistd->errand);
	free(greylistd);
}
