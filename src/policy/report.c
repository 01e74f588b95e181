/* report.c -- what is wrong with a configuration, as the administrator sees it. */
#include "policy/report.h"

#include "base/escape.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_SHOWN_MAX = 160, LINE_BEFORE_MAX = 100, RENDERED_MAX = 4096, GUESS_BYTES_MAX = 40 };

/* Length of the character at the front; a byte that begins none counts as one. */
static size_t character_bytes(struct span s)
{
	uint32_t character;
	size_t len = utf8_decode(s, &character);

	return len == 0 ? 1 : len;
}

/* As text_add_escaped, but what harms no terminal stays as it was written. */
static void text_add_shown(struct text *text, struct span s)
{
	while (s.len > 0) {
		size_t len = character_bytes(s);

		if (s.at[0] == '"' || s.at[0] == '\\' || s.at[0] == '\t')
			text_add_char(text, s.at[0]);
		else
			text_add_escaped(text, span_first(s, len), 16);
		s = span_from(s, len);
	}
}

/* Words of the text may be in it: what is no clean text is escaped. */
PRINTF_LIKE(2, 0)
static struct span report_format(struct report *report, const char *format, va_list arguments)
{
	char raw[MESSAGE_TEXT_MAX];
	int len = vsnprintf(raw, sizeof(raw), format, arguments);
	TEXT(shown, 4 * MESSAGE_TEXT_MAX);

	if (len < 0)
		return (struct span){ 0 };
	text_add_shown(&shown, span_first(span_of(raw, (size_t)len), sizeof(raw) - 1));
	return arena_copy(report->arena, text_span(&shown));
}

static bool report_knows(const struct report *report, struct place place)
{
	for (unsigned i = 0; i < report->count; i++) {
		const struct place *known = &report->message[i].place;

		if (known->source == place.source && known->at == place.at &&
		    !report->message[i].is_warning)
			return true;
	}
	return false;
}

PRINTF_LIKE(4, 0)
static void report_add(struct report *report, struct place place, bool is_warning,
		       const char *format, va_list arguments)
{
	struct message *message;

	report->latest = NULL;
	if (report_knows(report, place))
		return;
	report->errors += !is_warning;
	if (report->count == MESSAGES_MAX) {
		report->more++;
		return;
	}
	message = &report->message[report->count];
	*message = (struct message){
		.place = place,
		.is_warning = is_warning,
		.text = report_format(report, format, arguments),
		.index = report->count++,
	};
	report->latest = message;
}

void report_error(struct report *report, struct place place, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report_add(report, place, false, format, arguments);
	va_end(arguments);
}

void report_warning(struct report *report, struct place place, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report_add(report, place, true, format, arguments);
	va_end(arguments);
}

void report_hint(struct report *report, const char *format, ...)
{
	va_list arguments;

	if (report->latest == NULL)
		return;
	va_start(arguments, format);
	report->latest->hint = report_format(report, format, arguments);
	va_end(arguments);
}

static size_t line_start(struct place place)
{
	size_t start = place.at;

	while (start > 0 && place.source->text.at[start - 1] != '\n')
		start--;
	return start;
}

static struct span line_of(struct place place, size_t start)
{
	struct span line = span_from(place.source->text, start);

	line.len = span_find(line, '\n');
	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	return line;
}

static uint32_t character_count(struct span s)
{
	uint32_t count = 0;

	for (; s.len > 0; count++)
		s = span_from(s, character_bytes(s));
	return count;
}

void source_index_lines(struct source *source, struct arena *arena)
{
	struct span rest = source->text;
	uint32_t count = 1, *line;

	for (size_t end; (end = span_find(rest, '\n')) < rest.len; rest = span_from(rest, end + 1))
		count++;
	line = ARENA_ARRAY(arena, uint32_t, count);
	if (line == NULL)
		return; /* then it is only slower */
	rest = source->text;
	for (uint32_t i = 1; i < count; i++) {
		rest = span_from(rest, span_find(rest, '\n') + 1);
		line[i] = (uint32_t)(rest.at - source->text.at);
	}
	source->line = line;
	source->line_count = count;
}

/* How many lines begin at or before a place. */
static uint32_t line_number(struct place place)
{
	struct span before = span_first(place.source->text, place.at);
	uint32_t low = 0, high = place.source->line_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (place.source->line[middle] <= place.at)
			low = middle + 1;
		else
			high = middle;
	}
	if (place.source->line != NULL)
		return low;
	for (size_t end; (end = span_find(before, '\n')) < before.len;
	     before = span_from(before, end + 1))
		low++;
	return low + 1;
}

void place_position(struct place place, uint32_t *line_out, uint32_t *column_out)
{
	size_t start = line_start(place);

	*line_out = line_number(place);
	*column_out = 1 + character_count(span_first(span_from(place.source->text, start),
						     place.at - start));
}

/* Blanks as wide as s is when shown; tabs stay, so that the caret stands right. */
static void text_add_blank(struct text *text, struct span s, char blank)
{
	TEXT(shown, 8 * LINE_SHOWN_MAX);

	text_add_shown(&shown, s);
	for (struct span rest = text_span(&shown); rest.len > 0;
	     rest = span_from(rest, character_bytes(rest)))
		text_add_char(text, rest.at[0] == '\t' && blank == ' ' ? '\t' : blank);
}

/* A window of a long line that has the place in it; the text around is given up. */
static struct span line_window(struct span line, size_t *caret)
{
	size_t start = 0;

	if (line.len <= LINE_SHOWN_MAX)
		return line;
	if (*caret > LINE_BEFORE_MAX) {
		start = *caret - LINE_BEFORE_MAX;
		while (start < *caret && ((unsigned char)line.at[start] & 0xc0) == 0x80)
			start++;
	}
	*caret -= start;
	line = span_first(span_from(line, start), LINE_SHOWN_MAX);
	while (line.len > *caret && ((unsigned char)line.at[line.len - 1] & 0xc0) == 0x80)
		line.len--;
	if (line.len > *caret && (unsigned char)line.at[line.len - 1] >= 0xc0)
		line.len--;
	return line;
}

static void text_add_line(struct text *out, struct place place, uint32_t number, struct span hint)
{
	size_t start = line_start(place);
	struct span line = line_of(place, start);
	size_t caret = place.at - start;
	struct span word;

	if (caret > line.len)
		caret = line.len;
	line = line_window(line, &caret);
	word = span_first(span_from(line, caret), place.len);
	text_addf(out, "%5u | ", number);
	text_add_shown(out, line);
	text_add(out, SPAN("\n      | "));
	text_add_blank(out, span_first(line, caret), ' ');
	text_add_char(out, '^');
	if (word.len > 0)
		text_add_blank(out, span_from(word, character_bytes(word)), '~');
	if (hint.len > 0) {
		text_add_char(out, ' ');
		text_add(out, hint);
	}
	text_add_char(out, '\n');
}

static void text_add_place(struct text *out, struct place place)
{
	uint32_t line, column;

	place_position(place, &line, &column);
	text_add_escaped(out, place.source->path, 256);
	text_addf(out, ":%u:%u", line, column);
}

static void message_render(const struct message *message, struct text *out)
{
	struct place place = message->place;
	bool is_unread = place.source->text.at == NULL; /* there is no line to show */
	uint32_t line, column;

	if (is_unread)
		text_add_escaped(out, place.source->path, 256);
	else
		text_add_place(out, place);
	text_add(out, message->is_warning ? SPAN(": warning: ") : SPAN(": error: "));
	text_add(out, message->text);
	text_add_char(out, '\n');
	if (is_unread)
		return;
	place_position(place, &line, &column);
	text_add_line(out, place, line, message->hint);
	for (const struct source *source = place.source; source->from != NULL;
	     source = source->from) {
		text_add(out,
			 source->is_table ? SPAN("      named in ") : SPAN("      included from "));
		text_add_place(out, (struct place){ source->from, source->from_at, 0 });
		text_add_char(out, '\n');
	}
}

static int compare_messages(const void *a, const void *b)
{
	const struct message *left = a, *right = b;

	if (left->place.source->index != right->place.source->index)
		return left->place.source->index < right->place.source->index ? -1 : 1;
	if (left->place.at != right->place.at)
		return left->place.at < right->place.at ? -1 : 1;
	return left->index < right->index ? -1 : 1;
}

void report_render(struct report *report, struct text *out)
{
	enum { TAIL_MAX = 40 }; /* "and N more" */
	unsigned shown = 0;

	report->latest = NULL;
	if (report->count > 1)
		qsort(report->message, report->count, sizeof(*report->message), compare_messages);
	for (; shown < report->count; shown++) {
		TEXT(rendered, RENDERED_MAX);

		message_render(&report->message[shown], &rendered);
		if (out->overrun || out->room - out->len < rendered.len + TAIL_MAX)
			break;
		text_add(out, text_span(&rendered));
	}
	if (report->count - shown + report->more > 0)
		text_addf(out, "and %u more\n", report->count - shown + report->more);
}

struct guess guess_of(struct span word)
{
	/* One mistake in a short word, one in three letters in a longer one. */
	unsigned distance = word.len <= 3 ? 1 : (unsigned)(word.len + 2) / 3;

	return (struct guess){ .word = word, .distance = distance + 1 };
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, changes, and swaps of neighbours that turn a into b: the optimal
 * string alignment distance, with three rows of its matrix. */
static unsigned edit_distance(struct span a, struct span b)
{
	unsigned row[3][GUESS_BYTES_MAX + 1];

	for (unsigned j = 0; j <= b.len; j++)
		row[0][j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];

		now[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			char x = ascii_lower(a.at[i - 1]), y = ascii_lower(b.at[j - 1]);

			now[j] = least(least(up[j], now[j - 1]) + 1, up[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == ascii_lower(b.at[j - 2]) &&
			    y == ascii_lower(a.at[i - 2]))
				now[j] = least(now[j], up2[j - 2] + 1);
		}
	}
	return row[a.len % 3][b.len];
}

void guess_offer(struct guess *guess, struct span known)
{
	unsigned distance;

	if (guess->word.len == 0 || known.len == 0 || guess->word.len > GUESS_BYTES_MAX ||
	    known.len > GUESS_BYTES_MAX)
		return;
	distance = edit_distance(guess->word, known);
	if (distance >= guess->distance || distance >= known.len)
		return;
	guess->best = known;
	guess->distance = distance;
}

void report_guess(struct report *report, const struct guess *guess)
{
	if (guess->best.len > 0)
		report_hint(report, "did you mean '%.*s'?", WORD_ARG(guess->best));
}
