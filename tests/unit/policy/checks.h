/* checks.h -- checks that only the language sees, and files for it to read. */
#pragma once
#include "base/regex.h"
#include "policy/compiler.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

struct fake_parameters {
	double level;
	int64_t count, period_ms;
	bool flag;
	struct span text;
	double pair[2];
	struct regex_list regexes;
	struct list_rows rows;
	struct text_list names;
	struct network_list networks;
};

#define FAKE(name, type, member, min, max)                                                         \
	{                                                                                          \
		name, type, offsetof(struct fake_parameters, member), min, max                     \
	}

static const struct parameter fake_parameter[] = {
	FAKE("REJECTLEVEL", PARAMETER_NUMBER, level, -100, 100),
	FAKE("COUNT", PARAMETER_INTEGER, count, 0, 10),
	FAKE("PTIME", PARAMETER_DURATION, period_ms, 0, 1e15),
	FAKE("dnsbl_checks_only", PARAMETER_FLAG, flag, 0, 1),
	FAKE("REJECTMSG", PARAMETER_TEXT, text, 0, 0),
	FAKE("helo_score", PARAMETER_PAIR, pair, -100, 100),
	FAKE("dnsbl_checks_only_regexps", PARAMETER_REGEX, regexes, 0, 0),
	FAKE("dnsbl", PARAMETER_LIST, rows, 0, 3),
	FAKE("own_name", PARAMETER_TEXTS, names, 0, 3),
	FAKE("own_address", PARAMETER_NETWORKS, networks, 0, 3),
	{ NULL, PARAMETER_NUMBER, 0, 0, 0 },
};

static struct list_row fake_rows[] = {
	{ SPAN_INIT("standard.example.org"), 1, 0, SPAN_INIT("STANDARD") },
};

static const struct fake_parameters fake_defaults = { .level = 7, .rows = { fake_rows, 1 } };

static const double fake_points[FINDINGS_MAX] = { -1, 2 };

static const struct check fake_dnsbl = { .name = "dnsbl", .takes_zone = true, .asks_max = 1 };
static const struct check fake_rhsbl = {
	.name = "rhsbl",
	.takes_zone = true,
	.takes_subjects = true,
	.subjects_default = SUBJECT_SENDER,
	.asks_max = 3,
};
static const struct check fake_identity = {
	.name = "identity",
	.finding = { "helo_is_client", "helo_is_not_client", "ptr_none" },
	.points_default = fake_points,
	.asks_max = 200,
};
static const struct check fake_classic = {
	.name = "classic",
	.parameter = fake_parameter,
	.parameters_bytes = sizeof(struct fake_parameters),
	.parameter_defaults = &fake_defaults,
	.asks_max = 20,
};
static const struct check fake_organisation = {
	.name = "organisation",
	.finding = { "by_spf", "by_name", "by_network" },
	.text = { "organisation" },
	.asks_max = 40,
};
static const struct check *const fake_checks[] = { &fake_dnsbl,        &fake_rhsbl,
						   &fake_identity,     &fake_classic,
						   &fake_organisation, NULL };

static enum err file_load(void *self, struct span path, struct arena *arena, struct span *text_out,
			  struct span *why_out)
{
	char name[CONFIG_PATH_MAX + 1];
	char *text;
	FILE *file;
	long size;

	(void)self;
	snprintf(name, sizeof(name), "%.*s", SPAN_ARG(path));
	file = fopen(name, "rb");
	*why_out = SPAN("No such file or directory");
	if (file == NULL)
		return ERR_MISSING;
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	text = arena_alloc(arena, (size_t)size + 1);
	if (text != NULL)
		*text_out = span_of(text, fread(text, 1, (size_t)size, file));
	fclose(file);
	return text == NULL ? ERR_LIMIT : OK;
}

static size_t file_glob(void *self, struct span pattern, struct arena *arena, struct span *path_out,
			size_t max)
{
	char name[CONFIG_PATH_MAX + 1];
	size_t count = 0;
	glob_t found;

	(void)self;
	snprintf(name, sizeof(name), "%.*s", SPAN_ARG(pattern));
	if (glob(name, 0, NULL, &found) != 0)
		return 0;
	for (; count < found.gl_pathc && count < max; count++)
		path_out[count] = arena_copy(arena, span_cstr(found.gl_pathv[count]));
	globfree(&found);
	return count;
}

static const struct config_loader file_loader = { .load = file_load, .glob = file_glob };

/* Files in memory: the first one is weighd.conf, "other" is any other. */
struct memory_files {
	struct span first, other;
};

UNUSED static enum err memory_load(void *self, struct span path, struct arena *arena,
				   struct span *text_out, struct span *why_out)
{
	const struct memory_files *files = self;

	(void)arena;
	*text_out = span_equal(path, SPAN("weighd.conf")) ? files->first : files->other;
	*why_out = SPAN("it is not there");
	return text_out->at == NULL ? ERR_MISSING : OK;
}
