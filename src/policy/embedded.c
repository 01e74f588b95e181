/* embedded.c -- the shipped configuration as a loader of files that are built in. */
#include "policy/config.h"

#include "embedded_files.h"

enum { EMBEDDED = sizeof(embedded) / sizeof(*embedded) };

static enum err embedded_load(void *self, struct span path, struct arena *arena,
			      struct span *text_out, struct span *why_out)
{
	(void)self;
	(void)arena;
	for (size_t i = 0; i < EMBEDDED; i++)
		if (span_equal(path, embedded[i].path)) {
			*text_out = embedded[i].text;
			return OK;
		}
	*why_out = SPAN("it is not built in");
	return ERR_MISSING;
}

/* The only pattern that is needed: one star. */
static size_t embedded_glob(void *self, struct span pattern, struct arena *arena,
			    struct span *path_out, size_t max)
{
	size_t star = span_find(pattern, '*'), count = 0;

	(void)self;
	(void)arena;
	for (size_t i = 0; i < EMBEDDED && count < max; i++)
		if (span_starts(embedded[i].path, span_first(pattern, star)) &&
		    span_ends(embedded[i].path, span_from(pattern, star + 1)))
			path_out[count++] = embedded[i].path;
	return count;
}

const struct config_loader config_loader_embedded = {
	.load = embedded_load,
	.glob = embedded_glob,
};
