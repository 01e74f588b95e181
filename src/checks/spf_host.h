/* spf_host.h -- check_host of RFC 7208 as a pure function of facts.
 *
 * It is written as the RFC tells it, recursion and all, and can be run again from its top when
 * facts have come: the limits are counted from zero in each run, in the order of evaluation.
 * While a look-up is pending, what stands behind it in the record is only ordered, so that the
 * look-ups of one record go out together and the latency is the depth of the includes.  What is
 * asked ahead may turn out needless; SPF_AHEAD_MAX bounds it.
 *
 * Names beyond ASCII are asked for as A-labels (RFC 8616).
 */
#pragma once
#include "mail/ip.h"
#include "weigh/ledger.h"

enum {
	SPF_LOOKUPS_MAX = 10,       /* terms that cost DNS, RFC 7208 section 4.6.4 */
	SPF_VOID_LOOKUPS_MAX = 2,   /* the same section */
	SPF_HOSTS_MAX = 10,         /* names of one mx, ptr or %{p}, the same section */
	SPF_AHEAD_MAX = 48,         /* questions so far, beyond which none is asked ahead */
	SPF_EXPLANATION_MAX = 1024, /* bytes of a stranger's text; a longer one is none */
	SPF_SENDER_MAX = 2048,
	/* Dependent rounds: record by record, then the hosts of the last one, then the
	 * explanation, and the names and hosts of a %{p} in it. */
	SPF_ROUNDS_MAX = 1 + SPF_LOOKUPS_MAX + 3 + 3,
	/* DNS questions of one evaluation: the record, ten terms with ten hosts each, the
	 * explanation and a %{p} in it, and what was asked ahead and not needed. */
	SPF_QUESTIONS_MAX =
		1 + SPF_LOOKUPS_MAX * (1 + SPF_HOSTS_MAX) + 1 + (1 + SPF_HOSTS_MAX) + SPF_AHEAD_MAX,
};

enum { SPF_RECORD_SHOWN_MAX = 255 };

enum spf_result {
	SPF_PASS,
	SPF_FAIL,
	SPF_SOFTFAIL,
	SPF_NEUTRAL,
	SPF_NONE,
	SPF_TEMPERROR,
	SPF_PERMERROR,
	SPF_PENDING,
};

struct span spf_result_name(enum spf_result result);

struct spf_question {
	struct ip client;
	struct span domain;   /* raw: the identity's, where the evaluation begins */
	struct span local;    /* raw: what stands before the @; empty: "postmaster" */
	struct span helo;     /* raw */
	struct span receiver; /* %{r} of explanations */
	int64_t time_s;       /* %{t} */
	unsigned void_lookups_max;
};

/* Texts lie in the ledger's arena, or are static. */
struct spf_answer {
	enum spf_result result;
	struct span mechanism;   /* the term that decided, or is wrong: "-all"; empty: none */
	struct span domain;      /* whose record that was */
	uint8_t bits;            /* the network around the client that it lets in; 0: everybody */
	struct span problem;     /* of an error: what is wrong, in our words */
	struct span record;      /* the identity's own: "v=spf1 -all"; its front, if long */
	struct span explanation; /* of a fail: the domain's own text, printable ASCII, or empty */
};

/** The identity of an envelope sender: MAIL FROM, or postmaster at the HELO name of question for
 * the null sender.  A sender without @ is a domain.  Sections 2.4 and 4.3.
 */
void spf_set_sender(struct spf_question *question, struct span sender);

/** Evaluate; SPF_PENDING while facts are missing that decide. */
void spf_check_host(const struct spf_question *question, struct ledger *ledger,
		    struct spf_answer *answer_out);
