/* host.h -- what the name of a host, or of a domain, tells by itself.
 *
 * Pure text.  Names are in presentation form (mail/domain.h): the domain of the sender, the
 * greeting, the confirmed name of the client, or a reverse name.
 */
#pragma once
#include "mail/domain.h"
#include "weigh/check.h"

/** Add the name that subject of the attempt gives; one beyond ASCII in A-labels.
 *
 * @return false, and nothing added, for what is no use in a question: absent, an address bare
 *         or in brackets, a single label ("localhost", "unknown"), labels that cannot be
 */
bool text_add_subject(struct text *text, const struct attempt *attempt, enum subject subject);

/** The address that a greeting or a sender's domain gives in place of a name: 192.0.2.1,
 * [192.0.2.1], [IPv6:2001:db8::1]; RFC 5321 section 4.1.3.  A mapped one as IPv4.
 *
 * @return false, and ip_out as it was, for anything else
 */
bool host_address(struct span host, struct ip *ip_out);

/** The domain that somebody has registered: the last two labels, or three where a country
 * registers below "co", "org" and the like.  All of a name that is shorter.
 */
struct span host_organisation(struct span name);

/** Does it look like a mail server, or like a fixed line: "smtp", "static" ...?
 * The words of this and the next stand in host_words.def. */
bool host_looks_fixed(struct span name);

/** Does it look like one of many customers' lines: numbers of an address, "dsl", "dynamic" ...?
 * Never where it also looks fixed.
 */
bool host_looks_dynamic(struct span name);

/** Does the name hold this address, as providers number their lines?  In whatever order, decimal,
 * hexadecimal or by its nibbles: host_holds.c.
 */
bool host_holds_address(struct span name, struct ip ip);
