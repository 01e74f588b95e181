/* policy.h -- the compiled policy: what the walk walks.
 *
 * policy/ makes it from text.  Immutable; an attempt keeps the one it began with.  All of it
 * lies in the arena of the configuration.
 */
#pragma once
#include "weigh/check.h"
#include "weigh/expr.h"
#include "weigh/rates.h"
#include "weigh/table.h"
#include "weigh/triplet.h"
#include "weigh/verdict.h"
#include "weigh/zone.h"

enum {
	STATEMENTS_MAX = 1024, /* of one policy */
	WEIGHS_MAX = 64,       /* weigh statements of one policy: a bit of asked_by for each */
	LIMITS_MAX = 64,       /* limit statements of one policy */
	REMEMBERS_MAX = 64,    /* remember and greylist statements of one policy */
	KEY_PARTS_MAX = 6,     /* "by a, b, c" */
};

struct origin {
	struct span file;
	uint32_t line, column;
};

/* Text with holes: literal, then value of an expression (of type text), and so on. */
struct template_piece {
	struct span literal;
	const struct expr *expr; /* NULL at the end */
};

struct template
{
	const struct template_piece *piece;
	uint16_t piece_count;
};

enum statement_kind {
	STATEMENT_WEIGH,
	STATEMENT_VERDICT, /* pass, permit, reject, defer, hold, discard, filter, redirect, reply */
	STATEMENT_PREPEND,
	STATEMENT_WARN,
	STATEMENT_SET,
	STATEMENT_UNSET,
	STATEMENT_GREYLIST,
	STATEMENT_LIMIT,
	STATEMENT_REMEMBER,
};

/* "by EXPR, EXPR": what is counted or remembered under; all of type text. */
struct key {
	const struct expr *part[KEY_PARTS_MAX];
	uint8_t part_count;
};

/* What is done when the store does not answer. */
struct failing {
	enum verdict_kind verdict; /* VERDICT_PASS: the statement is as if it were not there */
	struct template text;
};

/* greylist [for D] [within D] [remember D] [by KEYS]
 *          [trust N for D [every D] [of EXPR] | no trust] [header "Name: text" | no header]
 *          [failing VERDICT ["text"]] ["text"] [if EXPR]
 *
 * The text is the statement's.  Without "by" the compiler puts "weigh organisation" in front,
 * with the same condition, and the key is its text, the folded sender and the recipient.
 */
struct greylist {
	struct triplet_terms terms; /* what it judges by */
	/* What the store goes by: statements with the same key share their triplets, and so the
	 * mildest of their terms. */
	struct triplet_terms asked;
	struct key key;
	uint32_t trust; /* returns after which a client is trusted; 0: never */
	int64_t trust_keep_ms;
	int64_t trust_every_ms;      /* a return so soon after the last does not count */
	const struct expr *trust_by; /* whom; text */
	struct template header;      /* whole; no pieces: none */
	struct failing failing;
};

enum counting { COUNTING_MESSAGES, COUNTING_RECIPIENTS, COUNTING_BYTES, COUNTING_DISTINCT };

/* limit NAME by KEY RATES [from TABLE] [counting messages|recipients|bytes|distinct EXPR]
 *       [and refused] [notify "ADDRESS"] [else VERDICT ["text"] | else observe]
 *       [failing VERDICT ["text"]] [if EXPR]
 *
 * The verdict and text of "else" are the statement's; without "else" it defers.
 */
struct limit {
	uint8_t ordinal; /* below LIMITS_MAX */
	struct span name;
	struct key key;
	struct rates rates;
	const struct table *rates_from; /* rows of rates, by the key; NULL: none */
	enum counting counting;
	bool counts_refused;
	bool is_observed;            /* else observe: judged, never acts */
	const struct expr *distinct; /* COUNTING_DISTINCT: text */
	struct span notify;          /* mail address; empty: only the log */
	struct failing failing;
};

/* remember KEYS in NAME for D [if EXPR]; read back as EXPR in NAME, [EXPR, EXPR] in NAME. */
struct remembering {
	struct span set;
	struct key key;
	int64_t keep_ms;
};

struct statement {
	enum statement_kind kind;
	struct origin origin;
	const struct expr *condition; /* of type truth; NULL: always */
	bool observe;                 /* judged and recorded, never acts */
	struct template text;
	/* STATEMENT_VERDICT */
	enum verdict_kind verdict;
	/* STATEMENT_WEIGH */
	const struct check *check;
	struct arguments arguments;
	struct span name; /* of its findings: AS, or the zone's alias, or the check's name */
	uint8_t ordinal;  /* below WEIGHS_MAX */
	double points[FINDINGS_MAX];
	/* STATEMENT_SET, STATEMENT_UNSET */
	uint8_t variable;
	const struct expr *value;
	const struct greylist *greylist;
	const struct limit *limit;
	const struct remembering *remembering;
};

struct policy {
	struct span name;
	struct origin origin;
	const struct statement *statement;
	uint16_t statement_count;
	uint8_t weigh_count;
	uint8_t variable_count;
	uint8_t limit_count;
	const struct statement *weigh[WEIGHS_MAX]; /* by ordinal */
	const struct statement *limit[LIMITS_MAX]; /* by ordinal */
	bool observe;                              /* mode observe: judge, record, pass */
	struct span hostname;                      /* our own name; may be empty */
	struct span receiver; /* the same for strangers to read: "unknown" when hidden */
};

/** The name of a finding of a weigh statement: the zone's meaning, or the check's finding. */
struct span statement_finding_name(const struct statement *weigh, unsigned finding);
unsigned statement_finding_count(const struct statement *weigh);
