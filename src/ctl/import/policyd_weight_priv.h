/* policyd_weight_priv.h -- what the files of the import share. */
#pragma once
#include "checks/classic.h"
#include "ctl/import/perl.h"
#include "ctl/import/policyd_weight.h"

enum import_fate {
	FATE_KEPT,     /* a parameter of classic */
	FATE_LISTEN,   /* BIND_ADDRESS, TCP_PORT */
	FATE_RESOLVER, /* NS */
	FATE_DROPPED,
};

struct import_rule {
	char sigil;
	const char *name;
	enum import_fate fate;
	const char *parameter; /* FATE_KEPT: classic's name; NULL: the same */
	const char *note;      /* changed how, or dropped why */
};

enum { IMPORT_RULES = 77 };

extern const struct import_rule import_rule[IMPORT_RULES];

struct import {
	const struct import_options *options;
	struct perl_file file;
	struct arena arena;
	struct classic_parameters values; /* the file's settings over the defaults */
	/* by rule: the last setting of that name, NULL when there is none that can be used */
	const struct perl_setting *given[IMPORT_RULES];
	struct span pattern[64];
	uint16_t pattern_count;
	struct text *config;
};

/** Why a list is dead; NULL: it is not known to be.
 *
 * @param keep_out  dead, but asked all the same: it is one of policyd-weight's own lists
 */
const char *import_dead_list(struct span zone, bool *keep_out);

const struct perl_setting *import_given(const struct import *import, const char *name);

/* Quoted as the policy language wants it. */
void import_add_quoted(struct text *text, struct span s);

void import_write_classic(struct import *import);
void import_write_modern(struct import *import);
