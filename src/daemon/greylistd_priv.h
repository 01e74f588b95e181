/* greylistd_priv.h -- what greylistd.c and its parts share: one command in work. */
#pragma once
#include "daemon/greylistd.h"
#include "daemon/worker_priv.h"

enum {
	ERRAND_PAGE = STORE_PAGE_MAX,
	ERRAND_CLEARINGS_MAX = 8,
	ERRAND_LINE_MAX = STORE_KEY_MAX + 64, /* of a list */
};

struct errand {
	struct errand *next, *previous;
	struct greylistd *greylistd;
	struct exim_client *client; /* NULL: it has gone */
	enum exim_action action;
	enum exim_colour colour[EXIM_COLOUR_COUNT];
	uint8_t colour_count;
	int64_t now_ms;
	/* what it waits for: at most one of them */
	struct weighing *weighing;
	bool is_asking;    /* wait is in the store */
	unsigned in_store; /* operations that cannot be taken back */
	struct store_wait wait;
	struct fact fact;
	/* the triplet */
	struct triplet_terms terms;
	size_t key_len;
	char key[STORE_KEY_MAX];
	/* pages */
	uint8_t section;   /* of colour */
	uint8_t clearings; /* how often the section has been gone through */
	bool has_cleared;
	bool is_in_page, has_page, has_more, has_heading, has_failed;
	size_t after_set_len, after_len;
	char after_set[STORE_SET_MAX], after[STORE_KEY_MAX];
	uint64_t items[EXIM_COLOUR_COUNT], requests[EXIM_COLOUR_COUNT];
	struct text out; /* of a list: room for a page; .at is malloced, or NULL */
};

struct greylistd {
	struct worker *worker;
	struct exim *exim;
	struct errand *errand;
};

static inline struct span errand_key(const struct errand *errand)
{
	return span_of(errand->key, errand->key_len);
}

/** Answer and end; the errand is gone afterwards. */
void errand_answer(struct errand *errand, struct span answer);
void errand_fail(struct errand *errand);

/** Is it over, since nobody waits for it?  Then it is gone. */
bool errand_is_left(struct errand *errand);

/** White, grey or black. */
enum exim_colour triplet_colour_of(const struct triplet *triplet, int64_t now_ms);

/** Fill the attempt of the words of a command.
 *
 * @return ERR_LIMIT: no room in the arena
 */
MUST_USE enum err greylistd_fill(struct span words, struct arena *arena, struct attempt *attempt);

/* list, stats and clear: all triplets, a page after the other */
void errand_pages(struct errand *errand);
void errand_mrtg(struct errand *errand);
/** What exim_answer_part() was given is written. */
void errand_pages_more(struct errand *errand);
