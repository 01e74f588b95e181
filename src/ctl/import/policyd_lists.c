/* policyd_lists.c -- what of Policyd's tables belongs into the configuration: rows that somebody
 * has written and that do not expire. */
#include "base/number.h"
#include "ctl/import/policyd_priv.h"
#include "ctl/import/sql_file.h"
#include "mail/ip.h"
#include "weigh/rates.h"

enum { KEY_BYTES_MAX = 256, ROW_BYTES_MAX = 400 };

/* --- rows --- */

/* "user@domain" or "@domain". */
static void add_mail(struct span item, struct list *addresses, struct list *domains)
{
	if (!span_starts(item, SPAN("@")))
		list_add(addresses, item);
	else if (item.len > 1)
		list_add(domains, span_from(item, 1));
}

static void add_network(struct policyd_lists *lists, const struct sql_row *row, struct span item,
			struct list *narrow, struct list *wide)
{
	TEXT(network, IP_TEXT_MAX + 4);
	bool is_wide;

	if (!policyd_network(item, &network, &is_wide))
		sql_row_leave_out(row, &lists->left_out, lists->settings->report,
				  "no address or network", item);
	else
		list_add(is_wide ? wide : narrow, text_span(&network));
}

static bool is_key(struct span item)
{
	return item.len > 0 && item.len <= KEY_BYTES_MAX &&
	       span_find(item, LIST_SEPARATOR) == item.len;
}

/* The first column of a list; false: it expires, or is none. */
static bool list_item(const struct sql_row *row, const char *column, struct span *item_out)
{
	return sql_row_text(row, column, 0, item_out) && is_key(*item_out) &&
	       sql_row_number(row, "_expire", 2) == 0;
}

static void take_white(struct policyd_lists *lists, const struct sql_row *row)
{
	struct span item;

	if (list_item(row, "_whitelist", &item))
		add_network(lists, row, item, &lists->white, &lists->white_wide);
}

static void take_black(struct policyd_lists *lists, const struct sql_row *row)
{
	struct span item;

	if (list_item(row, "_blacklist", &item))
		add_network(lists, row, item, &lists->black, &lists->black_wide);
}

static void take_white_sender(struct policyd_lists *lists, const struct sql_row *row)
{
	struct span item;

	if (list_item(row, "_whitelist", &item))
		add_mail(item, &lists->white_senders, &lists->white_domains);
}

static void take_black_sender(struct policyd_lists *lists, const struct sql_row *row)
{
	struct span item;

	if (list_item(row, "_blacklist", &item))
		add_mail(item, &lists->black_senders, &lists->black_domains);
}

static void take_white_name(struct policyd_lists *lists, const struct sql_row *row)
{
	struct span item;

	if (list_item(row, "_whitelist", &item))
		list_add(&lists->white_names, item);
}

static void take_black_name(struct policyd_lists *lists, const struct sql_row *row)
{
	struct span item;

	if (list_item(row, "_blacklist", &item))
		list_add(&lists->black_names, item);
}

static void take_helo(struct policyd_lists *lists, const struct sql_row *row)
{
	struct span item;

	if (sql_row_text(row, "_helo", 0, &item) && is_key(item))
		list_add(&lists->helo, item);
}

static void take_trap(struct policyd_lists *lists, const struct sql_row *row)
{
	struct span item;

	if (sql_row_text(row, "_rcpt", 0, &item) && is_key(item) &&
	    sql_row_number(row, "_active", 1) == 1)
		list_add(&lists->traps, item);
}

/* "KEY PRIORITY OPTIN"; the priorities are settled when all are there. */
static void take_opted(struct policyd_lists *lists, const struct sql_row *row)
{
	TEXT(text, ROW_BYTES_MAX);
	struct span item;

	if (!sql_row_text(row, "_rcpt", 0, &item) || !is_key(item) || span_equal(item, SPAN("@")))
		return;
	text_add(&text, span_starts(item, SPAN("@")) ? span_from(item, 1) : item);
	text_addf(&text, "%c%lld %d", LIST_SEPARATOR,
		  (long long)sql_row_number(row, "_priority", 2),
		  sql_row_number(row, "_optin", 1) != 0);
	list_add(span_starts(item, SPAN("@")) ? &lists->opted_domains : &lists->opted,
		 text_span(&text));
}

/* --- throttles --- */

/* A row's own number; 0 is the file's. */
static int64_t limit_of(const struct policyd_lists *lists, int64_t own,
			enum policyd_setting setting)
{
	if (own > RATE_MOST_MAX)
		own = RATE_MOST_MAX;
	return own > 0 ? own : settings_number(lists->settings, setting, 0, RATE_MOST_MAX);
}

static int64_t window_of(const struct policyd_lists *lists, int64_t own_s,
			 enum policyd_setting setting)
{
	if (own_s > RATE_PERIOD_MS_MAX / 1000)
		own_s = RATE_PERIOD_MS_MAX / 1000;
	if (own_s > 0)
		return own_s * 1000;
	return policyd_time_within(lists->settings, setting, 1000, RATE_PERIOD_MS_MAX);
}

static void add_rate(struct list *list, struct span key, int64_t most, int64_t period_ms)
{
	struct rates rates = { .rate = { { most, period_ms } }, .count = 1 };
	TEXT(text, ROW_BYTES_MAX);

	text_add(&text, key);
	text_add_char(&text, LIST_SEPARATOR);
	text_add_rates(&text, &rates);
	list_add(list, text_span(&text));
}

static void add_size(struct list *list, struct span key, int64_t bytes)
{
	TEXT(text, ROW_BYTES_MAX);

	text_add(&text, key);
	text_addf(&text, "%c%lld", LIST_SEPARATOR, (long long)bytes);
	list_add(list, text_span(&text));
}

/* The row's key as ours; false: no such mail will come. */
static bool throttle_key(const struct policyd_lists *lists, struct span from, struct text *key)
{
	bool is_wide = false;

	if (!is_key(from))
		return false;
	if (lists->is_by_host)
		return policyd_network(from, key, &is_wide) && !is_wide;
	text_add(key, span_starts(from, SPAN("@")) ? span_from(from, 1) : from);
	return key->len > 0;
}

static void take_throttle(struct policyd_lists *lists, const struct sql_row *row)
{
	int64_t messages =
		limit_of(lists, sql_row_number(row, "_count_max", 1), POLICYD_SENDERMSGLIMIT);
	int64_t bytes =
		limit_of(lists, sql_row_number(row, "_quota_max", 5), POLICYD_SENDERQUOTALIMIT);
	int64_t recipients =
		limit_of(lists, sql_row_number(row, "_rcpt_max", 9), POLICYD_SENDERRCPTLIMIT);
	int64_t size = limit_of(lists, sql_row_number(row, "_mail_size", 7), POLICYD_SENDERMSGSIZE);
	int64_t window =
		window_of(lists, sql_row_number(row, "_time_limit", 6), POLICYD_SENDERTIMELIMIT);
	TEXT(key, KEY_BYTES_MAX);
	struct span from = { 0 };

	if (!sql_row_text(row, "_from", 0, &from) || !throttle_key(lists, from, &key)) {
		sql_row_leave_out(row, &lists->left_out, lists->settings->report,
				  "no sender that is counted", from);
		return;
	}
	/* What was copied from the file when the sender was first seen says nothing of its own. */
	if (messages == limit_of(lists, 0, POLICYD_SENDERMSGLIMIT) &&
	    bytes == limit_of(lists, 0, POLICYD_SENDERQUOTALIMIT) &&
	    recipients == limit_of(lists, 0, POLICYD_SENDERRCPTLIMIT) &&
	    size == limit_of(lists, 0, POLICYD_SENDERMSGSIZE) &&
	    window == window_of(lists, 0, POLICYD_SENDERTIMELIMIT) &&
	    span_equal(text_span(&key), from)) /* no group */
		return;
	add_rate(&lists->messages, text_span(&key), messages, window);
	add_rate(&lists->recipients, text_span(&key), recipients, window);
	add_rate(&lists->bytes, text_span(&key), bytes, window);
	add_size(&lists->sizes, text_span(&key), size);
}

static void take_throttle_rcpt(struct policyd_lists *lists, const struct sql_row *row)
{
	int64_t most =
		limit_of(lists, sql_row_number(row, "_count_max", 1), POLICYD_RECIPIENTMSGLIMIT);
	int64_t window =
		window_of(lists, sql_row_number(row, "_time_limit", 4), POLICYD_RECIPIENTTIMELIMIT);
	struct span recipient;

	if (!sql_row_text(row, "_rcpt", 0, &recipient) || !is_key(recipient))
		return;
	if (most != limit_of(lists, 0, POLICYD_RECIPIENTMSGLIMIT) ||
	    window != window_of(lists, 0, POLICYD_RECIPIENTTIMELIMIT))
		add_rate(&lists->rcpt_messages, recipient, most, window);
}

/* --- all tables --- */

static const struct {
	struct span table;
	void (*take)(struct policyd_lists *lists, const struct sql_row *row);
} tables[] = {
	{ SPAN_INIT("whitelist"), take_white },
	{ SPAN_INIT("blacklist"), take_black },
	{ SPAN_INIT("whitelist_sender"), take_white_sender },
	{ SPAN_INIT("blacklist_sender"), take_black_sender },
	{ SPAN_INIT("whitelist_dnsname"), take_white_name },
	{ SPAN_INIT("blacklist_dnsname"), take_black_name },
	{ SPAN_INIT("blacklist_helo"), take_helo },
	{ SPAN_INIT("spamtrap"), take_trap },
	{ SPAN_INIT("policy"), take_opted },
	{ SPAN_INIT("throttle"), take_throttle },
	{ SPAN_INIT("throttle_rcpt"), take_throttle_rcpt },
};

static void take_row(void *owner, const struct sql_row *row)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		if (span_equal_nocase(row->table, tables[i].table))
			tables[i].take(owner, row);
}

enum err policyd_lists_read(struct policyd_lists *lists, const char *path,
			    struct settings *settings)
{
	const char *wanted[sizeof(tables) / sizeof(*tables) + 1] = { NULL };
	struct sql_dump dump = { .wanted = wanted, .row = take_row, .owner = lists };
	struct list *const all[] = {
		&lists->white,         &lists->white_wide,    &lists->white_senders,
		&lists->white_domains, &lists->white_names,   &lists->black,
		&lists->black_wide,    &lists->black_senders, &lists->black_domains,
		&lists->black_names,   &lists->helo,          &lists->traps,
		&lists->opted,         &lists->opted_domains, &lists->messages,
		&lists->recipients,    &lists->bytes,         &lists->sizes,
		&lists->rcpt_messages,
	};
	bool is_full = false;
	enum err err;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		all[i]->arena = &lists->arena;
	lists->settings = settings;
	lists->is_by_host = settings_switch(settings, POLICYD_SENDER_THROTTLE_HOST) &&
			    !settings_switch(settings, POLICYD_SENDER_THROTTLE_SASL);
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		wanted[i] = tables[i].table.at;
	err = sql_file_read(path, &dump, settings->report);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		is_full |= all[i]->is_full;
	if (lists->left_out > 0)
		text_addf(settings->report, "%llu rows cannot be written here: left out\n",
			  (unsigned long long)lists->left_out);
	return is_full ? ERR_LIMIT : err;
}

/* --- writing --- */

static void write_keys(struct text *config, const char *name, const struct list *list)
{
	if (list->count == 0)
		return;
	text_addf(config, "table %s inline {\n", name);
	for (size_t i = 0; i < list->count; i++) {
		text_add_char(config, '\t');
		config_add_quoted(config, list->item[i]);
		text_add_char(config, '\n');
	}
	text_add(config, SPAN("}\n"));
}

/* Rows of a key and its value, both as texts. */
static void write_rows(struct text *config, const char *name, const struct list *list)
{
	if (list->count == 0)
		return;
	text_addf(config, "table %s inline {\n", name);
	for (size_t i = 0; i < list->count; i++) {
		struct span item = list->item[i];
		size_t end = span_find(item, LIST_SEPARATOR);

		text_add_char(config, '\t');
		config_add_quoted(config, span_first(item, end));
		text_add_char(config, ' ');
		config_add_quoted(config, span_from(item, end + 1));
		text_add_char(config, '\n');
	}
	text_add(config, SPAN("}\n"));
}

/* "KEY PRIORITY OPTIN" */
static bool opted_parse(struct span item, struct span *key_out, int64_t *priority_out,
			char *optin_out)
{
	struct span rest = item;

	if (!span_cut(&rest, LIST_SEPARATOR, key_out) || rest.len < 3)
		return false;
	*optin_out = rest.at[rest.len - 1];
	return number_parse(span_first(rest, rest.len - 2), priority_out) == OK;
}

/* The domain's row where its priority is higher than the address's own. */
static char opted_by(const struct policyd_lists *lists, struct span address, int64_t priority,
		     char optin)
{
	struct span domain = span_from(address, span_rfind(address, '@') + 1), key;
	int64_t of_domain;
	char optin_domain;

	for (size_t i = 0; i < lists->opted_domains.count; i++)
		if (opted_parse(lists->opted_domains.item[i], &key, &of_domain, &optin_domain) &&
		    of_domain > priority && span_equal_nocase(key, domain))
			return optin_domain;
	return optin;
}

static void write_opted(struct text *config, const char *name, const struct policyd_lists *lists,
			const struct list *list)
{
	struct span key;
	int64_t priority;
	char optin;

	if (list->count == 0)
		return;
	text_addf(config, "table %s inline {\n", name);
	for (size_t i = 0; i < list->count; i++) {
		if (!opted_parse(list->item[i], &key, &priority, &optin))
			continue;
		text_add_char(config, '\t');
		config_add_quoted(config, key);
		text_addf(config, " \"%c\"\n", opted_by(lists, key, priority, optin));
	}
	text_add(config, SPAN("}\n"));
}

void policyd_tables_write(struct policyd_import *import)
{
	struct policyd_lists *lists = &import->lists;
	struct text *config = import->config;

	write_keys(config, "whitelist", &lists->white);
	write_keys(config, "whitelist_sender", &lists->white_senders);
	write_keys(config, "whitelist_sender_domain", &lists->white_domains);
	write_keys(config, "blacklist", &lists->black);
	write_keys(config, "blacklist_sender", &lists->black_senders);
	write_keys(config, "blacklist_sender_domain", &lists->black_domains);
	write_keys(config, "blacklist_helo", &lists->helo);
	write_keys(config, "spamtrap", &lists->traps);
	write_opted(config, "policy_address", lists, &lists->opted);
	write_opted(config, "policy_domain", lists, &lists->opted_domains);
	write_rows(config, "throttle_messages", &lists->messages);
	write_rows(config, "throttle_recipients", &lists->recipients);
	write_rows(config, "throttle_bytes", &lists->bytes);
	write_rows(config, "throttle_size", &lists->sizes);
	write_rows(config, "throttle_rcpt", &lists->rcpt_messages);
}
