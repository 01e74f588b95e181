/* idn.h -- domain names beyond ASCII: U-labels to A-labels.
 *
 * Source: RFC 5890, RFC 5891, UTS #46 (nontransitional); by libidn2.
 */
#pragma once
#include "base/err.h"
#include "base/text.h"

enum { IDN_BYTES_MAX = 1024 }; /* of a name in UTF-8 */

/** Add a raw name with its U-labels made A-labels: bücher.example -> xn--bcher-kva.example.
 *
 * @return ERR_LIMIT, or ERR_SYNTAX for what is no name in UTF-8; then nothing is added
 */
MUST_USE enum err text_add_idn(struct text *text, struct span raw);
