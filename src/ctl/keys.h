/* keys.h -- keys that are typed: any part of one that is in no other, and what completes it.
 *
 * The matching is pure; keys_look() and keys_complete() ask the store.
 */
#pragma once
#include "ctl/store_call.h"

enum {
	KEYS_SHOWN_MAX = 20, /* candidates that are listed */
	KEYS_WORDS_MAX = 60, /* completions that are offered */
};

struct key_place {
	char set[STORE_SET_MAX + 1], key[STORE_KEY_MAX + 1];
};

/** What is longer than it can be is left out. */
void key_place_set(struct key_place *place, struct span set, struct span key);

/* Which keys have a part? */
struct key_match {
	struct span part; /* as keys are written (weigh/key.h) */
	bool is_once;     /* a key stands in one set only */
	bool is_exact;    /* one is the part itself: it is at place[0], alone */
	unsigned count;   /* of those that have it; at most KEYS_SHOWN_MAX + 1 */
	struct key_place place[KEYS_SHOWN_MAX];
};

/** One more key that has the part in it, perhaps not the first time.
 *
 * @return false: nothing that comes can change the match */
bool key_match_add(struct key_match *match, struct span set, struct span key);

/* Words of keys that begin as the one being typed. */
struct key_words {
	struct span begun;
	unsigned count;
	char word[KEYS_WORDS_MAX][STORE_KEY_MAX + 1];
};

/** The words of one key.  @return false: there is no room for more */
bool key_words_add(struct key_words *words, struct span key);

/** Which keys have part in them?
 *
 * @param set  of them; empty: any
 * @return as store_link_ask() */
MUST_USE int keys_look(struct store_call *call, enum store_class class, struct span set,
		       struct span part, struct key_match *match_out);

/** The one key of a match.  @return EX_OK; 1: none, or several, and that is said */
MUST_USE int keys_one(const struct key_match *match);

/** Print the words that complete the argument: for the shell. */
int keys_complete(struct store_call *call, enum store_class class, struct span set,
		  const char *begun);
