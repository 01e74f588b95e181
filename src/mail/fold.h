/* fold.h -- a sender as greylisting remembers him: what changes from mail to mail is folded.
 *
 * BATV (prvs=TAG=user@; prvs=user=TAG@ where the second part alone is at least ten lower-case
 * letters and digits) becomes user@; behind a '+' in the local part all is dropped (the '+' too);
 * every whole number between word borders becomes '#'.  The domain stays, and so does a sender
 * without '@'. Source: postgrey 1.37's rule.
 */
#pragma once
#include "base/text.h"

/** Add the folded sender, in lower case. */
void text_add_folded(struct text *text, struct span sender);

/** Add an address without its tag: what stands from the first '+' on in its local part (RFC 5233's
 * detail).  An address without '@' is all local part. */
void text_add_untagged(struct text *text, struct span address);
