/* gld_records.c -- the rows of gld's table greylist become triplets. */
#include "base/ensure.h"
#include "ctl/import/gld.h"
#include "ctl/import/gld_priv.h"
#include "ctl/import/list.h"
#include "ctl/import/sql_file.h"
#include "mail/ip.h"
#include "weigh/counting.h"
#include "weigh/key.h"
#include "weigh/triplet.h"

#include <stdlib.h>
#include <sysexits.h>

enum { TRUST_TEXT_MAX = 80, S_MAX = INT32_MAX };

static const int64_t second_ms = 1000, day_ms = INT64_C(24) * 3600 * 1000;

struct gld_records {
	struct import_records *records;
	bool by_network;
	int64_t trust;
	struct arena arena;
	struct list returned; /* "KEY LAST_MS", of triplets that came back */
	struct triplet_terms terms;
	uint64_t taken, wrong;
};

/* The address as our key has it: whole, or its /24 or /64. */
static bool add_client(struct text *client, struct span address, bool by_network)
{
	enum { V4_BITS = 24, V6_BITS = 64 };
	struct prefix network;
	struct ip ip;

	if (ip_parse(address, &ip) != OK)
		return false;
	ip = ip_unmapped(ip);
	if (!by_network) {
		text_add_ip(client, ip);
		return true;
	}
	network = prefix_of(ip, ip.family == IP_V4 ? V4_BITS : V6_BITS);
	text_add_prefix(client, &network);
	return true;
}

static void add_returned(struct gld_records *gld, struct span client, int64_t last_ms)
{
	TEXT(item, IP_TEXT_MAX + 32);

	text_add(&item, client);
	text_addf(&item, " %013lld", (long long)last_ms);
	list_add(&gld->returned, text_span(&item));
}

static int64_t seconds_of(const struct sql_row *row, const char *column, unsigned position)
{
	int64_t s = sql_row_number(row, column, position);

	return s < 0 ? 0 : s > S_MAX ? S_MAX : s;
}

static void leave_out(struct gld_records *gld, const struct sql_row *row, const char *why,
		      struct span value)
{
	sql_row_leave_out(row, &gld->wrong, gld->records->report, why, value);
}

static void take_triplet(void *owner, const struct sql_row *row)
{
	struct gld_records *gld = owner;
	struct triplet triplet = {
		.first_ms = seconds_of(row, "first", 3) * second_ms,
		.last_ms = seconds_of(row, "last", 4) * second_ms,
		.passes = seconds_of(row, "n", 5) - 1,
	};
	struct span address, sender, recipient;
	TEXT(client, IP_TEXT_MAX + 4);
	TEXT(key, KEY_ROOM);
	TEXT(value, TRIPLET_TEXT_MAX);

	if (!span_equal_nocase(row->table, SPAN("greylist")))
		return;
	if (!sql_row_char(row, "ip", 0, &address) || !sql_row_char(row, "sender", 1, &sender) ||
	    !sql_row_char(row, "recipient", 2, &recipient)) {
		leave_out(gld, row, "ip, sender or recipient is missing", SPAN(""));
		return;
	}
	if (!add_client(&client, address, gld->by_network)) {
		leave_out(gld, row, "no address", address);
		return;
	}
	if (triplet.first_ms == 0) {
		leave_out(gld, row, "no time", address);
		return;
	}
	if (triplet.last_ms < triplet.first_ms)
		triplet.last_ms = triplet.first_ms;
	if (triplet.passes > 0) {
		triplet.passed_ms = triplet.last_ms; /* gld does not keep when it first did */
		if (gld->trust > 0)
			add_returned(gld, text_span(&client), triplet.last_ms);
	} else {
		triplet.passes = 0;
	}
	key_add(&key, text_span(&client));
	key_add(&key, span_equal(sender, SPAN("void@void")) ? SPAN("") : sender);
	key_add(&key, recipient);
	key_finish(&key);
	text_add_triplet(&value, &triplet);
	import_record_write(gld->records,
			    &(struct store_entry){
				    .class = STORE_TRIPLET,
				    .key = text_span(&key),
				    .value = text_span(&value),
				    .expires_ms = triplet_expires_ms(&triplet, &gld->terms),
			    });
	gld->taken++;
}

/* --- who is trusted --- */

static int by_bytes(const void *a, const void *b)
{
	return span_compare(*(const struct span *)a, *(const struct span *)b);
}

static void write_trust(struct gld_records *gld, struct span client, int64_t count,
			struct span last_ms)
{
	TEXT(value, TRUST_TEXT_MAX);
	int64_t ms = strtoll(last_ms.at, NULL, 10); /* list_add() has put a NUL behind it */

	text_addf(&value, "%lld %lld %lld", (long long)count, (long long)ms, (long long)ms);
	import_record_write(gld->records, &(struct store_entry){
						  .class = STORE_KNOWN,
						  .set = SPAN(GREYLIST_TRUSTED_SET),
						  .key = client,
						  .value = text_span(&value),
						  .expires_ms = ms + gld->terms.keep_ms,
					  });
}

/* The newest return of a client sorts last among its own: all times have 13 digits. */
static void write_trusted(struct gld_records *gld)
{
	const struct list *list = &gld->returned;
	int64_t count = 0;

	if (list->count > 0)
		qsort(list->item, list->count, sizeof(*list->item), by_bytes);
	for (size_t i = 0; i < list->count; i++) {
		struct span item = list->item[i];
		struct span client = span_first(item, span_find(item, ' '));
		bool is_last = i + 1 == list->count ||
			       !span_equal(client, span_first(list->item[i + 1],
							      span_find(list->item[i + 1], ' ')));

		count++;
		if (!is_last)
			continue;
		write_trust(gld, client, count, span_from(item, client.len + 1));
		count = 0;
	}
}

int import_gld_records(struct import_records *records)
{
	static struct settings settings;
	struct gld_records gld = { .records = records };
	static const char *const wanted[] = { "greylist", NULL };
	struct sql_dump dump = { .wanted = wanted, .row = take_triplet, .owner = &gld };
	int status = EX_OK;

	gld_read(&settings, records->foreign, records->options, records->report);
	gld.by_network = settings_switch(&settings, GLD_LIGHTGREY);
	gld.trust = settings_number(&settings, GLD_MXGREY, 0, UINT16_MAX);
	gld.terms = (struct triplet_terms){
		.delay_ms = (settings_number(&settings, GLD_MINTIME, 0, GLD_WAIT_S_MAX) + 1) *
			    second_ms,
		.window_ms = GLD_WITHIN_DAYS * day_ms,
		.keep_ms = GLD_REMEMBER_DAYS * day_ms,
	};
	arena_init(&gld.arena, LIST_ARENA_BYTES_MAX);
	gld.returned.arena = &gld.arena;
	for (size_t i = 0; i < records->path_count; i++) {
		enum err err = sql_file_read(records->path[i], &dump, records->report);

		if (err != OK)
			status = sql_file_status(err);
	}
	write_trusted(&gld);
	text_addf(records->report, "%llu triplets taken, %llu rows left out\n",
		  (unsigned long long)gld.taken, (unsigned long long)gld.wrong);
	if (gld.returned.is_full) {
		text_add(records->report, SPAN("too many clients: not all are trusted\n"));
		status = EX_DATAERR;
	}
	arena_release(&gld.arena);
	return status;
}
