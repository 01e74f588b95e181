/* checks.c -- the table of all checks, made from checks.def. */
#include "weigh/check.h"

#define CHECK(name) extern const struct check check_##name;
#include "checks/checks.def"
#undef CHECK

const struct check *const check_table[] = {
#define CHECK(name) &check_##name,
#include "checks/checks.def"
#undef CHECK
	NULL,
};
