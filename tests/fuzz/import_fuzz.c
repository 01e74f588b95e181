/* import_fuzz.c -- gld, Policyd and policyd-rate-limit: settings and databases of any bytes.
 *
 * The first byte says whose they are; what stands behind the byte 0x1c is the database.  Held:
 * whatever they are, what is made of them is a sound weighd.conf, and every entry is text that a
 * store takes.
 */
#include "base/ensure.h"
#include "ctl/import/gld.h"
#include "ctl/import/policyd.h"
#include "ctl/import/policyd_rate_limit.h"
#include "imported.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATH_ROOM = 64 };

static const struct importer {
	char letter;
	enum err (*import)(struct span foreign, const struct import_options *options,
			   struct text *config_out, struct text *explain_out,
			   struct text *report_out);
	int (*records)(struct import_records *records);
} importers[] = {
	{ 'g', import_gld, import_gld_records },
	{ 'p', import_policyd, import_policyd_records },
	{ 'r', import_policyd_rate_limit, import_policyd_rate_limit_records },
};

static char config_room[IMPORT_CONFIG_MAX], explain_room[IMPORT_EXPLAIN_MAX],
	report_room[IMPORT_REPORT_MAX];

static void fuzz_config(const struct importer *importer, struct span foreign,
			const struct import_options *options)
{
	struct text config = { config_room, 0, sizeof(config_room), false };
	struct text explain = { explain_room, 0, sizeof(explain_room), false };
	struct text report = { report_room, 0, sizeof(report_room), false };
	enum err err = importer->import(foreign, options, &config, &explain, &report);

	if (err == OK || err == ERR_SYNTAX)
		check_config(&config);
}

static void fuzz_records(const struct importer *importer, struct span foreign,
			 const struct import_options *options)
{
	struct text report = { report_room, 0, sizeof(report_room), false };
	struct import_records records = {
		.foreign = foreign,
		.options = options,
		.path = { options->lists },
		.path_count = 1,
		.report = &report,
	};
	char *lines = NULL;
	size_t len = 0;

	records.out = open_memstream(&lines, &len);
	ENSURE(records.out != NULL);
	(void)importer->records(&records);
	emit_release(&records.emit);
	fclose(records.out);
	ENSURE(!records.has_failed);
	ENSURE(len == 0 || (lines[0] == '{' && lines[len - 1] == '\n'));
	free(lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct span whole = span_of((const char *)bytes, count);
	struct span settings = span_from(span_first(whole, span_find(whole, '\x1c')), 1);
	struct span database = span_from(whole, 1 + settings.len + 1);
	const struct importer *importer = NULL;
	struct import_options options = { .path = SPAN_INIT("FILE") };
	char path[PATH_ROOM];
	int fd;

	for (size_t i = 0; i < sizeof(importers) / sizeof(*importers); i++)
		if (count > 0 && whole.at[0] == importers[i].letter)
			importer = &importers[i];
	if (importer == NULL)
		return 0;
	fd = memfd_create("database", MFD_CLOEXEC);
	ENSURE(fd >= 0 && write(fd, database.at, database.len) == (ssize_t)database.len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	options.lists = path;
	fuzz_config(importer, settings, &options);
	fuzz_records(importer, settings, &options);
	close(fd);
	return 0;
}
