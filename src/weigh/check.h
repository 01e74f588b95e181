/* check.h -- one judgement about a mail attempt.
 *
 * A check is a pure function of attempt, arguments and facts.  It asks for all the facts it
 * may need (fact_ask), then judges; while one is missing it sets pending and is simply run
 * again when all that was asked has come.  It never returns at the first PENDING, keeps
 * nothing between runs, and allocates only for what it hands over when it is done.
 *
 * A new check is one file in checks/, one line in checks.def, and a folder of cases.  The top
 * comment of the file is its manual: one line "finding  what it means" for each finding.
 * Start from checks/dnsbl.c.
 */
#pragma once
#include "mail/attempt.h"
#include "weigh/ledger.h"

enum { FINDINGS_MAX = 24, FINDING_TEXTS_MAX = 5 };

struct judgement;

struct findings {
	bool pending;
	uint8_t times[FINDINGS_MAX]; /* 0 = not found; the policy multiplies by its points */
	uint32_t unknown;            /* bit n: a fact failed, finding n could not be settled */
	/* Only of a check that computes its weights and its verdict itself (classic); made
	 * in ledger->arena when nothing is pending; NULL otherwise. */
	const struct judgement *own;
	/* What the check has to say in words, by the order of check.text; in the arena. */
	struct span text[FINDING_TEXTS_MAX];
};
_Static_assert(FINDINGS_MAX <= 32, "a bit of unknown for each");

/* What a check may be told between its braces or behind its name. */
enum parameter_type {
	PARAMETER_NUMBER,   /* double */
	PARAMETER_INTEGER,  /* int64_t */
	PARAMETER_DURATION, /* int64_t, milliseconds */
	PARAMETER_FLAG,     /* bool: yes or no */
	PARAMETER_TEXT,     /* struct span */
	PARAMETER_PAIR,     /* double[2] */
	PARAMETER_REGEX,    /* repeatable: struct regex_list */
	PARAMETER_LIST,     /* repeatable: struct list_rows: ZONE HIT MISS NAME */
	PARAMETER_TEXTS,    /* repeatable: struct text_list */
	PARAMETER_NETWORKS, /* repeatable: struct network_list: ADDRESS or ADDRESS/BITS */
};

struct parameter {
	const char *name;
	enum parameter_type type;
	size_t offset; /* in the check's own struct */
	double min, max;
};

struct regex;
struct suffixes;
struct zone;

struct regex_list {
	const struct regex **regex;
	uint16_t count;
};

struct list_row {
	struct span zone;
	double hit, miss;
	struct span name;
};

struct list_rows {
	struct list_row *row;
	uint16_t count;
};

struct text_list {
	struct span *text;
	uint16_t count;
};

struct network_list {
	struct prefix *network;
	uint16_t count;
};

enum subject { SUBJECT_SENDER = 1, SUBJECT_HELO = 2, SUBJECT_CLIENT_NAME = 4 };

/* What every weigh statement hands to its check. */
struct arguments {
	const struct zone *zone; /* of a check that takes one; findings then are its meanings */
	unsigned subjects;       /* "of sender, helo, client_name": enum subject, ored */
	const void *parameters;  /* the check's own struct, filled by its parameter table */
	struct span receiver;    /* our own name, for strangers to read */
	const struct suffixes *suffixes; /* of the configuration: mail/suffixes.h */
};

struct check {
	const char *name;                  /* as in the policy language */
	const char *finding[FINDINGS_MAX]; /* NULL after the last; none when takes_zone */
	const char
		*text[FINDING_TEXTS_MAX]; /* names of texts: "explanation" for ${spf.explanation} */
	bool takes_zone;                  /* weigh NAME ZONE { meaning points, ... } */
	bool takes_subjects;              /* weigh NAME ZONE {...} of sender, helo, client_name */
	unsigned subjects_default;
	unsigned subjects_allowed;         /* 0: any */
	bool takes_one_subject;            /* weigh it once more for the other */
	const struct parameter *parameter; /* NULL, or ended by a NULL name */
	size_t parameters_bytes;           /* of the check's own struct */
	const void *parameter_defaults;    /* parameters_bytes of it */
	const double *points_default;      /* FINDINGS_MAX, for a weigh without braces */
	uint8_t times_max;                 /* of one finding; 0: once for each subject asked */
	uint8_t asks_max;                  /* questions of one attempt */
	uint8_t rounds_max;                /* dependent rounds: held by the simulator */
	bool asks_ahead;                   /* may order what an answer to come makes needless */
	void (*weigh)(const struct attempt *attempt, const struct arguments *arguments,
		      struct ledger *ledger, struct findings *found);
};

static inline void found_unknown(struct findings *found, unsigned finding)
{
	found->unknown |= 1U << finding;
}

/* All checks, in the order of checks.def, ended by NULL.  Made by checks/checks.c. */
extern const struct check *const check_table[];
