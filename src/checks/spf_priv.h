/* spf_priv.h -- what spf_host.c (records) and spf_match.c (terms) share. */
#pragma once
#include "checks/spf_host.h"
#include "mail/spf.h"
#include "mail/spf_macro.h"

/* What one term says. */
enum match { NO_MATCH, MATCH, MATCH_TEMPERROR, MATCH_PERMERROR, MATCH_PENDING };

struct evaluation {
	const struct spf_question *question;
	struct ledger *ledger;
	struct spf_macro_values values; /* domain changes with each record */
	unsigned lookups, voids;
	bool has_odd_local; /* RFC 8616: a local part beyond ASCII matches nothing */
	bool is_ahead;      /* behind a pending term: what is asked may turn out needless */
	unsigned asked;     /* questions of ours before this run, and of those ahead in it */
	bool is_ptr_void;   /* the client has no name, which counts as one void look-up */
	bool is_blamed;     /* the answer names what is broken; who includes it is not to blame */
	struct spf_answer answer;
};

/** Section 4.6.4: a term that costs DNS, and %{p} in its name, which costs as much as a ptr. */
enum match spf_count_lookup(struct evaluation *e, struct span spec);

/** Ask for a raw name.
 *
 * @return NULL: a name that cannot be asked, so it does not exist
 */
const struct fact *spf_ask_name(struct evaluation *e, enum fact_kind kind, struct span raw);

/** The name a domain-spec stands for; an empty one: the current domain.
 *
 * @param text      holds the name; SPF_EXPANDED_MAX bytes' room
 * @param name_out  written on MATCH
 * @return MATCH; NO_MATCH: it can match nothing; MATCH_PENDING
 */
enum match spf_term_name(struct evaluation *e, struct span spec, struct text *text,
			 struct span *name_out);

/** Make the values ready for macros that use %{p}.  @return false: pending */
bool spf_prepare_validated(struct evaluation *e, struct span macros);

/** Does a directive's mechanism match? */
enum match spf_match_term(struct evaluation *e, const struct spf_term *term, unsigned depth);

/** check_host itself, for include and redirect. */
enum spf_result spf_check_record(struct evaluation *e, struct span domain, unsigned depth);

static inline void spf_set_problem(struct evaluation *e, struct span problem)
{
	if (e->answer.problem.len == 0)
		e->answer.problem = problem;
}
