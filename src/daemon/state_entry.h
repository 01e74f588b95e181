/* state_entry.h -- an entry of the store as JSON: to the control socket, in exports and imports.
 *
 *	{"kind":"greylist|limit|known","set":"...","key":"...","value":"...","expires":MS}
 *
 * set is "" with greylist; expires is milliseconds since 1970, 0: never.  What else stands there
 * is not looked at.
 */
#pragma once
#include "base/emit.h"
#include "base/err.h"
#include "store/store.h"

#include <jansson.h>

/* Of one line: a value's quotes and backslashes are doubled. */
enum { STATE_LINE_BYTES_MAX = 2 * (STORE_VALUE_MAX + STORE_KEY_MAX + STORE_SET_MAX) + 256 };

/** A member that is text; empty where it is missing or anything else.  Borrowed from object. */
struct span state_text(const json_t *object, const char *name);

MUST_USE bool state_class_find(struct span name, enum store_class *class_out);

void state_emit_entry(struct emit *emit, const struct store_entry *entry);

/** @param entry_out  borrows from object
 * @param why_out    unless OK: a literal
 * @return ERR_SYNTAX: no entry */
MUST_USE enum err state_entry_parse(const json_t *object, struct store_entry *entry_out,
				    const char **why_out);
