/* domain.h -- domain names as they are asked for in the DNS.
 *
 * A name is written in presentation form: lower case, labels with dots between them, no final
 * dot, bytes outside printable ASCII as \DDD, a backslash as \\ (RFC 1035 section 5.1).
 */
#pragma once
#include "base/err.h"
#include "base/text.h"

enum {
	DOMAIN_LABEL_MAX = 63,
	DOMAIN_NAME_MAX = 253,     /* octets without the final dot, RFC 1035 section 2.3.4 */
	DOMAIN_TEXT_MAX = 4 * 253, /* in presentation form with every octet escaped */
	DOMAIN_LABELS_MAX = 127,
};

/** Add a stranger's raw name in presentation form; trailing dots are dropped. */
void text_add_domain(struct text *text, struct span raw);

/** Can a raw name be asked at all: labels of 1..63 octets, 253 in all, at least one label.
 * A final dot is allowed.
 */
bool domain_can_exist(struct span raw);

/** Letters, digits and hyphens in labels, at least two of them, no label numeric at the end:
 * RFC 5321 section 2.3.5.
 */
bool domain_is_host_name(struct span raw);

/** Drop the first label; empty when it was the last. */
struct span domain_parent(struct span name);

/** Equal to zone or below it; both without final dot. */
bool domain_is_within(struct span name, struct span zone);

size_t domain_label_count(struct span name);

/** The last count labels. */
struct span domain_last_labels(struct span name, size_t count);

/** Wire form of a name in presentation form (for a DNS packet).
 *
 * @return ERR_SYNTAX for a name that cannot be asked; wire_out has 255 bytes' room
 */
MUST_USE enum err domain_to_wire(struct span name, unsigned char wire_out[255], size_t *len_out);
