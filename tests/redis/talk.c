/* talk.c -- a store in Redis, by a line of text a question: for the tests of the driver.
 *
 *	talk NAME=VALUE ...	address (host:port or a path; several), mode, master, user,
 *				password, prefix, database, tls, ca, connect_ms, answer_ms;
 *				names: a file of lines "NAME ADDRESS", in place of DNS
 *
 * Lines in, words with blanks between ("_" is a blank inside of a word, "-" nothing):
 *	count ID SET KEY RATES [AMOUNT [NOW]]	touch ID KEY DELAY WINDOW KEEP [NOW]
 *	know ID SET KEY				remember SET KEY VALUE KEEP
 *	put ID CLASS SET KEY VALUE LIFE		erase ID CLASS SET KEY
 *	page ID CLASS SET MOST CONTAINS AFTER_SET AFTER
 *	rehearse ...: as count		many ID N SET KEY RATES: N counts in one turn
 *	figures ID
 * Lines out: "ID known ITEM, ITEM", "ID none", "ID failed CAUSE", "ID done", "say LEVEL ..."
 */
#include "base/ensure.h"
#include "base/number.h"
#include "store/store.h"
#include "weigh/tally.h"
#include "weigh/triplet.h"

#include <dlfcn.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { TALK_WORDS_MAX = 12 };

struct talk {
	struct event_base *base;
	struct store *store;
	struct store_port *port;
	struct evbuffer *input;
};

struct asked {
	struct store_wait wait;
	struct fact fact;
	struct tally_count count;
	struct triplet_terms terms;
	char *id, *key;
	struct talk *talk;
};

/* --- names --- */

static const char *names_path;
static pthread_t loop_thread;

/* In place of the library's: names are those of a file, and a loop never asks for any. */
int getaddrinfo(const char *restrict name, const char *restrict service,
		const struct addrinfo *restrict hints, struct addrinfo **restrict found_out)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	struct addrinfo numeric = *hints;
	char line[256], known[128], address[128];
	bool is_found = false;
	FILE *file;

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (hints->ai_flags & AI_NUMERICHOST)
		return real(name, service, hints, found_out);
	ENSURE(!pthread_equal(pthread_self(), loop_thread));
	if (names_path == NULL)
		return real(name, service, hints, found_out);
	file = fopen(names_path, "r");
	while (file != NULL && !is_found && fgets(line, sizeof(line), file) != NULL)
		is_found = sscanf(line, "%127s %127s", known, address) == 2 &&
			   strcmp(known, name) == 0;
	if (file != NULL)
		fclose(file);
	numeric.ai_flags |= AI_NUMERICHOST;
	return is_found ? real(address, service, &numeric, found_out) : EAI_AGAIN;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t number(const char *word)
{
	int64_t value = 0;

	ENSURE(word != NULL && number_parse(span_cstr(word), &value) == OK);
	return value;
}

static void said(void *self, enum store_level level, const char *text)
{
	(void)self;
	printf("say %d %s\n", (int)level, text);
}

static char *copied(const char *text)
{
	char *copy = strdup(text);

	ENSURE(copy != NULL);
	return copy;
}

/* --- facts --- */

static void answered(struct store_wait *wait)
{
	struct asked *asked = wait->owner;
	const struct fact *fact = wait->fact;

	printf("%s ", asked->id);
	if (fact->state == FACT_FAILED)
		printf("failed %.*s", SPAN_ARG(fact_cause_name(fact->cause)));
	else if (fact->state == FACT_NONE)
		printf("none");
	else
		printf("known ");
	for (unsigned i = 0; fact->state == FACT_KNOWN && i < fact->item_count; i++)
		printf("%s%.*s", i > 0 ? ", " : "", SPAN_ARG(fact->item[i]));
	printf("\n");
	if (fact->state == FACT_KNOWN)
		store_release(asked->talk->port, wait->fact);
	free(asked->id);
	free(asked->key);
	free(asked);
}

static struct asked *ask_new(struct talk *talk, enum fact_kind kind, char **word, const char *set,
			     const char *key)
{
	struct asked *asked = calloc(1, sizeof(*asked));
	size_t len = strlen(key) + 2 + (set != NULL ? strlen(set) : 0);

	ENSURE(asked != NULL);
	asked->talk = talk;
	asked->id = copied(word[1]);
	asked->key = malloc(len);
	ENSURE(asked->key != NULL);
	snprintf(asked->key, len, "%s%s%s", set != NULL ? set : "", set != NULL ? " " : "", key);
	asked->fact.kind = kind;
	asked->fact.key = span_cstr(asked->key);
	asked->fact.count = kind == FACT_TALLY ? &asked->count : NULL;
	asked->fact.terms = kind == FACT_GREYLIST ? &asked->terms : NULL;
	asked->wait = (struct store_wait){
		.fact = &asked->fact, .now_ms = now_ms(), .answered = answered, .owner = asked
	};
	return asked;
}

static void ask_count(struct talk *talk, char **word, bool is_rehearsal)
{
	struct asked *asked = ask_new(talk, FACT_TALLY, word, word[2], word[3]);

	ENSURE(rates_parse(span_cstr(word[4]), &asked->count.rates) == OK);
	asked->count.amount = word[5] != NULL ? number(word[5]) : 1;
	if (word[5] != NULL && word[6] != NULL)
		asked->wait.now_ms = number(word[6]);
	asked->wait.is_rehearsal = is_rehearsal;
	store_ask(talk->port, &asked->wait);
}

static void do_count(struct talk *talk, char **word)
{
	ask_count(talk, word, false);
}

static void do_rehearse(struct talk *talk, char **word)
{
	ask_count(talk, word, true);
}

static void do_many(struct talk *talk, char **word)
{
	char *one[TALK_WORDS_MAX + 1] = { word[0], word[1], word[3], word[4], word[5] };

	for (int64_t i = number(word[2]); i > 0; i--)
		ask_count(talk, one, false);
}

static void do_touch(struct talk *talk, char **word)
{
	struct asked *asked = ask_new(talk, FACT_GREYLIST, word, NULL, word[2]);

	asked->terms = (struct triplet_terms){ number(word[3]), number(word[4]), number(word[5]) };
	if (word[6] != NULL)
		asked->wait.now_ms = number(word[6]);
	store_ask(talk->port, &asked->wait);
}

static void do_know(struct talk *talk, char **word)
{
	store_ask(talk->port, &ask_new(talk, FACT_REMEMBERED, word, word[2], word[3])->wait);
}

static void do_remember(struct talk *talk, char **word)
{
	struct memory memory = {
		.set = span_cstr(word[1]),
		.key = span_cstr(word[2]),
		.value = strcmp(word[3], "-") == 0 ? (struct span){ 0 } : span_cstr(word[3]),
		.keep_ms = number(word[4]),
	};

	store_remember(talk->port, &memory, now_ms());
}

/* --- entries --- */

static enum store_class class_of(const char *word)
{
	for (unsigned i = 0; i < STORE_CLASS_COUNT; i++)
		if (span_equal(store_class_name((enum store_class)i), span_cstr(word)))
			return (enum store_class)i;
	ensure_failed("a class", word, 0);
}

static struct span optional(const char *word)
{
	return word == NULL || strcmp(word, "-") == 0 ? SPAN("") : span_cstr(word);
}

static void done(void *self, const struct store_ended *ended)
{
	char *id = self;
	int64_t now = now_ms();

	for (uint32_t i = 0; i < ended->entry_count; i++) {
		const struct store_entry *entry = &ended->entry[i];

		printf("%s entry %.*s|%.*s|%.*s|%lld\n", id, SPAN_ARG(entry->set),
		       SPAN_ARG(entry->key), SPAN_ARG(entry->value),
		       (long long)(entry->expires_ms > 0 ? entry->expires_ms - now : 0));
	}
	if (ended->result != OK)
		printf("%s error %d %.*s\n", id, (int)ended->result, SPAN_ARG(ended->why));
	else if (ended->has_more)
		printf("%s more %.*s|%.*s\n", id, SPAN_ARG(ended->next_set), SPAN_ARG(ended->next));
	else
		printf("%s done\n", id);
	free(id);
}

static void do_put(struct talk *talk, char **word)
{
	int64_t life_ms = number(word[6]);
	struct store_entry entry = { class_of(word[2]), optional(word[3]), span_cstr(word[4]),
				     span_cstr(word[5]), life_ms > 0 ? now_ms() + life_ms : 0 };

	store_put(talk->port, &entry, now_ms(), done, copied(word[1]));
}

static void do_erase(struct talk *talk, char **word)
{
	struct store_entry entry = { .class = class_of(word[2]),
				     .set = optional(word[3]),
				     .key = span_cstr(word[4]) };

	store_erase(talk->port, &entry, done, copied(word[1]));
}

static void do_page(struct talk *talk, char **word)
{
	struct store_page page = {
		.class = class_of(word[2]),
		.set = optional(word[3]),
		.most = (uint32_t)number(word[4]),
		.contains = optional(word[5]),
		.after_set = optional(word[6]),
		.after = optional(word[7]),
	};

	store_page(talk->port, &page, now_ms(), done, copied(word[1]));
}

static void do_figures(struct talk *talk, char **word)
{
	struct store_figures figures;

	store_figures(talk->store, &figures);
	printf("%s figures", word[1]);
#define FIGURE(name) printf(" " #name "=%llu", (unsigned long long)figures.name);
	STORE_FIGURES(FIGURE)
#undef FIGURE
	printf("\n");
}

static const struct {
	const char *verb;
	void (*act)(struct talk *talk, char **word);
} verbs[] = {
	{ "count", do_count },     { "rehearse", do_rehearse }, { "many", do_many },
	{ "touch", do_touch },     { "know", do_know },         { "remember", do_remember },
	{ "put", do_put },         { "erase", do_erase },       { "page", do_page },
	{ "figures", do_figures },
};

static void act(struct talk *talk, char *line)
{
	char *word[TALK_WORDS_MAX + 1] = { NULL };
	size_t count = 0;

	for (char *at = strtok(line, " "); at != NULL && count < TALK_WORDS_MAX;
	     at = strtok(NULL, " "))
		word[count++] = at;
	for (size_t i = 0; i < count; i++)
		for (char *at = word[i]; *at != '\0'; at++)
			if (*at == '_')
				*at = ' ';
	for (size_t i = 0; count > 1 && i < sizeof(verbs) / sizeof(*verbs); i++)
		if (strcmp(verbs[i].verb, word[0]) == 0)
			verbs[i].act(talk, word);
}

static void on_input(evutil_socket_t input, short events, void *self)
{
	struct talk *talk = self;
	char *line;

	(void)events;
	if (evbuffer_read(talk->input, input, 65536) <= 0) {
		event_base_loopbreak(talk->base);
		return;
	}
	while ((line = evbuffer_readln(talk->input, NULL, EVBUFFER_EOL_LF)) != NULL) {
		act(talk, line);
		free(line);
	}
}

/* --- options --- */

static void address_add(struct store_options *options, struct span value)
{
	struct store_address *address = &options->address[options->address_count++];
	size_t colon = span_rfind(value, ':');
	int64_t port = 0;

	if (value.at[0] == '/') {
		address->path = value;
		return;
	}
	ENSURE(number_parse(span_from(value, colon + 1), &port) == OK);
	address->host = span_first(value, colon);
	address->port = (uint16_t)port;
}

static void option_set(struct store_options *options, struct span name, struct span value)
{
	struct {
		struct span name;
		struct span *text;
		int64_t *time_ms;
	} places[] = {
		{ SPAN("master"), &options->master, NULL },
		{ SPAN("user"), &options->user, NULL },
		{ SPAN("password"), &options->password, NULL },
		{ SPAN("prefix"), &options->prefix, NULL },
		{ SPAN("ca"), &options->ca_file, NULL },
		{ SPAN("connect_ms"), NULL, &options->connect_ms },
		{ SPAN("answer_ms"), NULL, &options->answer_ms },
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (!span_equal(name, places[i].name))
			continue;
		if (places[i].text != NULL)
			*places[i].text = value;
		else
			*places[i].time_ms = number(value.at);
	}
	if (span_equal(name, SPAN("address")))
		address_add(options, value);
	if (span_equal(name, SPAN("database")))
		options->database = (uint32_t)number(value.at);
	if (span_equal(name, SPAN("names")))
		names_path = value.at;
	if (span_equal(name, SPAN("tls")))
		options->has_tls = true;
	if (span_equal(name, SPAN("mode")))
		options->mode = span_equal(value, SPAN("cluster"))    ? STORE_CLUSTER
				: span_equal(value, SPAN("sentinel")) ? STORE_SENTINEL
								      : STORE_SINGLE;
}

int main(int argc, char **argv)
{
	struct store_options options = { .kind = STORE_REDIS,
					 .prefix = SPAN("weighd"),
					 .connect_ms = 200,
					 .answer_ms = 100,
					 .say = said };
	struct talk talk = { .base = event_base_new(), .input = evbuffer_new() };
	struct event *input = event_new(talk.base, 0, EV_READ | EV_PERSIST, on_input, &talk);
	TEXT(why, 512);

	setvbuf(stdout, NULL, _IOLBF, 0);
	loop_thread = pthread_self();
	for (int i = 1; i < argc; i++) {
		struct span value = span_cstr(argv[i]), name;

		(void)span_cut(&value, '=', &name);
		option_set(&options, name, value);
	}
	if (store_open(&options, &why, &talk.store) != OK) {
		printf("fault %s\n", text_cstr(&why));
		return 1;
	}
	talk.port = store_port_open(talk.store, talk.base);
	ENSURE(talk.port != NULL);
	event_add(input, NULL);
	event_base_dispatch(talk.base);
	store_port_close(talk.port);
	store_close(talk.store);
	event_free(input);
	evbuffer_free(talk.input);
	event_base_free(talk.base);
	return 0;
}
