/* list.c -- see list.h. */
#include "ctl/import/list.h"

#include "ctl/import/settings.h"

enum { LIST_ROOM_FIRST = 64, ITEMS_A_LINE = 6, PATTERN_BYTES = 3000 };

static bool list_grow(struct list *list)
{
	size_t room = list->room == 0 ? LIST_ROOM_FIRST : 2 * list->room;
	struct span *item = ARENA_ARRAY(list->arena, struct span, room);

	if (item == NULL)
		return false;
	if (list->count > 0)
		memcpy(item, list->item, list->count * sizeof(*item));
	list->item = item;
	list->room = room;
	return true;
}

void list_add(struct list *list, struct span item)
{
	struct span copy = { 0 };

	if (list->count < list->room || list_grow(list))
		copy = arena_copy(list->arena, item);
	if (copy.at == NULL)
		list->is_full = true;
	else
		list->item[list->count++] = copy;
}

static void statement_begin(struct text *config, const char *front)
{
	text_add_char(config, '\t');
	text_add(config, span_cstr(front));
	text_add_char(config, ' ');
}

static void statement_end(struct text *config, const char *sign, const char *back)
{
	text_add(config, span_cstr(sign));
	text_add(config, span_cstr(back));
	text_add_char(config, '\n');
}

void list_write(struct text *config, const struct list *list, const char *front, const char *back,
		bool is_quoted)
{
	for (size_t i = 0; i < list->count; i++) {
		size_t place = i % LIST_STATEMENT_ITEMS;
		bool is_last = place + 1 == LIST_STATEMENT_ITEMS || i + 1 == list->count;

		if (place == 0) {
			statement_begin(config, front);
			text_add_char(config, '[');
		}
		if (is_quoted)
			config_add_quoted(config, list->item[i]);
		else
			text_add(config, list->item[i]);
		if (is_last)
			statement_end(config, "]", back);
		else
			text_add(config,
				 (place + 1) % ITEMS_A_LINE == 0 ? SPAN(",\n\t\t") : SPAN(", "));
	}
}

void text_add_like(struct text *pattern, struct span like)
{
	for (size_t i = 0; i < like.len; i++) {
		char c = like.at[i];

		if (c == '%')
			text_add(pattern, SPAN(".*"));
		else if (c == '_')
			text_add_char(pattern, '.');
		else if (ascii_is_letter(c) || ascii_is_digit(c) || c == '-')
			text_add_char(pattern, c);
		else
			text_addf(pattern, "\\x%02x", (unsigned)(unsigned char)c);
	}
}

void list_write_likes(struct text *config, const struct list *list, const char *front,
		      const char *back)
{
	size_t begun_at = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (begun_at == 0) {
			statement_begin(config, front);
			text_add(config, SPAN("/^("));
			begun_at = config->len;
		} else {
			text_add_char(config, '|');
		}
		text_add_like(config, list->item[i]);
		if (config->len - begun_at < PATTERN_BYTES && i + 1 < list->count)
			continue;
		statement_end(config, ")$/i", back);
		begun_at = 0;
	}
}
