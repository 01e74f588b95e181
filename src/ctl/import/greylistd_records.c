/* greylistd_records.c -- greylistd's two files become triplets.
 *
 *	states		[white] [grey] [black], then "NUMBER = LAST FIRST COUNT"; [statistics]
 *	triplets	"NUMBER = the words", CLIENT SENDER RECIPIENT
 *
 * The number is a hash that is another after each start of greylistd: the same words may stand
 * there more than once.  Of them the one counts that says most.
 */
#include "base/escape.h"
#include "base/number.h"
#include "ctl/ctl.h"
#include "ctl/import/greylistd_priv.h"
#include "ctl/lines.h"
#include "mail/ip.h"
#include "weigh/counting.h"
#include "weigh/key.h"
#include "weigh/triplet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	LINE_MAX_BYTES = 32 * 1024, /* greylistd takes commands of 16 KiB */
	ENTRIES_MAX = 4 * 1024 * 1024,
	RECORDS_ARENA_MAX = 1024 * 1024 * 1024,
	SHOWN_MAX = 60,
	BAD_SHOWN_MAX = 20,
	TRUST_VALUE_MAX = 80,
};

#define SECOND_MS INT64_C(1000)
#define S_MAX     INT64_C(253402300799) /* the year 9999 */

enum list { LIST_NONE, LIST_GREY, LIST_WHITE, LIST_BLACK }; /* the last says most */

/* A line of states. */
struct state {
	int64_t number;
	int64_t last_s, first_s, count;
	enum list list;
};

/* A triplet: its key, and the best that is said of it. */
struct found {
	struct span key;
	struct state state;
	bool is_client; /* an address alone */
};

struct taking {
	struct import_records *records;
	struct triplet_terms terms;
	bool trusts;
	struct lines lines;
	struct arena arena;
	struct state *state;
	size_t state_count, state_room;
	struct found *found;
	size_t found_count, found_room;
	bool is_full;
	bool has_states, has_triplets;
	uint64_t bad, unheard, no_mail, taken;
};

/* --- lines --- */

static void say(struct taking *taking, const char *path, const char *what)
{
	text_add_escaped(taking->records->report, span_cstr(path), SHOWN_MAX * 4);
	text_addf(taking->records->report, ": %s\n", what);
}

static void complain(struct taking *taking, const char *path, struct span line)
{
	if (taking->bad++ >= BAD_SHOWN_MAX)
		return;
	text_add_escaped(taking->records->report, span_cstr(path), SHOWN_MAX * 4);
	text_addf(taking->records->report, ":%llu: error: not understood: \"",
		  (unsigned long long)taking->lines.number);
	text_add_escaped(taking->records->report, line, SHOWN_MAX);
	text_add(taking->records->report, SPAN("\"\n"));
}

static bool grow(struct taking *taking, void **array, size_t *room, size_t size)
{
	size_t wanted = *room > 0 ? *room * 2 : 1024;
	void *larger = wanted <= ENTRIES_MAX ? realloc(*array, wanted * size) : NULL;

	if (larger == NULL) {
		taking->is_full = true;
		return false;
	}
	*array = larger;
	*room = wanted;
	return true;
}

/* "NUMBER = rest" */
static bool cut_number(struct span line, int64_t *number_out, struct span *rest_out)
{
	size_t equals = span_find(line, '=');

	*rest_out = span_trim(span_from(line, equals + 1));
	return equals < line.len &&
	       number_parse(span_trim(span_first(line, equals)), number_out) == OK;
}

static bool take_time(struct span *rest, int64_t *s_out)
{
	struct span word;
	double s;

	*rest = span_trim(*rest);
	if (!span_cut(rest, ' ', &word) || decimal_parse(word, &s) != OK || s < 0 ||
	    s > (double)S_MAX)
		return false;
	*s_out = (int64_t)s;
	return true;
}

static void take_state(struct taking *taking, const char *path, enum list list, struct span line)
{
	struct state state = { .list = list };
	struct span rest;

	if (!cut_number(line, &state.number, &rest) || !take_time(&rest, &state.last_s) ||
	    !take_time(&rest, &state.first_s) || !take_time(&rest, &state.count)) {
		complain(taking, path, line);
		return;
	}
	if (taking->state_count == taking->state_room &&
	    !grow(taking, (void **)&taking->state, &taking->state_room, sizeof(state)))
		return;
	taking->state[taking->state_count++] = state;
}

static enum list list_of(struct span section)
{
	static const struct span names[] = { [LIST_GREY] = SPAN_INIT("[grey]"),
					     [LIST_WHITE] = SPAN_INIT("[white]"),
					     [LIST_BLACK] = SPAN_INIT("[black]") };

	for (int i = LIST_GREY; i <= LIST_BLACK; i++)
		if (span_equal_nocase(section, names[i]))
			return (enum list)i;
	return LIST_NONE;
}

/* --- words --- */

static bool add_client(struct text *key, struct span word)
{
	TEXT(client, IP_TEXT_MAX);
	struct ip ip;

	/* 192.0.2.0/24, as ${mask:...} makes it: its first address. */
	if (ip_parse(span_first(word, span_find(word, '/')), &ip) != OK)
		return false;
	text_add_ip(&client, ip_unmapped(ip));
	key_add(key, text_span(&client));
	return true;
}

/* As the daemon reads them: daemon/greylistd_words.c.  @return false: no attempt at mail */
static bool add_words(struct text *key, struct span words, bool *is_client_out)
{
	struct span rest = words, client, sender = SPAN(""), first;

	if (!span_cut(&rest, ' ', &client) || !add_client(key, client))
		return false;
	*is_client_out = rest.len == 0;
	if (*is_client_out)
		return true;
	first = span_first(rest, span_find(rest, ' '));
	if (first.len < rest.len && !span_ends(first, SPAN(",")))
		(void)span_cut(&rest, ' ', &sender);
	key_add(key, sender);
	key_add(key, rest);
	key_finish(key);
	return true;
}

static int by_number(const void *a, const void *b)
{
	const struct state *left = a, *right = b;

	return left->number < right->number ? -1 : left->number > right->number;
}

static void add_found(struct taking *taking, struct span key, const struct state *state,
		      bool is_client)
{
	struct found found = { .state = *state, .is_client = is_client };

	if (taking->found_count == taking->found_room &&
	    !grow(taking, (void **)&taking->found, &taking->found_room, sizeof(found)))
		return;
	found.key = arena_copy(&taking->arena, key);
	if (found.key.at == NULL)
		taking->is_full = true;
	else
		taking->found[taking->found_count++] = found;
}

static void take_words(struct taking *taking, const char *path, struct span line)
{
	struct state wanted = { 0 };
	const struct state *state = NULL;
	struct span words;
	bool is_client;
	TEXT(key, KEY_ROOM);

	if (!cut_number(line, &wanted.number, &words)) {
		complain(taking, path, line);
		return;
	}
	if (taking->state_count > 0)
		state = bsearch(&wanted, taking->state, taking->state_count, sizeof(wanted),
				by_number);
	if (state == NULL)
		taking->unheard++;
	else if (!add_words(&key, words, &is_client))
		taking->no_mail++;
	else
		add_found(taking, text_span(&key), state, is_client);
}

/* --- files --- */

enum content { CONTENT_EMPTY, CONTENT_STATES, CONTENT_TRIPLETS };

static enum content take_line(struct taking *taking, const char *path, struct span line,
			      enum content content, enum list *list)
{
	line = span_trim(line);
	if (line.len == 0)
		return content;
	if (content == CONTENT_EMPTY)
		content = line.at[0] == '[' ? CONTENT_STATES : CONTENT_TRIPLETS;
	if (content == CONTENT_TRIPLETS) {
		if (taking->has_states)
			take_words(taking, path, line);
	} else if (line.at[0] == '[') {
		*list = list_of(line);
	} else if (*list != LIST_NONE && !taking->has_states) {
		take_state(taking, path, *list, line);
	}
	return content;
}

static int take_file(struct taking *taking, const char *path, enum content *content_out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum list list = LIST_NONE;
	struct span line;

	*content_out = CONTENT_EMPTY;
	if (fd < 0) {
		say(taking, path, strerror(errno));
		return EX_NOINPUT;
	}
	lines_open(&taking->lines, fd);
	for (;;) {
		switch (lines_next(&taking->lines, &line)) {
		case LINE_READ:
			*content_out = take_line(taking, path, line, *content_out, &list);
			continue;
		case LINE_TOO_LONG:
			complain(taking, path, SPAN("a line that is too long"));
			continue;
		case LINE_FAILED:
			say(taking, path, strerror(errno));
			close(fd);
			return EX_NOINPUT;
		case LINE_NONE: break;
		}
		close(fd);
		return EX_OK;
	}
}

/* First the numbers, then the words, in whatever order they are named. */
static int take_files(struct taking *taking)
{
	struct import_records *records = taking->records;
	enum content content[IMPORT_DATABASES_MAX];
	int status;

	for (size_t i = 0; i < records->path_count; i++) {
		status = take_file(taking, records->path[i], &content[i]);
		if (status != EX_OK)
			return status;
		taking->has_triplets |= content[i] == CONTENT_TRIPLETS;
	}
	taking->has_states = taking->state_count > 0;
	if (taking->state_count > 0)
		qsort(taking->state, taking->state_count, sizeof(*taking->state), by_number);
	for (size_t i = 0; taking->has_states && i < records->path_count; i++) {
		if (content[i] != CONTENT_TRIPLETS)
			continue;
		status = take_file(taking, records->path[i], &content[i]);
		if (status != EX_OK)
			return status;
	}
	return EX_OK;
}

/* --- records --- */

static int by_key_and_worth(const void *a, const void *b)
{
	const struct found *left = a, *right = b;
	int order = span_compare(left->key, right->key);

	if (order == 0)
		order = (int)left->state.list - (int)right->state.list;
	if (order == 0 && left->state.last_s != right->state.last_s)
		order = left->state.last_s < right->state.last_s ? -1 : 1;
	return order;
}

/* An address alone is a client that is trusted, where greylistd looked for it. */
static void write_client(struct taking *taking, const struct found *found)
{
	int64_t last_ms = found->state.last_s * SECOND_MS;
	TEXT(value, TRUST_VALUE_MAX);

	if (!taking->trusts || found->state.list != LIST_WHITE) {
		taking->no_mail++;
		return;
	}
	text_addf(&value, "1 %lld %lld", (long long)last_ms, (long long)last_ms);
	taking->taken++;
	import_record_write(taking->records, &(struct store_entry){
						     .class = STORE_KNOWN,
						     .set = SPAN(GREYLIST_TRUSTED_SET),
						     .key = found->key,
						     .value = text_span(&value),
						     .expires_ms = last_ms + taking->terms.keep_ms,
					     });
}

static void write_triplet(struct taking *taking, const struct found *found)
{
	const struct state *state = &found->state;
	struct triplet triplet = { .first_ms = state->first_s * SECOND_MS,
				   .last_ms = state->last_s * SECOND_MS };
	TEXT(value, TRIPLET_TEXT_MAX);

	if (state->list == LIST_BLACK)
		triplet.colour = TRIPLET_BLACK;
	if (state->list == LIST_WHITE) {
		triplet.passed_ms = triplet.last_ms > 0 ? triplet.last_ms : 1;
		triplet.passes = state->count < 1                   ? 1
				 : state->count < TRIPLET_TRIES_MAX ? state->count
								    : TRIPLET_TRIES_MAX;
	}
	text_add_triplet(&value, &triplet);
	taking->taken++;
	import_record_write(taking->records,
			    &(struct store_entry){
				    .class = STORE_TRIPLET,
				    .key = found->key,
				    .value = text_span(&value),
				    .expires_ms = triplet_expires_ms(&triplet, &taking->terms),
			    });
}

static void write_all(struct taking *taking)
{
	if (taking->found_count > 0)
		qsort(taking->found, taking->found_count, sizeof(*taking->found), by_key_and_worth);
	for (size_t i = 0; i < taking->found_count; i++) {
		const struct found *found = &taking->found[i];

		if (i + 1 < taking->found_count && span_equal(found->key, found[1].key))
			continue;
		if (found->is_client)
			write_client(taking, found);
		else
			write_triplet(taking, found);
	}
}

static int conclude(struct taking *taking)
{
	struct text *report = taking->records->report;

	if (!taking->has_states || !taking->has_triplets) {
		text_add(report, SPAN("error: both files are needed: --database "
				      "/var/lib/greylistd/states --database "
				      "/var/lib/greylistd/triplets\n"));
		return EX_USAGE;
	}
	text_addf(report,
		  "%llu taken over, %llu not understood, %llu no triplets of mail, %llu "
		  "words without a state\n",
		  (unsigned long long)taking->taken, (unsigned long long)taking->bad,
		  (unsigned long long)taking->no_mail, (unsigned long long)taking->unheard);
	if (taking->is_full) {
		text_add(report, SPAN("error: too much: it is not complete\n"));
		return EX_OSERR;
	}
	return taking->bad > 0 ? EX_DATAERR : EX_OK;
}

static void learn_terms(struct taking *taking)
{
	struct settings settings;
	char room[512];
	struct text unsaid = { room, 0, sizeof(room), false };

	/* What is wrong with it is said when the configuration itself is translated. */
	greylistd_read(&settings, taking->records->foreign, taking->records->options, &unsaid);
	taking->terms = (struct triplet_terms){
		.delay_ms = (greylistd_seconds(&settings, GREYLISTD_RETRY_MIN) + 1) * SECOND_MS,
		.window_ms = greylistd_seconds(&settings, GREYLISTD_RETRY_MAX) * SECOND_MS,
		.keep_ms = greylistd_seconds(&settings, GREYLISTD_EXPIRE) * SECOND_MS,
	};
	taking->trusts = greylistd_truth(&settings, GREYLISTD_SINGLECHECK) &&
			 greylistd_truth(&settings, GREYLISTD_SINGLEUPDATE);
}

int import_greylistd_records(struct import_records *records)
{
	struct taking taking = { .records = records };
	int status = EX_OSERR;

	arena_init(&taking.arena, RECORDS_ARENA_MAX);
	learn_terms(&taking);
	if (lines_init(&taking.lines, LINE_MAX_BYTES) == OK) {
		status = take_files(&taking);
		lines_release(&taking.lines);
	}
	if (status == EX_OK) {
		write_all(&taking);
		status = conclude(&taking);
	}
	arena_release(&taking.arena);
	free(taking.state);
	free(taking.found);
	return status;
}
