/* attempts.h -- the mail attempts that the load is made of: request n, always the same text.
 *
 * Hot: ATTEMPTS_HOT clients again and again, the same names each time, another instance, so
 * that no request is the same message as the one before.  Cold: every name carries the
 * number, so that no DNS question was ever asked before.
 *
 * Every tenth client cannot be placed: HELO, sender and MX belong to others.  Of the rest a
 * third is its own domain and MX; two thirds say a HELO that leads back to them, for a sender
 * elsewhere.  tests/support/fakedns.c (--bench) has the DNS to it: 13 questions an attempt.
 *
 * For what is remembered a request is a triplet of client, sender and recipient: each client has
 * one, ATTEMPTS_SENDERS share all of them.  New: triplet n.  Mixed: even numbers are triplets that
 * no new request has, odd ones triplet n/2, so that one whom new has made comes back.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
	ATTEMPTS_HOT = 100,
	ATTEMPTS_NEW_MAX = 1 << 21, /* there are so many clients for the even ones of mixed, too */
	ATTEMPTS_SENDERS = 10000,
	ATTEMPT_TEXT_MAX = 1024, /* one request as sent */
};

enum attempt_kind { ATTEMPT_HOT, ATTEMPT_COLD, ATTEMPT_NEW, ATTEMPT_MIXED, ATTEMPT_KINDS };

extern const char *const attempt_kind_name[ATTEMPT_KINDS];

/** Write request number.
 *
 * @param at  ATTEMPT_TEXT_MAX bytes
 * @return    how many are used
 */
size_t attempt_write(char *at, enum attempt_kind kind, uint32_t number);
