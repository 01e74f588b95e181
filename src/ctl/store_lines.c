/* store_lines.c -- what weighctl store export, import and salvage share. */
#include "ctl/store_lines.h"

#include <stdlib.h>

void counted_add(struct counted *counted, enum store_class class)
{
	counted->all++;
	counted->class[class]++;
}

void store_emit_number(struct emit *emit, const char *name, uint64_t number)
{
	emit_key(emit, span_cstr(name));
	emit_int(emit, (int64_t)number);
}

void counted_emit(struct emit *emit, const char *name, const struct counted *counted)
{
	store_emit_number(emit, name, counted->all);
	for (int i = 0; i < STORE_CLASS_COUNT; i++)
		store_emit_number(emit, store_class_name((enum store_class)i).at,
				  counted->class[i]);
}

void counted_print(FILE *file, const char *what, const struct counted *counted)
{
	fprintf(file, "%s %llu", what, (unsigned long long)counted->all);
	for (int i = 0; i < STORE_CLASS_COUNT; i++)
		fprintf(file, "%s%s %llu", i == 0 ? " (" : ", ",
			store_class_name((enum store_class)i).at,
			(unsigned long long)counted->class[i]);
	fputc(')', file);
}

void store_print_emitted(FILE *file, struct emit *emit)
{
	char *line = emit_take(emit);

	if (line != NULL) {
		fputs(line, file);
		fputc('\n', file);
	}
	free(line);
}

void store_say_file(const char *path, const char *why)
{
	fputs("weighctl: ", stderr);
	ctl_print(stderr, span_cstr(path));
	fprintf(stderr, ": %s\n", why);
}

bool store_is_standard(const struct store_call *call, int argument)
{
	return call->argument_count <= argument || strcmp(call->argument[argument], "-") == 0;
}
