/* policy.h -- the compiled policy: what the walk walks.
 *
 * policy/ makes it from text.  Immutable; an attempt keeps the one it began with.  All of it
 * lies in the arena of the configuration.
 */
#pragma once
#include "weigh/check.h"
#include "weigh/expr.h"
#include "weigh/table.h"
#include "weigh/verdict.h"
#include "weigh/zone.h"

enum {
	STATEMENTS_MAX = 1024, /* of one policy */
	WEIGHS_MAX = 64,       /* weigh statements of one policy: a bit of asked_by for each */
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
};

struct policy {
	struct span name;
	struct origin origin;
	const struct statement *statement;
	uint16_t statement_count;
	uint8_t weigh_count;
	uint8_t variable_count;
	const struct statement *weigh[WEIGHS_MAX]; /* by ordinal */
	bool observe;                              /* mode observe: judge, record, pass */
	struct span hostname;                      /* our own name; may be empty */
	struct span receiver; /* the same for strangers to read: "unknown" when hidden */
};

/** The name of a finding of a weigh statement: the zone's meaning, or the check's finding. */
struct span statement_finding_name(const struct statement *weigh, unsigned finding);
unsigned statement_finding_count(const struct statement *weigh);
