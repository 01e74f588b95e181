/* kill_test.c -- what was acknowledged survives kill -9, at whatever moment it comes.
 *
 *	kill_test [ROUNDS [SEED]]
 *
 * A child opens the store and keeps IN_FLIGHT questions under way: new triplets by number, and
 * counts of a few keys.  Each answer goes through a pipe.  After a random number of answers the
 * child is killed; then the store is opened anew, and must know every triplet and every count
 * that went through the pipe.
 */
#include "client.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ROUNDS = 200,
	IN_FLIGHT = 32,
	KEYS = 8,
	ACKS_MAX = 600,
	ACKS_LONG_MAX = 8000,
	TRIPLETS_MAX = 1000000,
	CHECK_MAX = 2000 /* questions at once */
};

/* number is the triplet's, or what is used of the key's; index is the key's, or -1 */
struct ack {
	int64_t number;
	int64_t index;
};

static struct world {
	char folder[64], path[80];
	struct store_options options;
	struct client_said said;
	int64_t now_ms;
	uint64_t random;
	/* what has been acknowledged so far */
	bool is_acked[TRIPLETS_MAX];
	int64_t triplets; /* that were asked, at most */
	int64_t used[KEYS];
} world;

static const struct triplet_terms terms = { 300000, 172800000, INT64_C(3024000000) };
static struct tally_count counting = { .amount = 1 };

/* --- the child --- */

struct question {
	struct store_wait wait;
	struct fact fact;
	struct client *client;
	struct ack ack;
	char key[80];
};

static int64_t next_triplet;
static int pipe_out;

static void ask(struct question *question)
{
	bool is_triplet = random_below(&world.random, 2) == 0;

	if (is_triplet) {
		question->ack = (struct ack){ next_triplet++, -1 };
		snprintf(question->key, sizeof(question->key), "net%d sender%d@example.org rcpt",
			 (int)(question->ack.number / 500), (int)question->ack.number);
	} else {
		question->ack = (struct ack){ 0, (int64_t)random_below(&world.random, KEYS) };
		snprintf(question->key, sizeof(question->key), "limit key%d",
			 (int)question->ack.index);
	}
	question->fact = (struct fact){ .kind = is_triplet ? FACT_GREYLIST : FACT_TALLY,
					.key = span_cstr(question->key),
					.count = is_triplet ? NULL : &counting,
					.terms = is_triplet ? &terms : NULL };
	store_ask(question->client->port, &question->wait);
}

static void answered(struct store_wait *wait)
{
	struct question *question = wait->owner;
	struct fact *fact = wait->fact;

	if (fact->state == FACT_FAILED)
		_exit(2);
	if (question->ack.index >= 0)
		question->ack.number = strtoll(fact->item[0].at, NULL, 10);
	store_release(question->client->port, fact);
	if (write(pipe_out, &question->ack, sizeof(question->ack)) !=
	    (ssize_t)sizeof(question->ack))
		_exit(3);
	ask(question);
}

static void run_child(int out)
{
	static struct question question[IN_FLIGHT];
	struct client client = { 0 };

	pipe_out = out;
	next_triplet = world.triplets;
	if (client_open(&client, &world.options) != OK)
		_exit(4);
	for (int i = 0; i < IN_FLIGHT; i++) {
		question[i].client = &client;
		question[i].wait = (struct store_wait){ .fact = &question[i].fact,
							.now_ms = world.now_ms,
							.answered = answered,
							.owner = &question[i] };
		ask(&question[i]);
	}
	event_base_dispatch(client.base);
	_exit(5);
}

/* --- the parent --- */

static void take_ack(const struct ack *ack)
{
	if (ack->index >= 0) {
		if (ack->number > world.used[ack->index])
			world.used[ack->index] = ack->number;
		return;
	}
	must(&world.said, ack->number < TRIPLETS_MAX, "too many triplets");
	world.is_acked[ack->number] = true;
	if (ack->number >= world.triplets)
		world.triplets = ack->number + 1;
}

/* Kill after so many answers; what is in the pipe by then was acknowledged, too. */
static void run_round(uint64_t acks)
{
	struct ack ack;
	int ends[2], status;
	pid_t child;

	must(&world.said, pipe(ends) == 0, "no pipe");
	child = fork();
	must(&world.said, child >= 0, "no child");
	if (child == 0) {
		close(ends[0]);
		run_child(ends[1]);
	}
	close(ends[1]);
	for (uint64_t i = 0; i < acks; i++) {
		must(&world.said, read(ends[0], &ack, sizeof(ack)) == (ssize_t)sizeof(ack),
		     "the child ended");
		take_ack(&ack);
	}
	kill(child, SIGKILL);
	while (read(ends[0], &ack, sizeof(ack)) == (ssize_t)sizeof(ack))
		take_ack(&ack);
	close(ends[0]);
	must(&world.said, waitpid(child, &status, 0) == child && WIFSIGNALED(status),
	     "the child was not killed");
}

/* The next acknowledged triplets from first on.  @return the number behind them */
static int64_t check_triplets(struct client *client, int64_t first)
{
	static struct fact fact[CHECK_MAX];
	static char key[CHECK_MAX][80];
	size_t count = 0;

	for (; first < world.triplets && count < CHECK_MAX; first++) {
		if (!world.is_acked[first])
			continue;
		snprintf(key[count], sizeof(key[count]), "net%d sender%d@example.org rcpt",
			 (int)(first / 500), (int)first);
		fact[count] = (struct fact){ .kind = FACT_GREYLIST,
					     .key = span_cstr(key[count]),
					     .terms = &terms };
		count++;
	}
	client_ask_all(client, fact, count, world.now_ms, true);
	for (size_t i = 0; i < count; i++) {
		must(&world.said, fact[i].state == FACT_KNOWN, key[i]);
		store_release(client->port, &fact[i]);
	}
	return first;
}

static void check(int64_t first_triplet)
{
	struct client client = { 0 };

	must(&world.said, client_open(&client, &world.options) == OK, client.why);
	while (first_triplet < world.triplets)
		first_triplet = check_triplets(&client, first_triplet);
	for (int i = 0; i < KEYS; i++) {
		char key[40];
		struct fact fact = { .kind = FACT_TALLY, .count = &counting };
		struct client_answer answer;

		snprintf(key, sizeof(key), "limit key%d", i);
		fact.key = span_cstr(key);
		answer = client_ask(&client, &fact, world.now_ms, true);
		must(&world.said, client_used(&answer) > world.used[i], "a count has fallen");
		world.used[i] = client_used(&answer) - 1;
	}
	client_close(&client);
	/* killed before the file had its tables */
	must(&world.said,
	     world.said.count ==
		     (client_heard(&world.said, "is empty: a new one is begun") ? 1 : 0),
	     "there was something to say");
}

/* Some rounds end while the store opens, some last until the journal goes into the file. */
static uint64_t random_acks(void)
{
	switch (random_below(&world.random, 40)) {
	case 0: return random_below(&world.random, ACKS_LONG_MAX);
	case 1:
	case 2:
	case 3: return 0;
	default: return random_below(&world.random, ACKS_MAX);
	}
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : ROUNDS;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
	char command[100];

	world.random = seed * 2654435761U + 88172645463325252U;
	world.now_ms = client_now_ms();
	pthread_mutex_init(&world.said.lock, NULL);
	must(&world.said, rates_parse(SPAN("1000000000/1d"), &counting.rates) == OK, "rates");
	must(&world.said, client_folder(world.folder, sizeof(world.folder), "kill"), "no folder");
	snprintf(world.path, sizeof(world.path), "%s/state.db", world.folder);
	world.options = client_sqlite(world.path, &world.said);
	for (int i = 0; i < rounds; i++) {
		int64_t first = world.triplets;

		run_round(random_acks());
		check(first);
		world.triplets += IN_FLIGHT; /* these may be there without an answer */
	}
	check(0);
	printf("ok: %d kills, %lld triplets, seed %llu\n", rounds, (long long)world.triplets,
	       (unsigned long long)seed);
	for (size_t i = 0; i < 2; i++) {
		snprintf(command, sizeof(command), "%s%s", world.path, i == 0 ? "" : ".lock");
		unlink(command);
	}
	return rmdir(world.folder) == 0 ? 0 : 1;
}
