/* conversation.h -- what is known of one connection between its requests.
 *
 * Postfix asks about a message once a recipient, and once more at DATA: each request has the
 * same "instance".  An answer has room for one header, so the headers of a message go out one by
 * one with its answers, and each of them once.
 */
#pragma once
#include "base/span.h"

#include <stdint.h>

enum {
	CONVERSATION_NAME_BYTES = 16,
	CONVERSATION_INSTANCE_MAX = 64, /* Postfix: some 25 bytes; a longer one is none */
};

/* One connection, as memories know it.  All names are of one length, so that none begins with
 * another. */
struct conversation {
	char name[CONVERSATION_NAME_BYTES];
	bool is_remembered; /* set by the weigher: something was remembered under it */
	uint8_t headers_given;
	uint8_t instance_len;                     /* 0: none */
	char instance[CONVERSATION_INSTANCE_MAX]; /* of the last request */
};

static inline struct span conversation_name(const struct conversation *conversation)
{
	return span_of(conversation->name, CONVERSATION_NAME_BYTES);
}

/** A request of that instance is to be answered.
 *
 * @return how many headers the message has got already; always 0 without an instance
 */
unsigned conversation_headers_given(struct conversation *conversation, struct span instance);

/** The answer to that request held one more. */
void conversation_header_given(struct conversation *conversation);
