/* attempt.h -- one mail attempt: what the MTA said about it, and when.
 *
 * Values are raw bytes as they came, in the arena of the attempt.  An attribute that was not
 * sent is an empty span with .at == NULL; one that was sent empty has .at != NULL.  To every
 * check the two are the same; only the journal tells them apart.
 */
#pragma once
#include "mail/ip.h"

enum attribute {
#define ATTRIBUTE(name) ATTRIBUTE_##name,
#include "mail/attributes.def"
#undef ATTRIBUTE
	ATTRIBUTE_COUNT
};

struct attempt {
	struct span attribute[ATTRIBUTE_COUNT];
	struct ip client;         /* client_address, mapped ones as IPv4; IP_NONE: unknown */
	struct span client_text;  /* canonical text of client; empty when unknown */
	int64_t time_ms;          /* wall clock when the attempt came, since 1970: the only clock */
	struct span id;           /* the decision's number, "K7Q2-9F3D" */
	struct span conversation; /* names the connection it came over; see weigh/fact.h, known */
};

enum { ATTEMPT_CLIENT_TEXT_MAX = IP_TEXT_MAX };

/** The name as Postfix writes it. */
struct span attribute_name(enum attribute attribute);

/** @return false for a name that is none of Postfix's */
MUST_USE bool attribute_find(struct span name, enum attribute *attribute_out);

/** Derive client and client_text from client_address.
 *
 * Tolerates what is seen in the field: blanks around, brackets, "IPv6:" in front, a zone.
 *
 * @param room  ATTEMPT_CLIENT_TEXT_MAX + 1 bytes that live as long as the attempt
 */
void attempt_normalise(struct attempt *attempt, char *room);
