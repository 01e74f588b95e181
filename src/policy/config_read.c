/* config_read.c -- the compiler with the checks that there are. */
#include "policy/compiler.h"

enum err config_read(const struct config_loader *loader, struct span path, struct text *report,
		     struct config **config_out)
{
	return config_compile(loader, path, check_table, report, config_out);
}
