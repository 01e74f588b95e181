/* sqlite_sweep.c -- what has expired goes, and what is too much.
 *
 * A sweep walks over all entries in the order of their keys, a stretch of a few milliseconds at
 * a time, between two batches.  There is no index on the expiry: it would double the price of
 * every write.
 *
 * While it walks it counts the entries by their age.  When there are too many, that count says
 * from which age on they must go, and the next sweep takes them: the longest unused first, and
 * those that never came back before all others.  What an administrator has coloured stays.
 */
#include "store/sqlite_priv.h"

#include "base/ensure.h"

enum {
	FIRST_US = 60 * 1000 * 1000, /* by then even a clock that was wrong at boot is right */
	STRETCH_GAP_US = 20 * 1000,
	STRETCH_WALK_US = SQLITE_SLICE_US / 2, /* the rest is for removing */
	AGAIN_US = 10 * 60 * 1000 * 1000,
	GIVEN_UP_US = 60 * 1000 * 1000,
	PURGE_LARGE = 10000, /* the journal of so much is given back at once */
	KEEP_SHARE = 64,     /* so much below the bound is swept */
	JUMP_MS = 60 * 1000,
};
#define DOUBT_US (INT64_C(3600) * 1000 * 1000)

/* --- what time it is for what expires --- */

void sqlite_clock_saw(struct sqlite_clock *clock, int64_t now_ms, int64_t now_us)
{
	if (now_ms <= 0)
		return;
	clock->now_ms = now_ms;
	clock->seen_us = now_us;
}

/* Backwards it is followed at once: that keeps entries.  A jump ahead would throw them away: for
 * an hour it is only followed at the pace of real time. */
int64_t sqlite_clock_ms(struct sqlite_clock *clock, int64_t now_us)
{
	int64_t now_ms = clock->now_ms + (now_us - clock->seen_us) / 1000;
	int64_t expected_ms = clock->trusted_ms + (now_us - clock->trusted_us) / 1000;

	if (clock->now_ms == 0)
		return 0;
	if (clock->trusted_ms == 0 || now_ms <= expected_ms + JUMP_MS) {
		clock->doubted_us = 0;
	} else if (clock->doubted_us == 0) {
		clock->doubted_us = now_us;
	} else if (now_us - clock->doubted_us >= DOUBT_US) {
		clock->doubted_us = 0;
	}
	clock->trusted_ms = clock->doubted_us == 0 ? now_ms : expected_ms;
	clock->trusted_us = now_us;
	return clock->trusted_ms;
}

/* --- ages --- */

/* Four buckets an octave of seconds: 0, 1, 2, 3, 4, 5, 6, 7, 8-9, 10-11 ... */
static unsigned age_bucket(int64_t age_ms)
{
	uint64_t seconds = age_ms > 0 ? (uint64_t)age_ms / 1000 : 0;
	unsigned octave, bucket;

	if (seconds < 4)
		return (unsigned)seconds;
	octave = 63 - (unsigned)__builtin_clzll(seconds);
	bucket = 4 * (octave - 1) + (unsigned)(seconds >> (octave - 2) & 3);
	return bucket < SQLITE_BUCKETS ? bucket : SQLITE_BUCKETS - 1;
}

/* From which age on must they go, that so many go? */
static void find_cut(struct sqlite_sweep *sweep, uint64_t excess)
{
	sweep->cut_at_ms = sweep->seen.at_ms;
	for (unsigned rank = 0; rank < RANK_COUNT; rank++)
		for (unsigned bucket = SQLITE_BUCKETS; bucket-- > 0;) {
			uint64_t count = sweep->seen.count[rank][bucket];

			sweep->cut_rank = (enum sqlite_rank)rank;
			sweep->cut_bucket = bucket;
			sweep->cut_quota = excess;
			if (count >= excess)
				return;
			excess -= count;
		}
}

static bool is_cut(struct sqlite_sweep *sweep, enum sqlite_rank rank, int64_t last_ms)
{
	unsigned bucket = age_bucket(sweep->cut_at_ms - last_ms);

	if (sweep->cut_at_ms == 0 || rank > sweep->cut_rank)
		return false;
	if (rank < sweep->cut_rank || bucket > sweep->cut_bucket)
		return true;
	if (bucket < sweep->cut_bucket || sweep->cut_quota == 0)
		return false;
	sweep->cut_quota--;
	return true;
}

/* --- rows --- */

/* A look does not make it younger there, as memory_change() would. */
static bool is_in_memory(const struct sqlite *sqlite, struct span set, struct span key,
			 int64_t now_ms)
{
	TEXT(question, STORE_SET_MAX + 1 + STORE_KEY_MAX);
	struct fact fact = { .kind = FACT_REMEMBERED };
	bool is_there;

	text_add(&question, set);
	text_add_char(&question, ' ');
	text_add(&question, key);
	fact.key = text_span(&question);
	if (question.overrun || !memory_recall(sqlite->store->memory, &fact, now_ms))
		return true;
	is_there = fact.state != FACT_NONE;
	memory_release(sqlite->store->memory, &fact);
	return is_there;
}

static bool is_coloured(const struct sqlite_row *row, int64_t now_ms)
{
	struct triplet triplet;

	return sqlite_row_triplet(row, &triplet) &&
	       triplet_colour_at(&triplet, now_ms) != TRIPLET_PLAIN;
}

/* Is the row to go? */
static bool judge_row(struct sqlite *sqlite, const struct sqlite_row *row, int64_t now_ms)
{
	struct sqlite_sweep *sweep = &sqlite->sweep;
	int64_t expires_ms = row->number[ROW_EXPIRES], last_ms = row->number[ROW_LAST];
	enum sqlite_rank rank = RANK_USED;

	if (expires_ms != 0 && expires_ms <= now_ms) {
		sweep->doomed_expired++;
		return true;
	}
	if (row->class == STORE_KNOWN) /* memory has its own bounds */
		return !is_in_memory(sqlite, row->set, row->key, now_ms);
	if (row->class == STORE_TRIPLET) {
		if (is_coloured(row, now_ms)) {
			sweep->kept++;
			return false;
		}
		if (row->number[ROW_PASSED] == 0)
			rank = RANK_WAITING;
	}
	if (is_cut(sweep, rank, last_ms))
		return true;
	sweep->kept++;
	sweep->seen.count[rank][age_bucket(sweep->seen.at_ms - last_ms)]++;
	return false;
}

static void doom(struct sqlite_sweep *sweep, struct span set, struct span key)
{
	struct span part[] = { set, key };

	for (size_t i = 0; i < 2; i++) {
		uint16_t len = (uint16_t)part[i].len;

		memcpy(sweep->doomed + sweep->doomed_len, &len, sizeof(len));
		memcpy(sweep->doomed + sweep->doomed_len + sizeof(len), part[i].at, len);
		sweep->doomed_len += sizeof(len) + len;
	}
}

static struct span next_doomed(const struct sqlite_sweep *sweep, size_t *at)
{
	struct span part;
	uint16_t len;

	memcpy(&len, sweep->doomed + *at, sizeof(len));
	part = span_of(sweep->doomed + *at + sizeof(len), len);
	*at += sizeof(len) + len;
	return part;
}

/* A set and a key that are longer than ours may be come from elsewhere: passed over. */
static bool stand_at(struct sqlite_sweep *sweep, struct span set, struct span key)
{
	if (set.len >= sizeof(sweep->set) || key.len >= sizeof(sweep->key))
		return false;
	memcpy(sweep->set, set.at, set.len);
	memcpy(sweep->key, key.at, key.len);
	sweep->set_len = set.len;
	sweep->key_len = key.len;
	return true;
}

/* Behind the row before it?  What is not stands where no question finds it. */
static bool is_in_order(const struct sqlite_sweep *sweep, const struct sqlite_row *row)
{
	int order = span_compare(row->set, span_of(sweep->set, sweep->set_len));

	if (order == 0)
		order = span_compare(row->key, span_of(sweep->key, sweep->key_len));
	return order > 0;
}

/* --- a stretch --- */

/* What does not hold its sum goes at once.  @return SQLITE_ROW: there are more; SQLITE_DONE */
static int walk_stretch(struct sqlite *sqlite, int64_t now_ms, int64_t until_us)
{
	struct sqlite_sweep *sweep = &sqlite->sweep;
	sqlite3_stmt *walk = sqlite_prepare(&sqlite->file, WALK_KNOWN + sweep->class,
					    span_of(sweep->set, sweep->set_len),
					    span_of(sweep->key, sweep->key_len));
	size_t room = sizeof(sweep->doomed) - sizeof(sweep->set) - sizeof(sweep->key) - 8;
	struct sqlite_row row;
	bool is_due = false;
	int rc = SQLITE_ROW;

	sweep->doomed_len = 0;
	sweep->doomed_expired = 0;
	while (!is_due && (rc = sqlite3_step(walk)) == SQLITE_ROW) {
		is_due = sqlite_now_us() > until_us;
		if (!sqlite_row_walk(walk, sweep->class, &row)) {
			rc = sqlite_row_erase_walked(sqlite, sweep->class, walk);
			if (rc != SQLITE_OK)
				break;
			rc = SQLITE_ROW;
		} else if (!is_in_order(sweep, &row)) {
			rc = SQLITE_CORRUPT;
			break;
		} else if (stand_at(sweep, row.set, row.key)) {
			if (judge_row(sqlite, &row, now_ms))
				doom(sweep, row.set, row.key);
			is_due |= sweep->doomed_len > room;
		}
	}
	sqlite3_reset(walk);
	return rc;
}

static int remove_doomed(struct sqlite *sqlite)
{
	struct sqlite_sweep *sweep = &sqlite->sweep;
	struct store_counters *count = &sqlite->store->count;
	uint32_t removed = 0;
	size_t at = 0;
	int rc = sqlite_do(&sqlite->file, DO_BEGIN_WRITE);

	while (rc == SQLITE_OK && at < sweep->doomed_len) {
		struct span set = next_doomed(sweep, &at);
		struct span key = next_doomed(sweep, &at);

		rc = sqlite_finish(
			sqlite_prepare(&sqlite->file, ERASE_KNOWN + sweep->class, set, key));
		removed++;
	}
	if (rc == SQLITE_OK)
		rc = sqlite_do(&sqlite->file, DO_COMMIT);
	if (rc != SQLITE_OK)
		return rc;
	sweep->removed += removed;
	atomic_fetch_add(&count->expired, sweep->doomed_expired);
	atomic_fetch_add(&count->evicted, removed - sweep->doomed_expired);
	if (sweep->class != STORE_KNOWN)
		atomic_fetch_sub(&sqlite->entries, removed);
	return SQLITE_OK;
}

/* --- a sweep --- */

/* How many are there beyond what is to be kept?  0: it is not too much. */
static uint64_t excess(const struct sqlite *sqlite)
{
	int64_t entries = (int64_t)atomic_load(&sqlite->entries);
	uint64_t max = sqlite->store->options.entries_max;

	if (!sqlite->is_counted || max == 0 || entries < 0 || (uint64_t)entries <= max)
		return 0;
	return (uint64_t)entries - (max - max / KEEP_SHARE);
}

static void begin(struct sqlite_sweep *sweep, int64_t now_ms)
{
	sweep->is_running = true;
	sweep->class = STORE_KNOWN;
	sweep->set_len = 0;
	sweep->key_len = 0;
	sweep->removed = 0;
	sweep->kept = 0;
	memset(&sweep->seen, 0, sizeof(sweep->seen));
	sweep->seen.at_ms = now_ms;
}

/* Where the file was too big to be counted at its opening.  What came behind the sweep's back
 * meanwhile is missing: few, beside so many. */
static void count_kept(struct sqlite *sqlite)
{
	if (sqlite->is_counted)
		return;
	atomic_store(&sqlite->entries, sqlite->sweep.kept);
	sqlite->is_counted = true;
}

static void end(struct sqlite *sqlite, int64_t now_us)
{
	struct sqlite_sweep *sweep = &sqlite->sweep;
	bool was_cutting = sweep->cut_at_ms != 0;
	uint64_t more;

	count_kept(sqlite);
	more = excess(sqlite);
	sweep->is_running = false;
	sweep->cut_at_ms = 0;
	sweep->next_us = now_us + AGAIN_US;
	sweep->is_stuck = more > 0 && was_cutting && sweep->removed == 0;
	if (sweep->removed >= PURGE_LARGE)
		sqlite->shrink_us = now_us;
	if (more == 0 || sweep->is_stuck)
		return;
	find_cut(sweep, more);
	sweep->next_us = now_us + STRETCH_GAP_US;
}

static bool is_due(const struct sqlite *sqlite, int64_t now_us)
{
	const struct sqlite_sweep *sweep = &sqlite->sweep;

	return now_us >= sweep->next_us ||
	       (!sweep->is_running && !sweep->is_stuck && excess(sqlite) > 0);
}

int sqlite_sweep(struct sqlite *sqlite, int64_t now_us)
{
	struct sqlite_sweep *sweep = &sqlite->sweep;
	int64_t now_ms = sqlite_clock_ms(&sqlite->clock, now_us);
	int rc;

	if (sweep->next_us == 0)
		sweep->next_us = now_us + FIRST_US;
	if (now_ms == 0 || !is_due(sqlite, now_us))
		return SQLITE_OK;
	if (!sweep->is_running)
		begin(sweep, now_ms);
	sweep->next_us = now_us + STRETCH_GAP_US;
	rc = walk_stretch(sqlite, now_ms, now_us + STRETCH_WALK_US);
	if (rc == SQLITE_DONE) {
		rc = sweep->doomed_len > 0 ? remove_doomed(sqlite) : SQLITE_OK;
		sweep->class = (enum store_class)(sweep->class + 1);
		sweep->set_len = 0;
		sweep->key_len = 0;
	} else if (rc == SQLITE_ROW) {
		rc = sweep->doomed_len > 0 ? remove_doomed(sqlite) : SQLITE_OK;
	}
	if (rc == SQLITE_OK && sweep->class == STORE_CLASS_COUNT)
		end(sqlite, now_us);
	if (rc != SQLITE_OK) {
		sweep->is_running = false;
		sweep->next_us = now_us + GIVEN_UP_US;
	}
	return rc;
}

int64_t sqlite_sweep_next_us(const struct sqlite *sqlite)
{
	const struct sqlite_sweep *sweep = &sqlite->sweep;

	if (sqlite->clock.now_ms == 0)
		return INT64_MAX;
	if (!sweep->is_running && !sweep->is_stuck && excess(sqlite) > 0)
		return 0;
	return sweep->next_us;
}
