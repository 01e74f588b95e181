/* fold.c -- a sender as greylisting remembers him. */
#include "mail/fold.h"

#include "mail/address.h"

enum { BATV_TAG_LEAST = 10 };

static bool is_tag(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_digit(s.at[i]) && (s.at[i] < 'a' || s.at[i] > 'z'))
			return false;
	return s.len >= BATV_TAG_LEAST;
}

/* Which part is the tag and which the user, only the tag tells; where both could be it, or none
 * (its digits may be capitals), the first is, as the draft has it.
 */
static struct span without_batv(struct span local)
{
	struct span user, tag = span_from(local, sizeof("prvs=") - 1);
	size_t border = span_find(tag, '=');

	if (!span_starts(local, SPAN("prvs=")) || border == tag.len)
		return local;
	user = span_from(tag, border + 1);
	tag.len = border;
	if (span_find(user, '=') < user.len || tag.len == 0 || user.len == 0)
		return local;
	return is_tag(user) && !is_tag(tag) ? tag : user;
}

static bool is_word(char c)
{
	return ascii_is_letter(c) || ascii_is_digit(c) || c == '_';
}

static bool is_number(struct span word)
{
	for (size_t i = 0; i < word.len; i++)
		if (!ascii_is_digit(word.at[i]))
			return false;
	return word.len > 0;
}

static void add_without_numbers(struct text *text, struct span local)
{
	for (size_t i = 0, end; i < local.len; i = end + 1) {
		struct span word;

		for (end = i; end < local.len && is_word(local.at[end]);)
			end++;
		word = span_of(local.at + i, end - i);
		text_add_lower(text, is_number(word) ? SPAN("#") : word);
		if (end < local.len)
			text_add_char(text, local.at[end]);
	}
}

void text_add_folded(struct text *text, struct span sender)
{
	struct span local = address_local(sender);

	if (local.len == sender.len) {
		text_add_lower(text, sender);
		return;
	}
	local = without_batv(local);
	add_without_numbers(text, span_first(local, span_find(local, '+')));
	text_add_char(text, '@');
	text_add_lower(text, address_domain(sender));
}

void text_add_untagged(struct text *text, struct span address)
{
	struct span local = address_local(address);

	text_add(text, span_first(local, span_find(local, '+')));
	text_add(text, span_from(address, local.len));
}
