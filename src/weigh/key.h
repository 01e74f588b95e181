/* key.h -- the keys under which is counted and remembered: parts of text, with a blank between.
 *
 * "192.0.2.0/24 anna@example.org bob@example.net": lower case, an empty part is "<>", a blank, a
 * control character, '%' and what is no UTF-8 is %xx, in lower case, too.  A key that would be
 * longer than KEY_MAX ends, behind its first bytes, with '~' and a hash of all of it, the same on
 * all hosts; so does, before that, a part of more than KEY_PART_MAX bytes.
 */
#pragma once
#include "base/text.h"

#include <stdbool.h>

enum {
	KEY_MAX = 255,
	KEY_PART_MAX = 400, /* bytes, before any is written as %xx */
	KEY_ROOM = 8192,    /* of the text that a key is made in: six parts of the longest */
};

/** Add part to a key; a blank goes before every part but the first.  key has room for
 * KEY_ROOM. */
void key_add(struct text *key, struct span part);

/** The key is complete: shorten it if need be. */
void key_finish(struct text *key);

/** Read what somebody has typed as a key is written: words with blanks between, lower case; %xx
 * stands for itself.  The key is finished. */
void key_of_words(struct text *key, struct span words);

/** A hash that is the same on all hosts and for ever. */
uint64_t key_hash(struct span s);

/** The hash as it is always written: 16 digits, a to f small. */
void text_add_hash(struct text *text, uint64_t hash);
