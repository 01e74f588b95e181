/* err.h -- how an operation of ours ended.
 *
 * The world's faults are one of these and must be looked at; our own faults are ENSURE
 * (base/ensure.h).  An output parameter is written only when the result is OK.
 */
#pragma once
#include "base/attr.h"

enum err {
	OK = 0,
	ERR_SYNTAX,  /* the text is not what it should be */
	ERR_LIMIT,   /* a named limit (_MAX) is exceeded */
	ERR_MISSING, /* what was asked for is not there */
	ERR_SYSTEM,  /* the operating system or a library refused */
};
