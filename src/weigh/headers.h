/* headers.h -- what SPF and the reverse name said, as headers of the mail.
 *
 *	prepend "$received_spf"              Received-SPF, RFC 7208 section 9.1, erratum 5436
 *	prepend "$received_spf_helo"         the same of the HELO name, whatever the sender is
 *	prepend "$authentication_results"    Authentication-Results, RFC 8601; spf and iprev
 *
 * HELO name, sender, reverse name and explanation are strangers' words.  A value goes out as a
 * plain word or as a quoted string, a comment with its brackets escaped, bytes outside printable
 * ASCII as '?': nobody can end a value and begin another one.
 *
 * Postfix takes one line without folds, so a header has at most HEADER_TEXT_MAX bytes.  A value
 * that is longer than its bound is left out and not cut, for a part of a name is another name;
 * comments are cut.
 */
#pragma once
#include "weigh/walk.h"

enum {
	HEADER_VALUE_MAX = 322,   /* with its quotes: an address of RFC 5321, 64 + 1 + 255 */
	HEADER_NAME_MAX = 257,    /* with its quotes: a domain name of 255 */
	HEADER_HOST_MAX = 253,    /* our own name */
	HEADER_COMMENT_MAX = 200, /* of Received-SPF */
	HEADER_REMARK_MAX = 80,   /* of a result in Authentication-Results */
};

/* What SPF said about one identity. */
struct spf_said {
	struct span result; /* "pass", "fail", ...; empty: it was not asked */
	bool is_helo;       /* of the HELO name; else of MAIL FROM */
	struct span mechanism, problem, explanation; /* empty: none */
};

/** "Received-SPF: pass (...) receiver=...; ...".
 *
 * @param receiver  our own name; "unknown" when it is hidden
 */
void text_add_received_spf(struct text *header, const struct attempt *attempt, struct span receiver,
			   const struct spf_said *said);

struct authentication {
	struct span host; /* authserv-id: our own name */
	struct spf_said sender, helo;
	struct span iprev; /* its result; empty: it was not asked */
	struct span name;  /* the confirmed one */
};

/** "Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=example.org; ..." */
void text_add_authentication_results(struct text *header, const struct attempt *attempt,
				     const struct authentication *authentication);

/** The headers by the findings of the policy's statements `weigh spf` and `weigh fcrdns`.
 *
 * @return VALUE_PENDING while these have no findings; VALUE_NONE: there is nothing to tell
 */
struct value header_received_spf(const struct walk *walk);
struct value header_received_spf_helo(const struct walk *walk);
struct value header_authentication_results(const struct walk *walk);
