/* sqlite_run.c -- what each operation does to the tables.
 *
 * What an attempt does to a record is said by the pure functions of store_priv.h; here rows
 * become records and records rows.  A row that does not hold its sum is a miss, and is deleted.
 */
#include "store/sqlite_priv.h"

#include "base/ensure.h"

enum {
	/* New entries are admitted beyond the bound until sweeps have caught up; then no more. */
	OVERSHOOT_SHARE = 8,
	OVERSHOOT_LEAST = 1000,
	SAY_AGAIN_MS = 3600 * 1000,
};

static bool is_expired(int64_t expires_ms, int64_t now_ms)
{
	return expires_ms != 0 && expires_ms <= now_ms;
}

void sqlite_op_fail(struct sqlite_op *op, enum fact_cause cause, const char *why)
{
	op->answer = ANSWER_FAILED;
	op->cause = cause;
	op->ended = (struct store_ended){ .result = ERR_SYSTEM, .why = span_cstr(why) };
}

/* --- may it be more? --- */

/* Said once, and after an hour again. */
static bool is_to_say(int64_t *said_ms, int64_t now_ms)
{
	if (*said_ms != 0 && now_ms >= *said_ms && now_ms - *said_ms < SAY_AGAIN_MS)
		return false;
	*said_ms = now_ms;
	return true;
}

/* Counters are shared by groups of one hash: with so many of them that matters to nobody. */
bool sqlite_admit(struct sqlite *sqlite, struct span group, int64_t now_ms)
{
	struct sqlite_group *counter =
		&sqlite->group[hash_span(&sqlite->hash, group) & (SQLITE_GROUPS - 1)];
	int64_t minute = now_ms / 60000;

	if (counter->minute != minute)
		*counter = (struct sqlite_group){ .minute = minute };
	if (counter->count >= SQLITE_NEW_PER_MINUTE_MAX) {
		if (is_to_say(&sqlite->said_group_ms, now_ms))
			store_say(sqlite->store, STORE_WARNING,
				  "store %s: more than %d new greylist entries a minute of one "
				  "network: those beyond are not remembered",
				  sqlite->path, SQLITE_NEW_PER_MINUTE_MAX);
		return false;
	}
	counter->count++;
	return true;
}

static bool has_room(struct sqlite *sqlite, int64_t now_ms)
{
	uint64_t max = sqlite->store->options.entries_max;
	int64_t entries = (int64_t)atomic_load(&sqlite->entries) + sqlite->added;

	if (!sqlite->is_counted || max == 0 || entries < 0 ||
	    (uint64_t)entries < max + max / OVERSHOOT_SHARE + OVERSHOOT_LEAST)
		return true;
	if (is_to_say(&sqlite->said_full_ms, now_ms))
		store_say(sqlite->store, STORE_WARNING,
			  "store %s: more new entries than can be cleared away; its bound is %llu",
			  sqlite->path, (unsigned long long)max);
	return false;
}

/* --- rows --- */

static int put_triplet(struct sqlite *sqlite, struct span key, const struct triplet *triplet,
		       int64_t expires_ms)
{
	TEXT(colour, TRIPLET_TEXT_MAX);
	struct sqlite_row row = {
		.class = STORE_TRIPLET,
		.key = key,
		.number = { [ROW_EXPIRES] = expires_ms,
			    [ROW_LAST] = triplet->last_ms,
			    [ROW_FIRST] = triplet->first_ms,
			    [ROW_PASSED] = triplet->passed_ms,
			    [ROW_PASSES] = triplet->passes },
	};

	text_add_triplet_colour(&colour, triplet);
	row.text = text_span(&colour);
	sqlite->has_written = true;
	return sqlite_row_put(&sqlite->file, &row);
}

static int put_text(struct sqlite *sqlite, const struct sqlite_op *op, struct span text,
		    int64_t expires_ms)
{
	struct sqlite_row row = {
		.class = op->class,
		.set = op->set,
		.key = op->key,
		.number = { [ROW_EXPIRES] = expires_ms, [ROW_LAST] = op->now_ms },
		.text = text,
	};

	sqlite->has_written = true;
	return sqlite_row_put(&sqlite->file, &row);
}

bool sqlite_row_triplet(const struct sqlite_row *row, struct triplet *triplet)
{
	*triplet = (struct triplet){
		.first_ms = row->number[ROW_FIRST],
		.last_ms = row->number[ROW_LAST],
		.passed_ms = row->number[ROW_PASSED],
		.passes = row->number[ROW_PASSES],
	};
	return triplet_colour_parse(row->text, triplet) == OK;
}

/* The row of op's key; row->text is borrowed until release_row(). */
static int find_row(struct sqlite *sqlite, const struct sqlite_op *op, bool may_write,
		    struct sqlite_row *row, bool *is_there_out)
{
	sqlite3_stmt *get = sqlite_prepare(&sqlite->file, GET_KNOWN + op->class, op->set, op->key);
	int rc = sqlite3_step(get);

	*row = (struct sqlite_row){ .class = op->class, .set = op->set, .key = op->key };
	*is_there_out = rc == SQLITE_ROW && sqlite_row_read(get, 0, row);
	if (*is_there_out)
		return SQLITE_OK;
	if (rc == SQLITE_DONE)
		return sqlite3_reset(get);
	if (rc != SQLITE_ROW)
		return rc;
	row->text = SPAN("");
	rc = sqlite3_reset(get);
	return rc == SQLITE_OK && may_write ? sqlite_row_erase(sqlite, row) : rc;
}

static int release_row(struct sqlite *sqlite, const struct sqlite_row *row)
{
	return sqlite3_reset(sqlite->file.statement[GET_KNOWN + row->class]);
}

/* --- counts and touches --- */

/* What is there; before stays empty where that is nothing, or nothing any more. */
static int get_triplet(struct sqlite *sqlite, const struct sqlite_op *op, bool may_write,
		       struct text *before, bool *is_there_out)
{
	struct sqlite_row row;
	struct triplet triplet;
	TEXT(text, TRIPLET_TEXT_MAX);
	int rc = find_row(sqlite, op, may_write, &row, is_there_out);

	if (rc != SQLITE_OK || !*is_there_out)
		return rc;
	if (sqlite_row_triplet(&row, &triplet)) {
		text_add_triplet(&text, &triplet);
		text_add(before, store_live_triplet(text_span(&text), row.number[ROW_EXPIRES],
						    &op->task.terms, op->now_ms));
	}
	return release_row(sqlite, &row);
}

/* Would it only be known to have been seen later?  That can be left unwritten where nothing can be
 * written: who is known goes on. */
static bool is_only_later(struct span before, const struct triplet *after)
{
	struct triplet known;

	return triplet_parse(before, &known) == OK && known.first_ms == after->first_ms &&
	       known.passed_ms == after->passed_ms && known.until_ms == after->until_ms;
}

static int run_touch(struct sqlite *sqlite, struct sqlite_op *op, bool may_write)
{
	TEXT(before, TRIPLET_TEXT_MAX);
	TEXT(after, TRIPLET_TEXT_MAX);
	struct text item = { op->item, 0, sizeof(op->item), false };
	struct triplet triplet;
	int64_t expires_ms = 0;
	bool is_there;
	int rc = get_triplet(sqlite, op, may_write, &before, &is_there);

	if (rc != SQLITE_OK)
		return rc;
	expires_ms =
		store_touch_text(text_span(&before), &op->task.terms, op->now_ms, &item, &after);
	op->answer = item.len > 0 ? ANSWER_ITEM : ANSWER_NONE;
	op->item_len = item.len;
	if (op->is_rehearsal)
		return SQLITE_OK;
	ENSURE(triplet_parse(text_span(&after), &triplet) == OK);
	if (!may_write) {
		if (!is_only_later(text_span(&before), &triplet))
			sqlite_op_fail(op, CAUSE_REFUSED, "");
		return SQLITE_OK;
	}
	if (!is_there &&
	    (!sqlite_admit(sqlite, span_first(op->key, span_find(op->key, ' ')), op->now_ms) ||
	     !has_room(sqlite, op->now_ms))) {
		sqlite_op_fail(op, CAUSE_TOOLARGE, "");
		return SQLITE_OK;
	}
	sqlite->added += !is_there; /* for nothing, unless it is committed */
	return put_triplet(sqlite, op->key, &triplet, expires_ms);
}

static int run_count(struct sqlite *sqlite, struct sqlite_op *op, bool may_write)
{
	struct sqlite_row row;
	struct span before = SPAN("");
	int64_t expires_ms = 0;
	bool is_there;
	TEXT(after, TALLY_TEXT_MAX);
	int rc = find_row(sqlite, op, may_write, &row, &is_there);

	if (rc != SQLITE_OK)
		return rc;
	if (is_there && !is_expired(row.number[ROW_EXPIRES], op->now_ms))
		before = row.text;
	expires_ms = store_count_text(before, &op->task.count, op->now_ms, &after, &op->tally);
	rc = release_row(sqlite, &row);
	op->answer = ANSWER_TALLY;
	if (rc != SQLITE_OK || op->is_rehearsal || after.len == 0)
		return rc;
	if (!may_write || (!is_there && !has_room(sqlite, op->now_ms))) {
		sqlite_op_fail(op, may_write ? CAUSE_TOOLARGE : CAUSE_REFUSED, "");
		return SQLITE_OK;
	}
	sqlite->added += !is_there;
	return put_text(sqlite, op, text_span(&after), expires_ms);
}

/* --- entries as they are --- */

static int is_entry_there(struct sqlite *sqlite, const struct sqlite_op *op, bool *there_out)
{
	sqlite3_stmt *get = sqlite_prepare(&sqlite->file, GET_KNOWN + op->class, op->set, op->key);
	int rc = sqlite3_step(get);

	*there_out = rc == SQLITE_ROW;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? sqlite3_reset(get) : rc;
}

static int run_put(struct sqlite *sqlite, struct sqlite_op *op)
{
	struct triplet triplet;
	bool is_there;
	int rc;

	if (op->class == STORE_KNOWN)
		return put_text(sqlite, op, op->value, op->expires_ms);
	rc = is_entry_there(sqlite, op, &is_there);
	if (rc != SQLITE_OK)
		return rc;
	if (op->class == STORE_TALLY) {
		rc = put_text(sqlite, op, op->value, op->expires_ms);
	} else {
		ENSURE(triplet_parse(op->value, &triplet) == OK); /* looked at before */
		rc = put_triplet(sqlite, op->key, &triplet, op->expires_ms);
	}
	sqlite->added += rc == SQLITE_OK && !is_there;
	return rc;
}

/* Of sets memory has said already whether it was there. */
static int run_erase(struct sqlite *sqlite, struct sqlite_op *op)
{
	int rc = sqlite_finish(
		sqlite_prepare(&sqlite->file, ERASE_KNOWN + op->class, op->set, op->key));
	bool was_there = rc == SQLITE_OK && sqlite3_changes(sqlite->file.db) > 0;

	sqlite->has_written |= was_there;
	if (rc != SQLITE_OK || op->class == STORE_KNOWN)
		return rc;
	sqlite->added -= was_there;
	if (!was_there) {
		op->ended.result = ERR_MISSING;
		op->ended.why = SPAN("there is no such entry");
	}
	return rc;
}

/* --- pages --- */

static bool has_nocase(struct span text, struct span part)
{
	for (size_t i = 0; i + part.len <= text.len; i++)
		if (span_starts_nocase(span_from(text, i), part))
			return true;
	return false;
}

/* A row as an entry in op's arena.  @return false: it holds nothing sensible, or no memory */
static bool add_entry(struct sqlite_op *op, const struct sqlite_row *row, struct store_entry *entry)
{
	struct span value = row->text;
	struct triplet triplet;
	TEXT(text, TRIPLET_TEXT_MAX);

	if (op->class == STORE_TRIPLET) {
		if (!sqlite_row_triplet(row, &triplet))
			return false;
		text_add_triplet(&text, &triplet);
		value = text_span(&text);
	}
	*entry = (struct store_entry){
		.class = op->class,
		.set = arena_copy(&op->arena, row->set),
		.key = arena_copy(&op->arena, row->key),
		.value = arena_copy(&op->arena, value),
		.expires_ms = row->number[ROW_EXPIRES],
	};
	return entry->set.at != NULL && entry->key.at != NULL && entry->value.at != NULL;
}

static bool is_wanted(const struct sqlite_op *op, const struct sqlite_row *row)
{
	return !is_expired(row->number[ROW_EXPIRES], op->now_ms) &&
	       has_nocase(row->key, op->task.page.contains);
}

/* One row.  @return SQLITE_ROW: on with it; SQLITE_DONE: the page ends before it */
static int take_row(struct sqlite *sqlite, struct sqlite_op *op, sqlite3_stmt *walk, bool may_write,
		    struct store_entry *entry)
{
	const struct store_page *page = &op->task.page;
	struct store_ended *ended = &op->ended;
	struct sqlite_row row = { 0 };
	int rc = SQLITE_OK;

	if (!sqlite_row_walk(walk, op->class, &row)) {
		if (may_write)
			rc = sqlite_row_erase_walked(sqlite, op->class, walk);
		return rc == SQLITE_OK ? SQLITE_ROW : rc;
	}
	if (page->set.len > 0 && !span_equal(row.set, page->set))
		return SQLITE_DONE;
	if (is_wanted(op, &row) && add_entry(op, &row, &entry[ended->entry_count]))
		ended->entry_count++;
	return SQLITE_ROW;
}

/* Rows until the page is full, its time is over, or there are no more. */
static int fill_page(struct sqlite *sqlite, struct sqlite_op *op, sqlite3_stmt *walk,
		     bool may_write, struct store_entry *entry)
{
	int64_t until_us = sqlite_now_us() + SQLITE_SLICE_US;
	struct store_ended *ended = &op->ended;
	int rc;

	while ((rc = sqlite3_step(walk)) == SQLITE_ROW) {
		rc = take_row(sqlite, op, walk, may_write, entry);
		if (rc != SQLITE_ROW)
			break;
		if (ended->entry_count < op->task.page.most && sqlite_now_us() < until_us &&
		    op->arena.bytes < SQLITE_PAGE_BYTES_MAX)
			continue;
		ended->has_more = true;
		ended->next_set = arena_copy(&op->arena, sqlite_column(walk, 0));
		ended->next = arena_copy(&op->arena, sqlite_column(walk, 1));
		return SQLITE_OK;
	}
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int run_page(struct sqlite *sqlite, struct sqlite_op *op, bool may_write)
{
	const struct store_page *page = &op->task.page;
	bool is_inside = page->set.len == 0 || span_equal(page->set, page->after_set);
	sqlite3_stmt *walk = sqlite_prepare(&sqlite->file, WALK_KNOWN + op->class,
					    is_inside ? page->after_set : page->set,
					    is_inside ? page->after : SPAN(""));
	struct store_entry *entry;
	int rc;

	ENSURE(op->class != STORE_KNOWN); /* sets are paged in memory */
	arena_release(&op->arena);        /* of a first try */
	arena_init(&op->arena, SQLITE_PAGE_BYTES_MAX + 2 * STORE_VALUE_MAX);
	op->ended = (struct store_ended){ .result = OK };
	entry = ARENA_ARRAY(&op->arena, struct store_entry, page->most);
	if (entry == NULL) {
		sqlite_op_fail(op, CAUSE_TOOLARGE, "no memory");
		return SQLITE_OK;
	}
	op->ended.entry = entry;
	rc = fill_page(sqlite, op, walk, may_write, entry);
	sqlite3_reset(walk);
	return rc;
}

/* --- all of them --- */

static int run_writing(struct sqlite *sqlite, struct sqlite_op *op)
{
	int rc = op->kind == OP_PUT ? run_put(sqlite, op) : run_erase(sqlite, op);

	if ((rc & 0xff) != SQLITE_CONSTRAINT)
		return rc;
	sqlite_op_fail(op, CAUSE_MALFORMED, "not within the bounds of the table");
	return SQLITE_OK;
}

int sqlite_run(struct sqlite *sqlite, struct sqlite_op *op, bool may_write)
{
	op->ended = (struct store_ended){ .result = OK };
	switch (op->kind) {
	case OP_COUNT: return run_count(sqlite, op, may_write);
	case OP_TOUCH: return run_touch(sqlite, op, may_write);
	case OP_PAGE: return run_page(sqlite, op, may_write);
	case OP_PUT:
	case OP_ERASE:
		if (may_write)
			return run_writing(sqlite, op);
		sqlite_op_fail(op, CAUSE_REFUSED, "the store cannot be written now");
		return SQLITE_OK;
	}
	ENSURE(false);
}
