/* policyd_rate_limit_records.c -- the rows of mail_count, counted again, become tallies. */
#include "base/number.h"
#include "ctl/import/list.h"
#include "ctl/import/policyd_rate_limit.h"
#include "ctl/import/policyd_rate_limit_priv.h"
#include "ctl/import/sql_file.h"
#include "mail/ip.h"
#include "weigh/key.h"
#include "weigh/tally.h"

#include <stdlib.h>
#include <sysexits.h>

enum { SEPARATOR = '\x01', ROWS_BYTES_MAX = 1024 * 1024 * 1024 };

struct rate_limit_records {
	struct import_records *records;
	struct rate_limit *rate;
	struct arena arena;
	struct list rows; /* "ID \1 SECONDS \1 AMOUNT", so that they sort as they came */
	uint64_t ids, left_out;
};

static void take_row(void *owner, const struct sql_row *row)
{
	struct rate_limit_records *all = owner;
	long long amount = (long long)sql_row_number(row, "recipient_count", 2);
	long long s = (long long)sql_row_number(row, "date", 1);
	struct span id = { 0 };
	TEXT(text, RL_ID_MAX + 64);

	if (!span_equal_nocase(row->table, SPAN("mail_count")))
		return;
	if (!sql_row_text(row, "id", 0, &id) || id.len == 0 || id.len > RL_ID_MAX ||
	    span_find(id, SEPARATOR) < id.len || s <= 0 || s > INT32_MAX) {
		sql_row_leave_out(row, &all->left_out, all->records->report, "no id, or no date",
				  id);
		return;
	}
	if (amount < 1 || all->rate->count_mode == 2)
		amount = 1;
	text_add(&text, id);
	text_addf(&text, "%c%010lld%c%lld", SEPARATOR, s, SEPARATOR,
		  amount < INT32_MAX ? amount : INT32_MAX);
	list_add(&all->rows, text_span(&text));
}

static int by_bytes(const void *a, const void *b)
{
	return span_compare(*(const struct span *)a, *(const struct span *)b);
}

/* Which limits may have counted the id: the database does not say. */
static bool may_count(const struct rate_limit *rate, struct span limit, struct span id,
		      bool is_address)
{
	if (span_equal(limit, SPAN("user")))
		return rate->by_sasl && !is_address;
	if (span_equal(limit, SPAN("sender")))
		return rate->by_sender && span_find(id, '@') < id.len;
	return rate->by_ip && is_address;
}

static void write_tally(struct rate_limit_records *all, struct span id, const struct tally *tally,
			int64_t now_ms)
{
	static const struct span limits[] = { SPAN_INIT("user"), SPAN_INIT("sender"),
					      SPAN_INIT("address") };
	TEXT(key, KEY_ROOM);
	TEXT(value, TALLY_TEXT_MAX);
	TEXT(address, IP_TEXT_MAX);
	struct store_entry entry = { .class = STORE_TALLY };
	struct ip ip;
	bool is_address = ip_parse(id, &ip) == OK;

	if (is_address)
		text_add_ip(&address, ip_unmapped(ip));
	key_add(&key, is_address ? text_span(&address) : id);
	key_finish(&key);
	text_add_tally(&value, tally);
	entry.key = text_span(&key);
	entry.value = text_span(&value);
	entry.expires_ms = tally_expires_ms(tally, now_ms);
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		entry.set = limits[i];
		if (may_count(all->rate, limits[i], id, is_address))
			import_record_write(all->records, &entry);
	}
}

struct counted_row {
	struct span id;
	int64_t at_ms, amount;
};

static struct counted_row row_parse(struct span item)
{
	struct counted_row row = { 0 };
	struct span s;

	/* written by take_row(): all of it is there */
	if (span_cut(&item, SEPARATOR, &row.id) && span_cut(&item, SEPARATOR, &s)) {
		row.at_ms = strtoll(s.at, NULL, 10) * 1000;
		row.amount = strtoll(item.at, NULL, 10);
	}
	return row;
}

/* All rows of an id, oldest first. */
static void count_id(struct rate_limit_records *all, struct span id, const struct span *item,
		     size_t count)
{
	static struct tally tally;
	struct tally_count next = { .counts_refused = true };
	struct tally_result result;
	int64_t now_ms = 0;

	next.rates = rate_limit_rates_of(all->rate, id);
	if (next.rates.count == 0)
		return;
	memset(&tally, 0, sizeof(tally));
	for (size_t i = 0; i < count; i++) {
		struct counted_row row = row_parse(item[i]);

		now_ms = row.at_ms;
		next.amount = row.amount;
		(void)tally_count(&tally, &next, now_ms, &result);
	}
	write_tally(all, id, &tally, now_ms);
	all->ids++;
}

static void count_ids(struct rate_limit_records *all)
{
	struct list *rows = &all->rows;
	size_t from = 0;

	if (rows->count > 0)
		qsort(rows->item, rows->count, sizeof(*rows->item), by_bytes);
	for (size_t i = 0; i < rows->count; i++) {
		struct span id = row_parse(rows->item[i]).id;

		if (i + 1 < rows->count && span_equal(row_parse(rows->item[i + 1]).id, id))
			continue;
		count_id(all, id, &rows->item[from], i + 1 - from);
		from = i + 1;
	}
}

int import_policyd_rate_limit_records(struct import_records *records)
{
	static struct rate_limit rate;
	struct rate_limit_records all = { .records = records, .rate = &rate };
	static const char *const wanted[] = { "mail_count", NULL };
	struct sql_dump dump = { .wanted = wanted, .row = take_row, .owner = &all };
	int status = EX_OK;

	if (rate_limit_read(&rate, records->foreign, records->options, records->report) != OK)
		status = EX_DATAERR;
	arena_init(&all.arena, ROWS_BYTES_MAX);
	all.rows.arena = &all.arena;
	for (size_t i = 0; i < records->path_count; i++) {
		enum err err = sql_file_read(records->path[i], &dump, records->report);

		if (err != OK)
			status = sql_file_status(err);
	}
	count_ids(&all);
	text_addf(records->report, "%zu rows of %llu ids taken, %llu rows left out\n",
		  all.rows.count, (unsigned long long)all.ids, (unsigned long long)all.left_out);
	if (all.rows.is_full) {
		text_add(records->report, SPAN("too many rows: not all are counted\n"));
		status = EX_DATAERR;
	}
	arena_release(&all.arena);
	rate_limit_release(&rate);
	return status;
}
