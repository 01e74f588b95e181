/* store.c -- opens a store, looks at what it is given, and hands it to the driver. */
#include "base/ensure.h"
#include "base/escape.h"
#include "store/store_priv.h"
#include "weigh/tally.h"
#include "weigh/triplet.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPTIONS_BYTES_MAX = 256 * 1024, SAID_MAX = 512, ENTRIES_STANDARD = 1000000 };

static const struct store_driver *const drivers[] = {
	[STORE_MEMORY] = &store_memory,
	[STORE_SQLITE] = &store_sqlite,
	[STORE_REDIS] = &store_redis,
};

static const char too_little_memory[] = "there is no memory for it";

struct span store_class_name(enum store_class class)
{
	static const struct span names[STORE_CLASS_COUNT] = {
		[STORE_KNOWN] = SPAN_INIT("known"),
		[STORE_TALLY] = SPAN_INIT("limit"),
		[STORE_TRIPLET] = SPAN_INIT("greylist"),
	};

	return names[class];
}

bool store_set_is_local(struct span set)
{
	return span_starts(set, SPAN("classic.message")) ||
	       span_starts(set, SPAN("classic.errors"));
}

void store_say(const struct store *store, enum store_level level, const char *format, ...)
{
	char said[SAID_MAX];
	va_list arguments;

	if (store->options.say == NULL)
		return;
	va_start(arguments, format);
	vsnprintf(said, sizeof(said), format, arguments);
	va_end(arguments);
	store->options.say(store->options.self, level, said);
}

/* --- opening --- */

static bool copy_options(struct store *store)
{
	struct store_options *options = &store->options;
	struct span *copied[] = {
		&options->path,   &options->master,  &options->user,     &options->password,
		&options->prefix, &options->ca_file, &options->key_file, &options->certificate_file,
	};
	bool is_copied = true;

	for (size_t i = 0; i < sizeof(copied) / sizeof(*copied); i++) {
		*copied[i] = arena_copy(&store->arena, *copied[i]);
		is_copied &= copied[i]->at != NULL;
	}
	for (uint8_t i = 0; i < options->address_count; i++) {
		struct store_address *address = &options->address[i];

		address->host = arena_copy(&store->arena, address->host);
		address->path = arena_copy(&store->arena, address->path);
		is_copied &= address->host.at != NULL && address->path.at != NULL;
	}
	if (options->entries_max == 0)
		options->entries_max = ENTRIES_STANDARD;
	return is_copied;
}

static void store_free(struct store *store)
{
	memory_store_free(store->memory);
	arena_release(&store->arena);
	free(store);
}

enum err store_open(const struct store_options *options, struct text *why, struct store **store_out)
{
	struct store *store = calloc(1, sizeof(*store));
	enum err err = ERR_SYSTEM;

	ENSURE(options->address_count <= STORE_ADDRESSES_MAX);
	if (store == NULL) {
		text_add(why, span_cstr(too_little_memory));
		return ERR_SYSTEM;
	}
	store->driver = drivers[options->kind];
	store->options = *options;
	arena_init(&store->arena, OPTIONS_BYTES_MAX);
	store->memory = memory_store_new();
	if (store->memory == NULL || !copy_options(store))
		text_add(why, span_cstr(too_little_memory));
	else
		err = store->driver->open(store, why);
	if (err != OK) {
		store_free(store);
		return err;
	}
	*store_out = store;
	return OK;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	store->driver->close(store);
	store_free(store);
}

struct store_port *store_port_open(struct store *store, struct event_base *base)
{
	ENSURE(base != NULL || store->driver == &store_memory);
	return store->driver->port_open(store, base);
}

void store_port_close(struct store_port *port)
{
	if (port != NULL)
		port->store->driver->port_close(port);
}

/* --- what is given is looked at here, once for all drivers --- */

/* Text that can be shown and kept: UTF-8 without control characters. */
static bool is_clean(struct span s)
{
	uint32_t c;
	size_t len;

	for (; !span_is_empty(s); s = span_from(s, len)) {
		len = utf8_decode(s, &c);
		if (len == 0 || c < ' ' || (c >= 0x7f && c < 0xa0))
			return false;
	}
	return true;
}

static bool is_set_name(struct span set)
{
	return !span_is_empty(set) && set.len <= STORE_SET_MAX && is_clean(set) &&
	       span_find(set, ' ') == set.len;
}

static bool is_key(struct span key)
{
	return !span_is_empty(key) && key.len <= STORE_KEY_MAX && is_clean(key);
}

static bool is_value(enum store_class class, struct span value)
{
	struct tally tally;
	struct triplet triplet;

	if (value.at == NULL || value.len > STORE_VALUE_MAX)
		return false;
	switch (class) {
	case STORE_KNOWN: return is_clean(value);
	case STORE_TALLY: return !span_is_empty(value) && tally_parse(value, &tally) == OK;
	case STORE_TRIPLET: return triplet_parse(value, &triplet) == OK;
	case STORE_CLASS_COUNT: break;
	}
	return false;
}

/* NULL: set and key can be those of an entry. */
static const char *place_fault(const struct store_entry *entry)
{
	ENSURE(entry->class < STORE_CLASS_COUNT);
	if (entry->class == STORE_TRIPLET) {
		if (!span_is_empty(entry->set))
			return "greylist entries stand in no set";
	} else if (!is_set_name(entry->set)) {
		return "the name of a set is 1 to 63 bytes of UTF-8 without blanks and control "
		       "characters";
	}
	if (entry->class == STORE_KNOWN && store_set_is_local(entry->set))
		return "this set belongs to the running process";
	if (!is_key(entry->key))
		return "a key is 1 to 255 bytes of UTF-8 without control characters";
	return NULL;
}

const char *store_entry_fault(const struct store_entry *entry, int64_t now_ms)
{
	static const char *const value_fault[STORE_CLASS_COUNT] = {
		[STORE_KNOWN] = "a value is UTF-8 without control characters, at most 48 KiB",
		[STORE_TALLY] = "the value is not what a limit counts",
		[STORE_TRIPLET] = "the value is not what greylisting remembers",
	};
	const char *fault = place_fault(entry);

	if (fault != NULL)
		return fault;
	if (!is_value(entry->class, entry->value))
		return value_fault[entry->class];
	if (entry->expires_ms < 0)
		return "it expires before 1970";
	if (entry->expires_ms != 0 && entry->expires_ms <= now_ms)
		return "it has expired";
	return NULL;
}

/* --- questions --- */

static bool is_in_memory(const struct store *store, struct span set)
{
	return store->driver->keeps_sets || store_set_is_local(set);
}

static struct span set_of(const struct fact *fact)
{
	return span_first(fact->key, span_find(fact->key, ' '));
}

bool store_recall(struct store_port *port, struct fact *fact, int64_t now_ms)
{
	struct store *store = port->store;

	if (fact->kind != FACT_REMEMBERED || !is_in_memory(store, set_of(fact)))
		return false;
	store_count(&store->count.reads);
	return memory_recall(store->memory, fact, now_ms);
}

void store_release(struct store_port *port, struct fact *fact)
{
	memory_release(port->store->memory, fact);
}

void store_ask(struct store_port *port, struct store_wait *wait)
{
	struct store *store = port->store;

	wait->held = NULL;
	switch (wait->fact->kind) {
	case FACT_REMEMBERED:
		if (store_recall(port, wait->fact, wait->now_ms)) {
			wait->answered(wait);
			return;
		}
		store_count(&store->count.reads);
		break;
	case FACT_TALLY:
		ENSURE(wait->fact->count != NULL);
		store_count(&store->count.counts);
		break;
	case FACT_GREYLIST:
		ENSURE(wait->fact->terms != NULL);
		store_count(&store->count.touches);
		break;
	case FACT_DNS_A:
	case FACT_DNS_AAAA:
	case FACT_DNS_MX:
	case FACT_DNS_TXT:
	case FACT_DNS_PTR:
	case FACT_DNS_SOA:
	case FACT_KIND_COUNT: ENSURE(false);
	}
	store->driver->ask(port, wait);
}

void store_forget(struct store_port *port, struct store_wait *wait)
{
	if (wait->held != NULL)
		port->store->driver->forget(port, wait);
}

void store_remember(struct store_port *port, const struct memory *memory, int64_t now_ms)
{
	struct store *store = port->store;
	bool is_local = store_set_is_local(memory->set);

	store_count(&store->count.writes);
	if (is_in_memory(store, memory->set))
		memory_apply(store->memory, memory, now_ms);
	if (is_local)
		return;
	/* What strangers sent may be anything; others must be able to read what is kept. */
	if (!is_set_name(memory->set) || !is_key(memory->key) ||
	    (memory->value.at != NULL && !is_value(STORE_KNOWN, memory->value)))
		store_count(&store->count.failures);
	else
		store->driver->remember(port, memory, now_ms);
}

void store_forget_conversation(struct store_port *port, struct span conversation)
{
	memory_forget_conversation(port->store->memory, conversation);
}

/* --- entries --- */

void store_end(store_done *done, void *self, enum err result, const char *why)
{
	const struct store_ended ended = { .result = result, .why = span_cstr(why) };

	done(self, &ended);
}

void store_page(struct store_port *port, const struct store_page *page, int64_t now_ms,
		store_done *done, void *self)
{
	struct store *store = port->store;

	ENSURE(page->most >= 1 && page->most <= STORE_PAGE_MAX);
	if (page->set.len > STORE_SET_MAX || page->after_set.len > STORE_SET_MAX ||
	    page->after.len > STORE_KEY_MAX || page->contains.len > STORE_KEY_MAX)
		store_end(done, self, ERR_SYNTAX, "longer than any set or key can be");
	else if (page->class == STORE_KNOWN && store->driver->keeps_sets)
		store_page_sets(store, page, now_ms, done, self);
	else
		store->driver->page(port, page, now_ms, done, self);
}

void store_put(struct store_port *port, const struct store_entry *entry, int64_t now_ms,
	       store_done *done, void *self)
{
	struct store *store = port->store;
	const struct memory_where where = { entry->set, entry->key };
	const struct memory_place place = { entry->value, entry->expires_ms };
	const char *fault = store_entry_fault(entry, now_ms);

	if (fault != NULL) {
		store_end(done, self, ERR_SYNTAX, fault);
		return;
	}
	store_count(&store->count.writes);
	if (entry->class == STORE_KNOWN && store->driver->keeps_sets &&
	    memory_put(store->memory, &where, place, 0) != OK) {
		store_end(done, self, ERR_LIMIT, "there is no room for a set more");
		return;
	}
	store->driver->put(port, entry, now_ms, done, self);
}

void store_erase(struct store_port *port, const struct store_entry *entry, store_done *done,
		 void *self)
{
	struct store *store = port->store;
	const struct memory_where where = { entry->set, entry->key };
	const char *fault = place_fault(entry);

	if (fault != NULL) {
		store_end(done, self, ERR_SYNTAX, fault);
		return;
	}
	store_count(&store->count.writes);
	if (entry->class == STORE_KNOWN && store->driver->keeps_sets &&
	    memory_erase(store->memory, &where) != OK) {
		store_end(done, self, ERR_MISSING, "there is no such entry");
		return;
	}
	store->driver->erase(port, entry, done, self);
}

enum store_kind store_kind(const struct store *store)
{
	return store->options.kind;
}

void store_figures(const struct store *store, struct store_figures *figures_out)
{
	*figures_out = (struct store_figures){
#define FIGURE(name) .name = atomic_load_explicit(&store->count.name, memory_order_relaxed),
		STORE_FIGURES(FIGURE)
#undef FIGURE
	};
	if (store->driver->figures != NULL)
		store->driver->figures(store, figures_out);
}
