/* store_export.c -- weighctl store export and salvage: entries as lines of JSON.
 *
 * Exported is what a store says that it has; salvaged what can be read of a file that no store
 * will open any more.
 */
#include "ctl/store_lines.h"
#include "daemon/clock.h"
#include "daemon/state_entry.h"
#include "store/sqlite_salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_ROOM = 4200 };

/* --- lines --- */

struct exporting {
	FILE *file;
	struct emit emit;
	struct counted counted;
	bool has_failed;
};

static bool export_entry(void *self, const struct store_entry *entry)
{
	struct exporting *exporting = self;
	struct emit *emit = &exporting->emit;

	emit_clear(emit);
	state_emit_entry(emit, entry);
	if (emit->failed || fwrite(emit->at, 1, emit->len, exporting->file) != emit->len ||
	    fputc('\n', exporting->file) == EOF) {
		exporting->has_failed = true;
		return false;
	}
	counted_add(&exporting->counted, entry->class);
	return true;
}

/* Addresses are in it: it is nobody else's to read. */
static int begin_lines(struct exporting *exporting, const struct store_call *call, int argument)
{
	int fd;

	exporting->file = stdout;
	if (store_is_standard(call, argument))
		return EX_OK;
	fd = open(call->argument[argument], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	exporting->file = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (exporting->file != NULL)
		return EX_OK;
	store_say_file(call->argument[argument], strerror(errno));
	return EX_CANTCREAT;
}

static int end_lines(struct exporting *exporting, int status)
{
	if (fflush(exporting->file) != 0 || exporting->has_failed) {
		ctl_say("cannot write: %s", strerror(errno));
		status = EX_IOERR;
	}
	emit_release(&exporting->emit);
	if (exporting->file != stdout && fclose(exporting->file) != 0 && status == EX_OK) {
		ctl_say("cannot write: %s", strerror(errno));
		status = EX_IOERR;
	}
	return status;
}

/* --- export --- */

static int export_all(struct store_call *call, struct exporting *exporting)
{
	int status = EX_OK;

	for (int i = 0; i < STORE_CLASS_COUNT && status == EX_OK && !exporting->has_failed; i++) {
		const struct store_walk walk = { .class = (enum store_class)i,
						 .take = export_entry,
						 .self = exporting };

		status = store_link_walk(call->link, &walk);
	}
	return status;
}

static void say_exported(const struct store_call *call, const struct counted *counted)
{
	struct emit emit = { 0 };

	if (call->wants_json && !store_is_standard(call, 0)) {
		emit_begin(&emit, '{');
		emit_key(&emit, SPAN("ok"));
		emit_bool(&emit, true);
		counted_emit(&emit, "exported", counted);
		emit_end(&emit, '}');
		store_print_emitted(stdout, &emit);
		return;
	}
	counted_print(stderr, "exported", counted);
	fputc('\n', stderr);
}

int store_run_export(struct store_call *call)
{
	struct exporting exporting = { 0 };
	int status = begin_lines(&exporting, call, 0);

	if (status != EX_OK)
		return status;
	status = store_link_open(&call->where, &call->link);
	if (status == EX_OK)
		status = export_all(call, &exporting);
	status = end_lines(&exporting, status);
	if (status == EX_OK)
		say_exported(call, &exporting.counted);
	else
		ctl_say("the export is not complete");
	return status;
}

/* --- salvage --- */

static void say_salvaged(const struct store_call *call, const struct counted *counted,
			 const struct sqlite_salvage *salvage)
{
	struct emit emit = { 0 };

	if (call->wants_json && !store_is_standard(call, 1)) {
		emit_begin(&emit, '{');
		emit_key(&emit, SPAN("ok"));
		emit_bool(&emit, counted->all > 0);
		counted_emit(&emit, "salvaged", counted);
		store_emit_number(&emit, "expired", salvage->expired);
		store_emit_number(&emit, "refused", salvage->refused);
		store_emit_number(&emit, "pages", salvage->pages);
		store_emit_number(&emit, "damaged_pages", salvage->damaged_pages);
		store_emit_number(&emit, "missing_pages", salvage->missing_pages);
		emit_key(&emit, SPAN("journal_is_damaged"));
		emit_bool(&emit, salvage->is_journal_damaged);
		emit_end(&emit, '}');
		store_print_emitted(stdout, &emit);
		return;
	}
	counted_print(stderr, "salvaged", counted);
	fprintf(stderr,
		"; expired %llu; refused %llu that do not hold their sums\n"
		"of %u pages damaged %u, missing %u: what else they held is lost\n",
		(unsigned long long)salvage->expired, (unsigned long long)salvage->refused,
		salvage->pages, salvage->damaged_pages, salvage->missing_pages);
	if (salvage->is_journal_damaged)
		fputs("the journal is damaged: what was written last may be lost\n", stderr);
}

/* A daemon that writes it would show us half of what it does. */
static bool is_in_use(const char *path)
{
	char name[NAME_ROOM];
	bool is_locked;
	int fd;

	snprintf(name, sizeof(name), "%s.lock", path);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	is_locked = flock(fd, LOCK_SH | LOCK_NB) != 0;
	close(fd);
	return is_locked;
}

/* Is to the file itself, or its journal?  Opening it for writing would end both. */
static bool is_to_itself(const char *path, const char *to)
{
	static const char *const suffix[] = { "", "-wal" };
	struct stat target, status;
	char name[NAME_ROOM];

	if (stat(to, &target) != 0)
		return false;
	for (size_t i = 0; i < sizeof(suffix) / sizeof(suffix[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", path, suffix[i]);
		if (stat(name, &status) == 0 && status.st_dev == target.st_dev &&
		    status.st_ino == target.st_ino)
			return true;
	}
	return false;
}

static int salvage_to(struct store_call *call, struct exporting *exporting)
{
	struct sqlite_salvage salvage = { .now_ms = clock_wall_ms(),
					  .take = export_entry,
					  .self = exporting };
	TEXT(why, STORE_WHY_MAX);
	enum err err = sqlite_salvage(call->argument[0], &salvage, &why);
	int status = err == OK ? EX_OK : err == ERR_LIMIT ? EX_OSERR : EX_NOINPUT;

	if (err != OK)
		store_say_file(call->argument[0], text_cstr(&why));
	status = end_lines(exporting, status);
	if (status != EX_OK) {
		ctl_say("not all is written that could be salvaged");
		return status;
	}
	say_salvaged(call, &exporting->counted, &salvage);
	return exporting->counted.all > 0 ? EX_OK : EX_DATAERR;
}

int store_run_salvage(struct store_call *call)
{
	const char *path = call->argument[0];
	struct exporting exporting = { 0 };
	int status;

	if (access(path, R_OK) != 0) {
		store_say_file(path, strerror(errno));
		return EX_NOINPUT;
	}
	if (is_in_use(path)) {
		store_say_file(path, "a weighd has it open: weighctl store export writes it out");
		return EX_TEMPFAIL;
	}
	if (!store_is_standard(call, 1) && is_to_itself(path, call->argument[1])) {
		store_say_file(call->argument[1], "it is what is to be read");
		return EX_CANTCREAT;
	}
	status = begin_lines(&exporting, call, 1);
	return status == EX_OK ? salvage_to(call, &exporting) : status;
}
