/* greylistd_pages.c -- commands about all triplets: list, stats, mrtg, clear.
 *
 * The store gives a page after the other, and nothing is held but one of them: a list of a
 * million triplets is written as fast as its reader takes it.
 */
#include "daemon/greylistd_priv.h"

#include "base/ensure.h"
#include "weigh/counting.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { STATS_MAX = 1024, HOST_NAME_BYTES_MAX = 256, SECOND_MS = 1000 };

static void page_next(struct errand *errand);

/* --- list --- */

static const char *const headings[] = {
	[EXIM_WHITE] = "\nWhitelist data:\n===============\n",
	[EXIM_GREY] = "\nGreylist data:\n==============\n",
	[EXIM_BLACK] = "\nBlacklist data:\n===============\n",
};

static uint64_t requests_of(const struct triplet *triplet)
{
	return triplet->passes > 0 ? (uint64_t)triplet->passes : 1;
}

static void list_triplet(struct errand *errand, struct span key, const struct triplet *triplet)
{
	time_t last_s = (time_t)(triplet->last_ms / SECOND_MS);
	struct text *out = &errand->out;
	char when[32] = "";
	struct tm tm;

	if (triplet_colour_of(triplet, errand->now_ms) != errand->colour[errand->section])
		return;
	if (!errand->has_heading) {
		text_add(out, span_cstr(headings[errand->colour[errand->section]]));
		text_add(out, SPAN("  Last Seen            Count  Data\n"));
		errand->has_heading = true;
	}
	if (localtime_r(&last_s, &tm) != NULL)
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	text_addf(out, "  %-19s  %5llu  ", when, (unsigned long long)requests_of(triplet));
	text_add(out, key);
	text_add_char(out, '\n');
}

/* --- stats, mrtg --- */

static const char *unit_of(int64_t *number)
{
	static const struct {
		int64_t count;
		const char *one, *many;
	} units[] = { { 60, "second", "seconds" },
		      { 60, "minute", "minutes" },
		      { 24, "hour", "hours" },
		      { INT64_MAX, "day", "days" } };
	size_t i = 0;

	/* 90 minutes are more exact than one hour. */
	while (*number >= 2 * units[i].count && units[i].count != INT64_MAX)
		*number /= units[i++].count;
	return *number > 1 ? units[i].many : units[i].one;
}

static void add_uptime(struct text *text, const struct errand *errand, int64_t began_ms)
{
	int64_t number = (errand->now_ms - began_ms) / SECOND_MS;
	const char *unit;

	if (number < 0)
		number = 0;
	unit = unit_of(&number);
	text_addf(text, "%lld %s", (long long)number, unit);
}

static void add_heading(struct text *text, const struct errand *errand, int64_t began_ms)
{
	time_t began_s = (time_t)(began_ms / SECOND_MS);
	char when[64] = "";
	struct tm tm;
	size_t len;

	if (localtime_r(&began_s, &tm) != NULL)
		strftime(when, sizeof(when), "%a %b %e %H:%M:%S %Y", &tm);
	text_addf(text, "Statistics since %s (", when);
	add_uptime(text, errand, began_ms);
	text_add(text, SPAN(" ago)\n"));
	len = text->len - 1;
	for (size_t i = 0; i < len; i++)
		text_add_char(text, '-');
	text_add_char(text, '\n');
}

static void add_share(struct text *text, uint64_t part, uint64_t all, const char *what)
{
	text_addf(text, " - %llu (%5.1f%%) %s\n", (unsigned long long)part,
		  100.0 * (double)part / (double)all, what);
}

static void answer_stats(struct errand *errand)
{
	struct greylistd_counts *counts = &errand->greylistd->worker->shared->greylistd;
	uint64_t grey = atomic_load(&counts->grey), white = atomic_load(&counts->white);
	uint64_t waiting = errand->items[EXIM_GREY];
	uint64_t expired = grey > white + waiting ? grey - white - waiting : 0;
	uint64_t ended = white + expired;
	TEXT(text, STATS_MAX);

	add_heading(&text, errand, atomic_load(&counts->began_ms));
	for (int i = 0; i < EXIM_COLOUR_COUNT; i++)
		text_addf(&text, "%llu items, matching %llu requests, are currently %.*slisted\n",
			  (unsigned long long)errand->items[i],
			  (unsigned long long)errand->requests[i],
			  SPAN_ARG(exim_colour_name((enum exim_colour)i)));
	if (ended > 0) {
		text_addf(&text, "\nOf %llu items that were initially greylisted:\n",
			  (unsigned long long)ended);
		add_share(&text, white, ended, "became whitelisted");
		add_share(&text, expired, ended, "expired from the greylist");
	}
	errand_answer(errand, text_span(&text));
}

void errand_mrtg(struct errand *errand)
{
	struct greylistd_counts *counts = &errand->greylistd->worker->shared->greylistd;
	char host[HOST_NAME_BYTES_MAX] = "";
	TEXT(text, STATS_MAX);

	gethostname(host, sizeof(host) - 1);
	text_addf(&text, "%llu\n%llu\n", (unsigned long long)atomic_load(&counts->grey),
		  (unsigned long long)atomic_load(&counts->white));
	add_uptime(&text, errand, atomic_load(&counts->began_ms));
	text_addf(&text, "\n%s\n", host);
	errand_answer(errand, text_span(&text));
}

/* --- clear --- */

static void on_erased(void *self, const struct store_ended *ended)
{
	struct errand *errand = self;

	errand->has_failed |= ended->result != OK && ended->result != ERR_MISSING;
	if (--errand->in_store == 0 && !errand->is_in_page && !errand_is_left(errand))
		page_next(errand);
}

static bool is_asked(const struct errand *errand, enum exim_colour colour)
{
	for (uint8_t i = 0; i < errand->colour_count; i++)
		if (errand->colour[i] == colour)
			return true;
	return errand->colour_count == 0;
}

static void clear_entry(struct errand *errand, const struct store_entry *entry)
{
	errand->in_store++;
	errand->has_cleared = true;
	store_erase(errand->greylistd->worker->store, entry, on_erased, errand);
}

/* --- pages --- */

/* Whoever is trusted is white, too: cleared as the last section. */
static bool is_about_trust(const struct errand *errand)
{
	return errand->action == EXIM_CLEAR && errand->section == 1;
}

static void take_triplet(struct errand *errand, const struct store_entry *entry)
{
	struct triplet triplet;
	enum exim_colour colour;

	if (triplet_parse(entry->value, &triplet) != OK ||
	    (entry->expires_ms != 0 && entry->expires_ms <= errand->now_ms))
		return;
	colour = triplet_colour_of(&triplet, errand->now_ms);
	errand->items[colour]++;
	errand->requests[colour] += requests_of(&triplet);
	if (errand->action == EXIM_LIST)
		list_triplet(errand, entry->key, &triplet);
	else if (errand->action == EXIM_CLEAR && is_asked(errand, colour))
		clear_entry(errand, entry);
}

/* Both as the store has said them: they need not be an entry's. */
static void keep_place(struct errand *errand, const struct store_ended *ended)
{
	errand->has_more = ended->result == OK && ended->has_more;
	errand->has_failed |= ended->result != OK;
	if (!errand->has_more)
		return;
	ENSURE(ended->next_set.len <= sizeof(errand->after_set) &&
	       ended->next.len <= sizeof(errand->after));
	errand->after_set_len = ended->next_set.len;
	errand->after_len = ended->next.len;
	if (ended->next_set.len > 0)
		memcpy(errand->after_set, ended->next_set.at, ended->next_set.len);
	if (ended->next.len > 0)
		memcpy(errand->after, ended->next.at, ended->next.len);
}

static void on_page(void *self, const struct store_ended *ended)
{
	struct errand *errand = self;
	bool is_in_page = errand->is_in_page;

	errand->in_store--;
	if (errand_is_left(errand))
		return;
	keep_place(errand, ended);
	/* What is erased at once is not to go on with the next page from within this one. */
	errand->is_in_page = true;
	for (uint32_t i = 0; ended->result == OK && i < ended->entry_count; i++) {
		if (is_about_trust(errand))
			clear_entry(errand, &ended->entry[i]);
		else
			take_triplet(errand, &ended->entry[i]);
	}
	errand->is_in_page = is_in_page;
	errand->has_page = true;
	if (!is_in_page && errand->in_store == 0)
		page_next(errand);
}

static void ask_page(struct errand *errand)
{
	struct store_page page = { .class = STORE_TRIPLET,
				   .after_set = span_of(errand->after_set, errand->after_set_len),
				   .after = span_of(errand->after, errand->after_len),
				   .most = ERRAND_PAGE };

	if (is_about_trust(errand)) {
		page.class = STORE_KNOWN;
		page.set = SPAN(GREYLIST_TRUSTED_SET);
	}
	errand->has_page = false;
	errand->in_store++;
	store_page(errand->greylistd->worker->store, &page, errand->now_ms, on_page, errand);
}

/* A listing of Redis that shrinks meanwhile may leave some out: so it is gone through until nothing
 * is found, or so often that it can only be what comes in. */
static bool is_to_clear_again(struct errand *errand)
{
	bool has_cleared = errand->has_cleared;

	errand->has_cleared = false;
	return has_cleared && ++errand->clearings < ERRAND_CLEARINGS_MAX;
}

/* The next section begins at the first page.  @return false: that was the last one */
static bool section_next(struct errand *errand)
{
	uint8_t count = errand->action == EXIM_LIST ? errand->colour_count : 1;

	if (errand->action == EXIM_CLEAR && is_asked(errand, EXIM_WHITE))
		count = 2;
	if (!is_to_clear_again(errand)) {
		errand->section++;
		errand->clearings = 0;
	}
	errand->has_heading = false;
	errand->has_more = true;
	errand->after_set_len = errand->after_len = 0;
	return errand->section < count;
}

static void finish(struct errand *errand)
{
	if (errand->has_failed) {
		errand_fail(errand);
		return;
	}
	switch (errand->action) {
	case EXIM_STATS: answer_stats(errand); return;
	case EXIM_CLEAR:
		atomic_store(&errand->greylistd->worker->shared->greylistd.grey, 0);
		atomic_store(&errand->greylistd->worker->shared->greylistd.white, 0);
		errand_answer(errand, SPAN("data and statistics cleared"));
		return;
	case EXIM_LIST: errand_answer(errand, SPAN("")); return;
	case EXIM_UPDATE:
	case EXIM_CHECK:
	case EXIM_STATUS:
	case EXIM_ADD:
	case EXIM_DELETE:
	case EXIM_MRTG:
	case EXIM_SAVE:
	case EXIM_RELOAD:
	case EXIM_ACTION_COUNT: break;
	}
	ENSURE(false);
}

/* @return false: it goes on later, or not at all */
static bool go_on(struct errand *errand)
{
	if (errand->out.len > 0) {
		exim_answer_part(errand->client, text_span(&errand->out));
		return false;
	}
	if (!errand->has_failed && (errand->has_more || section_next(errand)))
		return true;
	finish(errand);
	return false;
}

/* Pages that come at once are taken here, one after the other, not one within the other. */
static void page_next(struct errand *errand)
{
	while (go_on(errand)) {
		errand->is_in_page = true;
		ask_page(errand);
		errand->is_in_page = false;
		if (!errand->has_page || errand->in_store > 0)
			return;
	}
}

void errand_pages_more(struct errand *errand)
{
	text_clear(&errand->out);
	page_next(errand);
}

void errand_pages(struct errand *errand)
{
	static const enum exim_colour all[] = { EXIM_WHITE, EXIM_GREY, EXIM_BLACK };
	size_t room = (size_t)ERRAND_PAGE * ERRAND_LINE_MAX;

	if (errand->action == EXIM_LIST) {
		if (errand->colour_count == 0) {
			memcpy(errand->colour, all, sizeof(all));
			errand->colour_count = EXIM_COLOUR_COUNT;
		}
		errand->out = (struct text){ malloc(room), 0, room, false };
		if (errand->out.at == NULL) {
			errand_answer(errand, SPAN("error: There is no memory"));
			return;
		}
	}
	errand->has_more = true;
	page_next(errand);
}
