/* answer.c -- the one place where answers to the MTA are written. */
#include "weigh/answer.h"

#include "base/ensure.h"

enum { WALK_REPLY_MAX = 4096 };

struct span answer_without_weighing(void)
{
	return SPAN("DUNNO");
}

/* Printable ASCII as it is, all else as '?'; no more than max bytes. */
static void answer_add_clean(struct text *answer, struct span s, size_t max)
{
	size_t at = answer->len;

	text_add(answer, span_first(s, max));
	for (; at < answer->len; at++)
		if (answer->at[at] < ' ' || answer->at[at] > '~')
			answer->at[at] = '?';
}

static bool is_number(struct span word)
{
	for (size_t i = 0; i < word.len; i++)
		if (!ascii_is_digit(word.at[i]))
			return false;
	return word.len > 0;
}

static bool is_refusal_code(struct span word)
{
	return word.len == 3 && (word.at[0] == '4' || word.at[0] == '5') && is_number(word);
}

/* RFC 5322 section 2.2: printable ASCII but the colon, then a colon. */
static bool is_header(struct span text)
{
	size_t colon = span_find(text, ':');

	if (colon == 0 || colon == text.len)
		return false;
	for (size_t i = 0; i < colon; i++)
		if (text.at[i] <= ' ' || text.at[i] > '~')
			return false;
	return true;
}

/* Words of access(5) whose text says where the mail goes: nothing without it, and elsewhere when
 * it is cut. */
static bool says_where(struct span word)
{
	static const struct span words[] = {
		SPAN_INIT("FILTER"),
		SPAN_INIT("REDIRECT"),
		SPAN_INIT("BCC"),
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (span_equal_nocase(word, words[i]))
			return true;
	return false;
}

/* May this action go out?  Postfix takes an empty and an all-numerical one as a permit. */
static bool is_safe(struct span word, struct span text)
{
	if (word.len == 0)
		return false;
	if (is_number(word))
		return is_refusal_code(word);
	if (span_equal_nocase(word, SPAN("PREPEND")))
		return is_header(text);
	return !says_where(word) || (text.len > 0 && text.len <= REPLY_TEXT_MAX);
}

static void answer_write(struct span action, struct text *answer)
{
	struct span word = span_first(action, span_find(action, ' '));
	struct span text = span_from(action, word.len + 1);
	bool is_prepend = span_equal_nocase(word, SPAN("PREPEND"));

	if (!is_safe(word, text)) {
		text_add(answer, answer_without_weighing());
		return;
	}
	answer_add_clean(answer, word, REPLY_TEXT_MAX);
	if (is_refusal_code(word) && text.len == 0)
		text = SPAN("refused by policy");
	if (text.len > 0) {
		text_add_char(answer, ' ');
		answer_add_clean(answer, text, is_prepend ? HEADER_TEXT_MAX : REPLY_TEXT_MAX);
	}
}

void answer_of_walk(const struct walk *walk, struct text *answer)
{
	TEXT(reply, WALK_REPLY_MAX);

	walk_reply(walk, 0, &reply);
	answer_write(text_span(&reply), answer);
	ENSURE(answer->len > 0 && !answer->overrun);
}

bool answer_to_mta(const struct walk *walk, unsigned headers_given, struct text *answer)
{
	bool passes = walk->verdict == VERDICT_PASS, observes = walk->policy->observe;
	/* A check that passes by itself says itself what is added. */
	bool is_own = passes && walk->by != NULL && walk->by->kind == STATEMENT_WEIGH;
	bool is_header = (passes || observes) && !is_own && headers_given < walk->prepend_count;
	TEXT(reply, WALK_REPLY_MAX);

	if (is_header) {
		text_add(&reply, SPAN("PREPEND "));
		text_add(&reply, walk->prepend[headers_given]);
	} else if (passes || !observes) {
		walk_reply(walk, headers_given, &reply);
	} else {
		text_add(&reply, answer_without_weighing());
	}
	answer_write(text_span(&reply), answer);
	ENSURE(answer->len > 0 && !answer->overrun);
	return is_header;
}
