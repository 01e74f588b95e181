/* suffix_list.c -- the public suffix list of this machine. */
#include "sources/suffix_list.h"

#include <libpsl.h>

struct suffixes *suffixes_load(void)
{
	return (struct suffixes *)psl_latest(NULL);
}

void suffixes_free(struct suffixes *suffixes)
{
	psl_free((psl_ctx_t *)suffixes);
}
