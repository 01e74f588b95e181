/* redis_fuzz.c -- whatever a Redis server says: each question is answered once, and nothing breaks.
 *
 * The wire is this file's: no socket is opened.  The first byte chooses the mode; then each byte
 * is a step (a question, bytes from a server, a lost connection, a turn of the loop), which may
 * take more of the input.
 */
#include "base/ensure.h"
#include "store/redis_priv.h"

#include <event2/event.h>
#include <stdlib.h>

enum { WAITS_MAX = 48, PAGES_MAX = 16 };

struct asked {
	struct store_wait wait;
	struct fact fact;
	struct tally_count count;
	struct triplet_terms terms;
	unsigned answers;
};

static struct fuzz {
	struct event_base *base;
	struct store *store;
	struct redis_port *port;
	struct span rest;
	struct redis_link *open[NODES_MAX + 1];
	unsigned open_count;
	struct asked asked[WAITS_MAX];
	unsigned asked_count, pages, pages_done;
	bool is_full; /* nothing can be written */
} fuzz;

/* --- the wire --- */

enum err wire_open(struct redis_link *link)
{
	ENSURE(fuzz.open_count <= NODES_MAX && link->reader == NULL && !link->is_mute);
	if (reader_open(link) != OK)
		return ERR_SYSTEM;
	fuzz.open[fuzz.open_count++] = link;
	return OK;
}

void wire_close(struct redis_link *link)
{
	for (unsigned i = 0; i < fuzz.open_count; i++)
		if (fuzz.open[i] == link)
			fuzz.open[i--] = fuzz.open[--fuzz.open_count];
	link->is_mute = false;
	reader_close(link);
}

void wire_write(struct redis_link *link, const char *bytes, size_t len)
{
	ENSURE(link->reader != NULL && len > 0 && bytes[0] == '*');
	if (!fuzz.is_full)
		return;
	link->is_mute = true;
	link_patience(link, 0);
}

void wire_command(struct redis_link *link, const struct span *word, size_t count)
{
	ENSURE(count <= GREETING_WORDS_MAX && word[0].len > 0);
	wire_write(link, "*", 1);
}

/* --- the input --- */

static uint8_t take(void)
{
	uint8_t byte = 0;

	if (fuzz.rest.len > 0) {
		byte = (uint8_t)fuzz.rest.at[0];
		fuzz.rest = span_from(fuzz.rest, 1);
	}
	return byte;
}

static struct redis_link *some_link(void)
{
	unsigned at = take();

	return fuzz.open_count > 0 ? fuzz.open[at % fuzz.open_count] : NULL;
}

/* --- steps --- */

static void answered(struct store_wait *wait)
{
	struct asked *asked = wait->owner;

	ENSURE(asked->answers++ == 0 && fuzz.port != NULL);
	ENSURE(wait->fact->state != FACT_PENDING);
	if (wait->fact->state == FACT_KNOWN)
		store_release(&fuzz.port->port, wait->fact);
}

static struct asked *ask_new(enum fact_kind kind)
{
	static const struct span keys[] = { SPAN_INIT("out anna"), SPAN_INIT("out bob"),
					    SPAN_INIT("in carl") };
	struct asked *asked = &fuzz.asked[fuzz.asked_count++];

	*asked = (struct asked){ .answers = 0 };
	asked->fact = (struct fact){ .kind = kind,
				     .key = keys[take() % 3],
				     .count = &asked->count,
				     .terms = &asked->terms };
	asked->count = (struct tally_count){ .rates = { .rate = { { 5, 60000 }, { 9, 3600000 } },
							.count = 1 + take() % 2 },
					     .amount = 1 };
	asked->terms = (struct triplet_terms){ 1000, 60000, 600000 };
	asked->wait = (struct store_wait){
		.fact = &asked->fact, .now_ms = 1700000000000, .answered = answered, .owner = asked
	};
	return asked;
}

static void ask(enum fact_kind kind, bool is_rehearsal)
{
	struct asked *asked;

	if (fuzz.asked_count == WAITS_MAX)
		return;
	asked = ask_new(kind);
	asked->wait.is_rehearsal = is_rehearsal;
	store_ask(&fuzz.port->port, &asked->wait);
}

static void do_count(void)
{
	ask(FACT_TALLY, false);
}

static void do_touch(void)
{
	ask(FACT_GREYLIST, false);
}

static void do_know(void)
{
	ask(FACT_REMEMBERED, false);
}

static void do_rehearse(void)
{
	ask(take() % 2 ? FACT_TALLY : FACT_GREYLIST, true);
}

static void do_forget(void)
{
	struct asked *asked = &fuzz.asked[take() % WAITS_MAX];

	if (asked >= fuzz.asked + fuzz.asked_count || asked->answers > 0)
		return;
	store_forget(&fuzz.port->port, &asked->wait);
	asked->answers = 1; /* none may come */
}

static void page_done(void *self, const struct store_ended *ended)
{
	(void)self;
	ENSURE(fuzz.pages_done < fuzz.pages && fuzz.port != NULL);
	ENSURE(ended->entry_count == 0 || ended->result == OK);
	for (uint32_t i = 0; i < ended->entry_count; i++)
		ENSURE(store_entry_fault(&ended->entry[i], 1700000000000) == NULL);
	fuzz.pages_done++;
}

static void do_page(void)
{
	struct store_page page = { .class = (enum store_class)(take() % STORE_CLASS_COUNT),
				   .most = 1 + take() };

	if (fuzz.pages++ < PAGES_MAX)
		store_page(&fuzz.port->port, &page, 1700000000000, page_done, NULL);
	else
		fuzz.pages--;
}

static void do_change(void)
{
	const struct store_entry entry = {
		.class = STORE_KNOWN, .set = SPAN("s"), .key = SPAN("k"), .value = SPAN("v")
	};
	const struct memory memory = { .set = SPAN("s"), .key = SPAN("k"), .keep_ms = 1000 };

	switch (take() % 3) {
	case 0: store_remember(&fuzz.port->port, &memory, 1700000000000); return;
	case 1:
		fuzz.pages++;
		store_put(&fuzz.port->port, &entry, 1700000000000, page_done, NULL);
		return;
	default: fuzz.pages++; store_erase(&fuzz.port->port, &entry, page_done, NULL);
	}
}

static void do_turn(void)
{
	(void)event_base_loop(fuzz.base, EVLOOP_NONBLOCK);
}

static void do_connect(void)
{
	struct redis_link *link = some_link();

	if (link != NULL)
		link_connected(link);
}

/* Of the link that is chosen, in pieces. */
static void say(struct redis_link *link, struct span bytes)
{
	size_t piece = 1 + take();

	while (bytes.len > 0) {
		struct span part = span_first(bytes, piece);

		bytes = span_from(bytes, part.len);
		if (link->reader == NULL)
			return;
		reader_feed(link, part.at, part.len);
	}
}

static void do_say(void)
{
	struct redis_link *link = some_link();
	size_t len = (size_t)take() * 4;
	struct span bytes = span_first(fuzz.rest, len);

	fuzz.rest = span_from(fuzz.rest, bytes.len);
	if (link != NULL)
		say(link, bytes);
}

static void do_greet(void)
{
	struct redis_link *link = some_link();

	if (link == NULL)
		return;
	link_connected(link);
	if (link->role == LINK_SENTINEL)
		say(link, SPAN("*2\r\n$9\r\n127.0.0.1\r\n$4\r\n7001\r\n"));
	else if (fuzz.store->options.mode == STORE_SENTINEL)
		say(link, SPAN("+OK\r\n*1\r\n$6\r\nmaster\r\n"));
	else
		say(link, SPAN("+OK\r\n+PONG\r\n"));
}

static void do_lose(void)
{
	struct redis_link *link = some_link();

	if (link != NULL)
		link_fail(link, take() % 2 ? CAUSE_DOWN : CAUSE_TIMEOUT, "lost");
}

static void do_fill(void)
{
	fuzz.is_full = !fuzz.is_full;
}

static void (*const steps[])(void) = { do_count, do_touch,  do_know, do_rehearse, do_forget,
				       do_page,  do_change, do_turn, do_connect,  do_say,
				       do_greet, do_lose,   do_fill };

/* --- a run --- */

static void open_store(uint8_t choice)
{
	struct store_options options = { .kind = STORE_REDIS,
					 .mode = (enum store_redis_mode)(choice % 3),
					 .address = { { .host = SPAN("127.0.0.1"), .port = 7000 },
						      { .host = SPAN("::1"), .port = 7000 } },
					 .address_count = 2,
					 .master = SPAN("mail"),
					 .prefix = SPAN("w"),
					 .password = choice & 4 ? SPAN("secret") : SPAN(""),
					 .connect_ms = choice & 8 ? 0 : 1000,
					 .answer_ms = choice & 16 ? 0 : 1000 };
	TEXT(why, STORE_WHY_MAX);

	ENSURE(store_open(&options, &why, &fuzz.store) == OK);
	fuzz.port = (struct redis_port *)store_port_open(fuzz.store, fuzz.base);
	ENSURE(fuzz.port != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct event_base *base = fuzz.base != NULL ? fuzz.base : event_base_new();
	struct store_port *port;

	ENSURE(base != NULL);
	fuzz = (struct fuzz){ .base = base, .rest = span_of((const char *)bytes, count) };
	open_store(take());
	while (fuzz.rest.len > 0)
		steps[take() % (sizeof(steps) / sizeof(*steps))]();
	for (unsigned i = 0; i < fuzz.asked_count; i++)
		ENSURE(fuzz.asked[i].answers > 0 || fuzz.asked[i].wait.held != NULL);
	port = &fuzz.port->port;
	fuzz.port = NULL; /* nobody is answered any more */
	store_port_close(port);
	ENSURE(atomic_load(&fuzz.store->count.in_line) == 0 && fuzz.open_count == 0);
	store_close(fuzz.store);
	return 0;
}
