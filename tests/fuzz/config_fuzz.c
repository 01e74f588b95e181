/* config_fuzz.c -- the policy language: any bytes make a configuration or a report.
 *
 * What stands behind the byte 0x1c is the text of every file that is included or named by a
 * table.
 */
#include "base/ensure.h"
#include "base/escape.h"
#include "policy/config.h"

#include <stdlib.h>

struct input {
	struct span first, others;
};

static enum err load(void *self, struct span path, struct arena *arena, struct span *text_out,
		     struct span *why_out)
{
	const struct input *input = self;

	if (span_has(path, SPAN("missing"))) {
		*why_out = SPAN("it is not there");
		return ERR_MISSING;
	}
	*text_out = arena_copy(arena, span_equal(path, SPAN("weighd.conf")) ? input->first
									    : input->others);
	return text_out->at == NULL ? ERR_LIMIT : OK;
}

static size_t glob_two(void *self, struct span pattern, struct arena *arena, struct span *path_out,
		       size_t max)
{
	(void)self;
	(void)pattern;
	(void)arena;
	if (max < 2)
		return 0;
	path_out[0] = SPAN("one.conf");
	path_out[1] = SPAN("two.conf");
	return 2;
}

/* A report is shown on terminals: lines of clean UTF-8. */
static void check_report(struct span report)
{
	while (report.len > 0) {
		uint32_t c;
		size_t len = utf8_decode(report, &c);

		ENSURE(len > 0);
		ENSURE(c >= 0x20 || c == '\n' || c == '\t');
		ENSURE(c != 0x7f && !(c >= 0x80 && c < 0xa0));
		report = span_from(report, len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct span whole = span_of((const char *)bytes, count);
	size_t end = count == 0 ? 0 : span_find(whole, '\x1c');
	struct input input = { span_first(whole, end), span_from(whole, end + 1) };
	struct config_loader loader = { .load = load, .glob = glob_two, .self = &input };
	struct config *config = NULL;
	char *room = malloc(CONFIG_REPORT_MAX);
	struct text report = { room, 0, CONFIG_REPORT_MAX, false };
	enum err err;

	if (room == NULL)
		return 0;
	err = config_read(&loader, SPAN("weighd.conf"), &report, &config);
	ENSURE(!report.overrun);
	ENSURE((err == OK) == (config != NULL));
	ENSURE(err == OK || report.len > 0);
	check_report(text_span(&report));
	config_drop(config);
	free(room);
	return 0;
}
