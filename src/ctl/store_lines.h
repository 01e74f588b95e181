/* store_lines.h -- what weighctl store export, import and salvage share. */
#pragma once
#include "ctl/store_call.h"

#include <stdio.h>

struct counted {
	uint64_t all, class[STORE_CLASS_COUNT];
};

void counted_add(struct counted *counted, enum store_class class);
/** "NAME":all, and a member a class. */
void counted_emit(struct emit *emit, const char *name, const struct counted *counted);
/** "WHAT all (known N, ...)" */
void counted_print(FILE *file, const char *what, const struct counted *counted);

void store_emit_number(struct emit *emit, const char *name, uint64_t number);
/** As a line; emit is released. */
void store_print_emitted(FILE *file, struct emit *emit);

/** "weighctl: PATH: WHY" */
void store_say_file(const char *path, const char *why);

/** Is the argument missing, or "-"? */
bool store_is_standard(const struct store_call *call, int argument);

int store_run_export(struct store_call *call);
int store_run_salvage(struct store_call *call);
