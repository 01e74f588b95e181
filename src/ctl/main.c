/* main.c -- weighctl: the table of verbs. */
#include "ctl/ctl.h"

#include <string.h>

static const struct verb *const verbs[] = {
	&verb_check,  &verb_weigh,  &verb_replay, &verb_import, &verb_status,
	&verb_zones,  &verb_reload, &verb_spf,    &verb_doctor, &verb_greylist,
	&verb_limits, &verb_known,  &verb_store,  NULL,
};

static void print_help(FILE *file)
{
	fputs("usage: weighctl VERB [OPTION ...] [ARGUMENT ...]\n\n", file);
	for (const struct verb *const *verb = verbs; *verb != NULL; verb++)
		fprintf(file, "  %-8s %s\n", (*verb)->name, (*verb)->summary);
	fputs("\nweighctl VERB --help tells more; -j gives JSON.  Manual: weighctl(8)\n", file);
}

static const struct verb *verb_find(const char *name)
{
	for (const struct verb *const *verb = verbs; *verb != NULL; verb++)
		if (strcmp((*verb)->name, name) == 0)
			return *verb;
	return NULL;
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

int main(int argc, char **argv)
{
	const struct verb *verb;

	if (argc < 2) {
		print_help(stderr);
		return EX_USAGE;
	}
	if (is_help(argv[1])) {
		print_help(stdout);
		return ctl_finish(EX_OK);
	}
	verb = verb_find(argv[1]);
	if (verb == NULL) {
		fputs("weighctl: no verb is called '", stderr);
		ctl_print(stderr, span_cstr(argv[1]));
		fputs("'\n", stderr);
		print_help(stderr);
		return EX_USAGE;
	}
	argv[1] = argv[0]; /* whom getopt names in its messages */
	return ctl_finish(verb->run(verb, argc - 1, argv + 1));
}
