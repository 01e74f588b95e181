/* memory_driver.c -- a store that lives as long as its process.
 *
 * Triplets and tallies stand in one set of store->memory, under "greylist KEY" and "limit NAME
 * KEY", so that the bound holds for both together; sets stand beside it.  Everything is answered
 * at once.
 */
#include "base/ensure.h"
#include "store/store_priv.h"
#include "weigh/tally.h"
#include "weigh/triplet.h"

#include <stdlib.h>

enum { RECORD_KEY_MAX = FACT_KEY_MAX + 16 };

/* No set that can be named: names have no control characters. */
static const struct span record_set = SPAN_INIT("\trecords");

static const struct span class_prefix[STORE_CLASS_COUNT] = {
	[STORE_TALLY] = SPAN_INIT("limit "),
	[STORE_TRIPLET] = SPAN_INIT("greylist "),
};

static enum err memory_open(struct store *store, struct text *why)
{
	(void)store;
	(void)why;
	return OK;
}

static void memory_close(struct store *store)
{
	(void)store;
}

static struct store_port *memory_port_open(struct store *store, struct event_base *base)
{
	struct store_port *port = calloc(1, sizeof(*port));

	if (port != NULL)
		*port = (struct store_port){ .store = store, .base = base };
	return port;
}

static void memory_port_close(struct store_port *port)
{
	free(port);
}

/* --- counting and touching: under the lock of the set --- */

struct counted {
	const struct store_wait *wait;
	struct text *after;
	struct tally_result result;
};

static bool is_gone(const struct memory_place *place, int64_t now_ms)
{
	return place->expires_ms != 0 && place->expires_ms <= now_ms;
}

static bool count_in_place(void *self, struct memory_place *place)
{
	struct counted *counted = self;
	const struct store_wait *wait = counted->wait;
	struct span before = is_gone(place, wait->now_ms) ? SPAN("") : place->value;

	place->expires_ms = store_count_text(before, wait->fact->count, wait->now_ms,
					     counted->after, &counted->result);
	place->value = text_span(counted->after);
	return !wait->is_rehearsal && counted->after->len > 0;
}

static void count(struct store *store, struct store_wait *wait, struct span key)
{
	TEXT(after, TALLY_TEXT_MAX);
	struct counted counted = { .wait = wait, .after = &after };

	if (memory_change(store->memory, &(struct memory_where){ record_set, key },
			  store->options.entries_max, count_in_place, &counted) != OK)
		store_fail(wait, CAUSE_TOOLARGE);
	else
		store_answer_tally(wait, &counted.result);
}

struct touched {
	const struct store_wait *wait;
	struct text *item, *after;
};

static bool touch_in_place(void *self, struct memory_place *place)
{
	struct touched *touched = self;
	const struct store_wait *wait = touched->wait;
	struct span before = place->value;

	if (before.at != NULL)
		before = store_live_triplet(before, place->expires_ms, wait->fact->terms,
					    wait->now_ms);
	place->expires_ms = store_touch_text(before, wait->fact->terms, wait->now_ms, touched->item,
					     touched->after);
	place->value = text_span(touched->after);
	return !wait->is_rehearsal;
}

static void touch(struct store *store, struct store_wait *wait, struct span key)
{
	TEXT(item, TRIPLET_TEXT_MAX);
	TEXT(after, TRIPLET_TEXT_MAX);
	struct touched touched = { .wait = wait, .item = &item, .after = &after };

	if (memory_change(store->memory, &(struct memory_where){ record_set, key },
			  store->options.entries_max, touch_in_place, &touched) != OK)
		store_fail(wait, CAUSE_TOOLARGE);
	else if (item.len == 0)
		store_answer_none(wait);
	else
		store_answer_item(wait, text_span(&item));
}

static void memory_ask(struct store_port *port, struct store_wait *wait)
{
	TEXT(key, RECORD_KEY_MAX);
	bool is_tally = wait->fact->kind == FACT_TALLY;

	ENSURE(is_tally || wait->fact->kind == FACT_GREYLIST);
	text_add(&key, class_prefix[is_tally ? STORE_TALLY : STORE_TRIPLET]);
	text_add(&key, wait->fact->key);
	ENSURE(!key.overrun);
	if (is_tally)
		count(port->store, wait, text_span(&key));
	else
		touch(port->store, wait, text_span(&key));
}

/* Nobody ever waits. */
static void memory_forget(struct store_port *port, struct store_wait *wait)
{
	(void)port;
	(void)wait;
}

/* Done by store.c in store->memory. */
static void memory_remember(struct store_port *port, const struct memory *memory, int64_t now_ms)
{
	(void)port;
	(void)memory;
	(void)now_ms;
}

/* --- entries as they are --- */

static void add_record_key(struct text *key, enum store_class class, struct span set,
			   struct span rest)
{
	text_add(key, class_prefix[class]);
	if (class == STORE_TALLY) {
		text_add(key, set);
		text_add_char(key, ' ');
	}
	text_add(key, rest);
	ENSURE(!key->overrun);
}

static void memory_put_entry(struct store_port *port, const struct store_entry *entry,
			     int64_t now_ms, store_done *done, void *self)
{
	const struct memory_place place = { entry->value, entry->expires_ms };
	TEXT(key, RECORD_KEY_MAX);
	enum err err = OK;

	(void)now_ms;
	if (entry->class != STORE_KNOWN) {
		add_record_key(&key, entry->class, entry->set, entry->key);
		err = memory_put(port->store->memory,
				 &(struct memory_where){ record_set, text_span(&key) }, place,
				 port->store->options.entries_max);
	}
	store_end(done, self, err, err == OK ? "" : "there is no memory for it");
}

static void memory_erase_entry(struct store_port *port, const struct store_entry *entry,
			       store_done *done, void *self)
{
	TEXT(key, RECORD_KEY_MAX);
	enum err err = OK;

	if (entry->class != STORE_KNOWN) {
		add_record_key(&key, entry->class, entry->set, entry->key);
		err = memory_erase(port->store->memory,
				   &(struct memory_where){ record_set, text_span(&key) });
	}
	store_end(done, self, err, err == OK ? "" : "there is no such entry");
}

/* --- pages --- */

struct paged {
	struct memory_entry *found;
	struct store_entry *entry;
	size_t count;
	bool has_more;
};

static void paged_fill(struct paged *paged, const struct store_page *page)
{
	for (size_t i = 0; i < paged->count; i++) {
		struct store_entry *entry = &paged->entry[i];
		struct span key = paged->found[i].key;

		*entry = (struct store_entry){ .class = page->class,
					       .set = page->set,
					       .key = key,
					       .value = paged->found[i].value,
					       .expires_ms = paged->found[i].expires_ms };
		if (page->class == STORE_TALLY && span_is_empty(page->set)) {
			size_t blank = span_find(key, ' ');

			entry->set = span_first(key, blank);
			entry->key = span_from(key, blank + 1);
		}
	}
}

static void page_records(struct store *store, const struct store_page *page, int64_t now_ms,
			 struct paged *paged)
{
	bool has_all_limits = page->class == STORE_TALLY && span_is_empty(page->set);
	TEXT(prefix, RECORD_KEY_MAX);
	TEXT(after, RECORD_KEY_MAX);
	struct memory_page wanted = { .set = record_set,
				      .after = page->after,
				      .has_after = !span_is_empty(page->after),
				      .contains = page->contains,
				      .skips_word = has_all_limits,
				      .most = page->most };

	text_add(&prefix, class_prefix[page->class]);
	if (page->class == STORE_TALLY && !has_all_limits) {
		text_add(&prefix, page->set);
		text_add_char(&prefix, ' ');
	} else if (has_all_limits) {
		text_add(&after, page->after_set);
		text_add_char(&after, ' ');
		text_add(&after, page->after);
		wanted.after = text_span(&after);
		wanted.has_after = !span_is_empty(page->after_set);
	}
	wanted.prefix = text_span(&prefix);
	ENSURE(!prefix.overrun && !after.overrun);
	paged->count = memory_page(store->memory, &wanted, now_ms, paged->found, &paged->has_more);
	paged_fill(paged, page);
}

static void memory_page_entries(struct store_port *port, const struct store_page *page,
				int64_t now_ms, store_done *done, void *self)
{
	struct paged paged = { .found = calloc(page->most, sizeof(*paged.found)),
			       .entry = calloc(page->most, sizeof(*paged.entry)) };
	struct store_ended ended = { .result = OK, .entry = paged.entry };

	if (paged.found == NULL || paged.entry == NULL) {
		store_end(done, self, ERR_SYSTEM, "there is no memory for it");
		goto release;
	}
	page_records(port->store, page, now_ms, &paged);
	ended.entry_count = (uint32_t)paged.count;
	ended.has_more = paged.has_more;
	if (paged.count > 0) {
		ended.next_set = paged.entry[paged.count - 1].set;
		ended.next = paged.entry[paged.count - 1].key;
	}
	done(self, &ended);
	memory_page_free(paged.found, paged.count);
release:
	free(paged.found);
	free(paged.entry);
}

static void memory_driver_figures(const struct store *store, struct store_figures *figures)
{
	struct memory_figures memory;

	memory_figures(store->memory, &memory);
	figures->entries = memory.entries;
	figures->bytes = memory.bytes;
	figures->expired = memory.expired;
	figures->evicted = memory.evicted;
}

const struct store_driver store_memory = {
	.keeps_sets = true,
	.open = memory_open,
	.close = memory_close,
	.port_open = memory_port_open,
	.port_close = memory_port_close,
	.ask = memory_ask,
	.forget = memory_forget,
	.remember = memory_remember,
	.page = memory_page_entries,
	.put = memory_put_entry,
	.erase = memory_erase_entry,
	.figures = memory_driver_figures,
};
