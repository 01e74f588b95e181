/* expr.h -- expressions of the policy language: compiled form and value.
 *
 * Three-valued truth: true, false, unknown (a fact FAILED); a rule acts only on true.  While a
 * walk still waits there is a fourth, pending.  Types are checked when the policy is compiled,
 * so evaluation has no type errors.
 */
#pragma once
#include "mail/attempt.h"

struct key;
struct regex;
struct table;
struct walk;

enum value_type { TYPE_TRUTH, TYPE_NUMBER, TYPE_TEXT, TYPE_ADDRESS };

enum value_state {
	VALUE_KNOWN,
	VALUE_NONE,    /* a table has no such row */
	VALUE_UNKNOWN, /* a fact failed */
	VALUE_PENDING,
};

struct value {
	enum value_state state;
	union {
		bool truth;
		double number;
		struct span text;
		struct ip address;
	};
};

enum expr_kind {
	EXPR_CONSTANT,
	EXPR_ATTRIBUTE,      /* attribute, as text (client_address: as address) */
	EXPR_NUMBER_OF,      /* left's text, or without left the attribute, read as a number */
	EXPR_LOCAL,          /* attribute.local */
	EXPR_DOMAIN,         /* attribute.domain */
	EXPR_CLIENT_NETWORK, /* /24 or /64, as text */
	EXPR_ID,             /* $id */
	EXPR_SUMMARY,        /* $summary: the findings with their points */
	EXPR_HOSTNAME,       /* $hostname: our own name as strangers read it */
	EXPR_DATE,           /* $date: when the attempt came, as headers write it */
	EXPR_RECEIVED_SPF,   /* whole headers, with their names: weigh/headers.h */
	EXPR_RECEIVED_SPF_HELO,
	EXPR_AUTHENTICATION_RESULTS,
	EXPR_SCORE,
	EXPR_UNKNOWN_SHARE, /* 0..1: how much of the weight so far could not be settled */
	EXPR_FINDING,       /* NAME.finding: number of times, true when above 0 */
	EXPR_FINDING_TEXT,  /* NAME.text: what a check says in words; empty: nothing */
	EXPR_HITS, /* CHECK.hits: statements of that check with a finding that is not clear */
	EXPR_VARIABLE,
	EXPR_OR,
	EXPR_AND,
	EXPR_NOT,
	EXPR_EQUAL, /* texts without regard to case */
	EXPR_UNEQUAL,
	EXPR_LESS,
	EXPR_LESS_EQUAL,
	EXPR_GREATER,
	EXPR_GREATER_EQUAL,
	EXPR_ADD,
	EXPR_SUBTRACT,
	EXPR_MULTIPLY,
	EXPR_DIVIDE, /* by zero: unknown */
	EXPR_NEGATE,
	EXPR_IN_LIST,  /* left in [a, b, 192.0.2.0/24] */
	EXPR_IN_TABLE, /* left in table */
	EXPR_LOOKUP,   /* table[left]; VALUE_NONE when there is no such row */
	EXPR_MATCHES,  /* left matches regex */
	EXPR_COALESCE, /* left ?? right */
	EXPR_UNKNOWN,  /* unknown(left) */
	EXPR_TRUTH_OF, /* text not empty, number not 0, address known */
	EXPR_TEXT_OF,  /* any value as text, for templates */
	EXPR_FOLDED,   /* sender.folded: mail/fold.h */
	EXPR_UNTAGGED, /* sender.untagged: mail/fold.h */
	EXPR_IN_SET,   /* key in what was remembered: set */
	EXPR_GREYLIST, /* greylist.FIELD: field is enum greylist_field; of the last greylist */
	EXPR_LIMIT,    /* NAME.FIELD: limit is the ordinal, field enum limit_field; also limit.FIELD
			  inside a limit's own texts */
};

enum greylist_field {
	GREYLIST_STATE,   /* text: new early expired passed known allowed denied trusted; empty */
	GREYLIST_WAIT,    /* number: seconds left; 0: need not wait */
	GREYLIST_DELAYED, /* number: seconds since the first try; 0: unknown */
};

enum limit_field {
	LIMIT_OVER, /* truth */
	LIMIT_USED, /* number, of the window that is fullest, this attempt included */
	LIMIT_MOST, /* number, of that window; none: no limit */
	LIMIT_WAIT, /* number: seconds until it would fit */
};

struct expr {
	enum expr_kind kind;
	enum value_type type;
	enum attribute attribute;
	uint8_t weigh;         /* EXPR_FINDING, _TEXT: ordinal of the weigh statement */
	uint8_t finding;       /* EXPR_FINDING; EXPR_FINDING_TEXT: which text */
	uint8_t variable;      /* EXPR_VARIABLE: slot */
	uint8_t limit;         /* EXPR_LIMIT: ordinal */
	uint8_t field;         /* EXPR_GREYLIST, EXPR_LIMIT */
	struct span set;       /* EXPR_IN_SET */
	const struct key *key; /* EXPR_IN_SET: weigh/policy.h */
	const struct expr *left, *right;
	struct value constant;
	const struct check *check; /* EXPR_HITS */
	const struct table *table; /* EXPR_IN_TABLE, EXPR_LOOKUP; list of EXPR_IN_LIST */
	const struct regex *regex; /* EXPR_MATCHES */
};

enum { EXPR_DEPTH_MAX = 64, VARIABLES_MAX = 32 };

/** Evaluate; texts live in the arena of the attempt or are borrowed from attempt and policy.
 *
 * @param walk  findings, score and variables so far
 */
struct value expr_evaluate(const struct expr *expr, const struct walk *walk);
