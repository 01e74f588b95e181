/* ctl.c -- what the verbs of weighctl share. */
#include "ctl/ctl.h"

#include "base/escape.h"
#include "daemon/files.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

int ctl_help(const struct verb *verb)
{
	printf("usage: weighctl %s %s", verb->name, verb->usage);
	return EX_OK;
}

int ctl_usage(const struct verb *verb, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "weighctl %s: ", verb->name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "; see weighctl %s --help\n", verb->name);
	return EX_USAGE;
}

int ctl_wrong_option(const struct verb *verb)
{
	fprintf(stderr, "weighctl: see weighctl %s --help\n", verb->name);
	return EX_USAGE;
}

void ctl_say(const char *format, ...)
{
	va_list arguments;

	fputs("weighctl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

void ctl_print(FILE *file, struct span text)
{
	enum { PIECE = 256 };

	/* In pieces that end before a character's first byte, so that none is torn. */
	while (text.len > 0) {
		TEXT(shown, 4 * PIECE + 16);
		size_t len = text.len < PIECE ? text.len : PIECE;

		while (len > PIECE - 4 && len < text.len && (text.at[len] & 0xc0) == 0x80)
			len--;
		text_add_escaped(&shown, span_first(text, len), 4 * PIECE);
		fwrite(shown.at, 1, shown.len, file);
		text = span_from(text, len);
	}
}

int ctl_finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	ctl_say("standard output: cannot write");
	return status == EX_OK || status == CTL_DIFFERS ? EX_IOERR : status;
}

void ctl_print_line(FILE *file, struct span line)
{
	size_t len = 0;

	for (size_t i = 0; i < line.len; i++) {
		if (line.at[i] != '"' && line.at[i] != '\\' && line.at[i] != '\t')
			continue;
		ctl_print(file, span_of(line.at + len, i - len));
		fputc(line.at[i], file);
		len = i + 1;
	}
	ctl_print(file, span_from(line, len));
}

static int config_status(enum err err)
{
	switch (err) {
	case OK: return EX_OK;
	case ERR_MISSING: return EX_NOINPUT;
	case ERR_SYNTAX:
	case ERR_LIMIT: return EX_CONFIG;
	case ERR_SYSTEM: return EX_OSERR;
	}
	return EX_SOFTWARE;
}

int ctl_read_config(const char *path, struct text *report_out, struct config **config_out)
{
	struct files files = { 0 };
	struct config_loader loader = files_loader(&files);
	enum err err;

	*report_out = (struct text){ .at = malloc(REPORT_BYTES_MAX), .room = REPORT_BYTES_MAX };
	if (report_out->at == NULL)
		return EX_OSERR;
	if (access(path, R_OK) != 0) {
		int error = errno;

		text_add_escaped(report_out, span_cstr(path), REPORT_BYTES_MAX / 2);
		text_addf(report_out, ": error: %s\n", strerror(error));
		return EX_NOINPUT;
	}
	err = config_read(&loader, span_cstr(path), report_out, config_out);
	files_release(&files);
	return config_status(err);
}

int ctl_config(const char *path, struct config **config_out)
{
	struct text report;
	int status = ctl_read_config(path, &report, config_out);

	if (report.len > 0)
		fwrite(report.at, 1, report.len, stderr);
	else if (status != EX_OK)
		ctl_say("cannot read the configuration");
	free(report.at);
	return status;
}

const struct policy *ctl_policy(const struct config *config, const char *name)
{
	const struct policy *policy = NULL;

	if (name != NULL)
		policy = config_policy(config, span_cstr(name));
	else if (config->policy_count > 0)
		policy = config->policy[0];
	if (policy != NULL)
		return policy;
	if (name == NULL) {
		ctl_say("the configuration has no policy");
		return NULL;
	}
	fputs("weighctl: the configuration has no policy '", stderr);
	ctl_print(stderr, span_cstr(name));
	fputs("'\n", stderr);
	return NULL;
}
