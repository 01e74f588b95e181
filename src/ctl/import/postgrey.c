/* postgrey.c -- postgrey's options and database, taken over. */
#include "ctl/import/postgrey.h"

#include "base/ensure.h"
#include "base/escape.h"
#include "base/number.h"
#include "ctl/ctl.h"
#include "ctl/import/postgrey_priv.h"
#include "ctl/lines.h"
#include "mail/ip.h"
#include "weigh/counting.h"
#include "weigh/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHOWN_MAX = 60, BAD_SHOWN_MAX = 20, SHA1_HEX_LEN = 40, COUNT_TEXT_MAX = 80 };

#define SECONDS_MAX INT64_C(253402300799) /* the year 9999 */

/* --- the configuration --- */

static struct span fate_word(const struct postgrey *postgrey, enum postgrey_option option)
{
	if (!postgrey->is_given[option])
		return SPAN("default  ");
	switch (postgrey->fate[option]) {
	case FATE_KEPT: return SPAN("kept     ");
	case FATE_CHANGED: return SPAN("changed  ");
	case FATE_DROPPED: return SPAN("dropped  ");
	}
	ENSURE(false);
}

static void explain_files(const struct postgrey_files *files, struct text *explain)
{
	for (uint8_t i = 0; i < files->count; i++) {
		text_add(explain, i > 0 ? SPAN(", ") : SPAN(" = "));
		text_add_escaped(explain, files->path[i], SHOWN_MAX);
	}
}

static void explain_value(const struct postgrey *postgrey, enum postgrey_option option,
			  struct text *explain)
{
	if (option == POSTGREY_WHITELIST_CLIENTS) {
		explain_files(&postgrey->clients, explain);
	} else if (option == POSTGREY_WHITELIST_RECIPIENTS) {
		explain_files(&postgrey->recipients, explain);
	} else if (postgrey->value[option].len > 0) {
		text_add(explain, SPAN(" = "));
		text_add_escaped(explain, postgrey->value[option], SHOWN_MAX);
	}
}

static void explain_option(const struct postgrey *postgrey, enum postgrey_option option,
			   struct text *explain)
{
	text_add(explain, fate_word(postgrey, option));
	text_add(explain, SPAN("--"));
	text_add(explain, postgrey_option_name(option));
	explain_value(postgrey, option, explain);
	if (postgrey->note[option] != NULL) {
		text_add(explain, SPAN(": "));
		text_add(explain, span_cstr(postgrey->note[option]));
	}
	text_add_char(explain, '\n');
}

enum err import_postgrey(struct span foreign, const struct import_options *options,
			 struct text *config_out, struct text *explain_out, struct text *report_out)
{
	struct arena arena;
	struct postgrey postgrey = {
		.options = options,
		.arena = &arena,
		.config = config_out,
		.report = report_out,
	};
	enum err err;

	arena_init(&arena, POSTGREY_ARENA_MAX);
	err = postgrey_read(&postgrey, foreign);
	if (err == OK) {
		postgrey_understand(&postgrey);
		postgrey_write(&postgrey);
		for (unsigned i = 0; i < POSTGREY_OPTION_COUNT; i++)
			explain_option(&postgrey, (enum postgrey_option)i, explain_out);
	}
	arena_release(&arena);
	if (err != OK || config_out->overrun || explain_out->overrun)
		return ERR_LIMIT;
	return postgrey.mistakes > 0 ? ERR_SYNTAX : OK;
}

/* --- one entry --- */

/* Behind the closing quote of a quoted local part; 0 where there is none. */
static size_t behind_quotes(struct span s)
{
	if (!span_starts(s, SPAN("\"")))
		return 0;
	for (size_t i = 1; i < s.len; i++) {
		if (s.at[i] == '\\')
			i++;
		else if (s.at[i] == '"')
			return i + 1;
	}
	return 0;
}

/* "SENDER/RECIPIENT": a '/' may stand in either local part, but in no domain.  So the sender ends
 * at the first '/' behind its '@'; where none is there, the sender has no domain or is empty. */
static bool cut_addresses(struct span both, struct span *sender_out, struct span *recipient_out)
{
	size_t begin = behind_quotes(both);
	struct span rest = span_from(both, begin);
	size_t at = span_find(rest, '@'), slash;

	slash = at + span_find(span_from(rest, at), '/');
	if (at == rest.len || slash == rest.len)
		slash = span_find(rest, '/');
	*sender_out = span_first(both, begin + slash);
	*recipient_out = span_from(both, begin + slash + 1);
	return slash < rest.len;
}

/* "A,B" of seconds or counts. */
static bool cut_numbers(struct span value, int64_t *a_out, int64_t *b_out)
{
	size_t comma = span_find(value, ',');

	return comma < value.len && number_parse(span_first(value, comma), a_out) == OK &&
	       number_parse(span_from(value, comma + 1), b_out) == OK && *a_out >= 0 &&
	       *b_out >= 0 && *a_out <= SECONDS_MAX && *b_out <= SECONDS_MAX;
}

static void add_network(const struct postgrey *postgrey, struct ip ip, struct text *key)
{
	enum { NETWORK_4 = 24, NETWORK_6 = 64 };
	struct prefix prefix = prefix_of(ip, ip.family == IP_V4 ? NETWORK_4 : NETWORK_6);
	TEXT(network, IP_TEXT_MAX + 4);

	if (postgrey->is_by_host)
		text_add_ip(&network, ip);
	else
		text_add_prefix(&network, &prefix);
	key_add(key, text_span(&network));
}

static enum postgrey_record take_triplet(const struct postgrey *postgrey, struct span key,
					 struct span value, struct postgrey_entry *entry_out)
{
	size_t slash = span_find(key, '/');
	struct span sender, recipient;
	int64_t first, last;
	struct triplet triplet;
	struct ip ip;

	if (ip_parse(span_first(key, slash), &ip) != OK || !cut_numbers(value, &first, &last))
		return RECORD_BAD;
	/* the network of all mapped addresses, and of nothing else */
	if (ip.family == IP_V6 && !postgrey->is_by_host &&
	    ip_equal(ip, (struct ip){ .family = IP_V6 }))
		return RECORD_MAPPED;
	if (!cut_addresses(span_from(key, slash + 1), &sender, &recipient))
		return RECORD_BAD;
	add_network(postgrey, ip_unmapped(ip), &entry_out->key);
	key_add(&entry_out->key, sender);
	key_add(&entry_out->key, recipient);
	key_finish(&entry_out->key);
	if (last < first)
		last = first;
	triplet = (struct triplet){ .first_ms = first * 1000, .last_ms = last * 1000 };
	if (triplet.last_ms - triplet.first_ms >= postgrey->terms.delay_ms) {
		triplet.passed_ms = triplet.last_ms;
		triplet.passes = 1;
	}
	text_add_triplet(&entry_out->value, &triplet);
	entry_out->expires_ms = triplet_expires_ms(&triplet, &postgrey->terms);
	return RECORD_TRIPLET;
}

static enum postgrey_record take_client(const struct postgrey *postgrey, struct span key,
					struct span value, struct postgrey_entry *entry_out)
{
	int64_t count, last;
	struct ip ip;
	TEXT(address, IP_TEXT_MAX);

	if (ip_parse(key, &ip) != OK || !cut_numbers(value, &count, &last))
		return RECORD_BAD;
	if (postgrey->trust == 0)
		return RECORD_UNWANTED;
	text_add_ip(&address, ip_unmapped(ip));
	key_add(&entry_out->key, text_span(&address));
	key_finish(&entry_out->key);
	/* count, when it was counted last, when it was used last */
	text_addf(&entry_out->value, "%lld %lld %lld", (long long)count, (long long)last * 1000,
		  (long long)last * 1000);
	entry_out->expires_ms = last * 1000 + postgrey->terms.keep_ms;
	return RECORD_CLIENT;
}

static bool is_hashed(struct span key)
{
	for (size_t i = 0; i < key.len; i++)
		if (!ascii_is_digit(key.at[i]) && (key.at[i] < 'a' || key.at[i] > 'f'))
			return false;
	return key.len == SHA1_HEX_LEN;
}

enum postgrey_record postgrey_record(const struct postgrey *postgrey, struct span key,
				     struct span value, struct postgrey_entry *entry_out)
{
	text_clear(&entry_out->key);
	text_clear(&entry_out->value);
	if (is_hashed(key))
		return RECORD_HASHED;
	if (span_find(key, '/') < key.len)
		return take_triplet(postgrey, key, value, entry_out);
	return take_client(postgrey, key, value, entry_out);
}

/* --- the dumps --- */

struct taking {
	struct import_records *records;
	const struct postgrey *postgrey;
	struct dump dump;
	struct lines lines;
	uint64_t count[RECORD_COUNT];
};

static void say_bad(struct taking *taking, const char *path, const char *what, struct span word)
{
	struct text *report = taking->records->report;

	if (++taking->count[RECORD_BAD] > BAD_SHOWN_MAX)
		return;
	text_addf(report, "%s:%llu: error: %s: \"", path, (unsigned long long)taking->lines.number,
		  what);
	text_add_escaped(report, word, SHOWN_MAX);
	text_add(report, SPAN("\"\n"));
}

static void take_pair(struct taking *taking, const char *path)
{
	char key_room[KEY_ROOM], value_room[TRIPLET_TEXT_MAX + 1];
	struct postgrey_entry taken = {
		.key = { key_room, 0, sizeof(key_room), false },
		.value = { value_room, 0, sizeof(value_room), false },
	};
	struct span key = span_of(taking->dump.key, taking->dump.key_len);
	struct span value = span_of(taking->dump.value, taking->dump.value_len);
	enum postgrey_record record = postgrey_record(taking->postgrey, key, value, &taken);
	struct store_entry entry = { .class = STORE_TRIPLET, .expires_ms = taken.expires_ms };

	if (record == RECORD_BAD) {
		say_bad(taking, path, "none of postgrey's entries", key);
		return;
	}
	taking->count[record]++;
	if (record != RECORD_TRIPLET && record != RECORD_CLIENT)
		return;
	if (record == RECORD_CLIENT) {
		entry.class = STORE_KNOWN;
		entry.set = SPAN(GREYLIST_TRUSTED_SET);
	}
	entry.key = text_span(&taken.key);
	entry.value = text_span(&taken.value);
	import_record_write(taking->records, &entry);
}

static void take_line(struct taking *taking, const char *path, struct span line)
{
	switch (dump_take(&taking->dump, line)) {
	case DUMP_NOTHING: break;
	case DUMP_PAIR: take_pair(taking, path); break;
	case DUMP_BAD: say_bad(taking, path, "no line of a dump", line); break;
	}
}

static int take_lines(struct taking *taking, const char *path)
{
	struct span line = { 0 };

	for (;;)
		switch (lines_next(&taking->lines, &line)) {
		case LINE_READ: take_line(taking, path, line); break;
		case LINE_TOO_LONG: take_line(taking, path, SPAN("(too long)")); break;
		case LINE_NONE:
			if (taking->dump.state != DUMP_OUTSIDE)
				say_bad(taking, path, "the dump is cut off", SPAN(""));
			taking->dump.state = DUMP_OUTSIDE;
			return EX_OK;
		case LINE_FAILED:
			text_addf(taking->records->report, "%s: %s\n", path, strerror(errno));
			return EX_IOERR;
		}
}

/* The folder itself: only Berkeley DB's own program reads it. */
static int say_commands(struct taking *taking, const char *path)
{
	text_addf(taking->records->report,
		  "%s is a folder: have its databases dumped, while postgrey is stopped, by\n"
		  "    db_dump -h %s postgrey.db > triplets\n"
		  "    db_dump -h %s postgrey_clients.db > clients\n"
		  "and import them: --database triplets --database clients\n",
		  path, path, path);
	return EX_USAGE;
}

static int take_file(struct taking *taking, const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct stat about;
	int status;

	if (fd < 0) {
		text_addf(taking->records->report, "%s: %s\n", path, strerror(errno));
		return EX_NOINPUT;
	}
	if (fstat(fd, &about) == 0 && S_ISDIR(about.st_mode)) {
		status = say_commands(taking, path);
	} else {
		lines_open(&taking->lines, fd);
		status = take_lines(taking, path);
	}
	if (!is_stdin)
		close(fd);
	return status;
}

/* What was taken, and what was not and why. */
static void say_counts(const struct taking *taking)
{
	static const char *const words[RECORD_COUNT] = {
		[RECORD_TRIPLET] = "kept     %llu triplets\n",
		[RECORD_CLIENT] = "kept     %llu clients that have come back\n",
		[RECORD_HASHED] = "dropped  %llu entries stored under --privacy: nobody can tell "
				  "whose they are\n",
		[RECORD_MAPPED] = "dropped  %llu triplets of IPv4-mapped clients, which postgrey "
				  "takes for one\n",
		[RECORD_UNWANTED] = "dropped  %llu clients: --auto-whitelist-clients is 0\n",
		[RECORD_BAD] = "dropped  %llu lines that are not understood\n",
	};

	for (unsigned i = 0; i < RECORD_COUNT; i++)
		if (taking->count[i] > 0 || i <= RECORD_CLIENT) {
			TEXT(number, COUNT_TEXT_MAX);
			struct span word = span_cstr(words[i]);
			size_t at = span_find(word, '%');

			text_add_int(&number, (int64_t)taking->count[i]);
			text_add(taking->records->report, span_first(word, at));
			text_add(taking->records->report, text_span(&number));
			text_add(taking->records->report, span_from(word, at + 4));
		}
}

static int take_files(struct taking *taking)
{
	int status = EX_OK;

	for (size_t i = 0; i < taking->records->path_count && status == EX_OK; i++)
		status = take_file(taking, taking->records->path[i]);
	if (status == EX_OK) {
		say_counts(taking);
		status = taking->count[RECORD_BAD] > 0 ? EX_DATAERR : EX_OK;
	}
	return status;
}

int import_postgrey_records(struct import_records *records)
{
	static struct taking taking; /* large, and wanted once */
	struct arena arena;
	struct postgrey postgrey = {
		.options = records->options,
		.arena = &arena,
		.report = records->report,
	};
	int status = EX_OSERR;

	arena_init(&arena, POSTGREY_ARENA_MAX);
	taking = (struct taking){ .records = records, .postgrey = &postgrey };
	if (postgrey_read(&postgrey, records->foreign) == OK &&
	    lines_init(&taking.lines, DUMP_LINE_MAX) == OK) {
		postgrey_understand(&postgrey);
		status = take_files(&taking);
		lines_release(&taking.lines);
	}
	arena_release(&arena);
	return status;
}
