/* escape.h -- strangers' text made safe to show.
 *
 * One function for logs, explanations and whatever else a person or a program reads line by
 * line: control bytes, DEL, quotes, backslash and bytes that are no UTF-8 become \xNN; C1
 * controls, U+2028, U+2029 and the bidirectional controls become \u{N}.  What comes out is one
 * line of valid UTF-8 that can be put between double quotes.
 * Source: design requirement L1.
 */
#pragma once
#include "base/text.h"

/** Add s, escaped, and no more than bytes_max bytes of it; what is cut ends with "...". */
void text_add_escaped(struct text *text, struct span s, size_t bytes_max);

/** Length in bytes of the UTF-8 character at the front of s and its number.
 *
 * @return 0 where the bytes are no valid UTF-8 (overlong, surrogate, beyond U+10FFFF, cut)
 */
size_t utf8_decode(struct span s, uint32_t *character_out);

/** May the character be shown as it is?  Not: control characters, quote and backslash, and what
 * breaks or turns lines. */
bool utf8_is_plain(uint32_t character);
