/* classic_priv.h -- one evaluation of classic, as its files share it.
 *
 * The stages (classic.c) run in policyd-weight's order.  A stage asks for a fact where the
 * original would; when one is not there yet the run stops (is_waiting), everything that may
 * still be needed is ordered at once, and the next run begins anew.  So what is decided is what
 * the sequence decides, however the answers came.
 *
 * Numbers in comments are sections of the reference, doc/policyd-weight.md.
 */
#pragma once
#include "checks/classic.h"
#include "weigh/verdict.h"

enum classic_side { SIDE_FROM, SIDE_HELO };

/* What may fail besides the lists; also the names under "unknown". */
enum classic_lookup {
	LOOKUP_FROM_MX,
	LOOKUP_FROM_MX_A,
	LOOKUP_FROM_A,
	LOOKUP_HELO_MX,
	LOOKUP_HELO_MX_A,
	LOOKUP_HELO_A,
	LOOKUP_PTR,
	LOOKUP_COUNT
};

enum helo_state { HELO_UNDECIDED, HELO_TRUSTED, HELO_FAILED };

/* The request, folded to lower case. */
struct classic_request {
	struct span instance, client_name, helo, recipient;
	struct span sender;        /* without its extension: the "stripped sender" */
	struct span sender_domain; /* behind the last @; empty without @ */
	struct span match_domain;  /* the same, but the whole sender without @ */
	struct ip client;
	struct span client_text;  /* IPv6 written out */
	struct span reversed;     /* empty when the client is no address */
	struct span net24, net16; /* "192.0.2." and "192.0."; IPv6: /64 and /48, written out */
	bool helo_is_own;         /* the greeting is the client's address in brackets */
};

/* What classic remembers of earlier attempts (3, 8). */
struct classic_state {
	struct span last_accepted, last_refused, refusal_text;
	bool has_errors; /* some list has a count */
	int64_t errors[CLASSIC_DNSBL_MAX];
	bool errors_changed;
	bool is_soft; /* accepted before: the lists decide */
	double soft_rate;
};

struct classic_weight {
	uint16_t at, len; /* of the name, in the check text */
	double points;
};

struct classic {
	const struct attempt *attempt;
	const struct classic_parameters *set;
	struct ledger *ledger;
	int64_t now_s;
	struct classic_request request;
	struct classic_state state;
	struct text *key; /* room for one question's name */

	bool is_waiting;
	bool is_answered;
	bool is_scored;
	bool has_weights; /* the weights are said, too */
	double score;
	struct text *check;  /* " NAME=points NAME=points ..." */
	struct text *answer; /* the action */
	struct classic_weight weight[JUDGEMENT_WEIGHTS_MAX];
	uint16_t weight_count;

	/* 4.4 */
	double list_sum;
	int64_t hits, budget;
	bool client_is_dynamic;
	/* 4.6: what is asked of FA, ALL and MXN is kept, not the texts themselves */
	enum helo_state helo_state;
	bool half, found, mx_ok, is_mx, from_ip_ok, answered, check_reverse;
	bool bad_mx, bad_scored, bogus;
	double bogus_points;
	bool from_has_digit, from_has_private, from_has_client, from_has_net24;
	bool all_has_net24, all_has_net16;
	bool mx_has_helo_domain;
	unsigned hosts, hosts_max;
	/* 4.7, 4.8 */
	double numeric_points;
	bool mismatch;
	struct span from_label, helo_name, helo_label; /* F, H, D without their dots */
	/* 4.9, 4.10 */
	bool no_dns, says_dyndns, says_relay;
	double penalty;
	struct span left_over; /* 11.9: what is asked for a sender without @ */
	uint16_t rhsbl_hits;   /* bit: row */

	uint32_t unknown_dnsbl, unknown_rhsbl, unknown_lookups;
	struct memory memory[MEMORIES_MAX];
	uint8_t memory_count;
};

/* classic_answer.c: each of these ends the evaluation */
void classic_add(struct classic *c, struct span prefix, struct span name, double points);
void classic_add_unsure(struct classic *c, struct span name, struct span how, double points);
void classic_say(struct classic *c, struct span text);
void classic_say_prefix(struct classic *c);
void classic_say_trouble(struct classic *c, struct span where, struct span name);
const struct judgement *classic_judgement(struct classic *c);

/* The stages: false when the evaluation is over or has to wait. */
bool classic_early(struct classic *c);
bool classic_remembered(struct classic *c);
bool classic_address_lists(struct classic *c);
bool classic_stop_after_lists(struct classic *c);
bool classic_forward(struct classic *c);
bool classic_numeric(struct classic *c);
bool classic_match(struct classic *c);
bool classic_reverse(struct classic *c);
bool classic_oddities(struct classic *c);
bool classic_domain_lists(struct classic *c);
bool classic_verdict(struct classic *c);

/* Ordering ahead. */
void classic_order_lists(struct classic *c);
bool classic_lists_may_end(const struct classic *c);
void classic_order_forward(struct classic *c);
void classic_order_domain_lists(struct classic *c);

/* classic_forward.c */
const struct fact *classic_ask_ptr(struct classic *c);
/** The name as it is asked for (5.2): addresses turned into reverse names.
 *
 * @return false for a name that cannot exist
 */
bool classic_question(struct span name, struct text *room, struct span *question_out);

/* classic_state.c */
bool classic_state_read(struct classic *c);
bool classic_is_last(const struct classic *c, struct span key);
void classic_remember_accepted(struct classic *c);
void classic_remember_refused(struct classic *c, struct span refusal_text);
void classic_cache_refused(struct classic *c, bool by_address, double rate);
void classic_cache_accepted(struct classic *c);
int64_t *classic_errors_of(struct classic *c, unsigned row);
void classic_state_write(struct classic *c);

/* classic_number.c */
double classic_round(double x);

/* classic_names.c: name classes (4.9), without regard to case */
bool classic_is_mail_like(struct span name, struct span *keyword_out);
bool classic_is_dynamic_like(struct span name, struct span *keyword_out);
bool classic_is_address_like(struct span name);
bool classic_is_numeric(struct span name);
bool classic_is_own_literal(struct span inside, struct span client);
bool classic_is_random(struct span local);
bool classic_is_private(struct span address);
bool classic_mentions_private(struct span address);
/** Without the suffix that looks like a registry's (4.8). */
struct span classic_cut_suffix(struct span name);
struct span classic_last_label(struct span name);
struct span classic_second_label(struct span name);
/** Is label one of name's labels other than its last? */
bool classic_has_inner_label(struct span name, struct span label);
