/* greylistd_words.c -- an attempt of the words that Exim sends. */
#include "daemon/greylistd_priv.h"

enum { IP6_GROUPS = 8 };

/* Exim writes a masked IPv6 address with dots: 2001.0db8.0000.0000.0000.0000.0000.0000/64. */
static bool is_dotted_ip6(struct span word)
{
	unsigned dots = 0;

	for (size_t i = 0; i < word.len; i++)
		dots += word.at[i] == '.';
	return dots == IP6_GROUPS - 1;
}

/* ${mask:...} of an address is a network: its first address stands for it. */
static struct span client_address(struct span word, struct arena *arena)
{
	struct span copy = arena_copy(arena, span_first(word, span_find(word, '/')));

	if (copy.at != NULL && is_dotted_ip6(copy)) {
		char *at = arena_alloc(arena, copy.len);

		if (at == NULL)
			return (struct span){ 0 };
		for (size_t i = 0; i < copy.len; i++)
			at[i] = copy.at[i];
		for (size_t i = 0; i < copy.len; i++)
			if (at[i] == '.')
				at[i] = ':';
		copy.at = at;
	}
	return copy;
}

static struct span recipient_count(struct span recipients, struct arena *arena)
{
	TEXT(count, 24);
	int64_t commas = 0;

	for (size_t i = 0; i < recipients.len; i++)
		commas += recipients.at[i] == ',';
	text_add_int(&count, recipients.len > 0 ? commas + 1 : 0);
	return arena_copy(arena, text_span(&count));
}

static struct span unbracketed(struct span sender)
{
	if (sender.len >= 2 && span_starts(sender, SPAN("<")) && span_ends(sender, SPAN(">")))
		return span_of(sender.at + 1, sender.len - 2);
	return sender;
}

enum err greylistd_fill(struct span words, struct arena *arena, struct attempt *attempt)
{
	struct span rest = words, client = { 0 }, sender = SPAN(""), first;
	struct span *attribute = attempt->attribute;
	char *room = arena_alloc(arena, ATTEMPT_CLIENT_TEXT_MAX + 1);

	(void)span_cut(&rest, ' ', &client);
	/* "A@X, B@Y" are recipients, $recipients of Exim at DATA; their sender is empty. */
	first = span_first(rest, span_find(rest, ' '));
	if (first.len < rest.len && !span_ends(first, SPAN(",")))
		(void)span_cut(&rest, ' ', &sender);
	attribute[ATTRIBUTE_request] = SPAN("smtpd_access_policy");
	attribute[ATTRIBUTE_protocol_state] = SPAN("RCPT");
	attribute[ATTRIBUTE_client_address] = client_address(client, arena);
	attribute[ATTRIBUTE_sender] = arena_copy(arena, unbracketed(sender));
	attribute[ATTRIBUTE_recipient] = arena_copy(arena, rest);
	if (span_find(rest, ',') < rest.len) {
		attribute[ATTRIBUTE_protocol_state] = SPAN("DATA");
		attribute[ATTRIBUTE_recipient_count] = recipient_count(rest, arena);
	}
	if (room == NULL || attribute[ATTRIBUTE_client_address].at == NULL ||
	    attribute[ATTRIBUTE_sender].at == NULL || attribute[ATTRIBUTE_recipient].at == NULL)
		return ERR_LIMIT;
	attempt_normalise(attempt, room);
	return OK;
}
