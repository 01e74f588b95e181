/* tally_text.c -- a tally as a store keeps it, and as a fact says it. */
#include "base/number.h"
#include "base/utc.h"
#include "weigh/key.h"
#include "weigh/tally_priv.h"

enum {
	NUMBER_MAX = 16, /* digits: of RATE_MOST_MAX */
	ENTRY_TEXT_MAX = 2 * (NUMBER_MAX + 1),
	WINDOW_TEXT_MAX = 64 + TALLY_ENTRIES_MAX * ENTRY_TEXT_MAX,
	SEEN_TEXT_MAX = 16 + 1 + ENTRY_TEXT_MAX,
};
_Static_assert(RATES_MAX *WINDOW_TEXT_MAX + TALLY_SEEN_MAX * SEEN_TEXT_MAX + RATES_TEXT_MAX + 128 <=
		       TALLY_TEXT_MAX,
	       "else a full tally has no text");

/* --- reading; each takes what it reads off the front of rest --- */

static enum err number_cut(struct span *rest, int64_t most, int64_t *number_out)
{
	int64_t number = 0;
	size_t i = 0;

	for (; i < rest->len && i <= NUMBER_MAX && ascii_is_digit(rest->at[i]); i++)
		number = number * 10 + (rest->at[i] - '0');
	if (i == 0)
		return ERR_SYNTAX;
	if (i > NUMBER_MAX || number > most)
		return ERR_LIMIT;
	*rest = span_from(*rest, i);
	*number_out = number;
	return OK;
}

static bool char_cut(struct span *rest, char c)
{
	if (span_is_empty(*rest) || rest->at[0] != c)
		return false;
	*rest = span_from(*rest, 1);
	return true;
}

/* A number, and c behind it. */
static enum err number_cut_before(struct span *rest, char c, int64_t most, int64_t *number_out)
{
	enum err err = number_cut(rest, most, number_out);

	return err == OK && !char_cut(rest, c) ? ERR_SYNTAX : err;
}

static enum err amount_cut(struct span *rest, int64_t *amount_out)
{
	enum err err = number_cut(rest, RATE_MOST_MAX, amount_out);

	return err == OK && *amount_out == 0 ? ERR_LIMIT : err;
}

static enum err entry_cut(struct span *rest, struct tally_window *window)
{
	struct tally_entry *entry = &window->entry[window->count];
	enum err err;

	if (window->count == TALLY_ENTRIES_MAX)
		return ERR_LIMIT;
	err = number_cut_before(rest, '+', UTC_MS_MAX, &entry->at_ms);
	if (err == OK)
		err = amount_cut(rest, &entry->amount);
	if (err != OK)
		return err;
	if (window->count > 0 && entry->at_ms < entry[-1].at_ms)
		return ERR_SYNTAX;
	if (entry->amount > RATE_MOST_MAX - window->used)
		return ERR_LIMIT;
	window->used += entry->amount;
	window->count++;
	return OK;
}

static bool has_window(const struct tally *tally, int64_t period_ms)
{
	for (uint8_t i = 0; i < tally->window_count; i++)
		if (tally->window[i].period_ms == period_ms)
			return true;
	return false;
}

static enum err window_parse(struct span rest, struct tally *tally)
{
	struct tally_window *window;
	int64_t period_ms, used;
	enum err err = number_cut_before(&rest, ' ', RATE_PERIOD_MS_MAX, &period_ms);

	if (err == OK)
		err = number_cut_before(&rest, ' ', RATE_MOST_MAX, &used);
	if (err != OK)
		return err;
	if (period_ms < RATE_PERIOD_MS_MIN || tally->window_count == RATES_MAX ||
	    has_window(tally, period_ms))
		return ERR_LIMIT;
	window = tally_window_insert(tally, period_ms);
	do
		err = entry_cut(&rest, window);
	while (err == OK && char_cut(&rest, ','));
	if (err == OK && (!span_is_empty(rest) || used != window->used))
		err = ERR_SYNTAX;
	return err;
}

static enum err hash_cut(struct span *rest, uint64_t *hash_out)
{
	enum { DIGITS = 16 };
	uint64_t hash = 0;

	if (rest->len < DIGITS)
		return ERR_SYNTAX;
	for (size_t i = 0; i < DIGITS; i++) {
		char c = rest->at[i];

		if (!ascii_is_digit(c) && (c < 'a' || c > 'f'))
			return ERR_SYNTAX;
		hash = hash << 4 | (unsigned)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
	}
	*rest = span_from(*rest, DIGITS);
	*hash_out = hash;
	return OK;
}

static enum err seen_cut(struct span *rest, struct tally *tally)
{
	struct tally_seen *seen = &tally->seen[tally->seen_count];
	enum err err;

	if (tally->seen_count == TALLY_SEEN_MAX)
		return ERR_LIMIT;
	err = hash_cut(rest, &seen->hash);
	if (err != OK)
		return err;
	seen->is_refused = char_cut(rest, '-');
	if (seen->hash == 0 || (!seen->is_refused && !char_cut(rest, '+')))
		return ERR_SYNTAX;
	err = number_cut(rest, RATE_MOST_MAX, &seen->amount);
	if (err == OK && !char_cut(rest, '+'))
		err = ERR_SYNTAX;
	if (err == OK)
		err = number_cut(rest, UTC_MS_MAX, &seen->at_ms);
	if (err != OK)
		return err;
	if (tally->seen_count > 0 && seen->at_ms < seen[-1].at_ms)
		return ERR_SYNTAX;
	tally->seen_count++;
	return OK;
}

static enum err seen_parse(struct span rest, struct tally *tally)
{
	enum err err = tally->seen_count > 0 ? ERR_SYNTAX : OK;

	while (err == OK) {
		err = seen_cut(&rest, tally);
		if (err == OK && !char_cut(&rest, ','))
			break;
	}
	return err == OK && !span_is_empty(rest) ? ERR_SYNTAX : err;
}

static enum err raised_parse(struct span rest, struct tally *tally)
{
	enum err err;

	if (tally->raised_until_ms > 0)
		return ERR_SYNTAX;
	err = number_cut_before(&rest, ' ', UTC_MS_MAX, &tally->raised_until_ms);
	return err == OK ? rates_parse(rest, &tally->raised) : err;
}

static enum err over_parse(struct span rest, struct tally *tally)
{
	enum err err;

	if (tally->noticed_until_ms > 0)
		return ERR_SYNTAX;
	err = number_cut_before(&rest, ' ', UTC_MS_MAX, &tally->noticed_until_ms);
	if (err == OK)
		err = number_cut(&rest, RATE_MOST_MAX, &tally->refused);
	return err == OK && !span_is_empty(rest) ? ERR_SYNTAX : err;
}

static enum err section_parse(struct span section, struct tally *tally)
{
	static const struct {
		struct span word;
		enum err (*parse)(struct span rest, struct tally *tally);
	} sections[] = {
		{ SPAN_INIT("window "), window_parse },
		{ SPAN_INIT("seen "), seen_parse },
		{ SPAN_INIT("raised "), raised_parse },
		{ SPAN_INIT("over "), over_parse },
	};

	for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++)
		if (span_starts(section, sections[i].word))
			return sections[i].parse(span_from(section, sections[i].word.len), tally);
	return ERR_SYNTAX;
}

/* Not the entries: only those below a count are ever read. */
static void tally_empty(struct tally *tally)
{
	tally->window_count = 0;
	tally->seen_count = 0;
	tally->raised.count = 0;
	tally->raised_until_ms = tally->noticed_until_ms = tally->refused = 0;
}

enum err tally_parse(struct span text, struct tally *tally_out)
{
	struct span rest = text, section;
	enum err err = text.len > TALLY_TEXT_MAX ? ERR_LIMIT : OK;

	tally_empty(tally_out);
	while (err == OK && span_cut(&rest, ';', &section)) {
		err = section_parse(section, tally_out);
		if (err == OK && section.at + section.len < text.at + text.len &&
		    (!char_cut(&rest, ' ') || span_is_empty(rest)))
			err = ERR_SYNTAX;
	}
	if (err != OK)
		tally_empty(tally_out);
	return err;
}

/* --- writing --- */

static void add_section(struct text *text, size_t start, struct span word)
{
	if (text->len > start)
		text_add(text, SPAN("; "));
	text_add(text, word);
}

static void add_window(struct text *text, const struct tally_window *window)
{
	text_add_int(text, window->period_ms);
	text_add_char(text, ' ');
	text_add_int(text, window->used);
	for (uint16_t i = 0; i < window->count; i++) {
		text_add_char(text, i == 0 ? ' ' : ',');
		text_add_int(text, window->entry[i].at_ms);
		text_add_char(text, '+');
		text_add_int(text, window->entry[i].amount);
	}
}

static void add_seen(struct text *text, const struct tally_seen *seen)
{
	text_add_hash(text, seen->hash);
	text_add_char(text, seen->is_refused ? '-' : '+');
	text_add_int(text, seen->amount);
	text_add_char(text, '+');
	text_add_int(text, seen->at_ms);
}

void text_add_tally(struct text *text, const struct tally *tally)
{
	size_t start = text->len;

	for (uint8_t i = 0; i < tally->window_count; i++) {
		if (tally->window[i].count == 0)
			continue;
		add_section(text, start, SPAN("window "));
		add_window(text, &tally->window[i]);
	}
	for (uint16_t i = 0; i < tally->seen_count; i++) {
		if (i == 0)
			add_section(text, start, SPAN("seen "));
		else
			text_add_char(text, ',');
		add_seen(text, &tally->seen[i]);
	}
	if (tally->raised_until_ms > 0 || (text->len == start && tally->noticed_until_ms == 0)) {
		add_section(text, start, SPAN("raised "));
		text_add_int(text, tally->raised_until_ms);
		text_add_char(text, ' ');
		text_add_rates(text, &tally->raised);
	}
	if (tally->noticed_until_ms > 0) {
		add_section(text, start, SPAN("over "));
		text_add_int(text, tally->noticed_until_ms);
		text_add_char(text, ' ');
		text_add_int(text, tally->refused);
	}
}

/* --- items of a fact --- */

static unsigned longest_wait(const struct tally_result *result)
{
	unsigned longest = 0;

	for (unsigned i = 1; i < result->count; i++)
		if (result->use[i].wait_ms > result->use[longest].wait_ms)
			longest = i;
	return longest;
}

void text_add_tally_use(struct text *text, const struct tally_result *result, unsigned window)
{
	const struct tally_use *use = &result->use[window];

	text_add_int(text, use->used);
	if (use->period_ms > 0) {
		text_add_char(text, '/');
		text_add_duration(text, use->period_ms);
	}
	if (use->wait_ms > 0) {
		text_add(text, SPAN(" wait="));
		text_add_seconds(text, use->wait_ms);
	}
	if (use->most >= 0) {
		text_add(text, SPAN(" most="));
		text_add_int(text, use->most);
	}
	if (result->is_first && window == longest_wait(result))
		text_add(text, SPAN(" first"));
	if (result->is_free)
		text_add(text, SPAN(" free"));
}

static enum err number_parse_up_to(struct span s, int64_t most, int64_t *number_out)
{
	enum err err = number_cut(&s, most, number_out);

	return err == OK && !span_is_empty(s) ? ERR_SYNTAX : err;
}

static enum err used_parse(struct span s, struct tally_use *use)
{
	size_t slash = span_find(s, '/');
	enum err err = number_parse_up_to(span_first(s, slash), 2 * RATE_MOST_MAX, &use->used);

	if (err != OK || slash == s.len)
		return err;
	err = duration_parse(span_from(s, slash + 1), &use->period_ms);
	if (err == OK &&
	    (use->period_ms < RATE_PERIOD_MS_MIN || use->period_ms > RATE_PERIOD_MS_MAX))
		err = ERR_LIMIT;
	return err;
}

static enum err word_parse(struct span word, struct tally_result *result, struct tally_use *use)
{
	static const struct span wait = SPAN_INIT("wait="), most = SPAN_INIT("most=");

	if (span_starts(word, wait)) {
		enum err err = seconds_parse(span_from(word, wait.len), &use->wait_ms);

		return err == OK && use->wait_ms > RATE_PERIOD_MS_MAX + 1 ? ERR_LIMIT : err;
	}
	if (span_starts(word, most))
		return number_parse_up_to(span_from(word, most.len), RATE_MOST_MAX, &use->most);
	if (span_equal(word, SPAN("first")))
		result->is_first = true;
	else if (span_equal(word, SPAN("free")))
		result->is_free = true;
	else
		return ERR_SYNTAX;
	return OK;
}

enum err tally_item_parse(struct span item, struct tally_result *result)
{
	struct tally_result more = *result;
	struct tally_use use = { .most = -1 };
	struct span rest = item, word;
	enum err err = span_cut(&rest, ' ', &word) ? used_parse(word, &use) : ERR_SYNTAX;

	while (err == OK && span_cut(&rest, ' ', &word))
		err = word_parse(word, &more, &use);
	if (err != OK)
		return err;
	for (uint8_t i = 0; i < more.count; i++)
		if (use.period_ms == 0 || more.use[i].period_ms == 0 ||
		    more.use[i].period_ms == use.period_ms)
			return ERR_SYNTAX;
	if (more.count == RATES_MAX)
		return ERR_LIMIT;
	more.use[more.count++] = use;
	*result = more;
	return OK;
}
