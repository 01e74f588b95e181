/* sqlite.c -- the embedded store: one file, one writer thread, and a port for each worker.
 *
 * A port puts its operations into the line; the writer (sqlite_writer.c) puts them, answered,
 * into the port's inbox and wakes the port's loop, once for all that a commit has settled.
 */
#include "store/sqlite_priv.h"

#include "base/ensure.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static struct sqlite *sqlite_of(const struct store *store)
{
	return store->held;
}

static struct sqlite_port *port_of(struct store_port *port)
{
	return (struct sqlite_port *)port;
}

/* --- open and close --- */

static struct sqlite *sqlite_new(struct store *store)
{
	struct sqlite *sqlite = calloc(1, sizeof(*sqlite));
	pthread_condattr_t attributes;

	if (sqlite == NULL)
		return NULL;
	if (getrandom(&sqlite->hash, sizeof(sqlite->hash), 0) != (ssize_t)sizeof(sqlite->hash)) {
		free(sqlite);
		return NULL;
	}
	sqlite->store = store;
	sqlite->lock_fd = -1;
	pthread_mutex_init(&sqlite->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&sqlite->stirred, &attributes);
	pthread_condattr_destroy(&attributes);
	return sqlite;
}

static void sqlite_free(struct sqlite *sqlite)
{
	sqlite_unclaim(sqlite);
	pthread_cond_destroy(&sqlite->stirred);
	pthread_mutex_destroy(&sqlite->lock);
	free(sqlite);
}

static enum err sqlite_open(struct store *store, struct text *why)
{
	struct span path = store->options.path;
	struct sqlite *sqlite;
	enum err err;

	if (path.len == 0 || path.len > SQLITE_PATH_MAX || span_find(path, '\0') < path.len) {
		text_addf(why, "the path of the store is empty, or too long");
		return ERR_SYSTEM;
	}
	sqlite = sqlite_new(store);
	if (sqlite == NULL) {
		text_addf(why, "no memory for the store");
		return ERR_SYSTEM;
	}
	memcpy(sqlite->path, path.at, path.len);
	store->held = sqlite;
	err = sqlite_claim(sqlite, why);
	if (err == OK)
		err = sqlite_writer_start(sqlite, why);
	if (err != OK) {
		store->held = NULL;
		sqlite_free(sqlite);
	}
	return err;
}

static void sqlite_close(struct store *store)
{
	sqlite_writer_stop(sqlite_of(store));
	sqlite_free(sqlite_of(store));
	store->held = NULL;
}

static void sqlite_figures(const struct store *store, struct store_figures *figures)
{
	const struct sqlite *sqlite = sqlite_of(store);
	int64_t entries = (int64_t)atomic_load(&sqlite->entries);
	TEXT(journal, SQLITE_PATH_MAX + 8);
	struct stat status;

	figures->entries += entries > 0 ? (uint64_t)entries : 0;
	figures->in_line = atomic_load(&sqlite->in_line);
	figures->is_down = atomic_load(&sqlite->is_down);
	figures->bytes = stat(sqlite->path, &status) == 0 ? (uint64_t)status.st_size : 0;
	text_addf(&journal, "%s-wal", sqlite->path);
	if (stat(text_cstr(&journal), &status) == 0)
		figures->bytes += (uint64_t)status.st_size;
}

/* --- operations --- */

/* spans are copied, one after the other; they point to the copies then */
static struct sqlite_op *op_new(struct sqlite_port *port, struct span *const span[], size_t count)
{
	struct sqlite_op *op;
	size_t bytes = 0;
	char *at;

	for (size_t i = 0; i < count; i++)
		bytes += span[i]->len;
	op = malloc(sizeof(*op) + bytes);
	if (op == NULL)
		return NULL;
	memset(op, 0, sizeof(*op));
	op->port = port;
	at = op->bytes;
	for (size_t i = 0; i < count; i++) {
		if (span[i]->len > 0)
			memcpy(at, span[i]->at, span[i]->len);
		span[i]->at = at;
		at += span[i]->len;
	}
	return op;
}

static void op_free(struct sqlite_op *op)
{
	arena_release(&op->arena);
	free(op);
}

static struct sqlite_op *entry_op(struct sqlite_port *port, const struct store_entry *entry)
{
	struct span set = entry->set, key = entry->key, value = entry->value;
	struct span *span[] = { &set, &key, &value };
	struct sqlite_op *op = op_new(port, span, 3);

	if (op == NULL)
		return NULL;
	op->class = entry->class;
	op->set = set;
	op->key = key;
	op->value = value;
	op->expires_ms = entry->expires_ms;
	return op;
}

/* Into the line.  @return false: it is full; op is gone */
static bool op_begin(struct sqlite_op *op)
{
	struct sqlite_port *port = op->port;
	struct sqlite *sqlite = sqlite_of(port->port.store);
	bool is_full, was_empty;

	pthread_mutex_lock(&sqlite->lock);
	is_full = port->in_line >= STORE_LINE_MAX;
	was_empty = sqlite->first == NULL;
	if (!is_full) {
		port->in_line++;
		if (was_empty)
			sqlite->first = op;
		else
			sqlite->last->next = op;
		sqlite->last = op;
		atomic_fetch_add(&sqlite->in_line, 1);
	}
	if (!is_full && was_empty)
		pthread_cond_signal(&sqlite->stirred);
	pthread_mutex_unlock(&sqlite->lock);
	if (is_full)
		op_free(op);
	return !is_full;
}

/* --- the inbox --- */

static void port_free(struct sqlite_port *port)
{
	ENSURE(port->first == NULL && port->in_line == 0);
	free(port);
}

/* One operation less; the lock is held.  @return true: port is to be freed */
static bool port_leave(struct sqlite_port *port)
{
	ENSURE(port->in_line > 0);
	return --port->in_line == 0 && port->is_closed;
}

static void inbox_add(struct sqlite_port *port, struct sqlite_op *op)
{
	static const uint64_t one = 1;

	if (port->first == NULL)
		port->first = op;
	else
		port->last->next = op;
	port->last = op;
	if (port->is_woken)
		return;
	port->is_woken = true;
	ENSURE(write(port->wake_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

void sqlite_deliver(struct sqlite *sqlite, struct sqlite_op *batch)
{
	struct sqlite_op *op, *unwanted = NULL;

	pthread_mutex_lock(&sqlite->lock);
	while ((op = batch) != NULL) {
		struct sqlite_port *port = op->port;

		batch = op->next;
		op->next = NULL;
		atomic_fetch_sub(&sqlite->in_line, 1);
		if (op->is_answered && !port->is_closed) {
			inbox_add(port, op);
		} else {
			op->next = unwanted;
			unwanted = op;
		}
		if (port_leave(port))
			port_free(port);
	}
	pthread_mutex_unlock(&sqlite->lock);
	while ((op = unwanted) != NULL) {
		unwanted = op->next;
		op_free(op);
	}
}

static void answer_wait(struct sqlite_op *op)
{
	struct store_wait *wait = op->wait;

	wait->held = NULL;
	switch (op->answer) {
	case ANSWER_FAILED: store_fail(wait, op->cause); break;
	case ANSWER_NONE: store_answer_none(wait); break;
	case ANSWER_ITEM: store_answer_item(wait, span_of(op->item, op->item_len)); break;
	case ANSWER_TALLY: store_answer_tally(wait, &op->tally); break;
	}
}

/* The inbox, on the port's thread.  The port lives until port_let_go(). */
static struct sqlite_op *take_inbox(struct sqlite_port *port, bool is_closing)
{
	struct sqlite *sqlite = sqlite_of(port->port.store);
	struct sqlite_op *op;

	pthread_mutex_lock(&sqlite->lock);
	op = port->first;
	port->first = NULL;
	port->last = NULL;
	port->is_woken = false;
	port->is_closed |= is_closing;
	port->in_line++;
	pthread_mutex_unlock(&sqlite->lock);
	return op;
}

static void port_let_go(struct sqlite_port *port)
{
	struct sqlite *sqlite = sqlite_of(port->port.store);
	bool is_last;

	pthread_mutex_lock(&sqlite->lock);
	is_last = port_leave(port);
	pthread_mutex_unlock(&sqlite->lock);
	if (is_last)
		port_free(port);
}

static void port_woken(evutil_socket_t fd, short what, void *self)
{
	struct sqlite_port *port = self;
	struct sqlite_op *op, *next;
	uint64_t woken;

	(void)what;
	if (read(fd, &woken, sizeof(woken)) < 0)
		return; /* somebody was faster: nothing is lost */
	for (op = take_inbox(port, false); op != NULL; op = next) {
		next = op->next;
		/* closed by one of these calls: nobody is answered any more */
		if (!port->is_closed && op->wait != NULL)
			answer_wait(op);
		else if (!port->is_closed && op->done != NULL)
			op->done(op->self, &op->ended);
		op_free(op);
	}
	port_let_go(port);
}

/* --- ports --- */

static struct store_port *sqlite_port_open(struct store *store, struct event_base *base)
{
	struct sqlite_port *port = calloc(1, sizeof(*port));

	ENSURE(base != NULL);
	if (port == NULL)
		return NULL;
	port->port = (struct store_port){ .store = store, .base = base };
	port->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (port->wake_fd >= 0)
		port->wake = event_new(base, port->wake_fd, EV_READ | EV_PERSIST, port_woken, port);
	if (port->wake != NULL && event_add(port->wake, NULL) == 0)
		return &port->port;
	if (port->wake != NULL)
		event_free(port->wake);
	if (port->wake_fd >= 0)
		close(port->wake_fd);
	free(port);
	return NULL;
}

static void sqlite_port_close(struct store_port *self)
{
	struct sqlite_port *port = port_of(self);
	struct sqlite_op *op = take_inbox(port, true), *next;

	for (; op != NULL; op = next) {
		next = op->next;
		op_free(op);
	}
	event_free(port->wake);
	close(port->wake_fd);
	port_let_go(port);
}

/* --- what can be asked --- */

static void sqlite_ask(struct store_port *self, struct store_wait *wait)
{
	const struct fact *fact = wait->fact;
	size_t blank = fact->kind == FACT_TALLY ? span_find(fact->key, ' ') : 0;
	struct span set = span_first(fact->key, blank);
	struct span key = blank > 0 ? span_from(fact->key, blank + 1) : fact->key;
	struct span *span[] = { &set, &key };
	struct sqlite_op *op;

	ENSURE(fact->kind == FACT_TALLY || fact->kind == FACT_GREYLIST); /* sets are in memory */
	if (set.len > STORE_SET_MAX || key.len == 0 || key.len > STORE_KEY_MAX ||
	    (fact->kind == FACT_TALLY && set.len == 0)) {
		store_fail(wait, CAUSE_MALFORMED);
		return;
	}
	op = op_new(port_of(self), span, 2);
	if (op == NULL) {
		store_fail(wait, CAUSE_TOOLARGE);
		return;
	}
	op->kind = fact->kind == FACT_TALLY ? OP_COUNT : OP_TOUCH;
	op->class = fact->kind == FACT_TALLY ? STORE_TALLY : STORE_TRIPLET;
	if (fact->kind == FACT_TALLY)
		op->task.count = *fact->count;
	else
		op->task.terms = *fact->terms;
	op->set = set;
	op->key = key;
	op->now_ms = wait->now_ms;
	op->is_rehearsal = wait->is_rehearsal;
	op->is_answered = true;
	op->wait = wait;
	wait->held = op;
	if (op_begin(op))
		return;
	wait->held = NULL;
	store_fail(wait, CAUSE_TOOLARGE);
}

static void sqlite_forget(struct store_port *self, struct store_wait *wait)
{
	struct sqlite_op *op = wait->held;

	(void)self;
	if (op != NULL)
		op->wait = NULL;
	wait->held = NULL;
}

static void sqlite_remember(struct store_port *self, const struct memory *memory, int64_t now_ms)
{
	struct store_entry entry = {
		.class = STORE_KNOWN,
		.set = memory->set,
		.key = memory->key,
		.value = memory->value,
		.expires_ms = memory->keep_ms > 0 ? now_ms + memory->keep_ms : 0,
	};
	struct sqlite_op *op = entry_op(port_of(self), &entry);

	if (op == NULL)
		return;
	op->kind = memory->value.at != NULL ? OP_PUT : OP_ERASE;
	if (!op_begin(op))
		store_count(&self->store->count.failures);
}

/* op is NULL where there was no memory */
static void begin_or_end(struct sqlite_op *op, store_done *done, void *self)
{
	if (op != NULL) {
		op->is_answered = true;
		op->done = done;
		op->self = self;
	}
	if (op == NULL || !op_begin(op))
		store_end(done, self, ERR_LIMIT, "too much is in line");
}

static void sqlite_page(struct store_port *self, const struct store_page *page, int64_t now_ms,
			store_done *done, void *owner)
{
	struct store_page copy = *page;
	struct span *span[] = { &copy.set, &copy.after_set, &copy.after, &copy.contains };
	struct sqlite_op *op = op_new(port_of(self), span, 4);

	ENSURE(page->class != STORE_KNOWN); /* sets are in memory */
	if (op != NULL) {
		op->kind = OP_PAGE;
		op->class = page->class;
		op->now_ms = now_ms;
		op->task.page = copy;
	}
	begin_or_end(op, done, owner);
}

static void sqlite_put(struct store_port *self, const struct store_entry *entry, int64_t now_ms,
		       store_done *done, void *owner)
{
	struct sqlite_op *op = entry_op(port_of(self), entry);

	if (op != NULL) {
		op->kind = OP_PUT;
		op->now_ms = now_ms;
	}
	begin_or_end(op, done, owner);
}

static void sqlite_erase(struct store_port *self, const struct store_entry *entry, store_done *done,
			 void *owner)
{
	struct store_entry name = { .class = entry->class, .set = entry->set, .key = entry->key };
	struct sqlite_op *op = entry_op(port_of(self), &name);

	if (op != NULL)
		op->kind = OP_ERASE;
	begin_or_end(op, done, owner);
}

const struct store_driver store_sqlite = {
	.keeps_sets = true,
	.open = sqlite_open,
	.close = sqlite_close,
	.port_open = sqlite_port_open,
	.port_close = sqlite_port_close,
	.ask = sqlite_ask,
	.forget = sqlite_forget,
	.remember = sqlite_remember,
	.page = sqlite_page,
	.put = sqlite_put,
	.erase = sqlite_erase,
	.figures = sqlite_figures,
};
