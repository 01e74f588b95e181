/* policyd_records.c -- what Policyd's tables remember becomes entries of the store. */
#include "ctl/import/policyd.h"
#include "ctl/import/policyd_priv.h"
#include "ctl/import/sql_file.h"
#include "mail/ip.h"
#include "weigh/key.h"
#include "weigh/tally.h"
#include "weigh/triplet.h"

#include <sysexits.h>

enum { S_MAX = INT32_MAX, OCTETS = 4, LIMIT_NAME_MAX = 40 };

static const int64_t second_ms = 1000;

struct policyd_records {
	struct import_records *records;
	struct settings *settings;
	const struct policyd_subject *subject;
	unsigned subject_count;
	int64_t octets; /* GREYLIST_HOSTADDR */
	struct triplet_terms terms;
	uint64_t triplets, listed, counters, left_out;
};

static int64_t seconds_of(const struct sql_row *row, const char *column, unsigned position)
{
	int64_t s = sql_row_number(row, column, position);

	return s < 0 ? 0 : s > S_MAX ? S_MAX : s;
}

static void leave_out(struct policyd_records *policyd, const struct sql_row *row, const char *why,
		      struct span value)
{
	sql_row_leave_out(row, &policyd->left_out, policyd->records->report, why, value);
}

static void write_entry(struct policyd_records *policyd, struct store_entry entry)
{
	import_record_write(policyd->records, &entry);
}

/* --- triplets --- */

/* "192.0.2" is the /24, "192.0.2.1" an address; shorter and mangled ones are not ours. */
static bool add_host(struct text *client, struct span host, int64_t octets)
{
	TEXT(whole, IP_TEXT_MAX + 4);
	struct prefix network;
	struct ip ip;

	text_add(&whole, host);
	if (octets == OCTETS) {
		if (ip_parse(host, &ip) != OK)
			return false;
		text_add_ip(client, ip);
		return true;
	}
	text_add(&whole, SPAN(".0/24"));
	if (whole.overrun || prefix_parse(text_span(&whole), &network) != OK)
		return false;
	text_add_prefix(client, &network);
	return true;
}

static void take_triplet(struct policyd_records *policyd, const struct sql_row *row)
{
	struct triplet triplet = {
		.first_ms = seconds_of(row, "_datenew", 3) * second_ms,
		.last_ms = seconds_of(row, "_datelast", 4) * second_ms,
		.passes = seconds_of(row, "_count", 5),
	};
	struct span sender, recipient, host = { 0 };
	TEXT(client, IP_TEXT_MAX + 4);
	TEXT(key, KEY_ROOM);
	TEXT(value, TRIPLET_TEXT_MAX);

	if (!sql_row_text(row, "_from", 0, &sender) || !sql_row_text(row, "_rcpt", 1, &recipient) ||
	    !sql_row_text(row, "_host", 2, &host) || triplet.first_ms == 0 ||
	    !add_host(&client, host, policyd->octets)) {
		leave_out(policyd, row, "no such network, or no time", host);
		return;
	}
	if (triplet.passes > 0)
		triplet.passed_ms = triplet.last_ms; /* Policyd does not keep when it first did */
	key_add(&key, text_span(&client));
	key_add(&key, span_equal(sender, SPAN("<>")) ? SPAN("") : sender);
	key_add(&key, recipient);
	key_finish(&key);
	text_add_triplet(&value, &triplet);
	write_entry(policyd, (struct store_entry){
				     .class = STORE_TRIPLET,
				     .key = text_span(&key),
				     .value = text_span(&value),
				     .expires_ms = triplet_expires_ms(&triplet, &policyd->terms),
			     });
	policyd->triplets++;
}

/* --- lists --- */

/* Rows without expiry stand in the configuration. */
static void take_listed(struct policyd_records *policyd, const struct sql_row *row,
			const char *column, struct span set)
{
	int64_t expires_s = seconds_of(row, "_expire", 2);
	TEXT(network, IP_TEXT_MAX + 4);
	struct span item;
	bool is_wide;

	if (!sql_row_text(row, column, 0, &item) || expires_s == 0)
		return;
	if (!policyd_network(item, &network, &is_wide) || is_wide) {
		leave_out(policyd, row, is_wide ? "wider than a /24" : "no address or network",
			  item);
		return;
	}
	write_entry(policyd, (struct store_entry){ .class = STORE_KNOWN,
						   .set = set,
						   .key = text_span(&network),
						   .value = SPAN("policyd"),
						   .expires_ms = expires_s * second_ms });
	policyd->listed++;
}

static void take_white(struct policyd_records *policyd, const struct sql_row *row)
{
	take_listed(policyd, row, "_whitelist", SPAN(POLICYD_WHITE));
}

static void take_black(struct policyd_records *policyd, const struct sql_row *row)
{
	take_listed(policyd, row, "_blacklist", SPAN(POLICYD_BLACK));
}

static void take_training(struct policyd_records *policyd, const struct sql_row *row)
{
	int64_t expires_s = seconds_of(row, "_expire", 1);
	TEXT(key, KEY_ROOM);
	struct span item;

	if (!sql_row_text(row, "_rcpt", 0, &item) || item.len == 0)
		return;
	key_add(&key, span_starts(item, SPAN("@")) ? span_from(item, 1) : item);
	key_finish(&key);
	write_entry(policyd, (struct store_entry){ .class = STORE_KNOWN,
						   .set = SPAN(POLICYD_TRAINING),
						   .key = text_span(&key),
						   .value = SPAN("policyd"),
						   .expires_ms = expires_s * second_ms });
	policyd->listed++;
}

/* --- counters --- */

struct counter {
	const char *subject, *kind;
	struct span key;
	int64_t used, begun_s, window_ms;
};

/* All of a window's amount stands at its beginning, where Policyd's window begins. */
static void write_counter(struct policyd_records *policyd, const struct counter *counter)
{
	static struct tally tally;
	TEXT(name, LIMIT_NAME_MAX);
	TEXT(key, KEY_ROOM);
	TEXT(value, TALLY_TEXT_MAX);
	int64_t begun_ms = counter->begun_s * second_ms;

	if (counter->used <= 0 || counter->begun_s == 0 || counter->window_ms < second_ms ||
	    counter->window_ms > RATE_PERIOD_MS_MAX || counter->used > RATE_MOST_MAX)
		return;
	tally = (struct tally){ .window_count = 1 };
	tally.window[0].period_ms = counter->window_ms;
	tally.window[0].used = counter->used;
	tally.window[0].count = 1;
	tally.window[0].entry[0] = (struct tally_entry){ begun_ms, counter->used };
	text_addf(&name, "%s_%s", counter->subject, counter->kind);
	key_add(&key, counter->key);
	key_finish(&key);
	text_add_tally(&value, &tally);
	write_entry(policyd, (struct store_entry){ .class = STORE_TALLY,
						   .set = text_span(&name),
						   .key = text_span(&key),
						   .value = text_span(&value),
						   .expires_ms = begun_ms + counter->window_ms });
	policyd->counters++;
}

/* Whose row it is, and its key as ours; NULL: none that is counted here. */
static const char *subject_of(const struct policyd_records *policyd, struct span from,
			      struct text *key)
{
	const struct policyd_subject *subject = policyd->subject;
	bool is_host = span_equal(span_cstr(subject->by), SPAN("client_address"));
	bool is_wide, is_group = span_starts(from, SPAN("@"));

	if (is_host) {
		if (!policyd_network(from, key, &is_wide) || is_wide)
			return NULL;
		is_group = span_find(text_span(key), '/') < key->len;
		return is_group ? subject->group : subject->name;
	}
	text_add(key, is_group ? span_from(from, 1) : from);
	if (is_group)
		return subject->group;
	/* A name without '@' is a user's; an address may be either's: it is the sender's. */
	if (policyd->subject_count > 1 && span_find(from, '@') < from.len)
		subject++;
	return subject->name;
}

static void take_throttle(struct policyd_records *policyd, const struct sql_row *row)
{
	TEXT(key, KEY_ROOM);
	struct counter counter = {
		.begun_s = seconds_of(row, "_date", 3),
		.window_ms = seconds_of(row, "_time_limit", 6) * second_ms,
	};
	struct span from;

	if (!sql_row_text(row, "_from", 0, &from) || from.len == 0)
		return;
	counter.subject = subject_of(policyd, from, &key);
	if (counter.subject == NULL || key.overrun) {
		leave_out(policyd, row, "no sender that is counted", from);
		return;
	}
	counter.key = text_span(&key);
	if (counter.window_ms == 0)
		counter.window_ms = policyd_time(policyd->settings, POLICYD_SENDERTIMELIMIT);
	counter.kind = "messages";
	counter.used = sql_row_number(row, "_count_cur", 2);
	write_counter(policyd, &counter);
	counter.kind = "recipients";
	counter.used = sql_row_number(row, "_rcpt_cur", 10);
	write_counter(policyd, &counter);
	counter.kind = "bytes";
	counter.used = sql_row_number(row, "_quota_cur", 4);
	write_counter(policyd, &counter);
}

static void take_throttle_rcpt(struct policyd_records *policyd, const struct sql_row *row)
{
	struct counter counter = {
		.subject = "recipient",
		.kind = "mail",
		.used = sql_row_number(row, "_count_cur", 2),
		.begun_s = seconds_of(row, "_date", 3),
		.window_ms = seconds_of(row, "_time_limit", 4) * second_ms,
	};

	if (!sql_row_text(row, "_rcpt", 0, &counter.key) || counter.key.len == 0)
		return;
	if (counter.window_ms == 0)
		counter.window_ms = policyd_time(policyd->settings, POLICYD_RECIPIENTTIMELIMIT);
	write_counter(policyd, &counter);
}

/* --- all tables --- */

static const struct {
	struct span table;
	void (*take)(struct policyd_records *policyd, const struct sql_row *row);
} tables[] = {
	{ SPAN_INIT("triplet"), take_triplet },
	{ SPAN_INIT("whitelist"), take_white },
	{ SPAN_INIT("blacklist"), take_black },
	{ SPAN_INIT("policy_training"), take_training },
	{ SPAN_INIT("throttle"), take_throttle },
	{ SPAN_INIT("throttle_rcpt"), take_throttle_rcpt },
};

static void take_row(void *owner, const struct sql_row *row)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		if (span_equal_nocase(row->table, tables[i].table))
			tables[i].take(owner, row);
}

int import_policyd_records(struct import_records *records)
{
	static struct settings settings;
	struct policyd_records policyd = { .records = records, .settings = &settings };
	const char *wanted[sizeof(tables) / sizeof(*tables) + 1] = { NULL };
	struct sql_dump dump = { .wanted = wanted, .row = take_row, .owner = &policyd };
	int status = EX_OK;

	policyd_read(&settings, records->foreign, records->options, records->report);
	policyd.octets = settings_number(&settings, POLICYD_GREYLIST_HOSTADDR, 1, OCTETS);
	policyd.subject_count = policyd_subjects(&settings, &policyd.subject);
	policyd.terms = (struct triplet_terms){
		.delay_ms = policyd_time(&settings, POLICYD_TRIPLET_TIME),
		.window_ms = policyd_time(&settings, POLICYD_TRIPLET_UNAUTH_TIMEOUT),
		.keep_ms = policyd_time(&settings, POLICYD_TRIPLET_AUTH_TIMEOUT),
	};
	if (policyd.terms.keep_ms == 0)
		policyd.terms.keep_ms = RATE_PERIOD_MS_MAX;
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		wanted[i] = tables[i].table.at;
	for (size_t i = 0; i < records->path_count; i++) {
		enum err err = sql_file_read(records->path[i], &dump, records->report);

		if (err != OK)
			status = sql_file_status(err);
	}
	text_addf(records->report,
		  "%llu triplets, %llu rows of lists, %llu counters taken, %llu rows left out\n",
		  (unsigned long long)policyd.triplets, (unsigned long long)policyd.listed,
		  (unsigned long long)policyd.counters, (unsigned long long)policyd.left_out);
	return status;
}
