/* list.h -- rows of another daemon's white and black lists, on their way into a weighd.conf. */
#pragma once
#include "base/arena.h"
#include "base/text.h"

enum {
	LIST_ARENA_BYTES_MAX = 64 * 1024 * 1024,
	LIST_STATEMENT_ITEMS = 500, /* more go into another statement */
	LIST_SEPARATOR = '\x01',    /* between the parts of an item that has several */
};

struct list {
	struct arena *arena;
	struct span *item;
	size_t count, room;
	bool is_full; /* the arena is: what came later is missing */
};

/** A copy of item at the end. */
void list_add(struct list *list, struct span item);

/** Statements "FRONT [item, item, ...]BACK" for all items, each line begun with a tab.
 *
 * @param is_quoted  as texts; else as they are: addresses and networks
 */
void list_write(struct text *config, const struct list *list, const char *front, const char *back,
		bool is_quoted);

/** A pattern of SQL's LIKE as one of ours, not anchored: % and _ stand for anything. */
void text_add_like(struct text *pattern, struct span like);

/** Statements "FRONT /^(like|like ...)$/iBACK". */
void list_write_likes(struct text *config, const struct list *list, const char *front,
		      const char *back);
