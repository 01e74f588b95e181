/* explain.h -- a decision as people read it: a tree of points, answers and reasons. */
#pragma once
#include "base/span.h"

#include <stdbool.h>
#include <stdio.h>

/** Print the tree of a case line that holds the member "explain" (doc/cases.md).
 *
 * @return false: the line is no such case, nothing was printed
 */
bool explain_print(FILE *file, struct span line);
