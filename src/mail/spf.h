/* spf.h -- the grammar of SPF records: terms, one after the other.
 *
 * A record is read twice: spf_check looks at all of it, because a syntax error anywhere is a
 * permerror even behind a term that would match; spf_cut_term then gives the terms in order.
 * Nothing is copied; records are raw bytes of strangers.  Source: RFC 7208 sections 4.5, 4.6, 12.
 */
#pragma once
#include "mail/ip.h"

enum {
	SPF_RECORD_MAX = 8192, /* bytes; longer ones are a permerror (design requirement D8) */
};

enum spf_mechanism {
	SPF_ALL,
	SPF_INCLUDE,
	SPF_A,
	SPF_MX,
	SPF_PTR,
	SPF_IP4,
	SPF_IP6,
	SPF_EXISTS,
	SPF_MECHANISMS,
};

enum spf_term_kind { SPF_DIRECTIVE, SPF_REDIRECT, SPF_EXP, SPF_UNKNOWN_MODIFIER };

struct spf_term {
	enum spf_term_kind kind;
	struct span text;             /* the term as it stands in the record */
	char qualifier;               /* SPF_DIRECTIVE: + - ~ ? */
	enum spf_mechanism mechanism; /* SPF_DIRECTIVE */
	struct span domain;           /* domain-spec; empty: the current domain */
	struct prefix network;        /* SPF_IP4, SPF_IP6 */
	uint8_t bits4, bits6;         /* SPF_A, SPF_MX: length of the network */
};

/** Is a TXT record an SPF record: "v=spf1" alone or with a blank behind it, in any case?
 *
 * @param terms_out  what follows the version
 */
bool spf_is_record(struct span txt, struct span *terms_out);

/** Is all of it well-formed?
 *
 * @return ERR_SYNTAX, ERR_LIMIT: a permerror
 */
MUST_USE enum err spf_check(struct span terms);

/** Take the first term off.
 *
 * @return false at the end, or where a term is malformed (spf_check has refused that record)
 */
bool spf_cut_term(struct span *terms, struct spf_term *term_out);

/** The name of a mechanism: "include". */
struct span spf_mechanism_name(enum spf_mechanism mechanism);
