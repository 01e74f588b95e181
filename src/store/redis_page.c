/* redis_page.c -- listing entries, by SCAN, a master after the other.
 *
 * Entries come in no order.  Where a page ended is said by two texts: next_set is "SLOT CURSOR",
 * the lowest slot of the master that is listed (0 but in a cluster) and SCAN's cursor; next is
 * the hash of the last key that was given of what SCAN had said there, in the order of hashes.
 * As SCAN does, a listing gives what is there from its beginning to its end at least once.
 */
#include "store/redis_priv.h"

#include "base/ensure.h"
#include "base/number.h"
#include "base/utc.h"
#include "weigh/key.h"

#include <stdlib.h>

enum {
	SCAN_COUNT = 100, /* keys at a time: a reply stays below LINK_REPLY_MAX */
	SCANS_MAX = 200,  /* for one page */
	BATCH_MAX = 1024, /* keys in one reply */
	CURSOR_MAX = 40,
	LISTING_BYTES_MAX = 64 * 1024 * 1024,
};

/* One key of the batch: its value and the rest of its life are asked for together. */
struct item {
	struct span key;
	char *value;
	size_t value_len;
	int64_t left_ms; /* -1: for ever; -2: gone */
};

struct listing {
	struct redis_port *port;
	enum store_class class;
	int64_t now_ms;
	uint32_t most;
	store_done *done;
	void *self;
	struct arena arena; /* of the page */
	struct span set, contains;
	unsigned slot;
	struct span cursor, next_cursor; /* of this batch, and of the one behind it */
	bool has_after;
	uint64_t after; /* hash: only keys behind it, in the first batch */
	uint8_t node;
	unsigned scans;
	struct item *item; /* of the batch, sorted */
	size_t item_count;
	size_t pending; /* replies of the batch */
	bool is_full;   /* the page ends within the batch */
	const char *why;
	struct store_entry *entry;
	uint32_t entry_count;
};

struct page_command {
	struct redis_command command;
	struct listing *listing;
	struct item *item;
	bool is_life; /* PTTL */
};

static void scan(struct listing *listing);
static void map_came(struct redis_command *command, const redisReply *reply, enum fact_cause cause);

/* --- the end --- */

static void listing_free(struct listing *listing)
{
	arena_release(&listing->arena);
	free(listing->entry);
	free(listing);
}

static void listing_fail(struct listing *listing, const char *why)
{
	struct store_ended ended = { .result = ERR_SYSTEM, .why = span_cstr(why) };

	store_count(&listing->port->port.store->count.failures);
	if (!listing->port->is_closing)
		listing->done(listing->self, &ended);
	listing_free(listing);
}

static void listing_end(struct listing *listing, bool has_more, struct span next)
{
	TEXT(next_set, CURSOR_MAX);
	struct store_ended ended = {
		.result = OK,
		.entry = listing->entry,
		.entry_count = listing->entry_count,
		.has_more = has_more,
	};

	if (has_more) {
		text_add_int(&next_set, listing->slot);
		text_add_char(&next_set, ' ');
		text_add(&next_set, listing->cursor);
		ended.next_set = text_span(&next_set);
		ended.next = next;
	}
	listing->done(listing->self, &ended);
	listing_free(listing);
}

/* --- the entries of a batch --- */

/* A tally that is none of ours is empty. */
static struct span value_of(struct listing *listing, const struct item *item)
{
	struct span value = span_of(item->value, item->value_len);
	TEXT(text, TALLY_TEXT_MAX);

	if (listing->class == STORE_TALLY)
		value = text_add_record(&text, value) == OK ? text_span(&text) : SPAN("");
	return arena_copy(&listing->arena, value);
}

/* @return false: no memory */
static bool entry_add(struct listing *listing, const struct item *item)
{
	const struct store_options *options = &listing->port->port.store->options;
	struct store_entry *entry = &listing->entry[listing->entry_count];
	struct span key;
	int64_t left_ms = item->left_ms < UTC_MS_MAX ? item->left_ms : UTC_MS_MAX;

	if (left_ms > 0 && listing->class == STORE_TRIPLET)
		left_ms -= REDIS_LINGER_MS;
	if (item->value == NULL || item->left_ms == -2 || (item->left_ms >= 0 && left_ms <= 0))
		return true; /* none of ours, or gone */
	key = arena_copy(&listing->arena, item->key);
	*entry = (struct store_entry){ .class = listing->class };
	entry->value = value_of(listing, item);
	if (key.at == NULL || entry->value.at == NULL ||
	    !redis_key_split(key, options->prefix, listing->class, &entry->set, &entry->key))
		return false;
	entry->expires_ms = left_ms < 0 ? 0 : listing->now_ms + left_ms;
	if (store_entry_fault(entry, listing->now_ms) == NULL) /* else it is none of ours */
		listing->entry_count++;
	return true;
}

static void batch_free(struct listing *listing)
{
	for (size_t i = 0; i < listing->item_count; i++)
		free(listing->item[i].value);
	listing->item_count = 0;
}

/* The batch is done: to the next, of this master or another, or the end. */
static void batch_end(struct listing *listing)
{
	struct redis_port *port = listing->port;
	bool is_whole = true;
	uint64_t last = 0;

	for (size_t i = 0; i < listing->item_count && is_whole; i++) {
		is_whole = entry_add(listing, &listing->item[i]);
		last = key_hash(listing->item[i].key);
	}
	batch_free(listing);
	if (listing->why != NULL || !is_whole) {
		listing_fail(listing,
			     listing->why != NULL ? listing->why : "too much for one page");
		return;
	}
	if (listing->is_full) {
		TEXT(next, 16);

		text_add_hash(&next, last);
		listing_end(listing, true, text_span(&next));
		return;
	}
	listing->has_after = false;
	listing->cursor = listing->next_cursor;
	if (span_equal(listing->cursor, SPAN("0"))) {
		listing->slot++;
		listing->node = port->port.store->options.mode == STORE_CLUSTER
					? cluster_next_node(port, &listing->slot)
					: NODE_NONE;
		if (listing->node == NODE_NONE) {
			listing_end(listing, false, SPAN(""));
			return;
		}
	}
	if (listing->scans >= SCANS_MAX || listing->entry_count == listing->most)
		listing_end(listing, true, SPAN(""));
	else
		scan(listing);
}

static void value_done(struct redis_command *command, const redisReply *reply,
		       enum fact_cause cause)
{
	struct page_command *ask = (struct page_command *)command;
	struct listing *listing = ask->listing;
	struct item *item = ask->item;

	int expected = ask->is_life ? REDIS_REPLY_INTEGER : REDIS_REPLY_STRING;

	listing->port->in_line--;
	if (cause == CAUSE_NONE && reply->type != expected) {
		listing->why = redis_cause_words(CAUSE_MALFORMED);
	} else if (cause == CAUSE_NONE && ask->is_life) {
		item->left_ms = reply->integer;
	} else if (cause == CAUSE_NONE && reply->len <= STORE_VALUE_MAX) {
		item->value = malloc(reply->len + 1);
		item->value_len = reply->len;
		if (item->value != NULL)
			memcpy(item->value, reply->str, reply->len);
		else
			listing->why = redis_cause_words(CAUSE_TOOLARGE);
	} else if (cause != CAUSE_NONE && cause != CAUSE_MALFORMED) {
		listing->why = redis_cause_words(cause);
	}
	if (--listing->pending == 0)
		batch_end(listing);
}

/* @return false: no memory */
static bool page_send(struct listing *listing, struct item *item, const struct span *word,
		      size_t count,
		      void (*done)(struct redis_command *, const redisReply *, enum fact_cause))
{
	struct page_command *ask = (struct page_command *)command_new(sizeof(*ask), word, count,
								      item != NULL ? 1 : -1);

	if (ask == NULL)
		return false;
	ask->command.done = done;
	ask->command.is_map = done == map_came;
	ask->listing = listing;
	ask->item = item;
	ask->is_life = item != NULL && count == 2;
	listing->port->in_line++;
	if (item != NULL || done == map_came)
		route_command(listing->port, &ask->command);
	else
		route_to(listing->port->node[listing->node], &ask->command);
	return true;
}

static void values_ask(struct listing *listing)
{
	TEXT(last, 16);

	text_add_int(&last, STORE_VALUE_MAX); /* one byte more than a value of ours has */
	listing->pending = 1;                 /* the batch does not end in the middle of this */
	for (size_t i = 0; i < listing->item_count; i++) {
		struct item *item = &listing->item[i];
		struct span value[] = { SPAN("GETRANGE"), item->key, SPAN("0"), text_span(&last) };
		struct span left[] = { SPAN("PTTL"), item->key };

		listing->pending += 2;
		if (!page_send(listing, item, value, 4, value_done)) {
			listing->pending--;
			listing->why = redis_cause_words(CAUSE_TOOLARGE);
		}
		if (!page_send(listing, item, left, 2, value_done)) {
			listing->pending--;
			listing->why = redis_cause_words(CAUSE_TOOLARGE);
		}
	}
	if (--listing->pending == 0)
		batch_end(listing);
}

/* --- a batch of keys --- */

static int item_order(const void *a, const void *b)
{
	uint64_t left = key_hash(((const struct item *)a)->key);
	uint64_t right = key_hash(((const struct item *)b)->key);

	return left < right ? -1 : left > right;
}

static bool contains_nocase(struct span s, struct span part)
{
	for (size_t i = 0; i + part.len <= s.len; i++)
		if (span_equal_nocase(span_first(span_from(s, i), part.len), part))
			return true;
	return false;
}

static bool is_wanted(const struct listing *listing, struct span key)
{
	const struct store_options *options = &listing->port->port.store->options;
	struct span set, name;

	if (!redis_key_split(key, options->prefix, listing->class, &set, &name))
		return false;
	if (listing->set.len > 0 && !span_equal(set, listing->set))
		return false;
	if (listing->has_after && key_hash(key) <= listing->after)
		return false;
	return contains_nocase(name, listing->contains);
}

static void keys_take(struct listing *listing, const redisReply *keys)
{
	size_t room = listing->most - listing->entry_count, kept = 0;

	for (size_t i = 0; i < keys->elements; i++) {
		struct span key = reply_span(keys->element[i]);

		if (!is_wanted(listing, key))
			continue;
		if (listing->item_count == BATCH_MAX)
			listing->why = redis_cause_words(CAUSE_TOOLARGE);
		else
			listing->item[listing->item_count++] =
				(struct item){ .key = arena_copy(&listing->arena, key),
					       .left_ms = -2 };
	}
	for (size_t i = 0; i < listing->item_count; i++)
		if (listing->item[i].key.at == NULL)
			listing->why = redis_cause_words(CAUSE_TOOLARGE);
	if (listing->why != NULL) {
		listing->item_count = 0;
		return; /* and batch_end() says so */
	}
	qsort(listing->item, listing->item_count, sizeof(*listing->item), item_order);
	for (size_t i = 0; i < listing->item_count; i++) /* SCAN may say a key twice */
		if (kept == 0 || !span_equal(listing->item[kept - 1].key, listing->item[i].key))
			listing->item[kept++] = listing->item[i];
	listing->is_full = kept > room;
	listing->item_count = listing->is_full ? room : kept;
}

static void scan_done(struct redis_command *command, const redisReply *reply, enum fact_cause cause)
{
	struct listing *listing = ((struct page_command *)command)->listing;

	listing->port->in_line--;
	if (cause != CAUSE_NONE) {
		listing_fail(listing, redis_cause_words(cause));
		return;
	}
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY) {
		listing_fail(listing, redis_cause_words(CAUSE_MALFORMED));
		return;
	}
	listing->next_cursor = arena_copy(&listing->arena, reply_span(reply->element[0]));
	if (listing->next_cursor.at == NULL || listing->next_cursor.len > 20) {
		listing_fail(listing, redis_cause_words(CAUSE_TOOLARGE));
		return;
	}
	keys_take(listing, reply->element[1]);
	values_ask(listing);
}

static void add_literally(struct text *pattern, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (strchr("*?[]^-\\", s.at[i]) != NULL)
			text_add_char(pattern, '\\');
		text_add_char(pattern, s.at[i]);
	}
}

/* A cursor is of the node that gave it alone. */
static bool is_same_node(const struct listing *listing)
{
	unsigned slot = listing->slot;

	return listing->port->port.store->options.mode != STORE_CLUSTER ||
	       (cluster_next_node(listing->port, &slot) == listing->node && slot == listing->slot);
}

static void scan(struct listing *listing)
{
	const struct store_options *options = &listing->port->port.store->options;
	TEXT(front, REDIS_KEY_MAX);
	TEXT(pattern, 2 * REDIS_KEY_MAX);
	TEXT(count, 16);
	struct span word[] = { SPAN("SCAN"), listing->cursor, SPAN("MATCH"),
			       SPAN(""),     SPAN("COUNT"),   SPAN("") };

	if (!is_same_node(listing)) {
		listing_fail(listing, "the cluster has changed meanwhile: list again");
		return;
	}
	redis_key(&front, options->prefix, listing->class, listing->set, SPAN(""));
	front.len--; /* without the closing brace */
	add_literally(&pattern, text_span(&front));
	text_add_char(&pattern, '*');
	text_add_int(&count, SCAN_COUNT);
	word[3] = text_span(&pattern);
	word[5] = text_span(&count);
	listing->scans++;
	if (!page_send(listing, NULL, word, 6, scan_done))
		listing_fail(listing, redis_cause_words(CAUSE_TOOLARGE));
}

/* --- the beginning --- */

static enum err place_parse(struct listing *listing, const struct store_page *page)
{
	struct span rest = page->after_set, slot;
	int64_t number;

	listing->cursor = SPAN("0");
	if (rest.len == 0)
		return OK;
	if (!span_cut(&rest, ' ', &slot) || number_parse(slot, &number) != OK || number < 0 ||
	    number >= SLOTS || rest.len == 0 || rest.len > 20)
		return ERR_SYNTAX;
	for (size_t i = 0; i < rest.len; i++)
		if (!ascii_is_digit(rest.at[i]))
			return ERR_SYNTAX;
	listing->slot = (unsigned)number;
	listing->cursor = arena_copy(&listing->arena, rest);
	listing->has_after = page->after.len > 0;
	for (size_t i = 0; i < page->after.len; i++) {
		char c = ascii_lower(page->after.at[i]);

		if (!ascii_is_digit(c) && (c < 'a' || c > 'f'))
			return ERR_SYNTAX;
		listing->after = listing->after << 4 |
				 (unsigned)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
	}
	return listing->cursor.at != NULL ? OK : ERR_LIMIT;
}

static struct listing *listing_new(struct redis_port *port, const struct store_page *page)
{
	struct listing *listing = calloc(1, sizeof(*listing));

	if (listing == NULL)
		return NULL;
	arena_init(&listing->arena, LISTING_BYTES_MAX);
	listing->port = port;
	listing->class = page->class;
	listing->most = page->most;
	listing->set = arena_copy(&listing->arena, page->set);
	listing->contains = arena_copy(&listing->arena, page->contains);
	listing->entry = calloc(page->most, sizeof(*listing->entry));
	listing->item = ARENA_ARRAY(&listing->arena, struct item, BATCH_MAX);
	if (listing->set.at == NULL || listing->contains.at == NULL || listing->entry == NULL ||
	    listing->item == NULL) {
		listing_free(listing);
		return NULL;
	}
	return listing;
}

/* The map may have changed, or, at the start, not be known. */
static void map_came(struct redis_command *command, const redisReply *reply, enum fact_cause cause)
{
	struct listing *listing = ((struct page_command *)command)->listing;

	listing->port->in_line--;
	if (cause == CAUSE_NONE)
		cluster_take(listing->port, command->link, reply);
	listing->node = cluster_next_node(listing->port, &listing->slot);
	if (cause != CAUSE_NONE || listing->node == NODE_NONE)
		listing_fail(listing, redis_cause_words(cause != CAUSE_NONE ? cause : CAUSE_DOWN));
	else
		scan(listing);
}

static void map_ask(struct listing *listing)
{
	struct span word[] = { SPAN("CLUSTER"), SPAN("SLOTS") };

	if (!page_send(listing, NULL, word, 2, map_came))
		listing_fail(listing, redis_cause_words(CAUSE_TOOLARGE));
}

void redis_page(struct store_port *store_port, const struct store_page *page, int64_t now_ms,
		store_done *done, void *self)
{
	struct redis_port *port = (struct redis_port *)store_port;
	struct listing *listing = listing_new(port, page);

	if (listing == NULL) {
		store_end(done, self, ERR_SYSTEM, redis_cause_words(CAUSE_TOOLARGE));
		return;
	}
	listing->now_ms = now_ms;
	listing->done = done;
	listing->self = self;
	if (place_parse(listing, page) != OK) {
		listing_free(listing);
		store_end(done, self, ERR_SYNTAX, "no place where a page has ended");
		return;
	}
	if (port->port.store->options.mode == STORE_CLUSTER)
		map_ask(listing);
	else
		scan(listing);
}
