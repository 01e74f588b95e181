/* keys.c -- keys that are typed: any part of one that is in no other, and what completes it. */
#include "ctl/keys.h"

#include "weigh/key.h"

#include <stdlib.h>

/* --- pure --- */

void key_place_set(struct key_place *place, struct span set, struct span key)
{
	struct text set_text = { place->set, 0, sizeof(place->set), false };
	struct text key_text = { place->key, 0, sizeof(place->key), false };

	text_add(&set_text, set);
	text_add(&key_text, key);
	(void)text_cstr(&set_text);
	(void)text_cstr(&key_text);
}

static bool is_at(const struct key_place *place, struct span set, struct span key)
{
	return span_equal(span_cstr(place->set), set) && span_equal(span_cstr(place->key), key);
}

bool key_match_add(struct key_match *match, struct span set, struct span key)
{
	if (span_equal(key, match->part) && !match->is_exact) {
		match->is_exact = true;
		match->count = 0;
	} else if (match->is_exact && !span_equal(key, match->part)) {
		return true;
	}
	for (unsigned i = 0; i < match->count && i < KEYS_SHOWN_MAX; i++)
		if (is_at(&match->place[i], set, key))
			return true; /* a listing may give it twice */
	if (match->count < KEYS_SHOWN_MAX)
		key_place_set(&match->place[match->count], set, key);
	match->count += match->count <= KEYS_SHOWN_MAX;
	return !match->is_exact || !match->is_once;
}

static void word_add(struct key_words *words, struct span word)
{
	for (unsigned i = 0; i < words->count; i++)
		if (span_equal(span_cstr(words->word[i]), word))
			return;
	if (words->count == KEYS_WORDS_MAX || word.len > STORE_KEY_MAX)
		return;
	memcpy(words->word[words->count], word.at, word.len);
	words->word[words->count++][word.len] = '\0';
}

bool key_words_add(struct key_words *words, struct span key)
{
	struct span rest = key, word;

	while (span_cut(&rest, ' ', &word))
		if (word.len > 0 && span_starts_nocase(word, words->begun))
			word_add(words, word);
	return words->count < KEYS_WORDS_MAX;
}

/* --- asking --- */

static bool take_match(void *self, const struct store_entry *entry)
{
	return key_match_add(self, entry->set, entry->key);
}

static void say_match(const struct key_match *match)
{
	unsigned shown = match->count < KEYS_SHOWN_MAX ? match->count : KEYS_SHOWN_MAX;

	fputs(match->count == 0 ? "weighctl: no key has '" : "weighctl: several keys have '",
	      stderr);
	ctl_print(stderr, match->part);
	fputs(match->count == 0 ? "' in it\n" : "' in them:\n", stderr);
	for (unsigned i = 0; i < shown; i++) {
		fputs("  ", stderr);
		if (match->place[i].set[0] != '\0') {
			ctl_print(stderr, span_cstr(match->place[i].set));
			fputc(' ', stderr);
		}
		ctl_print(stderr, span_cstr(match->place[i].key));
		fputc('\n', stderr);
	}
	if (match->count > KEYS_SHOWN_MAX)
		fputs("  and more\n", stderr);
}

int keys_look(struct store_call *call, enum store_class class, struct span set, struct span part,
	      struct key_match *match_out)
{
	struct store_walk walk = {
		.class = class, .set = set, .part = part, .take = take_match, .self = match_out
	};

	*match_out = (struct key_match){ .part = part };
	match_out->is_once = class == STORE_TRIPLET || set.len > 0;
	return store_link_walk(call->link, &walk);
}

int keys_one(const struct key_match *match)
{
	if (match->count == 1)
		return EX_OK;
	say_match(match);
	return CTL_DIFFERS;
}

static bool take_words(void *self, const struct store_entry *entry)
{
	return key_words_add(self, entry->key);
}

int keys_complete(struct store_call *call, enum store_class class, struct span set,
		  const char *begun)
{
	struct key_words *words = calloc(1, sizeof(*words));
	struct store_walk walk = { .class = class, .set = set, .take = take_words, .self = words };
	int status;

	if (words == NULL)
		return EX_OSERR;
	words->begun = span_first(span_cstr(begun), STORE_KEY_MAX);
	walk.part = words->begun;
	status = store_link_walk(call->link, &walk);
	for (unsigned i = 0; i < words->count; i++) {
		ctl_print_line(stdout, span_cstr(words->word[i]));
		putchar('\n');
	}
	free(words);
	return status;
}
