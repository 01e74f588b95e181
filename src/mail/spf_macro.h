/* spf_macro.h -- the macros of SPF: checking them, and expanding them into a bounded buffer.
 *
 * Every byte that is written passes one function, which keeps the room; digits and delimiters
 * are bounded by the grammar's own tokens; nothing is computed in signed char.
 * Source: RFC 7208 section 7.
 */
#pragma once
#include "base/err.h"
#include "base/text.h"
#include "mail/ip.h"

enum {
	SPF_EXPANDED_MAX = 8192, /* of one macro-string before it is cut to a name */
	SPF_MACRO_VALUE_MAX = 2048,
	SPF_MACRO_PARTS_MAX = 128,
};

enum spf_macro_place { SPF_IN_DOMAIN, SPF_IN_EXPLANATION };

/* What the letters stand for.  Texts are raw. */
struct spf_macro_values {
	struct span sender;        /* s; with "postmaster" filled in */
	struct span local;         /* l */
	struct span sender_domain; /* o */
	struct span domain;        /* d */
	struct ip client;          /* i, v, c */
	struct span validated;     /* p */
	struct span helo;          /* h */
	struct span receiver;      /* r */
	int64_t time_s;            /* t */
};

/** Is a macro-string well-formed?  c, r and t are allowed in explanations only. */
MUST_USE enum err spf_macro_check(struct span macros, enum spf_macro_place place);

/** Is it a domain-spec: a macro-string that ends in a macro or in a dot and a top label? */
MUST_USE enum err spf_domain_spec_check(struct span spec);

/** Does it use one of these letters, in either case? */
bool spf_macro_uses(struct span macros, struct span letters);

/** Expand a macro-string that spf_macro_check has passed; overrun says that it did not fit. */
void text_add_spf_expanded(struct text *text, struct span macros,
			   const struct spf_macro_values *values);

/** Expand a domain-spec to a name of at most 253 octets: whole labels are dropped from the
 * left until it fits (section 7.3).
 *
 * @param name  has SPF_EXPANDED_MAX bytes' room
 * @return the name, within the text; empty when it did not fit at all
 */
struct span spf_domain_spec_expand(struct text *name, struct span spec,
				   const struct spf_macro_values *values);
