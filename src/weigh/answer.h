/* answer.h -- the one place where answers to the MTA are written (design requirement P9).
 *
 * An answer is "WORD" or "WORD text" of access(5), without "action=" and line ends.  It is
 * never empty (Postfix takes an empty action as a permit); bytes outside 0x20..0x7e become
 * '?'; a reply is cut at REPLY_TEXT_MAX bytes, a header at HEADER_TEXT_MAX; a PREPEND whose
 * header name is none by RFC 5322 section 2.2 is left out.  OK is written for a permit of the
 * policy and for nothing else.
 */
#pragma once
#include "weigh/walk.h"

enum { ANSWER_MAX = 1024 };
_Static_assert(ANSWER_MAX > HEADER_TEXT_MAX + 8, "a whole header with its PREPEND fits");

/** What the policy decided: the reply of journal and replay, as for the first request of a
 * message. */
void answer_of_walk(const struct walk *walk, struct text *answer);

/** What the MTA is told: in mode observe nothing but headers, else what the policy decided.
 *
 * An answer has room for one header, so the headers of a message go out one by one, with the
 * answers to its requests: one a recipient, one for DATA.
 *
 * @param headers_given  headers of walk->prepend that the message has got by answers before
 * @return the answer is the next of them
 */
bool answer_to_mta(const struct walk *walk, unsigned headers_given, struct text *answer);

/** What is said when nothing was weighed (fail rules F1, F6): DUNNO. */
struct span answer_without_weighing(void);
