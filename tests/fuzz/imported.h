/* imported.h -- a configuration that an importer has made must be one, whatever it was made of. */
#pragma once
#include "base/ensure.h"
#include "policy/config.h"

#include <stdio.h>

static enum err load(void *self, struct span path, struct arena *arena, struct span *text_out,
		     struct span *why_out)
{
	const struct text *config = self;

	if (!span_equal(path, SPAN("weighd.conf"))) {
		*why_out = SPAN("it is not there");
		return ERR_MISSING;
	}
	*text_out = arena_copy(arena, text_span(config));
	return text_out->at == NULL ? ERR_LIMIT : OK;
}

static size_t glob_none(void *self, struct span pattern, struct arena *arena, struct span *path_out,
			size_t max)
{
	(void)self;
	(void)pattern;
	(void)arena;
	(void)path_out;
	(void)max;
	return 0;
}

static void check_config(struct text *made)
{
	struct config_loader loader = { .load = load, .glob = glob_none, .self = made };
	static char room[CONFIG_REPORT_MAX];
	struct text mistakes = { room, 0, sizeof(room), false };
	struct config *config = NULL;
	enum err err = config_read(&loader, SPAN("weighd.conf"), &mistakes, &config);

	if (err != OK)
		fprintf(stderr, "%.*s\n%.*s", SPAN_ARG(text_span(made)),
			SPAN_ARG(text_span(&mistakes)));
	ENSURE(err == OK);
	config_drop(config);
}
