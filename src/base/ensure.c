/* ensure.c -- say where we were wrong, then stop. */
#include "base/ensure.h"

#include <stdio.h>
#include <stdlib.h>

void ensure_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "<2>weighd: bug: %s:%d: not true: %s\n", file, line, what);
	abort();
}
