/* conversation.c -- what is known of one connection between its requests. */
#include "serve/conversation.h"

unsigned conversation_headers_given(struct conversation *conversation, struct span instance)
{
	struct span last = span_of(conversation->instance, conversation->instance_len);

	if (instance.len > 0 && span_equal(last, instance))
		return conversation->headers_given;
	conversation->headers_given = 0;
	conversation->instance_len = 0;
	if (instance.len > 0 && instance.len <= CONVERSATION_INSTANCE_MAX) {
		memcpy(conversation->instance, instance.at, instance.len);
		conversation->instance_len = (uint8_t)instance.len;
	}
	return 0;
}

void conversation_header_given(struct conversation *conversation)
{
	if (conversation->headers_given < UINT8_MAX)
		conversation->headers_given++;
}
