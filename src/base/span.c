/* span.c -- comparing and cutting stretches of bytes. */
#include "base/span.h"

bool span_is_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] > 0x7f)
			return false;
	return true;
}

bool span_equal_nocase(struct span a, struct span b)
{
	return a.len == b.len && span_starts_nocase(a, b);
}

int span_compare(struct span a, struct span b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common == 0 ? 0 : memcmp(a.at, b.at, common);

	if (order != 0)
		return order;
	return a.len < b.len ? -1 : a.len > b.len;
}

bool span_starts(struct span s, struct span prefix)
{
	return s.len >= prefix.len && span_equal(span_first(s, prefix.len), prefix);
}

bool span_starts_nocase(struct span s, struct span prefix)
{
	if (s.len < prefix.len)
		return false;
	for (size_t i = 0; i < prefix.len; i++)
		if (ascii_lower(s.at[i]) != ascii_lower(prefix.at[i]))
			return false;
	return true;
}

bool span_ends(struct span s, struct span suffix)
{
	return s.len >= suffix.len && span_equal(span_from(s, s.len - suffix.len), suffix);
}

bool span_ends_nocase(struct span s, struct span suffix)
{
	return s.len >= suffix.len && span_equal_nocase(span_from(s, s.len - suffix.len), suffix);
}

size_t span_rfind(struct span s, char c)
{
	for (size_t i = s.len; i-- > 0;)
		if (s.at[i] == c)
			return i;
	return s.len;
}

size_t span_find_span(struct span s, struct span needle)
{
	const char *found;

	if (needle.len == 0)
		return 0;
	if (s.len == 0)
		return 0;
	found = memmem(s.at, s.len, needle.at, needle.len);
	return found == NULL ? s.len : (size_t)(found - s.at);
}

struct span span_trim(struct span s)
{
	while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t'))
		s = span_from(s, 1);
	while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
		s.len--;
	return s;
}

bool span_cut(struct span *rest, char separator, struct span *head_out)
{
	size_t end = span_find(*rest, separator);

	if (rest->len == 0)
		return false;
	*head_out = span_first(*rest, end);
	*rest = span_from(*rest, end + 1);
	return true;
}
